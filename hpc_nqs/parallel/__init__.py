"""Ranks and threads: the team of MPI processes, the threads of a rank, launchers, the processor."""
