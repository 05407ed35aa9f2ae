"""Rings of layers against the full distribution of their weights, with what must be rejected beside it.

Every test has a fixed seed and a false-alarm rate below 1e-6 had the seed been drawn.
"""

import dataclasses

import numpy as np
import pytest

from hpc_nqs.parallel.team import Team
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.thermal.deep.ring_chains import RingEnumeration, Rings
from hpc_nqs.wavefunctions.wavefunction import log_psi

FALSE_ALARM = 1e-6
SERIAL = Team.serial()
HEISENBERG, TFIM = {"kind": "heisenberg"}, {"kind": "tfim"}
STATES = {
    "heisenberg": (3, HEISENBERG, {"slices": 2}),
    "heisenberg_3_slices": (3, HEISENBERG, {"slices": 3}),
    "heisenberg_complex": (3, HEISENBERG, {"slices": 2, "parameters": "complex"}),
    "pair_rbm": (3, HEISENBERG, {"slices": 2, "kind": "pair_rbm"}),
    "xxz_field_z": (3, HEISENBERG | {"anisotropy": 0.5, "field_z": 0.4}, {"slices": 2}),
    "tfim": (2, TFIM, {"slices": 2}),
}


class State:
    """Rings of few sites in a state with a broad distribution, and that distribution."""

    def __init__(self, name, noise=0.06):
        n_sites, model, wavefunction = STATES[name]
        lattice = {"kind": "chain", "lengths": [n_sites], "boundary": "open"}
        sections = {"lattice": lattice, "model": model, "wavefunction": {"alpha": 4.0} | wavefunction}
        settings = parse_settings(sections | {"thermal": {"betas": [3.0], "beta_0": 2.0}})
        ansatz = build_state(settings, *build(settings), seed=2)
        self.wavefunction, self.purification, self.n_slices = ansatz.wavefunction, ansatz.system, ansatz.n_slices
        shift = noise * np.random.default_rng(5).standard_normal(self.wavefunction.n_params)
        self.wavefunction.params = self.wavefunction.params + shift
        self.rings = RingEnumeration(SERIAL, self.purification, self.n_slices).configurations[:, 0]

    def probabilities(self, exponent):
        links = self.rings.reshape(-1, self.purification.n_visible)
        logs = log_psi(self.wavefunction, self.purification.moves, links).real.reshape(len(self.rings), -1)
        weights = np.exp(exponent * logs.sum(axis=1))
        return weights / weights.sum()

    def draw(self, exponent, n_chains=4000, n_sweeps=24, changes=None):
        """Return the place of one ring of every chain in the list of all, (n_chains,)."""
        rings = Rings(SERIAL, n_chains, 1, self.purification, self.n_slices)
        rings.moves = dataclasses.replace(rings.moves, **(changes or {}))
        amplitude = self.wavefunction.amplitude(self.purification.moves)
        samples = rings.sample(amplitude, self.purification, 1, n_sweeps, exponent)
        order = np.argsort(self.codes(self.rings))
        return order[np.searchsorted(self.codes(self.rings)[order], self.codes(samples.rings))]

    def codes(self, rings):
        layers = (rings[..., : self.purification.n_sites] > 0).reshape(len(rings), -1)
        return layers @ (1 << np.arange(layers.shape[1]))


@pytest.mark.parametrize("exponent", [0.4, 0.8])
@pytest.mark.parametrize("name", STATES)
def test_rings_sample_the_product_of_their_links(p_value, name, exponent):
    state = State(name)
    assert FALSE_ALARM / 2 < p_value(state.draw(exponent), state.probabilities(exponent)) < 1 - FALSE_ALARM / 2


@pytest.mark.parametrize("name", STATES)
def test_another_exponent_is_rejected(p_value, name):
    state = State(name)
    assert p_value(state.draw(0.4), state.probabilities(0.8)) < FALSE_ALARM / 2


@pytest.mark.parametrize("name", ["heisenberg", "tfim"])
def test_rings_that_have_not_warmed_up_are_rejected(p_value, name):
    state = State(name)
    assert p_value(state.draw(0.4, n_sweeps=1), state.probabilities(0.4)) < FALSE_ALARM / 2


def test_without_lines_the_magnetization_is_frozen_and_rejected(p_value):
    """Frozen at its distribution at infinite temperature, which a field changes."""
    state = State("xxz_field_z")
    places = state.draw(0.4, changes={"lines": np.zeros(0, dtype=np.intp)})
    assert p_value(places, state.probabilities(0.4)) < FALSE_ALARM / 2


@pytest.mark.parametrize("name", ["heisenberg", "tfim"])
def test_rings_go_on_from_their_state(name):
    state = State(name)
    amplitude = state.wavefunction.amplitude(state.purification.moves)

    def drawn(rings, n):
        return rings.sample(amplitude, state.purification, n, 2, 0.7).configurations

    def new():
        return Rings(SERIAL, 5, 3, state.purification, state.n_slices)

    rings, other = new(), new()
    whole = drawn(new(), 5)
    np.testing.assert_array_equal(drawn(rings, 2), whole[:, :2])
    other.restore(SERIAL, rings.state(SERIAL))
    np.testing.assert_array_equal(drawn(other, 3), whole[:, 2:])
    assert 0 < other.acceptance(SERIAL) < 1
