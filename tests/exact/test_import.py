"""Inputs of HPhi and mVMC: the translation against matrices built from the manuals of those programs."""

import json

import numpy as np
import pytest

from hpc_nqs.cli import parser as cli
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.importers.hphi_standard import read_standard
from hpc_nqs.importers.spin_terms import input_text
from hpc_nqs.settings.parsing import SettingsError, parse_settings, read_tables
from hpc_nqs.settings.system import build

SX, SY, SZ = np.array([[0, 1], [1, 0]]) / 2, np.array([[0, -1j], [1j, 0]]) / 2, np.diag([0.5, -0.5])
UP, DOWN, PLUS = np.diag([1.0, 0.0]), np.diag([0.0, 1.0]), np.array([[0.0, 1.0], [0.0, 0.0]])


def on(n_sites, **operators):
    """Return the product of single-site operators, named s0, s1, ..., on all states."""
    product = np.eye(1)
    for site in range(n_sites):
        product = np.kron(product, operators.get(f"s{site}", np.eye(2)))
    return product


def pair(n_sites, i, j, first, second):
    return on(n_sites, **{f"s{i}": first, f"s{j}": second})


def heisenberg_matrix(n_sites, bonds, h=0.0, gamma=0.0):
    """Return H of bonds (i, j, (Jx, Jy, Jz)), repeated bonds added, in the convention of HPhi."""
    matrix = np.zeros((2**n_sites, 2**n_sites), complex)
    for i, j, couplings in bonds:
        for value, operator in zip(couplings, (SX, SY, SZ), strict=True):
            matrix += value * pair(n_sites, i, j, operator, operator)
    for i in range(n_sites):
        matrix -= h * on(n_sites, **{f"s{i}": SZ}) + gamma * on(n_sites, **{f"s{i}": SX})
    return matrix


def levels_of(text):
    """Return the levels of the Hamiltonian of a TOML input of this program."""
    _, model = build(parse_settings(read_tables(text)))
    return np.linalg.eigvalsh(to_sparse(model).toarray())


def imported(text):
    return input_text(*read_standard(text, "stan.in"))


def thermal_energies(levels, betas, n_sites):
    weights = np.exp(-np.outer(betas, levels - levels.min()))
    return (weights @ levels) / weights.sum(axis=1) / n_sites


def square_cells(width, length):
    """Return the bonds of HPhi's square lattice, both of every cell: (site, site, direction)."""
    site = lambda w, l: w % width + (l % length) * width  # noqa: E731
    cells = [(w, l) for w in range(width) for l in range(length)]
    first = [(site(w, l), site(w + dw, l + dl)) for w, l in cells for dw, dl in ((1, 0), (0, 1))]
    second = [(site(w, l), site(w + 1, l + dl)) for w, l in cells for dl in (1, -1)]
    return first, second


CHAIN = 'model = "SpinGC"\nlattice = "chain lattice"\nL = 8\n'
SYSTEMS = {
    "XXZ chain with J' and a field": (
        CHAIN + "Jx = 1.0\nJy = 1.0\nJz = 0.7\nJ'x = 0.4\nJ'y = 0.4\nJ'z = 0.28\nh = 0.3",
        8,
        [(i, (i + 1) % 8, (1, 1, 0.7)) for i in range(8)] + [(i, (i + 2) % 8, (0.4, 0.4, 0.28)) for i in range(8)],
        {"h": 0.3},
        'kind = "chain"',
    ),
    "Ising chain in a transverse field": (
        CHAIN + "Jz = -4.0\nGamma = 2.6\nh = 0.4",
        8,
        [(i, (i + 1) % 8, (0, 0, -4.0)) for i in range(8)],
        {"gamma": 2.6, "h": 0.4},
        'kind = "tfim"',
    ),
    "square lattice whose short period doubles bonds": (
        'model = "Spin"\nlattice = "square"\nW = 2\nL = 4\n2Sz = 0\nJ = 1.0\nJ\' = 0.5\nmethod = "TPQ"',
        8,
        [(i, j, (1, 1, 1)) for i, j in square_cells(2, 4)[0]] + [(i, j, (0.5,) * 3) for i, j in square_cells(2, 4)[1]],
        {},
        "cell_bonds = [[1, 0, 0, 0, 1.0], [0, 1, 0, 0, 1.0], [1, 1, 0, 0, 0.5], [1, -1, 0, 0, 0.5]]",
    ),
    "ladder with rungs and one diagonal": (
        'model = "SpinGC"\nlattice = "ladder"\nL = 4\nW = 2\nJ0 = 0.6\nJ1 = 1.0\nJ2 = 0.3',
        8,
        [(i, (i + 1) % 4, (1, 1, 1)) for i in range(4)]
        + [(i + 4, (i + 1) % 4 + 4, (1, 1, 1)) for i in range(4)]
        + [(i, i + 4, (0.6,) * 3) for i in range(4)]
        + [(i, (i + 1) % 4 + 4, (0.3,) * 3) for i in range(4)],
        {},
        "cell_bonds = [[1, 0, 0, 0, 1.0], [0, 1, 0, 0, 0.6], [1, 1, 0, 0, 0.3]]",
    ),
    "triangular cell of eight sites, oblique": (
        'model = "SpinGC"\nlattice = "triangular"\na0W = 2\na0L = 1\na1W = -1\na1L = 2\nJ = 1.0',
        5,
        # n = w + 3 l mod 5 is 0 for both periods (2, 1) and (-1, 2)
        [(n, (n + step) % 5, (1, 1, 1)) for n in range(5) for step in (1, 3, 1 - 3)],
        {},
        'kind = "custom"',
    ),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_levels_are_those_of_the_other_program(name):
    text, n_sites, bonds, fields, expected = SYSTEMS[name]
    levels = np.linalg.eigvalsh(heisenberg_matrix(n_sites, bonds, **fields))
    assert expected in imported(text)
    assert np.abs(levels_of(imported(text)) - levels).max() < 1e-10


HAND_WRITTEN = [
    (
        'model = "Spin"\nlattice = "square"\nW = 4\nL = 3\nJ = 1.0\n2Sz = 0',
        '[lattice]\nkind = "square"\nlengths = [4, 3]\n[model]\nkind = "heisenberg"\n',
    ),
    (
        CHAIN + "Jz = -4.0\nGamma = 2.0",
        '[lattice]\nkind = "chain"\nlengths = [8]\n[model]\nkind = "tfim"\ncoupling = 1.0\nfield = 1.0\n',
    ),
    (
        'model = "SpinGC"\nlattice = "kagome"\nW = 2\nL = 2\nJ0 = 1.0\nJ1 = 1.0\nJ2 = 0.5',
        "bonds",
    ),
]


def kagome_by_hand():
    """Return a hand-written input of the 2x2 kagome lattice with a weaker coupling along W."""
    site = lambda w, l, b: (w % 2 + l % 2 * 2) * 3 + b  # noqa: E731
    bonds = []
    for w in range(2):
        for l in range(2):
            bonds += [[site(w, l, 0), site(w, l, 1), 0.5], [site(w, l, 1), site(w + 1, l, 0), 0.5]]
            bonds += [[site(w, l, 0), site(w, l, 2), 1.0], [site(w, l, 2), site(w, l + 1, 0), 1.0]]
            bonds += [[site(w, l, 1), site(w, l, 2), 1.0], [site(w, l, 1), site(w + 1, l - 1, 2), 1.0]]
    return f'[lattice]\nkind = "custom"\nbonds = {bonds}\n[model]\nkind = "heisenberg"\n'


@pytest.mark.parametrize(("theirs", "ours"), HAND_WRITTEN)
def test_imported_inputs_have_the_energies_of_hand_written_ones(theirs, ours, tmp_path, capsys):
    (tmp_path / "stan.in").write_text(theirs + "\n")
    temperatures = "temperatures = [4.0, 1.0, 0.5, 0.2]\n"
    (tmp_path / "hand.toml").write_text((kagome_by_hand() if ours == "bonds" else ours) + "[thermal]\n" + temperatures)
    assert cli.main(["import", str(tmp_path / "stan.in"), "--temperatures", "4.0,1.0,0.5,0.2"]) == 0
    (tmp_path / "imported.toml").write_text(capsys.readouterr().out)
    energies = []
    for name in ("imported", "hand"):
        assert cli.main(["exact", str(tmp_path / f"{name}.toml"), "--json"]) == 0
        energies.append([row["energy"] for row in json.loads(capsys.readouterr().out)["rows"]])
    assert energies[0] == pytest.approx(energies[1], abs=1e-9)


@pytest.mark.parametrize(
    ("lattice", "n_shells"),
    [("square", 3), ("triangular", 3), ("honeycomb", 3), ("kagome", 2), ("chain", 3)],
)
def test_every_shell_of_every_lattice_is_recognized(lattice, n_shells):
    width = "" if lattice == "chain" else "W = 6\n"
    couplings = "".join(f"J{shell * chr(39)} = {1 - 0.25 * shell}\n" for shell in range(n_shells))
    text = imported(f"model = SpinGC\nlattice = {lattice}\nL = 8\n{width}{couplings}")
    assert f'kind = "{lattice}"' in text
    assert f"couplings = {[1.0, 0.75, 0.5][:n_shells]}" in text


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("J = 1\nJxy = 0.5", "J and Jxy are both given: give Jx, Jy, Jz in place of it"),
        ("J = 1\nJx = 0.5", "J and Jx are both given"),
        ("Jxy = 1\nJ0x = 0.5", "J and J0 are both given"),
        ("J = 1\n2S = 2", "2S = 2: only spin 1/2"),
        ("J = 1\n2Sz = 2", "2Sz = 2: sectors"),
        ("J = 1\nK = 0.5", "k = 0.5"),
        ("J = 1\nJ0 = 2", "J and J0 are both given"),
        ("J = 1\nU = 4\nfoo = 1", "foo = 1: unsupported keyword"),
        ("J = one", "j = one: allowed is a number"),
        ("J = 1\nJ = 2", "j is given twice"),
        ("J 1", "a line is `keyword = value`"),
        ("h = 1", "no couplings"),
    ],
)
def test_what_is_not_supported_is_named(line, problem):
    with pytest.raises(SettingsError) as caught:
        imported(f"model = SpinGC\nlattice = chain\nL = 8\n{line}\n")
    assert any(problem in sentence for sentence in caught.value.problems), caught.value.problems


def test_all_problems_at_once(tmp_path, capsys):
    (tmp_path / "stan.in").write_text('model = "Kondo Lattice"\nlattice = "pyrochlore"\nt = 1\n2S = 2\n')
    assert cli.main(["import", str(tmp_path / "stan.in")]) == 2
    message = capsys.readouterr().err
    assert all(word in message for word in ("kondolattice", "pyrochlore", "t = 1", "2S = 2"))
