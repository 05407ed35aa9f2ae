"""Means and errors over rings: every layer counts, with the sign of its ring.

The energy is the mean over all layers.  Its fluctuations come from H on two opposite layers, Tr(H Phi^a H Phi^(R-a))
with a = R // 2, each by links of its own: the product of two local energies on one link is no H Phi H.  Everything is a
ratio <sign O> / <sign>, both with control variates.
"""

import math
from dataclasses import dataclass

import numpy as np

from hpc_nqs.hamiltonians.spin_model import SZ
from hpc_nqs.statistics.jackknife import Jackknife, SignedStatistics
from hpc_nqs.thermal.measured_row import measured_row
from hpc_nqs.thermal.observable_error import ALONE
from hpc_nqs.thermal.rings.controls import RingControls, opposite

ENERGY, FLUCTUATION = range(2)
FIRST_OBSERVABLE = 2
N_BLOCKS = 64  # at least, of the jackknife


class RingSums:
    """Sums over blocks of rings: chains, or stretches of few chains.

    Parameters
    ----------
    n_sites : int
    observables : Observables
    n_chains : int
        Over all ranks.
    n_links : int
    centre : float
        Total energy from which energies are taken, so that no large squares are subtracted.
    spans : (n_beside,) integers
        Of the columns of `RingBatch.beside`, see `RingControls.own_of_links`.

    Attributes
    ----------
    sums : (n_blocks, 2 + n_columns) float64
        Sum of weights, of their squares, and of weight times sign times every column minus its control variates; the
        last column is 1.  Every row is written by the rank of its chain alone, so that the sum over ranks does not
        depend on their number.
    controls : RingControls
    """

    def __init__(self, n_sites, observables, n_chains, n_links, centre, spans=()):
        self.n_sites, self.observables, self.centre = n_sites, observables, centre
        self.n_chains, self.n_stretches = n_chains, -(-N_BLOCKS // n_chains)
        n_layers = observables.layers.n_columns(n_links) if observables.layers is not None else 0
        self.spans = np.asarray(spans, dtype=np.intp)
        n_columns = FIRST_OBSERVABLE + len(observables.names) + n_layers + len(self.spans) + 1
        self.sums = np.zeros((n_chains * self.n_stretches, 2 + n_columns))
        self.controls = RingControls(n_links)

    def add(self, rings, first_chain, batch, team):
        """Add the rings of one batch of this rank's chains.  *Collective*: the first one fits the control variates."""
        columns, own = self._columns(rings)
        weights, signed = rings.weights, (rings.weights * rings.signs)[:, :, None]
        parts = [signed * each for each in (columns, self.controls.shared(rings, self.centre), own)]
        if self.controls.coefficients is None:
            self.controls.fit(*parts, self.n_chains, first_chain, team)
        columns = self.controls.apply(*parts)
        for c in range(len(weights)):
            row = self.sums[(first_chain + c) * self.n_stretches + batch % self.n_stretches]
            row[:2] += weights[c].sum(), weights[c] @ weights[c]
            row[2:] += columns[c].sum(axis=0)

    def _columns(self, rings):
        """Return all columns and an own control of each, zero where it has none, (n_chains, n_per_chain, n_columns)."""
        shape, n_links = rings.weights.shape, rings.layers.shape[2]
        energies, products = energies_of(rings, self.centre)
        observed = self.observables.measure(rings.layers.reshape(-1, self.n_sites)).reshape(*shape, n_links, -1)
        columns = [energies, products]
        columns += list(np.moveaxis(observed.mean(axis=2), 2, 0))
        if self.observables.layers is not None:
            sz_layers = SZ * rings.layers.reshape(-1, n_links, self.n_sites).astype(np.float64)
            columns += list(np.moveaxis(self.observables.layers.measure(sz_layers).reshape(*shape, -1), 2, 0))
        beside = rings.beside
        columns = np.concatenate([np.stack(columns, axis=2), beside.mean(axis=2), np.ones((*shape, 1))], axis=2)
        own, last = np.zeros_like(columns), columns.shape[2] - 1
        own[:, :, FIRST_OBSERVABLE : FIRST_OBSERVABLE + observed.shape[3]] = self.controls.own(rings, observed)
        own[:, :, last - beside.shape[3] : last] = self.controls.own_of_links(rings, beside, self.spans)
        return columns, own

    def over_ranks(self, team):
        """Return the sums over all ranks, (n_blocks, 2 + n_columns).  *Collective*."""
        total = self.sums.copy()
        team.sum_in_place(total)
        return total


def energies_of(rings, centre):
    """Return the energy and the product of those of two opposite layers, both about `centre`, means over the layers.

    Layer l has links l - 1 and l.  Opposite layers share none of their links from R = 4 on, where either energy is the
    mean over both.

    Returns
    -------
    energies, products : (n_chains, n_per_chain) float64
    """
    behind, before = rings.first - centre, np.roll(rings.second, 1, axis=2) - centre
    n_links = behind.shape[2]
    both, apart = 0.5 * (behind + before), opposite(n_links)
    if n_links == 2:
        products = behind * np.roll(behind, -apart, axis=2)
    elif n_links == 3:
        products = before * np.roll(behind, -apart, axis=2)
    else:
        products = both * np.roll(both, -apart, axis=2)
    return both.mean(axis=2), products.mean(axis=2)


def ring_row(sums, observables, model, n_links, centre, beta, n_beside=0):
    """Return the results of a ring as a row.

    Parameters
    ----------
    sums : (n_blocks, 2 + n_columns)
        `RingSums.over_ranks`.
    observables : Observables
    model : SpinModel
    n_links : int
    centre, beta : float
    n_beside : int
        Columns of `RingBatch.beside`: of spins the averages over the components.

    Returns
    -------
    dict
        As `thermal.meter.Meter.report`, per site, with the average sign; errors by the jackknife over blocks.
    """
    statistics = SignedStatistics(Jackknife(sums[:, 0], sums[:, 2:]), False)
    averages = None
    if n_beside and not model.of_electrons:
        averages = _Columns(statistics, len(statistics.means) - n_beside, n_beside)
    row = _row(statistics.estimate, observables, model, n_links, centre, beta, averages)
    sign, error = statistics.jackknife.estimate(lambda means: means[:, -1])
    total, squares = sums[:, 0].sum(), sums[:, 1].sum()
    return row | {"average_sign": float(sign), "average_sign_error": float(error),
                  "effective_samples": float(total**2 / squares)}


@dataclass(frozen=True)
class _Columns:
    """The statistics of the last `n_columns` columns, from `first` on."""

    statistics: SignedStatistics
    first: int
    n_columns: int

    def estimate(self, function):
        return self.statistics.estimate(lambda means: function(means[:, self.first :]))


@dataclass(frozen=True)
class _Exact:
    """Statistics of means (1, n_columns) without errors."""

    means: np.ndarray

    @property
    def n_columns(self):
        return self.means.shape[1]

    def estimate(self, function):
        return float(function(self.means)[0]), 0.0


def traced_row(averages, observables, model, n_links, beta):
    """Return the results of exact traces, `RingTraces.averages`, as the same row.

    Correlations are those of S^z: of states cooled by sums no worse than the averages over the components, from which
    they differ by NAME_systematic.
    """
    energy, layers = averages["energy"], averages.get("layers", ())
    means = np.array([[0.0, averages["variance_opposite"], *averages["observables"], *layers]])
    operators = averages.get("operators", np.zeros(0))
    of_operators = _Exact(operators[None]) if len(operators) else None
    row = _row(_Exact(means).estimate, observables, model, n_links, energy, beta, of_operators)
    if "components" in averages:
        components = _Exact(np.append(averages["components"], operators)[None])
        averaged = _row(_Exact(means).estimate, observables, model, n_links, energy, beta, components)
        row |= _asymmetries(row, averaged)
    return row | {"average_sign": averages["average_sign"]}


def _asymmetries(row, averaged):
    """Return {NAME_systematic: {key: number}}: how far averages over the components are, and what a row has already."""
    return {
        f"{name}_systematic": {
            key: math.hypot(row.get(f"{name}_systematic", {}).get(key, 0.0), averaged[name][key][0] - value)
            for key, (value, _) in row[name].items()
        }
        for name in averaged if name + ALONE in averaged
    }


def _row(estimate, observables, model, n_links, centre, beta, averages=None):
    row = measured_row(
        estimate, lambda means: centre + means[:, ENERGY],
        lambda means: means[:, FLUCTUATION] - means[:, ENERGY] ** 2, model, observables, beta, n_links,
        FIRST_OBSERVABLE, averages,
    )
    return row | {"links": n_links, "kernel_beta": 2 * beta / n_links}
