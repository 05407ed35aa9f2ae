"""Centred sums against numpy.cov: weights, blocks, cancellation, and which factor is conjugated."""

import numpy as np
import pytest

from hpc_nqs.kernels import accumulate
from hpc_nqs.kernels.reference import matrices as reference

N_SAMPLES, N_PARAMS = 300, 6


def samples(width, seed=0, mean=0.0, spread=1.0):
    """Return log-derivatives (n, p), real or complex, energies and weights."""
    stream = np.random.default_rng(seed)

    def numbers(*shape):
        return stream.standard_normal(shape) + (1j * stream.standard_normal(shape) if width == 2 else 0)

    mixing = np.eye(N_PARAMS) + 0.3 * numbers(N_PARAMS, N_PARAMS)
    derivs = mean * numbers(N_PARAMS) + spread * (numbers(N_SAMPLES, N_PARAMS) @ mixing)
    energies = derivs[:, 0] / spread + stream.standard_normal(N_SAMPLES) + 1j * stream.standard_normal(N_SAMPLES)
    return derivs, energies, stream.exponential(size=N_SAMPLES)


def summed(derivs, energies, weights, width, cuts=(), kernels=accumulate, panel=4):
    """Return (totals, means, lower triangle of S, F) after all blocks."""
    numbers = complex if width == 2 else float
    totals, means = np.zeros(3), np.zeros(N_PARAMS * width)
    s_matrix, force = np.zeros((N_PARAMS, N_PARAMS * width)), np.zeros(N_PARAMS * width)
    for part in np.split(np.arange(len(weights)), cuts):
        block = with_room(derivs[part], width)
        panels = [(start, min(start + panel, N_PARAMS)) for start in range(0, N_PARAMS, panel)]
        for start, stop in reversed(panels):
            kernels.accumulate(block, start, stop, energies[part], weights[part], totals, means, force, width)
        kernels.add_totals(energies[part], weights[part], totals)
        for start, stop in panels:
            kernels.add_products(block, start, stop, s_matrix, width)
    return totals, means.view(numbers), np.tril(s_matrix.view(numbers)), force.view(numbers)


def with_room(derivs, width):
    """Return the block (n + 1, p * width) that `accumulate` takes."""
    block = np.full((len(derivs) + 1, N_PARAMS * width), np.nan)
    block[:-1] = np.ascontiguousarray(derivs).view(float).reshape(len(derivs), N_PARAMS * width)
    return block


def definition(derivs, energies, weights, width):
    """Return the same from sum w conj(O_k - <O_k>) (O_l - <O_l>), in extended precision."""
    kind = np.clongdouble if width == 2 else np.longdouble
    o, e, w = derivs.astype(kind), energies.astype(np.clongdouble), weights.astype(np.longdouble)
    total = w.sum()
    mean, mean_energy = w @ o / total, w @ e / total
    o, e = o - mean, e - mean_energy
    force = np.einsum("s,sk,s->k", w, o.conj(), e)
    sums = np.array([total, mean_energy.real, mean_energy.imag])
    s_matrix = np.tril(np.einsum("s,sk,sl->kl", w, o.conj(), o))
    return sums, mean, s_matrix, force if width == 2 else force.real


def assert_equal(one, other, tolerance):
    for values, expected in zip(one, other, strict=True):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(values, expected.astype(values.dtype), rtol=0, atol=tolerance * float(scale))


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("panel", [1, 4, 6])
@pytest.mark.parametrize("kernels", [accumulate, reference])
def test_definition(width, kernels, panel):
    data = samples(width)
    assert_equal(summed(*data, width, kernels=kernels, panel=panel), definition(*data, width), 1e-13)


def test_numpy_covariance():
    derivs, energies, weights = samples(1)
    totals, _, s_matrix, force = summed(derivs, energies, weights, 1)
    expected = np.cov(np.column_stack([derivs, energies.real]).T, aweights=weights, ddof=0)
    np.testing.assert_allclose(s_matrix / totals[0], np.tril(expected[:-1, :-1]), rtol=0, atol=1e-13)
    np.testing.assert_allclose(force / totals[0], expected[:-1, -1], rtol=0, atol=1e-13)


def test_the_left_factor_is_conjugated():
    """S = O^H O and F = O^H E: the transpose and the other convention differ."""
    derivs, energies, weights = samples(2)
    totals, _, s_matrix, force = summed(derivs, energies, weights, 2)
    centred, e = derivs - weights @ derivs / totals[0], energies - weights @ energies / totals[0]
    right = centred.conj().T @ (weights[:, None] * centred)
    np.testing.assert_allclose(s_matrix, np.tril(right), rtol=0, atol=1e-11)
    np.testing.assert_allclose(force, centred.conj().T @ (weights * e), rtol=0, atol=1e-11)
    assert np.max(np.abs(s_matrix - np.tril(right.conj()))) > 1
    assert np.max(np.abs(force - centred.T @ (weights * e.conj()))) > 1


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("cuts", [(150,), (1,), (0, 299), (10, 10, 50, 200, 290), tuple(range(300))])
def test_blocks_make_no_difference(width, cuts):
    data = samples(width, mean=3.0)
    assert_equal(summed(*data, width, cuts=cuts), summed(*data, width), 1e-12)


@pytest.mark.parametrize("width", [1, 2])
def test_large_mean_and_small_spread(width):
    """<O O> - <O><O> loses eleven of sixteen digits, one block none, several blocks those of rounded means."""
    data = samples(width, mean=30.0, spread=1e-4)
    expected = definition(*data, width)
    assert_equal(summed(*data, width), expected, 1e-13)
    for cuts in ((100,), (7, 8, 250)):
        assert_equal(summed(*data, width, cuts=cuts), expected, 1e-10)
    derivs, _, weights = data
    w = weights / weights.sum()
    naive = derivs.conj().T @ (w[:, None] * derivs) - np.outer((w @ derivs).conj(), w @ derivs)
    error = np.abs(np.tril(naive) - (expected[2] / expected[0][0]).astype(naive.dtype)).max()
    assert error > 1e-7 * np.abs(expected[2] / expected[0][0]).max()


@pytest.mark.parametrize("width", [1, 2])
def test_blocks_without_weight_change_nothing(width):
    derivs, energies, weights = samples(width)
    kept = summed(derivs, energies, weights, width)
    padded = [np.concatenate([part, part[:50]]) for part in (derivs, energies)]
    padded.append(np.concatenate([weights, np.zeros(50)]))
    assert_equal(summed(*padded, width, cuts=(300,)), kept, 1e-14)
    assert_equal(summed(*padded, width, cuts=(250,)), kept, 1e-12)
    empty = summed(derivs[:0], energies[:0], weights[:0], width)
    assert not any(np.any(part) for part in empty)


@pytest.mark.parametrize("width", [1, 2])
def test_only_the_lower_triangle_is_written(width):
    derivs, energies, weights = samples(width)
    s_matrix, force = np.full((N_PARAMS, N_PARAMS * width), 7.0), np.zeros(N_PARAMS * width)
    block = with_room(derivs, width)
    accumulate.accumulate(block, 0, N_PARAMS, energies, weights, np.zeros(3), np.zeros(N_PARAMS * width), force, width)
    for start in (0, 4):
        accumulate.add_products(block, start, min(start + 4, N_PARAMS), s_matrix, width)
    numbers = s_matrix.view(complex) if width == 2 else s_matrix
    untouched = 7 + 7j if width == 2 else 7
    assert np.all(numbers[np.triu_indices(N_PARAMS, 1)] == untouched)


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("weighted", [True, False])
def test_twin_destroys_and_returns_the_same(width, weighted):
    """Parameters 1 to 4 alone, after a block before; the others stay as they are."""
    derivs, energies, weights = samples(width)
    found = []
    for kernels in (accumulate, reference):
        block, before = with_room(derivs, width), np.array([0.7, 0.1, 0.2])
        sums = [np.ones(N_PARAMS * width), np.zeros(N_PARAMS * width)]
        kernels.accumulate(block, 1, 4, energies, weights * weighted, before, *sums, width)
        np.testing.assert_array_equal(before, [0.7, 0.1, 0.2])
        kernels.add_totals(energies, weights * weighted, before)
        found.append([block, before, *sums])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-12)
    assert np.isnan(found[0][0][-1, [0, -1]]).all()
