"""The same battery for every sampler: samples, weights, acceptance, and what a checkpoint stores."""

import numpy as np
import pytest

from hpc_nqs.parallel.team import Team
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state

SERIAL = Team.serial()
HEISENBERG, TFIM = {"kind": "heisenberg"}, {"kind": "tfim"}
# name of the sampler: (sites, model, wave function, sampling.method)
CASES = {
    "Chains": (6, HEISENBERG, {"kind": "rbm", "alpha": 1, "parameters": "real"}, "metropolis"),
    "Enumeration": (4, HEISENBERG, {"kind": "rbm", "alpha": 1}, "exact_sum"),
    "Rings": (4, HEISENBERG, {"kind": "rbm", "alpha": 1, "slices": 2, "parameters": "real"}, "metropolis"),
    "RingEnumeration": (2, TFIM, {"kind": "rbm", "alpha": 1, "slices": 2, "parameters": "real"}, "exact_sum"),
    "KetBraChains": (4, TFIM, {"kind": "dbm"}, "metropolis"),
}
N_CHAINS, N_SAMPLES = 6, 3


class Case:
    """A state with its sampler, and what both make of each other."""

    def __init__(self, name):
        n_sites, model, wavefunction, method = CASES[name]
        settings = parse_settings(
            {
                "lattice": {"kind": "chain", "lengths": [n_sites]},
                "model": model,
                "wavefunction": wavefunction,
                "sampling": {"method": method},
                "thermal": {"betas": [1.0]},
            }
        )
        self.state = build_state(settings, *build(settings), seed=1)
        self.amplitude = self.state.wavefunction.amplitude(self.state.system.moves)

    def sampler(self, seed=4):
        return self.state.sampler(SERIAL, N_CHAINS, seed)

    def sample(self, sampler, n=N_SAMPLES):
        return sampler.sample(self.amplitude, self.state.system, n, 2, 0.7)


@pytest.fixture(params=list(CASES))
def case(request):
    made = Case(request.param)
    assert type(made.sampler()).__name__ == request.param
    return made


def test_samples_are_spins_of_all_chains_in_global_order(case):
    sampler = case.sampler()
    samples = case.sample(sampler)
    assert samples.configurations.dtype == np.int8 and set(np.unique(samples.configurations)) == {-1, 1}
    assert samples.first_chain == sampler.first == 0
    n_per_chain = 1 if sampler.is_exact else N_SAMPLES
    assert samples.configurations.shape[:2] == (sampler.n_chains, n_per_chain)
    assert samples.exponent == (0.0 if sampler.is_exact else 0.7)
    assert sampler.is_exact or sampler.n_chains == N_CHAINS


def test_an_evaluation_of_the_samples_is_normalised(case):
    sampler = case.sampler()
    evolution = case.state.evolution(None, None, SERIAL)
    evaluation = evolution.evaluate(case.sample(sampler), case.amplitude)
    assert evaluation.weights.sum() == pytest.approx(1.0)
    assert np.isfinite(evaluation.energy)


def test_acceptance_is_that_since_the_last_call(case):
    sampler = case.sampler()
    sampler.warm_up(case.amplitude, case.state.system, 5, 0.7)
    if sampler.is_exact:
        assert sampler.acceptance(SERIAL) == 1.0
        return
    assert sampler.acceptance(SERIAL) == 0.0  # a warm-up does not count
    case.sample(sampler)
    assert 0.0 < sampler.acceptance(SERIAL) <= 1.0
    assert sampler.acceptance(SERIAL) == 0.0


def test_a_restored_sampler_goes_on_as_if_nothing_had_happened(case):
    one, other = case.sampler(seed=4), case.sampler(seed=5)
    case.sample(one)
    other.restore(SERIAL, one.state(SERIAL))
    first, second = case.sample(one).configurations, case.sample(other).configurations
    np.testing.assert_array_equal(first, second)
    if not one.is_exact:  # control: the seed does make a difference
        assert np.any(first != case.sample(case.sampler(seed=5)).configurations)
