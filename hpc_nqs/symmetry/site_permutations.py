"""Groups of site permutations that leave a model unchanged: proposed from the geometry, verified on the couplings.

An element g acts on a configuration as (g x)_i = x[g[i]], one of the `SignedPermutations` without signs.  Groups are
(order, n_sites) intp arrays in lexicographic order, so that the identity is first and the order of the elements is
always the same.
"""

import itertools
from collections import Counter

import numpy as np

NAMES = ("translation", "point_group")
MAX_ORDER = 20_000  # of a group found by searching a custom lattice


def site_symmetries(lattice, model, names=NAMES):
    """Return the group of lattice symmetries of the model.

    Parameters
    ----------
    lattice : Lattice
    model : SpinModel or ElectronModel
        Rotated or not: the elements of the rotated model are what is checked.
    names : sequence of str
        "translation": the translations along periodic directions.
        "point_group": rotations and reflections about the point (a site, a bond centre, a cell centre or the
        centre of the lattice) that has most of them; on a custom lattice all automorphisms of the couplings, or
        only the identity where there are more than 20000.

    Returns
    -------
    (order, n_sites) intp
        Every element maps each kind of term onto itself.  Of electrons the spin-orbitals are permuted, all those of a
        lattice site together.

    Raises
    ------
    ValueError
        When a name is unknown or lattice and model have different numbers of sites.
    """
    unknown = set(names) - set(NAMES)
    if unknown:
        raise ValueError(f"symmetries = {sorted(unknown)}: allowed are {', '.join(NAMES)}")
    if _is_of_electrons(model):
        return _verified(model.on_units(site_symmetries(lattice, model.site_graph(), names)), model)
    if lattice.n_sites != model.n_sites:
        raise ValueError(f"lattice of {lattice.n_sites} sites, model of {model.n_sites}")
    generators = [np.arange(model.n_sites)[None, :]]
    if "translation" in names:
        generators.append(translations(lattice, model))
    if "point_group" in names:
        generators.append(point_group(lattice, model))
    return closure(np.concatenate(generators))


def translations(lattice, model):
    """Return the translations along periodic directions that leave the model unchanged, (order, n_sites) intp."""
    if _is_of_electrons(model):
        return _verified(model.on_units(translations(lattice, model.site_graph())), model)
    identity = np.arange(model.n_sites, dtype=np.intp)
    if lattice.vectors is None:
        return identity[None, :]
    return _verified([lattice.translated(step) for step in lattice.steps()], model)


def _is_of_electrons(model):
    """Return whether the units of a model are spin-orbitals, several on every site of the lattice."""
    return hasattr(model, "on_units")


def point_group(lattice, model):
    """Return the rotations and reflections about the best centre that leave the model unchanged.

    Candidates are all rotations by multiples of 30 degrees and reflections in axes at multiples of 15 degrees, in three
    dimensions the 48 operations of the cube, about the centre of the lattice, a site, midpoints of pairs of sites and
    the centre of a cell; what does not map sites onto sites or fails the check against the couplings is dropped.  Where
    several centres have equally many, the first is taken.
    """
    if lattice.vectors is None:
        return automorphisms(model)
    operations = [matrix for matrix in orthogonal_matrices(len(lattice.vectors)) if _maps_periods(lattice, matrix)]
    best = np.arange(model.n_sites, dtype=np.intp)[None, :]
    for centre in _centres(lattice):
        if len(best) == len(operations):
            break
        images = [lattice.site_at((lattice.positions - centre) @ matrix.T + centre) for matrix in operations]
        group = _verified(images, model)
        if len(group) > len(best):
            best = group
    return closure(best)


def orthogonal_matrices(dimension):
    """Return the candidates of a point group in two or three dimensions as (D, D) matrices, the identity first."""
    if dimension == 3:
        signs = itertools.product((1.0, -1.0), repeat=3)
        return [np.array(s)[:, None] * np.eye(3)[list(p)] for s in signs for p in itertools.permutations(range(3))]
    matrices = []
    for turn in np.arange(12) * np.pi / 6:
        cos, sin = np.cos(turn), np.sin(turn)
        matrices += [np.array([[cos, -sin], [sin, cos]]), np.array([[cos, sin], [sin, -cos]])]
    return matrices


def _maps_periods(lattice, matrix):
    """Return whether the matrix maps the periods of the lattice onto periods."""
    return not len(lattice.periods) or np.abs(lattice.minimum_image(lattice.periods @ matrix.T)).max() < 1e-6


def _centres(lattice):
    """Return the candidate centres: of the lattice, site 0, midpoints of site 0 with others, nearest first, and a cell.

    Symmetries of a lattice without periodic directions all fix its centre.
    """
    if not any(lattice.wraps):
        return [lattice.positions.mean(axis=0)]
    vectors = lattice.displacement(0, np.arange(lattice.n_sites))
    nearest = np.argsort(np.round(np.linalg.norm(vectors, axis=1), 6), kind="stable")
    cell = lattice.positions[: len(lattice.basis)].mean(axis=0)
    return [lattice.positions.mean(axis=0), *(lattice.positions[0] + vectors[nearest] / 2), cell]


def _verified(candidates, model):
    """Return the distinct candidates that are symmetries, in lexicographic order."""
    keys = _term_keys(model)
    return np.unique([image for image in candidates if _is_symmetry(image, model, keys)], axis=0).astype(np.intp)


def is_symmetry(permutation, model):
    """Return whether the permutation maps all terms of the model on pairs and sites onto themselves.

    Of electrons pairs of hops, too.

    Parameters
    ----------
    permutation : (n_sites,) intp
    """
    return _is_symmetry(permutation, model, _term_keys(model))


def verify(group, model):
    """Check that every row of `group` is a symmetry.

    Raises
    ------
    ValueError
        Naming the first row that is none.
    """
    for row, permutation in enumerate(np.atleast_2d(group)):
        if not is_symmetry(permutation, model):
            element = f"element {row} of the group, {permutation.tolist()}"
            raise ValueError(f"{element}, does not map the couplings onto themselves")


def _terms(model):
    """Return (sites (n, 2), element, kind, whether i and j have different parts) of all terms.

    One-site terms name their site twice.  An exchange i, j of a complex element is also the exchange j, i of its
    conjugate: it stands there as both.
    """
    sites = np.arange(model.n_sites)
    field = np.flatnonzero(model.site_field)
    is_directed = np.iscomplexobj(model.exchange_element)
    pairs, elements = exchange = model.exchange_sites, model.exchange_element
    if is_directed:
        exchange = np.concatenate([pairs, pairs[:, ::-1]]), np.concatenate([elements, elements.conj()])
    parts = [
        (model.pair_sites, model.pair_coupling, False),
        (*exchange, is_directed),
        (np.stack([sites[field]] * 2, axis=1), model.site_field[field], False),
        (np.stack([model.flip_sites] * 2, axis=1), model.flip_element, False),
        (model.parallel_sites, model.parallel_element, False),
        (model.conditional_sites, model.conditional_element, True),
    ]
    counts = [len(part[0]) for part in parts]
    kinds, directed = np.repeat(np.arange(len(parts)), counts), np.repeat([part[2] for part in parts], counts)
    return *(np.concatenate([part[k] for part in parts]) for k in range(2)), kinds, directed


def _term_keys(model):
    """Return (sites, label, whether directed, sorted keys) of terms: equal multisets of keys are equal Hamiltonians.

    Labels number kinds of terms with the same element.
    """
    sites, elements, kinds, directed = _terms(model)
    elements = np.round(elements / np.abs(elements).max(initial=1e-300), 12)
    rows = np.stack([kinds, elements.real, elements.imag], axis=1)
    labels = np.unique(rows, axis=0, return_inverse=True)[1].ravel()
    return sites, labels, directed, np.sort(_keys(sites, labels, directed, model.n_sites))


def _keys(sites, labels, directed, n_sites):
    first = np.where(directed, sites[:, 0], np.min(sites, axis=1))
    return (labels * n_sites + first) * n_sites + np.sum(sites, axis=1) - first


def _is_symmetry(permutation, model, keys):
    permutation = np.asarray(permutation)
    if not np.array_equal(np.sort(permutation), np.arange(model.n_sites)):
        return False
    sites, labels, directed, expected = keys
    if not np.array_equal(np.sort(_keys(permutation[sites], labels, directed, model.n_sites)), expected):
        return False
    return not _is_of_electrons(model) or model.keeps_pairs_of_hops(permutation)


def compose(g, h):
    """Return g h, the element that acts as h and then g: (g (h x))_i = x[h[g[i]]]; h may be several rows."""
    return np.ascontiguousarray(np.asarray(h)[..., g])


def inverse(g):
    """Return the inverse of one element, (n_sites,) intp."""
    return np.argsort(g)


def closure(generators, max_order=None):
    """Return the group that the generators span, (order, n_sites) intp in lexicographic order.

    Parameters
    ----------
    generators : (n, n_sites) integers
    max_order : int or None

    Raises
    ------
    ValueError
        When a generator is no permutation or the group has more than `max_order` elements.
    """
    generators = np.unique(np.atleast_2d(generators), axis=0).astype(np.intp)
    n = generators.shape[1]
    if not np.array_equal(np.sort(generators, axis=1), np.broadcast_to(np.arange(n), generators.shape)):
        raise ValueError("a generator is not a permutation of the sites")
    group = np.arange(n, dtype=np.intp)[None, :]
    elements, used = {group[0].tobytes()}, []
    for generator in generators:
        if generator.tobytes() not in elements:
            used.append(generator)
            group = _extend(group, elements, used, max_order)
    return np.unique(group, axis=0)


def _extend(group, elements, generators, max_order):
    """Return the closure of a group and the last generator; `elements` holds the bytes of all rows, *in place*.

    Left cosets g H of the old group H are added until every generator maps every coset to a known one (Dimino).
    """
    cosets, front = [group], [generators[-1]]
    while front:
        fresh = []
        for representative in front:
            if representative.tobytes() not in elements:
                cosets.append(compose(representative, group))
                elements.update(row.tobytes() for row in cosets[-1])
                fresh.append(representative)
            if max_order is not None and len(elements) > max_order:
                raise ValueError(f"the group has more than {max_order} elements")
        front = [compose(generator, representative) for representative in fresh for generator in generators]
    return np.concatenate(cosets)


def stabilizer(group, labels):
    """Return the elements that leave `labels` unchanged, (order, n_sites) intp.

    Parameters
    ----------
    labels : (n_sites,) array
        Anything that sits on the sites: a configuration, weights, a set as 0/1.
    """
    labels = np.asarray(labels)
    return group[np.all(labels[group] == labels, axis=1)]


def automorphisms(model, max_order=MAX_ORDER):
    """Return all site permutations that leave the model unchanged, found by search over its coupling graph.

    Sites are coloured by the couplings around them until the colours are stable, then images are assigned one site
    after the other.  Returns only the identity when there are more than `max_order`.
    """
    n = model.n_sites
    sites, labels, directed, _ = _term_keys(model)
    edges = [{} for _ in range(n)]
    own = [[] for _ in range(n)]
    for (i, j), label, is_directed in zip(sites.tolist(), labels.tolist(), directed.tolist(), strict=True):
        if i == j:
            own[i].append(label)
        else:
            edges[i].setdefault(j, []).append((label, 1 if is_directed else 0))
            edges[j].setdefault(i, []).append((label, -1 if is_directed else 0))
    edges = [{j: tuple(sorted(kinds)) for j, kinds in around.items()} for around in edges]
    colours = _stable_colours(edges, own)
    order = _search_order(edges, colours)
    found = []
    for images in _assignments(edges, colours, order):
        found.append(images)
        if len(found) > max_order:
            return np.arange(n, dtype=np.intp)[None, :]
    return np.unique(np.array(found, dtype=np.intp), axis=0)


def _stable_colours(edges, own):
    """Return a colour per site that automorphisms preserve (one-dimensional refinement)."""
    colours = [tuple(sorted(labels)) for labels in own]
    while True:
        names = {colour: number for number, colour in enumerate(sorted(set(colours)))}
        numbers = [names[colour] for colour in colours]
        colours = [
            (numbers[i], tuple(sorted((numbers[j], kinds) for j, kinds in around.items())))
            for i, around in enumerate(edges)
        ]
        if len(set(colours)) == len(names):
            return numbers


def _search_order(edges, colours):
    """Return the sites in an order in which each, where possible, neighbours an earlier one; rare colours first."""
    frequency = Counter(colours)
    order, chosen = [], set()
    while len(order) < len(edges):
        rest = [i for i in range(len(edges)) if i not in chosen]
        site = min(rest, key=lambda i: (-sum(j in chosen for j in edges[i]), frequency[colours[i]], i))
        order.append(site)
        chosen.add(site)
    return order


def _assignments(edges, colours, order):
    """Yield all colour- and edge-preserving permutations as lists of images."""
    n = len(edges)
    images, used = [-1] * n, [False] * n
    candidates = [iter(range(n))]
    while candidates:
        depth = len(candidates) - 1
        site = order[depth]
        if images[site] >= 0:
            used[images[site]] = False
            images[site] = -1
        for image in candidates[-1]:
            fits = not used[image] and colours[image] == colours[site]
            if fits and all(edges[site].get(k) == edges[image].get(images[k]) for k in order[:depth]):
                images[site], used[image] = image, True
                break
        else:
            candidates.pop()
            continue
        if depth + 1 == n:
            yield list(images)
        else:
            candidates.append(iter(range(n)))


def parity(permutation):
    """Return the sign, 1 or -1, of a permutation (n,)."""
    seen, sign = np.zeros(len(permutation), dtype=bool), 1
    for start in range(len(permutation)):
        at, length = start, 0
        while not seen[at]:
            seen[at] = True
            at, length = permutation[at], length + 1
        sign *= -1 if length and length % 2 == 0 else 1
    return sign
