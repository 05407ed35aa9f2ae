"""Susceptibility, structure factors and correlations are those of S = sigma/2 for every model, in old files too."""

import json

import h5py
import numpy as np
import pytest

import hpc_nqs
from hpc_nqs import tasks
from hpc_nqs.cli import main
from hpc_nqs.exact.table import exact_table
from hpc_nqs.parallel.team import Team
from hpc_nqs.reports.text import table_text
from hpc_nqs.runs import run_file

N, GAMMA, T = 4, 0.7, 1.5
RING = [(i, (i + 1) % N) for i in range(N)]


def exact_values(temperature):
    """Return S(0), S(pi) and <Sz_0 Sz_1> of -sum sz sz - Gamma sum sx on the ring, Sz = sz/2; ground state at T = 0."""
    states = np.arange(2**N)
    sigma = 2 * ((states[:, None] >> np.arange(N)) & 1) - 1
    h = np.diag(-sum(sigma[:, i] * sigma[:, j] for i, j in RING).astype(float))
    for i in range(N):
        h[states ^ (1 << i), states] -= GAMMA
    energies, vectors = np.linalg.eigh(h)
    weights = np.exp(-(energies - energies[0]) / temperature) if temperature else (np.arange(2**N) == 0).astype(float)
    occupation = vectors**2 @ (weights / weights.sum())
    sz = sigma / 2
    staggered = sz @ (-1.0) ** np.arange(N)
    return (
        occupation @ sz.sum(axis=1) ** 2 / N, occupation @ staggered**2 / N, occupation @ (sz[:, 0] * sz[:, 1])
    )  # fmt: skip


def settings_of(temperatures=(T,), task="thermal", thermal=None, sampling=None, **sections):
    observables = {"structure_factor": [[0], [1]]} | ({"correlations": True} if task == "thermal" else {})
    tables = {"run": {"seed": 1, "task": task}, "lattice": {"kind": "chain", "lengths": [N]}}
    tables |= {"model": {"kind": "tfim", "field": GAMMA}, "observables": observables, "sampling": sampling or {}}
    if task == "thermal":
        tables["thermal"] = {"temperatures": list(temperatures)} | (thermal or {})
    return hpc_nqs.make_input(**tables, **sections)


def check(row, temperature, tolerance):
    uniform, staggered, nearest = exact_values(temperature)
    assert row["structure_factor"]["0,0"][0] == pytest.approx(uniform, abs=tolerance)
    assert row["structure_factor"]["1,0"][0] == pytest.approx(staggered, abs=tolerance)
    if "correlation" in row:
        assert row["correlation"]["1"][0] == pytest.approx(nearest, abs=tolerance)


def test_thermal_rows(tmp_path):
    path = tmp_path / "run.h5"
    run = hpc_nqs.run(settings_of(), path)
    (row,) = run.table["rows"]
    assert "correlation" in row
    check(row, T, 2e-3)
    assert row["neighbour_correlation"]["1"][0] == pytest.approx(row["correlation"]["1"][0])
    assert "S = sigma/2" in table_text(run.table)
    with h5py.File(path) as file:
        assert file.attrs["spin_convention"] in ("S = sigma/2", b"S = sigma/2")
        assert file["results/structure_factor"].attrs["spin_convention"] == b"S = sigma/2"
        assert "spin_convention" not in file["results/energy"].attrs


def test_exact_rows():
    check(exact_table(settings_of())["rows"][0], T, 1e-12)


def test_analytic_rows(tmp_path):
    settings = settings_of(
        thermal={"method": "analytic", "entropy": False}, sampling={"n_samples": 4000},
    )
    settings = hpc_nqs.make_input(**settings.to_dict() | {"observables": {"structure_factor": [[0], [1]]}})
    (row,) = hpc_nqs.run(settings, tmp_path / "run.h5").table["rows"]
    error = max(pair[1] for pair in row["structure_factor"].values())
    check(row, T, 5.5 * error)
    assert error < 0.02


def test_ground_state_rows(tmp_path):
    (row,) = hpc_nqs.run(settings_of(task="ground_state"), tmp_path / "run.h5").table["rows"]
    check(row, 0.0, 1e-4)


def test_susceptibility_of_a_classical_chain():
    """H = -J sum sz sz: chi = (beta / 4) sum_r <s_0 s_r>, the correlations of a ring by its transfer matrix."""
    settings = hpc_nqs.make_input(
        lattice={"kind": "chain", "lengths": [6]}, model={"kind": "tfim", "field": 0.0},
        thermal={"temperatures": [2.0]},
    )
    tanh = np.tanh(0.5)
    wanted = 0.5 / 4 * sum((tanh**r + tanh ** (6 - r)) / (1 + tanh**6) for r in range(6))
    assert exact_table(settings)["rows"][0]["susceptibility"] == pytest.approx(wanted, abs=1e-12)


def test_an_imported_ising_chain(tmp_path, capsys):
    """HPhi: H = Jz sum Sz Sz - Gamma sum Sx, S = sigma/2; J = 1 here is Jz = -4, Gamma = 0.7 is 1.4."""
    (tmp_path / "stan.in").write_text(
        f'model = "SpinGC"\nlattice = "chain"\nL = {N}\nJz = -4.0\nJx = 0\nJy = 0\nGamma = {2 * GAMMA}\n'
    )
    assert main(["import", str(tmp_path / "stan.in"), "--temperatures", str(T)]) == 0
    (tmp_path / "in.toml").write_text(
        capsys.readouterr().out + "\n[observables]\nstructure_factor = [[0], [1]]\ncorrelations = true\n"
    )
    assert main(["exact", str(tmp_path / "in.toml"), "--json"]) == 0
    check(json.loads(capsys.readouterr().out)["rows"][0], T, 1e-12)


def as_older_file(path, monkeypatch):
    """Write the run file as the version before did: without the attribute, observables in sigma."""
    table, state = run_file.read_table(path), run_file.read_state(path)
    parts = run_file.read_settings_text(path), run_file.read_history(path), run_file.read_network(path)
    rows = json.loads(state["rows"])
    for row in (*rows, *table["rows"]):
        for name in ("structure_factor", "correlation", "neighbour_correlation"):
            row[name] = {key: [4 * entry for entry in pair] for key, pair in row[name].items()}
        row["magnetization"] *= 2
        row["magnetization_error"] *= 2
    written = run_file._set_attributes

    def without(item, **attributes):
        attributes.pop("spin_convention", None)
        written(item, **attributes)

    monkeypatch.setattr(run_file, "_set_attributes", without)
    run_file.write_run(path, parts[0], state | {"rows": json.dumps(rows)}, parts[1], table, parts[2])
    monkeypatch.undo()


def test_an_older_file_is_shown_and_continued_in_this_convention(tmp_path, monkeypatch):
    path, team = tmp_path / "run.h5", Team.serial()
    tasks.run(settings_of((2.0,)), team, str(path))
    row = run_file.read_table(path)["rows"][0]
    as_older_file(path, monkeypatch)
    with h5py.File(path) as file:
        old = json.loads(file["table/rows"][()])[0]
    assert old["structure_factor"]["0,0"][0] == pytest.approx(4 * row["structure_factor"]["0,0"][0])
    (shown,) = hpc_nqs.load(path).table["rows"]
    for name in ("structure_factor", "correlation", "neighbour_correlation"):
        assert shown[name] == {key: pytest.approx(pair) for key, pair in row[name].items()}
    assert shown["energy"] == row["energy"]
    rows = hpc_nqs.resume(path, ["thermal.temperatures=[2.0, 1.5]"]).table["rows"]
    check(rows[0], 2.0, 2e-3)
    check(rows[1], 1.5, 2e-3)


def test_results_of_older_analytic_files_are_converted():
    from hpc_nqs.runs.older_files import converted_state, is_older

    settings = {"model": {"kind": "tfim"}}
    found = {"energy": [1.0, 0.1], "structure_factor 0,0": [4.0, 0.4], "magnetization": [2.0, 0.2]}
    state = converted_state({"results": json.dumps([{"beta": 1.0, "found": found}])}, settings)
    (result,) = json.loads(state["results"])
    assert result["found"] == {
        "energy": [1.0, 0.1], "structure_factor 0,0": [1.0, 0.1], "magnetization": [1.0, 0.1],
    }  # fmt: skip
    assert is_older({}, settings) and not is_older({"spin_convention": "S = sigma/2"}, settings)
    assert not is_older({}, {"model": {"kind": "heisenberg"}})
