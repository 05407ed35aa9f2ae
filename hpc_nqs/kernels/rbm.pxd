from libc.stdint cimport int8_t

from hpc_nqs.kernels.amplitude cimport Amplitude
from hpc_nqs.kernels.moves cimport Proposal

cdef class RBMAmplitude(Amplitude):
    # the network; arrays over hidden units are padded to n_padded
    cdef Py_ssize_t n_inputs, n_units, n_padded
    cdef const double[:, :, ::1] weights      # (n_inputs, width, n_padded)
    cdef const double[:, ::1] bias            # (width, n_padded)
    cdef const double[::1] eta                # (n_padded,)
    cdef const double complex[::1] input_bias # (n_inputs,)
    # change of the angles and of the bias term per table entry
    cdef const double[:, :, ::1] shift        # (n_entries, width, n_padded)
    cdef double[:, :, ::1] even, odd
    cdef const double complex[::1] bias_shift # (n_entries,)
    # parameters of the features
    cdef const Py_ssize_t[::1] first_unit     # (n_features + 1,)
    cdef const int[:, ::1] image_index        # (n_units, n_inputs)
    cdef const int[:, ::1] weight_param       # (n_features, n_inputs), signed 1 + k, 0: fixed
    cdef const int[::1] bias_param            # (n_features,)
    cdef const int[::1] input_bias_param      # (n_inputs,)
    # state of one configuration
    cdef double[::1] inputs                   # (2 n_inputs,): x and -x
    cdef double[:, ::1] angles, tangents      # (width, n_padded)
    cdef double[::1] work                     # (width * n_inputs,)
    cdef void fill_inputs(self, const int8_t *visible) noexcept nogil
