"""The section [ground_state] of the input file: quantum numbers, steps and the final measurement."""

import dataclasses

from hpc_nqs.settings.lattice_section import MAX_CELLS
from hpc_nqs.settings.rules import auto_or, integer, list_of, number, option, sector, sector_parts, text, word, word_or

IRREPS = ("A1", "A2", "B1", "B2")  # one-dimensional representations, as in `symmetry.quantum_numbers`
MAX_ENERGY = 1e12  # of temperatures and, inverted, of imaginary times: couplings may be in any unit


@dataclasses.dataclass(frozen=True)
class GroundStateSettings:
    """Optimization at zero temperature."""

    n_steps: int = option(integer(1, 10**9), 500, about="steps, at most")
    momentum: tuple[int, ...] | str = option(
        auto_or(word_or("none", list_of(integer(-MAX_CELLS, MAX_CELLS), 1, 3))),
        "auto",
        about="total momentum that the state is projected onto, per direction; none: no projection (weights shared "
        "over translations mean momentum 0 all the same); auto: that of Marshall's sign rule for frustrated magnets "
        "at Sz = 0 and for others with exact sums, else none; of electrons that of filled shells, and at half filling "
        "of bipartite lattices that of Marshall's rule",
        unit="2 pi / L",
    )
    point_group: str = option(
        word("auto", "none", *IRREPS),
        "auto",
        about="one-dimensional representation of the point group (of the momentum) that the state is projected onto; "
        "none: no projection; auto: that of Marshall's sign rule for magnets in two dimensions with chains, frustrated "
        "ones at the momentum of that rule if it is zero, else none",
    )
    spin_parity: int | str = option(
        word("auto", 1, -1),
        "auto",
        about="parity under the flip of all spins that is projected onto, of electrons (-1)^S at n_up = n_down; auto: "
        "no projection, of electrons 1",
    )
    sz: float | str = option(
        auto_or(number(-1e5, 1e5)),
        "auto",
        about="total Sz, where it is conserved; auto: 0, or 1/2 for an odd number of sites",
    )
    sectors: tuple[tuple, ...] | str = option(
        auto_or(word_or("all", list_of(sector(MAX_CELLS, ("none", *IRREPS)), 1, 10000, distinct=True))),
        "auto",
        about="several sectors, each [momentum..., spin_parity] or [momentum..., spin_parity, point_group] in place of "
        "the point_group above; all: every momentum (one of K and -K) and parity (none where the flip of all spins is "
        "no symmetry) with states; auto: the one above, or, where no quantum number is given or known and sums are "
        "cheap, the lowest of all",
    )
    groups: int | str = option(
        auto_or(integer(1, 10**6)),
        "auto",
        about="groups of ranks on different ones of several sectors at the same time, at most the ranks and the "
        "sectors; 1: all ranks on one sector after the other; auto: a group for every four sectors",
    )
    project_after: int = option(
        integer(0, 10**9),
        0,
        about="steps of the unprojected state, which cost less, before the projection is switched on",
    )
    orthogonal_to: tuple[str, ...] = option(
        list_of(text(), 0, 100, distinct=True),
        (),
        about="run files of lower states of the same sector that the state is kept orthogonal to",
    )
    penalty: float | str = option(
        auto_or(number(0.0, MAX_ENERGY, above=True)),
        "auto",
        about="energy of an overlap with them, larger than the gap; auto: 0.35 times the sum of the widths of all "
        "terms",
        unit="energy",
    )
    step_size: float | str = option(
        auto_or(number(0.0, MAX_ENERGY, above=True)),
        "auto",
        about="imaginary time per step; it falls towards the end",
        unit="1/energy",
    )
    max_change: float = option(
        number(0.0, 10.0, above=True), 0.2, about="largest change of the normalised state in one step, sqrt(u S u)"
    )
    start_scale: float = option(
        number(0.0, 1.0),
        1e-2,
        about="relative diagonal shift of the first step; it falls to reconfiguration.diag_scale",
    )
    v_score: float = option(
        number(0.0, 1.0), 1e-6, about="the run stops when the V-score, N Var(H) / E^2, stays below for ten steps"
    )
    n_samples_final: int | str = option(
        auto_or(integer(2, 10**10)), "auto", about="samples of the final measurement, over all ranks"
    )
    n_samples_lanczos: int | str = option(
        auto_or(integer(0, 10**10)), "auto", about="those of them for one Lanczos step; auto: as dear as all; 0: none"
    )

    @property
    def listed_sectors(self):
        """The list `sectors` as (momentum, representation of the point group or None, spin parity)."""
        default = None if self.point_group in ("auto", "none") else self.point_group
        parts = map(sector_parts, self.sectors)
        return [(k, None if name == "none" else name or default, parity) for k, parity, name in parts]
