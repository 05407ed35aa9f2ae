from libc.stdint cimport int8_t

from hpc_nqs.kernels.amplitude cimport Amplitude
from hpc_nqs.kernels.moves cimport Proposal

cdef extern from "nqs_units.h" nogil:
    ctypedef struct nqs_shape:
        Py_ssize_t n_cosh, n_cos, n_complex

    ctypedef struct nqs_scale:
        double re, im, exponent

cdef class RBMAmplitude(Amplitude):
    # features and their parameters; a real plane and, where width = 2, an imaginary one
    cdef Py_ssize_t n_inputs, n_features
    cdef const double[:, :, ::1] weights      # (width, n_features, n_inputs)
    cdef const double[:, ::1] bias            # (width, n_features)
    cdef const double[::1] eta                # (n_features,)
    cdef const double complex[::1] input_bias # (n_inputs,)
    cdef bint has_input_bias
    cdef const Py_ssize_t[::1] first_unit     # (n_features + 1,)
    cdef const int[:, ::1] image_index        # (n_units, n_inputs)
    cdef const int[:, ::1] weight_param       # (n_features, n_inputs), signed 1 + k, 0: fixed
    cdef const int[::1] bias_param            # (n_features,)
    cdef const int[::1] input_bias_param      # (n_inputs,)
    # layout of a row over the hidden units
    cdef nqs_shape shape
    cdef Py_ssize_t n_row, n_units            # doubles in a row; units that are not padding
    cdef const Py_ssize_t[::1] start          # (n_features,): where the units of a feature begin
    cdef const double[:, ::1] columns         # (n_inputs, n_row): weights of every unit to one input
    cdef const double[:, ::1] unit_bias       # (1, n_row)
    cdef bint is_shared
    cdef const double[:, ::1] tiles           # (n_row / BLOCK, n_inputs * BLOCK) where not is_shared, else None
    # changes of the inputs and their tables
    cdef const Py_ssize_t[:, ::1] entry_inputs  # (n_entries, 4)
    cdef const double[:, ::1] entry_changes     # (n_entries, 4)
    cdef double[:, ::1] half                    # (n_entries, n_row)
    cdef double[:, ::1] scale                   # (n_entries, 3): nqs_scale
    cdef const double complex[:, ::1] bias_factor  # (n_entries, 2): of input_bias, by whether sign = -1 or +1
    # states
    cdef double[:, ::1] angles, tangents      # (BLOCK, n_row)
    cdef double[::1] new_angles               # (n_row,)
    cdef double[:, ::1] inputs                # (2 n_inputs, BLOCK): x and -x
    cdef double[:, ::1] work, sums            # (n_units, BLOCK), (n_inputs, BLOCK)
    cdef void fill_inputs(self, const int8_t *visible, Py_ssize_t n) noexcept nogil
    cdef double complex slow_ratio(self, Py_ssize_t row, Py_ssize_t entry, double sign) noexcept nogil
    cdef void shift_angles(self, Py_ssize_t entry, double sign, double *row) noexcept nogil
    cdef void add_derivs(self, Py_ssize_t f, int w, Py_ssize_t n, double *out, Py_ssize_t stride) noexcept nogil
