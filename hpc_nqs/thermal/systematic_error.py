"""The estimated systematic error of the energies of a thermal run: what its meters say beyond the statistics.

A state follows the fraction 1 - r^2 of the evolution (r^2 the TDVP residual).  What is unexplained of the heat,

    int_0^beta Var(H) r^2 / (1 + r^2 / R) dbeta',

is an error of e; where r^2 is large it adds up more slowly, since the clock holds dE/dbeta = -Var(H).  The rest is an
error of the label beta, which is the same for every quantity: what the energy and, of exact sums, the variance of the
seed miss of the high-temperature series (of a Trotter network: of the extrapolated energy); the difference between the
measured energy and E(0) - int Var(H) dbeta' beyond its noise, which is the gap between the two specific heats,
integrated, or for networks that noise, where it is larger; the difference of the energies of the two layers; and what
steps may miss of a change of energy.  All are combined in quadrature.  `observable_error` makes errors of all other
quantities of it.

R was calibrated, see docs/theory/clock_and_errors.md.  The estimate is a measure, not a bound.
"""

from dataclasses import dataclass

import numpy as np
from scipy.integrate import cumulative_simpson, cumulative_trapezoid

from hpc_nqs.observables import thermodynamics

SATURATED = 0.1  # R
STEPS = 5e-4  # relative: what steps miss of a change, see `evolution.MAX_ENERGY_ERROR`
HEALED = 2.0  # changes of beta by so much of itself bring back what was missed before
SHARED = 1.5  # of the statistical error of an integral along a path: steps share their chains, calibrated
CERTAIN = 2.0  # standard errors beyond which a deficit is none of the noise


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
    label : (n,) float64
        The part of `energy` that is an error of the label beta, steps left out.
    heat, unexplained : (n,) float64
        int Var(H) / N dbeta' from where the state evolves on, and int r^2 Var(H) / N dbeta'.
    """

    energy: np.ndarray
    entropy: np.ndarray
    free_energy: np.ndarray
    label: np.ndarray
    heat: np.ndarray
    unexplained: np.ndarray


def estimate(path, model, start=None, exact_until=0.0, noisy=False):
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
    noisy : bool
        The noise of the path is an error of the label: of networks, not of tables.

    Returns
    -------
    SystematicErrors
        Energies in units of the couplings.
    """
    residuals = np.clip(path.residuals, 0.0, 1.0)
    heat, unexplained, slower = (
        integrated(path.betas, share * path.variances)
        for share in (np.ones(len(residuals)), residuals, residuals / (1 + residuals / SATURATED))
    )
    n_known = int(np.searchsorted(path.betas, exact_until, side="right"))
    deficit, noise = energy_deficit(path, model, quietest(path, n_known) if n_known else None)
    changes = np.abs(path.energies - thermodynamics.infinite_temperature_cumulants(model)[0] / model.n_lattice_sites)
    lag = np.zeros(len(path.betas))
    if n_known:
        heat, unexplained, slower = (np.maximum(0.0, part - part[n_known - 1]) for part in (heat, unexplained, slower))
        deficit[:n_known] = 0.0
        changes = np.where(path.betas <= exact_until, 0.0, np.abs(path.energies - path.energies[n_known - 1]))
    elif start is None:
        lag = seed_lag(path, model)
    else:
        heat, unexplained, slower = (part - part[0] for part in (heat, unexplained, slower))
        lag, deficit = lag + trotter_lag(path, start), deficit - deficit[0]
    gap = np.sqrt(np.maximum(0.0, np.square(deficit) - np.square(CERTAIN * noise)))
    gap = np.maximum(gap, noise) if noisy else gap
    label = np.sqrt(np.sum(np.square((path.variances * lag, gap, 0.5 * path.layer_differences)), axis=0))
    missed = STEPS * np.minimum(changes, HEALED * path.betas * np.abs(path.variances))
    energy = np.sqrt(np.sum(np.square((slower, label, missed)), axis=0))
    integral = integrated(path.betas, energy, at_zero=0.0)
    # s = s(0) + beta e - int e dbeta'; half of the integral beside, since the error may change its sign on the way
    entropy = np.hypot(path.betas * energy - integral, 0.5 * integral)
    return SystematicErrors(energy, entropy, integral / path.betas, label, heat, unexplained)


def integrated(betas, values, at_zero=None):
    """Return int_0^beta of values (n,) at every point; at beta = 0 they are those of the first point if not given."""
    first = values[0] if at_zero is None else at_zero
    return cumulative_trapezoid(np.append(first, values), np.append(0.0, betas), initial=0.0)[1:]


def seed_lag(path, model):
    """Return the lag of the seed along the path, (n,): of its first energy, and of exact sums of its variance.

    e = k_1 - k_2 beta + k_3 beta^2 / 2 - k_4 beta^3 / 6 and its slope, beyond the noise.  A variance that is wrong by a
    fraction x stays so for a while, as if beta were wrong by this fraction; noise of sampled ones hides that.
    """
    cumulants = [part / model.n_lattice_sites for part in thermodynamics.infinite_temperature_cumulants(model)]
    fourth = thermodynamics.infinite_temperature_fourth(model)
    mean, variance, third = cumulants
    fourth = 0.0 if fourth is None else fourth / model.n_lattice_sites
    beta, first = path.betas[0], path.variances[0]
    if not first > 0:
        return np.zeros(len(path.betas))
    series = mean - variance * beta + third * beta**2 / 2 - fourth * beta**3 / 6
    off = np.sqrt(max(0.0, (path.energies[0] - series) ** 2 - (CERTAIN * path.energy_errors[0]) ** 2))
    fraction = 0.0
    if path.variance_errors[0] == 0:
        fraction = abs(first - (variance - third * beta + fourth * beta**2 / 2)) / first
    return off / first + fraction * path.betas


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
        points = [(0.0, mean / model.n_lattice_sites, 0.0, variance / model.n_lattice_sites, 0.0)]
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
