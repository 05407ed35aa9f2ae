"""Singlet pair product over physical and ancilla spins.

Psi(s) = (-1)^inv(s) det[f(u_a, d_b)] x RBM(s); [PRX] 11, 031034 (2021); docs/theory/purification.md, "Pair product".
The determinant carries the signs of a frustrated magnet, so H stays unrotated.
"""

import numpy as np

from hpc_nqs.kernels.pairing import PairAmplitude
from hpc_nqs.symmetry.tied_parameters import first_slots, orbit_starts, tie
from hpc_nqs.wavefunctions.wavefunction import Wavefunction


class PairProduct(Wavefunction):
    """f(v, w) with one parameter per orbit of site pairs.

    Parameters
    ----------
    group : SignedPermutations
        Of the visible units; they may exchange the layers.  Signs are those of a gauge, beside the ones between the
        layers: f(g v, g w) = sign_gv sign_gw f(v, w), g v the source; where this connects a pair with minus itself
        f = 0.
    seeds : dict of (int, int): float
        Values x of f(sigma_i, sigma_j) on bonds of the physical layer.
    layer_sign : dict of (int, int): int
        Sign of f on the ancilla bond relative to the physical one; -1 where absent.

    Notes
    -----
    f(sigma_i, ancilla_i) = 1 is fixed: the normalisation of Psi.
    """

    width = 1
    is_complex = False
    n_units = 0  # hidden ones

    def __init__(self, group, seeds, layer_sign):
        self.n_visible = n = group.n_entries
        n_sites = n // 2
        self.pair_param = np.zeros((n, n), dtype=np.intc)
        self.fixed = np.zeros((n, n))
        sites = np.arange(n_sites)
        self.fixed[sites, sites + n_sites] = self.fixed[sites + n_sites, sites] = 1.0
        pairs = np.stack(np.triu_indices(n, 1), axis=1)
        v, w = pairs.T
        layers = self._layer_signs(layer_sign)[v, w]
        # the group leaves f times the signs between the layers unchanged
        moved = ((sources, signs * layers * layers[sources]) for sources, signs in group.on_pairs(pairs))
        starts = orbit_starts(group.on_pairs(pairs), len(pairs))
        tied = tie(moved, len(pairs), self.fixed[v, w] != 0, starts)
        self.pair_param[v, w] = self.pair_param[w, v] = tied
        self.params = np.array([seeds.get(pair, 0.0) for pair in map(tuple, pairs[first_slots(tied)].tolist())])

    def _layer_signs(self, layer_sign):
        n_sites = self.n_visible // 2
        signs = np.ones((self.n_visible, self.n_visible), dtype=np.intc)
        signs[n_sites:, n_sites:] = -1
        for (i, j), sign in layer_sign.items():
            signs[i + n_sites, j + n_sites] = signs[j + n_sites, i + n_sites] = sign
        return signs

    @property
    def n_params(self):
        """Number of parameters."""
        return len(self.params)

    def pairing(self):
        """Return f (n_visible, n_visible) at the present parameters."""
        values = np.concatenate([[0.0], self.params])[np.abs(self.pair_param)] * np.sign(self.pair_param)
        return self.fixed + values

    def arrays(self):
        """Return {"pairing": f}."""
        return {"pairing": self.pairing()}

    def amplitude(self, moves):
        """Return the compiled amplitude at the present parameters."""
        return PairAmplitude(self.pairing(), self.pair_param, self.n_params)


