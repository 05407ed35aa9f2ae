"""Models of electrons: the flat arrays against matrices of creation operators built from Kronecker products."""

import functools

import numpy as np
import pytest

from hpc_nqs.hamiltonians.electron_matrices import to_sparse
from hpc_nqs.hamiltonians.electron_model import ElectronModel
from hpc_nqs.hamiltonians.hubbard import Hubbard
from hpc_nqs.lattices import lattice as lattices


def creators(n):
    """Return the creation operators of n units: c+_p c+_q ... |0> in ascending order is the basis state, bit p."""
    create, sign = np.array([[0.0, 0.0], [1.0, 0.0]]), np.diag([1.0, -1.0])
    found = []
    for p in range(n):
        factors = [sign] * p + [create] + [np.eye(2)] * (n - p - 1)
        found.append(functools.reduce(np.kron, reversed(factors)))  # unit 0 is the lowest bit
    return found


def hubbard_matrix(lattice, hopping=(1.0,), U=0.0, V=0.0, field_z=0.0, mu=0.0):  # noqa: N803, letters of the formula
    n = lattice.n_sites
    c = creators(2 * n)
    up, down = ([operator @ operator.T for operator in c[first : first + n]] for first in (0, n))
    matrix = np.zeros((4**n, 4**n))
    for shell, t in enumerate(hopping, start=1):
        for i, j in lattice.bonds(shell) if t else []:
            for a, b in ((i, j), (n + i, n + j)):
                matrix -= t * (c[a] @ c[b].T + c[b] @ c[a].T)
    for i in range(n):
        matrix += U * up[i] @ down[i] - mu * (up[i] + down[i]) - field_z * (up[i] - down[i]) / 2
    for i, j in lattice.bonds(1):
        matrix += V * (up[i] + down[i]) @ (up[j] + down[j])
    return matrix


def test_creators_anticommute():
    c = creators(3)
    for p in range(3):
        for q in range(3):
            np.testing.assert_array_equal(c[p] @ c[q].T + c[q].T @ c[p], np.eye(8) * (p == q))
            np.testing.assert_array_equal(c[p] @ c[q] + c[q] @ c[p], 0)
    assert (c[0] @ c[2])[0b101, 0] == 1  # the order of the basis states


@pytest.mark.parametrize(
    ("kind", "lengths", "boundary", "options"),
    [
        ("chain", [2], "open", {"U": 3.0}),
        ("chain", [3], "periodic", {"hopping": [1.3], "U": 4.0, "V": 0.7, "field_z": 0.3, "mu": 1.1}),
        ("chain", [4], "periodic", {"hopping": [1.0, -0.3], "U": 4.0, "mu": 2.0}),
        ("square", [2, 2], "open", {"hopping": [0.0, 0.5], "U": -2.0, "V": 0.5, "mu": -0.4, "field_z": -1.0}),
    ],
)
def test_hubbard_is_the_matrix_of_creation_operators(kind, lengths, boundary, options):
    lattice = lattices.build(kind, lengths, boundary)
    model = Hubbard.build(lattice, **{"mu": 0.0} | options)
    np.testing.assert_allclose(to_sparse(model).toarray(), hubbard_matrix(lattice, **options), atol=1e-13)
    assert model.n_sites == 2 * lattice.n_sites
    assert model.exchange_shell.tolist() == model.exchange_shell.reshape(2, -1)[0].tolist() * 2


def test_a_canonical_model_has_no_chemical_potential():
    lattice = lattices.build("chain", [3])
    model = Hubbard.build(lattice, U=2.0, n_up=2, n_down=1)
    assert (model.n_up, model.n_down, model.mu, model.is_canonical) == (2, 1, None, True)
    np.testing.assert_allclose(to_sparse(model).toarray(), hubbard_matrix(lattice, U=2.0), atol=1e-13)


def test_hops_of_one_spin_and_pairs_of_hops_have_the_sign_of_the_order():
    rng = np.random.default_rng(3)
    hops = np.array([[0, 2], [1, 2], [0, 1]]), rng.normal(size=3), np.array([1, 2, 0])
    hop2 = np.array([[0, 2, 1, 0], [0, 1, 0, 1], [1, 2, 2, 0]]), rng.normal(size=3)
    repulsions = np.array([[0, 3], [1, 5], [5, 1], [2, 0]]), rng.normal(size=4)
    energies = rng.normal(size=3)
    filling = {"mu": 0.4}
    model = ElectronModel.of_terms("test", 3, 1, filling, energies, repulsions, hops, hop2, field_z=0.7)
    c = creators(6)
    n = [operator @ operator.T for operator in c]
    kinetic = [[c[p] @ c[q].T + c[q] @ c[p].T for q in range(6)] for p in range(6)]
    expected = sum((energies[p % 3] - 0.4 - (0.35 if p < 3 else -0.35)) * n[p] for p in range(6))
    expected = expected + sum(v * n[p] @ n[q] for (p, q), v in zip(*repulsions, strict=True))
    for (a, b), element, _ in zip(*hops, strict=True):
        expected = expected + element * (kinetic[a][b] + kinetic[a + 3][b + 3])
    for (a, b, e, f), element in zip(*hop2, strict=True):
        expected = expected + element * kinetic[a][b] @ kinetic[e + 3][f + 3]
    np.testing.assert_allclose(to_sparse(model).toarray(), expected, atol=1e-13)
    assert model.pair_sites.tolist() == [[0, 2], [0, 3], [1, 5]]


@pytest.mark.parametrize(
    ("filling", "message"),
    [
        ({}, "model: no filling; allowed are n_up and n_down together, or mu alone"),
        ({"n_up": 1}, "model: n_up = 1; allowed are"),
        ({"n_up": 1, "n_down": 1, "mu": 0.5}, "model: n_up = 1, n_down = 1, mu = 0.5; allowed are"),
        ({"n_up": 4, "n_down": 1}, "model.n_up = 4: this lattice has 3 orbitals; allowed is 0 to 3"),
        ({"n_up": 1, "n_down": -1}, "model.n_down = -1: this lattice has 3 orbitals"),
    ],
)
def test_wrong_fillings_are_refused(filling, message):
    with pytest.raises(ValueError, match=message):
        Hubbard.build(lattices.build("chain", [3]), U=1.0, **filling)


def test_the_unit_of_beta_leaves_out_what_a_canonical_ensemble_does_not_see():
    lattice = lattices.build("chain", [4])
    canonical = Hubbard.build(lattice, U=2.0, n_up=2, n_down=1, field_z=50.0)
    assert canonical.largest_coupling == 2.0
    assert canonical.energy_scale == 2.0
    assert Hubbard.build(lattice, U=2.0, mu=1.0, field_z=50.0).energy_scale == 25.0
    assert Hubbard.build(lattice, U=2.0, mu=1.0).spin_exchange_symmetric
    assert not Hubbard.build(lattice, U=2.0, mu=1.0, field_z=0.1).spin_exchange_symmetric
    assert not canonical.spin_exchange_symmetric
