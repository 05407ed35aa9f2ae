"""One parameter of a model: its key in the input, its default and its meaning."""

import math
from dataclasses import dataclass

MAX_SHELLS = 3  # first, second and third neighbours


@dataclass(frozen=True)
class Parameter:
    """One number of a Hamiltonian, or one for each of up to three shells of neighbours.

    Attributes
    ----------
    name : str
        The key in the input.
    default : float or tuple of float
        A tuple says that the parameter is a list, of 1 to `MAX_SHELLS` numbers.
    symbol : str
        Its letter in the formula.
    term : str
        What it multiplies, or whose letter it is: "`symbol` of `term`" is the meaning in the input reference.
    unit : str
        Empty for a pure number.
    shown_at_default : bool
        Whether one line about the system names it even where it has its default.
    breaks_spin_flip : bool
        Whether H without it commutes with the flip of all spins and with it does not.
    """

    name: str
    default: float | tuple[float, ...]
    symbol: str
    term: str
    unit: str = "energy"
    shown_at_default: bool = True
    breaks_spin_flip: bool = False

    @property
    def is_list(self):
        """Whether the value is a list, one number for each shell."""
        return isinstance(self.default, tuple)

    def as_tuple(self, value):
        """Return a value of this parameter as a tuple, also where it is one number."""
        return tuple(value) if self.is_list else (value,)

    def converted(self, value):
        """Return the value as float or tuple of float; ValueError for a wrong length or what is not finite."""
        numbers = tuple(map(float, self.as_tuple(value)))
        if not 1 <= len(numbers) <= MAX_SHELLS:
            raise ValueError(
                f"model.{self.name} = {list(numbers)}: 1 to {MAX_SHELLS} {self.name}, of first to third neighbours"
            )
        if not all(map(math.isfinite, numbers)):
            raise ValueError(f"model.{self.name} = {value}: allowed are finite numbers")
        return numbers if self.is_list else numbers[0]
