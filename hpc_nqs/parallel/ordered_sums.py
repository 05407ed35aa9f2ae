"""Sums over rows that lie on several ranks, the same bits on any number of them."""

import numpy as np


def sum_of_rows(team, local_rows, first, n_rows):
    """Return the sum over the rows of all ranks.  *Collective*.

    Every row is written by one rank, and then all of them are added up in global order.

    Parameters
    ----------
    team : Team
    local_rows : (n_local, ...) float64 or complex128
        Each on one rank alone.
    first : int
        Global index of the first of them.
    n_rows : int
        Rows of the whole, which every rank holds at a time; those with a larger index do not count.

    Returns
    -------
    (...)
    """
    rows = np.zeros((n_rows, *local_rows.shape[1:]), local_rows.dtype)
    rows[first : first + len(local_rows)] = local_rows[: max(0, n_rows - first)]
    team.sum_in_place(rows)
    return rows.sum(axis=0)
