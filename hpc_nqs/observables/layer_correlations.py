"""Correlations between the layers of a ring: S^z at two imaginary times.

The layers of a ring of R links at inverse temperature beta stand at imaginary times k beta / R, so that diagonal
operators on two layers, k apart, have the mean <A(tau_k) B> = Tr[e^{-(beta - tau_k) H} A e^{-tau_k H} B] / Z.  See
docs/theory/rings.md, "Imaginary time".
"""

import numpy as np


class LayerCorrelations:
    """Products of S^z on layers k apart, k = 0 to R // 2, averaged over all layers to start from.

    Parameters
    ----------
    phases : dict of str: (n_sites,) complex128
        e^{iqr} of every wave vector, by its key "qx,qy".
    n_sites : int
    subtracts_means : bool
        <S^z_q> may differ from zero and is measured, too: where a field along z acts.
    images : SignedPermutations, optional
        A group of the spins, flips of all of them included, over which everything is averaged: for sums of one
        configuration of every orbit.
    """

    def __init__(self, phases, n_sites, subtracts_means=False, images=None):
        self.phases, self.n_sites, self.subtracts_means = phases, n_sites, subtracts_means
        self._turns = np.reshape(list(phases.values()), (-1, n_sites)).astype(np.complex128)
        self._weights, self._means = None, self._turns
        if images is not None:
            places = np.argsort(images.sources, axis=1)
            self._weights = np.mean([self.pair_weights()[:, row[:, None], row[None, :]] for row in places], axis=0)
            self._means = np.mean([self._turns[:, row] for row in places], axis=0)  # no flips where a field acts

    def averaged(self, images):
        """Return the same, averaged over a group of the spins."""
        return LayerCorrelations(self.phases, self.n_sites, self.subtracts_means, images)

    def n_columns(self, n_links):
        """Return the number of columns of `measure`."""
        return (n_links // 2 + 1) * (len(self.phases) + 1) + 2 * len(self.phases) * self.subtracts_means

    def columns(self, n_links, number):
        """Return the columns of one correlation at k = 0 to R // 2: that of wave vector `number`, -1 the local one."""
        n_kinds = len(self.phases) + 1
        return np.arange(n_links // 2 + 1) * n_kinds + number % n_kinds

    def mean_columns(self, n_links, number):
        """Return the two columns of Re <S^z_q> and Im <S^z_q> of one wave vector; none where it is not measured."""
        first = (n_links // 2 + 1) * (len(self.phases) + 1) + 2 * number
        return np.arange(first, first + 2 * self.subtracts_means)

    def measure(self, sz_layers):
        """Return Re S^z_q(l) S^z_-q(l + k) and (1/N) sum_i S^z_i(l) S^z_i(l + k), averaged over the layers l.

        Parameters
        ----------
        sz_layers : (n, R, n_sites) float64
            S^z = +-1/2 on the layers of n rings.

        Returns
        -------
        (n, n_columns) float64
            For k = 0 to R // 2 those of all wave vectors, S^z_q = N^(-1/2) sum_j e^{iqr_j} S^z_j, and the local one;
            then, where means are subtracted, Re and Im of the mean of S^z_q over the layers.
        """
        n_links = sz_layers.shape[1]
        found = []
        amplitudes = sz_layers @ self._turns.T / np.sqrt(self.n_sites)
        for k in range(n_links // 2 + 1):
            later = np.roll(sz_layers, -k, axis=1)
            if self._weights is None:
                found.append(np.mean(amplitudes * np.roll(amplitudes, -k, axis=1).conj(), axis=1).real)
            else:
                pairs = np.einsum("nli,qij,nlj->nq", sz_layers, self._weights, later, optimize=True)
                found.append(pairs[:, :-1] / n_links)
            found.append(np.mean(sz_layers * later, axis=(1, 2))[:, None])
        if self.subtracts_means:
            means = sz_layers.mean(axis=1) @ self._means.T / np.sqrt(self.n_sites)
            found.append(np.stack([means.real, means.imag], axis=2).reshape(len(means), -1))
        return np.concatenate(found, axis=1)

    def of_sites(self, correlations, means):
        """Return the columns of `measure` as means, from those of single sites.

        Parameters
        ----------
        correlations : (R // 2 + 1, n_sites, n_sites) float64
            <S^z_i(tau_k) S^z_j>.
        means : (n_sites,) float64
            <S^z_i>.
        """
        found = np.einsum("qij,kij->kq", self.pair_weights(), correlations).ravel()
        if self.subtracts_means:
            amplitudes = self._turns @ means / np.sqrt(self.n_sites)
            found = np.append(found, np.stack([amplitudes.real, amplitudes.imag], axis=1))
        return found

    def pair_weights(self):
        """Return the weights w_ij of S^z_i(l) S^z_j(l + k), (n_wave_vectors + 1, n_sites, n_sites); the last: local.

        Averaged over the group where there is one.
        """
        if self._weights is not None:
            return self._weights
        waves = np.einsum("qi,qj->qij", self._turns, self._turns.conj()).real / self.n_sites
        return np.concatenate([waves, np.eye(self.n_sites)[None] / self.n_sites])


def layer_correlations(sz_layers, phases):
    """Return the columns of `LayerCorrelations.measure` of rings (n, R, n_sites) without any average over a group."""
    return LayerCorrelations(phases, sz_layers.shape[2]).measure(sz_layers)
