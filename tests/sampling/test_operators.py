"""Sampled operators, moments and terms of the energy against sums over all configurations of the same state.

Fixed seeds; had they been drawn, each test would fail with a probability below 1e-6 (false-alarm rate), two-sided, for
the numbers of columns that it looks at.
"""

import dataclasses

import numpy as np
import pytest
import scipy.stats

from hpc_nqs.parallel.team import Team
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.thermal.rings.measurement import RingMeasurement
from hpc_nqs.thermal.rings.meter import traced_row
from hpc_nqs.thermal.rings.traces import RingTraces

SERIAL, FALSE_ALARM = Team.serial(), 1e-6
DEGREES = 63  # of the jackknife at least
OWN = [{"name": "own", "terms": [{"sites": [0, 1], "ops": "+-"}, {"sites": [2, 3, 4], "ops": "zxx"},
                                 {"sites": [0, 3], "ops": "zz", "coefficient": 2.0}]}]
ASKED = {"structure_factor": [[1.0]], "correlation_vectors": True, "moments": True}
ASKED |= {"energy_terms": True, "dimers": True}
STATES = {
    "permanent": ({"kind": "heisenberg", "couplings": [1.0, 0.5]}, {"kind": "permanent"}),
    "field": ({"kind": "heisenberg", "field_z": 0.6}, {"kind": "permanent"}),
    "other_field": ({"kind": "heisenberg", "field_z": 1.2}, {"kind": "permanent"}),
    "rbm": ({"kind": "heisenberg"}, {"kind": "rbm", "alpha": 1.0}),
    "tfim": ({"kind": "tfim", "field": 0.8, "field_z": 0.3}, {"kind": "clusters"}),
}
QUANTITIES = ("energy_terms", "dimer_correlation", "operators", "order_parameter_squared", "order_parameter_fourth",
              "binder_ratio", "correlation_vector")


def state_of(name, method):
    """Return the seed of a thermal run with some noise on its parameters, and the observables of the input."""
    model, network = STATES[name]
    settings = parse_settings({
        "lattice": {"kind": "chain", "lengths": [6]}, "model": model, "wavefunction": network,
        "thermal": {"temperatures": [0.5], "beta_0": 0.8}, "sampling": {"method": "exact_sum"},
        "observables": ASKED | {"operators": OWN},
    })
    state = build_state(settings, *build(settings), seed=1)
    noise = 0.05 * np.random.default_rng(3).standard_normal(state.wavefunction.n_params)
    state.wavefunction.params = state.wavefunction.params + noise
    return dataclasses.replace(state, is_exact=method == "exact_sum"), state.observables(settings)


def report(name, method, n_per_chain=400, seed=11, exponent=0.8):
    state, observables = state_of(name, method)
    sampler = state.sampler(SERIAL, 64, seed)
    meter, amplitude = state.meter(observables, sampler, SERIAL), state.wavefunction.amplitude(state.system.moves)
    if method == "metropolis":
        sampler.warm_up(amplitude, state.system, 50, exponent)
    samples = sampler.sample(amplitude, state.system, n_per_chain, 2, exponent)
    return meter.report([(samples, evaluate(samples, state.wavefunction, state.system, SERIAL))], 1.0)


def deviations(found, exact):
    """Return (value - exact) / error of all columns, those without fluctuations left out."""
    pairs = [(found[name][key], exact[name][key][0]) for name in QUANTITIES for key in found.get(name, {})]
    if "magnetization_x" in found:
        pairs.append(((found["magnetization_x"], found["magnetization_x_error"]), exact["magnetization_x"]))
    assert all(abs(value - wanted) < 1e-9 for (value, error), wanted in pairs if error < 1e-12)
    return np.array([(value - wanted) / error for (value, error), wanted in pairs if error > 1e-12])


def check(scores):
    """Every score is below the quantile of its number, and they are not too small to be true."""
    limit = scipy.stats.t.isf(FALSE_ALARM / (4 * len(scores)), DEGREES)
    assert np.abs(scores).max() < limit, scores
    assert np.abs(scores).max() > 0.3 and len(scores) > 12, "errors are not ten times too large"


@pytest.mark.parametrize("name", sorted(set(STATES) - {"other_field"}))
def test_chains_agree_with_sums(name):
    check(deviations(report(name, "metropolis"), report(name, "exact_sum")))


def test_another_state_is_rejected():
    """The same chains against a sum over the state in twice the field."""
    found, exact = report("field", "metropolis"), report("other_field", "exact_sum")
    scores = deviations(found, exact)
    with pytest.raises(AssertionError):
        check(scores)


@pytest.mark.parametrize("name", ["permanent", "field", "tfim"])
def test_rings_agree_with_traces(name):
    state, observables = state_of(name, "metropolis")
    ring = RingMeasurement(state, observables, SERIAL, 5, 64, 1.2, 3, -0.3, 1024, 1024 * 16, 0.0)
    while not ring.is_finished():
        ring.advance()
    averages = RingTraces.of_state(state, observables, SERIAL).averages(3)
    exact = traced_row(averages, observables, state.model, 3, 1.2)
    found = ring.row()
    found.pop("correlation_vector")  # averaged over the components, which traces are not
    check(deviations(found, exact))
