"""Tables of results as text for people (80 columns), JSON and CSV for programs."""

import csv
import io
import json
import math
import re

from hpc_nqs.hamiltonians import MODELS
from hpc_nqs.hamiltonians.parameter import HOPS, SWITCH
from hpc_nqs.hamiltonians.spin_model import SZ_WORDS
from hpc_nqs.reports import lost
from hpc_nqs.reports.numbers import duration, value_text
from hpc_nqs.reports.series import error_of, systematic_of, value_of

TEXT_WIDTH = 80

# What stands first in a text table: key of the row, heading, digits after the point for values without an error.
_COLUMNS = (
    ("temperature", "T", 6),
    ("momentum", "momentum", 0),
    ("sz", "Sz", 1),
    ("n_up", "n_up", 0),
    ("n_down", "n_down", 0),
    ("spin_parity", "parity", 0),
    ("point_group", "group", 0),
    ("energy", "e", 6),
    ("specific_heat", "c", 5),
    ("specific_heat_slope", "c slope", 4),
    ("entropy", "s", 5),
    ("filling", "n", 5),
    ("susceptibility", "chi", 5),
    ("compressibility", "kappa", 5),
    ("double_occupancy", "double", 5),
    ("local_moment", "<S^2>", 5),
    ("relaxation_proxy", "relaxation", 5),
    ("tdvp_residual", "residual", 4),
    ("free_energy", "f", 5),
    ("variance", "variance", 6),
    ("v_score", "V-score", 6),
    ("layer_energy_difference", "layer diff", 5),
    ("average_sign", "sign", 3),
    ("acceptance", "accept", 3),
    ("r_hat", "r_hat", 3),
    ("autocorrelation", "tau", 2),
    ("magnetization", "m", 6),
    ("lowest_of", "lowest of", 0),
    ("n_sectors", "sectors", 0),
)
OF_SPINS = {"magnetization", "susceptibility", "structure_factor", "correlation", "dimer_structure_factor"}
OF_SPINS |= {"time_correlation", "local_time_correlation"}
_LEFT_OUT = ("beta", "ln_z")
# Powers of the unit of energy in quantities that are shown with decimals.
_ENERGIES = {"energy": 1, "free_energy": 1, "layer_energy_difference": 1, "variance": 2, "energy_variance": 2}
_ENERGIES |= {"susceptibility": -1, "static_susceptibility": -1, "relaxation_proxy": -2}
_ENERGIES |= {"grand_potential": 1, "compressibility": -1}
# What is a dict over wave vectors, and how a column of it is headed.
_OVER_VECTORS = (
    ("structure_factor", "S"),
    ("static_susceptibility", "chi"),
    ("charge_structure_factor", "N"),
    ("n_k_up", "n_up"),
    ("n_k_down", "n_down"),
)
# what is marked where it is lost
_JUDGED = {"energy", "specific_heat", "specific_heat_slope", "entropy", "free_energy", "susceptibility"}
_JUDGED |= {"magnetization", "structure_factor", "static_susceptibility", "relaxation_proxy"}
_HEAD = ("format", "task", "n_sites", "finished", "seconds", "n_ranks")

RESIDUAL_LIMIT = 0.1  # above, a tenth of the evolution is not described by the network
R_HAT_LIMIT = 1.05  # above, the chains disagree about the energy


def json_text(table):
    """Return the table as JSON; a value that is not finite is left out."""
    ordered = {key: table[key] for key in _HEAD if key in table}
    ordered |= {key: value for key, value in table.items() if key not in ("settings", "rows")}
    ordered |= {"settings": table.get("settings", {}), "rows": table["rows"]}
    return json.dumps(_finite(ordered), indent=1, allow_nan=False) + "\n"


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
    rows = [_finite(row) for row in table["rows"]]
    lines = wrapped(describe(table.get("settings", {}), table.get("n_sites"))) + [_status(table, len(rows))]
    if not rows:
        return "\n".join(lines) + "\n"
    blocks = aligned_columns(rows, exact_rows, unit_of_energy(table.get("settings", {})))
    columns = [column for block in blocks for column in block]
    for block in blocks:
        lines += [""] + _aligned(block)
    in_time = time_columns(rows)
    if in_time:
        lines += ["", "Correlations in imaginary time, <Sz(tau) Sz>:"] + _aligned(in_time)
        columns = columns + in_time
    legend = "Per site, in units of the couplings"
    cells = [cell for column in columns for cell in column[1:]]
    legend += errors_legend(cells)
    if any(OF_SPINS.intersection(row) for row in rows):
        legend += f"; {SZ_WORDS} in chi, m, S(q) and correlations"
    lines += [""] + wrapped(legend + ".")
    for remark in table_remarks(rows, table.get("remark")):
        lines += wrapped(remark)
    return "\n".join(lines) + "\n"


def unit_of_energy(settings):
    """Return the largest coupling or field of settings as nested dicts, 1 where there is none: what energies are of."""
    given = settings.get("model", {})
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


def aligned_columns(rows, exact_rows=None, unit=1.0):
    """Return the columns of a text table in blocks that fit into the width, each a list [heading, cell, cell, ...].

    Parameters
    ----------
    rows : list of dict
    exact_rows : list of dict, optional
        See `table_text`.
    unit : float
        Size of the couplings: energies have more decimals where it is small.
    """
    rows, shift = [_finite(row) for row in rows], int(-math.log10(unit))
    columns = [column for column in _columns(rows, shift) if any(column[1:])]
    if exact_rows is not None:
        columns = _with_differences(columns, rows, exact_rows, shift)
    return list(_blocks(columns))


def rows_text(rows):
    """Return rows alone as aligned text."""
    return "\n".join("\n".join([*_aligned(block), ""]) for block in aligned_columns(rows))


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


def describe(settings, n_sites=None):
    """Return one line naming model and lattice, from settings as nested dicts."""
    model, lattice = settings.get("model", {}), settings.get("lattice", {})
    words = _model_words(model)
    place = str(lattice.get("kind", "")) + " " + "x".join(str(length) for length in lattice.get("lengths", []))
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
        if parameter.kind in (SWITCH, HOPS):
            words.append(f"{name} = {str(value).lower()}" if parameter.kind == SWITCH else f"{len(value)} {name}")
            continue
        for shell, number in enumerate(parameter.as_tuple(value), start=1):
            words.append(f"{parameter.symbol or name}{shell if parameter.is_list else ''} = {number:g}")
    return words


def _digits(name, digits, shift):
    """Return the digits of a quantity whose energies have `shift` more decimals than those of couplings near 1."""
    return max(0, digits + _ENERGIES.get(name, 0) * shift)


def _columns(rows, shift):
    """Return the columns of a text table as lists [heading, cell, cell, ...]; an absent value is an empty cell."""
    known = [name for name, _, _ in _COLUMNS]
    columns = [
        [heading] + [cell(row, name, _digits(name, digits, shift)) for row in rows]
        for name, heading, digits in _COLUMNS
    ]
    for name, letter in _OVER_VECTORS:
        digits = _digits(name, 5, shift)
        vectors = dict.fromkeys(q for row in rows for q in row.get(name, {}))
        columns += [[f"{letter}({q})"] + [cell(row, name, digits, q) for row in rows] for q in vectors]
    others = dict.fromkeys(
        name
        for row in rows
        for name, value in row.items()
        if name not in known + list(_LEFT_OUT) and not any(
            name.endswith(ending) and name.removesuffix(ending) in row for ending in ("_error", "_systematic")
        )
        if isinstance(value, (int, float, str))
    )
    return columns + [
        [name] + [cell(row, name, 0 if isinstance(row.get(name), int) else _digits(name, 5, shift)) for row in rows]
        for name in others
    ]


def time_columns(rows):
    """Return the columns of correlations in imaginary time: T, tau, the local one and those of wave vectors.

    As lists [heading, cell, cell, ...]; empty where there are none, wave vectors that do not fit are left out.
    """
    found = [(row, k) for row in rows for k in row.get("local_time_correlation", {})]
    if not found:
        return []
    columns = [
        ["T"] + [cell(row, "temperature", 6) if k == "0" else "" for row, k in found],
        ["tau"] + [f"{int(k) * row['beta'] / row['links']:.4g}" for row, k in found],
        ["local"] + [cell(row, "local_time_correlation", 5, k) for row, k in found],
    ]
    for q in dict.fromkeys(key.rpartition(",")[0] for row, _ in found for key in row.get("time_correlation", {})):
        columns.append([f"C({q})"] + [cell(row, "time_correlation", 5, f"{q},{k}") for row, k in found])
    return next(_blocks(columns))


def cell(row, name, digits=5, key=None):
    """Return a number of a row with its errors and, where it is lost, a mark; "" where it is absent."""
    value = value_of(row, name, key)
    if value is None or isinstance(value, (str, bool)):
        return "" if value is None else str(value)
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    if name == "temperature":
        return f"{value:.{digits}g}"
    text = value_text(value, error_of(row, name, key), digits, systematic_of(row, name, key))
    return text + lost.MARK if name in _JUDGED and lost.is_lost(row, name, key) else text


def _with_differences(columns, rows, exact_rows, shift):
    """Return the columns with the difference from the exact rows behind energy, specific heat and entropy."""
    quantities = {heading: name for name, heading, _ in _COLUMNS if name in ("energy", "specific_heat", "entropy")}
    extended = []
    for column in columns:
        extended.append(column)
        name = quantities.get(column[0])
        cells = [
            value_text(row[name] - exact[name], row.get(f"{name}_error"), _digits(name, 5, shift))
            if name in row and name in exact
            else ""
            for row, exact in zip(rows, exact_rows, strict=True)
        ]
        if any(cells):
            extended.append([f"{column[0]} - exact", *cells])
    return extended


def _blocks(columns):
    """Yield groups of columns that fit into the width, each starting with the first column."""
    lead = columns[0]
    block, used = [lead], _width(lead)
    for column in columns[1:]:
        if len(block) > 1 and used + 2 + _width(column) > TEXT_WIDTH:
            yield block
            block, used = [lead], _width(lead)
        block.append(column)
        used += 2 + _width(column)
    yield block


def _width(column):
    return max(map(len, column))


def _aligned(columns):
    return [
        "  ".join(cell.rjust(_width(column)) for cell, column in zip(line, columns, strict=True)).rstrip()
        for line in zip(*columns, strict=True)
    ]


def _status(table, n_rows):
    words = []
    if table.get("method") == "exact":
        words.append("exact diagonalization")
    elif "finished" in table:
        words.append("finished" if table["finished"] else "not finished")
    words.append(f"{n_rows} row{'s' * (n_rows != 1)}")
    if "seconds" in table:
        words.append(duration(table["seconds"]))
    if "n_ranks" in table and table.get("method") != "exact":
        words.append(f"{table['n_ranks']} rank{'s' * (table['n_ranks'] != 1)}")
    return ", ".join(words)


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
    for name, value in _finite(row).items():
        if not isinstance(value, dict):
            flat[name] = value
            continue
        for key, pair in value.items():
            mean, *error = pair if isinstance(pair, (list, tuple)) else [pair]
            flat[f"{name}({key})"] = mean
            if error:
                flat[f"{name}_error({key})"] = error[0]
    return flat


def _finite(value):
    """Return a copy of nested dicts and lists without the entries that are None, infinite or not a number."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items() if not _absent(entry)}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value if not _absent(entry)]
    return value


def _absent(value):
    return value is None or (isinstance(value, float) and not math.isfinite(value))
