"""Computed curves of exact results or of tables of runs, and the one number in which several models differ."""

import dataclasses
import math

from hpc_nqs.exact.table import thermal_rows
from hpc_nqs.experiments.measured_curve import DECAY, QUANTITIES
from hpc_nqs.experiments.theory_curve import EXACT_RANGE, N_EXACT, TheoryCurve, TheoryFamily
from hpc_nqs.hamiltonians import MODELS
from hpc_nqs.hamiltonians.parameter import CELL_BONDS
from hpc_nqs.settings.parsing import SettingsError, parse_settings


def exact_family(inputs, quantity):
    """Return the `TheoryFamily` of all levels of each of several inputs.

    Parameters
    ----------
    inputs : list of Settings
    quantity : str
        "chi" or "c".

    Raises
    ------
    SettingsError
        When a system is too large, chi is not defined, or the inputs differ in more than one number.
    """
    low, high = EXACT_RANGE
    points = [low * (high / low) ** (k / (N_EXACT - 1)) for k in range(N_EXACT)]
    curves = []
    for settings in inputs:
        unit = _largest_energy(settings)
        rows = thermal_rows(_thermodynamics_of(settings), [1.0 / (unit * point) for point in points])[1]
        curves.append(_curve(rows, quantity, "exact results"))
    return _family([settings.to_dict() for settings in inputs], curves)


def family_of_runs(tables, names, quantity):
    """Return the `TheoryFamily` of tables of thermal runs, with their total errors.

    Parameters
    ----------
    tables : list of dict
        As `run_file.read_table` returns them.
    names : list of str
        What messages call them.
    quantity : str

    Raises
    ------
    SettingsError
        When a table has too few temperatures or no such quantity, or the models differ in more than one number.
    """
    curves = [_curve(table["rows"], quantity, name) for table, name in zip(tables, names, strict=True)]
    return _family([parse_settings(table["settings"]).to_dict() for table in tables], curves)


def _curve(rows, quantity, name):
    """Return the `TheoryCurve` of rows of a table."""
    key = QUANTITIES[quantity]
    with_values = [row for row in rows if key in row and "temperature" in row]
    if rows and not with_values:
        raise SettingsError([f"{name}: no {quantity}, which this model or method does not give"])
    parts = [[row.get(f"{key}_{part}", 0.0) for part in ("error", "systematic")] for row in with_values]
    errors = [math.hypot(*part) for part in parts]
    try:
        temperatures, values = ([row[name] for row in with_values] for name in ("temperature", key))
        return TheoryCurve(temperatures, values, errors, DECAY[quantity])
    except ValueError as error:
        raise SettingsError([f"{name}: {error}"]) from error


def _family(inputs, curves):
    differing = sorted({key for each in map(_numbers, inputs) for key, value in each.items()
                        if any(_numbers(other).get(key) != value for other in inputs)})
    if not differing and len(curves) == 1:
        return TheoryFamily("", [0.0], curves)
    numbers = [[_numbers(each).get(key) for each in inputs] for key in differing]
    if len(differing) != 1 or not all(isinstance(number, (int, float)) for number in numbers[0]):
        what = ", ".join(_shown(key) for key in differing) or "nothing"
        raise SettingsError([f"the models differ in {what}; allowed is one number of [model]"])
    try:
        name, unit = _symbol_and_unit(inputs[0], differing[0])
        return TheoryFamily(name, numbers[0], curves, unit)
    except ValueError as error:
        raise SettingsError([str(error)]) from error


def _numbers(tables):
    """Return {(section, key, places in lists): value} of the sections that define a system."""
    found = {}
    for section in ("lattice", "model"):
        for key, value in tables[section].items():
            found |= {(section, key, place): entry for place, entry in _entries(value)}
    return {key: value for key, value in found.items() if value is not None}


def _entries(value, place=()):
    """Yield (places in lists and lists of lists, number or word) of a value."""
    if not isinstance(value, (list, tuple)):
        yield place, value
        return
    for k, entry in enumerate(value):
        yield from _entries(entry, (*place, k))


def _shown(key):
    section, name, place = key
    return f"{section}.{name}" + "".join(f"[{k}]" for k in place)


def _symbol_and_unit(tables, key):
    """Return the letter of a number of the model, J2 for the second coupling, or else its key; and its unit."""
    _, name, place = key
    for parameter in MODELS[tables["model"]["kind"]].parameters:
        if parameter.name == name:
            unit = "J" if parameter.unit == "energy" else ""
            of_shell = f"{place[0] + 1}" if place else ""
            symbol = _bond(parameter, tables["model"][name][place[0]]) if len(place) > 1 else ""
            return symbol or (len(place) < 2 and parameter.symbol and parameter.symbol + of_shell) or _shown(key), unit
    return _shown(key), ""


def _bond(parameter, entry):
    """Return J(R1,R2) of a bond between cells, empty for entries of other lists."""
    return parameter.marks([entry])[0] if parameter.kind == CELL_BONDS else ""


def _largest_energy(settings):
    """Return the largest number of [model] that is an energy."""
    model, given = MODELS[settings.model.kind], settings.model.keywords()
    energies = [part for part in model.parameters if part.unit == "energy" and part.name in given]
    return max(abs(number) for part in energies for number in part.as_tuple(given[part.name]))


def _thermodynamics_of(settings):
    """Return the settings without observables that need eigenvectors."""
    return dataclasses.replace(settings, observables=type(settings.observables)())
