"""The section [model] of the input, made from the models: their words, and the keys of all of them."""

import dataclasses

from hpc_nqs.hamiltonians.parameter import MAX_SHELLS
from hpc_nqs.settings.rules import list_of, number, option, word, written_options


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
    if any((other.default, other.unit) != (first.default, first.unit) for other in others):
        raise ValueError(f"model.{name}: {joined(parameters, 'and')} have different defaults or units")
    chosen = option(
        list_of(number(), 1, MAX_SHELLS) if first.is_list else number(),
        first.default,
        about=_meaning(parameters),
        unit=first.unit,
        only_for=None if is_of_all else ("kind", tuple(parameters)),
    )
    return name, tuple[float, ...] if first.is_list else float, chosen


def _meaning(parameters):
    """Return what a key means, {word of a model: Parameter}: said once where the models agree."""
    terms, symbols = ({getattr(each, name) for each in parameters.values()} for name in ("term", "symbol"))
    (symbol, *different) = symbols
    if len(terms) == 1 and not different:
        return f"{symbol} of {terms.pop()}"
    if not different:
        return f"{symbol} of " + joined(f"{each.term} ({kind})" for kind, each in parameters.items())
    return joined(f"{each.symbol} of {each.term} ({kind})" for kind, each in parameters.items())


def joined(parts, last="or"):
    """Return parts as "a, b or c"."""
    *before, final = parts
    return f"{', '.join(before)} {last} {final}" if before else final
