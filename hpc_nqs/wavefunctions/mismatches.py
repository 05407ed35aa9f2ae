"""Reference function of mismatched sites: how e^{-beta H/2} spreads over configurations at high temperature.

With opposite-spin Bell pairs site i is mismatched where sigma_i = ancilla_i.  An exchange mismatches two sites, one
each way, and configurations with many mismatched sites have the amplitude sum over matchings prod a_ik: a permanent.
Psi = prod_i (sum_k a_ik)^(1/2), i over the mismatched sites and k over those mismatched the other way, is that for
one pair and for pairs far from each other, within a factor of order one elsewhere, positive, and never zero.

Where exchanges are frustrated the a_ik have both signs, and e^{-beta H/2} has the sign of the permanent p down to low
temperatures: on 4x4 sites with J2 = 0.5 and the a_ik of beta J = 2 it differs on configurations with a weight of 0.0003,
0.002, 0.003, 0.005, 0.03 at beta J = 0.5, 1, 2, 2.9, 4 (Marshall's rule: 0.04, 0.10, 0.14, 0.14, 0.11).  Then
Psi = sgn(p) [p^2 + SMOOTH^2 prod_i (sum_k |a_ik|)]^(1/2), small but never zero where p changes its sign.  A permanent costs
n 2^n for 2n mismatched sites; where there are more than 24 of them Psi is the first form, with the sign of
prod_i (sum_k a_ik), i over the sites mismatched one way.
"""

import numpy as np

from hpc_nqs.kernels.mismatches import MismatchAmplitude

SMOOTH = 0.2  # of the form without signs where the permanent vanishes


class MismatchFactor:
    """The reference function; it has no parameters.

    Parameters
    ----------
    amplitudes : (n_sites, n_sites) float64
        a_ik >= 0 of one pair of mismatched sites, symmetric, zero on the diagonal.
    transfers : (n_sites, n_sites) float64, optional
        The a_ik of both signs; without them Psi is positive.
    """

    width = 1
    is_complex = False
    n_params = 0
    n_units = 0  # hidden ones

    def __init__(self, amplitudes, transfers=None):
        self.amplitudes = np.ascontiguousarray(amplitudes)
        self.transfers = None if transfers is None else np.ascontiguousarray(transfers)
        self.n_visible = 2 * len(amplitudes)
        self.params = np.zeros(0)

    def network(self):
        """Return {"mismatch_amplitudes": a} and, where Psi has signs, {"mismatch_transfers": b}."""
        signs = {} if self.transfers is None else {"mismatch_transfers": self.transfers}
        return {"mismatch_amplitudes": self.amplitudes} | signs

    def amplitude(self, moves):
        """Return the compiled amplitude."""
        return MismatchAmplitude(self.amplitudes, self.transfers, SMOOTH)
