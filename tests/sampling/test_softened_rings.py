"""Rings of a kernel whose permanent has nodes, sampled from the softened density: its distribution and its means.

Every test has a fixed seed and a false-alarm rate below 1e-6 had the seed been drawn.
"""

import numpy as np
import pytest
from numpy.random import Generator, Philox

from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.kernels.local_energy import local_energies
from hpc_nqs.kernels.ring import sample_rings
from hpc_nqs.parallel.team import Team
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.thermal.deep.ring_chains import RingEnumeration, ring_moves, straight_ring
from hpc_nqs.wavefunctions.link_functions import sampling_density
from hpc_nqs.wavefunctions.product import Product
from hpc_nqs.wavefunctions.softened_permanent import SoftenedPermanent
from hpc_nqs.wavefunctions.wavefunction import log_psi

FALSE_ALARM = 1e-6
DEVIATIONS = 4.9  # standard deviations, two-sided, of the same false-alarm rate
SHARE = 0.4


def frustrated_ring(n_sites):
    """Return the state of a ring with next-nearest neighbours at parameters whose permanents have both signs."""
    settings = parse_settings(
        {
            "lattice": {"kind": "chain", "lengths": [n_sites]},
            "model": {"kind": "heisenberg", "couplings": [1.0, 0.5]},
            "wavefunction": {"kind": "permanent"},
            "thermal": {"betas": [1.0], "beta_0": 0.4},
        }
    )
    state = build_state(settings, *build(settings), seed=1)
    permanent = state.wavefunction.first
    permanent.params = np.array([-0.35, 0.25, 0.3])[: permanent.n_params]
    assert isinstance(sampling_density(state.wavefunction).first, SoftenedPermanent)
    return state


def drawn(state, density, n_links, n_chains, n_samples, n_sweeps):
    """Return rings (n_chains, n_samples, n_links, n_visible) sampled from a density."""
    system = state.system
    streams = [Philox(key=np.array([3, c], dtype=np.uint64)) for c in range(n_chains)]
    links = np.array([straight_ring(system, n_links, Generator(stream)) for stream in streams])
    moves, amplitude = ring_moves(system), density.amplitude(system.moves)
    for n, sweeps in ((1, 24), (n_samples, n_sweeps)):
        rings = np.empty((n_chains, n, *links.shape[1:]), dtype=np.int8)
        counts = np.zeros((2, 2), dtype=np.int64)
        sample_rings(
            links, amplitude, system.moves.kernel(), moves.terms, moves.lines, sweeps, 1.0, streams, rings, counts
        )
    return rings


def logarithms(wavefunction, state, rings):
    """Return ln of a wave function of every link."""
    flat = rings.reshape(-1, state.system.n_visible)
    return log_psi(wavefunction, state.system.moves, flat).reshape(rings.shape[:-1])


def codes(rings, n_sites):
    """Return a number of every ring (n, n_links, n_visible)."""
    layers = (rings[..., :n_sites] > 0).reshape(len(rings), -1)
    return layers @ (1 << np.arange(layers.shape[1]))


@pytest.fixture(scope="module")
def nodal():
    """Return (state, softened density, all rings of 4 links, some of them without a weight in the kernel)."""
    state = frustrated_ring(5)
    state.wavefunction.first.params = np.array([-0.5, 0.5])
    density = Product(SoftenedPermanent(state.wavefunction.first, SHARE), state.wavefunction.second)
    return state, density, RingEnumeration(Team.serial(), state.system, 2).configurations[:, 0]


@pytest.mark.parametrize("is_softened", [True, False])
def test_rings_sample_the_softened_density(p_value, nodal, is_softened):
    """Rings of equal density are one outcome, those with links at exact zeros of the kernel among them.

    Rings sampled from the kernel itself are rejected.
    """
    state, density, rings = nodal
    logs = logarithms(density, state, rings).real.sum(axis=1)
    at_nodes = np.isneginf(logarithms(state.wavefunction, state, rings).real).any(axis=1)
    weights, outcomes = np.exp(logs), np.unique(logs.round(6), return_inverse=True)[1]
    assert weights[at_nodes].sum() > 0.2 * weights.sum()
    found = drawn(state, density if is_softened else state.wavefunction, 4, 4000, 1, 24)[:, 0]
    order = np.argsort(codes(rings, 5))
    places = order[np.searchsorted(codes(rings, 5)[order], codes(found, 5))]
    p = p_value(outcomes[places], np.bincount(outcomes, weights) / weights.sum())
    assert FALSE_ALARM / 2 < p < 1 - FALSE_ALARM / 2 if is_softened else p < FALSE_ALARM / 2


def dense_kernel(state):
    """Return H and phi as matrices between all layers."""
    n = state.model.n_sites
    spins = (2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1) - 1).astype(np.int8)
    visible = np.concatenate([np.repeat(spins, 2**n, axis=0), np.tile(-spins, (2**n, 1))], axis=1)
    inside, values = visible.sum(axis=1) == 0, np.zeros(4**n, dtype=complex)
    values[inside] = np.exp(log_psi(state.wavefunction, state.system.moves, visible[inside]))
    return to_sparse(state.model).toarray(), values.real.reshape(2**n, 2**n)


@pytest.mark.parametrize("n_links", [3, 4])
def test_reweighted_means_are_traces(n_links):
    """Sign and energy of six sites against Tr[phi^R H] / Tr[phi^R]; without the weights they are another state's."""
    state = frustrated_ring(6)
    hamiltonian, kernel = dense_kernel(state)
    power = np.linalg.matrix_power(kernel, n_links)
    expected = np.trace(hamiltonian @ power) / np.trace(power)
    expected_sign = np.trace(power) / np.trace(np.linalg.matrix_power(np.abs(kernel), n_links))

    density = Product(SoftenedPermanent(state.wavefunction.first, SHARE), state.wavefunction.second)
    rings = drawn(state, density, n_links, 200, 100, 2)
    flat = rings.reshape(-1, state.system.n_visible)
    energies, logs = np.empty((len(flat), 2), dtype=complex), np.empty(len(flat), dtype=complex)
    amplitude, moves = state.wavefunction.amplitude(state.system.moves), state.system.moves.kernel()
    local_energies(flat, amplitude, moves, list(state.system.hamiltonians), energies, logs)
    logs = logs.reshape(rings.shape[:-1])
    energy = energies.real.mean(axis=1).reshape(rings.shape[:-1]).mean(axis=2)
    signs = np.cos(logs.imag.sum(axis=2)).round()
    weights = np.exp(np.sum(logs.real - logarithms(density, state, rings).real, axis=2))
    assert np.all(weights <= 1 + 1e-12)

    def deviation(numerator, denominator, wanted):
        """Return how many errors a ratio of sums over chains is away, from the spread of the chains."""
        found = numerator.sum() / denominator.sum()
        residuals = (numerator - found * denominator).sum(axis=1)
        return (found - wanted) * denominator.sum() / (residuals.std() * len(residuals) ** 0.5)

    assert abs(deviation(signs * weights * energy, signs * weights, expected)) < DEVIATIONS
    assert abs(deviation(signs * weights, weights, expected_sign)) < DEVIATIONS
    assert abs(deviation(signs * energy, signs, expected)) > 2 * DEVIATIONS
