"""Solvers of S x = -F: all forms agree to rounding, failures are noticed and said."""

import numpy as np
import pytest

from hpc_nqs.parallel.team import Team
from hpc_nqs.reconfiguration import conjugate_gradients, sample_space
from hpc_nqs.reconfiguration import dense as linear
from hpc_nqs.reconfiguration import distributed_cholesky as row_blocks
from hpc_nqs.reconfiguration.log_derivatives import StoredDerivatives

SERIAL = Team.serial()


def samples(n_samples=60, n_params=20, kind=np.complex128, seed=0):
    """Return centred log-derivatives, weights summing to one and centred local energies."""
    rng = np.random.default_rng(seed)
    log_derivs = rng.normal(size=(n_samples, n_params)).astype(kind)
    local_energy = rng.normal(size=n_samples).astype(kind)
    if kind is np.complex128:
        log_derivs += 1j * rng.normal(size=log_derivs.shape)
        local_energy += 1j * rng.normal(size=n_samples)
    log_derivs *= 10.0 ** rng.uniform(-2, 0, n_params)
    weights = rng.uniform(0.2, 1.8, n_samples)
    weights /= weights.sum()
    return log_derivs - weights @ log_derivs, weights, local_energy - weights @ local_energy


def system(log_derivs, weights, local_energy):
    """Assemble S and F of docs/theory/conventions.md, 'Variational quantities'."""
    return log_derivs.conj().T @ (weights[:, None] * log_derivs), log_derivs.conj().T @ (weights * local_energy)


@pytest.mark.parametrize("kind", [np.float64, np.complex128])
def test_all_forms_give_the_same_update_at_equal_shift(kind):
    log_derivs, weights, local_energy = samples(kind=kind)
    s_matrix, force = system(log_derivs, weights, local_energy)
    scale, shift = 1e-3, 1e-4
    diagonal = scale * np.diag(s_matrix).real + shift
    exact = np.linalg.solve(s_matrix + np.diag(diagonal), -force)

    cholesky = linear.solve_cholesky(s_matrix, force, scale, shift)
    dense_cg = conjugate_gradients.solve_cg(
        lambda v: s_matrix @ v + diagonal * v, force, diagonal=np.diag(s_matrix).real + diagonal, tolerance=1e-13
    )
    product = linear.matrix_free(log_derivs, weights, SERIAL, diagonal)
    s_diag = linear.s_diagonal(log_derivs, weights, SERIAL)
    free_cg = conjugate_gradients.solve_cg(
        product, force, diagonal=s_diag + diagonal, tolerance=1e-13, x0=np.ones(force.size)
    )
    samples_form = sample_space.solve_sample_space(log_derivs, weights, local_energy, SERIAL, scale, shift)

    np.testing.assert_allclose(s_diag, np.diag(s_matrix).real, rtol=1e-13)
    for solution in (cholesky, dense_cg, free_cg, samples_form):
        np.testing.assert_allclose(solution.x, exact, rtol=0, atol=1e-10 * np.abs(exact).max(), err_msg=solution.solver)
        assert solution.note == "" and solution.residual < 1e-10 and solution.x.dtype == kind


@pytest.mark.parametrize("n_params", [20, 90])
@pytest.mark.parametrize("kind", [np.float64, np.complex128])
def test_soft_cut_is_the_same_between_parameters_and_between_samples(kind, n_params):
    log_derivs, weights, local_energy = samples(n_params=n_params, kind=kind)
    s_matrix, force = system(log_derivs, weights, local_energy)
    previous = np.random.default_rng(1).normal(size=n_params).astype(kind)
    for filling in (None, previous):
        dense = linear.solve_soft_cut(s_matrix, force, 1e-2, filling)
        between = sample_space.solve_sample_space(
            log_derivs, weights, local_energy, SERIAL, rtol=1e-2, previous=filling
        )
        np.testing.assert_allclose(between.x, dense.x, rtol=0, atol=1e-10 * np.abs(dense.x).max())
        assert between.n_kept == pytest.approx(dense.n_kept, abs=1e-9)
        assert between.residual == pytest.approx(dense.residual, abs=1e-10)


def test_soft_cut_is_its_formula():
    rng = np.random.default_rng(2)
    vectors, _ = np.linalg.qr(rng.normal(size=(6, 6)) + 1j * rng.normal(size=(6, 6)))
    eigenvalues = np.array([1e-9, 1e-4, 1e-3, 1e-2, 0.5, 2.0])
    s_matrix = vectors @ (eigenvalues[:, None] * vectors.conj().T)
    s_matrix = 0.5 * (s_matrix + s_matrix.conj().T)
    force = rng.normal(size=6) + 1j * rng.normal(size=6)
    previous = rng.normal(size=6) + 0j
    kept = 1.0 / (1.0 + (1e-3 * 2.0 / eigenvalues) ** 6)
    wanted = vectors @ (kept * (vectors.conj().T @ -force) / eigenvalues + (1 - kept) * (vectors.conj().T @ previous))
    solution = linear.solve_soft_cut(s_matrix, force, 1e-3, previous)
    np.testing.assert_allclose(solution.x, wanted, rtol=0, atol=1e-9 * np.abs(wanted).max())
    assert solution.n_kept == pytest.approx(kept.sum(), abs=1e-9)
    uncut = linear.solve_soft_cut(s_matrix, force, 0.0)
    np.testing.assert_allclose(s_matrix @ uncut.x, -force, atol=1e-6)


def test_soft_cut_keeps_the_previous_velocity_where_nothing_is_known():
    s_matrix = np.diag([1.0, 0.0, -1e-12])  # a dead direction, and one that is negative by rounding
    previous = np.array([5.0, 6.0, 7.0])
    solution = linear.solve_soft_cut(s_matrix, np.array([2.0, 0.0, 0.0]), 1e-6, previous)
    np.testing.assert_allclose(solution.x, [-2.0, 6.0, 7.0])
    nothing = linear.solve_soft_cut(np.zeros((3, 3)), np.zeros(3), 1e-6, previous)
    np.testing.assert_array_equal(nothing.x, previous)
    assert "no positive eigenvalue" in nothing.note and nothing.n_kept == 0.0


@pytest.mark.parametrize("regularization", [{"diag_scale": 1e-2, "diag_shift": 1e-3}, {"rtol": 1e-2}])
def test_real_parameters_solve_with_the_real_parts(regularization):
    log_derivs, weights, local_energy = samples()
    s_matrix, force = system(log_derivs, weights, local_energy)
    if "rtol" in regularization:
        dense = linear.solve_soft_cut(s_matrix.real, force.real, 1e-2)
    else:
        dense = linear.solve_cholesky(s_matrix.real, force.real, 1e-2, 1e-3)
    between = sample_space.solve_sample_space(
        log_derivs, weights, local_energy, SERIAL, real_params=True, **regularization
    )
    assert between.x.dtype == np.float64 and between.note == ""
    np.testing.assert_allclose(between.x, dense.x, rtol=0, atol=1e-10 * np.abs(dense.x).max())
    product = linear.matrix_free(log_derivs, weights, SERIAL, real_params=True)(dense.x)
    np.testing.assert_allclose(product, s_matrix.real @ dense.x, atol=1e-13)


@pytest.mark.parametrize("real_params", [False, True])
@pytest.mark.parametrize("shares", [(60, 0), (0, 23, 37), (20, 20, 20)])
def test_distributed_forms_do_not_depend_on_the_number_of_ranks(shares, real_params, monkeypatch, on_ranks):
    monkeypatch.setattr(sample_space, "_BLOCK_ITEMS", 60 * 7)  # several blocks of columns
    monkeypatch.setattr(row_blocks, "CHUNK", 7)  # several panels
    log_derivs, weights, local_energy = samples()
    ends = np.cumsum(shares)
    previous = np.linspace(-1.0, 1.0, log_derivs.shape[1])

    def work(team):
        mine = slice(ends[team.rank] - shares[team.rank], ends[team.rank])
        local = log_derivs[mine], weights[mine]
        shifted = sample_space.solve_sample_space(
            *local, local_energy[mine], team, diag_scale=1e-3, diag_shift=1e-4, real_params=real_params
        )
        cut = sample_space.solve_sample_space(
            *local, local_energy[mine], team, rtol=1e-3, previous=previous, real_params=real_params
        )
        force = local[0].conj().T @ (local[1] * local_energy[mine])
        team.sum_in_place(force)
        force = force.real.copy() if real_params else force
        shift = 1e-3 * linear.s_diagonal(*local, team) + 1e-4
        options = {"diagonal": shift * 1001, "tolerance": 1e-13, "real_params": real_params}
        derivatives = linear.as_derivatives(*local, team)
        iterative = conjugate_gradients.solve_distributed_cg(derivatives, force, shift, **options)
        return shifted, cut, iterative

    (alone,) = on_ranks(1, lambda team: work_alone(log_derivs, weights, local_energy, previous, real_params, team))
    for result in on_ranks(len(shares), work):
        for solution, wanted in zip(result, alone, strict=True):
            np.testing.assert_allclose(solution.x, wanted.x, rtol=0, atol=1e-10 * np.abs(wanted.x).max())
            assert (solution.solver, solution.note) == (wanted.solver, "")
            assert solution.n_kept == pytest.approx(wanted.n_kept, abs=1e-8)


def work_alone(log_derivs, weights, local_energy, previous, real_params, team):
    """Solve with the dense forms; label the solutions as the distributed forms do."""
    s_matrix, force = system(log_derivs, weights, local_energy)
    if real_params:
        s_matrix, force = s_matrix.real, force.real
    shifted = linear.solve_cholesky(s_matrix, force, 1e-3, 1e-4)
    cut = linear.solve_soft_cut(s_matrix, force, 1e-3, previous)
    n_rows = weights.size * (2 if real_params else 1)
    return (
        linear.Solution(shifted.x, "sample_space", n_kept=n_rows),
        linear.Solution(cut.x, "sample_space", n_kept=cut.n_kept),
        linear.Solution(shifted.x, "cg", n_kept=force.size),
    )


def test_ranks_leave_the_loop_together(on_ranks):
    """A rank that meets other numbers than rank 0 must still leave the loop at its iteration, or the job hangs."""
    log_derivs, weights, local_energy = samples()
    _, force = system(log_derivs, weights, local_energy)

    def work(team):
        derivatives = linear.as_derivatives(log_derivs[team.rank :: 2], weights[team.rank :: 2], team)
        wrong = force if team.rank == 0 else force * (1 + 1e-3)
        return conjugate_gradients.solve_distributed_cg(derivatives, wrong, np.full(force.size, 1e-3), tolerance=1e-14)

    first, second = on_ranks(2, work)
    assert first.iterations == second.iterations > 0
    np.testing.assert_array_equal(first.x, second.x)


def test_more_ranks_than_parameters(on_ranks):
    log_derivs, weights, local_energy = samples(n_params=2)
    s_matrix, force = system(log_derivs, weights, local_energy)

    def work(team):
        mine = slice(None) if team.rank == 1 else slice(0)
        derivatives = linear.as_derivatives(log_derivs[mine], weights[mine], team)
        return conjugate_gradients.solve_distributed_cg(derivatives, force, np.full(2, 1e-3), tolerance=1e-13)

    for solution in on_ranks(3, work):
        np.testing.assert_allclose(solution.x, np.linalg.solve(s_matrix + 1e-3 * np.eye(2), -force), rtol=1e-10)


def test_cholesky_falls_back_and_says_so():
    s_matrix = np.diag([1.0, -0.5, 2.0])
    solution = linear.solve_cholesky(s_matrix, np.array([1.0, 1.0, 1.0]), diag_shift=1e-6)
    assert solution.solver == "soft_cut" and "not positive definite" in solution.note
    np.testing.assert_allclose(solution.x, [-1.0, 0.0, -0.5], atol=1e-5)


def test_cg_solves_a_singular_consistent_system_from_any_start():
    log_derivs, weights, local_energy = samples(n_samples=12, n_params=30)
    s_matrix, force = system(log_derivs, weights, local_energy)
    for x0 in (None, np.ones(30)):
        solution = conjugate_gradients.solve_cg(
            lambda v: s_matrix @ v, force, x0, np.diag(s_matrix).real, tolerance=1e-9
        )
        assert solution.note == "" and solution.residual <= 2e-9 and 0 < solution.iterations <= 60
    again = conjugate_gradients.solve_cg(
        lambda v: s_matrix @ v, force, solution.x, np.diag(s_matrix).real, tolerance=1e-8
    )
    assert again.iterations == 1


@pytest.mark.parametrize(
    ("s_matrix", "max_iterations", "word"),
    [
        (np.diag([1.0, -1.0, 1.0]), 50, "curvature"),
        (np.diag([1.0, np.nan, 1.0]), 50, "not finite"),
        (np.diag([1.0, 1e300, 1e300]), 50, ""),
        (np.diag([1e-8, 1.0, 1e3]), 2, "max_iterations"),
    ],
)
def test_cg_returns_a_finite_best_iterate_with_a_note(s_matrix, max_iterations, word):
    force = np.array([1.0, 2.0, 3.0])
    with np.errstate(invalid="ignore"):
        solution = conjugate_gradients.solve_cg(
            lambda v: s_matrix @ v, force, tolerance=1e-12, max_iterations=max_iterations
        )
    assert np.isfinite(solution.x).all() and word in solution.note
    if word:
        assert solution.note.startswith("CG ")


def test_zero_force_needs_no_iterations():
    solution = conjugate_gradients.solve_cg(lambda v: v, np.zeros(3))
    assert solution.iterations == 0 and solution.residual == 0.0 and not solution.x.any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: linear.solve_soft_cut(np.full((2, 2), np.nan), np.ones(2), 1e-4), "not finite"),
        (lambda: linear.solve_soft_cut(np.eye(2), np.array([1.0, np.inf]), 1e-4), r"force\[1\] = inf"),
        (lambda: linear.solve_soft_cut(np.eye(2), np.ones(2), -1.0), "rtol = -1"),
        (lambda: linear.solve_soft_cut(np.eye(2), np.ones(2), 1e-4, np.ones(3)), "previous has shape"),
        (lambda: linear.solve_soft_cut(np.eye(3), np.ones(2), 1e-4), "s_matrix has shape"),
        (lambda: linear.solve_soft_cut(np.array([[1.0, 2.0], [0.0, 1.0]]), np.ones(2), 1e-4), "not Hermitian"),
        (lambda: linear.solve_soft_cut(np.zeros((0, 0)), np.zeros(0), 1e-4), "no parameters"),
        (lambda: linear.solve_cholesky(np.eye(2), np.ones(2), diag_shift=-1.0), "diag_shift = -1"),
        (lambda: conjugate_gradients.solve_cg(lambda v: v, np.array([np.nan])), r"force\[0\] = nan"),
        (lambda: conjugate_gradients.solve_cg(lambda v: 1j * v, np.ones(2)), "complex numbers"),
        (lambda: linear.matrix_free(np.full((2, 2), np.inf), np.ones(2), SERIAL), "log_derivs has entries"),
        (lambda: linear.matrix_free(np.ones((2, 2)), np.array([1.0, -1.0]), SERIAL), "not negative"),
        (lambda: linear.matrix_free(np.ones((2, 2)), np.ones(3), SERIAL), "wanted"),
        (lambda: sample_space.solve_sample_space(*samples(), SERIAL), "either rtol or a shift"),
        (
            lambda: sample_space.solve_sample_space(*samples(), SERIAL, diag_shift=1.0, rtol=1e-3),
            "either rtol or a shift",
        ),
        (
            lambda: sample_space.solve_sample_space(*samples(), SERIAL, diag_shift=1.0, previous=np.ones(20)),
            "needs rtol",
        ),
        (lambda: sample_space.solve_sample_space(*samples(n_samples=0), SERIAL, diag_shift=1.0), "no samples"),
    ],
)
def test_refuses_unusable_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_sample_space_refuses_more_rows_than_rank_zero_can_hold(monkeypatch):
    monkeypatch.setattr(sample_space, "MAX_ROWS", 50)
    with pytest.raises(ValueError, match="60 rows .* allowed: 1 to 50"):
        sample_space.solve_sample_space(*samples(), SERIAL, rtol=1e-3)


def test_sample_space_notices_a_matrix_that_cannot_be_factorized(monkeypatch):
    def refuse(blocks, strip, target):
        strip[:] = np.nan
        return None, target

    monkeypatch.setattr(row_blocks.RowBlocks, "factorize", refuse)
    solution = sample_space.solve_sample_space(*samples(), SERIAL, diag_shift=1.0)
    assert "soft cut" in solution.note
    monkeypatch.undo()
    factorized = sample_space.solve_sample_space(*samples(), SERIAL, diag_shift=1.0)
    np.testing.assert_allclose(solution.x, factorized.x, atol=1e-6 * np.abs(factorized.x).max())


@pytest.mark.parametrize("shares", [(40,), (40, 0), (0, 11, 29), (14, 13, 13)])
@pytest.mark.parametrize("kind", [float, complex])
def test_rows_spread_over_ranks_are_factorized_and_solved(shares, kind, monkeypatch, on_ranks):
    monkeypatch.setattr(row_blocks, "CHUNK", 4)
    rng = np.random.default_rng(5)
    root = rng.normal(size=(40, 40)) + (1j * rng.normal(size=(40, 40)) if kind is complex else 0)
    matrix, target = root @ root.conj().T + np.eye(40), rng.normal(size=40).astype(kind)

    def work(team):
        blocks = row_blocks.RowBlocks(shares[team.rank], team)
        strip, indefinite = blocks.strip(kind), blocks.strip(kind)
        row_blocks.store(matrix[blocks.positions], strip)
        row_blocks.store((matrix - 60 * np.eye(40))[blocks.positions], indefinite)
        whole = blocks.gather(strip)
        assert blocks.factorize(indefinite, target)[0] is None
        indefinite[:] = strip
        indefinite[:, blocks.positions == 20, 20] = np.nan
        assert blocks.factorize(indefinite, target)[0] is None
        return blocks.solve(strip, *blocks.factorize(strip, target)), whole

    for rank, (solved, whole) in enumerate(on_ranks(len(shares), work)):
        np.testing.assert_allclose(matrix @ solved, target, atol=1e-10)
        assert whole is None if rank else np.array_equal(whole, matrix)


@pytest.mark.parametrize("real_params", [False, True])
@pytest.mark.parametrize("shares", [(60,), (0, 23, 37)])
def test_dense_rows_spread_over_ranks(shares, real_params, monkeypatch, on_ranks):
    monkeypatch.setattr(row_blocks, "CHUNK", 3)
    log_derivs, weights, local_energy = samples()
    s_matrix, force = system(log_derivs, weights, local_energy)
    if real_params:
        s_matrix, force = s_matrix.real, force.real
    expected = linear.solve_cholesky(s_matrix, force, 1e-3, 1e-4)
    shift = linear.shifts(np.diagonal(s_matrix).real, 1e-3, 1e-4)
    ends = np.cumsum(shares)

    def work(team):
        mine = slice(ends[team.rank] - shares[team.rank], ends[team.rank])
        derivatives = StoredDerivatives(log_derivs[mine], weights[mine], team)
        return row_blocks.solve_distributed(derivatives, force, shift, real_params)

    for solution in on_ranks(len(shares), work):
        np.testing.assert_allclose(solution.x, expected.x, atol=1e-10 * np.abs(expected.x).max())
        assert solution.residual < 1e-10


def test_inputs_are_left_alone():
    log_derivs, weights, local_energy = samples()
    s_matrix, force = system(log_derivs, weights, local_energy)
    for array in (log_derivs, weights, local_energy, s_matrix, force):
        array.flags.writeable = False
    linear.solve_soft_cut(s_matrix, force, 1e-3, force)
    linear.solve_cholesky(s_matrix, force, 1e-3, 1e-3)
    conjugate_gradients.solve_cg(linear.matrix_free(log_derivs, weights, SERIAL, 1e-3), force, x0=force)
    sample_space.solve_sample_space(log_derivs, weights, local_energy, SERIAL, rtol=1e-3, previous=force)
