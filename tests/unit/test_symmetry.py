"""Symmetry groups: known orders, every element checked against the matrix of H, wrong elements rejected."""

import dataclasses
import itertools

import numpy as np
import pytest

from hpc_nqs.hamiltonians import build_model
from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.symmetry import site_permutations as symmetry


def lattice_and_model(geometry, lengths, boundary="periodic", **options):
    lattice = lattices.build(geometry, lengths, boundary)
    return lattice, build_model(lattice, **options)


def permute_states(permutation, n_sites):
    """Basis indices of g x for all x, written with strings of bits instead of shifts."""
    words = [format(state, f"0{n_sites}b")[::-1] for state in range(2**n_sites)]
    return np.array([int("".join(word[i] for i in permutation)[::-1], 2) for word in words])


@pytest.mark.parametrize(
    ("kind", "lengths", "boundary", "order"),
    [
        *[("chain", [length], "periodic", 2 * length) for length in (3, 4, 7, 8)],
        ("chain", [6], "open", 2),
        *[("square", [length] * 2, "periodic", 8 * length**2) for length in (3, 4, 5, 6)],
        ("square", [4, 6], "periodic", 4 * 24),
        ("square", [4, 4], "open", 8),
        ("square", [4, 4], ["periodic", "open"], 16),
        ("square", [3, 5], "open", 4),
        *[("triangular", [length] * 2, "periodic", 12 * length**2) for length in (3, 4, 5)],
        ("triangular", [3, 3], "open", 4),
        *[("honeycomb", [length] * 2, "periodic", 12 * length**2) for length in (3, 4)],
        *[("kagome", [length] * 2, "periodic", 12 * length**2) for length in (3, 4)],
        ("ladder", [6, 2], "periodic", 4 * 6),
        ("ladder", [5, 3], "periodic", 4 * 5),
        ("ladder", [4, 2], "open", 4),
    ],
)
def test_orders_of_space_groups(kind, lengths, boundary, order):
    lattice, model = lattice_and_model(kind, lengths, boundary)
    group = symmetry.site_symmetries(lattice, model)
    assert group.shape == (order, lattice.n_sites)
    assert group.dtype == np.intp
    np.testing.assert_array_equal(group[0], np.arange(lattice.n_sites))
    assert len(np.unique(group, axis=0)) == order


def test_the_group_of_4x4_j1_j2_is_geometric():
    # Without J2 the 4x4 torus is a four-dimensional hypercube with 384 automorphisms.
    lattice, model = lattice_and_model("square", [4, 4], couplings=[1.0, 0.5])
    assert len(symmetry.site_symmetries(lattice, model)) == 128
    assert len(symmetry.site_symmetries(lattice, model, ["translation"])) == 16
    assert len(symmetry.site_symmetries(lattice, model, ["point_group"])) == 8
    assert len(symmetry.site_symmetries(lattice, model, [])) == 1
    assert len(symmetry.automorphisms(build_model(lattice))) == 384
    assert len(symmetry.site_symmetries(lattice, marshall(model, lattice))) == 128


@pytest.mark.parametrize(
    ("kind", "lengths", "options"),
    [
        ("chain", [6], {"couplings": [1.0, 0.5], "field_z": 0.3}),
        ("chain", [7], {"kind": "tfim", "field": 0.7, "field_z": 0.1}),
        ("square", [3, 3], {"couplings": [1.0, 0.5], "anisotropy": 0.4}),
        ("triangular", [3, 3], {}),
        ("kagome", [1, 3], {}),
        ("honeycomb", [2, 2], {"couplings": [1.0, 0.3]}),
        ("ladder", [4, 2], {"couplings": [1.0, 0.3]}),
    ],
)
@pytest.mark.parametrize("rotate", [False, True])
def test_every_element_commutes_with_the_matrix(kind, lengths, options, rotate):
    lattice, model = lattice_and_model(kind, lengths, **options)
    model = marshall(model, lattice) if rotate else model
    matrix = to_sparse(model).toarray()
    group = symmetry.site_symmetries(lattice, model)
    assert len(group) > 1
    for permutation in group:
        images = permute_states(permutation, lattice.n_sites)
        np.testing.assert_allclose(matrix[np.ix_(images, images)], matrix, atol=1e-14)


@pytest.mark.parametrize("change", ["exchange", "pair", "field", "flip"])
def test_each_kind_of_term_is_verified(change):
    lattice, model = lattice_and_model("chain", [6])
    shift = np.roll(np.arange(6), -1)
    assert symmetry.is_symmetry(shift, model)
    first = np.array([0.1, 0, 0, 0, 0, 0])
    changed = {
        "exchange": {"exchange_element": model.exchange_element + first},
        "pair": {"pair_coupling": model.pair_coupling + first},
        "field": {"site_field": first},
        "flip": {"flip_sites": np.array([0]), "flip_element": first[:1]},
    }[change]
    broken = dataclasses.replace(model, **changed)
    assert not symmetry.is_symmetry(shift, broken)
    with pytest.raises(ValueError, match="element 1 of the group, .* does not map the couplings onto themselves"):
        symmetry.verify([np.arange(6), shift], broken)
    assert len(symmetry.translations(lattice, broken)) == 1
    # What is left is the reflection that keeps the changed site or bond.
    assert len(symmetry.site_symmetries(lattice, broken)) == 2


def test_staggered_terms_leave_translations_by_two():
    lattice, model = lattice_and_model("chain", [8])
    staggered = dataclasses.replace(model, site_field=0.1 * (-1.0) ** np.arange(8))
    np.testing.assert_array_equal(symmetry.translations(lattice, staggered)[:, 0], [0, 2, 4, 6])
    assert len(symmetry.site_symmetries(lattice, staggered)) == 8
    symmetry.verify(symmetry.site_symmetries(lattice, staggered), staggered)


def test_what_is_no_permutation_is_no_symmetry():
    _, model = lattice_and_model("chain", [4])
    assert not symmetry.is_symmetry([0, 0, 1, 1], model)
    assert not symmetry.is_symmetry([0, 1, 2], model)
    assert not symmetry.is_symmetry([1, 0, 2, 3], model)
    with pytest.raises(ValueError, match="not a permutation"):
        symmetry.closure([[0, 0, 1]])


@pytest.mark.parametrize("seed", range(6))
def test_closure_is_the_group_that_products_reach(seed):
    stream = np.random.default_rng(seed)
    generators = [stream.permutation(5) for _ in range(2)]
    generators[0] = np.array([1, 0, 2, 3, 4]) if seed % 2 else generators[0]
    reached = {tuple(range(5))}
    while True:
        more = {tuple(h[i] for i in g) for h in reached for g in generators} | reached
        if more == reached:
            break
        reached = more
    group = symmetry.closure(generators)
    assert [tuple(row) for row in group.tolist()] == sorted(reached)
    if len(reached) > 2:
        with pytest.raises(ValueError, match="more than 2 elements"):
            symmetry.closure(generators, max_order=2)


def test_composition_acts_from_the_right():
    stream = np.random.default_rng(1)
    g, h, x = stream.permutation(6), stream.permutation(6), stream.standard_normal(6)
    np.testing.assert_array_equal(x[symmetry.compose(g, h)], x[h][g])
    np.testing.assert_array_equal(x[symmetry.compose(g, symmetry.inverse(g))], x)


def test_stabilizers():
    lattice, model = lattice_and_model("square", [4, 4])
    group = symmetry.site_symmetries(lattice, model)
    one_site = symmetry.stabilizer(group, np.arange(16) == 5)
    assert len(one_site) == 8
    assert np.all(one_site[:, 5] == 5)
    checkerboard = np.sum(lattice.positions, axis=1) % 2
    assert len(symmetry.stabilizer(group, checkerboard)) == 64
    assert len(symmetry.stabilizer(group, np.random.default_rng(1).standard_normal(16))) == 1


@pytest.mark.parametrize(
    ("bonds", "couplings", "order"),
    [
        ([(0, 1, 1), (1, 2, 1), (2, 0, 1)], [1.0], 6),
        ([(0, 1, 1), (1, 2, 1), (2, 0, 0.5)], [1.0], 2),
        ([(0, 1, 1), (0, 2, 1), (0, 3, 1)], [1.0], 6),
        ([(0, 1, 1), (2, 3, 1)], [1.0], 8),
        ([(i, i + 1, 1) for i in range(4)], [1.0], 2),
        ([(i, (i + 1) % 8, 1) for i in range(8)] + [(i, (i + 2) % 8, 2) for i in range(8)], [1.0, 0.5], 16),
    ],
)
def test_automorphisms_of_custom_lattices(bonds, couplings, order):
    lattice = lattices.build("custom", bonds=bonds)
    model = build_model(lattice, couplings=couplings)
    group = symmetry.site_symmetries(lattice, model)
    assert len(group) == order
    symmetry.verify(group, model)
    if lattice.n_sites <= 5:
        every = [p for p in itertools.permutations(range(lattice.n_sites)) if symmetry.is_symmetry(p, model)]
        assert sorted(every) == [tuple(row) for row in group.tolist()]
    assert len(symmetry.translations(lattice, model)) == 1


def test_too_many_automorphisms_leave_the_identity():
    bonds = [(i, j, 1) for i in range(6) for j in range(i)]
    model = build_model(lattices.build("custom", bonds=bonds))
    assert len(symmetry.automorphisms(model)) == 720
    assert symmetry.automorphisms(model, max_order=719).tolist() == [list(range(6))]


def test_wrong_requests_are_refused():
    lattice, model = lattice_and_model("chain", [4])
    with pytest.raises(ValueError, match="'rotation'.*: allowed are translation, point_group"):
        symmetry.site_symmetries(lattice, model, ["rotation"])
    with pytest.raises(ValueError, match="lattice of 5 sites, model of 4"):
        symmetry.site_symmetries(lattices.build("chain", [5]), model)
