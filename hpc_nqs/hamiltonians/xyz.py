"""Magnets whose couplings differ by component and by direction: XYZ, Kitaev, compass; fields along x and z."""

from hpc_nqs.hamiltonians.model import Model
from hpc_nqs.hamiltonians.parameter import CELL_BONDS_XYZ, Parameter

_COMPONENTS = ("couplings_x", "couplings_y", "couplings_z")


class XYZ(Model):
    """H = sum_b [Jx_b SxSx + Jy_b SySy + Jz_b SzSz] - h_x sum_i Sx_i - h sum_i Sz_i,  S = sigma/2."""

    word = "xyz"
    title = "XYZ"
    summary = "XYZ, Kitaev"
    latex = (
        r"H = \sum_{(ij)} \left[ J^x_{ij} S^x_i S^x_j + J^y_{ij} S^y_i S^y_j + J^z_{ij} S^z_i S^z_j \right]"
        r" - h_x \sum_i S^x_i - h \sum_i S^z_i"
    )
    parameters = (
        *(
            Parameter(name, (1.0,), symbol=f"J^{axis}", term=f"S{axis}S{axis} of first, second, third neighbours")
            for name, axis in zip(_COMPONENTS, "xyz", strict=True)
        ),
        Parameter("field_x", 0.0, symbol="h_x", term="-h_x sum Sx", shown_at_default=False),
        Parameter("field_z", 0.0, symbol="h", term="-h sum Sz", shown_at_default=False, breaks_spin_flip=True),
        Parameter(
            "cell_bonds_xyz",
            (),
            symbol="J",
            term="bonds besides these: [R1, R2, a, b, Jx, Jy, Jz] couples spin a of every cell to spin b of the cell R "
            "away, both from 0",
            kind=CELL_BONDS_XYZ,
            shown_at_default=False,
        ),
    )
    not_all_zero = (*_COMPONENTS, "cell_bonds_xyz", "field_x")
    spin = 0.5
    has_exchange = True

    @classmethod
    def build(cls, lattice, **given):
        """Return the `SpinModel`, see `Model.build`.

        Jx SxSx + Jy SySy is (Jx + Jy) / 4 between |+-> and |-+>, (Jx - Jy) / 4 between |++> and |-->.
        """
        import numpy as np

        from hpc_nqs.hamiltonians.spin_model import SpinModel

        values, n = cls.completed(given), lattice.n_sites
        sites, (jx, jy, jz), shells = _coupled(lattice, values)
        return SpinModel.of_terms(
            cls.word,
            n,
            cls.spin,
            pairs=(sites, jz / 4),
            exchange=(sites, (jx + jy) / 4, shells),
            parallel=(sites, (jx - jy) / 4),
            flips=(np.arange(n, dtype=np.intp), np.full(n, -values["field_x"] / 2)),
            field_z=values["field_z"],
        )


def _coupled(lattice, values):
    """Return all coupled pairs (n, 2), their three couplings (3, n) and shells (n,)."""
    import numpy as np

    from hpc_nqs.hamiltonians.bonds import coupled_bonds
    from hpc_nqs.hamiltonians.cell_bonds import with_cell_bonds

    parts = []
    for component, name in enumerate(_COMPONENTS):
        entries = [(*entry[:-3], entry[component - 3]) for entry in values["cell_bonds_xyz"]]
        parts.append(with_cell_bonds(lattice, coupled_bonds(lattice, values[name]), entries, "cell_bonds_xyz"))
    sites, first, place = np.unique(
        np.sort(np.concatenate([part[0] for part in parts]), axis=1), axis=0, return_index=True, return_inverse=True
    )
    couplings, starts = np.zeros((3, len(sites))), np.cumsum([0, *(len(part[0]) for part in parts)])
    for component, part in enumerate(parts):
        np.add.at(couplings[component], place.ravel()[starts[component] : starts[component + 1]], part[1])
    return sites.astype(np.intp), couplings, np.concatenate([part[2] for part in parts])[first]
