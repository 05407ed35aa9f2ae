"""Thermal states of tables over clusters (correlator products), alone or times a function of mismatched sites."""

import dataclasses

from hpc_nqs.hilbert.purification import purify
from hpc_nqs.observables.control_variates import ControlVariates
from hpc_nqs.observables.spin_averages import SpinAverages
from hpc_nqs.sampling.umbrella import LimitedUmbrella, Umbrella
from hpc_nqs.thermal.conserved import conserved_directions
from hpc_nqs.thermal.evolution import KUTTA
from hpc_nqs.thermal.high_temperature.clusters import correlator_state, lattice_clusters
from hpc_nqs.thermal.state import ThermalState, tolerance_of_size

MAX_EXPANSION_BETA = 2.0  # where a cluster expansion ends at the latest, in inverse largest couplings
CLUSTER_SIZES = (2, 3, 4, 5, 6)
MAX_CLUSTER_PARAMS = 600  # about the most that tables of the size chosen by "auto" have
SOFT_CUT = {True: 1e-8, False: 1e-7}  # by whether configurations are summed
# of chains of signed tables: permanents with 0 and 1 end 0.014 too low and 0.006 too high at T = 0.35 on 4x4 sites,
# J2 = 0.5
POWER_SHARE = 0.4


@dataclasses.dataclass
class TableState(ThermalState):
    """Tables over clusters: what all of them share."""

    word = "clusters"
    unit_name = "clusters"
    scheme = KUTTA
    between_layers = True
    has_noisy_path = False
    power_share = 0.75

    @property
    def soft_cut(self):
        """Default cut of S relative to its largest eigenvalue."""
        return SOFT_CUT[self.is_exact]

    @property
    def typical_growth(self):
        """Growth of beta per step, and power."""
        return (0.085, 0.3) if self.model.has_exchange and not self.model.has_positive_exchange else (0.055, 0.3)

    def resolved_size(self):
        """Return the sites of the largest clusters."""
        tables = getattr(self.wavefunction, "second", self.wavefunction)
        return {"cluster_size": max(kind.units.shape[1] for kind in tables.kinds) // 2}

    def control_variates(self):
        """Return the `ControlVariates` of the reported energy."""
        return ControlVariates(self.system, self.lattice)

    def spin_averages(self, observables):
        """Return the `SpinAverages` of an isotropic magnet, where correlations are asked for."""
        wanted = observables.has_components and self.model.is_isotropic
        return SpinAverages(self, observables) if wanted else None

    def reported(self, row, heat):
        """Return the row with c = -beta^2 dE/dbeta: Var(H) of tables has errors that the clock leaves out."""
        return row | {name: heat * row[name] for name in ("specific_heat", "specific_heat_error")}


@dataclasses.dataclass
class ExchangeTables(TableState):
    """Tables of a magnet that conserves Sz, times a function of the mismatched sites; M and M^2 are conserved."""

    effective_range = (0.4, 0.9)  # the hot part needs rare configurations
    tolerance = 1.25e-3  # of a step, times sqrt(N)

    @property
    def step_tolerance(self):
        """Errors per step may grow with the norm of a change."""
        return tolerance_of_size(self.tolerance, self.model.n_sites)

    def umbrella(self, seed):
        """Return the `Umbrella` of chains, None for exact sums."""
        return None if self.is_exact else Umbrella(self.system, seed, self.model.largest_coupling)

    def conserved_directions(self):
        """Return the directions of M^2 and, in a field, of M in the parameters."""
        return conserved_directions(self.model, self.wavefunction.first.n_params, self.wavefunction.second)


@dataclasses.dataclass
class SignedTables(TableState):
    """Tables times a permanent, a hafnian or determinants, which hold the signs."""

    effective_range = (0.4, 0.9)  # the hot part needs rare configurations
    tolerance = 2.5e-3  # of a step, times sqrt(N)
    prefers_rings = True

    @property
    def between_layers(self):
        """Whether Var(H) is the covariance of the layers.

        It is for sums.  Noise makes it too small and e lag behind: chains take the mean of the layers.
        """
        return self.is_exact

    @property
    def power_share(self):
        """Share of -F.x in the clock: the mean of the layers runs ahead where the state explains little."""
        return 0.0 if self.is_exact else POWER_SHARE

    @property
    def step_tolerance(self):
        """Errors per step may grow with the norm of a change."""
        return tolerance_of_size(self.tolerance, self.model.n_lattice_sites)

    @property
    def typical_growth(self):
        """Growth of beta per step, and power."""
        return (0.15, 0.3)


@dataclasses.dataclass
class MatchingTables(SignedTables):
    """Tables times a sum over matchings of mismatched sites, a permanent or a hafnian.

    Attributes
    ----------
    umbrella_limit : int
        What the function is `limited` to in umbrella samples, which would all have the most mismatched sites and cost
        more than the run.
    """

    @property
    def soft_cut(self):
        """Default cut of S relative to its largest eigenvalue.

        Permanents: with 1e-5 chains lose directions along which the state has to go: 4x4 sites, J2 = 0, e at T = 1 and,
        on four links of that state, at 0.5 is -0.0008 and -0.0023(4) off, with 1e-6 -0.0005 and -0.0009(4).  Finer
        cuts keep noise: J2 = 0.5, with 1e-5, 1e-6, 1e-8 0.0010(3), 0.0007(3), 0.0020(5) at T = 0.5.
        """
        return 1e-8 if self.is_exact else 1e-6

    def umbrella(self, seed):
        """Return the `LimitedUmbrella` of chains, None for exact sums."""
        if self.is_exact:
            return None
        return LimitedUmbrella(self.system, seed, self.model.largest_coupling, self.umbrella_limit)


@dataclasses.dataclass
class FieldTables(TableState):
    """Tables of a model in a transverse field: amplitudes are positive, a cluster expansion gives the hot part."""

    effective_range = (0.6, 0.9)
    report_factor, least_share = 48, 1 / 3  # the expansion gives cheap energies
    residual_limit = 0.1  # 4x4, Gamma = 3 J: above, c of the state itself is 5 to 6 % off, of rings 1 to 2 %

    @property
    def prefers_rings(self):
        """Whether rings are the default: of chains; their rings have no sign."""
        return not self.is_exact


def build_table_state(plan):
    """Return the state of a `StatePlan` at its seed."""
    model, symmetries = plan.model, plan.symmetries
    system = purify(model, bond_features=False)
    site_images, images = plan.groups(system)
    size = plan.settings.wavefunction.cluster_size
    if size == "auto":
        size = choose_size(model, len(images))
    wavefunction, expansion = correlator_state(system, site_images, images, size, plan.beta_0, model.energy_scale)
    kind = ExchangeTables if model.conserves_sz else FieldTables
    state = kind(
        lattice=plan.lattice, model=model, system=system, wavefunction=wavefunction, symmetries=symmetries,
        order=len(images), beta_0=plan.beta_0, is_exact=plan.is_exact,
        invariance=images,
    )
    if expansion and plan.settings.thermal.beta_0 == "auto":
        state.expansion = expansion
        state.expansion_beta = expansion.reach(plan.beta_0, MAX_EXPANSION_BETA / model.energy_scale)
    return state


def choose_size(model, order):
    """Return the largest number of sites whose clusters have few enough parameters.

    There are as many as orbits of codes, at least the number of codes over the order of the group.
    """
    n_codes = {size: len(lattice_clusters(model, size)) * 4**size for size in CLUSTER_SIZES}
    return max(size for size in CLUSTER_SIZES if size == 2 or 0 < n_codes[size] <= MAX_CLUSTER_PARAMS * order)
