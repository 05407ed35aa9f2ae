"""Where results may be written: not onto what they are made from, and not onto a run file by accident.

Every command that writes a file asks here first, and so does the Python interface.
"""

import os
from pathlib import Path

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
COMPANIONS = (".previous", ".part", ".link")  # what stands beside a run file


class OccupiedError(FileExistsError):
    """A place where nothing may be written; the message is one sentence."""


def check_output(path, inputs=(), replaces_runs=None):
    """Refuse a path of an output that would destroy something.

    Parameters
    ----------
    path : path-like
    inputs : sequence of path-like
        What the command reads.
    replaces_runs : bool, optional
        For outputs that are run files: whether one that stands there may be replaced. Not given for figures and pages,
        which replace figures and pages.

    Raises
    ------
    OccupiedError
        The path is a folder, one of the inputs or a file of another kind, or a run file that may not be replaced.
    """
    target = Path(path)
    _refuse_inputs(target, inputs, () if replaces_runs is None else COMPANIONS)
    if target.is_dir():
        raise OccupiedError(f"{path} is a folder; choose another name with -o")
    if not target.parent.is_dir():
        raise OccupiedError(f"{path}: No such file or directory, there is no folder {target.parent} for {target.name}")
    if not target.exists():
        return
    if replaces_runs is None:
        if is_hdf5(target) or target.suffix in (".h5", ".toml"):
            kind = "an input" if target.suffix == ".toml" else "a run file"
            raise OccupiedError(f"{path} is {kind}, which this command does not replace; choose another name with -o")
    elif not replaces_runs:
        raise OccupiedError(
            f"{path} exists; choose another name with -o, continue it with `resume`, or replace it with --overwrite"
        )
    elif target.stat().st_size and not is_hdf5(target):
        raise OccupiedError(f"{path} is not a run file, and only run files are replaced; choose another name with -o")


def measured_path(path):
    """Return where the rows of a run file that are measured again are written: NAME-measured.h5 beside NAME.h5."""
    return Path(path).with_name(f"{Path(path).stem}-measured.h5")


def check_stream(stream, inputs):
    """Refuse a stream, such as standard output, that goes onto one of the inputs: `show run.h5 >> run.h5`.

    Raises
    ------
    OccupiedError
    """
    try:
        there = os.fstat(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return  # no file of the system, as under tests
    for name in inputs:
        if Path(name).exists() and os.path.samestat(there, os.stat(name)):
            raise OccupiedError(f"the output goes onto {name}, which is read; choose another name behind `>`")


def is_hdf5(path):
    """Return whether the file starts like HDF5, as every run file does; one that cannot be read counts."""
    try:
        with open(path, "rb") as stream:
            return stream.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE
    except OSError:
        return True


def inputs_of(settings):
    """Return the files that a run reads besides its input: its start and the states that it is kept orthogonal to."""
    start = settings.thermal.start
    return [*([start] if start else []), *settings.ground_state.orthogonal_to]


def _refuse_inputs(target, inputs, companions):
    """Raise `OccupiedError` if the target, or a file beside it that writing replaces, is one of the inputs."""
    resolved = Path(os.path.realpath(target))
    for name in inputs:
        if not Path(name).exists():
            continue
        if target.exists() and target.samefile(name):
            raise OccupiedError(f"{target} is the input itself; choose another name with -o")
        for ending in companions:
            beside = resolved.with_name(resolved.name + ending)
            if beside.exists() and beside.samefile(name):
                raise OccupiedError(
                    f"{target}: writing it would replace {beside.name}, which is an input; choose another name with -o"
                )
