"""Pieces of a Cholesky factorization A = L L^H by blocks of rows, for threads: BLAS and LAPACK without the GIL.

Matrices are stored by rows, the numbers of a row side by side; rows may lie apart.  BLAS sees each as its transpose.

Complex matrices are multiplied as three real ones, with the planes (real part, imaginary part, their sum) on the left
and (real part, imaginary part, their difference) on the right: a quarter less work than four, and the real kernels of
BLAS are the better ones (N. J. Higham, SIAM J. Matrix Anal. Appl. 13, 681 (1992): as accurate, in norm).
"""

from libc.string cimport memcpy, memset

from scipy.linalg.cython_blas cimport dgemm, dtrsm, ztrsm
from scipy.linalg.cython_lapack cimport dpotrf, zpotrf

cdef extern from "nqs_rows.h" nogil:
    void nqs_subtract_planes(const double *, const double *, const double *, const double *, const double *, Py_ssize_t,
                             double *)
    void nqs_split(const double *, Py_ssize_t, double *, double *, double *)

ctypedef fused number:
    double
    double complex


def subtract_product(const double[:, :, :] matrix, const double[:, :, :] left, const double[:, :, :] right,
                     const double[:, :] difference, double[:, :, ::1] work, number[:, ::1] out):
    """Write matrix - left right^H to `out`.

    Parameters
    ----------
    matrix : (n_planes, m, n) float64
        Real part and, if there are more planes, imaginary part.
    left : (n_planes, m, k) float64
        One plane of a real matrix, three of a complex one.
    right : (1 or 2, n, k) float64
    difference : (n, k) float64
        Third plane on the right; not read if there is one plane on the left.
    work : (n_planes, m, n) float64
    out : (m, n) float64 or complex128
    """
    if out.shape[0] == 0 or out.shape[1] == 0:
        return
    with nogil:
        take_off(matrix, left, right, difference, work, out)


def eliminate(double[:, :, :] matrix, const double[:, :, :] left, const double[:, :, :] right,
              const double[:, :] difference, const number[:, :] factor, double[:, :, ::1] work, number[:, ::1] block):
    """Replace `matrix` by the finished rows (matrix - left right^H) L^-H, with all planes of a left factor, *in place*.

    Parameters
    ----------
    matrix, left, right, difference, work
        As for `subtract_product`.
    factor : (n, n) float64 or complex128
        L; what stands above the diagonal is not read.
    block : (m, n), like factor
        Work.
    """
    cdef Py_ssize_t m = block.shape[0], n = block.shape[1], i
    if m == 0 or n == 0:
        return
    with nogil:
        take_off(matrix, left, right, difference, work, block)
        solve_rows(factor, block)
        for i in range(m):
            if number is double:
                memcpy(&matrix[0, i, 0], &block[i, 0], n * sizeof(double))
            else:
                nqs_split(<double *>&block[i, 0], n, &matrix[0, i, 0], &matrix[1, i, 0], &matrix[2, i, 0])


cdef void take_off(const double[:, :, :] matrix, const double[:, :, :] left, const double[:, :, :] right,
                   const double[:, :] difference, double[:, :, ::1] work, number[:, ::1] out) noexcept nogil:
    """Write matrix - left right^H to `out`, which has numbers."""
    cdef int m = <int>left.shape[1], n = <int>right.shape[1], k = <int>left.shape[2], plane
    cdef int by_left = row_step(left.strides[1], 8, k), by_right = row_step(right.strides[1], 8, k)
    cdef int by_difference = row_step(difference.strides[0], 8, k)
    cdef double unit = 1, zero = 0
    cdef Py_ssize_t i, r
    if k == 0:
        memset(&work[0, 0, 0], 0, work.shape[0] * m * n * sizeof(double))
    else:
        for plane in range(1 if number is double else 2):
            dgemm('T', 'N', &n, &m, &k, &unit, <double *>&right[plane, 0, 0], &by_right, <double *>&left[plane, 0, 0],
                  &by_left, &zero, &work[plane, 0, 0], &n)
        if number is not double:
            dgemm('T', 'N', &n, &m, &k, &unit, <double *>&difference[0, 0], &by_difference, <double *>&left[2, 0, 0],
                  &by_left, &zero, &work[2, 0, 0], &n)
    for i in range(m):
        if number is double:
            for r in range(n):
                out[i, r] = matrix[0, i, r] - work[0, i, r]
        else:
            nqs_subtract_planes(&matrix[0, i, 0], &matrix[1, i, 0], &work[0, i, 0], &work[1, i, 0], &work[2, i, 0], n,
                                <double *>&out[i, 0])


def divide(const number[:, :] factor, number[:, ::1] rows):
    """Replace `rows` by rows L^-H, *in place*.

    Parameters
    ----------
    factor : (n, n) float64 or complex128
        L; what stands above the diagonal is not read.
    rows : (m, n), like factor
    """
    if rows.shape[0] == 0 or rows.shape[1] == 0:
        return
    with nogil:
        solve_rows(factor, rows)


cdef void solve_rows(const number[:, :] factor, number[:, ::1] rows) noexcept nogil:
    """Replace `rows` (m, n), which has numbers, by rows L^-H."""
    cdef int m = <int>rows.shape[0], n = <int>rows.shape[1], by_factor = row_step(factor.strides[0], sizeof(number), n)
    cdef number one = 1
    if number is double:
        dtrsm('L', 'U', 'T', 'N', &n, &m, &one, <double *>&factor[0, 0], &by_factor, &rows[0, 0], &n)
    else:
        ztrsm('L', 'U', 'C', 'N', &n, &m, &one, <double complex *>&factor[0, 0], &by_factor, &rows[0, 0], &n)


def factor(number[:, :] block):
    """Replace the lower triangle of `block` (n, n) by its Cholesky factor L, *in place*.

    Returns
    -------
    bool
        False where the matrix is not positive definite; the block is then lost.
    """
    cdef int n = <int>block.shape[0], by_rows = row_step(block.strides[0], sizeof(number), n), failed = 0
    if n == 0:
        return True
    with nogil:
        if number is double:
            dpotrf('U', &n, &block[0, 0], &by_rows, &failed)
        else:
            zpotrf('U', &n, &block[0, 0], &by_rows, &failed)
    return failed == 0


cdef int row_step(Py_ssize_t stride, size_t size, int n) noexcept nogil:
    """Return how many numbers rows lie apart; that of a single row is not looked at and may be anything."""
    return max(<int>(stride // <Py_ssize_t>size), n, 1)
