"""Tables over small clusters: ln Psi = sum_c K[class of the spins of both layers on cluster c].

Clusters related by symmetry share one table, and within a table codes related by the symmetries of the cluster share
one parameter.  States of this form are known as correlator product states (H. J. Changlani et al., PRB 80, 245116
(2009)) and entangled-plaquette states (F. Mezzacapo et al., New J. Phys. 11, 083026 (2009)).  Their log-derivatives
count clusters: they are of order one from infinite temperature on, where those of a Boltzmann machine with small
weights vanish.
"""

import copy
import itertools
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hpc_nqs.kernels.correlators import CorrelatorAmplitude
from hpc_nqs.symmetry.tied_parameters import orbit_starts, tie
from hpc_nqs.wavefunctions.cluster_cover import cluster_cover
from hpc_nqs.wavefunctions.wavefunction import Wavefunction


@dataclass(frozen=True)
class Correlators:
    """Clusters related by the lattice group.

    Attributes
    ----------
    units : (n_clusters, n_units) intp
        Visible units of every cluster, in corresponding order.
    classes : (2^n_units,) intp
        The class of every code; bit b of a code is set where unit b is up.
    """

    units: np.ndarray
    classes: np.ndarray


def correlators(clusters, site_images, images):
    """Sort clusters into kinds.

    Parameters
    ----------
    clusters : list of tuple of int
        Sites; closed under `site_images`.
    site_images : (order, n_sites) intp
        Lattice symmetries as in `site_permutations`.
    images : SignedPermutations
        All symmetries of the visible units.

    Returns
    -------
    list of Correlators
    """
    n_sites = site_images.shape[1]
    seen, kinds = set(), []
    for sites in clusters:
        if frozenset(sites) in seen:
            continue
        found = {}
        for image in site_images[:, list(sites)]:
            found.setdefault(frozenset(image.tolist()), image)
        seen |= set(found)
        rows = np.array(list(found.values()))
        units = np.concatenate([rows, rows + n_sites], axis=1).astype(np.intp)
        kinds.append(Correlators(units, code_classes(units[0], images)))
    return kinds


def code_classes(units, images):
    """Return the class of every code on `units`: codes that an element of the stabilizer connects are one class.

    Parameters
    ----------
    units : (n_units,) intp
    images : SignedPermutations
        Of the visible units.

    Returns
    -------
    (2^n_units,) intp
    """
    stabilizer = images.keeping(units).restricted(units).distinct()
    codes = np.arange(2 ** len(units))
    moved = [(images_of_codes, 1) for images_of_codes in stabilizer.apply_to_codes(codes)]
    return tie(moved, len(codes), starts=orbit_starts(moved, len(codes))) - 1


def with_few_classes(kind, pattern):
    """Return a kind whose codes that a pattern does not tell apart are one class.

    Parameters
    ----------
    kind : Correlators
    pattern : callable
        (sigma, ancilla), the spins +1/-1 of a cluster on either layer -> anything that can be a key.

    Returns
    -------
    Correlators
    """
    n_codes, n_units = len(kind.classes), kind.units.shape[1]
    spins = 2 * ((np.arange(n_codes)[:, None] >> np.arange(n_units)) & 1) - 1
    numbers = {}
    patterns = [numbers.setdefault(pattern(*np.split(row, 2)), len(numbers)) for row in spins]
    # codes are joined through their class and through their pattern
    links = coo_array((np.ones(n_codes), (kind.classes, patterns)))
    n_rows = links.shape[0]
    joined = coo_array((links.data, (links.row, links.col + n_rows)), shape=(sum(links.shape),) * 2)
    _, labels = connected_components(joined, directed=False)
    return Correlators(kind.units, np.unique(labels[kind.classes], return_inverse=True)[1].reshape(-1))


def connected_clusters(bonds, size):
    """Return all sets of `size` sites that `bonds` connect, as sorted tuples in lexicographic order.

    Parameters
    ----------
    bonds : (n_bonds, 2) integers
    size : int
    """
    neighbours = {}
    for i, j in np.asarray(bonds).tolist():
        neighbours.setdefault(i, set()).add(j)
        neighbours.setdefault(j, set()).add(i)
    clusters = {frozenset([i]) for i in neighbours}
    for _ in range(size - 1):
        clusters = {cluster | {j} for cluster in clusters for i in cluster for j in neighbours[i] - cluster}
    return sorted(tuple(sorted(cluster)) for cluster in clusters)


class CorrelatorProduct(Wavefunction):
    """The tables and their parameters, zero at first: Psi = 1.

    Parameters
    ----------
    kinds : list of Correlators
    n_visible : int
    site_images : (order, n_sites) intp, optional
        The lattice symmetries of all kinds: what is compiled joins clusters in larger ones, see `cluster_cover`.
    """

    width = 1
    is_complex = False

    def __init__(self, kinds, n_visible, site_images=None):
        self.n_visible = n_visible
        # tables in the order of their lengths: each then begins at a multiple of its length
        self.kinds = sorted(kinds, key=lambda kind: -len(kind.classes))
        n_classes = [kind.classes.max() + 1 for kind in self.kinds]
        first_param = np.concatenate([[0], np.cumsum(n_classes)])
        self.params = np.zeros(first_param[-1])
        self.code_param = np.concatenate(
            [1 + first + kind.classes for first, kind in zip(first_param, self.kinds, strict=False)]
        ).astype(np.intc)
        lengths = [len(kind.classes) for kind in self.kinds]
        counts = [len(kind.units) for kind in self.kinds]
        self.first_code = np.repeat(np.cumsum([0, *lengths[:-1]]), counts).astype(np.intp)
        self.units = np.concatenate([kind.units.ravel() for kind in self.kinds])
        sizes = np.repeat([kind.units.shape[1] for kind in self.kinds], counts)
        self.first_unit = np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp)
        self.cover = cluster_cover(self.kinds, first_param[:-1], site_images, n_visible)
        self._changes = []  # (moves, code changes) of all moves that it met, of two at most

    def __deepcopy__(self, memo):
        """Copy the parameters alone: nothing else changes, and the changes of known moves serve both."""
        other = copy.copy(self)
        other.params = self.params.copy()
        return other

    @property
    def n_params(self):
        """Number of parameters."""
        return len(self.params)

    @property
    def n_units(self):
        """Number of clusters: what stands in for the hidden units of a network in estimates of costs."""
        return len(self.first_unit) - 1

    def fill(self, term):
        """Set every table entry to that of `values`."""
        self.params[:] = self.values(term)

    def values(self, term):
        """Return term(units of a cluster, their spins) of every parameter, (n_params,); the same within a class.

        Parameters
        ----------
        term : callable
            (n_units,) intp, (n_units,) +1/-1 -> float
        """
        values = []
        for kind in self.kinds:
            n_units = kind.units.shape[1]
            _, codes = np.unique(kind.classes, return_index=True)
            values += [term(kind.units[0], 2 * ((code >> np.arange(n_units)) & 1) - 1) for code in codes]
        return np.array(values)

    def table(self):
        """Return the terms of ln Psi, (n_codes,), of every code of every kind."""
        return self.params[self.code_param - 1]

    def arrays(self):
        """Return {"cluster_units", "cluster_first_unit", "cluster_first_code", "cluster_table"}."""
        return {
            "cluster_units": self.units,
            "cluster_first_unit": self.first_unit,
            "cluster_first_code": self.first_code,
            "cluster_table": self.table(),
        }

    def amplitude(self, moves):
        """Return the compiled amplitude at the present parameters, with the code changes of `moves` (a `Moves`)."""
        changes = next((changes for known, changes in self._changes if known is moves), None)
        if changes is None:
            changes = self._code_changes(moves)
            self._changes.append((moves, changes))
        cover = self.cover
        return CorrelatorAmplitude(
            self.n_visible,
            self.n_params,
            self.first_unit,
            self.units,
            self.first_code,
            self.code_param,
            cover.first_unit,
            cover.units,
            cover.first_code,
            cover.shares @ self.params,
            np.concatenate([[0.0], self.params])[cover.pair_param],
            *changes,
        )

    def _code_changes(self, moves):
        """Return what moves change, from `entry_change` on as the kernel takes it."""
        cover, n_sites = self.cover, self.n_visible // 2
        bits = [[] for _ in range(self.n_visible)]  # of every unit: (cluster, mask)
        for cluster, (start, stop) in enumerate(itertools.pairwise(cover.first_unit.tolist())):
            for bit, unit in enumerate(cover.units[start:stop].tolist()):
                bits[unit].append((cluster, 1 << bit))
        numbers, entry_change = {}, []
        first_flip, first_single, flips, first_site, sites = [0], [], [], [0], []
        inputs, changes = moves.input_changes()
        for row, change in zip(inputs, changes, strict=True):
            flipped = tuple(sorted(u for u in row[change != 0].tolist() if u < self.n_visible))
            if flipped not in numbers:
                numbers[flipped] = len(numbers)
                masks, states = {}, {}
                for cluster, mask in itertools.chain.from_iterable(bits[unit] for unit in flipped):
                    masks[cluster] = masks.get(cluster, 0) ^ mask
                several = [(cluster, mask) for cluster, mask in sorted(masks.items()) if mask.bit_count() > 1]
                first_single.append(len(flips) + len(several))
                flips += several + [(cluster, mask) for cluster, mask in sorted(masks.items()) if mask.bit_count() == 1]
                first_flip.append(len(flips))
                for unit in flipped:
                    states[unit % n_sites] = states.get(unit % n_sites, 0) ^ (2 if unit >= n_sites else 1)
                sites += sorted(states.items())
                first_site.append(len(sites))
            entry_change.append(numbers[flipped])
        flips, sites = (np.array(rows, dtype=np.intc).reshape(-1, 2) for rows in (flips, sites))
        return (
            np.array(entry_change, dtype=np.intp),
            np.array([flipped if len(flipped) == 2 else (-1, -1) for flipped in numbers], dtype=np.intp).reshape(-1, 2),
            *(np.array(each, dtype=np.intp) for each in (first_flip, first_single)),
            *(np.ascontiguousarray(column) for column in flips.T),
            np.array(first_site, dtype=np.intp),
            *(np.ascontiguousarray(column) for column in sites.T),
        )
