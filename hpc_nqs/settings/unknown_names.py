"""Names in an input that are not known, or not where they stand: what may have been meant, and what is allowed."""

import dataclasses
import difflib

from hpc_nqs.hamiltonians import MODELS
from hpc_nqs.settings.toml_text import format_value, shortened, shown

_MANY = 5  # kinds of which an option that is not for one of them names that one


def place(*names):
    """Return names joined by points; a name that is empty or cannot be printed is quoted."""
    return shortened(".".join(name if name.isprintable() and name else format_value(name) for name in names))


def nearest_name(name, names):
    """Return ", did you mean ..." with the nearest of some names; empty where none is near."""
    lower = {each.lower(): each for each in names}
    close = difflib.get_close_matches(name[:60].lower(), list(lower), n=1, cutoff=0.5)
    return f", did you mean {lower[close[0]]}" if close else ""


def unknown_key(sections, section, key, kind):
    """Return what a message says about a key that a section does not have.

    Parameters
    ----------
    sections : dict of str: type
        Name to dataclass of options.
    section, key : str
    kind : object
        What `kind` of this section is in the input, None where it is not there.
    """
    allowed = _keys_of(sections[section], kind)
    keys = {name: [field.name for field in dataclasses.fields(each)] for name, each in sections.items()}
    elsewhere = [f"{name}.{key}" for name in sections if name != section and key in keys[name]]
    meant = (section == "model" and _by_letter(key, kind)) or nearest_name(key, allowed)
    if elsewhere and not (section == "model" and _by_letter(key, kind)):
        meant = f", did you mean {' or '.join(elsewhere)}"
    elif not meant:
        others = [other for names in keys.values() for other in names]
        close = difflib.get_close_matches(key[:60].lower(), others, n=1, cutoff=0.75)
        places = [f"{name}.{close[0]}" for name in sections if close[0] in keys[name]] if close else []
        meant = f", did you mean {' or '.join(places)}" if places else ""
    return f"unknown key{meant}; {_allowed(section, allowed, keys[section], kind)}"


def misplaced_key(sections, section, key, field, kind):
    """Return what a message says about a key that exists for other kinds alone."""
    condition, kinds = field.metadata["only_for"]
    allowed = _keys_of(sections[section], kind)
    if len(kinds) > _MANY:
        return f"not for {condition} = {shown(kind)}; {_allowed(section, allowed, (), kind)}"
    here = f"only for {condition} = {' or '.join(map(shown, kinds))}, not {shown(kind)}"
    if condition != "kind":
        return here
    return f"{here}{nearest_name(key, allowed)}; {_allowed(section, allowed, (), kind)}"


def _keys_of(options, kind):
    """Return the keys of a section that exist for a kind; all where the kind is not known."""
    names = []
    for field in dataclasses.fields(options):
        condition = field.metadata["only_for"]
        if not condition or condition[0] != "kind" or kind in condition[1]:
            names.append(field.name)
    known = [field for field in dataclasses.fields(options) if field.name == "kind"]
    try:
        known[0].metadata["rule"].convert(kind)
    except (IndexError, ValueError):
        return [field.name for field in dataclasses.fields(options)]
    return names


def _allowed(section, allowed, all_keys, kind):
    where = f"[{section}]" if len(allowed) == len(all_keys) else f"[{section}] with kind = {shown(kind)}"
    return f"allowed in {where} are {', '.join(allowed)}"


def _by_letter(key, kind):
    """Return ", did you mean ..." with the key of a model that has this letter in its formula; empty where none has."""
    model = MODELS.get(kind) if isinstance(kind, str) else None
    for parameter in model.parameters if model else ():
        letters = [parameter.symbol] + [f"{parameter.symbol}{n}" for n in range(4) if parameter.is_list]
        if parameter.symbol and key.lower() in [letter.lower() for letter in letters]:
            return f", did you mean {parameter.name} ({parameter.meaning})"
    return ""
