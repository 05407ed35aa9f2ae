"""What every system of spins or electrons offers to chains and local energies."""

from typing import Protocol

import numpy as np

from hpc_nqs.hilbert.moves import Moves
from hpc_nqs.kernels.local_energy import Hamiltonian


class System(Protocol):
    """Visible units, what chains propose and what acts on them.

    Attributes
    ----------
    n_sites, n_visible, n_inputs : int
        Lattice sites, visible units, and inputs of a wave function (the visible units first).
    n_up : int, None, tuple of int or tuple of tuples of int
        Number of up spins among the visible units; None where it is not conserved.  A tuple has one number for each of
        as many equal parts of the units, one after the other; a tuple of tuples holds all that are possible.
    moves : Moves
        All moves, those of the Hamiltonians included.
    proposals : (n_proposals,) intp
        The moves that chains propose; ergodic in the sector.
    hamiltonians : tuple of kernels.local_energy.Hamiltonian
        What local energies are computed of.
    """

    moves: Moves
    proposals: np.ndarray
    hamiltonians: tuple
    n_up: int | tuple | None

    @property
    def n_sites(self) -> int:
        """Lattice sites."""

    @property
    def n_visible(self) -> int:
        """Visible units."""

    @property
    def n_inputs(self) -> int:
        """Inputs of a wave function, the visible units first."""


def layer_hamiltonian(model, terms, layer=0, n_layers=1):
    """Return H on one of several layers; on ancilla spins opposite to sigma the field changes sign.

    Parameters
    ----------
    model : SpinModel or ElectronModel
    terms : sequence of int
        The moves of its off-diagonal terms on this layer.
    layer, n_layers : int
    """
    n = model.n_sites
    field = np.zeros(n_layers * n)
    field_sign = -1.0 if layer == 1 and model.conserves_sz else 1.0
    field[layer * n : (layer + 1) * n] = field_sign * model.site_field
    return Hamiltonian(
        np.ascontiguousarray(model.pair_sites + layer * n, dtype=np.intp),
        np.ascontiguousarray(model.pair_coupling, dtype=np.float64),
        field,
        np.array(terms, dtype=np.intp),
        np.ascontiguousarray(model.off_diagonal_elements, dtype=np.float64),
        model.constant,
    )
