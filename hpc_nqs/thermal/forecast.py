"""How many steps a thermal run makes, and how long it takes: before it starts, and while it goes on.

The rule of the steps (`evolution`) is known but for the size that the tolerance allows.  In units of beta that is
about the same from one step to the next; before the start it is taken from runs of the same kind of state
(`ThermalState.typical_growth`), later from the steps that the run has made.
"""

from dataclasses import dataclass, field

import numpy as np

from hpc_nqs.runs.pace import Cost, fitted
from hpc_nqs.thermal.evolution import EXPANSION_GROWTH, GROWTH
from hpc_nqs.thermal.rings.policy import MAX_LINKS

MAX_STEPS = 10**5  # that are counted
RECENT, PRIOR = 24, 12  # steps that tell how a run goes on, and typical ones that count beside them
# what a sample of a report costs in units of one of a step, before the first report; True: tables with exchange, whose
# control variates are costly
REPORT_SHARE = {True: 0.6, False: 0.35}
# of rings below the reach of one kernel, by whether traces are taken: links of a typical one, samples of all stages in
# units of those of a step, and the cost of a sample per link in units of one of a report
RING_LINKS, RING_SAMPLES, LINK_COST = 4, 96, 0.75
TRACE_COST = 0.05  # of ln Psi in units of a sample of a report
REACH = 1.1  # b* in units of the inverse of the largest coupling
RANGE = 4.0  # factor by which steps may differ from the expected ones


@dataclass
class Pace:
    """What steps and reports cost, by their number of samples.

    Attributes
    ----------
    step, followed, report : Cost
        A step, one that a cluster expansion gives, and the measurement of one batch of samples at a reported
        temperature.
    """

    step: Cost
    followed: Cost
    report: Cost


@dataclass
class Forecast:
    """The steps of one run.

    Parameters
    ----------
    state : ThermalState
    control : StepControl
    n_samples : callable
        Samples of a step at beta.
    n_batches : float
        Expected at a reported temperature, of the samples of a step each.
    targets : sequence of float
        Reported inverse temperatures, smallest first.
    on_rings : bool
        Low temperatures are measured on rings.
    """

    state: object
    control: object
    n_samples: object
    n_batches: float
    targets: tuple
    on_rings: bool = False
    made: list = field(default_factory=list)  # (beta, growth, samples, seconds, follows) of steps
    sampled: list = field(default_factory=list)  # (samples, seconds) of batches of reports

    def steps(self, beta, dtau, ratio=1.0):
        """Return the inverse temperatures of the steps from `beta` on, (n,), at most MAX_STEPS.

        Parameters
        ----------
        beta, dtau : float
            Of the evolution now.
        ratio : float
            Steps in units of the typical ones.
        """
        until, found = self.state.expansion_beta, []
        for reported in self.targets:
            target = min(reported, max(self.reach, 2 * reported / MAX_LINKS[self.state.is_exact]))
            while beta < target and len(found) < MAX_STEPS:
                found.append(beta)
                if beta < until:
                    beta = min(EXPANSION_GROWTH * beta, until, target)
                    dtau = 0.05 * beta
                    continue
                allowed = min(self.control.max_growth, ratio * self._typical(beta))
                dtau = min(dtau, self.control.max_dtau, 0.5 * allowed * beta)
                left = 0.5 * (target - beta)
                step = left if dtau >= left else 0.5 * left if dtau > 0.5 * left else dtau
                beta = target if step == left else beta + 2 * step
                dtau *= GROWTH
        return np.array(found)

    def seconds(self, pace, beta, dtau, n_reports, ratio=1.0):
        """Return the seconds of all steps from `beta` on and of the reports that are not made yet."""
        steps = self.steps(beta, dtau, ratio)
        amounts, until = np.array([self.n_samples(b) for b in steps]), self.state.expansion_beta
        followed = steps < until
        costs = np.where(followed, pace.followed.of(amounts), pace.step.of(amounts)) if len(steps) else np.zeros(0)
        n_rings = min(n_reports, int(np.sum(np.array(self.targets) > self.reach)))
        rings = n_rings * self.ring_seconds(pace)
        return float(costs.sum()) + (n_reports - n_rings) * self.report_seconds(pace) + rings

    @property
    def reach(self):
        """Inverse temperature to which the state is cooled at most."""
        return REACH / self.state.model.energy_scale if self.on_rings else np.inf

    def ring_seconds(self, pace):
        """Return the seconds of a temperature that is measured on rings, its second ring and a node included."""
        one = pace.report.of(self.n_samples(self.targets[-1]))
        if self.state.is_exact:
            return one * max(1.0, TRACE_COST * self.state.order)
        return one * RING_LINKS * RING_SAMPLES * LINK_COST

    def report_seconds(self, pace):
        """Return the seconds of the measurement at one temperature."""
        return self.n_batches * pace.report.of(self.n_samples(self.targets[-1]))

    def _typical(self, beta):
        """Return dbeta / beta of a typical step; its error goes as the square of it."""
        growth, power = self.state.typical_growth
        growth *= np.sqrt(self.control.tolerance / self.state.step_tolerance)
        return growth * (beta * self.state.model.energy_scale) ** -power

    # ---- of a run that goes on -----------------------------------------------------------------------------------

    def note_step(self, beta, beta_after, n_samples, seconds):
        """Take note of a step of the run."""
        self.made.append((beta, beta_after / beta - 1, n_samples, seconds, beta < self.state.expansion_beta))

    def note_report(self, n_samples, seconds):
        """Take note of the measurement of `n_samples` samples at a reported temperature."""
        self.sampled.append((n_samples, seconds))

    def left(self, beta, dtau, n_reports):
        """Return the seconds that are left of the run; None before its first step."""
        if not self.made:
            return None
        return self.seconds(self._pace(), beta, dtau, n_reports, self._ratio())

    def _pace(self):
        """Return the `Pace` of the steps and reports made."""
        kinds = {follows: [row[2:4] for row in self.made if row[4] == follows][-RECENT:] for follows in (True, False)}
        costs = {follows: fitted(*zip(*rows, strict=True)) for follows, rows in kinds.items() if rows}
        step = costs.get(False) or costs[True].times(len(self.state.scheme[1]))
        if self.sampled:
            report = fitted(*zip(*self.sampled, strict=True))
        else:
            costly = not self.state.has_noisy_path and self.state.model.has_exchange
            report = step.times(REPORT_SHARE[costly])
        return Pace(step, costs.get(True, step), report)

    def _ratio(self):
        """Return the size of the last steps that the tolerance has limited, in units of the typical ones.

        A geometric mean, in which PRIOR typical steps count, too.
        """
        logarithms, before = [], None
        for beta, grown, _, _, follows in self.made:
            free = min(self.control.max_growth, 2 * self.control.max_dtau / beta)
            if not follows and grown < 0.95 * free and before and grown * beta < 0.95 * GROWTH * before:
                logarithms.append(np.log(grown / min(free, self._typical(beta))))
            before = None if follows else grown * beta
        last = logarithms[-RECENT:]
        return float(np.clip(np.exp(np.sum(last) / (len(last) + PRIOR)), 1 / RANGE, RANGE))
