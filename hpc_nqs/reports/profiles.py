"""Correlations of one run in one panel, a colour for each of at most six temperatures: over distance, over time."""

from hpc_nqs.reports.labels import in_units
from hpc_nqs.reports.lost import is_lost
from hpc_nqs.reports.panels import GREY, LOST_STYLE, MARKERS, draw_totals, shade
from hpc_nqs.reports.series import error_of, finite, systematic_of, value_of

POSSIBLE = (-0.25, 0.25)  # of <Sz Sz> of two sites


def chosen_of(rows):
    """Return at most as many rows as there are markers, the hottest and the coldest among them."""
    last = len(MARKERS) - 1
    return rows if len(rows) <= len(MARKERS) else [rows[k * (len(rows) - 1) // last] for k in range(last + 1)]


def draw_radial(axis, table, name, exact_rows=()):
    """Draw the correlations of one run against distance.

    Parameters
    ----------
    axis : matplotlib Axes
    table : dict
    name : str
        Of the run, for the title of the axis; empty where there is one.
    exact_rows : list of dict
        Exact rows among which those of the same temperatures are drawn as lines; where there are none, lines join the
        points as a guide.
    """
    rows = [row for row in table["rows"] if row.get("correlation") and not is_lost(row, "energy")]
    exact = {row["beta"]: row for row in exact_rows if row.get("correlation")}
    chosen = chosen_of(rows)
    for position, row in enumerate(chosen):
        curve = _radial(exact.get(row["beta"], {}))
        _draw_points(axis, _radial(row), shade(position, len(chosen)), position, row, curve, POSSIBLE)
    axis.axhline(0.0, color=GREY, linewidth=0.6)
    axis.set_xlabel("distance  $r$")
    axis.set_ylabel("$\\langle S^z_0 S^z_r\\rangle$" + (f", {name}" if name else ""))
    _name_temperatures(axis)


def _radial(row):
    """Return [(distance, value, statistical error, systematic error, whether lost)] of a row, the nearest first."""
    found = []
    for key in row.get("correlation") or {}:
        value = value_of(row, "correlation", key)
        if finite(value):
            errors = error_of(row, "correlation", key) or 0.0, systematic_of(row, "correlation", key) or 0.0
            found.append((float(key), value, *errors, is_lost(row, "correlation", key)))
    return sorted(found)


def draw_times(axis, rows, quantity, vector, exact_rows, title, symbol="J"):
    """Draw a correlation in imaginary time, from tau = 0 to beta / 2.

    Parameters
    ----------
    axis : matplotlib Axes
    rows, exact_rows : list of dict
        Of a table, and the exact ones beside them, drawn as lines; none of the second: dotted guides join the points
        where there are more than two.  Between the points C is convex, not straight.
    quantity : str
    vector : str or None
        "qx,qy" of `time_correlation`.
    title : str
        Of the axis.
    symbol : str
        Of `labels.energy_symbol`.
    """
    pairs = list(zip(rows, exact_rows or [{}] * len(rows), strict=True))
    chosen = chosen_of([pair for pair in pairs if _times(pair[0], quantity, vector)])
    for position, (row, exact) in enumerate(chosen):
        found, curve = (_times(each, quantity, vector) for each in (row, exact))
        style = "none" if len(found) <= 2 else ":"
        _draw_points(axis, found, shade(position, len(chosen)), position, row, curve, guide=style)
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + 0.14 * (high - low))  # for the legend
    axis.set_xlabel(r"imaginary time  $\tau$" + in_units("1/J", symbol))
    axis.set_ylabel(title)
    _name_temperatures(axis)


def _times(row, quantity, vector):
    """Return [(tau, value, statistical error, systematic error, whether lost)] of a row, the earliest first."""
    found = []
    for key in row.get(quantity) or {}:
        of, _, k = key.rpartition(",")
        value = value_of(row, quantity, key)
        if of == (vector or "") and finite(value):
            errors = error_of(row, quantity, key) or 0.0, systematic_of(row, quantity, key) or 0.0
            found.append((int(k) * row["beta"] / row["links"], value, *errors, is_lost(row, quantity, key)))
    return sorted(found)


def _draw_points(axis, found, colour, position, row, curve, possible=None, guide="-"):
    """Draw points of one temperature with errors, hollow and grey where lost, and an exact curve or a guide."""
    kept = [point[:4] for point in found if not point[4]]
    style = {"color": colour, "marker": MARKERS[position], "markersize": 4.5, "capsize": 2, "linewidth": 0.9}
    style |= {"linestyle": "none" if curve else guide, "label": f"_T = {row['temperature']:.4g}", "zorder": 3}
    if kept:
        places, values, errors, _ = zip(*kept, strict=True)
        axis.errorbar(places, values, yerr=errors, **style)
        draw_totals(axis, kept, colour, *([possible] if possible else []))
    for place, value, *_ in (point for point in found if point[4]):
        axis.plot([place], [value], marker=MARKERS[position], zorder=2.8, **LOST_STYLE)
    if curve:
        along, exactly, *_ = zip(*curve, strict=True)
        axis.plot(along, exactly, color=colour, linewidth=0.9, label="exact", zorder=2)


def _name_temperatures(axis):
    handles = [handle for handle in axis.containers if handle.get_label().startswith("_T")]
    words = [handle.get_label().removeprefix("_") for handle in handles]
    if handles:
        axis.legend(handles, words, fontsize="small", frameon=False, ncols=2)


def time_panels(tables):
    """Return [(number of the run, quantity, wave vector or None)] of the correlations in imaginary time of runs."""
    panels = []
    for position, table in enumerate(tables):
        local = any(row.get("local_time_correlation") for row in table["rows"])
        keys = [key for row in table["rows"] for key in row.get("time_correlation") or {}]
        vectors = dict.fromkeys(key.rpartition(",")[0] for key in keys)
        panels += [(position, "local_time_correlation", None)] * local
        panels += [(position, "time_correlation", vector) for vector in vectors]
    return panels
