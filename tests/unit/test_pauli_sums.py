"""Sums of products of Pauli matrices against dense matrices made by Kronecker products."""

import functools
import itertools

import numpy as np
import pytest

from hpc_nqs.hamiltonians import build_model
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.observables import pauli_sums
from hpc_nqs.observables.pauli_sums import PauliSum
from hpc_nqs.observables.site_operators import OperatorArrays
from hpc_nqs.symmetry.signed_permutations import SignedPermutations

N = 4
# in the basis (down, up): bit i of a state is set where spin i is up
X, Y, Z = np.array([[0, 1], [1, 0]]) / 2, np.array([[0, 1j], [-1j, 0]]) / 2, np.diag([-0.5, 0.5])
ONE = {"x": X, "y": Y, "z": Z, "+": X + 1j * Y, "-": X - 1j * Y}


def dense(sites, letters, n=N):
    """Return a product of spin operators, (2^n, 2^n); the last site is the highest bit."""
    at = dict(zip(sites, letters, strict=True))
    return functools.reduce(np.kron, [ONE[at[i]] if i in at else np.eye(2) for i in reversed(range(n))])


def matrix(operator, n=N):
    """Return a `PauliSum` between all states, (2^n, 2^n)."""
    return OperatorArrays([operator], n).matrices(np.arange(2**n), conserves_sz=False)[0].toarray()


def test_spin_operators_are_those_of_the_textbook():
    assert np.allclose(X @ Y - Y @ X, 1j * Z)
    assert ONE["+"][1, 0] == 1, "raises"


@pytest.mark.parametrize("letters", ["x", "y", "z", "+", "-", "xy", "+-", "zyx", "y+-z"])
def test_products(letters):
    sites = (2, 0, 3, 1)[: len(letters)]
    found = matrix(PauliSum.product(sites, letters, 1.5 - 0.5j))
    np.testing.assert_allclose(found, (1.5 - 0.5j) * dense(sites, letters), atol=1e-15)


def test_products_of_operators_on_the_same_sites():
    for a, b in itertools.product("xyz+-", repeat=2):
        found = matrix(PauliSum.product((1,), a) @ PauliSum.product((1,), b))
        np.testing.assert_allclose(found, dense((1,), a) @ dense((1,), b), atol=1e-15)
    first = PauliSum.product((0, 1), "y+", 2.0)
    second = PauliSum.product((1, 2), "xz") + PauliSum.product((0,), "-", 1j)
    wanted = matrix(first) @ matrix(second)
    np.testing.assert_allclose(matrix(first @ second), wanted, atol=1e-15)


def test_scalar_and_triple_products():
    s = {i: [dense((i,), a) for a in "xyz"] for i in range(3)}
    wanted = sum(s[0][k] @ s[1][k] for k in range(3))
    np.testing.assert_allclose(matrix(pauli_sums.dot(0, 1)), wanted, atol=1e-15)
    cross = [s[1][1] @ s[2][2] - s[1][2] @ s[2][1], s[1][2] @ s[2][0] - s[1][0] @ s[2][2],
             s[1][0] @ s[2][1] - s[1][1] @ s[2][0]]
    chirality = sum(a @ b for a, b in zip(s[0], cross, strict=True))
    np.testing.assert_allclose(matrix(pauli_sums.triple(0, 1, 2)), chirality, atol=1e-15)
    values = np.unique(np.round(np.linalg.eigvalsh(chirality), 12))
    np.testing.assert_allclose(values, [-np.sqrt(3) / 4, 0, np.sqrt(3) / 4], atol=1e-12)


def test_parts():
    rng = np.random.default_rng(1)
    operator = sum((PauliSum.product((0, 2, 3), letters, complex(*rng.standard_normal(2)))
                    for letters in ("xyz", "zzy", "+-x", "zxx")), PauliSum())
    full, flip = matrix(operator), np.fliplr(np.eye(2**N))
    np.testing.assert_allclose(matrix(operator.hermitian()), (full + full.conj().T) / 2, atol=1e-15)
    np.testing.assert_allclose(matrix(operator.real()), (full + full.conj()) / 2, atol=1e-15)
    np.testing.assert_allclose(matrix(operator.flip_symmetric()), (full + flip @ full @ flip) / 2, atol=1e-15)
    signs = np.array([1, -1, -1, 1])
    turn = np.diag([np.prod(signs[[i for i in range(N) if state >> i & 1]]) for state in range(2**N)])
    np.testing.assert_allclose(matrix(operator.rotated(signs)), turn @ full @ turn, atol=1e-15)


def test_means_over_a_group():
    """(g x)_i = sign x[source_i]: the mean over g of <g x|O|g y>."""
    operator = PauliSum.product((0, 1), "+z", 0.7) + PauliSum.product((2,), "y")
    turns = SignedPermutations(np.array([np.roll(np.arange(N), k) for k in range(N)])).with_negated()
    full, found = matrix(operator), np.zeros((2**N, 2**N), dtype=complex)
    states = np.arange(2**N, dtype=np.int64)
    for images in turns.apply_to_codes(states):
        found += full[np.ix_(images, images)] / len(turns)
    np.testing.assert_allclose(matrix(operator.averaged(turns)), found, atol=1e-15)


@pytest.mark.parametrize(
    "keywords",
    [
        {"kind": "heisenberg", "couplings": [1.0, 0.5], "anisotropy": 0.7, "field_z": 0.3},
        {"kind": "tfim", "field": 0.7, "field_z": -0.2},
        {"kind": "xyz", "couplings_y": [0.4], "couplings_z": [-0.3], "field_x": 0.2, "field_y": 0.5,
         "bonds_xyz": [(0, 1, 0.0, 0.3, 0.1, -0.3, 0.0, 0.2, 0.5, 0.0, 0.0)]},
    ],
)
def test_models(keywords):
    model = build_model(lattices.build("chain", [6]), **keywords)
    np.testing.assert_allclose(matrix(pauli_sums.of_model(model), 6), to_sparse(model).toarray(), atol=1e-15)
