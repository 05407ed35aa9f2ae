"""A step that leads astray is taken back; where smaller ones do as well, the run ends with the state before them."""

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.parallel.team import Team
from hpc_nqs.runs import run_file
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.thermal import driver

INPUT = {
    "run": {"seed": 1},
    "lattice": {"kind": "chain", "lengths": [6]},
    "model": {"kind": "heisenberg"},
    "thermal": {"temperatures": [4.0, 2.0]},
}


@pytest.mark.parametrize(("times", "code"), [(2, 0), (99, 1)])
def test_steps_that_lead_astray(times, code, tmp_path, monkeypatch, capsys):
    path, clean, calls = str(tmp_path / "run.h5"), str(tmp_path / "clean.h5"), []

    def left_path(last, measured, beta):
        calls.append(beta)
        return 0.3 < beta < 0.5 and sum(0.3 < each < 0.5 for each in calls) <= times

    assert tasks.run(parse_settings(INPUT), Team.serial(), clean) == 0
    monkeypatch.setattr(driver, "left_path", left_path)
    assert tasks.run(parse_settings(INPUT), Team.serial(), path) == code
    output, table, history = capsys.readouterr().err, run_file.read_table(path), run_file.read_history(path)
    assert output.count("it is taken back") == min(times, 3)
    assert np.all(np.diff(history["beta"]) > 0)
    rows, expected = table["rows"], run_file.read_table(clean)["rows"]
    if code:
        assert "stopped: step" in output and [row["temperature"] for row in rows] == [4.0]
        assert run_file.read_state(path)["beta"] <= 0.3 and not table["finished"]
    else:
        for row, wanted in zip(rows, expected, strict=True):
            assert row["energy"] == pytest.approx(wanted["energy"], abs=1e-4)


@pytest.mark.parametrize(
    ("until", "thermal"),
    [
        (0.36, {"temperatures": [2.5], "beta_0": 0.25}),
        pytest.param(0.45, {"temperatures": [2.0]}, marks=pytest.mark.slow),
    ],
    ids=["few", "all"],
)
def test_a_run_that_stops_before_the_look_goes_back_as_well(runs, tmp_path, monkeypatch, until, thermal):
    """Stopped after every step in turn: the resumed run is the uninterrupted one to the last bit."""
    monkeypatch.setattr(driver, "left_path", lambda last, measured, beta: 0.3 < beta < until and last["dtau"] > 0.004)
    lattice = {"kind": "chain", "lengths": [4]}
    settings = parse_settings(INPUT | {"lattice": lattice, "thermal": thermal})
    assert runs.cool(settings, tmp_path / "whole.h5") == 0
    expected, n_before_a_look = runs.contents(tmp_path / "whole.h5"), 0
    for n_looks in range(1, 60):
        path = tmp_path / f"{n_looks}.h5"
        if runs.cool(settings, path, runs.StopAfter(n_looks)) == 0:
            break
        history = run_file.read_history(path)
        n_before_a_look += 0.3 < run_file.read_state(path)["beta"] < until and history["dtau"][-1] > 0.004
        assert runs.cool(settings, path, resume=True) == 0
        runs.assert_bitwise(runs.contents(path), expected)
    assert n_before_a_look >= 1
