"""One Lanczos step from sums over all configurations and from chains, against H as a matrix."""

import numpy as np
import pytest
from scipy.linalg import eigh

from hpc_nqs.ground_state import lanczos_step
from hpc_nqs.ground_state.lanczos_step import LanczosStep, second_local_energies, step_energies, zero_variance
from hpc_nqs.ground_state.plan import samples_of_lanczos
from hpc_nqs.ground_state.systems import build_ansatz, build_meter
from hpc_nqs.hamiltonians import electron_matrices, matrices
from hpc_nqs.parallel.team import Team
from hpc_nqs.parallel.thread_pool import Threads
from hpc_nqs.sampling.chains import Chains
from hpc_nqs.sampling.enumeration import Enumeration
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.parsing import SettingsError, parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.wavefunctions.wavefunction import log_psi

SERIAL = Team.serial()
RING, OCTAGON, DIMER = ({"kind": "chain", "lengths": [n]} for n in (6, 8, 2))
SQUARE = {"kind": "square", "lengths": [4, 3], "boundary": ["periodic", "open"]}
HEISENBERG, FRUSTRATED = {"kind": "heisenberg"}, {"kind": "heisenberg", "couplings": [1.0, 0.3]}
HUBBARD = {"kind": "hubbard", "U": 4.0, "n_up": 2, "n_down": 2}
KANAMORI = {"kind": "kanamori", "U": 8.0, "J_hund": 2.0, "n_up": 2, "n_down": 2}
# name: (lattice, model, keys of [ground_state], keys of [wavefunction])
STATES = {
    "marshall": (RING, HEISENBERG, {"momentum": "none"}, {}),
    "complex": (OCTAGON, HEISENBERG, {"momentum": [1]}, {"alpha": 4}),
    "unrotated": (OCTAGON, HEISENBERG, {"momentum": [2], "spin_parity": 1}, {"marshall": False}),
    "field": (RING | {"boundary": "open"}, HEISENBERG | {"field_z": 0.4}, {"sz": 1.0}, {}),
    "anisotropic": (OCTAGON, FRUSTRATED | {"anisotropy": 0.5}, {"momentum": "none"}, {"kind": "rbm"}),
    "square": (SQUARE, FRUSTRATED, {"momentum": "none"}, {}),
    "pairs": (OCTAGON, FRUSTRATED, {"momentum": [4]}, {}),
    "transverse": (RING, {"kind": "tfim", "field": 0.7}, {"momentum": "none"}, {}),
    "both_fields": (RING, {"kind": "tfim", "field_z": 0.3}, {"momentum": [0]}, {}),
    "hubbard": (RING, HUBBARD, {"momentum": "none"}, {}),
    "hubbard_momentum": ({"kind": "chain", "lengths": [5]}, HUBBARD | {"n_down": 1, "V": 0.5}, {"momentum": [1]}, {}),
    "kanamori": (DIMER | {"boundary": "open"}, KANAMORI, {}, {}),
}


def state(name, **ground_state):
    lattice, model, sector, wavefunction = STATES[name]
    sections = {"run": {"task": "ground_state", "seed": 3}, "lattice": lattice, "model": model}
    settings = parse_settings(sections | {"wavefunction": wavefunction, "ground_state": sector | ground_state})
    ansatz = build_ansatz(settings, *build(settings), 1)
    stream, params = np.random.default_rng(5), ansatz.wavefunction.params
    ansatz.wavefunction.params = params + 0.1 * stream.standard_normal(len(params))
    return settings, ansatz


def dense(ansatz):
    """Return (configurations, Psi, P H P) in the basis of the state, P onto the configurations with Psi != 0."""
    configurations, model = Enumeration(SERIAL, ansatz.system).configurations[:, 0], ansatz.model
    logarithms = log_psi(ansatz.wavefunction, ansatz.system.moves, configurations)
    places = (configurations > 0) @ (1 << np.arange(configurations.shape[1]))
    to_sparse = electron_matrices.to_sparse if model.of_electrons else matrices.to_sparse
    h = to_sparse(model).toarray()[np.ix_(places, places)]
    seen = np.isfinite(logarithms)
    return configurations, np.exp(logarithms - logarithms.real.max()), np.where(seen[:, None] & seen, h, 0)


def expected_of(psi, h, n_sites):
    """Return the results of the best state of the span of Psi and H Psi, from vectors alone."""
    psi = psi / np.linalg.norm(psi)
    energy = np.vdot(psi, h @ psi).real
    residual = h @ psi - energy * psi
    basis = np.stack([psi, residual / np.linalg.norm(residual)], axis=1)
    better = basis @ eigh(basis.conj().T @ h @ basis)[1][:, 0]
    variances, energies = [], []
    for vector in (psi, better):
        energies.append(np.vdot(vector, h @ vector).real)
        variances.append(np.linalg.norm(h @ vector - energies[-1] * vector) ** 2)
    slope = (energies[1] - energies[0]) / (variances[1] - variances[0])
    found = {"energy_lanczos": energies[1] / n_sites, "variance_lanczos": variances[1] / n_sites}
    found |= {"v_score_lanczos": n_sites * variances[1] / energies[1] ** 2}
    limit = {"energy_extrapolated": (energies[0] - slope * variances[0]) / n_sites}
    far = 1 + 10 * n_sites * variances[0] / energies[0] ** 2
    limit["energy_extrapolated_systematic"] = far * (found["energy_lanczos"] - limit["energy_extrapolated"])
    return found | (limit if variances[1] < variances[0] else {})


def summed(settings, ansatz, images=None):
    """Return the row of a sum over all configurations, or over one of every orbit."""
    sampler = Enumeration(SERIAL, ansatz.system, images)
    samples = sampler.sample(None, ansatz.system, 1, 1, 1.0)
    evaluation = evaluate(samples, ansatz.wavefunction, ansatz.system, SERIAL)
    meter = build_meter(settings, ansatz, sampler, SERIAL)
    return LanczosStep(meter).row([(samples, evaluation)], 1) | {"n_chains": sampler.n_chains}


@pytest.mark.parametrize("name", STATES)
def test_the_step_is_that_of_the_matrix(name):
    settings, ansatz = state(name)
    _, psi, h = dense(ansatz)
    row, expected = summed(settings, ansatz), expected_of(psi, h, ansatz.system.n_sites)
    assert ("energy_extrapolated" in row) == ("energy_extrapolated" in expected)
    for quantity, value in expected.items():
        assert row[quantity] == pytest.approx(value, rel=1e-10, abs=1e-10), quantity
    assert all(value == 0.0 for quantity, value in row.items() if quantity.endswith("_error"))
    assert "lanczos_samples" not in row


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("name", STATES)
def test_local_energies_of_the_square_of_h(name, n_threads, monkeypatch):
    monkeypatch.setattr(lanczos_step, "CONNECTED", 50)  # several pieces of a few configurations
    settings, ansatz = state(name)
    configurations, psi, h = dense(ansatz)
    some = np.flatnonzero(np.abs(psi) > 1e-6 * np.abs(psi).max())
    x = h + 1.7 * np.eye(len(h))
    amplitude = ansatz.wavefunction.amplitude(ansatz.system.moves)
    logarithms = log_psi(ansatz.wavefunction, ansatz.system.moves, configurations)[some]
    first = ((x @ psi) / np.where(psi == 0, 1, psi))[some]
    found = second_local_energies(
        np.ascontiguousarray(configurations[some]), logarithms, first, amplitude, ansatz.system, -1.7,
        Threads(n_threads),
    )
    np.testing.assert_allclose(found, (x @ x @ psi)[some] / psi[some], rtol=1e-8, atol=1e-8)


def test_a_state_of_electrons_has_zeros_where_h_leads():
    """So that the tests above try what becomes of them."""
    _, ansatz = state("hubbard")
    configurations, psi, _ = dense(ansatz)
    places = (configurations > 0) @ (1 << np.arange(configurations.shape[1]))
    h = electron_matrices.to_sparse(ansatz.model).toarray()[np.ix_(places, places)]
    assert np.abs((h @ psi)[psi == 0]).max() > 1e-3


@pytest.mark.parametrize("name", ["complex", "unrotated", "pairs", "transverse", "hubbard"])
def test_one_configuration_of_every_orbit_gives_the_sums_over_all(name):
    settings, ansatz = state(name)
    everything, orbits = (summed(settings, ansatz, images) for images in (None, ansatz.invariance()))
    assert orbits["n_chains"] < everything["n_chains"]
    for quantity in ("energy_lanczos", "variance_lanczos", "energy_extrapolated"):
        assert orbits[quantity] == pytest.approx(everything[quantity], rel=1e-10, abs=1e-11)


def chain_rows(name, n_repeats, n_samples, n_chosen, n_chains=32):
    """Return rows of independent measurements by chains."""
    settings, ansatz = state(name)
    rows = []
    for seed in range(n_repeats):
        chains = Chains(SERIAL, n_chains, seed, ansatz.system.random_configuration)
        amplitude = ansatz.wavefunction.amplitude(ansatz.system.moves)
        chains.warm_up(amplitude, ansatz.system, 50, 1.0)
        batches = []
        for _ in range(2):
            samples = chains.sample(amplitude, ansatz.system, n_samples // (2 * n_chains), 5, 1.0)
            batches.append((samples, evaluate(samples, ansatz.wavefunction, ansatz.system, SERIAL, amplitude)))
        rows.append(LanczosStep(build_meter(settings, ansatz, chains, SERIAL)).row(batches, n_chosen))
    return summed(settings, ansatz), rows


@pytest.mark.parametrize(("name", "n_chains"), [("field", 32), ("transverse", 64), ("hubbard", 32)])
def test_chains_agree_within_errors_that_are_those_of_repetitions(name, n_chains):
    """24 repetitions of a quarter of the samples: means within 5 of their errors, spread known to 15 percent.

    The jackknife error is itself uncertain; the spread is within a factor of 2 of it.
    """
    expected, rows = chain_rows(name, 24, 4096, 1024, n_chains)
    for quantity in ("energy_lanczos", "variance_lanczos", "energy_extrapolated"):
        values, errors = np.array([(row[quantity], row[f"{quantity}_error"]) for row in rows]).T
        spread = values.std(ddof=1)
        assert abs(values.mean() - expected[quantity]) < 5 * spread / np.sqrt(len(rows))
        assert 0.5 < spread / np.sqrt(np.mean(errors**2)) < 2.0
    assert all(0 < row["lanczos_samples"] <= 1024 for row in rows)


def test_means_over_all_samples_lower_the_error():
    """The chosen quarter alone would have twice the error of all, were it not for the control variates."""
    quarter, everything = (np.mean([row["energy_lanczos_error"] for row in chain_rows("transverse", 6, 8192, n, 64)[1]])
                           for n in (2048, 8192))  # fmt: skip
    assert everything < quarter < 1.9 * everything


def test_a_measurement_that_has_to_stop_has_no_results():
    settings, ansatz = state("marshall")
    sampler = Enumeration(SERIAL, ansatz.system)
    samples = sampler.sample(None, ansatz.system, 1, 1, 1.0)
    batches = [(samples, evaluate(samples, ansatz.wavefunction, ansatz.system, SERIAL))]
    looks = iter([False, True])
    assert LanczosStep(build_meter(settings, ansatz, sampler, SERIAL)).row(batches, 1, lambda: next(looks)) is None


def test_the_origin_of_the_moments_does_not_matter():
    """A state of random weights on five levels, its moments around three origins."""
    stream = np.random.default_rng(4)
    levels, weights = stream.standard_normal(5), stream.dirichlet(np.ones(5))
    expected = expected_of(np.sqrt(weights), np.diag(levels), 1)
    moments = np.array([[weights @ (levels - origin) ** k for k in (1, 2, 3, 4)] for origin in (-0.7, 0.0, 1.3)])
    energy, variance, energy_of_step, variance_of_step = step_energies(*moments.T)
    np.testing.assert_allclose(energy + [-0.7, 0.0, 1.3], weights @ levels, rtol=1e-12)
    np.testing.assert_allclose(variance, weights @ (levels - weights @ levels) ** 2, rtol=1e-10)
    np.testing.assert_allclose(energy_of_step + [-0.7, 0.0, 1.3], expected["energy_lanczos"], rtol=1e-10)
    np.testing.assert_allclose(variance_of_step, expected["variance_lanczos"], rtol=1e-9)


def test_a_small_gain_keeps_its_digits():
    """Weight 1e-13 on a level at 1 or -1 beside one at 0: the step ends on the lower of the two."""
    for sign in (1, -1):
        energy, variance, energy_of_step, _ = step_energies(*(np.array([sign**k * 1e-13]) for k in (1, 2, 3, 4)))
        assert variance[0] == pytest.approx(1e-13, rel=1e-10)
        lower = 0.0 if sign == 1 else -1.0
        assert energy_of_step[0] == pytest.approx(lower, abs=1e-24 if sign == 1 else 1e-12)


def test_a_line_that_does_not_fall_has_no_limit():
    found = zero_variance(*np.array([[-1.0, 0.2, -1.1, 0.1], [-1.0, 0.2, -1.1, 0.3], [-1.0, 0.0, -1.0, 0.0]]).T)
    np.testing.assert_allclose(found, [-1.2, np.nan, -1.0])


def test_states_kept_orthogonal_to_others_have_no_step():
    with pytest.raises(SettingsError, match="ground_state.n_samples_lanczos = 64.*allowed is 0"):
        state("marshall", orthogonal_to=["lower.h5"], n_samples_lanczos=64)


def test_more_samples_than_there_are_and_none():
    with pytest.raises(SettingsError, match="ground_state.n_samples_lanczos = 65.*allowed is 0 to 64"):
        state("marshall", n_samples_final=64, n_samples_lanczos=65)
    settings, ansatz = state("marshall", n_samples_final=64, n_samples_lanczos=0)
    assert samples_of_lanczos(settings, ansatz.system) == 0
    settings, ansatz = state("square", n_samples_final=100_000)
    assert samples_of_lanczos(settings, ansatz.system) == 2 * 100_000 // len(ansatz.model.exchange_sites)
