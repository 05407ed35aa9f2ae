"""Timings of the kernels and of one step on this machine, and what part of its limits they reach."""

import json as json_format
import platform
import statistics
import time

import numpy as np

from hpc_nqs.benchmarks.roofline import roofline_table, roofline_text
from hpc_nqs.hamiltonians import Heisenberg
from hpc_nqs.hilbert.purification import random_pairs
from hpc_nqs.kernels import amplitude as amplitude_kernel
from hpc_nqs.parallel.processor import processor
from hpc_nqs.parallel.team import Team
from hpc_nqs.reconfiguration.solvers import Regularization
from hpc_nqs.reconfiguration.velocity import velocity
from hpc_nqs.sampling.chains import Chains
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state

SYSTEMS = {
    "4x4 clusters": {"kind": "clusters", "lengths": [4, 4], "couplings": [1.0]},
    "4x4 rbm": {"kind": "rbm", "lengths": [4, 4], "couplings": [1.0]},
    "6x6 rbm": {"kind": "rbm", "lengths": [6, 6], "couplings": [1.0]},
    "4x4 J1-J2 pair_rbm": {"kind": "pair_rbm", "lengths": [4, 4], "couplings": [1.0, 0.5]},
}
N_CHAINS, N_PER_CHAIN = 8, 64


def run_bench(json=False, repeats=5):
    """Time the parts of one step for four purified Heisenberg magnets.

    Parameters
    ----------
    json : bool
        Return JSON instead of a table.
    repeats : int
        Timings per number; the median is given.

    Returns
    -------
    str
    """
    results = {name: measure(system, repeats) for name, system in SYSTEMS.items()}
    limits = roofline_table()
    machine = {"processor": processor(), "python": platform.python_version(), "numpy": np.__version__}
    if json:
        return json_format.dumps({"machine": machine, "seconds_and_sizes": results, "roofline": limits}, indent=1)
    rows = list(next(iter(results.values())))
    lines = [
        " / ".join(machine.values()),
        "",
        f"{'microseconds, medians':30s}" + "".join(f"{name:>22s}" for name in results),
    ]
    for row in rows:
        values = [results[name][row] for name in results]
        lines.append(f"{row:30s}" + "".join(f"{value:22.2f}" for value in values))
    return "\n".join([*lines, "", roofline_text(limits)])


def measure(system, repeats):
    """Return sizes and median times in microseconds of one system {"kind", "lengths", "couplings"}."""
    settings = parse_settings(
        {
            "lattice": {"kind": "square", "lengths": system["lengths"]},
            "model": {"kind": Heisenberg.word, "couplings": system["couplings"]},
            "wavefunction": {"kind": system["kind"]},
            "thermal": {"temperatures": [1.0]},
        }
    )
    lattice, model = build(settings)
    ansatz = build_state(settings, lattice, model, seed=1)
    purification, wavefunction, team = ansatz.system, ansatz.wavefunction, Team.serial()
    chains = Chains(team, N_CHAINS, 1, lambda stream: random_pairs(purification, stream))
    amplitude = wavefunction.amplitude(purification.moves)
    chains.warm_up(amplitude, purification, 20, 0.6)
    samples = chains.sample(amplitude, purification, N_PER_CHAIN, 1, 0.6)
    evaluation = evaluate(samples, wavefunction, purification, team, amplitude)
    regularization = Regularization("dense", 1e-5, 1e-4, 1e-6)
    log_derivs = np.empty((len(samples.flat), wavefunction.n_params * wavefunction.width))
    n = len(samples.flat)
    parts = {
        "sweep": lambda: chains.sample(amplitude, purification, N_PER_CHAIN, 1, 0.6),
        "local energies of a sample": lambda: evaluate(samples, wavefunction, purification, team, amplitude),
        "log-derivatives of a sample": lambda: amplitude_kernel.log_derivs(amplitude, samples.flat, log_derivs),
        "S, F and solution per sample": lambda: velocity(evaluation, samples, wavefunction, regularization, team),
    }
    times = {name: 1e6 * _median_seconds(part, repeats) / n for name, part in parts.items()}
    tables = 1e6 * _median_seconds(lambda: wavefunction.amplitude(purification.moves), repeats)
    return {
        "hidden units or clusters": wavefunction.n_units,
        "parameters": wavefunction.n_params,
        **times,
        "tables, once per step": tables,
    }


def _median_seconds(function, repeats):
    function()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)
