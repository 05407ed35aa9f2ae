"""Softened hafnian: links of rings that do not vanish where an exchange hafnian does, and a density without its nodes.

As `softened_permanent` and `softened_determinant`: rings are sampled from a density that is positive wherever H Phi may
be, and measured on the kernel Phi with a tiny share of a bound in place of its zeros: no term of Tr H Phi^R is lost.
A Kitaev magnet has such zeros for pairs of sites without a factor (`ExchangeHafnian.loses_pairs`), their bound is the
largest product of factors along a path between the sites.
"""

import numpy as np
from scipy.sparse.csgraph import shortest_path

from hpc_nqs.kernels.softened_hafnian import SoftenedHafnianAmplitude
from hpc_nqs.wavefunctions.softened import Softened

SHARE = 0.2  # that of permanents
SHORT = 1e-9  # of a path with factors of 1 or more, which must not count as no path


class SoftenedHafnian(Softened):
    """Density or kernel of a hafnian at whatever parameters that has; it has none of its own.

    Parameters
    ----------
    hafnian : ExchangeHafnian
    share : float
        At a zero of the hafnian, in units of its bound.
    is_density : bool
        Whether it is positive and softened around zeros, too.

    Raises
    ------
    ValueError
        When the share is not above 0 or above 1.
    """

    word = "hafnian"

    def __init__(self, hafnian, share=SHARE, is_density=True):
        super().__init__(hafnian, share)
        self.is_density = is_density

    def amplitude(self, moves):
        """Return the compiled amplitude at the present parameters of the hafnian."""
        factors, singles = self.inner.factors(), self.inner.singles()
        return SoftenedHafnianAmplitude(
            factors, bounds(factors), singles, self.inner.max_sites, self.share, self.is_density
        )


def bounds(factors):
    """Return b (2, n_sites, n_sites): |w|, and of connected sites without a factor the largest product along a path."""
    found = np.abs(factors)
    largest, either = found.max(initial=0.0), found.max(axis=0)
    lengths = np.zeros_like(either)
    lengths[either > 0] = -np.log(np.minimum(either[either > 0], 1.0)) + SHORT
    along = np.minimum(np.exp(-shortest_path(lengths, directed=False)), largest)
    np.fill_diagonal(along, 0.0)
    lost = either == 0
    found[:, lost] = along[lost]
    return found
