"""Softened hafnians: densities and kernels against their twins, at nodes and at pairs without a factor; their use."""

import itertools

import numpy as np
import pytest

from hpc_nqs.hilbert.moves import Moves
from hpc_nqs.kernels.amplitude import log_psi
from hpc_nqs.kernels.metropolis import follow_path
from hpc_nqs.kernels.reference import amplitudes
from hpc_nqs.kernels.reference import hafnian as reference
from hpc_nqs.kernels.softened_hafnian import SoftenedHafnianAmplitude
from hpc_nqs.wavefunctions.exchange_hafnian import ExchangeHafnian
from hpc_nqs.wavefunctions.link_functions import sampling_density, without_zeros
from hpc_nqs.wavefunctions.product import Product
from hpc_nqs.wavefunctions.softened_hafnian import SoftenedHafnian, bounds

N = 6


def factors_of(name):
    """Return w of six sites: whole numbers for all pairs, whose hafnians are often zero, or bonds of a chain alone."""
    stream = np.random.default_rng(4)
    signs = np.triu(stream.choice([-2.0, -1.0, 1.0, 2.0], (2, N, N)), 1)
    w = signs + np.swapaxes(signs, 1, 2)
    steps = np.abs(np.arange(N)[:, None] - np.arange(N))
    return w if name == "nodes" else 0.1 * w * (steps == 1)


def hafnian_of(factors):
    """Return the `ExchangeHafnian` of w without symmetries."""
    return ExchangeHafnian(np.arange(N)[None, :], factors)


def all_configurations():
    spins = 2 * ((np.arange(4**N)[:, None] >> np.arange(2 * N)) & 1) - 1
    return np.ascontiguousarray(spins, dtype=np.int8)


@pytest.mark.parametrize("is_density", [True, False])
@pytest.mark.parametrize("name", ["nodes", "lost"])
def test_values(name, is_density):
    """Of every third configuration, against the twin and the definition."""
    factors, configurations = factors_of(name), np.ascontiguousarray(all_configurations()[::3])
    arguments = factors, bounds(factors), np.zeros(N), 20, 0.25, is_density
    found = np.empty(len(configurations), dtype=complex)
    log_psi(SoftenedHafnianAmplitude(*arguments), configurations, found)
    twin = reference.SoftenedHafnianAmplitude(*arguments)
    expected = np.array([twin.log_psi(spins) for spins in configurations])
    np.testing.assert_allclose(np.exp(found), np.exp(expected), rtol=1e-11, atol=1e-14)
    plain = np.empty(len(configurations), dtype=complex)
    log_psi(hafnian_of(factors).amplitude(None), configurations, plain)
    even = np.count_nonzero(configurations[:, :N] != configurations[:, N:], axis=1) % 2 == 0
    assert np.all(np.isfinite(found.real) == even) and 20 < np.sum(~np.isfinite(plain.real) & even)
    if is_density:
        assert not found.imag.any() and np.all(found.real[even] > plain.real[even])
    else:
        there = np.isfinite(plain.real)
        np.testing.assert_allclose(np.exp(found[there]), np.exp(plain[there]), rtol=1e-11)


@pytest.mark.parametrize(
    ("name", "is_density"),
    [("nodes", True), ("nodes", False), ("lost", True), ("lost", False), ("singles", True)],  # no exact zeros
)
def test_ratios_along_a_walk(name, is_density, monkeypatch):
    """Into and out of zeros of the hafnian, after hundreds of accepted moves."""
    moves = Moves(n_visible=2 * N, n_sites=N, bond_features=False)
    for i, k in itertools.combinations(range(N), 2):
        for layer in (0, N):
            moves.add_exchange(i + layer, k + layer)
            moves.add_pair_flip(i + layer, k + layer)
        moves.add_joint_pair_flip(i, k)
    for i in range(N):
        moves.add_joint_flip(i)
    factors, alone = factors_of("nodes" if name == "singles" else name), float(name == "singles")
    arguments = factors, bounds(factors), alone * np.array([1.0, -1.0, 2.0, 1.0, -2.0, 1.0]), 20, 0.25, is_density
    path = np.random.default_rng(2).integers(0, len(moves), 800).astype(np.intp)
    visible, ratios = np.ones(2 * N, dtype=np.int8), np.empty(len(path), dtype=complex)
    spins = visible.copy()
    end = follow_path(visible, SoftenedHafnianAmplitude(*arguments), moves.kernel(), path, 1e-3, ratios)
    monkeypatch.setattr("hpc_nqs.hilbert.moves.MoveSet", amplitudes.MoveSet)
    twins, twin, zeros = moves.kernel(), reference.SoftenedHafnianAmplitude(*arguments), 0
    for move, ratio in zip(path, ratios, strict=True):
        proposal = twins.propose(move, spins)
        if proposal is None:
            assert ratio == 0
            continue
        assert ratio == pytest.approx(twin.ratio(spins, proposal), rel=1e-9, abs=1e-12)
        spins = amplitudes.flipped(spins, proposal.flips) if abs(ratio) > 1e-3 else spins
        zeros += not np.isfinite(twin.signed.log_psi(spins).real)
    np.testing.assert_array_equal(visible, spins)
    assert np.exp(end) == pytest.approx(np.exp(twin.log_psi(spins)), rel=1e-9) and zeros > 5


def test_bounds_of_pairs_without_a_factor():
    """The largest product along a path, nothing between sites that no path connects."""
    factors = np.zeros((2, 4, 4))
    for kind, i, k, value in ((0, 0, 1, -0.5), (1, 1, 2, 0.2), (0, 1, 2, 0.1)):
        factors[kind, i, k] = factors[kind, k, i] = value
    found = bounds(factors)
    assert found[0, 0, 1] == 0.5 and found[1, 0, 1] == 0 and tuple(found[:, 1, 2]) == (0.1, 0.2)
    assert found[:, 0, 2] == pytest.approx([0.1, 0.1]) and not found[:, 3].any()
    np.testing.assert_array_equal(found, np.swapaxes(found, 1, 2))


def test_what_is_softened():
    """Competing matchings and lost pairs; hafnians of one sign are their own densities, without lost pairs kernels."""
    positive, nodes, lost = np.abs(factors_of("nodes")), factors_of("nodes"), np.abs(factors_of("lost"))
    cases = (positive, False, False), (nodes, True, False), (lost, True, True)
    for factors, *expected in cases:
        for wrap in (lambda one: one, lambda one: Product(one, one)):
            state = wrap(hafnian_of(factors))
            assert [sampling_density(state) is not state, without_zeros(state) is not state] == expected
    assert hafnian_of(lost).loses_pairs and not hafnian_of(nodes).loses_pairs
    # signs that a rotation of some sites takes away do not compete: w_ik c_ik = |w_ik|, c of site and spin
    c = np.random.default_rng(1).choice([-1.0, 1.0], N)
    state = hafnian_of(positive * np.outer(c, c))
    assert sampling_density(state) is state
    with pytest.raises(ValueError, match="share = 0 of a softened hafnian; allowed are 0 < share <= 1"):
        SoftenedHafnian(state, 0)
