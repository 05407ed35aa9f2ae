"""Exchange permanent: the signs of a magnet that conserves Sz, as sums over all ways to undo its mismatches.

With opposite-spin Bell pairs site i is mismatched where sigma_i = ancilla_i: A are the sites with both up, B those with
both down, as many.  e^{-beta H/2} moves the up-spins of B to A.  They are bosons, all ways to do so add:

    Psi(sigma, ancilla) = perm[r_ik], i in A and k in B,

with H unrotated and one real signed r per orbit of pairs of sites.  Permanents are known as ground states of bosons.
"""

import numpy as np

from hpc_nqs.kernels.permanent import PermanentAmplitude
from hpc_nqs.wavefunctions.wavefunction import Wavefunction

MAX_PAIRS = 16  # mismatched sites of either side, half a million products per permanent; more have no amplitude


class ExchangePermanent(Wavefunction):
    """r with one parameter per orbit of pairs of sites under the lattice group.

    Parameters
    ----------
    site_images : (order, n_sites) intp
        Lattice symmetries as gathers.
    exchange : (n_sites, n_sites) float64
        r at the start, symmetric and the same within an orbit; the diagonal is never used.

    Notes
    -----
    Psi = 0 beyond MAX_PAIRS mismatched sites of either side, which no more than 2 MAX_PAIRS sites reach.
    """

    width = 1
    is_complex = False
    n_units = 0  # hidden ones

    def __init__(self, site_images, exchange):
        n_sites = site_images.shape[1]
        self.n_visible = 2 * n_sites
        self.pair_param = np.zeros((n_sites, n_sites), dtype=np.intc)
        params = []
        for i, k in zip(*np.triu_indices(n_sites, 1), strict=True):
            if self.pair_param[i, k]:
                continue
            params.append(exchange[i, k])
            rows, columns = site_images[:, i], site_images[:, k]
            self.pair_param[rows, columns] = self.pair_param[columns, rows] = len(params)
        self.params = np.array(params, dtype=np.float64)

    @property
    def n_params(self):
        """Number of orbits of pairs of sites."""
        return len(self.params)

    def exchange(self):
        """Return r (n_sites, n_sites) at the present parameters."""
        return np.concatenate([[0.0], self.params])[self.pair_param]

    def arrays(self):
        """Return {"exchange": r}."""
        return {"exchange": self.exchange()}

    def n_pairs(self, configurations):
        """Return the numbers k (n,) of mismatched sites of either side of configurations (n, n_visible)."""
        sigma, ancilla = np.split(configurations, 2, axis=1)
        return np.count_nonzero((sigma > 0) & (ancilla > 0), axis=1)

    def amplitude(self, moves):
        """Return the compiled amplitude at the present parameters."""
        return PermanentAmplitude(self.exchange(), self.pair_param, self.n_params, MAX_PAIRS)
