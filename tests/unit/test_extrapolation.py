"""Fits in dtau^2, numbers of slices, and the temperatures in between."""

import numpy as np
import pytest

from hpc_nqs.ground_state.zero_variance import variance_limits
from hpc_nqs.hamiltonians import build_model
from hpc_nqs.lattices.lattice import build
from hpc_nqs.path_integral.ladder import ladder, slice_numbers
from hpc_nqs.path_integral.table import path_rows
from hpc_nqs.statistics.fits import extrapolate, fit_line


def test_a_line_and_a_parabola_are_found_exactly():
    dtaus = np.array([0.2, 0.14, 0.1, 0.05])
    line = extrapolate(dtaus[:3], -0.4 + 0.7 * dtaus[:3] ** 2, np.full(3, 1e-3))
    assert line.value == pytest.approx(-0.4, abs=1e-14)
    assert line.chi_squared == pytest.approx(0.0, abs=1e-20)
    assert line.n_free == 1
    parabola = extrapolate(dtaus, -0.4 + 0.7 * dtaus**2 - 3.0 * dtaus**4, np.full(4, 1e-3))
    assert parabola.value == pytest.approx(-0.4, abs=1e-13)
    assert parabola.n_free == 1


def test_one_value_stands_as_it_is():
    fit = extrapolate([0.1], [-0.4], [0.01])
    assert (fit.value, fit.n_free) == (-0.4, 0)
    assert fit.error == pytest.approx(0.01)


def test_the_error_is_that_of_many_repetitions():
    # 4000 repetitions: the spread is known to 1.1 percent, the bound is five times that
    rng = np.random.default_rng(1)
    dtaus, errors = np.array([0.2, 0.13, 0.1]), np.array([1.0, 2.0, 1.5])
    fits = [extrapolate(dtaus, 3.0 + 40.0 * dtaus**2 + errors * rng.normal(size=3), errors) for _ in range(4000)]
    assert np.std([fit.value for fit in fits]) == pytest.approx(fits[0].error, rel=0.056)
    assert np.mean([fit.chi_squared for fit in fits]) == pytest.approx(1.0, abs=0.12)
    slopes = np.array([(fit.value, fit.covariance[0, 1]) for fit in fits])
    assert (slopes[:, 1] < 0.0).all()  # intercept and slope are anticorrelated


def test_errors_weigh():
    trusted = extrapolate([0.2, 0.1, 0.05], [1.0, 1.0, 2.0], [1e-3, 1e-3, 1e3])
    assert trusted.value == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("bad", [([], [], []), ([0.1], [1.0, 2.0], [1.0, 1.0]), ([0.1, 0.1], [1.0, 2.0], [1.0, 1.0])])
def test_wrong_input_is_refused(bad):
    with pytest.raises(ValueError, match="dtau"):
        extrapolate(*bad)


def test_slice_numbers():
    assert slice_numbers(4.0, [0.1, 0.2]) == [10, 20]
    assert slice_numbers(4.0, [0.2, 0.14, 0.1]) == [10, 15, 20]
    assert slice_numbers(0.1, [0.2, 0.14, 0.1]) == [1, 2, 3]  # all different
    for beta in (0.37, 1.9, 5.0):
        for dtau, n_slices in zip((0.2, 0.1), slice_numbers(beta, [0.2, 0.1]), strict=True):
            assert beta / (2 * n_slices) <= dtau + 1e-12


def test_the_ladder_reaches_down_and_keeps_clear_of_reported_temperatures():
    betas = [0.41, 2.0, 4.0]
    points = ladder(True, 1.0, betas)
    assert min(points) == pytest.approx(0.2)
    assert max(points) < 4.0
    whole = np.array(sorted([0.0, *points, *betas]))
    assert np.diff(whole).max() < 1.5
    assert not any(abs(point - 0.41) < 0.05 for point in points)
    assert ladder(True, 2.0, [0.15])[0] == pytest.approx(0.1)


def exact_results(betas, n_slices=(1, 2, 3)):
    """Return made-up results of ensembles: exact energies of a free spin in a field f, with a Trotter error."""
    results = []
    for beta in betas:
        for m in n_slices:
            dtau = beta / (2 * m)
            energy = -np.tanh(beta) + 0.3 * dtau**2
            found = {"energy": [energy, 1e-6], "specific_heat": [(beta / np.cosh(beta)) ** 2, 1e-6]}
            found |= {"structure_factor 0,0": [1.0, 0.1], "autocorrelation": 1.0 + m}
            results.append({"beta": beta, "n_slices": m, "dtau": dtau, "found": found})
    return results


def test_rows_of_free_spins():
    # f = -ln(2 cosh beta) / beta for one spin in a unit field: integral, entropy and extrapolation at once
    model = build_model(build("chain", [4]), "tfim", coupling=0.0, field=1.0)
    betas = [1.0, 2.0]
    between = ladder(False, 1.0, betas)
    rows = path_rows(exact_results(betas + between), betas, [1.0, 0.5], between, model)
    for row in rows:
        beta = row["beta"]
        assert row["energy"] == pytest.approx(-np.tanh(beta), abs=1e-12)
        assert row["free_energy"] == pytest.approx(-np.log(2 * np.cosh(beta)) / beta, abs=2e-5)
        assert row["entropy"] == pytest.approx(np.log(2 * np.cosh(beta)) - beta * np.tanh(beta), abs=2e-5)
        assert row["autocorrelation"] == 4.0
        assert len(row["energy_raw"]) == 3
        assert row["structure_factor"]["0,0"][0] == pytest.approx(1.0)
    without = path_rows(exact_results(betas), betas, [1.0, 0.5], [], model)
    assert "entropy" not in without[0]
    gap = path_rows(exact_results(betas + between[3:]), betas, [1.0, 0.5], between, model)
    assert "entropy" not in gap[0]  # absent, never zero


# ---- the limit of zero variance ------------------------------------------------------------------------------------


def run_table(energy, variance, momentum=(0, 0), error=1e-4, lengths=(4, 4), task="ground_state"):
    row = {"energy": energy, "energy_error": error, "variance": variance, "momentum": list(momentum), "spin_parity": 1}
    settings = {"lattice": {"kind": "square", "lengths": list(lengths)}, "model": {"kind": "heisenberg"}}
    return {"task": task, "settings": settings, "rows": [row]}


def test_runs_on_a_line_end_at_its_intercept():
    tables = [run_table(-0.5 + 0.3 * variance, variance) for variance in (0.01, 0.02, 0.04)]
    tables += [run_table(-0.4 + 0.2 * variance, variance, (1, 0)) for variance in (0.03, 0.05)]
    tables += [run_table(-1.0, 0.1, (2, 2))]
    first, second = variance_limits(tables)
    assert first["energy"] == pytest.approx(-0.5, abs=1e-12) and first["slope"] == pytest.approx(0.3)
    assert (first["n_points"], first["momentum"]) == (3, [0, 0])
    assert second["energy"] == pytest.approx(-0.4, abs=1e-12) and second["momentum"] == [1, 0]


def test_lanczos_steps_are_points_too():
    tables = [run_table(-0.5 + 0.3 * variance, variance) for variance in (0.02, 0.04)]
    for table, variance in zip(tables, (0.005, 0.01), strict=True):
        step = {"energy_lanczos": -0.5 + 0.3 * variance, "energy_lanczos_error": 2e-4, "variance_lanczos": variance}
        table["rows"][0] |= step
    for chosen in (tables, tables[:1]):
        (limit,) = variance_limits(chosen)
        assert limit["energy"] == pytest.approx(-0.5, abs=1e-12) and limit["slope"] == pytest.approx(0.3)
        assert limit["n_points"] == 2 * len(chosen)


def test_the_error_of_the_limit_is_that_of_many_repetitions():
    # 4000 repetitions: the spread is known to 1.1 percent, the bound is five times that
    stream, variances, errors = np.random.default_rng(5), np.array([0.01, 0.02, 0.05]), np.array([1e-4, 2e-4, 2e-4])
    fits = [
        fit_line(variances, -0.5 + 0.3 * variances + errors * stream.standard_normal(3), errors) for _ in range(4000)
    ]
    design = np.stack([np.ones(3), variances], axis=1) / errors[:, None]
    expected = np.sqrt(np.linalg.inv(design.T @ design)[0, 0])
    assert np.std([fit.value for fit in fits]) == pytest.approx(expected, rel=0.056)
    assert min(fit.error for fit in fits) == pytest.approx(expected)  # never less; more where the points scatter


def test_without_errors_the_scatter_tells():
    exact = fit_line(np.array([0.1, 0.2, 0.4]), np.array([1.0, 2.0, 4.0]), np.zeros(3))
    assert (exact.value, exact.error) == (pytest.approx(0.0, abs=1e-14), pytest.approx(0.0, abs=1e-14))
    assert fit_line(np.array([0.1, 0.2, 0.4]), np.array([1.0, 2.1, 4.0]), np.zeros(3)).error > 0.01


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ([run_table(-0.5, 0.1), run_table(-0.5, 0.2, task="thermal")], "ground-state"),
        ([run_table(-0.5, 0.1), run_table(-0.5, 0.2, lengths=(6, 6))], "different systems"),
        ([run_table(-0.5, 0.1), run_table(-0.5, 0.2, momentum=(1, 1))], "same quantum numbers"),
        ([run_table(-0.5, 0.1)], "different variances"),
    ],
)
def test_runs_without_a_common_limit_are_refused(tables, words):
    with pytest.raises(ValueError, match=words):
        variance_limits(tables)
