"""A quantity against temperature in one panel of a figure: runs with their errors, exact curves, reference data.

Colours are distinguishable with every kind of colour vision; markers, fillings and line styles carry the same
information in black and white.
"""

import math

from hpc_nqs.hamiltonians import MODELS
from hpc_nqs.hamiltonians.energy_bound import energy_bound
from hpc_nqs.observables.thermodynamics import infinite_temperature_entropy
from hpc_nqs.reports.labels import plain_label
from hpc_nqs.reports.lost import CORRELATIONS, is_lost
from hpc_nqs.reports.series import points
from hpc_nqs.reports.units import factor
from hpc_nqs.settings.parsing import SettingsError, parse_settings
from hpc_nqs.settings.system import build

# Okabe-Ito colours for runs; shades from dark to light for an order, such as temperatures.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
EXACT_STYLES = ("-", "--", ":", "-.")
REFERENCE_MARKERS = ("x", "+", "1", "2")
GREY = "0.25"
SLOPE = ", from the slope of e"
TOTAL = "total error"
LOST = "lost: error of half the value or more"
BAR = {"linewidth": 5, "alpha": 0.25, "capstyle": "butt", "zorder": 1}
LOST_STYLE = {"color": "0.6", "markerfacecolor": "none", "markersize": 5.5, "linestyle": "none", "label": LOST}
NOT_NEGATIVE = ("specific_heat", "susceptibility", "structure_factor", "double_occupancy", "local_moment")
NOT_NEGATIVE += ("charge_structure_factor", "filling", "compressibility")
SHADES = ("#00224e", "#2b406d", "#595e6e", "#7e7d78", "#a99f73", "#d6c35d")


def shade(position, count):
    """Return the colour of one of `count` ordered things."""
    return SHADES[round(position * (len(SHADES) - 1) / max(count - 1, 1))]


def say(axis, words):
    """Write words into the middle of an empty panel."""
    axis.text(0.5, 0.5, words, transform=axis.transAxes, ha="center", va="center", color="0.4")


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
    style = {"color": colour, "marker": marker, "linestyle": "none", "capsize": 2.0, "elinewidth": 0.9}
    style["zorder"] = 3 + position / max(n_runs, 1)
    open_marker = {"markerfacecolor": "none", "markersize": 7.5}
    shown = [(quantity, name, {"markersize": 4.5})]
    shown += [("specific_heat_slope", name + SLOPE, open_marker)] * (quantity == "specific_heat")
    for column, label, look in shown:
        found = points([row for row in table["rows"] if not is_lost(row, column, key)], column, key)
        if found:
            temperatures, values, errors, _ = zip(*found, strict=True)
            axis.errorbar(temperatures, values, yerr=errors, label=label, **style | look)
            draw_totals(axis, found, colour, possible_range(quantity, table))


def draw_lost(axis, rows, quantity, key, position, limits):
    """Draw the lost points of one run hollow and grey, those beyond the limits of the panel at its edge."""
    found = points([row for row in rows if is_lost(row, quantity, key)], quantity, key)
    if found:
        temperatures, values, _, _ = zip(*found, strict=True)
        shown = [min(max(value, limits[0]), limits[1]) for value in values]
        axis.plot(temperatures, shown, marker=MARKERS[position % len(MARKERS)], zorder=2.8, clip_on=False, **LOST_STYLE)


def draw_totals(axis, found, colour, possible=(-math.inf, math.inf)):
    """Draw value +- total error, statistical and systematic in quadrature, as pale bars behind the points.

    Nothing where no point has a systematic error.  Bars say nothing about what lies between the points.

    Parameters
    ----------
    found : list of (float, float, float, float)
        Place on the axis, value, statistical error, systematic error.
    possible : (float, float)
        Bars are cut to what the quantity can be, but not away from their points.
    """
    found = [point for point in found if point[3]]
    if not found:
        return
    places, values, errors, systematic = zip(*found, strict=True)
    total = [math.hypot(*parts) for parts in zip(errors, systematic, strict=True)]
    low = [min(value, max(value - part, possible[0])) for value, part in zip(values, total, strict=True)]
    high = [max(value, min(value + part, possible[1])) for value, part in zip(values, total, strict=True)]
    axis.vlines(places, low, high, color=colour, label=TOTAL, **BAR)


def possible_range(quantity, table):
    """Return the least and the largest value that a quantity of a table can have."""
    if quantity == "energy":
        return lowest_energy(table) * factor(table, quantity), math.inf
    if quantity == "entropy":
        model = _model_of(table)
        largest = math.log(2.0) if model is None else infinite_temperature_entropy(model)
        return 0.0, largest * factor(table, quantity)
    if quantity in NOT_NEGATIVE:
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
