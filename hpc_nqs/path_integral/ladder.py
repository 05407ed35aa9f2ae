"""The ladder of the analytic method: numbers of slices, and inverse temperatures between reported ones."""

import numpy as np

# Between inverse temperatures, in units of 1 / largest coupling; True: with exchange.
MIN_STEP = {True: 0.2, False: 0.08}
GROWTH = 0.2  # of the distance, relative to beta
NEAR = 0.25  # of the distance: closer points of the ladder give way to a reported one


def reduced_beta(beta, scale):
    """Return beta in units of the inverse of the largest coupling `scale`, without what rounding leaves.

    Two systems that differ in the unit of energy alone have the same: what is chosen by it is chosen alike.
    """
    return float(f"{beta * scale:.12g}")


def slice_numbers(beta, dtaus):
    """Return the numbers of slices M (n,), all different, for the wished dtau (n,): beta / (2 M) is at most that.

    M = ceil(beta / (2 dtau)) from the largest dtau on; where two would coincide the later one is one larger.  Without
    dtau time is continuous, one ensemble with 0 in place of M.
    """
    if not len(dtaus):
        return [0]
    numbers = []
    for dtau in sorted(dtaus, reverse=True):
        n_slices = max(1, int(np.ceil(beta / (2.0 * dtau) - 1e-9)))
        numbers.append(max(n_slices, numbers[-1] + 1 if numbers else 1))
    return numbers


def ladder(has_exchange, scale, betas):
    """Return inverse temperatures between 0 and the largest of `betas` for the integral of the energy, without `betas`.

    Parameters
    ----------
    has_exchange : bool
        Of the model.
    scale : float
        Largest coupling.
    betas : sequence of float
    """
    points, beta = [], 0.0
    while True:
        step = max(MIN_STEP[has_exchange] / scale, GROWTH * beta)
        beta += step
        if beta >= max(betas):
            return points
        if np.abs(np.asarray(betas) - beta).min() > NEAR * step:
            points.append(beta)
