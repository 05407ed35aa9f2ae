"""What each command does; MPI starts only in `run`, `resume`, `measure` and `sweep run`."""

import json
import os
import sys
from pathlib import Path

from hpc_nqs import tasks
from hpc_nqs.cli.errors import DONE, CommandError
from hpc_nqs.cli.figures import draw_exact, plot, report
from hpc_nqs.cli.fits import fit
from hpc_nqs.cli.imports import import_input
from hpc_nqs.cli.inputs import exact_rows_of, read_input, read_run_file, validated
from hpc_nqs.cli.launch import agreed, drive, print_charts, start_team
from hpc_nqs.cli.sweeps import sweep
from hpc_nqs.exact import table as exact_table
from hpc_nqs.ground_state.zero_variance import variance_limits
from hpc_nqs.reports import text as reporting
from hpc_nqs.reports.levels import with_levels
from hpc_nqs.reports.methods import paragraph
from hpc_nqs.reports.planning import MEMORY, check_text
from hpc_nqs.runs.output_paths import check_output, inputs_of, measured_path
from hpc_nqs.runs.stopping import StopRequest
from hpc_nqs.settings.continuing import continued, measured_again
from hpc_nqs.settings.parsing import SettingsError

__all__ = ["bench", "check", "exact", "extrapolate", "fit", "import_input", "init", "measure"]
__all__ += ["plot", "report", "resume", "run", "show", "sweep"]


def run(options):
    """Run an input file; collective over the ranks of the launcher."""
    with StopRequest() as stop:  # before MPI starts: a signal may come at any time
        team = start_team(options, stop)
        settings, output = agreed(team, lambda: _prepare_run(options))
        return drive(team, settings, output, stop)


def resume(options):
    """Continue a run file; collective over the ranks of the launcher."""
    with StopRequest() as stop:
        team = start_team(options, stop)
        settings, output = agreed(team, lambda: _prepare_resume(options))
        return drive(team, settings, output, stop, resume_from=output)


def measure(options):
    """Measure the states of a run again; collective over the ranks of the launcher."""
    with StopRequest() as stop:
        team = start_team(options, stop)
        settings, output = agreed(team, lambda: _prepare_measure(options))
        return drive(team, settings, output, stop, measure_from=options.run)


def show(options):
    """Print the table of a run file."""
    table = read_run_file(options.run, "read_table")
    if options.json:
        print(reporting.json_text(table), end="")
    elif options.csv:
        print(reporting.csv_text(table), end="")
    elif options.toml:
        print(read_run_file(options.run, "read_settings_text"), end="")
    else:
        exact_rows = exact_rows_of(table, options.run) if options.exact else None
        print(reporting.table_text(table, exact_rows), end="")
        words = paragraph(table, read_run_file(options.run, "read_about"))
        if words:
            print("\n" + "\n".join(reporting.wrapped(words)))
        if options.charts:
            print_charts(table)
    return DONE


def exact(options):
    """Diagonalize the system of an input file and print the table of exact results."""
    settings = read_input(options.input, options.overrides)
    if options.output:
        check_output(Path(options.output), [options.input])
        if settings.run.task == "ground_state":
            raise SettingsError(["--output: levels of sectors have no figure; leave it out"])
    elif options.page:
        raise SettingsError([f"--page {options.page}: needs --output, the file of the figure"])
    table = with_levels(exact_table.exact_table(settings))
    print(reporting.json_text(table) if options.json else reporting.table_text(table), end="")
    if options.output:
        draw_exact(table, Path(options.input).stem, Path(options.output), options.page)
    return DONE


def extrapolate(options):
    """Print the energies of several ground-state runs at zero variance."""
    tables = [read_run_file(path, "read_table") for path in options.runs]
    try:
        limits = variance_limits(tables)
    except ValueError as error:
        raise CommandError(str(error)) from error
    if options.json:
        print(json.dumps(limits, indent=2))
    else:
        print(reporting.rows_text(limits), end="")
    return DONE


def check(options):
    """Validate an input file and print the plan of the run, what "auto" becomes, and what the run will take."""
    settings = read_input(options.input, options.overrides)
    plan = tasks.plan(settings)
    here = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e6
    analytic = settings.run.task == "thermal" and settings.thermal.method == "analytic"
    fits = analytic or plan.get(MEMORY, 0) < here  # trials of the analytic method are of small networks
    checked = {
        "system": reporting.describe(settings.to_dict()),
        "ranks": options.ranks,
        "advice": tasks.advice(settings) if fits else [],
        "plan": plan,
        "resolved": tasks.resolved(settings),
        "forecast": tasks.forecast(settings, options.ranks) if fits else None,
    }
    if options.json:
        print(json.dumps(checked, indent=1, default=float))
        return DONE
    print(f"{options.input} is a valid input\n{checked['system']}")
    print(check_text(checked | {"given": settings.to_dict(), "megabytes_here": here}), end="")
    return DONE


def init(options):
    """Print a commented input file."""
    from hpc_nqs.settings import templates

    try:
        print(templates.text(options.task), end="")
    except ValueError as error:
        raise SettingsError([str(error)]) from error
    return DONE


def bench(options):
    """Print timings of the kernels and of one step."""
    from hpc_nqs.benchmarks.timings import run_bench

    print(run_bench(json=options.json).rstrip("\n"))
    return DONE


def _prepare_run(options):
    settings = read_input(options.input, options.overrides)
    output = Path(options.output) if options.output else Path(options.input).with_suffix(".h5")
    check_output(output, [options.input, *inputs_of(settings)], replaces_runs=options.overwrite)
    return settings, str(output)


def _prepare_resume(options):
    readers = ("read_settings_text", "read_table", "read_network")
    text, table, network = (read_run_file(options.run, reader) for reader in readers)
    arrays = () if "resolved" in table else network
    settings, remarks = continued(text, table["rows"], arrays, options.overrides)
    for remark in remarks:
        print(f"hpc-nqs: {remark}", file=sys.stderr)
    return validated(settings), options.run


def _prepare_measure(options):
    text, table = (read_run_file(options.run, reader) for reader in ("read_settings_text", "read_table"))
    settings = measured_again(text, table["rows"], options.run, options.overrides, options.temperatures)
    output = options.output or measured_path(options.run)
    check_output(output, [options.run], replaces_runs=options.overwrite)
    return validated(settings), str(output)
