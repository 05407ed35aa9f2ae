"""The expansion in connected clusters: exact with all of them, its parts against definitions, its errors cover."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import linked_clusters
from linked_clusters import Magnet, Multiplets, cluster_sums, table

import hpc_nqs
from hpc_nqs.hamiltonians.heisenberg import Heisenberg
from hpc_nqs.lattices.lattice import build
from hpc_nqs.observables.thermodynamics import infinite_temperature_cumulants, infinite_temperature_fourth

REFERENCE = Path(__file__).parents[1] / "reference"
TABULATED = json.loads((REFERENCE / "j1j2_6x6_j2_05_linked_clusters.json").read_text())


@pytest.mark.parametrize(
    ("kind", "lengths", "couplings"),
    [
        ("chain", [8], [1.0]),
        ("chain", [7], [1.0, 0.5]),
        ("square", [3, 3], [1.0, -0.4]),
        ("kagome", [2, 1], [1.0]),
        ("triangular", [4, 2], [0.7]),
    ],
)
def test_all_clusters_of_a_lattice_give_its_exact_thermodynamics(kind, lengths, couplings):
    temperatures = [4.0, 1.0, 0.3]
    exact = hpc_nqs.diagonalize(
        hpc_nqs.make_input(
            lattice={"kind": kind, "lengths": lengths},
            model={"kind": "heisenberg", "couplings": couplings},
            thermal={"temperatures": temperatures},
        )
    )
    sums = cluster_sums(Magnet(kind, lengths, couplings), 99, temperatures)
    assert sums.exact
    np.testing.assert_allclose(sums.energy[-1], exact["energy"], rtol=0, atol=1e-11)
    np.testing.assert_allclose(sums.heat[-1], exact["specific_heat"], rtol=0, atol=1e-11)
    assert [row["energy_error"] for row in table(sums)] == [0.0, 0.0, 0.0]


def connected(sites, couplings):
    reached, new = set(), {next(iter(sites))}
    while new:
        reached |= new
        new = {j for i in new for j in sites if couplings[i, j] != 0.0} - reached
    return reached == set(sites)


@pytest.mark.parametrize(("kind", "lengths"), [("chain", [8]), ("square", [3, 3])])
def test_sums_are_those_of_the_weights(kind, lengths):
    """W(c) = P(c) - sum of W over the connected proper parts of c, cluster by cluster, without symmetries."""
    magnet = Magnet(kind, lengths, [1.0, 0.5])
    beta, n_max = 0.8, 5
    levels = {m: Multiplets(m) for m in range(1, n_max + 1)}
    weights, expected = {}, np.zeros(n_max + 1)
    words = sorted(range(1, 2**magnet.n_sites), key=int.bit_count)
    for word in [word for word in words if word.bit_count() <= n_max]:
        sites = [i for i in range(magnet.n_sites) if word >> i & 1]
        if not connected(sites, magnet.couplings):
            continue
        of_cluster = levels[len(sites)]
        energies = of_cluster.levels(magnet.couplings[np.ix_(sites, sites)][None])
        energy = linked_clusters.thermal_averages(energies, of_cluster.weights, [beta])[0, 0, 0]
        weights[word] = energy - sum(weight for part, weight in weights.items() if part & word == part)
        expected[len(sites) :] += weights[word] / magnet.n_sites
    sums = cluster_sums(magnet, n_max, [1.0 / beta])
    np.testing.assert_allclose(sums.energy[:, 0], expected, rtol=0, atol=1e-12)


def test_multiplets_are_the_levels_of_the_hamiltonian():
    m = 5
    couplings = np.triu(np.random.default_rng(3).normal(size=(m, m)), 1)
    spin = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]]) / 2
    matrix = np.zeros((2**m, 2**m), complex)
    for i, j in zip(*np.triu_indices(m, 1), strict=True):
        for component in spin:
            factors = [component if site in (i, j) else np.eye(2) for site in range(m)]
            product = factors[0]
            for factor in factors[1:]:
                product = np.kron(product, factor)
            matrix += couplings[i, j] * product
    multiplets = Multiplets(m)
    levels = multiplets.levels((couplings + couplings.T)[None])[0]
    every = np.repeat(levels, np.round(2**m * multiplets.weights).astype(int))
    np.testing.assert_allclose(np.sort(every), np.linalg.eigvalsh(matrix), atol=1e-12)


def test_clusters_of_one_name_have_the_same_levels_and_other_names_other_graphs():
    """Orbits of six sites on a torus of two couplings, and the same clusters with their sites in another order."""
    magnet = Magnet("square", [6, 6], [1.0, 0.5])
    *_, (clusters, lengths, _) = linked_clusters.connected_clusters(magnet, 6)
    assert lengths.sum() == 129432  # a direct search without symmetries finds as many
    couplings = linked_clusters.cluster_couplings(magnet, clusters, 6)
    names = linked_clusters.graph_names(couplings)
    order = np.array([3, 0, 5, 1, 4, 2])
    np.testing.assert_array_equal(linked_clusters.graph_names(couplings[:, order][:, :, order]), names)
    levels = np.round(Multiplets(6).levels(couplings), 9) + 0.0
    _, first, graph = np.unique(names, return_index=True, return_inverse=True)
    np.testing.assert_allclose(levels, levels[first][graph], atol=2e-9)
    assert len(np.unique(levels, axis=0)) <= len(first) < len(clusters) / 2


@pytest.mark.parametrize(("lengths", "couplings"), [([4, 4], [1.0, 0.5]), ([6, 6], [1.0, -0.7])])
def test_cycles_are_what_larger_clusters_add_to_the_next_power(lengths, couplings):
    magnet = Magnet("square", lengths, couplings)
    small, large = (cluster_sums(magnet, n, [1.0]).series for n in (5, 6))
    np.testing.assert_allclose(small[5, :7], large[6, :7], rtol=0, atol=1e-11)
    assert abs(linked_clusters.cycle_sum(magnet, 6)) > 0.1


def test_powers_of_beta_are_the_cumulants_at_infinite_temperature():
    model = Heisenberg.build(build("square", [6, 6]), couplings=[1.0, 0.5])
    mean, variance, third = infinite_temperature_cumulants(model)
    cumulants = np.array([0.0, -mean, variance, -third, infinite_temperature_fourth(model)])
    expected = cumulants / [1, 1, 2, 6, 24] / model.n_sites
    tabulated = TABULATED["series"]
    np.testing.assert_allclose(tabulated[:5], expected, rtol=0, atol=1e-8)
    hot = TABULATED["rows"][0]
    beta = 1.0 / hot["temperature"]
    assert beta == 0.1
    series = -sum(k * expected[k] * beta ** (k - 1) for k in range(1, 5))
    assert abs(hot["energy"] - series) < 2 * 5 * abs(tabulated[5]) * beta**4  # twice the next term
    heat = sum(k * (k - 1) * expected[k] * beta**k for k in range(2, 5))
    assert abs(hot["specific_heat"] - heat) < 2 * 20 * abs(tabulated[5]) * beta**5


def test_the_table_is_what_the_program_gives():
    """Clusters of seven sites: powers of beta to the eighth, and energies within both errors."""
    temperatures = [row["temperature"] for row in TABULATED["rows"]]
    sums = cluster_sums(Magnet("square", [6, 6], [1.0, 0.5]), 7, temperatures)
    np.testing.assert_allclose(sums.series[7, :9], TABULATED["series"][:9], rtol=0, atol=1e-8)
    for ours, row in zip(table(sums), TABULATED["rows"], strict=True):
        for key in ("energy", "specific_heat"):
            assert abs(ours[key] - row[key]) < ours[f"{key}_error"] + row[f"{key}_error"]
            assert 0.0 < row[f"{key}_error"] < ours[f"{key}_error"]


@pytest.mark.parametrize("n_sites", [8, 9, 10])
def test_errors_cover_all_levels(n_sites):
    rows = json.loads((REFERENCE / "j1j2_4x4_j2_05.json").read_text())["rows"]
    exact = {row["temperature"]: row for row in rows if row["temperature"] in (10.0, 4.0, 2.0, 1.0, 0.5)}
    sums = cluster_sums(Magnet("square", [4, 4], [1.0, 0.5]), n_sites, sorted(exact))
    for row in table(sums):
        for key in ("energy", "specific_heat"):
            assert abs(row[key] - exact[row["temperature"]][key]) < row[f"{key}_error"]
        if row["temperature"] >= 2.0:  # all three resummations are close to each other
            assert row["energy_error"] < 2e-3
            assert row["specific_heat_error"] < 5e-3


def test_6x6_without_frustration_agrees_with_monte_carlo():
    rows = json.loads((REFERENCE / "heisenberg_square_qmc.json").read_text())["rows"]
    measured = [row for row in rows if row["L"] == 6 and row["temperature"] >= 0.7]
    sums = cluster_sums(Magnet("square", [6, 6], [1.0]), 9, [row["temperature"] for row in measured])
    for ours, row in zip(table(sums), measured, strict=True):
        assert abs(ours["energy"] - row["energy"]) < ours["energy_error"] + 4 * row["energy_error"]
        assert abs(ours["specific_heat"] - row["specific_heat"]) < (
            ours["specific_heat_error"] + 4 * row["specific_heat_error"]
        )


def test_resummations_are_exact_where_they_should_be():
    n = np.arange(1, 8)
    alternating = 3.0 + 2.0 * (-1.3) ** n + 0.4 * 0.5**n
    assert np.allclose(linked_clusters.wynn(alternating[:6])[-2:], 3.0, atol=1e-9)
    assert np.allclose(linked_clusters.euler(1.0 - (-1.0) ** n), 1.0)
    x = 2.0
    series = np.array([1.0, -1.0, 0.0, 1.0, -1.0, 0.0, 1.0])  # 1 / (1 + x + x^2)
    assert np.isclose(linked_clusters.pade(series[:4], 2, x), 1.0 / 7.0)
    assert np.isnan(linked_clusters.pade(np.ones(3), 1, x))  # 1 / (1 - x)
    assert np.isclose(linked_clusters.pade(np.ones(3), 1, 0.5), 2.0)


def test_the_command_writes_its_table(tmp_path, monkeypatch, capsys):
    path = tmp_path / "ring.json"
    monkeypatch.setattr(sys, "argv", f"linked_clusters 6 --kind chain --sites 6 --temperatures 1 -o {path}".split())
    linked_clusters.main()
    (row,) = json.loads(path.read_text())["rows"]
    assert f"T 1     e {row['energy']:.7f}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("9 9 --sites 3", "square of 81 sites"),
        ("6 6 --sites 5", "sites = 5"),
        ("6 6 --sites 0", "sites = 0"),
        ("6 6 --sites 6 --temperatures 1 -1", r"-1.0]: all must be positive"),
    ],
)
def test_what_cannot_be_expanded_is_refused(arguments, problem, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["linked_clusters", *arguments.split()])
    with pytest.raises(SystemExit):
        linked_clusters.main()
    assert problem in capsys.readouterr().err
