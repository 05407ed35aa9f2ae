"""Blocks of operators of electrons, labelled by the characters of a commutative group of permutations of spin-orbitals.

A permutation g of the units, (g x)_p = x[g[p]], acts on electrons as g c+_q g^-1 = c+_p with g[p] = q, so that

    g|x> = sgn(g, x) |g x>,   sgn = (-1)^(pairs of occupied units whose order g reverses).

With the basis of `symmetry_blocks`, |a, chi> = (|A| |S_a|)^(-1/2) sum_t chi(t)^* t|a>: it vanishes unless chi(t) =
sgn(t, a) on the stabilizer S_a, and a term that takes a to the state y = tau b has the sign of tau|b> = sgn |y> besides
its own.
"""

import numpy as np
import scipy.sparse

from hpc_nqs.exact.symmetry_blocks import SymmetryBlock
from hpc_nqs.symmetry.signed_permutations import SignedPermutations
from hpc_nqs.symmetry.site_permutations import inverse


def states_of(n_levels, n_up, n_down):
    """Return the sorted basis indices with these numbers of electrons, (n,) int64; bit p is set where p is occupied."""
    patterns = np.arange(2**n_levels, dtype=np.int64)
    counts = np.bitwise_count(patterns.astype(np.uint64))
    up, down = patterns[counts == n_up], patterns[counts == n_down]
    return ((down[:, None] << n_levels) | up[None, :]).ravel()


def permutation_signs(states, elements):
    """Return sgn(g, x) of basis indices x and every element g, (order, n_states) int8."""
    signs = np.ones((len(elements), len(states)), dtype=np.int8)
    for element, row in zip(elements, signs, strict=True):
        images, odd = inverse(element), np.zeros(len(states), dtype=np.int64)
        for p, image in enumerate(images):
            passed = sum(1 << q for q in range(p + 1, len(images)) if images[q] < image)
            if passed:
                odd ^= np.bitwise_count((states & passed).astype(np.uint64)) & (states >> p) & 1
        row[odd == 1] = -1
    return signs


class ElectronBlock(SymmetryBlock):
    """The orbits of a set of states under a commutative group of permutations of the units.

    Parameters
    ----------
    states : (n_states,) int64
        Sorted basis indices, closed under the group.
    abelian : AbelianGroup
        Of permutations of the units, (order, 2 M).
    """

    def __init__(self, states, abelian):
        self.abelian = abelian
        self._set_orbits(states, np.stack(list(SignedPermutations(abelian.elements).apply_to_codes(states))))
        self._signs = permutation_signs(states, abelian.elements)
        self._stabilizer_signs = self._signs[:, np.searchsorted(states, self.representatives)]

    def kept(self, k):
        """Return the orbits in the sector of character k: chi is the sign on their stabilizers, (n_kept,) intp."""
        turns = 2 * self.abelian.angles[k][:, None]
        agrees = np.where(self._stabilizer_signs > 0, turns == 0, turns == self.abelian.exponent)
        return np.flatnonzero(~np.any(self._fixes & ~agrees, axis=0))

    def located(self, states):
        """Return (orbit, element t that takes the state to its representative, sgn(t, state)) of states here."""
        orbits, elements = self._locate(states)
        return orbits, elements, self._signs[elements, np.searchsorted(self._states, states)]

    def stabilizer_orders(self, orbits):
        """Return the numbers of elements that leave the representatives of orbits as they are."""
        return self._stabilizer_order[orbits]

    def collect(self, operator):
        """Return the elements of an operator that commutes with the group, as `matrix` takes them.

        Parameters
        ----------
        operator : object
            With diagonal(states), (n,) float64, and off_diagonal(states), as `electron_matrices.off_diagonal`.
        """
        parts = [(np.zeros(0, dtype=np.intp),) * 3 + (np.zeros(0),)]
        for mask, kept, values in operator.off_diagonal(self.representatives):
            reached = self.representatives[kept] ^ mask
            rows, elements, signs = self.located(reached)
            scale = np.sqrt(self._stabilizer_order[rows] / self._stabilizer_order[kept])
            parts.append((rows, kept, elements, values * signs * scale))
        return operator.diagonal(self.representatives), [np.concatenate(part) for part in zip(*parts, strict=True)]

    def matrix(self, k, collected, conjugations_of_group=()):
        """Return the block of an operator in the sector of character k as a sparse array, see `SymmetryBlock.block`.

        Parameters
        ----------
        collected : tuple
            Of `collect`.
        """
        return self.sector_matrix(k, *collected, conjugations_of_group)

    def _image_phases(self, kept, mirror):
        """Return (orbit b, element t, sign) of g|a> = sign t^-1 |b> for the kept orbits a."""
        representatives = self.representatives[kept]
        mirror = mirror[None, :]
        images = next(SignedPermutations(mirror).apply_to_codes(representatives))
        orbits, elements = self._locate(images)
        signs = permutation_signs(representatives, mirror)[0]
        return orbits, elements, signs * self._signs[elements, np.searchsorted(self._states, images)]


class Operator:
    """A sum of a diagonal function and off-diagonal terms, as `ElectronBlock.collect` takes it.

    Parameters
    ----------
    diagonal : callable
        Basis indices (n,) to (n,) float64.
    off_diagonal : callable
        Basis indices (n,) to (mask, rows, elements) of every term.
    """

    def __init__(self, diagonal, off_diagonal):
        self.diagonal, self.off_diagonal = diagonal, off_diagonal


def expectation(matrix, vectors):
    """Return <n|O|n> of the columns of `vectors` (n, n), (n,) float64, for a sparse Hermitian O."""
    return np.real(np.sum(vectors.conj() * (scipy.sparse.csr_array(matrix) @ vectors), axis=0))
