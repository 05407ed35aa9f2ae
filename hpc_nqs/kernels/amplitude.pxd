from libc.stdint cimport int8_t

from hpc_nqs.kernels.moves cimport Proposal

cdef enum:
    BLOCK = 8  # configurations whose states are held at once, NQS_LANES of csrc/nqs_simd.h

cdef class Amplitude:
    cdef readonly Py_ssize_t n_visible
    cdef readonly Py_ssize_t n_params
    cdef readonly int width
    cdef void refresh(self, const int8_t *visible, Py_ssize_t n) noexcept nogil
    cdef void anticipate(self, Py_ssize_t n) noexcept nogil
    cdef double complex ratio(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil
    cdef void accept(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil
    cdef double complex log_psi(self, Py_ssize_t row, const int8_t *visible) noexcept nogil
    cdef void log_derivs(self, const int8_t *visible, Py_ssize_t n, double *out, Py_ssize_t stride) noexcept nogil
