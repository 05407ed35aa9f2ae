"""Runs that are stopped, killed or extended, and continue from their file alone."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from hpc_nqs import checkpoint
from hpc_nqs.parallel import Team
from hpc_nqs.settings import SettingsError, parse_settings
from hpc_nqs.stopping import NEVER, StopRequest
from hpc_nqs.thermal import DONE, FAILED, STOPPED, run_thermal

HEISENBERG, TFIM = {"kind": "heisenberg"}, {"kind": "tfim"}
SAMPLING = {"method": "metropolis", "n_samples": 64, "n_chains": 5, "n_warm_up": 10}
KINDS = {
    "heisenberg": {"model": HEISENBERG},
    "j1j2_pair_rbm": {"model": HEISENBERG | {"couplings": [1.0, 0.5]}},
    "tfim": {"model": TFIM},
    "complex": {"model": HEISENBERG | {"field_z": 0.3}, "wavefunction": {"parameters": "complex"}},
    "cg": {"model": HEISENBERG, "reconfiguration": {"solver": "cg"}},  # starts from the velocity before
    "sample_space": {"model": HEISENBERG, "reconfiguration": {"solver": "sample_space"}},
    "exact_sum": {"model": HEISENBERG, "sampling": {"method": "exact_sum"}},
}
BETAS = [0.2, 0.35]


def settings_of(kind="heisenberg", betas=BETAS, overrides=()):
    tables = {"run": {"seed": 7}, "lattice": {"kind": "chain", "lengths": [4]}, "sampling": SAMPLING}
    tables |= {"thermal": {"betas": betas, "beta_0": 0.1}, "observables": {"structure_factor": [[1, 0]]}}
    tables["wavefunction"] = {"alpha": 2}
    return parse_settings(tables | KINDS[kind], overrides)


class StopAfter(StopRequest):
    """A stop request that comes when the driver looks for the `n_looks`-th time: after every step or batch of a report."""

    def __init__(self, n_looks):
        super().__init__()
        self.left = n_looks

    def due(self, margin):
        self.left -= 1
        return self.left <= 0


def cool(settings, path, n_looks=None, resume=False):
    """Run or resume, stopping at look number `n_looks` if it is given."""
    stop = NEVER if n_looks is None else StopAfter(n_looks)
    return run_thermal(settings, Team.serial(), str(path), resume_from=str(path) if resume else None, stop=stop)


def contents(path):
    """Return everything in a run file that does not tell the time."""
    state, table = checkpoint.read_state(path), checkpoint.read_table(path)
    history, network = checkpoint.read_history(path), checkpoint.read_network(path)
    for part in (state, table, history):
        del part["seconds"]
    return {"state": state, "table": table, "history": history, "network": network}


def assert_bitwise(found, expected, where=""):
    assert type(found) is type(expected), where
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for name, value in expected.items():
            assert_bitwise(found[name], value, f"{where}/{name}")
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype, where
        assert found.tobytes() == expected.tobytes(), where
    else:
        assert found == expected, where


@pytest.mark.parametrize("n_steps", [1, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_and_resumed_run_is_bitwise_the_uninterrupted_one(tmp_path, kind, n_steps):
    whole, parts = tmp_path / "whole.h5", tmp_path / "parts.h5"
    assert cool(settings_of(kind), whole) == DONE
    assert cool(settings_of(kind), parts, n_steps) == STOPPED
    stopped = contents(parts)
    assert not stopped["table"]["finished"]
    assert len(stopped["history"]["beta"]) == n_steps
    assert cool(settings_of(kind), parts, resume=True) == DONE
    assert_bitwise(contents(parts), contents(whole))


def test_stopping_at_every_step_changes_nothing(tmp_path):
    whole, parts = tmp_path / "whole.h5", tmp_path / "parts.h5"
    settings = settings_of(overrides=["thermal.n_samples_report=64"])  # one batch
    assert cool(settings, whole) == DONE
    code, n_starts = cool(settings, parts, 1), 1
    while code == STOPPED:
        code, n_starts = cool(settings, parts, 1, resume=True), n_starts + 1
    assert code == DONE
    assert n_starts > 4
    assert_bitwise(contents(parts), contents(whole))


def test_a_report_cut_short_is_made_again(tmp_path):
    whole, parts = tmp_path / "whole.h5", tmp_path / "parts.h5"
    assert cool(settings_of(), whole) == DONE
    before_report = int((checkpoint.read_history(whole)["beta"] < BETAS[0]).sum())
    assert cool(settings_of(), parts, before_report + 3) == STOPPED
    stopped = contents(parts)
    assert stopped["state"]["beta"] == BETAS[0]
    assert stopped["table"]["rows"] == []
    assert cool(settings_of(), parts, resume=True) == DONE
    assert_bitwise(contents(parts), contents(whole))


def test_the_comparison_notices_another_seed(tmp_path):
    # control: a resumed run with streams or parameters lost would differ as two seeds do
    for seed in (7, 8):
        assert cool(settings_of(overrides=[f"run.seed={seed}"]), tmp_path / f"{seed}.h5") == DONE
    with pytest.raises(AssertionError, match="state"):
        assert_bitwise(contents(tmp_path / "8.h5"), contents(tmp_path / "7.h5"))


def test_resume_adds_temperatures(tmp_path):
    whole, parts = tmp_path / "whole.h5", tmp_path / "parts.h5"
    assert cool(settings_of(betas=[0.2, 0.3, 0.4]), whole) == DONE
    assert cool(settings_of(betas=[0.2]), parts) == DONE
    assert checkpoint.read_table(parts)["finished"]
    assert cool(settings_of(betas=[0.2, 0.3, 0.4]), parts, resume=True) == DONE
    assert_bitwise(contents(parts), contents(whole))


def test_resume_of_a_finished_run_changes_nothing(tmp_path):
    path = tmp_path / "run.h5"
    assert cool(settings_of(), path) == DONE
    before = contents(path)
    assert cool(settings_of(), path, resume=True) == DONE
    assert_bitwise(contents(path), before)


def test_temperatures_above_the_present_one_are_refused(tmp_path):
    # the run has passed them: what it could report now is the state at a lower temperature
    path = tmp_path / "run.h5"
    assert cool(settings_of(betas=[0.2, 0.35]), path) == DONE
    before = contents(path)
    with pytest.raises(SettingsError, match="thermal"):
        cool(settings_of(betas=[0.2, 0.3, 0.35, 0.4]), path, resume=True)
    assert_bitwise(contents(path), before)


@pytest.mark.parametrize("n_chains", [4, 6])
def test_another_number_of_chains_is_refused(tmp_path, n_chains):
    path = tmp_path / "run.h5"
    assert cool(settings_of(), path, 2) == STOPPED
    before = contents(path)
    with pytest.raises(SettingsError, match=f"sampling.n_chains = {n_chains}: the run has 5 chains"):
        cool(settings_of(overrides=[f"sampling.n_chains={n_chains}"]), path, resume=True)
    assert_bitwise(contents(path), before)


def test_a_failed_run_continues_with_better_settings(tmp_path):
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


def started(command, path, betas, extra=()):
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
def test_a_signal_ends_the_run_at_a_checkpoint(command, tmp_path, name):
    path = tmp_path / "run.h5"
    process = started(command, path, LONG)
    process.send_signal(getattr(signal, name))
    output, errors = process.communicate(timeout=60)
    assert process.returncode == STOPPED, errors
    assert f"resume {path}" in output
    assert "Traceback" not in errors
    stopped = contents(path)
    n_rows, n_steps = len(stopped["table"]["rows"]), len(stopped["history"]["beta"])
    assert not stopped["table"]["finished"]
    assert 0 < n_rows < len(LONG)
    # a few temperatures more than the stopped run has: as if it had been asked for these alone
    betas = LONG[: n_rows + 2]
    done = resumed(command, path, "--set", f"thermal.betas={betas}")
    assert done.returncode == DONE, done.stderr
    finished = contents(path)
    assert [row["beta"] for row in finished["table"]["rows"]] == betas
    for row, before in zip(finished["table"]["rows"], stopped["table"]["rows"], strict=False):
        # slope, entropy and free energy follow from the whole history and may learn from what came later
        for quantity in ("beta", "energy", "energy_error", "specific_heat", "susceptibility", "structure_factor"):
            assert_bitwise(row[quantity], before[quantity])
    for column, values in stopped["history"].items():
        np.testing.assert_array_equal(finished["history"][column][:n_steps], values)


def test_a_killed_run_continues_from_its_last_checkpoint(command, tmp_path):
    path, whole = tmp_path / "run.h5", tmp_path / "whole.h5"
    process = started(command, path, LONG)
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    betas = LONG[: len(checkpoint.read_table(path)["rows"]) + 3]
    assert resumed(command, path, "--set", f"thermal.betas={betas}").returncode == DONE
    assert cool(settings_of(betas=betas, overrides=["run.checkpoint_minutes=0"]), whole) == DONE
    assert_bitwise(contents(path), contents(whole))


@pytest.mark.parametrize("n_ranks", [2, 3])
def test_another_number_of_ranks_continues_the_same_chains(mpiexec, tmp_path, n_ranks):
    path, alone = tmp_path / "run.h5", tmp_path / "alone.h5"
    for each in (path, alone):
        assert cool(settings_of(), each, 3) == STOPPED
    assert cool(settings_of(), alone, resume=True) == DONE
    done = mpiexec(n_ranks, sys.executable, "-m", "hpc_nqs", "resume", path)
    assert done.returncode == DONE, done.stderr
    together, single = contents(path), contents(alone)
    assert together["table"]["n_ranks"] == n_ranks
    assert together["table"]["finished"]
    for name in ("visible", "streams"):
        np.testing.assert_array_equal(together["state"]["chains"][name], single["state"]["chains"][name])
    for name, values in single["history"].items():
        np.testing.assert_allclose(together["history"][name], values, rtol=1e-8, atol=1e-10, err_msg=name)


def test_refusals_of_the_command_line_leave_the_file(command, tmp_path):
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
