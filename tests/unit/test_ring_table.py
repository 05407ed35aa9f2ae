"""Rows of rings completed: which part of the error of the entropy comes from the path."""

import dataclasses

import numpy as np
import pytest

from hpc_nqs.hamiltonians import build_model
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.observables import thermodynamics
from hpc_nqs.thermal.rings.table import ring_rows
from hpc_nqs.thermal.systematic_error import SHARED, Path, SystematicErrors

BETAS = np.array([0.25, 0.5, 0.75, 1.0])


def finished(path_error, ring_error, off=0.0, sign=0.5):
    """Return the row of a ring at beta = 1.2 behind a path to 1, with statistical errors of e on either.

    The meters of the path say that e is off by `off`.
    """
    model = build_model(lattices.build("chain", [8]))
    mean, variance, _ = np.array(thermodynamics.infinite_temperature_cumulants(model)) / 8
    energies = mean - variance * BETAS
    none = np.zeros(len(BETAS))
    path = Path(BETAS, energies, none + path_error, none + variance, none, none, none)
    row = {"beta": 1.2, "temperature": 1 / 1.2, "links": 3, "kernel_beta": 0.8, "energy": mean - 1.2 * variance}
    row |= {"energy_error": ring_error, "energy_variance": variance, "energy_variance_error": 0.0}
    row |= {"specific_heat": 1.44 * variance, "specific_heat_error": 0.0, "tdvp_residual": 0.0}
    row |= {"average_sign": sign, "average_sign_error": 0.0}
    meters = SystematicErrors(*np.zeros((6, 4)))
    meters = dataclasses.replace(meters, energy=none + off)
    (found,) = ring_rows([row], [], path, meters, model, None, [])
    return found


def test_the_path_counts_with_the_factor_of_shared_chains():
    """Of the integral of e to 1.2, sum w^2 of the points of the path, w = steps of Hermite's rule."""
    weights = np.array([0.25, 0.25, 0.25, 0.125 + 0.1])
    of_path = np.sqrt(np.sum(weights**2))
    assert finished(0.01, 0.0)["entropy_error"] == pytest.approx(SHARED * 0.01 * of_path, rel=1e-12)
    assert finished(0.01, 0.0)["free_energy_error"] == pytest.approx(SHARED * 0.01 * of_path / 1.2, rel=1e-12)
    # s = ln 2 + beta e - int e; the ring's own point has the weight 0.1 in the integral, and chains of its own
    assert finished(0.0, 0.01)["entropy_error"] == pytest.approx(0.01 * np.hypot(1.2, 0.1), rel=1e-12)


def test_rings_without_a_sign_lack_the_order_of_colder_magnets():
    """What the meters say of e counts with the third power of half the links, and in c; not where there is a sign."""
    signed, free = (finished(0.0, 1e-9, off=1e-3, sign=sign) for sign in (0.5, 1.0))
    assert finished(0.0, 0.0, off=1e-3, sign=1.0)["energy_systematic"] == pytest.approx(1e-3)  # sums
    assert signed["energy_systematic"] == pytest.approx(1e-3)
    assert free["energy_systematic"] == pytest.approx(1e-3 * 1.5**3)
    added = free["specific_heat_systematic"] ** 2 - signed["specific_heat_systematic"] ** 2
    assert added == pytest.approx((2 * 1.2 * 1e-3 * 1.5**3) ** 2)
