"""Import of expert-mode files with couplings of single components: levels and terms of H."""

import itertools

import numpy as np
import pytest

from hpc_nqs.importers.hphi_expert import read_expert
from hpc_nqs.importers.spin_terms import input_text
from hpc_nqs.settings.parsing import SettingsError
from tests.exact.test_import_components import SPIN, difference, hamiltonian, matrix_of_text


def listed(folder, name, rows):
    lines = ["=" * 20, f"N{name} {len(rows)}", "=" * 20, f"====={name}=====", "=" * 20]
    text = "\n".join(lines + [" ".join(map(str, row)) for row in rows]) + "\n"
    (folder / f"{name.lower()}.def").write_text(text)
    return folder / f"{name.lower()}.def"


def two_body_rows(i, j, couplings):
    """Return the lines i s1 i s2 j s3 j s4 re im of J^ab S^a_i S^b_j; spin 0 is up, the last state of `SPIN`."""
    rows = []
    for s1, s2, s3, s4 in itertools.product((0, 1), repeat=4):
        value = sum(
            couplings[a][b] * first[1 - s1, 1 - s2] * second[1 - s3, 1 - s4]
            for (a, first), (b, second) in itertools.product(enumerate(SPIN.values()), repeat=2)
        )
        if value:
            rows.append((i, s1, i, s2, j, s3, j, s4, value.real, value.imag))
    return rows


def field_rows(i, fields):
    """Return the lines i s i t re im of -sum_a h^a S^a_i, which have the sign of hopping."""
    matrix = sum(h * spin for h, spin in zip(fields, SPIN.values(), strict=True))
    values = {(s, t): matrix[1 - s, 1 - t] for s, t in itertools.product((0, 1), repeat=2)}
    return [(i, s, i, t, value.real, value.imag) for (s, t), value in values.items()]


RANDOM = np.random.default_rng(5)
PAIRS = [(i, j, np.round(RANDOM.normal(size=(3, 3)), 3)) for i, j in ((0, 1), (2, 1), (2, 3), (3, 0), (1, 2))]
FIELDS = np.round(RANDOM.normal(size=(5, 3)), 3)


def test_any_terms_of_two_spins_in_expert_mode(tmp_path):
    """Site 4 has a field alone."""
    interall = listed(tmp_path, "InterAll", [row for bond in PAIRS for row in two_body_rows(*bond)])
    trans = listed(tmp_path, "Trans", [row for i, fields in enumerate(FIELDS) for row in field_rows(i, fields)])
    text = input_text(*read_expert([interall, trans]))
    expected = hamiltonian(5, PAIRS, dict(zip("xyz", FIELDS.T, strict=True)))
    assert 'kind = "custom"' in text and difference(matrix_of_text(text), expected) < 1e-12


@pytest.mark.parametrize("program", ["hphi", "mvmc"])
def test_lists_of_pairs_of_one_component_each(program, tmp_path):
    """Exchange and PairLift make Jx and Jy, Hund and CoulombInter, or Ising, Jz."""
    sign = -1 if program == "mvmc" else 1
    couplings = [(0, 1, (1.0, -0.4, 0.6)), (2, 1, (0.0, 0.5, 0.0)), (2, 0, (0.3, 0.0, -0.8))]
    files = [
        listed(tmp_path, "Exchange", [(i, j, sign * (x + y) / 4) for i, j, (x, y, _) in couplings]),
        listed(tmp_path, "PairLift", [(i, j, (x - y) / 4) for i, j, (x, y, _) in couplings]),
        listed(tmp_path, "Hund", [(i, j, -z / 4) for i, j, (_, _, z) in couplings]),
        listed(tmp_path, "CoulombInter", [(i, j, -z / 8) for i, j, (_, _, z) in couplings]),
        listed(tmp_path, "Ising", [(i, j, z / 2) for i, j, (_, _, z) in couplings]),
    ]
    text = input_text(*read_expert(files, program))
    expected = hamiltonian(3, [(i, j, np.diag(values)) for i, j, values in couplings], {})
    assert difference(matrix_of_text(text), expected) < 1e-12


def test_two_operators_of_one_spin_are_one(tmp_path):
    """D Sz^2 as the standard mode writes it, and S^x S^y of one site, i/2 S^z with its conjugate nothing."""
    hund = listed(tmp_path, "Hund", [(i, i, -0.5) for i in range(2)])
    coulomb = listed(tmp_path, "CoulombInter", [(i, i, -0.25) for i in range(2)])
    ising = listed(tmp_path, "Ising", [(0, 1, 1.0)])
    terms, _ = read_expert([hund, coulomb, ising])
    assert terms.constant == pytest.approx(2 * 0.25) and not any(map(any, terms.fields.values()))
    rows = [(0, 0, 0, 1, 0, 1, 0, 0, 0.7, 0.0)]  # c+_up c_down c+_down c_up, 1/2 + Sz
    terms, _ = read_expert([listed(tmp_path, "InterAll", rows), ising])
    assert terms.fields["z"][0] == pytest.approx(-0.7) and terms.constant == pytest.approx(0.35)
    rows = [(0, 0, 0, 0, 0, 0, 0, 1, 0.3, 0.4), (0, 1, 0, 0, 0, 0, 0, 0, 0.3, -0.4)]  # (0.3 + 0.4i) S^+ + h.c.
    terms, _ = read_expert([listed(tmp_path, "InterAll", rows), ising])
    assert (terms.fields["x"][0], terms.fields["y"][0]) == pytest.approx((-0.6, 0.8))
    exchange = listed(tmp_path, "Exchange", [(0, 0, 0.5)])
    assert read_expert([exchange, ising])[0].constant == pytest.approx(0.5)
    with pytest.raises(SettingsError, match="not a term of exchange"):
        read_expert([exchange, ising], "mvmc")


def test_fields_that_differ_from_site_to_site_keep_the_magnet(tmp_path):
    bonds = [(0, 1, np.eye(3)), (1, 2, 0.5 * np.eye(3))]
    interall = listed(tmp_path, "InterAll", [row for bond in bonds for row in two_body_rows(*bond)])
    trans = listed(tmp_path, "Trans", [row for i in range(3) for row in field_rows(i, (0.0, 0.0, 0.1 * i))])
    text = input_text(*read_expert([interall, trans]))
    assert 'kind = "heisenberg"' in text and "site_fields = [0.0, 0.1, 0.2]" in text
    assert difference(matrix_of_text(text), hamiltonian(3, bonds, {"z": [0.0, 0.1, 0.2]})) < 1e-12
