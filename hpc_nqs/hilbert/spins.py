"""Plain spins at zero temperature: configurations of one sector of Sz, their moves and the Hamiltonian.

The counterpart of `purification` without ancilla spins: visible units are the N spins themselves.
"""

from dataclasses import dataclass

import numpy as np

from hpc_nqs.hamiltonians.spin_model import SpinModel
from hpc_nqs.hilbert.moves import Moves
from hpc_nqs.hilbert.system import System, layer_hamiltonian
from hpc_nqs.kernels.local_energy import Hamiltonian


@dataclass(frozen=True)
class SpinSystem(System):
    """The spins of one model in one sector.

    Attributes
    ----------
    model : SpinModel
    n_up : int or None
        Number of up spins; None where H does not conserve Sz.
    moves : Moves
        Every move has one table entry; the set is closed under the symmetries of the model.
    proposals : (n_proposals,) intp
        The moves that chains propose.
    hamiltonians : tuple of Hamiltonian
        H alone.
    """

    model: SpinModel
    n_up: int | None
    moves: Moves
    proposals: np.ndarray
    hamiltonians: tuple

    @property
    def n_sites(self):
        """Lattice sites."""
        return self.model.n_sites

    @property
    def n_visible(self):
        """Spins."""
        return self.model.n_sites

    @property
    def n_inputs(self):
        """Inputs of a wave function: the spins."""
        return self.model.n_sites

    def random_configuration(self, stream):
        """Return one configuration (n_sites,) int8 of the sector, all equally likely."""
        return random_spins(self, stream)

    def bond_hamiltonians(self):
        """Return {shell: (H of the bonds of that shell alone, number of its bonds)}; empty for the Ising model.

        Shell 0 holds the bonds of a custom lattice with couplings of their own.
        """
        model, parts = self.model, {}
        for shell in np.unique(model.exchange_shell).tolist():
            chosen = np.flatnonzero(model.exchange_shell == shell)
            bonds = {tuple(pair) for pair in model.exchange_sites[chosen].tolist()}
            kept = np.array([tuple(pair) in bonds for pair in model.pair_sites.tolist()], dtype=bool)
            of_shell = Hamiltonian(
                np.ascontiguousarray(model.pair_sites[kept], dtype=np.intp),
                np.ascontiguousarray(model.pair_coupling[kept]),
                np.zeros(model.n_sites),
                chosen,
                np.ascontiguousarray(model.exchange_element[chosen]),
            )
            parts[shell] = of_shell, len(chosen)
        return parts


def spin_system(model, sz=None):
    """Return the `SpinSystem` of a model.

    Parameters
    ----------
    model : SpinModel
    sz : float or None
        Total Sz = n_up - n_sites / 2 in units of hbar; None: 0 for an even number of sites, 1/2 for an odd one.

    Raises
    ------
    ValueError
        H does not conserve Sz, or there is no such sector.
    """
    n = model.n_sites
    n_up = _sector(model, sz)
    moves = Moves(n_visible=n, n_sites=0, bond_features=False)
    terms = [moves.add_exchange(i, j) for i, j in model.exchange_sites]
    terms += [moves.add_flip(i) for i in model.flip_sites]
    return SpinSystem(
        model=model,
        n_up=n_up,
        moves=moves,
        proposals=np.array(terms, dtype=np.intp),
        hamiltonians=(layer_hamiltonian(model, terms),),
    )


def _sector(model, sz):
    n = model.n_sites
    if not model.conserves_sz:
        if sz is not None:
            raise ValueError(f"ground_state.sz = {sz:g}: the model does not conserve Sz; allowed is \"auto\"")
        return None
    if sz is None:
        return (n + 1) // 2
    n_up = round(sz + n / 2)
    if abs(sz + n / 2 - n_up) > 1e-9 or not 0 < n_up < n:
        raise ValueError(
            f"ground_state.sz = {sz:g}: allowed are whole steps from {1 - n / 2:g} to {n / 2 - 1:g} on {n} sites"
        )
    return n_up


def random_spins(system, stream):
    """Return one configuration (n_sites,) int8 of the sector, all equally likely."""
    if system.n_up is None:
        return (2 * stream.integers(0, 2, size=system.n_sites) - 1).astype(np.int8)
    spins = np.ones(system.n_sites, dtype=np.int8)
    spins[system.n_up :] = -1
    return stream.permutation(spins)
