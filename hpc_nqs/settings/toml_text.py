"""TOML text of plain values: the writing half that the standard library leaves out."""

import math
import re

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
LINE_WIDTH = 100
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def format_value(value, wrap=False):
    """Return the TOML text of one value; `tomllib` reads back exactly the same value.

    Parameters
    ----------
    value : bool, int, float, str, list, tuple or dict
        Floats keep all their digits; a dict is an inline table, and so is what has a method `written` that returns one.
    wrap : bool
        Spread an array that is longer than a line over several lines.

    Raises
    ------
    TypeError
        For a value that has no TOML form here.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _format_float(value)
    if isinstance(value, str):
        return '"' + "".join(_escape(letter) for letter in value) + '"'
    if isinstance(value, (list, tuple)):
        parts = [format_value(part) for part in value]
        line = "[" + ", ".join(parts) + "]"
        if wrap and len(line) > LINE_WIDTH:
            return "[\n" + "".join(f"    {part},\n" for part in parts) + "]"
        return line
    if isinstance(value, dict):
        parts = [
            f"{key if _BARE_KEY.fullmatch(key) else format_value(key)} = {format_value(part)}"
            for key, part in value.items()
        ]
        return "{" + ", ".join(parts) + "}"
    if hasattr(value, "written"):
        return format_value(value.written())
    raise TypeError(f"{type(value).__name__} has no TOML form")


def format_tables(tables):
    """Return the TOML text of a dict of sections, each a dict of values."""
    blocks = []
    for name, table in tables.items():
        lines = [f"[{name}]"]
        lines += [f"{key} = {format_value(value, wrap=True)}" for key, value in table.items()]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def _format_float(value):
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return repr(float(value))


def _escape(letter):
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    if ord(letter) < 0x20 or ord(letter) == 0x7F:
        return f"\\u{ord(letter):04x}"
    return letter


def shown(value):
    """Return a value as TOML on at most 60 characters, for messages."""
    try:
        return shortened(format_value(value))
    except (TypeError, ValueError):  # dates have no form here; integers can be too long to print
        return f"a {type(value).__name__}"


def shortened(line, width=60):
    """Return a line that can be printed anywhere, cut to `width` characters."""
    line = line.encode("utf-8", "backslashreplace").decode("utf-8")
    return line if len(line) <= width else line[: width - 3] + "..."
