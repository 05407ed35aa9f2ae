"""Magnets of any couplings of two spins: XYZ, Kitaev, off-diagonal, Dzyaloshinskii-Moriya; fields in any direction."""

from hpc_nqs.hamiltonians.model import Match, Model
from hpc_nqs.hamiltonians.parameter import BONDS_XYZ, CELL_BONDS_XYZ, MAX_SITES, Parameter, split_entry

_COMPONENTS = ("couplings_x", "couplings_y", "couplings_z")
_SITE_FIELDS = {"x": "site_fields_x", "y": "site_fields_y", "z": "site_fields"}
_AXES = "xyz"
_NUMBERS = "Jx, Jy, Jz, or all nine J^ab of J^ab S^a S^b row after row,"


def _site_fields(name, axis, **options):
    return Parameter(
        name,
        (),
        symbol="h_i",
        term=f"-sum h_i S{axis}_i besides field_{axis}: one for every spin of a cell, or for every site",
        shown_at_default=False,
        lengths=(0, MAX_SITES),
        entries="the spins of a cell or the sites",
        **options,
    )


class XYZ(Model):
    """H = sum_b sum_ab J^ab_b S^a S^b - sum_i [h^x_i Sx_i + h^y_i Sy_i + h^z_i Sz_i],  S = sigma/2."""

    word = "xyz"
    title = "XYZ"
    summary = "XYZ, Kitaev, off-diagonal and Dzyaloshinskii-Moriya couplings"
    latex = (
        r"H = \sum_{(ij)} \left[ J^x_{ij} S^x_i S^x_j + J^y_{ij} S^y_i S^y_j + J^z_{ij} S^z_i S^z_j \right]"
        r" + \sum_{(ij)} \sum_{a \neq b} J^{ab}_{ij} S^a_i S^b_j"
        r" - \sum_i \left[ h_x S^x_i + h_y S^y_i + h S^z_i \right] - \sum_i \sum_a h_i^a S^a_i"
    )
    parameters = (
        *(
            Parameter(name, (1.0,), symbol=f"J^{axis}", term=f"S{axis}S{axis} of first, second, third neighbours")
            for name, axis in zip(_COMPONENTS, "xyz", strict=True)
        ),
        Parameter("field_x", 0.0, symbol="h_x", term="-h_x sum Sx", shown_at_default=False),
        Parameter("field_y", 0.0, symbol="h_y", term="-h_y sum Sy", shown_at_default=False, breaks_spin_flip=True),
        Parameter("field_z", 0.0, symbol="h", term="-h sum Sz", shown_at_default=False, breaks_spin_flip=True),
        _site_fields("site_fields_x", "x"),
        _site_fields("site_fields_y", "y", breaks_spin_flip=True),
        _site_fields("site_fields", "z", breaks_spin_flip=True),
        Parameter(
            "cell_bonds_xyz",
            (),
            symbol="J",
            term=f"bonds besides these: [R1, R2, a, b, J] with {_NUMBERS} couples spin a of every cell to spin b of "
            "the cell R away, both from 0",
            kind=CELL_BONDS_XYZ,
            shown_at_default=False,
        ),
        Parameter(
            "bonds_xyz",
            (),
            symbol="J",
            term=f"bonds of single sites besides these: [i, j, J] with {_NUMBERS} couples site i to site j",
            kind=BONDS_XYZ,
            shown_at_default=False,
        ),
    )
    not_all_zero = (
        *(*_COMPONENTS, "cell_bonds_xyz", "bonds_xyz"),
        *("field_x", "field_y", "site_fields_x", "site_fields_y"),
    )
    spin = 0.5
    has_exchange = of_tables = True
    shell_keys, cell_key, site_key = _COMPONENTS, "cell_bonds_xyz", "bonds_xyz"

    @classmethod
    def build(cls, lattice, **given):
        """Return the `SpinModel`, see `Model.build`.

        Its elements are complex where products of S^y with S^x or S^z, or a field along y, want it.
        """
        import numpy as np

        from hpc_nqs.hamiltonians.bond_matrices import bond_matrices, bond_terms
        from hpc_nqs.hamiltonians.site_fields import site_fields
        from hpc_nqs.hamiltonians.spin_model import SpinModel

        values = cls.completed(given)
        lists = [(name, values[name]) for name in ("cell_bonds_xyz", "bonds_xyz")]
        bonds = bond_matrices(lattice, [values[name] for name in _COMPONENTS], *lists)
        x, y, z = (
            site_fields(lattice, values[f"field_{axis}"], 0.0, values[name], name)
            for axis, name in _SITE_FIELDS.items()
        )
        return SpinModel.of_terms(
            cls.word,
            lattice.n_sites,
            cls.spin,
            **bond_terms(*bonds),
            flips=(np.arange(lattice.n_sites, dtype=np.intp), -(x - 1j * y) / 2),
            field_z=z,
        )

    @classmethod
    def terms_without_runs(cls, values):
        """Return what runs do not take, one sentence for each key or entry.

        H must be real, and its flips must not depend on other spins.

        Parameters
        ----------
        values : dict
            Values of the parameters, as `Model.completed` returns them.
        """
        found = []
        for name in ("field_y", _SITE_FIELDS["y"]):
            value = values[name]
            if any(value) if isinstance(value, tuple) else value:
                shown = list(value) if isinstance(value, tuple) else f"{value:g}"
                found.append(f"model.{name} = {shown}: runs of {cls.word} take fields along x and z only")
        for key, kind in ((cls.cell_key, CELL_BONDS_XYZ), (cls.site_key, BONDS_XYZ)):
            for number, entry in enumerate(values[key], start=1):
                numbers = split_entry(kind, entry)[1]
                if len(numbers) < 9:
                    continue
                named = zip((a + b for a in _AXES for b in _AXES), numbers, strict=True)
                rest = ", ".join(f"J{axes} = {value:g}" for axes, value in named if value and axes[0] != axes[1])
                if rest:
                    found.append(f"model.{key}, entry {number}: {rest}; runs of {cls.word} take Jx, Jy and Jz only")
        return found

    @classmethod
    def match(cls, terms):
        """Return the `Match` of any terms."""
        values = {}
        for axis, name in _SITE_FIELDS.items():
            h = terms.uniform(axis)
            values |= {name: list(terms.fields[axis])} if h is None else {f"field_{axis}": h} if h else {}
        has_runs = not any(terms.fields["y"]) and not any(map(_mixes, terms.pairs.values()))
        remark = f"These terms of {cls.word} have exact results (`hpc-nqs exact`); runs of them are refused."
        return Match(values, () if has_runs else (remark,))

    @classmethod
    def bond_numbers(cls, matrix):
        """Return Jx, Jy, Jz of a bond, all nine J^ab where others do not vanish, see `Model.bond_numbers`."""
        return tuple(x for row in matrix for x in row) if _mixes(matrix) else tuple(matrix[a][a] for a in range(3))


def _mixes(matrix):
    """Return whether a matrix J^ab couples different components."""
    return any(matrix[a][b] for a in range(3) for b in range(3) if a != b)
