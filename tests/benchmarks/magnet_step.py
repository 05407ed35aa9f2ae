"""Processor time of one step and of a report of the default state of square magnets, J1 = 1.

    python -m tests.benchmarks.magnet_step 4 6 --j2 0.5 --beta 1.0

The state is cooled to the temperature with few samples; then 8192 samples are drawn, their energies evaluated, S and F
made and solved, and a step made, and as many samples drawn and measured as a report does, with control variates and
S(pi, pi) over the spin components.  Medians of three times; growth is that with the number of sites.
"""

import argparse
import math
import resource
import statistics
import time

from hpc_nqs.parallel.team import Team
from hpc_nqs.runs.progress import Progress
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.thermal.driver import Cooling

COOLING, N_SAMPLES, ROUNDS = 1024, 8192, 3
PARTS = ("sampling", "local energies", "umbrella", "S, F, solution", "whole step", "report")


def cooled(length, j2, beta):
    """Return the `Cooling` of length x length sites at an inverse temperature."""
    settings = parse_settings({
        "lattice": {"kind": "square", "lengths": [length, length]}, "run": {"seed": 1},
        "model": {"kind": "heisenberg", "couplings": [1.0, j2] if j2 else [1.0]},
        "thermal": {"betas": [beta], "rings": [2]}, "observables": {"structure_factor": [[1, 1]]},
        "sampling": {"method": "metropolis", "n_samples": COOLING},
    })
    run = Cooling(settings, Team.serial(), None, Progress(0))
    while run.evolution.beta < beta:
        samples, evaluation = run._sample(COOLING)
        run.evolution.advance(samples, evaluation, run.evolution.velocity(samples, evaluation), beta)
    return run


def seconds(run):
    """Return the processor time of the parts of a step, and of a report of as many samples."""
    ansatz, evolution, times = run.ansatz, run.evolution, [time.process_time()]
    amplitude, team = ansatz.wavefunction.amplitude(ansatz.system.moves), run.team
    samples = run.sampler.sample(amplitude, ansatz.system, N_SAMPLES // run.n_chains, 1, run.exponent)
    times.append(time.process_time())
    evaluation = evolution.evaluate(samples, amplitude, derives=True)
    times.append(time.process_time())
    drawn = ansatz.wavefunction, evolution.beta, samples, 0, team.threads
    samples.umbrella_samples = run.umbrella.sample(*drawn)
    times.append(time.process_time())
    first = evolution.velocity(samples, evaluation)
    times.append(time.process_time())
    state = ansatz.wavefunction.params.copy(), evolution.beta, evolution.dtau, evolution.previous
    evolution.advance(samples, evaluation, first, 1.2 * evolution.beta)
    times.append(time.process_time())
    ansatz.wavefunction.params, evolution.beta, evolution.dtau, evolution.previous = state
    run.meter.report([run._sample(N_SAMPLES, run.meter.controls)], evolution.beta)
    times.append(time.process_time())
    steps = [b - a for a, b in zip(times[:4], times[1:5], strict=True)]
    return [*steps, times[5] - times[0], times[6] - times[5]]


def main():
    """Print one line for each length."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.magnet_step", description=__doc__)
    parser.add_argument("lengths", type=int, nargs="+")
    parser.add_argument("--j2", type=float, default=0.5)
    parser.add_argument("--beta", type=float, default=1.0)
    options, last = parser.parse_args(), None
    for length in options.lengths:
        run = cooled(length, options.j2, options.beta)
        seconds(run)  # what is made once
        found = [statistics.median(times) for times in zip(*(seconds(run) for _ in range(ROUNDS)), strict=True)]
        parts = "  ".join(f"{name} {each:.3f} s" for name, each in zip(PARTS, found, strict=True))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        growth = ""
        if last is not None:
            ratio = math.log((length / last[0]) ** 2)
            growth = "  growth of step and report " + ", ".join(
                f"N^{math.log(found[k] / last[1][k]) / ratio:.2f}" for k in (-2, -1)
            )
        print(f"{length}x{length}  {parts}  {memory:.0f} MB{growth}", flush=True)
        last = length, found


if __name__ == "__main__":
    main()
