"""`measure`: what it refuses, in one sentence that says what to do, and the pieces it is made of."""

import json

import numpy as np
import pytest

import hpc_nqs
from hpc_nqs.cli import parser as cli
from hpc_nqs.parallel import team as parallel
from hpc_nqs.parallel.ordered_sums import sum_of_rows
from hpc_nqs.runs import run_file
from hpc_nqs.thermal.passed_state import seed_of
from hpc_nqs.thermal.remeasurement import Remeasurement
from hpc_nqs.thermal.rings.kernel_path import KernelPath

RING = {"lattice": {"kind": "chain", "lengths": [4]}, "model": {"kind": "heisenberg"}, "run": {"seed": 1}}
ANALYTIC = {"method": "analytic", "temperatures": [2.0], "dtau": [0.2], "entropy": False}
SMALL = {"n_samples": 64, "n_chains": 5, "n_warm_up": 10}


@pytest.fixture(autouse=True)
def one_rank(monkeypatch, tmp_path):
    monkeypatch.setattr(parallel, "start", parallel.Team.serial)
    monkeypatch.chdir(tmp_path)


def made(path="run.h5", **sections):
    """Run a small input."""
    thermal = {"temperatures": [2.0, 1.0]} if "ground_state" not in sections else {}
    return hpc_nqs.run(hpc_nqs.make_input(**RING | {"thermal": thermal} | sections), path)


def without_path(path):
    """Take the states away, as files of earlier versions have none."""
    state, table = run_file.read_state(path), run_file.read_table(path)
    state["rings"] = state["rings"] | {"path": KernelPath().arrays()}
    parts = run_file.read_settings_text(path), state, run_file.read_history(path), table, run_file.read_network(path)
    run_file.write_run(path, *parts)


def without_rows(path):
    """Take the results away, as of a run that was stopped before its first ones."""
    state, table = run_file.read_state(path), run_file.read_table(path)
    parts = run_file.read_settings_text(path), state | {"rows": "[]"}, run_file.read_history(path)
    run_file.write_run(path, *parts, table | {"rows": []}, run_file.read_network(path))


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Return the bytes of a finished run at T = 2 and 1."""
    path = tmp_path_factory.mktemp("stored") / "run.h5"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "start", parallel.Team.serial)
        made(path)
    return path.read_bytes()


@pytest.fixture
def run(stored, tmp_path):
    (tmp_path / "run.h5").write_bytes(stored)
    return tmp_path / "run.h5"


REFUSED = [
    (["--temperatures", "2.0,0.5"], 2, "T = 0.5 is asked for, but run.h5 has come to T = 1; cool further first: "
     "hpc-nqs resume run.h5 --set thermal.temperatures=[0.5]"),
    (["--temperatures", "1.0,11.0"], 2, "T = 11 is asked for, but the states of run.h5 begin at T = 10; allowed are "
     "lower temperatures"),
    (["--temperatures", "-1"], 2, "thermal.temperatures = [-1.0]"),
    (["--temperatures", "2", "--set", "thermal.betas=[1]"], 2, "given by --set thermal.betas and on their own"),
    (["--set", "model.couplings=[2.0]"], 2, "model.couplings = [2.0]: cannot change when a run continues"),
    (["--set", "run.seed=2"], 2, "run.seed = 2: cannot change"),
    (["--set", "observables.magic=1"], 2, "observables.magic: unknown key"),
    (["--set", "observables.structure_factor=[[0.3, 0]]"], 2, "not a wave vector of this periodic lattice"),
    (["-o", "run.h5", "--overwrite"], 1, "run.h5 is the input itself"),
    (["-o", "other.h5"], 1, "other.h5 exists; choose another name with -o, continue it with `resume`"),
]


@pytest.mark.parametrize(("words", "code", "sentence"), REFUSED)
def test_what_is_refused_of_a_run(run, tmp_path, capsys, words, code, sentence):
    (tmp_path / "other.h5").write_bytes(run.read_bytes())
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert cli.main(["measure", "run.h5", *words]) == code
    captured = capsys.readouterr()
    assert sentence in captured.err and captured.out == "" and captured.err.count("\n") <= 2
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


def test_words_that_are_no_temperatures(run, capsys):
    with pytest.raises(SystemExit):
        cli.main(["measure", "run.h5", "--temperatures", "hot"])
    assert "hot: allowed are numbers with commas" in capsys.readouterr().err


def test_files_that_hold_no_states(tmp_path, capsys):
    """Ground states, the analytic method, learned slices, and what an earlier version wrote."""
    made("ground.h5", run={"seed": 1, "task": "ground_state"}, ground_state={"n_steps": 2})
    made("analytic.h5", thermal=ANALYTIC, sampling=SMALL)
    made("slices.h5", wavefunction={"slices": 2}, thermal={"temperatures": [20.0]}, sampling=SMALL)
    made("older.h5")
    without_path("older.h5")
    files = sorted(tmp_path.iterdir())
    for name, sentence in (
        ("ground", "is a run of ground states"),
        ("analytic", 'is a run of thermal.method = "analytic"'),
        ("slices", "keeps no states of its cooling"),
        ("older", "keeps no states of its cooling"),
    ):
        assert cli.main(["measure", f"{name}.h5"]) == 2
        error = capsys.readouterr().err
        assert f"{name}.h5 {sentence}" in error, error
        assert f"`hpc-nqs show {name}.h5 --toml` prints it" in error
    assert sorted(tmp_path.iterdir()) == files


def test_green_functions_of_a_run_of_electrons_are_measured_afterwards(tmp_path, capsys):
    electrons = {"lattice": {"kind": "chain", "lengths": [2]}, "model": {"kind": "hubbard", "U": 2.0, "mu": 1.0}}
    made("electrons.h5", thermal={"temperatures": [2.0]}, **electrons)
    assert cli.main(["measure", "electrons.h5", "--set", "observables.imaginary_time=true"]) == 0
    assert "local_spectral_proxy_up" in run_file.read_table("electrons-measured.h5")["rows"][0]
    capsys.readouterr()
    assert cli.main(["plot", "electrons.h5", "--page", "imaginary_time"]) == 1
    assert "page imaginary_time: it is of magnets; allowed are thermodynamics" in capsys.readouterr().err


def test_a_run_without_results_needs_temperatures(run, capsys):
    without_rows("run.h5")
    assert cli.main(["measure", "run.h5"]) == 2
    assert "run.h5 has no results yet: name temperatures with --temperatures" in capsys.readouterr().err
    assert cli.main(["measure", "run.h5", "--temperatures", "1.5"]) == 0
    assert [row["temperature"] for row in run_file.read_table("run-measured.h5")["rows"]] == [1.5]


def test_rings_that_reach_no_kernel(run, tmp_path, capsys):
    """A row on rings is no state of the path; rings of other links may ask for states that there are not."""
    made("rings.h5", wavefunction={"kind": "permanent"}, thermal={"temperatures": [2.0, 1.0], "rings": [4]})
    assert cli.main(["measure", "rings.h5", "--set", "thermal.rings=[2]"]) == 2
    error = capsys.readouterr().err
    assert "T = 1 is asked for, but with rings of up to 2 links it needs a state at T = 1, and rings.h5" in error
    assert not (tmp_path / "rings-measured.h5").exists()
    assert cli.main(["measure", "rings.h5"]) == 0


def test_files_that_are_none(tmp_path, capsys):
    assert cli.main(["measure", "nothing.h5"]) == 2
    assert "there is no run file nothing.h5" in capsys.readouterr().err
    with pytest.raises(hpc_nqs.RunFileError):
        hpc_nqs.measure("nothing.h5")


def test_a_run_of_other_chains(tmp_path, capsys):
    made("chains.h5", sampling=SMALL | {"method": "metropolis"}, thermal={"temperatures": [4.0]})
    assert cli.main(["measure", "chains.h5", "--set", "sampling.n_chains=4"]) == 2
    assert "the run has 5 chains" in capsys.readouterr().err


def test_resume_of_a_measurement_knows_where_states_begin(run, capsys):
    assert cli.main(["measure", "run.h5", "--temperatures", "1.5"]) == 0
    assert cli.main(["resume", "run-measured.h5", "--set", "thermal.temperatures=[100.0]"]) == 2
    assert "the states of run.h5 begin at T = 10" in capsys.readouterr().err


def test_the_command_says_where_results_are_and_where_they_come_from(run, capsys):
    assert cli.main(["measure", "run.h5", "--temperatures", "1.5", "--set", "observables.correlations=true"]) == 0
    out = capsys.readouterr().out
    assert "finished, measured from run.h5, 1 row" in out and out.endswith("results are in run-measured.h5\n")
    assert cli.main(["show", "run-measured.h5", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert table["measured_from"] == "run.h5" and "correlation" in table["rows"][0]
    assert cli.main(["show", "run-measured.h5", "--exact"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert "measured afterwards on the states that the cooling has passed" in words
    assert cli.main(["report", "run-measured.h5"]) == 0
    capsys.readouterr()
    assert cli.main(["show", "run.h5"]) == 0
    assert "measured" not in capsys.readouterr().out


def test_from_python(run, tmp_path):
    found = hpc_nqs.measure("run.h5", ["observables.correlations=true"], temperatures=np.array([1.5, 1.0]))
    assert found["temperature"].tolist() == [1.5, 1.0] and found.stopped == ""
    assert found["correlation"].shape[0] == 2
    with pytest.raises(FileExistsError, match="overwrite=True"):
        hpc_nqs.measure("run.h5")
    assert hpc_nqs.measure("run.h5", overwrite=True)["temperature"].tolist() == [2.0, 1.0]
    with pytest.raises(FileExistsError, match="is the input itself"):
        hpc_nqs.measure("run.h5", output="run.h5", overwrite=True)
    with pytest.raises(hpc_nqs.SettingsError, match="cool further first"):
        hpc_nqs.measure("run.h5", temperatures=[0.5], output="other.h5")
    assert not (tmp_path / "other.h5").exists()


# ---------------------------------------------------------------- pieces


def test_seeds_are_those_of_a_run_a_measurement_and_a_temperature():
    seeds = [seed_of(*each) for each in ((1, 1), (2, 1), (1, 2), (1, 1, 0.5), (1, 1, 0.5 + 1e-16), (1, 1, 1.0), (0, 1))]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert seed_of(2**63 - 1, 1, 0.5) == seed_of(2**63 - 1, 1, 0.5)


@pytest.mark.parametrize("n_rows", [5, 2])
def test_sums_over_rows_are_the_same_bits_on_any_number_of_ranks(on_ranks, n_rows):
    """Numbers whose sum depends on the order; rows from `n_rows` on do not count."""
    rows = np.array([[1e16, 0.1], [1.0, 0.2], [-1e16, 0.3], [1.0, 0.4], [3.0, 0.7]])
    expected = sum_of_rows(parallel.Team.serial(), rows, 0, n_rows)
    np.testing.assert_array_equal(expected, rows[:n_rows].sum(axis=0))
    for size in (2, 3, 6):
        found = on_ranks(size, lambda team: sum_of_rows(team, rows[slice(*team.share(5))], team.share(5)[0], n_rows))
        for each in found:
            np.testing.assert_array_equal(each, expected)


def test_the_path_keeps_the_heat_and_older_files_have_none():
    path, copy = KernelPath(), KernelPath()
    for beta in (0.1, 0.2, 0.4):
        path.add(beta, np.ones(2), np.ones(2), 1 - beta)
    path.add(0.2, np.ones(2), np.ones(2), 0.7)
    np.testing.assert_allclose(path.heats, [0.9, 0.7])
    arrays = path.arrays()
    del arrays["heats"]
    copy.restore(arrays)
    row = {"beta": 0.1, "specific_heat": 0.01 * 3.0 * 0.9, "energy_variance": 3.0}
    for each, rows, expected in ((path, [], 0.8), (copy, [row], 0.9), (copy, [], 1.0)):
        assert Remeasurement(1, "run.h5", 0.4, rows).heat(0.15, each) == pytest.approx(expected)


def test_earlier_rows_stay_as_nodes_and_points():
    cooled = {"beta": 0.5, "energy": -0.1, "tdvp_residual": 0.1}
    ring, node = ({"beta": beta, "energy": -0.3, "kernel_beta": 0.5} for beta in (1.0, 0.8))
    words = {"nodes": [node, ring | {"energy": 0.0}], "first": [ring], "signs": [[1.0, 4, 0.3]]}
    rings = {"path": {"betas": np.array([0.1, 0.6])}, "rows": json.dumps(words), "measurement": {"beta": 1.0}}
    state = {"rows": json.dumps([cooled, ring]), "rings": rings}
    measurement, begun = Remeasurement.of(state, "run.h5")
    assert (measurement.number, measurement.coldest, measurement.rows) == (1, 1.0, [cooled])
    assert begun["rows"] == "[]" and begun["rings"]["measurement"] is None
    assert json.loads(begun["rings"]["rows"]) == {"nodes": [node, ring], "first": [], "signs": [[1.0, 4, 0.3]]}
    again, _ = Remeasurement.of(begun | {"rows": json.dumps([cooled | {"energy": -0.2}])}, "two.h5")
    assert again.number == 2 and [row["energy"] for row in again.rows] == [-0.2]
    assert again.others([{"beta": 0.5 * (1 + 1e-12)}]) == [] and len(again.others([{"beta": 0.6}])) == 1
    assert again.residual(0.6, [{"beta": 0.7, "tdvp_residual": 0.3}]) == pytest.approx(0.2)
