"""Products with log-derivatives in two factors, O_(u,j) = x_u t_j: matrix products over blocks of samples.

Inputs x are real.  The matrices are C-contiguous, so that complex numbers are pairs of doubles in one real product.
"""

from scipy.linalg.cython_blas cimport ddot, dgemm, zdotu

ctypedef fused number:
    double
    double complex


def apply_factors(const double[:, ::1] inputs, const number[:, ::1] slopes, const number[:, ::1] weights,
                  number[:, ::1] work, number[::1] out):
    """Write sum_uj inputs_su weights_uj slopes_sj of every sample s to `out`.

    Parameters
    ----------
    inputs : (n, n_inputs) float64
    slopes : (n, n_hidden) float64 or complex128
    weights : (n_inputs, n_hidden), like slopes
    work : (n_block, n_hidden), like slopes
        Samples are taken n_block at a time.
    out : (n,), like slopes
    """
    cdef int u = <int>inputs.shape[1], j = <int>slopes.shape[1], one = 1, m, columns = <int>(sizeof(number) // 8) * j
    cdef Py_ssize_t n = inputs.shape[0], start = 0, s
    cdef double unit = 1, zero = 0
    with nogil:
        while start < n:
            m = <int>min(work.shape[0], n - start)
            dgemm('N', 'N', &columns, &m, &u, &unit, <double *>&weights[0, 0], &columns, <double *>&inputs[start, 0], &u,
                  &zero, <double *>&work[0, 0], &columns)
            for s in range(m):
                if number is double:
                    out[start + s] = ddot(&j, <double *>&slopes[start + s, 0], &one, &work[s, 0], &one)
                else:
                    out[start + s] = zdotu(&j, <double complex *>&slopes[start + s, 0], &one, &work[s, 0], &one)
            start += m


def sum_factors(const double[:, ::1] inputs, const number[:, ::1] slopes, const number[::1] vector, number[:, ::1] work,
                number[:, ::1] out):
    """Add sum_s inputs_su conj(slopes_sj) vector_s to `out`, *in place*.

    Parameters
    ----------
    inputs, slopes, work
        As for `apply_factors`.
    vector : (n,), like slopes
    out : (n_inputs, n_hidden), like slopes
    """
    cdef int u = <int>inputs.shape[1], j = <int>slopes.shape[1], m, columns = <int>(sizeof(number) // 8) * j
    cdef Py_ssize_t n = inputs.shape[0], start = 0, s
    cdef double unit = 1
    with nogil:
        while start < n:
            m = <int>min(work.shape[0], n - start)
            for s in range(m):
                conjugate_times(<const double *>&slopes[start + s, 0], <const double *>&vector[start + s], columns,
                                sizeof(number) // 8, <double *>&work[s, 0])
            dgemm('N', 'T', &columns, &u, &m, &unit, <double *>&work[0, 0], &columns, <double *>&inputs[start, 0], &u,
                  &unit, <double *>&out[0, 0], &columns)
            start += m


cdef void conjugate_times(const double *row, const double *factor, Py_ssize_t n, int width, double *out) noexcept nogil:
    """Write conj(row) factor[0] to `out`, numbers of `width` doubles."""
    cdef Py_ssize_t k
    cdef double re = factor[0], im
    if width == 1:
        for k in range(n):
            out[k] = re * row[k]
        return
    im = factor[1]
    for k in range(0, n, 2):
        out[k] = row[k] * re + row[k + 1] * im
        out[k + 1] = row[k] * im - row[k + 1] * re


def multiply_samples(const double[:, ::1] inputs, const double[:, :, ::1] slopes, const double[:, ::1] terms,
                     const double[:, ::1] other_inputs, const double[:, :, ::1] other_slopes,
                     const double[:, ::1] other_terms, double constant, double square, double[:, :, ::1] work,
                     double[:, :, :] out):
    """Write O O'^H between samples s of one set and r of another to `out`, from centred factors y_u and d_j.

    With Y = sum_u y_su y_ru and D = sum_j d_sj conj(d_rj) it is scale_s scale_r times
    D (Y + g_s + g_r + constant) + Y (o_s + conj(o_r) + square) + o_s g_r + conj(o_r) g_s + f_s + conj(f_r).

    Parameters
    ----------
    inputs : (m, n_inputs) float64
        y of the samples s.
    slopes : (n_planes, m, n_hidden) float64
        d, in the planes of a left factor in `triangular`.
    terms : (6, m) float64
        scale, g, real and imaginary parts of o, real and imaginary parts of f.
    other_inputs, other_slopes, other_terms
        The same of the n samples r, slopes in the planes of a right factor.
    constant, square : float
    work : (n_planes + 1, m, n) float64
    out : (n_planes, m, n) float64
        Real part and, of complex slopes, imaginary part; rows may lie apart.
    """
    cdef int m = <int>inputs.shape[0], n = <int>other_inputs.shape[0], u = <int>inputs.shape[1], j = <int>slopes.shape[2]
    cdef int n_planes = <int>slopes.shape[0], plane
    cdef Py_ssize_t s
    cdef double unit = 1, zero = 0
    if m == 0 or n == 0:
        return
    with nogil:
        dgemm('T', 'N', &n, &m, &u, &unit, <double *>&other_inputs[0, 0], &u, <double *>&inputs[0, 0], &u, &zero,
              &work[n_planes, 0, 0], &n)
        for plane in range(n_planes):
            dgemm('T', 'N', &n, &m, &j, &unit, <double *>&other_slopes[plane, 0, 0], &j, <double *>&slopes[plane, 0, 0], &j,
                  &zero, &work[plane, 0, 0], &n)
        for s in range(m):
            if n_planes == 1:
                weave_real(&terms[0, s], m, &other_terms[0, 0], n, constant, square, &work[1, s, 0], &work[0, s, 0],
                           &out[0, s, 0])
            else:
                weave_complex(&terms[0, s], m, &other_terms[0, 0], n, constant, square, &work[3, s, 0], &work[0, s, 0],
                              &work[1, s, 0], &work[2, s, 0], &out[0, s, 0], &out[1, s, 0])


cdef void weave_real(const double *own, Py_ssize_t m, const double *other, Py_ssize_t n, double constant, double square,
                     const double *y, const double *d, double *out) noexcept nogil:
    cdef double scale = own[0], g = own[m], o = own[2 * m], f = own[4 * m]
    cdef const double *scales = other
    cdef const double *gs = other + n
    cdef const double *os = other + 2 * n
    cdef const double *fs = other + 4 * n
    cdef Py_ssize_t r
    for r in range(n):
        out[r] = scale * scales[r] * (d[r] * (y[r] + g + gs[r] + constant) + y[r] * (o + os[r] + square)
                                      + o * gs[r] + os[r] * g + f + fs[r])


cdef void weave_complex(const double *own, Py_ssize_t m, const double *other, Py_ssize_t n, double constant,
                        double square, const double *y, const double *first, const double *second, const double *third,
                        double *re, double *im) noexcept nogil:
    """D is first + second + i (third - first + second)."""
    cdef double scale = own[0], g = own[m], o_re = own[2 * m], o_im = own[3 * m], f_re = own[4 * m], f_im = own[5 * m]
    cdef const double *scales = other
    cdef const double *gs = other + n
    cdef const double *os_re = other + 2 * n
    cdef const double *os_im = other + 3 * n
    cdef const double *fs_re = other + 4 * n
    cdef const double *fs_im = other + 5 * n
    cdef Py_ssize_t r
    cdef double both
    for r in range(n):
        both = y[r] + g + gs[r] + constant
        re[r] = scale * scales[r] * ((first[r] + second[r]) * both + y[r] * (o_re + os_re[r] + square) + o_re * gs[r]
                                     + os_re[r] * g + f_re + fs_re[r])
        im[r] = scale * scales[r] * ((third[r] - first[r] + second[r]) * both + y[r] * (o_im - os_im[r]) + o_im * gs[r]
                                     - os_im[r] * g + f_im - fs_im[r])
