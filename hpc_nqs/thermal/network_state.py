"""Thermal states of Boltzmann machines, alone or times a pair product of singlets."""

import dataclasses

import numpy as np
from numpy.random import Generator, Philox

from hpc_nqs.hilbert.purification import purify
from hpc_nqs.thermal.deep.sliced_state import SlicedNetworkState, SlicedPairedState
from hpc_nqs.thermal.high_temperature import networks
from hpc_nqs.thermal.state import ThermalState
from hpc_nqs.wavefunctions.pair_product import PairProduct
from hpc_nqs.wavefunctions.product import Product
from hpc_nqs.wavefunctions.rbm import RBM

ALPHA = {True: 4.0, False: 8.0}  # hidden units per visible unit, by whether the parameters are complex
FEATURE_STREAM = 2**64 - 1  # Philox key of the random features; chains use their global index


@dataclasses.dataclass
class NetworkState(ThermalState):
    """A restricted Boltzmann machine whose features are shared over a symmetry group."""

    word = "rbm"

    @property
    def sampled_soft_cut(self):
        """Cut of S for chains; Ising models in a transverse field stand a finer one."""
        return 1e-5 if self.model.has_exchange else 1e-8


@dataclasses.dataclass
class PairedState(ThermalState):
    """A Boltzmann machine times a pair product of singlets, which carries the signs of a frustrated magnet."""

    word = "pair_rbm"
    makes_rings = False  # the sign of its diagonal changes with the magnetization


def build_network_state(plan):
    """Return the state of a `StatePlan`: analytic seed and pairs of random features, in one slice or several."""
    choice, model = plan.settings.wavefunction, plan.model
    paired, is_complex, n_slices = plan.word == PairedState.word, plan.is_complex, plan.n_slices
    beta_0 = plan.beta_0 / n_slices  # of one slice
    system = purify(model, choice.bond_features is not False)
    site_images, images = plan.groups(system)
    features, bias = networks.seed_features(
        system, site_images, "layer_exchange" in plan.symmetries, beta_0, paired=paired, is_complex=is_complex
    )
    n_seed_units = RBM(features, images, system.n_visible, is_complex=is_complex).n_units
    alpha = ALPHA[is_complex] if choice.alpha == "auto" else choice.alpha
    n_pairs = max(1, round((alpha * system.n_visible - n_seed_units) / (2 * len(images))))
    stream = Generator(Philox(key=np.array([plan.seed, FEATURE_STREAM], dtype=np.uint64)))
    features += networks.free_features(system, plan.lattice, len(images), n_pairs, stream)
    wavefunction = RBM(features, images, system.n_visible, bias, is_complex)
    if paired:
        pair_images = images.restricted(np.arange(system.n_visible)).unsigned().distinct()
        wavefunction = Product(wavefunction, PairProduct(pair_images, *networks.seed_pairings(system, beta_0)))
    kinds = (NetworkState, PairedState) if n_slices == 1 else (SlicedNetworkState, SlicedPairedState)
    return kinds[paired](
        lattice=plan.lattice, model=model, system=system, wavefunction=wavefunction, symmetries=plan.symmetries,
        order=len(images), beta_0=n_slices * beta_0, is_exact=plan.is_exact, n_slices=n_slices,
    )
