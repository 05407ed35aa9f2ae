"""Deep units by columns: Trotter networks made variational, and learned slices written as one deep network.

The spins of one site, from its ancilla spin through the deep units to its physical spin, are a column; the place in it
is the height.  Imaginary couplings are constraints (Bell pairs, conservation of Sz): they stay fixed.
"""

from dataclasses import replace

import numpy as np

from hpc_nqs.path_integral.gates import two_body
from hpc_nqs.symmetry.tied_parameters import compact
from hpc_nqs.wavefunctions.dbm import DBM

SAME = 10  # digits to which couplings of symmetric hidden units agree


def sliced_network(rbm, n_slices, opposite_pairs):
    """Return the DBM of phi(sigma, d_1) phi(d_1, d_2) ... phi(d_{M-1}, ancilla), phi a network without bond features.

    With opposite Bell pairs phi sees minus the second of two layers inside; the sum over deep units is then meant over
    layers with the magnetization of sigma only.

    Parameters
    ----------
    rbm : dict
        Arrays of phi as `RBM.network` gives them.
    n_slices : int
        M.
    opposite_pairs : bool
    """
    phase = np.where(rbm["imaginary"], 1j, 1.0)
    weights, hidden_bias, biases = rbm["weights"] * phase[:, None], rbm["hidden_bias"] * phase, rbm["input_bias"]
    n_hidden, n = weights.shape[0], weights.shape[1] // 2
    layers = [np.arange(n), *(np.arange(2 * n, (n_slices + 1) * n).reshape(-1, n)), np.arange(n, 2 * n)]
    units, couplings = [], []
    unit_biases = np.zeros((n_slices + 1) * n, dtype=biases.dtype)
    for step in range(n_slices):
        sign = -1.0 if opposite_pairs and step < n_slices - 1 else 1.0
        units.append(np.tile(np.concatenate(layers[step : step + 2]), (n_hidden, 1)))
        couplings.append(np.concatenate([weights[:, :n], sign * weights[:, n:]], axis=1))
        unit_biases[layers[step]] += biases[:n]
        unit_biases[layers[step + 1]] += sign * biases[n:]
    heights = np.repeat(np.arange(n_slices - 1, 0, -1), n)
    return DBM(
        n_visible=2 * n,
        n_deep=(n_slices - 1) * n,
        edge_hidden=np.repeat(np.arange(n_slices * n_hidden), 2 * n),
        edge_unit=np.concatenate(units).reshape(-1),
        couplings=_real_if_real(np.concatenate(couplings).reshape(-1)),
        hidden_bias=_real_if_real(np.tile(hidden_bias, n_slices)),
        biases=unit_biases,
        log_prefactor=0j,
        unit_layer=np.concatenate([np.full(2 * n, -1), heights]),
        unit_site=np.tile(np.arange(n), n_slices + 1),
        hidden_layer=np.repeat(np.arange(n_slices - 1, -1, -1), n_hidden),
    )


# ---- fewer units ---------------------------------------------------------------------------------------------------


def without_bell_pairs(dbm):
    """Return the same state without the deep units that a Bell pair sets equal, or opposite, to an ancilla spin.

    2cos[pi/4 (s -+ s')] is 2 where s = +-s' and 0 elsewhere: s' takes over the couplings of s.
    """
    couplings = np.asarray(dbm.couplings, dtype=np.complex128)
    biases, log_prefactor = dbm.biases.copy(), dbm.log_prefactor
    unit, sign = np.arange(dbm.n_visible + dbm.n_deep), np.ones(dbm.n_visible + dbm.n_deep)
    gone = []
    for hidden in np.flatnonzero(dbm.hidden_layer == -1):
        deep, ancilla = sorted(np.flatnonzero(dbm.edge_hidden == hidden), key=lambda edge: -dbm.edge_unit[edge])
        if dbm.edge_unit[deep] < dbm.n_visible:
            continue
        u, v = dbm.edge_unit[deep], dbm.edge_unit[ancilla]
        unit[u], sign[u] = v, -1.0 if couplings[deep] == couplings[ancilla] else 1.0
        biases[v] += sign[u] * biases[u]
        log_prefactor += np.log(2.0)
        gone.append(hidden)
    kept = ~np.isin(dbm.edge_hidden, gone)
    moved = replace(
        dbm,
        edge_unit=unit[dbm.edge_unit][kept],
        edge_hidden=dbm.edge_hidden[kept],
        couplings=_real_if_real(couplings[kept] * sign[dbm.edge_unit[kept]]),
        biases=biases,
        log_prefactor=log_prefactor,
    )
    return _renumbered(moved, np.flatnonzero(unit == np.arange(len(unit))), np.setdiff1d(np.arange(dbm.n_hidden), gone))


def joined(dbm):
    """Return the same state with one hidden unit in place of several real ones that join the same two units.

    2cosh(W_1 s_1 + W_2 s_2) = A e^{K s_1 s_2}, K = (1/2) ln[cosh(W_1 + W_2) / cosh(W_1 - W_2)]; the K add up.
    """
    groups = {}
    for hidden in range(dbm.n_hidden):
        edges = np.flatnonzero(dbm.edge_hidden == hidden)
        if len(edges) == 2 and not np.imag(dbm.couplings[edges]).any() and dbm.hidden_bias[hidden] == 0:
            groups.setdefault(tuple(sorted(dbm.edge_unit[edges])), []).append((hidden, edges))
    couplings, log_prefactor, gone = dbm.couplings.copy(), dbm.log_prefactor, []
    for members in groups.values():
        if len(members) == 1:
            continue
        exponent = 0.0
        for _, edges in members:
            inside, outside = (2.0 * np.cosh(np.real(dbm.couplings[edges]) @ [1.0, sign]) for sign in (1.0, -1.0))
            exponent += 0.5 * np.log(inside / outside)
            log_prefactor += 0.5 * np.log(inside * outside)
        (_, weights), log_factor = two_body(exponent, (0, 1))
        couplings[members[0][1]] = weights
        log_prefactor += log_factor
        gone += [hidden for hidden, _ in members[1:]]
    kept = ~np.isin(dbm.edge_hidden, gone)
    thinned = replace(
        dbm,
        edge_unit=dbm.edge_unit[kept],
        edge_hidden=dbm.edge_hidden[kept],
        couplings=couplings[kept],
        log_prefactor=log_prefactor,
    )
    units = np.arange(dbm.n_visible + dbm.n_deep)
    return _renumbered(thinned, units, np.setdiff1d(np.arange(dbm.n_hidden), gone))


def _renumbered(dbm, units, hidden):
    """Return a network with the given units and hidden units only; the others have no couplings."""
    unit_number = np.full(dbm.n_visible + dbm.n_deep, -1, dtype=np.intp)
    hidden_number = np.full(dbm.n_hidden, -1, dtype=np.intp)
    unit_number[units], hidden_number[hidden] = np.arange(len(units)), np.arange(len(hidden))
    return replace(
        dbm,
        n_deep=len(units) - dbm.n_visible,
        edge_unit=unit_number[dbm.edge_unit],
        edge_hidden=hidden_number[dbm.edge_hidden],
        hidden_bias=dbm.hidden_bias[hidden],
        biases=dbm.biases[units],
        unit_layer=dbm.unit_layer[units],
        unit_site=dbm.unit_site[units],
        hidden_layer=dbm.hidden_layer[hidden],
    )


def _real_if_real(values):
    return values if values.imag.any() else values.real.copy()


# ---- more couplings ------------------------------------------------------------------------------------------------


def columns(dbm):
    """Return the units of every site from its ancilla spin up to its physical spin, as a list of lists."""
    n_sites = dbm.n_visible // 2
    deep = np.arange(dbm.n_visible, dbm.n_visible + dbm.n_deep)
    found = []
    for i in range(n_sites):
        own = deep[dbm.unit_site[deep] == i]
        found.append([n_sites + i, *own[np.argsort(dbm.unit_layer[own], kind="stable")].tolist(), i])
    return found


def with_reach(dbm):
    """Return the same state with further couplings, all zero.

    A real hidden unit between two neighbours in a column reaches the same two heights of all other columns: it then
    may take two-body factors between any of these units from its own pair.
    """
    place = {unit: (i, height) for i, column in enumerate(columns(dbm)) for height, unit in enumerate(column)}
    at = {position: unit for unit, position in place.items()}
    n_sites = dbm.n_visible // 2
    edge_hidden, edge_unit = [dbm.edge_hidden], [dbm.edge_unit]
    for hidden in range(dbm.n_hidden):
        edges = np.flatnonzero(dbm.edge_hidden == hidden)
        if len(edges) != 2 or np.imag(dbm.couplings[edges]).any():
            continue
        (i, low), (k, high) = sorted((place[unit] for unit in dbm.edge_unit[edges]), key=lambda pair: pair[1])
        if i != k or high != low + 1:
            continue
        others = [(j, height) for j in range(n_sites) for height in (low, high) if j != i and (j, height) in at]
        edge_hidden.append(np.full(len(others), hidden, dtype=np.intp))
        edge_unit.append(np.array([at[position] for position in others], dtype=np.intp))
    edge_hidden, edge_unit = np.concatenate(edge_hidden), np.concatenate(edge_unit)
    couplings = np.concatenate([dbm.couplings, np.zeros(len(edge_unit) - len(dbm.couplings))])
    return replace(dbm, edge_hidden=edge_hidden, edge_unit=edge_unit, couplings=couplings)


# ---- symmetries ----------------------------------------------------------------------------------------------------


def shared_entries(dbm, site_images, layer_exchange):
    """Return the signed 1 + k of the parameter behind each entry of `dbm.params`, (dbm.n_params,) intp; 0: fixed.

    Fixed are imaginary couplings and all others of their hidden units, hidden biases, and biases that are zero or
    imaginary.  Entries that a verified symmetry maps onto each other have one parameter.  Unlike `tie` this also keeps
    a parameter for entries that a symmetry maps onto minus themselves, which are zero at the start.
    """
    imaginary = np.zeros(dbm.n_hidden, dtype=bool)
    imaginary[dbm.edge_hidden[np.imag(dbm.couplings) != 0]] = True
    biased = (np.real(dbm.biases) != 0) & (np.imag(dbm.biases) == 0)
    free = np.concatenate([~imaginary[dbm.edge_hidden], np.zeros(dbm.n_hidden, dtype=bool), biased])
    labels = np.where(free, 1 + np.arange(dbm.n_params), 0)
    for units, signs in _unit_symmetries(dbm, site_images, layer_exchange):
        mapped = _entry_map(dbm, units, signs)
        if mapped is None:
            continue
        for entry, (image, sign) in enumerate(mapped):
            keep, drop = labels[entry], sign * labels[image]
            if keep != drop:
                labels = np.where(np.abs(labels) == abs(drop), np.sign(labels) * np.sign(drop) * keep, labels)
    return compact(labels)


def _unit_symmetries(dbm, site_images, layer_exchange):
    """Yield (image of every unit, sign): lattice symmetries of all columns, and columns turned upside down.

    Opposite Bell pairs make the bottom of a column minus its ancilla spin.
    """
    stacks = columns(dbm)
    opposite = _opposite_bottoms(dbm, stacks)
    value = np.ones(dbm.n_visible + dbm.n_deep)
    value[[stack[0] for stack in stacks]] = -1.0 if opposite else 1.0
    for image in site_images:
        if any(len(stacks[i]) != len(stacks[k]) for i, k in enumerate(image)):
            continue
        for turned in (False, True) if layer_exchange else (False,):
            units = np.empty(len(value), dtype=np.intp)
            for i, k in enumerate(image):
                units[stacks[k]] = stacks[i][::-1] if turned else stacks[i]
            yield units, value * value[units]


def _opposite_bottoms(dbm, stacks):
    """Return whether the ancilla spins are opposite to what they stand for: where Sz is conserved by constraints."""
    bottom = np.isin(dbm.edge_unit, [stack[0] for stack in stacks])
    constraints = np.imag(dbm.couplings) != 0
    hidden = dbm.edge_hidden[bottom & constraints]
    if not len(hidden):
        return False
    edges = dbm.edge_hidden == hidden[0]
    # sums of old and new spins have opposite signs; an ancilla spin in place of minus the old one has that of the new
    return abs(np.sum(np.imag(dbm.couplings[edges]))) > 1e-12


def _entry_map(dbm, units, signs):
    """Return [(image, sign)] of every entry of `dbm.params` under a map of the units; None if the network changes."""
    if np.any(np.abs(dbm.biases[units] - signs * dbm.biases) > 10.0**-SAME):
        return None
    edges = [np.flatnonzero(dbm.edge_hidden == hidden) for hidden in range(dbm.n_hidden)]
    own, places = [], {}
    for hidden, members in enumerate(edges):
        own.append(_canonical(dbm.edge_unit[members], dbm.couplings[members], dbm.hidden_bias[hidden]))
        places.setdefault(own[-1][0], []).append(hidden)
    couplings, hidden_bias = [None] * len(dbm.couplings), []
    for hidden, members in enumerate(edges):
        moved = units[dbm.edge_unit[members]]
        flipped = signs[dbm.edge_unit[members]] * dbm.couplings[members]
        key, order, sign = _canonical(moved, flipped, dbm.hidden_bias[hidden])
        if not places.get(key):
            return None
        image = places[key].pop()
        _, image_order, image_sign = own[image]
        for edge, target in zip(members[order], edges[image][image_order], strict=True):
            couplings[edge] = (target, int(sign * image_sign * signs[dbm.edge_unit[edge]]))
        hidden_bias.append((len(dbm.couplings) + image, int(sign * image_sign)))
    first = len(dbm.couplings) + dbm.n_hidden
    return [*couplings, *hidden_bias, *((first + image, int(sign)) for image, sign in zip(units, signs, strict=True))]


def _canonical(units, couplings, bias):
    """Return (key, order of the edges, sign): a hidden unit up to the overall sign, which it does not feel."""
    order = np.argsort(units)
    numbers = np.round(np.append(couplings[order], bias), SAME)
    leading = numbers[np.flatnonzero(numbers)[0]] if numbers.any() else 1.0
    sign = 1.0 if (leading.real, leading.imag) > (0.0, 0.0) or leading.real > 0 else -1.0
    numbers = sign * numbers + 0.0
    return (tuple(units[order].tolist()), tuple(numbers.tolist())), order, sign
