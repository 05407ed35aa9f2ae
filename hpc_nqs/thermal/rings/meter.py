"""Means and errors over rings: every layer counts, with the sign of its ring.

The energy is the mean over all layers.  Its fluctuations come from H on two opposite layers, Tr(H Phi^a H Phi^(R-a)) with
a = R // 2, which share no link from R = 4 on; of R = 2 and 3 they do.  Everything is a ratio <sign O> / <sign>.
"""

import numpy as np

from hpc_nqs.statistics.jackknife import Jackknife, SignedStatistics

ENERGY, FLUCTUATION, SQUARE = range(3)
FIRST_OBSERVABLE = 3
N_BLOCKS = 64  # at least, of the jackknife


class RingSums:
    """Sums over blocks of rings: chains, or stretches of few chains.

    Parameters
    ----------
    n_sites : int
    observables : Observables
    n_chains : int
        Over all ranks.
    centre : float
        Total energy from which energies are taken, so that no large squares are subtracted.

    Attributes
    ----------
    sums : (n_blocks, 2 + n_columns) float64
        Sum of weights, of their squares, and of weight times sign times every column; the last column is 1.  Every row
        is written by the rank of its chain alone, so that the sum over ranks does not depend on their number.
    """

    def __init__(self, n_sites, observables, n_chains, centre):
        self.n_sites, self.observables, self.centre = n_sites, observables, centre
        self.n_chains, self.n_stretches = n_chains, -(-N_BLOCKS // n_chains)
        n_columns = FIRST_OBSERVABLE + len(observables.names) + 1
        self.sums = np.zeros((n_chains * self.n_stretches, 2 + n_columns))

    def add(self, rings, first_chain, batch):
        """Add the rings of one batch of this rank's chains."""
        columns = self._columns(rings)
        weights = rings.weights
        for c in range(len(weights)):
            row = self.sums[(first_chain + c) * self.n_stretches + batch % self.n_stretches]
            row[:2] += weights[c].sum(), weights[c] @ weights[c]
            row[2:] += (weights[c] * rings.signs[c]) @ columns[c]

    def _columns(self, rings):
        """Return (n_chains, n_per_chain, n_columns)."""
        shape, n_links = rings.weights.shape, rings.layers.shape[2]
        energies = rings.energies() - self.centre
        observed = self.observables.measure(rings.layers.reshape(-1, self.n_sites)).reshape(*shape, n_links, -1)
        columns = [energies.mean(axis=2), np.mean(energies * np.roll(energies, n_links // 2, axis=2), axis=2)]
        columns += [np.mean(energies**2, axis=2), *np.moveaxis(observed.mean(axis=2), 2, 0), np.ones(shape)]
        return np.stack(columns, axis=2)

    def over_ranks(self, team):
        """Return the sums over all ranks, (n_blocks, 2 + n_columns).  *Collective*."""
        total = self.sums.copy()
        team.sum_in_place(total)
        return total


def ring_row(sums, observables, n_sites, centre, beta):
    """Return the results of a ring as a row.

    Parameters
    ----------
    sums : (n_blocks, 2 + n_columns)
        `RingSums.over_ranks`.
    observables : Observables
    n_sites : int
    centre, beta : float

    Returns
    -------
    dict
        As `thermal.meter.Meter.report`, per site, with the average sign; errors by the jackknife over blocks.
    """
    statistics = SignedStatistics(Jackknife(sums[:, 0], sums[:, 2:]), False)
    row = {"temperature": 1.0 / beta, "beta": beta}

    def put(name, function):
        row[name], row[f"{name}_error"] = statistics.estimate(function)

    put("energy", lambda means: (centre + means[:, ENERGY]) / n_sites)
    put("energy_variance", lambda means: (means[:, FLUCTUATION] - means[:, ENERGY] ** 2) / n_sites)
    for suffix in ("", "_error"):
        row[f"specific_heat{suffix}"] = beta**2 * row[f"energy_variance{suffix}"]
    m, m_squared = FIRST_OBSERVABLE, FIRST_OBSERVABLE + 1
    put("susceptibility", lambda means: beta * (means[:, m_squared] - means[:, m] ** 2) / n_sites)
    for column, (name, key) in enumerate(observables.names, start=FIRST_OBSERVABLE):
        value = statistics.estimate(lambda means, column=column: means[:, column])
        if key:
            row.setdefault(name, {})[key] = list(value)
        elif name == "magnetization":
            row[name], row["magnetization_error"] = value[0] / n_sites, value[1] / n_sites
    sign = statistics.jackknife.means[-1], statistics.jackknife.estimate(lambda means: means[:, -1])[1]
    row["average_sign"], row["average_sign_error"] = map(float, sign)
    total, squares = sums[:, 0].sum(), sums[:, 1].sum()
    return row | {"effective_samples": float(total**2 / squares)}
