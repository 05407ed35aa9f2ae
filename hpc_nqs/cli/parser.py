"""The command line: what can be typed."""

import argparse
import os
import sys

from hpc_nqs.cli.drawing_options import EXACT, add_command, add_plot, add_sweep
from hpc_nqs.cli.errors import FAILED, exit_code, explain
from hpc_nqs.hamiltonians import Hubbard
from hpc_nqs.runs.output_paths import check_stream
from hpc_nqs.version import __version__

_EPILOG = """\
start here:
  hpc-nqs init > input.toml                a commented input, ready to run
  mpiexec -n 4 hpc-nqs run input.toml      writes input.h5, on 4 processes
  hpc-nqs plot input.h5 --exact            writes input.png

Exit codes: 0 done; 75 stopped at a checkpoint, `resume` continues; 2 wrong
input; 1 any other error."""


def main(arguments=None):
    """Run one command and return its exit code: 0 done, 75 stopped at a checkpoint, 2 wrong input, 1 other errors."""
    options = build_parser().parse_args(arguments)
    from hpc_nqs.cli import commands

    try:
        check_stream(sys.stdout, _inputs(options))
        code = getattr(commands, options.command)(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader of the output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            raise
        if sentence:
            print(sentence, file=sys.stderr)
        return exit_code(error)
    except KeyboardInterrupt:
        print("hpc-nqs: interrupted", file=sys.stderr)
        return FAILED


def _inputs(options):
    """Return the files that a command names as what it reads."""
    named = [getattr(options, name, None) for name in ("input", "run", "runs", "files")]
    return [path for part in named if part for path in ([part] if isinstance(part, str) else part)]


def build_parser():
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="hpc-nqs",
        description="Thermal states of quantum magnets and electrons with neural-network states.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"hpc-nqs {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    for add in (
        _add_run, _add_resume, _add_measure, _add_show, add_plot, _add_report, _add_exact,
        _add_extrapolate, _add_fit, _add_check, _add_init, _add_import, add_sweep, _add_bench,
    ):
        add(commands)
    return parser


def _add_run(commands):
    run = add_command(
        commands,
        "run",
        "run an input file, under mpiexec or srun on all ranks",
        "mpiexec -n 4 hpc-nqs run square.toml -o square.h5",
    )
    run.add_argument("input", metavar="INPUT.toml")
    run.add_argument("-o", "--output", metavar="RUN.h5", help="run file to write; by default the input's name with .h5")
    _add_overrides(run)
    run.add_argument("--overwrite", action="store_true", help="replace an existing run file")


def _add_resume(commands):
    resume = add_command(
        commands,
        "resume",
        "continue a run from its file alone, on any number of ranks",
        "hpc-nqs resume square.h5 --set thermal.temperatures=[1.0,0.5,0.1]",
    )
    resume.add_argument("run", metavar="RUN.h5")
    _add_overrides(resume)


def _add_measure(commands):
    measure = add_command(
        commands,
        "measure",
        "measure other observables on the states of a thermal run, without cooling",
        "hpc-nqs measure square.h5 --set observables.correlations=true",
    )
    measure.add_argument("run", metavar="RUN.h5", help="finished or stopped; it is only read")
    measure.add_argument(
        "-o", "--output", metavar="OTHER.h5", help="run file to write; by default the run's name with -measured.h5"
    )
    _add_overrides(measure)
    measure.add_argument(
        "--temperatures", metavar="T,T,...", type=_numbers, help="to measure; by default those with results"
    )
    measure.add_argument("--overwrite", action="store_true", help="replace an existing run file")


def _add_show(commands):
    show = add_command(
        commands,
        "show",
        "print the results of a run, also while it is writing",
        "hpc-nqs show square.h5 --csv > square.csv",
    )
    show.add_argument("run", metavar="RUN.h5")
    form = show.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="JSON with settings and rows")
    form.add_argument("--csv", action="store_true", help="one line per temperature")
    form.add_argument("--toml", action="store_true", help="the complete input of the run, seed and defaults included")
    form.add_argument(
        "--exact", action="store_true", help=f"add the difference from exact diagonalization ({EXACT})"
    )
    show.add_argument("--charts", action="store_true", help="draw e(T) and c(T) in plain characters below the table")


def _add_report(commands):
    report = add_command(
        commands,
        "report",
        "write one HTML page about a run: results, figures, meters, verdict",
        "hpc-nqs report square.h5 --exact -o square.html",
    )
    report.add_argument("run", metavar="RUN.h5")
    report.add_argument("--exact", action="store_true", help=f"compare with exact diagonalization ({EXACT})")
    report.add_argument(
        "--reference", metavar="FILE[:KEY=VALUE]", action="append", default=[], help="data for the figures, as in plot"
    )
    report.add_argument("-o", "--output", metavar="REPORT.html", help="by default the run's name with .html")


def _add_exact(commands):
    exact = add_command(
        commands,
        "exact",
        f"diagonalize the system of an input file ({EXACT})",
        "hpc-nqs exact square.toml --json\n  hpc-nqs exact hund.toml --page momentum -o hund.png",
    )
    exact.add_argument("input", metavar="INPUT.toml")
    _add_overrides(exact)
    exact.add_argument("--json", action="store_true", help="JSON with settings and rows")
    exact.add_argument("-o", "--output", metavar="FIGURE.png", help="draw a page of results, too")
    exact.add_argument(
        "--page",
        metavar="PAGE",
        choices=("thermodynamics", "correlations", "structure_factor", "momentum"),
        help="of the figure: thermodynamics (default), correlations, structure_factor, momentum (of electrons)",
    )


def _add_extrapolate(commands):
    extrapolate = add_command(
        commands,
        "extrapolate",
        "energies of several ground-state runs of one system at zero variance",
        "hpc-nqs extrapolate alpha1.h5 alpha2.h5 alpha4.h5",
    )
    extrapolate.add_argument("runs", metavar="RUN.h5", nargs="+")
    extrapolate.add_argument("--json", action="store_true", help="JSON instead of a table")


def _add_fit(commands):
    fit = add_command(
        commands,
        "fit",
        "J, g and ratios of couplings from a measured curve and computed ones",
        "hpc-nqs fit chi.csv magnet.toml --free chi_0",
    )
    fit.add_argument(
        "data", metavar="DATA", help="columns T in K, chi in emu/mol or c in J/(mol K), and its error if known"
    )
    fit.add_argument(
        "sources",
        metavar="SOURCE",
        nargs="+",
        help="run files, or one input for its exact results; several runs, or an input with [sweep], that differ in "
        "one number of [model] make that number a parameter",
    )
    fit.add_argument("--quantity", choices=("chi", "c"), default="chi", help="measured; chi by default")
    fit.add_argument("--g", metavar="G", type=_positive_number, help="hold g at this value; by default it is fitted")
    fit.add_argument(
        "--free", metavar="NAME,NAME,...", type=_words, default=(),
        help="backgrounds to fit: of chi chi_0 (a constant) and curie (C/T), of c phonons (a T^3)",
    )
    fit.add_argument("--spins", metavar="N", type=_positive_number, default=1.0, help="in a formula unit, 1 by default")
    _add_overrides(fit)
    fit.add_argument("--json", action="store_true", help="JSON instead of a table")
    fit.add_argument("-o", "--output", metavar="FIGURE.png", help="draw data and fit, too")


def _add_check(commands):
    check = add_command(
        commands, "check", "validate an input file and print what the run will take", "hpc-nqs check square.toml"
    )
    check.add_argument("input", metavar="INPUT.toml")
    _add_overrides(check)
    check.add_argument("--ranks", metavar="N", type=_positive, default=1, help="of the run, 1 by default")
    check.add_argument("--json", action="store_true", help="JSON with plan, resolved settings and times in seconds")


def _add_init(commands):
    init = add_command(
        commands, "init", "print a commented input file that is ready to run", "hpc-nqs init thermal > input.toml"
    )
    init.add_argument(
        "task",
        metavar="TASK",
        nargs="?",
        default="thermal",
        help=f"thermal (default), ground_state, {Hubbard.word}, or reference for a table of all options",
    )


def _add_import(commands):
    import_input = add_command(
        commands,
        "import",
        "translate files of HPhi, mVMC, Wannier90 and RESPACK, or bonds of a crystal",
        "hpc-nqs import stan.in --temperatures 2.0,1.0,0.5 > input.toml\n"
        "  hpc-nqs import a.cif --atom Cu --cutoff 3.5 --lengths 2,2,1 > input.toml",
    )
    import_input.set_defaults(command="import_input")  # `import` is no name in Python
    import_input.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="standard mode, files of the expert mode, seedname_hr.dat and _wsvec.dat of Wannier90, or NAME_hr.dat, "
        "_ur.dat, _jr.dat, _dr.dat and _geom.dat of RESPACK; or a CIF file or list of sites of a crystal",
    )
    import_input.add_argument("--temperatures", metavar="T,T,...", help="of the results, in the unit of the couplings")
    import_input.add_argument("--lengths", metavar="L,L[,L]", help="cells of the lattice, of a crystal along a, b, c")
    of_structures = import_input.add_argument_group("CIF files and lists of sites")
    of_structures.add_argument(
        "--atom", metavar="NAME,...", type=_words, help="magnetic sites, by elements or labels of the file"
    )
    of_structures.add_argument(
        "--cutoff", metavar="DISTANCE", help="of the longest bonds, in angstrom; without it distances are listed"
    )
    of_structures.add_argument(
        "--couplings", metavar="J1,J2,...", help="of all distances up to the cutoff; 1 where it is one"
    )
    of_wannier = import_input.add_argument_group("files of Wannier90 and RESPACK")
    of_wannier.add_argument("--cut", metavar="ENERGY", default="0", help="elements up to this size go")
    of_wannier.add_argument("--filling", metavar="N_UP,N_DOWN", help="electrons of either spin, instead of mu")
    of_respack = import_input.add_argument_group("files of RESPACK")
    of_respack.add_argument(
        "--range",
        choices=("all", "hphi"),
        help="all elements (default), or those that standard mode of HPhi and mVMC takes: up to half the lattice, "
        "repulsion and exchange up to 0.3 in units of NAME_geom.dat",
    )
    of_respack.add_argument(
        "--cut-lengths", metavar="T,U,J", help="largest distances of hopping, repulsion and exchange; -1: none"
    )
    of_respack.add_argument(
        "--double-counting", choices=("none", "hartree", "hartree_u", "full"), help="taken off with NAME_dr.dat"
    )
    of_respack.add_argument("--alpha", metavar="NUMBER", default="0.5", help="of the double counting, 0 to 1")
    import_input.add_argument(
        "--program", choices=("hphi", "mvmc"), help="for lists of pairs: Exchange has the other sign in mVMC"
    )


def _add_bench(commands):
    bench = add_command(
        commands, "bench", "time the kernels and one step on this machine", "hpc-nqs bench --json > machine.json"
    )
    bench.add_argument("--json", action="store_true", help="JSON instead of a table")


def _positive(text):
    """Return a number of ranks."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: allowed is an integer from 1")
    return int(text)


def _positive_number(text):
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: allowed are positive numbers")
    return number


def _words(text):
    """Return words with commas as a list."""
    return [word.strip() for word in text.split(",") if word.strip()]


def _numbers(text):
    """Return numbers with commas as a list."""
    try:
        return [float(word) for word in text.strip("[]").split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: allowed are numbers with commas") from None


def _add_overrides(parser):
    parser.add_argument(
        "--set",
        metavar="SECTION.KEY=VALUE",
        action="append",
        default=[],
        dest="overrides",
        help="change one setting, for example model.field_z=0.1; may be repeated",
    )
