"""Bonds of a crystal, by classes of equal distance."""

from dataclasses import dataclass

import numpy as np

TOLERANCE = 0.01  # angstrom between distances of one class, which coordinates with three digits may differ by


@dataclass(frozen=True, eq=False)
class DistanceClass:
    """The bonds of one distance.

    Attributes
    ----------
    distance : float
        Mean, in angstrom.
    bonds : (n, 5) intp
        Rows (b, R1, R2, R3, b') from site b of a cell to site b' of the cell R away, one of both directions.
    neighbours : (n_sites,) intp
        Of every site of the cell.
    """

    distance: float
    bonds: np.ndarray
    neighbours: np.ndarray

    def described(self):
        """Return one line: distance, neighbours of a site, bonds of a cell."""
        counts = sorted(set(self.neighbours.tolist()))
        neighbours = f"{' or '.join(map(str, counts))} {'neighbour' if counts == [1] else 'neighbours'}"
        return f"{self.distance:.4f} angstrom, {neighbours}, {len(self.bonds)} bonds in a cell"


def distance_classes(crystal, cutoff):
    """Return the classes of bonds up to a distance, nearest first.

    Distances belong to one class as long as neighbouring ones in their sorted list differ by at most `TOLERANCE`.

    Parameters
    ----------
    crystal : Crystal
    cutoff : float
        In angstrom.

    Returns
    -------
    list of DistanceClass
    """
    table, lengths = _bonds_up_to(crystal, cutoff)
    if not len(table):
        return []
    edges = np.flatnonzero(np.diff(lengths) > TOLERANCE) + 1
    n_sites = len(crystal.labels)
    classes = []
    for rows, distances in zip(np.split(table, edges), np.split(lengths, edges), strict=True):
        ends = np.bincount(rows[:, [0, 4]].ravel(), minlength=n_sites)
        classes.append(DistanceClass(float(distances.mean()), rows, ends))
    return classes


def bond_vectors(crystal, bonds):
    """Return the vectors of bonds (b, R1, R2, R3, b') in fractions of the cell, (n, 3) float64."""
    return bonds[:, 1:4] + crystal.fractions[bonds[:, 4]] - crystal.fractions[bonds[:, 0]]


def nearest_distances(crystal, n_classes=5):
    """Return the first classes of a crystal, whatever their distance."""
    cutoff = np.abs(np.linalg.det(crystal.vectors)) ** (1 / 3)
    while len(found := distance_classes(crystal, cutoff)) <= n_classes:
        cutoff *= 1.3
    return found[:n_classes]


def _bonds_up_to(crystal, cutoff):
    """Return the bonds (b, R1, R2, R3, b') up to a distance, shortest first, and their lengths in angstrom."""
    heights = 1 / np.linalg.norm(np.linalg.inv(crystal.vectors), axis=0)  # between the planes of the cell
    reach = np.ceil(cutoff / heights).astype(int) + 1
    n_sites = len(crystal.labels)
    ranges = [np.arange(n_sites), *(np.arange(-r, r + 1) for r in reach), np.arange(n_sites)]
    table = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, 5)
    b, *cell, b2 = table.T
    first = np.select([part != 0 for part in cell], cell, 0)  # the first R that is not 0
    table = table[(b < b2) | ((b == b2) & (first > 0))]
    lengths = np.linalg.norm(bond_vectors(crystal, table) @ crystal.vectors, axis=1)
    table, lengths = table[lengths <= cutoff], lengths[lengths <= cutoff]
    order = np.lexsort((*table.T[::-1], np.round(lengths, 6)))
    return table[order], lengths[order]
