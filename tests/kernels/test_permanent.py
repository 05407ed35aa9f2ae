"""Exchange permanents against sums over permutations, their limit, and their range of magnitudes."""

import itertools
import math

import numpy as np
import pytest

from hpc_nqs.kernels.amplitude import log_derivs, log_psi
from hpc_nqs.kernels.metropolis import follow_path
from hpc_nqs.kernels.permanent import PermanentAmplitude
from hpc_nqs.kernels.reference import amplitudes
from hpc_nqs.wavefunctions.exchange_permanent import ExchangePermanent


def permanent(matrix):
    """Return the sum over all ways to match rows with columns."""
    if not len(matrix):
        return 1.0
    return sum(entry * permanent(np.delete(matrix[1:], k, 1)) for k, entry in enumerate(matrix[0]) if entry)


def distances_of_ring(n):
    """Return the numbers of steps between the sites of a ring."""
    steps = np.abs(np.arange(n)[:, None] - np.arange(n))
    return np.minimum(steps, n - steps)


def pair_params(n):
    """Return a parameter for every pair of n sites."""
    pair_param = np.zeros((n, n), dtype=np.intc)
    rows, columns = np.triu_indices(n, 1)
    pair_param[rows, columns] = pair_param[columns, rows] = 1 + np.arange(len(rows))
    return pair_param


def pair_amplitude(k, stream, scale=1.0, max_pairs=20):
    """Return (r, amplitude, configuration) with k mismatched sites of either kind, one parameter per pair of sites."""
    n = 2 * k + 3
    r = scale * stream.standard_normal((n, n))
    r += r.T
    sigma = stream.choice([-1, 1], n)
    ancilla = -sigma
    sites = stream.permutation(n)
    up, down = np.sort(sites[:k]), np.sort(sites[k : 2 * k])
    sigma[up] = ancilla[up] = 1
    sigma[down] = ancilla[down] = -1
    visible = np.concatenate([sigma, ancilla]).astype(np.int8)
    return r, PermanentAmplitude(r, pair_params(n), n * (n - 1) // 2, max_pairs), visible, (up, down)


def values(amplitude, visible):
    """Return ln Psi and O of one configuration."""
    logarithm, derivs = np.empty(1, dtype=complex), np.empty((1, amplitude.n_params))
    log_psi(amplitude, visible[None], logarithm)
    log_derivs(amplitude, visible[None], derivs)
    return logarithm[0], derivs[0]


@pytest.mark.parametrize("k", range(8))
def test_permanents_and_minors(k):
    """Signs included; O of the pair (i, k) is the minor without i and k over the permanent."""
    stream, signs = np.random.default_rng(k), set()
    for _ in range(8):
        r, amplitude, visible, (up, down) = pair_amplitude(k, stream)
        logarithm, derivs = values(amplitude, visible)
        matrix = r[np.ix_(up, down)]
        expected = permanent(matrix)
        signs.add(np.sign(expected))
        assert logarithm.real == pytest.approx(np.log(abs(expected)), abs=1e-10)
        assert logarithm.imag == pytest.approx(np.pi if expected < 0 else 0)
        slopes = np.zeros_like(r)
        for a, b in itertools.product(range(k), repeat=2):
            minor = permanent(np.delete(np.delete(matrix, a, 0), b, 1))
            slopes[up[a], down[b]] = slopes[down[b], up[a]] = minor / expected
        np.testing.assert_allclose(derivs, slopes[np.triu_indices(len(r), 1)], rtol=1e-9, atol=1e-12)
    assert signs == ({1} if k == 0 else {1, -1})


def test_tiny_and_huge_entries():
    """r^k far outside the range of numbers: ln Psi moves by k ln(scale), O by the scale."""
    for scale in (1e-120, 1e120):
        _, small, visible, _ = pair_amplitude(6, np.random.default_rng(3))
        _, scaled, _, _ = pair_amplitude(6, np.random.default_rng(3), scale)
        one, other = values(small, visible), values(scaled, visible)
        assert other[0] == pytest.approx(one[0] + 6 * np.log(scale), rel=1e-12)
        np.testing.assert_allclose(other[1] * scale, one[1], rtol=1e-10)


def test_infinite_temperature():
    """r = 0: Psi is one without mismatched sites and zero elsewhere."""
    for k, expected in ((0, 0), (2, -np.inf)):
        _, amplitude, visible, _ = pair_amplitude(k, np.random.default_rng(1), 0.0)
        logarithm, derivs = values(amplitude, visible)
        assert logarithm.real == expected and not derivs.any()


@pytest.mark.parametrize("k", range(1, 15))
def test_exchange_of_rank_one(k):
    """r_ik = a_i a_k: Psi = k! prod a, and every minor the same without a_i and a_k, (k - 1)!."""
    _, amplitude, visible, (up, down) = pair_amplitude(k, np.random.default_rng(k))
    a = np.random.default_rng(k).uniform(0.3, 1.0, amplitude.n_visible // 2)
    amplitude = PermanentAmplitude(np.outer(a, a), pair_params(len(a)), amplitude.n_params, 20)
    logarithm, derivs = values(amplitude, visible)
    assert logarithm == pytest.approx(math.lgamma(k + 1) + np.log(a[np.concatenate([up, down])]).sum(), rel=1e-11)
    slopes = np.zeros((len(a), len(a)))
    slopes[np.ix_(up, down)] = 1 / (k * np.outer(a[up], a[down]))
    np.testing.assert_allclose(derivs, (slopes + slopes.T)[np.triu_indices(len(a), 1)], rtol=1e-10)


def test_no_amplitude_beyond_the_limit():
    _, amplitude, visible, _ = pair_amplitude(4, np.random.default_rng(1), max_pairs=4)
    assert np.isfinite(values(amplitude, visible)[0])
    _, amplitude, visible, _ = pair_amplitude(4, np.random.default_rng(1), max_pairs=3)
    logarithm, derivs = values(amplitude, visible)
    assert logarithm.real == -np.inf and not derivs.any()


# sites of a ring, largest distance of a pair, largest k
WALKS = {"all": (11, 5, 20), "limit": (11, 5, 3), "radius": (12, 2, 20), "radius_1": (12, 1, 20), "both": (12, 2, 2)}


def walk(name, moves_of):
    """Return (r, pair_param, number of parameters, largest k, moves) of a walk on a ring of n sites; moves_of(n)."""
    n, radius, max_pairs = WALKS[name]
    wavefunction = ExchangePermanent(np.arange(n)[None, :], np.zeros((n, n)), distances_of_ring(n) <= radius)
    stream = np.random.default_rng(n + radius)
    wavefunction.params = stream.choice([-1, 1], wavefunction.n_params) * stream.uniform(0.3, 1, wavefunction.n_params)
    return wavefunction.exchange(), wavefunction.pair_param, wavefunction.n_params, max_pairs, moves_of(n)


@pytest.mark.parametrize("name", WALKS)
def test_ratios_along_a_walk(name, monkeypatch, all_moves):
    """Every kind of change of A and B from every k, after hundreds of accepted moves; zeros of Psi are not entered."""
    *arguments, moves = walk(name, all_moves)
    n = len(arguments[0])
    kernel, twin = PermanentAmplitude(*arguments), amplitudes.PermanentAmplitude(*arguments)
    path = np.random.default_rng(2).integers(0, len(moves), 1200).astype(np.intp)
    start = np.repeat(np.array([1, -1], dtype=np.int8), n)
    visible, ratios = start.copy(), np.empty(len(path), dtype=complex)
    end = follow_path(visible, kernel, moves.kernel(), path, 1e-3, ratios)
    spins, seen = start.copy(), set()
    monkeypatch.setattr("hpc_nqs.hilbert.moves.MoveSet", amplitudes.MoveSet)
    twins = moves.kernel()
    for move, ratio in zip(path, ratios, strict=True):
        proposal = twins.propose(move, spins)
        if proposal is None:
            assert ratio == 0
            continue
        new = amplitudes.flipped(spins, proposal.flips)
        assert ratio == pytest.approx(twin.ratio(spins, proposal), rel=1e-9, abs=1e-9)
        k, is_joint = [len(twin.sides(one)[0]) for one in (spins, new)], len(proposal.flips) == 4
        seen.add((k[0], k[1] - k[0], is_joint, bool(ratio)))
        spins = new if abs(ratio) > 1e-3 else spins
    np.testing.assert_array_equal(visible, spins)
    assert np.exp(end) == pytest.approx(np.exp(twin.log_psi(spins)), rel=1e-9)
    largest = {"all": 5, "limit": 3, "radius": 4, "radius_1": 4, "both": 4}[name]
    changes = {(k, step) for k, step, _, is_allowed in seen if is_allowed}
    assert changes >= {(k, 1) for k in range(largest)} | {(k, -1) for k in range(2, largest + 1)}
    assert {(k, 0, True, True) for k in range(1, largest)} <= seen
    assert (name == "all") == all(is_allowed for *_, is_allowed in seen)
