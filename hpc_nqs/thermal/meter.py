"""Means and errors of energies and observables over the samples of all ranks.

Where the thermal state is the same on both layers (up to the flip between opposite Bell pairs), every quantity is
averaged over the layers; the difference of the two energies is kept as a meter of the error of the state.  The
reported energy of tables is measured with control variates, whose coefficients the first samples of the report fix; the
error of a network is larger than what they would take away.
"""

from functools import partial

import numpy as np

from hpc_nqs.hamiltonians.spin_model import SZ
from hpc_nqs.observables.control_variates import fitted_coefficients
from hpc_nqs.statistics.jackknife import BlockSums, Statistics
from hpc_nqs.statistics.markov_chains import ChainSums
from hpc_nqs.thermal.measured_row import measured_row

ENERGY, LAYER_DIFFERENCE, ENERGY_SQUARED = range(3)
FIRST_OBSERVABLE = 3
N_LAYERS = 2  # physical and ancilla: a ring of two links, half of beta apart


class Meter:
    """Turns samples into numbers with error bars.

    Parameters
    ----------
    state : ThermalState
    observables : Observables
    sampler : Sampler
    team : Team
    """

    def __init__(self, state, observables, sampler, team):
        self.system = state.system
        self.layers_equivalent = state.layers_equivalent
        # one configuration stands for an orbit that holds exchanges of the layers: their energies are the same
        self.layers_summed = sampler.is_exact and state.invariance is not None and self.layers_equivalent
        self.observables = observables
        self.layers = observables.layers
        self.sampler = sampler
        self.team = team
        self.between_layers = state.between_layers  # Var(H) from the covariance of the layers, see `velocity`
        self.controls = None if sampler.is_exact else state.control_variates()
        self.averages = state.averages(observables)

    def summarize(self, samples, evaluation, beta):
        """Return the meters of one step.  *Collective*.

        Returns
        -------
        dict
            energy, energy_error, layer_energy_difference, variance (all per site), specific_heat,
            specific_heat_error, autocorrelation (in samples), r_hat, effective_fraction.
        """
        n = self.system.model.n_lattice_sites
        energies, column = self._energy_columns(samples, evaluation, evaluation.energy), ENERGY
        has_controls = self.controls is not None and evaluation.controls is not None
        if has_controls and self.sampler.n_chains > 1:
            controlled = self._cross_fitted(samples, evaluation, energies[:, :, ENERGY])
            energies, column = np.concatenate([energies, controlled[:, :, None]], axis=2), -1
        statistics = self._statistics([(energies, evaluation.weights)])
        chains = ChainSums(energies[:, :, ENERGY], 0.0, evaluation.weights.reshape(energies.shape[:2]))
        self.team.sum_in_place(chains.sums)
        energy, error = statistics.estimate(lambda means: means[:, column])
        variance, variance_error = statistics.estimate(variance_of)
        difference, _ = statistics.estimate(lambda means: means[:, LAYER_DIFFERENCE])
        return {
            "energy": (evaluation.energy + energy) / n,
            "energy_error": error / n,
            "layer_energy_difference": difference / n,
            "variance": variance / n,
            "specific_heat": beta**2 * variance / n,
            "specific_heat_error": beta**2 * variance_error / n,
            "autocorrelation": 1.0 if self.sampler.is_exact else chains.tau,
            "r_hat": 1.0 if self.sampler.is_exact else chains.r_hat,
            "effective_fraction": evaluation.n_effective / (self.sampler.n_chains * energies.shape[1]),
        }

    def report(self, batches, beta, is_enough=None):
        """Return the results at one temperature.  *Collective*.

        Parameters
        ----------
        batches : iterable of (Samples, Evaluation)
            Looked at one after the other, so that they need not be held at once.
        beta : float
        is_enough : callable, optional
            Function of the number of batches so far and a callable that gives the row of these, a *collective* one:
            whether no more batches are wanted, the same on all ranks.

        Returns
        -------
        dict
            Columns of the table that follow from this temperature alone; per site.  Where correlations are averaged
            over the spin components, those of Sz alone stand beside them, NAME_z.
        """
        centre, coefficients, parts, averaged = None, None, [], []
        for samples, evaluation in batches:
            centre = evaluation.energy if centre is None else centre
            columns = self._all_columns(samples, evaluation, centre)
            if self.controls is not None:
                energies = columns[:, :, ENERGY]
                controlled, coefficients = self._controlled_energies(samples, evaluation, energies, coefficients)
                columns = np.concatenate([columns, controlled[:, :, None]], axis=2)
            parts.append((columns, evaluation.weights))
            if self.averages is not None:
                averaged.append(self._averaged_columns(samples, evaluation))
            so_far = partial(self._row, parts, averaged, centre, beta)
            if is_enough is not None and is_enough(len(parts), so_far):
                break
        return self._row(parts, averaged, centre, beta)

    def _row(self, parts, averaged, centre, beta):
        """Return the results of the batches so far.  *Collective*."""
        statistics = self._statistics(parts)
        energies = np.concatenate([part[:, :, ENERGY] for part, _ in parts], axis=1)
        weights = [part.reshape(values.shape[:2]) for values, part in parts]
        chains = self._chain_sums(energies, statistics.means[ENERGY], np.concatenate(weights, axis=1))
        energy = ENERGY if self.controls is None else -1
        row = measured_row(
            statistics.estimate, lambda means: centre + means[:, energy], variance_of, self.system.model,
            self.observables, beta, N_LAYERS, FIRST_OBSERVABLE, self._statistics(averaged) if averaged else None,
        )
        difference = statistics.estimate(lambda means: means[:, LAYER_DIFFERENCE] / self.system.model.n_lattice_sites)
        row["layer_energy_difference"] = difference[0]
        row["autocorrelation"] = 1.0 if self.sampler.is_exact else chains.tau
        row["r_hat"] = 1.0 if self.sampler.is_exact else chains.r_hat
        return row

    def _chain_sums(self, energies, centre, weights):
        """Return the `ChainSums` of all ranks.  *Collective*."""
        chains = ChainSums(energies, centre, weights)
        self.team.sum_in_place(chains.sums)
        return chains

    def _statistics(self, parts):
        """Return `Statistics` of (values (n_chains, n_samples, n_columns), weights) of several batches."""
        n_samples = [values.shape[1] for values, _ in parts]
        sums = BlockSums(self.sampler.n_chains, sum(n_samples), parts[0][0].shape[2], is_exact=self.sampler.is_exact)
        first = 0
        for values, weights in parts:
            chains = self.sampler.first + np.arange(len(values))
            sums.add(chains, values, weights.reshape(values.shape[:2]), first_sample=first)
            first += values.shape[1]
        self.team.sum_in_place(sums.sums)
        return Statistics(sums.jackknife(), self.sampler.is_exact)

    def _energy_columns(self, samples, evaluation, centre):
        """Return energy minus `centre`, difference of the layers and square, each (n_chains, n_samples), in columns."""
        shifted = evaluation.energies - centre
        if self.between_layers:
            squares = (shifted[:, 0].conj() * shifted[:, 1]).real
        else:
            squares = (shifted.real**2 + shifted.imag**2).mean(axis=1)
        columns = np.stack(
            [
                shifted.real.mean(axis=1),
                np.zeros(len(shifted)) if self.layers_summed else shifted.real[:, 0] - shifted.real[:, 1],
                squares,
            ],
            axis=1,
        )
        return columns.reshape(*samples.configurations.shape[:2], FIRST_OBSERVABLE)

    def _controlled_energies(self, samples, evaluation, energies, coefficients):
        """Return energies (n_chains, n_samples) minus control variates, and the coefficients.  *Collective*.

        They are fitted where `coefficients` is None.
        """
        controls = evaluation.controls
        if controls is None:
            controls = self.controls.values(samples.flat, evaluation.amplitude, self.team.threads)
            controls[evaluation.weights == 0] = 0
        if coefficients is None:
            coefficients = fitted_coefficients(energies.ravel(), controls, evaluation.weights, self.team)
        return energies - (controls @ coefficients).reshape(energies.shape), coefficients

    def _cross_fitted(self, samples, evaluation, energies):
        """Return energies (n_chains, n_samples) minus control variates, fitted to every other chain.  *Collective*.

        Fitted to the same few samples they would seem to know the energy better than they do.
        """
        odd = (samples.first_chain + np.arange(len(energies))) % 2 == 1
        weights = evaluation.weights.reshape(energies.shape)
        totals = np.array([weights[~odd].sum(), weights[odd].sum()])
        self.team.sum_in_place(totals)
        controlled = np.empty_like(energies)
        for half, total in ((odd, totals[0]), (~odd, totals[1])):
            fitted = np.where(half[:, None], 0, weights / total).ravel()
            coefficients = fitted_coefficients(energies.ravel(), evaluation.controls, fitted, self.team)
            changes = (evaluation.controls @ coefficients).reshape(energies.shape)
            controlled[half] = energies[half] - changes[half]
        return controlled

    def _averaged_columns(self, samples, evaluation):
        """Return columns of `averages` of some samples of every chain (n_chains, n_kept, n_columns) and weights."""
        stride = 1 if self.sampler.is_exact else self.averages.stride
        kept = np.ascontiguousarray(samples.configurations[:, ::stride])
        weights = np.ascontiguousarray(evaluation.weights.reshape(samples.configurations.shape[:2])[:, ::stride])
        columns = self.averages.measure(kept.reshape(-1, kept.shape[2]), self.team.threads)
        columns[weights.ravel() == 0] = 0
        return columns.reshape(*kept.shape[:2], columns.shape[1]), weights.ravel()

    def _all_columns(self, samples, evaluation, centre):
        n = self.system.n_sites
        visible = samples.flat
        observed = self.observables.measure(visible[:, :n])
        if self.layers_equivalent:
            sign = -1 if self.system.opposite_pairs else 1
            observed = 0.5 * (observed + self.observables.measure(sign * visible[:, n:]))
        energies = self._energy_columns(samples, evaluation, centre)
        if self.layers is not None:
            sign = -1 if self.system.opposite_pairs else 1
            sz_layers = SZ * np.stack([visible[:, :n], sign * visible[:, n:]], axis=1)
            observed = np.concatenate([observed, self.layers.measure(sz_layers)], axis=1)
        return np.concatenate([energies, observed.reshape(*energies.shape[:2], observed.shape[1])], axis=2)


def variance_of(means):
    """Return Var(H), total, from rows of means."""
    return means[:, ENERGY_SQUARED] - means[:, ENERGY] ** 2
