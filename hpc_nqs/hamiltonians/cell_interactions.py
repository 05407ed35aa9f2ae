"""Repulsion and exchange between any orbitals of any two cells, the same from every cell, as downfolding gives them.

An entry (R1, R2, a, b, x) stands for the orbitals i = (r, a), j = (r + R, b) of all cells r, R = R1 a1 + R2 a2:

    repulsions   V n_i n_j,  n_i = n_iu + n_id;  of one orbital with itself, R = 0 and a = b, V n_iu n_id
    exchanges    J [ -n_iu n_ju - n_id n_jd + (c+_iu c_ju + h.c.) (c+_id c_jd + h.c.) ],

which is the last part of RESPACK's Hamiltonian (Nakamura et al., Comput. Phys. Commun. 261, 107781 (2021)): what
Hund, Exchange and PairHop of HPhi add up to.
"""

import numpy as np

from hpc_nqs.hamiltonians.cell_hops import check_entries, orbitals_reached


def cell_repulsions(lattice, n_orbitals, entries):
    """Return (units (n, 2) intp, strengths (n,)) of V n_p n_q of the entries of model.repulsions.

    What reaches the same pair of orbitals around a periodic lattice is there several times: strengths add up.

    Parameters
    ----------
    lattice : Lattice
        Of cells with one site.
    n_orbitals : int
        Of a site.
    entries : sequence of (int, ..., float)

    Raises
    ------
    ValueError
        When the cells are not those of one site, an entry repeats another one or its conjugate, names an orbital that
        a site does not have, or reaches its own orbital around the lattice.
    """
    check_entries("repulsions", lattice, n_orbitals, entries)
    m = lattice.n_sites * n_orbitals
    units, strengths = [np.zeros((0, 2), dtype=np.intp)], [np.zeros(0)]
    for *cell, a, b, v in entries:
        if a == b and not any(cell):
            up = np.arange(lattice.n_sites) * n_orbitals + a
            parts = [np.stack([up, up + m], axis=1)]
        else:
            pairs = _different_orbitals("repulsions", lattice, n_orbitals, (*cell, a, b), v)
            parts = [pairs + [s * m, t * m] for s in (0, 1) for t in (0, 1)]
        units += parts
        strengths += [np.full(len(part), v) for part in parts]
    return np.concatenate(units), np.concatenate(strengths)


def cell_exchanges(lattice, n_orbitals, entries):
    """Return (orbitals (n, 2) intp, strengths (n,)) of the entries of model.exchanges, every pair once.

    Parameters and errors as `cell_repulsions`; an orbital has no exchange with itself.
    """
    check_entries("exchanges", lattice, n_orbitals, entries, "an orbital with itself, which has no exchange")
    pairs, strengths = [np.zeros((0, 2), dtype=np.intp)], [np.zeros(0)]
    for *place, j in entries:
        pairs.append(np.sort(_different_orbitals("exchanges", lattice, n_orbitals, place, j), axis=1))
        strengths.append(np.full(len(pairs[-1]), j))
    distinct, number = np.unique(np.concatenate(pairs), axis=0, return_inverse=True)
    return distinct, np.bincount(number.ravel(), weights=np.concatenate(strengths), minlength=len(distinct))


def exchange_terms(orbitals, strengths, n_levels, flips=True):
    """Return (repulsions, hop2) of J of pairs of orbitals, as `ElectronModel.of_terms` takes them.

    Parameters
    ----------
    orbitals : (n, 2) intp
    strengths : (n,) float64
    n_levels : int
        Orbitals of all sites together.
    flips : bool
        False leaves the terms of densities alone.
    """
    equal_spins = np.concatenate([orbitals, orbitals + n_levels])
    return (equal_spins, -np.tile(strengths, 2)), (np.tile(orbitals, 2), strengths * flips)


def _different_orbitals(key, lattice, n_orbitals, place, strength):
    """Return the pairs of orbitals (n, 2) of an entry; ValueError where it leads around the lattice to itself."""
    pairs = np.stack(orbitals_reached(lattice, n_orbitals, *place), axis=1)
    if np.any(pairs[:, 0] == pairs[:, 1]):
        raise ValueError(
            f"model.{key}: [{', '.join(map(str, place))}, {strength:g}] leads around lattice.lengths = "
            f"{list(lattice.lengths)} to the orbital itself; allowed are cells nearer than that"
        )
    return pairs
