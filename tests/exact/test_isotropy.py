"""Correlations averaged over spin components, against dense operators on states without any symmetry between them."""

import numpy as np
import pytest

from hpc_nqs.hamiltonians import build_model
from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.observables.diagonal import build_observables
from hpc_nqs.observables.spin_averages import SpinAverages
from hpc_nqs.parallel.team import Team
from hpc_nqs.sampling.enumeration import Enumeration
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.wavefunctions.wavefunction import log_psi

SERIAL = Team.serial()
MODELS = {"unfrustrated": {"kind": "heisenberg"}, "frustrated": {"kind": "heisenberg", "couplings": [1.0, 0.5]}}
KINDS = {"unfrustrated": "clusters", "frustrated": "permanent"}


class Averaged:
    """Tables of a ring with random entries, all configurations and their amplitudes in the basis of the input."""

    def __init__(self, name, length=6, symmetries=None):
        tables = {"lattice": {"kind": "chain", "lengths": [length]}, "model": MODELS[name]}
        tables |= {"wavefunction": {"kind": KINDS[name]} | ({} if symmetries is None else {"symmetries": symmetries})}
        tables |= {"thermal": {"temperatures": [1.0], "beta_0": 0.4}}
        tables |= {"observables": {"structure_factor": [[1.0], [0.5], [0.0]], "correlations": True}}
        settings = parse_settings(tables)
        lattice, model = build(settings)
        self.ansatz = build_state(settings, lattice, model, seed=1)
        state = self.ansatz.wavefunction
        state.params = state.params + 0.3 * np.random.default_rng(5).standard_normal(state.n_params)
        self.observables = build_observables(settings, lattice, self.ansatz.model)
        self.configurations = Enumeration(SERIAL, self.ansatz.system).configurations[:, 0]
        psi = np.exp(log_psi(state, self.ansatz.system.moves, self.configurations))
        self.weights = np.abs(psi) ** 2 / np.sum(np.abs(psi) ** 2)
        sublattice = self.ansatz.model.sublattice
        signs = (
            1 if sublattice is None else np.prod(np.where(self.configurations > 0, np.tile(sublattice, 2), 1), axis=1)
        )
        self.psi = dict(zip(map(bytes, self.configurations), signs * psi, strict=True))
        self.n = length

    def product(self, i, j):
        """Return <S_i . S_j> of spins of one layer from the amplitudes."""
        total = norm = 0.0
        for row in self.configurations:
            psi = self.psi[row.tobytes()]
            if row[i] == row[j]:
                value = 0.25 * psi
            else:
                swapped = row.copy()
                swapped[[i, j]] = row[[j, i]]
                value = -0.25 * psi + 0.5 * self.psi[swapped.tobytes()]
            total, norm = total + (np.conj(psi) * value).real, norm + abs(psi) ** 2
        return total / norm


@pytest.mark.parametrize(
    ("name", "symmetries"), [("unfrustrated", None), ("frustrated", None), ("unfrustrated", ["translation"])]
)
def test_averages_are_those_of_dense_operators(name, symmetries):
    averaged = Averaged(name, symmetries=symmetries)
    n, measured = averaged.n, SpinAverages(averaged.ansatz, averaged.observables)
    layers = (0, n) if averaged.ansatz.layers_equivalent else (0,)
    assert len(layers) == (1 if symmetries else 2)
    columns = measured.measure(averaged.configurations, SERIAL.threads)
    none = averaged.configurations[:0]  # of a rank without chains
    assert measured.measure(none, SERIAL.threads).shape == (0, columns.shape[1])
    usable = averaged.weights > 0
    found = averaged.weights[usable] @ columns[usable]
    products = np.full((n, n), 0.75)
    for i in range(n):
        for j in range(i):
            products[i, j] = products[j, i] = np.mean([averaged.product(i + k, j + k) for k in layers])
    expected = []
    for momentum in (1.0, 0.5, 0.0):
        phases = np.exp(1j * np.pi * momentum * np.arange(n))
        expected.append((phases.conj() @ products @ phases).real / n / 3)
    for distance in [*range(1, 3 if name == "frustrated" else 2), *range(1, n // 2 + 1)]:
        expected.append(np.mean([products[i, (i + distance) % n] for i in range(n)]) / 3)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    plain = averaged.weights @ averaged.observables.measure(averaged.configurations[:, :n])[:, 2:]
    assert np.abs(found - plain).max() > 1e-3  # the state is not isotropic


def test_weights_of_pairs_give_the_columns():
    averaged = Averaged("frustrated")
    weights = averaged.observables.pair_weights()
    sz = 0.5 * averaged.configurations[:, : averaged.n]
    columns = averaged.observables.measure(averaged.configurations[:, : averaged.n])
    np.testing.assert_allclose(np.einsum("ki,cij,kj->kc", sz, weights, sz), columns[:, 2:], atol=1e-12)


@pytest.mark.parametrize(
    ("choice", "isotropic"),
    [
        ({}, True),
        ({"couplings": [1.0, 0.5]}, True),
        ({"couplings": [-1.0, 0.5]}, True),
        ({"anisotropy": 0.9}, False),
        ({"anisotropy": -1.0}, False),
        ({"anisotropy": 0.0}, False),
        ({"field_z": 0.1}, False),
        ({"kind": "tfim"}, False),
    ],
)
def test_isotropic_models_are_known_in_both_bases(choice, isotropic):
    lattice = lattices.build("chain", [6])
    model = build_model(lattice, **choice)
    assert model.is_isotropic == isotropic
    assert marshall(model, lattice).is_isotropic == isotropic
