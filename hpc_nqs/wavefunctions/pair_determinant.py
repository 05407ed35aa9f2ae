"""Paired electrons on one layer, projected onto a quantum number: Psi(x) = sum_g c_g det[f(g a, g b) | phi(g a)].

a are the occupied orbitals of the spin with more electrons (rows), b those of the other spin (columns); unpaired
electrons have orbitals phi of their own, further columns.  That is

    |Psi> = sum_g c_g g^-1 (sum_ab f(a, b) c+_a c+_b)^N prod_k (sum_a phi_k(a) c+_a) |0>,

a condensate of N pairs that holds all Slater determinants (f of rank N) and projected BCS states ([MVMC] D. Tahara,
M. Imada, JPSJ 77, 114701 (2008), eqs. (9) to (16)).  Images that exchange the spins, f(g b, g a), project onto even or
odd total spin; f itself need not be symmetric: that of antiferromagnetic order is not.
"""

import copy

import numpy as np

from hpc_nqs.kernels.pair_determinant import PairDeterminantAmplitude
from hpc_nqs.symmetry.tied_parameters import first_slots, tie
from hpc_nqs.wavefunctions.wavefunction import Wavefunction


class PairDeterminant(Wavefunction):
    """f and phi with one real parameter per orbit of entries.

    Parameters
    ----------
    pairing : (n_orbitals, n_orbitals + n_unpaired) float64
        f, then phi in columns, at the start; the same within an orbit.
    n_rows : int
        Electrons of the spin of the rows.
    rows_are_down : bool
        Whether that is spin down.
    images : (n_images, n_orbitals) intp
        g of the projection, gathers of the orbitals.
    coefficients : (n_images,) float64
        c_g.
    exchanged : (n_images,) bool, optional
        Images that exchange the spins besides: f(g b, g a).  None if not given.
    signs : (n_images, n_orbitals) float64, optional
        Images that change the signs of orbitals besides: s_a s_b f(g a, g b).  None if not given.
    shared : (order, n_orbitals) intp, optional
        Lattice symmetries of f as gathers of the orbitals; the identity alone if not given.

    Raises
    ------
    ValueError
        An exchange of spins with unpaired electrons.
    """

    width = 1
    is_complex = False
    n_units = 0  # hidden ones

    def __init__(self, pairing, n_rows, rows_are_down, images, coefficients, exchanged=None, shared=None, signs=None):
        self.n_orbitals, self.n_rows, self.rows_are_down = len(pairing), n_rows, bool(rows_are_down)
        self.n_visible = 2 * self.n_orbitals
        self.images, self.coefficients = images, np.asarray(coefficients, dtype=np.float64)
        self.exchanged = np.zeros(len(images), dtype=bool) if exchanged is None else np.asarray(exchanged)
        self.signs = np.ones(images.shape) if signs is None else np.asarray(signs, dtype=np.float64)
        if pairing.shape[1] > self.n_orbitals and self.exchanged.any():
            raise ValueError("an exchange of spins with unpaired electrons; allowed is one with as many of either spin")
        self.is_shared = shared is not None
        self.entry_param = _entry_params(pairing.shape, shared)
        self.params = np.asarray(pairing, dtype=np.float64).ravel()[first_slots(self.entry_param.ravel())]
        self.lane_param = np.ascontiguousarray(self._lanes(self.entry_param), dtype=np.intc)

    @property
    def n_images(self):
        """Number of determinants."""
        return len(self.images)

    @property
    def n_params(self):
        """Number of orbits of entries."""
        return len(self.params)

    def unprojected(self):
        """Return the state of the identity alone, with the same parameters."""
        single = np.arange(self.n_orbitals, dtype=np.intp)[None, :]
        state = copy.copy(self)
        state.images, state.coefficients = single, np.ones(1)
        state.exchanged, state.signs = np.zeros(1, dtype=bool), np.ones(single.shape)
        state.lane_param = np.ascontiguousarray(state._lanes(self.entry_param), dtype=np.intc)
        return state

    def pairing(self):
        """Return (f | phi) (n_orbitals, n_orbitals + n_unpaired) at the present parameters."""
        return np.concatenate([[0.0], self.params])[self.entry_param]

    def arrays(self):
        """Return the matrix, the images of the orbitals, their coefficients and which exchange the spins."""
        return {
            "pairing": self.pairing(),
            "pair_images": self.images,
            "pair_coefficients": self.coefficients,
            "pair_exchanged": self.exchanged,
            "pair_signs": self.signs,
        }

    def amplitude(self, moves):
        """Return the compiled amplitude at the present parameters."""
        lanes = self._lanes(self.pairing())
        return PairDeterminantAmplitude(
            lanes, self.lane_param, self.coefficients, self.n_rows, self.rows_are_down, self.n_params
        )

    def _lanes(self, entries):
        """Return what stands at (g a, g b) of entries (n_orbitals, n_orbitals + n_unpaired), images last."""
        m = self.n_orbitals
        lanes = np.empty((*entries.shape, len(self.images)), dtype=entries.dtype)
        for g, (image, exchanged, signs) in enumerate(zip(self.images, self.exchanged, self.signs, strict=True)):
            pairs = entries[:, :m].T if exchanged else entries[:, :m]
            lanes[:, :m, g] = signs[:, None] * pairs[image[:, None], image] * signs
            lanes[:, m:, g] = signs[:, None] * entries[image, m:]
        return lanes


def _entry_params(shape, shared):
    """Return 1 + k of the parameter behind every entry of (f | phi), (n_orbitals, n_orbitals + n_unpaired) intp."""
    numbers = np.arange(shape[0] * shape[1]).reshape(shape)
    elements = [] if shared is None else [(_moved(numbers, image), 1) for image in shared]
    return tie(elements, numbers.size).reshape(shape)


def _moved(numbers, image):
    """Return the numbers of the pairs (g a, g b); unpaired orbitals share nothing."""
    m, moved = len(numbers), numbers.copy()
    moved[:, :m] = numbers[:, :m][image[:, None], image]
    return moved.ravel()
