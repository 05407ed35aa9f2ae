"""From settings to the doubled system and the wave function at the start of the cooling."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, Philox

from hpc_nqs.hamiltonians.spin_model import SpinModel, marshall
from hpc_nqs.hilbert.purification import Purification, input_images, purify
from hpc_nqs.lattices.lattice import Lattice
from hpc_nqs.sampling.enumeration import MAX_AUTO, sums_exactly
from hpc_nqs.symmetry.site_permutations import site_symmetries
from hpc_nqs.thermal.deep.ring_chains import n_rings
from hpc_nqs.thermal.high_temperature import networks as seeds
from hpc_nqs.thermal.high_temperature.clusters import cluster_state, lattice_clusters, strongest_bonds
from hpc_nqs.thermal.high_temperature.flux import has_triangles
from hpc_nqs.wavefunctions.pair_product import PairProduct
from hpc_nqs.wavefunctions.product import ProductState
from hpc_nqs.wavefunctions.rbm import RBM

BETA_0 = 0.02  # of the seed, in units of the inverse of the largest coupling
TABLE_BETA_0 = 0.1  # the same for tables of unfrustrated exchange: at 0.02 directions are cut that soon carry the force
MAX_EXPANSION_BETA = 2.0  # where the cluster expansion of a model in a transverse field ends at the latest, in the same units
ALPHA = {True: 4.0, False: 8.0}  # hidden units per visible unit, by whether the parameters are complex
CLUSTER_SIZES = (2, 3, 4, 5, 6)
MAX_CLUSTER_PARAMS = 600  # about the most that tables of the size chosen by "auto" have
PAIRED_CLUSTER_SIZE = 4  # the largest that "auto" takes beside a pair product: six sites of a chain leave the path at once
FEATURE_STREAM = 2**64 - 1  # Philox key of the random features; chains use their global index


@dataclass
class Ansatz:
    """A wave function and the doubled system it lives on.

    Attributes
    ----------
    lattice : Lattice
    model : SpinModel
        In the basis of the wave function (Marshall-rotated for an unfrustrated magnet).
    purification : Purification
    wavefunction : RBM, ProductState or DeepNetwork
    kind : str
        "rbm", "clusters", "pair_rbm" or "dbm".
    symmetries : tuple of str
        Those shared by the hidden units or tables.
    order : int
        Order of the symmetry group of the doubled system.
    beta_0 : float
        Inverse temperature of the seed, of all slices together.
    is_exact : bool
        Sums over all configurations, or rings, take the place of chains.
    n_slices : int
        M: the state is a product of M copies of the wave function, joined by deep layers; of a "dbm" the Trotter
        slices that it starts from.
    expansion : ClusterExpansion or None
        Fills tables with the thermal state of a model in a transverse field, from beta_0 up to `expansion_beta`.
    expansion_beta : float
    """

    lattice: Lattice
    model: SpinModel
    purification: Purification
    wavefunction: object
    kind: str
    symmetries: tuple
    order: int
    beta_0: float
    is_exact: bool
    n_slices: int = 1
    expansion: object = None
    expansion_beta: float = 0.0

    @property
    def has_bra_and_ket(self):
        """Whether samples hold deep units, independent ones of bra and ket."""
        return not self.is_exact if self.kind == "dbm" else self.n_slices > 1

    @property
    def has_exchange_tables(self):
        """Whether the state is tables over clusters of a model that conserves Sz."""
        return self.kind == "clusters" and self.model.conserves_sz

    @property
    def has_ising_tables(self):
        """Whether the state is tables over clusters of a model in a transverse field."""
        return self.kind == "clusters" and not self.model.conserves_sz

    @property
    def layers_equivalent(self):
        """Whether the wave function is symmetric under exchange of the layers."""
        return "layer_exchange" in self.symmetries


def build_ansatz(settings, lattice, model, seed):
    """Return the `Ansatz` that `settings` ask for.

    Parameters
    ----------
    settings : Settings
    lattice : Lattice
    model : SpinModel
        Unrotated.
    seed : int
        Of the random features.

    Raises
    ------
    ValueError
        A wave function that cannot represent the model.
    """
    choice = settings.wavefunction
    n_slices = n_slices_of(choice)
    is_exact = sums_over_states(settings.sampling, model, n_slices)
    is_complex = choose_complex(choice, is_exact)
    kind, model = choose_state(choice, lattice, model, is_complex)
    beta_0 = choose_beta_0(settings.thermal, model, n_slices, kind) / n_slices
    symmetries = choose_symmetries(choice, kind, lattice, model)
    bond_features = choice.bond_features is not False
    purification = purify(model, bond_features and kind != "clusters")
    site_images = site_symmetries(lattice, model, [s for s in symmetries if s in ("translation", "point_group")])
    layer_exchange = "layer_exchange" in symmetries
    images = input_images(purification, site_images, layer_exchange, "spin_flip" in symmetries)
    if kind == "clusters":
        wavefunction, expansion = choose_clusters(choice, purification, lattice, symmetries, site_images, images, beta_0)
        ansatz = Ansatz(lattice, model, purification, wavefunction, kind, symmetries, len(images), beta_0, is_exact)
        if expansion and settings.thermal.beta_0 == "auto":
            ansatz.expansion = expansion
            ansatz.expansion_beta = expansion.reach(beta_0, MAX_EXPANSION_BETA / model.largest_coupling)
        return ansatz
    features, bias = seeds.seed_features(
        purification, site_images, layer_exchange, beta_0, paired=kind == "pair_rbm", is_complex=is_complex
    )
    n_seed_units = RBM(features, images, purification.n_visible, is_complex=is_complex).n_units
    alpha = ALPHA[is_complex] if choice.alpha == "auto" else choice.alpha
    n_pairs = max(1, round((alpha * purification.n_visible - n_seed_units) / (2 * len(images))))
    stream = Generator(Philox(key=np.array([seed, FEATURE_STREAM], dtype=np.uint64)))
    features += seeds.free_features(purification, lattice, len(images), n_pairs, stream)
    wavefunction = RBM(features, images, purification.n_visible, bias, is_complex)
    if kind == "pair_rbm":
        pair_images = images.restricted(np.arange(purification.n_visible)).unsigned().distinct()
        wavefunction = ProductState(wavefunction, PairProduct(pair_images, *seeds.seed_pairings(purification, beta_0)))
    return Ansatz(lattice, model, purification, wavefunction, kind, symmetries, len(images), n_slices * beta_0, is_exact, n_slices)


def choose_clusters(choice, purification, lattice, symmetries, site_images, images, beta_0):
    """Return what `cluster_state` does; `cluster_size` "auto" is the largest with few enough parameters.

    There are as many as orbits of codes, at least the number of codes over the order of the group.
    """
    size = choice.cluster_size
    if size == "auto":
        n_codes = {size: len(lattice_clusters(lattice, purification.model, size)) * 4**size for size in CLUSTER_SIZES}
        size = max(size for size in CLUSTER_SIZES if size == 2 or 0 < n_codes[size] <= MAX_CLUSTER_PARAMS * len(images))
        size = min(size, PAIRED_CLUSTER_SIZE) if purification.model.has_positive_exchange else size
    return cluster_state(
        purification, lattice, symmetries, site_images, images, size, beta_0, purification.model.largest_coupling
    )


def sums_over_states(sampling, model, n_slices):
    """Return whether sums over all configurations, or over all rings of several slices, take the place of chains."""
    if n_slices > 1 and sampling.method == "auto":
        return n_rings(model.n_sites, model.conserves_sz, n_slices) <= MAX_AUTO
    return sums_exactly(sampling, 2 * model.n_sites, model.n_sites if model.conserves_sz else None)


def choose_complex(choice, is_exact):
    """Return whether the network has complex parameters.

    "auto" takes them for exact sums: a node of a real state moves through a configuration only by way of zero, where
    its path ends, and a complex one goes around (8-site ring: largest error of e 1.1e-3 against 3.1e-3).  Sampled
    states are limited by what the network can represent, real or not, and real ones are cheaper.
    """
    if choice.parameters == "auto":
        return choice.kind not in ("clusters", "pair_rbm") and is_exact
    return choice.parameters == "complex"


def choose_state(choice, lattice, model, is_complex):
    """Return the kind of state and the model in its basis.

    "auto" is an RBM with complex parameters, else tables over clusters: positive ones where all off-diagonal elements are
    negative or can be made so by the Marshall rotation, else times a pair product with the model unrotated.  Settings that
    belong to an RBM alone ask for one where there would be tables, times a pair product for a frustrated magnet; so do
    triangles of the strongest bonds.
    """
    rotated = marshall(model, lattice)
    tried = model if choice.marshall is False else rotated
    elements = np.concatenate([tried.exchange_element, tried.flip_element])
    unfrustrated = np.all(elements <= 0) and np.any(elements)
    kind = choice.kind
    if kind == "auto" and (is_complex or not (unfrustrated or model.conserves_sz)):
        kind = "rbm"
    elif kind == "auto":
        of_rbm = choice.alpha != "auto" or choice.bond_features != "auto" or n_slices_of(choice) > 1
        tables = not of_rbm and (unfrustrated or not has_triangles(model.n_sites, strongest_bonds(lattice, model)))
        kind = "clusters" if tables else "rbm" if unfrustrated else "pair_rbm"
    if kind == "clusters" and not (unfrustrated or model.conserves_sz):
        raise ValueError(
            'wavefunction.kind = "clusters": needs negative off-diagonal elements in a transverse field, which its sign '
            'forbids; allowed is "rbm"'
        )
    if kind == "clusters" and is_complex:
        raise ValueError('wavefunction.parameters = "complex": tables have real parameters; allowed is "real"')
    if kind == "pair_rbm" and not model.conserves_sz:
        raise ValueError('wavefunction.kind = "pair_rbm": singlet pairs need a model that conserves Sz; allowed is "rbm"')
    if kind == "pair_rbm" and is_complex:
        raise ValueError('wavefunction.parameters = "complex": a pair product has real parameters; allowed is "real"')
    paired = kind == "pair_rbm" or (kind == "clusters" and not unfrustrated)
    rotate = not paired if choice.marshall == "auto" else choice.marshall
    return kind, rotated if rotate else model


def n_slices_of(choice):
    """Return the number of slices; "auto" is one."""
    return 1 if choice.slices == "auto" else choice.slices


def choose_beta_0(thermal, model, n_slices=1, kind="rbm"):
    """Return the inverse temperature of the seed, of all slices together: below every reported one, or the smallest."""
    if thermal.beta_0 != "auto":
        return thermal.beta_0
    if kind == "clusters" and model.conserves_sz and not model.has_positive_exchange:
        return min(TABLE_BETA_0 / model.largest_coupling, *thermal.report_betas)
    return min(n_slices * BETA_0 / model.largest_coupling, 0.5 * min(thermal.report_betas))


def choose_symmetries(choice, kind, lattice, model):
    """Return the names of the symmetries that the hidden units or tables share.

    "auto" takes all for tables.  For hidden units it leaves the point group out where there are translations: its images
    make a feature costly without making the state better, and pairings beyond s-wave need the freedom.
    """
    if choice.symmetries != "auto":
        return tuple(choice.symmetries)
    names = ["layer_exchange"] + (["spin_flip"] if model.spin_flip_symmetric else [])
    if kind == "clusters":
        return ("translation", "point_group", *names)
    n_translations = len(site_symmetries(lattice, model, ["translation"]))
    return ("translation" if 2 * n_translations > lattice.n_sites else "point_group", *names)
