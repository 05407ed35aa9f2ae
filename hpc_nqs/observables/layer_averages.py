"""Correlations between the layers of a ring, averaged over the spin components: S(l).S(l + k) / 3.

S^z is diagonal on both layers.  Between S^-_i on layer 0 and S^+_j on layer k the magnetization is that of the ring
plus or minus one, so that all layers in between have one spin more of either kind.  As a mean over rings L_l of one
magnetization,

    <S^-_i(0) S^+_j(k)> = < sum_p [prod_l q_l(p_l)] G_0[i, p_1] G_1[p_1, p_2] ... G_(k-1)[p_(k-1), j] >,
    G_l[p, p'] = Phi(L_l with p flipped, L_(l+1) with p' flipped) / Phi(L_l, L_(l+1)),

i and all p_l up (or all down), with any probabilities q_l(p_l) by which a layer with one spin too many, L_l with p_l
flipped, is led back to one of the ring: sum q = 1 over those of its spins that may be flipped.  Links are nearly
diagonal; q is taken to fall by LOST for every neighbouring layer from which the one it leads to differs at p_l.
Summed over all rings of small systems this is Tr[Phi^(R - k) S^-_i Phi^k S^+_j] / Tr Phi^R to rounding.
"""

import numpy as np

from hpc_nqs.hamiltonians.spin_model import SZ
from hpc_nqs.hilbert.moves import Moves
from hpc_nqs.kernels.local_energy import move_ratios

LOST = 0.1
MAX_RATIOS = 2**19  # that are held at a time


class LayerAverages:
    """S_i(l).S_j(l + k) / 3, k of at least 1, summed with the weights of `LayerCorrelations`.

    Parameters
    ----------
    wavefunction : Wavefunction
        Phi, of opposite Bell pairs; its parameters at the time of `measure` count.
    model : SpinModel
        Isotropic.
    layers : LayerCorrelations

    Attributes
    ----------
    n_kinds : int
        Columns of every k: the wave vectors and the local correlation.
    n_ratios : int
        Of a link, on average.
    """

    def __init__(self, wavefunction, model, layers):
        n = model.n_sites
        self.wavefunction, self.n_sites = wavefunction, n
        self.moves = Moves(n_visible=2 * n, n_sites=n, bond_features=False)
        self.chosen = np.array([self.moves.add_exchange(i, n + j) for i in range(n) for j in range(n)], dtype=np.intp)
        rotated = np.ones(n) if model.sublattice is None else model.sublattice
        self.signs = np.multiply.outer(rotated, rotated)
        self.weights = layers.pair_weights().reshape(-1, n * n) / 3
        self.n_kinds, self.n_ratios = len(self.weights), n * n // 2

    def measure(self, links, n_times, threads):
        """Return the columns of rings, every layer taken as the first one.

        Parameters
        ----------
        links : (n, R, 2 n_sites) int8
            Visible units of every link.  R = 1: one link of a ring of two.
        n_times : int
            k = 1 to `n_times`.
        threads : Threads

        Returns
        -------
        (n, R, n_times * n_kinds) float64
            By k, then by kind.
        """
        n_rings, n_links = links.shape[:2]
        out = np.zeros((n_rings, n_links, n_times, self.n_kinds))
        kernel, n = self.moves.kernel(), max(1, MAX_RATIOS // (n_links * len(self.chosen)))

        def fill(own, part):
            for start in range(part.start, part.stop, n):
                rings = np.ascontiguousarray(links[start : min(start + n, part.stop)])
                flat = rings.reshape(-1, 2 * self.n_sites)
                ratios = np.empty((len(flat), len(self.chosen)))
                with np.errstate(all="ignore"):  # links that vanish
                    move_ratios(flat, own, kernel, self.chosen, ratios, np.empty(len(flat), dtype=np.complex128))
                    ratios = ratios.reshape(*rings.shape[:2], self.n_sites, self.n_sites)
                    out[start : start + len(rings)] = self._of_ratios(rings, ratios, n_times)

        threads.run(self.wavefunction.amplitude(self.moves), n_rings, fill)
        out[~np.isfinite(out).all(axis=(1, 2, 3))] = 0
        return out.reshape(n_rings, n_links, n_times * self.n_kinds)

    def _of_ratios(self, links, ratios, n_times):
        """Return the columns (n, R, n_times, n_kinds) from the ratios G (n, R, n_sites, n_sites)."""
        first, second = links[:, :, : self.n_sites], -links[:, :, self.n_sites :]
        found = np.empty((*links.shape[:2], n_times, self.n_kinds))
        arcs = ratios  # products of G from every layer on
        for k in range(1, n_times + 1):
            last = np.roll(second, -(k - 1), axis=1)
            if k > 1:
                before, here = np.roll(first, -(k - 2), axis=1), np.roll(first, -(k - 1), axis=1)
                following = np.roll(ratios, -(k - 1), axis=1)
                closed = (arcs * led_back(here, before, last)[:, :, None]) @ following
                arcs = (arcs * led_back(here, before)[:, :, None]) @ following if k < n_times else None
            else:
                closed = ratios
            # S^x S^x + S^y S^y = (S^+ S^- + S^- S^+) / 2, and i up and i down are one of the two each
            products = SZ**2 * first[..., None] * last[..., None, :] + 0.5 * self.signs * closed
            found[:, :, k - 1] = products.reshape(*links.shape[:2], -1) @ self.weights.T
        return found


def led_back(layers, *neighbours):
    """Return q(p), (..., n_sites) float64: how probably a layer with p flipped is led back to the one it comes from.

    Parameters
    ----------
    layers, neighbours : (..., n_sites) int8
        The layer, and those from which it should not differ.
    """
    n_alike = sum((layers == each).astype(np.intp) for each in neighbours)
    of_layer = LOST ** (len(neighbours) - n_alike)  # of p, as it is
    rivals = LOST**n_alike  # of other spins, of the kind that p becomes: they would be flipped from what they are
    total = of_layer.copy()
    for kind in (1, -1):
        total += (layers == kind) * np.sum(rivals, axis=-1, where=layers == -kind)[..., None]
    return of_layer / total
