"""Softened hafnians: values that do not vanish where an exchange hafnian does, at a node or for a pair that it loses.

With bounds b_ik >= |w_ik| that are positive for every pair of sites that H connects, haf[b] >= |haf[w]|:

    density: sqrt(haf[w]^2 + share^2 haf[b]^2),      kernel: haf[w], and share haf[b] where haf[w] = 0.

Local energies of the kernel are right at its zeros, as those of `softened_determinant` are.

A state holds the states of both hafnians, which share the list of mismatched sites, and the value over the largest
entry of b.
"""

from libc.math cimport INFINITY, fabs, isfinite, log, pi, pow, sqrt
from libc.stdint cimport int8_t

import numpy as np

from hpc_nqs.kernels.amplitude cimport BLOCK, Amplitude
from hpc_nqs.kernels.hafnian cimport HafnianAmplitude
from hpc_nqs.kernels.moves cimport Proposal


cdef class SoftenedHafnianAmplitude(Amplitude):
    """Density or kernel at fixed parameters; `wavefunctions.softened_hafnian.SoftenedHafnian.amplitude` makes it.

    Parameters
    ----------
    factors : (2, n_sites, n_sites) float64
        w, as for `HafnianAmplitude`.
    bounds : (2, n_sites, n_sites) float64
        b, with the same largest entry.
    singles : (n_sites,) float64
        l, their moduli are bounds.
    max_sites : int
    share : float
        Above 0.
    is_density : bool

    Notes
    -----
    To sample rings from or to measure on them: it has no parameters and no log-derivatives.
    """

    cdef HafnianAmplitude signed, positive
    cdef double share
    cdef bint is_density
    cdef double[::1] value  # scaled (BLOCK,)

    def __init__(self, factors, bounds, singles, max_sites, share, is_density):
        none, none_alone = np.zeros(factors.shape, dtype=np.intc), np.zeros(len(singles), dtype=np.intc)
        self.signed = signed = HafnianAmplitude(factors, none, singles, none_alone, 0, max_sites)
        self.positive = positive = HafnianAmplitude(bounds, none, np.abs(singles), none_alone, 0, max_sites)
        self.width, self.n_visible, self.n_params = 1, signed.n_visible, 0
        self.share, self.is_density = share, is_density
        self.value = np.zeros(BLOCK)
        # one list of sites, which `signed` keeps
        positive.sites, positive.spins = signed.sites, signed.spins
        positive.n_listed, positive.place = signed.n_listed, signed.place

    def sibling(self):
        return SoftenedHafnianAmplitude(np.asarray(self.signed.factors), np.asarray(self.positive.factors),
                                        np.asarray(self.signed.singles), self.signed.max_sites, self.share, self.is_density)

    cdef double softened(self, double signed, double positive) noexcept nogil:
        """Return the value of both scaled hafnians; squares of their quotient do not underflow."""
        cdef double cosine
        if not positive > 0:
            return 0
        cosine = signed / positive
        if self.is_density:
            return positive * sqrt(cosine * cosine + self.share * self.share)
        return signed if signed != 0 else self.share * positive

    cdef void revalue(self, Py_ssize_t row) noexcept nogil:
        """Compute the value of a row whose list and hafnian `signed` has."""
        self.positive.sum_hafnian(row)
        self.value[row] = self.softened(self.signed.value[row], self.positive.value[row])

    cdef void refresh(self, const int8_t *visible, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t row
        self.signed.refresh(visible, n)
        for row in range(n):
            self.revalue(row)
            if n > 1 and self.value[row] != 0:
                self.positive.sum_minors(row)

    cdef double complex ratio(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef double ratio
        if not self.signed.prepare(row, visible, proposal):
            return 1
        if self.value[row] == 0:
            return 0
        self.positive.leaving, self.positive.n_leaving = self.signed.leaving, self.signed.n_leaving
        self.positive.joining, self.positive.n_joining = self.signed.joining, self.signed.n_joining
        self.positive.joining_spin = self.signed.joining_spin
        ratio = self.softened(self.signed.new_hafnian(row), self.positive.new_hafnian(row)) / self.value[row]
        ratio *= pow(self.signed.scale, 0.5 * (self.signed.n_joining - self.signed.n_leaving))
        return ratio if isfinite(ratio) else 0

    cdef void accept(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        self.signed.accept(row, visible, proposal)
        self.revalue(row)

    cdef double complex log_psi(self, Py_ssize_t row, const int8_t *visible) noexcept nogil:
        cdef double value = self.value[row]
        if value == 0:
            return -INFINITY
        return log(fabs(value)) + 0.5 * self.signed.n_listed[row] * log(self.signed.scale) + (1j * pi if value < 0 else 0)
