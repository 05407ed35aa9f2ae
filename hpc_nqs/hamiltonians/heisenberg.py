"""Heisenberg and XXZ magnets: couplings by distance or by direction, fields along z."""

from hpc_nqs.hamiltonians.model import Match, Model
from hpc_nqs.hamiltonians.parameter import CELL_BONDS, MAX_SITES, Parameter

RATIO_TOLERANCE = 1e-9  # of jz/jxy between bonds


class Heisenberg(Model):
    """H = sum_b J_b [SxSx + SySy + Delta SzSz] - sum_i (h + eps_i h_s + h_i) Sz_i,  S = sigma/2."""

    word = "heisenberg"
    title = "Heisenberg"
    summary = "XXZ, J1-J2-J3, couplings by direction"
    latex = (
        r"H = \sum_{(ij)} J_{ij} \left[ S^x_i S^x_j + S^y_i S^y_j + \Delta S^z_i S^z_j \right]"
        r" - \sum_i \left( h + \epsilon_i h_s + h_i \right) S^z_i"
    )
    parameters = (
        Parameter(
            "couplings",
            (1.0,),
            symbol="J",
            term="first, second, third neighbours (spin-1/2 operators), J > 0 antiferromagnetic",
        ),
        Parameter("anisotropy", 1.0, symbol="Delta", term="Delta SzSz", unit="", shown_at_default=False),
        Parameter("field_z", 0.0, symbol="h", term="-h sum Sz", shown_at_default=False, breaks_spin_flip=True),
        Parameter(
            "cell_bonds",
            (),
            symbol="J",
            term="bonds besides couplings: [R1, R2, a, b, J] couples spin a of every cell to spin b of the cell R "
            "away, both from 0: couplings that differ by direction; along a period of two cells it counts twice",
            kind=CELL_BONDS,
            shown_at_default=False,
        ),
        Parameter(
            "field_staggered",
            0.0,
            symbol="h_s",
            term="-h_s sum eps Sz, eps = 1 on the sublattice of site 0 and -1 on the other one",
            shown_at_default=False,
            breaks_spin_flip=True,
        ),
        Parameter(
            "site_fields",
            (),
            symbol="h_i",
            term="-sum h_i Sz_i besides field_z: one for every spin of a cell, or for every site",
            shown_at_default=False,
            breaks_spin_flip=True,
            lengths=(0, MAX_SITES),
            entries="the spins of a cell or the sites",
        ),
    )
    not_all_zero = ("couplings", "cell_bonds")
    spin = 0.5
    has_exchange = True
    cell_key = "cell_bonds"

    @classmethod
    def build(cls, lattice, **given):
        """Return the `SpinModel`, see `Model.build`."""
        from hpc_nqs.hamiltonians.bonds import coupled_bonds
        from hpc_nqs.hamiltonians.cell_bonds import with_cell_bonds
        from hpc_nqs.hamiltonians.site_fields import site_fields
        from hpc_nqs.hamiltonians.spin_model import SpinModel

        values = cls.completed(given)
        of_shells = coupled_bonds(lattice, values["couplings"])
        sites, strength, shells = with_cell_bonds(lattice, of_shells, values["cell_bonds"])
        return SpinModel.of_terms(
            cls.word,
            lattice.n_sites,
            cls.spin,
            pairs=(sites, strength * values["anisotropy"] / 4),
            exchange=(sites, strength / 2, shells),
            field_z=site_fields(lattice, values["field_z"], values["field_staggered"], values["site_fields"]),
        )

    @classmethod
    def match(cls, terms):
        """Return the `Match` of terms with xy couplings: one ratio jz/jxy, fields along z."""
        if terms.is_ising or not terms.is_xxz:
            return None
        ratio, uneven = _anisotropy({sites: (matrix[0][0], matrix[2][2]) for sites, matrix in terms.pairs.items()})
        problems = []
        if uneven:
            problems.append(f"{uneven}: the ratio of the z and xy couplings must be the same for all bonds")
        problems += [f"a field along {axis}" for axis in "xy" if any(terms.fields[axis])]
        h = terms.uniform("z")
        field = {"field_z": h} if h is not None else {"site_fields": list(terms.fields["z"])}
        return Match({"anisotropy": ratio} | field, problems=problems)


def _anisotropy(pairs):
    """Return (jz/jxy, "" or the first two bonds where it differs)."""
    (first, (jxy, jz)), *_ = sorted(pairs.items(), key=lambda item: -abs(item[1][0]))
    ratio = jz / jxy
    for (i, j), (other_xy, other_z) in pairs.items():
        if abs(other_z - ratio * other_xy) > RATIO_TOLERANCE * max(abs(jxy), abs(jz)):
            return ratio, (
                f"bond {first[0]} {first[1]} has Jxy = {jxy:g}, Jz = {jz:g}, "
                f"bond {i} {j} has Jxy = {other_xy:g}, Jz = {other_z:g}"
            )
    return ratio, ""
