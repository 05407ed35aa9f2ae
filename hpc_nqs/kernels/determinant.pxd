from libc.stdint cimport int8_t

from hpc_nqs.kernels.amplitude cimport Amplitude
from hpc_nqs.kernels.moves cimport Proposal

cdef enum:
    N_CODES = 16
    PHYSICAL = 0  # layers
    ANCILLA = 1


cdef class DeterminantAmplitude(Amplitude):
    cdef Py_ssize_t n_orbitals, n_row
    cdef const double[:, :, :, ::1] propagator
    cdef const int[:, :, :, ::1] propagator_param
    cdef const Py_ssize_t[::1] groups
    cdef bint has_groups
    # states, of every row and spin
    cdef Py_ssize_t[:, :, :, ::1] electrons  # orbitals on either layer (BLOCK, 2, 2, n_orbitals)
    cdef Py_ssize_t[:, :, ::1] n_electrons   # their numbers (BLOCK, 2, 2)
    cdef Py_ssize_t[:, :, :, ::1] place      # of an occupied orbital in its list, else -1 (BLOCK, 2, 2, n_orbitals)
    cdef int[:, :, ::1] codes                # n + 2 n' of the other spin (BLOCK, 2, n_orbitals)
    cdef double[:, :, :, ::1] inverse        # of A, electrons of the ancilla layer first (BLOCK, 2, n_orbitals, n_row)
    cdef double[:, ::1] log_magnitude        # of the determinants (BLOCK, 2)
    cdef int[:, ::1] signs                   # of the determinants, 0 where they vanish (BLOCK, 2)
    # of a move, of every spin and layer: the orbitals that an electron leaves and joins, -1: none
    cdef Py_ssize_t[2][2] leaving, joining
    cdef bint[2] listed, recoded             # whether the lists, or codes at an electron, of a spin change
    # work
    cdef Py_ssize_t[:, :, ::1] new_electrons # (2, 2, n_orbitals)
    cdef Py_ssize_t[2][2] n_new
    cdef int[:, ::1] new_codes               # (2, n_orbitals)
    cdef double[:, ::1] matrix               # (n_orbitals, n_row)
    cdef double[::1] scales, pivots
    cdef Py_ssize_t[::1] swaps
    cdef int[::1] in_group                   # electrons of both layers (n_orbitals,)
    cdef bint fill(self, Py_ssize_t spin, const Py_ssize_t *rows, const Py_ssize_t *columns, Py_ssize_t size,
                   const int *codes, double *log_scale) noexcept nogil
    cdef int determinant(self, Py_ssize_t size, double *log_magnitude) noexcept nogil
    cdef void invert(self, Py_ssize_t row, Py_ssize_t spin) noexcept nogil
    cdef void prepare(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil
    cdef bint breaks_groups(self, const Proposal *proposal) noexcept nogil
    cdef bint matches_groups(self, Py_ssize_t row) noexcept nogil
    cdef void fill_lists(self, Py_ssize_t row) noexcept nogil
    cdef double row_ratio(self, Py_ssize_t row, Py_ssize_t spin, Py_ssize_t layer) noexcept nogil
    cdef double fresh_ratio(self, Py_ssize_t row, Py_ssize_t spin) noexcept nogil
    cdef double spin_ratio(self, Py_ssize_t row, Py_ssize_t spin) noexcept nogil
    cdef void list_electrons(self, const int8_t *visible, Py_ssize_t n) noexcept nogil
    cdef void move_electrons(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil
    cdef int order_sign(self, Py_ssize_t row) noexcept nogil
