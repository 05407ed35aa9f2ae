"""Import of expert-mode files of HPhi and mVMC: levels of H, terms that must not get lost, what cannot be read."""

import json
import math

import numpy as np
import pytest

from hpc_nqs.cli import parser as cli
from hpc_nqs.importers.hphi_expert import read_expert
from hpc_nqs.importers.spin_terms import input_text
from hpc_nqs.settings.parsing import SettingsError
from tests.exact.test_import import (
    DOWN,
    PLUS,
    SZ,
    UP,
    heisenberg_matrix,
    imported,
    levels_of,
    on,
    pair,
    thermal_energies,
)


def listed(name, rows):
    lines = ["=" * 20, f"N{name} {len(rows)}", "=" * 20, f"====={name}=====", "=" * 20]
    return "\n".join(lines + [" ".join(map(str, row)) for row in rows]) + "\n"


def write_expert(folder, couplings, h, program="hphi", gamma=0.0):
    """Write the files that the standard mode makes of bonds (i, j, (Jx, Jy, Jz)); return the namelist."""
    sign = -1 if program == "mvmc" else 1
    lists = {
        "Exchange": [(i, j, sign * (jx + jy) / 4) for i, j, (jx, jy, _) in couplings],
        "Hund": [(i, j, -jz / 2) for i, j, (_, _, jz) in couplings],
        "CoulombInter": [(i, j, -jz / 4) for i, j, (_, _, jz) in couplings],
        "PairLift": [(i, j, (jx - jy) / 4) for i, j, (jx, jy, _) in couplings],
    }
    n_sites = 1 + max(max(i, j) for i, j, _ in couplings)
    lists["Trans"] = [(i, s, i, s, (0.5 - s) * h, 0.0) for i in range(n_sites) for s in (0, 1)]
    lists["Trans"] += [(i, s, i, 1 - s, gamma / 2, 0.0) for i in range(n_sites) for s in (0, 1)]
    lists["LocSpin"] = [(i, 1) for i in range(n_sites)]
    for name, rows in lists.items():
        (folder / f"{name.lower()}.def").write_text(listed(name, rows))
    own = {"hphi": "CalcMod calcmod.def\n", "mvmc": "Gutzwiller gutzwiller.def\n"}[program]
    (folder / "namelist.def").write_text(own + "".join(f"{name} {name.lower()}.def\n" for name in lists))
    return folder / "namelist.def"


# A triangle among them, so that a rotation of one sublattice cannot hide the sign of the exchange.
RANDOM_BONDS = [(0, 1, (1.0, 1.0, 0.6)), (2, 1, (-0.5, -0.5, -0.3)), (2, 3, (0.8, 0.8, 0.48)), (3, 0, (2.0, 2.0, 1.2))]


RANDOM_BONDS += [(0, 2, (0.7, 0.7, 0.42))]


@pytest.mark.parametrize("program", ["hphi", "mvmc"])
def test_expert_mode_levels(program, tmp_path):
    text = input_text(*read_expert([write_expert(tmp_path, RANDOM_BONDS, 0.4, program)]))
    levels = np.linalg.eigvalsh(heisenberg_matrix(4, RANDOM_BONDS, h=0.4))
    assert np.abs(levels_of(text) - levels).max() < 1e-10


def test_expert_mode_transverse_field(tmp_path):
    bonds = [(i, (i + 1) % 4, (0, 0, -1.5)) for i in range(4)]
    text = input_text(*read_expert([write_expert(tmp_path, bonds, 0.4, gamma=0.9)]))
    levels = np.linalg.eigvalsh(heisenberg_matrix(4, bonds, h=0.4, gamma=0.9))
    assert np.abs(levels_of(text) - levels).max() < 1e-10


def test_lists_of_pairs_alone_and_their_constant(tmp_path):
    """Exchange and Hund without CoulombInter: H differs by a constant, which the comment names."""
    (tmp_path / "exchange.def").write_text(listed("Exchange", [(0, 1, 0.5), (1, 2, 0.5)]))
    (tmp_path / "hund.def").write_text(listed("Hund", [(0, 1, -0.5), (1, 2, -0.5)]))
    terms, remarks = read_expert([tmp_path / "exchange.def", tmp_path / "hund.def"])
    text = input_text(terms, remarks)
    matrix = sum(
        0.5 * (pair(3, i, j, PLUS, PLUS.T) + pair(3, i, j, PLUS.T, PLUS))
        + 0.5 * (pair(3, i, j, UP, UP) + pair(3, i, j, DOWN, DOWN))
        for i, j in ((0, 1), (1, 2))
    )
    assert np.abs(levels_of(text) + terms.constant - np.linalg.eigvalsh(matrix)).max() < 1e-10
    assert f"The constant {0.5 / 3:.10g} per site is left out" in " ".join(text.replace("#", " ").split())


def test_general_two_body_terms(tmp_path):
    """InterAll as older versions write it: n n and exchange with all eight indices."""
    rows = []
    for i, j in ((0, 1), (2, 1)):
        rows += [(i, s, i, s, j, t, j, t, 0.7 * (0.5 - s) * (0.5 - t), 0.0) for s in (0, 1) for t in (0, 1)]
        rows += [(i, s, i, 1 - s, j, 1 - s, j, s, 0.5, 0.0) for s in (0, 1)]
    (tmp_path / "zInterAll.def").write_text(listed("InterAll", rows))
    text = input_text(*read_expert([tmp_path / "zInterAll.def"]))
    levels = np.linalg.eigvalsh(heisenberg_matrix(3, [(0, 1, (1, 1, 0.7)), (2, 1, (1, 1, 0.7))]))
    assert np.abs(levels_of(text) - levels).max() < 1e-10


def test_expert_mode_names_what_is_missing(tmp_path):
    (tmp_path / "interall.def").write_text(listed("InterAll", [(0, 0, 0, 1, 1, 0, 1, 1, 0.5, 0.0)]))
    (tmp_path / "ising.def").write_text(listed("Ising", [(0, 1, 0.5), (1, 2, 0.5)]).replace("NIsing 2", "NIsing 3"))
    with pytest.raises(SettingsError) as caught:
        read_expert([tmp_path / "interall.def", tmp_path / "ising.def"])
    assert any("tells 3 terms, there are 2" in problem for problem in caught.value.problems)
    assert any("pair 0 1: the sum of the terms is not Hermitian" in problem for problem in caught.value.problems)


def test_a_namelist_with_unknown_terms(tmp_path):
    (tmp_path / "namelist.def").write_text("CalcMod calcmod.def\nBoost boost.def\n")
    with pytest.raises(SettingsError, match="Boost boost.def: unsupported"):
        read_expert([tmp_path / "namelist.def"])


def test_a_missing_file_is_one_sentence(tmp_path, capsys):
    (tmp_path / "namelist.def").write_text("CalcMod calcmod.def\nExchange exchange.def\n")
    assert cli.main(["import", str(tmp_path / "namelist.def")]) == 2
    assert "exchange.def: No such file" in capsys.readouterr().err


def test_thermal_energies_of_the_smallest_system():
    """Two spins of a doubled bond in closed form: pins the doubling and the sign of J."""
    text = imported("model = SpinGC\nlattice = chain\nL = 2\nJ = 0.5")
    levels = levels_of(text)
    assert levels == pytest.approx([-0.75, 0.25, 0.25, 0.25])
    energy = thermal_energies(levels, np.array([2.0]), 2)[0]
    weight = 3 * math.exp(-2.0)
    assert energy == pytest.approx((-0.75 + 0.25 * weight) / (1 + weight) / 2)


SINGLETS = [(0, 1, (1.0, 1.0, 1.0)), (1, 2, (0.6, 0.6, 0.6))]


def written(folder, name, kind, rows):
    (folder / name).write_text(listed(kind, rows))
    return folder / name


def test_two_files_of_one_kind_are_two_lists_of_terms(tmp_path):
    files = [
        written(tmp_path, "a.def", "Exchange", [(0, 1, 0.5)]),
        written(tmp_path, "b.def", "Exchange", [(1, 2, 0.3), (0, 1, 0.25)]),
        written(tmp_path, "c.def", "Ising", [(0, 1, 1.5), (1, 2, 0.6)]),
    ]
    bonds = [(0, 1, (1.5, 1.5, 1.5)), (1, 2, (0.6, 0.6, 0.6))]
    for order in (files, files[::-1]):
        levels = levels_of(input_text(*read_expert(order)))
        assert np.abs(levels - np.linalg.eigvalsh(heisenberg_matrix(3, bonds))).max() < 1e-10


def problems_of(paths, program=None):
    with pytest.raises(SettingsError) as caught:
        input_text(*read_expert(paths, program))
    return caught.value.problems


def test_one_file_given_twice_is_refused(tmp_path):
    exchange = written(tmp_path, "exchange.def", "Exchange", [(0, 1, 0.5)])
    assert any("exchange.def: the same file is given twice" in each for each in problems_of([exchange, exchange]))
    (tmp_path / "namelist.def").write_text("CalcMod calcmod.def\nExchange exchange.def\n")
    assert any("given twice" in each for each in problems_of([tmp_path / "namelist.def", exchange]))


def test_a_keyword_twice_in_a_namelist_is_refused_as_by_those_programs(tmp_path):
    written(tmp_path, "a.def", "Exchange", [(0, 1, 0.5)])
    written(tmp_path, "b.def", "Exchange", [(1, 2, 0.5)])
    (tmp_path / "namelist.def").write_text("Exchange a.def\nexchange b.def\n")
    (problem,) = problems_of([tmp_path / "namelist.def"])
    assert "exchange is named twice" in problem and "HPhi" in problem


def free_site_files(folder, n_sites, modpara="Nsite 6.0"):
    for name, kind, rows in (
        ("exchange.def", "Exchange", [(i, j, jx / 2) for i, j, (jx, _, _) in SINGLETS]),
        ("ising.def", "Ising", [(i, j, jz) for i, j, (_, _, jz) in SINGLETS]),
        ("locspn.def", "locspn", [(i, 1) for i in range(n_sites)]),
    ):
        written(folder, name, kind, rows)
    dashes = "-" * 20 + "\n"
    (folder / "modpara.def").write_text(f"{dashes}Model_Parameters 0\n{dashes * 5}{modpara}\n2Sz 0\n")
    names = "Exchange exchange.def\nIsing ising.def\nLocSpin locspn.def // spins\nModPara modpara.def other words\n"
    (folder / "namelist.def").write_text(names)
    return folder / "namelist.def"


def free_levels(n_sites):
    """Return levels and Sz of the two bonds among `n_sites` sites."""
    levels, states = np.linalg.eigh(heisenberg_matrix(n_sites, SINGLETS))
    sz = sum(np.diag(on(n_sites, **{f"s{i}": SZ})) for i in range(n_sites))
    return levels, states, sz


def test_sites_without_bonds_count(tmp_path, capsys):
    text = input_text(*read_expert([free_site_files(tmp_path, 6)]), [1.0])
    assert "n_sites = 6" in text and "Sites without bonds, which count in averages per site: 3, 4, 5" in text
    levels, states, sz = free_levels(6)
    assert np.abs(levels_of(text) - levels).max() < 1e-10
    weights = np.exp(-levels) / np.exp(-levels).sum()
    entropy = (np.log(np.exp(-levels).sum()) + weights @ levels) / 6
    susceptibility = (weights @ (np.abs(states) ** 2).T @ sz**2) / 6
    (tmp_path / "input.toml").write_text(text)
    for command in (["exact", "input.toml", "--json"], ["run", "input.toml"], ["show", "input.h5", "--json"]):
        command[1] = str(tmp_path / command[1])
        assert cli.main(command) == 0
        output = capsys.readouterr().out
        if "--json" not in command:
            continue
        (row,) = json.loads(output)["rows"]
        assert row["energy"] == pytest.approx(weights @ levels / 6, abs=2e-3)
        assert row["entropy"] == pytest.approx(entropy, abs=2e-3)
        assert row["susceptibility"] == pytest.approx(susceptibility, abs=2e-3)


def test_a_site_in_the_middle_may_be_free_too(tmp_path):
    written(tmp_path, "locspn.def", "locspn", [(i, 1) for i in range(4)])
    ising = written(tmp_path, "ising.def", "Ising", [(0, 2, 1.0)])
    text = input_text(*read_expert([ising, tmp_path / "locspn.def"]))
    expected = np.linalg.eigvalsh(heisenberg_matrix(4, [(0, 2, (0, 0, 1.0))]))
    assert np.abs(levels_of(text) - expected).max() < 1e-10


def test_counts_that_differ_are_refused(tmp_path):
    (problem,) = problems_of([free_site_files(tmp_path, 6, "Nsite 5")])
    assert "locspn.def: 6 sites" in problem and "modpara.def: 5 sites" in problem
    (problem, *_) = problems_of([free_site_files(tmp_path, 2, "Nsite 2")])
    assert "site 2: there are 2 sites" in problem


HEADERS = {
    "equal signs": ("=" * 20, "====", "===="),
    "dashes": ("-" * 30, "-" * 30, "-" * 30),
    "words": ("my exchange", "i j J", "# of last Monday"),
    "empty": ("", "", ""),
}


@pytest.mark.parametrize("name", HEADERS)
def test_any_text_in_the_header_and_comments_behind_values(name, tmp_path):
    first, *others = HEADERS[name]
    lines = [first, "NExchange 2 // pairs", others[0], others[1], others[0]]
    lines += ["0 1 0.5 // the strong one", "   1   2   0.3   # the weak one", ""]
    (tmp_path / "exchange.def").write_text("\n".join(lines))
    ising = written(tmp_path, "ising.def", "Ising", [(0, 1, 1.0), (1, 2, 0.6)])
    levels = levels_of(input_text(*read_expert([tmp_path / "exchange.def", ising])))
    assert np.abs(levels - np.linalg.eigvalsh(heisenberg_matrix(3, SINGLETS))).max() < 1e-10


@pytest.mark.parametrize(
    ("kind", "rows", "problem"),
    [
        ("Exchange", [(0, 1, "1_0")], "x.def, line 6: 1_0: allowed here is a finite number"),
        ("Exchange", [(0, 1, 0.5), (1, 2, "nan")], "x.def, line 7: nan: allowed here is a finite number"),
        ("Exchange", [(0, 1, "1e400")], "x.def, line 6: 1e400: allowed here is a finite number"),
        ("Exchange", [(0, "1e400", 1.0)], "x.def, line 6: 1e400: allowed here is a site"),
        ("Exchange", [(0, 0.5, 1.0)], "x.def, line 6: 0.5: allowed here is a site"),
        ("Exchange", [(-1, 0, 1.0)], "x.def, line 6: -1: allowed here is a site"),
        ("Exchange", [(0, 1, "1.0D0")], "x.def, line 6: 1.0D0: allowed here is a finite number"),
        ("Exchange", [(0, 1)], "x.def, line 6: 2 columns; a line of exchange has 3"),
        ("Exchange", [(0, 1, 1.0, 2.0)], "x.def, line 6: 4 columns; a line of exchange has 3"),
        ("Trans", [(0, -1, 0, -1, 0.5, 0.0)], "x.def, line 6: -1: allowed here is a spin, 0 or 1"),
        ("Trans", [(0, 0, 0, 2, 0.5, 0.0)], "x.def, line 6: 2: allowed here is a spin, 0 or 1"),
        ("InterAll", [(0, 0, 0, -1, 1, 0, 1, 0, 0.5, 0.0)], "x.def, line 6: -1: allowed here is a spin, 0 or 1"),
        ("locspn", [(0,), (1,)], "x.def, lines 6, 7: 1 columns; a line of locspin has 2"),
        ("locspn", [(0, 1), (0, 1)], "x.def: every site from 0 to 1 stands there once"),
        ("locspn", [(0, 1), (1, 2)], "x.def: only localized spins 1/2"),
    ],
)
def test_what_cannot_be_read_is_named_with_file_and_line(kind, rows, problem, tmp_path):
    path = written(tmp_path, "x.def", kind, rows)
    ising = written(tmp_path, "ising.def", "Ising", [(0, 1, 1.0)])
    assert problem in " | ".join(problems_of([path, ising])), problems_of([path, ising])


@pytest.mark.parametrize("value", ["6.5", "nan", "inf", "1_0", "six", "1e400"])
def test_numbers_of_sites_that_are_none(value, tmp_path):
    (problem, *_) = problems_of([free_site_files(tmp_path, 6, f"Nsite {value}")])
    assert f"modpara.def, line 8: Nsite = {value}: allowed is an integer" in problem


def test_sixty_four_bonds_of_one_kind_are_one_problem(tmp_path):
    rows = [(i, 0, i, 1, (i + 1) % 64, 1, (i + 1) % 64, 0, 0.5, 0.0) for i in range(64)]
    (problem, *others) = problems_of([written(tmp_path, "interall.def", "InterAll", rows)])
    assert "pairs 0 1, 1 2, 2 3 and 61 more: the sum of the terms is not Hermitian" in problem
    assert len(others) <= 1
    rows = [(i, (i + 1) % 64, "nan") for i in range(64)]
    problems = problems_of([written(tmp_path, "exchange.def", "Exchange", rows)])
    assert "exchange.def, lines 6, 7, 8 and 61 more: nan: allowed here" in problems[0] and len(problems) <= 2


@pytest.mark.parametrize("value", ["1_0", "nan", "inf", "1e400", "0x10", "1.0D0", "1,0"])
def test_what_python_reads_as_a_number_and_those_programs_do_not(value):
    with pytest.raises(SettingsError, match=f"j = {value}: allowed is a number"):
        imported(f"model = SpinGC\nlattice = chain\nL = 8\nJ = {value}\n")


def test_comments_behind_values_in_standard_mode():
    text = "model = SpinGC // spins\nlattice = chain\nL = 8.0 // sites\nJ = 0.5 // kelvin\n//J = 2\n"
    assert "couplings = [0.5]" in imported(text)
