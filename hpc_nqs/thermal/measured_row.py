"""The row of one temperature from means and their errors, the same for pairs of layers, rings and traces."""

import numpy as np

from hpc_nqs.hamiltonians.spin_model import SZ
from hpc_nqs.observables.diagonal import N_MAGNETIZATIONS
from hpc_nqs.thermal.observable_error import ALONE, IN_TIME
from hpc_nqs.thermal.rings import imaginary_time

ROUNDING = 1e-12  # of a magnetization per site
JUDGED = ("specific_heat", "susceptibility")  # beside every S(q)


def measured_row(estimate, energy, variance, model, observables, beta, n_links, first, averages=None):
    """Return the results at one temperature that follow from means, per site.

    Parameters
    ----------
    estimate : callable
        Function of rows of means, (n, n_columns), to (value, error), as `Statistics.estimate`.
    energy, variance : callable
        From rows of means to E and Var(H), totals, (n,).
    model : SpinModel or ElectronModel
    observables : Observables or ElectronObservables
    beta : float
    n_links : int
        Of the ring; the two layers of a cooled state are one of two links.
    first : int
        The first column of `observables` among the means; those of its layers follow.
    averages : Statistics, optional
        Over the spin components, of all sums over pairs, behind them those of `LayerAverages`; those of Sz alone then
        stand beside them, NAME_z.  Behind them, or alone, those of `Observables.operators`.  Of electrons of
        `ElectronObservables.layer_sums`, which else follow the columns of `observables`, and of its Green functions.

    Returns
    -------
    dict
        temperature, beta, and NAME, NAME_error or NAME {key: [value, error]}.  In the grand canonical ensemble the
        energy is that of H - mu N, as all of the path is; that of H stands beside it, hamiltonian_energy.
    """
    n, row = model.n_lattice_sites, {"temperature": 1.0 / beta, "beta": beta}

    def put(name, function):
        row[name], row[f"{name}_error"] = estimate(function)

    put("energy", lambda means: energy(means) / n)
    put("energy_variance", lambda means: variance(means) / n)
    for suffix in ("", "_error"):
        row[f"specific_heat{suffix}"] = beta**2 * row[f"energy_variance{suffix}"]
    if model.of_electrons:
        row |= observables.entries(estimate, first, energy, beta)
        if averages is not None:
            row |= observables.local_entries(averages.estimate, 0)
            green, behind = observables.green, len(observables.layer_sums)
            return row if green is None else row | green.entries(averages.estimate, behind, beta)
        return row | observables.local_entries(estimate, first + len(observables.names))
    if model.conserves_sz:
        put("susceptibility", lambda means: beta * (means[:, first + 1] - means[:, first] ** 2) / n)
    return row | _of_spins(estimate, model, observables, beta, n_links, first, averages)


def _of_spins(estimate, model, observables, beta, n_links, first, averages):
    """Return the entries of magnets beside energy, specific heat and susceptibility; see `measured_row`."""
    row, operators, last = {}, observables.operators, N_MAGNETIZATIONS + observables.n_pair_columns
    if operators is not None:
        n_before = averages.n_columns - len(operators)
        row |= operators.row(averages.estimate, n_before)
        averages = averages if n_before else None
    for column, (name, key) in enumerate(observables.names[:last]):
        value = estimate(lambda means, column=column: means[:, first + column])
        if averages is not None and column >= N_MAGNETIZATIONS:
            row.setdefault(name + ALONE, {})[key] = list(value)
            value = averages.estimate(lambda means, column=column: means[:, column - N_MAGNETIZATIONS])
        if key:
            row.setdefault(name, {})[key] = list(value)
        elif name == "magnetization":
            row |= _magnetization(value, model.n_lattice_sites, model)
    if observables.orders is not None:
        row |= observables.orders.row(estimate, first + last)
    if observables.layers is not None:
        row |= _in_time(estimate, observables, beta, n_links, first + len(observables.names), averages)
    return row


def _magnetization(value, n_sites, model):
    """Return m and its error, both 0 where the flip of all spins is a symmetry, and for what rounding leaves."""
    value = (0.0, 0.0) if model.spin_flip_symmetric or abs(value[0]) < ROUNDING * n_sites else value
    return {"magnetization": value[0] / n_sites, "magnetization_error": value[1] / n_sites}


def _in_time(estimate, observables, beta, n_links, first, averages):
    """Return the entries of imaginary time, `first` the first of their columns."""
    of_z = imaginary_time.rows(estimate, observables.layers, n_links, beta, first)
    if averages is None:
        return of_z
    n_waves, n_pairs = len(observables.layers.phases), observables.n_pair_columns

    def averaged(function):
        def of_columns(means):  # in the order of `LayerCorrelations.measure`; tau = 0 is S(q), and 1/4
            local = np.full((len(means), 1), SZ**2)
            return function(np.concatenate([means[:, :n_waves], local, means[:, n_pairs:]], axis=1))

        return averages.estimate(of_columns)

    alone = {name + ALONE: of_z[name] for name in IN_TIME if name in of_z}
    return imaginary_time.rows(averaged, observables.layers, n_links, beta) | alone


def is_accurate(row, accuracy):
    """Return whether the relative statistical errors of c, chi and every S(q) are at most `accuracy`; never for 0."""
    pairs = [(row[name], row[f"{name}_error"]) for name in JUDGED if name in row]
    pairs += [tuple(pair) for pair in row.get("structure_factor", {}).values()]
    return accuracy > 0 and all(error <= accuracy * abs(value) for value, error in pairs)
