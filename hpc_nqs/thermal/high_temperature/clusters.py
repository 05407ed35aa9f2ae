"""Tables over clusters that represent e^{-beta_0 H/2} Psi(0), written down by hand.

They multiply a function of the mismatched sites, which knows in how many ways exchanges undo the mismatches: without
frustration the positive one of `wavefunctions.mismatches`, with it a pair product, whose pairings hop with flux pi
through the plaquettes (`flux`) and carry the signs.  The tables correct it on small clusters to sums over matchings
and hold the diagonal part of H.  The positive function stands at an inverse temperature of its own, larger than
beta_0: where it is too small, chains would never visit configurations that the evolution wants to fill.  There the
tables take it down to beta_0 by a factor per mismatched site.

In a transverse field there is no such function: all amplitudes are positive, and the tables hold a
`cluster_expansion` of the whole state.
"""

import itertools

import numpy as np

from hpc_nqs.hilbert.purification import input_images
from hpc_nqs.symmetry.signed_permutations import SignedPermutations
from hpc_nqs.symmetry.site_permutations import site_symmetries
from hpc_nqs.thermal.high_temperature.cluster_expansion import ClusterExpansion
from hpc_nqs.thermal.high_temperature.flux import has_triangles, hopping_signs
from hpc_nqs.thermal.high_temperature.networks import exchange_amplitudes, field_bias, ising_couplings, seed_pairings
from hpc_nqs.wavefunctions.correlator_product import CorrelatorProduct, connected_clusters, correlators
from hpc_nqs.wavefunctions.mismatch_factor import MismatchFactor
from hpc_nqs.wavefunctions.pair_product import PairProduct
from hpc_nqs.wavefunctions.product import Product
from hpc_nqs.wavefunctions.wavefunction import log_psi

REFERENCE_BETA = 0.5  # of the positive function, in units of the inverse of the largest coupling
NO_MATCHING = 1e-6  # a sum over matchings this small, in units of the largest amplitude of as many, is none
ZERO = 0.1  # a determinant below this part of the sum over matchings is a zero of the state: no table makes up for it


def strongest_bonds(lattice, model):
    """Return the bonds of the largest exchange, of the largest coupling where there is none, (n, 2).

    Of several lengths with the same exchange, as for J1 = J2, the shortest if they form triangles together; a custom
    lattice has no lengths.
    """
    exchange = model.exchange_sites, model.exchange_element
    sites, strength = exchange if len(model.exchange_sites) else (model.pair_sites, model.pair_coupling)
    strength = np.abs(strength)
    bonds = sites[strength > (1 - 1e-9) * strength.max(initial=0.0)]
    if lattice.positions is None:
        return bonds
    lengths = np.linalg.norm(lattice.displacement(*bonds.T), axis=-1)
    shortest = lengths < (1 + 1e-9) * lengths.min(initial=np.inf)
    return bonds if shortest.all() or not has_triangles(model.n_sites, bonds) else bonds[shortest]


def lattice_clusters(lattice, model, size):
    """Return all clusters of `size` sites that the bonds of the largest coupling connect, as tuples."""
    return connected_clusters(strongest_bonds(lattice, model), size)


def correlator_state(purification, lattice, symmetries, site_images, images, size, beta_0, strongest):
    """Return the seed at `beta_0`: tables over pairs and connected clusters, times a mismatch function for exchange.

    Parameters
    ----------
    purification : Purification
    lattice : Lattice
    symmetries : tuple of str
        Those that the state has.
    site_images : (order, n_sites) intp
        The lattice symmetries among them.
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
    kinds = correlators(pairs + (lattice_clusters(lattice, model, size) if size > 2 else []), site_images, images)
    factor = CorrelatorProduct(kinds, purification.n_visible)
    if not model.conserves_sz:
        expansion = ClusterExpansion(model, factor)
        expansion.fill(beta_0)
        return factor, expansion
    if model.has_positive_exchange:
        return _signed_state(purification, lattice, symmetries, factor, beta_0), None
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


def _signed_state(purification, lattice, symmetries, factor, beta_0):
    """Fill the tables `factor` and return their product with a pair product of flux pi."""
    pairs = flux_pairs(purification, lattice, symmetries, beta_0)
    amplitudes, nothing = exchange_amplitudes(purification.model, beta_0), np.zeros(purification.n_sites)
    couplings = ising_couplings(purification.model, paired=True)

    def term(units, spins):
        of_pair = _pair_term(purification, beta_0, couplings, nothing, units, spins)
        return of_pair + _determinant_term(purification, pairs, amplitudes, units, spins)

    factor.fill(term)
    return Product(pairs, factor)


def flux_pairs(purification, lattice, symmetries, beta_0):
    """Return the `PairProduct` of the seed with flux pi through the plaquettes of the strongest bonds.

    Lattice symmetries keep the pairings up to signs; translations alone do where there are any, which leaves freedom
    for pairings beyond s-wave.

    Parameters
    ----------
    purification : Purification
    lattice : Lattice
    symmetries : tuple of str
        Those that the state shall have.
    beta_0 : float
    """
    model, n = purification.model, purification.n_sites
    names = [name for name in symmetries if name in ("translation", "point_group")]
    site_images = site_symmetries(lattice, model, [name for name in names if name == "translation"])
    if len(site_images) == 1:
        site_images = site_symmetries(lattice, model, names)
    signs, kept, gauge = hopping_signs(lattice, strongest_bonds(lattice, model), site_images)
    images = input_images(purification, site_images[kept], "layer_exchange" in symmetries, False)
    permutations = images.restricted(np.arange(2 * n)).sources
    group = SignedPermutations(permutations, np.tile(gauge, (len(images) // len(kept), 2)))
    pairings, layer_sign = seed_pairings(purification, beta_0)
    signed = {(v, w): x * (signs[v % n, w % n] or 1) for (v, w), x in pairings.items()}
    return PairProduct(group, signed, layer_sign)


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


def _determinant_term(purification, pairs, amplitudes, units, spins):
    """Return ln(abs(sum over matchings / pair product)) of a cluster whose sites are all mismatched, else 0.

    The pair product relative to the configuration of the same sigma without mismatches.
    """
    sides = _mismatched(units, spins)
    if sides is None:
        return 0.0
    up, down = sides
    sigma = np.ones(purification.n_sites, dtype=np.int8)
    sigma[down] = -1
    ancilla = -sigma
    matched = np.concatenate([sigma, ancilla])
    ancilla[up], ancilla[down] = 1, -1
    both = log_psi(pairs, purification.moves, np.stack([np.concatenate([sigma, ancilla]), matched]))
    found, wanted = np.exp((both[0] - both[1]).real), abs(permanent(amplitudes[np.ix_(up, down)]))
    has_matchings = wanted > NO_MATCHING * np.abs(amplitudes).max() ** len(up)
    return float(np.log(wanted / found)) if has_matchings and found > ZERO * wanted else 0.0


def permanent(matrix):
    """Return the permanent of a small square matrix, the sum over all ways to match rows with columns."""
    n = len(matrix)
    return sum(np.prod(matrix[range(n), list(columns)]) for columns in itertools.permutations(range(n)))
