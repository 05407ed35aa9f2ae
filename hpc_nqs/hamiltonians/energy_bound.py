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
    flips = np.zeros(n, dtype=np.complex128)
    np.add.at(flips, np.asarray(model.flip_sites, dtype=np.intp), model.flip_element)
    legs = [[] for _ in range(n)]
    constant = 0.0
    for (i, j), terms in _bonds(model).items():
        if i == j:  # Z_i^2 = 1
            constant += terms[0].real
            continue
        c, e, p, of_i, of_j = (complex(round(0.5 * x.real, DIGITS), round(0.5 * x.imag, DIGITS)) for x in terms)
        legs[i].append((c, e, p, of_i, of_j))
        legs[j].append((c, e.conjugate(), p, of_j, of_i))
    levels, total = {}, constant
    for site in range(n):
        field = float(model.site_field[site]), complex(flips[site])
        remaining = iter(sorted(legs[site], key=str))
        while part := list(islice(remaining, MAX_NEIGHBOURS)):
            star = (*field, *part)
            if star not in levels:
                levels[star] = _lowest(field, part)
            total += levels[star]
            field = (0.0, 0.0)
        if not legs[site]:
            total -= np.hypot(field[0], abs(field[1]))
    return float(total)


def _bonds(model):
    """Return {(i, j): [c, e, p, g of i with s_j, g of j with s_i]} of the bonds i <= j, see `spin_model`."""
    bonds = {}
    lists = (
        (model.pair_sites, model.pair_coupling),
        (model.exchange_sites, model.exchange_element),
        (model.parallel_sites, model.parallel_element),
        (model.conditional_sites, model.conditional_element),
    )
    for place, (sites, elements) in enumerate(lists):
        for (i, j), element in zip(sites.tolist(), elements.tolist(), strict=True):
            turned = i > j
            terms = bonds.setdefault((min(i, j), max(i, j)), [0j] * 5)
            terms[place + (place == 3 and turned)] += element.conjugate() if place == 1 and turned else element
    return bonds


def _lowest(field, legs):
    """Return the lowest level of h Z_0 + f s+_0 + sum_j [C_j Z_0 Z_j + e_j s+_0 s-_j + p_j s+_0 s+_j + ...] + h.c.

    With conditional flips g_j s+_0 Z_j and of the other end, Z_0 s+_j.
    """
    n = len(legs) + 1
    states = np.arange(2**n)
    spins = 2 * ((states[:, None] >> np.arange(n)) & 1) - 1
    diagonal = field[0] * spins[:, 0] + spins[:, :1] * spins[:, 1:] @ np.array([leg[0].real for leg in legs])
    matrix = np.zeros((len(states),) * 2, dtype=np.complex128)  # the half that raises spin 0, or the other end
    down = states[spins[:, 0] < 0]
    matrix[down ^ 1, down] += field[1]
    for leg, (_, exchange, parallel, own, other) in enumerate(legs, start=1):
        matrix[down ^ 1 ^ (1 << leg), down] += np.where(spins[down, leg] > 0, exchange, parallel)
        matrix[down ^ 1, down] += own * spins[down, leg]
        low = states[spins[:, leg] < 0]
        matrix[low ^ (1 << leg), low] += other * spins[low, 0]
    return np.linalg.eigvalsh(np.diag(diagonal) + matrix + matrix.conj().T)[0]
