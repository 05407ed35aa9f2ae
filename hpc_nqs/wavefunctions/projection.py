"""A wave function projected onto a quantum number, Psi_K(s) = sum_g c_g Psi(g s); [SYM] JPCM 33, 174003 (2021)."""

import numpy as np

from hpc_nqs.kernels.projection import ProjectedAmplitude
from hpc_nqs.wavefunctions.wavefunction import Wavefunction


class ProjectedState(Wavefunction):
    """A wave function and the images over which it is summed; it has the parameters of the inner one.

    Parameters
    ----------
    inner : RBM, PairProduct or Product
        Complex unless all coefficients are real.
    images : SignedPermutations
        Of the visible units.
    coefficients : (order,) complex128
        c_g = chi(g)^*.

    Raises
    ------
    ValueError
        Complex coefficients for real parameters.
    """

    def __init__(self, inner, images, coefficients):
        if not inner.is_complex and np.any(np.imag(coefficients)):
            raise ValueError("a projection with complex characters needs complex parameters")
        self.inner, self.images, self.coefficients = inner, images, coefficients
        self.n_visible, self.width, self.is_complex = inner.n_visible, inner.width, inner.is_complex
        self._encoded = images.encoded()
        self._entries = None  # of the first moves that it meets; a state belongs to one system

    @property
    def params(self):
        """Parameters of the state that is projected, (n_params,)."""
        return self.inner.params

    @params.setter
    def params(self, values):
        self.inner.params = values

    @property
    def n_params(self):
        """Number of parameters."""
        return self.inner.n_params

    @property
    def n_units(self):
        """Units of the state that is projected."""
        return self.inner.n_units

    def unprojected(self):
        """Return the state that is projected."""
        return self.inner

    def arrays(self):
        """Return the arrays of the inner wave function, the images and the coefficients."""
        return {**self.inner.arrays(), "images": self.images.encoded(), "coefficients": self.coefficients}

    def amplitude(self, moves):
        """Return the compiled amplitude at the present parameters, with tables for `moves` (a `Moves`)."""
        if self._entries is None:
            self._entries = image_entries(moves, self.images)
        return ProjectedAmplitude(self.inner.amplitude(moves), self._encoded, self.coefficients, *self._entries)


def image_entries(moves, images):
    """Return what the images of a configuration see of a move.

    Parameters
    ----------
    moves : Moves
        Without ancilla spins, so that every move has one table entry.
    images : SignedPermutations

    Returns
    -------
    image_entry : (order, n_moves) intp
        The move of g s that corresponds to a move of s.
    entry_unit : (n_moves,) intp
        The first unit of every move.

    Raises
    ------
    ValueError
        The moves are not closed under the images.
    """
    sites = moves.sites
    numbers = {}
    for number, (a, b) in enumerate(sites.tolist()):
        numbers[frozenset((a, b))] = number
    place = np.argsort(images.sources, axis=1)
    image_entry = np.empty((len(images), len(sites)), dtype=np.intp)
    for g, where in enumerate(place):
        for number, (a, b) in enumerate(sites):
            target = numbers.get(frozenset((int(where[a]), int(where[b]))))
            if target is None:
                raise ValueError(f"image {g} takes the move of units {a} and {b} to none of the moves")
            image_entry[g, number] = target
    return image_entry, np.ascontiguousarray(sites[:, 0])
