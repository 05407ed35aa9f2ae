"""Tables of the configurations of small clusters: ln Psi = sum_c K[class of the spins on cluster c].

The code of a cluster has one bit per visible unit on it, set where the spin is up.  A state holds the codes of all
clusters, each behind the offset of its table; a move flips bits of the codes of the clusters that it touches.

Where many ratios of a configuration are to come, the differences D_v of ln Psi for the flip of one unit v are summed
once.  A move that flips the units v and w then has D_v + D_w and corrections from the few clusters with both of them.
"""

from libc.math cimport exp
from libc.stdint cimport int8_t

import numpy as np

from hpc_nqs.kernels.amplitude cimport BLOCK, Amplitude
from hpc_nqs.kernels.moves cimport Proposal

cdef extern from "nqs_tables.h" nogil:
    void nqs_codes(const int *, const Py_ssize_t *, const Py_ssize_t *, const Py_ssize_t *, Py_ssize_t, int *)
    void nqs_flip_differences(const double *, const int *, const Py_ssize_t *, const Py_ssize_t *, Py_ssize_t, Py_ssize_t,
                              double *)


cdef class CorrelatorAmplitude(Amplitude):
    """One set of tables at fixed parameters; `wavefunctions.clusters.CorrelatorProduct.amplitude` makes it.

    Parameters
    ----------
    n_visible, n_params : int
    first_unit : (n_clusters + 1,) intp
        The units of cluster c are units[first_unit[c] : first_unit[c + 1]], lowest bit first.
    units : (n,) intp
    first_code : (n_clusters,) intp
        Where the table of a cluster begins; a multiple of its length.
    table : (n_codes,) float64
        The term of ln Psi of every code of every table.
    code_param : (n_codes,) int32
        1 + k of the parameter behind each entry of `table`.
    entry_change : (n_entries,) intp
        The change of the codes behind an entry of the moves' tables.
    change_units : (n_changes, 2) intp
        The units of a change of two, else -1.
    first_flip : (n_changes + 1,) intp
        Change j flips the bits flip_mask[t] of clusters flip_cluster[t], first_flip[j] <= t < first_flip[j + 1].
    first_single : (n_changes,) intp
        From here on masks have one bit.
    flip_cluster, flip_mask : (n_flips,) int32
    """

    cdef const Py_ssize_t[::1] first_unit, units, first_code, entry_change, first_flip, first_single
    cdef const Py_ssize_t[:, ::1] change_units
    cdef const int[::1] flip_cluster, flip_mask
    cdef const double[::1] table
    cdef const int[::1] code_param
    cdef int[:, ::1] codes            # states: (BLOCK, n_clusters)
    cdef double[:, ::1] differences   # D (n_visible, BLOCK), where has_differences
    cdef int[::1] has_differences     # (BLOCK,)
    cdef int[:, ::1] up, lanes        # work: spins (n_visible, BLOCK) and codes (n_clusters, BLOCK)

    def __init__(self, n_visible, n_params, first_unit, units, first_code, table, code_param, entry_change,
                 change_units, first_flip, first_single, flip_cluster, flip_mask):
        self.width = 1
        self.n_visible = n_visible
        self.n_params = n_params
        self.first_unit, self.units, self.first_code = first_unit, units, first_code
        self.table, self.code_param = table, code_param
        self.entry_change, self.change_units = entry_change, change_units
        self.first_flip, self.first_single = first_flip, first_single
        self.flip_cluster, self.flip_mask = flip_cluster, flip_mask
        self.codes, self.lanes = (np.zeros(shape, dtype=np.intc) for shape in (
            (BLOCK, len(first_code)), (len(first_code), BLOCK)))
        self.differences, self.up = np.zeros((n_visible, BLOCK)), np.zeros((n_visible, BLOCK), dtype=np.intc)
        self.has_differences = np.zeros(BLOCK, dtype=np.intc)

    def sibling(self):
        return CorrelatorAmplitude(self.n_visible, self.n_params, *map(np.asarray, (
            self.first_unit, self.units, self.first_code, self.table, self.code_param, self.entry_change,
            self.change_units, self.first_flip, self.first_single, self.flip_cluster, self.flip_mask)))

    cdef void refresh(self, const int8_t *visible, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t row, c, u
        for row in range(n):
            self.has_differences[row] = False
            for u in range(self.n_visible):
                self.up[u, row] = visible[row * self.n_visible + u] > 0
        nqs_codes(&self.up[0, 0], &self.first_unit[0], &self.units[0], &self.first_code[0], self.first_code.shape[0],
                  &self.lanes[0, 0])
        for c in range(self.first_code.shape[0]):
            for row in range(n):
                self.codes[row, c] = self.lanes[c, row]

    cdef void anticipate(self, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t row, c
        for c in range(self.first_code.shape[0]):
            for row in range(n):
                self.lanes[c, row] = self.codes[row, c]
        nqs_flip_differences(&self.table[0], &self.lanes[0, 0], &self.first_unit[0], &self.units[0],
                             self.first_code.shape[0], self.n_visible, &self.differences[0, 0])
        for row in range(n):
            self.has_differences[row] = True

    cdef double complex ratio(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef Py_ssize_t t, change = self.entry_change[proposal.entry]
        cdef int code, mask, bit
        cdef double difference = 0
        if self.has_differences[row] and self.change_units[change, 0] >= 0:
            difference = (self.differences[self.change_units[change, 0], row]
                          + self.differences[self.change_units[change, 1], row])
            for t in range(self.first_flip[change], self.first_single[change]):
                code, mask = self.codes[row, self.flip_cluster[t]], self.flip_mask[t]
                bit = mask & -mask
                difference += (self.table[code] + self.table[code ^ mask]) - (
                    self.table[code ^ bit] + self.table[code ^ bit ^ mask])
            return exp(difference)
        for t in range(self.first_flip[change], self.first_flip[change + 1]):
            code = self.codes[row, self.flip_cluster[t]]
            difference += self.table[code ^ self.flip_mask[t]] - self.table[code]
        return exp(difference)

    cdef void accept(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef Py_ssize_t t, change = self.entry_change[proposal.entry]
        self.has_differences[row] = False
        for t in range(self.first_flip[change], self.first_flip[change + 1]):
            self.codes[row, self.flip_cluster[t]] ^= self.flip_mask[t]

    cdef double complex log_psi(self, Py_ssize_t row, const int8_t *visible) noexcept nogil:
        cdef Py_ssize_t c
        cdef double total = 0
        for c in range(self.first_code.shape[0]):
            total += self.table[self.codes[row, c]]
        return total

    cdef void log_derivs(self, const int8_t *visible, Py_ssize_t n, double *out, Py_ssize_t stride) noexcept nogil:
        cdef Py_ssize_t row, c, k
        for row in range(n):
            for k in range(self.n_params):
                out[row * stride + k] = 0
            for c in range(self.first_code.shape[0]):
                out[row * stride + self.code_param[self.codes[row, c]] - 1] += 1
