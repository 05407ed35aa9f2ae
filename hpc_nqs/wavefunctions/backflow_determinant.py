"""Determinants of electrons with backflow: thermal states of free electrons, dressed by the other spin.

Without interactions <x|e^{-beta H/2}|x'> of electrons on the orbitals x, x' of both layers is, for either spin,

    det[A_ab], a in x and b in x',    A = e^{-beta h/2},

h the matrix of the hops.  Here A_ab also depends on whether an electron of the other spin is on a and on b, on either
layer: a hop takes it from or to an interaction.  One number of A stands for all pairs of orbitals, occupations and
spins that symmetries connect.  Backflow of this kind is that of L. F. Tocchio et al., PRB 78, 041101 (2008), between
two layers in place of a configuration and its orbitals.
"""

import numpy as np

from hpc_nqs.kernels.determinant import DeterminantAmplitude
from hpc_nqs.symmetry.tied_parameters import first_slots, tie
from hpc_nqs.wavefunctions.wavefunction import Wavefunction

N_CODES = 16  # occupations n_a + 2 n'_a + 4 n_b + 8 n'_b with the other spin; n' on the second layer


class BackflowDeterminant(Wavefunction):
    """A with one parameter per orbit of its entries, real.

    Parameters
    ----------
    orbital_images : (order, n_orbitals) intp
        Lattice symmetries as gathers of the orbitals, the same for both spins.
    propagator : (2, n_orbitals, n_orbitals) or (2, n_orbitals, n_orbitals, 16) float64
        A of either spin at the start, without backflow or of every code; symmetric and the same within an orbit.
    spin_exchange : bool
        Whether both spins share their parameters.
    connected : (n_orbitals, n_orbitals) bool, optional
        Where A has entries, the same within an orbit; 0 elsewhere.  All if not given.
    groups : (n_orbitals,) intp, optional
        Psi = 0 where the number of electrons of either spin in a group, the orbitals with one number, is even on one
        layer and odd on the other; one group if not given.
    colours : (n_orbitals,) intp, optional
        Shared parameters of orbitals with different colours have opposite signs for the two spins; see `groups`: there
        are as many of them in every product.
    within : (n_orbitals, n_orbitals) bool, optional
        Pairs of orbitals with backflow, symmetric and the same within an orbit; all if not given.

    Notes
    -----
    The state is symmetric under exchange of the layers.  Psi = 0 where the numbers of electrons of one spin on the
    layers differ.
    """

    width = 1
    is_complex = False
    n_units = 0  # hidden ones

    def __init__(
        self, orbital_images, propagator, spin_exchange, within=None, connected=None, groups=None, colours=None
    ):
        n = orbital_images.shape[1]
        self.n_visible = 4 * n
        none = np.zeros(n, dtype=np.intp)
        self.groups = none if groups is None else np.ascontiguousarray(groups, dtype=np.intp)
        colours = none if colours is None else colours
        self.entry_param = _entry_params(orbital_images, spin_exchange, within, connected, colours)
        start = np.asarray(propagator, dtype=np.float64)
        if start.ndim == 3:
            start = np.repeat(start[..., None], N_CODES, axis=3)
        first = first_slots(self.entry_param)
        self.params = start.ravel()[first] * np.sign(self.entry_param[first])
        self.entry_param = self.entry_param.reshape(2, n, n, N_CODES).astype(np.intc)

    @property
    def n_params(self):
        """Number of orbits of entries."""
        return len(self.params)

    def propagator(self):
        """Return A (2, n_orbitals, n_orbitals, 16) at the present parameters."""
        return np.ascontiguousarray(np.sign(self.entry_param) * self.params[np.abs(self.entry_param) - 1])

    def arrays(self):
        """Return {"propagator": A}."""
        return {"propagator": self.propagator()}

    def amplitude(self, moves):
        """Return the compiled amplitude at the present parameters."""
        return DeterminantAmplitude(self.propagator(), self.entry_param, self.groups, self.n_params)


def _entry_params(orbital_images, spin_exchange, within, connected, colours):
    """Return the signed 1 + k of the parameter behind every entry of A, 0: none, (2 n_orbitals^2 16,) intp."""
    n = orbital_images.shape[1]
    numbers = np.arange(2 * n * n * N_CODES).reshape(2, n, n, N_CODES)
    # the layers exchanged: a and b, n and n'
    codes = np.arange(N_CODES)
    reversed_codes = sum(((codes >> bit) & 1) << (3 - bit) for bit in range(4))
    images = [numbers[:, row[:, None], row[None, :]] for row in orbital_images]
    images.append(numbers.swapaxes(1, 2)[..., reversed_codes])
    images = [(image, 1) for image in images]
    if spin_exchange:
        signs = np.where(colours[:, None] == colours, 1, -1)[:, :, None]
        images.append((numbers[::-1], np.broadcast_to(signs, numbers.shape).ravel()))
    if within is not None:
        images.append((np.where(within[..., None], numbers, numbers[..., :1]), 1))
    # entries that no configuration reaches, of a = b with two different codes, take that of another
    own, half = numbers.copy(), np.arange(n)
    own[:, half, half] = numbers[:, half, half][..., 5 * (codes & 3)]
    images.append((own, 1))
    fixed = None
    if connected is not None:
        fixed = np.broadcast_to(~connected[..., None], numbers.shape).ravel()
    return tie([(image.ravel(), signs) for image, signs in images], numbers.size, fixed=fixed)
