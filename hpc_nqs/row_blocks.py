"""A Hermitian matrix spread over ranks by rows: its Cholesky factor and the solution of equations with it.

Rows are dealt out in chunks that take turns over the ranks, so that all have work until the end of the
factorization; no rank ever holds more than its rows and one panel.  Positions of rows and columns count in that order.

The `team` is that of `linear`, with ``broadcast(array, root)`` besides.
"""

import numpy as np
from scipy.linalg import LinAlgError, cholesky, get_lapack_funcs, solve_triangular

from hpc_nqs.linear import Solution, matrix_free, relative_residual

CHUNK = 128  # rows of a chunk, columns of a panel


class RowBlocks:
    """Who holds which rows.  Making one is *collective*.

    Parameters
    ----------
    n_here : int
        Rows of this rank.
    team : see the module

    Attributes
    ----------
    n_rows : int
        Rows of all ranks.
    positions : (n_here,) intp
        Positions of the rows of this rank, in increasing order.
    chunks : list of (rank, slice of the rows of that rank, slice of positions)
    """

    def __init__(self, n_here, team):
        self.team = team
        counts = np.zeros(team.size)
        counts[team.rank] = n_here
        team.sum_in_place(counts)
        self.chunks, n_rows = [], 0
        for start in range(0, int(counts.max()), CHUNK):
            for rank, count in enumerate(counts.astype(int)):
                n = min(CHUNK, count - start)
                if n > 0:
                    self.chunks.append((rank, slice(start, start + n), slice(n_rows, n_rows + n)))
                    n_rows += n
        self.n_rows = n_rows
        own = [np.arange(there.start, there.stop) for rank, _, there in self.chunks if rank == team.rank]
        self.positions = np.concatenate([*own, np.zeros(0, dtype=np.intp)]).astype(np.intp)

    def first_from(self, position):
        """Return the first row of this rank at `position` or after it."""
        return int(np.searchsorted(self.positions, position))

    def whole(self, values, start, stop):
        """Return positions start to stop (stop - start, ...) of values (n_here, ...), on every rank.  *Collective.*"""
        rows = np.zeros((stop - start, *values.shape[1:]), values.dtype)
        here = slice(self.first_from(start), self.first_from(stop))
        rows[self.positions[here] - start] = values[here]
        self.team.sum_in_place(rows)
        return rows

    def factorize(self, strip):
        """Replace the lower triangle by its Cholesky factor L, A = L L^H, *in place*.  *Collective.*

        Parameters
        ----------
        strip : (n_here, n_rows) float64 or complex128
            Rows of this rank; what stands above the diagonal is not read.

        Returns
        -------
        bool
            False where the matrix is not positive definite; the strip is then lost.
        """
        if self.team.size == 1:
            (potrf,) = get_lapack_funcs(("potrf",), (strip,))
            # LAPACK sees the rows as columns of the transpose
            return potrf(strip.T, lower=False, clean=False, overwrite_a=True)[1] == 0
        for rank, here, there in self.chunks:
            block = np.empty((there.stop - there.start,) * 2, strip.dtype)
            if rank == self.team.rank:
                block[:] = _factor(strip[here, there])
                strip[here, there] = block
            self.team.broadcast(block, rank)
            if not np.isfinite(block).all():
                return False
            below = slice(self.first_from(there.stop), None)
            strip[below, there] = solve_triangular(block, strip[below, there].conj().T, lower=True).conj().T
            panel = self.whole(strip[:, there], there.stop, self.n_rows)
            for owner, rows, to in self.chunks:
                if owner == self.team.rank and to.start >= there.stop:
                    left = panel[: to.stop - there.stop]
                    strip[rows, there.stop : to.stop] -= strip[rows, there] @ left.conj().T
        return True

    def solve(self, strip, target):
        """Return A^{-1} target (n_rows,) on every rank, from the factor in `strip`.  *Collective.*

        Parameters
        ----------
        strip : (n_here, n_rows)
            As `factorize` left it.
        target : (n_rows,)
            The same on every rank, of the type of `strip`.
        """
        if self.team.size == 1:
            (potrs,) = get_lapack_funcs(("potrs",), (strip,))
            return potrs(strip.T, target.conj(), lower=False)[0].conj()
        x = target.copy()
        for rank, here, there in self.chunks:
            if rank == self.team.rank:
                left = x[there] - strip[here, : there.start] @ x[: there.start]
                x[there] = solve_triangular(strip[here, there], left, lower=True)
            self.team.broadcast(x[there], rank)
        for rank, here, there in reversed(self.chunks):
            below = slice(self.first_from(there.stop), None)
            known = np.ascontiguousarray((x[self.positions[below]].conj() @ strip[below, there]).conj())
            self.team.sum_in_place(known)
            if rank == self.team.rank:
                x[there] = solve_triangular(strip[here, there], x[there] - known, lower=True, trans="C")
            self.team.broadcast(x[there], rank)
        return x

    def gather(self, strip):
        """Return the whole matrix (n_rows, n_rows) on rank 0, None elsewhere.  *Collective.*"""
        matrix = np.empty((self.n_rows, self.n_rows), strip.dtype) if self.team.rank == 0 else None
        for _, _, there in self.chunks:
            block = self.whole(strip, there.start, there.stop)
            if matrix is not None:
                matrix[there] = block
        return matrix


def solve_spread(derivatives, force, shift, real_params=False):
    """Solve (S + shift) x = -F with S spread over the ranks by rows.  *Collective.*

    Parameters
    ----------
    derivatives : of `log_derivatives`
    force : (P,) float64 or complex128
        The same on every rank.
    shift : (P,) float64
    real_params : bool
        Solve with the real part of S.

    Returns
    -------
    Solution
        A matrix that is not positive definite gives NaN and a note.
    """
    team, (_, n_params) = derivatives.team, derivatives.shape
    start, stop = n_params * team.rank // team.size, n_params * (team.rank + 1) // team.size
    blocks = RowBlocks(stop - start, team)
    starts = [n_params * rank // team.size for rank in range(team.size)]
    order = np.concatenate([starts[rank] + np.arange(here.start, here.stop) for rank, here, _ in blocks.chunks])
    weighted = derivatives.weights[:, None] * derivatives.columns(slice(None))[:, order]
    strip = np.empty((stop - start, n_params), force.dtype)
    for rank, here, there in blocks.chunks:
        columns = derivatives.columns(slice(starts[rank] + here.start, starts[rank] + here.stop))
        rows = columns.conj().T @ weighted
        rows = np.ascontiguousarray(rows.real if real_params else rows)
        team.sum_in_place(rows)
        if rank == team.rank:
            strip[here] = rows
    strip[np.arange(len(strip)), blocks.positions] += shift[order[blocks.positions]]
    x = np.full_like(force, np.nan)
    note = "matrix not positive definite"
    if blocks.factorize(strip):
        x[order], note = blocks.solve(strip, -force[order]), ""
    product = matrix_free(derivatives, None, team, shift, real_params)(x)
    return Solution(x, "cholesky", residual=relative_residual(product, force), n_kept=float(n_params), note=note)


def _factor(block):
    """Return the Cholesky factor of a diagonal block, NaN where there is none."""
    try:
        return cholesky(block, lower=True, check_finite=False)
    except LinAlgError:
        return np.full_like(block, np.nan)
