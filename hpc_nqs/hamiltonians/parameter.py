"""One parameter of a model: its key in the input, its default and its meaning."""

import math
from dataclasses import dataclass

MAX_SHELLS = 3  # first, second and third neighbours
MAX_SITES = 12288  # of a list with one number for every site
NUMBER, INTEGER, SWITCH = "number", "integer", "switch"
HOPS, CELL_BONDS, CELL_BONDS_XYZ = "hops", "cell bonds", "cell bonds by component"  # lists of (R1, R2, a, b, numbers)
BONDS_XYZ = "bonds by component"  # of (i, j, numbers)
OF_CELLS = (HOPS, CELL_BONDS, CELL_BONDS_XYZ)
# Of an entry of a list: how many integers it may start with, and how many numbers may follow.
PLACES = dict.fromkeys(OF_CELLS, (4, 5)) | {BONDS_XYZ: (2,)}
NUMBERS = dict.fromkeys(OF_CELLS, (1,)) | {CELL_BONDS_XYZ: (3, 9), BONDS_XYZ: (3, 9)}


def split_entry(kind, entry):
    """Return (integers, numbers) of an entry of a list of one of `PLACES`, two tuples.

    Raises
    ------
    ValueError
        When it is none: of another length.
    """
    for n in NUMBERS[kind]:
        if len(entry) - n in PLACES[kind]:
            return tuple(entry[:-n]), tuple(entry[-n:])
    raise ValueError(f"{list(entry)}: {len(entry)} numbers")


@dataclass(frozen=True)
class Parameter:
    """One value of a Hamiltonian, or one number for each of up to three shells of neighbours.

    Attributes
    ----------
    name : str
        The key in the input.
    default : float, int, bool, tuple of float, "auto" or None
        A tuple says that the parameter is a list of numbers; "auto" that it follows from others where it is not given;
        None that it need not be given.
    symbol : str
        Its letter in the formula; empty for what is no part of it.
    term : str
        What it multiplies, or whose letter it is: "`symbol` of `term`" is the meaning in the input reference, `term`
        alone where there is no letter.
    unit : str
        Empty for a pure number.
    shown_at_default : bool
        Whether one line about the system names it even where it has its default.
    breaks_spin_flip : bool
        Whether H without it commutes with the flip of all spins and with it does not.
    kind : str
        `NUMBER`, `INTEGER`, `SWITCH` (true or false), or a list of (R1, R2, a, b, number), cells and what they hold:
        `HOPS` between orbitals, `CELL_BONDS` between spins, `CELL_BONDS_XYZ` with three or nine numbers; or, with three
        or nine numbers, `BONDS_XYZ` of (site, site, numbers).
    limits : (int, int)
        Of an integer, both included.
    lengths : (int, int)
        Of a list, both included.
    entries : str
        What the numbers of a list belong to.
    example : float or int, optional
        What inputs show where the default is None.
    """

    name: str
    default: float | int | bool | str | None | tuple[float, ...]
    symbol: str
    term: str
    unit: str = "energy"
    shown_at_default: bool = True
    breaks_spin_flip: bool = False
    kind: str = NUMBER
    limits: tuple[int, int] = (0, 10**6)
    lengths: tuple[int, int] = (1, MAX_SHELLS)
    entries: str = "first to third neighbours"
    example: float | int | None = None

    @property
    def is_list(self):
        """Whether the value is a list of numbers."""
        return isinstance(self.default, tuple)

    @property
    def meaning(self):
        """What the key means, in the input reference."""
        return f"{self.symbol} of {self.term}" if self.symbol else self.term

    def as_tuple(self, value):
        """Return the numbers of a value as a tuple; empty for what is not given or follows from others."""
        if value is None or isinstance(value, str):
            return ()
        if self.kind in PLACES:
            return tuple(number for entry in value for number in split_entry(self.kind, entry)[1])
        return tuple(value) if self.is_list else (value,)

    def marks(self, value):
        """Return how the numbers of a value are called: J1, J2 of shells, J(1,0) of bonds between cells."""
        symbol = self.symbol or self.name
        if self.kind == CELL_BONDS:
            places = [split_entry(self.kind, entry)[0] for entry in value]
            spins = [f";{a}{b}" if (a, b) != (0, 0) else "" for *_, a, b in places]
            cells = [",".join(map(str, cell)) for *cell, _, _ in places]
            return [f"{symbol}({cell}{spin})" for cell, spin in zip(cells, spins, strict=True)]
        if not self.is_list:
            return [symbol] * len(self.as_tuple(value))  # none of what follows from others
        return [f"{symbol.removesuffix('_i')}{number}" for number in range(1, len(self.as_tuple(value)) + 1)]

    def converted(self, value):
        """Return the value as float, int, bool or tuple of float; None and "auto" as they are where they are allowed.

        Raises
        ------
        ValueError
            A wrong length, a number that is not finite, or no integer or no switch where it has to be one.
        """
        if value is None or isinstance(value, str):
            if value != self.default:
                raise ValueError(f"model.{self.name} = {value!r}: allowed is a number")
            return value
        if self.kind == SWITCH:
            if value not in (True, False):
                raise ValueError(f"model.{self.name} = {value}: allowed are True and False")
            return bool(value)
        if self.kind in PLACES:
            parts = [split_entry(self.kind, entry) for entry in value]
            return tuple((*map(int, places), *map(float, numbers)) for places, numbers in parts)
        numbers, (shortest, longest) = tuple(map(float, self.as_tuple(value))), self.lengths
        if self.is_list and not shortest <= len(numbers) <= longest:
            raise ValueError(
                f"model.{self.name} = {list(numbers)}: {shortest} to {longest} {self.name}, of {self.entries}"
            )
        if not all(map(math.isfinite, numbers)):
            raise ValueError(f"model.{self.name} = {value}: allowed are finite numbers")
        if self.kind == INTEGER:
            return self._integer(numbers[0])
        return numbers if self.is_list else numbers[0]

    def _integer(self, number):
        low, high = self.limits
        if not number.is_integer() or not low <= number <= high:
            raise ValueError(f"model.{self.name} = {number:g}: allowed are integers from {low} to {high}")
        return int(number)
