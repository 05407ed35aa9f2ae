"""Links of electrons that vanish by symmetry: sums over all rings of what chains measure are traces of all."""

import numpy as np
import pytest

from hpc_nqs.hamiltonians.matrices import spins_of
from hpc_nqs.kernels.amplitude import log_psi
from hpc_nqs.observables.electron_moments import sector_states
from hpc_nqs.parallel.team import Team
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.thermal.rings.chains import RingChains
from hpc_nqs.thermal.rings.controls import RingControls
from hpc_nqs.thermal.rings.layers import links_of
from hpc_nqs.thermal.rings.measurement import RingMeasurement
from hpc_nqs.thermal.rings.meter import energies_of
from hpc_nqs.thermal.rings.traces import RingTraces
from hpc_nqs.wavefunctions.link_functions import sampling_density, without_zeros

SERIAL = Team.serial()
N_LINKS = 3


@pytest.fixture(scope="module")
def hubbard():
    """Return (state, observables) of the half-filled ring of four sites at a seed whose determinants have zeros."""
    tables = {"lattice": {"kind": "chain", "lengths": [4]}}
    tables |= {"model": {"kind": "hubbard", "U": 4.0, "n_up": 2, "n_down": 2}}
    tables |= {"run": {"seed": 3}, "thermal": {"betas": [1.0], "beta_0": 0.67}}
    tables |= {"observables": {"structure_factor": [[1.0]], "correlations": True}}
    settings = parse_settings(tables)
    state = build_state(settings, *build(settings), seed=3)
    return state, state.observables(settings)


def summed(state, kernel, density):
    """Return (sum of weights, of their moduli, batch, weights) of all rings, as chains of `density` measure them."""
    chains = RingChains(SERIAL, 1, 1, 1, state.system, kernel, density, N_LINKS)
    spins = spins_of(sector_states(state.model), state.model.n_sites).astype(np.int8)
    rings = links_of(spins[np.indices((len(spins),) * N_LINKS).reshape(N_LINKS, -1).T], True)[None]
    chains.sample = lambda n_per_chain: rings
    batch = chains.rings(rings.shape[1])
    logs = np.empty(rings.shape[1] * N_LINKS, dtype=complex)
    log_psi(chains.density, rings.reshape(-1, state.system.n_visible), logs)
    return batch, np.exp(logs.real.reshape(-1, N_LINKS).sum(axis=1)) * (batch.weights * batch.signs)[0]


def test_what_chains_measure_is_complete(hubbard):
    """Energy and product of energies, both of which have terms of links that vanish; they are 4e-3 of e per site."""
    state, observables = hubbard
    expected = RingTraces.of_state(state, observables, SERIAL).averages(N_LINKS)
    batch, weights = summed(state, without_zeros(state.wavefunction), sampling_density(state.wavefunction))
    energy, product = (values[0] for values in energies_of(batch, expected["energy"]))
    assert abs(weights @ energy) / weights.sum() < 1e-8
    assert weights @ product / weights.sum() == pytest.approx(expected["variance_opposite"], abs=1e-8)
    assert weights.sum() / np.abs(weights).sum() == pytest.approx(expected["average_sign"], abs=1e-8)


def test_control_variates_have_no_mean(hubbard):
    """Their sums vanish to rounding, even tiny ones: the filled kernel is one function.  With zeros they do not."""
    state, observables = hubbard
    density = sampling_density(state.wavefunction)
    batch, weights = summed(state, without_zeros(state.wavefunction), density)
    controls = RingControls(N_LINKS)
    observed = observables.measure(batch.layers.reshape(-1, state.model.n_sites)).reshape(*batch.layers.shape[:3], -1)
    for values in [*controls.shared(batch, -2.0)[0].T, *controls.own(batch, observed)[0].T]:
        assert abs(weights @ values) <= 1e-12 * np.abs(weights) @ np.abs(values)
    batch, weights = summed(state, state.wavefunction, density)
    values = controls.shared(batch, -2.0)[0, :, 3]
    assert weights @ values > 0.05 * np.abs(weights) @ np.abs(values)


@pytest.mark.filterwarnings("ignore:invalid value encountered in subtract")  # of links that both vanish
def test_the_kernel_as_it_is_misses_them(hubbard):
    """Neither the kernel nor its own density, nor a density without zeros alone, see all terms."""
    state, observables = hubbard
    expected = RingTraces.of_state(state, observables, SERIAL).averages(N_LINKS)
    kernel = state.wavefunction
    for density in (kernel, sampling_density(kernel)):
        batch, weights = summed(state, kernel, density)
        energy, _ = (values[0] for values in energies_of(batch, expected["energy"]))
        assert weights @ energy / weights.sum() > 1e-2


def test_pilots_and_nodes_measure_no_correlations(hubbard):
    """The columns that are left are those of the whole, of no configurations, too."""
    state, observables = hubbard
    bare, units = observables.bare(), spins_of(sector_states(state.model), state.model.n_sites).astype(np.int8)
    assert observables.layer_sums and not bare.layer_sums and state.ring_averages(bare) is None
    np.testing.assert_array_equal(bare.measure(units), observables.measure(units)[:, : len(bare.names)])
    assert bare.measure(units[:0]).shape == (0, len(bare.names))
    assert observables.measure(units[:0]).shape == (0, len(observables.names))
    ring = RingMeasurement(state, bare, SERIAL, 2, 64, 1.0, N_LINKS, -0.5, 64, 64, 0.0)
    assert 0.5 < ring.pilot()["average_sign"] < 1.5


@pytest.mark.slow
def test_sampled_rings_see_them(hubbard):
    """Energy and sign within 4.9 errors, a false alarm of 1e-6 each; 4e-3 of e is what the kernel as it is misses."""
    state, observables = hubbard
    expected = RingTraces.of_state(state, observables, SERIAL).averages(N_LINKS)
    ring = RingMeasurement(state, observables, SERIAL, 2, 64, 1.0, N_LINKS, -0.5, 16384, 2**18, 0.0)
    while not ring.is_finished():
        ring.advance()
    row = ring.row()
    assert abs(row["energy"] - expected["energy"] / 4) < 4.9 * row["energy_error"]
    assert row["energy_error"] < 6e-4
    assert abs(row["average_sign"] - expected["average_sign"]) < 4.9 * row["average_sign_error"]
