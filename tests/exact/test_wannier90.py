"""Hopping of Wannier90: files against Bloch Hamiltonians, and what they cannot hold."""

import itertools

import numpy as np
import pytest

from hpc_nqs.cli import parser as cli
from hpc_nqs.exact import electrons
from hpc_nqs.hamiltonians import Hubbard, Kanamori
from hpc_nqs.hamiltonians.electron_matrices import to_sparse
from hpc_nqs.importers.wannier90 import input_text, is_hr_file, read_elements
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.settings.parsing import SettingsError, parse_settings, read_tables
from hpc_nqs.settings.system import build

ONSITE, ALONG, ACROSS = [[0.3, 0.1], [0.1, -0.2]], [[-1.0, 0.25], [-0.4, -0.5]], [[-0.7, 0.05], [0.15, 0.2]]


def hr_text(blocks, weights=None, more=()):
    """Return the text of a file of {(R1, R2, R3): matrix}, with the conjugates of -R, elements times the weights."""
    full = {key: np.array(block) for key, block in blocks.items()}
    full |= {tuple(-np.array(key)): np.array(block).T.conj() for key, block in blocks.items()}
    cells = sorted(full)
    weights = weights or [1] * len(cells)
    n = len(full[cells[0]])
    lines = ["written by hand", f"{n:12d}", f"{len(cells):12d}"]
    lines += ["".join(f"{weight:5d}" for weight in weights[k : k + 15]) for k in range(0, len(weights), 15)]
    for cell, weight in zip(cells, weights, strict=True):
        for b, a in itertools.product(range(n), repeat=2):  # the first function runs fastest
            value = complex(full[cell][a, b]) * weight
            numbers = "".join(f"{each:5d}" for each in (*map(int, cell), a + 1, b + 1))
            lines.append(f"{numbers}{value.real:12.6f}{value.imag:12.6f}")
    return "\n".join([*lines, *more]) + "\n"


def bloch_levels(blocks, lengths):
    """Return the one-electron energies of all wave vectors of a periodic lattice of cells."""
    found = []
    for k in itertools.product(*(range(length) for length in lengths)):
        matrix = 0
        for cell, block in blocks.items():
            phase = np.exp(2j * np.pi * sum(p * r / length for p, r, length in zip(k, cell, lengths, strict=False)))
            part = phase * np.array(block)
            matrix = matrix + (part if not any(cell) else part + part.conj().T)
        found.append(np.linalg.eigvalsh(matrix))
    return np.sort(np.concatenate(found))


def one_electron(text):
    """Return the levels of one electron, mu N not subtracted."""
    lattice, model = build(parse_settings(read_tables(text), ["model.n_up=1", "model.n_down=0"]))
    return electrons.diagonalize(model, lattice, observables=False).energies


PLANE = {(0, 0, 0): ONSITE, (1, 0, 0): ALONG, (0, 1, 0): ACROSS, (1, 1, 0): [[0.1, 0.0], [0.02, 0.0]]}


@pytest.mark.parametrize(
    ("blocks", "lengths", "n_hops"),
    [
        (PLANE, [2, 2], 11),  # hops wrap around: the Bloch sum adds them up
        ({key: block for key, block in PLANE.items() if not key[1]}, [5], 5),
        ({(0, 0, 0): ONSITE, (1, 0, 0): ALONG, (2, 0, 0): ACROSS}, [2], 9),  # and reach the cell itself
    ],
)
def test_levels_are_those_of_the_bloch_hamiltonian(blocks, lengths, n_hops):
    text = input_text(hr_text(blocks), "seed_hr.dat", lengths)
    np.testing.assert_allclose(one_electron(text), bloch_levels(blocks, lengths), atol=1e-10)
    model = read_tables(text)["model"]
    assert model["crystal_field"] == [0.3, -0.2] and model["mu"] == pytest.approx(0.05)
    assert len(model["hops"]) == n_hops
    assert [1, 0, 0, 1, 0.25] in model["hops"] and [1, 0, 1, 0, -0.4] in model["hops"]  # from function 0 to 1 of R = 1


def test_elements_count_divided_by_their_weights():
    chain = {(0, 0, 0): ONSITE, (1, 0, 0): ALONG}
    weighted = input_text(hr_text(chain, [2, 1, 2]), "seed_hr.dat", [4])
    assert read_tables(weighted)["model"] == read_tables(input_text(hr_text(chain), "seed_hr.dat", [4]))["model"]


def test_one_function_is_a_hubbard_model():
    blocks = {(0, 0, 0): [[5.0]], (1, 0, 0): [[-1.0]], (2, 0, 0): [[0.3]], (0, 1, 0): [[-0.001]]}
    text = input_text(hr_text(blocks), "seed_hr.dat", [5], cut=0.01)
    assert "Left out: 2 elements up to 0.01, the largest 0.001." in text
    tables = read_tables(text)
    assert tables["model"]["kind"] == "hubbard" and tables["model"]["hops"] == [[1, 0, 0, 0, -1.0], [2, 0, 0, 0, 0.3]]
    ring = lattices.build("chain", [5])
    same = Hubbard.build(ring, hopping=[1.0, -0.3], n_up=1, n_down=0)
    np.testing.assert_allclose(one_electron(text), electrons.diagonalize(same, ring).energies, atol=1e-12)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (hr_text({(0, 0, 0): ONSITE, (0, 0, 1): ALONG}), "R = 0 0 1, functions 1 1: -1 leads out of the lattice"),
        (hr_text({(0, 0, 0): ONSITE, (0, 1, 0): ALONG}), "R = 0 1 0, functions 1 1: -1 leads out of the lattice"),
        (hr_text({(0, 0, 0): ONSITE, (1, 0, 0): [[1j, 0], [0, 0]]}), "complex elements are not available"),
        (hr_text({(0, 0, 0): np.eye(6), (1, 0, 0): np.eye(6)}), "6 Wannier functions: up to 5 in a cell"),
        (hr_text({(0, 0, 0): np.eye(2)}), "no hopping above 0 was found"),
        (hr_text({(0, 0, 0): ONSITE}, more=["0 0 0 1 1 0.1 0.0"]), "line 9: one cell too many"),
        (hr_text({(0, 0, 0): ONSITE}, more=["1 0 0 1 1 0.1 0.0"]), "line 9: one cell too many"),
        (hr_text({(0, 0, 0): ONSITE}, more=["1 0 0 1 1 0.1"]), "line 9: a line is R1 R2 R3 m n Re Im"),
        (hr_text({(0, 0, 0): ONSITE}).rsplit("\n", 2)[0] + "\n", "4 elements are told, 3 are there"),
        ("comment\n 1\n 3\n 1 1\n 0 0 0 1 1 0.0 0.0\n", "3 weights, integers from 1, are needed after line 3"),
        ("model = Spin\n", "not a file of elements in the form of seedname_hr.dat"),
    ],
)
def test_what_a_file_cannot_hold(text, problem):
    with pytest.raises(SettingsError) as caught:
        input_text(text, "seed_hr.dat", [4])
    assert problem in str(caught.value)


def test_elements_that_are_not_hermitian():
    lines = hr_text({(0, 0, 0): ONSITE, (1, 0, 0): ALONG}).splitlines()
    lines[-1] = lines[-1].replace("-0.500000", "-0.600000")
    with pytest.raises(SettingsError, match="functions 2 2: the element and that of -R are not conjugates"):
        input_text("\n".join(lines), "seed_hr.dat", [4])


def test_other_files_are_not_taken_for_it():
    assert is_hr_file(hr_text(PLANE)) and read_elements(hr_text(PLANE), "x")[0] == 2
    assert not is_hr_file("model = Spin\nL = 4\nJ = 1\nlattice = chain\n")
    assert not is_hr_file("=====\nNExchange 2\n=====\n=====\n=====\n0 1 0.5\n")


def test_the_command(tmp_path, capsys):
    (tmp_path / "seed_hr.dat").write_text(hr_text(PLANE))
    arguments = ["import", str(tmp_path / "seed_hr.dat")]
    assert cli.main([*arguments, "--lengths", "2,2", "--temperatures", "1.0", "--cut", "0.03"]) == 0
    tables = read_tables(capsys.readouterr().out)
    assert tables["lattice"] == {"kind": "square", "lengths": [2, 2]} and tables["thermal"]["temperatures"] == [1.0]
    assert cli.main(arguments) == 2
    assert "--lengths L or --lengths L,L is needed" in capsys.readouterr().err
    assert cli.main([*arguments, "--lengths", "2,2", "--cut", "-1"]) == 2
    assert "--cut: allowed is a number from 0" in capsys.readouterr().err
    assert cli.main([*arguments, "--lengths", "a"]) == 2
    assert "--lengths a: allowed are numbers with commas" in capsys.readouterr().err


# ---- images of cells ------------------------------------------------------------------------------------------------


def wsvec_text(images, n_functions, cells):
    """Return the text of seedname_wsvec.dat: translations {(R1, R2, R3, m, n): [T]}, functions from 1, else T = 0."""
    lines = ["## written on  1Jan2026 at 00:00:00 with use_ws_distance=.true."]
    for cell, m, n in itertools.product(cells, range(1, n_functions + 1), range(1, n_functions + 1)):
        shifts = images.get((*cell, m, n), [(0, 0, 0)])
        lines += ["".join(f"{x:5d}" for x in (*cell, m, n)), f"{len(shifts):5d}"]
        lines += ["".join(f"{x:5d}" for x in shift) for shift in shifts]
    return "\n".join(lines) + "\n"


RIGHT = {(-1, 0, 0, 1, 2): [(0, 0, 0), (2, 0, 0)], (1, 0, 0, 2, 1): [(0, 0, 0), (-2, 0, 0)]}
BLOCKS = {(0, 0, 0): ONSITE, (1, 0, 0): ALONG}


def test_elements_are_shared_out_to_the_images_of_their_cells():
    """H(k) = sum_R 1/w_R sum_T e^{ik(R + T)} H_mn(R) / N_T on a ring of five cells."""
    cells, weights = [(-1, 0, 0), (0, 0, 0), (1, 0, 0)], [2, 1, 2]
    text = wsvec_text(RIGHT, 2, cells)
    moved = input_text(hr_text(BLOCKS, weights), "s_hr.dat", [5], images=(text, "s_wsvec.dat"))
    along, back = np.array(ALONG), np.array(ALONG).T
    found = []
    for k in 2 * np.pi * np.arange(5) / 5:
        matrix = np.array(ONSITE, dtype=complex) + np.exp(1j * k) * along + np.exp(-1j * k) * back
        matrix[0, 1] += back[0, 1] * (np.exp(1j * k) - np.exp(-1j * k)) / 2  # half of R = -1 is at R = 1
        matrix[1, 0] = matrix[0, 1].conjugate()
        found.append(np.linalg.eigvalsh(matrix))
    np.testing.assert_allclose(one_electron(moved), np.sort(np.concatenate(found)), atol=1e-10)
    plain = input_text(hr_text(BLOCKS, weights), "s_hr.dat", [5], images=(wsvec_text({}, 2, cells), "s_wsvec.dat"))
    expected = input_text(hr_text(BLOCKS), "s_hr.dat", [5])
    assert sorted(read_tables(plain)["model"]["hops"]) == sorted(read_tables(expected)["model"]["hops"])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda lines: lines[:-1], "line 36: needed is T1 T2 T3"),
        (lambda lines: lines[:-3], "12 elements are in the other file, 11 here"),
        (lambda lines: [*lines, "    0    0    0    1    1", "    1", "    0    0    0"], "line 38: an element that"),
        (lambda lines: [*lines, "    7    0    0    1    1", "    1", "    0    0    0"], "line 38: an element that"),
        (lambda lines: [*lines[:2], "    x", *lines[3:]], "line 3: needed is the number of translations"),
        (lambda lines: [*lines[:1], "    0    0    0    1", *lines[2:]], "line 2: needed is R1 R2 R3 m n"),
    ],
)
def test_damaged_images(change, problem):
    lines = wsvec_text({}, 2, [(-1, 0, 0), (0, 0, 0), (1, 0, 0)]).splitlines()
    with pytest.raises(SettingsError) as caught:
        input_text(hr_text(BLOCKS), "s_hr.dat", [4], images=("\n".join(change(lines)), "s_wsvec.dat"))
    assert f"s_wsvec.dat: {problem}" in str(caught.value) or f"s_wsvec.dat, {problem}" in str(caught.value)


# ---- hops of the input ----------------------------------------------------------------------------------------------


def test_hops_are_added_to_hopping():
    ring = lattices.build("chain", [6])
    plain = Hubbard.build(ring, hopping=[1.0, 0.3], U=2.0, mu=0.0)
    mixed = Hubbard.build(ring, hopping=[0.4], U=2.0, mu=0.0, hops=[(1, 0, 0, 0, -0.6), (2, 0, 0, 0, -0.3)])
    assert (to_sparse(mixed) != to_sparse(plain)).nnz == 0 or np.abs(to_sparse(mixed) - to_sparse(plain)).max() < 1e-14
    assert len(mixed.exchange_sites) == len(plain.exchange_sites)


def test_hops_between_orbitals_and_over_open_ends():
    chain = lattices.build("chain", [3], "open")
    model = Kanamori.build(chain, hopping=[0.0], U=1.0, mu=0.0, hops=[(1, 0, 0, 1, 0.5), (0, 0, 0, 1, 0.2)])
    found = dict(zip(map(tuple, model.exchange_sites.tolist()), model.exchange_element.tolist(), strict=True))
    assert {pair: h for pair, h in found.items() if max(pair) < 6} == {
        (0, 1): 0.2, (2, 3): 0.2, (4, 5): 0.2, (0, 3): 0.5, (2, 5): 0.5
    }


def test_hops_that_return_are_energies():
    model = Hubbard.build(lattices.build("chain", [3]), hopping=[0.0], mu=0.0, hops=[(3, 0, 0, 0, 0.25)])
    np.testing.assert_allclose(model.site_field, 0.25)  # 2 h n = h (1 + s)
    assert len(model.exchange_sites) == 0


@pytest.mark.parametrize(
    ("place", "hops", "problem"),
    [
        (("chain", [4]), [(1, 0, 0, 2, 0.5)], r"entry 1, \[1, 0, 0, 2, 0.5\]: orbitals are numbered from 0 to 1"),
        (("chain", [4]), [(0, 0, 1, 1, 0.5)], "this is the energy of an orbital, which crystal_field or mu"),
        (("chain", [4]), [(1, 0, 0, 1, 0.5), (-1, 0, 1, 0, 0.5)], "entry 2, .*: it repeats an earlier entry, or its"),
        (("honeycomb", [2, 2]), [(1, 0, 0, 1, 0.5)], "lattice.kind = honeycomb: needed is a lattice with one"),
    ],
)
def test_wrong_hops_are_refused(place, hops, problem):
    with pytest.raises(ValueError, match=problem):
        Kanamori.build(lattices.build(*place), U=1.0, mu=0.0, hops=hops)


@pytest.mark.parametrize(
    "hops", [[[1, 0, 0, 0]], [[1, 0, 0, -1, 0.5]], [[0.5, 0, 0, 0, 0.5]], [["a", 0, 0, 0, 0.5]], 1.0]
)
def test_hops_of_the_input_are_checked(hops):
    tables = {
        "lattice": {"kind": "chain", "lengths": [4]},
        "model": {"kind": "hubbard", "mu": 0.0, "hops": hops},
        "thermal": {"betas": [1.0]},
    }
    with pytest.raises(SettingsError, match="model.hops = .*allowed is a list of 0 to 100000 entries"):
        parse_settings(tables)
    good = tables | {"model": tables["model"] | {"hopping": [0.0], "hops": np.array([[1, 0, 0, 0, 0.5]])}}
    settings = parse_settings(good)
    assert settings.model.hops == ((1, 0, 0, 0, 0.5),)
    assert parse_settings(read_tables(settings.to_toml())) == settings
    nothing = tables | {"model": tables["model"] | {"hopping": [0.0], "hops": []}}
    with pytest.raises(SettingsError, match="hopping or U or hops must differ from zero"):
        parse_settings(nothing)
