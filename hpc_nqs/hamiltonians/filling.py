"""Parameters that all models of electrons have: terms between cells, from Wannier functions, and how many electrons.

Electrons are fixed numbers of either spin, or a chemical potential.
"""

from hpc_nqs.hamiltonians.parameter import HOPS, INTEGER, Parameter

WANNIER_HOPS = Parameter(
    "hops",
    (),
    symbol="",
    term="besides hopping: [R1, R2, a, b, h] is h (c+_ra c_(r+R)b + h.c.) from every cell r, R in cells, orbitals a, b "
    "from 0",
    kind=HOPS,
    shown_at_default=False,
)

CELL_INTERACTIONS = (
    Parameter(
        "repulsions",
        (),
        symbol="",
        term="besides U and V: [R1, R2, a, b, V] is V n_ra n_(r+R)b from every cell r, "
        "[0, 0, a, a, V] is V n_up n_down",
        kind=HOPS,
        shown_at_default=False,
    ),
    Parameter(
        "exchanges",
        (),
        symbol="",
        term="besides J_hund: [R1, R2, a, b, J] is Hund's exchange, spin flip and pair hopping of orbital a of every "
        "cell r with b of r+R",
        kind=HOPS,
        shown_at_default=False,
    ),
)

FILLING = (
    Parameter(
        "n_up",
        None,
        symbol="",
        term="electrons with spin up, with n_down: the canonical ensemble",
        unit="",
        kind=INTEGER,
        example=8,
    ),
    Parameter("n_down", None, symbol="", term="electrons with spin down, with n_up", unit="", kind=INTEGER, example=8),
    Parameter(
        "mu", None, symbol="mu", term="-mu N, instead of n_up and n_down: the grand canonical ensemble", example=2.0
    ),
)
ENSEMBLES = (("n_up", "n_down"), ("mu",))  # of which an input gives exactly one, with all its parameters


def checked_filling(filling, n_levels):
    """Return (n_up, n_down, mu) of the one ensemble that is given; None for the others.

    Parameters
    ----------
    filling : dict
        {"n_up": int, "n_down": int} or {"mu": float}; None stands for what is not given.
    n_levels : int
        Orbitals of the lattice.

    Raises
    ------
    ValueError
        When none is given, both or half of one, or electrons without an orbital.
    """
    given = {name: filling[name] for name in ("n_up", "n_down", "mu") if filling.get(name) is not None}
    if set(given) == {"mu"}:
        return None, None, float(given["mu"])
    if set(given) != {"n_up", "n_down"}:
        shown = ", ".join(f"{name} = {value}" for name, value in given.items()) or "no filling"
        raise ValueError(f"model: {shown}; allowed are n_up and n_down together, or mu alone")
    for name, value in given.items():
        if not 0 <= value <= n_levels:
            raise ValueError(
                f"model.{name} = {value}: more electrons than the {n_levels} orbitals of this lattice; allowed is 0 to "
                f"{n_levels}"
            )
    return given["n_up"], given["n_down"], None
