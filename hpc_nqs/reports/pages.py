"""Which pages of figures runs have, what they are compared with, and how they are drawn: for commands and Python."""

from pathlib import Path

from hpc_nqs.exact import table as exact_table
from hpc_nqs.hamiltonians import MODELS
from hpc_nqs.reports import lattice_drawing
from hpc_nqs.reports.labels import energy_symbol, page_title
from hpc_nqs.reports.levels import levels_of
from hpc_nqs.reports.series import has_correlations, has_momenta, has_times, has_waves, read_reference
from hpc_nqs.reports.text import describe
from hpc_nqs.reports.units import MOLAR, in_its_units, rows_beside
from hpc_nqs.settings.parsing import SettingsError, parse_settings

FIRST, CORRELATIONS, MOMENTUM, IN_TIME = "thermodynamics", "correlations", "momentum", "imaginary_time"
CONVERGENCE, WAVES = "convergence", "structure_factor"
PAGES = (FIRST, CORRELATIONS, WAVES, MOMENTUM, IN_TIME, CONVERGENCE)  # of thermal runs
LEVELS, TOWER = "energies", "tower"  # of ground states
LATTICE = "lattice"  # of an input
N_TIMES = 64  # parts of beta in exact curves
LEAST_WIDTH, MOST_WIDTH = 2.0, 40.0  # inches


class PageError(ValueError):
    """A page that these runs do not have; the message is one sentence."""


def labels_of(paths, given=()):
    """Return one label per run file: those given, else its name, with a number behind it where two are equal.

    Raises
    ------
    PageError
        Another number of labels than of runs, or two that are the same.
    """
    given = [given] if isinstance(given, str) else list(given)
    if given and len(given) != len(paths):
        raise PageError(f"label: {len(given)} for {len(paths)} runs; allowed is one for each")
    if len(set(given)) < len(given):
        raise PageError(f"label {next(each for each in given if given.count(each) > 1)}: two runs have it")
    if given:
        return given
    names = [Path(path).stem for path in paths]
    return names if len(set(names)) == len(names) else [f"{path} ({k})" for k, path in enumerate(paths, start=1)]


def pages_of(tables):
    """Return the pages of runs that show something."""
    if _are_levels(tables):
        return [TOWER, LEVELS] if any(len(levels_of(table)) > 1 for table in tables) else [LEVELS]
    empty = {
        CORRELATIONS: not has_correlations(tables),
        WAVES: not has_waves(tables),
        MOMENTUM: not has_momenta(tables),
        IN_TIME: not has_times(tables),
    }
    return [page for page in PAGES if not empty.get(page)]


def _are_levels(tables):
    return tables[0].get("task") == "ground_state"


def _is_of_electrons(table):
    model = MODELS.get(table.get("settings", {}).get("model", {}).get("kind"))
    return model is not None and model.of_electrons


def checked(page, tables):
    """Return the page to draw, by default the first one.

    Raises
    ------
    PageError
        Runs of different tasks, no such page, or nothing measured for it.
    """
    tasks = {table.get("task", "thermal") for table in tables}
    if len(tasks) > 1:
        raise PageError(f"plot draws runs of one task at a time; these are of the tasks {' and '.join(sorted(tasks))}")
    there = pages_of(tables)
    if page is None or page in there:
        return page or there[0]
    if page in PAGES and not _are_levels(tables):
        kinds = {MOMENTUM: (True, "electrons"), IN_TIME: (False, "magnets")}
        if page in kinds and not any(_is_of_electrons(table) == kinds[page][0] for table in tables):
            raise PageError(f"page {page}: it is of {kinds[page][1]}; allowed are {', '.join(there)}")
        what, key = {
            CORRELATIONS: ("correlations", "structure_factor=[[1,1]]"),
            WAVES: ("structure factors of three wave vectors", 'structure_factor="all"'),
            MOMENTUM: ("momentum distributions", "structure_factor=[[0,0]]"),
            IN_TIME: ("correlations in imaginary time", "imaginary_time=true"),
        }[page]
        raise PageError(
            f"page {page}: no {what} were measured in these runs; "
            f"hpc-nqs measure RUN.h5 --set observables.{key} measures them"
        )
    raise PageError(f"page {page}: allowed are {', '.join(there)}")


class Drawing:
    """Runs and what they are compared with, drawn page by page.

    Parameters
    ----------
    tables : list of dict
        As `run_file.read_table` returns them; at least one.
    names : list of str
        One per table, all different.
    histories : list of dict of str: (n_steps,) float64

    Attributes
    ----------
    skipped : list of str
        Why some runs have no exact results.
    """

    def __init__(self, tables, names, histories):
        self.names, self.histories = names, histories
        self.sources, self.tables = tables, [in_its_units(table) for table in tables]
        if len({table.get(MOLAR) for table in self.tables}) > 1:
            self.tables = tables  # of different units: those of the couplings
        self.curves, self.references, self.skipped = [], [], []
        self.momenta, self.waves, self.in_time, self.levels = [], [], [], []

    def compare(self, pages, exact, references=()):
        """Find exact results and reference data for pages.

        Parameters
        ----------
        pages : str or list of str
        exact : bool
        references : sequence of str
            As `series.read_reference` takes them.

        Raises
        ------
        ReferenceDataError
            A file that cannot be used.
        PageError
            Reference data on pages without temperatures.
        """
        pages = [pages] if isinstance(pages, str) else pages
        if references and not {FIRST, CORRELATIONS} & set(pages):
            raise PageError(f"reference data have temperatures, which page {pages[0]} has not")
        self.references = [read_reference(str(written), self.tables[0].get(MOLAR)) for written in references]
        if exact and {FIRST, CORRELATIONS} & set(pages):
            found, self.skipped = exact_table.curves(self.sources, self.names, CORRELATIONS in pages)
            self.curves = [(name, rows_beside(rows, self.tables[0])) for name, rows in found]
        if exact and IN_TIME in pages:
            self.in_time = [self._beside(_time_rows, *run) for run in zip(self.sources, self.names, strict=True)]
        for page, name in ((MOMENTUM, "momenta"), (WAVES, "waves"), (LEVELS, "levels"), (TOWER, "levels")):
            if exact and page in pages and not getattr(self, name):
                runs = zip(self.sources, self.names, strict=True)
                setattr(self, name, [self._beside(exact_table.rows_beside, *run) for run in runs])

    def _beside(self, rows_of, table, name):
        try:
            return rows_of(table)
        except SettingsError as error:
            self.skipped.append(f"{name}: {error}")
            return []

    def figure(self, page, width=None):
        """Return the figure of one page.

        Raises
        ------
        PageError
            A width that is none.
        ImportError
            Without matplotlib.
        """
        from hpc_nqs.reports import figures

        width = _checked_width(width)
        if page == LEVELS:
            return figures.ground_states(self.tables, self.histories, self.names, self.levels, width)
        if page == TOWER:
            from hpc_nqs.reports.tower import tower_panels

            panels = tower_panels(self.tables, self.names, self.levels, energy_symbol(self.tables))
            return figures.level_sweep(panels, page_title(self.tables), width)
        if page == CONVERGENCE:
            return figures.convergence(self.histories, self.names, self.tables, width)
        if page == MOMENTUM:
            return figures.momentum(self.tables, self.names, self.momenta, width)
        if page == WAVES:
            return figures.structure_factors(self.tables, self.names, self.waves, width)
        if page == IN_TIME:
            return figures.imaginary_time(self.tables, self.names, self.in_time, width)
        draw = figures.correlations if page == CORRELATIONS else figures.thermodynamics
        return draw(self.tables, self.names, self.curves, self.references, width)


def lattice_figure(settings, width=None):
    """Return the drawing of the lattice of `Settings` and of the bonds that the model couples.

    Raises
    ------
    PageError
        A width that is none.
    SettingsError
        Settings that describe no lattice.
    ImportError
        Without matplotlib.
    """
    from hpc_nqs.reports import figures

    drawing = lattice_drawing.Drawing(settings)
    title = describe(settings.to_dict(), drawing.lattice.n_sites)
    return figures.lattice(drawing, title, _checked_width(width))


def _checked_width(width):
    """Return the width of a figure in inches, the usual one for None."""
    from hpc_nqs.reports import figures

    width = figures.WIDTH if width is None else width
    if not LEAST_WIDTH <= width <= MOST_WIDTH:
        raise PageError(f"width {width:g}: allowed is a number of inches from {LEAST_WIDTH:g} to {MOST_WIDTH:g}")
    return width


def _time_rows(table):
    """Return the exact rows dense in imaginary time beside the rows of a table."""
    betas = [row["beta"] for row in table["rows"]]
    if not has_times([table]):
        return []
    rows = exact_table.imaginary_time_rows(parse_settings(table["settings"]), betas, N_TIMES)
    return [row | {"beta": beta} for row, beta in zip(rows, betas, strict=True)]


def save(figure, path):
    """Write a figure; errors as `figures.save`."""
    from hpc_nqs.reports import figures

    figures.save(figure, path)
