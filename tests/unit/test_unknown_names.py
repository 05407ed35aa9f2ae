"""Keys that an input does not have: what was meant, and what is allowed."""

import pytest

from tests.unit.test_settings import MINIMAL, changed, problems_of


def test_a_key_of_another_section_is_pointed_to():
    (problem,) = problems_of(changed(("run", "n_samples", 100)))
    assert "did you mean sampling.n_samples" in problem


OF_HEISENBERG = "kind, couplings, anisotropy, cell_bonds, field_staggered, field_z, site_fields"


@pytest.mark.parametrize(
    ("section", "given", "sentence"),
    [
        ("model", {"J": 1.0}, "model.J: unknown key, did you mean couplings (J of first, second, third neighbours"),
        ("model", {"j2": 1.0}, "model.j2: unknown key, did you mean couplings (J of first, second, third neighbours"),
        ("model", {"h": 1.0}, "model.h: unknown key, did you mean field_z (h of -h sum Sz)"),
        ("model", {"kind": "tfim", "gamma": 1.0}, "model.gamma: unknown key, did you mean field (Gamma of "),
        ("model", {"kind": "hubbard", "t": 1.0, "n_up": 8, "n_down": 8}, "model.t: unknown key, did you mean hopping"),
        ("model", {"pressure": 1.0}, f'allowed in [model] with kind = "heisenberg" are {OF_HEISENBERG}'),
        ("model", {"field": 1.0}, '"tfim", not "heisenberg", did you mean field_z; allowed in [model] with kind = '),
        ("model", {"kind": "none", "pressure": 1.0}, "allowed in [model] are kind, couplings,"),
        ("model", {"kind": [1], "pressure": 1.0}, "allowed in [model] are kind, couplings,"),
        ("model", {"temperatures": [1.0]}, "model.temperatures: unknown key, did you mean thermal.temperatures"),
        ("model", {"cell_bonds": [[1, 0, 0, 0, 1.0]]}, "model.couplings is missing: with cell_bonds give it, too"),
        ("lattice", {"kind": "custom", "bonds": [[0, 1, 1]], "lengths": [2]}, 'not for kind = "custom"; allowed in'),
        ("lattice", {"kind": "square", "lengths": [4, 4], "sites": 4}, "are kind, lengths, box, boundary"),
    ],
)
def test_keys_that_are_meant_and_allowed(section, given, sentence):
    kind = {"kind": "heisenberg"} if section == "model" else {}
    problems = problems_of(MINIMAL | {section: kind | given})
    assert any(sentence in problem for problem in problems), problems
