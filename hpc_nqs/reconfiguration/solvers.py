"""The solvers of S x = -F by name: what "dense", "cg" and "sample_space" stand for on one node and on several."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from hpc_nqs.reconfiguration import dense
from hpc_nqs.reconfiguration.conjugate_gradients import solve_distributed_cg
from hpc_nqs.reconfiguration.distributed_cholesky import solve_distributed
from hpc_nqs.reconfiguration.sample_space import solve_sample_space

# shift relative to the largest diagonal element of S: parameters that move nothing have rounding errors there
FLOOR = 1e-12
MAX_ITERATIONS = 500  # of conjugate gradients


class Solver(Protocol):
    """One way to solve S x = -F.

    Attributes
    ----------
    needs_matrix : bool
        Whether `solve` takes `equations.Assembled`; else `equations.Sampled`.
    """

    needs_matrix: ClassVar[bool]

    def solve(self, equations, team, previous=None):
        """Return the `dense.Solution`, the same on all ranks.  *Collective*.

        Parameters
        ----------
        equations : Assembled or Sampled
        team : Team
        previous : (n_params,), optional
            Velocity of the step before, where an iteration may start from.
        """


@dataclass(frozen=True)
class Regularization:
    """How S x = -F is solved.

    Attributes
    ----------
    solver : str
        "dense", "cg" or "sample_space".
    soft_cut : float or None
        Relative spectral cut of the dense solver; None: diagonal shift instead.
    diag_scale : float
        Diagonal shift relative to diag(S).
    tolerance : float
        Of the conjugate gradients.
    diag_shift : float
        Diagonal shift of all parameters alike.
    """

    solver: str
    soft_cut: float | None
    diag_scale: float
    tolerance: float
    diag_shift: float = 0.0

    def on(self, n_nodes):
        """Return the `Solver`; a matrix without a cut is distributed over the ranks of several nodes."""
        shift = self.diag_scale, self.diag_shift
        if self.solver == "dense" and self.soft_cut is not None:
            return SoftCut(self.soft_cut)
        if self.solver == "dense":
            return Cholesky(*shift) if n_nodes == 1 else DistributedCholesky(*shift)
        if self.solver == "sample_space":
            return SampleSpace(*shift)
        return ConjugateGradients(*shift, self.tolerance)


@dataclass(frozen=True)
class SoftCut(Solver):
    """Directions of small eigenvalues of S are cut softly; on rank 0, so that all ranks hold the same numbers."""

    needs_matrix = True
    rtol: float

    def solve(self, equations, team, previous=None):
        """Return the `dense.Solution`.  *Collective*."""
        return _on_root(equations, team, lambda s_matrix, force: dense.solve_soft_cut(s_matrix, force, self.rtol))


@dataclass(frozen=True)
class ShiftedSolver(Solver):
    """What all solvers of S + diag_scale diag(S) + diag_shift share."""

    diag_scale: float
    diag_shift: float

    def diagonal_and_shift(self, derivatives):
        """Return (diag(S), shift of every parameter), each (n_params,).  *Collective*."""
        diagonal = derivatives.square_sums()
        return diagonal, self.diag_scale * diagonal + (FLOOR * diagonal.max() + self.diag_shift)


@dataclass(frozen=True)
class Cholesky(ShiftedSolver):
    """S with a diagonal shift, factorized on rank 0."""

    needs_matrix = True

    def solve(self, equations, team, previous=None):
        """Return the `dense.Solution`.  *Collective*."""
        floor = FLOOR * np.diagonal(equations.s_matrix).real.max(initial=0.0)
        shift = floor + self.diag_shift
        return _on_root(equations, team, lambda s, force: dense.solve_cholesky(s, force, self.diag_scale, shift))


@dataclass(frozen=True)
class DistributedCholesky(ShiftedSolver):
    """S with a diagonal shift, its rows distributed over the ranks."""

    needs_matrix = False

    def solve(self, equations, team, previous=None):
        """Return the `dense.Solution`.  *Collective*."""
        _, shift = self.diagonal_and_shift(equations.derivatives)
        return solve_distributed(equations.derivatives, equations.force, shift, equations.is_real)


@dataclass(frozen=True)
class ConjugateGradients(ShiftedSolver):
    """S with a diagonal shift as a product with the samples."""

    needs_matrix = False
    tolerance: float

    def solve(self, equations, team, previous=None):
        """Return the `dense.Solution`.  *Collective*."""
        diagonal, shift = self.diagonal_and_shift(equations.derivatives)
        return solve_distributed_cg(
            equations.derivatives, equations.force, shift, x0=previous, diagonal=diagonal + shift,
            tolerance=self.tolerance, max_iterations=MAX_ITERATIONS, real_params=equations.is_real,
        )


@dataclass(frozen=True)
class SampleSpace(ShiftedSolver):
    """S with a diagonal shift, solved between samples instead of between parameters."""

    needs_matrix = False

    def solve(self, equations, team, previous=None):
        """Return the `dense.Solution`.  *Collective*."""
        derivatives = equations.derivatives
        floor = FLOOR * derivatives.square_sums().max() + self.diag_shift
        return solve_sample_space(
            derivatives, None, equations.energies, team,
            diag_scale=self.diag_scale, diag_shift=floor, real_params=equations.is_real,
        )


def _on_root(equations, team, solve):
    """Solve on rank 0 and broadcast, so that all ranks hold the same numbers.  *Collective*."""
    solution, s_matrix, force = None, equations.s_matrix, equations.force
    if team.is_root and np.isfinite(s_matrix).all() and np.isfinite(force).all():
        solution = solve(s_matrix, force)
    elif team.is_root:
        solution = dense.Solution(np.full_like(force, np.nan), "none", note="S or F is not finite")
    return team.broadcast_object(solution)


def resolved_solver(regularization):
    """Return a `Regularization` in the words of the section [reconfiguration]."""
    cut = regularization.soft_cut
    if cut is not None:
        return {"solver": regularization.solver, "regularization": "soft_cut", "soft_cut": float(cut)}
    shift = {"regularization": "diag_shift", "diag_scale": float(regularization.diag_scale)}
    return {"solver": regularization.solver, **shift}
