"""When a run has to stop: signals, and the time limit of a Slurm job.

This module imports neither NumPy nor MPI: the handlers stand before either is loaded.
"""

import math
import os
import re
import signal
import subprocess
import threading
import time

DOUBLE = 0.2  # seconds in which two SIGINT are one, sent to the process and to its group (`timeout -s INT` does)
ASKING = 10.0  # seconds that squeue may take


class StopRequest:
    """Remember that the run was asked to stop, for the driver to act on between two steps.

    Inside its ``with`` block SIGUSR1 and SIGTERM (Slurm before and at the time limit) and SIGINT (Ctrl-C) are
    remembered; a second SIGINT ends the process at once, in the middle of a kernel or of a message too. Signals may
    reach some ranks only, and only rank 0 watches the time limit, so drivers reduce `due` over the team; see
    `recorder.Recorder`. Outside of a ``with`` block no signal counts. Only the main thread can enter it.

    Parameters
    ----------
    ends_process : bool
        What a second SIGINT does: end the process at once, or raise KeyboardInterrupt as soon as compiled code returns,
        as a session of Python expects.

    Attributes
    ----------
    received : signal.Signals or None
    end : float
        When the job ends, as `time.time` counts; infinite without a limit.
    """

    SIGNALS = (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)

    def __init__(self, ends_process=True):
        self.received, self.ends_process = None, ends_process
        self._first_interrupt = math.inf
        self.end = math.inf
        self._ask = lambda: math.inf

    @property
    def requested(self):
        """Whether a signal has come."""
        return self.received is not None

    def watch_job(self, environment=os.environ):
        """Stop in time for the limit of the Slurm job that `environment` belongs to, if any. Call it on rank 0."""
        self._ask = lambda: slurm_job_end(environment)
        self.end = self._ask()

    def due(self, margin):
        """Return whether a signal has come or less than `margin` seconds are left.

        The limit is asked for once more before it counts: it may have been extended.
        """
        if not self.requested and time.time() + margin >= self.end:
            self.end = self._ask()
        return self.requested or time.time() + margin >= self.end

    @property
    def reason(self):
        """Why the run has to stop, in words."""
        if self.requested:
            return f"{self.received.name} received"
        if math.isfinite(self.end):
            return f"{max(0.0, self.end - time.time()):.0f} s are left of the job"
        return "another rank received a signal"

    def __enter__(self):
        self._earlier = {number: signal.signal(number, self._receive) for number in self.SIGNALS}
        self._watcher = None
        if not self.ends_process:
            return self
        reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._earlier_writer = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._watcher = threading.Thread(target=_leave_at_second_interrupt, args=(reader,), daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *exception):
        if self._watcher is not None:
            signal.set_wakeup_fd(self._earlier_writer)
        for number, handler in self._earlier.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: not set by Python
        if self._watcher is None:
            return
        os.close(self._writer)
        self._watcher.join()

    def _receive(self, number, frame):
        self.received = signal.Signals(number)
        if number != signal.SIGINT or self.ends_process:
            return
        now = time.monotonic()
        self._first_interrupt = min(now, self._first_interrupt)
        if now - self._first_interrupt > DOUBLE:
            raise KeyboardInterrupt


NEVER = StopRequest()


def _leave_at_second_interrupt(reader):
    """Read the numbers of signals as they come; end the process at the second SIGINT, return when the pipe closes.

    Python's handlers wait for the compiled code to return, and MPI for the other ranks. A thread does not.
    """
    first = None
    with open(reader, "rb", buffering=0) as numbers:
        while number := numbers.read(1):
            now = time.monotonic()
            if number[0] != signal.SIGINT:
                continue
            first = now if first is None else first
            if now - first > DOUBLE:
                os.write(2, b"hpc-nqs: interrupted\n")
                os._exit(128 + signal.SIGINT)


def slurm_job_end(environment):
    """Return when the Slurm job of these environment variables ends, as `time.time` counts; infinite if unknown.

    squeue knows of extensions; where it is not installed or does not answer, SLURM_JOB_END_TIME is what the job
    started with.
    """
    job = environment.get("SLURM_JOB_ID", "")
    if not job:
        return math.inf
    if "SLURM_ARRAY_TASK_ID" in environment:  # the number of one task is that of the whole array too
        job = f"{environment['SLURM_ARRAY_JOB_ID']}_{environment['SLURM_ARRAY_TASK_ID']}"
    try:
        command = ["squeue", "--noheader", "--jobs", job, "--format=%L"]
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=ASKING, check=True)
        return time.time() + min(map(seconds_of, answer.stdout.split()))  # of an empty answer: a ValueError
    except (OSError, subprocess.SubprocessError, ValueError):
        written = environment.get("SLURM_JOB_END_TIME", "")
        return float(written) if written.isdigit() else math.inf


def seconds_of(duration):
    """Return the seconds of a duration in Slurm's words, [days-][hours:]minutes:seconds; UNLIMITED is infinite.

    Raises
    ------
    ValueError
        If it is none, such as INVALID or nothing.
    """
    duration = duration.strip()
    if duration in ("UNLIMITED", "NOT_SET"):
        return math.inf
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", duration)
    if match is None:
        raise ValueError(f"not a duration of Slurm: {duration!r}")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
