"""Operators of the user: [[observables.operators]] with a name and terms, products of spin operators of sites."""

import dataclasses
import re

from hpc_nqs.settings.rules import MAX_SITES, Rule, number

LETTERS = ("x", "y", "z", "+", "-")
MAX_OPERATORS, MAX_TERMS, MAX_FACTORS = 100, 20000, 12
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
SHAPE = (
    '{name = "word", terms = [{sites = [i, j], ops = "zz", coefficient = 1.0}, ...]}: coefficient times S^z_i S^z_j, a '
    f"letter of {', '.join(LETTERS)} for every site"
)


@dataclasses.dataclass(frozen=True)
class Term:
    """coefficient times a product of spin operators, one letter of `LETTERS` for every site."""

    sites: tuple
    ops: str
    coefficient: float = 1.0

    def written(self):
        """Return the term as TOML has it."""
        return {"sites": list(self.sites), "ops": self.ops, "coefficient": self.coefficient}


@dataclasses.dataclass(frozen=True)
class OperatorTable:
    """A named sum of terms; its Hermitian part is measured."""

    name: str
    terms: tuple

    def written(self):
        """Return the operator as TOML has it."""
        return {"name": self.name, "terms": [term.written() for term in self.terms]}


def operator_tables():
    """Accept a list of operators of different names."""

    def convert(value):
        if not isinstance(value, (list, tuple)) or len(value) > MAX_OPERATORS:
            raise ValueError
        found = [_operator(entry, position) for position, entry in enumerate(value, start=1)]
        names = [each.name for each in found]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two operators have the name {name}")
        return tuple(found)

    return Rule(f"a list of up to {MAX_OPERATORS} tables {SHAPE}", convert)


def _operator(entry, position):
    if isinstance(entry, OperatorTable):
        return entry
    where = f"entry {position} is wrong, "
    if not isinstance(entry, dict) or set(entry) != {"name", "terms"}:
        raise ValueError(f"{where}it has name and terms")
    name, terms = entry["name"], entry["terms"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{where}its name is a word of letters, digits and _, up to 40")
    if not isinstance(terms, (list, tuple)) or not 1 <= len(terms) <= MAX_TERMS:
        raise ValueError(f"{where}{name} has 1 to {MAX_TERMS} terms")
    return OperatorTable(name, tuple(_term(term, f"{where}{name}, term {k}: ") for k, term in enumerate(terms, 1)))


def _term(term, where):
    if not isinstance(term, dict) or not {"sites", "ops"} <= set(term) <= {"sites", "ops", "coefficient"}:
        raise ValueError(f"{where}it has sites and ops, and may have coefficient")
    sites, ops = term["sites"], term["ops"]
    whole = isinstance(sites, (list, tuple)) and all(type(site) is int and 0 <= site < MAX_SITES for site in sites)
    if not whole or not 1 <= len(sites) <= MAX_FACTORS or len(set(sites)) != len(sites):
        raise ValueError(f"{where}sites are 1 to {MAX_FACTORS} different sites from 0")
    if not isinstance(ops, str) or len(ops) != len(sites) or set(ops) - set(LETTERS):
        raise ValueError(f"{where}ops has one letter of {', '.join(LETTERS)} for every site")
    try:
        coefficient = number().convert(term.get("coefficient", 1.0))
    except ValueError:
        raise ValueError(f"{where}coefficient is {number().allowed}") from None
    return Term(tuple(sites), ops, coefficient)
