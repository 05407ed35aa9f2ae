"""Scaling of one step over ranks, threads and sites, beside what the cost model predicts.

    python -m tests.benchmarks.scaling ranks [--counts 1 2 4] [--length 6] [--samples 4096] [--solver sample_space] [--rounds 3]
    python -m tests.benchmarks.scaling threads [--counts 1 2] ...
    python -m tests.benchmarks.scaling sites [--lengths 4 6 8 10] [--shared] [--samples 1024]

Every round runs all counts one after the other, so that a change of the load meets all of them; medians over the rounds.
`ranks` and `threads` are strong scaling (the samples stay) and, with --weak, weak scaling (the samples grow with the
count).  Bytes are those of the sums and broadcasts of one step.  The prediction uses the multiply-add peak and the
bandwidth measured just before, and the number of iterations that the solution took.
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys

from hpc_nqs.cost_model import Machine, step_seconds
from hpc_nqs.parallel import available_cores
from hpc_nqs.roofline import N_CHAINS, measure_core, sizes_of, unshared_network


def run(length, samples, solver, n_ranks=1, n_threads=1, shared=False):
    """Return what `scaling_worker` prints."""
    launcher = ["mpiexec", "-n", str(n_ranks)] if n_ranks > 1 else []
    command = [*launcher, sys.executable, "-m", "tests.benchmarks.scaling_worker"]
    command += ["--length", str(length), "--samples", str(samples), "--solver", solver, "--threads", str(n_threads)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command += ["--shared"] if shared else []
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    return json.loads(found.strip().splitlines()[-1])


def prediction(length, samples, solver, n_ranks, machine, iterations):
    """Return the predicted seconds of the step of `scaling_worker`, both Hamiltonians; ranks without a core take turns."""
    model, purification, wavefunction = unshared_network([length, length])
    sizes = sizes_of(model, purification, wavefunction, samples, N_CHAINS, same_shift=True)
    sizes = type(sizes)(**{**vars(sizes), "n_terms": 2 * sizes.n_terms})
    turns = max(1.0, n_ranks / available_cores())
    return turns * sum(step_seconds(sizes, solver, n_ranks, machine, iterations).values())


def over_counts(options, kind):
    """Print the table over ranks or threads."""
    rate, bandwidth = measure_core()
    machine = Machine(rate=rate, bandwidth=bandwidth)
    found = {count: [] for count in options.counts}
    for _ in range(options.rounds):
        for count in options.counts:
            samples = options.samples * (count if options.weak else 1)
            found[count].append(run(options.length, samples, options.solver, **{f"n_{kind}": count}))
    first = min(options.counts)
    base = statistics.median(each["seconds"] for each in found[first])
    print(f"| {kind} | samples | seconds | processor | efficiency | predicted | messages | MB reduced |\n|---|---|---|---|---|---|---|---|")
    for count, results in found.items():
        seconds = statistics.median(each["seconds"] for each in results)
        samples = options.samples * (count if options.weak else 1)
        efficiency = base / seconds if options.weak else base * first / (seconds * count)
        iterations = results[0]["iterations"]
        told = f"{prediction(options.length, samples, options.solver, count, machine, iterations):.3f}" if kind == "ranks" else ""
        sent = results[0]["bytes"] / 1e6 if count > 1 and kind == "ranks" else 0
        busy = statistics.median(each["processor seconds"] for each in results)
        print(f"| {count} | {samples} | {seconds:.3f} | {busy:.3f} | {efficiency:.0%} | {told} | {results[0]['messages']:.0f} | {sent:.2f} |")


def over_sites(options):
    """Print the table over L."""
    print("| L | parameters | tables | sampling | energies | solution | step (s) | processor (s) |\n|---|---|---|---|---|---|---|---|")
    for length in options.lengths:
        results = [run(length, options.samples, options.solver, shared=options.shared) for _ in range(options.rounds)]
        wanted = ("tables", "sampling", "energies", "solution", "seconds", "processor seconds")
        parts = [statistics.median(each[part] for each in results) for part in wanted]
        print(f"| {length} | {results[0]['parameters']} | " + " | ".join(f"{part:.3f}" for part in parts) + " |", flush=True)


def main():
    """Time and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("over", choices=["ranks", "threads", "sites"])
    parser.add_argument("--counts", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--lengths", type=int, nargs="+", default=[4, 6, 8, 10])
    parser.add_argument("--length", type=int, default=6)
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--solver", default="sample_space")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--weak", action="store_true")
    parser.add_argument("--shared", action="store_true")
    options = parser.parse_args()
    print(f"{datetime.date.today()}, load {os.getloadavg()[0]:.1f}, L = {options.length}, {options.solver}")
    over_sites(options) if options.over == "sites" else over_counts(options, options.over)


if __name__ == "__main__":
    main()
