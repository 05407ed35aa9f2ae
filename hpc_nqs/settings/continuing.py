"""The settings of a run that continues or is measured again: what cannot change, and which temperatures there are."""

import dataclasses

from hpc_nqs.settings.parsing import SettingsError, changed_foundations, parse_settings, read_tables
from hpc_nqs.settings.toml_text import shown

OLDER_KINDS = (  # what "auto" was in version 0.1, by arrays of the run file that no kind above has
    ({"pairing", "cluster_table"}, "permanent"),  # a determinant with flux, cooled again as a permanent
    ({"mismatch_amplitudes"}, "clusters"),
    ({"pairing", "weights"}, "pair_rbm"),
    ({"weights"}, "rbm"),
)
COOLED_AGAIN = (
    "the run file holds tables times a determinant with flux, a state of version 0.1; its results stay, and lower "
    "temperatures are reached by an exchange permanent that is cooled from the start"
)


def older_kind(arrays):
    """Return the word of `wavefunction.kind` for the arrays of a run file where "auto" may mean another one now."""
    return next((word for names, word in OLDER_KINDS if names <= set(arrays)), None)


def continued(text, rows, arrays=(), overrides=()):
    """Return (the settings of a run that continues, remarks for the user).

    Temperatures with results stay in the settings whatever the overrides say, so that settings, rows and the end of the
    run are those of one input; temperatures that the run has not reached may go.

    Parameters
    ----------
    text : str
        The settings in the run file.
    rows : list of dict
        The results there.
    arrays : collection of str
        The names of the arrays of the wave function there, of a file that does not say what "auto" was.
    overrides : sequence of str
        "section.key=value".

    Raises
    ------
    SettingsError
        When the overrides are wrong or a setting on which the stored state rests would change.
    """
    tables = read_tables(text)
    wavefunction, remarks = tables.get("wavefunction", {}), []
    kind, older = wavefunction.get("kind", "auto"), older_kind(arrays)
    if tables.get("run", {}).get("task", "thermal") == "thermal" and kind in ("auto", "clusters") and older:
        tables["wavefunction"] = wavefunction | {"kind": older}
        if older == "permanent":
            remarks = [f'wavefunction.kind = "{kind}": {COOLED_AGAIN}']
    stored, settings = parse_settings(tables), parse_settings(tables, overrides)
    problems = changed_foundations(stored, settings)
    if problems:
        raise SettingsError(problems)
    if settings.run.task == "thermal":
        settings, added = _with_reported(settings, rows)
        remarks += added
    return settings, remarks


def measured_again(text, rows, source, overrides=(), temperatures=None):
    """Return the settings of a measurement of the states that a thermal run has passed.

    Parameters
    ----------
    text : str
        The settings in the run file.
    rows : list of dict
        The results there; without temperatures in the overrides theirs are measured.
    source : str
        The run file.
    overrides : sequence of str
        "section.key=value".
    temperatures : sequence of float, optional
        In place of those.

    Raises
    ------
    SettingsError
        No thermal run by the numerical method, a setting on which the states rest would change, or no temperatures.
    """
    tables = read_tables(text)
    stored = parse_settings(tables)
    again = f"run its input again with the observables; `hpc-nqs show {source} --toml` prints it"
    if stored.run.task != "thermal":
        raise SettingsError([f"{source} is a run of ground states, which keeps its last states alone; {again}"])
    if stored.thermal.method != "numerical":
        raise SettingsError([f'{source} is a run of thermal.method = "analytic", which keeps no states; {again}'])
    given = {"thermal.temperatures", "thermal.betas"} & {each.partition("=")[0].strip() for each in overrides}
    if temperatures is not None and given:
        raise SettingsError([f"temperatures are given by --set {given.pop()} and on their own: give one of them"])
    if not given:
        tables["thermal"] = tables["thermal"] | _temperatures(stored.thermal, rows, source, temperatures)
        tables["thermal"] = {key: value for key, value in tables["thermal"].items() if value is not None}
    settings = parse_settings(tables, overrides)
    problems = changed_foundations(stored, settings)
    if problems:
        raise SettingsError(problems)
    return settings


def _temperatures(thermal, rows, source, temperatures):
    """Return {key: value} of what is measured again: temperatures that are asked for, or those with results."""
    if temperatures is not None:
        return {"temperatures": temperatures, "betas": None}
    if not rows:
        raise SettingsError(
            [f"{source} has no results yet: name temperatures with --temperatures T,T,..., or go on with "
             f"hpc-nqs resume {source}"]
        )
    known, key = {row["beta"] for row in rows}, "temperatures" if thermal.temperatures else "betas"
    both = zip(getattr(thermal, key), thermal.report_betas, strict=True)
    return {key: [value for value, beta in both if beta in known]}


def _with_reported(settings, rows):
    """Return the settings with the temperatures of the rows among theirs, and a remark where that adds any."""
    thermal = settings.thermal
    missing = [row for row in rows if row["beta"] not in thermal.report_betas]
    if not missing:
        return settings, []
    key, given = ("temperatures", thermal.temperatures) if thermal.temperatures else ("betas", thermal.betas)
    if key == "temperatures" and all(1.0 / row["temperature"] == row["beta"] for row in missing):
        both = sorted({*given, *(row["temperature"] for row in missing)}, reverse=True)
        thermal = dataclasses.replace(thermal, temperatures=tuple(both))
    else:  # 1 / (1 / beta) is not always beta, by which rows are found
        both = sorted({*thermal.report_betas, *(row["beta"] for row in missing)})
        thermal = dataclasses.replace(thermal, betas=tuple(both), temperatures=())
    places = ", ".join(f"{row['temperature']:.6g}" for row in missing)
    remark = f"thermal.{key} = {shown(given)}: the run has results at T = {places}, which stay in the input"
    return dataclasses.replace(settings, thermal=thermal), [remark]
