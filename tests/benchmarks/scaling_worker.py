"""One step on the ranks of a launcher, timed: started by `scaling`, prints one line of JSON on rank 0."""

import argparse
import json
import time

import numpy as np

from hpc_nqs.benchmarks.roofline import unshared_network
from hpc_nqs.hilbert.purification import random_pairs
from hpc_nqs.parallel import team as parallel
from hpc_nqs.reconfiguration.solvers import Regularization
from hpc_nqs.reconfiguration.velocity import velocity
from hpc_nqs.sampling.chains import Chains
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state

PARTS = ("tables", "sampling", "energies", "solution")


class CountingTeam(parallel.Team):
    """A team that counts the messages of its sums and broadcasts, and the bytes that they give to a rank."""

    messages = n_bytes = 0

    def sum_in_place(self, *arrays):
        """Sum and count."""
        self.messages += len(arrays)
        self.n_bytes += sum(array.nbytes for array in arrays)
        super().sum_in_place(*arrays)

    def sum_shares(self, array):
        """Sum and count."""
        self.messages += 1
        self.n_bytes += array.nbytes // self.size
        return super().sum_shares(array)

    def join_shares(self, own, n_items):
        """Join and count."""
        self.messages += 1
        self.n_bytes += n_items * own.itemsize
        return super().join_shares(own, n_items)

    def summed(self, numbers):
        """Sum and count."""
        self.messages += 1
        self.n_bytes += 8 * len(numbers) * self.size
        return super().summed(numbers)

    def broadcast(self, array, root=0):
        """Broadcast and count."""
        self.messages += 1
        self.n_bytes += array.nbytes
        super().broadcast(array, root)

    def start_broadcasts(self, pieces):
        """Broadcast and count."""
        self.messages += len(pieces)
        self.n_bytes += sum(array.nbytes for array, root in pieces if root != self.rank)
        return super().start_broadcasts(pieces)


def shared_network(length):
    """Return (purification, wavefunction) of the default network with sharing."""
    settings = parse_settings(
        {
            "lattice": {"kind": "square", "lengths": [length, length]},
            "model": {"kind": "heisenberg", "couplings": [1.0, 0.5]},
            "wavefunction": {"kind": "rbm", "alpha": 4},
            "thermal": {"temperatures": [1.0]},
        }
    )
    ansatz = build_state(settings, *build(settings), seed=1)
    return ansatz.system, ansatz.wavefunction


def network(team):
    """Return seconds per message and bytes per second that a rank receives.  *Collective*.

    Medians of sums and of broadcasts by all.
    """
    number, pieces = np.zeros(1), [(np.zeros(2**17), rank) for rank in range(team.size)]
    seconds = []
    for _ in range(20):
        marks = []
        for send in (lambda: team.sum_in_place(number), lambda: team.start_broadcasts(pieces).finish()):
            team.barrier()
            start = time.perf_counter()
            send()
            marks.append(time.perf_counter() - start)
        seconds.append(marks)
    latency, passing = map(team.max, np.median(seconds, axis=0))
    return latency, max(1, team.size - 1) * 2**20 / passing


def step(purification, wavefunction, chains, team, n_per_chain, regularization):
    """Return the seconds of every part of one step on this rank, and the iterations of its solution."""
    marks = [time.perf_counter()]
    amplitude = wavefunction.amplitude(purification.moves)
    marks.append(time.perf_counter())
    samples = chains.sample(amplitude, purification, n_per_chain, 1, 1.0)
    marks.append(time.perf_counter())
    evaluation = evaluate(samples, wavefunction, purification, team, amplitude)
    marks.append(time.perf_counter())
    found = velocity(evaluation, samples, wavefunction, regularization, team)
    marks.append(time.perf_counter())
    return np.diff(marks), found.solution.iterations


def main():
    """Time some steps, the slowest rank counts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--length", type=int, default=6)
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--chains", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--solver", default="sample_space")
    parser.add_argument("--shared", action="store_true")
    options = parser.parse_args()
    team = CountingTeam(parallel.start().communicator)
    team.threads = parallel.Threads(options.threads)
    purification, wavefunction = (
        shared_network(options.length) if options.shared else unshared_network([options.length] * 2)[1:]
    )
    chains = Chains(team, options.chains, 1, lambda stream: random_pairs(purification, stream))
    relative = {"diag_scale": 1e-3} if options.shared else {"diag_scale": 0.0, "diag_shift": 1e-3}
    regularization = Regularization(options.solver, None, tolerance=1e-5, **relative)
    n_per_chain = options.samples // options.chains
    between_ranks = network(team)
    seconds = []
    for turn in range(options.steps + 1):
        if turn == 1:
            team.messages = team.n_bytes = 0
        team.barrier()
        busy = time.process_time()
        parts, iterations = step(purification, wavefunction, chains, team, n_per_chain, regularization)
        total, busy = team.max(parts.sum()), team.max(time.process_time() - busy)
        if turn:
            seconds.append([total, busy, *parts])
    if team.is_root:
        medians = np.median(seconds, axis=0)
        facts = {"seconds": medians[0], "processor seconds": medians[1], "iterations": iterations}
        facts |= dict(zip(("latency", "network"), between_ranks, strict=True))
        facts |= {"messages": team.messages / options.steps, "bytes": team.n_bytes / options.steps}
        facts |= dict(zip(PARTS, medians[2:], strict=True)) | {"parameters": wavefunction.n_params}
        print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()
