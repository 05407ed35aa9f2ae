"""What all tests share: the team of ranks, subprocesses under mpiexec, and an end to deadlocks.

A test marked ``mpi`` runs on all ranks of ``mpiexec -n N pytest --with-mpi -m mpi``. When it fails on one rank the
others would wait for it forever, so the first failure prints and ends the job.
"""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from hpc_nqs.parallel.team import Team, start

RANK = os.environ.get("PMI_RANK") or os.environ.get("OMPI_COMM_WORLD_RANK")
if RANK is not None and "PYTEST_DEBUG_TEMPROOT" not in os.environ:
    # Ranks that share one root clear away each other's folders: now and then one fails over that, long after its tests.
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(Path(tempfile.gettempdir(), f"pytest-rank-{RANK}"))
    os.makedirs(os.environ["PYTEST_DEBUG_TEMPROOT"], exist_ok=True)


@pytest.fixture(scope="session")
def team(request):
    """All ranks of the test run; a team of one without ``--with-mpi``."""
    return start() if request.config.getoption("with_mpi") else Team.serial()


@pytest.fixture
def clean_environment():
    """Return the environment without what a launcher around these tests left in it, one thread per process."""
    launchers = ("PMI", "OMPI_", "PRTE_", "HYDI", "MPIR_", "MPI_LOCAL", "SLURM_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(launchers)}
    return {**kept, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@pytest.fixture
def mpiexec(clean_environment):
    """Return a function that runs a command on several ranks and returns what `subprocess.run` does.

    Its arguments: n_ranks, *command, the options of `subprocess.run`, and `wrap`, a command that gets the one with
    mpiexec appended.
    """
    launcher = Path(sys.executable).parent / "mpiexec"
    launcher = str(launcher) if launcher.exists() else shutil.which("mpiexec")
    if launcher is None:
        pytest.skip("no mpiexec in this environment")

    def run(n_ranks, *command, env=None, wrap=(), **options):
        defaults = {"capture_output": True, "text": True, "timeout": 60}
        environment = {**clean_environment, **OPEN_MPI_ON_A_SMALL_MACHINE, **(env or {})}
        command = [*wrap, launcher, "-n", str(n_ranks), *map(str, command)]
        return subprocess.run(command, **{**defaults, **options}, env=environment, check=False)

    return run


@pytest.fixture(scope="session")
def creators():
    """Return the function that makes the creation operators of n units as dense matrices.

    The basis state of an index has the units of its bits occupied, and is c+_p c+_q ... |0> in ascending order.
    """
    return dense_creators


def dense_creators(n):
    """Return the matrices (2^n, 2^n) of c+_0 ... c+_(n-1)."""
    create, sign = np.array([[0.0, 0.0], [1.0, 0.0]]), np.diag([1.0, -1.0])
    factors = [[sign] * p + [create] + [np.eye(2)] * (n - p - 1) for p in range(n)]
    return [functools.reduce(np.kron, reversed(row)) for row in factors]  # unit 0 is the lowest bit


OPEN_MPI_ON_A_SMALL_MACHINE = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """End the job of several ranks at the first failure on any of them."""
    report = yield
    if report.failed and item.config.getoption("with_mpi"):
        all_ranks = start()
        if all_ranks.size > 1:
            where = f"rank {all_ranks.rank} of {all_ranks.size}: {report.when} of {report.nodeid} failed"
            all_ranks.abort(f"{report.longreprtext}\n{where}; ending all ranks")
    return report
