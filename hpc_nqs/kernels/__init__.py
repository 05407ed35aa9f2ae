"""Compiled loops over samples and proposals; `reference` holds the same in NumPy."""

from importlib.util import find_spec
from pathlib import Path

if find_spec("hpc_nqs.kernels.amplitude") is None:
    raise ImportError(
        f"there are no compiled kernels in {Path(__file__).parent}: install the program (pip install .) "
        "and run Python outside the folder of its sources",
        name="hpc_nqs.kernels",
    )
