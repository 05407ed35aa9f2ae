"""Functions that watch a run on several ranks: called on rank 0 alone, and what they raise is raised on all."""

import sys
from pathlib import Path

import hpc_nqs

PROGRAM = """
import sys
import hpc_nqs
from mpi4py import MPI

class EnoughError(Exception):
    pass

calls = []

def watch(step):
    calls.append(step["beta"])
    if len(calls) == 3:
        raise EnoughError("seen enough")

settings = hpc_nqs.make_input(
    run={"seed": 1}, lattice={"kind": "chain", "lengths": [4]}, model={"kind": "heisenberg"},
    thermal={"betas": [0.2, 0.4]}, sampling={"method": "metropolis", "n_samples": 256, "n_chains": 8},
)
rank = MPI.COMM_WORLD.rank
try:
    hpc_nqs.run(settings, "run.h5", on_step=watch)
except EnoughError as error:
    sys.stdout.write(f"{rank} {error} {len(calls)}\\n")
run = hpc_nqs.resume("run.h5", {"thermal.betas": [0.3]}, on_result=lambda row: row["beta"] == 0.3)
sys.stdout.write(f"{rank} {run.stopped} {run['beta'].tolist()}\\n")
"""


def test_what_is_raised_on_rank_0_is_raised_on_all(tmp_path, mpiexec):
    (tmp_path / "program.py").write_text(PROGRAM)
    path = {"PYTHONPATH": str(Path(hpc_nqs.__file__).parents[1])}
    done = mpiexec(2, sys.executable, "program.py", cwd=tmp_path, env=path)
    assert done.returncode == 0, done.stderr
    words = "asked for by the program that watches the run"
    lines = [f"{rank} seen enough {3 * (rank == 0)}" for rank in (0, 1)] + [f"{rank} {words} [0.3]" for rank in (0, 1)]
    assert sorted(done.stdout.splitlines()) == sorted(lines)
