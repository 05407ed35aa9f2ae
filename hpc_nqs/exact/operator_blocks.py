"""Operators in symmetry blocks, and their means in every level."""

import numpy as np

from hpc_nqs.hamiltonians.matrices import spins_of


class OperatorBlocks:
    """Symmetric operators between the orbits of a `SymmetryBlock`.

    Parameters
    ----------
    sector : SymmetryBlock
    operators : OperatorArrays
        Averaged over all symmetries of the model; real where the model is.
    conserves_sz : bool
        All states have one magnetization; what changes it is left out.
    """

    def __init__(self, sector, operators, conserves_sz):
        self.sector, is_real = sector, sector.model.is_real
        representatives, n = sector.representatives, operators.n_sites
        self._diagonals = np.zeros((operators.n_columns, len(representatives)))
        terms = [[] for _ in range(operators.n_columns)]
        for group in operators.groups:
            targets = representatives ^ group.mask
            spins = spins_of(targets, n)
            if not group.mask:
                self._diagonals[group.columns] = operators.elements(spins, group).real.T
                continue
            kept = np.arange(len(targets))
            if conserves_sz:
                kept = np.flatnonzero(spins[:, group.sites].sum(axis=1) == 0)
            values = operators.elements(spins[kept], group)
            values = values.real if is_real else values.astype(np.complex128)
            for column, elements in zip(group.columns, values.T, strict=True):
                some = np.flatnonzero(elements)
                terms[column].append(sector.terms_to(targets[kept[some]], kept[some], elements[some]))
        none = (np.zeros(0, dtype=np.intp),) * 3 + (np.zeros(0, dtype=float if is_real else complex),)
        self._terms = [[np.concatenate(each) for each in zip(none, *parts, strict=True)] for parts in terms]

    def per_level(self, k, conjugations_of_group, vectors):
        """Return the means in the levels of one character, (n_operators, n_levels) float64.

        Parameters
        ----------
        k : int
        conjugations_of_group
            As for `SymmetryBlock.block`.
        vectors : (n_kept, n_levels)
            Eigenvectors of that block as columns.
        """
        found = []
        for diagonal, terms in zip(self._diagonals, self._terms, strict=True):
            matrix = self.sector.sector_matrix(k, diagonal, terms, conjugations_of_group)
            found.append(np.sum(vectors.conj() * (matrix @ vectors), axis=0).real)
        return np.array(found)
