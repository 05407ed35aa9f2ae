"""`resume --set thermal.temperatures=[...]`: rows, settings and the mark "finished" agree on what was reported."""

import json

import numpy as np
import pytest

import hpc_nqs
from hpc_nqs.cli import parser as cli
from hpc_nqs.parallel import team as parallel
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.runs.computation import STOPPED
from hpc_nqs.runs.stopping import StopRequest
from hpc_nqs.settings.parsing import parse_settings


@pytest.fixture(autouse=True)
def one_rank(monkeypatch):
    monkeypatch.setattr(parallel, "start", parallel.Team.serial)


def agreed(path):
    """Return the temperatures of a finished run, after checking that rows and settings have the same."""
    table = checkpoint.read_table(path)
    settings = parse_settings(table["settings"])
    rows = [row["beta"] for row in table["rows"]]
    assert sorted(rows) == sorted(settings.thermal.report_betas), (rows, settings.thermal)
    assert table["finished"]
    return [row["temperature"] for row in table["rows"]]


METHODS = {"numerical": {}, "analytic": {"method": "analytic", "dtau": [0.2], "entropy": False}}


@pytest.fixture(params=METHODS)
def finished(request, runs, tmp_path):
    """A finished run at T = 3 and 2."""
    path, extra = tmp_path / "run.h5", METHODS[request.param]
    sampling = {"n_samples": 64, "n_chains": 5, "n_warm_up": 10}
    settings = runs.settings_of(thermal={"temperatures": [3.0, 2.0]} | extra, sampling=sampling)
    hpc_nqs.run(settings, path)
    return path


def test_other_temperatures_are_added_to_those_with_results(finished, capsys):
    before = {row["temperature"]: row["energy"] for row in checkpoint.read_table(finished)["rows"]}
    assert cli.main(["resume", str(finished), "--set", "thermal.temperatures=[1.5]"]) == 0
    assert "thermal.temperatures = [1.5]: the run has results at T = 3, 2, which stay" in capsys.readouterr().err
    assert agreed(finished) == [3.0, 2.0, 1.5]
    after = {row["temperature"]: row["energy"] for row in checkpoint.read_table(finished)["rows"]}
    assert {temperature: after[temperature] for temperature in before} == before
    assert cli.main(["show", str(finished), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["thermal"]["temperatures"] == [3.0, 2.0, 1.5]


def test_a_subset_takes_nothing_away(finished, capsys):
    assert cli.main(["resume", str(finished), "--set", "thermal.temperatures=[2.0]"]) == 0
    assert agreed(finished) == [3.0, 2.0]


def test_the_whole_list_says_nothing(finished, capsys):
    assert cli.main(["resume", str(finished), "--set", "thermal.temperatures=[3.0, 2.0]"]) == 0
    assert "which stay" not in capsys.readouterr().err


def test_betas_after_temperatures_and_from_python(finished):
    run = hpc_nqs.resume(finished, ["thermal.betas=[0.7]"])
    assert agreed(finished) == pytest.approx([3.0, 2.0, 1 / 0.7])
    assert run.finished and run["temperature"] == pytest.approx([3.0, 2.0, 1 / 0.7])


@pytest.mark.parametrize("seed", range(5))
def test_temperatures_after_any_betas(runs, tmp_path, seed):
    """1 / (1 / beta) is not beta for every beta; the rows are found again all the same."""
    path = tmp_path / "run.h5"
    betas = sorted(np.random.default_rng(seed).uniform(0.11, 0.3, 3).tolist())
    hpc_nqs.run(runs.settings_of(betas), path)
    hpc_nqs.resume(path, ["thermal.temperatures=[2.5]"])
    assert agreed(path) == pytest.approx([1 / beta for beta in betas] + [2.5])


class StopAfterRow(StopRequest):
    """A request that comes as soon as a row stands in the file."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def due(self, margin):
        return self.path.exists() and len(checkpoint.read_table(self.path)["rows"]) > 0


def test_temperatures_without_results_may_go(runs, tmp_path):
    path = tmp_path / "run.h5"
    assert runs.cool(runs.settings_of((0.2, 0.5, 0.9)), path, StopAfterRow(path)) == STOPPED
    hpc_nqs.resume(path, ["thermal.betas=[0.4]"])
    assert agreed(path) == pytest.approx([1 / 0.2, 1 / 0.4])
