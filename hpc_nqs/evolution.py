"""Imaginary-time evolution of a wave function by stochastic reconfiguration, one adaptive Heun step at a time.

params(tau + dtau) = params + dtau (v_1 + v_2) / 2; a step dtau advances beta by 2 dtau.  Both stages use the same
samples, the second one reweighted, so that their difference is the error of the step and not noise.

The velocity v is x = -S^{-1} F for the clock "time".  Where the network cannot follow, x removes less energy than
dE/dbeta = -Var(H) demands and the state lags behind its label beta.  The clock "energy" therefore runs by the energy:
v = x Var(H) / (-F.x), so that dE/dbeta = -Var(H) holds along the path, as it does for every thermal state.
"""

from dataclasses import dataclass

import numpy as np

from hpc_nqs.reconfiguration import evaluate, velocity

MAX_RETRIES = 12  # halvings of one step before the run gives up
ACCEPTED_ERROR = 2.0  # in units of the tolerances
MAX_ENERGY_ERROR = 0.0005  # of the energy change of a step, relative
ENERGY_RETRIES = 3  # where halving does not help, zeros of Psi are the reason and not the step
TINY = 1e-12
MIN_OVERLAP = 0.3  # of the effective samples that must survive the reweighting within a step
MAX_SPEED_UP = 4.0  # of the clock "energy" against the clock "time"
GROWTH = 1.5  # largest growth of the step size from one step to the next


class EvolutionError(RuntimeError):
    """The evolution cannot go on; the message says why and what to change."""


@dataclass(frozen=True)
class StepControl:
    """What limits a step.

    Attributes
    ----------
    tolerance : float
        Largest error of a step, sqrt(d^H S d) with d half the difference of the two stages.
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


class Evolution:
    """A wave function on its way down in temperature.

    Parameters
    ----------
    ansatz : Ansatz
    regularization : Regularization
    control : StepControl
    team : Team

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
    """

    def __init__(self, ansatz, regularization, control, team):
        self.purification = ansatz.purification
        self.wavefunction = ansatz.wavefunction
        self.between_layers = ansatz.kind == "clusters"
        self.regularization = regularization
        self.control = control
        self.team = team
        self.beta = ansatz.beta_0
        self.dtau = 0.05 * ansatz.beta_0
        self.previous = None
        self.checks_energy = True

    def evaluate(self, samples, amplitude=None):
        """Return the `Evaluation` of the present parameters.  *Collective.*"""
        return evaluate(samples, self.wavefunction, self.purification, self.team, amplitude)

    def velocity(self, samples, evaluation):
        """Return the `Velocity` at the present parameters.  *Collective.*"""
        return velocity(
            evaluation, samples, self.wavefunction, self.regularization, self.team, self.previous, self.between_layers
        )

    def change(self, velocity):
        """Return d params / d(beta / 2) by the clock of this evolution, (n_params,)."""
        if self.control.clock == "time" or not velocity.power > 0:
            return velocity.x
        return velocity.x * min(MAX_SPEED_UP, velocity.thermal_variance / velocity.power)

    def advance(self, samples, evaluation, first, beta_target):
        """Make one step, not beyond `beta_target`, and return the `Step`.  *Collective.*

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
        start = self.wavefunction.params.copy()
        dtau = min(self.dtau, self.control.max_dtau, 0.5 * self.control.max_growth * self.beta)
        error = np.inf
        for n_rejected in range(MAX_RETRIES):
            step = self._fitted(dtau, beta_target)
            second, error = self._try(samples, evaluation, start, first, step)
            if error <= ACCEPTED_ERROR:
                self.team.broadcast(self.wavefunction.params)
                self.previous = second.x
                self.beta = beta_target if step == 0.5 * (beta_target - self.beta) else self.beta + 2 * step
                grown = min(0.9 * step / np.sqrt(max(error, 1e-300)), GROWTH * dtau)
                self.dtau = grown if step == dtau else max(dtau, grown)
                notes = (first.solution.note, second.solution.note)
                return Step(step, error * self.control.tolerance, n_rejected, tuple(note for note in notes if note))
            self.wavefunction.params = start.copy()
            self.checks_energy = self.checks_energy and n_rejected < ENERGY_RETRIES
            dtau = 0.5 * step
        raise EvolutionError(
            f"no step from beta = {self.beta:.6g} succeeds, down to dtau = {dtau:.1e} (last error {error:.2g} times the "
            f"tolerance, residual {first.residual:.2g}); "
            "raise sampling.n_samples or reconfiguration.soft_cut, or widen the network (wavefunction.alpha)"
        )

    def _fitted(self, dtau, beta_target):
        """Return dtau cut to reach `beta_target`, with no tiny last step."""
        left = 0.5 * (beta_target - self.beta)
        if dtau >= left:
            return left
        return 0.5 * left if dtau > 0.5 * left else dtau

    def _try(self, samples, evaluation, start, first, dtau):
        """Make a trial step; return (velocity of its second stage or None, error in units of what is tolerated).

        The error of the state counts, and for exact sums also the difference between the energy change that the
        velocities promise and the one after the step (sampled, that difference is mostly noise).
        """
        if not np.isfinite(first.x).all():
            return None, np.inf
        self.wavefunction.params = start + dtau * self.change(first)
        trial = self.evaluate(samples)
        if not trial.n_effective > MIN_OVERLAP * evaluation.n_effective:
            return None, np.inf
        second = self.velocity(samples, trial)
        if not np.isfinite(second.x).all():
            return None, np.inf
        changes = self.change(first), self.change(second)
        state_error = 0.5 * dtau * first.metric(changes[1] - changes[0]) / self.control.tolerance
        self.wavefunction.params = start + 0.5 * dtau * (changes[0] + changes[1])
        error = state_error
        if self.checks_energy and samples.exponent == 0:
            promised = -dtau * (self._cooling_power(first) + self._cooling_power(second))
            delivered = self.evaluate(samples).energy - evaluation.energy
            error = max(error, abs(delivered - promised) / (MAX_ENERGY_ERROR * abs(promised) + TINY))
        return second, float(self.team.max(error if np.isfinite(error) else np.inf))

    def _cooling_power(self, velocity):
        """Return -dE/dtau / 2 by the clock of this evolution."""
        if self.control.clock == "time" or not velocity.power > 0:
            return velocity.power
        return min(MAX_SPEED_UP * velocity.power, velocity.thermal_variance)
