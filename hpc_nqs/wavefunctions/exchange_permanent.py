"""Exchange permanent: the signs of a magnet that conserves Sz, as sums over all ways to undo its mismatches.

With opposite-spin Bell pairs site i is mismatched where sigma_i = ancilla_i: A are the sites with both up, B those with
both down, as many.  e^{-beta H/2} moves the up-spins of B to A.  They are bosons, all ways to do so add:

    Psi(sigma, ancilla) = perm[r_ik], i in A and k in B,

with H unrotated and one real signed r per orbit of pairs of sites.  Permanents are known as ground states of bosons.

Where r has a radius, the permanent is a product over the components of the graph of pairs within it between A and B.
"""

import copy

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hpc_nqs.kernels.permanent import PermanentAmplitude
from hpc_nqs.wavefunctions.wavefunction import Wavefunction

# mismatched sites of either side of a component, two million products per permanent and 0.5 ms; more have no
# amplitude.  All configurations of 36 sites have one.
MAX_PAIRS = 18


class ExchangePermanent(Wavefunction):
    """r with one parameter per orbit of pairs of sites under the lattice group.

    Parameters
    ----------
    site_images : (order, n_sites) intp
        Lattice symmetries as gathers.
    exchange : (n_sites, n_sites) float64
        r at the start, symmetric and the same within an orbit; the diagonal is never used.
    within : (n_sites, n_sites) bool, optional
        The pairs of sites that have a parameter, symmetric and the same within an orbit; r = 0 elsewhere.

    Notes
    -----
    Psi = 0 where a component has more than `max_pairs` mismatched sites of either side, MAX_PAIRS at first, which no
    more than 2 MAX_PAIRS sites reach.
    """

    width = 1
    is_complex = False
    n_units = 0  # hidden ones

    def __init__(self, site_images, exchange, within=None):
        n_sites = site_images.shape[1]
        self.n_visible, self.max_pairs = 2 * n_sites, MAX_PAIRS
        self.pair_param = np.zeros((n_sites, n_sites), dtype=np.intc)
        params = []
        for i, k in zip(*np.triu_indices(n_sites, 1), strict=True):
            if self.pair_param[i, k] or not (within is None or within[i, k]):
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

    def limited(self, max_pairs):
        """Return the same function at its present parameters with a smaller limit of k."""
        other = copy.copy(self)
        other.max_pairs = min(max_pairs, self.max_pairs)
        return other

    def n_pairs(self, configurations):
        """Return the numbers k (n,) of mismatched sites of either side of configurations (n, n_visible)."""
        return np.count_nonzero(_mismatched(configurations)[0], axis=1)

    def largest_component(self, configurations):
        """Return the largest number of mismatched sites of side A in a component over configurations (n, n_visible)."""
        up, down = _mismatched(configurations)
        largest = int(np.count_nonzero(up, axis=1).max(initial=0))
        first, second = np.nonzero(self.pair_param)
        if len(first) == up.shape[1] * (up.shape[1] - 1):
            return largest
        rows, pairs = np.nonzero(up[:, first] & down[:, second])
        start, n_nodes = rows * up.shape[1], up.size
        links = coo_array((np.ones(len(rows)), (start + first[pairs], start + second[pairs])), shape=(n_nodes, n_nodes))
        _, labels = connected_components(links, directed=False)
        return int(np.bincount(labels[up.ravel()], minlength=1).max())

    def amplitude(self, moves):
        """Return the compiled amplitude at the present parameters."""
        return PermanentAmplitude(self.exchange(), self.pair_param, self.n_params, self.max_pairs)


def _mismatched(configurations):
    """Return which sites are in A and which in B, (2, n, n_sites) bool."""
    sigma, ancilla = np.split(configurations, 2, axis=1)
    return np.stack([(sigma > 0) & (ancilla > 0), (sigma < 0) & (ancilla < 0)])
