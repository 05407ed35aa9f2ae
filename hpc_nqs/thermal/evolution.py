"""Imaginary-time evolution of a wave function by stochastic reconfiguration, one adaptive Runge-Kutta step at a time.

Networks make Heun's step, params(tau + dtau) = params + dtau (v_1 + v_2) / 2, tables one of third order (Kutta's):
Heun's lets the tables of a transverse field lag by 1e-3 of beta near infinite temperature, where they go as ln beta.
A step dtau advances beta by 2 dtau.  All stages use the same samples, the later ones reweighted, so that their
differences are the error of the step and not noise.

The velocity v is x = -S^{-1} F for the clock "time".  Where the network cannot follow, x removes less energy than
dE/dbeta = -Var(H) demands and the state lags behind its label beta.  The clock "energy" therefore runs by the energy:
v = x Var(H) / (-F.x), so that dE/dbeta = -Var(H) holds along the path, as it does for every thermal state.  Of tables
the Var(H) that is measured grows with the unexplained part of the state, while -F.x stays below that of the thermal
state: there beta follows (1 - w) Var(H) + w (-F.x), w = `power_share` r^2, r^2 the TDVP residual.
"""

import dataclasses
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hpc_nqs.reconfiguration.velocity import velocity
from hpc_nqs.sampling.evaluation import evaluate, every
from hpc_nqs.thermal.conserved import split

MAX_RETRIES = 12  # halvings of one step before the run gives up
# of beta: exact sums with smaller steps end at a node; the step with a coarser cut of S that is tried in their place
NARROW_STEP, WIDE_STEP = 1e-5, 1e-3
MAX_SOFT_CUT = 1e-3
ACCEPTED_ERROR = 2.0  # in units of the tolerances
MAX_ENERGY_ERROR = 0.0005  # of the energy change of a step, relative
ENERGY_RETRIES = 3  # where halving does not help, zeros of Psi are the reason and not the step
TINY = 1e-12  # in units of the largest coupling or field
MIN_OVERLAP = 0.3  # of the effective samples that must survive the reweighting within a step
MAX_SPEED_UP = 4.0  # of the clock "energy" against the clock "time"
GROWTH = 1.5  # largest growth of the step size from one step to the next
METER_STRIDE = 2  # there the velocity is a mere meter of the residual, from one of so many samples
FOLLOWING_SHARE = 4  # where a cluster expansion gives the state, control variates leave one of so many samples
EXPANSION_GROWTH = 1.1  # of beta per step, where a cluster expansion gives the state: fine enough for slopes of e(beta)
# (weights of the velocities so far in each further stage, weights of all in the step)
HEUN = (((1.0,),), (1 / 2, 1 / 2))
KUTTA = (((1 / 2,), (-1.0, 2.0)), (1 / 6, 2 / 3, 1 / 6))


class EvolutionError(RuntimeError):
    """The evolution cannot go on; the message says why and what to change."""


class PathEnds(EvolutionError):
    """Colder states have configurations without an amplitude; rings of those on the path may go on.

    Parameters
    ----------
    reason, advice : str
        What samples have come to, and what to change where there are no rings.
    """

    def __init__(self, reason, advice):
        super().__init__(f"{reason}. {advice}")
        self.reason = reason


@dataclass(frozen=True)
class StepControl:
    """What limits a step.

    Attributes
    ----------
    tolerance : float
        Largest error of a step, sqrt(d^H S d) with d half the difference of its first and last stage.
    max_dtau : float
        Absolute limit, in inverse energy.
    max_growth : float
        Limit relative to beta: dbeta <= max_growth * beta.
    clock : str
        "energy" or "time", see the module.
    """

    tolerance: float
    max_dtau: float
    max_growth: float
    clock: str


@dataclass(frozen=True)
class Step:
    """One finished step.

    Attributes
    ----------
    dtau, error : float
    n_rejected : int
        Tries that were too large.
    notes : tuple of str
        What the solvers had to say.
    """

    dtau: float
    error: float
    n_rejected: int
    notes: tuple


class Evolution(Protocol):
    """A state on its way down in temperature, as the driver sees it.

    Attributes
    ----------
    beta : float
        Inverse temperature of the present parameters.
    dtau : float
        Size of the next step if nothing interferes.
    previous : (n_params,) or None
        Velocity at the end of the last step.
    checks_energy : bool
        Whether exact sums still compare delivered with promised energy; given up where halving does not help.
    follows_expansion : bool
        The next step takes the state from a cluster expansion.
    """

    beta: float
    dtau: float
    previous: np.ndarray | None
    checks_energy: bool
    follows_expansion: bool

    def evaluate(self, samples, amplitude=None, controls=None, derives=False):
        """Return the evaluation of the present parameters on samples of the state's sampler.  *Collective*."""

    def wanted(self, n_samples, controls):
        """Return the number of samples of the next step, `ControlVariates` or None, and whether O_k are needed."""

    def velocity(self, samples, evaluation):
        """Return the `Velocity` at the present parameters.  *Collective*."""

    def velocity_of_step(self, samples, evaluation):
        """Return the `Velocity` that `advance` begins with.  *Collective*."""

    def slope(self, velocity):
        """Return d params / d beta along the path, (n_params,)."""

    def heat(self, velocity):
        """Return -dE/dbeta along the path in units of Var(H)."""

    def advance(self, samples, evaluation, first, beta_target):
        """Make one step, not beyond `beta_target`, and return the `Step`.  *Collective*."""


class AdaptiveEvolution(Evolution):
    """The `Evolution` of layers: Runge-Kutta steps whose size follows their error.

    Parameters
    ----------
    state : ThermalState
    regularization : Regularization
    control : StepControl
    team : Team
    """

    def __init__(self, state, regularization, control, team):
        self.system = state.system
        self.wavefunction = state.wavefunction
        self.between_layers, self.power_share = state.between_layers, state.power_share
        self.scheme = state.scheme
        self.expansion, self.expansion_beta = state.expansion, state.expansion_beta
        self.conserved = state.conserved_directions()
        self.regularization = self.own_regularization = regularization
        self.control = control
        self.team = team
        self.beta = state.beta_0
        self.dtau = 0.05 * state.beta_0
        self.previous = None
        self.checks_energy = True

    @property
    def follows_expansion(self):
        """Whether the next step takes the state from the cluster expansion."""
        return self.beta < self.expansion_beta

    def evaluate(self, samples, amplitude=None, controls=None, derives=False):
        """Return the `Evaluation` of the present parameters, as the function of this name.  *Collective*."""
        return evaluate(samples, self.wavefunction, self.system, self.team, amplitude, controls, derives)

    def wanted(self, n_samples, controls):
        """Return the number of samples of the next step, `ControlVariates` or None, and whether O_k are needed of all.

        Where a cluster expansion gives the state, the energy is all that they are for.
        """
        if self.follows_expansion and controls is not None:
            return -(-n_samples // FOLLOWING_SHARE), controls, False
        return n_samples, None, True

    def velocity(self, samples, evaluation):
        """Return the `Velocity` at the present parameters.  *Collective*."""
        umbrella_samples = samples.umbrella_samples
        if umbrella_samples is not None:
            umbrella_samples.log_density = None  # no reweighting: they have weights of their own
            umbrella_samples = umbrella_samples, self.evaluate(umbrella_samples, derives=True)
        found = velocity(
            evaluation, samples, self.wavefunction, self.regularization, self.team,
            self.previous, self.between_layers, umbrella_samples,
        )
        evaluation.derivs = None  # room for those of the next stage
        return found

    def velocity_of_step(self, samples, evaluation):
        """Return the `Velocity` that `advance` begins with.  *Collective*.

        A state from the cluster expansion does not need it: there fewer samples say what it leaves unexplained.
        """
        if self.follows_expansion and samples.exponent:
            samples, evaluation = every(METER_STRIDE, samples, evaluation, self.team)
        return self.velocity(samples, evaluation)

    def velocity_of_stage(self, samples, evaluation):
        """Return the `Velocity` of a further stage of a step, of which the residual does not count.  *Collective*."""
        return self.velocity(samples, evaluation)

    def slope(self, velocity):
        """Return d params / d beta along the path, (n_params,)."""
        return self.expansion.slope(self.beta) if self.follows_expansion else 0.5 * self.change(velocity)

    def change(self, velocity):
        """Return d params / d(beta / 2) by the clock of this evolution, (n_params,)."""
        speed = self._speed(velocity)
        if self.conserved is None or speed == 1:
            return velocity.x * speed
        along, rest, power = split(self.conserved, velocity)
        left = velocity.power - power
        return along + rest * (1 + (speed - 1) * velocity.power / left if left > 0 else speed)

    def heat(self, velocity):
        """Return -dE/dbeta along the path in units of Var(H): what the clock takes of what `velocity` measures."""
        if not velocity.thermal_variance > 0:
            return 1.0
        return self._speed(velocity) * velocity.power / velocity.thermal_variance

    def _speed(self, velocity):
        """Return d tau / d(beta / 2)."""
        if self.control.clock == "time" or not velocity.power > 0:
            return 1.0
        excess = velocity.thermal_variance / velocity.power - 1
        excess *= 1 - self.power_share * min(1.0, max(0.0, velocity.residual))
        return min(MAX_SPEED_UP, 1 + excess)

    def advance(self, samples, evaluation, first, beta_target):
        """Make one step, not beyond `beta_target`, and return the `Step`.  *Collective*.

        Parameters
        ----------
        samples, evaluation : of the present parameters
        first : Velocity
            At the present parameters.

        Raises
        ------
        EvolutionError
            No step size works; the parameters are those before the step.
        """
        if self.follows_expansion:
            return self._follow(beta_target)
        step = self._step(samples, evaluation, first, beta_target, self.dtau)
        cut, around = self.regularization, first
        while step is None and cut.soft_cut is not None and cut.soft_cut < MAX_SOFT_CUT:
            # a node of exact sums: directions along which Psi changes nowhere else are left out
            cut = self.regularization = dataclasses.replace(cut, soft_cut=10 * cut.soft_cut)
            around = self.velocity_of_stage(samples, evaluation)
            step = self._step(samples, evaluation, around, beta_target, max(self.dtau, WIDE_STEP * self.beta))
        self.regularization = self.own_regularization
        if step is None:
            raise EvolutionError(
                f"no step from beta = {self.beta:.6g} succeeds (residual {first.residual:.2g}); "
                "raise sampling.n_samples or reconfiguration.soft_cut, or widen the network (wavefunction.alpha)"
            )
        return step

    def _step(self, samples, evaluation, first, beta_target, dtau):
        """Make a step of dtau or less and return the `Step`; None where none succeeds, with nothing changed."""
        start = self.wavefunction.params.copy()
        dtau = min(dtau, self.control.max_dtau, 0.5 * self.control.max_growth * self.beta)
        for n_rejected in range(MAX_RETRIES):
            step = self._fitted(dtau, beta_target)
            if samples.exponent == 0 and dtau < NARROW_STEP * self.beta:
                break
            stages, error = self._try(samples, evaluation, start, first, step)
            if error <= ACCEPTED_ERROR:
                self.team.broadcast(self.wavefunction.params)
                self.previous = stages[-1].x
                self.beta = beta_target if step == 0.5 * (beta_target - self.beta) else self.beta + 2 * step
                grown = min(0.9 * step / np.sqrt(max(error, 1e-300)), GROWTH * dtau)
                self.dtau = grown if step == dtau else max(dtau, grown)
                notes = [stage.solution.note for stage in stages]
                return Step(step, error * self.control.tolerance, n_rejected, tuple(note for note in notes if note))
            self.wavefunction.params = start.copy()
            self.checks_energy = self.checks_energy and n_rejected < ENERGY_RETRIES
            dtau = 0.5 * step
        return None

    def _follow(self, beta_target):
        """Take the next state from the cluster expansion; return the `Step`."""
        beta = min(EXPANSION_GROWTH * self.beta, self.expansion_beta, beta_target)
        self.expansion.fill(beta)
        self.team.broadcast(self.wavefunction.params)
        step = Step(0.5 * (beta - self.beta), 0.0, 0, ())
        self.beta, self.dtau = beta, 0.05 * beta
        return step

    def _fitted(self, dtau, beta_target):
        """Return dtau cut to reach `beta_target`, with no tiny last step."""
        left = 0.5 * (beta_target - self.beta)
        if dtau >= left:
            return left
        return 0.5 * left if dtau > 0.5 * left else dtau

    def _try(self, samples, evaluation, start, first, dtau):
        """Make a trial step; return (velocities of its stages or None, error in units of what is tolerated).

        The error of the state counts, and for exact sums also the difference between the energy change that the
        velocities promise and the one after the step (sampled, that difference is mostly noise).
        """
        further, weights = self.scheme
        stages, changes = [first], [self.change(first)]
        for row in further:
            if not np.isfinite(stages[-1].x).all():
                return None, np.inf
            self.wavefunction.params = start + dtau * sum(map(np.multiply, row, changes))
            trial = self.evaluate(samples, derives=True)
            if not trial.n_effective > MIN_OVERLAP * evaluation.n_effective:
                return None, np.inf
            stages.append(self.velocity_of_stage(samples, trial))
            changes.append(self.change(stages[-1]))
        if not np.isfinite(stages[-1].x).all():
            return None, np.inf
        error = 0.5 * dtau * first.metric(changes[-1] - changes[0]) / self.control.tolerance
        self.wavefunction.params = start + dtau * sum(map(np.multiply, weights, changes))
        if self.checks_energy and samples.exponent == 0:
            promised = -2 * dtau * np.dot(weights, [self._speed(stage) * stage.power for stage in stages])
            delivered = self.evaluate(samples).energy - evaluation.energy
            tolerated = MAX_ENERGY_ERROR * abs(promised) + TINY * self.system.model.energy_scale
            error = max(error, abs(delivered - promised) / tolerated)
        return stages, float(self.team.max(error if np.isfinite(error) else np.inf))
