"""Sites, bonds and distances of periodic, open and custom lattices.

Every regular lattice is a piece of a two-dimensional Bravais lattice with a basis, scaled so that nearest
neighbours have distance 1.  Site (n1, n2, b) has position n1 a1 + n2 a2 + basis_b and index
(n1 + n2 L1) n_basis + b.  A custom lattice is a list of bonds without positions.
"""

from dataclasses import dataclass, field

import numpy as np

from hpc_nqs.lattices.bond_list import MAX_SHELL, SHELL_NAMES, check_bonds, read_bonds

__all__ = ["KINDS", "Lattice", "build", "read_bonds"]

TOLERANCE = 1e-6  # of distances, in units of the nearest-neighbour distance
ROUNDED = 0.01  # of a turn around the lattice: what a wave vector may miss by digits that are left out
RANGE = 4  # unit cells in which the shells of the infinite lattice are looked for

_ROOT3 = np.sqrt(3.0)
_SQUARE = ((1.0, 0.0), (0.0, 1.0)), ((0.0, 0.0),)
# kind -> ((a1, a2), basis), number of lengths
_GEOMETRY = {
    "chain": (*_SQUARE, 1),
    "ladder": (*_SQUARE, 2),
    "square": (*_SQUARE, 2),
    "triangular": (((1.0, 0.0), (0.5, _ROOT3 / 2)), ((0.0, 0.0),), 2),
    "honeycomb": (((_ROOT3, 0.0), (_ROOT3 / 2, 1.5)), ((0.0, 0.0), (_ROOT3 / 2, 0.5)), 2),
    "kagome": (((2.0, 0.0), (1.0, _ROOT3)), ((0.0, 0.0), (1.0, 0.0), (0.5, _ROOT3 / 2)), 2),
}
KINDS = (*_GEOMETRY, "custom")


@dataclass(frozen=True, eq=False)
class Lattice:
    """A finite lattice; made by `build`.

    Attributes
    ----------
    kind : str
    lengths : tuple of int
        Unit cells per direction; (L, n_legs) for a ladder, () for a custom lattice.
    boundary : tuple of bool
        Whether each direction is periodic.
    n_sites : int
    positions : (n_sites, 2) float64 or None
        Cartesian, nearest-neighbour distance 1; None for a custom lattice.
    vectors : (2, 2) float64 or None
        Primitive vectors a1, a2 as rows.
    basis : (n_basis, 2) float64 or None
        Positions inside the unit cell.
    custom_bonds : tuple of (int, int, int or float)
        The bonds of a custom lattice: i, j and a shell (int) or a coupling (float).
    """

    kind: str
    lengths: tuple
    boundary: tuple
    n_sites: int
    positions: np.ndarray | None
    vectors: np.ndarray | None
    basis: np.ndarray | None
    custom_bonds: tuple = ()
    grid: tuple = field(default=(), repr=False)  # unit cells along a1 and a2
    wraps: tuple = field(default=(), repr=False)  # whether a1 and a2 are periodic

    def bonds(self, shell=1):
        """Return the bonds of one shell of neighbours.

        Shells are the distinct distances of the infinite lattice (of the infinitely long ladder); distances are
        those of the nearest periodic images.  Each distinct bond counts once, also where it wraps around twice.

        Returns
        -------
        (n_bonds, 2) intp
            i < j, sorted.

        Raises
        ------
        ValueError
            When the shell is not 1, 2 or 3, has no bonds, or wraps onto nearer neighbours or onto the site itself.
        """
        if shell not in range(1, MAX_SHELL + 1):
            raise ValueError(f"shell = {shell}: allowed are 1 to {MAX_SHELL}")
        if self.kind == "custom":
            bonds = [(i, j) for i, j, value in self.custom_bonds if isinstance(value, int) and value == shell]
        else:
            bonds = self._regular_bonds(shell)
        if not len(bonds):
            raise ValueError(f"{self._named()} has no {SHELL_NAMES[shell]} neighbours")
        return np.unique(np.sort(np.array(bonds, dtype=np.intp), axis=1), axis=0)

    def explicit_bonds(self):
        """Return the bonds of a custom lattice that carry their own coupling: (n, 2) intp and (n,) float64."""
        chosen = sorted((min(i, j), max(i, j), value) for i, j, value in self.custom_bonds if isinstance(value, float))
        sites = np.array([bond[:2] for bond in chosen], dtype=np.intp).reshape(-1, 2)
        return sites, np.array([bond[2] for bond in chosen], dtype=np.float64)

    def displacement(self, i, j):
        """Return r_j - r_i between the nearest periodic images, (..., 2) float64; i and j broadcast.

        Raises
        ------
        ValueError
            For a custom lattice, which has no positions.
        """
        self._need_positions("displacements")
        return self.minimum_image(self.positions[j] - self.positions[i])

    def distances(self):
        """Return all distances, (n_sites, n_sites) float64: Euclidean between the nearest images.

        On a custom lattice the number of bonds on the shortest path; n_sites where there is none.
        """
        if self.positions is None:
            return self._graph_distances()
        sites = np.arange(self.n_sites)
        return np.linalg.norm(self.displacement(sites[:, None], sites[None, :]), axis=-1)

    def minimum_image(self, vectors):
        """Return the shortest vectors, (..., 2), that differ from `vectors` by periods of the lattice.

        Of several shortest ones always the same is taken.
        """
        periods = reduced_periods(self.vectors, self.grid, self.wraps)
        vectors = np.asarray(vectors, dtype=np.float64)
        if not len(periods):
            return vectors
        vectors = vectors - np.round(np.round(vectors @ np.linalg.pinv(periods), 9)) @ periods
        turns = np.array([(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1)])
        shifts = np.unique(turns[:, : len(periods)] @ periods, axis=0)
        images = vectors[..., None, :] + shifts
        nearest = np.argmin(np.round(np.sum(images**2, axis=-1), 9), axis=-1)
        return np.take_along_axis(images, nearest[..., None, None], axis=-2)[..., 0, :]

    def site_at(self, points):
        """Return the sites at Cartesian `points` (n, 2) or at a periodic image, (n,) intp; -1 where there is none."""
        points = np.asarray(points, dtype=np.float64)
        sites = np.full(len(points), -1, dtype=np.intp)
        grid = np.array(self.grid)
        for b, offset in enumerate(self.basis):
            cells = (points - offset) @ np.linalg.inv(self.vectors)
            whole = np.round(cells)
            there = np.all(np.abs(cells - whole) < 1e-5, axis=1)
            whole = np.where(self.wraps, whole % grid, whole).astype(np.intp)
            there &= np.all((whole >= 0) & (whole < grid), axis=1)
            sites[there] = ((whole[:, 0] + whole[:, 1] * grid[0]) * len(self.basis) + b)[there]
        return sites

    def wave_vector(self, q):
        """Return the phases e^{i q.r} of all sites, (n_sites,) complex128.

        Parameters
        ----------
        q : sequence of one or two numbers
            Cartesian components in units of pi, with nearest-neighbour distance 1: q = (1, 1) is (pi, pi) of the
            square lattice; a missing second component is 0.

        Raises
        ------
        ValueError
            When q has not one or two components, or the lattice has no positions and q is not 0.
        """
        q = np.atleast_1d(np.asarray(q, dtype=np.float64))
        if q.shape not in ((1,), (2,)):
            raise ValueError(f"a wave vector has 1 or 2 components, not {q.size}")
        if not q.any():
            return np.ones(self.n_sites, dtype=np.complex128)
        self._need_positions("wave vectors")
        return np.exp(1j * np.pi * (self.positions[:, : q.size] @ q))

    def nearest_wave_vector(self, q):
        """Return the wave vector of the periodic directions that is nearest to q, or None where q is one already.

        On a period P, e^{i q.P} = 1.  Digits that are left out, as in 0.3333, do not count.

        Parameters
        ----------
        q : sequence of one or two numbers
            As in `wave_vector`.

        Returns
        -------
        (2,) float64 or None
        """
        periods = reduced_periods(self.vectors, self.grid, self.wraps)
        q = np.array((*np.atleast_1d(q), 0.0)[:2], dtype=np.float64)
        if not len(periods):
            return None
        turns = periods @ q / 2
        off = np.sign(turns) * np.ceil(np.abs(turns) - 0.5 - 1e-9) - turns  # of two as near the smaller one
        if np.abs(off).max() < ROUNDED:
            return None
        return q + 2 * np.linalg.pinv(periods) @ off

    def _named(self):
        if self.kind == "custom":
            return "the custom lattice"
        return f"lattice.lengths = {list(self.lengths)}: {self.kind} of this size"

    def _need_positions(self, what):
        if self.positions is None:
            raise ValueError(f"{what} need positions, which a custom lattice does not have")

    def _offsets(self, shell):
        """Return the neighbours of one shell in the infinite lattice: (b, n1, n2, b') as rows and their vectors."""
        reach = [RANGE, RANGE]
        if self.kind == "chain":
            reach[1] = 0
        elif self.kind == "ladder":
            reach[1] = min(RANGE, self.grid[1] - 1)
        n_basis = len(self.basis)
        b, n1, n2, b2 = np.meshgrid(
            np.arange(n_basis),
            np.arange(-reach[0], reach[0] + 1),
            np.arange(-reach[1], reach[1] + 1),
            np.arange(n_basis),
            indexing="ij",
        )
        table = np.stack([b, n1, n2, b2], axis=-1).reshape(-1, 4)
        vectors = table[:, 1:3] @ self.vectors + self.basis[table[:, 3]] - self.basis[table[:, 0]]
        lengths = np.linalg.norm(vectors, axis=1)
        ordered = np.sort(lengths)
        shells = ordered[np.flatnonzero(np.diff(ordered) > TOLERANCE) + 1]
        chosen = np.abs(lengths - shells[shell - 1]) < TOLERANCE
        return table[chosen], vectors[chosen]

    def _regular_bonds(self, shell):
        grid = np.array(self.grid)
        n1, n2 = np.meshgrid(np.arange(grid[0]), np.arange(grid[1]), indexing="ij")
        cells = np.stack([n1.ravel(), n2.ravel()], axis=1)
        bonds = []
        for (b, *step, b2), vector in zip(*self._offsets(shell), strict=True):
            ends = cells + step
            wrapped = np.where(self.wraps, ends % grid, ends)
            inside = np.all((wrapped >= 0) & (wrapped < grid), axis=1)
            if not inside.any():
                continue
            if np.linalg.norm(self.minimum_image(vector)) < np.linalg.norm(vector) - TOLERANCE:
                raise ValueError(
                    f"{self._named()} is too small: its {SHELL_NAMES[shell]} neighbours wrap around onto "
                    "nearer neighbours or onto the site itself"
                )
            first = (cells[:, 0] + cells[:, 1] * grid[0]) * len(self.basis) + b
            second = (wrapped[:, 0] + wrapped[:, 1] * grid[0]) * len(self.basis) + b2
            bonds.append(np.stack([first, second], axis=1)[inside])
        return np.concatenate(bonds) if bonds else bonds

    def _graph_distances(self):
        distances = np.full((self.n_sites, self.n_sites), float(self.n_sites))
        neighbours = [[] for _ in range(self.n_sites)]
        for i, j, _ in self.custom_bonds:
            neighbours[i].append(j)
            neighbours[j].append(i)
        for start in range(self.n_sites):
            distances[start, start] = steps = 0
            front = {start}
            while front:
                steps += 1
                front = {j for i in front for j in neighbours[i] if distances[start, j] == self.n_sites and j != start}
                distances[start, list(front)] = steps
        return distances


def wave_vector_key(q):
    """Return the "qx,qy" under which tables store S(q)."""
    qx, qy = (*np.atleast_1d(q).tolist(), 0.0)[:2]
    return f"{qx:g},{qy:g}"


def reduced_periods(vectors, grid, wraps):
    """Return short vectors spanning the periods of the lattice, (n_periodic, 2) float64 (Lagrange-Gauss)."""
    periods = [vectors[d] * grid[d] for d in range(2) if wraps[d]] if vectors is not None else []
    if len(periods) == 2:
        short, long = sorted(periods, key=np.linalg.norm)
        while True:
            long = long - np.round(np.dot(long, short) / np.dot(short, short)) * short
            if np.linalg.norm(long) >= np.linalg.norm(short) - TOLERANCE:
                break
            short, long = long, short
        periods = [short, long]
    return np.array(periods).reshape(-1, 2)


def build(kind, lengths=(), boundary="periodic", bonds=None, n_sites=None):
    """Return the `Lattice` of an input.

    Parameters
    ----------
    kind : str
        chain, ladder, square, triangular, honeycomb, kagome or custom.
    lengths : sequence of int
        Unit cells per direction: (L,) for a chain, (L, n_legs) for a ladder, (L1, L2) otherwise.
    boundary : str or sequence of str
        "periodic" or "open", for all directions or one per direction.  A single word for a ladder holds along the
        legs; its rungs are open unless two words are given.
    bonds : sequence of (int, int, int or float)
        For kind = "custom": i, j and a shell (int) or a coupling (float).
    n_sites : int, optional
        For kind = "custom": sites, also those that no bond names; by default every site has a bond.

    Raises
    ------
    ValueError
        When the input describes no lattice: unknown words, wrong number of lengths, a length below 1, a periodic
        direction so short that sites are bonded to themselves, a single site, wrong bonds.
    """
    if kind not in KINDS:
        raise ValueError(f"lattice.kind = {kind!r}: allowed are {', '.join(KINDS)}")
    if kind == "custom":
        if bonds is None or not len(bonds):
            raise ValueError("lattice.bonds: a custom lattice needs at least one bond")
        custom = check_bonds(bonds, n_sites=n_sites)
        n_sites = n_sites or 1 + max(max(i, j) for i, j, _ in custom)
        return Lattice("custom", (), (), n_sites, None, None, None, custom)
    if bonds is not None:
        raise ValueError(f'lattice.bonds: only for kind = "custom", here it is "{kind}"')
    vectors, basis, dimension = _GEOMETRY[kind]
    lengths = _checked_lengths(kind, lengths, dimension)
    periodic = _checked_boundary(kind, boundary, dimension)
    vectors, basis = np.array(vectors), np.array(basis)
    grid, wraps = (*lengths, 1)[:2], (*periodic, False)[:2]
    n1, n2 = np.meshgrid(np.arange(grid[0]), np.arange(grid[1]), indexing="xy")
    cells = np.stack([n1.ravel(), n2.ravel()], axis=1) @ vectors
    positions = (cells[:, None, :] + basis[None, :, :]).reshape(-1, 2)
    for array in (positions, vectors, basis):
        array.flags.writeable = False
    lattice = Lattice(
        kind, lengths, periodic, len(positions), positions, vectors, basis, grid=grid, wraps=wraps
    )
    lattice.bonds(1)
    return lattice


def _checked_lengths(kind, lengths, dimension):
    lengths = tuple(lengths) if isinstance(lengths, (list, tuple, np.ndarray)) else (lengths,)
    shown = f"lattice.lengths = {list(lengths)}"
    if len(lengths) != dimension:
        meaning = " (sites along a leg, legs)" if kind == "ladder" else ""
        raise ValueError(f"{shown}: {kind} needs {dimension} length{'s' if dimension > 1 else ''}{meaning}")
    if not all(isinstance(length, (int, np.integer)) and not isinstance(length, bool) for length in lengths):
        raise ValueError(f"{shown}: lengths are integers")
    if min(lengths) < 1:
        raise ValueError(f"{shown}: lengths are at least 1")
    return tuple(int(length) for length in lengths)


def _checked_boundary(kind, boundary, dimension):
    words = [boundary] * dimension if isinstance(boundary, str) else list(boundary)
    if len(words) != dimension:
        raise ValueError(f"lattice.boundary = {boundary!r}: one word for all directions or {dimension} for {kind}")
    if not all(word in ("periodic", "open") for word in words):
        raise ValueError(f'lattice.boundary = {boundary!r}: allowed are "periodic" and "open"')
    if kind == "ladder" and isinstance(boundary, str):
        words[1] = "open"
    return tuple(word == "periodic" for word in words)
