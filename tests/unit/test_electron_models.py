"""Models of electrons: the flat arrays against matrices of creation operators built from Kronecker products."""

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.hamiltonians import Hubbard, Kanamori
from hpc_nqs.hamiltonians.electron_matrices import to_sparse
from hpc_nqs.hamiltonians.electron_model import ElectronModel
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.parallel.team import Team
from hpc_nqs.reports.text import describe
from hpc_nqs.settings.parsing import SettingsError, parse_settings, read_tables
from hpc_nqs.settings.system import build
from hpc_nqs.symmetry.site_permutations import site_symmetries, translations


def hubbard_matrix(creators, lattice, hopping=(1.0,), U=0.0, V=0.0, field_z=0.0, mu=0.0):
    n = lattice.n_sites
    c = creators(2 * n)
    up, down = ([operator @ operator.T for operator in c[first : first + n]] for first in (0, n))
    matrix = np.zeros((4**n, 4**n))
    for shell, t in enumerate(hopping, start=1):
        for i, j in lattice.bonds(shell) if t else []:
            for a, b in ((i, j), (n + i, n + j)):
                matrix -= t * (c[a] @ c[b].T + c[b] @ c[a].T)
    for i in range(n):
        matrix += U * up[i] @ down[i] - mu * (up[i] + down[i]) - field_z * (up[i] - down[i]) / 2
    for i, j in lattice.bonds(1):
        matrix += V * (up[i] + down[i]) @ (up[j] + down[j])
    return matrix


def test_creators_anticommute(creators):
    c = creators(3)
    for p in range(3):
        for q in range(3):
            np.testing.assert_array_equal(c[p] @ c[q].T + c[q].T @ c[p], np.eye(8) * (p == q))
            np.testing.assert_array_equal(c[p] @ c[q] + c[q] @ c[p], 0)
    assert (c[0] @ c[2])[0b101, 0] == 1  # the order of the basis states


@pytest.mark.parametrize(
    ("kind", "lengths", "boundary", "options"),
    [
        ("chain", [2], "open", {"U": 3.0}),
        ("chain", [3], "periodic", {"hopping": [1.3], "U": 4.0, "V": 0.7, "field_z": 0.3, "mu": 1.1}),
        ("chain", [4], "periodic", {"hopping": [1.0, -0.3], "U": 4.0, "mu": 2.0}),
        ("square", [2, 2], "open", {"hopping": [0.0, 0.5], "U": -2.0, "V": 0.5, "mu": -0.4, "field_z": -1.0}),
    ],
)
def test_hubbard_is_the_matrix_of_creation_operators(creators, kind, lengths, boundary, options):
    lattice = lattices.build(kind, lengths, boundary)
    model = Hubbard.build(lattice, **{"mu": 0.0} | options)
    np.testing.assert_allclose(to_sparse(model).toarray(), hubbard_matrix(creators, lattice, **options), atol=1e-13)
    assert model.n_sites == 2 * lattice.n_sites
    assert model.exchange_shell.tolist() == model.exchange_shell.reshape(2, -1)[0].tolist() * 2


def test_a_canonical_model_has_no_chemical_potential(creators):
    lattice = lattices.build("chain", [3])
    model = Hubbard.build(lattice, U=2.0, n_up=2, n_down=1)
    assert (model.n_up, model.n_down, model.mu, model.is_canonical) == (2, 1, None, True)
    np.testing.assert_allclose(to_sparse(model).toarray(), hubbard_matrix(creators, lattice, U=2.0), atol=1e-13)


def test_hops_of_one_spin_and_pairs_of_hops_have_the_sign_of_the_order(creators):
    rng = np.random.default_rng(3)
    hops = np.array([[0, 2], [1, 2], [0, 1]]), rng.normal(size=3), np.array([1, 2, 0])
    hop2 = np.array([[0, 2, 1, 0], [0, 1, 0, 1], [1, 2, 2, 0]]), rng.normal(size=3)
    repulsions = np.array([[0, 3], [1, 5], [5, 1], [2, 0]]), rng.normal(size=4)
    energies = rng.normal(size=3)
    filling = {"mu": 0.4}
    model = ElectronModel.of_terms("test", 3, 1, filling, energies, repulsions, hops, hop2, field_z=0.7)
    c = creators(6)
    n = [operator @ operator.T for operator in c]
    kinetic = [[c[p] @ c[q].T + c[q] @ c[p].T for q in range(6)] for p in range(6)]
    expected = sum((energies[p % 3] - 0.4 - (0.35 if p < 3 else -0.35)) * n[p] for p in range(6))
    expected = expected + sum(v * n[p] @ n[q] for (p, q), v in zip(*repulsions, strict=True))
    for (a, b), element, _ in zip(*hops, strict=True):
        expected = expected + element * (kinetic[a][b] + kinetic[a + 3][b + 3])
    for (a, b, e, f), element in zip(*hop2, strict=True):
        expected = expected + element * kinetic[a][b] @ kinetic[e + 3][f + 3]
    np.testing.assert_allclose(to_sparse(model).toarray(), expected, atol=1e-13)
    assert model.pair_sites.tolist() == [[0, 2], [0, 3], [1, 5]]


@pytest.mark.parametrize(
    ("filling", "message"),
    [
        ({}, "model: no filling; allowed are n_up and n_down together, or mu alone"),
        ({"n_up": 1}, "model: n_up = 1; allowed are"),
        ({"n_up": 1, "n_down": 1, "mu": 0.5}, "model: n_up = 1, n_down = 1, mu = 0.5; allowed are"),
        ({"n_up": 4, "n_down": 1}, "model.n_up = 4: more electrons than the 3 orbitals of this lattice; allowed is 0"),
        ({"n_up": 1, "n_down": -1}, "model.n_down = -1: allowed are integers from 0"),
    ],
)
def test_wrong_fillings_are_refused(filling, message):
    with pytest.raises(ValueError, match=message):
        Hubbard.build(lattices.build("chain", [3]), U=1.0, **filling)


def test_the_unit_of_beta_leaves_out_what_a_canonical_ensemble_does_not_see():
    lattice = lattices.build("chain", [4])
    canonical = Hubbard.build(lattice, U=2.0, n_up=2, n_down=1, field_z=50.0)
    assert canonical.largest_coupling == 2.0
    assert canonical.energy_scale == 2.0
    assert Hubbard.build(lattice, U=2.0, mu=1.0, field_z=50.0).energy_scale == 25.0
    assert Hubbard.build(lattice, U=2.0, mu=1.0).spin_exchange_symmetric
    assert not Hubbard.build(lattice, U=2.0, mu=1.0, field_z=0.1).spin_exchange_symmetric
    assert not canonical.spin_exchange_symmetric


def kanamori_matrix(creators, n, bonds, t, U, U_prime, J, crystal_field, exchange, mu, field_z):
    """H of two orbitals per site in the textbook form, orbital m = 2 i + a."""
    m = 2 * n
    c = creators(2 * m)
    up, down = c[:m], c[m:]
    number = [operator @ operator.T for operator in c]
    matrix = np.zeros((4**m, 4**m))
    for i, j in bonds:
        for a in (0, 1):
            for spin in (up, down):
                hop = spin[2 * i + a] @ spin[2 * j + a].T
                matrix -= t * (hop + hop.T)
    for p in range(m):
        matrix += U * number[p] @ number[m + p] + (crystal_field[p % 2] - mu) * (number[p] + number[m + p])
        matrix -= field_z / 2 * (number[p] - number[m + p])
    for a, b in ((2 * i, 2 * i + 1) for i in range(n)):
        matrix += U_prime * (number[a] @ number[m + b] + number[b] @ number[m + a])
        matrix += (U_prime - J) * (number[a] @ number[b] + number[m + a] @ number[m + b])
        if exchange:
            raising = [up[p] @ down[p].T for p in (a, b)]  # S+ of an orbital
            flip, pair = raising[0] @ raising[1].T, up[a] @ down[a] @ down[b].T @ up[b].T
            matrix += -J * (flip + flip.T) + J * (pair + pair.T)
    return matrix


@pytest.mark.parametrize("exchange", [True, False])
@pytest.mark.parametrize("U_prime", ["auto", 2.5])
def test_kanamori_is_the_textbook_matrix(creators, exchange, U_prime):
    lattice = lattices.build("chain", [2], "open")
    model = Kanamori.build(
        lattice, hopping=[0.8], U=5.0, J_hund=1.2, U_prime=U_prime, crystal_field=[0.3, -0.1], mu=0.9, field_z=0.4,
        spin_flip=exchange, pair_hopping=exchange,
    )
    other = 2.6 if U_prime == "auto" else U_prime
    expected = kanamori_matrix(creators, 2, [(0, 1)], 0.8, 5.0, other, 1.2, (0.3, -0.1), exchange, 0.9, 0.4)
    np.testing.assert_allclose(to_sparse(model).toarray(), expected, atol=1e-13)
    assert (model.n_levels, model.n_sites, model.n_lattice_sites, model.n_orbitals) == (4, 8, 2, 2)


def test_kanamori_is_invariant_under_rotations_of_the_spin(creators):
    model = Kanamori.build(lattices.build("chain", [2], "open"), U=5.0, J_hund=1.2, crystal_field=[0.3, 0.0], mu=1.0)
    c = creators(8)
    raising = sum(c[p] @ c[4 + p].T for p in range(4))
    matrix = to_sparse(model).toarray()
    assert np.abs(matrix @ raising - raising @ matrix).max() < 1e-12


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pair_hopping": False}, "model.pair_hopping = false: one without the other is not available"),
        ({"spin_flip": False}, "model.pair_hopping = true: one without the other is not available"),
        ({"crystal_field": [1.0]}, r"model.crystal_field = \[1.0\]: 1 energies for 2 orbitals"),
        ({"n_orbitals": 1}, "model.n_orbitals = 1: allowed are integers from 2 to 5"),
        ({"n_orbitals": 2.5}, "model.n_orbitals = 2.5: allowed are integers"),
        ({"U_prime": "automatic"}, "model.U_prime = 'automatic': allowed is a number"),
        ({"spin_flip": 2}, "model.spin_flip = 2: allowed are True and False"),
        ({"mu": float("inf")}, "model.mu = inf: allowed are finite numbers"),
    ],
)
def test_wrong_values_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Kanamori.build(lattices.build("chain", [3]), **{"U": 1.0, "mu": 0.0} | values)


def test_repulsion_of_neighbours_wants_neighbours():
    lattice = lattices.build("custom", bonds=[(0, 1, 0.5)])
    with pytest.raises(ValueError, match="model.V = 1: the custom lattice has no first neighbours"):
        Hubbard.build(lattice, V=1.0, mu=0.0)
    assert Hubbard.build(lattice, mu=0.0).exchange_element.tolist() == [-0.5, -0.5]


@pytest.mark.parametrize("build", [Hubbard.build, Kanamori.build])
def test_lattice_symmetries_move_all_units_of_a_site(build):
    ring = lattices.build("chain", [6])
    model = build(ring, U=4.0, hopping=[1.0, 0.3], n_up=3, n_down=2)
    assert len(site_symmetries(ring, model)) == 12
    assert len(translations(ring, model)) == 6
    units = site_symmetries(ring, model, ["translation"])[1]
    shift = (model.site_of(units) - model.site_of(np.arange(model.n_sites))) % 6
    assert len(set(shift.tolist())) == 1
    same_spin = units // model.n_levels == np.arange(model.n_sites) // model.n_levels
    assert same_spin.all() and np.array_equal(units % model.n_orbitals, np.arange(model.n_sites) % model.n_orbitals)


def test_symmetries_of_custom_lattices_do_not_mix_spins():
    star = lattices.build("custom", bonds=[(0, 1, 1), (0, 2, 1), (0, 3, 2)])
    model = Hubbard.build(star, hopping=[1.0, 0.5], mu=0.0)  # without U the spins could be permuted one by one
    group = site_symmetries(star, model)
    assert group.tolist() == [[0, 1, 2, 3, 4, 5, 6, 7], [0, 2, 1, 3, 4, 6, 5, 7]]


def test_pairs_of_hops_that_differ_break_a_symmetry():
    hop2 = np.array([[0, 1, 0, 1]]), np.array([0.5])
    nothing = np.zeros((0, 2), dtype=int), np.zeros(0)
    hops = (np.array([[0, 1], [1, 2], [0, 2]]), np.ones(3), np.ones(3))
    model = ElectronModel.of_terms("test", 3, 1, {"mu": 0.0}, np.zeros(3), nothing, hops, hop2)
    ring = lattices.build("chain", [3])
    assert [row[:3].tolist() for row in site_symmetries(ring, model)] == [[0, 1, 2], [1, 0, 2]]


BASE = {"lattice": {"kind": "chain", "lengths": [4]}, "thermal": {"betas": [1.0]}}
HALF = {"kind": "hubbard", "U": 4.0, "n_up": 2, "n_down": 2}
OF_HUBBARD = (
    'allowed in [model] with kind = "hubbard" are kind, V, field_z, hopping, U, hops, repulsions, exchanges, n_up, '
    "n_down, mu"
)


def problems_of(model, **sections):
    with pytest.raises(SettingsError) as caught:
        build(parse_settings(BASE | {"model": model} | sections))
    return caught.value.problems


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ({"kind": "hubbard"}, "model.n_up is missing: give n_up and n_down or mu"),
        ({"kind": "kanamori"}, "model.n_up is missing: give n_up and n_down or mu"),
        ({"kind": "hubbard", "n_up": 1}, "model.n_down is missing: give n_up and n_down or mu"),
        (HALF | {"mu": 2.0}, "model.n_up, model.n_down and model.mu are both given: give one of them"),
        ({"kind": "hubbard", "n_up": 2, "mu": 2.0}, "model.n_up and model.mu are both given: give one of them"),
        (HALF | {"n_up": -1}, "model.n_up = -1: allowed is an integer from 0 to 1000000"),
        (HALF | {"n_up": 1.5}, "model.n_up = 1.5: allowed is an integer from 0 to 1000000"),
        (HALF | {"n_up": 5}, "model.n_up = 5: more electrons than the 4 orbitals of this lattice; allowed is 0 to 4"),
        (HALF | {"hopping": [0.0], "U": 0.0}, "model.hopping = [0.0]: hopping or U or hops must differ from zero"),
        (
            HALF | {"couplings": [1.0]},
            f'model.couplings = [1.0]: only for kind = "heisenberg", not "hubbard", did you mean hopping; {OF_HUBBARD}',
        ),
        (HALF | {"J_hund": 1.0}, f'model.J_hund = 1.0: only for kind = "kanamori", not "hubbard"; {OF_HUBBARD}'),
        (
            HALF | {"hopping": [1.0, 0.0, 0.5]},
            "model.hopping = [1.0, 0.0, 0.5]: coupling 0.5 of shell 3: lattice.lengths = [4]: chain of this size is "
            "too small: its third neighbours wrap around onto nearer neighbours or onto the site itself",
        ),
        (
            {"kind": "kanamori", "U": 4.0, "mu": 1.0, "spin_flip": False},
            "model.pair_hopping = true: one without the other is not available; allowed is the value of "
            "model.spin_flip",
        ),
        (
            {"kind": "kanamori", "U": 4.0, "mu": 1.0, "crystal_field": [0.1, 0.2, 0.3]},
            "model.crystal_field = [0.1, 0.2, 0.3]: 3 energies for 2 orbitals of a site; allowed is one for each of "
            "model.n_orbitals, or none",
        ),
        ({"kind": "kanamori", "U_prime": "no", "mu": 0.0}, None),
    ],
)
def test_wrong_inputs_are_one_sentence(model, problem):
    problems = problems_of(model)
    assert problems == [problem] if problem else len(problems) == 1, problems


@pytest.mark.parametrize(
    ("sections", "problem"),
    [
        ({"thermal": {"betas": [1.0], "method": "analytic"}}, 'thermal.method = "analytic": world lines are those of'),
        ({"wavefunction": {"marshall": True}}, "wavefunction.marshall = true: a rule for spins; with model.kind ="),
        ({"observables": {"imaginary_time": True}}, "observables.imaginary_time = true: Green functions add an"),
    ],
)
def test_what_is_for_spins_only_is_refused(sections, problem):
    (found,) = problems_of(HALF, **sections)
    assert found.startswith(problem)


def test_settings_of_electrons_are_written_back():
    settings = parse_settings(BASE | {"model": HALF})
    assert settings.to_dict()["model"] == {
        "kind": "hubbard", "V": 0.0, "field_z": 0.0, "hopping": [1.0], "U": 4.0, "hops": [], "repulsions": [],
        "exchanges": [], "n_up": 2, "n_down": 2,
    }
    assert parse_settings(read_tables(settings.to_toml())) == settings
    other = parse_settings(BASE | {"model": {"kind": "kanamori", "U": 8.0, "J_hund": 2.0, "mu": 7.0}})
    assert other.to_dict()["model"]["U_prime"] == "auto" and "n_up" not in other.to_dict()["model"]
    assert parse_settings(read_tables(other.to_toml())) == other
    assert describe(settings.to_dict()) == "Hubbard, t1 = 1, U = 4, n_up = 2, n_down = 2 on chain 4"
    hops = parse_settings(BASE | {"model": HALF | {"hops": [[1, 0, 0, 0, 0.5]]}})
    assert describe(hops.to_dict()) == "Hubbard, t1 = 1, U = 4, 1 hops, n_up = 2, n_down = 2 on chain 4"
    assert describe(other.to_dict()) == "Kanamori, t1 = 1, n_orbitals = 2, U = 8, J = 2, mu = 7 on chain 4"


def test_an_override_of_the_filling_replaces_the_other_ensemble():
    tables = BASE | {"model": HALF}
    assert parse_settings(tables, ["model.mu=1.5"]).model.n_up is None
    assert parse_settings(tables, ["model.n_up=3"]).model.n_down == 2
    grand = BASE | {"model": {"kind": "hubbard", "U": 4.0, "mu": 2.0}}
    assert parse_settings(grand, ["model.n_up=2", "model.n_down=1"]).model.mu is None


def test_runs_of_ground_states_at_fixed_mu_are_refused():
    grand = {"kind": "kanamori", "U": 4.0, "mu": 2.0}
    for sections, text in (
        ({"model": grand, "run": {"task": "ground_state"}}, "^model.mu = 2: runs of ground states"),
        ({"model": grand | {"kind": "hubbard"}, "run": {"task": "ground_state"}}, "give n_up and n_down"),
    ):
        settings = parse_settings(BASE | sections)
        for function in (tasks.plan, tasks.advice, tasks.resolved, lambda each: tasks.run(each, Team.serial(), "x.h5")):
            with pytest.raises(SettingsError, match=text):
                function(settings)
