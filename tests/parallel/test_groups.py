"""Groups of ranks: every piece goes to one group, every report arrives, and one that stops stops all."""

import time

import numpy as np
import pytest

from hpc_nqs.parallel.groups import Dispatch, Groups

PIECES = list(range(7))


def worked(team, n_groups, stops_at=None):
    """Return (pieces that came back to rank 0, what rank 0 gave out, sizes of the groups) of a short piece of work."""
    groups, given, reports = Groups(team, n_groups), [], []

    def take(report):
        reports.append(report)
        return report == stops_at

    dispatch = Dispatch(groups, PIECES, lambda piece, group: given.append((piece, group)), take)
    report = None
    while (piece := dispatch.next(report)) is not None:
        time.sleep(0.002 * (1 + piece % 3))
        dispatch.serve()
        everyone = np.array([piece], dtype=np.int64)
        groups.own.sum_in_place(everyone)  # all ranks of the group work on the same piece
        assert everyone[0] == piece * groups.own.size
        report = piece
    dispatch.finish(lambda: False)
    sizes = np.zeros(n_groups, dtype=np.int64)
    sizes[groups.number] = 1
    team.sum_in_place(sizes)
    return reports, given, sizes, dispatch.stopped


@pytest.mark.mpi
@pytest.mark.parametrize("n_groups", [1, 2, 3])
def test_every_piece_is_done_once(team, n_groups):
    n_groups = min(n_groups, team.size)
    reports, given, sizes, stopped = worked(team, n_groups)
    assert sizes.sum() == team.size and sizes.max() - sizes.min() <= 1
    assert not stopped
    if team.is_root:
        assert sorted(reports) == PIECES and [piece for piece, _ in given] == PIECES
        assert {group for _, group in given} == set(range(n_groups))


@pytest.mark.mpi
def test_a_report_stops_all_groups(team):
    reports, given, _, stopped = worked(team, min(2, team.size), stops_at=2)
    if team.is_root:
        assert stopped and 2 in reports and sorted(reports) == sorted(piece for piece, _ in given)
        assert len(given) < len(PIECES)
