"""A Hermitian matrix distributed over ranks by rows: its Cholesky factor and the solution of equations with it.

Rows are dealt out in chunks that take turns over the ranks, so that all have work until the end of the
factorization; no rank ever holds more than its rows and one panel.  Positions of rows and columns count in that order.

The factorization looks left: for a panel of columns every rank gets the finished rows of the panel, takes what they
contribute off its own rows below in one matrix product, and divides by the factor of the diagonal block, which every
rank computes for itself.  The first substitution goes along, on rows that are still in the caches.  Blocks of rows are
shared by the threads of a rank; the blocks, and so the numbers, do not depend on how many threads there are.

A matrix is held in real planes, as `kernels.triangular` multiplies them: real part, imaginary part and room for their
sum, or the one plane of a real matrix.

The `team` is that of `dense`.
"""

import contextlib
import itertools
import math

import numpy as np
from scipy.linalg import solve_triangular

from hpc_nqs.kernels.triangular import eliminate, factor, subtract_product
from hpc_nqs.reconfiguration.dense import Solution, matrix_free, relative_residual

CHUNK = 32  # rows of a chunk
PANEL = 4  # chunks of columns that are factorized at a time
TASK = 8  # chunks of rows that a thread takes at a time


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
        self.panels = [slice(start, min(start + PANEL * CHUNK, n_rows)) for start in range(0, n_rows, PANEL * CHUNK)]

    def first_from(self, position):
        """Return the first row of this rank at `position` or after it."""
        return int(np.searchsorted(self.positions, position))

    def row_blocks(self, first, stop=None, size=None):
        """Return slices of the rows of this rank from `first` to `stop` (the end).

        Of `size` rows each, or for tasks: the last ones are smaller, so that threads are done at about the same time,
        but not small, because every product packs its right factor again.
        """
        stop, blocks = len(self.positions) if stop is None else stop, []
        while first < stop:
            n = size or min(TASK * CHUNK, max(TASK // 2 * CHUNK, (stop - first) // (2 * CHUNK) * CHUNK))
            blocks.append(slice(first, min(first + n, stop)))
            first += n
        return blocks

    def whole(self, values, start, stop, first_row=0):
        """Return positions start to stop (stop - start, ...) of values (n_here, ...), on every rank.  *Collective*.

        The values may begin at a `first_row`.  A view on a team of one.
        """
        rows, under_way = self.start_whole(values, start, stop, first_row)
        under_way.finish()
        return rows

    def start_whole(self, values, start, stop, first_row=0, room=None):
        """Return the array that will hold what `whole` returns, and its messages under way.  *Collective*.

        The array is in a `room` of enough numbers where one is given.
        """
        if self.team.size == 1:
            return values[start - first_row : stop - first_row], self.team.start_broadcasts([])
        shape, pieces = (stop - start, *values.shape[1:]), []
        rows = np.empty(shape, values.dtype) if room is None else room[: math.prod(shape)].reshape(shape)
        for rank, here, there in self.chunks:
            first, last = max(there.start, start), min(there.stop, stop)
            if first < last:
                piece = rows[first - start : last - start]
                if rank == self.team.rank:
                    row = here.start + first - there.start - first_row
                    piece[:] = values[row : row + last - first]
                pieces.append((piece, rank))
        return rows, self.team.start_broadcasts(pieces)

    def strip(self, kind):
        """Return zeros (n_planes, n_here, n_rows) for the rows of this rank, of a matrix of type `kind`."""
        n_planes = 3 if np.issubdtype(kind, np.complexfloating) else 1
        return np.zeros((n_planes, len(self.positions), self.n_rows))

    def factorize(self, strip, target):
        """Replace the lower triangle by its factor L, A = L L^H, *in place*, and solve L y = target.  *Collective*.

        Parameters
        ----------
        strip : (n_planes, n_here, n_rows) float64
            Rows of this rank; what stands above the diagonal is not read, and lost.
        target : (n_rows,)
            The same on every rank, of the type of the matrix.

        Returns
        -------
        factors : list of (n, n) float64 or complex128, or None
            The diagonal blocks of L, one per panel; None where the matrix is not positive definite: the strip is then
            lost.
        y : (n_rows,)
            The same on every rank.
        """
        state = _Factorization(self, strip, target)
        state.take(self.panels[0], state.pass_rows(self.panels[0]))
        state.add_factor(self.panels[0])
        for panel, following in itertools.pairwise(self.panels):
            right, middle = state.right, self.first_from(following.stop)
            state.finish(panel, self.row_blocks(self.first_from(panel.stop), middle), right)
            passed, later = state.pass_rows(following), self.row_blocks(middle)
            half = len(later) // 2 if self.team.size > 1 else len(later)  # alone, nothing is under way
            state.finish(panel, later[:half], right, passed[1])
            diagonal = state.take(following, passed)
            state.finish(panel, later[half:], right, diagonal)
            state.add_factor(following)
        self.team.sum_in_place(state.lost)
        return (None if state.lost[0] else state.factors), state.y

    def solve(self, strip, factors, y):
        """Solve L^H x = y, (n_rows,) on every rank, with what `factorize` left.  *Collective*."""
        x = y.copy()
        for panel, diagonal in zip(reversed(self.panels), reversed(factors), strict=True):

            def take(rows, panel=panel):
                return _times(strip[:2, rows, panel].transpose(0, 2, 1), x[self.positions[rows]], -1j)

            blocks = self.row_blocks(self.first_from(panel.stop), size=4 * TASK * CHUNK)
            taken = sum(self.team.threads.each(take, blocks), np.zeros(len(diagonal), x.dtype))
            self.team.sum_in_place(taken)
            x[panel] = solve_triangular(diagonal, x[panel] - taken, lower=True, trans="C", check_finite=False)
        return x

    def gather(self, strip):
        """Return the whole matrix (n_rows, n_rows) on rank 0, None elsewhere.  *Collective*."""
        matrix = np.empty((self.n_rows, self.n_rows), number_type(strip)) if self.team.rank == 0 else None
        for _, _, there in self.chunks:
            rows = slice(self.first_from(there.start), self.first_from(there.stop))
            block = self.whole(numbers(strip[:, rows]), there.start, there.stop, rows.start)
            if matrix is not None:
                matrix[there] = block
        return matrix


class _Factorization:
    """A factorization under way, see `RowBlocks.factorize`.

    `take` and `add_factor` begin a panel, `finish` ends rows of it.

    Attributes
    ----------
    factors, y : what has been found so far
    lost : (1,) float64
        Positive where the matrix is not positive definite.
    right : (planes, difference)
        Right factor of the panel that was taken last.
    """

    def __init__(self, blocks, strip, target):
        self.blocks, self.strip, self.target = blocks, strip, target
        self.each = blocks.team.threads.each
        self.factors, self.lost, self.y = [], np.zeros(1), np.zeros_like(target)
        self.known = np.zeros(len(blocks.positions), target.dtype)  # L y of the panels so far
        size, kind, n_planes = PANEL * CHUNK, number_type(strip), len(strip)
        n_threads = blocks.team.threads.n_threads
        self.free = [
            (np.empty(n_planes * TASK * CHUNK * size), np.empty(TASK * CHUNK * size, kind)) for _ in range(n_threads)
        ]
        # the panel before is still in use when the next one comes in
        self.passed = [np.empty(2 * size * blocks.n_rows if blocks.team.size > 1 else 0) for _ in range(2)]
        self.differences = [np.empty(size * blocks.n_rows if n_planes > 1 else 0) for _ in range(2)]

    @contextlib.contextmanager
    def _room(self, m, n):
        """Lend work (n_planes, m, n) float64 and a block (m, n) of numbers."""
        room = self.free.pop()
        yield room[0][: len(self.strip) * m * n].reshape(-1, m, n), room[1][: m * n].reshape(m, n)
        self.free.append(room)

    def pass_rows(self, panel):
        """Send the finished part of the rows of a panel round; return (array to hold them, messages under way)."""
        self.passed.reverse()
        # planes change places with rows, so that rows are what is passed round
        finished = self.strip[:2, :, : panel.start].transpose(1, 0, 2)
        return self.blocks.start_whole(finished, panel.start, panel.stop, room=self.passed[0])

    def take(self, panel, passed):
        """Take finished columns off the diagonal block; send it round, with L y; return (array, messages under way)."""
        rows, under_way = passed
        under_way.finish()
        planes = rows.transpose(1, 0, 2)
        self.right = right, difference = planes, self._difference(planes)
        start, stop = panel.start, panel.stop
        first, below = self.blocks.first_from(start), self.blocks.first_from(stop)
        diagonal = np.zeros((below - first, stop - start + 1), number_type(self.strip))
        diagonal[:, -1] = self.known[first:below]

        def subtract(rows):
            last = int(self.blocks.positions[rows.stop - 1]) + 1 - start
            with self._room(rows.stop - rows.start, last) as (work, block):
                matrix, left = self.strip[:, rows, start : start + last], self.strip[:, rows, :start]
                subtract_product(matrix, left, right[:, :last], difference[:last], work, block)
                diagonal[rows.start - first : rows.stop - first, :last] = block

        self.each(subtract, self.blocks.row_blocks(first, below, CHUNK))
        self.diagonal = self.blocks.start_whole(diagonal, start, stop, first)
        return self.diagonal[1]

    def _difference(self, right):
        """Return the third plane of a right factor; the only one of a real matrix."""
        if len(right) == 1:
            return right[0]
        self.differences.reverse()
        difference = self.differences[0][: right[0].size].reshape(right[0].shape)
        rows = [slice(start, start + CHUNK) for start in range(0, len(difference), CHUNK)]
        self.each(lambda some: np.subtract(*right[:, some], out=difference[some]), rows)
        return difference

    def add_factor(self, panel):
        """Factorize the diagonal block that `take` sent round."""
        block, under_way = self.diagonal
        under_way.finish()
        self.factors.append(np.ascontiguousarray(block[:, :-1]))
        self.lost += not (factor(self.factors[-1]) and np.isfinite(self.factors[-1]).all())
        if not self.lost[0]:
            target = self.target[panel] - block[:, -1]
            self.y[panel] = solve_triangular(self.factors[-1], target, lower=True, check_finite=False)
        own = slice(self.blocks.first_from(panel.start), self.blocks.first_from(panel.stop))
        store(self.factors[-1][self.blocks.positions[own] - panel.start], self.strip[:, own, panel])

    def finish(self, panel, row_blocks, right, under_way=None):
        """Finish the columns of a panel in some rows below it; messages under way move along in between."""
        factor, y, lost = self.factors[-1], self.y[panel], self.lost[0]

        def eliminate_rows(rows):
            with self._room(rows.stop - rows.start, len(factor)) as (work, block):
                eliminate(self.strip[:, rows, panel], self.strip[:, rows, : panel.start], *right, factor, work, block)
                if not lost:
                    self.known[rows] += block @ y
            if under_way is not None:
                under_way.progress()

        self.each(eliminate_rows, row_blocks)


def number_type(planes):
    """Return the type of a matrix that is held in planes."""
    return np.complex128 if len(planes) > 1 else np.float64


def numbers(planes):
    """Return the matrix (m, n), float64 or complex128, that stands in planes (n_planes, m, n)."""
    block = np.empty(planes.shape[1:], number_type(planes))
    block.real = planes[0]
    if len(planes) > 1:
        block.imag = planes[1]
    return block


def store(block, planes):
    """Write a matrix (m, n) to the planes of a left factor, (n_planes, m, n)."""
    planes[0] = block.real
    if len(planes) > 1:
        planes[1] = block.imag
        np.add(planes[0], planes[1], out=planes[2])


def right_planes(planes):
    """Return the planes of a right factor, (n_planes, m, n), from real part and imaginary part (1 or 2, m, n)."""
    if len(planes) == 1:
        return planes
    return np.concatenate([planes, (planes[0] - planes[1])[None]])


def _times(planes, vector, unit):
    """Return (planes[0] + unit planes[1]) vector, or planes[0] vector of a real matrix."""
    if len(planes) == 1:
        return planes[0] @ vector
    pairs = vector.view(np.float64).reshape(-1, 2)
    products = [np.ascontiguousarray(plane @ pairs).view(np.complex128)[:, 0] for plane in planes]
    return products[0] + unit * products[1]


def solve_distributed(derivatives, force, shift, real_params=False):
    """Solve (S + shift) x = -F with S distributed over the ranks by rows.  *Collective*.

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
    strip = blocks.strip(force.dtype)
    for rank, here, _ in blocks.chunks:
        columns = derivatives.columns(slice(starts[rank] + here.start, starts[rank] + here.stop))
        rows = columns.conj().T @ weighted
        rows = np.ascontiguousarray(rows.real if real_params else rows)
        team.sum_in_place(rows)
        if rank == team.rank:
            store(rows, strip[:, here])
    strip[0, np.arange(stop - start), blocks.positions] += shift[order[blocks.positions]]
    x = np.full_like(force, np.nan)
    note = "matrix not positive definite"
    factors, y = blocks.factorize(strip, -force[order])
    if factors is not None:
        x[order], note = blocks.solve(strip, factors, y), ""
    product = matrix_free(derivatives, None, team, shift, real_params)(x)
    return Solution(x, "cholesky", residual=relative_residual(product, force), n_kept=float(n_params), note=note)
