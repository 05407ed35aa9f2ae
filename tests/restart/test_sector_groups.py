"""Sectors of a ground-state run spread over groups of ranks: the same results as one after the other, also after kills.

With groups of one rank each the file is that of a serial run to the last bit.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.parallel.team import Team
from hpc_nqs.runs import run_file
from hpc_nqs.runs.computation import DONE, STOPPED
from hpc_nqs.runs.stopping import NEVER
from hpc_nqs.settings.parsing import SettingsError, parse_settings

SECTORS = [[4, 1], [0, 1], [1, -1], [2, 1], [3, -1]]


def settings_of(*overrides, n_steps=5, groups=2):
    tables = {"run": {"seed": 7, "task": "ground_state"}, "lattice": {"kind": "chain", "lengths": [8]}}
    tables |= {"model": {"kind": "heisenberg"}, "observables": {"structure_factor": [[1, 0]]}}
    tables |= {"sampling": {"method": "metropolis", "n_samples": 64, "n_chains": 5, "n_warm_up": 10}}
    part = {"n_steps": n_steps, "n_samples_final": 192, "v_score": 0, "sectors": SECTORS, "groups": groups}
    return parse_settings(tables | {"ground_state": part}, overrides)


def serial(settings, path, stop=NEVER, resume=False):
    return tasks.run(settings, Team.serial(), str(path), resume_from=str(path) if resume else None, stop=stop)


def contents(runs, path):
    """Return what is in a run file but the time, the number of ranks and that of groups."""
    found = runs.contents(path)
    for name in ("n_ranks", "settings", "resolved"):
        del found["table"][name]
    return found


def assert_close(runs, path, expected):
    """Compare a run file with one of other sums: sampled chains and rows, all but the last digits."""
    found, wanted = contents(runs, path), contents(runs, expected)
    for name, values in wanted["history"].items():
        np.testing.assert_allclose(found["history"][name], values, rtol=1e-6, atol=1e-9, err_msg=name)
    for row, other in zip(found["table"]["rows"], wanted["table"]["rows"], strict=True):
        assert row["momentum"] == other["momentum"] and row.keys() == other.keys()
        np.testing.assert_allclose(row["energy"], other["energy"], rtol=1e-7, atol=1e-9)
    for name in ("visible", "streams"):
        np.testing.assert_array_equal(found["state"]["chains"][name], wanted["state"]["chains"][name])


def sector_files(path):
    return [each.name for each in path.parent.iterdir() if ".sector" in each.name]


@pytest.fixture
def whole(tmp_path):
    """A serial run of all sectors."""
    path = tmp_path / "whole.h5"
    assert serial(settings_of(), path) == DONE
    return path


@pytest.fixture
def launch(mpiexec, tmp_path):
    """Return a function that runs, or continues where there is a run file, on some ranks."""

    def start(n_ranks, path, *more, **options):
        source = path.with_suffix(".toml")
        words = ["resume", path] if path.exists() else ["run", source, "-o", path]
        source.write_text(settings_of().to_toml())
        return mpiexec(n_ranks, sys.executable, "-m", "hpc_nqs", *words, *more, **options)

    return start


def test_groups_of_one_rank_write_the_file_of_a_serial_run(runs, launch, whole, tmp_path):
    path = tmp_path / "groups.h5"
    done = launch(2, path)
    assert done.returncode == DONE, done.stderr
    assert done.stderr.count("sector 5 of 5: momentum = [3], spin_parity = -1 (group") == 1
    assert "/5 sectors  step" in done.stderr and done.stderr.count("checkpoints:") == 1
    runs.assert_bitwise(contents(runs, path), contents(runs, whole))
    table = run_file.read_table(path)
    assert table["n_ranks"] == 2 and table["resolved"]["ground_state"]["groups"] == 2
    assert [(row["momentum"][0], row["spin_parity"]) for row in table["rows"]] == [tuple(each) for each in SECTORS]
    assert sector_files(path) == []
    assert launch(2, path).returncode == DONE  # nothing is left to do
    runs.assert_bitwise(contents(runs, path), contents(runs, whole))


@pytest.mark.slow
def test_groups_of_different_size_agree_with_a_serial_run(runs, launch, whole, tmp_path):
    done = launch(3, tmp_path / "groups.h5")
    assert done.returncode == DONE, done.stderr
    assert_close(runs, tmp_path / "groups.h5", whole)


@pytest.mark.parametrize("n_looks", [9, *(pytest.param(n, marks=pytest.mark.slow) for n in (3, 20))])
def test_a_serial_run_goes_on_in_groups(runs, launch, whole, tmp_path, n_looks):
    path = tmp_path / "run.h5"
    assert serial(settings_of(), path, runs.StopAfter(n_looks)) == STOPPED
    clock = run_file.read_history(path)["seconds"]
    done = launch(2, path)
    assert done.returncode == DONE, done.stderr
    runs.assert_bitwise(contents(runs, path), contents(runs, whole))
    np.testing.assert_array_equal(run_file.read_history(path)["seconds"][: len(clock)], clock)  # not made again


def killed(command, environment, is_late, number):
    """Start a command and end its process group as soon as `is_late()`; return its exit code."""
    output = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=environment, start_new_session=True, **output) as job:
        deadline = time.monotonic() + 60
        while not is_late() and job.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        if job.poll() is None:
            os.killpg(job.pid, number)
        return job.wait(60)


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_killed_run_goes_on_with_other_numbers_of_ranks_and_groups(
    runs, launch, mpiexec, clean_environment, tmp_path, number
):
    """Killed on two ranks when one sector is done and two others have begun; then on three ranks, then on one."""
    overrides = ["run.checkpoint_minutes=0", "ground_state.n_samples_final=6400"]
    source, path, expected = tmp_path / "run.toml", tmp_path / "run.h5", tmp_path / "expected.h5"
    source.write_text(settings_of(*overrides, n_steps=15).to_toml())
    assert serial(settings_of(*overrides, n_steps=15), expected) == DONE
    launcher = Path(sys.executable).parent / "mpiexec"

    def n_rows():
        return len(run_file.read_table(path)["rows"]) if path.exists() else 0

    n_done = 0
    for n_ranks, late in ((2, 1), (3, 3)):
        words = ["resume", path] if path.exists() else ["run", source, "-o", path]
        command = [str(launcher), "-n", str(n_ranks), sys.executable, "-m", "hpc_nqs", *map(str, words)]
        killed(command, clean_environment, lambda late=late: n_rows() >= late, number)
        assert n_rows() >= max(late, n_done)
        n_done = n_rows()
    if n_done < len(SECTORS):
        assert sector_files(path) and not run_file.read_table(path)["finished"]
    assert tasks.run(parse_settings(run_file.read_table(path)["settings"]), Team.serial(), str(path), str(path)) == DONE
    assert_close(runs, path, expected)
    assert sector_files(path) == []


@pytest.mark.slow
def test_files_of_sectors_of_another_run_of_this_name_are_not_taken(runs, launch, whole, tmp_path):
    path = tmp_path / "run.h5"
    assert serial(settings_of(), path, runs.StopAfter(9)) == STOPPED
    stray = Path(f"{path}.0123abcd.sector3")
    stray.write_bytes(b"of another run")
    done = launch(2, path)
    assert done.returncode == DONE, done.stderr
    assert not stray.exists()
    runs.assert_bitwise(contents(runs, path), contents(runs, whole))


DISTURBED = """
import signal
import sys
from hpc_nqs.cli import parser
from hpc_nqs.ground_state import levels
from hpc_nqs.runs.recorder import UnwritableError
whole = levels.Levels._go_through
def disturbed(self, number, dispatch):
    if self.groups.number == 1:
        WHAT
    return whole(self, number, dispatch)
levels.Levels._go_through = disturbed
sys.exit(parser.main(["run", "run.toml", "-o", "run.h5"]))
"""
WATCHED = """
import hpc_nqs
steps, rows = [], []
def on_result(row):
    rows.append(row["momentum"][0])
    return len(rows) == LAST
run = hpc_nqs.run(hpc_nqs.read_input("run.toml"), "run.h5", overwrite=True, on_step=steps.append, on_result=on_result)
assert run.finished == (LAST > 5)
if rows:  # on rank 0
    assert sorted(rows) == [0, 1, 2, 3, 4] if run.finished else 3 <= len(set(rows)) == len(rows) < 5, rows
    assert {step["sector"] for step in steps} <= set(range(5)) and len(steps) % 5 == 0 or not run.finished
    print(f"{len(rows)} results, {run.stopped or 'to the end'}")
"""


def test_an_error_in_one_group_ends_all_ranks_with_one_message(mpiexec, tmp_path):
    (tmp_path / "run.toml").write_text(settings_of(n_steps=2000).to_toml())
    what = 'raise UnwritableError("the disk of group 2 is gone")'
    (tmp_path / "failing.py").write_text(DISTURBED.replace("WHAT", what))
    done = mpiexec(3, sys.executable, "failing.py", cwd=tmp_path)
    assert done.returncode != 0
    assert done.stderr.count("hpc-nqs: the disk of group 2 is gone") == 1


def test_a_signal_to_one_group_stops_all_at_a_checkpoint(runs, mpiexec, launch, whole, tmp_path):
    path = tmp_path / "run.h5"
    path.with_suffix(".toml").write_text(settings_of().to_toml())
    (tmp_path / "signalled.py").write_text(DISTURBED.replace("WHAT", "signal.raise_signal(signal.SIGUSR1)"))
    done = mpiexec(2, sys.executable, "signalled.py", cwd=tmp_path)
    assert done.returncode == STOPPED, done.stderr
    assert "SIGUSR1 received" in done.stderr and "continue with: hpc-nqs resume" in done.stdout
    assert not run_file.read_table(path)["finished"]
    begun = [name for name in sector_files(path) if not name.endswith(".previous")]
    clocks = {int(name[-1]): run_file.read_history(path.parent / name)["seconds"] for name in begun}
    assert clocks and any(len(clock) for clock in clocks.values())
    done = launch(2, path)
    assert done.returncode == DONE, done.stderr
    runs.assert_bitwise(contents(runs, path), contents(runs, whole))
    history = run_file.read_history(path)
    for number, clock in clocks.items():  # continued, not made again
        np.testing.assert_array_equal(history["seconds"][history["sector"] == number][: len(clock)], clock)


@pytest.mark.parametrize("last", [9, pytest.param(3, marks=pytest.mark.slow)])
def test_a_program_that_watches_sees_every_sector_once_and_may_stop_all_groups(mpiexec, tmp_path, last):
    (tmp_path / "run.toml").write_text(settings_of(n_steps=20).to_toml())
    (tmp_path / "watched.py").write_text(WATCHED.replace("LAST", str(last)))
    done = mpiexec(2, sys.executable, "watched.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert ("5 results, to the end" if last > 5 else "asked for by the program") in done.stdout


def test_wrong_numbers_of_groups_are_refused():
    with pytest.raises(SettingsError, match=r"ground_state.groups = 0: allowed is .* an integer from 1"):
        settings_of("ground_state.groups=0")
    with pytest.raises(SettingsError, match=r"ground_state.groups = 2: groups share several sectors; .*sectors"):
        settings_of("ground_state.sectors=auto")
