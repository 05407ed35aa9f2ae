"""Ground-state runs that are stopped and continued, bit by bit."""

import sys

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.parallel.team import Team
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.runs.computation import DONE, STOPPED
from hpc_nqs.runs.stopping import NEVER, StopRequest
from hpc_nqs.settings.parsing import SettingsError, parse_settings

N_STEPS = 5
KINDS = {
    "rbm": {},
    "projected": {"ground_state": {"momentum": [3]}},
    "projected_late": {"ground_state": {"momentum": [3], "project_after": 3}},
    "pair_rbm": {"model": {"kind": "heisenberg", "couplings": [1.0, 0.4]}},
    "tfim_cg": {"model": {"kind": "tfim"}, "reconfiguration": {"solver": "cg"}},
    "sample_space": {"reconfiguration": {"solver": "sample_space"}},
    "exact_sum": {"sampling": {"method": "exact_sum"}},
    "electrons": {"model": {"kind": "hubbard", "U": 4.0, "n_up": 3, "n_down": 2}},
    "electrons_late": {
        "model": {"kind": "hubbard", "U": 4.0, "n_up": 2, "n_down": 2},
        "ground_state": {"momentum": [1], "project_after": 3},
    },
}


class StopAfter(StopRequest):
    """A stop request that comes at a look: after every step, batch of the measurement or part of the Lanczos step."""

    def __init__(self, n_looks):
        super().__init__()
        self.left = n_looks

    def due(self, margin):
        self.left -= 1
        return self.left <= 0


def settings_of(kind="rbm", n_steps=N_STEPS, overrides=()):
    tables = {"run": {"seed": 7, "task": "ground_state"}, "lattice": {"kind": "chain", "lengths": [6]}}
    tables |= {"model": {"kind": "heisenberg"}, "observables": {"structure_factor": [[1, 0]]}}
    tables |= {"sampling": {"method": "metropolis", "n_samples": 64, "n_chains": 5, "n_warm_up": 10}}
    part = {"n_steps": n_steps, "n_samples_final": 192}
    sections = dict(KINDS[kind])
    return parse_settings(tables | sections | {"ground_state": part | sections.pop("ground_state", {})}, overrides)


def optimize(settings, path, n_looks=None, resume=False):
    stop = NEVER if n_looks is None else StopAfter(n_looks)
    return tasks.run(settings, Team.serial(), str(path), resume_from=str(path) if resume else None, stop=stop)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "n_looks", [3, N_STEPS + 5, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, N_STEPS + 1))]
)
def test_a_stopped_and_resumed_run_is_bitwise_the_uninterrupted_one(runs, tmp_path, kind, n_looks):
    whole, parts = tmp_path / "whole.h5", tmp_path / "parts.h5"
    assert optimize(settings_of(kind), whole) == DONE
    assert optimize(settings_of(kind), parts, n_looks) == STOPPED
    stopped = runs.contents(parts)
    assert not stopped["table"]["finished"] and stopped["table"]["rows"] == []
    assert len(stopped["history"]["step"]) == min(n_looks, N_STEPS)
    assert optimize(settings_of(kind), parts, resume=True) == DONE
    runs.assert_bitwise(runs.contents(parts), runs.contents(whole))


def test_resume_of_a_finished_run_changes_nothing_and_more_steps_extend_it(runs, tmp_path):
    path = tmp_path / "run.h5"
    assert optimize(settings_of(), path) == DONE
    before = runs.contents(path)
    assert optimize(settings_of(), path, resume=True) == DONE
    runs.assert_bitwise(runs.contents(path), before)
    assert optimize(settings_of(n_steps=N_STEPS + 2), path, resume=True) == DONE
    table = checkpoint.read_table(path)
    assert table["finished"] and len(table["rows"]) == 1
    assert table["rows"][0]["n_steps"] == N_STEPS + 2 == len(checkpoint.read_history(path)["step"])


@pytest.mark.parametrize(("before", "after"), [(1, 2), (3, 1), pytest.param(5, 2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["rbm", "projected", "electrons"])
def test_another_number_of_ranks_continues_the_same_chains(runs, mpiexec, tmp_path, kind, before, after):
    """Five chains; what differs is the rounding of sums."""
    path, alone, source = tmp_path / "run.h5", tmp_path / "alone.h5", tmp_path / "run.toml"
    source.write_text(settings_of(kind, n_steps=2).to_toml())
    done = mpiexec(before, sys.executable, "-m", "hpc_nqs", "run", source, "-o", path)
    assert done.returncode == DONE, done.stderr
    alone.write_bytes(path.read_bytes())
    assert optimize(settings_of(kind, n_steps=4), alone, resume=True) == DONE
    done = mpiexec(after, sys.executable, "-m", "hpc_nqs", "resume", path, "--set", "ground_state.n_steps=4")
    assert done.returncode == DONE, done.stderr
    together, single = runs.contents(path), runs.contents(alone)
    assert together["table"]["n_ranks"] == after
    for name in ("visible", "streams"):
        np.testing.assert_array_equal(together["state"]["chains"][name], single["state"]["chains"][name])
    for name, values in single["history"].items():
        np.testing.assert_allclose(together["history"][name], values, rtol=1e-8, atol=1e-10, err_msg=name)


def test_another_number_of_chains_is_refused(tmp_path):
    path = tmp_path / "run.h5"
    assert optimize(settings_of(), path) == DONE
    with pytest.raises(SettingsError, match="sampling.n_chains = 6"):
        optimize(settings_of(overrides=["sampling.n_chains=6"]), path, resume=True)


@pytest.mark.parametrize("method", ["metropolis", "exact_sum"])
def test_an_orthogonal_state_is_stopped_and_resumed(runs, tmp_path, method):
    first, whole, parts = (tmp_path / name for name in ("first.h5", "whole.h5", "parts.h5"))
    overrides = [f"sampling.method={method}"]
    assert optimize(settings_of(overrides=overrides), first) == DONE
    settings = settings_of(overrides=[*overrides, f'ground_state.orthogonal_to=["{first}"]'])
    assert optimize(settings, whole) == DONE
    assert optimize(settings, parts, 3) == STOPPED
    assert optimize(settings, parts, resume=True) == DONE
    runs.assert_bitwise(runs.contents(parts), runs.contents(whole))


def test_a_run_that_has_converged_stops_early(tmp_path):
    path = tmp_path / "run.h5"
    assert optimize(settings_of("exact_sum", n_steps=200), path) == DONE
    table, history = checkpoint.read_table(path), checkpoint.read_history(path)
    assert table["rows"][0]["converged"] and len(history["step"]) < 200
    assert max(history["v_score"][-10:]) < 1e-6 <= history["v_score"][-11]


@pytest.mark.parametrize("n_looks", [2, N_STEPS + 1, N_STEPS + 4])
def test_a_list_of_sectors_is_stopped_and_resumed(runs, tmp_path, n_looks):
    whole, parts = tmp_path / "whole.h5", tmp_path / "parts.h5"
    settings = settings_of(overrides=["ground_state.sectors=[[3, -1], [0, 1], [1, -1]]"])
    assert optimize(settings, whole) == DONE
    rows = checkpoint.read_table(whole)["rows"]
    assert [(row["momentum"], row["spin_parity"]) for row in rows] == [([3], -1), ([0], 1), ([1], -1)]
    assert optimize(settings, parts, n_looks) == STOPPED
    assert optimize(settings, parts, resume=True) == DONE
    runs.assert_bitwise(runs.contents(parts), runs.contents(whole))
    assert optimize(settings, parts, resume=True) == DONE
    runs.assert_bitwise(runs.contents(parts), runs.contents(whole))


def test_a_state_of_another_version_is_refused(tmp_path, monkeypatch):
    """It meant another wave function by "auto" when the file was written."""
    path = tmp_path / "older.h5"
    assert optimize(settings_of("pair_rbm"), path, n_looks=2) == STOPPED
    monkeypatch.setattr("hpc_nqs.ground_state.ansatz.SYMMETRIC_ALPHA", 64.0)
    with pytest.raises(SettingsError, match=r"a state of \d+ parameters, where this version has \d+ .*start the input"):
        optimize(settings_of("pair_rbm"), path, resume=True)
