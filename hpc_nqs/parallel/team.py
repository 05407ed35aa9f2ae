"""Ranks working on one run: the only module that imports MPI.

A `Team` wraps one communicator; a serial program is a team of one and needs no MPI at all. Arrays travel through
the buffer interface, in place, contiguous and in blocks, because MPI counts are 32-bit integers and pickling a
large array costs twenty times the transfer.

Every method marked *Collective* must be called by all ranks of the team, in the same order.
"""

import hashlib
import os
import sys
import threading
import time
import traceback
from functools import cached_property

import numpy as np

from hpc_nqs.parallel.launchers import announced_size
from hpc_nqs.parallel.thread_pool import Threads

# Items (or bytes) in one MPI message; the count of a message is a 32-bit integer.
BLOCK = 2**27 - 1

# Seconds between a last message and the end of the job: mpiexec drops output it has not forwarded by then
# (measured without the pause: one message in thirty).
FORWARDING = 0.3

SUMMABLE = (np.dtype(np.float64), np.dtype(np.complex128), np.dtype(np.int64))


class LauncherError(RuntimeError):
    """The launcher announced several processes, but they cannot work together."""


class DisagreementError(ValueError):
    """The ranks do not work on the same thing."""


class Team:
    """The ranks that share one run.

    Parameters
    ----------
    communicator : mpi4py.MPI.Comm or None
        None makes a team of one that never touches MPI.

    Attributes
    ----------
    rank, size : int
    is_root : bool
        True on rank 0, the one that prints and writes files.
    threads : Threads
        Of this rank; one until the settings of a run ask for more.
    """

    def __init__(self, communicator=None):
        self.communicator = communicator
        self.rank = 0 if communicator is None else communicator.Get_rank()
        self.size = 1 if communicator is None else communicator.Get_size()
        self.is_root = self.rank == 0
        self.threads = Threads()

    @classmethod
    def serial(cls):
        """Return a team of one."""
        return cls()

    def __repr__(self):
        return f"Team(rank={self.rank}, size={self.size})"

    def share(self, n_items, rank=None):
        """Return (start, stop) of the items of one rank, its own by default.

        The first n_items mod size ranks have one item more than the others; with more ranks than items the last
        ranks have the empty range (n_items, n_items).
        """
        rank = self.rank if rank is None else rank
        least, n_longer = divmod(n_items, self.size)
        start = rank * least + min(rank, n_longer)
        return start, start + least + (rank < n_longer)

    def sum_in_place(self, *arrays):
        """Replace each array by its sum over the ranks. *Collective*, *in place*.

        Parameters
        ----------
        *arrays : ndarray of float64, complex128 or int64, C-contiguous, writable

        Raises
        ------
        TypeError, ValueError
            If an array has another type or is not contiguous; also when the team has one rank.
        """
        for array in arrays:
            if array.dtype not in SUMMABLE:
                raise TypeError(f"cannot sum {array.dtype} over ranks; allowed: float64, complex128, int64")
            for block in self._blocks(array):
                self.communicator.Allreduce(self._mpi.IN_PLACE, block)

    def broadcast(self, array, root=0):
        """Overwrite `array` by that of rank `root`, of the same shape and type. *Collective*, *in place*.

        Raises
        ------
        ValueError
            If the array is not C-contiguous and writable.
        """
        for block in self._blocks(array, as_bytes=True):
            self.communicator.Bcast([block, self._mpi.BYTE], root=root)

    def start_broadcasts(self, pieces):
        """Overwrite every array by that of its root, all messages on their way at once. *Collective*, *in place*.

        Parameters
        ----------
        pieces : list of (array, root)
            As for `broadcast`; in the same order on every rank.

        Returns
        -------
        UnderWay
            The arrays are in use until it is finished.
        """
        return UnderWay(
            [
                self.communicator.Ibcast([block, self._mpi.BYTE], root=root)
                for array, root in pieces
                for block in self._blocks(array, as_bytes=True)
            ]
        )

    def broadcast_object(self, value):
        """Return rank 0's value, a small picklable object such as the text of the settings. *Collective*."""
        return value if self.size == 1 else self.communicator.bcast(value, root=0)

    def gather_rows(self, local_rows, n_rows):
        """Collect the rows of all ranks in global order. *Collective*.

        Parameters
        ----------
        local_rows : ndarray, shape (n_local, ...)
            Rows `share(n_rows)` of the whole; the other dimensions and the type agree on all ranks.
        n_rows : int
            Rows of the whole.

        Returns
        -------
        ndarray, shape (n_rows, ...), on rank 0; None elsewhere

        Raises
        ------
        ValueError
            If this rank does not bring exactly its share.
        """
        start, stop = self.share(n_rows)
        if local_rows.shape[0] != stop - start:
            raise ValueError(f"rank {self.rank} brings {local_rows.shape[0]} rows, its share is {stop - start}")
        local_rows = np.ascontiguousarray(local_rows)
        if self.size == 1:
            return local_rows.copy()
        rows = np.empty((n_rows, *local_rows.shape[1:]), local_rows.dtype) if self.is_root else None
        with _RowType(self._mpi, local_rows) as row_type:
            whole = [rows, self._counts(n_rows), row_type] if self.is_root else None
            self.communicator.Gatherv([local_rows, stop - start, row_type], whole, root=0)
        return rows

    def scatter_rows(self, rows):
        """Give every rank its share of rank 0's rows; the reverse of `gather_rows`. *Collective*.

        Parameters
        ----------
        rows : ndarray, shape (n_rows, ...), on rank 0; ignored elsewhere

        Returns
        -------
        ndarray, shape (stop - start, ...), C-contiguous, a copy
        """
        if self.size == 1:
            return np.array(rows, order="C")
        shape, dtype = self.broadcast_object((rows.shape, rows.dtype) if self.is_root else None)
        start, stop = self.share(shape[0])
        local_rows = np.empty((stop - start, *shape[1:]), dtype)
        with _RowType(self._mpi, local_rows) as row_type:
            whole = [np.ascontiguousarray(rows), self._counts(shape[0]), row_type] if self.is_root else None
            self.communicator.Scatterv(whole, [local_rows, stop - start, row_type], root=0)
        return local_rows

    def sum_shares(self, array):
        """Return the part `share(len(array))` of the sum of a one-dimensional array over the ranks. *Collective*.

        With `join_shares` as many bytes as `sum_in_place`; what is done in between is shared by the ranks.

        Parameters
        ----------
        array : (n,) float64, complex128 or int64, C-contiguous; n below 2^31
        """
        if self.size == 1:
            return array
        start, stop = self.share(len(array))
        own = np.empty(stop - start, array.dtype)
        self.communicator.Reduce_scatter(array, own, self._counts(len(array)))
        return own

    def join_shares(self, own, n_items):
        """Return (n_items,) on every rank from the parts `share(n_items)` of all. *Collective*; like `sum_shares`."""
        if self.size == 1:
            return own
        whole = np.empty(n_items, own.dtype)
        self.communicator.Allgatherv(own, [whole, self._counts(n_items)])
        return whole

    def summed(self, numbers):
        """Return the sums of a few numbers over the ranks, (n,) float64, the same bits on every rank.  *Collective*.

        Everybody gets the numbers of all and adds them up in the order of the ranks: one message, and decisions taken
        on the sums are the same everywhere, on mixed node types too.
        """
        own = np.array(numbers, dtype=np.float64)
        if self.size == 1:
            return own
        everyone = np.empty((self.size, len(own)))
        self.communicator.Allgather(own, everyone)
        return everyone.cumsum(axis=0)[-1]

    def any(self, flag):
        """Return whether `flag` is true on at least one rank. *Collective*."""
        return self.max(bool(flag)) > 0

    def max(self, value):
        """Return the largest `value` of all ranks as a float; it must not be NaN. *Collective*."""
        largest = np.array([value], dtype=np.float64)
        if self.size > 1:
            self.communicator.Allreduce(self._mpi.IN_PLACE, largest, op=self._mpi.MAX)
        return float(largest[0])

    @cached_property
    def n_nodes(self):
        """Number of machines that the ranks share memory on.  *Collective* at the first use."""
        if self.size == 1:
            return 1
        here = self.communicator.Split_type(self._mpi.COMM_TYPE_SHARED)
        first = np.array([here.Get_rank() == 0], dtype=np.int64)
        here.Free()
        self.sum_in_place(first)
        return int(first[0])

    def barrier(self):
        """Wait for all ranks. *Collective*."""
        if self.size > 1:
            self.communicator.Barrier()

    def check_agreement(self, text, what="the input"):
        """Compare the hash of `text` over the ranks. *Collective*.

        Raises
        ------
        DisagreementError
            On every rank, naming the ranks that differ from rank 0: another working directory, an old copy of a
            file, or another installed version on some node.
        """
        own = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)
        hashes = own[None]
        if self.size > 1:
            hashes = np.empty((self.size, own.size), np.uint8)
            self.communicator.Allgather(own, hashes)
        different = np.flatnonzero((hashes != hashes[0]).any(axis=1))
        if different.size:
            listed = ", ".join(map(str, different[:8])) + (", ..." if different.size > 8 else "")
            where = f"{different.size} of {self.size} ({listed})"
            raise DisagreementError(f"{what} differs between ranks: not as on rank 0 on {where}")

    def abort(self, message, code=1):
        """Print `message` and end the processes of all ranks at once; not collective, does not return."""
        print(message, file=sys.stderr, flush=True)
        sys.stdout.flush()
        if self.size > 1:
            time.sleep(FORWARDING)
            self.communicator.Abort(code)
        os._exit(code)

    @property
    def _mpi(self):
        from mpi4py import MPI

        return MPI

    def _counts(self, n_rows):
        return [stop - start for start, stop in (self.share(n_rows, rank) for rank in range(self.size))]

    def _blocks(self, array, as_bytes=False):
        """Yield one-dimensional views of `array` small enough for one message; none for a team of one."""
        if not (array.flags.c_contiguous and array.flags.writeable):
            raise ValueError(f"an array of shape {array.shape} must be C-contiguous and writable to be sent in place")
        if self.size == 1 or array.size == 0:
            return
        flat = array.reshape(-1)
        if as_bytes:
            flat = flat.view(np.uint8)
        for start in range(0, flat.size, BLOCK):
            yield flat[start : start + BLOCK]


class UnderWay:
    """Messages under way.

    MPI moves many of them along only when it is called: `progress` between pieces of work does that.
    """

    def __init__(self, requests):
        self._requests, self._thread = requests, threading.get_ident()

    def progress(self):
        """Move the messages along; does nothing on other threads than the one that started them."""
        if self._requests and threading.get_ident() == self._thread:
            self._requests[0].Testall(self._requests)

    def finish(self):
        """Wait for all messages."""
        if self._requests:
            self._requests[0].Waitall(self._requests)
            self._requests = []


def available_cores():
    """Return the number of cores on which this process may run."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _RowType:
    """An MPI type as long as one row of an array, so that counts are rows and stay small."""

    def __init__(self, mpi, rows):
        row_bytes = rows.itemsize * int(np.prod(rows.shape[1:], dtype=np.int64))
        self.row_type = mpi.BYTE.Create_contiguous(row_bytes)

    def __enter__(self):
        return self.row_type.Commit()

    def __exit__(self, *exception):
        self.row_type.Free()


def start():
    """Start MPI and return the team of all ranks; without an MPI library and a launcher, a team of one.

    From here on an exception that nobody catches, on any rank, prints that rank's traceback and ends the whole job.

    Raises
    ------
    LauncherError
        If the launcher announced more processes than MPI shows, or finds no MPI library: the job would compute the
        same thing several times over and overwrite its own files.
    """
    variable, announced = announced_size(os.environ)
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        if announced > 1:
            raise LauncherError(
                f"the launcher announced {announced} processes ({variable}), but mpi4py finds no MPI library "
                f'({_first_line(error)}); fix: pip install "hpc_nqs[mpich]", or load the MPI module of this cluster'
            ) from error
        return Team.serial()
    team = Team(MPI.COMM_WORLD)
    if team.size < announced:
        found = "each of them is alone" if team.size == 1 else f"MPI knows of {team.size}"
        raise LauncherError(
            f"the launcher announced {announced} processes ({variable}), but {found}: it does not match "
            f"the MPI library, {_first_line(MPI.Get_library_version()).partition(',')[0]}; use the mpiexec of that "
            "library, or srun --mpi=pmi2 for MPICH and srun --mpi=pmix for Open MPI"
        )
    if team.size > 1:
        sys.excepthook = _abort_hook(team)
    return team


def _abort_hook(team):
    """Return an except hook that ends the job with this rank's message instead of leaving the others waiting."""

    def hook(kind, value, trace):
        lines = "".join(traceback.format_exception(kind, value, trace))
        team.abort(f"rank {team.rank} of {team.size}: {kind.__name__}; ending all ranks\n{lines}".rstrip())

    return hook


def _first_line(text):
    return " ".join(str(text).strip("\0 \n").partition("\n")[0].split())
