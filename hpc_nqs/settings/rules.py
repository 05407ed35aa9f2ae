"""One option of the input file: its default, what it accepts, how it is read from TOML and written back."""

import dataclasses
import math
from collections.abc import Callable

from hpc_nqs.observables.molar_units import KELVIN, kelvin_of

MAX_SITES = 12288  # of a list of bonds


@dataclasses.dataclass(frozen=True)
class Rule:
    """What an option accepts.

    Attributes
    ----------
    allowed : str
        The allowed values in words, as they stand in error messages and in the input reference.
    convert : callable
        Returns the stored value of a TOML value; raises ValueError when it is not allowed.
    """

    allowed: str
    convert: Callable


def option(rule, default=dataclasses.MISSING, *, about, unit="", only_for=None, example=None):
    """Return the dataclass field of one option; without a default the key must be given.

    Parameters
    ----------
    rule : Rule
    default : object
        The stored value of a key that is not given.
    about : str
        One line for the input reference.
    unit : str
        Physical unit, empty for a pure number or a word.
    only_for : (str, tuple of str), optional
        Another key of the section and the values of it for which this option exists.
    example : object, optional
        For a key whose default stands for "not given": what to show instead; such a default is never written back.
    """
    metadata = {
        "rule": rule,
        "description": about,
        "unit": unit,
        "allowed": rule.allowed,
        "only_for": only_for,
        "example": example,
    }
    return dataclasses.field(default=default, metadata=metadata)


def integer(low, high):
    """Accept integers from `low` to `high`, both included."""

    def convert(value):
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError
        return value

    return Rule(f"an integer from {low} to {high}", convert)


def number(low=-1e9, high=1e9, above=False):
    """Accept finite numbers from `low` to `high`; `above` excludes `low` itself."""

    def convert(value):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError
        if not low <= value <= high or (above and value == low):  # also refuses NaN
            raise ValueError
        return float(value)

    start, end = (f"{limit:g}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e") for limit in (low, high))
    return Rule(f"a number above {start}, at most {end}" if above else f"a number from {start} to {end}", convert)


def word(*choices):
    """Accept one of the given words, true, false or small integers."""

    def convert(value):
        for choice in choices:
            if type(value) is type(choice) and value == choice:
                return choice
        raise ValueError

    shown = [f'"{choice}"' if isinstance(choice, str) else str(choice).lower() for choice in choices]
    return Rule(" or ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0], convert)


def text():
    """Accept any text that can be written to a file."""

    def convert(value):
        if not isinstance(value, str) or "\0" in value:
            raise ValueError
        value.encode("utf-8")  # UnicodeEncodeError is a ValueError
        return value

    return Rule("a text", convert)


def energy_with_unit():
    """Accept an energy with its unit, such as "98.2 K", or an empty text."""

    def convert(value):
        if not isinstance(value, str):
            raise ValueError("no text")
        if value != "":
            try:
                kelvin_of(value)
            except ValueError:
                raise ValueError from None
        return value

    units = ", ".join(KELVIN)
    return Rule(f'a positive number with one of the units {units}, as in "98.2 K", or an empty text', convert)


def auto_or(rule):
    """Accept "auto" or what `rule` accepts."""
    return word_or("auto", rule)


def list_of(rule, shortest, longest, distinct=False):
    """Accept a list with `shortest` to `longest` entries, each accepted by `rule`; stored as a tuple."""

    def convert(value):
        if not isinstance(value, (list, tuple)):
            raise ValueError
        if len(value) < shortest:
            raise ValueError("the list is empty" if not value else f"the list has {len(value)} entries")
        if len(value) > longest:
            raise ValueError(f"the list has {len(value)} entries")
        entries = []
        seen = set()
        for position, entry in enumerate(value, start=1):
            try:
                entries.append(rule.convert(entry))
            except ValueError as error:
                raise ValueError(f"entry {position} is wrong" + (f", {error}" if str(error) else "")) from None
            if distinct and entries[-1] in seen:
                raise ValueError(f"entry {position} repeats an earlier one")
            seen.add(entries[-1])
        return tuple(entries)

    count = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
    return Rule(f"a list of {count}{' different' if distinct else ''} entries, each {rule.allowed}", convert)


def one_or_list_of(rule, longest):
    """Accept one value for all directions or a list with one value each."""
    several = list_of(rule, 1, longest)
    return Rule(
        f"{rule.allowed}, or a list of these",
        lambda value: several.convert(value) if isinstance(value, (list, tuple)) else rule.convert(value),
    )


def range_or(rule, longest, any_sign=False):
    """Accept {from, to, n, scale}, n numbers with six digits from one to the other, or what the list rule accepts.

    They are positive, with `any_sign` on a linear scale any.
    """
    shape = '{from = x, to = y, n = number}, scale = "linear", "log" or "inverse" with it'

    def convert(value):
        if not isinstance(value, dict):
            return rule.convert(value)
        given = {"scale": "linear"} | value
        positive = number() if any_sign and given["scale"] == "linear" else number(0.0, 1e300, above=True)
        if set(given) != {"from", "to", "n", "scale"}:
            raise ValueError("a range has from, to and n, and may have scale")
        rules = {"from": positive, "to": positive, "n": integer(2, longest), "scale": word(*_SCALES)}
        for key, each in rules.items():
            try:
                given[key] = each.convert(given[key])
            except ValueError:
                raise ValueError(f"{key} is {each.allowed}") from None
        to_scale, back = _SCALES[given["scale"]]
        start, end, n = to_scale(given["from"]), to_scale(given["to"]), given["n"]
        return rule.convert([float(f"{back(start + (end - start) * k / (n - 1)):.6g}") for k in range(n)])

    return Rule(f"{rule.allowed}; or {shape}", convert)


_SCALES = {  # there and back
    "linear": (lambda x: x, lambda x: x),
    "log": (math.log, math.exp),
    "inverse": (lambda x: 1.0 / x, lambda x: 1.0 / x),
}


def sorted_numbers(rule, descending):
    """Accept what the list rule accepts and store it sorted."""
    return Rule(rule.allowed, lambda value: tuple(sorted(rule.convert(value), reverse=descending)))


def bond():
    """Accept one bond [i, j, x]: x is a shell number (integer) or a coupling (float)."""

    def convert(value):
        if not isinstance(value, (list, tuple)) or len(value) != 3 or any(isinstance(part, bool) for part in value):
            raise ValueError
        first, second, strength = value
        # an array has one type for all its columns
        whole = (int(site) if isinstance(site, float) and site.is_integer() else site for site in (first, second))
        first, second = whole
        if not all(isinstance(site, int) and 0 <= site < MAX_SITES for site in (first, second)) or first == second:
            raise ValueError
        if isinstance(strength, int):
            if not 1 <= strength <= 3:
                raise ValueError
        elif not isinstance(strength, float) or not math.isfinite(strength):
            raise ValueError
        return (first, second, strength)

    return Rule(
        "[i, j, x] with two different sites i and j and x a shell (1, 2, 3) or a coupling (a number with a point)",
        convert,
    )


def between_cells(what, *numbers):
    """Accept one [R1, R2, a, b, *numbers], in three dimensions [R1, R2, R3, a, b, *numbers].

    The first ones are whole numbers of cells, `what` (orbitals or spins) is counted from 0.  `numbers` are tuples of
    names, of which an entry has one.
    """
    cell, place = integer(-1000, 1000), integer(0, 1000)
    places = {(cell,) * 2 + (place,) * 2: "R1, R2, a, b", (cell,) * 3 + (place,) * 2: "R1, R2, R3, a, b"}
    return _placed(places, f"integers R, {what} a, b from 0,", numbers)


def between_sites(*numbers):
    """Accept one [i, j, *numbers]: two sites from 0, and the numbers of one of the tuples of names `numbers`."""
    return _placed({(integer(0, MAX_SITES - 1),) * 2: "i, j"}, "sites i, j from 0", numbers)


def _placed(places, meaning, numbers):
    """Return the rule of one [*places, *numbers]; `places` are {rules: letters}."""
    shapes = {len(rules) + len(names): rules for rules in places for names in numbers}

    def convert(value):
        if not isinstance(value, (list, tuple)) or len(value) not in shapes:
            raise ValueError
        rules = shapes[len(value)]
        # an array has one type for all its columns
        whole = (int(part) if isinstance(part, float) and part.is_integer() else part for part in value[: len(rules)])
        whole = (rule.convert(part) for rule, part in zip(rules, whole, strict=True))
        return (*whole, *(number().convert(part) for part in value[len(rules) :]))

    first, *others = places.values()
    words = " or ".join(f"[{first}, {', '.join(names)}]" for names in numbers)
    words += f", in three dimensions {others[0]} before the numbers," if others else ""
    counted = "a number" if len(numbers[0]) == 1 else "numbers"
    named = f"{counted} {', '.join(numbers[0])}" if len(numbers) == 1 else counted
    return Rule(f"{words} with {meaning} and {named}", convert)


def word_or(choice, rule):
    """Accept one word or what `rule` accepts."""
    return Rule(
        f'"{choice}" or {rule.allowed}',
        lambda value: value if isinstance(value, str) and value == choice else rule.convert(value),
    )


def wave_vector():
    """Accept one wave vector [qx], [qx, qy] or [qx, qy, qz] in units of pi; stored with two components if qz = 0."""
    several = list_of(number(-100.0, 100.0), 1, 3)

    def convert(value):
        qx, qy, qz = (*several.convert(value), 0.0, 0.0)[:3]
        return (qx, qy, qz) if qz else (qx, qy)

    return Rule("a wave vector [qx, qy] or [qx, qy, qz]", convert)


def vector():
    """Accept one vector (x, y) or (x, y, z)."""
    components = list_of(number(-1e6, 1e6), 2, 3)
    return Rule("a vector [x, y] or [x, y, z]", components.convert)


def sector(largest, names):
    """Accept one [momentum..., spin_parity], or with a representation of the point group, one of `names`, behind it."""
    several = list_of(integer(-largest, largest), 2, 4)

    def convert(value):
        if not isinstance(value, (list, tuple)):
            raise ValueError
        *numbers, last = value or [None]
        named = isinstance(last, str)
        if named and last not in names:
            raise ValueError(f'"{last}" is no representation')
        return (*several.convert(numbers if named else value), *([last] if named else []))

    words = ", ".join(f'"{name}"' for name in names)
    return Rule(f"[momentum..., spin_parity] in integers, with one of {words} behind them or without", convert)


def sector_parts(entry):
    """Return (momentum, spin parity, representation or None) of what `sector` has converted."""
    *momentum, parity = [part for part in entry if not isinstance(part, str)]
    return tuple(momentum), parity, entry[-1] if isinstance(entry[-1], str) else None


def plain(value):
    """Return what code gives for a value of TOML, arrays and numbers of NumPy, ranges and paths, as TOML has it."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    elif hasattr(value, "__fspath__"):
        value = value.__fspath__()
    if isinstance(value, (list, tuple, range)):
        return [plain(entry) for entry in value]
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    return value


def written_options(section):
    """Return the options of a section that exist for its kind, as plain values with every default."""
    table = {}
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        condition = field.metadata["only_for"]
        if condition and getattr(section, condition[0]) not in condition[1]:
            continue
        if field.metadata["example"] is None or value != field.default:
            table[field.name] = _plain(value)
    return table


def _plain(value):
    if hasattr(value, "written"):
        return value.written()
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value
