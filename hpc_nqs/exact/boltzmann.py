"""Boltzmann weights of all levels, and rows of exact averages."""

import numpy as np


def boltzmann(energies, beta):
    """Return the weights e^{-beta E} / Z of levels and ln Z.

    Parameters
    ----------
    energies : (n,) float64
        Total ones, ascending.
    beta : float

    Returns
    -------
    weights : (n,) float64
    log_partition : float

    Raises
    ------
    ValueError
        When the inverse temperature is negative.
    """
    if not beta >= 0:
        raise ValueError(f"beta = {beta}: inverse temperatures are at least 0")
    weights = np.exp(-beta * (energies - energies[0]))
    total = weights.sum()
    return weights / total, float(np.log(total)) - beta * energies[0]


def variance(weights, values):
    """Return the variance of values (n,) under weights (n,) that sum to 1."""
    return float(weights @ (values - weights @ values) ** 2)


def exact_row(beta, values):
    """Return a row: the temperature, None at beta = 0, and all values {name: number} with errors of 0."""
    row = {"temperature": 1.0 / beta if beta > 0 else None, "beta": beta}
    for name, value in values.items():
        row |= {name: float(value), f"{name}_error": 0.0}
    return row
