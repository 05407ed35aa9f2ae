"""Variational deep units: every average over bra and ket copies against the dense purified state, by enumeration."""

import dataclasses

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.exact import diagonalization as exact
from hpc_nqs.hamiltonians import build_model
from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.lattices import lattice
from hpc_nqs.parallel.team import Team
from hpc_nqs.path_integral.trotter import network_of, trotter_product
from hpc_nqs.reconfiguration.equations import assembled
from hpc_nqs.reconfiguration.solvers import Regularization
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.runs.computation import DONE
from hpc_nqs.sampling.enumeration import Enumeration
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.deep import ring_evaluation, ring_moments
from hpc_nqs.thermal.deep.ansatz import build_deep_state
from hpc_nqs.thermal.deep.ket_bra_chains import PairSamples
from hpc_nqs.thermal.deep.summed_evolution import SummedEvolution
from hpc_nqs.thermal.deep.unit_columns import joined, shared_entries, with_reach, without_bell_pairs
from hpc_nqs.thermal.deep.unit_sum import DeepSum, bits_of
from hpc_nqs.thermal.evolution import StepControl
from hpc_nqs.wavefunctions.variational_dbm import VariationalDBM
from hpc_nqs.wavefunctions.wavefunction import log_derivs, log_psi

SERIAL = Team.serial()
REGULARIZATION = Regularization("dense", 1e-10, 0.0, 1e-8)
CONTROL = StepControl(tolerance=1e-3, max_dtau=0.1, max_growth=0.2, clock="time")
TFIM, HEISENBERG = {"kind": "tfim"}, {"kind": "heisenberg"}
CASES = {  # sites, model, wave function, method of sampling
    "tfim": (3, TFIM, {}),
    "tfim_3_slices": (2, TFIM, {"slices": 3}),
    "tfim_field_z": (3, TFIM | {"field_z": 0.3, "coupling": -0.8}, {"symmetries": []}),
    "tfim_complex": (3, TFIM, {"parameters": "complex"}),
    "tfim_complex_4": (4, TFIM, {"parameters": "complex", "slices": 2}),
    "heisenberg": (4, HEISENBERG, {"slices": 1}),
    "heisenberg_complex": (3, HEISENBERG | {"field_z": 0.3}, {"slices": 1, "parameters": "complex", "symmetries": []}),
}
SAMPLED = [case for case in CASES if case.startswith("tfim")]


def ansatz_of(case, method="exact_sum", noise=0.15):
    """Return the `ThermalState` of a case with random parameters near those of the Trotter network."""
    n_sites, model, wavefunction = CASES[case]
    boundary = "open" if n_sites == 2 else "periodic"
    sections = {"lattice": {"kind": "chain", "lengths": [n_sites], "boundary": boundary}, "model": model}
    sections |= {"wavefunction": {"kind": "dbm"} | wavefunction, "sampling": {"method": method}}
    settings = parse_settings(sections | {"thermal": {"betas": [1.0], "beta_0": 0.6}})
    ansatz, stream = build_deep_state(settings, *build(settings)), np.random.default_rng(3)
    network = ansatz.wavefunction
    network.params = network.params + noise * stream.standard_normal(network.n_params)
    if network.is_complex:
        network.params = network.params + 1j * noise * stream.standard_normal(network.n_params)
    return ansatz


def dense_averages(ansatz):
    """Return {name: value} of averages in the dense state, with d Psi from central differences."""
    network, model, n = ansatz.wavefunction, ansatz.model, ansatz.model.n_sites
    params, step = network.params.copy(), 1e-6
    psi, d_psi = network.dbm.amplitudes(), []
    for k in range(network.n_params):
        ends = []
        for sign in (1, -1):
            network.params = params.copy()
            network.params[k] += sign * step
            ends.append(network.dbm.amplitudes())
        d_psi.append((ends[0] - ends[1]) / (2 * step))
    network.params = params
    hamiltonian = to_sparse(model).toarray()
    state = psi.reshape(2**n, 2**n)  # ancilla spins, physical spins
    flip = slice(None, None, -1) if model.conserves_sz else slice(None)
    layers = (hamiltonian @ state.T).T, (hamiltonian @ state[flip])[flip]
    norm = np.vdot(psi, psi).real
    energies = [np.vdot(state, layer).real / norm for layer in layers]
    energy = np.mean(energies)
    d_psi = np.array(d_psi)
    tangent = d_psi - np.outer(d_psi @ psi.conj(), psi) / norm
    excess = (0.5 * (layers[0] + layers[1]) - energy * state).ravel()
    return {
        "energies": energies,
        "energy": energy,
        "s": tangent.conj() @ tangent.T / norm,
        "force": tangent.conj() @ excess / norm,
        "variance": np.vdot(excess, excess).real / norm,
        "squares": np.mean([np.vdot(layer, layer).real for layer in layers]) / norm,
        "norm": norm,
    }


def all_pairs(ansatz):
    """Return every (visible, ket, bra) once, as samples."""
    dbm = ansatz.wavefunction.dbm
    n = dbm.n_visible + 2 * dbm.n_deep
    spins = (2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1) - 1).astype(np.int8)
    visible, ket, bra = np.split(spins, [dbm.n_visible, dbm.n_visible + dbm.n_deep], axis=1)
    links = np.stack([np.concatenate([visible, deep_units], axis=1) for deep_units in (ket, bra)], axis=1)
    return PairSamples(np.ascontiguousarray(links[:, None]), 0, 0.0)


def summed(ansatz):
    """Return the `SummedEvolution` of an ansatz, its samples and evaluation."""
    evolution = SummedEvolution(ansatz, REGULARIZATION, CONTROL, SERIAL)
    samples = Enumeration(SERIAL, ansatz.system).sample(None, None, 1, 1, 1.0)
    return evolution, samples, evolution.evaluate(samples)


def close(found, wanted, tolerance=1e-7):
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


@pytest.mark.parametrize("case", CASES)
def test_summed_deep_units_give_the_dense_averages(case):
    ansatz = ansatz_of(case)
    wanted = dense_averages(ansatz)
    real = not ansatz.wavefunction.is_complex
    evolution, samples, evaluation = summed(ansatz)
    s_matrix, force, variance = assembled(evaluation, samples, ansatz.wavefunction, SERIAL).moments()
    close(evaluation.weights @ evaluation.energies.real, wanted["energies"], 1e-10)
    close(s_matrix, wanted["s"].real if real else wanted["s"])
    close(force, wanted["force"].real if real else wanted["force"])
    assert variance == pytest.approx(wanted["variance"], rel=1e-8)


@pytest.mark.parametrize("case", ["tfim", "tfim_complex", "heisenberg"])
def test_a_step_is_the_one_of_the_dense_state(case):
    ansatz = ansatz_of(case)
    wanted = dense_averages(ansatz)
    s_matrix, force = wanted["s"], wanted["force"]
    if not ansatz.wavefunction.is_complex:
        s_matrix, force = s_matrix.real, force.real
    evolution, samples, evaluation = summed(ansatz)
    found = evolution.velocity(samples, evaluation)
    values, vectors = np.linalg.eigh(s_matrix)
    kept = values > 1e-6 * values[-1]
    ours, theirs = vectors[:, kept].conj().T @ found.x, -(vectors[:, kept].conj().T @ force) / values[kept]
    close(ours, theirs, 1e-4)
    assert found.power == pytest.approx(-np.vdot(force, found.x).real)
    # dE/dtau = -2 power: the energy of the dense state after a small step
    before, dtau = wanted["energy"], 1e-6
    ansatz.wavefunction.params = ansatz.wavefunction.params + dtau * found.x
    assert dense_averages(ansatz)["energy"] - before == pytest.approx(-2 * dtau * found.power, rel=2e-3)


@pytest.mark.parametrize("case", SAMPLED)
def test_bra_and_ket_copies_give_the_dense_averages(case):
    ansatz = ansatz_of(case, "metropolis")
    wanted, samples = dense_averages(ansatz), all_pairs(ansatz)
    real = not ansatz.wavefunction.is_complex
    evaluation = ring_evaluation.evaluate_rings(samples, ansatz.wavefunction, ansatz.system, SERIAL)
    assembled = ring_moments.assemble(evaluation, samples, ansatz.wavefunction, SERIAL)[0]
    s_matrix, spread, force, variance = assembled.moments()
    assert evaluation.energy == pytest.approx(wanted["energy"], rel=1e-10)
    close(s_matrix, wanted["s"].real if real else wanted["s"])
    close(force, wanted["force"].real if real else wanted["force"])
    assert variance == pytest.approx(wanted["variance"], rel=1e-8)
    _, squares = evaluation.layer_energies()
    found = evaluation.weights @ evaluation.per_ring(squares) / evaluation.average_sign
    assert found == pytest.approx(wanted["squares"], rel=1e-8)
    assert np.trace(spread).real > 1.01 * np.trace(s_matrix).real  # the deep units make O vary within bra or ket
    # the mean sign is that of sum over d of phi against its modulus
    dbm = ansatz.wavefunction.dbm
    modulus = np.zeros(2**dbm.n_visible)
    rows = samples.rings[:, 0]
    phi = np.exp(dbm.log_joint(rows))
    np.add.at(modulus, bits_of(rows[:, : dbm.n_visible]), np.abs(phi) / 2**dbm.n_deep)
    assert evaluation.average_sign == pytest.approx(wanted["norm"] / np.sum(modulus**2), rel=1e-8)
    if not real:
        assert evaluation.average_sign < 0.999


@pytest.mark.parametrize("case", ["tfim", "tfim_complex", "tfim_field_z"])
def test_the_compiled_amplitude_is_the_network(case):
    ansatz = ansatz_of(case, "metropolis")
    network, moves = ansatz.wavefunction, ansatz.system.moves
    rows = np.ascontiguousarray(all_pairs(ansatz).rings[::17, 0])
    ours, theirs = log_psi(network, moves, rows), network.dbm.log_joint(rows) - network.dbm.log_prefactor
    np.testing.assert_allclose(np.exp(ours - theirs), 1.0, atol=1e-12)
    derivatives = DeepSum(network)._derivs(network.dbm, rows)
    np.testing.assert_allclose(log_derivs(network, moves, rows), derivatives, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "options", "n_sites", "n_slices"),
    [
        ("tfim", {}, 3, 3),
        ("tfim", {"coupling": -1.0, "field": 0.7, "field_z": 0.2}, 3, 2),
        ("tfim", {"field": -0.6}, 3, 2),
        ("heisenberg", {}, 4, 1),
        ("heisenberg", {"field_z": 0.3}, 3, 1),
    ],
)
def test_the_start_is_the_trotter_network_with_fewer_units(kind, options, n_sites, n_slices):
    ring = lattice.build("chain", [n_sites])
    model = marshall(build_model(ring, kind, **options), ring)
    trotter = network_of(trotter_product(model, 0.1, n_slices), 6)
    expected = trotter.amplitudes()
    previous = trotter
    for change in (without_bell_pairs, joined, with_reach):
        now = change(previous)
        np.testing.assert_allclose(now.amplitudes(), expected, rtol=0, atol=1e-12 * np.abs(expected).max())
        previous = now
    assert previous.n_deep == trotter.n_deep - n_sites and previous.n_hidden <= trotter.n_hidden - n_sites
    translations = np.array([np.roll(np.arange(n_sites), shift) for shift in range(n_sites)])
    network = VariationalDBM(previous, shared_entries(previous, translations, True))
    np.testing.assert_allclose(network.dbm.amplitudes(), expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    assert not np.any(network.dbm.params[network.shares != 0].imag)


@pytest.mark.parametrize("case", ["tfim", "tfim_3_slices", "heisenberg"])
def test_shared_parameters_keep_the_symmetries(case):
    """Psi(g s, g a) = Psi(s, a) for translations g (by two sites where bonds alternate) and Psi(a, s) = Psi(s, a)."""
    ansatz = ansatz_of(case)
    n = ansatz.model.n_sites
    psi = ansatz.wavefunction.dbm.amplitudes().reshape((2,) * 2 * n)  # ancilla n-1 .. 0, sigma n-1 .. 0
    np.testing.assert_allclose(psi, np.moveaxis(psi, range(n), range(n, 2 * n)), rtol=0, atol=1e-10 * np.abs(psi).max())
    if n == 2:  # an open chain
        return
    shift = 2 if case == "heisenberg" else 1
    turned = [*np.roll(np.arange(n), shift), *(n + np.roll(np.arange(n), shift))]
    np.testing.assert_allclose(psi, psi.transpose(turned), rtol=0, atol=1e-10 * np.abs(psi).max())
    structure = ansatz.wavefunction.structure
    loose = VariationalDBM(structure, np.arange(1, 1 + structure.n_params), True)
    assert loose.n_params > 3 * ansatz.wavefunction.n_params


@pytest.mark.parametrize(
    ("model", "deep_units"),
    [
        (HEISENBERG, {"slices": 1}),  # 30 and 28 parameters, 36 and 28 hidden units
        pytest.param(TFIM, {"symmetries": ["translation"]}, marks=pytest.mark.slow),  # 22 and 28, 20 and 28
    ],
    ids=["heisenberg", "tfim"],
)
def test_deep_units_beat_an_rbm_of_equal_size(model, deep_units, tmp_path):
    """Rings of 4 sites down to T = 0.25, real parameters, everything summed exactly."""
    found = {}
    for kind, options in (("dbm", deep_units), ("rbm", {"parameters": "real", "bond_features": False, "alpha": 0.5})):
        sections = {"run": {"seed": 1}, "lattice": {"kind": "chain", "lengths": [4]}, "model": model}
        sections |= {"wavefunction": {"kind": kind} | options, "sampling": {"method": "exact_sum"}}
        settings = parse_settings(sections | {"thermal": {"betas": [0.5, 1.0, 2.0, 4.0]}})
        path = tmp_path / f"{kind}.h5"
        assert tasks.run(settings, SERIAL, str(path)) == DONE
        ring, system = build(settings)
        expected = exact.thermal_rows(exact.diagonalize(system, ring, []), settings.thermal.report_betas)
        rows = checkpoint.read_table(path)["rows"]
        found[kind] = tasks.plan(settings)["parameters"], *(
            max(abs(row[quantity] - wanted[quantity]) for row, wanted in zip(rows, expected, strict=True))
            for quantity in ("energy", "specific_heat")
        )
    (deep_params, deep_energy, deep_heat), (params, energy, heat) = found["dbm"], found["rbm"]
    assert deep_params <= params + 2
    assert deep_energy < 2e-3 and deep_energy < (0.4 if model is HEISENBERG else 1.0) * energy
    assert deep_heat < 0.4 * heat


def test_real_parameters_behind_complex_couplings_are_refused():
    network = ansatz_of("heisenberg").wavefunction.structure
    with pytest.raises(ValueError, match="complex couplings"):
        VariationalDBM(network, np.arange(1, 1 + network.n_params))


def test_too_many_joint_configurations_are_refused():
    network = ansatz_of("tfim").wavefunction
    wide = dataclasses.replace(network.structure, n_deep=20, biases=np.zeros(26))
    with pytest.raises(ValueError, match="joint configurations"):
        DeepSum(VariationalDBM(wide, np.zeros(wide.n_params)))
