"""Panels of electrons over wave vectors: n(k) and beta G(k, beta/2), in the order in which the input names them."""

import math

from hpc_nqs.reports.panels import EXACT_STYLES, MARKERS, shade
from hpc_nqs.reports.series import finite, keys_of

PANELS = {"n_k": r"$n_\sigma(k)$", "spectral_proxy": r"$\beta\, G_\sigma(k, \beta/2)$  [1/J]"}
SPINS = ("up", "down")
SAME = 1e-9  # of the two spins
TICKS = {"0,0": r"$\Gamma$"}


def panels_of(table):
    """Return which of `PANELS` a table has."""
    return [name for name in PANELS if keys_of([table], f"{name}_up")]


def along(keys):
    """Return the distances of wave vectors "qx,qy" along their path, in units of pi."""
    vectors = [tuple(map(float, key.split(","))) for key in keys]
    steps = [math.dist(*pair) for pair in zip(vectors, vectors[1:], strict=False)]
    return [sum(steps[:k]) for k in range(len(vectors))]


def draw_momenta(axis, table, name, run=""):
    """Draw one quantity for each of at most six temperatures; spin down hollow and dashed where it differs.

    Parameters
    ----------
    table : dict
    name : str
        Of `PANELS`.
    run : str
        Stands behind the title.
    """
    rows = [row for row in table["rows"] if row.get(f"{name}_up")]
    chosen = rows if len(rows) <= len(MARKERS) else [rows[k * (len(rows) - 1) // 5] for k in range(6)]
    keys = keys_of([table], f"{name}_up")
    places, handles = dict(zip(keys, along(keys), strict=True)), []
    for position, row in enumerate(chosen):
        up, down = (row[f"{name}_{spin}"] for spin in SPINS)
        differ = any(abs(up[key][0] - down[key][0]) > SAME for key in up if finite(up[key][0]))
        for values, hollow in ((up, False), (down, True))[: 1 + differ]:
            found = [(places[key], value, error or 0.0) for key, (value, error) in values.items() if finite(value)]
            x, y, errors = zip(*sorted(found), strict=True)
            style = {"color": shade(position, len(chosen)), "marker": MARKERS[position], "markersize": 4.5}
            style |= {"capsize": 2, "linewidth": 0.8, "label": "_spin" if hollow else f"_T = {row['temperature']:g}"}
            style |= {"markerfacecolor": "none", "linestyle": "--"} if hollow else {"linestyle": EXACT_STYLES[0]}
            drawn = axis.errorbar(x, y, yerr=errors, **style)
            handles += [] if hollow else [drawn]
    low, high = axis.get_ylim()
    axis.set_ylim(min(low, 0.0), high + 0.3 * (high - low))  # for the legend
    axis.set_xticks(list(places.values()), [TICKS.get(key, f"({key})") for key in keys])
    axis.set_xlabel(r"$k$  [$\pi$]")
    axis.set_ylabel(PANELS[name] + (f", {run}" if run else ""))
    labels = [f"T = {row['temperature']:.4g}" for row in chosen]
    axis.legend(handles, labels, fontsize="small", frameon=False, ncols=2)
