"""The doubled system: physical and ancilla layers, their symmetries, moves, Hamiltonians and the analytic seed.

Visible units are (sigma_0..sigma_{N-1}, ancilla_0..ancilla_{N-1}).  The thermal state is
Psi(beta) = (e^{-beta H/2} x 1) Psi(0), Psi(0) a product of Bell pairs ([PDBM] PRL 127, 060601, eq. (1)):
opposite spins where H conserves Sz, equal spins where it does not.

Of electrons the units are the spin-orbitals; an orbital is occupied where its unit is up, on the ancilla layer where it
is down.  So Psi(x, x') = <x|e^{-beta H/2}|x'> begins with equal layers, and all that is said of opposite spins holds.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hpc_nqs.hamiltonians.spin_model import SpinModel
from hpc_nqs.hilbert.moves import Moves
from hpc_nqs.hilbert.system import System, layer_hamiltonian
from hpc_nqs.symmetry.signed_permutations import SignedPermutations


@dataclass(frozen=True)
class Purification(System):
    """The doubled system of one model.

    Attributes
    ----------
    model : SpinModel or ElectronModel
    bond_features : bool
        The wave function sees m_i = sigma_i ancilla_i as further inputs.
    moves : Moves
        All moves, those of the Hamiltonian on either layer included.
    proposals : (n_proposals,) intp
        The moves that chains propose; ergodic in the sector of the Bell pairs.  Of electrons the last ones exchange, on
        both layers, two orbitals that no hops connect, or where numbers are not fixed both spins of an orbital.
    hamiltonians : tuple of Hamiltonian
        H x 1 on the physical layer and 1 x H~ on the ancilla layer.
    terms : (2, n_terms) intp
        The moves of the off-diagonal terms of H on either layer: exchanges on bonds, flips of parallel pairs, flips,
        then pairs of hops.
    site_moves : (n_sites,) intp
        The moves of both spins of a site: their exchange where Sz is conserved, else the flip of both.  Of electrons
        they add one to an orbital on both layers, or take it away; empty where their numbers are fixed.

    Notes
    -----
    The proposals are those of all terms on the one layer, on the other and on both, in the order of the terms, then
    moves of both layers of a site; flips of single spins on both layers are among these.  Ising models in a transverse
    field have exchanges of both layers in between.
    """

    model: SpinModel
    bond_features: bool
    moves: Moves
    proposals: np.ndarray
    hamiltonians: tuple
    terms: np.ndarray
    site_moves: np.ndarray

    @property
    def n_sites(self):
        """Lattice sites."""
        return self.model.n_sites

    @property
    def n_visible(self):
        """Physical and ancilla spins."""
        return 2 * self.model.n_sites

    @property
    def n_inputs(self):
        """Inputs of a wave function: the visible units, then m_i = sigma_i ancilla_i with bond features."""
        return (3 if self.bond_features else 2) * self.model.n_sites

    @property
    def opposite_pairs(self):
        """Whether the Bell pairs hold opposite spins."""
        return self.model.conserves_sz

    @property
    def n_up(self):
        """Number of up spins, see `n_up_of`."""
        return n_up_of(self.model)


def n_up_of(model):
    """Return the number of up spins on both layers of a model; None where it is not conserved.

    Where pairs of spins are created it is even; all numbers that are possible are a tuple of tuples, see `System`.  Of
    electrons those of spin up and of spin down on the physical, then the ancilla layer; in the grand canonical ensemble
    all that are possible, a tuple of such tuples.
    """
    if model.of_electrons:
        numbers = tuple((*each, *(model.n_levels - n for n in each)) for each in model.fillings)
        return numbers[0] if model.is_canonical else numbers
    if model.mixes_flips and model.conserves_parity:
        return tuple((n,) for n in range(0, 2 * model.n_sites + 1, 2))
    return model.n_sites if model.conserves_sz else None


def purify(model, bond_features):
    """Return the `Purification` of `model`."""
    n = model.n_sites
    moves = Moves(n_visible=2 * n, n_sites=n, bond_features=bond_features)
    proposals, terms = [], ([], [])
    for layer in (0, 1):
        for i, j in model.exchange_sites:
            terms[layer].append(moves.add_exchange(i + layer * n, j + layer * n))
        for i, j in model.parallel_sites:
            terms[layer].append(moves.add_pair_flip(i + layer * n, j + layer * n))
        for i in model.flip_sites:
            terms[layer].append(moves.add_flip(i + layer * n))
        for units in model.hop2_sites:
            terms[layer].append(moves.add_two_exchanges(*(units + layer * n)))
    proposals = [*terms[0], *terms[1]]
    bonds = model.pair_sites if len(model.flip_sites) and not model.has_exchange else model.exchange_sites
    proposals += [moves.add_joint_exchange(i, j) for i, j in bonds]
    proposals += [moves.add_joint_pair_flip(i, j) for i, j in model.parallel_sites]
    proposals += [moves.add_joint_two_exchanges(*units) for units in model.hop2_sites]
    if model.filling is not None:
        site_moves = []
    elif model.conserves_sz:
        site_moves = [moves.add_exchange(i, i + n) for i in range(n)]
    else:
        site_moves = [moves.add_joint_flip(i) for i in range(n)]
    proposals += site_moves
    if model.of_electrons:
        of_one = zip(range(n // 2), range(n // 2, n), strict=True)
        pairs = orbitals_between_parts(model) if model.is_canonical else of_one
        proposals += [moves.add_joint_exchange(i, j) for i, j in pairs]
    return Purification(
        model=model,
        bond_features=bond_features,
        moves=moves,
        proposals=np.array(proposals, dtype=np.intp),
        hamiltonians=tuple(layer_hamiltonian(model, terms[layer], layer, 2) for layer in (0, 1)),
        terms=np.array(terms, dtype=np.intp),
        site_moves=np.array(site_moves, dtype=np.intp),
    )


def orbitals_between_parts(model):
    """Return pairs of units of one spin that join the parts of the orbitals that no hops connect, a list of pairs."""
    n = model.n_sites
    links = coo_array((np.ones(len(model.exchange_sites)), tuple(model.exchange_sites.T)), shape=(n, n))
    labels = connected_components(links, directed=False)[1]
    pairs = []
    for units in np.split(np.arange(n), 2):
        first = units[np.unique(labels[units], return_index=True)[1]]
        pairs += list(zip(first[:-1].tolist(), first[1:].tolist(), strict=True))
    return pairs


def random_occupations(filling, n_levels, stream):
    """Return the units (2 n_levels,) int8 of so many electrons of either spin, all configurations equally likely."""
    occupied = np.arange(n_levels) < np.array(filling)[:, None]
    return (2 * stream.permuted(occupied, axis=1).ravel().astype(np.int8) - 1).astype(np.int8)


def random_layer(purification, stream):
    """Return one layer (n_sites,) int8 at infinite temperature."""
    filling = purification.model.filling
    if filling is None:
        return (2 * stream.integers(0, 2, size=purification.n_sites) - 1).astype(np.int8)
    return random_occupations(filling, purification.n_sites // 2, stream)


def random_pairs(purification, stream):
    """Return one configuration (n_visible,) int8 of the infinite-temperature state."""
    sigma = random_layer(purification, stream)
    return np.concatenate([sigma, -sigma if purification.opposite_pairs else sigma])


def input_images(purification, site_images, layer_exchange, spin_flip):
    """Return the symmetry group of the doubled system acting on the inputs.

    Parameters
    ----------
    site_images : (order, n_sites) intp
        Lattice symmetries as in `site_permutations`, the identity first.
    layer_exchange : bool
        Exchange of the layers.  With opposite Bell pairs and a field along z it is combined with a total spin
        flip, because the thermal state Psi(s, a) = <s|e^{-beta H/2}|-a> is symmetric in (s, -a).
    spin_flip : bool
        Flip of all spins; ignored where a field along z breaks it.

    Returns
    -------
    SignedPermutations
        On n_inputs entries, the identity first; a flip of all spins leaves the m_i alone.
    """
    n, n_visible, model = purification.n_sites, purification.n_visible, purification.model
    layers = [site_images + layer * n for layer in range(purification.n_inputs // n)]
    parts = [SignedPermutations(np.concatenate(layers, axis=1))]
    if layer_exchange:
        exchanged = SignedPermutations(np.concatenate([layers[1], layers[0], *layers[2:]], axis=1))
        flips = purification.opposite_pairs and not model.spin_flip_symmetric
        parts.append(exchanged.negated(n_visible) if flips else exchanged)
    if spin_flip and model.spin_flip_symmetric:
        parts += [part.negated(n_visible) for part in parts]
    return SignedPermutations.concatenated(parts)
