"""The yardsticks compute what they say: a loop that the compiler had removed would be infinitely fast."""

import numpy as np

from hpc_nqs.kernels import roofline
from hpc_nqs.kernels.reference import roofline as reference


def test_multiply_adds():
    values = np.random.default_rng(0).standard_normal(160)
    expected = values.copy()
    roofline.multiply_adds(values, 0.9, 0.3, 17)
    reference.multiply_adds(expected, 0.9, 0.3, 17)
    np.testing.assert_allclose(values, expected, rtol=1e-13)


def test_triad():
    b, c = np.random.default_rng(1).standard_normal((2, 4096))
    a, expected = np.empty(4096), np.empty(4096)
    for array in (b, c):
        array.flags.writeable = False
    roofline.triad(b, c, 1.5, a)
    reference.triad(b, c, 1.5, expected)
    np.testing.assert_allclose(a, expected, rtol=0, atol=1e-14)
