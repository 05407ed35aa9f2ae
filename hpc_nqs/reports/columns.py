"""Columns of text tables: what stands in them, in which order and with how many digits, in blocks of 80 columns."""

import math

from hpc_nqs.reports import lost
from hpc_nqs.reports.numbers import finite_only, value_text
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
    ("total_spin_squared", "S(S+1)", 5),
    ("energy", "e", 6),
    ("gap", "E - E0", 5),
    ("peak", "peak q", 0),
    ("peak_structure_factor", "S(peak)", 5),
    ("peak_correlation_ratio", "R(peak)", 5),
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
    ("energy_lanczos", "e Lanczos", 6),
    ("variance_lanczos", "variance L", 6),
    ("v_score_lanczos", "V-score L", 6),
    ("energy_extrapolated", "e limit", 6),
    ("lanczos_samples", "samples L", 0),
    ("layer_energy_difference", "layer diff", 5),
    ("average_sign", "sign", 3),
    ("acceptance", "accept", 3),
    ("r_hat", "r_hat", 3),
    ("autocorrelation", "tau", 2),
    ("magnetization", "m", 6),
    ("magnetization_x", "m_x", 6),
    ("local_spectral_proxy_up", "bG_up", 5),
    ("local_spectral_proxy_down", "bG_down", 5),
    ("lowest_of", "lowest of", 0),
    ("n_sectors", "sectors", 0),
    ("effective_samples", "effective samples", 0),
    ("kernel_beta", "kernel beta", 4),
)
HEADINGS = {heading: name for name, heading, _ in _COLUMNS if heading != "tau"}  # a short name, if not of time
_LEFT_OUT = ("beta", "ln_z")
# Powers of the unit of energy in quantities that are shown with decimals.
_ENERGIES = {"energy": 1, "free_energy": 1, "layer_energy_difference": 1, "variance": 2, "energy_variance": 2}
_ENERGIES |= {"susceptibility": -1, "static_susceptibility": -1, "relaxation_proxy": -2}
_ENERGIES |= {"energy_lanczos": 1, "energy_extrapolated": 1, "variance_lanczos": 2}
_ENERGIES |= {"gap": 1, "grand_potential": 1, "compressibility": -1, "energy_terms": 1}
_ENERGIES |= dict.fromkeys((f"{local}spectral_proxy_{spin}" for local in ("", "local_") for spin in ("up", "down")), -1)
# What is a dict over wave vectors, and how a column of it is headed.
_OVER_VECTORS = (
    ("structure_factor", "S"),
    ("static_susceptibility", "chi"),
    ("charge_structure_factor", "N"),
    ("n_k_up", "n_up"),
    ("n_k_down", "n_down"),
    ("spectral_proxy_up", "bG_up"),
    ("spectral_proxy_down", "bG_down"),
    ("order_parameter_squared", "m^2"),
    ("binder_ratio", "U4"),
    ("chirality_structure_factor", "X"),
    ("correlation_ratio", "R"),
)
# What is a dict over words, and how a column of it is headed.
OVER_WORDS = {"energy_terms": "e({})", "operators": "{}"}
OVER_VECTORS = {letter: name for name, letter in _OVER_VECTORS}
# what is marked where it is lost
_JUDGED = {"energy", "specific_heat", "specific_heat_slope", "entropy", "free_energy", "susceptibility"}
_JUDGED |= {"magnetization", "structure_factor", "static_susceptibility", "relaxation_proxy"}


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
    rows, shift = [finite_only(row) for row in rows], shift_of(unit)
    columns = [column for column in _columns(rows, shift) if any(column[1:])]
    if exact_rows is not None:
        columns = _with_differences(columns, rows, exact_rows, shift)
    return list(_blocks(columns))


def shift_of(unit):
    """Return how many more decimals energies have than those of couplings near 1, from the size of the couplings."""
    return int(-math.log10(unit))


def digits_of(name, digits, shift):
    """Return the digits of a quantity whose energies have `shift` more decimals than those of couplings near 1."""
    return max(0, digits + _ENERGIES.get(name, 0) * shift)


def _columns(rows, shift):
    """Return the columns of a text table as lists [heading, cell, cell, ...]; an absent value is an empty cell."""
    known = [name for name, _, _ in _COLUMNS]
    columns = [
        [heading] + [cell(row, name, digits_of(name, digits, shift)) for row in rows]
        for name, heading, digits in _COLUMNS
    ]
    for name, letter in _OVER_VECTORS:
        digits = digits_of(name, 5, shift)
        vectors = dict.fromkeys(q for row in rows for q in row.get(name, {}))
        columns += [[f"{letter}({q})"] + [cell(row, name, digits, q) for row in rows] for q in vectors]
    for name, heading in OVER_WORDS.items():
        words = dict.fromkeys(word for row in rows for word in row.get(name, {}))
        digits = digits_of(name, 5, shift)
        columns += [[heading.format(word)] + [cell(row, name, digits, word) for row in rows] for word in words]
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
        [name] + [cell(row, name, 0 if isinstance(row.get(name), int) else digits_of(name, 5, shift)) for row in rows]
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
            value_text(row[name] - exact[name], row.get(f"{name}_error"), digits_of(name, 5, shift))
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


def aligned(columns):
    """Return the lines of a block of columns."""
    return [
        "  ".join(cell.rjust(_width(column)) for cell, column in zip(line, columns, strict=True)).rstrip()
        for line in zip(*columns, strict=True)
    ]
