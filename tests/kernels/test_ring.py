"""Sweeps of rings step by step: the compiled ones make the same decisions as their twin."""

import numpy as np
import pytest
from numpy.random import Generator, Philox

from hpc_nqs.kernels import ring
from hpc_nqs.kernels.reference import samples as reference
from hpc_nqs.thermal.rings.layers import links_of, ring_moves, straight_ring

N_CHAINS, N_SAMPLES = 2, 3
CASES = ["heisenberg", "plain", "complex", "signed", "tfim", "tfim_field", "pair_rbm"]


def streams(seed=5):
    return [Philox(key=np.array([seed, c], dtype=np.uint64)) for c in range(N_CHAINS)]


def sampled(module, one, n_slices, exponent=1.0, n_samples=N_SAMPLES, sweeps=2):
    """Return (configurations, counts, random states, drift)."""
    chains, purification = streams(), one.purification
    links = np.array([straight_ring(purification, 2 * n_slices, Generator(chain)) for chain in chains])
    kept = np.empty((N_CHAINS, n_samples, *links.shape[1:]), dtype=np.int8)
    counts, moves = np.zeros((2, 2), dtype=np.int64), ring_moves(purification)
    drift = module.sample_rings(
        links, one.amplitude, one.moves, moves.terms, moves.lines, sweeps, exponent, chains, kept, counts
    )
    return kept, counts, [str(chain.state) for chain in chains], drift


@pytest.mark.parametrize("n_slices", [1, 2, 4])
@pytest.mark.parametrize("name", CASES)
def test_whole_trajectories(name, n_slices, system, twin):
    compiled = sampled(ring, system(name), n_slices, 0.7)
    expected = sampled(reference, twin(name), n_slices, 0.7)
    for values, wanted in zip(compiled[:3], expected[:3], strict=True):
        np.testing.assert_array_equal(values, wanted)
    assert compiled[1][0, 1] > 5


@pytest.mark.parametrize("name", CASES)
def test_links_stay_joined_and_in_their_sector(name, system):
    one = system(name)
    n, opposite = one.purification.n_sites, one.purification.opposite_pairs
    rings = sampled(ring, one, 3, n_samples=40)[0]
    np.testing.assert_array_equal(rings, links_of(rings[..., :n], opposite))
    layers = rings[..., :n].sum(axis=-1)
    if opposite:
        assert np.all(layers == layers[..., :1])
    assert len(np.unique(layers)) > 1 or name == "pair_rbm"  # random pairs hold no straight lines


def test_drift_is_that_of_rounding(system):
    assert sampled(ring, system("heisenberg"), 2, n_samples=10)[3] == 0
    assert 0 < sampled(ring, system("heisenberg"), 2, n_samples=100)[3] < 1e-8


def test_a_ratio_that_is_not_a_number_is_rejected(system):
    one = system("tfim")
    one.amplitude = one.amplitude_at(np.full(one.wavefunction.n_params, np.nan))
    assert not sampled(ring, one, 2)[1][:, 1].any()
