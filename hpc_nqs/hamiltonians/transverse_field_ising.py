"""The Ising model of nearest neighbours in a transverse field, and one along z."""

from hpc_nqs.hamiltonians.model import Match, Model
from hpc_nqs.hamiltonians.parameter import Parameter


class TransverseFieldIsing(Model):
    """H = -J sum_b sz sz - Gamma sum_i sx - h sum_i sz, Pauli matrices."""

    word = "tfim"
    title = "transverse-field Ising"
    summary = "transverse-field Ising"
    latex = r"H = -J \sum_{\langle ij \rangle} \sigma^z_i \sigma^z_j - \Gamma \sum_i \sigma^x_i - h \sum_i \sigma^z_i"
    parameters = (
        Parameter("coupling", 1.0, symbol="J", term="-J sum sz sz over nearest neighbours (Pauli matrices)"),
        Parameter("field", 1.0, symbol="Gamma", term="-Gamma sum sx (Pauli matrices)"),
        Parameter("field_z", 0.0, symbol="h", term="-h sum sz", shown_at_default=False, breaks_spin_flip=True),
    )
    not_all_zero = ("coupling", "field")
    spin = 1.0
    has_exchange = False

    @classmethod
    def build(cls, lattice, **given):
        """Return the `SpinModel`, see `Model.build`."""
        import numpy as np

        from hpc_nqs.hamiltonians.bonds import coupled_bonds
        from hpc_nqs.hamiltonians.spin_model import SpinModel

        values, n = cls.completed(given), lattice.n_sites
        sites, strength, _ = coupled_bonds(lattice, (values["coupling"],))
        return SpinModel.of_terms(
            cls.word,
            n,
            cls.spin,
            pairs=(sites, -strength),
            flips=(np.arange(n, dtype=np.intp), np.full(n, -values["field"])),
            field_z=values["field_z"],
        )

    @classmethod
    def match(cls, terms):
        """Return the `Match` of terms without xy couplings."""
        if not terms.is_ising:
            return None
        remark = f"Ising couplings: the model {cls.word} in Pauli matrices, coupling = -Jz/4, field = Gamma/2."
        gamma, h = terms.uniform("x"), terms.uniform("z")
        if gamma is None or h is None or any(terms.fields["y"]):
            return Match({}, problems=["fields along y or that differ from site to site"])
        return Match({"field": gamma / 2, "field_z": h / 2}, (remark,))

    @classmethod
    def bond_numbers(cls, matrix):
        """Return the coupling of a bond, see `Model.bond_numbers`."""
        return (-matrix[2][2] / 4,)
