"""The Kanamori model: several orbitals on every site, Hund's exchange between them, hopping within each orbital."""

from hpc_nqs.hamiltonians.filling import CELL_INTERACTIONS, ENSEMBLES, FILLING, WANNIER_HOPS
from hpc_nqs.hamiltonians.model import Model
from hpc_nqs.hamiltonians.parameter import INTEGER, SWITCH, Parameter

MAX_ORBITALS = 5  # of a d shell


class Kanamori(Model):
    """H = hopping + U n_au n_ad + U' n_au n_bd + (U' - J) n_as n_bs + J K^up_ab K^down_ab + Delta n - mu N - h Sz.

    K^s_ab = c+_as c_bs + c+_bs c_as: the product of both spins is spin flip plus pair hopping, with the signs of
    -J S+_a S-_b and +J c+_au c+_ad c_bd c_bu.
    """

    word = "kanamori"
    title = "Kanamori"
    summary = "several orbitals with Hund's exchange"
    latex = (
        r"H = -\sum_{(ij) a \sigma} t_{ij} \left( c^\dagger_{i a \sigma} c_{j a \sigma} + "
        r"c^\dagger_{j a \sigma} c_{i a \sigma} \right) + \sum_i [ U \sum_a n_{a \uparrow} n_{a \downarrow}"
        r" + U' \sum_{a \neq b} n_{a \uparrow} n_{b \downarrow}"
        r" + (U' - J) \sum_{a < b, \sigma} n_{a \sigma} n_{b \sigma}"
        r" + J \sum_{a < b} \left( c^\dagger_{a \uparrow} c_{b \uparrow} + c^\dagger_{b \uparrow} c_{a \uparrow} "
        r"\right)"
        r" \left( c^\dagger_{a \downarrow} c_{b \downarrow} + c^\dagger_{b \downarrow} c_{a \downarrow} \right)"
        r" + \sum_a \Delta_a n_a ]_i - \mu \sum_i n_i - h \sum_i S^z_i"
    )
    parameters = (
        Parameter("hopping", (1.0,), symbol="t", term="first, second, third neighbours"),
        Parameter(
            "n_orbitals", 2, symbol="", term="orbitals of a site", unit="", kind=INTEGER, limits=(2, MAX_ORBITALS)
        ),
        Parameter("U", 0.0, symbol="U", term="U sum n_up n_down"),
        Parameter(
            "U_prime", "auto", symbol="U'", term="repulsion of different orbitals of a site; auto: U - 2 J_hund"
        ),
        Parameter("J_hund", 0.0, symbol="J", term="Hund's exchange"),
        Parameter(
            "spin_flip", True, symbol="", term="Hund's exchange flips spins", unit="", kind=SWITCH,
            shown_at_default=False,
        ),
        Parameter(
            "pair_hopping", True, symbol="", term="pairs hop between orbitals of a site; the same as spin_flip",
            unit="", kind=SWITCH, shown_at_default=False,
        ),
        Parameter(
            "crystal_field", (), symbol="Delta", term="energies of the orbitals of a site, empty: all 0",
            lengths=(0, MAX_ORBITALS), entries="the orbitals of a site", shown_at_default=False,
        ),
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
        """Return the `ElectronModel`, see `Model.build`; n_up and n_down, or mu, name the ensemble.

        Raises
        ------
        ValueError
            Besides, when spin flips and pair hopping are not both there or both absent, or the crystal field has not
            one energy for each orbital.
        """
        import numpy as np

        from hpc_nqs.hamiltonians.bonds import coupled_bonds
        from hpc_nqs.hamiltonians.cell_hops import with_cell_hops
        from hpc_nqs.hamiltonians.cell_interactions import cell_exchanges, cell_repulsions, exchange_terms
        from hpc_nqs.hamiltonians.electron_model import ElectronModel

        values, n = cls.completed(given), lattice.n_sites
        n_orbitals = values["n_orbitals"]
        bonds, hopping, shells = coupled_bonds(lattice, values["hopping"])
        orbitals = np.arange(n_orbitals)
        first = n_orbitals * np.arange(n)
        of_bonds = (bonds[:, None, :] * n_orbitals + orbitals[None, :, None]).reshape(-1, 2)
        of_bonds = of_bonds, np.repeat(-hopping, n_orbitals), np.repeat(shells, n_orbitals)
        hops, energies = with_cell_hops(lattice, n_orbitals, of_bonds, values["hops"])
        pairs, strengths = zip(*_repulsions(values, n * n_orbitals), strict=True)
        on_site = (first[:, None, None] + np.array(pairs)).reshape(-1, 2), np.tile(strengths, n)
        above = np.array([(a, b) for a in orbitals for b in orbitals[a + 1 :]])
        of_hund = (first[:, None, None] + above).reshape(-1, 2)
        of_hund = of_hund, np.full(len(of_hund), values["J_hund"])
        between = cell_exchanges(lattice, n_orbitals, values["exchanges"])
        exchanges = (np.concatenate(parts) for parts in zip(of_hund, between, strict=True))
        of_exchange, hop2 = exchange_terms(*exchanges, n * n_orbitals, _flips(values))
        repulsions = on_site, cell_repulsions(lattice, n_orbitals, values["repulsions"]), of_exchange
        return ElectronModel.of_terms(
            cls.word,
            n,
            n_orbitals,
            values,
            energies=energies + np.tile(_crystal_field(values), n),
            repulsions=tuple(np.concatenate(parts) for parts in zip(*repulsions, strict=True)),
            hops=hops,
            hop2=hop2,
            field_z=values["field_z"],
        )


def _flips(values):
    """Return whether H has the terms of Hund's exchange that change occupations."""
    if values["spin_flip"] != values["pair_hopping"]:
        shown = str(values["pair_hopping"]).lower()
        raise ValueError(
            f"model.pair_hopping = {shown}: one without the other is not available; allowed is the value of "
            "model.spin_flip"
        )
    return values["spin_flip"]


def _repulsions(values, n_levels):
    """Return [((p, q), V)] of U and U' on the first site: p, q units, spin down `n_levels` above spin up."""
    n, found = values["n_orbitals"], []
    other = values["U"] - 2 * values["J_hund"] if values["U_prime"] == "auto" else values["U_prime"]
    for a in range(n):
        for b in range(n):
            found.append(((a, n_levels + b), values["U"] if a == b else other))
            if a < b:
                found += [((s + a, s + b), other) for s in (0, n_levels)]
    return found


def _crystal_field(values):
    """Return the energies of the orbitals of one site, a tuple."""
    energies, n = values["crystal_field"], values["n_orbitals"]
    if energies and len(energies) != n:
        raise ValueError(
            f"model.crystal_field = {list(energies)}: {len(energies)} energies for {n} orbitals of a site; allowed is "
            "one for each of model.n_orbitals, or none"
        )
    return energies or (0.0,) * n
