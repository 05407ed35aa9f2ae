"""What the kernels of the default states do, counted, against the multiply-add peak of a core.

Counted are the multiply-adds that the formulas ask for, without pivots, look-ups and logarithms: the part of the peak
that a kernel reaches is at least the one given.
"""

import numpy as np

from hpc_nqs.benchmarks.stopwatch import PATIENCE, shortest
from hpc_nqs.ground_state.systems import build_ansatz
from hpc_nqs.hamiltonians import Heisenberg
from hpc_nqs.hilbert.purification import purify
from hpc_nqs.kernels.accumulate import add_products
from hpc_nqs.kernels.local_energy import local_energies
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.wavefunctions.exchange_permanent import ExchangePermanent

N_CONFIGURATIONS = 64
N_PARAMS, N_SAMPLES = 600, 1024
SITES = 6  # along an edge


def default_rows(rate, patience=PATIENCE):
    """Return {kernel: (microseconds, part of the multiply-add peak)} of the kernels of the default states.

    Parameters
    ----------
    rate : float
        Multiply-adds per second of a core.
    patience : float
        Seconds of repetitions per number.
    """
    found = {f"permanent, minors and moves, {k} pairs of 6x6 sites": _permanents(k, patience) for k in (6, 10)}
    for sublattice, name in (([2, 2], "2x2 sublattices"), ([SITES, SITES], "no sublattices")):
        seconds, n_images, count = _images(sublattice, patience)
        found[f"image of a 6x6 pair product and its moves, {name} ({n_images})"] = seconds / n_images, count / n_images
    found[f"S of {N_PARAMS} parameters, a sample"] = _products(patience)
    return {name: (1e6 * seconds, count / (seconds * rate)) for name, (seconds, count) in found.items()}


def _evaluated(spins, wavefunction, moves, patience):
    """Return the seconds of ln Psi of a configuration with all that its ratios need."""
    amplitude, kernel = wavefunction.amplitude(moves), moves.kernel()
    logarithms, energies = np.empty(len(spins), np.complex128), np.empty((len(spins), 0), np.complex128)
    return shortest(lambda: local_energies(spins, amplitude, kernel, [], energies, logarithms), patience) / len(spins)


def _permanents(n_pairs, patience):
    """Return (seconds, multiply-adds) of a configuration with so many pairs of mismatched sites.

    Sums over the subsets of the columns of the first rows, of the last rows, and their products to minors take
    k 2^(k - 1) each; k^2 for either side of every matched site are its moves.
    """
    _, _, model = _square({"task": "thermal"})
    n, stream = model.n_sites, np.random.default_rng(n_pairs)
    system = purify(model, bond_features=False)
    start = stream.uniform(0.1, 0.2, (n, n))
    wavefunction = ExchangePermanent(np.arange(n)[None], start + start.T)
    spins = np.empty((N_CONFIGURATIONS, 2 * n), dtype=np.int8)
    for row in spins:
        sites = stream.permutation(n)
        row[:n] = np.where(np.arange(n) % 2, 1, -1)
        row[n:] = -row[:n]
        row[sites[:n_pairs]] = row[n + sites[:n_pairs]] = 1
        row[sites[n_pairs : 2 * n_pairs]] = row[n + sites[n_pairs : 2 * n_pairs]] = -1
    count = 3 * n_pairs * 2 ** (n_pairs - 1) + 2 * (n - 2 * n_pairs) * n_pairs**2
    return _evaluated(spins, wavefunction, system.moves, patience), count


def _images(sublattice, patience):
    """Return (seconds, images, multiply-adds) of a configuration of the default ground state of a frustrated magnet.

    The inverse of an image takes m^3 multiply-adds, m up spins, its product with f m^3, and a move 2 m.
    """
    settings, lattice, model = _square({"task": "ground_state"}, sublattice=sublattice)
    ansatz = build_ansatz(settings, lattice, model, seed=1)
    wavefunction, system = ansatz.wavefunction.second, ansatz.system
    m, stream = model.n_sites // 2, np.random.default_rng(1)
    spins = np.array([stream.permutation(np.repeat([1, -1], m)) for _ in range(N_CONFIGURATIONS)], dtype=np.int8)
    n_images = len(wavefunction.images)
    ends, others = system.moves.sites.T
    n_moves = np.mean(np.sum(spins[:, ends] != spins[:, others], axis=1))
    return _evaluated(spins, wavefunction, system.moves, patience), n_images, n_images * (2 * m**3 + 2 * m * n_moves)


def _products(patience):
    """Return (seconds, multiply-adds) of one sample in S."""
    rows, s_matrix = np.ones((N_SAMPLES + 1, N_PARAMS)), np.zeros((N_PARAMS, N_PARAMS))
    seconds = shortest(lambda: add_products(rows, 0, N_PARAMS, s_matrix, 1), patience)
    return seconds / N_SAMPLES, N_PARAMS * (N_PARAMS + 1) / 2


def _square(run, **wavefunction):
    """Return the settings, the lattice and the model of the frustrated 6x6 magnet."""
    settings = parse_settings({
        "run": run, "lattice": {"kind": "square", "lengths": [SITES, SITES]},
        "model": {"kind": Heisenberg.word, "couplings": [1.0, 0.5]}, "wavefunction": wavefunction,
        **({"thermal": {"temperatures": [1.0]}} if run["task"] == "thermal" else {}),
    })
    return settings, *build(settings)
