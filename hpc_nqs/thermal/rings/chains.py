"""Markov chains of rings: R layers, the same wave function on every link between neighbours."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, Philox

from hpc_nqs.hamiltonians.matrices import diagonal
from hpc_nqs.kernels.amplitude import log_psi
from hpc_nqs.kernels.local_energy import move_ratios
from hpc_nqs.kernels.ring import sample_rings
from hpc_nqs.sampling.streams import restore_stream, stream_words
from hpc_nqs.thermal.rings.controls import move_sums
from hpc_nqs.thermal.rings.layers import ring_moves, straight_ring

STREAM = 2**62  # of the Philox key: chain c of the ring of number k draws from (seed, STREAM + 2^32 k + c)
SWEEPS = 2  # between samples
PART = 64  # rings whose ratios are held at a time, within the caches


@dataclass
class RingBatch:
    """Rings of this rank and the wave function on them.

    Attributes
    ----------
    layers : (n_chains, n_per_chain, n_links, n_sites) int8
        Rows are the chains of this rank, in global order.
    first, second : (n_chains, n_per_chain, n_links) float64
        Local energies of H on the layer before and behind each link, real parts, totals.
    sign_sums, exchange_sums : (n_chains, n_per_chain, n_links) float64
        `controls.move_sums` of every layer.
    weights : (n_chains, n_per_chain) float64
        Product of abs(Phi) over the links, over the density that was sampled.
    signs : (n_chains, n_per_chain) float64
        Real part of the phase of the product.
    beside : (n_chains, n_per_chain, n_links, n_columns) float64
        Local estimators of every link, or of several from it on, of every `stride`-th ring times that number and 0 of
        the others: the mean is the same.
    """

    layers: np.ndarray
    first: np.ndarray
    second: np.ndarray
    sign_sums: np.ndarray
    exchange_sums: np.ndarray
    weights: np.ndarray
    signs: np.ndarray
    beside: np.ndarray


class RingChains:
    """Chains of rings of one kernel.

    Parameters
    ----------
    team : Team
    n_chains : int
        Over all ranks.
    seed, number : int
        Each ring of a run has a number, and random numbers, of its own.
    system : Purification
    kernel : Wavefunction
        Phi, at its present parameters.
    density : Wavefunction
        abs(density) is the weight of a link that is sampled.
    n_links : int
        R.
    averages : SpinAverages or OperatorAverages, optional
        Local estimators of the kernel beside those of H.
    """

    def __init__(self, team, n_chains, seed, number, system, kernel, density, n_links, averages=None):
        self.team, self.n_chains, self.system, self.n_links = team, n_chains, system, n_links
        self.averages = averages
        self.kernel = kernel.amplitude(system.moves)
        self.density = self.kernel if density is kernel else density.amplitude(system.moves)
        self.moves, self.steps = ring_moves(system), system.moves.kernel()
        self.terms = np.ascontiguousarray(system.terms.ravel())
        self.first, stop = team.share(n_chains)
        keys = [np.array([seed, STREAM + 2**32 * number + c], dtype=np.uint64) for c in range(self.first, stop)]
        self.streams = [Philox(key=key) for key in keys]
        links = [straight_ring(system, n_links, Generator(stream)) for stream in self.streams]
        self.links = np.array(links, dtype=np.int8).reshape(-1, n_links, system.n_visible)
        self.counts = np.zeros((2, 2), dtype=np.int64)

    def sample(self, n_per_chain, sweeps=SWEEPS):
        """Advance the chains and return their links (n_chains, n_per_chain, n_links, n_visible) int8."""
        out = np.empty((len(self.links), n_per_chain, *self.links.shape[1:]), dtype=np.int8)

        def advance(own, part):
            counts = np.zeros_like(self.counts)
            sample_rings(
                self.links[part], own, self.steps, self.moves.terms, self.moves.lines, sweeps, 1.0,
                self.streams[part], out[part], counts,
            )
            return counts

        self.counts += sum(self.team.threads.run(self.density, len(self.links), advance))
        return out

    def rings(self, n_per_chain):
        """Return `n_per_chain` new rings of every chain, a `RingBatch`."""
        links = self.sample(n_per_chain)
        shape, n_sites = links.shape[:3], self.system.n_sites
        rings = links.reshape(-1, self.n_links, self.system.n_visible)
        flat = rings.reshape(-1, self.system.n_visible)
        # energies on the first and second layer of a link, then what `move_sums` returns
        local, phi = np.zeros((4, len(rings), self.n_links)), np.empty(len(flat), dtype=complex)
        sampled = phi if self.density is self.kernel else np.empty(len(flat), dtype=complex)

        def fill(own, part):
            for start in range(part.start, part.stop, PART):
                block = slice(start, min(start + PART, part.stop))
                rows = slice(block.start * self.n_links, block.stop * self.n_links)
                self._evaluate(own, rings[block], local[:, block], phi[rows])

        self.team.threads.run(self.kernel, len(rings), fill)
        if sampled is not phi:
            self.team.threads.run(self.density, len(flat), lambda own, part: log_psi(own, flat[part], sampled[part]))
        # a link that vanishes has no local energy, and its ring no weight
        usable = (np.isfinite(local).all(axis=(0, 2)) & np.isfinite(phi.reshape(-1, self.n_links)).all(axis=1))
        local[:, ~usable] = 0
        logs = (phi.real - sampled.real).reshape(-1, self.n_links)
        weights = np.exp(np.where(usable, np.sum(logs, axis=1, where=usable[:, None]), -np.inf))
        angles = np.where(usable, phi.imag.reshape(-1, self.n_links).sum(axis=1), 0.0)
        return RingBatch(
            links[..., :n_sites], *local.reshape(4, *shape), weights.reshape(shape[:2]),
            np.cos(angles).reshape(shape[:2]), self._beside(links),
        )

    def _evaluate(self, amplitude, rings, local, phi):
        """Fill the local numbers (4, n_rings, n_links) and ln Phi (n_rings * n_links,) of some rings."""
        model, n_sites = self.system.model, self.system.n_sites
        flat = rings.reshape(-1, self.system.n_visible)
        elements = model.off_diagonal_elements
        ratios = np.empty((len(flat), 2 * len(elements)))
        move_ratios(flat, amplitude, self.steps, self.terms, ratios, phi)
        ratios = ratios.reshape(len(rings), self.n_links, 2, len(elements))
        diagonals = model.constant + diagonal(model, flat[:, :n_sites]).reshape(len(rings), self.n_links)
        with np.errstate(all="ignore"):  # links that vanish
            local[0] = diagonals + ratios[:, :, 0] @ elements
            local[1] = np.roll(diagonals, -1, axis=1) + ratios[:, :, 1] @ elements
            local[2], local[3] = move_sums(ratios, elements)

    def _beside(self, links):
        """Return `RingBatch.beside` of links (n_chains, n_per_chain, n_links, n_visible)."""
        if self.averages is None:
            return np.zeros((*links.shape[:3], 0))
        stride = self.averages.stride
        kept = np.ascontiguousarray(links[:, ::stride])
        values = self.averages.measure_links(kept.reshape(-1, *kept.shape[2:]), self.team.threads)
        found = np.zeros((*links.shape[:3], values.shape[2]))
        found[:, ::stride] = values.reshape(*kept.shape[:3], values.shape[2]) * (links.shape[1] / max(1, kept.shape[1]))
        return found

    def acceptance(self):
        """Return the accepted fraction of all proposals so far.  *Collective*."""
        counts = self.counts.sum(axis=0)
        self.team.sum_in_place(counts)
        return counts[1] / max(1, counts[0])

    def state(self):
        """Return links, streams and counts of all chains in global order, on rank 0; None elsewhere.  *Collective*."""
        words = np.array([stream_words(stream) for stream in self.streams], dtype=np.uint64).reshape(-1, 13)
        links = self.team.gather_rows(self.links.reshape(len(self.links), -1), self.n_chains)
        words, counts = self.team.gather_rows(words, self.n_chains), self.counts.copy()
        self.team.sum_in_place(counts)
        return None if links is None else {"links": links, "streams": words, "counts": counts}

    def restore(self, state):
        """Take over what `state` returned, given on rank 0, on any number of ranks.  *Collective*."""
        is_root = self.team.is_root
        links = self.team.scatter_rows(state["links"] if is_root else None)
        self.links = np.ascontiguousarray(links.reshape(-1, self.n_links, self.system.n_visible))
        words = self.team.scatter_rows(state["streams"] if is_root else None)
        for stream, row in zip(self.streams, words, strict=True):
            restore_stream(stream, row)
        self.counts = np.array(state["counts"]) if is_root else np.zeros_like(self.counts)
