"""Correlations against distance: classes of pairs, sum rules, the energy of a Heisenberg ring."""

import itertools

import numpy as np
import pytest

from hpc_nqs.exact import diagonalization as exact
from hpc_nqs.hamiltonians import build_model
from hpc_nqs.lattices import lattice
from hpc_nqs.observables.diagonal import build_observables
from hpc_nqs.observables.pair_classes import correlation, pairs_by_distance
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build


def test_pairs_of_the_square_lattice():
    pairs = pairs_by_distance(lattice.build("square", (4, 4)))
    assert list(pairs) == ["1", "1.41421", "2", "2.23607", "2.82843"]
    assert [weights.nnz for weights in pairs.values()] == [32, 32, 16, 32, 8], "each pair once, 120 in all"
    assert all(weights.sum() == pytest.approx(1.0) for weights in pairs.values())
    assert all(np.all(weights.nonzero()[0] < weights.nonzero()[1]) for weights in pairs.values())


def test_pairs_of_a_graph_are_counted_in_bonds():
    pairs = pairs_by_distance(lattice.build("custom", bonds=[(0, 1, 1.0), (1, 2, 1.0), (3, 4, 1.0)]))
    assert {key: weights.nnz for key, weights in pairs.items()} == {"1": 3, "2": 1}, "no path, no pair"


def test_correlation_is_the_mean_over_the_pairs():
    rng = np.random.default_rng(3)
    spins = rng.choice([-0.5, 0.5], (20, 6))
    ring = lattice.build("chain", (6,))
    for key, weights in pairs_by_distance(ring).items():
        pairs = [(i, j) for i, j in itertools.combinations(range(6), 2) if min(j - i, 6 - j + i) == float(key)]
        expected = np.mean([spins[:, i] * spins[:, j] for i, j in pairs], axis=0)
        assert correlation(spins, weights) == pytest.approx(expected)


def test_exact_correlations_obey_energy_and_sum_rules():
    """e = 3 J C(1) on a ring, and S(q) = 1/4 + (2/N) sum over pairs at q = 0 and pi."""
    ring = lattice.build("chain", (8,))
    model = build_model(ring)
    levels = exact.diagonalize(model, ring, [(0.0,), (1.0,)], correlations=True)
    (row,) = exact.thermal_rows(levels, [1.3])
    values = {int(key): pair[0] for key, pair in row["correlation"].items()}
    assert row["energy"] == pytest.approx(3 * values[1])
    counts = {1: 8, 2: 8, 3: 8, 4: 4}
    uniform = 0.25 + 2 / 8 * sum(counts[r] * values[r] for r in counts)
    staggered = 0.25 + 2 / 8 * sum((-1) ** r * counts[r] * values[r] for r in counts)
    assert row["structure_factor"]["0,0"][0] == pytest.approx(uniform)
    assert row["structure_factor"]["1,0"][0] == pytest.approx(staggered)


def test_runs_measure_them_when_asked():
    tables = {"lattice": {"kind": "chain", "lengths": [6]}, "model": {"kind": "tfim"}}
    tables["thermal"] = {"temperatures": [1.0]}
    for wanted in (False, True):
        settings = parse_settings(tables | {"observables": {"correlations": wanted}})
        ring, model = build(settings)
        observables = build_observables(settings, ring, model)
        keys = [key for name, key in observables.names if name == "correlation"]
        assert keys == (["1", "2", "3"] if wanted else [])
        columns = observables.measure(np.ones((2, 6), np.int8))
        assert columns.shape == (2, len(observables.names))
        if wanted:
            assert columns[:, -3:] == pytest.approx(0.25), "S = sigma/2 of the tfim"
