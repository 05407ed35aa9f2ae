"""Signals and the remaining time of a Slurm job, as a driver sees them."""

import math
import os
import signal
import subprocess
import sys
import time

import pytest

from hpc_nqs.runs.stopping import NEVER, StopRequest, seconds_of, slurm_job_end


@pytest.mark.parametrize("number", StopRequest.SIGNALS)
def test_signal_is_remembered_and_handlers_are_put_back(number):
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert not stop.requested
        assert not stop.due(1e6)
        signal.raise_signal(number)
        assert stop.requested
        assert stop.due(0.0)
        assert stop.received == number
        assert number.name in stop.reason
    assert signal.getsignal(number) is before


def test_nothing_is_requested_outside_of_the_block():
    assert not NEVER.due(1e6)
    assert NEVER.end == math.inf


INTERRUPTED = """
import os, signal, threading, time
import numpy as np
from hpc_nqs.runs.stopping import StopRequest
with StopRequest() as stop:
    print("ready", flush=True)
    big = np.random.default_rng(1).normal(size=(6000, 6000))
    np.linalg.eigvalsh(big + big.T)  # a minute of compiled code
print("finished", flush=True)
"""


def interrupt(code, pauses):
    """Start Python code, send SIGINT after each pause; return (exit code, seconds from the last to the end, output)."""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        for pause in pauses:
            time.sleep(pause)
            process.send_signal(signal.SIGINT)
        sent = time.monotonic()
        output, errors = process.communicate(timeout=30)
        return process.returncode, time.monotonic() - sent, output + errors


def test_second_interrupt_ends_compiled_code_at_once():
    code, seconds, output = interrupt(INTERRUPTED, [0.3, 0.4])
    assert code == 128 + signal.SIGINT
    assert seconds < 3
    assert output == "hpc-nqs: interrupted\n"


def test_in_a_session_a_second_interrupt_is_one_of_python():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), StopRequest(ends_process=False) as stop:
        for _ in range(2):  # at the same time: one
            signal.raise_signal(signal.SIGINT)
        assert stop.requested
        time.sleep(0.3)
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_two_interrupts_at_the_same_time_are_one():
    code = INTERRUPTED.replace("6000, 6000", "2, 2").replace("# a minute of compiled code", "; time.sleep(0.5)")
    code, _, output = interrupt(code, [0.1, 0.001])
    assert (code, output) == (0, "finished\n")


def test_interrupt_after_another_signal_is_a_request_still():
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert stop.received == signal.SIGINT
        signal.raise_signal(signal.SIGUSR1)
        assert stop.requested


def test_blocks_leave_no_threads_or_files_behind():
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with StopRequest():
            pass
    assert len(os.listdir("/proc/self/fd")) == before
    assert signal.set_wakeup_fd(-1) == -1


# ---- the time limit of a job


@pytest.fixture
def squeue(tmp_path):
    """Return a function that puts a squeue with a given answer on the path, and the environment of a job."""

    def answering(text, code=0, job="17", **variables):
        program = tmp_path / "squeue"
        program.write_text(
            f"#!/bin/sh\n[ \"$*\" = '--noheader --jobs {job} --format=%L' ] || exit 9\necho '{text}'\nexit {code}\n"
        )
        program.chmod(0o755)
        return {"PATH": f"{tmp_path}:/bin", "SLURM_JOB_ID": "17", **variables}

    return answering


def test_without_a_job_there_is_no_limit():
    assert slurm_job_end({}) == math.inf


@pytest.mark.parametrize(("text", "seconds"), [("1:30", 90), ("2:00:00", 7200), ("1-00:00:01", 86401)])
def test_squeue_tells_the_time_left(squeue, monkeypatch, text, seconds):
    environment = squeue(text, SLURM_JOB_END_TIME="12")
    monkeypatch.setenv("PATH", environment["PATH"])
    assert slurm_job_end(environment) == pytest.approx(time.time() + seconds, abs=2)


def test_a_task_of_an_array_asks_for_itself(squeue, monkeypatch):
    environment = squeue("1:30", SLURM_ARRAY_JOB_ID="17", SLURM_ARRAY_TASK_ID="3")
    monkeypatch.setenv("PATH", environment["PATH"])
    assert slurm_job_end(environment) == math.inf
    squeue("1:30", job="17_3")
    assert slurm_job_end(environment) == pytest.approx(time.time() + 90, abs=2)


@pytest.mark.parametrize(("text", "code"), [("INVALID", 0), ("", 0), ("1:30", 1)])
def test_without_an_answer_the_end_at_the_start_of_the_job_counts(squeue, monkeypatch, text, code):
    environment = squeue(text, code, SLURM_JOB_END_TIME="1700000000")
    monkeypatch.setenv("PATH", environment["PATH"])
    assert slurm_job_end(environment) == 1.7e9
    del environment["SLURM_JOB_END_TIME"]
    assert slurm_job_end(environment) == math.inf


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0:00", 0), ("59:59\n", 3599), ("10:00:00", 36000), ("3-01:00:00", 262800), ("UNLIMITED", math.inf)],
)
def test_durations(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "INVALID", "12", "-1:00", "1:2:3:4"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="not a duration of Slurm"):
        seconds_of(text)


def test_a_run_stops_before_the_end_of_its_job_and_asks_again_first(squeue, monkeypatch):
    environment = squeue("1:00")
    monkeypatch.setenv("PATH", environment["PATH"])
    stop = StopRequest()
    stop.watch_job(environment)
    assert not stop.due(50.0)
    squeue("1:00:00")  # extended meanwhile
    assert not stop.due(70.0)
    assert stop.end == pytest.approx(time.time() + 3600, abs=5)
    squeue("1:00")
    assert stop.due(3700.0)
    assert "60 s are left" in stop.reason or "59 s are left" in stop.reason
