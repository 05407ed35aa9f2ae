"""Processor time of one step of stochastic reconfiguration of half-filled Hubbard squares.

    python -m tests.benchmarks.electron_step 4 6 8

4096 samples of chains that have warmed up at beta = 0.8 on the state of free electrons with tables, U = 8: sampling of
one sweep per sample, local energies and ln Psi, S and F with their solution, and the whole step of third order, which
takes the last two three times.  Growth is that with the number of sites.
"""

import argparse
import math
import time

from hpc_nqs.parallel.team import Team
from hpc_nqs.runs.progress import Progress
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.thermal.driver import Cooling

N_CHAINS, N_SAMPLES, WARM_UP = 64, 4096, 30
PARTS = ("sampling", "local energies", "S, F, solution", "whole step")


def seconds(length):
    """Return the processor time of the parts of a step of length x length sites."""
    half = length**2 // 2
    settings = parse_settings({
        "lattice": {"kind": "square", "lengths": [length, length]}, "run": {"seed": 1},
        "model": {"kind": "hubbard", "U": 8.0, "n_up": half, "n_down": half},
        "thermal": {"betas": [1.0], "beta_0": 0.8},
        "sampling": {"method": "metropolis", "n_samples": N_SAMPLES, "n_chains": N_CHAINS},
    })
    run = Cooling(settings, Team.serial(), None, Progress(0))
    system, evolution = run.ansatz.system, run.evolution
    amplitude = run.ansatz.wavefunction.amplitude(system.moves)
    run.sampler.warm_up(amplitude, system, WARM_UP, run.exponent)
    times = [time.process_time()]
    samples = run.sampler.sample(amplitude, system, N_SAMPLES // N_CHAINS, 1, run.exponent)
    times.append(time.process_time())
    evaluation = evolution.evaluate(samples, amplitude, derives=True)
    times.append(time.process_time())
    first = evolution.velocity(samples, evaluation)
    times.append(time.process_time())
    evolution.advance(samples, evaluation, first, 1.0)
    times.append(time.process_time())
    return [b - a for a, b in zip(times[:3], times[1:4], strict=True)] + [times[4] - times[0]]


def main():
    """Print one line for each length."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.electron_step", description=__doc__)
    parser.add_argument("lengths", type=int, nargs="+")
    last = None
    for length in parser.parse_args().lengths:
        found = seconds(length)
        growth = "" if last is None else f"  N^{math.log(found[-1] / last[1]) / math.log((length / last[0]) ** 2):.2f}"
        parts = "  ".join(f"{name} {each:.2f} s" for name, each in zip(PARTS, found, strict=True))
        print(f"{length}x{length}  {parts}{growth}", flush=True)
        last = length, found[-1]


if __name__ == "__main__":
    main()
