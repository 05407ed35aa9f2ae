"""The cluster expansion in a transverse field against dense matrices, and runs that follow it."""

import dataclasses

import numpy as np
import pytest
import scipy.linalg

from hpc_nqs import tasks
from hpc_nqs.exact import diagonalization as exact
from hpc_nqs.hamiltonians.matrices import spins_of, to_sparse
from hpc_nqs.kernels.amplitude import log_psi
from hpc_nqs.parallel.team import Team
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.thermal.evolution import FOLLOWING_SHARE
from hpc_nqs.thermal.high_temperature.cluster_expansion import LAST_ORDER
from hpc_nqs.thermal.plan import N_SAMPLES

TFIM = {"kind": "tfim"}
SYSTEMS = {
    "ring_6": ("chain", [6], TFIM),
    "strong_field": ("chain", [6], TFIM | {"field": 2.0}),
    "field_z": ("chain", [6], TFIM | {"field": 0.7, "field_z": 0.4}),
    "antiferromagnet": ("chain", [5], TFIM | {"coupling": -1.0}),
    "ladder": ("ladder", [3, 2], TFIM),
}
FREE_SPINS = ("chain", [4], TFIM | {"coupling": 0.0})


def settings_of(system, size, **thermal):
    kind, lengths, model = SYSTEMS[system] if isinstance(system, str) else system
    tables = {"run": {"seed": 1}, "lattice": {"kind": kind, "lengths": lengths}, "model": model}
    tables |= {"wavefunction": {"kind": "clusters", "cluster_size": size}, "sampling": {"method": "exact_sum"}}
    return parse_settings(tables | {"thermal": {"temperatures": [0.2]} | thermal})


def built(settings):
    return build_state(settings, *build(settings), seed=1)


def vectors(ansatz, beta):
    """Return the state and e^{-beta H / 2}, normalised, both (2^n ancilla, 2^n sigma)."""
    n = ansatz.model.n_sites
    spins = spins_of(np.arange(2**n), n)
    pairs = np.concatenate([np.tile(spins, (2**n, 1)), np.repeat(spins, 2**n, axis=0)], axis=1).astype(np.int8)
    logarithms = np.empty(len(pairs), dtype=complex)
    log_psi(ansatz.wavefunction.amplitude(ansatz.system.moves), pairs, logarithms)
    state = np.exp(logarithms.real - logarithms.real.max()).reshape(2**n, 2**n)
    wanted = scipy.linalg.expm(-0.5 * beta * to_sparse(ansatz.model).toarray())
    return state / np.linalg.norm(state), wanted / np.linalg.norm(wanted)


@pytest.mark.parametrize("beta", [1e-3, 0.3, 2.0])
@pytest.mark.parametrize("system", ["ring_6", "field_z", "antiferromagnet"])
def test_tables_of_all_sites_hold_the_thermal_state(system, beta):
    # Every amplitude, the smallest included: ratios to those of the matrix are one.
    ansatz = built(settings_of(system, SYSTEMS[system][1][0], beta_0=beta))
    state, wanted = vectors(ansatz, beta)
    large = wanted > 1e-12 * wanted.max()  # the reference itself loses the smaller ones
    np.testing.assert_allclose(state[large], wanted[large], rtol=1e-4)
    np.testing.assert_allclose(state, wanted, atol=1e-13)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("size", [3, 4])
def test_what_is_left_out_is_of_the_next_order(system, size):
    # W of a cluster of one site more is of the order of its bonds at least, beta^size.
    errors = []
    for beta in (0.4, 0.2):
        state, wanted = vectors(built(settings_of(system, size, beta_0=beta)), beta)
        errors.append(np.linalg.norm(state - wanted))
    assert errors[0] < 1e-3
    assert errors[1] < errors[0] / 2**size


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_reach_is_where_the_last_order_is_still_small(system):
    ansatz = built(settings_of(system, 4))
    beta, expansion = ansatz.expansion_beta, ansatz.expansion
    assert ansatz.beta_0 < beta
    assert expansion.last_order(beta) < LAST_ORDER < expansion.last_order(1.2 * beta)
    expansion.fill(beta)
    state, wanted = vectors(ansatz, beta)
    assert np.linalg.norm(state - wanted) < 10 * LAST_ORDER


def test_free_spins_are_exact_everywhere():
    ansatz = built(settings_of(FREE_SPINS, "auto"))
    ansatz.expansion.fill(1.5)
    state, wanted = vectors(ansatz, 1.5)
    np.testing.assert_allclose(state, wanted, atol=1e-12)
    assert 1.5 < ansatz.expansion_beta < 2.0


def test_pairs_alone_are_not_followed():
    ansatz = built(settings_of("ring_6", 2))
    assert ansatz.expansion_beta == ansatz.beta_0


@pytest.mark.parametrize("system", ["ring_6", "field_z", "ladder"])
def test_runs_follow_the_expansion_and_go_on(tmp_path, system):
    temperatures = [10.0, 4.0, 2.0, 1.0]
    settings = settings_of(system, 4, temperatures=temperatures)
    assert tasks.run(settings, Team.serial(), str(tmp_path / "run.h5")) == 0
    rows = checkpoint.read_table(tmp_path / "run.h5")["rows"]
    lattice, model = build(settings)
    wanted = exact.thermal_rows(exact.diagonalize(model, lattice, []), [row["beta"] for row in rows])
    # Heun's step of the same length is off by 3e-4 and more at T = 4
    for row, right in zip(rows, wanted, strict=True):
        assert row["energy"] == pytest.approx(right["energy"], abs=2e-5)
        assert row["specific_heat"] == pytest.approx(right["specific_heat"], abs=1e-4)
        assert row["entropy"] == pytest.approx(right["entropy"], abs=1e-4)


@pytest.mark.parametrize("system", ["ring_6", "field_z"])
def test_energies_along_the_expansion_have_control_variates(tmp_path, system):
    """Chains: right within 5 errors at every step (false alarms below 1e-5 each), far below the plain ones."""
    settings = settings_of(system, 4, temperatures=[2.0])
    settings = dataclasses.replace(settings, sampling=dataclasses.replace(settings.sampling, method="metropolis"))
    path = tmp_path / "run.h5"
    assert tasks.run(settings, Team.serial(), str(path)) == 0
    history, (row,) = checkpoint.read_history(path), checkpoint.read_table(path)["rows"]
    lattice, model = build(settings)
    wanted = exact.thermal_rows(exact.diagonalize(model, lattice, []), [*history["beta"], row["beta"]])
    off = history["energy"] - [each["energy"] for each in wanted[:-1]]
    assert np.all(np.abs(off) < 5 * history["energy_error"] + 2e-5)
    n_samples = N_SAMPLES / FOLLOWING_SHARE
    plain = np.sqrt(history["variance"] / model.n_sites / n_samples)
    assert np.all(history["energy_error"] < 0.3 * plain)
    assert abs(row["entropy"] - wanted[-1]["entropy"]) < 5 * row["entropy_error"] + 2e-5
    assert row["entropy_error"] < 1e-4
