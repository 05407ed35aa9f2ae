"""What the tests of the command line share: an input, a made-up run file and a made-up driver."""

import threading
import types

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.parallel import team as parallel
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.settings.parsing import parse_settings, read_tables

INPUT = """
[run]
seed = 1
[lattice]
kind = "chain"
lengths = [6]
[model]
kind = "heisenberg"
[thermal]
temperatures = [2.0, 1.0, 0.5]
[observables]
structure_factor = [[1]]
"""


def write_run_file(path, settings, finished=True):
    """Write a run file with made-up rows for the temperatures of the settings."""
    made_up = {"energy_error": 0.001, "specific_heat": 0.1, "specific_heat_error": 0.01, "specific_heat_slope": 0.11}
    made_up |= {"entropy": 0.5, "entropy_error": 0.01, "structure_factor": {"1,0": [0.3, 0.01]}}
    betas = settings.thermal.report_betas
    rows = [{"temperature": 1.0 / beta, "beta": beta, "energy": -0.1 * beta, **made_up} for beta in betas]
    table = {"task": "thermal", "n_sites": 6, "finished": finished, "seconds": 1.5, "n_ranks": 1, "rows": rows}
    state, history, network = {"step": 3}, {"beta": np.arange(3.0)}, {"params": np.zeros(2)}
    checkpoint.write_run(path, settings.to_toml(), state, history, table, network)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with input.toml and run.h5."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input.toml").write_text(INPUT)
    write_run_file("run.h5", parse_settings(read_tables(INPUT)))
    return tmp_path


@pytest.fixture
def driver(monkeypatch):
    """Replace the computations by one that records its calls, writes a run file and returns or raises `outcome`."""
    fake = types.SimpleNamespace(calls=[], outcome=0)

    def run(settings, team, output_path, resume_from=None, stop=None, watch=None):
        fake.calls.append((settings, output_path, resume_from))
        if isinstance(fake.outcome, BaseException):
            raise fake.outcome
        write_run_file(output_path, settings, finished=fake.outcome == 0)
        return fake.outcome

    monkeypatch.setattr(tasks, "run", run)
    monkeypatch.setattr(tasks, "plan", lambda settings: {"sites": 6, "parameters": 1234, "memory per rank": "0.1 GB"})
    monkeypatch.setattr(tasks, "advice", lambda settings: ["Nothing is known about this magnet."])
    monkeypatch.setattr(tasks, "resolved", lambda settings: {"sampling": {"n_chains": 64}, "thermal": {"beta_0": 0.02}})
    taken = {"names": ("steps", "reported temperatures"), "steps": 1200, "reports": 3, "seconds_per_step": 0.5}
    taken |= {"seconds_per_report": 12.0, "seconds": 635.0, "efficiency": 0.75}
    monkeypatch.setattr(tasks, "forecast", lambda settings, n_ranks: taken)
    monkeypatch.setattr(parallel, "start", parallel.Team.serial)
    return fake


class ThreadTeam:
    """The collective calls of `parallel.team.Team` between threads of this process: unit tests need no launcher."""

    def __init__(self, rank, size, barrier, board):
        self.rank, self.size, self.threads = rank, size, parallel.Threads()
        self._barrier, self._board = barrier, board

    def _exchange(self, item):
        self._board[self.rank] = item
        self._barrier.wait()
        items = [np.array(other) for other in self._board]
        self._barrier.wait()
        return items

    def sum_in_place(self, array):
        array[...] = sum(self._exchange(array))

    def share(self, n_items, rank=None):
        return parallel.Team.share(self, n_items, rank)

    def sum_shares(self, array):
        return sum(self._exchange(array))[slice(*self.share(len(array)))]

    def join_shares(self, own, n_items):
        whole = np.concatenate(self._exchange(own))
        assert len(whole) == n_items
        return whole

    def summed(self, numbers):
        return sum(self._exchange(np.array(numbers, dtype=float)))

    def broadcast(self, array, root=0):
        array[...] = self._exchange(array)[root]

    def start_broadcasts(self, pieces):
        for array, root in pieces:
            self.broadcast(array, root)
        return parallel.UnderWay([])


@pytest.fixture
def on_ranks():
    """Return a function (size, work): run work(team) on `size` threads, return what each rank returned."""
    return _on_ranks


def _on_ranks(size, work):
    barrier, board, results = threading.Barrier(size, timeout=20), [None] * size, [None] * size

    def run(rank):
        try:
            results[rank] = work(ThreadTeam(rank, size, barrier, board))
        except Exception as error:  # handed to the main thread below
            results[rank] = error
            barrier.abort()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, threading.BrokenBarrierError):
            raise result
    return results
