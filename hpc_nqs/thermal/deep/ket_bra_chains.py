"""Markov chains of visible units with two independent sets of deep units, one of the ket and one of the bra.

Chains sample abs(phi(v, ket) phi(v, bra))^exponent: the Metropolis sweeps of `Chains` on one network that holds both
copies.  To `ring_evolution` such a sample is a ring of two links, (v, ket) and (v, bra).
"""

from dataclasses import dataclass, replace

import numpy as np

from hpc_nqs.hilbert.moves import Moves
from hpc_nqs.hilbert.system import System
from hpc_nqs.sampling.chains import Chains
from hpc_nqs.thermal.deep.ring_chains import RingSamples
from hpc_nqs.thermal.deep.unit_columns import columns


@dataclass
class PairSamples(RingSamples):
    """Visible and deep units of this rank's samples; `configurations` is (n_chains, n_per_chain, 2, n_units)."""

    # the second link is not turned around: its first layer is the physical one too
    straight = slice(1, 2)


@dataclass(frozen=True)
class JointUnits(System):
    """Where the units of ket and bra stand in one chain of spins, and the moves of that chain.

    Layers of N units follow each other along imaginary time: physical spins, deep units of the ket downwards, ancilla
    spins, deep units of the bra upwards; a joint flip takes two neighbours in one column.

    Attributes
    ----------
    ket, bra : (n_units,) intp
        Place of every visible and deep unit.
    moves : Moves
    proposals : (n_proposals,) intp
    """

    ket: np.ndarray
    bra: np.ndarray
    moves: Moves
    proposals: np.ndarray
    hamiltonians = ()
    n_up = None

    @property
    def n_sites(self):
        """Lattice sites."""
        return self.moves.n_sites

    @property
    def n_visible(self):
        """Visible and deep units of ket and bra."""
        return self.moves.n_visible

    n_inputs = n_visible


def joint_units(dbm):
    """Return the `JointUnits` of a network with columns of equal height.

    Raises
    ------
    ValueError
        Columns of different heights.
    """
    stacks = np.array(columns(dbm)).T[::-1] if len({len(stack) for stack in columns(dbm)}) == 1 else None
    if stacks is None:
        raise ValueError("chains of deep units need the same number of them on every site")
    n_layers, n_sites = stacks.shape
    n_units = n_layers * n_sites
    ket = np.empty(n_units, dtype=np.intp)
    ket[stacks.reshape(-1)] = np.arange(n_units)
    bra = ket.copy()
    deep = stacks[1:-1][::-1].reshape(-1)
    bra[deep] = n_units + np.arange(len(deep))
    n_joint = n_units + len(deep)
    moves = Moves(n_visible=n_joint, n_sites=n_sites, bond_features=False)
    proposals = [moves.add_flip(u) for u in range(n_joint)]
    proposals += [moves.add_joint_flip(u) for u in range(n_joint - n_sites)]
    return JointUnits(ket, bra, moves, np.array(proposals, dtype=np.intp))


def with_deep_units(system, dbm):
    """Return the doubled system with flips of the deep units added to its moves."""
    for unit in range(dbm.n_visible, dbm.n_visible + dbm.n_deep):
        system.moves.add_flip(unit)
    return replace(system, moves=replace(system.moves, n_visible=dbm.n_visible + dbm.n_deep))


class KetBraChains(Chains):
    """Chains of visible units, ket and bra.

    Parameters
    ----------
    team, n_chains, seed
        As for `Chains`.
    wavefunction : VariationalDBM
    """

    def __init__(self, team, n_chains, seed, wavefunction):
        self.wavefunction = wavefunction
        self.joint = joint_units(wavefunction.dbm)
        n_layers = (1 + max(self.joint.ket.max(), self.joint.bra.max())) // self.joint.moves.n_sites
        super().__init__(team, n_chains, seed, lambda stream: _straight(self.joint.moves.n_sites, n_layers, stream))

    def sample(self, amplitude, system, n_per_chain, sweeps_per_sample, exponent):
        """Advance the chains and return `n_per_chain` `PairSamples` of each."""
        both = self.wavefunction.pair_amplitude(self.joint.moves, self.joint.ket, self.joint.bra)
        # abs(phi phi)^exponent is abs(both)^(2 exponent / 2)
        drawn = super().sample(both, self.joint, n_per_chain, sweeps_per_sample, 0.5 * exponent).configurations
        links = np.stack([drawn[:, :, self.joint.ket], drawn[:, :, self.joint.bra]], axis=2)
        return PairSamples(np.ascontiguousarray(links), self.first, exponent)


def _straight(n_sites, n_layers, stream):
    """Return a configuration at infinite temperature: all layers are equal."""
    return np.tile((2 * stream.integers(0, 2, size=n_sites) - 1).astype(np.int8), n_layers)
