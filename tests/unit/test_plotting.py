"""Figures: every panel, error bars, logarithmic temperatures, one legend entry per curve, odd input."""

import math

import pytest

matplotlib = pytest.importorskip("matplotlib")

from hpc_nqs import plotting  # noqa: E402

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
    figure = plotting.draw([COLD], ["cold"])
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
    axis = plotting.draw([COLD], ["cold"]).axes[0]
    points, _, (bars,) = axis.containers[0].lines
    assert list(points.get_xdata()) == [row["temperature"] for row in COLD["rows"]]
    assert list(points.get_ydata()) == [row["energy"] for row in COLD["rows"]]
    segment = bars.get_segments()[0]
    assert segment[1, 1] - segment[0, 1] == pytest.approx(2 * 0.01)


def test_runs_differ_in_colour_and_marker_and_the_legend_pairs_them():
    figure = plotting.draw([COLD, COLD], ["a", "b"], [EXACT])
    first, second = (container.lines[0] for container in figure.axes[0].containers)
    assert first.get_color() != second.get_color() and first.get_marker() != second.get_marker()
    assert legend_of(figure) == ["a", "a, from the slope of e", "b", "b, from the slope of e", "exact"]


def test_exact_curves_of_two_systems_have_names_and_line_styles():
    figure = plotting.draw([COLD, COLD], ["a", "b"], [("a", EXACT[1]), ("b", EXACT[1])])
    assert legend_of(figure)[-2:] == ["exact, a", "exact, b"]
    assert len({line.get_linestyle() for line in figure.axes[0].lines if len(line.get_xdata()) > 10}) == 2


def test_a_narrow_range_of_temperatures_is_linear():
    figure = plotting.draw([made_up_table([1.0, 0.5])], ["narrow"])
    assert {axis.get_xscale() for axis in figure.axes} == {"linear"}


def test_absent_quantities_are_named_not_drawn():
    figure = plotting.draw([made_up_table([1.0, 0.25], without=("susceptibility", "energy_error"))], ["run"])
    assert [text.get_text() for text in figure.axes[3].texts] == ["not measured"]
    assert not figure.axes[0].texts


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_the_ending_chooses_the_format(tmp_path, ending):
    path = tmp_path / f"figure.{ending}"
    plotting.save_figure(path, [COLD], ["run"], [EXACT])
    assert path.stat().st_size > 5000
    assert path.read_bytes().startswith({"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[ending])


def test_an_unknown_ending_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Format 'xyz' is not supported"):
        plotting.save_figure(tmp_path / "figure.xyz", [COLD], ["run"])


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
    plotting.draw([table], [name]).canvas.draw()


def test_no_run_at_all_gives_a_figure():
    plotting.draw([], []).canvas.draw()


def test_many_runs_fit():
    figure = plotting.draw([COLD] * 9, [f"run {k}" for k in range(9)])
    assert len(legend_of(figure)) == 18
    figure.canvas.draw()
    assert min(axis.get_window_extent().height for axis in figure.axes) > 100
