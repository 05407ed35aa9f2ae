"""Matrices of small systems of electrons: states as bits of an index, with the signs of fermions."""

import numpy as np

from hpc_nqs.hamiltonians.matrices import diagonal, spins_of

MAX_UNITS = 16


def hop_signs(states, p, q):
    """Return (-1)^(occupied units strictly between p and q) of every state, (n,) int8; bit p is unit p."""
    low, high = min(p, q), max(p, q)
    between = (1 << high) - (1 << (low + 1))
    counts = np.bitwise_count((np.asarray(states) & between).astype(np.uint64))
    return (1 - 2 * (counts & 1).astype(np.int8)).astype(np.int8)


def off_diagonal(model, states):
    """Yield one (flipped bit mask, rows, elements) per hop and per pair of hops.

    Parameters
    ----------
    model : ElectronModel
    states : (n,) int64
        Basis indices; bit p is set where unit p is occupied.

    Yields
    ------
    mask : int
        The term takes state x to x ^ mask.
    rows : (m,) intp
        The entries of `states` on which it does not vanish.
    elements : (m,) float64
        With the sign of the order of the electrons.
    """
    for (p, q), element in zip(model.exchange_sites.tolist(), model.exchange_element.tolist(), strict=True):
        rows = np.flatnonzero(((states >> p) ^ (states >> q)) & 1)
        yield (1 << p) | (1 << q), rows, element * hop_signs(states[rows], p, q)
    for (a, b, c, d), element in zip(model.hop2_sites.tolist(), model.hop2_element.tolist(), strict=True):
        both = ((states >> a) ^ (states >> b)) & ((states >> c) ^ (states >> d)) & 1
        rows = np.flatnonzero(both)
        # no unit of the other spin lies between those of one spin, so neither hop changes the sign of the other
        signs = hop_signs(states[rows], a, b) * hop_signs(states[rows], c, d)
        yield (1 << a) | (1 << b) | (1 << c) | (1 << d), rows, element * signs


def to_sparse(model, states=None):
    """Return H - mu N as a scipy.sparse CSR array over `states`, by default all 2^(2 M).

    Parameters
    ----------
    model : ElectronModel
    states : (n,) int64, optional
        Sorted basis indices, closed under H.

    Raises
    ------
    ValueError
        More than 16 units without given states.
    """
    import scipy.sparse

    if states is None:
        if model.n_sites > MAX_UNITS:
            raise ValueError(f"{model.n_sites} spin-orbitals: all states are built for up to {MAX_UNITS}")
        states = np.arange(2**model.n_sites, dtype=np.int64)
    place = np.arange(len(states))
    rows, columns = [place], [place]
    elements = [diagonal(model, spins_of(states, model.n_sites)) + model.constant]
    for mask, kept, values in off_diagonal(model, states):
        rows.append(np.searchsorted(states, states[kept] ^ mask))
        columns.append(kept)
        elements.append(values)
    entries = np.concatenate(elements), (np.concatenate(rows), np.concatenate(columns))
    return scipy.sparse.coo_array(entries, shape=(len(states), len(states))).tocsr()
