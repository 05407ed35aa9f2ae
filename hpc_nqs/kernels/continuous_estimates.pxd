"""Derivatives by beta of the logarithm of the weight of `continuous_worldlines.Paths`, and averages of them."""

from hpc_nqs.kernels.continuous_worldlines cimport Paths

cdef void add_derivatives(const Paths *w, double *out) noexcept nogil

cdef double conditional_derivative(const Paths *w) noexcept nogil

cdef double averaged_kinks(const Paths *w) noexcept nogil
