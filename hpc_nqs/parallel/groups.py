"""Ranks in groups that work on pieces of one run, each of them handed out by rank 0 when a group asks for it.

Rank 0 works on pieces itself and answers between two of its steps; nobody else waits for it.  Messages between groups
go from their first ranks to rank 0 and back, so that no collective operation depends on how far a group is.
"""

import time

from hpc_nqs.parallel.team import Team

REQUEST, ANSWER, STOP = 1, 2, 3  # tags of messages
PAUSE = 0.02  # seconds between two looks of a rank that waits for the others


class Groups:
    """Groups of neighbouring ranks.

    Parameters
    ----------
    team : Team
    n_groups : int
        At most the ranks of the team.

    Attributes
    ----------
    number : int
        Of the group that this rank is in.
    own : Team
        The ranks of that group.
    first_ranks : list of int
        Of every group the rank that speaks for it.
    """

    def __init__(self, team, n_groups):
        self.team, self.n_groups = team, n_groups
        self.number = team.rank * n_groups // team.size
        self.first_ranks = [-(-number * team.size // n_groups) for number in range(n_groups)]
        self.own = team if n_groups == 1 else Team(team.communicator.Split(self.number, team.rank))


class Dispatch:
    """Gives the pieces of a run to groups, in order, and takes their reports.

    Parameters
    ----------
    groups : Groups
    pieces : list
        Picklable, none of them None; what rank 0 holds counts.
    on_piece : callable
        Called on rank 0 with a piece and the number of the group that gets it.
    on_report : callable
        Called on rank 0 with a report; returns whether all groups have to stop.
    """

    def __init__(self, groups, pieces, on_piece, on_report):
        self.groups, self.team = groups, groups.team
        self._pieces, self._on_piece, self._on_report = list(pieces), on_piece, on_report
        self._working = set(range(groups.n_groups))
        self._stopped = False

    def next(self, report=None):
        """Hand in the report of the last piece and return the next one, None at the end.  *Collective* in the group.

        Parameters
        ----------
        report : object
            Of the first rank of the group; None before the first piece.
        """
        piece = None
        if self.team.is_root:
            self.serve()
            piece = self._answer(0, report)
        elif self.groups.own.is_root:
            self.team.communicator.send((self.groups.number, report), dest=0, tag=REQUEST)
            piece = self.team.communicator.recv(source=0, tag=ANSWER)
        return self.groups.own.broadcast_object(piece)

    def serve(self):
        """Answer the groups that ask, on rank 0; does nothing elsewhere."""
        if self.team.is_root and self.groups.n_groups > 1:
            while self.team.communicator.iprobe(tag=REQUEST):
                self._serve_one()

    def finish(self, is_due):
        """Wait until no group works any more, without keeping the cores busy; rank 0 answers.  *Collective*.

        Parameters
        ----------
        is_due : callable
            Returns whether rank 0 has to stop all groups.
        """
        if self.groups.n_groups == 1:
            return
        while self.team.is_root and self._working:
            self.serve()
            if not self._stopped and is_due():
                self._stop_all()
            time.sleep(PAUSE)
        everybody = self.team.communicator.Ibarrier()
        while not everybody.Test():
            time.sleep(PAUSE)
        self._take_stop()  # which may have come after the last piece

    @property
    def stopped(self):
        """Whether a report has stopped all groups: known to the first rank of a group."""
        self._take_stop()
        return self._stopped

    def _take_stop(self):
        is_first = self.groups.own.is_root and not self.team.is_root
        if is_first and not self._stopped and self.team.communicator.iprobe(source=0, tag=STOP):
            self._stopped = self.team.communicator.recv(source=0, tag=STOP)

    def _serve_one(self):
        number, report = self.team.communicator.recv(tag=REQUEST)
        self.team.communicator.send(self._answer(number, report), dest=self.groups.first_ranks[number], tag=ANSWER)

    def _answer(self, number, report):
        """Take the report of a group and return its next piece."""
        if report is not None and self._on_report(report) and not self._stopped:
            self._stop_all()
        if self._stopped or not self._pieces:
            self._working.discard(number)
            return None
        piece = self._pieces.pop(0)
        self._on_piece(piece, number)
        return piece

    def _stop_all(self):
        self._stopped = True
        for number in sorted(self._working - {0}):
            self.team.communicator.send(True, dest=self.groups.first_ranks[number], tag=STOP)
