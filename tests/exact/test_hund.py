"""The worked example of Hund's coupling (docs/theory/hund.md): its input, its ground state, its numbers."""

import re
from pathlib import Path

import pytest

from hpc_nqs.exact import electrons
from hpc_nqs.exact.table import exact_table
from hpc_nqs.hamiltonians import Kanamori
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.settings.parsing import parse_settings, read_tables

ROOT = Path(__file__).parents[2]
TABLES = read_tables((ROOT / "jobscripts" / "hund.toml").read_text())
PAGE = (ROOT / "docs" / "theory" / "hund.md").read_text()


def lowest(n_up, n_down, u, j):
    square = lattices.build("square", [2, 2])
    model = Kanamori.build(square, U=u, J_hund=j, n_up=n_up, n_down=n_down)
    return electrons.diagonalize(model, square, observables=False).ground_state_energy


def test_the_input_is_that_of_the_page():
    model = TABLES["model"]
    assert (model["U"], model["J_hund"], model["mu"], TABLES["lattice"]["lengths"]) == (12.0, 3.0, 3.5, [2, 2])
    assert parse_settings(TABLES).observables.imaginary_time
    assert len(TABLES["thermal"]["temperatures"]) == 6


def test_six_electrons_are_parallel_at_strong_coupling_only():
    """S = 3: the lowest energy is that of n_up = 6; at U = 8 it lies above that of S = 1."""
    assert lowest(6, 0, 12.0, 3.0) == pytest.approx(2.49104, abs=1e-5)
    assert lowest(5, 1, 12.0, 3.0) == pytest.approx(lowest(6, 0, 12.0, 3.0), abs=1e-9)
    assert lowest(4, 2, 8.0, 2.0) < lowest(6, 0, 8.0, 2.0) - 0.05


@pytest.mark.slow
def test_the_numbers_of_the_page():
    """All rows of the first table: thermal averages of all levels, 16 spin-orbitals."""
    rows = re.findall(r"^\| ([\d.]+) \|(.*)\|$", PAGE, re.MULTILINE)
    printed = {float(t): [float(x) for x in cells.split("|")] for t, cells in rows}
    table = exact_table(parse_settings(TABLES))
    assert len(printed) == len(table["rows"]) == 6
    for row in table["rows"]:
        s, n_k, proxy = (
            [row[name][key][0] for key in ("0,0", "1,0", "1,1")]
            for name in ("structure_factor", "n_k_up", "spectral_proxy_up")
        )
        found = [row["filling"], row["local_moment"], s[0], s[2], *n_k, *proxy]
        assert found == pytest.approx(printed[round(row["temperature"], 4)], abs=6e-4)
        assert row["n_k_down"] == row["n_k_up"] or abs(row["n_k_down"]["0,0"][0] - n_k[0]) < 1e-9
