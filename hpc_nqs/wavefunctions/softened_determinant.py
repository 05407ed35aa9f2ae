"""Softened determinant: links of rings of electrons that do not vanish where a determinant does, by symmetry or not.

From three links on Tr H Phi^R has terms (H Phi)(L, L') with Phi(L, L') = 0.  Chains see them where they visit these
links and where local energies are kept there.  So rings are sampled from the density

    prod_s sqrt(det_s^2 + SHARE^N_s B_s^2) x tables,    B_s = prod_a |A_a|, Hadamard's bound of |det_s|,

and measured on the kernel Phi with ZERO B_s in place of every det_s that vanishes: a mean then has the weight ZERO B_s
times a local energy (H Phi) / (ZERO B_s).  What the kernel adds elsewhere is of the order of ZERO.
"""

from hpc_nqs.kernels.softened_determinant import SoftenedDeterminantAmplitude
from hpc_nqs.wavefunctions.softened import Softened

# Error of e of one ring over that of abs(Phi) at shares 0.05, 0.1, 0.2, 0.3, exact sums of the 4-site ring (2,2) at the
# seed: U = 4, b = 0.67, R = 3 1.05, 1.03, 1.03, 1.04; b = 0.5, R = 4 1.03, 1.03, 1.04, 1.05; U = 8, b = 0.67, R = 3
# 1.09, 1.05, 1.02, 1.01.
SHARE = 0.2
ZERO = 1e-9  # share of kernels


class SoftenedDeterminant(Softened):
    """Density or kernel of determinants at whatever parameters these have; it has none of its own.

    Parameters
    ----------
    determinant : BackflowDeterminant
    share : float
        At a zero of a kernel, in units of its bound; of a density of N electrons of a spin the power N/2 of it.
    is_density : bool
        Whether it is positive and softened around zeros, too.

    Raises
    ------
    ValueError
        When the share is not above 0 or above 1.
    """

    word = "determinant"

    def __init__(self, determinant, share=SHARE, is_density=True):
        super().__init__(determinant, share)
        self.is_density = is_density

    def amplitude(self, moves):
        """Return the compiled amplitude at the present parameters of the determinant."""
        determinant = self.inner
        return SoftenedDeterminantAmplitude(
            determinant.propagator(), determinant.entry_param, determinant.groups, self.share, self.is_density
        )
