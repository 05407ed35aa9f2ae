"""A Hermitian matrix as A = Q T Q^H with T real and tridiagonal: eigenvalues and soft cuts without eigenvectors.

The reduction is a third of the work of an eigendecomposition or less.  What a soft cut needs of the eigenvectors
follows from T alone: with the filter g = 1 / (1 + (c / lambda)^6)

    g / lambda = lambda^5 / (lambda^6 + c^6) = (1/6) sum over the sixth roots z of -c^6 of 1 / (lambda - z),

three pairs of conjugate poles, and (T - z) y = b is solved in O(n).
"""

import numpy as np
from scipy.linalg import lapack

ANGLES = (np.pi / 6, np.pi / 2, 5 * np.pi / 6)  # of the poles above the real axis
BLOCK = 64  # columns that LAPACK works on at a time


class Tridiagonal:
    """The reduction of one matrix.

    Parameters
    ----------
    matrix : (n, n) float64 or complex128, n > 0
        Hermitian; only its lower triangle is read.
    """

    def __init__(self, matrix):
        n = len(matrix)
        is_complex = np.iscomplexobj(matrix)
        reduce = lapack.zhetrd if is_complex else lapack.dsytrd
        reduced, self.diagonal, self.off_diagonal, self._factors, _ = reduce(matrix, lower=1, lwork=BLOCK * n)
        self._reflectors = np.asfortranarray(reduced[1:, :-1])
        self._multiply = lapack.zunmqr if is_complex else lapack.dormqr
        self._adjoint = "C" if is_complex else "T"

    def eigenvalues(self):
        """Return all eigenvalues in increasing order, (n,) float64.

        Raises
        ------
        numpy.linalg.LinAlgError
            They do not converge.
        """
        if not len(self.off_diagonal):
            return self.diagonal.copy()
        values, failed = lapack.dsterf(self.diagonal, self.off_diagonal)
        if failed:
            raise np.linalg.LinAlgError("the eigenvalues of a tridiagonal matrix do not converge")
        return values

    def cut_solution(self, vector, cut):
        """Return A^5 (A^6 + cut^6)^{-1} vector, which is A^{-1} vector for eigenvalues far above the cut.

        Parameters
        ----------
        vector : (n,), like the matrix
        cut : float, > 0
            Same unit as the matrix.  Rounding is larger than that of A^{-1} by largest eigenvalue / cut.

        Returns
        -------
        (n,), like the matrix
        """
        turned = self._turned(vector, self._adjoint)
        columns = np.stack([turned.real, turned.imag], axis=1) if np.iscomplexobj(turned) else turned[:, None]
        found = sum(self._shifted_solution(columns, cut * np.exp(1j * angle)).real for angle in ANGLES) / 3
        return self._turned(found[:, 0] + 1j * found[:, 1] if np.iscomplexobj(turned) else found[:, 0], "N")

    def _shifted_solution(self, columns, shift):
        """Return (T - shift)^{-1} columns, complex; the shift is not real, so that it exists."""
        off_diagonal = self.off_diagonal.astype(complex)
        if not len(off_diagonal):
            return columns / (self.diagonal - shift)
        return lapack.zgtsv(off_diagonal, self.diagonal - shift, off_diagonal, columns.astype(complex))[3]

    def _turned(self, vector, side):
        """Return Q vector or, by `side`, Q^H vector.  Q leaves the first component alone."""
        vector = vector.copy()
        if len(self._factors):
            rest = np.asfortranarray(vector[1:, None])
            vector[1:] = self._multiply("L", side, self._reflectors, self._factors, rest, BLOCK)[0][:, 0]
        return vector
