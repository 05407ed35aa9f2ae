"""Conserved quantities keep to the textbook clock while the rest of the state is hurried; energies follow the clock."""

import numpy as np
import pytest

from hpc_nqs.parallel.team import Team
from hpc_nqs.reconfiguration.solvers import Regularization
from hpc_nqs.sampling.enumeration import Enumeration
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.thermal.conserved import split
from hpc_nqs.thermal.evolution import AdaptiveEvolution, StepControl

SERIAL = Team.serial()
MODELS = {
    "unfrustrated": {},
    "anisotropic": {"anisotropy": 0.4},
    "frustrated": {"couplings": [1.0, 0.5]},
    "field": {"field_z": 0.4},
}


class Cooled:
    """Tables next to the thermal state of a ring, summed over all configurations."""

    def __init__(self, name, length=4):
        tables = {"lattice": {"kind": "chain", "lengths": [length]}, "model": {"kind": "heisenberg"} | MODELS[name]}
        # pairs alone: a state that explains part of H
        tables |= {
            "wavefunction": {"kind": "permanent" if name == "frustrated" else "clusters", "cluster_size": 2},
            "thermal": {"temperatures": [1.0], "beta_0": 0.7},
        }
        settings = parse_settings(tables)
        self.ansatz = build_state(settings, *build(settings), seed=1)
        control = StepControl(tolerance=1e-3, max_dtau=0.1, max_growth=0.2, clock="energy")
        self.evolution = AdaptiveEvolution(self.ansatz, Regularization("dense", 1e-11, 0.0, 1e-8), control, SERIAL)
        self.state, self.enumeration = self.ansatz.wavefunction, Enumeration(SERIAL, self.ansatz.system)
        self.state.params += 0.15 * np.random.default_rng(2).standard_normal(self.state.n_params)
        self.n_sites = length

    def samples(self):
        return self.enumeration.sample(
            self.state.amplitude(self.ansatz.system.moves), self.ansatz.system, 1, 1, 0.0
        )

    def velocity(self):
        samples = self.samples()
        return self.evolution.velocity(samples, self.evolution.evaluate(samples))

    def magnetization(self, samples):
        return 0.5 * samples.flat[:, : self.n_sites].sum(axis=1)

    def means(self, params):
        """Return <M>, <M^2> and E at other parameters."""
        kept = self.state.params
        self.state.params = params
        samples = self.samples()
        evaluation = self.evolution.evaluate(samples)
        self.state.params = kept
        m = self.magnetization(samples)
        return np.array([evaluation.weights @ m, evaluation.weights @ m**2, evaluation.energy])

    def covariances(self):
        """Return Cov(M, H) and Cov(M^2, H)."""
        samples = self.samples()
        evaluation = self.evolution.evaluate(samples)
        m, weights = self.magnetization(samples), evaluation.weights
        energies = evaluation.force_energies.real - evaluation.energy
        return np.array([weights @ (m * energies), weights @ (m**2 * energies)])


@pytest.mark.parametrize("name", MODELS)
def test_the_directions_change_ln_psi_by_powers_of_m(name):
    cooled = Cooled(name)
    samples, directions = cooled.samples(), cooled.evolution.conserved
    evaluation = cooled.evolution.evaluate(samples)
    usable = evaluation.weights > 0
    log_derivs = np.empty((len(samples.flat), cooled.state.n_params))
    evaluation.log_derivs(samples.flat, slice(None), log_derivs, SERIAL.threads)
    m = cooled.magnetization(samples)[usable]
    change = (log_derivs @ directions)[usable]
    # sum_{i<j} s_i s_j = ((2 M)^2 - N) / 2 on each layer
    np.testing.assert_allclose(change[:, 0], 4 * m**2 - cooled.n_sites, atol=1e-12)
    assert directions.shape[1] == (2 if name == "field" else 1)
    if name == "field":  # sum_{i<j} (s_i + s_j) = (N - 1) sum_i s_i
        np.testing.assert_allclose(change[:, 1], 4 * (cooled.n_sites - 1) * m, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_conserved_quantities_follow_exact_evolution_and_the_energy_its_clock(name, monkeypatch):
    cooled, speed, step = Cooled(name), 1.7, 1e-4
    monkeypatch.setattr(cooled.evolution, "_speed", lambda velocity: speed)
    velocity = cooled.velocity()
    change = cooled.evolution.change(velocity)
    params = cooled.state.params
    rates = (cooled.means(params + step * change) - cooled.means(params - step * change)) / (2 * step)
    exact = -2 * cooled.covariances()
    np.testing.assert_allclose(rates[1], exact[1], rtol=1e-5)
    assert abs(velocity.x @ velocity.apply(cooled.evolution.conserved[:, 0])) > 1e-3  # else there is nothing to see
    if name == "field":
        np.testing.assert_allclose(rates[0], exact[0], rtol=1e-5)
    np.testing.assert_allclose(rates[2], -2 * speed * velocity.power, rtol=1e-5)


def test_parts_of_a_velocity_are_orthogonal_and_add_up():
    cooled = Cooled("field")
    velocity = cooled.velocity()
    along, rest, power = split(cooled.evolution.conserved, velocity)
    np.testing.assert_allclose(along + rest, velocity.x, atol=1e-6 * np.abs(velocity.x).max())
    np.testing.assert_allclose(cooled.evolution.conserved.T @ velocity.apply(rest), 0, atol=1e-12)
    assert power == pytest.approx(-velocity.force @ along)
    assert 0 < power < velocity.power


def test_a_state_of_one_magnetization_is_left_alone():
    # all weight at M = 0: S vanishes along M^2
    cooled = Cooled("unfrustrated")
    cooled.state.params -= 40.0 * cooled.evolution.conserved[:, 0]
    velocity = cooled.velocity()
    along, rest, power = split(cooled.evolution.conserved, velocity)
    assert not along.any() and power == 0.0
    np.testing.assert_array_equal(rest, velocity.x)
