"""Restricted Boltzmann machine whose weights are shared over the images of a symmetry group.

ln Psi(x) = sum_u a_u x_u + sum_f sum_g ln 2cosh(b_f + sum_u w_fu (g x)_u), the second sum over the distinct
images g of feature f; x are the visible units, followed by m_i = sigma_i ancilla_i with bond features.
Purification: [PDBM] PRL 127, 060601 (2021), eq. (2); sharing: theory section 3.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hpc_nqs.kernels.rbm import RBMAmplitude

SAME_WEIGHT = 1e-9  # weights closer than this count as equal when a stabilizer is looked for


@dataclass(frozen=True)
class Feature:
    """One weight vector that is copied over the images of the group.

    Attributes
    ----------
    weights : (n_inputs,) float64 or complex128
    imaginary : bool
        The weights are magnitudes of purely imaginary numbers: cosh becomes cos.
    bias : float or None
        Hidden bias b; None: fixed at zero, which keeps the state even under a flip of all inputs.
    """

    weights: np.ndarray
    imaginary: bool = False
    bias: float | None = None


def signed_rows(images, n_inputs):
    """Split a signed gather (order, n_inputs) into (inputs, signs): (g x)_u = signs x[inputs]."""
    return images % n_inputs, np.where(images < n_inputs, 1, -1).astype(np.int8)


def tied_parameters(weights, images, even):
    """Tie the weights of one feature over its stabilizer.

    Parameters
    ----------
    weights : (n_inputs,)
    images : (order, n_inputs) intp
        The group as signed gathers from (x, -x).
    even : bool
        The feature has no bias, so that w and -w are the same unit.

    Returns
    -------
    (n_inputs,) int
        Signed 1 + k of the parameter behind each weight; 0 where symmetry forbids a weight.
    """
    n_inputs = len(weights)
    inputs, signs = signed_rows(images, n_inputs)
    tied = np.arange(1, n_inputs + 1)
    for sign in (1, -1) if even else (1,):
        match = np.all(np.abs(weights[inputs] * signs - sign * weights) < SAME_WEIGHT, axis=1)
        for row, row_sign in zip(inputs[match], signs[match] * sign, strict=True):
            tied = _tie(tied, row, row_sign)
    labels = np.unique(np.abs(tied[tied != 0]))
    compact = np.searchsorted(labels, np.abs(tied)) + 1
    return np.where(tied == 0, 0, np.sign(tied) * compact)


def _tie(tied, row, signs):
    """Identify weight u with signs_u times weight row_u; labels that meet their own negative become 0."""
    for u, (v, sign) in enumerate(zip(row, signs, strict=True)):
        keep, drop = tied[u], sign * tied[v]
        if keep == drop:
            continue
        if keep == -drop or keep == 0 or drop == 0:
            gone = {abs(keep), abs(drop)}
            tied = np.where(np.isin(np.abs(tied), list(gone)), 0, tied)
        else:
            same = np.abs(tied) == abs(drop)
            tied = np.where(same, np.sign(tied) * np.sign(drop) * keep, tied)
    return tied


def distinct_images(tied, images, even):
    """Return the rows of `images` that give different hidden units for weights tied as `tied`."""
    n_inputs = len(tied)
    inputs, signs = signed_rows(images, n_inputs)
    pattern = np.zeros((len(images), n_inputs), dtype=np.int64)
    np.put_along_axis(pattern, inputs, tied * signs, axis=1)
    if even:
        first = pattern[np.arange(len(pattern)), np.argmax(pattern != 0, axis=1)]
        pattern *= np.sign(first)[:, None]
    _, index = np.unique(pattern, axis=0, return_index=True)
    return images[np.sort(index)]


class RBM:
    """A symmetric RBM and its parameters.

    Parameters
    ----------
    features : list of Feature
    images : (order, n_inputs) intp
        The symmetry group as signed gathers: (g x)_u = (x, -x)[images[g, u]]; the identity first.
    n_visible : int
    input_bias : (n_inputs,) float64 or None
        Visible biases; None: fixed at zero. They are tied over the whole group.
    is_complex : bool
        Complex holomorphic parameters instead of real magnitudes.
    """

    def __init__(self, features, images, n_visible, input_bias=None, is_complex=False):
        self.n_visible = n_visible
        self.n_inputs = images.shape[1]
        self.width = 2 if is_complex else 1
        self.eta = np.array([1.0 if is_complex or not f.imaginary else -1.0 for f in features])
        dtype = np.complex128 if is_complex else np.float64
        self.weight_param = np.zeros((len(features), self.n_inputs), dtype=np.intc)
        self.bias_param = np.zeros(len(features), dtype=np.intc)
        params, rows, first_unit = [], [], [0]
        for f, feature in enumerate(features):
            phase = 1j if is_complex and feature.imaginary else 1
            even = feature.bias is None
            tied = tied_parameters(feature.weights, images, even)
            rows.append(distinct_images(tied, images, even))
            first_unit.append(first_unit[-1] + len(rows[-1]))
            self.weight_param[f] = np.sign(tied) * (np.abs(tied) + len(params)) * (tied != 0)
            for k in range(1, np.abs(tied).max() + 1):
                u = np.flatnonzero(np.abs(tied) == k)[0]
                params.append(feature.weights[u] * np.sign(tied[u]) * phase)
            if not even:
                params.append(feature.bias * phase)
                self.bias_param[f] = len(params)
        self.input_bias_param = np.zeros(self.n_inputs, dtype=np.intc)
        if input_bias is not None:
            self._add_input_bias(input_bias, images, params)
        self.params = np.array(params, dtype=dtype)
        self.first_unit = np.array(first_unit, dtype=np.intp)
        self.image_index = np.ascontiguousarray(np.concatenate(rows), dtype=np.intc)

    def _add_input_bias(self, input_bias, images, params):
        inputs, signs = signed_rows(images, self.n_inputs)
        tied = np.arange(1, self.n_inputs + 1)
        for row, row_sign in zip(inputs, signs, strict=True):
            tied = _tie(tied, row, row_sign)
        for label in np.unique(np.abs(tied[tied != 0])):
            members = np.abs(tied) == label
            u = np.flatnonzero(members)[0]
            params.append(input_bias[u] * np.sign(tied[u]))
            self.input_bias_param[members] = np.sign(tied[members]) * len(params)

    @property
    def n_params(self):
        return len(self.params)

    @property
    def n_units(self):
        return len(self.image_index)

    @property
    def is_complex(self):
        return self.width == 2

    @cached_property
    def is_unshared(self):
        """Whether no parameter stands for two weights, so that O_k of a weight is a slope times an input."""
        params = np.concatenate([self.weight_param.ravel(), self.bias_param, self.input_bias_param])
        params = params[params != 0]
        inputs = np.arange(self.n_inputs, dtype=np.intc)
        return bool(
            self.n_units == len(self.eta)
            and np.all(self.image_index == inputs)
            and np.all(params > 0)
            and len(np.unique(params)) == len(params)
        )

    def places(self):
        """Return the parameter behind each weight and each hidden bias (n_inputs + 1, n_units), and visible bias (n_inputs,).

        n_params where there is none.  For a network that `is_unshared`.
        """
        weights = np.concatenate([self.weight_param.T, self.bias_param[None, :]])
        index = [np.where(param == 0, self.n_params, np.abs(param) - 1) for param in (weights, self.input_bias_param)]
        return tuple(array.astype(np.intp) for array in index)

    def inputs(self, configurations):
        """Return x (n, n_inputs) float64 of configurations (n, n_visible): spins, and sigma_i ancilla_i with bond features."""
        spins = configurations.astype(np.float64)
        if self.n_inputs == self.n_visible:
            return spins
        half = self.n_visible // 2
        return np.concatenate([spins, spins[:, :half] * spins[:, half:]], axis=1)

    def _look_up(self, signed_index):
        values = np.concatenate([self.params, [0.0]])[np.abs(signed_index) - 1]
        return values * np.sign(signed_index)

    def network(self):
        """Return the network as arrays: weights (n_units, n_inputs), hidden_bias, imaginary (n_units,), input_bias.

        Magnitudes where `imaginary` is true: multiply those rows and biases by i.
        """
        images = np.repeat(np.arange(len(self.eta)), np.diff(self.first_unit))
        inputs, signs = signed_rows(self.image_index, self.n_inputs)
        weights = np.zeros((self.n_units, self.n_inputs), dtype=self.params.dtype)
        np.put_along_axis(weights, inputs, self._look_up(self.weight_param)[images] * signs, axis=1)
        return {
            "weights": weights,
            "hidden_bias": self._look_up(self.bias_param)[images],
            "imaginary": self.eta[images] < 0,
            "input_bias": self._look_up(self.input_bias_param),
        }

    def amplitude(self, moves):
        """Return the compiled amplitude at the present parameters, with tables for `moves` (a `Moves`)."""
        return RBMAmplitude(
            self.n_visible,
            self.n_params,
            self._look_up(self.weight_param),
            self._look_up(self.bias_param),
            self.eta,
            self._look_up(self.input_bias_param),
            *moves.input_changes(),
            self.first_unit,
            self.image_index,
            self.weight_param,
            self.bias_param,
            self.input_bias_param,
        )


