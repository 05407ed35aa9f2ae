"""The Hubbard model with hopping between first to third neighbours, repulsion of nearest neighbours and a field."""

from hpc_nqs.hamiltonians.filling import CELL_INTERACTIONS, ENSEMBLES, FILLING, WANNIER_HOPS
from hpc_nqs.hamiltonians.model import Model
from hpc_nqs.hamiltonians.parameter import Parameter


class Hubbard(Model):
    """H = -sum_b,s t_b (c+_is c_js + h.c.) + U sum_i n_iu n_id + V sum_<ij> n_i n_j - mu N - h sum_i Sz_i."""

    word = "hubbard"
    title = "Hubbard"
    summary = "one orbital, t-t'-t''-U-V"
    latex = (
        r"H = -\sum_{(ij) \sigma} t_{ij} \left( c^\dagger_{i \sigma} c_{j \sigma} + c^\dagger_{j \sigma} c_{i \sigma} "
        r"\right) + U \sum_i n_{i \uparrow} n_{i \downarrow} + V \sum_{\langle ij \rangle} n_i n_j"
        r" - \mu \sum_i n_i - h \sum_i S^z_i"
    )
    parameters = (
        Parameter("hopping", (1.0,), symbol="t", term="first, second, third neighbours"),
        Parameter("U", 0.0, symbol="U", term="U sum n_up n_down"),
        Parameter("V", 0.0, symbol="V", term="V sum n n over nearest neighbours", shown_at_default=False),
        Parameter("field_z", 0.0, symbol="h", term="-h sum Sz", shown_at_default=False),
        WANNIER_HOPS,
        *CELL_INTERACTIONS,
        *FILLING,
    )
    not_all_zero = ("hopping", "U", "hops")
    spin = 0.5
    has_exchange = True
    of_electrons = of_tables = True
    ensembles = ENSEMBLES

    @classmethod
    def build(cls, lattice, **given):
        """Return the `ElectronModel`, see `Model.build`; n_up and n_down, or mu, name the ensemble."""
        import numpy as np

        from hpc_nqs.hamiltonians.bonds import coupled_bonds
        from hpc_nqs.hamiltonians.cell_hops import with_cell_hops
        from hpc_nqs.hamiltonians.cell_interactions import cell_exchanges, cell_repulsions, exchange_terms
        from hpc_nqs.hamiltonians.electron_model import ElectronModel

        values, n = cls.completed(given), lattice.n_sites
        bonds, hopping, shells = coupled_bonds(lattice, values["hopping"])
        hops, energies = with_cell_hops(lattice, 1, (bonds, -hopping, shells), values["hops"])
        sites = np.arange(n)
        pairs, strengths = [np.stack([sites, sites + n], axis=1)], [np.full(n, values["U"])]
        neighbours = neighbours_of(lattice, "V", values["V"])
        for first in (0, n):
            for second in (0, n):
                pairs.append(neighbours + [first, second])
                strengths.append(np.full(len(neighbours), values["V"]))
        of_exchange, hop2 = exchange_terms(*cell_exchanges(lattice, 1, values["exchanges"]), n)
        for units, part in (cell_repulsions(lattice, 1, values["repulsions"]), of_exchange):
            pairs.append(units)
            strengths.append(part)
        return ElectronModel.of_terms(
            cls.word,
            n,
            1,
            values,
            energies=energies,
            repulsions=(np.concatenate(pairs), np.concatenate(strengths)),
            hops=hops,
            hop2=hop2,
            field_z=values["field_z"],
        )


def neighbours_of(lattice, key, strength):
    """Return the pairs of nearest neighbours that a strength couples, (n, 2) intp; none where it is 0.

    Raises
    ------
    ValueError
        When the lattice has no nearest neighbours: a custom lattice whose bonds all have a hopping of their own.
    """
    import numpy as np

    if strength == 0:
        return np.zeros((0, 2), dtype=np.intp)
    try:
        return lattice.bonds(1)
    except ValueError as error:
        raise ValueError(f"model.{key} = {strength:g}: {error}") from error
