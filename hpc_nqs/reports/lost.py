"""Which numbers of a table say nothing: those whose total error is half of what they are measured by."""

import math

from hpc_nqs.observables.molar_units import FACTORS
from hpc_nqs.reports.series import error_of, finite, systematic_of, value_of

LOST = 0.5
MARK = "?"  # behind a lost number in tables
WORDS = "? lost: the total error is half of the value (of s: of ln 2) or more"
ENERGY = "energy"
CORRELATIONS = ("correlation", "correlation_vector", "neighbour_correlation")
CORRELATIONS += ("dimer_correlation", "chirality_correlation")
RANGES = {"entropy": math.log(2.0), "magnetization": 0.5, "binder_ratio": 2 / 3}  # of what may vanish
UNKNOWN = ("energy_terms", "operators")  # what they are measured by


def is_lost(row, quantity, key=None):
    """Return whether a number of a row is lost: it, or the energy of its row.

    Its total error, statistical and systematic in quadrature, is half of its value or more; of a correlation of the
    largest of the row, of the entropy of ln 2, of m of 1/2.  What has no error is never lost.

    Parameters
    ----------
    row : dict
    quantity : str
    key : str, optional
        Of a quantity that is a dict.
    """
    if quantity != ENERGY and is_lost(row, ENERGY):
        return True
    value = value_of(row, quantity, key)
    if not finite(value) or quantity in UNKNOWN:
        return False
    parts = [part for part in (error_of(row, quantity, key), systematic_of(row, quantity, key)) if finite(part)]
    total = math.hypot(*parts)
    return total > 0 and total >= LOST * _scale(row, quantity, value)


def _scale(row, quantity, value):
    if quantity in RANGES:
        return RANGES[quantity] * row.get(FACTORS, {}).get(quantity, 1.0)
    if quantity in CORRELATIONS:
        others = [value_of(row, quantity, key) for key in row[quantity]]
        return max(abs(other) for other in others if finite(other))
    return abs(value)
