"""Functions that watch a run: what they are told, and that the run stops at a checkpoint when they want or fail."""

import pytest

import hpc_nqs
from hpc_nqs.runs.watching import Watch


class EnoughError(Exception):
    pass


@pytest.fixture
def settings(runs):
    return runs.settings_of((0.12, 0.2, 0.3))


def test_steps_and_results_are_told_once_and_change_nothing(settings, runs, tmp_path):
    steps, rows = [], []
    run = hpc_nqs.run(settings, tmp_path / "run.h5", on_step=steps.append, on_result=rows.append)
    assert [step["step"] for step in steps][:2] == [1.0, 2.0]
    for name in ("beta", "energy"):  # the run takes some steps back and makes them again
        assert list({step["step"]: step[name] for step in steps}.values()) == run.history[name].tolist()
    assert [row["beta"] for row in rows] == [0.12, 0.2, 0.3] and "entropy" in rows[0] and rows[0]["temperature"]
    hpc_nqs.run(settings, tmp_path / "alone.h5")
    runs.assert_bitwise(runs.contents(tmp_path / "run.h5"), runs.contents(tmp_path / "alone.h5"))
    more = []
    hpc_nqs.resume(tmp_path / "run.h5", {"thermal.betas": [0.4]}, on_result=more.append, on_step=steps.append)
    assert [row["beta"] for row in more] == [0.4], "of a run that continues what is new"
    assert steps[-1]["energy"] == hpc_nqs.load(tmp_path / "run.h5").history["energy"][-1]
    assert len({(step["step"], step["beta"], step["energy"]) for step in steps}) == len(steps), "each once"


@pytest.mark.parametrize("which", ["on_step", "on_result"])
def test_an_exception_ends_the_run_at_a_checkpoint(settings, runs, tmp_path, which):
    calls = []

    def fail(numbers):
        calls.append(numbers)
        if len(calls) == 2:
            raise EnoughError("seen enough")

    path, whole = tmp_path / "run.h5", tmp_path / "whole.h5"
    with pytest.raises(EnoughError, match="seen enough"):
        hpc_nqs.run(settings, path, **{which: fail})
    assert len(calls) == 2, "not called again"
    stopped = hpc_nqs.load(path)
    assert not stopped.finished and len(stopped.history["beta"]) >= 2
    assert hpc_nqs.resume(path).finished
    hpc_nqs.run(settings, whole)
    runs.assert_bitwise(runs.contents(path), runs.contents(whole))


def test_true_ends_the_run_and_other_values_do_not(settings, tmp_path):
    run = hpc_nqs.run(settings, tmp_path / "run.h5", on_step=lambda step: step["beta"] > 0.15)
    assert not run.finished and "asked for" in run.stopped and run.history["beta"][-1] > 0.15
    assert (run.history["beta"] > 0.15).sum() == 1
    assert hpc_nqs.resume(tmp_path / "run.h5", on_step=lambda step: 1, on_result=lambda row: "go").finished


def test_an_exception_at_the_last_result_comes_after_the_file_is_whole(settings, tmp_path):
    def fail(row):
        if row["beta"] == 0.3:
            raise EnoughError

    with pytest.raises(EnoughError):
        hpc_nqs.run(settings, tmp_path / "run.h5", on_result=fail)
    assert hpc_nqs.load(tmp_path / "run.h5").finished


def test_ground_states_and_analytic_runs_are_watched(tmp_path):
    system = {"lattice": {"kind": "chain", "lengths": [4]}, "model": {"kind": "heisenberg"}}
    steps, rows = [], []
    settings = hpc_nqs.make_input(run={"seed": 1, "task": "ground_state"}, ground_state={"n_steps": 5}, **system)
    hpc_nqs.run(settings, tmp_path / "levels.h5", on_step=steps.append, on_result=rows.append)
    assert [step["step"] for step in steps] == [1, 2, 3, 4, 5] and len(rows) == 1 and "v_score" in rows[0]
    steps, rows = [], []
    thermal = {"method": "analytic", "temperatures": [2.0], "dtau": [0.1, 0.05], "entropy": False}
    settings = hpc_nqs.make_input(run={"seed": 1}, thermal=thermal, sampling={"n_samples": 200}, **system)
    hpc_nqs.run(settings, tmp_path / "path.h5", on_step=steps.append, on_result=rows.append)
    assert len(steps) == 2 and steps[0]["dtau"] > steps[1]["dtau"] and [row["beta"] for row in rows] == [0.5]


def test_failures_that_other_ranks_cannot_have():
    class Local(Exception):
        pass

    watch = Watch()
    watch.failure = Local("words")
    assert type(watch.portable_failure()) is RuntimeError and str(watch.portable_failure()) == "Local: words"
    watch.failure = ValueError("words")
    assert watch.portable_failure() is watch.failure
