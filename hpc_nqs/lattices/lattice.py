"""Sites, bonds and distances of periodic, open and custom lattices.

Every regular lattice is a piece of a two- or three-dimensional Bravais lattice with a basis, scaled so that nearest
neighbours have distance 1.  Site (n1, n2, b) has position n1 a1 + n2 a2 + basis_b and index
(n1 + n2 L1) n_basis + b, and so on in three dimensions.  A box of any shape is such a grid along other primitive
vectors.  A custom lattice is a list of bonds, with or without positions.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from hpc_nqs.lattices import periods as short
from hpc_nqs.lattices.bond_list import MAX_SHELL, SHELL_NAMES, check_bonds, read_bonds
from hpc_nqs.lattices.geometry import GEOMETRIES
from hpc_nqs.lattices.neighbours import bonds_of_shell
from hpc_nqs.lattices.periods import TOLERANCE

__all__ = ["KINDS", "Lattice", "build", "read_bonds"]

KINDS = (*GEOMETRIES, "custom")
_NO_PERIODS = np.zeros((0, 2))


@dataclass(frozen=True, eq=False)
class Lattice:
    """A finite lattice; made by `build`.

    Attributes
    ----------
    kind : str
    lengths : tuple of int
        Unit cells per direction; (L, n_legs) for a ladder, along `vectors` for a box, () for a custom lattice.
    boundary : tuple of bool
        Whether each direction is periodic.
    n_sites : int
    positions : (n_sites, D) float64 or None
        Cartesian, D = 2 or 3, nearest-neighbour distance 1; of a custom lattice as given, None without.
    vectors : (D, D) float64 or None
        Primitive vectors a1, a2 (, a3) along which the sites are counted, as rows; None for a custom lattice.
    basis : (n_basis, D) float64 or None
        Positions inside the unit cell.
    custom_bonds : tuple of (int, int, int or float)
        The bonds of a custom lattice: i, j and a shell (int) or a coupling (float).
    primitive : (D, D) float64 or None
        Primitive vectors of the kind, to which R1, R2 (, R3) of bonds between cells refer; `vectors` but for a box.
    box : tuple of tuple of int
        Periods in units of `primitive`, of a box; else ().
    grid : tuple of int
        Unit cells along `vectors`.
    wraps : tuple of bool
        Whether `vectors` are periodic directions.
    periods : (n_periodic, D) float64
        Short vectors that span the periods.
    """

    kind: str
    lengths: tuple
    boundary: tuple
    n_sites: int
    positions: np.ndarray | None
    vectors: np.ndarray | None
    basis: np.ndarray | None
    custom_bonds: tuple = ()
    primitive: np.ndarray | None = field(default=None, repr=False)
    box: tuple = ()
    grid: tuple = field(default=(), repr=False)
    wraps: tuple = field(default=(), repr=False)
    periods: np.ndarray = field(default_factory=_NO_PERIODS.copy, repr=False)

    def bonds(self, shell=1):
        """Return the bonds of one shell of neighbours.

        Shells are the distinct distances of the infinite lattice (of the infinitely long ladder), or the bonds that
        `geometry` names; distances are those of the nearest periodic images.  Each distinct bond counts once, also
        where it wraps around twice.

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
            bonds = bonds_of_shell(self, shell)
        if not len(bonds):
            raise ValueError(f"{self.named()} has no {SHELL_NAMES[shell]} neighbours")
        return np.unique(np.sort(np.array(bonds, dtype=np.intp), axis=1), axis=0)

    def explicit_bonds(self):
        """Return the bonds of a custom lattice that carry their own coupling: (n, 2) intp and (n,) float64."""
        chosen = sorted((min(i, j), max(i, j), value) for i, j, value in self.custom_bonds if isinstance(value, float))
        sites = np.array([bond[:2] for bond in chosen], dtype=np.intp).reshape(-1, 2)
        return sites, np.array([bond[2] for bond in chosen], dtype=np.float64)

    def displacement(self, i, j):
        """Return r_j - r_i between the nearest periodic images, (..., D) float64; i and j broadcast.

        Raises
        ------
        ValueError
            For a custom lattice without positions.
        """
        self._need_positions("displacements")
        return self.minimum_image(self.positions[j] - self.positions[i])

    def distances(self):
        """Return all distances, (n_sites, n_sites) float64: Euclidean between the nearest images.

        On a custom lattice without positions the number of bonds on the shortest path; n_sites where there is none.
        """
        if self.positions is None:
            return self._graph_distances()
        sites = np.arange(self.n_sites)
        return np.linalg.norm(self.displacement(sites[:, None], sites[None, :]), axis=-1)

    def minimum_image(self, vectors):
        """Return the shortest vectors, (..., D), that differ from `vectors` by periods of the lattice.

        Of several shortest ones always the same is taken.
        """
        return short.minimum_image(vectors, self.periods)

    def cells(self):
        """Return the cells (n1, n2, ...) in the order of their sites, (n_cells, D) intp; [()] for a custom lattice."""
        if not self.grid:
            return np.zeros((1, 0), dtype=np.intp)
        return np.indices(self.grid[::-1], dtype=np.intp).reshape(len(self.grid), -1)[::-1].T

    def site_of(self, cells, b):
        """Return the sites b of `cells` (n, D) inside the grid, (n,) intp."""
        places = np.cumprod([1, *self.grid[:-1]])
        return (np.asarray(cells) @ places) * len(self.basis) + b

    def steps(self):
        """Return the translations (n1, n2, ...) along periodic directions, the identity first, as tuples of int."""
        cells = self.cells()
        return [tuple(cell) for cell in cells[np.all((cells == 0) | np.array(self.wraps, dtype=bool), axis=1)].tolist()]

    def translated(self, step):
        """Return the site n1 a1 + n2 a2 (+ n3 a3) away from every site, (n_sites,) intp; -1 where there is none."""
        return self.site_at(self.positions + np.asarray(step) @ self.vectors)

    def site_at(self, points):
        """Return the sites at Cartesian `points` (n, D) or at a periodic image, (n,) intp; -1 where there is none.

        For lattices with cells, which custom ones do not have.
        """
        points = np.asarray(points, dtype=np.float64)
        sites = np.full(len(points), -1, dtype=np.intp)
        grid = np.array(self.grid)
        for b, offset in enumerate(self.basis):
            cells = (points - offset) @ np.linalg.inv(self.vectors)
            whole = np.round(cells)
            there = np.all(np.abs(cells - whole) < 1e-5, axis=1)
            whole = np.where(self.wraps, whole % grid, whole).astype(np.intp)
            there &= np.all((whole >= 0) & (whole < grid), axis=1)
            sites[there] = self.site_of(whole, b)[there]
        return sites

    def wave_vector(self, q):
        """Return the phases e^{i q.r} of all sites, (n_sites,) complex128.

        Parameters
        ----------
        q : sequence of one to D numbers
            Cartesian components in units of pi, with nearest-neighbour distance 1: q = (1, 1) is (pi, pi) of the
            square lattice; missing components are 0.

        Raises
        ------
        ValueError
            When q has more than D components, or the lattice has no positions and q is not 0.
        """
        q = self._components(q)
        if not q.any():
            return np.ones(self.n_sites, dtype=np.complex128)
        self._need_positions("wave vectors")
        return np.exp(1j * np.pi * (self.positions @ q))

    def nearest_wave_vector(self, q):
        """Return the wave vector of the periodic directions that is nearest to q, or None where q is one already.

        Parameters
        ----------
        q : sequence of one to D numbers
            As in `wave_vector`.

        Returns
        -------
        (D,) float64 or None
        """
        return short.nearest_wave_vector(self._components(q), self.periods)

    def _components(self, q):
        """Return all D components of a wave vector."""
        q = np.atleast_1d(np.asarray(q, dtype=np.float64))
        dimension = 2 if self.positions is None else self.positions.shape[1]
        if q.ndim != 1 or not 1 <= len(q) <= dimension:
            raise ValueError(f"a wave vector has {'1 or 2' if dimension == 2 else '1 to 3'} components, not {q.size}")
        return np.concatenate([q, np.zeros(dimension - len(q))])

    def named(self):
        """Return the words by which errors name the lattice."""
        if self.kind == "custom":
            return "the custom lattice"
        size = f"box = {[list(row) for row in self.box]}" if self.box else f"lengths = {list(self.lengths)}"
        return f"lattice.{size}: {self.kind} of this size"

    def _need_positions(self, what):
        if self.positions is None:
            raise ValueError(f"{what} need positions, which this custom lattice does not have")

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
    """Return the "qx,qy" under which tables store S(q); "qx,qy,qz" where the third component is not 0."""
    qx, qy, qz = (*np.atleast_1d(q).tolist(), 0.0, 0.0)[:3]
    return f"{qx:g},{qy:g},{qz:g}" if qz else f"{qx:g},{qy:g}"


def build(kind, lengths=(), boundary="periodic", bonds=None, n_sites=None, box=(), positions=(), periods=()):
    """Return the `Lattice` of an input.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    lengths : sequence of int
        Unit cells per direction: (L,) for a chain, (L, n_legs) for a ladder, (L1, L2) or (L1, L2, L3) otherwise.
    boundary : str or sequence of str
        "periodic" or "open", for all directions or one per direction.  A single word for a ladder holds along the
        legs; its rungs are open unless two words are given.
    bonds : sequence of (int, int, int or float)
        For kind = "custom": i, j and a shell (int) or a coupling (float).
    n_sites : int, optional
        For kind = "custom": sites, also those that no bond names; by default every site has a bond.
    box : sequence of D sequences of D int
        In place of lengths: the periods in units of the primitive vectors.
    positions : sequence of (x, y) or (x, y, z)
        For kind = "custom": where the sites are, one for each.
    periods : sequence of (x, y) or (x, y, z)
        For kind = "custom" with positions: periods of the lattice, none where it is open.

    Raises
    ------
    ValueError
        When the input describes no lattice: unknown words, wrong number of lengths, a length below 1, a periodic
        direction so short that sites are bonded to themselves, a single site, wrong bonds or positions.
    """
    if kind not in KINDS:
        raise ValueError(f"lattice.kind = {kind!r}: allowed are {', '.join(KINDS)}")
    if kind == "custom":
        return _custom(bonds, n_sites, positions, periods)
    if bonds is not None:
        raise ValueError(f'lattice.bonds: only for kind = "custom", here it is "{kind}"')
    lattice = _regular(kind, lengths, boundary, box)
    lattice.bonds(1)
    return lattice


def _regular(kind, lengths, boundary, box):
    """Return the lattice of a kind with cells."""
    geometry = GEOMETRIES[kind]
    if len(box):
        lengths, boundary, vectors = _checked_box(kind, lengths, boundary, box)
    else:
        lengths = _checked_lengths(kind, lengths, geometry.n_lengths)
        boundary = _checked_boundary(kind, boundary, geometry.n_lengths)
        vectors = np.array(geometry.vectors, dtype=np.float64)
    dimension = len(vectors)
    grid, wraps = (*lengths, 1)[:dimension], (*boundary, False)[:dimension]
    lattice = Lattice(
        kind,
        lengths,
        boundary,
        int(np.prod(grid)) * len(geometry.basis),
        None,
        _read_only(vectors),
        _read_only(geometry.basis),
        primitive=_read_only(geometry.vectors),
        box=tuple(tuple(int(n) for n in row) for row in box),
        grid=grid,
        wraps=wraps,
        periods=_read_only(short.reduced(vectors[list(wraps)] * np.array(grid)[list(wraps), None])),
    )
    return replace(lattice, positions=_read_only(_positions(lattice)))


def _positions(lattice):
    """Return the positions of all sites; the cells of a box are moved into the box."""
    cells = lattice.cells() @ lattice.vectors
    if lattice.box:
        periods = np.array(lattice.box) @ lattice.primitive
        cells = cells - np.floor(cells @ np.linalg.inv(periods) + 1e-9) @ periods
    return (cells[:, None, :] + lattice.basis[None, :, :]).reshape(-1, cells.shape[1])


def _read_only(array):
    array = np.array(array, dtype=np.float64)
    array.flags.writeable = False
    return array


def _custom(bonds, n_sites, positions, periods):
    """Return the lattice of a list of bonds."""
    if bonds is None or not len(bonds):
        raise ValueError("lattice.bonds: a custom lattice needs at least one bond")
    custom = check_bonds(bonds, n_sites=n_sites)
    n_sites = n_sites or 1 + max(max(i, j) for i, j, _ in custom)
    if not len(positions):
        if len(periods):
            raise ValueError("lattice.periods: only with lattice.positions")
        return Lattice("custom", (), (), n_sites, None, None, None, custom)
    if len(positions) != n_sites:
        raise ValueError(f"lattice.positions: {len(positions)} of them; allowed are {n_sites}, one for every site")
    dimension = len(positions[0])
    if any(len(vector) != dimension for vector in (*positions, *periods)):
        raise ValueError("lattice.positions and lattice.periods: some have 2 components, others 3")
    vectors = np.array(periods, dtype=np.float64).reshape(len(periods), dimension)
    if len(periods) and np.linalg.matrix_rank(vectors) < len(periods):
        raise ValueError(f"lattice.periods = {[list(row) for row in periods]}: they are linearly dependent")
    periods = short.reduced(vectors)
    lattice = Lattice(
        "custom", (), (), n_sites, _read_only(positions), None, None, custom, periods=_read_only(periods)
    )
    i, j = np.triu_indices(n_sites, k=1)
    apart = np.linalg.norm(lattice.displacement(i, j), axis=1)
    if np.any(apart < TOLERANCE):
        same = int(np.argmin(apart))
        raise ValueError(f"lattice.positions: sites {i[same]} and {j[same]} are at the same place")
    return lattice


def _checked_box(kind, lengths, boundary, box):
    """Return (grid, periodic directions, vectors) of a box of any shape."""
    geometry, shown = GEOMETRIES[kind], f"lattice.box = {[list(row) for row in box]}"
    dimension = len(geometry.vectors)
    if kind in ("chain", "ladder"):
        raise ValueError(f"{shown}: {kind} has lengths only")
    if len(lengths):
        raise ValueError(f"{shown}: lattice.lengths is given, too; give one of them")
    if np.shape(box) != (dimension, dimension):
        raise ValueError(f"{shown}: {kind} needs {dimension} vectors of {dimension} integers")
    if boundary != "periodic":
        raise ValueError(f'lattice.boundary = {boundary!r}: with lattice.box allowed is "periodic"')
    try:
        grid, vectors = short.straightened(box)
    except ValueError as error:
        raise ValueError(f"{shown}: {error}") from None
    return grid, (True,) * dimension, vectors @ np.array(geometry.vectors)


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
