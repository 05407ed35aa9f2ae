"""Energy and specific heat against temperature in plain characters, for terminals, pipes and job logs."""

import math
import re

from hpc_nqs.reports.series import points

WIDTH, HEIGHT = 39, 12  # of one chart in characters, its frame included; two stand side by side
_LABEL = 7  # characters of the numbers at the left
MIN_POINTS = 3


def charts(rows):
    """Return the charts of e(T) and c(T) side by side as text, at most 80 columns wide; "" for fewer than 3 rows.

    Parameters
    ----------
    rows : list of dict
        Of a table. The specific heat from fluctuations is drawn as `*`, from the slope of e as `o`.
    """
    energy, heat, slope = (points(rows, name) for name in ("energy", "specific_heat", "specific_heat_slope"))
    if len(energy) < MIN_POINTS:
        return ""
    left = chart([("*", energy)], "e(T)")
    right = chart([("o", slope), ("*", heat)], "c(T)" + ("   o from the slope of e" if slope else ""))
    return "".join(
        f"{first.ljust(WIDTH + 2)}{second}".rstrip() + "\n" for first, second in zip(left, right, strict=True)
    )


def chart(series, title):
    """Return one chart as HEIGHT + 1 lines; temperatures on a logarithmic axis where they span a factor of four.

    Parameters
    ----------
    series : list of (str, list of (temperature, value, ...))
        A character and points; later series are drawn over earlier ones.
    title : str
    """
    drawn = [(mark, *point[:2]) for mark, found in series for point in found]
    n_columns, n_lines = WIDTH - _LABEL - 2, HEIGHT - 3
    canvas = [[" "] * n_columns for _ in range(n_lines)]
    temperatures, values = ([point[k] for point in drawn] for k in (1, 2))
    if not drawn:
        return [title.ljust(WIDTH), *(["".ljust(WIDTH)] * HEIGHT)]
    wide = max(temperatures) >= 4 * min(temperatures)
    x_scale = _scale([math.log(t) if wide else t for t in temperatures], n_columns)
    y_scale = _scale(values, n_lines)
    for mark, temperature, value in drawn:
        x = x_scale(math.log(temperature) if wide else temperature)
        canvas[n_lines - 1 - y_scale(value)][x] = mark
    labels = {0: max(values), n_lines - 1: min(values)}
    lines = [f"{'':{_LABEL + 1}}{title}"]
    for number, row in enumerate(canvas):
        label = _short(labels[number]) if number in labels else ""
        lines.append(f"{label:>{_LABEL}} |{''.join(row)}")
    lines.append(f"{'':{_LABEL + 1}}+{'-' * n_columns}")
    low, high = f"T = {min(temperatures):.3g}", f"{max(temperatures):.3g}"
    middle = "(log)" if wide else ""
    lines.append(f"{'':{_LABEL + 2}}{low}{middle.center(n_columns - len(low) - len(high))}{high}")
    return [line.ljust(WIDTH) for line in [*lines, ""]]


def _scale(numbers, n_cells):
    """Return the function that maps the range of the numbers to the cells 0 to n_cells - 1."""
    low, high = min(numbers), max(numbers)
    span = high - low or 1.0
    return lambda number: round((number - low) / span * (n_cells - 1))


def _short(value):
    """Return a number in at most seven characters, with as many digits as fit."""
    for digits in (4, 3, 2, 1):
        power = re.sub(r"e([+-])0*", r"e\1", f"{value:.{digits - 1}e}").replace("e+", "e")
        for text in (f"{value:.{digits}g}", power):
            if len(text) <= _LABEL:
                return text
    return text[:_LABEL]
