"""Sums over pairs of sites against products with dense matrices."""

import numpy as np
import pytest

from hpc_nqs.kernels import class_sums as compiled
from hpc_nqs.kernels.reference import matrices
from hpc_nqs.observables.pair_classes import PairClasses


@pytest.mark.parametrize("n_samples", [1, 8, 13])
def test_sums_are_those_of_dense_matrices(n_samples):
    """Both orders of a pair count, classes may be empty, several products add, and no row is mixed with another."""
    stream = np.random.default_rng(n_samples)
    classes = [np.triu(stream.random((5, 5)) < share, 1) for share in (0.5, 0.0, 0.9)]
    found = PairClasses.of(classes, 5)
    x, y, z = stream.standard_normal((3, n_samples, 5))
    expected = [np.einsum("ni,ij,nj->n", x, c, y) + np.einsum("ni,ij,nj->n", y, c, x) for c in classes]
    np.testing.assert_allclose(found.sums((x, y)), np.transpose(expected), atol=1e-13)
    twice = [2 * np.einsum("ni,ij,nj->n", z, c, z) for c in classes]
    both = found.sums((x, y), (z, z))
    np.testing.assert_allclose(both, np.transpose(expected) + np.transpose(twice), atol=1e-13)
    assert found.sizes.tolist() == [c.sum() for c in classes]


def test_compiled_and_twin_agree():
    stream = np.random.default_rng(7)
    found = PairClasses.of([np.triu(stream.random((6, 6)) < 0.5, 1) for _ in range(3)], 6)
    x, y, rooms = stream.standard_normal((11, 6)), stream.standard_normal((11, 6)), np.empty((2, 6, compiled.N_LANES))
    results = np.ones((2, 11, 3))
    for module, out in zip((compiled, matrices), results, strict=True):
        module.class_sums(x, y, found.pairs, found.starts, *rooms, out)
    np.testing.assert_allclose(*results, atol=1e-13)


def test_no_classes():
    assert PairClasses.of([], 3).sums((np.ones((4, 3)), np.ones((4, 3)))).shape == (4, 0)
