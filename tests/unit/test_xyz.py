"""XYZ magnets: against Kronecker products of spin matrices, and levels against all of them at once."""

import functools

import numpy as np
import pytest

from hpc_nqs.exact.diagonalization import diagonalize, thermal_rows
from hpc_nqs.hamiltonians import build_model
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.settings.parsing import SettingsError, parse_settings
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


def test_runs_are_refused_by_name():
    settings = parse_settings(
        {
            "lattice": {"kind": "chain", "lengths": [4]},
            "model": {"kind": "xyz"},
            "thermal": {"temperatures": [1.0]},
        }
    )
    with pytest.raises(SettingsError, match='model.kind = "xyz": runs of magnets are available for "heisenberg"'):
        plan(settings)


def test_a_wrong_bond_is_shown_as_it_was_given():
    lattice = lattices.build("chain", [6])
    bonds = [(1, 0, 0, 0, 0.0, 0.0, 1.0), (-1, 0, 0, 0, 0.5, 0.0, 0.0)]
    with pytest.raises(ValueError, match=r"cell_bonds_xyz, entry 2, \[-1, 0, 0, 0, 0.5, 0, 0\]: it repeats"):
        build_model(lattice, kind="xyz", cell_bonds_xyz=bonds)
