"""Runs of a driver on all ranks of a launcher: agreement of the ranks, errors, and what is printed at the end."""

import shlex
from pathlib import Path

from hpc_nqs import tasks
from hpc_nqs.cli.errors import DONE, FAILED, STOPPED, CommandError, QuietExit, UnusableFile, exit_code, explain
from hpc_nqs.cli.inputs import read_run_file
from hpc_nqs.reports import text as reporting
from hpc_nqs.settings.parsing import SettingsError
from hpc_nqs.version import __version__


def start_team(options, stop):
    """Return the team of all ranks, once they agree on the command and the program. *Collective*."""
    from hpc_nqs.parallel import team as parallel

    try:
        team = parallel.start()
        team.check_agreement(_program(), "the version of hpc_nqs")
        team.check_agreement(repr(sorted(vars(options).items())), "the command")
        if options.command == "run":
            team.check_agreement(_own_copy(team, options.input), f"the input file {options.input}")
    except parallel.LauncherError as error:
        raise CommandError(str(error)) from error
    except parallel.DisagreementError as error:
        if team.rank != 0:
            raise QuietExit(FAILED) from None
        raise CommandError(str(error)) from error
    if team.rank == 0:
        stop.watch_job()
    return team


def _program():
    """Return the version and the commit of this installation as text."""
    from hpc_nqs.runs import run_file

    return f"{__version__} {run_file.commit()}"


def _own_copy(team, path):
    """Return the input as this rank sees it, or as rank 0 does where there is no such file. *Collective*."""
    try:
        own = Path(path).read_bytes().hex()
    except OSError:
        own = ""
    first = team.broadcast_object(own)
    return own or first


def agreed(team, prepare):
    """Return prepare() of rank 0 on every rank. *Collective*.

    An error of prepare() is raised on rank 0 and ends the other ranks quietly.
    """
    prepared = failure = None
    if team.rank == 0:
        try:
            prepared = prepare()
        except Exception as error:
            failure, prepared = error, exit_code(error)
    prepared = team.broadcast_object(prepared)
    if failure is not None:
        raise failure
    if isinstance(prepared, int):
        raise QuietExit(prepared)
    return prepared


def drive(team, settings, output, stop, resume_from=None, measure_from=None):
    """Run the computation, or measure the states of a run again, and print the results. *Collective*."""
    from hpc_nqs.runs.recorder import UnwritableError
    from hpc_nqs.runs.run_file import RunFileError

    try:
        if measure_from is not None:
            code = tasks.measure(settings, team, measure_from, output, stop=stop)
        else:
            code = tasks.run(settings, team, output, resume_from=resume_from, stop=stop)
    except (SettingsError, RunFileError, UnwritableError) as error:  # raised on all ranks alike
        if isinstance(error, RunFileError):
            error = UnusableFile(str(error))
        elif isinstance(error, UnwritableError):
            error = CommandError(str(error))
        if team.rank != 0:
            raise QuietExit(exit_code(error)) from None
        raise error from None
    except Exception as error:
        if team.size > 1 and explain(error):  # the other ranks may be waiting for this one
            team.abort(explain(error))
        raise
    if team.rank == 0:
        table = read_run_file(output, "read_table")
        print(reporting.table_text(table), end="")
        print_charts(table)
        if code == STOPPED:
            print(f"stopped at a checkpoint; continue with: hpc-nqs resume {shlex.quote(output)}")
        elif code != DONE:
            print(f"the run ended before its end; what it reached is in {output}")
        else:
            print(f"results are in {output}")
    return code


def print_charts(table):
    """Print the energy and the specific heat in plain characters, where there are enough temperatures."""
    from hpc_nqs.reports.charts import charts
    from hpc_nqs.reports.units import in_its_units

    text = charts(in_its_units(table)["rows"])
    if text:
        print(f"\n{text}", end="")
