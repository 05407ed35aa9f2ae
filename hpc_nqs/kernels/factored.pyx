"""Products with log-derivatives, stored or in two factors, O_(u,j) = x_u t_j: matrix products over blocks of samples.

Inputs x are real.  The matrices are C-contiguous, so that complex numbers are pairs of doubles in one real product.
"""

from scipy.linalg.cython_blas cimport ddot, dgemm, dgemv, zdotu, zgemv

cdef extern from "nqs_rows.h" nogil:
    void nqs_conjugate_times(const double *, double, double, Py_ssize_t, double *)
    void nqs_add_times(const double *, double, double, Py_ssize_t, double *)
    void nqs_sum_rows(const double *, Py_ssize_t, Py_ssize_t, Py_ssize_t, double *)

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
            dgemm('N', 'N', &columns, &m, &u, &unit, <double *>&weights[0, 0], &columns, <double *>&inputs[start, 0],
                  &u, &zero, <double *>&work[0, 0], &columns)
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
                conjugate_times(<const double *>&slopes[start + s, 0], <const double *>&vector[start + s], j,
                                sizeof(number) // 8, <double *>&work[s, 0])
            dgemm('N', 'T', &columns, &u, &m, &unit, <double *>&work[0, 0], &columns, <double *>&inputs[start, 0], &u,
                  &unit, <double *>&out[0, 0], &columns)
            start += m


def covary_factors(const double[:, ::1] inputs, const double[:, ::1] centred, const number[:, ::1] slopes,
                   const double[::1] sample_weights, const number[:, ::1] weights, const number[::1] field,
                   number constant, number[:, ::1] work, number[::1] values, number[:, ::1] out, number[::1] bias):
    """Apply O and then w O^H to the samples, block by block: both while a block is in the fast caches.

    With v_s = w_s (sum_uj inputs_su weights_uj slopes_sj + sum_u centred_su field_u - constant) add
    sum_s inputs_su conj(slopes_sj) v_s to `out` and sum_s centred_su v_s to `bias`, *in place*.

    Parameters
    ----------
    inputs : (n, n_inputs + 1) float64
    centred : (n, n_inputs) float64
    slopes : (n, n_hidden) float64 or complex128
    sample_weights : (n,) float64
    weights : (n_inputs + 1, n_hidden), like slopes
    field : (n_inputs,), like slopes
    constant : number
    work : (n_block, n_hidden), like slopes
    values : (n_block,), like slopes
    out : (n_inputs + 1, n_hidden), like slopes
    bias : (n_inputs,), like slopes

    Returns
    -------
    number
        sum_s v_s.
    """
    cdef int width = <int>(sizeof(number) // 8), u = <int>inputs.shape[1], y = <int>centred.shape[1], one = 1, m
    cdef int j = <int>slopes.shape[1], columns = width * j
    cdef Py_ssize_t n = inputs.shape[0], start = 0, s
    cdef double unit = 1, zero = 0
    cdef number total = 0
    with nogil:
        while start < n:
            m = <int>min(work.shape[0], n - start)
            dgemm('N', 'N', &columns, &m, &u, &unit, <double *>&weights[0, 0], &columns, <double *>&inputs[start, 0],
                  &u, &zero, <double *>&work[0, 0], &columns)
            dgemm('N', 'N', &width, &m, &y, &unit, <double *>&field[0], &width, <double *>&centred[start, 0], &y, &zero,
                  <double *>&values[0], &width)
            for s in range(m):
                if number is double:
                    values[s] += ddot(&j, <double *>&slopes[start + s, 0], &one, &work[s, 0], &one)
                else:
                    values[s] = values[s] + zdotu(&j, <double complex *>&slopes[start + s, 0], &one, &work[s, 0], &one)
                values[s] = sample_weights[start + s] * (values[s] - constant)
                total = total + values[s]
                conjugate_times(<const double *>&slopes[start + s, 0], <const double *>&values[s], j, width,
                                <double *>&work[s, 0])
            dgemm('N', 'T', &columns, &u, &m, &unit, <double *>&work[0, 0], &columns, <double *>&inputs[start, 0], &u,
                  &unit, <double *>&out[0, 0], &columns)
            dgemm('N', 'T', &width, &y, &m, &unit, <double *>&values[0], &width, <double *>&centred[start, 0], &y,
                  &unit, <double *>&bias[0], &width)
            start += m
    return total


def join_sums(const number[:, ::1] sums, const number[:, ::1] means, const number[::1] slopes, number total,
              number[::1] out):
    """Add up what `covary_factors` left for groups of samples, and centre it.

    With the sums over groups A_uj of `out`, b_u of `bias` and t of what is returned: A_uj + b_u conj(mean t_j) -
    conj(<d_j x_u>) t, then b_u.

    Parameters
    ----------
    sums : (n_groups, (n_inputs + 1) * n_hidden + n_inputs) float64 or complex128
    means : (n_inputs + 1, n_hidden), like sums
        conj(<d_j x_u>).
    slopes : (n_hidden,), like sums
        conj(mean t_j).
    total : number
    out : like a row of sums
    """
    cdef int width = <int>(sizeof(number) // 8)
    cdef Py_ssize_t n_items = out.shape[0], j = means.shape[1], n_weights = means.shape[0] * j, u
    cdef double *found = <double *>&out[0]
    cdef const double *rows = <const double *>&sums[0, 0] if sums.shape[0] else NULL
    with nogil:
        nqs_sum_rows(rows + width * n_weights, sums.shape[0], width * n_items, width * (n_items - n_weights),
                     found + width * n_weights)
        for u in range(means.shape[0]):
            nqs_sum_rows(rows + width * u * j, sums.shape[0], width * n_items, width * j, found + width * u * j)
            if n_weights + u < n_items:
                add_times(<const double *>&slopes[0], <const double *>&out[n_weights + u], 1, j, width,
                          found + width * u * j)
            add_times(<const double *>&means[u, 0], <const double *>&total, -1, j, width, found + width * u * j)


cdef void add_times(const double *row, const double *factor, double sign, Py_ssize_t n, int width,
                    double *out) noexcept nogil:
    """out += sign row factor[0], n numbers of `width` doubles."""
    cdef Py_ssize_t k
    if width == 2:
        nqs_add_times(row, sign * factor[0], sign * factor[1], n, out)
        return
    for k in range(n):
        out[k] += sign * factor[0] * row[k]


def covary_rows(const number[:, ::1] rows, const double[::1] sample_weights, const number[::1] vector,
                number[::1] values, number[::1] out):
    """Add O^H w O vector of stored rows O to `out`, *in place*, in one pass over the rows.

    Parameters
    ----------
    rows : (n, n_params) float64 or complex128
    sample_weights : (n,) float64
    vector : (n_params,), like rows
    values : (n_block,), like rows
        Samples are taken n_block at a time.
    out : (n_params,), like rows
    """
    cdef int p = <int>rows.shape[1], one = 1, m
    cdef Py_ssize_t n = rows.shape[0], start = 0, s
    cdef number unit = 1, zero = 0
    if p == 0:
        return
    with nogil:
        if number is not double:
            conjugate(<double *>&out[0], p)
        while start < n:
            m = <int>min(values.shape[0], n - start)
            if number is double:
                dgemv('T', &p, &m, &unit, <double *>&rows[start, 0], &p, <double *>&vector[0], &one, &zero,
                      &values[0], &one)
            else:
                zgemv('T', &p, &m, &unit, <double complex *>&rows[start, 0], &p, <double complex *>&vector[0], &one,
                      &zero, &values[0], &one)
            for s in range(m):
                if number is double:
                    values[s] *= sample_weights[start + s]
                else:
                    values[s] = sample_weights[start + s] * values[s].conjugate()
            if number is double:
                dgemv('N', &p, &m, &unit, <double *>&rows[start, 0], &p, &values[0], &one, &unit, &out[0], &one)
            else:
                zgemv('N', &p, &m, &unit, <double complex *>&rows[start, 0], &p, &values[0], &one, &unit, &out[0], &one)
            start += m
        if number is not double:
            conjugate(<double *>&out[0], p)


cdef void conjugate(double *numbers, Py_ssize_t n) noexcept nogil:
    """Conjugate n complex numbers, *in place*."""
    cdef Py_ssize_t k
    for k in range(n):
        numbers[2 * k + 1] = -numbers[2 * k + 1]


cdef void conjugate_times(const double *row, const double *factor, Py_ssize_t n, int width, double *out) noexcept nogil:
    """Write conj(row) factor[0] to `out`, n numbers of `width` doubles."""
    cdef Py_ssize_t k
    if width == 2:
        nqs_conjugate_times(row, factor[0], factor[1], n, out)
        return
    for k in range(n):
        out[k] = factor[0] * row[k]


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
    cdef int m = <int>inputs.shape[0], n = <int>other_inputs.shape[0]
    cdef int u = <int>inputs.shape[1], j = <int>slopes.shape[2]
    cdef int n_planes = <int>slopes.shape[0], plane
    cdef Py_ssize_t s
    cdef double unit = 1, zero = 0
    if m == 0 or n == 0:
        return
    with nogil:
        dgemm('T', 'N', &n, &m, &u, &unit, <double *>&other_inputs[0, 0], &u, <double *>&inputs[0, 0], &u, &zero,
              &work[n_planes, 0, 0], &n)
        for plane in range(n_planes):
            dgemm('T', 'N', &n, &m, &j, &unit, <double *>&other_slopes[plane, 0, 0], &j, <double *>&slopes[plane, 0, 0],
                  &j, &zero, &work[plane, 0, 0], &n)
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
