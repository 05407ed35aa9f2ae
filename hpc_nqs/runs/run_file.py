"""Run files: the only module that touches HDF5.

One file holds one run: the settings, what is needed to continue, one row of history per step, the table of results
and the wave function. The file is built in memory and written as ``NAME.part``, synchronized and renamed, so a
kill at any moment or a full disk leaves the last good file. Readers take the bytes in one go and never hold the
file, so they work while a run is writing. A digest behind the end of the file finds what storage has damaged before
HDF5 looks at it, and a checksum over the contents does so after HDF5 has written the file again, which drops the
digest; the file before the last one stays as ``NAME.previous``.

A nested dict becomes groups and datasets. Values may be arrays of any numeric type, Python ints (int64 or uint64),
floats, complex numbers, bools, str and None; each comes back as what it was.
"""

import errno
import hashlib
import json
import os
import tomllib
from importlib import resources
from pathlib import Path

import h5py
import numpy as np

from hpc_nqs.parallel.processor import processor
from hpc_nqs.runs import labelled_arrays, older_files
from hpc_nqs.version import __version__

FORMAT = 1
APART = ("rows", "resolved", "settings", "format")  # of a table, what is no attribute of its group
SEAL = b"hpc_nqs sha256 of all bytes before: "
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS)

# How a Python value is marked on its dataset, and how it is made again from the stored value.
PYTHON_TYPES = {"bool": bool, "int": int, "float": float, "complex": complex}


class RunFileError(Exception):
    """A run file that cannot be used; the message is one sentence naming the file and what is wrong."""


class DamagedFileError(RunFileError):
    """A run file that is not what was written; names the complete one before it, if there is one."""


def write_run(path, settings_toml, state, history, table, network, *, n_chains=None):
    """Replace the run file at `path` by this state of the run: `run_image`, then `replace_file`, on rank 0 alone."""
    replace_file(path, run_image(settings_toml, state, history, table, network, n_chains=n_chains))


def run_image(settings_toml, state, history, table, network, *, n_chains=None):
    """Return the bytes of a run file.

    Parameters
    ----------
    settings_toml : str
        All settings, defaults included.
    state, network : nested dict
        What is needed to continue, arrays in global chain order; the arrays of the wave function.
    history : dict of str to ndarray, shape (n_steps,)
        One column per quantity, stored as float64.
    table : dict
        "rows", a list of dicts, "resolved", what "auto" became as nested dicts, and scalars such as "task", "n_sites",
        "finished", "seconds", "n_ranks"; "format" and "settings" are stored once for the whole file.
    n_chains : int, optional
        Stored as information beside the number of ranks.

    Raises
    ------
    TypeError, ValueError
        If a value or a name cannot be stored.
    """
    about = {
        "version": __version__,
        "commit": commit(),
        "processor": processor(),
        "n_ranks": int(table.get("n_ranks", 1)),
    }
    if n_chains is not None:
        about["n_chains"] = int(n_chains)
    rows = json.dumps(table["rows"], default=_plain)
    scalars = {name: value for name, value in table.items() if name not in APART}
    with h5py.File.in_memory(libver=("v108", "v110")) as file:
        resolved = json.dumps(table.get("resolved", {}), default=_plain)
        _store(file, "settings", {"toml": settings_toml, "resolved": resolved})
        _store(file, "state", state)
        _store(file, "history", {name: np.asarray(column, np.float64) for name, column in history.items()})
        _store(file, "table", {"rows": rows})
        _set_attributes(file["table"], **scalars)
        _store(file, "network", network)
        labelled_arrays.attach(file, table["rows"])
        _set_attributes(file, format=FORMAT, spin_convention=older_files.SZ_WORDS, **about)
        _set_attributes(file, checksum=_checksum(file))
        file.flush()
        return _sealed(file.id.get_file_image())


def _sealed(image):
    """Append the digest of all bytes, which HDF5 ignores behind its end: a flipped bit can make it loop for ever."""
    return image + SEAL + hashlib.sha256(image).digest()


def _check_seal(path, image):
    """Return whether a digest stands behind the bytes; refuse them before HDF5 looks at them if they do not match it.

    Programs that open a file for writing drop what stands behind the end that HDF5 knows, the digest, even where they
    change nothing; then the checksum of the contents decides.

    Raises
    ------
    DamagedFileError
        Bytes that do not match, or a part of a digest.
    """
    end = len(image) - len(SEAL) - hashlib.sha256().digest_size
    if end > 0 and image[end:].startswith(SEAL):
        if image != _sealed(image[:end]):
            raise DamagedFileError(f"{path} is damaged: its bytes do not match their checksum")
        return True
    known_end = int.from_bytes(image[28:36], "little")  # in a superblock of version 2 or 3
    if image[8:9] in (b"\2", b"\3") and len(image) > known_end:
        raise DamagedFileError(f"{path} is cut off: the checksum at its end is incomplete")
    return False


def replace_file(path, image, keep_previous=True):
    """Put the bytes `image` at `path` in one step that survives a crash of the machine.

    Parameters
    ----------
    path : path-like
        The earlier file there, if any, stays until the new one is complete and on disk.
    image : bytes
    keep_previous : bool
        Keep the earlier file as ``NAME.previous`` where the file system has hard links; if False, a
        ``NAME.previous`` of another run is removed.

    Raises
    ------
    OSError
        If the file cannot be written; ``NAME.part`` is removed and the earlier files are untouched.
    """
    target = os.path.realpath(path)
    part = target + ".part"
    try:
        with open(part, "wb") as stream:
            stream.write(image)
            stream.flush()
            os.fsync(stream.fileno())
        if keep_previous:
            _link_previous(target)
        os.replace(part, target)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
    if not keep_previous:
        Path(previous_of(path)).unlink(missing_ok=True)
    folder = os.open(os.path.dirname(target), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot synchronize a folder
            raise
    finally:
        os.close(folder)


def previous_of(path):
    """Return where the run file before the one at `path` is kept."""
    return os.path.realpath(path) + ".previous"


def _link_previous(target):
    """Give the file at `target`, if any, the name ``NAME.previous`` too."""
    link = target + ".link"
    try:
        Path(link).unlink(missing_ok=True)  # of a process that was killed here
        os.link(target, link)
        os.replace(link, target + ".previous")
    except FileNotFoundError:
        return  # the first file of a run
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
    finally:
        Path(link).unlink(missing_ok=True)  # a rename onto another name of the same file does nothing


def read_about(path):
    """Return the attributes of a run file: format, version, commit, processor, ranks, chains.

    Errors as `read_state`.
    """
    return _read(path, lambda file: _attributes(file, without=("checksum",)))


def read_settings_text(path):
    """Return the settings of a run file as TOML text; see `read_state` for errors."""
    return _read(path, lambda file: _load(file["settings/toml"]))


def read_table(path):
    """Return the results as the dict that ``show --json`` prints, the settings parsed; see `read_state` for errors."""

    def table(file):
        attributes = _attributes(file["table"], without=("order",))
        settings = tomllib.loads(_load(file["settings/toml"]))
        rows = json.loads(_load(file["table/rows"]))
        if older_files.is_older(_attributes(file), settings):
            rows = older_files.converted_rows(rows, settings)
        resolved = json.loads(_load(file["settings/resolved"])) if "resolved" in file["settings"] else {}
        about = {"settings": settings} | ({"resolved": resolved} if resolved else {})
        return {"format": FORMAT, **attributes, **about, "rows": rows}

    return _read(path, table)


def read_history(path):
    """Return the columns of the history, arrays of shape (n_steps,), float64; see `read_state` for errors."""
    return _read(path, lambda file: _load(file["history"]))


def read_network(path):
    """Return the nested dict of the wave function; see `read_state` for errors."""
    return _read(path, lambda file: _load(file["network"]))


def read_state(path):
    """Return the nested dict that continues the run.

    Raises
    ------
    RunFileError
        If there is no such file, or it is empty, cut off, damaged, of another program or of a newer hpc_nqs.
    """

    def state(file):
        found, settings = _load(file["state"]), tomllib.loads(_load(file["settings/toml"]))
        older = older_files.is_older(_attributes(file), settings)
        return older_files.converted_state(found, settings) if older else found

    return _read(path, state)


def commit():
    """Return the commit this package was built from, as noted by the build; empty if it was not built from git."""
    note = resources.files("hpc_nqs") / "commit.txt"
    return note.read_text() if note.is_file() else ""


def _read(path, pick):
    """Return pick(open file) of a complete run file, looking twice in case it was being replaced."""
    try:
        return _read_once(path, pick)
    except RunFileError:
        try:
            return _read_once(path, pick)
        except DamagedFileError as error:
            raise DamagedFileError(f"{error}{_advice(path)}") from error.__cause__


def _advice(path):
    """Return where to continue from instead of the damaged file at `path`, as the end of a sentence."""
    previous = previous_of(path)
    try:
        about = _read_once(previous, lambda file: _attributes(file["table"]))
    except RunFileError:
        return ""
    reached = f"{about['seconds']:.0f} s into the run" if "seconds" in about else "of the same run"
    return (
        f"; the checkpoint before it, {previous} ({reached}), is complete; to continue from there: cp {previous} {path}"
    )


def _read_once(path, pick):
    try:
        image = Path(path).read_bytes()
    except FileNotFoundError:
        raise RunFileError(f"there is no run file {path}") from None
    except OSError as error:
        raise RunFileError(f"{path} cannot be read: {error.strerror}") from error
    if not image:
        raise DamagedFileError(f"{path} is empty, not a run file")
    if not image.startswith(HDF5_SIGNATURE):
        raise DamagedFileError(f"{path} is not a run file of hpc_nqs (not HDF5)")
    is_sealed = _check_seal(path, image)
    # A damaged file makes the HDF5 library and what reads its answers fail in every way there is.
    try:
        with h5py.File.in_memory(image) as file:
            _check(path, file, is_sealed)
            return pick(file)
    except RunFileError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise DamagedFileError(f"{path} is cut off or damaged and cannot be used ({reason})") from error


def _check(path, file, is_sealed):
    """Refuse a file of another program, of a newer format, or whose contents changed since they were written."""
    if "format" not in file.attrs or "checksum" not in file.attrs:
        raise DamagedFileError(f"{path} is an HDF5 file, but not a run file of hpc_nqs")
    if file.attrs["format"] > FORMAT:
        raise RunFileError(
            f"{path} has file format {file.attrs['format']}, this hpc_nqs {__version__} reads up to {FORMAT}; "
            "use the version that wrote it, or a newer one"
        )
    if _attributes(file)["checksum"] != _checksum(file):
        what = "is damaged" if is_sealed else "was changed by another program since hpc_nqs wrote it, or is damaged"
        raise DamagedFileError(f"{path} {what}: its contents do not match their checksum")


def _store(group, name, value):
    """Write one value, or a dict of values, below `group`."""
    if not isinstance(name, str) or name in ("", ".") or "/" in name or "\0" in name:
        raise ValueError(f"{name!r} below {group.name} cannot be a name in a run file")
    if isinstance(value, dict):
        below = group.create_group(name)
        _set_attributes(below, order=json.dumps(list(value)))
        for key, item in value.items():
            _store(below, key, item)
    elif value is None:
        group.create_dataset(name, data=h5py.Empty("i1"))
    elif isinstance(value, str):
        group.create_dataset(name, data=_text(value))
    elif isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        group.create_dataset(name, data=np.ascontiguousarray(value).reshape(value.shape))
    elif type(_plain(value)).__name__ in PYTHON_TYPES:
        plain = _plain(value)
        dtype = np.uint64 if type(plain) is int and plain >= 0 else None
        dataset = group.create_dataset(name, data=np.array(plain, dtype))
        _set_attributes(dataset, python=type(plain).__name__)
    else:
        kind = f"array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise TypeError(f"{name!r} below {group.name} is of type {kind}, which a run file cannot hold")


def _set_attributes(item, **attributes):
    for name, value in attributes.items():
        item.attrs[name] = _text(value) if isinstance(value, str) else value


def _attributes(item, without=()):
    """Return the attributes of a group or dataset as Python values."""
    found = {name: _plain(item.attrs[name]) for name in item.attrs if name not in without}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}


def _text(text):
    """Return text as a scalar of fixed length: strings of variable length lie in a heap that has no checksum."""
    data = text.encode()
    if b"\0" in data:
        raise ValueError(f"a text with a NUL character cannot be stored in a run file: {text[:60]!r}")
    return np.array(data, h5py.string_dtype("utf-8", max(1, len(data))))


def _load(item):
    """Return what `_store` wrote."""
    if isinstance(item, h5py.Group):
        return {name: _load(item[name]) for name in json.loads(_attributes(item)["order"])}
    if item.shape is None:
        return None
    if h5py.check_string_dtype(item.dtype):
        return item[()].decode()
    value = item[()]
    if "python" in item.attrs:
        return PYTHON_TYPES[_attributes(item)["python"]](value)
    return np.asarray(value)


def _checksum(file):
    """Return the SHA-256 of all names, types, shapes, values and attributes except the checksum itself."""
    digest = hashlib.sha256()

    def add(name, item):
        digest.update(f"{name}\0".encode())
        for attribute, value in sorted(_attributes(item, without=("checksum",)).items()):
            digest.update(f"{attribute}={value!r}\0".encode())
        if isinstance(item, h5py.Dataset) and item.shape is not None:
            values = np.asarray(item[()])
            digest.update(f"{values.dtype.str}{values.shape}".encode())
            digest.update(np.ascontiguousarray(values).tobytes())

    add("/", file)
    file.visititems(add)
    return digest.hexdigest()


def _plain(value):
    """Return a NumPy scalar or array as Python numbers, anything else as it is."""
    return value.tolist() if isinstance(value, (np.generic, np.ndarray)) else value
