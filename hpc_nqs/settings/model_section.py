"""The section [model] of the input, made from the models: their words, and the keys of all of them."""

import dataclasses

from hpc_nqs.hamiltonians.parameter import BONDS_XYZ, CELL_BONDS_XYZ, HOPS, INTEGER, OF_CELLS, SWITCH
from hpc_nqs.settings.rules import (
    auto_or,
    between_cells,
    between_sites,
    integer,
    list_of,
    number,
    option,
    word,
    written_options,
)

MAX_HOPS = 10**5  # of the list of one cell
_BY_COMPONENT = ("Jx", "Jy", "Jz"), ("Jxx", "Jxy", "Jxz", "Jyx", "Jyy", "Jyz", "Jzx", "Jzy", "Jzz")


class ModelSection:
    """The Hamiltonian."""

    def keywords(self):
        """Return the options that exist for this kind of model, as keyword arguments of `hamiltonians.build_model`."""
        return written_options(self)


def model_section(models):
    """Return the dataclass of the section [model].

    Parameters
    ----------
    models : dict of str: type
        Word to class, as `hamiltonians.MODELS`.

    Returns
    -------
    type
        With `kind` and one option per key; keys of one model alone come before those that several have.

    Raises
    ------
    ValueError
        When models disagree about the default or the unit of a key.
    """
    owners = {}
    for model in models.values():
        for parameter in model.parameters:
            owners.setdefault(parameter.name, {})[model.word] = parameter
    summaries = joined(f"{model.word} ({model.summary})" for model in models.values())
    fields = [("kind", str, option(word(*models), about=summaries))]
    for name in sorted(owners, key=lambda name: len(owners[name]) > 1):
        fields.append(_field(name, owners[name], is_of_all=len(owners[name]) == len(models)))
    section = dataclasses.make_dataclass(
        "ModelSettings", fields, bases=(ModelSection,), namespace={"__doc__": ModelSection.__doc__}, frozen=True
    )
    section.__module__ = "hpc_nqs.settings.sections"  # where copies between processes look for it
    return section


def _field(name, parameters, is_of_all):
    """Return (name, type, field) of the key that `parameters`, {word of a model: Parameter}, share."""
    first, *others = parameters.values()
    if len({(each.default, each.unit, _rule(each)[0].allowed) for each in (first, *others)}) > 1:
        raise ValueError(f"model.{name}: {joined(parameters, 'and')} have different defaults or units")
    rule, kind = _rule(first)
    chosen = option(
        rule,
        first.default,
        about=_meaning(parameters),
        unit=first.unit,
        only_for=None if is_of_all else ("kind", tuple(parameters)),
        example=first.example,
    )
    return name, kind, chosen


def _rule(parameter):
    """Return what the key of a parameter accepts, a `Rule`, and the type of its values."""
    if parameter.kind == SWITCH:
        return word(True, False), bool
    if parameter.kind in OF_CELLS:
        places = "orbitals" if parameter.kind == HOPS else "spins of a cell"
        numbers = _BY_COMPONENT if parameter.kind == CELL_BONDS_XYZ else (("x",),)
        return list_of(between_cells(places, *numbers), 0, MAX_HOPS), tuple[tuple, ...]
    if parameter.kind == BONDS_XYZ:
        return list_of(between_sites(*_BY_COMPONENT), 0, MAX_HOPS), tuple[tuple, ...]
    rule, kind = (integer(*parameter.limits), int) if parameter.kind == INTEGER else (number(), float)
    if parameter.is_list:
        return list_of(rule, *parameter.lengths), tuple[kind, ...]
    if parameter.default is None:
        return rule, kind | None
    return (auto_or(rule), kind | str) if isinstance(parameter.default, str) else (rule, kind)


def _meaning(parameters):
    """Return what a key means, {word of a model: Parameter}: said once where the models agree."""
    meanings = {}
    for kind, each in parameters.items():
        meanings.setdefault(each.meaning, []).append(kind)
    if len(meanings) == 1:
        return next(iter(meanings))
    symbols = {each.symbol for each in parameters.values()}
    if len(symbols) == 1 and "" not in symbols:
        symbol = symbols.pop()
        return f"{symbol} of " + joined(
            f"{meaning.removeprefix(f'{symbol} of ')} ({', '.join(kinds)})" for meaning, kinds in meanings.items()
        )
    return joined(f"{meaning} ({', '.join(kinds)})" for meaning, kinds in meanings.items())


def joined(parts, last="or"):
    """Return parts as "a, b or c"."""
    *before, final = parts
    return f"{', '.join(before)} {last} {final}" if before else final
