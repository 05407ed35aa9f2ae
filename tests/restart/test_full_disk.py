"""A disk that is full or gone for a while: nothing is lost, the run goes on, and gives up cleanly in the end."""

import os
import re
import resource
import subprocess

import pytest

from hpc_nqs.runs import recorder
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.runs.computation import DONE, STOPPED
from hpc_nqs.runs.stopping import StopRequest

EVERY_STEP = ["run.checkpoint_minutes=0"]


class Script(StopRequest):
    """Does something at the n-th look of the driver, that is after step n, and stops at the look `stop_at`."""

    def __init__(self, actions, stop_at=None):
        super().__init__()
        self.actions, self.stop_at, self.n_looks = actions, stop_at, 0

    def due(self, margin):
        self.n_looks += 1
        self.actions.get(self.n_looks, lambda: None)()
        return self.n_looks == self.stop_at


class FolderThatVanishes:
    """A folder that can be gone, as when a file server is; works everywhere."""

    reason = "No such file or directory"

    def __init__(self, place):
        self.folder, self.away = place / "disk", place / "away"
        self.folder.mkdir()

    def fill(self):
        self.folder.rename(self.away)

    def free(self):
        self.away.rename(self.folder)

    def close(self):
        pass


class SmallDisk:
    """A tmpfs of 2 MB."""

    reason = "No space left on device"

    def __init__(self, place):
        self.folder = place / "disk"
        self.folder.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m", "none", self.folder], capture_output=True, text=True, check=False
        )
        if mounted.returncode:
            pytest.skip(f"no tmpfs can be mounted: {mounted.stderr.strip()}")

    def fill(self):
        with open(self.folder / "filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                pass

    def free(self):
        (self.folder / "filler").unlink()

    def close(self):
        subprocess.run(["umount", self.folder], check=True)


class SmallFiles:
    """A limit on the size of files, as of a quota."""

    reason = "File too large"

    def __init__(self, place):
        self.folder = place
        self.earlier = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(self):
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, self.earlier[1]))

    def free(self):
        resource.setrlimit(resource.RLIMIT_FSIZE, self.earlier)

    close = free


@pytest.fixture(params=[FolderThatVanishes, SmallDisk, SmallFiles])
def disk(request, tmp_path):
    """A folder on a disk that can be filled and freed."""
    made = request.param(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def reference(runs, tmp_path_factory):
    """The contents of the run without any trouble."""
    path = tmp_path_factory.mktemp("reference") / "run.h5"
    assert runs.cool(runs.settings_of(overrides=EVERY_STEP), path) == DONE
    return runs.contents(path)


def test_a_disk_that_is_full_for_a_while_costs_nothing(runs, disk, reference, capsys):
    path = disk.folder / "run.h5"
    seen = []
    stop = Script({2: disk.fill, 4: lambda: (disk.free(), seen.append(checkpoint.read_history(path)["step"][-1]))})
    assert runs.cool(runs.settings_of(overrides=EVERY_STEP), path, stop) == DONE
    assert seen == [1.0]  # what was written before the disk was full is there meanwhile
    errors = capsys.readouterr().err
    assert errors.count("warning: no checkpoint") == 2
    assert f"cannot be written ({disk.reason}), try 2 of {recorder.MAX_FAILURES}" in errors
    runs.assert_bitwise(runs.contents(path), reference)
    assert "run.h5.part" not in os.listdir(disk.folder)


def test_a_disk_that_stays_full_ends_the_run_and_loses_nothing(runs, disk, reference, capsys):
    path = disk.folder / "run.h5"
    stop = Script({3: disk.fill})
    with pytest.raises(recorder.UnwritableError, match=f"several times in a row .{disk.reason}.*hpc-nqs resume"):
        runs.cool(runs.settings_of(overrides=EVERY_STEP), path, stop)
    disk.free()
    assert capsys.readouterr().err.count("warning: no checkpoint") == recorder.MAX_FAILURES
    assert checkpoint.read_history(path)["step"][-1] == 2.0
    assert "run.h5.part" not in os.listdir(disk.folder)
    assert runs.cool(runs.settings_of(overrides=EVERY_STEP), path, resume=True) == DONE
    runs.assert_bitwise(runs.contents(path), reference)


@pytest.mark.parametrize("freed", [True, False])
def test_a_stop_on_a_full_disk_is_tried_again(runs, disk, reference, monkeypatch, freed):
    path = disk.folder / "run.h5"
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if freed and len(pauses) == 2:
            disk.free()

    monkeypatch.setattr(recorder.time, "sleep", pause)
    settings, stop = runs.settings_of(overrides=EVERY_STEP), Script({3: disk.fill}, stop_at=3)
    if freed:
        assert runs.cool(settings, path, stop) == STOPPED
    else:
        with pytest.raises(recorder.UnwritableError, match="several times in a row"):
            runs.cool(settings, path, stop)
        disk.free()
    assert pauses == list(recorder.PAUSES)
    assert checkpoint.read_history(path)["step"][-1] == (3.0 if freed else 2.0)
    assert runs.cool(settings, path, resume=True) == DONE
    runs.assert_bitwise(runs.contents(path), reference)


def test_a_disk_that_is_full_at_the_start_is_an_error_at_once(runs, disk):
    disk.fill()
    try:
        with pytest.raises(OSError, match=disk.reason):
            runs.cool(runs.settings_of(), disk.folder / "run.h5")
    finally:
        disk.free()
    assert not (disk.folder / "run.h5").exists()


def test_the_cost_of_checkpoints_is_printed(runs, tmp_path, capsys):
    assert runs.cool(runs.settings_of(overrides=EVERY_STEP), tmp_path / "run.h5") == DONE
    (cost,) = re.findall(
        r"^(\d+) checkpoints: ([\d.]+) s, ([\d.]+)% of (\d+) s$", capsys.readouterr().err, re.MULTILINE
    )
    n_steps = len(checkpoint.read_history(tmp_path / "run.h5")["step"])
    assert int(cost[0]) == 1 + n_steps + 2  # the first one, every step, two reports
