"""The pair product against its definition as a sum over pairings, and where its determinant vanishes."""

import itertools

import numpy as np
import pytest

from hpc_nqs.hilbert.moves import Moves
from hpc_nqs.kernels.amplitude import log_derivs, log_psi
from hpc_nqs.kernels.metropolis import follow_path
from hpc_nqs.kernels.pairing import PairAmplitude


def pairings(n_visible, seed=0):
    """Return a random symmetric f with zero diagonal, every pair a parameter of its own."""
    stream = np.random.default_rng(seed)
    f = np.zeros((n_visible, n_visible))
    f[np.triu_indices(n_visible, 1)] = stream.standard_normal(n_visible * (n_visible - 1) // 2)
    return f + f.T


def each_pair_its_own(n_visible):
    """Return pair_param (signed 1 + k) with alternating signs, and the number of parameters."""
    param = np.zeros((n_visible, n_visible), dtype=np.intc)
    rows, columns = np.triu_indices(n_visible, 1)
    param[rows, columns] = (np.arange(len(rows)) + 1) * np.where(np.arange(len(rows)) % 3, 1, -1)
    return param + param.T, len(rows)


def amplitude_of(f):
    return PairAmplitude(f, *each_pair_its_own(len(f)))


def sector(n_visible):
    """Return all configurations with as many up as down spins."""
    rows = []
    for up in itertools.combinations(range(n_visible), n_visible // 2):
        rows.append(np.where(np.isin(np.arange(n_visible), up), 1, -1))
    return np.array(rows, dtype=np.int8)


def logarithms(f, configurations):
    out = np.empty(len(configurations), dtype=complex)
    log_psi(amplitude_of(f), configurations, out)
    return out


def sum_over_pairings(f, visible):
    """Return (-1)^inv sum_P sgn(P) prod_a f(u_a, d_P(a)), inv = number of (down before up)."""
    up, down = np.flatnonzero(visible > 0), np.flatnonzero(visible < 0)
    total = 0.0
    for order in itertools.permutations(range(len(down))):
        swaps = sum(order[i] > order[j] for i, j in itertools.combinations(range(len(order)), 2))
        total += (-1) ** swaps * np.prod(f[up, down[list(order)]])
    inversions = sum(d < u for u in up for d in down)
    return (-1) ** inversions * total


def exchanges(n_visible, joint=True):
    """Return all exchanges of two spins, and of two sites of the doubled system."""
    n = n_visible // 2
    moves = Moves(n_visible, n, bond_features=False)
    for v, w in itertools.combinations(range(n_visible), 2):
        moves.add_exchange(v, w)
    for i, j in itertools.combinations(range(n), 2) if joint else ():
        moves.add_joint_exchange(i, j)
    return moves.kernel()


@pytest.mark.parametrize("n_visible", [2, 4, 6, 8])
def test_amplitude_is_the_sum_over_pairings(n_visible):
    f, configurations = pairings(n_visible), sector(n_visible)
    expected = [sum_over_pairings(f, visible) for visible in configurations]
    np.testing.assert_allclose(np.exp(logarithms(f, configurations)).real, expected, rtol=1e-10, atol=1e-12)


def test_singlets_on_all_bonds_give_the_signs_of_singlets():
    """One pair (v, w): up-down minus down-up."""
    f = np.array([[0.0, 0.7], [0.7, 0.0]])
    psi = np.exp(logarithms(f, np.array([[1, -1], [-1, 1]], dtype=np.int8))).real
    np.testing.assert_allclose(psi, [0.7, -0.7], rtol=1e-14)


@pytest.mark.parametrize("n_visible", [2, 4, 6, 18])
def test_ratios_of_all_exchanges(n_visible):
    """One pair, and two pairs at once through four flips; 18 units fill a vector and a bit."""
    f, moves = pairings(n_visible, seed=1), exchanges(n_visible)
    amplitude, stream = amplitude_of(f), np.random.default_rng(2)
    n_joint = 0
    for visible in stream.permutation(sector(n_visible) if n_visible < 10 else balanced(n_visible, stream))[:12]:
        ratios, path = np.empty(len(moves), dtype=complex), np.arange(len(moves), dtype=np.intp)
        follow_path(visible.copy(), amplitude, moves, path, np.inf, ratios)
        for move in np.flatnonzero(ratios):
            new = visible.copy()
            follow_path(new, amplitude, moves, path[move : move + 1], 0.0, np.empty(1, dtype=complex))
            n_joint += np.sum(new != visible) == 4
            expected = np.exp(logarithms(f, new[None]) - logarithms(f, visible[None]))[0]
            np.testing.assert_allclose(ratios[move], expected, rtol=1e-8, atol=1e-9)
    assert n_joint > 3 or n_visible == 2


def balanced(n_visible, stream):
    spins = np.repeat(np.array([1, -1], dtype=np.int8), n_visible // 2)
    return np.array([stream.permutation(spins) for _ in range(50)])


@pytest.mark.parametrize("n_visible", [8, 32])
def test_thousands_of_exchanges_are_carried_along(n_visible):
    f = pairings(n_visible, seed=3)
    moves, amplitude, stream = exchanges(n_visible), amplitude_of(f), np.random.default_rng(4)
    visible = balanced(n_visible, stream)[0]
    ratios, path = np.empty(4000, dtype=complex), stream.integers(0, len(moves), size=4000).astype(np.intp)
    end = follow_path(visible, amplitude, moves, path, 0.1, ratios)
    assert np.sum(np.abs(ratios) > 0.1) > 1000
    np.testing.assert_allclose(np.exp(end - logarithms(f, visible[None])[0]), 1.0, rtol=0, atol=1e-6)


def test_two_exchanges_with_a_zero_between_them():
    """Neither order of the two single exchanges may pass through the amplitude between them, which is 0."""
    n = 2
    f = np.zeros((4, 4))
    for v, w in ((0, 1), (2, 3)):  # pairs within the layers only: sigma (0, 1), ancilla (2, 3)
        f[v, w] = f[w, v] = 0.5 + v
    moves = Moves(4, n, bond_features=False)
    moves.add_exchange(0, 2)
    moves.add_joint_exchange(0, 1)
    for visible in ([1, -1, -1, 1], [-1, 1, 1, -1]):
        visible, ratios = np.array(visible, dtype=np.int8), np.empty(2, dtype=complex)
        follow_path(visible, amplitude_of(f), moves.kernel(), np.array([0, 1]), np.inf, ratios)
        np.testing.assert_array_equal(ratios, [0, 1])


def test_log_derivs_are_central_differences():
    f, step = pairings(6, seed=5), 1e-5
    param, n_params = each_pair_its_own(6)
    configurations = sector(6)
    computed = np.empty((len(configurations), n_params))
    log_derivs(PairAmplitude(f, param, n_params), configurations, computed)
    for k in range(n_params):
        shift = step * ((param == k + 1) * 1.0 - (param == -k - 1))
        psi = [np.exp(logarithms(f + sign * shift, configurations)).real for sign in (1, -1)]
        slopes = (psi[0] - psi[1]) / (2 * step)
        np.testing.assert_allclose(computed[:, k], 2 * slopes / (psi[0] + psi[1]), rtol=1e-5, atol=1e-6)


def test_fixed_pairs_have_no_derivative():
    f, param = pairings(4), np.zeros((4, 4), dtype=np.intc)
    param[0, 1] = param[1, 0] = 1
    out = np.empty((6, 1))
    log_derivs(PairAmplitude(f, param, 1), sector(4), out)
    touched = sector(4)[:, 0] != sector(4)[:, 1]
    assert np.all(out[touched] != 0) and np.all(out[~touched] == 0)


@pytest.mark.parametrize("last", [0.0, 1e-17])
def test_a_vanishing_determinant(last):
    """ln Psi = -inf, no ratio leads anywhere, and nothing is a NaN; 1e-17 is a zero with rounding errors."""
    f = np.zeros((6, 6))
    for v, w, value in ((0, 3, 1.0), (1, 4, 1.0), (2, 5, 1.0), (0, 4, 0.3)):
        f[v, w] = f[w, v] = value
    zero = np.array([1, 1, -1, 1, -1, -1], dtype=np.int8)  # spin 3 is up: nothing pairs with it but 0
    f[3, 2] = f[2, 3] = last
    assert np.linalg.det(f[np.ix_([0, 1, 3], [2, 4, 5])]) == pytest.approx(0, abs=1e-16)
    assert logarithms(f, zero[None])[0].real == -np.inf
    moves, ratios = exchanges(6), np.empty(18, dtype=complex)
    follow_path(zero.copy(), amplitude_of(f), moves, np.arange(18, dtype=np.intp), 0.0, ratios)
    np.testing.assert_array_equal(ratios, 0)
    derivs = np.empty((1, 15))
    log_derivs(amplitude_of(f), zero[None], derivs)
    np.testing.assert_array_equal(derivs, 0)
    bell = np.array([1, 1, 1, -1, -1, -1], dtype=np.int8)
    assert np.exp(logarithms(f, bell[None])[0]).real == pytest.approx(1.0)


def test_small_and_large_determinants_do_not_overflow():
    for size in (1e-60, 1e60):
        f, visible = size * pairings(12, seed=6), balanced(12, np.random.default_rng(7))[:3]
        expected = logarithms(f / size, visible) + 6 * np.log(size)
        np.testing.assert_allclose(logarithms(f, visible), expected, rtol=1e-12)
