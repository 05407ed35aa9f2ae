"""Changes of single settings as code gives them, in the form in which commands give them."""

from collections.abc import Mapping

from hpc_nqs.settings.errors import SettingsError
from hpc_nqs.settings.rules import plain
from hpc_nqs.settings.toml_text import format_value, shown


def override_texts(overrides):
    """Return changes of settings as a list of "section.key=value".

    Parameters
    ----------
    overrides : mapping, str, or sequence of str
        ``{"section.key": value}`` or ``{"section": {"key": value}}``, values as in `parse_settings`; or
        "section.key=value", one or several.

    Raises
    ------
    SettingsError
        A value that no input can hold, or another form.
    """
    if isinstance(overrides, str):
        return [overrides]
    if not isinstance(overrides, Mapping):
        return list(overrides)
    texts, problems = [], []
    for name, value in overrides.items():
        is_section = isinstance(value, Mapping) and "." not in str(name)  # else a range {from, to, n}
        places = {f"{name}.{key}": each for key, each in value.items()} if is_section else {name: value}
        for place, each in places.items():
            try:
                texts.append(f"{place}={format_value(plain(each))}")
            except TypeError as error:
                problems.append(f"{place} = {each!r}: {error}; allowed are numbers, texts, truth values and lists")
            else:
                if str(place).count(".") != 1:
                    problems.append(f"{place} = {shown(plain(each))}: write section.key, for example model.field_z")
    if problems:
        raise SettingsError(problems)
    return texts
