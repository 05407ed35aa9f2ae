"""Tower of states: excitation energies against S(S+1), levels marked by momentum and representation of the point group.

On a finite lattice the lowest level of every total spin of an ordered antiferromagnet lies at
E - E_0 = S(S+1) / (2 chi N) (P. W. Anderson, Phys. Rev. 86, 694 (1952)); the momenta and representations that occur in
this tower tell one order from another (C. Lhuillier, arXiv:cond-mat/0502464).
"""

from fractions import Fraction

from hpc_nqs.reports.labels import in_units, multiple_of_pi, plain_label
from hpc_nqs.reports.levels import least_spin, levels_of, with_gaps
from hpc_nqs.reports.panels import COLOURS, GREY, MARKERS
from hpc_nqs.reports.series import finite

WIDTH, SLOT = 0.9, 0.12  # of the columns in which levels of one spin stand side by side, and of each of them at most
EXACT = "exact"
KNOWN, LEAST = "total spin  $S(S+1)$", "least total spin  $S(S+1)$ of the parity"


def tower_panels(tables, names, exact_rows=(), symbol="J"):
    """Return [(draw, words)] of the panels of a figure: each draws one run into an axis, words stand above it.

    Parameters
    ----------
    tables : list of dict
        As `run_file.read_table` returns them; those without two levels are left out.
    names : list of str
    exact_rows : list of list of dict
        For every run the exact row of each of its rows, drawn as lines.
    symbol : str
        Of `labels.energy_symbol`.
    """
    several, panels = len(tables) > 1, []
    for number, (table, name) in enumerate(zip(tables, names, strict=True)):
        if len(levels_of(table)) > 1:
            exact = _exact_gaps(table, exact_rows[number]) if exact_rows else {}
            panels.append((_panel(table, exact, symbol), plain_label(name) if several else ""))
    return panels


def _exact_gaps(table, exact):
    """Return {number of the row: exact E - E_0} above the lowest exact level of the rows."""
    known = {number: row["energy"] for number, row in enumerate(exact) if finite(row.get("energy"))}
    lowest = min(known.values(), default=0.0)
    return {number: table["n_sites"] * (energy - lowest) for number, energy in known.items()}


def _panel(table, exact, symbol):
    """Return the function that draws the levels of one run into an axis."""
    rows, n_sites = with_gaps(table)["rows"], table["n_sites"]
    spins = [least_spin(row, n_sites) for row in rows]
    names = [_name_of(row, table) for row in rows]
    order = list(dict.fromkeys(names))
    width = min(WIDTH, SLOT * len(order))
    places = {name: width * ((k + 0.5) / len(order) - 0.5) for k, name in enumerate(order)}

    def draw(axis):
        lowest = {}
        for number, row in enumerate(rows):
            if not finite(row.get("gap")):
                continue
            spin = _near(spins[number][0])
            place = spin + places[names[number]]
            style = _style(order.index(names[number])) | {"label": names[number]}
            axis.errorbar(place, row["gap"], yerr=row.get("gap_error") or None, **style)
            lowest[spin] = min((row["gap"], place), lowest.get(spin, (row["gap"], place)))
            if number in exact:
                ends = place - 0.5 * width / len(order), place + 0.5 * width / len(order)
                axis.plot(ends, [exact[number]] * 2, color=GREY, linewidth=1.2, label=EXACT, zorder=1)
        low, high = min(lowest), max(lowest)
        if len(lowest) > 1:
            gaps, across = zip(*(lowest[spin] for spin in sorted(lowest)), strict=True)
            axis.plot(across, gaps, color="0.75", linewidth=0.9, linestyle="--", zorder=0)
        axis.set_ylabel("excitation  $E - E_0$" + in_units("J", symbol))
        axis.set_xlabel(KNOWN if all(measured for _, measured in spins) else LEAST)
        axis.set_xticks(sorted(lowest), [f"{spin:.4g}" for spin in sorted(lowest)])
        axis.set_xlim(low - 0.8 * WIDTH, high + 0.8 * WIDTH)

    return draw


def _near(squared):
    """Return the S(S+1) of a spin, S a multiple of 1/2, that is nearest to a measured one, or this where none is near.

    A state far from a level has no total spin.
    """
    twice = round((1.0 + 4.0 * max(squared, 0.0)) ** 0.5 - 1.0)
    nearest = 0.25 * twice * (twice + 2)
    return nearest if abs(squared - nearest) < 0.5 else squared


def _name_of(row, table):
    """Return momentum, in units of pi where the lattice has lengths, and representation of a row in words."""
    momentum, lengths = row.get("momentum"), table.get("settings", {}).get("lattice", {}).get("lengths", [])
    words = ""
    if momentum is not None and len(momentum) == len(lengths):
        parts = (Fraction(2 * k, length) for k, length in zip(momentum, lengths, strict=True))
        parts = [multiple_of_pi(str(float(part - 2 if part > 1 else part))) for part in parts]
        words = "$k = " + (f"({', '.join(parts)})" if len(parts) > 1 else parts[0]) + "$"
    elif momentum is not None:
        words = "k = (" + ",".join(map(str, momentum)) + ")"
    return " ".join(filter(None, [words, row.get("point_group")])) or "all levels"


def _style(number):
    """Return the look of a set of quantum numbers: colours first, then other markers, then open ones."""
    colour, turn = COLOURS[number % len(COLOURS)], number // len(COLOURS)
    marker = MARKERS[(number + turn) % len(MARKERS)]
    filled = {} if turn % 2 == 0 else {"markerfacecolor": "white"}
    return {"color": colour, "marker": marker, "markersize": 5.0, "linestyle": "none", "capsize": 2.0} | filled
