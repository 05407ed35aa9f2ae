"""Centred log-derivatives O_k of the samples of one rank, stored as a matrix or as the two factors they are made of.

For a Boltzmann machine without sharing O_(j,u) = t_j x_u with the slopes t_j = d ln Psi / d angle_j and the inputs x_u:
n_samples (n_hidden + n_inputs) numbers instead of n_samples n_params, a product with O is two matrix products, and
O O^H between samples is the elementwise product (x x^T) o (t t^H).

Centring is done on the factors, t_j = mean t_j + d_j and x_u = mean x_u + y_u, so that nothing large is subtracted:
O_(j,u) - <O_(j,u)> = d_j x_u + mean t_j y_u - <d_j x_u>.

Work is cut into groups of samples, always the same ones, whose sums are added in order: threads share the groups and
the numbers do not depend on how many threads there are.  The `team` is that of `dense`.

Both classes have an order of the parameters of their own, in which products cost least: `laid_out` takes a vector
there, `collected` brings it back.
"""

import functools

import numpy as np

from hpc_nqs.kernels.factored import apply_factors, covary_factors, covary_rows, join_sums, sum_factors

GROUP = 512  # samples of a task
BLOCK = 64  # samples whose products with all hidden units are in the fast caches at a time
ITEMS = 2**14  # doubles of a stored matrix that are in the fast caches at a time


def groups(n_samples):
    """Return the slices of the samples of one rank that threads share.

    Shorter ones come at the end, so that threads finish together.
    """
    found, start = [], 0
    while start < n_samples:
        stop = min(start + (GROUP if n_samples - start > 2 * GROUP else max(1, GROUP // 2)), n_samples)
        found.append(slice(start, stop))
        start = stop
    return found


def by_parts(method):
    """Return a method of real factors that takes the two parts of a complex vector one after the other."""

    @functools.wraps(method)
    def applied(self, vector):
        if np.iscomplexobj(vector) and not np.issubdtype(self.dtype, np.complexfloating):
            return method(self, vector.real) + 1j * method(self, vector.imag)
        return method(self, vector)

    return applied


class StoredDerivatives:
    """The matrix O (n_local, n_params), centred.

    Parameters
    ----------
    values : (n_local, n_params) float64 or complex128
        O minus its weighted mean over all ranks.
    weights : (n_local,) float64
        Normalised to one over all ranks.
    team : see `dense`
    """

    is_factored = False

    def __init__(self, values, weights, team):
        self.values, self.weights, self.team = np.ascontiguousarray(values), np.ascontiguousarray(weights), team
        self.shape, self.dtype = values.shape, values.dtype

    def product(self, vector):
        """Return O vector (n_local,)."""
        parts = self.team.threads.each(lambda part: self.values[part] @ vector, groups(len(self.values)))
        return np.concatenate([np.zeros(0, np.result_type(vector, self.dtype)), *parts])

    def adjoint(self, vector):
        """Return O^H vector (n_params,) of the samples here, without a conjugated copy of O."""
        total = np.zeros(self.shape[1], np.result_type(vector, self.dtype))
        for part in self.team.threads.each(
            lambda part: vector[part].conj() @ self.values[part], groups(len(self.values))
        ):
            total += part
        return total.conj()

    @by_parts
    def covariance(self, vector):
        """Return O^H w O vector (n_params,) of the samples here, in one pass over them."""
        vector, n_params = np.ascontiguousarray(vector, self.dtype), self.shape[1]
        n_block = max(1, ITEMS * 8 // max(1, n_params * self.dtype.itemsize))

        def covary(part):
            sums = np.zeros(n_params, self.dtype)
            covary_rows(self.values[part], self.weights[part], vector, np.empty(n_block, self.dtype), sums)
            return sums

        return sum(self.team.threads.each(covary, groups(len(self.values))), np.zeros(n_params, self.dtype))

    covariance_laid_out = covariance

    def laid_out(self, vector):
        """Return a vector (n_params,) in the order of these derivatives: as it is."""
        return vector

    def collected(self, vector):
        """Return a vector of the order of these derivatives as (n_params,): as it is."""
        return vector

    def square_sums(self):
        """Return the sums of w |O_k|^2 over the samples of all ranks, (n_params,) float64.  *Collective*."""
        values = self.values.view(np.float64)
        parts = self.team.threads.each(lambda part: self.weights[part] @ np.square(values[part]), groups(len(values)))
        sums = sum(parts, np.zeros(values.shape[1])).reshape(self.shape[1], -1).sum(axis=1)
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
    team : see `dense`
    """

    is_factored = True

    def __init__(self, slopes, inputs, places, input_places, n_params, weights, team):
        self.places, self.input_places = np.ascontiguousarray(places), input_places
        self.weights, self.team = np.ascontiguousarray(weights), team
        self.shape, self.dtype = (len(slopes), n_params), slopes.dtype
        self.has_weight = places < n_params
        self.has_input_bias = input_places < n_params
        self.is_full = bool(self.has_weight.all() and self.has_input_bias.all())
        means = np.concatenate([weights @ slopes, weights @ inputs]).astype(np.complex128)
        team.sum_in_place(means)
        means = means if np.iscomplexobj(slopes) else means.real
        n_hidden = slopes.shape[1]
        self.mean_slopes, self.mean_inputs = means[:n_hidden].copy(), means[n_hidden:].real.copy()
        self.slopes = np.empty_like(slopes)
        self.inputs = np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)
        self.centred_inputs = inputs - self.mean_inputs

        def centre(part):
            """Centre the slopes of a group; return what it adds to the means of products, in doubles."""
            own = np.subtract(slopes[part], self.mean_slopes, out=self.slopes[part])
            return self.inputs[part].T @ (weights[part, None] * own).view(np.float64)

        parts = team.threads.each(centre, groups(len(slopes)))
        self.means = sum(parts, np.zeros((places.shape[0], n_hidden * slopes.itemsize // 8))).view(slopes.dtype)
        team.sum_in_place(self.means)
        self.means *= self.has_weight
        self.conjugate_means, self.conjugate_mean_slopes = self.means.conj(), self.mean_slopes.conj()

    @by_parts
    def product(self, vector):
        """Return O vector (n_local,)."""
        forward = self._forward(vector)
        parts = self.team.threads.each(forward, groups(len(self.slopes)))
        return np.concatenate([np.zeros(0, self.dtype), *parts])

    @by_parts
    def adjoint(self, vector):
        """Return O^H vector (n_params,) of the samples here."""
        vector = vector.astype(self.dtype)
        return self._joined(
            self.team.threads.each(lambda part: self._backward(part, vector[part]), groups(len(self.slopes)))
        )

    @by_parts
    def covariance(self, vector):
        """Return O^H w O vector (n_params,) of the samples here, in one pass over them."""
        return self.collected(self.covariance_laid_out(self.laid_out(vector)))

    @by_parts
    def covariance_laid_out(self, vector):
        """Return `covariance` of a vector in the order of `laid_out`, in that order."""
        vector, shape, n_weights = np.ascontiguousarray(vector, self.dtype), self.places.shape, self.places.size
        weights = vector[:n_weights].reshape(shape)
        field = weights[:-1] @ self.mean_slopes + vector[n_weights:]
        constant = self.means.ravel() @ vector[:n_weights]

        parts = groups(len(self.slopes))
        sums, totals = np.zeros((len(parts), len(vector)), self.dtype), np.zeros(len(parts), self.dtype)

        def covary(k):
            work, values, part = self._work(), np.empty(BLOCK, self.dtype), parts[k]
            rows = self.inputs[part], self.centred_inputs[part], self.slopes[part], self.weights[part]
            out = sums[k, :n_weights].reshape(shape), sums[k, n_weights:]
            totals[k] = covary_factors(*rows, weights, field, constant, work, values, *out)

        self.team.threads.each(covary, range(len(parts)))
        found = np.empty(len(vector), self.dtype)
        join_sums(sums, self.conjugate_means, self.conjugate_mean_slopes, totals.sum(), found)
        if not self.is_full:
            found[:n_weights].reshape(shape)[:] *= self.has_weight
            found[n_weights:] *= self.has_input_bias
        return found

    def laid_out(self, vector):
        """Return a vector (n_params,) as weights (n_inputs + 1, n_hidden), row by row, and visible biases.

        There are zeros where a weight or bias is no parameter.
        """
        padded = np.concatenate([vector, [0]])
        return np.concatenate([padded[self.places.ravel()], padded[self.input_places]])

    def collected(self, vector):
        """Return a vector of the order of `laid_out` as (n_params,)."""
        out = np.zeros(self.shape[1] + 1, vector.dtype)
        out[self.places.ravel()] = vector[: self.places.size]
        out[self.input_places] = vector[self.places.size :]
        return out[:-1]

    def _forward(self, vector):
        """Return the function of a group of samples that computes their part of O vector."""
        weights, bias = np.split(self.laid_out(vector.astype(self.dtype)), [self.places.size])
        weights = weights.reshape(self.places.shape)
        field = weights[:-1] @ self.mean_slopes + bias
        constant = np.sum(self.means * weights)

        def forward(part):
            rows = np.empty(part.stop - part.start, self.dtype)
            apply_factors(self.inputs[part], self.slopes[part], weights, self._work(), rows)
            rows += _real_times(self.centred_inputs[part], field)
            rows -= constant
            return rows

        return forward

    def _backward(self, part, vector):
        """Return what `_joined` needs of a group of samples: the sums of x_u conj(d_j) v, of y_u v and of v."""
        weights = np.zeros(self.places.shape, self.dtype)
        sum_factors(self.inputs[part], self.slopes[part], vector, self._work(), weights)
        return weights, _real_times(self.centred_inputs[part].T, vector), vector.sum()

    def _joined(self, parts):
        """Return O^H v (n_params,) from what `_backward` gave for all groups."""
        weights, bias, total = np.zeros(self.places.shape, self.dtype), np.zeros(len(self.mean_inputs), self.dtype), 0.0
        for more_weights, more_bias, more in parts:
            weights += more_weights
            bias += more_bias
            total = total + more
        weights[:-1] += np.outer(bias, self.mean_slopes.conj())
        weights -= self.means.conj() * total
        return self.collected(np.concatenate([weights.ravel(), bias]))

    def _work(self):
        return np.empty((BLOCK, self.slopes.shape[1]), self.dtype)

    def square_sums(self):
        """Return the sums of w |O_k|^2 over the samples of all ranks, (n_params,) float64.  *Collective*.

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

    def gram_terms(self, scale):
        """Return (terms (6, n_local), constant, square) of the samples here, for products between samples.

        Parameters
        ----------
        scale : (n_local,) float64
            Every row of O is multiplied by its number.

        Returns
        -------
        terms, constant, square
            As `kernels.factored.multiply_samples` takes them with `centred_inputs` and `slopes`; exist if `has_gram`.
        """
        overlap = self.slopes @ self.mean_slopes.conj()
        shift = self._forward_of_means()
        offset = 0.5 * np.sum(np.abs(self.means) ** 2) - shift
        drift = self.centred_inputs @ self.mean_inputs
        terms = np.stack([scale, drift, overlap.real, overlap.imag, offset.real, offset.imag])
        constant = float(np.sum(self.mean_inputs**2)) + bool(self.has_weight[-1].all())
        return terms, constant, float(np.sum(np.abs(self.mean_slopes) ** 2)) + bool(self.has_input_bias.all())

    def _forward_of_means(self):
        """Return sum_uj x_u d_j conj(<d_j x_u>) + sum_u y_u sum_j mean t_j conj(<d_j x_u>), (n_local,)."""
        means, rows = self.means.conj(), np.empty(len(self.slopes), self.dtype)
        apply_factors(self.inputs, self.slopes, means, self._work(), rows)
        return rows + _real_times(self.centred_inputs, means[:-1] @ self.mean_slopes)

    @property
    def has_gram(self):
        """Whether `gram_terms` exist."""
        parts = (self.has_weight[-1], self.has_input_bias)
        return bool(self.has_weight[:-1].all() and all(part.any() == part.all() for part in parts))


def _real_times(matrix, vector):
    """Return a real matrix times a vector, without a complex copy of the matrix."""
    if not np.iscomplexobj(vector):
        return matrix @ vector
    return (matrix @ np.ascontiguousarray(vector).view(np.float64).reshape(-1, 2)).view(np.complex128)[:, 0]
