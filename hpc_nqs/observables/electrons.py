"""Diagonal observables of electrons: double occupancy, local moments, correlations of spin and charge.

Sz_i and n_i of a site are sums over its orbitals.  Charge correlations are connected, <n_i n_j> - <n_i><n_j>.
"""

import numpy as np

from hpc_nqs.lattices.lattice import wave_vector_key
from hpc_nqs.observables.diagonal import pairs_by_distance

DOUBLE, MOMENT, FIRST_DENSITY = range(3)  # columns


class ElectronObservables:
    """Functions of the occupations of one layer, averaged over symmetries of the lattice where they are given.

    Parameters
    ----------
    model : ElectronModel
        One orbital per site.
    phases : dict of str: (n_sites,) complex128
        e^{iqr} of every wave vector, by its key "qx,qy".
    distances : dict of str: (n_sites, n_sites) float64
        Weights of all pairs of sites at each distance; they sum to 1.
    images : (order, n_units) intp, optional
        Symmetries as permutations of the units, spin exchange included: for sums of one configuration of every orbit.
    """

    layers = None  # no correlations in imaginary time

    def __init__(self, model, phases, distances, images=None):
        self.model, self.phases, self.distances = model, phases, distances
        n = self.n_sites = model.n_lattice_sites
        weights = [np.real(np.outer(phase, phase.conj())) / n for phase in phases.values()]
        weights += list(distances.values())
        self._weights = np.reshape(weights, (-1, n, n))
        sites = np.arange(n)[None, :] if images is None else np.unique(images[:, :n] % n, axis=0)
        self._sites, places = sites, np.argsort(sites)
        self._pair_weights = np.mean([self._weights[:, row[:, None], row[None, :]] for row in places], axis=0)

    def averaged(self, images):
        """Return the same, averaged over symmetries (order, n_units) intp of the units."""
        return ElectronObservables(self.model, self.phases, self.distances, images)

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
        densities = np.mean([density[:, row] for row in self._sites], axis=0)
        pairs = [np.sum((part @ w) * part, axis=1) for part in (sz, density) for w in self._pair_weights]
        return np.concatenate([np.stack(single, axis=1), densities, np.reshape(pairs, (-1, len(units))).T], axis=1)

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


def build_electron_observables(settings, lattice, model):
    """Return the `ElectronObservables` of the settings."""
    phases = {wave_vector_key(q): lattice.wave_vector(q) for q in settings.observables.structure_factor}
    distances = pairs_by_distance(lattice) if settings.observables.correlations else {}
    dense = {key: 0.5 * (weights + weights.T).toarray() for key, weights in distances.items()}
    return ElectronObservables(model, phases, dense)
