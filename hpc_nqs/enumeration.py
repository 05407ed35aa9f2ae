"""Exact summation: every configuration of a small system, doubled or not, in place of Markov chains."""

import math

import numpy as np

from hpc_nqs.chains import Samples

MAX_VISIBLE = 24
MAX_AUTO = 16384  # configurations that method "auto" still sums over


def n_configurations(n_visible, n_up):
    """Return the number of configurations of `n_visible` spins; `n_up` of them up, or any number where it is None."""
    return 2**n_visible if n_up is None else math.comb(n_visible, n_up)


def sums_exactly(sampling, n_visible, n_up):
    """Return whether the sampling settings ask for sums over all configurations in place of chains."""
    if sampling.method == "auto":
        return n_configurations(n_visible, n_up) <= MAX_AUTO
    return sampling.method == "exact_sum"


class Enumeration:
    """All configurations with the right number of up spins, shared over the ranks; same interface as `Chains`.

    Parameters
    ----------
    team : Team
    purification : Purification or SpinSystem

    Raises
    ------
    ValueError
        More than 24 visible units.
    """

    is_exact = True

    def __init__(self, team, purification):
        n_visible = purification.n_visible
        if n_visible > MAX_VISIBLE:
            raise ValueError(
                f"sampling.method = 'exact_sum' sums over {n_visible} visible units; at most {MAX_VISIBLE} are allowed"
            )
        states = np.arange(2**n_visible, dtype=np.uint32)
        if purification.n_up is not None:
            states = states[np.bitwise_count(states) == purification.n_up]
        start, stop = team.share(len(states))
        bits = (states[start:stop, None] >> np.arange(n_visible, dtype=np.uint32)) & 1
        self.configurations = (2 * bits.astype(np.int8) - 1)[:, None, :]
        self.first = start
        self.n_chains = len(states)

    def sample(self, amplitude, purification, n_per_chain, sweeps_per_sample, exponent):
        """Return every configuration of this rank once."""
        return Samples(self.configurations, self.first, 0.0)

    def warm_up(self, amplitude, purification, n_sweeps, exponent):
        """Do nothing: there is nothing to equilibrate."""

    def acceptance(self, team):
        """Return 1."""
        return 1.0

    def state(self, team):
        """Return an empty state: the configurations are always the same."""
        return {}

    def restore(self, team, state):
        """Do nothing."""
