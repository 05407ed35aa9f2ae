"""Sweeps: one input with lists of values under [sweep] that stands for an array of runs."""

import dataclasses
import itertools
import json
from pathlib import Path

from hpc_nqs.settings.parsing import Settings, SettingsError, parse_settings, read_tables
from hpc_nqs.settings.rules import Rule, range_or
from hpc_nqs.settings.system import validate
from hpc_nqs.settings.toml_text import format_tables, format_value, shown

LENGTHS_OF_BONDS = (5, 6)  # [R1, R2, a, b, J] between cells, in three dimensions with R3
MAX_RUNS = 10000


def _several(value):
    if not isinstance(value, list) or not value:
        raise ValueError
    return value


_VALUES = range_or(Rule("a list with at least one value", _several), MAX_RUNS, any_sign=True)


@dataclasses.dataclass(frozen=True)
class SweepRun:
    """One run of a sweep.

    Attributes
    ----------
    values : dict of str: object
        "section.key" to the value of this run.
    settings : Settings
    tables : dict
        Its input as nested dicts.
    path : Path
        Of its input; the run file has the ending .h5.
    """

    values: dict
    settings: Settings
    tables: dict
    path: Path

    @property
    def output(self):
        """Path of the run file."""
        return self.path.with_suffix(".h5")


def read_sweep(path, folder=None):
    """Return the list of `SweepRun` of an input with a section [sweep], every combination of its values.

    Parameters
    ----------
    path : path-like
    folder : path-like, optional
        Of the inputs and run files; by default the input's name without .toml.

    Raises
    ------
    SettingsError
        With every problem of the section and of the runs.
    OSError
        When the file cannot be read.
    """
    path = Path(path)
    folder = Path(folder) if folder else path.with_suffix("")
    tables = read_tables(path.read_bytes())
    swept = tables.pop("sweep", None)
    combinations = _combinations(swept)
    width = max(3, len(str(len(combinations) - 1)))
    runs, problems = [], {}
    for number, values in enumerate(combinations):
        changed = {name: dict(table) if isinstance(table, dict) else table for name, table in tables.items()}
        for name, value in values.items():
            section, _, key = name.partition(".")
            changed.setdefault(section, {})[key] = value
        try:
            settings = parse_settings(changed, folder=path.parent)
            found = validate(settings)
        except SettingsError as error:
            found = error.problems
        if found:
            problems |= dict.fromkeys(found)
            continue
        runs.append(SweepRun(values, settings, changed, folder / f"run-{number:0{width}d}.toml"))
    if problems:
        raise SettingsError(problems)
    return runs


def _combinations(swept):
    """Return the values of every run, checked."""
    example = '[sweep] holds lists, for example "model.field" = [0.5, 1.0, 2.0]'
    if not isinstance(swept, dict) or not swept:
        raise SettingsError([f"the input has no section [sweep]; {example}"])
    flat = {}
    for name, values in swept.items():  # model.field = [...] without quotes is a table in TOML
        is_table = isinstance(values, dict) and "." not in name
        flat |= {f"{name}.{key}": entry for key, entry in values.items()} if is_table else {name: values}
    problems = []
    for name, values in flat.items():
        if name.count(".") != 1:
            problems.append(f"sweep.{name}: write section.key; {example}")
            continue
        try:
            flat[name] = list(_VALUES.convert(values))
        except ValueError as error:
            why = f" ({error})" if str(error) else ""
            problems.append(f"sweep.{name} = {shown(values)}{why}: allowed is {_VALUES.allowed}")
    if problems:
        raise SettingsError(problems)
    count = 1
    for values in flat.values():
        count *= len(values)
    if count > MAX_RUNS:
        raise SettingsError([f"[sweep]: {count} runs; allowed are up to {MAX_RUNS}"])
    return [dict(zip(flat, values, strict=True)) for values in itertools.product(*flat.values())]


def write_inputs(runs):
    """Write the inputs of all runs; return their paths.

    Raises
    ------
    SettingsError
        When another input stands at one of the paths; nothing is written then.
    OSError
        When a file cannot be written.
    """
    texts = {run.path: format_tables(_standing_alone(run)) for run in runs}
    differing = [path for path, text in texts.items() if path.exists() and path.read_text(encoding="utf-8") != text]
    if differing:
        raise SettingsError(
            [f"{path}: another input stands there; remove it or choose another folder" for path in differing]
        )
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(texts)


def _standing_alone(run):
    """Return the tables of a run; bonds in place of the file they were read from, and the full path of a start."""
    lattice = dict(run.tables.get("lattice", {}))
    if lattice.pop("bonds_file", None):
        lattice["bonds"] = [list(bond) for bond in run.settings.lattice.bonds]
    tables = run.tables | {"lattice": lattice}
    if run.settings.thermal.start:
        tables["thermal"] = run.tables["thermal"] | {"start": str(Path(run.settings.thermal.start).resolve())}
    return tables


def numbers_of(values):
    """Return the values of one parameter over the runs as something to plot against.

    A list, such as model.couplings, is replaced by its entry that differs between the runs, where only one does; a bond
    [R1, R2, a, b, J] by its J, where nothing else differs.
    """
    if not all(isinstance(value, (list, tuple)) for value in values):
        return list(values)
    moving = moving_entry(values)
    found = values if moving is None else [value[moving] for value in values]
    if moving is not None and moving_entry(found) is not None:
        last = len(found[0]) - 1
        if last + 1 in LENGTHS_OF_BONDS and moving_entry(found) == last:
            found = [bond[last] for bond in found]
    plain = not any(isinstance(value, (list, tuple)) for value in found)
    return found if plain else [format_value(value) for value in values]


def moving_entry(values):
    """Return the number of the only entry in which lists of one length differ, None where there is no such entry."""
    if not all(isinstance(value, (list, tuple)) for value in values) or len({len(value) for value in values}) != 1:
        return None
    moving = [k for k in range(len(values[0])) if len({json.dumps(value[k]) for value in values}) > 1]
    return moving[0] if len(moving) == 1 else None


