"""Results of fits to measured curves as text and JSON."""

import json
import math

import numpy as np

from hpc_nqs.experiments.measured_curve import UNITS
from hpc_nqs.reports.numbers import value_text

_UNITS = {"J": "K", "g": "", "chi_0": "emu/mol", "curie": "emu K/mol", "phonons": "J/(mol K^4)"}
_LARGE_RESIDUAL = 3.0  # standard deviations, beyond which rows are marked
USUAL_G = (0.5, 20.0)
SIGNIFICANT = 3.0  # chi^2 per degree of freedom above its mean in standard deviations, beyond which a sentence says so


def table_text(result, problem):
    """Return the parameters, how good the fit is, and the curve beside the data.

    Parameters
    ----------
    result : Fit
    problem : Problem
    """
    widest = max(map(len, result.values))
    lines = [f"{name:>{widest}} = {shown}" for name, shown in _parameters(result, problem)]
    lines += ["", _quality(result), *_warnings(result, problem), ""]
    lines += _rows(result, problem)
    return "\n".join(lines) + "\n"


def summary(result, problem):
    """Return the parameters on one line."""
    return ", ".join(f"{name} = {shown}" for name, shown in _parameters(result, problem))


def _parameters(result, problem):
    """Yield (name, value with error and unit)."""
    for name, value in result.values.items():
        shown = value_text(value, result.errors[name]) if result.errors[name] else f"{value:g} (held)"
        yield name, f"{shown} {_UNITS.get(name, problem.family.unit)}".rstrip()


def json_text(result, problem):
    """Return the same as JSON; see `table_text`."""
    table = {
        "format": 1,
        "task": "fit",
        "quantity": problem.quantity,
        "unit": UNITS[problem.quantity],
        "parameters": {
            name: {"value": value, "error": result.errors[name], "unit": _UNITS.get(name, problem.family.unit)}
            for name, value in result.values.items()
        },
        "free": list(result.free),
        "covariance": result.covariance.tolist(),
        "chi_squared": result.chi_squared,
        "degrees_of_freedom": result.n_degrees,
        "temperature": problem.data.temperature.tolist(),
        "value": problem.data.value.tolist(),
        "model": result.model.tolist(),
        "remarks": _warnings(result, problem),
    }
    return json.dumps(table, indent=1) + "\n"


def _quality(result):
    if not result.has_errors:
        return "The data have no errors: those of the parameters follow from their scatter about the curve."
    return f"chi^2 = {result.chi_squared:.4g} for {result.n_degrees} degrees of freedom"


def _warnings(result, problem):
    """Return what a reader must know before quoting the numbers, as sentences."""
    found, family = [], problem.family
    excess = result.chi_squared - result.n_degrees
    if result.has_errors and excess > SIGNIFICANT * math.sqrt(2 * result.n_degrees):
        found.append("The curve does not describe the data within their errors; those of the parameters are too small.")
    if result.outside:
        low, high = family.lowest * result.values["J"], family.highest * result.values["J"]
        found.append(
            f"{result.outside} of {len(problem.data.value)} temperatures lie outside of {low:.4g} to {high:.4g} K, "
            "where the computed curve is known: leave them out or compute more."
        )
    g = result.values.get("g", 2.0)
    if "g" in result.free and not USUAL_G[0] <= g <= USUAL_G[1]:
        found.append(
            f"g = {g:.3g} is no usual g: data are chi (not chi T) in emu per mole of formula units with --spins spins; "
            "1 m^3/mol is 79577 emu/mol."
        )
    if family.name in result.free:
        x, (low, high) = result.values[family.name], family.values[[0, -1]]
        if min(x - low, high - x) < 1e-3 * (high - low):
            found.append(f"{family.name} = {x:.4g} is the end of the computed values: compute more.")
    return found


def _rows(result, problem):
    """Return measured and fitted values as aligned lines, in the unit of the data."""
    data, unit = problem.data, UNITS[problem.quantity]
    residuals = problem.weights * (data.value - result.model) if data.error is not None else None
    lines = [["T / K", f"{problem.quantity} / ({unit})", "fit", *["residual / error"] * (residuals is not None)]]
    for k, temperature in enumerate(data.temperature):
        line = [f"{temperature:.6g}", f"{data.value[k]:.6g}", f"{result.model[k]:.6g}"]
        if residuals is not None:
            line.append(f"{residuals[k]:+.1f}" + (" *" if abs(residuals[k]) > _LARGE_RESIDUAL else "  "))
        lines.append(line)
    widths = np.max([[len(cell) for cell in line] for line in lines], axis=0)
    return ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
