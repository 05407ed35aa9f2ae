"""Analytic runs: stopped and resumed ones, and those of several ranks, are bitwise the uninterrupted one."""

import json
import signal
import subprocess
import sys
import time

import pytest

from hpc_nqs import tasks
from hpc_nqs.parallel.team import Team
from hpc_nqs.path_integral.ensemble import Ensemble
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.runs.computation import DONE, FAILED, STOPPED
from hpc_nqs.runs.stopping import NEVER
from hpc_nqs.settings.parsing import SettingsError, parse_settings

MODELS = {
    "heisenberg": {"kind": "heisenberg"},
    "frustrated": {"kind": "heisenberg", "couplings": [1.0, 0.5]},
    "tfim": {"kind": "tfim", "field_z": 0.1},
    "gibbs": {"kind": "tfim"},
}
RUNS = [*((kind, True) for kind in MODELS), *((kind, False) for kind in MODELS if kind != "gibbs")]


def settings_of(kind="heisenberg", betas=(0.3, 0.6), overrides=(), steps=True):
    tables = {"run": {"seed": 7}, "lattice": {"kind": "chain", "lengths": [6]}, "model": MODELS[kind]}
    tables["thermal"] = {"method": "analytic", "betas": list(betas)} | ({"dtau": [0.2, 0.1]} if steps else {})
    tables["sampling"] = {"n_samples": 100, "n_chains": 5, "n_warm_up": 3}
    tables["sampling"] |= {"method": "gibbs"} if kind == "gibbs" else {}
    return parse_settings(tables | {"observables": {"structure_factor": [[1, 0]]}}, overrides)


@pytest.fixture
def sample(runs, monkeypatch):
    """Return a function that runs or resumes with short batches, stopping after `n_batches` if given."""
    monkeypatch.setattr(Ensemble, "batch_size", 10)

    def run(settings, path, n_batches=None, resume=False):
        stop = NEVER if n_batches is None else runs.StopAfter(n_batches)
        return tasks.run(settings, Team.serial(), str(path), str(path) if resume else None, stop)

    return run


def contents(path):
    """Return everything in a run file that does not tell the time."""
    state, table, history = checkpoint.read_state(path), checkpoint.read_table(path), checkpoint.read_history(path)
    results = [
        {name: value for name, value in result.items() if name != "seconds"} for result in json.loads(state["results"])
    ]
    for part in (state, table, history):
        del part["seconds"]
    del table["n_ranks"]
    return {
        "state": state | {"results": repr(results)},
        "table": table,
        "history": history,
        "network": checkpoint.read_network(path),
    }


@pytest.mark.parametrize("n_batches", [1, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("kind", "steps"), RUNS)
def test_a_stopped_and_resumed_run_is_bitwise_the_uninterrupted_one(runs, sample, tmp_path, kind, steps, n_batches):
    whole, parts, settings = tmp_path / "whole.h5", tmp_path / "parts.h5", settings_of(kind, steps=steps)
    assert sample(settings, whole) == DONE
    code, n_starts = sample(settings, parts, n_batches), 1
    assert code == STOPPED
    assert not checkpoint.read_table(parts)["finished"]
    while code == STOPPED:
        code, n_starts = sample(settings, parts, n_batches, resume=True), n_starts + 1
    assert code == DONE
    assert n_starts > 2
    runs.assert_bitwise(contents(parts), contents(whole))


def test_the_comparison_notices_another_seed(runs, sample, tmp_path):
    for seed in (7, 8):
        assert sample(settings_of(overrides=[f"run.seed={seed}"]), tmp_path / f"{seed}.h5") == DONE
    with pytest.raises(AssertionError):
        runs.assert_bitwise(contents(tmp_path / "8.h5"), contents(tmp_path / "7.h5"))


@pytest.mark.parametrize("steps", [True, False])
def test_resume_adds_temperatures_above_and_below(runs, sample, tmp_path, steps):
    whole, parts = tmp_path / "whole.h5", tmp_path / "parts.h5"
    assert sample(settings_of(betas=[0.3], steps=steps), parts) == DONE
    assert sample(settings_of(betas=[0.1, 0.3, 0.5], steps=steps), parts, resume=True) == DONE
    assert sample(settings_of(betas=[0.1, 0.3, 0.5], steps=steps), whole) == DONE
    found, expected = checkpoint.read_table(parts), checkpoint.read_table(whole)
    runs.assert_bitwise(found["rows"], expected["rows"])
    assert found["finished"]


def test_other_chains_are_refused(runs, sample, tmp_path):
    path = tmp_path / "run.h5"
    assert sample(settings_of(), path, 2) == STOPPED
    before = contents(path)
    with pytest.raises(SettingsError, match="sampling.n_chains = 6: the run has 5"):
        sample(settings_of(overrides=["sampling.n_chains=6"]), path, resume=True)
    runs.assert_bitwise(contents(path), before)


@pytest.mark.parametrize("dtau", [(0.2, 0.1), "auto"])
def test_runs_of_before_continuous_time_go_on_with_their_steps(runs, sample, tmp_path, dtau):
    """Older files have dtau "auto", which were three steps, in their settings, and no dtau in their state."""
    steps = [0.2, 0.14, 0.1]
    settings = settings_of(overrides=[f"thermal.dtau={steps}"])
    whole, parts = tmp_path / "whole.h5", tmp_path / "parts.h5"
    assert sample(settings, whole) == DONE
    assert sample(settings, parts, 9) == STOPPED
    state, history = checkpoint.read_state(parts), checkpoint.read_history(parts)
    assert json.loads(state.pop("dtau")) == steps and state["chains"] is not None
    text = settings.to_toml().replace("dtau = [0.2, 0.14, 0.1]", 'dtau = "auto"')
    assert 'dtau = "auto"' in text
    table, network = checkpoint.read_table(parts), checkpoint.read_network(parts)
    checkpoint.write_run(parts, text, state, history, table, network)
    if dtau == "auto":
        assert sample(settings_of(steps=False), parts, resume=True) == DONE
        runs.assert_bitwise(contents(parts), contents(whole))
        assert "dtau = [0.2, 0.14, 0.1]" in checkpoint.read_settings_text(parts)
    else:  # other steps, asked for, are taken
        assert sample(settings_of(), parts, resume=True) == DONE
        assert sorted(checkpoint.read_table(parts)["rows"][0]["energy_raw"]) == ["dtau=0.075", "dtau=0.15"]


def test_a_run_goes_over_from_steps_to_continuous_time_and_back(sample, tmp_path):
    path = tmp_path / "run.h5"
    assert sample(settings_of(), path) == DONE
    assert "energy_raw" in checkpoint.read_table(path)["rows"][0]
    assert sample(settings_of(steps=False), path, resume=True) == DONE
    assert "energy_raw" not in checkpoint.read_table(path)["rows"][0]
    assert sample(settings_of(steps=False), tmp_path / "fresh.h5") == DONE
    assert checkpoint.read_table(path)["rows"] == checkpoint.read_table(tmp_path / "fresh.h5")["rows"]


@pytest.mark.parametrize("steps", [True, False])
@pytest.mark.parametrize("n_ranks", [2, 3])
def test_any_number_of_ranks_gives_the_same_run(runs, mpiexec, tmp_path, n_ranks, steps):
    source, alone, together = (tmp_path / name for name in ("input.toml", "alone.h5", "together.h5"))
    source.write_text(settings_of("frustrated", overrides=["sampling.n_chains=2"], steps=steps).to_toml())
    for ranks, path in ((1, alone), (n_ranks, together)):
        done = mpiexec(ranks, sys.executable, "-m", "hpc_nqs", "run", source, "-o", path)
        assert done.returncode == DONE, done.stderr
    runs.assert_bitwise(contents(together), contents(alone))


def test_a_signal_ends_the_run_at_a_checkpoint(clean_environment, tmp_path):
    path, source = tmp_path / "run.h5", tmp_path / "input.toml"
    source.write_text(settings_of(overrides=["sampling.n_samples=1000000000", "run.checkpoint_minutes=0"]).to_toml())
    command = [sys.executable, "-m", "hpc_nqs", "run", str(source), "-o", str(path)]
    process = subprocess.Popen(
        command, env=clean_environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not path.exists() or checkpoint.read_state(path)["chains"] is None:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGUSR1)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == STOPPED, errors
    assert f"resume {path}" in output


def test_a_vanishing_sign_ends_the_run_with_the_reason(sample, tmp_path, capsys):
    path = tmp_path / "run.h5"
    settings = settings_of(
        "frustrated", betas=[0.2, 8.0], overrides=["sampling.n_samples=4000", "thermal.sign_floor=0.5"]
    )
    assert sample(settings, path) == FAILED
    table = checkpoint.read_table(path)
    assert [row["beta"] for row in table["rows"]] == [0.2]
    assert table["rows"][0]["average_sign"] > 0.9
    assert not table["finished"]
    message = capsys.readouterr().err
    assert "stopped at T = 0.125" in message
    assert "below thermal.sign_floor = 0.5" in message
    assert 'method = "numerical"' in message
