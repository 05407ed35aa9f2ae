"""Centred accumulation of S and F over samples, one block at a time.

S_kl = <O_k* O_l> - <O_k*><O_l>,  F_k = <O_k* E_loc> - <O_k*><E_loc>.  Every block is centred at its own mean
before it is multiplied, and blocks are merged by the rank-one correction of their means: O_k has a large mean
and a small spread, and <O O> - <O><O> would lose all digits.
"""

from libc.math cimport sqrt

from scipy.linalg.cython_blas cimport dgemm, dsyrk, zgemm, zherk


def accumulate(double[:, ::1] log_derivs, Py_ssize_t start, Py_ssize_t stop, const double complex[::1] energies,
               const double[::1] weights, const double[::1] totals, double[::1] mean_log_derivs, double[::1] force,
               int width):
    """Merge parameters `start` to `stop` of one block of samples into the running means and F.

    `add_totals` has to follow when all parameters are done.

    Parameters
    ----------
    log_derivs : (n + 1, n_params * width) float64
        O of the block, complex numbers interleaved; *destroyed*: centred, times sqrt(weight), with the difference of
        the means of block and sums in the last row, which is not read.  `add_products` takes them.
    energies : (n,) complex128
    weights : (n,) float64
        Importance weights, >= 0.
    totals : (3,) float64
        Of the blocks before: sum of weights, real and imaginary part of the mean of E_loc.
    mean_log_derivs : (n_params * width,) float64, in place
    force : (n_params * width,) float64, in place
        Sum of w conj(O_k) E of centred O and E.
    width : int
        1 for real, 2 for complex O.  Real O take the real part of E.
    """
    cdef Py_ssize_t n = log_derivs.shape[0] - 1, first = start * width, m = (stop - start) * width, i, k
    cdef double root, fraction, pair
    cdef double[3] block
    cdef double *own
    cdef double *mean = &log_derivs[n, first]
    cdef double *sums = &force[first]
    with nogil:
        block_totals(energies, weights, block)
        for k in range(m):
            mean[k] = 0
        for i in range(n):
            own = &log_derivs[i, first]
            for k in range(m):
                mean[k] += weights[i] * own[k]
        if block[0] > 0:
            for k in range(m):
                mean[k] /= block[0]
        for i in range(n):
            own = &log_derivs[i, first]
            root = sqrt(weights[i])
            for k in range(m):
                own[k] = root * (own[k] - mean[k])
            add_force(own, root * (energies[i].real - block[1]), root * (energies[i].imag - block[2]), m, width, sums)
        if block[0] > 0:
            fraction = block[0] / (totals[0] + block[0])
            pair = sqrt(totals[0] * fraction)
            for k in range(m):
                mean[k] -= mean_log_derivs[first + k]
                mean_log_derivs[first + k] += fraction * mean[k]
                mean[k] *= pair
            add_force(mean, pair * (block[1] - totals[1]), pair * (block[2] - totals[2]), m, width, sums)


def add_totals(const double complex[::1] energies, const double[::1] weights, double[::1] totals):
    """Merge one block of samples into the running weight and mean energy, *in place*; arguments as for `accumulate`."""
    cdef double fraction
    cdef double[3] block
    with nogil:
        block_totals(energies, weights, block)
        if block[0] > 0:
            fraction = block[0] / (totals[0] + block[0])
            totals[0] += block[0]
            totals[1] += fraction * (block[1] - totals[1])
            totals[2] += fraction * (block[2] - totals[2])


cdef void block_totals(const double complex[::1] energies, const double[::1] weights, double *block) noexcept nogil:
    """Write the sum of weights and both parts of the mean energy to `block` (3)."""
    cdef Py_ssize_t i
    block[0] = block[1] = block[2] = 0
    for i in range(weights.shape[0]):
        block[0] += weights[i]
        block[1] += weights[i] * energies[i].real
        block[2] += weights[i] * energies[i].imag
    if block[0] > 0:
        block[1] /= block[0]
        block[2] /= block[0]


cdef void add_force(const double *o, double e_re, double e_im, Py_ssize_t m, int width,
                    double *force) noexcept nogil:
    """force += conj(o) e."""
    cdef Py_ssize_t k
    if width == 1:
        for k in range(m):
            force[k] += o[k] * e_re
    else:
        for k in range(0, m, 2):
            force[k] += o[k] * e_re + o[k + 1] * e_im
            force[k + 1] += o[k] * e_im - o[k + 1] * e_re


def add_products(double[:, ::1] rows, Py_ssize_t start, Py_ssize_t stop, double[:, ::1] s_matrix, int width):
    """Add rows^H rows to the rows `start` to `stop` of the lower triangle of S, *in place*.

    Parameters
    ----------
    rows : (n, n_params * width) float64
        What `accumulate` leaves.
    s_matrix : (n_params, n_params * width) float64, in place
        Sum of w conj(O_k) O_l of centred O; only l <= k is kept up.
    width : int
    """
    cdef int n = <int>rows.shape[0], p = <int>s_matrix.shape[0], before = <int>start, here = <int>(stop - start)
    cdef double one = 1
    cdef double complex unit = 1
    cdef double *first = &rows[0, 0]
    cdef double *own = &rows[0, start * width]
    cdef double *out = &s_matrix[start, 0]
    # BLAS sees the lower triangle in C order as the upper one, and rows^H rows as its conjugate
    with nogil:
        if width == 1:
            dsyrk('U', 'N', &here, &n, &one, own, &p, &one, out + start, &p)
            if before:
                dgemm('N', 'T', &before, &here, &n, &one, first, &p, own, &p, &one, out, &p)
        else:
            zherk('U', 'N', &here, &n, &one, <double complex *>own, &p, &one, <double complex *>out + start, &p)
            if before:
                zgemm('N', 'C', &before, &here, &n, &unit, <double complex *>first, &p, <double complex *>own, &p,
                      &unit, <double complex *>out, &p)
