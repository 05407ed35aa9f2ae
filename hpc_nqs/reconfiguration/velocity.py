"""Stochastic reconfiguration: from samples to the velocity of the parameters, d params / d tau = -S^{-1} F.

[SR] S. Sorella, PRB 64, 024512 (2001); for purified states [PDBM] PRL 127, 060601 (2021), eq. (5).  The force
uses the mean of H x 1 and 1 x H~, which act alike on the exact thermal state and together fluctuate less.
"""

from dataclasses import dataclass

import numpy as np

from hpc_nqs.kernels.accumulate import accumulate, add_products, add_totals
from hpc_nqs.kernels.rbm import unit_slopes
from hpc_nqs.reconfiguration import dense as linear
from hpc_nqs.reconfiguration.conjugate_gradients import solve_spread_cg
from hpc_nqs.reconfiguration.distributed_cholesky import solve_spread
from hpc_nqs.reconfiguration.log_derivatives import FactoredDerivatives, StoredDerivatives, groups
from hpc_nqs.reconfiguration.sample_space import solve_sample_space
from hpc_nqs.sampling.umbrella import fitted_rows
from hpc_nqs.wavefunctions.rbm import RBM

BLOCK = 1024  # samples whose log-derivatives are held at a time
PANEL = 64  # rows of S that a thread adds to at a time
DIAG_SCALE = 1e-4  # default shift relative to the diagonal of S
MAX_DENSE = 2000  # largest number of parameters for which S is assembled
FLOOR = 1e-12  # shift relative to the largest diagonal element of S; parameters that move nothing have rounding errors there


@dataclass(frozen=True)
class Regularization:
    """How S x = -F is solved.

    Attributes
    ----------
    solver : str
        "dense", "cg" or "sample_space".
    soft_cut : float or None
        Relative spectral cut of the dense solver; None: diagonal shift instead.
    diag_scale : float
        Diagonal shift relative to diag(S).
    tolerance : float
        Of the conjugate gradients.
    diag_shift : float
        Diagonal shift of all parameters alike.
    """

    solver: str
    soft_cut: float | None
    diag_scale: float
    tolerance: float
    diag_shift: float = 0.0


@dataclass(frozen=True)
class Velocity:
    """d params / d tau and what it leaves unexplained.

    Attributes
    ----------
    x : (n_params,)
    solution : linear.Solution
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
    solution: linear.Solution
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


def velocity(evaluation, samples, wavefunction, regularization, team, previous=None, between_layers=False, aside=None):
    """Return the `Velocity` of the parameters.  *Collective.*

    Parameters
    ----------
    between_layers : bool
        Take Var(H) from the covariance of the layers, as exact sums always do.
    previous : (n_params,) or None
        Velocity of the step before: start of the conjugate gradients.
    aside : (Samples, Evaluation), optional
        Umbrella samples that join in the fit of the velocity, and in nothing else.
    """
    spread = regularization.soft_cut is None and team.n_nodes > 1
    if regularization.solver == "dense" and not spread:
        s_matrix, force, variance, means = _moments(evaluation, samples, wavefunction, team)
        system = s_matrix, force
        if aside is not None:
            rows = fitted_rows(aside, means.real, evaluation.energy, variance, wavefunction, team)
            system = _with_rows(s_matrix, force, rows, team)
        solution = _solve_dense(*system, regularization, team)
        apply = s_matrix.__matmul__
    else:
        derivatives, energies, variance, means = _centred(evaluation, samples, wavefunction, team)
        real = not wavefunction.is_complex
        force = derivatives.adjoint(evaluation.weights * energies)
        force = np.ascontiguousarray(force.real if real else force)
        team.sum_in_place(force)
        apply = linear.matrix_free(derivatives, None, team, real_params=real)
        fitted = derivatives, energies, force
        if aside is not None:
            rows = fitted_rows(aside, means, evaluation.energy, variance, wavefunction, team)
            fitted = _stacked(derivatives, energies, rows, team)
        solution = _solve_matrix_free(*fitted, regularization, team, previous, real)
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
    Tr(sqrt(rho) H sqrt(rho) H) - E^2.  That is the same for a thermal state, and free of the errors of the wave function
    that inflate the variance.  (With networks, sampled, its smaller value was found to lag behind in temperature; with
    tables, the mean of the variances runs ahead.)  Without ancilla spins both are the variance of the one local energy.
    """
    shifted = evaluation.energies - evaluation.energy
    if between_layers:
        values = (shifted[:, 0].conj() * shifted[:, -1]).real
    else:
        values = np.square(np.abs(shifted)).mean(axis=1)
    variance = np.array([evaluation.weights @ values])
    team.sum_in_place(variance)
    return float(variance[0])


def assemble(evaluation, samples, wavefunction, team):
    """Return S (n_params, n_params), F (n_params,) and Var(E_loc) over all ranks.  *Collective, two reductions.*"""
    return _moments(evaluation, samples, wavefunction, team)[:3]


def _moments(evaluation, samples, wavefunction, team):
    """Return S, F, Var(E_loc) and the means of O."""
    n_params, width = wavefunction.n_params, wavefunction.width
    configurations, energies = samples.flat, np.ascontiguousarray(evaluation.force_energies)
    totals = np.zeros(3)
    mean = np.zeros(n_params * width)
    s_matrix = np.zeros((n_params, n_params * width))
    force = np.zeros(n_params * width)
    panels, room = _panels(n_params), np.empty((min(BLOCK, len(configurations)) + 1, n_params * width))
    for start in range(0, len(configurations), BLOCK):
        part = slice(start, start + BLOCK)
        weights = evaluation.weights[part]
        block = room[: len(weights) + 1]
        evaluation.log_derivs(configurations, part, block[:-1], team.threads)
        block[:-1][weights == 0] = 0

        def centre(rows, block=block, part=part, weights=weights):
            accumulate(block, rows.start, rows.stop, energies[part], weights, totals, mean, force, width)

        team.threads.each(centre, panels)
        add_totals(energies[part], weights, totals)
        team.threads.each(lambda rows, block=block: add_products(block, rows.start, rows.stop, s_matrix, width), panels)
    numbers = np.complex128 if width == 2 else np.float64
    mean_energy, mean = totals[1] + 1j * totals[2], mean.view(numbers)
    means = np.concatenate([totals[0] * mean, [totals[0] * mean_energy]]).astype(np.complex128)
    team.sum_in_place(means)
    s_matrix, force = s_matrix.view(numbers), force.view(numbers)
    # move the sums of this rank from its own means to the means of all samples
    offset, energy_offset = mean - _as_numbers(means[:-1], width), _as_numbers(mean_energy - means[-1], width)
    s_matrix += totals[0] * np.outer(offset.conj(), offset)
    force += totals[0] * offset.conj() * energy_offset
    variance = np.array([np.sum(evaluation.weights * np.abs(energies - means[-1]) ** 2)])
    team.sum_in_place(s_matrix, force, variance)
    return _from_lower_triangle(s_matrix), force, float(variance[0]), means[:-1]


def _panels(n_params):
    """Return slices of the rows of S that threads take one after the other, the longest rows first."""
    return [slice(start, min(start + PANEL, n_params)) for start in range(0, n_params, PANEL)[::-1]]


def _from_lower_triangle(matrix):
    """Return the Hermitian matrix of this lower triangle."""
    return np.tril(matrix) + np.tril(matrix, -1).conj().T


def _as_numbers(values, width):
    """Return complex values, or their real parts for a real wave function."""
    return values if width == 2 else values.real


def is_factored(wavefunction):
    """Return whether the log-derivatives are products of slopes and inputs."""
    return isinstance(wavefunction, RBM) and wavefunction.is_unshared


def centred_samples(evaluation, samples, wavefunction, team):
    """Return centred O (an object of `log_derivatives`), centred energies (n_local,) and Var(E_loc).  *Collective.*

    O of a Boltzmann machine without sharing stays in its two factors and is never stored.
    """
    return _centred(evaluation, samples, wavefunction, team)[:3]


def _centred(evaluation, samples, wavefunction, team):
    """Return centred O, centred energies, Var(E_loc) and the means of O, None where O stays in its factors."""
    configurations, energies, weights = samples.flat, evaluation.force_energies, evaluation.weights
    means = np.array([weights @ energies])
    team.sum_in_place(means)
    energies = energies - means[0]
    variance = np.array([np.sum(weights * np.abs(energies) ** 2)])
    team.sum_in_place(variance)
    if is_factored(wavefunction):
        derivatives, log_deriv_means = _factors(evaluation, configurations, wavefunction, team), None
    else:
        derivatives, log_deriv_means = _stored(evaluation, configurations, wavefunction, team)
    return derivatives, energies, float(variance[0]), log_deriv_means


def _stored(evaluation, configurations, wavefunction, team):
    """Return centred O as `StoredDerivatives` and their means, (n_params,)."""
    numbers = np.complex128 if wavefunction.is_complex else np.float64
    log_derivs = np.empty((len(configurations), wavefunction.n_params), dtype=numbers)
    evaluation.log_derivs(configurations, slice(None), log_derivs.view(np.float64), team.threads)
    log_derivs[evaluation.weights == 0] = 0
    parts = groups(len(log_derivs))
    sums = team.threads.each(lambda part: evaluation.weights[part] @ log_derivs[part], parts)
    means = sum(sums, np.zeros(wavefunction.n_params, numbers))
    team.sum_in_place(means)
    team.threads.each(lambda part: np.subtract(log_derivs[part], means, out=log_derivs[part]), parts)
    return StoredDerivatives(log_derivs, evaluation.weights, team), means


def _factors(evaluation, configurations, wavefunction, team):
    n, unusable = wavefunction.n_units, evaluation.weights == 0
    slopes = np.empty((len(configurations), n), np.complex128 if wavefunction.is_complex else np.float64)

    def fill(own, part):
        planes = np.empty((part.stop - part.start, wavefunction.width * n))
        unit_slopes(own, configurations[part], planes)
        planes[unusable[part]] = 0
        slopes[part].real = planes[:, :n]
        if wavefunction.is_complex:
            slopes[part].imag = planes[:, n:]

    team.threads.run(evaluation.amplitude, len(configurations), fill)
    places = wavefunction.places()
    return FactoredDerivatives(
        slopes, wavefunction.inputs(configurations), *places, wavefunction.n_params, evaluation.weights, team
    )


def _with_rows(s_matrix, force, rows, team):
    """Return S and F with what the rows of `fitted_rows` add."""
    log_derivs, deviations, weights = rows
    added, added_force = np.zeros_like(s_matrix), (weights * deviations) @ log_derivs
    if len(weights):
        weighted = np.sqrt(weights)[:, None] * log_derivs
        team.threads.each(lambda rows: add_products(weighted, rows.start, rows.stop, added, 1), _panels(len(force)))
    team.sum_in_place(added, added_force)
    return s_matrix + _from_lower_triangle(added), force + added_force


def _stacked(derivatives, energies, rows, team):
    """Return derivatives, energies and F with the rows of `fitted_rows` below those of the run."""
    log_derivs, deviations, weights = rows
    values = np.concatenate([derivatives.values, log_derivs])
    stacked = StoredDerivatives(values, np.concatenate([derivatives.weights, weights]), team)
    energies = np.concatenate([energies, deviations])
    force = np.ascontiguousarray(stacked.adjoint(stacked.weights * energies).real)
    team.sum_in_place(force)
    return stacked, energies, force


def _solve_dense(s_matrix, force, regularization, team):
    """Solve on rank 0 and broadcast, so that all ranks hold the same numbers."""
    solution = None
    if team.is_root:
        if not (np.isfinite(s_matrix).all() and np.isfinite(force).all()):
            solution = linear.Solution(np.full_like(force, np.nan), "none", note="S or F is not finite")
        elif regularization.soft_cut is not None:
            solution = linear.solve_soft_cut(s_matrix, force, regularization.soft_cut)
        else:
            floor = FLOOR * np.diagonal(s_matrix).real.max(initial=0.0)
            solution = linear.solve_cholesky(s_matrix, force, regularization.diag_scale, floor + regularization.diag_shift)
    return team.broadcast_object(solution)


def _solve_matrix_free(derivatives, energies, force, regularization, team, previous, real):
    diagonal = derivatives.square_sums()
    floor = FLOOR * diagonal.max() + regularization.diag_shift
    if regularization.solver == "sample_space":
        relative = regularization.diag_scale
        return solve_sample_space(
            derivatives, None, energies, team, diag_scale=relative, diag_shift=floor, real_params=real
        )
    shift = regularization.diag_scale * diagonal + floor
    if regularization.solver == "dense":
        return solve_spread(derivatives, force, shift, real)
    return solve_spread_cg(
        derivatives, force, shift, x0=previous, diagonal=diagonal + shift, tolerance=regularization.tolerance,
        max_iterations=500, real_params=real,
    )
