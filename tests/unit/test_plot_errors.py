"""Bars of errors, lost points and references in figures."""

import json
import math

import numpy as np
import pytest

from hpc_nqs.reports import figures as plotting
from hpc_nqs.reports import panels
from hpc_nqs.reports import series as curves
from tests.unit.test_plotting import COLD, legend_of, with_extras


def ends_of_bar(axis, place):
    """Return the lower and upper end of the bar of the total error of a panel at a place of its axis."""
    (bars,) = [part for part in axis.collections if part.get_label() == panels.TOTAL]
    (found,) = [segment for segment in bars.get_segments() if math.isclose(segment[0, 0], place)]
    return found[0, 1], found[1, 1]


def test_the_total_error_is_a_bar_behind_every_point():
    figure = plotting.thermodynamics([with_extras(COLD)], ["run"])
    energy, total = COLD["rows"][0]["energy"], np.hypot(0.01, 0.05)
    ends = ends_of_bar(figure.axes[0], 2.0)
    assert ends == pytest.approx((energy - total, energy + total)), "statistical and systematic error in quadrature"
    assert "total error" in legend_of(figure)
    assert "total error" not in legend_of(plotting.thermodynamics([COLD], ["run"]))


def test_the_slope_of_the_energy_has_errors_and_is_lost_like_all_others():
    rows = [dict(row) for row in COLD["rows"]]
    rows[0] |= {"specific_heat_slope_error": 0.01, "specific_heat_slope_systematic": 0.02}
    rows[1] |= {"specific_heat_slope_error": 0.9 * rows[1]["specific_heat_slope"]}
    axis = plotting.thermodynamics([COLD | {"rows": rows}], ["run"]).axes[1]
    slope = axis.containers[1].lines[0]
    assert slope.get_markerfacecolor() == "none" and len(slope.get_xdata()) == 3, "without the lost one"
    low, high = ends_of_bar(axis, 2.0)
    assert (high - low) / 2 == pytest.approx(np.hypot(0.01, 0.02))


@pytest.mark.parametrize(
    ("quantity", "panel", "value", "error", "ends"),
    [
        ("entropy", 2, 0.6, 0.2, (0.4, np.log(2))),
        ("entropy", 2, 0.05, 0.2, (0.0, 0.25)),
        ("specific_heat", 1, 0.3, 0.1, (0.2, 0.4)),
        ("energy", 0, -0.95, 0.3, (-1.0, -0.65)),  # not below the bound from stars of the square lattice
    ],
)
def test_bars_end_where_the_quantity_must(monkeypatch, quantity, panel, value, error, ends):
    monkeypatch.setattr(panels, "lowest_energy", lambda table: -1.0)
    rows = [
        {"temperature": t, "beta": 1 / t, "energy": -0.9, "specific_heat": 0.3, "entropy": 0.6}
        | {quantity: value, f"{quantity}_systematic": error}
        for t in (1.0, 2.0)
    ]
    figure = plotting.thermodynamics([COLD | {"rows": rows}], ["run"])
    assert ends_of_bar(figure.axes[panel], 1.0) == pytest.approx(ends)


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
