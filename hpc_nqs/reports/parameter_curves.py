"""A quantity against the parameter of a sweep, such as m(h), a curve for each of at most six temperatures."""

import math
from functools import partial

from hpc_nqs.reports.labels import quantity_title, unit_behind
from hpc_nqs.reports.lost import is_lost
from hpc_nqs.reports.panels import EXACT_STYLES, LOST_STYLE, MARKERS, draw_totals, possible_range, say, shade
from hpc_nqs.reports.profiles import chosen_of
from hpc_nqs.reports.series import error_of, finite, systematic_of, value_of

SAME = 1e-9  # relative, of two temperatures


def temperatures_of(runs):
    """Return at most six of the temperatures of runs [(place, label, rows, exact rows)], the highest first."""
    every = {row["temperature"] for _, _, rows, _ in runs for row in rows if row.get("temperature")}
    found = sorted(every, reverse=True)
    distinct = [t for k, t in enumerate(found) if not k or found[k - 1] - t > SAME * t]
    return chosen_of(distinct)


def points_over(runs, quantity, temperature):
    """Return [(place, value, statistical error, systematic error, whether lost)] at one temperature, in order."""
    found = []
    for place, _, rows, _ in runs:
        for row in rows:
            same = row.get("temperature") and abs(row["temperature"] - temperature) <= SAME * temperature
            if same and finite(place) and finite(value_of(row, quantity)):
                errors = (each(row, quantity) or 0.0 for each in (error_of, systematic_of))
                found.append((place, value_of(row, quantity), *errors, is_lost(row, quantity)))
    return sorted(found)


def curve_panels(sweep, quantity, narrow=False):
    """Return [(function that draws into an axis, words behind the letter)] of the groups of a sweep.

    Parameters
    ----------
    sweep : dict
        As `sweep_table.sweep_groups` returns it; "over" holds [(place, exact rows)] by the titles of groups.
    quantity : str
    narrow : bool
        Titles of axes in short.
    """
    title = quantity_title(quantity, sweep["symbol"], narrow)

    def draw(axis, words, runs):
        draw_over_parameter(axis, runs, quantity, sweep.get("over", {}).get(words, ()), sweep["symbol"])
        axis.set(xlabel=sweep["parameter"], ylabel=title)

    return [(partial(draw, words=words, runs=runs), words) for words, runs in sweep["groups"]]


def draw_over_parameter(axis, runs, quantity, over=(), symbol="J"):
    """Draw a quantity against the parameter, exact results as lines.

    Parameters
    ----------
    axis : matplotlib Axes
    runs : list of (place, label, rows, exact rows)
    quantity : str
    over : list of (place, rows)
        Exact rows in order of the parameter; none: lines join the points.
    symbol : str
        Of `labels.energy_symbol`.
    """
    chosen, drawn, words = temperatures_of(runs), [], []
    for position, temperature in enumerate(chosen):
        found = points_over(runs, quantity, temperature)
        kept, colour = [point[:4] for point in found if not point[4]], shade(position, len(chosen))
        line = EXACT_STYLES[position % len(EXACT_STYLES)]
        curve = points_over([(place, "", rows, ()) for place, rows in over], quantity, temperature)
        if curve:
            axis.plot(*list(zip(*curve, strict=True))[:2], color=colour, linestyle=line, linewidth=1.0, zorder=2)
        if kept:
            places, values, errors, _ = zip(*kept, strict=True)
            style = {"color": colour, "marker": MARKERS[position], "markersize": 4.5, "capsize": 2, "linewidth": 0.9}
            style |= {"linestyle": "none" if curve else line, "zorder": 3}
            words.append(f"T = {temperature:.4g}{unit_behind(symbol)}")
            drawn.append(axis.errorbar(places, values, yerr=errors, **style))
            draw_totals(axis, kept, colour, possible_range(quantity, {}))
    low, high = axis.get_ylim() if axis.has_data() else (-math.inf, math.inf)
    for position, temperature in enumerate(chosen):
        for place, value, *_, lost in points_over(runs, quantity, temperature):
            if lost:
                axis.plot([place], [min(max(value, low), high)], marker=MARKERS[position], zorder=2.8, clip_on=False,
                          **LOST_STYLE)
    if drawn:
        axis.set_ylim(low, high)
        axis.legend(drawn, words, fontsize="small", frameon=False)
    else:
        say(axis, "no numbers to draw")
