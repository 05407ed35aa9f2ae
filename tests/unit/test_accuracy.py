"""The accuracy command: its rows are valid inputs, its verdicts follow from floor and goal."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import accuracy

from hpc_nqs import exact
from hpc_nqs.settings import build, parse_settings


@pytest.mark.parametrize("name", accuracy.ROWS)
def test_rows_are_inputs_of_sixteen_sites(name):
    lattice, model, lowest, floor, goal, _ = accuracy.ROWS[name]
    settings = parse_settings({"lattice": lattice, "model": model, "thermal": {"temperatures": [lowest]}})
    assert build(settings)[0].n_sites == 16
    assert goal < floor


@pytest.mark.parametrize(("shift", "verdict"), [(1e-4, "goal"), (1e-3, "floor"), (-1e-3, "floor"), (0.1, "ABOVE")])
def test_a_line_names_the_largest_error_and_what_it_reaches(monkeypatch, shift, verdict):
    monkeypatch.setitem(accuracy.ROWS, "small", (*accuracy.ROWS["tfim_chain"][:2], 1.0, 2e-3, 3e-4, 5))
    tables = {"lattice": {"kind": "chain", "lengths": [4]}, "model": {"kind": "tfim"}, "thermal": {"temperatures": [2.0, 1.0]}}
    settings = parse_settings(tables)
    lattice, model = build(settings)
    rows = exact.thermal_rows(exact.diagonalize(model, lattice, []), [0.5, 1.0])
    rows = [{**row, "temperature": 1 / row["beta"], "energy_error": 1e-5} for row in rows]
    rows[1]["energy"] += shift
    words = accuracy.line("small", settings, {"rows": rows, "seconds": 12.3}).split()
    assert words == ["small", f"{abs(shift):.5f}(0.00001)", "1", "2e-03", "3e-04", "12", "300", verdict]


def test_an_unknown_row_is_an_error(capsys):
    with pytest.raises(SystemExit) as stop:
        accuracy.main(["cube"])
    assert stop.value.code == 2
    assert "cube: allowed are tfim_chain_half" in capsys.readouterr().err
