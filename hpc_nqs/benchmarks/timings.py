"""Timings of the kernels and of one step on this machine, and what part of its limits they reach."""

import json as json_format
import platform

import numpy as np

from hpc_nqs.benchmarks.roofline import roofline_table, roofline_text
from hpc_nqs.benchmarks.stopwatch import median
from hpc_nqs.hamiltonians import XYZ, Heisenberg, Hubbard, TransverseFieldIsing
from hpc_nqs.kernels import amplitude as amplitude_kernel
from hpc_nqs.parallel.processor import processor
from hpc_nqs.parallel.team import Team
from hpc_nqs.reconfiguration.solvers import Regularization
from hpc_nqs.reconfiguration.velocity import velocity
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state

J1J2 = {"kind": Heisenberg.word, "couplings": [1.0, 0.5]}
SYSTEMS = {  # (lengths, [model]) of the default state of every kind of model
    "4x4 TFIM": ([4, 4], {"kind": TransverseFieldIsing.word, "field": 3.0}),
    "4x4 J1-J2": ([4, 4], J1J2),
    "6x6 J1-J2": ([6, 6], J1J2),
    "4x4 XYZ": ([4, 4], {"kind": XYZ.word, "couplings_x": [1.0], "couplings_y": [0.6], "couplings_z": [0.3]}),
    "4x4 Hubbard": ([4, 4], {"kind": Hubbard.word, "U": 8.0, "n_up": 8, "n_down": 8}),
}
N_CHAINS, N_PER_CHAIN, N_WARM_UP, EXPONENT = 8, 64, 20, 0.6


def run_bench(json=False):
    """Time the parts of one step of the default states, and the kernels against the limits of the core.

    Parameters
    ----------
    json : bool
        Return JSON instead of a table.

    Returns
    -------
    str
    """
    results = {name: measure(*system) for name, system in SYSTEMS.items()}
    limits = roofline_table()
    machine = {"processor": processor(), "python": platform.python_version(), "numpy": np.__version__}
    if json:
        return json_format.dumps({"machine": machine, "seconds_and_sizes": results, "roofline": limits}, indent=1)
    rows = list(next(iter(results.values())))
    lines = [
        " / ".join(machine.values()),
        "",
        f"{'microseconds, medians':30s}" + "".join(f"{name:>14s}" for name in results),
    ]
    for row in rows:
        values = [results[name][row] for name in results]
        cells = [f"{value:.2f}" if isinstance(value, float) else str(value) for value in values]
        lines.append(f"{row:30s}" + "".join(f"{cell:>14s}" for cell in cells))
    return "\n".join([*lines, "", roofline_text(limits)])


def measure(lengths, model):
    """Return sizes and median processor times in microseconds of the default state of one model on a square."""
    settings = parse_settings({
        "lattice": {"kind": "square", "lengths": lengths}, "model": model, "thermal": {"temperatures": [1.0]},
        "sampling": {"method": "metropolis"},
    })
    state, team = build_state(settings, *build(settings), seed=1), Team.serial()
    system, wavefunction, sampler = state.system, state.wavefunction, state.sampler(team, N_CHAINS, 1)
    amplitude = wavefunction.amplitude(system.moves)
    sampler.warm_up(amplitude, system, N_WARM_UP, EXPONENT)
    samples = sampler.sample(amplitude, system, N_PER_CHAIN, 1, EXPONENT)
    evaluation = evaluate(samples, wavefunction, system, team, amplitude)
    regularization = Regularization("dense", 1e-5, 1e-4, 1e-6)
    log_derivs = np.empty((len(samples.flat), wavefunction.n_params * wavefunction.width))
    parts = {
        "sweep": lambda: sampler.sample(amplitude, system, N_PER_CHAIN, 1, EXPONENT),
        "local energies of a sample": lambda: evaluate(samples, wavefunction, system, team, amplitude),
        "log-derivatives of a sample": lambda: amplitude_kernel.log_derivs(amplitude, samples.flat, log_derivs),
        "S, F and solution per sample": lambda: velocity(evaluation, samples, wavefunction, regularization, team),
    }
    n = len(samples.flat)
    times = {name: 1e6 * median(part) / n for name, part in parts.items()}
    tables = 1e6 * median(lambda: wavefunction.amplitude(system.moves))
    return {"wave function": state.word, "parameters": wavefunction.n_params, **times, "tables, once per step": tables}
