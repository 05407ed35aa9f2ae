"""Signs of a real hopping with flux pi through every plaquette, and how lattice symmetries act on them.

A projected pair product whose pairings hop with flux pi has the signs of a frustrated magnet where one without flux has
not: four sites around a plaquette are mismatched by two pairings along either diagonal, and with flux pi both come with
the same sign.  On the square lattice this is the flux phase of I. Affleck, J. B. Marston, PRB 37, 3774 (1988), on the
triangular one the Dirac spin liquid.

A symmetry g of the lattice keeps the flux but not the signs: s(g i, g k) = eta_i eta_k s(i, k) with signs eta of its
own.
"""

import itertools

import numpy as np


def has_triangles(n_sites, bonds):
    """Return whether three of the bonds close a path: then flux pi through the plaquettes is not all that matters.

    Tables times such a pair product leave the path on the kagome lattice near T = 8 J, and on the triangular one they
    are worse than an RBM times a pair product below T = J / 2.
    """
    adjacent = np.zeros((n_sites, n_sites))
    adjacent[bonds[:, 0], bonds[:, 1]] = adjacent[bonds[:, 1], bonds[:, 0]] = 1.0
    return bool(np.any((adjacent @ adjacent)[adjacent > 0]))


def plaquettes(lattice, bonds):
    """Return the closed paths over four bonds that do not wind around the lattice, as tuples of sites.

    Parameters
    ----------
    lattice : Lattice
        On a custom one all closed paths over four bonds count.
    bonds : (n_bonds, 2) integers
    """
    neighbours = [set() for _ in range(lattice.n_sites)]
    for i, j in np.asarray(bonds).tolist():
        neighbours[i].add(j)
        neighbours[j].add(i)
    found = []
    for i, k in itertools.combinations(range(lattice.n_sites), 2):
        for j, m in itertools.combinations(sorted(neighbours[i] & neighbours[k]), 2):
            if i < j and _is_contractible(lattice, (i, j, k, m)):  # every path once, from its smallest site
                found.append((i, j, k, m))
    return found


def _is_contractible(lattice, path):
    if lattice.positions is None:
        return True
    steps = lattice.displacement(np.array(path), np.roll(path, -1))
    return bool(np.allclose(steps.sum(axis=0), 0.0, atol=1e-6))


def hopping_signs(lattice, bonds, site_images):
    """Return signs with flux pi through the plaquettes, or none where that breaks symmetries, and their gauge signs.

    Of the fluxes through the holes of a periodic lattice those are taken with the lowest energy of spinons that hop on
    half of its levels (E. H. Lieb, PRL 73, 2158 (1994): flux pi through a ring of 4 n sites, none through one of 4 n +
    2): their shell is closed.  With the others 4x4 sites are wrong by 0.05 J in the end.

    Parameters
    ----------
    lattice : Lattice
    bonds : (n_bonds, 2) integers
    site_images : (order, n_sites) intp
        Lattice symmetries as in `site_permutations`.

    Returns
    -------
    signs : (n_sites, n_sites) int
        Symmetric; 0 where there is no bond.
    kept : (order',) intp
        The elements of `site_images` that keep the flux.
    gauge : (order', n_sites) int
        Their eta.
    """
    bonds = np.unique(np.sort(np.asarray(bonds), axis=1), axis=0)
    with_flux, without = _solve_fluxes(bonds, plaquettes(lattice, bonds)), np.ones(len(bonds), dtype=int)
    best = None
    for values, turns in itertools.product((with_flux, without), _winding_signs(lattice, bonds)):
        signs = np.zeros((lattice.n_sites, lattice.n_sites), dtype=int)
        signs[bonds[:, 0], bonds[:, 1]] = signs[bonds[:, 1], bonds[:, 0]] = values * turns
        etas = [_gauge(signs, image) for image in site_images]
        kept = np.array([g for g, eta in enumerate(etas) if eta is not None], dtype=np.intp)
        gauge = np.array([etas[g] for g in kept])
        energy = -np.linalg.eigvalsh(signs.astype(float))[lattice.n_sites // 2 :].sum()
        order = len(site_images) - len(kept), values is without, round(energy, 6)
        if best is None or order < best[0]:
            best = order, signs, kept, gauge
    return best[1:]


def _solve_fluxes(bonds, paths):
    """Return one sign per bond, of product -1 around each path as far as the paths before allow it.

    Gauss elimination over the integers modulo 2; rows are integers whose bits are bonds, the last one the flux.
    """
    number = {tuple(bond): b for b, bond in enumerate(bonds.tolist())}
    flux, solved = 1 << len(bonds), []
    for path in paths:
        row = flux
        for step in zip(path, path[1:] + path[:1], strict=True):
            row ^= 1 << number[tuple(sorted(step))]
        for pivot, other in solved:
            if row >> pivot & 1:
                row ^= other
        if row & (flux - 1):
            pivot = (row & -row).bit_length() - 1
            solved = [(p, other ^ row if other >> pivot & 1 else other) for p, other in solved] + [(pivot, row)]
    signs = np.ones(len(bonds), dtype=int)
    for pivot, row in solved:
        signs[pivot] = -1 if row & flux else 1
    return signs


def _winding_signs(lattice, bonds):
    """Return the ways to change signs along whole cuts of a periodic lattice (n_ways, n_bonds): flux in its holes."""
    if lattice.positions is None:
        return np.ones((1, len(bonds)), dtype=int)
    raw = lattice.positions[bonds[:, 1]] - lattice.positions[bonds[:, 0]]
    cells = (lattice.displacement(bonds[:, 0], bonds[:, 1]) - raw) @ np.linalg.inv(lattice.vectors)
    windings = np.round(cells / np.array(lattice.grid)).astype(int)
    ways = itertools.product(*((0, 1) if wrap else (0,) for wrap in lattice.wraps))
    return np.array([(-1) ** (windings @ way % 2) for way in map(np.array, ways)])


def _gauge(signs, image):
    """Return eta (n_sites,) with signs[image i, image k] = eta_i eta_k signs[i, k]; None where there is none."""
    eta = np.zeros(len(signs), dtype=int)
    wanted = signs * signs[np.ix_(image, image)]
    for start in range(len(signs)):
        if eta[start]:
            continue
        eta[start], front = 1, [start]
        while front:
            i = front.pop()
            for k in np.flatnonzero(signs[i]):
                if not eta[k]:
                    eta[k] = eta[i] * wanted[i, k]
                    front.append(k)
    return eta if np.array_equal(wanted, np.abs(signs) * np.outer(eta, eta)) else None
