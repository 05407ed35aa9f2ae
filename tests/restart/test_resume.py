"""Runs that are stopped, killed or extended, and continue from their file alone."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.parallel.team import Team
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.runs.computation import DONE, FAILED, STOPPED
from hpc_nqs.runs.stopping import NEVER, StopRequest
from hpc_nqs.settings.parsing import SettingsError

HEISENBERG, TFIM = {"kind": "heisenberg"}, {"kind": "tfim"}
XYZ = {"kind": "xyz", "couplings_x": [1.0], "couplings_y": [0.4], "couplings_z": [0.7], "field_z": 0.3}
KINDS = {
    "heisenberg": {"model": HEISENBERG},
    "clusters": {"model": HEISENBERG, "wavefunction": {"kind": "clusters"}},
    "rbm": {"model": HEISENBERG, "wavefunction": {"kind": "rbm", "parameters": "real"}},
    "j1j2": {"model": HEISENBERG | {"couplings": [1.0, 0.5]}},
    "j1j2_pair_rbm": {"model": HEISENBERG | {"couplings": [1.0, 0.5]}, "wavefunction": {"kind": "pair_rbm"}},
    "j1j2_permanent": {"model": HEISENBERG | {"couplings": [1.0, 0.5]}, "wavefunction": {"kind": "permanent"}},
    "xyz": {"model": XYZ, "wavefunction": {"kind": "hafnian"}},
    "electrons": {"model": {"kind": "hubbard", "U": 4.0, "n_up": 2, "n_down": 1}, "wavefunction": {}},
    "electrons_mu": {"model": {"kind": "hubbard", "U": 4.0, "mu": 1.5}, "wavefunction": {}},
    "tfim": {"model": TFIM},
    "complex": {"model": HEISENBERG | {"field_z": 0.3}, "wavefunction": {"parameters": "complex"}},
    "cg": {"model": HEISENBERG, "reconfiguration": {"solver": "cg"}},  # starts from the velocity before
    "sample_space": {"model": HEISENBERG, "reconfiguration": {"solver": "sample_space"}},
    "exact_sum": {"model": HEISENBERG, "sampling": {"method": "exact_sum"}},
    "slices": {"model": HEISENBERG, "wavefunction": {"alpha": 2, "slices": 2}},
    "deep_units": {"model": TFIM, "wavefunction": {"kind": "dbm"}},
}
BETAS = [0.2, 0.35]
AT_EVERY_STEP = ("heisenberg", "j1j2_permanent", "exact_sum")  # stopped after every step, the others after four


@pytest.fixture
def settings_of(runs):
    """Return a function that makes the settings of one kind of run."""

    def make(kind="heisenberg", betas=BETAS, overrides=()):
        return runs.settings_of(betas, overrides, **KINDS[kind])

    return make


class StopAfter(StopRequest):
    """A stop request that comes when the driver looks for the `n_looks`-th time: after a step or batch of a report."""

    def __init__(self, n_looks):
        super().__init__()
        self.left = n_looks

    def due(self, margin):
        self.left -= 1
        return self.left <= 0


def cool(settings, path, n_looks=None, resume=False):
    """Run or resume, stopping at look number `n_looks` if it is given."""
    stop = NEVER if n_looks is None else StopAfter(n_looks)
    return tasks.run(settings, Team.serial(), str(path), resume_from=str(path) if resume else None, stop=stop)


@pytest.mark.parametrize(
    ("kind", "n_steps"),
    [pytest.param(kind, n, marks=[pytest.mark.slow] if n == 1 and kind not in AT_EVERY_STEP else [])
     for kind in KINDS for n in (1, 4)],
)
def test_a_stopped_and_resumed_run_is_bitwise_the_uninterrupted_one(settings_of, runs, tmp_path, kind, n_steps):
    whole, parts = tmp_path / "whole.h5", tmp_path / "parts.h5"
    assert cool(settings_of(kind), whole) == DONE
    assert cool(settings_of(kind), parts, n_steps) == STOPPED
    stopped = runs.contents(parts)
    assert not stopped["table"]["finished"]
    assert len(stopped["history"]["beta"]) == n_steps
    assert cool(settings_of(kind), parts, resume=True) == DONE
    runs.assert_bitwise(runs.contents(parts), runs.contents(whole))


def test_stopping_at_every_step_changes_nothing(settings_of, runs, tmp_path):
    whole, parts = tmp_path / "whole.h5", tmp_path / "parts.h5"
    settings = settings_of(overrides=["thermal.n_samples_report=64"])  # one batch
    assert cool(settings, whole) == DONE
    code, n_starts = cool(settings, parts, 1), 1
    while code == STOPPED:
        code, n_starts = cool(settings, parts, 1, resume=True), n_starts + 1
    assert code == DONE
    assert n_starts > 4
    runs.assert_bitwise(runs.contents(parts), runs.contents(whole))


def test_a_report_cut_short_is_made_again(settings_of, runs, tmp_path):
    whole, parts = tmp_path / "whole.h5", tmp_path / "parts.h5"
    assert cool(settings_of(), whole) == DONE
    before_report = int((checkpoint.read_history(whole)["beta"] < BETAS[0]).sum())
    assert cool(settings_of(), parts, before_report + 3) == STOPPED
    stopped = runs.contents(parts)
    assert stopped["state"]["beta"] == BETAS[0]
    assert stopped["table"]["rows"] == []
    assert cool(settings_of(), parts, resume=True) == DONE
    runs.assert_bitwise(runs.contents(parts), runs.contents(whole))


def test_the_comparison_notices_another_seed(settings_of, runs, tmp_path):
    # control: a resumed run with streams or parameters lost would differ as two seeds do
    for seed in (7, 8):
        assert cool(settings_of(overrides=[f"run.seed={seed}"]), tmp_path / f"{seed}.h5") == DONE
    with pytest.raises(AssertionError, match="state"):
        runs.assert_bitwise(runs.contents(tmp_path / "8.h5"), runs.contents(tmp_path / "7.h5"))


def test_resume_adds_temperatures(settings_of, runs, tmp_path):
    whole, parts = tmp_path / "whole.h5", tmp_path / "parts.h5"
    assert cool(settings_of(betas=[0.2, 0.3, 0.4]), whole) == DONE
    assert cool(settings_of(betas=[0.2]), parts) == DONE
    assert checkpoint.read_table(parts)["finished"]
    assert cool(settings_of(betas=[0.2, 0.3, 0.4]), parts, resume=True) == DONE
    runs.assert_bitwise(runs.contents(parts), runs.contents(whole))


def test_resume_of_a_finished_run_changes_nothing(settings_of, runs, tmp_path):
    path = tmp_path / "run.h5"
    assert cool(settings_of(), path) == DONE
    before = runs.contents(path)
    assert cool(settings_of(), path, resume=True) == DONE
    runs.assert_bitwise(runs.contents(path), before)


def test_temperatures_above_the_present_one_are_refused(settings_of, runs, tmp_path):
    # the run has passed them: what it could report now is the state at a lower temperature
    path = tmp_path / "run.h5"
    assert cool(settings_of(betas=[0.2, 0.35]), path) == DONE
    before = runs.contents(path)
    with pytest.raises(SettingsError, match="thermal"):
        cool(settings_of(betas=[0.2, 0.3, 0.35, 0.4]), path, resume=True)
    runs.assert_bitwise(runs.contents(path), before)


@pytest.mark.parametrize("n_chains", [4, 6])
def test_another_number_of_chains_is_refused(settings_of, runs, tmp_path, n_chains):
    path = tmp_path / "run.h5"
    assert cool(settings_of(), path, 2) == STOPPED
    before = runs.contents(path)
    with pytest.raises(SettingsError, match=f"sampling.n_chains = {n_chains}: the run has 5 chains"):
        cool(settings_of(overrides=[f"sampling.n_chains={n_chains}"]), path, resume=True)
    runs.assert_bitwise(runs.contents(path), before)


def test_a_failed_run_continues_with_better_settings(settings_of, tmp_path):
    path = tmp_path / "run.h5"
    assert cool(settings_of("exact_sum", overrides=["thermal.step_tolerance=1e-15"]), path) == FAILED
    assert not checkpoint.read_table(path)["finished"]
    assert cool(settings_of("exact_sum"), path, resume=True) == DONE
    assert [row["beta"] for row in checkpoint.read_table(path)["rows"]] == BETAS


# ---- the program as users start it ---------------------------------------------------------------------------------

LONG = [0.11 + 0.002 * k for k in range(300)]  # reports only a signal ends


@pytest.fixture
def command(clean_environment):
    """Return a function that makes the command line of hpc-nqs and its environment."""

    def make(*arguments):
        return {"args": [sys.executable, "-m", "hpc_nqs", *map(str, arguments)], "env": clean_environment}

    return make


def started(settings_of, command, path, betas, extra=()):
    """Start a run that saves after every step, and wait for its first report."""
    source = path.with_suffix(".toml")
    source.write_text(settings_of(betas=betas, overrides=["run.checkpoint_minutes=0", *extra]).to_toml())
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(**command("run", source, "-o", path), **pipes)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if path.exists() and checkpoint.read_table(path)["rows"]:
            return process
        time.sleep(0.02)
    pytest.fail(f"no report in time, exit code {process.poll()}")


def resumed(command, path, *options):
    return subprocess.run(**command("resume", path, *options), capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGTERM", "SIGINT"])
def test_a_signal_ends_the_run_at_a_checkpoint(settings_of, runs, command, tmp_path, name):
    path = tmp_path / "run.h5"
    process = started(settings_of, command, path, LONG)
    process.send_signal(getattr(signal, name))
    output, errors = process.communicate(timeout=60)
    assert process.returncode == STOPPED, errors
    assert f"resume {path}" in output
    assert "Traceback" not in errors
    stopped = runs.contents(path)
    n_rows, n_steps = len(stopped["table"]["rows"]), len(stopped["history"]["beta"])
    assert not stopped["table"]["finished"]
    assert 0 < n_rows < len(LONG)
    # a few temperatures more than the stopped run has: as if it had been asked for these alone
    betas = LONG[: n_rows + 2]
    done = resumed(command, path, "--set", f"thermal.betas={betas}")
    assert done.returncode == DONE, done.stderr
    finished = runs.contents(path)
    assert [row["beta"] for row in finished["table"]["rows"]] == betas
    for row, before in zip(finished["table"]["rows"], stopped["table"]["rows"], strict=False):
        # slope, entropy and free energy follow from the whole history and may learn from what came later
        for quantity in ("beta", "energy", "energy_error", "specific_heat", "susceptibility", "structure_factor"):
            runs.assert_bitwise(row[quantity], before[quantity])
    for column, values in stopped["history"].items():
        np.testing.assert_array_equal(finished["history"][column][:n_steps], values)


def test_a_killed_run_continues_from_its_last_checkpoint(settings_of, runs, command, tmp_path):
    path, whole = tmp_path / "run.h5", tmp_path / "whole.h5"
    process = started(settings_of, command, path, LONG)
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    betas = LONG[: len(checkpoint.read_table(path)["rows"]) + 3]
    assert resumed(command, path, "--set", f"thermal.betas={betas}").returncode == DONE
    assert cool(settings_of(betas=betas, overrides=["run.checkpoint_minutes=0"]), whole) == DONE
    runs.assert_bitwise(runs.contents(path), runs.contents(whole))


RANK_CHANGES = [(1, 2), (1, 5), (5, 3), (1, 3), (2, 1), (3, 5), (2, 3), (3, 1), (5, 1), (5, 2), (3, 2), (2, 5)]


@pytest.mark.parametrize(
    ("before", "after"),
    [pytest.param(*pair, marks=[pytest.mark.slow] if k > 2 else []) for k, pair in enumerate(RANK_CHANGES)],
)
def test_another_number_of_ranks_continues_the_same_chains(settings_of, runs, mpiexec, tmp_path, before, after):
    """Five chains on up to five ranks; what differs is the rounding of sums."""
    path, alone, source = tmp_path / "run.h5", tmp_path / "alone.h5", tmp_path / "run.toml"
    source.write_text(settings_of(betas=[0.13]).to_toml())
    done = mpiexec(before, sys.executable, "-m", "hpc_nqs", "run", source, "-o", path)
    assert done.returncode == DONE, done.stderr
    alone.write_bytes(path.read_bytes())
    stopped = runs.contents(path)
    assert stopped["table"]["n_ranks"] == before
    settings = settings_of(betas=[0.13, 0.16])
    assert cool(settings, alone, resume=True) == DONE
    done = mpiexec(after, sys.executable, "-m", "hpc_nqs", "resume", path, "--set", "thermal.betas=[0.13, 0.16]")
    assert done.returncode == DONE, done.stderr
    together, single = runs.contents(path), runs.contents(alone)
    assert together["table"]["n_ranks"] == after
    assert together["table"]["finished"]
    for name in ("visible", "streams"):
        np.testing.assert_array_equal(together["state"]["chains"][name], single["state"]["chains"][name])
        assert (together["state"]["chains"][name] != stopped["state"]["chains"][name]).any()
    for name, values in single["history"].items():
        np.testing.assert_allclose(together["history"][name], values, rtol=1e-8, atol=1e-10, err_msg=name)


def test_refusals_of_the_command_line_leave_the_file(settings_of, command, tmp_path):
    path = tmp_path / "run.h5"
    assert cool(settings_of(), path, 2) == STOPPED
    before = path.read_bytes()
    refused = {"sampling.n_chains=6": "sampling.n_chains", "lattice.lengths=[6]": "lattice.lengths"}
    refused |= {"run.seed=8": "run.seed", "thermal.betas=[0.1001]": "thermal"}
    for option, place in refused.items():
        done = resumed(command, path, "--set", option)
        assert done.returncode == 2, (option, done.stderr)
        assert place in done.stderr
        assert "Traceback" not in done.stderr
    assert path.read_bytes() == before
