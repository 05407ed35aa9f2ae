"""Pieces of a Cholesky factorization A = L L^H by blocks of rows, for threads: BLAS and LAPACK without the interpreter's lock.

Matrices are stored by rows, the numbers of a row side by side; rows may lie apart.  BLAS sees each as its transpose.
"""

from scipy.linalg.cython_blas cimport dgemm, dtrsm, zgemm, ztrsm
from scipy.linalg.cython_lapack cimport dpotrf, zpotrf

ctypedef fused number:
    double
    double complex


def subtract_product(const number[:, :] left, const number[:, :] right, number[:, :] out):
    """Subtract left right^H from `out`, *in place*.

    Parameters
    ----------
    left : (m, k) float64 or complex128
    right : (n, k), like left
    out : (m, n), like left
    """
    cdef int m = <int>left.shape[0], n = <int>right.shape[0], k = <int>left.shape[1]
    cdef int by_left = row_step(left.strides[0], sizeof(number), k)
    cdef int by_right = row_step(right.strides[0], sizeof(number), k)
    cdef int by_out = row_step(out.strides[0], sizeof(number), n)
    cdef number minus = -1, one = 1
    if m == 0 or n == 0 or k == 0:
        return
    with nogil:
        if number is double:
            dgemm('T', 'N', &n, &m, &k, &minus, <double *>&right[0, 0], &by_right, <double *>&left[0, 0], &by_left, &one,
                  &out[0, 0], &by_out)
        else:
            zgemm('C', 'N', &n, &m, &k, &minus, <double complex *>&right[0, 0], &by_right,
                  <double complex *>&left[0, 0], &by_left, &one, &out[0, 0], &by_out)


def divide(const number[:, :] factor, number[:, :] rows):
    """Replace `rows` by rows L^-H, *in place*.

    Parameters
    ----------
    factor : (n, n) float64 or complex128
        L; what stands above the diagonal is not read.
    rows : (m, n), like factor
    """
    cdef int m = <int>rows.shape[0], n = <int>rows.shape[1]
    cdef int by_factor = row_step(factor.strides[0], sizeof(number), n), by_rows = row_step(rows.strides[0], sizeof(number), n)
    cdef number one = 1
    if m == 0 or n == 0:
        return
    with nogil:
        if number is double:
            dtrsm('L', 'U', 'T', 'N', &n, &m, &one, <double *>&factor[0, 0], &by_factor, &rows[0, 0], &by_rows)
        else:
            ztrsm('L', 'U', 'C', 'N', &n, &m, &one, <double complex *>&factor[0, 0], &by_factor, &rows[0, 0], &by_rows)


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
