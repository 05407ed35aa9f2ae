"""Memory of kernels that vectors are loaded from without crossing cache lines."""

import numpy as np

CACHE_LINE = 64  # bytes


def aligned(array):
    """Return a copy of an array, C-contiguous, that begins on a cache line."""
    memory = np.empty(array.nbytes + CACHE_LINE, dtype=np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    copied = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copied[...] = array
    return copied
