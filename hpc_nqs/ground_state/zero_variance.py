"""Energies of several ground-state runs against their variances, and the limit of zero variance.

Close to an eigenstate E - E_0 is proportional to Var(H), so that states of different quality (widths, lengths of the
run, Lanczos steps) lie on a line that ends at the energy of the eigenstate.
"""

import numpy as np

from hpc_nqs.statistics.fits import fit_line

COLUMNS = ("variance{}", "energy{}", "energy{}_error")
NUMBERS = ("momentum", "spin_parity", "point_group", "sz")


def variance_limits(tables):
    """Return one result for every set of quantum numbers with at least two states: of runs and of their Lanczos steps.

    All states count as independent, also the two of one run.

    Parameters
    ----------
    tables : list of dict
        Tables of ground-state runs of one system, as `run_file.read_table` returns them.

    Returns
    -------
    list of dict
        The quantum numbers that are known, n_points, energy and energy_error per site at zero variance, slope
        dE / dVar, and chi_squared per degree of freedom where there are more than two points.

    Raises
    ------
    ValueError
        A run is of another task or another system, or no two rows have the same quantum numbers.
    """
    for table in tables:
        if table.get("task") != "ground_state":
            raise ValueError("only ground-state runs have a limit of zero variance")
        if any(table["settings"][name] != tables[0]["settings"][name] for name in ("lattice", "model")):
            raise ValueError("the runs are of different systems")
    groups = {}
    for row in (row for table in tables for row in table["rows"]):
        groups.setdefault(tuple((name, str(row[name])) for name in NUMBERS if name in row), []).append(row)
    points = [(rows[0], _states(rows)) for rows in groups.values()]
    results = [_limit(first, states) for first, states in points if len(set(states[0])) > 1]
    if not results:
        raise ValueError("a limit needs two results of the same quantum numbers with different variances")
    return results


def _states(rows):
    """Return variances, energies and their errors, (3, n), of the final states and of the Lanczos steps."""
    ends = [(row, end) for row in rows for end in ("", "_lanczos") if f"energy{end}" in row]
    return np.array([[row[name.format(end)] for row, end in ends] for name in COLUMNS])


def _limit(first, states):
    fit = fit_line(*states)
    found = {name: first[name] for name in NUMBERS if name in first}
    found |= {"n_points": states.shape[1], "energy": fit.value, "energy_error": fit.error, "slope": fit.slope}
    return found | ({"chi_squared": fit.chi_squared / fit.n_free} if fit.n_free and fit.chi_squared else {})
