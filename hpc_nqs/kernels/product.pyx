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

    def sibling(self):
        return ProductAmplitude(self.first.sibling(), self.second.sibling())

    cdef void refresh(self, const int8_t *visible, Py_ssize_t n) noexcept nogil:
        self.first.refresh(visible, n)
        self.second.refresh(visible, n)

    cdef void anticipate(self, Py_ssize_t n) noexcept nogil:
        self.first.anticipate(n)
        self.second.anticipate(n)

    cdef double complex ratio(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef double complex ratio = self.first.ratio(row, visible, proposal)
        return 0 if ratio == 0 else ratio * self.second.ratio(row, visible, proposal)

    cdef void accept(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        self.first.accept(row, visible, proposal)
        self.second.accept(row, visible, proposal)

    cdef double complex log_psi(self, Py_ssize_t row, const int8_t *visible) noexcept nogil:
        return self.first.log_psi(row, visible) + self.second.log_psi(row, visible)

    cdef void log_derivs(self, const int8_t *visible, Py_ssize_t n, double *out, Py_ssize_t stride) noexcept nogil:
        self.first.log_derivs(visible, n, out, stride)
        self.second.log_derivs(visible, n, out + self.first.n_params * self.width, stride)
