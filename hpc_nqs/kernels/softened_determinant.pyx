"""Softened determinants: values that do not vanish where the determinant of electrons of either spin does.

The bound of Hadamard, B = prod_a |A_a| over the rows of the matrix, is how large |det A| can be.  Of either spin

    density: sqrt(det^2 + share^n B^2),      kernel: det, and share B where det = 0,

with n electrons of that spin: |det| / B falls exponentially with n, and a share that does not would be all of the
density.  Both vanish only where a row does, and where groups of orbitals hold odd numbers of electrons, as H Phi does
there.  Local energies of the kernel are right at its zeros: (H Phi) / (share B) times the weight share B of the sample
is what a mean wants, to rounding, however small the share.

A state holds the lists of a `DeterminantAmplitude` and the values; every ratio is that of two values from scratch.
Electrons keep their rows as there: ratios have no sign of the order of the orbitals.  A zero is positive for electrons
in this order, whatever their rows, so that the kernel is one function of the configuration.
"""

from libc.math cimport INFINITY, exp, log, pi, sqrt
from libc.stdint cimport int8_t

import numpy as np

from hpc_nqs.kernels.amplitude cimport BLOCK, Amplitude
from hpc_nqs.kernels.determinant cimport ANCILLA, PHYSICAL, DeterminantAmplitude
from hpc_nqs.kernels.moves cimport Proposal


cdef int order_sign(const Py_ssize_t *orbitals, Py_ssize_t size) noexcept nogil:
    """Return the sign that brings orbitals into their order."""
    cdef Py_ssize_t i, k
    cdef int sign = 1
    for i in range(size):
        for k in range(i):
            if orbitals[k] > orbitals[i]:
                sign = -sign
    return sign


cdef class SoftenedDeterminantAmplitude(Amplitude):
    """Density or kernel at fixed parameters; `wavefunctions.softened_determinant.SoftenedDeterminant` makes it.

    Parameters
    ----------
    propagator, propagator_param, groups
        As for `DeterminantAmplitude`.
    share : float
        Above 0.
    is_density : bool

    Notes
    -----
    To sample rings from or to measure on them: it has no parameters and no log-derivatives.
    """

    cdef DeterminantAmplitude plain
    cdef double share
    cdef bint is_density
    cdef double[:, ::1] log_value  # of either spin (BLOCK, 2)
    cdef int[:, ::1] signs         # 0 where a row vanishes (BLOCK, 2)

    def __init__(self, propagator, propagator_param, groups, share, is_density):
        self.plain = DeterminantAmplitude(propagator, propagator_param, groups, 0)
        self.width, self.n_visible, self.n_params = 1, self.plain.n_visible, 0
        self.share, self.is_density = share, is_density
        self.log_value, self.signs = np.zeros((BLOCK, 2)), np.ones((BLOCK, 2), dtype=np.intc)

    def sibling(self):
        plain = self.plain
        return SoftenedDeterminantAmplitude(
            *map(np.asarray, (plain.propagator, plain.propagator_param, plain.groups)), self.share, self.is_density)

    cdef int value(self, Py_ssize_t spin, const Py_ssize_t *rows, const Py_ssize_t *columns, Py_ssize_t size,
                   const int *codes, double *log_value) noexcept nogil:
        """Return the sign of the value of one spin, 0 where a row vanishes, and its logarithm."""
        cdef double log_scale, log_magnitude, log_bound, squares
        cdef Py_ssize_t i, j
        cdef int sign
        log_value[0] = -INFINITY
        if not self.plain.fill(spin, rows, columns, size, codes, &log_scale):
            return 0
        log_bound = log_scale
        for i in range(size):
            squares = 0
            for j in range(size):
                squares += self.plain.matrix[i, j] * self.plain.matrix[i, j]
            log_bound += 0.5 * log(squares)
        sign = self.plain.determinant(size, &log_magnitude)
        log_magnitude += log_scale - log_bound
        if self.is_density:
            log_magnitude = 0.5 * log((exp(2 * log_magnitude) if sign else 0) + self.share ** size)
            sign = 1
        elif sign == 0:
            log_magnitude, sign = log(self.share), order_sign(rows, size) * order_sign(columns, size)
        log_value[0] = log_bound + log_magnitude
        return sign

    cdef void refresh(self, const int8_t *visible, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t row
        self.plain.list_electrons(visible, n)
        for row in range(n):
            self.revalue(row, 0)
            self.revalue(row, 1)
            if self.plain.has_groups and not self.plain.matches_groups(row):
                self.signs[row, 0] = self.signs[row, 1] = 0

    cdef void revalue(self, Py_ssize_t row, Py_ssize_t spin) noexcept nogil:
        """Compute the value of one spin of a row from its lists and codes."""
        cdef Py_ssize_t size = self.plain.n_electrons[row, spin, PHYSICAL]
        self.signs[row, spin], self.log_value[row, spin] = 0, -INFINITY
        if size == self.plain.n_electrons[row, spin, ANCILLA]:
            self.signs[row, spin] = self.value(
                spin, &self.plain.electrons[row, spin, PHYSICAL, 0], &self.plain.electrons[row, spin, ANCILLA, 0], size,
                &self.plain.codes[row, spin, 0], &self.log_value[row, spin])

    cdef int hole_sign(self, Py_ssize_t row, Py_ssize_t spin) noexcept nogil:
        """Return the sign by which electrons that leave differ from the last ones in their places.

        Who leaves goes as the last one does; another one in its place has been exchanged with it.
        """
        cdef int sign = 1
        cdef Py_ssize_t layer
        for layer in range(2):
            if self.plain.leaving[spin][layer] >= 0 and self.plain.joining[spin][layer] < 0 and (
                    self.plain.place[row, spin, layer, self.plain.leaving[spin][layer]]
                    < self.plain.n_electrons[row, spin, layer] - 1):
                sign = -sign
        return sign

    cdef double complex ratio(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef Py_ssize_t spin
        cdef double ratio = 1, log_value
        cdef int sign
        if self.signs[row, 0] == 0 or self.signs[row, 1] == 0 or (
                self.plain.has_groups and self.plain.breaks_groups(proposal)):
            return 0
        self.plain.prepare(row, visible, proposal)
        self.plain.fill_lists(row)
        for spin in range(2):
            if not (self.plain.listed[spin] or self.plain.recoded[spin]):
                continue
            if self.plain.n_new[spin][PHYSICAL] != self.plain.n_new[spin][ANCILLA]:
                return 0
            sign = self.value(
                spin, &self.plain.new_electrons[spin, PHYSICAL, 0], &self.plain.new_electrons[spin, ANCILLA, 0],
                self.plain.n_new[spin][PHYSICAL], &self.plain.new_codes[spin, 0], &log_value)
            if sign == 0:
                return 0
            if not self.is_density:
                sign *= self.hole_sign(row, spin)
            ratio *= sign * self.signs[row, spin] * exp(log_value - self.log_value[row, spin])
        return ratio

    cdef void accept(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef Py_ssize_t spin
        self.plain.move_electrons(row, visible, proposal)
        for spin in range(2):
            if self.plain.listed[spin] or self.plain.recoded[spin]:
                self.revalue(row, spin)

    cdef double complex log_psi(self, Py_ssize_t row, const int8_t *visible) noexcept nogil:
        cdef int sign = self.signs[row, 0] * self.signs[row, 1]
        if sign == 0:
            return -INFINITY
        if not self.is_density:
            sign *= self.plain.order_sign(row)
        return self.log_value[row, 0] + self.log_value[row, 1] + (1j * pi if sign < 0 else 0)
