"""What figures are drawn from: points with errors out of tables, and reference data out of files."""

import csv
import json
import math
import re
from pathlib import Path

# Quantities of the first page, with the symbol and the unit; axis titles and reference files use these keys.
QUANTITIES = {
    "energy": ("energy per site", "$e$", "J"),
    "specific_heat": ("specific heat per site", "$c$", "$k_B$"),
    "entropy": ("entropy per site", "$s$", "$k_B$"),
    "susceptibility": ("susceptibility per site", r"$\chi$", "1/J"),
    "magnetization": ("magnetization per site", "$m$", ""),
    "magnetization_x": ("transverse magnetization per site", "$m_x$", ""),
    "double_occupancy": ("double occupancy", r"$\langle n_\uparrow n_\downarrow\rangle$", ""),
    "local_moment": ("local moment", r"$\langle \mathbf{S}_i^2\rangle$", ""),
    "filling": ("electrons per site", "$n$", ""),
    "compressibility": ("compressibility", r"$\kappa$", "1/J"),
}
FEWEST_WAVES = 3  # of a path, or a map
ZERO, CERTAIN = 1e-12, 5.0  # a magnetization below the first, or as many standard errors, is none


class ReferenceDataError(ValueError):
    """A file of reference data that cannot be used; the message is one sentence."""


def points(rows, quantity, key=None):
    """Return [(temperature, value, statistical error, systematic error)] of the rows that have the quantity.

    Parameters
    ----------
    rows : list of dict
    quantity : str
    key : str, optional
        For quantities that are dicts of values or of [value, error], such as the structure factor.

    Returns
    -------
    list of (float, float, float, float)
        In the order of the rows; an error that is absent is zero.
    """
    found = []
    for row in rows:
        value = value_of(row, quantity, key)
        if row.get("temperature") and finite(value):
            errors = error_of(row, quantity, key), systematic_of(row, quantity, key)
            found.append((row["temperature"], value, *(part if finite(part) else 0.0 for part in errors)))
    return found


def measured(tables, quantities=QUANTITIES):
    """Return the quantities that the tables have; m only where it is not zero, by symmetry, at all temperatures."""
    found = [name for name in quantities if any(points(table["rows"], name) for table in tables)]
    of_all = [point for table in tables for point in points(table["rows"], "magnetization")]
    polarized = any(abs(value) > max(ZERO, CERTAIN * error) for _, value, error, _ in of_all)
    return [name for name in found if name != "magnetization" or polarized]


def has_correlations(tables):
    """Return whether any table has correlations of sites or structure factors."""
    names = ("structure_factor", "correlation", "neighbour_correlation", "correlation_vector", "binder_ratio")
    names += ("energy_terms", "operators", "dimer_correlation", "chirality_correlation")
    return any(row.get(name) for table in tables for row in table["rows"] for name in names)


def has_waves(tables):
    """Return whether any table has S(q) of as many wave vectors as a path needs."""
    return any(len(keys_of([table], "structure_factor")) >= FEWEST_WAVES for table in tables)


def has_momenta(tables):
    """Return whether a run has distributions over wave vectors."""
    return bool(keys_of(tables, "n_k_up"))


def has_times(tables):
    """Return whether any table has correlations in imaginary time."""
    return any(row.get("local_time_correlation") for table in tables for row in table["rows"])


def value_of(row, quantity, key=None):
    """Return a number of a row, that of a key where the quantity is a dict of numbers or of [value, error]."""
    if key is None:
        return row.get(quantity)
    pair = (row.get(quantity) or {}).get(key)
    return pair[0] if isinstance(pair, (list, tuple)) else pair


def error_of(row, quantity, key=None):
    """Return the statistical error of `value_of`, or None."""
    if key is None:
        return row.get(f"{quantity}_error")
    pair = (row.get(quantity) or {}).get(key)
    return pair[1] if isinstance(pair, (list, tuple)) else None


def systematic_of(row, quantity, key=None):
    """Return the estimated systematic error of `value_of`, or None."""
    return value_of(row, f"{quantity}_systematic", key)


def keys_of(tables, quantity):
    """Return the keys of a quantity that is a dict, over all rows of all tables, in order of appearance."""
    return list(dict.fromkeys(key for table in tables for row in table["rows"] for key in row.get(quantity) or {}))


def finite(value):
    """Return whether a value is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def read_reference(written, units=None):
    """Return (label, rows) of reference data, such as a Monte Carlo run.

    Parameters
    ----------
    written : str
        ``FILE`` or ``FILE:key=value``, which keeps the rows where a column has this value, for example
        ``qmc.json:L=6``. JSON with "rows" (as ``show --json`` and ``exact --json`` print it) or a list of rows, or CSV
        with the same columns (as ``show --csv``): temperature or beta, energy, energy_error and so on.
    units : MolarUnits, optional
        Of the figure.  JSON tables of this program, which have settings, are in units of the couplings and are
        converted; all other data are taken to be in the units of the figure.

    Raises
    ------
    ReferenceDataError
        When the file cannot be read, or no row of it has a temperature.
    """
    path, selection = _selection(written)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ReferenceDataError(
            f"reference {path}: {getattr(error, 'strerror', None) or 'not a text file'}"
        ) from error
    try:
        rows = _json_rows(text, units) if text.lstrip()[:1] in ("{", "[") else _csv_rows(text)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReferenceDataError(f"reference {path}: neither a JSON table nor CSV with a heading ({error})") from error
    for key, value in selection.items():
        rows = [row for row in rows if _same(row.get(key), value)]
    for row in rows:
        if not row.get("temperature") and finite(row.get("beta")) and row["beta"] > 0:
            row["temperature"] = 1.0 / row["beta"]
    rows = [row for row in rows if finite(row.get("temperature")) and row["temperature"] > 0]
    if not rows:
        kept = " ".join(f"{key} = {value}" for key, value in selection.items())
        raise ReferenceDataError(
            f"reference {path}: no rows with a temperature or beta{' and ' + kept if kept else ''}"
        )
    label = " ".join([Path(path).stem, *(f"{key} = {value}" for key, value in selection.items())])
    return label, sorted(rows, key=lambda row: row["temperature"])


def reference_path(written):
    """Return the path in what `read_reference` takes."""
    return _selection(written)[0]


def _selection(written):
    path, colon, condition = str(written).rpartition(":")
    key, equals, value = condition.partition("=")
    if not (colon and equals) or Path(written).exists():
        return written, {}
    return path, {key.strip(): value.strip()}


def _same(found, wanted):
    try:
        return math.isclose(float(found), float(wanted))
    except (TypeError, ValueError):
        return str(found) == wanted


def _json_rows(text, units):
    data = json.loads(text)
    rows = [dict(row) for row in (data["rows"] if isinstance(data, dict) else data)]
    own = units is not None and isinstance(data, dict) and "settings" in data
    return [units.converted(row) for row in rows] if own else rows


def _csv_rows(text):
    """Return the rows of CSV; the columns name(key) and name_error(key) become dicts of [value, error] again."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    rows = []
    for written in csv.DictReader(lines, skipinitialspace=True):
        row = {}
        for name, value in written.items():
            if not value or not value.strip():
                continue
            number = _number(value)
            vector = re.fullmatch(r"(\w+?)(_error)?\((.*)\)", name.strip())
            if vector is None:
                row[name.strip()] = number
            else:
                quantity, is_error, key = vector.groups()
                row.setdefault(quantity, {}).setdefault(key, [None, 0.0])[1 if is_error else 0] = number
        rows.append(row)
    return rows


def _number(value):
    try:
        return float(value)
    except ValueError:
        return value.strip()
