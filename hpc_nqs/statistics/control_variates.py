"""Several estimates of one mean, combined with the least variance."""

import numpy as np

ENOUGH = 20  # samples per estimate from which weights are determined
ROUNDING = 1e-10  # relative variance below which a difference of estimates is taken to vanish


def least_variance(samples):
    """Return the weights of the combination of estimates with the least variance: differences as control variates.

    Parameters
    ----------
    samples : (n_samples, n_estimates) float64
        Independent ones, or means of long batches; the columns have the same mean.

    Returns
    -------
    weights : (n_estimates,) float64
        Of sum 1; all on the first estimate where there are fewer than 20 samples for each estimate.
    inflation : float
        What the error of the combination with these weights is to be multiplied by: the weights follow the noise of
        the same samples, which makes it look smaller (S. S. Lavenberg and P. D. Welch, Manag. Sci. 27, 322 (1981)).
    """
    n_samples, n_estimates = samples.shape
    weights = np.zeros(n_estimates)
    weights[0] = 1.0
    n_controls = n_estimates - 1
    if n_controls == 0 or n_samples < ENOUGH * n_estimates:
        return weights, 1.0
    centred = samples - samples.mean(axis=0)
    controls = centred[:, 1:] - centred[:, :1]
    sizes = np.sqrt((controls**2).sum(axis=0))
    used = sizes > np.sqrt(ROUNDING * (samples**2).sum())
    if used.any():
        slopes, *_ = np.linalg.lstsq(controls[:, used] / sizes[used], centred[:, 0], rcond=ROUNDING**0.5)
        weights[1:][used] = -slopes / sizes[used]
        weights[0] -= weights[1:].sum()
    return weights, float(np.sqrt((n_samples - 1) / (n_samples - 1 - n_controls)))
