"""Kinds of lattices: primitive vectors, positions inside the cell, and the bonds that distances do not tell apart."""

from dataclasses import dataclass

import numpy as np

_ROOT2, _ROOT3, _ROOT7 = np.sqrt([2.0, 3.0, 7.0])
_POINT = ((0.0, 0.0),)
_SQUARE = ((1.0, 0.0), (0.0, 1.0))
_FCC = np.array([(0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0)])  # of a cube with edge 1
_TRIANGULAR = np.array([(1.0, 0.0), (0.5, _ROOT3 / 2)])
# Sites around the hexagon at the origin of the maple leaf, in triangular cells; the centres of hexagons are left out.
_HEXAGON = np.array([(1, 0), (0, 1), (-1, 1), (-1, 0), (0, -1), (1, -1)])


@dataclass(frozen=True)
class Geometry:
    """One kind of lattice, in units of the distance of nearest neighbours.

    Attributes
    ----------
    vectors : (D, D) array-like of float
        Primitive vectors as rows.
    basis : (n_basis, D) array-like of float
        Positions inside the unit cell.
    n_lengths : int
        Directions that have a length.
    bonds : tuple of tuple of (b, R1, ..., b')
        For every shell the bonds from site b of a cell to site b' of the cell R away, one of both directions; empty
        where shells are the distinct distances of the infinite lattice.
    bond_names : tuple of str
        What the bonds of every shell are, where they are named.
    """

    vectors: object
    basis: object
    n_lengths: int
    bonds: tuple = ()
    bond_names: tuple = ()


# Squares, every second one crossed: couplings = [J, J'] of their edges and of the crossing diagonals.
_CHECKERBOARD = (
    (
        ((0, 0, 0, 1), (1, 1, 0, 0), (0, 0, 1, 1), (1, 1, -1, 0)),
        ((0, 1, 0, 0), (1, 0, 1, 1)),
    ),
    ("edges of squares", "crossing diagonals"),
)
# Shastry and Sutherland, Physica B+C 108, 1069 (1981): couplings = [J', J] of the edges of squares and of the dimers.
_SHASTRY_SUTHERLAND = (
    (
        (
            *((0, 0, 0, 1), (1, 1, 0, 0), (2, 0, 0, 3), (3, 1, 0, 2)),  # along x
            *((0, 0, 0, 2), (2, 0, 1, 0), (1, 0, 0, 3), (3, 0, 1, 1)),  # along y
        ),
        ((0, 0, 0, 3), (1, 1, -1, 2)),
    ),
    ("edges of squares", "dimers"),
)
# Ghosh, Mueller and Thomale, Phys. Rev. B 105, L180412 (2022): [J_d, J_t, J_h] of dimers, triangles and hexagons.
_MAPLE_LEAF = (
    (
        ((0, 1, 0, 3), (1, 0, 1, 4), (2, -1, 1, 5)),
        ((0, 1, -1, 2), (0, 1, 0, 4), (1, 0, 1, 5), (1, 1, 0, 3), (2, 0, 1, 4), (3, -1, 1, 5)),
        tuple((b, 0, 0, (b + 1) % 6) for b in range(6)),
    ),
    ("dimers", "triangles", "hexagons"),
)

GEOMETRIES = {
    "chain": Geometry(_SQUARE, _POINT, 1),
    "ladder": Geometry(_SQUARE, _POINT, 2),
    "square": Geometry(_SQUARE, _POINT, 2),
    "triangular": Geometry(((1.0, 0.0), (0.5, _ROOT3 / 2)), _POINT, 2),
    "honeycomb": Geometry(((_ROOT3, 0.0), (_ROOT3 / 2, 1.5)), ((0.0, 0.0), (_ROOT3 / 2, 0.5)), 2),
    "kagome": Geometry(((2.0, 0.0), (1.0, _ROOT3)), ((0.0, 0.0), (1.0, 0.0), (0.5, _ROOT3 / 2)), 2),
    "checkerboard": Geometry(((1.0, 1.0), (-1.0, 1.0)), ((0.0, 0.0), (1.0, 0.0)), 2, *_CHECKERBOARD),
    "shastry_sutherland": Geometry(
        ((2.0, 0.0), (0.0, 2.0)), ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)), 2, *_SHASTRY_SUTHERLAND
    ),
    "maple_leaf": Geometry(np.array([(2, 1), (-1, 3)]) @ _TRIANGULAR, _HEXAGON @ _TRIANGULAR, 2, *_MAPLE_LEAF),
    "cubic": Geometry(np.eye(3), np.zeros((1, 3)), 3),
    "bcc": Geometry(np.array([(-1, 1, 1), (1, -1, 1), (1, 1, -1)]) / _ROOT3, np.zeros((1, 3)), 3),
    "fcc": Geometry(_ROOT2 * _FCC, np.zeros((1, 3)), 3),
    "diamond": Geometry(4 / _ROOT3 * _FCC, np.array([(0, 0, 0), (1, 1, 1)]) / _ROOT3, 3),
    "pyrochlore": Geometry(2 * _ROOT2 * _FCC, _ROOT2 * np.concatenate([np.zeros((1, 3)), _FCC]), 3),
}
