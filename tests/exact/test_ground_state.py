"""Ground and excited states of small systems, summed over all configurations, against diagonalization."""

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.exact import diagonalization as exact
from hpc_nqs.ground_state.ansatz import build_spin_ansatz, sectors_of
from hpc_nqs.ground_state.meter import LevelMeter
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.hilbert.spins import random_spins, spin_system
from hpc_nqs.observables.structure_factors import build_correlations
from hpc_nqs.parallel.team import Team
from hpc_nqs.reconfiguration.equations import assembled
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.sampling.chains import Chains
from hpc_nqs.sampling.enumeration import Enumeration
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.parsing import SettingsError, parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.symmetry.quantum_numbers import IRREPS, Sector, projector
from hpc_nqs.wavefunctions.wavefunction import log_psi

SERIAL = Team.serial()
HEISENBERG, FRUSTRATED, TFIM = {"kind": "heisenberg"}, {"kind": "heisenberg", "couplings": [1.0, 0.3]}, {"kind": "tfim"}
RING, LADDER = {"kind": "chain", "lengths": [6]}, {"kind": "ladder", "lengths": [4, 2]}
SQUARE = {"kind": "square", "lengths": [4, 2], "boundary": ["periodic", "open"]}


def settings_of(lattice, model, wavefunction=None, sampling=None, **ground_state):
    sections = {"run": {"task": "ground_state", "seed": 3}, "lattice": lattice, "model": model}
    sections |= {"wavefunction": wavefunction or {}, "observables": {"structure_factor": [[1, 0]]}}
    return parse_settings(sections | {"sampling": sampling or {}, "ground_state": ground_state})


def ansatz_of(settings, seed=1):
    return build_spin_ansatz(settings, *build(settings), seed=seed)


def vector_of(ansatz):
    """Return (configurations, Psi normalised in the unrotated basis) of a state."""
    configurations = Enumeration(SERIAL, ansatz.system).configurations[:, 0]
    logarithms = log_psi(ansatz.wavefunction, ansatz.system.moves, configurations)
    psi = np.exp(logarithms - logarithms.real.max())
    if ansatz.model.sublattice is not None:
        psi = psi * np.prod(configurations[:, ansatz.model.sublattice < 0], axis=1)
    return configurations, psi / np.linalg.norm(psi)


def index_of(configurations):
    return (configurations > 0) @ (1 << np.arange(configurations.shape[1]))


def shifted(configurations, psi, lattice, direction):
    """Return T Psi, T the translation of all spins by one lattice vector: (T Psi)(s) = Psi(T^{-1} s)."""
    ends = lattice.site_at(lattice.positions + lattice.vectors[direction])  # spin i goes to ends[i]
    moved = np.empty_like(configurations)
    moved[:, ends] = configurations
    result = np.zeros_like(psi)
    place = {index: row for row, index in enumerate(index_of(configurations).tolist())}
    result[[place[index] for index in index_of(moved).tolist()]] = psi
    return result


STATES = {
    "heisenberg": (RING, HEISENBERG, {"momentum": [1]}),
    "marshall_odd": (RING, HEISENBERG, {"momentum": [3], "spin_parity": -1}),
    "unrotated": (RING, HEISENBERG, {"momentum": [2], "spin_parity": 1}, {"marshall": False}),
    "ladder": (LADDER, HEISENBERG, {"momentum": [3, 0], "spin_parity": -1}),
    "magnetized": (RING, HEISENBERG, {"momentum": [5], "sz": 1.0}),
    "tfim": (RING, TFIM, {"momentum": [4], "spin_parity": -1}),
    "pairs": ({"kind": "chain", "lengths": [8]}, FRUSTRATED, {"momentum": [4]}),
}


def state(name):
    lattice, model, sector, *wavefunction = STATES[name]
    settings = settings_of(lattice, model, *wavefunction, **sector)
    return settings, ansatz_of(settings)


@pytest.mark.parametrize("name", STATES)
def test_translations_multiply_a_projected_state_by_its_phase(name):
    settings, ansatz = state(name)
    configurations, psi = vector_of(ansatz)
    part = settings.ground_state
    for direction, k in enumerate(part.momentum):
        if ansatz.lattice.wraps[direction]:
            phase = np.exp(-2j * np.pi * k / ansatz.lattice.grid[direction])
            np.testing.assert_allclose(shifted(configurations, psi, ansatz.lattice, direction), phase * psi, atol=1e-10)
    if part.spin_parity != "auto":
        place = {index: row for row, index in enumerate(index_of(configurations).tolist())}
        flipped = psi[[place[index] for index in index_of(-configurations).tolist()]]
        np.testing.assert_allclose(flipped, part.spin_parity * psi, atol=1e-10)


@pytest.mark.parametrize("name", STATES)
def test_the_energy_is_that_of_the_matrix(name):
    settings, ansatz = state(name)
    configurations, psi = vector_of(ansatz)
    sampler = Enumeration(SERIAL, ansatz.system)
    evaluation = evaluate(sampler.sample(None, ansatz.system, 1, 1, 1.0), ansatz.wavefunction, ansatz.system, SERIAL)
    states = index_of(configurations)
    h = to_sparse(build(settings)[1]).toarray()[np.ix_(states, states)]
    assert evaluation.energy == pytest.approx(np.vdot(psi, h @ psi).real, abs=1e-10)
    np.testing.assert_allclose(evaluation.weights, np.abs(psi) ** 2, atol=1e-12)


SHARED = {
    "shared": (RING, HEISENBERG, {"momentum": "none"}),
    "shared_pairs": ({"kind": "chain", "lengths": [8]}, FRUSTRATED, {"momentum": "none"}),
    "shared_tfim": (RING, TFIM, {"momentum": "none"}),
    "open": (RING | {"boundary": "open"}, HEISENBERG, {}),
}


@pytest.mark.parametrize("name", [*STATES, *SHARED])
def test_one_configuration_of_every_orbit_gives_the_sums_over_all(name):
    lattice, model, sector, *wavefunction = (STATES | SHARED)[name]
    ansatz = ansatz_of(settings_of(lattice, model, *wavefunction, **sector))
    found = []
    for images in (None, ansatz.invariance()):
        sampler = Enumeration(SERIAL, ansatz.system, images)
        samples = sampler.sample(None, ansatz.system, 1, 1, 1.0)
        evaluation = evaluate(samples, ansatz.wavefunction, ansatz.system, SERIAL)
        moments = assembled(evaluation, samples, ansatz.wavefunction, SERIAL).moments()
        found.append((evaluation.energy, *moments, sampler.n_chains))
    (*everything, n_all), (*orbits, n_orbits) = found
    assert n_orbits <= n_all / 2
    for one, other in zip(everything, orbits, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(
    ("lattice", "model", "ground_state", "wavefunction", "momentum"),
    [
        (RING, FRUSTRATED, {}, {}, (3,)),
        ({"kind": "chain", "lengths": [8]}, FRUSTRATED, {}, {}, (0,)),
        ({"kind": "square", "lengths": [4, 4]}, FRUSTRATED, {}, {}, (0, 0)),
        ({"kind": "triangular", "lengths": [4, 3]}, HEISENBERG, {}, {}, (0, 0)),
        (RING, HEISENBERG, {}, {}, (3,)),
        (RING, HEISENBERG, {"sz": 1.0}, {}, (0,)),
        (RING, TFIM, {}, {}, (0,)),
        ({"kind": "chain", "lengths": [32]}, HEISENBERG, {}, {}, None),
        ({"kind": "chain", "lengths": [32]}, TFIM, {}, {}, None),
        (RING, FRUSTRATED, {"momentum": "none"}, {}, None),
        (RING, FRUSTRATED, {"sz": 1.0}, {}, None),
        (RING, FRUSTRATED, {}, {"symmetries": ["translation"]}, None),
        (RING | {"boundary": "open"}, FRUSTRATED, {}, {}, None),
    ],
)
def test_the_default_projection(lattice, model, ground_state, wavefunction, momentum):
    settings = settings_of(lattice, model, wavefunction, **ground_state)
    (sector,) = sectors_of(settings, *build(settings))
    assert sector.momentum == momentum
    ansatz = ansatz_of(settings)
    assert ansatz.order == (1 if momentum is None else ansatz.lattice.n_sites)
    assert "translation" not in ansatz.symmetries or momentum is None or ansatz.word == "pair_rbm"


@pytest.mark.parametrize(
    ("kind", "lengths", "method", "ground_state", "name", "order"),
    [
        ("square", [6, 6], "auto", {}, "A1", 8),
        ("square", [6, 4], "auto", {}, "A1", 4),
        ("honeycomb", [3, 3], "metropolis", {}, "B2", 12),
        ("honeycomb", [4, 3], "metropolis", {}, "A1", 2),
        ("square", [6, 6], "auto", {"point_group": "none"}, None, 1),
        ("square", [4, 4], "auto", {}, None, 16),
        ("square", [6, 6], "auto", {"momentum": [0, 0]}, None, 36),
        ("chain", [32], "auto", {}, None, 1),
    ],
)
def test_the_default_point_group(kind, lengths, method, ground_state, name, order):
    settings = settings_of({"kind": kind, "lengths": lengths}, HEISENBERG, sampling={"method": method}, **ground_state)
    (sector,) = sectors_of(settings, *build(settings))
    ansatz = ansatz_of(settings)
    assert (sector.point_group, ansatz.order) == (name, order)
    assert ("translation" in ansatz.symmetries) == (sector.momentum is None)


@pytest.mark.parametrize("n_sites", [6, 8, 10])
def test_the_default_momentum_is_that_of_the_ground_state(n_sites):
    settings = settings_of({"kind": "chain", "lengths": [n_sites]}, FRUSTRATED)
    lattice, model = build(settings)
    (sector,) = sectors_of(settings, lattice, model)
    levels = exact.diagonalize(model, lattice).sectors
    assert min(levels, key=lambda level: level["energy"])["momentum"] == list(sector.momentum)


def test_the_parity_of_an_even_network_is_shared_and_the_other_one_projected():
    for parity, order in ((-1, 6), (1, 12)):  # singlets of three pairs are odd
        ansatz = ansatz_of(settings_of(RING, HEISENBERG, momentum=[1], spin_parity=parity))
        assert ansatz.order == order and ("spin_flip" in ansatz.symmetries) == (parity == -1)


@pytest.mark.parametrize("name", IRREPS)
def test_representations_of_the_square(name):
    """Characters of C4v on 3x3 sites; the product of two elements has the product of their characters."""
    settings = settings_of({"kind": "square", "lengths": [3, 3], "boundary": "open"}, TFIM)
    lattice, model = build(settings)
    images, coefficients = projector(Sector(point_group=name), lattice, model, None)
    assert len(images) == 8
    assert np.all(images.signs > 0)
    places = {image.tobytes(): number for number, image in enumerate(images.sources)}
    for g, chi in zip(images.sources, coefficients, strict=True):
        for h, other in zip(images.sources, coefficients, strict=True):
            assert coefficients[places[np.ascontiguousarray(h[g]).tobytes()]] == chi * other
    centre = lattice.positions - lattice.positions.mean(axis=0)
    quarter = lattice.site_at(centre @ np.array([[0.0, -1.0], [1.0, 0.0]]).T + lattice.positions.mean(axis=0))
    mirror = lattice.site_at(centre * np.array([1.0, -1.0]) + lattice.positions.mean(axis=0))
    for image, sign in zip((quarter, mirror), IRREPS[name], strict=True):
        assert coefficients[places[image.tobytes()]] == sign


LEVELS = {
    "ring": (RING, HEISENBERG, {}),
    "shared": (RING, HEISENBERG, {"momentum": "none"}),
    "first_momentum": (RING, HEISENBERG, {"momentum": [1], "spin_parity": -1}),
    "second_momentum": (RING, HEISENBERG, {"momentum": [4], "spin_parity": 1}),
    "zero_momentum": (RING, HEISENBERG, {"momentum": [0], "spin_parity": 1}),
    "magnetized": (RING, HEISENBERG, {"sz": 1.0}),
    "ladder": (LADDER, HEISENBERG, {"momentum": [2, 0], "spin_parity": -1}),
    "square": (SQUARE, HEISENBERG, {"spin_parity": 1, "momentum": [0, 0]}),
    "tfim": (RING, TFIM, {}),
    "tfim_odd": (RING, TFIM, {"momentum": [1], "spin_parity": -1}),
    "frustrated": ({"kind": "chain", "lengths": [8]}, FRUSTRATED, {"momentum": [0]}),
    "projected_late": ({"kind": "chain", "lengths": [8]}, FRUSTRATED, {"momentum": [0], "project_after": 20}),
    "frustrated_excited": ({"kind": "chain", "lengths": [8]}, FRUSTRATED, {"momentum": [4]}),
}


def lowest(settings, momentum=None, spin_parity=None, sz=0.0):
    """Return the lowest exact energy per site of a sector."""
    lattice, model = build(settings)
    sectors = exact.diagonalize(model, lattice).sectors
    return min(
        sector["energy"]
        for sector in sectors
        if (momentum is None or sector["momentum"] == momentum)
        and (spin_parity is None or sector["spin_parity"] == spin_parity)
        and (sector["sz"] in (None, sz))
    ) / lattice.n_sites


@pytest.mark.parametrize("name", LEVELS)
def test_the_lowest_level_of_a_sector(name, tmp_path):
    """The exact energy, from above, and the quantum numbers that `exact` gives to it."""
    lattice, model, sector = LEVELS[name]
    settings = settings_of(lattice, model, n_steps=400, **sector)
    path = str(tmp_path / "run.h5")
    assert tasks.run(settings, SERIAL, path) == 0
    (row,) = checkpoint.read_table(path)["rows"]
    sector = {name: value for name, value in sector.items() if name != "project_after" and value != "none"}
    energy = lowest(settings, **sector)
    assert row["energy"] == pytest.approx(energy, rel=1e-5)
    assert row["energy"] >= energy - 1e-11
    assert row["v_score"] < 1e-4
    for quantum_number, value in sector.items():
        assert row[quantum_number] == value


def test_what_is_measured_is_what_the_vector_says():
    settings = settings_of(RING, HEISENBERG, {"alpha": 4}, momentum=[1])
    ansatz = ansatz_of(settings)
    sampler = Enumeration(SERIAL, ansatz.system)
    meter = LevelMeter(ansatz, build_correlations(settings, ansatz.lattice, ansatz.model), sampler, SERIAL)
    samples = sampler.sample(None, ansatz.system, 1, 1, 1.0)
    row = meter.report([(samples, evaluate(samples, ansatz.wavefunction, ansatz.system, SERIAL))])
    configurations, psi = vector_of(ansatz)
    weights, sz, sites = np.abs(psi) ** 2, configurations / 2, np.arange(6)
    states = index_of(configurations)
    h = to_sparse(build(settings)[1]).toarray()[np.ix_(states, states)]
    energy = np.vdot(psi, h @ psi).real
    variance = np.vdot(h @ psi, h @ psi).real - energy**2

    def structure_factor(q):
        return weights @ np.abs(sz @ np.exp(1j * q * sites)) ** 2 / 6

    dimers = sz * np.roll(sz, -1, axis=1) @ (-1.0) ** sites
    near = 0.5 * (structure_factor(np.pi + np.pi / 3) + structure_factor(np.pi - np.pi / 3))
    assert row["energy"] == pytest.approx(energy / 6)
    assert row["variance"] == pytest.approx(variance / 6)
    assert row["v_score"] == pytest.approx(6 * variance / energy**2)
    assert row["structure_factor"]["1,0"][0] == pytest.approx(structure_factor(np.pi))
    assert row["correlation_ratio"]["1,0"][0] == pytest.approx(1 - near / structure_factor(np.pi))
    assert row["dimer_structure_factor"]["1,0"][0] == pytest.approx(weights @ dimers**2 / 6)
    assert row["bond_energy"]["1"][0] == pytest.approx(energy / 6)


@pytest.mark.parametrize("name", ["marshall_odd", "tfim", "pairs"])
def test_chains_sample_the_projected_state(name):
    """The mean energy of chains agrees with the sum over all configurations within 5 errors (false alarm 6e-7)."""
    settings, ansatz = state(name)
    every = Enumeration(SERIAL, ansatz.system).sample(None, ansatz.system, 1, 1, 1.0)
    expected = evaluate(every, ansatz.wavefunction, ansatz.system, SERIAL).energy
    chains = Chains(SERIAL, 64, 11, lambda stream: random_spins(ansatz.system, stream))
    amplitude = ansatz.wavefunction.amplitude(ansatz.system.moves)
    chains.warm_up(amplitude, ansatz.system, 50, 1.0)
    samples = chains.sample(amplitude, ansatz.system, 100, 2, 1.0)
    evaluation = evaluate(samples, ansatz.wavefunction, ansatz.system, SERIAL)
    meter = LevelMeter(ansatz, build_correlations(settings, ansatz.lattice, ansatz.model), chains, SERIAL)
    summary = meter.summarize(samples, evaluation)
    error = summary["energy_error"] * ansatz.system.n_sites
    assert 0 < error < 0.1 * abs(expected) + 0.1
    assert abs(evaluation.energy - expected) < 5 * error


@pytest.mark.parametrize(
    ("lattice", "model", "ground_state", "wavefunction", "words"),
    [
        (RING, TFIM, {"sz": 1.0}, {}, "ground_state.sz"),
        (RING, HEISENBERG, {"sz": 0.5}, {}, "ground_state.sz"),
        (RING, HEISENBERG, {"sz": 1.0, "spin_parity": 1}, {}, "ground_state.spin_parity"),
        (RING | {"boundary": "open"}, HEISENBERG, {"momentum": [0]}, {}, "ground_state.momentum"),
        (LADDER, HEISENBERG, {"momentum": [0, 1]}, {}, "direction 2"),
        (RING, HEISENBERG, {"momentum": [1], "point_group": "B1"}, {}, "A1 always exists"),
        (RING, HEISENBERG, {"momentum": [1]}, {"symmetries": ["translation"]}, "either shared or projected"),
        (RING, HEISENBERG, {"momentum": [1]}, {"kind": "pair_rbm"}, "momenta 0 or pi"),
        (RING, HEISENBERG, {"momentum": [1]}, {"parameters": "real"}, "complex"),
    ],
)
def test_sectors_that_do_not_exist_are_refused(lattice, model, ground_state, wavefunction, words, tmp_path):
    settings = settings_of(lattice, model, wavefunction, **ground_state)
    with pytest.raises(SettingsError, match=words):
        tasks.run(settings, SERIAL, str(tmp_path / "run.h5"))
    assert not list(tmp_path.iterdir())


def test_configurations_of_a_sector():
    model = build(settings_of(RING, HEISENBERG))[1]
    system = spin_system(model, 1.0)
    configurations = Enumeration(SERIAL, system).configurations[:, 0]
    assert len(configurations) == 15 and np.all(configurations.sum(axis=1) == 2)
    assert random_spins(system, np.random.default_rng(0)).sum() == 2
