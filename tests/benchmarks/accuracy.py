"""Accuracy of thermal runs with defaults: errors of e per site against all levels, beside what is wanted.

    python -m tests.benchmarks.accuracy                   # every row: hours
    python -m tests.benchmarks.accuracy tfim_chain square_j2_0 --ranks 2 --folder runs
    python -m tests.benchmarks.accuracy others            # magnets for which nothing is promised

Every row is one run by the command that a user types, `hpc-nqs run INPUT.toml`, with lattice, model, temperatures and
a seed in the input and nothing else.  Unfrustrated rows of 36 and 64 sites ask for S(pi, pi) as well and are compared
with the Monte Carlo results in `heisenberg_square.json`, temperature by temperature.  Of the frustrated one of 36 sites
the energy of the ground state is known: its lowest temperature is compared with that.
"""

import argparse
import json
import math
import shutil
import subprocess
import sys
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Row:
    """One system and what is wanted of it.

    Attributes
    ----------
    lattice, model : dict
        Sections of the input.
    limits : tuple of (float, float, float)
        Lowest temperature of a range that ends at the one before, floor and goal of the error of e there.
    minutes : float
        On two ranks.
    """

    lattice: dict
    model: dict
    limits: tuple
    minutes: float


def frustrated(*couplings, **model):
    """Return the section [model] of exchange on the first shells."""
    return HEISENBERG | {"couplings": list(couplings)} | model


LADDER, HONEYCOMB = {"kind": "ladder", "lengths": [6, 2]}, {"kind": "honeycomb", "lengths": [3, 2]}
KAGOME, TRIANGULAR = {"kind": "kagome", "lengths": [2, 2]}, {"kind": "triangular", "lengths": [4, 3]}
SMALL, SIX, EIGHT = (SQUARE | {"lengths": lengths} for lengths in ([4, 3], [6, 6], [8, 8]))
WEAKER = ((1.0, 3e-3, 1e-3), (0.5, 8e-3, 4e-3))  # of J2 beyond the maximally frustrated point
ON_RINGS = ((0.5, 2e-3, 1e-3), (0.35, 3e-3, 1e-3), (0.25, 4e-3, 1e-3))
ROWS = {
    "tfim_chain_half": Row(CHAIN, TFIM | {"field": 0.5}, ((0.25, 2e-3, 3e-4),), 5),
    "tfim_chain": Row(CHAIN, TFIM | {"field": 1.0}, ((0.25, 2e-3, 3e-4),), 5),
    "tfim_chain_double": Row(CHAIN, TFIM | {"field": 2.0}, ((0.25, 2e-3, 3e-4),), 5),
    "tfim_square": Row(SQUARE, TFIM | {"field": 3.0}, ((0.5, 3e-3, 5e-4),), 5),
    "chain": Row(CHAIN, HEISENBERG, ((0.2, 4e-3, 1e-3),), 10),
    "square_j2_0": Row(SQUARE, HEISENBERG, ((0.5, 2.6e-3, 1e-3), (0.2, 6e-3, 5e-4)), 15),
    "small_j2_half": Row(SMALL, frustrated(1.0, 0.5), ((1, 6e-4, 2e-4), (0.7, 2e-3, 1e-3), (0.5, 5e-3, 3.5e-3)), 2),
    "square_j2_half": Row(SQUARE, frustrated(1.0, 0.5), ((1, 1e-3, 3e-4), (0.7, 1.5e-3, 5e-4), *ON_RINGS), 10),
    "square_j2_075": Row(SQUARE, frustrated(1.0, 0.75), ((1.0, 3e-3, 1e-3), (0.35, 5e-3, 2e-3)), 10),
    "square_j2_1": Row(SQUARE, frustrated(1.0, 0.9999), WEAKER, 10),
    "square_j2_15": Row(SQUARE, frustrated(1.0, 1.5), WEAKER, 10),
    "triangular": Row(TRIANGULAR, HEISENBERG, ((1, 3e-3, 1.2e-3), (0.35, 4e-3, 1e-3)), 10),
    "kagome": Row(KAGOME, HEISENBERG, ((1, 1.5e-3, 6e-4), (0.35, 4e-3, 1e-3)), 5),
    "square_6": Row(SIX, HEISENBERG, ((0.25, 1e-2, 1.5e-3),), 60),
    "square_6_j2_half": Row(SIX, frustrated(1.0, 0.5), ((0.1, 1e-2, 2.5e-3),), 90),
    "square_8": Row(EIGHT, HEISENBERG, ((0.25, 1e-2, 1.5e-3),), 60),
}
ANYTHING = ((0.25, math.inf, math.inf),)
OTHERS = {
    "square_j2_02": Row(SQUARE, frustrated(1.0, 0.2), ANYTHING, 10),
    "square_j2_04": Row(SQUARE, frustrated(1.0, 0.4), ANYTHING, 10),
    "square_j2_same": Row(SQUARE, frustrated(1.0, 1.0), ANYTHING, 10),
    "square_xxz": Row(SQUARE, frustrated(1.0, 0.5, anisotropy=0.5), ANYTHING, 10),
    "square_ising": Row(SQUARE, frustrated(1.0, anisotropy=2.0), ANYTHING, 10),
    "square_field": Row(SQUARE, frustrated(1.0, field_z=1.0), ANYTHING, 10),
    "square_ferro": Row(SQUARE, frustrated(-1.0), ANYTHING, 10),
    "ladder": Row(LADDER, frustrated(1.0, 0.5), ANYTHING, 10),
    "honeycomb": Row(HONEYCOMB, HEISENBERG, ANYTHING, 10),
}
ALL = ROWS | OTHERS
GROUND_STATES = {"square_6_j2_half": -0.5038097}  # exact diagonalization
HEADER = f"{'row':18s}{'|de|':>18s}{'at T':>7s}{'floor':>9s}{'goal':>9s}{'seconds':>9s}{'allowed':>9s}"


def monte_carlo(name):
    """Return the Monte Carlo results of a row by temperature; none for frustrated magnets, other or small lattices."""
    row = ALL[name]
    rows = json.loads(MONTE_CARLO.read_text())["rows"]
    return {
        found["temperature"]: found
        for found in rows
        if row.lattice["lengths"] == [found["length"]] * 2 and row.model == HEISENBERG
    }


def input_of(name, seed):
    """Return the input of a row, as tables."""
    row, lowest = ALL[name], ALL[name].limits[-1][0]
    measured = monte_carlo(name)
    temperatures = [temperature for temperature in measured or [*TEMPERATURES, 0.14, 0.1] if temperature >= lowest]
    tables = {"run": {"seed": seed}, "lattice": row.lattice, "model": row.model}
    tables |= {"thermal": {"temperatures": temperatures}}
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


def wanted_of(name, settings, rows):
    """Return what the rows are compared with, and the rows that have something to be compared with."""
    measured = monte_carlo(name)
    if name in GROUND_STATES:
        return [{"energy": GROUND_STATES[name]}], rows[-1:]
    if measured:
        return [measured[row["temperature"]] for row in rows], rows
    lattice, model = build(settings)
    return exact.thermal_rows(exact.diagonalize(model, lattice, []), [row["beta"] for row in rows]), rows


def limits_at(name, temperature):
    """Return floor and goal of the error of e at a temperature."""
    return next(wanted for lowest, *wanted in ALL[name].limits if temperature >= lowest)


def line(name, settings, table):
    """Return the line of a finished row: the error that is largest beside its floor, where, and what is wanted."""
    wanted, rows = wanted_of(name, settings, table["rows"])
    errors = [abs(row["energy"] - right["energy"]) for row, right in zip(rows, wanted, strict=True)]
    limits = [limits_at(name, row["temperature"]) for row in rows]
    worst = max(range(len(errors)), key=lambda k: (errors[k] / limits[k][0], errors[k]))
    row, (floor, goal) = rows[worst], limits[worst]
    measured = f"{errors[worst]:.5f}({row['energy_error']:.5f})"
    reached = [error <= limit[1] for error, limit in zip(errors, limits, strict=True)]
    verdict = "goal" if all(reached) else "floor" if errors[worst] <= floor else "ABOVE"
    verdict = "" if math.isinf(floor) else f"  {verdict}"
    numbers = f"{row['temperature']:7g}{floor:9.1e}{goal:9.1e}{table['seconds']:9.0f}{60 * ALL[name].minutes:9.0f}"
    return f"{name:18s}{measured:>18s}{numbers}{verdict}"


def against_levels(name, settings, table):
    """Return the lines of e, c and chi beside all levels, with both errors of e; none of larger systems."""
    if monte_carlo(name) or name in GROUND_STATES:
        return []
    wanted, rows = wanted_of(name, settings, table["rows"])
    lines = []
    for row, right in zip(rows, wanted, strict=True):
        off = {quantity: row[quantity] - right[quantity] for quantity in ("energy", "specific_heat")}
        chi = f"{row['susceptibility'] / right['susceptibility']:.3f}" if "susceptibility" in right else "-"
        lines.append(
            f"  T {row['temperature']:5g}  e {row['energy']:.5f}({row['energy_error']:.5f})"
            f"[{row['energy_systematic']:.5f}]  de {off['energy']:+.5f}  c {row['specific_heat']:.4f}"
            f"  dc {off['specific_heat']:+.4f}  chi / exact {chi}  residual {row['tdvp_residual']:.3f}"
        )
    return lines


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
    allowed = f"{', '.join(ALL)}, and others for the last {len(OTHERS)}"
    default = f"; the first {len(ROWS)} if none is named"
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"some of {allowed}{default}")
    parser.add_argument("--folder", type=Path, default=Path("accuracy"), help="for inputs and run files")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    names = [name for word in options.rows or ROWS for name in (OTHERS if word == "others" else [word])]
    unknown = [name for name in names if name not in ALL]
    if unknown:
        parser.error(f"{', '.join(unknown)}: allowed are {allowed}")
    options.folder.mkdir(parents=True, exist_ok=True)
    print(HEADER, flush=True)
    for name in names:
        settings, table = run_row(name, options.folder, options.ranks, options.seed)
        lines = [line(name, settings, table), *comparison(name, table), *against_levels(name, settings, table)]
        print("\n".join(lines), flush=True)


if __name__ == "__main__":
    main()
