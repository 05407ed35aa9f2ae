"""Thermal and ground states of quantum magnets and lattice electrons, as neural networks.

From Python::

    import hpc_nqs

    settings = hpc_nqs.make_input(
        lattice={"kind": "chain", "lengths": [6]},
        model={"kind": "heisenberg"},
        thermal={"temperatures": [2.0, 1.0, 0.5]},
    )
    run = hpc_nqs.run(settings, "chain.h5")  # under mpiexec on all ranks
    print(run["temperature"], run["energy"], run["energy_error"])

    run.plot(exact=True, path="chain.png")

`make_input`, `read_input`, `run`, `resume`, `measure`, `load`, `diagonalize`, the classes `Run` and `Settings` and the
errors are the public names:

SettingsError
    A wrong input, or what a model or a run cannot have; `problems` lists everything (a ValueError).
RunFileError
    A run file that is not there, damaged or of another program.
UnwritableError
    A run file that could not be written several times in a row; its last good state is there.
ReferenceDataError
    A file of reference data that cannot be used (a ValueError).
LauncherError
    mpiexec does not belong to the MPI library (a RuntimeError).
"""

from typing import TYPE_CHECKING

from hpc_nqs.version import __version__

if TYPE_CHECKING:
    from hpc_nqs.api import (
        LauncherError,
        ReferenceDataError,
        Run,
        RunFileError,
        Settings,
        SettingsError,
        UnwritableError,
        diagonalize,
        load,
        make_input,
        measure,
        read_input,
        resume,
        run,
    )

__all__ = [
    "LauncherError",
    "ReferenceDataError",
    "Run",
    "RunFileError",
    "Settings",
    "SettingsError",
    "UnwritableError",
    "__version__",
    "diagonalize",
    "load",
    "make_input",
    "measure",
    "read_input",
    "resume",
    "run",
]


def __getattr__(name):
    """Return a public name; what it needs, such as HDF5, is imported when it is asked for."""
    if name not in __all__:
        hint = "; exact results are those of hpc_nqs.diagonalize" if name == "exact" else ""
        raise AttributeError(f"hpc_nqs has no {name}; public names are {', '.join(__all__)}{hint}")
    from hpc_nqs import api

    return getattr(api, name)


def __dir__():
    return __all__
