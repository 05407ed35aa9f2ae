"""Restricted Boltzmann machine with shared weights: ratios, updates, log-derivatives.

ln Psi = sum_u a_u x_u + sum_f sum_g ln 2cosh(angle_fg),  angle_fg = b_f + sum_u w_fu (g x)_u,
with inputs x = (visible) or (visible, sigma_i ancilla_i).  Features with eta = -1 have purely imaginary weights:
their stored numbers are the magnitudes, and cosh turns into cos.
"""

from libc.math cimport log
from libc.stdint cimport int8_t
from libc.string cimport memcpy

import numpy as np

from hpc_nqs.kernels.amplitude cimport BLOCK, Amplitude
from hpc_nqs.kernels.memory import aligned
from hpc_nqs.kernels.moves cimport Proposal

cdef extern from "complex.h" nogil:
    double complex cexp(double complex)

cdef extern from "nqs_units.h" nogil:
    int nqs_unit_ratio(const double *, const double *, const nqs_scale *, double, const nqs_shape *, double *)
    void nqs_unit_advance(const double *, const double *, double, const nqs_shape *, double *)
    void nqs_unit_add(const double *, double, const double *, double, Py_ssize_t, double *)
    void nqs_unit_tangents(const double *, const nqs_shape *, double *)
    void nqs_unit_tables(double *, const nqs_shape *, double *, nqs_scale *)
    void nqs_unit_log_sum(const double *, const nqs_shape *, double *)
    void nqs_block_angles(const double *, double, const double *, const int *, Py_ssize_t, Py_ssize_t, double *,
                          Py_ssize_t)
    void nqs_tile_angles(const double *, const double *, const double *, Py_ssize_t, Py_ssize_t, Py_ssize_t, double *)
    void nqs_block_image_sums(const double *, Py_ssize_t, const double *, const int *, Py_ssize_t, Py_ssize_t,
                              double *, double *)
    const char *nqs_variant(int)
    const char *nqs_variant_in_use()


SHARED = 4  # images per feature from which the angles of all images are computed from the one row of weights


def instruction_sets():
    """Return (names of the instruction sets the inner loops were compiled for, the one in use)."""
    names = []
    while nqs_variant(len(names)) != NULL:
        names.append(nqs_variant(len(names)).decode())
    return names, nqs_variant_in_use().decode()


def _aligned_zeros(n_rows, n_columns):
    """Return zeros (n_rows, n_columns) float64 that begin on a cache line."""
    return aligned(np.zeros((n_rows, n_columns)))


def _padded(n):
    """Return n rounded up to whole vectors."""
    return (n + BLOCK - 1) // BLOCK * BLOCK


def _planes(array):
    """Return the real part, and the imaginary part if `array` is complex, as contiguous planes."""
    parts = [array.real, array.imag] if np.iscomplexobj(array) else [array]
    return np.ascontiguousarray(np.stack(parts))


cdef class RBMAmplitude(Amplitude):
    """One RBM at fixed parameters; `wavefunctions.rbm.RBM.amplitude` makes it.

    Parameters
    ----------
    n_visible, n_params : int
    weights : (n_features, n_inputs) float64 or complex128
        w_fu; complex: holomorphic parameters.
    bias : (n_features,), like weights
    eta : (n_features,) float64
        +1; -1 where real weights are the magnitudes of imaginary ones.
    input_bias : (n_inputs,), like weights
    entry_inputs : (n_entries, 4) intp
    entry_changes : (n_entries, 4) float64
        A table entry of a move changes x[entry_inputs] by sign * entry_changes; zeros fill the row.
    first_unit : (n_features + 1,) intp
        Images of feature f are rows first_unit[f] to first_unit[f + 1] of `image_index`.
    image_index : (n_units, n_inputs) int32
        (g x)_u = (x, -x)[image_index[g, u]].
    weight_param : (n_features, n_inputs) int32
        Signed 1 + k of the parameter behind a weight; 0: fixed.
    bias_param : (n_features,) int32
    input_bias_param : (n_inputs,) int32
    """

    def __init__(self, n_visible, n_params, weights, bias, eta, input_bias, entry_inputs, entry_changes,
                 first_unit, image_index, weight_param, bias_param, input_bias_param):
        self.n_visible = n_visible
        self.n_params = n_params
        self.width = 2 if np.iscomplexobj(weights) else 1
        self.n_features, self.n_inputs = weights.shape
        self.n_units = len(image_index)
        self.weights = _planes(weights)
        self.bias = _planes(bias)
        self.eta = eta
        self.input_bias = np.asarray(input_bias, dtype=np.complex128)
        self.has_input_bias = np.any(input_bias)
        self.entry_inputs = entry_inputs
        self.entry_changes = entry_changes
        self.first_unit = first_unit
        self.image_index = image_index
        self.weight_param = weight_param
        self.bias_param = bias_param
        self.input_bias_param = input_bias_param
        self.angles = self.tangents = self.tiles = None
        self._lay_out(np.asarray(eta), np.asarray(first_unit))
        self._expand(weights, np.asarray(image_index))
        self._fill_tables()

    def _lay_out(self, eta, first_unit):
        """Order the units by kind: cosh, cos, complex."""
        counts = np.diff(first_unit)
        kind = np.where(eta > 0, 0, 1) if self.width == 1 else np.full(len(eta), 2)
        ends = [_padded(int(counts[kind == k].sum())) for k in range(3)]
        start = np.empty(self.n_features, dtype=np.intp)
        for k in range(3):
            members = kind == k
            start[members] = np.cumsum(counts[members]) - counts[members] + sum(ends[:k])
        self.start = start
        self.shape.n_cosh, self.shape.n_cos, self.shape.n_complex = ends
        self.n_row = ends[0] + ends[1] + 2 * ends[2]
        self._allocate_states()

    def _allocate_states(self):
        """Make room for the states of BLOCK configurations and for work."""
        self.angles = _aligned_zeros(BLOCK, self.n_row)
        self.tangents = _aligned_zeros(BLOCK, self.n_row)
        self.new_angles = np.empty(self.n_row)
        self.inputs = _aligned_zeros(2 * self.n_inputs, BLOCK)
        self.work = _aligned_zeros(max(np.diff(np.asarray(self.first_unit))), BLOCK)
        self.sums = _aligned_zeros(self.n_inputs, BLOCK)

    def sibling(self):
        cdef RBMAmplitude other = RBMAmplitude.__new__(RBMAmplitude)
        other.n_visible, other.n_params, other.width = self.n_visible, self.n_params, self.width
        other.n_inputs, other.n_features = self.n_inputs, self.n_features
        other.weights, other.bias, other.eta = self.weights, self.bias, self.eta
        other.input_bias, other.has_input_bias = self.input_bias, self.has_input_bias
        other.first_unit, other.image_index = self.first_unit, self.image_index
        other.weight_param, other.bias_param = self.weight_param, self.bias_param
        other.input_bias_param = self.input_bias_param
        other.shape, other.n_row, other.n_units = self.shape, self.n_row, self.n_units
        other.start, other.columns = self.start, self.columns
        other.is_shared, other.unit_bias, other.tiles = self.is_shared, self.unit_bias, self.tiles
        other.entry_inputs, other.entry_changes = self.entry_inputs, self.entry_changes
        other.half, other.scale, other.bias_factor = self.half, self.scale, self.bias_factor
        other._allocate_states()
        return other

    def _expand(self, weights, image_index):
        """Write the weight of every unit to every input into `columns`, and into `tiles` where few units share it."""
        columns, bias = _aligned_zeros(self.n_inputs, self.n_row), _aligned_zeros(1, self.n_row)
        signs = np.where(image_index < self.n_inputs, 1.0, -1.0)
        feature = np.repeat(np.arange(self.n_features), np.diff(np.asarray(self.first_unit)))
        units = np.asarray(self.start)[feature] + np.arange(self.n_units) - np.asarray(self.first_unit)[feature]
        for w, plane in enumerate(self.weights):
            row = units + w * self.shape.n_complex
            columns[image_index % self.n_inputs, row[:, None]] = signs * np.asarray(plane)[feature]
            bias[0, row] = np.asarray(self.bias)[w, feature]
        self.columns, self.unit_bias = columns, bias
        self.is_shared = self.n_units >= SHARED * self.n_features
        if not self.is_shared:
            tiles = _aligned_zeros(self.n_row // BLOCK, self.n_inputs * BLOCK)
            tiles.reshape(-1, self.n_inputs, BLOCK)[:] = columns.reshape(self.n_inputs, -1, BLOCK).transpose(1, 0, 2)
            self.tiles = tiles

    def _fill_tables(self):
        """Compute `half` and `scale` of every change."""
        cdef Py_ssize_t entry, n_entries = self.entry_inputs.shape[0]
        cdef double[:, ::1] shift = _aligned_zeros(1, self.n_row)
        self.half = _aligned_zeros(n_entries, self.n_row)
        self.scale = np.empty((n_entries, 3))
        entry_bias = np.asarray(self.input_bias)[np.asarray(self.entry_inputs)]
        bias_shift = np.sum(np.asarray(self.entry_changes) * entry_bias, axis=1)
        self.bias_factor = np.exp(np.stack([-bias_shift, bias_shift], axis=1))
        with nogil:
            for entry in range(n_entries):
                shift[0, :] = 0
                self.shift_angles(entry, 1, &shift[0, 0])
                nqs_unit_tables(&shift[0, 0], &self.shape, &self.half[entry, 0], <nqs_scale *>&self.scale[entry, 0])

    cdef void shift_angles(self, Py_ssize_t entry, double sign, double *row) noexcept nogil:
        """Add what a change does to the angles."""
        cdef Py_ssize_t c
        for c in range(0, self.entry_changes.shape[1], 2):
            if self.entry_changes[entry, c] != 0:
                nqs_unit_add(&self.columns[self.entry_inputs[entry, c], 0], sign * self.entry_changes[entry, c],
                             &self.columns[self.entry_inputs[entry, c + 1], 0], sign * self.entry_changes[entry, c + 1],
                             self.n_row, row)

    cdef void fill_inputs(self, const int8_t *visible, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t u, row
        cdef double x
        for row in range(n):
            for u in range(self.n_inputs):
                x = input_value(visible + row * self.n_visible, u, self.n_visible)
                self.inputs[u, row] = x
                self.inputs[self.n_inputs + u, row] = -x

    cdef void refresh(self, const int8_t *visible, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t f, row
        cdef int w
        self.fill_inputs(visible, n)
        if not self.is_shared:
            nqs_tile_angles(&self.tiles[0, 0], &self.unit_bias[0, 0], &self.inputs[0, 0], self.n_inputs, self.n_row, n,
                            &self.angles[0, 0])
        for f in range(self.n_features if self.is_shared else 0):
            for w in range(self.width):
                nqs_block_angles(&self.weights[w, f, 0], self.bias[w, f], &self.inputs[0, 0],
                                 &self.image_index[self.first_unit[f], 0], self.first_unit[f + 1] - self.first_unit[f],
                                 self.n_inputs, &self.angles[0, self.start[f] + w * self.shape.n_complex], self.n_row)
        for row in range(n):
            nqs_unit_tangents(&self.angles[row, 0], &self.shape, &self.tangents[row, 0])

    cdef double complex ratio(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef double complex product
        cdef Py_ssize_t entry = proposal.entry
        cdef bint safe = nqs_unit_ratio(&self.tangents[row, 0], &self.half[entry, 0],
                                        <nqs_scale *>&self.scale[entry, 0], proposal.sign, &self.shape,
                                        <double *>&product)
        if not safe:
            product = self.slow_ratio(row, entry, proposal.sign)
        if not self.has_input_bias:
            return product
        return product * self.bias_factor[entry, proposal.sign > 0]

    cdef double complex slow_ratio(self, Py_ssize_t row, Py_ssize_t entry, double sign) noexcept nogil:
        """The ratio of the hidden units from their angles before and after."""
        cdef double before[2]
        cdef double after[2]
        memcpy(&self.new_angles[0], &self.angles[row, 0], self.n_row * sizeof(double))
        self.shift_angles(entry, sign, &self.new_angles[0])
        nqs_unit_log_sum(&self.angles[row, 0], &self.shape, before)
        nqs_unit_log_sum(&self.new_angles[0], &self.shape, after)
        return cexp(after[0] - before[0] + 1j * (after[1] - before[1]))

    cdef void accept(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        self.shift_angles(proposal.entry, proposal.sign, &self.angles[row, 0])
        nqs_unit_advance(&self.angles[row, 0], &self.half[proposal.entry, 0], proposal.sign, &self.shape,
                         &self.tangents[row, 0])

    cdef double complex log_psi(self, Py_ssize_t row, const int8_t *visible) noexcept nogil:
        cdef double log_sum[2]
        cdef double complex bias = self.n_units * log(2.0)
        cdef Py_ssize_t u
        for u in range(self.n_inputs if self.has_input_bias else 0):
            bias = bias + self.input_bias[u] * input_value(visible, u, self.n_visible)
        nqs_unit_log_sum(&self.angles[row, 0], &self.shape, log_sum)
        return bias + log_sum[0] + 1j * log_sum[1]

    cdef void log_derivs(self, const int8_t *visible, Py_ssize_t n, double *out, Py_ssize_t stride) noexcept nogil:
        cdef Py_ssize_t f, u, row, k
        cdef int w
        self.fill_inputs(visible, n)
        for row in range(n):
            for k in range(self.n_params * self.width):
                out[row * stride + k] = 0
        for f in range(self.n_features):
            for w in range(self.width):
                self.add_derivs(f, w, n, out, stride)
        for u in range(self.n_inputs):
            k = self.input_bias_param[u]
            if k != 0:
                for row in range(n):
                    out[row * stride + self.width * slot(k)] += self.inputs[u, row] if k > 0 else -self.inputs[u, row]

    cdef void add_derivs(self, Py_ssize_t f, int w, Py_ssize_t n, double *out, Py_ssize_t stride) noexcept nogil:
        """Add one plane of d ln Psi / d w_fu = eta sum_g t_fg (g x)_u and of d ln Psi / d b_f."""
        cdef Py_ssize_t u, g, row, k, n_images = self.first_unit[f + 1] - self.first_unit[f]
        cdef Py_ssize_t first = self.start[f] + w * self.shape.n_complex
        cdef double sign
        nqs_block_image_sums(&self.tangents[0, first], self.n_row, &self.inputs[0, 0],
                             &self.image_index[self.first_unit[f], 0], n_images, self.n_inputs,
                             &self.work[0, 0], &self.sums[0, 0])
        for u in range(self.n_inputs):
            k = self.weight_param[f, u]
            if k != 0:
                sign = self.eta[f] if k > 0 else -self.eta[f]
                for row in range(n):
                    out[row * stride + self.width * slot(k) + w] += sign * self.sums[u, row]
        k = self.bias_param[f]
        if k > 0:
            for row in range(n):
                for g in range(n_images):
                    out[row * stride + self.width * slot(k) + w] += self.eta[f] * self.tangents[row, first + g]


def unit_slopes(RBMAmplitude amplitude, const int8_t[:, ::1] configurations, double[:, ::1] out):
    """Write d ln Psi / d angle_j = eta_j t_j of every hidden unit, in the order of the features.

    Parameters
    ----------
    amplitude : RBMAmplitude
    configurations : (n, n_visible) int8
    out : (n, width * n_units) float64, output
        The real parts of all units, then, where width = 2, the imaginary parts.
    """
    cdef Py_ssize_t first = 0, n, row, f, g, unit
    cdef int w
    with nogil:
        while first < configurations.shape[0]:
            n = min(configurations.shape[0] - first, BLOCK)
            amplitude.refresh(&configurations[first, 0], n)
            for row in range(n):
                for f in range(amplitude.n_features):
                    for w in range(amplitude.width):
                        unit = amplitude.start[f] + w * amplitude.shape.n_complex
                        for g in range(amplitude.first_unit[f], amplitude.first_unit[f + 1]):
                            out[first + row, w * amplitude.n_units + g] = (
                                amplitude.eta[f] * amplitude.tangents[row, unit + g - amplitude.first_unit[f]])
            first += n


cdef inline double input_value(const int8_t *visible, Py_ssize_t u, Py_ssize_t n_visible) noexcept nogil:
    """Input u of a configuration: a spin, or sigma_i ancilla_i behind the spins."""
    if u < n_visible:
        return visible[u]
    return visible[u - n_visible] * visible[u - n_visible + n_visible // 2]


cdef inline Py_ssize_t slot(Py_ssize_t signed_param) noexcept nogil:
    """Index k of a parameter stored as 1 + k or -(1 + k)."""
    return (signed_param if signed_param > 0 else -signed_param) - 1
