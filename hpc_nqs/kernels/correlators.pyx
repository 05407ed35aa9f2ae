"""Tables of the configurations of small clusters: ln Psi = sum_c K[class of the spins on cluster c].

The code of a cluster has one bit per visible unit on it, set where the spin is up.  A state holds the codes of all
clusters, each behind the offset of its table; a move flips bits of the codes of the clusters that it touches.
"""

from libc.math cimport exp
from libc.stdint cimport int8_t

import numpy as np

from hpc_nqs.kernels.amplitude cimport BLOCK, Amplitude
from hpc_nqs.kernels.moves cimport Proposal


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
    first_flip : (n_changes + 1,) intp
        Change j flips the bits flip_mask[t] of clusters flip_cluster[t], first_flip[j] <= t < first_flip[j + 1].
    flip_cluster, flip_mask : (n_flips,) intp
    """

    cdef const Py_ssize_t[::1] first_unit, units, first_code, entry_change, first_flip, flip_cluster, flip_mask
    cdef const double[::1] table
    cdef const int[::1] code_param
    cdef Py_ssize_t[:, ::1] codes  # states: (BLOCK, n_clusters)

    def __init__(self, n_visible, n_params, first_unit, units, first_code, table, code_param, entry_change,
                 first_flip, flip_cluster, flip_mask):
        self.width = 1
        self.n_visible = n_visible
        self.n_params = n_params
        self.first_unit, self.units, self.first_code = first_unit, units, first_code
        self.table, self.code_param = table, code_param
        self.entry_change, self.first_flip = entry_change, first_flip
        self.flip_cluster, self.flip_mask = flip_cluster, flip_mask
        self.codes = np.zeros((BLOCK, len(first_code)), dtype=np.intp)

    def sibling(self):
        return CorrelatorAmplitude(self.n_visible, self.n_params, *map(np.asarray, (
            self.first_unit, self.units, self.first_code, self.table, self.code_param, self.entry_change,
            self.first_flip, self.flip_cluster, self.flip_mask)))

    cdef void refresh(self, const int8_t *visible, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t row, c, u, code
        cdef const int8_t *spins
        for row in range(n):
            spins = visible + row * self.n_visible
            for c in range(self.first_code.shape[0]):
                code = 0
                for u in range(self.first_unit[c + 1] - 1, self.first_unit[c] - 1, -1):
                    code = 2 * code + (spins[self.units[u]] > 0)
                self.codes[row, c] = self.first_code[c] + code

    cdef double complex ratio(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef Py_ssize_t t, code, change = self.entry_change[proposal.entry]
        cdef double difference = 0
        for t in range(self.first_flip[change], self.first_flip[change + 1]):
            code = self.codes[row, self.flip_cluster[t]]
            difference += self.table[code ^ self.flip_mask[t]] - self.table[code]
        return exp(difference)

    cdef void accept(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef Py_ssize_t t, change = self.entry_change[proposal.entry]
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
