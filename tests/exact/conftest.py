"""Dense matrices of Trotter products, shared by the tests of the analytic construction."""

import numpy as np
import pytest
import scipy.linalg

from hpc_nqs.path_integral.trotter import EXCHANGE, FIELD


@pytest.fixture(scope="session")
def term_matrix():
    """Return the function that makes the dense matrix of one term of a Trotter product."""
    return dense_term


@pytest.fixture(scope="session")
def step_matrix():
    """Return the function that makes T of a Trotter product as a dense matrix."""
    return dense_step


def dense_term(product, k):
    """Return the dense matrix of one term, bit i of the index set where s_i = +1."""
    n, term = product.n_sites, product.terms[k]
    spins = 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1) - 1
    matrix = np.diag(spins @ term.site_field)
    for b, sites in enumerate(term.sites):
        if term.kind == FIELD:
            for state in range(2**n):
                matrix[state ^ (1 << sites), state] += term.coupling[b]
            continue
        i, j = sites
        matrix += np.diag(term.coupling[b] * spins[:, i] * spins[:, j])
        if term.kind == EXCHANGE:
            for state in np.flatnonzero(spins[:, i] != spins[:, j]):
                matrix[state ^ ((1 << i) | (1 << j)), state] += term.element[b]
    return matrix


def dense_step(product):
    """Return T as a dense matrix."""
    matrix = np.eye(2**product.n_sites)
    for k, fraction in product.step:
        matrix = scipy.linalg.expm(-fraction * product.dtau * dense_term(product, k)) @ matrix
    return matrix
