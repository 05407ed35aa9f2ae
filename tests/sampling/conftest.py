"""What the tests of chains share: the test of draws against the probabilities they should have."""

import numpy as np
import pytest
import scipy.stats


@pytest.fixture(scope="session")
def p_value():
    """Return a function of drawn places and probabilities: the p-value of chi-square, of independent draws."""
    return chi_square


def chi_square(places, probabilities):
    """Chi-square of independent draws; the rarest outcomes are one, so that at least five of each are expected."""
    expected = len(places) * probabilities
    counts = np.bincount(places, minlength=len(expected))
    order = np.argsort(expected)
    n_rare = max(np.searchsorted(expected[order], 5.0), np.searchsorted(np.cumsum(expected[order]), 5.0) + 1)
    rare, common = order[:n_rare], order[n_rare:]
    observed = np.append(counts[common], counts[rare].sum())
    wanted = np.append(expected[common], expected[rare].sum())
    assert len(wanted) > 10
    return scipy.stats.chisquare(observed, wanted).pvalue
