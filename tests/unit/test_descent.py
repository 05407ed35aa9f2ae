"""Schedule, momentum and what happens when the energy rises."""

from types import SimpleNamespace

import numpy as np
import pytest

from hpc_nqs.ground_state.driver import WINDOW, Optimization
from hpc_nqs.ground_state.schedule import (
    EXACT_MOMENTUM,
    LEAST_CAUTION,
    MOMENTUM,
    Descent,
    default_step,
    fraction_of_step,
    width_bound,
)
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.parallel.team import Team
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build

SERIAL = Team.serial()


def descent(n_steps=100, is_exact=False, max_change=10.0, start_scale=1e-2, last_scale=1e-4):
    settings = SimpleNamespace(n_steps=n_steps, max_change=max_change, start_scale=start_scale)
    return Descent(settings, 0.5, last_scale, is_exact)


def velocity(x):
    return SimpleNamespace(x=np.asarray(x, dtype=float), metric=np.linalg.norm)


@pytest.mark.parametrize(("acceptance", "converged"), [(0.3, True), (0.0, False)])
def test_chains_that_stand_still_have_not_converged(acceptance, converged):
    """On a single configuration the variance vanishes, whatever its energy."""
    steps = [{"sector": 0, "v_score": 0.0, "acceptance": 0.3}] * WINDOW
    steps[-1] = steps[-1] | {"acceptance": acceptance}
    run = SimpleNamespace(
        history=steps, sector=0, projects=True, settings=SimpleNamespace(ground_state=SimpleNamespace(v_score=1e-6))
    )
    assert Optimization.converged.fget(run) is converged


def test_the_schedule():
    way = descent()
    assert [fraction_of_step(step, 100) for step in (0, 35, 70, 99)] == pytest.approx([0.25, 0.5, 1.0, 1.0])
    assert [way.diag_scale(step) for step in (0, 35, 70, 99)] == pytest.approx([1e-2, 1e-3, 1e-4, 1e-4])
    assert [way.dtau(step) for step in (0, 70, 85, 100)] == pytest.approx([0.5, 0.5, 0.5 * 0.2**0.5, 0.1])
    assert descent(start_scale=0.0, last_scale=0.0).diag_scale(50) == 0.0


@pytest.mark.parametrize(("is_exact", "momentum"), [(False, MOMENTUM), (True, EXACT_MOMENTUM)])
def test_a_part_of_the_last_change_is_made_again(is_exact, momentum):
    way, params = descent(is_exact=is_exact), np.zeros(2)
    params = way.advance(params, velocity([0.1, 0.0]), 0.5, SERIAL)
    np.testing.assert_allclose(params, [0.05, 0.0])
    params = way.advance(params, velocity([0.0, 0.2]), 0.5, SERIAL)
    np.testing.assert_allclose(params, [0.05 + momentum * 0.05, 0.1])


def test_changes_are_limited():
    changed = descent(max_change=0.2).advance(np.zeros(50), velocity(np.ones(50)), 0.5, SERIAL)
    assert np.linalg.norm(changed) == pytest.approx(0.2)
    assert np.abs(descent().advance(np.zeros(3), velocity([2.0, 1.0, 0.0]), 0.5, SERIAL)).max() == pytest.approx(0.3)
    way = descent()
    assert way.advance(np.zeros(1), velocity([np.nan]), 0.5, SERIAL) is None and way.n_failed == 1
    assert way.advance(np.zeros(1), velocity([0.1]), 0.5, SERIAL) is not None and way.n_failed == 0


def test_a_step_after_which_the_error_blows_up_is_taken_back():
    """Such a state has lost its weight, whether its energy seems to rise or to fall."""
    way, start = descent(), np.zeros(1)
    way.advance(start, velocity([0.1]), 0.5, SERIAL)
    assert not way.watch(-0.50, 0.009, -0.51, 0.003)
    assert not way.watch(-0.51, 4e-3, -0.51, 1e-4)  # large beside the last one, and small beside the energy
    assert way.watch(-3.4, 7.4, -0.51, 0.003) and way.caution == 0.5 and way.change is None
    assert way.back() is start


def test_a_rise_forgets_the_momentum_and_raises_the_shift():
    way = descent()
    params = way.advance(np.zeros(1), velocity([0.1]), 0.5, SERIAL)
    assert not way.watch(-1.0, 1e-3, -1.0 - 5.6e-3, 1e-3)  # 4 errors of the difference are 5.66e-3
    assert way.change is not None and way.diag_scale(0) == pytest.approx(1e-2)
    assert not way.watch(-1.0, 1e-3, -1.0 - 5.8e-3, 1e-3)
    assert way.change is None and way.diag_scale(0) == pytest.approx(2e-2)
    for _ in range(5):
        assert not way.watch(-1.0, 1e-3, -1.0, 1e-3)
    assert way.diag_scale(0) == pytest.approx(1e-2)
    whole = way.dtau(0)
    for _ in range(3):
        way.watch(0.0, 1e-3, -0.5, 1e-3)
    assert way.diag_scale(0) == pytest.approx(8e-2) and way.dtau(0) == whole
    for _ in range(50):
        way.watch(0.0, 1e-3, -0.5, 1e-3)
    assert way.caution == LEAST_CAUTION and way.diag_scale(0) == pytest.approx(0.1)
    # The shift grows tenfold, the rest of the caution shortens the step.
    assert way.dtau(0) == pytest.approx(whole / 100)
    assert params == pytest.approx([0.05])


def test_a_collapse_is_taken_back_once():
    way = descent()
    start = np.array([1.0])
    way.advance(start, velocity([0.1]), 0.5, SERIAL)
    assert way.watch(-0.9, 1e-4, -1.0, 1e-4)
    np.testing.assert_array_equal(way.back(), start)
    assert not way.watch(-0.8, 1e-4, -0.9, 1e-4)  # nothing left to go back to


def test_state_and_restore():
    way, other = descent(), descent()
    way.advance(np.zeros(2), velocity([0.1, 0.3]), 0.5, SERIAL)
    way.watch(-1.0, 0.0, -1.1, 0.0)
    other.restore(way.state())
    assert other.state().keys() == way.state().keys()
    for name, value in way.state().items():
        np.testing.assert_array_equal(other.state()[name], value)


@pytest.mark.parametrize(
    "model", [{"kind": "heisenberg"}, {"kind": "heisenberg", "couplings": [1.0, 0.5]}, {"kind": "tfim", "field": 2.0}]
)
def test_the_bound_of_the_width(model):
    settings = parse_settings(
        {"run": {"task": "ground_state"}, "lattice": {"kind": "chain", "lengths": [8]}, "model": model}
    )
    model = build(settings)[1]
    levels = np.linalg.eigvalsh(to_sparse(model).toarray())
    assert 1.0 <= width_bound(model) / (levels[-1] - levels[0]) < 3.0
    assert default_step(model) == pytest.approx(4.0 / width_bound(model))


def test_the_mean_of_the_last_parameters_is_the_final_state():
    way = descent(n_steps=20)
    for step in range(20):
        way.average(step, np.array([float(step), 1.0]))
    np.testing.assert_allclose(way.final(np.zeros(2)), [18.5, 1.0])
    np.testing.assert_array_equal(way.final(np.array([3.0, 4.0])), [3.0, 4.0])  # of a run that is extended


def test_a_change_that_is_taken_back_begins_the_mean_anew():
    way = descent(n_steps=10)
    way.average(9, np.array([5.0]))
    way.back()
    np.testing.assert_array_equal(way.final(np.array([1.0])), [1.0])


def test_sums_have_no_mean_of_parameters():
    way = descent(n_steps=10, is_exact=True)
    way.average(9, np.array([5.0]))
    np.testing.assert_array_equal(way.final(np.array([1.0])), [1.0])
