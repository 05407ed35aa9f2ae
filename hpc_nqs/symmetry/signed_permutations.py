"""Signed permutations: what lattice symmetries, exchanges of layers and spin flips do to the entries of a vector."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class SignedPermutations:
    """A set of signed permutations, usually a group, that act on vectors x of n entries.

    Element g maps x, the spins of a configuration or the inputs of a network, to

        (g x)_u = signs[g, u] x[sources[g, u]].

    A permutation of the sites alone has all signs +1, the flip of all spins has all sources u and all signs -1.  The
    elements have an order, by which parameters, images and coefficients are numbered.

    Attributes
    ----------
    sources : (order, n_entries) intp
        Every row is a permutation.
    signs : (order, n_entries) int8
        +1 or -1; all +1 if not given.

    Raises
    ------
    ValueError
        A row of `sources` is no permutation, or `signs` has another shape or other values.

    Notes
    -----
    Compiled kernels and run files hold an element as one row of integers, `encoded`: the place of (g x)_u in (x, -x),
    which is the source where the sign is +1 and the source plus n_entries where it is -1.  Nothing outside of this
    class needs to know.
    """

    sources: np.ndarray
    signs: np.ndarray = None

    def __post_init__(self):
        sources = np.ascontiguousarray(np.atleast_2d(self.sources), dtype=np.intp)
        if not np.array_equal(np.sort(sources, axis=1), np.broadcast_to(np.arange(sources.shape[1]), sources.shape)):
            raise ValueError("sources: every row must be a permutation of the entries")
        signs = np.ones(sources.shape, dtype=np.int8) if self.signs is None else np.atleast_2d(self.signs)
        if signs.shape != sources.shape or not np.all(np.abs(signs) == 1):
            raise ValueError(f"signs of shape {signs.shape}: allowed are +1 and -1, of shape {sources.shape}")
        object.__setattr__(self, "sources", sources)
        object.__setattr__(self, "signs", np.ascontiguousarray(signs, dtype=np.int8))

    @classmethod
    def identity(cls, n_entries):
        """Return the group of the identity alone."""
        return cls(np.arange(n_entries))

    @classmethod
    def concatenated(cls, parts):
        """Return the elements of several `SignedPermutations` of the same vectors, one set after the other."""
        return cls(np.concatenate([part.sources for part in parts]), np.concatenate([part.signs for part in parts]))

    @classmethod
    def from_encoded(cls, images):
        """Return the elements that rows of integers, (order, n_entries), stand for; the inverse of `encoded`."""
        images = np.atleast_2d(images)
        n_entries = images.shape[1]
        return cls(images % n_entries, np.where(images < n_entries, 1, -1))

    @classmethod
    def from_points(cls, permutations):
        """Return the elements of permutations (order, 2 n_entries) of (x, -x); the inverse of `on_points`."""
        permutations = np.atleast_2d(permutations)
        return cls.from_encoded(permutations[:, : permutations.shape[1] // 2])

    def encoded(self, dtype=np.intp):
        """Return the rows of integers (order, n_entries) of kernels and run files: (g x)_u = (x, -x)[images[g, u]]."""
        return (self.sources + self.n_entries * (self.signs < 0)).astype(dtype)

    def on_points(self):
        """Return the elements as permutations (order, 2 n_entries) intp of the entries of (x, -x)."""
        negated = self.sources + self.n_entries * (self.signs > 0)
        return np.concatenate([self.encoded(), negated], axis=1)

    def __len__(self):
        return len(self.sources)

    def __iter__(self):
        """Yield (sources, signs), (n_entries,) each, of every element."""
        return zip(self.sources, self.signs, strict=True)

    def __getitem__(self, chosen):
        """Return the `SignedPermutations` of the chosen elements: a number, a slice, indices or a mask."""
        return SignedPermutations(self.sources[chosen], self.signs[chosen])

    @property
    def n_entries(self):
        """Entries of the vectors."""
        return self.sources.shape[1]

    # ---- action ----------------------------------------------------------------------------------------------------

    def apply(self, x):
        """Return g x of every element, (order, ..., n_entries), for x (..., n_entries) of any signed type."""
        return np.moveaxis(np.asarray(x)[..., self.sources] * self.signs, -2, 0)

    def apply_transposed(self, weights):
        """Return the vectors w_g with sum_u w_gu x_u = sum_u w_u (g x)_u, (order, n_entries).

        Parameters
        ----------
        weights : (n_entries,) or (order, n_entries)
            w, the same for every element or one row for each.
        """
        signed = np.asarray(weights) * self.signs
        moved = np.empty_like(signed)
        np.put_along_axis(moved, self.sources, signed, axis=1)
        return moved

    def apply_to_codes(self, codes):
        """Yield the codes of g x, (n,), for every element in turn.

        Parameters
        ----------
        codes : (n,) integers of any type
            Bit u of the code of x is set where x_u = +1.
        """
        number = codes.dtype.type
        for sources, signs in self:
            images = np.zeros_like(codes)
            for u, (source, sign) in enumerate(zip(sources.tolist(), signs.tolist(), strict=True)):
                images |= (((codes >> number(source)) & number(1)) ^ number(sign < 0)) << number(u)
            yield images

    def on_pairs(self, pairs):
        """Yield what every element does to the products x_v x_w: (sources, signs), (n_pairs,) each.

        Parameters
        ----------
        pairs : (n_pairs, 2) intp
            v and w of every product, each unordered pair once; closed under the permutations.
        """
        number = np.empty((self.n_entries, self.n_entries), dtype=np.intp)
        v, w = pairs.T
        number[v, w] = number[w, v] = np.arange(len(pairs))
        for sources, signs in self:
            yield number[sources[v], sources[w]], signs[v] * signs[w]

    # ---- other sets ------------------------------------------------------------------------------------------------

    def compose(self, other):
        """Return all products g h, h acting first: the first g here with every h of `other`, then the second g, ..."""
        sources = other.sources[:, self.sources].swapaxes(0, 1)
        signs = self.signs[:, None, :] * other.signs[:, self.sources].swapaxes(0, 1)
        return SignedPermutations(sources.reshape(-1, self.n_entries), signs.reshape(-1, self.n_entries))

    def negated(self, n_first=None):
        """Return the elements followed by a change of sign of the first `n_first` entries, of all if it is None."""
        signs = self.signs.copy()
        signs[:, :n_first] *= -1
        return SignedPermutations(self.sources, signs)

    def with_negated(self):
        """Return the elements, and behind them the same ones followed by a change of all signs."""
        return SignedPermutations.concatenated([self, self.negated()])

    def unsigned(self):
        """Return the permutations without their signs."""
        return SignedPermutations(self.sources)

    def restricted(self, entries):
        """Return how the elements act on some of the entries, numbered as they are given.

        Parameters
        ----------
        entries : (n,) intp
            Each element must map them among themselves; those that do are `keeping(entries)`.

        Raises
        ------
        ValueError
            An element takes one of the entries from elsewhere.
        """
        place = self._places(entries)
        sources = place[self.sources[:, entries]]
        if np.any(sources < 0):
            g = np.argwhere(sources < 0)[0, 0]
            raise ValueError(f"element {g} does not map the entries {list(entries)} among themselves")
        return SignedPermutations(sources, self.signs[:, entries])

    def keeping(self, entries):
        """Return the elements that map the given entries among themselves."""
        return self[np.all(self._places(entries)[self.sources[:, entries]] >= 0, axis=1)]

    def _places(self, entries):
        """Return the position of every entry among the given ones, -1 for the others."""
        place = np.full(self.n_entries, -1, dtype=np.intp)
        place[entries] = np.arange(len(entries))
        return place

    def distinct(self):
        """Return the different elements, each once, in lexicographic order of the rows of `encoded`."""
        _, first = np.unique(self.encoded(), axis=0, return_index=True)
        return self[first]
