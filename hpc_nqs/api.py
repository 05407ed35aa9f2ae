"""The program from Python: build an input in code, run it on all ranks, get the results as arrays.

The names of this module are those of the package: ``hpc_nqs.make_input``, ``hpc_nqs.run`` and so on.
"""

import contextlib
import dataclasses
import threading
from pathlib import Path

import numpy as np

from hpc_nqs.parallel.team import LauncherError as LauncherError
from hpc_nqs.reports.text import csv_text, flat_row, json_text, table_text
from hpc_nqs.runs import labelled_arrays, run_file
from hpc_nqs.runs.computation import STOPPED
from hpc_nqs.runs.output_paths import OccupiedError, check_output, inputs_of
from hpc_nqs.runs.run_file import RunFileError as RunFileError
from hpc_nqs.runs.stopping import StopRequest
from hpc_nqs.settings.continuing import continued
from hpc_nqs.settings.parsing import Settings, SettingsError, parse_settings, read_settings
from hpc_nqs.settings.system import validate


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """The contents of one run file, or exact results of an input.

    Attributes
    ----------
    path : str
        Of the run file; empty for exact results.
    settings : Settings
    table : dict
        As ``show --json`` prints it: "rows", "n_sites", "finished", "seconds", "n_ranks".
    history : dict of str: (n_steps,) float64
        The meters of every step; energies per site. Empty for exact results.
    about : dict
        Version, commit, number of ranks and chains.
    stopped : str
        Why this call of `run` or `resume` was asked to stop, such as "SIGTERM received"; empty where it was not.
    """

    path: str
    settings: Settings
    table: dict
    history: dict
    about: dict
    stopped: str = ""

    def __getitem__(self, name):
        """Return one quantity at the reported temperatures (or sectors), such as run["energy"] or run["energy_error"].

        Returns
        -------
        (n_rows,) float64, or (n_rows, n_keys) for structure factors and correlations
            In the unit `labelled_arrays.unit_of(name)`; not a number where a row does not have it.

        Raises
        ------
        KeyError
            When no row has the quantity; names those that there are.
        """
        found = labelled_arrays.columns(self.table["rows"])
        if name not in found:
            raise KeyError(f"{name}; there are {', '.join(found)}")
        return found[name][1]

    @property
    def names(self):
        """Names of the quantities and coordinates that `run[name]` knows."""
        return list(labelled_arrays.columns(self.table["rows"]))

    @property
    def columns(self):
        """One list per column of ``show --csv``, {name: list}; ``pandas.DataFrame(run.columns)`` takes it."""
        rows = [flat_row(row) for row in self.table["rows"]]
        names = dict.fromkeys(name for row in rows for name in row)
        return {name: [row.get(name, np.nan) for row in rows] for name in names}

    @property
    def finished(self):
        """Whether all temperatures, or sectors, have been reached."""
        return bool(self.table.get("finished"))

    @property
    def network(self):
        """The arrays of the wave function, a nested dict; read from the file when asked for."""
        return run_file.read_network(self.path) if self.path else {}

    def to_text(self):
        """Return the table as text of at most 80 columns, as ``show`` prints it."""
        return table_text(self.table)

    def to_json(self):
        """Return the table as JSON, as ``show --json`` prints it."""
        return json_text(self.table)

    def to_csv(self):
        """Return the rows as CSV, as ``show --csv`` prints them."""
        return csv_text(self.table)


def make_input(**sections):
    """Return the `Settings` of an input that is built in code.

    Parameters
    ----------
    **sections : dict
        The sections of an input file with their keys, for example ``lattice={"kind": "chain", "lengths": [8]}``.

    Raises
    ------
    SettingsError
        With every problem at once, in `problems`.
    """
    return _validated(parse_settings(sections))


def read_input(path, overrides=()):
    """Return the `Settings` of an input file; see `settings.parsing.read_settings` for overrides and errors."""
    return _validated(read_settings(path, overrides))


def run(settings, path, *, overwrite=False):
    """Run an input and return its results as a `Run`, *collective* over the ranks of mpiexec.

    In the main thread SIGUSR1, SIGTERM and Ctrl-C end the run at a checkpoint, as with the command: the `Run`
    comes back with `finished` false and the reason in `stopped`, `resume` goes on from there, and the earlier handlers
    are put back. A second Ctrl-C is a KeyboardInterrupt; the last checkpoint stays. Other threads leave signals alone.
    Under Slurm the run stops in time for the limit of the job, too. Leave a loop over runs when `stopped` is not empty.

    Parameters
    ----------
    settings : Settings
    path : path-like
        Run file to write. The run can be continued from it with `resume`.
    overwrite : bool
        Replace a run file that stands there.

    Raises
    ------
    FileExistsError
        When the file is there and `overwrite` is false, or it is no run file, an input of this run or a folder.
    LauncherError
        When mpiexec does not belong to the MPI library.
    """
    with _stopping() as stop:
        return _run(stop, settings, path, overwrite)


def _run(stop, settings, path, overwrite):
    team = _start(stop)
    refused = team.broadcast_object(_refused(settings, path, overwrite) if team.is_root else None)
    if refused:
        raise FileExistsError(refused)
    return _drive(team, settings, path, None, stop)


def resume(path, overrides=()):
    """Continue a run file to its end and return its results as a `Run`, *collective*; stops as `run` does.

    Parameters
    ----------
    path : path-like
    overrides : sequence of str
        "section.key=value", for example to add temperatures; those that have results stay.

    Raises
    ------
    SettingsError
        When a setting on which the stored state rests would change.
    RunFileError
        When the file cannot be used.
    """
    with _stopping() as stop:
        return _resume(stop, path, overrides)


def _resume(stop, path, overrides):
    team = _start(stop)
    stored = None
    if team.is_root:
        text, table = run_file.read_settings_text(path), run_file.read_table(path)
        stored = text, table["rows"], () if "resolved" in table else list(run_file.read_network(path))
    settings, _ = continued(*team.broadcast_object(stored), overrides)
    return _drive(team, _validated(settings), path, str(path), stop)


def load(path):
    """Return the results in a run file as a `Run`, also while the run is writing.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    RunFileError
        When there is no such file, or it is damaged or of another program.
    """
    table = run_file.read_table(path)
    settings = parse_settings(table["settings"])
    return Run(str(path), settings, table, run_file.read_history(path), run_file.read_about(path))


def diagonalize(settings):
    """Return the exact results of an input as a `Run`, by diagonalization of up to 16 spins or 20 spin-orbitals.

    Rows stand for temperatures, or for sectors with their lowest levels where the task is `ground_state`.

    Parameters
    ----------
    settings : Settings

    Raises
    ------
    SettingsError
        More than that, or too large a block.
    """
    from hpc_nqs.exact.table import exact_table

    return Run("", settings, exact_table(settings), {}, {})


def _refused(settings, path, overwrite):
    """Return why a run may not be written to a path, "" where it may."""
    if Path(path).is_file() and not overwrite:
        return f"{path} exists; continue it with resume, or pass overwrite=True"
    try:
        check_output(path, inputs_of(settings), replaces_runs=True)
    except OccupiedError as error:
        return str(error).removesuffix(" with -o")
    return ""


@contextlib.contextmanager
def _stopping():
    """Give the `StopRequest` of one run; signals count in the main thread alone, which alone may set handlers."""
    stop = StopRequest(ends_process=False)
    is_main = threading.current_thread() is threading.main_thread()
    with stop if is_main else contextlib.nullcontext():  # before MPI starts: a signal may come at any time
        yield stop


def _start(stop):
    from hpc_nqs.parallel import team as parallel

    team = parallel.start()
    if team.is_root:
        stop.watch_job()
    return team


def _drive(team, settings, path, resume_from, stop):
    from hpc_nqs import tasks

    code = tasks.run(settings, team, str(path), resume_from=resume_from, stop=stop)
    if not team.is_root:
        return team.broadcast_object(None)
    reason = stop.reason if code == STOPPED or stop.requested else ""
    return team.broadcast_object(dataclasses.replace(load(path), stopped=reason))


def _validated(settings):
    problems = validate(settings)
    if problems:
        raise SettingsError(problems)
    return settings
