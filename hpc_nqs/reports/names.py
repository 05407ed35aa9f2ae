"""Short names of quantities, those of the headings of text tables: run["chi"], run["S(pi,pi)"]."""

import re

from hpc_nqs.reports.columns import HEADINGS, OVER_VECTORS, OVER_WORDS
from hpc_nqs.reports.series import keys_of

SUFFIXES = ("_systematic", "_error", "")
SAME = 1e-5  # keys of wave vectors have six digits


def resolve(name, rows, found):
    """Return (column, None), or (column, number of the key) for one of a quantity over wave vectors or words.

    Parameters
    ----------
    name : str
        A key of `found`, a heading of a text table such as "chi", or "S(1,1)", "S(pi,pi/2)" with components in units of
        pi or with "pi" in them, "e(J1)" of a term of the energy, the name of an operator; each also with "_error" or
        "_systematic" behind it.
    rows : list of dict
        Of a table.
    found : collection of str
        The columns that there are.

    Returns
    -------
    (str, int or None) or None
        None where there is no such column.
    """
    if name in found:
        return name, None
    suffix = next(ending for ending in SUFFIXES if name.endswith(ending))
    short = name.removesuffix(suffix) if suffix else name
    column = HEADINGS.get(short, "") + suffix
    if column in found:
        return column, None
    for quantity, heading in OVER_WORDS.items():
        words = [heading.format(word) for word in keys_of([{"rows": rows}], quantity)]
        if short in words and quantity + suffix in found:
            return quantity + suffix, words.index(short)
    letter, _, written = short.partition("(")
    quantity = OVER_VECTORS.get(letter)
    if quantity is None or not written.endswith(")") or quantity + suffix not in found:
        return None
    wanted = _vector(written[:-1])
    for number, key in enumerate(keys_of([{"rows": rows}], quantity)):
        if wanted is not None and all(abs(a - b) < SAME for a, b in zip(wanted, _vector(key), strict=True)):
            return quantity + suffix, number
    return None


def _vector(written):
    """Return the three components of a wave vector in units of pi; None for what is none."""
    parts = [_multiple(part) for part in written.split(",")]
    if None in parts or len(parts) > 3:
        return None
    return (*parts, 0.0, 0.0)[:3]


def _multiple(part):
    """Return "0.5", "pi", "-2pi/3" or "0.5 pi" in units of pi; None for what is none."""
    match = re.fullmatch(r"(-?)(\d*\.?\d*)\*?(pi)?(?:/(\d+))?", part.replace(" ", "").lower())
    if match is None or not (match[2] or match[3]):
        return None
    size = float(match[2]) if match[2] not in ("", ".") else 1.0
    if match[4] and not int(match[4]):
        return None
    return (-size if match[1] else size) / int(match[4] or 1)
