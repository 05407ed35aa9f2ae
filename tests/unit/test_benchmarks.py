"""What `hpc-nqs bench` measures, with little patience: every number is there and possible."""

import json

import pytest

from hpc_nqs.benchmarks import roofline, stopwatch, timings
from hpc_nqs.benchmarks.default_kernels import default_rows


def test_kernels_stay_below_the_peak():
    rate, bandwidth = roofline.measure_core(patience=0.01)
    assert bandwidth > 1e8
    rows = default_rows(rate, patience=0.01)
    assert len(rows) == 5
    assert all(microseconds > 0.1 and 0.005 < part < 1 for microseconds, part in rows.values())


def test_the_stopwatch_counts_processor_time_of_as_many_calls_as_it_can_resolve(monkeypatch):
    """A clock of its own: calls of 0.3 and 0.2 ms in turn, of which four make a timing of 1 ms."""
    clock, calls = [0.0], []
    monkeypatch.setattr(stopwatch.time, "process_time", lambda: clock[0])

    def work():
        calls.append(1)
        clock[0] += 3e-4 if len(calls) % 2 else 2e-4

    assert stopwatch.shortest(work, patience=0.0) == pytest.approx(2.5e-4)
    assert stopwatch.median(work, patience=0.0) == pytest.approx(2.5e-4)


@pytest.mark.parametrize("name", ["4x4 TFIM", "4x4 Hubbard"])
def test_default_states_are_timed(name):
    found = timings.measure(*timings.SYSTEMS[name])
    assert found["wave function"] == {"4x4 TFIM": "clusters", "4x4 Hubbard": "determinant"}[name]
    assert all(value > 0 for key, value in found.items() if key != "wave function")


def test_the_tables_can_be_read_by_people_and_programs(monkeypatch):
    monkeypatch.setattr(timings, "SYSTEMS", {"4x4 TFIM": timings.SYSTEMS["4x4 TFIM"]})
    limits = {
        "instruction set": "avx2", "multiply-adds per second": 1e10, "bytes per second": 1e10,
        "default kernels": {"one": (1.0, 0.5)}, "kernels": {}, "solutions of one": {"cg": (0.5, 12, 0.25)},
    }
    monkeypatch.setattr(timings, "roofline_table", lambda: limits)
    text = timings.run_bench()
    assert "4x4 TFIM" in text
    assert "50%" in text
    assert "clusters" in text
    assert json.loads(timings.run_bench(json=True))["roofline"]["default kernels"] == {"one": [1.0, 0.5]}
