"""Rings of hafnians that lose pairs: sums over all rings of what chains measure are traces of all."""

import numpy as np
import pytest

from hpc_nqs.hamiltonians.matrices import spins_of
from hpc_nqs.kernels.amplitude import log_psi
from hpc_nqs.parallel.team import Team
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.thermal.rings.chains import RingChains
from hpc_nqs.thermal.rings.layers import links_of
from hpc_nqs.thermal.rings.measurement import RingMeasurement
from hpc_nqs.thermal.rings.meter import energies_of
from hpc_nqs.thermal.rings.traces import RingTraces
from hpc_nqs.wavefunctions.link_functions import sampling_density, without_zeros

SERIAL = Team.serial()
N_LINKS = 3
# x and y bonds in turn along a line, z bonds across: the pair 0, 2 appears at third order alone
COMPASS = [(0, 1, 1, 0, 0), (1, 2, 0, 1, 0), (2, 3, 1, 0, 0), (0, 3, 0, 0, 1), (0, 2, 0, 0, 0.7), (1, 3, 0, 0, 0.6)]
XYZ = [(0, 1, 1, 0.4, 0.2), (1, 2, 1, -0.5, 0.2), (2, 3, 0.8, 0.4, 0.2), (0, 2, 0.7, 0.2, 0.3)]
MODELS = {name: {"bonds_xyz": bonds} for name, bonds in (("compass", COMPASS), ("xyz", XYZ))}
MODELS["field_x"] = {"bonds_xyz": XYZ, "site_fields_x": [0.5, 0.0, -0.3, 0.0], "field_z": 0.2}


@pytest.fixture(scope="module", params=MODELS)
def line(request):
    """Return (name, state, observables) of four sites at a seed."""
    nothing = {f"couplings_{axis}": [0.0] for axis in "xyz"}
    tables = {"lattice": {"kind": "chain", "lengths": [4]}, "run": {"seed": 3}}
    tables |= {"model": {"kind": "xyz", **MODELS[request.param]} | nothing}
    tables |= {"thermal": {"betas": [1.0], "beta_0": 0.67}, "sampling": {"method": "metropolis"}}
    settings = parse_settings(tables)
    state = build_state(settings, *build(settings), seed=3)
    assert state.wavefunction.first.loses_pairs == (request.param == "compass")
    return request.param, state, state.observables(settings)


def summed(state, kernel, density):
    """Return (batch, weights) of all rings, as chains of `density` measure them."""
    chains = RingChains(SERIAL, 1, 1, 1, state.system, kernel, density, N_LINKS)
    spins = spins_of(np.arange(16), 4).astype(np.int8)
    rings = links_of(spins[np.indices((16,) * N_LINKS).reshape(N_LINKS, -1).T], False)[None]
    logs = np.empty(rings.shape[1] * N_LINKS, dtype=complex)
    log_psi(chains.density, rings.reshape(-1, 8), logs)
    sampled = logs.real.reshape(-1, N_LINKS).sum(axis=1)
    rings, sampled = rings[:, np.isfinite(sampled)], sampled[np.isfinite(sampled)]  # what chains may come to
    chains.sample = lambda n_per_chain: rings
    batch = chains.rings(rings.shape[1])
    return batch, np.exp(sampled) * (batch.weights * batch.signs)[0]


def test_what_chains_measure_is_complete(line):
    """Energy and product of energies; the kernel as it is misses terms of links that vanish."""
    name, state, observables = line
    expected = RingTraces.of_state(state, observables, SERIAL).averages(N_LINKS)
    batch, weights = summed(state, without_zeros(state.wavefunction), sampling_density(state.wavefunction))
    energy, product = (values[0] for values in energies_of(batch, expected["energy"]))
    assert abs(weights @ energy) / weights.sum() < 1e-8
    assert weights @ product / weights.sum() == pytest.approx(expected["variance_opposite"], abs=1e-8)
    assert weights.sum() / np.abs(weights).sum() == pytest.approx(expected["average_sign"], abs=1e-8)
    batch, weights = summed(state, state.wavefunction, state.wavefunction)
    energy, _ = (values[0] for values in energies_of(batch, expected["energy"]))
    assert (abs(weights @ energy / weights.sum()) > 1e-6) == (name == "compass")


def test_sampled_rings(line):
    """Energy within 4.9 errors, a false alarm of 1e-6 each."""
    _, state, observables = line
    expected = RingTraces.of_state(state, observables, SERIAL).averages(N_LINKS)
    ring = RingMeasurement(state, observables, SERIAL, 2, 64, 1.0, N_LINKS, -0.1, 8192, 2**15, 0.0)
    while not ring.is_finished():
        ring.advance()
    row = ring.row()
    assert abs(row["energy"] - expected["energy"] / 4) < 4.9 * row["energy_error"]
    assert 0 < row["energy_error"] < 1e-3
