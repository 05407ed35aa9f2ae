from libc.stdint cimport int8_t

from hpc_nqs.kernels.amplitude cimport Amplitude
from hpc_nqs.kernels.moves cimport Proposal
from hpc_nqs.kernels.sides cimport SideChange

cdef class PermanentAmplitude(Amplitude):
    cdef Py_ssize_t n_sites, max_pairs, room
    cdef bint factorizes              # some pairs of sites have no parameter
    cdef bint keeps_minors            # those of several configurations are wanted
    cdef const double[:, ::1] exchange
    cdef const int[:, ::1] pair_param
    cdef double[:, ::1] scaled        # r over its largest entry
    cdef double scale
    # states
    cdef Py_ssize_t[:, :, ::1] sides  # sites of B and of A (BLOCK, 2, n_sites)
    cdef Py_ssize_t[:, ::1] n_side    # their numbers (BLOCK, 2)
    cdef Py_ssize_t[:, ::1] place     # of a mismatched site in its list (BLOCK, n_sites)
    cdef double[::1] value            # scaled permanents (BLOCK,)
    cdef double[:, ::1] minors        # scaled, (up, down) (BLOCK, room^2), where has_minors
    cdef int[::1] has_minors          # (BLOCK,)
    cdef double[:, ::1] moved_up, moved_down  # see nqs_permanent_moves (BLOCK, room n_sites), where has_moves
    cdef int[::1] has_moves           # (BLOCK,)
    cdef int[:, :, ::1] labels        # components of the sites of B and of A (BLOCK, 2, room)
    cdef int[:, ::1] n_pairs          # of a component (BLOCK, room)
    cdef int[::1] n_components        # (BLOCK,)
    cdef Py_ssize_t summed            # the row whose sums over subsets are in `heads`, or -1
    cdef SideChange change            # of the move at hand
    # work
    cdef Py_ssize_t[:, ::1] new_sides
    cdef int[:, ::1] new_labels, members
    cdef int[::1] new_pairs
    cdef double[::1] matrix, block_minors, heads, tails, factors
    cdef int gather(self, const Py_ssize_t *down, const Py_ssize_t *up, Py_ssize_t size, const int *of_down,
                    const int *of_up, int component) noexcept nogil
    cdef void gather_all(self, const Py_ssize_t *down, const Py_ssize_t *up, Py_ssize_t size) noexcept nogil
    cdef void sum_permanent(self, Py_ssize_t row) noexcept nogil
    cdef void sum_minors(self, Py_ssize_t row) noexcept nogil
    cdef double fresh_permanent(self, Py_ssize_t row) noexcept nogil
    cdef void fill_lists(self, Py_ssize_t row) noexcept nogil
    cdef bint may_be_too_large(self, Py_ssize_t row) noexcept nogil
    cdef double new_permanent(self, Py_ssize_t row) noexcept nogil
    cdef double unscaled(self, double ratio) noexcept nogil
    cdef void make_move(self, Py_ssize_t row) noexcept nogil
