"""The section [lattice] of the input."""

import dataclasses

from hpc_nqs.lattices.geometry import GEOMETRIES
from hpc_nqs.settings.rules import (
    MAX_SITES,
    auto_or,
    bond,
    integer,
    list_of,
    one_or_list_of,
    option,
    text,
    vector,
    word,
)

MAX_CELLS = 4096  # unit cells of a lattice; above, tables of distances no longer fit into memory
REGULAR_KINDS = tuple(GEOMETRIES)

_CUSTOM = ("kind", ("custom",))
_REGULAR = ("kind", REGULAR_KINDS)


@dataclasses.dataclass(frozen=True)
class LatticeSettings:
    """Sites and bonds."""

    kind: str = option(word(*REGULAR_KINDS, "custom"), about="lattice")
    lengths: tuple[int, ...] = option(
        list_of(integer(1, MAX_CELLS), 1, 3),
        (),
        about="unit cells per direction",
        only_for=_REGULAR,
        example=(4, 4),
    )
    box: tuple[tuple[int, ...], ...] = option(
        list_of(list_of(integer(-MAX_CELLS, MAX_CELLS), 2, 3), 2, 3),
        (),
        about="instead of lengths: the periods as combinations of the primitive vectors, of any lattice but chains and "
        "ladders",
        only_for=_REGULAR,
        example=((1, 3), (-3, 1)),
    )
    boundary: str | tuple[str, ...] = option(
        one_or_list_of(word("periodic", "open"), 3),
        "periodic",
        about="boundary condition, one for all directions or one per direction",
        only_for=_REGULAR,
    )
    bonds_file: str = option(
        text(),
        "",
        about="file with one bond `i j shell-or-coupling` per line; stored as bonds",
        only_for=_CUSTOM,
        example="bonds.txt",
    )
    bonds: tuple[tuple, ...] = option(
        list_of(bond(), 1, 10**6),
        (),
        about="the bonds themselves, instead of bonds_file",
        only_for=_CUSTOM,
        example=((0, 1, 1), (1, 2, 0.5)),
    )
    n_sites: int | str = option(
        auto_or(integer(2, MAX_SITES)),
        "auto",
        about="sites, free ones without bonds included; auto: those of the bonds",
        only_for=_CUSTOM,
    )
    positions: tuple[tuple[float, ...], ...] = option(
        list_of(vector(), 1, MAX_SITES),
        (),
        about="where the sites are, one vector for each: for S(q), distances and drawings",
        only_for=_CUSTOM,
        example=((0.0, 0.0), (1.0, 0.0), (0.5, 0.9)),
    )
    periods: tuple[tuple[float, ...], ...] = option(
        list_of(vector(), 1, 3),
        (),
        about="periods of the positions",
        only_for=_CUSTOM,
        example=((2.0, 0.0),),
    )
