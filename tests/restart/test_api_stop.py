"""The Python interface stops at a checkpoint like the command, loses nothing and puts the handlers back."""

import os
import signal
import threading
import time

import pytest

import hpc_nqs
from hpc_nqs.runs.stopping import StopRequest


@pytest.fixture
def settings(runs):
    """Of a run that takes many steps."""
    return runs.settings_of((0.2, 3.0), ["thermal.max_dtau=0.005"])


def send_when_started(path, number):
    """Send a signal to this process once the run file is there."""

    def send():
        while not path.exists():
            time.sleep(0.01)
        time.sleep(0.05)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


@pytest.mark.parametrize("number", StopRequest.SIGNALS)
def test_a_signal_ends_a_run_at_a_checkpoint_and_resume_goes_on(settings, runs, tmp_path, number):
    path, whole = tmp_path / "run.h5", tmp_path / "whole.h5"
    handlers = {each: signal.getsignal(each) for each in StopRequest.SIGNALS}
    thread = send_when_started(path, number)
    stopped = hpc_nqs.run(settings, path)
    thread.join()
    assert not stopped.finished and number.name in stopped.stopped
    assert {each: signal.getsignal(each) for each in StopRequest.SIGNALS} == handlers
    n_steps = len(hpc_nqs.load(path).history["beta"])
    assert n_steps == len(stopped.history["beta"])
    resumed = hpc_nqs.resume(path)
    assert resumed.finished and resumed.stopped == "" and len(resumed.history["beta"]) > n_steps
    hpc_nqs.run(settings, whole)
    runs.assert_bitwise(runs.contents(path), runs.contents(whole))


def test_resume_stops_too(settings, tmp_path):
    path = tmp_path / "run.h5"
    for go_on in (lambda: hpc_nqs.run(settings, path), lambda: hpc_nqs.resume(path)):
        thread = send_when_started(path, signal.SIGTERM)
        assert "SIGTERM" in go_on().stopped
        thread.join()


def test_handlers_are_put_back_after_an_error(settings, tmp_path):
    handlers = {each: signal.getsignal(each) for each in StopRequest.SIGNALS}
    with pytest.raises(FileExistsError):
        hpc_nqs.run(settings, tmp_path)
    assert {each: signal.getsignal(each) for each in StopRequest.SIGNALS} == handlers


def test_in_another_thread_signals_are_left_alone(runs, tmp_path):
    handlers, found = {each: signal.getsignal(each) for each in StopRequest.SIGNALS}, []
    thread = threading.Thread(target=lambda: found.append(hpc_nqs.run(runs.settings_of((0.2,)), tmp_path / "run.h5")))
    thread.start()
    while thread.is_alive():
        assert {each: signal.getsignal(each) for each in StopRequest.SIGNALS} == handlers
        time.sleep(0.01)
    assert found[0].finished

