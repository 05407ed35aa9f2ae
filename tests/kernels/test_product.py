"""Products of two wave functions: logarithms add up, ratios multiply, log-derivatives stand side by side."""

import numpy as np
import pytest

from hpc_nqs.kernels.amplitude import log_derivs, log_psi
from hpc_nqs.kernels.metropolis import follow_path
from hpc_nqs.kernels.product import ProductAmplitude

HEISENBERG = {"kind": "heisenberg"}


def network(is_complex, n_features):
    """Return the arguments of `make` for a network on a ring of five sites."""
    options = {"n_features": n_features, "bias": True, "is_complex": is_complex}
    return (5, HEISENBERG, "rbm", ("translation",), options)


FACTORS = {
    "real": (network(False, 3), network(False, 5)),
    "complex": (network(True, 2), network(True, 3)),
    "network and pairs": (network(False, 4), (5, HEISENBERG, "pair", (), {})),
    "pairs": ((5, HEISENBERG, "pair", ("translation",), {}), (5, HEISENBERG, "pair", (), {})),
}


@pytest.fixture(params=FACTORS)
def factors(request, system):
    """Return two systems of the same moves, and configurations at which neither state is close to zero."""
    one, other = (system(case) for case in FACTORS[request.param])
    return one, other, (other if request.param != "real" else one).configurations[:9]


def values(amplitude, configurations):
    """Return (ln Psi, O as doubles) of configurations."""
    logarithms = np.empty(len(configurations), dtype=complex)
    derivs = np.empty((len(configurations), amplitude.n_params * amplitude.width))
    log_psi(amplitude, configurations, logarithms)
    log_derivs(amplitude, configurations, derivs)
    return logarithms, derivs


def test_logarithms_and_derivatives(factors):
    one, other, configurations = factors
    product = ProductAmplitude(one.amplitude, other.amplitude)
    assert product.n_params == one.wavefunction.n_params + other.wavefunction.n_params
    assert product.width == one.amplitude.width and product.n_visible == 10
    first, second = (values(part.amplitude, configurations) for part in (one, other))
    logarithms, derivs = values(product, configurations)
    np.testing.assert_allclose(logarithms, first[0] + second[0], rtol=1e-14)
    np.testing.assert_array_equal(derivs, np.concatenate([first[1], second[1]], axis=1))


def test_ratios_and_moves_of_both_factors(factors):
    """Every accepted move goes to both: each factor alone makes the same ones."""
    one, other, configurations = factors
    product = ProductAmplitude(one.amplitude, other.amplitude)
    n_taken = 0
    for visible, path in zip(configurations, (one.path(200, seed=row) for row in range(9)), strict=True):
        ratios, end = np.empty(len(path), dtype=complex), visible.copy()
        log_psi_end = follow_path(end, product, one.moves, path, 0.2, ratios)
        taken = path[np.abs(ratios) > 0.2]
        n_taken += len(taken)
        expected, ends = 1.0, 0.0
        for part in (one, other):
            own, place = np.empty(len(taken), dtype=complex), visible.copy()
            ends = ends + follow_path(place, part.amplitude, part.moves, taken, 0.0, own)
            np.testing.assert_array_equal(place, end)
            expected = expected * own
        np.testing.assert_allclose(ratios[np.abs(ratios) > 0.2], expected, rtol=1e-7)
        np.testing.assert_allclose(np.exp(log_psi_end - ends), 1.0, rtol=1e-7)
        np.testing.assert_allclose(np.exp(log_psi_end - values(product, end[None])[0][0]), 1.0, rtol=1e-7)
    assert n_taken > 100
