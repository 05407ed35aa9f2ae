"""Chains, sums, steps and whole runs on several ranks: `mpiexec -n N pytest --with-mpi -m mpi`.

Every rank also computes the answer alone, with a team of one, and compares.
"""

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.hilbert.purification import random_pairs
from hpc_nqs.observables.diagonal import build_observables
from hpc_nqs.parallel.team import Team
from hpc_nqs.reconfiguration.equations import assembled
from hpc_nqs.reconfiguration.solvers import Regularization
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.runs.computation import DONE
from hpc_nqs.sampling.chains import Chains
from hpc_nqs.sampling.enumeration import Enumeration
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.thermal.evolution import AdaptiveEvolution, StepControl
from hpc_nqs.thermal.meter import Meter
from hpc_nqs.thermal.rings.measurement import RingMeasurement
from hpc_nqs.thermal.rings.traces import RingTraces

pytestmark = pytest.mark.mpi(min_size=2)

SERIAL = Team.serial()
MODELS = {
    "heisenberg": {"kind": "heisenberg"},
    "j1j2": {"kind": "heisenberg", "couplings": [1.0, 0.5]},
    "tfim": {"kind": "tfim"},
}
SOLVERS = {
    "soft_cut": Regularization("dense", 1e-4, 0.0, 1e-6),
    "cholesky": Regularization("dense", None, 1e-2, 1e-6),
    "cg": Regularization("cg", None, 1e-2, 1e-12),
    "sample_space": Regularization("sample_space", None, 1e-2, 1e-6),
}


def settings_of(model, **sections):
    tables = {"run": {"seed": 3}, "lattice": {"kind": "chain", "lengths": [4]}, "model": MODELS[model]}
    tables |= {"wavefunction": {"alpha": 2}, "observables": {"structure_factor": [[1, 0]]}}
    return parse_settings(tables | {"thermal": {"betas": [0.3], "beta_0": 0.2}} | sections)


class Setup:
    """One state with its sampler on a team."""

    def __init__(self, team, model="heisenberg", n_chains=7, exact=False):
        self.team, settings = team, settings_of(model)
        self.ansatz = build_state(settings, *build(settings), seed=3)
        self.purification, self.wavefunction = self.ansatz.system, self.ansatz.wavefunction
        if exact:
            self.sampler = Enumeration(team, self.purification)
        else:
            self.sampler = Chains(team, n_chains, 3, lambda stream: random_pairs(self.purification, stream))
        observables = build_observables(settings, self.ansatz.lattice, self.ansatz.model)
        self.meter = Meter(self.ansatz, observables, self.sampler, team)

    def evolution(self, solver="soft_cut"):
        control = StepControl(tolerance=0.1, max_dtau=0.01, max_growth=1.0, clock="time")
        return AdaptiveEvolution(self.ansatz, SOLVERS[solver], control, self.team)

    def sample(self, n_per_chain=6, exponent=0.6):
        amplitude = self.wavefunction.amplitude(self.purification.moves)
        return self.sampler.sample(amplitude, self.purification, n_per_chain, 2, exponent)


def gathered(team, rows, n_rows):
    """The rows of all ranks in global order, on every rank."""
    return team.broadcast_object(team.gather_rows(rows, n_rows))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("n_chains", [1, 2, 7])
def test_chains_are_bit_identical_at_fixed_parameters(team, model, n_chains):
    together, alone = Setup(team, model, n_chains), Setup(SERIAL, model, n_chains)
    for _ in range(3):
        samples, expected = together.sample(), alone.sample()
        found = gathered(team, samples.configurations, n_chains)
        np.testing.assert_array_equal(found, expected.configurations)
        assert samples.first_chain == team.share(n_chains)[0]
        assert len(samples.configurations) == np.diff(team.share(n_chains))
    assert together.sampler.acceptance(team) == alone.sampler.acceptance(SERIAL)
    state, expected = together.sampler.state(team), alone.sampler.state(SERIAL)
    if team.is_root:
        for name, array in expected.items():
            np.testing.assert_array_equal(state[name], array)


def test_chains_move_to_another_number_of_ranks(team):
    together, alone = Setup(team), Setup(SERIAL)
    together.sample()
    alone.sample()
    state = together.sampler.state(team)
    # rank 0 hands the state out again: to all ranks, and to itself alone
    again = Setup(team)
    again.sampler.restore(team, state)
    single = Setup(SERIAL)
    single.sampler.restore(SERIAL, team.broadcast_object(state))
    expected = alone.sample().configurations
    np.testing.assert_array_equal(gathered(team, again.sample().configurations, 7), expected)
    np.testing.assert_array_equal(single.sample().configurations, expected)


@pytest.mark.parametrize("n_chains", [1, 2, 7])
@pytest.mark.parametrize("solver", SOLVERS)
def test_one_step_is_the_same_to_rounding(team, solver, n_chains):
    results = []
    for each in (team, SERIAL):
        setup = Setup(each, n_chains=n_chains)
        evolution, samples = setup.evolution(solver), setup.sample(n_per_chain=24)
        evaluation = evolution.evaluate(samples)
        first = evolution.velocity(samples, evaluation)
        step = evolution.advance(samples, evaluation, first, 1.0)
        results.append((evaluation, first, step, setup.wavefunction.params))
    (evaluation, first, step, params), (expected, alone, single, wanted) = results
    assert evaluation.energy == pytest.approx(expected.energy, rel=1e-12)
    assert evaluation.n_effective == pytest.approx(expected.n_effective, rel=1e-12)
    assert first.variance == pytest.approx(alone.variance, rel=1e-10)
    assert first.residual == pytest.approx(alone.residual, abs=1e-7)
    assert step.dtau == pytest.approx(single.dtau, rel=1e-6)
    assert step.error == pytest.approx(single.error, rel=1e-4, abs=1e-9)
    np.testing.assert_allclose(params, wanted, atol=1e-8 * np.abs(wanted).max())
    # the ranks must not drift apart by even the last bit
    np.testing.assert_array_equal(params, team.broadcast_object(params))


@pytest.mark.parametrize("model", MODELS)
def test_traces_of_rings_are_shared(team, model):
    """The transverse-field model has one block, so that other ranks have none."""
    observables = {"structure_factor": [[1, 0]], "imaginary_time": True}
    settings = settings_of(model, observables=observables, wavefunction={"parameters": "real"})
    state = build_state(settings, *build(settings), seed=3)
    measured = build_observables(settings, state.lattice, state.model)
    together, alone = (RingTraces.of_state(state, measured, each) for each in (team, SERIAL))
    assert len(alone.blocks) == (1 if model == "tfim" else 3)
    assert len(together.blocks) == len(range(team.rank, len(alone.blocks), team.size))
    for n_links in (2, 3, 4):
        found, expected = together.averages(n_links), alone.averages(n_links)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-12, atol=1e-14, err_msg=name)


def test_rings_are_bit_identical(team):
    """Five chains: other ranks have one or two; with averages over the spin components on one link and on two."""
    observables = {"structure_factor": [[1, 0]], "imaginary_time": True}
    settings = settings_of("j1j2", wavefunction={"kind": "permanent"}, observables=observables)
    state = build_state(settings, *build(settings), seed=3)
    measured = build_observables(settings, state.lattice, state.model)
    rows = []
    for each in (team, SERIAL):
        ring = RingMeasurement(state, measured, each, 7, 5, 2.0, 4, -0.3, 20, 60, 0.0)
        signs = ring.pilot()["average_sign"]
        while not ring.is_finished():
            ring.advance()
        rows.append(ring.row() | {"pilot": signs})
    assert rows[0] == rows[1] and "time_correlation_z" in rows[0]


@pytest.mark.parametrize("model", MODELS)
def test_enumeration_is_shared(team, model):
    together, alone = Setup(team, model, exact=True), Setup(SERIAL, model, exact=True)
    n_states = alone.sampler.n_chains
    assert together.sampler.n_chains == n_states
    found = gathered(team, together.sampler.configurations, n_states)
    np.testing.assert_array_equal(found, alone.sampler.configurations)
    samples, expected = together.sample(), alone.sample()
    evaluations = [setup.evolution().evaluate(each) for setup, each in ((together, samples), (alone, expected))]
    sums = assembled(evaluations[0], samples, together.wavefunction, team).moments()
    wanted_sums = assembled(evaluations[1], expected, alone.wavefunction, SERIAL).moments()
    for each, wanted in zip(sums, wanted_sums, strict=True):
        np.testing.assert_allclose(each, wanted, atol=1e-12 * np.abs(wanted).max())
    weights = np.array([evaluations[0].weights.sum()])
    team.sum_in_place(weights)
    assert weights[0] == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("n_chains", [1, 2, 7])
def test_measurements_are_the_same(team, n_chains, exact):
    found = []
    for each in (team, SERIAL):
        setup = Setup(each, n_chains=n_chains, exact=exact)
        batches = []
        for _ in range(2):
            samples = setup.sample(n_per_chain=12)
            batches.append((samples, setup.evolution().evaluate(samples)))
        batches = batches[:1] if exact else batches
        found.append((setup.meter.summarize(*batches[0], beta=0.5), setup.meter.report(batches, beta=0.5)))
    for together, alone in zip(*found, strict=True):
        assert together.keys() == alone.keys()
        for name, value in together.items():
            if isinstance(value, dict):
                for key, pair in value.items():
                    assert pair == pytest.approx(alone[name][key], rel=1e-9, abs=1e-12), (name, key)
            else:
                assert value == pytest.approx(alone[name], rel=1e-9, abs=1e-12, nan_ok=True), name


@pytest.mark.parametrize("n_chains", [1, 2])
def test_more_ranks_than_chains_cool(team, tmp_path, n_chains):
    sampling = {"method": "metropolis", "n_samples": 48, "n_chains": n_chains, "n_warm_up": 10}
    settings = settings_of("heisenberg", sampling=sampling)
    path = team.broadcast_object(str(tmp_path / "run.h5"))
    assert tasks.run(settings, team, path) == DONE
    alone = tmp_path / f"alone_{team.rank}.h5"
    assert tasks.run(settings, SERIAL, str(alone)) == DONE
    team.barrier()
    together, single = checkpoint.read_table(path), checkpoint.read_table(alone)
    assert together["finished"]
    assert together["n_ranks"] == team.size
    assert together["rows"][0]["energy"] == pytest.approx(single["rows"][0]["energy"], rel=1e-6)
    team.barrier()
