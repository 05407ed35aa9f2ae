"""The program from Python: build an input in code, run it on all ranks, get the results as arrays.

The names of this module are those of the package: ``hpc_nqs.make_input``, ``hpc_nqs.run`` and so on.
"""

import contextlib
import dataclasses
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hpc_nqs.parallel.team import LauncherError as LauncherError
from hpc_nqs.reports.levels import with_levels
from hpc_nqs.reports.series import ReferenceDataError as ReferenceDataError
from hpc_nqs.results import Run as Run
from hpc_nqs.runs import run_file
from hpc_nqs.runs.computation import FAILED, STOPPED
from hpc_nqs.runs.output_paths import OccupiedError, check_output, inputs_of, measured_path
from hpc_nqs.runs.recorder import UnwritableError as UnwritableError
from hpc_nqs.runs.run_file import RunFileError as RunFileError
from hpc_nqs.runs.stopping import StopRequest
from hpc_nqs.runs.watching import Watch
from hpc_nqs.settings.continuing import continued, measured_again
from hpc_nqs.settings.overrides import override_texts
from hpc_nqs.settings.parsing import Settings as Settings
from hpc_nqs.settings.parsing import SettingsError as SettingsError
from hpc_nqs.settings.parsing import parse_settings, read_settings
from hpc_nqs.settings.rules import plain
from hpc_nqs.settings.system import validate

FilePath = str | os.PathLike[str]
Overrides = Mapping[str, Any] | Sequence[str]
Watcher = Callable[[dict[str, Any]], object]


def make_input(**sections: Mapping[str, Any]) -> Settings:
    """Return the `Settings` of an input that is built in code.

    Parameters
    ----------
    **sections : dict
        The sections of an input file with their keys, for example ``lattice={"kind": "chain", "lengths": [8]}``;
        arrays and numbers of NumPy may stand for lists and numbers.

    Raises
    ------
    SettingsError
        With every problem at once, in `problems`.
    """
    return _validated(parse_settings(sections))


def read_input(path: FilePath, overrides: Overrides = ()) -> Settings:
    """Return the `Settings` of an input file.

    Parameters
    ----------
    path : path-like
        TOML.
    overrides : dict or sequence of str
        Changes, ``{"section.key": value}``, ``{"section": {"key": value}}`` or "section.key=value".

    Raises
    ------
    SettingsError
        With every problem of the file and of the overrides, in `problems`.
    OSError
        When the file cannot be read.
    """
    return _validated(read_settings(path, override_texts(overrides)))


def run(
    settings: Settings,
    path: FilePath,
    *,
    overwrite: bool = False,
    on_step: Watcher | None = None,
    on_result: Watcher | None = None,
) -> Run:
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
    on_step : callable, optional
        Takes the numbers of every step, a dict with the columns of `Run.history` (of an analytic run those of every
        ensemble); one that the run takes back is followed by one of the same number.  *Called on rank 0 alone*, while
        the others wait: keep it short, and call nothing collective in it.  An exception in it, or True from it, ends
        the run at a checkpoint on all ranks; `resume` goes on from there.  The exception is then raised on every rank
        (as a RuntimeError where it cannot be pickled); after True the `Run` comes back with the reason in `stopped`.
    on_result : callable, optional
        Takes the row of every new reported temperature, or sector, a dict as in ``Run.table["rows"]``; else as
        `on_step`.

    Raises
    ------
    FileExistsError
        When the file is there and `overwrite` is false, or it is no run file, an input of this run or a folder.
    LauncherError
        When mpiexec does not belong to the MPI library.
    SettingsError
        When this version has exact results alone for the input.
    UnwritableError
        When the file could not be written several times in a row.
    """
    with _stopping() as stop:
        return _run(stop, settings, path, overwrite, Watch(on_step, on_result))


def _run(stop, settings, path, overwrite, watch):
    team = _start(stop)
    refused = team.broadcast_object(_refused(inputs_of(settings), path, overwrite) if team.is_root else None)
    if refused:
        raise FileExistsError(refused)
    return _drive(team, settings, path, None, stop, watch)


def resume(
    path: FilePath,
    overrides: Overrides = (),
    *,
    on_step: Watcher | None = None,
    on_result: Watcher | None = None,
) -> Run:
    """Continue a run file to its end and return its results as a `Run`, *collective*; stops as `run` does.

    Parameters
    ----------
    path : path-like
    overrides : dict or sequence of str
        ``{"section.key": value}``, ``{"section": {"key": value}}`` or "section.key=value", for example
        ``{"thermal.temperatures": [1.0, 0.5, 0.1]}``; temperatures that have results stay.
    on_step, on_result : callable, optional
        As for `run`; told of what is new.

    Raises
    ------
    SettingsError
        When a setting on which the stored state rests would change.
    RunFileError
        When the file cannot be used.
    LauncherError, UnwritableError
        As for `run`.
    """
    with _stopping() as stop:
        return _resume(stop, path, override_texts(overrides), Watch(on_step, on_result))


def _resume(stop, path, overrides, watch):
    team = _start(stop)
    stored = None
    if team.is_root:
        text, table = run_file.read_settings_text(path), run_file.read_table(path)
        stored = text, table["rows"], () if "resolved" in table else list(run_file.read_network(path))
    settings, _ = continued(*team.broadcast_object(stored), overrides)
    return _drive(team, _validated(settings), path, str(path), stop, watch)


def measure(
    path: FilePath,
    overrides: Overrides = (),
    *,
    temperatures: Sequence[float] | float | dict[str, Any] | None = None,
    output: FilePath | None = None,
    overwrite: bool = False,
    on_step: Watcher | None = None,
    on_result: Watcher | None = None,
) -> Run:
    """Measure the states that a thermal run has passed, without cooling again, *collective*; stops as `run` does.

    The run file is only read. The new rows go to a run file of their own, which `resume` continues.

    Parameters
    ----------
    path : path-like
    overrides : dict or sequence of str
        As for `resume`, for example ``{"observables.correlations": True}``.
    temperatures : sequence of float, float, or {"from": x, "to": y, "n": number}, optional
        By default those with results.
    output : path-like, optional
        Run file to write, by default NAME-measured.h5 beside NAME.h5.
    overwrite : bool
        Replace a run file that stands there.
    on_step, on_result : callable, optional
        As for `run`; states that are passed are no steps.

    Raises
    ------
    SettingsError
        The file keeps no states, or none for a temperature; a setting on which they rest would change.
    RunFileError
        When the file cannot be used.
    FileExistsError, LauncherError, UnwritableError
        As for `run`.
    """
    temperatures = plain(temperatures)
    temperatures = temperatures if temperatures is None or isinstance(temperatures, (list, dict)) else [temperatures]
    asked = override_texts(overrides), temperatures, output or measured_path(path), overwrite
    with _stopping() as stop:
        return _measure(stop, path, *asked, Watch(on_step, on_result))


def _measure(stop, path, overrides, temperatures, output, overwrite, watch):
    team = _start(stop)
    refused = stored = None
    if team.is_root:
        refused = _refused([path], output, overwrite)
        stored = run_file.read_settings_text(path), run_file.read_table(path)["rows"]
    refused = team.broadcast_object(refused)
    if refused:
        raise FileExistsError(refused)
    settings = measured_again(*team.broadcast_object(stored), str(path), overrides, temperatures)
    return _drive(team, _validated(settings), output, None, stop, watch, measure_from=str(path))


def load(path: FilePath) -> Run:
    """Return the results in a run file as a `Run`, also while the run is writing.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    RunFileError
        When there is no such file, or it is damaged or of another program.
    """
    table = with_levels(run_file.read_table(path))
    settings = parse_settings(table["settings"])
    return Run(str(path), settings, table, run_file.read_history(path), run_file.read_about(path))


def diagonalize(settings: Settings) -> Run:
    """Return the exact results of an input as a `Run`, by diagonalization of up to 16 spins or 20 spin-orbitals.

    Rows stand for temperatures, or for sectors with their lowest levels where the task is `ground_state`.  The command
    is ``hpc-nqs exact``; `hpc_nqs.exact` is the folder of the code behind it, `Run.exact` gives those of a run.

    Parameters
    ----------
    settings : Settings

    Raises
    ------
    SettingsError
        More than that, or too large a block.
    """
    from hpc_nqs.exact.table import exact_table

    return Run("", settings, with_levels(exact_table(settings)), {}, {})


def _refused(inputs, path, overwrite):
    """Return why a run may not be written to a path, "" where it may."""
    if Path(path).is_file() and not overwrite:
        return f"{path} exists; continue it with resume, or pass overwrite=True"
    try:
        check_output(path, inputs, replaces_runs=True)
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


def _drive(team, settings, path, resume_from, stop, watch, measure_from=None):
    from hpc_nqs import tasks

    if measure_from is not None:
        code = tasks.measure(settings, team, measure_from, str(path), stop=stop, watch=watch)
    else:
        code = tasks.run(settings, team, str(path), resume_from=resume_from, stop=stop, watch=watch)
    failure = team.broadcast_object(watch.portable_failure() if team.is_root and watch.failure else None)
    if failure is not None:
        raise watch.failure or failure
    if not team.is_root:
        return team.broadcast_object(None)
    return team.broadcast_object(dataclasses.replace(load(path), stopped=_reason(code, stop, watch)))


def _reason(code, stop, watch):
    """Return why a computation with this exit code has ended before its end, "" where it has not."""
    if watch.stops:
        return watch.reason
    if code == FAILED:
        return "the calculation cannot go on; standard error says why"
    return stop.reason if code == STOPPED or stop.requested else ""


def _validated(settings):
    problems = validate(settings)
    if problems:
        raise SettingsError(problems)
    return settings
