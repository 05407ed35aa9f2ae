"""Conjugate gradients for S x = -F, alone or with vectors distributed over the ranks.

Where S is a sum over samples of several ranks, every product with it has to be summed and everybody needs the next
direction. Between the two each rank works on its own part of the vectors only: the sum leaves every rank its part, and
the parts of the direction are joined, which together is as many bytes as a sum that gives everything to everybody.

M. R. Hestenes, E. Stiefel, J. Res. Natl. Bur. Stand. 49, 409 (1952).
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from hpc_nqs.kernels.conjugate import advance, turn
from hpc_nqs.reconfiguration.dense import Solution, checked_vector


def solve_cg(matvec, force, x0=None, diagonal=None, tolerance=1e-6, max_iterations=1000):
    """Solve A x = -F by conjugate gradients, preconditioned by the diagonal of A.

    A singular but consistent system (F = O^H E always is) converges to a solution. On negative curvature, on a number
    that is not finite, or at `max_iterations` the iterate of smallest residual is returned, with a note.

    Parameters
    ----------
    matvec : callable
        v (P,) -> A v (P,), A Hermitian positive semidefinite. ``lambda v: s_matrix @ v``, or `dense.matrix_free`.
    force : (P,) float64 or complex128
    x0 : (P,), optional
        Start, e.g. the velocity of the step before; zero if not given.
    diagonal : (P,) float64, optional
        Diagonal of A. Entries <= 0 (parameters without effect) are replaced by the largest one.
    tolerance : float
        Stop at |A x + F| <= tolerance |F|.
    max_iterations : int

    Returns
    -------
    Solution
        `residual` is recomputed from `x`, not the one of the recurrence.

    Raises
    ------
    ValueError
        Non-finite or mis-shaped input, or a complex product in a real system.
    """
    force, x, inverse_diagonal = _checked(force, x0, diagonal)
    return _iterate(matvec, force, x, inverse_diagonal, tolerance, max_iterations, np.array)


def solve_distributed_cg(
    derivatives, force, shift, x0=None, diagonal=None, tolerance=1e-6, max_iterations=1000, real_params=False
):
    """Solve (S + shift) x = -F of the samples of all ranks as `solve_cg` does.  *Collective*.

    Decisions are taken on the same numbers by every rank, so that all stop at the same iteration on mixed node types
    too.

    Parameters
    ----------
    derivatives : of `log_derivatives`
        Of the samples of this rank.
    force : (P,) float64 or complex128
        The same on every rank, like everything that follows.
    shift : (P,) float64
    x0, diagonal, tolerance, max_iterations : see `solve_cg`
        The diagonal is that of S + shift.
    real_params : bool
        Solve with the real part of S.

    Returns
    -------
    Solution
        The same on every rank.

    Raises
    ------
    ValueError
        Non-finite or mis-shaped input.
    """
    team = derivatives.team
    whole = [derivatives.laid_out(vector) for vector in (*_checked(force, x0, diagonal), shift)]
    n_items = len(whole[0])
    own_force, own_x, own_inverse, own_shift = (vector[slice(*team.share(n_items))] for vector in whole)
    own_shift = np.repeat(own_shift, own_x.itemsize // 8)

    def matvec(vector):
        product = derivatives.covariance_laid_out(team.join_shares(vector, n_items))
        own = team.sum_shares(np.ascontiguousarray(product.real if real_params else product))
        own.view(np.float64)[:] += own_shift * vector.view(np.float64)
        return own

    solution = _iterate(matvec, own_force, own_x, own_inverse, tolerance, max_iterations, team.summed)
    x = derivatives.collected(team.join_shares(solution.x, n_items))
    return replace(solution, x=x, n_kept=float(len(force)))


def _checked(force, x0, diagonal):
    """Return force, start and reciprocal preconditioner (P,); raise ValueError if they do not fit together."""
    force = checked_vector("force", force)
    x = np.zeros_like(force) if x0 is None else checked_vector("x0", x0, force.size)
    return force, x.astype(np.result_type(x, force)), _inverse_diagonal(diagonal, force.size)


def _iterate(matvec, force, x, inverse_diagonal, tolerance, max_iterations, total):
    """Return the `Solution`; vectors may be the parts of one rank, `total` sums a list of numbers over the ranks."""
    remainder = -force.astype(x.dtype)
    squares = total([_square(force), _square(x)])
    force_norm, target = np.sqrt(squares[0]), tolerance * np.sqrt(squares[0])
    iterations = 0
    if squares[1] > 0.0:
        remainder -= _product(matvec, x)
        iterations = 1
    product, direction, preconditioned = np.zeros_like(x), np.zeros_like(x), np.empty_like(x)
    inverse_diagonal = np.repeat(inverse_diagonal, x.itemsize // 8)
    best, best_norm = x.copy(), np.inf
    slope, step = 1.0, 0.0
    with np.errstate(over="ignore", invalid="ignore"):  # diagnosed by the numbers that come out
        while True:
            vectors = map(_doubles, (direction, product, inverse_diagonal, x, remainder, preconditioned))
            square, new_slope = total(advance(step, *vectors))
            norm = np.sqrt(square)
            if norm < best_norm:
                best[:], best_norm = x, norm
            problem = "" if np.isfinite(norm) else "met a number that is not finite"
            if norm <= target or problem:
                break
            if iterations >= max_iterations:
                problem = f"stopped after max_iterations = {max_iterations}"
                break
            turn(new_slope / slope, _doubles(preconditioned), _doubles(direction))
            slope = new_slope
            product = _product(matvec, direction)
            iterations += 1
            (curvature,) = total([np.vdot(direction, product).real])
            if not curvature > 0.0:
                problem = (
                    "met negative or zero curvature" if np.isfinite(curvature) else "met a number that is not finite"
                )
                break
            step = slope / curvature
    left = np.sqrt(total([_square(_product(matvec, best) + force)])[0])
    residual = float(left / force_norm if force_norm > 0.0 else left)
    note = f"CG {problem}; best iterate returned" if problem else ""
    return Solution(best, "cg", iterations, residual, float(force.size), note)


def _doubles(vector):
    """Return a vector as the doubles that it is made of."""
    return vector.view(np.float64)


def _square(vector):
    """Return the sum of |v|^2."""
    return np.vdot(vector, vector).real


def _product(matvec: Callable, vector):
    """Apply `matvec`; refuse a complex answer to a real question."""
    product = np.asarray(matvec(vector))
    if np.iscomplexobj(product) and not np.iscomplexobj(vector):
        raise ValueError(
            "matvec returned complex numbers for a real vector; for real parameters pass the real part of S"
        )
    return np.ascontiguousarray(product, vector.dtype)


def _inverse_diagonal(diagonal, n_params):
    """Return the reciprocal preconditioner (P,), one if there is no diagonal to take it from."""
    if diagonal is None:
        return np.ones(n_params)
    diagonal = checked_vector("diagonal", diagonal, n_params).real
    largest = diagonal.max(initial=0.0)
    if largest <= 0.0:
        return np.ones(n_params)
    return 1.0 / np.where(diagonal > largest * 1e-30, diagonal, largest)
