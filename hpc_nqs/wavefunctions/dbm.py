"""Deep Boltzmann machine: visible, hidden and deep units.

Psi(v) = sum_d exp[ log_prefactor + sum_u biases_u x_u ] prod_j 2cosh( hidden_bias_j + sum_u W_ju x_u ),  x = (v, d).
Hidden units are traced out; deep units are summed (small networks) or sampled: docs/theory/purification.md,
"Deep Boltzmann machine"; Y. Nomura, N. Yoshioka, F. Nori, PRL 127, 060601 (2021).
"""

from dataclasses import dataclass, replace

import numpy as np

MAX_DEEP = 24  # of sums over all deep configurations one by one
CHUNK = 2**20  # configurations at once


@dataclass(frozen=True, eq=False)
class DBM:
    """Couplings and biases, real or complex; couplings are a list because a deep network is sparse.

    Attributes
    ----------
    n_visible, n_deep : int
        Units are numbered visible first, then deep.
    edge_hidden, edge_unit : (n_edges,) intp
        Hidden unit and visible or deep unit of every coupling.
    couplings : (n_edges,) float64 or complex128
    hidden_bias : (n_hidden,)
    biases : (n_visible + n_deep,)
    log_prefactor : complex
        Logarithm of a common factor of all amplitudes.
    unit_layer : (n_visible + n_deep,) intp
        Place of every unit between visible units: layer l holds the spins before step l (from 0) of the construction;
        -1 for visible units.
    unit_site : (n_visible + n_deep,) intp
        Lattice site of every unit.
    hidden_layer : (n_hidden,) intp
        Step of the construction that made the hidden unit, -1 for those of the Bell pairs.
    """

    n_visible: int
    n_deep: int
    edge_hidden: np.ndarray
    edge_unit: np.ndarray
    couplings: np.ndarray
    hidden_bias: np.ndarray
    biases: np.ndarray
    log_prefactor: complex
    unit_layer: np.ndarray
    unit_site: np.ndarray
    hidden_layer: np.ndarray

    @property
    def n_hidden(self):
        """Number of hidden units."""
        return len(self.hidden_bias)

    @property
    def n_params(self):
        """Couplings and biases, zeros included."""
        return len(self.couplings) + len(self.biases) + len(self.hidden_bias)

    @property
    def params(self):
        """Couplings, hidden biases and biases as one array (n_params,)."""
        return np.concatenate([self.couplings, self.hidden_bias, self.biases])

    def with_params(self, params):
        """Return the same network with other couplings and biases, in the order of `params`."""
        cuts = np.cumsum([len(self.couplings), self.n_hidden])
        couplings, hidden_bias, biases = np.split(np.asarray(params), cuts)
        return replace(self, couplings=couplings, hidden_bias=hidden_bias, biases=biases)

    @property
    def n_units(self):
        """Hidden units, as for the RBM."""
        return self.n_hidden

    @property
    def is_complex(self):
        """Whether any coupling or bias is complex."""
        return any(np.iscomplexobj(array) for array in (self.couplings, self.hidden_bias, self.biases))

    @property
    def width(self):
        """Doubles per parameter."""
        return 2 if self.is_complex else 1

    def arrays(self):
        """Return the network as arrays for a run file."""
        return {
            "n_visible": self.n_visible,
            "n_deep": self.n_deep,
            "edge_hidden": self.edge_hidden,
            "edge_unit": self.edge_unit,
            "couplings": self.couplings,
            "hidden_bias": self.hidden_bias,
            "biases": self.biases,
            "log_prefactor": complex(self.log_prefactor),
            "unit_layer": self.unit_layer,
            "unit_site": self.unit_site,
            "hidden_layer": self.hidden_layer,
        }

    @classmethod
    def from_arrays(cls, arrays):
        """Return the DBM of what `arrays` returned.

        Raises
        ------
        ValueError
            Arrays are missing: they are not those of a DBM.
        """
        missing = [name for name in cls.__dataclass_fields__ if name not in arrays]
        if missing:
            raise ValueError(f"not a deep Boltzmann machine: the network has no {', '.join(missing)}")
        return cls(**{name: arrays[name] for name in cls.__dataclass_fields__})

    def angles(self, units):
        """Return hidden_bias_j + sum_u W_ju x_u, (n, n_hidden), of units (n, n_visible + n_deep) of +1/-1."""
        angles = np.zeros((len(units), self.n_hidden), dtype=np.result_type(self.couplings, self.hidden_bias))
        angles += self.hidden_bias
        terms = units[:, self.edge_unit] * self.couplings
        np.add.at(angles, (slice(None), self.edge_hidden), terms)
        return angles

    def log_joint(self, units):
        """Return ln of the summand of Psi, (n,) complex128, at given visible and deep units (n, n_visible + n_deep).

        The real part is -inf where a factor vanishes.
        """
        units = np.asarray(units, dtype=np.float64)
        with np.errstate(divide="ignore"):
            factors = np.log(2.0 * np.cosh(self.angles(units).astype(np.complex128)))
        return self.log_prefactor + units @ self.biases + factors.sum(axis=1)

    def log_derivs(self, units):
        """Return d log_joint / d (couplings, hidden_bias, biases), (n, n_params) complex128, at units."""
        units = np.asarray(units, dtype=np.float64)
        slopes = np.tanh(self.angles(units).astype(np.complex128))
        couplings = slopes[:, self.edge_hidden] * units[:, self.edge_unit]
        return np.concatenate([couplings, slopes, units.astype(np.complex128)], axis=1)

    def amplitudes(self):
        """Return Psi of all visible configurations, (2^n_visible,) complex128, summed over all deep configurations.

        Bit u of the index is set where visible unit u is +1.  Deep units are summed out one after the other
        (their factors joined first), which gives the sum over all of them at the cost of the widest
        intermediate factor.
        """
        factors = self._factors()
        for deep in range(self.n_visible, self.n_visible + self.n_deep):
            joined = [factor for factor in factors if deep in factor[0]]
            factors = [factor for factor in factors if deep not in factor[0]]
            units = sorted({unit for names, _ in joined for unit in names} - {deep})
            factors.append((units, _contract(joined, units)))
        visible = list(range(self.n_visible))
        ones = [([unit], np.ones(2)) for unit in visible]
        # axis 0 is the slowest: reversed axes put unit 0 on the lowest bit
        psi = _contract(factors + ones, visible[::-1])
        return np.exp(self.log_prefactor) * psi.reshape(-1)

    def amplitudes_one_by_one(self):
        """Return what `amplitudes` does by adding every deep configuration in turn, for up to MAX_DEEP units in all.

        Raises
        ------
        ValueError
            More units.
        """
        n_units = self.n_visible + self.n_deep
        if n_units > MAX_DEEP:
            raise ValueError(f"{n_units} visible and deep units: sums one by one are for up to {MAX_DEEP}")
        psi = np.zeros(2**self.n_visible, dtype=np.complex128)
        for start in range(0, 2**n_units, CHUNK):
            index = np.arange(start, min(start + CHUNK, 2**n_units))
            units = 2 * ((index[:, None] >> np.arange(n_units)) & 1) - 1
            np.add.at(psi, index % len(psi), np.exp(self.log_joint(units)))
        return psi

    def variational(self):
        """Return Psi (2^n_visible,) and O_k = d ln Psi / d params_k (2^n_visible, n_params), summed over deep units.

        O_k(v) is the average of the derivatives of `log_derivs` over the deep units at fixed v, with the amplitudes
        exp(log_joint) as weights: sampled runs take it from deep units of bra and ket.  For up to MAX_DEEP units in
        all.
        """
        n_units, n_states = self.n_visible + self.n_deep, 2**self.n_visible
        psi = self.amplitudes_one_by_one()
        derivs = np.zeros((n_states, self.n_params), dtype=np.complex128)
        for deep in range(0, 2**n_units, n_states):
            index = deep + np.arange(n_states)
            units = 2 * ((index[:, None] >> np.arange(n_units)) & 1) - 1
            derivs += np.exp(self.log_joint(units))[:, None] * self.log_derivs(units)
        return psi, derivs / psi[:, None]

    def _factors(self):
        """Return ([units], array with one axis of length 2 (-1, +1) per unit) of every hidden unit and bias."""
        order = np.argsort(self.edge_hidden, kind="stable")
        cuts = np.searchsorted(self.edge_hidden[order], np.arange(self.n_hidden + 1))
        factors = []
        for j in range(self.n_hidden):
            edges = order[cuts[j] : cuts[j + 1]]
            units, place = np.unique(self.edge_unit[edges], return_inverse=True)
            angle = np.asarray(self.hidden_bias[j], dtype=np.complex128)
            for axis in range(len(units)):
                weight = self.couplings[edges[place == axis]].sum()
                angle = np.add.outer(angle, weight * np.array([-1.0, 1.0]))
            factors.append((units.tolist(), 2.0 * np.cosh(angle)))
        for unit in np.flatnonzero(self.biases):
            factors.append(([int(unit)], np.exp(self.biases[unit] * np.array([-1.0, 1.0]))))
        return factors


def _contract(factors, kept):
    """Multiply factors and sum over the units not in `kept`; axes in the order of `kept`."""
    labels = {unit: label for label, unit in enumerate(sorted({unit for names, _ in factors for unit in names}))}
    product, names = np.ones(()), []
    for units, array in factors:
        new = list(dict.fromkeys(names + units))
        terms = [product, [labels[u] for u in names], array, [labels[u] for u in units], [labels[u] for u in new]]
        product, names = np.einsum(*terms), new
    return np.einsum(product, [labels[u] for u in names], [labels[u] for u in kept])
