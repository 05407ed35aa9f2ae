"""Tables over clusters that represent e^{-beta_0 H/2} Psi(0), written down by hand.

The reference function of `wavefunctions.mismatches` stands at an inverse temperature of its own, larger than beta_0:
where it is too small, chains would never visit configurations that the evolution wants to fill.  The tables take it
down to beta_0 by a factor per mismatched site, correct its amplitudes on the clusters to sums over matchings, and
hold the diagonal part of H.

In a transverse field there is no reference function: all amplitudes are positive, and the tables hold the expansion

    ln Psi = sum_s W_s,   W_s = ln <sigma_s| e^{-beta_0 H_s / 2} |ancilla_s> - sum of W_t over the smaller ones within s,

over connected clusters s, H_s the terms of H on s alone.  What is left out needs more sites than a table has, and is of
as many orders in beta_0 times the coupling.
"""

import itertools
from collections import Counter

import numpy as np

from hpc_nqs.seed import exchange_amplitudes, field_bias, ising_couplings
from hpc_nqs.wavefunctions.clusters import ClusterFactor, cluster_kinds, connected_clusters
from hpc_nqs.wavefunctions.mismatches import MismatchFactor
from hpc_nqs.wavefunctions.pairing import ProductState

N_TAYLOR = 24  # terms of e^x for x up to 1
LAST_ORDER = 3e-4  # of ln Psi per cluster, up to which the expansion is taken for exact
REACH_GROWTH = 1.1
REFERENCE_BETA = 0.5  # of the reference function, in units of the inverse of the largest coupling


def lattice_clusters(model, size):
    """Return all clusters of `size` sites that the bonds of the largest coupling connect, as tuples."""
    strength = np.abs(model.pair_coupling)
    return connected_clusters(model.pair_sites[strength > (1 - 1e-9) * strength.max()], size)


def cluster_state(purification, site_images, images, size, beta_0, reference_beta):
    """Return the seed at `beta_0`: tables over pairs and connected clusters, times a reference function for exchange.

    Parameters
    ----------
    purification : Purification
        Of a model whose off-diagonal elements are all negative.
    site_images : (order, n_sites) intp
        Lattice symmetries.
    images : (order', n_visible) intp
        Symmetries of the visible units as signed gathers.
    size : int
        Sites of the connected clusters.
    beta_0, reference_beta : float

    Returns
    -------
    state : ClusterFactor or ProductState
        The second for a model with exchange.
    expansion : ClusterExpansion or None
        What fills the tables at other temperatures, in a transverse field.
    """
    model = purification.model
    pairs = list(itertools.combinations(range(model.n_sites), 2))
    kinds = cluster_kinds(pairs + (lattice_clusters(model, size) if size > 2 else []), site_images, images)
    factor = ClusterFactor(kinds, purification.n_visible)
    if not model.conserves_sz:
        expansion = ClusterExpansion(model, factor)
        expansion.fill(beta_0)
        return factor, expansion
    reference = exchange_amplitudes(model, reference_beta)
    # sigma_i ancilla_i = 1 on a mismatched site and -1 elsewhere
    on_site = np.full(model.n_sites, 0.25 * np.log(exchange_amplitudes(model, beta_0).max() / reference.max()))
    factor.fill(
        lambda units, spins: _pair_term(purification, beta_0, on_site, units, spins) + _matching_term(reference, units, spins)
    )
    return ProductState(MismatchFactor(reference), factor), None


def _pair_term(purification, beta_0, on_site, units, spins):
    """Return what a pair of sites carries of the Ising part, of the field along z, and of sum_i on_site_i sigma_i ancilla_i."""
    if len(units) != 4:
        return 0.0
    sites, (sigma, ancilla) = units[:2], np.split(spins, 2)
    coupling = ising_couplings(purification.model).get(tuple(sorted(sites.tolist())), 0.0)
    bias = field_bias(purification, beta_0)
    single = on_site[sites] @ (sigma * ancilla) + (0.0 if bias is None else bias[units] @ spins)
    # half of e^{-beta_0 c s s / 2} on each layer; every site is in n - 1 pairs
    return single / (purification.n_sites - 1) - 0.25 * beta_0 * coupling * (sigma.prod() + ancilla.prod())


def _matching_term(reference, units, spins):
    """Return ln(sum over matchings / reference function) of a cluster whose sites are all mismatched, else 0."""
    sigma, ancilla = np.split(spins, 2)
    sites = units[: len(sigma)]
    amplitudes = reference[np.ix_(sites[sigma > 0], sites[sigma < 0])]
    if np.any(sigma != ancilla) or amplitudes.shape[0] != amplitudes.shape[1] or not amplitudes.all():
        return 0.0
    return np.log(permanent(amplitudes)) - 0.5 * np.log(amplitudes.sum(axis=0) * amplitudes.sum(axis=1)).sum()


def permanent(matrix):
    """Return the permanent of a small square matrix, the sum over all ways to match rows with columns."""
    n = len(matrix)
    return sum(np.prod(matrix[range(n), list(columns)]) for columns in itertools.permutations(range(n)))


class ClusterExpansion:
    """The connected terms W_s of ln Psi, each shared evenly by the tables whose clusters hold all of its sites.

    Parameters
    ----------
    model : SpinModel
        With a transverse field on every site, its elements negative.
    factor : ClusterFactor
        The tables.
    """

    def __init__(self, model, factor):
        self.model, self.factor = model, factor
        self.coupling = ising_couplings(model)
        self.neighbours = {i: set() for i in range(model.n_sites)}
        for i, j in self.coupling:
            self.neighbours[i].add(j)
            self.neighbours[j].add(i)
        rows = [row[: len(row) // 2] for kind in factor.kinds for row in kind.units.tolist()]
        self.n_owners = Counter(part for row in rows for part in self._connected_parts(row))

    def fill(self, beta):
        """Set the tables to the expansion at inverse temperature `beta`."""
        terms, tables = {}, {}

        def term(units, spins):
            sites = tuple(units[: len(units) // 2].tolist())
            if sites not in tables:
                tables[sites] = self._table(sites, beta, terms)
            return tables[sites][tuple((spins + 1) // 2)]

        self.factor.fill(term)

    def last_order(self, beta):
        """Return the largest W_s of a table's whole cluster, its standard deviation over |<sigma_s|e^{-beta H_s / 2}|ancilla_s>|^2.

        What the expansion leaves out is smaller, by about the ratio of the last two orders.
        """
        largest, terms = 0.0, {}
        size = max(kind.units.shape[1] for kind in self.factor.kinds) // 2
        for kind in self.factor.kinds:
            sites = tuple(sorted(kind.units[0, :size].tolist()))
            if kind.units.shape[1] == 2 * size and sites in self.n_owners:
                weights = np.square(self._propagator(sites, beta)).ravel()
                term = self._connected_term(sites, beta, terms).ravel()
                mean = np.average(term, weights=weights)
                largest = max(largest, np.sqrt(np.average((term - mean) ** 2, weights=weights)))
        return largest

    def reach(self, beta, until):
        """Return the largest beta REACH_GROWTH^k <= `until` up to which `last_order` is below LAST_ORDER, or `beta`."""
        while beta * REACH_GROWTH <= until and self.last_order(beta * REACH_GROWTH) < LAST_ORDER:
            beta *= REACH_GROWTH
        return beta

    def _connected_parts(self, sites):
        """Return all connected subsets of `sites`, as sorted tuples, from small to large."""
        parts = {frozenset([i]) for i in sites}
        found = set(parts)
        while parts:
            parts = {part | {j} for part in parts for i in part for j in self.neighbours[i] & set(sites) - part}
            found |= parts
        return sorted((tuple(sorted(part)) for part in found), key=len)

    def _table(self, sites, beta, terms):
        """Return the entries of the table over `sites`, (2,) * 2n in the order of its units."""
        n, table = len(sites), np.zeros((2,) * (2 * len(sites)))
        for part in self._connected_parts(sites):
            axes = [sites.index(i) for i in part]
            table += _spread(self._connected_term(part, beta, terms), axes, n) / self.n_owners[part]
        return table

    def _connected_term(self, sites, beta, terms):
        """Return W_s of sorted connected sites, (2,) * 2n, index 1 where a spin is up; `terms` keeps what is known."""
        if sites not in terms:
            n, term = len(sites), np.log(self._propagator(sites, beta)).reshape((2,) * (2 * len(sites)))
            for part in self._connected_parts(sites)[:-1]:
                axes = [sites.index(i) for i in part]
                term = term - _spread(self._connected_term(part, beta, terms), axes, n)
            terms[sites] = term
        return terms[sites]

    def _propagator(self, sites, beta):
        """Return e^{-beta H_s / 2} up to a factor, (2^n, 2^n), from sums and products of positive numbers alone."""
        n, model = len(sites), self.model
        states = np.arange(2**n)
        spins = 2.0 * ((states[:, None] >> np.arange(n)[::-1]) & 1) - 1  # the first site in the highest bit
        energy = spins @ model.site_field[list(sites)]
        for a, b in itertools.combinations(range(n), 2):
            energy = energy + self.coupling.get((sites[a], sites[b]), 0.0) * spins[:, a] * spins[:, b]
        power = np.diag(energy.max() - energy)
        flip = dict(zip(model.flip_sites.tolist(), model.flip_element.tolist(), strict=True))
        for a, i in enumerate(sites):
            power[states, states ^ (1 << (n - 1 - a))] -= flip[i]
        power *= 0.5 * beta
        n_squarings = max(0, int(np.ceil(np.log2(power.sum(axis=1).max()))))
        power /= 2**n_squarings
        result = term = np.eye(len(states))
        for order in range(1, N_TAYLOR):
            term = term @ power / order
            result = result + term
        for _ in range(n_squarings):
            result = result @ result
            result /= result.max()
        return result


def _spread(term, axes, n_sites):
    """Return `term`, of sigma and ancilla spins of the sites `axes`, as an array over those of all `n_sites` sites."""
    axes = [*axes, *(a + n_sites for a in axes)]
    shape = np.ones(2 * n_sites, dtype=int)
    shape[axes] = 2
    return term.transpose(np.argsort(axes)).reshape(shape)
