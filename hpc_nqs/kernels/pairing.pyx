"""Gutzwiller-projected singlet pair product: Psi(s) = (-1)^inv(s) det F, F_ab = f(u_a, d_b).

u are the up sites, d the down sites, inv(s) the number of (down before up) pairs; f is symmetric (singlets).
Written as sgn(permutation u, d) det F with unsorted lists, an exchange of an up spin at x with a down spin at y
swaps two labels: the sign changes, row a of x and column b of y of F are replaced.  With G = F^{-1} and
A = f(., d) G the ratio of determinants costs O(N), an update O(N^2) (determinant lemma, theory 4.7).
"""

from libc.math cimport INFINITY, fabs, isfinite, log, pi
from libc.stdint cimport int8_t
from libc.string cimport memcpy
from scipy.linalg.cython_lapack cimport dgetrf, dgetri

import numpy as np

from hpc_nqs.kernels.amplitude cimport Amplitude
from hpc_nqs.kernels.moves cimport Proposal

# A pivot this small, relative to the largest, is the rounding error of a zero of Psi.
cdef double SINGULAR = 1e-11


cdef class PairAmplitude(Amplitude):
    """One pair product at fixed parameters; `wavefunctions.pairing.PairProduct.amplitude` makes it.

    Parameters
    ----------
    pairing : (n_visible, n_visible) float64
        f, symmetric with zero diagonal.
    pair_param : (n_visible, n_visible) int32
        Signed 1 + k of the parameter behind each entry; 0: fixed.
    n_params : int

    Notes
    -----
    Half of the visible units are up; proposals must be exchanges.
    """

    def __init__(self, pairing, pair_param, n_params):
        cdef Py_ssize_t n
        self.width = 1
        self.n_visible = pairing.shape[0]
        self.n_params = n_params
        self.n_up = n = self.n_visible // 2
        self.pairing = pairing
        self.pair_param = pair_param
        self.up = np.empty((2, n), dtype=np.intp)
        self.down = np.empty((2, n), dtype=np.intp)
        self.position = np.empty((2, self.n_visible), dtype=np.intp)
        self.inverse = np.zeros((2, n, n))
        self.dressed = np.zeros((2, self.n_visible, n))
        self.column = np.empty(n)
        self.old_row = np.empty(n)
        self.work = np.empty(n * n)
        self.pivots = np.empty(n, dtype=np.intc)

    cdef void refresh(self, const int8_t *visible) noexcept nogil:
        cdef Py_ssize_t v, a = 0, b = 0, i
        cdef int n = <int>self.n_up, info = 0, lwork = n * n
        cdef int state = self.current
        cdef double *matrix = &self.inverse[state, 0, 0]
        cdef double smallest = INFINITY, largest = 0
        self.negative = False
        for v in range(self.n_visible):
            if visible[v] > 0:
                self.up[state, a] = v
                self.position[state, v] = a
                a += 1
                self.negative ^= b & 1
            else:
                self.down[state, b] = v
                self.position[state, v] = b
                b += 1
        # rows of F stand one after the other: LAPACK sees the transpose, whose inverse read by rows is G
        for a in range(n):
            for b in range(n):
                matrix[a * n + b] = self.pairing[self.up[state, a], self.down[state, b]]
        dgetrf(&n, &n, matrix, &n, &self.pivots[0], &info)
        self.log_magnitude = 0
        for i in range(n):
            largest = max(largest, fabs(matrix[i * n + i]))
            smallest = min(smallest, fabs(matrix[i * n + i]))
            self.log_magnitude += log(fabs(matrix[i * n + i]))
            self.negative ^= (matrix[i * n + i] < 0) ^ (self.pivots[i] != i + 1)
        if smallest > SINGULAR * largest:
            dgetri(&n, matrix, &n, &self.pivots[0], &self.work[0], &lwork, &info)
        else:
            self.log_magnitude = -INFINITY
            for i in range(n * n):
                matrix[i] = 0
        self.dress(state)

    cdef void dress(self, int state) noexcept nogil:
        """A = f(., down) G."""
        cdef Py_ssize_t v, i, k
        cdef double f
        for v in range(self.n_visible):
            for i in range(self.n_up):
                self.dressed[state, v, i] = 0
            for k in range(self.n_up):
                f = self.pairing[v, self.down[state, k]]
                if f != 0:
                    for i in range(self.n_up):
                        self.dressed[state, v, i] += f * self.inverse[state, k, i]

    cdef double exchange_ratio(self, int state, Py_ssize_t x, Py_ssize_t y) noexcept nogil:
        """Psi(new) / Psi for the up spin at x and the down spin at y trading places."""
        cdef Py_ssize_t a = self.position[state, x], b = self.position[state, y], i
        cdef double corner = self.pairing[x, y]
        cdef double row = self.dressed[state, y, a], column = 2 * self.inverse[state, b, a] * corner
        cdef double mixed = (2 * row - 1) * corner, f
        for i in range(self.n_up):
            f = self.pairing[x, self.up[state, i]]
            column += self.inverse[state, b, i] * f
            mixed += self.dressed[state, y, i] * f
        return mixed * self.inverse[state, b, a] - row * column

    cdef void exchange(self, int state, Py_ssize_t x, Py_ssize_t y) noexcept nogil:
        """Write the state after the exchange of x and y to the other buffer."""
        cdef int other = 1 - state
        cdef Py_ssize_t n = self.n_up, a = self.position[state, x], b = self.position[state, y], i, k, v
        cdef double corner = self.pairing[x, y], m00, m01, m10, m11, det, left0, left1, c0, c1, change
        cdef double *column = &self.column[0]
        cdef double *row = &self.old_row[0]
        memcpy(&self.up[other, 0], &self.up[state, 0], n * sizeof(Py_ssize_t))
        memcpy(&self.down[other, 0], &self.down[state, 0], n * sizeof(Py_ssize_t))
        memcpy(&self.position[other, 0], &self.position[state, 0], self.n_visible * sizeof(Py_ssize_t))
        self.up[other, a] = y
        self.down[other, b] = x
        self.position[other, y] = a
        self.position[other, x] = b
        # F' = F + e_a row^T + column e_b^T; M = 1 + V^T G U of Woodbury's formula
        for i in range(n):
            column[i] = self.pairing[self.up[state, i], x] - self.pairing[self.up[state, i], y]
        column[a] = corner
        for i in range(n):
            row[i] = self.dressed[state, y, i]
        row[a] -= 1
        m00 = 1 + row[a]
        m01 = m11 = 0
        for i in range(n):
            m01 += row[i] * column[i]
            m11 += self.inverse[state, b, i] * column[i]
        m11 += 1
        m10 = self.inverse[state, b, a]
        det = m00 * m11 - m01 * m10
        for k in range(n):
            left0 = self.inverse[state, k, a]
            left1 = 0
            for i in range(n):
                left1 += self.inverse[state, k, i] * column[i]
            c0 = (left0 * m11 - left1 * m10) / det
            c1 = (left1 * m00 - left0 * m01) / det
            for i in range(n):
                self.inverse[other, k, i] = (self.inverse[state, k, i] - c0 * row[i]
                                             - c1 * self.inverse[state, b, i])
        for v in range(self.n_visible):
            left0 = self.dressed[state, v, a]
            left1 = 0
            for i in range(n):
                left1 += self.dressed[state, v, i] * column[i]
            c0 = (left0 * m11 - left1 * m10) / det
            c1 = (left1 * m00 - left0 * m01) / det
            change = self.pairing[v, x] - self.pairing[v, y]
            for i in range(n):
                self.dressed[other, v, i] = (self.dressed[state, v, i] - c0 * row[i]
                                             - c1 * self.inverse[state, b, i]
                                             + change * self.inverse[other, b, i])

    cdef double complex ratio(self, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef double ratio
        cdef Py_ssize_t x, y
        order_pair(visible, proposal.flips[0], proposal.flips[1], &x, &y)
        ratio = self.exchange_ratio(self.current, x, y)
        if proposal.n_flips == 4 and ratio != 0:
            self.exchange(self.current, x, y)
            order_pair(visible, proposal.flips[2], proposal.flips[3], &x, &y)
            ratio *= self.exchange_ratio(1 - self.current, x, y)
        return ratio if isfinite(ratio) else 0

    cdef void accept(self, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef Py_ssize_t x, y
        cdef int pair
        for pair in range(proposal.n_flips // 2):
            order_pair(visible, proposal.flips[2 * pair], proposal.flips[2 * pair + 1], &x, &y)
            self.exchange(self.current, x, y)
            self.current = 1 - self.current

    cdef double complex log_psi(self, const int8_t *visible) noexcept nogil:
        return self.log_magnitude + (1j * pi if self.negative else 0)

    cdef void log_derivs(self, const int8_t *visible, double *out) noexcept nogil:
        cdef Py_ssize_t a, b, k
        cdef int param
        for k in range(self.n_params):
            out[k] = 0
        for a in range(self.n_up):
            for b in range(self.n_up):
                param = self.pair_param[self.up[self.current, a], self.down[self.current, b]]
                if param > 0:
                    out[param - 1] += self.inverse[self.current, b, a]
                elif param < 0:
                    out[-param - 1] -= self.inverse[self.current, b, a]


cdef inline void order_pair(const int8_t *visible, Py_ssize_t first, Py_ssize_t second,
                            Py_ssize_t *up, Py_ssize_t *down) noexcept nogil:
    up[0] = first if visible[first] > 0 else second
    down[0] = second if visible[first] > 0 else first
