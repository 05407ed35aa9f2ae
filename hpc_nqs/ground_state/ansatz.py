"""From settings to the spins and the wave function at the start of a ground-state run."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator, Philox

from hpc_nqs.ground_state.pair_functions import build_pair_sum, build_pairs
from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.hamiltonians.spin_model import SpinModel
from hpc_nqs.hilbert.spins import SpinSystem, spin_system
from hpc_nqs.lattices.lattice import Lattice
from hpc_nqs.sampling.enumeration import sums_exactly
from hpc_nqs.symmetry.quantum_numbers import (
    Sector,
    every_sector,
    has_real_characters,
    marshall_momentum,
    marshall_point_group,
    marshall_sign,
    projector,
)
from hpc_nqs.symmetry.signed_permutations import SignedPermutations
from hpc_nqs.symmetry.site_permutations import site_symmetries, translations
from hpc_nqs.wavefunctions.product import Product
from hpc_nqs.wavefunctions.projection import ProjectedState
from hpc_nqs.wavefunctions.rbm import RBM, Feature

UNPROJECTED = ("auto", "none")
ALPHA = 4.0  # hidden units per visible unit
SHARED_ALPHA, PROJECTED_ALPHA = 16.0, 2.0  # where spins exchange and share translations; where momenta are projected
SYMMETRIC_ALPHA = 32.0  # of a network that all images of a pair product share
POINT_GROUP_ALPHA = 8.0  # where translations are shared and the point group is projected onto
FEATURE_STREAM = 2**64 - 1  # Philox key of the random features; chains use their global index
WEIGHT_SIZE = 0.3  # of the weights of one feature, in units of 1 / sqrt(number of its images)


@dataclass
class SpinAnsatz:
    """A wave function and the spins it lives on.

    Attributes
    ----------
    lattice : Lattice
    model : SpinModel
        In the basis of the wave function.
    system : SpinSystem
    wavefunction : RBM, Product or ProjectedState
    word : str
        The word of `wavefunction.kind`.
    symmetries : tuple of str
        Those shared by the hidden units.
    sector : Sector
        Quantum numbers that are projected onto.
    order : int
        Number of images in the projection.
    """

    lattice: Lattice
    model: SpinModel
    system: SpinSystem
    wavefunction: object
    word: str
    symmetries: tuple
    sector: Sector
    order: int

    def unprojected(self):
        """Return the same state without its projection."""
        if self.order == 1:
            return self
        # of a sum of pair products the network alone shares what the images do
        kept = self.symmetries if isinstance(self.wavefunction, ProjectedState) else ()
        state = self.wavefunction.unprojected()
        return replace(self, wavefunction=state, symmetries=kept, sector=Sector(), order=1)

    @property
    def is_real_part(self):
        """Whether the state is a real one of momenta k and -k: a sum of pair products whose characters are complex."""
        return not (self.wavefunction.is_complex or has_real_characters(self.sector.momentum, self.lattice))

    def invariance(self):
        """Return the translations and spin flips that leave abs(Psi)^2 unchanged, as the function of this name."""
        if self.is_real_part:
            flips = tuple(name for name in self.symmetries if name == "spin_flip")
            return invariance(self.lattice, self.model, flips, replace(self.sector, momentum=None))
        return invariance(self.lattice, self.model, self.symmetries, self.sector)


def invariance(lattice, model, symmetries, sector):
    """Return the shared or projected translations and flips of all spins, `SignedPermutations`, the identity first."""
    images = SignedPermutations.identity(model.n_sites)
    if "translation" in symmetries or sector.momentum is not None:
        images = SignedPermutations(translations(lattice, model))
    return images.with_negated() if "spin_flip" in symmetries or sector.spin_parity is not None else images


def sectors_of(settings, lattice, model):
    """Return the list of `Sector`s that a run goes through; `model` is unrotated.

    Raises
    ------
    ValueError
        The lattice has no translations to take all momenta of.
    """
    part = settings.ground_state
    name = None if part.point_group in UNPROJECTED else part.point_group
    if part.sectors == "all":
        n_up = system_of(settings, model).n_up
        return [replace(sector, point_group=name) for sector in every_sector(lattice, parities_of(model, n_up))]
    if part.sectors != "auto":
        return [Sector(*each) for each in part.listed_sectors]
    momentum = None if part.momentum in UNPROJECTED else part.momentum
    if part.momentum == "auto":
        momentum = default_momentum(settings, lattice, model)
    if part.point_group == "auto":
        name = default_point_group(settings, lattice, model, momentum)
    return [Sector(momentum, name, None if part.spin_parity in UNPROJECTED else part.spin_parity)]


def parities_of(model, n_up):
    """Return the parities under the flip of all spins; None alone where it is no symmetry, as at Sz = 1/2."""
    is_symmetric = model.spin_flip_symmetric and (n_up is None or 2 * n_up == model.n_sites)
    return (1, -1) if is_symmetric else (None,)


def system_of(settings, model, sector=None):
    """Return the `SpinSystem` of a model with the total Sz of a sector, or else the one that the settings ask for."""
    sz = settings.ground_state.sz
    if sector is not None and sector.sz is not None:
        sz = sector.sz
    return spin_system(model, None if sz == "auto" else sz)


def default_momentum(settings, lattice, model):
    """Return the momentum that "auto" projects onto, that of Marshall's sign rule, or None.

    Frustrated magnets with pair products are projected, and all unfrustrated ones that are summed over exactly: there
    an image costs little, and free weights do better (4x4, J2 = 0: 3e-7 after 60 steps, 8e-6 after 500 steps with
    shared weights).  With chains shared weights do the same at a fraction of the cost.
    """
    rotated, n_up = marshall(model, lattice), system_of(settings, model).n_up
    if settings.wavefunction.symmetries != "auto":
        return None
    is_exact = _sums_translations(settings, lattice, model, n_up)
    if rotated.has_positive_exchange:
        wanted = n_up is not None and (not is_exact or 2 * n_up == model.n_sites)
    else:
        wanted = is_exact
    if not wanted or not _keeps_sublattices(Sector(()), lattice, model, rotated, n_up):
        return None
    return marshall_momentum(lattice, rotated, n_up)


def default_point_group(settings, lattice, model, momentum):
    """Return the representation of the point group that "auto" projects onto, that of Marshall's sign rule, or None.

    Magnets in two dimensions with chains: unfrustrated ones, where beside shared translations its few images are worth
    more than as many times the hidden units (6x6, J2 = 0, 500 steps of 1024 to 4096 samples: 5e-4 without, below 2e-4
    with it), and frustrated ones at the momentum that Marshall's rule gives, whose pair products are summed over.
    """
    rotated, n_up = marshall(model, lattice), system_of(settings, model).n_up
    if settings.wavefunction.symmetries != "auto" or len(lattice.lengths) < 2 or not len(rotated.exchange_element):
        return None
    if rotated.has_positive_exchange != (momentum is not None):
        return None
    if momentum is not None and (any(momentum) or settings.wavefunction.kind == "rbm"):
        return None
    if _sums_translations(settings, lattice, model, n_up):
        return None
    return marshall_point_group(lattice, rotated, n_up)


def build_spin_ansatz(settings, lattice, model, seed, sector=None):
    """Return the `SpinAnsatz` that `settings` ask for.

    Parameters
    ----------
    settings : Settings
    lattice : Lattice
    model : SpinModel
        Unrotated.
    seed : int
        Of the random parameters.
    sector : Sector, optional
        The first one of the settings if not given.

    Raises
    ------
    ValueError
        A sector or a wave function that does not exist for the model.
    """
    choice = settings.wavefunction
    sector = sector or sectors_of(settings, lattice, model)[0]
    n_up = system_of(settings, model, sector).n_up
    balanced = n_up is not None and 2 * n_up == model.n_sites
    rotated = marshall(model, lattice)
    sums = sums_pairs(settings, lattice, model, n_up)
    kind = choose_kind(choice, rotated, n_up, sums, sector, lattice)
    if choice.marshall == "auto":
        model = rotated if kind == "rbm" and _keeps_sublattices(sector, lattice, model, rotated, n_up) else model
    elif choice.marshall:
        model = rotated
    system = system_of(settings, model, sector)
    projected = sector
    if choice.symmetries == "auto" and sector.spin_parity == even_parity(kind, model, system.n_up):
        projected = replace(sector, spin_parity=None)  # shared weights give this parity for nothing
    images, coefficients = projector(projected, lattice, model, system.n_up)
    is_complex = choose_complex(choice, kind)
    stream = Generator(Philox(key=np.array([seed, FEATURE_STREAM], dtype=np.uint64)))
    if kind == "pair_rbm" and (not balanced or (len(images) > 1 and sums)):
        state, shared = _symmetric_network_times_pairs(
            choice, lattice, system, projected, images, coefficients, stream
        )
        return SpinAnsatz(lattice, model, system, state, kind, shared, sector, len(state.second.images))
    if choice.sublattice != "auto":
        raise ValueError(
            f"wavefunction.sublattice = {list(choice.sublattice)}: only pair products with a projected momentum and "
            'wavefunction.symmetries = "auto" have sublattices; allowed is "auto"'
        )
    symmetries = choose_symmetries(choice, projected, lattice, model, balanced or system.n_up is None)
    alpha = choice.alpha
    if alpha == "auto":
        shared = "translation" in symmetries and len(model.exchange_sites) > 0
        by_sharing = POINT_GROUP_ALPHA if sector.point_group is not None else SHARED_ALPHA
        alpha = PROJECTED_ALPHA if sector.momentum is not None else by_sharing if shared else ALPHA
    site_images = site_symmetries(lattice, system.model, [name for name in symmetries if name != "spin_flip"])
    wavefunction = _network(alpha, lattice, system, site_images, "spin_flip" in symmetries, is_complex, stream)
    if kind == "pair_rbm":
        wavefunction = Product(wavefunction, build_pairs(lattice, model, "translation" in symmetries, stream))
    if len(images) > 1:
        wavefunction = ProjectedState(wavefunction, images, coefficients)
    return SpinAnsatz(lattice, model, system, wavefunction, kind, symmetries, sector, len(images))


def _keeps_sublattices(sector, lattice, model, rotated, n_up):
    """Return whether all translations of a projection keep or exchange the two sublattices of the rotated model."""
    images = translations(lattice, model)
    if sector.momentum is None or len(translations(lattice, rotated)) != len(images):
        return sector.momentum is None
    try:
        for image in images:
            marshall_sign(image, rotated, n_up)
    except ValueError:
        return False
    return True


def choose_kind(choice, rotated, n_up, sums, sector, lattice):
    """Return "rbm" or "pair_rbm".

    "auto" is a pair product times an RBM for a frustrated magnet that conserves Sz.  Where sums over all configurations
    are cheap it is one at Sz = 0 and with real characters alone, else an RBM.
    """
    real = sums or has_real_characters(sector.momentum, lattice)
    balanced = n_up is not None and 2 * n_up == rotated.n_sites
    possible = n_up is not None and real and choice.parameters != "complex"
    possible = possible and (balanced or choice.symmetries == "auto") and 0 < n_up < rotated.n_sites
    if choice.kind == "auto":
        return "pair_rbm" if possible and rotated.has_positive_exchange and (balanced or sums) else "rbm"
    if choice.kind == "pair_rbm" and not possible:
        raise ValueError(
            'wavefunction.kind = "pair_rbm": pairs of an up and a down spin have real parameters, so they need a '
            'conserved Sz, momenta 0 or pi in exact sums, and wavefunction.symmetries = "auto" at Sz != 0; '
            'allowed is "rbm"'
        )
    return choice.kind


def even_parity(kind, model, n_up):
    """Return the parity, unrotated, of a state whose RBM is even under the flip of all spins; None without one."""
    if not model.spin_flip_symmetric or (n_up is not None and 2 * n_up != model.n_sites):
        return None
    return (-1) ** (model.n_sites // 2) if kind == "pair_rbm" else int(marshall_sign(None, model, n_up))


def choose_complex(choice, kind):
    """Return whether the parameters are complex.

    "auto" takes real ones for pair products only.  An RBM gains even where the state is positive: 10-site rings, exact
    sums, the same number of features, relative error of the energy after 100 steps 1e-11 against 1e-8 (Heisenberg) and
    3e-8 against 6e-7 (transverse-field Ising, Gamma = J).
    """
    return kind == "rbm" if choice.parameters == "auto" else choice.parameters == "complex"


def choose_symmetries(choice, sector, lattice, model, flips):
    """Return the names of the symmetries that the hidden units share.

    "auto" shares translations, where there are any, or else the point group, and the flip of all spins, unless they are
    projected onto.  The point group beside translations costs accuracy at the same number of parameters (10-site ring:
    1e-10 without, 1e-8 with it).
    """
    if sector.unshared:
        return ()
    if choice.symmetries != "auto":
        names = tuple(choice.symmetries)
        projected = {"translation": sector.momentum, "point_group": sector.point_group, "spin_flip": sector.spin_parity}
        both = [name for name in names if projected.get(name) is not None]
        if both:
            raise ValueError(
                f"wavefunction.symmetries = {list(names)}: {', '.join(both)} is projected onto by [ground_state]; "
                "a symmetry is either shared or projected"
            )
        return names
    names = []
    if sector.momentum is None and len(translations(lattice, model)) > 1:
        names = ["translation"]
    elif sector.momentum is None and sector.point_group is None:
        names = ["point_group"]
    if sector.spin_parity is None and flips and model.spin_flip_symmetric:
        names.append("spin_flip")
    return tuple(names)


def sums_pairs(settings, lattice, model, n_up):
    """Return whether a projected pair product is summed beside a network that all images leave unchanged.

    With chains: there an image of the network costs too much.  Of sums over all configurations every image has its own
    product of both.
    """
    choice = settings.wavefunction
    if choice.symmetries != "auto":
        return False
    return choice.sublattice != "auto" or not _sums_translations(settings, lattice, model, n_up)


def _sums_translations(settings, lattice, model, n_up):
    """Return whether all configurations are summed where one of every orbit of the translations is looked at."""
    return sums_exactly(settings.sampling, model.n_sites, n_up, len(translations(lattice, model)))


def _symmetric_network_times_pairs(choice, lattice, system, projected, images, coefficients, stream):
    """Return a network that all images leave unchanged times a projected pair product, and what the network shares.

    A factor that is the same for all images stands in front of their sum: the network costs what one image costs.

    Parameters
    ----------
    choice : WavefunctionSettings
    lattice : Lattice
    system : SpinSystem
    projected : Sector
        Without a spin parity that singlet pairs have anyway.
    images, coefficients
        Of the projection.
    stream : Generator
    """
    model = system.model
    balanced = 2 * system.n_up == model.n_sites
    flips = model.spin_flip_symmetric and balanced
    site_images = images.unsigned().distinct().sources if len(images) > 1 else translations(lattice, model)
    alpha = SYMMETRIC_ALPHA if choice.alpha == "auto" else choice.alpha
    network = _network(alpha, lattice, system, site_images, flips, False, stream)
    singlets = projected.spin_parity is None and (balanced or _conserves_total_spin(model))
    pairs = build_pair_sum(lattice, model, images, coefficients, system.n_up, singlets, choice.sublattice, stream)
    given = {"translation": projected.momentum, "point_group": projected.point_group}
    names = [name for name, value in given.items() if value is not None]
    return Product(network, pairs), tuple(names + ["spin_flip"] * flips)


def _conserves_total_spin(model):
    """Return whether the exchange is isotropic; a uniform field beside it only shifts the levels of one Sz."""
    return model.has_uniform_field and replace(model, site_field=np.zeros(model.n_sites)).is_isotropic


def _network(alpha, lattice, system, site_images, even, is_complex, stream):
    """Return an RBM with small random weights around random sites, which share what `site_images` map onto each other.

    Parameters
    ----------
    alpha : float
        Hidden units per site.
    site_images : (order, n_sites) intp
    even : bool
        Under the flip of all spins.

    Notes
    -----
    One that is not even has hidden and visible biases, since an even function of the spins has no odd part to project
    onto.
    """
    n = system.n_sites
    n_features = max(1, round(alpha * n / len(site_images)))
    odd = not even
    images = SignedPermutations(site_images) if odd else SignedPermutations(site_images).with_negated()
    size = WEIGHT_SIZE / np.sqrt(len(site_images) * n_features / n) / n**0.25
    features = []
    for _ in range(n_features):
        envelope = size * np.exp(-0.5 * lattice.distances()[int(stream.integers(n))])
        weights = envelope * stream.standard_normal(n)
        bias = size * stream.standard_normal() if odd else None
        if is_complex:
            weights = weights + 1j * envelope * stream.standard_normal(n)
        features.append(Feature(weights, bias=bias))
    return RBM(features, images, n, np.zeros(n) if odd else None, is_complex)
