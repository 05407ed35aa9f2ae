"""Sum of the images of a pair product, Psi(s) = sum_g c_g phi(g s); [PRX] 11, 031034 (2021).

phi(s) = (-1)^inv(s) det[f(u_a, d_b)], u up, d down sites.  f shares only part of the translations (sublattices),
and the projection restores the others: images that f shares already are summed once.  Spins of the larger number that
have no partner stand in orbitals, det[f(u_a, d_b) | w_k(u_a)]: with a symmetric f the total spin is then abs(Sz).
"""

import copy

import numpy as np

from hpc_nqs.kernels.pair_sum import N_LANES, PairSumAmplitude
from hpc_nqs.symmetry.site_permutations import parity
from hpc_nqs.wavefunctions.spin_pair_product import SpinPairs


class PairSum(SpinPairs):
    """f(i, j) with one parameter per orbit of pairs of an up spin at i and a down spin at j, and the images of phi.

    Parameters
    ----------
    group : SignedPermutations
        Of the sites, under which f transforms like x_i x_j: f(g i, g j) = sign_gi sign_gj f(i, j), g i the source.
    start : (n_sites, n_sites) float64
        f of which the parameters are taken.
    images : SignedPermutations
        Site permutations, with or without the flip of all spins.
    coefficients : (order,) float64
        c_g = chi(g)^*.
    symmetric : bool
        f(i, j) = f(j, i): singlets, which have the parity (-1)^(n_sites / 2) under the flip of all spins.
    orbitals : (n_unpaired, n_sites) float64, optional
        w of unpaired spins, which share nothing.
    unpaired_up : bool
        Unpaired spins are up.

    Notes
    -----
    A pair that symmetry takes to itself with the opposite sign has f = 0.
    """

    def __init__(self, group, start, images, coefficients, symmetric=True, orbitals=None, unpaired_up=True):
        super().__init__(group, start, symmetric)
        self.n_unpaired = 0
        if orbitals is not None:
            self._add_orbitals(orbitals, unpaired_up)
        self._sum_over(images, coefficients)

    def _add_orbitals(self, orbitals, unpaired_up):
        """Give every orbital an extra site, whose f with a site is a parameter of its own."""
        extra, n = orbitals.shape
        self.n_unpaired = extra if unpaired_up else -extra
        pair_param = np.zeros((n + extra, n + extra), dtype=np.intc)
        pair_param[:n, :n] = self.pair_param
        own = self.n_params + 1 + np.arange(extra * n).reshape(extra, n)
        if unpaired_up:
            pair_param[:n, n:] = own.T
        else:
            pair_param[n:, :n] = own
        self.pair_param, self.params = pair_param, np.concatenate([self.params, orbitals.ravel()])

    def _sum_over(self, images, coefficients):
        self.images, self.coefficients = images, np.ascontiguousarray(coefficients, dtype=np.float64)
        self._lanes = _Lanes(images, self.coefficients)
        doubled = 2 * np.abs(self.pair_param) + (self.pair_param < 0)
        self._image_params = self._lanes.spread(doubled.astype(np.intc))

    def unprojected(self):
        """Return the pair product alone, with the same parameters."""
        alone = copy.copy(self)
        alone._sum_over(self.images[:1], self.coefficients[:1])
        return alone

    def arrays(self):
        """Return f, extra sites included, the images and their coefficients."""
        return super().arrays() | {"images": self.images.encoded(), "coefficients": self.coefficients}

    def amplitude(self, moves):
        """Return the compiled amplitude at the present parameters."""
        tables = self._lanes.spread(self.pairing())
        exchanges = np.ascontiguousarray(moves.sites, dtype=np.intp)
        return PairSumAmplitude(
            tables, self._lanes.coefficients, self._image_params, exchanges, self.n_params, self.n_unpaired
        )


class _Lanes:
    """Images in the lanes of vectors: c_g with the signs of g, and what an image makes of a function of pairs."""

    def __init__(self, images, coefficients):
        n = len(images)
        n_blocks = -(-n // N_LANES)
        self.flips = images.signs[:, 0] < 0
        self.places = np.argsort(images.sources, axis=1)  # where g s holds a site of s
        signs = np.array([parity(place) for place in self.places])
        signs[self.flips] *= (-1) ** (images.n_entries // 2)
        self.coefficients = np.zeros((n_blocks, N_LANES))
        self.coefficients.reshape(-1)[:n] = coefficients * signs

    def spread(self, table):
        """Return table_g(v, w) of all images, (n_blocks, n, n, N_LANES); the last repeat the first.

        Sites behind those of the images stay where they are.
        """
        n_blocks, n = len(self.coefficients), len(table)
        spread = np.empty((n_blocks * N_LANES, n, n), dtype=table.dtype)
        extra = np.arange(self.places.shape[1], n)  # which no image moves
        for g, (place, flip) in enumerate(zip(self.places, self.flips, strict=True)):
            place = np.concatenate([place, extra])
            moved = table[np.ix_(place, place)]
            spread[g] = moved.T if flip else moved
        spread[len(self.places) :] = spread[0]
        return np.ascontiguousarray(np.moveaxis(spread.reshape(n_blocks, N_LANES, n, n), 1, 3))
