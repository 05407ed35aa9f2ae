"""The passes over the vectors of conjugate gradients, several operations in each.

Complex vectors come as pairs of doubles, real diagonals with each number twice.
"""

cdef extern from "nqs_rows.h" nogil:
    void nqs_advance(double, const double *, const double *, const double *, Py_ssize_t, double *, double *, double *,
                     double *)
    void nqs_turn(double, const double *, Py_ssize_t, double *)


def advance(double step, const double[::1] direction, const double[::1] product, const double[::1] inverse_diagonal,
            double[::1] x, double[::1] remainder, double[::1] preconditioned):
    """Make x += step direction, remainder -= step product, preconditioned = inverse_diagonal remainder, *in place*.

    Parameters
    ----------
    step : float
    direction, product, inverse_diagonal, x, remainder, preconditioned : (n,) float64

    Returns
    -------
    (float, float)
        remainder . remainder and remainder . preconditioned.
    """
    cdef double sums[2]
    with nogil:
        sums[0] = sums[1] = 0
        if x.shape[0]:
            nqs_advance(step, &direction[0], &product[0], &inverse_diagonal[0], x.shape[0], &x[0], &remainder[0],
                        &preconditioned[0], sums)
    return sums[0], sums[1]


def turn(double factor, const double[::1] preconditioned, double[::1] direction):
    """Make direction = preconditioned + factor direction, *in place*; both (n,) float64."""
    with nogil:
        if direction.shape[0]:
            nqs_turn(factor, &preconditioned[0], direction.shape[0], &direction[0])
