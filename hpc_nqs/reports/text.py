"""Tables of results as text for people (80 columns), JSON and CSV for programs."""

import csv
import io
import json
import re

from hpc_nqs.hamiltonians import MODELS
from hpc_nqs.hamiltonians.parameter import CELL_BONDS, PLACES, SWITCH
from hpc_nqs.hamiltonians.spin_model import SZ_WORDS
from hpc_nqs.reports import lost
from hpc_nqs.reports.columns import TEXT_WIDTH, aligned, aligned_columns, time_columns
from hpc_nqs.reports.numbers import duration, finite_only
from hpc_nqs.reports.units import MOLAR, in_its_units, legend, rows_beside

OF_SPINS = {"magnetization", "susceptibility", "structure_factor", "correlation", "dimer_structure_factor"}
OF_SPINS |= {"time_correlation", "local_time_correlation", "correlation_vector", "order_parameter_squared"}
OF_SPINS |= {"dimer_correlation", "chirality_correlation", "operators", "magnetization_x"}
_HEAD = ("format", "task", "n_sites", "finished", "seconds", "n_ranks")

MAX_NAMED = 6  # numbers of a list that one line about a system names one by one
RESIDUAL_LIMIT = 0.1  # above, a tenth of the evolution is not described by the network
R_HAT_LIMIT = 1.05  # above, the chains disagree about the energy
V_SCORE_LIMIT = 0.1  # above, a ground state is none


def json_text(table):
    """Return the table as JSON; a value that is not finite is left out."""
    ordered = {key: table[key] for key in _HEAD if key in table}
    ordered |= {key: value for key, value in table.items() if key not in ("settings", "rows")}
    ordered |= {"settings": table.get("settings", {}), "rows": table["rows"]}
    return json.dumps(finite_only(ordered), indent=1, allow_nan=False) + "\n"


def csv_text(table):
    """Return the rows as CSV with one heading line; absent values are empty fields.

    Magnetization, susceptibility, structure factors and correlations are those of S = sigma/2 for every model.  The
    structure factor becomes the columns ``structure_factor(qx,qy)`` and ``structure_factor_error(qx,qy)``.
    """
    rows = [flat_row(row) for row in table["rows"]]
    names = list(dict.fromkeys(name for row in rows for name in row))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    if names:
        writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def table_text(table, exact_rows=None):
    """Return the table as aligned text, at most 80 columns wide.

    Parameters
    ----------
    table : dict
        As `run_file.read_table` returns it.
    exact_rows : list of dict, optional
        Exact rows in the order of table["rows"]; adds the differences of energy, specific heat and entropy.
    """
    table = in_its_units(table)
    exact_rows, rows = rows_beside(exact_rows, table), [finite_only(row) for row in table["rows"]]
    settings = table.get("settings", {})
    lines = wrapped(given_title(settings)) if given_title(settings) else []
    lines += wrapped(describe(settings, table.get("n_sites"))) + [status(table, len(rows))]
    if not rows:
        return "\n".join(lines) + "\n"
    blocks = aligned_columns(rows, exact_rows, unit_of_energy(table))
    columns = [column for block in blocks for column in block]
    for block in blocks:
        lines += [""] + aligned(block)
    in_time = time_columns(rows)
    if in_time:
        lines += ["", "Correlations in imaginary time, <Sz(tau) Sz>:"] + aligned(in_time)
        columns = columns + in_time
    words = legend(table)
    cells = [cell for column in columns for cell in column[1:]]
    words += errors_legend(cells)
    if any(OF_SPINS.intersection(row) for row in rows):
        words += f"; {SZ_WORDS} in chi, m, S(q) and correlations"
    lines += [""] + wrapped(words + ".")
    for remark in table_remarks(rows, table.get("remark")):
        lines += wrapped(remark)
    return "\n".join(lines) + "\n"


def unit_of_energy(table):
    """Return the size of the energies of a table: its largest coupling or field, 1 where there is none.

    Per mole it is such that energies have four decimals and susceptibilities seven.
    """
    if MOLAR in table:
        return 100.0
    given = table.get("settings", {}).get("model", {})
    model = MODELS.get(given.get("kind"))
    of_energy = [parameter for parameter in model.parameters if parameter.unit == "energy"] if model else []
    sizes = [abs(x) for each in of_energy for x in each.as_tuple(given.get(each.name, each.default))]
    return max(sizes, default=0.0) or 1.0


def errors_legend(cells):
    """Return what the brackets and marks in cells of a table mean, each with a semicolon in front."""
    legend = ""
    if any(re.search(r"\d\(", cell) for cell in cells):
        legend += "; (12) is the statistical error of the last digits"
    if any("[" in cell for cell in cells):
        legend += "; [34] is the estimated systematic error of the last digits, not contained in (12)"
    if any(cell.endswith(lost.MARK) for cell in cells):
        legend += f"; {lost.WORDS}"
    return legend


def rows_text(rows):
    """Return rows alone as aligned text."""
    return "\n".join("\n".join([*aligned(block), ""]) for block in aligned_columns(rows))


def plan_text(plan):
    """Return a dict of planned quantities as aligned lines; names with a point are keys of an input."""
    width = max((len(str(name)) for name in plan), default=0)
    lines = []
    for name, value in plan.items():
        shown = (
            f"{value:,}"
            if isinstance(value, int) and not isinstance(value, bool)
            else f"{value:.4g}"
            if isinstance(value, float)
            else str(value)
        )
        words = name if "." in str(name) else re.sub(r"_(?=[a-z])", " ", str(name))  # but beta_0 stays one word
        lines.append(f"  {words.ljust(width)}  {shown}")
    return "".join(line + "\n" for line in lines)


def given_title(settings):
    """Return the title of an input in one line, from settings as nested dicts; empty where it has none."""
    return " ".join(settings.get("run", {}).get("title", "").split())


def describe(settings, n_sites=None):
    """Return one line naming model and lattice, from settings as nested dicts."""
    model, lattice = settings.get("model", {}), settings.get("lattice", {})
    words = _model_words(model)
    place = str(lattice.get("kind", "")) + " " + "x".join(str(length) for length in lattice.get("lengths", []))
    if lattice.get("box"):
        place = f"{lattice['kind']} box " + ", ".join(f"({' '.join(map(str, row))})" for row in lattice["box"])
    boundary = lattice.get("boundary", "periodic")
    if lattice.get("kind") == "custom":
        place = "custom lattice"
    if boundary != "periodic":
        place = place.rstrip() + ", " + (boundary if isinstance(boundary, str) else "/".join(boundary))
    if n_sites:
        place = place.rstrip() + f", {n_sites} sites"
    return ", ".join(words) + " on " + place.strip()


def _model_words(given):
    """Return the name of a model and its parameters from the section [model] as a dict."""
    kind = str(given.get("kind", ""))
    models = [MODELS[kind]] if kind in MODELS else list(MODELS.values())
    words = [MODELS[kind].title if kind in MODELS else kind]
    parameters = {parameter.name: parameter for model in models for parameter in model.parameters}
    for name, parameter in parameters.items():
        value = given.get(name)
        plain = tuple(value) if isinstance(value, list) else value
        if value is None or (plain == parameter.default and not parameter.shown_at_default):
            continue
        if parameter.kind == SWITCH:
            words.append(f"{name} = {str(value).lower()}")
        elif parameter.is_list and (parameter.kind in {*PLACES} - {CELL_BONDS} or len(value) > MAX_NAMED):
            words.append(f"{len(value)} {name}")
        else:
            named = zip(parameter.marks(value), parameter.as_tuple(value), strict=True)
            words += [f"{mark} = {number:g}" for mark, number in named]
    return words


def status(table, n_rows):
    """Return how a table came about and whether it is whole."""
    words = []
    if table.get("method") == "exact":
        words.append("exact diagonalization")
    elif "finished" in table:
        words.append("finished" if table["finished"] else "not finished")
    if table.get("measured_from"):
        words.append(f"measured from {table['measured_from']}")
    words.append(f"{n_rows} row{'s' * (n_rows != 1)}")
    if "seconds" in table:
        words.append(duration(table["seconds"]))
    if "n_ranks" in table and table.get("method") != "exact":
        words.append(f"{table['n_ranks']} rank{'s' * (table['n_ranks'] != 1)}")
    return ", ".join(words)


def summary(table):
    """Return the system, the rows and the state of a table in one line."""
    temperatures = [row["temperature"] for row in table["rows"] if row.get("temperature")]
    reach = f", T = {max(temperatures):g} to {min(temperatures):g}" if len(temperatures) > 1 else ""
    return f"{describe(table.get('settings', {}), table.get('n_sites'))}; {status(table, len(table['rows']))}{reach}"


def table_remarks(rows, remark=None):
    """Return what a reader must know before using the numbers, as sentences; `remark` is that of the table, if any."""
    remarks = [remark] if remark else []
    high = sum(row.get("tdvp_residual", 0.0) > RESIDUAL_LIMIT for row in rows)
    if high:
        remarks.append(
            f"Residual above {RESIDUAL_LIMIT:g} at {high} of {len(rows)} temperatures: this part of the evolution is "
            "outside the network; compare with other settings of [wavefunction]."
        )
    apart = sum(row.get("r_hat", 1.0) > R_HAT_LIMIT for row in rows)
    if apart:
        remarks.append(
            f"r_hat above {R_HAT_LIMIT:g} at {apart} of {len(rows)} temperatures: the chains disagree and the errors "
            "are too small; use more sweeps per sample."
        )
    far = sum((row.get("v_score") or 0.0) > V_SCORE_LIMIT for row in rows)
    if far:
        remarks.append(
            f"V-score above {V_SCORE_LIMIT:g} at {far} of {len(rows)} states: far from an eigenstate; a few samples "
            "near nodes may decide the energy and its error. Take more samples or steps, or sampling.exponent = 0.5."
        )
    if any(row.get("lowest_of") == "sector" for row in rows):
        remarks.append("lowest of sector: the lowest state with these quantum numbers, not of all.")
    return remarks


def wrapped(sentence):
    """Return the sentence in lines of at most the table width; a longer word is cut."""
    lines = [""]
    for word in sentence.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > TEXT_WIDTH:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()[:TEXT_WIDTH]
    return lines


def flat_row(row):
    """Return a row with one column per value: name(key) and name_error(key) of what is a dict; finite values only."""
    flat = {}
    for name, value in finite_only(row).items():
        if not isinstance(value, dict):
            flat[name] = value
            continue
        for key, pair in value.items():
            mean, *error = pair if isinstance(pair, (list, tuple)) else [pair]
            flat[f"{name}({key})"] = mean
            if error:
                flat[f"{name}_error({key})"] = error[0]
    return flat
