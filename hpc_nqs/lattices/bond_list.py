"""Lists of bonds written by hand: the file format of custom lattices and its checks."""

import re

MAX_SHELL = 3
SHELL_NAMES = {1: "first", 2: "second", 3: "third"}

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")


def read_bonds(path, n_sites=None):
    """Read a bond file: `i j shell-or-coupling` per line, sites numbered from 0, `#` starts a comment.

    An integer is a shell (1, 2 or 3: the coupling of first, second or third neighbours), a number with a point or
    an exponent is the coupling itself. With `n_sites` sites may be without bonds.

    Returns
    -------
    sites : list of (int, int)
    strengths : list of int or float

    Raises
    ------
    ValueError
        When a line cannot be read, a bond occurs twice or a site has no bond; names the line.
    OSError
        When the file cannot be read.
    """
    bonds, lines = [], []
    with open(path, encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            fields = line.partition("#")[0].split()
            if fields:
                bonds.append(_parse(fields, f"line {number}: {line.strip()!r}"))
                lines.append(f"line {number}")
    if not bonds:
        raise ValueError("the file holds no bonds")
    checked = check_bonds(bonds, lines, n_sites)
    return [(i, j) for i, j, _ in checked], [value for _, _, value in checked]


def _parse(fields, place):
    if len(fields) != 3:
        raise ValueError(f"{place}: a bond is `i j shell-or-coupling`, these are {len(fields)} fields")
    if not all(_INTEGER.fullmatch(field) for field in fields[:2]):
        raise ValueError(f"{place}: sites are integers")
    i, j = int(fields[0]), int(fields[1])
    if _INTEGER.fullmatch(fields[2]):
        return i, j, int(fields[2])
    if "_" in fields[2]:  # which Python reads over
        raise ValueError(f"{place}: {fields[2]!r} is neither a shell nor a coupling")
    try:
        return i, j, float(fields[2])
    except ValueError:
        raise ValueError(f"{place}: {fields[2]!r} is neither a shell nor a coupling") from None


def check_bonds(bonds, places=None, n_sites=None):
    """Return the bonds as a tuple of (int, int, int or float) after checking them.

    Parameters
    ----------
    bonds : sequence of (int, int, int or float)
    places : sequence of str
        What messages call each bond.
    n_sites : int, optional
        Number of sites, which may then be without bonds.

    Raises
    ------
    ValueError
        Negative or equal sites, a shell outside 1 to 3, a coupling that is not finite, a bond that occurs twice, a
        site below the largest that no bond names, or one beyond `n_sites`.
    """
    places = places or [f"bond {number} of lattice.bonds" for number in range(1, len(bonds) + 1)]
    checked, seen = [], {}
    for (i, j, value), place in zip(bonds, places, strict=True):
        i, j = int(i), int(j)
        if i < 0 or j < 0 or i == j:
            raise ValueError(f"{place}: {i} {j}: a bond joins two different sites, numbered from 0")
        if isinstance(value, float):
            if not abs(value) < float("inf"):
                raise ValueError(f"{place}: coupling {value}: a coupling is finite")
        elif not 1 <= value <= MAX_SHELL:
            raise ValueError(f"{place}: shell {value}: allowed are 1 to {MAX_SHELL}; write a coupling with a point")
        key = (min(i, j), max(i, j))
        if key in seen:
            raise ValueError(f"{place}: the bond {key[0]} {key[1]} stands already in {seen[key]}")
        seen[key] = place
        checked.append((i, j, float(value) if isinstance(value, float) else int(value)))
    largest = max(j for _, j in seen)
    if n_sites is not None:
        if largest >= n_sites:
            raise ValueError(f"lattice.n_sites = {n_sites}: {seen[max(seen, key=max)]} names site {largest}")
        return tuple(checked)
    missing = set(range(largest + 1)) - {site for key in seen for site in key}
    if missing:
        raise ValueError(
            f"site {min(missing)} has no bond; sites are numbered from 0, and lattice.n_sites = {largest + 1} "
            "says that some may be free"
        )
    return tuple(checked)
