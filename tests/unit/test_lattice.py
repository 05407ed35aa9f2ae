"""Lattices: neighbours by brute-force distances, coordination numbers, and inputs that describe no lattice."""

import itertools

import numpy as np
import pytest

from hpc_nqs.lattices.bond_list import check_bonds
from hpc_nqs.lattices.lattice import build, read_bonds

REGULAR = [
    ("chain", [7], "periodic"),
    ("chain", [7], "open"),
    ("ladder", [7, 3], "periodic"),
    ("ladder", [5, 2], "open"),
    ("square", [5, 4], "periodic"),
    ("square", [4, 5], ["periodic", "open"]),
    ("square", [4, 3], "open"),
    ("triangular", [5, 4], "periodic"),
    ("triangular", [4, 5], ["open", "periodic"]),
    ("honeycomb", [3, 4], "periodic"),
    ("honeycomb", [3, 3], "open"),
    ("kagome", [3, 4], "periodic"),
    ("kagome", [3, 3], ["periodic", "open"]),
]
THIRD_DISTANCE = {"chain": 3.0}
SECOND_DISTANCE = {"chain": 2.0, "ladder": np.sqrt(2), "square": np.sqrt(2)}


def image_distances(lattice):
    """Distances to the nearest image by trying all shifts by up to three periods."""
    shifts = [range(-3, 4) if wrap else [0] for wrap in lattice.wraps]
    periods = lattice.vectors * np.array(lattice.grid)[:, None]
    apart = lattice.positions[None, :, :] - lattice.positions[:, None, :]
    return np.min([np.linalg.norm(apart + np.dot(s, periods), axis=-1) for s in itertools.product(*shifts)], axis=0)


@pytest.mark.parametrize(("kind", "lengths", "boundary"), REGULAR)
def test_bonds_are_the_pairs_at_the_distance_of_their_shell(kind, lengths, boundary):
    lattice = build(kind, lengths, boundary)
    distances = image_distances(lattice)
    np.testing.assert_allclose(lattice.distances(), distances, atol=1e-12)
    radii = [1.0, SECOND_DISTANCE.get(kind, np.sqrt(3)), THIRD_DISTANCE.get(kind, 2.0)]
    for shell, radius in enumerate(radii, start=1):
        expected = np.argwhere(np.triu(np.abs(distances - radius) < 1e-6))
        bonds = lattice.bonds(shell)
        assert bonds.dtype == np.intp
        np.testing.assert_array_equal(bonds, expected)


@pytest.mark.parametrize(
    ("kind", "lengths", "neighbours"),
    [
        ("chain", [8], (2, 2, 2)),
        ("ladder", [6, 2], (3, 2, 2)),
        ("square", [6, 6], (4, 4, 4)),
        ("square", [4, 4], (4, 4, 2)),
        ("triangular", [6, 6], (6, 6, 6)),
        ("honeycomb", [4, 4], (3, 6, 3)),
        ("kagome", [4, 4], (4, 4, 6)),
    ],
)
def test_coordination_numbers(kind, lengths, neighbours):
    lattice = build(kind, lengths)
    for shell, count in enumerate(neighbours, start=1):
        per_site = np.bincount(lattice.bonds(shell).ravel(), minlength=lattice.n_sites)
        assert set(per_site) == {count}


def test_a_bond_that_wraps_twice_counts_once():
    assert build("chain", [2]).bonds(1).tolist() == [[0, 1]]
    assert build("square", [2, 2]).bonds(1).tolist() == [[0, 1], [0, 2], [1, 3], [2, 3]]
    assert build("square", [2, 2]).bonds(2).tolist() == [[0, 3], [1, 2]]
    assert len(build("square", [4, 4]).bonds(3)) == 16


def test_a_single_word_leaves_the_rungs_of_a_ladder_open():
    assert build("ladder", [6, 3], "periodic").boundary == (True, False)
    assert len(build("ladder", [6, 3], "periodic").bonds()) == 6 * 3 + 6 * 2
    assert len(build("ladder", [6, 3], ["periodic", "periodic"]).bonds()) == 6 * 3 * 2


def test_sites_are_numbered_with_the_first_direction_fastest():
    lattice = build("square", [3, 2])
    np.testing.assert_array_equal(lattice.positions[:4], [[0, 0], [1, 0], [2, 0], [0, 1]])
    assert build("kagome", [2, 2]).n_sites == 12


def test_positions_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        build("chain", [4]).positions[0, 0] = 1.0


def test_displacements_are_shortest_and_antisymmetric():
    lattice = build("triangular", [2, 7])
    i, j = np.meshgrid(np.arange(14), np.arange(14))
    forward = lattice.displacement(i, j)
    np.testing.assert_allclose(np.linalg.norm(forward, axis=-1), image_distances(lattice).T, atol=1e-12)
    np.testing.assert_array_equal(lattice.site_at((lattice.positions[i] + forward).reshape(-1, 2)), j.ravel())


def test_site_at_knows_where_there_is_none():
    lattice = build("square", [3, 3], ["periodic", "open"])
    assert lattice.site_at([[3.0, 1.0], [-1.0, 2.0], [0.0, 3.0], [0.5, 0.0]]).tolist() == [3, 8, -1, -1]


def test_wave_vectors_are_cartesian_in_units_of_pi():
    lattice = build("square", [4, 4])
    x, y = lattice.positions.T
    np.testing.assert_allclose(lattice.wave_vector((1, 1)), (-1.0) ** (x + y), atol=1e-12)
    np.testing.assert_allclose(lattice.wave_vector((0.5, 0)), 1j**x, atol=1e-12)
    np.testing.assert_allclose(build("chain", [6]).wave_vector([1]), (-1.0) ** np.arange(6), atol=1e-12)
    with pytest.raises(ValueError, match="1 or 2 components"):
        lattice.wave_vector((1, 1, 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cube", [4]), "lattice.kind = 'cube': allowed are chain, ladder"),
        (("square", [4]), r"lattice.lengths = \[4\]: square needs 2 lengths"),
        (("chain", [4, 4]), r"lattice.lengths = \[4, 4\]: chain needs 1 length$"),
        (("ladder", [8]), r"lattice.lengths = \[8\]: ladder needs 2 lengths \(sites along a leg, legs\)"),
        (("square", [4, 0]), r"lattice.lengths = \[4, 0\]: lengths are at least 1"),
        (("square", [4, -2]), "at least 1"),
        (("chain", [2.5]), "lengths are integers"),
        (("chain", [1]), "onto the site itself"),
        (("square", [1, 4]), r"lattice.lengths = \[1, 4\]: square of this size is too small"),
        (("chain", [1], "open"), "has no first neighbours"),
        (("square", [4, 4], "closed"), 'allowed are "periodic" and "open"'),
        (("square", [4, 4], ["open"]), "one word for all directions or 2 for square"),
        (("custom",), "at least one bond"),
        (("chain", [4], "open", [(0, 1, 1)]), 'only for kind = "custom"'),
    ],
)
def test_what_is_no_lattice_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        build(*arguments)


@pytest.mark.parametrize(
    ("kind", "lengths", "shell"),
    [("chain", [3], 2), ("chain", [2], 2), ("square", [3, 3], 3), ("square", [2, 4], 3), ("triangular", [2, 2], 2)],
)
def test_shells_that_wrap_onto_nearer_sites_are_refused(kind, lengths, shell):
    with pytest.raises(ValueError, match="is too small: its (second|third) neighbours wrap around"):
        build(kind, lengths).bonds(shell)


def test_missing_shells_are_refused():
    with pytest.raises(ValueError, match=r"lattice.lengths = \[2\]: chain of this size has no second neighbours"):
        build("chain", [2], "open").bonds(2)
    with pytest.raises(ValueError, match="shell = 4: allowed are 1 to 3"):
        build("chain", [12]).bonds(4)


def test_custom_lattices(tmp_path):
    path = tmp_path / "bonds.txt"
    path.write_text("# a triangle with a tail\n0 1 1\n2 1 1\n\n0 2 2  # long\n3 2 -1.5e0\n")
    sites, strengths = read_bonds(path)
    assert sites == [(0, 1), (2, 1), (0, 2), (3, 2)]
    assert strengths == [1, 1, 2, -1.5]
    assert [type(value) for value in strengths] == [int, int, int, float]
    lattice = build("custom", bonds=[(i, j, value) for (i, j), value in zip(sites, strengths, strict=True)])
    assert lattice.n_sites == 4
    assert lattice.bonds(1).tolist() == [[0, 1], [1, 2]]
    assert lattice.bonds(2).tolist() == [[0, 2]]
    assert [array.tolist() for array in lattice.explicit_bonds()] == [[[2, 3]], [-1.5]]
    np.testing.assert_array_equal(lattice.distances(), [[0, 1, 1, 2], [1, 0, 1, 2], [1, 1, 0, 1], [2, 2, 1, 0]])
    np.testing.assert_array_equal(lattice.wave_vector((0, 0)), np.ones(4))
    with pytest.raises(ValueError, match="the custom lattice has no third neighbours"):
        lattice.bonds(3)
    with pytest.raises(ValueError, match="need positions"):
        lattice.wave_vector((1, 0))
    with pytest.raises(ValueError, match="need positions"):
        lattice.displacement(0, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1 1\n1 2\n", "line 2: '1 2': a bond is `i j shell-or-coupling`, these are 2 fields"),
        ("0 1 1\n\n1 x 1\n", "line 3: '1 x 1': sites are integers"),
        ("0 1 strong\n", "line 1: '0 1 strong': 'strong' is neither a shell nor a coupling"),
        ("0 1 4\n", "line 1: shell 4: allowed are 1 to 3; write a coupling with a point"),
        ("0 1 nan\n", "line 1: coupling nan: a coupling is finite"),
        ("0 0 1\n", "line 1: 0 0: a bond joins two different sites"),
        ("0 -1 1\n", "line 1: 0 -1: a bond joins"),
        ("0 1 1\n# comment\n1 0 0.5\n", "line 3: the bond 0 1 stands already in line 1"),
        ("1 2 1\n2 3 1\n", "site 0 has no bond; sites are numbered from 0"),
        ("# nothing\n", "the file holds no bonds"),
    ],
)
def test_unreadable_bond_files_name_the_line(tmp_path, text, message):
    path = tmp_path / "bonds.txt"
    path.write_text(text)
    with pytest.raises(ValueError) as caught:
        read_bonds(path)
    assert message in str(caught.value)


def test_bonds_from_an_input_are_checked_too():
    with pytest.raises(
        ValueError, match="bond 2 of lattice.bonds: the bond 0 1 stands already in bond 1 of lattice.bonds"
    ):
        check_bonds([(0, 1, 1), (1, 0, 2.0)])
    with pytest.raises(OSError, match="No such file"):
        read_bonds("no_such_file.txt")
