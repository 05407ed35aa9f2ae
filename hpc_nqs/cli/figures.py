"""The commands that draw: `plot` and `report`."""

import sys
from pathlib import Path

from hpc_nqs.cli.errors import DONE, CommandError
from hpc_nqs.cli.inputs import exact_rows_of, read_run_file
from hpc_nqs.exact import table as exact_table
from hpc_nqs.runs.output_paths import check_output
from hpc_nqs.settings.parsing import SettingsError, parse_settings

PAGES = ("thermodynamics", "correlations", "convergence")  # of every thermal run
IN_TIME, IN_TIME_COLUMN = "imaginary_time", "local_time_correlation"
MOMENTUM, MOMENTUM_COLUMN = "momentum", "n_k_up"
N_TIMES = 64  # parts of beta in exact curves


def plot(options):
    """Draw pages of several run files."""
    plotting = import_plotting()
    tables = [read_run_file(path, "read_table") for path in options.runs]
    names = [Path(path).stem for path in options.runs]
    if len(set(names)) < len(names):
        names = [f"{path} ({number})" for number, path in enumerate(options.runs, start=1)]
    width = plotting.WIDTH if options.width is None else options.width
    if not 2.0 <= width <= 40.0:
        raise SettingsError([f"--width {options.width:g}: allowed is a number of inches from 2 to 40"])
    tasks = {table["task"] for table in tables}
    if len(tasks) > 1:
        raise CommandError(
            f"plot draws runs of one task at a time; these are of the tasks {' and '.join(sorted(tasks))}"
        )
    output = Path(options.output) if options.output else Path(options.runs[0]).with_suffix(".png")
    if tasks == {"ground_state"}:
        return _plot_ground_states(options, tables, names, width, output)
    page = options.page or PAGES[0]
    extra = tuple(
        name
        for name, column in ((MOMENTUM, MOMENTUM_COLUMN), (IN_TIME, IN_TIME_COLUMN))
        if any(column in row for table in tables for row in table["rows"])
    )
    pages = PAGES + extra if page == "all" else (page,)
    outputs = [output if page == pages[0] else output.with_stem(f"{output.stem}-{page}") for page in pages]
    _check_outputs(options, options.runs, outputs)
    curves, references = [], []
    if page not in (IN_TIME, MOMENTUM):
        curves, references = _comparisons(options, tables, names, page in ("correlations", "all"))
    elif options.reference:
        raise SettingsError([f"--reference: reference data have no page {page}; leave --page {page} out"])
    for page, output in zip(pages, outputs, strict=True):
        if page == "convergence":
            histories = [read_run_file(path, "read_history") for path in options.runs]
            figure = plotting.convergence(histories, names, width)
        elif page == MOMENTUM:
            figure = plotting.momentum(tables, names, width)
        elif page == IN_TIME:
            figure = plotting.imaginary_time(tables, names, _exact_times(options, tables, names), width)
        else:
            figure = getattr(plotting, page)(tables, names, curves, references, width)
        save(figure, output)
    return DONE


def _plot_ground_states(options, tables, names, width, output):
    """Draw the one page that ground-state runs have."""
    problems = []
    if options.page not in (None, "all"):
        problems.append(f"--page {options.page}: ground-state runs have one page, energies; leave the option out")
    if options.reference:
        problems.append("--reference: ground-state runs have no temperatures to draw reference data at")
    if problems:
        raise SettingsError(problems)
    _check_outputs(options, options.runs, [output])
    histories = [read_run_file(path, "read_history") for path in options.runs]
    exact = [exact_rows_of(table, name) for table, name in zip(tables, names, strict=True)] if options.exact else None
    save(import_plotting().ground_states(tables, histories, names, exact, width), output)
    return DONE


def save(figure, path, stream=None):
    """Write a figure and say so on `stream`, standard output by default."""
    try:
        import_plotting().save(figure, path)
    except ValueError as error:  # of a file ending that matplotlib does not know
        raise CommandError(f"{path}: {error}") from error
    print(f"figure written to {path}", file=stream)


def report(options):
    """Write one self-contained HTML page about a run."""
    from hpc_nqs.reports import html as report_page

    plotting = import_plotting()
    table, history = (read_run_file(options.run, reader) for reader in ("read_table", "read_history"))
    about = read_run_file(options.run, "read_about")
    output = Path(options.output) if options.output else Path(options.run).with_suffix(".html")
    _check_outputs(options, [options.run], [output])
    figures_of = _level_figures if table["task"] == "ground_state" else _thermal_figures
    figures, exact_rows = figures_of(options, table, history)
    drawings = {title: plotting.svg_text(figure, title.lower().replace(" ", "-")) for title, figure in figures.items()}
    page = report_page.html(table, history, about, drawings, name=Path(options.run).name, exact_rows=exact_rows)
    output.write_text(page, encoding="utf-8")
    print(f"report written to {output}")
    return DONE


def draw_exact(table, name, output, page=None):
    """Draw a page of exact results."""
    save(getattr(import_plotting(), page or PAGES[0])([table], [name]), output, sys.stderr)


def _check_outputs(options, runs, outputs):
    """Refuse figures and pages that would be written onto run files or what the command reads, before one is."""
    from hpc_nqs.reports.series import reference_path

    for output in outputs:
        check_output(output, [*runs, *map(reference_path, options.reference)])


def _thermal_figures(options, table, history):
    """Return the figures of a report on a thermal run, by title, and the exact rows or None."""
    plotting = import_plotting()
    tables, names = [table], [Path(options.run).stem]
    curves, references = _comparisons(options, tables, names)
    figures = {
        "Thermodynamics": plotting.thermodynamics(tables, names, curves, references),
        "Correlations": plotting.correlations(tables, names, curves, references),
        "Convergence": plotting.convergence([history], names),
    }
    if any(MOMENTUM_COLUMN in row for row in table["rows"]):
        figures["Momentum distributions"] = plotting.momentum(tables, names)
    if any(IN_TIME_COLUMN in row for row in table["rows"]):
        in_time = plotting.imaginary_time(tables, names, _exact_times(options, tables, names))
        figures = dict([*list(figures.items())[:2], ("Imaginary time", in_time), *list(figures.items())[2:]])
    return figures, exact_rows_of(table, options.run) if curves else None


def _level_figures(options, table, history):
    """Return the figure of a report on a ground-state run, by title, and the exact rows or None."""
    if options.reference:
        raise SettingsError(["--reference: ground-state runs have no temperatures to draw reference data at"])
    exact_rows = exact_rows_of(table, options.run) if options.exact else None
    exact = None if exact_rows is None else [exact_rows]
    figure = import_plotting().ground_states([table], [history], [Path(options.run).stem], exact)
    return {"Energies": figure}, exact_rows


def import_plotting():
    """Return the module that draws; a sentence when matplotlib is not there."""
    try:
        from hpc_nqs.reports import figures as plotting
    except ImportError as error:
        raise CommandError(f'figures need matplotlib ({error}); fix: pip install "hpc_nqs[plot]"') from error
    return plotting


def _exact_times(options, tables, names):
    """Return for every run the exact rows dense in imaginary time; says for which there are none."""
    found = []
    for table, name in zip(tables, names, strict=True):
        rows, betas = [], [row["beta"] for row in table["rows"]]
        if options.exact and any(IN_TIME_COLUMN in row for row in table["rows"]):
            try:
                rows = exact_table.imaginary_time_rows(parse_settings(table["settings"]), betas, N_TIMES)
            except SettingsError as error:
                print(f"hpc-nqs: {name}: {error}", file=sys.stderr)
        found.append([row | {"beta": beta} for row, beta in zip(rows, betas, strict=False)])
    return found


def _comparisons(options, tables, names, with_observables=True):
    """Return (exact curves, references) that a figure is asked to show; says which exact curves are missing."""
    from hpc_nqs.reports.series import ReferenceDataError, read_reference

    try:
        references = [read_reference(written) for written in options.reference]
    except ReferenceDataError as error:
        raise CommandError(str(error)) from error
    curves, skipped = exact_table.curves(tables, names, with_observables) if options.exact else ([], [])
    for sentence in skipped:
        print(f"hpc-nqs: {sentence}", file=sys.stderr)
    return curves, references
