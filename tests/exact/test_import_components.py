"""Inputs of HPhi and mVMC with couplings by component and direction, fields in any direction: H term by term.

The other side is an interpreter of the standard mode of its own, from the figures of the manual: every coupling is a
displacement from a spin to another one, every component J^ab a product of spin matrices.
"""

import functools
import itertools
import re

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg

from hpc_nqs.cli import parser as cli
from hpc_nqs.exact.diagonalization import diagonalize
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.importers.hphi_standard import read_standard
from hpc_nqs.importers.spin_terms import input_text
from hpc_nqs.settings.parsing import SettingsError, parse_settings, read_tables
from hpc_nqs.settings.system import build

# Rows and columns: Sz = -1/2, +1/2; site 0 is the lowest bit.
SPIN = {"x": np.array([[0, 1], [1, 0]]) / 2, "y": np.array([[0, 1j], [-1j, 0]]) / 2, "z": np.diag([-0.5, 0.5])}

# Sites of a cell and displacements (first site of the cell, None for any, and r_j - r_i) in lattice vectors, in sixths.
TAU = {
    "chain": [(0, 0)],
    "square": [(0, 0)],
    "triangular": [(0, 0)],
    "honeycomb": [(0, 0), (2, 2)],
    "kagome": [(0, 0), (3, 0), (0, 3)],
}
BONDS = {
    "chain": {"J0": [(None, 0, 6)], "J0'": [(None, 0, 12)], "J0''": [(None, 0, 18)]},
    "square": {
        **{"J0": [(None, 6, 0)], "J1": [(None, 0, 6)], "J0'": [(None, 6, 6)], "J1'": [(None, 6, -6)]},
        **{"J0''": [(None, 12, 0)], "J1''": [(None, 0, 12)]},
    },
    "triangular": {
        **{"J0": [(None, 6, 0)], "J1": [(None, 0, 6)], "J2": [(None, 6, -6)]},
        **{"J0'": [(None, -6, 12)], "J1'": [(None, 12, -6)], "J2'": [(None, 6, 6)]},
        **{"J0''": [(None, 12, 0)], "J1''": [(None, 0, 12)], "J2''": [(None, 12, -12)]},
    },
    "honeycomb": {
        **{"J0": [(0, 2, 2)], "J1": [(1, 4, -2)], "J2": [(1, -2, 4)]},
        **{"J0'": [(None, 6, -6)], "J1'": [(None, 0, 6)], "J2'": [(None, 6, 0)]},
        **{"J0''": [(0, -4, -4)], "J1''": [(0, 8, -4)], "J2''": [(0, -4, 8)]},
    },
    "kagome": {
        **{"J0": [(1, -3, 3), (1, 3, -3)], "J1": [(0, 0, 3), (2, 0, 3)], "J2": [(0, 3, 0), (1, 3, 0)]},
        **{"J0'": [(1, 3, 3), (2, 3, 3)], "J1'": [(2, 6, -3), (0, 6, -3)], "J2'": [(1, -3, 6), (0, -3, 6)]},
    },
}


def keywords(text):
    return {key.strip(): value.strip() for key, value in (line.split("=") for line in text.strip().splitlines())}


def matrix_of(name, given, common=True):
    """Return J^ab of a coupling: its own components, else those without a number."""
    shared = name[0] + name[2:] if common else name
    for stem in (name, shared):
        matrix = float(given.get(stem, 0.0)) * np.eye(3)
        for a, b in itertools.product(range(3), repeat=2):
            matrix[a, b] += float(given.get(stem + ("xyz"[a] if a == b else "xyz"[a] + "xyz"[b]), 0.0))
        if matrix.any():
            return matrix
    return matrix


def bonds_of(given):
    """Return (n_sites, [(i, j, J^ab)]) of the keywords of an input with W and L."""
    lattice, width, length = given["lattice"], int(given.get("W", 1)), int(given["L"])
    bonds = []
    if lattice == "ladder":
        for leg, l in itertools.product(range(width), range(length)):
            targets = {"J1": (1, 0), "J1'": (2, 0), "J0": (0, 1), "J2": (1, 1), "J2'": (-1, 1)}
            for name, (step, across) in targets.items():
                if leg + across < width:
                    other = (l + step) % length + (leg + across) * length
                    bonds.append((l + leg * length, other, matrix_of(name, given, common=False)))
        return width * length, bonds
    tau = TAU[lattice]
    places = {}
    for l, w, b in itertools.product(range(length), range(width), range(len(tau))):
        places[6 * w + tau[b][0], 6 * l + tau[b][1]] = len(places), b
    for name, displacements in BONDS[lattice].items():
        for first, dw, dl in displacements:
            for (w, l), (i, b) in places.items():
                if first in (None, b):
                    j, _ = places[(w + dw) % (6 * width), (l + dl) % (6 * length)]
                    bonds.append((i, j, matrix_of(name, given)))
    return len(places), [bond for bond in bonds if bond[2].any()]


def product(n_sites, operators):
    """Return the product of single-site matrices, {site: matrix}, as a sparse array."""
    return functools.reduce(scipy.sparse.kron, [operators.get(i, np.eye(2)) for i in reversed(range(n_sites))]).tocsr()


def hamiltonian(n_sites, bonds, fields, constant=0.0):
    """Return sum J^ab S^a_i S^b_j - sum h^a S^a_i of lists (i, j, J^ab) and {axis: h or all h_i}, sparse."""
    matrix = scipy.sparse.csr_array((2**n_sites, 2**n_sites), dtype=complex) + constant * scipy.sparse.eye(2**n_sites)
    for i, j, couplings in bonds:
        for (a, first), (b, second) in itertools.product(enumerate(SPIN.values()), repeat=2):
            if couplings[a][b]:
                matrix = matrix + couplings[a][b] * product(n_sites, {i: first, j: second})
    for axis, values in fields.items():
        for i, h in enumerate(np.broadcast_to(values, n_sites)):
            if h:
                matrix = matrix - h * product(n_sites, {i: SPIN[axis]})
    return matrix


@functools.cache
def of_manual(text):
    """Return (H without its constant as a sparse array, the constant per site, whether version 0.1 refused it)."""
    given = keywords(text)
    n_sites, bonds = bonds_of(given)
    fields = {axis: float(given.get(key, 0.0)) for axis, key in (("x", "Gamma"), ("y", "Gamma_y"), ("z", "h"))}
    matrices = [matrix for _, _, matrix in bonds]
    is_ising = all(not (matrix - np.diag([0, 0, matrix[2, 2]])).any() for matrix in matrices)
    is_xxz = all(not (matrix - np.diag(matrix[[0, 0, 2], [0, 0, 2]])).any() for matrix in matrices)
    ratios = {round(matrix[2, 2] / matrix[0, 0], 9) if matrix[0, 0] else np.inf for matrix in matrices}
    refused = not is_xxz or (fields["x"] and not is_ising) or fields["y"] or len(ratios) > 1 or "D" in given
    return hamiltonian(n_sites, bonds, fields), float(given.get("D", 0.0)) / 4, bool(refused)


def imported(text):
    return input_text(*read_standard(text, "stan.in"))


def matrix_of_text(text):
    return to_sparse(build(parse_settings(read_tables(text)))[1])


def difference(first, second):
    """Return the largest difference between two sparse matrices."""
    rest = (first - second).tocoo()
    return np.abs(rest.data).max(initial=0.0)


KITAEV = "J0x = -1.0\nJ1y = -0.8\nJ2z = -1.3\n"
GAMMAS = "J0yz = 0.4\nJ0zy = 0.4\nJ1zx = 0.3\nJ1xz = 0.3\nJ2xy = -0.5\nJ2yx = -0.5\n"
NINE = "Jx = 0.7\nJy = 0.4\nJz = 0.9\nJxy = 0.3\nJyx = -0.2\nJxz = -0.5\nJzx = 0.1\nJyz = 0.6\nJzy = -0.35\n"
MORIYA = "Jx = 1.0\nJy = 1.0\nJz = 0.6\nJxy = 0.45\nJyx = -0.45\n"


def numbered(text, number, factor=1.0):
    """Return the lines of couplings J.. as those of J0.., J1.., ... times a factor."""
    lines = (re.sub(r"^J", f"J{number}", line) for line in text.strip().splitlines())
    split = (line.split(" = ") for line in lines)
    return "".join(f"{key} = {round(factor * float(value), 6)}\n" for key, value in split)


def primed(text, primes="'"):
    return re.sub(r"^(J\d?)", rf"\1{primes}", text, flags=re.MULTILINE)


LINES = {
    "chain": (
        "L = 6\n",
        [
            *("Jx = 1.0\nJy = 0.4\n", "Jx = 1.0\nJy = -0.4\nJz = 0.7\nh = 0.3\n", "J = 1.0\nGamma = 0.5\n"),
            *("J = 1.0\nGamma = 0.5\nGamma_y = -0.4\nh = 0.2\n", NINE, NINE + "h = 0.3\nGamma = 0.2\n"),
            *(MORIYA + "h = 0.3\n", MORIYA + "J' = 0.3\n", "J = 1.0\n" + primed(MORIYA), "J = 1.0\nD = 0.5\n"),
            *("Jz = 1.0\nJ'x = 1.0\nJ'y = 1.0\n", "Jz = 1.0\nGamma_y = 0.5\n", "Jxz = 0.5\nJzx = 0.5\nJz = 1.0\n"),
            "J0x = 1.0\nJ0z = 0.2\nJ0'y = 0.3\nJ0''z = 0.4\n",
        ],
    ),
    "square": (
        "W = 3\nL = 2\n",
        [
            *(numbered(NINE, 0) + numbered(MORIYA, 1), "J0x = 1.0\nJ1y = 1.0\nh = 0.1\nGamma = 0.1\n"),
            *("J = 1.0\nJ'xy = 0.3\nJ'yx = -0.3\n", "J0 = 1.0\nJ1 = 0.3\nGamma = 0.2\n", "J0z = 1.0\nJ1x = 1.0\n"),
            numbered("Jx = 1.0\nJy = 0.5\nJyz = 0.2\n", 1) + primed(numbered(NINE, 0)),
            "J = 1.0\nD = -0.3\nh = 0.2\n",
        ],
    ),
    "triangular": (
        "W = 3\nL = 3\n",
        [
            *(numbered(NINE, 0) + numbered(NINE, 1, -0.5) + numbered(MORIYA, 2), KITAEV + "Gamma = 0.3\n"),
            *(KITAEV + GAMMAS, primed(KITAEV) + "J = 0.5\n", MORIYA + "J'x = 0.2\n"),
        ],
    ),
    "honeycomb": (
        "W = 2\nL = 2\n",
        [
            *(KITAEV, KITAEV + "h = -1.0\n", KITAEV + "h = 0.1\nGamma = 0.2\nGamma_y = 0.3\n", KITAEV + GAMMAS),
            *(KITAEV + "J' = 0.2\nJ'' = 0.1\n", KITAEV + primed(MORIYA), NINE, NINE + primed(NINE, "''")),
            *("J0y = -3\nJ0xy = 3\nJ1xz = 1\nJ2yz = 2\nh = 0.2\nGamma = 0.5\n", numbered(NINE, 1) + "J0 = 1.0\n"),
            *("J0x = -1.0\nJ0y = 2.0\nJ0z = 3.3\nJ1x = 1.0\nJ1y = 1.0\nJ2x = 3.0\nJ2y = 2.0\nJ2z = 1.0\nh = -0.1\n",),
        ],
    ),
    "kagome": (
        "W = 2\nL = 1\n",
        [
            *(MORIYA, NINE + "h = 0.3\n", numbered(MORIYA, 0) + "J1 = 0.5\nJ2 = 0.7\n", KITAEV + GAMMAS),
            *("J = 1.0\nD = 1.0\nh = 0.5\n", "J = 1.0\nGamma = 0.4\nh = 0.1\n"),
        ],
    ),
    "ladder": (
        "W = 2\nL = 3\n",
        [
            *("J0 = 1.0\nJ1x = 0.5\n", numbered(NINE, 0) + numbered(MORIYA, 1), "J0 = 1.0\nJ1 = 1.0\nD = 1.0\n"),
            numbered(NINE, 2) + "J0 = 1.0\nGamma = 0.1\n",
            "J0 = 1.0\nJ1 = 0.8\nh = 0.3\nGamma = 0.2\nGamma_y = -0.4\n",
            numbered(NINE, 0) + primed(numbered(NINE, 2, 0.3)),
            "J1 = 1.0\nJ0z = 0.5\n" + primed(numbered(NINE, 1)),
        ],
    ),
}
INPUTS = [
    f"model = SpinGC\nlattice = {lattice}\n{size}{couplings}"
    for lattice, (size, cases) in LINES.items()
    for couplings in cases
]


def test_fifty_inputs_that_were_refused():
    assert len(INPUTS) == len(set(INPUTS)) >= 50
    assert all(of_manual(text)[2] for text in INPUTS)


@pytest.mark.parametrize("text", INPUTS)
def test_every_term_is_that_of_the_other_program(text):
    matrix, constant, _ = of_manual(text)
    ours = imported(text)
    assert difference(matrix_of_text(ours), matrix) < 1e-12
    said = re.search(r"The constant (\S+) per site is left out", " ".join(ours.replace("#", " ").split()))
    assert (float(said[1]) if said else 0.0) == pytest.approx(constant)


def test_directions_keep_their_lattice():
    text = imported("model = SpinGC\nlattice = honeycomb\nW = 3\nL = 2\n" + KITAEV + "h = 0.1\n")
    model = read_tables(text)["model"]
    entries = [[0, 0, 0, 1, -1.0, 0.0, 0.0], [1, 0, 1, 0, 0.0, -0.8, 0.0], [0, 1, 1, 0, 0.0, 0.0, -1.3]]
    assert 'kind = "honeycomb"\nlengths = [3, 2]' in text and model["cell_bonds_xyz"] == entries
    assert model["field_z"] == 0.1 and "field_x" not in model
    shells = imported("model = SpinGC\nlattice = chain\nL = 8\nJx = 1.0\nJy = 0.5\nJ'z = 0.25\n")
    assert "couplings_x = [1.0]\ncouplings_y = [0.5]\ncouplings_z = [0.0, 0.25]\n" in shells


def test_an_oblique_cell_has_directed_bonds():
    """Five sites, n = w + 3 l mod 5, which is 0 for both periods (2, 1) and (-1, 2): listed bond by bond."""
    lines = numbered(NINE, 0) + numbered(NINE, 1, -0.5) + numbered(MORIYA, 2)
    text = imported(f"model = SpinGC\nlattice = triangular\na0W = 2\na0L = 1\na1W = -1\na1L = 2\n{lines}")
    matrices = {name: matrix_of(name, keywords(lines)) for name in ("J0", "J1", "J2")}
    steps = {"J0": 1, "J1": 3, "J2": 1 - 3}
    bonds = [(n, (n + step) % 5, matrices[name]) for n in range(5) for name, step in steps.items()]
    assert 'kind = "custom"' in text and "bonds_xyz = [" in text
    levels = np.linalg.eigvalsh(hamiltonian(5, bonds, {}).toarray())
    np.testing.assert_allclose(np.linalg.eigvalsh(matrix_of_text(text).toarray()), levels, atol=1e-12)


def test_simpler_models_are_preferred():
    """Heisenberg and Ising magnets with a name of their own can be run."""
    kinds = {"J = 1.0\nh = 0.2\n": "heisenberg", "Jz = 1.0\nGamma = 0.5\n": "tfim", "Jx = 1.0\n": "xyz"}
    for lines, kind in kinds.items():
        assert f'kind = "{kind}"' in imported("model = SpinGC\nlattice = chain\nL = 6\n" + lines)
    text = imported("model = Spin\nlattice = square\nW = 4\nL = 4\nJ0 = 1.0\nJ1 = 0.3\n")
    assert 'kind = "heisenberg"' in text and "cell_bonds = [[1, 0, 0, 0, 1.0], [0, 1, 0, 0, 0.3]]" in text


# Energies that the tests of HPhi expect of HPhi itself (its repository, folder test: lanczos_spingc_honey,
# lobcg_spingc_honey, lanczos_spinGC_DM without its Gamma, which a fixed Sz leaves without effect).
OF_HPHI = {
    "Kitaev, 12 sites": ("honeycomb", 2, 3, "J0x = -1\nJ1y = -1\nJ2z = -1\nh = -1\n", [-7.7479167794065980]),
    "three levels, 12 sites": (
        *("honeycomb", 2, 3, LINES["honeycomb"][1][-1]),
        [-10.6884732749673663, -9.9987732950471511, -9.4973428762800314],
    ),
    "single-ion term": ("ladder", 2, 3, "J0 = 1.0\nJ1 = 1.0\nD = 1.0\n", [-1.5527756377319948]),
}


@pytest.mark.parametrize("case", OF_HPHI)
def test_energies_are_those_that_the_other_program_finds(case):
    lattice, width, length, lines, expected = OF_HPHI[case]
    text = f"model = SpinGC\nlattice = {lattice}\nW = {width}\nL = {length}\n{lines}"
    terms, remarks = read_standard(text, "stan.in")
    matrix = matrix_of_text(input_text(terms, remarks))
    start = np.random.default_rng(1).standard_normal(matrix.shape[0])
    levels = np.sort(scipy.sparse.linalg.eigsh(matrix, k=4, which="SA", v0=start, return_eigenvectors=False))
    assert levels[: len(expected)] + terms.constant == pytest.approx(expected, abs=2e-8)


def test_a_complex_case_of_the_other_program(tmp_path):
    """Off-diagonal couplings, and a field of (1, -1, 0) on site 0: -5.5492800776 (test lobcg_spingc_Sy of HPhi)."""
    text = "model = SpinGC\nlattice = honeycomb\nW = 2\nL = 2\nJ0y = -3\nJ0xy = 3\nJ1xz = 1\nJ2yz = 2\n"
    terms, remarks = read_standard(text, "stan.in")
    terms.fields["x"][0], terms.fields["y"][0] = 1.0, -1.0
    ours = input_text(terms, remarks)
    assert "site_fields_y = [-1.0, 0.0" in ours
    lattice, model = build(parse_settings(read_tables(ours)))
    assert diagonalize(model, lattice).ground_state_energy == pytest.approx(-5.5492800776068707, abs=1e-8)
    (tmp_path / "input.toml").write_text(ours)
    assert cli.main(["exact", str(tmp_path / "input.toml")]) == 0


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("J = 1.0\nGamma = 0.5", "Gamma = 0.5: breaks the conservation of Sz"),
        ("J = 1.0\nGamma_y = 0.5", "Gamma_y = 0.5: breaks the conservation of Sz"),
        ("Jx = 1.0\nJy = 0.5", "J0 of such components: breaks the conservation of Sz"),
        ("Jxz = 1.0", "J0 of such components: breaks the conservation of Sz"),
        ("Jxy = 1.0\nJyx = 1.0", "J0 of such components: breaks the conservation of Sz"),
        ("Jx = 1.0\nJy = 1.0\n2S = 2\nD = 1.0", "2S = 2: only spin 1/2"),
    ],
)
def test_what_stays_unsupported_is_named(lines, problem):
    with pytest.raises(SettingsError) as caught:
        imported(f"model = Spin\nlattice = chain\nL = 6\n{lines}\n")
    assert any(problem in sentence for sentence in caught.value.problems), caught.value.problems


def test_a_moriya_coupling_conserves_sz():
    assert difference(
        matrix_of_text(imported("model = Spin\nlattice = chain\nL = 6\n" + MORIYA)),
        of_manual("model = Spin\nlattice = chain\nL = 6\n" + MORIYA)[0],
    ) < 1e-12  # fmt: skip
