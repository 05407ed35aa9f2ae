"""Tables of the configurations of small clusters: ln Psi = sum_c K[class of the spins on cluster c].

Parameters belong to clusters; ln Psi is summed over larger ones that hold these, and over pairs of sites far from each
other, see `wavefunctions.cluster_cover`.

The code of a cluster has one bit per visible unit on it, set where the spin is up.  A state holds the codes of the
larger clusters, each behind the offset of its table; a move flips bits of the codes of those that it touches.  It holds
the fields f_i(s) = sum_j T_ij(s, s_j) of the four spin states s of every site, s = 1 (sigma up) + 2 (ancilla up).

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
    void nqs_flip_differences(const double *, const int *, const Py_ssize_t *, const Py_ssize_t *, Py_ssize_t,
                              Py_ssize_t, double *)
    void nqs_sum_fields(const double *, const int *, Py_ssize_t, Py_ssize_t, double *)
    void nqs_move_fields(const double *, const double *, Py_ssize_t, double *)


cdef class CorrelatorAmplitude(Amplitude):
    """One set of tables at fixed parameters; `wavefunctions.correlator_product.CorrelatorProduct.amplitude` makes it.

    Parameters
    ----------
    n_visible, n_params : int
    first_unit : (n_clusters + 1,) intp
        The units of cluster c are units[first_unit[c] : first_unit[c + 1]], lowest bit first.
    units : (n,) intp
    first_code : (n_clusters,) intp
        Where the table of a cluster begins; a multiple of its length.
    code_param : (n_codes,) int32
        1 + k of the parameter behind every code of every table.
    cover_first_unit, cover_units, cover_first_code
        The same of the clusters that ln Psi is summed over.
    cover_table : (n_cover_codes,) float64
        The term of ln Psi of every code.
    pair_table : (4 n_sites, 4 n_sites) or (0, 0) float64
        T_ij(s, t) at (4 i + s, 4 j + t), symmetric, zero for i = j.
    entry_change : (n_entries,) intp
        The change of the codes behind an entry of the moves' tables.
    change_units : (n_changes, 2) intp
        The units of a change of two, else -1.
    first_flip : (n_changes + 1,) intp
        Change j flips the bits flip_mask[t] of clusters flip_cluster[t], first_flip[j] <= t < first_flip[j + 1].
    first_single : (n_changes,) intp
        From here on masks have one bit.
    flip_cluster, flip_mask : (n_flips,) int32
    first_site : (n_changes + 1,) intp
        Change j flips the bits site_mask[t] of the states of sites site[t], first_site[j] <= t < first_site[j + 1].
    site, site_mask : (n,) int32
    """

    cdef const Py_ssize_t[::1] first_unit, units, first_code
    cdef const int[::1] code_param
    cdef const Py_ssize_t[::1] cover_first_unit, cover_units, cover_first_code
    cdef const double[::1] table
    cdef const double[:, ::1] pair_table
    cdef const Py_ssize_t[::1] entry_change, first_flip, first_single, first_site
    cdef const Py_ssize_t[:, ::1] change_units
    cdef const int[::1] flip_cluster, flip_mask, site, site_mask
    cdef Py_ssize_t n_clusters, n_cover, n_sites
    cdef bint has_pairs
    cdef int[:, ::1] codes            # states: (BLOCK, n_cover)
    cdef int[:, ::1] spins            # s of every site (BLOCK, n_sites), where has_pairs
    cdef double[:, ::1] fields        # f (BLOCK, 4 n_sites), where has_pairs and once they have been asked for
    cdef bint has_fields
    cdef Py_ssize_t n_rows            # of the last `refresh`
    cdef double[:, ::1] differences   # D (n_visible, BLOCK), where has_differences
    cdef int[::1] has_differences     # (BLOCK,)
    cdef int[:, ::1] up, lanes        # work: spins (n_visible, BLOCK) and codes (n_clusters or n_cover, BLOCK)

    def __init__(self, n_visible, n_params, first_unit, units, first_code, code_param, cover_first_unit, cover_units,
                 cover_first_code, cover_table, pair_table, entry_change, change_units, first_flip, first_single,
                 flip_cluster, flip_mask, first_site, site, site_mask):
        self.width = 1
        self.n_visible = n_visible
        self.n_params = n_params
        self.first_unit, self.units, self.first_code, self.code_param = first_unit, units, first_code, code_param
        self.cover_first_unit, self.cover_units, self.cover_first_code = cover_first_unit, cover_units, cover_first_code
        self.table, self.pair_table = cover_table, pair_table
        self.entry_change, self.change_units = entry_change, change_units
        self.first_flip, self.first_single = first_flip, first_single
        self.flip_cluster, self.flip_mask = flip_cluster, flip_mask
        self.first_site, self.site, self.site_mask = first_site, site, site_mask
        self.n_clusters, self.n_cover, self.n_sites = len(first_code), len(cover_first_code), len(pair_table) // 4
        self.has_pairs = self.n_sites > 0
        self.codes, self.lanes = (np.zeros(shape, dtype=np.intc) for shape in (
            (BLOCK, self.n_cover), (max(self.n_clusters, self.n_cover), BLOCK)))
        self.spins, self.fields = np.zeros((BLOCK, self.n_sites), dtype=np.intc), np.zeros((BLOCK, 4 * self.n_sites))
        self.differences, self.up = np.zeros((n_visible, BLOCK)), np.zeros((n_visible, BLOCK), dtype=np.intc)
        self.has_differences = np.zeros(BLOCK, dtype=np.intc)

    def sibling(self):
        return CorrelatorAmplitude(self.n_visible, self.n_params, *map(np.asarray, (
            self.first_unit, self.units, self.first_code, self.code_param, self.cover_first_unit, self.cover_units,
            self.cover_first_code, self.table, self.pair_table, self.entry_change, self.change_units, self.first_flip,
            self.first_single, self.flip_cluster, self.flip_mask, self.first_site, self.site, self.site_mask)))

    cdef void read_spins(self, const int8_t *visible, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t row, u
        for row in range(n):
            for u in range(self.n_visible):
                self.up[u, row] = visible[row * self.n_visible + u] > 0

    cdef void refresh(self, const int8_t *visible, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t row, c, i
        self.read_spins(visible, n)
        for row in range(n):
            self.has_differences[row] = False
        if self.n_cover > 0:
            nqs_codes(&self.up[0, 0], &self.cover_first_unit[0], &self.cover_units[0], &self.cover_first_code[0],
                      self.n_cover, &self.lanes[0, 0])
        for c in range(self.n_cover):
            for row in range(n):
                self.codes[row, c] = self.lanes[c, row]
        if self.has_pairs:
            for row in range(n):
                for i in range(self.n_sites):
                    self.spins[row, i] = self.up[i, row] + 2 * self.up[i + self.n_sites, row]
        self.has_fields, self.n_rows = False, n

    cdef void anticipate(self, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t row, c
        if self.n_cover == 0:
            return
        for c in range(self.n_cover):
            for row in range(n):
                self.lanes[c, row] = self.codes[row, c]
        nqs_flip_differences(&self.table[0], &self.lanes[0, 0], &self.cover_first_unit[0], &self.cover_units[0],
                             self.n_cover, self.n_visible, &self.differences[0, 0])
        for row in range(n):
            self.has_differences[row] = True

    cdef void sum_fields(self) noexcept nogil:
        """Fill the fields of all rows, unless they are there."""
        if not self.has_fields:
            nqs_sum_fields(&self.pair_table[0, 0], &self.spins[0, 0], self.n_rows, self.n_sites, &self.fields[0, 0])
            self.has_fields = True

    cdef double pair_difference(self, Py_ssize_t row, Py_ssize_t change) noexcept nogil:
        """Return the change of the sum over pairs of sites."""
        cdef Py_ssize_t a, b, i, j, new_i, new_j
        cdef double difference = 0
        self.sum_fields()
        for a in range(self.first_site[change], self.first_site[change + 1]):
            i = 4 * self.site[a] + self.spins[row, self.site[a]]
            new_i = i ^ self.site_mask[a]
            difference += self.fields[row, new_i] - self.fields[row, i]
            for b in range(self.first_site[change], a):
                j = 4 * self.site[b] + self.spins[row, self.site[b]]
                new_j = j ^ self.site_mask[b]
                difference += (self.pair_table[i, j] - self.pair_table[i, new_j]) + (
                    self.pair_table[new_i, new_j] - self.pair_table[new_i, j])
        return difference

    cdef double complex ratio(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef Py_ssize_t t, change = self.entry_change[proposal.entry]
        cdef int code, mask, bit
        cdef double difference = self.pair_difference(row, change) if self.has_pairs else 0
        if self.has_differences[row] and self.change_units[change, 0] >= 0:
            difference += (self.differences[self.change_units[change, 0], row]
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
        cdef Py_ssize_t t, i, new_i, change = self.entry_change[proposal.entry]
        self.has_differences[row] = False
        for t in range(self.first_flip[change], self.first_flip[change + 1]):
            self.codes[row, self.flip_cluster[t]] ^= self.flip_mask[t]
        if self.has_pairs:
            self.sum_fields()
            for t in range(self.first_site[change], self.first_site[change + 1]):
                i = 4 * self.site[t] + self.spins[row, self.site[t]]
                new_i = i ^ self.site_mask[t]
                nqs_move_fields(&self.pair_table[i, 0], &self.pair_table[new_i, 0], 4 * self.n_sites,
                                &self.fields[row, 0])
                self.spins[row, self.site[t]] ^= self.site_mask[t]

    cdef double complex log_psi(self, Py_ssize_t row, const int8_t *visible) noexcept nogil:
        cdef Py_ssize_t c, i
        cdef double total = 0, pairs = 0
        for c in range(self.n_cover):
            total += self.table[self.codes[row, c]]
        if self.has_pairs:
            self.sum_fields()
            for i in range(self.n_sites):
                pairs += self.fields[row, 4 * i + self.spins[row, i]]
        return total + 0.5 * pairs

    cdef void log_derivs(self, const int8_t *visible, Py_ssize_t n, double *out, Py_ssize_t stride) noexcept nogil:
        cdef Py_ssize_t row, c, k
        self.read_spins(visible, n)
        nqs_codes(&self.up[0, 0], &self.first_unit[0], &self.units[0], &self.first_code[0], self.n_clusters,
                  &self.lanes[0, 0])
        for row in range(n):
            for k in range(self.n_params):
                out[row * stride + k] = 0
        for c in range(self.n_clusters):
            for row in range(n):
                out[row * stride + self.code_param[self.lanes[c, row]] - 1] += 1
