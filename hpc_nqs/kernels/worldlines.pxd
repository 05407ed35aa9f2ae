"""What loops of exchange world lines and clusters of Ising ones share."""

from libc.stdint cimport int8_t, int32_t
from numpy.random.bit_generator cimport bitgen_t

cdef enum:
    SIGN = 0
    FIRST = 1
    SECOND = 2
    ESTIMATE = 3
    MAGNETIZATION = 4
    N_FIXED = 5
    PARALLEL = 0
    STAY = 1
    SWAP = 2

cdef inline int32_t root_of(int32_t *parents, int32_t node) noexcept nogil:
    """Root of a node; halves the path on the way."""
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node


cdef inline void join(int32_t *parents, int32_t first, int32_t second) noexcept nogil:
    """Put two nodes into one cluster; the root of a cluster is its smallest node."""
    first = root_of(parents, first)
    second = root_of(parents, second)
    if first < second:
        parents[second] = first
    elif second < first:
        parents[first] = second


cdef void flatten(int32_t *parents, Py_ssize_t n_nodes) noexcept nogil

cdef void measure(const int8_t *spins, const int32_t *parents, bint improved, const int32_t[:, ::1] times,
                  const double[:, :, ::1] phases, const int32_t[:, ::1] pairs, const double[:, ::1] pair_weights,
                  double *sums, double *out) noexcept nogil

cdef void flip(int8_t *spins, const int32_t *parents, const double *bias, int8_t *decisions, double *sums,
               Py_ssize_t stride, Py_ssize_t n_nodes, bitgen_t *stream) noexcept nogil
