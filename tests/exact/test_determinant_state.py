"""Determinants times tables, by exact sums: the seed against expm, a cooling and its rings against all levels."""

import numpy as np
import pytest
import scipy.linalg

from hpc_nqs import tasks
from hpc_nqs.hamiltonians.electron_matrices import to_sparse
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.observables import electron_moments
from hpc_nqs.parallel.team import Team
from hpc_nqs.runs import run_file
from hpc_nqs.sampling.enumeration import Enumeration, n_configurations
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build, validate
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.wavefunctions.wavefunction import log_psi

RING = ("chain", [4], "periodic", {"U": 4.0, "n_up": 2, "n_down": 2})
SYSTEMS = {
    "ring": RING,
    "hole": ("chain", [4], "periodic", {"U": 8.0, "hopping": [1.0, 0.3], "n_up": 2, "n_down": 1}),
    "open": ("chain", [4], "open", {"U": 4.0, "V": 1.5, "n_up": 1, "n_down": 2, "field_z": 0.4}),
    "square": ("square", [2, 2], "open", {"U": 6.0, "n_up": 2, "n_down": 2}),
    "mu": ("chain", [3], "open", {"U": 4.0, "V": 0.8, "mu": 1.3}),
    "mu_field": ("chain", [3], "periodic", {"U": 4.0, "mu": 0.6, "field_z": 0.4}),
}


def settings_of(system, **sections):
    kind, lengths, boundary, model = system
    tables = {"lattice": {"kind": kind, "lengths": lengths, "boundary": boundary}, "run": {"seed": 1}}
    tables |= {"model": {"kind": "hubbard"} | model, "thermal": {"betas": [1.0]}, "sampling": {"method": "exact_sum"}}
    return parse_settings(tables | sections)


def state_of(system, **sections):
    settings = settings_of(system, **sections)
    return build_state(settings, *build(settings), 1)


def dense(model):
    """Return H on the sector of a model, dense, and its states."""
    states = electron_moments.sector_states(model)
    return to_sparse(model, states).toarray(), states


def matrix_of(state):
    """Return Psi(x, x') between the states of the sector, with the signs of the order of the orbitals."""
    model, n = state.model, state.system.n_sites
    states = electron_moments.sector_states(model)
    spins = (2 * ((states[:, None] >> np.arange(n)) & 1) - 1).astype(np.int8)
    visible = np.concatenate([np.repeat(spins, len(states), axis=0), np.tile(-spins, (len(states), 1))], axis=1)
    psi = np.exp(log_psi(state.wavefunction, state.system.moves, visible))
    assert np.abs(psi.imag).max() < 1e-12 * np.abs(psi).max()
    return psi.real.reshape(len(states), -1)


def infidelity(system, beta):
    """Return 1 - overlap^2 of the seed at beta with <x|e^{-beta H/2}|x'>."""
    state = state_of(system, thermal={"beta_0": beta, "betas": [2 * beta]})
    psi, wanted = matrix_of(state), scipy.linalg.expm(-0.5 * beta * dense(state.model)[0])
    psi, wanted = psi / np.linalg.norm(psi), wanted / np.linalg.norm(wanted)
    return np.square(psi - np.sign(np.sum(psi * wanted)) * wanted).sum()


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_the_seed_is_the_thermal_state_to_second_order(system):
    """Its error goes as beta^3, the infidelity as beta^6."""
    at, half = infidelity(system, 0.1), infidelity(system, 0.05)
    assert at < 1e-5
    assert 40 < at / half < 80


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_the_seed_is_exact_without_repulsion_and_without_hops(system):
    kind, lengths, boundary, model = system
    assert infidelity((kind, lengths, boundary, model | {"U": 0.0, "V": 0.0}), 1.0) < 1e-20
    assert infidelity((kind, lengths, boundary, model | {"hopping": [1e-9]}), 0.5) < 1e-15


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_the_state_has_the_symmetries_that_it_names(system):
    state = state_of(system)
    state.wavefunction.params += 0.2 * np.random.default_rng(2).standard_normal(state.wavefunction.n_params)
    configurations = Enumeration(Team.serial(), state.system).configurations[:, 0]
    assert len(configurations) == n_configurations(state.system.n_visible, state.system.n_up)
    logarithms = log_psi(state.wavefunction, state.system.moves, configurations).real
    assert len(state.invariance) == state.order > 1
    for sources, signs in state.invariance:
        images = np.ascontiguousarray(configurations[:, sources] * signs)
        moved = log_psi(state.wavefunction, state.system.moves, images).real
        np.testing.assert_allclose(np.exp(moved), np.exp(logarithms), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_one_configuration_of_every_orbit_gives_the_sums_over_all(system):
    sections = {"observables": {"structure_factor": [[1.0, 0.0]], "correlations": True}}
    state, team = state_of(system, **sections), Team.serial()
    state.wavefunction.params += 0.05 * np.random.default_rng(2).standard_normal(state.wavefunction.n_params)
    rows = []
    for invariance in (state.invariance, state.invariance[:1]):
        state.invariance = invariance
        sampler = state.sampler(team, 1, 0)
        meter = state.meter(state.observables(settings_of(system, **sections)), sampler, team)
        samples = sampler.sample(None, state.system, 1, 1, 0.0)
        rows.append(meter.report([(samples, evaluate(samples, state.wavefunction, state.system, team))], 0.5))
    orbits, everything = rows
    assert orbits.keys() == everything.keys()
    for name, value in everything.items():
        if isinstance(value, dict):
            for key, (number, _) in value.items():
                assert orbits[name][key][0] == pytest.approx(number, abs=1e-10)
        elif name != "layer_energy_difference":
            assert orbits[name] == pytest.approx(value, abs=1e-9)


def thermal_row(model, beta):
    """Return e, c, s, ln Z, the double occupancy and S_i^2 of all levels, per site."""
    matrix, states = dense(model)
    energies, vectors = np.linalg.eigh(matrix)
    n, m = model.n_lattice_sites, model.n_levels
    weights = np.exp(-beta * (energies - energies[0]))
    total = weights.sum()
    probabilities = vectors**2 @ (weights / total)
    bits = (states[:, None] >> np.arange(2 * m)) & 1
    double = np.sum(bits[:, :m] * bits[:, m:], axis=1) / n
    energy = weights @ energies / total
    ln_z = np.log(total) - beta * energies[0]
    return {
        "energy": energy / n,
        "specific_heat": beta**2 * (weights @ energies**2 / total - energy**2) / n,
        "free_energy": -ln_z / n / beta,
        "entropy": (ln_z + beta * energy) / n,
        "double_occupancy": double @ probabilities,
        "local_moment": 0.75 * (sum(model.filling) / n - 2 * double @ probabilities),
    }


@pytest.mark.parametrize(
    ("system", "limits"),
    [
        # largest errors of e, c, ds, D at beta = 0.5, 1, 2, three times as much as they are
        (RING, (2e-3, 2e-3, 3e-3, 4e-4)),
        (SYSTEMS["hole"], (2e-3, 4e-3, 3e-3, 4e-4)),
        (("chain", [3], "open", {"U": 8.0, "V": 0.5, "n_up": 2, "n_down": 1}), (5e-4, 4e-3, 1e-3, 2e-4)),
    ],
    ids=["ring", "hole", "open"],
)
def test_a_cooling_reaches_what_all_levels_say(tmp_path, system, limits):
    betas = [0.5, 1.0, 2.0]
    settings = settings_of(system, thermal={"betas": betas})
    path = str(tmp_path / "run.h5")
    assert tasks.run(settings, Team.serial(), path) == 0
    model = build(settings)[1]
    rows = run_file.read_table(path)["rows"]
    assert [row["beta"] for row in rows] == betas
    assert rows[2]["links"] > 2
    for row in rows:
        expected = thermal_row(model, row["beta"])
        names = ("energy", "specific_heat", "entropy", "double_occupancy")
        for name, limit in zip(names, limits, strict=True):
            assert row[name] == pytest.approx(expected[name], abs=limit), name
        assert row["free_energy"] == pytest.approx(expected["free_energy"], abs=limits[2] / row["beta"])
        assert row["local_moment"] == pytest.approx(expected["local_moment"], abs=1.5 * limits[3])


def test_free_electrons_stay_exact(tmp_path):
    settings = settings_of(("chain", [4], "open", {"U": 0.0, "n_up": 2, "n_down": 1}), thermal={"betas": [0.5, 1.5]})
    path = str(tmp_path / "run.h5")
    assert tasks.run(settings, Team.serial(), path) == 0
    for row in run_file.read_table(path)["rows"]:
        expected = thermal_row(build(settings)[1], row["beta"])
        assert row["tdvp_residual"] < 1e-5  # of the soft cut
        assert row["energy"] == pytest.approx(expected["energy"], abs=1e-4)
        assert row["specific_heat"] == pytest.approx(expected["specific_heat"], abs=1e-4)


def test_a_table_of_three_orbitals_sees_one_hop_past_the_third():
    """One class for all else."""
    settings = settings_of(("chain", [3], "open", {"U": 1.0, "n_up": 2, "n_down": 1}))
    lattice, model = build(settings)
    kinds = build_state(settings, lattice, model, 1).wavefunction.second.kinds
    three = next(kind for kind in kinds if kind.units.shape[1] == 12)
    first = {"up": [1, 0, 0], "down": [0, 0, 1]}
    codes = []
    for second in ([0, 0, 1], [0, 1, 0], [1, 0, 0]):
        bits = [*first["up"], *first["down"], *(1 - np.array(second)), *(1 - np.array(first["down"]))]
        codes.append(int(np.dot(bits, 1 << np.arange(12))))
    assert three.units[0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert len({int(three.classes[code]) for code in codes}) == 3
    both = [*first["up"], *first["down"], 1, 1, 0, 0, 1, 1]  # two electrons hop
    assert three.classes[int(np.dot(both, 1 << np.arange(12)))] == three.classes[codes[2]]
    # of either spin: 12 ways past the one in the middle and 16 past an end, besides all else
    assert three.classes.max() + 1 == 1 + 2 * (12 + 16)


def momentum_distribution(model, lattice, beta, q):
    """Return n_k of spin up of all levels from the matrices of c+_i c_j."""
    matrix, states = dense(model)
    energies, vectors = np.linalg.eigh(matrix)
    weights = np.exp(-beta * (energies - energies[0]))
    density = (vectors * (weights / weights.sum())) @ vectors.T
    n, phase = model.n_lattice_sites, lattice.wave_vector(q)
    total = 0.0
    for i in range(n):
        for j in range(n):
            occupied = (states >> j) & 1
            moved = (states ^ (1 << j)) | (1 << i)
            for row in np.flatnonzero(occupied.astype(bool) & ((i == j) | ((states >> i) & 1 == 0))):
                between = int(states[row]) & ((1 << max(i, j)) - (1 << (min(i, j) + 1))) if i != j else 0
                target = int(states[row]) if i == j else int(moved[row])
                place = np.searchsorted(states, target)
                total += (phase[i] * phase[j].conj()).real * (-1) ** between.bit_count() * density[row, place]
    return total / n


@pytest.mark.parametrize("name", ["ring", "hole"])
def test_momentum_distributions_are_those_of_all_levels(tmp_path, name):
    """Of a cooled state from ratios of hops, of a ring from traces."""
    vectors = [[0.0, 0.0], [0.5, 0.0], [1.0, 0.0]]
    settings = settings_of(
        SYSTEMS[name], thermal={"betas": [0.5, 2.0]}, observables={"structure_factor": vectors}
    )
    path = str(tmp_path / "run.h5")
    assert tasks.run(settings, Team.serial(), path) == 0
    lattice, model = build(settings)
    rows = run_file.read_table(path)["rows"]
    assert [row["links"] > 2 for row in rows] == [False, True]
    for row, limit in zip(rows, (2e-4, 1.5e-3), strict=True):
        for q in vectors:
            expected = momentum_distribution(model, lattice, row["beta"], q)
            key = f"{q[0]:g},{q[1]:g}"
            assert row["n_k_up"][key][0] == pytest.approx(expected, abs=limit)
        weights = 1, 2, 1  # of k = 0, +-pi/2, pi: the distribution adds up to the electrons
        for which, number in (("n_k_up", model.n_up), ("n_k_down", model.n_down)):
            found = [row[which][f"{q[0]:g},0"][0] for q in vectors]
            assert np.dot(weights, found) == pytest.approx(number, abs=1e-9)


def test_a_rank_without_chains_measures_hops_of_none():
    settings = settings_of(SYSTEMS["ring"], observables={"structure_factor": [[0.0, 0.0]]})
    state, team = state_of(SYSTEMS["ring"]), Team.serial()
    observables, none = state.observables(settings), np.zeros((0, state.system.n_visible), dtype=np.int8)
    for averages in (state.ring_averages(observables), state.spin_averages(observables)):
        assert averages.measure(none, team.threads).shape == (0, averages.n_columns)


MOMENTS = [
    ((3, 2), {"hopping": [1.0, 0.3], "U": 5.0, "V": 0.7, "mu": 1.3, "field_z": 0.4}),
    ((3, 2), {"hopping": [1.0, 0.3], "U": 5.0, "n_up": 3, "n_down": 2}),
    ((3, 3), {"hopping": [1.0], "U": 4.0, "V": 0.7, "n_up": 2, "n_down": 1, "field_z": 0.4}),
    ((3, 3), {"hopping": [1.0, 0.3], "U": 2.0, "n_up": 7, "n_down": 0}),
]


@pytest.mark.parametrize(("lengths", "model"), MOMENTS, ids=["mu", "frustrated", "repulsion", "holes"])
def test_moments_of_large_sectors_are_those_of_sums(lengths, model):
    from hpc_nqs.hamiltonians import build_model

    model = build_model(lattices.build("square", lengths, "periodic"), kind="hubbard", **model)
    derived, summed = electron_moments.derived_cumulants(model), electron_moments.summed_cumulants(model)
    np.testing.assert_allclose(derived[:3], summed[:3], rtol=1e-10, atol=1e-10)
    assert derived[3] is None


def test_sums_are_moments_of_the_levels():
    model = build(settings_of(SYSTEMS["open"]))[1]
    levels = np.linalg.eigvalsh(dense(model)[0])
    centred = levels - levels.mean()
    second, third, fourth = (np.mean(centred**k) for k in (2, 3, 4))
    expected = levels.mean(), second, third, fourth - 3 * second**2
    np.testing.assert_allclose(electron_moments.summed_cumulants(model), expected, rtol=1e-10)
    assert np.exp(electron_moments.entropy(model)) == pytest.approx(len(levels))


@pytest.mark.parametrize(
    ("wavefunction", "text"),
    [
        ({"kind": "rbm"}, 'wavefunction.kind = "rbm": of electrons allowed is "auto" or "determinant"'),
        ({"slices": 2}, 'wavefunction.slices = 2: of electrons allowed is "auto" or 1'),
        ({"symmetries": ["translation"]}, "layer_exchange always"),
        ({"kind": "determinant", "cluster_size": 4}, "cluster_size = 4"),
    ],
)
def test_what_electrons_cannot_have_is_refused(wavefunction, text):
    with pytest.raises(ValueError, match="wavefunction") as caught:
        state_of(RING, wavefunction=wavefunction)
    assert text in str(caught.value)


def test_sums_over_too_many_spin_orbitals_are_refused():
    settings = settings_of(("chain", [8], "periodic", {"U": 4.0, "n_up": 4, "n_down": 4}))
    (problem,) = validate(settings)
    assert problem == 'sampling.method = "exact_sum": allowed up to 12 spin-orbitals, here are 16'


def test_runs_are_forecast():
    """Samples of layers that know nothing of each other hold as many electrons of either spin."""
    settings = settings_of(RING, sampling={"method": "metropolis", "n_samples": 64, "n_chains": 4})
    assert tasks.forecast(settings)["seconds"] > 0
    assert tasks.plan(settings)["wave function"] == "determinant"
    assert tasks.advice(settings)[1].startswith("With 8 spin-orbitals")


def test_determinants_are_for_electrons():
    tables = {"lattice": {"kind": "chain", "lengths": [4]}, "thermal": {"betas": [1.0]}}
    settings = parse_settings(tables | {"model": {"kind": "heisenberg"}, "wavefunction": {"kind": "determinant"}})
    with pytest.raises(ValueError, match="for electrons"):
        build_state(settings, *build(settings), 1)
