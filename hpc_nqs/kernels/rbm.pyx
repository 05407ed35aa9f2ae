"""Restricted Boltzmann machine with shared weights: ratios, updates, log-derivatives.

ln Psi = sum_u a_u x_u + sum_j ln 2cosh(angle_j),  angle_j = b_j + sum_u W_ju x_u,
with inputs x = (visible) or (visible, sigma_i ancilla_i).  Units with eta = -1 have a purely imaginary
weight vector: their stored numbers are the magnitudes, and cosh turns into cos.
"""

from libc.stdint cimport int8_t

import numpy as np

from hpc_nqs.kernels.amplitude cimport Amplitude
from hpc_nqs.kernels.moves cimport Proposal

cdef extern from "complex.h" nogil:
    double complex cexp(double complex)

cdef extern from "nqs_units.h" nogil:
    void nqs_unit_product(const double *, const double *, const double *, double, Py_ssize_t, int, double *)
    void nqs_unit_advance(double *, double *, const double *, const double *, const double *, const double *,
                          double, Py_ssize_t, int)
    void nqs_unit_angles(const double *, const double *, const double *, Py_ssize_t, Py_ssize_t, int, double *)
    void nqs_unit_tangents(const double *, const double *, Py_ssize_t, int, double *)
    void nqs_unit_tables(const double *, const double *, Py_ssize_t, int, double *, double *)
    void nqs_unit_log_sum(const double *, const double *, Py_ssize_t, Py_ssize_t, int, double *)
    void nqs_image_sum(const double *, Py_ssize_t, int, const double *, const int *, Py_ssize_t, Py_ssize_t,
                       double *)


cdef class RBMAmplitude(Amplitude):
    """One RBM at fixed parameters; `wavefunctions.rbm.RBM.amplitude` makes it (shapes in rbm.pxd)."""

    def __init__(self, n_visible, n_params, n_units, weights, bias, eta, input_bias, shift, bias_shift,
                 first_unit, image_index, weight_param, bias_param, input_bias_param):
        cdef Py_ssize_t entry
        self.n_visible = n_visible
        self.n_params = n_params
        self.weights = weights
        self.n_inputs, self.width, self.n_padded = weights.shape
        self.n_units = n_units
        self.bias = bias
        self.eta = eta
        self.input_bias = input_bias
        self.shift = shift
        self.bias_shift = bias_shift
        self.first_unit = first_unit
        self.image_index = image_index
        self.weight_param = weight_param
        self.bias_param = bias_param
        self.input_bias_param = input_bias_param
        self.even = np.empty(shift.shape)
        self.odd = np.empty(shift.shape)
        self.inputs = np.empty(2 * self.n_inputs)
        self.angles = np.empty((self.width, self.n_padded))
        self.tangents = np.empty((self.width, self.n_padded))
        self.work = np.empty(self.width * self.n_inputs)
        with nogil:
            for entry in range(self.shift.shape[0]):
                nqs_unit_tables(&self.shift[entry, 0, 0], &self.eta[0], self.n_padded, self.width,
                                &self.even[entry, 0, 0], &self.odd[entry, 0, 0])

    cdef void fill_inputs(self, const int8_t *visible) noexcept nogil:
        cdef Py_ssize_t u, n_sites = self.n_visible // 2
        for u in range(self.n_visible):
            self.inputs[u] = visible[u]
        for u in range(self.n_inputs - self.n_visible):
            self.inputs[self.n_visible + u] = visible[u] * visible[u + n_sites]
        for u in range(self.n_inputs):
            self.inputs[self.n_inputs + u] = -self.inputs[u]

    cdef void refresh(self, const int8_t *visible) noexcept nogil:
        self.fill_inputs(visible)
        nqs_unit_angles(&self.weights[0, 0, 0], &self.bias[0, 0], &self.inputs[0], self.n_inputs, self.n_padded,
                        self.width, &self.angles[0, 0])
        nqs_unit_tangents(&self.angles[0, 0], &self.eta[0], self.n_padded, self.width, &self.tangents[0, 0])

    cdef double complex ratio(self, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef double product[2]
        cdef double complex shift = self.bias_shift[proposal.entry]
        nqs_unit_product(&self.tangents[0, 0], &self.even[proposal.entry, 0, 0], &self.odd[proposal.entry, 0, 0],
                         proposal.sign, self.n_padded, self.width, product)
        if shift == 0:
            return product[0] + 1j * product[1]
        return (product[0] + 1j * product[1]) * cexp(proposal.sign * shift)

    cdef void accept(self, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef Py_ssize_t entry = proposal.entry
        nqs_unit_advance(&self.angles[0, 0], &self.tangents[0, 0], &self.shift[entry, 0, 0],
                         &self.even[entry, 0, 0], &self.odd[entry, 0, 0], &self.eta[0],
                         proposal.sign, self.n_padded, self.width)

    cdef double complex log_psi(self, const int8_t *visible) noexcept nogil:
        cdef double log_sum[2]
        cdef double complex bias = 0
        cdef Py_ssize_t u
        self.fill_inputs(visible)
        for u in range(self.n_inputs):
            bias = bias + self.input_bias[u] * self.inputs[u]
        nqs_unit_log_sum(&self.angles[0, 0], &self.eta[0], self.n_units, self.n_padded, self.width, log_sum)
        return bias + log_sum[0] + 1j * log_sum[1]

    cdef void log_derivs(self, const int8_t *visible, double *out) noexcept nogil:
        cdef Py_ssize_t f, u, j, first, n_images
        cdef int w, k, width = self.width
        cdef double eta
        self.fill_inputs(visible)
        for u in range(self.n_params * width):
            out[u] = 0
        for f in range(self.first_unit.shape[0] - 1):
            first = self.first_unit[f]
            n_images = self.first_unit[f + 1] - first
            eta = self.eta[first]
            nqs_image_sum(&self.tangents[0, first], self.n_padded, width, &self.inputs[0],
                          &self.image_index[first, 0], n_images, self.n_inputs, &self.work[0])
            for u in range(self.n_inputs):
                k = self.weight_param[f, u]
                for w in range(width):
                    if k > 0:
                        out[width * (k - 1) + w] += eta * self.work[width * u + w]
                    elif k < 0:
                        out[width * (-k - 1) + w] -= eta * self.work[width * u + w]
            k = self.bias_param[f]
            if k > 0:
                for w in range(width):
                    for j in range(first, first + n_images):
                        out[width * (k - 1) + w] += eta * self.tangents[w, j]
        for u in range(self.n_inputs):
            k = self.input_bias_param[u]
            if k > 0:
                out[width * (k - 1)] += self.inputs[u]
            elif k < 0:
                out[width * (-k - 1)] -= self.inputs[u]
