"""What one core can do at most: the yardsticks that `hpc-nqs bench` holds the other kernels against."""

cdef extern from "nqs_roofline.h" nogil:
    enum:
        NQS_CHAINS
    void nqs_multiply_adds(double *, double, double, Py_ssize_t)
    void nqs_triad(const double *, const double *, double, Py_ssize_t, double *)


def multiply_adds(double[::1] values, double factor, double summand, Py_ssize_t n_rounds):
    """Replace every value by value * factor + summand, n_rounds times, *in place*; the length is a multiple of 80."""
    cdef Py_ssize_t block
    with nogil:
        for block in range(values.shape[0] // NQS_CHAINS):
            nqs_multiply_adds(&values[NQS_CHAINS * block], factor, summand, n_rounds)


def triad(const double[::1] b, const double[::1] c, double factor, double[::1] a):
    """Write b + factor c to `a`; the length is a multiple of 8."""
    with nogil:
        nqs_triad(&b[0], &c[0], factor, a.shape[0], &a[0])
