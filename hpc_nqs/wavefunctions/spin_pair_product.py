"""Singlet pair product of N plain spins, Psi(s) = (-1)^inv(s) det[f(u_a, d_b)]; [PRX] 11, 031034 (2021).

It is the Gutzwiller projection of a paired state of fermions with pair function f.  Translations may carry a boundary
condition: f then changes its sign where one of the two sites is moved across the boundary.
"""

import numpy as np

from hpc_nqs.kernels.pairing import PairAmplitude


class SpinPairs:
    """f(i, j) = f(j, i) with one parameter per orbit of site pairs.

    Parameters
    ----------
    images : (order, n_sites) intp
        Site permutations that leave f unchanged up to signs; the identity first.
    signs : (order, n_sites) float64
        f(g i, g j) = signs[g, i] signs[g, j] f(i, j).
    start : (n_sites, n_sites) float64
        f of which the parameters are taken.

    Notes
    -----
    A pair that symmetry takes to itself with the opposite sign has f = 0.
    """

    width = 1
    is_complex = False
    n_units = 0  # hidden ones

    def __init__(self, images, signs, start):
        n = images.shape[1]
        self.n_visible = n
        self.pair_param = np.zeros((n, n), dtype=np.intc)
        params, seen = [], np.zeros((n, n), dtype=bool)
        for v, w in zip(*np.triu_indices(n, 1), strict=True):
            if seen[v, w]:
                continue
            rows, columns = images[:, v], images[:, w]
            seen[rows, columns] = seen[columns, rows] = True
            tied = np.zeros((n, n), dtype=np.intc)
            contradiction = False
            for a, b, sign in zip(rows, columns, signs[:, v] * signs[:, w], strict=True):
                contradiction |= tied[a, b] * sign < 0
                tied[a, b] = tied[b, a] = sign
            if contradiction:
                continue
            params.append(start[v, w])
            self.pair_param += tied * len(params)
        self.params = np.array(params)

    @property
    def n_params(self):
        return len(self.params)

    def pairing(self):
        """Return f (n_sites, n_sites) at the present parameters."""
        return np.concatenate([[0.0], self.params])[np.abs(self.pair_param)] * np.sign(self.pair_param)

    def network(self):
        """Return {"pairing": f}."""
        return {"pairing": self.pairing()}

    def amplitude(self, moves):
        """Return the compiled amplitude at the present parameters."""
        return PairAmplitude(self.pairing(), self.pair_param, self.n_params)
