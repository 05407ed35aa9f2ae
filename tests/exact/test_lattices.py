"""Magnets on the lattices of three dimensions, on named bonds, in boxes and on custom bonds with positions."""

import h5py
import numpy as np
import pytest
from scipy.sparse.linalg import eigsh

import hpc_nqs
from hpc_nqs.exact import diagonalization as exact
from hpc_nqs.hamiltonians import build_model
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build as build_system
from hpc_nqs.symmetry.site_permutations import point_group, site_symmetries, translations
from tests.exact.test_exact import dense_row

DIMER = -0.375  # of a singlet, per site in units of J
SYSTEMS = [
    ("cubic", {"lengths": [2, 2, 2]}, {"couplings": [1.0, 0.4]}, [(1, 1, 1), (1, 0, 0)]),
    ("cubic", {"lengths": [2, 2, 2], "boundary": ["open", "periodic", "open"]}, {"field_z": 0.3}, [(0, 1)]),
    ("cubic", {"lengths": [2, 2, 2]}, {"kind": "tfim", "coupling": 1.0, "field": 0.8}, [(0, 1, 1)]),
    ("bcc", {"box": [[0, 1, 2], [2, 0, 1], [2, 2, 0]]}, {}, [(0, 0)]),
    ("diamond", {"box": [[-1, 1, 1], [1, -1, 1], [1, 1, -1]]}, {"couplings": [1.0]}, [(0, 0)]),
    ("pyrochlore", {"lengths": [2, 1, 1]}, {"couplings": [1.0], "anisotropy": 0.4}, [(0, 0)]),
    ("checkerboard", {"lengths": [2, 2]}, {"couplings": [1.0, 0.7]}, [(0, 0)]),
    ("checkerboard", {"lengths": [2, 2], "boundary": "open"}, {"couplings": [1.0, 0.7]}, [(0.3, 0.2)]),
    ("shastry_sutherland", {"lengths": [2, 1]}, {"couplings": [0.6, 1.0], "field_z": 0.2}, [(0.5, 0)]),
    ("square", {"box": [[2, 2], [-2, 2]]}, {"couplings": [1.0, 0.5]}, [(1, 1), (0.5, 0.5)]),
    ("triangular", {"box": [[3, 0], [0, 3]]}, {"anisotropy": 0.5}, [(2 / 3, 0)]),
    ("kagome", {"box": [[1, 1], [-1, 2]]}, {"couplings": [1.0]}, [(0, 0)]),
]


@pytest.mark.parametrize(("kind", "cluster", "options", "vectors"), SYSTEMS)
def test_levels_and_structure_factors_equal_those_of_the_dense_matrix(kind, cluster, options, vectors):
    lattice = lattices.build(kind, **cluster)
    model = build_model(lattice, **options)
    levels = exact.diagonalize(model, lattice, vectors)
    energies, expected, factors = dense_row(model, lattice, vectors, beta=0.8)
    np.testing.assert_allclose(levels.energies, energies, atol=1e-11)
    (row,) = exact.thermal_rows(levels, [0.8])
    assert row["energy"] == pytest.approx(expected["energy"], abs=1e-11)
    for key, value in factors.items():
        assert row["structure_factor"][key][0] == pytest.approx(value, abs=1e-11), key


def lowest(lattice, **options):
    return eigsh(to_sparse(build_model(lattice, **options)), k=1, which="SA")[0][0] / lattice.n_sites


def test_shastry_and_sutherland_have_singlets_on_dimers():
    # Physica B+C 108, 1069 (1981): e = -3/8 J for small J'/J, whatever J' is; not for large J'.
    lattice = lattices.build("shastry_sutherland", [2, 2])
    assert lattice.n_sites == 16
    assert lowest(lattice, couplings=[0.4, 1.0]) == pytest.approx(DIMER, abs=1e-9)
    assert lowest(lattice, couplings=[1.0, 1.0]) < DIMER - 0.05


def test_the_maple_leaf_has_singlets_on_dimers():
    # Ghosh, Mueller and Thomale, Phys. Rev. B 105, L180412 (2022): e = -3/8 J_d for J_t = J_h = J and J_d >= 2 J.
    lattice = lattices.build("maple_leaf", [2, 1])
    assert lowest(lattice, couplings=[2.1, 1.0, 1.0]) == pytest.approx(2.1 * DIMER, abs=1e-9)
    assert lowest(lattice, couplings=[2.1, 1.0, 0.6]) < 2.1 * DIMER - 1e-3  # exact for equal J_t and J_h only


def test_the_checkerboard_without_diagonals_is_the_square_and_with_all_j2():
    box = [[2, -2], [2, 2]]
    square = lattices.build("square", [4, 4])
    checkerboard = lattices.build("checkerboard", box=box)
    assert lowest(checkerboard, couplings=[1.0]) == pytest.approx(lowest(square, couplings=[1.0]), abs=1e-9)
    assert len(checkerboard.bonds(2)) == len(square.bonds(2)) // 2
    places = square.site_at(checkerboard.positions)
    pairs = {tuple(sorted(pair)) for pair in places[checkerboard.bonds(1)].tolist()}
    assert pairs == {tuple(pair) for pair in square.bonds(1).tolist()}


def test_the_pyrochlore_cube_is_sixteen_sites_in_corner_sharing_tetrahedra():
    """Four up and four down tetrahedra of the cube with edge 2 sqrt(2), written by hand in units of its eighth."""
    lattice = lattices.build("pyrochlore", box=[[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
    corners = np.array([(0, 0, 0), (0, 4, 4), (4, 0, 4), (4, 4, 0)])
    up = [(0, 0, 0), (0, 2, 2), (2, 0, 2), (2, 2, 0)]
    sites = {}
    for corner in corners:
        for offset in up:
            sites[tuple((corner + offset) % 8)] = len(sites)
    bonds = set()
    for corner in corners:
        for sign in (1, -1):
            four = [sites[tuple((corner + sign * np.array(offset)) % 8)] for offset in up]
            bonds |= {tuple(sorted((i, j))) for i in four for j in four if i != j}
    assert len(sites) == 16 and len(bonds) == 48
    eighths = np.round(lattice.positions * 8 / (2 * np.sqrt(2))).astype(int) % 8
    places = np.array([sites[tuple(place)] for place in eighths])
    assert {tuple(sorted(pair)) for pair in places[lattice.bonds(1)].tolist()} == bonds


@pytest.mark.parametrize(
    ("kind", "cluster", "n_translations", "n_operations"),
    [
        ("cubic", {"lengths": [4, 4, 4]}, 64, 48),
        ("cubic", {"lengths": [3, 3, 3], "boundary": "open"}, 1, 48),
        ("bcc", {"box": [[0, 2, 2], [2, 0, 2], [2, 2, 0]]}, 16, 48),
        ("fcc", {"box": [[-2, 2, 2], [2, -2, 2], [2, 2, -2]]}, 32, 48),
        ("diamond", {"lengths": [2, 2, 2]}, 8, 24),
        ("pyrochlore", {"lengths": [2, 2, 2]}, 8, 24),
        ("maple_leaf", {"lengths": [3, 3]}, 9, 6),
        ("shastry_sutherland", {"lengths": [3, 3]}, 9, 4),
        ("checkerboard", {"lengths": [4, 4]}, 16, 8),
        ("square", {"box": [[1, 3], [-3, 1]]}, 10, 4),
        ("triangular", {"box": [[2, 2], [-2, 4]]}, 12, 12),
    ],
)
def test_numbers_of_symmetries(kind, cluster, n_translations, n_operations):
    lattice = lattices.build(kind, **cluster)
    couplings = {"shastry_sutherland": [0.4, 1.0], "maple_leaf": [2.0, 1.0, 0.9], "checkerboard": [1.0, 0.7]}
    model = build_model(lattice, couplings=couplings.get(kind, [1.0]))
    assert len(translations(lattice, model)) == n_translations
    assert len(point_group(lattice, model)) == n_operations
    assert len(site_symmetries(lattice, model)) == n_translations * n_operations


def test_momenta_of_a_magnon_in_three_dimensions():
    """One flipped spin of a ferromagnet has E(K) - E_0 = |J| (z/2) (1 - gamma_K), K = 2 pi (k1/L1, k2/L2, k3/L3)."""
    lattice = lattices.build("cubic", [3, 2, 2])
    levels = exact.diagonalize(build_model(lattice, couplings=[-1.0]), lattice)
    of_magnons = [sector for sector in levels.sectors if abs(sector["sz"]) == lattice.n_sites / 2 - 1]
    assert {tuple(sector["momentum"]) for sector in of_magnons} >= {(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)}
    for sector in of_magnons:
        k = 2 * np.pi * np.array(sector["momentum"]) / (3, 2, 2)
        # of two sites along a direction of length 2 one bond is there, as each distinct bond counts once
        gap = (1 - np.cos(k[0])) + (1 - np.cos(k[1])) / 2 + (1 - np.cos(k[2])) / 2
        assert sector["energy"] - levels.ground_state_energy == pytest.approx(gap, abs=1e-9), sector


def test_bonds_between_cells_have_three_numbers_in_three_dimensions():
    lattice = lattices.build("cubic", [2, 2, 2], boundary=["periodic", "periodic", "open"])
    shells = build_model(lattice, couplings=[1.0])
    entries = [(1, 0, 0, 0, 0, 0.5), (0, 1, 0, 0, 0, 0.5), (0, 0, 1, 0, 0, 1.0)]  # two ways around length 2
    cells = build_model(lattice, couplings=[0.0], cell_bonds=entries)
    np.testing.assert_allclose(to_sparse(cells).toarray(), to_sparse(shells).toarray(), atol=1e-12)
    with pytest.raises(ValueError, match=r'\[1, 0, 0, 0, 0.5\]: the cells of lattice.kind = "cubic" are R1, R2, R3'):
        build_model(lattice, couplings=[1.0], cell_bonds=[(1, 0, 0, 0, 0.5)])
    with pytest.raises(ValueError, match='the cells of lattice.kind = "square" are R1, R2'):
        build_model(lattices.build("square", [4, 4]), couplings=[1.0], cell_bonds=[(1, 0, 0, 0, 0, 0.5)])


def test_bonds_between_cells_of_a_box_refer_to_the_primitive_vectors():
    lattice = lattices.build("square", box=[[1, 3], [-3, 1]])
    shells = build_model(lattice, couplings=[1.0, 0.3])
    entries = [(1, 1, 0, 0, 0.3), (-1, 1, 0, 0, 0.3)]
    cells = build_model(lattice, couplings=[1.0], cell_bonds=entries)
    np.testing.assert_allclose(to_sparse(cells).toarray(), to_sparse(shells).toarray(), atol=1e-12)


def custom_ring(**more):
    bonds = [[i, (i + 1) % 6, 1] for i in range(6)]
    lattice = {"kind": "custom", "bonds": bonds, "positions": [[i, 0] for i in range(6)], "periods": [[6, 0]]} | more
    text = {"lattice": lattice, "model": {"kind": "heisenberg", "couplings": [1.0, 0.4]}}
    text["lattice"]["bonds"] = bonds + [[i, (i + 2) % 6, 2] for i in range(6)]
    return text | {"thermal": {"temperatures": [1.0]}, "observables": {"structure_factor": [[1, 0], [1 / 3, 0]]}}


def test_custom_bonds_with_positions_are_the_lattice_that_they_describe():
    settings = parse_settings(custom_ring())
    assert parse_settings(settings.to_dict()) == settings
    lattice, model = build_system(settings)
    chain = lattices.build("chain", [6])
    np.testing.assert_allclose(lattice.distances(), chain.distances(), atol=1e-12)
    assert lattice.nearest_wave_vector((1 / 3, 0)) is None
    np.testing.assert_allclose(lattice.nearest_wave_vector((0.4, 0)), [1 / 3, 0], atol=1e-12)
    assert len(site_symmetries(lattice, model)) == 12
    vectors = settings.observables.structure_factor
    rows = []
    for each in (lattice, chain):
        levels = exact.diagonalize(build_model(each, couplings=[1.0, 0.4]), each, vectors, correlations=True)
        rows.append(exact.thermal_rows(levels, [0.8])[0])
    assert rows[0]["structure_factor"].keys() == rows[1]["structure_factor"].keys()
    for name in ("structure_factor", "correlation"):
        for key, (value, _) in rows[1][name].items():
            assert rows[0][name][key][0] == pytest.approx(value, abs=1e-11), (name, key)


INPUT = {
    "run": {"seed": 1},
    "lattice": {"kind": "cubic", "lengths": [2, 2, 2]},
    "model": {"kind": "heisenberg", "couplings": [1.0, 0.2]},
    "thermal": {"temperatures": [2.0, 1.0]},
    "observables": {"structure_factor": [[1, 1, 1], [1, 0, 0]]},
}


def test_cooling_of_eight_sites_of_the_cubic_lattice_by_sums(tmp_path):
    """Limits above what the network leaves: e within 3e-4, chi and S(q) within 5e-3 of all levels at T = 2 and 1."""
    settings = hpc_nqs.make_input(**INPUT)
    run, levels = hpc_nqs.run(settings, tmp_path / "run.h5"), hpc_nqs.diagonalize(settings)
    assert run["S(1,1,1)"] == pytest.approx(levels["S(pi,pi,pi)"], rel=5e-3)
    assert run["S(1,0,0)"] == pytest.approx(levels["S(1,0)"], rel=5e-3)
    assert run["energy"] == pytest.approx(levels["energy"], abs=3e-4)
    assert run["chi"] == pytest.approx(levels["chi"], rel=5e-3)
    with h5py.File(tmp_path / "run.h5") as file:
        vectors = [file["results"][name][()].tolist() for name in ("qx", "qy", "qz")]
    assert vectors == [[1.0, 1.0], [1.0, 0.0], [1.0, 0.0]]


def test_samples_of_sixteen_sites_in_three_dimensions(tmp_path):
    """The pyrochlore cube at T = 20 beside e = (-beta <H^2> + beta^2 <H^3> / 2) / N of infinite temperature.

    <H^2> = 3/16 for each of 48 bonds; <H^3> = -3/32 for each, and 6 orders of 3/64 for each of 32 triangles.
    """
    lattice = {"kind": "pyrochlore", "box": [[-1, 1, 1], [1, -1, 1], [1, 1, -1]]}
    few = {"sampling": {"method": "metropolis", "n_samples": 256, "n_chains": 16}}
    changes = {"lattice": lattice, "model": {"kind": "heisenberg"}, "thermal": {"temperatures": [20.0]}}
    run = hpc_nqs.run(hpc_nqs.make_input(**INPUT | few | changes | {"observables": {}}), tmp_path / "run.h5")
    series = (-48 * 3 / 16 / 20 + (-48 * 3 / 32 + 6 * 32 * 3 / 64) / 20**2 / 2) / 16
    assert run["energy"][0] == pytest.approx(series, abs=5e-5)  # of the next term 2e-5
