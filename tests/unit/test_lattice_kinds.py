"""Lattices in three dimensions and with named bonds, boxes of any shape, custom bonds with positions, and drawings."""

import itertools

import numpy as np
import pytest

from hpc_nqs.cli import parser as cli
from hpc_nqs.hamiltonians import build_model
from hpc_nqs.lattices import periods
from hpc_nqs.lattices.geometry import GEOMETRIES
from hpc_nqs.lattices.lattice import build, wave_vector_key
from hpc_nqs.observables.structure_factors import build_correlations
from hpc_nqs.reports import lattice_drawing
from hpc_nqs.settings.parsing import SettingsError, parse_settings
from hpc_nqs.settings.system import build as build_system
from hpc_nqs.settings.system import validate
from hpc_nqs.symmetry.quantum_numbers import Sector, projector

# Neighbours of a site and their distance for every shell, as textbooks have them.
SHELLS = {
    "cubic": ([5, 5, 5], [(6, 1.0), (12, np.sqrt(2)), (8, np.sqrt(3))]),
    "bcc": ([5, 5, 5], [(8, 1.0), (6, 2 / np.sqrt(3)), (12, np.sqrt(8 / 3))]),
    "fcc": ([5, 5, 5], [(12, 1.0), (6, np.sqrt(2)), (24, np.sqrt(3))]),
    "diamond": ([4, 4, 4], [(4, 1.0), (12, np.sqrt(8 / 3)), (12, np.sqrt(11 / 3))]),
    "pyrochlore": ([3, 3, 3], [(6, 1.0), (12, np.sqrt(3)), (12, 2.0)]),
    "checkerboard": ([4, 4], [(4, 1.0), (2, np.sqrt(2))]),
    "shastry_sutherland": ([2, 2], [(4, 1.0), (1, np.sqrt(2))]),
    "maple_leaf": ([2, 2], [(1, 1.0), (2, 1.0), (2, 1.0)]),
}


@pytest.mark.parametrize("kind", SHELLS)
def test_coordination_numbers_and_distances(kind):
    lengths, shells = SHELLS[kind]
    lattice = build(kind, lengths)
    assert lattice.n_sites == np.prod(lengths) * len(GEOMETRIES[kind].basis)
    for shell, (count, distance) in enumerate(shells, start=1):
        bonds = lattice.bonds(shell)
        assert len(bonds) == lattice.n_sites * count // 2
        assert set(np.bincount(bonds.ravel(), minlength=lattice.n_sites)) == {count}
        lengths_of_bonds = np.linalg.norm(lattice.displacement(bonds[:, 0], bonds[:, 1]), axis=1)
        np.testing.assert_allclose(lengths_of_bonds, distance, atol=1e-9)
    distances = lattice.distances()
    assert np.min(distances[distances > 0]) == pytest.approx(1.0)


def cycles(bonds, n_sites, length):
    """Number of closed walks of bonds without a step back, by powers of the non-backtracking matrix, per start."""
    arcs = [*map(tuple, bonds.tolist()), *(tuple(pair[::-1]) for pair in bonds.tolist())]
    steps = np.array([[a[1] == b[0] and a[0] != b[1] for b in arcs] for a in arcs], dtype=int)
    return np.trace(np.linalg.matrix_power(steps, length)) // (2 * length)


def test_named_bonds_are_dimers_triangles_and_hexagons():
    lattice = build("maple_leaf", [3, 3])
    assert cycles(lattice.bonds(2), lattice.n_sites, 3) == 2 * 9  # two triangles and one hexagon in a cell of six sites
    assert cycles(lattice.bonds(3), lattice.n_sites, 6) == 9
    every = np.concatenate([lattice.bonds(shell) for shell in (1, 2, 3)])
    apart = lattice.distances()
    np.testing.assert_array_equal(np.unique(every, axis=0), np.argwhere(np.triu(np.abs(apart - 1) < 1e-6)))
    # every dimer of the maple leaf and of Shastry and Sutherland is the base of two triangles
    for kind, dimers, others in (("maple_leaf", 1, (2, 3)), ("shastry_sutherland", 2, (1,))):
        lattice = build(kind, [3, 3])
        around = [set() for _ in range(lattice.n_sites)]
        for i, j in np.concatenate([lattice.bonds(shell) for shell in others]).tolist():
            around[i].add(j)
            around[j].add(i)
        assert {len(around[i] & around[j]) for i, j in lattice.bonds(dimers).tolist()} == {2}


def test_every_second_square_of_the_checkerboard_is_crossed():
    lattice = build("checkerboard", [3, 4])
    crossings = lattice.bonds(2)
    middles = lattice.positions[crossings[:, 0]] + lattice.displacement(crossings[:, 0], crossings[:, 1]) / 2
    apart = np.linalg.norm(lattice.minimum_image(middles[:, None] - middles[None, :]), axis=-1)
    assert np.all(np.sum(apart < 1e-6, axis=1) == 2)  # the other diagonal of the same square
    assert np.min(apart[apart > 1e-6]) == pytest.approx(np.sqrt(2))
    above = lattice.minimum_image(middles - lattice.positions[0] - [0.5, 0.5])  # the square above a site b = 0
    assert np.min(np.linalg.norm(above, axis=1)) < 1e-6


@pytest.mark.parametrize(
    ("kind", "box", "n_sites"),
    [
        ("square", [[1, 3], [-3, 1]], 10),
        ("square", [[4, 0], [0, 4]], 16),
        ("triangular", [[2, 2], [-2, 4]], 12),
        ("kagome", [[1, 1], [-1, 2]], 9),
        ("cubic", [[2, 1, 0], [0, 2, 1], [1, 0, 3]], 13),
        ("pyrochlore", [[-1, 1, 1], [1, -1, 1], [1, 1, -1]], 16),
    ],
)
def test_boxes_have_the_sites_and_bonds_of_all_images(kind, box, n_sites):
    lattice = build(kind, box=box)
    assert lattice.n_sites == n_sites
    spans = np.array(box) @ lattice.primitive
    shifts = np.array(list(itertools.product(range(-3, 4), repeat=len(box)))) @ spans
    apart = lattice.positions[None, :] - lattice.positions[:, None]
    distances = np.min(np.linalg.norm(apart[..., None, :] + shifts, axis=-1), axis=-1)
    np.testing.assert_allclose(lattice.distances(), distances, atol=1e-9)
    np.testing.assert_array_equal(lattice.bonds(1), np.argwhere(np.triu(np.abs(distances - 1) < 1e-6)))
    np.testing.assert_array_equal(lattice.site_at(lattice.positions + spans[0]), np.arange(n_sites))
    sites = [lattice.translated(step)[0] for step in lattice.steps()]
    assert len(set(sites)) == len(sites) == n_sites // len(lattice.basis)
    for vector in np.linalg.inv(spans).T * 2:  # e^{i q.P} = 1 on every period
        assert lattice.nearest_wave_vector(vector) is None
        assert lattice.nearest_wave_vector(vector * 1.2) is not None


@pytest.mark.parametrize("seed", range(20))
def test_straightened_boxes_and_reduced_periods(seed):
    stream = np.random.default_rng(seed)
    size = 2 + seed % 2
    box = stream.integers(-5, 6, (size, size))
    if round(np.linalg.det(box)) == 0:
        box = box + 11 * np.eye(size, dtype=int)
    grid, vectors = periods.straightened(box.tolist())
    assert np.prod(grid) == round(abs(np.linalg.det(box))) and round(abs(np.linalg.det(vectors))) == 1
    assert all(long % short == 0 for short, long in itertools.pairwise(grid))
    whole = np.array(grid)[:, None] * vectors @ np.linalg.inv(box)
    np.testing.assert_allclose(whole, np.round(whole), atol=1e-9)
    spans = box @ stream.standard_normal((size, size))
    short = periods.reduced(spans)
    whole = short @ np.linalg.inv(spans)
    np.testing.assert_allclose(whole, np.round(whole), atol=1e-6)
    points = 10 * stream.standard_normal((8, size))
    inner = points - np.round(points @ np.linalg.inv(short)) @ short
    shifts = np.array(list(itertools.product(range(-3, 4), repeat=size))) @ short
    nearest = np.min(np.linalg.norm(inner[:, None] + shifts, axis=-1), axis=1)
    np.testing.assert_allclose(np.linalg.norm(periods.minimum_image(points, short), axis=-1), nearest, atol=1e-9)


def test_wave_vectors_have_three_components_in_three_dimensions():
    lattice = build("cubic", [2, 2, 4])
    x, y, z = lattice.positions.T
    np.testing.assert_allclose(lattice.wave_vector((1, 0, 0.5)), (-1.0) ** x * 1j**z, atol=1e-12)
    np.testing.assert_allclose(lattice.wave_vector((0, 1)), (-1.0) ** y, atol=1e-12)
    np.testing.assert_allclose(lattice.nearest_wave_vector((1, 0, 0.4)), [1, 0, 0.5], atol=1e-12)
    with pytest.raises(ValueError, match="1 to 3 components, not 4"):
        lattice.wave_vector((1, 1, 1, 1))
    keys = {(1,): "1,0", (1, 0.5): "1,0.5", (1, 0.5, 0): "1,0.5", (1, 0, 0.5): "1,0,0.5"}
    assert {q: wave_vector_key(q) for q in keys} == keys


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "cubic", "lengths": [2, 2]}, "cubic needs 3 lengths"),
        ({"kind": "cubic", "lengths": [2, 2, 1]}, r"lattice.lengths = \[2, 2, 1\]: cubic of this size is too small"),
        ({"kind": "checkerboard", "lengths": [3, 1]}, "its second neighbours wrap around onto nearer neighbours"),
        ({"kind": "chain", "box": [[8]]}, r"lattice.box = \[\[8\]\]: chain has lengths only"),
        ({"kind": "square", "box": [[2, 4], [1, 2]]}, "its vectors are linearly dependent"),
        ({"kind": "square", "box": [[2, 2]]}, "square needs 2 vectors of 2 integers"),
        ({"kind": "square", "box": [[2, 0], [0, 2]], "boundary": "open"}, 'with lattice.box allowed is "periodic"'),
        ({"kind": "square", "box": [[1, 0], [0, 4]]}, r"lattice.box = .*: square of this size is too"),
        ({"kind": "custom", "bonds": [(0, 1, 1)], "positions": [[0, 0]]}, "1 of them; allowed are 2, one for every"),
        ({"kind": "custom", "bonds": [(0, 1, 1)], "positions": [[0, 0], [0, 0]]}, "0 and 1 are at the same place"),
        ({"kind": "custom", "bonds": [(0, 1, 1)], "positions": [[0, 0], [1, 0, 0]]}, "some have 2 components"),
        ({"kind": "custom", "bonds": [(0, 1, 1)], "periods": [[2, 0]]}, "periods: only with lattice.positions"),
        (
            {"kind": "custom", "bonds": [(0, 1, 1)], "positions": [[0, 0], [1, 0]], "periods": [[2, 0], [4, 0]]},
            "they are linearly dependent",
        ),
    ],
)
def test_what_is_no_lattice_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        lattice = build(**arguments)
        lattice.bonds(2)


@pytest.mark.parametrize("kind", ["shastry_sutherland", "maple_leaf"])
def test_named_bonds_of_one_cell_are_different_pairs(kind):
    lattice = build(kind, [1, 1])
    bonds = [tuple(bond) for shell in range(1, len(SHELLS[kind][1]) + 1) for bond in lattice.bonds(shell).tolist()]
    assert len(set(bonds)) == len(bonds) == {"shastry_sutherland": 6, "maple_leaf": 15}[kind]


def test_shells_that_no_bond_is_named_for_are_refused():
    with pytest.raises(ValueError, match="shastry_sutherland has no third neighbours: its couplings are 2"):
        build("shastry_sutherland", [2, 2]).bonds(3)


def settings_of(kind, **lattice):
    model = {"kind": "heisenberg", "couplings": lattice.pop("couplings", [1.0])} | lattice.pop("model", {})
    return parse_settings({"lattice": {"kind": kind} | lattice, "model": model, "thermal": {"temperatures": [1.0]}})


def test_inputs_with_boxes():
    settings = settings_of("square", box=[[1, 3], [-3, 1]])
    assert parse_settings(settings.to_dict()) == settings and validate(settings) == []
    for given, message in (
        ({"box": [[1, 3], [-3, 1]], "lengths": [4, 4]}, "lattice.lengths and lattice.box are both given"),
        ({"box": [[100, 0], [0, 100]]}, "10000 unit cells; allowed are up to 4096"),
        ({}, "lattice.lengths is missing"),
    ):
        with pytest.raises(SettingsError, match=message):
            settings_of("square", **given)


def test_wave_vectors_of_inputs_are_checked_in_three_dimensions():
    settings = settings_of("cubic", lengths=[2, 2, 2])
    given = settings.to_dict() | {"observables": {"structure_factor": [[1, 1, 1], [1, 0.5, 0], [1, 0, 0.5]]}}
    problems = validate(parse_settings(given))
    assert len(problems) == 2
    assert problems[0].startswith("observables.structure_factor = [1.0, 0.5]: not a wave vector of this periodic")
    assert problems[1].endswith("the nearest is [1.0, 0.0, 0.0]")


def test_projectors_onto_momenta_in_three_dimensions():
    """P of one flipped spin at site 0 is the wave e^{i K r}, K = 2 pi (k1/L1, k2/L2, k3/L3)."""
    lattice = build("cubic", [3, 2, 4])
    images, coefficients = projector(Sector((1, 1, 3)), lattice, build_model(lattice), n_up=1)
    wave = np.zeros(lattice.n_sites, dtype=complex)
    np.add.at(wave, images.sources[:, 0], coefficients)
    expected = np.exp(2j * np.pi * lattice.positions @ (np.array([1, 1, 3]) / (3, 2, 4)))
    np.testing.assert_allclose(wave, expected, atol=1e-12)
    with pytest.raises(ValueError, match='point_group = "A1": representations are those of rotations in a plane'):
        projector(Sector(None, "A1"), lattice, build_model(lattice), n_up=1)


@pytest.mark.parametrize(("kind", "lengths", "n_waves"), [("triangular", [4, 4], 2), ("fcc", [2, 2, 4], 3)])
def test_dimers_alternate_with_their_wave_vector(kind, lengths, n_waves):
    settings = settings_of(kind, lengths=lengths)
    lattice, model = build_system(settings)
    dimers = build_correlations(settings, lattice, model).dimers
    assert len(dimers) == n_waves
    for key, (bonds, signs) in dimers.items():
        waves = lattice.wave_vector([float(part) for part in key.split(",")])
        np.testing.assert_allclose(waves, signs, atol=1e-4)  # keys have six digits
        np.testing.assert_allclose(np.linalg.norm(lattice.displacement(*bonds.T), axis=1), 1.0, atol=1e-9)


def drawn(settings):
    return {words: (sites, vectors) for words, sites, vectors in lattice_drawing.Drawing(settings).kinds}


def test_a_drawing_has_every_bond_once_and_its_vector():
    kinds = drawn(settings_of("shastry_sutherland", lengths=[2, 2], couplings=[0.4, 1.0]))
    assert {words: len(sites) for words, (sites, _) in kinds.items()} == {"edges of squares: 0.4": 32, "dimers: 1": 8}
    np.testing.assert_allclose(np.linalg.norm(kinds["dimers: 1"][1], axis=1), np.sqrt(2))
    entries = [[1, 0, 0, 0, 0.5], [0, 1, 0, 0, 0.2]]
    kinds = drawn(settings_of("square", lengths=[4, 3], couplings=[0.0], model={"cell_bonds": entries}))
    assert list(kinds) == ["cell_bonds [1, 0, 0, 0]: 0.5", "cell_bonds [0, 1, 0, 0]: 0.2"]
    np.testing.assert_allclose(kinds["cell_bonds [0, 1, 0, 0]: 0.2"][1], [[0.0, 1.0]] * 12)
    kinds = drawn(settings_of("custom", bonds=[[0, 1, 1], [1, 2, 0.5], [0, 2, -0.5]]))
    assert {words: len(sites) for words, (sites, _) in kinds.items()} == {
        "first neighbours: 1": 1,
        "own couplings: -0.5 to 0.5": 2,
    }


def test_directions_of_the_drawing_are_orthogonal():
    plane = lattice_drawing.projected(np.eye(3))
    np.testing.assert_allclose(plane.T @ plane, np.eye(2), atol=1e-12)


@pytest.mark.parametrize(("kind", "size"), [("maple_leaf", "lengths = [2, 2]"), ("pyrochlore", "lengths = [2, 2, 2]")])
def test_plot_draws_the_lattice_of_an_input(tmp_path, monkeypatch, capsys, kind, size):
    monkeypatch.chdir(tmp_path)
    text = f'[lattice]\nkind = "{kind}"\n{size}\n[model]\nkind = "heisenberg"\n[thermal]\ntemperatures = [1.0]\n'
    (tmp_path / "input.toml").write_text(text)
    assert cli.main(["plot", "input.toml", "--page", "lattice", "-o", "drawing.svg"]) == 0
    assert "figure written to drawing.svg" in capsys.readouterr().out
    svg = (tmp_path / "drawing.svg").read_text()
    assert svg.startswith("<?xml") and len(svg) > 10_000
    assert cli.main(["plot", "input.toml", "--page", "lattice", "--exact"]) == 2
    assert "--page lattice: --exact: one file alone is drawn" in capsys.readouterr().err
