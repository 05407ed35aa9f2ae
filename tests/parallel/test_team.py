"""Messages between ranks, on any number of them: `mpiexec -n N pytest --with-mpi -m mpi`."""

import numpy as np
import pytest

from hpc_nqs.parallel import team as parallel

pytestmark = pytest.mark.mpi(min_size=2)


def numbers(shape, rank=0, dtype=float):
    """The same random numbers on every rank that asks for those of `rank`."""
    generator = np.random.default_rng(rank)
    values = generator.integers(-1000, 1000, shape).astype(dtype)
    return values + 1j * generator.integers(0, 9, shape) if dtype is complex else values


@pytest.mark.parametrize("block", [3, parallel.BLOCK])
@pytest.mark.parametrize("dtype", [float, complex, np.int64])
@pytest.mark.parametrize("shape", [(2, 5), (1,), (), (0,), (7,)])
def test_sum_in_place(team, monkeypatch, block, dtype, shape):
    monkeypatch.setattr(parallel, "BLOCK", block)
    values = np.array(numbers(shape, team.rank, dtype))
    counts = np.array([1, team.rank], np.int64)
    team.sum_in_place(values, counts)
    np.testing.assert_array_equal(values, sum(numbers(shape, rank, dtype) for rank in range(team.size)))
    np.testing.assert_array_equal(counts, [team.size, team.size * (team.size - 1) // 2])


@pytest.mark.parametrize("block", [5, parallel.BLOCK])
@pytest.mark.parametrize("dtype", [np.int8, np.uint64, float, complex, bool])
def test_broadcast(team, monkeypatch, block, dtype):
    monkeypatch.setattr(parallel, "BLOCK", block)
    values = numbers((3, 4), team.rank).astype(dtype)
    team.broadcast(values)
    np.testing.assert_array_equal(values, numbers((3, 4)).astype(dtype))


@pytest.mark.parametrize("block", [5, parallel.BLOCK])
def test_broadcasts_from_every_rank_at_once(team, monkeypatch, block):
    monkeypatch.setattr(parallel, "BLOCK", block)
    pieces = [(numbers((3, 4), team.rank), root) for root in [*range(team.size), 0]]
    under_way = team.start_broadcasts([*pieces, (np.zeros((0, 4)), team.size - 1)])
    under_way.progress()
    under_way.finish()
    for values, root in pieces:
        np.testing.assert_array_equal(values, numbers((3, 4), root))


@pytest.mark.parametrize("dtype", [np.int64, float, complex])
@pytest.mark.parametrize("n", [0, 1, 7, 12])
def test_shares_of_a_sum(team, n, dtype):
    """What every rank gets are the parts of the sum; joined they are what `sum_in_place` leaves."""
    own = numbers((n,), team.rank).astype(dtype)
    whole = sum(numbers((n,), rank).astype(dtype) for rank in range(team.size))
    part = team.sum_shares(own.copy())
    np.testing.assert_allclose(part, whole[slice(*team.share(n))])
    joined = team.join_shares(part, n)
    team.sum_in_place(own)
    assert joined.dtype == own.dtype
    np.testing.assert_allclose(joined, own)


def test_sums_of_numbers_are_added_in_the_order_of_the_ranks(team):
    """1 + 1e-16 - 1 is 0 from left to right and 1e-16 in another order: all ranks have the same last bit."""
    own = [[1.0, 2.0], [1e-16, 3.0], [-1.0, 4.0]][team.rank % 3]
    rows = [[1.0, 2.0], [1e-16, 3.0], [-1.0, 4.0]]
    expected = np.zeros(2)
    for rank in range(team.size):
        expected = expected + rows[rank % 3]
    found = team.summed(own)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == float and team.summed([7]).tolist() == [7.0 * team.size]


def test_broadcast_object(team):
    assert team.broadcast_object({"seed": team.rank, "text": f"from {team.rank}"}) == {"seed": 0, "text": "from 0"}


# 0 and 1 rows: more ranks than rows; 7 rows divide evenly over neither 2 nor 3 ranks
@pytest.mark.parametrize("n_rows", [0, 1, 6, 7])
@pytest.mark.parametrize(("width", "dtype"), [((5,), np.int8), ((2, 3), np.uint64), ((), float), ((0,), float)])
def test_rows_are_scattered_and_gathered_in_global_order(team, n_rows, width, dtype):
    rows = numbers((n_rows, *width)).astype(dtype)
    local_rows = team.scatter_rows(rows if team.is_root else None)
    np.testing.assert_array_equal(local_rows, rows[slice(*team.share(n_rows))])
    assert local_rows.dtype == dtype
    gathered = team.gather_rows(local_rows, n_rows)
    if team.is_root:
        np.testing.assert_array_equal(gathered, rows)
        assert gathered.dtype == dtype
    else:
        assert gathered is None


def test_rows_need_not_be_contiguous(team):
    rows = numbers((4, 5))
    local_rows = team.scatter_rows(np.asfortranarray(rows))
    assert local_rows.flags.c_contiguous
    gathered = team.gather_rows(np.asfortranarray(local_rows), 4)
    if team.is_root:
        np.testing.assert_array_equal(gathered, rows)


@pytest.mark.parametrize("teller", [0, -1, None])
def test_any_asks_all_ranks(team, teller):
    speaks = teller is not None and team.rank == teller % team.size
    assert team.any(speaks) is (teller is not None)


def test_max(team):
    assert team.max(-1.5 - team.rank) == -1.5
    assert team.max(team.rank) == team.size - 1
    team.barrier()


def test_agreement(team):
    team.check_agreement("the same text")
    with pytest.raises(ValueError, match=r"the settings differs between ranks: .* on 1 of \d+ \(1\)"):
        team.check_agreement(f"text {team.rank == 1}", "the settings")


def test_one_process_of_several_is_no_team_of_one(team):
    assert team.size > 1
    assert team.is_root == (team.rank == 0)
    assert parallel.start().size == team.size
