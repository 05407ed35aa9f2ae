"""Signs of the hops of free fermions on a frustrated lattice: the fluxes of the mean-field state that pairs start from.

Projected onto one fermion per site, free fermions are a spin liquid; hops on the bonds of the strongest exchange have
one size and signs of their own, so that every loop holds the flux 0 or pi (I. Affleck, J. B. Marston, PRB 37, 3774
(1988)).  Half filling is lowest at pi per square of a square lattice (E. H. Lieb, PRL 73, 2158 (1994)); on others signs
are searched that repeat along the first direction after PERIOD cells and along the others after one.  On 6x6 sites of
the triangular lattice they give e = -0.529 after projection, equal signs -0.355, exactly -0.560.
"""

from functools import lru_cache

import numpy as np
from numpy.random import Generator, Philox

PERIOD = 2  # cells along the first direction after which signs repeat, where these divide the lattice
MANY = 32  # classes of bonds, as on open and custom lattices, from which on the search is shorter
N_STARTS = {False: 12, True: 3}  # of a descent over few and many signs, the first one equal signs
N_PASSES = {False: 100, True: 4}  # of a descent through all signs, at most
LOWER = 1e-9  # by which a set of signs has to be better, per site in units of a hop


def lowest_signs(lattice, bonds, crosses):
    """Return the signs (n_bonds,) float64 of the hops for which half filling is lowest.

    Parameters
    ----------
    lattice : Lattice
    bonds : (n_bonds, 2) intp
    crosses : (n_bonds,) bool
        Bonds across an antiperiodic boundary, which have a sign more.
    """
    classes = bond_classes(lattice, bonds)
    arrays = (np.ascontiguousarray(each, dtype=np.intp) for each in (bonds, crosses, classes))
    return np.frombuffer(_lowest(lattice.n_sites, *(each.tobytes() for each in arrays)))


@lru_cache(maxsize=8)
def _lowest(n_sites, bonds, crosses, classes):
    """Return `lowest_signs`, all arrays as the bytes of their numbers: every sector of a run asks for the same."""
    bonds = np.frombuffer(bonds, dtype=np.intp).reshape(-1, 2)
    crosses, classes = np.frombuffer(crosses, dtype=np.intp) != 0, np.frombuffer(classes, dtype=np.intp)
    n_classes = classes.max(initial=-1) + 1
    many = bool(n_classes > MANY)
    stream = Generator(Philox(key=0))  # one start for all seeds of a run
    best_energy, best = np.inf, None

    def energy_of(signs):
        return half_filled(n_sites, bonds, signs[classes], crosses)

    for start in range(N_STARTS[many]):
        signs = stream.choice([-1.0, 1.0], n_classes) if start else np.ones(n_classes)
        energy, signs = _descent(signs, energy_of, N_PASSES[many])
        if energy < best_energy - LOWER * n_sites:
            best_energy, best = energy, signs
    return best[classes].tobytes()


def _descent(signs, energy_of, n_passes):
    """Return the lowest energy that flips of single signs lead to, and these signs."""
    energy = energy_of(signs)
    for _ in range(n_passes):
        flipped = False
        for k in range(len(signs)):
            signs[k] = -signs[k]
            found = energy_of(signs)
            if found < energy - LOWER:
                energy, flipped = found, True
            else:
                signs[k] = -signs[k]
        if not flipped:
            break
    return energy, signs


def half_filled(n_sites, bonds, signs, crosses):
    """Return the energy of the lowest half of the levels, in units of a hop."""
    levels = np.linalg.eigvalsh(hopping(n_sites, bonds, signs, crosses))
    return levels[: n_sites // 2].sum()


def hopping(n_sites, bonds, signs, crosses):
    """Return h (n_sites, n_sites) with -sign on every bond, and its opposite across an antiperiodic boundary."""
    matrix = np.zeros((n_sites, n_sites))
    matrix[bonds[:, 0], bonds[:, 1]] = np.where(crosses, signs, -signs)
    return matrix + matrix.T


def bond_classes(lattice, bonds):
    """Return a number (n_bonds,) intp of bonds that translations by PERIOD and one cell take to each other.

    On a custom lattice every bond is a class of its own.
    """
    if lattice.vectors is None:
        return np.arange(len(bonds))
    n_basis, grid = len(lattice.basis), lattice.grid
    periods = [1 if wraps else cells for wraps, cells in zip(lattice.wraps, grid, strict=True)]
    if lattice.wraps[0]:
        periods[0] = PERIOD if grid[0] % PERIOD == 0 else grid[0]
    found, classes = {}, np.empty(len(bonds), dtype=np.intp)
    for bond, (i, j) in enumerate(bonds.tolist()):
        keys = []
        for a, b in ((i, j), (j, i)):
            at, to = (np.unravel_index(site // n_basis, grid, order="F") for site in (a, b))
            step = tuple(int((end - start) % cells) for start, end, cells in zip(at, to, grid, strict=True))
            keys.append((a % n_basis, b % n_basis, step, tuple(int(c) % p for c, p in zip(at, periods, strict=True))))
        classes[bond] = found.setdefault(min(keys), len(found))
    return classes
