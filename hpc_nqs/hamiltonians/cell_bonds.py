"""Bonds between the spins of any two cells, the same from every cell: couplings that differ by direction."""

import numpy as np


def with_cell_bonds(lattice, bonds, entries, key="cell_bonds", component=0):
    """Return bonds with those of the list `model.cell_bonds` added.

    Every entry (R1, R2, a, b, J) couples spin a of the cell r with spin b of the cell r + R1 a1 + R2 a2 by J, for all
    cells r; what leaves an open lattice is left out.  Several couplings of the same two spins are added up, also where
    an entry reaches a spin from both sides around a periodic lattice.

    Parameters
    ----------
    lattice : Lattice
        With positions.
    bonds : (sites (n, 2), strengths (n,), shells (n,))
        As `coupled_bonds` returns them.
    entries : sequence of (int, int, int, int, float, ...)
    key : str
        What messages call the list.
    component : int
        Which of the numbers at the end of an entry is J.

    Returns
    -------
    (sites (n, 2) intp, strengths (n,) float64, shells (n,) int8)
        i < j; the shell of bonds that only entries name is 0.

    Raises
    ------
    ValueError
        When the lattice has no cells, an entry names a spin that a cell does not have, repeats another one, reaches
        no spin at all, or couples a spin with itself.
    """
    if not entries:
        return bonds
    if lattice.positions is None:
        raise ValueError(f"model.{key}: a custom lattice has no cells; write the couplings into its bonds")
    _check(entries, len(lattice.basis), key)
    sites, strengths, shells = [np.sort(bonds[0], axis=1)], [bonds[1]], [bonds[2]]
    for number, entry in enumerate(entries, start=1):
        pairs = _pairs(lattice, *entry[:4])
        if not len(pairs) or np.any(pairs[:, 0] == pairs[:, 1]):
            problem = "couples a spin with itself" if len(pairs) else "reaches no spin"
            raise ValueError(f"{_shown(key, number, entry)}: on this lattice the entry {problem}")
        sites.append(np.sort(pairs, axis=1))
        strengths.append(np.full(len(pairs), entry[4 + component]))
        shells.append(np.zeros(len(pairs), dtype=np.int8))
    distinct, first, place = np.unique(np.concatenate(sites), axis=0, return_index=True, return_inverse=True)
    sums = np.bincount(place.ravel(), weights=np.concatenate(strengths), minlength=len(distinct))
    return distinct.astype(np.intp), sums, np.concatenate(shells)[first]


def _pairs(lattice, r1, r2, a, b):
    """Return (spin a of every cell, spin b of the cell R away), (n, 2) intp, without what leaves the lattice."""
    first = np.arange(a, lattice.n_sites, len(lattice.basis))
    step = r1 * lattice.vectors[0] + r2 * lattice.vectors[1] + lattice.basis[b] - lattice.basis[a]
    second = lattice.site_at(lattice.positions[first] + step)
    return np.stack([first, second], axis=1)[second >= 0]


def _check(entries, n_basis, key):
    """Raise ValueError for entries that name spins which a cell does not have, or the same bonds twice."""
    seen = set()
    for number, entry in enumerate(entries, start=1):
        (r1, r2, a, b), shown = entry[:4], _shown(key, number, entry)
        if max(a, b) >= n_basis:
            allowed = f"are numbered from 0 to {n_basis - 1}" if n_basis > 1 else "have the number 0"
            raise ValueError(f"{shown}: the spins of a cell {allowed} on this lattice")
        if (r1, r2, a, b) in seen:
            raise ValueError(f"{shown}: it repeats an earlier entry, in one direction or the other")
        seen |= {(r1, r2, a, b), (-r1, -r2, b, a)}


def _shown(key, number, entry):
    return f"model.{key}, entry {number}, [{', '.join(f'{part:g}' for part in entry)}]"
