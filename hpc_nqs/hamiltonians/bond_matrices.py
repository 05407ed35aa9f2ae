"""Couplings of two spins by component: H = sum_(ij) sum_ab J^ab_ij S^a_i S^b_j, a real 3 x 3 matrix for every bond."""

import numpy as np

from hpc_nqs.hamiltonians.bonds import coupled_bonds
from hpc_nqs.hamiltonians.cell_bonds import entry_pairs, shown_entry
from hpc_nqs.hamiltonians.parameter import CELL_BONDS_XYZ, split_entry


def bond_matrices(lattice, couplings, of_cells, of_sites):
    """Return all coupled pairs of a lattice with their matrices; what couples the same two spins is added up.

    Parameters
    ----------
    lattice : Lattice
    couplings : three sequences of float
        Jx, Jy and Jz of first, second, third neighbours.
    of_cells : (str, sequence of (int, int, int, int, *numbers))
        A key of the input and its entries (R1, R2, a, b, *numbers), in three dimensions with R3: spin a of every cell
        is the first one, spin b of the cell R away the second one.
    of_sites : (str, sequence of (int, int, *numbers))
        A key of the input and its entries (i, j, *numbers).  Numbers are Jx, Jy, Jz, or all J^ab, row after row.

    Returns
    -------
    sites : (n, 2) intp
        i < j.
    matrices : (n, 3, 3) float64
        J^ab of S^a_i S^b_j.
    shells : (n,) int8
        0 for pairs that only entries name.

    Raises
    ------
    ValueError
        As `coupled_bonds` and `with_cell_bonds`, and for entries of sites that the lattice does not have.
    """
    parts = []  # (sites, matrices, shells), the first site first
    for component, values in enumerate(couplings):
        sites, strengths, shells = coupled_bonds(lattice, values)
        matrices = np.zeros((len(sites), 3, 3))
        matrices[:, component, component] = strengths
        parts.append((sites, matrices, shells))
    (cell_key, cell_entries), (site_key, site_entries) = of_cells, of_sites
    listed = [(np.array(entry[:2]), entry[2:]) for entry in _checked(site_entries, lattice.n_sites, site_key)]
    reached = entry_pairs(lattice, cell_entries, cell_key, CELL_BONDS_XYZ)
    numbers = [split_entry(CELL_BONDS_XYZ, entry)[1] for entry in cell_entries]
    listed += zip(reached, numbers, strict=True)
    for pairs, numbers in listed:
        sites = pairs.reshape(-1, 2)
        matrix = np.diag(numbers) if len(numbers) == 3 else np.reshape(numbers, (3, 3))
        parts.append((sites, np.broadcast_to(matrix, (len(sites), 3, 3)), np.zeros(len(sites), dtype=np.int8)))
    sites, matrices, shells = (np.concatenate([part[k] for part in parts]) for k in range(3))
    turned = sites[:, 0] > sites[:, 1]
    matrices[turned] = np.swapaxes(matrices[turned], 1, 2)
    pairs, first, place = np.unique(np.sort(sites, axis=1), axis=0, return_index=True, return_inverse=True)
    sums = np.zeros((len(pairs), 3, 3))
    np.add.at(sums, place.ravel(), matrices)
    return pairs.astype(np.intp), sums, shells[first]


def _checked(entries, n_sites, key):
    """Return entries (i, j, *numbers); ValueError for one of sites that are not two of the lattice."""
    for number, entry in enumerate(entries, start=1):
        if max(entry[:2]) >= n_sites or entry[0] == entry[1]:
            allowed = f"two different sites from 0 to {n_sites - 1}"
            raise ValueError(f"{shown_entry(key, number, entry)}: allowed are {allowed}")
    return entries


def bond_terms(sites, matrices, shells):
    """Return the terms of bonds as keyword arguments of `SpinModel.of_terms`, elements complex.

    With S^x = (S^+ + S^-) / 2, S^y = (S^+ - S^-) / 2i and S^z = s / 2 the coefficients are

        S^+_i S^-_j: [Jxx + Jyy + i (Jxy - Jyx)] / 4,    S^+_i S^+_j: [Jxx - Jyy - i (Jxy + Jyx)] / 4,
        S^+_i s_j: (Jxz - i Jyz) / 4,                    s_i S^+_j: (Jzx - i Jzy) / 4.
    """
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = np.moveaxis(matrices, 0, -1)
    return {
        "pairs": (sites, zz / 4),
        "exchange": (sites, (xx + yy + 1j * (xy - yx)) / 4, shells),
        "parallel": (sites, (xx - yy - 1j * (xy + yx)) / 4),
        "conditional": (
            np.concatenate([sites, sites[:, ::-1]]),
            np.concatenate([xz - 1j * yz, zx - 1j * zy]) / 4,
        ),
    }
