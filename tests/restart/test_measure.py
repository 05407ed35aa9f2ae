"""A measurement of the states of a run that is stopped or killed continues as if nothing had happened."""

import os
import signal
import subprocess
import sys
import time

import pytest

from hpc_nqs import tasks
from hpc_nqs.parallel.team import Team
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.runs.computation import DONE, STOPPED
from hpc_nqs.runs.stopping import NEVER, StopRequest
from hpc_nqs.settings.continuing import measured_again
from hpc_nqs.settings.parsing import SettingsError, parse_settings

FRUSTRATED = {"kind": "heisenberg", "couplings": [1.0, 0.5]}
RINGS = {"model": FRUSTRATED, "lattice": {"kind": "chain", "lengths": [6]}, "wavefunction": {"kind": "permanent"}}
OVERRIDES = ["thermal.n_samples_report=600", "sampling.n_chains=8"]
ASKED = [f"observables.{key}=true" for key in ("correlations", "moments", "energy_terms", "dimers")]
KINDS = {
    "rings": (RINGS, [*OVERRIDES, "thermal.rings=[3,4]"]),
    "cooled": (RINGS, [*OVERRIDES, "thermal.rings=[2]"]),
    "network": ({}, OVERRIDES),
}


class StopWithRows(StopRequest):
    """A stop request that comes as soon as some rows stand in the file."""

    def __init__(self, path, n_rows):
        super().__init__()
        self.path, self.n_rows = path, n_rows

    def due(self, margin):
        return self.path.exists() and len(checkpoint.read_table(self.path)["rows"]) >= self.n_rows


def measure(source, path, stop=NEVER):
    """Measure the states of a run in this process."""
    text, table = checkpoint.read_settings_text(source), checkpoint.read_table(source)
    settings = measured_again(text, table["rows"], str(source), ASKED)
    return tasks.measure(settings, Team.serial(), str(source), str(path), stop)


def resume(runs, path):
    """Continue a file with the settings that stand in it."""
    return runs.cool(parse_settings(checkpoint.read_table(path)["settings"]), path, resume=True)


@pytest.fixture(scope="module", params=KINDS)
def finished(request, runs, tmp_path_factory):
    """Return the files of a short run, and of a whole measurement of it."""
    sections, overrides = KINDS[request.param]
    folder = tmp_path_factory.mktemp("measure")
    assert runs.cool(runs.settings_of([0.3, 0.6], overrides, **sections), folder / "run.h5") == DONE
    assert measure(folder / "run.h5", folder / "whole.h5") == DONE
    return folder / "run.h5", folder / "whole.h5"


@pytest.mark.parametrize(("every", "least"), [(6, 2), pytest.param(3, 3, marks=pytest.mark.slow)])
def test_a_measurement_is_the_same_after_every_stop(runs, finished, tmp_path, every, least):
    source, whole = finished
    before, expected = source.read_bytes(), runs.contents(whole)
    assert expected["table"]["finished"] and len(expected["table"]["rows"]) == 2
    n_stops = 0
    for n_looks in range(1, 40, every):
        stopped = tmp_path / f"{n_looks}.h5"
        code = measure(source, stopped, runs.StopAfter(n_looks))
        if code == DONE:
            break
        assert code == STOPPED
        assert not checkpoint.read_table(stopped)["finished"]
        assert resume(runs, stopped) == DONE
        runs.assert_bitwise(runs.contents(stopped), expected)
        n_stops += 1
    assert n_stops >= least
    assert source.read_bytes() == before


def test_a_stopped_run_is_measured_as_far_as_it_has_come(runs, finished, tmp_path):
    """By default the temperatures that it has reported; colder ones are refused with the command that reaches them."""
    source, _ = finished
    stopped, stored = tmp_path / "stopped.h5", checkpoint.read_table(source)["settings"]
    longer = parse_settings(stored, ["thermal.betas=[0.3, 0.6, 0.9]"])
    assert runs.cool(longer, stopped, StopWithRows(stopped, 2)) == STOPPED
    assert measure(stopped, tmp_path / "again.h5") == DONE
    assert [row["beta"] for row in checkpoint.read_table(tmp_path / "again.h5")["rows"]] == [0.3, 0.6]
    table = checkpoint.read_table(stopped)
    text = checkpoint.read_settings_text(stopped)
    settings = measured_again(text, table["rows"], str(stopped), ["thermal.betas=[0.3, 0.9]"])
    with pytest.raises(SettingsError, match=rf"T = 1.11111 is asked for.*hpc-nqs resume {stopped}"):
        tasks.measure(settings, Team.serial(), str(stopped), str(tmp_path / "colder.h5"))
    assert not (tmp_path / "colder.h5").exists()


def test_a_killed_measurement_goes_on(runs, finished, tmp_path, clean_environment):
    source, whole = finished
    expected, killed = runs.contents(whole), tmp_path / "killed.h5"
    command = [sys.executable, "-m", "hpc_nqs", "measure", str(source), "-o", str(killed)]
    command += [word for each in (*ASKED, "run.checkpoint_minutes=0") for word in ("--set", each)]
    with subprocess.Popen(command, env=clean_environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as job:
        deadline = time.monotonic() + 60
        while not killed.exists() and job.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        os.kill(job.pid, signal.SIGKILL)
    assert killed.exists()
    done = subprocess.run(
        [sys.executable, "-m", "hpc_nqs", "resume", str(killed), "--set", "run.checkpoint_minutes=10"],
        env=clean_environment, capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stderr
    runs.assert_bitwise(runs.contents(killed), expected)
