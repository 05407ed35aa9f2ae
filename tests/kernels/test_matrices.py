"""Kernels of matrices against their twins: factored log-derivatives, blocks of a Cholesky factorization."""

import numpy as np
import pytest

from hpc_nqs.kernels import conjugate, factored, triangular
from hpc_nqs.kernels.reference import matrices as reference_matrices

BOTH = [(factored, triangular), (reference_matrices, reference_matrices)]


def numbers(stream, kind, *shape):
    """Return random numbers of a kind."""
    return stream.standard_normal(shape) + (1j * stream.standard_normal(shape) if kind is complex else 0)


def planes(values, sign):
    """Return the planes of a left (+1) or right (-1) factor."""
    if not np.iscomplexobj(values):
        return values[None]
    return np.stack([values.real, values.imag, values.real + sign * values.imag])


def read_only(*arrays):
    """Forbid writing."""
    for array in arrays:
        array.flags.writeable = False


@pytest.mark.parametrize("kind", [float, complex])
@pytest.mark.parametrize("n", [0, 3, 8, 17])
def test_products_with_factors(kind, n):
    stream = np.random.default_rng(1)
    inputs, slopes = stream.choice([-1.0, 1.0], size=(n, 5)), numbers(stream, kind, n, 7)
    weights, vector, start = numbers(stream, kind, 5, 7), numbers(stream, kind, n), numbers(stream, kind, 5, 7)
    read_only(inputs, slopes, weights, vector)
    found = []
    for kernels, _ in BOTH:
        rows, sums, work = np.empty(n, kind), start.copy(), np.empty((8, 7), kind)
        kernels.apply_factors(inputs, slopes, weights, work, rows)
        kernels.sum_factors(inputs, slopes, vector, work, sums)
        found.append((rows, sums))
    for value, expected in zip(*found, strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-13 * 20)


@pytest.mark.parametrize("kind", [float, complex])
@pytest.mark.parametrize("n", [0, 3, 8, 17])
def test_covariances_are_products_one_after_the_other(kind, n):
    stream = np.random.default_rng(4)
    inputs, slopes = stream.choice([-1.0, 1.0], size=(n, 5)), numbers(stream, kind, n, 7)
    centred, weights, matrix = stream.standard_normal((n, 4)), stream.uniform(size=n), numbers(stream, kind, 5, 7)
    field, constant, vector = numbers(stream, kind, 4), numbers(stream, kind, 1)[0], numbers(stream, kind, 7)
    start, bias_start = numbers(stream, kind, 5, 7), numbers(stream, kind, 4)
    read_only(inputs, centred, slopes, weights, matrix, field, vector)
    found = []
    for kernels, _ in BOTH:
        sums, bias, work, values = start.copy(), bias_start.copy(), np.empty((8, 7), kind), np.empty(8, kind)
        given = inputs, centred, slopes, weights, matrix, field, constant
        total = kernels.covary_factors(*given, work, values, sums, bias)
        rows = start[0].copy()
        kernels.covary_rows(slopes, weights, vector, values, rows)
        found.append((sums, bias, total, rows))
    for value, expected in zip(*found, strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-13 * 20)
    np.testing.assert_allclose(rows, start[0] + slopes.conj().T @ (weights * (slopes @ vector)), atol=1e-12)


@pytest.mark.parametrize("kind", [float, complex])
@pytest.mark.parametrize("n_groups", [0, 1, 4])
def test_sums_of_groups(kind, n_groups):
    stream = np.random.default_rng(4)
    sums = numbers(stream, kind, n_groups, 6 * 7 + 5)
    means, slopes = numbers(stream, kind, 6, 7), numbers(stream, kind, 7)
    total = kind(0.3 + (0.8j if kind is complex else 0))
    read_only(sums, means, slopes)
    found = []
    for kernels, _ in BOTH:
        out = np.full(6 * 7 + 5, np.nan, kind)
        kernels.join_sums(sums, means, slopes, total, out)
        found.append(out)
    np.testing.assert_allclose(*found, rtol=0, atol=1e-13)
    bias = sums[:, 42:].sum(axis=0)
    np.testing.assert_allclose(found[0][42:], bias, rtol=0, atol=1e-14)
    wanted = sums[:, 7:14].sum(axis=0) + bias[1] * slopes - means[1] * total
    np.testing.assert_allclose(found[0][7:14], wanted, rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", [float, complex])
@pytest.mark.parametrize("shape", [(6, 9), (1, 4), (0, 4)])
def test_products_between_samples(kind, shape):
    stream = np.random.default_rng(2)
    sides = []
    for n, sign in zip(shape, (1, -1), strict=True):
        terms = stream.standard_normal((6, n))
        if kind is float:
            terms[[3, 5]] = 0
        sides += [stream.standard_normal((n, 5)), planes(numbers(stream, kind, n, 7), sign), terms]
    read_only(*sides)
    n_planes = len(sides[1])
    found = []
    for kernels, _ in BOTH:
        wide = np.full((n_planes, shape[0], shape[1] + 3), 7.0)
        kernels.multiply_samples(*sides, 0.7, 1.3, np.empty((n_planes + 1, *shape)), wide[:, :, 1:-2])
        found.append(wide)
    np.testing.assert_allclose(found[0], found[1], atol=1e-12)


@pytest.mark.parametrize("kind", [float, complex])
@pytest.mark.parametrize("shape", [(6, 9, 4), (1, 4, 1), (5, 5, 0), (0, 4, 3)])
def test_blocks_of_a_factorization(kind, shape):
    m, n, k = shape
    stream = np.random.default_rng(3)
    left, right = numbers(stream, kind, m, k + 2), numbers(stream, kind, n, k + 2)
    out, root = numbers(stream, kind, m, n), numbers(stream, kind, n, n + 3)
    expected = out - left[:, 1:-1] @ right[:, 1:-1].conj().T
    left, right = planes(left, 1)[:, :, 1:-1], planes(right, -1)[:, :, 1:-1]
    strip = np.full((len(left), m, n + 2), 7.0)
    strip[:, :, 1:-1] = planes(out, 1)
    matrix = root @ root.conj().T
    read_only(left, right)
    found = []
    for _, kernels in BOTH:
        block, indefinite = matrix.copy(), matrix - 2 * np.trace(matrix).real * np.eye(n)
        product, work, again = np.full_like(out, np.nan), np.empty((len(left), m, n)), np.empty_like(out)
        kernels.subtract_product(strip[:, :, 1:-1], left, right[:2], right[-1], work, product)
        np.testing.assert_allclose(product, expected, atol=1e-12)
        assert kernels.factor(block) and not kernels.factor(indefinite)
        rows, wide = product.copy(), strip.copy()
        kernels.divide(block, rows)
        kernels.eliminate(wide[:, :, 1:-1], left, right[:2], right[-1], block, work, again)
        finished = planes(rows, 1)
        np.testing.assert_allclose(wide[:, :, 1:-1], finished, atol=1e-12)
        assert np.all(wide[:, :, [0, -1]] == 7)
        found.append((product, np.tril(block), rows))
        np.testing.assert_allclose(np.tril(block) @ np.tril(block).conj().T, matrix, atol=1e-12)
        np.testing.assert_allclose(rows @ np.tril(block).conj().T, product, atol=1e-12)
    for value, expected in zip(*found, strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-12)


@pytest.mark.parametrize("n", [0, 5, 8, 27])
def test_passes_of_conjugate_gradients(n):
    stream = np.random.default_rng(5)
    given, own = stream.standard_normal((3, n)), stream.standard_normal((3, n))
    read_only(given)
    found = []
    for kernels in (conjugate, reference_matrices):
        x, remainder, preconditioned = own.copy()
        sums = kernels.advance(0.3, *given, x, remainder, preconditioned)
        direction = given[0].copy()
        kernels.turn(-1.7, preconditioned, direction)
        found.append((x, remainder, preconditioned, sums, direction))
    for value, expected in zip(*found, strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-13)
    np.testing.assert_allclose(x, own[0] + 0.3 * given[0], atol=1e-15)
    np.testing.assert_allclose(remainder, own[1] - 0.3 * given[1], atol=1e-15)
