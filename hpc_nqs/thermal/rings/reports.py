"""Temperatures below the reach of one kernel: what a run measures on rings, in which order, and what it keeps.

A temperature is measured in stages: pilots, one batch each, that find the sign; the ring itself; where Green functions
of electrons are asked for, which rings have not at beta/2, the state cooled to that temperature; and a second ring with
another number of links, whose difference goes into the systematic errors.  Between reported temperatures that lie far
apart nodes are measured with fewer samples: energy and entropy are integrals over all of them.
"""

import copy
import dataclasses
import json
import math
from dataclasses import dataclass

from hpc_nqs.thermal.observable_error import OPERATORS, ORDERS
from hpc_nqs.thermal.rings.kernel_path import KernelPath
from hpc_nqs.thermal.rings.measurement import RingMeasurement
from hpc_nqs.thermal.rings.meter import traced_row
from hpc_nqs.thermal.rings.policy import Policy
from hpc_nqs.thermal.rings.traces import RingTraces

COOLED, PILOT, RING, NODE, BESIDE, OTHER = "cooled", "pilot", "ring", "node", "beside", "other"
MAX_SAMPLES = 64  # of a ring, in units of the samples per step
CERTAIN = 2.0  # standard errors by which the sign of a pilot must be below its floor
CLOSE = 1e-9  # relative; two inverse temperatures that are the same
SHARE = {RING: 1.0, NODE: 0.25, OTHER: 0.25}  # of MAX_SAMPLES
COMPARED = ("energy", "specific_heat", "susceptibility", "structure_factor", "correlation", "neighbour_correlation")
COMPARED += ("double_occupancy", "local_moment", "charge_structure_factor", "charge_correlation", "n_k_up", "n_k_down")
COMPARED += ("filling", "compressibility", "hamiltonian_energy", "magnetization", "magnetization_x")
COMPARED += ("correlation_vector", *ORDERS, *OPERATORS)


@dataclass(frozen=True)
class Task:
    """What comes next: a measurement at inverse temperature `beta` with `links` links, at a stage."""

    beta: float
    links: int
    stage: str

    @property
    def kernel_beta(self):
        """Inverse temperature of the kernel."""
        return 2 * self.beta / self.links

    def words(self, units=None):
        """Return the task in words for the user, in `MolarUnits` where there are any."""
        kelvin, unit = (1.0, "") if units is None else (units.kelvin, " K")
        hot, cold = (f"T = {kelvin / beta:.4g}{unit}" for beta in (self.kernel_beta, self.beta))
        return f"{cold}, ring of {self.links} links of the state at {hot}"


class RingReports:
    """The rings of one run.

    Parameters
    ----------
    state : ThermalState
    observables : Observables
    team : Team
    thermal : the settings [thermal]
    seed, n_chains : int
    n_samples : int
        Of a step, over all ranks.

    Attributes
    ----------
    path : KernelPath
    nodes : list of dict
        Raw rows between the reported temperatures.
    first : dict of float: dict
        The raw rows of first rings by their inverse temperature, until a second one has been measured.
    measurement : RingMeasurement or None
        That is going on.
    reach : float
        Inverse temperature down to which no kernel beyond the path is asked for, to compare rings; 0 when cooling.
    """

    def __init__(self, state, observables, team, thermal, seed, n_chains, n_samples):
        self.state, self.observables, self.team = state, observables, team
        self.seed, self.n_chains, self.n_samples = seed, n_chains, n_samples
        self.accuracy, self.n_report = thermal.accuracy, thermal.n_samples_report
        self.policy = Policy(
            state.ring_links(thermal.rings), thermal.sign_floor, state.is_exact, state.coldest_kernel,
            state.residual_limit,
        )
        self.path, self.nodes, self.first = KernelPath(), [], {}
        self.measurement = self._pending = None
        self.reach = 0.0

    @property
    def is_on(self):
        """Whether rings of more than two links may be measured."""
        return self.policy.allowed != (2,)

    # ---- what comes next -------------------------------------------------------------------------------------------

    def crossing(self, history):
        """Return the coldest inverse temperature of a good kernel, None as long as all are good."""
        return self.policy.crossing(*([step[name] for step in history] for name in ("beta", "tdvp_residual")))

    def end_at(self, beta):
        """Take note that no state beyond `beta` has amplitudes; return whether rings of hotter ones may go on."""
        is_new = self.is_on and beta < self.policy.end
        if is_new:
            self.policy.end = beta
        return is_new

    def next(self, target, history, rows):
        """Return the `Task` that comes next on the way to a reported inverse temperature; None: nothing is left.

        Parameters
        ----------
        target : float
        history, rows : lists of dict
            Of the run so far.
        """
        if not self.is_on:
            return Task(target, 2, COOLED)
        crossing = self.crossing(history)
        if target in self.first:
            return self._beside(target) or self._second(target, crossing or self.path.coldest)
        missing = []
        if crossing is not None and crossing < target:
            known = [row["beta"] for row in rows + self.nodes if row["beta"] < target]
            missing = self.policy.nodes(target, max([crossing, *known]))
        beta = missing[0] if missing else target
        links = self.policy.choose(beta, crossing)
        if links == 2 and not missing:
            return Task(beta, 2, COOLED)
        stage = PILOT if self.policy.needs_pilot(beta, links) else NODE if missing else RING
        return Task(beta, links, stage)

    def _beside(self, target):
        """Return the task of the cooled state, None where nothing is asked of it or no kernel is good."""
        green = self.observables.green
        if green is None or green.names <= self.first[target].keys() or target > self.policy.coldest * (1 + CLOSE):
            return None
        return Task(target, 2, BESIDE) if target > self.reach or self.path.holds(target) else None

    def _second(self, target, crossing):
        """Return the task of a second ring, or of its pilot; None where no ring can be compared with the first."""
        n_links = self.first[target]["links"]
        for links in self.policy.other(target, n_links, crossing):
            colder = links < n_links
            if 2 * target / links < self.path.betas[0] * (1 - CLOSE):
                continue  # hotter than the seed
            if colder and target <= self.reach and not self.path.holds(2 * target / links):
                continue
            if not colder and self.policy.needs_pilot(target, links):
                return Task(target, links, PILOT)
            if colder or self.policy.has_sign(target, links):
                return Task(target, links, OTHER)
        return None

    # ---- measurements ----------------------------------------------------------------------------------------------

    def begin(self, task, energy):
        """Return the `RingMeasurement` of a task; one that a resumed run has brought goes on.  *Collective*.

        Parameters
        ----------
        task : Task
        energy : float
            About the energy per site.
        """
        wanted = SHARE.get(task.stage, 0.0) * MAX_SAMPLES * self.n_samples
        if self.n_report != "auto":
            wanted = SHARE.get(task.stage, 0.0) * self.n_report
        self.measurement = RingMeasurement(
            self.kernel(task), self._measured(task.stage), self.team, self.seed, self.n_chains, task.beta, task.links,
            energy, self.n_samples, wanted, 0.0 if task.stage == NODE else self.accuracy,
        )
        if self.measurement.continues(self._pending):
            self.measurement.restore(self._pending)
            self._pending = None
        return self.measurement

    def _measured(self, stage):
        """Return the observables that are read from a ring of some stage."""
        if stage in (PILOT, NODE):
            return self.observables.bare()
        return self.observables.at_equal_times() if stage == OTHER else self.observables

    def kernel(self, task):
        """Return the state of the kernel, with a wave function of its own."""
        wavefunction = copy.deepcopy(self.state.wavefunction)
        wavefunction.params = self.path.at(task.kernel_beta)
        return dataclasses.replace(self.state, wavefunction=wavefunction)

    def traced(self, task, team):
        """Return the row of exact sums that a team shares.  *Collective*."""
        observables = self._measured(task.stage)
        averages = RingTraces.of_state(self.kernel(task), observables, team).averages(task.links)
        return traced_row(averages, observables, self.state.model, task.links, task.beta) | {"acceptance": 1.0}

    def take(self, task, row):
        """Take over the row of a task; return the finished row of the reported temperature, or None: it goes on."""
        self.measurement = None
        if task.stage == PILOT:
            sign = row["average_sign"] + CERTAIN * row["average_sign_error"]  # no ring is lost to noise
            self.policy.signs[task.beta, task.links] = sign
        elif task.stage == NODE:
            self.nodes.append(row)
        elif task.stage == RING:
            self.first[task.beta] = row
        elif task.stage == BESIDE:
            self.first[task.beta] |= {name: row[name] for name in self.observables.green.names}
        else:
            return self.finish(task.beta, row)
        return None

    def finish(self, beta, other=None):
        """Return the row of the first ring at `beta` with what a second one has found."""
        row = self.first.pop(beta)
        if other is not None:
            row["other"] = {name: other[name] for name in ("links", "kernel_beta", "average_sign")}
            for name in COMPARED:
                if isinstance(other.get(name), dict):
                    row["other"][name] = other[name]
                elif name in other:
                    row["other"][name] = [other[name], other[f"{name}_error"]]
        return row

    # ---- run file --------------------------------------------------------------------------------------------------

    def stored(self):
        """Return what `restore` takes over, on rank 0; None elsewhere.  *Collective*."""
        measurement = self.measurement.state() if self.measurement is not None else self._pending
        if not self.team.is_root:
            return None
        signs = [[*key, value] for key, value in self.policy.signs.items()]
        words = {"nodes": self.nodes, "first": list(self.first.values()), "signs": signs}
        words |= {"end": self.policy.end} if math.isfinite(self.policy.end) else {}
        return {"path": self.path.arrays(), "rows": json.dumps(words), "measurement": measurement}

    def restore(self, stored):
        """Take over what `stored` returned."""
        self.path.restore(stored["path"])
        words = json.loads(stored["rows"])
        self.nodes, self._pending = words["nodes"], stored["measurement"]
        self.first = {row["beta"]: row for row in words["first"]}
        self.policy.signs = {(beta, int(links)): sign for beta, links, sign in words["signs"]}
        self.policy.end = words.get("end", self.policy.end)
