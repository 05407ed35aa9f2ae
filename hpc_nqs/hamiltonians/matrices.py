"""Matrices of small systems: states as bits of an index, diagonal and off-diagonal elements, H as a sparse matrix."""

import numpy as np

MAX_DENSE_SITES = 16


def pair_matrix(n_sites, sites, values):
    """Return values (n_terms,) added up at sites (n_terms, 2) and at the transposed places, (n_sites, n_sites)."""
    matrix = np.zeros((n_sites, n_sites))
    sites = np.asarray(sites, dtype=np.intp).reshape(-1, 2)
    np.add.at(matrix, (sites[:, 0], sites[:, 1]), values)
    np.add.at(matrix, (sites[:, 1], sites[:, 0]), values)
    return matrix


def diagonal(model, configurations):
    """Return sum c s_i s_j + sum h_i s_i of configurations (n, n_sites) of +1/-1, as (n,) float64."""
    spins = np.asarray(configurations, dtype=np.float64)
    energies = spins @ model.site_field
    for (i, j), coupling in zip(model.pair_sites, model.pair_coupling, strict=True):
        energies += coupling * spins[:, i] * spins[:, j]
    return energies


def spins_of(states, n_sites):
    """Return the configurations (n, n_sites) int8 of basis indices: s_i = +1 where bit i is set."""
    bits = (np.asarray(states)[:, None] >> np.arange(n_sites)) & 1
    return (2 * bits - 1).astype(np.int8)


def off_diagonal(model, states):
    """Yield one (flipped bit mask, rows, elements) per exchange, parallel, flip or conditional term.

    Parameters
    ----------
    states : (n,) int64
        Basis indices.

    Yields
    ------
    mask : int
        The term takes state s to s ^ mask.
    rows : (m,) intp
        The entries of `states` on which it does not vanish.
    elements : (m,) float64 or complex128
        <s ^ mask|H|s> of these rows.
    """
    for (i, j), element in zip(model.exchange_sites.tolist(), model.exchange_element, strict=True):
        rows = np.flatnonzero(((states >> i) ^ (states >> j)) & 1)
        yield (1 << i) | (1 << j), rows, _towards_up(element, states[rows], i)
    for (i, j), element in zip(model.parallel_sites.tolist(), model.parallel_element, strict=True):
        rows = np.flatnonzero(1 - ((states >> i) ^ (states >> j)) & 1)
        yield (1 << i) | (1 << j), rows, _towards_up(element, states[rows], i)
    for i, element in zip(model.flip_sites.tolist(), model.flip_element, strict=True):
        yield 1 << i, np.arange(len(states)), _towards_up(element, states, i)
    for (i, j), element in zip(model.conditional_sites.tolist(), model.conditional_element, strict=True):
        yield 1 << i, np.arange(len(states)), (2 * ((states >> j) & 1) - 1) * _towards_up(element, states, i)


def _towards_up(element, states, i):
    """Return the element of terms that flip spin i of `states` upwards, its conjugate where they flip it downwards."""
    return np.where((states >> i) & 1, np.conj(element), element)


def to_sparse(model, states=None):
    """Return H as a scipy.sparse CSR array; bit i of the index of a state is set where s_i = +1.

    Parameters
    ----------
    model : SpinModel
    states : (n,) int64, optional
        Basis indices in ascending order, which H keeps among themselves; all 2^n_sites if not given.

    Raises
    ------
    ValueError
        More than 16 sites.
    """
    import scipy.sparse

    if model.n_sites > MAX_DENSE_SITES:
        raise ValueError(f"{model.n_sites} sites: the matrix of all states is built for up to {MAX_DENSE_SITES}")
    states = np.arange(2**model.n_sites) if states is None else states
    places = np.arange(len(states))
    diagonal_values = diagonal(model, spins_of(states, model.n_sites))
    rows, columns, elements = [places], [places], [diagonal_values]
    for mask, kept, values in off_diagonal(model, states):
        rows.append(np.searchsorted(states, states[kept] ^ mask))
        columns.append(kept)
        elements.append(values)
    entries = np.concatenate(elements), (np.concatenate(rows), np.concatenate(columns))
    return scipy.sparse.coo_array(entries, shape=(len(states), len(states))).tocsr()
