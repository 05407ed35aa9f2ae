"""Tables over clusters that hold e^{-beta H/2} Psi(0) in a transverse field at high temperature.

    ln Psi = sum_s W_s,   W_s = ln <sigma_s| e^{-beta H_s / 2} |ancilla_s> - sum of W_t over the smaller clusters t
    within s,

over connected clusters s of sites, H_s the terms of H on s alone.  What is left out needs more sites than a table has,
and is of as many orders in beta times the coupling.  (With exchange these amplitudes vanish where a cluster holds one
half of an exchange, and the expansion does not converge.)
"""

import itertools
from collections import Counter

import numpy as np

from hpc_nqs.thermal.high_temperature.networks import ising_couplings

LAST_ORDER = 3e-4  # of ln Psi per cluster, up to which the expansion is taken for exact
REACH_GROWTH = 1.1
STEP = 1e-3  # of beta, relative, in slopes
N_TAYLOR = 24  # terms of e^x for x up to 1


class ClusterExpansion:
    """The terms W_s, each shared evenly by the tables whose clusters hold all of its sites.

    Parameters
    ----------
    model : SpinModel
        With a transverse field on every site, its elements negative.
    factor : CorrelatorProduct
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
        self.factor.params[:] = self._values(beta)

    def slope(self, beta):
        """Return the derivatives of the tables by inverse temperature, (n_params,), to six digits."""
        lower, higher = beta * (1 - STEP), beta * (1 + STEP)
        return (self._values(higher) - self._values(lower)) / (higher - lower)

    def _values(self, beta):
        """Return the tables at inverse temperature `beta`, (n_params,)."""
        terms, tables = _Terms(self, beta), {}

        def entry(units, spins):
            sites = tuple(units[: len(units) // 2].tolist())
            if sites not in tables:
                tables[sites] = self._table(sites, terms)
            return tables[sites][tuple((spins + 1) // 2)]

        return self.factor.values(entry)

    def last_order(self, beta):
        """Return the largest W_s of clusters of the most sites: its deviation over the squared amplitudes of s.

        What the expansion leaves out is smaller, by about the ratio of the last two orders.
        """
        largest, terms = 0.0, _Terms(self, beta)
        size = max(kind.units.shape[1] for kind in self.factor.kinds) // 2
        for kind in self.factor.kinds:
            sites = tuple(sorted(kind.units[0, :size].tolist()))
            if kind.units.shape[1] == 2 * size and sites in self.n_owners:
                weights, term = np.square(terms.amplitudes(sites)).ravel(), terms.connected(sites).ravel()
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

    def _table(self, sites, terms):
        """Return the entries of the table over `sites`, (2,) * 2n in the order of its units."""
        n, table = len(sites), np.zeros((2,) * (2 * len(sites)))
        for part in self._connected_parts(sites):
            table += _on_sites(terms.connected(part), [sites.index(i) for i in part], n) / self.n_owners[part]
        return table


class _Terms:
    """The terms W_s at one inverse temperature, computed when asked for.

    Arrays are (2,) * 2n, over sigma and ancilla spins of sorted sites, index 1 where a spin is up.
    """

    def __init__(self, expansion, beta):
        self.expansion, self.beta, self.found = expansion, beta, {}

    def connected(self, sites):
        """Return W_s."""
        if sites not in self.found:
            term = np.log(self.amplitudes(sites))
            for part in self.expansion._connected_parts(sites)[:-1]:
                term = term - _on_sites(self.connected(part), [sites.index(i) for i in part], len(sites))
            self.found[sites] = term
        return self.found[sites]

    def amplitudes(self, sites):
        """Return <sigma_s| e^{-beta H_s / 2} |ancilla_s> up to a factor."""
        return self._propagator(sites).reshape((2,) * (2 * len(sites)))

    def _propagator(self, sites):
        """Return e^{-beta H_s / 2} up to a factor, (2^n, 2^n), from sums and products of positive numbers alone."""
        n, model = len(sites), self.expansion.model
        states = np.arange(2**n)
        spins = 2.0 * ((states[:, None] >> np.arange(n)[::-1]) & 1) - 1  # the first site in the highest bit
        energy = spins @ model.site_field[list(sites)]
        for a, b in itertools.combinations(range(n), 2):
            energy = energy + self.expansion.coupling.get((sites[a], sites[b]), 0.0) * spins[:, a] * spins[:, b]
        power = np.diag(energy.max() - energy)
        flip = dict(zip(model.flip_sites.tolist(), model.flip_element.tolist(), strict=True))
        for a, i in enumerate(sites):
            power[states, states ^ (1 << (n - 1 - a))] -= flip[i]
        power *= 0.5 * self.beta
        n_squarings = max(0, int(np.ceil(np.log2(max(1.0, power.sum(axis=1).max())))))
        power /= 2**n_squarings
        result = term = np.eye(len(states))
        for order in range(1, N_TAYLOR):
            term = term @ power / order
            result = result + term
        for _ in range(n_squarings):
            result = result @ result
            result /= result.max()
        return result


def _on_sites(term, axes, n_sites):
    """Return `term`, of sigma and ancilla spins of the sites `axes`, as an array over those of all `n_sites` sites."""
    axes = [*axes, *(a + n_sites for a in axes)]
    shape = np.ones(2 * n_sites, dtype=int)
    shape[axes] = 2
    return term.transpose(np.argsort(axes)).reshape(shape)
