"""Stochastic reconfiguration: from samples to the velocity of the parameters, d params / d tau = -S^{-1} F.

[SR] S. Sorella, PRB 64, 024512 (2001); for purified states [PDBM] PRL 127, 060601 (2021), eq. (5).  The force
uses the mean of H x 1 and 1 x H~, which act alike on the exact thermal state and together fluctuate less.
"""

from dataclasses import dataclass

import numpy as np

from hpc_nqs.reconfiguration import dense
from hpc_nqs.reconfiguration.equations import assembled, sampled
from hpc_nqs.sampling.umbrella import fitted_rows

DIAG_SCALE = 1e-4  # default shift relative to the diagonal of S
MAX_DENSE = 2000  # largest number of parameters for which S is assembled


@dataclass(frozen=True)
class Velocity:
    """d params / d tau and what it leaves unexplained.

    Attributes
    ----------
    x : (n_params,)
    solution : dense.Solution
    variance : float
        Var of the local energy in the force.
    thermal_variance : float
        Var(H), mean of those measured on the two layers; -dE/dbeta of a thermal state.
    power : float
        -Re F^H x = -dE/dtau / 2 of the energy in the force.
    residual : float
        TDVP residual r^2 = 1 - F^H S^{-1} F / Var(E_loc), with the regularized x:
        (Var + 2 Re F^H x + x^H S x) / Var, between 0 and 1.
    speed : float
        sqrt(x^H S x), the norm of the change of the normalised state per tau.
    force : (n_params,)
        F.
    apply : callable
        v -> S v, *collective* for solvers without a matrix.
    """

    x: np.ndarray
    solution: dense.Solution
    variance: float
    thermal_variance: float
    power: float
    residual: float
    speed: float
    force: np.ndarray
    apply: object

    def metric(self, vector):
        """Return sqrt(v^H S v)."""
        return np.sqrt(max(0.0, np.vdot(vector, self.apply(vector)).real))


def velocity(
    evaluation, samples, wavefunction, regularization, team,
    previous=None, between_layers=False, umbrella_samples=None,
):
    """Return the `Velocity` of the parameters.  *Collective*.

    Parameters
    ----------
    between_layers : bool
        Take Var(H) from the covariance of the layers, as exact sums always do.
    previous : (n_params,) or None
        Velocity of the step before: start of the conjugate gradients.
    umbrella_samples : (Samples, Evaluation), optional
        Umbrella samples that join in the fit of the velocity, and in nothing else.
    """
    solver = regularization.on(team.n_nodes)
    equations = (assembled if solver.needs_matrix else sampled)(evaluation, samples, wavefunction, team)
    force, variance, apply = equations.force, equations.variance, equations.apply
    fitted = equations
    if umbrella_samples is not None:
        about = equations.means.real, evaluation.energy, variance, wavefunction
        fitted = equations.with_rows(fitted_rows(umbrella_samples, *about, team), team)
    solution = solver.solve(fitted, team, previous)
    power = -np.vdot(force, solution.x).real
    square = np.vdot(solution.x, apply(solution.x)).real
    return Velocity(
        x=solution.x,
        solution=solution,
        variance=variance,
        thermal_variance=_thermal_variance(evaluation, between_layers or samples.exponent == 0, team),
        power=power,
        residual=1 - (2 * power - square) / variance if variance > 0 else 0.0,
        speed=np.sqrt(max(0.0, square)),
        force=force,
        apply=apply,
    )


def _thermal_variance(evaluation, between_layers, team):
    """Return Var(H) of the thermal state for the clock "energy".

    The mean of the variances on the two layers, or between them: the covariance of the two local energies,
    Tr(sqrt(rho) H sqrt(rho) H) - E^2.  That is the same for a thermal state, and free of the errors of the wave
    function that inflate the variance.  (With networks, sampled, its smaller value was found to lag behind in
    temperature; with tables, the mean of the variances runs ahead.)  Without ancilla spins both are the variance of
    the one local energy.
    """
    shifted = evaluation.energies - evaluation.energy
    if between_layers:
        values = (shifted[:, 0].conj() * shifted[:, -1]).real
    else:
        values = np.square(np.abs(shifted)).mean(axis=1)
    variance = np.array([evaluation.weights @ values])
    team.sum_in_place(variance)
    return float(variance[0])
