"""Tables of the results of all runs of a sweep, as text, CSV and JSON."""

import csv
import io
import json

from hpc_nqs.reports import labels
from hpc_nqs.reports.columns import cell
from hpc_nqs.reports.numbers import value_text
from hpc_nqs.reports.series import keys_of
from hpc_nqs.reports.text import flat_row
from hpc_nqs.settings.sweep import numbers_of
from hpc_nqs.settings.toml_text import format_value

_NUMBERS = (("momentum", "momentum"), ("point_group", "group"), ("spin_parity", "parity"), ("sz", "Sz"))
_COLUMNS = (("energy", "e"), ("specific_heat", "c"), ("entropy", "s"), ("susceptibility", "chi"))


def collected_text(runs, tables):
    """Return the results of all runs as an aligned table.

    Parameters
    ----------
    runs : list of SweepRun
    tables : list of dict or None
        As `run_file.read_table` returns them; None for a run that has not started.
    """
    names = list(runs[0].values)
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
        for row in table["rows"]:
            temperature = f"{row['temperature']:.6g}" if "temperature" in row else ""
            cells = [cell(row, key) for key, _ in _COLUMNS]
            residual = value_text(row["tdvp_residual"], digits=3) if "tdvp_residual" in row else ""
            of_sector = [cell(row, key, 1 if key == "sz" else 0) for key, _ in numbers]
            factors = [cell(row, "structure_factor", 5, q) for q in vectors]
            lines.append([*shown, *of_sector, temperature, *cells, residual, *factors])
    used = [k for k in range(len(lines[0])) if any(line[k] for line in lines[1:])]
    widths = {k: max(len(line[k]) for line in lines) for k in used}
    return "".join("  ".join(line[k].rjust(widths[k]) for k in used).rstrip() + "\n" for line in lines)


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

    Parameters
    ----------
    runs : list of SweepRun
    tables : list of dict or None
        See `collected_text`; at least one with rows.
    exact : list of list of dict, optional
        Exact rows dense in T of every run.
    """
    values = {name: [run.values[name] for run in runs] for name in runs[0].values}
    places = {name: numbers_of(values[name]) for name in values}
    symbol = labels.energy_symbol([{"settings": run.settings.to_dict()} for run in runs])
    first, *others = values
    groups = {}
    for number, table in enumerate(tables):
        words = [labels.value_title(name, values[name], places[name][number]) for name in others]
        place, label = places[first][number], labels.value_title(first, values[first], places[first][number])
        if table and table["rows"]:
            run = place, label, table["rows"], exact[number] if exact else []
            groups.setdefault(", ".join(words), []).append(run)
    return {
        "parameter": labels.parameter_title(first, values[first], symbol),
        "groups": list(groups.items()),
        "title": labels.swept_title(runs[0].settings.to_dict(), list(values)),
        "symbol": symbol,
    }


FORMS = {"text": collected_text, "csv": collected_csv, "json": collected_json}
