"""The command `sweep`: make, run and collect the runs of one input."""

import sys
from pathlib import Path

from hpc_nqs.cli.errors import DONE, STOPPED, CommandError, UnusableFile
from hpc_nqs.cli.figures import import_plotting, save
from hpc_nqs.cli.inputs import exact_rows_of, read_run_file, stored_settings
from hpc_nqs.cli.launch import agreed, drive, start_team
from hpc_nqs.runs.output_paths import check_output, inputs_of
from hpc_nqs.runs.stopping import StopRequest
from hpc_nqs.settings.parsing import SettingsError

MAP, CURVES = "map", "curves"  # pages of `collect`


def sweep(options):
    """Make, run or collect the runs of a sweep; `run` is collective over the ranks of the launcher."""
    return {"expand": _expand_sweep, "run": _run_sweep, "collect": _collect_sweep}[options.action](options)


def _read_sweep(options):
    from hpc_nqs.settings import sweep as sweeps

    try:
        return sweeps.read_sweep(options.input, options.folder)
    except OSError as error:
        raise UnusableFile(f"input file {options.input}: {error.strerror}") from error


def _expand_sweep(options):
    from hpc_nqs.settings import sweep as sweeps

    paths = sweeps.write_inputs(_read_sweep(options))
    print(f"{len(paths)} inputs written, {paths[0]} to {paths[-1]}")
    print(f"run them with: mpiexec -n 4 hpc-nqs sweep run {options.input}    (or one each: --only N)")
    return DONE


def _run_sweep(options):
    """Run or resume what is not finished, one run after the other; stops where a run was stopped."""
    with StopRequest() as stop:
        team = start_team(options, stop)
        chosen = agreed(team, lambda: _prepare_sweep(options))
        return _run_chosen(team, chosen, stop)


def _run_chosen(team, chosen, stop):
    """Run or resume [(settings, path)] in order; return the exit code of the sweep. *Collective*."""
    worst = DONE
    if team.is_root and not chosen:
        print("every run of the sweep is finished")
    for number, (settings, output) in enumerate(chosen, start=1):
        started = team.broadcast_object(Path(output).exists() if team.is_root else None)
        if team.is_root:
            print(f"-- run {number} of {len(chosen)}: {output}", flush=True)
        code = drive(team, settings, output, stop, resume_from=output if started else None)
        if code == STOPPED:
            return code
        worst = max(worst, code)
    return worst


def _prepare_sweep(options):
    """Return [(settings, path of the run file)] of what is to be done, with the seed of a started run."""
    from hpc_nqs.settings import sweep as sweeps

    runs = _read_sweep(options)
    if options.only is not None and not 0 <= options.only < len(runs):
        raise SettingsError([f"--only {options.only}: the sweep has the runs 0 to {len(runs) - 1}"])
    runs = runs if options.only is None else [runs[options.only]]
    sweeps.write_inputs(runs)
    chosen = []
    for run in runs:
        settings = run.settings
        check_output(run.output, [options.input, *inputs_of(settings)], replaces_runs=True)
        if run.output.exists():
            if read_run_file(run.output, "read_table").get("finished"):
                continue
            settings = stored_settings(run.output)
        chosen.append((settings, str(run.output)))
    return chosen


def _collect_sweep(options):
    from hpc_nqs.reports import sweep_table

    runs = _read_sweep(options)
    if options.output:
        check_output(options.output, [options.input, *(run.output for run in runs)])
    tables = [read_run_file(run.output, "read_table") if run.output.exists() else None for run in runs]
    form = "json" if options.json else "csv" if options.csv else "text"
    print(sweep_table.FORMS[form](runs, tables), end="")
    if options.output:
        _draw_sweep(options, runs, tables)
    return DONE


def _exact_curves(runs, tables):
    """Return the exact rows dense in T of every run, empty where there are none; says why."""
    from hpc_nqs.exact.table import curves

    found = []
    for run, table in zip(runs, tables, strict=True):
        one, skipped = curves([table], [run.output.stem], with_observables=False) if table else ([], [])
        found.append(one[0][1] if one else [])
        for sentence in skipped:
            print(f"hpc-nqs: {sentence}", file=sys.stderr)
    return found


def _draw_levels(options, runs, tables, plotting):
    """Draw energies, excitations and structure factors of ground-state runs against the first swept parameter."""
    from hpc_nqs.reports.levels import with_gaps
    from hpc_nqs.reports.sweep_levels import level_panels
    from hpc_nqs.reports.sweep_table import sweep_groups

    exact = [[] for _ in runs]
    for number, (run, table) in enumerate(zip(runs, tables, strict=True)):
        if options.exact and table:
            exact[number] = with_gaps(table | {"rows": exact_rows_of(table, run.output.stem)})["rows"]
    diagram = sweep_groups(runs, [with_gaps(table) if table else None for table in tables], exact)
    panels = level_panels(diagram)[: plotting.MAX_GROUPS * 3]
    save(plotting.level_sweep(panels, diagram["title"]), options.output, sys.stderr)


def _draw_sweep(options, runs, tables):
    from hpc_nqs.reports.series import points
    from hpc_nqs.reports.sweep_table import sweep_groups

    plotting = import_plotting()
    if not any(table and table["rows"] for table in tables):
        raise CommandError(f"{options.input}: no run of the sweep has results yet")
    if any(table and table["task"] == "ground_state" for table in tables):
        return _draw_levels(options, runs, tables, plotting)
    if not any(points(table["rows"], options.quantity) for table in tables if table):
        raise CommandError(f"{options.input}: no run of the sweep has {options.quantity}; choose another --quantity")
    of_curves = options.page == CURVES
    diagram = sweep_groups(runs, tables, _exact_curves(runs, tables) if options.exact and not of_curves else None)
    if len(diagram["groups"]) > plotting.MAX_GROUPS:
        what = "panels" if of_curves else "maps"
        print(f"hpc-nqs: the figure shows {plotting.MAX_GROUPS} of {len(diagram['groups'])} {what}", file=sys.stderr)
        diagram["groups"] = diagram["groups"][: plotting.MAX_GROUPS]
    if of_curves and options.exact:
        diagram["over"] = _exact_over(diagram, runs, tables)
    draw = plotting.parameter_curves if of_curves else plotting.phase_diagram
    save(draw(diagram, options.quantity), options.output, sys.stderr)


def _exact_over(diagram, runs, tables):
    """Return {title of a group: exact rows over the parameter}, empty where there are none; says why."""
    from hpc_nqs.exact.field_curves import curves_over
    from hpc_nqs.reports.units import in_its_units, rows_beside

    found = {}
    for words, group in diagram["groups"]:
        members = diagram["members"][words]
        temperatures = sorted({row["temperature"] for number in members for row in tables[number]["rows"]})
        settings = [(place, tables[number]["settings"]) for (place, *_), number in zip(group, members, strict=True)]
        try:
            curve = curves_over(settings, temperatures, diagram["name"])
        except SettingsError as error:
            print(f"hpc-nqs: {words or 'the sweep'}: {error}", file=sys.stderr)
            continue
        converted = in_its_units(tables[members[0]])
        found[words] = [(place, rows_beside(rows, converted)) for place, rows in curve]
    return found
