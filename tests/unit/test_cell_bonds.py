"""Couplings by direction and fields by site: against Kronecker products of spin matrices, and in short coolings."""

import numpy as np
import pytest

from hpc_nqs.exact.diagonalization import diagonalize, thermal_rows
from hpc_nqs.hamiltonians import build_model
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.symmetry.site_permutations import site_symmetries

SPIN = {"x": np.array([[0, 1], [1, 0]]) / 2, "y": np.array([[0, 1j], [-1j, 0]]) / 2, "z": np.diag([-0.5, 0.5])}


def spin_operator(n_sites, axis, *sites):
    """Return the product of S^axis of `sites`; site 0 is the lowest bit of the basis index, set where Sz = 1/2."""
    matrix = np.eye(1)
    for i in reversed(range(n_sites)):
        matrix = np.kron(matrix, SPIN[axis] if i in sites else np.eye(2))
    return matrix


def written_out(n_sites, bonds, fields, anisotropy=1.0):
    """Return H from lists of (i, j, J) and of h_i."""
    matrix = np.zeros((2**n_sites,) * 2, dtype=complex)
    for i, j, strength in bonds:
        for axis, factor in (("x", 1.0), ("y", 1.0), ("z", anisotropy)):
            matrix += strength * factor * spin_operator(n_sites, axis, i, j)
    for i, field in enumerate(fields):
        matrix -= field * spin_operator(n_sites, "z", i)
    return matrix


LEGS = [(0, 1, 1.0), (1, 2, 1.0), (0, 2, 1.0), (3, 4, 1.0), (4, 5, 1.0), (3, 5, 1.0)]


@pytest.mark.parametrize(
    ("lattice", "options", "bonds", "fields"),
    [
        (
            ("ladder", [3, 2]),
            {"couplings": [0.0], "cell_bonds": [(1, 0, 0, 0, 1.0), (0, 1, 0, 0, 0.3)]},
            [*LEGS, (0, 3, 0.3), (1, 4, 0.3), (2, 5, 0.3)],
            [0.0] * 6,
        ),
        (  # added to the coupling of a shell, and a diagonal in one direction only
            ("square", [3, 2], "open"),
            {"couplings": [1.0], "cell_bonds": [(-1, 0, 0, 0, 0.5), (1, 1, 0, 0, -0.7)], "anisotropy": 0.4},
            [(0, 1, 1.5), (1, 2, 1.5), (3, 4, 1.5), (4, 5, 1.5), (0, 3, 1), (1, 4, 1), (2, 5, 1), (0, 4, -0.7),
             (1, 5, -0.7)],
            [0.0] * 6,
        ),
        (  # three kinds of bonds of a honeycomb lattice, by name of the spins of a cell
            ("honeycomb", [3, 1], "open"),
            {"couplings": [0.0], "cell_bonds": [(0, 0, 0, 1, 1.0), (1, 0, 1, 0, 2.0)], "site_fields": [0.2, -0.1]},
            [(0, 1, 1.0), (2, 3, 1.0), (4, 5, 1.0), (1, 2, 2.0), (3, 4, 2.0)],
            [0.2, -0.1] * 3,
        ),
        (  # both ends of a ring of two reach the same spin: twice the coupling
            ("chain", [4]),
            {"couplings": [0.0], "cell_bonds": [(2, 0, 0, 0, 0.6)], "field_staggered": 0.3, "field_z": 0.1},
            [(0, 2, 1.2), (1, 3, 1.2)],
            [0.4, -0.2, 0.4, -0.2],
        ),
        (
            ("custom", (), "open", [(0, 1, 1.0), (1, 2, -0.5), (2, 3, 0.8)]),
            {"site_fields": [0.1, 0.2, 0.3, 0.4], "field_staggered": -0.5},
            [(0, 1, 1.0), (1, 2, -0.5), (2, 3, 0.8)],
            [-0.4, 0.7, -0.2, 0.9],
        ),
    ],
    ids=["ladder", "added", "honeycomb", "twice", "custom"],
)
def test_the_matrix_is_that_of_the_bonds_and_fields_written_out(lattice, options, bonds, fields):
    model = build_model(lattices.build(*lattice), **options)
    expected = written_out(model.n_sites, bonds, fields, options.get("anisotropy", 1.0))
    np.testing.assert_allclose(to_sparse(model).toarray(), expected, atol=1e-14)


def test_symmetries_are_those_of_the_directions():
    """4x2: as many with Jx != Jy as a rectangle has, fewer in a staggered field, and the same levels without them."""
    lattice = lattices.build("square", [4, 2], "open")
    options = {"couplings": [0.0], "cell_bonds": [(1, 0, 0, 0, 1.0), (0, 1, 0, 0, 0.3)]}
    plain, staggered = build_model(lattice, **options), build_model(lattice, **options, field_staggered=0.4)
    assert [len(site_symmetries(lattice, model)) for model in (plain, staggered)] == [4, 2]
    levels = diagonalize(staggered, lattice).energies
    np.testing.assert_allclose(levels, np.linalg.eigvalsh(to_sparse(staggered).toarray()), atol=1e-12)


@pytest.mark.parametrize(
    ("lattice", "options", "message"),
    [
        (("custom", (), "open", [(0, 1, 1)]), {"cell_bonds": [(1, 0, 0, 0, 1.0)]}, "a custom lattice has no cells"),
        (("chain", [6]), {"cell_bonds": [(1, 0, 0, 1, 1.0)]}, "entry 1, .1, 0, 0, 1, 1.: the spins .* the number 0"),
        (("kagome", [2, 2]), {"cell_bonds": [(1, 0, 0, 3, 1.0)]}, "the spins of a cell are numbered from 0 to 2"),
        (("chain", [6]), {"cell_bonds": [(1, 0, 0, 0, 1.0), (-1, 0, 0, 0, 2.0)]}, "entry 2, .* repeats an earlier"),
        (("chain", [6]), {"cell_bonds": [(6, 0, 0, 0, 1.0)]}, "couples a spin with itself"),
        (("chain", [6], "open"), {"cell_bonds": [(7, 0, 0, 0, 1.0)]}, "reaches no spin"),
        (("chain", [6], "open"), {"cell_bonds": [(0, 1, 0, 0, 1.0)]}, "reaches no spin"),
        (("triangular", [3, 3]), {"field_staggered": 0.1}, "field_staggered = 0.1: .* do not form two sublattices"),
        (("honeycomb", [2, 2]), {"site_fields": [0.1] * 3}, "3 numbers; allowed are 2, for the spins of a cell, or 8"),
        (("custom", (), "open", [(0, 1, 1)]), {"site_fields": [0.1]}, "1 numbers; allowed are 2, one for every site"),
    ],
)
def test_wrong_bonds_and_fields_are_refused(lattice, options, message):
    with pytest.raises(ValueError, match=message):
        build_model(lattices.build(*lattice), **options)


@pytest.mark.parametrize(
    ("kind", "lengths", "model", "limits"),
    [
        ("ladder", [3, 2], {"couplings": [0.0], "cell_bonds": [(1, 0, 0, 0, 1.0), (0, 1, 0, 0, 0.5)]}, (2e-5, 5e-4)),
        ("chain", [6], {"field_staggered": 0.4, "site_fields": [0.1, 0, 0, 0.2, 0, 0]}, (2e-5, 5e-4)),
    ],
    ids=["by_direction", "fields"],
)
def test_coolings_agree_with_all_levels(kind, lengths, model, limits, tmp_path):
    """Energies at T = 2 and 1 with all configurations summed; five times what was measured."""
    import hpc_nqs

    settings = hpc_nqs.make_input(
        lattice={"kind": kind, "lengths": lengths},
        model={"kind": "heisenberg"} | model,
        thermal={"temperatures": [2.0, 1.0]},
    )
    run = hpc_nqs.run(settings, tmp_path / "cooled.h5")
    lattice = lattices.build(kind, lengths)
    exact = thermal_rows(diagonalize(build_model(lattice, **model), lattice), [0.5, 1.0])
    errors = np.abs(np.asarray(run["energy"]) - [row["energy"] for row in exact])
    assert np.all(errors < limits), errors
    if "site_fields" in model:
        np.testing.assert_allclose(run["m"], [row["magnetization"] for row in exact], atol=limits[1])
        assert exact[1]["magnetization"] > 0.005


@pytest.mark.parametrize("field", [{"field_staggered": 0.3}, {"site_fields": [0.1, 0.0, 0.2, 0.0]}])
def test_world_lines_between_gates_do_not_take_fields_that_differ(field):
    """They hold the field at a single time, right for one that commutes with H alone: e was off by 0.03 at T = 1."""
    import hpc_nqs
    from hpc_nqs.thermal.advice import advice

    def made(method, model, **thermal):
        return hpc_nqs.make_input(
            lattice={"kind": "chain", "lengths": [4]},
            model={"kind": "heisenberg"} | model,
            thermal={"method": method, "temperatures": [2.0]} | thermal,
        )

    with pytest.raises(hpc_nqs.SettingsError, match="world lines between Trotter gates have one field"):
        made("analytic", field, dtau=[0.1])
    made("analytic", field)
    made("analytic", {"site_fields": [0.1] * 4}, dtau=[0.1])
    assert "no variational error here" in advice(made("numerical", field))[0]
