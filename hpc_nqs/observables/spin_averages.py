"""Correlations of an isotropic magnet averaged over the three spin components, S_i.S_j / 3 in place of Sz_i Sz_j.

Tables over configurations of Sz lose the symmetry between the components where the state explains little: on 6x6 sites
S(pi, pi) from Sz alone was 24 % too large at T = 0.5 J.  The other two components are exchanges,

    S_i.S_j = Sz_i Sz_j + (|+-><-+| + |-+><+-|) / 2,

local estimators like those of the energy.  <M^2> is conserved and needs no average, see `conserved`.
"""

import numpy as np

from hpc_nqs.hilbert.moves import Moves
from hpc_nqs.kernels.local_energy import Hamiltonian
from hpc_nqs.observables.local_sums import layer_means

DIGITS = 12  # of weights that count as equal


class SpinAverages:
    """Observables that are sums over pairs of Sz_i Sz_j, averaged over the components on all layers that are alike.

    Parameters
    ----------
    state : ThermalState
        Of an isotropic model.
    observables : Observables
    """

    def __init__(self, state, observables):
        model, n = state.model, state.model.n_sites
        weights = observables.pair_weights()
        first, second = np.triu_indices(n, k=1)
        self.constants = 0.25 * np.trace(weights, axis1=1, axis2=2)
        pairs, groups = np.unique(
            np.round(weights[:, first, second] + weights[:, second, first], DIGITS), axis=1, return_inverse=True
        )
        self.wavefunction = state.wavefunction
        self.layers = (0, 1) if state.layers_equivalent else (0,)
        self.moves = Moves(n_visible=2 * n, n_sites=n, bond_features=False)
        rotated = np.ones(n) if model.sublattice is None else model.sublattice
        self.sums, kept = [], pairs.any(axis=0)
        self.weights = pairs[:, kept]  # (n_columns, n_groups)
        self.n_columns = len(self.weights)
        for layer in self.layers:
            for group in np.flatnonzero(kept):
                chosen = np.flatnonzero(groups.reshape(-1) == group)
                self.sums.append(self._sum_of_products(first[chosen], second[chosen], layer * n, rotated))
        # as many pairs as H has on each layer, on average over the samples of a report
        n_pairs = np.isin(groups, np.flatnonzero(kept)).sum()
        self.stride = max(1, -(-int(n_pairs) // max(1, len(model.exchange_sites))))

    def _sum_of_products(self, first, second, offset, rotated):
        """Return sum S_i.S_j / 3 over pairs as a `Hamiltonian` of one layer."""
        pairs = np.stack([first, second], axis=1) + offset
        exchanges = [self.moves.add_exchange(i, j) for i, j in pairs.tolist()]
        return Hamiltonian(
            np.ascontiguousarray(pairs, dtype=np.intp),
            np.full(len(pairs), 0.25 / 3),
            np.zeros(self.moves.n_visible),
            np.array(exchanges, dtype=np.intp),
            rotated[first] * rotated[second] * 0.5 / 3,
        )

    def measure(self, configurations, threads):
        """Return the columns (n, n_columns) float64 of configurations (n, n_visible) int8 at the present parameters."""
        means = layer_means(self.wavefunction, self.moves, self.sums, len(self.layers), configurations, threads)
        return self.constants + means @ self.weights.T
