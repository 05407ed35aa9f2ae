"""Centred log-derivatives O_k of the samples of one rank, stored as a matrix or as the two factors they are made of.

For a Boltzmann machine without sharing O_(j,u) = t_j x_u with the slopes t_j = d ln Psi / d angle_j and the inputs x_u:
n_samples (n_hidden + n_inputs) numbers instead of n_samples n_params, a product with O is two matrix products, and
O O^H between samples is the elementwise product (x x^T) o (t t^H).

Centring is done on the factors, t_j = mean t_j + d_j and x_u = mean x_u + y_u, so that nothing large is subtracted:
O_(j,u) - <O_(j,u)> = d_j x_u + mean t_j y_u - <d_j x_u>.
"""

import numpy as np


class StoredDerivatives:
    """The matrix O (n_local, n_params), centred.

    Parameters
    ----------
    values : (n_local, n_params) float64 or complex128
        O minus its weighted mean over all ranks.
    weights : (n_local,) float64
        Normalised to one over all ranks.
    team : see `linear`
    """

    is_factored = False

    def __init__(self, values, weights, team):
        self.values, self.weights, self.team = values, weights, team
        self.shape, self.dtype = values.shape, values.dtype

    def product(self, vector):
        """Return O vector (n_local,)."""
        return self.values @ vector

    def adjoint(self, vector):
        """Return O^H vector (n_params,) of the samples here, without a conjugated copy of O."""
        return (vector.conj() @ self.values).conj()

    def square_sums(self):
        """Return the sums of w |O_k|^2 over the samples of all ranks, (n_params,) float64.  *Collective.*"""
        sums = np.einsum("s,sk,sk->k", self.weights, self.values.real, self.values.real)
        if np.iscomplexobj(self.values):
            sums += np.einsum("s,sk,sk->k", self.weights, self.values.imag, self.values.imag)
        self.team.sum_in_place(sums)
        return sums

    def columns(self, params):
        """Return O of a slice of parameters, (n_local, n)."""
        return self.values[:, params]


class FactoredDerivatives:
    """Slopes and inputs of a Boltzmann machine without sharing.  Making one is *collective*.

    Parameters
    ----------
    slopes : (n_local, n_hidden) float64 or complex128
        Not centred.
    inputs : (n_local, n_inputs) float64
        Not centred.
    places : (n_inputs + 1, n_hidden) intp
        Parameter behind each weight, in the last row behind each hidden bias; n_params where there is none.
    input_places : (n_inputs,) intp
        Parameter behind each visible bias; n_params where there is none.
    n_params : int
    weights : (n_local,) float64
    team : see `linear`
    """

    is_factored = True

    def __init__(self, slopes, inputs, places, input_places, n_params, weights, team):
        self.places, self.input_places = np.ascontiguousarray(places), input_places
        self.weights, self.team = weights, team
        self.shape, self.dtype = (len(slopes), n_params), slopes.dtype
        self.has_weight = places < n_params
        self.has_input_bias = input_places < n_params
        means = np.concatenate([weights @ slopes, weights @ inputs]).astype(np.complex128)
        team.sum_in_place(means)
        means = means if np.iscomplexobj(slopes) else means.real
        n_hidden = slopes.shape[1]
        self.mean_slopes, self.mean_inputs = means[:n_hidden].copy(), means[n_hidden:].real.copy()
        self.slopes = slopes - self.mean_slopes
        self.inputs = np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)
        self.centred_inputs = inputs - self.mean_inputs
        self.means = self._inputs_times(weights[:, None] * self.slopes)
        team.sum_in_place(self.means)
        self.means *= self.has_weight

    def _inputs_times(self, rows):
        """Return inputs^T rows, (n_inputs + 1, n_hidden), as one real product."""
        return (self.inputs.T @ np.ascontiguousarray(rows).view(np.float64)).view(rows.dtype)

    def _spread(self, vector):
        """Return a vector over the parameters as (weights and biases (n_inputs + 1, n_hidden), visible biases)."""
        padded = np.concatenate([vector, [0]])
        return padded[self.places], padded[self.input_places]

    def product(self, vector):
        """Return O vector (n_local,)."""
        vector = vector.astype(np.result_type(vector, self.dtype))
        weights, bias = self._spread(vector)
        mixed = (self.inputs @ weights.view(np.float64)).view(weights.dtype)
        field = weights[:-1] @ self.mean_slopes + bias
        constant = np.sum(self.means * weights)
        return np.einsum("sj,sj->s", self.slopes, mixed) + self.centred_inputs @ field - constant

    def adjoint(self, vector):
        """Return O^H vector (n_params,) of the samples here."""
        vector = vector.astype(np.result_type(vector, self.dtype))
        kind = vector.dtype
        weights = self._inputs_times(self.slopes.conj() * vector[:, None])
        bias = vector @ self.centred_inputs
        weights[:-1] += np.outer(bias, self.mean_slopes.conj())
        weights -= self.means.conj() * vector.sum()
        out = np.zeros(self.shape[1] + 1, dtype=kind)
        out[self.places] = weights
        out[self.input_places] = bias
        return out[:-1]

    def square_sums(self):
        """Return the sums of w |O_k|^2 over the samples of all ranks, (n_params,) float64.  *Collective.*

        Every x_u is +1 or -1, so <|d_j x_u|^2> = <|d_j|^2> and <d_j x_u y_u> = -<d_j x_u> mean x_u.
        """
        squares = np.concatenate([self.weights @ np.abs(self.slopes) ** 2, self.weights @ self.centred_inputs**2])
        self.team.sum_in_place(squares)
        slope_squares, input_squares = np.split(squares, [self.slopes.shape[1]])
        sums = slope_squares - np.abs(self.means) ** 2
        sums[:-1] += np.outer(input_squares, np.abs(self.mean_slopes) ** 2)
        sums[:-1] -= 2 * self.mean_inputs[:, None] * (self.means[:-1] * self.mean_slopes.conj()).real
        out = np.zeros(self.shape[1] + 1)
        out[self.places] = np.maximum(sums, 0.0)
        out[self.input_places] = input_squares
        return out[:-1]

    def columns(self, params):
        """Return O of a slice of parameters, (n_local, n)."""
        wanted = np.arange(self.shape[1])[params]
        out = np.zeros((len(self.slopes), len(wanted)), dtype=self.dtype)
        u, j = np.nonzero((self.places >= wanted[0]) & (self.places <= wanted[-1])) if len(wanted) else ((), ())
        columns = self.slopes[:, j] * self.inputs[:, u] - self.means[u, j]
        inner = np.asarray(u) < self.inputs.shape[1] - 1
        columns[:, inner] += self.mean_slopes[j[inner]] * self.centred_inputs[:, u[inner]]
        out[:, self.places[u, j] - wanted[0]] = columns
        v = np.flatnonzero((self.input_places >= wanted[0]) & (self.input_places <= wanted[-1]))
        out[:, self.input_places[v] - wanted[0]] = self.centred_inputs[:, v]
        return out

    def gram_factors(self, scale):
        """Return rows X (real), T, E, F of the samples here with O O^H = (X X'^T) o (T T'^H) + E F'^H, if `has_gram`.

        Parameters
        ----------
        scale : (n_local,) float64
            Every row of O is multiplied by its number.
        """
        kind, n = self.dtype, len(self.slopes)
        inputs = self.inputs if self.has_weight[-1].all() else self.inputs[:, :-1]
        overlap = self.slopes @ self.mean_slopes.conj()
        square = np.sum(np.abs(self.mean_slopes) ** 2) + bool(self.has_input_bias.all())
        moved = overlap[:, None] * self.inputs[:, :-1] + 0.5 * square * self.centred_inputs
        mixed = (self.inputs @ self.means.conj().view(np.float64)).view(kind)
        shift = np.einsum("sj,sj->s", self.slopes, mixed) + self.centred_inputs @ (self.means[:-1].conj() @ self.mean_slopes)
        offset = (0.5 * np.sum(np.abs(self.means) ** 2) - shift)[:, None]
        ones = np.ones((n, 1))
        left = np.concatenate([moved, self.centred_inputs, offset, ones], axis=1)
        right = np.concatenate([self.centred_inputs, moved, ones, offset], axis=1)
        return inputs, scale[:, None] * self.slopes, scale[:, None] * left, scale[:, None] * right

    @property
    def has_gram(self):
        """Whether `gram_factors` exist."""
        parts = (self.has_weight[-1], self.has_input_bias)
        return bool(self.has_weight[:-1].all() and all(part.any() == part.all() for part in parts))
