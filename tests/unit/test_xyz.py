"""XYZ magnets: against Kronecker products of spin matrices, and levels against all of them at once."""

import functools

import numpy as np
import pytest

from hpc_nqs.exact.diagonalization import diagonalize, thermal_rows
from hpc_nqs.hamiltonians import build_model
from hpc_nqs.hamiltonians.energy_bound import energy_bound
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.settings.parsing import SettingsError, parse_settings, read_tables
from hpc_nqs.settings.system import build
from hpc_nqs.symmetry.site_permutations import automorphisms, site_symmetries
from hpc_nqs.tasks import plan

# Rows and columns: Sz = -1/2, +1/2; site 0 is the lowest bit.
SPIN = {"x": np.array([[0, 1], [1, 0]]) / 2, "y": np.array([[0, 1j], [-1j, 0]]) / 2, "z": np.diag([-0.5, 0.5])}
KITAEV = [(0, 0, 0, 1, 0.0, 0.0, 1.0), (1, 0, 1, 0, 0.8, 0.0, 0.0), (0, 1, 1, 0, 0.0, -0.6, 0.0)]
NOTHING = {f"couplings_{axis}": [0.0] for axis in "xyz"}


def product(n_sites, axis, *sites):
    return functools.reduce(np.kron, [SPIN[axis] if i in sites else np.eye(2) for i in reversed(range(n_sites))])


def written_out(n_sites, bonds, field_x=0.0, field_z=0.0):
    """Return H from lists of (i, j, Jx, Jy, Jz)."""
    matrix = np.zeros((2**n_sites,) * 2, dtype=complex)
    for i, j, *couplings in bonds:
        for axis, coupling in zip("xyz", couplings, strict=True):
            matrix += coupling * product(n_sites, axis, i, j)
    for i in range(n_sites):
        matrix -= field_x * product(n_sites, "x", i) + field_z * product(n_sites, "z", i)
    return matrix


CASES = {
    "chain": (
        ("chain", [5]),
        {"couplings_x": [0.7, 0.1], "couplings_y": [-0.4], "couplings_z": [0.0, 0.3], "field_x": 0.3, "field_z": -0.2},
        [*((i, (i + 1) % 5, 0.7, -0.4, 0.0) for i in range(5)), *((i, (i + 2) % 5, 0.1, 0.0, 0.3) for i in range(5))],
    ),
    "kitaev": (
        ("honeycomb", [2, 1], "open"),
        NOTHING | {"cell_bonds_xyz": KITAEV},
        [(0, 1, 0.0, 0.0, 1.0), (2, 3, 0.0, 0.0, 1.0), (1, 2, 0.8, 0.0, 0.0)],
    ),
    "shells of a list": (
        ("custom", (), "open", [(0, 1, 1), (1, 2, 2), (2, 3, 3), (0, 3, 0.5)]),
        {"couplings_x": [1.0, 0.0, 0.0], "couplings_y": [0.0, 2.0, 0.0], "couplings_z": [0.0, 0.0, 3.0]},
        [(0, 1, 1.0, 0.0, 0.0), (1, 2, 0.0, 2.0, 0.0), (2, 3, 0.0, 0.0, 3.0), (0, 3, 0.5, 0.5, 0.5)],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_matrix_is_that_of_spin_operators(case):
    lattice, options, bonds = CASES[case]
    if case == "kitaev":  # an entry that leaves the open lattice everywhere is refused
        with pytest.raises(ValueError, match="cell_bonds_xyz, entry 3, .* reaches no spin"):
            build_model(lattices.build(*lattice), kind="xyz", **options)
        options = options | {"cell_bonds_xyz": KITAEV[:2]}
    model = build_model(lattices.build(*lattice), kind="xyz", **options)
    fields = {name: options.get(name, 0.0) for name in ("field_x", "field_z")}
    np.testing.assert_allclose(to_sparse(model).toarray(), written_out(model.n_sites, bonds, **fields), atol=1e-14)
    assert not model.conserves_sz and model.spin_flip_symmetric == (fields["field_z"] == 0)


@pytest.mark.parametrize(
    ("lattice", "options"),
    [
        (("chain", [6]), {"couplings_x": [0.7, 0.2], "couplings_y": [-0.4], "couplings_z": [0.3], "field_z": 0.2}),
        (("honeycomb", [2, 2]), NOTHING | {"cell_bonds_xyz": KITAEV}),
        (("square", [3, 2], "open"), {"couplings_x": [1.0], "couplings_y": [0.5], "field_x": 0.3}),
    ],
)
def test_levels_in_blocks_are_all_levels(lattice, options):
    lattice = lattices.build(*lattice)
    model = build_model(lattice, kind="xyz", **options)
    levels = diagonalize(model, lattice).energies
    np.testing.assert_allclose(levels, np.linalg.eigvalsh(to_sparse(model).toarray()), atol=1e-12)


def test_equal_couplings_are_a_heisenberg_magnet():
    """The same thermodynamics, though Sz is not known to be conserved by an option that could break it."""
    lattice = lattices.build("square", [4, 2])
    equal = build_model(lattice, kind="xyz", **{f"couplings_{axis}": [1.0, 0.5] for axis in "xyz"})
    magnet = build_model(lattice, couplings=[1.0, 0.5])
    rows = [thermal_rows(diagonalize(each, lattice), [1.0])[0] for each in (equal, magnet)]
    assert rows[0]["energy"] == pytest.approx(rows[1]["energy"], abs=1e-13)
    assert rows[0]["susceptibility"] == pytest.approx(rows[1]["susceptibility"], abs=1e-13)
    assert equal.is_isotropic


def test_the_kitaev_magnet_of_eight_sites():
    """2x2 cells: the lowest energy of free Majorana fermions over all gauges (Kitaev, Ann. Phys. 321, 2 (2006)).

    H = (i K/4) sum u_jk c_j c_k with u = 1 or -1 on the bonds from one sublattice to the other has the ground state
    -sum of the singular values of K u / 4; here no gauge of lower energy has the wrong parity.
    """
    strengths = np.array([1.0, 0.8, -0.6])
    lattice = lattices.build("honeycomb", [2, 2])
    model = build_model(lattice, kind="xyz", **NOTHING, cell_bonds_xyz=KITAEV)
    cells = [(r1, r2) for r2 in range(2) for r1 in range(2)]
    place = {cell: k for k, cell in enumerate(cells)}
    bonds = []  # site b of a cell with site a of the same one, of the one on the right, of the one above
    for (r1, r2), k in place.items():
        targets = [(r1, r2), ((r1 + 1) % 2, r2), (r1, (r2 + 1) % 2)]
        bonds += [(place[target], k, strengths[kind]) for kind, target in enumerate(targets)]
    first, second, coupling = map(np.array, zip(*bonds, strict=True))
    gauges = 1.0 - 2.0 * ((np.arange(2 ** len(bonds))[:, None] >> np.arange(len(bonds))) & 1)
    matrices = np.zeros((len(gauges), 4, 4))
    for number in range(len(bonds)):
        matrices[:, first[number], second[number]] += gauges[:, number] * coupling[number] / 4
    lowest = -np.linalg.svd(matrices, compute_uv=False).sum(axis=1).max()
    assert diagonalize(model, lattice).ground_state_energy == pytest.approx(lowest, abs=1e-12)


def settings_of(model, **sections):
    shells = {f"couplings_{axis}": [1.0] for axis in "xyz"}
    tables = {"lattice": {"kind": "chain", "lengths": [4]}, "model": {"kind": "xyz"} | shells | model}
    return parse_settings(tables | {"thermal": {"temperatures": [1.0]} | sections.pop("thermal", {})} | sections)


@pytest.mark.parametrize(
    ("model", "sections", "message"),
    [
        ({"field_y": 0.4}, {}, r"model.field_y = 0.4: runs of xyz take fields along x and z only; `hpc-nqs exact`"),
        ({"site_fields_y": [0.0, 0.1, 0.0, 0.0]}, {}, r"model.site_fields_y = \[0.0, 0.1, 0.0, 0.0\]: runs of xyz"),
        (
            {"cell_bonds_xyz": [(1, 0, 0, 0, 1, 0, 0), (2, 0, 0, 0, 1, 0.25, 0, -0.25, 1, 0, 0, 0, 1)]},
            {},
            r"model.cell_bonds_xyz, entry 2: Jxy = 0.25, Jyx = -0.25; runs of xyz take Jx, Jy and Jz only",
        ),
        ({"bonds_xyz": [(0, 1, 1, 0, 0, 0, 1, 0, 0, 0.5, 1)]}, {}, "model.bonds_xyz, entry 1: Jzy = 0.5; runs"),
        ({}, {"run": {"task": "ground_state"}}, 'run.task = "ground_state": .* "xyz" allowed is "thermal"'),
        ({}, {"thermal": {"method": "analytic"}}, 'thermal.method = "analytic": .* allowed is "numerical"'),
        ({"couplings_y": [0.5]}, {"wavefunction": {"kind": "rbm"}}, r"kind = \"rbm\": of couplings with Jx != Jy or f"),
        ({"couplings_y": [0.5]}, {"wavefunction": {"marshall": True}}, "wavefunction.marshall = true: of couplings"),
        ({"couplings_y": [0.5]}, {"wavefunction": {"cluster_size": 5}}, "cluster_size = 5: .* at most 4 sites"),
        ({}, {"wavefunction": {"kind": "hafnian"}}, 'kind = "hafnian": for couplings with Jx != Jy or fields along x'),
    ],
)
def test_what_runs_refuse_by_name(model, sections, message):
    with pytest.raises(SettingsError, match=message):
        plan(settings_of(model, **sections))


def test_terms_that_vanish_are_none():
    """Nine numbers of a diagonal matrix, fields of zero: the state is that of the pairs, or of exchange alone."""
    diagonal = (1, 0, 0, 0, 0.3, 0, 0, 0, 0.3, 0, 0, 0, 0.2)
    assert plan(settings_of({"cell_bonds_xyz": [diagonal], "field_x": 0.0}))["wave function"] == "permanent"
    assert plan(settings_of({"couplings_y": [0.5], "field_z": 0.2}))["wave function"] == "hafnian"
    assert plan(settings_of({"field_x": 0.2}))["wave function"] == "hafnian"


# ---------------------------------------------------------------- off-diagonal couplings, fields in any direction

MATRIX = [0.7, 0.3, -0.5, -0.2, 0.4, 0.6, 0.1, -0.35, 0.9]  # nothing about it is symmetric
SYMMETRIC = [0.7, 0.3, -0.5, 0.3, 0.4, 0.6, -0.5, 0.6, 0.9]
MOMENT = [1.0, 0.45, 0.0, -0.45, 1.0, 0.0, 0.0, 0.0, 0.6]  # Dzyaloshinskii-Moriya along z
REAL = [0.7, 0.0, -0.5, 0.0, 0.4, 0.0, 0.1, 0.0, 0.9]  # S^y with S^y alone
FIELDS = {"site_fields_x": [0.2, -0.1, 0.3], "site_fields_y": [0.4, 0.0, -0.3], "site_fields": [-0.2, 0.5, 0.1]}


def by_components(n_sites, bonds, fields):
    """Return H from lists of (i, j, nine J^ab) and of {axis: h_i}."""
    matrix = np.zeros((2**n_sites,) * 2, dtype=complex)
    for i, j, numbers in bonds:
        for coupling, (a, b) in zip(numbers, [(a, b) for a in "xyz" for b in "xyz"], strict=True):
            matrix += coupling * product(n_sites, a, i) @ product(n_sites, b, j)
    for axis, values in fields.items():
        for i, value in enumerate(values):
            matrix -= value * product(n_sites, axis, i)
    return matrix


GENERAL = {
    "cells, from the higher site to the lower one": (
        ("chain", [3], "open"),
        {"cell_bonds_xyz": [(-1, 0, 0, 0, *MATRIX)]},
        [(1, 0, MATRIX), (2, 1, MATRIX)],
    ),
    "sites, both orders and twice": (
        ("custom", (), "open", [(0, 1, 0.0), (1, 2, 0.5)]),
        {"bonds_xyz": [(2, 0, *MATRIX), (0, 2, *MOMENT), (0, 1, 0.1, 0.2, 0.3)]},
        [(2, 0, MATRIX), (0, 2, MOMENT), (0, 1, np.diag([0.1, 0.2, 0.3]).ravel()), (1, 2, np.eye(3).ravel() / 2)],
    ),
    "a ring of two, from both sides": (
        ("chain", [2]),
        {"cell_bonds_xyz": [(1, 0, 0, 0, *MATRIX)]},
        [(0, 1, MATRIX), (1, 0, MATRIX)],
    ),
}


@pytest.mark.parametrize("case", GENERAL)
def test_any_couplings_and_fields_are_those_of_spin_operators(case):
    lattice, options, bonds = GENERAL[case]
    lattice = lattices.build(*lattice)
    fields = {name: values[: lattice.n_sites] for name, values in FIELDS.items()}
    model = build_model(lattice, kind="xyz", **NOTHING, **options, **fields, field_x=0.15, field_y=-0.25, field_z=0.35)
    uniform = zip("xyz", fields.values(), (0.15, -0.25, 0.35), strict=True)
    expected = by_components(model.n_sites, bonds, {axis: np.add(values, h) for axis, values, h in uniform})
    np.testing.assert_allclose(to_sparse(model).toarray(), expected, atol=1e-14)
    assert not model.is_real and not model.conserves_sz and not model.spin_flip_symmetric
    assert energy_bound(model) <= np.linalg.eigvalsh(expected)[0] + 1e-12


def test_the_bound_of_one_bond_is_its_lowest_level():
    """Both ends hold half of it, seen from either site."""
    lattice = lattices.build("chain", [2], "open")
    model = build_model(lattice, kind="xyz", **NOTHING, cell_bonds_xyz=[(1, 0, 0, 0, *MATRIX)])
    assert energy_bound(model) == pytest.approx(np.linalg.eigvalsh(to_sparse(model).toarray())[0], abs=1e-11)


@pytest.mark.parametrize(
    ("numbers", "is_real", "flip", "conserves_sz"),
    [
        (REAL, True, False, False),
        (SYMMETRIC, False, False, False),
        (MOMENT, False, False, True),
        ([0.7, 0.0, 0.0, 0.0, 0.4, 0.6, 0.0, -0.2, 0.9], False, True, False),  # S^y S^z keeps the flip of all spins
        ([0.7, 0.3, 0.0, 0.3, 0.7, 0.0, 0.0, 0.0, 0.9], False, False, False),
        ([0.7, 0.0, 0.0, 0.0, 0.7, 0.0, 0.0, 0.0, 0.9], True, True, True),
    ],
)
def test_what_a_matrix_conserves(numbers, is_real, flip, conserves_sz):
    model = build_model(lattices.build("chain", [3]), kind="xyz", **NOTHING, cell_bonds_xyz=[(1, 0, 0, 0, *numbers)])
    matrix = to_sparse(model).toarray()
    sz = sum(product(3, "z", i) for i in range(3))
    assert model.is_real == is_real == (not np.any(matrix.imag))
    assert model.spin_flip_symmetric == flip == np.allclose(matrix[::-1, ::-1], matrix)
    assert model.conserves_sz == conserves_sz == np.allclose(matrix @ sz, sz @ matrix)


GAMMA = [[0, 0, 0, 1, 0.3, 0.5, 0, 0.5, 0.3, 0, 0, 0, -0.7], [1, 0, 1, 0, -0.7, 0, 0, 0, 0.3, 0.5, 0, 0.5, 0.3]]
GAMMA += [[0, 1, 1, 0, 0.3, 0, 0.5, 0, -0.7, 0, 0.5, 0, 0.3]]  # Kitaev, Heisenberg and Gamma on the bonds z, x and y


@pytest.mark.parametrize(
    ("lattice", "options"),
    [
        (("chain", [7]), {"cell_bonds_xyz": [(1, 0, 0, 0, *MOMENT)], "field_z": 0.3}),
        (("chain", [6]), {"cell_bonds_xyz": [(1, 0, 0, 0, *MOMENT)]}),
        (("chain", [6]), {"cell_bonds_xyz": [(1, 0, 0, 0, *MATRIX), (2, 0, 0, 0, 0.2, 0.2, 0.2)], "field_y": 0.3}),
        (("chain", [6]), {"cell_bonds_xyz": [(1, 0, 0, 0, *SYMMETRIC)], "field_y": 0.3}),
        (("chain", [6]), {"cell_bonds_xyz": [(1, 0, 0, 0, *REAL)], "field_x": 0.2}),
        (("square", [3, 2]), {"cell_bonds_xyz": [(1, 0, 0, 0, *MATRIX), (0, 1, 0, 0, *MOMENT)]}),
        (("kagome", [2, 1]), {"cell_bonds_xyz": [(0, 0, 0, 1, *MOMENT), (0, 0, 1, 2, *MOMENT), (0, 0, 2, 0, *MOMENT)]}),
        (("honeycomb", [2, 2]), {"cell_bonds_xyz": GAMMA, "site_fields_x": [0.2, -0.2]}),
        (
            ("custom", (), "open", [(0, 1, 0.0)]),
            {"bonds_xyz": [(i, (i + 1) % 6, *MOMENT) for i in range(6)]} | {"n_sites": 6},
        ),
    ],
)
def test_levels_and_structure_factors_in_blocks_are_those_of_the_whole(lattice, options):
    """Of complex H: a momentum and its negative have levels of their own unless a symmetry connects them."""
    options = dict(options)
    lattice = lattices.build(*lattice, n_sites=options.pop("n_sites", None))
    model = build_model(lattice, kind="xyz", **NOTHING, **options)
    waves = [] if lattice.positions is None else [(1.0, 0.0)]
    levels = diagonalize(model, lattice, waves)
    energies, vectors = np.linalg.eigh(to_sparse(model).toarray())
    np.testing.assert_allclose(levels.energies, energies, atol=1e-12)
    spins = ((np.arange(len(energies))[:, None] >> np.arange(model.n_sites)) & 1) - 0.5
    for q in waves:
        exact = (np.abs(spins @ lattice.wave_vector(q)) ** 2 / model.n_sites) @ np.abs(vectors) ** 2
        row = thermal_rows(levels, [1.3])[0]
        weights = np.exp(-1.3 * (energies - energies[0]))
        ((found, _),) = row["structure_factor"].values()
        assert found == pytest.approx(exact @ weights / weights.sum(), abs=1e-12)


def test_a_rotating_frame_removes_the_moriya_coupling():
    """On an open chain a rotation by atan(D/J) per bond leaves an XXZ chain with sqrt(J^2 + D^2)."""
    lattice = lattices.build("chain", [6], "open")
    chain = build_model(lattice, kind="xyz", **NOTHING, cell_bonds_xyz=[(1, 0, 0, 0, *MOMENT)])
    j = np.hypot(1.0, 0.45)
    plain = build_model(lattice, couplings=[j], anisotropy=0.6 / j)
    np.testing.assert_allclose(diagonalize(chain, lattice).energies, diagonalize(plain, lattice).energies, atol=1e-12)


def test_a_directed_ring_has_no_reflections():
    """D along z has a direction: translations are left, reflections are not; with D = 0 there are both."""
    for numbers, order in ((MOMENT, 6), ([1.0, 0, 0, 0, 1.0, 0, 0, 0, 0.6], 12), (REAL, 6)):
        bonds = [(i, (i + 1) % 6, *numbers) for i in range(6)]
        ring = lattices.build("custom", (), "open", [(0, 1, 0.0)], n_sites=6)
        model = build_model(ring, kind="xyz", **NOTHING, bonds_xyz=bonds)
        assert len(automorphisms(model)) == len(site_symmetries(ring, model)) == order
        chain = lattices.build("chain", [6])
        of_cells = build_model(chain, kind="xyz", **NOTHING, cell_bonds_xyz=[(1, 0, 0, 0, *numbers)])
        assert len(site_symmetries(chain, of_cells)) == order
        for g in automorphisms(model):
            image = [sum(((state >> g[k]) & 1) << k for k in range(6)) for state in range(64)]
            matrix = to_sparse(model).toarray()
            np.testing.assert_allclose(matrix[np.ix_(image, image)], matrix, atol=1e-14)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("bonds_xyz = [[0, 9, 1.0, 1.0, 1.0]]", "bonds_xyz, entry 1, .* two different sites from 0 to 3"),
        ("bonds_xyz = [[1, 1, 1.0, 1.0, 1.0]]", "bonds_xyz, entry 1, .* two different sites from 0 to 3"),
        ("bonds_xyz = [[0, 1, 1.0, 1.0]]", "bonds_xyz.*Jx, Jy, Jz. or .i, j, Jxx, Jxy"),
        ("cell_bonds_xyz = [[1, 0, 0, 0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]]", "cell_bonds_xyz.*Jx, Jy, Jz. or .R1, R2"),
        ("site_fields_y = [0.1, 0.2]", "site_fields_y: 2 numbers; allowed are 1, for the spins of a cell, or 4"),
    ],
)
def test_entries_that_are_none_are_named(line, problem):
    text = f'[lattice]\nkind = "chain"\nlengths = [4]\n[model]\nkind = "xyz"\n{line}\n[thermal]\ntemperatures = [1.0]\n'
    with pytest.raises(SettingsError, match=problem):
        build(parse_settings(read_tables(text)))


def test_imaginary_time_of_complex_magnets_is_refused():
    from hpc_nqs.exact.imaginary_time import TimeCorrelations

    lattice = lattices.build("chain", [4])
    with pytest.raises(ValueError, match="real elements only"):
        TimeCorrelations(build_model(lattice, kind="xyz", **NOTHING, cell_bonds_xyz=[(1, 0, 0, 0, *MOMENT)]), lattice)


def test_a_wrong_bond_is_shown_as_it_was_given():
    lattice = lattices.build("chain", [6])
    bonds = [(1, 0, 0, 0, 0.0, 0.0, 1.0), (-1, 0, 0, 0, 0.5, 0.0, 0.0)]
    with pytest.raises(ValueError, match=r"cell_bonds_xyz, entry 2, \[-1, 0, 0, 0, 0.5, 0, 0\]: it repeats"):
        build_model(lattice, kind="xyz", cell_bonds_xyz=bonds)
