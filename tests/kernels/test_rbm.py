"""The compiled network by itself: ratios, states that are carried along, derivatives, and the ends of its range."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hpc_nqs.hilbert.moves import Moves
from hpc_nqs.kernels.amplitude import log_derivs, log_psi
from hpc_nqs.kernels.metropolis import follow_path
from hpc_nqs.kernels.rbm import RBMAmplitude


def logarithms(amplitude, configurations):
    out = np.empty(len(configurations), dtype=complex)
    log_psi(amplitude, configurations, out)
    return out


def derivatives(amplitude, configurations):
    out = np.empty((len(configurations), amplitude.n_params * amplitude.width))
    log_derivs(amplitude, configurations, out)
    return out.view(complex) if amplitude.width == 2 else out


def looked_at(amplitude, moves, visible, path):
    """Return the ratios of single moves from one configuration, the state built once."""
    ratios = np.empty(len(path), dtype=complex)
    follow_path(visible.copy(), amplitude, moves, path, np.inf, ratios)
    return ratios


def walked(amplitude, moves, visible, path, smallest=1e-3):
    """Return (configurations along the path, ratios, ln Psi of the state at the end)."""
    visible, ratios = visible.copy(), np.empty(len(path), dtype=complex)
    log_psi_end = follow_path(visible, amplitude, moves, path, smallest, ratios)
    return visible, ratios, log_psi_end


def test_a_ratio_is_the_quotient_of_amplitudes(case, system):
    """Complex ones with their phase; the new configuration comes from making the one move."""
    one = system(case)
    n_made = 0
    for visible in one.configurations[:12]:
        every_move = np.arange(len(one.moves), dtype=np.intp)
        ratios = looked_at(one.amplitude, one.moves, visible, every_move)
        new = np.array([walked(one.amplitude, one.moves, visible, move[None], 1e-6)[0] for move in every_move])
        made = np.any(new != visible, axis=1)
        expected = np.exp(logarithms(one.amplitude, new) - logarithms(one.amplitude, visible[None]))
        np.testing.assert_allclose(ratios[made], expected[made], rtol=1e-8, atol=1e-12)
        assert np.all(np.abs(ratios[~made]) <= 1e-6)
        n_made += made.sum()
    assert n_made > 20


def test_thousands_of_accepted_moves_leave_the_state_as_if_rebuilt(case, system):
    one = system(case)
    path = one.path(40000, seed=3)
    visible, ratios, log_psi_end = walked(one.amplitude, one.moves, one.configurations[0], path, 0.01)
    assert np.sum(np.abs(ratios) > 0.01) > 2000
    rebuilt = logarithms(one.amplitude, visible[None])[0]
    np.testing.assert_allclose(np.exp(log_psi_end - rebuilt), 1.0, rtol=0, atol=1e-8)
    # the ratios that the state gives at the end, not only ln Psi
    last = one.path(60, seed=4)
    carried = walked(one.amplitude, one.moves, one.configurations[0], np.concatenate([path, last]), 0.01)[1][-60:]
    fresh = walked(one.amplitude, one.moves, visible, last, 0.01)[1]
    np.testing.assert_allclose(carried, fresh, rtol=1e-5, atol=1e-7)


def test_a_sibling_has_the_same_values_and_states_of_its_own(case, system):
    """Two walks at the same time, one on each, end as they do one after the other."""
    one = system(case)
    amplitudes = one.amplitude, one.amplitude.sibling()
    paths = [one.path(4000, seed=seed) for seed in (5, 6)]

    def walk(k):
        return walked(amplitudes[k], one.moves, one.configurations[k], paths[k], 0.01)

    alone = [walk(0), walk(1)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(walk, (0, 1)))
    for (visible, ratios, last), (expected, expected_ratios, expected_last) in zip(together, alone, strict=True):
        np.testing.assert_array_equal(visible, expected)
        np.testing.assert_array_equal(ratios, expected_ratios)
        assert last == expected_last
    values = [logarithms(amplitude, one.configurations) for amplitude in amplitudes]
    np.testing.assert_array_equal(*values)
    np.testing.assert_array_equal(*(derivatives(amplitude, one.configurations) for amplitude in amplitudes))


def differences(one, params, shift, configurations):
    """Return ln Psi(params + shift) - ln Psi(params - shift), the phase within half a turn."""
    change = logarithms(one.amplitude_at(params + shift), configurations)
    change -= logarithms(one.amplitude_at(params - shift), configurations)
    return change.real + 1j * (np.remainder(change.imag + np.pi, 2 * np.pi) - np.pi)


def test_log_derivs_are_central_differences(case, system):
    """Fourth order, (8 D(h) - D(2h)) / 12h; holomorphic states have the same derivative along both axes."""
    one = system(case)
    configurations, params = one.configurations[:5], one.wavefunction.params.copy()
    computed = derivatives(one.amplitude, configurations)
    for k in range(len(params)):
        for step in (1e-4, 1e-4j)[: one.amplitude.width]:
            shift = step * (np.arange(len(params)) == k)
            near, far = (differences(one, params, factor * shift, configurations) for factor in (1, 2))
            np.testing.assert_allclose(computed[:, k], (8 * near - far) / (12 * step), rtol=1e-7, atol=1e-7)


# ---- the ends of the range: small networks written down by hand ----------------------------------------------------


def network(weights, bias, imaginary, moves):
    """Return the amplitude of a network without symmetries, one feature for every unit."""
    n_units, n_inputs = weights.shape
    params = np.arange(n_units * n_inputs, dtype=np.intc).reshape(n_units, n_inputs) + 1
    return RBMAmplitude(
        n_inputs,
        n_units * n_inputs,
        weights,
        np.asarray(bias, dtype=weights.dtype),
        np.where(imaginary, -1.0, 1.0),
        np.zeros(n_inputs, dtype=weights.dtype),
        *moves.input_changes(),
        np.arange(n_units + 1),
        np.tile(np.arange(n_inputs, dtype=np.intc), (n_units, 1)),
        params,
        np.zeros(n_units, dtype=np.intc),
        np.zeros(n_inputs, dtype=np.intc),
    )


def flips(n):
    """Return single flips of n units, and all configurations."""
    moves = Moves(n_visible=n, n_sites=0, bond_features=False)
    for v in range(n):
        moves.add_flip(v)
    bits = np.arange(2**n)[:, None] >> np.arange(n) & 1
    return moves, (2 * bits - 1).astype(np.int8)


def exact_log_psi(weights, bias, imaginary, configurations):
    """Return ln Psi, term by term with the largest exponential taken out."""
    angles = (configurations @ weights.T + bias) * np.where(imaginary, 1j, 1)
    size = np.abs(angles.real)
    return np.sum(size + np.log(np.exp(angles - size) + np.exp(-angles - size)), axis=1)


def check_walk(amplitude, moves, expected, row, visible):
    """Ratios of a state carried along, where an accepted move may have cost all digits of a tangent."""
    path = np.random.default_rng(row).integers(0, len(moves), size=12)
    ratios = walked(amplitude, moves.kernel(), visible, path, 0.0)[1]
    for move, ratio in zip(path, ratios, strict=True):
        change = expected[row ^ (1 << move)] - expected[row]
        if abs(change.real) < 650:
            np.testing.assert_allclose(ratio, np.exp(change), rtol=1e-6)
        if ratio != 0:  # the move was made
            row ^= 1 << move


def check_all_ratios(weights, bias, imaginary, tolerance):
    moves, configurations = flips(weights.shape[1])
    amplitude = network(weights, bias, imaginary, moves)
    expected = exact_log_psi(weights, bias, imaginary, configurations)
    computed = logarithms(amplitude, configurations)
    np.testing.assert_allclose(computed.real, expected.real, rtol=1e-13, atol=1e-11)
    np.testing.assert_allclose(np.exp(1j * (computed - expected).imag), 1, rtol=0, atol=1e-11)
    for row, visible in enumerate(configurations):
        ratios = looked_at(amplitude, moves.kernel(), visible, np.arange(len(moves), dtype=np.intp))
        new = row ^ (1 << np.arange(len(moves)))
        logs = expected[new] - expected[row]
        inside = np.abs(logs.real) < 650
        np.testing.assert_allclose(ratios[inside], np.exp(logs[inside]), rtol=tolerance)
        assert np.all(ratios[logs.real > 720] == np.inf) or np.iscomplexobj(weights)
        assert np.all(np.abs(ratios[logs.real < -750]) == 0)
        check_walk(amplitude, moves, expected, row, visible)
    derivs = derivatives(amplitude, configurations)
    assert np.isfinite(derivs).all()
    return derivs


@pytest.mark.parametrize("is_complex", [False, True])
def test_angles_of_800(is_complex):
    stream = np.random.default_rng(1)
    weights = 0.3 * stream.standard_normal((5, 4)) + (0.3j * stream.standard_normal((5, 4)) if is_complex else 0)
    bias = np.array([800.0, -800.0, 0.3, 20.0, -7.0])
    derivs = check_all_ratios(weights, bias, np.zeros(5, dtype=bool), 1e-10)
    configurations = flips(4)[1]
    np.testing.assert_allclose(derivs[:, :4], configurations, rtol=0, atol=1e-12)  # tanh = 1
    np.testing.assert_allclose(derivs[:, 4:8], -configurations, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [3.0, 8.0, 40.0, 200.0])
@pytest.mark.parametrize("is_complex", [False, True])
def test_weights_that_saturate_tanh(size, is_complex):
    """cosh(a + d) / cosh(a) from tanh(a) alone has lost everything where a = -20, d = 40."""
    stream = np.random.default_rng(2)
    weights = np.full((4, 3), size) * np.array([[1, 0, 0], [0, 1, -1], [1, 1, 1], [0.1, 0, -0.2]])
    weights = weights + 0.1 * stream.standard_normal((4, 3)) + (0.1j if is_complex else 0)
    check_all_ratios(weights, np.array([0.1, 0.2, 0.3, 0.0]), np.zeros(4, dtype=bool), 3e-9)


@pytest.mark.parametrize("n_units", [40, 300, 3000])
@pytest.mark.parametrize("is_complex", [False, True])
def test_products_that_leave_the_range_of_doubles_on_the_way(n_units, is_complex):
    """Half of the units grow, the other half shrink: the ratio is moderate, partial products are not."""
    stream = np.random.default_rng(3)
    weights = np.where(np.arange(n_units)[:, None] % 2, 1.2, 0.8) * np.ones((n_units, 3))
    weights[:, 1] *= -1
    weights = weights + 0.01 * stream.standard_normal(weights.shape) + (0.02j if is_complex else 0)
    bias = np.where(np.arange(n_units) < n_units // 2, 2.0, -2.0)
    check_all_ratios(weights, bias, np.zeros(n_units, dtype=bool), 1e-9)


@pytest.mark.parametrize("is_complex", [False, True])
def test_partial_products_that_drift_apart(is_complex):
    """Three of four units grow: their partial products are in range one by one, and multiplied together are not."""
    n_units = 5328
    shrinks = np.arange(n_units) % 4 == 3
    weights = np.where(shrinks, -0.12, 0.1)[:, None] * np.ones((n_units, 1)) + (0.001j if is_complex else 0)
    moves, configurations = flips(1)
    amplitude = network(weights, np.full(n_units, 5.0), np.zeros(n_units, dtype=bool), moves)
    logs = exact_log_psi(weights, np.full(n_units, 5.0), np.zeros(n_units, dtype=bool), configurations)
    for row, sign in ((0, 1), (1, -1)):
        ratio = looked_at(amplitude, moves.kernel(), configurations[row], np.array([0]))[0]
        change = sign * (logs[1] - logs[0])
        assert 300 < abs(change.real) < 600
        np.testing.assert_allclose(ratio, np.exp(change), rtol=1e-9)


def test_leading_numbers_of_one_lane_outside_the_range_of_products():
    """cosh^2 of half the shift goes to 1e110 over every eighth of 560 units, the only ones with weights."""
    n_units = 560
    weights, bias = np.where(np.arange(n_units) % 8 == 0, 2.5, 0.0)[:, None], np.full(n_units, 20.0)
    moves, configurations = flips(1)
    amplitude = network(weights, bias, np.zeros(n_units, bool), moves)
    logs = exact_log_psi(weights, bias, np.zeros(n_units, bool), configurations)
    for row in (0, 1):
        ratio = looked_at(amplitude, moves.kernel(), configurations[row], np.array([0]))[0]
        np.testing.assert_allclose(ratio, np.exp(logs[1 - row] - logs[row]), rtol=1e-9)


@pytest.mark.parametrize("is_complex", [False, True])
def test_zeros_of_the_wave_function(is_complex):
    """Angles within rounding of pi/2, where t is 1e16, and close to it, where ratios still have digits."""
    for distance, tolerance in ((0.0, None), (1e-9, 1e-6), (1e-4, 1e-10)):
        weights = np.array([[np.pi / 4 + distance, np.pi / 4], [0.2, 0.1], [np.pi / 4, np.pi / 4 - distance]])
        imaginary = np.array([True, False, True])
        moves, configurations = flips(2)
        if is_complex:
            amplitude = network(weights * np.where(imaginary, 1j, 1)[:, None], np.zeros(3), np.zeros(3, bool), moves)
        else:
            amplitude = network(weights, np.zeros(3), imaginary, moves)
        expected = exact_log_psi(weights, np.zeros(3), imaginary, configurations)
        computed = logarithms(amplitude, configurations)
        assert np.isfinite(computed).all() and np.isfinite(derivatives(amplitude, configurations)).all()
        for row, visible in enumerate(configurations):
            ratios = looked_at(amplitude, moves.kernel(), visible, np.array([0, 1]))
            assert np.isfinite(ratios).all()
            if tolerance:
                np.testing.assert_allclose(ratios, np.exp(expected[[row ^ 1, row ^ 2]] - expected[row]), rtol=tolerance)
        # into the zero and out of it again: the state must not remember the digits it lost
        start = configurations[1].copy()
        _, ratios, log_psi_end = walked(amplitude, moves.kernel(), start, np.array([0, 0, 1, 1, 0, 1, 1, 0]), 0.0)
        np.testing.assert_allclose(log_psi_end.real, computed[1].real, rtol=0, atol=1e-8)
        np.testing.assert_allclose(np.prod(ratios), 1.0, rtol=1e-2 if not tolerance else 10 * tolerance)


def test_numbers_that_are_none_stay_visible():
    weights = np.array([[0.1, np.nan], [0.2, 0.1]])
    moves, configurations = flips(2)
    amplitude = network(weights, np.zeros(2), np.zeros(2, bool), moves)
    assert np.isnan(logarithms(amplitude, configurations)).all()
    assert np.isnan(looked_at(amplitude, moves.kernel(), configurations[0], np.array([0, 1]))).all()
