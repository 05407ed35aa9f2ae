"""What a run has found, as Python sees it: arrays, tables, figures."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from hpc_nqs.reports.levels import with_levels
from hpc_nqs.reports.names import resolve
from hpc_nqs.reports.text import csv_text, flat_row, json_text, summary, table_text
from hpc_nqs.runs import labelled_arrays, run_file
from hpc_nqs.settings.parsing import Settings, SettingsError


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Run:
    """The contents of one run file, or exact results of an input.

    ``run[name]`` is a quantity at all temperatures, `run.names` says which there are; `plot` draws, `to_text`, `to_csv`
    and `to_json` print.  A notebook shows the table.

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
        Why this call of `run`, `resume` or `measure` ended before its end, such as "SIGTERM received"; empty where it
        did not.
    """

    path: str
    settings: Settings
    table: dict[str, Any]
    history: dict[str, np.ndarray]
    about: dict[str, Any]
    stopped: str = ""

    def __getitem__(self, name: str) -> np.ndarray:
        """Return one quantity at the reported temperatures (or sectors), such as run["energy"] or run["energy_error"].

        Parameters
        ----------
        name : str
            One of `names`, or a heading of the table that ``show`` prints: "T", "e", "c", "s", "f", "chi", "m",
            "double", "kappa", "S(1,1)" (also "S(pi,pi)", "S(pi/2,0)"), "chi(1,0)", each also with "_error" or
            "_systematic" behind it.

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
        place = resolve(name, self.table["rows"], found)
        if place is None:
            raise KeyError(f"{name}; there are {', '.join(found)}")
        column, entry = place
        return found[column][1] if entry is None else found[column][1][:, entry]

    def __contains__(self, name: object) -> bool:
        found = labelled_arrays.columns(self.table["rows"])
        return isinstance(name, str) and resolve(name, self.table["rows"], found) is not None

    __iter__ = None  # `name in run` asks for a quantity; there is no order of rows to go through

    @property
    def names(self) -> list[str]:
        """Names of the quantities and coordinates that `run[name]` knows."""
        return list(labelled_arrays.columns(self.table["rows"]))

    @property
    def columns(self) -> dict[str, list]:
        """One list per column of ``show --csv``, {name: list}; ``pandas.DataFrame(run.columns)`` takes it."""
        rows = [flat_row(row) for row in self.table["rows"]]
        names = dict.fromkeys(name for row in rows for name in row)
        return {name: [row.get(name, np.nan) for row in rows] for name in names}

    @property
    def finished(self) -> bool:
        """Whether all temperatures, or sectors, have been reached."""
        return bool(self.table.get("finished"))

    @property
    def network(self) -> dict[str, Any]:
        """The arrays of the wave function, a nested dict; read from the file when asked for."""
        return run_file.read_network(self.path) if self.path else {}

    def exact(self) -> "Run":
        """Return the exact results of the same input, up to 16 spins or 20 spin-orbitals, as `hpc_nqs.diagonalize`.

        Raises
        ------
        SettingsError
            More than that, or too large a block.
        """
        from hpc_nqs.exact.table import exact_table

        return Run("", self.settings, with_levels(exact_table(self.settings)), {}, {})

    def plot(self, page=None, *, exact=False, references=(), others=(), labels=(), path=None, width=None):
        """Return a matplotlib figure of the run, as the command ``plot`` draws it.

        Parameters
        ----------
        page : str, optional
            "thermodynamics" (the default of thermal runs), "correlations", "structure_factor", "momentum",
            "imaginary_time", "convergence"; of ground states "tower" (the default of several sectors) and
            "energies"; of all "lattice", sites and bonds.
        exact : bool
            Add exact results, up to 16 spins or 20 spin-orbitals.
        references : sequence of str
            Files of reference data, "FILE" or "FILE:key=value", as for ``plot --reference``.
        others : Run or sequence of Run
            Runs of the same task to draw beside this one.
        labels : sequence of str, optional
            What the legend calls this run and the others; by default the names of their files.
        path : path-like, optional
            File to write, too; its ending chooses the format.
        width : float, optional
            Inches, 7 by default; below 4.5 the panels stand in one column.

        Raises
        ------
        ValueError
            No such page, nothing measured for it, runs of different tasks, another number of labels than of runs, or an
            ending of `path` that is none.
        SettingsError
            No exact results of a system this large.
        ReferenceDataError
            A file of reference data that cannot be used (a ValueError).
        ImportError
            Without matplotlib, ``pip install "hpc_nqs[plot]"``.
        OSError
            The figure cannot be written.
        """
        from hpc_nqs.reports import pages

        runs = [self, *([others] if isinstance(others, Run) else others)]
        references = [references] if isinstance(references, (str, Path)) else references
        if page == pages.LATTICE:
            if len(runs) > 1 or exact or references:
                raise ValueError("page lattice: one run alone is drawn, without exact results and reference data")
            figure = pages.lattice_figure(self.settings, width)
        else:
            figure = self._overlaid(runs, page, exact, references, labels, width)
        if path is not None:
            pages.save(figure, Path(path))
        return figure

    @staticmethod
    def _overlaid(runs, page, exact, references, labels, width):
        """Return the figure of a page of several runs, see `plot`."""
        from hpc_nqs.reports import pages

        tables, names = [run.table for run in runs], pages.labels_of([run.path or "exact" for run in runs], labels)
        page = pages.checked(page, tables)
        drawn = pages.Drawing(tables, names, [run.history for run in runs])
        drawn.compare(page, exact, references)
        if drawn.skipped:
            raise SettingsError(drawn.skipped)
        return drawn.figure(page, width)

    def to_text(self) -> str:
        """Return the table as text of at most 80 columns, as ``show`` prints it."""
        return table_text(self.table)

    def to_json(self) -> str:
        """Return the table as JSON, as ``show --json`` prints it."""
        return json_text(self.table)

    def to_csv(self) -> str:
        """Return the rows as CSV, as ``show --csv`` prints them."""
        return csv_text(self.table)

    def __repr__(self):
        return f"<Run {Path(self.path).name or 'exact'}: {summary(self.table)}>"

    def _repr_html_(self):
        from hpc_nqs.reports.html import fragment

        return fragment(self.table)
