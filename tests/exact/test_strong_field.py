"""A field along z far above the couplings: its scale is that of the seed and of the steps."""

import warnings

import numpy as np
import pytest

import hpc_nqs
from hpc_nqs.hamiltonians import build_model
from hpc_nqs.lattices.lattice import build
from hpc_nqs.observables.thermodynamics import LN_2, possible_entropy

N = 4


def exact_values(field, temperature):
    """Return e and s of sum S.S - h sum Sz on the ring of 4."""
    states = np.arange(2**N)
    spins = ((states[:, None] >> np.arange(N)) & 1) - 0.5
    h = np.diag(-field * spins.sum(axis=1))
    for i in range(N):
        j = (i + 1) % N
        h[states, states] += spins[:, i] * spins[:, j]
        apart = states[spins[:, i] != spins[:, j]]
        h[apart ^ ((1 << i) | (1 << j)), apart] += 0.5
    energies = np.linalg.eigvalsh(h)
    weights = np.exp(-(energies - energies[0]) / temperature)
    probability = weights / weights.sum()
    entropy = -np.sum(probability * np.log(np.maximum(probability, 1e-300)))
    return probability @ energies / N, entropy / N


@pytest.mark.parametrize("temperatures", [[2.0, 1.0], [100.0, 20.0]])
@pytest.mark.parametrize("network", [{}, {"kind": "clusters"}])
def test_energy_and_entropy(network, temperatures, tmp_path):
    settings = hpc_nqs.make_input(
        run={"seed": 1}, lattice={"kind": "chain", "lengths": [N]}, wavefunction=network,
        model={"kind": "heisenberg", "field_z": 100.0}, thermal={"temperatures": temperatures},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = hpc_nqs.run(settings, tmp_path / "run.h5").table["rows"]
    for row in rows:
        energy, entropy = exact_values(100.0, row["temperature"])
        assert row["energy"] == pytest.approx(energy, abs=5e-3)
        assert row["entropy"] == pytest.approx(entropy, abs=1e-4)
        assert abs(row["energy"] - energy) < 2 * row["energy_systematic"] + 1e-9
        assert abs(row["entropy"] - entropy) < 2 * row["entropy_systematic"] + 1e-6
        assert row["energy_systematic"] < 5e-4 * abs(energy) + 6e-3
        assert 0 <= row["entropy"] <= LN_2


def test_the_scale_of_a_model():
    lattice = build("chain", [N])
    assert build_model(lattice, field_z=-100.0).energy_scale == pytest.approx(100.0)
    assert build_model(lattice, field_z=0.5).energy_scale == pytest.approx(1.0)
    assert build_model(lattice, "tfim", field=2.0, field_z=3.0).energy_scale == pytest.approx(3.0)


def test_an_impossible_entropy_is_moved_only_within_its_error():
    assert possible_entropy(-0.001, 0.002) == 0.0
    assert possible_entropy(-0.001, 0.0005) == -0.001
    assert possible_entropy(LN_2 + 0.001, 0.002) == LN_2
    assert possible_entropy(0.3, 1.0) == 0.3
