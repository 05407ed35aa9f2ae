"""Thermal states of magnets with Jx != Jy or fields along x: an exchange hafnian times tables over clusters.

The hafnian holds the signs of e^{-beta H/2} and all ways to undo mismatches, by exchange of antiparallel spins, by
flips of parallel pairs and by flips of single spins, H unrotated; the tables hold the weights.  See
docs/theory/high_temperature.md, "Seed of the hafnian".
"""

import dataclasses

import numpy as np
import scipy.linalg

from hpc_nqs.hamiltonians.matrices import pair_matrix
from hpc_nqs.hilbert.purification import purify
from hpc_nqs.thermal.evolution import AdaptiveEvolution, PathEnds
from hpc_nqs.thermal.high_temperature.networks import field_bias, ising_couplings
from hpc_nqs.thermal.permanent_state import cluster_tables
from hpc_nqs.thermal.table_state import MatchingTables
from hpc_nqs.thermal.unseen_residual import unseen_variance
from hpc_nqs.wavefunctions.correlator_product import CorrelatorProduct
from hpc_nqs.wavefunctions.exchange_hafnian import MAX_MISMATCHED, ExchangeHafnian
from hpc_nqs.wavefunctions.product import Product

STRONG = 0.5  # bonds whose largest coupling is at least so large, relative to that of all, connect sites of clusters
UMBRELLA_SITES = 12  # most mismatched sites of umbrella samples


class HafnianEvolution(AdaptiveEvolution):
    """Steps that end where hafnians become too large; the residual holds what samples do not see."""

    def __init__(self, state, regularization, control, team):
        super().__init__(state, regularization, control, team)
        self.loses_pairs = state.wavefunction.first.loses_pairs

    def velocity(self, samples, evaluation):
        """Return the `Velocity` at the present parameters.  *Collective*."""
        found = super().velocity(samples, evaluation)
        if not self.loses_pairs or not found.variance > 0:
            return found
        unseen = unseen_variance(samples, evaluation, self.system, self.team)
        whole = found.variance + unseen
        return dataclasses.replace(found, residual=(found.residual * found.variance + unseen) / whole)

    def velocity_of_stage(self, samples, evaluation):
        """Return the `Velocity` without what samples do not see.  *Collective*."""
        return super().velocity(samples, evaluation)

    def advance(self, samples, evaluation, first, beta_target):
        """Make one step as `AdaptiveEvolution` does.  *Collective*.

        Raises
        ------
        PathEnds
            Samples are close to the largest number of mismatched sites that has an amplitude.
        """
        if self.system.n_sites > MAX_MISMATCHED:
            found = self.team.max(float(self.wavefunction.first.n_mismatched(samples.flat).max(initial=0)))
            if found >= MAX_MISMATCHED - 2:
                raise PathEnds(
                    f"{found:.0f} mismatched sites at beta = {self.beta:.6g}; hafnians are summed up to "
                    f"{MAX_MISMATCHED}",
                    f"Stop at higher temperatures, or take {MAX_MISMATCHED} sites or fewer",
                )
        return super().advance(samples, evaluation, first, beta_target)


@dataclasses.dataclass
class HafnianState(MatchingTables):
    """An exchange hafnian times tables; tolerances, clock and cut are those of permanents."""

    word = "hafnian"

    @property
    def umbrella_limit(self):
        """Most mismatched sites of umbrella samples."""
        return UMBRELLA_SITES

    def evolution(self, regularization, control, team):
        """Return the `HafnianEvolution`."""
        return HafnianEvolution(self, regularization, control, team)


def build_hafnian_state(plan):
    """Return the state of a `StatePlan` at its seed."""
    model, symmetries = plan.model, plan.symmetries
    system = purify(model, bond_features=False)
    site_images, images = plan.groups(system)
    hafnian = ExchangeHafnian(site_images, pair_factors(model, plan.beta_0), single_factors(model, plan.beta_0))
    size = plan.settings.wavefunction.cluster_size
    kinds = cluster_tables(strong_bonds(model), site_images, images, size, _pattern)
    tables = CorrelatorProduct(kinds, system.n_visible, site_images)
    fill_seed(tables, system, plan.beta_0)
    return HafnianState(
        lattice=plan.lattice, model=model, system=system, wavefunction=Product(hafnian, tables),
        symmetries=symmetries, order=len(images), beta_0=plan.beta_0, is_exact=plan.is_exact,
        invariance=images,
    )


def element_matrices(model):
    """Return the elements of the exchange of antiparallel and of the flip of parallel spins, (2, n_sites, n_sites)."""
    terms = (model.exchange_sites, model.exchange_element), (model.parallel_sites, model.parallel_element)
    return np.array([pair_matrix(model.n_sites, *each) for each in terms])


def pair_factors(model, beta_0):
    """Return r and q (2, n_sites, n_sites) of e^{-beta_0 H/2}, to second order in beta_0.

    With E and P the elements of antiparallel and parallel pairs,

        r +- q = exp[-beta_0 (E +- P) / 2]  off the diagonal,

    E + P = J^x / 2, E - P = J^y / 2: what S^x S^x does alone, and S^y S^y.  Two terms in a row that share a matched
    site k give E_ik E_kj + P_ik P_kj to antiparallel and E_ik P_kj + P_ik E_kj to parallel i and j, in the mean over
    its spin.
    """
    exchange, creation = element_matrices(model)
    of_x, of_y = (scipy.linalg.expm(-0.5 * beta_0 * (exchange + sign * creation)) for sign in (1, -1))
    factors = 0.5 * np.stack([of_x + of_y, of_x - of_y])
    factors[:, range(model.n_sites), range(model.n_sites)] = 0.0
    return factors


def single_factors(model, beta_0):
    """Return l (n_sites,) of e^{-beta_0 H/2}, to second order in beta_0 and exact for spins in fields alone.

    With f the elements of flips and X = E + P = J^x / 2

        l = -tau (1 - e^{-tau X}) / (tau X) f~,   tau = beta_0 / 2,  f~_i = sinh(tau f_i) / tau:

    -tau f_i, and a pair i, k with k flipped back, in either order, whatever its spin.
    """
    n, tau, fields = model.n_sites, 0.5 * beta_0, np.zeros(model.n_sites)
    np.add.at(fields, model.flip_sites, model.flip_element)
    matrix = np.zeros((n + 1, n + 1))
    matrix[:n, :n] = -tau * element_matrices(model).sum(axis=0)
    matrix[:n, n] = -np.sinh(tau * fields)
    return scipy.linalg.expm(matrix)[:n, n]  # its last column holds (e^A - 1) / A of the last column of the exponent


def strong_bonds(model):
    """Return the bonds that connect clusters, (n, 2): any of J^x, J^y, J^z is at least STRONG of the largest one."""
    exchange, creation = element_matrices(model)
    strength = 2 * (np.abs(exchange) + np.abs(creation))  # the larger one of |J^x| and |J^y|
    for (i, k), coupling in ising_couplings(model).items():
        strength[i, k] = strength[k, i] = max(strength[i, k], 4 * abs(coupling))
    return np.argwhere(np.triu(strength >= STRONG * strength.max(), 1))


def _pattern(sigma, ancilla):
    """Return what a table of three or four sites sees of their spins, as that of a permanent does.

    Of three sites the mismatched one, if there is one, and the product of the spins of the others; of four the two that
    are mismatched, whether they are parallel, and the product of the spins of the others, and the product of all spins
    where all sites are matched or none is.
    """
    matched = sigma == ancilla
    mismatched = np.flatnonzero(~matched)
    if len(sigma) == 3:
        return (*mismatched, sigma[matched].prod()) if len(mismatched) == 1 else ()
    if len(mismatched) == 2:
        return (*mismatched, sigma[mismatched].prod(), sigma[matched].prod())
    return (len(mismatched), sigma.prod()) if len(mismatched) in (0, 4) else ()


def fill_seed(tables, purification, beta_0):
    """Fill the tables of pairs with what e^{-beta_0 H/2} has beside the hafnian, to second order in beta_0.

    The Ising part and the field along z, half of either on each layer, and two flips of a bond of matched spins or of
    one such spin, there and back, ln cosh(beta_0 e / 2) with the element e of antiparallel or parallel ones, or of one.
    """
    model = purification.model
    couplings, bias = ising_couplings(model), field_bias(purification, beta_0)
    elements, flips = element_matrices(model), np.zeros(model.n_sites)
    np.add.at(flips, model.flip_sites, model.flip_element)
    there_and_back = np.log(np.cosh(0.5 * beta_0 * flips)) / (model.n_sites - 1)

    def term(units, spins):
        if len(units) != 4:
            return 0.0
        sites, (sigma, ancilla) = units[:2], np.split(spins, 2)
        coupling = couplings.get(tuple(sorted(sites.tolist())), 0.0)
        single = 0.0 if bias is None else bias[units] @ spins / (model.n_sites - 1)  # every site is in n - 1 pairs
        single += there_and_back[sites] @ (sigma == ancilla)
        element = elements[int(sigma.prod() > 0), *sites] if np.array_equal(sigma, ancilla) else 0.0
        twice = np.log(np.cosh(0.5 * beta_0 * element))
        return single - 0.25 * beta_0 * coupling * (sigma.prod() + ancilla.prod()) + twice

    tables.fill(term)
