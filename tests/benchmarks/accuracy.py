"""Accuracy of thermal runs with defaults: largest error of e per site against all levels, beside what is wanted.

    python -m tests.benchmarks.accuracy                   # every row: hours
    python -m tests.benchmarks.accuracy tfim_chain square_j2_0 --ranks 2 --folder runs

Every row is one run by the command that a user types, `hpc-nqs run INPUT.toml`, with lattice, model, temperatures and
a seed in the input and nothing else.  Unfrustrated rows of 36 and 64 sites ask for S(pi, pi) as well and are compared
with the Monte Carlo results in `heisenberg_square.json`, temperature by temperature.  Of the frustrated one of 36 sites
the energy of the ground state is known: its lowest temperature is compared with that.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

from hpc_nqs.exact import diagonalization as exact
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.settings.parsing import read_settings
from hpc_nqs.settings.system import build
from hpc_nqs.settings.toml_text import format_tables

TEMPERATURES = [10.0, 4.0, 2.0, 1.4, 1.0, 0.7, 0.5, 0.35, 0.25, 0.2]
TFIM = {"kind": "tfim", "coupling": 1.0}
HEISENBERG = {"kind": "heisenberg"}
MONTE_CARLO = Path(__file__).with_name("heisenberg_square.json")
STAGGERED = "1,1"  # key of S(pi, pi)
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
    "square_6": (SQUARE | {"lengths": [6, 6]}, HEISENBERG, 0.25, 1e-2, 1.5e-3, 60),
    "square_6_j2_half": (SQUARE | {"lengths": [6, 6]}, HEISENBERG | {"couplings": [1.0, 0.5]}, 0.1, 1e-2, 2.5e-3, 90),
    "square_8": (SQUARE | {"lengths": [8, 8]}, HEISENBERG, 0.25, 1e-2, 1.5e-3, 60),
}
GROUND_STATES = {"square_6_j2_half": -0.5038097}  # exact diagonalization
HEADER = f"{'row':18s}{'max |de|':>12s}{'at T':>7s}{'floor':>9s}{'goal':>9s}{'seconds':>9s}{'allowed':>9s}"


def monte_carlo(name):
    """Return the Monte Carlo results of a row by temperature; none for frustrated magnets, other or small lattices."""
    lattice, model, *_ = ROWS[name]
    rows = json.loads(MONTE_CARLO.read_text())["rows"]
    return {
        row["temperature"]: row for row in rows if lattice["lengths"] == [row["length"]] * 2 and model == HEISENBERG
    }


def input_of(name, seed):
    """Return the input of a row, as tables."""
    lattice, model, lowest, *_ = ROWS[name]
    measured = monte_carlo(name)
    temperatures = [temperature for temperature in measured or [*TEMPERATURES, 0.14, 0.1] if temperature >= lowest]
    tables = {"run": {"seed": seed}, "lattice": lattice, "model": model, "thermal": {"temperatures": temperatures}}
    return tables | ({"observables": {"structure_factor": [[1.0, 1.0]]}} if measured else {})


def run_row(name, folder, n_ranks, seed):
    """Run one row through the command line; return (settings, table)."""
    tables = input_of(name, seed)
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
    measured, rows = monte_carlo(name), table["rows"]
    if name in GROUND_STATES:
        rows = rows[-1:]
        wanted = [{"energy": GROUND_STATES[name]}]
    elif measured:
        wanted = [measured[row["temperature"]] for row in rows]
    else:
        lattice, model = build(settings)
        wanted = exact.thermal_rows(exact.diagonalize(model, lattice, []), [row["beta"] for row in rows])
    errors = [abs(row["energy"] - right["energy"]) for row, right in zip(rows, wanted, strict=True)]
    worst = max(range(len(errors)), key=errors.__getitem__)
    row = rows[worst]
    measured = f"{errors[worst]:.5f}({row['energy_error']:.5f})"
    verdict = "goal" if errors[worst] <= goal else "floor" if errors[worst] <= floor else "ABOVE"
    numbers = f"{row['temperature']:7g}{floor:9.0e}{goal:9.0e}{table['seconds']:9.0f}{60 * minutes:9d}"
    return f"{name:18s}{measured:>18s}{numbers}  {verdict}"


def comparison(name, table):
    """Return the lines of e and S(pi, pi) beside the Monte Carlo results, with both errors; none without these."""
    measured, lines = monte_carlo(name), []
    for row in table["rows"] if measured else []:
        right, (factor, error) = measured[row["temperature"]], row["structure_factor"][STAGGERED]
        wanted = right["staggered_structure_factor"]
        lines.append(
            f"  T {row['temperature']:4g}  e {row['energy']:.5f}({row['energy_error']:.5f})"
            f"  Monte Carlo {right['energy']:.5f}({right['energy_error']:.5f})"
            f"  de {row['energy'] - right['energy']:+.5f}  S(pi, pi) {factor:.4f}({error:.4f})"
            f"  Monte Carlo {wanted:.4f}({right['staggered_structure_factor_error']:.4f})"
            f"  {100 * (factor / wanted - 1):+.1f} %"
        )
    return lines


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
        settings, table = run_row(name, options.folder, options.ranks, options.seed)
        print("\n".join([line(name, settings, table), *comparison(name, table)]), flush=True)


if __name__ == "__main__":
    main()
