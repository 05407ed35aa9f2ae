"""Threads of a rank: the same chains, energies and derivatives bit for bit, and a clear refusal."""

import numpy as np
import pytest

from hpc_nqs.ground_state.ansatz import build_spin_ansatz, sectors_of
from hpc_nqs.hilbert.purification import random_pairs
from hpc_nqs.hilbert.spins import random_spins
from hpc_nqs.parallel.team import Team, Threads, available_cores
from hpc_nqs.reconfiguration import distributed_cholesky as row_blocks
from hpc_nqs.reconfiguration import equations, log_derivatives
from hpc_nqs.reconfiguration.solvers import Regularization
from hpc_nqs.reconfiguration.velocity import velocity
from hpc_nqs.runs import threads
from hpc_nqs.sampling.chains import Chains
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.parsing import SettingsError, parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state

CHAIN = {"lattice": {"kind": "chain", "lengths": [6]}, "model": {"kind": "heisenberg", "couplings": [1.0, 0.5]}}
CASES = {
    "shared": {"kind": "rbm", "alpha": 2},
    "unshared": {"kind": "rbm", "alpha": 1, "symmetries": [], "parameters": "complex"},
    "pair": {"kind": "pair_rbm", "alpha": 1},
}


def step(network, n_threads, solver="cg"):
    """Return what one step computes on a number of threads."""
    settings = parse_settings(CHAIN | {"wavefunction": network, "thermal": {"temperatures": [1.0]}})
    ansatz = build_state(settings, *build(settings), seed=1)
    team = Team.serial()
    team.threads = Threads(n_threads)
    purification, wavefunction = ansatz.system, ansatz.wavefunction
    chains = Chains(team, 5, 3, lambda stream: random_pairs(purification, stream))
    amplitude = wavefunction.amplitude(purification.moves)
    samples = chains.sample(amplitude, purification, 7, 2, 0.8)
    evaluation = evaluate(samples, wavefunction, purification, team, amplitude)
    found = velocity(evaluation, samples, wavefunction, Regularization(solver, None, 1e-2, 1e-8), team)
    return samples.configurations, chains.counts, evaluation.energies, evaluation.log_psi, found.x


@pytest.mark.parametrize("solver", ["cg", "dense", "sample_space"])
@pytest.mark.parametrize("n_threads", [2, 3, 16])
@pytest.mark.parametrize("network", CASES.values(), ids=CASES)
def test_any_number_of_threads_gives_the_same_numbers(network, n_threads, solver, monkeypatch):
    monkeypatch.setattr(log_derivatives, "GROUP", 8)
    monkeypatch.setattr(row_blocks, "CHUNK", 2)
    monkeypatch.setattr(equations, "PANEL", 2)
    monkeypatch.setattr(equations, "BLOCK", 9)
    for values, expected in zip(step(network, n_threads, solver), step(network, 1, solver), strict=True):
        np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("parameters", ["complex", "real"])
def test_samples_without_weight_have_no_slopes(parameters):
    """A zero of Psi has slopes that are not finite, and no weight."""
    network = {"kind": "rbm", "alpha": 1, "symmetries": [], "parameters": parameters}
    settings = parse_settings(CHAIN | {"wavefunction": network, "thermal": {"temperatures": [1.0]}})
    ansatz, team = build_state(settings, *build(settings), seed=1), Team.serial()
    purification, wavefunction = ansatz.system, ansatz.wavefunction
    wavefunction.params = wavefunction.params + 0.1
    samples = Chains(team, 5, 3, lambda stream: random_pairs(purification, stream)).sample(
        wavefunction.amplitude(purification.moves), purification, 4, 1, 1.0
    )
    evaluation = evaluate(samples, wavefunction, purification, team)
    evaluation.weights[[3, 7]] = 0
    derivatives = equations.sampled(evaluation, samples, wavefunction, team).derivatives
    slopes = derivatives.slopes + derivatives.mean_slopes
    assert derivatives.is_factored and slopes.dtype == wavefunction.params.dtype
    np.testing.assert_allclose(slopes[[3, 7]], 0, rtol=0, atol=1e-15)
    assert np.abs(slopes[[0, 1, 2]]).max(axis=1).min() > 1e-3


def test_projected_states_too():
    settings = parse_settings(
        CHAIN | {"run": {"task": "ground_state"}, "ground_state": {"momentum": [3], "spin_parity": -1}}
    )
    lattice, model = build(settings)
    ansatz = build_spin_ansatz(settings, lattice, model, 1, sectors_of(settings, lattice, model)[0])
    results = []
    for n_threads in (1, 2):
        team = Team.serial()
        team.threads = Threads(n_threads)
        chains = Chains(team, 4, 3, lambda stream: random_spins(ansatz.system, stream))
        samples = chains.sample(ansatz.wavefunction.amplitude(ansatz.system.moves), ansatz.system, 5, 1, 1.0)
        results.append(evaluate(samples, ansatz.wavefunction, ansatz.system, team).energies)
    np.testing.assert_array_equal(*results)


class Sibling:
    """An amplitude that counts how often it was copied."""

    copies = 0

    def sibling(self):
        self.copies += 1
        return Sibling()


def test_items_are_split_and_errors_raised():
    amplitude = Sibling()
    parts = Threads(3).run(amplitude, 25, lambda own, part: (part.start, part.stop))
    assert [start for start, _ in parts] == [0, *(stop for _, stop in parts[:-1])] and parts[-1][1] == 25
    assert len(parts) == 12 and amplitude.copies == 2
    assert Threads(3).run(amplitude, 0, lambda own, part: (part.start, part.stop)) == [(0, 0)]
    with pytest.raises(ZeroDivisionError):
        Threads(2).run(amplitude, 2, lambda own, part: 1 / (part.stop - 2))


def test_every_item_is_worked_on_once_in_order():
    for n_threads in (1, 3):
        assert Threads(n_threads).each(lambda item: 10 * item, range(7)) == [10 * item for item in range(7)]
        assert Threads(n_threads).each(lambda item: item, []) == []
        with pytest.raises(ZeroDivisionError):
            Threads(n_threads).each(lambda item: 1 / (item - 2), range(3))


def test_more_threads_than_cores_are_refused(monkeypatch):
    settings = parse_settings(CHAIN | {"run": {"threads": 3}, "thermal": {"temperatures": [1.0]}})
    monkeypatch.setattr(threads, "available_cores", lambda: 2)
    with pytest.raises(SettingsError, match=r"run.threads = 3: .* 2 of the cores here; allowed is 1 to 2"):
        threads.use_threads(settings, Team.serial())
    monkeypatch.setattr(threads, "available_cores", lambda: 3)
    team = Team.serial()
    threads.use_threads(settings, team)
    assert team.threads.n_threads == 3
    assert available_cores() >= 1


def test_world_lines_have_one_thread():
    with pytest.raises(SettingsError, match="run.threads = 2: .* allowed is 1"):
        parse_settings(CHAIN | {"run": {"threads": 2}, "thermal": {"temperatures": [1.0], "method": "analytic"}})
