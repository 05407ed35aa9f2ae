"""Excitation energies in tables, and the tower of states."""

import json
import math

import pytest

from hpc_nqs.reports.levels import least_spin, with_gaps, with_levels
from hpc_nqs.reports.text import csv_text, json_text, table_text

ROWS = [
    {"momentum": [2, 2], "spin_parity": -1, "energy": -0.47, "energy_error": 3e-4, "total_spin_squared": 2.0},
    {"momentum": [0, 0], "spin_parity": 1, "energy": -0.53, "energy_error": 4e-4, "total_spin_squared": 0.01},
    {"momentum": [0, 0], "spin_parity": 1, "energy": -0.50, "energy_error": 0.0, "total_spin_squared": 0.0},
]
ROWS = [{"sz": 0.0} | row for row in ROWS]
FACTORS = {"1,1": [2.0, 0.01], "1,0": [0.3, 0.02]}


def table_of(rows=ROWS, **more):
    settings = {"lattice": {"kind": "square", "lengths": [4, 4]}, "model": {"kind": "heisenberg", "couplings": [1.0]}}
    return {"task": "ground_state", "n_sites": 16, "settings": settings, "rows": rows} | more


def test_gaps_are_total_energies_above_the_lowest_level():
    first, second, third = with_gaps(table_of())["rows"]
    assert first["gap"] == pytest.approx(16 * 0.06) and first["gap_error"] == pytest.approx(16 * 5e-4)
    assert second["gap"] == second["gap_error"] == 0.0
    assert third["gap"] == pytest.approx(16 * 0.03) and third["gap_error"] == pytest.approx(16 * 4e-4)


def test_one_level_and_other_numbers_of_electrons_have_no_gaps():
    for rows in (ROWS[:1], [ROWS[0] | {"n_up": 1, "n_down": 1}, ROWS[1] | {"n_up": 2, "n_down": 1}]):
        assert with_levels(table_of(rows))["rows"] == rows
    assert with_levels({"task": "thermal", "rows": ROWS})["rows"] == ROWS
    broken = with_levels(table_of([*ROWS, {"energy": math.nan}]))["rows"]
    assert "gap" not in broken[3] and broken[0]["gap"] == pytest.approx(0.96)


def test_tables_show_gaps_spins_and_the_peak_of_the_structure_factor():
    ratios = {"1,1": [0.8, 0.01], "1,0": [-0.2, 0.1]}
    rows = [row | {"structure_factor": FACTORS, "correlation_ratio": ratios} for row in ROWS]
    table = with_levels(table_of(rows))
    row = table["rows"][0]
    assert (row["peak"], row["peak_structure_factor"], row["peak_correlation_ratio_error"]) == ("1,1", 2.0, 0.01)
    text = table_text(table)
    heading = next(line for line in text.splitlines() if "E - E0" in line).split()
    assert heading[:2] == ["momentum", "Sz"] and {"S(S+1)", "S(peak)", "R(peak)"} <= set(text.split())
    assert "0.9600(80)" in text and max(map(len, text.splitlines())) <= 80
    assert json.loads(json_text(table))["rows"][2]["gap"] == pytest.approx(0.48)
    assert "gap,gap_error" in csv_text(table).splitlines()[0]
    one = with_levels(table_of([row | {"structure_factor": {"1,1": [2.0, 0.01]}} for row in ROWS]))
    assert "peak" not in one["rows"][0]


@pytest.mark.parametrize(
    ("row", "n_sites", "expected"),
    [
        ({"total_spin_squared": 1.9, "spin_parity": 1}, 16, (1.9, True)),
        ({"sz": 0.0, "spin_parity": 1}, 16, (0.0, False)),
        ({"sz": 0.0, "spin_parity": -1}, 16, (2.0, False)),
        ({"sz": 0.0, "spin_parity": -1}, 6, (0.0, False)),  # (-1)^(N/2 - S)
        ({"sz": 0.0, "spin_parity": 1}, 6, (2.0, False)),
        ({"sz": -1.5}, 5, (3.75, False)),
        ({"spin_parity": -1, "n_up": 3, "n_down": 3}, 6, (2.0, False)),
        ({}, 4, (0.0, False)),
    ],
)
def test_least_spins(row, n_sites, expected):
    assert least_spin(row, n_sites) == expected


def drawn(*arguments):
    figure = pytest.importorskip("matplotlib.figure")
    from hpc_nqs.reports.tower import tower_panels

    panels = tower_panels(*arguments)
    axes = figure.Figure().subplots(1, max(2, len(panels)))
    for axis, (draw, _) in zip(axes, panels, strict=False):
        draw(axis)
    return [words for _, words in panels], axes


def test_the_tower_has_levels_at_their_spins_and_exact_lines():
    exact = [[{"energy": -0.48}, {"energy": -0.54}, {}]]
    words, (axis, _) = drawn([table_of()], ["run"], exact, "J")
    assert words == [""]
    points = [line for container in axis.containers for line in container.lines[:1]]
    places = [(round(line.get_xdata()[0]), round(line.get_ydata()[0], 6)) for line in points]
    assert places == [(2, 0.96), (0, 0.0), (0, 0.48)]
    labels = [container.get_label() for container in axis.containers]
    assert labels == [r"$k = (\pi, \pi)$", "$k = (0, 0)$", "$k = (0, 0)$"]
    lines = [line for line in axis.lines if line.get_label() == "exact"]
    assert [round(line.get_ydata()[0], 6) for line in lines] == [0.96, 0.0]
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["0", "2"]
    assert axis.get_xlabel().startswith("total spin")
    guide = next(line for line in axis.lines if line.get_linestyle() == "--")
    assert sorted(round(value, 6) for value in guide.get_ydata()) == [0.0, 0.96]


def test_towers_of_several_runs_stand_side_by_side_and_name_representations():
    rows = [{name: value for name, value in row.items() if name != "total_spin_squared"} for row in ROWS]
    rows[2] = rows[2] | {"point_group": "B1"}
    words, (first, second) = drawn([table_of(), table_of(ROWS[:1]), table_of(rows)], ["a", "b", "c$"])
    assert words == ["a", r"c\$"]
    assert first.get_xlabel().startswith("total spin") and second.get_xlabel().startswith("least total spin")
    assert [each.get_label() for each in second.containers][2] == "$k = (0, 0)$ B1"
