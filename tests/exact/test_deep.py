"""Deep states: averages over all rings against products of dense matrices, and a whole run of few sites.

phi as a matrix A[s, d] = phi(s, -d) (phi(s, d) with equal Bell pairs) gives Psi = A^M, d Psi = sum A^j dA A^{M-1-j}.
"""

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.exact import diagonalization as exact
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.parallel.team import Team
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.runs.computation import DONE
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.thermal.deep import ring_evaluation, ring_moments
from hpc_nqs.thermal.deep.ring_chains import RingEnumeration
from hpc_nqs.thermal.deep.unit_columns import sliced_network
from hpc_nqs.wavefunctions.dbm import DBM
from hpc_nqs.wavefunctions.wavefunction import log_derivs, log_psi

HEISENBERG, TFIM = {"kind": "heisenberg"}, {"kind": "tfim"}
J1J2 = HEISENBERG | {"couplings": [1.0, 0.5]}
CASES = {
    "heisenberg": (4, HEISENBERG, {"slices": 2}),
    "odd": (3, HEISENBERG, {"slices": 2}),
    "three_slices": (3, HEISENBERG, {"slices": 3}),
    "field_z": (3, HEISENBERG | {"field_z": 0.3}, {"slices": 2}),
    "complex": (3, HEISENBERG, {"slices": 3, "parameters": "complex"}),
    "frustrated_complex": (4, J1J2, {"slices": 2, "parameters": "complex"}),
    "pair_rbm": (3, HEISENBERG, {"slices": 2, "kind": "pair_rbm"}),
    "tfim": (3, TFIM, {"slices": 2}),
    "tfim_complex": (3, TFIM, {"slices": 2, "parameters": "complex"}),
}
SERIAL = Team.serial()


def state_of(case, **options):
    """Return the `ThermalState` of a case with random parameters near those of the seed."""
    n_sites, model, wavefunction = CASES[case]
    sections = {"lattice": {"kind": "chain", "lengths": [n_sites]}, "model": model, "thermal": {"betas": [1.0]}}
    settings = parse_settings(
        sections | {"wavefunction": {"alpha": 2.0, "parameters": "real"} | wavefunction | options}
    )
    ansatz = build_state(settings, *build(settings), seed=1)
    stream, network = np.random.default_rng(3), ansatz.wavefunction
    network.params = network.params + 0.15 * stream.standard_normal(network.n_params)
    if network.is_complex:
        network.params = network.params + 0.1j * stream.standard_normal(network.n_params)
    return ansatz


def dense_state(ansatz):
    """Return H (D, D), Psi (D, D), d Psi (n_params, D, D) and Tr abs(A)^M abs(A^T)^M."""
    n, moves, network, m = ansatz.model.n_sites, ansatz.system.moves, ansatz.wavefunction, ansatz.n_slices
    spins = (2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1) - 1).astype(np.int8)
    second = -spins if ansatz.system.opposite_pairs else spins
    visible = np.concatenate([np.repeat(spins, 2**n, axis=0), np.tile(second, (2**n, 1))], axis=1)
    inside = visible.sum(axis=1) == 0 if ansatz.system.opposite_pairs else np.ones(4**n, dtype=bool)
    values, derivs = np.zeros(4**n, dtype=complex), np.zeros((4**n, network.n_params), dtype=complex)
    values[inside] = np.exp(log_psi(network, moves, visible[inside]))
    derivs[inside] = values[inside, None] * log_derivs(network, moves, visible[inside])
    a, d_a = values.reshape(2**n, -1), derivs.T.reshape(-1, 2**n, 2**n)
    np.testing.assert_allclose(a, a.T, atol=1e-12 * np.abs(a).max())
    powers = [np.linalg.matrix_power(a, k) for k in range(m + 1)]
    d_psi = sum(powers[j] @ d_a @ powers[m - 1 - j] for j in range(m))
    absolute = np.linalg.matrix_power(np.abs(a), m)
    return to_sparse(ansatz.model).toarray(), powers[m], d_psi, np.sum(absolute * absolute)


def ring_averages(ansatz):
    """Return the evaluation of all rings and what `ring_moments.assemble` makes of it."""
    samples = RingEnumeration(SERIAL, ansatz.system, ansatz.n_slices).sample(None, None, 1, 1, 1.0)
    evaluation = ring_evaluation.evaluate_rings(samples, ansatz.wavefunction, ansatz.system, SERIAL)
    return evaluation, ring_moments.assemble(evaluation, samples, ansatz.wavefunction, SERIAL)[0].moments()


@pytest.mark.parametrize("case", CASES)
def test_rings_average_to_products_of_matrices(case):
    ansatz = state_of(case)
    hamiltonian, psi, d_psi, absolute = dense_state(ansatz)
    norm = np.sum(np.abs(psi) ** 2)
    energy = np.vdot(psi, hamiltonian @ psi).real / norm
    tangent = (d_psi - np.tensordot(d_psi, psi.conj(), axes=2)[:, None, None] * psi / norm).reshape(len(d_psi), -1)
    excess = (0.5 * (hamiltonian @ psi + psi @ hamiltonian) - energy * psi).ravel()
    s_matrix, force = tangent.conj() @ tangent.T / norm, tangent.conj() @ excess / norm
    if not ansatz.wavefunction.is_complex:
        s_matrix, force = s_matrix.real, force.real

    evaluation, (s_found, spread, force_found, variance) = ring_averages(ansatz)
    assert evaluation.energy == pytest.approx(energy, abs=1e-7)
    assert evaluation.average_sign == pytest.approx(norm / absolute, abs=1e-7)
    np.testing.assert_allclose(s_found, s_matrix, rtol=0, atol=1e-7 * np.abs(s_matrix).max())
    np.testing.assert_allclose(force_found, force, rtol=0, atol=1e-7 * np.abs(force).max())
    assert variance == pytest.approx(np.vdot(excess, excess).real / norm, abs=1e-6)
    _, squares = evaluation.layer_energies()
    found = evaluation.weights @ evaluation.per_ring(squares) / evaluation.average_sign
    assert found == pytest.approx(np.sum(np.abs(hamiltonian @ psi) ** 2) / norm, abs=1e-6)
    # the deep layers make the spread of one side larger than S
    assert np.trace(spread).real > 1.01 * np.trace(s_found).real


@pytest.mark.parametrize("case", ["odd", "complex"])
def test_one_slice_has_no_spread_beyond_s(case):
    """A ring of two links is one network, bra and ket alike where phi is not zero."""
    ansatz = state_of(case)
    ansatz.n_slices = 1
    _, (s_matrix, spread, _, _) = ring_averages(ansatz)
    np.testing.assert_allclose(spread, s_matrix, rtol=0, atol=1e-12 * np.abs(s_matrix).max())


@pytest.mark.parametrize("case", ["three_slices", "complex"])
def test_halves_of_the_samples_add_up(case):
    """All rings, taken for samples of a flat density: two halves whose sum gives the exact averages."""
    ansatz = state_of(case)
    _, expected = ring_averages(ansatz)
    samples = RingEnumeration(SERIAL, ansatz.system, ansatz.n_slices).sample(None, None, 1, 1, 1.0)
    samples.exponent, samples.log_density = 1.0, np.zeros(len(samples.rings))
    evaluation = ring_evaluation.evaluate_rings(samples, ansatz.wavefunction, ansatz.system, SERIAL)
    first, second = ring_moments.assemble(evaluation, samples, ansatz.wavefunction, SERIAL)
    for found, wanted in zip((first + second).moments(), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-10 * np.abs(wanted).max())
    assert first.totals[0] + second.totals[0] == pytest.approx(1.0)
    assert first.totals[0] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("case", ["heisenberg", "field_z", "complex", "tfim", "tfim_complex"])
def test_slices_without_bond_features_are_a_deep_boltzmann_machine(case):
    n_sites = CASES[case][0]
    complex_only = {"parameters": "complex"} if case == "field_z" else {}  # real ones would take a pair product
    ansatz = state_of(case, bond_features=False, **complex_only)
    assert ansatz.word == "rbm"
    _, psi, _, _ = dense_state(ansatz)
    n, m, opposite = n_sites, ansatz.n_slices, ansatz.system.opposite_pairs
    network = sliced_network(ansatz.wavefunction.arrays(), m, opposite)
    units = 2 * ((np.arange(2 ** ((m + 1) * n))[:, None] >> np.arange((m + 1) * n)) & 1) - 1
    layers = units.reshape(len(units), m + 1, n).sum(axis=2)  # sigma, ancilla, deep layers
    if opposite:
        units = units[(layers[:, 1] == -layers[:, 0]) & (layers[:, 2:] == layers[:, :1]).all(axis=1)]
    found = np.zeros((2**n, 2**n), dtype=complex)
    sigma, ancilla = ((units[:, part] > 0) @ (1 << np.arange(n)) for part in (slice(0, n), slice(n, 2 * n)))
    np.add.at(found, (sigma, 2**n - 1 - ancilla if opposite else ancilla), np.exp(network.log_joint(units)))
    np.testing.assert_allclose(found, psi, rtol=0, atol=1e-11 * np.abs(psi).max())
    again = DBM.from_arrays(network.arrays())
    assert again.n_deep == (m - 1) * n and again.n_hidden == m * ansatz.wavefunction.n_units


def test_some_signs_are_negative():
    assert ring_averages(state_of("three_slices"))[0].average_sign < 0.99


@pytest.mark.parametrize("model", [pytest.param(HEISENBERG, marks=pytest.mark.slow), TFIM], ids=["heisenberg", "tfim"])
def test_cooling_follows_the_exact_thermodynamics(model, tmp_path):
    n_sites, boundary = (4, "periodic") if model is HEISENBERG else (2, "open")
    settings = parse_settings(
        {"run": {"seed": 1}, "lattice": {"kind": "chain", "lengths": [n_sites], "boundary": boundary}, "model": model}
        | {"sampling": {"method": "exact_sum"}, "wavefunction": {"slices": 2, "alpha": 3, "parameters": "complex"}}
        | {"thermal": {"betas": [0.5, 1.5], "max_dtau": 0.1}}
    )
    path = tmp_path / "run.h5"
    assert tasks.run(settings, SERIAL, str(path)) == DONE
    lattice, model = build(settings)
    expected = exact.thermal_rows(exact.diagonalize(model, lattice, []), settings.thermal.report_betas)
    for row, wanted in zip(checkpoint.read_table(path)["rows"], expected, strict=True):
        assert row["energy"] == pytest.approx(wanted["energy"], abs=3e-3)
        assert row["specific_heat"] == pytest.approx(wanted["specific_heat"], abs=0.01)
        assert row["average_sign"] == pytest.approx(1.0, abs=1e-3)
        assert "layer_energy_difference" not in row
