"""From samples to the equations S x = -F, with S as a matrix or as a product with the log-derivatives."""

from dataclasses import dataclass, replace

import numpy as np

from hpc_nqs.kernels.accumulate import accumulate, add_products, add_totals
from hpc_nqs.kernels.rbm import unit_slopes
from hpc_nqs.reconfiguration.dense import matrix_free
from hpc_nqs.reconfiguration.log_derivatives import FactoredDerivatives, StoredDerivatives, groups
from hpc_nqs.wavefunctions.rbm import RBM

BLOCK = 1024  # samples whose log-derivatives are held at a time
PANEL = 256  # rows of S that a thread adds to at a time, at most


@dataclass(frozen=True)
class Assembled:
    """S x = -F with S as a matrix, for few parameters.

    Attributes
    ----------
    s_matrix : (n_params, n_params) float64 or complex128
    force : (n_params,)
    variance : float
        Var(E_loc).
    means : (n_params,)
        Of O.
    """

    s_matrix: np.ndarray
    force: np.ndarray
    variance: float
    means: np.ndarray

    def apply(self, vector):
        """Return S v."""
        return self.s_matrix @ vector

    def moments(self):
        """Return S, F and Var(E_loc)."""
        return self.s_matrix, self.force, self.variance

    def with_rows(self, rows, team):
        """Return the equations with what the rows of `umbrella.fitted_rows` add.  *Collective*."""
        log_derivs, deviations, weights = rows
        added, added_force = np.zeros_like(self.s_matrix), (weights * deviations) @ log_derivs
        if len(weights):
            weighted, panels = np.sqrt(weights)[:, None] * log_derivs, _panels(len(self.force))
            team.threads.each(lambda rows: add_products(weighted, rows.start, rows.stop, added, 1), panels)
        team.sum_in_place(added, added_force)
        return replace(self, s_matrix=self.s_matrix + _from_lower_triangle(added), force=self.force + added_force)


@dataclass(frozen=True)
class Sampled:
    """S x = -F with S as a product with the centred O of every rank, for many parameters.

    Attributes
    ----------
    derivatives : of `log_derivatives`
    energies : (n_local,)
        Centred local energies.
    force : (n_params,)
    variance : float
        Var(E_loc).
    means : (n_params,) or None
        Of O; None where O stays in its factors.
    is_real : bool
        Real parameters: S and F are the real parts.
    """

    derivatives: object
    energies: np.ndarray
    force: np.ndarray
    variance: float
    means: np.ndarray | None
    is_real: bool

    def apply(self, vector):
        """Return S v.  *Collective*."""
        return matrix_free(self.derivatives, None, self.derivatives.team, real_params=self.is_real)(vector)

    def with_rows(self, rows, team):
        """Return the equations with the rows of `umbrella.fitted_rows` below those of the run.  *Collective*."""
        log_derivs, deviations, weights = rows
        values = np.concatenate([self.derivatives.values, log_derivs])
        stacked = StoredDerivatives(values, np.concatenate([self.derivatives.weights, weights]), team)
        energies = np.concatenate([self.energies, deviations])
        force = np.ascontiguousarray(stacked.adjoint(stacked.weights * energies).real)
        team.sum_in_place(force)
        return replace(self, derivatives=stacked, energies=energies, force=force)


def assembled(evaluation, samples, wavefunction, team):
    """Return the `Assembled` equations of all ranks.  *Collective, two reductions*."""
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
    return Assembled(_from_lower_triangle(s_matrix), force, float(variance[0]), means[:-1])


def _panels(n_params):
    """Return slices of the rows of S that threads take one after the other, the longest rows first."""
    height = -(-n_params // max(1, -(-n_params // PANEL)))
    return [slice(start, min(start + height, n_params)) for start in range(0, n_params, max(1, height))[::-1]]


def _from_lower_triangle(matrix):
    """Return the Hermitian matrix of this lower triangle."""
    return np.tril(matrix) + np.tril(matrix, -1).conj().T


def _as_numbers(values, width):
    """Return complex values, or their real parts for a real wave function."""
    return values if width == 2 else values.real


def is_factored(wavefunction):
    """Return whether the log-derivatives are products of slopes and inputs."""
    return isinstance(wavefunction, RBM) and wavefunction.is_unshared


def sampled(evaluation, samples, wavefunction, team):
    """Return the `Sampled` equations of all ranks.  *Collective*.

    O of a Boltzmann machine without sharing stays in its two factors and is never stored.
    """
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
    force = derivatives.adjoint(weights * energies)
    force = np.ascontiguousarray(force if wavefunction.is_complex else force.real)
    team.sum_in_place(force)
    return Sampled(derivatives, energies, force, float(variance[0]), log_deriv_means, not wavefunction.is_complex)


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
