"""A lower bound of the energy from clusters of H: every site with its neighbours.

H is the sum over sites of the site's own field and half of every bond that ends there, and the lowest level of a sum is
not below the sum of the lowest levels (P. W. Anderson, Phys. Rev. 83, 1260 (1951)).
"""

from itertools import islice

import numpy as np

MAX_NEIGHBOURS = 8  # a star has 2^(neighbours + 1) states
DIGITS = 12  # of couplings that count as equal


def energy_bound(model):
    """Return a lower bound of the total energy of a `SpinModel`."""
    n = model.n_sites
    bonds = {}
    for (i, j), coupling in zip(model.pair_sites.tolist(), model.pair_coupling.tolist(), strict=True):
        bonds.setdefault((min(i, j), max(i, j)), [0.0, 0.0])[0] += coupling
    for (i, j), element in zip(model.exchange_sites.tolist(), model.exchange_element.tolist(), strict=True):
        bonds.setdefault((min(i, j), max(i, j)), [0.0, 0.0])[1] += element
    flips = np.zeros(n)
    np.add.at(flips, np.asarray(model.flip_sites, dtype=np.intp), model.flip_element)
    legs = [[] for _ in range(n)]
    constant = 0.0
    for (i, j), (coupling, element) in bonds.items():
        if i == j:  # Z_i^2 = 1
            constant += coupling
            continue
        for site in (i, j):
            legs[site].append((round(0.5 * coupling, DIGITS), round(0.5 * element, DIGITS)))
    levels, total = {}, constant
    for site in range(n):
        field = float(model.site_field[site]), float(flips[site])
        remaining = iter(sorted(legs[site]))
        while part := list(islice(remaining, MAX_NEIGHBOURS)):
            star = (*field, *part)
            if star not in levels:
                levels[star] = _lowest(field, part)
            total += levels[star]
            field = (0.0, 0.0)
        if not legs[site]:
            total -= np.hypot(*field)
    return float(total)


def _lowest(field, legs):
    """Return the lowest level of h Z_0 + G X_0 + sum_j [C_j Z_0 Z_j + e_j (s+_0 s-_j + h.c.)]."""
    n = len(legs) + 1
    states = np.arange(2**n)
    spins = 2 * ((states[:, None] >> np.arange(n)) & 1) - 1
    diagonal = field[0] * spins[:, 0] + spins[:, :1] * spins[:, 1:] @ np.array([coupling for coupling, _ in legs])
    matrix = np.diag(diagonal.astype(np.float64))
    matrix[states ^ 1, states] += field[1]
    for leg, (_, element) in enumerate(legs, start=1):
        antiparallel = states[spins[:, 0] != spins[:, leg]]
        matrix[antiparallel ^ (1 | (1 << leg)), antiparallel] += element
    return np.linalg.eigvalsh(matrix)[0]
