"""Markov chains over all ranks and the samples they give."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, Philox

from hpc_nqs.hilbert.moves import KIND_NAMES
from hpc_nqs.kernels.metropolis import sample_chains
from hpc_nqs.sampling.sampler import Sampler
from hpc_nqs.sampling.streams import restore_stream, stream_words


@dataclass
class Samples:
    """Configurations of this rank and what they were drawn from.

    Attributes
    ----------
    configurations : (n_chains, n_per_chain, n_visible) int8
        Rows are the chains of this rank, in global order.
    first_chain : int
        Global index of the first row.
    exponent : float
        They are distributed as abs(Psi)^(2 exponent); 0: every configuration once (exact summation).
    log_density : (n_chains * n_per_chain,) float64 or None
        2 exponent ln abs(Psi) at drawing; None until the wave function has been evaluated.
    umbrella_samples : Samples or None
        Umbrella samples that join in the fit of the velocity.
    """

    configurations: np.ndarray
    first_chain: int
    exponent: float
    log_density: np.ndarray | None = None
    umbrella_samples: "Samples | None" = None

    @property
    def flat(self):
        """Configurations as (n, n_visible)."""
        return self.configurations.reshape(-1, self.configurations.shape[-1])


class Chains(Sampler):
    """Chains of this rank, each with a random stream of its own.

    Parameters
    ----------
    team : Team
    n_chains : int
        Over all ranks.
    seed : int
        Chain c draws from Philox with key (seed, c), on whatever rank it lives.
    initial : callable
        (stream: numpy.random.Generator) -> (n_visible,) int8, the first configuration of a chain.
    """

    is_exact = False

    def __init__(self, team, n_chains, seed, initial):
        self.n_chains, self.threads = n_chains, team.threads
        self.first, stop = team.share(n_chains)
        self.streams = [Philox(key=np.array([seed, c], dtype=np.uint64)) for c in range(self.first, stop)]
        rows = [initial(Generator(stream)) for stream in self.streams]
        n_visible = len(initial(Generator(Philox(key=0))))
        self.visible = np.array(rows, dtype=np.int8).reshape(len(rows), n_visible)
        self.counts = np.zeros((len(KIND_NAMES), 2), dtype=np.int64)

    def sample(self, amplitude, system, n_per_chain, sweeps_per_sample, exponent):
        """Advance the chains and return `n_per_chain` `Samples` of each."""
        configurations = np.empty((len(self.visible), n_per_chain, self.visible.shape[1]), dtype=np.int8)
        moves, proposals = system.moves.kernel(), system.proposals

        def advance(own, part):
            counts = np.zeros_like(self.counts)
            sample_chains(
                self.visible[part], own, moves, proposals, sweeps_per_sample, exponent, self.streams[part],
                configurations[part], counts,
            )
            return counts

        self.counts += sum(self.threads.run(amplitude, len(self.visible), advance))
        return Samples(configurations, self.first, exponent)

    def warm_up(self, amplitude, system, n_sweeps, exponent):
        """Advance the chains by `n_sweeps` sweeps and forget the acceptance so far."""
        if n_sweeps:
            self.sample(amplitude, system, 1, n_sweeps, exponent)
        self.counts[:] = 0

    def acceptance(self, team):
        """Return the accepted fraction of all proposals since the last call.  *Collective*."""
        counts = self.counts.sum(axis=0)
        self.counts[:] = 0
        team.sum_in_place(counts)
        return counts[1] / max(1, counts[0])

    def state(self, team):
        """Return configurations and streams of all chains in global order (rank 0; None elsewhere).  *Collective*."""
        words = np.array([stream_words(stream) for stream in self.streams], dtype=np.uint64).reshape(-1, 13)
        visible = team.gather_rows(self.visible, self.n_chains)
        words = team.gather_rows(words, self.n_chains)
        return None if visible is None else {"visible": visible, "streams": words}

    def restore(self, team, state):
        """Take over `state` of `state()`, given on rank 0.  *Collective*."""
        self.visible = team.scatter_rows(state["visible"] if team.rank == 0 else None)
        words = team.scatter_rows(state["streams"] if team.rank == 0 else None)
        for stream, row in zip(self.streams, words, strict=True):
            restore_stream(stream, row)


