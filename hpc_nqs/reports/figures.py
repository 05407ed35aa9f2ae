"""Figures of runs: the only module that imports matplotlib.

Seven pages: thermodynamics, correlations, correlations in imaginary time, momentum distributions, convergence, for
sweeps the phase diagram, and the energies of ground states.
Colours are distinguishable with every kind of colour vision; markers, fillings and line styles carry the same
information in black and white.
"""

import io
import math

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from hpc_nqs.reports.momenta import draw_momenta, panels_of
from hpc_nqs.reports.panels import (
    COLUMN_NAMES,
    EXACT_STYLES,
    GREY,
    MARKERS,
    SLOPE,
    correlation_title,
    draw_all,
    draw_band,
    draw_history,
    draw_levels,
    draw_map,
    draw_radial,
    draw_times,
    name_the_styles,
    plain_label,
    possible_range,
    say,
    shade,
    shown_columns,
    time_title,
)
from hpc_nqs.reports.series import QUANTITIES, finite, keys_of, points
from hpc_nqs.reports.svg import compacted
from hpc_nqs.reports.text import R_HAT_LIMIT, RESIDUAL_LIMIT, describe

WIDTH = 7.0  # inches; two columns of a journal
NARROW = 4.5  # inches; below, the panels stand in one column
DPI = 150
MAX_VECTORS = 8  # panels of S(q)

# Panels of the convergence page: columns of the history, title of the axis, logarithmic, limit worth a line.
CONVERGENCE = (
    (("tdvp_residual",), "TDVP residual $r^2$", True, RESIDUAL_LIMIT),
    (("dtau",), r"step $\Delta\tau$  [1/J]", True, None),
    (("acceptance", "effective_fraction"), "accepted, effective samples", False, None),
    (("r_hat",), r"split $\hat{R}$ of the energy", False, R_HAT_LIMIT),
    (("autocorrelation",), "autocorrelation  [samples]", False, None),
    (("solver_iterations", "n_kept"), "solver", False, None),
)


def save(figure, path):
    """Write a figure; the ending of the path chooses the format.

    Raises
    ------
    ValueError
        For an ending that matplotlib cannot write.
    OSError
        When the file cannot be written.
    """
    with matplotlib.rc_context(_STYLE):
        figure.savefig(path, dpi=DPI, metadata=_metadata(path))


def svg_text(figure, prefix="figure"):
    """Return a figure as an SVG element that can stand inside an HTML page; equal figures give equal text.

    Parameters
    ----------
    figure : matplotlib Figure
    prefix : str
        Of all names inside the element; elements of one page need different ones.
    """
    stream = io.StringIO()
    with matplotlib.rc_context(_STYLE | {"svg.fonttype": "none"}):  # text as text: half the size, can be searched
        figure.savefig(stream, format="svg", metadata=_metadata("x.svg"))
    return compacted(stream.getvalue(), prefix)


def thermodynamics(tables, names, exact_curves=(), references=(), width=WIDTH):
    """Return the page of energy, specific heat, entropy and susceptibility against temperature.

    Parameters
    ----------
    tables : list of dict
        As `run_file.read_table` returns them.
    names : list of str
        One per table, all different, for the legend.
    exact_curves, references : list of (str, list of dict)
        A name and rows: exact results in order of temperature, drawn as lines; other data, drawn with their errors.
    width : float
        Inches.
    """
    with matplotlib.rc_context(_style(width)):
        figure, axes = _panels(4, width, share_x=True)
        names = [plain_label(name) for name in names]
        for axis, (quantity, (title, symbol, unit)) in zip(axes, QUANTITIES.items(), strict=True):
            draw_all(axis, quantity, None, tables, names, exact_curves, references)
            axis.set_ylabel(f"{title}  {symbol}  [{unit}]" if width >= NARROW else f"{symbol}  [{unit}]")
        _temperature_axes(axes, tables)
        _finish(figure, axes, names, _title(tables))
    return figure


def correlations(tables, names, exact_curves=(), references=(), width=WIDTH):
    """Return the page of structure factors against temperature and of correlations against distance."""
    vectors = keys_of(tables, "structure_factor")[:MAX_VECTORS]
    radial = [position for position, table in enumerate(tables) if keys_of([table], "correlation")]
    shells = [] if radial else keys_of(tables, "neighbour_correlation")
    with matplotlib.rc_context(_style(width)):
        figure, axes = _panels(max(len(vectors) + len(shells) + len(radial), 1), width)
        names = [plain_label(name) for name in names]
        panels = [("structure_factor", key) for key in vectors] + [("neighbour_correlation", key) for key in shells]
        for axis in axes[1 : len(panels)]:
            axis.sharex(axes[0])
        for axis, (quantity, key) in zip(axes, panels, strict=False):
            draw_all(axis, quantity, key, tables, names, exact_curves, references)
            axis.set_ylabel(correlation_title(quantity, key))
        _temperature_axes(axes[: len(panels)], tables, bottom_only=False)
        for axis, position in zip(axes[len(panels) :], radial, strict=False):
            draw_radial(axis, tables[position], names[position] if len(tables) > 1 else "")
        if not panels and not radial:
            say(axes[0], "no correlations were measured")
        _finish(figure, axes, names, _title(tables))
    return figure


def imaginary_time(tables, names, exact_rows=None, width=WIDTH):
    """Return the page of correlations of S^z against imaginary time, the local one first.

    Parameters
    ----------
    tables, names
        As for `thermodynamics`.
    exact_rows : list of list of dict, optional
        For every run the exact row, dense in time, of each of its rows; an empty list: none.
    width : float
        Inches.
    """
    with matplotlib.rc_context(_style(width)):
        panels = []
        for position, table in enumerate(tables):
            vectors = dict.fromkeys(key.rpartition(",")[0] for key in keys_of([table], "time_correlation"))
            local = [None] if keys_of([table], "local_time_correlation") else []
            panels += [(position, vector) for vector in [*local, *vectors][: MAX_VECTORS + 1]]
        figure, axes = _panels(max(len(panels), 1), width)
        for axis, (position, vector) in zip(axes, panels, strict=False):
            quantity = "local_time_correlation" if vector is None else "time_correlation"
            title = time_title(vector) + (f", {plain_label(names[position])}" if len(tables) > 1 else "")
            exact = exact_rows[position] if exact_rows else []
            draw_times(axis, tables[position]["rows"], quantity, vector, exact, title)
        if not panels:
            say(axes[0], "no correlations in imaginary time were measured")
        _finish(figure, axes, [], _title(tables))
    return figure


def momentum(tables, names, width=WIDTH):
    """Return the page of n(k) and beta G(k, beta/2) of electrons along the wave vectors of the input, in their order.

    Parameters as for `thermodynamics`.
    """
    with matplotlib.rc_context(_style(width)):
        panels = [(position, title) for position, table in enumerate(tables) for title in panels_of(table)]
        figure, axes = _panels(max(len(panels), 1), width)
        for axis, (position, title) in zip(axes, panels, strict=False):
            draw_momenta(axis, tables[position], title, plain_label(names[position]) if len(tables) > 1 else "")
        if not panels:
            say(axes[0], "no momentum distributions were measured")
        _finish(figure, axes, [], _title(tables))
    return figure


def convergence(histories, names, width=WIDTH):
    """Return the page of the meters of every step against inverse temperature.

    Parameters
    ----------
    histories : list of dict of str: (n_steps,) float64
        As `run_file.read_history` returns them.
    names : list of str
    """
    with matplotlib.rc_context(_style(width)):
        figure, axes = _panels(len(CONVERGENCE), width, share_x=True)
        names = [plain_label(name) for name in names]
        for axis, (columns, title, logarithmic, limit) in zip(axes, CONVERGENCE, strict=True):
            shown = shown_columns(histories, columns)
            for position, (history, name) in enumerate(zip(histories, names, strict=True)):
                for style, column in zip(("-", "--"), shown, strict=False):
                    draw_history(axis, history, column, style, position, name)
            if limit is not None and axis.has_data():
                axis.axhline(limit, color=GREY, linewidth=0.8, linestyle=":")
            if logarithmic and axis.has_data():
                axis.set_yscale("log")
            axis.set_ylabel(title if title != "solver" else COLUMN_NAMES.get(shown[0] if shown else "", title))
            if len(shown) > 1:
                name_the_styles(axis, shown)
        for axis in axes:
            axis.set_xlabel(r"$\beta$  [1/J]" if axis.get_subplotspec().is_last_row() else "")
        _finish(figure, axes, names, "Convergence")
    return figure


def ground_states(tables, histories, names, exact_rows=None, width=WIDTH):
    """Return the page of energies of ground-state runs: against the step, and against the variance.

    Parameters
    ----------
    tables, names
        As for `thermodynamics`.
    histories : list of dict of str: (n_steps,) float64
        As `run_file.read_history` returns them; several sectors follow one another.
    exact_rows : list of list of dict, optional
        For every run the exact row of each of its rows, drawn as lines.
    width : float
        Inches.
    """
    with matplotlib.rc_context(_style(width)):
        figure, axes = _panels(2, width)
        names = [plain_label(name) for name in names]
        for position, (table, history, name) in enumerate(zip(tables, histories, names, strict=True)):
            exact = exact_rows[position] if exact_rows else ()
            draw_levels(axes, table["rows"], history, exact, name, position)
        axes[0].set_xlabel("step")
        axes[1].set_xlabel(r"variance per site  $\mathrm{Var}(H)/N$  [J$^2$]")
        for axis in axes:
            axis.set_ylabel("energy per site  $e$  [J]" if width >= NARROW else "$e$  [J]")
        _finish(figure, axes, names, _title(tables))
    return figure


def phase_diagram(sweep, quantity="specific_heat", width=WIDTH):
    """Return a map of a quantity over coupling and temperature, with a curve per coupling beside it.

    Parameters
    ----------
    sweep : dict
        "parameter", its name, and "runs", a list of (value of the parameter, rows of its table).
    quantity : str
    """
    title, symbol, unit = QUANTITIES[quantity]
    by_value = sorted(sweep["runs"], key=lambda run: run[0])
    runs = [(value, points(rows, quantity)) for value, rows in by_value if points(rows, quantity)]
    with matplotlib.rc_context(_style(width)):
        figure, axes = _panels(2, width)
        draw_map(figure, axes[0], runs, f"{symbol}  [{unit}]")
        axes[0].set_xlabel(plain_label(sweep["parameter"]))
        axes[0].set_ylabel("temperature  $T$  [J]")
        for position, (value, found) in enumerate(runs):
            if any(part for *_, part in found):
                draw_band(axes[1], found, shade(position, len(runs)), possible_range(quantity, {}))
            temperatures, values, errors, _ = zip(*sorted(found), strict=True)
            axes[1].errorbar(
                temperatures,
                values,
                yerr=errors,
                color=shade(position, len(runs)),
                marker=MARKERS[position % len(MARKERS)],
                linestyle=EXACT_STYLES[position % len(EXACT_STYLES)],
                linewidth=0.9,
                markersize=4.5,
                capsize=2,
                label=f"{value:g}" if finite(value) else str(value),
            )
        axes[1].set_ylabel(f"{title}  {symbol}  [{unit}]")
        _temperature_axes(axes[1:], [{"rows": rows} for _, rows in sweep["runs"]])
        for axis in axes:
            _letter(axis, axes)
        if runs:
            axes[1].legend(title=plain_label(sweep["parameter"].split(".")[-1]), fontsize="small", frameon=False)
        figure.suptitle(sweep.get("title", ""))
    return figure


# ---- the frame of a page -------------------------------------------------------------------------------------------

_STYLE = {"svg.fonttype": "path", "svg.hashsalt": "hpc_nqs", "pdf.fonttype": 42}


def _style(width):
    size = 9.0 if width >= NARROW else 8.0
    return _STYLE | {
        "font.size": size,
        "axes.titlesize": size,
        "figure.titlesize": size + 1,
        "legend.fontsize": size - 0.5,
        "axes.linewidth": 0.8,
        "xtick.direction": "in",
        "ytick.direction": "in",
        "xtick.top": True,
        "ytick.right": True,
    }


def _metadata(path):
    """Return metadata without a date, so that the same run gives the same file."""
    ending = str(path).rpartition(".")[2].lower()
    return {"svg": {"Date": None}, "pdf": {"CreationDate": None, "ModDate": None}}.get(ending)


def _panels(count, width, share_x=False):
    """Return (figure, list of axes): two columns, or one where the figure is narrow."""
    columns = 1 if width < NARROW or count == 1 else 2
    n_rows = -(-count // columns)
    height = width / columns * (0.74 if columns > 1 or count == 1 else 0.52) * n_rows + 0.75
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(n_rows, columns, sharex=share_x, squeeze=False).ravel()
    for axis in axes[count:]:
        axis.set_axis_off()
    return figure, list(axes[:count])


def _finish(figure, axes, names, title):
    for axis in axes:
        axis.grid(True, color="0.92", linewidth=0.6)
        axis.set_axisbelow(True)
        if not axis.has_data() and not axis.texts:
            say(axis, "not measured")
        _letter(axis, axes)
    _legend(figure, axes, names)
    figure.suptitle(_folded(title, figure.get_figwidth()))


def _letter(axis, axes):
    if len(axes) > 1:
        axis.set_title(f"({chr(ord('a') + axes.index(axis))})", loc="left", pad=3)


def _folded(title, width):
    """Return a title with a line break before `on` where it is too long for the figure."""
    fits = 14 * width
    return "\n".join(line if len(line) < fits else line.replace(" on ", "\non ", 1) for line in title.split("\n"))


def _legend(figure, axes, names):
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


def _title(tables):
    """Return the systems of the tables, each once."""
    lines = list(dict.fromkeys(describe(table.get("settings", {}), table.get("n_sites")) for table in tables))
    return "\n".join(lines[:4] + (["..."] if len(lines) > 4 else []))


def _temperature_axes(axes, tables, bottom_only=True):
    """Label the temperatures; a logarithmic axis when they span more than a factor of four."""
    temperatures = [row["temperature"] for table in tables for row in table["rows"] if row.get("temperature")]
    wide = temperatures and max(temperatures) >= 4.0 * min(temperatures)
    for axis in axes:
        if not bottom_only or axis.get_subplotspec().is_last_row():
            axis.set_xlabel("temperature  $T$  [J]")
        if not wide:
            continue
        axis.set_xscale("log")
        decades = math.log10(max(temperatures) / min(temperatures))
        axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
