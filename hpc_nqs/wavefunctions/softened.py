"""Softened functions: densities and kernels of links of rings that do not vanish where a state does."""

import numpy as np

from hpc_nqs.wavefunctions.wavefunction import Wavefunction


class Softened(Wavefunction):
    """A function of another one's parameters, whatever these are; it has none of its own.

    Parameters
    ----------
    inner : Wavefunction
    share : float
        Of a bound of the inner function that is added where that vanishes.

    Raises
    ------
    ValueError
        When the share is not above 0 or above 1.
    """

    word = ""  # what the inner function is called
    width = 1
    is_complex = False
    n_units = 0
    n_params = 0

    def __init__(self, inner, share):
        if not 0 < share <= 1:
            raise ValueError(f"share = {share} of a softened {self.word}; allowed are 0 < share <= 1")
        self.inner, self.share = inner, share
        self.n_visible, self.params = inner.n_visible, np.zeros(0)

    def arrays(self):
        """Return the arrays of the inner function."""
        return self.inner.arrays()
