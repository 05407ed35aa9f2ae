"""Steps and seconds of runs before they start and while they go on."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from hpc_nqs.ground_state.forecast import LevelForecast
from hpc_nqs.runs.pace import Cost, fitted
from hpc_nqs.thermal.evolution import EXPANSION_GROWTH, StepControl
from hpc_nqs.thermal.forecast import Forecast, Pace

PACE = Pace(Cost(0.5, 0.001), Cost(0.25, 0.0), Cost(0.0, 0.002))


def state(growth=(0.05, 0.0), until=0.0, scale=1.0, is_exact=False):
    model = SimpleNamespace(energy_scale=scale, has_exchange=True)
    return SimpleNamespace(
        typical_growth=growth, expansion_beta=until, model=model, step_tolerance=1e-3, is_exact=is_exact,
        between_layers=False, scheme=((), (0.5, 0.5)),
    )


def forecast(targets=(0.5, 2.0), max_dtau=0.05, scale=1.0, tolerance=1e-3, **changes):
    control = StepControl(tolerance=tolerance, max_dtau=max_dtau, max_growth=0.2, clock="energy")
    hot, n_batches = 0.5 / scale, 1 if changes.get("is_exact") else 10

    def n_samples(beta):
        return 400 if beta <= hot else 100

    return Forecast(state(scale=scale, **changes), control, n_samples, n_batches, targets)


def test_a_cost_is_found_again():
    amounts = np.array([100, 400, 1600])
    found = fitted(amounts, 0.25 + 0.003 * amounts)
    assert (found.fixed, found.per_unit) == pytest.approx((0.25, 0.003))
    assert fitted([100, 100], [1.0, 3.0]) == Cost(0.0, 0.02)
    assert fitted([100, 400], [1.0, 0.5]) == Cost(0.75, 0.0)  # a slope below zero
    assert fitted([100, 400], [0.01, 4.0]).fixed == 0.0  # a start below zero
    assert (Cost(1.0, 2.0) + Cost(0.5, 0.25)).times(2).of(4) == pytest.approx(2 * (1.5 + 2.25 * 4))


def test_the_steps_follow_their_rule():
    """Growth of 5 % per step from 0.1 to 1: ln 10 / ln 1.05 steps, and steps that a reported temperature cuts."""
    steps = forecast(targets=(1.0,), max_dtau=1.0).steps(0.1, 0.0025)
    assert len(steps) == pytest.approx(math.log(10) / math.log(1.05), abs=1.5)
    assert np.diff(steps)[5:-3] / steps[5:-4] == pytest.approx(0.05)
    assert len(forecast(targets=(1.0,), max_dtau=1.0, tolerance=4e-3).steps(0.1, 0.0025)) == pytest.approx(25, abs=2)
    limited = forecast(targets=(1.0, 3.0), max_dtau=0.01).steps(1.0, 0.01)
    assert np.diff(limited) == pytest.approx(0.02) and len(limited) == 100
    followed = forecast(targets=(0.2,), until=0.15).steps(0.1, 0.0025)
    assert np.diff(followed[:5]) / followed[:4] == pytest.approx(EXPANSION_GROWTH - 1)


def test_the_unit_of_energy_changes_no_number_of_steps():
    one = forecast(targets=(0.5, 2.0), max_dtau=0.05).steps(0.02, 0.001)
    other = forecast(targets=(512.0, 2048.0), max_dtau=51.2, scale=2.0**-10).steps(20.48, 1.024)
    np.testing.assert_array_equal(other, 1024 * one)


def test_the_seconds_add_up():
    run = forecast(targets=(0.5, 2.0), until=0.2)
    steps = run.steps(0.1, 0.005)
    hot, followed = steps <= 0.5, steps < 0.2
    expected = 0.25 * followed.sum() + 0.9 * (hot & ~followed).sum() + 0.6 * (~hot).sum() + 2 * 10 * 0.002 * 100
    assert run.seconds(PACE, 0.1, 0.005, 2) == pytest.approx(expected)
    assert forecast(is_exact=True).report_seconds(PACE) == pytest.approx(0.2)  # one batch


def test_a_run_at_a_steady_pace_knows_what_is_left():
    """Steps as large as the typical ones, then twice as large: the forecast turns to what it sees."""
    for factor in (1.0, 2.0):
        run = forecast(targets=(3.0,), max_dtau=1.0)
        beta, seconds = 0.5, []
        while beta < 1.5:
            run.note_step(beta, beta * (1 + 0.05 * factor), 100, 0.6)
            beta *= 1 + 0.05 * factor
            seconds.append(0.6)
        run.note_report(1000, 2.0)
        left = run.left(beta, 0.5 * 0.05 * factor * beta, 1)
        wanted = 2.0 + 0.6 * math.log(3.0 / beta) / math.log(1 + 0.05 * factor)
        assert left == pytest.approx(wanted, rel=0.12 if factor == 1 else 0.6)
        assert factor == 1 or left < 2.0 + 0.6 * math.log(3.0 / beta) / math.log(1.05)


def level(n_sectors=1, searches=False, is_exact=False, n_steps=100, v_score=1e-6):
    part = SimpleNamespace(n_steps=n_steps, v_score=v_score)
    return LevelForecast(part, is_exact, n_sectors, searches, lambda number: 50 if number < 50 else 100, 1000)


def test_steps_of_ground_states():
    assert level().expected_steps() == 100
    assert level(is_exact=True, n_steps=40).expected_steps() == 40
    assert level(is_exact=True, v_score=1e-12).expected_steps() == 100
    assert level(n_sectors=9, searches=True, is_exact=True).expected_steps() < level(is_exact=True).expected_steps()
    assert level().seconds(Cost(1.0, 0.01), Cost(0.0, 0.002)) == pytest.approx(50 * 1.5 + 50 * 2.0 + 2.0)


def test_a_ground_state_that_converges_knows_when():
    """ln V falls by 0.1 per step from 1e-3: 10 ln(1000) = 69 steps in all, and ten of the window.

    Ten of the 40 steps that are left have 50 samples and take 2 s, the others twice as many.
    """
    run, scores = level(n_steps=500), [1e-3 * math.exp(-0.1 * k) for k in range(40)]
    for _ in scores:
        run.note_step(50, 2.0)
    run.note_final(1000, 7.0)
    assert run.left(scores, []) == pytest.approx(7.0 + 10 * 2.0 + 30 * 4.0, rel=0.05)
    assert run.left(scores, []) < run.left([1e-3] * 40, []) / 5
    assert level(n_sectors=3).left([], []) is None
