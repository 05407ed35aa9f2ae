"""The settings of a run that continues: what cannot change, and the temperatures that have results already."""

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
