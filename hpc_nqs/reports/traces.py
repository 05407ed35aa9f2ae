"""What a run did step by step, in panels: the meters of a cooling, the descent and the levels of ground states."""

import math

from hpc_nqs.reports.labels import in_units
from hpc_nqs.reports.panels import COLOURS, GREY, MARKERS
from hpc_nqs.reports.series import finite
from hpc_nqs.reports.text import R_HAT_LIMIT, RESIDUAL_LIMIT

COLUMN_NAMES = {
    "acceptance": "accepted moves",
    "effective_fraction": "effective samples",
    "solver_iterations": "solver iterations",
    "n_kept": "directions kept",
}
# Panels of the convergence page: columns of the history, title and unit of the axis, logarithmic, limit worth a line.
CONVERGENCE = (
    (("tdvp_residual",), "TDVP residual $r^2$", "", True, RESIDUAL_LIMIT),
    (("dtau",), r"step $\Delta\tau$", "1/J", True, None),
    (("acceptance", "effective_fraction"), "accepted, effective samples", "", False, None),
    (("r_hat",), r"split $\hat{R}$ of the energy", "", False, R_HAT_LIMIT),
    (("autocorrelation",), "autocorrelation", "samples", False, None),
    (("solver_iterations", "n_kept"), "solver", "", False, None),
)
OF_CHAINS = ("acceptance", "r_hat", "autocorrelation")  # 1 at every step of exact sums


def convergence_panels(histories):
    """Return the entries of `CONVERGENCE` that say something: those of chains only where there are chains.

    Nothing positive is nothing on a logarithmic axis: dtau of an analytic run in continuous time.
    """
    panels = []
    for panel in CONVERGENCE:
        columns = shown_columns(histories, panel[0])
        values = [value for history in histories for value in history.get(panel[0][0], ())]
        empty = panel[3] and not any(value > 0.0 for value in values)
        if columns and not empty and not (panel[0][0] in OF_CHAINS and all(value == 1.0 for value in values)):
            panels.append(panel)
    return panels


def shown_columns(histories, columns):
    """Return the columns that the histories have; of the two of the solver the one that says something."""
    present = [column for column in columns if any(len(history.get(column, ())) for history in histories)]
    if columns[0] == "solver_iterations":
        counts = [history[columns[0]].max() for history in histories if len(history.get(columns[0], ()))]
        return present[:1] if any(counts) else [column for column in present if column != columns[0]]
    return present


def draw_meter(axis, panel, histories, names, symbol):
    """Draw one panel of `convergence_panels` against beta; `symbol` is that of `labels.energy_symbol`."""
    columns, title, unit, logarithmic, limit = panel
    shown = shown_columns(histories, columns)
    for position, (history, name) in enumerate(zip(histories, names, strict=True)):
        for style, column in zip(("-", "--"), shown, strict=False):
            _draw_history(axis, history, column, style, position, name)
    if limit is not None and axis.has_data():
        axis.axhline(limit, color=GREY, linewidth=0.8, linestyle=":")
    if logarithmic and axis.has_data():
        axis.set_yscale("log")
    title = title if title != "solver" else COLUMN_NAMES.get(shown[0] if shown else "", title)
    axis.set_ylabel(title + in_units(unit, symbol))
    if len(shown) > 1:
        _name_the_styles(axis, shown)


def _draw_history(axis, history, column, style, position, name):
    """Draw one column of the history of one run against beta; nothing where it is absent."""
    if not len(history.get(column, ())) or "beta" not in history:
        return
    axis.plot(
        history["beta"],
        history[column],
        color=COLOURS[position % len(COLOURS)],
        linestyle=style,
        linewidth=1.0,
        marker=MARKERS[position % len(MARKERS)],
        markersize=3.0,
        markevery=max(1, len(history["beta"]) // 12),
        label=name if style == "-" else f"_{name}",
    )


def _name_the_styles(axis, columns):
    """Say in a panel what its solid and its dashed lines are."""
    lines = [axis.plot([], [], color=GREY, linestyle=style, linewidth=1.0)[0] for style in ("-", "--")]
    axis.legend(lines, [COLUMN_NAMES[column] for column in columns], frameon=False, fontsize="small")


def level_panels(tables, histories):
    """Return which panels of ground-state runs have something to show, of "energy", "v_score" and "variance".

    Energies stand against variances where there are at least two to compare, Lanczos steps among them.
    """
    found = [column for column in ("energy", "v_score") if any(len(history.get(column, ())) for history in histories)]
    rows = [row for table in tables for row in table["rows"]]
    return found + ["variance"] * (sum(len(_states(row)) for row in rows) > 1)


def _states(row):
    """Return (ending of the columns, filling) of a final state and its Lanczos step, of those that a row has."""
    ends = (("", "full"), ("_lanczos", "none"))
    return [each for each in ends if finite(row.get(f"energy{each[0]}")) and finite(row.get(f"variance{each[0]}"))]


def draw_descent(axis, column, history, exact_rows, name, position, limit=None):
    """Draw the energy or the V-score of one ground-state run against the step, and its exact energies or a limit."""
    colour = COLOURS[position % len(COLOURS)]
    if len(history.get(column, ())):
        numbers = range(1, len(history[column]) + 1)
        axis.plot(numbers, history[column], color=colour, linewidth=0.9, label=name)
    if column == "v_score":
        axis.set_yscale("log")
        if limit:
            axis.axhline(limit, color=GREY, linewidth=0.8, linestyle=":", label="goal of the run")
    else:
        _draw_exact(axis, exact_rows, name, colour)


def draw_variances(axis, rows, exact_rows, name, position):
    """Draw the results of one ground-state run, energies against variances, and its exact energies.

    The Lanczos step is hollow; a dotted line leads to the limit of zero variance with its total error.
    """
    colour, marker = COLOURS[position % len(COLOURS)], MARKERS[position % len(MARKERS)]
    style = {"color": colour, "marker": marker, "markersize": 4.5, "linestyle": "none", "capsize": 2.0}
    for row in rows:
        for end, filling in _states(row):
            sides = ("xerr", f"variance{end}"), ("yerr", f"energy{end}")
            errors = {side: row.get(f"{key}_error") or 0.0 for side, key in sides}
            label = name + (", Lanczos step" if end else "")
            axis.errorbar(
                row[f"variance{end}"], row[f"energy{end}"], label=label, fillstyle=filling, **errors, **style
            )
        if finite(row.get("energy_extrapolated")):
            parts = [row.get(f"energy_extrapolated_{part}") or 0.0 for part in ("error", "systematic")]
            limit = row["energy_extrapolated"]
            axis.plot([row["variance"], 0], [row["energy"], limit], color=colour, linewidth=0.8, linestyle=":")
            axis.errorbar(0, limit, yerr=math.hypot(*parts), label=f"{name}, limit", **style | {"marker": "x"})
    _draw_exact(axis, exact_rows, name, colour)


def _draw_exact(axis, exact_rows, name, colour):
    for energy in {row["energy"] for row in exact_rows if "energy" in row}:
        axis.axhline(energy, color=colour, linewidth=0.8, linestyle="--", label=f"exact, {name}")


def draw_levels(axis, panel, tables, histories, names, exact_rows, goal):
    """Draw one of `level_panels` of all runs; arguments as for `figures.ground_states`, `goal` a V-score or None."""
    for position, (table, history, name) in enumerate(zip(tables, histories, names, strict=True)):
        exact = exact_rows[position] if exact_rows else ()
        if panel == "variance":
            draw_variances(axis, table["rows"], exact, name, position)
        else:
            draw_descent(axis, panel, history, exact, name, position, goal)


def name_levels(axis, panel, symbol, narrow):
    """Name the axes of one of `level_panels`, on a narrow figure in short."""
    of_energy = "$e$" if narrow else "energy per site  $e$"
    axis.set_ylabel("V-score" if panel == "v_score" else of_energy + in_units("J", symbol))
    of_variance = r"variance per site  $\mathrm{Var}(H)/N$" + in_units("J$^2$", symbol)
    axis.set_xlabel(of_variance if panel == "variance" else "step")
