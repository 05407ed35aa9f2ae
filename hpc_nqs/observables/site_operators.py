"""Operators of the spins of one layer that are no functions of the configuration alone, and what tables say of them."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import scipy.sparse

from hpc_nqs.hamiltonians.matrices import spins_of

PART = 2**22  # signs of products that are held at a time


@dataclass(frozen=True, eq=False)
class Group:
    """The products of all operators that flip the same sites.

    Attributes
    ----------
    mask : int
        The sites, as bits.
    sites : (n_flipped,) intp
        The same.
    products : (n_products,) intp
        Numbers of the products of s_i.
    columns : (n_columns,) intp
        Operators that have any.
    coefficients : (n_products, n_columns) float64 or complex128
    """

    mask: int
    sites: np.ndarray
    products: np.ndarray
    columns: np.ndarray
    coefficients: np.ndarray


class OperatorArrays:
    """Several `PauliSum`s as arrays, by the sites that they flip.

    Parameters
    ----------
    sums : sequence of PauliSum
    n_sites : int

    Attributes
    ----------
    groups : list of Group
        The one without flips first.
    """

    def __init__(self, sums, n_sites):
        self.n_columns, self.n_sites = len(sums), n_sites
        products, by_mask = {}, {}
        for column, each in enumerate(sums):
            for (x, z), value in each.terms.items():
                by_mask.setdefault(x, {}).setdefault(products.setdefault(z, len(products)), {})[column] = value
        self._product_sites = np.zeros((n_sites, len(products)))
        for z, number in products.items():
            self._product_sites[sites_of(z), number] = 1.0
        self.groups = [_group(mask, by_mask[mask]) for mask in sorted(by_mask)]

    def signs(self, spins):
        """Return the products of s_i of configurations (n, n_sites), (n, n_products) float64 of +1/-1."""
        return 1.0 - 2.0 * (((spins < 0) @ self._product_sites) % 2)

    def elements(self, spins, group, signs=None):
        """Return <s|O|s'> of configurations s (n, n_sites), s' with the sites of a group flipped: (n, n_columns).

        In the order of `group.columns`.
        """
        signs = self.signs(spins) if signs is None else signs
        return signs[:, group.products] @ group.coefficients

    def matrices(self, states, conserves_sz):
        """Return the operators between sorted basis states, a list of sparse arrays; what leads elsewhere is left out.

        Parameters
        ----------
        states : (n,) int64
        conserves_sz : bool
            All states have one magnetization.
        """
        spins, found = spins_of(states, self.n_sites), [[] for _ in range(self.n_columns)]
        n, per_part = len(states), max(1, PART // max(1, self._product_sites.shape[1]))
        for start in range(0, n, per_part):
            part = slice(start, start + per_part)
            signs = self.signs(spins[part])
            for group in self.groups:
                kept = np.arange(len(signs))
                if conserves_sz:
                    kept = np.flatnonzero(spins[part][:, group.sites].sum(axis=1) == 0)
                values = signs[np.ix_(kept, group.products)] @ group.coefficients
                places = np.searchsorted(states, states[part][kept] ^ group.mask)
                for column, elements in zip(group.columns, values.T, strict=True):
                    found[column].append((start + kept, places, elements))
        return [_sparse(parts, n) for parts in found]


def _sparse(parts, n):
    if not parts:
        return scipy.sparse.csr_array((n, n))
    rows, columns, values = (np.concatenate(each) for each in zip(*parts, strict=True))
    return scipy.sparse.coo_array((values, (rows, columns)), shape=(n, n)).tocsr()


def _group(mask, entries):
    """Return the `Group` of {product: {column: value}}."""
    columns = sorted({column for values in entries.values() for column in values})
    place = {column: k for k, column in enumerate(columns)}
    coefficients = np.zeros((len(entries), len(columns)), dtype=np.complex128)
    for row, values in enumerate(entries.values()):
        for column, value in values.items():
            coefficients[row, place[column]] = value
    coefficients = coefficients if np.any(coefficients.imag) else coefficients.real.copy()
    return Group(mask, sites_of(mask), np.array(list(entries), dtype=np.intp), np.array(columns), coefficients)


def sites_of(mask):
    """Return the sites of a set as (n,) intp, from its bits."""
    return np.array([site for site in range(mask.bit_length()) if mask >> site & 1], dtype=np.intp)


@dataclass(frozen=True)
class Entry:
    """What a table says of some operators.

    Attributes
    ----------
    name, key : str
        Of the table; an empty key for a number.
    columns : tuple of int
        Operators that it is made from.
    function : callable or None
        From rows of the means of these operators, (n, n_columns), to (n,); None: the mean of the only one.
    """

    name: str
    key: str
    columns: tuple
    function: object = None


@dataclass(frozen=True, eq=False)
class SiteOperators:
    """Operators of one layer with the entries of tables that are made from their means.

    Attributes
    ----------
    sums : tuple of PauliSum
        Hermitian.
    entries : tuple of Entry
    n_sites : int
    """

    sums: tuple
    entries: tuple
    n_sites: int

    def __len__(self):
        return len(self.sums)

    def symmetrized(self, model):
        """Return the same without what vanishes in thermal states by time reversal and the flip of all spins."""
        sums = self.sums
        if model.is_real:
            sums = [each.real() for each in sums]
        if model.spin_flip_symmetric:
            sums = [each.flip_symmetric() for each in sums]
        return dataclasses.replace(self, sums=tuple(sums))

    def averaged(self, images):
        """Return the means over a group of the sites, `SignedPermutations`."""
        return dataclasses.replace(self, sums=tuple(each.averaged(images) for each in self.sums))

    def arrays(self, sublattice=None):
        """Return the `OperatorArrays`, in the basis that `marshall` has rotated by `sublattice`."""
        sums = self.sums if sublattice is None else [each.rotated(sublattice) for each in self.sums]
        return OperatorArrays(sums, self.n_sites)

    def row(self, estimate, first=0):
        """Return the entries of a table row, {name: number, name_error: number} and {name: {key: [value, error]}}.

        Parameters
        ----------
        estimate : callable
            Function of rows of means, (n, n_columns), to (value, error), as `Statistics.estimate`.
        first : int
            The column of the first operator among the means.
        """
        found = {}
        for entry in self.entries:
            columns = [first + column for column in entry.columns]
            function = entry.function or _only
            value, error = estimate(lambda means, columns=columns, function=function: function(means[:, columns]))
            if entry.key:
                found.setdefault(entry.name, {})[entry.key] = [value, error]
            else:
                found[entry.name], found[f"{entry.name}_error"] = value, error
        return found


def _only(means):
    return means[:, 0]
