"""Control variates of rings: their means over all rings of small systems vanish, and they take most of the noise."""

import numpy as np
import pytest

from hpc_nqs.kernels.amplitude import log_psi
from hpc_nqs.observables.diagonal import build_observables
from hpc_nqs.parallel.team import Team
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.thermal.deep.ring_chains import RingEnumeration
from hpc_nqs.thermal.rings import controls
from hpc_nqs.thermal.rings.chains import RingChains
from hpc_nqs.thermal.rings.measurement import RingMeasurement
from hpc_nqs.thermal.rings.meter import RingSums
from hpc_nqs.wavefunctions.link_functions import sampling_density

CASES = {
    "frustrated": {"lattice": {"kind": "chain", "lengths": [5]},
                   "model": {"kind": "heisenberg", "couplings": [1.0, 0.5]}},
    "in_a_field": {"lattice": {"kind": "chain", "lengths": [5]},
                   "model": {"kind": "heisenberg", "couplings": [1.0, 0.6], "anisotropy": 0.7, "field_z": 0.4}},
    "transverse": {"lattice": {"kind": "chain", "lengths": [3]}, "model": {"kind": "tfim", "field": 0.7},
                   "wavefunction": {"kind": "rbm", "parameters": "real"}},
}  # fmt: skip


def state_of(name):
    """Return (state, observables) at parameters whose rings have both signs where the model has exchange."""
    common = {"run": {"seed": 3}, "thermal": {"betas": [1.0], "beta_0": 0.4}}
    settings = parse_settings(common | {"observables": {"structure_factor": [[0.0, 0.0]]}} | CASES[name])
    state = build_state(settings, *build(settings), seed=3)
    if name != "transverse":
        permanent = state.wavefunction.first
        permanent.params = np.array([-0.35, 0.25, 0.3])[: permanent.n_params]
    return state, build_observables(settings, state.lattice, state.model)


def all_rings(state, n_links):
    """Return the `RingBatch` of all rings of R links, weighted by their weight over the density, and all weights W."""
    chains = RingChains(
        Team.serial(), 1, 1, 1, state.system, state.wavefunction, sampling_density(state.wavefunction), n_links
    )
    layers = RingEnumeration(Team.serial(), state.system, 2).configurations[:, 0]
    if n_links == 3:  # of four layers the last is dropped, and the rings counted once
        layers = np.unique(layers[:, :3, : state.model.n_sites], axis=0)
        following = np.roll(layers, -1, axis=1)
        layers = np.concatenate([layers, -following if state.system.opposite_pairs else following], axis=2)
    rings = np.ascontiguousarray(layers)[None].astype(np.int8)
    chains.sample = lambda n_per_chain: rings
    batch = chains.rings(rings.shape[1])
    density = np.empty(rings.shape[1] * n_links, dtype=complex)
    log_psi(chains.density, rings.reshape(-1, state.system.n_visible), density)
    return batch, (batch.weights * batch.signs)[0] * np.exp(density.real.reshape(-1, n_links).sum(axis=1))


@pytest.mark.parametrize("n_links", [3, 4])
@pytest.mark.parametrize("name", CASES)
def test_their_means_vanish(name, n_links):
    state, observables = state_of(name)
    batch, weights = all_rings(state, n_links)
    assert (np.abs(weights).sum() > 1.01 * weights.sum()) == (name != "transverse")
    found = controls.RingControls(n_links)
    shared = found.shared(batch, -0.3 * state.model.n_sites)[0]
    observed = observables.measure(batch.layers.reshape(-1, state.model.n_sites)).reshape(*batch.layers.shape[:3], -1)
    own = found.own(batch, observed)[0]
    first, second = np.random.default_rng(2).normal(size=(2, state.model.n_sites, 2))
    of_links = (batch.layers @ first) * (np.roll(batch.layers, -1, axis=2) @ second)  # of the two layers of a link
    beyond = np.roll(batch.layers, -2, axis=2) @ first  # of the layer after it
    of_links = np.concatenate([of_links, of_links * beyond], axis=3)
    spans = np.array([1, 1, 2, 2])
    own_of_links = found.own_of_links(batch, of_links, spans)[0]
    if name != "transverse":
        assert own_of_links[:, :2].any() and own_of_links[:, 2:].any() == (n_links > 3)  # each of 3 layers is touched
    for values in [*shared.T, *own.T, *own_of_links.T]:
        assert abs(weights @ values) <= 1e-12 * np.abs(weights) @ np.abs(values)
    if name != "transverse":
        assert np.abs(weights) @ np.abs(shared[:, 0]) > 0.05 * np.abs(weights).sum()
    # the pieces alone have other means
    assert abs(weights @ np.abs(shared[:, 3])) > 1e-3 * np.abs(weights) @ np.abs(shared[:, 3])


def test_a_wrong_sign_is_seen():
    """Of moves that keep the sign of the ring in place of those that change it, the sum does not vanish."""
    state, _ = state_of("frustrated")
    batch, weights = all_rings(state, 4)
    ratios = np.random.default_rng(1).normal(size=(6, 4, 2, 3))
    signs, exchanges = controls.move_sums(ratios, np.array([0.5, 0.5, -0.2]))
    products = ratios[:, :, 0] * np.roll(ratios[:, :, 1], 1, axis=1)
    by_hand = np.where(products < 0, 2 * np.abs(products) / (1 + np.abs(products)), 0).sum(axis=2)
    np.testing.assert_allclose(signs, by_hand, rtol=1e-13)
    wrong = batch.sign_sums[0].sum(axis=1) + batch.exchange_sums[0].sum(axis=1) ** 2
    assert abs(weights @ wrong) > 1e-3 * np.abs(weights) @ np.abs(wrong)
    assert exchanges.shape == signs.shape


def measured(state, observables, n_batch, n_batches):
    ring = RingMeasurement(
        state, observables, Team.serial(), 2, 64, 2.0, 4, -0.3, n_batch, n_batch * n_batches, 0.0
    )
    while not ring.is_finished():
        ring.advance()
    return ring


def test_errors_are_smaller(monkeypatch):
    """At equal rings the variance of the sign is a third, that of e smaller; with few samples nothing is fitted."""
    state, observables = state_of("frustrated")
    with_them = measured(state, observables, 1024, 8).row()
    few = measured(state, observables, 128, 2)
    assert not few.sums.controls.coefficients.any()
    monkeypatch.setattr(controls, "LEAST_SAMPLES", 10**9)
    without = measured(state, observables, 1024, 8).row()
    assert with_them["effective_samples"] == without["effective_samples"]  # the same rings
    assert with_them["average_sign_error"] < 0.6 * without["average_sign_error"]
    assert with_them["energy_error"] < 0.9 * without["energy_error"]
    for name in ("average_sign", "energy", "specific_heat"):
        difference = abs(with_them[name] - without[name])
        assert difference < 4.9 * (with_them[f"{name}_error"] + without[f"{name}_error"])


def test_all_columns_have_their_coefficients():
    """Zero controls and columns without an own one are left alone."""
    state, observables = state_of("transverse")
    ring = measured(state, observables, 1024, 1)
    found = ring.sums.controls.coefficients
    assert found.shape == (controls.N_CONTROLS + 1, ring.sums.sums.shape[1] - 2) and np.isfinite(found).all()
    assert not found[-1, -1] and not found[-1, : 2].any()
    other = RingSums(3, observables, 64, 4, 0.0)
    other.controls.restore(ring.sums.controls.stored())
    np.testing.assert_array_equal(other.controls.coefficients, found)
    other.controls.restore(controls.RingControls(4).stored())
    assert other.controls.coefficients is None
