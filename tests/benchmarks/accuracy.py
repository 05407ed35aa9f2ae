"""Accuracy of thermal runs with defaults: largest error of e per site against all levels, beside what is wanted.

    python -m tests.benchmarks.accuracy                   # every row up to 16 sites: hours
    python -m tests.benchmarks.accuracy tfim_chain square_j2_0 --ranks 2 --folder runs

Every row is one run by the command that a user types, `hpc-nqs run INPUT.toml`, with lattice, model, temperatures and
a seed in the input and nothing else.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from hpc_nqs import checkpoint, exact
from hpc_nqs.settings import build, read_settings
from hpc_nqs.toml_text import format_tables

TEMPERATURES = [10.0, 4.0, 2.0, 1.4, 1.0, 0.7, 0.5, 0.35, 0.25, 0.2]
TFIM = {"kind": "tfim", "coupling": 1.0}
HEISENBERG = {"kind": "heisenberg"}
CHAIN, SQUARE = {"kind": "chain", "lengths": [16]}, {"kind": "square", "lengths": [4, 4]}
# name: (lattice, model, lowest temperature, floor and goal for the error of e, minutes on two ranks)
ROWS = {
    "tfim_chain_half": (CHAIN, TFIM | {"field": 0.5}, 0.25, 2e-3, 3e-4, 5),
    "tfim_chain": (CHAIN, TFIM | {"field": 1.0}, 0.25, 2e-3, 3e-4, 5),
    "tfim_chain_double": (CHAIN, TFIM | {"field": 2.0}, 0.25, 2e-3, 3e-4, 5),
    "tfim_square": (SQUARE, TFIM | {"field": 3.0}, 0.5, 3e-3, 5e-4, 5),
    "chain": (CHAIN, HEISENBERG, 0.2, 4e-3, 1e-3, 10),
    "square_j2_0": (SQUARE, HEISENBERG, 0.2, 6e-3, 5e-4, 15),
    "square_j2_half": (SQUARE, HEISENBERG | {"couplings": [1.0, 0.5]}, 0.2, 1e-2, 1e-3, 20),
}
HEADER = f"{'row':18s}{'max |de|':>12s}{'at T':>7s}{'floor':>9s}{'goal':>9s}{'seconds':>9s}{'allowed':>9s}"


def run_row(name, folder, n_ranks, seed):
    """Run one row through the command line; return (settings, table)."""
    lattice, model, lowest, *_ = ROWS[name]
    temperatures = [temperature for temperature in TEMPERATURES if temperature >= lowest]
    tables = {"run": {"seed": seed}, "lattice": lattice, "model": model, "thermal": {"temperatures": temperatures}}
    source, made = folder / f"{name}.toml", folder / f"{name}.h5"
    source.write_text(format_tables(tables))
    command = [sys.executable, "-m", "hpc_nqs", "run", str(source), "-o", str(made), "--overwrite"]
    if n_ranks > 1:
        command = [shutil.which("mpiexec"), "-n", str(n_ranks), *command]
    subprocess.run(command, check=True)
    return read_settings(source), checkpoint.read_table(made)


def line(name, settings, table):
    """Return the line of a finished row: its largest error, where, and what is wanted."""
    *_, floor, goal, minutes = ROWS[name]
    lattice, model = build(settings)
    betas = [row["beta"] for row in table["rows"]]
    wanted = exact.thermal_rows(exact.diagonalize(model, lattice, []), betas)
    errors = [abs(row["energy"] - right["energy"]) for row, right in zip(table["rows"], wanted, strict=True)]
    worst = max(range(len(errors)), key=errors.__getitem__)
    row = table["rows"][worst]
    measured = f"{errors[worst]:.5f}({row['energy_error']:.5f})"
    verdict = "goal" if errors[worst] <= goal else "floor" if errors[worst] <= floor else "ABOVE"
    numbers = f"{row['temperature']:7g}{floor:9.0e}{goal:9.0e}{table['seconds']:9.0f}{60 * minutes:9d}"
    return f"{name:18s}{measured:>18s}{numbers}  {verdict}"


def main(arguments=None):
    """Run the rows that the command line names and print them."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.accuracy", description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"some of {', '.join(ROWS)}; all if none is named")
    parser.add_argument("--folder", type=Path, default=Path("accuracy"), help="for inputs and run files")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    unknown = [name for name in options.rows if name not in ROWS]
    if unknown:
        parser.error(f"{', '.join(unknown)}: allowed are {', '.join(ROWS)}")
    options.folder.mkdir(parents=True, exist_ok=True)
    print(HEADER, flush=True)
    for name in options.rows or ROWS:
        print(line(name, *run_row(name, options.folder, options.ranks, options.seed)), flush=True)


if __name__ == "__main__":
    main()
