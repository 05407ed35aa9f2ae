"""Bonds between the spins of any two cells, the same from every cell: couplings that differ by direction."""

import numpy as np

from hpc_nqs.hamiltonians.parameter import CELL_BONDS, split_entry


def with_cell_bonds(lattice, bonds, entries, key="cell_bonds"):
    """Return bonds with those of the list `model.cell_bonds` added.

    Every entry (R1, R2, a, b, J) couples spin a of the cell r with spin b of the cell r + R1 a1 + R2 a2 by J, for all
    cells r; in three dimensions it is (R1, R2, R3, a, b, J).  What leaves an open lattice is left out.  Several
    couplings of the same two spins are added up, also where an entry reaches a spin from both sides around a periodic
    lattice.

    Parameters
    ----------
    lattice : Lattice
        With cells.
    bonds : (sites (n, 2), strengths (n,), shells (n,))
        As `coupled_bonds` returns them.
    entries : sequence of (int, ..., float)
    key : str
        What messages call the list.

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
    sites, strengths, shells = [np.sort(bonds[0], axis=1)], [bonds[1]], [bonds[2]]
    for entry, pairs in zip(entries, entry_pairs(lattice, entries, key), strict=True):
        sites.append(np.sort(pairs, axis=1))
        strengths.append(np.full(len(pairs), entry[-1]))
        shells.append(np.zeros(len(pairs), dtype=np.int8))
    return added_up(sites, strengths, shells)


def added_up(pairs, strengths, shells):
    """Return lists of (n, 2) sorted pairs, (n,) strengths and (n,) shells as one of each, every pair once.

    Strengths of the same pair are added up; its shell is the first one.
    """
    distinct, first, place = np.unique(np.concatenate(pairs), axis=0, return_index=True, return_inverse=True)
    sums = np.bincount(place.ravel(), weights=np.concatenate(strengths), minlength=len(distinct))
    return distinct.astype(np.intp), sums, np.concatenate(shells)[first]


def entry_pairs(lattice, entries, key, kind=CELL_BONDS):
    """Return the sites of every entry (R1, R2, a, b, *numbers), a list of (n, 2) intp: spin a and then spin b.

    In three dimensions entries are (R1, R2, R3, a, b, *numbers).  `kind` is that of the `Parameter`.

    Raises
    ------
    ValueError
        As `with_cell_bonds`.
    """
    if not entries:
        return []
    if lattice.vectors is None:
        raise ValueError(f"model.{key}: a custom lattice has no cells; write the couplings into its bonds")
    places = [split_entry(kind, entry)[0] for entry in entries]
    shown = [shown_entry(key, number, entry) for number, entry in enumerate(entries, start=1)]
    _check(places, shown, lattice)
    found = []
    for place, words in zip(places, shown, strict=True):
        pairs = cell_pairs(lattice, *place)
        if not len(pairs) or np.any(pairs[:, 0] == pairs[:, 1]):
            problem = "couples a spin with itself" if len(pairs) else "reaches no spin"
            raise ValueError(f"{words}: on this lattice the entry {problem}")
        found.append(pairs)
    return found


def cell_pairs(lattice, *place):
    """Return (spin a of every cell, spin b of the cell R away), (n, 2) intp, without what leaves the lattice.

    Parameters
    ----------
    lattice : Lattice
    place : R1, R2 (, R3), a, b
    """
    *cell, a, b = place
    first = np.arange(a, lattice.n_sites, len(lattice.basis))
    step = cell @ lattice.primitive + lattice.basis[b] - lattice.basis[a]
    second = lattice.site_at(lattice.positions[first] + step)
    return np.stack([first, second], axis=1)[second >= 0]


def check_cells(lattice, shown, cell):
    """Raise ValueError for an entry whose cell has not as many numbers as the lattice has primitive vectors."""
    dimension = len(lattice.primitive)
    if len(cell) != dimension:
        named = ", ".join(f"R{number}" for number in range(1, dimension + 1))
        raise ValueError(f"{shown}: the cells of lattice.kind = \"{lattice.kind}\" are {named}")


def _check(places, shown, lattice):
    """Raise ValueError for entries that name spins which a cell does not have, or the same bonds twice."""
    seen, n_basis = set(), len(lattice.basis)
    for (*cell, a, b), words in zip(places, shown, strict=True):
        check_cells(lattice, words, cell)
        if max(a, b) >= n_basis:
            allowed = f"are numbered from 0 to {n_basis - 1}" if n_basis > 1 else "have the number 0"
            raise ValueError(f"{words}: the spins of a cell {allowed} on this lattice")
        if (*cell, a, b) in seen:
            raise ValueError(f"{words}: it repeats an earlier entry, in one direction or the other")
        seen |= {(*cell, a, b), (*(-r for r in cell), b, a)}


def shown_entry(key, number, entry):
    """Return the words for an entry of a list of the input, its number counted from 1."""
    return f"model.{key}, entry {number}, [{', '.join(f'{part:g}' for part in entry)}]"
