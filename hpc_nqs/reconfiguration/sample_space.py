"""Stochastic reconfiguration solved between samples instead of between parameters.

With the rows X_s = sqrt(w_s) O_s and e_s = sqrt(w_s) E_s (centred), S = X^H X and F = X^H e, and the push-through
identity gives (X^H X + D)^-1 X^H = D^-1 X^H (X D^-1 X^H + 1)^-1. The matrix to factorize is n_rows x n_rows instead of
P x P: cheaper whenever there are more parameters than samples (A. Chen, M. Heyl, Nat. Phys. 20, 1476 (2024);
R. Rende et al., Commun. Phys. 7, 260 (2024)).

The matrix is computed in strips of rows, one per rank, and factorized where it lies (`distributed_cholesky`). Of
factored log-derivatives and a shift that is the same for all parameters it is an elementwise product of two small
products, at cost n_rows^2 (n_hidden + n_inputs). A soft cut needs eigenvalues: rank 0 alone then collects the matrix,
which limits that form to `MAX_ROWS` rows.
"""

import numpy as np

from hpc_nqs.kernels.factored import multiply_samples
from hpc_nqs.reconfiguration.dense import (
    FALLBACK_RTOL,
    Solution,
    as_derivatives,
    checked_vector,
    cut_solution,
    matrix_free,
    relative_residual,
    s_diagonal,
    shifts,
)
from hpc_nqs.reconfiguration.distributed_cholesky import RowBlocks, right_planes, store

MAX_ROWS = 16384  # of a cut: 2 GiB (real) or 4 GiB (complex) on rank 0, and about twice as much again for its reduction
_BLOCK_ITEMS = 2**22  # matrix elements passed round at a time
_DIAGONAL_ROWS = 128  # of a task that the diagonal passes through
_COLUMNS = 512  # of the elementwise product, computed at a time


def solve_sample_space(
    log_derivs_centred, weights, local_energy_centred, team,
    diag_scale=0.0, diag_shift=0.0, rtol=None, previous=None, real_params=False,
):
    """Solve (S + D) x = -F, or S x = -F with a soft cut, from the samples of all ranks. *Collective*.

    With `rtol` the same cut as `dense.solve_soft_cut` (the non-zero eigenvalues of X X^H are those of S):
    x = previous - X^H U (g / lambda) U^H (e + X previous), U and lambda eigenvectors and eigenvalues of X X^H.
    Without it D = diag_scale diag(S) + diag_shift as in `dense.solve_cholesky`:
    x = -D^-1 X^H (X D^-1 X^H + 1)^-1 e.

    Parameters
    ----------
    log_derivs_centred : (n_local, P) float64 or complex128, or an object of `log_derivatives`
        O_k minus its weighted mean over all ranks; the same type on every rank. May have no rows.
    weights : (n_local,) float64
        Normalised to one over all ranks.
    local_energy_centred : (n_local,) float64 or complex128
        E_loc minus its weighted mean; total energy, not per site. The same type on every rank.
    team : see `dense`
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
        Wrong shapes, non-finite numbers, no or contradictory regularization, no samples, or a cut of more than
        `MAX_ROWS` rows.
    """
    _check_regularization(diag_scale, diag_shift, rtol, previous)
    derivatives = as_derivatives(log_derivs_centred, weights, team)
    energy = checked_vector("local_energy_centred", local_energy_centred, len(derivatives.weights))
    rows = _Rows(derivatives, real_params)
    kind = np.float64 if real_params else np.result_type(derivatives.dtype, energy, np.float64)
    shift = shifts(s_diagonal(derivatives, None, team), diag_scale, diag_shift)
    # A parameter without effect and without shift has no place in the sum over parameters.
    scale = shift if rtol is None else np.ones_like(shift)
    inverse_shift = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0.0)
    target = energy
    if previous is not None:
        previous = checked_vector("previous", previous, derivatives.shape[1])
        kind = np.result_type(kind, previous)
        target = energy + derivatives.product(previous)
    rows.kind = kind
    target = rows.whole(rows.stacked(rows.root * target).astype(kind))
    solved, n_kept, fell_back = rows.solve(np.sqrt(inverse_shift), target, rtol)
    x = -inverse_shift * rows.adjoint(solved)
    x = x if previous is None else x + previous
    return _checked_solution(rows, x, shift, energy, n_kept, fell_back)


def _check_regularization(diag_scale, diag_shift, rtol, previous):
    """Raise ValueError unless there is either a cut or a shift, and `previous` only with a cut."""
    if (rtol is None) == (diag_scale == 0.0 and diag_shift == 0.0):
        given = f"rtol = {rtol}, diag_scale = {diag_scale}, diag_shift = {diag_shift}"
        raise ValueError(f"{given}; wanted: either rtol or a shift")
    if previous is not None and rtol is None:
        raise ValueError("previous fills what a soft cut leaves out: it needs rtol")


def _checked_solution(rows, x, shift, energy, n_kept, fell_back):
    """Return the `Solution` x with its residual |(S + D) x + F| / |F|.  *Collective*."""
    derivatives, team = rows.derivatives, rows.team
    note = f"matrix not positive definite: soft cut at rtol = {FALLBACK_RTOL:g} used instead" if fell_back else ""
    product = matrix_free(derivatives, None, team, shift, rows.real_params)(x)
    force = np.ascontiguousarray(rows.adjoint_local(rows.root * energy))
    team.sum_in_place(force)
    return Solution(x, "sample_space", residual=relative_residual(product, force), n_kept=float(n_kept), note=note)


class _Rows:
    """The rows X_s = sqrt(w_s) O_s of all ranks; two real rows per sample if `split`.

    Attributes
    ----------
    derivatives : of `log_derivatives`
    root : (n_local,)
        sqrt(w) of this rank.
    split : bool
        Real parameters, complex O: real parts of all local rows, then imaginary parts.
    blocks : RowBlocks
    kind : dtype
        Of X X^H and what it is solved with.
    """

    def __init__(self, derivatives, real_params):
        self.derivatives, self.team = derivatives, derivatives.team
        self.root = np.sqrt(derivatives.weights)
        self.real_params = real_params
        self.split = real_params and np.issubdtype(derivatives.dtype, np.complexfloating)
        self.kind = np.float64 if real_params else derivatives.dtype
        self.blocks = RowBlocks(self.root.size * (2 if self.split else 1), self.team)
        if not self.blocks.n_rows:
            raise ValueError("the sample-space solver has no rows: there are no samples")

    def stacked(self, values):
        """Return local values (n_local, ...) as local rows (n_here, ...)."""
        if self.split:
            return np.concatenate([values.real, values.imag])
        return np.ascontiguousarray(values.real) if self.real_params else values

    def whole(self, values):
        """Return the rows of all ranks (n_rows, ...) from those here (n_here, ...).  *Collective*."""
        return self.blocks.whole(values, 0, self.blocks.n_rows)

    def solve(self, column_scale, target, rtol):
        """Solve between samples.  *Collective*.

        Parameters
        ----------
        column_scale : (P,) float64
            D^-1/2 of the shift, or ones for a cut.
        target : (n_rows,)
        rtol : float or None
            U (g / lambda) U^H target of X X^H with a cut, (X D^-1 X^H + 1)^-1 target without.

        Returns
        -------
        solved : (n_rows,)
        n_kept : float
            Sum of g, or the largest possible rank.
        fell_back : bool
            The factorization failed and was replaced by a cut.
        """
        blocks = self.blocks
        if rtol is None:
            gram = self._shifted_gram(column_scale)
            factors, y = blocks.factorize(gram, target)
            if factors is not None:
                return blocks.solve(gram, factors, y), blocks.n_rows, False
        if blocks.n_rows > MAX_ROWS:
            raise ValueError(f"{blocks.n_rows} rows in a soft cut of the sample-space solver; allowed: 1 to {MAX_ROWS}")
        gram = blocks.gather(self.gram(column_scale) if rtol is not None else self._shifted_gram(column_scale))
        solved, facts = np.zeros(blocks.n_rows, target.dtype), np.zeros(1)
        if gram is not None:
            solved[:], facts[0], _ = cut_solution(gram, target, FALLBACK_RTOL if rtol is None else rtol)
        return self.from_rank_zero(solved), self.from_rank_zero(facts)[0], rtol is None

    def _shifted_gram(self, column_scale):
        gram = self.gram(column_scale)
        gram[0, np.arange(gram.shape[1]), self.blocks.positions] += 1.0
        return gram

    def gram(self, column_scale):
        """Compute the rows of X diag(column_scale^2) X^H of this rank.  *Collective*.

        They come as planes (n_planes, n_here, n_rows); what stands above the diagonal may be left out.
        """
        derivatives, blocks = self.derivatives, self.blocks
        strip = blocks.strip(self.kind)
        if derivatives.is_factored and derivatives.has_gram and not np.ptp(column_scale):
            self._multiply_factors(column_scale[0], strip)
            return strip
        size = max(1, _BLOCK_ITEMS // blocks.n_rows)
        for start in range(0, column_scale.size, size):
            columns = slice(start, start + size)
            here = self.stacked(derivatives.columns(columns) * self.root[:, None] * column_scale[columns])
            whole = self.whole(here).conj().T

            def add(rows, here=here, whole=whole):
                block = here[rows] @ whole
                strip[0, rows] += block.real
                if len(strip) > 1:
                    strip[1, rows] += block.imag

            self.team.threads.each(add, blocks.row_blocks(0))
        return strip

    def _multiply_factors(self, scale, strip):
        """Write the lower triangle of X X^H scale^2 to `strip`, *in place*."""
        derivatives, blocks = self.derivatives, self.blocks
        inputs, slopes = derivatives.centred_inputs, np.empty((len(strip), *derivatives.slopes.shape))
        store(derivatives.slopes, slopes)
        terms, constant, square = derivatives.gram_terms(self.root * scale)
        for start in range(0, blocks.n_rows, _COLUMNS):
            stop = min(start + _COLUMNS, blocks.n_rows)
            passed = inputs, slopes[:2].transpose(1, 0, 2), terms.T
            others, d, more = (blocks.whole(rows, start, stop) for rows in passed)
            d, more = right_planes(d.transpose(1, 0, 2)), more.T

            def fill(rows, start=start, stop=stop, others=others, d=d, more=more):
                n = min(stop, int(blocks.positions[rows.stop - 1]) + 1) - start
                own = inputs[rows], np.ascontiguousarray(slopes[:, rows]), np.ascontiguousarray(terms[:, rows])
                other = others[:n], np.ascontiguousarray(d[:, :n]), np.ascontiguousarray(more[:, :n])
                work = np.empty((len(strip) + 1, rows.stop - rows.start, n))
                multiply_samples(*own, *other, constant, square, work, strip[:, rows, start : start + n])

            # small blocks where the diagonal passes: less is computed above it
            first, below = blocks.first_from(start), blocks.first_from(stop)
            self.team.threads.each(fill, blocks.row_blocks(first, below, _DIAGONAL_ROWS) + blocks.row_blocks(below))

    def adjoint_local(self, vector):
        """Compute X^H vector from the local samples' (n_local,) entries."""
        product = self.derivatives.adjoint(self.root * vector)
        return product.real if self.real_params else product

    def adjoint(self, solved):
        """Compute X^H solved (P,) from (n_rows,) numbers that every rank has. *Collective*."""
        here = solved[self.blocks.positions]
        if self.split:
            here = here[: self.root.size] + 1j * here[self.root.size :]
        product = np.ascontiguousarray(self.adjoint_local(here))
        self.team.sum_in_place(product)
        return product

    def from_rank_zero(self, values):
        """Return rank 0's values on every rank. *Collective*; shape and type have to agree."""
        values = np.array(values)
        self.team.broadcast(values)
        return values

