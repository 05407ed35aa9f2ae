"""Chains step by step: the compiled sweeps make the same decisions as their twin, random number by random number."""

import numpy as np
import pytest
from numpy.random import Philox

from hpc_nqs.hilbert.moves import KIND_NAMES
from hpc_nqs.kernels import metropolis
from hpc_nqs.kernels.reference import samples as reference

N_CHAINS, N_SAMPLES = 3, 6


def streams(seed=5):
    return [Philox(key=np.array([seed, c], dtype=np.uint64)) for c in range(N_CHAINS)]


def sampled(module, one, exponent=1.0, sweeps=2, chains=None, n_samples=N_SAMPLES):
    """Return (configurations, counts, last configurations, random states, drift)."""
    chains = streams() if chains is None else chains
    visible = one.configurations[: len(chains)].copy()
    kept = np.empty((len(chains), n_samples, visible.shape[1]), dtype=np.int8)
    counts = np.zeros((len(KIND_NAMES), 2), dtype=np.int64)
    drift = module.sample_chains(
        visible, one.amplitude, one.moves, one.purification.proposals, sweeps, exponent, chains, kept, counts
    )
    return kept, counts, visible, [str(chain.state) for chain in chains], drift


@pytest.mark.parametrize("exponent", [1.0, 0.6])
def test_whole_trajectories(case, exponent, system, twin):
    compiled, expected = sampled(metropolis, system(case), exponent), sampled(reference, twin(case), exponent)
    for values, wanted in zip(compiled[:4], expected[:4], strict=True):
        np.testing.assert_array_equal(values, wanted)
    assert len(np.unique(compiled[0].reshape(-1, compiled[0].shape[-1]), axis=0)) > 3
    assert compiled[1][:, 1].sum() > 5


def test_the_comparison_sees_another_exponent_and_another_stream(system, twin):
    compiled = sampled(metropolis, system("heisenberg"), 1.0)
    assert np.any(compiled[0] != sampled(reference, twin("heisenberg"), 0.6)[0])
    assert np.any(compiled[0] != sampled(reference, twin("heisenberg"), 1.0, chains=streams(6))[0])


def test_counts_are_those_of_the_proposals(case, system):
    one = system(case)
    counts = sampled(metropolis, one)[1]
    assert counts[:, 0].sum() == N_CHAINS * N_SAMPLES * 2 * one.purification.n_visible
    proposed = np.zeros(len(KIND_NAMES), dtype=int)
    kinds = [np.asarray(one.move_list._kinds)[move] for move in one.purification.proposals]
    np.add.at(proposed, kinds, 1)
    np.testing.assert_array_equal(counts[:, 0] > 0, proposed > 0)
    assert np.all(counts[:, 1] <= counts[:, 0])


def test_chains_do_not_know_each_other(case, system):
    """One chain alone moves as it does beside others."""
    together = sampled(metropolis, system(case))
    for c in range(N_CHAINS):
        one = system(case)
        one.configurations = one.configurations[c : c + 1]
        alone = sampled(metropolis, one, chains=streams()[c : c + 1])
        np.testing.assert_array_equal(alone[0][0], together[0][c])


def test_sampling_goes_on_where_it_stopped(case, system):
    """Samples may be drawn in two calls: nothing but configurations and streams is carried over."""
    one, chains = system(case), streams()
    whole = sampled(metropolis, system(case))[0]
    first, _, one.configurations, _, _ = sampled(metropolis, one, chains=chains, n_samples=2)
    rest = sampled(metropolis, one, chains=chains, n_samples=N_SAMPLES - 2)[0]
    np.testing.assert_array_equal(np.concatenate([first, rest], axis=1), whole)


def test_sweeps_between_samples_are_made(case, system):
    dense, thin = (sampled(metropolis, system(case), sweeps=s, n_samples=12 // s)[0] for s in (1, 4))
    np.testing.assert_array_equal(dense[:, 3::4], thin)


def test_drift_is_that_of_rounding(case, system):
    """States are rebuilt every 32 sweeps and compared with those carried along.

    Hafnians are summed anew for every accepted move: nothing but the order of the sites may differ.
    """
    assert sampled(metropolis, system(case), n_samples=10)[4] == 0
    drift = sampled(metropolis, system(case), n_samples=200)[4]
    assert drift < 1e-8 and (drift > 0 or "hafnian" in case)


def test_no_chains_and_no_samples(system):
    one = system("heisenberg")
    assert sampled(metropolis, one, chains=[])[0].shape[0] == 0
    before = one.configurations[:N_CHAINS].copy()
    kept, counts, visible, states, _ = sampled(metropolis, one, n_samples=0)
    assert kept.shape[1] == 0 and not counts.any() and states == [str(chain.state) for chain in streams()]
    np.testing.assert_array_equal(visible, before)


def test_a_ratio_that_is_not_a_number_is_rejected(system):
    one = system("tfim")
    one.amplitude = one.amplitude_at(np.full(one.wavefunction.n_params, np.nan))
    kept, counts, *_ = sampled(metropolis, one)
    assert counts[:, 0].sum() and not counts[:, 1].any()
    np.testing.assert_array_equal(kept, np.repeat(one.configurations[:N_CHAINS, None], N_SAMPLES, axis=1))


def test_other_bit_generators(system, twin):
    """Anything with numpy's interface will do."""
    chains = [[np.random.PCG64(c) for c in range(N_CHAINS)] for _ in range(2)]
    compiled = sampled(metropolis, system("plain"), chains=chains[0])[0]
    np.testing.assert_array_equal(compiled, sampled(reference, twin("plain"), chains=chains[1])[0])
