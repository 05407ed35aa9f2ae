from libc.stdint cimport int8_t

from hpc_nqs.kernels.moves cimport Proposal

cdef enum:
    DOWN = 0  # sides: B, then A
    UP = 1

cdef struct SideChange:  # sites that leave and join B and A in a move
    Py_ssize_t[2][4] leaving
    Py_ssize_t[2][4] joining
    int[2] n_leaving
    int[2] n_joining

cdef bint read_sides(const int8_t *visible, const Proposal *proposal, Py_ssize_t n_sites,
                     SideChange *change) noexcept nogil
