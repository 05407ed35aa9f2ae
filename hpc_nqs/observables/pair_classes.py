"""Pairs of sites at the same distance, or with the same displacement: what correlations are averaged over."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from hpc_nqs.kernels.class_sums import N_LANES, class_sums


@dataclass(frozen=True)
class PairClasses:
    """Classes of pairs of sites, such as those at one distance.

    Attributes
    ----------
    n_sites : int
    pairs : (n_pairs, 2) intp
        Those of the first class, of the second, ...
    starts : (n_classes + 1,) intp
        Where the pairs of every class begin.
    """

    n_sites: int
    pairs: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, weights, n_sites):
        """Return the classes of the entries of some sparse matrices (n_sites, n_sites), each pair in one of them."""
        parts = [np.column_stack(each.nonzero()).astype(np.intp) for each in weights]
        pairs = np.concatenate([*parts, np.empty((0, 2), np.intp)])
        return cls(n_sites, pairs, np.cumsum([0, *map(len, parts)], dtype=np.intp))

    @property
    def sizes(self):
        """Numbers of pairs, (n_classes,)."""
        return np.diff(self.starts)

    def sums(self, *products):
        """Return sum_(i,j) (x_i y_j + x_j y_i) over the pairs of every class and all `products` (x, y).

        Parameters
        ----------
        products : ((n, n_sites) float64, (n, n_sites) float64)
            Pairs of x and y.

        Returns
        -------
        (n, n_classes) float64
        """
        out = np.zeros((len(products[0][0]), len(self.sizes)))
        rooms = np.empty((2, self.n_sites, N_LANES))
        for x, y in products:
            class_sums(np.ascontiguousarray(x), np.ascontiguousarray(y), self.pairs, self.starts, *rooms, out)
        return out


def correlation(sz, weights):
    """Return sum_ij w_ij Sz_i Sz_j of configurations (n, n_sites), as (n,) float64."""
    return np.sum((weights.T @ sz.T).T * sz, axis=1)


def pairs_by_distance(lattice):
    """Return the weights of the pairs of sites at each distance, {distance: sparse (n_sites, n_sites)}, nearest first.

    Distances are those of the nearest periodic images, in nearest-neighbour distances; on a custom lattice the number
    of bonds between the sites, pairs without a path left out. Each pair counts once, the weights of a distance sum to
    1.
    """
    distances = np.triu(lattice.distances(), k=1)
    first, second = np.nonzero(distances)
    lengths = np.round(distances[first, second], 6)
    if lattice.positions is None:
        first, second, lengths = (part[lengths < lattice.n_sites] for part in (first, second, lengths))
    classes = {f"{length:g}": lengths == length for length in np.unique(lengths)}
    return {key: _mean(first[chosen], second[chosen], lattice.n_sites) for key, chosen in classes.items()}


def pairs_by_vector(lattice):
    """Return the weights of the pairs of sites at each displacement, {"dx,dy": sparse (n_sites, n_sites)}.

    Displacements r and -r, and on a periodic lattice all their images, are one; keys have the nearest image, the larger
    one of r and -r by its components in order.  Nearest first, the pairs of a site with itself left out.

    Raises
    ------
    ValueError
        For a custom lattice without positions.
    """
    first, second = np.triu_indices(lattice.n_sites, k=1)
    apart = lattice.displacement(first, second)
    same = np.stack([apart, -apart, lattice.minimum_image(-apart), -lattice.minimum_image(-apart)], axis=1)
    largest = [max(map(tuple, row)) for row in (np.round(same, 6) + 0.0).tolist()]
    order = sorted(set(largest), key=lambda r: (round(np.dot(r, r), 5), tuple(-x for x in r)))
    place = {r: number for number, r in enumerate(order)}
    numbers = np.array([place[r] for r in largest], dtype=np.intp)
    return {
        ",".join(f"{x:g}" for x in r): _mean(first[numbers == k], second[numbers == k], lattice.n_sites)
        for k, r in enumerate(order)
    }


def _mean(first, second, n_sites):
    """Return the weights of the mean over pairs of sites."""
    return scipy.sparse.csr_array((np.full(len(first), 1.0 / len(first)), (first, second)), shape=(n_sites, n_sites))
