"""The command line of `plot` and `sweep`, and how every command says what it does."""

import argparse

from hpc_nqs.reports.series import QUANTITIES

EXACT = "up to 16 spins or 20 spin-orbitals"


def add_plot(commands):
    """Add the command `plot`."""
    plot = add_command(
        commands,
        "plot",
        "draw runs: thermodynamics, correlations, convergence; levels; a lattice",
        "hpc-nqs plot a.h5 b.h5 --exact --reference qmc.json:L=6 -o compare.pdf",
    )
    plot.add_argument("runs", metavar="RUN.h5", nargs="+")
    plot.add_argument("--exact", action="store_true", help=f"add the exact curve ({EXACT})")
    plot.add_argument(
        "--reference",
        metavar="FILE[:KEY=VALUE]",
        action="append",
        default=[],
        help="add data of a JSON table or CSV file, such as Monte Carlo; only rows with KEY = VALUE; may be repeated",
    )
    plot.add_argument(
        "--page",
        metavar="PAGE",
        choices=(
            "thermodynamics", "correlations", "structure_factor", "imaginary_time", "momentum", "convergence",
            "tower", "energies", "lattice", "all",
        ),
        help="of thermal runs: thermodynamics (default), correlations, structure_factor (S(q) along a path and as a "
        "map), imaginary_time, momentum (of electrons), convergence, or all: NAME.png, NAME-convergence.png and, where "
        "they were measured, NAME-correlations.png and so on; of ground states: tower (of several sectors: E - E_0 "
        "against S(S+1)), energies, or all; lattice: sites and bonds of an input or a run file",
    )
    plot.add_argument(
        "--label", metavar="WORDS", action="append", default=[],
        help="what the legend calls a run, once for every run in their order; by default the names of the files",
    )
    plot.add_argument("--width", metavar="INCHES", type=float, help="7 by default; below 4.5 one column of panels")
    plot.add_argument(
        "-o",
        "--output",
        metavar="FIGURE.png",
        help="also .pdf or .svg; by default the first run's name with .png, or with -PAGE.png",
    )


def add_sweep(commands):
    """Add the command `sweep`."""
    sweep = add_command(
        commands,
        "sweep",
        "make, run or collect the runs of an input with a section [sweep]",
        "mpiexec -n 4 hpc-nqs sweep run field.toml\n  hpc-nqs sweep collect field.toml -o field.png",
    )
    sweep.add_argument("action", choices=("expand", "run", "collect"), help="write the inputs; run them; their results")
    sweep.add_argument("input", metavar="INPUT.toml", help='with, for example, [sweep] "model.field" = [0.5, 1.0, 2.0]')
    sweep.add_argument("--folder", help="of the inputs and run files; by default the input's name without .toml")
    sweep.add_argument("--only", metavar="N", type=int, help="run: the N-th run alone, from 0, for job arrays")
    collected = sweep.add_mutually_exclusive_group()
    collected.add_argument("--json", action="store_true", help="collect: JSON")
    collected.add_argument("--csv", action="store_true", help="collect: one line per run and temperature")
    sweep.add_argument("-o", "--output", metavar="FIGURE.png", help="collect: draw a figure, too")
    sweep.add_argument(
        "--page",
        choices=("map", "curves"),
        default="map",
        help="collect: the figure is a phase diagram over the first key and temperature (default; of ground states the "
        "levels), or has curves over the key at every temperature, such as m(h)",
    )
    sweep.add_argument("--exact", action="store_true", help=f"collect: add exact curves to the figure ({EXACT})")
    sweep.add_argument(
        "--quantity",
        metavar="QUANTITY",
        choices=tuple(QUANTITIES),
        default="specific_heat",
        help=f"collect: what the figure shows, {', '.join(QUANTITIES)}; specific_heat by default",
    )


def add_command(commands, name, about, example):
    """Add a command with what it does, an example behind its options; return its parser."""
    return commands.add_parser(
        name,
        help=about,
        description=about[0].upper() + about[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
