"""Determinants of electrons with backflow: Psi = prod_s det[A^s_ab], a the orbitals on one layer, b on the other.

Visible units are the spin-orbitals of both layers, n_orbitals of spin up, as many of spin down, then the same of the
ancilla layer, where +1 is an *empty* orbital.  A^s_ab depends on the occupations n, n' of a and of b with the other
spin on the two layers, on the code n_a + 2 n'_a + 4 n_b + 8 n'_b.

Electrons keep their rows and columns: where one hops, its row is replaced in place, and `ratio` is the amplitude of
c+_p c_q without any sign of the order of the orbitals.  An electron that joins comes last in both layers, one that
leaves is taken away from there.  `log_psi` is that of the electrons in the order of their orbitals.

Where H moves electrons between groups of orbitals in pairs alone, the number of electrons of either spin in a group is
even or odd on both layers, and Psi = 0 elsewhere.

A state holds the orbitals of the electrons, the codes, and the inverse of either matrix.  Where one electron hops the
ratio of the determinants of its own spin is a sum of n products; those of the other spin, whose codes it changes, are
factorized anew where an electron stands on one of the two orbitals.  Accepted moves invert anew: nothing drifts.
"""

from libc.math cimport INFINITY, exp, fabs, log, pi
from libc.stdint cimport int8_t

import numpy as np

from hpc_nqs.kernels.amplitude cimport BLOCK, Amplitude
from hpc_nqs.kernels.moves cimport Proposal

cdef extern from "nqs_pairs.h" nogil:
    int nqs_invert(double *, Py_ssize_t, Py_ssize_t, Py_ssize_t *, double *)

# A pivot this small, with the largest entry of its row as the unit, is the rounding error of a zero of Psi.
cdef double SINGULAR = 1e-11


cdef class DeterminantAmplitude(Amplitude):
    """Both determinants at fixed parameters; `BackflowDeterminant.amplitude` of `wavefunctions` makes it.

    Parameters
    ----------
    propagator : (2, n_orbitals, n_orbitals, 16) float64
        A of either spin, every orbital of the first layer, of the second, and every code.
    propagator_param : (2, n_orbitals, n_orbitals, 16) int32
        1 + k of the parameter behind each entry; 0: none.
        Signed: A = -params[k] where it is negative.
    groups : (n_orbitals,) intp
        The group of every orbital.
    n_params : int

    Notes
    -----
    Both layers hold as many electrons of either spin.  A proposal moves one electron of one spin or of both on one
    layer or on both, or adds or takes away one on both.
    """

    def __init__(self, propagator, propagator_param, groups, n_params):
        cdef Py_ssize_t n
        self.width = 1
        self.n_params = n_params
        self.n_orbitals = n = propagator.shape[1]
        self.n_visible = 4 * n
        self.n_row = (n + BLOCK - 1) // BLOCK * BLOCK
        self.propagator, self.propagator_param = propagator, propagator_param
        self.groups, self.has_groups = groups, bool(np.any(groups))
        self.in_group = np.zeros(n, dtype=np.intc)
        self.electrons, self.place = (np.zeros((BLOCK, 2, 2, n), dtype=np.intp) for _ in range(2))
        self.n_electrons = np.zeros((BLOCK, 2, 2), dtype=np.intp)
        self.codes, self.inverse = np.zeros((BLOCK, 2, n), dtype=np.intc), np.zeros((BLOCK, 2, n, self.n_row))
        self.log_magnitude, self.signs = np.zeros((BLOCK, 2)), np.ones((BLOCK, 2), dtype=np.intc)
        self.new_electrons = np.zeros((2, 2, n), dtype=np.intp)
        self.new_codes, self.matrix = np.zeros((2, n), dtype=np.intc), np.zeros((n, self.n_row))
        self.scales, self.pivots, self.swaps = np.zeros(n), np.zeros(n), np.zeros(n, dtype=np.intp)

    def sibling(self):
        return DeterminantAmplitude(*map(np.asarray, (self.propagator, self.propagator_param, self.groups)),
                                    self.n_params)

    # ---- determinants ----------------------------------------------------------------------------------------------

    cdef bint fill(self, Py_ssize_t spin, const Py_ssize_t *rows, const Py_ssize_t *columns, Py_ssize_t size,
                   const int *codes, double *log_scale) noexcept nogil:
        """Fill `matrix` with A of electrons, its rows over their largest entries; return 0 where a row vanishes."""
        cdef Py_ssize_t i, j
        cdef double largest
        log_scale[0] = 0
        for i in range(size):
            largest = 0
            for j in range(size):
                self.matrix[i, j] = self.propagator[spin, rows[i], columns[j], codes[rows[i]] + 4 * codes[columns[j]]]
                largest = max(largest, fabs(self.matrix[i, j]))
            if largest == 0:
                return False
            self.scales[i] = 1 / largest
            log_scale[0] += log(largest)
            for j in range(size):
                self.matrix[i, j] *= self.scales[i]
        return True

    cdef int determinant(self, Py_ssize_t size, double *log_magnitude) noexcept nogil:
        """Return the sign of the determinant of `matrix`, 0 for a zero, and its logarithm; the matrix is destroyed."""
        cdef Py_ssize_t i, j, k, pivot
        cdef int sign = 1
        cdef double factor, product = 1
        log_magnitude[0] = 0
        for k in range(size):
            pivot = k
            for i in range(k + 1, size):
                if fabs(self.matrix[i, k]) > fabs(self.matrix[pivot, k]):
                    pivot = i
            if not fabs(self.matrix[pivot, k]) > SINGULAR:
                return 0
            if pivot != k:
                sign = -sign
                for j in range(k, size):
                    factor = self.matrix[k, j]
                    self.matrix[k, j] = self.matrix[pivot, j]
                    self.matrix[pivot, j] = factor
            product *= self.matrix[k, k]
            if fabs(product) < 1e-200:  # no underflow of many small pivots
                log_magnitude[0] += log(fabs(product))
                product = 1 if product > 0 else -1
            for i in range(k + 1, size):
                factor = self.matrix[i, k] / self.matrix[k, k]
                for j in range(k + 1, size):
                    self.matrix[i, j] -= factor * self.matrix[k, j]
        log_magnitude[0] += log(fabs(product))
        return -sign if product < 0 else sign

    cdef void invert(self, Py_ssize_t row, Py_ssize_t spin) noexcept nogil:
        """Compute inverse, magnitude and sign of a determinant from its lists and codes."""
        cdef Py_ssize_t i, j, size = self.n_electrons[row, spin, PHYSICAL]
        cdef int sign = 1
        cdef double log_scale, smallest = INFINITY, total = 0
        cdef bint exists = size == self.n_electrons[row, spin, ANCILLA] and self.fill(
            spin, &self.electrons[row, spin, PHYSICAL, 0], &self.electrons[row, spin, ANCILLA, 0], size,
            &self.codes[row, spin, 0], &log_scale)
        self.signs[row, spin], self.log_magnitude[row, spin] = 0, -INFINITY
        self.inverse[row, spin, :, :] = 0
        if not exists:
            return
        for i in range(size):
            for j in range(size):
                self.inverse[row, spin, i, j] = self.matrix[i, j]
        if nqs_invert(&self.inverse[row, spin, 0, 0], size, self.n_row, &self.swaps[0], &self.pivots[0]) & 1:
            sign = -1
        for i in range(size):
            smallest = min(smallest, fabs(self.pivots[i]))
            total += log(fabs(self.pivots[i]))
            if self.pivots[i] < 0:
                sign = -sign
        if not smallest > SINGULAR:
            self.inverse[row, spin, :, :] = 0
            return
        for i in range(size):
            for j in range(size):
                self.inverse[row, spin, i, j] *= self.scales[j]
        self.signs[row, spin], self.log_magnitude[row, spin] = sign, total + log_scale

    # ---- moves -----------------------------------------------------------------------------------------------------

    cdef void prepare(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        """Find the electrons that a move takes from and to orbitals, and the determinants that it changes."""
        cdef Py_ssize_t unit, orbital, spin, layer, n = self.n_orbitals
        cdef int p
        for spin in range(2):
            self.listed[spin] = self.recoded[spin] = False
            for layer in range(2):
                self.leaving[spin][layer] = self.joining[spin][layer] = -1
        for p in range(proposal.n_flips):
            unit = proposal.flips[p]
            layer, spin, orbital = unit // (2 * n), unit // n % 2, unit % n
            self.listed[spin] = True
            # an orbital is occupied where its unit is up, on the ancilla layer where it is down
            if (visible[unit] > 0) == (layer == PHYSICAL):
                self.leaving[spin][layer] = orbital
            else:
                self.joining[spin][layer] = orbital
            if self.place[row, 1 - spin, PHYSICAL, orbital] >= 0 or self.place[row, 1 - spin, ANCILLA, orbital] >= 0:
                self.recoded[1 - spin] = True
        if self.listed[0] and self.listed[1]:  # one may come to an orbital where the other one changes the codes
            self.recoded[0] = self.recoded[1] = True

    cdef bint breaks_groups(self, const Proposal *proposal) noexcept nogil:
        """Return whether a move leaves a group with an even number of electrons on one layer and an odd one beyond."""
        cdef Py_ssize_t p, q
        cdef int count
        for p in range(proposal.n_flips):
            count = 0
            for q in range(proposal.n_flips):
                count += self.groups[proposal.flips[q] % self.n_orbitals] == (
                    self.groups[proposal.flips[p] % self.n_orbitals])
            if count & 1:
                return True
        return False

    cdef bint matches_groups(self, Py_ssize_t row) noexcept nogil:
        """Return whether every group holds an even number of electrons of either spin on both layers together."""
        cdef Py_ssize_t spin, layer, i
        self.in_group[:] = 0
        for spin in range(2):
            for layer in range(2):
                for i in range(self.n_electrons[row, spin, layer]):
                    self.in_group[self.groups[self.electrons[row, spin, layer, i]]] ^= 1
        for i in range(self.n_orbitals):
            if self.in_group[i]:
                return False
        return True

    cdef void fill_lists(self, Py_ssize_t row) noexcept nogil:
        """Write lists and codes after the move: who hops keeps the place, who joins is last, the last fills a hole."""
        cdef Py_ssize_t spin, layer, i, n, old, new
        for spin in range(2):
            for i in range(self.n_orbitals):
                self.new_codes[spin, i] = self.codes[row, spin, i]
        for spin in range(2):
            for layer in range(2):
                n, old, new = self.n_electrons[row, spin, layer], self.leaving[spin][layer], self.joining[spin][layer]
                for i in range(n):
                    self.new_electrons[spin, layer, i] = self.electrons[row, spin, layer, i]
                if old >= 0 and new >= 0:
                    self.new_electrons[spin, layer, self.place[row, spin, layer, old]] = new
                elif old >= 0:
                    n -= 1
                    self.new_electrons[spin, layer, self.place[row, spin, layer, old]] = (
                        self.electrons[row, spin, layer, n])
                elif new >= 0:
                    self.new_electrons[spin, layer, n] = new
                    n += 1
                self.n_new[spin][layer] = n
                if old >= 0:
                    self.new_codes[1 - spin, old] ^= 1 << layer
                if new >= 0:
                    self.new_codes[1 - spin, new] ^= 1 << layer

    cdef double row_ratio(self, Py_ssize_t row, Py_ssize_t spin, Py_ssize_t layer) noexcept nogil:
        """Return the ratio of determinants of an electron that hops on one layer, or leaves both where layer is 2."""
        cdef Py_ssize_t k, other, old, new, size = self.n_electrons[row, spin, PHYSICAL]
        cdef const int *codes = &self.codes[row, spin, 0]
        cdef double total = 0
        if layer > ANCILLA:
            return self.inverse[row, spin, self.place[row, spin, ANCILLA, self.leaving[spin][ANCILLA]],
                                self.place[row, spin, PHYSICAL, self.leaving[spin][PHYSICAL]]]
        old, new = self.place[row, spin, layer, self.leaving[spin][layer]], self.joining[spin][layer]
        for k in range(size):
            other = self.electrons[row, spin, 1 - layer, k]
            if layer == PHYSICAL:
                total += (self.propagator[spin, new, other, codes[new] + 4 * codes[other]]
                          * self.inverse[row, spin, k, old])
            else:
                total += (self.propagator[spin, other, new, codes[other] + 4 * codes[new]]
                          * self.inverse[row, spin, old, k])
        return total

    cdef double fresh_ratio(self, Py_ssize_t row, Py_ssize_t spin) noexcept nogil:
        """Return the ratio of determinants from the lists and codes after the move."""
        cdef Py_ssize_t layer, size = self.n_new[spin][PHYSICAL]
        cdef double log_scale, log_magnitude
        cdef int sign, n_last = 0
        if size != self.n_new[spin][ANCILLA] or not self.fill(
                spin, &self.new_electrons[spin, PHYSICAL, 0], &self.new_electrons[spin, ANCILLA, 0], size,
                &self.new_codes[spin, 0], &log_scale):
            return 0
        sign = self.determinant(size, &log_magnitude) * self.signs[row, spin]
        if size < self.n_electrons[row, spin, PHYSICAL]:
            # row and column go to the end, and the last one that filled the hole back behind all others
            for layer in range(2):
                n_last += self.place[row, spin, layer, self.leaving[spin][layer]] == size
            if n_last == 1:
                sign = -sign
        return sign * exp(log_magnitude + log_scale - self.log_magnitude[row, spin]) if sign else 0

    cdef double spin_ratio(self, Py_ssize_t row, Py_ssize_t spin) noexcept nogil:
        """Return the ratio of the determinants of one spin of the move that `prepare` has read."""
        cdef bint hops[2]
        cdef Py_ssize_t layer
        if self.recoded[spin]:
            return self.fresh_ratio(row, spin)
        if not self.listed[spin]:
            return 1
        for layer in range(2):
            hops[layer] = self.leaving[spin][layer] >= 0 and self.joining[spin][layer] >= 0
            if hops[layer] and self.leaving[spin][1 - layer] < 0 and self.joining[spin][1 - layer] < 0:
                return self.row_ratio(row, spin, layer)
        if hops[0] or hops[1] or self.joining[spin][0] >= 0 or self.joining[spin][1] >= 0:
            return self.fresh_ratio(row, spin)
        return self.row_ratio(row, spin, 2)

    # ---- what an amplitude does ------------------------------------------------------------------------------------

    cdef void list_electrons(self, const int8_t *visible, Py_ssize_t n) noexcept nogil:
        """Write lists and codes of n configurations."""
        cdef Py_ssize_t row, spin, layer, orbital, count, m = self.n_orbitals
        cdef const int8_t *units
        for row in range(n):
            self.codes[row, :, :] = 0
            for layer in range(2):
                for spin in range(2):
                    units = visible + row * self.n_visible + (2 * layer + spin) * m
                    count = 0
                    for orbital in range(m):
                        self.place[row, spin, layer, orbital] = -1
                        if (units[orbital] > 0) == (layer == PHYSICAL):
                            self.place[row, spin, layer, orbital] = count
                            self.electrons[row, spin, layer, count] = orbital
                            self.codes[row, 1 - spin, orbital] |= 1 << layer
                            count += 1
                    self.n_electrons[row, spin, layer] = count

    cdef void refresh(self, const int8_t *visible, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t row, spin
        self.list_electrons(visible, n)
        for row in range(n):
            for spin in range(2):
                self.invert(row, spin)
            if self.has_groups and not self.matches_groups(row):
                self.signs[row, 0] = self.signs[row, 1] = 0

    cdef double complex ratio(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef double ratio
        if self.signs[row, 0] == 0 or self.signs[row, 1] == 0 or (self.has_groups and self.breaks_groups(proposal)):
            return 0
        self.prepare(row, visible, proposal)
        self.fill_lists(row)
        ratio = self.spin_ratio(row, 0)
        return ratio * self.spin_ratio(row, 1) if ratio != 0 else 0

    cdef void move_electrons(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        """Move lists and codes of a row along; `listed` and `recoded` say which determinants that changes."""
        cdef Py_ssize_t spin, layer, i
        self.prepare(row, visible, proposal)
        self.fill_lists(row)
        for spin in range(2):
            for i in range(self.n_orbitals):
                self.codes[row, spin, i] = self.new_codes[spin, i]
            for layer in range(2):
                self.n_electrons[row, spin, layer] = self.n_new[spin][layer]
                if self.leaving[spin][layer] >= 0:
                    self.place[row, spin, layer, self.leaving[spin][layer]] = -1
                for i in range(self.n_new[spin][layer]):
                    self.electrons[row, spin, layer, i] = self.new_electrons[spin, layer, i]
                    self.place[row, spin, layer, self.new_electrons[spin, layer, i]] = i

    cdef void accept(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef Py_ssize_t spin
        self.move_electrons(row, visible, proposal)
        for spin in range(2):
            if self.listed[spin] or self.recoded[spin]:
                self.invert(row, spin)

    cdef int order_sign(self, Py_ssize_t row) noexcept nogil:
        """Return the sign that brings the electrons of a row into the order of their orbitals."""
        cdef Py_ssize_t spin, layer, i, k
        cdef int sign = 1
        for spin in range(2):
            for layer in range(2):
                for i in range(self.n_electrons[row, spin, layer]):
                    for k in range(i):
                        if self.electrons[row, spin, layer, k] > self.electrons[row, spin, layer, i]:
                            sign = -sign
        return sign

    cdef double complex log_psi(self, Py_ssize_t row, const int8_t *visible) noexcept nogil:
        cdef int sign = self.signs[row, 0] * self.signs[row, 1]
        if sign == 0:
            return -INFINITY
        sign *= self.order_sign(row)
        return self.log_magnitude[row, 0] + self.log_magnitude[row, 1] + (1j * pi if sign < 0 else 0)

    cdef void log_derivs(self, const int8_t *visible, Py_ssize_t n, double *out, Py_ssize_t stride) noexcept nogil:
        cdef Py_ssize_t row, spin, i, j, a, b, k
        cdef int param
        for row in range(n):
            for k in range(self.n_params):
                out[row * stride + k] = 0
            if self.signs[row, 0] == 0 or self.signs[row, 1] == 0:
                continue
            for spin in range(2):
                for i in range(self.n_electrons[row, spin, PHYSICAL]):
                    a = self.electrons[row, spin, PHYSICAL, i]
                    for j in range(self.n_electrons[row, spin, ANCILLA]):
                        b = self.electrons[row, spin, ANCILLA, j]
                        param = self.propagator_param[
                            spin, a, b, self.codes[row, spin, a] + 4 * self.codes[row, spin, b]]
                        if param > 0:
                            out[row * stride + param - 1] += self.inverse[row, spin, j, i]
                        elif param < 0:
                            out[row * stride - param - 1] -= self.inverse[row, spin, j, i]
