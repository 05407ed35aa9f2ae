from libc.stdint cimport int8_t

from hpc_nqs.kernels.amplitude cimport Amplitude
from hpc_nqs.kernels.moves cimport MoveSet

cdef class Hamiltonian:
    cdef const Py_ssize_t[:, ::1] pair_sites
    cdef const double[::1] pair_coupling
    cdef const double[::1] field
    cdef const Py_ssize_t[::1] moves
    cdef const double[::1] elements
    cdef double constant
    cdef double diagonal(self, const int8_t *visible) noexcept nogil
    cdef void local_energies(self, Amplitude amplitude, MoveSet moves, const int8_t *visible, Py_ssize_t n,
                             double complex *energies, Py_ssize_t stride, double *ratios,
                             Py_ssize_t ratio_stride) noexcept nogil
