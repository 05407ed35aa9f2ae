"""Sums over orbits of configurations: the same as sums over all of them, and 12 sites against all levels."""

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.exact import diagonalization as exact
from hpc_nqs.observables.diagonal import OrbitAverages, build_observables
from hpc_nqs.parallel.team import Team
from hpc_nqs.runs import run_file
from hpc_nqs.sampling.enumeration import Enumeration
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.thermal.meter import Meter

SERIAL = Team.serial()
HEISENBERG = {"kind": "heisenberg"}
SYSTEMS = {
    "square": ("square", [4, 2], HEISENBERG | {"couplings": [1.0, 0.5]}, [[1.0, 1.0], [0.0, 1.0], [0.5, 0.0]]),
    "field_z": ("chain", [6], HEISENBERG | {"field_z": 0.4, "anisotropy": 0.5}, [[1.0], [1 / 3]]),
    "odd": ("chain", [5], HEISENBERG, [[0.4]]),
    "triangular": ("triangular", [3, 2], HEISENBERG, [[2 / 3, 0.0]]),
}


def settings_of(system, **sections):
    kind, lengths, model, waves = SYSTEMS[system] if isinstance(system, str) else system
    tables = {"run": {"seed": 1}, "lattice": {"kind": kind, "lengths": lengths}, "model": model}
    tables |= {"observables": {"structure_factor": waves, "correlations": True}, "thermal": {"temperatures": [1.0]}}
    return parse_settings(tables | sections)


def state_of(settings):
    """Return the state at random parameters near the seed."""
    state = build_state(settings, *build(settings), 1)
    noise = np.random.default_rng(3).standard_normal(state.wavefunction.n_params)
    state.wavefunction.params = state.wavefunction.params + 0.1 * noise
    return state


def measured(state, observables, images):
    """Return (number of configurations, what a meter reports, summary of a step)."""
    sampler = Enumeration(SERIAL, state.system, images)
    samples = sampler.sample(None, state.system, 1, 1, 0.0)
    evaluation = evaluate(samples, state.wavefunction, state.system, SERIAL)
    state.invariance = images
    meter = Meter(state, observables, sampler, SERIAL)
    return sampler.n_chains, meter.report([(samples, evaluation)], 0.7), meter.summarize(samples, evaluation, 0.7)


def assert_same(one, other):
    for name, value in one.items():
        if isinstance(value, dict):
            for key in value:
                np.testing.assert_allclose(value[key], other[name][key], atol=1e-11, err_msg=f"{name} {key}")
        elif isinstance(value, float):
            assert other[name] == pytest.approx(value, abs=1e-11) or name == "effective_fraction", name


@pytest.mark.parametrize(("system", "kind"), [*((system, "permanent") for system in SYSTEMS), ("field_z", "clusters")])
def test_orbits_give_what_all_configurations_give(system, kind):
    settings = settings_of(system, wavefunction={"kind": kind})
    state, observables = state_of(settings), build_observables(settings, *build(settings))
    images, sites = state.invariance, np.arange(state.system.n_sites)
    averages = OrbitAverages(observables, images.keeping(sites).restricted(sites))
    few, one, one_step = measured(state, averages, images)
    many, other, other_step = measured(state, observables, None)
    assert few < many / 0.4 / len(images)
    assert_same(one, other)
    assert_same(one_step, other_step)


def test_averages_over_orbits_are_needed():
    """One configuration of an orbit has its own S(q) along either axis."""
    settings = settings_of(("square", [3, 3], HEISENBERG, [[2 / 3, 0.0]]))
    state, observables = state_of(settings), build_observables(settings, *build(settings))
    _, wrong, _ = measured(state, observables, state.invariance)
    _, right, _ = measured(state, observables, None)
    assert wrong["magnetization"] == right["magnetization"] == 0.0, "by symmetry"
    (key,) = right["structure_factor"]
    assert abs(wrong["structure_factor"][key][0] - right["structure_factor"][key][0]) > 1e-3


def test_sizes_of_orbits():
    state = state_of(settings_of("square"))
    n, images = state.system.n_visible, state.invariance
    sampler = Enumeration(SERIAL, state.system, images)
    places = 1 << np.arange(n)
    spins = sampler.configurations[:, 0]
    orbits = [{int((image > 0) @ places) for image in images.apply(row)} for row in spins]
    np.testing.assert_allclose(np.exp(-sampler.log_density), [len(orbit) for orbit in orbits])
    assert sum(map(len, orbits)) == len(set().union(*orbits)) == 12870


@pytest.mark.slow
@pytest.mark.parametrize(
    ("system", "bounds"),
    [
        (("square", [4, 3], HEISENBERG | {"couplings": [1.0, 0.5]}, [[1.0, 2 / 3]]), (2e-4, 1e-3, 2e-3)),
        (("kagome", [2, 2], HEISENBERG, []), (6e-4, 2e-3, 5e-3)),
        (("ladder", [6, 2], HEISENBERG | {"couplings": [1.0, 0.5]}, []), (2e-4, 5e-4, 2e-3)),
    ],
)
def test_twelve_sites_by_orbits(system, bounds, tmp_path):
    """The clock by energy and nothing fitted: T = 1, 0.7, 0.5."""
    sections = {"thermal": {"temperatures": [1.0, 0.7, 0.5]}, "sampling": {"method": "exact_sum"}}
    settings = settings_of(system, **sections)
    assert tasks.run(settings, SERIAL, str(tmp_path / "run.h5")) == 0
    lattice, model = build(settings)
    waves = settings.observables.structure_factor
    expected = exact.thermal_rows(exact.diagonalize(model, lattice, waves), settings.thermal.report_betas)
    for row, wanted, bound in zip(run_file.read_table(tmp_path / "run.h5")["rows"], expected, bounds, strict=True):
        assert row["energy"] == pytest.approx(wanted["energy"], abs=bound)
        assert row["susceptibility"] == pytest.approx(wanted["susceptibility"], rel=0.02)
        for key in map(str, wanted.get("structure_factor", ())):
            assert row["structure_factor"][key][0] == pytest.approx(wanted["structure_factor"][key], rel=0.02)
