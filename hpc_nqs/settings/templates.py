"""Commented inputs and the reference of all options, made from the settings so that they cannot drift from them."""

import dataclasses
import textwrap

from hpc_nqs.hamiltonians import Heisenberg, Hubbard
from hpc_nqs.settings.parsing import SECTIONS
from hpc_nqs.settings.toml_text import format_value

# The system of a new input; everything else stands there as a comment with its default.
_THERMAL = {
    ("lattice", "kind"): "square",
    ("lattice", "lengths"): [4, 4],
    ("model", "kind"): Heisenberg.word,
    ("model", "couplings"): [1.0, 0.5],
    ("thermal", "temperatures"): [2.0, 1.0, 0.7, 0.5, 0.35, 0.25],
}
_GROUND_STATE = {
    ("run", "task"): "ground_state",
    ("lattice", "kind"): "square",
    ("lattice", "lengths"): [4, 4],
    ("model", "kind"): Heisenberg.word,
    ("model", "couplings"): [1.0],
    ("ground_state", "n_steps"): 300,
}
_HUBBARD = {
    ("lattice", "kind"): "square",
    ("lattice", "lengths"): [2, 3],
    ("lattice", "boundary"): "open",
    ("model", "kind"): Hubbard.word,
    ("model", "U"): 8.0,
    ("model", "hopping"): [1.0],
    ("model", "n_up"): 3,
    ("model", "n_down"): 3,
    ("thermal", "temperatures"): [2.0, 1.0, 0.7, 0.5, 0.35, 0.25],
}
_INPUTS = {"thermal": _THERMAL, "ground_state": _GROUND_STATE, Hubbard.word: _HUBBARD}
_NAMES = (*_INPUTS, "reference")


def text(name):
    """Return the text that `hpc-nqs init NAME` prints.

    Raises
    ------
    ValueError
        For a name without a text; the message is a sentence.
    """
    if name in _INPUTS:
        return commented_input(_INPUTS[name], other_tasks={"thermal", "ground_state"} - {_task(name)})
    if name == "reference":
        return reference()
    raise ValueError(f"init {name}: there is no such task; allowed are {', '.join(_NAMES)}")


def _task(name):
    """Return `run.task` of one of the inputs."""
    return _INPUTS[name].get(("run", "task"), "thermal")


def commented_input(given, other_tasks=()):
    """Return an input with the values `given`, {(section, key): value}, and all other options as comments.

    Sections named in `other_tasks` are left out.
    """
    lines = ["# Input of hpc-nqs. Lines `#key = value` show defaults, or examples."]
    for section, kind in SECTIONS.items():
        if section in other_tasks:
            continue
        fields = dataclasses.fields(kind)
        kinds = {key: given[section, key] for name, key in given if name == section}
        chosen = {field.name: field.default for field in fields} | kinds
        lines += ["", f"[{section}]"]
        for field in fields:
            condition = field.metadata["only_for"]
            if condition and chosen[condition[0]] not in condition[1]:
                continue
            lines += textwrap.wrap(_about(field), 88, initial_indent="# ", subsequent_indent="#   ")
            if field.name in kinds:
                lines.append(f"{field.name} = {format_value(kinds[field.name])}")
            else:
                example = field.metadata["example"]
                lines.append(f"#{field.name} = {format_value(field.default if example is None else example)}")
    return "\n".join(lines) + "\n"


def reference():
    """Return a Markdown table of every option: default, unit, meaning, allowed values."""
    lines = []
    for section, kind in SECTIONS.items():
        lines += [f"### [{section}]", "", "| key | default | unit | meaning | allowed |", "|---|---|---|---|---|"]
        for field in dataclasses.fields(kind):
            condition = field.metadata["only_for"]
            about = field.metadata["description"] + (
                f" (only for {condition[0]} = {', '.join(condition[1])})" if condition else ""
            )
            cells = [f"`{field.name}`", _default(field), field.metadata["unit"], about, field.metadata["allowed"]]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def _about(field):
    unit = f" [{field.metadata['unit']}]" if field.metadata["unit"] else ""
    return f"{field.metadata['description']}{unit}: {field.metadata['allowed']}"


def _default(field):
    if field.default is dataclasses.MISSING:
        return "required"
    return f"`{format_value(field.default)}`" if field.metadata["example"] is None else ""
