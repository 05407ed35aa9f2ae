"""Exact results of electrons: against stored diagonalizations, operators in Fock space, and free electrons."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from hpc_nqs.exact import electrons
from hpc_nqs.exact.electron_blocks import ElectronBlock, permutation_signs, states_of
from hpc_nqs.exact.symmetry_blocks import abelian_group
from hpc_nqs.hamiltonians import MODELS, Hubbard, Kanamori
from hpc_nqs.hamiltonians.electron_matrices import to_sparse
from hpc_nqs.lattices import lattice as lattices

STORED = json.loads((Path(__file__).parents[1] / "reference/electrons.json").read_text())
ROWS_FIRST = [0, 2, 4, 1, 3, 5]  # the sites of 2x3 where they are numbered along the rows
NAMES = {
    "density": "filling",
    "local_moment_S2": "local_moment",
    "compressibility_dn_dmu": "compressibility",
    "susceptibility_zz": "susceptibility",
}


def stored_system(name):
    """Return (stored results, lattice, model) of one system."""
    found = STORED[name]
    part, given = found["lattice"], found["model"]
    if "bonds" in part:
        lattice = lattices.build("custom", bonds=[(i, j, 1) for i, j in part["bonds"]])
    else:
        lattice = lattices.build(part["kind"], part["lengths"], part["boundary"])
    filling = dict(zip(("n_up", "n_down"), found.get("filling", ()), strict=False))
    values = {"hopping": [given["t"]], "U": given["U"]} | (filling or {"mu": found["chemical_potential"]})
    if "JH" in given:
        exchange = given["spin_flip_and_pair_hopping"]
        values |= {"U_prime": given["Up"], "J_hund": given["JH"], "spin_flip": exchange, "pair_hopping": exchange}
    return found, lattice, MODELS[given["kind"]].build(lattice, **values)


def summed(value):
    """Return a number, or the sum of the numbers of the orbitals."""
    return sum(value) if isinstance(value, list) else value


@pytest.mark.parametrize("name", STORED)
def test_stored_diagonalizations(name):
    found, lattice, model = stored_system(name)
    keys = list(found["rows"][0]["structure_factor"]) if lattice.positions is not None else []
    levels = electrons.diagonalize(model, lattice, [[float(part) for part in key.split(",")] for key in keys], True)
    assert len(levels.energies) == (4**model.n_levels if model.mu is not None else dimension(model))
    lowest = found["ground_state_energy_per_site"] * lattice.n_sites
    lowest -= (model.mu or 0.0) * sum(found["ground_state_sector"])
    assert levels.ground_state_energy == pytest.approx(lowest, abs=1e-9)
    for row, stored in zip(
        electrons.thermal_rows(levels, [row["beta"] for row in found["rows"]]), found["rows"], strict=True
    ):
        compared = 0
        for quantity, value in stored.items():
            ours = row.get(NAMES.get(quantity, quantity))
            if not isinstance(value, (dict, list)):
                assert ours == pytest.approx(value, abs=1e-8), quantity
            elif isinstance(value, dict) and keys:
                wanted = [summed(value[key]) for key in keys]
                assert [pair[0] for pair in ours.values()] == pytest.approx(wanted, abs=1e-8), quantity
            else:
                continue
            compared += 1
        assert compared >= 7 + 3 * bool(keys) + 2 * (model.mu is not None)
        order = ROWS_FIRST if found["lattice"]["kind"] == "square" and keys else range(lattice.n_sites)
        for matrix, quantity in zip(site_pairs(levels, row["beta"]), ("szsz_from_site0", "nn_from_site0"), strict=True):
            np.testing.assert_allclose(matrix[0, order], stored[quantity], atol=1e-8)


def dimension(model):
    return len(states_of(model.n_levels, model.n_up, model.n_down))


def site_pairs(levels, beta):
    """Return <Sz_i Sz_j> and <n_i n_j>, (n, n) each."""
    weights = np.exp(-beta * (levels.energies - levels.energies[0]))
    means = levels.columns @ weights / weights.sum()
    seen, first = levels.observables, 2 + levels.observables.n_site_orbits
    return [means[first + k * seen.n_pair_orbits :][seen.pair_orbit] for k in (0, 1)]


# ---- operators in Fock space ----------------------------------------------------------------------------------------


class Fock:
    """All states of one model, observables from products of creation operators; the slow way."""

    def __init__(self, model, lattice, creators, beta):
        self.model, self.lattice, self.c = model, lattice, creators(model.n_sites)
        self.n = [c @ c.T for c in self.c]
        matrix = to_sparse(model).toarray()
        chosen = np.ones(len(matrix), dtype=bool)
        m = model.n_levels
        up, down = (sum(self.n[s : s + m]) for s in (0, m))
        if model.is_canonical:
            chosen = (np.diag(up) == model.n_up) & (np.diag(down) == model.n_down)
        self.total, self.sz = up + down, (up - down) / 2
        energies, vectors = np.linalg.eigh(matrix[np.ix_(chosen, chosen)])
        weights = np.exp(-beta * (energies - energies[0]))
        self.ln_z = np.log(weights.sum()) - beta * energies[0]
        self.density = np.zeros_like(matrix)
        self.density[np.ix_(chosen, chosen)] = (vectors * (weights / weights.sum())) @ vectors.T
        self.k = matrix

    def mean(self, operator):
        return float(np.sum(self.density * operator.T))

    def variance(self, operator):
        return self.mean(operator @ operator) - self.mean(operator) ** 2

    def of_site(self, site):
        """Return the units of a site, spin up and spin down."""
        units = site * self.model.n_orbitals + np.arange(self.model.n_orbitals)
        return units, units + self.model.n_levels

    def spin(self, site):
        """Return Sz and S+ of a site."""
        up, down = self.of_site(site)
        sz = sum(self.n[p] - self.n[q] for p, q in zip(up, down, strict=True)) / 2
        return sz, sum(self.c[p] @ self.c[q].T for p, q in zip(up, down, strict=True))

    def transform(self, q, matrix):
        phase = self.lattice.wave_vector(q)
        return float(np.real(phase @ matrix @ phase.conj())) / len(phase)

    def row(self, beta, vectors):
        """Return the row of a table as {name: number or {key: number}}."""
        model, n = self.model, self.model.n_lattice_sites
        mu, sites = model.mu or 0.0, range(model.n_lattice_sites)
        spins = [self.spin(i) for i in sites]
        charges = [sum(self.n[p] for part in self.of_site(i) for p in part) for i in sites]
        moments = [sz @ sz + (plus @ plus.T + plus.T @ plus) / 2 for sz, plus in spins]
        double = sum(self.n[p] @ self.n[p + model.n_levels] for p in range(model.n_levels))
        row = {
            "energy": self.mean(self.k + mu * self.total) / n,
            "specific_heat": beta**2 * self.variance(self.k) / n,
            "entropy": (self.ln_z + beta * self.mean(self.k)) / n,
            "ln_z": self.ln_z / n,
            "free_energy": -self.ln_z / beta / n,
            "filling": self.mean(self.total) / n,
            "double_occupancy": self.mean(double) / n,
            "local_moment": self.mean(sum(moments)) / n,
        }
        if model.mu is not None:
            row |= {"susceptibility": beta * self.variance(self.sz) / n}
            row |= {"compressibility": beta * self.variance(self.total) / n}
        szsz = np.array([[self.mean(spins[i][0] @ spins[j][0]) for j in sites] for i in sites])
        means = np.array([self.mean(charge) for charge in charges])
        nn = np.array([[self.mean(charges[i] @ charges[j]) for j in sites] for i in sites]) - np.outer(means, means)
        for name, spin in (("n_k_up", 0), ("n_k_down", 1)):
            hops = np.array([[self._one_body(i, j, spin) for j in sites] for i in sites])
            row[name] = [self.transform(q, hops) for q in vectors]
        row["structure_factor"] = [self.transform(q, szsz) for q in vectors]
        row["charge_structure_factor"] = [self.transform(q, nn) for q in vectors]
        return row | {"pairs": (szsz, nn)}

    def _one_body(self, i, j, spin):
        units = zip(self.of_site(i)[spin], self.of_site(j)[spin], strict=True)
        return sum(self.mean(self.c[p] @ self.c[q].T) for p, q in units)


# name: (lattice, model, its parameters, wave vectors)
CASES = {
    "triangle with a field": (
        ("chain", [3]), Hubbard, {"hopping": [0.9], "U": 3.0, "V": 0.7, "field_z": 0.4, "mu": 1.3}, [[0.0], [2 / 3]],
    ),
    "ring of four, two shells": (
        ("chain", [4]), Hubbard, {"hopping": [1.0, 0.3], "U": 5.0, "V": -0.5, "mu": 1.1}, [[0.0], [0.5], [1.0]],
    ),
    "canonical ring": (
        ("chain", [4]), Hubbard, {"hopping": [1.0, -0.4], "U": 4.0, "n_up": 3, "n_down": 2}, [[0.5], [1.0]],
    ),
    "as many up as down in a field": (
        ("chain", [4]), Hubbard, {"U": 4.0, "field_z": 0.8, "n_up": 2, "n_down": 2}, [[0.5], [1.0]],
    ),
    "open chain": (
        ("chain", [4], "open"), Hubbard, {"U": 4.0, "V": 1.0, "n_up": 2, "n_down": 1}, [[0.25], [1.0]],
    ),
    "bonds of their own": (
        ("custom", (), "open", [(0, 1, 1.0), (1, 2, 0.6), (0, 2, -0.3), (2, 3, 0.8)]),
        Hubbard, {"U": 2.0, "mu": 0.7}, [],
    ),
    "two orbitals": (
        ("chain", [2], "open"), Kanamori,
        {"U": 5.0, "J_hund": 1.2, "crystal_field": [0.5, -0.2], "hopping": [0.8], "mu": 4.0, "field_z": 0.3},
        [[0.0], [1.0]],
    ),
    "two orbitals, canonical": (
        ("chain", [2], "open"), Kanamori, {"U": 5.0, "J_hund": 1.2, "U_prime": 3.0, "n_up": 2, "n_down": 2}, [[1.0]],
    ),
    "attraction": (("square", [2, 2], "open"), Hubbard, {"U": -3.0, "mu": -1.0}, [[1.0, 1.0], [0.0, 1.0]]),
}


@pytest.mark.parametrize("case", CASES)
def test_operators_in_fock_space(case, creators):
    place, kind, values, vectors = CASES[case]
    lattice, beta = lattices.build(*place), 1.7
    model = kind.build(lattice, **values)
    levels = electrons.diagonalize(model, lattice, vectors, correlations=True)
    (row,) = electrons.thermal_rows(levels, [beta])
    expected = Fock(model, lattice, creators, beta).row(beta, vectors)
    pairs = expected.pop("pairs")
    for name, value in expected.items():
        if isinstance(value, list):
            assert [pair[0] for pair in row.get(name, {}).values()] == pytest.approx(value, abs=1e-10), name
        else:
            assert row[name] == pytest.approx(value, abs=1e-10), name
            assert row[f"{name}_error"] == 0.0
    for name, matrix in zip(("correlation", "charge_correlation"), pairs, strict=True):
        distances = np.round(lattice.distances(), 6)
        for key, (value, _) in row[name].items():
            assert value == pytest.approx(matrix[np.abs(distances - float(key)) < 1e-5].mean(), abs=1e-10)
    assert ("compressibility" in row) == ("susceptibility" in row) == ("mu" in values)


def test_symmetric_parts_are_smaller_and_complete():
    ring = lattices.build("chain", [4])
    levels = electrons.diagonalize(Hubbard.build(ring, U=4.0, mu=2.0), ring)
    assert levels.largest_block == 7 and len(levels.energies) == 256
    assert sum(sector["dimension"] for sector in levels.sectors) == 256
    numbers = {(sector["n_up"], sector["n_down"]) for sector in levels.sectors}
    assert numbers == set(itertools.product(range(5), repeat=2))


def test_parity_is_that_of_the_total_spin():
    """Two electrons on two sites, one singlet below the triplet and two above it."""
    dimer = lattices.build("chain", [2], "open")
    model = Hubbard.build(dimer, U=4.0, n_up=1, n_down=1)
    sectors = electrons.diagonalize(model, dimer).sectors
    assert [sector["spin_parity"] for sector in sectors] == [1, -1, 1]
    assert [sector["dimension"] for sector in sectors] == [2, 1, 1]
    assert [sector["energy"] for sector in sectors] == pytest.approx([2 - np.sqrt(8), 0.0, 4.0], abs=1e-12)
    polarized = electrons.diagonalize(Hubbard.build(dimer, U=4.0, n_up=2, n_down=0), dimer)
    assert polarized.sectors[0]["spin_parity"] is None


def test_momenta_of_one_electron():
    ring = lattices.build("chain", [5])
    levels = electrons.diagonalize(Hubbard.build(ring, n_up=1, n_down=0), ring)
    found = {sector["momentum"][0]: sector["energy"] for sector in levels.sectors}
    assert found == pytest.approx({k: -2 * np.cos(2 * np.pi * k / 5) for k in range(5)}, abs=1e-12)


def test_momenta_of_two_electrons_with_equal_spin():
    """The sign of the order of fermions: e(k) + e(q) with k != q at momentum k + q."""
    ring = lattices.build("chain", [4])
    levels = electrons.diagonalize(Hubbard.build(ring, hopping=[1.0], n_up=2, n_down=0), ring)
    energy = [-2 * np.cos(np.pi * k / 2) for k in range(4)]
    expected = {}
    for k, q in itertools.combinations(range(4), 2):
        expected.setdefault((k + q) % 4, []).append(energy[k] + energy[q])
    found = {sector["momentum"][0]: (sector["dimension"], sector["energy"]) for sector in levels.sectors}
    assert {k: count for k, (count, _) in found.items()} == {k: len(parts) for k, parts in expected.items()}
    lowest = {k: low for k, (_, low) in found.items()}
    assert lowest == pytest.approx({k: min(v) for k, v in expected.items()}, abs=1e-12)


def test_free_electrons_have_the_distribution_of_fermi_and_dirac():
    ring, beta, mu, h = lattices.build("chain", [6]), 1.4, -0.3, 0.5
    vectors = [[k / 3] for k in range(-2, 4)]
    model = Hubbard.build(ring, hopping=[1.0, 0.25], mu=mu, field_z=h)
    (row,) = electrons.thermal_rows(electrons.diagonalize(model, ring, vectors), [beta])
    k = np.pi * np.array([vector[0] for vector in vectors])
    energy = -2 * np.cos(k) - 0.5 * np.cos(2 * k)
    xi = [energy - mu - h / 2, energy - mu + h / 2]
    fermi = [1 / (np.exp(beta * each) + 1) for each in xi]
    for name, expected in zip(("n_k_up", "n_k_down"), fermi, strict=True):
        assert [pair[0] for pair in row[name].values()] == pytest.approx(list(expected), abs=1e-12)
    assert row["ln_z"] == pytest.approx(sum(np.log1p(np.exp(-beta * each)).sum() for each in xi) / 6, abs=1e-12)
    assert row["filling"] == pytest.approx(sum(each.sum() for each in fermi) / 6, abs=1e-12)
    fluctuations = sum((each * (1 - each)).sum() for each in fermi) / 6
    assert row["compressibility"] == pytest.approx(beta * fluctuations, abs=1e-12)
    assert row["susceptibility"] == pytest.approx(beta * fluctuations / 4, abs=1e-12)


def test_the_grand_canonical_sum_is_one_over_canonical_ones():
    chain, beta, mu = lattices.build("chain", [3], "open"), 0.8, 1.7
    total = 0.0
    for up, down in itertools.product(range(4), repeat=2):
        model = Hubbard.build(chain, U=3.0, n_up=up, n_down=down)
        (row,) = electrons.thermal_rows(electrons.diagonalize(model, chain), [beta])
        total += np.exp(3 * row["ln_z"] + beta * mu * (up + down))
    grand = electrons.diagonalize(Hubbard.build(chain, U=3.0, mu=mu), chain)
    (row,) = electrons.thermal_rows(grand, [beta])
    assert row["ln_z"] == pytest.approx(np.log(total) / 3, abs=1e-12)
    steps = electrons.thermal_rows(grand, [beta - 1e-4, beta + 1e-4])
    slope = (steps[1]["ln_z"] - steps[0]["ln_z"]) / 2e-4
    assert slope == pytest.approx(-(row["energy"] - mu * row["filling"]), abs=1e-7)


def test_compressibility_is_the_slope_of_the_filling():
    ring, beta = lattices.build("chain", [4]), 1.5
    fillings, rows = [], []
    for mu in (0.799, 0.8, 0.801):
        (row,) = electrons.thermal_rows(electrons.diagonalize(Hubbard.build(ring, U=4.0, mu=mu), ring), [beta])
        fillings.append(row["filling"])
        rows.append(row)
    assert (fillings[2] - fillings[0]) / 0.002 == pytest.approx(rows[1]["compressibility"], rel=1e-5)


def test_signs_of_permutations(creators):
    """g|x> by moving every creation operator, against the sign of the reversed pairs."""
    c, rng = creators(4), np.random.default_rng(5)
    vacuum = np.eye(16)[0]
    states = np.arange(16)
    for _ in range(10):
        g = rng.permutation(4)
        moved = np.argsort(g)
        signs = permutation_signs(states, g[None, :])[0]
        for x in states:
            vector = vacuum
            for p in reversed([p for p in range(4) if x >> p & 1]):
                vector = c[moved[p]] @ vector
            image = sum(1 << p for p in range(4) if x >> g[p] & 1)
            assert vector[image] == signs[x]


def test_levels_without_symmetries_are_the_same():
    lattice = lattices.build("chain", [4])
    model = Hubbard.build(lattice, hopping=[1.0, 0.3], U=4.0, n_up=2, n_down=2)
    levels = electrons.diagonalize(model, lattice)
    states = states_of(4, 2, 2)
    identity = ElectronBlock(states, abelian_group([np.arange(8)]))
    matrix = identity.matrix(0, identity.collect(electrons.energy_operator(model))).toarray()
    np.testing.assert_allclose(matrix, to_sparse(model, states).toarray(), atol=1e-13)
    np.testing.assert_allclose(levels.energies, np.linalg.eigvalsh(matrix), atol=1e-12)


def test_infinite_temperature_and_wrong_temperatures():
    ring = lattices.build("chain", [3])
    levels = electrons.diagonalize(Hubbard.build(ring, U=4.0, mu=0.3), ring)
    (row,) = electrons.thermal_rows(levels, [0.0])
    assert row["entropy"] == pytest.approx(np.log(4)) and row["temperature"] is None and "free_energy" not in row
    with pytest.raises(ValueError, match="inverse temperatures are at least 0"):
        electrons.thermal_rows(levels, [-1.0])


def test_sizes_that_are_too_large():
    with pytest.raises(ValueError, match="22 spin-orbitals: all levels are found for up to 20"):
        ring = lattices.build("chain", [11])
        electrons.diagonalize(Hubbard.build(ring, n_up=1, n_down=1), ring)
    open_chain = lattices.build("chain", [9], "open")
    with pytest.raises(ValueError, match="the largest block has 7956 states; at most 6000 are diagonalized"):
        electrons.diagonalize(Hubbard.build(open_chain, U=4.0, n_up=5, n_down=4), open_chain)
