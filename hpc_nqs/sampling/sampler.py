"""What every sampler offers to a driver: Markov chains, exact sums, rings of layers."""

import dataclasses
from typing import ClassVar, Protocol


class Sampler(Protocol):
    """Configurations of this rank, drawn or summed.

    Attributes
    ----------
    is_exact : bool
        Every configuration comes once, in place of chains.
    n_chains : int
        Chains, or configurations summed over, of all ranks.
    first : int
        Global index of the first one of this rank.
    """

    is_exact: ClassVar[bool]
    n_chains: int
    first: int

    def sample(self, amplitude, system, n_per_chain, sweeps_per_sample, exponent):
        """Advance the chains and return `n_per_chain` `Samples` of each; exact sums return every configuration once.

        Parameters
        ----------
        amplitude : Amplitude
            Compiled, at the present parameters.
        system : System
        n_per_chain, sweeps_per_sample : int
        exponent : float
            Chains are distributed as abs(Psi)^(2 exponent).
        """

    def warm_up(self, amplitude, system, n_sweeps, exponent):
        """Advance the chains by `n_sweeps` sweeps and forget the acceptance so far."""

    def acceptance(self, team):
        """Return the accepted fraction of all proposals since the last call, of all ranks.  *Collective*."""

    def state(self, team):
        """Return what continues the chains in global order, on rank 0; None elsewhere.  *Collective*."""

    def restore(self, team, state):
        """Take over what `state` returned, given on rank 0, on any number of ranks.  *Collective*."""


class ExactSampler(Sampler):
    """What all exact sums share: there are no chains to advance, to count or to store."""

    is_exact = True

    def warm_up(self, amplitude, system, n_sweeps, exponent):
        """Do nothing: there is nothing to equilibrate."""

    def acceptance(self, team):
        """Return 1."""
        return 1.0

    def state(self, team):
        """Return an empty state: the configurations are always the same."""
        return {}

    def restore(self, team, state):
        """Do nothing."""


def part_of(samples, n_samples):
    """Return the first `n_samples` configurations of an exact sum, to time what is done with them."""
    density = samples.log_density
    return dataclasses.replace(
        samples,
        configurations=samples.configurations[:n_samples],
        log_density=None if density is None else density[:n_samples],
    )
