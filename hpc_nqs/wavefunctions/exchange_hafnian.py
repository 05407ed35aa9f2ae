"""Exchange hafnian: the signs of a magnet whose terms flip two spins at a time, as sums over all ways to undo them.

With equal-spin Bell pairs site i is mismatched where sigma_i = -ancilla_i.  Where H exchanges antiparallel spins and
creates or annihilates pairs of parallel ones (J^x != J^y), e^{-beta H/2} flips the mismatched sites in pairs, in all
ways that there are:

    Psi(sigma, ancilla) = haf[w_ik],   w_ik = r_ik where sigma_i = -sigma_k,  q_ik where sigma_i = sigma_k,

i and k in the set of mismatched sites, with H unrotated and real signed r and q, one of either per orbit of pairs of
sites.  The hafnian of a matrix is the sum over perfect matchings of its indices (E. R. Caianiello, Nuovo Cimento 10,
1634 (1953)), known from Gaussian states of bosons whose numbers are not conserved.  With q = 0 it is the permanent of
`exchange_permanent`.

A field along x flips single spins: a mismatched site may then be matched with none, with a factor l_i (the loop hafnian
of A. Bjorklund, B. Gupt, N. Quesada, ACM J. Exp. Algorithmics 24, 1.11 (2019)).
"""

import copy

import numpy as np
from scipy.sparse.csgraph import shortest_path

from hpc_nqs.kernels.hafnian import HafnianAmplitude
from hpc_nqs.wavefunctions.wavefunction import Wavefunction

# mismatched sites, 0.4 ms per hafnian; more have no amplitude.  All configurations of 22 sites have one.
MAX_MISMATCHED = 22
NEGLIGIBLE = 1e-12  # factors of the seed, relative to the largest one, that symmetry forbids


class ExchangeHafnian(Wavefunction):
    """r and q with a parameter per orbit of pairs of sites under the lattice group, l with one per orbit of sites.

    Parameters
    ----------
    site_images : (order, n_sites) intp
        Lattice symmetries as gathers.
    factors : (2, n_sites, n_sites) float64
        r and q at the start, symmetric and the same within an orbit; the diagonals are never used.  Pairs without a
        factor have no parameter: H does not connect them.
    singles : (n_sites,) float64, optional
        l at the start, the same within an orbit; sites without one have no parameter.

    Notes
    -----
    Psi = 0 where more than `max_sites` sites are mismatched, MAX_MISMATCHED at first.
    """

    width = 1
    is_complex = False
    n_units = 0  # hidden ones

    def __init__(self, site_images, factors, singles=None):
        n_sites = site_images.shape[1]
        singles = np.zeros(n_sites) if singles is None else singles
        self.n_visible, self.max_sites = 2 * n_sites, MAX_MISMATCHED
        self.factor_param = np.zeros((2, n_sites, n_sites), dtype=np.intc)
        self.single_param = np.zeros(n_sites, dtype=np.intc)
        params, pairs = [], list(zip(*np.triu_indices(n_sites, 1), strict=True))
        least = NEGLIGIBLE * max((np.abs(factors[:, i, k]).max() for i, k in pairs), default=0.0)
        for param_of, values in zip(self.factor_param, factors, strict=True):
            for i, k in pairs:
                if param_of[i, k] or abs(values[i, k]) <= least:
                    continue
                params.append(values[i, k])
                rows, columns = site_images[:, i], site_images[:, k]
                param_of[rows, columns] = param_of[columns, rows] = len(params)
        for i in np.flatnonzero(np.abs(singles) > NEGLIGIBLE * np.abs(singles).max(initial=0.0)):
            if not self.single_param[i]:
                params.append(singles[i])
                self.single_param[site_images[:, i]] = len(params)
        self.params = np.array(params, dtype=np.float64)

    @property
    def n_params(self):
        """Number of orbits of pairs of sites, of r and of q, and of sites."""
        return len(self.params)

    def factors(self):
        """Return r and q (2, n_sites, n_sites) at the present parameters."""
        return np.concatenate([[0.0], self.params])[self.factor_param]

    def singles(self):
        """Return l (n_sites,) at the present parameters."""
        return np.concatenate([[0.0], self.params])[self.single_param]

    def arrays(self):
        """Return {"exchange": r, "pair_creation": q, "single_flips": l}."""
        names = "exchange", "pair_creation", "single_flips"
        return dict(zip(names, (*self.factors(), self.singles()), strict=True))

    def limited(self, max_sites):
        """Return the same function at its present parameters with a smaller limit of mismatched sites."""
        other = copy.copy(self)
        other.max_sites = min(max_sites, self.max_sites)
        return other

    def n_mismatched(self, configurations):
        """Return the numbers (n,) of mismatched sites of configurations (n, n_visible)."""
        sigma, ancilla = np.split(configurations, 2, axis=1)
        return np.count_nonzero(sigma != ancilla, axis=1)

    @property
    def loses_pairs(self):
        """Whether Psi vanishes for two mismatched sites that paths over pairs with a factor connect."""
        has_factor, alone = self.factor_param.any(axis=0), self.single_param > 0
        connected = np.isfinite(shortest_path(has_factor, directed=False, unweighted=True))
        lost = connected & ~has_factor & ~np.outer(alone, alone)
        return bool(lost[np.triu_indices(len(has_factor), 1)].any())

    def amplitude(self, moves):
        """Return the compiled amplitude at the present parameters."""
        return HafnianAmplitude(
            self.factors(), self.factor_param, self.singles(), self.single_param, self.n_params, self.max_sites
        )
