"""Inputs of magnets whose bonds are those of a crystal: a periodic cluster of cells as a custom lattice.

J1, J2, ... are the couplings of the classes of distance.  The cluster is one piece that the bonds connect, unfolded,
with the periods that its bonds close; a layer or a chain loses the directions in which it does not extend.
"""

import itertools

import numpy as np

from hpc_nqs.hamiltonians import Heisenberg
from hpc_nqs.hamiltonians.parameter import MAX_SHELLS
from hpc_nqs.importers.crystal import read_crystal
from hpc_nqs.importers.distance_classes import bond_vectors, distance_classes, nearest_distances
from hpc_nqs.importers.spin_terms import written
from hpc_nqs.lattices.periods import reduced
from hpc_nqs.settings.parsing import SettingsError

MAX_CLUSTER = 1024  # sites
_FLAT = 1e-3  # in units of the shortest bond, off the plane of a layer


def input_text(text, name, atoms, cutoff, lengths, couplings=(), temperatures=()):
    """Return the TOML input of a cluster of a crystal.

    Parameters
    ----------
    text, name : str
        Of a CIF file or a list of sites, see `crystal`.
    atoms : sequence of str
        Elements or labels of the magnetic sites.
    cutoff : float or None
        Longest bond in angstrom.
    lengths : sequence of int
        Cells along a, b and c.
    couplings : sequence of float
        J1, J2, ... of the classes of distance, nearest first; 1 where there is one class.
    temperatures : sequence of float
        Of the results, in the unit of the couplings; by default a list scaled with the largest coupling.

    Raises
    ------
    SettingsError
        Where something is missing or wrong; without a cutoff, or couplings of several classes, with those that there
        are.
    """
    crystal = read_crystal(text, name, atoms)
    if cutoff is None:
        choice = ["--cutoff DISTANCE is needed, in angstrom; the shortest distances are"]
        choice += [f"    {each.described()}" for each in nearest_distances(crystal)]
        raise SettingsError(["\n".join(choice)])
    classes = distance_classes(crystal, cutoff)
    if not classes:
        nearest = nearest_distances(crystal, 1)[0].described()
        raise SettingsError([f"--cutoff {cutoff:g}: no bonds up to this distance; the nearest are {nearest}"])
    couplings = _checked_couplings(couplings, classes)
    _check_lengths(lengths, len(crystal.labels), name)
    about = _couplings_remarks(classes, couplings)
    classes, couplings = zip(*((each, J) for each, J in zip(classes, couplings, strict=True) if J), strict=True)
    lattice, remarks = _lattice_table(crystal, classes, couplings, lengths)
    model = {"kind": Heisenberg.word} | ({"couplings": list(couplings)} if len(classes) <= MAX_SHELLS else {})
    labels = ", ".join(dict.fromkeys(crystal.labels))
    size = f"{len(lattice['positions'])} sites of {'x'.join(map(str, lengths))} cells"
    remarks = [f"Imported from {name}: spins 1/2 at {labels}, {size}, periodic.", *about, *remarks]
    return written({"lattice": lattice, "model": model}, remarks, temperatures, max(map(abs, couplings)))


def _lattice_table(crystal, classes, couplings, lengths):
    """Return (the section lattice, remarks): the first piece of the cluster, with shells or couplings of its bonds."""
    cluster, remarks = _cluster(crystal, classes, lengths)
    sites, of_pieces = _piece(cluster, len(classes), int(np.prod(lengths)) * len(crystal.labels))
    number = {site: n for n, site in enumerate(sites)}
    bonds = [bond for bond in cluster if bond[0] in number]
    unit = classes[0].distance
    positions, periods = _unfolded(crystal, bonds, lengths, unit)
    of_shells = len(classes) <= MAX_SHELLS
    entries = sorted([number[i], number[j], kind] for i, j, kind, _ in bonds)
    lattice = {
        "kind": "custom",
        "positions": [positions[site] for site in sites],
        "bonds": [[i, j, kind + 1 if of_shells else couplings[kind]] for i, j, kind in entries],
    }
    if periods:
        lattice["periods"] = periods
    in_units = f"Positions and periods are in units of the shortest bond, {unit:.4f} angstrom."
    return lattice, [*remarks, *of_pieces, in_units]


def _checked_couplings(couplings, classes):
    """Return the couplings of all classes."""
    if not couplings and len(classes) == 1:
        return [1.0]
    if len(couplings) != len(classes):
        given = f"--couplings: {len(couplings)} of them" if couplings else "--couplings J1,J2,... is needed"
        choice = [f"{given}; up to this cutoff there are {len(classes)} distances"]
        choice += [f"    J{n}: {each.described()}" for n, each in enumerate(classes, start=1)]
        raise SettingsError(["\n".join(choice)])
    if not any(couplings):
        raise SettingsError(["--couplings: all are 0"])
    return list(couplings)


def _check_lengths(lengths, n_basis, name):
    if len(lengths) != 3:
        raise SettingsError([f"{name}: --lengths L,L,L is needed, the cells of the cluster along a, b and c"])
    n_sites = int(np.prod(lengths)) * n_basis
    if not 2 <= n_sites <= MAX_CLUSTER:
        found = f"{n_sites} sites, {n_basis} in a cell"
        raise SettingsError([f"--lengths {','.join(map(str, lengths))}: {found}; allowed are 2 to {MAX_CLUSTER}"])


def _cluster(crystal, classes, lengths):
    """Return the bonds [(i, j, class, vectors)] of the periodic cluster, and remarks; vectors in fractions of the cell.

    As on the lattices of this program each pair counts once, also where it wraps around twice: then it has two vectors.
    """
    n_basis, found, twice = len(crystal.labels), {}, set()
    for kind, each in enumerate(classes):
        for (b, *step, b2), vector in zip(each.bonds.tolist(), bond_vectors(crystal, each.bonds), strict=True):
            for cell in itertools.product(*map(range, lengths)):
                end = [(n + r) % length for n, r, length in zip(cell, step, lengths, strict=True)]
                i = int(np.ravel_multi_index(cell, lengths)) * n_basis + b
                j = int(np.ravel_multi_index(end, lengths)) * n_basis + b2
                key = (min(i, j), max(i, j))
                if i == j or found.get(key, (kind,))[0] != kind:
                    raise SettingsError(
                        [
                            f"--lengths {','.join(map(str, lengths))}: too small: bonds of {each.distance:.4f} "
                            "angstrom wrap around onto nearer neighbours or onto the site itself"
                        ]
                    )
                if key in found:
                    twice.add(kind + 1)
                found.setdefault(key, (kind, []))[1].append(vector if i < j else -vector)
    names = ", ".join(f"J{kind}" for kind in sorted(twice))
    remarks = [f"Pairs that {names} reaches around the cluster in two ways count once."] if twice else []
    return [(i, j, kind, vectors) for (i, j), (kind, vectors) in found.items()], remarks


def _piece(bonds, n_classes, n_sites):
    """Return (sites of the first of the pieces that the bonds connect, remarks)."""
    neighbours = {site: [] for site in range(n_sites)}
    for i, j, *_ in bonds:
        neighbours[i].append(j)
        neighbours[j].append(i)
    pieces, seen = [], set()
    for start in range(n_sites):
        if start in seen:
            continue
        piece, front = {start}, [start]
        while front:
            new = set(neighbours[front.pop()]) - piece
            piece |= new
            front += new
        seen |= piece
        pieces.append(piece)
    made_of = [
        (len(piece), *(sum(kind == each and i in piece for i, _, kind, _ in bonds) for each in range(n_classes)))
        for piece in pieces
    ]
    if len(set(made_of)) > 1:
        sizes = ", ".join(map(str, sorted({size for size, *_ in made_of})))
        raise SettingsError(
            [
                f"the bonds leave {len(pieces)} pieces that are not alike, of {sizes} sites: choose labels of one kind "
                "with --atom, or a longer --cutoff"
            ]
        )
    several = [f"The bonds leave {len(pieces)} equal pieces in these cells; this is the first one."]
    return sorted(pieces[0]), several if len(pieces) > 1 else []


def _unfolded(crystal, bonds, lengths, unit):
    """Return ({site: position}, periods) of a piece in units of the shortest bond.

    Positions follow the bonds from the first site on, across the edges of the cluster; what a closed loop of bonds is
    off by is a period.
    """
    steps = {}
    for i, j, _, (vector, *_) in bonds:
        steps.setdefault(i, []).append((j, vector))
        steps.setdefault(j, []).append((i, -vector))
    start = min(steps)
    places, front = {start: np.zeros(3)}, [start]
    while front:
        site = front.pop(0)
        for other, vector in steps[site]:
            if other not in places:
                places[other] = places[site] + vector
                front.append(other)
    turns = {
        tuple(np.round((places[i] + vector - places[j]) / lengths).astype(int))
        for i, j, _, vectors in bonds
        for vector in vectors
    }
    periods = reduced(np.array(_spanning(turns)).reshape(-1, 3) * lengths @ crystal.vectors / unit)
    vectors = np.array(list(places.values())) @ crystal.vectors / unit
    axes = _axes(vectors, periods)
    rows = np.round(vectors @ axes.T, 6) + 0.0
    return dict(zip(places, rows.tolist(), strict=True)), (np.round(periods @ axes.T, 6) + 0.0).tolist()


def _spanning(rows):
    """Return rows of integers, linearly independent, that span the same lattice as `rows` (Hermite normal form)."""
    rest, basis = [list(map(int, row)) for row in rows], []
    for column in range(3):
        while sum(bool(row[column]) for row in rest) > 1:
            least = min((row for row in rest if row[column]), key=lambda row: abs(row[column]))
            for row in rest:
                if row is not least:
                    factor = row[column] // least[column]
                    row[:] = [a - factor * b for a, b in zip(row, least, strict=True)]
        basis += [row for row in rest if row[column]]
        rest = [row for row in rest if not row[column]]
    return basis


def _axes(vectors, periods):
    """Return the Cartesian axes (D, 3) in which a piece is written: two of a layer or chain, three of others."""
    spanned = np.concatenate([vectors, periods])
    if np.abs(spanned[:, 2]).max() < _FLAT:
        return np.eye(3)[:2]
    sizes, rows = np.linalg.svd(spanned, full_matrices=True)[1:]
    if len(sizes) > 2 and sizes[2] > _FLAT * np.sqrt(len(spanned)):
        return np.eye(3)
    first = (periods[0] if len(periods) else vectors[np.argmax(np.linalg.norm(vectors, axis=1))]).copy()
    first /= np.linalg.norm(first)
    return np.array([first, np.cross(rows[2], first)])


def _couplings_remarks(classes, couplings):
    """Return one sentence for every class of distance."""
    n_shells = sum(map(bool, couplings))
    shells = iter(range(1, n_shells + 1))
    lines = []
    for n, (each, coupling) in enumerate(zip(classes, couplings, strict=True), start=1):
        shell = f", shell {next(shells)}" if coupling and n_shells <= MAX_SHELLS else ""
        lines.append(f"Distance {n}: {each.described()}; {f'J = {coupling:g}{shell}' if coupling else 'left out'}.")
    return lines
