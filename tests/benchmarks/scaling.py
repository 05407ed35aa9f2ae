"""Scaling of one step over ranks, threads and sites, beside what the cost model predicts.

    python -m tests.benchmarks.scaling cores [--layouts 1x1 2x1 1x2 4x1] [--weak] [--solver sample_space] [--rounds 3]
    python -m tests.benchmarks.scaling sites [--lengths 4 6 8 10] [--shared] [--samples 1024]

A layout is ranks x threads.  Every round runs all layouts one after the other, so that a change of the load meets all
of them; medians over the rounds.  Strong scaling keeps the samples and chains, with --weak they grow with the number of
ranks times threads.  `1+1` is no layout of one step but two independent programs of one rank side by side, the slower
one counts: what it loses against one alone no two ranks can win, since each has its part of the samples.  Layouts that
have not a core for every thread are marked with an asterisk.

Bytes are those that the sums and broadcasts of a step give to a rank.  The prediction is for one thread per rank; it
uses the multiply-add peak and the bandwidth measured just before, latency and bandwidth between the ranks, and the
number of iterations that the solution took.  `others` is what other programs used meanwhile, in cores.
"""

import argparse
import datetime
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import replace

from hpc_nqs.benchmarks.roofline import N_CHAINS, measure_core, sizes_of, unshared_network
from hpc_nqs.parallel.team import available_cores
from hpc_nqs.reconfiguration.cost_model import Machine, step_seconds

SIDE_BY_SIDE = "1+1"
COLUMNS = (
    *("ranks x threads", "samples", "seconds", "processor", "efficiency", "predicted"),
    *("messages", "MB per step", "others"),
)


def start(length, samples, solver, n_ranks=1, n_threads=1, shared=False, chains=N_CHAINS, steps=3):
    """Start `scaling_worker` and return the process."""
    launcher = ["mpiexec", "-n", str(n_ranks)] if n_ranks > 1 else []
    command = [*launcher, sys.executable, "-m", "tests.benchmarks.scaling_worker", "--chains", str(chains)]
    command += ["--length", str(length), "--samples", str(samples), "--solver", solver, "--threads", str(n_threads)]
    command += ["--steps", str(steps), *(["--shared"] if shared else [])]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def finish(*processes):
    """Return what `scaling_worker` prints.

    Seconds are those of the slowest of several processes, `others` what was busy besides.
    """
    began, busy, own = time.perf_counter(), machine_seconds(), own_seconds()
    texts = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        sys.exit("a run of scaling_worker failed; its message stands above")
    results = [json.loads(text.strip().splitlines()[-1]) for text in texts]
    elsewhere = machine_seconds() - busy - (own_seconds() - own)
    seconds = max(each["seconds"] for each in results)
    return results[0] | {"seconds": seconds, "others": elsewhere / (time.perf_counter() - began)}


def machine_seconds():
    """Return the seconds that all cores of this machine were busy; of Linux."""
    with open("/proc/stat", encoding="ascii") as file:
        user, nice, system, _, _, interrupts, soft = map(int, file.readline().split()[1:8])
    return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")


def own_seconds():
    """Return the processor seconds of the processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def prediction(options, samples, chains, n_ranks, machine, result):
    """Return the predicted seconds of a `scaling_worker` step, both Hamiltonians; ranks without a core take turns."""
    machine = replace(machine, latency=result["latency"], network=result["network"])
    model, purification, wavefunction = unshared_network([options.length] * 2)
    sizes = sizes_of(model, purification, wavefunction, samples, chains, same_shift=True)
    sizes = replace(sizes, n_terms=2 * sizes.n_terms)
    turns = max(1.0, n_ranks / available_cores())
    return turns * sum(step_seconds(sizes, options.solver, n_ranks, machine, result["iterations"]).values())


def over_cores(options):
    """Print the table over layouts."""
    rate, bandwidth = measure_core()
    machine = Machine(rate=rate, bandwidth=bandwidth)
    layouts = [layout if layout == SIDE_BY_SIDE else tuple(map(int, layout.split("x"))) for layout in options.layouts]
    found = {layout: [] for layout in layouts}
    for _ in range(options.rounds):
        for layout in layouts:
            ranks, threads, grown = shape(layout, options.weak)
            arguments = options.length, options.samples * grown, options.solver, ranks, threads, options.shared
            n_programs = 2 if layout == SIDE_BY_SIDE else 1
            runs = [start(*arguments, N_CHAINS * grown, options.steps) for _ in range(n_programs)]
            found[layout].append(finish(*runs))
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|")
    alone = statistics.median(each["seconds"] for each in found[layouts[0]])
    for layout, results in found.items():
        print("| " + " | ".join(row(layout, results, alone, options, machine)) + " |", flush=True)


def shape(layout, weak):
    """Return (ranks, threads, factor of the samples) of a layout."""
    if layout == SIDE_BY_SIDE:
        return 1, 1, 1
    ranks, threads = layout
    return ranks, threads, ranks * threads if weak else 1


def row(layout, results, alone, options, machine):
    """Return the cells of a layout, from its results of all rounds and the seconds of the first layout."""
    ranks, threads, grown = shape(layout, options.weak)
    seconds, busy, others = (
        statistics.median(each[key] for each in results) for key in ("seconds", "processor seconds", "others")
    )
    share = 1 if options.weak else ranks * threads
    samples = options.samples * grown
    told = ""
    if threads == 1 and not options.shared and layout != SIDE_BY_SIDE:
        told = f"{prediction(options, samples, N_CHAINS * grown, ranks, machine, results[0]):.3f}"
    name = layout if layout == SIDE_BY_SIDE else f"{ranks} x {threads}" + "*" * (ranks * threads > available_cores())
    sent = (results[0]["messages"], results[0]["bytes"] / 1e6) if ranks > 1 else (0, 0)
    cells = f"{seconds:.3f}", f"{busy:.3f}", f"{alone / (share * seconds):.0%}", told
    return name, str(samples), *cells, f"{sent[0]:.0f}", f"{sent[1]:.2f}", f"{others:.2f}"


def over_sites(options):
    """Print the table over L."""
    print("| L | parameters | tables | sampling | energies | solution | step (s) | processor (s) |")
    print("|---|---|---|---|---|---|---|---|")
    for length in options.lengths:
        results = [
            finish(start(length, options.samples, options.solver, shared=options.shared)) for _ in range(options.rounds)
        ]
        wanted = ("tables", "sampling", "energies", "solution", "seconds", "processor seconds")
        parts = [statistics.median(each[part] for each in results) for part in wanted]
        cells = [f"{length}", f"{results[0]['parameters']}", *(f"{part:.3f}" for part in parts)]
        print("| " + " | ".join(cells) + " |", flush=True)


def main():
    """Time and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("over", choices=["cores", "sites"])
    parser.add_argument("--layouts", nargs="+", default=["1x1", "2x1", "1x2"])
    parser.add_argument("--lengths", type=int, nargs="+", default=[4, 6, 8, 10])
    parser.add_argument("--length", type=int, default=6)
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--solver", default="sample_space")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--weak", action="store_true")
    parser.add_argument("--shared", action="store_true")
    options = parser.parse_args()
    print(f"{datetime.date.today()}, load {os.getloadavg()[0]:.1f}, L = {options.length}, {options.solver}")
    over_sites(options) if options.over == "sites" else over_cores(options)


if __name__ == "__main__":
    main()
