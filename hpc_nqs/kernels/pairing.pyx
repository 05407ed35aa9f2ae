"""Gutzwiller-projected singlet pair product: Psi(s) = (-1)^inv(s) det F, F_ab = f(u_a, d_b).

u are the up sites, d the down sites, inv(s) the number of (down before up) pairs; f is symmetric (singlets).
Written as sgn(permutation u, d) det F with unsorted lists, an exchange of an up spin at x = u_a with a down spin at
y = d_b swaps two labels: the sign changes, row a and column b of F are replaced.  With G = F^{-1} and
D = f(d, d) G kept, the ratio of determinants costs O(N) for one or two exchanged pairs, an update O(N^2)
(determinant lemma and Woodbury's formula; docs/theory/purification.md, "Pair product").
"""

from libc.math cimport INFINITY, fabs, isfinite, log, pi
from libc.stdint cimport int8_t

import numpy as np

from hpc_nqs.kernels.amplitude cimport BLOCK, Amplitude
from hpc_nqs.kernels.moves cimport Proposal

cdef extern from "nqs_pairs.h" nogil:
    int nqs_invert(double *, Py_ssize_t, Py_ssize_t, Py_ssize_t *, double *)
    double nqs_dot(const double *, const double *, Py_ssize_t)
    void nqs_rows_product(const double *, Py_ssize_t, Py_ssize_t, const double *, Py_ssize_t, Py_ssize_t, double *)
    void nqs_rows_update(double *, Py_ssize_t, Py_ssize_t, int, const Py_ssize_t *, const double *, const double *,
                         const double *)
    double nqs_small_determinant(double *, int, double *)

# A pivot this small, relative to the largest, is the rounding error of a zero of Psi.
cdef double SINGULAR = 1e-11
# A ratio d carries an error of order 1 / d^2 into G on the way there and back: beyond this G is inverted anew.
cdef double SAFE_RATIO = 0.1


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
        self.n_row = (n + BLOCK - 1) // BLOCK * BLOCK
        self.pairing = pairing
        self.pair_param = pair_param
        self.up = np.empty((BLOCK, n), dtype=np.intp)
        self.down = np.empty((BLOCK, n), dtype=np.intp)
        self.position = np.empty((BLOCK, self.n_visible), dtype=np.intp)
        self.inverse = np.zeros((BLOCK, n, self.n_row))
        self.dressed = np.zeros((BLOCK, n, self.n_row))
        self.log_magnitude = np.empty(BLOCK)
        self.negative = np.empty(BLOCK, dtype=np.intc)
        self.columns = np.zeros((2, self.n_row))
        self.rows = np.zeros((4, self.n_row))
        self.solved = np.zeros((6, self.n_row))
        self.change = np.zeros((2, n))
        self.work = np.zeros((n, self.n_row))
        self.swaps = np.empty(n, dtype=np.intp)
        self.pivots = np.empty(n)

    def sibling(self):
        return PairAmplitude(np.asarray(self.pairing), np.asarray(self.pair_param), self.n_params)

    cdef void refresh(self, const int8_t *visible, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t row
        for row in range(n):
            self.refresh_row(row, visible + row * self.n_visible)

    cdef void refresh_row(self, Py_ssize_t row, const int8_t *visible) noexcept nogil:
        cdef bint negative = list_sides(visible, self.n_visible, &self.up[row, 0], &self.down[row, 0],
                                        &self.position[row, 0])
        self.negative[row] = negative ^ self.invert(row)

    cdef bint invert(self, Py_ssize_t row) noexcept nogil:
        """Compute G, D and the magnitude of det F from the lists of up and down sites; return whether det F < 0."""
        cdef Py_ssize_t a, b, n = self.n_up
        cdef double smallest = INFINITY, largest = 0, log_magnitude = 0
        cdef bint negative
        for a in range(n):
            for b in range(n):
                self.inverse[row, a, b] = self.pairing[self.up[row, a], self.down[row, b]]
                self.work[a, b] = self.pairing[self.down[row, a], self.down[row, b]]
        negative = nqs_invert(&self.inverse[row, 0, 0], n, self.n_row, &self.swaps[0], &self.pivots[0]) & 1
        for a in range(n):
            smallest = min(smallest, fabs(self.pivots[a]))
            largest = max(largest, fabs(self.pivots[a]))
            log_magnitude += log(fabs(self.pivots[a]))
            negative ^= self.pivots[a] < 0
        if smallest > SINGULAR * largest:
            self.log_magnitude[row] = log_magnitude
            nqs_rows_product(&self.work[0, 0], self.n_row, n, &self.inverse[row, 0, 0], n, self.n_row,
                             &self.dressed[row, 0, 0])
        else:
            self.log_magnitude[row] = -INFINITY
            self.inverse[row, :, :] = 0
            self.dressed[row, :, :] = 0
        return negative

    cdef void prepare(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        """Fill x, y, a, b, `columns` and m = 1 + V^T G U of a proposal.

        V^T = (new rows of F minus old ones, unit vectors b); columns are the new columns minus those that the new
        rows left behind: f(u'_i, x_q) - f(u'_i, y_q), u' the up sites after the change.
        """
        cdef Py_ssize_t i, first, second
        cdef int p, q, n_pairs = proposal.n_flips // 2, rank = 2 * n_pairs
        self.n_pairs = n_pairs
        for p in range(n_pairs):
            first, second = proposal.flips[2 * p], proposal.flips[2 * p + 1]
            self.x[p] = first if visible[first] > 0 else second
            self.y[p] = second if visible[first] > 0 else first
            self.a[p] = self.position[row, self.x[p]]
            self.b[p] = self.position[row, self.y[p]]
        for q in range(n_pairs):
            for i in range(self.n_up):
                self.columns[q, i] = (self.pairing[self.x[q], self.up[row, i]]
                                      - self.pairing[self.y[q], self.up[row, i]])
            for p in range(n_pairs):
                self.columns[q, self.a[p]] = (self.pairing[self.y[p], self.x[q]]
                                              - self.pairing[self.y[p], self.y[q]])
        for p in range(n_pairs):
            for q in range(n_pairs):
                self.m[p * rank + q] = self.dressed[row, self.b[p], self.a[q]]
                self.m[p * rank + n_pairs + q] = (
                    nqs_dot(&self.dressed[row, self.b[p], 0], &self.columns[q, 0], self.n_row)
                    - self.columns[q, self.a[p]])
                self.m[(n_pairs + p) * rank + q] = self.inverse[row, self.b[p], self.a[q]]
                self.m[(n_pairs + p) * rank + n_pairs + q] = (p == q) + nqs_dot(
                    &self.inverse[row, self.b[p], 0], &self.columns[q, 0], self.n_row)

    cdef double complex ratio(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef double determinant
        self.prepare(row, visible, proposal)
        determinant = nqs_small_determinant(&self.m[0], 2 * self.n_pairs, NULL)
        if not isfinite(determinant):
            return 0
        return -determinant if self.n_pairs == 1 else determinant

    cdef void accept(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef double[16] inverse
        cdef double determinant
        cdef Py_ssize_t i, n = self.n_up
        cdef int p, rank
        self.prepare(row, visible, proposal)
        rank = 2 * self.n_pairs
        determinant = nqs_small_determinant(&self.m[0], rank, &inverse[0])
        self.log_magnitude[row] += log(fabs(determinant))
        self.negative[row] ^= (determinant < 0) ^ (self.n_pairs == 1)
        for p in range(self.n_pairs):
            self.rows[p, :] = self.dressed[row, self.b[p], :]
            self.rows[p, self.a[p]] -= 1
            self.rows[self.n_pairs + p, :] = self.inverse[row, self.b[p], :]
        nqs_rows_product(&inverse[0], rank, rank, &self.rows[0, 0], rank, self.n_row, &self.solved[0, 0])
        nqs_rows_update(&self.inverse[row, 0, 0], n, self.n_row, self.n_pairs, &self.a[0], &self.columns[0, 0],
                        &self.solved[0, 0], NULL)
        for p in range(self.n_pairs):
            self.solved[rank + p, :] = self.inverse[row, self.b[p], :]
            # x was an up site, f(x, down) G a unit vector; now it takes the column of y
            self.dressed[row, self.b[p], :] = 0
            self.dressed[row, self.b[p], self.a[p]] = 1
            self.up[row, self.a[p]] = self.y[p]
            self.down[row, self.b[p]] = self.x[p]
            self.position[row, self.y[p]] = self.a[p]
            self.position[row, self.x[p]] = self.b[p]
        for p in range(self.n_pairs):
            for i in range(n):
                self.change[p, i] = (self.pairing[self.x[p], self.down[row, i]]
                                     - self.pairing[self.y[p], self.down[row, i]])
        nqs_rows_update(&self.dressed[row, 0, 0], n, self.n_row, self.n_pairs, &self.a[0], &self.columns[0, 0],
                        &self.solved[0, 0], &self.change[0, 0])
        if not SAFE_RATIO < fabs(determinant) < 1 / SAFE_RATIO:
            self.invert(row)

    cdef double complex log_psi(self, Py_ssize_t row, const int8_t *visible) noexcept nogil:
        return self.log_magnitude[row] + (1j * pi if self.negative[row] else 0)

    cdef void log_derivs(self, const int8_t *visible, Py_ssize_t n, double *out, Py_ssize_t stride) noexcept nogil:
        cdef Py_ssize_t row, a, b, k
        cdef int param
        for row in range(n):
            for k in range(self.n_params):
                out[row * stride + k] = 0
            for a in range(self.n_up):
                for b in range(self.n_up):
                    param = self.pair_param[self.up[row, a], self.down[row, b]]
                    if param > 0:
                        out[row * stride + param - 1] += self.inverse[row, b, a]
                    elif param < 0:
                        out[row * stride - param - 1] -= self.inverse[row, b, a]
