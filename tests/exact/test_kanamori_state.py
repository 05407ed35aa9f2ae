"""Electrons in several orbitals that exchange: the seed against expm, coolings and rings against all levels."""

import numpy as np
import pytest
import scipy.linalg

from hpc_nqs import tasks
from hpc_nqs.exact import electrons
from hpc_nqs.hamiltonians import build_model
from hpc_nqs.hamiltonians.electron_matrices import to_sparse
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.observables import electron_moments
from hpc_nqs.observables.electrons import local_moment
from hpc_nqs.parallel.team import Team
from hpc_nqs.runs import run_file
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.wavefunctions.wavefunction import log_psi

DENSITIES = {"spin_flip": False, "pair_hopping": False}
HUND = {"U": 8.0, "J_hund": 2.0}


def settings_of(model, **sections):
    tables = {"lattice": {"kind": "chain", "lengths": [2]}, "run": {"seed": 1}, "model": {"kind": "kanamori"} | model}
    return parse_settings(tables | {"thermal": {"betas": [1.0]}, "sampling": {"method": "exact_sum"}} | sections)


def infidelity(model, beta, **sections):
    """Return the distance squared of the seed at beta from <x|e^{-beta H/2}|x'>, both normalized."""
    settings = settings_of(model, thermal={"beta_0": beta, "betas": [2 * beta]}, **sections)
    state = build_state(settings, *build(settings), 1)
    states, n = electron_moments.sector_states(state.model), state.model.n_sites
    spins = (2 * ((states[:, None] >> np.arange(n)) & 1) - 1).astype(np.int8)
    visible = np.concatenate([np.repeat(spins, len(states), axis=0), np.tile(-spins, (len(states), 1))], axis=1)
    psi = np.exp(log_psi(state.wavefunction, state.system.moves, visible)).real.reshape(len(states), -1)
    wanted = scipy.linalg.expm(-0.5 * beta * to_sparse(state.model, states).toarray())
    psi, wanted = psi / np.linalg.norm(psi), wanted / np.linalg.norm(wanted)
    return np.square(psi - np.sign(np.sum(psi * wanted)) * wanted).sum()


FILLINGS = [{"n_up": 1, "n_down": 1}, {"n_up": 2, "n_down": 1}, {"n_up": 2, "n_down": 2}]


@pytest.mark.parametrize("filling", [*FILLINGS, {"mu": 3.0, "field_z": 0.5}], ids=["11", "21", "22", "mu"])
@pytest.mark.parametrize("model", [HUND, HUND | DENSITIES, HUND | {"J_hund": -1.0}], ids=["hund", "densities", "minus"])
def test_the_seed_is_exact_without_hops(model, filling):
    assert infidelity(model | filling | {"hopping": [1e-9]}, 0.5) < 1e-15


@pytest.mark.parametrize(
    ("model", "largest", "power"),
    [
        (HUND | DENSITIES | {"n_up": 2, "n_down": 1}, 2e-8, 6),
        (HUND | {"n_up": 1, "n_down": 1}, 2e-8, 6),
        (HUND | {"J_hund": -1.0, "n_up": 1, "n_down": 1}, 2e-8, 6),
        (HUND | {"n_up": 2, "n_down": 1}, 1.5e-6, 4),  # two electrons of one spin
        (HUND | {"n_up": 2, "n_down": 2}, 4e-6, 4),
    ],
    ids=["densities", "11", "minus", "21", "22"],
)
def test_the_error_of_the_seed(model, largest, power):
    at, half = infidelity(model, 0.1), infidelity(model, 0.05)
    assert half < largest
    assert 0.8 * 2**power < at / half < 1.2 * 2**power


# ---- exchange between cells -----------------------------------------------------------------------------------------

DIMER = {"kind": "hubbard", "U": 4.0, "n_up": 1, "n_down": 1}
RING = {"kind": "chain", "lengths": [4]}


@pytest.mark.parametrize("strength", [0.5, -0.5])
def test_the_seed_with_exchange_between_cells(strength):
    """One pair of orbitals: exact without hops, right to second order with them."""
    model = DIMER | {"exchanges": [[1, 0, 0, 0, strength]]}
    open_chain = {"kind": "chain", "lengths": [2], "boundary": "open"}
    assert infidelity(model | {"hopping": [1e-9]}, 0.5, lattice=open_chain) < 1e-15
    at, half = (infidelity(model, beta, lattice=open_chain) for beta in (0.1, 0.05))
    assert 0.8 * 2**6 < at / half < 1.2 * 2**6


@pytest.mark.parametrize(
    ("sites", "model", "limits"),
    [
        # largest errors of e, double occupancy, c, s at beta = 0.5, 1, 2
        (RING, DIMER | {"n_up": 2, "exchanges": [[1, 0, 0, 0, 0.5]]}, (3e-3, 5e-4, 2e-2, 5e-3)),
        (RING, DIMER | {"n_up": 2, "n_down": 2, "exchanges": [[1, 0, 0, 0, 0.5]]}, (3e-3, 5e-4, 5e-3, 5e-3)),
        (RING, DIMER | {"n_up": 2, "n_down": 2, "exchanges": [[1, 0, 0, 0, -0.3]]}, (1.8e-2, 4e-3, 6e-2, 1.6e-2)),
        ({}, HUND | {"n_up": 2, "n_down": 1, "exchanges": [[1, 0, 0, 0, 0.5]]}, (5e-3, 1e-3, 1e-2, 5e-3)),
    ],
    ids=["doped", "half", "minus", "kanamori"],
)
def test_coolings_with_exchange_between_cells(tmp_path, sites, model, limits):
    sections = {"lattice": sites} if sites else {}
    settings = settings_of(model, thermal={"betas": [0.5, 1, 2]}, **sections)
    path = str(tmp_path / "run.h5")
    assert tasks.run(settings, Team.serial(), path) == 0
    lattice, model = build(settings)
    wanted = electrons.thermal_rows(electrons.diagonalize(model, lattice), settings.thermal.report_betas)
    for row, right in zip(run_file.read_table(path)["rows"], wanted, strict=True):
        for name, limit in zip(("energy", "double_occupancy", "specific_heat", "entropy"), limits, strict=True):
            assert row[name] == pytest.approx(right[name], abs=limit), name


# ---- densities and exchange on a site -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "limits"),
    [
        # largest errors of e, S_i^2, c, s at beta = 0.5, 1, 2, 4, twice as much as they are or more
        (HUND | DENSITIES | {"n_up": 2, "n_down": 1}, (5e-5, 3e-5, 1.5e-4, 3e-4)),
        (HUND | {"n_up": 2, "n_down": 1}, (5e-4, 8e-4, 1.6e-3, 3e-4)),
    ],
    ids=["densities", "hund"],
)
def test_coolings_reach_what_all_levels_say(tmp_path, model, limits):
    vectors = [[0.0, 0.0], [1.0, 0.0]]
    settings = settings_of(model, thermal={"betas": [0.5, 1, 2, 4]}, observables={"structure_factor": vectors})
    path = str(tmp_path / "run.h5")
    assert tasks.run(settings, Team.serial(), path) == 0
    lattice, model = build(settings)
    rows = run_file.read_table(path)["rows"]
    wanted = electrons.thermal_rows(electrons.diagonalize(model, lattice, vectors), settings.thermal.report_betas)
    assert rows[-1]["links"] > 2
    for row, right in zip(rows, wanted, strict=True):
        names = ("energy", "local_moment", "specific_heat", "entropy")
        for name, limit in zip(names, limits, strict=True):
            assert row[name] == pytest.approx(right[name], abs=limit), name
        assert row["double_occupancy"] == pytest.approx(right["double_occupancy"], abs=limits[1])
        for name in ("structure_factor", "charge_structure_factor", "n_k_up", "n_k_down"):
            for key, (value, _) in right[name].items():
                assert row[name][key][0] == pytest.approx(value, abs=2.5e-3), (name, key)


def test_several_orbitals_at_fixed_mu(tmp_path):
    """A single temperature, of the state without rings."""
    settings = settings_of(HUND | {"mu": 3.0}, thermal={"betas": [0.3]})
    path = str(tmp_path / "run.h5")
    assert tasks.run(settings, Team.serial(), path) == 0
    lattice, model = build(settings)
    (row,) = run_file.read_table(path)["rows"]
    (right,) = electrons.thermal_rows(electrons.diagonalize(model, lattice), [0.3])
    for name, limit in (("energy", 5e-3), ("filling", 2e-3), ("compressibility", 2e-3), ("susceptibility", 2e-3),
                        ("local_moment", 2e-3), ("specific_heat", 2e-2)):
        assert row[name] == pytest.approx(right[name], abs=limit), name


def test_local_moments_are_those_of_the_spin_of_a_site(creators):
    """S_i = sum_a c+_a sigma c_a / 2 from matrices of creation operators."""
    model = build_model(
        lattices.build("chain", (2,), "open"), kind="kanamori", n_orbitals=2, U=1.0, mu=0.0
    )
    m, made = model.n_levels, creators(model.n_sites)
    total = 0
    for site in range(2):
        levels = [2 * site, 2 * site + 1]
        plus = sum(made[p] @ made[m + p].T for p in levels)
        sz = sum(made[p] @ made[p].T - made[m + p] @ made[m + p].T for p in levels) / 2
        total = total + sz @ sz + (plus @ plus.T + plus.T @ plus) / 2
    total = total.toarray() if hasattr(total, "toarray") else total
    found = local_moment(model).matrix(model, np.arange(2**model.n_sites, dtype=np.int64))
    np.testing.assert_allclose(found.toarray(), total / 2, atol=1e-13)


@pytest.mark.parametrize(
    ("lengths", "model"),
    [
        ((3,), {"n_orbitals": 2, "U": 4.0, "J_hund": 1.0, "n_up": 3, "n_down": 2}),
        ((2,), {"n_orbitals": 3, "U": 4.0, "J_hund": 1.0, "mu": 1.2, "crystal_field": [0.0, 0.3, -0.2]}),
        ((3,), {"U": 4.0, "J_hund": 1.0, "n_up": 2, "n_down": 2, "hops": [[0, 0, 0, 1, 0.4], [1, 0, 0, 1, 0.3]]}),
    ],
    ids=["orbitals", "three", "hybridized"],
)
def test_moments_of_pairs_of_hops(lengths, model):
    model = build_model(lattices.build("chain", lengths, "open"), kind="kanamori", **model)
    derived, summed = electron_moments.derived_cumulants(model), electron_moments.summed_cumulants(model)
    np.testing.assert_allclose(derived[:3], summed[:3], rtol=1e-10, atol=1e-10)


def test_means_at_infinite_temperature():
    """Of all levels at beta = 0."""
    settings = settings_of(HUND | {"n_up": 2, "n_down": 1})
    lattice, model = build(settings)
    levels = electrons.diagonalize(model, lattice, [[1.0, 0.0]])
    (row,) = electrons.thermal_rows(levels, [0.0])
    means = electron_moments.means(model)
    for name in ("double_occupancy", "local_moment"):
        assert means[name] == pytest.approx(row[name], abs=1e-10), name
    for name in ("structure_factor", "charge_structure_factor", "n_k_up", "n_k_down"):
        assert means[name] == pytest.approx(row[name]["1,0"][0], abs=1e-10), name


def test_groups_and_colours_of_orbitals():
    def model(**options):
        options = {"kind": "kanamori", "U": 4.0, "J_hund": 1.0, "n_up": 1, "n_down": 1} | options
        return build_model(lattices.build("chain", (2,), "open"), **options)

    two, three = model(), model(n_orbitals=3)
    assert two.orbital_groups().tolist() == [0, 1, 0, 1] == two.orbital_colours().tolist()
    assert two.shares_determinants
    assert three.orbital_groups().tolist() == [0, 1, 2, 0, 1, 2]
    assert three.orbital_colours() is None  # each exchanges with both others
    assert three.spin_exchange_symmetric and not three.shares_determinants
    hybridized = model(hops=[[0, 0, 0, 1, 0.4]])
    assert hybridized.orbital_groups().tolist() == [0, 0, 0, 0]
    assert not hybridized.shares_determinants
    assert model(spin_flip=False, pair_hopping=False, hops=[[0, 0, 0, 1, 0.4]]).shares_determinants


def test_spins_that_cannot_share_determinants_are_refused():
    settings = settings_of(
        {"n_orbitals": 3, "n_up": 1, "n_down": 1} | HUND, wavefunction={"symmetries": ["layer_exchange", "spin_flip"]}
    )
    with pytest.raises(ValueError, match="wavefunction.symmetries = .* the determinants of both spins differ"):
        build_state(settings, *build(settings), 1)
