"""What every system of spins offers to chains and local energies."""

from typing import Protocol

import numpy as np

from hpc_nqs.hilbert.moves import Moves


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
