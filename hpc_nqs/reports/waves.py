"""S(q) of one run over wave vectors: along a path of the Brillouin zone, and as a map of one temperature."""

import math

import numpy as np
from scipy.spatial import Voronoi

from hpc_nqs.lattices.periods import minimum_image, reduced
from hpc_nqs.lattices.wave_vectors import along_path, of_the_same_s, steps_of, zone_of
from hpc_nqs.reports.momenta import along
from hpc_nqs.reports.panels import GREY, MARKERS, draw_totals, shade
from hpc_nqs.reports.profiles import chosen_of
from hpc_nqs.reports.series import FEWEST_WAVES, error_of, keys_of, systematic_of, value_of
from hpc_nqs.settings.parsing import SettingsError, parse_settings
from hpc_nqs.settings.system import build_lattice

QUANTITY = "structure_factor"
PIXELS = 240  # of a map along either direction
MARGIN = 1.04
# Corners of paths in units of pi, nearest neighbours at distance 1; of several sites per cell those of the triangular
# or square lattice that the sites are part of.
_SQUARE = (("\\Gamma", (0, 0)), ("X", (1, 0)), ("M", (1, 1)), ("\\Gamma", (0, 0)))
_ROOT = 1 / math.sqrt(3)
_TRIANGULAR = (("\\Gamma", (0, 0)), ("M", (1, _ROOT)), ("K", (4 / 3, 0)), ("\\Gamma", (0, 0)))
_TURNED = (("\\Gamma", (0, 0)), ("M", (_ROOT, 1)), ("K", (0, 4 / 3)), ("\\Gamma", (0, 0)))
CORNERS = {
    "chain": (("0", (0, 0)), ("\\pi", (1, 0))),
    "ladder": (("0", (0, 0)), ("\\pi", (1, 0))),
    **dict.fromkeys(("square", "checkerboard", "shastry_sutherland"), _SQUARE),
    **dict.fromkeys(("triangular", "kagome", "maple_leaf"), _TRIANGULAR),
    "honeycomb": _TURNED,
}


def wave_panels(tables):
    """Return [(number of the run, "path" or "map")] of the runs that have S(q) at enough wave vectors."""
    panels = []
    for position, table in enumerate(tables):
        keys = keys_of([table], QUANTITY)
        if len(keys) >= FEWEST_WAVES:
            panels.append((position, "path"))
            if _has_map(_lattice_of(table), keys):
                panels.append((position, "map"))
    return panels


def _lattice_of(table):
    try:
        return build_lattice(parse_settings(table.get("settings", {})))
    except SettingsError:
        return None


def _has_map(lattice, keys):
    """Return whether wave vectors fill a plane: a periodic lattice in two dimensions, not all of them on a line."""
    if lattice is None or lattice.vectors is None or lattice.positions.shape[1] != 2 or not all(lattice.wraps):
        return False
    vectors = np.array([_vector(key) for key in keys])
    return np.linalg.matrix_rank(vectors, tol=1e-6) == 2


def _vector(key):
    return [*map(float, key.split(",")), 0.0][:2]


def places_of(table):
    """Return ({place: key} along the path of the lattice, {place: word} of its corners).

    Wave vectors that were measured as others of the same S(q) are found, too; where a lattice has no path of its own or
    few of the wave vectors lie on it, in the order of the input.
    """
    keys, lattice = keys_of([table], QUANTITY), _lattice_of(table)
    corners = CORNERS.get(getattr(lattice, "kind", ""), ())
    if corners and any(lattice.wraps):
        vectors = np.array([_vector(key) for key in keys])
        names = _names(lattice, vectors)
        named = dict(zip(names, keys, strict=True))
        points = along_path(lattice, [point for _, point in corners])
        found = _names(lattice, np.array([q for _, q in points]))
        places = {place: named[name] for (place, _), name in zip(points, found, strict=True) if name in named}
        if len(places) >= FEWEST_WAVES:
            ends = np.cumsum([0.0] + [math.dist(a, b) for (_, a), (_, b) in zip(corners, corners[1:], strict=False)])
            return places, {float(end): f"${word}$" for end, (word, _) in zip(ends, corners, strict=True)}
    lengths = along(keys)
    return dict(zip(lengths, keys, strict=True)), {place: f"({key})" for place, key in zip(lengths, keys, strict=True)}


def _names(lattice, vectors):
    """Return what stands for wave vectors of the same S(q), with six digits as keys have them, a list of tuples."""
    exact = vectors - minimum_image(vectors, reduced(steps_of(lattice)))  # keys have left digits out
    return [tuple(np.round(q, 5) + 0.0) for q in of_the_same_s(lattice, exact)]


def draw_path(axis, table, title, exact_rows=()):
    """Draw S(q) along a path for each of at most six temperatures, exact results as lines.

    Parameters
    ----------
    axis : matplotlib Axes
    table : dict
    title : str
        Of the axis.
    exact_rows : list of dict
        Beside the rows of the table; none: lines join the points.
    """
    pairs = zip(table["rows"], exact_rows or [{}] * len(table["rows"]), strict=True)
    chosen = chosen_of([pair for pair in pairs if pair[0].get(QUANTITY)])
    places, corners = places_of(table)
    for position, (row, exact) in enumerate(chosen):
        style = {"color": shade(position, len(chosen)), "linewidth": 0.9}
        curve = [(place, value_of(exact, QUANTITY, key)) for place, key in places.items() if exact.get(QUANTITY)]
        if curve:
            axis.plot(*zip(*curve, strict=True), **style)
        points = [
            (place, value_of(row, QUANTITY, key), error_of(row, QUANTITY, key) or 0.0,
             systematic_of(row, QUANTITY, key) or 0.0)
            for place, key in places.items() if key in row[QUANTITY]
        ]
        draw_totals(axis, points, style["color"], (0.0, math.inf))
        x, y, errors, _ = zip(*points, strict=True)
        label = "_T = " + (f"{row['temperature']:.4g}" if row.get("temperature") else "0")
        axis.errorbar(x, y, yerr=errors, marker=MARKERS[position], markersize=4.5, capsize=2,
                      linestyle="none" if curve else "-", label=label, **style)
    for place in corners if len(corners) < len(places) else ():
        axis.axvline(place, color="0.8", linewidth=0.6, zorder=0)
    low, high = axis.get_ylim()
    axis.set_ylim(min(low, 0.0), high + 0.2 * (high - low))  # for the legend
    axis.set_xticks(list(corners), list(corners.values()))
    axis.set_ylabel(title)
    handles = list(axis.containers)
    axis.legend(handles, [each.get_label().removeprefix("_") for each in handles], fontsize="small", frameon=False,
                ncols=2)


def draw_wave_map(figure, axis, table, title):
    """Draw S(q) of the lowest temperature as a map until it repeats, with the Brillouin zone and the wave vectors.

    Parameters
    ----------
    figure, axis
        Of matplotlib.
    table : dict
    title : str
        Of the colours.
    """
    rows = [row for row in table["rows"] if row.get(QUANTITY)]
    row = min(rows, key=lambda each: each.get("temperature") or 0.0)
    lattice, keys = _lattice_of(table), list(row[QUANTITY])
    values = dict(zip(_names(lattice, np.array([_vector(key) for key in keys])),
                      [value_of(row, QUANTITY, key) for key in keys], strict=True))
    zone, first = (_cell_of(vectors) for vectors in (zone_of(lattice), 2 * np.linalg.inv(lattice.vectors).T))
    size = MARGIN * np.abs(zone).max()
    ticks = (np.arange(PIXELS) + 0.5) / PIXELS * 2 * size - size
    pixels = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
    nearest = np.round(pixels - minimum_image(pixels, reduced(steps_of(lattice))), 9)
    distinct, place = np.unique(nearest, axis=0, return_inverse=True)
    of_distinct = np.array([values.get(name, np.nan) for name in _names(lattice, distinct)])
    image = of_distinct[place.ravel()].reshape(PIXELS, PIXELS)
    shown = axis.imshow(image, extent=(-size, size, -size, size), origin="lower", cmap="cividis", vmin=0.0,
                        interpolation="nearest")
    inside = distinct[np.isfinite(of_distinct) & (np.abs(distinct).max(axis=1) < size)]
    axis.plot(*inside.T, ".", color="white", markersize=2.5, markeredgewidth=0)
    for polygon, line in ((first, "--"), (zone, "-")):
        axis.plot(*np.concatenate([polygon, polygon[:1]]).T, line, color="white", linewidth=0.9)
    axis.set(xlim=(-size, size), ylim=(-size, size), xlabel=r"$q_x$  [$\pi$]", ylabel=r"$q_y$  [$\pi$]")
    axis.set_aspect("equal")
    axis.grid(False)
    temperature = f", T = {row['temperature']:.4g}" if row.get("temperature") else ""
    figure.colorbar(shown, ax=axis, label=title + temperature)
    axis.axhline(0.0, color=GREY, linewidth=0)


def _cell_of(vectors):
    """Return the corners of the Wigner-Seitz cell of two vectors in order, (n, 2)."""
    steps = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 2), axis=-1).reshape(-1, 2)
    points = steps @ vectors
    diagram = Voronoi(points)
    origin = int(np.flatnonzero(~steps.any(axis=1))[0])
    corners = diagram.vertices[diagram.regions[diagram.point_region[origin]]]
    return corners[np.argsort(np.arctan2(corners[:, 1], corners[:, 0]))]
