"""Levels of one system beside each other: excitation energies and where the structure factor of each has its peak."""

import math

from hpc_nqs.reports.series import finite

PEAKED = {"peak_structure_factor": "structure_factor", "peak_correlation_ratio": "correlation_ratio"}


def with_levels(table):
    """Return a table of ground states with `with_gaps` and `with_peaks` of its rows; itself where it has one level.

    Levels of different numbers of electrons are not compared.
    """
    rows = table["rows"]
    fillings = {(row.get("n_up"), row.get("n_down")) for row in rows}
    if table.get("task") != "ground_state" or len(rows) < 2 or len(fillings) > 1:
        return table
    return table | {"rows": [row | peak_of(row) for row in with_gaps(table)["rows"]]}


def with_gaps(table):
    """Return a table whose rows have the "gap" E - E_0 to the lowest of them, total energies, and its error.

    The errors of both energies are independent; the lowest one has gap 0 without an error.
    """
    rows = [row for row in table["rows"] if finite(row.get("energy"))]
    lowest, n_sites = min(rows, key=lambda row: row["energy"], default=None), table["n_sites"]
    found = []
    for row in table["rows"]:
        if finite(row.get("energy")):
            gap = {"gap": n_sites * (row["energy"] - lowest["energy"])}
            if finite(row.get("energy_error")):
                errors = (row["energy_error"], lowest.get("energy_error") or 0.0) if row is not lowest else (0.0, 0.0)
                gap["gap_error"] = n_sites * math.hypot(*errors)
            row = row | gap
        found.append(row)
    return table | {"rows": found}


def levels_of(table):
    """Return the rows of a table that have an energy, with their gaps."""
    return [row for row in with_gaps(table)["rows"] if finite(row.get("gap"))]


def peak_of(row):
    """Return the wave vector of the largest S(q) of a row, with S(q) and the correlation ratio there; {} of one q."""
    measured = {q: pair for q, pair in row.get("structure_factor", {}).items() if finite(pair[0])}
    if len(measured) < 2:
        return {}
    peak = max(measured, key=lambda q: measured[q][0])
    found = {"peak": peak}
    for name, source in PEAKED.items():
        if peak in row.get(source, {}):
            found[name], found[f"{name}_error"] = row[source][peak]
    return found


def least_spin(row, n_sites):
    """Return S(S+1) of a row, as measured, or the least one that its quantum numbers allow, and whether it is measured.

    The flip of all spins is (-1)^(N/2 - S), of electrons at n_up = n_down (-1)^S; S is at least abs(Sz).
    """
    if finite(row.get("total_spin_squared")):
        return row["total_spin_squared"], True
    spin = abs(row.get("sz") or 0.0)
    if row.get("spin_parity") is not None and spin == 0.0:
        even = 1 if "n_up" in row else (-1) ** (n_sites // 2)
        spin = 0.0 if row["spin_parity"] == even else 1.0
    return spin * (spin + 1.0), False
