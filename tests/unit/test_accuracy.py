"""The accuracy command: its rows are valid inputs, its verdicts follow from floor and goal."""

import dataclasses
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import accuracy

from hpc_nqs.exact import diagonalization as exact
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build


@pytest.mark.parametrize("name", accuracy.ALL)
def test_rows_are_inputs_of_sites_with_a_reference(name):
    limits = accuracy.ALL[name].limits
    settings = parse_settings(accuracy.input_of(name, 1))
    measured = accuracy.monte_carlo(name)
    assert build(settings)[0].n_sites <= 16 or measured or name in accuracy.GROUND_STATES
    assert min(settings.thermal.temperatures) == limits[-1][0]
    assert sorted(limits, reverse=True) == list(limits)
    assert not measured or set(settings.thermal.temperatures) <= set(measured)
    assert all(goal < floor or name in accuracy.OTHERS for _, floor, goal in limits)


@pytest.mark.parametrize(("shift", "verdict"), [(1e-4, "goal"), (1e-3, "floor"), (-1e-3, "floor"), (0.1, "ABOVE")])
def test_a_line_names_the_largest_error_and_what_it_reaches(monkeypatch, shift, verdict):
    limits = ((2.0, 5e-3, 1e-3), (1.0, 2e-3, 3e-4))
    monkeypatch.setitem(accuracy.ALL, "small", dataclasses.replace(accuracy.ALL["tfim_chain"], limits=limits))
    tables = {
        "lattice": {"kind": "chain", "lengths": [4]},
        "model": {"kind": "tfim"},
        "thermal": {"temperatures": [2.0, 1.0]},
    }
    settings = parse_settings(tables)
    lattice, model = build(settings)
    rows = exact.thermal_rows(exact.diagonalize(model, lattice, []), [0.5, 1.0])
    rows = [{**row, "temperature": 1 / row["beta"], "energy_error": 1e-5} for row in rows]
    rows[1]["energy"] += shift
    words = accuracy.line("small", settings, {"rows": rows, "seconds": 12.3}).split()
    assert words == ["small", f"{abs(shift):.5f}(0.00001)", "1", "2.0e-03", "3.0e-04", "12", "300", verdict]


def test_rows_of_36_sites_are_compared_with_monte_carlo():
    measured = accuracy.monte_carlo("square_6")
    rows = [{"temperature": 2.0, "energy": -0.2, "energy_error": 1e-4, "structure_factor": {"1,1": [0.45, 0.001]}}]
    rows += [{**rows[0], "temperature": 0.5, "energy": measured[0.5]["energy"] + 0.004}]
    table = {"rows": rows, "seconds": 3.0}
    assert accuracy.line("square_6", None, table).split()[1:3] == ["0.00400(0.00010)", "0.5"]
    first = accuracy.comparison("square_6", table)[0].split()
    assert first[:5] == ["T", "2", "e", "-0.20000(0.00010)", "Monte"]
    assert first[first.index("de") + 1] == "+0.00181"
    assert first[-2:] == ["-0.4", "%"]
    assert accuracy.comparison("chain", table) == []


def test_the_frustrated_row_of_36_sites_is_compared_with_the_ground_state():
    rows = [{"temperature": t, "energy": e, "energy_error": 1e-4} for t, e in ((1.0, -0.3), (0.1, -0.5))]
    words = accuracy.line("square_6_j2_half", None, {"rows": rows, "seconds": 3.0}).split()
    assert words[1:3] == ["0.00381(0.00010)", "0.1"] and words[-1] == "floor"
    assert accuracy.comparison("square_6_j2_half", {"rows": rows}) == []


def test_an_unknown_row_is_an_error(capsys):
    with pytest.raises(SystemExit) as stop:
        accuracy.main(["cube"])
    assert stop.value.code == 2
    assert "cube: allowed are tfim_chain_half" in capsys.readouterr().err
