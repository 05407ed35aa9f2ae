"""Reduction to tridiagonal form and the soft cut by its poles, against eigenvectors."""

import numpy as np
import pytest

from hpc_nqs.reconfiguration import dense as linear
from hpc_nqs.reconfiguration.tridiagonal import Tridiagonal


def matrix_of(eigenvalues, kind, seed=0):
    """Return (a Hermitian matrix of these eigenvalues, its eigenvectors, a vector)."""
    stream, n = np.random.default_rng(seed), len(eigenvalues)

    def numbers(*shape):
        return stream.normal(size=shape) + (1j * stream.normal(size=shape) if kind is complex else 0)

    vectors = np.linalg.qr(numbers(n, n))[0]
    matrix = (vectors * eigenvalues) @ vectors.conj().T
    return 0.5 * (matrix + matrix.conj().T), vectors, numbers(n)


@pytest.mark.parametrize("kind", [float, complex])
@pytest.mark.parametrize("n", [1, 2, 3, 40, 150])
def test_eigenvalues_and_filter(kind, n):
    """150: more than one block of LAPACK."""
    eigenvalues = 3.0 * 10.0 ** np.linspace(-5, 0, n)
    matrix, vectors, vector = matrix_of(eigenvalues, kind, seed=n)
    reduced = Tridiagonal(np.tril(matrix))
    np.testing.assert_allclose(reduced.eigenvalues(), eigenvalues, rtol=0, atol=1e-14)
    for cut in (1e-3, 0.5, 100.0):
        weights = eigenvalues**5 / (eigenvalues**6 + cut**6)
        wanted = vectors @ (weights * (vectors.conj().T @ vector))
        found = reduced.cut_solution(vector, cut)
        assert found.dtype == matrix.dtype
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-13 / cut * np.abs(vector).max())


@pytest.mark.parametrize("kind", [float, complex])
@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-8])
def test_soft_cut_by_poles_is_that_by_eigenvectors(kind, rtol):
    """Rounding of a matrix moves the solution by about 1e-16 / rtol of its length, whichever way it is found."""
    matrix, _, force = matrix_of(10.0 ** np.linspace(-14, 0, 80), kind)
    force = matrix @ force
    values, vectors = np.linalg.eigh(matrix)
    kept, inverse = linear.soft_cut(values, rtol)
    wanted = -vectors @ (inverse * (vectors.conj().T @ force))
    solution = linear.solve_soft_cut(matrix, force, rtol)
    np.testing.assert_allclose(solution.x, wanted, rtol=0, atol=1e-14 / rtol * np.linalg.norm(wanted))
    assert solution.n_kept == pytest.approx(kept.sum(), abs=1e-6)


@pytest.mark.parametrize("rtol", [1e-3, 0.0, 1e-15])
def test_negative_eigenvalues_are_cut_entirely(rtol):
    """They are large here, so that g / lambda of the formula would not vanish."""
    eigenvalues = np.array([-0.5, -1e-3, 1e-4, 0.1, 1.0, 2.0])
    matrix, vectors, force = matrix_of(eigenvalues, float)
    kept = np.where(eigenvalues > 0, 1 / (1 + (rtol * 2 / np.abs(eigenvalues)) ** 6), 0)
    wanted = -vectors @ (kept / eigenvalues * (vectors.T @ force))
    solution = linear.solve_soft_cut(matrix, force, rtol)
    np.testing.assert_allclose(solution.x, wanted, rtol=0, atol=1e-10 * np.abs(wanted).max())
    assert solution.n_kept == pytest.approx(kept.sum())


@pytest.mark.parametrize("kinds", [(float, complex), (complex, float)])
def test_a_complex_force_of_a_real_matrix_and_the_reverse(kinds):
    eigenvalues = np.array([1e-4, 0.1, 1.0, 2.0])
    matrix, vectors, _ = matrix_of(eigenvalues, kinds[0])
    force = matrix_of(eigenvalues, kinds[1], seed=1)[2]
    kept = 1 / (1 + (2e-3 / eigenvalues) ** 6)
    wanted = -vectors @ (kept / eigenvalues * (vectors.conj().T @ force))
    np.testing.assert_allclose(linear.solve_soft_cut(matrix, force, 1e-3).x, wanted, rtol=0, atol=1e-10)
