"""One step of a network without sharing on several ranks: every solver, every way to spread a matrix."""

from functools import cached_property

import numpy as np
import pytest

from hpc_nqs.benchmarks.roofline import unshared_network
from hpc_nqs.hilbert.purification import random_pairs
from hpc_nqs.parallel.team import Team, Threads
from hpc_nqs.reconfiguration import distributed_cholesky as row_blocks
from hpc_nqs.reconfiguration.solvers import Regularization
from hpc_nqs.reconfiguration.velocity import velocity
from hpc_nqs.sampling.chains import Chains
from hpc_nqs.sampling.evaluation import evaluate

pytestmark = pytest.mark.mpi(min_size=2)

SERIAL = Team.serial()


def step(team, solver, n_chains, shift):
    """Return the `Velocity` of one step."""
    _, purification, wavefunction = unshared_network([2, 3], alpha=1)
    chains = Chains(team, n_chains, 3, lambda stream: random_pairs(purification, stream))
    amplitude = wavefunction.amplitude(purification.moves)
    samples = chains.sample(amplitude, purification, 11, 1, 0.8)
    evaluation = evaluate(samples, wavefunction, purification, team, amplitude)
    return velocity(evaluation, samples, wavefunction, Regularization(solver, None, tolerance=1e-13, **shift), team)


@pytest.mark.parametrize("shift", [{"diag_scale": 0.0, "diag_shift": 1e-2}, {"diag_scale": 1e-2}])
@pytest.mark.parametrize("solver", ["dense", "cg", "sample_space"])
@pytest.mark.parametrize("n_chains", [1, 7])
def test_a_step_does_not_depend_on_the_number_of_ranks(team, solver, n_chains, shift, monkeypatch):
    monkeypatch.setattr(row_blocks, "CHUNK", 5)
    expected = step(SERIAL, "dense", n_chains, shift)
    monkeypatch.setattr(team, "threads", Threads(2))
    found = step(team, solver, n_chains, shift)
    np.testing.assert_allclose(found.x, expected.x, atol=1e-9 * np.abs(expected.x).max())
    for name in ("variance", "power", "residual", "speed"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-8, abs=1e-10)


def test_dense_rows_are_spread_where_there_are_several_nodes(team, monkeypatch):
    """No rank holds S then: assembling it would be the test's failure."""

    class TwoNodes(Team):
        @cached_property
        def n_nodes(self):
            return 2

    monkeypatch.setattr(row_blocks, "CHUNK", 5)
    expected = step(SERIAL, "dense", 7, {"diag_scale": 1e-2})
    monkeypatch.setattr("hpc_nqs.reconfiguration.velocity.assembled", None)
    found = step(TwoNodes(team.communicator), "dense", 7, {"diag_scale": 1e-2})
    np.testing.assert_allclose(found.x, expected.x, atol=1e-9 * np.abs(expected.x).max())


def test_ranks_of_one_machine_are_one_node(team):
    assert team.n_nodes == 1 and SERIAL.n_nodes == 1
