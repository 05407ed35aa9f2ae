"""Tables over clusters that represent e^{-beta_0 H/2} Psi(0), written down by hand.

They multiply a positive function of the mismatched sites, `wavefunctions.mismatch_factor`, which knows about in how
many ways exchanges undo the mismatches of a magnet without frustration.  The tables correct it on small clusters to
sums over matchings and hold the diagonal part of H.  The function stands at an inverse temperature of its own, larger
than beta_0: where it is too small, chains would never visit configurations that the evolution wants to fill.  There
the tables take it down to beta_0 by a factor per mismatched site.

In a transverse field there is no such function: all amplitudes are positive, and the tables hold a
`cluster_expansion` of the whole state.
"""

import itertools

import numpy as np

from hpc_nqs.thermal.high_temperature.cluster_expansion import ClusterExpansion
from hpc_nqs.thermal.high_temperature.networks import exchange_amplitudes, field_bias, ising_couplings
from hpc_nqs.wavefunctions.correlator_product import CorrelatorProduct, connected_clusters, correlators
from hpc_nqs.wavefunctions.mismatch_factor import MismatchFactor
from hpc_nqs.wavefunctions.product import Product

REFERENCE_BETA = 0.5  # of the positive function, in units of the inverse of the largest coupling


def strongest_bonds(model):
    """Return the bonds of the largest exchange, of the largest coupling where there is none, (n, 2)."""
    exchange = model.exchange_sites, model.exchange_element
    sites, strength = exchange if len(model.exchange_sites) else (model.pair_sites, model.pair_coupling)
    strength = np.abs(strength)
    return sites[strength > (1 - 1e-9) * strength.max(initial=0.0)]


def lattice_clusters(model, size):
    """Return all clusters of `size` sites that the bonds of the largest coupling connect, as tuples."""
    return connected_clusters(strongest_bonds(model), size)


def correlator_state(purification, site_images, images, size, beta_0, strongest):
    """Return the seed at `beta_0`: tables over pairs and connected clusters, times a mismatch function for exchange.

    Parameters
    ----------
    purification : Purification
    site_images : (order, n_sites) intp
        The lattice symmetries of the state.
    images : SignedPermutations
        Symmetries of the visible units.
    size : int
        Sites of the connected clusters.
    beta_0 : float
    strongest : float
        The largest coupling.

    Returns
    -------
    state : CorrelatorProduct or Product
        The second for a model with exchange.
    expansion : ClusterExpansion or None
        What fills the tables at other temperatures, in a transverse field.
    """
    model = purification.model
    pairs = list(itertools.combinations(range(model.n_sites), 2))
    kinds = correlators(pairs + (lattice_clusters(model, size) if size > 2 else []), site_images, images)
    factor = CorrelatorProduct(kinds, purification.n_visible, site_images)
    if not model.conserves_sz:
        expansion = ClusterExpansion(model, factor)
        expansion.fill(beta_0)
        return factor, expansion
    return _positive_state(purification, factor, beta_0, REFERENCE_BETA / strongest), None


def _positive_state(purification, factor, beta_0, reference_beta):
    """Fill the tables `factor` and return their product with the positive function of mismatched sites."""
    model = purification.model
    reference = exchange_amplitudes(model, max(beta_0, reference_beta))
    wanted = exchange_amplitudes(model, beta_0)
    scale = wanted.max() / reference.max()
    # sigma_i ancilla_i = 1 on a mismatched site and -1 elsewhere
    on_site = np.full(model.n_sites, 0.25 * np.log(scale))
    bonds = map(tuple, model.exchange_sites.tolist())
    weaker = {tuple(sorted(bond)): np.log(wanted[bond] / (scale * reference[bond])) for bond in bonds}
    couplings = ising_couplings(model)

    def term(units, spins):
        pair = _pair_term(purification, beta_0, couplings, on_site, units, spins)
        return pair + _matching_term(reference, weaker, units, spins)

    factor.fill(term)
    return Product(MismatchFactor(reference), factor)


def _pair_term(purification, beta_0, couplings, on_site, units, spins):
    """Return what a pair of sites carries of the Ising part, the field along z and sum_i a_i sigma_i ancilla_i."""
    if len(units) != 4:
        return 0.0
    sites, (sigma, ancilla) = units[:2], np.split(spins, 2)
    coupling = couplings.get(tuple(sorted(sites.tolist())), 0.0)
    bias = field_bias(purification, beta_0)
    single = on_site[sites] @ (sigma * ancilla) + (0.0 if bias is None else bias[units] @ spins)
    # half of e^{-beta_0 c s s / 2} on each layer; every site is in n - 1 pairs
    return single / (purification.n_sites - 1) - 0.25 * beta_0 * coupling * (sigma.prod() + ancilla.prod())


def _mismatched(units, spins):
    """Return the sites with sigma = ancilla = 1 and those with -1 where all sites of a cluster mismatch, else None."""
    sigma, ancilla = np.split(spins, 2)
    sites = units[: len(sigma)]
    if np.any(sigma != ancilla) or sigma.sum() != 0:
        return None
    return sites[sigma > 0], sites[sigma < 0]


def _matching_term(amplitudes, weaker, units, spins):
    """Return ln(sum over matchings / positive function) of a cluster whose sites are all mismatched, else 0.

    `weaker` holds by bond the logarithm of how much faster the amplitude of a weaker bond grows from beta_0 on.
    """
    sides = _mismatched(units, spins)
    if sides is None:
        return 0.0
    pairs = amplitudes[np.ix_(*sides)]
    if not pairs.all():
        return 0.0
    growth = weaker.get(tuple(sorted(np.concatenate(sides).tolist())), 0.0)
    return growth + np.log(permanent(pairs)) - 0.5 * np.log(pairs.sum(axis=0) * pairs.sum(axis=1)).sum()


def permanent(matrix):
    """Return the permanent of a small square matrix, the sum over all ways to match rows with columns."""
    n = len(matrix)
    return sum(np.prod(matrix[range(n), list(columns)]) for columns in itertools.permutations(range(n)))
