"""The estimated systematic error of exact and of deliberately wrong paths of a small ring."""

import dataclasses

import numpy as np
import pytest

from hpc_nqs.exact import diagonalization as exact
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal import systematic_error as systematic
from hpc_nqs.thermal.table import finished_rows

BETAS = np.geomspace(0.02, 4.0, 160)


@pytest.fixture(scope="module")
def ring():
    """Return (model, beta -> (e, Var(H) / N)) of the 6-site Heisenberg ring."""
    tables = {"lattice": {"kind": "chain", "lengths": [6]}, "model": {"kind": "heisenberg"}}
    lattice, model = build(parse_settings(tables | {"thermal": {"temperatures": [1.0]}}))
    levels = exact.diagonalize(model, lattice, [])

    def curve(betas):
        rows = exact.thermal_rows(levels, list(betas))
        variances = [row["specific_heat"] / row["beta"] ** 2 for row in rows]
        return np.array([row["energy"] for row in rows]), np.array(variances)

    return model, curve


def path_of(betas, energies, variances, residuals=0.0, layer_differences=0.0):
    rest = [
        np.broadcast_to(np.asarray(value, dtype=float), betas.shape) for value in (0.0, residuals, layer_differences)
    ]
    return systematic.Path(betas, energies, rest[0], variances, rest[0], rest[1], rest[2])


@pytest.fixture(scope="module")
def exact_path(ring):
    return path_of(BETAS, *ring[1](BETAS))


def test_an_exact_path_has_the_error_of_its_steps_alone(ring, exact_path):
    errors = systematic.estimate(exact_path, ring[0])
    # e is 0 at infinite temperature
    changes = np.minimum(-exact_path.energies, systematic.HEALED * BETAS * exact_path.variances)
    assert changes[-1] < -0.5 * exact_path.energies[-1]
    steps = systematic.STEPS * changes
    np.testing.assert_allclose(errors.energy, steps, rtol=1e-2)
    assert errors.label.max() < 2e-6
    np.testing.assert_allclose(errors.heat, np.abs(exact_path.energies), rtol=1e-2, atol=1e-5)
    assert not errors.unexplained.any()


def test_the_unexplained_part_of_the_heat_is_an_error_of_e(ring, exact_path):
    # r^2 = x all the way: e(beta) misses x |e| / (1 + x / R), and x |e| of it is unexplained
    x = 0.1
    errors = systematic.estimate(dataclasses.replace(exact_path, residuals=np.full(BETAS.shape, x)), ring[0])
    heat = np.abs(exact_path.energies)
    np.testing.assert_allclose(errors.unexplained, x * heat, rtol=1e-2, atol=1e-5)
    np.testing.assert_allclose(errors.energy, x * heat / (1 + x / systematic.SATURATED), rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize(("residual", "counted"), [(7.0, 1.0), (-0.1, 0.0)])
def test_residuals_count_between_zero_and_one(ring, exact_path, residual, counted):
    errors = systematic.estimate(dataclasses.replace(exact_path, residuals=np.full(BETAS.shape, residual)), ring[0])
    np.testing.assert_array_equal(errors.unexplained, counted * errors.heat)


def test_energies_that_fall_more_slowly_than_their_variance_says_are_seen(ring):
    # the textbook clock: a state of beta (1 - x) with the label beta, its residual unnoticed
    x = 0.02
    path = path_of(BETAS, *ring[1](BETAS * (1 - x)))
    late = path.energies - ring[1](BETAS)[0]
    deficit, noise = systematic.energy_deficit(path, ring[0])
    assert not noise.any()
    assert np.all(deficit > 0)
    # int Var(beta' (1 - x)) dbeta' = -e(beta (1 - x)) / (1 - x)
    np.testing.assert_allclose(deficit, -path.energies * x / (1 - x), rtol=0.02, atol=1e-6)
    assert np.all(systematic.estimate(path, ring[0]).energy > 0.9 * late)


def test_noise_of_energies_and_variances_is_not_taken_for_an_error(ring, exact_path):
    stream = np.random.default_rng(7)
    noise = {"energies": np.full(BETAS.shape, 1e-3), "variances": 0.05 * exact_path.variances}
    errors = {"energy_errors": noise["energies"], "variance_errors": noise["variances"]}
    ratios = []
    for _ in range(200):
        drawn = {
            name: getattr(exact_path, name) + stream.standard_normal(BETAS.shape) * error
            for name, error in noise.items()
        }
        deficit, expected = systematic.energy_deficit(dataclasses.replace(exact_path, **drawn, **errors), ring[0])
        ratios.append(np.mean(deficit**2 / expected**2))
    # neighbouring points share their noise: the mean of one draw scatters by 0.8
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.3)


def test_a_deficit_within_its_noise_is_none(ring, exact_path):
    # one half more than e: far outside of small errors, within large ones
    lower = {"energies": 1.5 * exact_path.energies}
    large = {"energy_errors": np.full(BETAS.shape, 0.3)}
    assert systematic.estimate(dataclasses.replace(exact_path, **lower), ring[0]).label[-1] > 0.15
    assert systematic.estimate(dataclasses.replace(exact_path, **lower, **large), ring[0]).label.max() < 1e-3


def test_a_seed_whose_variance_is_off_is_seen_where_sums_are_exact(ring, exact_path):
    # of the series to k_4 beta^2 / 2; the fraction stays, as if beta were wrong by it
    fraction = 0.01
    off = dataclasses.replace(exact_path, variances=exact_path.variances * np.where(BETAS == BETAS[0], 1 + fraction, 1))
    lag = systematic.seed_lag(off, ring[0])
    np.testing.assert_allclose(lag, fraction * BETAS, rtol=2e-2)
    sampled = dataclasses.replace(off, variance_errors=np.full(BETAS.shape, 1e-5))
    assert systematic.seed_lag(sampled, ring[0]).max() < 1e-5


def test_the_error_of_the_seed_is_carried_along_and_heals(ring):
    shift = 1e-3
    energies, variances = ring[1](BETAS)
    path = path_of(BETAS, energies + shift * variances / variances[0], variances)
    assert systematic.seed_lag(path, ring[0])[0] == pytest.approx(shift / variances[0], rel=0.02)
    errors = systematic.estimate(path, ring[0])
    assert errors.energy[0] >= shift * 0.99
    assert errors.energy[-1] < 1.2 * shift


def test_the_difference_of_the_layers_counts_half(ring, exact_path):
    errors = systematic.estimate(
        dataclasses.replace(exact_path, layer_differences=np.full(BETAS.shape, -2e-3)), ring[0]
    )
    np.testing.assert_allclose(errors.label, 1e-3, rtol=1e-2)
    assert errors.free_energy[-1] == pytest.approx(1e-3, rel=2e-2)  # it grows from zero at infinite temperature


def test_one_point_is_enough(ring):
    betas = np.array([0.5])
    errors = systematic.estimate(path_of(betas, *ring[1](betas)), ring[0])
    assert errors.energy.shape == errors.entropy.shape == (1,)
    assert np.isfinite(errors.energy).all()


def test_a_trotter_network_is_judged_by_the_extrapolated_energy(exact_path, ring):
    """Its error at the first point is carried along as a lag; without that energy only what follows counts."""
    late = dataclasses.replace(exact_path, **{name: values[5:] for name, values in vars(exact_path).items()})
    for offset, noise in ((0.003, 0.001), (-0.003, 0.0)):
        known = {"energy": [late.energies[0] + offset, noise]}
        errors = systematic.estimate(late, ring[0], known)
        assert errors.label[0] == pytest.approx(np.sqrt(offset**2 - noise**2), rel=1e-9)
        np.testing.assert_allclose(errors.label, errors.label[0] * late.variances / late.variances[0], rtol=0.05)
    assert systematic.estimate(late, ring[0], {"energy": [late.energies[0] + 0.003, 0.004]}).label[0] < 1e-12
    assert systematic.estimate(late, ring[0], {}).label[0] < 1e-12
    assert systematic.estimate(late, ring[0]).label[0] > 1e-12


def test_what_happens_where_the_states_are_known_does_not_count(ring, exact_path):
    # noise of the hot part: energies and variances that are off there
    model, known = ring[0], 0.5
    hot = BETAS <= known
    noisy = dataclasses.replace(
        exact_path,
        energies=exact_path.energies + np.where(hot, 0.01, 0.0),
        variances=exact_path.variances * np.where(hot, 1.1, 1.0),
        residuals=np.where(hot, 0.5, 0.0),
        energy_errors=np.where(hot, 0.01, 1e-4),
    )
    last = int(np.flatnonzero(hot)[-1])
    noisy.energies[last], noisy.energy_errors[last] = exact_path.energies[last], 1e-5  # as if reported there
    assert systematic.estimate(noisy, model).energy.max() > 5e-3
    errors = systematic.estimate(noisy, model, exact_until=known)
    assert not errors.energy[hot].any()
    assert errors.energy.max() < 1e-3


def test_what_is_unexplained_after_the_known_part_counts(ring, exact_path):
    model, known, x = ring[0], 0.5, 0.02
    errors = systematic.estimate(dataclasses.replace(exact_path, residuals=np.full(BETAS.shape, x)), model, None, known)
    heat = exact_path.energies[np.flatnonzero(known >= BETAS)[-1]] - exact_path.energies
    later = BETAS > 0.6
    np.testing.assert_allclose(errors.unexplained[later], x * heat[later], rtol=1e-2)
    np.testing.assert_allclose(errors.energy[later], x * heat[later] / (1 + x / systematic.SATURATED), rtol=1e-2)


def test_certain_rows_do_not_make_the_slope_between_them_certain(ring):
    # three rows that are known a thousand times better than the steps around them: the fit bends less than e(beta)
    model, curve = ring
    betas = np.geomspace(0.02, 2.2, 18)
    energies, variances = curve(betas)
    history = {"beta": betas, "energy": energies, "specific_heat": betas**2 * variances, "tdvp_residual": np.zeros(18)}
    history |= {"energy_error": np.full(18, 1e-3), "specific_heat_error": np.full(18, 1e-3)}
    rows = []
    for beta in (0.8, 1.0, 1.2):
        (energy,), (variance,) = curve(np.array([beta]))
        rows.append({"beta": beta, "energy": energy, "energy_error": 1e-6, "tdvp_residual": 0.0})
        rows[-1] |= {"specific_heat": beta**2 * variance, "specific_heat_error": 1e-3}
    row = finished_rows(rows, history, model)[1]
    off = abs(row["specific_heat_slope"] - row["specific_heat"])
    assert off < 0.01 * row["specific_heat"]
    assert off < 2 * row["specific_heat_slope_error"]
