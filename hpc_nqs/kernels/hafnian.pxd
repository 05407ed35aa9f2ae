from libc.stdint cimport int8_t

from hpc_nqs.kernels.amplitude cimport Amplitude
from hpc_nqs.kernels.moves cimport Proposal

cdef class HafnianAmplitude(Amplitude):
    cdef Py_ssize_t n_sites, max_sites
    cdef const double[:, :, ::1] factors
    cdef const int[:, :, ::1] factor_param
    cdef const double[::1] singles
    cdef const int[::1] single_param
    cdef bint has_singles             # some differ from zero
    cdef double[:, :, ::1] scaled     # factors over their largest entry
    cdef double[::1] scaled_singles   # over its root
    cdef double scale
    # states
    cdef Py_ssize_t[:, ::1] sites     # mismatched ones (BLOCK, n_sites)
    cdef int8_t[:, ::1] spins         # sigma on them (BLOCK, n_sites)
    cdef Py_ssize_t[::1] n_listed     # their number (BLOCK,)
    cdef Py_ssize_t[:, ::1] place     # of a mismatched site in its list (BLOCK, n_sites)
    cdef double[::1] value            # scaled hafnians (BLOCK,)
    cdef double[:, ::1] minors        # scaled, without two sites (BLOCK, max_sites^2), where has_minors
    cdef double[:, ::1] single_minors # without one site (BLOCK, max_sites), where has_minors and has_singles
    cdef int[::1] has_minors          # (BLOCK,)
    cdef Py_ssize_t summed            # the row whose hafnians of subsets are in `subsets`, or -1
    # of a move: places in the list that leave it, sites that join it with their spins
    cdef Py_ssize_t[4] leaving, joining
    cdef int8_t[4] joining_spin
    cdef int n_leaving, n_joining
    # work
    cdef Py_ssize_t[::1] new_sites
    cdef int8_t[::1] new_spins
    cdef double[::1] matrix, alone, subsets, new_subsets
    cdef double factor(self, Py_ssize_t i, int8_t spin_i, Py_ssize_t k, int8_t spin_k) noexcept nogil
    cdef double hafnian(self, const Py_ssize_t *sites, const int8_t *spins, Py_ssize_t size,
                        double *subsets) noexcept nogil
    cdef void sum_hafnian(self, Py_ssize_t row) noexcept nogil
    cdef void sum_minors(self, Py_ssize_t row) noexcept nogil
    cdef bint prepare(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil
    cdef Py_ssize_t fill_list(self, Py_ssize_t row) noexcept nogil
    cdef double new_hafnian(self, Py_ssize_t row) noexcept nogil
