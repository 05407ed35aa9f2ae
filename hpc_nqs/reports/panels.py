"""What stands in one panel of a figure: points, bands, lines and maps on axes that `figures` makes.

Colours are distinguishable with every kind of colour vision; markers, fillings and line styles carry the same
information in black and white.
"""

import math

from hpc_nqs.hamiltonians import MODELS
from hpc_nqs.hamiltonians.energy_bound import energy_bound
from hpc_nqs.observables.thermodynamics import infinite_temperature_entropy
from hpc_nqs.reports.lost import CORRELATIONS, is_lost
from hpc_nqs.reports.series import error_of, finite, points, systematic_of, value_of
from hpc_nqs.settings.parsing import SettingsError, parse_settings
from hpc_nqs.settings.system import build

# Okabe-Ito colours for runs; shades from dark to light for an order, such as temperatures.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
EXACT_STYLES = ("-", "--", ":", "-.")
REFERENCE_MARKERS = ("x", "+", "1", "2")
GREY = "0.25"
SLOPE = ", from the slope of e"
BAND = "total error"
LOST = "lost: error of half the value or more"
SHADES = ("#00224e", "#2b406d", "#595e6e", "#7e7d78", "#a99f73", "#d6c35d")

COLUMN_NAMES = {
    "acceptance": "accepted moves",
    "effective_fraction": "effective samples",
    "solver_iterations": "solver iterations",
    "n_kept": "directions kept",
}


def shade(position, count):
    """Return the colour of one of `count` ordered things."""
    return SHADES[round(position * (len(SHADES) - 1) / max(count - 1, 1))]


def say(axis, words):
    """Write words into the middle of an empty panel."""
    axis.text(0.5, 0.5, words, transform=axis.transAxes, ha="center", va="center", color="0.4")


def plain_label(name):
    """Return a file name as a label: matplotlib hides a leading _ and typesets what stands between $."""
    return name.lstrip("_").replace("$", r"\$") or "run"


def draw_all(axis, quantity, key, tables, names, exact_curves, references):
    """Draw a quantity of all runs and of everything they are compared with; what is lost does not set the scale."""
    for position, (table, name) in enumerate(zip(tables, names, strict=True)):
        draw_run(axis, table, quantity, key, name, position, len(tables))
    for position, (name, rows) in enumerate(exact_curves):
        found = points(rows, quantity, key)
        if found:
            label = "exact" if len(exact_curves) == 1 else f"exact, {plain_label(name)}"
            temperatures, values, _, _ = zip(*found, strict=True)
            style = EXACT_STYLES[position % len(EXACT_STYLES)]
            axis.plot(temperatures, values, color=GREY, linewidth=1.1, linestyle=style, label=label, zorder=2)
    for position, (name, rows) in enumerate(references):
        found = points(rows, quantity, key)
        if found:
            temperatures, values, errors, _ = zip(*found, strict=True)
            axis.errorbar(
                temperatures,
                values,
                yerr=errors,
                color="0.1",
                marker=REFERENCE_MARKERS[position % len(REFERENCE_MARKERS)],
                markersize=6,
                linestyle="none",
                elinewidth=0.8,
                label=plain_label(name),
                zorder=2.5,
            )
    low, high = axis.get_ylim() if axis.has_data() else (-math.inf, math.inf)
    for position, table in enumerate(tables):
        draw_lost(axis, table["rows"], quantity, key, position, (low, high))
    if math.isfinite(low):
        axis.set_ylim(low, high)


def draw_run(axis, table, quantity, key, name, position, n_runs):
    """Draw the points of one run; the specific heat also from the slope of the energy, with open markers."""
    colour, marker = COLOURS[position % len(COLOURS)], MARKERS[position % len(MARKERS)]
    style = {"color": colour, "marker": marker, "markersize": 4.5, "linestyle": "none"}
    style["zorder"] = 3 + position / max(n_runs, 1)
    rows = [row for row in table["rows"] if not is_lost(row, quantity, key)]
    found = points(rows, quantity, key)
    if found:
        temperatures, values, errors, systematic = zip(*found, strict=True)
        axis.errorbar(temperatures, values, yerr=errors, capsize=2.0, elinewidth=0.9, label=name, **style)
        if any(systematic):
            draw_band(axis, found, colour, possible_range(quantity, table))
    slopes = points(rows, "specific_heat_slope") if quantity == "specific_heat" else []
    if slopes:
        temperatures, values, _, _ = zip(*slopes, strict=True)
        axis.plot(temperatures, values, label=name + SLOPE, **(style | {"markerfacecolor": "none", "markersize": 7.5}))


def draw_lost(axis, rows, quantity, key, position, limits):
    """Draw the lost points of one run hollow and grey, those beyond the limits of the panel at its edge."""
    found = points([row for row in rows if is_lost(row, quantity, key)], quantity, key)
    if found:
        temperatures, values, _, _ = zip(*found, strict=True)
        shown = [min(max(value, limits[0]), limits[1]) for value in values]
        style = {"color": "0.6", "marker": MARKERS[position % len(MARKERS)], "markerfacecolor": "none"}
        axis.plot(temperatures, shown, linestyle="none", markersize=5.5, label=LOST, zorder=2.8, clip_on=False, **style)


def draw_band(axis, found, colour, possible=(-math.inf, math.inf)):
    """Draw value +- total error, statistical and systematic in quadrature, as a band behind the points.

    Parameters
    ----------
    found : list
        Of `series.points`.
    possible : (float, float)
        The band is cut to what the quantity can be, but not away from its points.
    """
    temperatures, values, errors, systematic = zip(*sorted(found), strict=True)
    total = [math.hypot(*parts) for parts in zip(errors, systematic, strict=True)]
    low = [min(value, max(value - part, possible[0])) for value, part in zip(values, total, strict=True)]
    high = [max(value, min(value + part, possible[1])) for value, part in zip(values, total, strict=True)]
    axis.fill_between(temperatures, low, high, color=colour, alpha=0.18, linewidth=0, label=BAND, zorder=1)


def possible_range(quantity, table):
    """Return the least and the largest value that a quantity of a table can have."""
    if quantity == "energy":
        return lowest_energy(table), math.inf
    if quantity == "entropy":
        model = _model_of(table)
        return 0.0, math.log(2.0) if model is None else infinite_temperature_entropy(model)
    if quantity in ("specific_heat", "susceptibility", "structure_factor"):
        return 0.0, math.inf
    return (-0.25, 0.25) if quantity in CORRELATIONS else (-math.inf, math.inf)


def lowest_energy(table):
    """Return the bound of e of a table from clusters of H, minus infinity for electrons and where there is no model."""
    model = _model_of(table)
    if model is None or MODELS[model.kind].of_electrons:
        return -math.inf
    return energy_bound(model) / model.n_sites


def _model_of(table):
    """Return the model of a table, None where its settings make none; its units are spins or spin-orbitals."""
    try:
        return build(parse_settings(table.get("settings", {})))[1]
    except SettingsError:
        return None


def correlation_title(quantity, key):
    """Return the title of the axis of S(q) or of the correlation of a shell."""
    if quantity == "structure_factor":
        components = [multiple_of_pi(part) for part in key.split(",")]
        return f"$S({', '.join(components)})$"
    return f"$\\langle S^z_i S^z_j\\rangle$, shell {key}"


def time_title(vector):
    """Return the title of the axis of C(q, tau), of the local correlation for None."""
    if vector is None:
        return r"$\langle S^z_i(\tau)\, S^z_i\rangle$"
    return f"$C({', '.join(multiple_of_pi(part) for part in vector.split(','))}; \\tau)$"


def multiple_of_pi(part):
    """Return one component of a wave vector, "0.5" in units of pi, as mathematical text."""
    if part in ("0", "-0"):
        return "0"
    return {"1": r"\pi", "-1": r"-\pi"}.get(part, rf"{part}\pi")


def draw_radial(axis, table, name):
    """Draw the correlations of one run against distance, a line for each of at most six temperatures."""
    rows = [row for row in table["rows"] if row.get("correlation") and not is_lost(row, "energy")]
    chosen = rows if len(rows) <= len(MARKERS) else [rows[k * (len(rows) - 1) // 5] for k in range(6)]
    for position, row in enumerate(chosen):
        found = sorted((float(r), *pair) for r, pair in row["correlation"].items() if finite(pair[0]))
        distances, values, errors = zip(*found, strict=True)
        errors = [error or 0.0 for error in errors]
        systematic = [systematic_of(row, "correlation", key) or 0.0 for key in sorted(row["correlation"], key=float)]
        if any(systematic) and len(systematic) == len(values):
            band = list(zip(distances, values, errors, systematic, strict=True))
            draw_band(axis, band, shade(position, len(chosen)), (-0.25, 0.25))
        axis.errorbar(
            distances,
            values,
            yerr=errors,
            color=shade(position, len(chosen)),
            marker=MARKERS[position],
            markersize=4,
            linewidth=0.9,
            linestyle=EXACT_STYLES[position % len(EXACT_STYLES)],
            capsize=2,
            label=f"_T = {row['temperature']:g}",
        )
    axis.axhline(0.0, color=GREY, linewidth=0.6)
    axis.set_xlabel("distance  $r$")
    axis.set_ylabel("$\\langle S^z_0 S^z_r\\rangle$" + (f", {name}" if name else ""))
    axis.legend(
        axis.containers, [f"T = {row['temperature']:g}" for row in chosen], fontsize="small", frameon=False, ncols=2
    )


def draw_times(axis, rows, quantity, vector, exact_rows, title):
    """Draw a correlation in imaginary time for each of at most six temperatures, from tau = 0 to beta / 2.

    Parameters
    ----------
    rows, exact_rows : list of dict
        Of a table, and the exact ones beside them, drawn as lines; none of the second: dotted guides join the points
        where there are more than two.  Pale bars are total errors: between the points C is convex, not straight.
    quantity : str
    vector : str or None
        "qx,qy" of `time_correlation`.
    title : str
    """
    pairs = list(zip(rows, exact_rows or [{}] * len(rows), strict=True))
    pairs = [pair for pair in pairs if _times(pair[0], quantity, vector)]
    chosen = pairs if len(pairs) <= len(MARKERS) else [pairs[k * (len(pairs) - 1) // 5] for k in range(6)]
    handles = []
    for position, (row, exact) in enumerate(chosen):
        colour = shade(position, len(chosen))
        taus, values, errors, systematic = zip(*_times(row, quantity, vector), strict=True)
        total = [math.hypot(*parts) for parts in zip(errors, systematic, strict=True)]
        if any(systematic):
            bars = {"linewidth": 5, "alpha": 0.25, "capstyle": "butt", "label": BAND, "zorder": 1}
            low = [value - part for value, part in zip(values, total, strict=True)]
            high = [value + part for value, part in zip(values, total, strict=True)]
            axis.vlines(taus, low, high, color=colour, **bars)
        curve = _times(exact, quantity, vector)
        guided = len(taus) > 2 and not curve
        style = {"color": colour, "marker": MARKERS[position], "markersize": 4.5, "capsize": 2, "linewidth": 0.8}
        style |= {"linestyle": ":" if guided else "none", "label": f"_T = {row['temperature']:g}", "zorder": 3}
        handles.append(axis.errorbar(taus, values, yerr=errors, **style))
        if curve:
            along, exactly, *_ = zip(*curve, strict=True)
            axis.plot(along, exactly, color=colour, linewidth=0.9, label="exact", zorder=2)
    low, high = axis.get_ylim()
    axis.set_ylim(low, high + 0.14 * (high - low))  # for the legend
    axis.set_xlabel(r"imaginary time  $\tau$  [1/J]")
    axis.set_ylabel(title)
    axis.legend(
        handles, [f"T = {row['temperature']:.4g}" for row, _ in chosen], fontsize="small", frameon=False, ncols=2
    )


def _times(row, quantity, vector):
    """Return [(tau, value, statistical error, systematic error)] of a correlation of a row, the earliest first."""
    found = []
    for key in row.get(quantity) or {}:
        of, _, k = key.rpartition(",")
        value = value_of(row, quantity, key)
        if of == (vector or "") and finite(value):
            errors = error_of(row, quantity, key) or 0.0, systematic_of(row, quantity, key) or 0.0
            found.append((int(k) * row["beta"] / row["links"], value, *errors))
    return sorted(found)


def shown_columns(histories, columns):
    """Return the columns that the histories have; of the two of the solver the one that says something."""
    present = [column for column in columns if any(column in history for history in histories)]
    if columns[0] == "solver_iterations":
        counts = [history[columns[0]].max() for history in histories if len(history.get(columns[0], ()))]
        return present[:1] if any(counts) else [column for column in present if column != columns[0]]
    return present


def draw_history(axis, history, column, style, position, name):
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


def draw_levels(axes, rows, history, exact_rows, name, position):
    """Draw the energies of one ground-state run: against the step, and of its results against their variances."""
    steps, variances = axes
    colour, marker = COLOURS[position % len(COLOURS)], MARKERS[position % len(MARKERS)]
    if len(history.get("energy", ())):
        numbers = range(1, len(history["energy"]) + 1)
        steps.plot(numbers, history["energy"], color=colour, linewidth=0.9, label=name)
    for row in rows:
        if finite(row.get("energy")) and finite(row.get("variance")):
            errors = {axis: row.get(f"{key}_error") or 0.0 for axis, key in (("xerr", "variance"), ("yerr", "energy"))}
            style = {"color": colour, "marker": marker, "markersize": 4.5, "linestyle": "none", "capsize": 2.0}
            variances.errorbar(row["variance"], row["energy"], label=name, **errors, **style)
    for energy in {row["energy"] for row in exact_rows if "energy" in row}:
        for axis in axes:
            axis.axhline(energy, color=colour, linewidth=0.8, linestyle="--", label=f"exact, {name}")


def name_the_styles(axis, columns):
    """Say in a panel what its solid and its dashed lines are."""
    lines = [axis.plot([], [], color=GREY, linestyle=style, linewidth=1.0)[0] for style in ("-", "--")]
    axis.legend(lines, [COLUMN_NAMES[column] for column in columns], frameon=False, fontsize="small")


def draw_map(figure, axis, runs, label):
    """Draw values as coloured cells over parameter (one column per run) and temperature."""
    if not runs or not all(finite(value) for value, _ in runs):
        say(axis, "no numbers to draw")
        return
    places = [value for value, _ in runs]
    coordinates = [(value, temperature, number) for value, found in runs for temperature, number, *_ in found]
    x, y, z = zip(*coordinates, strict=True)
    if len(places) > 1 and all(len(found) > 1 for _, found in runs):
        shown = axis.tricontourf(x, [math.log(t) for t in y], z, levels=12, cmap="cividis")
        axis.plot(x, [math.log(t) for t in y], ".", color="white", markersize=2.5, markeredgewidth=0)
    else:
        shown = axis.scatter(x, [math.log(t) for t in y], c=z, cmap="cividis")
    figure.colorbar(shown, ax=axis, label=label)
    ticks = sorted(set(y))
    ticks = ticks if len(ticks) <= 8 else ticks[:: -(-len(ticks) // 8)]
    axis.set_yticks([math.log(t) for t in ticks], [f"{t:g}" for t in ticks])
    axis.locator_params(axis="x", nbins=6)
    axis.tick_params(pad=5)
