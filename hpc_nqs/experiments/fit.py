"""Couplings and g factors from measured curves: weighted least squares of computed chi(T) or c(T).

    chi(T) = n 0.3751 g^2 / E chi~(T / E; x) + chi_0 + C / T        [emu/mol]
    c(T)   = n R c~(T / E; x) + a T^3                               [J/(mol K)]

E is the unit of energy of the input in kelvin, "J"; n are spins per formula unit; x is the number in which several
computed curves differ, such as J2/J1; chi_0, C (a tail of free spins) and a (phonons) are there when asked for.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from hpc_nqs.experiments.measured_curve import UNITS
from hpc_nqs.observables.molar_units import CURIE, GAS_CONSTANT

BACKGROUNDS = {"chi": ("chi_0", "curie"), "c": ("phonons",)}
N_SCAN = 80  # energies, evenly in their logarithm, that the search starts with
REACH = 30.0  # the search goes from the lowest measured T / REACH to the highest times it


@dataclass(frozen=True, eq=False)
class Fit:
    """Parameters of a fit and how well it does.

    Attributes
    ----------
    values, errors : dict of str: float
        J in kelvin, g, the number of the family by its name, and backgrounds; errors are standard deviations, 0 for
        what was held.
    covariance : (n_free, n_free) float64
        Of the free parameters, in the order of `free`.
    free : tuple of str
    chi_squared : float
        Weighted sum of squares; without errors of the data relative to their mean square residual, which is n_degrees.
    n_degrees : int
        Data minus free parameters.
    model : (n,) float64
        The fitted curve at the measured temperatures.
    has_errors : bool
        Whether the data came with errors; otherwise those of the parameters follow from the scatter.
    outside : int
        Measured temperatures at which the computed curve is not known.
    """

    values: dict
    errors: dict
    covariance: np.ndarray
    free: tuple
    chi_squared: float
    n_degrees: int
    model: np.ndarray
    has_errors: bool
    outside: int


class Problem:
    """One measured curve, the computed ones, and what is free.

    Parameters
    ----------
    data : MeasuredCurve
    family : TheoryFamily
    quantity : str
        "chi" or "c".
    n_spins : float
        Spins per formula unit.
    g : float, optional
        Held at this value; free by default, where the quantity is chi.
    backgrounds : sequence of str
        Of `BACKGROUNDS[quantity]`.

    Raises
    ------
    ValueError
        A background that the quantity does not have, or fewer data than free parameters and one.
    """

    def __init__(self, data, family, quantity, n_spins=1.0, g=None, backgrounds=()):
        unknown = [name for name in backgrounds if name not in BACKGROUNDS[quantity]]
        if unknown:
            raise ValueError(f"{unknown[0]}: of {quantity} allowed are {', '.join(BACKGROUNDS[quantity])}")
        self.data, self.family, self.quantity, self.n_spins, self.g = data, family, quantity, n_spins, g
        self.weights = np.ones(len(data.value)) if data.error is None else 1.0 / data.error
        self.backgrounds = tuple(name for name in BACKGROUNDS[quantity] if name in backgrounds)
        self.has_free_g = quantity == "chi" and g is None
        self.free = ("J", *[family.name] * (len(family.values) > 1), *["g"] * self.has_free_g, *self.backgrounds)
        if len(data.value) <= len(self.free):
            raise ValueError(f"{len(data.value)} data for {len(self.free)} parameters, {', '.join(self.free)}")

    def solve(self):
        """Return the `Fit` of least squares: a scan over J and x with the rest linear, then all parameters together."""
        start = self._scanned()
        scale = np.where(start == 0, 1.0, np.abs(start))
        allowed = {"J": (0.0, np.inf), "g": (0.0, np.inf), self.family.name: tuple(self.family.values[[0, -1]])}
        low, high = np.array([allowed.get(name, (-np.inf, np.inf)) for name in self.free]).T / scale
        inside = np.clip(start / scale, np.nextafter(low, np.inf), np.nextafter(high, -np.inf))
        solution = least_squares(
            lambda u: self._residuals(u * scale), inside, bounds=(low, high), xtol=1e-12, ftol=1e-12, x_scale="jac"
        )
        return self._fit(solution.x * scale, solution.jac / scale)

    def model(self, parameters):
        """Return the curve at the measured temperatures for free parameters in the order of `free`."""
        given = dict(zip(self.free, parameters, strict=True))
        curve = self._magnetic(given["J"], given.get(self.family.name)) * self._g_squared(given)
        for name in self.backgrounds:
            curve = curve + given[name] * self._shape(name)
        return curve

    def _magnetic(self, energy, x):
        """Return the contribution of the spins at the measured temperatures, of g = 1."""
        reduced = self.family.value(self.data.temperature / energy, x)
        return self.n_spins * reduced * (CURIE / energy if self.quantity == "chi" else GAS_CONSTANT)

    def _shape(self, name):
        temperature = self.data.temperature
        return {"chi_0": np.ones_like(temperature), "curie": 1 / temperature, "phonons": temperature**3}[name]

    def _residuals(self, parameters):
        return self.weights * (self.model(parameters) - self.data.value)

    def _scanned(self):
        """Return free parameters near the least squares: the best of a grid in J and x, the others linear."""
        temperature = self.data.temperature
        energies = np.geomspace(temperature[0] / REACH, temperature[-1] * REACH, N_SCAN)
        xs = self.family.values if len(self.family.values) > 1 else [None]
        found = [(*self._amplitudes(energy, x), energy, x) for energy in energies for x in xs]
        physical = [each for each in found if not self.has_free_g or each[1][0] > 0]
        if not physical:
            unit = UNITS[self.quantity]
            raise ValueError(f"no J gives a positive g^2: is the file one of {self.quantity} in {unit}?")
        _, amplitudes, energy, x = min(physical, key=lambda each: each[0])
        if self.has_free_g:
            amplitudes[0] = np.sqrt(amplitudes[0])
        return np.array([energy, *([] if x is None else [x]), *amplitudes])

    def _amplitudes(self, energy, x):
        """Return (sum of squares, [g^2 where it is free, backgrounds]) of the best linear part for J and x."""
        spins = self._magnetic(energy, x)
        columns, rest = [self._shape(name) for name in self.backgrounds], self.data.value
        if self.has_free_g:
            columns.insert(0, spins)
        else:
            rest = rest - spins * self._g_squared({})
        matrix = np.array(columns).reshape(-1, len(spins)).T * self.weights[:, None]
        amplitudes = np.linalg.lstsq(matrix, self.weights * rest)[0]
        return np.sum((matrix @ amplitudes - self.weights * rest) ** 2), amplitudes

    def _g_squared(self, given):
        """Return g^2, free or held, as it multiplies chi; 1 of c."""
        return given.get("g", self.g) ** 2 if self.quantity == "chi" else 1.0

    def _fit(self, parameters, jacobian):
        """Return the `Fit` of parameters and the derivatives of the residuals."""
        given = dict(zip(self.free, parameters, strict=True))
        residuals = self._residuals(parameters)
        chi_squared, n_degrees = float(residuals @ residuals), len(residuals) - len(parameters)
        has_errors = self.data.error is not None
        lengths = np.linalg.norm(jacobian, axis=0)
        inverse = np.linalg.pinv((jacobian / lengths).T @ (jacobian / lengths)) / np.outer(lengths, lengths)
        covariance = inverse if has_errors else inverse * chi_squared / n_degrees
        shift = inverse @ (jacobian.T @ (self.weights * self._theory_error(given)))
        covariance = covariance + np.outer(shift, shift)
        held = {} if self.g is None or self.quantity != "chi" else {"g": self.g}
        errors = dict(zip(self.free, np.sqrt(np.diag(covariance)), strict=True))
        reduced = self.data.temperature / given["J"]
        return Fit(
            values={name: float(value) for name, value in (given | held).items()},
            errors={name: float(error) for name, error in (errors | dict.fromkeys(held, 0.0)).items()},
            covariance=covariance,
            free=self.free,
            chi_squared=chi_squared if has_errors else float(n_degrees),
            n_degrees=n_degrees,
            model=self.model(parameters),
            has_errors=has_errors,
            outside=int(np.sum((reduced < self.family.lowest) | (reduced > self.family.highest))),
        )

    def _theory_error(self, given):
        """Return the errors of the computed curve in units of the data, (n,) float64; 0 of exact ones.

        They shift all points together: errors of neighbouring temperatures of one run do not average out.
        """
        energy, x = given["J"], given.get(self.family.name)
        scale = CURIE / energy if self.quantity == "chi" else GAS_CONSTANT
        return self.n_spins * scale * self._g_squared(given) * self.family.error(self.data.temperature / energy, x)
