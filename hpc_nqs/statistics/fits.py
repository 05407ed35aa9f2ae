"""Extrapolation: fits in dtau^2 and in the variance with errors, and the inverse temperatures between reported ones."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Fit:
    """y(dtau) = y_0 + y_1 dtau^2 (+ y_2 dtau^4).

    Attributes
    ----------
    value, error : float
        y_0 and its standard error, from the covariance of the fit.
    covariance : (n, n) float64
        Of all coefficients.
    chi_squared : float
    n_free : int
        Points minus coefficients; 0: nothing judges the fit.
    """

    value: float
    error: float
    covariance: np.ndarray
    chi_squared: float
    n_free: int


def extrapolate(dtaus, values, errors):
    """Fit values (n,) with standard errors (n,) against dtau^2, weights 1 / error^2.

    A straight line for two or three values of dtau, a parabola in dtau^2 from four on; one value stands as it is.
    Errors of zero weigh alike.

    Raises
    ------
    ValueError
        Different lengths, none at all, or equal values of dtau.
    """
    squares, values, errors = np.asarray(dtaus, dtype=np.float64) ** 2, np.asarray(values), np.asarray(errors)
    if not len(squares) or squares.shape != values.shape or squares.shape != errors.shape:
        raise ValueError(f"{squares.shape} dtau, {values.shape} values and {errors.shape} errors; wanted (n,) of each")
    if len(np.unique(squares)) < len(squares):
        raise ValueError(f"dtau = {list(dtaus)}: all must differ")
    n_coefficients = min(len(squares), 2 if len(squares) <= 3 else 3)
    scales = errors if (errors > 0.0).all() else np.ones(len(errors))
    largest = squares.max() or 1.0  # a single value may stand at dtau = 0
    design = (squares / largest)[:, None] ** np.arange(n_coefficients) / scales[:, None]
    inverse = np.linalg.inv(design.T @ design)
    solution = inverse @ design.T @ (values / scales)
    residuals = values / scales - design @ solution
    to_units = largest ** -np.arange(n_coefficients, dtype=np.float64)
    covariance = inverse * np.outer(to_units, to_units)
    if scales is not errors:
        covariance = 0.0 * covariance
    chi_squared = float(residuals @ residuals) if scales is errors else 0.0
    return Fit(
        float(solution[0]), float(np.sqrt(covariance[0, 0])), covariance, chi_squared, len(squares) - n_coefficients
    )


@dataclass(frozen=True)
class Line:
    """y(x) = value + slope x.

    Attributes
    ----------
    value, error, slope : float
        y(0), its standard error (enlarged where chi^2 per degree of freedom exceeds one), dy/dx.
    chi_squared : float
    n_free : int
        Points minus two.
    """

    value: float
    error: float
    slope: float
    chi_squared: float
    n_free: int


def fit_line(x, y, errors):
    """Return the `Line` through points (n,) with standard errors (n,) of y, weights 1 / error^2.

    Where an error is zero all points weigh alike, and the error of the limit comes from their scatter.

    Raises
    ------
    ValueError
        Fewer than two different x.
    """
    if len(np.unique(x)) < 2:
        raise ValueError(f"x = {list(x)}: a line needs two different values")
    known = bool((np.asarray(errors) > 0).all())
    scales = np.asarray(errors) if known else np.ones(len(x))
    design = np.stack([np.ones(len(x)), x], axis=1) / scales[:, None]
    covariance = np.linalg.inv(design.T @ design)
    value, slope = solution = covariance @ design.T @ (y / scales)
    chi_squared, n_free = float(np.sum((y / scales - design @ solution) ** 2)), len(x) - 2
    scatter = chi_squared / n_free if n_free else 0.0
    error = np.sqrt(covariance[0, 0] * (max(1.0, scatter) if known else scatter))
    return Line(float(value), float(error), float(slope), chi_squared if known else 0.0, n_free)


