"""Energies of several ground-state runs against their variances, and the limit of zero variance.

Close to an eigenstate E - E_0 is proportional to Var(H), so that states of different quality (widths, lengths of the
run) lie on a line that ends at the energy of the eigenstate.
"""

import numpy as np

from hpc_nqs.statistics.fits import fit_line

NUMBERS = ("momentum", "spin_parity", "point_group", "sz")


def variance_limits(tables):
    """Return one result for every set of quantum numbers that at least two runs share.

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
    results = [_limit(rows) for rows in groups.values() if len({row["variance"] for row in rows}) > 1]
    if not results:
        raise ValueError("a limit needs two results of the same quantum numbers with different variances")
    return results


def _limit(rows):
    fit = fit_line(*(np.array([row[name] for row in rows]) for name in ("variance", "energy", "energy_error")))
    found = {name: rows[0][name] for name in NUMBERS if name in rows[0]}
    found |= {"n_points": len(rows), "energy": fit.value, "energy_error": fit.error, "slope": fit.slope}
    return found | ({"chi_squared": fit.chi_squared / fit.n_free} if fit.n_free and fit.chi_squared else {})
