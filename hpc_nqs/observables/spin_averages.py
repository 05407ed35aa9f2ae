"""Correlations of an isotropic magnet averaged over the three spin components, S_i.S_j / 3 in place of Sz_i Sz_j.

Tables over configurations of Sz lose the symmetry between the components where the state explains little: on 6x6 sites
S(pi, pi) from Sz alone was 24 % too large at T = 0.5 J.  The other two components are exchanges,

    S_i.S_j = Sz_i Sz_j + (|+-><-+| + |-+><+-|) / 2,

local estimators like those of the energy.  <M^2> is conserved and needs no average, see `conserved`.  Correlations in
imaginary time follow them, see `layer_averages`.
"""

import numpy as np

from hpc_nqs.hilbert.moves import Moves
from hpc_nqs.kernels.local_energy import Hamiltonian
from hpc_nqs.observables.layer_averages import LayerAverages
from hpc_nqs.observables.local_sums import layer_means

DIGITS = 12  # of weights that count as equal


class SpinAverages:
    """Observables that are sums over pairs of Sz_i Sz_j, averaged over the components on all layers that are alike.

    Parameters
    ----------
    state : ThermalState
        Of an isotropic model.
    observables : Observables

    Attributes
    ----------
    between : LayerAverages or None
        Of imaginary time, where it is wanted.
    stride : int
        One of so many samples is measured.
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
        self.weights = pairs[:, kept]  # (n_pair_columns, n_groups)
        layers = observables.layers
        self.between = None if layers is None else LayerAverages(state.wavefunction, model, layers)
        for layer in self.layers:
            for group in np.flatnonzero(kept):
                chosen = np.flatnonzero(groups.reshape(-1) == group)
                self.sums.append(self._sum_of_products(first[chosen], second[chosen], layer * n, rotated))
        # as many pairs as H has on each layer, on average over the samples of a report
        n_pairs = int(np.isin(groups, np.flatnonzero(kept)).sum())
        n_pairs = max(n_pairs, 0 if self.between is None else self.between.n_ratios)
        self.stride = max(1, -(-n_pairs // max(1, len(model.exchange_sites))))

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
        """Return the columns (n, n_columns) float64 of configurations (n, n_visible) int8 at the present parameters.

        Those of imaginary time are of k = 1, half of beta.
        """
        return self.measure_links(configurations[:, None], threads, 2)[:, 0]

    def measure_links(self, links, threads, n_links=None):
        """Return the columns (n, R, n_columns) float64 of rings (n, R, n_visible) int8, `n_links`: R.

        Pairs by pairs on a link; behind them those of imaginary time that begin with it.
        """
        flat = links.reshape(-1, links.shape[2])
        means = layer_means(self.wavefunction, self.moves, self.sums, len(self.layers), flat, threads)
        columns = (self.constants + means @ self.weights.T).reshape(*links.shape[:2], len(self.weights))
        if self.between is None:
            return columns
        times = self.between.measure(links, (n_links or links.shape[1]) // 2, threads)
        return np.concatenate([columns, times], axis=2)

    def spans(self, n_links):
        """Return how many links every column of rings of `n_links` looks at, (n_columns,) intp."""
        ones = np.ones(len(self.weights), dtype=np.intp)
        if self.between is None:
            return ones
        return np.append(ones, np.repeat(np.arange(1, n_links // 2 + 1), self.between.n_kinds))
