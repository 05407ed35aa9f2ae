"""What each command does; MPI starts only in `run` and `resume`."""

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
    else:
        exact_rows = _exact_rows_of(table, options.run) if options.exact else None
        print(reporting.table_text(table, exact_rows), end="")
    return DONE


def plot(options):
    """Draw one figure of several run files."""
    tables = [_read_run_file(path, "read_table") for path in options.runs]
    tasks = {table["task"] for table in tables}
    if len(tasks) > 1:
        raise CommandError("plot draws runs of one task at a time; these are of the tasks thermal and ground_state")
    try:
        from hpc_nqs import plotting
    except ImportError as error:
        raise CommandError(f'plot needs matplotlib ({error}); fix: pip install "hpc_nqs[plot]"') from error
    curves = []
    names = [Path(path).stem for path in options.runs]
    if len(set(names)) < len(names):
        names = [f"{path} ({number})" for number, path in enumerate(options.runs, start=1)]
    if tasks == {"ground_state"}:
        return _plot_ground_states(options, tables, names)
    if options.exact:
        curves, skipped = _exact_curves(tables, names)
        for sentence in skipped:
            print(f"hpc-nqs: {sentence}", file=sys.stderr)
    return _save(options, lambda output: plotting.save_figure(output, tables, names, curves))


def _plot_ground_states(options, tables, names):
    """Draw the energy of every step and the energies against their variances."""
    from hpc_nqs import plotting

    histories = [_read_run_file(path, "read_history") for path in options.runs]
    exact_energies = {}
    if options.exact:
        for table, name in zip(tables, names, strict=True):
            rows = _exact_rows_of(table, name)
            exact_energies |= {name: rows[0]["energy"]} if rows and rows[0] else {}
    return _save(options, lambda output: plotting.save_ground_states(output, tables, histories, names, exact_energies))


def _save(options, draw):
    output = options.output or str(Path(options.runs[0]).with_suffix(".png"))
    try:
        draw(output)
    except ValueError as error:  # of a file ending that matplotlib does not know
        raise CommandError(f"{output}: {error}") from error
    print(f"figure written to {output}")
    return DONE


def exact(options):
    """Diagonalize the system of an input file and print the table of exact results."""
    settings = _validated(_read_input(options.input, options.overrides))
    start = time.perf_counter()
    task = settings.run.task
    if task == "ground_state":
        n_sites, rows = exact_sectors(settings)
    else:
        n_sites, rows = exact_rows(settings, settings.thermal.report_betas)
    table = {"format": 1, "task": task, "method": "exact", "n_sites": n_sites, "finished": True, "n_ranks": 1}
    table |= {"seconds": time.perf_counter() - start, "settings": settings.to_dict(), "rows": rows}
    print(reporting.json_text(table) if options.json else reporting.table_text(table), end="")
    return DONE


def check(options):
    """Validate an input file and print the plan of the run."""
    settings = _validated(_read_input(options.input, options.overrides))
    if settings.run.task == "ground_state":
        from hpc_nqs.ground_state import plan
    else:
        from hpc_nqs.thermal import plan

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
    from hpc_nqs.exact import thermal_rows

    lattice, levels = _exact_levels(settings)
    return lattice.n_sites, thermal_rows(levels, betas)


def exact_sectors(settings):
    """Return (n_sites, one row per sector with its lowest energy per site, in ascending order); errors as `exact_rows`."""
    lattice, levels = _exact_levels(settings)
    wanted = settings.ground_state.sz
    rows = []
    for sector in levels.sectors:
        if wanted != "auto" and sector["sz"] is not None and sector["sz"] != wanted:
            continue
        numbers = {name: sector[name] for name in ("momentum", "sz", "spin_parity") if sector[name] is not None}
        rows.append(numbers | {"energy": sector["energy"] / lattice.n_sites, "dimension": sector["dimension"]})
    return lattice.n_sites, rows


def _exact_levels(settings):
    from hpc_nqs import exact as diagonalization

    lattice, model = settings_of_runs.build(settings)
    try:
        return lattice, diagonalization.diagonalize(model, lattice, settings.observables.structure_factor)
    except ValueError as error:  # too many sites, or too large a block without symmetries
        raise SettingsError([f"no exact results: {error}"]) from error


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
    if settings.run.task == "ground_state":
        from hpc_nqs.ground_state import run_ground_state as driver
    else:
        from hpc_nqs.thermal import run_thermal as driver

    try:
        code = driver(settings, team, output, resume_from=resume_from, stop=stop)
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
        print(reporting.table_text(_read_run_file(output, "read_table")), end="")
        if code == STOPPED:
            print(f"stopped at a checkpoint; continue with: hpc-nqs resume {output}")
        elif code != DONE:
            print(f"the run ended before its end; what it reached is in {output}")
        else:
            print(f"results are in {output}")
    return code


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
        if table["task"] == "ground_state":
            return [_exact_row_of(row, exact_sectors(settings)[1]) for row in table["rows"]]
        return exact_rows(settings, [row["beta"] for row in table["rows"]])[1] if table["rows"] else []
    except SettingsError as error:
        raise CommandError(f"{name}: {error}") from error


def _exact_row_of(row, sectors):
    """Return the lowest exact level with the quantum numbers of a row."""
    same = [
        sector
        for sector in sectors
        if all(row.get(name, sector[name]) == sector[name] for name in ("momentum", "sz", "spin_parity") if name in sector)
    ]
    return {"energy": same[0]["energy"]} if same else {}


def _exact_curves(tables, names):
    """Return the pairs (name, exact rows dense in T) of the different systems, and why others have none."""
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
            without_vectors = settings_of_runs.parse_settings(table["settings"] | {"observables": {}})
            curves.append((name, exact_rows(without_vectors, dense)[1]))
        except SettingsError as error:
            skipped.append(f"{name}: {error}")
    return curves, skipped
