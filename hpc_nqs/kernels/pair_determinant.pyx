"""Sums of pair determinants of electrons on one layer: Psi = sum_g c_g det[F^g_ab], a and b the orbitals of either spin.

Visible units are the spin-orbitals, n_orbitals of spin up, then as many of spin down, where +1 is an occupied one.
Rows of a matrix are the electrons of the spin that has more of them, columns those of the other spin, then unpaired
orbitals that complete the square.  The images g of a projection are matrices of their own on the same electrons, so
that no image needs a sign of the order of electrons.

Electrons keep their rows and columns: `ratio` is the amplitude of c+_p c_q without any sign of that order; `log_psi` is
that of the electrons in the order of their orbitals.

Lanes are the images, side by side in memory.  Each keeps its inverse G (columns, rows), the ratios of all hops of row
electrons, W = F G (orbitals, rows), and of column electrons, V = G F (columns, orbitals).  An accepted hop changes all
three by one outer product; a lane whose determinant becomes small is built anew.
"""

from libc.math cimport INFINITY, exp, fabs, isfinite, log, pi
from libc.stdint cimport int8_t

import numpy as np

from hpc_nqs.kernels.amplitude cimport BLOCK, Amplitude
from hpc_nqs.kernels.moves cimport Proposal

cdef extern from "nqs_pairs.h" nogil:
    int nqs_invert(double *, Py_ssize_t, Py_ssize_t, Py_ssize_t *, double *)

cdef double SINGULAR = 1e-11    # a pivot this small, with the largest one as the unit, is rounding of a zero
cdef double CANCELLED = 1e-11   # of the sum of the moduli of the lanes: their sum is a zero of Psi
cdef double SAFE_RATIO = 3e-2   # a lane whose ratio is smaller, or larger than its inverse, is built anew
cdef double HUGE = 1e150        # ratio of an amplitude to a zero: leave at once


cdef class PairDeterminantAmplitude(Amplitude):
    """The sum at fixed parameters; `wavefunctions.pair_determinant.PairDeterminant.amplitude` makes it.

    Parameters
    ----------
    pairing : (n_orbitals, n_orbitals + n_unpaired, n_images) float64
        F^g: orbital of a row; orbital of a column, then unpaired orbitals; image.
    pairing_param : (n_orbitals, n_orbitals + n_unpaired, n_images) int32
        Signed 1 + k of the parameter behind each entry; 0: none.
    coefficients : (n_images,) float64
        c_g.
    n_rows : int
        Electrons of the spin of the rows; the other spin has n_rows - n_unpaired.
    rows_are_down : bool
        Rows are the electrons of spin down.
    n_params : int

    Notes
    -----
    A proposal moves one electron of one spin, or one of either spin.  At a zero of Psi the logarithm is -infinity, and
    every move has a huge ratio or, to another zero, the ratio 1: chains that start there leave.  Log-derivatives leave
    out lanes that vanish.
    """

    cdef const double[:, :, ::1] pairing
    cdef const int[:, :, ::1] pairing_param
    cdef const double[::1] coefficients
    cdef Py_ssize_t n_orbitals, n_rows, n_columns, n_images, n_row
    cdef bint rows_are_down
    # states, of every configuration
    cdef Py_ssize_t[:, ::1] row_orbital, column_orbital  # (BLOCK, n_rows): of row electrons; of columns, unpaired ones
    cdef Py_ssize_t[:, ::1] row_place, column_place      # (BLOCK, n_orbitals): where an occupied orbital stands
    cdef double[:, :, :, ::1] inverse                    # G (BLOCK, column, row, image)
    cdef double[:, :, :, ::1] row_ratios                 # W (BLOCK, orbital, row, image)
    cdef double[:, :, :, ::1] column_ratios              # V (BLOCK, column, orbital, image)
    cdef double[:, ::1] log_magnitude                    # of the determinants (BLOCK, n_images)
    cdef int[:, ::1] signs                               # of the determinants, 0 where they vanish (BLOCK, n_images)
    cdef double[:, ::1] terms                            # c_g det_g / e^largest (BLOCK, n_images)
    cdef double[::1] largest, total                      # (BLOCK,); total is exactly 0 where the lanes cancel
    cdef int[::1] n_lost                                 # lanes that vanish (BLOCK,)
    # of a move: where it stands in rows or columns and the orbital it goes to, -1: no such hop
    cdef Py_ssize_t row_hop, row_to, column_hop, column_to
    # work
    cdef double[:, ::1] matrix                           # (n_rows, n_row)
    cdef double[::1] pivots, lane_ratio, factor, outer   # (n_rows,), (n_images,) twice, (n_orbitals * n_images,)
    cdef Py_ssize_t[::1] swaps

    def __init__(self, pairing, pairing_param, coefficients, n_rows, rows_are_down, n_params):
        cdef Py_ssize_t m, n, g
        self.width = 1
        self.n_params = n_params
        self.n_orbitals = m = pairing.shape[0]
        self.n_visible = 2 * m
        self.n_rows = n = n_rows
        self.n_columns = n - (pairing.shape[1] - m)
        self.n_images = g = pairing.shape[2]
        self.n_row = (n + BLOCK - 1) // BLOCK * BLOCK
        self.rows_are_down = rows_are_down
        self.pairing, self.pairing_param, self.coefficients = pairing, pairing_param, coefficients
        self.row_orbital, self.column_orbital = (np.zeros((BLOCK, n), dtype=np.intp) for _ in range(2))
        self.row_place, self.column_place = (np.zeros((BLOCK, m), dtype=np.intp) for _ in range(2))
        self.inverse, self.row_ratios = np.zeros((BLOCK, n, n, g)), np.zeros((BLOCK, m, n, g))
        self.column_ratios = np.zeros((BLOCK, n, m, g))
        self.log_magnitude, self.terms = np.zeros((BLOCK, g)), np.zeros((BLOCK, g))
        self.signs, self.n_lost = np.zeros((BLOCK, g), dtype=np.intc), np.zeros(BLOCK, dtype=np.intc)
        self.largest, self.total = np.zeros(BLOCK), np.zeros(BLOCK)
        self.matrix = np.zeros((n, self.n_row))
        self.pivots, self.swaps = np.zeros(n), np.zeros(n, dtype=np.intp)
        self.lane_ratio, self.factor, self.outer = np.zeros(g), np.zeros(g), np.zeros(max(m, n) * g)

    def sibling(self):
        return PairDeterminantAmplitude(np.asarray(self.pairing), np.asarray(self.pairing_param),
                                        np.asarray(self.coefficients), self.n_rows, self.rows_are_down, self.n_params)

    # ---- states from scratch ---------------------------------------------------------------------------------------

    cdef void refresh(self, const int8_t *visible, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t row, g
        for row in range(n):
            self.list_electrons(row, visible + row * self.n_visible)
            for g in range(self.n_images):
                self.build_lane(row, g)
            self.sum_terms(row)

    cdef void list_electrons(self, Py_ssize_t row, const int8_t *visible) noexcept nogil:
        cdef Py_ssize_t orbital, k, i = 0, j = 0, m = self.n_orbitals
        for orbital in range(m):
            self.row_place[row, orbital] = self.column_place[row, orbital] = -1
            if visible[orbital + m * self.rows_are_down] > 0:
                self.row_place[row, orbital] = i
                self.row_orbital[row, i] = orbital
                i += 1
            if visible[orbital + m * (not self.rows_are_down)] > 0:
                self.column_place[row, orbital] = j
                self.column_orbital[row, j] = orbital
                j += 1
        for k in range(self.n_columns, self.n_rows):
            self.column_orbital[row, k] = m + k - self.n_columns

    cdef int fill(self, Py_ssize_t row, Py_ssize_t g, double *log_magnitude) noexcept nogil:
        """Put the inverse of lane g, after the hops that are noted, into `matrix`; return the sign of det, or 0."""
        cdef Py_ssize_t i, j, a, b
        cdef double smallest = INFINITY, largest = 0
        cdef int sign
        log_magnitude[0] = 0
        for i in range(self.n_rows):
            a = self.row_to if i == self.row_hop else self.row_orbital[row, i]
            for j in range(self.n_rows):
                b = self.column_to if j == self.column_hop else self.column_orbital[row, j]
                self.matrix[i, j] = self.pairing[a, b, g]
            for j in range(self.n_rows, self.n_row):  # infinities of a zero pivot may stand there
                self.matrix[i, j] = 0
        sign = -1 if nqs_invert(&self.matrix[0, 0], self.n_rows, self.n_row, &self.swaps[0], &self.pivots[0]) & 1 else 1
        for i in range(self.n_rows):
            smallest, largest = min(smallest, fabs(self.pivots[i])), max(largest, fabs(self.pivots[i]))
            log_magnitude[0] += log(fabs(self.pivots[i]))
            if self.pivots[i] < 0:
                sign = -sign
        if not smallest > SINGULAR * largest:
            log_magnitude[0] = -INFINITY
            return 0
        return sign

    cdef void build_lane(self, Py_ssize_t row, Py_ssize_t g) noexcept nogil:
        """Compute inverse, ratios, magnitude and sign of one lane from the lists."""
        cdef Py_ssize_t i, j, a
        cdef double found
        self.row_hop = self.column_hop = -1
        self.signs[row, g] = self.fill(row, g, &self.log_magnitude[row, g])
        for j in range(self.n_rows):
            for i in range(self.n_rows):
                self.inverse[row, j, i, g] = self.matrix[j, i] if self.signs[row, g] else 0
        for a in range(self.n_orbitals):
            for i in range(self.n_rows):
                found = 0
                for j in range(self.n_rows):
                    found += self.pairing[a, self.column_orbital[row, j], g] * self.inverse[row, j, i, g]
                self.row_ratios[row, a, i, g] = found
            for j in range(self.n_columns):
                found = 0
                for i in range(self.n_rows):
                    found += self.inverse[row, j, i, g] * self.pairing[self.row_orbital[row, i], a, g]
                self.column_ratios[row, j, a, g] = found

    cdef void sum_terms(self, Py_ssize_t row) noexcept nogil:
        cdef Py_ssize_t g
        cdef double largest = -INFINITY, moduli = 0, total = 0
        self.n_lost[row] = 0
        for g in range(self.n_images):
            if self.signs[row, g] == 0:
                self.n_lost[row] += 1
            elif self.log_magnitude[row, g] > largest:
                largest = self.log_magnitude[row, g]
        self.largest[row] = largest if isfinite(largest) else 0
        for g in range(self.n_images):
            self.terms[row, g] = 0
            if self.signs[row, g]:
                self.terms[row, g] = (self.coefficients[g] * self.signs[row, g]
                                      * exp(self.log_magnitude[row, g] - self.largest[row]))
                moduli += fabs(self.terms[row, g])
                total += self.terms[row, g]
        self.total[row] = total if fabs(total) > CANCELLED * moduli else 0

    # ---- moves -----------------------------------------------------------------------------------------------------

    cdef void prepare(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        """Note the hops of a proposal."""
        cdef Py_ssize_t old, new, m = self.n_orbitals
        cdef int p
        self.row_hop = self.column_hop = self.row_to = self.column_to = -1
        for p in range(0, proposal.n_flips, 2):
            old, new = proposal.flips[p], proposal.flips[p + 1]
            if visible[old] < 0:
                old, new = new, old
            if (old >= m) == self.rows_are_down:
                self.row_hop, self.row_to = self.row_place[row, old % m], new % m
            else:
                self.column_hop, self.column_to = self.column_place[row, old % m], new % m

    cdef void find_lane_ratios(self, Py_ssize_t row) noexcept nogil:
        """Write the ratio of the determinant of every lane, for the hops that are noted, to `lane_ratio`."""
        cdef Py_ssize_t g, k, i = self.row_hop, j = self.column_hop, a = self.row_to, b = self.column_to
        cdef Py_ssize_t n_images = self.n_images
        cdef double *ratio = &self.lane_ratio[0]
        cdef double *rest = &self.factor[0]
        if j < 0:
            for g in range(n_images):
                ratio[g] = self.row_ratios[row, a, i, g]
        elif i < 0:
            for g in range(n_images):
                ratio[g] = self.column_ratios[row, j, b, g]
        else:
            self.residual(row, a, b, rest)
            for g in range(n_images):
                ratio[g] = (self.row_ratios[row, a, i, g] * self.column_ratios[row, j, b, g]
                            + self.inverse[row, j, i, g] * rest[g])

    cdef void residual(self, Py_ssize_t row, Py_ssize_t a, Py_ssize_t b, double *out) noexcept nogil:
        """R = F_ab - sum_i W_ai F_(i b) of every lane: the ratio where a row a and a column b are appended."""
        cdef Py_ssize_t g, i, orbital, n_images = self.n_images
        cdef const double *pairing = &self.pairing[a, b, 0]
        cdef double *ratios
        for g in range(n_images):
            out[g] = pairing[g]
        for i in range(self.n_rows):
            orbital = self.row_orbital[row, i]
            pairing, ratios = &self.pairing[orbital, b, 0], &self.row_ratios[row, a, i, 0]
            for g in range(n_images):
                out[g] -= ratios[g] * pairing[g]

    cdef double complex ratio(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef Py_ssize_t g
        cdef double total = 0, moduli = 0, term, log_magnitude
        cdef int sign
        self.prepare(row, visible, proposal)
        self.find_lane_ratios(row)
        for g in range(self.n_images):
            term = self.terms[row, g] * self.lane_ratio[g]
            total += term
            moduli += fabs(term)
        if self.n_lost[row]:
            for g in range(self.n_images):
                if self.signs[row, g] == 0:
                    sign = self.fill(row, g, &log_magnitude)
                    term = sign * self.coefficients[g] * exp(log_magnitude - self.largest[row]) if sign else 0
                    total += term
                    moduli += fabs(term)
        if not fabs(total) > CANCELLED * moduli:
            return 0 if self.total[row] != 0 else 1
        return total / self.total[row] if self.total[row] != 0 else HUGE

    cdef void accept(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef Py_ssize_t g, row_hop, row_to, column_hop, column_to
        cdef int p
        self.prepare(row, visible, proposal)
        row_hop, row_to, column_hop, column_to = self.row_hop, self.row_to, self.column_hop, self.column_to
        for g in range(self.n_images):
            self.lane_ratio[g] = 1
        if row_hop >= 0:
            self.hop_row(row, row_hop, row_to)
        if column_hop >= 0:
            self.hop_column(row, column_hop, column_to)
        for g in range(self.n_images):
            if self.signs[row, g] == 0 or self.lane_ratio[g] == 0:
                self.build_lane(row, g)
        self.sum_terms(row)

    cdef void follow(self, Py_ssize_t row, const double *ratio) noexcept nogil:
        """Multiply the determinants by their ratios and put 1 / ratio into `factor`, 0 of lanes to be built anew."""
        cdef Py_ssize_t g
        for g in range(self.n_images):
            self.factor[g] = 0
            if self.signs[row, g] == 0 or not SAFE_RATIO < fabs(ratio[g]) < 1 / SAFE_RATIO:
                self.lane_ratio[g] = 0
                continue
            self.factor[g] = 1 / ratio[g]
            self.log_magnitude[row, g] += log(fabs(ratio[g]))
            if ratio[g] < 0:
                self.signs[row, g] = -self.signs[row, g]

    cdef void hop_row(self, Py_ssize_t row, Py_ssize_t i, Py_ssize_t a) noexcept nogil:
        """Row i to orbital a, r = W_ai, w = W_a - e_i: W -= W_i w / r, G -= G_i w / r, V += G_i (F_a - W_a F) / r."""
        cdef Py_ssize_t b, j, k, g, old = self.row_orbital[row, i], n_images = self.n_images
        cdef double *outer = &self.outer[0]
        cdef double *factor = &self.factor[0]
        self.follow(row, &self.row_ratios[row, a, i, 0])
        for b in range(self.n_orbitals):
            self.residual(row, a, b, outer + b * n_images)
        for j in range(self.n_columns):
            for b in range(self.n_orbitals):
                for g in range(n_images):
                    self.column_ratios[row, j, b, g] += (
                        self.inverse[row, j, i, g] * outer[b * n_images + g] * factor[g])
        for k in range(self.n_rows):
            for g in range(n_images):
                outer[k * n_images + g] = (self.row_ratios[row, a, k, g] - (k == i)) * factor[g]
        subtract_outer(&self.row_ratios[row, 0, 0, 0], self.n_orbitals, self.n_rows * n_images, self.n_rows, n_images,
                       n_images, i, outer)
        subtract_outer(&self.inverse[row, 0, 0, 0], self.n_rows, self.n_rows * n_images, self.n_rows, n_images,
                       n_images, i, outer)
        self.row_place[row, old], self.row_place[row, a] = -1, i
        self.row_orbital[row, i] = a

    cdef void hop_column(self, Py_ssize_t row, Py_ssize_t j, Py_ssize_t b) noexcept nogil:
        """Move the electron of column j to orbital b: the transpose of `hop_row`."""
        cdef Py_ssize_t a, i, k, g, old = self.column_orbital[row, j], n_images = self.n_images
        cdef double *outer = &self.outer[0]
        cdef double *factor = &self.factor[0]
        cdef double change
        self.follow(row, &self.column_ratios[row, j, b, 0])
        for a in range(self.n_orbitals):
            self.residual(row, a, b, outer + a * n_images)
        for a in range(self.n_orbitals):
            for i in range(self.n_rows):
                for g in range(n_images):
                    self.row_ratios[row, a, i, g] += (
                        outer[a * n_images + g] * self.inverse[row, j, i, g] * factor[g])
        for k in range(self.n_rows):  # v of unpaired columns: their V is G F_b, too, not kept
            for g in range(n_images):
                change = self.column_ratios[row, k, b, g] if k < self.n_columns else 0
                for i in range(self.n_rows if k >= self.n_columns else 0):
                    change += self.inverse[row, k, i, g] * self.pairing[self.row_orbital[row, i], b, g]
                outer[k * n_images + g] = (change - (k == j)) * factor[g]
        subtract_outer(&self.inverse[row, 0, 0, 0], self.n_rows, n_images, self.n_rows, self.n_rows * n_images,
                       n_images, j, outer)
        subtract_outer(&self.column_ratios[row, 0, 0, 0], self.n_orbitals, n_images, self.n_columns,
                       self.n_orbitals * n_images, n_images, j, outer)
        self.column_place[row, old], self.column_place[row, b] = -1, j
        self.column_orbital[row, j] = b

    # ---- values ----------------------------------------------------------------------------------------------------

    cdef bint is_odd(self, Py_ssize_t row) noexcept nogil:
        """Return whether an odd permutation brings the electrons of a state into the order of their orbitals."""
        cdef Py_ssize_t i, k
        cdef bint odd = False
        for i in range(self.n_rows):
            for k in range(i):
                odd ^= self.row_orbital[row, k] > self.row_orbital[row, i]
        for i in range(self.n_columns):
            for k in range(i):
                odd ^= self.column_orbital[row, k] > self.column_orbital[row, i]
        return odd

    cdef double complex log_psi(self, Py_ssize_t row, const int8_t *visible) noexcept nogil:
        if self.total[row] == 0:
            return -INFINITY
        return self.largest[row] + log(fabs(self.total[row])) + (
            1j * pi if (self.total[row] < 0) ^ self.is_odd(row) else 0)

    cdef void log_derivs(self, const int8_t *visible, Py_ssize_t n, double *out, Py_ssize_t stride) noexcept nogil:
        cdef Py_ssize_t row, i, j, k, g
        cdef const int *param
        cdef double *inverse
        for row in range(n):
            for k in range(self.n_params):
                out[row * stride + k] = 0
            if self.total[row] == 0:
                continue
            for g in range(self.n_images):
                self.factor[g] = self.terms[row, g] / self.total[row]
            for i in range(self.n_rows):
                for j in range(self.n_rows):
                    param = &self.pairing_param[self.row_orbital[row, i], self.column_orbital[row, j], 0]
                    inverse = &self.inverse[row, j, i, 0]
                    for g in range(self.n_images):
                        if param[g] > 0:
                            out[row * stride + param[g] - 1] += self.factor[g] * inverse[g]
                        elif param[g] < 0:
                            out[row * stride - param[g] - 1] -= self.factor[g] * inverse[g]


cdef void subtract_outer(double *matrix, Py_ssize_t n_lines, Py_ssize_t to_line, Py_ssize_t n, Py_ssize_t to_next,
                         Py_ssize_t n_images, Py_ssize_t i, const double *outer) noexcept nogil:
    """line[k] -= line[i] outer[k] of every line and lane, *in place*; lines and their n entries are so far apart."""
    cdef Py_ssize_t v, k, g
    cdef double *line
    cdef double *entry
    cdef double *pivot
    for v in range(n_lines):
        line = matrix + v * to_line
        pivot = line + i * to_next
        for k in range(n):
            entry = line + k * to_next
            for g in range(n_images if k != i else 0):
                entry[g] -= pivot[g] * outer[k * n_images + g]
        for g in range(n_images):  # last: it is read above
            pivot[g] -= pivot[g] * outer[i * n_images + g]
