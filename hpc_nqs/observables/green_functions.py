"""Green functions of electrons at half the imaginary time, beta G(k, beta/2), as local estimators of a cooled state.

Of Psi(x, x') = <x|e^{-beta K/2}|x'>, K = H - mu N, with electrons of either spin that come last in their order,

    G_ij(beta/2) = Tr[e^{-beta K/2} c_i e^{-beta K/2} c+_j] / Z = < r >,    r = Psi(x + j, x' + i) / Psi(x, x'),

a ratio without signs but with heavy tails.  What (x, x') and (x + j, x' + i) add to it, Psi Psi', is shared between
both, Psi Psi' = Psi^2 r/(1 + r^2) + Psi'^2 r'/(1 + r'^2) with r' = 1/r, so that

    G_ij(beta/2) = < r/(1 + r^2) >

with r of j and i added where both are empty and taken away where both are occupied: every term is at most 1/2.  An
orbital of the ancilla layer is empty where its unit is up: both are the exchange of the units j and i of the layers.
"""

import numpy as np

from hpc_nqs.hilbert.moves import Moves
from hpc_nqs.kernels.local_energy import move_ratios

SPINS = ("up", "down")
BLOCK = 512  # configurations whose ratios are held at once, per thread


class GreenFunctions:
    """What is measured of beta G(k, beta/2): every wave vector, and the mean over all k.

    Parameters
    ----------
    model : ElectronModel
        In the grand canonical ensemble.
    keys : sequence of str
        Of the wave vectors, "qx,qy".
    weights : (n_keys, n, n) float64
        Re e^{ik(r_i - r_j)} / n of pairs of the n sites, averaged over symmetries.
    spins_alike : bool
        Whether a symmetry exchanges the spins.
    """

    def __init__(self, model, keys, weights, spins_alike):
        n, m, n_orbitals = model.n_lattice_sites, model.n_levels, model.n_orbitals
        self.keys, self.n_units = tuple(keys), 2 * m
        weights = np.concatenate([np.reshape(weights, (-1, n, n)), np.eye(n)[None] / n])
        i, j, orbital = (each.ravel() for each in np.indices((n, n, n_orbitals)))
        of_pairs = weights[:, i, j].T
        pairs = np.stack([j * n_orbitals + orbital, i * n_orbitals + orbital], axis=1)
        self.pairs = np.concatenate([pairs, pairs + m])
        self.weights = (
            0.5 * np.concatenate([of_pairs, of_pairs]) if spins_alike else np.kron(np.eye(2), of_pairs)
        )
        self._first = (0, 0) if spins_alike else (0, len(weights))

    @property
    def n_columns(self):
        """Number of means: of spin up, then of spin down, or of both where they are alike."""
        return self.weights.shape[1]

    @property
    def names(self):
        """Names of `entries`, a set."""
        local = [f"local_spectral_proxy_{word}{end}" for word in SPINS for end in ("", "_error")]
        return {*local, *(f"spectral_proxy_{word}" for word in SPINS if self.keys)}

    def entries(self, estimate, first, beta):
        """Return spectral_proxy_up, spectral_proxy_down and their means over k, see `ElectronObservables.entries`."""
        row = {}
        for word, start in zip(SPINS, self._first, strict=True):
            pairs = [
                tuple(estimate(lambda means, column=first + start + k: beta * means[:, column]))
                for k in range(len(self.keys) + 1)
            ]
            if self.keys:
                row[f"spectral_proxy_{word}"] = dict(zip(self.keys, map(list, pairs[:-1]), strict=True))
            row[f"local_spectral_proxy_{word}"], row[f"local_spectral_proxy_{word}_error"] = pairs[-1]
        return row


class GreenAverages:
    """Local estimators of `GreenFunctions`, behind those of layer sums.

    Parameters
    ----------
    green : GreenFunctions
    wavefunction : Wavefunction
        Its parameters at the time of `measure` count.
    n_terms : int
        Of H on one layer.
    beside : OperatorAverages or None
    """

    def __init__(self, green, wavefunction, n_terms, beside):
        self.green, self.wavefunction, self.beside = green, wavefunction, beside
        self.n_columns = green.n_columns + (beside.n_columns if beside else 0)
        self.moves = Moves(n_visible=2 * green.n_units, n_sites=green.n_units, bond_features=False)
        chosen = [self.moves.add_exchange(j, green.n_units + i) for j, i in green.pairs.tolist()]
        self.chosen = np.array(chosen, dtype=np.intp)
        # on average over the samples as many ratios as H has
        self.stride = max(beside.stride if beside else 1, -(-len(chosen) // max(1, n_terms)))

    def measure(self, configurations, threads):
        """Return the means (n, n_columns) float64 of configurations (n, n_visible) int8, 0 where Psi vanishes."""
        found, kernel = np.empty((len(configurations), self.green.n_columns)), self.moves.kernel()

        def measure(own, part):
            some, out = configurations[part], found[part]
            for first in range(0, len(some), BLOCK):
                block = some[first : first + BLOCK]
                ratios = np.empty((len(block), len(self.chosen)), dtype=np.complex128)
                move_ratios(block, own, kernel, self.chosen, ratios, np.empty(len(block), dtype=np.complex128))
                out[first : first + BLOCK] = bounded(ratios.real) @ self.green.weights

        threads.run(self.wavefunction.amplitude(self.moves), len(configurations), measure)
        if self.beside is None:
            return found
        return np.concatenate([self.beside.measure(configurations, threads), found], axis=1)


def bounded(ratios):
    """Return r/(1 + r^2), at most 1/2 in size, which is the same of 1/r; 0 of 0."""
    small = np.divide(1.0, ratios, out=ratios.copy(), where=np.abs(ratios) > 1)
    return small / (1 + small**2)
