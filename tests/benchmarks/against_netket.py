"""One step beside NetKet: the same network, the same samples per step, one core each, in turns.

    python -m tests.benchmarks.against_netket --netket-python NETKET/bin/python [--lengths 4 6 8] [--rounds 5] [-o NAME]

NetKet lives in an environment of its own (python -m venv NETKET; NETKET/bin/pip install netket).  The system is the
purified J1-J2 magnet on the L x L square lattice, J2 = 0.5, H on the physical spins, a complex RBM without sharing and
with alpha = 2 of 2N visible units, 1024 samples of 64 chains.  First the local energies of both programs are compared
on the same configurations; then the parts are timed A B A B.  A whole step is one sweep per sample, local energies and
S x = -F with the same absolute shift; of NetKet's two ways (conjugate gradients on the holomorphic geometric tensor;
Cholesky between samples, with real and imaginary parts as separate parameters) the faster one counts.  Wall and CPU
seconds are medians; the load is that at the end.  `-o NAME` writes NAME.json and NAME.png.
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from hpc_nqs.benchmarks.roofline import unshared_network
from hpc_nqs.hilbert.purification import random_pairs
from hpc_nqs.kernels.local_energy import local_energies
from hpc_nqs.parallel.team import Team
from hpc_nqs.reconfiguration.solvers import Regularization
from hpc_nqs.reconfiguration.velocity import velocity
from hpc_nqs.sampling.chains import Chains
from hpc_nqs.sampling.evaluation import evaluate

N_SAMPLES, N_CHAINS = 1024, 64
N_COMPILING = 2  # first rounds, in which the other side compiles, again after its first step; left out
SHIFT, TOLERANCE = 1e-3, 1e-5
PARTS = {"sample": ("sample",), "energies": ("energies",), "step": ("step_kernel", "step_cg")}
NAMES = {"sample": "sampling, one sweep", "energies": "local energies", "step": "one whole step"}
WORKER = Path(__file__).with_name("netket_worker.py")


class Ours:
    """The parts on this side."""

    def __init__(self, length):
        self.model, purification, self.wavefunction = unshared_network([length, length])
        kinds = np.array(purification.moves._kinds)[purification.proposals]
        exchanges = purification.proposals[kinds == 0]
        self.purification = replace(purification, proposals=exchanges, hamiltonians=purification.hamiltonians[:1])
        self.team = Team.serial()
        self.chains = Chains(self.team, N_CHAINS, 1, lambda stream: random_pairs(purification, stream))
        self.amplitude = self.wavefunction.amplitude(purification.moves)
        self.chains.warm_up(self.amplitude, self.purification, 10, 1.0)
        self.samples = self.sample()

    def file(self, path):
        """Write what the other side needs."""
        network, purification = self.wavefunction.arrays(), self.purification
        shells = np.array(self.model.exchange_shell) - 1
        np.savez(
            path,
            n_visible=purification.n_visible,
            n_samples=N_SAMPLES,
            n_chains=N_CHAINS,
            bonds=[(i, j, shell) for (i, j), shell in zip(self.model.exchange_sites, shells, strict=True)],
            couplings=[1.0, 0.5],
            exchanges=purification.moves.sites[purification.proposals],
            weights=network["weights"],
            hidden_bias=network["hidden_bias"],
            visible_bias=network["input_bias"],
            configurations=self.samples.flat,
            diag_shift=SHIFT,
            tolerance=TOLERANCE,
        )

    def sample(self):
        """One sweep per sample."""
        return self.chains.sample(self.amplitude, self.purification, N_SAMPLES // N_CHAINS, 1, 1.0)

    def energies(self):
        """Local energies of the samples, (n,)."""
        flat = self.samples.flat
        energies, log_psi = np.empty((len(flat), 1), dtype=complex), np.empty(len(flat), dtype=complex)
        moves = self.purification.moves.kernel()
        local_energies(flat, self.amplitude, moves, list(self.purification.hamiltonians), energies, log_psi)
        return energies[:, 0]

    def step(self):
        """Tables, one sweep per sample, local energies, S x = -F between samples."""
        self.amplitude = self.wavefunction.amplitude(self.purification.moves)
        samples = self.sample()
        evaluation = evaluate(samples, self.wavefunction, self.purification, self.team, self.amplitude)
        regularization = Regularization("sample_space", None, 0.0, TOLERANCE, SHIFT)
        return velocity(evaluation, samples, self.wavefunction, regularization, self.team)


class Theirs:
    """The worker in NetKet's environment."""

    def __init__(self, python, path):
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self.process = subprocess.Popen(
            [python, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=environment,
        )
        self.facts = self.ask("set_up", file=path)
        self.energies = np.load(f"{path}.energies.npy")

    def ask(self, what, **more):
        """Return the answer to one command."""
        print(json.dumps({"do": what, **more}), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def close(self):
        """End the worker."""
        self.process.stdin.close()
        self.process.wait()


def timed(function):
    """Return {"seconds", "cpu"} of one call."""
    start, start_cpu = time.perf_counter(), time.process_time()
    function()
    return {"seconds": time.perf_counter() - start, "cpu": time.process_time() - start_cpu}


def compare(length, python, rounds):
    """Return {part: {"ours", "theirs"}} of medians for one size, and what was compared before."""
    ours = Ours(length)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "system.npz"))
        ours.file(path)
        theirs = Theirs(python, path)
    difference = np.abs(theirs.energies - ours.energies()).max()
    assert difference < 1e-9 * np.abs(theirs.energies).max(), f"local energies differ by {difference}"
    times = {name: {"ours": [], "theirs": {word: [] for word in words}} for name, words in PARTS.items()}
    for turn in range(N_COMPILING + rounds):
        for name, words in PARTS.items():
            own = timed(getattr(ours, name))
            answers = {word: theirs.ask(word) for word in words}
            if turn >= N_COMPILING:
                times[name]["ours"].append(own)
                for word in words:
                    times[name]["theirs"][word].append(answers[word])
    theirs.close()
    return {
        "length": length,
        **theirs.facts,
        "difference of energies": difference,
        "parts": {k: medians(v) for k, v in times.items()},
    }


def medians(times):
    """Return the medians of both sides, of the faster way on the other side, and the ratios."""
    found = {}
    for kind in ("seconds", "cpu"):
        ours = statistics.median(each[kind] for each in times["ours"])
        ways = {word: statistics.median(each[kind] for each in many) for word, many in times["theirs"].items()}
        word = min(ways, key=ways.get)
        found[kind] = {"ours": ours, "theirs": ways[word], "way": word, "ratio": ways[word] / ours}
    return found


def table(results):
    """Return the results as a table in Markdown."""
    lines = [
        "| L | parameters | part | here (s) | NetKet (s) | ratio | ratio of CPU seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        for part, found in result["parts"].items():
            wall = found["seconds"]
            lines.append(
                f"| {result['length']} | {result['parameters']} | {NAMES[part]} | {wall['ours']:.3g} | "
                f"{wall['theirs']:.3g} | {wall['ratio']:.0f} | {found['cpu']['ratio']:.0f} |"
            )
    return "\n".join(lines)


def draw(results, path):
    """Draw seconds against L, both sides."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(9, 3), sharex=True, layout="constrained")
    for axis, (part, name) in zip(axes, NAMES.items(), strict=True):
        for side, mark in (("theirs", "s--"), ("ours", "o-")):
            values = [result["parts"][part]["seconds"][side] for result in results]
            axis.semilogy(
                [result["length"] for result in results],
                values,
                mark,
                label="NetKet" if side == "theirs" else "hpc_nqs",
            )
        axis.set_xticks([result["length"] for result in results])
        axis.set_title(name, fontsize="medium")
        axis.set_xlabel("L")
    axes[0].set_ylabel("seconds, one core")
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=150)


def main():
    """Time, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--netket-python", required=True)
    parser.add_argument("--lengths", type=int, nargs="+", default=[4, 6, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("-o", "--output")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    results = []
    for length in options.lengths:
        results.append(compare(length, options.netket_python, options.rounds))
        print(table(results[-1:]), flush=True)
    machine = {"date": datetime.date.today().isoformat(), "load": os.getloadavg()[0], "netket": results[0]["version"]}
    print(f"\n{machine}\n{table(results)}")
    if options.output:
        Path(f"{options.output}.json").write_text(json.dumps({"machine": machine, "results": results}, indent=1))
        draw(results, f"{options.output}.png")


if __name__ == "__main__":
    main()
