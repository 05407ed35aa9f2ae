"""What the commands without MPI print: show, exact, plot, check, init, bench."""

import json
import sys
import types

import pytest

import hpc_nqs
from hpc_nqs import tasks
from hpc_nqs.cli import figures
from hpc_nqs.cli import parser as cli
from hpc_nqs.parallel import team as parallel
from hpc_nqs.settings.parsing import parse_settings, read_settings


def test_show_prints_a_table(folder, capsys):
    assert cli.main(["show", "run.h5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.split()[:2] == ["2", "-0.0500(10)"] for line in lines)


def test_show_json(folder, capsys):
    assert cli.main(["show", "run.h5", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert {"format", "task", "n_sites", "finished", "seconds", "n_ranks", "settings", "rows"} <= set(table)
    assert table["format"] == 1 and table["n_sites"] == 6 and table["finished"] is True
    assert [row["temperature"] for row in table["rows"]] == [2.0, 1.0, 0.5]
    assert table["rows"][0]["structure_factor"] == {"1,0": [0.3, 0.01]}
    assert parse_settings(table["settings"]) == read_settings("input.toml")


def test_show_csv(folder, capsys):
    assert cli.main(["show", "run.h5", "--csv"]) == 0
    assert capsys.readouterr().out.startswith("temperature,beta,energy,energy_error,")


def test_show_with_exact_differences(folder, capsys):
    assert cli.main(["show", "run.h5", "--exact"]) == 0
    assert "e - exact" in capsys.readouterr().out


def test_exact_json_has_the_same_rows_as_show(folder, capsys):
    assert cli.main(["exact", "input.toml", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert {"format", "task", "n_sites", "finished", "seconds", "n_ranks", "settings", "rows"} <= set(table)
    assert [row["beta"] for row in table["rows"]] == [0.5, 1.0, 2.0]
    for row in table["rows"]:
        assert {
            "temperature",
            "beta",
            "energy",
            "specific_heat",
            "entropy",
            "free_energy",
            "susceptibility",
            "structure_factor",
        } <= set(row)
        assert set(row["structure_factor"]) == {"1,0"}
        assert row["free_energy"] == pytest.approx(row["energy"] - row["temperature"] * row["entropy"])


def test_exact_text(folder, capsys):
    assert cli.main(["exact", "input.toml"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_exact_refuses_large_systems(folder, capsys):
    assert cli.main(["exact", "input.toml", "--set", "lattice.lengths=[18]"]) == 2
    assert "no exact results: 18 sites" in capsys.readouterr().err


def test_plot(folder, capsys):
    pytest.importorskip("matplotlib")
    assert cli.main(["plot", "run.h5", "run.h5", "--exact"]) == 0
    assert (folder / "run.png").read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out == "figure written to run.png\n"
    assert cli.main(["plot", "run.h5", "-o", "figure.xyz"]) == 1
    assert "figure.xyz: Format 'xyz' is not supported" in capsys.readouterr().err
    assert cli.main(["plot", "run.h5", "-o", "no/figure.png"]) == 1
    assert "no/figure.png: No such file or directory" in capsys.readouterr().err


def test_pages_without_results_are_refused(folder, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    read = figures.read_run_file

    def without_correlations(path, reader):
        found = read(path, reader)
        for row in found["rows"] if reader == "read_table" else ():
            row.pop("structure_factor")
        return found

    monkeypatch.setattr(figures, "read_run_file", without_correlations)
    for page, key in (("imaginary_time", "imaginary_time=true"), ("correlations", "structure_factor=[[1,1]]")):
        assert cli.main(["plot", "run.h5", "--page", page, "-o", "page.png"]) == 1
        assert f"hpc-nqs measure RUN.h5 --set observables.{key}" in capsys.readouterr().err
    assert not (folder / "page.png").exists()
    assert cli.main(["plot", "run.h5", "--page", "all"]) == 0
    assert sorted(path.name for path in folder.glob("run*.png")) == ["run-convergence.png", "run.png"]


def test_plot_without_matplotlib(folder, capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "hpc_nqs.reports.figures", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    monkeypatch.delattr("hpc_nqs.reports.figures", raising=False)
    assert cli.main(["plot", "run.h5"]) == 1
    assert "figures need matplotlib" in capsys.readouterr().err


def test_plot_goes_on_without_an_exact_curve(folder, driver, capsys):
    pytest.importorskip("matplotlib")
    assert cli.main(["run", "input.toml", "-o", "large.h5", "--set", "lattice.lengths=[20]"]) == 0
    assert cli.main(["plot", "large.h5", "--exact"]) == 0
    assert "large: no exact results: 20 sites" in capsys.readouterr().err


def test_check_prints_the_plan(folder, driver, capsys):
    assert cli.main(["check", "input.toml"]) == 0
    out = capsys.readouterr().out
    assert "input.toml is a valid input" in out and "parameters       1,234" in out
    assert "Nothing is known about this magnet." in out
    lines = [" ".join(line.split()) for line in out.splitlines()]
    expected = ["sampling.n_chains 64", "thermal.beta_0 0.02", "ranks assumed 1 rank", "steps about 1,200"]
    expected += ["reported temperatures 3", "one of the steps 0.5 s", "one of the reported temperatures 12 s"]
    assert not {*expected, "whole run about 10 min 36 s"} - set(lines)


def test_check_leaves_out_what_is_given_and_takes_ranks(folder, driver, capsys):
    assert cli.main(["check", "input.toml", "--ranks", "8", "--set", "sampling.n_chains=16"]) == 0
    out = capsys.readouterr().out
    assert "sampling.n_chains" not in out and "thermal.beta_0" in out
    assert "8 ranks (predicted parallel efficiency 75%)" in out
    with pytest.raises(SystemExit):
        cli.main(["check", "input.toml", "--ranks", "0"])
    assert "allowed is an integer from 1" in capsys.readouterr().err


def test_check_tries_nothing_that_does_not_fit_into_the_machine(folder, driver, capsys, monkeypatch):
    monkeypatch.setattr(tasks, "plan", lambda settings: {"memory per rank (MB, one rank)": 10**9})
    monkeypatch.setattr(tasks, "forecast", None)
    assert cli.main(["check", "input.toml"]) == 0
    assert "One rank needs about 1e+06 GB, this machine has" in " ".join(capsys.readouterr().out.split())


def test_check_json_has_the_same_numbers(folder, driver, capsys):
    assert cli.main(["check", "input.toml", "--json"]) == 0
    checked = json.loads(capsys.readouterr().out)
    assert set(checked) == {"system", "ranks", "advice", "plan", "resolved", "forecast"}
    assert (checked["plan"]["parameters"], checked["ranks"], checked["forecast"]["seconds"]) == (1234, 1, 635.0)


def test_init_is_ready_to_run(folder, driver, capsys):
    assert cli.main(["init", "thermal"]) == 0
    (folder / "new.toml").write_text(capsys.readouterr().out)
    assert cli.main(["run", "new.toml"]) == 0


def test_init_refuses_what_is_not_there(capsys):
    assert cli.main(["init", "nothing"]) == 2
    assert "allowed are thermal, ground_state, hubbard, reference" in capsys.readouterr().err


def test_bench_passes_on_its_text(monkeypatch, capsys):
    module = types.ModuleType("hpc_nqs.benchmarks.timings")
    module.run_bench = lambda json: f"json {json}"
    monkeypatch.setitem(sys.modules, "hpc_nqs.benchmarks.timings", module)
    assert cli.main(["bench", "--json"]) == 0
    assert capsys.readouterr().out == "json True\n"


@pytest.mark.parametrize("name", ["j1j2_4x4", "heisenberg_chain", "tfim_chain"])
def test_the_inputs_of_the_repository_are_valid(name, driver, capsys, pytestconfig):
    path = pytestconfig.rootpath / "jobscripts" / f"{name}.toml"
    assert cli.main(["check", str(path)]) == 0


@pytest.fixture
def levels(folder, capsys):
    """Return the name of the file of a short ground-state run of three sectors."""
    (folder / "levels.toml").write_text(LEVELS)
    assert cli.main(["run", "levels.toml"]) == 0
    capsys.readouterr()
    return "levels.h5"


LEVELS = """
[run]
task = "ground_state"
seed = 1
[lattice]
kind = "chain"
lengths = [6]
[model]
kind = "heisenberg"
[ground_state]
n_steps = 3
sectors = [[3, -1], [0, 1]]
[observables]
structure_factor = [[1]]
"""


def test_a_ground_state_run_is_shown_drawn_and_reported(folder, levels, capsys):
    pytest.importorskip("matplotlib")
    assert cli.main(["show", levels, "--exact", "--charts"]) == 0
    assert "e - exact" in capsys.readouterr().out
    assert cli.main(["plot", levels, "--exact"]) == 0
    assert (folder / "levels.png").read_bytes().startswith(b"\x89PNG")
    assert cli.main(["report", levels, "--exact"]) == 0
    page = (folder / "levels.html").read_text()
    assert "V-score" in page and "Tower of states" in page and page.count("<svg") == 2
    run = hpc_nqs.load(levels)
    assert run["structure_factor"].shape == run["correlation_ratio"].shape == (2, 1)
    assert "momentum" in hpc_nqs.diagonalize(run.settings).table["rows"][0]


def test_what_ground_state_runs_do_not_have_is_refused(levels, capsys):
    pytest.importorskip("matplotlib")
    assert cli.main(["plot", levels, "--page", "correlations", "--reference", "qmc.json"]) == 2
    message = capsys.readouterr().err
    assert "--page correlations: allowed for these ground states are tower, energies, all" in message
    assert "--reference" in message
    assert cli.main(["plot", levels, "run.h5"]) == 1
    assert "runs of one task at a time" in capsys.readouterr().err


TFIM, SQUARE = 'kind = "tfim"', 'kind = "heisenberg"\ncouplings = [1.0, 0.5]'


@pytest.mark.parametrize(
    ("model", "asked", "sentence"),
    [
        (TFIM, "exchange_radius = 2", 'wavefunction.kind = "permanent": needs exchange that conserves Sz'),
        (TFIM, 'kind = "pair_rbm"', 'wavefunction.kind = "pair_rbm": singlet pairs need a model that conserves Sz'),
        (SQUARE, 'kind = "clusters"', 'wavefunction.kind = "clusters": positive tables need'),
        (SQUARE, 'kind = "permanent"\ncluster_size = 5', "wavefunction.cluster_size = 5: "),
    ],
)
@pytest.mark.parametrize("command", ["check", "run"])
def test_states_that_a_model_does_not_have_are_problems_of_the_input(
    command, model, asked, sentence, tmp_path, monkeypatch, capsys
):
    """One sentence and exit code 2, where there was a traceback."""
    monkeypatch.setattr(parallel, "start", parallel.Team.serial)
    path = tmp_path / "input.toml"
    path.write_text(
        f'[lattice]\nkind = "square"\nlengths = [4, 2]\n[model]\n{model}\n[wavefunction]\n{asked}\n'
        "[thermal]\ntemperatures = [1.0]\n"
    )
    assert cli.main([command, str(path)]) == 2
    error = capsys.readouterr().err
    assert sentence in error and "Traceback" not in error and "nothing was written" in error
    assert not path.with_suffix(".h5").exists()
