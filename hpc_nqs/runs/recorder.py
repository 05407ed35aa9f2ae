"""The run file of a run that goes on: when it is written, what that costs, and what happens when it cannot be.

A run is a `runs.computation.Driver`. Nothing here knows any physics.
"""

import errno
import os
import time

from hpc_nqs.runs import run_file
from hpc_nqs.runs.run_file import RunFileError
from hpc_nqs.runs.watching import NOBODY

MAX_FAILURES = 5  # writes in a row that may fail before the run stops
PAUSES = (1.0, 3.0)  # seconds before the second and the third try of a last write
LEAST_MARGIN = 15.0  # seconds before the end of the job

GO_ON, SAVE, STOP = range(3)


class UnwritableError(Exception):
    """The run file could not be written, several times in a row; the message says what is left and what to do."""


class Recorder:
    """Writes the run file of one run.

    Parameters
    ----------
    path : str
    team : Team
    stop : StopRequest
    minutes : float
        Between two checkpoints; 0 writes after every step.
    message : callable
        Takes a line of text for the user; called on rank 0 alone.
    source : str, optional
        Run file that the run begins from, where that is another one.
    watch : Watch
        Told of steps and results, on rank 0 alone.
    """

    def __init__(self, path, team, stop, minutes, message, source=None, watch=NOBODY):
        self.path, self.team, self.stop, self.minutes, self.message = path, team, stop, minutes, message
        self.watch = watch
        self.source = path if source is None else source
        self.begin = self.last_saved = self.last_look = time.monotonic()
        self.n_saved = self.n_failed = 0
        self.seconds = 0.0  # spent on checkpoints by this process
        self.longest = 0.0  # seconds between two looks at the stop request
        self._held = self._last_error = self._own_file = None

    def load_network(self):
        """Return the arrays of the wave function in the run file it begins from, read by rank 0.  *Collective*.

        Raises
        ------
        RunFileError
            On every rank, if the file cannot be used.
        """
        return self.team.broadcast_object(self._read_on_root(lambda: run_file.read_network(self.source)))

    def load(self):
        """Return (state, history) of the run file it begins from, read by rank 0.  *Collective*.

        The entry "chains" of the state, the large one, is None on the other ranks.

        Raises
        ------
        RunFileError
            On every rank, if the file cannot be used.
        """
        loaded = self._read_on_root(lambda: (run_file.read_state(self.source), run_file.read_history(self.source)))
        state, history = loaded if self.team.is_root else ({}, None)
        chains = state.pop("chains", None)
        state, history = self.team.broadcast_object((state, history))
        return state | {"chains": chains}, history

    def _read_on_root(self, read):
        """Return read() on rank 0 and None elsewhere; its RunFileError is raised on every rank.  *Collective*."""
        loaded = failure = None
        if self.team.is_root:
            try:
                loaded = read()
            except RunFileError as error:
                failure = str(error)
        failure = self.team.broadcast_object(failure)
        if failure:
            raise RunFileError(failure)
        return loaded

    def start(self, run, resumed):
        """Write the first file of this start of the program; what cannot be written is an error.  *Collective*.

        Raises
        ------
        OSError
            On rank 0, if the file cannot be written; the other ranks wait for rank 0 to end the job.
        """
        self.hold(run)
        if self.team.is_root:
            self.watch.begin(run)
            self._write_held(keep_previous=resumed)
        self.team.barrier()

    def after_step(self, run):
        """Write if it is time or the run has to stop; return whether it has to stop.  *Collective*."""
        if self.team.is_root:
            self.watch.after_step(run)
        decision = self._decide()
        if decision == GO_ON:
            return False
        self.save(run)
        if decision == STOP:
            self.finish()
        return decision == STOP

    def save(self, run):
        """Write the run file now; a failure is a warning until there are too many in a row.  *Collective*.

        Raises
        ------
        UnwritableError
            On every rank.
        """
        self.hold(run)
        self._try_to_write()
        if self.team.is_root:
            self.watch.after_result(run)
        if self.team.max(self.n_failed) >= MAX_FAILURES:
            self._give_up()

    def hold(self, run):
        """Keep the present state for `stop_held`, without writing it; only chains change next.  *Collective*."""
        begin = time.monotonic()
        self._held = run, run.state()
        self.seconds += time.monotonic() - begin

    def stop_held(self):
        """Return whether the run has to stop in the midst of what cannot be continued.  *Collective*.

        The state of the last `hold` is then in the file.
        """
        if self._decide() != STOP:
            return False
        self._try_to_write()
        self.finish()
        return True

    def finish(self):
        """Make sure that the last state is on disk, trying again for a few seconds, and say what checkpoints cost.

        *Collective*.

        Raises
        ------
        UnwritableError
            On every rank.
        """
        if self.team.is_root:
            for pause in PAUSES:
                if self.n_failed == 0:
                    break
                time.sleep(pause)
                self._try_to_write()
        if self.team.any(self.n_failed > 0):
            self._give_up()
        if self.team.is_root:
            self.message(self.cost())

    def cost(self):
        """Return one sentence on the number of checkpoints and their part of the time."""
        whole = time.monotonic() - self.begin
        noun = "checkpoint" if self.n_saved == 1 else "checkpoints"
        return f"{self.n_saved} {noun}: {self.seconds:.2f} s, {100 * self.seconds / whole:.2g}% of {whole:.0f} s"

    def _decide(self):
        """Return what all ranks do now.  *Collective*."""
        now = time.monotonic()
        self.longest, self.last_look = max(self.longest, now - self.last_look), now
        decision = GO_ON
        margin = LEAST_MARGIN + 1.5 * self.longest + 2.0 * self.seconds / max(1, self.n_saved)
        if self.stop.due(margin) or self.watch.stops:
            decision = STOP
        elif self.team.is_root and now - self.last_saved >= 60.0 * self.minutes:
            decision = SAVE
        decision = int(self.team.max(decision))
        if decision == STOP and self.team.is_root:
            reason = self.watch.reason if self.watch.stops else self.stop.reason
            self.message(f"stopping at a checkpoint: {reason}")
        return decision

    def _try_to_write(self):
        """Write the state of the last `hold`, on rank 0; what fails is counted."""
        if not self.team.is_root:
            return
        try:
            self._write_held()
        except OSError as error:
            self.n_failed += 1
            self.last_saved = time.monotonic()
            self._last_error = error
            if error.errno == errno.EBUSY:  # it stays so
                self.n_failed = MAX_FAILURES
                return
            self.message(
                f"warning: no checkpoint, {self.path} cannot be written ({error.strerror}), try {self.n_failed} of "
                f"{MAX_FAILURES}; the checkpoint before is untouched"
            )

    def _write_held(self, keep_previous=True):
        begin = time.monotonic()
        run, state = self._held
        history, table, network = run.history_columns(), run.table(), run.arrays()
        image = run_file.run_image(run.settings.to_toml(), state, history, table, network, n_chains=run.n_chains)
        self._refuse_another_run()
        run_file.replace_file(self.path, image, keep_previous)
        self._own_file = os.stat(self.path).st_ino
        self.n_saved, self.n_failed = self.n_saved + 1, 0
        self.last_saved = time.monotonic()
        self.seconds += self.last_saved - begin

    def _refuse_another_run(self):
        """Raise OSError where a program has put another file in place of the last one of this run.

        What opens the file to write in it leaves it in its place, and a file that was removed is written anew.
        """
        try:
            found = os.stat(self.path).st_ino
        except FileNotFoundError:
            return
        if self._own_file is not None and found != self._own_file:
            raise OSError(errno.EBUSY, "another program has written it meanwhile", self.path)

    def _give_up(self):
        """Raise `UnwritableError` on every rank.  *Collective*."""
        error = (self._last_error.errno, self._last_error.strerror) if self.team.is_root else None
        number, reason = self.team.broadcast_object(error)
        if number == errno.EBUSY:
            raise UnwritableError(
                f"{self.path}: {reason}; this run ends and leaves that file: two runs need two files, choose another "
                "name with -o"
            )
        raise UnwritableError(
            f"{self.path} could not be written several times in a row ({reason}); it holds the last good checkpoint: "
            f"make room, then continue with: hpc-nqs resume {self.path}"
        )
