"""Statistics of weighted Markov-chain samples: ratio estimators, error bars, autocorrelation, convergence of chains.

Two layers:

- functions of arrays (n_chains, n_samples, ...) held by one process: `mean_and_error`, `split_r_hat`,
  `integrated_autocorrelation_time`, `variance_estimate`, `effective_sample_size`;
- sums for chains distributed over ranks: `BlockSums` (of `jackknife`) and `ChainSums`. Each rank adds its own chains
(possibly
  none) to an array `sums`, the driver sums that array over ranks *in place*, and every rank then computes the same
  statistics from it::

      blocks = BlockSums(n_chains, n_samples, n_quantities)
      blocks.add(chains, values, weights)        # global indices of this rank's chains
      team.sum_in_place(blocks.sums)
      value, error = blocks.jackknife().estimate(lambda means: means[..., 1] - means[..., 0] ** 2)

Chains are taken to be independent of each other; within a chain samples may be correlated. An autocorrelation time is
tau = 1 + 2 sum_t rho(t), in samples: n samples are worth n / tau, independent samples have tau = 1.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft

from hpc_nqs.statistics.jackknife import BlockSums, Jackknife, checked_weights

__all__ = [
    "BlockSums",
    "ChainSums",
    "Estimate",
    "Jackknife",
    "effective_sample_size",
    "integrated_autocorrelation_time",
    "mean_and_error",
    "split_r_hat",
    "variance_estimate",
]


@dataclass(frozen=True)
class Estimate:
    """A value, its standard error, and the autocorrelation time behind the error; floats or arrays of one shape."""

    mean: float | np.ndarray
    error: float | np.ndarray
    tau: float | np.ndarray


# ---- arrays of one process ----------------------------------------------------------------------------------------


def mean_and_error(values, weights=None):
    """Estimate <O> = sum w O / sum w with an error that knows about autocorrelation.

    The ratio is linearized: y = w (O - <O>) / mean(w) has mean zero, and the error of <O> is that of the mean of y.
    Its square is (1/n_total) sum_t C(t), C the autocovariance averaged over chains and taken about the mean over all
    chains, summed up to Geyer's initial monotone sequence (C. J. Geyer, Stat. Sci. 7, 473 (1992)). Where the
    correlation outlasts the chains the sum runs to their end and is the variance between chains.

    Parameters
    ----------
    values : (n_chains, n_samples, ...) real
    weights : (n_chains, n_samples), optional
        Importance weights, any common factor.

    Returns
    -------
    Estimate
        Entries of shape values.shape[2:].

    Raises
    ------
    ValueError
        Wrong shapes, fewer than two samples, non-finite values, or weights that are negative or all zero.
    """
    values, weights = _checked_arrays(values, weights)
    mean = np.tensordot(weights, values, axes=2) / weights.sum()
    deviations = (values - mean) * _beside(weights / weights.mean(), values)
    variance, tau = _variance_of_mean(_lag_sums(deviations), *values.shape[:2])
    return Estimate(_plain(mean), _plain(np.sqrt(variance)), _plain(tau))


def integrated_autocorrelation_time(values):
    """Estimate tau = 1 + 2 sum_t rho(t), in samples, averaged over chains; see `mean_and_error`.

    Parameters
    ----------
    values : (n_chains, n_samples, ...) real

    Returns
    -------
    float or (...)
        At most about n_samples: a longer memory does not fit into the chains.
    """
    return mean_and_error(values).tau


def split_r_hat(values):
    """Compute split-R-hat, the square root of (total variance / variance within half chains); 1 when all halves agree.

    R^2 = (n-1)/n + B/(n W), n the length of a half, W the mean of their variances, B/n the variance of their means
    (A. Gelman et al., Bayesian Data Analysis, 3rd ed., eq. 11.4).

    Parameters
    ----------
    values : (n_chains, n_samples, ...) real
        At least 4 samples per chain; a middle sample is dropped when their number is odd.

    Returns
    -------
    float or (...)
        1 for constant values; infinity for chains that are constant at different values.
    """
    values, _ = _checked_arrays(values, None)
    return _plain(_r_hat(_half_chain_sums(values - values.mean(axis=(0, 1))), values.shape[1] // 2))


def effective_sample_size(weights):
    """Compute Kish's effective number of samples (sum w)^2 / sum w^2.

    Parameters
    ----------
    weights : array of any shape, >= 0

    Raises
    ------
    ValueError
        Weights that are negative, not finite or all zero.
    """
    weights = checked_weights(np.asarray(weights, dtype=np.float64))
    weights = weights / weights.max()
    return float(weights.sum() ** 2 / (weights**2).sum())


def variance_estimate(values, weights=None, n_blocks=64):
    """Estimate Var(O) = <|O - <O>|^2>, bias-corrected, with a jackknife error over blocks of chains.

    With O the local energy, beta^2 / n_sites times this is the specific heat per site.

    Parameters
    ----------
    values : (n_chains, n_samples) real or complex
    weights : (n_chains, n_samples), optional
    n_blocks : int
        See `BlockSums`.

    Returns
    -------
    Estimate
        `tau` is that of |O - <O>|^2.

    Raises
    ------
    ValueError
        As `mean_and_error`.
    """
    values = np.asarray(values)
    if values.ndim != 2:
        raise ValueError(f"values has shape {values.shape}; wanted (n_chains, n_samples)")
    weights = np.ones(values.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    parts = mean_and_error(np.stack([values.real, values.imag], axis=-1), weights).mean
    # About the mean, so that the difference of two large numbers never appears.
    deviations = values - (parts[0] + 1j * parts[1])
    squares = np.abs(deviations) ** 2
    blocks = BlockSums(*values.shape, 3, n_blocks)
    blocks.add(np.arange(values.shape[0]), np.stack([deviations.real, deviations.imag, squares], axis=-1), weights)
    value, error = blocks.jackknife().estimate(lambda means: means[..., 2] - means[..., 0] ** 2 - means[..., 1] ** 2)
    return Estimate(float(value), float(error), mean_and_error(squares, weights).tau)


# ---- chains distributed over ranks --------------------------------------------------------------------------------


class ChainSums:
    """Autocorrelation and split-R-hat of one quantity, for chains distributed over ranks.

    Attributes
    ----------
    sums : (4 + n_samples,) float64
        Number of chains; sums over half chains of mean, mean^2 and variance; sums over chains of the lagged products
        sum_s y_s y_{s+t}. Additive over ranks: sum it *in place* once.
    """

    def __init__(self, values, centre, weights=None):
        """Sum over the chains of this rank.

        Parameters
        ----------
        values : (n_local, n_samples) real
            May have no chains, but n_samples has to be the same on every rank.
        centre : float
            The mean over all ranks (from `BlockSums`), the same number on every rank. R-hat and tau are about it.
        weights : (n_local, n_samples), optional
            Importance weights, with one common factor on all ranks: tau is then that of w (O - centre), which sets the
            error of the weighted mean. R-hat looks at the samples as they are.

        Raises
        ------
        ValueError
            Wrong shapes or non-finite numbers.
        """
        values = np.asarray(values, dtype=np.float64) - centre
        weights = np.ones(values.shape) if weights is None else np.asarray(weights, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] < 1 or weights.shape != values.shape:
            raise ValueError(f"values {values.shape} and weights {weights.shape}; wanted (n_local, n_samples)")
        if not (np.isfinite(values).all() and np.isfinite(weights).all()):
            raise ValueError("values, centre and weights must be finite")
        self.n_samples = values.shape[1]
        self.sums = np.concatenate([[len(values)], _half_chain_sums(values)[1:], _lag_sums(values * weights)])

    @property
    def tau(self):
        """Integrated autocorrelation time in samples, as `integrated_autocorrelation_time`."""
        return float(_variance_of_mean(self.sums[4:], int(self.sums[0]), self.n_samples)[1])

    @property
    def r_hat(self):
        """Split-R-hat, as `split_r_hat`; nan with fewer than 4 samples per chain."""
        if self.n_samples < 4:
            return float("nan")
        return float(_r_hat([2 * self.sums[0], *self.sums[1:4]], self.n_samples // 2))


# ---- sums and what follows from them ------------------------------------------------------------------------------


def _lag_sums(deviations):
    """Compute sum over chains and s of y_s y_{s+t} for t = 0 .. n_samples - 1, shape (n_samples, ...), by FFT."""
    n_samples = deviations.shape[1]
    if deviations.shape[0] == 0:
        return np.zeros((n_samples, *deviations.shape[2:]))
    n_padded = scipy.fft.next_fast_len(2 * n_samples - 1, real=True)
    spectrum = scipy.fft.rfft(deviations, n_padded, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).sum(axis=0)
    return scipy.fft.irfft(power, n_padded, axis=0)[:n_samples]


def _variance_of_mean(lag_sums, n_chains, n_samples):
    """Compute the variance of the mean of all samples, and tau, from summed lagged products about that mean.

    Taking deviations from the estimated mean lowers every C(t) by the variance V of the mean, on average. With the sum
    S = sum_t C(t) over the window and K = sum_t (1 - |t| / n_samples) over it, V = (S + K V) / n_total, solved for V.
    A window over whole chains turns this into the variance between chains with its 1 / (n_chains - 1).

    Parameters
    ----------
    lag_sums : (n_samples, ...)
    n_chains, n_samples : int

    Returns
    -------
    variance, tau : (...)
    """
    n_total = n_chains * n_samples
    pad = [(0, n_samples % 2)] + [(0, 0)] * (lag_sums.ndim - 1)
    covariance = np.pad(lag_sums / n_total, pad)  # includes the factor 1 - t / n_samples
    taper = np.pad(1.0 - np.arange(n_samples) / n_samples, pad[0])
    pairs = covariance[0::2] + covariance[1::2]
    inside = np.logical_and.accumulate(pairs > 0.0, axis=0)
    monotone = np.minimum.accumulate(pairs, axis=0)
    total = 2.0 * np.where(inside, monotone, 0.0).sum(axis=0) - covariance[0]
    width = 2.0 * np.tensordot(inside, taper[0::2] + taper[1::2], axes=(0, 0)) - 1.0
    # Samples that alternate about the mean still leave the ends of a chain uncancelled.
    total = np.maximum(total, covariance[0] / n_samples)
    # One chain that never decorrelates would give 0 / 0: its window ends where half the samples are left.
    variance = total / (n_total - np.minimum(width, 0.5 * n_total))
    scale = covariance[0] + variance
    tau = np.divide(n_total * variance, scale, out=np.ones_like(scale), where=scale > 0.0)
    return variance, tau


def _half_chain_sums(deviations):
    """Return [number of halves, sums of their means, squared means and variances] of (n_chains, n_samples, ...)."""
    n_half = deviations.shape[1] // 2
    if n_half < 1:
        return np.zeros((4, *deviations.shape[2:]))
    halves = np.concatenate([deviations[:, :n_half], deviations[:, -n_half:]])
    means = halves.mean(axis=1)
    variances = ((halves - means[:, None]) ** 2).sum(axis=1) / max(n_half - 1, 1)
    number = np.full(deviations.shape[2:], float(len(halves)))
    return np.array([number, means.sum(axis=0), (means**2).sum(axis=0), variances.sum(axis=0)])


def _r_hat(half_sums, n_half):
    """Compute split-R-hat from `_half_chain_sums`; raise ValueError for halves of fewer than two samples."""
    if n_half < 2:
        raise ValueError("split-R-hat needs at least 4 samples per chain")
    number, sum_means, sum_squares, sum_variances = half_sums
    between = np.maximum(sum_squares - sum_means**2 / number, 0.0) / (number - 1)
    within = np.asarray(sum_variances / number)
    ratio = np.divide(between, within, out=np.where(between > 0.0, np.inf, 1.0 / n_half), where=within > 0.0)
    return np.sqrt((n_half - 1) / n_half + ratio)


def _checked_arrays(values, weights):
    """Return values as float64 and weights (n_chains, n_samples); raise ValueError where they make no sense."""
    values = np.asarray(values)
    if np.iscomplexobj(values):
        raise ValueError("values is complex; pass real and imaginary parts")
    values = values.astype(np.float64, copy=False)
    if values.ndim < 2 or values.shape[0] * values.shape[1] < 2:
        raise ValueError(
            f"values has shape {values.shape}; wanted (n_chains, n_samples, ...) with at least two samples"
        )
    if not np.isfinite(values).all():
        raise ValueError("values has entries that are not finite")
    weights = np.ones(values.shape[:2]) if weights is None else np.asarray(weights, dtype=np.float64)
    if weights.shape != values.shape[:2]:
        raise ValueError(f"weights has shape {weights.shape}; wanted {values.shape[:2]}")
    return values, checked_weights(weights)


def _beside(weights, values):
    """Shape weights (n_chains, n_samples) to multiply values (n_chains, n_samples, ...)."""
    return weights.reshape(weights.shape + (1,) * (values.ndim - 2))


def _plain(array):
    """Return a float for an array without axes."""
    return float(array) if np.ndim(array) == 0 else array
