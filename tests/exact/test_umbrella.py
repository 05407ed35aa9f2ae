"""Umbrella samples: their distribution, what they weigh in the fit of the velocity, and what they prevent."""

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.hilbert.purification import random_pairs
from hpc_nqs.kernels import amplitude as amplitude_kernel
from hpc_nqs.parallel.team import Team
from hpc_nqs.reconfiguration.equations import assembled
from hpc_nqs.reconfiguration.solvers import Regularization
from hpc_nqs.reconfiguration.velocity import velocity
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.sampling import umbrella
from hpc_nqs.sampling.chains import Chains, Samples
from hpc_nqs.sampling.enumeration import Enumeration
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.sampling.umbrella import LEVELS, N_PER_CHAIN, WEIGHT, Umbrella, fitted_rows
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.wavefunctions.wavefunction import log_psi

SERIAL = Team.serial()
MODELS = {"unfrustrated": {"kind": "heisenberg"}, "frustrated": {"kind": "heisenberg", "couplings": [1.0, 0.5]}}
MODELS["pairs"] = {"kind": "xyz", "couplings_x": [1.0], "couplings_y": [0.4], "couplings_z": [0.7]}
KINDS = {"unfrustrated": "clusters", "frustrated": "permanent", "pairs": "hafnian"}


def state_of(model, length=4):
    """Return the `ThermalState` of a ring, at parameters next to the seed."""
    tables = {"lattice": {"kind": "chain", "lengths": [length]}, "model": MODELS[model]}
    tables |= {"wavefunction": {"kind": KINDS[model]}, "thermal": {"temperatures": [1.0], "beta_0": 0.4}}
    settings = parse_settings(tables)
    ansatz = build_state(settings, *build(settings), seed=1)
    network = ansatz.wavefunction
    network.params = network.params + 0.1 * np.random.default_rng(5).standard_normal(network.n_params)
    return ansatz


def mismatched(configurations, opposite_pairs=True):
    """Return the number of sites whose spins on both layers are not those of their Bell pair."""
    n = configurations.shape[-1] // 2
    return ((configurations[..., :n] == configurations[..., n:]) == opposite_pairs).sum(axis=-1)


def drawn(ansatz, n_chains, n_per_chain, seed=3):
    """Return samples of chains."""
    purification = ansatz.system
    chains = Chains(SERIAL, n_chains, seed, lambda stream: random_pairs(purification, stream))
    amplitude = ansatz.wavefunction.amplitude(purification.moves)
    chains.warm_up(amplitude, purification, 20, 1.0)
    return chains.sample(amplitude, purification, n_per_chain, 1, 1.0)


@pytest.mark.parametrize("model", MODELS)
def test_scaled_states_have_a_factor_per_mismatched_site(model):
    ansatz = state_of(model)
    configurations = Enumeration(SERIAL, ansatz.system).configurations[:, 0]
    moves = ansatz.system.moves
    scaled = Umbrella(ansatz.system, 7, 1.0).scaled(ansatz.wavefunction, 3.0)
    values, after = (log_psi(state, moves, configurations) for state in (ansatz.wavefunction, scaled))
    there = np.isfinite(values.real)  # a pair product has zeros
    assert there.mean() > 0.4 and np.array_equal(np.isfinite(after.real), there)
    configurations, change = configurations[there], after[there] - values[there]
    numbers = mismatched(configurations, ansatz.system.opposite_pairs)
    np.testing.assert_allclose(change.real, 0.5 * np.log(3.0) * numbers, atol=1e-12)
    np.testing.assert_allclose(np.exp(1j * change.imag), 1.0, atol=1e-12)


def test_every_level_has_its_distribution():
    # 2000 chains of each level; means of n within 4.5 standard errors: a false alarm in 50,000 runs
    ansatz = state_of("unfrustrated")
    configurations = Enumeration(SERIAL, ansatz.system).configurations[:, 0]
    psi = np.exp(log_psi(ansatz.wavefunction, ansatz.system.moves, configurations).real)
    n_levels, beta = len(LEVELS), 0.5
    samples = drawn(ansatz, 2000 * n_levels, 1)
    found = Umbrella(ansatz.system, 7, 1.0).sample(ansatz.wavefunction, beta, samples, 11, SERIAL.threads)
    numbers = mismatched(found.configurations).mean(axis=1)
    for level, higher in enumerate(LEVELS):
        weights = psi**2 * (higher / beta) ** mismatched(configurations)
        expected = weights @ mismatched(configurations) / weights.sum()
        own = numbers[level::n_levels]
        assert abs(own.mean() - expected) < 4.5 * own.std() / np.sqrt(len(own))


def test_a_chain_draws_the_same_on_any_rank_and_other_numbers_at_the_next_step():
    ansatz = state_of("unfrustrated")
    samples = drawn(ansatz, 7, 2)

    def drawn_at(step, first, stop, drawer=None):
        part = Samples(samples.configurations[first:stop], first, 1.0)
        drawer = drawer or Umbrella(ansatz.system, 7, 1.0)
        return drawer.sample(ansatz.wavefunction, 0.5, part, step, SERIAL.threads).configurations

    whole = drawn_at(3, 0, 7)
    assert whole.shape == (7, N_PER_CHAIN, 8)
    np.testing.assert_array_equal(np.concatenate([drawn_at(3, 0, 4), drawn_at(3, 4, 7)]), whole)
    assert np.any(drawn_at(4, 0, 7) != whole)
    first, second = Umbrella(ansatz.system, 7, 1.0), Umbrella(ansatz.system, 7, 1.0)
    assert first.stored(SERIAL, 7) is None
    second.restore(SERIAL, None)
    carried = drawn_at(3, 0, 7, first)[:, -1]
    np.testing.assert_array_equal(first.stored(SERIAL, 7), carried)
    second.restore(SERIAL, first.stored(SERIAL, 7))
    after = drawn_at(4, 0, 7, first)
    np.testing.assert_array_equal(drawn_at(4, 0, 7, second), after)
    assert np.any(after != drawn_at(4, 0, 7))  # which begins at the chains of the run


def with_umbrella(ansatz):
    """Return (samples of a run, their evaluation, umbrella samples, theirs)."""
    samples = drawn(ansatz, 40, 20)
    others = Umbrella(ansatz.system, 7, 1.0).sample(ansatz.wavefunction, 0.5, samples, 0, SERIAL.threads)
    some = [evaluate(each, ansatz.wavefunction, ansatz.system, SERIAL) for each in (samples, others)]
    return samples, some[0], others, some[1]


def log_derivs_of(samples, evaluation):
    """Return O of all samples."""
    out = np.empty((len(samples.flat), evaluation.amplitude.n_params))
    amplitude_kernel.log_derivs(evaluation.amplitude, samples.flat, out)
    return out


def test_rows_are_taken_from_the_means_of_the_run_and_weighed_by_their_distance():
    ansatz = state_of("unfrustrated", 6)
    samples, evaluation, others, evaluated = with_umbrella(ansatz)
    variance = 2.5
    means = np.arange(ansatz.wavefunction.n_params) / 7
    fit = means, evaluation.energy, variance, ansatz.wavefunction, SERIAL
    rows, deviations, weights = fitted_rows((others, evaluated), *fit)
    np.testing.assert_allclose(rows, log_derivs_of(others, evaluated) - means, atol=1e-12)
    np.testing.assert_allclose(deviations, evaluated.energies.real.mean(axis=1) - evaluation.energy, atol=1e-12)
    np.testing.assert_allclose(weights, WEIGHT * variance / (len(rows) * (deviations**2 + variance)), rtol=1e-12)
    assert np.sum(weights * deviations**2) < WEIGHT * variance


def test_they_join_in_the_fit_and_in_nothing_else(monkeypatch):
    monkeypatch.setattr(umbrella, "WEIGHT", 3.0)  # enough to be seen
    ansatz = state_of("unfrustrated", 8)
    samples, evaluation, others, evaluated = with_umbrella(ansatz)
    s_matrix, force, variance = assembled(evaluation, samples, ansatz.wavefunction, SERIAL).moments()
    means = evaluation.weights @ log_derivs_of(samples, evaluation)
    fit = means, evaluation.energy, variance, ansatz.wavefunction, SERIAL
    rows, deviations, weights = fitted_rows((others, evaluated), *fit)
    whole = s_matrix + rows.T @ (weights[:, None] * rows)
    shifted, pull = whole + 0.01 * np.diag(np.diag(whole)), -force - rows.T @ (weights * deviations)
    x = np.linalg.lstsq(shifted, pull, rcond=1e-13)[0]
    for solver in ("dense", "cg", "sample_space"):
        choice = Regularization(solver, None, diag_scale=0.01, tolerance=1e-13)
        found = velocity(evaluation, samples, ansatz.wavefunction, choice, SERIAL, umbrella_samples=(others, evaluated))
        assert found.metric(found.x - x) < 1e-6 * found.speed
        assert found.power == pytest.approx(-force @ x, rel=1e-7)
        assert found.variance == pytest.approx(variance, rel=1e-10)
        assert found.residual == pytest.approx((variance + 2 * force @ x + x @ s_matrix @ x) / variance, abs=1e-8)
    alone = velocity(evaluation, samples, ansatz.wavefunction, choice, SERIAL)
    assert found.metric(found.x - alone.x) > 1e-3 * found.speed


def test_neel_order_the_other_way_on_the_two_layers_stays_rare(tmp_path):
    # ln(weight / weight of Neel order without mismatches) at T = 1.8: 18 exchanges of amplitude beta / 4 in 90176 ways
    # make it -48 in e^{-beta H/2} to lowest order.  Without umbrella samples it is about +20 and the run is lost below
    # T = 1.3.
    tables = {"run": {"seed": 1}, "lattice": {"kind": "square", "lengths": [6, 6]}, "model": {"kind": "heisenberg"}}
    tables |= {"sampling": {"n_samples": 2048}, "thermal": {"temperatures": [1.8], "n_samples_report": 2048}}
    settings = parse_settings(tables)
    assert tasks.run(settings, SERIAL, str(tmp_path / "run.h5")) == 0
    lattice, model = build(settings)
    ansatz = build_state(settings, lattice, model, 1)
    tables = ansatz.wavefunction.second
    tables.params[tables.code_param - 1] = checkpoint.read_network(tmp_path / "run.h5")["cluster_table"]
    neel = (-1) ** np.sum(np.divmod(np.arange(36), 6), axis=0)
    configurations = np.array([[*neel, *-neel], [*neel, *neel]], dtype=np.int8)
    plain, mismatched_all = log_psi(ansatz.wavefunction, ansatz.system.moves, configurations).real
    assert 2 * (mismatched_all - plain) < -10
