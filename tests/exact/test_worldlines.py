"""Path sums against dense matrices: every configuration of small world lines, expectation values of the estimators."""

import numpy as np
import pytest
import scipy.stats
from numpy.random import Generator, Philox

from hpc_nqs.hamiltonians import build_model
from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.hamiltonians.matrices import spins_of, to_sparse
from hpc_nqs.lattices import lattice
from hpc_nqs.path_integral.gates import exchange_weights
from hpc_nqs.path_integral.trotter import is_isotropic, trotter_product
from hpc_nqs.path_integral.world_lines import (
    ESTIMATE,
    FIRST,
    MAGNETIZATION,
    SECOND,
    SIGN,
    Measurement,
    break_ups,
    world_lines,
)
from hpc_nqs.statistics.markov_chains import mean_and_error

RING4, RING3 = lattice.build("chain", [4]), lattice.build("chain", [3])
PAIR = lattice.build("custom", bonds=[(0, 1, 1.0), (1, 2, 0.6)])
SMALL = {  # few enough nodes for all configurations
    "heisenberg": marshall(build_model(PAIR)),
    "xxz_in_field": marshall(build_model(PAIR, anisotropy=2.0, field_z=0.7)),
    "frustrated": build_model(RING3),
    "tfim": build_model(RING3, "tfim", coupling=0.8, field=1.1),
    "tfim_in_field": build_model(RING3, "tfim", coupling=-0.8, field=1.1, field_z=0.4),
}
MODELS = {
    "heisenberg": marshall(build_model(RING4)),
    "xxz_in_field": marshall(build_model(RING4, anisotropy=2.0, field_z=0.7)),
    "ferromagnet": build_model(RING4, couplings=[-1.0], anisotropy=0.3),
    "frustrated": build_model(lattice.build("custom", bonds=[(0, 1, 1.0), (1, 2, 0.7), (0, 2, 0.5), (2, 3, 0.9)])),
    "tfim": build_model(RING4, "tfim", coupling=0.8, field=1.1),
    "tfim_in_field": build_model(RING4, "tfim", coupling=0.5, field=0.9, field_z=0.4),
}


@pytest.fixture(scope="module")
def log_norm(step_matrix):
    """Return the function ln Tr (T^M)^T T^M of (model, dtau, n_slices, order), by dense matrices."""

    def function(model, dtau, n_slices, order):
        power = np.linalg.matrix_power(step_matrix(trotter_product(model, dtau, n_slices, order)), n_slices)
        return np.log(np.vdot(power, power))

    return function


def path_weights(lines, product):
    """Return (configurations (n, n_nodes), weights (n,)) of all configurations that do not vanish."""
    spins = spins_of(np.arange(2**lines.n_nodes), lines.n_nodes)
    weights = np.exp(spins @ lines.bias) if len(lines.bias) else np.ones(len(spins))
    if hasattr(lines, "bonds"):
        for (i, j), kind in zip(lines.bonds, lines.bond_class, strict=True):
            is_time, strength, fraction = lines.classes[kind]
            tau, same = fraction * product.dtau, spins[:, i] == spins[:, j]
            in_time = np.where(same, np.cosh(tau * strength), np.sinh(tau * abs(strength)))
            weights = weights * (in_time if is_time else np.exp(-tau * strength * np.where(same, 1.0, -1.0)))
        return spins, weights
    for (a, b, c, d), kind in zip(lines.legs, lines.gate_class, strict=True):
        coupling, element, fraction = lines.classes[kind]
        allowed = spins[:, a] + spins[:, b] == spins[:, c] + spins[:, d]
        spins, weights = spins[allowed], weights[allowed]
        elements = np.array(exchange_weights(coupling, element, fraction * product.dtau))
        elements[2] *= -np.sign(element)
        weights = weights * elements[gate_states(spins, a, b, c)]
    return spins, weights


def gate_states(spins, a, b, c):
    """Return 0 (parallel), 1 (stay) or 2 (swap) for legs a, b before and c after the gate, c on the site of a."""
    return np.where(spins[:, a] == spins[:, b], 0, np.where(spins[:, a] == spins[:, c], 1, 2))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", SMALL)
def test_the_path_sum_is_the_norm_of_the_purified_state(name, order, log_norm):
    n_slices, dtau, step = 1, 0.3, 1e-4
    n_slices += name.startswith("tfim")
    product = trotter_product(SMALL[name], dtau, n_slices, order)
    lines = world_lines(product)
    spins, weights = path_weights(lines, product)
    logs = [log_norm(SMALL[name], dtau + k * step, n_slices, order) for k in (-1, 0, 1)]
    assert np.log(weights.sum()) == pytest.approx(logs[1], abs=1e-12)
    # first and second derivative by beta, from the tables that the kernels read
    probabilities = weights / weights.sum()
    first, second = derivative_columns(lines, spins)
    mean = probabilities @ first
    assert mean == pytest.approx((logs[2] - logs[0]) / (2 * step) / lines.n_factors, abs=1e-6)
    curvature = probabilities @ (first**2 + second) - mean**2
    assert curvature == pytest.approx((logs[2] - 2 * logs[1] + logs[0]) / step**2 / lines.n_factors**2, abs=1e-5)


def derivative_columns(lines, spins):
    """Return D and D' of configurations by the tables of the world lines."""
    if hasattr(lines, "bonds"):
        states = (spins[:, lines.bonds[:, 0]] != spins[:, lines.bonds[:, 1]]).astype(int)
        tables = lines.derivatives[:, lines.bond_class]
    else:
        states = gate_states(spins, *lines.legs[:, :3].T)
        tables = lines.derivatives[:, lines.gate_class]
    columns = np.arange(states.shape[1])
    first, second = (table[columns, states].sum(axis=1) for table in tables)
    if len(lines.bias) and hasattr(lines, "bonds"):
        first = first + spins @ lines.bias_slope
    magnetization = spins[:, lines.times[0]].sum(axis=1)
    return first / lines.n_factors - lines.energy_offset[0] * magnetization, second / lines.n_factors**2


@pytest.mark.parametrize("anisotropy", [-2.0, -1.0, -0.5, 0.0, 0.7, 1.0, 3.0])
def test_break_ups_add_up_to_the_elements(anisotropy):
    for tau in (0.01, 0.1, 0.7):
        parallel, stay, swap = exchange_weights(0.25 * anisotropy, -0.5, tau)
        for mixing in (0.1, 0.0):
            straight, horizontal, crossed, frozen = break_ups(parallel, stay, swap, mixing)
            assert min(straight, horizontal, crossed, *frozen) >= 0.0
            assert crossed > 0.0 or mixing == 0.0
            found = np.array([straight + crossed, straight + horizontal, horizontal + crossed]) + frozen
            np.testing.assert_allclose(found, [parallel, stay, swap], rtol=1e-12)
        if abs(anisotropy) <= 1.0:
            np.testing.assert_allclose(frozen, 0.0, atol=1e-12)
        assert crossed == 0.0 or anisotropy < 1.0


# ---- what the samplers give ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dense_averages(log_norm, step_matrix):
    """Return the function of `averages_of` alone."""
    return lambda product, measurement: averages_of(product, measurement, log_norm, step_matrix)


def averages_of(product, measurement, log_norm, step_matrix):
    """Return <D>, <D^2 + D'>, M, squares and pairs of <Psi|.|Psi>/<Psi|Psi> by dense matrices."""
    model, n, step = product.model, product.n_sites, 1e-4
    logs = [log_norm(model, product.dtau + k * step, product.n_slices, product.order) for k in (-1, 0, 1)]
    factors = 2 * product.n_slices
    first = (logs[2] - logs[0]) / (2 * step) / factors
    second = (logs[2] - 2 * logs[1] + logs[0]) / step**2 / factors**2 + first**2
    power = np.linalg.matrix_power(step_matrix(product), product.n_slices)
    density = (power**2).sum(axis=1)
    density /= density.sum()
    spins = spins_of(np.arange(2**n), n).astype(float)
    waves = measurement.phases[:, :, 0] + 1j * measurement.phases[:, :, 1]
    squares = density @ np.abs(spins @ waves.T) ** 2
    products = spins[:, measurement.pairs[:, 0]] * spins[:, measurement.pairs[:, 1]]
    pairs = density @ (products @ measurement.pair_weights.T)
    return np.array([first, second, density @ spins.sum(axis=1), *squares, *pairs])


def sampled_columns(dense_averages, name, order, method, improved, n_samples, seed=3):
    """Return (columns (n_chains, n_samples, n), their dense averages) of one model."""
    product = trotter_product(MODELS[name], 0.2, 2, order)
    lines = world_lines(product)
    phases = np.array([np.ones(4), np.exp(1j * np.pi * np.arange(4)), np.exp(0.5j * np.pi * np.arange(4))])
    pairs = np.array([[0, 1], [1, 2], [0, 2]], dtype=np.int32)
    measurement = Measurement(np.stack([phases.real, phases.imag], axis=2), pairs, np.eye(3))
    streams = [Philox(key=np.array([seed, c], dtype=np.uint64)) for c in range(16)]
    spins = np.array([lines.first_spins(Generator(stream)) for stream in streams])
    sample = lines.unit_sampler(measurement) if method == "gibbs" else lines.sampler(measurement, improved)
    values = np.zeros((16, 50, measurement.n_columns))
    sample(spins, 1, streams, values)
    values = np.zeros((16, n_samples, measurement.n_columns))
    sample(spins, 1, streams, values)
    outside = lines.energy_offset[0] * values[:, :, MAGNETIZATION]
    first, estimate = (values[:, :, column] / lines.n_factors - outside for column in (FIRST, ESTIMATE))
    leading = [estimate, first, first**2 + values[:, :, SECOND] / lines.n_factors**2]
    columns = np.concatenate([np.stack(leading, axis=2), values[:, :, MAGNETIZATION:]], axis=2)
    dense = dense_averages(product, measurement)
    return columns, values[:, :, SIGN], np.concatenate([dense[:1], dense])


def largest_z(columns, signs, dense):
    """Return the largest deviation from the dense values in standard errors; ratios <sign O> / <sign>."""
    deviations = signs[:, :, None] * (columns - dense)
    estimate = mean_and_error(deviations)
    error = np.where(estimate.error > 0.0, estimate.error, 1.0)
    return np.abs(estimate.mean / error).max(), estimate.mean


CASES = [(name, "cluster") for name in MODELS] + [("tfim", "gibbs"), ("tfim_in_field", "gibbs")]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("name", "method"), CASES)
def test_samples_give_the_purified_state(name, method, order, dense_averages):
    # 16 runs of 10 columns against 5 standard errors: false alarm below 1e-4 in all
    improved = method == "cluster" and name not in ("frustrated", "xxz_in_field", "tfim_in_field")
    columns, signs, dense = sampled_columns(dense_averages, name, order, method, improved, 4000)
    if name == "frustrated":
        assert 0.5 < signs.mean() < 0.999
    z, means = largest_z(columns, signs, dense)
    assert z < 5.0, means


def test_the_comparison_sees_one_percent(dense_averages):
    # control: the energy of the thermal state at a temperature one percent off is rejected
    columns, signs, dense = sampled_columns(dense_averages, "tfim", 2, "cluster", True, 40000)
    wrong = dense.copy()
    wrong[0] *= 1.01
    assert largest_z(columns, signs, dense)[0] < 5.0
    assert largest_z(columns, signs, wrong)[0] > 5.0


@pytest.mark.parametrize("name", ["heisenberg", "xxz_in_field", "frustrated", "tfim", "tfim_in_field"])
def test_configurations_are_distributed_as_their_weight(name):
    # chi-square against all configurations of a small path, false alarm 1e-6 per model
    product = trotter_product(SMALL[name], 0.5, 1, 2)
    lines = world_lines(product)
    spins, weights = path_weights(lines, product)
    expected = np.abs(weights) / np.abs(weights).sum()
    found = histogram(lines, spins, n_samples=40000)
    assert found.sum() == 40000
    assert chi_square_rejects(found, expected) is False
    assert chi_square_rejects(found, expected**0.9 / (expected**0.9).sum()) is True  # control


def histogram(lines, configurations, n_samples):
    """Return how often each configuration is met; every third sweep counts, to leave no correlation that matters."""
    measurement = Measurement(np.zeros((1, lines.n_sites, 2)), np.zeros((0, 2), np.int32), np.zeros((0, 0)))
    sample = lines.sampler(measurement, False)
    streams = [Philox(key=np.array([9, 0], dtype=np.uint64))]
    spins = lines.first_spins(Generator(streams[0]))[None].copy()
    powers = 2 ** np.arange(lines.n_nodes)
    place = {int(code): k for k, code in enumerate((configurations > 0) @ powers)}
    counts = np.zeros(len(configurations))
    values = np.zeros((1, 1, measurement.n_columns))
    for _ in range(n_samples):
        sample(spins, 8, streams, values)
        counts[place[int((spins[0] > 0) @ powers)]] += 1
    return counts


def chi_square_rejects(counts, expected):
    """Return whether counts differ from probabilities at a false-alarm rate of 1e-6; rare configurations are joined."""
    order = np.argsort(-expected)
    counts, expected = counts[order], expected[order] * counts.sum()
    common = expected >= 10.0
    observed = np.append(counts[common], counts[~common].sum())
    wanted = np.append(expected[common], expected[~common].sum())
    keep = wanted > 0.0
    statistic = ((observed[keep] - wanted[keep]) ** 2 / wanted[keep]).sum()
    return bool(scipy.stats.chi2.sf(statistic, keep.sum() - 1) < 1e-6)


def test_single_unit_metropolis_gives_the_purified_state(dense_averages):
    # the simplest sampler of the same network: one unit at a time, acceptance |Psi|^2 of ket times bra
    product = trotter_product(MODELS["tfim"], 0.2, 2, 2)
    lines = world_lines(product)
    one = np.stack([np.ones((1, 4)), np.zeros((1, 4))], axis=2)
    square = dense_averages(product, Measurement(one, np.zeros((0, 2), np.int32), np.zeros((0, 0))))[3]
    rng = np.random.default_rng(4)
    spins = lines.first_spins(rng).astype(float)
    neighbours = [[] for _ in range(lines.n_nodes)]
    for (i, j), kind in zip(lines.bonds.tolist(), lines.bond_class.tolist(), strict=True):
        neighbours[i].append((j, lines.exponents[kind]))
        neighbours[j].append((i, lines.exponents[kind]))
    squares = []
    for sweep in range(6000):
        for node in range(lines.n_nodes):
            field = sum(exponent * spins[other] for other, exponent in neighbours[node])
            if rng.random() < np.exp(-2.0 * spins[node] * field):
                spins[node] *= -1
        if sweep >= 200:
            squares.append(spins[lines.times[0]].sum() ** 2)
    estimate = mean_and_error(np.array(squares)[None])
    assert abs(estimate.mean - square) < 5.0 * estimate.error


def test_rotations_give_the_energy_of_the_purified_state(step_matrix):
    # <Psi|H|Psi>/<Psi|Psi> at the middle, by dense matrices, against three times the diagonal energy of samples
    model = MODELS["heisenberg"]
    assert is_isotropic(model)
    assert not is_isotropic(MODELS["ferromagnet"])
    assert not is_isotropic(MODELS["xxz_in_field"])
    assert not is_isotropic(MODELS["tfim"])
    for order in (1, 2):
        product = trotter_product(model, 0.4, 2, order)
        power = np.linalg.matrix_power(step_matrix(product), 2)
        energy = np.vdot(power, to_sparse(model) @ power) / np.vdot(power, power)
        measurement = Measurement(
            np.ones((1, 4, 2)), model.pair_sites.astype(np.int32), np.ascontiguousarray(model.pair_coupling[None])
        )
        lines = world_lines(product)
        streams = [Philox(key=np.array([3, c], dtype=np.uint64)) for c in range(16)]
        spins = np.array([lines.first_spins(Generator(stream)) for stream in streams])
        values = np.zeros((16, 6000, measurement.n_columns))
        lines.sampler(measurement, True)(spins, 1, streams, values)
        estimate = mean_and_error(3.0 * values[:, 50:, -1])
        assert abs(estimate.mean - energy) < 4.5 * estimate.error  # false alarm 7e-6
        assert estimate.error < 0.005 * abs(energy)
