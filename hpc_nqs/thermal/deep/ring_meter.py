"""Means and errors over rings of layers; every layer counts, with the sign of the ring."""

import numpy as np

from hpc_nqs.statistics.jackknife import SignedStatistics
from hpc_nqs.thermal.meter import FIRST_OBSERVABLE, Meter


class RingMeter(Meter):
    """The `Meter` of deep states: the last column of all values is the sign, every other one is multiplied by it.

    H on any layer has the same mean, so there is no layer energy difference; the average sign takes its place.
    """

    def summarize(self, samples, evaluation, beta):
        """Return the meters of one step.  *Collective*."""
        row = super().summarize(samples, evaluation, beta) | {"average_sign": evaluation.average_sign}
        del row["layer_energy_difference"]
        return row

    def report(self, batches, beta, is_enough=None):
        """Return the results at one temperature as `Meter.report` does.  *Collective*."""
        signs = []

        def watched():
            for samples, evaluation in batches:
                signs.append(evaluation.average_sign)
                yield samples, evaluation

        row = super().report(watched(), beta, is_enough)
        del row["layer_energy_difference"]
        return row | {"average_sign": float(np.mean(signs))}

    def _statistics(self, parts):
        plain = super()._statistics(parts)
        return SignedStatistics(plain.jackknife, plain.is_exact)

    def _energy_columns(self, samples, evaluation, centre):
        """Return (n_chains, n_samples, 4): energy minus `centre`, 0, square about `centre`, sign."""
        energies, squares = evaluation.layer_energies()
        squares = squares - 2 * centre * energies + centre**2
        columns = np.zeros((len(energies), FIRST_OBSERVABLE + 1))
        columns[:, 0] = evaluation.per_ring(energies - centre)
        columns[:, 2] = evaluation.per_ring(squares)
        columns[:, 3] = evaluation.per_ring(1.0)
        return columns.reshape(*samples.configurations.shape[:2], FIRST_OBSERVABLE + 1)

    def _all_columns(self, samples, evaluation, centre):
        layers = samples.flat[:, : self.system.n_sites]
        observed = self.observables.measure(layers).reshape(len(samples.rings), samples.n_links, -1)
        observed = np.mean(evaluation.phases[:, :, None] * observed, axis=1).real
        energies = self._energy_columns(samples, evaluation, centre)
        observed = observed.reshape(*energies.shape[:2], -1)
        return np.concatenate([energies[:, :, :-1], observed, energies[:, :, -1:]], axis=2)
