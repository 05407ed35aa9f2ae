"""Singlet pair product over physical and ancilla spins, and its product with a Boltzmann machine.

Psi(s) = (-1)^inv(s) det[f(u_a, d_b)] x RBM(s), theory 4.7; [PRX] 11, 031034 (2021).  The determinant carries the
signs of a frustrated magnet, so H stays unrotated.
"""

import numpy as np

from hpc_nqs.kernels.pairing import PairAmplitude


class PairProduct:
    """f(v, w) with one parameter per orbit of site pairs.

    Parameters
    ----------
    images : (order, n_visible) intp
        Symmetries of the visible units as unsigned gathers; they may exchange the layers.
    seeds : dict of (int, int): float
        Values x of f(sigma_i, sigma_j) on bonds of the physical layer.
    layer_sign : dict of (int, int): int
        Sign of f on the ancilla bond relative to the physical one; -1 where absent.
    gauge : (order, n_visible) int, optional
        Signs eta of every symmetry, f(g v, g w) = eta_v eta_w f(v, w); where this connects a pair with minus itself f
        = 0.

    Notes
    -----
    f(sigma_i, ancilla_i) = 1 is fixed: the normalisation of Psi.
    """

    width = 1
    is_complex = False
    n_units = 0  # hidden ones

    def __init__(self, images, seeds, layer_sign, gauge=None):
        self.n_visible = n = images.shape[1]
        n_sites = n // 2
        self.pair_param = np.zeros((n, n), dtype=np.intc)
        self.fixed = np.zeros((n, n))
        sites = np.arange(n_sites)
        self.fixed[sites, sites + n_sites] = self.fixed[sites + n_sites, sites] = 1.0
        signs = self._layer_signs(layer_sign)
        gauge = np.ones(images.shape, dtype=np.intc) if gauge is None else gauge
        params, done = [], self.fixed != 0
        for v, w in zip(*np.triu_indices(n, 1), strict=True):
            if done[v, w]:
                continue
            rows, columns = images[:, v], images[:, w]
            done[rows, columns] = done[columns, rows] = True
            tied = signs[v, w] * signs[rows, columns] * gauge[:, v] * gauge[:, w]
            itself = ((rows == v) & (columns == w)) | ((rows == w) & (columns == v))
            if np.any(tied[itself] < 0):
                continue
            params.append(seeds.get((v, w), 0.0))
            self.pair_param[rows, columns] = self.pair_param[columns, rows] = len(params) * tied
        self.params = np.array(params)

    def _layer_signs(self, layer_sign):
        n_sites = self.n_visible // 2
        signs = np.ones((self.n_visible, self.n_visible), dtype=np.intc)
        signs[n_sites:, n_sites:] = -1
        for (i, j), sign in layer_sign.items():
            signs[i + n_sites, j + n_sites] = signs[j + n_sites, i + n_sites] = sign
        return signs

    @property
    def n_params(self):
        return len(self.params)

    def pairing(self):
        """Return f (n_visible, n_visible) at the present parameters."""
        values = np.concatenate([[0.0], self.params])[np.abs(self.pair_param)] * np.sign(self.pair_param)
        return self.fixed + values

    def network(self):
        """Return {"pairing": f}."""
        return {"pairing": self.pairing()}

    def amplitude(self, moves):
        """Return the compiled amplitude at the present parameters."""
        return PairAmplitude(self.pairing(), self.pair_param, self.n_params)


