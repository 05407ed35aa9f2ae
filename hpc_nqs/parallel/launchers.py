"""What the launcher of a parallel job announces in the environment."""

# What the launchers of MPI programs tell each process about the number of processes.
MPI_LAUNCHERS = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")


def announced_size(environment):
    """Return (variable, number of processes) as the launcher announced them; ("", 1) without one.

    Slurm's number counts only inside a job step: the batch shell of a job with four tasks is one process. The
    launchers of MPI itself come first, because mpiexec may start its own helpers as a Slurm step.
    """
    names = [name for name in MPI_LAUNCHERS if environment.get(name, "").isdigit()]
    if not names and "SLURM_STEP_ID" in environment:
        slurm = ("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")
        names = [name for name in slurm if environment.get(name, "").isdigit()][:1]
    return max(((name, int(environment[name])) for name in names), key=lambda pair: pair[1], default=("", 1))
