"""Run files: everything comes back as it was, and damage of any kind is noticed."""

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpc_nqs import __version__
from hpc_nqs.parallel import processor as machine
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.runs.run_file import RunFileError

SETTINGS = '[run]\ntask = "thermal"\nseed = 7\n'
TABLE = {
    "format": 1,
    "task": "thermal",
    "n_sites": 4,
    "finished": False,
    "seconds": 1.5,
    "n_ranks": 2,
    "rows": [{"temperature": 0.5, "energy": np.float64(-0.25), "structure_factor": {"1,1": [1.2, 0.01]}}, {}],
}


def write(path, state=None, table=TABLE, **changes):
    arguments = {"history": {"beta": np.arange(3)}, "network": {"weights": np.ones((2, 3), complex)}, "n_chains": 5}
    checkpoint.write_run(path, SETTINGS, state if state is not None else {}, table=table, **{**arguments, **changes})
    return path


def assert_same(left, right):
    """Equal values of equal types, arrays to the last bit, dicts in the same order."""
    assert type(left) is type(right)
    if isinstance(left, dict):
        assert list(left) == list(right)
        for name in left:
            assert_same(left[name], right[name])
    elif isinstance(left, np.ndarray):
        assert (left.dtype, left.shape) == (right.dtype, right.shape)
        assert left.tobytes() == right.tobytes()
    else:
        assert left == right or (left != left and right != right)


STATE = {
    "zebra": np.arange(6, dtype=np.int8).reshape(2, 3),
    "philox": {"counter": np.array([2**64 - 1, 0, 1, 2], np.uint64), "has_half": False, "half": 2**32 - 1},
    "complex": np.array([1 + 2j, np.nan]),
    "no_chains": np.zeros((0, 4), np.int8),
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "zero_dimensional": np.array(2.5),
    "flags": np.array([True, False]),
    "single": np.array([1.5], np.float32),
    "largest": 2**64 - 1,
    "negative": -(2**63),
    "step": 0,
    "beta": 0.1,
    "phase": 1j,
    "finished": True,
    "nothing": None,
    "text": "temperature \u03b2\nsecond line ",
    "empty_text": "",
    "empty": {},
    "a b.c": {"deeper": {"still": 1}},
}


def test_state_comes_back_bit_for_bit(tmp_path):
    path = write(tmp_path / "run.h5", STATE)
    assert_same(checkpoint.read_state(path), STATE)


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
    st.lists(st.integers(0, 2**64 - 1), max_size=5).map(lambda items: np.array(items, np.uint64)),
)
names = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=8)
nested = st.recursive(values, lambda inner: st.dictionaries(names.filter(lambda name: name != "."), inner, max_size=3))


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(names.filter(lambda name: name != "."), nested, max_size=4))
def test_any_nested_state_comes_back(tmp_path_factory, state):
    path = write(tmp_path_factory.mktemp("state") / "run.h5", state)
    assert_same(checkpoint.read_state(path), state)


def test_scalars_of_numpy_become_python_numbers(tmp_path):
    path = write(tmp_path / "run.h5", {"count": np.int64(3), "value": np.float64(0.5), "flag": np.bool_(True)})
    assert_same(checkpoint.read_state(path), {"count": 3, "value": 0.5, "flag": True})


def test_other_parts_of_the_file(tmp_path):
    path = write(tmp_path / "run.h5", STATE)
    assert checkpoint.read_settings_text(path) == SETTINGS
    assert_same(checkpoint.read_history(path), {"beta": np.array([0.0, 1.0, 2.0])})
    assert_same(checkpoint.read_network(path), {"weights": np.ones((2, 3), complex)})
    assert checkpoint.read_about(path) == {
        "format": 1,
        "spin_convention": "S = sigma/2",
        "version": __version__,
        "commit": checkpoint.commit(),
        "processor": machine.processor(),
        "n_ranks": 2,
        "n_chains": 5,
    }


def test_table_has_the_shape_of_show(tmp_path):
    table = checkpoint.read_table(write(tmp_path / "run.h5"))
    assert table == {
        **TABLE,
        "rows": [{"temperature": 0.5, "energy": -0.25, "structure_factor": {"1,1": [1.2, 0.01]}}, {}],
        "settings": {"run": {"task": "thermal", "seed": 7}},
    }
    assert type(table["finished"]) is bool
    assert type(table["n_sites"]) is int


def test_table_may_grow_further_scalars(tmp_path):
    extended = {**TABLE, **{f"extra_{k}": k for k in range(20)}, "sector": "K = 0"}
    table = checkpoint.read_table(write(tmp_path / "run.h5", table=extended))
    assert table["extra_19"] == 19
    assert table["sector"] == "K = 0"


@pytest.mark.parametrize(
    ("state", "error", "match"),
    [
        ({"a": {"b": [1, 2]}}, TypeError, "'b' below /state/a is of type list"),
        ({"a": np.array(["text"])}, TypeError, "array of <U4"),
        ({"a": object()}, TypeError, "of type object"),
        ({"a/b": 1}, ValueError, "'a/b' below /state cannot be a name"),
        ({"": 1}, ValueError, "cannot be a name"),
        ({"a": "x\0y"}, ValueError, "NUL"),
        ({"a": 2**64}, OverflowError, "too large"),
    ],
)
def test_what_cannot_be_stored_is_refused_before_anything_is_written(tmp_path, state, error, match):
    with pytest.raises(error, match=match):
        write(tmp_path / "run.h5", state)
    assert list(tmp_path.iterdir()) == []


# Damage


def test_missing_file(tmp_path):
    with pytest.raises(RunFileError, match=r"there is no run file .*run\.h5"):
        checkpoint.read_state(tmp_path / "run.h5")


def test_folder_instead_of_a_file(tmp_path):
    with pytest.raises(RunFileError, match="cannot be read: Is a directory"):
        checkpoint.read_table(tmp_path)


def test_empty_file(tmp_path):
    (tmp_path / "run.h5").touch()
    with pytest.raises(RunFileError, match="is empty"):
        checkpoint.read_history(tmp_path / "run.h5")


def test_text_file(tmp_path):
    (tmp_path / "run.h5").write_text("temperature energy\n")
    with pytest.raises(RunFileError, match="not a run file of hpc_nqs"):
        checkpoint.read_settings_text(tmp_path / "run.h5")


def test_hdf5_file_of_another_program(tmp_path):
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file["data"] = np.ones(3)
    with pytest.raises(RunFileError, match="is an HDF5 file, but not a run file"):
        checkpoint.read_network(tmp_path / "run.h5")


def test_newer_format(tmp_path):
    path = write(tmp_path / "run.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["format"] = 2
    with pytest.raises(RunFileError, match="has file format 2, this hpc_nqs .* reads up to 1"):
        checkpoint.read_about(path)


@pytest.mark.parametrize("change", ["value", "attribute", "renamed", "removed"])
def test_changed_contents_do_not_match_the_checksum(tmp_path, change):
    path = write(tmp_path / "run.h5", {"beta": np.array([0.25]), "step": 3})
    with h5py.File(path, "r+") as file:
        if change == "value":
            file["state/beta"][0] = np.nextafter(0.25, 1)
        elif change == "attribute":
            file["table"].attrs["finished"] = True
        elif change == "renamed":
            file.move("state/step", "state/steps")
        else:
            del file["state/step"]
    with pytest.raises(RunFileError, match="do not match their checksum"):
        checkpoint.read_table(path)


def test_every_cut_is_noticed(tmp_path):
    path = write(tmp_path / "run.h5", STATE)
    image = path.read_bytes()
    for length in range(1, len(image), 211):
        path.write_bytes(image[:length])
        with pytest.raises(RunFileError):
            checkpoint.read_state(path)


def test_a_flipped_bit_is_noticed_or_harmless(tmp_path):
    path = write(tmp_path / "run.h5", STATE)
    image = path.read_bytes()
    noticed = 0
    for position in range(0, len(image), 151):
        damaged = bytearray(image)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        try:
            state = checkpoint.read_state(path)
        except RunFileError:
            noticed += 1
        else:
            assert_same(state, STATE)
    assert noticed > 40


# Writing


def test_new_file_replaces_the_old_one_which_stays_as_previous(tmp_path):
    path = write(tmp_path / "run.h5", {"step": 1})
    for step in (2, 3):
        write(path, {"step": step})
        assert checkpoint.read_state(path) == {"step": step}
        assert checkpoint.read_state(checkpoint.previous_of(path)) == {"step": step - 1}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["run.h5", "run.h5.previous"]


def test_the_first_file_of_another_run_leaves_no_previous_one(tmp_path):
    path = write(tmp_path / "run.h5", {"step": 1})
    write(path, {"step": 2})
    image = checkpoint.run_image(SETTINGS, {"step": 0}, {}, TABLE, {})
    checkpoint.replace_file(path, image, keep_previous=False)
    assert checkpoint.read_state(path) == {"step": 0}
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.h5"]


@pytest.mark.parametrize("left", ["link", "part", "same"])
def test_what_a_killed_write_left_behind_does_not_disturb_the_next(tmp_path, left):
    path = write(tmp_path / "run.h5", {"step": 1})
    if left == "same":  # killed after the old file got its second name
        os.link(path, checkpoint.previous_of(path))
    else:
        (tmp_path / f"run.h5.{left}").write_text("half")
    write(path, {"step": 2})
    assert checkpoint.read_state(path) == {"step": 2}
    assert checkpoint.read_state(checkpoint.previous_of(path)) == {"step": 1}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["run.h5", "run.h5.previous"]


def test_without_hard_links_there_is_no_previous_file(tmp_path, monkeypatch):
    def refuse(source, target):
        raise PermissionError(errno.EPERM, "Operation not permitted", source)

    monkeypatch.setattr(os, "link", refuse)
    path = write(tmp_path / "run.h5", {"step": 1})
    write(path, {"step": 2})
    assert checkpoint.read_state(path) == {"step": 2}
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.h5"]


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped"])
def test_damage_names_the_file_before(tmp_path, damage):
    path = write(tmp_path / "run.h5", {"step": 1})
    write(path, {"step": 2})
    image = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": image[:3000], "flipped": image.replace(b"seed = 7", b"seed = 5")}[damage])
    damaged = path.read_bytes()
    with pytest.raises(
        RunFileError, match=r"run\.h5\.previous .*is complete; to continue from there: cp .*previous .*h5$"
    ):
        checkpoint.read_state(path)
    assert path.read_bytes() == damaged
    Path(checkpoint.previous_of(path)).write_bytes(b"")
    with pytest.raises(RunFileError) as caught:
        checkpoint.read_state(path)
    assert "previous" not in str(caught.value)


def test_contents_reach_the_disk_before_the_name_changes(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor):
        calls.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        fsync(descriptor)

    def note_replace(source, target):
        calls.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    write(tmp_path / "run.h5")
    assert calls == ["file", "rename", "folder"]


def test_symbolic_link_stays_a_link(tmp_path):
    (tmp_path / "scratch").mkdir()
    link = tmp_path / "run.h5"
    link.symlink_to(tmp_path / "scratch" / "run.h5")
    write(link, {"step": 1})
    assert link.is_symlink()
    assert checkpoint.read_state(tmp_path / "scratch" / "run.h5") == {"step": 1}


def test_full_disk_leaves_the_old_file(tmp_path):
    path = write(tmp_path / "run.h5", {"step": 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write(path, {"step": 2, "big": np.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert checkpoint.read_state(path) == {"step": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.h5"]


def test_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "missing" / "run.h5")


WRITER = """
import sys
import numpy as np
from hpc_nqs.runs import run_file as checkpoint
print("ready", flush=True)
step = 0
while True:
    step += 1
    state = {"step": step, "data": np.full(200_000, step)}
    checkpoint.write_run(sys.argv[1], "", state, {}, {"rows": []}, {})
"""


def test_kill_during_a_write_leaves_a_whole_file(tmp_path):
    path = write(tmp_path / "run.h5", {"step": 0, "data": np.zeros(1)})
    for delay in (0.0, 0.05, 0.1, 0.15):
        with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE) as writer:
            assert writer.stdout.readline() == b"ready\n"
            time.sleep(delay)
            writer.send_signal(signal.SIGKILL)
        state = checkpoint.read_state(path)
        assert (state["data"] == state["step"]).all()


def test_reading_while_the_file_is_replaced(tmp_path):
    path = write(tmp_path / "run.h5", {"step": 0, "data": np.zeros(1)})
    done = threading.Event()

    def rewrite():
        step = 0
        while not done.is_set():
            step += 1
            write(path, {"step": step, "data": np.full(20_000, step)})

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        seen = set()
        for _ in range(100):
            state = checkpoint.read_state(path)
            assert (state["data"] == state["step"]).all()
            seen.add(state["step"])
    finally:
        done.set()
        writer.join()
    assert len(seen) > 3
