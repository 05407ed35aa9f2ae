"""Thermal states of deep Boltzmann machines with deep units of their own, sampled or summed."""

import dataclasses

from hpc_nqs.thermal.deep.ket_bra_chains import KetBraChains
from hpc_nqs.thermal.deep.sliced_state import RingState
from hpc_nqs.thermal.deep.summed_evolution import SummedEvolution
from hpc_nqs.thermal.state import ThermalState


@dataclasses.dataclass
class DeepState(ThermalState):
    """A deep Boltzmann machine with deep units of its own, which may come from the file of another run."""

    word = "dbm"
    makes_rings = False

    def known_start(self, start):
        """Return what the file of the start knows of the path to infinite temperature."""
        return start

    def arrays(self, beta):
        """Return the arrays of the wave function and where they stand, to start other runs from."""
        return self.wavefunction.arrays() | {"beta": beta, "n_slices": self.n_slices}

    def resolved_size(self):
        """Return the number of deep units."""
        return {"n_deep": int(self.wavefunction.n_deep)}

    def planned_deep_units(self):
        """Return the number of deep units."""
        return {"deep units": self.wavefunction.n_deep}


@dataclasses.dataclass
class SummedDeepState(DeepState):
    """Deep units are summed: of the visible units a wave function like any other."""

    def evolution(self, regularization, control, team):
        """Return the `Evolution` of the state."""
        return SummedEvolution(self, regularization, control, team)


@dataclasses.dataclass
class SampledDeepState(DeepState, RingState):
    """Deep units are sampled, independent ones of bra and ket."""

    @property
    def sampled_soft_cut(self):
        """Cut of S for chains."""
        return 1e-6

    def sampler(self, team, n_chains, seed):
        """Return the `Sampler` of visible and deep units."""
        return KetBraChains(team, n_chains, seed, self.wavefunction)
