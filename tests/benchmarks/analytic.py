"""Accuracy of analytic purification: runs with defaults, as a user types them, beside exact and Monte Carlo energies.

    python -m tests.benchmarks.analytic --list
    python -m tests.benchmarks.analytic tfim16 heis8x8 --ranks 2 --folder runs

From the folder of the clone, with the package installed. Every row is one `hpc-nqs run` with `entropy = false`, seed 1.
Times are CPU seconds of all ranks.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

import hpc_nqs

ISING_TEMPERATURES = [10.0, 4.0, 2.0, 1.0, 0.5, 0.25]
SQUARE_TEMPERATURES = [2.0, 1.0, 0.7, 0.5, 0.4, 0.3, 0.25]
REFERENCE = Path(__file__).parents[1] / "reference"


def ising_chain(n_sites, field):
    """Return the input of a ring of the transverse-field Ising model, J = 1."""
    return {
        "lattice": {"kind": "chain", "lengths": [n_sites]},
        "model": {"kind": "tfim", "field": field},
        "thermal": {"temperatures": ISING_TEMPERATURES},
    }


def heisenberg(kind, *lengths, temperatures=SQUARE_TEMPERATURES):
    """Return the input of a Heisenberg magnet of nearest neighbours, J = 1."""
    return {
        "lattice": {"kind": kind, "lengths": list(lengths)},
        "model": {"kind": "heisenberg"},
        "thermal": {"temperatures": temperatures},
    }


ROWS = {f"tfim{n}_{field:g}": ising_chain(n, field) for n in (16, 80) for field in (0.5, 1.0, 2.0)}
ROWS |= {
    "heis16": heisenberg("chain", 16),
    "heis4x4": heisenberg("square", 4, 4),
    "heis6x6": heisenberg("square", 6, 6),
    "heis8x8": heisenberg("square", 8, 8),
    "heis10x10": heisenberg("square", 10, 10),
}
ROWS["tfim4x4"] = {
    "lattice": {"kind": "square", "lengths": [4, 4]},
    "model": {"kind": "tfim", "field": 3.0},
    "thermal": {"temperatures": [20.0, 4.0, 2.0, 1.0, 0.5]},
}
STEPS = {"dtau": [0.2, 0.14, 0.1]}  # the same energy as an extrapolation in dtau^2
ROWS["heis8x8_half"] = heisenberg("square", 8, 8, temperatures=[0.5])
ROWS["heis8x8_half_steps"] = {
    **ROWS["heis8x8_half"], "thermal": {"temperatures": [0.5], **STEPS},
}
NEAR_CRITICAL = {  # two samplers; units of Trotter steps decorrelate about 20 times more slowly than clusters
    "lattice": {"kind": "square", "lengths": [8, 8]},
    "model": {"kind": "tfim", "field": 3.044},
    "thermal": {"temperatures": [4.0, 2.0, 1.0]},
    "sampling": {"n_samples": 400_000},
}
ROWS["tfim8x8"] = NEAR_CRITICAL


def ring_energy(n_sites, field, beta):
    """Energy per site of the Ising ring, J = 1, by free fermions of both parities: Pfeuty, Ann. Phys. 57, 79 (1970)."""
    parts = []  # ln|weight|, its sign, d ln|weight| / d beta
    for shift, parity in ((0.5, 1.0), (0.0, -1.0)):
        k = 2.0 * math.pi * (np.arange(n_sites) + shift) / n_sites
        energies = 2.0 * np.sqrt(1.0 + field**2 - 2.0 * field * np.cos(k))
        if shift == 0.0:
            energies[0] = 2.0 * (field - 1.0)
        half = 0.5 * energies
        parts.append((np.logaddexp(beta * half, -beta * half).sum(), 1.0, (half * np.tanh(beta * half)).sum()))
        if (half != 0.0).all():
            sizes = np.abs(half)
            log = (beta * sizes + np.log1p(-np.exp(-2.0 * beta * sizes))).sum()
            parts.append((log, parity * np.sign(half).prod(), (sizes / np.tanh(beta * sizes)).sum()))
    top = max(log for log, _, _ in parts)
    weights = np.array([sign * math.exp(log - top) for log, sign, _ in parts])
    return -float(weights @ [slope for _, _, slope in parts] / weights.sum()) / n_sites


def references(name, row, n_ranks, folder):
    """Return (energies, errors) of a row."""
    temperatures = np.array(row["thermal"]["temperatures"])
    if row is NEAR_CRITICAL:
        other = {**row, "thermal": {**row["thermal"], "dtau": [0.1, 0.07, 0.05]}}
        other["sampling"] = {"method": "gibbs", "n_samples": 300_000}
        run, _ = computed(f"{name}_gibbs", other, n_ranks, folder)
        return run["energy"], run["energy_error"]
    if name == "tfim4x4":
        rows = json.loads((REFERENCE / "tfim_4x4_g3.json").read_text())["rows"]
        found = {r["temperature"]: r["energy"] for r in rows}
        return np.array([found[t] for t in temperatures]), 0.0 * temperatures
    if name.startswith("tfim"):
        n_sites, field = row["lattice"]["lengths"][0], row["model"]["field"]
        return np.array([ring_energy(n_sites, field, 1.0 / t) for t in temperatures]), 0.0 * temperatures
    if math.prod(row["lattice"]["lengths"]) <= 16:
        return hpc_nqs.diagonalize(hpc_nqs.make_input(**row))["energy"], 0.0 * temperatures
    rows = json.loads((REFERENCE / "heisenberg_square_qmc.json").read_text())["rows"]
    found = {r["temperature"]: r for r in rows if r["L"] == row["lattice"]["lengths"][0]}
    return tuple(np.array([found[t][key] for t in temperatures]) for key in ("energy", "energy_error"))


def computed(name, row, n_ranks, folder):
    """Return (run, seconds) of a row, by the command that a user types."""
    settings = {**row, "run": {"seed": 1}, "thermal": {**row["thermal"], "method": "analytic", "entropy": False}}
    path = Path(folder) / f"{name}.toml"
    path.write_text(hpc_nqs.make_input(**settings).to_toml())
    command = ["mpiexec", "-n", str(n_ranks)] if n_ranks > 1 else []
    command += [sys.executable, "-m", "hpc_nqs", "run", str(path), "-o", str(path.with_suffix(".h5")), "--overwrite"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run(command, check=True, capture_output=True)
    return hpc_nqs.load(path.with_suffix(".h5")), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def measure(name, n_ranks, folder):
    """Run a row; print energies beside the reference, z in standard errors; return the largest error and |z|."""
    run, seconds = computed(name, ROWS[name], n_ranks, folder)
    exact, exact_errors = references(name, ROWS[name], n_ranks, folder)
    z = (run["energy"] - exact) / np.hypot(run["energy_error"], exact_errors)
    print(f"{name}: ranks: {n_ranks}, {seconds:.1f} CPU s")
    heats = run["specific_heat"], run["specific_heat_error"]
    columns = run["temperature"], run["energy"], run["energy_error"], exact, exact_errors, z, *heats
    for values in zip(*columns, strict=True):
        line = "  T {:<5g} e {:.5f} +- {:.5f}  reference {:.5f} +- {:.5f}  z {:+.1f}  c {:.5f} +- {:.5f}"
        print(line.format(*values), flush=True)
    return float(run["energy_error"].max()), float(np.abs(z).max())


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="rows; all if none is named")
    parser.add_argument("--list", action="store_true", help="print the rows and end")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--folder", default=".", help="where inputs and run files go")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in ROWS]
    if unknown:
        parser.error(f"unknown rows {unknown}; allowed are {list(ROWS)}")
    if options.list:
        print(*ROWS, sep="\n")
        return
    Path(options.folder).mkdir(parents=True, exist_ok=True)
    found = {name: measure(name, options.ranks, options.folder) for name in options.names or ROWS}
    print("row          largest error  largest deviation (standard errors)")
    for name, (error, deviation) in found.items():
        print(f"{name:<12} {error:13.5f}  {deviation:.1f}")


if __name__ == "__main__":
    main()
