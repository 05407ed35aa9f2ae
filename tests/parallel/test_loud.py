"""Jobs whose ranks do not fit together, or of which one fails, end at once and say why."""

import os
import sys
import time
from pathlib import Path

import pytest

import hpc_nqs
from hpc_nqs.runs import run_file as checkpoint

INPUT = """
[run]
seed = 1
[lattice]
kind = "chain"
lengths = [4]
[model]
kind = "heisenberg"
[wavefunction]
alpha = 2
[sampling]
method = "metropolis"
n_samples = 64
n_chains = 4
[thermal]
betas = [0.2]
"""
PACKAGE_PATH = {"PYTHONPATH": str(Path(hpc_nqs.__file__).parents[1])}
RANK = "int(os.environ.get('PMI_RANK') or os.environ['OMPI_COMM_WORLD_RANK'])"


@pytest.fixture
def started(mpiexec, tmp_path):
    """Return a function that runs an input on two ranks, after some statements, and returns (code, output, errors)."""

    def run(statements="", env=None, wrap=()):
        (tmp_path / "input.toml").write_text(INPUT)
        code = f"import os, sys; rank = {RANK}\n{statements}\nfrom hpc_nqs.cli.parser import main; sys.exit(main())"
        words = [*wrap, sys.executable, "-c", code, "run", "input.toml"]
        done = mpiexec(2, *words, cwd=tmp_path, env=PACKAGE_PATH | (env or {}))
        return done.returncode, done.stdout, done.stderr

    return run


def test_the_ranks_run_the_input(started, tmp_path):
    # control: what the tests below change is all that is wrong with them
    code, output, errors = started()
    assert code == 0, errors
    assert "results are in input.h5" in output


def test_an_exception_on_one_rank_ends_the_job_within_seconds(started, tmp_path):
    statements = (
        "from hpc_nqs.thermal.meter import Meter\n"
        "def fail(*arguments, **options): raise ZeroDivisionError('on rank 1 alone')\n"
        "if rank == 1: Meter.summarize = fail"
    )
    begin = time.monotonic()
    code, output, errors = started(statements)
    assert time.monotonic() - begin < 20
    assert code != 0
    assert "rank 1 of 2: ZeroDivisionError; ending all ranks" in errors
    assert errors.count("Traceback") == 1 and "in _step" in errors


@pytest.mark.parametrize(
    ("statements", "sentence"),
    [
        (
            "from hpc_nqs import version; version.__version__ += '.dev1' * rank",
            "the version of hpc_nqs differs between ranks",
        ),
        ("sys.argv += ['--set', f'run.seed={rank}']", "the command differs between ranks"),
        (
            "os.makedirs(f'node{rank}'); os.chdir(f'node{rank}')\n"
            "open('input.toml', 'w').write(open('../input.toml').read().replace('[0.2]', f'[0.{rank + 2}]'))",
            "the input file input.toml differs between ranks",
        ),
    ],
    ids=["version", "command", "input"],
)
def test_ranks_that_disagree_stop_at_the_start(started, tmp_path, statements, sentence):
    code, output, errors = started(statements)
    assert code == 1
    assert errors.count(f"{sentence}: not as on rank 0 on 1 of 2 (1)") == 1
    assert "Traceback" not in errors
    assert not list(tmp_path.rglob("*.h5*"))


def test_an_input_that_only_rank_0_can_see_is_enough(started, tmp_path):
    code, output, errors = started("if rank: os.makedirs('elsewhere'); os.chdir('elsewhere')")
    assert code == 0, errors
    assert os.listdir(tmp_path / "elsewhere") == []


def test_more_announced_than_shown_is_an_error(started, tmp_path):
    code, output, errors = started(env={"MV2_COMM_WORLD_SIZE": "4"})
    assert code == 1
    assert "the launcher announced 4 processes (MV2_COMM_WORLD_SIZE), but MPI knows of 2" in errors
    assert "Traceback" not in errors
    assert not list(tmp_path.rglob("*.h5*"))


def test_a_disk_that_stays_full_ends_all_ranks_with_one_sentence(started, tmp_path):
    statements = (
        "import errno\nfrom hpc_nqs.runs import run_file as checkpoint\nwrite, calls = checkpoint.replace_file, []\n"
        "def fail(path, *rest):\n"
        "    calls.append(path)\n"
        "    if len(calls) > 2: raise OSError(errno.ENOSPC, 'No space left on device', path)\n"
        "    write(path, *rest)\n"
        "checkpoint.replace_file = fail\nsys.argv += ['--set', 'run.checkpoint_minutes=0']"
    )
    code, output, errors = started(statements)
    assert code == 1
    assert errors.count("could not be written several times in a row (No space left on device)") == 1
    assert "Traceback" not in errors
    assert checkpoint.read_history(tmp_path / "input.h5")["step"].tolist() == [1.0]


def test_a_damaged_file_is_reported_once(mpiexec, tmp_path):
    (tmp_path / "run.h5").write_bytes(checkpoint.HDF5_SIGNATURE + bytes(1000))
    done = mpiexec(2, sys.executable, "-m", "hpc_nqs", "resume", tmp_path / "run.h5", env=PACKAGE_PATH)
    assert done.returncode == 2
    assert done.stderr.count("is cut off or damaged") == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("rank", [0, 1])
def test_a_signal_before_mpi_starts_is_not_lost(started, tmp_path, rank):
    statements = (
        "import signal\nfrom hpc_nqs.parallel import team as parallel\nstart = parallel.start\n"
        "def start_late():\n"
        f"    if rank == {rank}: os.kill(os.getpid(), signal.SIGUSR1)\n"
        "    return start()\n"
        "parallel.start = start_late"
    )
    code, output, errors = started(statements)
    assert code == 75, errors
    assert checkpoint.read_history(tmp_path / "input.h5")["step"].tolist() == [1.0]
