"""The command `fit`: couplings and g factors from a measured curve."""

import sys
from pathlib import Path

from hpc_nqs.cli.errors import DONE, CommandError, UnusableFile
from hpc_nqs.cli.figures import import_plotting, save
from hpc_nqs.cli.inputs import read_input, read_run_file
from hpc_nqs.runs.output_paths import check_output
from hpc_nqs.settings.parsing import SettingsError, read_tables


def fit(options):
    """Fit computed curves to a measured one and print parameters with errors."""
    from hpc_nqs.experiments.fit import Problem
    from hpc_nqs.experiments.measured_curve import UNITS, MeasuredCurveError, read_curve
    from hpc_nqs.reports.fit import json_text, summary, table_text

    if options.output:
        check_output(Path(options.output), [options.data, *options.sources])
    family = _family(options)
    try:
        data = read_curve(options.data)
        problem = Problem(data, family, options.quantity, options.spins, options.g, options.free)
        result = problem.solve()
    except MeasuredCurveError as error:
        raise UnusableFile(str(error)) from error
    except ValueError as error:
        raise CommandError(f"{options.data}: {error}") from error
    text = json_text if options.json else table_text
    print(text(result, problem), end="")
    if options.output:
        unit = f"{options.quantity}  [{UNITS[options.quantity]}]"
        figure = import_plotting().fitted(data, result.model, summary(result, problem), unit)
        save(figure, Path(options.output), sys.stderr)
    return DONE


def _family(options):
    """Return the `TheoryFamily` of run files, or of the exact results of an input or of the runs of a sweep."""
    from hpc_nqs.experiments.sources import exact_family, family_of_runs

    kinds = {Path(source).suffix == ".h5" for source in options.sources}
    if kinds == {True}:
        if options.overrides:
            raise SettingsError(["--set: only for an input, whose exact results are computed here"])
        tables = [read_run_file(path, "read_table") for path in options.sources]
        return family_of_runs(tables, options.sources, options.quantity)
    if kinds != {False} or len(options.sources) > 1:
        raise SettingsError([f"{', '.join(options.sources)}: allowed are run files (.h5), or one input (.toml)"])
    return exact_family(_inputs(options.sources[0], options.overrides), options.quantity)


def _inputs(path, overrides):
    """Return the settings of an input, or of all runs of one with a section [sweep]."""
    from hpc_nqs.settings.sweep import read_sweep

    try:
        is_sweep = "sweep" in read_tables(Path(path).read_bytes(), Path(path).name)
    except OSError as error:
        raise UnusableFile(f"input file {path}: {error.strerror}") from error
    if not is_sweep:
        return [read_input(path, overrides)]
    if overrides:
        raise SettingsError([f"--set: {path} has a section [sweep]; change the input"])
    return [run.settings for run in read_sweep(path)]
