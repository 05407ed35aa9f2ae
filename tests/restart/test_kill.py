"""SIGKILL of one rank, of the launcher and of everything, at random moments and in the midst of writing.

The file must open after every kill, resume must finish, and the table must be that of a run without kills, bitwise.
"""

import dataclasses
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.settings.parsing import parse_settings

BETAS = [0.11 + 0.002 * k for k in range(400)]  # more than any of these runs gets done
EVERY_STEP = ["run.checkpoint_minutes=0", "thermal.n_samples_report=64"]


def descendants(pid):
    """Return {pid: command} of a process and all below it."""
    parents, commands = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "stat").read_text().rpartition(")")[2].split()
            commands[int(folder.name)] = (folder / "cmdline").read_text()
        except OSError:
            continue
        parents[int(folder.name)] = int(words[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return {each: commands.get(each, "") for each in found}


def is_alive(pid):
    """Return whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@dataclasses.dataclass
class Job:
    """A run on two ranks that can be killed."""

    path: Path
    environment: dict

    def command(self, *more):
        """Return the command that continues the file, or starts the run."""
        launcher = Path(sys.executable).parent / "mpiexec"
        launcher = str(launcher) if launcher.exists() else shutil.which("mpiexec")
        if launcher is None:
            pytest.skip("no mpiexec in this environment")
        new = ["run", str(self.path.with_suffix(".toml")), "-o", str(self.path)]
        words = ["resume", str(self.path)] if self.path.exists() else new
        return [launcher, "-n", "2", sys.executable, "-m", "hpc_nqs", *words, *more]

    def kill(self, victim, delay, in_writing):
        """Start or continue and kill after `delay` seconds; return whether a half-written file was left behind.

        With `in_writing` the delay counts from the first write, and the kill comes as soon as the next one begins.
        """
        part, written = Path(f"{self.path}.part"), self.written()
        left = part.stat().st_mtime_ns if part.exists() else 0
        output = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(self.command(), env=self.environment, **output) as launcher:
            deadline = time.monotonic() + 30
            while in_writing and self.written() == written and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(delay)
            tree = descendants(launcher.pid)
            ranks = sorted(pid for pid, words in tree.items() if "hpc_nqs" in words and "mpiexec" not in words)
            victims = {"rank": ranks[:1] if in_writing else ranks[-1:], "launcher": [launcher.pid], "all": list(tree)}
            while in_writing and not self.is_writing(left) and time.monotonic() < deadline:
                pass
            for pid in victims[victim]:
                os.kill(pid, signal.SIGKILL)
            launcher.wait(20)
        deadline = time.monotonic() + 10
        while any(map(is_alive, tree)) and time.monotonic() < deadline:
            time.sleep(0.01)
        survivors = [pid for pid in tree if is_alive(pid)]
        for pid in survivors:
            os.kill(pid, signal.SIGKILL)
        assert not survivors, "ranks went on without their launcher"
        return self.is_writing(left)

    def is_writing(self, left):
        """Return whether there is a half-written file other than the one that was left at the time `left`."""
        try:
            return os.stat(f"{self.path}.part").st_mtime_ns != left
        except FileNotFoundError:
            return False

    def written(self):
        """Return a number that changes with every write."""
        return self.path.stat().st_ino if self.path.exists() else None


@pytest.fixture
def job(runs, tmp_path, clean_environment):
    """A run of two ranks that writes after every step."""
    (tmp_path / "run.toml").write_text(runs.settings_of(BETAS, EVERY_STEP).to_toml())
    return Job(tmp_path / "run.h5", clean_environment)


def killed_often(job, n_kills, victim, longest=1.0):
    """Kill a run at random moments, every second time in the midst of a write; return its steps and results."""
    moments = random.Random(f"{victim} {n_kills}")
    halves = n_rows = n_steps = 0
    for number in range(n_kills):
        moment = longest * moments.uniform(0.0, 1.0 if number % 2 else 2.0)
        halves += job.kill(victim, moment, in_writing=number % 2 == 1)
        if job.path.exists():
            found = len(checkpoint.read_table(job.path)["rows"]), len(checkpoint.read_history(job.path).get("step", ()))
            assert found >= (n_rows, n_steps)
            n_rows, n_steps = found
    print(f"{victim}: {n_kills} kills, {halves} in the midst of a write;", end=" ")
    print(f"{n_steps} steps, {n_rows} results before the end")
    return n_steps, n_rows


def assert_like_one_without_kills(runs, job, folder, *options):
    """Finish a killed run, and compare it bit for bit with one that was never killed."""
    whole = Job(folder / "whole.h5", job.environment)
    whole.path.with_suffix(".toml").write_text(job.path.with_suffix(".toml").read_text())
    for each in (job, whole):
        done = subprocess.run(each.command(*options), env=job.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    runs.assert_bitwise(runs.contents(job.path), runs.contents(whole.path))
    assert not Path(f"{job.path}.part").exists()


@pytest.mark.parametrize("n_kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_ground_state_run_loses_nothing_but_time(runs, job, tmp_path, n_kills):
    overrides = ["run.task=ground_state", "run.checkpoint_minutes=0"]
    overrides += [f"ground_state.n_steps={80 * n_kills}", "ground_state.v_score=0", "ground_state.n_samples_final=192"]
    tables = {"lattice": {"kind": "chain", "lengths": [6]}, "model": {"kind": "heisenberg"}, "run": {"seed": 7}}
    tables |= {"sampling": {"method": "metropolis", "n_samples": 64, "n_chains": 5, "n_warm_up": 10}}
    job.path.with_suffix(".toml").write_text(parse_settings(tables, overrides).to_toml())
    n_steps, n_rows = killed_often(job, n_kills, "all", longest=0.5)
    assert n_steps < 80 * n_kills and n_rows == 0, "the machine is too fast for this test"
    assert_like_one_without_kills(runs, job, tmp_path)


@pytest.mark.parametrize("victim", ["rank", "all", pytest.param("launcher", marks=pytest.mark.slow)])
@pytest.mark.parametrize("n_kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_run_loses_nothing_but_time(runs, job, tmp_path, n_kills, victim):
    _, n_rows = killed_often(job, n_kills, victim)
    assert_like_one_without_kills(runs, job, tmp_path, "--set", f"thermal.betas={BETAS[: n_rows + 2]}")


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGTERM", "SIGINT"])
def test_a_signal_to_one_rank_stops_all_at_a_checkpoint(job, name):
    with subprocess.Popen(
        job.command(), env=job.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as launcher:
        deadline = time.monotonic() + 60
        while not job.path.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        tree = descendants(launcher.pid)
        last = max(pid for pid, words in tree.items() if "hpc_nqs" in words and "mpiexec" not in words)
        os.kill(last, getattr(signal, name))
        output, errors = launcher.communicate(timeout=30)
    assert launcher.returncode == 75, errors
    assert "stopping at a checkpoint: " in errors
    assert f"hpc-nqs resume {job.path}" in output
    assert not checkpoint.read_table(job.path)["finished"]
