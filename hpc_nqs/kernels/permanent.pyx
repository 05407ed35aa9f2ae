"""Exchange permanent: Psi = perm[r_ik], i over the mismatched sites of A and k over those of B.

Site i is mismatched where sigma_i = ancilla_i: A has both up, B both down, and Sz conservation gives as many sites k of
either.  Exchanges take the up-spins from B to A; they are bosons, so the amplitudes of all ways to undo the mismatches
add.  The permanent of no sites is 1, and Psi = 0 beyond `max_pairs` sites of either side.

A state holds the lists of A and B and the permanent of r over its largest entry, which keeps it from underflow.
"""

from libc.math cimport INFINITY, fabs, isfinite, log, pi
from libc.stdint cimport int8_t

import numpy as np

from hpc_nqs.kernels.amplitude cimport BLOCK, Amplitude
from hpc_nqs.kernels.moves cimport Proposal

cdef extern from "nqs_permanent.h" nogil:
    double nqs_permanent(const double *, int, double *)
    void nqs_permanent_minors(const double *, int, const double *, double *, double *)


cdef class PermanentAmplitude(Amplitude):
    """One permanent at fixed parameters; `wavefunctions.exchange_permanent.ExchangePermanent.amplitude` makes it.

    Parameters
    ----------
    exchange : (n_sites, n_sites) float64
        r, symmetric.
    pair_param : (n_sites, n_sites) int32
        1 + k of the parameter behind each entry; 0: none.
    n_params : int
    max_pairs : int
        Largest k; memory and time grow as 2^k.

    Notes
    -----
    A and B must have as many sites: proposals must conserve Sz of both layers together.
    """

    cdef Py_ssize_t n_sites, max_pairs
    cdef const double[:, ::1] exchange
    cdef const int[:, ::1] pair_param
    cdef double[:, ::1] scaled        # r over its largest entry
    cdef double scale
    # states: sites of B and of A, their number, the scaled permanent
    cdef Py_ssize_t[:, :, ::1] sides  # (BLOCK, 2, n_sites)
    cdef Py_ssize_t[:, ::1] n_side    # (BLOCK, 2)
    cdef double[::1] value            # (BLOCK,)
    # of a proposal
    cdef Py_ssize_t[:, ::1] new_sides
    cdef Py_ssize_t[2] n_new
    # work
    cdef double[::1] matrix, minors, heads, tails

    def __init__(self, exchange, pair_param, n_params, max_pairs):
        self.width = 1
        self.n_sites = len(exchange)
        self.n_visible = 2 * self.n_sites
        self.n_params = n_params
        self.max_pairs = size = min(max_pairs, self.n_sites // 2)
        self.exchange, self.pair_param = exchange, pair_param
        self.scale = np.abs(exchange).max() or 1.0
        self.scaled = np.asarray(exchange) / self.scale
        self.sides = np.zeros((BLOCK, 2, self.n_sites), dtype=np.intp)
        self.n_side = np.zeros((BLOCK, 2), dtype=np.intp)
        self.value = np.ones(BLOCK)
        self.new_sides = np.zeros((2, self.n_sites), dtype=np.intp)
        self.matrix, self.minors = np.zeros(size * size + 1), np.zeros(size * size + 1)
        self.heads, self.tails = np.zeros(2**size), np.zeros(2**size)

    def sibling(self):
        return PermanentAmplitude(np.asarray(self.exchange), np.asarray(self.pair_param), self.n_params, self.max_pairs)

    cdef double permanent(self, const Py_ssize_t *below, const Py_ssize_t *above, Py_ssize_t size) noexcept nogil:
        """Return the scaled permanent; `matrix` and `heads` then belong to it."""
        cdef Py_ssize_t i, k
        if size > self.max_pairs:
            return 0
        for i in range(size):
            for k in range(size):
                self.matrix[i * size + k] = self.scaled[above[i], below[k]]
        return nqs_permanent(&self.matrix[0], size, &self.heads[0])

    cdef void refresh(self, const int8_t *visible, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t row, i, side
        cdef const int8_t *spins
        for row in range(n):
            spins = visible + row * self.n_visible
            self.n_side[row, 0] = self.n_side[row, 1] = 0
            for i in range(self.n_sites):
                if spins[i] == spins[i + self.n_sites]:
                    side = spins[i] > 0
                    self.sides[row, side, self.n_side[row, side]] = i
                    self.n_side[row, side] += 1
            self.value[row] = self.permanent(&self.sides[row, 0, 0], &self.sides[row, 1, 0], self.n_side[row, 1])

    cdef bint prepare(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        """Fill the lists of A and B after a move; return whether they change."""
        cdef Py_ssize_t[4] touched
        cdef int p, q, n_touched = 0
        cdef Py_ssize_t i, site, side
        cdef int8_t sigma, ancilla
        cdef bint changes = False
        for p in range(proposal.n_flips):
            site = proposal.flips[p] % self.n_sites
            for q in range(n_touched):
                if touched[q] == site:
                    break
            else:
                touched[n_touched] = site
                n_touched += 1
        for side in range(2):
            self.n_new[side] = 0
            for i in range(self.n_side[row, side]):
                site = self.sides[row, side, i]
                for q in range(n_touched):
                    if touched[q] == site:
                        break
                else:
                    self.new_sides[side, self.n_new[side]] = site
                    self.n_new[side] += 1
        for q in range(n_touched):
            site = touched[q]
            sigma, ancilla = visible[site], visible[site + self.n_sites]
            changes |= sigma == ancilla
            for p in range(proposal.n_flips):
                if proposal.flips[p] == site:
                    sigma = -sigma
                elif proposal.flips[p] == site + self.n_sites:
                    ancilla = -ancilla
            if sigma == ancilla:
                changes = True
                side = sigma > 0
                self.new_sides[side, self.n_new[side]] = site
                self.n_new[side] += 1
        return changes

    cdef double complex ratio(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef double ratio
        cdef Py_ssize_t change
        if not self.prepare(row, visible, proposal):
            return 1
        ratio = self.permanent(&self.new_sides[0, 0], &self.new_sides[1, 0], self.n_new[1]) / self.value[row]
        for change in range(self.n_side[row, 1], self.n_new[1]):
            ratio *= self.scale
        for change in range(self.n_new[1], self.n_side[row, 1]):
            ratio /= self.scale
        return ratio if isfinite(ratio) else 0

    cdef void accept(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef Py_ssize_t side, i
        if not self.prepare(row, visible, proposal):
            return
        for side in range(2):
            self.n_side[row, side] = self.n_new[side]
            for i in range(self.n_new[side]):
                self.sides[row, side, i] = self.new_sides[side, i]
        self.value[row] = self.permanent(&self.sides[row, 0, 0], &self.sides[row, 1, 0], self.n_side[row, 1])

    cdef double complex log_psi(self, Py_ssize_t row, const int8_t *visible) noexcept nogil:
        cdef double value = self.value[row]
        if value == 0:
            return -INFINITY
        return log(fabs(value)) + self.n_side[row, 1] * log(self.scale) + (1j * pi if value < 0 else 0)

    cdef void log_derivs(self, const int8_t *visible, Py_ssize_t n, double *out, Py_ssize_t stride) noexcept nogil:
        cdef Py_ssize_t row, i, k, p, size
        cdef int param
        for row in range(n):
            for p in range(self.n_params):
                out[row * stride + p] = 0
            size = self.n_side[row, 1]
            if self.value[row] == 0 or size == 0:
                continue
            self.permanent(&self.sides[row, 0, 0], &self.sides[row, 1, 0], size)
            nqs_permanent_minors(&self.matrix[0], size, &self.heads[0], &self.tails[0], &self.minors[0])
            for i in range(size):
                for k in range(size):
                    param = self.pair_param[self.sides[row, 1, i], self.sides[row, 0, k]]
                    if param > 0:
                        out[row * stride + param - 1] += self.minors[i * size + k] / (self.value[row] * self.scale)
