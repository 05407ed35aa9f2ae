"""The meter that looks at one chain after the other: its numbers do not depend on the number of ranks.

Products of matrices round differently for other numbers of rows, and sums over the chains of a rank for other ranks.
Here every chain is measured alone, and sums over chains are made in their order.
"""

import dataclasses

import numpy as np

from hpc_nqs.observables.control_variates import solved_coefficients
from hpc_nqs.parallel.ordered_sums import sum_of_rows
from hpc_nqs.statistics.markov_chains import ChainSums
from hpc_nqs.thermal.meter import Meter

FITTED = 256  # chains, the first ones, that the coefficients of control variates come from


class ChainwiseMeter(Meter):
    """The `Meter` of chains whose evaluations are those of `sampling.evaluation.chainwise`.

    The same to the last bit on any number of ranks as long as no block of the jackknife spans two chains, with up to
    256 of them.
    """

    def _all_columns(self, samples, evaluation, centre):
        parts = [super(ChainwiseMeter, self)._all_columns(*part, centre) for part in single_chains(samples, evaluation)]
        return np.concatenate(parts)

    def _averaged_columns(self, samples, evaluation):
        measure = super()._averaged_columns
        columns, weights = zip(*(measure(*part) for part in single_chains(samples, evaluation)), strict=True)
        return np.concatenate(columns), np.concatenate(weights)

    def _controlled_energies(self, samples, evaluation, energies, coefficients):
        parts = [(each.flat, own.weights) for each, own in single_chains(samples, evaluation)]
        controls = [self.controls.values(spins, evaluation.amplitude, self.team.threads) for spins, _ in parts]
        for values, (_, weights) in zip(controls, parts, strict=True):
            values[weights == 0] = 0
        if coefficients is None:
            coefficients = self._fitted(energies, controls, [weights for _, weights in parts])
        changes = [values @ coefficients for values in controls]
        return energies - np.reshape(changes, energies.shape), coefficients

    def _fitted(self, energies, controls, weights):
        """Return the coefficients of control variates from the first FITTED chains, (n_controls,).  *Collective*."""
        n_columns = self.controls.n_controls + 1
        where = self.sampler.first, min(FITTED, self.sampler.n_chains)
        n_local = max(0, min(len(energies), where[1] - where[0]))
        columns = [np.column_stack([controls[c], energies[c]]) for c in range(n_local)]
        sums = [[*(weights[c] @ columns[c]), weights[c].sum()] for c in range(n_local)]
        *means, total = sum_of_rows(self.team, np.reshape(sums, (-1, n_columns + 1)), *where)
        means = np.array(means) / total
        deviations = [weights[c][:, None] * (columns[c] - means) for c in range(n_local)]
        products = np.reshape([part.T @ part for part in deviations], (-1, n_columns, n_columns))
        return solved_coefficients(sum_of_rows(self.team, products, *where), self.team)

    def _chain_sums(self, energies, centre, weights):
        rows = [ChainSums(energies[c : c + 1], centre, weights[c : c + 1]).sums for c in range(len(energies))]
        chains = ChainSums(energies[:0], centre, weights[:0])
        rows = np.reshape(rows, (-1, len(chains.sums)))
        chains.sums = sum_of_rows(self.team, rows, self.sampler.first, self.sampler.n_chains)
        return chains


def single_chains(samples, evaluation):
    """Return [(samples, evaluation)] of every chain of this rank; of no chains where the rank has none.

    Parameters
    ----------
    samples : Samples
    evaluation : Evaluation
    """
    n_local, n_per_chain = samples.configurations.shape[:2]
    parts = []
    for c in range(n_local) or (0,):
        part = slice(c * n_per_chain, (c + 1) * n_per_chain)
        some = dataclasses.replace(
            samples, configurations=samples.configurations[c : c + 1], first_chain=samples.first_chain + c,
            log_density=samples.log_density[part],
        )
        parts.append((some, evaluation.of(part)))
    return parts
