"""Restricted Boltzmann machine whose weights are shared over the images of a symmetry group.

ln Psi(x) = sum_u a_u x_u + sum_f sum_g ln 2cosh(b_f + sum_u w_fu (g x)_u), the second sum over the distinct
images g of feature f; x are the visible units, followed by m_i = sigma_i ancilla_i with bond features.
Purification: [PDBM] PRL 127, 060601 (2021), eq. (2); sharing: docs/theory/purification.md, "Symmetry sharing".
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hpc_nqs.kernels.rbm import RBMAmplitude
from hpc_nqs.symmetry.signed_permutations import SignedPermutations
from hpc_nqs.symmetry.tied_parameters import first_slots, tie
from hpc_nqs.wavefunctions.wavefunction import Wavefunction

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


def tied_parameters(weights, images, even):
    """Tie the weights of one feature over its stabilizer, the elements under which the hidden unit is the same.

    Parameters
    ----------
    weights : (n_inputs,)
    images : SignedPermutations
        The group.
    even : bool
        The feature has no bias, so that w and -w are the same unit.

    Returns
    -------
    (n_inputs,) intp
        Signed 1 + k of the parameter behind each weight as from `tie`; 0 where symmetry forbids a weight.
    """
    moved = images.apply(weights)
    stabilizer = [images[np.all(np.abs(moved - weights) < SAME_WEIGHT, axis=1)]]
    if even:
        stabilizer.append(images[np.all(np.abs(moved + weights) < SAME_WEIGHT, axis=1)].negated())
    return tie(SignedPermutations.concatenated(stabilizer), len(weights))


def distinct_images(tied, images, even):
    """Return the elements of `images` that give different hidden units for weights tied as `tied`."""
    pattern = images.apply_transposed(tied)
    if even:
        first = pattern[np.arange(len(pattern)), np.argmax(pattern != 0, axis=1)]
        pattern *= np.sign(first)[:, None]
    _, index = np.unique(pattern, axis=0, return_index=True)
    return images[np.sort(index)]


class RBM(Wavefunction):
    """A symmetric RBM and its parameters.

    Parameters
    ----------
    features : list of Feature
    images : SignedPermutations
        The symmetry group on the inputs, the identity first.
    n_visible : int
    input_bias : (n_inputs,) float64 or None
        Visible biases; None: fixed at zero. They are tied over the whole group.
    is_complex : bool
        Complex holomorphic parameters instead of real magnitudes.
    """

    def __init__(self, features, images, n_visible, input_bias=None, is_complex=False):
        self.n_visible = n_visible
        self.n_inputs = images.n_entries
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
            first = first_slots(tied)
            params += list(feature.weights[first] * np.sign(tied[first]) * phase)
            if not even:
                params.append(feature.bias * phase)
                self.bias_param[f] = len(params)
        self.input_bias_param = np.zeros(self.n_inputs, dtype=np.intc)
        if input_bias is not None:
            self._add_input_bias(input_bias, images, params)
        self.params = np.array(params, dtype=dtype)
        self.first_unit = np.array(first_unit, dtype=np.intp)
        self.images = SignedPermutations.concatenated(rows)  # one element for every hidden unit
        self._encoded = self.images.encoded(np.intc)

    def _add_input_bias(self, input_bias, images, params):
        tied = tie(images, self.n_inputs)
        first = first_slots(tied)
        self.input_bias_param[:] = np.sign(tied) * (np.abs(tied) + len(params))
        params += list(input_bias[first] * np.sign(tied[first]))

    @property
    def n_params(self):
        """Number of parameters."""
        return len(self.params)

    @property
    def n_units(self):
        """Hidden units: the distinct images of all features."""
        return len(self.images)

    @property
    def is_complex(self):
        """Whether the parameters are complex."""
        return self.width == 2

    @cached_property
    def is_unshared(self):
        """Whether no parameter stands for two weights, so that O_k of a weight is a slope times an input."""
        params = np.concatenate([self.weight_param.ravel(), self.bias_param, self.input_bias_param])
        params = params[params != 0]
        return bool(
            self.n_units == len(self.eta)
            and np.all(self.images.sources == np.arange(self.n_inputs))
            and np.all(self.images.signs > 0)
            and np.all(params > 0)
            and len(np.unique(params)) == len(params)
        )

    def places(self):
        """Return the parameter behind each weight and hidden bias (n_inputs + 1, n_units) and visible bias (n_inputs,).

        n_params where there is none.  For a network that `is_unshared`.
        """
        weights = np.concatenate([self.weight_param.T, self.bias_param[None, :]])
        index = [np.where(param == 0, self.n_params, np.abs(param) - 1) for param in (weights, self.input_bias_param)]
        return tuple(array.astype(np.intp) for array in index)

    def inputs(self, configurations):
        """Return x (n, n_inputs) float64 of configurations (n, n_visible): spins, then m_i with bond features."""
        spins = configurations.astype(np.float64)
        if self.n_inputs == self.n_visible:
            return spins
        half = self.n_visible // 2
        return np.concatenate([spins, spins[:, :half] * spins[:, half:]], axis=1)

    def _look_up(self, signed_index):
        values = np.concatenate([self.params, [0.0]])[np.abs(signed_index) - 1]
        return values * np.sign(signed_index)

    def arrays(self):
        """Return the network as arrays: weights (n_units, n_inputs), hidden_bias, imaginary (n_units,), input_bias.

        Magnitudes where `imaginary` is true: multiply those rows and biases by i.
        """
        images = np.repeat(np.arange(len(self.eta)), np.diff(self.first_unit))
        return {
            "weights": self.images.apply_transposed(self._look_up(self.weight_param)[images]),
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
            self._encoded,
            self.weight_param,
            self.bias_param,
            self.input_bias_param,
        )


