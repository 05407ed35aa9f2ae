"""Whole analytic runs of small systems against exact diagonalization."""

import json

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.exact import diagonalization as exact
from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.parallel.team import Team
from hpc_nqs.path_integral import plan as path_integral
from hpc_nqs.path_integral.ladder import slice_numbers
from hpc_nqs.path_integral.trotter import network_of, trotter_product
from hpc_nqs.reports.traces import convergence_panels
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.runs.computation import DONE
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.wavefunctions.dbm import DBM

CHAIN4 = {"kind": "chain", "lengths": [4]}
TRIANGLE = {"kind": "custom", "bonds": [[0, 1, 1.0], [1, 2, 0.8], [0, 2, 0.6], [2, 3, 0.5]]}
STEPS = {True: [0.2, 0.14, 0.1], False: [0.1, 0.07, 0.05]}  # by whether there is exchange
CASES = {
    "heisenberg": (CHAIN4, {"kind": "heisenberg"}, 0.005),
    "easy_axis_in_field": (CHAIN4, {"kind": "heisenberg", "anisotropy": 1.5, "field_z": 0.5}, 0.012),
    "in_staggered_field": (CHAIN4, {"kind": "heisenberg", "anisotropy": 0.5, "field_staggered": 0.7}, 0.005),
    "frustrated": (TRIANGLE, {"kind": "heisenberg"}, 0.02),
    "tfim": (CHAIN4, {"kind": "tfim", "field": 0.8}, 0.01),
    "tfim_in_field": (CHAIN4, {"kind": "tfim", "field_z": 0.3}, 0.015),
}
RUNS = [(name, steps) for name in CASES for steps in (False, True) if not (steps and name == "in_staggered_field")]


def settings_of(name, overrides=(), steps=False):
    lattice, model, _ = CASES[name]
    q = [[0, 0]] if lattice["kind"] == "custom" else [[1, 0]]
    tables = {"run": {"seed": 11}, "lattice": lattice, "model": model, "observables": {"structure_factor": q}}
    tables["thermal"] = {"method": "analytic", "betas": [0.5, 1.2]}
    tables["thermal"] |= {"dtau": STEPS[model["kind"] == "heisenberg"]} if steps else {}
    tables["sampling"] = {"n_samples": 20000}
    return parse_settings(tables, overrides)


@pytest.fixture(scope="module", params=RUNS, ids=lambda case: f"{case[0]}-{'steps' if case[1] else 'continuous'}")
def finished(request, tmp_path_factory):
    """Return (name, settings, path) of a finished run, in continuous time or extrapolated in dtau."""
    name, steps = request.param
    path = tmp_path_factory.mktemp(name) / "run.h5"
    settings = settings_of(name, steps=steps)
    assert tasks.run(settings, Team.serial(), str(path)) == DONE
    return name, settings, path


def test_the_table_is_that_of_exact_diagonalization(finished):
    # up to 7 quantities at 2 temperatures of 11 systems, 4.5 standard errors: false alarm below 1.1e-3 in all
    name, settings, path = finished
    table = checkpoint.read_table(path)
    assert table["finished"]
    lattice, model = build(settings)
    levels = exact.diagonalize(model, lattice, settings.observables.structure_factor)
    for row, expected in zip(table["rows"], exact.thermal_rows(levels, settings.thermal.report_betas), strict=True):
        assert row["energy_error"] < CASES[name][2]
        names = {"energy", "specific_heat", "entropy", "free_energy"}
        names |= {"susceptibility"} if model.conserves_sz else set()
        for quantity in names:
            assert abs(row[quantity] - expected[quantity]) < 4.5 * row[f"{quantity}_error"], (quantity, row, expected)
        for key, (value, error) in row["structure_factor"].items():
            assert abs(value - expected["structure_factor"][key][0]) < 4.5 * error
        assert ("susceptibility" in row) == model.conserves_sz
        if settings.thermal.dtau == "auto":
            assert not any("raw" in quantity or "extrapolation" in quantity for quantity in row)
        else:
            assert len(row["energy_raw"]) == 3
        assert row["r_hat"] < 1.2 if "r_hat" in row else True
        assert ("average_sign" in row) == (name == "frustrated")


def test_the_file_holds_the_network_of_the_lowest_temperature(finished):
    name, settings, path = finished
    stored = checkpoint.read_network(path)
    assert stored["beta"] == 1.2
    _, model = build(settings)
    product = trotter_product(marshall(model), 1.2 / (2 * stored["n_slices"]), stored["n_slices"])
    expected = network_of(product)
    found = DBM.from_arrays(stored)
    np.testing.assert_array_equal(found.params, expected.params)
    which = "network in the file" if settings.thermal.dtau == "auto" else "largest network"
    assert found.n_deep == tasks.plan(settings)[f"deep units ({which})"]
    np.testing.assert_allclose(found.amplitudes(), expected.amplitudes(), rtol=1e-12)


def test_the_history_has_one_entry_per_temperature_and_dtau(finished):
    _, settings, path = finished
    history = checkpoint.read_history(path)
    results = json.loads(checkpoint.read_state(path)["results"])
    assert len(history["beta"]) == len(results) > 6
    if settings.thermal.dtau == "auto":
        assert not history["dtau"].any() and not history["n_slices"].any()
        assert len(np.unique(history["beta"])) == len(results)
        assert not [panel for panel in convergence_panels([history]) if "dtau" in panel[0]]
    else:
        assert [panel for panel in convergence_panels([history]) if "dtau" in panel[0]]
        np.testing.assert_allclose(history["beta"], 2 * history["dtau"] * history["n_slices"], rtol=1e-12)


def test_block_gibbs_updates_are_those_of_trotter_steps(tmp_path):
    overrides = ['sampling.method="gibbs"', "thermal.entropy=false", "sampling.n_samples=2000"]
    assert tasks.run(settings_of("tfim", overrides), Team.serial(), str(tmp_path / "run.h5")) == DONE
    (hot, cold) = checkpoint.read_table(tmp_path / "run.h5")["rows"]
    assert len(hot["energy_raw"]) == len(cold["energy_raw"]) == 3


def test_first_order_and_listed_steps(tmp_path):
    overrides = ["thermal.trotter_order=1", "thermal.dtau=[0.3,0.2,0.15,0.1]", "thermal.entropy=false"]
    settings = settings_of("heisenberg", overrides)
    assert tasks.run(settings, Team.serial(), str(tmp_path / "run.h5")) == DONE
    lattice, model = build(settings)
    expected = exact.thermal_rows(exact.diagonalize(model, lattice), [0.5, 1.2])
    for row, wanted in zip(checkpoint.read_table(tmp_path / "run.h5")["rows"], expected, strict=True):
        assert abs(row["energy"] - wanted["energy"]) < 4.5 * row["energy_error"]
        assert len(row["energy_raw"]) == 4
        assert "entropy" not in row


def test_the_trotter_step_follows_the_largest_coupling():
    """Anisotropy 3 makes the couplings of Sz three times as large: dtau is a third of that of the isotropic magnet."""
    numbers = {}
    for anisotropy in (1.0, 3.0):
        tables = {
            "lattice": {"kind": "chain", "lengths": [4]},
            "model": {"kind": "heisenberg", "anisotropy": anisotropy},
            "thermal": {"method": "analytic", "temperatures": [0.1]},
        }
        settings = parse_settings(tables)
        numbers[anisotropy] = slice_numbers(10.0, path_integral.network_dtaus(settings, build(settings)[1]))
    assert numbers[1.0] == [25, 36, 50]
    assert numbers[3.0] == [75, 108, 150]
