from libc.stdint cimport int8_t

from hpc_nqs.kernels.amplitude cimport Amplitude
from hpc_nqs.kernels.moves cimport Proposal

cdef inline bint list_sides(const int8_t *visible, Py_ssize_t n, Py_ssize_t *up, Py_ssize_t *down,
                            Py_ssize_t *position) noexcept nogil:
    # list the up and the down sites, each with its place there; return whether (u, d) is an odd permutation
    cdef Py_ssize_t v, a = 0, b = 0
    cdef bint negative = False
    for v in range(n):
        if visible[v] > 0:
            up[a] = v
            position[v] = a
            a += 1
            negative ^= b & 1
        else:
            down[b] = v
            position[v] = b
            b += 1
    return negative

cdef class PairAmplitude(Amplitude):
    cdef Py_ssize_t n_up, n_row               # n_row: n_up padded to whole vectors
    cdef const double[:, ::1] pairing         # f (n_visible, n_visible), symmetric, zero diagonal
    cdef const int[:, ::1] pair_param         # (n_visible, n_visible), signed 1 + k, 0: fixed
    # states
    cdef Py_ssize_t[:, ::1] up, down          # (BLOCK, n_up): sites of the rows and columns of F
    cdef Py_ssize_t[:, ::1] position          # (BLOCK, n_visible): row or column of a site
    cdef double[:, :, ::1] inverse            # (BLOCK, n_up, n_row): G = F^{-1}, G[column, row]
    cdef double[:, :, ::1] dressed            # (BLOCK, n_up, n_row): D = f(down, down) G
    cdef double[::1] log_magnitude            # (BLOCK,)
    cdef int[::1] negative                    # (BLOCK,)
    # a change of one or two pairs (x, y): F' = F + U V^T, U = (unit vectors a, columns)
    cdef int n_pairs
    cdef Py_ssize_t[4] x, y, a, b             # sites; their row and column of F
    cdef double[16] m                         # 1 + V^T G U
    cdef double[:, ::1] columns               # (2, n_row)
    cdef double[:, ::1] rows                  # (4, n_row): V^T G
    cdef double[:, ::1] solved                # (6, n_row): m^{-1} V^T G, then the new G[b]
    cdef double[:, ::1] change                # (2, n_up): change of f(down, down) in the columns b
    cdef double[:, ::1] work                  # (n_up, n_row): f(down, down)
    cdef Py_ssize_t[::1] swaps                # (n_up,) of the elimination
    cdef double[::1] pivots
    cdef void refresh_row(self, Py_ssize_t row, const int8_t *visible) noexcept nogil
    cdef bint invert(self, Py_ssize_t row) noexcept nogil
    cdef void prepare(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil
