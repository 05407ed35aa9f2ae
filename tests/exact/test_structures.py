"""Clusters of crystals: bonds by distance against geometry, results against those of lattices of this program."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

from hpc_nqs.cli import parser as cli
from hpc_nqs.exact import table as exact_table
from hpc_nqs.importers import structures
from hpc_nqs.importers.crystal import is_structure, read_crystal
from hpc_nqs.importers.distance_classes import bond_vectors, distance_classes
from hpc_nqs.settings.parsing import SettingsError, parse_settings, read_tables
from hpc_nqs.settings.system import build

FOLDER = Path(__file__).parents[2] / "jobscripts" / "structures"
LADDER = (FOLDER / "ladder.sites").read_text()
CUPRATE = ("cuprate.cif", ("Cu",))
KAGOME = ("herbertsmithite.cif", ("Cu",))
PYROCHLORE = ("pyrochlore.cif", ("Yb",))
OBLIQUE = "cell 3.1 4.2 5.3 81 97 112\nCu 0.1 0.2 0.3\nCu 0.55 0.7 0.6\n"


def crystal_of(name, atoms=()):
    if name.endswith(".cif"):
        pytest.importorskip("gemmi")
    return read_crystal((FOLDER / name).read_text(), name, atoms)


def tables_of(name, atoms=(), **options):
    """Return the sections of the input of a file."""
    if name.endswith(".cif"):
        pytest.importorskip("gemmi")
    text = (FOLDER / name).read_text()
    return read_tables(structures.input_text(text, name, atoms, temperatures=[1.0, 0.5], **options))


def exact_rows(tables, wave_vectors=()):
    observables = {"observables": {"structure_factor": wave_vectors}} if wave_vectors else {}
    return exact_table.exact_table(parse_settings(tables | observables))["rows"]


def same_rows(found, expected, keys=("energy", "specific_heat", "entropy", "susceptibility")):
    for row, other in zip(found, expected, strict=True):
        for key in keys:
            assert row[key] == pytest.approx(other[key], abs=1e-10)


# Distances and (neighbours of a site, bonds of a cell) that follow from the lattice constants a and c by hand.
A, C, KAGOME_A, KAGOME_C, CUBE = 3.779, 13.226, 6.834, 14.032, 10.03
BY_HAND = [
    (*CUPRATE, 5.4, [(A, 4, 4), (A * 2**0.5, 4, 4)]),
    (*CUPRATE, 7.6, [(A, 4, 4), (A * 2**0.5, 4, 4), (((A**2) / 2 + C**2 / 4) ** 0.5, 8, 8), (2 * A, 4, 4)]),
    (*KAGOME, 3.5, [(KAGOME_A / 2, 4, 18)]),
    (
        *KAGOME,
        6.0,
        [
            (KAGOME_A / 2, 4, 18),
            ((KAGOME_A**2 / 12 + KAGOME_C**2 / 9) ** 0.5, 4, 18),
            (KAGOME_A * 3**0.5 / 2, 4, 18),
        ],
    ),
    (*PYROCHLORE, 7.2, [(CUBE / 8**0.5, 6, 48), (CUBE * 0.375**0.5, 12, 96), (CUBE / 2**0.5, 12, 96)]),
    ("ladder.sites", (), 4.0, [(2.7657, 2, 4), (3.495, 2, 4), (3.8422, 1, 2), (3.934, 2, 4)]),
]


@pytest.mark.parametrize(("name", "atoms", "cutoff", "expected"), BY_HAND)
def test_classes_of_distance(name, atoms, cutoff, expected):
    classes = distance_classes(crystal_of(name, atoms), cutoff)
    assert [(set(each.neighbours.tolist()), len(each.bonds)) for each in classes] == [
        ({neighbours}, bonds) for _, neighbours, bonds in expected
    ]
    assert [each.distance for each in classes] == pytest.approx([distance for distance, *_ in expected], abs=1e-4)


def test_bonds_of_an_oblique_cell_against_a_search():
    crystal = read_crystal(OBLIQUE, "oblique.sites")
    assert np.linalg.norm(crystal.vectors, axis=1) == pytest.approx([3.1, 4.2, 5.3])
    a, b, c = crystal.vectors
    for u, v, angle in ((b, c, 81), (a, c, 97), (a, b, 112)):
        assert u @ v / np.linalg.norm(u) / np.linalg.norm(v) == pytest.approx(np.cos(np.radians(angle)))
    found = np.concatenate([bond_vectors(crystal, each.bonds) for each in distance_classes(crystal, 9.0)])
    found = np.concatenate([found, -found]) @ crystal.vectors
    cells = np.array(list(itertools.product(range(-9, 10), repeat=3)))
    expected = np.concatenate([cells + v - u for u in crystal.fractions for v in crystal.fractions]) @ crystal.vectors
    lengths = np.linalg.norm(expected, axis=1)
    expected = expected[(lengths < 9.0) & (lengths > 1e-9)]
    key = lambda rows: sorted(map(tuple, (np.round(rows, 6) + 0.0).tolist()))  # noqa: E731
    assert key(found) == key(expected)


def test_square_layer_of_a_cuprate():
    tables = tables_of(*CUPRATE, cutoff=5.4, lengths=(4, 2, 1), couplings=(1.0, 0.4))
    assert len(tables["lattice"]["positions"]) == 8 and len(tables["lattice"]["positions"][0]) == 2
    square = {
        "lattice": {"kind": "square", "lengths": [4, 2]},
        "model": {"kind": "heisenberg", "couplings": [1.0, 0.4]},
        "thermal": {"temperatures": [1.0, 0.5]},
    }
    keys = ("energy", "specific_heat", "entropy", "susceptibility")
    found, expected = (exact_rows(each, [[1.0, 1.0], [0.5, 0.0]]) for each in (tables, square))
    same_rows(found, expected, keys)
    for row, other in zip(found, expected, strict=True):
        for q in ("1,1", "0.5,0"):
            assert row["structure_factor"][q] == pytest.approx(other["structure_factor"][q], abs=1e-6)


def test_kagome_layer_of_herbertsmithite():
    tables = tables_of(*KAGOME, cutoff=3.5, lengths=(2, 2, 1))
    assert np.array(tables["lattice"]["positions"]).shape == (12, 2)
    kagome = {"lattice": {"kind": "kagome", "lengths": [2, 2]}, "model": {"kind": "heisenberg"}}
    same_rows(exact_rows(tables), exact_rows(kagome | {"thermal": {"temperatures": [1.0, 0.5]}}))


def couplings_of(tables):
    """Return the matrix of couplings of an input."""
    lattice, model = build(parse_settings(tables))
    matrix = np.zeros((lattice.n_sites,) * 2)
    for (i, j), strength in zip(model.exchange_sites, model.exchange_strength, strict=True):
        matrix[i, j] = matrix[j, i] = strength
    return matrix


def test_cube_of_a_pyrochlore():
    tables = tables_of(*PYROCHLORE, cutoff=3.6, lengths=(1, 1, 1))
    cube = {"kind": "pyrochlore", "box": [[-1, 1, 1], [1, -1, 1], [1, 1, -1]]}
    expected = {"lattice": cube, "model": {"kind": "heisenberg"}, "thermal": {"temperatures": [1.0, 0.5]}}
    same_rows(exact_rows(tables), exact_rows(expected))


def test_periods_and_positions_of_a_pyrochlore():
    lattice, _ = build(parse_settings(tables_of(*PYROCHLORE, cutoff=3.6, lengths=(2, 1, 1))))
    assert lattice.n_sites == 32 and sorted(np.linalg.norm(lattice.periods, axis=1)) == pytest.approx(
        np.array([1, 1, 2]) * 8**0.5, abs=1e-5
    )
    bonds = lattice.bonds(1)
    assert len(bonds) == 96
    assert np.linalg.norm(lattice.displacement(*bonds.T), axis=1) == pytest.approx(np.ones(96), abs=1e-5)
    distances = lattice.distances()
    assert np.sum(np.abs(distances - 1) < 1e-5) == 2 * 96  # no other pair is as near


def test_ladder_with_two_couplings():
    tables = tables_of("ladder.sites", cutoff=4.0, lengths=(4, 1, 1), couplings=(0, 0, 0.5, 1.0))
    assert tables["model"]["couplings"] == [0.5, 1.0]
    assert tables["lattice"]["periods"] == [[pytest.approx(4 * 3.934 / 3.8422, abs=1e-4), 0.0]]
    ladder = {
        "lattice": {"kind": "ladder", "lengths": [4, 2]},
        "model": {"kind": "heisenberg", "couplings": [0.0], "cell_bonds": [[1, 0, 0, 0, 1.0], [0, 1, 0, 0, 0.5]]},
        "thermal": {"temperatures": [1.0, 0.5]},
    }
    same_rows(exact_rows(tables), exact_rows(ladder))


def test_more_than_three_distances_have_couplings_of_their_own():
    shells = {"cutoff": 3.9, "lengths": (3, 1, 2)}
    four = tables_of("ladder.sites", cutoff=4.0, lengths=(3, 1, 2), couplings=(-0.2, 0.1, 0.5, 1.0))
    assert "couplings" not in four["model"] or four["model"]["couplings"] == [1.0]
    strengths = [value for *_, value in four["lattice"]["bonds"]]
    assert {value: strengths.count(value) for value in set(strengths)} == {-0.2: 24, 0.1: 12, 0.5: 12, 1.0: 24}
    three = tables_of("ladder.sites", couplings=(-0.2, 0.1, 0.5), **shells)
    assert [value for *_, value in three["lattice"]["bonds"]].count(3) == 12


def test_sites_follow_the_bonds_out_of_the_plane():
    tilted = "cell 4 4 4 90 90 90\nCu 0 0 0\nZn 0.5 0.5 0.5\nCu 0.5 0.5 0\n"
    text = structures.input_text(tilted, "tilted", ("Cu",), 2.9, (3, 3, 1))
    assert np.array(read_tables(text)["lattice"]["positions"]).shape == (18, 2)
    layer = "cell 4 4 4 90 90 90\nCu 0 0 0\nCu 0 0.5 0.5\n"  # planes across x, which bonds of 2.83 connect
    tables = read_tables(structures.input_text(layer, "layer", (), 2.9, (1, 3, 3)))
    positions, periods = (np.array(tables["lattice"][key]) for key in ("positions", "periods"))
    assert positions.shape == (18, 2) and np.linalg.norm(periods, axis=1) == pytest.approx([3 * 2**0.5] * 2, abs=1e-5)


WRONG = [
    ("cuprate.cif", {}, "--atom is needed, the magnetic sites: cuprate.cif has La1 (4), Cu1 (2), O1 (4), O2 (4)"),
    ("cuprate.cif", {"atom": "Fe"}, "--atom Fe: cuprate.cif has La1"),
    ("cuprate.cif", {"atom": "Cu"}, "--cutoff DISTANCE is needed, in angstrom; the shortest distances are"),
    ("cuprate.cif", {"atom": "Cu", "cutoff": "3"}, "--cutoff 3: no bonds up to this distance; the nearest are 3.7790"),
    ("cuprate.cif", {"atom": "Cu", "cutoff": "-3"}, "--cutoff -3: allowed is a distance in angstrom up to 100"),
    ("cuprate.cif", {"atom": "Cu", "cutoff": "3.8"}, "--lengths L,L,L is needed"),
    ("cuprate.cif", {"atom": "Cu", "cutoff": "5.4", "lengths": "4,4,1"}, "J2: 5.3443 angstrom, 4 neighbours, 4 bonds"),
    ("cuprate.cif", {"atom": "Cu", "cutoff": "3.8", "lengths": "1,4,1"}, "--lengths 1,4,1: too small: bonds of 3.7790"),
    ("cuprate.cif", {"atom": "Cu", "cutoff": "3.8", "lengths": "90,90,90"}, "1458000 sites, 2 in a cell; allowed"),
    ("cuprate.cif", {"atom": "Cu", "cutoff": "3.8", "lengths": "2.5,4,1"}, "--lengths 2.5,4,1: allowed are integers"),
    ("ladder.sites", {"cutoff": "3.4", "lengths": "2,2,2", "couplings": "0"}, "--couplings: all are 0"),
    ("ladder.sites", {"cutoff": "2.9", "filling": "1,1"}, "--filling: not for CIF files and lists of sites"),
]


@pytest.mark.parametrize(("name", "options", "sentence"), WRONG)
def test_what_is_wrong_is_said_in_a_sentence(name, options, sentence, capsys):
    if name.endswith(".cif"):
        pytest.importorskip("gemmi")
    words = [f"--{key}={value}" for key, value in options.items()]
    assert cli.main(["import", str(FOLDER / name), *words]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("cell 3 3 3 90 90\nCu 0 0 0\n", "line 1: 'cell 3 3 3 90 90': allowed is `cell a b c alpha beta gamma`"),
        ("cell 3 3 3 90 90 90\nCu 0 0\n", "line 2: 'Cu 0 0': allowed is"),
        ("cell 3 3 3 90 90 90\n", "has no sites"),
        ("cell 3 3 3 90 90 200\nCu 0 0 0\n", "cell 3 3 3 90 90 200: allowed are"),
        ("cell 3 3 3 10 10 90\nCu 0 0 0\n", "cell 3 3 3 10 10 90: allowed are"),
        ("cell 3 3 3 90 90 90\nCu 0 0 0\nCu 0.001 0 1\n", "one site twice"),
        ("cell 3 3 3 90 90 90\nCu 0 0 0\nZn 0.5 0.5 0.5\n", "--atom is needed"),
        ("cell 4 4 4 90 90 90\nCu 0 0 0\nCu 0.2 0 0\nCu 0.5 0.5 0.5\n", "pieces that are not alike, of 1, 2 sites"),
    ],
)
def test_wrong_lists_of_sites(text, sentence):
    with pytest.raises(SettingsError) as error:
        structures.input_text(text, "list", (), 1.0, (2, 2, 2))
    assert sentence in str(error.value)


CIF = """data_one
_cell_length_a 6.0
_cell_length_b 6.0
_cell_length_c 9.0
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 120
{group}
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
{sites}
"""


@pytest.mark.parametrize("digits", ["0.333 0.667", "0.3333 0.6667", "0.33333333 0.66666667"])
@pytest.mark.parametrize(
    "group",
    [
        "_space_group_name_H-M_alt 'P 6/m m m'",
        "loop_\n_symmetry_equiv_pos_as_xyz\n'x,y,z'\n'x-y,x,z'\n'-y,x-y,z'\n'-x,-y,z'\n'-x+y,-x,z'\n'y,-x+y,z'",
    ],
)
def test_a_honeycomb_has_two_sites_with_any_number_of_digits(digits, group):
    pytest.importorskip("gemmi")
    crystal = read_crystal(CIF.format(group=group, sites=f"Cu1 Cu {digits} 0 1"), "honeycomb.cif")
    (nearest,) = distance_classes(crystal, 3.6)
    assert len(crystal.labels) == 2 and nearest.neighbours.tolist() == [3, 3]
    assert nearest.distance == pytest.approx(6 / 3**0.5, abs=5e-3)


@pytest.mark.parametrize(
    ("group", "sentence"),
    [
        ("_space_group_IT_number 191", "no known space group"),
        ("", "no known space group"),
        ("_space_group_name_H-M_alt 'P n n n'", "space group P n n n has two choices of the origin"),
    ],
)
def test_space_groups_that_do_not_say_all(group, sentence):
    pytest.importorskip("gemmi")
    with pytest.raises(SettingsError) as error:
        read_crystal(CIF.format(group=group, sites="Cu1 Cu 0.5 0 0 1"), "group.cif")
    assert sentence in str(error.value)


def test_partly_occupied_sites_are_refused():
    pytest.importorskip("gemmi")
    sites = "Cu1 Cu 0.5 0 0 1\nCu2 Cu 0 0 0.5 0.15\n"
    text = CIF.format(group="_space_group_name_H-M_alt 'P 6/m m m'", sites=sites)
    with pytest.raises(SettingsError, match="Cu2 has the occupancy 0.15.*--atom Cu1"):
        read_crystal(text, "mixed.cif", ("Cu",))
    assert len(read_crystal(text, "mixed.cif", ("Cu1",)).labels) == 3


def test_files_that_are_no_structures(monkeypatch):
    assert is_structure("a.cif", "") and is_structure("a", LADDER) and is_structure("a", "# x\ndata_x\n")
    assert not is_structure("stan.in", 'model = "Spin"\n') and not is_structure("a_hr.dat", "written\n 1\n")
    for text in ("data_x\n", "data_x\n_cell_length_a 3\nloop_\n_atom_site_fract_x\n0\n", "data_x _cell"):
        with pytest.raises(SettingsError, match="broken.cif"):
            pytest.importorskip("gemmi")
            read_crystal(text, "broken.cif")
    monkeypatch.setitem(sys.modules, "gemmi", None)
    with pytest.raises(SettingsError, match="pip install gemmi"):
        read_crystal(CIF, "any.cif")
