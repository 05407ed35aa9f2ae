"""Correlations of S^z in imaginary time of small systems, from all levels and states.

<A(tau) B> = (1/Z) sum_mn e^{-(beta - tau) E_m - tau E_n} A_mn B_nm, A(tau) = e^{tau H} A e^{-tau H}, one block for
every total Sz where it is conserved.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from hpc_nqs.hamiltonians.matrices import spins_of, to_sparse
from hpc_nqs.hamiltonians.spin_model import SZ
from hpc_nqs.lattices.lattice import wave_vector_key
from hpc_nqs.symmetry.site_permutations import site_symmetries

MAX_BLOCK = 3500  # states of one total Sz: 14 sites where it is conserved, else 11


@dataclass(frozen=True, eq=False)
class _Block:
    """The levels of one part of H.

    Attributes
    ----------
    copies : int
        2 where the part of opposite Sz has the same levels.
    energies : (n,) float64
        Minus the lowest of all parts.
    squares : (n_kinds, n, n) float64
        |<m| S^z_q |n>|^2 of every wave vector, then (1/N) sum_i |<m| S^z_i |n>|^2.
    means : (n_wave_vectors, n) complex128
        <n| S^z_q |n>.
    """

    copies: int
    energies: np.ndarray
    squares: np.ndarray
    means: np.ndarray


class TimeCorrelations:
    """<S^z_q(tau) S^z_-q> and (1/N) sum_i <S^z_i(tau) S^z_i> at any temperature and time.

    Parameters
    ----------
    model : SpinModel
    lattice : Lattice
    structure_factor : sequence of wave vectors
        In units of pi.

    Raises
    ------
    ValueError
        More than MAX_BLOCK states of one total Sz.
    """

    def __init__(self, model, lattice, structure_factor=()):
        n, phases = model.n_sites, [lattice.wave_vector(q) for q in structure_factor]
        self.n_sites, self.keys = n, [wave_vector_key(q) for q in structure_factor]
        self.subtracts_means = not model.spin_flip_symmetric
        parts = _parts(model)
        largest = max(len(states) for states, _ in parts)
        if largest > MAX_BLOCK:
            raise ValueError(
                f"imaginary time needs all states of a block of {largest}; at most {MAX_BLOCK} are allowed"
            )
        matrix, sites = to_sparse(model), _inequivalent_sites(lattice, model)
        levels = [scipy.linalg.eigh(matrix[states][:, states].toarray()) for states, _ in parts]
        self._lowest = min(energies[0] for energies, _ in levels)
        self.blocks = []
        for (states, copies), (energies, vectors) in zip(parts, levels, strict=True):
            sz = SZ * spins_of(states, n).astype(np.float64)
            amplitudes = [vectors.T @ ((sz @ part / np.sqrt(n))[:, None] * vectors) for part in phases]
            local = sum(share * (vectors.T @ (sz[:, [i]] * vectors)) ** 2 for i, share in sites)
            self.blocks.append(
                _Block(
                    copies,
                    energies - self._lowest,
                    np.array([np.abs(amplitude) ** 2 for amplitude in amplitudes] + [local]),
                    np.reshape([np.diag(amplitude) for amplitude in amplitudes], (len(phases), len(energies))),
                )
            )

    def correlations(self, beta, taus):
        """Return the correlations at times `taus`, (n_taus, n_wave_vectors + 1); the last one is the local one."""
        total, partition = np.zeros((len(taus), len(self.keys) + 1)), 0.0
        for block in self.blocks:
            partition += block.copies * np.exp(-beta * block.energies).sum()
            for k, tau in enumerate(taus):
                before, after = np.exp(-(beta - tau) * block.energies), np.exp(-tau * block.energies)
                total[k] += block.copies * (before @ block.squares @ after)
        return total / partition

    def susceptibilities(self, beta):
        """Return chi(q) = int_0^beta (<S^z_q(tau) S^z_-q> - |<S^z_q>|^2) dtau, (n_wave_vectors,)."""
        total, means, partition = np.zeros(len(self.keys)), np.zeros(len(self.keys), dtype=np.complex128), 0.0
        for block in self.blocks:
            weights = np.exp(-beta * block.energies)
            # int_0^beta e^{-(beta - tau) E_m - tau E_n} dtau = e^{-beta min(E_m, E_n)} (1 - e^{-beta gap}) / gap
            gaps = np.abs(block.energies[:, None] - block.energies)
            shares = -np.expm1(-beta * gaps)
            shares = np.divide(shares, gaps, out=np.full_like(gaps, beta), where=beta * gaps > 1e-12)
            shares *= block.copies * np.maximum.outer(weights, weights)
            total += np.einsum("qmn,mn->q", block.squares[:-1], shares)
            means += block.copies * (block.means @ weights)
            partition += block.copies * weights.sum()
        subtracted = beta * np.abs(means / partition) ** 2 if self.subtracts_means else 0.0
        return total / partition - subtracted

    def row(self, beta, n_links):
        """Return the entries of a table row at an inverse temperature, at times k beta / n_links up to beta / 2."""
        found = self.correlations(beta, beta / n_links * np.arange(n_links // 2 + 1))
        row = {"links": n_links}
        if self.keys:
            row["time_correlation"] = {
                f"{key},{k}": [float(found[k, number]), 0.0]
                for number, key in enumerate(self.keys) for k in range(len(found))
            }
            chi = self.susceptibilities(beta).tolist()
            row["static_susceptibility"] = {key: [value, 0.0] for key, value in zip(self.keys, chi, strict=True)}
        row["local_time_correlation"] = {str(k): [float(found[k, -1]), 0.0] for k in range(len(found))}
        if n_links % 2 == 0:
            row |= {"relaxation_proxy": float(beta**2 * found[-1, -1]), "relaxation_proxy_error": 0.0}
        return row


def _parts(model):
    """Return [(states, copies)] of the parts that H does not connect; of two with opposite Sz one where they agree."""
    states = np.arange(2**model.n_sites, dtype=np.int64)
    if not model.conserves_sz:
        return [(states, 1)]
    n_up, parts = np.bitwise_count(states.astype(np.uint64)), []
    for up in range(model.n_sites + 1):
        copies = 1
        if model.spin_flip_symmetric and 2 * up != model.n_sites:
            copies = 2 if 2 * up > model.n_sites else 0
        if copies:
            parts.append((states[n_up == up], copies))
    return parts


def _inequivalent_sites(lattice, model):
    """Return [(site, share)] of one site of every orbit under the symmetries of the lattice; the shares sum to 1."""
    first = site_symmetries(lattice, model).min(axis=0)
    sites, counts = np.unique(first, return_counts=True)
    return [(int(site), count / model.n_sites) for site, count in zip(sites, counts, strict=True)]
