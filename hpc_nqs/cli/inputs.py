"""What commands read, inputs and run files; what cannot be used becomes an error with an exit code."""

from pathlib import Path

from hpc_nqs.cli.errors import CommandError, UnusableFile
from hpc_nqs.exact import table as exact_table
from hpc_nqs.reports.levels import with_levels
from hpc_nqs.settings import parsing as settings_of_runs
from hpc_nqs.settings import system
from hpc_nqs.settings.parsing import SettingsError


def read_input(path, overrides):
    """Return the validated settings of an input file, changed by overrides "section.key=value"."""
    try:
        return validated(settings_of_runs.read_settings(path, overrides))
    except SettingsError as error:
        if Path(path).suffix == ".h5":
            raise UnusableFile(f"{path} looks like a run file; this command takes an input (TOML)") from error
        raise
    except OSError as error:
        raise UnusableFile(f"input file {path}: {error.strerror}") from error


def validated(settings):
    """Return the settings; SettingsError with what only the lattice and the model can see."""
    problems = system.validate(settings)
    if problems:
        raise SettingsError(problems)
    return settings


def read_run_file(path, reader):
    """Return what one of the readers of `run_file` finds in a run file, of tables with excitation energies."""
    from hpc_nqs.runs import run_file

    try:
        found = getattr(run_file, reader)(path)
        return with_levels(found) if reader == "read_table" else found
    except run_file.RunFileError as error:
        raise UnusableFile(str(error)) from error


def stored_settings(path):
    """Return the settings that stand in a run file."""
    text = read_run_file(path, "read_settings_text")
    return settings_of_runs.parse_settings(settings_of_runs.read_tables(text))


def exact_rows_of(table, name):
    """Return the exact row for every row of a table; CommandError with the name of the run where there are none."""
    try:
        return exact_table.rows_beside(table)
    except SettingsError as error:
        raise CommandError(f"{name}: {error}") from error
