"""The tables of `hpc-nqs init reference` as definition lists, which fit a narrow page."""

import re

CELL = re.compile(r"(?<!\\)\|")


def as_definitions(reference):
    """Return Markdown with a section per section of the input and a definition per key."""
    lines = []
    for line in reference.splitlines():
        if line.startswith("### "):
            lines += [line, ""]
        elif line.startswith("| `"):
            lines += _definition(*(cell.strip() for cell in CELL.split(line)[1:-1]))
    return "\n".join(lines)


def _definition(key, default, unit, meaning, allowed):
    standard = "required" if default == "required" else f"default {default}" if default else "no default"
    unit = f", in units of {unit}" if unit else ""
    meaning = _plain(meaning[0].upper() + meaning[1:])
    return [key, f": {meaning}.<br>", f"  {standard}{unit}; {_plain(allowed)}", ""]


def _plain(text):
    """Return a text of the program as Markdown that shows every sign as it stands."""
    return re.sub(r"([\\*_<>|\[\]])", r"\\\1", text.replace("\\|", "|"))
