"""When a run file is written and when a run stops, with a driver that computes nothing and a clock that is set."""

import numpy as np
import pytest

from hpc_nqs.parallel.team import Team
from hpc_nqs.runs import recorder
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.runs.recorder import LEAST_MARGIN, Recorder
from hpc_nqs.runs.stopping import StopRequest


class Counting:
    """A driver that counts."""

    n_chains = None
    settings = type("Settings", (), {"to_toml": staticmethod(lambda: "")})

    def __init__(self):
        self.step = 0

    def state(self):
        return {"step": self.step, "chains": {"visible": np.ones((2, 3), np.int8)}}

    def history_columns(self):
        return {"step": np.arange(1.0, self.step + 1)}

    def table(self):
        return {"rows": [], "finished": False}

    def arrays(self):
        return {}


class Asked(StopRequest):
    """Notes the margins it is asked for; stops if `answer`."""

    def __init__(self):
        super().__init__()
        self.margins, self.answer = [], False

    def due(self, margin):
        self.margins.append(margin)
        return self.answer


class Setup:
    """A recorder with a clock of its own."""

    def __init__(self, folder, monkeypatch, minutes=10.0):
        self.now = 1000.0
        monkeypatch.setattr(recorder.time, "monotonic", lambda: self.now)
        self.messages, self.run, self.stop = [], Counting(), Asked()
        self.path = folder / "run.h5"
        self.recorder = Recorder(str(self.path), Team.serial(), self.stop, minutes, self.messages.append)
        self.recorder.start(self.run, resumed=False)

    def step(self, seconds):
        """Make one step of so many seconds; return (whether to stop, the step in the file)."""
        self.now += seconds
        self.run.step += 1
        stopping = self.recorder.after_step(self.run)
        return stopping, checkpoint.read_state(self.path)["step"]


@pytest.fixture
def setup(tmp_path, monkeypatch):
    return Setup(tmp_path, monkeypatch)


def test_the_file_is_written_every_so_many_minutes(setup):
    assert [setup.step(240)[1] for _ in range(7)] == [0, 0, 3, 3, 3, 6, 6]
    assert setup.messages == []


def test_zero_minutes_write_after_every_step(tmp_path, monkeypatch):
    setup = Setup(tmp_path, monkeypatch, minutes=0.0)
    assert [setup.step(0)[1] for _ in range(3)] == [1, 2, 3]


def test_a_stop_writes_at_once_and_says_why_and_what_it_cost(setup):
    setup.step(1)
    setup.stop.answer = True
    assert setup.step(1) == (True, 2)
    assert setup.messages == [
        "stopping at a checkpoint: another rank received a signal",
        "2 checkpoints: 0.00 s, 0% of 2 s",
    ]


def test_the_margin_is_that_of_the_longest_step(setup):
    for seconds in (2, 40, 4):
        setup.step(seconds)
    assert setup.stop.margins == [LEAST_MARGIN + 1.5 * longest for longest in (2, 40, 40)]


def test_what_is_held_is_written_when_the_run_stops(setup):
    setup.step(1)
    setup.recorder.hold(setup.run)
    assert not setup.recorder.stop_held()
    assert checkpoint.read_state(setup.path)["step"] == 0
    setup.stop.answer = True
    assert setup.recorder.stop_held()
    assert checkpoint.read_state(setup.path)["step"] == 1


def test_after_a_failed_write_the_next_try_comes_at_the_next_time(setup, monkeypatch):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "replace_file", fail)
        assert [setup.step(300)[1] for _ in range(3)] == [0, 0, 0]
    assert len(setup.messages) == 1
    assert "warning: no checkpoint" in setup.messages[0] and "checkpoint before is untouched" in setup.messages[0]
    assert [setup.step(300)[1] for _ in range(2)] == [4, 4]


def test_what_is_not_a_matter_of_the_disk_is_not_hidden(setup):
    setup.run.arrays = lambda: {"weights": object()}
    with pytest.raises(TypeError, match="cannot hold"):
        setup.step(601)


def test_a_new_run_forgets_the_previous_file_and_a_resumed_one_keeps_it(tmp_path, monkeypatch):
    previous = tmp_path / "run.h5.previous"
    Setup(tmp_path, monkeypatch).step(601)
    assert previous.exists()
    setup = Setup(tmp_path, monkeypatch)
    assert not previous.exists()
    setup.recorder.start(setup.run, resumed=True)
    assert previous.exists()


def test_load_gives_state_and_history(setup):
    setup.step(601)
    state, history = setup.recorder.load()
    assert state["step"] == 1
    assert state["chains"]["visible"].shape == (2, 3)
    assert history["step"].tolist() == [1.0]


def test_a_run_ends_where_another_program_has_put_its_file(setup, tmp_path):
    other = tmp_path / "other.h5"
    other.write_bytes(setup.path.read_bytes())
    other.replace(setup.path)
    with pytest.raises(recorder.UnwritableError, match="another program has written it meanwhile; this run ends"):
        setup.step(700)
    assert checkpoint.read_state(setup.path)["step"] == 0


def test_a_file_that_was_opened_or_removed_is_still_the_own_one(setup):
    h5py = pytest.importorskip("h5py")
    h5py.File(setup.path, "r+").close()
    assert setup.step(700) == (False, 1)
    setup.path.unlink()
    assert setup.step(700) == (False, 2)
