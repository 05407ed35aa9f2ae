"""Traces over rings averaged over the spin components of an isotropic magnet: Tr[Phi^(R - k) S_i . Phi^k S_j] / 3.

S^z and, at k = 0, exchanges stay in a block of one magnetization.  From k = 1 on S^-_i and S^+_j lead from the block of
n up spins to that of n + 1 and back,

    Tr[Phi_n^(R - k) S^-_i Phi_(n + 1)^k S^+_j],

and S^+ S^- is the same by the flip of all spins, which has to be a symmetry of Phi.
"""

import numpy as np
from scipy.sparse import csr_array

from hpc_nqs.hamiltonians.spin_model import SZ

SMALL = 1e-12  # of weights: rounding


class ComponentTraces:
    """The matrices of all blocks, on every rank.

    Parameters
    ----------
    blocks : list of (spins (n, n_sites) int8, phi (n, n) float64)
        Of at least as many up spins as down spins, those without the flipped ones.
    model : SpinModel
        Isotropic.
    """

    def __init__(self, blocks, model):
        n = self.n_sites = model.n_sites
        self.rotated = np.ones(n) if model.sublattice is None else model.sublattice.astype(np.float64)
        self.blocks = {}
        for spins, phi in blocks:
            n_up = int(np.sum(spins[0] > 0))
            self.blocks[n_up] = spins, phi
            self.blocks.setdefault(n - n_up, (-spins, phi))

    def equal_times(self, n_links, share):
        """Return the sum of Tr[Phi^R S_i . S_j] / 3 over some blocks, (n_sites, n_sites).

        Parameters
        ----------
        n_links : int
            R.
        share : slice
            Of the blocks.
        """
        n, found = self.n_sites, np.zeros((self.n_sites, self.n_sites))
        for n_up in sorted(self.blocks)[share]:
            spins, phi = self.blocks[n_up]
            power, place = np.linalg.matrix_power(phi, n_links), self._places(n_up)
            found += SZ**2 * (spins.T * np.diagonal(power)) @ spins + 0.5 * np.trace(power) * np.eye(n)
            codes = _codes(spins)
            for i in range(n):
                for j in range(i):
                    rows = np.flatnonzero(spins[:, i] != spins[:, j])
                    swapped = place[codes[rows] ^ (1 << i | 1 << j)]
                    value = 0.5 * self.rotated[i] * self.rotated[j] * power[rows, swapped].sum()
                    found[i, j] += value
                    found[j, i] += value
        return found / 3

    def times(self, n_links, weights, share):
        """Return the sums over pairs of Tr[Phi^(R - k) S_i . Phi^k S_j] / 3 over some blocks, (R // 2, n_kinds).

        k = 1 to R // 2.

        Parameters
        ----------
        n_links : int
        weights : (n_kinds, n_sites, n_sites) float64
            Of the pairs, symmetric.
        share : slice
            Of the blocks.
        """
        found = np.zeros((n_links // 2, len(weights)))
        vectors, shares = _vectors(weights)
        for n_up in sorted(self.blocks)[share]:
            spins, phi = self.blocks[n_up]
            less, sz = _powers(phi, n_links - 1), SZ * spins.astype(np.float64)
            more = _powers(self.blocks[n_up + 1][1], n_links // 2) if n_up < self.n_sites else None
            for k in range(1, n_links // 2 + 1):
                joined = (less[k] * less[n_links - k].T) @ sz
                found[k - 1] += np.einsum("qij,ij->q", weights, sz.T @ joined) / 3
                if more is None:
                    continue
                # S^x S^x + S^y S^y = (S^+ S^- + S^- S^+) / 2, both the same
                for vector, kinds in zip(vectors, shares, strict=True):
                    raised = self._raising(n_up, vector)
                    between = (raised.T @ more[k]) @ raised
                    found[k - 1] += kinds * (np.vdot(less[n_links - k].T, between) / 3)
        return found

    def _raising(self, n_up, vector):
        """Return sum_i v_i S^+_i from a block to the next one as a sparse array."""
        spins, place = self.blocks[n_up][0], self._places(n_up + 1)
        columns, sites = np.nonzero((spins < 0) & (vector != 0))
        rows = place[_codes(spins)[columns] | (1 << sites)]
        shape = len(self.blocks[n_up + 1][0]), len(spins)
        return csr_array(((self.rotated * vector)[sites], (rows, columns)), shape=shape)

    def _places(self, n_up):
        """Return the place of every code in a block, (2^n_sites,) intp."""
        found, spins = np.zeros(2**self.n_sites, dtype=np.intp), self.blocks[n_up][0]
        found[_codes(spins)] = np.arange(len(spins))
        return found


def _codes(spins):
    return (spins > 0) @ (1 << np.arange(spins.shape[1]))


def _powers(matrix, largest):
    """Return {k: matrix^k}, k = 1 to `largest`."""
    found = {1: matrix}
    for k in range(2, largest + 1):
        found[k] = found[k - 1] @ matrix
    return found


def _vectors(weights):
    """Return v (n, n_sites) and shares (n, n_kinds): every weight is the sum of its share times v v^T."""
    vectors, shares = [], []
    for kind, weight in enumerate(weights):
        values, found = np.linalg.eigh(weight)
        for share, vector in zip(values, found.T, strict=True):
            if abs(share) > SMALL:
                vectors.append(vector)
                shares.append(share * np.eye(len(weights))[kind])
    return np.array(vectors), np.array(shares)
