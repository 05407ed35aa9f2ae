"""Thermal states of magnets that conserve Sz: an exchange permanent times tables over clusters, H unrotated.

The permanent holds the signs of e^{-beta H/2} and all ways to undo mismatches, the tables hold the weights.  Beside
all pairs of sites there are tables over connected clusters of three and four with few parameters each.  Those by the
bonds of the largest exchange suffice: 4x3 sites, J2 = 0.5, exact sums, errors of e at T = 1 and 0.5 of 1e-5 and 2e-4
with them as with those by all bonds, 5e-4 and 2e-3 without.
"""

import dataclasses
import itertools

import numpy as np
from scipy.sparse.csgraph import shortest_path

from hpc_nqs.hamiltonians.matrices import pair_matrix
from hpc_nqs.hilbert.purification import purify
from hpc_nqs.thermal.evolution import AdaptiveEvolution, PathEnds
from hpc_nqs.thermal.high_temperature.clusters import strongest_bonds
from hpc_nqs.thermal.high_temperature.networks import exchange_amplitudes, field_bias, ising_couplings
from hpc_nqs.thermal.table_state import ExchangeTables, MatchingTables
from hpc_nqs.wavefunctions.correlator_product import (
    CorrelatorProduct,
    connected_clusters,
    correlators,
    with_few_classes,
)
from hpc_nqs.wavefunctions.exchange_permanent import MAX_PAIRS, ExchangePermanent
from hpc_nqs.wavefunctions.product import Product

MAX_SIZE = 4  # sites of a cluster
MAX_PARAMS = 600  # of all tables; where larger clusters have more, "auto" leaves them out
UMBRELLA_PAIRS = 12  # largest k of umbrella samples


class PermanentEvolution(AdaptiveEvolution):
    """Steps that end where permanents become too large."""

    def advance(self, samples, evaluation, first, beta_target):
        """Make one step as `AdaptiveEvolution` does.  *Collective*.

        Raises
        ------
        PathEnds
            Samples are close to the largest number of mismatched sites that has an amplitude.
        """
        if self.system.n_sites > 2 * MAX_PAIRS:
            found = self.team.max(float(self.wavefunction.first.largest_component(samples.flat)))
            if found >= MAX_PAIRS - 1:
                raise PathEnds(
                    f"{found:.0f} pairs of mismatched sites at beta = {self.beta:.6g}; permanents are summed up to "
                    f"{MAX_PAIRS}",
                    f"Stop at higher temperatures, take {2 * MAX_PAIRS} sites or fewer, a small "
                    'wavefunction.exchange_radius, or without frustration thermal.method = "analytic"',
                )
        return super().advance(samples, evaluation, first, beta_target)


@dataclasses.dataclass
class PermanentState(MatchingTables, ExchangeTables):
    """An exchange permanent times tables."""

    word = "permanent"

    @property
    def makes_rings(self):
        """Whether there are amplitudes between all layers: none are lost where a permanent vanishes by its radius."""
        n_pairs = self.model.n_sites * (self.model.n_sites - 1)
        return bool(np.count_nonzero(self.wavefunction.first.pair_param) == n_pairs) and super().makes_rings

    @property
    def umbrella_limit(self):
        """Largest k of umbrella samples."""
        return UMBRELLA_PAIRS

    def evolution(self, regularization, control, team):
        """Return the `PermanentEvolution`."""
        return PermanentEvolution(self, regularization, control, team)


def build_permanent_state(plan):
    """Return the state of a `StatePlan` at its seed."""
    model, symmetries = plan.model, plan.symmetries
    system = purify(model, bond_features=False)
    site_images, images = plan.groups(system)
    radius = plan.settings.wavefunction.exchange_radius
    within = None if radius == "auto" else bond_distances(model) <= radius
    permanent = ExchangePermanent(site_images, exchange_amplitudes(model, plan.beta_0), within)
    size = plan.settings.wavefunction.cluster_size
    kinds = cluster_tables(strongest_bonds(model), site_images, images, size, exchange_pattern)
    tables = CorrelatorProduct(kinds, system.n_visible, site_images)
    fill_seed(tables, system, plan.beta_0)
    return PermanentState(
        lattice=plan.lattice, model=model, system=system, wavefunction=Product(permanent, tables),
        symmetries=symmetries, order=len(images), beta_0=plan.beta_0, is_exact=plan.is_exact,
        invariance=images,
    )


def bond_distances(model):
    """Return the numbers of exchange bonds between sites along the shortest path, (n_sites, n_sites), inf: no path."""
    links = np.zeros((model.n_sites, model.n_sites))
    links[tuple(model.exchange_sites.T)] = 1
    return shortest_path(links, directed=False, unweighted=True)


def cluster_tables(bonds, site_images, images, size, pattern):
    """Return the tables of all pairs of sites and of connected clusters of up to `size` sites.

    Parameters
    ----------
    bonds : (n_bonds, 2) integers
        What connects the sites of a cluster.
    site_images : (order, n_sites) intp
    images : SignedPermutations
        Of the visible units.
    size : int or "auto"
        2 to 4; "auto" is the largest with no more than MAX_PARAMS parameters.
    pattern : callable
        What tables of three and four sites see of their spins, see `with_few_classes`.

    Returns
    -------
    list of Correlators

    Raises
    ------
    ValueError
        Larger clusters.
    """
    if size != "auto" and size > MAX_SIZE:
        of = 'with kind = "permanent" or "hafnian"'
        raise ValueError(f"wavefunction.cluster_size = {size}: {of} at most {MAX_SIZE} sites")
    kinds = correlators(list(itertools.combinations(range(site_images.shape[1]), 2)), site_images, images)
    for larger in range(3, (MAX_SIZE if size == "auto" else size) + 1):
        clusters = connected_clusters(bonds, larger)
        more = kinds + [with_few_classes(kind, pattern) for kind in correlators(clusters, site_images, images)]
        if size == "auto" and sum(kind.classes.max() + 1 for kind in more) > MAX_PARAMS:
            break
        kinds = more
    return kinds


def exchange_pattern(sigma, ancilla):
    """Return what a table of three or four sites sees of their spins.

    Of three sites the mismatched one, if there is one, and the product of the spins of the others; of four the two
    sites of an exchange and the product of the spins of the others, and the product of all spins where all sites are
    matched or none is.
    """
    matched = sigma != ancilla
    mismatched = np.flatnonzero(~matched)
    if len(sigma) == 3:
        return (*mismatched, sigma[matched].prod()) if len(mismatched) == 1 else ()
    if len(mismatched) == 2 and sigma[mismatched].sum() == 0:
        return (*mismatched, sigma[matched].prod())
    return (len(mismatched), sigma.prod()) if len(mismatched) in (0, 4) else ()


def fill_seed(tables, purification, beta_0):
    """Fill the tables of pairs with what e^{-beta_0 H/2} has beside the permanent, to second order in beta_0.

    The Ising part and the field, half of either on each layer, and exchanges there and back on a bond of matched
    antiparallel spins, ln cosh(beta_0 e / 2).
    """
    model = purification.model
    couplings, bias = ising_couplings(model), field_bias(purification, beta_0)
    elements = pair_matrix(model.n_sites, model.exchange_sites, model.exchange_element)

    def term(units, spins):
        if len(units) != 4:
            return 0.0
        sites, (sigma, ancilla) = units[:2], np.split(spins, 2)
        coupling = couplings.get(tuple(sorted(sites.tolist())), 0.0)
        single = 0.0 if bias is None else bias[units] @ spins / (model.n_sites - 1)  # every site is in n - 1 pairs
        returns = np.array_equal(sigma, -ancilla) and sigma.sum() == 0
        twice = np.log(np.cosh(0.5 * beta_0 * elements[tuple(sites)])) if returns else 0.0
        return single - 0.25 * beta_0 * coupling * (sigma.prod() + ancilla.prod()) + twice

    tables.fill(term)
