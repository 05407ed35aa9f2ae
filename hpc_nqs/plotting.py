"""Figures of thermal and ground-state runs: the only module that imports matplotlib."""

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
SLOPE = ", from the slope of e"

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
        One per table, all different, for the legend.
    exact_curves : list of (str, list of dict)
        One pair per system: the name of its first run and rows of exact results in order of temperature.

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
    names = [_plain_label(name) for name in names]
    axes = figure.subplots(2, 2, sharex=True).ravel()
    for axis, (quantity, label) in zip(axes, PANELS, strict=True):
        for position, (table, name) in enumerate(zip(tables, names, strict=True)):
            _draw_run(axis, quantity, table["rows"], name, position, len(tables))
        for position, (name, rows) in enumerate(exact_curves):
            exact_name = "exact" if len(exact_curves) == 1 else f"exact, {_plain_label(name)}"
            _draw_exact(axis, quantity, rows, exact_name, EXACT_STYLES[position % len(EXACT_STYLES)])
        axis.set_ylabel(label)
        axis.grid(True, color="0.9", linewidth=0.6)
        axis.set_axisbelow(True)
        if not axis.has_data():
            axis.text(0.5, 0.5, "not measured", transform=axis.transAxes, ha="center", va="center", color="0.4")
    _temperature_axis(axes, [row["temperature"] for table in tables for row in table["rows"] if "temperature" in row])
    _legend(figure, axes, names)
    figure.suptitle(_title(tables), fontsize=11)
    return figure


def save_ground_states(path, tables, histories, names, exact_energies=None):
    """Draw the energy against the step and against the variance of ground-state runs and write the figure.

    Parameters
    ----------
    path, tables, names
        As for `save_figure`.
    histories : list of dict
        As `checkpoint.read_history` returns them.
    exact_energies : dict of str: float
        Exact energy per site of some runs, by name.

    Raises
    ------
    ValueError
        For an ending that matplotlib cannot write.
    """
    figure = Figure(figsize=(9.0, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    names = [_plain_label(name) for name in names]
    exact = {_plain_label(name): energy for name, energy in (exact_energies or {}).items()}
    steps, variances = figure.subplots(1, 2)
    for position, (table, history, name) in enumerate(zip(tables, histories, names, strict=True)):
        colour, marker = COLOURS[position % len(COLOURS)], MARKERS[position % len(MARKERS)]
        if len(history.get("step", [])):
            steps.plot(history["step"], history["energy"], color=colour, linewidth=0.9, label=name)
        for row in table["rows"]:
            variances.errorbar(
                row["variance"], row["energy"], xerr=row["variance_error"], yerr=row["energy_error"],
                color=colour, marker=marker, linestyle="none", capsize=2.5, label=name,
            )
        if name in exact:
            for axis in (steps, variances):
                axis.axhline(exact[name], color=colour, linewidth=0.8, linestyle="--")
    steps.set_xlabel("step")
    variances.set_xlabel(r"variance per site  $\mathrm{Var}(H)/N$  [J$^2$]")
    for axis in (steps, variances):
        axis.set_ylabel("energy per site  $e$  [J]")
        axis.grid(True, color="0.9", linewidth=0.6)
        axis.set_axisbelow(True)
    if steps.has_data():
        steps.legend(frameon=False, fontsize=9)
    figure.suptitle(_title(tables), fontsize=11)
    figure.savefig(path, dpi=150)


def _draw_run(axis, quantity, rows, name, position, n_runs):
    """Draw the points of one run; the specific heat also from the slope of the energy, with open markers."""
    colour, marker = COLOURS[position % len(COLOURS)], MARKERS[position % len(MARKERS)]
    style = {
        "color": colour,
        "marker": marker,
        "markersize": 5.5,
        "linestyle": "none",
        "zorder": 3 + position / max(n_runs, 1),
    }
    points = _points(rows, quantity)
    if points:
        temperatures, values, errors = zip(*points, strict=True)
        axis.errorbar(temperatures, values, yerr=errors, capsize=2.5, elinewidth=1.0, label=name, **style)
    slopes = _points(rows, "specific_heat_slope") if quantity == "specific_heat" else []
    if slopes:
        temperatures, values, _ = zip(*slopes, strict=True)
        axis.plot(temperatures, values, label=name + SLOPE, **(style | {"markerfacecolor": "none", "markersize": 8.5}))


def _draw_exact(axis, quantity, rows, label, style):
    points = _points(rows, quantity)
    if points:
        temperatures, values, _ = zip(*points, strict=True)
        axis.plot(temperatures, values, color="0.25", linewidth=1.2, linestyle=style, label=label, zorder=2)


def _plain_label(name):
    """Return a file name as a label: matplotlib hides a leading _ and typesets what stands between $."""
    return name.lstrip("_").replace("$", r"\$") or "run"


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


def _legend(figure, axes, names):
    """Put one legend for all panels below them: a column for each run, what is exact last."""
    entries = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    wanted = [label for name in names for label in (name, name + SLOPE)]
    labels = [label for label in wanted if label in entries] + [label for label in entries if label not in wanted]
    if labels:
        columns = min(4, (len(labels) + 1) // 2)
        figure.legend(
            [entries[label] for label in labels],
            labels,
            loc="outside lower center",
            ncols=columns,
            frameon=False,
            fontsize=9,
        )


def _title(tables):
    """Return the systems of the tables, each once."""
    lines = list(dict.fromkeys(describe(table.get("settings", {}), table.get("n_sites")) for table in tables))
    return "\n".join(lines[:4] + (["..."] if len(lines) > 4 else []))
