"""Exchange hafnians against sums over matchings and permanents, their limit, and their range of magnitudes."""

import itertools

import numpy as np
import pytest

from hpc_nqs.hilbert.moves import Moves
from hpc_nqs.kernels.amplitude import log_derivs, log_psi
from hpc_nqs.kernels.hafnian import HafnianAmplitude
from hpc_nqs.kernels.metropolis import follow_path
from hpc_nqs.kernels.permanent import PermanentAmplitude
from hpc_nqs.kernels.reference import amplitudes
from hpc_nqs.kernels.reference import hafnian as reference
from hpc_nqs.wavefunctions.exchange_hafnian import ExchangeHafnian


def without_singles(n):
    """Return the arguments `singles` and `single_param` of n sites that are never matched with none."""
    return np.zeros(n), np.zeros(n, dtype=np.intc)


def hafnian(matrix):
    """Return the sum over all ways to match the indices of a symmetric matrix."""
    n = len(matrix)
    if n == 0:
        return 1.0
    others = range(1, n)
    return sum(
        matrix[0, k] * hafnian(matrix[np.ix_(rest, rest)])
        for k in others
        if matrix[0, k]
        for rest in [[i for i in others if i != k]]
    )


def factor_params(n):
    """Return a parameter for r and q of every pair of n sites."""
    found = np.zeros((2, n, n), dtype=np.intc)
    rows, columns = np.triu_indices(n, 1)
    for kind in range(2):
        found[kind, rows, columns] = found[kind, columns, rows] = 1 + np.arange(len(rows)) + kind * len(rows)
    return found


def hafnian_amplitude(m, stream, scale=1.0, max_sites=20, n_extra=3):
    """Return (factors, amplitude, configuration, mismatched sites, their w) with m mismatched sites."""
    n = m + n_extra
    factors = scale * stream.standard_normal((2, n, n))
    factors += np.swapaxes(factors, 1, 2)
    sigma = stream.choice([-1, 1], n)
    ancilla, sites = sigma.copy(), np.sort(stream.permutation(n)[:m])
    ancilla[sites] *= -1
    visible = np.concatenate([sigma, ancilla]).astype(np.int8)
    equal = (sigma[:, None] == sigma).astype(int)
    w = np.take_along_axis(factors, equal[None], axis=0)[0][np.ix_(sites, sites)]
    np.fill_diagonal(w, 0)
    amplitude = HafnianAmplitude(factors, factor_params(n), *without_singles(n), n * (n - 1), max_sites)
    return factors, amplitude, visible, sites, w


def values(amplitude, visible):
    """Return ln Psi and O of one configuration."""
    logarithm, derivs = np.empty(1, dtype=complex), np.empty((1, amplitude.n_params))
    log_psi(amplitude, visible[None], logarithm)
    log_derivs(amplitude, visible[None], derivs)
    return logarithm[0], derivs[0]


@pytest.mark.parametrize("m", [0, 2, 4, 6, 8, 10])
def test_hafnians_and_minors(m):
    """Signs included; O of a pair is the hafnian without it over the whole, with r or q by the spins of the pair."""
    stream, signs = np.random.default_rng(m), set()
    for _ in range(6):
        factors, amplitude, visible, sites, w = hafnian_amplitude(m, stream)
        logarithm, derivs = values(amplitude, visible)
        expected = hafnian(w)
        signs.add(np.sign(expected))
        assert logarithm.real == pytest.approx(np.log(abs(expected)), abs=1e-10)
        assert logarithm.imag == pytest.approx(np.pi if expected < 0 else 0)
        slopes = np.zeros_like(factors)
        for a, b in itertools.combinations(range(m), 2):
            rest = [i for i in range(m) if i not in (a, b)]
            kind = int(visible[sites[a]] == visible[sites[b]])
            slopes[kind, sites[a], sites[b]] = hafnian(w[np.ix_(rest, rest)]) / expected
        rows, columns = np.triu_indices(factors.shape[1], 1)
        np.testing.assert_allclose(derivs, slopes[:, rows, columns].ravel(), rtol=1e-9, atol=1e-12)
    assert signs == ({1} if m == 0 else {1, -1})


def test_an_odd_number_of_sites_has_no_amplitude():
    for m in (1, 3, 7):
        _, amplitude, visible, *_ = hafnian_amplitude(m, np.random.default_rng(m))
        logarithm, derivs = values(amplitude, visible)
        assert logarithm.real == -np.inf and not derivs.any()


@pytest.mark.parametrize("k", range(7))
def test_without_pair_creation_it_is_the_permanent(k):
    """q = 0: the same amplitude, sign and log-derivatives by r, on the ancilla layer turned over."""
    stream = np.random.default_rng(k)
    n = 2 * k + 2
    r = stream.standard_normal((n, n))
    r += r.T
    params = factor_params(n)
    both = HafnianAmplitude(np.stack([r, np.zeros_like(r)]), params, *without_singles(n), n * (n - 1), 20)
    permanent = PermanentAmplitude(r, params[0], n * (n - 1) // 2, 20)
    sigma, sites = stream.choice([-1, 1], n), stream.permutation(n)
    sigma[sites[:k]], sigma[sites[k : 2 * k]] = 1, -1
    ancilla = sigma.copy()
    ancilla[sites[: 2 * k]] *= -1
    one = values(both, np.concatenate([sigma, ancilla]).astype(np.int8))
    other = values(permanent, np.concatenate([sigma, -ancilla]).astype(np.int8))
    assert one[0] == pytest.approx(other[0], rel=1e-12, abs=1e-12)
    np.testing.assert_allclose(one[1][: n * (n - 1) // 2], other[1], rtol=1e-9, atol=1e-12)
    # more up than down spins among the mismatched sites are out of reach of exchanges
    if k:
        sigma[sites[k]] = ancilla[sites[k + 1]] = 1
        ancilla[sites[k]] = -1
        assert values(both, np.concatenate([sigma, ancilla]).astype(np.int8))[0].real == -np.inf


def test_tiny_and_huge_entries():
    """w^(m/2) far outside the range of numbers: ln Psi moves by m/2 ln(scale), O by the scale."""
    for scale in (1e-120, 1e120):
        _, small, visible, *_ = hafnian_amplitude(8, np.random.default_rng(3))
        _, scaled, *_ = hafnian_amplitude(8, np.random.default_rng(3), scale)
        one, other = values(small, visible), values(scaled, visible)
        assert other[0] == pytest.approx(one[0] + 4 * np.log(scale), rel=1e-12)
        np.testing.assert_allclose(other[1] * scale, one[1], rtol=1e-10)


@pytest.mark.parametrize("m", range(2, 19, 2))
def test_factors_of_rank_one(m):
    """w_ik = a_i a_k: Psi = (m - 1)!! prod a, and every hafnian without two sites the same without them, (m - 3)!!."""
    _, _, visible, sites, _ = hafnian_amplitude(m, np.random.default_rng(m))
    n = m + 3
    a = np.random.default_rng(m).uniform(0.3, 1.0, n)
    w = np.stack([np.outer(a, a)] * 2)
    amplitude = HafnianAmplitude(w, factor_params(n), *without_singles(n), n * (n - 1), 20)
    logarithm, derivs = values(amplitude, visible)
    assert logarithm == pytest.approx(np.log(np.arange(1, m, 2)).sum() + np.log(a[sites]).sum(), rel=1e-11)
    expected = np.zeros((n, n))
    expected[np.ix_(sites, sites)] = 1 / ((m - 1) * np.outer(a[sites], a[sites]))
    rows, columns = np.triu_indices(n, 1)
    np.testing.assert_allclose(derivs.reshape(2, -1).sum(axis=0), expected[rows, columns], rtol=1e-10)


def test_no_amplitude_beyond_the_limit():
    _, amplitude, visible, *_ = hafnian_amplitude(8, np.random.default_rng(1), max_sites=8)
    assert np.isfinite(values(amplitude, visible)[0])
    _, amplitude, visible, *_ = hafnian_amplitude(8, np.random.default_rng(1), max_sites=7)
    logarithm, derivs = values(amplitude, visible)
    assert logarithm.real == -np.inf and not derivs.any()


def moves_of(n):
    """Return the moves between all pairs of n sites, on either layer and on both, and those within a site."""
    moves = Moves(n_visible=2 * n, n_sites=n, bond_features=False)
    for i, k in itertools.combinations(range(n), 2):
        for layer in (0, n):
            moves.add_exchange(i + layer, k + layer)
            moves.add_pair_flip(i + layer, k + layer)
        moves.add_joint_exchange(i, k)
        moves.add_joint_pair_flip(i, k)
    for i in range(n):
        moves.add_joint_flip(i)
        for unit in (i, i + n) * 3:
            moves.add_flip(unit)
    return moves


@pytest.mark.parametrize("m", range(1, 9))
def test_loop_hafnians(m):
    """Sites matched with none: hafnians of more sites, one with entries l for each; O of a site is that without it."""
    stream, signs = np.random.default_rng(m), set()
    for _ in range(6):
        factors, _, visible, sites, w = hafnian_amplitude(m, stream)
        n = factors.shape[1]
        alone = stream.standard_normal(n)
        amplitude = HafnianAmplitude(
            factors, factor_params(n), alone, np.arange(1 + n * (n - 1), 1 + n * n, dtype=np.intc), n * n, 20
        )
        logarithm, derivs = values(amplitude, visible)

        def with_loops(chosen, w=w, own=alone[sites]):
            if not chosen:
                return 1.0
            first, *others = chosen
            rest = [[k for k in others if k != other] for other in others]
            pairs = sum(w[first, k] * with_loops(left) for k, left in zip(others, rest, strict=True))
            return own[first] * with_loops(others) + pairs

        everything = list(range(m))
        expected = with_loops(everything)
        signs.add(np.sign(expected))
        assert np.exp(logarithm) == pytest.approx(expected, rel=1e-9)
        slopes = np.zeros(n)
        slopes[sites] = [with_loops([k for k in everything if k != i]) / expected for i in everything]
        np.testing.assert_allclose(derivs[n * (n - 1) :], slopes, rtol=1e-9, atol=1e-12)
    assert signs == {1, -1}


@pytest.mark.parametrize(("max_sites", "has_singles"), [(20, False), (4, False), (20, True), (4, True)])
def test_ratios_along_a_walk(max_sites, has_singles, monkeypatch):
    """Every kind of change of the mismatched sites, after hundreds of accepted moves; zeros of Psi are not entered."""
    n, stream = 7, np.random.default_rng(max_sites)
    wavefunction = ExchangeHafnian(np.arange(n)[None, :], np.ones((2, n, n)), np.full(n, float(has_singles)))
    wavefunction.params = stream.choice([-1, 1], wavefunction.n_params) * stream.uniform(0.3, 1, wavefunction.n_params)
    arguments = wavefunction.factors(), wavefunction.factor_param, wavefunction.singles(), wavefunction.single_param
    arguments = *arguments, wavefunction.n_params, max_sites
    kernel, twin, moves = HafnianAmplitude(*arguments), reference.HafnianAmplitude(*arguments), moves_of(n)
    path = np.random.default_rng(2).integers(0, len(moves), 2000).astype(np.intp)
    visible, ratios = np.ones(2 * n, dtype=np.int8), np.empty(len(path), dtype=complex)
    spins = visible.copy()
    end = follow_path(visible, kernel, moves.kernel(), path, 1e-3, ratios)
    monkeypatch.setattr("hpc_nqs.hilbert.moves.MoveSet", amplitudes.MoveSet)
    twins, seen = moves.kernel(), set()
    for move, ratio in zip(path, ratios, strict=True):
        proposal = twins.propose(move, spins)
        if proposal is None:
            assert ratio == 0
            continue
        new = amplitudes.flipped(spins, proposal.flips)
        assert ratio == pytest.approx(twin.ratio(spins, proposal), rel=1e-8, abs=1e-9)
        m = [len(twin.mismatched(one)) for one in (spins, new)]
        seen.add((m[0], m[1] - m[0], len(proposal.flips), bool(ratio)))
        spins = new if abs(ratio) > 1e-3 else spins
    np.testing.assert_array_equal(visible, spins)
    assert np.exp(end) == pytest.approx(np.exp(twin.log_psi(spins)), rel=1e-9)
    largest = min(6, max_sites)
    step = 1 if has_singles else 2
    assert {(m, 2, 2, True) for m in range(0, largest - 1, step)} <= seen
    assert {(m, -2, 2, True) for m in range(2, largest + 1, step)} <= seen
    assert {(m, 0, n_flips, True) for m in range(2, largest + 1, step) for n_flips in (2, 4)} <= seen
    assert any(change in (1, -1) and allowed for _, change, _, allowed in seen) == has_singles
    assert (max_sites == 20) == ((4, 2, 2, False) not in seen)
    if has_singles:
        assert {(m, 1, 1, True) for m in range(largest)} | {(m, -1, 1, True) for m in range(1, largest + 1)} <= seen
