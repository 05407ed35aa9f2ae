"""The estimated systematic error of a thermal run: what its meters say beyond the statistics.

A network follows the fraction 1 - r^2 of the evolution (r^2 the TDVP residual), and the rest adds up to a lag

    delta_beta(beta) = int_0^beta r^2 dbeta',

as if the state were that of beta - delta_beta: its energy is off by Var(H) delta_beta.  Three more meters count: the
energy of the seed against the high-temperature series (of a Trotter network: against the extrapolated energy), carried
along as a lag too; the difference between the measured energy and E(0) - int Var(H) dbeta', which is the gap between
the two specific heats, integrated, or its noise where that is larger, since beta followed Var(H) as it was measured;
and the difference of the energies of the two layers.  They are combined in quadrature.  The estimate is a measure, not
a bound: the lag has a sign in the textbook clock only, and no meter sees an error that all samples share.
"""

from dataclasses import dataclass

import numpy as np
from scipy.integrate import cumulative_simpson, cumulative_trapezoid

from hpc_nqs.observables import thermodynamics


@dataclass(frozen=True)
class Path:
    """The meters along a run, per site, at growing inverse temperatures.

    Attributes
    ----------
    betas, energies, energy_errors, variances, variance_errors, residuals, layer_differences : (n,) float64
    """

    betas: np.ndarray
    energies: np.ndarray
    energy_errors: np.ndarray
    variances: np.ndarray
    variance_errors: np.ndarray
    residuals: np.ndarray
    layer_differences: np.ndarray


@dataclass(frozen=True)
class SystematicErrors:
    """Estimated systematic errors at the points of a `Path`, per site, all >= 0.

    Attributes
    ----------
    energy, entropy, free_energy : (n,) float64
    """

    energy: np.ndarray
    entropy: np.ndarray
    free_energy: np.ndarray


def estimate(path, model, start=None, exact_until=0.0):
    """Estimate the systematic errors along a run.

    Parameters
    ----------
    path : Path
        At least one point.
    model : SpinModel
    start : dict or None
        Of a run that starts from a Trotter network: "energy" holds (value, error) of the extrapolated energy per site
        at the first point, where it is known.  Only what happens after that point counts, and the lag of the first
        energy. None: the run starts so close to infinite temperature that the series judges its first energy.
    exact_until : float
        Inverse temperature up to which the states are known and not cooled: only what happens after that counts.

    Returns
    -------
    SystematicErrors
        Energies in units of the couplings.
    """
    lag = accumulated_lag(path.betas, path.residuals)
    n_known = int(np.searchsorted(path.betas, exact_until, side="right"))
    deficit, noise = energy_deficit(path, model, quietest(path, n_known) if n_known else None)
    if n_known:
        lag, deficit[:n_known] = np.maximum(0.0, lag - lag[n_known - 1]), 0.0
    elif start is None:
        lag = lag + seed_lag(path, model)
    else:
        lag, deficit = lag - lag[0] + trotter_lag(path, start), deficit - deficit[0]
    parts = path.variances * lag, np.maximum(np.abs(deficit), noise), 0.5 * path.layer_differences
    energy = np.sqrt(np.sum(np.square(parts), axis=0))
    integral = cumulative_trapezoid(np.append(0.0, energy), np.append(0.0, path.betas), initial=0.0)[1:]
    # s = ln 2 + beta e - int e dbeta'; half of the integral beside, since the error may change its sign on the way
    entropy = np.hypot(path.betas * energy - integral, 0.5 * integral)
    return SystematicErrors(energy=energy, entropy=entropy, free_energy=integral / path.betas)


def accumulated_lag(betas, residuals):
    """Return int_0^beta r^2 dbeta', (n,), with r^2 kept between 0 and 1."""
    bounded = np.clip(residuals, 0.0, 1.0)
    return cumulative_trapezoid(np.append(bounded[0], bounded), np.append(0.0, betas), initial=0.0)[1:]


def seed_lag(path, model):
    """Return the lag of the first energy against the series k_1 - k_2 beta + k_3 beta^2 / 2 of E, beyond the noise."""
    mean, variance, third = thermodynamics.infinite_temperature_cumulants(model)
    beta = path.betas[0]
    series = (mean - variance * beta + 0.5 * third * beta**2) / model.n_sites
    off = np.sqrt(max(0.0, (path.energies[0] - series) ** 2 - path.energy_errors[0] ** 2))
    return off / path.variances[0] if path.variances[0] > 0 else 0.0


def trotter_lag(path, start):
    """Return the lag of the first energy against the extrapolated one, beyond the noise; 0 where that is unknown."""
    if "energy" not in start or not path.variances[0] > 0:
        return 0.0
    value, error = start["energy"]
    noise = np.hypot(error, path.energy_errors[0])
    return np.sqrt(max(0.0, (path.energies[0] - value) ** 2 - noise**2)) / path.variances[0]


def quietest(path, n_known):
    """Return which of the first `n_known` points gives the energy at the last of them with the least noise."""
    changes = np.diff(path.betas[:n_known]) * path.variance_errors[1:n_known]
    behind = np.append(np.cumsum(np.square(changes)[::-1])[::-1], 0.0)
    return int(np.argmin(np.square(path.energy_errors[:n_known]) + behind))


def energy_deficit(path, model, first=None):
    """Return e(beta) - e(0) + int_0^beta Var(H) / N dbeta', zero where dE/dbeta = -Var(H) was followed, and its noise.

    Parameters
    ----------
    first : int, optional
        The point to begin from, in place of infinite temperature; up to there nothing is missing.

    Returns
    -------
    deficit, noise : (n,) float64
        The noise is the standard error from those of the energies and variances.
    """
    if first is None:
        mean, variance, _ = thermodynamics.infinite_temperature_cumulants(model)
        points = [(0.0, mean / model.n_sites, 0.0, variance / model.n_sites, 0.0)]
    else:
        points = []
    columns = path.betas, path.energies, path.energy_errors, path.variances, path.variance_errors
    points = np.concatenate([np.reshape(points, (-1, 5)), np.transpose(columns)[first or 0 :]])
    betas, energies, energy_errors, variances, variance_errors = points.T
    if len(betas) < 2:
        return np.zeros(len(path.betas)), np.zeros(len(path.betas))
    weights = cumulative_simpson(np.eye(len(betas)), x=betas, initial=0.0)  # of every point in every integral
    noise = np.square(variance_errors) @ np.square(weights) + np.square(energy_errors) + energy_errors[0] ** 2
    noise[0] = 0.0
    before = np.zeros(len(path.betas) - len(betas) + (1 if first is None else 0))
    own = slice(1 if first is None else 0, None)
    deficit = energies - energies[0] + variances @ weights
    return np.concatenate([before, deficit[own]]), np.concatenate([before, np.sqrt(noise[own])])
