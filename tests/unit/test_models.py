"""Models: the flat arrays against matrices built from Kronecker products of spin matrices."""

import dataclasses
import functools

import numpy as np
import pytest

from hpc_nqs.hamiltonians import build_model
from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.hamiltonians.matrices import diagonal, spins_of, to_sparse
from hpc_nqs.lattices import lattice as lattices

# Rows and columns: s = -1, s = +1.
PAULI = {
    "x": np.array([[0, 1], [1, 0]], dtype=complex),
    "y": np.array([[0, 1j], [-1j, 0]]),
    "z": np.diag([-1.0, 1.0]).astype(complex),
}


def site_operator(n_sites, operators):
    """Kronecker product with `operators` {site: name}; site 0 is the lowest bit of the basis index."""
    factors = [PAULI[operators[i]] if i in operators else np.eye(2) for i in reversed(range(n_sites))]
    return functools.reduce(np.kron, factors)


def kronecker_heisenberg(lattice, couplings, anisotropy=1.0, field_z=0.0):
    matrix = np.zeros((2**lattice.n_sites,) * 2, dtype=complex)
    for shell, coupling in enumerate(couplings, start=1):
        for i, j in lattice.bonds(shell):
            for axis, factor in (("x", 1.0), ("y", 1.0), ("z", anisotropy)):
                matrix += coupling * factor / 4 * site_operator(lattice.n_sites, {i: axis, j: axis})
    for i in range(lattice.n_sites):
        matrix -= field_z / 2 * site_operator(lattice.n_sites, {i: "z"})
    return matrix


def kronecker_tfim(lattice, coupling, field, field_z=0.0):
    matrix = np.zeros((2**lattice.n_sites,) * 2, dtype=complex)
    for i, j in lattice.bonds(1):
        matrix -= coupling * site_operator(lattice.n_sites, {i: "z", j: "z"})
    for i in range(lattice.n_sites):
        matrix -= field * site_operator(lattice.n_sites, {i: "x"}) + field_z * site_operator(lattice.n_sites, {i: "z"})
    return matrix


@pytest.mark.parametrize(
    ("kind", "lengths", "boundary", "options"),
    [
        ("chain", [6], "periodic", {"couplings": [1.0]}),
        ("chain", [7], "periodic", {"couplings": [1.0, 0.4, -0.3], "anisotropy": 0.3, "field_z": 0.7}),
        ("ladder", [3, 2], "open", {"couplings": [-1.0, 0.4], "anisotropy": -1.2}),
        ("square", [2, 3], ["periodic", "open"], {"couplings": [1.0, 0.5], "field_z": -0.2}),
        ("triangular", [2, 3], "periodic", {"couplings": [1.0], "anisotropy": 0.0}),
        ("honeycomb", [2, 2], "periodic", {"couplings": [0.5, 0.25]}),
        ("kagome", [1, 2], "open", {"couplings": [1.0, 0.25]}),
    ],
)
def test_heisenberg_is_the_matrix_of_spin_operators(kind, lengths, boundary, options):
    lattice = lattices.build(kind, lengths, boundary)
    model = build_model(lattice, **options)
    np.testing.assert_allclose(to_sparse(model).toarray(), kronecker_heisenberg(lattice, **options), atol=1e-14)
    assert model.conserves_sz
    assert model.spin == 0.5
    assert model.spin_flip_symmetric == (options.get("field_z", 0.0) == 0)


@pytest.mark.parametrize(
    ("kind", "lengths", "options"),
    [
        ("chain", [6], {"coupling": 1.0, "field": 1.3}),
        ("square", [2, 3], {"coupling": -0.7, "field": 0.5, "field_z": 0.2}),
        ("kagome", [1, 2], {"coupling": 1.0, "field": -2.0}),
        ("chain", [5], {"coupling": 1.0, "field": 0.0}),
    ],
)
def test_tfim_is_the_matrix_of_pauli_operators(kind, lengths, options):
    lattice = lattices.build(kind, lengths, "open")
    model = build_model(lattice, kind="tfim", **options)
    np.testing.assert_allclose(to_sparse(model).toarray(), kronecker_tfim(lattice, **options), atol=1e-14)
    assert model.conserves_sz == (options["field"] == 0)
    assert model.spin == 1.0


def test_custom_bonds_take_shells_or_their_own_coupling():
    bonds = [(0, 1, 1), (1, 2, 2), (2, 3, -0.7), (0, 3, 0.0)]
    model = build_model(lattices.build("custom", bonds=bonds), couplings=[1.5, 0.5], anisotropy=2.0)
    assert model.exchange_sites.tolist() == [[0, 1], [1, 2], [2, 3]]
    assert model.exchange_shell.tolist() == [1, 2, 0]
    np.testing.assert_allclose(model.exchange_element, [0.75, 0.25, -0.35])
    np.testing.assert_allclose(model.pair_coupling, [0.75, 0.25, -0.35])
    ising = build_model(lattices.build("custom", bonds=[(0, 1, 1), (1, 2, -0.7)]), kind="tfim", coupling=2.0)
    np.testing.assert_allclose(ising.pair_coupling, [-2.0, 0.7])
    own = build_model(lattices.build("custom", bonds=[(0, 1, 3.0)]), couplings=[1.0])
    np.testing.assert_allclose(own.exchange_element, [1.5])


def test_zero_couplings_need_no_bonds():
    model = build_model(lattices.build("chain", [3]), couplings=[1.0, 0.0, 0.0], anisotropy=0.0)
    assert len(model.exchange_sites) == 3
    assert len(model.pair_sites) == 0


@pytest.mark.parametrize(
    ("lattice", "options", "message"),
    [
        (("chain", [3]), {"couplings": [1.0, 0.5]}, "coupling 0.5 of shell 2: lattice.lengths = .* second neighbours"),
        (("chain", [6]), {"couplings": []}, "1 to 3 couplings"),
        (("chain", [6]), {"couplings": [1, 1, 1, 1]}, "1 to 3 couplings"),
        (("chain", [6]), {"kind": "kitaev"}, "model.kind = 'kitaev': allowed are heisenberg, "),
        (("chain", [6]), {"field_z": np.inf}, "finite"),
        (("custom", (), "open", [(0, 1, 1), (1, 2, 2)]), {"couplings": [1.0]}, "custom bonds use shell 2"),
        (("custom", (), "open", [(0, 1, 1)]), {"couplings": [1.0, 0.5]}, "coupling 0.5 of shell 2: the custom lattice"),
    ],
)
def test_wrong_models_are_refused(lattice, options, message):
    with pytest.raises(ValueError, match=message):
        build_model(lattices.build(*lattice), **options)


def test_diagonal_of_configurations():
    lattice = lattices.build("chain", [5])
    model = build_model(lattice, couplings=[1.0, 0.5], anisotropy=0.7, field_z=0.3)
    spins = spins_of(np.arange(32), 5)
    assert spins.dtype == np.int8
    assert spins[1].tolist() == [1, -1, -1, -1, -1]
    np.testing.assert_allclose(diagonal(model, spins), to_sparse(model).diagonal(), atol=1e-14)


@pytest.mark.parametrize(
    ("kind", "lengths", "couplings", "negative"),
    [
        ("chain", [6], [1.0], True),
        ("chain", [6], [1.0, -0.5], True),
        ("chain", [6], [-1.0], True),
        ("chain", [8], [1.0, 0.5], False),
        ("square", [2, 4], [1.0], True),
        ("square", [2, 4], [1.0, 0.3], False),
        ("square", [2, 4], [0.2, 1.0], False),
        ("honeycomb", [2, 2], [1.0], True),
    ],
)
def test_marshall_rotation_keeps_the_spectrum(kind, lengths, couplings, negative):
    lattice = lattices.build(kind, lengths)
    model = build_model(lattice, couplings=couplings, anisotropy=0.8, field_z=0.1)
    rotated = marshall(model, lattice)
    assert rotated.sublattice.dtype == np.int8
    assert set(rotated.sublattice) <= {-1, 1}
    assert np.all(rotated.exchange_element < 0) == negative
    strongest = np.abs(model.exchange_element) == np.abs(model.exchange_element).max()
    assert np.all(rotated.exchange_element[strongest] < 0)
    expected, found = (np.linalg.eigvalsh(to_sparse(each).toarray()) for each in (model, rotated))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    # The rotation itself: e^{i pi sum_B Sz} up to a phase is diagonal with entries +1/-1.
    spins = spins_of(np.arange(2**lattice.n_sites), lattice.n_sites)
    signs = np.prod(np.where(rotated.sublattice < 0, spins, 1), axis=1)
    np.testing.assert_allclose(
        signs[:, None] * to_sparse(model).toarray() * signs, to_sparse(rotated).toarray(), atol=1e-14
    )


@pytest.mark.parametrize(("kind", "lengths"), [("chain", [5]), ("triangular", [3, 3]), ("kagome", [1, 2])])
def test_without_two_sublattices_nothing_is_rotated(kind, lengths):
    lattice = lattices.build(kind, lengths)
    model = build_model(lattice)
    assert marshall(model, lattice) is model
    ising = build_model(lattice, kind="tfim")
    assert marshall(ising, lattice) is ising


def test_equal_couplings_rotate_for_the_nearest_shell():
    lattice = lattices.build("square", [4, 4])
    rotated = marshall(build_model(lattice, couplings=[1.0, 1.0]), lattice)
    assert set(rotated.exchange_element[rotated.exchange_shell == 1]) == {-0.5}
    assert set(rotated.exchange_element[rotated.exchange_shell == 2]) == {0.5}
    with pytest.raises(ValueError, match="rotated already"):
        marshall(rotated, lattice)


@pytest.mark.parametrize(("lengths", "changes"), [([5], True), ([6], False)])
def test_the_sign_of_the_exchange_matters_exactly_where_it_is_frustrated(lengths, changes):
    model = build_model(lattices.build("chain", lengths))
    flipped = dataclasses.replace(model, exchange_element=-model.exchange_element)
    spectra = [np.linalg.eigvalsh(to_sparse(each).toarray()) for each in (model, flipped)]
    difference = np.abs(spectra[0] - spectra[1]).max()
    assert difference > 0.1 if changes else difference < 1e-12


def test_large_matrices_are_refused():
    with pytest.raises(ValueError, match="17 sites"):
        to_sparse(build_model(lattices.build("chain", [17])))


def test_arrays_are_read_only_and_contiguous():
    model = build_model(lattices.build("chain", [4]))
    for array in (model.pair_sites, model.exchange_sites, model.flip_sites):
        assert array.dtype == np.intp
        assert array.flags.c_contiguous
        assert not array.flags.writeable


@pytest.mark.parametrize(
    ("options", "largest"),
    [
        ({"kind": "heisenberg", "couplings": [1.0, -1.5]}, 1.5),
        ({"kind": "heisenberg", "couplings": [2.0], "anisotropy": 3.0}, 6.0),
        ({"kind": "heisenberg", "couplings": [2.0], "anisotropy": 0.5}, 2.0),
        ({"kind": "tfim", "coupling": 0.7, "field": -1.2}, 1.2),
        ({"kind": "tfim", "coupling": 1.7, "field": 0.2}, 1.7),
    ],
)
def test_the_largest_coupling_is_that_of_the_input(options, largest):
    """J max(1, abs(Delta)) of S_i.S_j, Gamma of sigma^x: the one unit of beta in both methods."""
    model = build_model(lattices.build("chain", [8]), **options)
    assert model.largest_coupling == pytest.approx(largest)
