"""What a model of the input is: its word, its parameters, its formula, and how its terms are made."""

import re
from dataclasses import dataclass, field

# What LaTeX calls the letters of a formula and what plain text calls them, in this order.
_PLAIN = (
    (r"\\(left|right) ?", ""),
    (r"\\langle ", "<"),
    (r" \\rangle", ">"),
    (r"\^\\dagger", "+"),
    (r"\\(up|down)arrow", r"\1"),
    (r"\\neq", "!="),
    (r"\\sigma\^(\w)", r"s\1"),
    (r"S\^(\w)", r"S\1"),
    (r"[\\{}]", ""),
)


class Model:
    """Base class of the models; a model is a class of its own in a file of its own and has no instances.

    Attributes
    ----------
    word : str
        `model.kind` of the input.
    title : str
        Its name in one line about a system.
    summary : str
        What it covers, for the input reference.
    latex : str
        H in full.
    parameters : tuple of Parameter
        In the order of the input; the first one is the coupling of the bonds, one number or one for each shell.
    not_all_zero : tuple of str
        Parameters of which at least one must differ from zero.
    spin : float
        The operators of the formula are spin * sigma: 0.5 where it has spin operators, 1.0 where it has Pauli matrices.
        All results are in S = sigma/2.
    of_electrons : bool
        Whether its units are spin-orbitals of electrons, `build` returns an `ElectronModel` and results are those of
        electrons.
    of_tables : bool
        Whether the wave functions of its runs hold tables over clusters always.
    ensembles : tuple of tuples of str
        Groups of parameters of which an input gives exactly one group, all of it; empty for spins.
    shell_keys : tuple of str
        Parameters with one number per shell of neighbours: one, or those of Jx, Jy and Jz; empty for the first one.
    cell_key, site_key : str
        Parameters that list bonds between cells and between sites; empty where there are none.
    has_exchange : bool
        Whether H exchanges spins of two sites.  Without exchange the world lines are those of an Ising model, which
        block Gibbs sampling can follow, too.
    """

    word: str
    title: str
    summary: str
    latex: str
    parameters: tuple
    not_all_zero: tuple
    spin: float
    has_exchange: bool
    of_electrons = of_tables = False
    ensembles = ()
    shell_keys = ()
    cell_key = site_key = ""

    @classmethod
    def build(cls, lattice, **given):
        """Return the `SpinModel` on a lattice, not rotated, or the `ElectronModel`.

        Parameters
        ----------
        lattice : Lattice
        **given : number, bool or sequence of float
            Values of the parameters; the others have their defaults.

        Raises
        ------
        ValueError
            For a parameter that the model does not have, a wrong value, or a coupling of a shell that the lattice does
            not have.
        """
        raise NotImplementedError(f"{cls.__name__}.build")

    @classmethod
    def match(cls, terms):
        """Return the `Match` of `BondTerms`, None where their couplings are of another kind; here for every model."""
        return None

    @classmethod
    def bond_numbers(cls, matrix):
        """Return the numbers that the input has for a bond with the 3 x 3 matrix J^ab of `BondTerms` that match."""
        return (matrix[0][0],)

    @classmethod
    def formula(cls):
        """Return H in plain text, made from `latex`."""
        text = cls.latex
        for pattern, plain in _PLAIN:
            text = re.sub(pattern, plain, text)
        return text

    @classmethod
    def bond_parameter(cls):
        """Return the `Parameter` that is the coupling of the bonds."""
        return cls.parameters[0]

    @classmethod
    def shell_couplings(cls, values):
        """Return the couplings of first, second, ... neighbours from the values of all parameters, as a tuple."""
        parameter = cls.bond_parameter()
        return parameter.as_tuple(values[parameter.name])

    @classmethod
    def completed(cls, given):
        """Return {name: value as `Parameter.converted` returns it} of all parameters, defaults for those not given.

        Raises
        ------
        ValueError
            For a parameter that the model does not have, or a wrong value.
        """
        names = [parameter.name for parameter in cls.parameters]
        for name in given:
            if name not in names:
                raise ValueError(f"model.{name}: {cls.word} has no such parameter; allowed are {', '.join(names)}")
        return {each.name: each.converted(given.get(each.name, each.default)) for each in cls.parameters}


@dataclass(frozen=True)
class BondTerms:
    """Terms of another program: H = sum_ij sum_ab J^ab_ij S^a_i S^b_j - sum_i sum_a h^a_i S^a_i,  S = sigma/2.

    Attributes
    ----------
    pairs : dict of (int, int): tuple of tuples of float
        J^ab, rows for the components of the first spin.
    fields : dict of str: tuple of float
        "x", "y", "z" to the h^a_i of all sites.
    negligible : float
        Couplings up to here are zero.
    """

    pairs: dict
    fields: dict
    negligible: float

    @property
    def is_ising(self):
        """Whether every pair has SzSz alone."""
        others = [(a, b) for a in range(3) for b in range(3) if (a, b) != (2, 2)]
        return all(abs(matrix[a][b]) <= self.negligible for matrix in self.pairs.values() for a, b in others)

    @property
    def is_xxz(self):
        """Whether every pair has jxy (SxSx + SySy) + jz SzSz alone."""
        return all(
            abs(matrix[0][0] - matrix[1][1]) <= self.negligible
            and all(abs(matrix[a][b]) <= self.negligible for a in range(3) for b in range(3) if a != b)
            for matrix in self.pairs.values()
        )

    def uniform(self, axis):
        """Return the field along an axis where it is the same on all sites, else None."""
        fields = self.fields[axis]
        return fields[0] if max(fields) - min(fields) <= self.negligible else None


@dataclass(frozen=True)
class Match:
    """How a model says the same as `BondTerms`.

    Attributes
    ----------
    values : dict of str: float or list of float
        The parameters besides the couplings, which `Model.bond_numbers` gives.
    remarks : tuple of str
        Sentences for the reader.
    problems : list of str
        Why the model is not the same, one sentence each; empty where it is.
    """

    values: dict
    remarks: tuple = ()
    problems: list = field(default_factory=list)
