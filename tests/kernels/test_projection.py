"""Projections where images of a configuration are zeros of the inner wave function."""

import numpy as np
import pytest

from hpc_nqs.hilbert.spins import spin_system
from hpc_nqs.kernels import amplitude, metropolis
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build
from hpc_nqs.symmetry.quantum_numbers import Sector, projector
from hpc_nqs.symmetry.signed_permutations import SignedPermutations
from hpc_nqs.wavefunctions.pair_sum import PairSum
from hpc_nqs.wavefunctions.projection import ProjectedState, image_entries
from hpc_nqs.wavefunctions.spin_pair_product import SpinPairs
from hpc_nqs.wavefunctions.wavefunction import log_psi

N_SITES = 8


@pytest.fixture(params=["image by image", "side by side"])
def state(request):
    """A pair product of open-chain neighbours, zero on most configurations, projected onto momentum pi."""
    system = {"lattice": {"kind": "chain", "lengths": [N_SITES]}, "model": {"kind": "heisenberg"}}
    lattice, model = build(parse_settings(system | {"thermal": {"betas": [1.0]}}))
    system = spin_system(model)
    pairing = np.zeros((N_SITES, N_SITES))
    for i, value in enumerate((1.0, 0.3, 1.2, 0.4, 0.9, 0.5, 1.1)):
        pairing[i, i + 1] = pairing[i + 1, i] = value
    inner = SpinPairs(SignedPermutations.identity(N_SITES), pairing)
    images, coefficients = projector(Sector((4,)), lattice, model, system.n_up)
    if request.param == "image by image":
        return system, inner, ProjectedState(inner, images, coefficients)
    return system, inner, PairSum(SignedPermutations.identity(N_SITES), pairing, images, coefficients.real)


def expected_psi(system, inner, projected, configurations):
    """sum_g c_g Psi(g s) of every configuration, term by term."""
    total = np.zeros(len(configurations), dtype=complex)
    for images, coefficient in zip(projected.images.apply(configurations), projected.coefficients, strict=True):
        total += coefficient * np.exp(log_psi(inner, system.moves, np.ascontiguousarray(images)))
    return total


def sector():
    states = np.arange(2**N_SITES)
    bits = (states[:, None] >> np.arange(N_SITES)) & 1
    return (2 * bits[bits.sum(axis=1) == N_SITES // 2] - 1).astype(np.int8)


def test_images_may_be_zeros(state):
    system, inner, projected = state
    configurations = sector()
    expected = expected_psi(system, inner, projected, configurations)
    zeros = np.exp(log_psi(inner, system.moves, configurations)) == 0
    assert 0.3 < zeros.mean() < 1 and np.abs(expected).max() > 0
    found = np.exp(log_psi(projected, system.moves, configurations))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_ratios_and_walks_through_zeros_of_images(state):
    system, inner, projected = state
    configurations = sector()
    psi = expected_psi(system, inner, projected, configurations)
    start = configurations[np.argmax(np.abs(psi))]
    path = np.random.default_rng(2).integers(0, len(system.moves), size=3000).astype(np.intp)
    visible, ratios = start.copy(), np.empty(len(path), dtype=complex)
    one, moves = projected.amplitude(system.moves), system.moves.kernel()
    end = metropolis.follow_path(visible, one, moves, path, 1e-3, ratios)
    assert np.exp(end) == pytest.approx(expected_psi(system, inner, projected, visible[None])[0], abs=1e-9)
    here = start.copy()
    for move, ratio in zip(path[:300], ratios[:300], strict=True):
        a, b = system.moves.sites[move]
        if here[a] == here[b]:
            assert ratio == 0
            continue
        new = here.copy()
        new[[a, b]] *= -1
        before, after = expected_psi(system, inner, projected, np.array([here, new]))
        assert ratio == pytest.approx(after / before, abs=1e-9)
        if abs(ratio) > 1e-3:
            here = new


def test_chains_leave_zeros(state):
    """From a zero of the projected state a move to a non-zero amplitude has a huge ratio."""
    system, _, projected = state
    configurations = sector()
    psi = expected_psi(*state, configurations)
    one, moves = projected.amplitude(system.moves), system.moves.kernel()
    every, n_left = np.arange(len(system.moves), dtype=np.intp), 0
    for start in configurations[np.abs(psi) < 1e-13][:20]:
        ratios = np.empty(len(every), dtype=complex)
        metropolis.follow_path(start.copy(), one, moves, every, np.inf, ratios)
        assert set(np.abs(ratios)) <= {0.0, 1.0, 1e150}
        n_left += np.any(np.abs(ratios) == 1e150)
    assert n_left > 0
    derivs = np.empty((len(configurations), projected.n_params))
    amplitude.log_derivs(one, configurations, derivs)
    assert np.isfinite(derivs).all()


def test_moves_that_are_not_closed_are_refused(state):
    system, _, _ = state
    shift = np.stack([np.arange(N_SITES), np.array([1, 0, *range(2, N_SITES)])])
    with pytest.raises(ValueError, match="to none of the moves"):
        image_entries(system.moves, SignedPermutations(shift))
