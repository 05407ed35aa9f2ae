"""The lower bound of the energy from stars: a known one, and below the ground state of every small model."""

import numpy as np
import pytest

from hpc_nqs.hamiltonians.energy_bound import energy_bound
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build


def model_of(lattice, lengths, **model):
    tables = {"lattice": {"kind": lattice, "lengths": lengths}, "model": model, "thermal": {"temperatures": [1.0]}}
    return build(parse_settings(tables))[1]


def test_stars_of_the_square_lattice_are_those_of_anderson():
    # a spin with z neighbours of spin 1/2 each: -J (z + 2) / 4, half of every bond in each of its two stars
    assert energy_bound(model_of("square", [4, 4], kind="heisenberg")) == pytest.approx(16 * -0.75)


def test_spins_in_a_field_alone():
    model = model_of("chain", [4], kind="tfim", coupling=1e-9, field=3.0)
    assert energy_bound(model) == pytest.approx(-4 * 3.0, abs=1e-6)


@pytest.mark.parametrize(
    ("lattice", "lengths", "model"),
    [
        ("chain", [2], {"kind": "heisenberg"}),
        ("chain", [6], {"kind": "heisenberg", "couplings": [-1.0, 0.7], "anisotropy": 0.3, "field_z": -0.8}),
        ("triangular", [3, 2], {"kind": "heisenberg", "field_z": 1.3}),
        ("kagome", [2, 1], {"kind": "heisenberg", "anisotropy": -2.0}),
        ("chain", [7], {"kind": "tfim", "coupling": -1.0, "field": 0.9}),
        ("square", [3, 2], {"kind": "tfim", "coupling": 1.0, "field": 2.0}),
    ],
)
def test_it_is_below_the_ground_state_and_close(lattice, lengths, model):
    model = model_of(lattice, lengths, **model)
    lowest = np.linalg.eigvalsh(to_sparse(model).toarray())[0]
    assert lowest - 2.5 * abs(lowest) < energy_bound(model) <= lowest + 1e-9


def test_a_site_with_many_neighbours_is_cut_into_parts(monkeypatch):
    whole = energy_bound(model_of("square", [4, 4], kind="heisenberg"))
    monkeypatch.setattr("hpc_nqs.hamiltonians.energy_bound.MAX_NEIGHBOURS", 2)
    model = model_of("square", [4, 4], kind="heisenberg", field_z=0.5)
    assert energy_bound(model) < whole
    assert energy_bound(model) == pytest.approx(16 * (-0.5 + lowest_of_a_field_and_two_legs(0.5)))


def lowest_of_a_field_and_two_legs(field):
    """Return the lowest level of -h Sz_0 + S_0.(S_1 + S_2) / 2: one spin down, or two."""
    matrix = np.zeros((3, 3))  # of one spin down among three: down at 0, 1, 2
    matrix[0, 0] = 2 * -0.125 + 0.5 * field
    matrix[1, 1] = matrix[2, 2] = 0.125 - 0.125 - 0.5 * field
    matrix[0, 1:] = matrix[1:, 0] = 0.25
    up = np.linalg.eigvalsh(matrix)[0]
    matrix[np.diag_indices(3)] += [-field, field, field]
    return min(up, np.linalg.eigvalsh(matrix)[0])
