"""Compiled world-line samplers against their NumPy twins: same random numbers, same configurations, same estimates."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.random import Generator, Philox

import hpc_nqs.kernels
from hpc_nqs.hamiltonians import build_model
from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.kernels import ising_worldlines, worldlines
from hpc_nqs.kernels.reference import world_lines as reference_worldlines
from hpc_nqs.lattices import lattice
from hpc_nqs.path_integral import world_lines as lines_module
from hpc_nqs.path_integral.trotter import trotter_product
from hpc_nqs.path_integral.world_lines import Measurement, world_lines

RING = lattice.build("chain", [4])
TRIANGLE = lattice.build("custom", bonds=[(0, 1, 1.0), (1, 2, 0.7), (0, 2, -0.4), (2, 3, 0.9)])
MODELS = {
    "heisenberg": marshall(build_model(RING)),
    "easy_axis": marshall(build_model(RING, anisotropy=3.0)),  # some gates freeze
    "easy_plane_in_field": marshall(build_model(RING, anisotropy=-0.3, field_z=0.8)),
    "ferromagnet": build_model(RING, couplings=[-1.0], anisotropy=2.0),
    "frustrated": build_model(TRIANGLE, anisotropy=1.3),
    "tfim": build_model(RING, "tfim", coupling=-0.8, field=1.1),
    "tfim_in_field": build_model(RING, "tfim", coupling=0.8, field=1.1, field_z=0.4),
}


def measurement(n_sites):
    q = np.exp(0.5j * np.pi * np.arange(n_sites))
    phases = np.array([np.ones(n_sites), q])
    pairs = np.array([[0, 1], [1, 2], [0, 2]], dtype=np.int32)
    return Measurement(
        np.stack([phases.real, phases.imag], axis=2), pairs, np.array([[0.5, 0.5, 0.0], [0.0, 0.1, 2.0]])
    )


def sampled(modules, monkeypatch, name, method, improved, order):
    """Return spins, values and stream states after a few sweeps with the functions of two modules."""
    for place, module in zip(("kernel", "ising_kernel"), modules, strict=True):
        monkeypatch.setattr(lines_module, place, module)
    lines = world_lines(trotter_product(MODELS[name], 0.3, 2, order))
    streams = [Philox(key=np.array([5, c], dtype=np.uint64)) for c in range(3)]
    spins = np.array([lines.first_spins(Generator(stream)) for stream in streams])
    columns = measurement(4)
    sample = lines.unit_sampler(columns) if method == "gibbs" else lines.sampler(columns, improved)
    values = np.zeros((3, 6, columns.n_columns))
    sample(spins, 2, streams, values)
    return spins, values, [repr(stream.state) for stream in streams]


CASES = [(name, "cluster", improved) for name in MODELS for improved in (True, False)]
CASES += [("tfim", "gibbs", False), ("tfim_in_field", "gibbs", False)]


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("name", "method", "improved"), CASES)
def test_compiled_and_twin_agree(monkeypatch, name, method, improved, order):
    compiled = sampled((worldlines, ising_worldlines), monkeypatch, name, method, improved, order)
    twin = sampled((reference_worldlines, reference_worldlines), monkeypatch, name, method, improved, order)
    np.testing.assert_array_equal(compiled[0], twin[0])
    np.testing.assert_allclose(compiled[1], twin[1], rtol=1e-12, atol=1e-12)
    assert compiled[2] == twin[2]


def test_every_kernel_has_a_twin_with_the_same_arguments():
    folder = Path(hpc_nqs.kernels.__file__).parent
    source = "".join((folder / name).read_text() for name in ("worldlines.pyx", "ising_worldlines.pyx"))
    found = re.findall(r"^def (\w+)\((.*?)\):", source, re.MULTILINE | re.DOTALL)
    assert len(found) == 3
    for name, arguments in found:
        names = [part.split()[-1] for part in re.sub(r"\[[^]]*\]", "", arguments).split(",")]
        assert list(inspect.signature(getattr(reference_worldlines, name)).parameters) == names
