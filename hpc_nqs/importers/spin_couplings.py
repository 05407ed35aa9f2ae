"""The couplings J^ab of a standard-mode input: J0x, J1'zy and their common forms J, Jx, J'.

J stands for Jx = Jy = Jz, and J, Jxy without a number for J0, J1 and J2 (not on a ladder). Two ways of saying the same
are an error, as they are in those programs.
"""

import numpy as np

_AXES = ("x", "y", "z")
_COMPONENTS = ("", *_AXES, "xy", "yx", "xz", "zx", "yz", "zy")


def couplings_of(names, has_common, numbers):
    """Return {name of a coupling J0, J1', ...: J^ab (3, 3) float64}, rows for the first site of a bond.

    Parameters
    ----------
    names : iterable of str
    has_common : bool
        Whether J stands for J0, J1 and J2.
    numbers : object
        Its `real(keyword, default)` returns the number of a keyword, its list `problems` takes what is contradictory.
    """
    found = {}
    for name in names:
        common = "J" + name.lstrip("J012") if has_common else None
        own, shared = _components(name, numbers), _components(common, numbers) if common else {}
        if own and shared:
            numbers.problems.append(f"{common} and {name} are both given: give one of them")
        found[name] = np.zeros((3, 3))
        for component, value in (own or shared).items():
            first, second = (component * 2)[:2]
            found[name][_AXES.index(first), _AXES.index(second)] = value
    return found


def _components(name, numbers):
    """Return the given components of one coupling, {"x": ..., "yz": ...}; empty when there are none."""
    values = {part: numbers.real((name + part).lower(), None) for part in _COMPONENTS}
    values = {part: value for part, value in values.items() if value is not None}
    if "" in values:
        if len(values) > 1:
            others = ", ".join(f"{name}{part}" for part in values if part)
            instead = f"give {name}x, {name}y, {name}z in place of it"
            numbers.problems.append(f"{name} and {others} are both given: {instead}")
        values = dict.fromkeys(_AXES, values[""])
    return values
