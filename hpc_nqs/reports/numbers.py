"""Numbers as people read them: values with their errors, durations."""

import math

_LARGE = 1e8  # from here on digits after the point say nothing
_SMALL, MOST_PLACES = 1e-6, 12  # below, values with more digits after the point stand in powers of ten


def value_text(value, error=None, digits=5, systematic=None):
    """Return a value with its errors in the last digits: -0.41012(30)[85], statistical and estimated systematic.

    The larger one has two digits; what is less than half of a last digit is left out.  Without errors the value has
    `digits` decimals.
    """
    errors = [part for part in (error, systematic) if part is not None and 0.0 < part < math.inf]
    if not errors:
        return _decimals(value, digits)
    places = 1 - math.floor(math.log10(max(errors)))
    if places > MOST_PLACES and 0.0 < abs(value) < _SMALL:
        return f"{value:.3g} +- {math.hypot(*errors):.2g}"
    if places > MOST_PLACES:
        return _decimals(value, MOST_PLACES)
    if round(max(errors) * 10.0**places) >= 100:
        places -= 1
    if max(abs(value), *errors) >= _LARGE:
        return f"{value:.3g} +- {math.hypot(*errors):.2g}"
    places = max(places, 0)
    text = _decimals(value, places)
    for part, (left, right) in ((error, "()"), (systematic, "[]")):
        last = round(part * 10.0**places) if part in errors else 0
        text += f"{left}{last}{right}" if last else ""
    return text


def _decimals(value, places):
    """Return a value with a fixed number of decimals, never -0; a huge one in powers of ten."""
    if not abs(value) < _LARGE or (places > MOST_PLACES and 0.0 < abs(value) < _SMALL):
        return f"{value:.5g}"
    text = f"{value:.{places}f}"
    return text if float(text) else text.lstrip("-")


def duration(seconds):
    """Return a time span in its natural unit: 12 s, 3 min 20 s, 2 h 05 min, 3 d 04 h."""
    if seconds < 100:
        return f"{seconds:.3g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24:02d} h"


def finite_only(value):
    """Return a copy of nested dicts and lists without the entries that are None, infinite or not a number."""
    if isinstance(value, dict):
        return {key: finite_only(entry) for key, entry in value.items() if not _absent(entry)}
    if isinstance(value, (list, tuple)):
        return [finite_only(entry) for entry in value if not _absent(entry)]
    return value


def _absent(value):
    return value is None or (isinstance(value, float) and not math.isfinite(value))
