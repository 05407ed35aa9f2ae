"""Inputs of HPhi and mVMC for electrons: the translation against matrices of creation operators."""

import numpy as np
import pytest

from hpc_nqs.cli import parser as cli
from hpc_nqs.exact import electrons
from hpc_nqs.hamiltonians.electron_matrices import to_sparse
from hpc_nqs.importers import electron_terms, spin_terms
from hpc_nqs.importers.hphi_expert import read_expert
from hpc_nqs.importers.hphi_standard import read_standard
from hpc_nqs.settings.parsing import SettingsError, parse_settings, read_tables
from hpc_nqs.settings.system import build


def imported(text):
    return electron_terms.input_text(*read_standard(text, "stan.in"))


def model_of(text):
    return build(parse_settings(read_tables(text)))[1]


def levels_of(text):
    """Return the levels of H - mu N on all states."""
    return np.linalg.eigvalsh(to_sparse(model_of(text)).toarray())


class Formula:
    """Sums of products of creation operators, in the letters of the manual of HPhi."""

    def __init__(self, creators, n_sites):
        self.n = n_sites
        self.c = [creators(2 * n_sites)[s * n_sites : (s + 1) * n_sites] for s in (0, 1)]
        self.matrix = np.zeros((4**n_sites, 4**n_sites))

    def number(self, i, s):
        return self.c[s][i] @ self.c[s][i].T

    def charge(self, i):
        return self.number(i, 0) + self.number(i, 1)

    def hop(self, i, j, s):
        """c+_is c_js."""
        return self.c[s][i] @ self.c[s][j].T

    def trans(self, i, s, j, t, value):
        self.matrix -= value * self.c[s][i] @ self.c[t][j].T

    def coulombintra(self, i, value):
        self.matrix += value * self.number(i, 0) @ self.number(i, 1)

    def coulombinter(self, i, j, value):
        self.matrix += value * self.charge(i) @ self.charge(j)

    def hund(self, i, j, value):
        self.matrix -= value * sum(self.number(i, s) @ self.number(j, s) for s in (0, 1))

    def exchange(self, i, j, value):
        part = self.c[0][i] @ self.c[0][j].T @ self.c[1][j] @ self.c[1][i].T
        self.matrix += value * (part + part.T)

    def pairhop(self, i, j, value):
        part = self.c[0][i] @ self.c[0][j].T @ self.c[1][i] @ self.c[1][j].T
        self.matrix += value * (part + part.T)


# ---- standard mode --------------------------------------------------------------------------------------------------


def test_doubled_bonds_of_a_2x2_lattice():
    """What HPhi gives for t = 1, U = 8 on 2x2 sites, which it reads as a ring with t = 2."""
    text = imported('model = "FermionHubbard"\nlattice = square\nW = 2\nL = 2\nt = 1\nU = 8\nnelec = 4\n2Sz = 0\n')
    lattice, model = build(parse_settings(read_tables(text)))
    assert electrons.diagonalize(model, lattice).ground_state_energy == pytest.approx(-4.205497, abs=1e-6)
    assert read_tables(text)["model"]["hopping"] == [2.0]


def test_files_of_wannier90_are_imported_themselves():
    with pytest.raises(SettingsError, match="lattice = wannier90: import NAME_hr.dat, NAME_ur.dat"):
        imported('model = "Hubbard"\nlattice = "Wannier90"\nW = 2\nL = 2\n2Sz = 0\nnelec = 4\n')


def test_chain_in_the_grand_canonical_ensemble(creators):
    text = imported("model = HubbardGC\nlattice = chain\nL = 4\nt = 1.5\nt' = 0\nU = 4\nV = 0.7\nmu = 1.1\nh = 0.6\n")
    expected = Formula(creators, 4)
    for i in range(4):
        for s in (0, 1):
            expected.matrix -= 1.5 * (expected.hop(i, (i + 1) % 4, s) + expected.hop((i + 1) % 4, i, s))
        expected.coulombintra(i, 4.0)
        expected.coulombinter(i, (i + 1) % 4, 0.7)
        expected.matrix -= 1.1 * expected.charge(i) + 0.3 * (expected.number(i, 0) - expected.number(i, 1))
    np.testing.assert_allclose(levels_of(text), np.linalg.eigvalsh(expected.matrix), atol=1e-12)
    tables = read_tables(text)
    assert tables["lattice"] == {"kind": "chain", "lengths": [4]}
    assert tables["model"] == {"kind": "hubbard", "hopping": [1.5], "U": 4.0, "V": 0.7, "field_z": 0.6, "mu": 1.1}
    assert tables["thermal"]["temperatures"][0] == 3.0  # in units of the hopping


def test_numbers_of_electrons():
    ladder = "model = Hubbard\nlattice = ladder\nL = 3\nW = 2\nt0 = 0.5\nt1 = 1\nU = 4\n"
    text = imported(f"{ladder}nelec = 5\n2Sz = 1\nmu = 2\n")
    tables = read_tables(text)
    assert (tables["model"]["n_up"], tables["model"]["n_down"]) == (3, 2)
    assert "add -10 to totals" in text  # the chemical potential of a fixed number
    assert tables["lattice"]["kind"] == "custom"  # rungs and legs differ


def test_second_neighbours_and_repulsion_of_bonds_that_are_no_shell(creators):
    """V on the bonds along the legs alone: bonds of one hopping become the nearest neighbours of a custom lattice."""
    text = imported("model = HubbardGC\nlattice = ladder\nL = 2\nW = 2\nt0 = 0.5\nt1 = 1\nV1 = 0.4\nU = 4\n")
    expected = Formula(creators, 4)
    for i, j, t, v in ((0, 1, 2.0, 0.8), (2, 3, 2.0, 0.8), (0, 2, 0.5, 0.0), (1, 3, 0.5, 0.0)):  # two cells: doubled
        for s in (0, 1):
            expected.matrix -= t * (expected.hop(i, j, s) + expected.hop(j, i, s))
        expected.coulombinter(i, j, v)
    for i in range(4):
        expected.coulombintra(i, 4.0)
    np.testing.assert_allclose(levels_of(text), np.linalg.eigvalsh(expected.matrix), atol=1e-12)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("model = Hubbard\nt = 1", "nelec is missing: the canonical ensemble needs nelec and 2Sz"),
        ("model = Hubbard\nt = 1\nnelec = 4", "2Sz is missing: the canonical ensemble needs nelec and 2Sz"),
        ("model = Hubbard\nt = 1\nnelec = 4\n2Sz = 1", "nelec = 4, 2Sz = 1: no such state on 4 sites"),
        ("model = Hubbard\nt = 1\nnelec = 9\n2Sz = 1", "nelec = 9, 2Sz = 1: no such state on 4 sites"),
        ("model = HubbardGC\nt = 1\nnelec = 4", "the grand canonical ensemble has mu instead"),
        ("model = HubbardGC\nt = 1\nJ = 1", "j = 1: unsupported keyword for lattice = chain"),
        ("model = HubbardGC\nt = 1\n2S = 1", "2s = 1: unsupported keyword"),
        ("model = HubbardGC\nt = 1\nGamma = 0.5", "gamma = 0.5: not available for electrons"),
        ("model = HubbardGC\nt = 1\nphase0 = 90", "phase0 = 90: not available for electrons"),
        ("model = HubbardGC\nt = 1\nt0 = 2", "t and t0 are both given"),
        ("model = HubbardGC\nt = 1,0.5", "t = 1,0.5: allowed is a number"),
        ("model = HubbardGC\nU = 4", "no hopping between different sites was found"),
        ("model = HubbardGC\nt = 1\nV = 1\nV' = 0.7", "the repulsion V differs between sites"),
    ],
)
def test_what_is_not_supported_is_named(line, problem):
    with pytest.raises(SettingsError) as caught:
        imported(f"lattice = chain\nL = 4\n{line}\n")
    assert any(problem in sentence for sentence in caught.value.problems), caught.value.problems


# ---- expert mode ----------------------------------------------------------------------------------------------------


def write_lists(folder, lists, modpara="", calcmod=None, itinerant=True):
    """Write lists {name: rows} with a namelist; return its path."""
    names = []
    for name, rows in lists.items():
        head = ["=" * 20, f"N{name} {len(rows)}", "=" * 20, f"====={name}=====", "=" * 20]
        lines = head + [" ".join(map(str, row)) for row in rows]
        (folder / f"{name.lower()}.def").write_text("\n".join(lines) + "\n")
        names.append(f"{name} {name.lower()}.def")
    (folder / "modpara.def").write_text(f"{'-' * 20}\nModel_Parameters 0\n{'-' * 20}\nHPhi\n{'-' * 20}\n{modpara}")
    if calcmod is not None:
        (folder / "calcmod.def").write_text(f"CalcType 3\nCalcModel {calcmod}\n")
    (folder / "namelist.def").write_text("\n".join(["CalcMod calcmod.def", "ModPara modpara.def", *names]) + "\n")
    return folder / "namelist.def"


def random_hubbard():
    """Return lists of a model without symmetries and its bonds."""
    bonds = {(0, 1): 1.0, (1, 2): 0.6, (0, 2): -0.3}
    trans = [(i, s, j, s, t, 0.0) for (a, b), t in bonds.items() for i, j in ((a, b), (b, a)) for s in (0, 1)]
    trans += [(i, s, i, s, 0.4 + (0.15 if s == 0 else -0.15), 0.0) for i in range(3) for s in (0, 1)]
    lists = {"Trans": trans, "CoulombIntra": [(i, 3.0) for i in range(3)]}
    return lists | {"LocSpin": [(i, 0) for i in range(3)]}


def formula_of(creators, lists, n_sites):
    found = Formula(creators, n_sites)
    for name, rows in lists.items():
        for row in rows if name != "LocSpin" else ():
            getattr(found, name.lower())(*(row[:-1] if name == "Trans" else row))
    return found.matrix


@pytest.mark.parametrize("program", ["hphi", "mvmc"])
def test_expert_mode_of_one_orbital(tmp_path, creators, program):
    lists = random_hubbard()
    text = electron_terms.input_text(*read_expert([write_lists(tmp_path, lists, "Nsite 3\n", 3)], program))
    expected = formula_of(creators, lists, 3)
    np.testing.assert_allclose(levels_of(text), np.linalg.eigvalsh(expected), atol=1e-12)
    assert read_tables(text)["model"]["mu"] == pytest.approx(0.4)
    assert read_tables(text)["model"]["field_z"] == pytest.approx(0.3)


def two_orbitals(hund=1.2, exchange=1.2, pairhop=1.2, crystal=0.5):
    """Return lists of two sites of two orbitals, 0 1 and 2 3."""
    bonds = [(0, 2), (1, 3)]
    trans = [(i, s, j, s, 0.8, 0.0) for a, b in bonds for i, j in ((a, b), (b, a)) for s in (0, 1)]
    trans += [(i, s, i, s, 0.9 - crystal * (i % 2), 0.0) for i in range(4) for s in (0, 1)]
    pairs = [(0, 1), (2, 3)]
    lists = {
        "Trans": trans,
        "CoulombIntra": [(i, 5.0) for i in range(4)],
        "CoulombInter": [(*pair, 2.6) for pair in pairs],
        "Hund": [(*pair, hund) for pair in pairs],
        "LocSpin": [(i, 0) for i in range(4)],
    }
    lists |= {"Exchange": [(*pair, exchange) for pair in pairs]} if exchange else {}
    return lists | ({"PairHop": [(*pair, pairhop) for pair in pairs]} if pairhop else {})


@pytest.mark.parametrize("exchange", [1.2, 0.0])
def test_expert_mode_of_several_orbitals(tmp_path, creators, exchange):
    lists = two_orbitals(exchange=exchange, pairhop=exchange)
    text = electron_terms.input_text(*read_expert([write_lists(tmp_path, lists, "Nsite 4\n", 3)]))
    expected = formula_of(creators, lists, 4)
    np.testing.assert_allclose(levels_of(text), np.linalg.eigvalsh(expected), atol=1e-12)
    model = read_tables(text)["model"]
    assert model["kind"] == "kanamori" and model["n_orbitals"] == 2 and model["spin_flip"] == bool(exchange)
    assert model["mu"] == pytest.approx(0.65) and model["crystal_field"] == pytest.approx([-0.25, 0.25])


def test_lines_of_pairs_stand_for_their_conjugates(creators):
    """Two orbitals of an atom with U = 4, J = 1, U' = 2: two electrons at 1 (three levels), 3 (two) and 5 (one)."""
    atom = Formula(creators, 2)
    for i in (0, 1):
        atom.coulombintra(i, 4.0)
    atom.coulombinter(0, 1, 2.0)
    for term in (atom.hund, atom.exchange, atom.pairhop):
        term(0, 1, 1.0)
    two = np.diag(sum(atom.charge(i) for i in (0, 1))) == 2
    assert np.linalg.eigvalsh(atom.matrix[np.ix_(two, two)]) == pytest.approx([1, 1, 1, 3, 3, 5])


def test_numbers_of_electrons_in_modpara(tmp_path):
    lists = random_hubbard()
    text = electron_terms.input_text(*read_expert([write_lists(tmp_path, lists, "Nsite 3\nNcond 3\n2Sz 1\n", 0)]))
    assert (read_tables(text)["model"]["n_up"], read_tables(text)["model"]["n_down"]) == (2, 1)
    assert "add -1.2 to totals" in text
    single = [tmp_path / f"{name}.def" for name in ("trans", "coulombintra")]
    text = electron_terms.input_text(*read_expert(single))
    assert "The ensemble is grand canonical: no file tells" in " ".join(text.replace("\n# ", " ").split())


def changed(lists, name, rows):
    return lists | {name: rows}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("Trans", [(0, 0, 1, 0, 1.0, 0.0)]), "Trans is not Hermitian at pair 0 1"),
        (("Trans", [(0, 0, 1, 0, 1.0, 0.5), (1, 0, 0, 0, 1.0, -0.5)]), "Trans: complex hopping, at pair"),
        (("Trans", [(0, 0, 1, 0, 1.0, 0.0), (1, 0, 0, 0, 1.0, 0.0)]), "Trans: hopping that differs between the spins"),
        (("Trans", [(0, 0, 1, 1, 1.0, 0.0), (1, 1, 0, 0, 1.0, 0.0)]), "Trans: terms that flip spins, at pair"),
        (("CoulombIntra", [(0, 1.0), (1, 2.0), (2, 1.0)]), "the repulsion U differs between sites (1 to 2)"),
        (("CoulombIntra", [(3, 1.0)]), "coulombintra.def, line 6: site 3: there are 3 sites"),
        (("CoulombInter", [(0, 0, 1.0)]), "coulombinter.def, line 6: coulombinter of a site with itself"),
        (("Ising", [(0, 1, 1.0)]), "ising.def: terms of ising are not available for electrons"),
        (("InterAll", [(0, 0, 0, 0, 1, 0, 1, 0, 1.0, 0.0)]), "terms of interall are not available for electrons"),
        (("LocSpin", [(0, 0), (1, 0), (2, 1)]), "locspin.def: localized spins beside electrons are not available"),
        (("Hund", [(0, 1, 1.0)]), "Hund, Exchange and PairHop have to connect orbitals of sites"),
    ],
)
def test_what_electron_files_cannot_hold_is_named(tmp_path, change, problem):
    lists = changed(random_hubbard(), *change)
    with pytest.raises(SettingsError) as caught:
        electron_terms.input_text(*read_expert([write_lists(tmp_path, lists, "Nsite 3\n", 3)]))
    assert any(problem in sentence for sentence in caught.value.problems), caught.value.problems


@pytest.mark.parametrize(
    ("lists", "problem"),
    [
        (two_orbitals(exchange=0.7), "Hund = 1.2, Exchange = 0.7, PairHop = 1.2: available are three equal ones, or"),
        (
            changed(two_orbitals(), "CoulombInter", [(0, 1, 2.0), (2, 3, 2.0), (0, 2, 0.5)]),
            "CoulombInter between sites: not available with several orbitals on a site",
        ),
        (
            changed(two_orbitals(), "Trans", [(i, s, j, s, 1.0, 0.0) for i, j in ((0, 3), (3, 0)) for s in (0, 1)]),
            "hopping between different orbitals is not available",
        ),
        (
            changed(two_orbitals(), "Trans", [(i, s, j, s, 1.0, 0.0) for i, j in ((0, 2), (2, 0)) for s in (0, 1)]),
            "hopping that differs between orbitals is not available",
        ),
        (changed(two_orbitals(), "Hund", [(0, 1, 1.2)]), "hund of two orbitals differs between sites (0 to 1.2)"),
    ],
)
def test_what_sites_of_several_orbitals_cannot_hold_is_named(tmp_path, lists, problem):
    with pytest.raises(SettingsError) as caught:
        electron_terms.input_text(*read_expert([write_lists(tmp_path, lists, "Nsite 4\n", 3)]))
    assert any(problem in sentence for sentence in caught.value.problems), caught.value.problems


def test_ensembles_that_do_not_exist(tmp_path):
    for modpara, calcmod, problem in (
        ("Nsite 3\nNcond 3\n2Sz 0\n", 0, "Ncond = 3, 2Sz = 0: no such state on 3 sites"),
        ("Nsite 3\nNcond 3\n", 0, "2Sz is missing: the canonical ensemble needs Ncond and 2Sz"),
        ("Nsite 3\n", 2, "CalcModel = 2: for electrons 0 (Hubbard) and 3 (HubbardGC) are available"),
        ("Nsite 4\n", 3, "modpara.def: 4 sites, locspin.def: 3 sites: these differ"),
    ):
        with pytest.raises(SettingsError) as caught:
            read_expert([write_lists(tmp_path, random_hubbard(), modpara, calcmod)])
        assert any(problem in sentence for sentence in caught.value.problems)
        assert len(caught.value.problems) == 1


def test_the_command(tmp_path, capsys):
    path = write_lists(tmp_path, random_hubbard(), "Nsite 3\nNcond 3\n2Sz 1\n", 0)
    assert cli.main(["import", str(path), "--temperatures", "1.0,0.5"]) == 0
    tables = read_tables(capsys.readouterr().out)
    assert tables["model"]["kind"] == "hubbard" and tables["thermal"]["temperatures"] == [1.0, 0.5]


def test_spins_stay_spins():
    terms, _ = read_standard("model = SpinGC\nlattice = chain\nL = 4\nJ = 1\n", "stan.in")
    assert isinstance(terms, spin_terms.SpinTerms)
