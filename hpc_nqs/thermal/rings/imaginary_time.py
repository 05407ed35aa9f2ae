"""Table entries of correlations in imaginary time: C(q, tau_k), C_loc(tau_k), chi(q) and beta^2 C_loc(beta/2).

tau_k = k beta / R, k = 0 to R // 2; the other half follows from C(tau) = C(beta - tau).  The means come from sampled
rings or from exact traces alike, in the columns of `LayerCorrelations`; a run without rings is a ring of two links.
See docs/theory/rings.md, "Imaginary time" and "Static susceptibility".
"""

import numpy as np

SHARE = 0.3  # of what C adds to chi(q) above its least value: that may be too much with R = 2, 3, calibrated
FLOOR = 1e-9  # of C(tau) relative to C(0), against noise
MARGIN = 6.0  # of the step from all times to the first and the last alone, over the number of steps; calibrated
N_HALVINGS = 60


def rows(estimate, layers, n_links, beta, first=0):
    """Return the entries of a table row.

    Parameters
    ----------
    estimate : callable
        Function of rows of means, (n, n_columns), to (value, error), as `Statistics.estimate`.
    layers : LayerCorrelations
    n_links : int
        R.
    beta : float
        Of the whole ring.
    first : int
        The first column of `LayerCorrelations.measure` among the means.

    Returns
    -------
    dict
        links; time_correlation {"qx,qy,k": [value, error]}, static_susceptibility {"qx,qy": [value, error]} and
        static_susceptibility_systematic {"qx,qy": number}, the error of the quadrature, where there are wave vectors;
        local_time_correlation {"k": [value, error]}; relaxation_proxy and relaxation_proxy_error for even R.
    """
    row = {"links": n_links}
    keys = list(layers.phases)
    correlations, chi, quadrature = {}, {}, {}
    for number, key in enumerate(keys):
        columns = first + layers.columns(n_links, number)
        means = first + layers.mean_columns(n_links, number)
        for k, column in enumerate(columns):
            correlations[f"{key},{k}"] = list(estimate(lambda rows, column=column: rows[:, column]))

        def integral(rows, which, columns=columns, means=means):
            connected = rows[:, columns] - np.sum(rows[:, means] ** 2, axis=1, keepdims=True)
            return integrals(connected, n_links, beta)[which]

        chi[key] = list(estimate(lambda rows, integral=integral: integral(rows, 0)))
        quadrature[key] = abs(estimate(lambda rows, integral=integral: integral(rows, 1))[0])
    if keys:
        row |= {"time_correlation": correlations, "static_susceptibility": chi}
        row["static_susceptibility_systematic"] = quadrature
    columns = first + layers.columns(n_links, -1)
    local = [estimate(lambda rows, column=column: rows[:, column]) for column in columns]
    local[0] = local[0][0], 0.0  # 1/4 in every configuration
    row["local_time_correlation"] = {str(k): list(pair) for k, pair in enumerate(local)}
    if n_links % 2 == 0:
        value, error = row["local_time_correlation"][str(n_links // 2)]
        row |= {"relaxation_proxy": beta**2 * value, "relaxation_proxy_error": beta**2 * error}
    return row


def integrals(values, n_links, beta):
    """Return int_0^beta C dtau of C(tau_k), k = 0 to R // 2, and the error of the rule; each (n,).

    Between two neighbouring times C is taken to be one cosh(omega (tau - beta/2)) through both values: an upper bound,
    as C is a sum of such terms with positive weights, exact where there is one of them (docs/theory/rings.md, "Static
    susceptibility").  Values that noise makes grow towards beta/2 are joined by straight lines.

    Parameters
    ----------
    values : (n, R // 2 + 1) float64
    n_links : int
    beta : float
    """
    values = np.maximum(values, FLOOR * np.maximum(values[:, :1], FLOOR))
    fine = _joined(values, n_links, np.arange(values.shape[1]), beta)
    if n_links <= 3:
        return fine, SHARE * np.abs(fine - beta * values[:, -1])
    coarse = _joined(values, n_links, np.array([0, values.shape[1] - 1]), beta)
    return fine, MARGIN / (n_links // 2) * np.abs(coarse - fine)


def _joined(values, n_links, chosen, beta):
    """Return the integral of one cosh between every two of the `chosen` times, (n,)."""
    from_middle = 0.5 * beta - chosen * beta / n_links
    total = np.zeros(len(values))
    for (k, outer), (next_k, inner) in zip(
        zip(chosen[:-1], from_middle[:-1], strict=True), zip(chosen[1:], from_middle[1:], strict=True), strict=True
    ):
        frequency = _frequency(values[:, k] / values[:, next_k], outer, inner)
        total += (values[:, k] + values[:, next_k]) * _tanh_over(frequency, 0.5 * (outer - inner))
    # of odd R what is left around beta/2, with the last frequency
    return 2 * (total + values[:, -1] * _tanh_over(frequency, from_middle[-1]))


def _tanh_over(frequency, length):
    """Return tanh(omega length) / omega, `length` where omega vanishes."""
    x = frequency * length
    return length * np.divide(np.tanh(x), x, out=np.ones_like(x), where=x > 0)


def _frequency(ratio, outer, inner):
    """Return omega >= 0 with cosh(omega outer) / cosh(omega inner) = ratio, 0 for ratios below 1; by bisection."""
    target = np.log(np.maximum(ratio, 1.0))
    low, high = np.zeros_like(target), (target + np.log(2.0)) / (outer - inner)
    for _ in range(N_HALVINGS):
        middle = 0.5 * (low + high)
        above = _log_cosh(middle * outer) - _log_cosh(middle * inner) > target
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.where(target > 0, 0.5 * (low + high), 0.0)


def _log_cosh(x):
    return np.logaddexp(x, -x) - np.log(2.0)
