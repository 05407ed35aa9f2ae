"""Error bars that mean what they say, on chains whose statistics are known exactly.

Statistical tests count how often an interval of one standard error covers the truth in `n_repeats` independent repeats
and compare with the binomial law. `accept` states the false-alarm rate; seeds are fixed.
"""

import numpy as np
import pytest
import scipy.signal
from scipy import stats

from hpc_nqs.statistics import markov_chains as estimators
from hpc_nqs.statistics.markov_chains import BlockSums, ChainSums, Jackknife

FALSE_ALARM = 1e-6


def autoregressive(shape, phi, rng):
    """Return stationary AR(1) chains along the last axis: variance 1, rho(t) = phi^t, tau = (1 + phi) / (1 - phi)."""
    start = rng.normal(size=(*shape[:-1], 1))
    noise = rng.normal(size=shape) * np.sqrt(1 - phi**2)
    return scipy.signal.lfilter([1.0], [1.0, -phi], noise, axis=-1, zi=phi * start)[0]


def accept(n_inside, n_repeats, low=0.66, high=0.70):
    """Two-sided binomial test of a coverage between `low` and `high` (0.683 up to the scatter of the error itself)."""
    below = stats.binom.cdf(n_inside, n_repeats, low)
    above = stats.binom.sf(n_inside - 1, n_repeats, high)
    return min(below, above) > FALSE_ALARM / 2


CHAINS = [(1, 4000), (4, 1000), (32, 64), (64, 8)]  # long chains, and ones shorter than their memory


@pytest.mark.parametrize(("n_chains", "n_samples"), CHAINS)
@pytest.mark.parametrize("phi", [0.0, 0.9])
def test_error_of_a_mean_is_calibrated(n_chains, n_samples, phi):
    n_repeats = 1000
    rng = np.random.default_rng(11)
    values = np.moveaxis(autoregressive((n_repeats, n_chains, n_samples), phi, rng), 0, -1)
    estimate = estimators.mean_and_error(values)
    np.testing.assert_allclose(estimate.mean, values.mean(axis=(0, 1)), atol=1e-13)
    assert accept(np.count_nonzero(np.abs(estimate.mean) < estimate.error), n_repeats)
    lags = np.arange(1, n_samples)
    exact = (1 + 2 * np.sum((1 - lags / n_samples) * phi**lags)) / (n_chains * n_samples)
    # Mean square of the errors against the exact variance: five standard deviations and 12 % for the truncated sum.
    ratio = estimate.error**2 / exact
    assert abs(ratio.mean() - 1) < 0.12 + 5 * ratio.std() / np.sqrt(n_repeats)


def test_error_of_independent_samples_is_rejected_for_correlated_ones():
    """Negative control: the calibration test must fail for the naive error."""
    n_repeats, n_chains, n_samples = 1000, 4, 1000
    values = autoregressive((n_repeats, n_chains, n_samples), 0.9, np.random.default_rng(11)).reshape(n_repeats, -1)
    naive = values.std(axis=1) / np.sqrt(n_chains * n_samples)
    n_inside = np.count_nonzero(np.abs(values.mean(axis=1)) < naive)
    assert not accept(n_inside, n_repeats)
    assert not accept(np.count_nonzero(np.abs(values.mean(axis=1)) < 10 * naive), n_repeats)  # nor too large an error


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_autocorrelation_time_of_known_chains(phi):
    n_repeats = 200
    values = np.moveaxis(autoregressive((n_repeats, 8, 2000), phi, np.random.default_rng(5)), 0, -1)
    tau = estimators.integrated_autocorrelation_time(values)
    exact = (1 + phi) / (1 - phi)
    assert abs(tau.mean() - exact) < 0.03 * exact + 5 * tau.std() / np.sqrt(n_repeats)


def test_weighted_ratio_is_calibrated():
    """Weights exp(y / 2) on a unit Gaussian move its mean to 1/2 and leave its variance at 1."""
    n_repeats, mean_inside, variance_inside, block_inside = 400, 0, 0, 0
    values = autoregressive((n_repeats, 64, 64), 0.8, np.random.default_rng(6))
    for chains in values:
        weights = 3.0 * np.exp(0.5 * chains)
        mean = estimators.mean_and_error(chains, weights)
        variance = estimators.variance_estimate(chains, weights)
        blocks = BlockSums(64, 64, 1)
        blocks.add(np.arange(64), chains[..., None], weights)
        (block_mean,), (block_error,) = blocks.jackknife().estimate()
        mean_inside += abs(mean.mean - 0.5) < mean.error
        variance_inside += abs(variance.mean - 1.0) < variance.error
        block_inside += abs(block_mean - 0.5) < block_error
    # Skewed sums of squares and 63 degrees of freedom cost a few points of coverage.
    assert accept(mean_inside, n_repeats)
    assert accept(block_inside, n_repeats)
    assert accept(variance_inside, n_repeats, low=0.62)


def test_weights_are_not_ignored():
    """Negative control: without the weights the same intervals miss."""
    values = autoregressive((200, 64, 64), 0.8, np.random.default_rng(6))
    n_inside = sum(abs(q.mean - 0.5) < q.error for q in map(estimators.mean_and_error, values))
    assert not accept(n_inside, 200)


def test_constant_weights_change_nothing():
    values = autoregressive((6, 50), 0.5, np.random.default_rng(7))
    plain = estimators.mean_and_error(values)
    weighted = estimators.mean_and_error(values, np.full(values.shape, 7.0))
    np.testing.assert_allclose(
        [weighted.mean, weighted.error, weighted.tau], [plain.mean, plain.error, plain.tau], rtol=1e-12
    )


def test_lagged_products_by_fft_are_the_direct_ones():
    values = np.random.default_rng(8).normal(size=(3, 7, 2))
    direct = np.array([(values[:, : 7 - t] * values[:, t:]).sum(axis=(0, 1)) for t in range(7)])
    np.testing.assert_allclose(estimators._lag_sums(values), direct, atol=1e-12)


@pytest.mark.parametrize("n_samples", [4, 5])
def test_full_memory_gives_the_variance_between_chains(n_samples):
    """Chains that never move: the error is the one of n_chains independent values."""
    levels = np.random.default_rng(9).normal(size=40)
    estimate = estimators.mean_and_error(np.repeat(levels[:, None], n_samples, axis=1))
    assert estimate.error == pytest.approx(levels.std(ddof=1) / np.sqrt(40), rel=1e-12)
    assert estimate.tau == pytest.approx(n_samples, rel=1e-9)


def test_edge_cases_of_the_error():
    constant = estimators.mean_and_error(np.full((3, 5), 2.5))
    assert (constant.mean, constant.error, constant.tau) == (2.5, 0.0, 1.0)
    alternating = estimators.mean_and_error(np.tile([1.0, -1.0], (2, 50)))
    assert 0 < alternating.error < 0.02  # naive: 0.1
    assert np.isfinite(estimators.mean_and_error(np.linspace(0, 1, 30)[None]).error)
    two = estimators.mean_and_error(np.array([[0.0], [2.0]]))
    assert two.error == pytest.approx(1.0)


def test_variance_is_unbiased_for_single_samples():
    """One sample per block: the jackknife of <x^2> - <x>^2 is the sample variance with n - 1."""
    values = np.random.default_rng(10).normal(size=(30, 1)) + 1e6
    estimate = estimators.variance_estimate(values, n_blocks=30)
    assert estimate.mean == pytest.approx(values.var(ddof=1), rel=1e-9)
    both = estimators.variance_estimate(values + 2j * values, n_blocks=30)
    assert both.mean == pytest.approx(5 * values.var(ddof=1), rel=1e-9)
    assert both.error == pytest.approx(5 * estimate.error, rel=1e-9)


def test_specific_heat_like_variance_is_calibrated():
    n_repeats = 600
    inside = 0
    for chains in autoregressive((n_repeats, 8, 512), 0.7, np.random.default_rng(12)):
        estimate = estimators.variance_estimate(2.0 * chains - 40.0)
        inside += abs(estimate.mean - 4.0) < estimate.error
    assert accept(inside, n_repeats, low=0.65)


def test_jackknife_of_means_is_the_textbook_one():
    rng = np.random.default_rng(13)
    blocks = rng.normal(size=(20, 3))
    value, error = Jackknife(np.full(20, 4.0), 4.0 * blocks).estimate()
    np.testing.assert_allclose(value, blocks.mean(axis=0), atol=1e-14)
    np.testing.assert_allclose(error, blocks.std(axis=0, ddof=1) / np.sqrt(20), rtol=1e-12)


def test_jackknife_removes_the_bias_of_a_square():
    """<x>^2 overestimates mu^2 by sigma^2 / n; five standard deviations over 4000 repeats."""
    samples = np.random.default_rng(14).normal(0.3, 1.0, size=(4000, 10))
    plain, corrected = [], []
    for sample in samples:
        jackknife = Jackknife(np.ones(10), sample[:, None])
        plain.append(jackknife.means[0] ** 2)
        corrected.append(jackknife.estimate(lambda means: means[:, 0] ** 2)[0])
    tolerance = 5 * np.std(corrected) / np.sqrt(4000)
    assert abs(np.mean(corrected) - 0.09) < tolerance < abs(np.mean(plain) - 0.09)


def test_jackknife_ignores_empty_blocks_and_maps_rows():
    weights, sums = np.array([1.0, 2.0, 0.0, 3.0]), np.array([[1.0, 2.0], [3.0, 4.0], [0.0, 0.0], [5.0, 7.0]])
    jackknife = Jackknife(weights, sums)
    assert jackknife.n_blocks == 3
    np.testing.assert_allclose(jackknife.means, [9 / 6, 13 / 6])
    value, error = jackknife.estimate(lambda means: np.stack([means, 2 * means], axis=1))
    assert value.shape == error.shape == (2, 2)
    without = (sums.sum(axis=0) - sums)[weights > 0] / (6 - weights[weights > 0])[:, None]
    np.testing.assert_allclose(value[0], 3 * jackknife.means - 2 * without.mean(axis=0))
    np.testing.assert_allclose(error[1], 2 * np.sqrt(2 * without.var(axis=0)))


LAYOUTS = [(3, 40), (7, 5), (64, 4), (100, 3), (600, 2)]


@pytest.mark.parametrize(("n_chains", "n_samples"), LAYOUTS)
def test_blocks_cover_the_samples_evenly(n_chains, n_samples):
    blocks = BlockSums(n_chains, n_samples, 0)
    index = blocks.block_of(np.arange(n_chains)[:, None], np.arange(n_samples))
    counts = np.bincount(index.ravel(), minlength=len(blocks.sums))
    assert len(counts) == len(blocks.sums) and counts.min() > 0
    assert (np.diff(index, axis=1) >= 0).all() and counts.max() <= 2 * counts.min()
    assert len(counts) >= min(64, n_chains * n_samples) and len(counts) <= 256
    blocks.add(np.arange(n_chains), np.zeros((n_chains, n_samples, 0)))
    np.testing.assert_array_equal(blocks.sums[:, 0], counts)


@pytest.mark.parametrize("n_quantities", [1, 5])
@pytest.mark.parametrize(("n_chains", "n_samples"), LAYOUTS)
@pytest.mark.parametrize("n_ranks", [2, 3, 8])
def test_block_sums_do_not_depend_on_the_number_of_ranks(n_chains, n_samples, n_ranks, n_quantities):
    rng = np.random.default_rng(15)
    values = rng.normal(size=(n_chains, n_samples, n_quantities))
    weights = rng.uniform(0.5, 1.5, size=(n_chains, n_samples))
    alone = BlockSums(n_chains, n_samples, n_quantities)
    alone.add(np.arange(n_chains), values, weights)
    total = BlockSums(n_chains, n_samples, n_quantities)
    for chains in np.array_split(np.arange(n_chains), n_ranks):  # more ranks than chains: empty shares
        local = BlockSums(n_chains, n_samples, n_quantities)
        local.add(chains, values[chains].copy(), weights[chains].copy())
        total.sums += local.sums
    if alone.n_groups == n_chains:
        np.testing.assert_array_equal(total.sums, alone.sums)
    np.testing.assert_allclose(total.sums, alone.sums, rtol=1e-13, atol=1e-13)
    assert total.effective_sample_size == pytest.approx(estimators.effective_sample_size(weights))
    np.testing.assert_allclose(
        total.jackknife().means, np.tensordot(weights, values, axes=2) / weights.sum(), rtol=1e-11, atol=1e-13
    )


def test_samples_may_arrive_in_parts():
    rng = np.random.default_rng(16)
    values, weights = rng.normal(size=(5, 30, 2)), rng.uniform(size=(5, 30))
    alone, parts = BlockSums(5, 30, 2), BlockSums(5, 30, 2)
    alone.add(np.arange(5), values, weights)
    for start, stop in ((0, 1), (1, 14), (14, 30)):
        parts.add(np.arange(5), values[:, start:stop], weights[:, start:stop], first_sample=start)
    np.testing.assert_allclose(parts.sums, alone.sums, rtol=1e-12, atol=1e-14)
    assert BlockSums(5, 30, 2).effective_sample_size == 0.0


@pytest.mark.parametrize("shares", [(10,), (3, 7), (0, 4, 6)])
def test_chain_sums_are_the_functions_of_all_chains(shares):
    rng = np.random.default_rng(17)
    values = autoregressive((10, 41), 0.7, rng) + 3.0 * rng.normal(size=(10, 1))
    weights = rng.uniform(0.5, 1.5, values.shape)
    parts = np.split(np.arange(10), np.cumsum(shares)[:-1])
    plain = [ChainSums(values[part], values.mean()) for part in parts]
    plain[0].sums[:] = sum(part.sums for part in plain)
    assert plain[0].tau == pytest.approx(estimators.integrated_autocorrelation_time(values), rel=1e-9)
    assert plain[0].r_hat == pytest.approx(estimators.split_r_hat(values), rel=1e-12)
    mean = (weights * values).sum() / weights.sum()
    weighted = [ChainSums(values[part], mean, weights[part]) for part in parts]
    weighted[0].sums[:] = sum(part.sums for part in weighted)
    assert weighted[0].tau == pytest.approx(estimators.mean_and_error(values, weights).tau, rel=1e-9)


def test_r_hat_is_its_formula_and_sees_disagreeing_chains():
    rng = np.random.default_rng(18)
    values = rng.normal(size=(6, 21))
    halves = np.concatenate([values[:, :10], values[:, 11:]])
    total = 0.9 * halves.var(axis=1, ddof=1).mean() + halves.mean(axis=1).var(ddof=1)
    assert estimators.split_r_hat(values) == pytest.approx(np.sqrt(total / halves.var(axis=1, ddof=1).mean()))
    good = rng.normal(size=(16, 400))
    assert estimators.split_r_hat(good) < 1.01
    assert estimators.split_r_hat(good + np.eye(16)[:, :1]) > 1.02  # one chain off by one standard deviation
    assert estimators.split_r_hat(good + np.linspace(0, 1, 400)) > 1.02  # all chains drift together
    np.testing.assert_allclose(
        estimators.split_r_hat(np.stack([good, 5 * good], axis=-1)), estimators.split_r_hat(good)
    )
    assert estimators.split_r_hat(np.ones((3, 8))) == 1.0
    assert estimators.split_r_hat(np.repeat([[0.0], [1.0]], 8, axis=1)) == np.inf
    assert np.isnan(ChainSums(np.ones((3, 3)), 1.0).r_hat)


def test_effective_sample_size():
    assert estimators.effective_sample_size(np.full((3, 4), 1e-200)) == pytest.approx(12)
    assert estimators.effective_sample_size(np.array([1.0, 1.0, 0.0, 0.0])) == pytest.approx(2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: estimators.mean_and_error(np.zeros(5)), "wanted .n_chains, n_samples"),
        (lambda: estimators.mean_and_error(np.zeros((1, 1))), "at least two samples"),
        (lambda: estimators.mean_and_error(np.array([[1.0, np.nan]])), "not finite"),
        (lambda: estimators.mean_and_error(np.array([[1j, 1.0]])), "complex"),
        (lambda: estimators.mean_and_error(np.zeros((2, 2)), np.zeros((2, 2))), "not all zero"),
        (lambda: estimators.mean_and_error(np.zeros((2, 2)), -np.ones((2, 2))), "not negative"),
        (lambda: estimators.mean_and_error(np.zeros((2, 2)), np.ones(2)), "weights has shape"),
        (lambda: estimators.variance_estimate(np.zeros(2)), "values has shape"),
        (lambda: estimators.split_r_hat(np.zeros((2, 3))), "at least 4 samples"),
        (lambda: BlockSums(1, 1, 1), "at least 2 samples"),
        (lambda: BlockSums(4, 4, 1, n_blocks=1), "n_blocks = 1"),
        (lambda: BlockSums(4, 4, 1).add([0], np.zeros((1, 4, 2))), "values has shape"),
        (lambda: BlockSums(4, 4, 1).add([4], np.zeros((1, 4, 1))), "allowed: 0 to 3"),
        (lambda: BlockSums(4, 4, 1).add([0], np.zeros((1, 4, 1)), first_sample=1), "samples 1 to 4; allowed: 0 to 3"),
        (lambda: BlockSums(4, 4, 1).add([0], np.zeros((1, 4, 1)), np.ones((1, 3))), "weights has shape"),
        (lambda: BlockSums(4, 4, 1).add([0], np.full((1, 4, 1), np.nan)), "finite"),
        (lambda: BlockSums(4, 4, 1).add([0], np.zeros((1, 4, 1), complex)), "complex"),
        (lambda: BlockSums(4, 4, 1).jackknife(), "not all zero"),
        (lambda: Jackknife(np.array([1.0, 0.0]), np.zeros((2, 1))), "at least two blocks"),
        (lambda: Jackknife(np.ones(3), np.ones((2, 1))), "wanted .n_blocks"),
        (lambda: Jackknife(np.ones(2), np.full((2, 1), np.inf)), "not finite"),
        (lambda: Jackknife(np.ones(2), np.ones((2, 1))).estimate(lambda means: means.sum()), "one entry per row"),
        (lambda: ChainSums(np.zeros(3), 0.0), "wanted .n_local"),
        (lambda: ChainSums(np.zeros((2, 3)), np.nan), "finite"),
    ],
)
def test_refuses_unusable_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
