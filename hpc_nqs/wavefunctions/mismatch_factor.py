"""Reference function of mismatched sites: how e^{-beta H/2} spreads over configurations at high temperature.

With opposite-spin Bell pairs site i is mismatched where sigma_i = ancilla_i.  An exchange mismatches two sites, one
each way, and configurations with many mismatched sites have the amplitude sum over matchings prod a_ik: a permanent.
Psi = prod_i (sum_k a_ik)^(1/2), i over the mismatched sites and k over those mismatched the other way, is that for
one pair and for pairs far from each other, within a factor of order one elsewhere, positive, and never zero.
"""

import numpy as np

from hpc_nqs.kernels.mismatches import MismatchAmplitude
from hpc_nqs.wavefunctions.wavefunction import Wavefunction


class MismatchFactor(Wavefunction):
    """The reference function; it has no parameters.

    Parameters
    ----------
    amplitudes : (n_sites, n_sites) float64
        a_ik >= 0 of one pair of mismatched sites, symmetric, zero on the diagonal.
    """

    width = 1
    is_complex = False
    n_params = 0
    n_units = 0  # hidden ones

    def __init__(self, amplitudes):
        self.amplitudes = np.ascontiguousarray(amplitudes)
        self.n_visible = 2 * len(amplitudes)
        self.params = np.zeros(0)

    def arrays(self):
        """Return {"mismatch_amplitudes": a}."""
        return {"mismatch_amplitudes": self.amplitudes}

    def amplitude(self, moves):
        """Return the compiled amplitude."""
        return MismatchAmplitude(self.amplitudes)
