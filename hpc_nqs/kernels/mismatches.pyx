"""Reference function of mismatched sites: Psi = prod_i h_i^(1/2), i over the sites with sigma_i = ancilla_i = mu_i.

h_i = sum_k a_ik over the sites k mismatched the other way, mu_k = -mu_i.  A state holds mu and, for all sites, the
sums of a_ik over the sites with mu_k = 1 and over those with mu_k = -1.  With transfers b_ik and p their permanent, i over
the sites with mu_i = 1 and k over those with mu_k = -1, Psi = sgn(p) (p^2 + smooth^2 prod_i h_i)^(1/2).
"""

from libc.math cimport INFINITY, exp, fabs, isinf, log, pi, sqrt
from libc.stdint cimport int8_t

import numpy as np

from hpc_nqs.kernels.amplitude cimport BLOCK, Amplitude
from hpc_nqs.kernels.moves cimport Proposal


cdef Py_ssize_t MAX_MATCHED = 12 # pairs of sites up to which the permanent is computed
cdef double CANCELLED = 1e-12  # a permanent this small relative to its terms is the rounding error of zero


cdef double permanent(const double *matrix, Py_ssize_t n, double *sums) noexcept nogil:
    """Return the permanent of a matrix (n, n); of a large or empty one +-INFINITY, the sign of the product of its row sums.

    A. Nijenhuis, H. S. Wilf, Combinatorial Algorithms (1978), ch. 23: 2^(n - 1) subsets of columns in the order of Gray's
    code; `sums` is room for n numbers.
    """
    cdef Py_ssize_t i, j, subset, changed
    cdef double total = 0, product = 1, scale = 1, size, step
    for i in range(n):
        sums[i] = size = 0
        for j in range(n):
            sums[i] += matrix[i * n + j]
            size += fabs(matrix[i * n + j])
        scale *= size
        product *= sums[i]
        sums[i] = matrix[i * n + n - 1] - 0.5 * sums[i]
    if n == 0 or n > MAX_MATCHED:
        return -INFINITY if product < 0 else INFINITY
    for subset in range(1 << (n - 1)):
        if subset > 0:
            changed = 0
            while not (subset >> changed) & 1:
                changed += 1
            # the bit of Gray's code that differs from the subset before, now set or not
            step = 1 if ((subset ^ (subset >> 1)) >> changed) & 1 else -1
            for i in range(n):
                sums[i] += step * matrix[i * n + changed]
        product = -1 if subset & 1 else 1
        for i in range(n):
            product *= sums[i]
        total += product
    if n % 2 == 0:
        total = -total
    return 2 * total if fabs(total) > CANCELLED * scale else 0


cdef class MismatchAmplitude(Amplitude):
    """A factor without parameters; `wavefunctions.mismatches.MismatchFactor.amplitude` makes it.

    Parameters
    ----------
    amplitudes : (n_sites, n_sites) float64
        a_ik >= 0, symmetric, zero on the diagonal.
    transfers : (n_sites, n_sites) float64 or None
        b_ik, symmetric; None: Psi is positive.
    smooth : float
    """

    cdef Py_ssize_t n_sites
    cdef const double[:, ::1] amplitudes
    cdef int8_t[:, ::1] mismatch   # states: mu, 0 where a site is matched (BLOCK, n_sites)
    cdef double[:, :, ::1] fields  # sum_k a_ik over mu_k = +1 and over mu_k = -1 (BLOCK, 2, n_sites)
    cdef bint has_sign
    cdef const double[:, ::1] transfers
    cdef double smooth
    cdef double[::1] matched       # permanent of every state (BLOCK,)
    cdef int8_t[::1] moved         # mu after a move (n_sites,)
    cdef Py_ssize_t[:, ::1] sides  # sites with mu = +1 and with mu = -1 (2, n_sites)
    cdef double[::1] matrix, sums  # room for the permanent

    def __init__(self, amplitudes, transfers=None, smooth=0.0):
        self.width = 1
        self.n_sites = len(amplitudes)
        self.n_visible = 2 * self.n_sites
        self.n_params = 0
        self.amplitudes = amplitudes
        self.mismatch = np.zeros((BLOCK, self.n_sites), dtype=np.int8)
        self.fields = np.zeros((BLOCK, 2, self.n_sites))
        self.has_sign = transfers is not None
        self.transfers = transfers if self.has_sign else np.zeros((0, 0))
        self.smooth = smooth
        self.matched = np.ones(BLOCK)
        self.moved = np.zeros(self.n_sites, dtype=np.int8)
        self.sides = np.zeros((2, self.n_sites), dtype=np.intp)
        self.matrix, self.sums = np.zeros(self.n_sites**2), np.zeros(self.n_sites)

    def sibling(self):
        transfers = np.asarray(self.transfers) if self.has_sign else None
        return MismatchAmplitude(np.asarray(self.amplitudes), transfers, self.smooth)

    cdef double matchings(self, const int8_t *mismatch) noexcept nogil:
        """Return the permanent of a configuration with the given mu."""
        cdef Py_ssize_t i, k, n_up = 0, n_down = 0
        if not self.has_sign:
            return INFINITY
        for i in range(self.n_sites):
            if mismatch[i] > 0:
                self.sides[0, n_up] = i
                n_up += 1
            elif mismatch[i] < 0:
                self.sides[1, n_down] = i
                n_down += 1
        for i in range(n_up):
            for k in range(n_up):
                self.matrix[i * n_up + k] = self.transfers[self.sides[0, i], self.sides[1, k]]
        return permanent(&self.matrix[0], n_up, &self.sums[0])

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
            self.matched[row] = self.matchings(&self.mismatch[row, 0])

    cdef double value(self, double matched, double square) noexcept nogil:
        """Return Psi from the permanent and prod_i h_i."""
        if isinf(matched):
            return sqrt(square) if matched > 0 else -sqrt(square)
        square = sqrt(matched * matched + self.smooth * self.smooth * square)
        return -square if matched < 0 else square

    cdef double moved_matchings(self, Py_ssize_t row, int n, const Py_ssize_t *sites, const int8_t *after) noexcept nogil:
        """Return the permanent after a move."""
        cdef int q
        if not self.has_sign:
            return INFINITY
        self.moved[:] = self.mismatch[row, :]
        for q in range(n):
            self.moved[sites[q]] = after[q]
        return self.matchings(&self.moved[0])

    cdef int changes(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal, Py_ssize_t *sites,
                     int8_t *after) noexcept nogil:
        """Fill the sites that a move touches and their mu after it; return their number."""
        cdef int p, q, n = 0
        cdef Py_ssize_t site
        cdef int8_t sigma, ancilla
        for p in range(proposal.n_flips):
            site = proposal.flips[p] % self.n_sites
            for q in range(n):
                if sites[q] == site:
                    break
            else:
                sites[n] = site
                n += 1
        for q in range(n):
            sigma, ancilla = visible[sites[q]], visible[sites[q] + self.n_sites]
            for p in range(proposal.n_flips):
                if proposal.flips[p] == sites[q]:
                    sigma = -sigma
                elif proposal.flips[p] == sites[q] + self.n_sites:
                    ancilla = -ancilla
            after[q] = sigma if sigma == ancilla else 0
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
        if not new > 0:
            return 0
        return self.value(self.moved_matchings(row, n, &sites[0], &after[0]), new) / self.value(self.matched[row], old)

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
        self.matched[row] = self.matchings(&self.mismatch[row, 0])

    cdef double complex log_psi(self, Py_ssize_t row, const int8_t *visible) noexcept nogil:
        cdef Py_ssize_t i
        cdef double total = 0, field
        for i in range(self.n_sites):
            if self.mismatch[row, i] != 0:
                field = self.fields[row, self.mismatch[row, i] > 0, i]
                total += log(field) if field > 0 else -INFINITY
        if self.has_sign:
            field = self.value(self.matched[row], exp(total))
            return log(fabs(field)) + (1j * pi if field < 0 else 0)
        return 0.5 * total
