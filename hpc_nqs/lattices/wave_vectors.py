"""The wave vectors of a periodic cluster: all that S(q) distinguishes, and those along a path."""

import itertools

import numpy as np

from hpc_nqs.lattices import periods as short
from hpc_nqs.lattices.periods import TOLERANCE

MAX_ZONES = 12  # of the Brillouin zone along a direction until the phases of the sites of a cell repeat
DIGITS = 10


def all_wave_vectors(lattice):
    """Return the wave vectors with different S(q), one of q and -q, the shortest first, as tuples in units of pi.

    On a lattice with several sites per cell S(q) repeats beyond the first Brillouin zone only: all zones until then.

    Raises
    ------
    ValueError
        No periodic direction, or positions in the cell after which S(q) never repeats.
    """
    steps, grid = steps_of(lattice), np.array(lattice.grid)
    ranges = [range(_zones(lattice) * length) for length in grid[np.array(lattice.wraps)]]
    q = np.array(list(itertools.product(*ranges)), dtype=np.float64) @ steps
    found = set(map(tuple, of_the_same_s(lattice, q).tolist()))
    return [_plain(each) for each in sorted(found, key=lambda each: (round(np.dot(each, each), 8), each))]


def zone_of(lattice):
    """Return vectors of wave vectors after which S(q) repeats, (n_periodic, D), in units of pi; errors as above.

    On a lattice that is periodic in all directions those of the lattice that the sites are part of.
    """
    steps_of(lattice)
    if all(lattice.wraps):
        return short.reduced(2 * np.linalg.inv(_with_basis(lattice)).T)
    return short.reduced(_zones(lattice) * (2 * np.linalg.inv(lattice.vectors).T)[np.array(lattice.wraps)])


def _with_basis(lattice):
    """Return vectors that span the cells and the differences of the sites of a cell, (D, D) float64.

    In parts of the primitive vectors both are integers, rows that Euclid's algorithm brings into echelon form.
    """
    k, dimension = _zones(lattice), len(lattice.primitive)
    apart = np.round(k * (lattice.basis - lattice.basis[0]) @ np.linalg.inv(lattice.primitive)).astype(int)
    rows = [*(k * np.eye(dimension, dtype=int)), *apart]
    found = []
    for column in range(dimension):
        rows = sorted((row for row in rows if row.any()), key=lambda row: -abs(row[column]))
        while sum(row[column] != 0 for row in rows) > 1:
            *others, last, smallest = [row for row in rows if row[column]]
            left = [row for row in rows if not row[column]]
            reduced = [row - row[column] // smallest[column] * smallest for row in (*others, last)]
            rows = sorted([*left, *reduced, smallest], key=lambda row: -abs(row[column]))
        (pivot,) = [row for row in rows if row[column]]
        found.append(pivot)
        rows = [row for row in rows if not row[column]]
    return np.array(found) @ lattice.primitive / k


def of_the_same_s(lattice, q):
    """Return for wave vectors (n, D) those by which `all_wave_vectors` names them: the same S(q), (n, D) float64."""
    repeat = zone_of(lattice)
    q, turned = short.minimum_image(q, repeat), short.minimum_image(-np.asarray(q), repeat)
    same = np.round(np.stack([q, -q, turned, -turned], axis=1), DIGITS) + 0.0
    return np.array([max(map(tuple, row)) for row in same.tolist()]).reshape(q.shape)


def wave_vectors_along(lattice, points):
    """Return the wave vectors of a cluster on straight lines from point to point, in order, each once."""
    return list(dict.fromkeys(_plain(q.tolist()) for _, q in along_path(lattice, points)))


def along_path(lattice, points):
    """Return [(length of the path, wave vector (D,))] of those of a cluster on straight lines from point to point.

    Parameters
    ----------
    lattice : Lattice
    points : sequence of tuples
        In units of pi; at least two.

    Raises
    ------
    ValueError
        No periodic direction, or none on the path.
    """
    steps, found, before = steps_of(lattice), [], 0.0
    dimension = lattice.positions.shape[1]
    points = [np.array([*point, 0.0, 0.0][:dimension], dtype=np.float64) for point in points]
    for start, end in zip(points, points[1:], strict=False):
        ends = np.sort(np.stack([start, end]) @ np.linalg.pinv(steps), axis=0)
        ranges = [range(int(np.floor(a - 1e-6)), int(np.ceil(b + 1e-6)) + 1) for a, b in ends.T]
        q = np.array(list(itertools.product(*ranges)), dtype=np.float64) @ steps
        line = end - start
        along = (q - start) @ line / max(line @ line, TOLERANCE**2)
        on = np.linalg.norm(q - start - along[:, None] * line, axis=1) < TOLERANCE
        on &= (along > -TOLERANCE) & (along < 1 + TOLERANCE)
        for place in np.flatnonzero(on)[np.argsort(along[on])]:
            length = before + along[place] * np.linalg.norm(line)
            if not found or length > found[-1][0] + TOLERANCE:
                found.append((float(length), np.round(q[place], DIGITS) + 0.0))
        before += float(np.linalg.norm(line))
    if not found:
        raise ValueError("no wave vector of this lattice lies on the path")
    return found


def steps_of(lattice):
    """Return the vectors that span the wave vectors of a cluster, (n_periodic, D), in units of pi."""
    if lattice.vectors is None or not any(lattice.wraps):
        raise ValueError("only a periodic lattice with cells has wave vectors of its own")
    wraps = np.array(lattice.wraps)
    reciprocal = 2 * np.linalg.inv(lattice.vectors).T
    return (reciprocal / np.array(lattice.grid)[:, None])[wraps]


def _zones(lattice):
    """Return the smallest k for which k times every position in the cell is a lattice vector."""
    apart = (lattice.basis - lattice.basis[0]) @ np.linalg.inv(lattice.primitive)
    for k in range(1, MAX_ZONES + 1):
        if np.abs(k * apart - np.round(k * apart)).max() < TOLERANCE:
            return k
    raise ValueError("S(q) of the sites of this cell repeats after more than 12 zones; allowed is a list or a path")


def _plain(q):
    qx, qy, qz = (*q, 0.0, 0.0)[:3]
    return (qx, qy, qz) if qz else (qx, qy)
