from libc.stdint cimport int8_t

from hpc_nqs.kernels.amplitude cimport Amplitude
from hpc_nqs.kernels.moves cimport Proposal

cdef class PairAmplitude(Amplitude):
    cdef Py_ssize_t n_up
    cdef const double[:, ::1] pairing         # f (n_visible, n_visible), symmetric, zero diagonal
    cdef const int[:, ::1] pair_param         # (n_visible, n_visible), signed 1 + k, 0: fixed
    # two states: the current one and room for the next
    cdef int current
    cdef Py_ssize_t[:, ::1] up, down          # (2, n_up): sites of the rows and columns of F
    cdef Py_ssize_t[:, ::1] position          # (2, n_visible): row or column of a site
    cdef double[:, :, ::1] inverse            # (2, n_up, n_up): G = F^{-1}, G[column, row]
    cdef double[:, :, ::1] dressed            # (2, n_visible, n_up): A = f(., down) G
    cdef double log_magnitude
    cdef bint negative
    cdef double[::1] column, old_row          # (n_up,)
    cdef double[::1] work                     # LAPACK, (n_up^2,)
    cdef int[::1] pivots
    cdef double exchange_ratio(self, int state, Py_ssize_t x, Py_ssize_t y) noexcept nogil
    cdef void exchange(self, int state, Py_ssize_t x, Py_ssize_t y) noexcept nogil
    cdef void dress(self, int state) noexcept nogil
