"""Reference function of mismatched sites: Psi = prod_i h_i^(1/2), i over the sites with sigma_i = ancilla_i = mu_i.

h_i = sum_k a_ik over the sites k mismatched the other way, mu_k = -mu_i.  A state holds mu and, for all sites, the
sums of a_ik over the sites with mu_k = 1 and over those with mu_k = -1.
"""

from libc.math cimport INFINITY, log, sqrt
from libc.stdint cimport int8_t

import numpy as np

from hpc_nqs.kernels.amplitude cimport BLOCK, Amplitude
from hpc_nqs.kernels.moves cimport Proposal, changed_sites


cdef class MismatchAmplitude(Amplitude):
    """A factor without parameters; `wavefunctions.mismatches.MismatchFactor.amplitude` makes it.

    Parameters
    ----------
    amplitudes : (n_sites, n_sites) float64
        a_ik >= 0, symmetric, zero on the diagonal.
    """

    cdef Py_ssize_t n_sites
    cdef const double[:, ::1] amplitudes
    cdef int8_t[:, ::1] mismatch   # states: mu, 0 where a site is matched (BLOCK, n_sites)
    cdef double[:, :, ::1] fields  # sum_k a_ik over mu_k = +1 and over mu_k = -1 (BLOCK, 2, n_sites)

    def __init__(self, amplitudes):
        self.width = 1
        self.n_sites = len(amplitudes)
        self.n_visible = 2 * self.n_sites
        self.n_params = 0
        self.amplitudes = amplitudes
        self.mismatch = np.zeros((BLOCK, self.n_sites), dtype=np.int8)
        self.fields = np.zeros((BLOCK, 2, self.n_sites))

    def sibling(self):
        return MismatchAmplitude(np.asarray(self.amplitudes))

    cdef void refresh(self, const int8_t *visible, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t row, i, k, side
        cdef const int8_t *spins
        for row in range(n):
            spins = visible + row * self.n_visible
            self.fields[row, :, :] = 0
            for k in range(self.n_sites):
                self.mismatch[row, k] = spins[k] if spins[k] == spins[k + self.n_sites] else 0
                if self.mismatch[row, k] != 0:
                    side = self.mismatch[row, k] < 0
                    for i in range(self.n_sites):
                        self.fields[row, side, i] += self.amplitudes[k, i]

    cdef int changes(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal, Py_ssize_t *sites,
                     int8_t *after) noexcept nogil:
        """Fill the sites that a move touches and their mu after it; return their number."""
        cdef int8_t[4] sigma
        cdef int8_t[4] ancilla
        cdef int q, n = changed_sites(visible, proposal, self.n_sites, sites, &sigma[0], &ancilla[0])
        for q in range(n):
            after[q] = sigma[q] if sigma[q] == ancilla[q] else 0
        return n

    cdef double complex ratio(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef Py_ssize_t[4] sites
        cdef int8_t[4] after
        cdef int q, n = self.changes(row, visible, proposal, &sites[0], &after[0])
        cdef Py_ssize_t i
        cdef int8_t mu
        cdef double new = 1, old = 1, field
        for i in range(self.n_sites):
            mu = self.mismatch[row, i]
            if mu != 0:
                old *= self.fields[row, mu > 0, i]
            for q in range(n):
                if sites[q] == i:
                    mu = after[q]
            if mu == 0:
                continue
            field = self.fields[row, mu > 0, i]
            for q in range(n):
                field += self.amplitudes[sites[q], i] * ((after[q] == -mu) - (self.mismatch[row, sites[q]] == -mu))
            new *= field
        return sqrt(new / old) if new > 0 else 0

    cdef void accept(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef Py_ssize_t[4] sites
        cdef int8_t[4] after
        cdef int q, n = self.changes(row, visible, proposal, &sites[0], &after[0])
        cdef Py_ssize_t i
        cdef int8_t before
        for q in range(n):
            before = self.mismatch[row, sites[q]]
            if before == after[q]:
                continue
            for i in range(self.n_sites):
                if before != 0:
                    self.fields[row, before < 0, i] -= self.amplitudes[sites[q], i]
                if after[q] != 0:
                    self.fields[row, after[q] < 0, i] += self.amplitudes[sites[q], i]
            self.mismatch[row, sites[q]] = after[q]

    cdef double complex log_psi(self, Py_ssize_t row, const int8_t *visible) noexcept nogil:
        cdef Py_ssize_t i
        cdef double total = 0, field
        for i in range(self.n_sites):
            if self.mismatch[row, i] != 0:
                field = self.fields[row, self.mismatch[row, i] > 0, i]
                total += log(field) if field > 0 else -INFINITY
        return 0.5 * total
