"""A quantity of the runs of a sweep in panels: a map over parameter and temperature, a curve per run."""

import math

from hpc_nqs.reports.lost import is_lost
from hpc_nqs.reports.panels import EXACT_STYLES, LOST_STYLE, MARKERS, draw_totals, possible_range, say, shade
from hpc_nqs.reports.series import finite, points

LEVELS = 12


def kept_points(rows, quantity):
    """Return (`series.points` that are not lost, those that are)."""
    lost = [row for row in rows if is_lost(row, quantity)]
    return points([row for row in rows if row not in lost], quantity), points(lost, quantity)


def kept_runs(runs, quantity):
    """Return [(place, points)] of runs (place, label, rows, exact rows) with points that are not lost."""
    found = [(place, kept_points(rows, quantity)[0]) for place, _, rows, _ in runs]
    return [run for run in found if run[1]]


def limits_of_groups(groups, quantity):
    """Return the least and the largest value of groups [(words, runs)], which maps of one figure share."""
    values = [point[1] for _, runs in groups for _, found in kept_runs(runs, quantity) for point in found]
    return (min(values), max(values)) if values else (0.0, 0.0)


def draw_map(figure, axis, runs, label, limits):
    """Draw values as coloured areas over parameter and temperature, or as points where there are too few.

    Parameters
    ----------
    figure, axis
        Of matplotlib.
    runs : list of (number, list)
        The parameter and `series.points` of every run.
    label : str
        Of the colours.
    limits : (float, float)
        Of the colours.
    """
    if not runs or not all(finite(value) for value, _ in runs):
        say(axis, "no map: the swept values are no numbers" if runs else "no numbers to draw")
        axis.set(xticks=[], yticks=[])
        return
    coordinates = [(value, temperature, number) for value, found in runs for temperature, number, *_ in found]
    x, y, z = zip(*coordinates, strict=True)
    low, high = limits
    if len({value for value, _ in runs}) > 1 and all(len(found) > 1 for _, found in runs) and high > low:
        steps = [low + k * (high - low) / LEVELS for k in range(LEVELS + 1)]
        shown = axis.tricontourf(x, [math.log(t) for t in y], z, levels=steps, cmap="cividis")
        shown.set_edgecolor("face")  # no white seams between the areas in PDF
        axis.plot(x, [math.log(t) for t in y], ".", color="white", markersize=3, markeredgewidth=0, clip_on=False)
    else:
        shown = axis.scatter(x, [math.log(t) for t in y], c=z, cmap="cividis", vmin=low, vmax=high)
    bar = figure.colorbar(shown, ax=axis, label=label)
    bar.set_ticks([tick for tick in axis.yaxis.get_major_locator().tick_values(low, high) if low <= tick <= high])
    ticks = sorted(set(y))
    ticks = ticks if len(ticks) <= 8 else ticks[:: -(-len(ticks) // 8)]
    axis.set_yticks([math.log(t) for t in ticks], [f"{t:.4g}" for t in ticks])
    axis.locator_params(axis="x", nbins=6)
    axis.tick_params(pad=5)


def draw_curves(axis, runs, quantity):
    """Draw the quantity of runs [(label, rows, exact rows)] against temperature; return the handles of a legend.

    Dark to light; lines are exact results where there are any, guides from point to point elsewhere.
    """
    handles, lost = [], []
    for position, (label, rows, exact_rows) in enumerate(runs):
        found, lost_points = kept_points(rows, quantity)
        colour, marker = shade(position, len(runs)), MARKERS[position % len(MARKERS)]
        if found:
            temperatures, values, errors, _ = zip(*sorted(found), strict=True)
            style = {"linestyle": EXACT_STYLES[position % len(EXACT_STYLES)], "linewidth": 0.9, "markersize": 4.5}
            style |= {"color": colour, "marker": marker, "capsize": 2, "label": label}
            handles.append(axis.errorbar(temperatures, values, yerr=errors, **style))
            draw_totals(axis, found, colour, possible_range(quantity, {}))
        curve = points(exact_rows, quantity)
        if found and curve:
            handles[-1].lines[0].set_linestyle("none")
            along, exactly, *_ = zip(*curve, strict=True)
            axis.plot(along, exactly, color=colour, linestyle=EXACT_STYLES[position % len(EXACT_STYLES)], label="exact")
        lost += [(*point, marker) for point in lost_points]
    low, high = axis.get_ylim() if axis.has_data() else (-math.inf, math.inf)
    for temperature, value, _, _, marker in lost:
        shown = min(max(value, low), high)
        axis.plot([temperature], [shown], marker=marker, zorder=2.8, clip_on=False, **LOST_STYLE)
    if math.isfinite(low):
        axis.set_ylim(low, high)
    return handles
