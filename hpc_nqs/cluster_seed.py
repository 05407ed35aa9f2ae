"""Tables over clusters that represent e^{-beta_0 H/2} Psi(0), written down by hand.

The reference function of `wavefunctions.mismatches` stands at an inverse temperature of its own, larger than beta_0:
where it is too small, chains would never visit configurations that the evolution wants to fill.  The tables take it
down to beta_0 by a factor per mismatched site, correct its amplitudes on the clusters to sums over matchings, and
hold the diagonal part of H.

In a transverse field there is no reference function: all amplitudes are positive, and the tables hold a
`cluster_expansion` of the whole state.
"""

import itertools

import numpy as np

from hpc_nqs.cluster_expansion import ClusterExpansion
from hpc_nqs.seed import exchange_amplitudes, field_bias, ising_couplings
from hpc_nqs.wavefunctions.clusters import ClusterFactor, cluster_kinds, connected_clusters
from hpc_nqs.wavefunctions.mismatches import SMOOTH, MismatchFactor
from hpc_nqs.wavefunctions.pairing import ProductState

REFERENCE_BETA = 0.5  # of the reference function, in units of the inverse of the largest coupling
FRUSTRATED_BETA = 2.0  # the same where exchanges are frustrated
SMALLEST = 0.1  # sum over matchings that cancel each other, in units of the reference function


def lattice_clusters(model, size):
    """Return all clusters of `size` sites that the bonds of the largest coupling connect, as tuples."""
    strength = np.abs(model.pair_coupling)
    return connected_clusters(model.pair_sites[strength > (1 - 1e-9) * strength.max(initial=0.0)], size)


def cluster_state(purification, site_images, images, size, beta_0, strongest):
    """Return the seed at `beta_0`: tables over pairs and connected clusters, times a reference function for exchange.

    Parameters
    ----------
    purification : Purification
    site_images : (order, n_sites) intp
        Lattice symmetries.
    images : (order', n_visible) intp
        Symmetries of the visible units as signed gathers.
    size : int
        Sites of the connected clusters.
    beta_0 : float
    strongest : float
        The largest coupling.

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
    frustrated = bool(np.any(model.exchange_element > 0))
    beta = FRUSTRATED_BETA / strongest if frustrated else max(beta_0, REFERENCE_BETA / strongest)
    amplitudes, wanted = exchange_amplitudes(model, beta), np.abs(exchange_amplitudes(model, beta_0))
    reference = np.abs(amplitudes)
    scale = wanted.max() / reference.max()
    # sigma_i ancilla_i = 1 on a mismatched site and -1 elsewhere
    on_site = np.full(model.n_sites, 0.25 * np.log(scale))
    bonds = map(tuple, model.exchange_sites.tolist())
    weaker = {tuple(sorted(bond)): np.log(wanted[bond] / (scale * reference[bond])) for bond in bonds}
    factor.fill(
        lambda units, spins: _pair_term(purification, beta_0, on_site, units, spins)
        + _matching_term(amplitudes, frustrated, weaker, units, spins)
    )
    return ProductState(MismatchFactor(reference, amplitudes if frustrated else None), factor), None


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


def _matching_term(amplitudes, frustrated, weaker, units, spins):
    """Return ln(abs(sum over matchings) / reference function) of a cluster whose sites are all mismatched, else 0.

    `weaker` holds by bond the logarithm of how much faster the amplitude of a weaker bond grows from beta_0 on.
    """
    sigma, ancilla = np.split(spins, 2)
    sites = units[: len(sigma)]
    pairs = amplitudes[np.ix_(sites[sigma > 0], sites[sigma < 0])]
    if np.any(sigma != ancilla) or pairs.shape[0] != pairs.shape[1] or not pairs.all():
        return 0.0
    reference, matched = np.sqrt(np.prod(np.abs(pairs).sum(axis=0) * np.abs(pairs).sum(axis=1))), permanent(pairs)
    if frustrated:
        reference = np.hypot(matched, SMOOTH * reference)
    growth = weaker.get(tuple(sorted(sites.tolist())), 0.0)
    return growth + np.log(max(SMALLEST, abs(matched) / reference))


def permanent(matrix):
    """Return the permanent of a small square matrix, the sum over all ways to match rows with columns."""
    n = len(matrix)
    return sum(np.prod(matrix[range(n), list(columns)]) for columns in itertools.permutations(range(n)))
