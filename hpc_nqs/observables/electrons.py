"""Observables of electrons: double occupancy, local moments, correlations of spin and charge, momentum distributions.

Charge correlations are connected, <n_i n_j> - <n_i><n_j>.  Momentum distributions come from hops between all sites,
n_k = (1/N) sum_ij e^{ik(r_i - r_j)} <c+_i c_j>, one mean per orbit of pairs of sites: amplitudes know their signs.
In the grand canonical ensemble N and Sz are measured, too: they commute with H.
"""

import dataclasses

import numpy as np

from hpc_nqs.hamiltonians.electron_matrices import to_sparse
from hpc_nqs.hilbert.moves import Moves
from hpc_nqs.kernels.local_energy import Hamiltonian
from hpc_nqs.lattices.lattice import wave_vector_key
from hpc_nqs.observables.diagonal import pairs_by_distance
from hpc_nqs.observables.local_sums import layer_means

DOUBLE, MOMENT, FIRST_DENSITY = range(3)  # columns
OF_NUMBERS = ("number", "number_squared", "sz", "sz_squared")  # the last ones, where numbers are not fixed


class ElectronObservables:
    """Functions of the occupations of one layer and hops on it, averaged over symmetries.

    Parameters
    ----------
    model : ElectronModel
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
        The mean of weight (c+_p c_q + h.c.) summed over the pairs is that of Re <c+_i c_j>, summed over orbitals.
    numbers : list of (units (n,) intp, weight float)
        The same of i = j, weight n_p, where the numbers of electrons are not fixed and there are hops.
    """

    layers = None  # no correlations in imaginary time

    def __init__(self, model, phases, distances, images):
        self.model, self.phases, self.distances = model, phases, distances
        n, m, n_orbitals = model.n_lattice_sites, model.n_levels, model.n_orbitals
        self.n_sites = n
        weights = [np.real(np.outer(phase, phase.conj())) / n for phase in phases.values()]
        weights += list(distances.values())
        self._weights = np.reshape(weights, (-1, n, n))
        sites = np.unique(images[:, :m:n_orbitals] % m // n_orbitals, axis=0)
        self._orbits = _pair_orbits(sites)
        self._spins_alike = bool(np.any(images[:, 0] >= m))
        spins = ((0, m),) if self._spins_alike else ((0,), (m,))
        orbitals = np.arange(n_orbitals)
        levels = [
            (pairs[:, None, :] * n_orbitals + orbitals[:, None]).reshape(-1, 2) for pairs in self._orbits if phases
        ]
        hops = [np.concatenate([pairs + first for first in each]) for each in spins for pairs in levels]
        self.hops = [(pairs, 0.5 * n_orbitals / len(pairs)) for pairs in hops]
        self.numbers = []
        if phases and not model.is_canonical:
            units = [np.concatenate([np.arange(m) + first for first in each]) for each in spins]
            self.numbers = [(each, n_orbitals / len(each)) for each in units]
        # means over the images of sites and of pairs, added up one by one: there may be thousands
        self._site_average, self._pair_weights = np.zeros((n, n)), np.zeros_like(self._weights)
        for row in sites:
            self._site_average[row, np.arange(n)] += 1 / len(sites)
            place = np.argsort(row)
            self._pair_weights += self._weights[:, place[:, None], place] / len(sites)

    @property
    def names(self):
        """Names of the columns of `measure`."""
        kinds = [*self.phases, *self.distances]
        densities = [("density", str(i)) for i in range(self.n_sites)]
        pairs = [(name, key) for name in ("spin", "charge") for key in kinds]
        of_numbers = [] if self.model.is_canonical else [(name, "") for name in OF_NUMBERS]
        return [("double_occupancy", ""), ("local_moment", ""), *densities, *pairs, *of_numbers]

    @property
    def n_hops(self):
        """Number of local estimators: `numbers`, then `hops`."""
        return len(self.numbers) + len(self.hops)

    def measure(self, units):
        """Return the columns (n, n_columns) float64 of occupations (n, n_units) int8 of +1/-1.

        Double occupancy and the diagonal part of S_i^2 per site, see docs/theory/electrons.md; n_i of every site;
        sum_ij w_ij Sz_i Sz_j and sum_ij w_ij n_i n_j of every wave vector and distance; where numbers are not fixed N,
        N^2, Sz and Sz^2.
        """
        shape = len(units), 2, self.n_sites, self.model.n_orbitals
        up, down = 0.5 * (units.reshape(shape).swapaxes(0, 1).astype(np.float64) + 1)
        sz, density = (up - down).sum(axis=2) / 2, (up + down).sum(axis=2)
        double = (up * down).sum(axis=2)
        single = [np.mean(double, axis=1), np.mean(sz**2 + density / 2 - double, axis=1)]
        densities = density @ self._site_average
        pairs = [np.sum((part @ w) * part, axis=1) for part in (sz, density) for w in self._pair_weights]
        columns = [np.stack(single, axis=1), densities, np.reshape(pairs, (-1, len(units))).T]
        if not self.model.is_canonical:
            # where the spins are alike the mean of Sz is none, also of one configuration of every orbit
            totals = density.sum(axis=1), sz.sum(axis=1)
            numbers = np.stack([part**power for part in totals for power in (1, 2)], axis=1)
            numbers[:, OF_NUMBERS.index("sz")] *= not self._spins_alike
            columns.append(numbers)
        return np.concatenate(columns, axis=1)

    def entries(self, estimate, first, energy, beta):
        """Return the entries of a table row.

        Parameters
        ----------
        estimate : callable
            Function of rows of means, (n, n_columns), to (value, error), as `Statistics.estimate`.
        first : int
            The first column of `measure` among the means.
        energy : callable
            From rows of means to that of H - mu N, total, (n,).
        beta : float
        """
        row = {} if self.model.is_canonical else self._of_numbers(estimate, first, energy, beta)
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

    def _of_numbers(self, estimate, first, energy, beta):
        """Return filling, compressibility, susceptibility and e without -mu N, see `entries`."""
        n, last, mu = self.n_sites, first + len(self.names), self.model.mu
        number, squared, sz, sz_squared = range(last - len(OF_NUMBERS), last)
        functions = {
            "hamiltonian_energy": lambda means: (energy(means) + mu * means[:, number]) / n,
            "filling": lambda means: means[:, number] / n,
            "compressibility": lambda means: beta * (means[:, squared] - means[:, number] ** 2) / n,
            "susceptibility": lambda means: beta * (means[:, sz_squared] - means[:, sz] ** 2) / n,
        }
        row = {}
        for name, function in functions.items():
            row[name], row[f"{name}_error"] = estimate(function)
        return row

    def hop_entries(self, estimate, first):
        """Return n_k_up and n_k_down, {"qx,qy": [value, error]}, of a table row; nothing without wave vectors.

        `first` is the column of the first of `numbers` and `hops` among the means, else as for `entries`.
        """
        row, n, fixed = {}, self.n_sites, self.model.filling
        for spin, name in enumerate(("n_k_up", "n_k_down")):
            which = 0 if self._spins_alike else spin
            start = first + len(self.numbers) + which * len(self._orbits)
            for key, phase in self.phases.items():
                matrix = np.real(np.outer(phase, phase.conj())) / n
                factors = np.array([2 * matrix[pairs[:, 0], pairs[:, 1]].sum() for pairs in self._orbits])

                def distribution(means, start=start, factors=factors, spin=spin, which=which):
                    density = means[:, first + which] if fixed is None else fixed[spin] / n
                    return density + means[:, start : start + len(factors)] @ factors

                row.setdefault(name, {})[key] = list(estimate(distribution))
        return row

    def hop_matrices(self, states):
        """Return the sums of `numbers` and `hops` between states of a layer, as sparse arrays."""
        model, none = self.model, np.zeros((0, 2), dtype=np.intp)
        empty = dataclasses.replace(
            model, constant=0.0, pair_sites=none, pair_coupling=np.zeros(0), site_field=np.zeros(model.n_sites),
            exchange_sites=none, exchange_element=np.zeros(0), exchange_shell=np.zeros(0, dtype=np.int8),
            hop2_sites=np.zeros((0, 4), dtype=np.intp), hop2_element=np.zeros(0),
        )
        sums = []
        for units, weight in self.numbers:
            field = np.bincount(units, minlength=model.n_sites) * weight / 2
            sums.append(dataclasses.replace(empty, constant=field.sum(), site_field=field))
        for pairs, weight in self.hops:
            elements, shells = np.full(len(pairs), weight), np.zeros(len(pairs), dtype=np.int8)
            hops = {"exchange_sites": pairs, "exchange_element": elements, "exchange_shell": shells}
            sums.append(dataclasses.replace(empty, **hops))
        return [to_sparse(each, states) for each in sums]


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
        self.sums = []
        for layer in layers:
            self.sums += [self._number(units, weight, layer) for units, weight in observables.numbers]
            self.sums += [self._sum(pairs + layer * n, weight) for pairs, weight in observables.hops]
        self.n_columns = observables.n_hops
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

    def _number(self, units, weight, layer):
        """Return weight sum n_p over units of one layer; on the ancilla layer +1 is empty."""
        n, sign = self.moves.n_sites, 1 - 2 * layer
        field = np.zeros(self.moves.n_visible)
        field[units + layer * n] = sign * weight / 2
        none = np.zeros(0, dtype=np.intp)
        return Hamiltonian(none.reshape(0, 2), np.zeros(0), field, none, np.zeros(0), len(units) * weight / 2)

    def measure(self, configurations, threads):
        """Return the sums (n, n_columns) float64 of configurations (n, n_visible) int8, 0 where Psi vanishes."""
        return layer_means(self.wavefunction, self.moves, self.sums, self.n_layers, configurations, threads)


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
