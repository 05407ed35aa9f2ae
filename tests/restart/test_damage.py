"""Run files that cannot be used: one sentence, exit code 2, and the file stays as it is."""

import io
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from hpc_nqs.cli import parser as cli
from hpc_nqs.parallel import team as parallel
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.runs.computation import DONE


def cut(image):
    return image[: 2 * len(image) // 3]


def flip(image):
    """Flip one bit of the parameters."""
    with h5py.File.in_memory(image) as file:
        place = image.index(file["state/params"][()].tobytes())
    changed = bytearray(image)
    changed[place + 11] ^= 4
    return bytes(changed)


def foreign(image):
    other = io.BytesIO()
    with h5py.File(other, "w") as file:
        file["energy"] = np.ones(3)
    return other.getvalue()


def newer(image):
    newer_file = io.BytesIO(image)
    with h5py.File(newer_file, "r+") as file:
        file.attrs["format"] = checkpoint.FORMAT + 1
    return newer_file.getvalue()


DAMAGE = {
    "truncated": (cut, "is cut off or damaged"),
    "bit_flipped": (flip, "do not match their checksum"),
    "foreign": (foreign, "is an HDF5 file, but not a run file of hpc_nqs"),
    "text": (lambda image: b"temperature energy\n", "is not a run file of hpc_nqs"),
    "newer": (newer, f"has file format {checkpoint.FORMAT + 1}"),
    "signature_alone": (lambda image: image[:8], "is cut off or damaged"),
    "empty": (lambda image: b"", "is empty"),
    "zeros": (lambda image: bytes(len(image)), "is not a run file of hpc_nqs"),
}


@pytest.fixture(scope="module")
def finished(runs, tmp_path_factory):
    """The bytes of a finished run file."""
    path = tmp_path_factory.mktemp("finished") / "run.h5"
    assert runs.cool(runs.settings_of(), path) == DONE
    return path.read_bytes()


@pytest.mark.parametrize("command", ["resume", "show", "plot"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_one_sentence(finished, tmp_path, monkeypatch, capsys, damage, command):
    monkeypatch.setattr(parallel, "start", parallel.Team.serial)
    change, sentence = DAMAGE[damage]
    path = tmp_path / "run.h5"
    path.write_bytes(change(finished))
    before = path.read_bytes()
    assert cli.main([command, str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert str(path) in captured.err and sentence in captured.err
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.h5"]


def test_every_flipped_byte_of_the_state_is_noticed(finished, tmp_path):
    path = tmp_path / "run.h5"
    with h5py.File.in_memory(finished) as file:
        array = file["state/chains/visible"][()].tobytes()
    place = finished.index(array)
    for position in range(place, place + len(array), 7):
        changed = bytearray(finished)
        changed[position] ^= 255
        path.write_bytes(changed)
        with pytest.raises(checkpoint.RunFileError, match="checksum"):
            checkpoint.read_table(path)


def test_a_run_continues_from_the_previous_file_as_the_sentence_says(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(parallel, "start", parallel.Team.serial)
    path, whole = tmp_path / "run.h5", tmp_path / "whole.h5"
    for each in (path, whole):
        assert runs.cool(runs.settings_of(), each) == DONE
    path.write_bytes(cut(path.read_bytes()))
    assert cli.main(["resume", str(path)]) == 2
    source, target = capsys.readouterr().err.split("cp ")[1].split()
    with open(source, "rb") as stream:
        image = stream.read()
    with open(target, "wb") as stream:
        stream.write(image)
    assert not checkpoint.read_table(path)["finished"]
    assert cli.main(["resume", str(path)]) == 0
    runs.assert_bitwise(runs.contents(path), runs.contents(whole))


def reopened(image, mode, change=lambda file: None):
    """Return the bytes of a file after h5py opened it on disk for writing, changed it and closed it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.h5"
        path.write_bytes(image)
        with h5py.File(path, mode) as file:
            change(file)
        return path.read_bytes()


def noted(file):
    file.attrs["note"] = "of last Monday"
    file.flush()
    del file.attrs["note"]


@pytest.mark.parametrize("change", [lambda file: None, noted], ids=["closed", "changed_and_back"])
@pytest.mark.parametrize("mode", ["r+", "a"])
def test_a_file_that_hdf5_wrote_again_is_the_same_run(runs, finished, tmp_path, monkeypatch, capsys, mode, change):
    monkeypatch.setattr(parallel, "start", parallel.Team.serial)
    path, whole = tmp_path / "run.h5", tmp_path / "whole.h5"
    whole.write_bytes(finished)
    path.write_bytes(reopened(finished, mode, change))
    assert path.read_bytes() != finished
    assert checkpoint.read_table(path) == checkpoint.read_table(whole)
    assert cli.main(["show", str(path)]) == 0
    for each in (path, whole):
        assert cli.main(["resume", str(each), "--set", "thermal.betas=[0.2, 0.35, 0.4]"]) == 0
    runs.assert_bitwise(runs.contents(path), runs.contents(whole))
    assert checkpoint.SEAL in path.read_bytes()[-100:]


def changed_value(file):
    file["state/params"][0] += 1.0


def added_dataset(file):
    file["results/mine"] = np.ones(3)


@pytest.mark.parametrize("change", [changed_value, added_dataset])
def test_a_file_that_another_program_changed_is_named_so(finished, tmp_path, change):
    path = tmp_path / "run.h5"
    path.write_bytes(reopened(finished, "r+", change))
    with pytest.raises(checkpoint.RunFileError, match="was changed by another program .* do not match their checksum"):
        checkpoint.read_table(path)


def test_every_flipped_byte_of_a_file_that_hdf5_wrote_again_is_noticed(finished, tmp_path):
    path, image = tmp_path / "run.h5", reopened(finished, "r+")
    with h5py.File.in_memory(image) as file:
        array = file["state/chains/visible"][()].tobytes()
    place = image.index(array)
    for position in range(place, place + len(array), 23):
        changed = bytearray(image)
        changed[position] ^= 255
        path.write_bytes(changed)
        with pytest.raises(checkpoint.RunFileError, match="checksum"):
            checkpoint.read_table(path)


@pytest.mark.parametrize("missing", [1, 20, 68, 200, 5000])
def test_a_file_cut_anywhere_is_no_run(finished, tmp_path, missing):
    """Without its last bytes a file is cut off; all of HDF5's own bytes without the digest behind them are complete."""
    path = tmp_path / "run.h5"
    path.write_bytes(finished[:-missing])
    if missing == len(checkpoint.SEAL) + 32:
        assert checkpoint.read_table(path)["finished"]
    else:
        with pytest.raises(checkpoint.RunFileError, match="cut off"):
            checkpoint.read_table(path)
