"""Excited states of the same sector: orthogonal to saved ones, against diagonalization."""

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.ground_state.ansatz import build_spin_ansatz
from hpc_nqs.ground_state.lower_states import LowerStates, load_lower_state
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.hilbert.spins import random_spins
from hpc_nqs.parallel.team import Team
from hpc_nqs.reconfiguration.equations import assembled
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.sampling.chains import Chains
from hpc_nqs.sampling.enumeration import Enumeration
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.parsing import SettingsError, parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.wavefunctions.wavefunction import log_psi

SERIAL = Team.serial()
SYSTEMS = {
    "heisenberg": ({"kind": "heisenberg"}, 8, {}),
    "frustrated": ({"kind": "heisenberg", "couplings": [1.0, 0.4]}, 8, {"momentum": [0]}),
    "tfim": ({"kind": "tfim"}, 6, {}),
}


def settings_of(name="heisenberg", overrides=(), sampling=None, **ground_state):
    model, n_sites, sector = SYSTEMS[name]
    sections = {"run": {"task": "ground_state", "seed": 2}, "lattice": {"kind": "chain", "lengths": [n_sites]}}
    sections |= {"model": model, "sampling": sampling or {}}
    return parse_settings(
        sections | {"ground_state": sector | {"n_steps": 300, "v_score": 1e-9} | ground_state}, overrides
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return a function: name of a system to the path of its converged ground state."""
    folder, made = tmp_path_factory.mktemp("states"), {}

    def path(name):
        if name not in made:
            made[name] = str(folder / f"{name}.h5")
            assert tasks.run(settings_of(name), SERIAL, made[name]) == 0
        return made[name]

    return path


def second_level(settings, row):
    """Return the second exact energy per site with the quantum numbers of a row, Sz = 0 where it is conserved."""
    lattice, model = build(settings)
    n = lattice.n_sites
    states = np.arange(2**n)
    if model.conserves_sz:
        states = states[np.bitwise_count(states.astype(np.uint32)) == n // 2]
    bits = (states[:, None] >> np.arange(n)) & 1
    place = {state: k for k, state in enumerate(states.tolist())}
    energies, vectors = np.linalg.eigh(to_sparse(model).toarray()[np.ix_(states, states)])
    shifted = np.array([place[int(state)] for state in np.roll(bits, 1, axis=1) @ (1 << np.arange(n))])
    flipped = np.array([place[int(state)] for state in (1 - bits) @ (1 << np.arange(n))])
    phase = np.exp(-2j * np.pi * row["momentum"][0] / n)
    vectors = vectors.astype(complex)
    for image, character, order in ((shifted, phase, n), (flipped, row["spin_parity"], 2)):
        total, moved = np.zeros_like(vectors), vectors
        for power in range(order):
            total += moved / (order * character**power)
            moved = moved[np.argsort(image)]
        vectors = total
    weights = np.sum(np.abs(vectors) ** 2, axis=0)
    levels = []
    for energy in np.unique(np.round(energies, 9)):
        multiplicity = weights[np.abs(energies - energy) < 1e-8].sum()
        levels += [energy] * round(multiplicity)
    return levels[1] / n


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_second_level_of_a_sector(name, saved, tmp_path):
    first = checkpoint.read_table(saved(name))["rows"][0]
    settings = settings_of(name, orthogonal_to=[saved(name)], n_steps=500)
    path = str(tmp_path / "second.h5")
    assert tasks.run(settings, SERIAL, path) == 0
    (row,) = checkpoint.read_table(path)["rows"]
    assert (row["momentum"], row["spin_parity"]) == (first["momentum"], first["spin_parity"])
    assert row["overlap"] < 1e-6
    assert row["energy"] == pytest.approx(second_level(settings, row), rel=2e-4)
    assert row["energy"] > first["energy"] + 1e-3


def pair_of_states(saved, name="heisenberg", **ground_state):
    """Return (settings, ansatz at random parameters, saved state)."""
    settings = settings_of(name, **ground_state)
    return settings, build_spin_ansatz(settings, *build(settings), seed=5), load_lower_state(saved(name), SERIAL)


def overlap_of_vectors(ansatz, lower):
    configurations = Enumeration(SERIAL, ansatz.system).configurations[:, 0]
    vectors = []
    for state in (ansatz, lower.ansatz):
        logarithms = log_psi(state.wavefunction, state.system.moves, configurations)
        vectors.append(np.exp(logarithms - logarithms.real.max()))
    psi, phi = vectors
    return abs(np.vdot(phi, psi)) ** 2 / (np.vdot(phi, phi).real * np.vdot(psi, psi).real)


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_mean_of_the_penalty_is_the_overlap(name, saved):
    """By sums over all configurations and over one of every orbit; its gradient is that of the overlap."""
    settings, ansatz, lower = pair_of_states(saved, name)
    expected = overlap_of_vectors(ansatz, lower)
    assert 1e-6 < expected < 1
    for images in (None, ansatz.invariance()):
        sampler = Enumeration(SERIAL, ansatz.system, images)
        lower.draw(sampler, 0, SERIAL, 1, 1, 0)
        states = LowerStates([lower], 3.0, SERIAL)
        samples = sampler.sample(None, ansatz.system, 1, 1, 1.0)
        evaluation = evaluate(samples, ansatz.wavefunction, ansatz.system, SERIAL)
        energies = states.penalty(
            ansatz.wavefunction, ansatz.system.moves, samples.flat, evaluation.log_psi, evaluation.weights
        )
        assert states.overlap == pytest.approx(expected, rel=1e-9)
        assert (evaluation.weights @ energies).real == pytest.approx(3.0 * expected, rel=1e-9)
        evaluation.energies[:] = 0
        evaluation.penalty = energies
        force = assembled(evaluation, samples, ansatz.wavefunction, SERIAL).moments()[1]
        params, step = ansatz.wavefunction.params.copy(), 1e-5
        for k in (0, len(params) // 2):
            shifted = []
            for sign in (1, -1):
                ansatz.wavefunction.params = params + sign * step * (np.arange(len(params)) == k)
                shifted.append(3.0 * overlap_of_vectors(ansatz, lower))
            ansatz.wavefunction.params = params
            # dE / d Re params_k = 2 Re F_k
            assert 2 * force[k].real == pytest.approx((shifted[0] - shifted[1]) / (2 * step), rel=1e-5, abs=1e-7)


def test_chains_measure_the_overlap(saved):
    """64 chains of 200 samples; the overlap within 6 standard deviations of the means of chains (false alarm 2e-9)."""
    settings, ansatz, lower = pair_of_states(saved)
    chains = Chains(SERIAL, 64, 11, lambda stream: random_spins(ansatz.system, stream))
    amplitude = ansatz.wavefunction.amplitude(ansatz.system.moves)
    chains.warm_up(amplitude, ansatz.system, 50, 1.0)
    lower.draw(chains, 64 * 200, SERIAL, 1, 1, 50)
    assert len(lower.configurations) == 64 * 200
    samples = chains.sample(amplitude, ansatz.system, 200, 2, 1.0)
    evaluation = evaluate(samples, ansatz.wavefunction, ansatz.system, SERIAL)
    states = LowerStates([lower], 1.0, SERIAL)
    energies = states.penalty(
        ansatz.wavefunction, ansatz.system.moves, samples.flat, evaluation.log_psi, evaluation.weights
    )
    there = np.exp(log_psi(ansatz.wavefunction, ansatz.system.moves, lower.configurations) - lower.log_phi)
    factors = [energies.real.reshape(64, -1).mean(axis=1), there.real.reshape(64, -1).mean(axis=1)]
    error = states.overlap * np.sqrt(sum(np.var(f, ddof=1) / 64 / np.mean(f) ** 2 for f in factors))
    assert abs(states.overlap - overlap_of_vectors(ansatz, lower)) < 6 * error < 0.3


@pytest.mark.parametrize(
    ("name", "ground_state", "words"),
    [
        ("heisenberg", {"momentum": [1]}, "orthogonal anyway"),
        ("heisenberg", {"spin_parity": -1}, "orthogonal anyway"),
        ("heisenberg", {"sz": 1.0}, "5"),
        ("frustrated", {"momentum": [0]}, "another basis or of another model"),
        ("tfim", {}, "8 sites"),
    ],
)
def test_states_that_have_no_overlap_are_refused(name, ground_state, words, saved, tmp_path):
    settings = settings_of(name, orthogonal_to=[saved("heisenberg")], **ground_state)
    with pytest.raises(SettingsError, match=words):
        tasks.run(settings, SERIAL, str(tmp_path / "run.h5"))
    assert not list(tmp_path.iterdir())


def test_files_that_are_no_states_are_refused(tmp_path):
    missing = str(tmp_path / "missing.h5")
    with pytest.raises(SettingsError, match="no run file"):
        tasks.run(settings_of(orthogonal_to=[missing]), SERIAL, str(tmp_path / "run.h5"))
    with pytest.raises(SettingsError, match="ground_state.sectors is given too"):
        settings_of(orthogonal_to=[missing], sectors=[[0, 1]])
