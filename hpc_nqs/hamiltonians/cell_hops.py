"""Hopping between any orbitals of any two cells, the same from every cell, as Wannier functions give it."""

import numpy as np

from hpc_nqs.hamiltonians.cell_bonds import added_up, check_cells


def with_cell_hops(lattice, n_orbitals, hops, entries):
    """Return (hops, energies of the orbitals) with those of `model.hops` added.

    Every entry (R1, R2, a, b, h) is h (c+_{r a} c_{r + R, b} + h.c.) for all cells r, R = R1 a1 + R2 a2, in three
    dimensions (R1, R2, R3, a, b, h).  What reaches
    the same pair of orbitals around a periodic lattice is added up, as in the Bloch sum at its wave vectors; what
    reaches the orbital itself is an energy 2 h.

    Parameters
    ----------
    lattice : Lattice
        Of cells with one site.
    n_orbitals : int
        Of a site.
    hops : (orbitals (n, 2), elements (n,), shells (n,))
        As `ElectronModel.of_terms` takes them.
    entries : sequence of (int, ..., float)

    Raises
    ------
    ValueError
        When the cells are not those of one site, an entry repeats another one or its conjugate, is an energy of an
        orbital, or names an orbital that a site does not have.
    """
    energies = np.zeros(lattice.n_sites * n_orbitals)
    if not entries:
        return hops, energies
    check_entries("hops", lattice, n_orbitals, entries, "the energy of an orbital, which crystal_field or mu holds")
    pairs, elements, shells = [np.sort(hops[0], axis=1)], [hops[1]], [hops[2]]
    for *place, element in entries:
        first, second = orbitals_reached(lattice, n_orbitals, *place)
        same = first == second
        energies[first[same]] += 2 * element
        pairs.append(np.sort(np.stack([first, second], axis=1)[~same], axis=1))
        elements.append(np.full(len(pairs[-1]), element))
        shells.append(np.zeros(len(pairs[-1]), dtype=np.int8))
    return added_up(pairs, elements, shells), energies


def orbitals_reached(lattice, n_orbitals, *place):
    """Return the orbitals (r, a) of all cells r and (r + R, b) around a periodic lattice, two (n,) intp.

    Cells whose r + R lies beyond an open end are left out.
    """
    *cell, a, b = place
    targets = lattice.site_at(lattice.positions + cell @ lattice.primitive)
    inside = targets >= 0
    return np.flatnonzero(inside) * n_orbitals + a, targets[inside] * n_orbitals + b


def check_entries(key, lattice, n_orbitals, entries, of_itself=None):
    """Raise ValueError for entries of model.KEY that are no pairs of two orbitals, or the same pair twice.

    Parameters
    ----------
    of_itself : str, optional
        What an entry of one orbital with itself would be; None where it is allowed.
    """
    if entries and (lattice.basis is None or len(lattice.basis) != 1):
        raise ValueError(f"model.{key}: lattice.kind = {lattice.kind}: needed is a lattice with one site in a cell")
    seen = set()
    for number, (*cell, a, b, element) in enumerate(entries, start=1):
        shown = f"model.{key}, entry {number}, [{', '.join(map(str, cell))}, {a}, {b}, {element:g}]"
        check_cells(lattice, shown, cell)
        if max(a, b) >= n_orbitals:
            raise ValueError(f"{shown}: orbitals are numbered from 0 to {n_orbitals - 1}")
        if of_itself and a == b and not any(cell):
            raise ValueError(f"{shown}: this is {of_itself}")
        if (*cell, a, b) in seen:
            raise ValueError(f"{shown}: it repeats an earlier entry, or its conjugate")
        seen |= {(*cell, a, b), (*(-r for r in cell), b, a)}
