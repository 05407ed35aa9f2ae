"""Mean-field states that pair products start from: their fluxes, and energies after projection by exact sums."""

import itertools

import numpy as np
import pytest

from hpc_nqs.exact.diagonalization import ground_state_energy
from hpc_nqs.ground_state.flux_phases import bond_classes, half_filled, hopping, lowest_signs
from hpc_nqs.ground_state.pair_functions import starting_pairs
from hpc_nqs.hilbert.spins import spin_system
from hpc_nqs.parallel.team import Team
from hpc_nqs.sampling.enumeration import Enumeration
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.symmetry.signed_permutations import SignedPermutations
from hpc_nqs.wavefunctions.spin_pair_product import SpinPairs

SERIAL = Team.serial()


def built(kind, **lattice):
    sections = {"run": {"task": "ground_state"}, "lattice": {"kind": kind, **lattice}}
    return build(parse_settings(sections | {"model": {"kind": "heisenberg"}}))


def loops(bonds, signs, n_corners):
    """Return the product of the hops -sign around every shortest loop, {sites: product}."""
    hop = {}
    for (i, j), sign in zip(bonds.tolist(), signs.tolist(), strict=True):
        hop[i, j] = hop[j, i] = -sign
    found = {}
    for i, j in hop:
        for path in itertools.product({site for bond in hop for site in bond}, repeat=n_corners - 2):
            corners = (i, j, *path)
            steps = list(zip(corners, corners[1:] + corners[:1], strict=True))
            if len(set(corners)) == n_corners and all(step in hop for step in steps):
                found[frozenset(corners)] = np.prod([hop[step] for step in steps])
    return found


def open_loops(kind, lengths, n_corners):
    """Return the `loops` of an open lattice with the signs that are found."""
    lattice, model = built(kind, lengths=lengths, boundary="open")
    bonds = model.exchange_sites
    return loops(bonds, lowest_signs(lattice, bonds, np.zeros(len(bonds), dtype=bool)), n_corners)


def test_squares_hold_pi():
    """Lieb: half filling of the square lattice is lowest with pi in every square."""
    found = open_loops("square", [4, 6], 4)
    assert len(found) == 15
    assert set(found.values()) == {-1}


def test_triangles_of_one_kind_hold_pi():
    """The Dirac spin liquid of the triangular lattice: pi in every rhombus, so in every second triangle."""
    found = open_loops("triangular", [4, 4], 3)
    assert len(found) == 18
    for one, other in itertools.combinations(found, 2):
        if len(one & other) == 2:
            assert found[one] == -found[other]


@pytest.mark.parametrize(("kind", "lengths"), [("triangular", [6, 6]), ("kagome", [4, 3]), ("honeycomb", [4, 4])])
def test_signs_repeat_after_two_cells_and_are_lower_than_equal_ones(kind, lengths):
    lattice, model = built(kind, lengths=lengths)
    bonds, none = model.exchange_sites, np.zeros(len(model.exchange_sites), dtype=bool)
    classes = bond_classes(lattice, bonds)
    assert len(set(classes)) == 2 * len(bonds) // (lengths[0] * lengths[1])
    number = {frozenset(bond): k for k, bond in zip(classes.tolist(), bonds.tolist(), strict=True)}
    for step in ((2, 0), (0, 1)):
        moved = lattice.translated(step)
        assert all(number[frozenset((moved[i], moved[j]))] == number[frozenset((i, j))] for i, j in bonds.tolist())
    signs = lowest_signs(lattice, bonds, none)
    assert all(len(set(signs[classes == k])) == 1 for k in set(classes))
    equal = half_filled(lattice.n_sites, bonds, np.ones(len(bonds)), none)
    found = half_filled(lattice.n_sites, bonds, signs, none)
    assert found < equal - 1 or kind == "honeycomb"  # whose hexagons want no flux
    assert found <= equal


def test_crossing_bonds_have_a_sign_more():
    bonds = np.array([[0, 1], [1, 2], [2, 0]])
    matrix = hopping(3, bonds, np.array([1.0, 1.0, -1.0]), np.array([False, False, True]))
    np.testing.assert_array_equal(matrix, [[0, -1, -1], [-1, 0, -1], [-1, -1, 0]])


@pytest.mark.parametrize(
    ("lattice", "above", "equal_signs"),
    [
        ({"kind": "triangular", "box": [[2, 2], [-2, 4]]}, 0.08, 0.5),
        ({"kind": "kagome", "lengths": [2, 2]}, 0.08, 0.2),
        ({"kind": "honeycomb", "lengths": [3, 2]}, 0.1, 0.05),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_the_projected_start_is_near_the_ground_state(lattice, above, equal_signs):
    """Summed over all configurations of 12 sites: relative error of e of the start, and of hops of one sign."""
    lattice, model = built(**lattice)
    n, bonds = model.n_sites, model.exchange_sites
    system, lowest = spin_system(model), ground_state_energy(model)
    sampler = Enumeration(SERIAL, system, SignedPermutations.identity(n))

    def error_of(pairs):
        state = SpinPairs(SignedPermutations.identity(n), pairs)
        samples = sampler.sample(state.amplitude(system.moves), system, 1, 1, 1.0)
        return 1 - evaluate(samples, state, system, SERIAL).energy / lowest

    levels, vectors = np.linalg.eigh(hopping(n, bonds, np.ones(len(bonds)), np.zeros(len(bonds), dtype=bool)))
    smooth = 0.5 / (levels + np.sqrt(levels**2 + 0.25))
    pairs = starting_pairs(lattice, model, np.random.default_rng(1))
    found = error_of((pairs + pairs.T) / 2)
    assert 0 < found < above
    assert error_of((vectors * smooth) @ vectors.T) > equal_signs
