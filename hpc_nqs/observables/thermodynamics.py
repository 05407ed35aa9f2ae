"""Thermodynamic integrals along the energy curve, and the exact moments of H at infinite temperature.

ln Z(beta) = ln Z(0) - int_0^beta E dbeta', f = -ln Z / (N beta), s = ln Z / N + beta e, c = -beta^2 de/dbeta; of spins
ln Z(0) = N ln 2, of electrons the logarithm of the number of the states of their ensemble.
Everything but the moments is linear in the energy: total in, total out; per site in, per site out.
"""

import numpy as np

from hpc_nqs.hamiltonians.electron_model import ElectronModel
from hpc_nqs.hamiltonians.matrices import pair_matrix
from hpc_nqs.observables import electron_moments

LN_2 = float(np.log(2.0))
MAX_STRINGS = 1500  # of H; beyond, its fourth cumulant takes too long


def integrate_energy(betas, energies, slopes=None, errors=None, slope_errors=None, start_energy=0.0, start_slope=None):
    """Integrate E over inverse temperature from 0 to every point of a run's history.

    Intervals of length h between points with slopes use the cubic Hermite interpolant,
    h (E_0 + E_1) / 2 + h^2 (E'_0 - E'_1) / 12 (error of order h^4 in all), others the trapezoid. If the history begins
    at beta_0 > 0 an interval [0, beta_0] from the infinite-temperature values is put in front: Hermite with both
    slopes, h (2 E_0 + E_1) / 3 + h^2 E'_0 / 6 if only `start_slope` is known, else the trapezoid.

    Parameters
    ----------
    betas : (n,) float64
        Strictly increasing, >= 0.
    energies : (n,) float64
    slopes : (n,) float64, optional
        dE/dbeta = -Var(H), of the total energy if `energies` are totals.
    errors, slope_errors : (n,) float64, optional
        Standard errors, taken to be independent of each other; zero if not given.
    start_energy, start_slope : float
        E(0) = Tr H / 2^N and dE/dbeta(0) = -`infinite_temperature_variance`, exact. Not used if betas[0] = 0.

    Returns
    -------
    integral, error : (n,) float64
        At every point of `betas`.

    Raises
    ------
    ValueError
        Wrong shapes, non-finite numbers, or betas that are negative or do not increase.
    """
    betas, energies = _checked_curve(betas, energies)
    slopes = _checked_column("slopes", slopes, betas)
    errors = _checked_column("errors", np.zeros(betas.size) if errors is None else errors, betas)
    slope_errors = _checked_column(
        "slope_errors", np.zeros(betas.size) if slope_errors is None else slope_errors, betas
    )
    if betas.size == 0:
        return np.zeros(0), np.zeros(0)
    steps = np.diff(betas, prepend=0.0)
    # Weights of the left and right ends of the interval that ends at each point, for energies and for slopes.
    left, right = 0.5 * steps, 0.5 * steps
    left_slope, right_slope = np.zeros(betas.size), np.zeros(betas.size)
    if slopes is not None:
        left_slope, right_slope = steps**2 / 12, -(steps**2) / 12
        if start_slope is None:
            left_slope[0] = right_slope[0] = 0.0
    elif start_slope is not None:
        left[0], right[0], left_slope[0] = 2 * steps[0] / 3, steps[0] / 3, steps[0] ** 2 / 6
    integral = left * np.append(start_energy, energies[:-1]) + right * energies
    if slopes is not None:
        integral += left_slope * np.append(start_slope or 0.0, slopes[:-1]) + right_slope * slopes
    elif start_slope is not None:
        integral[0] += left_slope[0] * start_slope
    variance = _end_weighted_variance(left, right, errors)
    if slopes is not None:
        variance += _end_weighted_variance(left_slope, right_slope, slope_errors)
    return np.cumsum(integral), np.sqrt(variance)


def _end_weighted_variance(left, right, errors):
    """Compute the variance of sums over intervals.

    A point counts right_k + left_(k+1) once it is passed, right_k as the last one.
    """
    passed = ((right[:-1] + left[1:]) * errors[:-1]) ** 2
    return np.append(0.0, np.cumsum(passed)) + (right * errors) ** 2


def entropy(beta, energy, integral, start=LN_2):
    """Compute s = s(0) + beta e - int_0^beta e dbeta', per site.

    Parameters
    ----------
    beta, energy, integral : float or arrays of one shape
        Inverse temperature, energy per site, and its integral (of `integrate_energy`).
    start : float
        s at infinite temperature: ln 2 of spins, see `infinite_temperature_entropy`.
    """
    return start + beta * energy - integral


def possible_entropy(value, error, largest=LN_2):
    """Return an entropy per site, the nearest end in place of one outside 0 <= s <= `largest` within its error.

    What lies further outside is returned as it is: its energies are wrong, and a reader has to see that.
    """
    nearest = float(np.clip(value, 0.0, largest))
    return nearest if abs(value - nearest) <= error else float(value)


def entropy_error(beta, energy_error, integral_error):
    """Combine the errors of `entropy`'s terms in quadrature.

    The energy is the last point of its own integral, with the small weight h/2 of opposite sign: the result is larger
    than the exact propagation, by a fraction of order h / beta.
    """
    return np.hypot(beta * np.asarray(energy_error), integral_error)


def free_energy(beta, integral, start=LN_2):
    """Compute f = -(s(0) - int_0^beta e dbeta') / beta, per site; its error is that of the integral over beta.

    Raises
    ------
    ValueError
        beta = 0, where f is minus infinity, or beta < 0.
    """
    if not np.all(np.asarray(beta) > 0.0):
        raise ValueError(f"beta = {beta}; the free energy needs beta > 0")
    return (integral - start) / beta


def entropy_and_free_energy(row, integral, integral_error, start=LN_2):
    """Return entropy and free_energy with their errors, as entries of the row of e and its error.

    Parameters
    ----------
    row : dict
        beta, energy, energy_error.
    integral, integral_error : float
        int_0^beta e dbeta' and its standard error.
    start : float
        s at infinite temperature.
    """
    beta, integral, integral_error = row["beta"], float(integral), float(integral_error)
    return {
        "entropy": float(entropy(beta, row["energy"], integral, start)),
        "entropy_error": float(entropy_error(beta, row["energy_error"], integral_error)),
        "free_energy": float(free_energy(beta, integral, start)),
        "free_energy_error": integral_error / beta,
    }


def specific_heat_from_slope(betas, energies, errors, at_beta, window=0.25, n_least=6):
    """Estimate c = -beta^2 de/dbeta from a local quadratic fit of e(beta).

    Points within window * at_beta of `at_beta`, and at least the `n_least` nearest ones, are fitted with weights
    1 / error^2. The error follows from the errors of the points and is enlarged by sqrt(chi^2 / degrees of freedom)
    where the points scatter, or the curve bends, more than the errors explain. Without errors it follows from the
    scatter. At an end of the history only one side is known, and error and bias are larger.

    Parameters
    ----------
    betas, energies : (n,) float64
        History of a run; betas strictly increasing.
    errors : (n,) float64 or None
        Standard errors of the energies, independent of each other. If any is zero, none is used.
    at_beta : float
    window : float
        Half-width relative to `at_beta`.
    n_least : int, >= 3

    Returns
    -------
    value, error : float
        nan as error when three points leave nothing to judge the scatter by and no errors are given.

    Raises
    ------
    ValueError
        Fewer than three points, `at_beta` more than a step outside of them, or input as refused by `integrate_energy`.
    """
    betas, energies = _checked_curve(betas, energies)
    errors = _checked_column("errors", errors, betas)
    if betas.size < 3:
        raise ValueError(f"{betas.size} points of e(beta); a slope needs at least 3")
    slack = np.diff(betas).max()
    if not betas[0] - slack <= at_beta <= betas[-1] + slack:
        raise ValueError(f"at_beta = {at_beta}; the history covers {betas[0]} to {betas[-1]}")
    distance = np.abs(betas - at_beta)
    reach = max(window * at_beta, np.sort(distance)[min(n_least, betas.size) - 1])
    chosen = distance <= reach
    has_errors = errors is not None and (errors[chosen] > 0.0).all()
    scale = errors[chosen] if has_errors else np.ones(chosen.sum())
    # In units of the reach the columns of the design matrix are of order one.
    offset = (betas[chosen] - at_beta) / reach
    design = np.stack([np.ones(offset.size), offset, offset**2], axis=1) / scale[:, None]
    orthogonal, triangle = np.linalg.qr(design)
    target = energies[chosen] / scale
    inverse = np.linalg.inv(triangle)
    slope = (inverse @ (orthogonal.T @ target))[1] / reach
    slope_error = np.linalg.norm(inverse[1]) / reach
    freedom = offset.size - 3
    excess = np.linalg.norm(target - orthogonal @ (orthogonal.T @ target)) / np.sqrt(freedom) if freedom else np.nan
    if has_errors:
        excess = max(1.0, excess) if freedom else 1.0
    return float(-(at_beta**2) * slope), float(at_beta**2 * slope_error * excess)


def infinite_temperature_variance(model):
    """Compute Var_inf = Tr H^2 / 2^N - (Tr H / 2^N)^2, total and exact; dE/dbeta = -Var_inf at beta = 0."""
    return infinite_temperature_cumulants(model)[1]


def infinite_temperature_entropy(model):
    """Return the entropy at infinite temperature per site of the lattice: ln 2 of spins."""
    if model.of_electrons:
        return electron_moments.entropy(model) / model.n_lattice_sites
    return LN_2 * model.n_sites / model.n_lattice_sites


def infinite_temperature_cumulants(model):
    """Compute the first three cumulants of H in the uniform mixture of all 2^N states, exactly.

    They are the start of the high-temperature series E(beta) = k_1 - k_2 beta + k_3 beta^2 / 2 - ... (total energy).
    H = sum_(i<j) [C_ij Z_i Z_j + A_ij X_i X_j + B_ij Y_i Y_j] + sum_i (h_i Z_i + G_i X_i), A and B the sum and the
    difference of the halves of the elements of antiparallel and of parallel pairs, all real.  Distinct Pauli strings
    are orthogonal, so k_2 is the sum of squared coefficients. Three strings multiply to +1 on a triangle of one letter
    or on a bond with its two end fields, and to -1 as XX, YY, ZZ of one bond:
    k_3 = Tr (A^3 + B^3 + C^3) + 3 h.C.h + 3 G.A.G - 6 sum_(i<j) A_ij B_ij C_ij.  Of electrons see `electron_moments`.

    Parameters
    ----------
    model : SpinModel or ElectronModel

    Returns
    -------
    mean, variance, third : float
        Total, not per site. Terms given more than once add up.
    """
    if isinstance(model, ElectronModel):
        return electron_moments.cumulants(model)[:3]
    n_sites = model.n_sites
    ising = pair_matrix(n_sites, model.pair_sites, model.pair_coupling)
    mean = 0.5 * float(np.trace(ising))  # pairs of a site with itself are constants
    np.fill_diagonal(ising, 0.0)
    of_x, of_y = _transverse(model)
    flip = np.zeros(n_sites)
    np.add.at(flip, model.flip_sites, model.flip_element)
    field = np.asarray(model.site_field, dtype=np.float64)
    # symmetric matrices hold every bond twice
    variance = 0.5 * (ising**2 + of_x**2 + of_y**2).sum() + field @ field + flip @ flip
    third = (
        sum(np.sum(matrix @ matrix * matrix) for matrix in (ising, of_x, of_y))
        + 3.0 * (field @ ising @ field + flip @ of_x @ flip)
        - 3.0 * np.sum(of_x * of_y * ising)
    )
    return mean, float(variance), float(third)


def infinite_temperature_fourth(model):
    """Compute the fourth cumulant of H in the uniform mixture of all 2^N states, exactly; total.

    H without its mean is a sum of Pauli strings, H^2 one of the products of two that commute, and Tr H^4 / 2^N the sum
    of its squared coefficients: k_4 = Tr H^4 / 2^N - 3 k_2^2, and Var(H) = k_2 - k_3 beta + k_4 beta^2 / 2 - ...

    Parameters
    ----------
    model : SpinModel

    Returns
    -------
    float or None
        None for more than MAX_STRINGS strings, or more than `electron_moments.MAX_STATES` states of electrons.
    """
    if isinstance(model, ElectronModel):
        return electron_moments.cumulants(model)[3]
    coefficients, flips, signs = _pauli_strings(model)
    if len(coefficients) > MAX_STRINGS:
        return None
    both = flips * signs  # sites of Y
    crossed = signs @ flips.T  # Z of the first string and X of the second
    commute = (crossed + crossed.T) % 2 == 0
    # Y = i X Z: the product of two strings is i^exponent times a string
    exponent = crossed - crossed.T + 2 * (both @ (flips + signs).T + (flips + signs) @ both.T)
    products = np.outer(coefficients, coefficients) * np.where(exponent % 4 == 0, 1.0, -1.0)
    # a string is known by its sum modulo 2 of random words, one for X and one for Z of every site
    words = np.random.default_rng(0).integers(0, 2**63, 2 * model.n_sites, dtype=np.uint64)
    masks = np.concatenate([flips, signs], axis=1).astype(bool)
    names = np.bitwise_xor.reduce(np.where(masks, words, np.uint64(0)), axis=1)
    _, which = np.unique((names[:, None] ^ names)[commute], return_inverse=True)
    square = np.bincount(which.reshape(-1), weights=products[commute])
    return float(square @ square) - 3.0 * float(coefficients @ coefficients) ** 2


def _pauli_strings(model):
    """Return H without its mean as Pauli strings: coefficients (n,), and X and Z of every site, 0 or 1, (n, n_sites).

    A site with both has Y.
    """
    n_sites = model.n_sites
    ising = pair_matrix(n_sites, model.pair_sites, model.pair_coupling)
    of_x, of_y = _transverse(model)
    flip = np.zeros(n_sites)
    np.add.at(flip, model.flip_sites, model.flip_element)
    field, single = np.asarray(model.site_field, dtype=np.float64), np.eye(n_sites)
    pairs, none = np.triu_indices(n_sites, k=1), np.zeros((n_sites, n_sites))
    bonds = single[pairs[0]] + single[pairs[1]]
    parts = (
        (ising[pairs], 0 * bonds, bonds), (of_x[pairs], bonds, 0 * bonds), (of_y[pairs], bonds, bonds),
        (field, none, single), (flip, single, none),
    )
    coefficients, flips, signs = (np.concatenate(part) for part in zip(*parts, strict=True))
    kept = coefficients != 0
    return coefficients[kept], flips[kept], signs[kept]


def _transverse(model):
    """Return the coefficients of X_i X_j and of Y_i Y_j as symmetric matrices."""
    exchange = pair_matrix(model.n_sites, model.exchange_sites, 0.5 * np.asarray(model.exchange_element))
    parallel = pair_matrix(model.n_sites, model.parallel_sites, 0.5 * np.asarray(model.parallel_element))
    return exchange + parallel, exchange - parallel


def _checked_curve(betas, energies):
    """Return beta and E as float64; raise ValueError unless they are finite and beta increases from >= 0."""
    betas = np.asarray(betas, dtype=np.float64)
    if betas.ndim != 1:
        raise ValueError(f"betas has shape {betas.shape}; wanted (n,)")
    if not (np.isfinite(betas).all() and (betas[:1] >= 0.0).all() and (np.diff(betas) > 0.0).all()):
        raise ValueError("betas must be finite, strictly increasing and not negative")
    return betas, _checked_column("energies", energies, betas)


def _checked_column(name, column, betas):
    """Return a float64 column of the history, None if there is none; raise ValueError unless it fits and is finite."""
    if column is None:
        return None
    column = np.asarray(column, dtype=np.float64)
    if column.shape != betas.shape:
        raise ValueError(f"{name} has shape {column.shape}; wanted {betas.shape}")
    if not np.isfinite(column).all():
        raise ValueError(f"{name}[{int(np.flatnonzero(~np.isfinite(column))[0])}] is not finite")
    return column
