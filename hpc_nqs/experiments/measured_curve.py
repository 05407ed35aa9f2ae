"""Measured curves: columns T, value and, if there is one, its error, out of a text file."""

import re
from dataclasses import dataclass

import numpy as np

QUANTITIES = {"chi": "susceptibility", "c": "specific_heat"}
DECAY = {"chi": 1, "c": 2}  # powers of 1/T at high temperature
UNITS = {"chi": "emu/mol", "c": "J/(mol K)"}


class MeasuredCurveError(Exception):
    """A file of measured values that cannot be used; the message is one sentence."""


@dataclass(frozen=True, eq=False)
class MeasuredCurve:
    """A curve against temperature.

    Attributes
    ----------
    temperature : (n,) float64
        In kelvin, ascending.
    value : (n,) float64
        In emu/mol or J/(mol K), of a mole of formula units.
    error : (n,) float64 or None
        Standard deviations; None where the file has none.
    """

    temperature: np.ndarray
    value: np.ndarray
    error: np.ndarray | None


def read_curve(path):
    """Return the `MeasuredCurve` of a file with two or three columns.

    Columns are separated by blanks, tabs, commas or semicolons.  `#` starts a comment; lines before the first number
    are headings.

    Raises
    ------
    MeasuredCurveError
        When the file cannot be read, a line is no row of as many numbers as the first one, a temperature or an error is
        not positive, or there are fewer than three rows.
    """
    try:
        with open(path, encoding="utf-8-sig") as stream:
            lines = stream.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MeasuredCurveError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        fields = [field for field in re.split(r"[\s,;]+", line.partition("#")[0]) if field]
        if fields:
            row = _numbers(fields)
            if row is None and not rows:
                continue
            rows.append(_checked(row, len(rows[0]) if rows else None, f"{path}, line {number}: {line.strip()!r}"))
    if len(rows) < 3:
        raise MeasuredCurveError(f"{path}: {len(rows)} rows of numbers; needed are at least 3")
    table = np.array(sorted(rows))
    return MeasuredCurve(table[:, 0], table[:, 1], table[:, 2] if table.shape[1] == 3 else None)


def _numbers(fields):
    try:
        return [float(field) for field in fields]
    except ValueError:
        return None


def _checked(row, n_columns, place):
    """Return the numbers of a line; MeasuredCurveError where they are no row of the table."""
    if row is None or not np.all(np.isfinite(row)):
        raise MeasuredCurveError(f"{place}: allowed are finite numbers")
    if len(row) != (n_columns or len(row)) or len(row) not in (2, 3):
        allowed = n_columns or "2 or 3: T, value and perhaps its error"
        raise MeasuredCurveError(f"{place}: {len(row)} columns; allowed are {allowed}")
    if row[0] <= 0 or (len(row) == 3 and row[2] <= 0):
        raise MeasuredCurveError(f"{place}: temperatures and errors are positive")
    return row
