"""A team of one, the shares of any team, launchers that do not match; several ranks: see parallel/."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc_nqs.parallel.launchers import announced_size
from hpc_nqs.parallel.team import Team


def team_of(size, rank=0):
    """A team of any size for what needs no messages."""
    team = Team.serial()
    team.size, team.rank = size, rank
    return team


@given(n_items=st.integers(0, 1000), size=st.integers(1, 50))
def test_shares_are_a_partition_in_order(n_items, size):
    team = team_of(size)
    shares = [team.share(n_items, rank) for rank in range(size)]
    assert shares[0][0] == 0
    assert shares[-1][1] == n_items
    assert all(left[1] == right[0] for left, right in zip(shares, shares[1:], strict=False))
    lengths = [stop - start for start, stop in shares]
    assert max(lengths) - min(lengths) <= 1
    assert lengths == sorted(lengths, reverse=True)


def test_share_is_that_of_the_own_rank():
    assert [team_of(3, rank).share(7) for rank in range(3)] == [(0, 3), (3, 5), (5, 7)]
    assert [team_of(4, rank).share(2) for rank in range(4)] == [(0, 1), (1, 2), (2, 2), (2, 2)]


def test_team_of_one_changes_nothing():
    team = Team.serial()
    assert (team.rank, team.size, team.is_root) == (0, 1, True)
    values = np.arange(6.0).reshape(2, 3)
    expected = values.copy()
    team.sum_in_place(values, np.zeros(2, complex), np.zeros(0, np.int64))
    team.broadcast(values)
    np.testing.assert_array_equal(values, expected)
    assert team.broadcast_object({"seed": 3}) == {"seed": 3}
    assert team.any(True) is True
    assert team.any(np.False_) is False
    assert team.max(-2) == -2.0
    team.barrier()
    team.check_agreement("text")


def test_rows_of_a_team_of_one_are_copies():
    team = Team.serial()
    rows = np.arange(6).reshape(3, 2)
    for copy in (team.gather_rows(rows, 3), team.scatter_rows(rows)):
        np.testing.assert_array_equal(copy, rows)
        assert not np.shares_memory(copy, rows)


def test_what_cannot_be_summed_is_refused_on_one_rank_already():
    team = Team.serial()
    with pytest.raises(TypeError, match="cannot sum float32 over ranks; allowed: float64"):
        team.sum_in_place(np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="C-contiguous"):
        team.sum_in_place(np.zeros((2, 3)).T)
    read_only = np.zeros(2)
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match="writable"):
        team.broadcast(read_only)


def test_gathering_more_than_the_share_is_refused():
    with pytest.raises(ValueError, match="rank 0 brings 3 rows, its share is 4"):
        Team.serial().gather_rows(np.zeros((3, 2)), 4)


# Launchers


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ("", 1)),
        ({"PMI_SIZE": "2"}, ("PMI_SIZE", 2)),
        ({"OMPI_COMM_WORLD_SIZE": "3", "PMI_SIZE": "1"}, ("OMPI_COMM_WORLD_SIZE", 3)),
        ({"PMI_SIZE": ""}, ("", 1)),
        # a Slurm step counts, the batch shell of a job with four tasks does not
        ({"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "8"}, ("SLURM_STEP_NUM_TASKS", 4)),
        ({"SLURM_STEP_ID": "0", "SLURM_NTASKS": "8"}, ("SLURM_NTASKS", 8)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, ("", 1)),
        # mpiexec -n 1 that reached its two nodes through a Slurm step of its own
        ({"PMI_SIZE": "1", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2"}, ("PMI_SIZE", 1)),
    ],
)
def test_announced_size(environment, expected):
    assert announced_size(environment) == expected


def start_alone(environment, **variables):
    """Start one process without a launcher, some variables set; return its last line of output."""
    code = "from hpc_nqs.parallel.team import start; print(start())"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env={**environment, **variables}, capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr).strip().splitlines()[-1]


def test_singletons_of_a_launcher_that_does_not_match_are_an_error(clean_environment):
    code, message = start_alone(clean_environment, SLURM_STEP_ID="0", SLURM_STEP_NUM_TASKS="4")
    assert code == 1
    assert "LauncherError: the launcher announced 4 processes (SLURM_STEP_NUM_TASKS), but each of them" in message


def test_no_mpi_library_is_an_error_under_a_launcher_and_one_process_otherwise(clean_environment):
    # mpi4py takes the library of this name and no other
    clean_environment["MPI4PY_LIBMPI"] = "/nonexistent/libmpi.so"
    code, message = start_alone(clean_environment, OMPI_COMM_WORLD_SIZE="2")
    assert code == 1
    assert "mpi4py finds no MPI library" in message
    assert 'pip install "hpc_nqs[mpich]"' in message
    assert start_alone(clean_environment) == (0, "Team(rank=0, size=1)")
