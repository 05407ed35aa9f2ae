"""What happens to a whole job: a rank that fails, a launcher that does not match, signals to mpiexec."""

import subprocess
import sys
import time

import pytest

PROLOGUE = (
    "import sys, time; from hpc_nqs.parallel.team import start; from hpc_nqs.runs.stopping import StopRequest\n"
    "stop = StopRequest().__enter__(); team = start()\n"
)

FAILING = """
if team.rank == team.size - 1:
    raise ValueError("a message from the last rank")
team.barrier()
"""

STOPPING = """
print("ready" if team.is_root else "", flush=True)
while not team.any(stop.requested):
    time.sleep(0.02)
sys.exit(75)
"""


def python(code):
    return sys.executable, "-c", PROLOGUE + code


@pytest.mark.parametrize("n_ranks", [2, 3])
def test_a_failing_rank_ends_the_job_with_its_message(mpiexec, n_ranks):
    begin = time.monotonic()
    done = mpiexec(n_ranks, *python(FAILING), timeout=30)
    assert time.monotonic() - begin < 10
    assert done.returncode != 0
    assert f"rank {n_ranks - 1} of {n_ranks}: ValueError; ending all ranks" in done.stderr
    assert "ValueError: a message from the last rank" in done.stderr
    assert done.stderr.count("Traceback") == 1


def test_abort_ends_ranks_that_wait(mpiexec):
    code = "team.abort('the disk is full') if team.is_root else team.barrier()"
    done = mpiexec(2, *python(code), timeout=30)
    assert done.returncode != 0
    assert "the disk is full" in done.stderr


def test_world_size_that_contradicts_the_launcher_is_an_error_on_every_process(mpiexec):
    # every process leaves the launcher it was started by, as with a launcher of another MPI
    code = (
        "import os, subprocess, sys\n"
        "kept = {k: v for k, v in os.environ.items() if not k.startswith(('PMI', 'OMPI_', 'PRTE_'))}\n"
        "kept.update(SLURM_STEP_ID='0', SLURM_STEP_NUM_TASKS='2')\n"
        "alone = [sys.executable, '-c', 'from hpc_nqs.parallel.team import start; start()']\n"
        "os.write(1, b'code %d\\n' % subprocess.run(alone, env=kept).returncode)"  # in one piece
    )
    done = mpiexec(2, sys.executable, "-c", code)
    assert done.stdout.split() == ["code", "1", "code", "1"]
    assert done.stderr.count("LauncherError: the launcher announced 2 processes") == 2


def test_more_ranks_than_processors(mpiexec):
    done = mpiexec(4, *python("largest = team.max(team.rank)\nif team.is_root: print(largest)"))
    assert done.returncode == 0
    assert done.stdout.split() == ["3.0"]


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGTERM", "SIGINT"])
def test_a_signal_to_mpiexec_stops_all_ranks_between_steps(mpiexec, name):
    if name != "SIGUSR1" and "Open MPI" in mpiexec(1, "true", wrap=["sh", "-c", '"$1" --version', "sh"]).stdout:
        pytest.skip(f"Open MPI's mpiexec ends its ranks when it gets {name}; it forwards SIGUSR1 alone")
    # the shell waits for the ranks to be ready, then signals their launcher, and hands back its exit code
    script = (
        'out=$(mktemp); "$@" >"$out" & launcher=$!; '
        'for _ in $(seq 200); do grep -q ready "$out" && break; sleep 0.05; done; '
        f"kill -{name[3:]} $launcher; wait $launcher; code=$?; rm \"$out\"; exit $code"
    )
    done = mpiexec(2, *python(STOPPING), wrap=["bash", "-c", script, "bash"], timeout=30)
    assert done.returncode == 75
    assert "Traceback" not in done.stderr


def test_serial_program_does_not_need_a_launcher(clean_environment):
    command = [sys.executable, "-c", PROLOGUE + "print(team)"]
    done = subprocess.run(command, env=clean_environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.strip() == "Team(rank=0, size=1)"
