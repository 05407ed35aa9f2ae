"""The settings of a run that continues: what cannot change, and the temperatures that have results already."""

import dataclasses

from hpc_nqs.settings.parsing import SettingsError, changed_foundations, parse_settings, read_tables
from hpc_nqs.settings.toml_text import shown


def continued(text, rows, overrides=()):
    """Return (the settings of a run that continues, remarks for the user).

    Temperatures with results stay in the settings whatever the overrides say, so that settings, rows and the end of the
    run are those of one input; temperatures that the run has not reached may go.

    Parameters
    ----------
    text : str
        The settings in the run file.
    rows : list of dict
        The results there.
    overrides : sequence of str
        "section.key=value".

    Raises
    ------
    SettingsError
        When the overrides are wrong or a setting on which the stored state rests would change.
    """
    tables = read_tables(text)
    stored, settings = parse_settings(tables), parse_settings(tables, overrides)
    problems = changed_foundations(stored, settings)
    if problems:
        raise SettingsError(problems)
    return _with_reported(settings, rows) if settings.run.task == "thermal" else (settings, [])


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
