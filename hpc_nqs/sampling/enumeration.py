"""Exact summation: every configuration of a small system, doubled or not, in place of Markov chains."""

import functools
import math

import numpy as np

from hpc_nqs.sampling.chains import Samples
from hpc_nqs.sampling.sampler import ExactSampler
from hpc_nqs.symmetry.signed_permutations import SignedPermutations

MAX_VISIBLE = 24
MAX_AUTO = 16384  # configurations that method "auto" still sums over


def n_configurations(n_visible, n_up):
    """Return the number of configurations of `n_visible` spins; `n_up` of them up, or any number where it is None.

    Of a tuple every number holds in its part of the units, see `System`.
    """
    if _has_sectors(n_up):
        return sum(n_configurations(n_visible, each) for each in n_up)
    if isinstance(n_up, tuple):
        return math.prod(math.comb(n_visible // len(n_up), n) for n in n_up)
    return 2**n_visible if n_up is None else math.comb(n_visible, n_up)


def sums_exactly(sampling, n_visible, n_up, order=1):
    """Return whether the sampling settings ask for sums over all configurations in place of chains.

    `order` is the number of images of a configuration of which only one is looked at.
    """
    if sampling.method == "auto":
        return n_visible <= MAX_VISIBLE and n_configurations(n_visible, n_up) <= MAX_AUTO * order
    return sampling.method == "exact_sum"


def _spins(states, n_visible):
    """Return configurations (n, n_visible) int8 from their numbers, spin i from bit i."""
    bits = (states[:, None] >> np.arange(n_visible, dtype=np.uint32)) & 1
    return 2 * bits.astype(np.int8) - 1


@functools.lru_cache(maxsize=4)
def _orbits(n_visible, n_up, encoded):
    """Return the smallest number of every orbit under a group, in order, and the sizes of the orbits.

    A number is dropped at the first element that makes it smaller; those that leave it alone divide the orbit.  The
    group comes as the bytes of its `encoded`: a plan, a forecast and a sampler of the same state ask one after another.
    """
    images = SignedPermutations.from_encoded(np.frombuffer(encoded, dtype=np.intp).reshape(-1, n_visible))
    states = _sector(n_visible, n_up)
    fixed = np.zeros(len(states), dtype=np.intp)
    for element in range(len(images)):
        (moved,) = images[element : element + 1].apply_to_codes(states)
        kept = moved >= states
        states, fixed = states[kept], (fixed + (moved == states))[kept]
    return states, len(images) // fixed


def _has_sectors(n_up):
    """Return whether `n_up` is a tuple of tuples, one for each sector."""
    return isinstance(n_up, tuple) and isinstance(n_up[0], tuple)


def _sector(n_visible, n_up):
    """Return the numbers of all configurations of a sector, or of several, in growing order, uint32."""
    if _has_sectors(n_up):
        return np.sort(np.concatenate([_sector(n_visible, each) for each in n_up]))
    if isinstance(n_up, tuple):
        states, size = np.zeros(1, dtype=np.uint32), n_visible // len(n_up)
        for n in reversed(n_up):  # the first part has the lowest bits
            states = ((states << np.uint32(size))[:, None] | _sector(size, n)).ravel()
        return states
    states = np.arange(2**n_visible, dtype=np.uint32)
    return states if n_up is None else states[np.bitwise_count(states) == n_up]


def n_orbits(n_visible, n_up, images=None):
    """Return the number of orbits of the configurations of a sector under a group; of configurations without one."""
    if images is None:
        return n_configurations(n_visible, n_up)
    return len(_orbits(n_visible, n_up, images.encoded().tobytes())[0])


class Enumeration(ExactSampler):
    """All configurations with the right number of up spins, shared over the ranks.

    Parameters
    ----------
    team : Team
    system : System
    images : SignedPermutations, optional
        A group that leaves abs(Psi)^2 and all that is measured unchanged: of every orbit one configuration is
        kept, with the size of the orbit as its weight.

    Raises
    ------
    ValueError
        More than 24 visible units.
    """

    def __init__(self, team, system, images=None):
        n_visible = system.n_visible
        if n_visible > MAX_VISIBLE:
            raise ValueError(
                f"sampling.method = 'exact_sum' sums over {n_visible} visible units; at most {MAX_VISIBLE} are allowed"
            )
        if images is None:
            states = _sector(n_visible, system.n_up)
            sizes = np.ones(len(states), dtype=np.intp)
        else:
            states, sizes = _orbits(n_visible, system.n_up, images.encoded().tobytes())
        start, stop = team.share(len(states))
        self.configurations = np.ascontiguousarray(_spins(states[start:stop], n_visible)[:, None, :])
        self.log_density = -np.log(sizes[start:stop])
        self.first = start
        self.n_chains = len(states)

    def sample(self, amplitude, system, n_per_chain, sweeps_per_sample, exponent):
        """Return every configuration of this rank once."""
        return Samples(self.configurations, self.first, 0.0, self.log_density.copy())
