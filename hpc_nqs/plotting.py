"""Figures of thermal runs: the only module that imports matplotlib."""

import math

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from hpc_nqs.reporting import describe

# Okabe-Ito colours, distinguishable with every kind of colour vision; markers and line styles carry the same
# information in black and white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
EXACT_STYLES = ("-", "--", ":", "-.")

PANELS = (
    ("energy", "energy per site  $e$  [J]"),
    ("specific_heat", r"specific heat per site  $c$  [$k_B$]"),
    ("entropy", r"entropy per site  $s$  [$k_B$]"),
    ("susceptibility", r"susceptibility per site  $\chi$  [1/J]"),
)


def save_figure(path, tables, names, exact_curves=()):
    """Draw energy, specific heat, entropy and susceptibility against temperature and write the figure.

    Parameters
    ----------
    path : path-like
        The ending chooses the format.
    tables : list of dict
        As `checkpoint.read_table` returns them.
    names : list of str
        One per table, for the legend.
    exact_curves : list of list of dict
        Rows of exact results in order of temperature, one list per system.

    Raises
    ------
    ValueError
        For an ending that matplotlib cannot write.
    """
    figure = draw(tables, names, exact_curves)
    figure.savefig(path, dpi=150)


def draw(tables, names, exact_curves=()):
    """Return the matplotlib Figure of `save_figure`."""
    figure = Figure(figsize=(9.0, 6.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2, sharex=True).ravel()
    for axis, (quantity, label) in zip(axes, PANELS, strict=True):
        for position, curve in enumerate(exact_curves):
            _draw_exact(axis, quantity, curve, position, len(exact_curves))
        for position, (table, name) in enumerate(zip(tables, names, strict=True)):
            _draw_run(axis, quantity, table["rows"], name, position, len(tables))
        axis.set_ylabel(label)
        axis.grid(True, color="0.9", linewidth=0.6)
        axis.set_axisbelow(True)
        if not axis.has_data():
            axis.text(0.5, 0.5, "not measured", transform=axis.transAxes, ha="center", va="center", color="0.4")
    _temperature_axis(axes, [row["temperature"] for table in tables for row in table["rows"] if "temperature" in row])
    _legends(figure, axes)
    figure.suptitle(_title(tables), fontsize=11)
    return figure


def _draw_run(axis, quantity, rows, name, position, n_runs):
    """Draw the points of one run; the specific heat also from the slope of the energy, with open markers."""
    colour, marker = COLOURS[position % len(COLOURS)], MARKERS[position % len(MARKERS)]
    style = {"color": colour, "marker": marker, "markersize": 5.5, "linestyle": "none", "zorder": 3 + position / max(n_runs, 1)}
    points = _points(rows, quantity)
    if points:
        temperatures, values, errors = zip(*points, strict=True)
        axis.errorbar(temperatures, values, yerr=errors, capsize=2.5, elinewidth=1.0, label=name, **style)
    slopes = _points(rows, "specific_heat_slope") if quantity == "specific_heat" else []
    if slopes:
        temperatures, values, _ = zip(*slopes, strict=True)
        axis.plot(temperatures, values, label=f"{name}, from the slope of e", **(style | {"markerfacecolor": "none", "markersize": 8.5}))


def _draw_exact(axis, quantity, curve, position, n_curves):
    points = _points(curve, quantity)
    if points:
        temperatures, values, _ = zip(*points, strict=True)
        name = "exact" if n_curves == 1 else f"exact {position + 1}"
        axis.plot(temperatures, values, color="0.25", linewidth=1.2, linestyle=EXACT_STYLES[position % len(EXACT_STYLES)], label=name, zorder=2)


def _points(rows, quantity):
    """Return (temperature, value, error) of the rows that have the quantity; an absent error is zero."""
    return [
        (row["temperature"], row[quantity], row.get(f"{quantity}_error") or 0.0)
        for row in rows
        if row.get("temperature") and _finite(row.get(quantity))
    ]


def _finite(value):
    return value is not None and math.isfinite(value)


def _temperature_axis(axes, temperatures):
    """Label the temperatures; a logarithmic axis when they span more than a factor of four."""
    for axis in axes[2:]:
        axis.set_xlabel("temperature  $T$  [J]")
    if not temperatures or max(temperatures) < 4.0 * min(temperatures):
        return
    axes[0].set_xscale("log")  # the axes share it
    decades = math.log10(max(temperatures) / min(temperatures))
    subs = (1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)
    for axis in axes:
        axis.xaxis.set_major_locator(LogLocator(subs=subs))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.xaxis.set_minor_formatter(NullFormatter())


def _legends(figure, axes):
    """Put one legend for all panels below them: a column for each run, what is exact last."""
    entries = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if not entries:
        return
    labels = sorted(entries, key=lambda label: label.startswith("exact"))  # stable
    labels.sort(key=lambda label: _run_of(label, labels))
    columns = min(4, (len(labels) + 1) // 2)
    figure.legend([entries[label] for label in labels], labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)


def _title(tables):
    """Return the systems of the tables, each once."""
    lines = list(dict.fromkeys(describe(table.get("settings", {}), table.get("n_sites")) for table in tables))
    return "\n".join(lines[:4] + (["..."] if len(lines) > 4 else []))
