"""Figures: every panel, error bars and bands, logarithmic temperatures, one legend entry per curve, odd input."""

import json
import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")

from hpc_nqs.reports import figures as plotting
from hpc_nqs.reports import panels
from hpc_nqs.reports import series as curves

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
    assert all(len(axis.containers) == 1 for axis in figure.axes), "one set of error bars in each panel"
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


def test_absent_quantities_are_named_not_drawn():
    figure = plotting.thermodynamics([made_up_table([1.0, 0.25], without=("susceptibility", "energy_error"))], ["run"])
    assert [text.get_text() for text in figure.axes[3].texts] == ["not measured"]
    assert not figure.axes[0].texts


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


# ---------------------------------------------------------------- systematic errors, references, the other pages


def with_extras(table):
    """Return the table with systematic errors, structure factors and correlations."""
    rows = []
    for row in table["rows"]:
        extras = {"energy_systematic": 0.05, "structure_factor": {"1,1": [0.5, 0.01], "0.5,0": [0.3, 0.01]}}
        extras["correlation"] = {"1": [-0.1, 0.001], "1.41421": [0.04, 0.001], "2": [0.02, 0.001]}
        rows.append(row | extras)
    return table | {"rows": rows}


def test_the_systematic_error_is_a_band_around_the_points():
    figure = plotting.thermodynamics([with_extras(COLD)], ["run"])
    (band,) = figure.axes[0].collections[-1:]
    (outline,) = [path.vertices for path in band.get_paths()]
    top = outline[np.isclose(outline[:, 0], 2.0), 1].max()
    energy = COLD["rows"][0]["energy"]
    assert top == pytest.approx(energy + np.hypot(0.01, 0.05)), "statistical and systematic error in quadrature"
    assert "total error" in legend_of(figure)
    assert "total error" not in legend_of(plotting.thermodynamics([COLD], ["run"]))


def ends_of_band(axis, temperature):
    """Return the lower and upper end of the last band of a panel at a temperature."""
    (outline,) = [path.vertices for path in axis.collections[-1].get_paths()]
    found = outline[np.isclose(outline[:, 0], temperature), 1]
    return found.min(), found.max()


@pytest.mark.parametrize(
    ("quantity", "panel", "value", "error", "ends"),
    [
        ("entropy", 2, 0.6, 0.2, (0.4, np.log(2))),
        ("entropy", 2, 0.05, 0.2, (0.0, 0.25)),
        ("specific_heat", 1, 0.3, 0.1, (0.2, 0.4)),
        ("energy", 0, -0.95, 0.3, (-1.0, -0.65)),  # not below the bound from stars of the square lattice
    ],
)
def test_bands_end_where_the_quantity_must(monkeypatch, quantity, panel, value, error, ends):
    monkeypatch.setattr(panels, "lowest_energy", lambda table: -1.0)
    rows = [
        {"temperature": t, "beta": 1 / t, "energy": -0.9, quantity: value, f"{quantity}_systematic": error}
        for t in (1.0, 2.0)
    ]
    figure = plotting.thermodynamics([COLD | {"rows": rows}], ["run"])
    assert ends_of_band(figure.axes[panel], 1.0) == pytest.approx(ends)


def test_the_bound_of_the_energy_is_that_of_the_model_of_a_table():
    settings = {"lattice": {"kind": "square", "lengths": [4, 4]}, "model": {"kind": "heisenberg"}}
    table = {"settings": settings | {"thermal": {"temperatures": [1.0]}}, "rows": []}
    assert panels.possible_range("energy", table) == (pytest.approx(-0.75), np.inf)  # stars of five spins
    assert panels.possible_range("energy", {"rows": []}) == (-np.inf, np.inf)
    assert panels.possible_range("entropy", table) == (0.0, pytest.approx(np.log(2)))
    electrons = {"kind": "kanamori", "U": 4.0, "mu": 1.0, "n_orbitals": 3}
    electrons = {"settings": table["settings"] | {"model": electrons}}
    assert panels.possible_range("energy", electrons) == (-np.inf, np.inf)
    assert panels.possible_range("entropy", electrons) == (0.0, pytest.approx(6 * np.log(2)))
    assert panels.possible_range("susceptibility", {})[0] == 0.0


def test_lost_points_are_hollow_and_grey_and_do_not_set_the_scale():
    rows = [dict(row) for row in COLD["rows"]]
    rows[-1] |= {"specific_heat": 70.0, "specific_heat_error": 50.0}
    figure = plotting.thermodynamics([COLD | {"rows": rows}], ["run"])
    axis = figure.axes[1]
    assert axis.get_ylim()[1] < 10
    (line,) = [line for line in axis.lines if line.get_label() == panels.LOST]
    assert line.get_markerfacecolor() == "none" and line.get_color() == "0.6"
    assert line.get_ydata()[0] == pytest.approx(axis.get_ylim()[1]), "at the edge of the panel"
    assert panels.LOST in legend_of(figure)


def test_references_have_their_own_marks_and_errors(tmp_path):
    rows = [{"L": size, "temperature": 1.0, "energy": -0.1 * size, "energy_error": 0.2} for size in (6, 8)]
    (tmp_path / "qmc.json").write_text(json.dumps({"rows": rows}))
    reference = curves.read_reference(f"{tmp_path}/qmc.json:L=8")
    figure = plotting.thermodynamics([COLD], ["run"], references=[reference])
    points, _, (bars,) = figure.axes[0].containers[1].lines
    assert list(points.get_ydata()) == [-0.8] and points.get_marker() == "x"
    segment = bars.get_segments()[0]
    assert segment[1, 1] - segment[0, 1] == pytest.approx(0.4)
    assert "qmc L = 8" in legend_of(figure)


def test_references_in_csv_are_what_show_writes(tmp_path):
    (tmp_path / "mc.csv").write_text(
        "# a comment\nbeta, energy, energy_error, structure_factor(1,1), structure_factor_error(1,1)\n"
        "2.0, -0.4, 0.01, 0.7, 0.02\n1.0, -0.3, , 0.6, 0.01\n"
    )
    label, rows = curves.read_reference(tmp_path / "mc.csv")
    assert label == "mc" and [row["temperature"] for row in rows] == [0.5, 1.0]
    assert curves.points(rows, "energy") == [(0.5, -0.4, 0.01, 0.0), (1.0, -0.3, 0.0, 0.0)]


def test_a_heading_with_commas_needs_quotes(tmp_path):
    """`show --csv` quotes the keys of structure factors; they come back as dicts."""
    (tmp_path / "mc.csv").write_text(
        'temperature,"structure_factor(1,1)","structure_factor_error(1,1)"\n1.0,0.7,0.02\n'
    )
    _, rows = curves.read_reference(tmp_path / "mc.csv")
    assert curves.points(rows, "structure_factor", "1,1") == [(1.0, 0.7, 0.02, 0.0)]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "No such file"), ("a b c", "no rows with a temperature"), ('{"row": []}', "neither"), ("[]", "no rows")],
)
def test_references_that_cannot_be_used(tmp_path, content, sentence):
    if content is not None:
        (tmp_path / "x.dat").write_text(content)
    with pytest.raises(curves.ReferenceDataError, match=sentence):
        curves.read_reference(tmp_path / "x.dat")


def test_the_page_of_correlations():
    figure = plotting.correlations([with_extras(COLD)], ["run"], [EXACT])
    titles = [axis.get_ylabel() for axis in figure.axes]
    assert titles[:2] == [r"$S(\pi, \pi)$", r"$S(0.5\pi, 0)$"] and "r" in figure.axes[2].get_xlabel()
    radial = figure.axes[2]
    assert len(radial.containers) == 4, "a line for each temperature"
    assert list(radial.containers[0].lines[0].get_xdata()) == [1.0, 1.41421, 2.0]
    assert "no correlations" in plotting.correlations([COLD], ["run"]).axes[0].texts[0].get_text()


def test_the_page_of_convergence():
    history = {"beta": np.array([0.1, 0.2, 0.4]), "tdvp_residual": np.array([1e-3, 1e-2, 0.2])}
    history |= {"solver_iterations": np.zeros(3), "n_kept": np.array([3.0, 4.0, 5.0]), "acceptance": np.full(3, 0.3)}
    figure = plotting.convergence([history], ["run"])
    assert figure.axes[0].get_yscale() == "log" and len(figure.axes[0].lines) == 2, "a line and its limit"
    assert figure.axes[5].get_ylabel() == "directions kept"
    iterations = history | {"solver_iterations": np.array([5.0, 6.0, 7.0])}
    assert plotting.convergence([iterations], ["run"]).axes[5].get_ylabel() == "solver iterations"
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
    runs = [(0.1 * k, made_up_table([2.0, 1.0, 0.5])["rows"]) for k in range(4)]
    figure = plotting.phase_diagram({"parameter": "model.field", "runs": runs, "title": "t"}, "specific_heat")
    assert len(figure.axes[1].containers) == 4
    assert figure.axes[0].get_xlabel() == "model.field"
    plotting.phase_diagram({"parameter": "model.kind", "runs": [("tfim", runs[0][1])]}).canvas.draw()


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
    rows = [{"energy": -0.44, "energy_error": 0.001, "variance": 0.02, "variance_error": 0.003}]
    table = {"task": "ground_state", "n_sites": 6, "settings": COLD["settings"], "rows": rows}
    history = {"step": np.array([1.0, 2.0]), "energy": np.array([-0.2, -0.4])}
    figure = plotting.ground_states([table], [history], ["run"], [[{"energy": -0.45}]])
    steps, variances = figure.axes
    assert list(steps.lines[0].get_ydata()) == [-0.2, -0.4]
    assert {line.get_ydata()[0] for line in steps.lines[1:]} == {-0.45}
    assert list(variances.containers[0].lines[0].get_xdata()) == [0.02]
    assert "exact, run" in legend_of(figure)
    plotting.ground_states([table | {"rows": []}], [{}], ["empty"], width=3.4).canvas.draw()
