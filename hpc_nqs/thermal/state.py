"""A thermal state: a wave function on the doubled system, and what cooling it takes.

Every kind of state is one subclass that brings its sampler, its evolution, its meter, its tolerances and the arrays of
the run file.  Driver, plan, evolution and meters ask the state and do not know its kind.
"""

import dataclasses
import functools
import math
from typing import ClassVar

import numpy as np

from hpc_nqs.hamiltonians.spin_model import SpinModel
from hpc_nqs.hilbert.purification import Purification, random_pairs
from hpc_nqs.lattices.lattice import Lattice
from hpc_nqs.observables.diagonal import OrbitAverages, build_observables
from hpc_nqs.observables.local_estimators import LocalEstimators, joined
from hpc_nqs.sampling.chains import Chains
from hpc_nqs.sampling.enumeration import Enumeration, n_orbits
from hpc_nqs.thermal.evolution import HEUN, AdaptiveEvolution
from hpc_nqs.thermal.meter import Meter
from hpc_nqs.thermal.rings.policy import MAX_LINKS

STEP_TOLERANCE = 3e-3
# above T = J / HOT_BETA rare configurations carry the force: more samples
HOT_BETA, HOT_FACTOR = 0.5, 4
EXACT_SOFT_CUT = {True: 1e-8, False: 1e-6}  # of exact sums; True: complex parameters, no nodes in the way


@dataclasses.dataclass
class ThermalState:
    """A wave function and the doubled system it lives on, sampled or summed over pairs of layers.

    Subclasses change what is different for them.

    Attributes
    ----------
    lattice : Lattice
    model : SpinModel
        In the basis of the wave function (Marshall-rotated for an unfrustrated magnet).
    system : Purification
    wavefunction : Wavefunction
    symmetries : tuple of str
        Those shared by the hidden units or tables.
    order : int
        Order of the symmetry group of the doubled system.
    beta_0 : float
        Inverse temperature of the seed, of all slices together.
    is_exact : bool
        Sums over all configurations, or rings, take the place of chains.
    n_slices : int
        M: the state is a product of M copies of the wave function, joined by deep layers; of a deep Boltzmann machine
        the Trotter slices that it starts from.
    expansion : ClusterExpansion or None
        Fills the parameters with the thermal state from beta_0 up to `expansion_beta`.
    expansion_beta : float
    invariance : SignedPermutations or None
        A group of the visible units that leaves the wave function unchanged: exact sums take one configuration of
        every orbit.

    word : str
        The word of `wavefunction.kind`.
    unit_name : str
        What its units are called.
    scheme : Runge-Kutta scheme of a step, see `evolution`
    between_layers : bool
        Var(H) is the covariance of the local energies on the two layers, not the mean of their variances.
    has_noisy_path : bool
        The noise of energies and variances along the path is an error of the temperature, see `systematic_error`.
    power_share : float
        Share of -F.x in the clock "energy" of a state that explains nothing, see `evolution`.
    has_bra_and_ket : bool
        Samples hold deep units, independent ones of bra and ket; S then needs a dense matrix.
    effective_range : (float, float)
        Fractions of effective samples within which the sampling exponent stays.
    report_factor : int
        Samples at a reported temperature, in units of those of a step.
    least_share : float
        The least of them, before their errors are trusted to be small enough.
    prefers_rings : bool
        Low temperatures are measured on rings where the input does not say.
    """

    lattice: Lattice
    model: SpinModel
    system: Purification
    wavefunction: object
    symmetries: tuple
    order: int
    beta_0: float
    is_exact: bool
    n_slices: int = 1
    expansion: object = None
    expansion_beta: float = 0.0
    invariance: object = None

    word: ClassVar[str]
    unit_name: ClassVar[str] = "hidden units"
    scheme: ClassVar[tuple] = HEUN
    between_layers: ClassVar[bool] = False
    has_noisy_path: ClassVar[bool] = True
    power_share: ClassVar[float] = 0.0
    has_bra_and_ket: ClassVar[bool] = False
    effective_range: ClassVar[tuple] = (0.1, 0.8)
    report_factor: ClassVar[int] = 24
    least_share: ClassVar[float] = 2 / 3
    prefers_rings: ClassVar[bool] = False

    @property
    def layers_equivalent(self):
        """Whether the wave function is symmetric under exchange of the layers."""
        return "layer_exchange" in self.symmetries

    @property
    def makes_rings(self):
        """Whether traces of its powers are thermal states: Psi is a real symmetric matrix between its layers."""
        real = not self.wavefunction.is_complex and self.layers_equivalent
        return real and not self.has_bra_and_ket and self.n_slices == 1

    @property
    def coldest_kernel(self):
        """The largest inverse temperature of a link of a ring, whatever its residual."""
        return math.inf

    @property
    def residual_limit(self):
        """The largest residual of a link of a ring, None: that of `rings.policy`."""
        return None

    def ring_links(self, asked):
        """Return the numbers of links that are allowed, smallest first, for those of the input or "auto"."""
        if not self.makes_rings or (asked == "auto" and not self.prefers_rings):
            return (2,)
        return tuple(range(2, MAX_LINKS[self.is_exact] + 1)) if asked == "auto" else asked

    @property
    def soft_cut(self):
        """Default cut of S relative to its largest eigenvalue."""
        return EXACT_SOFT_CUT[self.wavefunction.is_complex] if self.is_exact else self.sampled_soft_cut

    @property
    def sampled_soft_cut(self):
        """The same for chains, whose S is noisy."""
        return 1e-5

    @property
    def step_tolerance(self):
        """Default error of a step in the norm of S, see `evolution.StepControl`."""
        return STEP_TOLERANCE

    @property
    def step_scale(self):
        """The energy by which steps are limited from above: the largest coupling or field."""
        return self.model.energy_scale

    @property
    def typical_growth(self):
        """Growth of beta per step that the default tolerance allows at beta = 1 / largest coupling or field, and power.

        It goes as beta^-power; medians of runs of 6 to 16 sites. With exact sums runs differ by a factor of two.
        """
        return (0.02, 0.3) if self.is_exact else (0.04, 0.7)

    def sampler(self, team, n_chains, seed):
        """Return the `Sampler` of the state."""
        if self.is_exact:
            return Enumeration(team, self.system, self.invariance)
        return Chains(team, n_chains, seed, lambda stream: random_pairs(self.system, stream))

    def evolution(self, regularization, control, team):
        """Return the `Evolution` of the state."""
        return AdaptiveEvolution(self, regularization, control, team)

    def observables(self, settings):
        """Return the `Observables` that an input asks for."""
        return build_observables(settings, self.lattice, self.model)

    def meter(self, observables, sampler, team):
        """Return the `Meter` of the state."""
        if self.is_exact and self.invariance is not None:
            sites = np.arange(self.system.n_sites)
            observables = OrbitAverages(observables, self.invariance.keeping(sites).restricted(sites))
        return Meter(self, observables, sampler, team)

    def umbrella(self, seed):
        """Return the `Umbrella` whose samples join in the fit of the velocity, or None."""
        return None

    def conserved_directions(self):
        """Return the directions of conserved quantities in the parameters, (n_params, n), or None, see `conserved`."""
        return None

    def control_variates(self):
        """Return the `ControlVariates` of the reported energy, or None."""
        return None

    def spin_averages(self, observables):
        """Return the `SpinAverages` that measure correlations of all spin components, or None."""
        return None

    def local_estimators(self, observables):
        """Return the `LocalEstimators` of operators that are asked for, or None."""
        if observables.operators is None:
            return None
        layers = (0, 1) if self.layers_equivalent else (0,)
        return LocalEstimators(self.wavefunction, self.system, observables.operators, layers)

    def averages(self, observables):
        """Return `spin_averages` and `local_estimators` as one, or None."""
        return joined([self.spin_averages(observables), self.local_estimators(observables)])

    def ring_averages(self, observables):
        """Return what is measured on every link of rings beside H, as `averages`, or None."""
        return self.averages(observables)

    def sample_factor(self, beta):
        """Return the samples of a step at an inverse temperature, in units of the default number."""
        hot = self.expansion is None and beta <= HOT_BETA / self.model.energy_scale
        return HOT_FACTOR if hot else 1

    def reported(self, row, heat):
        """Return the measured row as reported; `heat` is -dE/dbeta of the clock in units of the measured Var(H)."""
        return row

    def known_start(self, start):
        """Return what the file of the start knows of the path to infinite temperature; None for an analytic seed."""
        return None

    def arrays(self, beta):
        """Return the arrays of the wave function as they stand in the run file, at an inverse temperature."""
        return self.wavefunction.arrays()

    def planned(self):
        """Return what a plan says of the state, as {what: number or text}."""
        return {
            "wave function": self.word,
            "slices": self.n_slices,
            "symmetries": f"{', '.join(self.symmetries) or 'none'} (group of order {self.order})",
            "sites": self.model.n_lattice_sites,
            "visible units": self.system.n_visible,
            **self.planned_deep_units(),
            self.unit_name: self.wavefunction.n_units,
            "parameters": self.wavefunction.n_params,
            "seed at beta_0": self.beta_0,
        }

    @functools.cached_property
    def n_configurations(self):
        """How many configurations an exact sum looks at: one of every orbit of `invariance`."""
        return n_orbits(self.system.n_visible, self.system.n_up, self.invariance)

    def resolved(self):
        """Return what "auto" became in the section [wavefunction], with the numbers of units and parameters."""
        return {
            "kind": self.word,
            "parameters": "complex" if self.wavefunction.is_complex else "real",
            "symmetries": list(self.symmetries),
            "slices": self.n_slices,
            "marshall": bool(self.model.sublattice is not None and (self.model.sublattice < 0).any()),
            "bond_features": bool(self.system.bond_features),
            **self.resolved_size(),
            "n_units": int(self.wavefunction.n_units),
            "n_params": int(self.wavefunction.n_params),
            "group_order": int(self.order),
        }

    def resolved_size(self):
        """Return the size of the wave function in the terms of the input."""
        return {"alpha": self.wavefunction.n_units / self.system.n_visible}

    def planned_deep_units(self):
        """Return the line of a plan about deep units of its own; empty where there are none."""
        return {}


def tolerance_of_size(tolerance, n_sites):
    """Return a step tolerance that grows as the norm of a change does, as sqrt(N)."""
    return tolerance * math.sqrt(n_sites)
