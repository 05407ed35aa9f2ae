"""A Hermitian matrix spread over ranks by rows: its Cholesky factor and the solution of equations with it.

Rows are dealt out in chunks that take turns over the ranks, so that all have work until the end of the
factorization; no rank ever holds more than its rows and one panel.  Positions of rows and columns count in that order.

The factorization looks left: for a panel of columns every rank gets the finished rows of the panel, takes what they
contribute off its own rows below in one matrix product, and divides by the factor of the diagonal block, which every
rank computes for itself.  Blocks of rows are shared by the threads of a rank; the blocks, and so the numbers, do not
depend on how many threads there are.

The `team` is that of `linear`.
"""

import numpy as np
from scipy.linalg import solve_triangular

from hpc_nqs.kernels.triangular import divide, factor, subtract_product
from hpc_nqs.linear import Solution, matrix_free, relative_residual

CHUNK = 64  # rows of a chunk; columns of a panel, and rows that a thread takes at a time, are two chunks


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
    panels : list of slices of positions
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
        self.panels = [slice(start, min(start + 2 * CHUNK, n_rows)) for start in range(0, n_rows, 2 * CHUNK)]

    def first_from(self, position):
        """Return the first row of this rank at `position` or after it."""
        return int(np.searchsorted(self.positions, position))

    def row_blocks(self, first, stop=None, size=None):
        """Return slices of the rows of this rank from `first` to `stop` (the end), `size` (two chunks) rows each."""
        stop, size = len(self.positions) if stop is None else stop, size or 2 * CHUNK
        return [slice(start, min(start + size, stop)) for start in range(first, stop, size)]

    def whole(self, values, start, stop):
        """Return positions start to stop (stop - start, ...) of values (n_here, ...), on every rank.  *Collective.*

        A view on a team of one.
        """
        if self.team.size == 1:
            return values[start:stop]
        rows, pieces = np.empty((stop - start, *values.shape[1:]), values.dtype), []
        for rank, here, there in self.chunks:
            first, last = max(there.start, start), min(there.stop, stop)
            if first < last:
                piece = rows[first - start : last - start]
                if rank == self.team.rank:
                    piece[:] = values[here.start + first - there.start : here.start + last - there.start]
                pieces.append((piece, rank))
        self.team.broadcast_together(pieces)
        return rows

    def factorize(self, strip):
        """Replace the lower triangle by its Cholesky factor L, A = L L^H, *in place*.  *Collective.*

        Parameters
        ----------
        strip : (n_here, n_rows) float64 or complex128
            Rows of this rank; what stands above the diagonal is not read, and lost.

        Returns
        -------
        list of (n, n) arrays, or None
            The diagonal blocks of L, one per panel; None where the matrix is not positive definite: the strip is then
            lost.
        """
        factors, lost = [], np.zeros(1)
        for panel in self.panels:
            left = self.whole(strip[:, : panel.start], panel.start, panel.stop)
            first, below = self.first_from(panel.start), self.first_from(panel.stop)
            self.team.threads.each(
                lambda rows, left=left, panel=panel: self._subtract(strip, rows, left, panel),
                self.row_blocks(first, below, CHUNK),
            )
            diagonal = self.whole(strip[:, panel], panel.start, panel.stop).copy()
            lost += not factor(diagonal)
            strip[first:below, panel] = diagonal[self.positions[first:below] - panel.start]
            factors.append(diagonal)

            def finish(rows, left=left, panel=panel, diagonal=diagonal):
                subtract_product(strip[rows, : panel.start], left, strip[rows, panel])
                divide(diagonal, strip[rows, panel])

            self.team.threads.each(finish, self.row_blocks(below))
        self.team.sum_in_place(lost)
        return None if lost[0] else factors

    def _subtract(self, strip, rows, left, panel):
        """Take the part of earlier columns off some rows of the panel, up to the diagonal."""
        last = int(self.positions[rows.stop - 1]) + 1 - panel.start
        to = slice(panel.start, panel.start + last)
        subtract_product(strip[rows, : panel.start], left[:last], strip[rows, to])

    def solve(self, strip, factors, target):
        """Return A^{-1} target (n_rows,) on every rank, from what `factorize` left.  *Collective.*

        Parameters
        ----------
        strip : (n_here, n_rows)
        factors : list of arrays
        target : (n_rows,)
            The same on every rank, of the type of `strip`.
        """
        x, known = np.empty_like(target), np.zeros(len(self.positions), target.dtype)
        for panel, diagonal in zip(self.panels, factors, strict=True):
            taken = self.whole(known, panel.start, panel.stop)
            x[panel] = solve_triangular(diagonal, target[panel] - taken, lower=True)
            below = slice(self.first_from(panel.stop), None)
            known[below] += strip[below, panel] @ x[panel]
        for panel, diagonal in zip(reversed(self.panels), reversed(factors), strict=True):
            below = slice(self.first_from(panel.stop), None)
            taken = np.ascontiguousarray((x[self.positions[below]].conj() @ strip[below, panel]).conj())
            self.team.sum_in_place(taken)
            x[panel] = solve_triangular(diagonal, x[panel] - taken, lower=True, trans="C")
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
    factors = blocks.factorize(strip)
    if factors is not None:
        x[order], note = blocks.solve(strip, factors, -force[order]), ""
    product = matrix_free(derivatives, None, team, shift, real_params)(x)
    return Solution(x, "cholesky", residual=relative_residual(product, force), n_kept=float(n_params), note=note)
