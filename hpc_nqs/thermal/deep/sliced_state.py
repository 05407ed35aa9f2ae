"""Thermal states of learned short-time slices: copies of one wave function joined by deep layers, sampled as rings."""

import dataclasses

from hpc_nqs.thermal.deep.ring_chains import RingEnumeration, Rings, n_rings
from hpc_nqs.thermal.deep.ring_evolution import RingEvolution
from hpc_nqs.thermal.deep.ring_meter import RingMeter
from hpc_nqs.thermal.deep.unit_columns import sliced_network
from hpc_nqs.thermal.state import ThermalState

EXACT_SOFT_CUT = 1e-6  # of exact sums over rings: at 1e-8 rounding moves two slices on a 4-site ring by 0.02 in e


@dataclasses.dataclass
class RingState(ThermalState):
    """A state that is sampled, or summed, with independent deep layers of bra and ket."""

    has_bra_and_ket = True
    effective_range = (0.3, 0.9)  # S of deep states is noisier

    @property
    def soft_cut(self):
        """Default cut of S relative to its largest eigenvalue."""
        return EXACT_SOFT_CUT if self.is_exact else self.sampled_soft_cut

    @property
    def n_configurations(self):
        """How many rings an exact sum has."""
        return n_rings(self.model.n_sites, self.model.conserves_sz, self.n_slices)

    def sampler(self, team, n_chains, seed):
        """Return the `Sampler` of rings of 2M layers."""
        if self.is_exact:
            return RingEnumeration(team, self.system, self.n_slices)
        return Rings(team, n_chains, seed, self.system, self.n_slices)

    def evolution(self, regularization, control, team):
        """Return the `Evolution` of the state."""
        return RingEvolution(self, regularization, control, team)

    def meter(self, observables, sampler, team):
        """Return the `Meter` of the state."""
        return RingMeter(self, observables, sampler, team)


@dataclasses.dataclass
class SlicedNetworkState(RingState):
    """M copies of a Boltzmann machine."""

    word = "rbm"

    def arrays(self, beta):
        """Return the arrays of one copy and, where it is one, those of the deep Boltzmann machine of all of them."""
        arrays = super().arrays(beta)
        if self.system.bond_features:
            return arrays
        deep = sliced_network(arrays, self.n_slices, self.system.opposite_pairs).arrays()
        return arrays | {"dbm": deep | {"beta": beta, "n_slices": self.n_slices}}


@dataclasses.dataclass
class SlicedPairedState(RingState):
    """M copies of a Boltzmann machine times a pair product."""

    word = "pair_rbm"
