"""Ground states of electrons on small clusters, summed over all configurations, against diagonalization."""

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.exact.table import sector_rows, thermal_rows
from hpc_nqs.ground_state.electron_ansatz import build_electron_ansatz, point_representations
from hpc_nqs.ground_state.first_steps import first_steps, velocity_of_step
from hpc_nqs.ground_state.mean_field import likely_momentum, one_electron_matrix
from hpc_nqs.ground_state.plan import regularization_of
from hpc_nqs.ground_state.systems import build_meter
from hpc_nqs.hamiltonians.electron_matrices import to_sparse
from hpc_nqs.parallel.team import Team
from hpc_nqs.runs import run_file
from hpc_nqs.sampling.chains import Chains
from hpc_nqs.sampling.enumeration import Enumeration
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.not_available import refuse_runs
from hpc_nqs.settings.parsing import SettingsError, parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.wavefunctions.wavefunction import log_psi

SERIAL = Team.serial()
RING, OPEN = {"kind": "chain", "lengths": [4]}, {"kind": "square", "lengths": [3, 2], "boundary": ["open", "open"]}
DIMER = {"kind": "chain", "lengths": [2], "boundary": "open"}


def settings_of(lattice, n_up, n_down, kind="hubbard", options=None, wavefunction=None, sampling=None, **ground_state):
    model = {"kind": kind, "U": 4.0, "n_up": n_up, "n_down": n_down} | (options or {})
    sections = {"run": {"task": "ground_state", "seed": 3}, "lattice": lattice, "model": model}
    sections |= {"wavefunction": wavefunction or {}, "sampling": sampling or {}, "ground_state": ground_state}
    return parse_settings(sections)


def ansatz_of(settings, seed=1):
    """Return a state away from its start: every factor counts."""
    ansatz = build_electron_ansatz(settings, *build(settings), seed)
    stream, params = np.random.default_rng(seed), ansatz.wavefunction.params
    size = np.where(np.arange(len(params)) < ansatz.wavefunction.first.n_params, 0.2, 0.03)
    ansatz.wavefunction.params = params + size * stream.standard_normal(len(params))
    return ansatz


def row_of(settings, path):
    assert tasks.run(settings, SERIAL, str(path)) == 0
    return run_file.read_table(str(path))["rows"][0]


# name: (lattice, electrons up, down, model, other keys, largest relative error of e)
CLUSTERS = {
    "ring": (RING, 2, 2, "hubbard", {}, 1e-6),
    "hole": (RING, 2, 1, "hubbard", {"U": 8.0}, 1e-6),
    "more_down": (RING, 1, 2, "hubbard", {"hopping": [1.0, 0.3], "V": 1.0}, 1e-6),
    "one_spin": (RING, 2, 0, "hubbard", {}, 1e-6),
    "attractive": (RING, 2, 2, "hubbard", {"U": -4.0}, 1e-6),
    "field": (RING, 2, 2, "hubbard", {"field_z": 0.5}, 1e-6),
    "triplet": ({"kind": "chain", "lengths": [6]}, 2, 2, "hubbard", {"U": 8.0}, 1e-6),
    "open_chain": ({"kind": "chain", "lengths": [5], "boundary": "open"}, 2, 2, "hubbard", {}, 1e-5),
    "kanamori": (DIMER, 2, 2, "kanamori", {"U": 8.0, "J_hund": 2.0}, 5e-4),
    "kanamori_hole": (DIMER, 2, 1, "kanamori", {"U": 8.0, "J_hund": 2.0}, 1e-4),
}


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_search_finds_the_lowest_level_of_all(name, tmp_path):
    lattice, n_up, n_down, kind, options, tolerance = CLUSTERS[name]
    settings = settings_of(lattice, n_up, n_down, kind, options, n_steps=150)
    row, levels = row_of(settings, tmp_path / "run.h5"), sector_rows(settings)[1]
    assert (row["energy"] - levels[0]["energy"]) / abs(levels[0]["energy"]) < tolerance
    assert row["energy"] > levels[0]["energy"] - 1e-10
    degenerate = [level for level in levels if level["energy"] < levels[0]["energy"] + 1e-4]
    if row.get("momentum"):
        assert row["momentum"][:1] in [level["momentum"][:1] for level in degenerate]
    if row.get("spin_parity"):
        assert row["spin_parity"] in [level["spin_parity"] for level in degenerate]


@pytest.mark.parametrize(("momentum", "parity"), [([0], 1), ([1], 1), ([2], 1), ([0], -1), ([1], -1), ([2], -1)])
def test_every_sector_has_its_own_lowest_level(momentum, parity, tmp_path):
    settings = settings_of(RING, 2, 2, momentum=momentum, spin_parity=parity, n_steps=120)
    levels = [level for level in sector_rows(settings)[1] if level["spin_parity"] == parity]
    (wanted,) = [level["energy"] for level in levels if level["momentum"][0] == momentum[0]]
    assert levels_of_sector(settings)[0] == pytest.approx(wanted, abs=1e-10)
    assert row_of(settings, tmp_path / "run.h5")["energy"] == pytest.approx(wanted, abs=1e-6)


def test_the_next_level_of_a_sector(tmp_path):
    """Orthogonal to the lowest one, in the block of momentum pi and even spin parity: a quintet of energy 0."""
    first, sector = tmp_path / "first.h5", {"momentum": [2], "spin_parity": 1, "n_steps": 150}
    row_of(settings_of(RING, 2, 2, **sector), first)
    second = settings_of(RING, 2, 2, orthogonal_to=[str(first)], penalty=8.0, **sector)
    row = row_of(second, tmp_path / "second.h5")
    assert row["overlap"] < 1e-4
    levels = levels_of_sector(second)
    assert levels[1] == pytest.approx(0.0, abs=1e-12)
    assert row["energy"] == pytest.approx(levels[1], abs=1e-4)


def levels_of_sector(settings):
    """Return the energies per site of all levels with the momentum and the spin parity of the settings.

    H plus a small multiple of the translation and of the exchange of spins, as matrices of Fock space, tells them.
    """
    ansatz = build_electron_ansatz(settings, *build(settings), 1)
    configurations, h = dense(ansatz)
    model, m = ansatz.model, ansatz.model.n_levels
    turn = permuted(configurations, model.on_units(ansatz.lattice.translated(np.eye(len(ansatz.lattice.grid))[0]))[0])
    exchange = permuted(configurations, np.roll(np.arange(2 * m), m)) * (-1) ** model.n_down
    energies, vectors = np.linalg.eigh(h + 1e-3 * (turn + turn.T) + 1e-4 * exchange)
    part, found = settings.ground_state, []
    for vector in vectors.T:
        cosine = np.cos(2 * np.pi * part.momentum[0] / ansatz.lattice.grid[0])
        if vector @ turn @ vector > cosine - 1e-6 and vector @ turn @ vector < cosine + 1e-6:
            if vector @ exchange @ vector * part.spin_parity > 0.999:
                found.append(vector @ h @ vector / ansatz.system.n_sites)
    return sorted(found)


def permuted(configurations, sources):
    """Return the matrix of the operator that moves c+ at unit sources[i] to unit i, with the signs of their order."""
    place = {row.tobytes(): k for k, row in enumerate(configurations)}
    ends, matrix = np.argsort(sources), np.zeros((len(configurations),) * 2)
    for k, visible in enumerate(configurations):
        units = ends[np.flatnonzero(visible > 0)]
        swaps = sum(a > b for i, a in enumerate(units.tolist()) for b in units[i + 1 :].tolist())
        matrix[place[np.ascontiguousarray(visible[sources]).tobytes()], k] = (-1) ** swaps
    return matrix


def dense(ansatz):
    """Return (configurations, H) of all states with these numbers of electrons."""
    configurations = Enumeration(SERIAL, ansatz.system).configurations[:, 0]
    places = (configurations > 0) @ (1 << np.arange(configurations.shape[1]))
    return configurations, to_sparse(ansatz.model).toarray()[np.ix_(places, places)]


# name: (lattice, up, down, model, options, keys of [ground_state])
STATES = {
    "projected": (RING, 2, 2, "hubbard", {}, {"momentum": [2]}),
    "two_momenta": ({"kind": "chain", "lengths": [5]}, 2, 1, "hubbard", {"V": 0.5}, {"momentum": [1]}),
    "shared": (RING, 2, 2, "hubbard", {}, {"momentum": "none"}),
    "triplet": (RING, 2, 2, "hubbard", {}, {"momentum": [1], "spin_parity": -1}),
    "reflected": (OPEN, 2, 1, "hubbard", {}, {"point_group": "B1"}),
    "orbitals": (DIMER, 2, 1, "kanamori", {"U": 8.0, "J_hund": 2.0}, {}),
}


@pytest.mark.parametrize("name", STATES)
def test_energy_and_observables_are_those_of_the_vector(name):
    lattice, n_up, n_down, kind, options, sector = STATES[name]
    settings = settings_of(lattice, n_up, n_down, kind, options, **sector)
    ansatz = ansatz_of(settings)
    configurations, h = dense(ansatz)
    logarithms = log_psi(ansatz.wavefunction, ansatz.system.moves, configurations)
    psi = np.exp(logarithms - logarithms.real.max()).real
    psi /= np.linalg.norm(psi)
    sampler = Enumeration(SERIAL, ansatz.system, ansatz.invariance())  # orbits give the sums over all
    samples = sampler.sample(None, ansatz.system, 1, 1, 1.0)
    row = build_meter(settings, ansatz, sampler, SERIAL).report(
        [(samples, evaluate(samples, ansatz.wavefunction, ansatz.system, SERIAL))]
    )
    n, energy = ansatz.system.n_sites, psi @ h @ psi
    assert row["energy"] == pytest.approx(energy / n, abs=1e-10)
    assert row["variance"] == pytest.approx((psi @ h @ h @ psi - energy**2) / n, abs=1e-9)
    m = ansatz.model.n_levels
    occupied = configurations > 0
    double = np.sum(occupied[:, :m] & occupied[:, m:], axis=1)
    assert row["double_occupancy"] == pytest.approx(psi**2 @ double / n, abs=1e-10)


def test_observables_of_a_ground_state_are_those_of_all_levels_at_a_low_temperature(tmp_path):
    """S(q), charge structure factor, n(k), double occupancy and moment of the 6-site ring at beta = 200."""
    lattice = {"kind": "chain", "lengths": [6]}
    tables = settings_of(lattice, 3, 3, n_steps=150).to_dict()
    tables["observables"] = {"structure_factor": [[1, 0], [1 / 3, 0]]}
    tables["ground_state"]["n_steps"] = 400
    settings = parse_settings(tables)
    row, exact = row_of(settings, tmp_path / "run.h5"), thermal_rows(settings, [200.0])[1][0]
    for name in ("energy", "double_occupancy", "local_moment"):
        assert row[name] == pytest.approx(exact[name], abs=1e-4)
    for name in ("structure_factor", "charge_structure_factor", "n_k_up", "n_k_down"):
        assert row[name].keys() == exact[name].keys() and len(row[name]) == 2
        for key, (value, _) in row[name].items():
            assert value == pytest.approx(exact[name][key][0], abs=3e-4)


@pytest.mark.parametrize("name", ["projected", "two_momenta", "orbitals"])
def test_chains_sample_the_state(name):
    """The energies and double occupancies of chains are those of sums within 5 errors (false alarm 6e-7 each)."""
    lattice, n_up, n_down, kind, options, sector = STATES[name]
    settings = settings_of(lattice, n_up, n_down, kind, options, **sector)
    ansatz, rows = ansatz_of(settings), []
    amplitude = ansatz.wavefunction.amplitude(ansatz.system.moves)
    chains = Chains(SERIAL, 64, 11, ansatz.system.random_configuration)
    chains.warm_up(amplitude, ansatz.system, 50, 1.0)
    for sampler in (Enumeration(SERIAL, ansatz.system), chains):
        samples = sampler.sample(amplitude, ansatz.system, 1 if sampler.is_exact else 200, 2, 1.0)
        evaluation = evaluate(samples, ansatz.wavefunction, ansatz.system, SERIAL)
        rows.append(build_meter(settings, ansatz, sampler, SERIAL).report([(samples, evaluation)]))
    for quantity in ("energy", "double_occupancy", "local_moment"):
        error = rows[1][f"{quantity}_error"]
        assert 0 < error < 0.2
        assert abs(rows[1][quantity] - rows[0][quantity]) < 5 * error


@pytest.mark.parametrize("number", [0, 1])
def test_the_first_steps_move_the_determinants_alone(number):
    """Of five steps one; its velocity is that of a state whose other factors are fixed."""
    settings = settings_of(RING, 2, 2, momentum=[2])
    ansatz = ansatz_of(settings)
    samples = Enumeration(SERIAL, ansatz.system).sample(None, ansatz.system, 1, 1, 1.0)
    evaluation = evaluate(samples, ansatz.wavefunction, ansatz.system, SERIAL)
    regularization = regularization_of(settings, ansatz, 1e-6, 36)
    found = velocity_of_step(number, 5, ansatz, evaluation, samples, regularization, SERIAL, None)
    n_pairs = ansatz.wavefunction.first.n_params
    assert (first_steps(5), first_steps(12), first_steps(500)) == (1, 2, 40)
    assert np.any(found.x[:n_pairs]) and np.any(found.x[n_pairs:]) == (number == 1)
    energy, step, params = evaluation.energy, 1e-4, ansatz.wavefunction.params
    ansatz.wavefunction.params = params + step * found.x
    moved = evaluate(samples, ansatz.wavefunction, ansatz.system, SERIAL)
    assert (moved.energy - energy) / step == pytest.approx(-2 * found.power, rel=2e-2)
    assert found.metric(found.x) == pytest.approx(found.speed)


@pytest.mark.parametrize(
    ("lattice", "n_up", "n_down"),
    [
        (RING, 2, 2),
        ({"kind": "chain", "lengths": [6]}, 3, 3),
        ({"kind": "chain", "lengths": [6]}, 2, 1),
        ({"kind": "chain", "lengths": [6]}, 1, 1),
        ({"kind": "square", "lengths": [4, 2]}, 4, 4),
        ({"kind": "chain", "lengths": [5]}, 3, 3),
    ],
)
def test_the_likely_momentum_is_that_of_the_lowest_level(lattice, n_up, n_down):
    """At half filling of bipartite lattices and for closed shells; for open ones zero is a guess."""
    settings = settings_of(lattice, n_up, n_down)
    lattice, model = build(settings)
    levels = np.linalg.eigvalsh(one_electron_matrix(model))
    gaps = [levels[n] - levels[n - 1] for n in (n_up, n_down)]
    if min(gaps) < 1e-6 and 2 * n_up != lattice.n_sites:
        assert not any(likely_momentum(lattice, model))
        return
    lowest = sector_rows(settings)[1][0]
    assert list(likely_momentum(lattice, model)) == lowest["momentum"][: len(lattice.lengths)]


def test_open_clusters_have_representations_of_their_point_group():
    assert point_representations(*build(settings_of(OPEN, 3, 3))) == ["A1", "A2", "B1", "B2"]
    assert point_representations(*build(settings_of(DIMER, 1, 1))) != []


@pytest.mark.parametrize(
    ("n_up", "n_down", "wavefunction", "ground_state", "words"),
    [
        (2, 1, {}, {"spin_parity": 1}, "ground_state.spin_parity"),
        (2, 1, {"symmetries": ["spin_flip"]}, {}, "spin_flip"),
        (0, 0, {}, {}, "at least one electron"),
        (4, 4, {}, {"momentum": [1]}, "there is no state"),
    ],
)
def test_what_does_not_exist_is_refused(n_up, n_down, wavefunction, ground_state, words, tmp_path):
    settings = settings_of(RING, n_up, n_down, wavefunction=wavefunction, **ground_state)
    with pytest.raises(SettingsError, match=words):
        tasks.run(settings, SERIAL, str(tmp_path / "run.h5"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("section", "key", "value", "words"),
    [
        ("wavefunction", "kind", "rbm", "no signs of electrons"),
        ("wavefunction", "parameters", "complex", "determinants are real"),
        ("wavefunction", "cluster_size", 2, "pairs of orbitals"),
        ("ground_state", "sz", 0.0, "n_up and n_down"),
    ],
)
def test_options_that_electrons_do_not_have_are_refused(section, key, value, words):
    tables = {"run": {"task": "ground_state"}, "lattice": RING, "model": {"kind": "hubbard", "n_up": 2, "n_down": 2}}
    with pytest.raises(SettingsError, match=words):
        parse_settings(tables | {section: {key: value}})


def test_a_chemical_potential_is_refused():
    tables = {"run": {"task": "ground_state"}, "lattice": RING, "model": {"kind": "hubbard", "mu": 1.0}}
    with pytest.raises(ValueError, match="give n_up and n_down"):
        refuse_runs(parse_settings(tables))


def test_exchange_between_cells_runs(tmp_path):
    """Pairs of hops between sites: spin flips and pair hopping of neighbours."""
    options = {"exchanges": [[1, 0, 0, 0, 0.7]]}
    settings = settings_of(RING, 2, 2, options=options, n_steps=120)
    row, levels = row_of(settings, tmp_path / "run.h5"), sector_rows(settings)[1]
    assert row["energy"] == pytest.approx(levels[0]["energy"], rel=1e-4)
