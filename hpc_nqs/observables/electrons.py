"""Observables of electrons: double occupancy, local moments, correlations of spin and charge, momentum distributions.

Charge correlations are connected, <n_i n_j> - <n_i><n_j>.  Momentum distributions come from hops between all sites,
n_k = (1/N) sum_ij e^{ik(r_i - r_j)} <c+_i c_j>, one mean per orbit of pairs of sites: amplitudes know their signs.
"""

import copy
import dataclasses

import numpy as np

from hpc_nqs.hamiltonians.electron_matrices import to_sparse
from hpc_nqs.hilbert.moves import Moves
from hpc_nqs.kernels.local_energy import Hamiltonian
from hpc_nqs.lattices.lattice import wave_vector_key
from hpc_nqs.observables.diagonal import pairs_by_distance
from hpc_nqs.observables.local_sums import layer_means

DOUBLE, MOMENT, FIRST_DENSITY = range(3)  # columns


class ElectronObservables:
    """Functions of the occupations of one layer and hops on it, averaged over symmetries.

    Parameters
    ----------
    model : ElectronModel
        One orbital per site.
    phases : dict of str: (n_sites,) complex128
        e^{iqr} of every wave vector, by its key "qx,qy".
    distances : dict of str: (n_sites, n_sites) float64
        Weights of all pairs of sites at each distance; they sum to 1.
    images : (order, n_units) intp
        Symmetries as permutations of the units, those that exchange the spins included.

    Attributes
    ----------
    hops : list of (units (n_pairs, 2) intp, weight float)
        Orbits of pairs of sites, of spin up, then of spin down; of both where the spins are alike.  None without wave
        vectors.
        The mean of weight (c+_p c_q + h.c.) summed over the pairs is that of Re <c+_i c_j>.
    """

    layers = None  # no correlations in imaginary time

    def __init__(self, model, phases, distances, images):
        self.model, self.phases, self.distances = model, phases, distances
        n = self.n_sites = model.n_lattice_sites
        weights = [np.real(np.outer(phase, phase.conj())) / n for phase in phases.values()]
        weights += list(distances.values())
        self._weights = np.reshape(weights, (-1, n, n))
        sites = np.unique(images[:, :n] % n, axis=0)
        self._orbits = _pair_orbits(sites)
        self._spins_alike = bool(np.any(images[:, 0] >= n))
        spins = ((0, n),) if self._spins_alike else ((0,), (n,))
        hops = [np.concatenate([pairs + first for first in each]) for each in spins for pairs in self._orbits if phases]
        self.hops = [(pairs, 0.5 / len(pairs)) for pairs in hops]
        # means over the images of sites and of pairs, added up one by one: there may be thousands
        self._site_average, self._pair_weights = np.zeros((n, n)), np.zeros_like(self._weights)
        for row in sites:
            self._site_average[row, np.arange(n)] += 1 / len(sites)
            place = np.argsort(row)
            self._pair_weights += self._weights[:, place[:, None], place] / len(sites)

    def bare(self):
        """Return the same without correlations and hops."""
        bare = copy.copy(self)
        bare.phases, bare.distances, bare.hops = {}, {}, []
        bare._weights = bare._pair_weights = self._weights[:0]
        return bare

    def at_equal_times(self):
        """Return the same: there are no correlations in imaginary time."""
        return self

    @property
    def names(self):
        """Names of the columns of `measure`."""
        kinds = [*self.phases, *self.distances]
        densities = [("density", str(i)) for i in range(self.n_sites)]
        pairs = [(name, key) for name in ("spin", "charge") for key in kinds]
        return [("double_occupancy", ""), ("local_moment", ""), *densities, *pairs]

    def measure(self, units):
        """Return the columns (n, n_columns) float64 of occupations (n, n_units) int8 of +1/-1.

        Double occupancy and S_i^2 = 3/4 (n_up - n_down)^2 per site; n_i of every site; sum_ij w_ij Sz_i Sz_j and
        sum_ij w_ij n_i n_j of every wave vector and distance.
        """
        up, down = 0.5 * (units.reshape(len(units), 2, self.n_sites).swapaxes(0, 1).astype(np.float64) + 1)
        sz, density = (up - down) / 2, up + down
        single = [np.mean(up * down, axis=1), 3 * np.mean(sz**2, axis=1)]
        densities = density @ self._site_average
        pairs = [np.sum((part @ w) * part, axis=1) for part in (sz, density) for w in self._pair_weights]
        pairs = np.reshape(pairs, (len(pairs), len(units))).T
        return np.concatenate([np.stack(single, axis=1), densities, pairs], axis=1)

    def entries(self, estimate, first):
        """Return the entries of a table row.

        Parameters
        ----------
        estimate : callable
            Function of rows of means, (n, n_columns), to (value, error), as `Statistics.estimate`.
        first : int
            The first column of `measure` among the means.
        """
        row = {}
        for column, name in ((DOUBLE, "double_occupancy"), (MOMENT, "local_moment")):
            row[name], row[f"{name}_error"] = estimate(lambda means, column=column: means[:, first + column])
        keys = [("structure_factor", key) for key in self.phases] + [("correlation", key) for key in self.distances]
        densities = slice(first + FIRST_DENSITY, first + FIRST_DENSITY + self.n_sites)
        for number, ((name, key), weights) in enumerate(zip(keys, self._weights, strict=True)):
            spin = densities.stop + number
            charge = spin + len(keys)

            def connected(means, charge=charge, weights=weights):
                density = means[:, densities]
                return means[:, charge] - np.sum((density @ weights) * density, axis=1)

            row.setdefault(name, {})[key] = list(estimate(lambda means, spin=spin: means[:, spin]))
            row.setdefault(f"charge_{name}", {})[key] = list(estimate(connected))
        return row

    def hop_entries(self, estimate, first):
        """Return n_k_up and n_k_down, {"qx,qy": [value, error]}, of a table row; nothing without wave vectors.

        `first` is the column of the first orbit of `hops` among the means, else as for `entries`.
        """
        row, n = {}, self.n_sites
        for spin, (name, number) in enumerate(zip(("n_k_up", "n_k_down"), self.model.filling, strict=True)):
            start = first if self._spins_alike else first + spin * len(self._orbits)
            for key, phase in self.phases.items():
                matrix = np.real(np.outer(phase, phase.conj())) / n
                factors = np.array([2 * matrix[pairs[:, 0], pairs[:, 1]].sum() for pairs in self._orbits])

                def distribution(means, start=start, factors=factors, number=number):
                    return number / n + means[:, start : start + len(factors)] @ factors

                row.setdefault(name, {})[key] = list(estimate(distribution))
        return row

    def hop_matrices(self, states):
        """Return the sums of `hops` between states of a layer, as sparse arrays."""
        model, none = self.model, np.zeros((0, 2), dtype=np.intp)
        return [
            to_sparse(
                dataclasses.replace(
                    model, constant=0.0, pair_sites=none, pair_coupling=np.zeros(0),
                    site_field=np.zeros(model.n_sites), exchange_sites=pairs,
                    exchange_element=np.full(len(pairs), weight), exchange_shell=np.zeros(len(pairs), dtype=np.int8),
                ),
                states,
            )
            for pairs, weight in self.hops
        ]


class HopAverages:
    """The sums of `ElectronObservables.hops` as local estimators, means over the layers that are asked for.

    Parameters
    ----------
    wavefunction : Wavefunction
        Its parameters at the time of `measure` count.
    observables : ElectronObservables
    layers : tuple of int
        0: the physical layer, 1: the ancilla layer.
    """

    def __init__(self, wavefunction, observables, layers):
        n = observables.model.n_sites
        self.wavefunction, self.n_layers = wavefunction, len(layers)
        self.moves = Moves(n_visible=2 * n, n_sites=n, bond_features=False)
        self.sums = [
            self._sum(pairs + layer * n, weight) for layer in layers for pairs, weight in observables.hops
        ]
        self.n_columns = len(observables.hops)
        # on average over the samples as many hops as H has
        n_hops = sum(len(pairs) for pairs, _ in observables.hops)
        self.stride = max(1, -(-n_hops // max(1, len(observables.model.exchange_sites))))

    def _sum(self, pairs, weight):
        """Return weight sum (c+_p c_q + h.c.) over pairs of visible units."""
        hops = [self.moves.add_exchange(p, q) for p, q in pairs.tolist()]
        none = np.zeros((0, 2), dtype=np.intp)
        return Hamiltonian(
            none, np.zeros(0), np.zeros(self.moves.n_visible), np.array(hops, dtype=np.intp),
            np.full(len(hops), weight),
        )

    def measure(self, configurations, threads):
        """Return the sums (n, n_orbits) float64 of configurations (n, n_visible) int8, 0 where Psi vanishes."""
        return layer_means(self.wavefunction, self.moves, self.sums, self.n_layers, configurations, threads)

    def measure_links(self, links, threads):
        """Return the sums (n, R, n_orbits) float64 of rings (n, R, n_visible) int8."""
        return self.measure(links.reshape(-1, links.shape[2]), threads).reshape(*links.shape[:2], self.n_columns)

    def spans(self, n_links):
        """Return how many links every column looks at, (n_orbits,) intp."""
        return np.ones(self.n_columns, dtype=np.intp)


def _pair_orbits(sites):
    """Return the orbits of pairs i < j under permutations (order, n), a list of (n_pairs, 2) intp."""
    n = sites.shape[1]
    i, j = np.triu_indices(n, 1)
    labels = np.arange(n * n).reshape(n, n)
    for row in sites:
        moved = labels[row[:, None], row]
        labels = np.minimum(labels, np.minimum(moved, moved.T))
    while True:  # until the least number of every orbit has come everywhere
        least = labels
        for row in sites:
            moved = least[row[:, None], row]
            least = np.minimum(least, np.minimum(moved, moved.T))
        if np.array_equal(least, labels):
            break
        labels = least
    return [np.stack([i, j], axis=1)[labels[i, j] == label] for label in np.unique(labels[i, j])]


def build_electron_observables(settings, lattice, model, images):
    """Return the `ElectronObservables` of the settings, averaged over symmetries (order, n_units) of the units."""
    phases = {wave_vector_key(q): lattice.wave_vector(q) for q in settings.observables.structure_factor}
    distances = pairs_by_distance(lattice) if settings.observables.correlations else {}
    dense = {key: 0.5 * (weights + weights.T).toarray() for key, weights in distances.items()}
    return ElectronObservables(model, phases, dense, images)
