"""Rings of layers: the configurations of a deep purified state, bra and ket together.

See docs/theory/deep_states.md, "Rings of layers".

Psi(sigma, ancilla) = sum over deep layers of phi(L_0, L_1) phi(L_1, L_2) ... phi(L_{M-1}, L_M), L_0 = sigma, L_M =
ancilla; a second, independent set of deep layers for the bra closes the ring of 2M links.  With a phi that is
symmetric under exchange of its layers any two opposite layers may be called sigma and ancilla.
"""

import math
from dataclasses import dataclass

import numpy as np

from hpc_nqs.kernels.ring import sample_rings
from hpc_nqs.sampling.chains import Chains, Samples
from hpc_nqs.sampling.sampler import ExactSampler
from hpc_nqs.thermal.rings.layers import links_of, ring_moves, straight_ring

MAX_RINGS = 2**16  # of exact sums


@dataclass
class RingSamples(Samples):
    """Rings of this rank; `configurations` is (n_chains, n_per_chain, n_links, n_visible).

    They are distributed as the product of abs(phi) over the links, to the power `exponent`.

    Attributes
    ----------
    straight : slice
        Links that begin with the physical layer although a ring would go through them backwards: none here.
    """

    straight = slice(0, 0)

    @property
    def n_links(self):
        """Links of a ring."""
        return self.configurations.shape[2]

    @property
    def rings(self):
        """Links as (n, n_links, n_visible)."""
        return self.configurations.reshape(-1, *self.configurations.shape[2:])


class Rings(Chains):
    """Chains of rings.

    Parameters
    ----------
    team, n_chains, seed
        As for `Chains`.
    system : Purification
    n_slices : int
        M: short-time slices of the ket; the ring has 2M links.
    """

    def __init__(self, team, n_chains, seed, system, n_slices):
        self.n_links = 2 * n_slices
        super().__init__(team, n_chains, seed, lambda stream: straight_ring(system, self.n_links, stream).ravel())
        self.moves = ring_moves(system)
        self.counts = np.zeros((2, 2), dtype=np.int64)

    def sample(self, amplitude, system, n_per_chain, sweeps_per_sample, exponent):
        """Advance the chains and return `n_per_chain` `RingSamples` of each."""
        links = self.visible.reshape(len(self.visible), self.n_links, system.n_visible)
        configurations = np.empty((len(links), n_per_chain, *links.shape[1:]), dtype=np.int8)
        sample_rings(
            links,
            amplitude,
            system.moves.kernel(),
            self.moves.terms,
            self.moves.lines,
            sweeps_per_sample,
            exponent,
            self.streams,
            configurations,
            self.counts,
        )
        return RingSamples(configurations, self.first, exponent)


class RingEnumeration(ExactSampler):
    """All rings of a very small system, shared over the ranks.

    Parameters
    ----------
    team : Team
    system : Purification
    n_slices : int

    Raises
    ------
    ValueError
        More than MAX_RINGS rings.
    """

    def __init__(self, team, system, n_slices):
        n_sites, n_links = system.n_sites, 2 * n_slices
        total = n_rings(n_sites, system.opposite_pairs, n_slices)
        if total > MAX_RINGS:
            raise ValueError(
                f"sampling.method = 'exact_sum' sums over {total:.3g} rings of {n_links} layers of "
                f"{n_sites} sites; at most {MAX_RINGS} are allowed"
            )
        layers = (2 * ((np.arange(2**n_sites)[:, None] >> np.arange(n_sites)) & 1) - 1).astype(np.int8)
        sectors = [layers]
        if system.opposite_pairs:
            sectors = [layers[layers.sum(axis=1) == m] for m in range(-n_sites, n_sites + 1, 2)]
        rings = [sector[np.indices((len(sector),) * n_links).reshape(n_links, -1).T] for sector in sectors]
        links = links_of(np.concatenate(rings), system.opposite_pairs)
        self.n_chains = len(links)
        self.first, stop = team.share(self.n_chains)
        self.configurations = np.ascontiguousarray(links[self.first : stop, None])

    def sample(self, amplitude, system, n_per_chain, sweeps_per_sample, exponent):
        """Return every ring of this rank once."""
        return RingSamples(self.configurations, self.first, 0.0)


def n_rings(n_sites, conserves_sz, n_slices):
    """Return the number of rings whose layers all have the same magnetization where H conserves it."""
    n_links = 2 * n_slices
    if conserves_sz:
        return sum(math.comb(n_sites, m) ** n_links for m in range(n_sites + 1))
    return 2 ** (n_sites * n_links)
