"""Ground-state runs of a sweep against its parameter: energies, excitations, structure factors of the lowest states."""

from hpc_nqs.reports.labels import correlation_title, in_units
from hpc_nqs.reports.panels import COLOURS, GREY, MARKERS
from hpc_nqs.reports.series import error_of, finite, keys_of, value_of

NUMBERS = ("momentum", "point_group", "spin_parity", "sz")
MAX_NAMED = len(COLOURS)  # sets of quantum numbers with a colour and a name; the others are grey


def level_panels(sweep):
    """Return [(draw, words)] of the panels of a figure: each draws into an axis, words stand above it.

    Parameters
    ----------
    sweep : dict
        As `sweep_table.sweep_groups` returns it of tables `levels.with_gaps`; exact rows in the order of the rows.
    """
    panels = []
    for words, runs in sweep["groups"]:
        runs = sorted(runs, key=lambda run: run[0])
        styles = _styles_of(runs)
        columns = ["energy"] + ["gap"] * any(len(run[2]) > 1 for run in runs)
        columns += ["structure_factor"] * bool(keys_of([{"rows": run[2]} for run in runs], "structure_factor"))
        panels += [(_panel(column, runs, styles, sweep), words) for column in columns]
    return panels


def _panel(column, runs, styles, sweep):
    """Return the function that draws one panel into an axis."""

    def draw(axis):
        if column == "structure_factor":
            _draw_structure(axis, runs)
        else:
            _draw_levels(axis, column, runs, styles)
        titles = {"energy": "energy per site  $e$", "gap": "excitation  $E - E_0$"}
        axis.set_ylabel(titles[column] + in_units("J", sweep["symbol"]) if column in titles else "$S(q)$ of the lowest")
        axis.set_xlabel(sweep["parameter"])

    return draw


def _numbers_of(row):
    """Return the quantum numbers of a row, by which rows of different runs belong together."""
    return tuple(str(row.get(name)) for name in NUMBERS)


def _name_of(row):
    """Return the words for the quantum numbers of a row."""
    parts = []
    if row.get("momentum") is not None:
        parts.append("k = (" + ",".join(map(str, row["momentum"])) + ")")
    if row.get("point_group") is not None:
        parts.append(str(row["point_group"]))
    if row.get("spin_parity") is not None:
        parts.append("even" if row["spin_parity"] > 0 else "odd")
    if row.get("sz"):
        parts.append(f"Sz = {row['sz']:g}")
    return ", ".join(parts) or "lowest"


def _styles_of(runs):
    """Return {quantum numbers: (colour, marker, name)}, colours for those that come lowest, the lowest first."""
    least, names = {}, {}
    for _, _, rows, _ in runs:
        for row in rows:
            key = _numbers_of(row)
            least[key], names[key] = min(least.get(key, row["gap"]), row["gap"]), _name_of(row)
    order = sorted(least, key=lambda key: least[key])
    styles = {key: (COLOURS[n], MARKERS[n], names[key]) for n, key in enumerate(order[:MAX_NAMED])}
    return styles | dict.fromkeys(order[MAX_NAMED:], ("0.75", ".", "other quantum numbers"))


def _draw_levels(axis, column, runs, styles):
    """Draw energies or excitations of all sets of quantum numbers, lines from run to run; exact ones as dashes."""
    for key, (colour, marker, name) in reversed(styles.items()):
        found = [(place, row) for place, _, rows, _ in runs for row in rows if _numbers_of(row) == key]
        places, values = [place for place, _ in found], [row[column] for _, row in found]
        style = {"color": colour, "marker": marker, "markersize": 4.5, "linewidth": 0.9, "capsize": 2.0, "label": name}
        axis.errorbar(places, values, yerr=[row.get(f"{column}_error") or 0.0 for _, row in found], **style)
    for place, _, _, exact in runs:
        levels = [row[column] for row in exact]
        axis.plot([place] * len(levels), levels, "_", color=GREY, markersize=9, label="exact", zorder=4)


def _draw_structure(axis, runs):
    """Draw S(q) of the lowest state of every run for all measured q."""
    lowest = [(place, min(rows, key=lambda row: row["energy"])) for place, _, rows, _ in runs]
    for n, q in enumerate(keys_of([{"rows": [row for _, row in lowest]}], "structure_factor")):
        found = [(place, row) for place, row in lowest if finite(value_of(row, "structure_factor", q))]
        values = [value_of(row, "structure_factor", q) for _, row in found]
        errors = [error_of(row, "structure_factor", q) or 0.0 for _, row in found]
        look = {"color": "0.2", "marker": MARKERS[n % len(MARKERS)], "linestyle": ("-", "--", ":", "-.")[n % 4]}
        axis.errorbar(
            [place for place, _ in found],
            values,
            yerr=errors,
            markersize=4.5,
            linewidth=0.9,
            capsize=2.0,
            label=correlation_title("structure_factor", q),
            **look,
        )
