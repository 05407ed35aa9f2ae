"""Numerical runs that start from a Trotter network: its energy to rounding, then cooling against diagonalization."""

import shutil

import numpy as np
import pytest
import scipy.linalg

from hpc_nqs import tasks
from hpc_nqs.exact import diagonalization as exact
from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.parallel.team import Team
from hpc_nqs.path_integral.trotter import trotter_product
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.runs.computation import DONE
from hpc_nqs.settings.parsing import SettingsError, parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.wavefunctions.dbm import DBM

SERIAL = Team.serial()
MODELS = {"tfim": {"kind": "tfim"}, "heisenberg": {"kind": "heisenberg"}}
START_BETA = {"tfim": 0.8, "heisenberg": 0.4}
DTAU = {"tfim": 0.2, "heisenberg": 0.2}


def sections(kind, thermal, **more):
    system = {"lattice": {"kind": "chain", "lengths": [4]}, "model": MODELS[kind]}
    return {"run": {"seed": 1}, **system, "thermal": thermal} | more


@pytest.fixture(scope="module")
def analytic_file(tmp_path_factory):
    """Return a function: the run file of a short analytic run of one model."""
    folder, made = tmp_path_factory.mktemp("start"), {}

    def make(kind):
        if kind not in made:
            thermal = {"method": "analytic", "betas": [START_BETA[kind]], "dtau": [DTAU[kind]], "entropy": False}
            made[kind] = str(folder / f"{kind}.h5")
            settings = parse_settings(sections(kind, thermal, sampling={"n_samples": 256}))
            assert tasks.run(settings, SERIAL, made[kind]) == DONE
        return made[kind]

    return make


def trotter_energy(kind):
    """Return Tr(T^2M H) / Tr T^2M per site, T = e^{-dtau A/2} e^{-dtau B} e^{-dtau A/2} by dense matrices."""
    lattice, model = build(parse_settings(sections(kind, {"betas": [1.0]})))
    model = marshall(model, lattice)
    hamiltonian = to_sparse(model).toarray()
    first = np.diag(np.diagonal(hamiltonian))  # tfim: bonds, then fields
    if kind == "heisenberg":  # bonds of one colour: both spins of a pair of sites change, or none
        sites = trotter_product(model, 0.1, 1).terms[0].sites.tolist()
        first = sum(bond_matrix(i, j) for i, j in sites)
    half, whole = (scipy.linalg.expm(-DTAU[kind] * part) for part in (first / 2, hamiltonian - first))
    power = np.linalg.matrix_power(half @ whole @ half, round(START_BETA[kind] / DTAU[kind]))
    return np.trace(power @ hamiltonian) / np.trace(power) / 4


def bond_matrix(i, j):
    """Return the rotated S_i.S_j of four sites."""
    matrix = np.zeros((16, 16))
    for state in range(16):
        equal = (state >> i & 1) == (state >> j & 1)
        matrix[state, state] = 0.25 if equal else -0.25
        if not equal:
            matrix[state ^ (1 << i) ^ (1 << j), state] = -0.5
    return matrix


@pytest.mark.parametrize("kind", MODELS)
def test_a_run_starts_at_the_energy_of_the_trotter_network_and_cools(kind, analytic_file, tmp_path):
    betas = [START_BETA[kind], 2.0]
    settings = parse_settings(sections(kind, {"start": analytic_file(kind), "betas": betas}))
    path = tmp_path / "run.h5"
    assert tasks.run(settings, SERIAL, str(path)) == DONE
    first, last = checkpoint.read_table(path)["rows"]
    assert first["energy"] == pytest.approx(trotter_energy(kind), abs=1e-12)
    assert checkpoint.read_history(path)["energy"][0] == pytest.approx(trotter_energy(kind), abs=1e-12)
    lattice, model = build(settings)
    expected = exact.thermal_rows(exact.diagonalize(model, lattice, []), betas)
    assert abs(first["energy"] - expected[0]["energy"]) > 1e-5  # the Trotter error is not zero
    assert last["energy"] == pytest.approx(expected[1]["energy"], abs=2e-3)
    assert last["specific_heat"] == pytest.approx(expected[1]["specific_heat"], abs=1e-2)
    assert abs(last["entropy"] - expected[1]["entropy"]) < 1e-3 + last["entropy_error"] < 1e-2


def test_what_the_start_knows_is_taken_over(tmp_path):
    """At T = 1/0.8 the energy on the way from infinite temperature is unknown, but the analytic run integrated it."""
    path, start = tmp_path / "run.h5", str(tmp_path / "start.h5")
    thermal = {"method": "analytic", "betas": [0.8], "dtau": [0.2, 0.4]}
    settings = parse_settings(sections("tfim", thermal, sampling={"n_samples": 20000}))
    assert tasks.run(settings, SERIAL, start) == DONE
    (before,) = checkpoint.read_table(start)["rows"]
    settings = parse_settings(sections("tfim", {"start": start, "betas": [0.8]}))
    assert tasks.run(settings, SERIAL, str(path)) == DONE
    (after,) = checkpoint.read_table(path)["rows"]
    assert after["free_energy"] == pytest.approx(before["free_energy"], abs=1e-12)
    assert after["free_energy_error"] == pytest.approx(before["free_energy_error"], abs=1e-12)


def test_a_run_goes_on_without_the_file_it_started_from_and_starts_others(analytic_file, tmp_path):
    start = tmp_path / "start.h5"
    shutil.copy(analytic_file("tfim"), start)
    thermal = {"start": str(start), "betas": [0.9]}
    path, whole = str(tmp_path / "run.h5"), str(tmp_path / "whole.h5")
    assert tasks.run(parse_settings(sections("tfim", thermal)), SERIAL, path) == DONE
    longer = parse_settings(sections("tfim", thermal | {"betas": [0.9, 1.0]}))
    assert tasks.run(longer, SERIAL, whole) == DONE
    start.unlink()
    assert tasks.run(longer, SERIAL, path, resume_from=path) == DONE
    rows, expected = (checkpoint.read_table(file)["rows"] for file in (path, whole))
    assert [row["energy"] for row in rows] == [row["energy"] for row in expected]
    network = checkpoint.read_network(path)
    assert network["beta"] == 1.0 and network["n_slices"] == 2 and DBM.from_arrays(network).n_deep == 4
    again = parse_settings(sections("tfim", {"start": path, "betas": [1.0]}))
    assert tasks.run(again, SERIAL, str(tmp_path / "again.h5")) == DONE
    row = checkpoint.read_table(tmp_path / "again.h5")["rows"][0]
    assert row["energy"] == pytest.approx(rows[-1]["energy"], abs=1e-12)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"thermal": {"betas": [0.5]}}, "below the reported T = 2"),
        ({"model": {"kind": "tfim", "field": 2.0}}, "model.field is 1.0, not 2.0"),
        ({"lattice": {"kind": "chain", "lengths": [5]}}, "lattice.lengths is (4,), not (5,)"),
        ({"wavefunction": {"slices": 7}}, "wavefunction.slices = "),
        ({"sampling": {"method": "exact_sum"}, "lattice": {"kind": "chain", "lengths": [4]}}, None),
    ],
)
def test_what_does_not_fit_the_start_is_refused(changes, what, analytic_file, tmp_path):
    thermal = {"start": analytic_file("tfim")} | changes.pop("thermal", {"betas": [2.0]})
    settings = parse_settings(sections("tfim", thermal) | changes)
    if what is None:
        assert tasks.plan(settings)["deep units"] == 4
        return
    with pytest.raises(SettingsError) as error:
        tasks.run(settings, SERIAL, str(tmp_path / "run.h5"))
    assert what in str(error.value) and str(error.value).startswith("thermal.start = ")
    assert not list(tmp_path.iterdir())


def test_files_without_a_deep_network_are_refused(tmp_path):
    path, missing = tmp_path / "rbm.h5", str(tmp_path / "missing.h5")
    settings = parse_settings(sections("tfim", {"betas": [0.03]}, wavefunction={"alpha": 1}))
    assert tasks.run(settings, SERIAL, str(path)) == DONE
    for file, what in ((str(path), "not a deep Boltzmann machine"), (missing, "missing.h5")):
        with pytest.raises(SettingsError, match=what):
            tasks.plan(parse_settings(sections("tfim", {"betas": [1.0], "start": file})))
