"""Chains of visible units with deep units of ket and bra against their full distribution, and what must be rejected.

Every test has a fixed seed and a false-alarm rate below 1e-6 had the seed been drawn.
"""

import numpy as np
import pytest

from hpc_nqs.parallel.team import Team
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.deep.ansatz import build_deep_state
from hpc_nqs.thermal.deep.ket_bra_chains import KetBraChains

FALSE_ALARM = 1e-6
SERIAL = Team.serial()


class State:
    """Two sites, or three, near a Trotter network, and the probabilities of (visible, ket, bra)."""

    def __init__(self, n_sites=2, parameters="real"):
        sections = {"lattice": {"kind": "chain", "lengths": [n_sites], "boundary": "open"}, "model": {"kind": "tfim"}}
        sections |= {"wavefunction": {"kind": "dbm", "parameters": parameters}, "sampling": {"method": "metropolis"}}
        settings = parse_settings(sections | {"thermal": {"betas": [3.0], "beta_0": 1.5}})
        ansatz = build_deep_state(settings, *build(settings))
        self.wavefunction, self.purification = ansatz.wavefunction, ansatz.system
        stream = np.random.default_rng(5)
        for unit in (1.0, 1j) if parameters == "complex" else (1.0,):
            noise = 0.2 * unit * stream.standard_normal(self.wavefunction.n_params)
            self.wavefunction.params = self.wavefunction.params + noise
        dbm = self.wavefunction.dbm
        self.cut, self.end = dbm.n_visible, dbm.n_visible + dbm.n_deep
        spins = (2 * ((np.arange(2 ** (self.end + dbm.n_deep))[:, None] >> np.arange(self.end + dbm.n_deep)) & 1) - 1)
        ket, bra = spins[:, : self.end], np.concatenate([spins[:, : self.cut], spins[:, self.end :]], axis=1)
        self.logs = dbm.log_joint(ket).real + dbm.log_joint(bra).real

    def probabilities(self, exponent):
        weights = np.exp(exponent * (self.logs - self.logs.max()))
        return weights / weights.sum()

    def draw(self, exponent, n_chains=4000, n_sweeps=40):
        """Return the number of one configuration of every chain."""
        pairs = KetBraChains(SERIAL, n_chains, 1, self.wavefunction)
        links = pairs.sample(None, self.purification, 1, n_sweeps, exponent).rings
        np.testing.assert_array_equal(links[:, 0, : self.cut], links[:, 1, : self.cut])
        spins = np.concatenate([links[:, 0], links[:, 1, self.cut :]], axis=1)
        return (spins > 0) @ (1 << np.arange(spins.shape[1]))


@pytest.mark.parametrize(
    ("n_sites", "parameters", "exponent"), [(2, "real", 1.0), (3, "real", 0.6), (2, "complex", 0.8)]
)
def test_chains_sample_the_product_of_ket_and_bra(p_value, n_sites, parameters, exponent):
    state = State(n_sites, parameters)
    assert FALSE_ALARM / 2 < p_value(state.draw(exponent), state.probabilities(exponent)) < 1 - FALSE_ALARM / 2


def test_another_exponent_is_rejected(p_value):
    state = State()
    assert p_value(state.draw(0.6), state.probabilities(0.9)) < FALSE_ALARM / 2


def test_chains_that_have_not_warmed_up_are_rejected(p_value):
    state = State()
    assert p_value(state.draw(0.6, n_sweeps=1), state.probabilities(0.6)) < FALSE_ALARM / 2


def test_chains_go_on_from_their_state():
    state = State()

    def drawn(pairs, n):
        return pairs.sample(None, state.purification, n, 2, 0.7).configurations

    pairs, other = (KetBraChains(SERIAL, 5, 3, state.wavefunction) for _ in range(2))
    whole = drawn(KetBraChains(SERIAL, 5, 3, state.wavefunction), 5)
    np.testing.assert_array_equal(drawn(pairs, 2), whole[:, :2])
    other.restore(SERIAL, pairs.state(SERIAL))
    np.testing.assert_array_equal(drawn(other, 3), whole[:, 2:])
    assert 0 < other.acceptance(SERIAL) < 1
