"""Imaginary-time evolution of a wave function by stochastic reconfiguration, one adaptive Heun step at a time.

params(tau + dtau) = params + dtau (x_1 + x_2) / 2, x = -S^{-1} F; a step dtau advances beta by 2 dtau.  Both stages
use the same samples, the second one reweighted, so that their difference is the error of the step and not noise.
"""

from dataclasses import dataclass

import numpy as np

from hpc_nqs.reconfiguration import evaluate, velocity

MAX_RETRIES = 12  # halvings of one step before the run gives up
MIN_OVERLAP = 0.3  # of the effective samples that must survive the reweighting within a step
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
    """

    tolerance: float
    max_dtau: float
    max_growth: float


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
    """

    def __init__(self, ansatz, regularization, control, team):
        self.purification = ansatz.purification
        self.wavefunction = ansatz.wavefunction
        self.regularization = regularization
        self.control = control
        self.team = team
        self.beta = ansatz.beta_0
        self.dtau = 0.05 * ansatz.beta_0
        self.previous = None

    def evaluate(self, samples, amplitude=None):
        """Return the `Evaluation` of the present parameters.  *Collective.*"""
        return evaluate(samples, self.wavefunction, self.purification, self.team, amplitude)

    def velocity(self, samples, evaluation):
        """Return the `Velocity` at the present parameters.  *Collective.*"""
        return velocity(evaluation, samples, self.wavefunction, self.regularization, self.team, self.previous)

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
        notes = [first.solution.note]
        dtau = min(self.dtau, self.control.max_dtau, 0.5 * self.control.max_growth * self.beta)
        for n_rejected in range(MAX_RETRIES):
            step = self._fitted(dtau, beta_target)
            second, error = self._try(samples, evaluation, start, first, step)
            if second is not None and error <= 2 * self.control.tolerance:
                self.wavefunction.params = start + 0.5 * step * (first.x + second.x)
                self.team.broadcast(self.wavefunction.params)
                self.previous = second.x
                self.beta = beta_target if step == 0.5 * (beta_target - self.beta) else self.beta + 2 * step
                grown = 0.9 * step * np.sqrt(self.control.tolerance / max(error, 1e-300))
                self.dtau = min(grown, GROWTH * dtau) if step == dtau else dtau
                return Step(step, error, n_rejected, tuple(note for note in (*notes, second.solution.note) if note))
            self.wavefunction.params = start.copy()
            dtau = 0.5 * step
        raise EvolutionError(
            f"no step from beta = {self.beta:.6g} succeeds, down to dtau = {dtau:.1e} (last error {error:.2g}, "
            f"tolerance {self.control.tolerance:g}, residual {first.residual:.2g}); "
            "raise sampling.n_samples or reconfiguration.soft_cut, or widen the network (wavefunction.alpha)"
        )

    def _fitted(self, dtau, beta_target):
        """Return dtau cut to reach `beta_target`, with no tiny last step."""
        left = 0.5 * (beta_target - self.beta)
        if dtau >= left:
            return left
        return 0.5 * left if dtau > 0.5 * left else dtau

    def _try(self, samples, evaluation, start, first, dtau):
        """Return (velocity at the end of a trial step or None, error); parameters are left at the trial."""
        if not np.isfinite(first.x).all():
            return None, np.inf
        self.wavefunction.params = start + dtau * first.x
        trial = self.evaluate(samples)
        if not trial.n_effective > MIN_OVERLAP * evaluation.n_effective:
            return None, np.inf
        second = self.velocity(samples, trial)
        if not np.isfinite(second.x).all():
            return None, np.inf
        error = 0.5 * dtau * first.metric(second.x - first.x)
        return second, float(self.team.max(error))
