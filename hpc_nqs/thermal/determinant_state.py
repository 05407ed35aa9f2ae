"""Thermal states of electrons: determinants with backflow times tables.

The determinants hold the signs and the hops of e^{-beta H/2}, the tables what repulsions weigh.  There is a table over
every orbital, over pairs of orbitals and over three that hops connect, of both spins on both layers.  The first leave
the state exact without hops as without repulsions, the second hold the exchange of two electrons of opposite spin, the
third two hops in a row past other electrons.  Infidelity of exact sums: 4-site ring, 2 + 2 electrons, U = 4 t,
T = 1: 3e-4 with the first, 3e-5 with pairs; 6-site ring, U = 8 t, T = 2: 1.3e-4 with pairs, 2.4e-5 with three.
"""

import dataclasses
import itertools

import numpy as np
from scipy.linalg import expm

from hpc_nqs.hilbert.purification import purify
from hpc_nqs.observables.electrons import build_electron_observables
from hpc_nqs.observables.green_functions import GreenAverages
from hpc_nqs.observables.layer_sums import OperatorAverages
from hpc_nqs.thermal.meter import Meter
from hpc_nqs.thermal.table_state import SignedTables
from hpc_nqs.wavefunctions.backflow_determinant import N_CODES, BackflowDeterminant
from hpc_nqs.wavefunctions.correlator_product import (
    CorrelatorProduct,
    connected_clusters,
    correlators,
    with_few_classes,
)
from hpc_nqs.wavefunctions.product import Product

RESIDUAL_LIMIT = {True: 0.003, False: 0.01}  # of kernels of rings, by whether configurations are summed
COLDEST = 1.0  # kernel of rings, over the largest hop: colder ones lose weight where determinants vanish
COLDEST_EXCHANGE = 0.5  # the same of chains where electrons exchange orbitals
MAX_SIZE = 3  # orbitals of a table
BOTH_HOP = 6, 9  # codes of a and b where the electron of the other spin hops between them, too
MAX_PARAMS = 600  # of the tables; "auto" takes them as long as they have no more


@dataclasses.dataclass
class DeterminantState(SignedTables):
    """Determinants with backflow times tables."""

    word = "determinant"
    unit_name = "tables"

    @property
    def soft_cut(self):
        """Default cut of S relative to its largest eigenvalue."""
        return 1e-6 if self.is_exact else 1e-5

    @property
    def step_scale(self):
        """The largest hop: what repulsions do is in the tables from the seed on."""
        return np.abs(self.model.exchange_element).max(initial=1e-300)

    @property
    def coldest_kernel(self):
        """Inverse temperature beyond which rings of more and hotter links are better at half filling.

        Chains with pairs of hops have noisier steps and, on colder links, local energies with heavy tails.
        """
        noisy = len(self.model.hop2_sites) > 0 and not self.is_exact
        return (COLDEST_EXCHANGE if noisy else COLDEST) / self.step_scale

    @property
    def residual_limit(self):
        """The largest residual of a link: traces cost nothing, and the sign of chains falls slowly with the links."""
        return RESIDUAL_LIMIT[self.is_exact]

    def resolved_size(self):
        """Return the orbitals of the largest tables."""
        return {"cluster_size": max(kind.units.shape[1] for kind in self.wavefunction.second.kinds) // 4}

    def control_variates(self):
        """Return None: the energy is measured as it is."""
        return None

    def observables(self, settings):
        """Return the `ElectronObservables` that an input asks for."""
        units = np.arange(self.system.n_sites)
        images = self.invariance.keeping(units).restricted(units).sources
        return build_electron_observables(settings, self.lattice, self.model, images)

    def meter(self, observables, sampler, team):
        """Return the `Meter`; the observables are averaged over the symmetries already."""
        return Meter(self, observables, sampler, team)

    def spin_averages(self, observables):
        """Return the averages of layer sums and Green functions, None where nothing asks for ratios but H."""
        averages, green = self._averages(observables, (0, 1)), observables.green
        if green is None:
            return averages
        return GreenAverages(green, self.wavefunction, len(self.model.off_diagonal_elements), averages)

    def ring_averages(self, observables):
        """Return the `OperatorAverages` of the first layer, None where nothing asks for ratios but H."""
        return self._averages(observables, (0,))

    def _averages(self, observables, layers):
        sums = observables.layer_sums
        return OperatorAverages(self.wavefunction, self.model, sums, layers) if sums else None


def build_determinant_state(plan):
    """Return the state of a `StatePlan` at its seed.

    The seed is one symmetric step, e^{-beta_0 V/4} e^{-beta_0 h/2} e^{-beta_0 V/4}, h the hops and the energies of the
    orbitals, V the repulsions: right to second order in beta_0.  See `seed_propagator` for pairs of hops.
    """
    model = plan.model
    system = purify(model, bond_features=False)
    unit_images, images = plan.groups(system)
    spin_exchange = "spin_flip" in plan.symmetries
    orbital_images = np.unique(unit_images[:, : model.n_levels] % model.n_levels, axis=0)
    colours = model.orbital_colours() if (model.hop2_element > 0).all() else None
    determinant = BackflowDeterminant(
        orbital_images, seed_propagator(model, plan.beta_0), spin_exchange, connected=model.connected_orbitals(),
        groups=model.orbital_groups(), colours=colours,
    )
    size = plan.settings.wavefunction.cluster_size
    kinds = electron_tables(plan.lattice, model, unit_images, images, size)
    tables = CorrelatorProduct(kinds, system.n_visible, unit_images)
    fill_seed(tables, model, plan.beta_0)
    return DeterminantState(
        lattice=plan.lattice, model=model, system=system, wavefunction=Product(determinant, tables),
        symmetries=plan.symmetries, order=len(images), beta_0=plan.beta_0, is_exact=plan.is_exact,
        invariance=images,
    )


def seed_propagator(model, beta_0):
    """Return A of either spin and every code, (2, M, M, 16): e^{-beta_0 h/2} and pairs of hops between two orbitals.

    With tau = beta_0/2, J K_up K_down on one pair of orbitals and K^3 = K,

        <x|e^{-tau J K_up K_down}|x'> = cosh(tau J),  -sinh(tau J) where both electrons hop,

    on states with one electron of either spin, and 1 on all others; the cosh is in the tables.  An electron that goes
    over to the other orbital has -+k, k = sqrt(tanh(tau J)), minus for spin up and J > 0, where the other spin changes
    its occupation of one of the two.  It may hop on, or come from elsewhere: that is k times half of the hop, as one
    order of both is possible alone.  So every configuration that two steps reach has its amplitude; those of two
    electrons of one spin that both go over on different sites should be of third order and are of second order.
    """
    tau, m = 0.5 * beta_0, model.n_levels
    parts = np.array([expm(-tau * part) for part in one_electron_parts(model)])
    found = np.repeat(parts[..., None], N_CODES, axis=3)
    amplitudes, signs = np.zeros((m, m)), np.ones((2, m, m))
    for (a, b), element in _exchanges(model).items():
        amplitudes[[a, b], [b, a]] = np.sqrt(np.tanh(tau * abs(element)))
        signs[0, [a, b], [b, a]] = -np.sign(element)
    groups, codes = model.orbital_groups(), np.arange(N_CODES)
    first, second = (codes ^ codes >> 1) & 1, (codes >> 2 ^ codes >> 3) & 1  # whether the layers differ at a, at b
    apart = groups[:, None] != groups
    for spin, sign in enumerate(signs):
        over, own = sign * amplitudes, np.diag(np.diag(parts[spin]))
        hops = parts[spin] - own
        found[spin] += 0.5 * ((over @ own + own @ over) * apart)[..., None] * (first | second)
        found[spin] += 0.5 * (over @ hops * apart)[..., None] * first
        found[spin] += 0.5 * (hops @ over * apart)[..., None] * second
    together = (amplitudes != 0) & ~apart
    both_hop = (parts[0] * parts[1] + signs[0] * amplitudes**2)[together]
    for spin, sign in enumerate((np.sign(both_hop), 1.0)):
        for code in BOTH_HOP:
            found[spin, together, code] = sign * np.sqrt(np.abs(both_hop))
    return found


def _exchanges(model):
    """Return {(a, b): J}, a < b, of the terms J K_up K_down on the same orbitals for both spins."""
    m, found = model.n_levels, {}
    for units, element in zip(model.hop2_sites.tolist(), model.hop2_element.tolist(), strict=True):
        up, down = sorted(units[:2]), sorted(unit - m for unit in units[2:])
        if up == down:
            found[tuple(up)] = found.get(tuple(up), 0.0) + element
    return found


def one_electron_parts(model):
    """Return h of either spin, (2, M, M): hops and energies of orbitals, from their means where numbers are fixed."""
    m = model.n_levels
    parts = np.zeros((2, m, m))
    repulsion = np.zeros(2 * m)  # c s_p s_q + c s_p + c s_q is that of n_p n_q alone
    np.add.at(repulsion, model.pair_sites.ravel(), np.repeat(model.pair_coupling, 2))
    for spin, energies in enumerate(np.split(2 * (model.site_field - repulsion), 2)):
        parts[spin] = np.diag(energies - energies.mean() if model.is_canonical else energies)
    for (p, q), element in zip(model.exchange_sites.tolist(), model.exchange_element, strict=True):
        parts[p // m, p % m, q % m] += element
        parts[p // m, q % m, p % m] += element
    return parts


def electron_tables(lattice, model, unit_images, images, size):
    """Return the tables over orbitals, pairs of them, and three that hops connect.

    Parameters
    ----------
    lattice : Lattice
    model : ElectronModel
    unit_images : (order, n_sites) intp
        Symmetries of the spin-orbitals of one layer.
    images : SignedPermutations
        Of the visible units.
    size : int or "auto"
        2: all pairs; 3: with three; "auto" takes the nearest pairs, three and further pairs, one after the other as
        long as they have no more than MAX_PARAMS parameters.

    Returns
    -------
    list of Correlators

    Raises
    ------
    ValueError
        Larger tables.
    """
    if size != "auto" and size > MAX_SIZE:
        raise ValueError(f'wavefunction.cluster_size = {size}: with kind = "determinant" at most {MAX_SIZE} orbitals')
    m = model.n_levels

    def tables(clusters):
        units = [tuple(orbital + spin for spin in (0, m) for orbital in cluster) for cluster in clusters]
        return correlators(units, unit_images, images)

    nearest, *further = _pairs_by_distance(lattice, model)
    three = [with_few_classes(kind, _pattern) for kind in tables(connected_clusters(model.exchange_sites % m, 3))]
    steps = [tables(nearest), three if size != 2 else [], *map(tables, further)]
    kinds = tables([(orbital,) for orbital in range(m)])
    for step in steps:
        if size == "auto" and sum(kind.classes.max() + 1 for kind in kinds + step) > MAX_PARAMS:
            break
        kinds = kinds + step
    return kinds


def _pairs_by_distance(lattice, model):
    """Return the pairs of orbitals at each distance, nearest first; one empty list where there is one orbital."""
    pairs = list(itertools.combinations(range(model.n_levels), 2))
    if not pairs:
        return [[]]
    sites = model.site_of(np.array(pairs, dtype=np.intp))
    distances = np.round(lattice.distances()[sites[:, 0], sites[:, 1]], 6)
    return [
        [pair for pair, d in zip(pairs, distances, strict=True) if d == distance] for distance in np.unique(distances)
    ]


def _pattern(first, second):
    """Return what a table of three orbitals sees: one electron that hops between two of them, past the third.

    Which one hops, from where to where, and who else is there; all other occupations are the same on both layers.
    """
    first, second = (first > 0).reshape(2, 3), (second < 0).reshape(2, 3)
    spins, orbitals = np.nonzero(first != second)
    if len(spins) != 2 or spins[0] != spins[1] or first[spins[0]].sum() != second[spins[0]].sum():
        return ()
    spin, third = int(spins[0]), int(3 - orbitals.sum())
    start = int(orbitals[0] if second[spin, orbitals[0]] else orbitals[1])
    return spin, start, third, bool(first[spin, third]), *map(bool, first[1 - spin])


def fill_seed(tables, model, beta_0):
    """Fill the tables with ln e^{-beta_0 V/4} of both layers, V the repulsions between their own spin-orbitals.

    And on the two orbitals of a term J, tau = beta_0/2, with ln cosh(tau J) where one electron of either spin is there
    on both layers, with -tau J where one of them hops alone, which is a hop, or the other one's hop and K_up K_down,
    and with -ln(1 - tanh(tau J)) where two of one spin are and the other spin changes: the determinant lets both go
    over, which H does not.
    """
    m, strengths, exchanges = model.n_levels, {}, _exchanges(model)
    for (p, q), coupling in zip(model.pair_sites.tolist(), model.pair_coupling.tolist(), strict=True):
        strengths.setdefault(frozenset((p % m, q % m)), []).append((p, q, 4 * coupling))

    def term(units, spins):
        # 1 where occupied: up on the first layer, down on the second
        first, second = (np.abs(part + sign) // 2 for part, sign in zip(np.split(spins, 2), (1, -1), strict=True))
        place = {unit: k for k, unit in enumerate(units[: len(first)].tolist())}
        orbitals = frozenset(unit % m for unit in place)
        repulsions = strengths.get(orbitals, ())
        energy = sum(v * (layer[place[p]] * layer[place[q]]) for p, q, v in repulsions for layer in (first, second))
        exchange = exchanges.get(tuple(sorted(orbitals)), 0.0)
        return -0.25 * beta_0 * energy + (_exchange_term(0.5 * beta_0 * exchange, first, second) if exchange else 0.0)

    tables.fill(term)


def _exchange_term(angle, first, second):
    """Return what `fill_seed` adds for J, from tau J and the occupations (4,) of both orbitals and spins."""
    first, second = first.reshape(2, 2), second.reshape(2, 2)
    numbers = np.stack([first.sum(axis=1), second.sum(axis=1)])
    hopping = [np.any(first[spin] != second[spin]) for spin in range(2)]
    if (numbers == 1).all():
        return -angle if sum(hopping) == 1 else np.log(np.cosh(angle))
    blocked = [(numbers[:, spin] == 2).all() and hopping[1 - spin] for spin in range(2)]
    return -np.log1p(-np.tanh(abs(angle))) * sum(blocked)
