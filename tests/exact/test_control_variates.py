"""Control variates of the energy: mean zero by exact sums, whatever the state, and quiet energies of sampled runs."""

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.exact import diagonalization as exact
from hpc_nqs.observables.control_variates import ControlVariates, fitted_coefficients
from hpc_nqs.parallel.team import Team
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.sampling.enumeration import Enumeration
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state

SERIAL = Team.serial()
TFIM, HEISENBERG = {"kind": "tfim"}, {"kind": "heisenberg"}
RING = {"kind": "chain", "lengths": [5]}
STATES = {
    "clusters": (TFIM, {"kind": "clusters", "parameters": "real", "symmetries": []}),
    "clusters_field_z": (TFIM | {"field": 0.6, "field_z": 0.3}, {"kind": "clusters", "parameters": "real"}),
    "rbm": (TFIM, {"kind": "rbm", "parameters": "real", "symmetries": ["translation"]}),
    "exchange": (HEISENBERG | {"anisotropy": 0.6, "couplings": [-1.0]}, {"kind": "clusters", "parameters": "real"}),
    "exchange_field_z": (HEISENBERG | {"field_z": 0.4}, {"kind": "rbm", "parameters": "real", "symmetries": []}),
    "permanent": (HEISENBERG | {"couplings": [1.0, 0.5]}, {"kind": "permanent"}),
    "hafnian": ({"kind": "xyz", "couplings_x": [1.0], "couplings_y": [0.4, -0.3], "couplings_z": [0.6]}, {}),
    "hafnian_field_x": ({"kind": "xyz", "couplings_y": [0.4], "field_x": 0.3, "site_fields": [0.2] * 5}, {}),
    "pairing": (HEISENBERG | {"couplings": [1.0, 0.5]}, {"kind": "pair_rbm"}),
}


def all_of(state):
    """Return (ansatz at random parameters, configurations, evaluation) of all configurations."""
    model, wavefunction = STATES[state]
    tables = {"lattice": RING, "model": model, "wavefunction": wavefunction}
    tables |= {"thermal": {"temperatures": [1.0], "beta_0": 0.5}}
    settings = parse_settings(tables)
    ansatz = build_state(settings, *build(settings), seed=1)
    network = ansatz.wavefunction
    noise = np.random.default_rng(5).standard_normal((2, network.n_params))
    network.params = network.params + 0.2 * (noise[0] + 1j * noise[1] if network.is_complex else noise[0])
    samples = Enumeration(SERIAL, ansatz.system).sample(None, ansatz.system, 1, 1, 1.0)
    return ansatz, samples.flat, evaluate(samples, network, ansatz.system, SERIAL)


@pytest.mark.parametrize("state", STATES)
def test_means_vanish_in_any_state(state):
    ansatz, configurations, evaluation = all_of(state)
    controls = ControlVariates(ansatz.system, ansatz.lattice)
    values = controls.values(configurations, evaluation.amplitude, SERIAL.threads)
    assert values.shape == (len(configurations), controls.n_controls)
    spread = np.sqrt(evaluation.weights @ values**2)
    assert np.all(spread > 1e-3)
    np.testing.assert_allclose(evaluation.weights @ values / spread, 0.0, atol=1e-12)


@pytest.mark.parametrize("state", ["clusters", "exchange"])
def test_they_take_the_noise_of_hot_energies_away(state):
    # At the seed the energy is a sum over sites and pairs, and what fluctuates is theirs.
    model, wavefunction = STATES[state]
    tables = {
        "lattice": RING,
        "model": model,
        "wavefunction": wavefunction,
        "thermal": {"temperatures": [5.0], "beta_0": 0.2},
    }
    settings = parse_settings(tables)
    ansatz = build_state(settings, *build(settings), seed=1)
    samples = Enumeration(SERIAL, ansatz.system).sample(None, ansatz.system, 1, 1, 1.0)
    evaluation = evaluate(samples, ansatz.wavefunction, ansatz.system, SERIAL)
    controls = ControlVariates(ansatz.system, ansatz.lattice)
    values = controls.values(samples.flat, evaluation.amplitude, SERIAL.threads)
    energies, weights = evaluation.energies.real.mean(axis=1) - evaluation.energy, evaluation.weights
    quiet = energies - values @ fitted_coefficients(energies, values, weights, SERIAL)
    assert weights @ quiet == pytest.approx(0.0, abs=1e-12)
    assert weights @ quiet**2 < 1e-3 * (weights @ energies**2)


def test_the_fit_finds_known_coefficients():
    stream = np.random.default_rng(2)
    controls, weights = stream.standard_normal((500, 3)) * [1.0, 1e-3, 0.0], np.full(500, 1 / 500)
    values = 4.0 + controls @ [2.0, -700.0, 0.0]
    np.testing.assert_allclose(fitted_coefficients(values, controls, weights, SERIAL)[:2], [2.0, -700.0], rtol=1e-8)


@pytest.mark.parametrize(("model", "error_of_state"), [(TFIM, 1e-6), (HEISENBERG, 3e-4)], ids=["tfim", "heisenberg"])
def test_sampled_energies_agree_with_all_levels_within_their_small_errors(tmp_path, model, error_of_state):
    tables = {"run": {"seed": 1}, "lattice": {"kind": "chain", "lengths": [10]}, "model": model}
    tables |= {"sampling": {"method": "metropolis", "n_samples": 1024}, "thermal": {"temperatures": [4.0, 2.0, 1.4]}}
    settings = parse_settings(tables)
    assert tasks.run(settings, SERIAL, str(tmp_path / "run.h5")) == 0
    rows = checkpoint.read_table(tmp_path / "run.h5")["rows"]
    lattice, model = build(settings)
    wanted = exact.thermal_rows(exact.diagonalize(model, lattice, []), [row["beta"] for row in rows])
    for row, right in zip(rows, wanted, strict=True):
        # without them: sqrt(c / n_sites / n_samples) T, times more for reweighting
        plain = row["temperature"] * np.sqrt(row["specific_heat"] / 10 / (24 * 1024))
        assert row["energy_error"] < 0.2 * plain
        # one in 10^7 per temperature for normal errors that are known to a tenth
        assert abs(row["energy"] - right["energy"]) < 6 * row["energy_error"] + error_of_state
