"""From settings to the electrons and the wave function at the start of a ground-state run.

Psi = (sum of pair determinants over a projection) x (tables over pairs of orbitals) x (real RBM of occupations).  The
tables hold what Gutzwiller and Jastrow factors do, on-site repulsion, density-density, spin-spin and doublon-holon
correlations at every distance.  They and the network share all that is projected onto, so that the projection is one
of the determinants alone.
"""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator, Philox

from hpc_nqs.ground_state.ansatz import FEATURE_STREAM, UNPROJECTED
from hpc_nqs.ground_state.mean_field import likely_momentum, paired_mean_field
from hpc_nqs.hamiltonians.electron_model import ElectronModel
from hpc_nqs.hilbert.electrons import ElectronSystem, electron_system
from hpc_nqs.lattices.lattice import Lattice
from hpc_nqs.sampling.enumeration import sums_exactly
from hpc_nqs.symmetry.quantum_numbers import IRREPS, Sector, has_real_characters, projector
from hpc_nqs.symmetry.signed_permutations import SignedPermutations
from hpc_nqs.symmetry.site_permutations import site_symmetries, translations
from hpc_nqs.wavefunctions.correlator_product import CorrelatorProduct, correlators
from hpc_nqs.wavefunctions.pair_determinant import PairDeterminant
from hpc_nqs.wavefunctions.product import Product
from hpc_nqs.wavefunctions.rbm import RBM, Feature

# Hidden units per spin-orbital, with exact sums and with chains.  Eight sites, U = 8, sums: e off by 1.9e-3 with 4, by
# 8e-5 with 16; sixteen sites, chains: nothing gained.
ALPHA = {True: 16.0, False: 4.0}
GUTZWILLER = 0.12  # tau of the tables at the start, over the largest hop: near the best one at U/t of 4 to 8
MAX_TABLE_PARAMS = 400  # of the tables: nearest pairs first, as long as they have no more
WEIGHT_SIZE = 0.1  # of the weights of one feature, in units of 1 / sqrt(number of its images)
WORD = "pair_rbm"


@dataclass
class ElectronAnsatz:
    """A wave function and the electrons it lives on.

    Attributes
    ----------
    lattice : Lattice
    model : ElectronModel
    system : ElectronSystem
    wavefunction : Product
        Of determinants and of tables times network.
    word : str
        The word of `wavefunction.kind`.
    symmetries : tuple of str
        Those shared by tables and network.
    sector : Sector
        Quantum numbers that are projected onto.
    order : int
        Number of images in the projection.
    """

    lattice: Lattice
    model: ElectronModel
    system: ElectronSystem
    wavefunction: object
    word: str
    symmetries: tuple
    sector: Sector
    order: int

    def unprojected(self):
        """Return the same state without its projection."""
        if self.order == 1:
            return self
        pairs = self.wavefunction.first.unprojected()
        wavefunction = Product(pairs, self.wavefunction.second)
        return replace(self, wavefunction=wavefunction, sector=Sector(), order=1)

    def invariance(self):
        """Return unit permutations that leave abs(Psi)^2 unchanged, `SignedPermutations`, the identity first.

        Translations of momenta K = -K, and the exchange of the spins; states of K and -K together, as real ones of
        other momenta are, are not invariant.
        """
        found = np.arange(self.model.n_sites)[None, :]
        if self._is_translational():
            found = translations(self.lattice, self.model)
        return SignedPermutations(_with_exchange(found, self.sector.spin_parity is not None))

    def _is_translational(self):
        """Return whether every translation leaves abs(Psi)^2 alone."""
        momentum = self.sector.momentum
        if momentum is None:
            return self.wavefunction.first.is_shared
        return has_real_characters(momentum, self.lattice)


def electron_sector(settings, lattice, model):
    """Return the `Sector` of a run of one sector."""
    part, choice = settings.ground_state, settings.wavefunction
    name = None if part.point_group in UNPROJECTED else part.point_group
    momentum = None if part.momentum in UNPROJECTED else tuple(part.momentum)
    if part.momentum == "auto" and choice.symmetries == "auto":
        momentum = likely_momentum(lattice, model)
    parity = part.spin_parity
    if parity == "auto":
        shares = choice.symmetries == "auto" or "spin_flip" in choice.symmetries
        parity = 1 if shares and has_parity(model) else None
    return Sector(momentum, name, parity, orbital_parity=orbital_parities(model)[0])


def has_parity(model):
    """Return whether the exchange of both spins is a symmetry of the states with these numbers of electrons."""
    return model.n_up == model.n_down and model.spin_exchange_symmetric


def point_representations(lattice, model):
    """Return the names of the one-dimensional representations of the point group of a lattice without translations."""
    found = []
    for name in IRREPS:
        try:
            images, _ = _projection(Sector(None, name), lattice, model)
        except ValueError:  # no point group, or not this representation
            continue
        if len(images) > 1:
            found.append(name)
    return found


def build_electron_ansatz(settings, lattice, model, seed, sector=None):
    """Return the `ElectronAnsatz` that `settings` ask for; parameters as `build_spin_ansatz`.

    Raises
    ------
    ValueError
        A sector that does not exist for the model, or a chemical potential.
    """
    choice, system = settings.wavefunction, electron_system(model)
    sector = sector or electron_sector(settings, lattice, model)
    if sector.spin_parity is not None and not has_parity(model):
        raise ValueError(
            f"ground_state.spin_parity = {sector.spin_parity}: the exchange of both spins is no symmetry (it needs "
            "n_up = n_down and no field along z)"
        )
    stream = Generator(Philox(key=np.array([seed, FEATURE_STREAM], dtype=np.uint64)))
    symmetries = shared_symmetries(choice, sector, lattice, model)
    is_exact = sums_exactly(settings.sampling, system.n_visible, system.n_up)
    pairs = _pairs(lattice, model, sector, symmetries, stream, is_exact)
    units = _with_exchange(_lattice_images(lattice, model, symmetries), "spin_flip" in symmetries)
    images = SignedPermutations(units)
    tables = CorrelatorProduct(_tables(lattice, model, symmetries, images), system.n_visible)
    tables.fill(_gutzwiller(model))
    network = _network(ALPHA[is_exact] if choice.alpha == "auto" else choice.alpha, lattice, model, images, stream)
    wavefunction = Product(pairs, Product(tables, network))
    return ElectronAnsatz(lattice, model, system, wavefunction, WORD, symmetries, sector, len(pairs.images))


def shared_symmetries(choice, sector, lattice, model):
    """Return the names of the symmetries that tables and network share: those asked for and all that are projected.

    "auto" asks for translations, where there are any, or else the point group, and the exchange of the spins.

    Raises
    ------
    ValueError
        The exchange of the spins where it is no symmetry.
    """
    wanted = set(choice.symmetries)
    if "spin_flip" in choice.symmetries and not has_parity(model):
        raise ValueError(
            'wavefunction.symmetries: "spin_flip", the exchange of both spins, is no symmetry (it needs n_up = n_down)'
        )
    if choice.symmetries == "auto":
        wanted = {"translation" if len(translations(lattice, model)) > 1 else "point_group"}
    if sector.momentum is not None:
        wanted.add("translation")
    if sector.point_group is not None:
        wanted.add("point_group")
    if sector.spin_parity is not None:
        wanted.add("spin_flip")
    return tuple(name for name in ("translation", "point_group", "spin_flip") if name in wanted)


def _pairs(lattice, model, sector, symmetries, stream, is_exact):
    """Return the projected pair determinants, from a Slater determinant with weak antiferromagnetic order.

    Without a projected momentum pairs share translations where these are among the symmetries and no electron is
    unpaired.
    """
    m, n_rows = model.n_levels, max(model.filling)
    orbitals, coefficients = _projection(sector, lattice, model)
    exchanged, signs = np.zeros(len(orbitals), dtype=bool), np.ones(orbitals.shape)
    if sector.spin_parity is not None:
        exchanged = np.repeat([False, True], len(orbitals))
        orbitals, signs = np.tile(orbitals, (2, 1)), np.tile(signs, (2, 1))
        coefficients = np.concatenate([coefficients, sector.spin_parity * coefficients])
    if sector.orbital_parity is not None:
        of_groups, factors = _group_signs(sector.orbital_parity, model)
        signs = np.repeat(of_groups, len(orbitals), axis=0)
        coefficients = np.repeat(factors, len(orbitals)) * np.tile(coefficients, len(factors))
        orbitals, exchanged = np.tile(orbitals, (len(factors), 1)), np.tile(exchanged, len(factors))
    shared = None
    if sector.momentum is None and "translation" in symmetries and model.n_up == model.n_down:
        shared = translations(lattice, model)[:, :m]
    start = paired_mean_field(model, stream, is_exact, shared)
    return PairDeterminant(start, n_rows, model.n_down > model.n_up, orbitals, coefficients, exchanged, shared, signs)


def _group_signs(parities, model):
    """Return (signs of the orbitals (n, n_levels), coefficients (n,)) that project onto parities of the groups.

    prod_k (1 + (-1)^(p_k + N_k)) / 2 over all groups but the first, whose parity follows from the number of electrons.
    """
    groups = model.orbital_groups()
    signs, coefficients = np.ones((1, model.n_levels)), np.ones(1)
    for group, parity in enumerate(parities[1:], 1):
        flipped = np.where(groups == group, -1.0, 1.0)
        signs = np.concatenate([signs, signs * flipped])
        coefficients = np.concatenate([coefficients, (-1) ** parity * coefficients])
    return signs, coefficients


def orbital_parities(model):
    """Return the parities that the groups of orbitals can have, likely ones first, tuples; None alone for one group.

    Likely are electrons that are spread evenly over the groups.
    """
    groups = model.orbital_groups()
    n_groups, n_electrons = int(groups.max()) + 1, sum(model.filling)
    if n_groups == 1:
        return [None]
    sizes = 2 * np.bincount(groups)
    numbers = [n_electrons * (k + 1) // n_groups - n_electrons * k // n_groups for k in range(n_groups)]
    likely = tuple(n % 2 for n in reversed(numbers))
    found = [p for p in itertools.product((0, 1), repeat=n_groups) if sum(p) % 2 == n_electrons % 2]
    possible = [p for p in found if sum(p) <= n_electrons and sum(sizes - (sizes + p) % 2) >= n_electrons]
    return sorted(possible, key=lambda parities: parities != likely)


def _projection(sector, lattice, model):
    """Return (images of the orbitals (order, n_levels), real coefficients) of momentum and point group.

    Real parts of the characters: they project onto K and -K together, whose levels are the same.
    """
    of_sites = Sector(sector.momentum, sector.point_group)
    images, coefficients = projector(of_sites, lattice, model.site_graph(), None)
    units = model.on_units(images.sources)
    known = {row.tobytes() for row in site_symmetries(lattice, model)}
    if not all(row.tobytes() in known for row in units):
        raise ValueError(f"ground_state: not every symmetry of {sector} leaves the model unchanged")
    coefficients = coefficients.real
    kept = np.abs(coefficients) > 1e-12  # those of K with 2 K = pi do nothing
    return np.ascontiguousarray(units[kept, : model.n_levels]), coefficients[kept]


def _lattice_images(lattice, model, symmetries):
    """Return the shared lattice symmetries as permutations (order, n_units) of the units."""
    return site_symmetries(lattice, model, [name for name in symmetries if name != "spin_flip"])


def _with_exchange(units, exchanges):
    """Return permutations of the units, and those followed by the exchange of both spins."""
    if not exchanges:
        return units
    exchange = np.roll(np.arange(units.shape[1]), units.shape[1] // 2)
    return np.concatenate([units, units[:, exchange]])


def _tables(lattice, model, symmetries, images):
    """Return the tables over single orbitals and pairs of them, nearest ones first."""
    m = model.n_levels
    orbital_images = np.unique(_lattice_images(lattice, model, symmetries)[:, :m] % m, axis=0)
    kinds = correlators([(orbital,) for orbital in range(m)], orbital_images, images)
    first, second = np.triu_indices(m, 1)
    distances = np.round(lattice.distances()[first // model.n_orbitals, second // model.n_orbitals], 6)
    n_params = 0
    for distance in np.unique(distances):
        pairs = list(zip(*(part[distances == distance].tolist() for part in (first, second)), strict=True))
        found = correlators(pairs, orbital_images, images)
        n_params += sum(int(kind.classes.max()) + 1 for kind in found)
        if n_params > MAX_TABLE_PARAMS:
            break
        kinds += found
    return kinds


def _gutzwiller(model):
    """Return the function that fills the tables with -tau V n_p n_q of all repulsions, where the descent begins."""
    m, strengths = model.n_levels, {}
    tau = GUTZWILLER / (np.abs(model.exchange_element).max(initial=0.0) or 1.0)
    for (p, q), coupling in zip(model.pair_sites.tolist(), model.pair_coupling.tolist(), strict=True):
        strengths.setdefault(frozenset((p % m, q % m)), []).append((p, q, 4 * coupling))

    def term(units, spins):
        occupied = dict(zip(units.tolist(), (spins > 0).tolist(), strict=True))
        pairs = strengths.get(frozenset(unit % m for unit in occupied), ())
        return -tau * sum(v for p, q, v in pairs if occupied[p] and occupied[q])

    return term


def _network(alpha, lattice, model, images, stream):
    """Return a real RBM of the occupations with small random weights around random sites, and hidden biases."""
    n_units = model.n_sites
    n_features = max(1, round(alpha * n_units / len(images)))
    size = WEIGHT_SIZE / np.sqrt(max(1.0, len(images) * n_features / n_units))
    sites, features = model.site_of(np.arange(n_units)), []
    for _ in range(n_features):
        envelope = size * np.exp(-0.5 * lattice.distances()[int(stream.integers(lattice.n_sites))][sites])
        features.append(Feature(envelope * stream.standard_normal(n_units), bias=size * stream.standard_normal()))
    return RBM(features, images, n_units)
