"""The frame around the panels of a page: which panels, their letters, the titles of their axes and the legend."""

import math
import textwrap

from hpc_nqs.reports.panels import SLOPE
from hpc_nqs.reports.series import points

MARGIN, ERRORS = 0.1, 2.5  # around a single value: of its size, or of its error


def lowest(axes):
    """Return the axes below which no other one stands, with the labels of their ticks shown."""
    found = []
    for position, axis in enumerate(axes):
        column = axis.get_subplotspec().colspan.start
        if all(other.get_subplotspec().colspan.start != column for other in axes[position + 1 :]):
            axis.tick_params(labelbottom=True)
            found.append(axis)
    return found


def with_curves(tables, panels):
    """Return the panels (quantity, key) without those of one temperature, unless all are of one."""
    many = [panel for panel in panels if len(_temperatures(tables, *panel)) > 1]
    return many or panels


def _temperatures(tables, quantity, key=None):
    return {temperature for table in tables for temperature, *_ in points(table["rows"], quantity, key)}


def frame_single(axis, tables, quantity, key, exact_curves, references):
    """Give a panel of one point alone the scale of its size or its error, not that of its last digits."""
    if exact_curves or references or len(_temperatures(tables, quantity, key)) != 1:
        return
    found = [point for table in tables for point in points(table["rows"], quantity, key)]
    around = [max(MARGIN * abs(value), ERRORS * math.hypot(*errors)) for _, value, *errors in found]
    ends = [value + sign * part for (_, value, *_), part in zip(found, around, strict=True) for sign in (-1, 1)]
    axis.set_ylim(min(ends), max(ends) if max(ends) > min(ends) else min(ends) + 1.0)


def curve_of(table, tables, names, exact_curves):
    """Return the exact rows of the system of a table: the curve has the name of the first run of this system."""
    system = _system_of(table)
    same = (name for other, name in zip(tables, names, strict=True) if other["rows"] and _system_of(other) == system)
    first = next(same, None)
    return next((rows for name, rows in exact_curves if name == first), [])


def _system_of(table):
    return {part: table.get("settings", {}).get(part) for part in ("lattice", "model")}


def letter(axis, axes, words=""):
    """Put the letter of a panel above it, and words behind it, where there are several."""
    if len(axes) > 1:
        axis.set_title(f"({chr(ord('a') + axes.index(axis))})" + (f"  {words}" if words else ""), loc="left", pad=3)


def folded(title, width):
    """Return a title with line breaks where it is too long for the figure, the first one before `on`."""
    fits, lines = int(14 * width), []
    for line in title.split("\n"):
        parts = [line] if len(line) < fits else line.replace(" on ", "\non ", 1).split("\n")
        lines += [each for part in parts for each in textwrap.wrap(part, fits)]
    return "\n".join(lines)


def legend(figure, axes, names):
    """Put one legend for all panels below them: the runs first, what they are compared with last."""
    entries = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    wanted = [label for name in names for label in (name, name + SLOPE)]
    labels = [label for label in wanted if label in entries] + [label for label in entries if label not in wanted]
    if labels:
        longest = max(map(len, labels))
        fits = max(1, int(figure.get_figwidth() * 15 / (longest + 8)))
        figure.legend(
            [entries[label] for label in labels],
            labels,
            loc="outside lower center",
            ncols=min(4, fits, len(labels)),
            frameon=False,
        )
