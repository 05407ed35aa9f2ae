"""Repulsion and exchange between orbitals of any cells: the models against matrices of creation operators."""

import numpy as np
import pytest

from hpc_nqs.exact import electrons
from hpc_nqs.hamiltonians import Hubbard, Kanamori
from hpc_nqs.hamiltonians.electron_matrices import to_sparse
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.settings.parsing import SettingsError, parse_settings
from hpc_nqs.symmetry.site_permutations import site_symmetries


def exchange_matrix(c, i, j, strength, flips=True):
    """J [-n_iu n_ju - n_id n_jd + spin flip + pair hopping] as the four products of RESPACK's Hamiltonian.

    Parameters
    ----------
    c : list of 2 M matrices
        Creation operators: spin up, then spin down.
    """
    m = len(c) // 2
    (iu, ju), (i_d, j_d) = ((c[i], c[j]), (c[m + i], c[m + j]))
    number = [[x @ x.T for x in pair] for pair in ((iu, ju), (i_d, j_d))]
    matrix = -(number[0][0] @ number[0][1] + number[1][0] @ number[1][1])
    if flips:
        spin_flip = iu @ j_d @ i_d.T @ ju.T  # c+_iu c+_jd c_id c_ju
        pair_hop = iu @ i_d @ j_d.T @ ju.T  # c+_iu c+_id c_jd c_ju
        matrix = matrix + spin_flip + spin_flip.T + pair_hop + pair_hop.T
    return strength * matrix


def density(c, i):
    m = len(c) // 2
    return c[i] @ c[i].T + c[m + i] @ c[m + i].T


def hop_matrix(c, i, j):
    m = len(c) // 2
    return sum(c[s + i] @ c[s + j].T + c[s + j] @ c[s + i].T for s in (0, m))


def double(c, i):
    m = len(c) // 2
    return c[i] @ c[i].T @ c[m + i] @ c[m + i].T


@pytest.mark.parametrize("length", [4, 2])
def test_hubbard_with_repulsion_and_exchange_of_neighbours(creators, length):
    """A ring of two sites has the bond twice."""
    ring = lattices.build("chain", [length])
    entries = {"repulsions": [(1, 0, 0, 0, 0.7), (0, 0, 0, 0, 0.5)], "exchanges": [(1, 0, 0, 0, -0.4)]}
    model = Hubbard.build(ring, hopping=[1.0], U=3.0, mu=0.2, **entries)
    c = creators(2 * length)
    expected = np.zeros((4**length, 4**length))
    for i, j in ring.bonds(1):
        expected -= hop_matrix(c, i, j)
    for i in range(length):
        expected += 3.5 * double(c, i) - 0.2 * density(c, i)
        j = (i + 1) % length
        expected += 0.7 * density(c, i) @ density(c, j) + exchange_matrix(c, min(i, j), max(i, j), -0.4)
    np.testing.assert_allclose(to_sparse(model).toarray(), expected, atol=1e-13)
    assert len(model.hop2_sites) == len(ring.bonds(1))  # every pair once


@pytest.mark.parametrize("flips", [True, False])
def test_kanamori_with_interactions_between_cells(creators, flips):
    """Two cells of two orbitals, open: orbital (r, a) is 2 r + a; different U of the orbitals."""
    chain = lattices.build("chain", [2], "open")
    model = Kanamori.build(
        chain, hopping=[1.0], U=4.0, U_prime=2.5, J_hund=0.6, spin_flip=flips, pair_hopping=flips, mu=0.0,
        repulsions=[(0, 0, 1, 1, 0.3), (1, 0, 0, 1, 0.8), (0, 0, 1, 0, 0.1)],
        exchanges=[(1, 0, 0, 1, 0.25), (0, 0, 0, 1, 0.05), (1, 0, 1, 1, -0.15)],
    )  # fmt: skip
    c = creators(8)
    expected = -hop_matrix(c, 0, 2) - hop_matrix(c, 1, 3)
    for first in (0, 2):
        expected += 4.0 * double(c, first) + 4.3 * double(c, first + 1)
        expected += 2.6 * density(c, first) @ density(c, first + 1)
        expected += exchange_matrix(c, first, first + 1, 0.65, flips)
    expected += 0.8 * density(c, 0) @ density(c, 3)
    expected += exchange_matrix(c, 0, 3, 0.25, flips) + exchange_matrix(c, 1, 3, -0.15, flips)
    np.testing.assert_allclose(to_sparse(model).toarray(), expected, atol=1e-13)


def test_all_levels_by_symmetry_blocks():
    """Blocks of n_up, n_down, momentum and spin parity give the levels of the whole matrix."""
    ring = lattices.build("chain", [3])
    model = Kanamori.build(
        ring, hopping=[1.0], U=4.0, J_hund=0.5, mu=1.0,
        repulsions=[(1, 0, 0, 0, 0.4), (1, 0, 1, 1, 0.2), (1, 0, 0, 1, 0.3)], exchanges=[(1, 0, 0, 1, 0.2)],
    )  # fmt: skip
    assert len(site_symmetries(ring, model)) == 3  # no reflection: orbital 0 sees orbital 1 on one side only
    levels = electrons.diagonalize(model, ring, observables=False)
    np.testing.assert_allclose(levels.energies, np.linalg.eigvalsh(to_sparse(model).toarray()), atol=1e-10)


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ({"repulsions": [(1, 0, 0, 2, 0.5)]}, r"repulsions, entry 1, .*: orbitals are numbered from 0 to 1"),
        ({"repulsions": [(1, 0, 0, 1, 0.5), (-1, 0, 1, 0, 0.5)]}, "repulsions, entry 2, .*: it repeats an earlier"),
        ({"repulsions": [(3, 0, 0, 0, 0.5)]}, r"repulsions: \[3, 0, 0, 0, 0.5\] leads around .* \[3\] to the orbital"),
        ({"exchanges": [(3, 0, 1, 1, 0.5)]}, r"exchanges: \[3, 0, 1, 1, 0.5\] leads around .* to the orbital itself"),
        ({"exchanges": [(0, 0, 1, 1, 0.5)]}, "exchanges, entry 1, .*: this is an orbital with itself"),
    ],
)
def test_wrong_interactions_are_refused(entries, problem):
    with pytest.raises(ValueError, match=f"model.{problem}"):
        Kanamori.build(lattices.build("chain", [3]), U=1.0, mu=0.0, **entries)
    with pytest.raises(ValueError, match="lattice.kind = honeycomb: needed is a lattice with one site in a cell"):
        Kanamori.build(lattices.build("honeycomb", [2, 2]), U=1.0, mu=0.0, **entries)


def test_interactions_of_the_input():
    tables = {
        "lattice": {"kind": "chain", "lengths": [4]},
        "model": {"kind": "hubbard", "n_up": 2, "n_down": 2, "repulsions": [[1, 0, 0, 0, 0.5]]},
        "thermal": {"betas": [1.0]},
    }
    assert parse_settings(tables).model.repulsions == ((1, 0, 0, 0, 0.5),)
    tables["model"]["repulsions"] = [[1, 0, 0, 0]]
    with pytest.raises(SettingsError, match="model.repulsions = .*allowed is a list of 0 to 100000 entries"):
        parse_settings(tables)
