"""Softened permanents: their values, nodes of perm[r] included, moves across them, and when a density is softened."""

import itertools

import numpy as np
import pytest

from hpc_nqs.kernels.amplitude import log_psi
from hpc_nqs.kernels.metropolis import follow_path
from hpc_nqs.kernels.softened import SoftenedPermanentAmplitude
from hpc_nqs.wavefunctions.exchange_permanent import ExchangePermanent
from hpc_nqs.wavefunctions.link_functions import sampling_density
from hpc_nqs.wavefunctions.mismatch_factor import MismatchFactor
from hpc_nqs.wavefunctions.product import Product
from hpc_nqs.wavefunctions.softened_permanent import SoftenedPermanent, has_competing_signs

N_SITES = 6
SHARE = 0.25


def permanent(matrix):
    """Return the sum over all ways to match rows with columns."""
    return sum(
        np.prod(matrix[np.arange(len(matrix)), list(order)]) for order in itertools.permutations(range(len(matrix)))
    )


def all_configurations(n_sites):
    """Return every configuration (n, 2 n_sites) with as many sites mismatched up as down."""
    spins = 2 * ((np.arange(4**n_sites)[:, None] >> np.arange(2 * n_sites)) & 1) - 1
    return np.ascontiguousarray(spins[spins.sum(axis=1) == 0], dtype=np.int8)


def both_permanents(exchange, configurations):
    """Return perm[r] and perm[|r|] (n, 2) of configurations."""
    n, values = len(exchange), []
    for spins in configurations:
        total = spins[:n] + spins[n:]
        pairs = np.ix_(total > 0, total < 0)
        values.append((permanent(exchange[pairs]), permanent(np.abs(exchange)[pairs])))
    return np.array(values)


def pair_signs(n_sites, stream):
    """Return a symmetric matrix of 1 and -1."""
    upper = np.triu(stream.choice([-1.0, 1.0], (n_sites, n_sites)), 1)
    return upper + upper.T


def logarithms(amplitude, configurations):
    """Return ln of an amplitude (n,)."""
    out = np.empty(len(configurations), dtype=complex)
    log_psi(amplitude, configurations, out)
    return out


@pytest.fixture(scope="module")
def nodal():
    """Return (configurations, perm[r], perm[|r|], amplitude) for entries 2 and -2, whose permanents are often zero."""
    exchange = 2 * pair_signs(N_SITES, np.random.default_rng(4))
    pair_param = (1 - np.eye(N_SITES)).astype(np.intc)
    configurations = all_configurations(N_SITES)
    signed, positive = both_permanents(exchange, configurations).T
    return configurations, signed, positive, SoftenedPermanentAmplitude(exchange, pair_param, 10, SHARE)


def test_values_at_nodes_and_elsewhere(nodal):
    configurations, signed, positive, amplitude = nodal
    assert 50 < np.sum(signed == 0) < np.sum(signed != 0) and np.any(signed < 0)
    found = logarithms(amplitude, configurations)
    assert not found.imag.any() and amplitude.n_params == 0
    np.testing.assert_allclose(np.exp(found.real), np.sqrt(signed**2 + SHARE**2 * positive**2), rtol=1e-12)


def ratios_of_all(configurations, amplitude, moves):
    """Yield (place before, place after, ratio) of every move that changes one of all configurations."""
    weights = 1 << np.arange(configurations.shape[1])
    place = {int(code): k for k, code in enumerate((configurations > 0) @ weights)}
    path, ratio = np.empty(1, dtype=np.intp), np.empty(1, dtype=complex)
    for k, spins in enumerate(configurations):
        for path[0] in range(len(moves)):
            visible = spins.copy()
            follow_path(visible, amplitude, moves, path, 0.0, ratio)
            if np.any(visible != spins):
                yield k, place[int((visible > 0) @ weights)], ratio[0]


def test_stationarity_by_sums_over_all_configurations(nodal, all_moves):
    """Metropolis steps by the ratios of the kernel keep w, and reach every configuration from and through nodes."""
    configurations, signed, positive, amplitude = nodal
    weights = np.sqrt(signed**2 + SHARE**2 * positive**2)
    steps, into, out_of = np.zeros((len(weights),) * 2), 0, 0
    for k, other, ratio in ratios_of_all(configurations, amplitude, all_moves(N_SITES).kernel()):
        assert ratio == pytest.approx(weights[other] / weights[k], rel=1e-12)
        steps[k, other] += min(1.0, ratio.real)
        into += signed[other] == 0 and signed[k] != 0
        out_of += signed[k] == 0 and signed[other] != 0
    assert into == out_of > 1000
    steps /= steps.sum(axis=1).max()
    steps += np.diag(1 - steps.sum(axis=1))
    np.testing.assert_allclose(weights @ steps, weights, rtol=1e-12)
    assert not np.allclose(np.abs(signed) @ steps, np.abs(signed), rtol=0.1)
    start = np.zeros(len(weights))
    start[np.argmax(signed == 0)] = 1
    np.testing.assert_allclose(start @ np.linalg.matrix_power(steps, 2**14), weights / weights.sum(), rtol=1e-6)


def test_tiny_and_huge_entries():
    """r^k far outside of the range of numbers."""
    exchange, pair_param = pair_signs(12, np.random.default_rng(2)), (1 - np.eye(12)).astype(np.intc)
    visible = np.concatenate([np.repeat([1, -1], 6)] * 2).astype(np.int8)[None]
    one, small, large = (
        logarithms(SoftenedPermanentAmplitude(scale * exchange, pair_param, 10, SHARE), visible).real
        for scale in (1.0, 1e-120, 1e120)
    )
    np.testing.assert_allclose([small, large], [one - 720 * np.log(10), one + 720 * np.log(10)], rtol=1e-12)


def test_no_weight_where_no_matching_has_an_amplitude():
    """Beyond the limit of pairs, and at infinite temperature, r = 0."""
    exchange, pair_param = pair_signs(6, np.random.default_rng(2)), (1 - np.eye(6)).astype(np.intc)
    visible = np.concatenate([np.repeat([1, -1], 3)] * 2).astype(np.int8)[None]
    for arguments, expected in (
        ((exchange, pair_param, 2), True),
        ((0 * exchange, pair_param, 3), True),
        ((exchange, pair_param, 3), False),
    ):
        found = logarithms(SoftenedPermanentAmplitude(*arguments, SHARE), visible).real
        assert (found == -np.inf) == expected


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5, np.nan])
def test_shares_that_are_not_allowed(share):
    state = ExchangePermanent(np.arange(4)[None, :], np.ones((4, 4)))
    with pytest.raises(ValueError, match="share = .* allowed are 0 < share <= 1"):
        SoftenedPermanent(state, share)


def test_competing_signs_are_those_of_some_configuration():
    """All patterns of signs of five sites up to those of the sites, and holes in them, against all permanents."""
    stream, configurations, found = np.random.default_rng(1), all_configurations(5), []
    for pattern in range(64):
        exchange = stream.uniform(0.5, 1, (5, 5))
        exchange += exchange.T
        signs = np.ones((5, 5))
        rows, columns = np.triu_indices(4, 1)
        signs[rows, columns] = signs[columns, rows] = 1 - 2 * ((pattern >> np.arange(6)) & 1)
        sites = stream.choice([-1, 1], 5)
        exchange *= signs * np.outer(sites, sites)
        signed, positive = both_permanents(exchange, configurations).T
        assert has_competing_signs(exchange) == np.any(np.abs(signed) < positive * (1 - 1e-9))
        found.append(has_competing_signs(exchange))
    assert found.count(False) == 2
    ring = np.roll(np.eye(6), 1, axis=0) + np.roll(np.eye(6), -1, axis=0)
    assert not has_competing_signs(ring) and not has_competing_signs(-ring)
    ring[0, 1] = ring[1, 0] = -1
    assert has_competing_signs(ring)


def test_what_is_softened():
    """Permanents with competing signs alone or as factors, at their parameters at the time; nothing else."""
    distance = np.abs(np.arange(6)[:, None] - np.arange(6))
    images = (np.arange(6)[None, :] + np.arange(6)[:, None]) % 6
    factor = MismatchFactor(np.ones((6, 6)))
    bipartite = ExchangePermanent(images, np.where(distance % 2, -0.5, 0.5))
    assert sampling_density(factor) is factor and sampling_density(bipartite) is bipartite
    plain, frustrated = Product(bipartite, factor), ExchangePermanent(images, -0.5 + 0.4 * distance)
    assert sampling_density(plain) is plain
    bipartite.params = frustrated.params
    softened = sampling_density(plain, 0.3)
    assert isinstance(softened, Product) and softened.second is factor
    assert softened.first.inner is bipartite and softened.first.share == 0.3
    assert isinstance(sampling_density(frustrated), SoftenedPermanent)


def test_parameters_are_those_of_the_permanent_at_the_time():
    state = ExchangePermanent(np.arange(4)[None, :], np.ones((4, 4)))
    softened, configurations = SoftenedPermanent(state, SHARE), all_configurations(4)
    before = logarithms(softened.amplitude(None), configurations)
    state.params = np.array([0.3, -0.5, 0.2, 0.7, -0.1, 0.4])
    after = logarithms(softened.amplitude(None), configurations)
    signed, positive = both_permanents(state.exchange(), configurations).T
    np.testing.assert_allclose(np.exp(2 * after.real), signed**2 + SHARE**2 * positive**2, rtol=1e-12)
    assert np.any(after != before)
