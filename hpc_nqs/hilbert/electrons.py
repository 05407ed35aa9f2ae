"""Electrons at zero temperature: occupations of one layer with fixed numbers of either spin, their moves and H."""

from dataclasses import dataclass

import numpy as np

from hpc_nqs.hamiltonians.electron_model import ElectronModel
from hpc_nqs.hilbert.moves import Moves
from hpc_nqs.hilbert.purification import orbitals_between_parts, random_occupations
from hpc_nqs.hilbert.system import System, layer_hamiltonian


@dataclass(frozen=True)
class ElectronSystem(System):
    """The electrons of one model; units are its spin-orbitals, +1 where occupied.

    Attributes
    ----------
    model : ElectronModel
        Canonical.
    moves : Moves
        Hops, pairs of hops, then exchanges between parts of the orbitals that no hops connect.
    proposals : (n_proposals,) intp
        All of them.
    hamiltonians : tuple of Hamiltonian
        H alone.
    """

    model: ElectronModel
    moves: Moves
    proposals: np.ndarray
    hamiltonians: tuple

    @property
    def n_sites(self):
        """Lattice sites."""
        return self.model.n_lattice_sites

    @property
    def n_visible(self):
        """Spin-orbitals."""
        return self.model.n_sites

    @property
    def n_inputs(self):
        """Inputs of a wave function: the spin-orbitals."""
        return self.model.n_sites

    @property
    def n_up(self):
        """Electrons of spin up and of spin down."""
        return self.model.filling

    def random_configuration(self, stream):
        """Return one configuration (n_visible,) int8, all equally likely."""
        return random_occupations(self.model.filling, self.model.n_levels, stream)


def electron_system(model):
    """Return the `ElectronSystem` of a model.

    Raises
    ------
    ValueError
        A chemical potential in place of numbers, or numbers that leave nothing to optimize.
    """
    if not model.is_canonical:
        raise ValueError(
            f"model.mu = {model.mu:g}: ground states have fixed numbers of electrons; allowed are n_up and n_down"
        )
    for name, number in zip(("n_up", "n_down"), model.filling, strict=True):
        if not 0 <= number <= model.n_levels:
            raise ValueError(f"model.{name} = {number}: allowed is 0 to {model.n_levels}")
    if sum(model.filling) == 0:
        raise ValueError("model.n_up = 0, model.n_down = 0: a ground state needs at least one electron")
    moves = Moves(n_visible=model.n_sites, n_sites=0, bond_features=False)
    terms = [moves.add_exchange(p, q) for p, q in model.exchange_sites.tolist()]
    terms += [moves.add_two_exchanges(*units) for units in model.hop2_sites.tolist()]
    others = [moves.add_exchange(p, q) for p, q in orbitals_between_parts(model)]
    return ElectronSystem(
        model=model,
        moves=moves,
        proposals=np.array(terms + others, dtype=np.intp),
        hamiltonians=(layer_hamiltonian(model, terms),),
    )
