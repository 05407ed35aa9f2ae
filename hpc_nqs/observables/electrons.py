"""Observables of electrons: double occupancy, local moments, correlations of spin and charge, momentum distributions.

Charge correlations are connected, <n_i n_j> - <n_i><n_j>.  Momentum distributions come from hops between all sites,
n_k = (1/N) sum_ij e^{ik(r_i - r_j)} <c+_i c_j>, one mean per orbit of pairs of sites: amplitudes know their signs.
In the grand canonical ensemble N and Sz are measured, too: they commute with H.
"""

import copy

import numpy as np

from hpc_nqs.lattices.lattice import wave_vector_key
from hpc_nqs.observables.green_functions import GreenFunctions
from hpc_nqs.observables.layer_sums import LayerSum
from hpc_nqs.observables.pair_classes import pairs_by_distance

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
    imaginary_time : bool
        Green functions at beta/2, too; in the grand canonical ensemble alone.

    Attributes
    ----------
    green : GreenFunctions or None
        Of a cooled state; rings of more than two links have none at beta/2.
    layer_sums : list of LayerSum
        Of several orbitals S_i^2 per site.  With wave vectors, of spin up, then of spin down, or of both where they are
        alike: where numbers are not fixed n_i, then Re <c+_i c_j> of every orbit of pairs of sites, over all orbitals.
    """

    layers = None  # no diagonal correlations in imaginary time
    operators = None  # those of spins

    def __init__(self, model, phases, distances, images, imaginary_time=False):
        self.model, self.phases, self.distances = model, phases, distances
        n, m, n_orbitals = model.n_lattice_sites, model.n_levels, model.n_orbitals
        self.n_sites = n
        weights = [np.real(np.outer(phase, phase.conj())) / n for phase in phases.values()]
        weights += list(distances.values())
        self._weights = np.reshape(weights, (-1, n, n))
        sites = np.unique(images[:, :m:n_orbitals] % m // n_orbitals, axis=0)
        self._orbits = _pair_orbits(sites)
        self._spins_alike = bool(np.any(images[:, 0] >= m))
        self.layer_sums = [local_moment(model)] if n_orbitals > 1 else []
        self._first_number = len(self.layer_sums)
        spins = [np.array(each) for each in (((0, m),) if self._spins_alike else ((0,), (m,)))]
        if phases and not model.is_canonical:
            self.layer_sums += [_densities(model, first) for first in spins]
        self._first_hop = len(self.layer_sums)
        if phases:
            self.layer_sums += [_hops(model, pairs, first) for first in spins for pairs in self._orbits]
        # means over the images of sites and of pairs, added up one by one: there may be thousands
        self._site_average, self._pair_weights = np.zeros((n, n)), np.zeros_like(self._weights)
        for row in sites:
            self._site_average[row, np.arange(n)] += 1 / len(sites)
            place = np.argsort(row)
            self._pair_weights += self._weights[:, place[:, None], place] / len(sites)
        waves = self._pair_weights[: len(phases)]
        self.green = GreenFunctions(model, phases, waves, self._spins_alike) if imaginary_time else None

    def bare(self):
        """Return the same without correlations, densities, hops and Green functions."""
        bare = copy.copy(self)
        bare.phases, bare.distances, bare.layer_sums = {}, {}, self.layer_sums[: self._first_number]
        bare._weights = bare._pair_weights = self._weights[:0]
        bare.green = None
        return bare

    def at_equal_times(self):
        """Return the same: rings, of which this is asked, have no Green functions."""
        return self

    @property
    def names(self):
        """Names of the columns of `measure`."""
        kinds = [*self.phases, *self.distances]
        densities = [("density", str(i)) for i in range(self.n_sites)]
        pairs = [(name, key) for name in ("spin", "charge") for key in kinds]
        of_numbers = [] if self.model.is_canonical else [(name, "") for name in OF_NUMBERS]
        return [("double_occupancy", ""), ("local_moment", ""), *densities, *pairs, *of_numbers]

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
        columns = [np.stack(single, axis=1), densities, np.reshape(pairs, (len(pairs), len(units))).T]
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
        names = (DOUBLE, "double_occupancy"), (MOMENT, "local_moment")
        for column, name in names if self.model.n_orbitals == 1 else names[:1]:
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

    def local_entries(self, estimate, first):
        """Return the entries from `layer_sums`: local_moment of several orbitals, n_k_up and n_k_down.

        `first` is the column of the first of them among the means, else as for `entries`.
        """
        row, n, fixed = {}, self.n_sites, self.model.filling
        if self.model.n_orbitals > 1:
            row["local_moment"], row["local_moment_error"] = estimate(lambda means: means[:, first])
        for spin, name in enumerate(("n_k_up", "n_k_down")):
            which = 0 if self._spins_alike else spin
            start = first + self._first_hop + which * len(self._orbits)
            for key, phase in self.phases.items():
                matrix = np.real(np.outer(phase, phase.conj())) / n
                factors = np.array([2 * matrix[pairs[:, 0], pairs[:, 1]].sum() for pairs in self._orbits])

                def distribution(means, start=start, factors=factors, spin=spin, which=which):
                    density = means[:, first + self._first_number + which] if fixed is None else fixed[spin] / n
                    return density + means[:, start : start + len(factors)] @ factors

                row.setdefault(name, {})[key] = list(estimate(distribution))
        return row


def local_moment(model):
    """Return sum_i S_i^2 / N as a `LayerSum`, see docs/theory/electrons.md.

    With s_p of the occupations S_i^2 = 3/8 sum_a (1 - s_au s_ad) + sum_(a<b) (s_au - s_ad) (s_bu - s_bd) / 8
    - sum_(a<b) (c+_au c_bu c+_bd c_ad + h.c.).
    """
    n, m, n_orbitals = model.n_lattice_sites, model.n_levels, model.n_orbitals
    orbitals = np.arange(m)
    pairs, couplings = [np.stack([orbitals, orbitals + m], axis=1)], [np.full(m, -0.375 / n)]
    first = n_orbitals * np.arange(n)
    a, b = (np.add.outer(first, part).ravel() for part in np.triu_indices(n_orbitals, 1))
    for one in (0, m):
        for other in (0, m):
            pairs.append(np.stack([a + one, b + other], axis=1))
            couplings.append(np.full(len(a), (0.125 if one == other else -0.125) / n))
    return LayerSum(
        constant=0.375 * n_orbitals, pairs=np.concatenate(pairs), couplings=np.concatenate(couplings),
        opposite=np.stack([a, b, a + m, b + m], axis=1), opposite_weight=-1.0 / n,
    )


def _densities(model, spins):
    """Return n_i of one spin, a mean over sites and `spins`, the first units of spins."""
    units = np.add.outer(spins, np.arange(model.n_levels)).ravel()
    weight = model.n_orbitals / len(units)
    return LayerSum(constant=0.5 * model.n_orbitals, units=units, field=0.5 * weight)


def _hops(model, pairs, spins):
    """Return Re <c+_i c_j> of one spin, a mean over pairs of sites and `spins`, summed over orbitals."""
    orbitals = np.arange(model.n_orbitals)[:, None] + spins[:, None, None]
    hops = (pairs[:, None, None, :] * model.n_orbitals + orbitals).reshape(-1, 2)
    return LayerSum(hops=hops, weight=0.5 * model.n_orbitals / len(hops))


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
    return ElectronObservables(model, phases, dense, images, settings.observables.imaginary_time)
