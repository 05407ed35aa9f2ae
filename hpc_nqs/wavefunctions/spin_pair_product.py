"""Singlet pair product of N plain spins, Psi(s) = (-1)^inv(s) det[f(u_a, d_b)]; [PRX] 11, 031034 (2021).

It is the Gutzwiller projection of a paired state of fermions with pair function f.  Translations may carry a boundary
condition: f then changes its sign where one of the two sites is moved across the boundary.
"""

import numpy as np

from hpc_nqs.kernels.pairing import PairAmplitude
from hpc_nqs.symmetry.tied_parameters import compact, first_slots, orbit_starts, tie
from hpc_nqs.wavefunctions.wavefunction import Wavefunction


class SpinPairs(Wavefunction):
    """f(i, j), up site first, with one parameter per orbit of site pairs.

    Parameters
    ----------
    group : SignedPermutations
        Of the sites, under which f transforms like x_i x_j: f(g i, g j) = sign_gi sign_gj f(i, j), g i the source.
    start : (n_sites, n_sites) float64
        f of which the parameters are taken.
    symmetric : bool
        f(i, j) = f(j, i), a pair is a singlet; else up and down site of a pair are told apart.

    Notes
    -----
    A pair that symmetry takes to itself with the opposite sign has f = 0.
    """

    width = 1
    is_complex = False
    n_units = 0  # hidden ones

    def __init__(self, group, start, symmetric=True):
        self.n_visible = group.n_entries
        self.pair_param = _tied_pairs(group, symmetric)
        first = first_slots(self.pair_param.ravel())
        self.params = start.ravel()[first] * np.sign(self.pair_param.ravel()[first])

    @property
    def n_params(self):
        """Number of parameters."""
        return len(self.params)

    def pairing(self):
        """Return f (n_sites, n_sites) at the present parameters."""
        return np.concatenate([[0.0], self.params])[np.abs(self.pair_param)] * np.sign(self.pair_param)

    def arrays(self):
        """Return {"pairing": f}."""
        return {"pairing": self.pairing()}

    def amplitude(self, moves):
        """Return the compiled amplitude at the present parameters."""
        return PairAmplitude(self.pairing(), self.pair_param, self.n_params)


def _tied_pairs(group, symmetric):
    """Return the signed 1 + k of the parameter of f(v, w), (n, n) intc."""
    n = group.n_entries
    tied = np.zeros((n, n), dtype=np.intc)
    if symmetric:
        pairs = np.stack(np.triu_indices(n, 1), axis=1)
        v, w = pairs.T
        tied[v, w] = tie(group.on_pairs(pairs), len(pairs), starts=orbit_starts(group.on_pairs(pairs), len(pairs)))
        return tied + tied.T
    slots = np.arange(n * n).reshape(n, n)

    def moved():
        for sources, signs in group:
            yield slots[np.ix_(sources, sources)].ravel(), np.outer(signs, signs).ravel()

    diagonal = np.eye(n, dtype=bool).ravel()  # no site holds two spins
    found = tie(moved(), n * n, diagonal, orbit_starts(moved(), n * n))
    return compact(found).reshape(n, n).astype(np.intc)
