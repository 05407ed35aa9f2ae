"""The commands that draw: `plot` and `report`."""

import sys
from pathlib import Path

from hpc_nqs.cli.errors import DONE, CommandError
from hpc_nqs.cli.inputs import exact_rows_of, read_input, read_run_file, stored_settings
from hpc_nqs.reports import pages
from hpc_nqs.reports.series import ReferenceDataError, reference_path
from hpc_nqs.runs.output_paths import check_output
from hpc_nqs.settings.parsing import SettingsError

OF_LEVELS = pages.TOWER, pages.LEVELS
TITLES = {page: page.capitalize().replace("_", " ") for page in (*pages.PAGES, pages.LEVELS)}  # in reports
TITLES[pages.TOWER] = "Tower of states"


def plot(options):
    """Draw pages of several run files, or the lattice of an input or a run file."""
    import_plotting()
    if options.page == pages.LATTICE:
        return _plot_lattice(options)
    tables = [read_run_file(path, "read_table") for path in options.runs]
    histories = [read_run_file(path, "read_history") for path in options.runs]
    drawing = pages.Drawing(tables, _drawn(pages.labels_of, options.runs, options.label), histories)
    output = Path(options.output) if options.output else Path(options.runs[0]).with_suffix(".png")
    wanted = _wanted(options, tables)
    plain = wanted[0] if options.output else pages.checked(None, tables)
    outputs = [output if page == plain else output.with_stem(f"{output.stem}-{page}") for page in wanted]
    _check_outputs(options, options.runs, outputs)
    _compare(options, drawing, wanted)
    for page, path in zip(wanted, outputs, strict=True):
        save(_drawn(drawing.figure, page, options.width), path)
    return DONE


def _plot_lattice(options):
    """Draw the lattice of one input or run file."""
    given = {"--exact": options.exact, "--reference": options.reference, "--label": options.label}
    given["several files"] = len(options.runs) > 1
    if any(given.values()):
        words = ", ".join(word for word, there in given.items() if there)
        raise SettingsError([f"--page lattice: {words}: one file alone is drawn"])
    path = options.runs[0]
    settings = stored_settings(path) if Path(path).suffix == ".h5" else read_input(path, [])
    output = Path(options.output) if options.output else Path(path).with_name(f"{Path(path).stem}-lattice.png")
    _check_outputs(options, options.runs, [output])
    save(_drawn(pages.lattice_figure, settings, options.width), output)
    return DONE


def _drawn(draw, *arguments):
    """Return draw(*arguments), with a page that there is not as a problem of the command's options."""
    try:
        return draw(*arguments)
    except pages.PageError as error:
        raise SettingsError([f"--{error}"]) from error


def _wanted(options, tables):
    """Return the pages to draw; what runs do not have is an error."""
    try:
        first = pages.checked(None, tables)
        if first in OF_LEVELS:
            _refuse_for_levels(options.page, options.reference, pages.pages_of(tables))
        return pages.pages_of(tables) if options.page == "all" else [pages.checked(options.page, tables)]
    except pages.PageError as error:
        raise CommandError(f"--{error}" if str(error).startswith("page") else str(error)) from error


def _refuse_for_levels(page, references, there):
    problems = []
    if page not in (None, "all", *there):
        problems.append(f"--page {page}: allowed for these ground states are {', '.join([*there, 'all'])}")
    if references:
        problems.append("--reference: ground-state runs have no temperatures to draw reference data at")
    if problems:
        raise SettingsError(problems)


def _compare(options, drawing, wanted):
    """Find what a drawing is asked to be compared with; says which exact results are missing."""
    try:
        drawing.compare(wanted, options.exact, options.reference)
    except ReferenceDataError as error:
        raise CommandError(str(error)) from error
    except pages.PageError as error:
        raise SettingsError([f"--reference: {error}"]) from error
    if drawing.skipped and set(wanted) <= set(OF_LEVELS):
        raise CommandError("; ".join(drawing.skipped))
    for sentence in drawing.skipped:
        print(f"hpc-nqs: {sentence}", file=sys.stderr)


def save(figure, path, stream=None):
    """Write a figure and say so on `stream`, standard output by default."""
    try:
        pages.save(figure, path)
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
    drawing, wanted = pages.Drawing([table], [Path(options.run).stem], [history]), pages.pages_of([table])
    if pages.LEVELS in wanted:
        _refuse_for_levels(None, options.reference, wanted)
    _compare(options, drawing, wanted)
    drawings = {
        TITLES[page]: plotting.svg_text(drawing.figure(page), TITLES[page].lower().replace(" ", "-")) for page in wanted
    }
    compared = drawing.curves or drawing.levels
    exact_rows = exact_rows_of(table, options.run) if compared else None
    page = report_page.html(table, history, about, drawings, name=Path(options.run).name, exact_rows=exact_rows)
    output.write_text(page, encoding="utf-8")
    print(f"report written to {output}")
    return DONE


def draw_exact(table, name, output, page=None):
    """Draw a page of exact results."""
    import_plotting()
    drawing = pages.Drawing([table], [name], [{}])
    save(_drawn(drawing.figure, _drawn(pages.checked, page, [table])), output, sys.stderr)


def _check_outputs(options, runs, outputs):
    """Refuse figures and pages that would be written onto run files or what the command reads, before one is."""
    for output in outputs:
        check_output(output, [*runs, *map(reference_path, options.reference)])


def import_plotting():
    """Return the module that draws; a sentence when matplotlib is not there."""
    try:
        from hpc_nqs.reports import figures as plotting
    except ImportError as error:
        raise CommandError(f'figures need matplotlib ({error}); fix: pip install "hpc_nqs[plot]"') from error
    return plotting
