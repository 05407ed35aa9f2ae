"""Periods of lattices: short vectors that span them, nearest images, wave vectors, and boxes of any shape."""

import itertools

import numpy as np

TOLERANCE = 1e-6  # of distances, in units of the nearest-neighbour distance
ROUNDED = 0.01  # of a turn around the lattice: what a wave vector may miss by digits that are left out


def reduced(periods):
    """Return short vectors that span the same lattice of periods, (n, D) float64 with n up to 3, shortest first.

    Two or three are Minkowski-reduced: none becomes shorter by adding or subtracting the others (Semaev's algorithm,
    Lecture Notes in Computer Science 2146, 181 (2001)).
    """
    periods = np.asarray(periods, dtype=np.float64)
    if len(periods) < 2:
        return periods
    while True:
        order = np.argsort(np.round(np.linalg.norm(periods, axis=1), 9), kind="stable")
        *short, long = periods[order]
        short = reduced(short)
        nearest = long - np.round(long @ np.linalg.pinv(short)) @ short
        steps = np.array(list(itertools.product((0, 1, -1), repeat=len(short))))
        candidates = nearest + steps @ short
        nearest = candidates[np.argmin(np.round(np.linalg.norm(candidates, axis=1), 9))]
        periods = np.array([*short, nearest])
        if np.linalg.norm(nearest) >= np.linalg.norm(short[-1]) - TOLERANCE:
            return periods


def minimum_image(vectors, periods):
    """Return the shortest vectors, (..., D), that differ from `vectors` by periods; of several always the same.

    Parameters
    ----------
    vectors : (..., D) float64
    periods : (n, D) float64
        As `reduced` returns them.
    """
    vectors = np.asarray(vectors, dtype=np.float64)
    if not len(periods):
        return vectors
    vectors = vectors - np.round(np.round(vectors @ np.linalg.pinv(periods), 9)) @ periods
    shifts = np.array(list(itertools.product((0, 1, -1), repeat=len(periods)))) @ periods
    nearest, least = vectors, np.full(vectors.shape[:-1], np.inf)
    for shift in np.unique(shifts, axis=0):  # one after the other: all images of many vectors need too much memory
        lengths = np.round(np.sum((vectors + shift) ** 2, axis=-1), 9)
        nearest = np.where((lengths < least)[..., None], vectors + shift, nearest)
        least = np.minimum(lengths, least)
    return nearest


def nearest_wave_vector(q, periods):
    """Return the wave vector of the periods that is nearest to q, or None where q is one already.

    On a period P, e^{i q.P} = 1.  Digits that are left out, as in 0.3333, do not count.

    Parameters
    ----------
    q : (D,) float64
        In units of pi.
    periods : (n, D) float64
    """
    if not len(periods):
        return None
    turns = periods @ q / 2
    off = np.sign(turns) * np.ceil(np.abs(turns) - 0.5 - 1e-9) - turns  # of two as near the smaller one
    if np.abs(off).max() < ROUNDED:
        return None
    return q + 2 * np.linalg.pinv(periods) @ off


def straightened(box):
    """Return primitive vectors along which a box of any shape is a straight grid (Smith normal form).

    Parameters
    ----------
    box : (D, D) integers
        Periods in units of primitive vectors a, as rows.

    Returns
    -------
    grid : (D,) tuple of int
        Lengths L of the grid; each divides the next one.
    vectors : (D, D) int64
        Rows: primitive vectors in units of a, of the same lattice; L_d times vector d span the periods of the box.

    Raises
    ------
    ValueError
        When the rows of the box are linearly dependent.
    """
    rest = [[int(entry) for entry in row] for row in box]
    n = len(rest)
    columns = [[int(i == j) for j in range(n)] for i in range(n)]  # inverse of the column operations: box = U D V
    for d in range(n):
        while True:
            places = [(i, j) for i in range(d, n) for j in range(d, n) if rest[i][j]]
            if not places:
                raise ValueError("its vectors are linearly dependent")
            i, j = min(places, key=lambda place: abs(rest[place[0]][place[1]]))
            _bring_to_corner(rest, columns, d, i, j)
            corner = rest[d][d]
            for k in range(d + 1, n):
                _add_row(rest, k, d, -(rest[k][d] // corner))
                _add_column(rest, columns, k, d, -(rest[d][k] // corner))
            if any(rest[k][d] or rest[d][k] for k in range(d + 1, n)):
                continue
            unfit = [i for i in range(d + 1, n) for j in range(d + 1, n) if rest[i][j] % corner]
            if not unfit:
                break
            _add_row(rest, d, unfit[0], 1)
    return tuple(abs(rest[d][d]) for d in range(n)), np.array(columns)


def _bring_to_corner(rest, columns, d, i, j):
    """Exchange rows d and i, columns d and j, *in place*."""
    rest[d], rest[i] = rest[i], rest[d]
    for row in rest:
        row[d], row[j] = row[j], row[d]
    columns[d], columns[j] = columns[j], columns[d]


def _add_row(rest, target, source, factor):
    """Add a multiple of one row to another, *in place*."""
    rest[target] = [a + factor * b for a, b in zip(rest[target], rest[source], strict=True)]


def _add_column(rest, columns, target, source, factor):
    """Add a multiple of one column to another, *in place*; the inverse acts on the rows of `columns`."""
    for row in rest:
        row[target] += factor * row[source]
    columns[source] = [a - factor * b for a, b in zip(columns[source], columns[target], strict=True)]
