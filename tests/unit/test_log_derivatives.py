"""Log-derivatives in two factors against the matrix that they stand for."""

import numpy as np
import pytest

from hpc_nqs.kernels.factored import multiply_samples
from hpc_nqs.parallel.team import Team, Threads
from hpc_nqs.reconfiguration import dense as linear
from hpc_nqs.reconfiguration import distributed_cholesky as row_blocks
from hpc_nqs.reconfiguration import log_derivatives, sample_space
from hpc_nqs.reconfiguration.log_derivatives import FactoredDerivatives, StoredDerivatives

N, N_INPUTS, N_HIDDEN = 50, 6, 5
SERIAL = Team.serial()


def factors(kind=complex, hidden_bias=True, input_bias=True, fixed=(), mean=3.0, seed=0):
    """Return (slopes, inputs, places, input_places, n_params), weights and the centred O (N, n_params)."""
    rng = np.random.default_rng(seed)

    def numbers(*shape):
        return rng.normal(size=shape) + (1j * rng.normal(size=shape) if kind is complex else 0)

    slopes = mean * numbers(N_HIDDEN) + 0.3 * numbers(N, N_HIDDEN)
    inputs = rng.choice([-1.0, 1.0], size=(N, N_INPUTS), p=[0.3, 0.7])
    inputs[:, 0] = 1.0  # a spin that never flips
    weights = rng.exponential(size=N)
    weights /= weights.sum()
    missing = np.zeros((N_INPUTS + 1, N_HIDDEN), dtype=bool)
    missing[-1] = not hidden_bias
    for place in fixed:
        missing[place] = True
    n_weights = int((~missing).sum())
    n_params = n_weights + (N_INPUTS if input_bias else 0)
    order = rng.permutation(n_params)
    places = np.full(missing.shape, n_params)
    places[~missing] = order[:n_weights]
    input_places = order[n_weights:] if input_bias else np.full(N_INPUTS, n_params)
    values = np.zeros((N, n_params), dtype=kind)
    extended = np.concatenate([inputs, np.ones((N, 1))], axis=1)
    for u, j in zip(*np.nonzero(~missing), strict=True):
        values[:, places[u, j]] = slopes[:, j] * extended[:, u]
    if input_bias:
        values[:, input_places] = inputs
    values -= weights @ values
    return (slopes, inputs, places.astype(np.intp), input_places.astype(np.intp), n_params), weights, values


CASES = [
    {},
    {"kind": float},
    {"hidden_bias": False},
    {"input_bias": False, "kind": float},
    {"hidden_bias": False, "input_bias": False},
    {"fixed": ((1, 2), (6, 0))},
]


@pytest.mark.parametrize("shares", [(50,), (0, 20, 30)])
@pytest.mark.parametrize("options", CASES)
def test_factors_do_what_the_matrix_does(options, shares, monkeypatch, on_ranks):
    given, weights, values = factors(**options)
    rng = np.random.default_rng(1)
    vector, rows = rng.normal(size=given[-1]), rng.normal(size=N)
    if options.get("kind") is not float:
        vector, rows = vector + 1j * rng.normal(size=vector.shape), rows + 1j * rng.normal(size=N)
    ends = np.cumsum(shares)
    monkeypatch.setattr(log_derivatives, "GROUP", 16)
    monkeypatch.setattr(log_derivatives, "BLOCK", 5)

    def work(team):
        mine = slice(ends[team.rank] - shares[team.rank], ends[team.rank])
        team.threads = Threads(2)
        made = FactoredDerivatives(given[0][mine], given[1][mine], *given[2:], weights[mine], team)
        adjoint = made.adjoint(rows[mine])
        team.sum_in_place(adjoint)
        columns = [made.columns(slice(start, start + 7)) for start in range(0, given[-1], 7)]
        covariance = made.covariance(vector)
        team.sum_in_place(covariance)
        return made.product(vector), adjoint, made.square_sums(), np.concatenate(columns, axis=1), covariance

    results = on_ranks(len(shares), work)
    scale = np.abs(values).max()
    np.testing.assert_allclose(np.concatenate([each[0] for each in results]), values @ vector, atol=1e-12 * scale)
    np.testing.assert_allclose(np.concatenate([each[3] for each in results]), values, atol=1e-12 * scale)
    for _, adjoint, squares, _, covariance in results:
        np.testing.assert_allclose(covariance, values.conj().T @ (weights * (values @ vector)), atol=1e-12 * scale**2)
        np.testing.assert_allclose(adjoint, values.conj().T @ rows, atol=1e-12 * scale)
        np.testing.assert_allclose(squares, weights @ np.abs(values) ** 2, atol=1e-12 * scale**2)


def test_a_large_mean_costs_no_digits():
    """Slopes of mean 30 and spread 1e-5: without centring S is lost (relative error 1e-2)."""
    given, weights, _ = factors(mean=30.0)
    slopes = given[0].mean(axis=0) + 1e-5 * (given[0] - given[0].mean(axis=0))
    made = FactoredDerivatives(slopes, *given[1:], weights, SERIAL)
    exact = [np.longdouble(part) for part in (slopes.real, slopes.imag)]
    for j in range(N_HIDDEN):
        column = made.columns(slice(int(made.places[0, j]), int(made.places[0, j]) + 1))[:, 0]  # input 0 is constant
        centred = [part[:, j] - np.longdouble(weights) @ part[:, j] / np.longdouble(weights).sum() for part in exact]
        np.testing.assert_allclose(column, (centred[0] + 1j * centred[1]).astype(complex), atol=1e-13)


@pytest.mark.parametrize("shares", [(50,), (17, 0, 33)])
@pytest.mark.parametrize("shift", [{"diag_shift": 1e-2}, {"diag_scale": 1e-2, "diag_shift": 1e-6}, {"rtol": 1e-2}])
@pytest.mark.parametrize("options", CASES)
def test_solutions_are_those_of_the_matrix(options, shift, shares, monkeypatch, on_ranks):
    """The elementwise product of two small products with one shift for all, blocks of columns otherwise."""
    monkeypatch.setattr(row_blocks, "CHUNK", 8)
    monkeypatch.setattr(sample_space, "_COLUMNS", 8)
    given, weights, values = factors(**options)
    real = options.get("kind") is float
    rng = np.random.default_rng(2)
    energies = rng.normal(size=N) + 1j * rng.normal(size=N)
    energies -= weights @ energies
    stored = StoredDerivatives(values, weights, SERIAL)
    expected = sample_space.solve_sample_space(stored, None, energies, SERIAL, real_params=real, **shift)
    s_matrix, force = values.conj().T @ (weights[:, None] * values), values.conj().T @ (weights * energies)
    force = force.real if real else force
    cut = "rtol" in shift
    dense = linear.solve_soft_cut(s_matrix, force, 1e-2) if cut else linear.solve_cholesky(s_matrix, force, **shift)
    ends = np.cumsum(shares)

    def work(team):
        mine = slice(ends[team.rank] - shares[team.rank], ends[team.rank])
        made = FactoredDerivatives(given[0][mine], given[1][mine], *given[2:], weights[mine], team)
        return sample_space.solve_sample_space(made, None, energies[mine], team, real_params=real, **shift)

    for solution in on_ranks(len(shares), work):
        for wanted in (expected.x, dense.x):
            np.testing.assert_allclose(solution.x, wanted, atol=1e-10 * np.abs(wanted).max())


@pytest.mark.parametrize("options", CASES)
def test_products_between_samples_from_the_factors(options):
    given, weights, values = factors(**options)
    made = FactoredDerivatives(*given, weights, SERIAL)
    assert made.has_gram == ("fixed" not in options)
    if not made.has_gram:
        return
    scale = np.linspace(0.5, 2.0, N)
    n_planes = 3 if made.dtype == complex else 1
    left, gram = np.empty((n_planes, N, N_HIDDEN)), np.empty((n_planes, N, N))
    row_blocks.store(made.slopes, left)
    terms, *numbers = made.gram_terms(scale)
    other = made.centred_inputs, row_blocks.right_planes(left[:2]), terms
    multiply_samples(made.centred_inputs, left, terms, *other, *numbers, np.empty((n_planes + 1, N, N)), gram)
    gram = row_blocks.numbers(gram)
    expected = scale[:, None] * (values @ values.conj().T) * scale
    np.testing.assert_allclose(gram, expected, atol=1e-12 * np.abs(expected).max())
