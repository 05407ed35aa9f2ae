"""Panels of electrons over wave vectors: n(k) and beta G(k, beta/2), in the order in which the input names them."""

import math

from hpc_nqs.reports.labels import in_units
from hpc_nqs.reports.panels import MARKERS, draw_totals, shade
from hpc_nqs.reports.profiles import chosen_of
from hpc_nqs.reports.series import error_of, finite, keys_of, systematic_of, value_of

SPINS = ("up", "down")
SAME = 1e-9  # of the two spins
TICKS = {"0,0": r"$\Gamma$"}
_TITLES = {"n_k": r"$n_\sigma(k)$", "spectral_proxy": r"$\beta\, G_\sigma(k, \beta/2)$"}


def momentum_panels(table):
    """Return the quantities over wave vectors that a table has."""
    return [name for name in _TITLES if keys_of([table], f"{name}_up")]


def momentum_title(name, symbol):
    """Return the title of the axis of a quantity; `symbol` is the unit of energy."""
    return _TITLES[name] + (in_units("1/J", symbol) if name == "spectral_proxy" else "")


def along(keys):
    """Return the distances of wave vectors "qx,qy" along their path, in units of pi."""
    vectors = [(*map(float, key.split(",")), 0.0)[:3] for key in keys]
    steps = [math.dist(*pair) for pair in zip(vectors, vectors[1:], strict=False)]
    return [sum(steps[:k]) for k in range(len(vectors))]


def draw_momenta(axis, rows, name, exact_rows, title):
    """Draw one quantity for each of at most six temperatures; spin down hollow and dashed where it differs.

    Parameters
    ----------
    axis : matplotlib Axes
    rows, exact_rows : list of dict
        Of a table, and the exact ones beside them, which lines join; none of the second: lines join the points.
    name : str
        One of `momentum_panels`.
    title : str
        Of the axis.
    """
    pairs = zip(rows, exact_rows or [{}] * len(rows), strict=True)
    chosen = chosen_of([pair for pair in pairs if pair[0].get(f"{name}_up")])
    keys = keys_of([{"rows": rows}], f"{name}_up")
    places, handles = dict(zip(keys, along(keys), strict=True)), []
    for position, (row, exact) in enumerate(chosen):
        style = {"color": shade(position, len(chosen)), "marker": MARKERS[position], "linewidth": 0.9}
        points = {spin: _points(row, f"{name}_{spin}", places) for spin in SPINS}
        differ = any(abs(up[1] - down[1]) > SAME for up, down in zip(*points.values(), strict=True))
        for spin in SPINS[: 1 + differ]:
            line = "--" if spin == "down" else "-"
            filling = {"markerfacecolor": "none"} if spin == "down" else {}
            curve = _points(exact, f"{name}_{spin}", places)
            if curve:
                axis.plot(*list(zip(*curve, strict=True))[:2], color=style["color"], linestyle=line, linewidth=0.9)
            drawn = _draw(axis, points[spin], style | filling | {"linestyle": "none" if curve else line})
            handles += [drawn] if spin == "up" else []
    low, high = axis.get_ylim()
    axis.set_ylim(min(low, 0.0), high + 0.3 * (high - low))  # for the legend
    axis.set_xticks(list(places.values()), [TICKS.get(key, f"({key})") for key in keys])
    axis.set_xlabel(r"$k$  [$\pi$]")
    axis.set_ylabel(title)
    labels = [f"T = {row['temperature']:.4g}" for row, _ in chosen]
    axis.legend(handles, labels, fontsize="small", frameon=False, ncols=2)


def _points(row, quantity, places):
    """Return [(place, value, statistical error, systematic error)] of a row along the path."""
    found = []
    for key, place in places.items():
        value = value_of(row, quantity, key) if row.get(quantity) else math.nan
        if finite(value):
            errors = (each(row, quantity, key) or 0.0 for each in (error_of, systematic_of))
            found.append((place, value, *errors))
    return found


def _draw(axis, points, style):
    """Draw points with statistical errors, total ones as bars behind; return what stands in the legend."""
    draw_totals(axis, points, style["color"])
    x, y, errors, _ = zip(*points, strict=True)
    return axis.errorbar(x, y, yerr=errors, capsize=2, markersize=4.5, **style)
