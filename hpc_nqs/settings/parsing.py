"""The settings of one run: read from TOML, checked, and written back with every default."""

import dataclasses
import tomllib
from pathlib import Path

from hpc_nqs.settings import sections as parts
from hpc_nqs.settings.contradictions import EXCLUSIVE, contradictions, missing
from hpc_nqs.settings.errors import SettingsError
from hpc_nqs.settings.ground_state_section import GroundStateSettings
from hpc_nqs.settings.lattice_section import LatticeSettings
from hpc_nqs.settings.not_available import not_available
from hpc_nqs.settings.rules import plain, written_options
from hpc_nqs.settings.toml_text import format_tables, shown
from hpc_nqs.settings.unknown_names import misplaced_key, nearest_name, place, unknown_key
from hpc_nqs.settings.wave_vectors import with_wave_vectors


@dataclasses.dataclass(frozen=True)
class Settings:
    """All settings of one run, checked; made by `read_settings` or `parse_settings`."""

    run: parts.RunSettings
    lattice: LatticeSettings
    model: parts.ModelSettings
    wavefunction: parts.WavefunctionSettings
    sampling: parts.SamplingSettings
    reconfiguration: parts.ReconfigurationSettings
    thermal: parts.ThermalSettings
    ground_state: GroundStateSettings
    observables: parts.ObservablesSettings
    units: parts.UnitsSettings

    def to_dict(self):
        """Return nested plain dicts and lists with every default, as in the tables of `show --json`."""
        return {name: written_options(getattr(self, name)) for name in SECTIONS}

    def to_toml(self):
        """Return the TOML text with every default; reading it gives equal settings."""
        return format_tables(self.to_dict())

    def with_seed(self, seed):
        """Return a copy with `run.seed` set."""
        return dataclasses.replace(self, run=dataclasses.replace(self.run, seed=int(seed)))


SECTIONS = {field.name: field.type for field in dataclasses.fields(Settings)}
# What a run cannot change when it continues; an empty tuple stands for the whole section.
_FOUNDATIONS = {
    "run": ("task", "seed"),
    "lattice": (),
    "model": (),
    "wavefunction": (),
    "thermal": ("method", "beta_0", "start"),
    "ground_state": (
        "momentum", "point_group", "spin_parity", "sz", "sectors", "project_after", "orthogonal_to", "penalty",
    ),
}


# Where what is unknown may be something that this program does not have.
_OF_PHYSICS, _WORDS_OF_PHYSICS = ("run", "lattice", "model", "observables"), (("run", "task"), ("model", "kind"))


def refusing(function, *arguments):
    """Return function(*arguments), with what it refuses as a problem of the settings."""
    try:
        return function(*arguments)
    except SettingsError:
        raise
    except ValueError as error:
        raise SettingsError([str(error)]) from error


def read_settings(path, overrides=()):
    """Return the settings in the TOML file `path`, changed by overrides "section.key=value".

    Raises
    ------
    SettingsError
        With every problem of the file and of the overrides.
    OSError
        When the file cannot be read.
    """
    path = Path(path)
    return parse_settings(read_tables(path.read_bytes(), path.name), overrides, folder=path.parent)


def read_tables(data, name="the input"):
    """Return the tables of TOML text (str, or bytes in UTF-8); SettingsError, with its name, when it is not TOML."""
    try:
        return tomllib.loads(data if isinstance(data, str) else data.decode("utf-8"))
    except UnicodeDecodeError:
        raise SettingsError([f"{name} is not a text file in UTF-8"]) from None
    except RecursionError:
        raise SettingsError([f"{name} is not valid TOML: nested too deeply"]) from None
    except ValueError as error:  # TOMLDecodeError, and integers too long to convert
        raise SettingsError([f"{name} is not valid TOML: {error}"]) from None


def parse_settings(data, overrides=(), folder="."):
    """Return the settings in nested dicts `data`, changed by overrides "section.key=value".

    Parameters
    ----------
    data : dict
        Section name to dict of keys, as `tomllib` returns it; arrays and numbers of NumPy, ranges and paths may stand
        for lists, numbers and texts. Not changed.
    overrides : sequence of str
        The value is read as TOML; what is not TOML is taken as a word.
    folder : path
        Where a relative `lattice.bonds_file` or `thermal.start` is looked for.

    Raises
    ------
    SettingsError
        With every problem at once.
    """
    problems = []
    tables = {
        name: {key: plain(value) for key, value in table.items()} if isinstance(table, dict) else table
        for name, table in data.items()
    }
    for override in overrides:
        _apply(override, tables, problems)
    problems += _wrong_sections(tables)
    tables = {name: tables[name] if isinstance(tables.get(name), dict) else {} for name in SECTIONS}
    sections = {name: _parse_section(name, table, problems) for name, table in tables.items()}
    problems += missing(sections, tables) + contradictions(sections)
    if problems:
        raise SettingsError(problems)
    settings = Settings(**{name: SECTIONS[name](**values) for name, values in sections.items()})
    problems += _not_yet(settings)
    if settings.lattice.bonds_file and not problems:
        settings = _with_bonds(settings, folder, problems)
    settings = with_wave_vectors(settings, problems)
    if settings.thermal.start:
        start = str(Path(folder) / settings.thermal.start)
        settings = dataclasses.replace(settings, thermal=dataclasses.replace(settings.thermal, start=start))
    if problems:
        raise SettingsError(problems)
    return settings


def changed_foundations(stored, settings):
    """Return a problem for every changed setting on which the stored state of a run rests."""
    problems = []
    for section, names in _FOUNDATIONS.items():
        before, after = getattr(stored, section), getattr(settings, section)
        for name in names or [field.name for field in dataclasses.fields(before)]:
            if getattr(before, name) != getattr(after, name):
                problems.append(
                    f"{section}.{name} = {shown(getattr(after, name))}: cannot change when a run continues; "
                    f"allowed is {shown(getattr(before, name))}"
                )
    return problems


def _apply(override, tables, problems):
    """Apply one "section.key=value" to the tables *in place*."""
    name, equals, written = override.partition("=")
    section, dot, key = (part.strip() for part in name.partition("."))
    if not (equals and dot and section and key):
        problems.append(f"--set {place(override)}: write section.key=value, for example --set model.field_z=0.1")
        return
    table = tables.setdefault(section, {})
    if not isinstance(table, dict):
        return  # reported with the section
    table[key] = _override_value(written.strip())
    for owner, *alternatives in EXCLUSIVE:
        if owner == section and any(key in group for group in alternatives):
            for other in (name for group in alternatives if key not in group for name in group):
                table.pop(other, None)


def _override_value(written):
    try:
        parsed = tomllib.loads(f"value = {written}")
    except (ValueError, RecursionError):
        return written
    return parsed["value"] if len(parsed) == 1 else written


def _wrong_sections(tables):
    problems = []
    for name, table in tables.items():
        if name == "sweep":
            problems.append("[sweep]: this input stands for several runs; use `hpc-nqs sweep`")
        elif name not in SECTIONS:
            what = "section" if isinstance(table, dict) else "key outside a section"
            unknown = f"unknown {what}{nearest_name(name, SECTIONS)}; allowed are {', '.join(SECTIONS)}"
            problems.append(f"{place(name)}: {not_available(name) or unknown}")
        elif not isinstance(table, dict):
            problems.append(f"{name} = {shown(table)}: this is a section, write [{name}]")
    return problems


def _parse_section(name, table, problems):
    """Return the converted values of one section, defaults left out; what is wrong goes to `problems`."""
    fields = {field.name: field for field in dataclasses.fields(SECTIONS[name])}
    values, kind = {}, plain(table.get("kind"))
    for key, value in table.items():
        if key not in fields:
            missing_here = not_available(key) if name in _OF_PHYSICS else ""
            problems.append(f"{place(name, key)}: {missing_here or unknown_key(SECTIONS, name, key, kind)}")
            continue
        try:
            values[key] = fields[key].metadata["rule"].convert(value)
        except ValueError as error:
            detail = f" ({error})" if str(error) and not isinstance(error, UnicodeError) else ""
            allowed = f"allowed is {fields[key].metadata['allowed']}"
            missing_here = not_available(value) if (name, key) in _WORDS_OF_PHYSICS and isinstance(value, str) else ""
            why = f"{missing_here}; {allowed}" if missing_here else allowed
            problems.append(f"{name}.{key} = {shown(value)}{detail}: {why}")
    for key, field in fields.items():
        if key not in table and field.default is dataclasses.MISSING:
            problems.append(f"{name}.{key} is missing: allowed is {field.metadata['allowed']}")
        condition = field.metadata["only_for"]
        if key not in values or not condition:
            continue
        default = fields[condition[0]].default
        chosen = values.get(condition[0], condition[1][0] if default is dataclasses.MISSING else default)
        if chosen not in condition[1]:
            why = misplaced_key(SECTIONS, name, key, field, chosen)
            problems.append(f"{name}.{key} = {shown(table[key])}: {why}")
    return values


def _not_yet(settings):
    """Return one sentence for every option that the interface promises and this version cannot do."""
    network = settings.wavefunction
    deep = network.kind == "dbm" or bool(settings.thermal.start)
    promises = [
        ("wavefunction.slices", network.slices, not deep and network.slices not in ("auto", 1, 2, 3, 4), "1 to 4"),
    ]
    return [
        f"{name} = {shown(value)}: not available in this version; allowed is {shown(instead)}"
        for name, value, asked, instead in promises
        if asked
    ]


def _with_bonds(settings, folder, problems):
    """Return the settings with the bonds of `bonds_file` in place of its name, so that a run file stands alone."""
    from hpc_nqs.lattices.lattice import read_bonds

    path = Path(folder) / settings.lattice.bonds_file
    rule = {field.name: field.metadata["rule"] for field in dataclasses.fields(settings.lattice)}["bonds"]
    try:
        n_sites = None if settings.lattice.n_sites == "auto" else settings.lattice.n_sites
        sites, strengths = read_bonds(path, n_sites)
        bonds = rule.convert([(*pair, strength) for pair, strength in zip(sites, strengths, strict=True)])
    except OSError as error:
        problems.append(f"lattice.bonds_file = {shown(settings.lattice.bonds_file)}: {error.strerror} ({path})")
    except ValueError as error:
        problems.append(f"lattice.bonds_file = {shown(settings.lattice.bonds_file)}: {error}")
    else:
        return dataclasses.replace(settings, lattice=dataclasses.replace(settings.lattice, bonds_file="", bonds=bonds))
    return settings
