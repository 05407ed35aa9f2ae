"""A drawing of a lattice: numbered sites, and the bonds that a model couples, a colour for each kind."""

import numpy as np

from hpc_nqs.hamiltonians import MODELS
from hpc_nqs.hamiltonians.bonds import coupled_bonds
from hpc_nqs.hamiltonians.cell_bonds import cell_pairs
from hpc_nqs.hamiltonians.parameter import HOPS, MAX_SHELLS, NUMBER, OF_CELLS, split_entry
from hpc_nqs.lattices.bond_list import SHELL_NAMES
from hpc_nqs.lattices.geometry import GEOMETRIES
from hpc_nqs.settings.system import build

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito
WIDTHS = (2.2, 1.6, 1.2)  # points; of kinds of bonds, in turn
AZIMUTH, ELEVATION = np.deg2rad([24.0, 16.0])  # from where lattices in three dimensions are seen
DASHES = (0, (2, 1.5))
SAME = 1e-6  # of places, in nearest-neighbour distances
MAX_NUMBERED = 400  # sites
TALLEST = 1.5  # of a drawing, in units of its width


class Drawing:
    """What is drawn of a lattice.

    Parameters
    ----------
    settings : Settings

    Attributes
    ----------
    places : (n_sites, 2) float64
        In the plane of the drawing; on a circle where there are no positions.
    kinds : list of (str, (n, 2) intp, (n, D) float64)
        Kinds of bonds: their words, pairs of sites, and vectors from the first to the second one.
    """

    def __init__(self, settings):
        self.lattice, _ = build(settings)
        angles = 2 * np.pi * np.arange(self.lattice.n_sites) / self.lattice.n_sites
        self.in_space = self.lattice.positions is not None
        circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        self.positions = self.lattice.positions if self.in_space else circle
        self.places = projected(self.positions)
        self.kinds = [*self._of_shells(settings), *self._of_cells(settings)]

    @property
    def height(self):
        """Height of the drawing in units of its width."""
        width, height = np.ptp(self.places, axis=0) + 1.0
        return float(min(height / width, TALLEST))

    def _of_shells(self, settings):
        """Yield the kinds of bonds that shells of neighbours and custom bonds are."""
        values = _shell_values(settings)
        couples = [max(each, key=abs) for each in values]
        sites, strengths, shells = coupled_bonds(self.lattice, couples)
        for shell in np.unique(shells):
            chosen = shells == shell
            if shell:
                numbers = ", ".join(f"{value:g}" for value in values[shell - 1])
                words = f"{_shell_words(self.lattice.kind, int(shell))}: {numbers}"
            else:
                low, high = strengths[chosen].min(), strengths[chosen].max()
                words = f"own couplings: {low:g}" + (f" to {high:g}" if high > low else "")
            yield words, sites[chosen], self._vectors(sites[chosen])

    def _of_cells(self, settings):
        """Yield a kind of bonds for every entry of bonds between cells, one for all hops between them."""
        values = settings.model.keywords()
        for parameter in MODELS[settings.model.kind].parameters:
            entries = values.get(parameter.name, ()) if parameter.kind in OF_CELLS else ()
            pairs, vectors = [], []
            for entry in entries:
                (*cell, a, b), numbers = split_entry(parameter.kind, entry)
                a, b = (0, 0) if parameter.kind == HOPS else (a, b)
                if not any(cell) and a == b:
                    continue
                step = cell @ self.lattice.primitive + self.lattice.basis[b] - self.lattice.basis[a]
                found = cell_pairs(self.lattice, *cell, a, b)
                pairs.append(found)
                vectors.append(np.tile(step, (len(found), 1)))
                if parameter.kind != HOPS:
                    shown = ", ".join(f"{number:g}" for number in numbers)
                    yield f"{parameter.name} {[*cell, a, b]}: {shown}", pairs.pop(), vectors.pop()
            if pairs:
                yield parameter.name, np.concatenate(pairs), np.concatenate(vectors)

    def _vectors(self, sites):
        """Return the shortest vectors between pairs of sites, (n, D): those inside the drawing of several."""
        direct = self.positions[sites[:, 1]] - self.positions[sites[:, 0]]
        if not self.in_space:
            return direct
        nearest = self.lattice.minimum_image(direct)
        longer = np.linalg.norm(direct, axis=1) > np.linalg.norm(nearest, axis=1) + SAME
        return np.where(longer[:, None], nearest, direct)

    def draw(self, axis):
        """Draw bonds and sites; bonds around the boundary are dashed halves at both of their sites."""
        leaves = False
        for number, (words, sites, vectors) in enumerate(self.kinds):
            first, second = self.positions[sites[:, 0]], self.positions[sites[:, 1]]
            inside = np.linalg.norm(first + vectors - second, axis=1) < SAME
            style = {"color": COLOURS[number % len(COLOURS)], "linewidth": WIDTHS[number % len(WIDTHS)]}
            axis.plot(*_segments(first[inside], second[inside]), zorder=1, label=words, **style)
            around = first[~inside], second[~inside], vectors[~inside] / 2
            halves = np.concatenate([around[0], around[1]]), np.concatenate([around[2], -around[2]])
            axis.plot(*_segments(halves[0], halves[0] + halves[1]), linestyle=DASHES, zorder=0, **style)
            leaves |= not inside.all()
        if leaves:
            axis.plot([], [], color="0.4", linewidth=1.2, linestyle=DASHES, label="around the boundary")
        self._draw_sites(axis)
        axis.set_aspect("equal")
        axis.margins(0.06)
        axis.set_axis_off()

    def _draw_sites(self, axis):
        n_sites = len(self.places)
        size = 9.0 if n_sites <= 64 else 7.0
        if n_sites <= MAX_NUMBERED:
            for number, place in enumerate(self.places):
                frame = {"boxstyle": "circle,pad=0.18", "facecolor": "white", "edgecolor": "0.25", "linewidth": 0.7}
                text = f"{number:>2d}" if number > 9 else f" {number} "
                axis.text(*place, text, fontsize=size - 2, ha="center", va="center", bbox=frame, zorder=3)
        else:
            axis.plot(*self.places.T, "o", color="0.25", markersize=2.5, zorder=3)


def projected(positions):
    """Return positions (n, D) in the plane of the drawing, (n, 2): parallel projection from three dimensions."""
    if positions.shape[1] == 2:
        return positions
    (sin_a, sin_e), (cos_a, cos_e) = np.sin([AZIMUTH, ELEVATION]), np.cos([AZIMUTH, ELEVATION])
    right = np.array([cos_a, sin_a, 0.0])
    up = np.array([-sin_a * sin_e, cos_a * sin_e, cos_e])
    return positions @ np.stack([right, up], axis=1)


def _segments(starts, ends):
    """Return x and y of lines from starts to ends (n, D), not a number in between."""
    lines = np.stack([projected(starts), projected(ends), np.full((len(starts), 2), np.nan)], axis=1).reshape(-1, 2)
    return lines[:, 0], lines[:, 1]


def _shell_values(settings):
    """Return for every shell the couplings of the model, one or several components, that shells have."""
    model, values = MODELS[settings.model.kind], settings.model.keywords()
    of_bonds = model.bond_parameter()
    found = [
        parameter.as_tuple(values[parameter.name])
        for parameter in model.parameters
        if parameter is of_bonds or (_has_shells(parameter) and _has_shells(of_bonds))
    ]
    n_shells = max(map(len, found))
    return [tuple(each[shell] if shell < len(each) else 0.0 for each in found) for shell in range(n_shells)]


def _has_shells(parameter):
    default = type(parameter).__dataclass_fields__["entries"].default
    return parameter.is_list and parameter.kind == NUMBER and parameter.entries == default


def _shell_words(kind, shell):
    names = GEOMETRIES[kind].bond_names if kind in GEOMETRIES else ()
    return names[shell - 1] if names else f"{SHELL_NAMES[min(shell, MAX_SHELLS)]} neighbours"
