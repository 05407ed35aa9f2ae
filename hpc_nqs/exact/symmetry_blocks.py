"""Blocks of a Hamiltonian labelled by the characters of an abelian symmetry group.

A symmetry is a permutation g of 2 n_sites points: point i is "spin i", point i + n_sites is "minus spin i", so that
the flip of all spins is a permutation too (`SignedPermutations.on_points`).  With |a> a representative of its
orbit and S_a its stabilizer, the basis of the sector of character chi is

    |a, chi> = (|A| |S_a|)^(-1/2) sum_t chi(t)^* |t a>,   H_ba = sum_terms h chi(tau) sqrt(|S_b| / |S_a|)

where a term takes a to tau b.  Sectors that a symmetry g maps onto their complex conjugates, chi(g t g^-1) =
chi(t)^*, have a real basis where H is real: combinations of |a, chi> and g K |a, chi>, K complex conjugation.
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy.sparse

from hpc_nqs.hamiltonians.matrices import diagonal, off_diagonal, spins_of
from hpc_nqs.symmetry.signed_permutations import SignedPermutations
from hpc_nqs.symmetry.site_permutations import closure, compose, inverse


@dataclass(frozen=True, eq=False)
class AbelianGroup:
    """A commutative group and all its characters.

    Attributes
    ----------
    elements : (order, 2 n_sites) intp
    angles : (order, order) int64
        chi_k(t) = e^{2 pi i angles[k, t] / exponent}.
    exponent : int
    """

    elements: np.ndarray
    angles: np.ndarray
    exponent: int

    def characters(self, k):
        """Return chi_k of all elements, (order,) complex128, exactly real where it is real."""
        values = np.exp(2j * np.pi * self.angles[k] / self.exponent)
        return np.where(2 * self.angles[k] % self.exponent == 0, np.round(values.real), values)

    def is_real(self, k):
        """Return whether chi_k is +1 or -1 everywhere."""
        return not np.any(2 * self.angles[k] % self.exponent)

    def index(self, element):
        """Return the position of `element`, or None."""
        found = np.flatnonzero(np.all(self.elements == element, axis=1))
        return int(found[0]) if len(found) else None


def abelian_generators(start, group):
    """Return generators of a large commutative subgroup of `group` that contains the commutative group `start`.

    Elements of `group` that commute with all taken so far are added, those of the highest order first.
    """
    taken = list(start)
    members = {row.tobytes() for row in closure(start)}
    orders = np.array([_order(element) for element in group])
    for element in group[np.argsort(-orders, kind="stable")]:
        if element.tobytes() in members:
            continue
        if all(np.array_equal(compose(element, other), compose(other, element)) for other in taken):
            taken.append(element)
            members = {row.tobytes() for row in closure(np.array(taken))}
    return taken


def _order(element):
    """Return the order of a permutation: the least common multiple of its cycle lengths."""
    power, order = element, 1
    identity = np.arange(len(element))
    while not np.array_equal(power, identity):
        power, order = compose(element, power), order + 1
    return order


def abelian_group(generators):
    """Return the `AbelianGroup` of commuting permutations.

    A character of a subgroup H extends to H and g, g^m the first power of g in H, by any chi(g) with
    chi(g)^m = chi(g^m).

    Raises
    ------
    ValueError
        When two generators do not commute.
    """
    generators = [np.asarray(generator, dtype=np.intp) for generator in generators]
    for g in generators:
        if not all(np.array_equal(compose(g, h), compose(h, g)) for h in generators):
            raise ValueError("the generators do not commute")
    exponent = math.lcm(*(_order(g) for g in generators), 1)
    elements = np.arange(len(generators[0]), dtype=np.intp)[None, :]
    angles = np.zeros((1, 1), dtype=np.int64)
    for g in generators:
        places = {row.tobytes(): place for place, row in enumerate(elements)}
        cosets, power = [], np.arange(len(g), dtype=np.intp)
        while not cosets or power.tobytes() not in places:
            cosets.append(compose(power, elements))
            power = compose(g, power)
        m, returned = len(cosets), angles[:, places[power.tobytes()]]
        turns = np.arange(exponent)
        extended = [
            (np.arange(m)[:, None] * turn + angles[k]).ravel() % exponent
            for k in range(len(angles))
            for turn in turns[(m * turns - returned[k]) % exponent == 0]
        ]
        elements, angles = np.concatenate(cosets), np.array(extended)
    return AbelianGroup(elements, angles, exponent)


def conjugations(abelian, group):
    """Return how `group` permutes the commutative group: the distinct maps t -> g t g^-1.

    Returns
    -------
    list of (map, g)
        map (order,) intp holds indices; g is one element that does it, an involution where there is one.
    """
    places = {row.tobytes(): place for place, row in enumerate(abelian.elements)}
    found = {}
    for g in group:
        images = [places.get(row.tobytes()) for row in compose(g, compose(abelian.elements, inverse(g)))]
        if None in images:
            continue
        involution = np.array_equal(compose(g, g), np.arange(len(g)))
        key = tuple(images)
        if key not in found or (involution and not found[key][1]):
            found[key] = g, involution
    return [(np.array(key), g) for key, (g, _) in found.items()]


def stars(abelian, conjugations_of_group, of_real=True):
    """Return lists of characters whose sectors have the same energies: related by symmetry or complex conjugation.

    Conjugation relates chi and chi^* only where H is real, `of_real`.
    """
    numbers = {row.tobytes(): k for k, row in enumerate(abelian.angles)}
    unseen, found = set(range(len(abelian.angles))), []
    for k in range(len(abelian.angles)):
        if k not in unseen:
            continue
        star = set()
        for images, _ in conjugations_of_group:
            row = abelian.angles[k][images]
            for related in (row, -row % abelian.exponent) if of_real else (row,):
                star.add(numbers[np.ascontiguousarray(related).tobytes()])
        unseen -= star
        found.append(sorted(star))
    return found


def momentum_of(lattice, turn_of):
    """Return the momentum per direction in units of 2 pi / L, 0 along open ones; None where all are open.

    Parameters
    ----------
    lattice : Lattice
    turn_of : callable
        The character of a translation, given as a permutation of the lattice sites, as a part of 2 pi; None where it is
        no symmetry.
    """
    if lattice.vectors is None or not any(lattice.wraps):
        return None
    momentum = []
    for direction, length in enumerate(lattice.lengths):
        if not lattice.wraps[direction]:
            momentum.append(0)
            continue
        turn = turn_of(lattice.translated(np.eye(len(lattice.grid))[direction]))
        if turn is None:
            return None
        momentum.append(int(round(turn * length)) % length)
    return momentum


def images_of(states, elements):
    """Return the basis indices of g x for basis indices `states` of x and every element, (order, n_states)."""
    return np.stack(list(SignedPermutations.from_points(elements).apply_to_codes(states)))


class SymmetryBlock:
    """The orbits of a set of states under a commutative group and the terms of H between them.

    Parameters
    ----------
    model : SpinModel
    states : (n_states,) int64
        Sorted basis indices, closed under the group and under H.
    abelian : AbelianGroup

    Attributes
    ----------
    representatives : (n_orbits,) int64
        Smallest state of each orbit.
    """

    def __init__(self, model, states, abelian):
        self.model, self.abelian = model, abelian
        self._set_orbits(states, images_of(states, abelian.elements))
        self._diagonal = diagonal(model, spins_of(self.representatives, model.n_sites))
        self._terms = self._collect_terms()

    def _set_orbits(self, states, images):
        """Find the orbits of `states` from their images (order, n_states) under the group."""
        self._to_representative = np.argmin(images, axis=0)
        smallest = np.min(images, axis=0)
        self.representatives, self._orbit = np.unique(smallest, return_inverse=True)
        self._states = states
        places = np.searchsorted(states, self.representatives)
        self._fixes = images[:, places] == self.representatives
        self._stabilizer_order = self._fixes.sum(axis=0)

    def _locate(self, states):
        """Return (orbit, element taking the state to its representative)."""
        places = np.searchsorted(self._states, states)
        return self._orbit[places], self._to_representative[places]

    def _collect_terms(self):
        parts = [(np.zeros(0, dtype=np.intp),) * 3 + (np.zeros(0),)]
        for mask, kept, values in off_diagonal(self.model, self.representatives):
            parts.append(self.terms_to(self.representatives[kept] ^ mask, kept, values))
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    def terms_to(self, states, kept, values):
        """Return terms from representatives `kept` to `states`, elements `values`, as `sector_matrix` takes them."""
        rows, elements = self._locate(states)
        scale = np.sqrt(self._stabilizer_order[rows] / self._stabilizer_order[kept])
        return rows, kept, elements, values * scale

    def kept(self, k):
        """Return the orbits in the sector of character k: chi is 1 on their stabilizers, (n_kept,) intp."""
        trivial = self.abelian.angles[k] == 0
        return np.flatnonzero(~np.any(self._fixes & ~trivial[:, None], axis=0))

    def block(self, k, conjugations_of_group=()):
        """Return the dense block of H in the sector of character k, (n_kept, n_kept), real where a real basis exists.

        Its basis vectors mix only orbits on which functions of the configuration that all symmetries leave
        unchanged are equal.
        """
        return self.sector_matrix(k, self._diagonal, self._terms, conjugations_of_group).toarray()

    def sector_matrix(self, k, diagonal_elements, terms, conjugations_of_group):
        """Return `block` as a sparse array, of an operator given by its elements between orbits."""
        is_real = np.isrealobj(terms[3])
        kept = self.kept(k)
        place = np.full(len(self.representatives), -1)
        place[kept] = np.arange(len(kept))
        rows, columns, elements, values = terms
        inside = (place[rows] >= 0) & (place[columns] >= 0)
        entries = values[inside] * self.abelian.characters(k)[elements[inside]].conj()
        if is_real and self.abelian.is_real(k):
            entries = entries.real
        shape = (len(kept), len(kept))
        matrix = scipy.sparse.coo_array((entries, (place[rows[inside]], place[columns[inside]])), shape=shape).tocsr()
        matrix = matrix + scipy.sparse.diags_array(diagonal_elements[kept])
        if is_real and not self.abelian.is_real(k):
            mirror = self._mirror(k, conjugations_of_group)
            if mirror is not None:
                basis = self._real_basis(k, kept, place, mirror)
                matrix = (basis.conj().T @ matrix @ basis).real
        return matrix

    def _mirror(self, k, conjugations_of_group):
        """Return an involution g with chi(g t g^-1) = chi(t)^*, or None."""
        opposite = -self.abelian.angles[k] % self.abelian.exponent
        for images, g in conjugations_of_group:
            if np.array_equal(self.abelian.angles[k][images], opposite):
                if np.array_equal(compose(g, g), np.arange(len(g))):
                    return g
        return None

    def _real_basis(self, k, kept, place, mirror):
        """Return the sparse unitary whose columns g K leaves unchanged; g K |a> = chi(tau) |b>, g a = tau b."""
        orbits, elements, signs = self._image_phases(kept, mirror)
        phase = self.abelian.characters(k)[elements].conj() * signs
        first, second = np.arange(len(kept)), place[orbits]
        alone, pair = np.flatnonzero(first == second), np.flatnonzero(first < second)
        a, b, half = pair, second[pair], np.sqrt(0.5)
        rows = [alone, a, b, a, b]
        columns = [alone, a, a, b, b]
        one = np.full(len(pair), half)
        values = [np.sqrt(phase[alone]), one, half * phase[pair], 1j * one, -1j * half * phase[pair]]
        entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
        return scipy.sparse.coo_array(entries, shape=(len(kept), len(kept))).tocsr()

    def _image_phases(self, kept, mirror):
        """Return (orbit b, element t, sign) of g|a> = sign t^-1 |b> for the kept orbits a; no signs for spins."""
        return *self._locate(images_of(self.representatives[kept], mirror)[0]), 1.0
