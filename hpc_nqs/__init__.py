"""Thermal states of quantum magnets and lattice electrons, ground states of magnets, as neural networks.

From Python::

    import hpc_nqs

    settings = hpc_nqs.make_input(
        lattice={"kind": "chain", "lengths": [6]},
        model={"kind": "heisenberg"},
        thermal={"temperatures": [2.0, 1.0, 0.5]},
    )
    run = hpc_nqs.run(settings, "chain.h5")  # under mpiexec on all ranks
    print(run["temperature"], run["energy"], run["energy_error"])

`make_input`, `read_input`, `run`, `resume`, `measure`, `load`, `diagonalize`, `Run` and the errors `SettingsError`,
`RunFileError` and `LauncherError` are the public names.
"""

from hpc_nqs.version import __version__

__all__ = [
    "LauncherError",
    "Run",
    "RunFileError",
    "SettingsError",
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
        raise AttributeError(f"hpc_nqs has no {name}; public names are {', '.join(__all__)}")
    from hpc_nqs import api

    return getattr(api, name)
