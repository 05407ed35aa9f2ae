"""World lines in continuous time against dense matrices: rates, every estimate, distribution of the paths, errors."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
from numpy.random import Philox

from hpc_nqs.hamiltonians import build_model
from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.hamiltonians.matrices import spins_of, to_sparse
from hpc_nqs.lattices import lattice
from hpc_nqs.parallel.team import Team
from hpc_nqs.path_integral import continuous
from hpc_nqs.path_integral.continuous import ContinuousWorldLines, alias_table, break_up_rates
from hpc_nqs.path_integral.ensemble import Ensemble
from hpc_nqs.path_integral.gates import exchange_weights
from hpc_nqs.path_integral.world_lines import FIRST, MAGNETIZATION, SECOND, SIGN, Measurement, break_ups
from hpc_nqs.statistics.markov_chains import mean_and_error

RING, SQUARE = lattice.build("chain", [4]), lattice.build("square", [3, 2])
FRUSTRATED = lattice.build("custom", bonds=[(0, 1, 1.0), (1, 2, 0.7), (0, 2, 0.5), (2, 3, 0.9)])
MODELS = {
    "heisenberg": (build_model(RING), 1.7),
    "six_sites": (build_model(lattice.build("chain", [6])), 0.6),
    "easy_axis": (build_model(RING, anisotropy=3.0), 0.9),
    "easy_plane": (build_model(RING, anisotropy=-0.4), 1.1),
    "ferromagnet": (build_model(RING, couplings=[-1.0], anisotropy=2.0), 0.8),
    "in_field": (build_model(RING, anisotropy=2.0, field_z=0.7), 1.3),
    "in_staggered_field": (build_model(RING, anisotropy=0.7, field_staggered=0.9, field_z=0.2), 1.3),
    "frustrated": (build_model(FRUSTRATED), 1.3),
    "frustrated_easy_plane": (build_model(FRUSTRATED, anisotropy=0.3), 1.3),
    "tfim": (build_model(RING, "tfim", coupling=0.8, field=1.1), 1.2),
    "tfim_antiferromagnet": (build_model(SQUARE, "tfim", coupling=-0.6, field=-0.9), 1.0),
    "tfim_in_field": (build_model(RING, "tfim", coupling=0.5, field=0.9, field_z=0.4), 1.5),
    "ising": (build_model(RING, "tfim", coupling=0.5, field=0.0, field_z=0.3), 1.5),
}
N_CHAINS = 16


def measurement_of(model):
    """Return the `Measurement` of three wave vectors, three pairs and the diagonal energy."""
    n = model.n_sites
    phases = np.exp(1j * np.outer([0.0, np.pi, 0.5 * np.pi], np.arange(n)))
    pairs = np.array([[i, j] for i in range(n) for j in range(i + 1, n)], dtype=np.int32)
    weights = np.zeros((4, len(pairs)))
    weights[[0, 1, 2], [0, 1, n]] = 1.0
    place = {tuple(pair): k for k, pair in enumerate(pairs.tolist())}
    for sites, coupling in zip(np.sort(model.pair_sites, axis=1).tolist(), model.pair_coupling, strict=True):
        weights[3, place[tuple(sites)]] += coupling
    return Measurement(np.stack([phases.real, phases.imag], axis=2), pairs, weights)


def dense_averages(model, beta, measurement):
    """Return <E>, <H^2>, M, squares and lists of pairs of the thermal state."""
    hamiltonian = to_sparse(model).toarray()
    density = scipy.linalg.expm(-beta * hamiltonian)
    density /= np.trace(density)
    spins = spins_of(np.arange(2**model.n_sites), model.n_sites).astype(float)
    waves = measurement.phases[:, :, 0] + 1j * measurement.phases[:, :, 1]
    products = spins[:, measurement.pairs[:, 0]] * spins[:, measurement.pairs[:, 1]] @ measurement.pair_weights.T
    diagonal = np.diag(density)
    energies = np.trace(density @ hamiltonian), np.trace(density @ hamiltonian @ hamiltonian)
    squares = np.abs(spins @ waves.T) ** 2
    return np.array([*energies, diagonal @ spins.sum(1), *diagonal @ squares, *diagonal @ products])


def sampled(model, beta, n_samples, seed=3):
    """Return (world lines, values (n_chains, n_samples, n_columns)) after a warm-up."""
    lines, measurement = ContinuousWorldLines(model, beta), measurement_of(model)
    streams = [Philox(key=np.array([seed, c], dtype=np.uint64)) for c in range(N_CHAINS)]
    paths = lines.paths(measurement, streams, "cluster")
    paths.sample(50, np.zeros((N_CHAINS, 1, measurement.n_columns + 2)))
    values = np.zeros((N_CHAINS, n_samples, measurement.n_columns + 2))
    paths.sample(1, values)
    return lines, values


def deviations(lines, values, dense):
    """Return z of all estimates of E, of <H^2> and Var(H), of M, squares and pairs; ratios <sign O> / <sign>."""
    energy, second = dense[:2]
    estimates = lines.estimates(values)
    assert len(estimates) == lines.n_estimates
    square = values[:, :, FIRST] ** 2 + values[:, :, SECOND]
    # <X Y> - <X><Y> to first order around the exact means, -E
    variances = [
        column + energy * (estimates[k] + estimates[m]) + energy**2
        for (k, m), column in zip(lines.square_factors, lines.squares(values, estimates), strict=True)
    ]
    columns = np.stack([*estimates, values[:, :, FIRST], *variances, square], axis=2)
    columns = np.concatenate([columns, values[:, :, MAGNETIZATION:-2]], axis=2)
    wanted = np.repeat([-energy, second - energy**2], [len(estimates) + 1, len(variances)])
    found = mean_and_error(values[:, :, SIGN, None] * (columns - np.concatenate([wanted, dense[1:]])))
    return found.mean / np.where(found.error > 1e-12, found.error, 1.0)


@pytest.mark.parametrize("name", MODELS)
def test_samples_give_the_thermal_state(name):
    # 13 models of up to 21 columns against 5 standard errors: false alarm below 2e-4 in all
    model, beta = MODELS[name]
    rotated = marshall(model)
    lines, values = sampled(rotated, beta, 6000)
    z = deviations(lines, values, dense_averages(model, beta, measurement_of(model)))
    assert np.abs(z).max() < 5.0, z
    wanted = {"heisenberg": 5, "six_sites": 5, "tfim": 5, "tfim_antiferromagnet": 5, "easy_axis": 4, "easy_plane": 4}
    n_estimates = 4 if name == "ferromagnet" else wanted.get(name, 1)
    assert lines.n_estimates == n_estimates
    assert len(lines.square_factors) == (0 if n_estimates == 1 else 4 + lines.is_isotropic)
    assert lines.has_sign == name.startswith("frustrated")
    if lines.has_sign:
        assert 0.3 < values[:, :, SIGN].mean() < 0.999


@pytest.mark.parametrize("name", ["heisenberg", "tfim"])
def test_the_comparison_sees_one_percent_of_beta(name):
    # control: false alarm of the first assertion below 1e-5
    model, beta = MODELS[name]
    lines, values = sampled(marshall(model), beta, 40000)
    assert np.abs(deviations(lines, values, dense_averages(model, beta, measurement_of(model)))).max() < 5.0
    assert np.abs(deviations(lines, values, dense_averages(model, 1.01 * beta, measurement_of(model)))).max() > 5.0


@pytest.mark.parametrize("mixing", [0.0, 0.1])
@pytest.mark.parametrize("anisotropy", [-2.0, -1.0, -0.5, 0.0, 0.7, 1.0, 3.0])
def test_rates_are_break_ups_of_short_gates(anisotropy, mixing):
    coupling, element, tau = 0.25 * anisotropy, -0.5, 1e-6
    horizontal, crossed, unequal, equal = break_up_rates(coupling, element, mixing)
    _, level, across, frozen = break_ups(*exchange_weights(coupling, element, tau), mixing)
    found = horizontal, crossed, unequal, equal, 0.5 - horizontal - crossed
    np.testing.assert_allclose(found, np.array([level, across, frozen[1], frozen[0], frozen[2]]) / tau, atol=1e-5)
    # the difference of the rates where spins are unequal and equal is that of the diagonal energies
    assert horizontal + unequal - crossed - equal == pytest.approx(2.0 * coupling, abs=1e-12)
    assert min(found) >= -1e-15


def test_bonds_without_exchange_only_freeze():
    assert break_up_rates(0.7, 0.0) == (0.0, 0.0, pytest.approx(1.4), 0.0)
    assert break_up_rates(-0.7, 0.0, 0.1) == (0.0, 0.0, 0.0, pytest.approx(1.4))


def test_the_table_of_channels_holds_their_rates():
    rates = np.array([0.5, 0.0, 2.0, 1.0, 1.0, 0.3])
    keep, alias = alias_table(rates)
    found = keep.copy()
    np.add.at(found, alias, 1.0 - keep)
    np.testing.assert_allclose(found / len(rates), rates / rates.sum(), atol=1e-12)
    assert alias_table(np.zeros(1))[0][0] == 1.0


def kink_distribution(model, beta, n_samples):
    """Return numbers of kinks (n_samples,), times of all kinks, of one chain; every third sweep counts."""
    lines = ContinuousWorldLines(model, beta)
    columns = Measurement(np.zeros((1, model.n_sites, 2)), np.zeros((0, 2), np.int32), np.zeros((1, 0)))
    paths = lines.paths(columns, [Philox(key=np.array([9, 1], dtype=np.uint64))], "cluster")
    values, counts, times = np.zeros((1, 1, columns.n_columns + 2)), [], []
    for _ in range(n_samples):
        paths.sample(3, values)
        counts.append(int(paths.n_kinks[0]))
        times.append(paths.kink_times[0, : counts[-1]].copy())
    return np.array(counts), np.concatenate(times)


def test_kinks_of_one_spin_are_a_poisson_process_of_even_number():
    # weight (beta Gamma)^n / n! for even n, times uniform: chi-square and Kolmogorov-Smirnov, false alarm 2e-6
    model = build_model(lattice.build("chain", [2]), "tfim", coupling=0.0, field=1.0)
    counts, times = kink_distribution(model, 1.3, 20000)
    one = {n: 1.3**n / math.factorial(n) for n in range(0, 30, 2)}
    both = np.zeros(60)
    for n, a in one.items():
        for m, b in one.items():
            both[n + m] += a * b
    both /= both.sum()
    common = [n for n in range(0, 60, 2) if both[n] * len(counts) > 10]
    observed = np.array([(counts == n).sum() for n in common])
    observed = np.append(observed, len(counts) - observed.sum())

    def surprise(probabilities):
        wanted = np.append(probabilities[common], 1.0 - probabilities[common].sum()) * len(counts)
        return scipy.stats.chi2.sf(((observed - wanted) ** 2 / wanted).sum(), len(common))

    assert surprise(both) > 1e-6
    assert surprise(both**1.15 / (both**1.15).sum()) < 1e-6  # control
    assert scipy.stats.kstest(times, "uniform").pvalue > 1e-6


# ---- ensembles -----------------------------------------------------------------------------------------------------


def ensemble_of(model, beta, seed, n_wanted=8192, n_chains=32):
    """Return a finished `Ensemble`."""
    lines = ContinuousWorldLines(model, beta)
    found = Ensemble(
        Team.serial(), lines, measurement_of(model), beta, beta, 0, n_chains, seed, "cluster", 1, n_wanted
    )
    found.warm_up(30)
    while found.n_samples * n_chains < n_wanted:
        found.advance()
    return found


@pytest.mark.parametrize("name", ["heisenberg", "easy_axis", "tfim"])
def test_combinations_of_estimates_have_honest_and_smaller_errors(name):
    # 60 runs: sum of z^2 within the central 1 - 2e-6 of chi-square, which an error half as large leaves
    model, beta = marshall(MODELS[name][0]), MODELS[name][1]
    energy, second = dense_averages(MODELS[name][0], beta, measurement_of(model))[:2]
    exact = {"energy": energy / model.n_sites, "specific_heat": beta**2 * (second - energy**2) / model.n_sites}
    found, single = [], []
    for seed in range(60):
        ensemble = ensemble_of(model, beta, seed)
        found.append(ensemble.results(Team.serial(), 0.5, [], []))
        ensemble.estimates, ensemble.squares = ensemble.estimates[:1], []  # the first estimate alone
        single.append(ensemble.results(Team.serial(), 0.5, [], []))
    low, high = scipy.stats.chi2.ppf([1e-6, 1.0 - 1e-6], 60)
    gains = {"heisenberg": (1.6, 1.6), "easy_axis": (1.2, 1.3), "tfim": (1.1, 1.3)}[name]
    for quantity, gain in zip(exact, gains, strict=True):
        means = []
        for results in (found, single):
            values, errors = np.array([result[quantity] for result in results]).T
            assert low < (((values - exact[quantity]) / errors) ** 2).sum() < high, quantity
            assert not low < (((values - exact[quantity]) / (0.5 * errors)) ** 2).sum() < high  # control
            means.append(errors.mean())
        assert means[1] > gain * means[0], quantity


def test_the_circle_is_measured_at_more_times_where_there_are_more_events():
    model = marshall(build_model(lattice.build("square", [4, 4])))
    columns = measurement_of(model)
    numbers = [len(ContinuousWorldLines(model, beta).paths(columns, [], "cluster").times) for beta in (0.5, 2.0, 8.0)]
    assert numbers == [2, 2, 8]


def test_a_wrong_rate_is_noticed(monkeypatch):
    # control of the rates: horizontal break-ups three percent too frequent spoil the energy
    model, beta = MODELS["heisenberg"]
    right = break_up_rates
    monkeypatch.setattr(continuous, "break_up_rates", lambda *a: tuple(1.03 * rate for rate in right(*a)))
    lines, values = sampled(marshall(model), beta, 60000)
    assert np.abs(deviations(lines, values, dense_averages(model, beta, measurement_of(model)))).max() > 5.0
