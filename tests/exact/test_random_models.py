"""Random small models: results of runs with defaults against diagonalization, within the errors that they quote."""

import warnings

import numpy as np
import pytest

import hpc_nqs
from hpc_nqs.exact import diagonalization as exact
from hpc_nqs.settings.system import build

N_MODELS = 200
QUICK = [number for number in range(27) if number % 4 != 3][:20]  # of up to five sites
WITHIN, LEAST = 2.0, 0.95  # total errors; share of the points that lie within them
RELATIVE_TEMPERATURES = (4.0, 1.0, 0.5)
ROUNDING = 1e-9  # relative, counts as an error
SMALL = (
    *(("chain", [n]) for n in (2, 3, 4, 5)), ("square", [2, 2]), ("ladder", [2, 2]), ("triangular", [2, 2]),
    ("kagome", [1, 1]), ("honeycomb", [1, 1]), ("honeycomb", [2, 1]),
)
OF_SIX = (
    ("chain", [6]), ("ladder", [3, 2]), ("square", [3, 2]), ("triangular", [3, 2]), ("kagome", [2, 1]),
    ("honeycomb", [3, 1]),
)
LARGER = (("chain", [7]), ("chain", [8]), ("square", [4, 2]), ("ladder", [4, 2]), ("honeycomb", [2, 2]))
ANISOTROPIES, FIELDS = (1.0, 1.0, 0.0, 0.5, 2.0, -0.7), (0.0, 0.0, 0.7, -0.7)


def random_input(number, task):
    """Return the settings of a random model: every fourth has 6 sites, every 50th 7 or 8; a fifth has random bonds.

    Those with exchange conserve Sz, and more sites of them can be summed.
    """
    stream = np.random.default_rng([number, 20])
    scale, sign = 10.0 ** stream.uniform(-3, 3), stream.choice([-1.0, 1.0])
    has_exchange = stream.random() < 0.7 or number % 50 == 49
    lattices = LARGER if number % 50 == 49 else OF_SIX if number % 4 == 3 and has_exchange else SMALL
    kind, lengths = lattices[stream.integers(len(lattices))]
    lattice = {"kind": kind, "lengths": lengths}
    if stream.random() < 0.3:
        lattice["boundary"] = "open"
    if stream.random() < 0.2 and lattices is not LARGER:
        lattice = {"kind": "custom", "bonds": random_bonds(stream, scale, 6 if has_exchange else 5)}
    if has_exchange:
        model = {"kind": "heisenberg", "couplings": [sign * scale], "anisotropy": stream.choice(ANISOTROPIES)}
        model["field_z"] = stream.choice(FIELDS) * scale
    else:
        model = {"kind": "tfim", "coupling": sign * scale, "field": scale * stream.uniform(-2, 2)}
    sections = {"run": {"seed": number + 1, "task": task}, "lattice": lattice, "model": model}
    if task == "thermal":
        temperatures = [scale * temperature for temperature in RELATIVE_TEMPERATURES]
        sections["thermal"] = {"temperatures": temperatures}
    return hpc_nqs.make_input(**sections)


def random_bonds(stream, scale, most):
    """Return the bonds of a random connected graph of 3 to `most` sites with couplings of both signs."""
    n = stream.integers(3, most + 1)
    pairs = {(int(stream.integers(site)), site) for site in range(1, n)}
    pairs |= {tuple(sorted(map(int, stream.choice(n, 2, replace=False)))) for _ in range(stream.integers(0, n))}
    return [[i, j, float(scale * stream.uniform(-1, 1))] for i, j in sorted(pairs)]


def points_of(number, task, folder):
    """Run a random model; return [(what, deviation from diagonalization, total error)] of its results."""
    settings = random_input(number, task)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = hpc_nqs.run(settings, folder / f"{task}-{number}.h5", overwrite=True)
    name = f"{number} {settings.lattice.kind} {settings.lattice.lengths} {settings.model.keywords()}"
    if not run.finished:
        return [(f"{name}: not finished", np.inf, 0.0)]
    lattice, model = build(settings)
    levels = exact.diagonalize(model, lattice, [])
    if task == "ground_state":
        (row,) = run.table["rows"]
        right = {"energy": levels.energies[0] / model.n_sites}
        return [(f"{name} lowest of {row['lowest_of']}", *deviation(row, right, "energy"))]
    rows = exact.thermal_rows(levels, [row["beta"] for row in run.table["rows"]])
    return [
        (f"{name} T = {row['temperature']:.4g}: {quantity}", *deviation(row, right, quantity))
        for row, right in zip(run.table["rows"], rows, strict=True)
        for quantity in ("energy", "entropy", "free_energy", "specific_heat", "susceptibility")
        if quantity in row and quantity in right
    ]


def deviation(row, right, quantity):
    """Return how far a result is from the exact one, and its total error.

    Energies of ground states have that of their V-score, N Var(H) / E^2, relative.
    """
    systematic = row.get(f"{quantity}_systematic", row.get("v_score", 0.0) * abs(row[quantity]))
    parts = row.get(f"{quantity}_error", 0.0), systematic, ROUNDING * abs(row[quantity])
    return abs(row[quantity] - right[quantity]), float(np.linalg.norm(parts))


def share_within(numbers, task, folder):
    """Return the share of results within twice their total errors; print those that are not."""
    points = [point for number in numbers for point in points_of(number, task, folder)]
    outside = [point for point in points if not point[1] <= WITHIN * point[2]]
    print(f"{len(outside)} of {len(points)} points lie outside {WITHIN:g} total errors:")
    for what, off, error in outside:
        print(f"  {what}: off by {off:.3g}, error {error:.3g}")
    return 1 - len(outside) / len(points)


@pytest.mark.parametrize("task", ["thermal", "ground_state"])
def test_some_random_models(task, tmp_path):
    assert share_within(QUICK, task, tmp_path) >= LEAST


@pytest.mark.slow
@pytest.mark.parametrize("task", ["thermal", "ground_state"])
def test_random_models(task, tmp_path):
    assert share_within(range(N_MODELS), task, tmp_path) >= LEAST
