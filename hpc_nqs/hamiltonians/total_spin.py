"""The square of the total spin as a model, so that what measures H measures it, too."""

from dataclasses import replace

import numpy as np

from hpc_nqs.hamiltonians.spin_model import SpinModel


def total_spin_squared(model):
    """Return S^2 = 3N/4 + 2 sum_{i<j} S_i.S_j of the spins of a model: the sum as a `SpinModel`, and the constant.

    Parameters
    ----------
    model : SpinModel
        Its `sublattice` rotates S^2, too.

    Returns
    -------
    squared : SpinModel
    constant : float
    """
    n = model.n_sites
    i, j = np.triu_indices(n, 1)
    sites, signs = np.stack([i, j], axis=1), np.ones(len(i))
    if model.sublattice is not None:
        signs = signs * model.sublattice[i] * model.sublattice[j]
    shells = np.zeros(len(i), dtype=np.int8)
    pairs, exchange = (sites, np.full(len(i), 0.5)), (sites, signs, shells)
    squared = SpinModel.of_terms(model.kind, n, 0.5, pairs=pairs, exchange=exchange)
    return replace(squared, sublattice=model.sublattice), 0.75 * n
