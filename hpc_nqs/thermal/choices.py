"""What "auto" means for the state of a thermal run: its kind, its basis, its symmetries, and where it starts."""

import dataclasses

import numpy as np

from hpc_nqs.hamiltonians.electron_model import ElectronModel
from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.hamiltonians.spin_model import SpinModel
from hpc_nqs.hilbert.purification import input_images, n_up_of, purify
from hpc_nqs.lattices.lattice import Lattice
from hpc_nqs.sampling.enumeration import MAX_AUTO, sums_exactly
from hpc_nqs.settings.parsing import Settings
from hpc_nqs.settings.toml_text import shown
from hpc_nqs.symmetry.site_permutations import site_symmetries
from hpc_nqs.thermal.deep.ring_chains import n_rings

# words of wavefunction.kind
NETWORK, PAIRED, TABLES, DEEP, PERMANENT = "rbm", "pair_rbm", "clusters", "dbm", "permanent"
DETERMINANT, HAFNIAN = "determinant", "hafnian"
MIXED_FLIPS = "couplings with Jx != Jy or fields along x beside exchange"  # what takes a hafnian
MAX_PERMANENT_SITES = 100  # of an unfrustrated magnet; tables of larger ones reach lower temperatures, if not as well
SITE_SYMMETRIES = ("translation", "point_group")
BETA_0 = 0.02  # of the seed, in units of the inverse of the largest coupling or field
ELECTRON_BETA_0 = 0.05, 0.8  # of electrons, over the largest hop and over the largest energy of all
TABLE_BETA_0 = 0.1  # the same for tables of unfrustrated exchange: at 0.02 directions are cut that soon carry the force


@dataclasses.dataclass(frozen=True)
class StatePlan:
    """The choices behind one state, each made by a function of this module.

    Attributes
    ----------
    settings : Settings
    lattice : Lattice
    model : SpinModel
        In the basis of the wave function.
    seed : int
        Of the random features.
    word : str
        Kind of the state, a word of `wavefunction.kind`.
    is_complex, is_exact : bool
    n_slices : int
    symmetries : tuple of str
    beta_0 : float
        Of all slices together.
    """

    settings: Settings
    lattice: Lattice
    model: SpinModel
    seed: int
    word: str
    is_complex: bool
    is_exact: bool
    n_slices: int
    symmetries: tuple
    beta_0: float

    def groups(self, system):
        """Return the symmetries that the state shares: of the sites, (order, n_sites) intp, and of the inputs.

        Parameters
        ----------
        system : Purification

        Returns
        -------
        site_images : (order, n_sites) intp
        images : SignedPermutations
            Of the inputs of the doubled system, layer exchange and spin flip included.
        """
        names = self.symmetries
        site_images = site_symmetries(self.lattice, self.model, [name for name in names if name in SITE_SYMMETRIES])
        if isinstance(self.model, ElectronModel) and "spin_flip" in names:
            site_images = np.concatenate([site_images, np.roll(site_images, self.model.n_levels, axis=1)])
        return site_images, input_images(system, site_images, "layer_exchange" in names, "spin_flip" in names)


def plan_state(settings, lattice, model, seed):
    """Return the `StatePlan` of a state without deep units of its own.

    Raises
    ------
    ValueError
        A wave function that cannot represent the model.
    """
    choice = settings.wavefunction
    n_slices = 1 if choice.slices == "auto" else choice.slices
    word, is_complex, model = choose_kind(choice, lattice, model, sums_over_states(settings.sampling, model, n_slices))
    plan = StatePlan(
        settings, lattice, model, seed, word, is_complex,
        is_exact=sums_over_states(settings.sampling, model, n_slices),
        n_slices=n_slices,
        symmetries=choose_symmetries(choice, word, lattice, model),
        beta_0=choose_beta_0(settings.thermal, model, n_slices, word),
    )
    if word not in (PERMANENT, HAFNIAN, DETERMINANT):
        return plan
    order = len(plan.groups(purify(model, bond_features=False))[1])
    return dataclasses.replace(plan, is_exact=sums_over_states(settings.sampling, model, n_slices, order))


def sums_over_states(sampling, model, n_slices, order=1):
    """Return whether sums over all configurations, or over all rings of several slices, take the place of chains.

    `order` is the number of configurations of which one is looked at.
    """
    if n_slices > 1 and sampling.method == "auto":
        return n_rings(model.n_sites, model.conserves_sz, n_slices) <= MAX_AUTO
    return sums_exactly(sampling, 2 * model.n_sites, n_up_of(model), order)


def choose_kind(choice, lattice, model, is_exact):
    """Return the kind of state, whether it has complex parameters, and the model in its basis.

    "auto" is an exchange hafnian times tables for a magnet that mixes flips, whatever its signs, and an exchange
    permanent times tables for one that conserves Sz, with and without frustration; of unfrustrated ones of these that
    are larger than permanents reach at all temperatures, positive tables.  In a transverse field it is an RBM for exact
    sums, else positive tables where all off-diagonal elements are negative or can be made so.  Settings that belong to
    an RBM alone ask for one, times a pair product for a frustrated magnet.

    An RBM has complex parameters for exact sums: a node of a real state moves through a configuration only by way of
    zero, where its path ends, and a complex one goes around (8-site ring: largest error of e 1.1e-3 against 3.1e-3).
    Sampled states are limited by what the network can represent, real or not, and real ones are cheaper.

    Parameters
    ----------
    choice : the settings [wavefunction]
    lattice : Lattice
    model : SpinModel
        Unrotated.
    is_exact : bool
        Sums over all configurations could take the place of chains.

    Raises
    ------
    ValueError
        A wave function that cannot represent the model.
    """
    if isinstance(model, ElectronModel):
        refuse_for_electrons(choice, model)
        return DETERMINANT, False, model
    if choice.kind == DETERMINANT:
        raise ValueError('wavefunction.kind = "determinant": for electrons; allowed is "auto"')
    if model.mixes_flips:
        refuse_for_pairs(choice)
        return HAFNIAN, False, model
    if choice.kind == HAFNIAN:
        raise ValueError(f'wavefunction.kind = "hafnian": for {MIXED_FLIPS}; allowed is "auto"')
    rotated = marshall(model, lattice)
    tried = model if choice.marshall is False else rotated
    elements = np.concatenate([tried.exchange_element, tried.flip_element])
    unfrustrated = bool(np.all(elements <= 0) and np.any(elements))
    is_complex = is_exact if choice.parameters == "auto" else choice.parameters == "complex"
    kind = _automatic_kind(choice, model, unfrustrated, is_complex) if choice.kind == "auto" else choice.kind
    if choice.parameters == "auto":
        is_complex = is_exact and kind == NETWORK
    _refuse(kind, model, unfrustrated, is_complex)
    if kind == PERMANENT and choice.marshall is True:
        raise ValueError('wavefunction.marshall = true: a permanent wants H unrotated; allowed is "auto" or false')
    rotate = kind not in (PAIRED, PERMANENT) if choice.marshall == "auto" else choice.marshall
    return kind, is_complex, rotated if rotate else model


def _refuse_all_but(kind, choice, whose):
    """Raise ValueError for settings [wavefunction] that the only state of a model, of a kind, cannot follow."""
    allowed = {
        "kind": ("auto", kind), "parameters": ("auto", "real"), "slices": ("auto", 1), "alpha": ("auto",),
        "bond_features": ("auto", False), "exchange_radius": ("auto",), "marshall": ("auto", False),
    }
    for key, values in allowed.items():
        if getattr(choice, key) not in values:
            raise ValueError(
                f"wavefunction.{key} = {shown(getattr(choice, key))}: of {whose} allowed is "
                + " or ".join(map(shown, values))
            )


def refuse_for_pairs(choice):
    """Raise ValueError for settings [wavefunction] that the state of a magnet that mixes flips cannot follow."""
    _refuse_all_but(HAFNIAN, choice, MIXED_FLIPS)


def refuse_for_electrons(choice, model):
    """Raise ValueError for settings [wavefunction] that the state of electrons cannot follow."""
    _refuse_all_but(DETERMINANT, choice, "electrons")
    if choice.symmetries != "auto" and "layer_exchange" not in choice.symmetries:
        raise ValueError(
            f"wavefunction.symmetries = {shown(choice.symmetries)}: the state of electrons has layer_exchange always"
        )
    if "spin_flip" in choice.symmetries and not model.spin_exchange_symmetric:
        raise ValueError(
            f"wavefunction.symmetries = {shown(choice.symmetries)}: spin up and spin down differ; allowed are lists "
            'without "spin_flip"'
        )
    if "spin_flip" in choice.symmetries and not model.shares_determinants:
        raise ValueError(
            f"wavefunction.symmetries = {shown(choice.symmetries)}: where hops or exchange connect orbitals that "
            'exchange with each other the determinants of both spins differ; allowed are lists without "spin_flip"'
        )


def _automatic_kind(choice, model, unfrustrated, is_complex):
    of_rbm = choice.alpha != "auto" or choice.bond_features != "auto" or choice.slices not in ("auto", 1)
    if of_rbm or choice.parameters == "complex":
        return NETWORK if unfrustrated or is_complex or not model.conserves_sz else PAIRED
    if choice.exchange_radius != "auto":
        return PERMANENT
    if model.conserves_sz and model.has_exchange and choice.marshall is not True:
        return TABLES if unfrustrated and model.n_sites > MAX_PERMANENT_SITES else PERMANENT
    return TABLES if unfrustrated and not is_complex else NETWORK


def _refuse(kind, model, unfrustrated, is_complex):
    """Raise ValueError where a kind of state cannot represent the model or have complex parameters."""
    if kind == TABLES and not unfrustrated:
        allowed = "permanent" if model.conserves_sz else "rbm"
        raise ValueError(
            'wavefunction.kind = "clusters": positive tables need off-diagonal elements that are negative or can be '
            f'made so by a rotation of sublattices; allowed is "{allowed}"'
        )
    if kind == TABLES and is_complex:
        raise ValueError('wavefunction.parameters = "complex": tables have real parameters; allowed is "real"')
    if kind == PAIRED and not model.conserves_sz:
        raise ValueError(
            'wavefunction.kind = "pair_rbm": singlet pairs need a model that conserves Sz; allowed is "rbm"'
        )
    if kind == PAIRED and is_complex:
        raise ValueError('wavefunction.parameters = "complex": a pair product has real parameters; allowed is "real"')
    if kind == PERMANENT and not (model.conserves_sz and model.has_exchange):
        raise ValueError('wavefunction.kind = "permanent": needs exchange that conserves Sz; allowed is "rbm"')
    if kind == PERMANENT and is_complex:
        raise ValueError('wavefunction.parameters = "complex": a permanent has real parameters; allowed is "real"')


def choose_beta_0(thermal, model, n_slices=1, kind=NETWORK):
    """Return the inverse temperature of the seed, of all slices together: at most the smallest that results need."""
    if thermal.beta_0 != "auto":
        return thermal.beta_0
    hottest = min(thermal.report_betas)
    if thermal.rings != "auto" and thermal.rings[0] > 2:
        hottest = hottest / thermal.rings[0]  # half of that of the links, as no state is measured without a ring
    if kind == DETERMINANT:
        of_hops, of_all = ELECTRON_BETA_0
        largest = np.abs(model.exchange_element).max(initial=1e-300)
        return min(of_hops / largest, of_all / model.energy_scale, hottest)
    if kind in (PERMANENT, HAFNIAN) or (kind == TABLES and model.conserves_sz):
        return min(TABLE_BETA_0 / model.energy_scale, hottest)
    return min(n_slices * BETA_0 / model.energy_scale, 0.5 * hottest)


def choose_symmetries(choice, kind, lattice, model):
    """Return the names of the symmetries that the hidden units or tables share.

    "auto" takes all for tables.  For hidden units it leaves the point group out where there are translations: its
    images make a feature costly without making the state better, and pairings beyond s-wave need the freedom.
    """
    if choice.symmetries != "auto":
        return tuple(choice.symmetries)
    flips = model.shares_determinants if kind == DETERMINANT else model.spin_flip_symmetric
    names = ["layer_exchange"] + (["spin_flip"] if flips else [])
    if kind in (TABLES, PERMANENT, HAFNIAN, DETERMINANT):
        return ("translation", "point_group", *names)
    n_translations = len(site_symmetries(lattice, model, ["translation"]))
    return ("translation" if 2 * n_translations > lattice.n_sites else "point_group", *names)
