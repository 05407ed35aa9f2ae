"""Computed curves against T, for one model or for several that differ in one number, as smooth functions."""

import numpy as np
from scipy.interpolate import CubicSpline, make_interp_spline

EXACT_RANGE, N_EXACT = (1e-2, 1e3), 401  # of T in units of the largest coupling, for curves from all levels
MAX_ORDER = 3  # of the spline in x


class TheoryCurve:
    """chi or c per site as a function of T, everything in units of the couplings; a cubic in ln T between points.

    Parameters
    ----------
    temperature, value, error : (n,) float64
        In any order; errors are total ones, 0 for exact values.
    decay : int
        The curve falls as T^-decay at high temperature: 1 of chi, 2 of c.

    Attributes
    ----------
    lowest, highest : float
        Temperatures between which the curve is known.

    Raises
    ------
    ValueError
        Fewer than four temperatures.
    """

    def __init__(self, temperature, value, error, decay):
        order = np.argsort(temperature)
        points = np.log(np.asarray(temperature, dtype=np.float64)[order])
        if len(points) < 4:
            raise ValueError(f"{len(points)} temperatures with results; needed are at least 4")
        self.lowest, self.highest = np.exp(points[[0, -1]])
        self._value = CubicSpline(points, np.asarray(value, dtype=np.float64)[order])
        self._decay = decay
        self._points, self._error = points, np.asarray(error, dtype=np.float64)[order]

    def value(self, temperature):
        """Return the curve at `temperature`; above `highest` it follows the leading power, below `lowest` it stands."""
        points = np.log(temperature)
        beyond = np.maximum(points - self._points[-1], 0.0)
        return self._value(np.clip(points, self._points[0], self._points[-1])) * np.exp(-self._decay * beyond)

    def error(self, temperature):
        """Return the standard deviation of `value`, interpolated."""
        return np.interp(np.log(temperature), self._points, self._error)


class TheoryFamily:
    """Curves of models that differ in one number x, as a polynomial spline in x of up to third order between them.

    Parameters
    ----------
    name, unit : str
        Of the number; empty for a single curve.  The unit is "J" for an energy.
    values : sequence of float
        x of every curve, all different.
    curves : sequence of TheoryCurve

    Raises
    ------
    ValueError
        Two curves of the same x, or two curves only, between which nothing tells how straight lines fail.
    """

    def __init__(self, name, values, curves, unit=""):
        if len(set(values)) < len(values):
            raise ValueError(f"two curves have the same {name or 'model'}")
        if len(values) == 2:
            raise ValueError(f"curves for two values of {name} only; needed are at least 3")
        order = np.argsort(values)
        self.name, self.unit, self.values = name, unit, np.asarray(values, dtype=np.float64)[order]
        self.curves = [curves[k] for k in order]
        self.lowest = max(curve.lowest for curve in curves)
        self.highest = min(curve.highest for curve in curves)

    def value(self, temperature, x=None):
        """Return the curve of x at `temperature`."""
        return self._between([curve.value(temperature) for curve in self.curves], x, MAX_ORDER)

    def error(self, temperature, x=None):
        """Return the standard deviation of `value`.

        The larger one of the two neighbours of x, and of the interpolation in x what one order less changes and a
        quarter of what straight lines change.
        """
        errors = np.stack([curve.error(temperature) for curve in self.curves])
        if len(errors) == 1:
            return errors[0]
        place = int(np.clip(np.searchsorted(self.values, x), 1, len(self.values) - 1))
        parts = [curve.value(temperature) for curve in self.curves]
        best = self._between(parts, x, MAX_ORDER)
        lower, linear = (self._between(parts, x, order) for order in (min(MAX_ORDER, len(parts) - 1) - 1, 1))
        of_x = np.hypot(best - lower, 0.25 * (best - linear))
        return np.hypot(np.maximum(errors[place - 1], errors[place]), of_x)

    def _between(self, parts, x, order):
        if len(parts) == 1:
            return parts[0]
        spline = make_interp_spline(self.values, np.stack(parts), k=min(order, len(parts) - 1))
        return spline(np.clip(x, self.values[0], self.values[-1]))
