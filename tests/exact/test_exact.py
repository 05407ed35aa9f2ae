"""All levels by symmetry blocks against dense matrices, stored references and closed formulas."""

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from hpc_nqs.exact import diagonalization as exact
from hpc_nqs.exact import symmetry_blocks as sectors
from hpc_nqs.hamiltonians import build_model
from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.hamiltonians.matrices import spins_of, to_sparse
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.symmetry.signed_permutations import SignedPermutations

REFERENCE = Path(__file__).parents[1] / "reference"
PER_SITE = ("energy", "specific_heat", "entropy", "ln_z", "susceptibility")
RANDOM_BONDS = [(0, 1, 1), (1, 2, 1), (2, 3, 0.7), (3, 4, 2), (4, 0, 1)]
RANDOM_BONDS += [(0, 5, -0.4), (2, 6, 1), (5, 6, 2), (1, 4, 1.3)]

SYSTEMS = [
    ("chain", [7], "periodic", {"couplings": [1.0, 0.6]}),
    ("chain", [8], "periodic", {"couplings": [1.0, 0.4, 0.2], "anisotropy": 0.3}),
    ("chain", [8], "periodic", {"couplings": [1.0], "field_z": 0.35}),
    ("chain", [8], "open", {"couplings": [1.0, -0.3], "anisotropy": 1.7}),
    ("chain", [8], "periodic", {"kind": "tfim", "coupling": 1.0, "field": 0.8}),
    ("chain", [7], "open", {"kind": "tfim", "coupling": -1.0, "field": 0.8, "field_z": 0.3}),
    ("chain", [5], "periodic", {"kind": "tfim", "coupling": 1.0, "field": 0.0}),
    ("ladder", [4, 2], "periodic", {"couplings": [1.0, 0.5]}),
    ("square", [3, 3], "periodic", {"couplings": [1.0, 0.5], "field_z": 0.1}),
    ("square", [3, 3], "periodic", {"kind": "tfim", "coupling": 1.0, "field": 3.0, "field_z": 0.2}),
    ("square", [2, 4], ["periodic", "open"], {"couplings": [1.0, 0.5]}),
    ("square", [3, 3], "open", {"couplings": [1.0, 0.5]}),
    ("triangular", [3, 3], "periodic", {"couplings": [1.0], "anisotropy": 0.5}),
    ("triangular", [2, 4], "periodic", {"kind": "tfim", "coupling": -1.0, "field": 0.5}),
    ("honeycomb", [2, 2], "periodic", {"couplings": [1.0, 0.3]}),
    ("kagome", [1, 3], "periodic", {"couplings": [1.0]}),
    ("custom", RANDOM_BONDS, "open", {"couplings": [1.0, 0.5], "anisotropy": 0.8}),
    ("custom", [(i, (i + 1) % 8, 1) for i in range(8)], "open", {"kind": "tfim", "field": 0.6}),
    ("custom", RANDOM_BONDS, "open", {"couplings": [0.3, 0.5], "field_z": 0.2}),
]


def build(kind, lengths, boundary, options):
    custom = kind == "custom"
    lattice = lattices.build(kind, () if custom else lengths, boundary, lengths if custom else None)
    return lattice, build_model(lattice, **options)


def dense_row(model, lattice, wave_vectors, beta):
    """One table row from e^{-beta H} of the full matrix, with S(q) as the double sum of its definition."""
    n = model.n_sites
    energies, vectors = np.linalg.eigh(to_sparse(model).toarray())
    boltzmann = np.exp(-beta * energies)
    ln_z = np.log(boltzmann.sum())
    boltzmann /= boltzmann.sum()
    occupation = np.einsum("sn,n,sn->s", vectors, boltzmann, vectors)
    sz = 0.5 * spins_of(np.arange(2**n), n)
    correlations = np.einsum("s,si,sj->ij", occupation, sz, sz)
    mean = boltzmann @ energies
    row = {
        "energy": mean / n,
        "specific_heat": beta**2 * (boltzmann @ energies**2 - mean**2) / n,
        "entropy": (ln_z + beta * mean) / n,
        "ln_z": ln_z / n,
        "free_energy": -ln_z / (n * beta),
        "susceptibility": beta * (occupation @ sz.sum(axis=1) ** 2 - (occupation @ sz.sum(axis=1)) ** 2) / n,
    }
    factors = {}
    for q in wave_vectors:
        phases = [
            lattice.wave_vector(q)[i] * lattice.wave_vector(q)[j].conj()
            for i, j in itertools.product(range(n), range(n))
        ]
        factors[exact.wave_vector_key(q)] = np.real(np.array(phases) @ correlations.ravel()) / n
    return energies, row, factors


@pytest.mark.parametrize(("kind", "lengths", "boundary", "options"), SYSTEMS)
def test_levels_and_averages_equal_those_of_the_dense_matrix(kind, lengths, boundary, options):
    lattice, model = build(kind, lengths, boundary, options)
    vectors = [(0, 0)] if kind == "custom" else [(0, 0), (1, 1), (0.5, 0.0), (0.3, -0.7)]
    levels = exact.diagonalize(model, lattice, vectors)
    energies, expected, factors = dense_row(model, lattice, vectors, beta=0.8)
    np.testing.assert_allclose(levels.energies, energies, atol=1e-11)
    (row,) = exact.thermal_rows(levels, [0.8])
    if not model.conserves_sz:
        del expected["susceptibility"]
        assert "susceptibility" not in row
        assert levels.sz is None
    for name, value in expected.items():
        assert row[name] == pytest.approx(value, abs=1e-11), name
        assert row[f"{name}_error"] == 0.0
    for key, value in factors.items():
        assert row["structure_factor"][key] == [pytest.approx(value, abs=1e-11), 0.0], key


@pytest.mark.parametrize("seed", range(4))
def test_random_terms_without_any_symmetry(seed):
    stream = np.random.default_rng(seed)
    lattice, model = build("chain", [6], "periodic", {"kind": "tfim"} if seed % 2 else {})
    scales = {
        name: stream.standard_normal(getattr(model, name).shape)
        for name in ("pair_coupling", "exchange_element", "flip_element")
    }
    model = dataclasses.replace(model, site_field=stream.standard_normal(6), **scales)
    levels = exact.diagonalize(model, lattice, [(1, 0)])
    energies, expected, factors = dense_row(model, lattice, [(1, 0)], beta=1.3)
    np.testing.assert_allclose(levels.energies, energies, atol=1e-11)
    (row,) = exact.thermal_rows(levels, [1.3])
    assert row["specific_heat"] == pytest.approx(expected["specific_heat"], abs=1e-11)
    assert row["structure_factor"]["1,0"][0] == pytest.approx(factors["1,0"], abs=1e-11)


@pytest.mark.parametrize("couplings", [[1.0], [1.0, 0.5]])
def test_marshall_rotation_changes_no_level(couplings):
    lattice, model = build("square", [2, 4], "periodic", {"couplings": couplings, "field_z": 0.1})
    plain, rotated = (exact.diagonalize(each, lattice, [(1, 1)]) for each in (model, marshall(model, lattice)))
    np.testing.assert_allclose(rotated.energies, plain.energies, atol=1e-11)
    rows = [exact.thermal_rows(levels, [1.0])[0]["structure_factor"]["1,1"][0] for levels in (plain, rotated)]
    assert rows[0] == pytest.approx(rows[1], abs=1e-11)


def test_the_sign_of_frustrated_exchange_changes_the_levels():
    lattice, model = build("triangular", [3, 3], "periodic", {})
    flipped = dataclasses.replace(model, exchange_element=-model.exchange_element)
    energies = [exact.diagonalize(each, lattice).energies for each in (model, flipped)]
    assert np.abs(energies[0] - energies[1]).max() > 0.1


def on_points(permutation):
    """Return a site permutation as one of the spins and their negatives."""
    return SignedPermutations(permutation).on_points()[0]


def test_blocks_of_a_wrong_group_are_noticed():
    # The shift is no symmetry of a ring with one changed bond: forced upon it, the levels are wrong.
    lattice, model = build("chain", [6], "periodic", {"field_z": 0.2})
    bent = dataclasses.replace(model, pair_coupling=model.pair_coupling + np.array([0.5, 0, 0, 0, 0, 0]))
    shift = on_points(np.roll(np.arange(6), -1))
    found = {}
    for name, each in (("ring", model), ("bent", bent)):
        abelian = sectors.abelian_group([shift])
        sector = sectors.SymmetryBlock(each, np.arange(64), abelian)
        blocks = [np.linalg.eigvalsh(sector.block(k)) for k in range(len(abelian.angles)) if len(sector.kept(k))]
        expected = np.linalg.eigvalsh(to_sparse(each).toarray())
        found[name] = np.abs(np.sort(np.concatenate(blocks)) - expected).max()
    assert found["ring"] < 1e-12
    assert found["bent"] > 0.05


def test_characters_are_all_homomorphisms():
    n = 6
    shift = on_points(np.roll(np.arange(n), -1))
    # The square of the shift alone would do for neither factor: the group is Z6 x Z2, given redundantly.
    abelian = sectors.abelian_group([shift[shift], SignedPermutations.identity(n).negated().on_points()[0], shift])
    assert len(abelian.elements) == 12
    table = np.array([abelian.characters(k) for k in range(12)])
    np.testing.assert_allclose(table @ table.conj().T, 12 * np.eye(12), atol=1e-12)
    for s, t in itertools.product(range(12), repeat=2):
        product = abelian.index(abelian.elements[t][abelian.elements[s]])
        np.testing.assert_allclose(table[:, s] * table[:, t], table[:, product], atol=1e-12)
    with pytest.raises(ValueError, match="do not commute"):
        sectors.abelian_group([shift, on_points(np.arange(n)[::-1])])


def test_blocks_have_a_real_basis_where_inversion_provides_one():
    lattice, model = build("chain", [8], "periodic", {"couplings": [1.0, 0.5]})
    shift = on_points(np.roll(np.arange(8), -1))
    mirror = on_points(np.arange(8)[::-1])
    abelian = sectors.abelian_group([shift])
    states = np.array([state for state in range(256) if state.bit_count() == 3])
    sector = sectors.SymmetryBlock(model, states, abelian)
    maps = sectors.conjugations(abelian, np.array([np.arange(16), mirror]))
    for k in range(8):
        complex_block, real_block = sector.block(k), sector.block(k, maps)
        assert real_block.dtype == np.float64
        assert np.iscomplexobj(complex_block) == (not abelian.is_real(k))
        np.testing.assert_allclose(np.linalg.eigvalsh(real_block), np.linalg.eigvalsh(complex_block), atol=1e-12)


@pytest.mark.parametrize(
    "name", ["heis_chain_8", "tfim_chain_8", "j1j2_4x4_j2_05", pytest.param("tfim_4x4_g3", marks=pytest.mark.slow)]
)
def test_stored_references(name):
    reference = json.loads((REFERENCE / f"{name}.json").read_text())
    lattice = lattices.build(**reference["lattice"])
    model = build_model(lattice, **reference["model"])
    vectors = [[float(part) for part in key.split(",")] for key in reference["rows"][0]["structure_factor"]]
    levels = exact.diagonalize(model, lattice, vectors)
    assert len(levels.energies) == 2**lattice.n_sites
    lowest = reference["ground_state_energy_per_site"]
    assert levels.ground_state_energy / lattice.n_sites == pytest.approx(lowest, abs=1e-9)
    rows = exact.thermal_rows(levels, [row["beta"] for row in reference["rows"]])
    for row, expected in zip(rows, reference["rows"], strict=True):
        temperature = expected["temperature"]
        assert row["temperature"] == temperature or row["temperature"] == pytest.approx(temperature)
        for quantity in PER_SITE:
            assert (quantity in row) == (quantity in expected)
            if quantity in row:
                assert row[quantity] == pytest.approx(expected[quantity], abs=1e-9), (quantity, row["beta"])
        for key, value in expected["structure_factor"].items():
            assert row["structure_factor"][key][0] == pytest.approx(value, abs=1e-9)


def test_infinite_and_lowest_temperature():
    lattice, model = build("chain", [6], "periodic", {})
    levels = exact.diagonalize(model, lattice)
    hot, cold = exact.thermal_rows(levels, [0.0, 2000.0])
    assert hot["temperature"] is None
    assert "free_energy" not in hot
    assert "structure_factor" not in hot
    assert hot["entropy"] == pytest.approx(np.log(2), abs=1e-12)
    assert hot["energy"] == pytest.approx(0.0, abs=1e-12)
    assert cold["energy"] == pytest.approx(levels.ground_state_energy / 6, abs=1e-12)
    assert cold["entropy"] == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(ValueError, match="at least 0"):
        exact.thermal_rows(levels, [-1.0])


def test_free_spins_in_a_field():
    # coupling 1e-300 keeps the lattice but not the interaction: e = -h/2 tanh(beta h/2), chi = beta/4 sech^2.
    lattice, model = build("chain", [5], "open", {"couplings": [1e-300], "field_z": 0.6})
    (row,) = exact.thermal_rows(exact.diagonalize(model, lattice), [1.7])
    assert row["energy"] == pytest.approx(-0.3 * np.tanh(1.7 * 0.3), abs=1e-12)
    assert row["susceptibility"] == pytest.approx(1.7 / 4 / np.cosh(1.7 * 0.3) ** 2, abs=1e-12)


def test_labels_of_sectors():
    lattice, model = build("square", [2, 4], "periodic", {"couplings": [1.0]})
    levels = exact.diagonalize(model, lattice)
    assert sum(sector["dimension"] for sector in levels.sectors) == 2**8
    lowest = levels.sectors[0]
    assert lowest["momentum"] == [0, 0]
    assert (lowest["sz"], lowest["spin_parity"]) == (0.0, 1)
    assert lowest["energy"] == levels.ground_state_energy
    # The lowest triplet of the bipartite lattice has momentum (pi, pi) and odd parity at Sz = 0.
    triplet = [sector for sector in levels.sectors if sector["momentum"] == [1, 2]][:3]
    assert sorted((sector["sz"], sector["spin_parity"] or 0) for sector in triplet) == [(-1.0, 0), (0.0, -1), (1.0, 0)]
    np.testing.assert_allclose([sector["energy"] for sector in triplet], triplet[0]["energy"], atol=1e-12)


def test_momentum_labels_are_those_of_free_magnons():
    # One flipped spin in the ferromagnet: E(k) - E0 = |J| (1 - cos k).
    lattice, model = build("chain", [8], "periodic", {"couplings": [-1.0]})
    levels = exact.diagonalize(model, lattice)
    magnons = {sector["momentum"][0]: sector["energy"] for sector in levels.sectors if sector["sz"] == 3.0}
    k = np.arange(8)
    np.testing.assert_allclose([magnons[n] for n in k], -2.0 + 1.0 - np.cos(2 * np.pi * k / 8), atol=1e-12)


def test_lanczos_agrees():
    lattice, model = build("square", [2, 4], "periodic", {"couplings": [1.0, 0.5], "field_z": 0.1})
    expected = exact.diagonalize(model, lattice).ground_state_energy
    assert exact.ground_state_energy(model) == pytest.approx(expected, abs=1e-10)
    _, small = build("chain", [4], "periodic", {})
    assert exact.ground_state_energy(small) == pytest.approx(-2.0, abs=1e-12)


def test_too_large_systems_are_refused():
    lattice, model = build("chain", [17], "periodic", {})
    with pytest.raises(ValueError, match="17 sites: all levels are found for up to 16 sites"):
        exact.diagonalize(model, lattice)
    lattice, model = build("square", [4, 4], "open", {"kind": "tfim", "field_z": 0.1})
    with pytest.raises(ValueError, match="the largest block has .* at most 6000"):
        exact.diagonalize(model, lattice)
