"""Compiled world lines in continuous time against their NumPy twin: same random numbers, same paths and estimates."""

import numpy as np
import pytest
from numpy.random import Philox

from hpc_nqs.hamiltonians import build_model
from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.kernels import continuous_worldlines
from hpc_nqs.kernels.reference import continuous_world_lines as reference
from hpc_nqs.lattices import lattice
from hpc_nqs.path_integral import paths as paths_module
from hpc_nqs.path_integral.continuous import ContinuousWorldLines
from hpc_nqs.path_integral.world_lines import Measurement

RING = lattice.build("chain", [4])
TRIANGLE = lattice.build("custom", bonds=[(0, 1, 1.0), (1, 2, 0.7), (0, 2, -0.4), (2, 3, 0.9)])
MODELS = {
    "heisenberg": marshall(build_model(RING)),
    "easy_axis": marshall(build_model(RING, anisotropy=3.0)),  # lines freeze
    "easy_plane_in_field": marshall(build_model(RING, anisotropy=-0.3, field_z=0.8)),
    "in_a_staggered_field": marshall(build_model(RING, field_staggered=0.8)),
    "ferromagnet": build_model(RING, couplings=[-1.0], anisotropy=1.3),
    "frustrated": build_model(TRIANGLE, anisotropy=1.3),
    "tfim": build_model(RING, "tfim", coupling=-0.8, field=1.1),
    "tfim_in_field": build_model(RING, "tfim", coupling=0.8, field=1.1, field_z=0.4),
    "ising": build_model(RING, "tfim", coupling=0.8, field=0.0),
}


def measurement(n_sites):
    q = np.exp(0.5j * np.pi * np.arange(n_sites))
    phases = np.array([np.ones(n_sites), q])
    pairs = np.array([[0, 1], [1, 2], [0, 2]], dtype=np.int32)
    weights = np.array([[0.5, 0.5, 0.0], [0.0, 0.1, 2.0]])
    return Measurement(np.stack([phases.real, phases.imag], axis=2), pairs, weights)


def sampled(module, monkeypatch, name, beta, sweeps=2, n_samples=10):
    """Return the state of three chains and their values after a few sweeps with the function of a module."""
    monkeypatch.setattr(paths_module, "kernel", module)
    lines = ContinuousWorldLines(MODELS[name], beta)
    streams = [Philox(key=np.array([5, c], dtype=np.uint64)) for c in range(3)]
    found = lines.paths(measurement(4), streams, "cluster")
    values = np.zeros((3, n_samples, measurement(4).n_columns + 2))
    found.sample(sweeps, values)
    return found, values


@pytest.mark.parametrize("beta", [0.4, 2.5])
@pytest.mark.parametrize("name", MODELS)
def test_compiled_and_twin_agree(monkeypatch, name, beta):
    compiled, values = sampled(continuous_worldlines, monkeypatch, name, beta)
    twin, expected = sampled(reference, monkeypatch, name, beta)
    np.testing.assert_array_equal(compiled.spins, twin.spins)
    np.testing.assert_array_equal(compiled.n_kinks, twin.n_kinks)
    for mine, other, n in zip(compiled.kink_places, twin.kink_places, compiled.n_kinks, strict=True):
        np.testing.assert_array_equal(mine[:n], other[:n])
    for mine, other, n in zip(compiled.kink_times, twin.kink_times, compiled.n_kinks, strict=True):
        np.testing.assert_allclose(mine[:n], other[:n], rtol=1e-12)
        assert np.all(np.diff(mine[:n]) > 0.0)
    assert [repr(stream.state) for stream in compiled.streams] == [repr(stream.state) for stream in twin.streams]
    np.testing.assert_allclose(values, expected, rtol=1e-10, atol=1e-10)
    assert name == "ising" or beta < 1.0 or values[:, :, 2].any()  # there were kinks


def test_too_little_room_is_said_before_anything_changes(monkeypatch):
    paths, _ = sampled(continuous_worldlines, monkeypatch, "heisenberg", 1.0)
    lines, columns = paths.lines, measurement(4)
    small = paths_module.ContinuousPaths(lines, columns, [Philox(key=np.array([5, 9], dtype=np.uint64))], 1)
    small._make_room(4 + 64)
    spins, state = small.spins.copy(), repr(small.streams[0].state)
    values = np.zeros((1, 3, columns.n_columns + 2))
    done = continuous_worldlines.sample_paths(
        small.spins, small.n_kinks, small.kink_times, small.kink_places, lines.beta, lines.rate, *lines.arrays, True,
        small.times, columns.phases, columns.pairs, columns.pair_weights, 2, *small.work, small.streams, values, 0,
    )  # fmt: skip
    assert done == 0
    np.testing.assert_array_equal(small.spins, spins)
    assert repr(small.streams[0].state) == state
    small.sample(2, values)  # makes room itself
    assert small.kink_times.shape[1] > 68 and values.any()
