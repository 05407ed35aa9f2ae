"""Local energies against the dense matrix: (H Psi)(s) / Psi(s) over all configurations of the doubled system."""

import dataclasses

import numpy as np
import pytest

from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.kernels.local_energy import local_energies
from hpc_nqs.kernels.metropolis import follow_path

HEISENBERG, TFIM = {"kind": "heisenberg"}, {"kind": "tfim"}
STATES = {
    "heisenberg": (4, HEISENBERG, "rbm", (), {}),
    "xxz_field": (3, HEISENBERG | {"anisotropy": 0.3, "field_z": 0.7}, "rbm", (), {"bias": True}),
    "ferromagnetic": (4, HEISENBERG | {"couplings": [-1.0]}, "rbm", ("translation",), {"bond_features": False}),
    "frustrated_pairs": (5, HEISENBERG | {"couplings": [1.0, 0.5]}, "pair", (), {}),
    "frustrated_product": (4, HEISENBERG | {"couplings": [1.0, 0.5]}, "pair_rbm", (), {}),
    "frustrated_complex": (4, HEISENBERG | {"couplings": [1.0, 0.5]}, "rbm", (), {"is_complex": True}),
    "tfim": (3, TFIM, "rbm", (), {"bias": True}),
    "tfim_field": (4, TFIM | {"field": 0.7, "field_z": -0.4}, "rbm", ("translation",), {}),
    "tfim_complex": (3, TFIM, "rbm", (), {"is_complex": True, "bias": True}),
}


def all_configurations(purification):
    n = purification.n_visible
    bits = np.arange(2**n)[:, None] >> np.arange(n) & 1
    rows = (2 * bits - 1).astype(np.int8)
    return rows[rows.sum(axis=1) == 0] if purification.model.conserves_sz else rows


def matrix(purification, configurations, layer):
    """Return <s|H|s1> on one layer, the other one as it is; ancilla spins opposite to sigma see the field reversed."""
    n = purification.n_sites
    sign = -1 if layer == 1 and purification.opposite_pairs else 1
    acted, spectators = (configurations[:, k * n : (k + 1) * n] for k in (layer, 1 - layer))
    index = (sign * acted > 0) @ (1 << np.arange(n))
    same = (spectators[:, None] == spectators[None]).all(axis=2)
    return to_sparse(purification.model).toarray()[np.ix_(index, index)] * same


def computed(one, configurations):
    energies = np.empty((len(configurations), len(one.hamiltonians)), dtype=complex)
    log_psi = np.empty(len(configurations), dtype=complex)
    local_energies(configurations, one.amplitude, one.moves, one.hamiltonians, energies, log_psi)
    return energies, np.exp(log_psi - log_psi.real.max())


@pytest.mark.parametrize("state", STATES)
def test_matrix_action(state, system):
    one = system(STATES[state])
    configurations = all_configurations(one.purification)
    energies, psi = computed(one, configurations)
    assert np.abs(psi).min() > 1e-12
    for layer in (0, 1):
        expected = matrix(one.purification, configurations, layer) @ psi / psi
        np.testing.assert_allclose(energies[:, layer], expected, rtol=1e-8, atol=1e-8)
    if one.amplitude.width == 1:
        np.testing.assert_allclose(energies.imag, 0, atol=1e-10)


@pytest.mark.parametrize("state", ["heisenberg", "tfim"])
def test_the_comparison_sees_a_wrong_sign(state, system):
    """The same comparison fails where one matrix element has the other sign."""
    one = system(STATES[state])
    configurations = all_configurations(one.purification)
    energies, psi = computed(one, configurations)
    model = one.purification.model
    name = "exchange_element" if model.conserves_sz else "flip_element"
    wrong = getattr(model, name) * np.where(np.arange(len(getattr(model, name))) == 0, -1, 1)
    changed = dataclasses.replace(one.purification, model=dataclasses.replace(model, **{name: wrong}))
    expected = matrix(changed, configurations, 0) @ psi / psi
    assert np.max(np.abs(energies[:, 0] - expected)) > 1e-2


@pytest.mark.parametrize("state", [name for name in STATES if not name.startswith("tfim")])
def test_moves_conserve_sz(state, system):
    one = system(STATES[state])
    n, n_bonds = one.purification.n_sites, len(one.purification.model.exchange_sites)
    starts, moved = one.configurations.copy(), []
    for visible, start in zip(one.configurations, starts, strict=True):
        follow_path(visible, one.amplitude, one.moves, one.path(50), 0.0, np.empty(50, dtype=complex))
        assert visible.sum() == 0 and set(np.unique(visible)) == {-1, 1}
        moved.append(np.any(visible != start))
        # terms of the Hamiltonian on either layer conserve its magnetization
        visible[:] = start
        terms = np.random.default_rng(0).integers(0, 2 * n_bonds, size=50).astype(np.intp)
        follow_path(visible, one.amplitude, one.moves, terms, 0.0, np.empty(50, dtype=complex))
        assert visible[:n].sum() == start[:n].sum() and visible[n:].sum() == start[n:].sum()
    assert np.mean(moved) > 0.5


def test_no_hamiltonians(system):
    one = system(STATES["heisenberg"])
    energies, log_psi = np.empty((21, 0), dtype=complex), np.empty(21, dtype=complex)
    local_energies(one.configurations, one.amplitude, one.moves, [], energies, log_psi)
    assert np.isfinite(log_psi).all()
