"""Product of two wave functions: ratios multiply, logarithms and log-derivatives stand side by side."""

from libc.stdint cimport int8_t

from hpc_nqs.kernels.amplitude cimport Amplitude
from hpc_nqs.kernels.moves cimport Proposal


cdef class ProductAmplitude(Amplitude):
    """Psi = first * second, of the same width; the parameters of `first` come first."""

    cdef Amplitude first, second

    def __init__(self, Amplitude first, Amplitude second):
        self.first = first
        self.second = second
        self.width = first.width
        self.n_visible = first.n_visible
        self.n_params = first.n_params + second.n_params

    cdef void refresh(self, const int8_t *visible) noexcept nogil:
        self.first.refresh(visible)
        self.second.refresh(visible)

    cdef double complex ratio(self, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        return self.first.ratio(visible, proposal) * self.second.ratio(visible, proposal)

    cdef void accept(self, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        self.first.accept(visible, proposal)
        self.second.accept(visible, proposal)

    cdef double complex log_psi(self, const int8_t *visible) noexcept nogil:
        return self.first.log_psi(visible) + self.second.log_psi(visible)

    cdef void log_derivs(self, const int8_t *visible, double *out) noexcept nogil:
        self.first.log_derivs(visible, out)
        self.second.log_derivs(visible, out + self.first.n_params * self.width)
