"""Models that RESPACK downfolds: files against matrices of creation operators, what HPhi takes of them, damaged files.

What standard mode of HPhi and mVMC makes of such files was seen by running HPhi 3.5.2 and mVMC 1.3.0 with StdFace.
"""

import itertools

import numpy as np
import pytest

import hpc_nqs
from hpc_nqs import tasks
from hpc_nqs.cli import parser as cli
from hpc_nqs.exact import electrons
from hpc_nqs.hamiltonians.electron_matrices import to_sparse
from hpc_nqs.importers.downfolded import Range, input_text, read_geometry, take_off
from hpc_nqs.settings.parsing import SettingsError, parse_settings, read_tables
from hpc_nqs.settings.system import build

T = {0: [[0.3, 0.1], [0.1, -0.2]], 1: [[-1.0, 0.25], [-0.4, -0.5]]}  # of R = 0 and 1
U = {0: [[4.0, 2.5], [2.5, 3.5]], 1: [[0.6, 0.3], [0.4, 0.5]]}
J = {0: [[4.0, 0.7], [0.7, 3.5]], 1: [[0.05, 0.02], [0.03, 0.04]]}
GEOMETRY = "1.0 0.0 0.0\n0.0 5.0 0.0\n0.0 0.0 9.0\n2\n0.0 0.0 0.0\n0.25 0.0 0.0\n"


def file_of(blocks, weights=None):
    """Return the text of {R: matrix} along the first direction, with the conjugates of -R."""
    full = {r: np.array(block) for r, block in blocks.items()}
    full |= {-r: block.T.conj() for r, block in full.items()}
    n = len(full[0])
    weights = weights or [1] * len(full)
    lines = ["wannier90 format for vmcdry.out or HPhi -sdry", f"{n:10d}", f"{len(full):10d}"]
    lines += ["".join(f"{weight:5d}" for weight in weights[k : k + 15]) for k in range(0, len(weights), 15)]
    for r, a, b in itertools.product(sorted(full), range(n), range(n)):
        value = complex(full[r][a, b])
        lines.append(f"{r:5d}    0    0{a + 1:5d}{b + 1:5d}{value.real:16.10f}{value.imag:16.10f}")
    return "\n".join(lines) + "\n"


def files_of(t=T, u=U, j=J, geometry=GEOMETRY, **others):
    texts = {"hr": file_of(t), "ur": file_of(u), "jr": file_of(j), "geom": geometry} | others
    return {kind: (f"zvo_{kind}.dat", text) for kind, text in texts.items() if text}


def model_of(text):
    return read_tables(text)["model"]


def downfolded_matrix(creators, n_cells, n, blocks):
    """Return H of the manual of HPhi on a ring, in the order of this program: orbital (r, a) is r n + a."""
    m = n_cells * n
    c = creators(2 * m)
    up, down = c[:m], c[m:]
    number = [[x @ x.T for x in part] for part in (up, down)]
    charge = [x + y for x, y in zip(*number, strict=True)]
    matrix = np.zeros((4**m, 4**m))
    for cell, (a, b) in itertools.product(range(n_cells), itertools.product(range(n), repeat=2)):
        for sign, r in ((1, 0), (1, 1), (-1, 1)):
            i, j = cell * n + a, (cell + sign * r) % n_cells * n + b
            t, u, x = (np.array(part[r]) if sign > 0 else np.array(part[r]).T for part in blocks)
            matrix += t[a, b] * (up[i] @ up[j].T + down[i] @ down[j].T)
            if r == 0 and a == b:
                matrix += u[a, a] * number[0][i] @ number[1][i]
                continue
            matrix += u[a, b] * charge[i] @ charge[j] / 2  # every pair twice
            flip = up[i] @ down[j] @ down[i].T @ up[j].T + up[i] @ down[i] @ down[j].T @ up[j].T
            equal = number[0][i] @ number[0][j] + number[1][i] @ number[1][j]
            matrix += x[a, b] * (flip + flip.T - equal) / 2
    return matrix


def test_all_terms_are_those_of_the_manual(creators):
    """Two cells of two orbitals: R = 1 and -1 reach the same cell, and what they hold is added up."""
    text = input_text(files_of(), Range((2,)))
    lattice, model = build(parse_settings(read_tables(text), ["model.mu=0.0"]))
    expected = downfolded_matrix(creators, 2, 2, (T, U, J))
    np.testing.assert_allclose(to_sparse(model).toarray(), expected, atol=1e-12)


def test_one_orbital_on_a_ring_of_four(creators):
    blocks = ({0: [[0.4]], 1: [[-1.0]]}, {0: [[4.0]], 1: [[0.7]]}, {0: [[4.0]], 1: [[0.1]]})
    text = input_text(files_of(*blocks, geometry=""), Range((4,)))
    assert model_of(text) == {
        "kind": "hubbard", "hopping": [0.0], "U": 4.0, "hops": [[1, 0, 0, 0, -1.0]], "mu": 0.0,
        "repulsions": [[1, 0, 0, 0, 0.7]], "exchanges": [[1, 0, 0, 0, 0.1]],
    }  # fmt: skip
    lattice, model = build(parse_settings(read_tables(text), ["model.mu=-0.4"]))
    np.testing.assert_allclose(to_sparse(model).toarray(), downfolded_matrix(creators, 4, 1, blocks), atol=1e-12)


def test_orbitals_that_are_alike_have_the_keys_of_the_model():
    same = {0: [[4.0, 2.0], [2.0, 4.0]]}, {0: [[4.0, 1.0], [1.0, 4.0]]}
    model = model_of(input_text(files_of(T, *same), Range((3,)), filling=(2, 1)))
    assert (model["U"], model["U_prime"], model["J_hund"]) == (4.0, 2.0, 1.0)
    assert model["repulsions"] == model["exchanges"] == []
    assert (model["n_up"], model["n_down"]) == (2, 1) and "mu" not in model
    differ = model_of(input_text(files_of(), Range((3,))))
    assert (differ["U"], differ["U_prime"], differ["J_hund"]) == (0.0, 0.0, 0.0)
    assert differ["repulsions"][:2] == [[0, 0, 0, 0, 4.0], [0, 0, 1, 1, 3.5]]


# ---- what standard mode of HPhi and mVMC takes ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "reach", "hops"),
    [
        (4, 3, {1: -1.0, 2: 0.15}),  # R = 2 is on the edge of the box and the file reaches further: half of it
        (4, 2, {1: -1.0, 2: 0.3}),  # it does not: all of it
        (5, 3, {1: -1.0, 2: 0.3}),
        (3, 3, {1: -1.0}),
        (2, 3, {1: -0.5}),
    ],
)
def test_the_box_of_half_the_lattice(length, reach, hops):
    elements = {0: 0.0, 1: -1.0, 2: 0.3, 3: 0.2}
    blocks = {r: [[value]] for r, value in elements.items() if r <= reach}
    geometry = GEOMETRY.replace("2\n0.0 0.0 0.0\n0.25", "1\n0.25")
    files = files_of(blocks, {0: [[4.0]], 1: [[1.0]]}, {0: [[4.0]], 1: [[0.1]]}, geometry)
    text = input_text(files, Range((length,), of_hphi=True))
    model = model_of(text)
    assert {hop[0]: hop[-1] for hop in model["hops"]} == hops
    assert model["U"] == 4.0 and model["repulsions"] == model["exchanges"] == []  # beyond 0.3: on the site alone
    assert "Left out: 2 repulsions up to 1, the largest 1." in text


def square_text(value):
    """Return the text of one function on a square lattice, R from -1 to 1 as StdFace exports it."""
    cells = list(itertools.product((-1, 0, 1), repeat=2))
    lines = ["wannier90 format for vmcdry.out or HPhi -sdry", "1", "9", "    1" * 9]
    return "\n".join(lines + [f"{x:5d}{y:5d}    0    1    1 {value[abs(x) + abs(y)]:14.8f} 0.0" for x, y in cells])


def test_the_ground_state_that_hphi_finds():
    """2x2 sites, t = 1, U = 8: R = 1 and -1 lead to the same site, and HPhi gives -4.205497."""
    hopping, repulsion = square_text([0.0, -1.0, 0.0]), square_text([8.0, 0.5, 0.0])
    geometry = "1 0 0\n0 1 0\n0 0 1\n1\n0.5 0.5 0.5\n"
    files = {"hr": ("zvo_hr.dat", hopping), "ur": ("zvo_ur.dat", repulsion), "geom": ("zvo_geom.dat", geometry)}
    lattice, model = build(parse_settings(read_tables(input_text(files, Range((2, 2), of_hphi=True), filling=(2, 2)))))
    lowest = electrons.diagonalize(model, lattice, observables=False).ground_state_energy
    assert lowest == pytest.approx(-4.205497, abs=1e-6)


def test_distances_are_those_of_the_orbitals():
    """Orbitals at 0 and 0.25 of a cell of length 1: U' and J of a cell are within 0.3, those to other cells are not."""
    model = model_of(input_text(files_of(), Range((4,), of_hphi=True)))
    assert model["repulsions"] == [[0, 0, 0, 0, 4.0], [0, 0, 1, 1, 3.5], [0, 0, 1, 0, 2.5]]
    assert model["exchanges"] == [[0, 0, 1, 0, 0.7]]
    # from orbital 1 to orbital 0 of the next cell it is 0.75
    model = model_of(input_text(files_of(), Range((4,), cut_lengths=(-1.0, 0.8, 0.2))))
    assert [entry for entry in model["repulsions"] if entry[0]] == [[1, 0, 1, 0, 0.4]]
    assert model["exchanges"] == [] and len(model["hops"]) == 5


def test_the_geometry_leaves_out_the_last_functions():
    model = model_of(input_text(files_of(geometry=GEOMETRY.replace("2\n", "1\n").rsplit("0.25", 1)[0]), Range((3,))))
    assert model["kind"] == "hubbard" and model["U"] == 4.0 and model["hops"] == [[1, 0, 0, 0, -1.0]]
    assert model["repulsions"] == [[1, 0, 0, 0, 0.6]]


# ---- double counting ------------------------------------------------------------------------------------------------

D = {0: [[0.9, 0.2], [0.2, 0.6]], 1: [[0.3, 0.1], [0.05, 0.15]]}


def test_double_counting():
    """alpha U D_aa + sum over other orbitals and cells of both directions (V - (1 - alpha) J) D_bb."""
    files, alpha = files_of(dr=file_of(D)), 0.3
    modes = ("hartree", "hartree_u")
    found = {mode: model_of(input_text(files, Range((4,)), mode, alpha))["crystal_field"] for mode in modes}
    to_0 = 2.5 * 0.6 + 2 * 0.6 * 0.9 + (0.3 + 0.4) * 0.6  # of V: in the cell, R = 1 and -1 of 0, of 1
    of_j = 0.7 * 0.6 + 2 * 0.05 * 0.9 + (0.02 + 0.03) * 0.6
    assert found["hartree_u"][0] == pytest.approx(0.3 - alpha * 4.0 * 0.9 - to_0)
    assert found["hartree"][0] == pytest.approx(0.3 - alpha * 4.0 * 0.9 - to_0 + (1 - alpha) * of_j)
    full = model_of(input_text(files, Range((4,)), "full", alpha))
    assert full["crystal_field"] == pytest.approx(found["hartree"])
    hops = {tuple(entry[:4]): entry[4] for entry in full["hops"]}
    assert hops[1, 0, 0, 1] == pytest.approx(0.25 + 0.5 * 0.3 * 0.1 - 0.5 * 0.02 * 3 * 0.1)
    assert hops[0, 0, 1, 0] == pytest.approx(0.1 + 0.5 * 2.5 * 0.2 - 0.5 * 0.7 * 3 * 0.2)


def test_double_counting_of_two_atoms_takes_off_what_mean_field_adds():
    """For alpha = 1/2 and equal spins: <dH/dn> of the decoupled density terms with n_s = D/2."""
    d = np.array([0.9, 0.6])
    u, j = np.array(U[0]), 0.7
    found = {"hr": {}, "ur": {(0, 0, 0, a, b): u[a, b] + 0j for a in (0, 1) for b in (0, 1)}, "dr": {}}
    found["jr"] = {(0, 0, 0, 0, 1): j + 0j, (0, 0, 0, 1, 0): j + 0j}
    found["dr"] = {(0, 0, 0, a, a): d[a] + 0j for a in (0, 1)}
    take_off(found, 2, "hartree", 0.5)
    for a in (0, 1):
        b = 1 - a
        mean_field = u[a, a] * d[a] / 2 + u[a, b] * d[b] - j * d[b] / 2
        assert found["hr"][0, 0, 0, a, a] == pytest.approx(-mean_field)


# ---- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "options", "problem"),
    [
        (files_of(dr=file_of(D)), {}, "zvo_dr.dat: only for --double-counting; leave it out"),
        (files_of(), {"double_counting": "full"}, "--double-counting full: needed are NAME_ur.dat and NAME_dr.dat"),
        (files_of(dr=file_of(D)), {"double_counting": "full", "alpha": 1.5}, "--alpha 1.5: allowed is a number from 0"),
        (files_of(wsvec="x"), {}, "zvo_wsvec.dat: belongs to Wannier90"),
        (files_of(ur=file_of(U, [2, 1, 2])), {}, "zvo_ur.dat: weights of cells that are not 1: HPhi and mVMC do not"),
        (files_of(u={0: [[4.0]]}), {}, "zvo_hr.dat: 2 functions, zvo_ur.dat: 1 functions"),
        (files_of(u={0: U[0], 1: [[1j, 0], [0, 0]]}), {}, "zvo_ur.dat: R = -1 0 0, functions 1 1: 0-1j: complex"),
        (files_of(jr=file_of(J).replace("0.02000", "0.03000", 1)), {}, "zvo_jr.dat: R = -1 0 0, functions 2 1"),
        (files_of(geometry=GEOMETRY.replace("2\n", "3\n") + "0 0 0\n"), {}, "3 orbitals, there are 2 functions"),
        (files_of(hr=file_of(T).replace("0.25", "x.25", 1)), {}, "zvo_hr.dat, line 7: a line is R1 R2 R3 m n Re Im"),
        (files_of(ur="5\n"), {}, "zvo_ur.dat: not a file of elements in the form of seedname_hr.dat"),
        (files_of(t={0: T[0], 1: T[1], 2: T[1]}, u={**U, 2: U[1]}), {}, "leads around lattice.lengths = [2]"),
    ],
)
def test_what_files_cannot_hold(files, options, problem):
    with pytest.raises(SettingsError) as caught:
        input_text(files, Range((2,)), **options)
    assert problem in str(caught.value)


def test_distances_need_the_geometry():
    for terms in (Range((2,), of_hphi=True), Range((2,), cut_lengths=(-1.0, 1.0, -1.0))):
        with pytest.raises(SettingsError, match="NAME_geom.dat is missing"):
            input_text(files_of(geometry=""), terms)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (GEOMETRY.replace("5.0", "x"), "geom.dat, line 2: needed are three numbers"),
        (GEOMETRY.replace("0.25 0.0 0.0\n", ""), "2 orbitals are told, the centres of 1 are there"),
        (GEOMETRY.replace("0.25 0.0", "0.25"), "geom.dat, line 6: needed are three numbers"),
        ("1 0 0\n0 1 0\n", "needed are three lattice vectors"),
        (GEOMETRY.replace("2\n", "0\n"), "needed are three lattice vectors"),
    ],
)
def test_damaged_geometries(text, problem):
    with pytest.raises(SettingsError) as caught:
        read_geometry(text, "geom.dat")
    assert problem in str(caught.value)


# ---- the command ----------------------------------------------------------------------------------------------------


def test_the_command(tmp_path, capsys):
    for name, text in files_of().values():
        (tmp_path / name).write_text(text)
    paths = {kind: str(tmp_path / f"zvo_{kind}.dat") for kind in ("hr", "ur", "jr", "geom")}
    common = ["--lengths", "2", "--temperatures", "1.0"]
    assert cli.main(["import", *paths.values(), *common, "--range", "hphi", "--filling", "2,1"]) == 0
    (tmp_path / "input.toml").write_text(capsys.readouterr().out)
    assert cli.main(["exact", str(tmp_path / "input.toml"), "--json"]) == 0
    assert '"local_moment"' in capsys.readouterr().out
    for arguments, problem in (
        ([paths["ur"], *common], "zvo_ur.dat: the file of the hopping, NAME_hr.dat, is missing"),
        ([paths["hr"], paths["hr"], *common], "zvo_hr.dat, zvo_hr.dat: two files NAME_hr.dat; give one of them"),
        ([paths["hr"], *common, "--range", "hphi"], "--range: only for NAME_ur.dat and others of RESPACK"),
        ([*paths.values(), *common, "--filling", "2"], "--filling: allowed are the numbers of electrons"),
        ([*paths.values(), *common, "--filling", "9,9"], "model.n_up = 9: more electrons than the 4 orbitals"),
        ([*paths.values(), *common, "--cut-lengths", "1,2"], "--cut-lengths: allowed are three distances"),
        ([*paths.values(), *common, "--alpha", "x"], "--alpha x: allowed are numbers with commas"),
    ):
        assert cli.main(["import", *arguments]) == 2
        assert problem in capsys.readouterr().err


def test_a_run_of_a_model_with_repulsion_between_cells(tmp_path):
    """Sums over all configurations; V of first and second neighbours stand in the tables of pairs and in the seed."""
    blocks = {0: [[0.0]], 1: [[-1.0]], 2: [[0.0]]}, {0: [[4.0]], 1: [[1.0]], 2: [[0.125]]}, {0: [[4.0]]}
    text = input_text(files_of(*blocks, geometry=""), Range((4,)), filling=(2, 2), temperatures=(2.0, 1.0))
    settings = parse_settings(read_tables(text), ['sampling.method="exact_sum"', "run.seed=1"])
    expected = hpc_nqs.diagonalize(settings)
    run = hpc_nqs.run(settings, tmp_path / "run.h5")
    np.testing.assert_allclose(run["energy"], expected["energy"], atol=5e-4)
    np.testing.assert_allclose(run["double_occupancy"], expected["double_occupancy"], atol=2e-4)


def test_runs_take_a_model_of_one_orbital():
    blocks = {0: [[0.0]], 1: [[-1.0]]}, {0: [[4.0]], 1: [[0.7]]}, {0: [[4.0]]}
    text = input_text(files_of(*blocks, geometry=""), Range((4,)), filling=(2, 2), temperatures=(1.0,))
    assert tasks.plan(parse_settings(read_tables(text)))
    grand = input_text(files_of(*blocks, geometry=""), Range((4,)))
    assert "`import --filling N_UP,N_DOWN` fixes the numbers of electrons instead" in grand
    assert tasks.plan(parse_settings(read_tables(grand)))
