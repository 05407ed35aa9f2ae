"""Thermodynamics of Heisenberg magnets too large to diagonalize, from all levels of their small clusters.

    python -m tests.benchmarks.linked_clusters 6 6 --j2 0.5 --sites 10
    python -m tests.benchmarks.linked_clusters 4 4 --kind triangular --sites 9 -o triangular.json

The numerical linked-cluster expansion of Rigol, Bryant, Singh, PRL 97, 187202 (2006), by sites, on the periodic lattice
itself: clusters are the connected sets of its sites, those that wrap around it included. Nothing is sampled and nothing
is shared with the runs that it is compared with but the list of bonds.

The weight of a cluster is its property less the weights of its connected parts. Summed over all clusters of at most n
sites and solved for the properties P(s) (inclusion and exclusion; parts that do not touch every site of a cluster
cancel), the expansion is

    S_n = sum over connected s, |s| <= n, of (-1)^(n - |s|) binomial(p(s) - 1, n - |s|) P(s),

p(s): number of sites next to s. With n = N it is exact. ln Z of S_n has the exact powers of beta up to n, because every
site of a cluster must be met twice; what clusters of n + 1 sites add to power n + 1 are cycles through all of them.

Three resummations: Euler's transformation and Wynn's epsilon algorithm of S_n, Pade approximants of the powers of beta.
The value is the mean of the two that vary least between their last orders. Its error is twice the largest of their
variation, the step from the order before, and the distance to the farthest of the three. The rule was chosen on ten
rings and tori of 12 and 16 sites, n = 7 to 11, T = 0.5 to 10: 695 of 700 energies and specific heats are within this
error of all levels, the other five within 2.1 times of it (specific heats at T <= 0.7, or n = 7). On seven others
of 12 to 16 sites, n = 8 to 10, all 294 are within it.
"""

import argparse
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import comb

from hpc_nqs.hamiltonians.heisenberg import Heisenberg
from hpc_nqs.lattices.lattice import build
from hpc_nqs.symmetry.site_permutations import site_symmetries

TEMPERATURES = (10.0, 4.0, 3.0, 2.0, 1.4, 1.2, 1.0, 0.85, 0.7)
MAX_SITES = 64  # of the lattice: a cluster is one word
MIN_SIZE = 6  # of the largest clusters, from which on there is something to resum
BITS = 12  # of a word that are mapped by one table
ROUNDING = 1e-8  # of sums over millions of clusters, per site
CANCELLED = 1e-5  # distance of a pole and a zero that rounding or a missing singularity leaves, in units of 1 / J1
CHUNK = 4096  # clusters at a time
CHILDREN = 2**17  # words at a time


class Magnet:
    """H = sum_(i<j) J_ij S_i.S_j and the symmetries of its lattice: couplings (N, N), group (order, N)."""

    def __init__(self, kind, lengths, couplings):
        lattice = build(kind, lengths)
        if lattice.n_sites > MAX_SITES:
            raise ValueError(f"{kind} of {lattice.n_sites} sites: at most {MAX_SITES} are allowed")
        model = Heisenberg.build(lattice, couplings=couplings)
        self.n_sites = model.n_sites
        self.group = site_symmetries(lattice, model)
        self.couplings = np.zeros((self.n_sites, self.n_sites))
        first, second = np.asarray(model.exchange_sites).T
        for pair in ((first, second), (second, first)):
            np.add.at(self.couplings, pair, 2.0 * np.asarray(model.exchange_element))


def word_tables(words):
    """Return (n, 2^BITS) uint64: row k has the unions of words[i] over the bits i that BITS bits of a cluster have."""
    tables = np.zeros((-(-len(words) // BITS), 2**BITS), np.uint64)
    for i, word in enumerate(words):
        row, bit = divmod(i, BITS)
        tables[row, np.arange(2**BITS) >> bit & 1 == 1] |= np.uint64(word)
    return tables


def unions(tables, clusters):
    """Return the unions of the words of every site of every cluster."""
    found = np.zeros_like(clusters)
    for row, table in enumerate(tables):
        found |= table[clusters >> np.uint64(row * BITS) & np.uint64(2**BITS - 1)]
    return found


def connected_clusters(magnet, n_max):
    """Yield sizes 1 to n_max: clusters, one word of every orbit; orbit lengths; numbers of sites next to them."""
    neighbours = word_tables([sum(1 << int(j) for j in np.flatnonzero(row)) for row in magnet.couplings])
    images = [word_tables([1 << int(j) for j in element]) for element in magnet.group]
    sites = np.uint64(1) << np.arange(magnet.n_sites, dtype=np.uint64)

    def representatives(clusters):
        least = clusters.copy()
        for tables in images:
            np.minimum(least, unions(tables, clusters), out=least)
        return np.unique(least)

    clusters = representatives(sites)
    for size in range(1, n_max + 1):
        n_fixing = sum((unions(tables, clusters) == clusters).astype(np.intp) for tables in images)
        outside = unions(neighbours, clusters) & ~clusters
        yield clusters, len(images) // n_fixing, np.bitwise_count(outside).astype(np.intp)
        if size < n_max:
            children = np.unique(np.concatenate([clusters[outside & site != 0] | site for site in sites]))
            parts = np.array_split(children, 1 + len(children) // CHILDREN)
            clusters = np.unique(np.concatenate([representatives(part) for part in parts]))


def cluster_couplings(magnet, clusters, size):
    """Return J within clusters of one size, (n, size, size)."""
    bits = clusters[:, None] >> np.arange(magnet.n_sites, dtype=np.uint64) & np.uint64(1)
    sites = np.argsort(bits == 0, axis=1, kind="stable")[:, :size]
    return magnet.couplings[sites[:, :, None], sites[:, None, :]]


def _mixed(words):
    """Scramble uint64 words: the finalizer of SplitMix64."""
    words = (words ^ words >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ words >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return words ^ words >> np.uint64(31)


def graph_names(couplings):
    """Return names (n,) uint64 of weighted graphs (n, m, m), the same for isomorphic ones.

    Colours of pairs of sites are refined by those of both with every third site, until paths of m bonds are seen
    (Weisfeiler and Leman). Names of different graphs of the sizes used here differ.
    """
    m = couplings.shape[-1]
    colours = _mixed(np.round(1e9 * couplings).astype(np.int64).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15))
    colours[:, np.arange(m), np.arange(m)] = 1
    for _ in range(1 + m.bit_length()):
        paths = np.zeros_like(colours)
        for k in range(m):
            paths += _mixed(np.uint64(3) * colours[:, :, k, None] + _mixed(colours[:, None, k, :]))
        colours = _mixed(paths + _mixed(colours))
    return colours.sum(axis=(1, 2))


def transpositions(m, k):
    """Return P_ij, i < j, on the multiplets of m spins of total spin S = m/2 - k: (m, m, f, f).

    Young's orthogonal form of the representation (m - k, k) of the permutations; a tableau is the row of every number.
    """
    rows = [t for t in itertools.product((0, 1), repeat=m) if sum(t) == k]
    rows = [t for t in rows if all(2 * sum(t[:i]) <= i for i in range(m + 1))]
    index = {t: n for n, t in enumerate(rows)}
    found = np.zeros((m, m, len(rows), len(rows)))
    for i, (t, n) in itertools.product(range(m - 1), index.items()):
        contents = [t[:j].count(t[j]) - t[j] for j in (i, i + 1)]
        distance = contents[1] - contents[0]
        found[i, i + 1, n, n] = 1.0 / distance
        if abs(distance) > 1:
            other = (*t[:i], t[i + 1], t[i], *t[i + 2 :])
            found[i, i + 1, index[other], n] = np.sqrt(1.0 - 1.0 / distance**2)
    for reach in range(2, m):
        for i in range(m - reach):
            j = i + reach
            found[i, j] = found[j - 1, j] @ found[i, j - 1] @ found[j - 1, j]
    return found


class Multiplets:
    """Energy levels of Heisenberg clusters of m sites, one of every multiplet; S_i.S_j = P_ij / 2 - 1/4."""

    def __init__(self, m):
        self.pairs = np.triu_indices(m, 1)
        self.blocks, degeneracies = [], []
        for k in range(m // 2 + 1):
            exchange = transpositions(m, k)[self.pairs]
            f = exchange.shape[-1]
            self.blocks.append((f, (0.5 * exchange - 0.25 * np.eye(f)).reshape(-1, f * f)))
            degeneracies += [m - 2 * k + 1] * f
        self.weights = np.array(degeneracies) / 2.0**m

    def levels(self, couplings):
        """Return (n, n_multiplets), unit of J, of couplings (n, m, m); 2S + 1 over 2^m is `weights`."""
        bonds = couplings[:, self.pairs[0], self.pairs[1]]
        return np.concatenate([np.linalg.eigvalsh((bonds @ h).reshape(-1, f, f)) for f, h in self.blocks], axis=1)


def thermal_averages(levels, weights, betas):
    """Return total energies and beta^2 Var(H), (n, 2, n_betas)."""
    found = np.empty((len(levels), 2, len(betas)))
    for k, beta in enumerate(betas):
        boltzmann = weights * np.exp(-beta * (levels - levels.min(axis=1, keepdims=True)))
        boltzmann /= boltzmann.sum(axis=1, keepdims=True)
        energy = (boltzmann * levels).sum(axis=1)
        found[:, 0, k] = energy
        found[:, 1, k] = beta**2 * (boltzmann * (levels - energy[:, None]) ** 2).sum(axis=1)
    return found


def log_series(levels, weights, order):
    """Return a_0 to a_order of ln(Z / 2^m) = sum_k a_k beta^k, (n, order + 1)."""
    moments, power = np.empty((len(levels), order + 1)), np.ones_like(levels)
    for k in range(order + 1):  # <(-H)^k> / k!
        moments[:, k] = power @ weights
        power = power * levels / -(k + 1.0)
    series = np.zeros_like(moments)
    for k in range(1, order + 1):
        known = sum(j * series[:, j] * moments[:, k - j] for j in range(1, k))
        series[:, k] = moments[:, k] - known / k
    return series


@dataclass
class Sums:
    """Sums S_0 to S_n over clusters, per site: energy and heat (n + 1, n_temperatures), series (n + 1, n + 2)."""

    temperatures: np.ndarray
    energy: np.ndarray
    heat: np.ndarray
    series: np.ndarray
    exact: bool  # all clusters of the lattice are in the last one


def cluster_sums(magnet, n_max, temperatures, report=None):
    """Sum energy, specific heat and the powers of beta of ln Z over all clusters of up to n_max sites, per site."""
    n_max = min(n_max, magnet.n_sites)
    temperatures = np.asarray(temperatures, dtype=np.float64)
    if n_max < 1 or not np.all(temperatures > 0.0):
        raise ValueError(f"sites = {n_max}, temperatures = {temperatures.tolist()}: all must be positive")
    betas = 1.0 / temperatures
    averages, series = np.zeros((n_max + 1, 2, len(betas))), np.zeros((n_max + 1, n_max + 2))
    for size, (clusters, lengths, n_outside) in enumerate(connected_clusters(magnet, n_max), start=1):
        parts = np.array_split(clusters, 1 + len(clusters) // CHUNK)
        names = np.concatenate([graph_names(cluster_couplings(magnet, part, size)) for part in parts])
        _, first, graph = np.unique(names, return_index=True, return_inverse=True)
        shares = np.zeros((n_max + 1, len(first)))
        for n in range(size, n_max + 1):
            sign = (-1.0) ** (n - size)
            factor = np.where(n_outside > 0, sign * comb(n_outside - 1, n - size), 1.0)
            shares[n] = np.bincount(graph, weights=lengths * factor, minlength=len(first)) / magnet.n_sites
        multiplets = Multiplets(size)
        for part in np.array_split(np.arange(len(first)), 1 + len(first) // CHUNK):
            levels = multiplets.levels(cluster_couplings(magnet, clusters[first[part]], size))
            averages += np.tensordot(shares[:, part], thermal_averages(levels, multiplets.weights, betas), axes=1)
            series += shares[:, part] @ log_series(levels, multiplets.weights, n_max + 1)
        if report:
            report(f"{size:2d} sites: {lengths.sum()} clusters, {len(clusters)} orbits, {len(first)} graphs")
    exact = n_max == magnet.n_sites
    if not exact:  # the next power: cycles, with what a ring of one bond more than its clusters has
        ring = cluster_sums(Magnet("chain", [n_max + 1], [1.0]), n_max + 1, [1.0]) if n_max > 1 else None
        factor = (n_max + 1) * np.diff(ring.series[-2:, n_max + 1], axis=0).item() if ring else 0.0
        series[n_max, n_max + 1] += factor * cycle_sum(magnet, n_max + 1)
    return Sums(temperatures, averages[:, 0], averages[:, 1], series, exact)


def _paths(couplings, start, n_steps):
    """Return end, sites after the start (a word) and product of couplings of all self-avoiding paths."""
    end, visited, product = np.array([start]), np.zeros(1, np.uint64), np.ones(1)
    bits = np.uint64(1) << np.arange(len(couplings), dtype=np.uint64)
    for _ in range(n_steps):
        row, step = np.nonzero((couplings[end] != 0) & ((visited[:, None] | bits[start]) & bits == 0))
        end, visited, product = step, visited[row] | bits[step], product[row] * couplings[end[row], step]
    return end, visited ^ bits[end], product


def cycle_sum(magnet, length):
    """Return the sum over all cycles of `length` >= 3 sites of the product of their couplings, per site."""
    total = 0.0
    starts, n_alike = np.unique(magnet.group.min(axis=0), return_counts=True)
    for start, count in zip(starts, n_alike, strict=True):
        there, back = (_paths(magnet.couplings, start, n) for n in ((length + 1) // 2, length // 2))
        for site in range(magnet.n_sites):
            (_, one, left), (_, two, right) = ([column[path[0] == site] for column in path] for path in (there, back))
            for k in range(0, len(one), CHUNK):
                total += count * float(left[k : k + CHUNK] @ ((one[k : k + CHUNK, None] & two == 0) @ right))
    return total / (2 * length * magnet.n_sites)  # both directions; every site of a cycle starts it


def wynn(sums):
    """Return the last two values of the last two even columns of Wynn's epsilon algorithm (S_1 to S_n)."""
    columns = [np.zeros(len(sums) + 1), np.asarray(sums)]
    while len(columns[-1]) > 1:
        columns.append(columns[-2][1:-1] + 1.0 / np.diff(columns[-1]))
    return np.concatenate([column[-2:] for column in columns[1::2][-2:]])


def euler(sums):
    """Return averages of averages ... of neighbours up to S_(n - 2), S_(n - 1), S_n: as many as make these agree."""
    row, found = np.asarray(sums), []
    while len(row) > 3:
        row = 0.5 * (row[1:] + row[:-1])
        found.append(row[-3:])
    return min(found, key=np.ptp)


def pade(series, degree, x):
    """Return the approximant at x of sum_k series[k] x^k with a denominator of this degree.

    It is nan if a pole lies near the way from 0 to x, other than one that a zero of the numerator cancels.
    """
    order = len(series) - 1 - degree  # of the numerator
    padded = np.concatenate([np.zeros(degree), series])
    rows = np.array([padded[order + i : order + i + degree][::-1] for i in range(1, degree + 1)])
    denominator = np.ones(1)
    if degree:
        if np.linalg.matrix_rank(rows) < degree:
            return np.nan
        denominator = np.append(1.0, np.linalg.solve(rows, -series[order + 1 :]))
    numerator = np.convolve(denominator, series)[: order + 1]
    poles, zeros = np.roots(denominator[::-1]), np.roots(numerator[::-1])
    uncancelled = np.abs(poles[:, None] - zeros).min(axis=1, initial=np.inf) > CANCELLED
    if np.any(uncancelled & (np.abs(poles.imag) < 0.2 * x) & (poles.real > 0.0) & (poles.real < 1.25 * x)):
        return np.nan
    return np.polyval(numerator[::-1], x) / np.polyval(denominator[::-1], x)


def pades(series, x):
    """Return the approximants of the last two orders whose degrees differ by two at most."""
    orders = (len(series) - 1, len(series) - 2)
    return np.array([
        pade(series[: order + 1], degree, x)
        for order in orders for degree in range(order + 1) if abs(order - 2 * degree) <= 2
    ])


def estimate(sums, n, k, quantity):
    """Return (value, error without the step from the order before) from S_1 to S_n at temperature k."""
    beta = 1.0 / sums.temperatures[k]
    order = n + 1 if n == len(sums.energy) - 1 else n
    energy = -(np.arange(order + 1) * sums.series[n, : order + 1])[2:]  # of e / beta
    if quantity == "energy":
        bare, powers = sums.energy[1 : n + 1, k], beta * pades(energy, beta)
    else:
        bare, powers = sums.heat[1 : n + 1, k], beta**2 * pades(-np.arange(1, order) * energy, beta)
    with np.errstate(divide="ignore", invalid="ignore"):
        candidates = [values[np.isfinite(values)] for values in (wynn(bare), euler(bare), powers)]
    found = sorted((float(np.ptp(values)), float(np.median(values))) for values in candidates if len(values) > 1)
    if len(found) < 2:
        raise ValueError(f"temperatures: fewer than two resummations have a value at T = {sums.temperatures[k]:g}")
    values = np.array([value for _, value in found])
    middle = values[:2].mean()
    return middle, max(found[1][0], np.abs(values - middle).max())


def table(sums):
    """Return rows of temperature, energy and specific heat per site with errors."""
    n_max = len(sums.energy) - 1
    if n_max < MIN_SIZE and not sums.exact:
        raise ValueError(f"sites = {n_max}: clusters of at least {MIN_SIZE} sites are needed, or all of the lattice")
    rows = []
    for k, temperature in enumerate(sums.temperatures):
        row = {"temperature": float(temperature)}
        for quantity, bare in (("energy", sums.energy), ("specific_heat", sums.heat)):
            value, error = float(bare[-1, k]), 0.0
            if not sums.exact:
                value, spread = estimate(sums, n_max, k, quantity)
                error = ROUNDING + 2.0 * max(spread, abs(value - estimate(sums, n_max - 1, k, quantity)[0]))
            row |= {quantity: float(value), f"{quantity}_error": float(error)}
        rows.append(row)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("lengths", nargs="+", type=int)
    parser.add_argument("--kind", default="square", help="of the lattice (default: square)")
    parser.add_argument("--j2", type=float, default=0.0, help="coupling of second neighbours, J1 = 1 (default: 0)")
    parser.add_argument("--sites", type=int, default=8, help="of the largest clusters (default: 8)")
    parser.add_argument("--temperatures", nargs="+", type=float, default=TEMPERATURES)
    parser.add_argument("-o", "--output", help="JSON file of the table and the series")
    options = parser.parse_args()
    try:
        magnet = Magnet(options.kind, options.lengths, [1.0, options.j2] if options.j2 else [1.0])
        sums = cluster_sums(magnet, options.sites, options.temperatures, report=lambda line: print(line, flush=True))
        rows = table(sums)
    except ValueError as problem:
        parser.error(str(problem))
    for row in rows:
        line = "T {temperature:<5g} e {energy:.7f} +- {energy_error:.1e}"
        print((line + "  c {specific_heat:.6f} +- {specific_heat_error:.1e}").format(**row))
    if options.output:
        shape = "x".join(map(str, options.lengths))
        content = {
            "source": f"numerical linked-cluster expansion, all clusters of up to {options.sites} sites; "
            "resummed by Wynn's, Euler's and Pade's methods (tests/benchmarks/linked_clusters.py)",
            "model": f"Heisenberg, J1 = 1, J2 = {options.j2:g}, {options.kind} {shape}, periodic, per site",
            "log_partition_function": "ln(Z / 2^N) / N = sum_k series[k] beta^k",
            "series": sums.series[-1].tolist(),
            "rows": rows,
        }
        Path(options.output).write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
