"""Figures of runs: the only module that imports matplotlib.

Pages: thermodynamics, correlations, structure factors, momentum distributions, correlations in imaginary time,
convergence, for sweeps the phase diagram and curves over the parameter, and the energies of ground states.  A page has
the panels that its runs have results for.
Colours are distinguishable with every kind of colour vision; markers, fillings and line styles carry the same
information in black and white.
"""

import io
import math

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from hpc_nqs.reports import svg
from hpc_nqs.reports.columns import OVER_WORDS
from hpc_nqs.reports.fit_panels import draw_fit
from hpc_nqs.reports.frame import curve_of, folded, frame_single, legend, letter, lowest, with_curves
from hpc_nqs.reports.labels import (
    LETTERS,
    correlation_title,
    energy_symbol,
    in_units,
    page_title,
    plain_label,
    quantity_title,
    temperature_title,
    time_title,
)
from hpc_nqs.reports.maps import draw_curves, draw_map, kept_runs, limits_of_groups
from hpc_nqs.reports.momenta import draw_momenta, momentum_panels, momentum_title
from hpc_nqs.reports.panels import draw_all, say
from hpc_nqs.reports.parameter_curves import curve_panels
from hpc_nqs.reports.profiles import draw_radial, draw_times, time_panels
from hpc_nqs.reports.series import keys_of, measured
from hpc_nqs.reports.style import NARROW, STYLE, metadata_of, style_of
from hpc_nqs.reports.traces import convergence_panels, draw_levels, draw_meter, level_panels, name_levels
from hpc_nqs.reports.waves import draw_path, draw_wave_map, wave_panels

WIDTH = 7.0  # inches; two columns of a journal
DPI = 150
MAX_VECTORS = 8  # panels of S(q)
MAX_GROUPS = 8  # rows of panels of a phase diagram
LEAST_GAP = 0.09  # between the labels of two temperatures, of the width of a panel


class Page(Figure):
    """A figure that a notebook shows where it is the value of a cell."""

    def _repr_png_(self):
        stream = io.BytesIO()
        with matplotlib.rc_context(STYLE):
            self.savefig(stream, format="png", dpi=DPI)
        return stream.getvalue()


def save(figure, path):
    """Write a figure; the ending of the path chooses the format.

    Raises
    ------
    ValueError, OSError
        For an ending that matplotlib cannot write; when the file cannot be written.
    """
    with matplotlib.rc_context(STYLE):
        figure.savefig(path, dpi=DPI, metadata=metadata_of(path))


def svg_text(figure, prefix="figure"):
    """Return a figure as an SVG element that can stand inside an HTML page; equal figures give equal text.

    Parameters
    ----------
    figure : matplotlib Figure
    prefix : str
        Of all names inside the element; elements of one page need different ones.
    """
    stream = io.StringIO()
    with matplotlib.rc_context(STYLE | {"svg.fonttype": "none"}):  # text as text: half the size, can be searched
        figure.savefig(stream, format="svg", metadata=metadata_of("x.svg"))
    return svg.inline(stream.getvalue(), prefix)


def thermodynamics(tables, names, exact_curves=(), references=(), width=WIDTH):
    """Return the page of energy, specific heat, entropy and what else the runs have against temperature.

    That is chi and m of magnets, double occupancy, local moment, filling and compressibility of electrons.

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
    with matplotlib.rc_context(style_of(width)):
        quantities = with_curves(tables, [(quantity, None) for quantity in measured(tables)])
        figure, axes = _panels(max(len(quantities), 1), width, share_x=True)
        names, symbol = [plain_label(name) for name in names], energy_symbol(tables)
        for axis, (quantity, _) in zip(axes, quantities, strict=False):
            draw_all(axis, quantity, None, tables, names, exact_curves, references)
            axis.set_ylabel(quantity_title(quantity, symbol, narrow=width < NARROW))
            frame_single(axis, tables, quantity, None, exact_curves, references)
        if not quantities:
            say(axes[0], "no results yet")
        _temperature_axes(axes, tables, symbol)
        _finish(figure, axes, names, page_title(tables))
    return figure


def correlation_panels(tables):
    """Return ([(quantity, key)] against temperature, numbers of the runs with correlations against distance)."""
    radial = [position for position, table in enumerate(tables) if keys_of([table], "correlation")]
    shells = [] if radial else keys_of(tables, "neighbour_correlation")
    panels = [(name, key) for name in (*LETTERS, *OVER_WORDS) for key in keys_of(tables, name)[:MAX_VECTORS]]
    return with_curves(tables, panels + [("neighbour_correlation", key) for key in shells]), radial


def correlations(tables, names, exact_curves=(), references=(), width=WIDTH):
    """Return the page of structure factors against temperature and of correlations against distance."""
    panels, radial = correlation_panels(tables)
    with matplotlib.rc_context(style_of(width)):
        figure, axes = _panels(max(len(panels) + len(radial), 1), width)
        labels, symbol = [plain_label(name) for name in names], energy_symbol(tables)
        for axis in axes[1 : len(panels)]:
            axis.sharex(axes[0])
        for axis, (quantity, key) in zip(axes, panels, strict=False):
            draw_all(axis, quantity, key, tables, labels, exact_curves, references)
            axis.set_ylabel(correlation_title(quantity, key, symbol))
            frame_single(axis, tables, quantity, key, exact_curves, references)
        _temperature_axes(axes[: len(panels)], tables, symbol, bottom_only=False)
        for axis, position in zip(axes[len(panels) :], radial, strict=False):
            exact = curve_of(tables[position], tables, names, exact_curves)
            draw_radial(axis, tables[position], labels[position] if len(tables) > 1 else "", exact)
        if not panels and not radial:
            say(axes[0], "no correlations were measured")
        _finish(figure, axes, labels, page_title(tables))
    return figure


def imaginary_time(tables, names, exact_rows=None, width=WIDTH):
    """Return the page of correlations of S^z against imaginary time, the local one first.

    Parameters
    ----------
    tables, names
        As for `thermodynamics`.
    exact_rows : list of list of dict, optional
        For every run the exact row, here dense in time, of each of its rows; an empty list: none.
    width : float
        Inches.
    """
    panels = time_panels(tables)[: (MAX_VECTORS + 1) * max(len(tables), 1)]

    def draw(_, axis, position, exact, name, quantity, vector):
        rows, title = tables[position]["rows"], time_title(vector) + name
        draw_times(axis, rows, quantity, vector, exact, title, energy_symbol(tables))

    return _of_runs(tables, names, exact_rows, width, panels, draw, "no correlations in imaginary time were measured")


def structure_factors(tables, names, exact_rows=None, width=WIDTH):
    """Return the page of S(q) along a path and, in two dimensions, as a map; arguments as for `imaginary_time`."""

    def draw(figure, axis, position, exact, name, kind):
        if kind == "map":
            draw_wave_map(figure, axis, tables[position], "$S(q)$" + name)
        else:
            draw_path(axis, tables[position], "$S(q)$" + name, exact)

    nothing = "S(q) was not measured at three wave vectors"
    return _of_runs(tables, names, exact_rows, width, wave_panels(tables), draw, nothing)


def momentum(tables, names, exact_rows=None, width=WIDTH):
    """Return the page of n(k) and beta G(k, beta/2) of electrons along the wave vectors of the input, in their order.

    Arguments as for `imaginary_time`.
    """
    panels = [(position, name) for position, table in enumerate(tables) for name in momentum_panels(table)]

    def draw(_, axis, position, exact, name, quantity):
        title = momentum_title(quantity, energy_symbol(tables)) + name
        draw_momenta(axis, tables[position]["rows"], quantity, exact, title)

    return _of_runs(tables, names, exact_rows, width, panels, draw, "no momentum distributions were measured")


def convergence(histories, names, tables=(), width=WIDTH):
    """Return the page of the meters of every step against inverse temperature.

    Parameters
    ----------
    histories : list of dict of str: (n_steps,) float64
        As `run_file.read_history` returns them.
    names : list of str
    tables : list of dict
        Of the same runs, for the title and the unit of energies.
    width : float
        Inches.
    """
    panels, symbol = convergence_panels(histories), energy_symbol(tables)
    with matplotlib.rc_context(style_of(width)):
        figure, axes = _panels(max(len(panels), 1), width, share_x=True)
        names = [plain_label(name) for name in names]
        for axis, panel in zip(axes, panels, strict=False):
            draw_meter(axis, panel, histories, names, symbol)
        for axis in lowest(axes):
            axis.set_xlabel(r"inverse temperature  $\beta$" + in_units("1/J", symbol))
        if not panels:
            say(axes[0], "no steps yet")
        _finish(figure, axes, names, "\n".join(filter(None, ["Convergence", page_title(tables)])))
    return figure


def ground_states(tables, histories, names, exact_rows=None, width=WIDTH):
    """Return the page of ground-state runs: energy and V-score against the step; energies against variances.

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
    panels = level_panels(tables, histories)
    with matplotlib.rc_context(style_of(width)):
        figure, axes = _panels(max(len(panels), 1), width)
        names, symbol = [plain_label(name) for name in names], energy_symbol(tables)
        goals = {table.get("settings", {}).get("ground_state", {}).get("v_score") for table in tables}
        goal = goals.pop() if len(goals) == 1 else None
        for axis, panel in zip(axes, panels, strict=False):
            draw_levels(axis, panel, tables, histories, names, exact_rows, goal)
            name_levels(axis, panel, symbol, width < NARROW)
        if not panels:
            say(axes[0], "no steps yet")
        _finish(figure, axes, names, page_title(tables))
    return figure


def phase_diagram(sweep, quantity="specific_heat", width=WIDTH):
    """Return maps of a quantity over a parameter and temperature, with a curve per value of it beside each.

    Parameters
    ----------
    sweep : dict
        As `sweep_table.sweep_groups` returns it.
    quantity : str
    """
    title, in_short = (quantity_title(quantity, sweep["symbol"], narrow) for narrow in (False, True))
    groups = [(words, sorted(runs, key=lambda run: run[0])) for words, runs in sweep["groups"]]
    limits = limits_of_groups(groups, quantity)
    with matplotlib.rc_context(style_of(width)):
        figure, axes = _panels(2 * len(groups), max(width, NARROW))
        for number, (words, runs) in enumerate(groups):
            of_map, of_curves = axes[2 * number : 2 * number + 2]
            if number:
                of_curves.sharey(axes[1])
            draw_map(figure, of_map, kept_runs(runs, quantity), in_short, limits)
            of_map.set_xlabel(sweep["parameter"])
            of_map.set_ylabel(temperature_title(sweep["symbol"]))
            handles = draw_curves(of_curves, [run[1:] for run in runs], quantity)
            of_curves.set_ylabel(title)
            of_curves.legend(handles=handles, fontsize="small", frameon=False) if handles else None
            _temperature_axes([of_curves], [{"rows": run[2]} for run in runs], sweep["symbol"], bottom_only=False)
            for axis in (of_map, of_curves):
                letter(axis, axes, words)
        figure.suptitle(folded(sweep.get("title", ""), figure.get_figwidth()))
    return figure


def parameter_curves(sweep, quantity="magnetization", width=WIDTH):
    """Return a quantity against the first parameter of a sweep, a curve for each of at most six temperatures.

    `sweep` as for `phase_diagram`; "over" in it holds the exact rows of groups, see `parameter_curves`.
    """
    return level_sweep(curve_panels(sweep, quantity, width < NARROW), sweep.get("title", ""), width)


def level_sweep(panels, title, width=WIDTH):
    """Return a page of levels; `panels` as `sweep_levels.level_panels` and `tower.tower_panels` return them."""
    with matplotlib.rc_context(style_of(width)):
        figure, axes = _panels(len(panels), width)
        for axis, (draw, _) in zip(axes, panels, strict=True):
            draw(axis)
        _finish(figure, axes, [], title)
        for axis, (_, words) in zip(axes, panels, strict=True):
            letter(axis, axes, words)
    return figure


def fitted(data, model, problem_title, quantity_name, width=WIDTH):
    """Return a measured curve with its errors and the fitted one, and the deviations in units of the errors.

    Parameters
    ----------
    data : MeasuredCurve
    model : (n,) float64
        The fit at the measured temperatures.
    problem_title, quantity_name : str
        Parameters in words; with its unit, for the axis.
    width : float
        Inches.
    """
    with matplotlib.rc_context(style_of(width)):
        figure, axes = _panels(1 if data.error is None else 2, width)
        draw_fit(axes, data, model, quantity_name)
        _finish(figure, axes, ["measured", "fit"], problem_title)
    return figure


def lattice(drawing, title, width=WIDTH):
    """Return the drawing of a lattice and its bonds, a `lattice_drawing.Drawing`."""
    with matplotlib.rc_context(style_of(width)):
        figure = Page(figsize=(width, width * drawing.height + 0.9), layout="constrained")
        FigureCanvasAgg(figure)
        axis = figure.subplots()
        drawing.draw(axis)
        figure.legend(loc="outside lower center", frameon=False, ncols=2 if width < NARROW else 3)
        figure.suptitle(folded(title, width))
    return figure


# ---- the frame of a page -------------------------------------------------------------------------------------------


def _panels(count, width, share_x=False):
    """Return (figure, list of axes): two columns, or one where the figure is narrow."""
    columns = 1 if width < NARROW or count == 1 else 2
    n_rows = -(-count // columns)
    height = width / columns * (0.74 if columns > 1 or count == 1 else 0.52) * n_rows + 0.75
    figure = Page(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(n_rows, columns, sharex=share_x, squeeze=False).ravel()
    for axis in axes[count:]:
        axis.remove()
    return figure, list(axes[:count])


def _of_runs(tables, names, exact_rows, width, panels, draw, nothing):
    """Return a page of panels of single runs, (number of the run, ...).

    `draw` takes figure, axis, number of the run, its exact rows, its name if there are several, the rest of a panel.
    """
    with matplotlib.rc_context(style_of(width)):
        figure, axes = _panels(max(len(panels), 1), width)
        for axis, (position, *what) in zip(axes, panels, strict=False):
            name = f", {plain_label(names[position])}" if len(tables) > 1 else ""
            draw(figure, axis, position, exact_rows[position] if exact_rows else [], name, *what)
        if not panels:
            say(axes[0], nothing)
        _finish(figure, axes, [], page_title(tables))
    return figure


def _finish(figure, axes, names, title):
    for axis in axes:
        if not axis.images:  # no lines over a map
            axis.grid(True, color="0.92", linewidth=0.6)
        axis.set_axisbelow(True)
        letter(axis, axes)
    legend(figure, axes, names)
    figure.suptitle(folded(title, figure.get_figwidth()))


def _temperature_axes(axes, tables, symbol, bottom_only=True):
    """Label the temperatures, the lowest always; a logarithmic axis when they span more than a factor of four."""
    temperatures = [row["temperature"] for table in tables for row in table["rows"] if row.get("temperature")]
    for axis in lowest(axes) if bottom_only else axes:
        axis.set_xlabel(temperature_title(symbol))
    if not temperatures:
        return
    low, high = min(temperatures), max(temperatures)
    wide = high >= 4.0 * low
    scale = math.log if wide else float
    subs = (1.0, 2.0, 5.0) if high < 10**2.5 * low else (1.0,)
    places = LogLocator(subs=subs).tick_values(low / 10, high * 10) if wide else MaxNLocator(6).tick_values(low, high)
    gap = LEAST_GAP * (scale(high) - scale(low))
    if low == high:  # an exact curve goes from half to twice of it
        places = (0.5 * low, 2.0 * low)
    ticks = [low] + [tick for tick in places if tick > 0 and abs(scale(tick) - scale(low)) > gap]
    for axis in axes:
        if wide:
            axis.set_xscale("log")
            axis.xaxis.set_minor_formatter(NullFormatter())
        axis.xaxis.set_major_locator(FixedLocator(sorted(ticks)))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
