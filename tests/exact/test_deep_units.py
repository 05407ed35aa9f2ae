"""Variational deep units: derivatives summed over deep units, and a Trotter network as the start of an evolution."""

import numpy as np
import pytest

from hpc_nqs.hamiltonians import build_model
from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.lattices import lattice
from hpc_nqs.path_integral.trotter import network_of, trotter_product

RING3, RING4 = lattice.build("chain", [3]), lattice.build("chain", [4])


def general_network(seed=1):
    """Return a network with deep units, complex couplings and all biases."""
    rng = np.random.default_rng(seed)
    network = network_of(trotter_product(build_model(RING3, "tfim"), 0.3, 2))
    assert network.n_deep == 6
    noise = rng.normal(size=(2, network.n_params))
    return network.with_params(network.params + 0.1 * (noise[0] + 1j * noise[1]))


def test_derivatives_of_psi_by_central_differences():
    network = general_network()
    psi, derivs = network.variational()
    np.testing.assert_allclose(psi, network.amplitudes(), rtol=1e-12)
    for k in range(network.n_params):
        step = np.zeros(network.n_params)
        step[k] = 1e-6
        ends = [network.with_params(network.params + sign * step).amplitudes() for sign in (1, -1)]
        np.testing.assert_allclose(derivs[:, k], (ends[0] - ends[1]) / 2e-6 / psi, atol=1e-7 * np.abs(derivs).max())


def test_params_go_round():
    network = general_network()
    again = network.with_params(network.params)
    np.testing.assert_array_equal(again.amplitudes(), network.amplitudes())
    assert network.is_complex
    assert network.width == 2


@pytest.mark.parametrize("kind", ["tfim", "heisenberg"])
def test_a_trotter_network_starts_an_evolution_at_a_larger_beta_0(kind):
    # exact sums over all visible and deep configurations: S, F and one velocity of d params / d tau = -S^{-1} F
    model = build_model(RING4, "tfim") if kind == "tfim" else marshall(build_model(RING4))
    beta_0 = 0.2
    network = network_of(trotter_product(model, beta_0 / 2, 1))
    psi, derivs = network.variational() if kind == "tfim" else (network.amplitudes(), None)
    hamiltonian = to_sparse(model)
    levels = np.linalg.eigvalsh(hamiltonian.toarray())
    weights = np.exp(-beta_0 * levels)
    exact = weights @ levels / weights.sum()
    h_psi = (hamiltonian @ psi.reshape(16, 16).T).T.reshape(-1)
    norm = np.vdot(psi, psi).real
    energy = np.vdot(psi, h_psi).real / norm
    assert energy == pytest.approx(exact, rel=0.01)
    if derivs is None:  # zeros of Psi: the state is right, but has no logarithmic derivatives there
        assert (np.abs(psi) < 1e-12 * np.abs(psi).max()).any()
        return
    probability = np.abs(psi) ** 2 / norm
    local = h_psi / psi
    centred = derivs - probability @ derivs
    s_matrix = (centred.conj().T * probability) @ centred
    force = centred.conj().T @ (probability * (local - energy))
    values, vectors = np.linalg.eigh(s_matrix)
    kept = values > 1e-10 * values[-1]
    update = -vectors[:, kept] @ ((vectors.conj().T @ force)[kept] / values[kept])
    variance = (probability @ np.abs(local - energy) ** 2).real
    explained = -np.vdot(force, update).real / variance
    assert 0.98 < explained <= 1.0 + 1e-9
