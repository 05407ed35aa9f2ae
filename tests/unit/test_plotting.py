"""Figures: every panel, error bars and bands, logarithmic temperatures, one legend entry per curve, odd input."""

import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")

from hpc_nqs.reports import figures as plotting
from hpc_nqs.reports import labels, panels
from hpc_nqs.reports import series as curves
from hpc_nqs.reports.frame import folded
from hpc_nqs.reports.labels import page_title

SETTINGS = {
    "lattice": {"kind": "square", "lengths": [4, 4], "boundary": "periodic"},
    "model": {"kind": "heisenberg", "couplings": [1.0, 0.5]},
}


def made_up_table(temperatures, without=()):
    """Return a table with smooth curves; `without` names absent columns."""
    rows = []
    for temperature in temperatures:
        row = {
            "temperature": temperature,
            "beta": 1.0 / temperature,
            "energy": -0.5 * math.tanh(0.5 / temperature),
            "energy_error": 0.01,
        }
        row |= {
            "specific_heat": 0.4 / (1 + temperature**2),
            "specific_heat_error": 0.02,
            "specific_heat_slope": 0.39 / (1 + temperature**2),
        }
        row |= {
            "entropy": 0.69 * math.exp(-0.3 / temperature),
            "entropy_error": 0.01,
            "susceptibility": 0.08,
            "susceptibility_error": 0.002,
        }
        rows.append({key: value for key, value in row.items() if key not in without})
    return {"rows": rows, "settings": SETTINGS, "n_sites": 16}


COLD = made_up_table([2.0, 1.0, 0.5, 0.25])
EXACT = ("cold", made_up_table([0.25 * 1.1**k for k in range(23)])["rows"])


def with_extras(table):
    """Return the table with systematic errors, structure factors and correlations."""
    rows = []
    for row in table["rows"]:
        extras = {"energy_systematic": 0.05, "structure_factor": {"1,1": [0.5, 0.01], "0.5,0": [0.3, 0.01]}}
        extras["correlation"] = {"1": [-0.1, 0.001], "1.41421": [0.04, 0.001], "2": [0.02, 0.001]}
        rows.append(row | extras)
    return table | {"rows": rows}


def legend_of(figure):
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_four_panels_with_labels_and_a_title():
    figure = plotting.thermodynamics([COLD], ["cold"])
    assert len(figure.axes) == 4
    assert [axis.get_ylabel().split("  ")[0] for axis in figure.axes] == [
        "energy per site",
        "specific heat per site",
        "entropy per site",
        "susceptibility per site",
    ]
    assert [len(axis.containers) for axis in figure.axes] == [1, 2, 1, 1], "error bars in each panel, c two ways"
    assert figure.get_suptitle() == "Heisenberg, J1 = 1, J2 = 0.5 on square 4x4, 16 sites"
    assert {axis.get_xscale() for axis in figure.axes} == {"log"}


def test_points_and_error_bars_are_the_rows():
    axis = plotting.thermodynamics([COLD], ["cold"]).axes[0]
    points, _, (bars,) = axis.containers[0].lines
    assert list(points.get_xdata()) == [row["temperature"] for row in COLD["rows"]]
    assert list(points.get_ydata()) == [row["energy"] for row in COLD["rows"]]
    segment = bars.get_segments()[0]
    assert segment[1, 1] - segment[0, 1] == pytest.approx(2 * 0.01)


def test_runs_differ_in_colour_and_marker_and_the_legend_pairs_them():
    figure = plotting.thermodynamics([COLD, COLD], ["a", "b"], [EXACT])
    first, second = (container.lines[0] for container in figure.axes[0].containers)
    assert first.get_color() != second.get_color() and first.get_marker() != second.get_marker()
    assert legend_of(figure) == ["a", "a, from the slope of e", "b", "b, from the slope of e", "exact"]


def test_exact_curves_of_two_systems_have_names_and_line_styles():
    figure = plotting.thermodynamics([COLD, COLD], ["a", "b"], [("a", EXACT[1]), ("b", EXACT[1])])
    assert legend_of(figure)[-2:] == ["exact, a", "exact, b"]
    assert len({line.get_linestyle() for line in figure.axes[0].lines if len(line.get_xdata()) > 10}) == 2


def test_a_narrow_range_of_temperatures_is_linear():
    figure = plotting.thermodynamics([made_up_table([1.0, 0.5])], ["narrow"])
    assert {axis.get_xscale() for axis in figure.axes} == {"linear"}


def titles_of(figure):
    return [axis.get_ylabel().split("  ")[0] for axis in figure.axes]


def test_absent_quantities_have_no_panel():
    figure = plotting.thermodynamics([made_up_table([1.0, 0.25], without=("susceptibility", "energy_error"))], ["run"])
    assert titles_of(figure) == ["energy per site", "specific heat per site", "entropy per site"]
    below = [axis.get_xlabel() for axis in figure.axes]
    assert below == ["", "temperature  $T$  [J]", "temperature  $T$  [J]"], "of the lowest panel of each column"
    assert figure.axes[1].xaxis.get_tick_params()["labelbottom"]
    (empty,) = plotting.thermodynamics([{"rows": []}], ["run"]).axes
    assert [text.get_text() for text in empty.texts] == ["no results yet"]


def test_electrons_have_their_own_panels_and_unit():
    rows = [{"temperature": t, "energy": -1 / t, "double_occupancy": 0.1 * t, "magnetization": 0.0} for t in (1.0, 2.0)]
    settings = SETTINGS | {"model": {"kind": "hubbard", "hopping": [1.0], "U": 8.0}}
    figure = plotting.thermodynamics([{"rows": rows, "settings": settings}], ["run"])
    assert titles_of(figure) == ["energy per site", "double occupancy"], "m is zero by symmetry"
    assert figure.axes[0].get_ylabel().endswith("[t]") and figure.axes[1].get_ylabel().endswith("rangle$")
    assert figure.axes[0].get_xlabel() == "temperature  $T$  [t]"


@pytest.mark.parametrize(
    ("model", "symbol"),
    [
        ({"kind": "heisenberg", "couplings": [1.0, 0.5]}, "J"),
        ({"kind": "heisenberg", "couplings": [-1.0]}, "J"),
        ({"kind": "heisenberg", "couplings": [98.2]}, "energy"),
        ({"kind": "tfim", "coupling": 1.0, "field": 3.0}, "J"),
        ({"kind": "hubbard", "U": 8.0}, "t"),
        ({"kind": "kanamori", "hopping": [0.3]}, "energy"),
    ],
)
def test_the_unit_of_energy_is_the_first_coupling_where_that_is_one(model, symbol):
    assert labels.energy_symbol([{"settings": {"model": model}}]) == symbol
    assert labels.in_units("1/J", symbol) == f"  [1/{symbol}]"


def test_units_of_different_models_on_one_page():
    spins, electrons = ({"settings": {"model": {"kind": kind}}} for kind in ("heisenberg", "hubbard"))
    assert labels.energy_symbol([spins, electrons]) == "energy" and labels.energy_symbol([]) == "J"


def test_a_magnetization_needs_to_differ_from_zero():
    def found(value, error):
        rows = [{"temperature": t, "magnetization": value, "magnetization_error": error} for t in (1.0, 2.0)]
        return curves.measured([{"rows": rows}])

    assert found(0.1, 0.01) == ["magnetization"]
    assert found(1e-17, 0.0) == found(0.04, 0.01) == []


@pytest.mark.parametrize("temperatures", [[4.0, 1.0, 0.35], [1.0, 0.83]])
def test_the_lowest_temperature_has_a_label(temperatures):
    axis = plotting.thermodynamics([made_up_table(temperatures)], ["run"]).axes[3]
    left, right = axis.get_xlim()
    ticks = [tick for tick in axis.xaxis.get_majorticklocs() if left <= tick <= right]
    assert ticks[0] == min(temperatures) and ticks == sorted(set(ticks)) and len(ticks) > 2
    shown = [axis.xaxis.get_major_formatter()(tick, 0) for tick in ticks]
    assert shown[0] == f"{min(temperatures):g}"


def test_panels_of_a_single_point_are_left_out_unless_there_is_nothing_else():
    table = made_up_table([2.0, 1.0])
    del table["rows"][0]["susceptibility"]
    assert titles_of(plotting.thermodynamics([table], ["run"]))[-1] == "entropy per site"
    alone = plotting.thermodynamics([made_up_table([1.0])], ["run"])
    assert len(alone.axes) == 4
    chi = alone.axes[3].get_ylim()
    assert chi == pytest.approx((0.072, 0.088)), "a tenth of the value to either side"
    exact = plotting.thermodynamics([made_up_table([1.0])], ["run"], [("run", made_up_table([0.5, 1.0, 2.0])["rows"])])
    assert [tick for tick in exact.axes[3].xaxis.get_majorticklocs()] == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_the_ending_chooses_the_format(tmp_path, ending):
    path = tmp_path / f"figure.{ending}"
    plotting.save(plotting.thermodynamics([COLD], ["run"], [EXACT]), path)
    assert path.stat().st_size > 5000
    assert path.read_bytes().startswith({"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[ending])


def test_an_unknown_ending_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Format 'xyz' is not supported"):
        plotting.save(plotting.thermodynamics([COLD], ["run"]), tmp_path / "figure.xyz")


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("no rows", {"rows": []}),
        ("one temperature", made_up_table([1.0])),
        ("not a number", {"rows": [{"temperature": 1.0, "energy": math.nan}]}),
        ("_hidden", COLD),
        ("$x", COLD),
        ("a_b%^", COLD),
    ],
)
def test_odd_input_gives_a_figure(name, table):
    plotting.thermodynamics([table], [name]).canvas.draw()


def test_no_run_at_all_gives_a_figure():
    plotting.thermodynamics([], []).canvas.draw()


def test_many_runs_fit():
    figure = plotting.thermodynamics([COLD] * 9, [f"run {k}" for k in range(9)])
    assert len(legend_of(figure)) == 18
    figure.canvas.draw()
    assert min(axis.get_window_extent().height for axis in figure.axes) > 100




def test_the_page_of_correlations():
    figure = plotting.correlations([with_extras(COLD)], ["run"], [EXACT])
    titles = [axis.get_ylabel() for axis in figure.axes]
    assert titles[:2] == [r"$S(\pi, \pi)$", r"$S(\pi/2, 0)$"] and "r" in figure.axes[2].get_xlabel()
    radial = figure.axes[2]
    assert len(radial.containers) == 4, "a line for each temperature"
    assert list(radial.containers[0].lines[0].get_xdata()) == [1.0, 1.41421, 2.0]
    assert "no correlations" in plotting.correlations([COLD], ["run"]).axes[0].texts[0].get_text()


def test_the_page_of_convergence():
    history = {"beta": np.array([0.1, 0.2, 0.4]), "tdvp_residual": np.array([1e-3, 1e-2, 0.2])}
    history |= {"solver_iterations": np.zeros(3), "n_kept": np.array([3.0, 4.0, 5.0]), "acceptance": np.full(3, 0.3)}
    figure = plotting.convergence([history], ["run"])
    assert figure.axes[0].get_yscale() == "log" and len(figure.axes[0].lines) == 2, "a line and its limit"
    assert [axis.get_ylabel() for axis in figure.axes[1:]] == ["accepted, effective samples", "directions kept"]
    iterations = history | {"solver_iterations": np.array([5.0, 6.0, 7.0])}
    assert plotting.convergence([iterations], ["run"]).axes[-1].get_ylabel() == "solver iterations"
    exact_sums = history | dict.fromkeys(("acceptance", "r_hat", "autocorrelation"), np.ones(3))
    titles = [axis.get_ylabel() for axis in plotting.convergence([exact_sums], ["run"]).axes]
    assert titles == ["TDVP residual $r^2$", "directions kept"], "exact sums have no chains to be judged"
    plotting.convergence([{}], ["empty"]).canvas.draw()


def test_a_narrow_figure_has_one_column():
    figure = plotting.thermodynamics([COLD], ["run"], width=3.4)
    assert len({round(axis.get_position().x0, 2) for axis in figure.axes}) == 1
    assert figure.get_figwidth() == 3.4


def test_figures_are_readable_without_colour():
    """What tells runs apart besides colour: markers, and line styles on the page of convergence."""
    figure = plotting.thermodynamics([COLD] * 6, [f"run {k}" for k in range(6)])
    markers = [container.lines[0].get_marker() for container in figure.axes[0].containers]
    assert len(set(markers)) == 6


def test_the_phase_diagram_has_a_map_and_a_curve_per_run():
    runs = [(0.1 * k, f"{k}", made_up_table([2.0, 1.0, 0.5])["rows"], []) for k in range(4)]
    runs[0][2][0] |= {"specific_heat": 70.0, "specific_heat_error": 50.0}
    sweep = {"parameter": "field", "symbol": "J", "title": "t", "groups": [("h = 0", runs), ("h = 1", runs[:2])]}
    figure = plotting.phase_diagram(sweep, "specific_heat")
    upper, curves_of_all, lower, curves_of_two = figure.axes[:4]
    assert len(curves_of_all.containers) == 4 and len(curves_of_two.containers) == 2
    assert upper.get_xlabel() == lower.get_xlabel() == "field"
    assert upper.get_title(loc="left") == "(a)  h = 0" and lower.get_title(loc="left") == "(c)  h = 1"
    assert [text.get_text() for text in curves_of_all.get_legend().get_texts()] == ["0", "1", "2", "3"]
    lost = [line for line in curves_of_all.lines if line.get_label() == panels.LOST]
    assert len(lost) == 1 and curves_of_all.get_ylim()[1] < 10, "what is lost is hollow, grey and at the edge"
    beside = sweep | {"groups": [("", [runs[1][:3] + (EXACT[1],), runs[2]])]}
    drawn = plotting.phase_diagram(beside).axes[1]
    first, second = (container.lines[0].get_linestyle() for container in drawn.containers)
    assert first == "None" and second == "--", "an exact line in place of the guide"
    assert [len(line.get_xdata()) for line in drawn.lines if line.get_label() == "exact"] == [len(EXACT[1])]
    words = sweep | {"groups": [("", [("tfim", "tfim", runs[1][2], [])])]}
    plotting.phase_diagram(words).canvas.draw()


def test_svg_elements_of_one_page_do_not_share_names():
    first, second = (plotting.svg_text(plotting.thermodynamics([COLD], ["run"]), name) for name in ("a", "b"))
    assert first.startswith("<svg") and "<metadata" not in first
    ElementTree.fromstring(first)
    names = [set(re.findall(r'\bid="([^"]+)"', text)) for text in (first, second)]
    assert names[0] and not names[0] & names[1]
    used = set(re.findall(r'href="#([^"]+)"', first)) | set(re.findall(r"url\(#([^)]+)\)", first))
    assert used <= names[0], "every reference has its target"
    assert first == plotting.svg_text(plotting.thermodynamics([COLD], ["run"]), "a"), "equal figures, equal text"


def test_ground_states_are_drawn_against_step_and_variance():
    rows = [{"energy": -0.44, "energy_error": 0.001, "variance": v, "variance_error": 0.003} for v in (0.02, 0.04)]
    settings = COLD["settings"] | {"ground_state": {"v_score": 1e-6}}
    table = {"task": "ground_state", "n_sites": 6, "settings": settings, "rows": rows}
    history = {"step": np.array([1.0, 2.0]), "energy": np.array([-0.2, -0.4]), "v_score": np.array([0.1, 0.01])}
    figure = plotting.ground_states([table], [history], ["run"], [[{"energy": -0.45}]])
    steps, scores, variances = figure.axes
    assert list(steps.lines[0].get_ydata()) == [-0.2, -0.4]
    assert scores.get_yscale() == "log" and {line.get_ydata()[0] for line in scores.lines} == {0.1, 1e-6}
    assert {line.get_ydata()[0] for line in steps.lines[1:]} == {-0.45}
    assert [part.lines[0].get_xdata()[0] for part in variances.containers] == [0.02, 0.04]
    assert "exact, run" in legend_of(figure)
    one = plotting.ground_states([table | {"rows": rows[:1]}], [history], ["run"])
    assert len(one.axes) == 2, "one energy has nothing to stand against"
    plotting.ground_states([table | {"rows": []}], [{}], ["empty"], width=3.4).canvas.draw()


def test_a_lanczos_step_is_hollow_and_leads_to_the_limit():
    row = {"energy": -0.44, "energy_error": 0.001, "variance": 0.02, "variance_error": 0.003}
    row |= {"energy_lanczos": -0.448, "variance_lanczos": 0.004, "energy_extrapolated": -0.45}
    row |= {"energy_extrapolated_error": 0.0003, "energy_extrapolated_systematic": 0.0004}
    table = {"task": "ground_state", "n_sites": 6, "settings": COLD["settings"], "rows": [row]}
    figure = plotting.ground_states([table], [{}], ["run"])
    (variances,) = figure.axes
    state, step, limit = variances.containers
    assert [part.lines[0].get_xdata()[0] for part in (state, step, limit)] == [0.02, 0.004, 0]
    assert [part.lines[0].get_fillstyle() for part in (state, step)] == ["full", "none"]
    (line,) = [line for line in variances.lines if line.get_linestyle() == ":"]
    assert list(line.get_ydata()) == [-0.44, -0.45]
    (bar,) = limit.lines[2]
    assert np.ptp(bar.get_segments()[0][:, 1]) == pytest.approx(2 * 0.0005)
    assert "run, Lanczos step" in legend_of(figure) and "run, limit" in legend_of(figure)


def test_correlations_against_distance_stand_beside_exact_ones_of_the_same_temperature():
    table = with_extras(COLD)
    table["rows"][1]["correlation"] = {"1": [-0.1, 0.001], "2": [0.01, 0.08]}
    exact = [row | {"correlation": {"1": -0.11, "2": 0.03}} for row in COLD["rows"]]
    figure = plotting.correlations([table], ["run"], [("run", exact), ("other", [])])
    radial = figure.axes[-1]
    lines = [line for line in radial.lines if line.get_label() == "exact"]
    assert len(lines) == 4 and list(lines[0].get_ydata()) == [-0.11, 0.03]
    assert {container.lines[0].get_linestyle() for container in radial.containers} == {"None"}, "no guides beside lines"
    (lost,) = [line for line in radial.lines if line.get_label() == panels.LOST]
    assert lost.get_xdata() == [2.0] and lost.get_color() == "0.6"
    assert len(radial.get_legend().get_texts()) == 4


@pytest.mark.parametrize(
    ("part", "text"),
    [("1", r"\pi"), ("-1", r"-\pi"), ("0.5", r"\pi/2"), ("-0.666667", r"-2\pi/3"), ("1.5", r"3\pi/2")]
    + [("0", "0"), ("-0", "0"), ("0.123", r"0.123\pi")],
)
def test_wave_vectors_are_fractions_of_pi(part, text):
    assert labels.multiple_of_pi(part) == text


@pytest.mark.parametrize(
    ("name", "values", "title", "value"),
    [
        ("model.field", [0.5, 1.0], r"transverse field $\Gamma$  [J]", r"$\Gamma = 0.5$"),
        ("model.couplings", [[1.0, 0.5], [1.0, 0.6]], "$J_2$  [J]", "$J_2 = 0.5$"),
        ("model.anisotropy", [0.5, 1.0], r"anisotropy $\Delta$", r"$\Delta = 0.5$"),
        ("lattice.lengths", [[4], [6]], "lengths", "lengths = 0.5"),
        ("model.U", [0.5, 8.0], "$U$  [J]", "$U = 0.5$"),
    ],
)
def test_swept_parameters_have_the_letters_of_the_model(name, values, title, value):
    assert labels.parameter_title(name, values, "J") == title
    assert labels.value_title(name, values, 0.5) == value


def test_notebooks_show_a_figure():
    assert plotting.thermodynamics([COLD], ["run"])._repr_png_().startswith(b"\x89PNG")


def test_titles_are_folded_to_the_width_of_the_figure():
    words = "Heisenberg, J1 = 1, J2 = 0.5, Delta = 0.8 on square 4x4, 16 sites"
    assert folded(words, 7.0) == words
    assert folded(words, 3.4) == words.replace(" on ", "\non ")
    assert max(map(len, folded("a title without end " * 12, 3.4).split("\n"))) <= 47


def test_the_title_of_the_input_stands_above_the_system():
    settings = {"run": {"title": " Two\nlines, $5 "}, "model": {"kind": "heisenberg"}, "lattice": {"kind": "chain"}}
    tables = [{"settings": settings, "n_sites": 4}, {"settings": settings | {"run": {}}, "n_sites": 4}]
    assert page_title(tables) == "Two lines, \\$5\nHeisenberg on chain, 4 sites"
    assert page_title(tables[1:]) == "Heisenberg on chain, 4 sites"
