"""Bonds and triangles of a lattice whose correlations are measured: kinds that translations connect, and pairs."""

from dataclasses import dataclass

import numpy as np

from hpc_nqs.lattices.periods import TOLERANCE
from hpc_nqs.symmetry.site_permutations import translations

NEAR = 2  # shells of distances among which triangles are looked for


@dataclass(frozen=True)
class Pair:
    """Two bonds, or two triangles, that stand for all pairs of the same kinds and displacement.

    Attributes
    ----------
    kinds : (int, int)
    first, second : tuple of int
        Their sites.
    displacement : (D,) float64
        From the centre of the first to that of the second, between the nearest periodic images.
    weight : int
        Ordered pairs of the lattice that it stands for.
    """

    kinds: tuple
    first: tuple
    second: tuple
    displacement: np.ndarray
    weight: int

    @property
    def key(self):
        """The kinds and the displacement as the key of a table, "a,b,dx,dy"."""
        numbers = [*self.kinds, *(round(float(x), 6) + 0.0 for x in self.displacement)]
        return ",".join(f"{x:g}" for x in numbers)


def bonds_by_kind(lattice, model):
    """Return the nearest-neighbour bonds as lists of (i, j), one for every kind that translations of H connect.

    Raises
    ------
    ValueError
        Sites without positions.
    """
    _need_positions(lattice, "dimers")
    bonds = lattice.bonds(1) if lattice.kind != "custom" else _custom_bonds(lattice)
    return _orbits([tuple(bond) for bond in bonds.tolist()], translations(lattice, model))


def triangles_by_kind(lattice, model):
    """Return the smallest triangles of sites (i, j, k), counterclockwise, one list for every kind as `bonds_by_kind`.

    Smallest in circumference: three nearest neighbours where there are any, on the square lattice two of them and the
    diagonal.

    Raises
    ------
    ValueError
        Sites without positions in a plane, or on a line.
    """
    _need_positions(lattice, "chiralities")
    if lattice.positions.shape[1] != 2:
        raise ValueError("chiralities need a sense of rotation; allowed are lattices in a plane")
    found = []
    for i, j, k, lengths in _small_triangles(lattice):
        edge, other = lattice.displacement(i, j), lattice.displacement(i, k)
        area = edge[0] * other[1] - edge[1] * other[0]
        found.append((round(sum(lengths), 6), (i, j, k) if area > 0 else (i, k, j)))
    if not found:
        raise ValueError("chiralities need triangles of sites, which a line does not have")
    least = min(size for size, _ in found)
    return _orbits([sites for size, sites in found if size == least], translations(lattice, model), cyclic=True)


def pairs_of(lattice, kinds):
    """Return the `Pair`s of one bond, or triangle, of every kind with all others; of two orders of a pair one is left.

    Parameters
    ----------
    lattice : Lattice
    kinds : list of lists of tuples of int
    """
    found = {}
    for a, first_of in enumerate(kinds):
        for b, second_of in enumerate(kinds):
            for second in second_of:
                apart = _centre(lattice, second) - _centre(lattice, first_of[0])
                pair = Pair((a, b), first_of[0], second, _shortest(lattice, apart), len(first_of))
                turned = Pair((b, a), first_of[0], second, _shortest(lattice, -apart), 0)
                for each in (pair, turned):
                    if each.key in found:
                        known = found[each.key]
                        found[each.key] = Pair(known.kinds, known.first, known.second, known.displacement,
                                               known.weight + pair.weight)
                        break
                else:
                    found[pair.key] = pair
    return list(found.values())


def _shortest(lattice, vector):
    """Return the shortest of the periodic images of a vector, (D,); of several the largest by its components."""
    images = np.stack([lattice.minimum_image(vector), -lattice.minimum_image(-vector)])
    return max(images, key=lambda image: tuple(np.round(image, 6)))


def _need_positions(lattice, what):
    if lattice.positions is None:
        raise ValueError(f"{what} need positions of the sites, which this custom lattice does not have")


def _custom_bonds(lattice):
    """Return the shortest bonds of a custom lattice with positions, (n, 2) intp."""
    bonds = np.array([bond[:2] for bond in lattice.custom_bonds], dtype=np.intp)
    lengths = np.linalg.norm(lattice.displacement(*bonds.T), axis=1)
    return np.unique(np.sort(bonds[lengths < lengths.min() + TOLERANCE], axis=1), axis=0)


def _centre(lattice, sites):
    """Return the centre of a few sites next to each other, (D,) float64."""
    steps = [lattice.displacement(sites[0], site) for site in sites]
    return lattice.positions[sites[0]] + np.mean(steps, axis=0)


def _small_triangles(lattice):
    """Yield (i, j, k, edges) of sites whose edges are among the NEAR shortest distances and close without a period."""
    distances = lattice.distances()
    lengths = np.unique(np.round(distances[distances > 0], 6))[:NEAR]
    near = (distances > 0) & (distances < lengths[-1] + TOLERANCE)
    for i in range(lattice.n_sites):
        others = np.flatnonzero(near[i, i + 1 :]) + i + 1
        for n, j in enumerate(others.tolist()):
            for k in others[n + 1 :].tolist():
                edge, other = lattice.displacement(i, j), lattice.displacement(i, k)
                closes = np.abs(other - edge - lattice.displacement(j, k)).max() < TOLERANCE
                if near[j, k] and closes and abs(edge[0] * other[1] - edge[1] * other[0]) > TOLERANCE:
                    yield i, j, k, (distances[i, j], distances[j, k], distances[i, k])


def _orbits(figures, moves, cyclic=False):
    """Return figures as lists that permutations of the sites connect; a triangle begins with any of its sites.

    Parameters
    ----------
    figures : list of tuples of int
    moves : (order, n_sites) intp
    cyclic : bool
        The order of the sites counts up to turns; else not at all.
    """

    def name(sites):
        turns = [sites[k:] + sites[:k] for k in range(len(sites))]
        return min(turns) if cyclic else tuple(sorted(sites))

    left, found = {name(figure): figure for figure in figures}, []
    while left:
        figure = next(iter(left.values()))
        orbit = {}
        for row in moves:
            moved = name(tuple(int(row[site]) for site in figure))
            if moved in left:
                orbit[moved] = left.pop(moved)
            elif moved not in orbit:
                raise ValueError(f"sites {figure} and their image {moved} are no figures of the same kind")
        found.append(list(orbit.values()))
    return found
