"""A Lanczos step on any number of ranks, more ranks than configurations among them."""

import numpy as np
import pytest

from hpc_nqs.ground_state.ansatz import build_spin_ansatz
from hpc_nqs.ground_state.lanczos_step import LanczosStep
from hpc_nqs.ground_state.systems import build_meter
from hpc_nqs.parallel.team import Team
from hpc_nqs.sampling.chains import Chains
from hpc_nqs.sampling.enumeration import Enumeration
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build

pytestmark = pytest.mark.mpi(min_size=2)


def row_of(team, is_exact, n_chains):
    sections = {"run": {"task": "ground_state", "seed": 3}, "lattice": {"kind": "chain", "lengths": [6]}}
    settings = parse_settings(sections | {"model": {"kind": "heisenberg"}, "ground_state": {"momentum": "none"}})
    ansatz = build_spin_ansatz(settings, *build(settings), 1)
    params = ansatz.wavefunction.params
    ansatz.wavefunction.params = params + 0.1 * np.random.default_rng(5).standard_normal(len(params))
    amplitude = ansatz.wavefunction.amplitude(ansatz.system.moves)
    if is_exact:
        sampler = Enumeration(team, ansatz.system, ansatz.invariance())
    else:
        sampler = Chains(team, n_chains, 7, ansatz.system.random_configuration)
    batches = []
    for _ in range(1 if is_exact else 3):
        samples = sampler.sample(amplitude, ansatz.system, 20, 1, 1.0)
        batches.append((samples, evaluate(samples, ansatz.wavefunction, ansatz.system, team, amplitude)))
    stops = team.any  # a collective look, as in a run
    return LanczosStep(build_meter(settings, ansatz, sampler, team)).row(batches, 90, lambda: stops(False))


@pytest.mark.parametrize(("is_exact", "n_chains"), [(True, 0), (False, 5), (False, 1)])
def test_the_results_are_those_of_one_rank(team, is_exact, n_chains):
    together, alone = (row_of(each, is_exact, n_chains) for each in (team, Team.serial()))
    assert together.keys() == alone.keys() and "variance_lanczos" in alone
    for name, value in alone.items():
        assert together[name] == pytest.approx(value, rel=1e-10, abs=1e-12), name
