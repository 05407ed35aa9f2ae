"""Exchange permanents against sums over permutations, their limit, and their range of magnitudes."""

import itertools

import numpy as np
import pytest

from hpc_nqs.kernels.amplitude import log_derivs, log_psi
from hpc_nqs.kernels.permanent import PermanentAmplitude


def permanent(matrix):
    """Return the sum over all ways to match rows with columns."""
    rows = np.arange(len(matrix))
    return sum(matrix[rows, list(columns)].prod() for columns in itertools.permutations(rows))


def pair_amplitude(k, stream, scale=1.0, max_pairs=20):
    """Return (r, amplitude, configuration) with k mismatched sites of either kind, one parameter per pair of sites."""
    n = 2 * k + 3
    r = scale * stream.standard_normal((n, n))
    r += r.T
    pair_param = np.zeros((n, n), dtype=np.intc)
    rows, columns = np.triu_indices(n, 1)
    pair_param[rows, columns] = pair_param[columns, rows] = 1 + np.arange(len(rows))
    sigma = stream.choice([-1, 1], n)
    ancilla = -sigma
    sites = stream.permutation(n)
    up, down = np.sort(sites[:k]), np.sort(sites[k : 2 * k])
    sigma[up] = ancilla[up] = 1
    sigma[down] = ancilla[down] = -1
    visible = np.concatenate([sigma, ancilla]).astype(np.int8)
    return r, PermanentAmplitude(r, pair_param, len(rows), max_pairs), visible, (up, down)


def values(amplitude, visible):
    """Return ln Psi and O of one configuration."""
    logarithm, derivs = np.empty(1, dtype=complex), np.empty((1, amplitude.n_params))
    log_psi(amplitude, visible[None], logarithm)
    log_derivs(amplitude, visible[None], derivs)
    return logarithm[0], derivs[0]


@pytest.mark.parametrize("k", range(7))
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


def test_no_amplitude_beyond_the_limit():
    _, amplitude, visible, _ = pair_amplitude(4, np.random.default_rng(1), max_pairs=4)
    assert np.isfinite(values(amplitude, visible)[0])
    _, amplitude, visible, _ = pair_amplitude(4, np.random.default_rng(1), max_pairs=3)
    logarithm, derivs = values(amplitude, visible)
    assert logarithm.real == -np.inf and not derivs.any()
