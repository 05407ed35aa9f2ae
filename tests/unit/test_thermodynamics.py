"""Integrals of the energy curve, slopes, and moments at infinite temperature, against exact results."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from hpc_nqs.observables import thermodynamics

PAULI = {"x": np.array([[0, 1], [1, 0]]), "y": np.array([[0, -1j], [1j, 0]]), "z": np.array([[1, 0], [0, -1]])}


def two_level(beta, gap=1.3):
    """Return e, de/dbeta, s and f of one spin in a field, levels +gap/2 and -gap/2."""
    half = 0.5 * gap * beta
    energy = -0.5 * gap * np.tanh(half)
    ln_z = np.log(2 * np.cosh(half))
    return energy, -((0.5 * gap) ** 2) / np.cosh(half) ** 2, ln_z + beta * energy, -ln_z / beta


def curve(n, beta_0=0.1, beta_end=4.0):
    """Return unevenly spaced betas with e and its slope for the two-level system."""
    betas = beta_0 * (beta_end / beta_0) ** np.linspace(0.0, 1.0, n)
    energy, slope, _, _ = two_level(betas)
    return betas, energy, slope


START_SLOPE = two_level(1e-300)[1]


def test_entropy_and_free_energy_of_a_two_level_system():
    betas, energy, slope = curve(400)
    _, _, entropy, free_energy = two_level(betas)
    integral, error = thermodynamics.integrate_energy(betas, energy, slope, start_slope=START_SLOPE)
    np.testing.assert_allclose(thermodynamics.entropy(betas, energy, integral), entropy, rtol=0, atol=1e-7)
    np.testing.assert_allclose(thermodynamics.free_energy(betas, integral), free_energy, rtol=0, atol=1e-6)
    assert not error.any()


@pytest.mark.parametrize(("slopes", "order"), [(True, 4), (False, 2)])
def test_order_of_the_quadrature(slopes, order):
    """Halving h divides the error by 2^order."""
    deviations = []
    for n in (21, 41, 81):
        betas, energy, slope = curve(n)
        integral, _ = thermodynamics.integrate_energy(betas, energy, slope if slopes else None)
        _, _, entropy, _ = two_level(betas)
        exact = np.log(2) + betas * energy - entropy
        deviations.append((integral - integral[0])[-1] - (exact - exact[0])[-1])
    ratios = np.array(deviations[:-1]) / deviations[1:]
    np.testing.assert_allclose(ratios, 2.0**order, rtol=0.1)


def test_first_interval_uses_what_is_known_at_infinite_temperature():
    """Orders of the interval [0, beta_0] alone: 3 (trapezoid), 4 (slope at 0), 5 (both slopes)."""
    for known, order in ((0, 3), (1, 4), (2, 5)):
        deviations = []
        for beta_0 in (0.02, 0.01):
            energy, slope, entropy, _ = two_level(np.array([beta_0]))
            exact = np.log(2) - entropy + beta_0 * energy
            # The two-level energy is odd in beta; an even polynomial added to it leaves no order out.
            energy = energy + 0.7 + 0.1 * beta_0**2 + 0.3 * beta_0**4
            slope = slope + 0.2 * beta_0 + 1.2 * beta_0**3
            exact = exact + 0.7 * beta_0 + 0.1 * beta_0**3 / 3 + 0.06 * beta_0**5
            integral, _ = thermodynamics.integrate_energy(
                [beta_0],
                energy,
                slope if known == 2 else None,
                start_energy=0.7,
                start_slope=START_SLOPE if known else None,
            )
            deviations.append(float((integral - exact)[0]))
        assert np.log2(deviations[0] / deviations[1]) == pytest.approx(order, abs=0.15)


def test_a_history_from_zero_needs_no_start():
    betas = np.array([0.0, 0.5, 1.0])
    integral, error = thermodynamics.integrate_energy(betas, 2 - 3 * betas, errors=[0.1, 0.1, 0.1], start_energy=99.0)
    np.testing.assert_allclose(integral, 2 * betas - 1.5 * betas**2, atol=1e-15)
    np.testing.assert_allclose(error, 0.1 * np.array([0, np.hypot(0.25, 0.25), np.sqrt(0.25**2 + 0.5**2 + 0.25**2)]))
    assert thermodynamics.integrate_energy([], [])[0].shape == (0,)


def test_errors_are_those_of_the_linear_map():
    """Against the Jacobian of the integral, found by changing one energy (slope) at a time."""
    betas, energy, slope = curve(9)
    rng = np.random.default_rng(3)
    errors, slope_errors = rng.uniform(0.5, 2, 9), rng.uniform(0.5, 2, 9)
    for slopes, start_slope in ((slope, START_SLOPE), (slope, None), (None, START_SLOPE), (None, None)):

        def integral(change, slope_change=0.0, slopes=slopes, start_slope=start_slope):
            changed = None if slopes is None else slopes + slope_change
            return thermodynamics.integrate_energy(betas, energy + change, changed, start_slope=start_slope)[0]

        units = np.eye(9)
        variance = sum(
            ((integral(unit) - integral(0.0)) * sigma) ** 2 for unit, sigma in zip(units, errors, strict=True)
        )
        if slopes is not None:
            variance += sum(
                ((integral(0.0, unit) - integral(0.0)) * sigma) ** 2
                for unit, sigma in zip(units, slope_errors, strict=True)
            )
        _, error = thermodynamics.integrate_energy(betas, energy, slopes, errors, slope_errors, start_slope=start_slope)
        np.testing.assert_allclose(error, np.sqrt(variance), rtol=1e-12)


def test_entropy_error_is_the_quadrature():
    assert thermodynamics.entropy_error(2.0, 0.15, 0.4) == pytest.approx(0.5)


def test_specific_heat_of_a_quadratic_is_exact():
    betas = np.linspace(0.1, 3.0, 30)
    value, error = thermodynamics.specific_heat_from_slope(
        betas, 1 - 2 * betas + 0.3 * betas**2, np.full(30, 1e-3), 2.0
    )
    assert value == pytest.approx(-4.0 * (-2 + 1.2), abs=1e-10)
    assert 0 < error < 0.1


@pytest.mark.parametrize("known_errors", [True, False])
def test_specific_heat_error_is_calibrated(known_errors):
    """Coverage of one standard error over 2000 histories, known exactly in both cases; false-alarm rate 1e-6."""
    rng = np.random.default_rng(4)
    betas = np.linspace(0.05, 2.0, 40)
    sigma, n_repeats, inside = 1e-3, 2000, 0
    for _ in range(n_repeats):
        energies = 0.2 - betas + 0.1 * betas**2 + sigma * rng.normal(size=betas.size)
        errors = np.full(betas.size, sigma) if known_errors else None
        value, error = thermodynamics.specific_heat_from_slope(betas, energies, errors, 2.0, window=0.26)
        inside += abs(value - 4 * 0.6) < error
    freedom = 11 - 3  # points from 1.5 to 2.0
    if known_errors:  # the error is that of the points, times sqrt(chi^2 / freedom) where this is above one
        scatter = stats.chi2(freedom)
        coverage = scatter.expect(lambda chi2: 2 * stats.norm.cdf(max(1.0, np.sqrt(chi2 / freedom))) - 1)
    else:
        coverage = 2 * stats.t(freedom).cdf(1.0) - 1
    assert stats.binom.cdf(inside, n_repeats, coverage) > 5e-7
    assert stats.binom.sf(inside - 1, n_repeats, coverage) > 5e-7


def test_specific_heat_follows_a_bending_curve():
    betas, energy, _ = curve(200)
    for at in (betas[0], 0.9, 2.3, betas[-1]):
        value, error = thermodynamics.specific_heat_from_slope(betas, energy, np.zeros(200), at, window=0.1)
        exact = -(at**2) * two_level(at)[1]
        assert abs(value - exact) < (0.03 if at in betas[[0, -1]] else 0.01) * exact + 1e-6
        assert 0 < error < 0.05 * exact


def test_three_points_give_a_slope():
    value, error = thermodynamics.specific_heat_from_slope([1.0, 2.0, 3.0], [1.0, 4.0, 9.0], None, 2.0)
    assert value == pytest.approx(-16.0) and np.isnan(error)
    assert thermodynamics.specific_heat_from_slope([1.0, 2.0, 3.0], [1.0, 4.0, 9.0], [1.0, 1.0, 1.0], 2.0)[1] > 0


def random_model(n_sites, seed):
    """Return the flat arrays of a model with every kind of term, some of them given twice or in both orders."""
    rng = np.random.default_rng(seed)

    def bonds(n):
        first = rng.integers(0, n_sites, n)
        return np.stack([first, (first + rng.integers(1, n_sites, n)) % n_sites], axis=1)

    return SimpleNamespace(
        n_sites=n_sites,
        pair_sites=np.concatenate([bonds(9), [[1, 1]]]),
        pair_coupling=rng.normal(size=10),
        site_field=rng.normal(size=n_sites),
        exchange_sites=bonds(9),
        exchange_element=rng.normal(size=9),
        parallel_sites=bonds(8),
        parallel_element=rng.normal(size=8),
        flip_sites=rng.integers(0, n_sites, n_sites + 1),
        flip_element=rng.normal(size=n_sites + 1),
    )


def dense(model):
    """Return the 2^N x 2^N matrix from Kronecker products of Pauli matrices."""

    def string(letters):
        product = np.eye(1)
        for site in range(model.n_sites):
            product = np.kron(product, letters.get(site, np.eye(2)))
        return product

    def bond(i, j, letter):
        return string({i: PAULI[letter]}) @ string({j: PAULI[letter]})

    matrix = np.zeros((2**model.n_sites,) * 2, complex)
    for (i, j), coupling in zip(model.pair_sites, model.pair_coupling, strict=True):
        matrix += coupling * bond(i, j, "z")
    for (i, j), element in zip(model.exchange_sites, model.exchange_element, strict=True):
        matrix += 0.5 * element * (bond(i, j, "x") + bond(i, j, "y"))
    for (i, j), element in zip(model.parallel_sites, model.parallel_element, strict=True):
        matrix += 0.5 * element * (bond(i, j, "x") - bond(i, j, "y"))
    for i, field in enumerate(model.site_field):
        matrix += field * string({i: PAULI["z"]})
    for i, element in zip(model.flip_sites, model.flip_element, strict=True):
        matrix += element * string({i: PAULI["x"]})
    return matrix


@pytest.mark.parametrize("seed", range(4))
def test_cumulants_are_those_of_the_dense_matrix(seed):
    model = random_model(5, seed)
    levels = np.linalg.eigvalsh(dense(model))
    mean = levels.mean()
    exact = mean, ((levels - mean) ** 2).mean(), ((levels - mean) ** 3).mean()
    np.testing.assert_allclose(thermodynamics.infinite_temperature_cumulants(model), exact, rtol=1e-11)
    assert thermodynamics.infinite_temperature_variance(model) == pytest.approx(exact[1], rel=1e-12)
    fourth = ((levels - mean) ** 4).mean() - 3 * exact[1] ** 2
    assert thermodynamics.infinite_temperature_fourth(model) == pytest.approx(fourth, rel=1e-10)
    beta = 1e-3  # the series k_1 - k_2 beta + k_3 beta^2 / 2 misses order beta^3
    weights = np.exp(-beta * levels)
    series = exact[0] - exact[1] * beta + exact[2] * beta**2 / 2
    assert weights @ levels / weights.sum() == pytest.approx(series, abs=1e-4 * exact[1] ** 2 * beta)


def test_a_large_model_has_no_fourth_cumulant(monkeypatch):
    model = random_model(5, 0)
    monkeypatch.setattr(thermodynamics, "MAX_STRINGS", 3)
    assert thermodynamics.infinite_temperature_fourth(model) is None


def test_variance_of_the_heisenberg_chain():
    """Check docs/theory/conventions.md, 'High-temperature series': 3/16 per site."""
    sites = np.stack([np.arange(8), (np.arange(8) + 1) % 8], axis=1)
    nothing = {"site_field": np.zeros(8), "flip_sites": np.zeros(0, int), "flip_element": np.zeros(0)}
    nothing |= {"parallel_sites": np.zeros((0, 2), int), "parallel_element": np.zeros(0)}
    model = SimpleNamespace(
        n_sites=8,
        pair_sites=sites,
        pair_coupling=np.full(8, 0.25),
        exchange_sites=sites,
        exchange_element=np.full(8, -0.5),
        **nothing,
    )
    assert thermodynamics.infinite_temperature_variance(model) / 8 == pytest.approx(3 / 16)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: thermodynamics.integrate_energy([0.1, 0.1], [0.0, 0.0]), "strictly increasing"),
        (lambda: thermodynamics.integrate_energy([-0.1, 0.1], [0.0, 0.0]), "not negative"),
        (lambda: thermodynamics.integrate_energy([[0.1]], [[0.0]]), "betas has shape"),
        (lambda: thermodynamics.integrate_energy([0.1, 0.2], [0.0]), "energies has shape"),
        (lambda: thermodynamics.integrate_energy([0.1, 0.2], [0.0, np.nan]), r"energies\[1\] is not finite"),
        (lambda: thermodynamics.integrate_energy([0.1], [0.0], errors=[np.inf]), r"errors\[0\] is not finite"),
        (lambda: thermodynamics.free_energy(0.0, 0.0), "needs beta > 0"),
        (lambda: thermodynamics.specific_heat_from_slope([0.1, 0.2], [0.0, 0.1], None, 0.1), "at least 3"),
        (lambda: thermodynamics.specific_heat_from_slope([1.0, 2.0, 3.0], [0.0] * 3, None, 5.0), "covers 1.0 to 3.0"),
    ],
)
def test_refuses_unusable_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
