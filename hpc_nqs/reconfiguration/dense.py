"""Solvers of the stochastic-reconfiguration system S x = -F.

The dense ones (`solve_soft_cut`, `solve_cholesky`) and the product with S that needs no matrix (`matrix_free`). Two
more solvers live in `conjugate_gradients` and `sample_space`. At equal shift, or equal cut, all agree to rounding.

The centred log-derivatives O (n_local, P) of one rank and the importance weights w (n_local,), normalised to one over
*all* ranks, define S = sum_s w_s O_s^H O_s and F = sum_s w_s O_s^* E_s with the centred local energy E. For real
parameters the system is the real part of S and F: pass real parts to the dense forms and ``real_params=True`` to the
others.

This module moves no messages itself. Functions that must add up numbers of several ranks take a ``team`` with

- ``rank``, ``size``: index of this process and number of processes,
- ``sum_in_place(array)``: sum over ranks into the same contiguous float64 or complex128 array on every rank,
- ``broadcast(array, root)``: the array of one rank into those of the others,
- ``share(n)``, ``sum_shares(array)``, ``join_shares(array, n)``, ``summed(numbers)``: vectors distributed over the
ranks
  (conjugate gradients only),
- ``start_broadcasts(pieces)``: the same for a list of (array, root), under way until they are finished (distributed
  matrices only),
- ``threads.each(work, items)``: work(item) of every item, on the threads of this rank.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from hpc_nqs.reconfiguration.log_derivatives import StoredDerivatives
from hpc_nqs.reconfiguration.tridiagonal import Tridiagonal

FALLBACK_RTOL = 1e-8  # soft cut used when a factorization fails
SMALLEST_CUT = 1e-12  # from which the soft cut needs no eigenvectors
NEGATIVE = 0.01  # of the cut: eigenvalues below minus this are not rounding, only eigenvectors tell them apart


@dataclass(frozen=True)
class Solution:
    """Solution of S x = -F and how it came about.

    Attributes
    ----------
    x : (P,) float64 or complex128
        Velocity of the parameters, d params / d tau.
    solver : str
        "soft_cut", "cholesky", "cg" or "sample_space": the one that produced `x`.
    iterations : int
        Products with S used by CG; 0 for direct solvers.
    residual : float
        |A x + F| / |F| in the 2-norm, A the (shifted) matrix that was solved with; 0 if F = 0.
        Of a cut system it contains what the cut left out.
    n_kept : float
        Effective number of directions, sum of the filter g; the rank allowed by the shapes where nothing is filtered.
    note : str
        Empty, or what went wrong and what was done about it.
    """

    x: np.ndarray
    solver: str
    iterations: int = 0
    residual: float = 0.0
    n_kept: float = 0.0
    note: str = ""


def soft_cut(eigenvalues, rtol):
    """Compute the filter g = 1 / (1 + (rtol lambda_max / lambda)^6) and g / lambda.

    Parameters
    ----------
    eigenvalues : (n,) float64
        Eigenvalues of a positive semidefinite matrix; those <= 0 (rounding) are cut entirely.
    rtol : float
        Position of the cut relative to the largest eigenvalue.

    Returns
    -------
    kept, inverse : (n,) float64
        g between 0 and 1, and g / lambda.
    """
    kept = np.zeros(eigenvalues.shape)
    inverse = np.zeros(eigenvalues.shape)
    largest = eigenvalues.max(initial=0.0)
    # Below this the reciprocal would overflow; no cut can make such a direction meaningful.
    positive = eigenvalues > largest * 1e-40
    ratio = rtol * largest / eigenvalues[positive]
    kept[positive] = 1.0 / (1.0 + ratio**6)
    inverse[positive] = kept[positive] / eigenvalues[positive]
    return kept, inverse


def solve_soft_cut(s_matrix, force, rtol, previous=None):
    """Solve S x = -F with a smooth cut of the small eigenvalues.

    In the eigenbasis x = g (-F / lambda) + (1 - g) previous, g = 1 / (1 + (rtol lambda_max / lambda)^6).

    Parameters
    ----------
    s_matrix : (P, P) float64 or complex128
        Hermitian, positive semidefinite up to rounding and noise. Not modified.
    force : (P,) float64 or complex128
    rtol : float, >= 0
    previous : (P,), optional
        Velocity of the step before: fills the directions that are cut. Zero if not given.

    Returns
    -------
    Solution

    Raises
    ------
    ValueError
        Wrong shapes, non-finite numbers, or a matrix that is not Hermitian.
    """
    s_matrix, force = _checked_system(s_matrix, force)
    if not rtol >= 0.0:
        raise ValueError(f"rtol = {rtol}; allowed: 0 or more")
    if previous is not None:
        previous = checked_vector("previous", previous, force.size)
    # x = previous - (g / lambda) (F + S previous)
    solved, kept, largest = cut_solution(s_matrix, force if previous is None else force + s_matrix @ previous, rtol)
    x = -solved if previous is None else previous - solved
    note = "" if largest > 0.0 else "S has no positive eigenvalue: nothing was solved"
    return Solution(x, "soft_cut", residual=relative_residual(s_matrix @ x, force), n_kept=kept, note=note)


def cut_solution(matrix, vector, rtol):
    """Return U (g / lambda) U^H vector, the sum of g and the largest lambda; lambda and U of a matrix, g of `soft_cut`.

    Eigenvectors are computed only where the cut is so small, or the matrix so far from positive, that `Tridiagonal`
    cannot do without.

    Parameters
    ----------
    matrix : (n, n) float64 or complex128
        Hermitian; only its lower triangle is read.
    vector : (n,)
    rtol : float, >= 0
    """
    kind = np.result_type(matrix, vector)
    reduced = Tridiagonal(matrix.astype(kind, copy=False))
    eigenvalues = reduced.eigenvalues()
    cut = rtol * eigenvalues[-1]
    if rtol >= SMALLEST_CUT and cut > 0.0 and eigenvalues[0] > -NEGATIVE * cut:
        n_kept = float(soft_cut(eigenvalues, rtol)[0].sum())
        return reduced.cut_solution(vector.astype(kind), cut), n_kept, eigenvalues[-1]
    eigenvalues, vectors = scipy.linalg.eigh(matrix, driver="evd", check_finite=False)
    kept, inverse = soft_cut(eigenvalues, rtol)
    return vectors @ (inverse * adjoint_product(vectors, vector)), float(kept.sum()), eigenvalues[-1]


def solve_cholesky(s_matrix, force, diag_scale=0.0, diag_shift=0.0):
    """Solve (S + diag_scale diag(S) + diag_shift) x = -F by Cholesky factorization.

    Falls back on `solve_soft_cut` of the same shifted matrix at `FALLBACK_RTOL`, and says so in the note, when that
    matrix is not positive definite or so close to singular that the result is not finite.

    Parameters
    ----------
    s_matrix : (P, P) float64 or complex128
        Hermitian. Not modified.
    force : (P,) float64 or complex128
    diag_scale, diag_shift : float, >= 0
        Relative and absolute diagonal shift.

    Returns
    -------
    Solution

    Raises
    ------
    ValueError
        Wrong shapes, non-finite numbers, a matrix that is not Hermitian, or a negative shift.
    """
    s_matrix, force = _checked_system(s_matrix, force)
    shifted = s_matrix.copy()
    shifted[np.diag_indices(force.size)] += shifts(np.diagonal(s_matrix).real, diag_scale, diag_shift)
    try:
        factor = scipy.linalg.cholesky(shifted, lower=True, check_finite=False)
    except np.linalg.LinAlgError:
        return _fallback(shifted, force, "matrix not positive definite")
    x = scipy.linalg.cho_solve((factor, True), -force, check_finite=False)
    if not np.isfinite(x).all():
        return _fallback(shifted, force, "Cholesky solution not finite")
    return Solution(x, "cholesky", residual=relative_residual(shifted @ x, force), n_kept=float(force.size))


def matrix_free(log_derivs_centred, weights, team, shift=0.0, real_params=False):
    """Return the product v -> S v + shift v that never builds S.

    S v = sum over ranks of O^H (w (O v)): two passes over the local samples and one reduction of P numbers.

    Parameters
    ----------
    log_derivs_centred : (n_local, P) float64 or complex128, or an object of `log_derivatives`
        O_k minus its weighted mean over all ranks. May have no rows.
    weights : (n_local,) float64 or None
        Normalised to one over all ranks; None with an object that has them.
    team : see the module
    shift : float or (P,) float64
        Added to the diagonal: diag_shift, or diag_scale * `s_diagonal` + diag_shift.
    real_params : bool
        Return Re(S) v for real v.

    Returns
    -------
    callable
        *Collective*. v (P,) -> (P,).

    Raises
    ------
    ValueError
        Wrong shapes or non-finite numbers.
    """
    derivatives = as_derivatives(log_derivs_centred, weights, team)

    def matvec(vector):
        result = derivatives.covariance(vector)
        result = np.ascontiguousarray(result.real if real_params else result)
        team.sum_in_place(result)
        return result + shift * vector

    return matvec


def s_diagonal(log_derivs_centred, weights, team):
    """Compute diag(S)_k = sum over all ranks of w |O_k|^2, the preconditioner of `solve_cg`. *Collective*.

    Parameters and errors as in `matrix_free`.

    Returns
    -------
    (P,) float64
    """
    return as_derivatives(log_derivs_centred, weights, team).square_sums()


def as_derivatives(log_derivs, weights, team):
    """Return an object of `log_derivatives` as it is, a matrix and its weights as `StoredDerivatives`."""
    if weights is None:
        return log_derivs
    return StoredDerivatives(*checked_samples(log_derivs, weights), team)


def shifts(s_diag, diag_scale, diag_shift):
    """Return diag_scale diag(S) + diag_shift (P,); raise ValueError if either is negative or not finite."""
    for name, value in (("diag_scale", diag_scale), ("diag_shift", diag_shift)):
        if not (np.isfinite(value) and value >= 0.0):
            raise ValueError(f"{name} = {value}; allowed: finite, 0 or more")
    return diag_scale * s_diag + diag_shift


def _fallback(s_matrix, force, reason):
    """Solve by the soft cut at `FALLBACK_RTOL` and name the reason."""
    solution = solve_soft_cut(s_matrix, force, FALLBACK_RTOL)
    note = f"{reason}: soft cut at rtol = {FALLBACK_RTOL:g} used instead"
    if solution.note:
        note = f"{note}; {solution.note}"
    return Solution(solution.x, solution.solver, 0, solution.residual, solution.n_kept, note)


def adjoint_product(matrix, vector):
    """Compute matrix^H vector without a conjugated copy of the matrix."""
    return (vector.conj() @ matrix).conj()


def relative_residual(product, force):
    """Compute |A x + F| / |F|; 0 if both vanish, the absolute value if only F does."""
    norm = float(np.linalg.norm(product + force))
    scale = float(np.linalg.norm(force))
    return norm / scale if scale > 0.0 else norm


def checked_vector(name, vector, n_params=None):
    """Return a float64 or complex128 vector; raise ValueError on a wrong shape or a non-finite entry."""
    vector = np.asarray(vector)
    vector = vector.astype(np.complex128 if np.iscomplexobj(vector) else np.float64, copy=False)
    if vector.ndim != 1 or (n_params is not None and vector.size != n_params):
        wanted = "(P,)" if n_params is None else f"({n_params},)"
        raise ValueError(f"{name} has shape {vector.shape}; wanted {wanted}")
    if not np.isfinite(vector).all():
        bad = int(np.flatnonzero(~np.isfinite(vector))[0])
        raise ValueError(f"{name}[{bad}] = {vector[bad]}; all entries must be finite")
    return vector


def _checked_system(s_matrix, force):
    """Return S and F as float64 or complex128; raise ValueError unless S is finite, Hermitian and of matching shape."""
    force = checked_vector("force", force)
    s_matrix = np.asarray(s_matrix)
    s_matrix = s_matrix.astype(np.complex128 if np.iscomplexobj(s_matrix) else np.float64, copy=False)
    if s_matrix.shape != (force.size, force.size):
        raise ValueError(f"s_matrix has shape {s_matrix.shape}; wanted {(force.size, force.size)}")
    if force.size == 0:
        raise ValueError("the system has no parameters")
    if not np.isfinite(s_matrix).all():
        raise ValueError("s_matrix has entries that are not finite")
    asymmetry = np.abs(s_matrix - s_matrix.conj().T).max()
    if asymmetry > 1e-8 * np.abs(s_matrix).max():
        raise ValueError(f"s_matrix is not Hermitian: largest |S - S^H| = {asymmetry:.3g}")
    return s_matrix, force


def checked_samples(log_derivs, weights):
    """Return O (n_local, P) and w (n_local,) as arrays.

    Raises
    ------
    ValueError
        Wrong shapes, negative weights or numbers that are not finite.
    """
    log_derivs = np.asarray(log_derivs)
    log_derivs = log_derivs.astype(np.complex128 if np.iscomplexobj(log_derivs) else np.float64, copy=False)
    weights = np.asarray(weights, dtype=np.float64)
    if log_derivs.ndim != 2 or weights.shape != log_derivs.shape[:1]:
        raise ValueError(
            f"log_derivs {log_derivs.shape} and weights {weights.shape}; wanted (n_local, P) and (n_local,)"
        )
    if not np.isfinite(log_derivs).all():
        raise ValueError("log_derivs has entries that are not finite")
    if not (np.isfinite(weights).all() and (weights >= 0.0).all()):
        raise ValueError("weights must be finite and not negative")
    return log_derivs, weights
