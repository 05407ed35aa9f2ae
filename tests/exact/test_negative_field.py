"""A negative transverse field: the spectrum is that of the positive one, the basis is rotated by pi about z."""

import numpy as np
import pytest

import hpc_nqs
from hpc_nqs.hamiltonians import build_model
from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.lattices.lattice import build
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.symmetry.quantum_numbers import marshall_sign
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.wavefunctions.wavefunction import log_psi

CHAIN_4 = [(0, 1), (1, 2), (2, 3), (0, 3)]


def levels(n_sites, bonds, coupling, field, field_z):
    """Return all energies of -J sum sz sz - Gamma sum sx - h sum sz, from Pauli matrices."""
    x, z = np.array([[0.0, 1.0], [1.0, 0.0]]), np.diag([1.0, -1.0])

    def at(matrix, site):
        return np.kron(np.kron(np.eye(2**site), matrix), np.eye(2 ** (n_sites - site - 1)))

    h = -sum(coupling * at(z, i) @ at(z, j) for i, j in bonds)
    h = h - sum(field * at(x, i) + field_z * at(z, i) for i in range(n_sites))
    return np.linalg.eigvalsh(h)


def thermal_energy(energies, temperature, n_sites):
    weights = np.exp(-(energies - energies[0]) / temperature)
    return weights @ energies / weights.sum() / n_sites


def settings_of(lengths, field_z=0.0, field=-1.0, **sections):
    sections.setdefault("thermal", {"temperatures": [2.0, 0.5]})
    model = {"kind": "tfim", "coupling": 1.0, "field": field, "field_z": field_z}
    return hpc_nqs.make_input(run={"seed": 1}, lattice={"kind": "chain", "lengths": lengths}, model=model, **sections)


def test_energies_of_two_sites(tmp_path):
    energies = levels(2, [(0, 1)], 1.0, -1.0, 0.0)
    run = hpc_nqs.run(settings_of([2]), tmp_path / "run.h5")
    wanted = [thermal_energy(energies, temperature, 2) for temperature in (2.0, 0.5)]
    assert wanted == pytest.approx([-0.633835, -1.067432], abs=1e-6)
    found = [row["energy"] for row in run.table["rows"]]
    assert found == pytest.approx(wanted, abs=1e-3)  # the seed of networks is right to first order
    positive = hpc_nqs.run(settings_of([2], field=1.0), tmp_path / "positive.h5")
    assert found == pytest.approx([row["energy"] for row in positive.table["rows"]], abs=1e-9)


@pytest.mark.parametrize("network", [{}, {"parameters": "real"}, {"marshall": False}])
def test_energies_of_a_ring_in_two_fields(tmp_path, network):
    energies = levels(4, CHAIN_4, 1.0, -1.0, 0.2)
    run = hpc_nqs.run(settings_of([4], 0.2, wavefunction=network), tmp_path / "run.h5")
    wanted = [thermal_energy(energies, temperature, 4) for temperature in (2.0, 0.5)]
    assert [row["energy"] for row in run.table["rows"]] == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize("network", [{}, {"marshall": False}, {"marshall": False, "parameters": "real"}])
def test_the_seed_has_the_right_sign(network):
    tables = {"lattice": {"kind": "chain", "lengths": [4]}, "model": {"kind": "tfim", "field": -1.0}}
    settings = parse_settings(tables | {"thermal": {"temperatures": [1.0]}, "wavefunction": network})
    lattice = build("chain", [4])
    state = build_state(settings, lattice, build_model(lattice, "tfim", field=-1.0), 1)
    n, spins = 4, 2 * ((np.arange(256)[:, None] >> np.arange(8)) & 1).astype(np.int8) - 1
    psi = np.exp(log_psi(state.wavefunction, state.system.moves, spins))
    codes = (spins > 0) @ (1 << np.arange(8))
    matrix = np.zeros((16, 16), dtype=complex)
    matrix[codes % 16, codes // 16] = psi  # <sigma|e^{-beta_0 H/2}|ancilla>
    h = to_sparse(state.model).toarray()
    energy = np.trace(matrix.conj().T @ h @ matrix).real / np.sum(np.abs(matrix) ** 2)
    exact = thermal_energy(levels(n, CHAIN_4, 1.0, -1.0, 0.0), 1 / state.beta_0, 1)
    assert energy == pytest.approx(exact, rel=0.05)


def test_ground_state_energy(tmp_path):
    settings = hpc_nqs.make_input(
        run={"seed": 1, "task": "ground_state"}, lattice={"kind": "chain", "lengths": [5]},
        model={"kind": "tfim", "coupling": 1.0, "field": -0.7}, ground_state={"n_steps": 100},
    )
    row = hpc_nqs.run(settings, tmp_path / "run.h5").table["rows"][0]
    exact = levels(5, [(i, (i + 1) % 5) for i in range(5)], 1.0, -0.7, 0.0)[0] / 5
    assert row["energy"] == pytest.approx(exact, abs=1e-6)
    # of 5 rotated sites the flip of all spins changes the sign: prod sigma^x is -1 in a field along -x
    assert row["spin_parity"] == -1


def test_analytic_energy(tmp_path):
    thermal = {"temperatures": [1.0], "method": "analytic", "entropy": False}
    settings = settings_of([4], thermal=thermal, sampling={"n_samples": 4000})
    row = hpc_nqs.run(settings, tmp_path / "run.h5").table["rows"][0]
    exact = thermal_energy(levels(4, CHAIN_4, 1.0, -1.0, 0.0), 1.0, 4)
    assert abs(row["energy"] - exact) < 5.5 * row["energy_error"]  # false alarm 4e-8
    assert row.get("average_sign", 1.0) == 1.0


def test_the_rotation_keeps_the_spectrum_and_its_signs():
    lattice = build("chain", [3])
    model = build_model(lattice, "tfim", coupling=0.6, field=-0.7, field_z=0.3)
    rotated = marshall(model, lattice)
    spectra = [np.linalg.eigvalsh(to_sparse(each).toarray()) for each in (model, rotated)]
    np.testing.assert_allclose(spectra[0], spectra[1], atol=1e-12)
    assert (rotated.flip_element < 0).all()
    assert marshall_sign(None, rotated, None) == -1.0  # three rotated sites
    assert marshall_sign(np.array([1, 2, 0]), rotated, None) == 1.0
