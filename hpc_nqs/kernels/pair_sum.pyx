"""Sum of the images of a pair product, Psi(s) = sum_g c_g phi(g s), phi(s) = (-1)^inv(s) det[f(u_a, d_b)].

[PRX] Y. Nomura, M. Imada, PRX 11, 031034 (2021); docs/theory/ground_states.md, "Sums of pair products".  An image of a
pair product is the pair product of another f at the same configuration: with (g s)_i = s_g(i) it has
f_g(v, w) = f(place of v, place of w), and f_g(v, w) = f(place of w, place of v) where g flips all spins, up to a sign of
g alone.  All images then have the same up and down sites, rows, columns and moves, and stand side by side in the lanes of
vectors (csrc/nqs_lanes.h).

Where one spin has more sites than the other, spins of the other one stand on extra sites that no move reaches: f of a
site and an extra one is the orbital of an unpaired spin, and F is square.

With G = F^{-1} and D = f(d, d) G an exchange of x = u_a with y = d_b multiplies phi by
G_ba (sum_i D_bi f(u_i, x) - f(y, x)) - D_ba sum_i G_bi f(u_i, x).
"""

from libc.math cimport INFINITY, exp, fabs, isfinite, log, pi
from libc.stdint cimport int8_t
from libc.string cimport memcpy, memset

import numpy as np

from hpc_nqs.kernels.amplitude cimport BLOCK, Amplitude
from hpc_nqs.kernels.memory import aligned
from hpc_nqs.kernels.moves cimport Proposal
from hpc_nqs.kernels.pairing cimport list_sides

cdef extern from "nqs_lanes.h" nogil:
    void nqs_invert_lanes(double *, Py_ssize_t, double *, double *)
    void nqs_multiply_lanes(const double *const *, const double *, Py_ssize_t, double *)
    void nqs_pair_ratios(const double *, const double *, const double *, const Py_ssize_t *, Py_ssize_t, Py_ssize_t,
                         const double *, double *)
    void nqs_pair_update(double *, double *, Py_ssize_t, Py_ssize_t, Py_ssize_t, const double *, const double *,
                         double *, double *)

cdef enum:
    LANES = BLOCK  # images side by side
N_LANES = LANES  # for Python

cdef double SINGULAR = 1e-11   # a pivot this small, relative to the largest of its lane: a zero of the image
cdef double CANCELLED = 1e-11  # of the sum of the moduli: the sum is a zero of Psi and the rest is rounding
cdef double SAFE_RATIO = 1e-3  # an image whose ratio is smaller, or larger than the inverse, is inverted anew
cdef double HUGE = 1e150       # ratio of a non-zero amplitude to a zero: leave at once


cdef class PairSumAmplitude(Amplitude):
    """The sum at fixed parameters; `wavefunctions.pair_sum.PairSum.amplitude` makes it.

    Parameters
    ----------
    tables : (n_blocks, n_sites, n_sites, LANES) float64
        f_g(v, w), image by image; the last abs(n_unpaired) of the n_sites are the extra ones.
    coefficients : (n_blocks, LANES) float64
        c_g times the sign of g; 0 in lanes without an image.
    image_params : (n_blocks, n_sites, n_sites, LANES) int32
        2 + 2 k of the parameter behind every entry of `tables`, 3 + 2 k where the entry is minus it; 0: fixed.
    exchanges : (n_moves, 2) intp
        Sites of all moves, in the order of their table entries; their ratios are summed where a state is built anew, block
        by block while that is in the fast caches.
    n_params : int
    n_unpaired : int
        Up spins more than down spins, negative where there are fewer.

    Notes
    -----
    Proposals must be single exchanges.  At a zero of Psi the logarithm is -infinity, and every move has a huge ratio or,
    to another zero, the ratio 1: chains that start there leave.
    """

    cdef const double[:, :, :, ::1] tables, columns  # f_g(v, w), and f_g(v, x) at [x, v]
    cdef const double[:, ::1] coefficients
    cdef const int[:, :, :, ::1] image_params
    cdef const Py_ssize_t[:, ::1] exchanges
    cdef Py_ssize_t n_up, n_blocks                   # n_up with extra sites: rows, and as many columns
    cdef Py_ssize_t n_unpaired
    # states of BLOCK configurations, and a last one for work
    cdef Py_ssize_t[:, ::1] up, down                 # (BLOCK + 1, n_up): sites of the rows and columns of F
    cdef Py_ssize_t[:, ::1] position                 # (BLOCK + 1, n_visible): row or column of a site
    cdef double[:, :, :, :, ::1] inverse, dressed    # (BLOCK + 1, n_blocks, n_up, n_up, LANES): G and D
    cdef double[:, :, ::1] terms                     # (BLOCK + 1, n_blocks, LANES): c_g phi(g s) / e^largest
    cdef double[::1] largest, total                  # (BLOCK + 1,); total exactly 0 where the terms cancel
    cdef double[:, :, ::1] sums                      # (BLOCK + 1, n_moves, 2): of the terms after a move, of their moduli
    cdef int[::1] has_sums                           # (BLOCK + 1,): whether these are there
    cdef int[::1] negative                           # (BLOCK + 1,): whether the sites u, d are an odd permutation
    cdef int[:, ::1] lost                            # (BLOCK + 1, n_blocks): images at a zero, whose G is lost
    # work
    cdef double[:, ::1] best, pivots, column, change # (n_up, LANES)
    cdef double[:, ::1] solved                       # (2 n_up, LANES)
    cdef double[:, ::1] ratios                       # (n_blocks, LANES)
    cdef double[:, ::1] logarithms                   # (n_blocks, LANES)
    cdef size_t[:, ::1] left                         # (n_up, n_up): where the lanes of f(d, d) stand
    cdef int8_t[::1] trial                           # (n_visible,)
    cdef double[::1] derivs                          # (2 + 2 n_params,): of parameter k at 2 k, of minus it at 2 k + 1

    def __init__(self, tables, coefficients, image_params, exchanges, n_params, n_unpaired=0):
        self.width = 1
        self.n_blocks, n_sites = tables.shape[:2]
        self.n_params, self.n_unpaired = n_params, n_unpaired
        self.n_visible, self.n_up = n_sites - abs(n_unpaired), n_sites // 2
        self.tables, self.columns = aligned(tables), aligned(np.swapaxes(tables, 1, 2))
        self.coefficients, self.image_params, self.exchanges = coefficients, image_params, exchanges
        self._allocate()

    def _allocate(self):
        """Make room for states and work."""
        n, n_rows = self.n_up, BLOCK + 1
        self.up = np.empty((n_rows, n), dtype=np.intp)
        self.down = np.empty((n_rows, n), dtype=np.intp)
        self.position = np.empty((n_rows, self.n_visible), dtype=np.intp)
        self.inverse = aligned(np.zeros((n_rows, self.n_blocks, n, n, LANES)))
        self.dressed = aligned(np.zeros((n_rows, self.n_blocks, n, n, LANES)))
        self.terms = np.zeros((n_rows, self.n_blocks, LANES))
        self.largest, self.total = np.zeros(n_rows), np.zeros(n_rows)
        self.sums = np.zeros((n_rows, len(self.exchanges), 2))
        self.has_sums = np.zeros(n_rows, dtype=np.intc)
        self.negative = np.zeros(n_rows, dtype=np.intc)
        self.lost = np.zeros((n_rows, self.n_blocks), dtype=np.intc)
        self.best, self.pivots = aligned(np.empty((n, LANES))), aligned(np.empty((n, LANES)))
        self.column, self.change = aligned(np.empty((n, LANES))), aligned(np.empty((n, LANES)))
        self.solved = aligned(np.empty((2 * n, LANES)))
        self.ratios, self.logarithms = aligned(np.empty((self.n_blocks, LANES))), np.empty((self.n_blocks, LANES))
        self.left = np.empty((n, n), dtype=np.uintp)
        self.trial = np.empty(self.n_visible, dtype=np.int8)
        self.derivs = np.empty(2 + 2 * self.n_params)

    def sibling(self):
        cdef PairSumAmplitude other = PairSumAmplitude.__new__(PairSumAmplitude)
        other.width, other.n_visible, other.n_params = self.width, self.n_visible, self.n_params
        other.n_blocks, other.n_up, other.n_unpaired = self.n_blocks, self.n_up, self.n_unpaired
        other.tables, other.columns = self.tables, self.columns
        other.coefficients, other.image_params = self.coefficients, self.image_params
        other.exchanges = self.exchanges
        other._allocate()
        return other

    cdef void refresh(self, const int8_t *visible, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t row
        for row in range(n):
            self.build(row, visible + row * self.n_visible)
            self.sum_all_moves(row, visible + row * self.n_visible)

    cdef void build(self, Py_ssize_t row, const int8_t *visible) noexcept nogil:
        """Fill the state of a configuration from scratch."""
        cdef Py_ssize_t block, lane
        cdef double largest = -INFINITY
        self.negative[row] = list_sides(visible, self.n_visible, &self.up[row, 0], &self.down[row, 0],
                                        &self.position[row, 0])
        self.add_extra_sites(row)
        self.has_sums[row] = False
        for block in range(self.n_blocks):
            self.invert(row, block)
            for lane in range(LANES):
                if self.coefficients[block, lane] != 0:
                    largest = max(largest, self.logarithms[block, lane])
        self.largest[row] = largest
        for block in range(self.n_blocks):
            self.fill_terms(row, block)
        self.add_terms(row)

    cdef void add_extra_sites(self, Py_ssize_t row) noexcept nogil:
        """Put the partners of unpaired spins behind the sites of their spin."""
        cdef Py_ssize_t k, n = self.n_unpaired if self.n_unpaired > 0 else -self.n_unpaired
        for k in range(n):
            if self.n_unpaired > 0:
                self.down[row, self.n_up - n + k] = self.n_visible + k
            else:
                self.up[row, self.n_up - n + k] = self.n_visible + k

    cdef void invert(self, Py_ssize_t row, Py_ssize_t block) noexcept nogil:
        """Compute G, D, sign and logarithm of LANES images; the signs go to `terms`."""
        cdef Py_ssize_t a, b, n = self.n_up
        cdef double *inverse = &self.inverse[row, block, 0, 0, 0]
        for a in range(n):
            for b in range(n):
                memcpy(inverse + LANES * (a * n + b), &self.tables[block, self.up[row, a], self.down[row, b], 0],
                       LANES * sizeof(double))
                self.left[a, b] = <size_t>&self.tables[block, self.down[row, a], self.down[row, b], 0]
        nqs_invert_lanes(inverse, n, &self.best[0, 0], &self.pivots[0, 0])
        self.lost[row, block] = 0
        for a in range(LANES):
            self.read_pivots(row, block, a)
        nqs_multiply_lanes(<const double *const *>&self.left[0, 0], inverse, n, &self.dressed[row, block, 0, 0, 0])

    cdef void read_pivots(self, Py_ssize_t row, Py_ssize_t block, Py_ssize_t lane) noexcept nogil:
        """Write sign and logarithm of the determinant of one image; G of an image at a zero becomes 0."""
        cdef Py_ssize_t k, a, b
        cdef double smallest = INFINITY, largest = 0, logarithm = 0, pivot
        cdef bint negative = self.negative[row]
        for k in range(self.n_up):
            pivot = self.pivots[k, lane]
            smallest, largest = min(smallest, fabs(pivot)), max(largest, fabs(pivot))
            logarithm += log(fabs(pivot))
            negative ^= (pivot < 0) ^ (self.best[k, lane] != k)
        self.terms[row, block, lane] = -1 if negative else 1
        self.logarithms[block, lane] = logarithm
        if smallest > SINGULAR * largest and isfinite(logarithm):
            return
        self.logarithms[block, lane] = -INFINITY
        self.lost[row, block] += self.coefficients[block, lane] != 0
        for a in range(self.n_up):
            for b in range(self.n_up):
                self.inverse[row, block, a, b, lane] = 0

    cdef void fill_terms(self, Py_ssize_t row, Py_ssize_t block) noexcept nogil:
        """Turn signs and logarithms into terms."""
        cdef Py_ssize_t lane
        for lane in range(LANES):
            if isfinite(self.logarithms[block, lane]) and self.coefficients[block, lane] != 0:
                self.terms[row, block, lane] *= (self.coefficients[block, lane]
                                                 * exp(self.logarithms[block, lane] - self.largest[row]))
            else:
                self.terms[row, block, lane] = 0

    cdef void add_terms(self, Py_ssize_t row) noexcept nogil:
        cdef Py_ssize_t block, lane
        cdef double total = 0, moduli = 0
        for block in range(self.n_blocks):
            for lane in range(LANES):
                total += self.terms[row, block, lane]
                moduli += fabs(self.terms[row, block, lane])
        self.total[row] = total if fabs(total) > CANCELLED * moduli else 0

    cdef void build_moved(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        """Fill a state with the configuration after a move, from scratch."""
        cdef int i
        memcpy(&self.trial[0], visible, self.n_visible)
        for i in range(proposal.n_flips):
            self.trial[proposal.flips[i]] = -self.trial[proposal.flips[i]]
        self.build(row, &self.trial[0])

    cdef void sum_all_moves(self, Py_ssize_t row, const int8_t *visible) noexcept nogil:
        """Fill `sums` of all moves that a configuration allows, unless images are lost."""
        cdef Py_ssize_t move, block, x, y
        if self.has_lost(row):
            return
        self.sums[row, :, :] = 0
        for block in range(self.n_blocks):
            for move in range(self.exchanges.shape[0]):
                x, y = self.exchanges[move, 0], self.exchanges[move, 1]
                if visible[x] != visible[y]:
                    self.add_moved(row, block, x if visible[x] > 0 else y, y if visible[x] > 0 else x,
                                   &self.sums[row, move, 0])
        self.has_sums[row] = True

    cdef void add_moved(self, Py_ssize_t row, Py_ssize_t block, Py_ssize_t x, Py_ssize_t y, double *sums) noexcept nogil:
        """Add LANES terms after the up spin at x and the down spin at y have traded places, and their moduli."""
        cdef Py_ssize_t lane, a = self.position[row, x], b = self.position[row, y]
        cdef double total = 0, moduli = 0, term
        nqs_pair_ratios(&self.inverse[row, block, b, 0, 0], &self.dressed[row, block, b, 0, 0],
                        &self.columns[block, x, 0, 0], &self.up[row, 0], self.n_up, a,
                        &self.tables[block, y, x, 0], &self.ratios[block, 0])
        for lane in range(LANES):
            term = self.terms[row, block, lane] * self.ratios[block, lane]
            total += term
            moduli += fabs(term)
        sums[0] += total
        sums[1] += moduli

    cdef bint has_lost(self, Py_ssize_t row) noexcept nogil:
        """Return whether G of an image is lost."""
        cdef Py_ssize_t block
        for block in range(self.n_blocks):
            if self.lost[row, block] > 0:
                return True
        return False

    cdef double complex ratio(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef Py_ssize_t x = proposal.flips[0], y = proposal.flips[1], block
        cdef double[2] sums
        if self.has_sums[row]:
            sums[0], sums[1] = self.sums[row, proposal.entry, 0], self.sums[row, proposal.entry, 1]
        elif self.has_lost(row):
            return self.ratio_from_scratch(row, visible, proposal)
        else:
            if visible[x] < 0:
                x, y = y, x
            sums[0] = sums[1] = 0
            for block in range(self.n_blocks):
                self.add_moved(row, block, x, y, &sums[0])
        if fabs(sums[0]) <= CANCELLED * sums[1]:
            return 0 if self.total[row] != 0 else 1
        return sums[0] / self.total[row] if self.total[row] != 0 else HUGE

    cdef double complex ratio_from_scratch(self, Py_ssize_t row, const int8_t *visible,
                                           const Proposal *proposal) noexcept nogil:
        self.build_moved(BLOCK, visible, proposal)
        if self.total[BLOCK] == 0:
            return 0 if self.total[row] != 0 else 1
        if self.total[row] == 0:
            return HUGE
        return self.total[BLOCK] / self.total[row] * exp(self.largest[BLOCK] - self.largest[row])

    cdef void accept(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef Py_ssize_t x = proposal.flips[0], y = proposal.flips[1], block, a, b
        if not isfinite(self.largest[row]):
            self.build_moved(row, visible, proposal)
            return
        if visible[x] < 0:
            x, y = y, x
        a, b = self.position[row, x], self.position[row, y]
        for block in range(self.n_blocks):
            if self.lost[row, block] == 0 and not self.update(row, block, x, y, a, b):
                self.lost[row, block] = 1
        self.has_sums[row] = False
        self.up[row, a], self.down[row, b] = y, x
        self.position[row, y], self.position[row, x] = a, b
        self.negative[row] = not self.negative[row]  # two sites have traded places
        for block in range(self.n_blocks):
            if self.lost[row, block] > 0:
                self.invert(row, block)
                self.fill_terms(row, block)
        self.add_terms(row)

    cdef bint update(self, Py_ssize_t row, Py_ssize_t block, Py_ssize_t x, Py_ssize_t y, Py_ssize_t a,
                     Py_ssize_t b) noexcept nogil:
        """Move G, D and the terms of LANES images along; return whether their ratios were safe."""
        cdef Py_ssize_t i, lane, u, d
        cdef bint safe = True
        for i in range(self.n_up):
            u, d = self.up[row, i], self.down[row, i]
            for lane in range(LANES):
                self.column[i, lane] = self.columns[block, x, u, lane] - self.columns[block, y, u, lane]
                self.change[i, lane] = self.columns[block, x, d, lane] - self.columns[block, y, d, lane]
        for lane in range(LANES):
            self.column[a, lane] = self.tables[block, y, x, lane]
            self.change[b, lane] = -self.tables[block, x, y, lane]
        nqs_pair_update(&self.inverse[row, block, 0, 0, 0], &self.dressed[row, block, 0, 0, 0], self.n_up, a, b,
                        &self.column[0, 0], &self.change[0, 0], &self.solved[0, 0], &self.ratios[block, 0])
        for lane in range(LANES):
            self.terms[row, block, lane] *= -self.ratios[block, lane]
            if not SAFE_RATIO < fabs(self.ratios[block, lane]) < 1 / SAFE_RATIO:
                safe = safe and self.coefficients[block, lane] == 0
        return safe

    cdef double complex log_psi(self, Py_ssize_t row, const int8_t *visible) noexcept nogil:
        if self.total[row] == 0:
            return -INFINITY
        return self.largest[row] + log(fabs(self.total[row])) + (1j * pi if self.total[row] < 0 else 0)

    cdef void log_derivs(self, const int8_t *visible, Py_ssize_t n, double *out, Py_ssize_t stride) noexcept nogil:
        """O_k = sum_g c_g phi(g s) O_k(g s) / Psi(s), d ln phi / d f(u_a, d_b) = G_ba; 0 at a zero of Psi."""
        cdef Py_ssize_t row, block, k
        for row in range(n):
            memset(&self.derivs[0], 0, (2 + 2 * self.n_params) * sizeof(double))
            for block in range(self.n_blocks if self.total[row] != 0 else 0):
                self.add_derivs(row, block)
            for k in range(self.n_params):
                out[row * stride + k] = self.derivs[2 + 2 * k] - self.derivs[3 + 2 * k]

    cdef void add_derivs(self, Py_ssize_t row, Py_ssize_t block) noexcept nogil:
        cdef Py_ssize_t a, b, lane
        cdef double[LANES] weight
        cdef const int *params
        cdef const double *inverse
        for lane in range(LANES):
            weight[lane] = self.terms[row, block, lane] / self.total[row]
        for a in range(self.n_up):
            for b in range(self.n_up):
                params = &self.image_params[block, self.up[row, a], self.down[row, b], 0]
                inverse = &self.inverse[row, block, b, a, 0]
                for lane in range(LANES):
                    self.derivs[params[lane]] += weight[lane] * inverse[lane]
