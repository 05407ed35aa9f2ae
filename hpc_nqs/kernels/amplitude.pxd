from libc.stdint cimport int8_t

from hpc_nqs.kernels.moves cimport Proposal

cdef class Amplitude:
    cdef readonly Py_ssize_t n_visible
    cdef readonly Py_ssize_t n_params
    cdef readonly int width
    cdef void refresh(self, const int8_t *visible) noexcept nogil
    cdef double complex ratio(self, const int8_t *visible, const Proposal *proposal) noexcept nogil
    cdef void accept(self, const int8_t *visible, const Proposal *proposal) noexcept nogil
    cdef double complex log_psi(self, const int8_t *visible) noexcept nogil
    cdef void log_derivs(self, const int8_t *visible, double *out) noexcept nogil
