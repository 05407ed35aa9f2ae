"""Tables of the results of all runs of a sweep, as text, CSV and JSON."""

import csv
import io
import json

from hpc_nqs.reports import labels
from hpc_nqs.reports.columns import cell, digits_of, shift_of
from hpc_nqs.reports.numbers import value_text
from hpc_nqs.reports.series import keys_of, measured
from hpc_nqs.reports.text import flat_row, unit_of_energy, wrapped
from hpc_nqs.reports.units import MOLAR, in_its_units, legend, rows_beside
from hpc_nqs.settings.sweep import numbers_of
from hpc_nqs.settings.toml_text import format_value

_NUMBERS = (("momentum", "momentum"), ("point_group", "group"), ("spin_parity", "parity"), ("sz", "Sz"))
_COLUMNS = (("energy", "e"), ("specific_heat", "c"), ("entropy", "s"), ("susceptibility", "chi"))
_COLUMNS += (("magnetization", "m"), ("magnetization_x", "m_x"))


def collected_text(runs, tables):
    """Return the results of all runs as an aligned table, in the units that the input asks for.

    Parameters
    ----------
    runs : list of SweepRun
    tables : list of dict or None
        As `run_file.read_table` returns them; None for a run that has not started.
    """
    names, shown_in = list(runs[0].values), ""
    polarized = "magnetization" in measured([table for table in tables if table])
    of_levels = any(table and table["task"] == "ground_state" for table in tables)
    numbers = _NUMBERS if of_levels else ()
    vectors = keys_of([table for table in tables if table], "structure_factor") if of_levels else []
    headings = [*(heading for _, heading in numbers), "T", *(heading for _, heading in _COLUMNS), "residual"]
    lines = [[*(name.partition(".")[2] for name in names), *headings, *(f"S({q})" for q in vectors)]]
    for run, table in zip(runs, tables, strict=True):
        shown = [format_value(run.values[name]) for name in names]
        if not table or not table["rows"]:
            lines.append([*shown, "no results yet", *[""] * (len(headings) + len(vectors) - 1)])
            continue
        table = in_its_units(table)
        shown_in, shift = legend(table) if MOLAR in table else shown_in, shift_of(unit_of_energy(table))
        for row in table["rows"]:
            temperature = f"{row['temperature']:.6g}" if "temperature" in row else ""
            cells = [cell(row, key, digits_of(key, 5, shift)) for key, _ in _COLUMNS]
            if not polarized:
                cells[[key for key, _ in _COLUMNS].index("magnetization")] = ""
            residual = value_text(row["tdvp_residual"], digits=3) if "tdvp_residual" in row else ""
            of_sector = [cell(row, key, 1 if key == "sz" else 0) for key, _ in numbers]
            factors = [cell(row, "structure_factor", 5, q) for q in vectors]
            lines.append([*shown, *of_sector, temperature, *cells, residual, *factors])
    used = [k for k in range(len(lines[0])) if any(line[k] for line in lines[1:])]
    widths = {k: max(len(line[k]) for line in lines) for k in used}
    text = "".join("  ".join(line[k].rjust(widths[k]) for k in used).rstrip() + "\n" for line in lines)
    return text + ("\n" + "\n".join(wrapped(shown_in + ".")) + "\n" if shown_in else "")


def collected_csv(runs, tables):
    """Return all rows of all runs as CSV, the swept settings first; see `collected_text`."""
    rows = []
    for run, table in zip(runs, tables, strict=True):
        swept = {name: format_value(value) if isinstance(value, list) else value for name, value in run.values.items()}
        rows += [swept | flat_row(row) for row in (table or {"rows": []})["rows"]]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    if rows:
        writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def collected_json(runs, tables):
    """Return all runs as JSON: their values, files, whether they are finished, and their rows; see `collected_text`."""
    entries = [
        {
            "values": run.values,
            "file": str(run.output),
            "finished": bool(table and table.get("finished")),
            "rows": (table or {"rows": []})["rows"],
        }
        for run, table in zip(runs, tables, strict=True)
    ]
    return json.dumps({"format": 1, "task": "sweep", "runs": entries}, indent=1) + "\n"


def sweep_groups(runs, tables, exact=None):
    """Return what `figures.phase_diagram` draws: the runs over the first swept parameter, in groups of the others.

    Of thermal runs in the units that the input asks for.

    Parameters
    ----------
    runs : list of SweepRun
    tables : list of dict or None
        See `collected_text`; at least one with rows.
    exact : list of list of dict, optional
        Exact rows dense in T of every run.

    Returns
    -------
    dict
        "name" of the parameter and "parameter", the title of its axis; "groups", a list of (title, runs), one for every
        combination of what else was swept, with runs a list of (value of the parameter, label, rows, exact rows or an
        empty list); "members", the numbers of their runs in the same groups; "title" and "symbol", see `labels`.
    """
    converted = [table and in_its_units(table) for table in tables]
    of_levels = any(table and table.get("task") == "ground_state" for table in tables)
    if of_levels or len({table.get(MOLAR) for table in converted if table}) > 1:
        converted = tables  # levels and what has different units: in those of the couplings
    tables = converted
    values = {name: [run.values[name] for run in runs] for name in runs[0].values}
    places = {name: numbers_of(values[name]) for name in values}
    of_runs = [{"settings": run.settings.to_dict()} for run in runs]
    in_couplings = labels.energy_symbol(of_runs)
    symbol = labels.energy_symbol([table for table in tables if table] or of_runs)
    first, *others = values
    groups, members = {}, {}
    for number, table in enumerate(tables):
        words = [labels.value_title(name, values[name], places[name][number]) for name in others]
        place, label = places[first][number], labels.value_title(first, values[first], places[first][number])
        if table and table["rows"]:
            run = place, label, table["rows"], rows_beside(exact[number], table) if exact else []
            groups.setdefault(", ".join(words), []).append(run)
            members.setdefault(", ".join(words), []).append(number)
    return {
        "name": first,
        "parameter": labels.parameter_title(first, values[first], in_couplings),
        "members": members,
        "groups": list(groups.items()),
        "title": labels.swept_title(runs[0].settings.to_dict(), list(values)),
        "symbol": symbol,
    }


FORMS = {"text": collected_text, "csv": collected_csv, "json": collected_json}
