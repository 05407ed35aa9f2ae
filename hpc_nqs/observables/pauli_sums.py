"""Operators on spins as sums of products of Pauli matrices: any product of S^x, S^y and S^z of any sites.

A product is a pair of sets of sites, as bits of two integers: P(x, z) = Z^z X^x, the flip of the sites of x and then
the product of the s_i of z.  With S = sigma/2

    S^x = P(i, 0) / 2,   S^y = -i P(i, i) / 2,   S^z = P(0, i) / 2,
    P(x, z) P(x', z') = (-1)^|x & z'| P(x ^ x', z ^ z'),   P(x, z)^+ = (-1)^|x & z| P(x, z),
    <s|P(x, z)|s'> = prod_(i in z) s_i,  s' = s with the sites of x flipped.

The last line is the local estimator: O_loc(s) = sum c(x, z) prod_(i in z) s_i Psi(s') / Psi(s).
"""

import itertools

SMALL = 1e-15  # of coefficients relative to the largest: rounding
# (coefficient, in x, in z) of the products of a spin operator of one site
_OF_ONE = {
    "x": ((0.5, 1, 0),),
    "y": ((-0.5j, 1, 1),),
    "z": ((0.5, 0, 1),),
    "+": ((0.5, 1, 0), (0.5, 1, 1)),
    "-": ((0.5, 1, 0), (-0.5, 1, 1)),
}
LETTERS = tuple(_OF_ONE)
COMPONENTS = ("x", "y", "z")


class PauliSum:
    """sum of c(x, z) P(x, z); sums and products are new ones.

    Attributes
    ----------
    terms : dict of (int, int): complex
        (x, z) to c, none of them 0 but for rounding.
    """

    def __init__(self, terms=()):
        self.terms = dict(terms)

    @classmethod
    def product(cls, sites, letters, coefficient=1.0):
        """Return coefficient * S^a_i S^b_j ..., letters of `LETTERS`; + is S^x + i S^y and - its conjugate."""
        found = cls({(0, 0): complex(coefficient)})
        for site, letter in zip(sites, letters, strict=True):
            found = found @ cls({(x << site, z << site): complex(c) for c, x, z in _OF_ONE[letter]})
        return found

    @classmethod
    def total(cls, operators):
        """Return the sum of operators."""
        found = {}
        for operator in operators:
            for place, value in operator.terms.items():
                found[place] = found.get(place, 0.0) + value
        return cls(found).cleaned()

    def __add__(self, other):
        return PauliSum.total([self, other])

    def __sub__(self, other):
        return self + (-1.0) * other

    def __rmul__(self, number):
        return PauliSum({place: number * value for place, value in self.terms.items()})

    def __matmul__(self, other):
        found = {}
        for ((x, z), a), ((u, w), b) in itertools.product(self.terms.items(), other.terms.items()):
            place, value = (x ^ u, z ^ w), -a * b if (x & w).bit_count() & 1 else a * b
            found[place] = found.get(place, 0.0) + value
        return PauliSum(found).cleaned()

    def cleaned(self):
        """Return the sum without terms that are rounding."""
        least = SMALL * max(map(abs, self.terms.values()), default=0.0)
        return PauliSum({place: value for place, value in self.terms.items() if abs(value) > least})

    def hermitian(self):
        """Return (O + O^+) / 2."""
        return PauliSum(
            {
                (x, z): 1j * value.imag if (x & z).bit_count() & 1 else complex(value.real)
                for (x, z), value in self.terms.items()
            }
        ).cleaned()

    def real(self):
        """Return (O + O^*) / 2, of which thermal states of a real H have the same mean."""
        return PauliSum({place: complex(value.real) for place, value in self.terms.items()}).cleaned()

    def flip_symmetric(self):
        """Return the mean of O and of O after a flip of all spins: products of an even number of S^y and S^z."""
        return PauliSum({(x, z): value for (x, z), value in self.terms.items() if not z.bit_count() & 1})

    def rotated(self, signs):
        """Return O in the basis of spins rotated by pi about z on the sites of sign -1, `signs` (n_sites,)."""
        odd = sum(1 << site for site, sign in enumerate(signs) if sign < 0)
        return PauliSum({(x, z): -v if (x & odd).bit_count() & 1 else v for (x, z), v in self.terms.items()})

    def averaged(self, images):
        """Return the mean over a group g of O after g: what one configuration x stands for where Psi(g x) = Psi(x).

        Parameters
        ----------
        images : SignedPermutations
            Of the sites; every element has one sign for all of them.
        """
        found, share = {}, 1 / len(images)
        for sources, signs in images:
            moved = [1 << int(source) for source in sources]
            for (x, z), value in self.terms.items():
                place = _moved(x, moved), _moved(z, moved)
                sign = -1 if signs[0] < 0 and z.bit_count() & 1 else 1
                found[place] = found.get(place, 0.0) + share * sign * value
        return PauliSum(found).cleaned()


def _moved(bits, places):
    """Return the set of sites after a permutation, `places` the bit of every site."""
    found = 0
    while bits:
        lowest = bits & -bits
        found |= places[lowest.bit_length() - 1]
        bits ^= lowest
    return found


def dot(i, j):
    """Return S_i.S_j."""
    return PauliSum.total(PauliSum.product((i, j), letter * 2) for letter in COMPONENTS)


def triple(i, j, k):
    """Return S_i.(S_j x S_k)."""
    found = PauliSum()
    for turn in range(3):
        letters = COMPONENTS[turn:] + COMPONENTS[:turn]
        found = found + PauliSum.product((i, j, k), letters) - PauliSum.product((i, j, k), letters[::-1])
    return found


def of_model(model):
    """Return H of a `SpinModel`, in the basis of its arrays."""
    return PauliSum.total(_terms_of(model))


def _terms_of(model):
    """Yield the terms of H."""
    for (i, j), c in zip(model.pair_sites.tolist(), model.pair_coupling.tolist(), strict=True):
        yield PauliSum({(0, 1 << i | 1 << j): complex(c)})
    for i, h in enumerate(model.site_field.tolist()):
        yield PauliSum({(0, 1 << i): complex(h)} if h else {})
    kinds = (
        (model.exchange_sites, model.exchange_element, "+-", 1.0),
        (model.parallel_sites, model.parallel_element, "++", 1.0),
        (model.flip_sites[:, None], model.flip_element, "+", 1.0),
        (model.conditional_sites, model.conditional_element, "+z", 2.0),  # the z is s, not s / 2
    )
    for sites, elements, letters, factor in kinds:
        for places, element in zip(sites.tolist(), elements.tolist(), strict=True):
            yield 2 * PauliSum.product(places, letters, factor * element).hermitian()
