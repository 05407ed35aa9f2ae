"""What the cost model promises: limits that can be counted by hand, and the choices that follow from them."""

from dataclasses import replace

import pytest

from hpc_nqs.ground_state import plan as level_plan
from hpc_nqs.ground_state.ansatz import build_spin_ansatz, sectors_of
from hpc_nqs.reconfiguration import cost_model
from hpc_nqs.reconfiguration import distributed_cholesky as row_blocks
from hpc_nqs.reconfiguration.cost_model import Machine, StepSizes
from hpc_nqs.reconfiguration.velocity import MAX_DENSE
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.tasks import plan
from hpc_nqs.thermal import plan as thermal_plan
from hpc_nqs.thermal.ansatz import build_state

SIZES = StepSizes(
    n_samples=1024, n_chains=64, n_proposals=72, n_terms=144, n_entries=612, n_hidden=144, n_inputs=72, n_params=10584,
    width=2, is_factored=True, same_shift=True,
)
MACHINES = [Machine(), Machine(rate=1e11, latency=1e-5), Machine(network=1e8)]


def test_arithmetic_of_the_solvers_by_hand():
    stored = replace(SIZES, is_factored=False, same_shift=False, width=1, n_params=100, n_samples=10)
    assert cost_model.solver_cost(stored, "dense")[0] == 10 * 144 * 72 + 10 * 100**2 / 2 + 100**3 / 6
    between = 10 * 144 * 72 + 10 * 10 * 100 + 10**3 / 6 + 10**3 / 4 + 10**3 / 6
    assert cost_model.solver_cost(stored, "sample_space")[0] == pytest.approx(between)
    factored = cost_model.solver_cost(SIZES, "cg", iterations=30)[0]
    assert factored == (2 * 30 + cost_model.SET_UP) * 1024 * 144 * 72 * 2


def test_an_iteration_passes_over_samples_and_vectors_by_hand():
    """Of two ranks each has half of the samples, and half of what is done on its part of the vectors."""
    _, moved, messages, received = cost_model.solver_cost(SIZES, "cg", 2, iterations=30)
    assert moved == 30 * (512 * (4 * 16 * 144 + 16 * 72) + 16 * 10584 * (8 + 14 / 2))
    assert (messages, received) == (30 * 4, 30 * 2 * 16 * 10584)
    _, alone, *nothing = cost_model.solver_cost(SIZES, "cg", 1, iterations=30)
    assert alone > 1.7 * moved and nothing == [0, 0]


def test_two_ranks_receive_half_of_the_lower_triangle():
    _, _, _, received = cost_model.solver_cost(SIZES, "sample_space", 2)
    assert received == (16 * 1024 * (512 + 128) + 8 * 1024 * (72 + 2 * 144 + 6)) / 2
    assert (cost_model.PANEL, cost_model.CHUNK) == (row_blocks.PANEL * row_blocks.CHUNK, row_blocks.CHUNK)


def test_one_rank_sends_nothing():
    for solver in cost_model.SOLVERS:
        assert cost_model.solver_cost(SIZES, solver)[2:] == (0, 0)
        assert all(number > 0 for number in cost_model.solver_cost(SIZES, solver, 2)[2:])


def test_the_choice_follows_the_shift_and_the_sizes():
    assert cost_model.cheapest_solver(SIZES) == "sample_space"
    assert cost_model.cheapest_solver(replace(SIZES, same_shift=False)) == "cg"
    assert cost_model.cheapest_solver(replace(SIZES, n_samples=10**5)) == "cg"
    stored = replace(SIZES, is_factored=False, n_samples=100, same_shift=False)
    assert cost_model.cheapest_solver(stored) == "sample_space"


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("solver", cost_model.SOLVERS)
def test_prediction_over_ranks(solver, machine):
    """Sampling scales perfectly up to the number of chains; the network gets its due; more ranks are not advised."""
    alone = cost_model.step_seconds(SIZES, solver, 1, machine)
    spread = cost_model.step_seconds(SIZES, solver, 64, machine)
    for part in ("sampling", "energies"):
        assert spread[part] == pytest.approx(alone[part] / 64)
        assert cost_model.step_seconds(SIZES, solver, 128, machine)[part] == spread[part]
    assert spread["tables"] == alone["tables"]
    counts = [1, 2, 4, 64, 1000, 10000]
    slow = cost_model.predicted(SIZES, solver, counts, replace(machine, latency=100 * machine.latency))
    for n, seconds in cost_model.predicted(SIZES, solver, counts, machine).items():
        assert seconds <= slow[n] and (n == 1 or seconds < slow[n])
    n_ranks, efficiency = cost_model.recommended_ranks(SIZES, solver, machine)
    assert 1 <= n_ranks <= 64 and cost_model.EFFICIENT <= efficiency <= 1.0


def test_uneven_chains_cost_the_longest_share():
    three = cost_model.step_seconds(SIZES, "cg", 3)["sampling"]
    assert three == pytest.approx(cost_model.step_seconds(SIZES, "cg", 1)["sampling"] * 22 / 64)


def test_plan():
    plan = cost_model.plan_of_costs(SIZES, "cg", 1e6)
    assert plan["solver"].startswith("cg (") and "sample_space" in plan["solver"]
    assert plan["ranks"].startswith("up to ")
    more = cost_model.memory(replace(SIZES, is_factored=False), "cg", 0) - cost_model.memory(SIZES, "cg", 0)
    assert more > 0.9 * 1024 * 10584 * 16


@pytest.mark.parametrize(
    ("task", "choice", "n_samples", "solver"),
    [
        ("thermal", {}, 4096, "cg"),
        ("thermal", {"diag_scale": 0.0, "diag_shift": 1e-3}, 512, "sample_space"),
        ("thermal", {"diag_scale": 0.0, "diag_shift": 1e-3, "solver": "cg"}, 512, "cg"),
        ("ground_state", {}, 1024, "sample_space"),
        ("ground_state", {}, 5000, "cg"),
        ("ground_state", {"diag_scale": 0.0, "diag_shift": 1e-3}, 512, "sample_space"),
    ],
)
def test_the_automatic_solver_of_a_run(task, choice, n_samples, solver):
    """Above 2000 parameters, without sharing; the plan names it and the shift arrives."""
    alpha = 24.0 if task == "ground_state" else 4.0
    network = {"kind": "rbm", "symmetries": [], "alpha": alpha, "parameters": "complex"}
    settings = parse_settings(
        {
            "run": {"task": task, "seed": 1},
            "lattice": {"kind": "chain", "lengths": [14]},
            "model": {"kind": "heisenberg"},
            "wavefunction": network,
            "sampling": {"method": "metropolis", "n_samples": n_samples, "n_chains": 16},
            "reconfiguration": choice,
            "ground_state": {"start_scale": 0.0} if choice else {},
            "thermal": {"temperatures": [1.0]} if task == "thermal" else {},
        }
    )
    lattice, model = build(settings)
    if task == "thermal":
        ansatz = build_state(settings, lattice, model, seed=1)
        found = thermal_plan.regularization_of(settings, ansatz)
    else:
        ansatz = build_spin_ansatz(settings, lattice, model, 1, sectors_of(settings, lattice, model)[0])
        found = level_plan.regularization_of(settings, ansatz, settings.reconfiguration.diag_scale, n_samples)
    assert ansatz.wavefunction.n_params > MAX_DENSE
    assert (found.solver, found.soft_cut, found.diag_shift) == (solver, None, choice.get("diag_shift", 0.0))
    assert plan(settings)["solver"].startswith(f"{solver} (")


@pytest.mark.parametrize(
    ("method", "n_samples", "scale"), [("exact_sum", 100, 1e-6), ("metropolis", 800, 1e-4), ("metropolis", 799, 3e-3)]
)
def test_the_last_shift_of_ground_states(method, n_samples, scale):
    sections = {
        "run": {"task": "ground_state"},
        "lattice": {"kind": "chain", "lengths": [4]},
        "model": {"kind": "heisenberg"},
    }
    settings = parse_settings(sections | {"sampling": {"n_samples": n_samples}})
    assert level_plan.last_scale(settings, method == "exact_sum", n_params=200) == scale
    chosen = parse_settings(sections | {"reconfiguration": {"diag_scale": 0.01}})
    assert level_plan.last_scale(chosen, method == "exact_sum", n_params=200) == 0.01
