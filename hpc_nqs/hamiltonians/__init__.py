"""The models of the input, by their words: what settings, `init`, `import`, tables and the README read.

A new model is a class in a file of its own and its name in `MODELS`.  Nothing here needs NumPy before a model is built:
inputs are read and checked without it.
"""

from hpc_nqs.hamiltonians.heisenberg import Heisenberg
from hpc_nqs.hamiltonians.hubbard import Hubbard
from hpc_nqs.hamiltonians.kanamori import Kanamori
from hpc_nqs.hamiltonians.transverse_field_ising import TransverseFieldIsing
from hpc_nqs.hamiltonians.xyz import XYZ

MODELS = {model.word: model for model in (Heisenberg, TransverseFieldIsing, XYZ, Hubbard, Kanamori)}


def build_model(lattice, kind=Heisenberg.word, **values):
    """Return the `SpinModel` of an input on `lattice`, not rotated, or the `ElectronModel`.

    Parameters
    ----------
    lattice : Lattice
    kind : str
        A word of `MODELS`.
    **values : number, bool or sequence of float
        Values of the parameters of this model; the others have their defaults.

    Raises
    ------
    ValueError
        When the kind or a parameter is unknown, a number is not finite, a coupling refers to a shell that the lattice
        does not have, a custom lattice has a shell without a coupling, or the filling of electrons is none.
    """
    if kind not in MODELS:
        raise ValueError(f"model.kind = {kind!r}: allowed are {', '.join(MODELS)}")
    return MODELS[kind].build(lattice, **values)


__all__ = ["MODELS", "Heisenberg", "Hubbard", "Kanamori", "TransverseFieldIsing", "XYZ", "build_model"]
