"""What each command does; MPI starts only in `run` and `resume`."""

import shlex
import sys
import time
from pathlib import Path

import hpc_nqs
from hpc_nqs import reporting
from hpc_nqs import settings as settings_of_runs
from hpc_nqs.cli import DONE, FAILED, STOPPED, CommandError, QuietExit, UnusableFile, exit_code, explain
from hpc_nqs.settings import SettingsError
from hpc_nqs.stopping import StopRequest


def run(options):
    """Run an input file; collective over the ranks of the launcher."""
    with StopRequest() as stop:  # before MPI starts: a signal may come at any time
        team = _start_team(options, stop)
        settings, output = _agreed(team, lambda: _prepare_run(options))
        return _drive(team, settings, output, stop)


def resume(options):
    """Continue a run file; collective over the ranks of the launcher."""
    with StopRequest() as stop:
        team = _start_team(options, stop)
        settings, output = _agreed(team, lambda: _prepare_resume(options))
        return _drive(team, settings, output, stop, resume_from=output)


def show(options):
    """Print the table of a run file."""
    table = _read_run_file(options.run, "read_table")
    if options.json:
        print(reporting.json_text(table), end="")
    elif options.csv:
        print(reporting.csv_text(table), end="")
    elif options.toml:
        print(_read_run_file(options.run, "read_settings_text"), end="")
    else:
        exact_rows = _exact_rows_of(table, options.run) if options.exact else None
        print(reporting.table_text(table, exact_rows), end="")
        if options.charts:
            _print_charts(table)
    return DONE


def _print_charts(table):
    from hpc_nqs.terminal_plot import charts

    text = charts(table["rows"])
    if text:
        print(f"\n{text}", end="")


def plot(options):
    """Draw pages of several run files."""
    plotting = _plotting()
    tables = [_read_run_file(path, "read_table") for path in options.runs]
    names = [Path(path).stem for path in options.runs]
    if len(set(names)) < len(names):
        names = [f"{path} ({number})" for number, path in enumerate(options.runs, start=1)]
    curves, references = _comparisons(options, tables, names, options.page in ("correlations", "all"))
    width = plotting.WIDTH if options.width is None else options.width
    if not 2.0 <= width <= 40.0:
        raise SettingsError([f"--width {options.width:g}: allowed is a number of inches from 2 to 40"])
    output = Path(options.output) if options.output else Path(options.runs[0]).with_suffix(".png")
    pages = ("thermodynamics", "correlations", "convergence") if options.page == "all" else (options.page,)
    for page in pages:
        if page == "convergence":
            histories = [_read_run_file(path, "read_history") for path in options.runs]
            figure = plotting.convergence(histories, names, width)
        else:
            figure = getattr(plotting, page)(tables, names, curves, references, width)
        path = output if page == pages[0] else output.with_stem(f"{output.stem}-{page}")
        try:
            plotting.save(figure, path)
        except ValueError as error:  # of a file ending that matplotlib does not know
            raise CommandError(f"{path}: {error}") from error
        print(f"figure written to {path}")
    return DONE


def report(options):
    """Write one self-contained HTML page about a run."""
    from hpc_nqs import report_page

    plotting = _plotting()
    table, history = (_read_run_file(options.run, reader) for reader in ("read_table", "read_history"))
    about = _read_run_file(options.run, "read_about")
    tables, names = [table], [Path(options.run).stem]
    curves, references = _comparisons(options, tables, names)
    exact_rows = _exact_rows_of(table, options.run) if curves else None
    figures = {
        "Thermodynamics": plotting.thermodynamics(tables, names, curves, references),
        "Correlations": plotting.correlations(tables, names, curves, references),
        "Convergence": plotting.convergence([history], names),
    }
    output = Path(options.output) if options.output else Path(options.run).with_suffix(".html")
    drawings = {title: plotting.svg_text(figure, title.lower()) for title, figure in figures.items()}
    page = report_page.html(table, history, about, drawings, name=Path(options.run).name, exact_rows=exact_rows)
    if output.exists() and output.samefile(options.run):
        raise CommandError(f"{output} is the run itself; choose another name with -o")
    output.write_text(page, encoding="utf-8")
    print(f"report written to {output}")
    return DONE


def _plotting():
    """Return the module that draws; a sentence when matplotlib is not there."""
    try:
        from hpc_nqs import plotting
    except ImportError as error:
        raise CommandError(f'figures need matplotlib ({error}); fix: pip install "hpc_nqs[plot]"') from error
    return plotting


def _comparisons(options, tables, names, with_observables=True):
    """Return (exact curves, references) that a figure is asked to show; says which exact curves are missing."""
    from hpc_nqs.curves import ReferenceDataError, read_reference

    try:
        references = [read_reference(written) for written in options.reference]
    except ReferenceDataError as error:
        raise CommandError(str(error)) from error
    curves, skipped = _exact_curves(tables, names, with_observables) if options.exact else ([], [])
    for sentence in skipped:
        print(f"hpc-nqs: {sentence}", file=sys.stderr)
    return curves, references


def exact(options):
    """Diagonalize the system of an input file and print the table of exact results."""
    settings = _validated(_read_input(options.input, options.overrides))
    start = time.perf_counter()
    n_sites, rows = exact_rows(settings, settings.thermal.report_betas)
    table = {"format": 1, "task": "thermal", "method": "exact", "n_sites": n_sites, "finished": True, "n_ranks": 1}
    table |= {"seconds": time.perf_counter() - start, "settings": settings.to_dict(), "rows": rows}
    print(reporting.json_text(table) if options.json else reporting.table_text(table), end="")
    return DONE


def check(options):
    """Validate an input file and print the plan of the run."""
    settings = _validated(_read_input(options.input, options.overrides))
    plan = _driver(settings).plan
    print(f"{options.input} is a valid input")
    print(reporting.describe(settings.to_dict()))
    print(reporting.plan_text(plan(settings)), end="")
    return DONE


def init(options):
    """Print a commented input file."""
    from hpc_nqs import templates

    try:
        print(templates.text(options.task), end="")
    except ValueError as error:
        raise SettingsError([str(error)]) from error
    return DONE


def import_input(options):
    """Print the input that means the same as files of HPhi or mVMC."""
    from hpc_nqs import carry_over, expert_mode, standard_mode

    try:
        text = Path(options.files[0]).read_text(encoding="utf-8", errors="replace")
        if len(options.files) > 1 or expert_mode.is_pair_file(text) or expert_mode.is_namelist(text):
            terms, remarks = expert_mode.read_expert(options.files, options.program)
        else:
            terms, remarks = standard_mode.read_standard(text, Path(options.files[0]).name)
    except OSError as error:
        raise UnusableFile(f"{error.filename}: {error.strerror}") from error
    try:
        temperatures = [float(word) for word in (options.temperatures or "").split(",") if word.strip()]
    except ValueError:
        raise SettingsError([f"--temperatures {options.temperatures}: allowed are numbers with commas"]) from None
    print(carry_over.input_text(terms, remarks, temperatures), end="")
    return DONE


def sweep(options):
    """Make, run or collect the runs of a sweep; `run` is collective over the ranks of the launcher."""
    return {"expand": _expand_sweep, "run": _run_sweep, "collect": _collect_sweep}[options.action](options)


def _read_sweep(options):
    from hpc_nqs import sweep as sweeps

    try:
        return sweeps.read_sweep(options.input, options.folder)
    except OSError as error:
        raise UnusableFile(f"input file {options.input}: {error.strerror}") from error


def _expand_sweep(options):
    from hpc_nqs import sweep as sweeps

    paths = sweeps.write_inputs(_read_sweep(options))
    print(f"{len(paths)} inputs written, {paths[0]} to {paths[-1]}")
    print(f"run them with: mpiexec -n 4 hpc-nqs sweep run {options.input}    (or one each: --only N)")
    return DONE


def _run_sweep(options):
    """Run or resume what is not finished, one run after the other; stops where a run was stopped."""
    with StopRequest() as stop:
        team = _start_team(options, stop)
        chosen = _agreed(team, lambda: _prepare_sweep(options))
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
        code = _drive(team, settings, output, stop, resume_from=output if started else None)
        if code == STOPPED:
            return code
        worst = max(worst, code)
    return worst


def _prepare_sweep(options):
    """Return [(settings, path of the run file)] of what is to be done, with the seed of a started run."""
    from hpc_nqs import sweep as sweeps

    runs = _read_sweep(options)
    if options.only is not None and not 0 <= options.only < len(runs):
        raise SettingsError([f"--only {options.only}: the sweep has the runs 0 to {len(runs) - 1}"])
    runs = runs if options.only is None else [runs[options.only]]
    sweeps.write_inputs(runs)
    chosen = []
    for run in runs:
        settings = run.settings
        if run.output.exists():
            if _read_run_file(run.output, "read_table").get("finished"):
                continue
            settings = settings_of_runs.parse_settings(
                settings_of_runs.read_tables(_read_run_file(run.output, "read_settings_text"))
            )
        chosen.append((settings, str(run.output)))
    return chosen


def _collect_sweep(options):
    from hpc_nqs import sweep as sweeps

    runs = _read_sweep(options)
    tables = [_read_run_file(run.output, "read_table") if run.output.exists() else None for run in runs]
    form = "json" if options.json else "csv" if options.csv else "text"
    print(getattr(sweeps, f"collected_{form}")(runs, tables), end="")
    if options.output:
        _draw_sweep(options, runs, tables)
    return DONE


def _draw_sweep(options, runs, tables):
    from hpc_nqs import sweep as sweeps

    plotting = _plotting()
    name = next(iter(runs[0].values))
    places = sweeps.numbers_of([run.values[name] for run in runs])
    found = [(place, table["rows"]) for place, table in zip(places, tables, strict=True) if table and table["rows"]]
    if not found:
        raise CommandError(f"{options.input}: no run of the sweep has results yet")
    diagram = {"parameter": name, "runs": found, "title": Path(options.input).stem}
    try:
        plotting.save(plotting.phase_diagram(diagram, options.quantity), options.output)
    except ValueError as error:
        raise CommandError(f"{options.output}: {error}") from error
    print(f"figure written to {options.output}", file=sys.stderr)


def bench(options):
    """Print timings of the kernels and of one step."""
    from hpc_nqs.bench import run_bench

    print(run_bench(json=options.json).rstrip("\n"))
    return DONE


def exact_rows(settings, betas):
    """Return (n_sites, exact rows of the table at the inverse temperatures `betas`).

    Raises
    ------
    SettingsError
        When the lattice is too large or cannot be built.
    """
    from hpc_nqs import exact as diagonalization

    lattice, model = settings_of_runs.build(settings)
    try:
        wanted = settings.observables
        levels = diagonalization.diagonalize(model, lattice, wanted.structure_factor, wanted.correlations)
    except ValueError as error:  # too many sites, or too large a block without symmetries
        raise SettingsError([f"no exact results: {error}"]) from error
    return lattice.n_sites, diagonalization.thermal_rows(levels, betas)


def _start_team(options, stop):
    """Return the team of all ranks, once they agree on the command and the program. *Collective*."""
    from hpc_nqs import parallel

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
    from hpc_nqs import checkpoint

    return f"{hpc_nqs.__version__} {checkpoint.commit()}"


def _own_copy(team, path):
    """Return the input as this rank sees it, or as rank 0 does where there is no such file. *Collective*."""
    try:
        own = Path(path).read_bytes().hex()
    except OSError:
        own = ""
    first = team.broadcast_object(own)
    return own or first


def _agreed(team, prepare):
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


def _prepare_run(options):
    settings = _validated(_read_input(options.input, options.overrides))
    output = Path(options.output) if options.output else Path(options.input).with_suffix(".h5")
    if output.exists() and not options.overwrite:
        raise CommandError(
            f"{output} exists; choose another name with -o, continue it with `resume`, or replace it with --overwrite"
        )
    if output.is_dir() or (output.exists() and output.samefile(options.input)):
        raise CommandError(
            f"{output} is {'a folder' if output.is_dir() else 'the input itself'}; choose another name with -o"
        )
    if not output.parent.is_dir():
        raise CommandError(f"there is no folder {output.parent} for {output.name}")
    return settings, str(output)


def _prepare_resume(options):
    text = _read_run_file(options.run, "read_settings_text")
    stored = settings_of_runs.parse_settings(settings_of_runs.read_tables(text))
    settings = settings_of_runs.parse_settings(settings_of_runs.read_tables(text), options.overrides)
    problems = settings_of_runs.changed_foundations(stored, settings)
    if problems:
        raise SettingsError(problems)
    return _validated(settings), options.run


def _drive(team, settings, output, stop, resume_from=None):
    """Run the driver of the task and print its results. *Collective*."""
    from hpc_nqs.checkpoint import RunFileError
    from hpc_nqs.recorder import UnwritableError

    driver = _driver(settings)
    run_task = driver.run_path_integral if settings.thermal.method == "analytic" else driver.run_thermal
    try:
        code = run_task(settings, team, output, resume_from=resume_from, stop=stop)
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
        table = _read_run_file(output, "read_table")
        print(reporting.table_text(table), end="")
        _print_charts(table)
        if code == STOPPED:
            print(f"stopped at a checkpoint; continue with: hpc-nqs resume {shlex.quote(output)}")
        elif code != DONE:
            print(f"the run ended before its last temperature; what it reached is in {output}")
        else:
            print(f"results are in {output}")
    return code


def _driver(settings):
    """Return the module that runs the task."""
    if settings.thermal.method == "analytic":
        from hpc_nqs import path_integral

        return path_integral
    import importlib

    return importlib.import_module("hpc_nqs.thermal")


def _read_input(path, overrides):
    try:
        return settings_of_runs.read_settings(path, overrides)
    except SettingsError as error:
        if Path(path).suffix == ".h5":
            raise UnusableFile(f"{path} looks like a run file; this command takes an input (TOML)") from error
        raise
    except OSError as error:
        raise UnusableFile(f"input file {path}: {error.strerror}") from error


def _validated(settings):
    problems = settings_of_runs.validate(settings)
    if problems:
        raise SettingsError(problems)
    return settings


def _read_run_file(path, reader):
    """Return what one of the readers of `checkpoint` finds in a run file."""
    from hpc_nqs import checkpoint

    try:
        return getattr(checkpoint, reader)(path)
    except checkpoint.RunFileError as error:
        raise UnusableFile(str(error)) from error


def _exact_rows_of(table, name):
    try:
        settings = settings_of_runs.parse_settings(table["settings"])
        return exact_rows(settings, [row["beta"] for row in table["rows"]])[1] if table["rows"] else []
    except SettingsError as error:
        raise CommandError(f"{name}: {error}") from error


def _exact_curves(tables, names, with_observables):
    """Return the pairs (name, exact rows dense in T) of the different systems, and why others have none.

    Correlations need eigenvectors, which take longer than the levels alone.
    """
    curves, skipped, seen = [], [], []
    for table, name in zip(tables, names, strict=True):
        system = {part: table["settings"].get(part) for part in ("lattice", "model")}
        if system in seen or not table["rows"]:
            continue
        seen.append(system)
        betas = [row["beta"] for other in tables for row in other["rows"]]
        low, high = min(betas), max(betas)
        dense = [low * (high / low) ** (k / 200) for k in range(201)] if high > low else [low]
        try:
            without = {} if with_observables else {"observables": {}}
            settings = settings_of_runs.parse_settings(table["settings"] | without)
            curves.append((name, exact_rows(settings, dense)[1]))
        except SettingsError as error:
            skipped.append(f"{name}: {error}")
    return curves, skipped
