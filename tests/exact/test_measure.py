"""What is measured afterwards on the states of a cooling is what was measured, or would have been, on the way.

By sums over all configurations there is no noise: at a reported temperature the state stands in the file, and rows
agree to rounding; in between its parameters are cubic in beta, and rows agree as far as two coolings with other steps
do.  Sampled tests have fixed seeds and compare within 5 standard errors: a false-alarm rate below 1e-5 each had the
seed been drawn.
"""

import numpy as np
import pytest

import hpc_nqs
from hpc_nqs.exact import diagonalization as exact
from hpc_nqs.observables.diagonal import build_observables
from hpc_nqs.parallel import team as parallel
from hpc_nqs.parallel.team import Team
from hpc_nqs.runs import run_file
from hpc_nqs.sampling.evaluation import chainwise
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.thermal.batches import Batches
from hpc_nqs.thermal.chainwise_meter import ChainwiseMeter
from hpc_nqs.thermal.passed_state import PassedState
from hpc_nqs.thermal.rings.kernel_path import KernelPath

SERIAL = Team.serial()
MAGNETS = {
    "heisenberg": {"kind": "heisenberg"},
    "frustrated": {"kind": "heisenberg", "couplings": [1.0, 0.5]},
    "tfim": {"kind": "tfim"},
    "field": {"kind": "heisenberg", "couplings": [1.0, 0.5], "field_z": 0.5},
}
MORE = {"structure_factor": [[1, 0], [0.5, 0]], "correlations": True, "imaginary_time": True}
ASKED = ["observables.structure_factor=[[1, 0], [0.5, 0]]", "observables.correlations=true"]
ASKED += ["observables.imaginary_time=true"]


@pytest.fixture(autouse=True)
def one_rank(monkeypatch):
    monkeypatch.setattr(parallel, "start", Team.serial)


def settings_of(magnet, temperatures, thermal=None, **sections):
    """Return the settings of a chain of 8 sites, 4 in a transverse field, summed over all configurations."""
    lattice = {"kind": "chain", "lengths": [4 if magnet == "tfim" else 8]}
    tables = {"run": {"seed": 3}, "lattice": lattice, "model": MAGNETS[magnet]}
    tables |= {"sampling": {"method": "exact_sum"}, "thermal": {"temperatures": temperatures} | (thermal or {})}
    return hpc_nqs.make_input(**tables | sections)


def assert_close(found, expected, tolerance, where=""):
    """Compare nested results."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key, value in expected.items():
            assert_close(found[key], value, tolerance, f"{where}/{key}")
    elif isinstance(expected, list):
        for k, value in enumerate(expected):
            assert_close(found[k], value, tolerance, f"{where}[{k}]")
    else:
        assert found == pytest.approx(expected, abs=tolerance, rel=tolerance), where


RBM = {"kind": "rbm", "alpha": 1}
CASES = [("heisenberg", {}), ("heisenberg", RBM), ("frustrated", {}), ("tfim", {}), ("field", {})]


@pytest.mark.parametrize(("magnet", "wavefunction"), CASES)
def test_rows_at_reported_temperatures_are_those_of_the_run(tmp_path, magnet, wavefunction):
    """Everything in the table, rings and systematic errors included; other observables as if asked for at first."""
    temperatures, rbm = [2.0, 1.0, 0.6, 0.25], bool(wavefunction)
    sections = {"wavefunction": wavefunction} | ({"lattice": {"kind": "chain", "lengths": [4]}} if rbm else {})
    hpc_nqs.run(settings_of(magnet, temperatures, **sections), tmp_path / "run.h5")
    whole = hpc_nqs.run(settings_of(magnet, temperatures, **sections, observables=MORE), tmp_path / "whole.h5")
    before = (tmp_path / "run.h5").read_bytes()
    again = hpc_nqs.measure(tmp_path / "run.h5", ASKED)
    assert (tmp_path / "run.h5").read_bytes() == before
    assert again.path == str(tmp_path / "run-measured.h5") and again.finished
    assert_close(again.table["rows"], whole.table["rows"], 1e-10)
    np.testing.assert_array_equal(again.history["energy"], whole.history["energy"])
    if magnet == "frustrated":
        assert max(row["links"] for row in again.table["rows"]) > 2


def differences(magnet, folder, **sections):
    """Return {name: largest difference} of rows between the steps of a run, and of one that reports them on its way."""
    between, sections = [2.1, 1.3, 0.9, 0.61], sections | {"observables": {"structure_factor": [[1, 0]]}}
    hpc_nqs.run(settings_of(magnet, [3.0, 0.5], **sections), folder / "run.h5")
    way = hpc_nqs.run(settings_of(magnet, [3.0, *between, 0.5], **sections), folder / "way.h5")
    again = hpc_nqs.measure(folder / "run.h5", temperatures=between)
    assert again["temperature"].tolist() == between
    names = {"energy", "specific_heat", "susceptibility", "entropy", "free_energy", "structure_factor"}
    return {name: np.abs(again[name] - way[name][1:-1]).max() for name in names & set(again.names)}


@pytest.mark.parametrize("magnet", MAGNETS)
def test_rows_between_the_steps_are_those_of_another_cooling(tmp_path, magnet):
    assert max(differences(magnet, tmp_path).values()) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("magnet", ["heisenberg", "frustrated"])
def test_rows_between_the_steps_of_twelve_sites(tmp_path, magnet):
    lattice = {"kind": "square", "lengths": [4, 3]}
    assert max(differences(magnet, tmp_path, lattice=lattice).values()) < 1e-4


def test_measured_rows_agree_with_all_levels(tmp_path):
    """Imaginary time and correlations of a run that did not ask for them, at temperatures that it did not report."""
    hpc_nqs.run(settings_of("frustrated", [3.0, 0.3]), tmp_path / "run.h5")
    again = hpc_nqs.measure(tmp_path / "run.h5", ASKED, temperatures=[1.5, 0.8, 0.4])
    lattice, model = build(again.settings)
    wanted = exact.thermal_rows(exact.diagonalize(model, lattice), [row["beta"] for row in again.table["rows"]])
    for row, right in zip(again.table["rows"], wanted, strict=True):
        for name, tolerance in {"energy": 5e-4, "specific_heat": 5e-3, "susceptibility": 2e-3, "entropy": 2e-3}.items():
            assert abs(row[name] - right[name]) < tolerance, (name, row["temperature"])
    levels = hpc_nqs.diagonalize(again.settings)
    for name in ("structure_factor", "correlation"):
        assert np.abs(again[name] - levels[name]).max() < 3e-3, name


def test_one_measurement_after_another_and_colder_temperatures(tmp_path):
    """The file of a measurement is one of a run: it is measured again, and cooled on as the run is."""
    run = hpc_nqs.run(settings_of("frustrated", [2.0, 1.0]), tmp_path / "run.h5")
    first = hpc_nqs.measure(tmp_path / "run.h5", temperatures=[1.4], output=tmp_path / "first.h5")
    second = hpc_nqs.measure(tmp_path / "first.h5", temperatures=[2.0, 1.0], output=tmp_path / "second.h5")
    assert run_file.read_state(tmp_path / "second.h5")["measured"]["number"] == 2
    assert_close(second["energy"].tolist(), run["energy"].tolist(), 1e-10)
    assert second["entropy"] == pytest.approx(run["entropy"], abs=1e-6)  # the row at T = 1.4 is a point of the integral
    on = hpc_nqs.resume(tmp_path / "run.h5", ["thermal.temperatures=[2.0, 1.0, 0.7]"])
    also = hpc_nqs.resume(tmp_path / "first.h5", ["thermal.temperatures=[1.8, 1.4, 0.7]"])
    assert also["temperature"].tolist() == [1.8, 1.4, 0.7]
    assert also["energy"][1] == first["energy"][0]
    assert also["energy"][2] == pytest.approx(on["energy"][2], abs=1e-10)
    assert np.all(np.diff(also["energy"]) < 0)


# ---------------------------------------------------------------- chains


def sampled(magnet):
    """Return (settings, state) of a wave function at its seed, with chains."""
    sampling = {"method": "metropolis", "n_samples": 1024, "n_chains": 16}
    thermal = {"beta_0": 0.6} if magnet == "tfim" else {"beta_0": 1.0}
    tables = {"kind": "clusters" if magnet == "tfim" else "permanent"}
    settings = settings_of(magnet, [0.5], thermal, sampling=sampling, wavefunction=tables, observables=MORE)
    return settings, build_state(settings, *build(settings), seed=1)


def passed(settings, state, path, beta, **changes):
    """Return the `PassedState` on a path with one point."""
    options = {"exponent": 0.6, "sweeps": 2, "n_chains": 16, "seed": 11} | changes
    observables = build_observables(settings, state.lattice, state.model)
    evolution = state.evolution(None, None, SERIAL)
    return PassedState(
        state, path, beta, observables, SERIAL, evolution, options["n_chains"], options["seed"], options["exponent"],
        options["sweeps"],
    )


@pytest.mark.parametrize("magnet", ["frustrated", "tfim", "field"])
def test_chains_of_a_passed_state_agree_with_sums(magnet):
    """Two states of a path: the mean over all configurations, within the errors of chains."""
    settings, state = sampled(magnet)
    path, params = KernelPath(), state.wavefunction.params
    for beta in (0.2, state.beta_0):
        path.add(beta, params * beta / state.beta_0, params / state.beta_0, 1.0)
    tables = {"kind": "clusters" if magnet == "tfim" else "permanent"}
    summing = settings_of(magnet, [0.5], {"beta_0": state.beta_0}, wavefunction=tables, observables=MORE)
    wanted = passed(summing, build_state(summing, *build(summing), seed=1), path, 0.8 * state.beta_0)
    expected = wanted.report(Batches(1, 1, 0.0), 0, 0, 0.9, lambda: False)
    row = passed(settings, state, path, 0.8 * state.beta_0).report(Batches(8, 8, 0.0), 2048, 50, 0.9, lambda: False)
    names = ["energy", "magnetization"] + ["susceptibility"] * ("susceptibility" in row)
    for name in names:
        assert abs(row[name] - expected[name]) < 5 * row[f"{name}_error"] + 1e-12, name
    for name in ("structure_factor", "correlation", "time_correlation", "local_time_correlation"):
        for key, (value, error) in row[name].items():
            assert abs(value - expected[name][key][0]) < 5 * error + 1e-9, (name, key)
    np.testing.assert_array_equal(state.wavefunction.params, params)  # those of the run


@pytest.mark.parametrize("magnet", ["frustrated", "tfim"])
def test_chain_by_chain_is_the_mean_of_all(magnet):
    """The same samples, measured chain by chain and all at once."""
    settings, state = sampled(magnet)
    path = KernelPath()
    path.add(state.beta_0, state.wavefunction.params, state.wavefunction.params, 1.0)
    one, other = (passed(settings, state, path, state.beta_0, exponent=0.55) for _ in range(2))
    assert isinstance(one.meter, ChainwiseMeter)
    other.meter = state.meter(one.meter.observables, other.sampler, SERIAL)
    rows = [each.report(Batches(3, 3, 0.0), 512, 20, 0.9, lambda: False) for each in (one, other)]
    assert_close(*rows, 1e-9)
    samples, evaluation = one._batch(8)
    plain = one.evolution.evaluate(samples)
    same = chainwise(plain, samples, one.sampler.n_chains, SERIAL)
    assert same.energy == pytest.approx(plain.energy, rel=1e-12)
    assert same.n_effective == pytest.approx(plain.n_effective, rel=1e-12)
    np.testing.assert_allclose(same.weights, plain.weights, rtol=1e-12)
    assert evaluation.weights.sum() == pytest.approx(1.0)


def test_measurements_of_chains_are_independent(tmp_path):
    """Other random numbers for every measurement; the same ones for the same temperature, whatever else is asked."""
    sampling = {"method": "metropolis", "n_samples": 512, "n_chains": 16}
    settings = settings_of("frustrated", [2.0, 1.0, 0.5], {"n_samples_report": 4096}, sampling=sampling)
    run = hpc_nqs.run(settings, tmp_path / "run.h5")
    first = hpc_nqs.measure(tmp_path / "run.h5", output=tmp_path / "first.h5")
    alone = hpc_nqs.measure(tmp_path / "run.h5", temperatures=[1.0], output=tmp_path / "alone.h5")
    second = hpc_nqs.measure(tmp_path / "first.h5", output=tmp_path / "second.h5")
    assert alone["energy"][0] == first["energy"][1]
    assert alone["neighbour_correlation"][0].tolist() == first["neighbour_correlation"][1].tolist()
    for one, other in ((run, first), (first, second), (run, second)):
        assert np.all(one["energy"] != other["energy"])
        error = np.hypot(one["energy_error"], other["energy_error"])
        assert np.all(np.abs(one["energy"] - other["energy"]) < 5 * error)
