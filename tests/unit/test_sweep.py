"""Sweeps: expansion of lists, inputs on disk, runs, collected tables."""

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import hpc_nqs
from hpc_nqs.cli import parser as cli
from hpc_nqs.exact.field_curves import curves_over
from hpc_nqs.reports import sweep_table
from hpc_nqs.reports.labels import parameter_title
from hpc_nqs.reports.levels import with_gaps
from hpc_nqs.reports.sweep_levels import level_panels
from hpc_nqs.runs.run_file import read_table
from hpc_nqs.settings import sweep
from hpc_nqs.settings.parsing import SettingsError, read_settings

SWEPT = """
[run]
seed = 1
[lattice]
kind = "chain"
lengths = [4]
[model]
kind = "heisenberg"
[thermal]
temperatures = [2.0, 1.0, 0.5]
"""
FIELDS = SWEPT + '[sweep]\n"model.field_z" = [0.0, 0.5]\n"model.couplings" = [[1.0], [2.0], [3.0]]\n'


def swept(folder, text):
    (folder / "j.toml").write_text(text)
    return folder / "j.toml"


def test_every_combination_is_a_run(tmp_path):
    runs = sweep.read_sweep(swept(tmp_path, FIELDS))
    assert [(run.settings.model.field_z, run.settings.model.couplings[0]) for run in runs] == [
        *((0.0, 1.0), (0.0, 2.0), (0.0, 3.0)),
        *((0.5, 1.0), (0.5, 2.0), (0.5, 3.0)),
    ]
    assert [run.path.name for run in runs[:2]] == ["run-000.toml", "run-001.toml"]
    assert runs[0].path.parent == tmp_path / "j" and runs[0].output.suffix == ".h5"


def test_keys_without_quotes_are_the_same(tmp_path):
    quoted = sweep.read_sweep(swept(tmp_path, SWEPT + '[sweep]\n"model.field_z" = [0.0, 0.5]\n'))
    plain = sweep.read_sweep(swept(tmp_path, SWEPT + "[sweep]\nmodel.field_z = [0.0, 0.5]\n"))
    assert [run.settings for run in quoted] == [run.settings for run in plain]


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("", "no section [sweep]"),
        ("[sweep]\n", "no section [sweep]"),
        ('[sweep]\n"model.field_z" = 1.0\n', "sweep.model.field_z = 1.0: allowed is a list"),
        ("[sweep]\nfield = [1.0]\n", "sweep.field: write section.key"),
        ('[sweep]\n"model.feld" = [1.0]\n', "model.feld: unknown key"),
        ('[sweep]\n"model.field_z" = [0.1, "x"]\n', 'model.field_z = "x"'),
        ('[sweep]\n"run.seed" = {0}\n"model.field_z" = {0}'.format(list(range(200))), "40000 runs"),
    ],
)
def test_problems_of_a_sweep(tmp_path, section, problem):
    with pytest.raises(SettingsError) as caught:
        sweep.read_sweep(swept(tmp_path, SWEPT + section))
    assert any(problem in sentence for sentence in caught.value.problems), caught.value.problems


def test_inputs_stand_alone_and_are_not_replaced(tmp_path):
    (tmp_path / "bonds.txt").write_text("0 1 1\n1 2 0.5\n")
    text = SWEPT.replace('kind = "chain"\nlengths = [4]', 'kind = "custom"\nbonds_file = "bonds.txt"')
    runs = sweep.read_sweep(swept(tmp_path, text + '[sweep]\n"model.field_z" = [0.0, 0.5]\n'))
    paths = sweep.write_inputs(runs)
    assert [read_settings(path) for path in paths] == [run.settings for run in runs]
    sweep.write_inputs(runs)
    paths[1].write_text("# changed by hand\n")
    with pytest.raises(SettingsError, match="run-001.toml: another input stands there"):
        sweep.write_inputs(runs)


def test_the_start_of_all_runs_is_the_file_beside_the_sweep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    swept(tmp_path, SWEPT + 'start = "analytic.h5"\n[sweep]\n"sampling.n_samples" = [64, 128]\n')
    paths = sweep.write_inputs(sweep.read_sweep("j.toml"))
    starts = {Path(read_settings(path).thermal.start).resolve() for path in paths}
    assert starts == {(tmp_path / "analytic.h5").resolve()}


def test_an_input_with_a_sweep_is_no_single_run(tmp_path, capsys):
    assert cli.main(["run", str(swept(tmp_path, FIELDS))]) == 2
    assert "use `hpc-nqs sweep`" in capsys.readouterr().err


def test_parameters_as_numbers():
    assert sweep.numbers_of([0.1, 0.2]) == [0.1, 0.2]
    assert sweep.numbers_of([[1.0, 0.0], [1.0, 0.5]]) == [0.0, 0.5], "the entry that moves"
    assert sweep.numbers_of([[1.0, 0.0], [2.0, 0.5]]) == ["[1.0, 0.0]", "[2.0, 0.5]"]


def test_couplings_by_direction_and_fields_of_sites_have_their_letters():
    along = [1, 0, 0, 0, 1.0]
    coupled = [[along, [0, 1, 0, 0, 0.3]], [along, [0, 1, 0, 0, 0.6]]]
    assert sweep.numbers_of(coupled) == [0.3, 0.6]
    assert parameter_title("model.cell_bonds", coupled, "J") == "$J(0,1)$  [J]"
    turned = [[along, [0, 1, 0, 0, 0.3]], [along, [1, 1, 0, 0, 0.3]]]
    assert sweep.numbers_of(turned)[1] == "[[1, 0, 0, 0, 1.0], [1, 1, 0, 0, 0.3]]"
    assert parameter_title("model.cell_bonds", turned, "J") == "cell bonds"
    assert parameter_title("model.site_fields", [[0.0, 0.1], [0.0, 0.2]], "J") == "$h_2$  [J]"


def test_from_expansion_to_phase_diagram(tmp_path, driver, monkeypatch, capsys):
    """With a made-up driver: all runs, then only what is missing, then one of them, then the results."""
    monkeypatch.chdir(tmp_path)
    swept(tmp_path, FIELDS)
    assert cli.main(["sweep", "expand", "j.toml"]) == 0
    assert "6 inputs written" in capsys.readouterr().out
    assert cli.main(["sweep", "run", "j.toml", "--only", "4"]) == 0
    assert [output for _, output, _ in driver.calls] == ["j/run-004.h5"]
    assert driver.calls[0][0].model.couplings == (2.0,) and driver.calls[0][0].model.field_z == 0.5
    assert cli.main(["sweep", "collect", "j.toml"]) == 0
    assert capsys.readouterr().out.count("no results yet") == 5
    driver.outcome = 75
    assert cli.main(["sweep", "run", "j.toml"]) == 75, "a stop ends the sweep"
    assert len(driver.calls) == 2
    driver.outcome = 0
    assert cli.main(["sweep", "run", "j.toml"]) == 0
    assert [resumed for _, _, resumed in driver.calls[2:]] == ["j/run-000.h5", None, None, None, None]
    assert cli.main(["sweep", "run", "j.toml"]) == 0
    assert len(driver.calls) == 7, "what is finished is not run again"
    assert capsys.readouterr().out.endswith("every run of the sweep is finished\n")

    assert cli.main(["sweep", "collect", "j.toml", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 18 and rows[0]["model.couplings"] == "[1.0]" and rows[17]["model.field_z"] == "0.5"
    assert cli.main(["sweep", "collect", "j.toml", "--json"]) == 0
    collected = json.loads(capsys.readouterr().out)
    assert [run["values"]["model.couplings"] for run in collected["runs"][:3]] == [[1.0], [2.0], [3.0]]
    assert all(run["finished"] and len(run["rows"]) == 3 for run in collected["runs"])
    assert cli.main(["sweep", "run", "j.toml", "--only", "6"]) == 2
    assert "has the runs 0 to 5" in capsys.readouterr().err


def test_the_phase_diagram_is_drawn(tmp_path, driver, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    from hpc_nqs.reports import figures

    monkeypatch.chdir(tmp_path)
    swept(tmp_path, SWEPT + '[sweep]\n"model.field_z" = [0.0, 0.5]\n')
    assert cli.main(["sweep", "collect", "j.toml", "-o", "j.png"]) == 1
    assert "no run of the sweep has results yet" in capsys.readouterr().err
    assert cli.main(["sweep", "run", "j.toml"]) == 0
    assert cli.main(["sweep", "collect", "j.toml", "-o", "j.svg", "--quantity", "energy"]) == 0
    assert (tmp_path / "j.svg").read_text().startswith("<?xml")
    assert cli.main(["sweep", "collect", "j.toml", "-o", "j.svg", "--quantity", "compressibility"]) == 1
    assert "no run of the sweep has compressibility; choose another --quantity" in capsys.readouterr().err
    (tmp_path / "one.toml").write_text(SWEPT)
    drawn = []
    monkeypatch.setattr(figures, "phase_diagram", lambda diagram, quantity: drawn.append(diagram) or figures.Page())
    assert cli.main(["sweep", "collect", "j.toml", "-o", "j.png", "--exact"]) == 0
    ((_, runs),) = drawn[0]["groups"]
    for run, field in zip(runs, (0.0, 0.5), strict=True):
        settings = read_settings(tmp_path / "one.toml", [f"model.field_z={field}"])
        exact = {row["beta"]: row for row in run[3]}
        assert len(run[3]) > 200 and exact[1.0]["energy"] == pytest.approx(hpc_nqs.diagonalize(settings)["e"][1])


def test_the_second_key_of_a_sweep_parts_its_figure_in_groups(tmp_path):
    runs = sweep.read_sweep(swept(tmp_path, FIELDS))
    rows = [{"temperature": 1.0, "energy": -0.1}]
    found = sweep_table.sweep_groups(runs, [{"rows": rows}] * 5 + [None])
    assert found["parameter"] == "field $h$  [energy]", "J1 is swept, too, and no unit any more"
    words = [(title, [run[:2] for run in group]) for title, group in found["groups"]]
    both = [(0.0, "$h = 0$"), (0.5, "$h = 0.5$")]
    assert words == [("$J_1 = 1$", both), ("$J_1 = 2$", both), ("$J_1 = 3$", both[:1])], "the last run has no results"
    assert found["title"] == "Heisenberg on chain 4"


LEVELS = """
[run]
task = "ground_state"
seed = 1
[lattice]
kind = "chain"
lengths = [4]
[model]
kind = "heisenberg"
[ground_state]
sectors = [[0, 1], [2, 1], [2, -1]]
[observables]
structure_factor = [[1.0]]
[sweep]
"model.couplings" = [[1.0, 0.2], [1.0, 0.8]]
"""


def test_ground_states_of_a_sweep_have_levels_against_its_parameter(tmp_path, capsys):
    plotting = pytest.importorskip("matplotlib.figure")
    path = swept(tmp_path, LEVELS)
    assert cli.main(["sweep", "run", str(path)]) == 0
    capsys.readouterr()
    figure = tmp_path / "levels.png"
    assert cli.main(["sweep", "collect", str(path), "--exact", "-o", str(figure)]) == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split() == ["couplings", "momentum", "parity", "Sz", "e", "S(1,0)"]
    assert len(lines) == 6 and lines[2].split()[2:5] == ["2", "-1", "0.0"] and figure.stat().st_size > 20_000
    runs = sweep.read_sweep(path)
    tables = [with_gaps(read_table(str(run.output))) for run in runs]
    panels = level_panels(sweep_table.sweep_groups(runs, tables))
    assert len(panels) == 3
    axes = plotting.Figure().subplots(3)
    for axis, (draw, _) in zip(axes, panels, strict=True):
        draw(axis)
    energies, gaps = (
        {found.get_label(): found.lines[0].get_ydata().tolist() for found in axis.containers} for axis in axes[:2]
    )
    # The two pairs of second neighbours have spins s and s': E = J1 (S(S+1) - s(s+1) - s'(s'+1)) / 2 + J2 (+-) / 4.
    j2 = [0.2, 0.8]
    names = ["k = (0), even", "k = (2), odd", "k = (2), even"]
    by_hand = ([-2 + x / 2 for x in j2], [-1 + x / 2 for x in j2], [-1.5 * x for x in j2])
    expected = dict(zip(names, by_hand, strict=True))
    for name, levels in expected.items():
        assert [4 * e for e in energies[name]] == pytest.approx(levels, abs=1e-4)
        above = [level - ground for level, ground in zip(levels, expected[names[0]], strict=True)]
        assert gaps[name] == pytest.approx(above, abs=1e-4)
    (curve,) = axes[2].containers
    assert curve.lines[0].get_ydata() == pytest.approx([2 / 3, 2 / 3], abs=1e-4)  # (S_A - S_B)^2 / (3 * 4) = 8 / 12


def test_a_sweep_runs_on_two_ranks(tmp_path, mpiexec):
    text = SWEPT.replace("[2.0, 1.0, 0.5]", "[2.0]")
    swept(tmp_path, text + '[sweep]\n"model.field_z" = [0.0, 0.5]\n')
    path = {"PYTHONPATH": str(Path(hpc_nqs.__file__).parents[1])}
    done = mpiexec(2, sys.executable, "-m", "hpc_nqs", "sweep", "run", "j.toml", cwd=tmp_path, env=path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("-- run") == 2 and done.stdout.count("2 ranks") == 2
    assert sorted(path.name for path in (tmp_path / "j").glob("*.h5")) == ["run-000.h5", "run-001.h5"]


RANGE = SWEPT.replace("seed = 1", 'seed = 1\ntitle = "In a field"')
RANGE += '[sweep]\n"model.field_z" = {from = 0.0, to = 1.5, n = 4}\n'


def test_a_range_stands_for_a_list(tmp_path):
    assert [run.values["model.field_z"] for run in sweep.read_sweep(swept(tmp_path, RANGE))] == [0.0, 0.5, 1.0, 1.5]
    negative = RANGE.replace("from = 0.0", "from = -1.5").replace("n = 4", "n = 3")
    assert [run.values["model.field_z"] for run in sweep.read_sweep(swept(tmp_path, negative))] == [-1.5, 0.0, 1.5]
    for wrong, why in (("n = 1", "n is an integer from 2"), ('n = 4, scale = "log"', "from is a number above 0")):
        with pytest.raises(SettingsError, match=f"sweep.model.field_z = .*{why}.*allowed is a list"):
            sweep.read_sweep(swept(tmp_path, RANGE.replace("n = 4", wrong)))


def exact_tables(runs):
    return [hpc_nqs.diagonalize(run.settings).table for run in runs]


def test_a_magnetization_curve_stands_on_the_exact_line(tmp_path):
    """Of exact rows in place of runs: dense in the field from the levels of one field."""
    figures = pytest.importorskip("hpc_nqs.reports.figures")
    runs = sweep.read_sweep(swept(tmp_path, RANGE))
    tables = exact_tables(runs)
    diagram = sweep_table.sweep_groups(runs, tables)
    places = [(run.values["model.field_z"], table["settings"]) for run, table in zip(runs, tables, strict=True)]
    over = curves_over(places, [2.0, 1.0, 0.5], diagram["name"])
    assert len(over) > 100 and over[0][0] == 0.0 and over[-1][0] == 1.5
    dense = dict(over)
    for run, table in zip(runs, tables, strict=True):
        rows = {row["beta"]: row for row in dense[run.values["model.field_z"]]}
        for row in table["rows"]:
            for name in ("energy", "specific_heat", "entropy", "susceptibility"):
                assert rows[row["beta"]][name] == pytest.approx(row[name], abs=1e-12)
            assert rows[row["beta"]]["magnetization"] == pytest.approx(row.get("magnetization", 0.0), abs=1e-12)
    figure = figures.parameter_curves(diagram | {"over": {"": over}}, "magnetization")
    (axis,) = figure.axes
    assert figure._suptitle.get_text().startswith("In a field\nHeisenberg")
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["T = 2", "T = 1", "T = 0.5"]
    assert axis.get_xlabel() == "field $h$  [J]"
    lines = [line for line in axis.lines if len(line.get_xdata()) > 100]
    points = [part[0] for part in axis.containers]
    assert len(lines) == len(points) == 3
    for line, drawn in zip(lines, points, strict=True):
        x, y, along, curve = (np.asarray(part, dtype=float) for part in (*drawn.get_data(), *line.get_data()))
        np.testing.assert_allclose(np.interp(x, along, curve), y, atol=1e-12)


def test_other_keys_have_exact_rows_of_the_runs_alone(tmp_path):
    text = SWEPT.replace('"heisenberg"', '"tfim"') + '[sweep]\n"model.field_z" = [0.0, 0.5]\n'
    runs = sweep.read_sweep(swept(tmp_path, text))
    places = [(run.values["model.field_z"], run.settings.to_dict()) for run in runs]
    over = curves_over(places, [1.0], "model.field_z")
    assert [place for place, _ in over] == [0.0, 0.5]
    assert over[1][1][0]["magnetization"] > 0.1


def test_collected_results_are_in_the_units_of_the_input(tmp_path):
    runs = sweep.read_sweep(swept(tmp_path, SWEPT + '[units]\nJ = "50 K"\n[sweep]\n"model.field_z" = [0.0, 0.5]\n'))
    tables = exact_tables(runs)
    text = sweep_table.collected_text(runs, tables)
    assert "100" in text.splitlines()[1].split() and "T in K, e and f in J/mol" in text
    assert json.loads(sweep_table.collected_json(runs, tables))["runs"][0]["rows"][0]["temperature"] == 2.0
    diagram = sweep_table.sweep_groups(runs, tables, [table["rows"] for table in tables])
    ((_, found),) = diagram["groups"]
    assert found[0][2][0]["temperature"] == found[0][3][0]["temperature"] == 100.0
    assert diagram["parameter"] == "field $h$  [J]"
    figures = pytest.importorskip("hpc_nqs.reports.figures")
    assert figures.phase_diagram(diagram).axes[0].get_ylabel() == "temperature  $T$  [K]"
