"""Levels: total spin and representations of the point group of runs against dense matrices of small systems."""

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.exact import table as exact_table
from hpc_nqs.exact.projected_levels import lowest_level
from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.hamiltonians.total_spin import total_spin_squared
from hpc_nqs.parallel.team import Team
from hpc_nqs.reports.levels import with_levels
from hpc_nqs.runs import run_file
from hpc_nqs.settings.parsing import SettingsError, parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.symmetry.quantum_numbers import Sector

BOX = {"kind": "square", "box": [[2, 2], [2, -2]]}


def settings_of(lattice, couplings=(1.0,), sampling=None, **ground_state):
    tables = {"run": {"seed": 3, "task": "ground_state"}, "lattice": lattice}
    tables |= {"model": {"kind": "heisenberg", "couplings": list(couplings)}, "sampling": sampling or {}}
    tables |= {"ground_state": ground_state, "observables": {"structure_factor": [[1, 1], [1, 0]]}}
    return parse_settings(tables)


def table_of(settings, path):
    assert tasks.run(settings, Team.serial(), str(path)) == 0
    return run_file.read_table(path)


def spin_matrices(n):
    """Return the total S^x, S^y, S^z on 2^n states, bit i set where s_i = +1."""
    pauli = np.array([[[0, 1], [1, 0]], [[0, 1j], [-1j, 0]], [[-1, 0], [0, 1]]]) / 2
    total = []
    for matrix in pauli:
        parts = [np.kron(np.eye(1 << (n - 1 - i)), np.kron(matrix, np.eye(1 << i))) for i in range(n)]
        total.append(sum(parts))
    return total


@pytest.mark.parametrize("n", [4, 5])
@pytest.mark.parametrize("rotated", [False, True])
def test_the_square_of_the_total_spin_is_that_of_its_components(n, rotated):
    _, model = build(settings_of({"kind": "chain", "lengths": [n], "boundary": "open"}))
    model = marshall(model) if rotated else model
    squared, constant = total_spin_squared(model)
    expected = sum(each @ each for each in spin_matrices(n))
    if rotated:
        spins = 2 * ((np.arange(1 << n)[:, None] >> np.arange(n)) & 1) - 1
        signs = np.prod(np.where(model.sublattice < 0, spins, 1), axis=1)
        expected = signs[:, None] * expected * signs
    np.testing.assert_allclose(to_sparse(squared).toarray() + constant * np.eye(1 << n), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("sampling", "error"), [({}, 0.0), ({"method": "metropolis", "n_samples": 512, "n_chains": 16}, 5e-3)]
)
def test_levels_have_their_total_spin(tmp_path, sampling, error):
    """Ring of 8 sites: the state of momentum pi/4 and even parity that is lowest has S = 2."""
    sectors = [[0, 1], [4, -1]] if sampling else [[0, 1], [4, -1], [1, 1]]
    settings = settings_of({"kind": "chain", "lengths": [8]}, sampling=sampling, sectors=sectors, n_steps=100)
    rows = table_of(settings, tmp_path / "run.h5")["rows"]
    for row, spin in zip(rows, (0.0, 2.0, 6.0), strict=False):
        assert abs(row["total_spin_squared"] - spin) < max(1e-5, 5 * row["total_spin_squared_error"])
        assert row["total_spin_squared_error"] <= error


def test_other_values_of_sz_and_broken_isotropy(tmp_path):
    chain = {"kind": "chain", "lengths": [6]}
    (row,) = table_of(settings_of(chain, sz=2, n_steps=60), tmp_path / "polarized.h5")["rows"]
    assert row["total_spin_squared"] == pytest.approx(6.0, abs=1e-4)
    settings = parse_settings(settings_of(chain, n_steps=2, momentum=[3]).to_dict(), ["model.anisotropy=0.5"])
    (row,) = table_of(settings, tmp_path / "xxz.h5")["rows"]
    assert "total_spin_squared" not in row


# ---- representations of the point group ----------------------------------------------------------------------------


def permutation(image, n):
    """Return the matrix of (P psi)(s) = psi(g s), (g s)_i = s_image[i], on 2^n states."""
    states = np.arange(1 << n)
    bits = (states[:, None] >> np.asarray(image)) & 1
    matrix = np.zeros((1 << n, 1 << n))
    matrix[states, bits @ (1 << np.arange(n))] = 1.0
    return matrix


def by_hand(lattice, model, rotation_sign, reflection_sign):
    """Return the lowest energy at Sz = 0, momentum 0 and even parity with the given signs of C4 and a reflection."""
    n = model.n_sites
    matrix = to_sparse(model).toarray()
    states = np.flatnonzero([bin(state).count("1") == n // 2 for state in range(1 << n)])

    def moved(turn):
        places = (lattice.positions - lattice.positions[0]) @ np.array(turn).T + lattice.positions[0]
        return [
            int(np.argmin([np.linalg.norm(lattice.minimum_image(at - place)) for at in lattice.positions]))
            for place in places
        ]

    turn, mirror = permutation(moved([[0, -1], [1, 0]]), n), permutation(moved([[1, 0], [0, -1]]), n)
    shifts = np.mean([permutation(lattice.translated(step), n) for step in lattice.steps()], axis=0)
    turns = sum(rotation_sign**k * np.linalg.matrix_power(turn, k) for k in range(4)) / 4
    flip = np.eye(1 << n)[::-1]
    one = np.eye(1 << n)
    projector = shifts @ turns @ (one + reflection_sign * mirror) @ (one + flip) / 4
    inside = (projector @ (matrix - 100.0 * one) @ projector)[np.ix_(states, states)]
    return np.linalg.eigvalsh(inside)[0] + 100.0


@pytest.mark.parametrize(("name", "signs"), [("A1", (1, 1)), ("B1", (-1, 1))])
def test_levels_of_a_representation_are_those_of_projectors_made_by_hand(name, signs):
    lattice, model = build(settings_of(BOX, [1.0, 0.6]))
    found = lowest_level(model, lattice, Sector((0, 0), name, 1), 4)
    assert found == pytest.approx(by_hand(lattice, model, *signs), abs=1e-10)


def test_entries_of_sectors_may_name_a_representation(tmp_path):
    """`point_group` holds for entries without one; every level is the exact one, and gaps are those of exact levels."""
    asked = [[0, 0, 1, "A1"], [0, 0, 1, "B1"], [0, 0, 1], [0, 0, -1, "none"]]
    settings = settings_of(BOX, [1.0, 0.6], sectors=asked, point_group="A1", n_steps=2)
    with pytest.raises(SettingsError, match="entry 3 repeats"):
        parse_settings(settings.to_dict(), ['ground_state.sectors=[[0,0,1],[0,1,1],[0,0,1]]'])
    assert parse_settings(settings.to_dict()) == settings
    settings = settings_of(BOX, [1.0, 0.6], sectors=asked[:2] + asked[3:], n_steps=200)
    table = with_levels(table_of(settings, tmp_path / "run.h5"))
    exact = exact_table.rows_beside(table)
    lattice, model = build(settings)
    assert [row.get("point_group") for row in table["rows"]] == ["A1", "B1", None]
    for row, beside, signs in zip(table["rows"], exact, ((1, 1), (-1, 1), None), strict=True):
        assert row["energy"] == pytest.approx(beside["energy"], abs=1e-5)
        assert signs is None or 8 * beside["energy"] == pytest.approx(by_hand(lattice, model, *signs), abs=1e-9)
    lowest = min(each["energy"] for each in exact)
    for row, beside in zip(table["rows"], exact, strict=True):
        assert row["gap"] == pytest.approx(8 * (beside["energy"] - lowest), abs=1e-4) and row["gap_error"] == 0.0


@pytest.mark.parametrize(
    ("sectors", "words"),
    [
        ([[0, 0, 1, "E"]], 'entry 1 is wrong, "E" is no representation'),
        ([["A1"]], "entry 1 is wrong, the list is empty"),
        ([[0, 0, 1, "A1", 1]], "entry 1 is wrong"),
        ([[0, 0, 3, "A1"]], "the last number of a sector is its spin parity, 1 or -1"),
    ],
)
def test_wrong_entries_of_sectors_are_refused(sectors, words):
    with pytest.raises(SettingsError, match="ground_state.sectors = ") as refused:
        settings_of(BOX, sectors=sectors)
    assert words in str(refused.value)


def test_a_representation_that_a_momentum_does_not_have_is_refused_with_the_sector():
    settings = settings_of({"kind": "square", "lengths": [4, 4]}, sectors=[[0, 0, 1, "B1"], [1, 0, 1, "B1"]])
    sentence = r"ground_state.sectors: momentum = \[1, 0\], point_group = B1.*little group"
    with pytest.raises(SettingsError, match=sentence):
        tasks.plan(settings)
