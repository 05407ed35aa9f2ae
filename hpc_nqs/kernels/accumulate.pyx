"""Centred accumulation of S and F over samples, one block at a time.

S_kl = <O_k* O_l> - <O_k*><O_l>,  F_k = <O_k* E_loc> - <O_k*><E_loc>.  Every block is centred at its own mean
before it is multiplied, and blocks are merged by the rank-one correction of their means: O_k has a large mean
and a small spread, and <O O> - <O><O> would lose all digits.
"""

from libc.math cimport sqrt

from scipy.linalg.cython_blas cimport dgemm, dsyrk, zgemm, zherk


def accumulate(double[:, ::1] log_derivs, const double complex[::1] energies, const double[::1] weights,
               double[::1] totals, double[::1] mean_log_derivs, double[::1] force, int width):
    """Merge one block of samples into the running weight, means and F, and leave the rows whose products belong to S.

    Parameters
    ----------
    log_derivs : (n + 1, n_params * width) float64
        O of the block, complex numbers interleaved; *destroyed*: centred, times sqrt(weight), with the difference of
        the means of block and sums in the last row, which is not read.  `add_products` takes them.
    energies : (n,) complex128
    weights : (n,) float64
        Importance weights, >= 0.
    totals : (3,) float64, in place
        Sum of weights, real and imaginary part of the mean of E_loc.
    mean_log_derivs : (n_params * width,) float64, in place
    force : (n_params * width,) float64, in place
        Sum of w conj(O_k) E of centred O and E.
    width : int
        1 for real, 2 for complex O.  Real O take the real part of E.
    """
    cdef Py_ssize_t n = log_derivs.shape[0] - 1, m = log_derivs.shape[1], i, k
    cdef double weight = 0, energy_re = 0, energy_im = 0, root, fraction, old = totals[0], d_re, d_im
    cdef double *mean = &log_derivs[n, 0]
    with nogil:
        for k in range(m):
            mean[k] = 0
        for i in range(n):
            weight += weights[i]
            energy_re += weights[i] * energies[i].real
            energy_im += weights[i] * energies[i].imag
            for k in range(m):
                mean[k] += weights[i] * log_derivs[i, k]
        if weight > 0:
            energy_re /= weight
            energy_im /= weight
            for k in range(m):
                mean[k] /= weight
        for i in range(n):
            root = sqrt(weights[i])
            for k in range(m):
                log_derivs[i, k] = root * (log_derivs[i, k] - mean[k])
            add_force(&log_derivs[i, 0], root * (energies[i].real - energy_re),
                      root * (energies[i].imag - energy_im), m, width, &force[0])
        if weight > 0:
            fraction = weight / (old + weight)
            d_re = energy_re - totals[1]
            d_im = energy_im - totals[2]
            for k in range(m):
                mean[k] -= mean_log_derivs[k]
                mean_log_derivs[k] += fraction * mean[k]
                mean[k] *= sqrt(old * fraction)
            add_force(mean, sqrt(old * fraction) * d_re, sqrt(old * fraction) * d_im, m, width, &force[0])
            totals[0] = old + weight
            totals[1] += fraction * d_re
            totals[2] += fraction * d_im


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
                zgemm('N', 'C', &before, &here, &n, &unit, <double complex *>first, &p, <double complex *>own, &p, &unit,
                      <double complex *>out, &p)
