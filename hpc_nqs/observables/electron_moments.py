"""Exact moments of H of electrons at infinite temperature: E(0) and its slopes.  With mu H stands for H - mu N.

All occupations of M orbitals with N_s electrons of spin s are alike.  The mean of a product of k different s_p of one
spin is

    e_k = sum_j (-1)^(k - j) C(k, j) C(M - k, N_s - j) / C(M, N_s),

in the grand canonical ensemble 0 but for e_0; spins are independent, and s_p^2 = 1.

With D the diagonal part of H about its mean and T the hops,

    k_2 = <D^2> + <T^2>,    k_3 = <D^3> + 3 <D T^2> + <T^3>,    diag T^2 = sum_hops e^2 (1 - s_p s_q)/2,

and <T^3> from electrons, or holes, that go around triangles of hops; pairs of hops are treated alike.  Up to MAX_STATES
states are summed over: their fourth cumulant is known, too.
"""

import functools
import itertools
import math

import numpy as np

from hpc_nqs.hamiltonians.electron_matrices import to_sparse

MAX_STATES = 5000  # that are summed over


@functools.lru_cache(maxsize=4)
def cumulants(model):
    """Return (mean, variance, third cumulant, fourth cumulant or None) of H, totals.

    Parameters
    ----------
    model : ElectronModel
    """
    return summed_cumulants(model) if n_states(model) <= MAX_STATES else derived_cumulants(model)


def _means_of_numbers(model):
    """Return what `means` has in the grand canonical ensemble alone."""
    n, m = model.n_lattice_sites, model.n_levels
    energy = (cumulants(model)[0] + model.mu * m) / n
    variances = {"compressibility": 0.5 * m / n, "susceptibility": 0.125 * m / n}
    green = [f"{local}spectral_proxy_{spin}" for local in ("", "local_") for spin in ("up", "down")]
    variances |= dict.fromkeys(green, 0.5 * m / n)  # G(k, beta/2) = 1/2 of every orbital
    return {"filling": m / n, "hamiltonian_energy": energy} | variances


def n_states(model):
    """Return the number of states of the ensemble of a model."""
    return sum(math.prod(math.comb(model.n_levels, n) for n in numbers) for numbers in model.fillings)


def entropy(model):
    """Return the entropy at infinite temperature, total: ln of the number of states."""
    return math.log(n_states(model))


def means(model):
    """Return the means of what is measured at infinite temperature, {name: number}.

    Structure factors are those of wave vectors other than zero; of susceptibility and compressibility those times T.
    """
    products = [np.append(_mean_products(model.n_levels, n), 0.0) for n in model.filling or (None, None)]
    one, two = np.transpose([each[1:3] for each in products])
    densities, pairs = (1 + one) / 2, (1 + 2 * one + two) / 4
    double, n = float(densities.prod()), model.n_orbitals
    apart = [pairs.sum() + sign * 2 * double for sign in (-1, 1)]  # of Sz Sz of two orbitals, times 4, and of n n
    same = [densities.sum() + sign * 2 * double for sign in (-1, 1)]
    spin, charge = (n * one + n * (n - 1) * other for one, other in zip(same, apart, strict=True))  # of one site
    apart = [n**2 * each for each in apart]  # of two sites
    return ({} if model.is_canonical else _means_of_numbers(model)) | {
        "double_occupancy": n * double,
        "local_moment": float(0.25 * spin + 0.5 * n * same[0]),
        "structure_factor": 0.25 * float(spin - apart[0]),
        "charge_structure_factor": float(charge - apart[1]),
        "correlation": 0.25 * float(apart[0]),
        "charge_correlation": float(apart[1] - (n * densities.sum()) ** 2),
        "n_k_up": float(n * densities[0]),
        "n_k_down": float(n * densities[1]),
    }


def sector_states(model):
    """Return the basis indices of all states of the ensemble of a model in growing order, int64."""
    if not model.is_canonical:
        return np.arange(2**model.n_sites, dtype=np.int64)
    return states_of(model.n_levels, model.filling)


def states_of(n_levels, filling):
    """Return the basis indices of all states with (N_up, N_down) electrons in growing order, int64."""
    up, down = (
        np.array(
            sorted(sum(1 << p for p in chosen) for chosen in itertools.combinations(range(n_levels), n)),
            dtype=np.int64,
        )
        for n in filling
    )
    return ((down << n_levels)[:, None] | up).ravel()


def summed_cumulants(model):
    """Return `cumulants` from traces over all states."""
    matrix = to_sparse(model, sector_states(model))
    total = matrix.shape[0]
    mean = matrix.diagonal().sum() / total
    matrix.setdiag(matrix.diagonal() - mean)
    square = matrix @ matrix
    variance, third, fourth = (
        float(product.sum() / total) for product in (matrix * matrix, square * matrix, square * square)
    )
    return float(mean), variance, third, fourth - 3 * variance**2


def derived_cumulants(model):
    """Return `cumulants` from the formulas of the module, without the fourth."""
    terms, coefficients = _diagonal_terms(model)
    means = _means(model, terms)
    mean = model.constant + float(coefficients @ means)
    hops, both = _hops(model), _pairs_of_hops(model)
    squares, weights = _squares(model, hops, both)
    of_squares = _means(model, squares)
    covariance = _means(model, terms[:, None, :] ^ terms) - np.outer(means, means)
    variance = coefficients @ covariance @ coefficients + weights @ of_squares
    crossed = _means(model, terms[:, None, :] ^ squares) - np.outer(means, of_squares)
    third = 3 * coefficients @ crossed @ weights + _triangles(model, hops) + _third_of_pairs(model, hops, both)
    for row, coefficient, value in zip(terms, coefficients, means, strict=True):
        # <(a - <a>) (b - <b>) (c - <c>)> of one term a with all b and c
        pairs = _means(model, (terms ^ row)[:, None, :] ^ terms)
        single = _means(model, terms ^ row)
        joint = (
            pairs - value * (covariance + np.outer(means, means))
            - np.outer(means, single) - np.outer(single, means) + 2 * value * np.outer(means, means)
        )
        third += coefficient * (coefficients @ joint @ coefficients)
    return mean, float(variance), float(third), None


def _diagonal_terms(model):
    """Return the diagonal terms as units whose s are multiplied, (n, n_sites) bool, and coefficients (n,).

    Of fixed numbers of electrons what is the same for all units of one spin is one term without units: its mean is all
    there is of it.
    """
    fields = model.site_field.reshape(2, -1)
    constants = fields.mean(axis=1) if model.is_canonical else np.zeros(2)
    rest = (fields - constants[:, None]).ravel()
    single = np.flatnonzero(np.abs(rest) > 1e-14 * np.abs(fields).max(initial=0.0))
    terms = np.zeros((1 + len(model.pair_sites) + len(single), model.n_sites), dtype=bool)
    for row, pair in zip(terms[1:], model.pair_sites, strict=False):
        row[pair] = True
    terms[1 + len(model.pair_sites) + np.arange(len(single)), single] = True
    magnetizations = 2 * np.array(model.filling or (0, 0)) - model.n_levels
    return terms, np.concatenate([[constants @ magnetizations], model.pair_coupling, rest[single]])


def _means(model, terms):
    """Return the mean products of the s of the chosen units (..., n_sites) bool, (...,)."""
    counts = terms.reshape(*terms.shape[:-1], 2, -1).sum(axis=-1)
    up, down = (_mean_products(model.n_levels, n) for n in model.filling or (None, None))
    return up[counts[..., 0]] * down[counts[..., 1]]


@functools.lru_cache(maxsize=8)
def _mean_products(n_levels, n_electrons):
    """Return e_k for k = 0 to 6, or to the number of orbitals; `n_electrons` is None where they are any number."""
    if n_electrons is None:
        return np.eye(1, min(6, n_levels) + 1)[0]
    total = math.comb(n_levels, n_electrons)
    return np.array([
        sum(
            (-1) ** (k - j) * math.comb(k, j) * math.comb(n_levels - k, n_electrons - j)
            for j in range(min(k, n_electrons) + 1)
        ) / total
        for k in range(min(6, n_levels) + 1)
    ])


def _hops(model):
    """Return {(p, q): element}, p < q, of all hops; those of the same pair add up."""
    hops = {}
    for sites, element in zip(model.exchange_sites.tolist(), model.exchange_element.tolist(), strict=True):
        pair = tuple(sorted(sites))
        hops[pair] = hops.get(pair, 0.0) + element
    return hops


def _pairs_of_hops(model):
    """Return {((a, b), (c, d)): J}, a < b and c < d, of all pairs of hops; those of the same units add up."""
    found = {}
    for (a, b, c, d), element in zip(model.hop2_sites.tolist(), model.hop2_element.tolist(), strict=True):
        pairs = tuple(sorted((a, b))), tuple(sorted((c, d)))
        found[pairs] = found.get(pairs, 0.0) + element
    return found


def _squares(model, hops, both):
    """Return the diagonal part of (T + V)^2, V the pairs of hops, as products of s (n, n_sites) bool and coefficients.

    A hop has e^2 (1 - s_p s_q)/2, a pair of hops J^2 (1 - s_a s_b) (1 - s_c s_d)/4.
    """
    sums = {}
    for pair, element in hops.items():
        for units, sign in (((), 1), (pair, -1)):
            sums[units] = sums.get(units, 0.0) + sign * element**2 / 2
    for (up, down), element in both.items():
        for units, sign in (((), 1), (up, -1), (down, -1), (up + down, 1)):
            sums[units] = sums.get(units, 0.0) + sign * element**2 / 4
    products = np.zeros((len(sums), model.n_sites), dtype=bool)
    for row, units in zip(products, sums, strict=True):
        row[list(units)] = True
    return products, np.array(list(sums.values()))


def _triangles(model, hops):
    """Return <T^3>: an electron alone on a triangle goes around either way from any corner, a hole with a sign."""
    around = _around(model)
    return sum(
        6 * element * other * third * around[pairs[0] // model.n_levels]
        for pairs, element, other, third in _closed(hops)
    )


def _third_of_pairs(model, hops, both):
    """Return what pairs of hops V add to <(T + V)^3> besides <D V^2>: <T_up T_down V> and, around triangles, <V^3>."""
    total, around = 0.0, _around(model)
    apart = [(1 - np.append(_mean_products(model.n_levels, n), 0.0)[2]) / 2 for n in model.filling or (None, None)]
    for (up, down), element in both.items():
        total += 6 * element * hops.get(up, 0.0) * hops.get(down, 0.0) * apart[0] * apart[1]
    m = model.n_levels
    same = {up: element for (up, down), element in both.items() if tuple(p + m for p in up) == down}
    for _, element, other, third in _closed(same):
        total += 6 * element * other * third * around[0] * around[1]
    return total


def _around(model):
    """Return the mean of three hops around a triangle in one order of either spin: of one electron, minus of a hole."""
    found = []
    for n in model.filling or (None, None):
        e = np.append(_mean_products(model.n_levels, n), np.zeros(4))  # of fewer than three orbitals none is asked for
        one = (1 - e[1] - e[2] + e[3]) / 8  # (1 + s)(1 - s')(1 - s'')
        found.append(one - (1 + e[1] - e[2] - e[3]) / 8)
    return found


def _closed(elements):
    """Yield (units (p, q, r), elements of (p, q), (p, r), (q, r)) of the triangles p < q < r of {(p, q): element}."""
    neighbours = {}
    for p, q in elements:
        neighbours.setdefault(p, set()).add(q)
    for (p, q), element in elements.items():
        for r in neighbours.get(p, set()) & neighbours.get(q, set()):
            yield (p, q, r), element, elements[p, r], elements[q, r]
