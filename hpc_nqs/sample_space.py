"""Stochastic reconfiguration solved between samples instead of between parameters.

With the rows X_s = sqrt(w_s) O_s and e_s = sqrt(w_s) E_s (centred), S = X^H X and F = X^H e, and the push-through
identity gives (X^H X + D)^-1 X^H = D^-1 X^H (X D^-1 X^H + 1)^-1. The matrix to factorize is n_rows x n_rows instead of
P x P: cheaper whenever there are more parameters than samples (A. Chen, M. Heyl, Nat. Phys. 20, 1476 (2024);
R. Rende et al., Commun. Phys. 7, 260 (2024)).

The matrix is computed in strips, one per rank, from columns of X passed round in blocks. Rank 0 alone collects and
factorizes it; every other array stays distributed. That limits this form to `MAX_ROWS` rows; beyond, use
`linear.solve_cg` with `linear.matrix_free`.
"""

import numpy as np
import scipy.linalg

from hpc_nqs.linear import (
    FALLBACK_RTOL,
    Solution,
    adjoint_product,
    checked_samples,
    checked_vector,
    matrix_free,
    relative_residual,
    s_diagonal,
    shifts,
    soft_cut,
)

MAX_ROWS = 16384  # 2 GiB (real) or 4 GiB (complex) for the matrix on rank 0, and about as much again to factorize it
_BLOCK_ITEMS = 2**22  # matrix elements passed round at a time


def solve_sample_space(
    log_derivs_centred,
    weights,
    local_energy_centred,
    team,
    diag_scale=0.0,
    diag_shift=0.0,
    rtol=None,
    previous=None,
    real_params=False,
):
    """Solve (S + D) x = -F, or S x = -F with a soft cut, from the samples of all ranks. *Collective.*

    With `rtol` the same cut as `linear.solve_soft_cut` (the non-zero eigenvalues of X X^H are those of S):
    x = previous - X^H U (g / lambda) U^H (e + X previous), U and lambda eigenvectors and eigenvalues of X X^H.
    Without it D = diag_scale diag(S) + diag_shift as in `linear.solve_cholesky`:
    x = -D^-1 X^H (X D^-1 X^H + 1)^-1 e.

    Parameters
    ----------
    log_derivs_centred : (n_local, P) float64 or complex128
        O_k minus its weighted mean over all ranks; the same type on every rank. May have no rows.
    weights : (n_local,) float64
        Normalised to one over all ranks.
    local_energy_centred : (n_local,) float64 or complex128
        E_loc minus its weighted mean; total energy, not per site. The same type on every rank.
    team : see `linear`
    diag_scale, diag_shift : float, >= 0
        Relative and absolute diagonal shift; not both zero unless `rtol` is given, and both zero if it is.
    rtol : float, optional
        Position of the soft cut relative to the largest eigenvalue.
    previous : (P,), optional
        With `rtol`: velocity of the step before, fills the directions that are cut.
    real_params : bool
        Solve with the real parts of S and F. Complex O then counts as two real rows per sample.

    Returns
    -------
    Solution
        The same on every rank.

    Raises
    ------
    ValueError
        Wrong shapes, non-finite numbers, no or contradictory regularization, or more than `MAX_ROWS` rows.
    """
    if (rtol is None) == (diag_scale == 0.0 and diag_shift == 0.0):
        given = f"rtol = {rtol}, diag_scale = {diag_scale}, diag_shift = {diag_shift}"
        raise ValueError(f"{given}; wanted: either rtol or a shift")
    if previous is not None and rtol is None:
        raise ValueError("previous fills what a soft cut leaves out: it needs rtol")
    log_derivs, weights = checked_samples(log_derivs_centred, weights)
    energy = checked_vector("local_energy_centred", local_energy_centred, weights.size)
    rows = _Rows(log_derivs, np.sqrt(weights), real_params, team)
    kind = np.float64 if real_params else np.result_type(log_derivs, energy, np.float64)
    shift = shifts(s_diagonal(log_derivs, weights, team), diag_scale, diag_shift)
    # A parameter without effect and without shift has no place in the sum over parameters.
    scale = shift if rtol is None else np.ones_like(shift)
    inverse_shift = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0.0)
    target = energy
    if previous is not None:
        previous = checked_vector("previous", previous, log_derivs.shape[1])
        kind = np.result_type(kind, previous)
        target = energy + log_derivs @ previous
    gram = rows.gram(np.sqrt(inverse_shift))
    target = rows.whole(rows.stacked(rows.root * target), 0, rows.n_rows)
    solved, facts = np.zeros(rows.n_rows, kind), np.zeros(2)
    if team.rank == 0:
        solved[:], facts[0], facts[1] = _solve_gram(gram, target, rtol)
    n_kept, fell_back = rows.from_rank_zero(facts)
    x = -inverse_shift * rows.adjoint(rows.from_rank_zero(solved))
    if previous is not None:
        x = x + previous
    note = f"matrix not positive definite: soft cut at rtol = {FALLBACK_RTOL:g} used instead" if fell_back else ""
    product = matrix_free(log_derivs, weights, team, shift, real_params)(x)
    force = np.ascontiguousarray(rows.adjoint_local(rows.root * energy))
    team.sum_in_place(force)
    return Solution(x, "sample_space", residual=relative_residual(product, force), n_kept=float(n_kept), note=note)


class _Rows:
    """The rows X_s = sqrt(w_s) O_s of all ranks, in rank order; two real rows per sample if `split`.

    Attributes
    ----------
    log_derivs : (n_local, P); root : (n_local,)
        O and sqrt(w) of this rank.
    split : bool
        Real parameters, complex O: real parts of all local rows, then imaginary parts.
    n_rows, first : int
        Rows of all ranks, and where those of this rank begin.
    """

    def __init__(self, log_derivs, root, real_params, team):
        self.log_derivs, self.root, self.team = log_derivs, root, team
        self.real_params = real_params
        self.split = real_params and np.iscomplexobj(log_derivs)
        counts = np.zeros(team.size)
        counts[team.rank] = root.size * (2 if self.split else 1)
        team.sum_in_place(counts)
        self.n_rows = int(counts.sum())
        self.first = int(counts[: team.rank].sum())
        self.n_here = int(counts[team.rank])
        if not 0 < self.n_rows <= MAX_ROWS:
            advice = "use conjugate gradients for more samples" if self.n_rows else "there are no samples"
            raise ValueError(f"{self.n_rows} rows in the sample-space solver; allowed: 1 to {MAX_ROWS}; {advice}")

    def stacked(self, values):
        """Return local values (n_local, ...) as local rows (n_here, ...)."""
        if self.split:
            return np.concatenate([values.real, values.imag])
        return np.ascontiguousarray(values.real) if self.real_params else values

    def whole(self, values, start, stop):
        """Return rows start to stop of all ranks (stop - start, ...) from those here (n_here, ...). *Collective.*"""
        rows = np.zeros((stop - start, *values.shape[1:]), values.dtype)
        first, last = (np.clip(end, start, stop) for end in (self.first, self.first + self.n_here))
        rows[first - start : last - start] = values[first - self.first : last - self.first]
        self.team.sum_in_place(rows)
        return rows

    def gram(self, column_scale):
        """Compute X diag(column_scale^2) X^H (n_rows, n_rows) on rank 0, None elsewhere. *Collective.*"""
        size = max(1, _BLOCK_ITEMS // self.n_rows)
        strip = np.zeros((self.n_here, self.n_rows), np.float64 if self.real_params else self.log_derivs.dtype)
        for start in range(0, column_scale.size, size):
            columns = slice(start, start + size)
            here = self.stacked(self.log_derivs[:, columns] * self.root[:, None] * column_scale[columns])
            strip += here @ self.whole(here, 0, self.n_rows).conj().T
        gram = np.empty((self.n_rows, self.n_rows), strip.dtype) if self.team.rank == 0 else None
        for start in range(0, self.n_rows, size):
            stop = min(start + size, self.n_rows)
            block = self.whole(strip, start, stop)
            if gram is not None:
                gram[start:stop] = block
        return gram

    def adjoint_local(self, vector):
        """Compute X^H vector from the local samples' (n_local,) entries."""
        product = adjoint_product(self.log_derivs, self.root * vector)
        return product.real if self.real_params else product

    def adjoint(self, solved):
        """Compute X^H solved (P,) from (n_rows,) numbers that every rank has. *Collective.*"""
        here = solved[self.first : self.first + self.n_here]
        if self.split:
            here = here[: self.root.size] + 1j * here[self.root.size :]
        product = np.ascontiguousarray(self.adjoint_local(here))
        self.team.sum_in_place(product)
        return product

    def from_rank_zero(self, values):
        """Return rank 0's values on every rank. *Collective*; shape and type have to agree."""
        values = np.array(values)
        if self.team.rank != 0:
            values[...] = 0.0
        self.team.sum_in_place(values)
        return values


def _solve_gram(gram, target, rtol):
    """Solve between samples on rank 0.

    Parameters
    ----------
    gram : (n_rows, n_rows)
        X X^H for the cut (`rtol` given), else X D^-1 X^H.
    target : (n_rows,)

    Returns
    -------
    solved : (n_rows,)
        U (g / lambda) U^H target, or (gram + 1)^-1 target.
    n_kept : float
        Sum of g, or the largest possible rank.
    fell_back : bool
        The factorization failed and was replaced by a cut.
    """
    n_rows = target.size
    fell_back = False
    if rtol is None:
        gram[np.diag_indices(n_rows)] += 1.0
        try:
            factor = scipy.linalg.cholesky(gram, lower=True, check_finite=False)
            return scipy.linalg.cho_solve((factor, True), target, check_finite=False), n_rows, fell_back
        except np.linalg.LinAlgError:
            fell_back, rtol = True, FALLBACK_RTOL
    eigenvalues, vectors = scipy.linalg.eigh(gram, driver="evd", check_finite=False)
    kept, inverse = soft_cut(eigenvalues, rtol)
    return vectors @ (inverse * adjoint_product(vectors, target)), kept.sum(), fell_back
