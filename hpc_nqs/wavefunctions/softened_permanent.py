"""Softened permanent: the density from which chains sample a kernel whose exchange permanent changes its sign.

See docs/theory/deep_states.md, "Softened links".

Rings of links phi = perm[r] x tables are weighted by prod abs(phi).  Between regions of opposite sign perm[r] passes
zeros, where the local energy of a link goes as one over phi: with the weight abs(phi) its variance does not exist.
Rings sampled from prod w,

    w = tables x sqrt(perm[r]^2 + share^2 perm[|r|]^2),

and reweighted by prod abs(phi) / w have the same means, and (E_loc phi / w)^2 w is finite everywhere.
"""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hpc_nqs.kernels.softened import SoftenedPermanentAmplitude
from hpc_nqs.wavefunctions.softened import Softened

# Of the kernels of 4x4 sites, J2 = 0.5, the error of one independent ring, in units of that with the best share, at
# shares 0, 0.05, 0.1, 0.2, 0.3, 0.5: of e (b = 1, R = 3) 1.04, 1.02, 1.01, 1.01, 1, 1.01 and (b = 2, R = 4) 1.47, 1.04,
# 1, 1.00, 1.06, 1.23; of c 1.23, 1.13, 1.09, 1.04, 1.01, 1 and 2.3, 1.25, 1.09, 1, 1.01, 1.11.  One of 192,000 rings
# has up to 18 % of the variance of c at share 0, 3 % at 0.2.  A sweep costs 1.16 to 1.25 times as much.
SHARE = 0.2


class SoftenedPermanent(Softened):
    """w of an exchange permanent at whatever parameters that has; it has none of its own.

    Parameters
    ----------
    permanent : ExchangePermanent
    share : float
        w at a node of perm[r], in units of perm[|r|].

    Raises
    ------
    ValueError
        When the share is not above 0 or above 1.
    """

    word = "permanent"

    def __init__(self, permanent, share=SHARE):
        super().__init__(permanent, share)

    def amplitude(self, moves):
        """Return the compiled amplitude at the present parameters of the permanent."""
        permanent = self.inner
        return SoftenedPermanentAmplitude(permanent.exchange(), permanent.pair_param, permanent.max_pairs, self.share)


def has_competing_signs(exchange):
    """Whether abs(perm[r]) may differ from perm[|r|] for some configuration.

    It does not where r_ik = c c_i c_k |r_ik| with signs c and c_i: all matchings of a configuration of k pairs have
    the sign c^k prod c_i.  Signs c_i exist where no path over pairs leads from a site to itself with the sign -1, that
    is from the site to its copy in a graph of two copies of every site, with pairs of sign -1 between the copies.

    Parameters
    ----------
    exchange : (n_sites, n_sites) float64
        r, symmetric; the diagonal is not used.
    """
    return not any(has_site_signs(sign * exchange) for sign in (1, -1))


def has_site_signs(exchange):
    """Whether r_ik = c_i c_k |r_ik| with signs c_i."""
    n_sites = len(exchange)
    i, k = np.nonzero(np.triu(exchange, 1))
    crossing = np.where(exchange[i, k] < 0, n_sites, 0)
    rows, columns = np.concatenate([i, i + n_sites]), np.concatenate([k + crossing, k + n_sites - crossing])
    graph = coo_array((np.ones(len(rows)), (rows, columns)), shape=(2 * n_sites, 2 * n_sites))
    _, labels = connected_components(graph, directed=False)
    return not np.any(labels[:n_sites] == labels[n_sites:])
