"""Kernels held against what one core of this machine can do at most.

Times are processor seconds, the shortest of many repetitions.
"""

import time

import numpy as np

from hpc_nqs.benchmarks.default_kernels import default_rows
from hpc_nqs.benchmarks.stopwatch import PATIENCE, shortest
from hpc_nqs.hamiltonians import Heisenberg
from hpc_nqs.hilbert.purification import purify, random_pairs
from hpc_nqs.kernels.local_energy import local_energies
from hpc_nqs.kernels.metropolis import follow_path
from hpc_nqs.kernels.rbm import instruction_sets
from hpc_nqs.kernels.roofline import multiply_adds, triad
from hpc_nqs.parallel.team import Team
from hpc_nqs.reconfiguration.cost_model import SOLVERS, Machine, StepSizes, solver_seconds
from hpc_nqs.reconfiguration.solvers import Regularization
from hpc_nqs.reconfiguration.velocity import velocity
from hpc_nqs.sampling.chains import Chains
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.symmetry.signed_permutations import SignedPermutations
from hpc_nqs.wavefunctions.rbm import RBM, Feature

N_ROUNDS = 20000
N_STREAM = 2**22  # doubles per array: 96 MB in three arrays, beyond the caches
N_CHAINS = 64
LOOKS = 2000


def measure_core(patience=PATIENCE):
    """Return (multiply-adds per second in registers, bytes per second from memory) of one core."""
    values = np.ones(80)
    rate = values.size * N_ROUNDS / shortest(lambda: multiply_adds(values, 0.5, 0.5, N_ROUNDS), patience)
    a, b, c = (np.ones(N_STREAM) for _ in range(3))
    bandwidth = 24 * N_STREAM / shortest(lambda: triad(b, c, 0.5, a), patience)
    return rate, bandwidth


def unshared_network(lengths, alpha=2, seed=1, couplings=(1.0, 0.5)):
    """Return (model, purification, wavefunction): J1-J2 on a square, a complex RBM without sharing, small weights."""
    settings = parse_settings(
        {
            "lattice": {"kind": "square", "lengths": list(lengths)},
            "model": {"kind": Heisenberg.word, "couplings": list(couplings)},
            "thermal": {"temperatures": [1.0]},
        }
    )
    _, model = build(settings)
    purification = purify(model, bond_features=False)
    stream, n = np.random.default_rng(seed), purification.n_visible
    features = [
        Feature(0.01 * stream.standard_normal(n), bias=0.01 * stream.standard_normal()) for _ in range(alpha * n)
    ]
    images = SignedPermutations.identity(n)
    wavefunction = RBM(features, images, n, 0.01 * stream.standard_normal(n), is_complex=True)
    wavefunction.params = wavefunction.params + 0.01j * stream.standard_normal(wavefunction.n_params)
    return model, purification, wavefunction


def sizes_of(model, purification, wavefunction, n_samples, n_chains, same_shift):
    """Return the `StepSizes` of one step of such a network, one Hamiltonian."""
    return StepSizes(
        n_samples=n_samples,
        n_chains=n_chains,
        n_proposals=purification.n_visible,
        n_terms=len(model.exchange_sites),
        n_entries=len(purification.moves.input_changes()[0]),
        n_hidden=wavefunction.n_units,
        n_inputs=purification.n_inputs,
        n_params=wavefunction.n_params,
        width=wavefunction.width,
        is_factored=True,
        same_shift=same_shift,
    )


def kernel_rows(purification, wavefunction, rate, patience=PATIENCE):
    """Return {kernel: (nanoseconds per hidden unit, part of the multiply-add peak)} of one network."""
    moves, n_units, width = purification.moves, wavefunction.n_units, wavefunction.width
    amplitude, kernel = wavefunction.amplitude(moves), moves.kernel()
    visible = random_pairs(purification, np.random.default_rng(0))
    allowed = np.flatnonzero([visible[a] != visible[b] for a, b in moves.sites]).astype(np.intp)
    ratios = np.empty(LOOKS, dtype=np.complex128)
    there_and_back = np.repeat(allowed[:1], LOOKS)
    made = shortest(lambda: follow_path(visible.copy(), amplitude, kernel, there_and_back, 0.0, ratios), patience)
    spins = np.array([random_pairs(purification, np.random.default_rng(k)) for k in range(N_CHAINS)])
    logarithms, energies = np.empty(N_CHAINS, dtype=np.complex128), np.empty((N_CHAINS, 1), dtype=np.complex128)
    layer = [purification.hamiltonians[0]]
    evaluated = shortest(lambda: local_energies(spins, amplitude, kernel, [], energies[:, :0], logarithms), patience)
    looked = shortest(lambda: local_energies(spins, amplitude, kernel, layer, energies, logarithms), patience)
    n_ratios = sum(np.count_nonzero(spins[:, i] != spins[:, j]) for i, j in purification.model.exchange_sites)
    ratio = 8.5 if width == 2 else 2.5
    update = 24 if width == 2 else 5
    return {
        "ratio, in local energies": _row((looked - evaluated) / n_ratios, n_units, ratio, rate),
        "ratio and update of tanh": _row(made / LOOKS, n_units, ratio + update, rate),
        "angles, tanh and ln cosh": _row(evaluated / len(spins), n_units, width * purification.n_inputs, rate),
    }


def _row(seconds, n_units, multiply_adds_per_unit, rate):
    return 1e9 * seconds / n_units, multiply_adds_per_unit * n_units / (seconds * rate)


def solver_rows(lengths, n_samples, machine, same_shift):
    """Return {solver: (seconds, iterations, predicted seconds)} of one solution, of those worth trying."""
    model, purification, wavefunction = unshared_network(lengths)
    team = Team.serial()
    chains = Chains(team, N_CHAINS, 1, lambda stream: random_pairs(purification, stream))
    amplitude = wavefunction.amplitude(purification.moves)
    chains.warm_up(amplitude, purification, 5, 1.0)
    samples = chains.sample(amplitude, purification, n_samples // N_CHAINS, 1, 1.0)
    evaluation = evaluate(samples, wavefunction, purification, team, amplitude)
    sizes = sizes_of(model, purification, wavefunction, len(samples.flat), N_CHAINS, same_shift)
    predictions = solver_seconds(sizes, machine=machine)
    rows = {}
    for solver in SOLVERS:
        if predictions[solver] > 4 * min(predictions.values()):
            continue
        shift = {"diag_scale": 0.0, "diag_shift": 1e-3} if same_shift else {"diag_scale": 1e-3}
        regularization = Regularization(solver, None, tolerance=1e-6, **shift)
        start = time.process_time()
        found = velocity(evaluation, samples, wavefunction, regularization, team)
        rows[solver] = time.process_time() - start, found.solution.iterations, predictions[solver]
    return rows


def roofline_table(patience=PATIENCE):
    """Return what `hpc-nqs bench` says about the limits of the core, as {name: ...} of plain values."""
    rate, bandwidth = measure_core(patience)
    machine = Machine(rate=rate, bandwidth=bandwidth)
    kernels = {}
    for lengths in ([6, 6], [8, 8]):
        _, purification, wavefunction = unshared_network(lengths)
        kernels["x".join(map(str, lengths))] = kernel_rows(purification, wavefunction, rate, patience)
    return {
        "instruction set": instruction_sets()[1],
        "multiply-adds per second": rate,
        "bytes per second": bandwidth,
        "default kernels": default_rows(rate, patience),
        "kernels": kernels,
        "solutions of 4x4, 512 samples, one shift for all": solver_rows([4, 4], 512, machine, True),
        "solutions of 4x4, 512 samples, relative shift": solver_rows([4, 4], 512, machine, False),
    }


def roofline_text(table):
    """Return the lines of a `roofline_table`."""
    lines = [
        f"one core, {table['instruction set']}: {table['multiply-adds per second'] / 1e9:.1f} billion multiply-adds "
        f"per second, {table['bytes per second'] / 1e9:.1f} GB/s from memory",
        "",
        f"{'kernels of the default states':70s}{'microseconds':>14s}{'of the peak':>14s}",
    ]
    lines += [f"{name:70s}{time_:14.2f}{part:13.0%} " for name, (time_, part) in table["default kernels"].items()]
    lines += [
        "",
        f"{'complex RBM without sharing, alpha = 2':40s}{'ns per hidden unit':>20s}{'of the peak':>14s}",
    ]
    for system, rows in table["kernels"].items():
        lines += [f"{f'{system}, {name}':40s}{time_:20.2f}{part:13.0%} " for name, (time_, part) in rows.items()]
    for name, rows in table.items():
        if name.startswith("solutions"):
            lines += ["", f"{name:52s}{'seconds':>10s}{'iterations':>12s}{'predicted':>11s}"]
            lines += [f"  {solver:50s}{took:10.3f}{n:12d}{wanted:11.3f}" for solver, (took, n, wanted) in rows.items()]
    return "\n".join(lines)
