"""Shells of neighbours of regular lattices: by distance, or by the bonds that the literature names."""

import numpy as np

from hpc_nqs.lattices.bond_list import SHELL_NAMES
from hpc_nqs.lattices.geometry import GEOMETRIES
from hpc_nqs.lattices.periods import TOLERANCE

RANGE = 4  # unit cells in which the shells of the infinite lattice are looked for


def bonds_of_shell(lattice, shell):
    """Return the bonds of one shell of a regular lattice as pairs of sites, some of them twice.

    Raises
    ------
    ValueError
        When the kind names fewer shells, or bonds wrap onto nearer neighbours or onto the site itself.
    """
    named = GEOMETRIES[lattice.kind].bonds
    if not named:
        return _pairs(lattice, shell, *_at_distance(lattice, shell))
    if shell > len(named):
        raise ValueError(f"{lattice.kind} has no {SHELL_NAMES[shell]} neighbours: its couplings are {len(named)}")
    table = np.array(named[shell - 1])
    return _pairs(lattice, shell, table, _vectors(lattice, table))


def _at_distance(lattice, shell):
    """Return the neighbours at one distance in the infinite lattice: (b, R..., b') as rows, and their vectors."""
    dimension, n_basis = len(lattice.primitive), len(lattice.basis)
    reach = [RANGE] * dimension
    if lattice.kind == "chain":
        reach[1] = 0
    elif lattice.kind == "ladder":
        reach[1] = min(RANGE, lattice.grid[1] - 1)
    ranges = [np.arange(-r, r + 1) for r in reach]
    grids = np.meshgrid(np.arange(n_basis), *ranges, np.arange(n_basis), indexing="ij")
    table = np.stack(grids, axis=-1).reshape(-1, dimension + 2)
    vectors = _vectors(lattice, table)
    lengths = np.linalg.norm(vectors, axis=1)
    ordered = np.sort(lengths)
    shells = ordered[np.flatnonzero(np.diff(ordered) > TOLERANCE) + 1]
    chosen = np.abs(lengths - shells[shell - 1]) < TOLERANCE
    return table[chosen], vectors[chosen]


def _vectors(lattice, table):
    return table[:, 1:-1] @ lattice.primitive + lattice.basis[table[:, -1]] - lattice.basis[table[:, 0]]


def _pairs(lattice, shell, table, vectors):
    """Return the pairs (site, site) of neighbours given as rows (b, R..., b') of the infinite lattice."""
    grid = np.array(lattice.grid)
    cells = lattice.cells()
    steps = np.round(table[:, 1:-1] @ lattice.primitive @ np.linalg.inv(lattice.vectors)).astype(np.intp)
    bonds = []
    for b, step, b2, vector in zip(table[:, 0], steps, table[:, -1], vectors, strict=True):
        ends = cells + step
        wrapped = np.where(lattice.wraps, ends % grid, ends)
        inside = np.all((wrapped >= 0) & (wrapped < grid), axis=1)
        if not inside.any():
            continue
        if np.linalg.norm(lattice.minimum_image(vector)) < np.linalg.norm(vector) - TOLERANCE:
            raise ValueError(
                f"{lattice.named()} is too small: its {SHELL_NAMES[shell]} neighbours wrap around onto "
                "nearer neighbours or onto the site itself"
            )
        first, second = lattice.site_of(cells, b), lattice.site_of(wrapped, b2)
        bonds.append(np.stack([first, second], axis=1)[inside])
    return np.concatenate(bonds) if bonds else bonds
