"""NumPy twins of the kernels in `worldlines` and `ising_worldlines`.

Same names and arguments, the same random numbers in the same order. For tests only.  Clusters are sets of nodes, and
every estimate is an average written as its definition reads.
"""

import itertools

import numpy as np

PARALLEL, STAY, SWAP = range(3)


def uint32(stream):
    """Return the next 32 bits of a BitGenerator as compiled code draws them."""
    return stream.ctypes.next_uint32(stream.ctypes.state)


def uniform(stream):
    """Return the next double on [0, 1) of a BitGenerator as compiled code draws it."""
    return stream.ctypes.next_double(stream.ctypes.state)


def clusters(n_nodes, joined):
    """Return the smallest node of every node's cluster, (n_nodes,), from pairs of joined nodes."""
    labels = np.arange(n_nodes)
    for a, b in joined:
        first, second = sorted((labels[a], labels[b]))
        labels[labels == second] = first
    return labels


def flip(spins, labels, bias, stream):
    """Flip every cluster with probability 1 / (1 + e^{2 sum bias s}), one half without a bias; in place."""
    bits, left = 0, 0
    for root in np.flatnonzero(labels == np.arange(len(spins))):
        members = labels == root
        if len(bias):
            flips = uniform(stream) * (1.0 + np.exp(2.0 * (bias[members] @ spins[members]))) < 1.0
        else:
            if left == 0:
                bits, left = uint32(stream), 32
            flips, bits, left = bits & 1, bits >> 1, left - 1
        if flips:
            spins[members] *= -1


def measured(spins, labels, times, phases, pairs, pair_weights):
    """Return magnetization, squares and pair products, means over times and over all flips of clusters."""
    waves = phases[:, :, 0] + 1j * phases[:, :, 1]
    columns = []
    for nodes in times:
        s, cluster = spins[nodes].astype(np.float64), labels[nodes]
        parts = [np.abs(waves[:, cluster == c] @ s[cluster == c]) ** 2 for c in np.unique(cluster)]
        same = cluster[pairs[:, 0]] == cluster[pairs[:, 1]]
        products = pair_weights @ (same * s[pairs[:, 0]] * s[pairs[:, 1]])
        columns.append(np.concatenate([[s.sum()], np.sum(parts, axis=0), products]))
    return np.mean(columns, axis=0)


def gate_state(spins, legs):
    """Return PARALLEL, STAY or SWAP of a gate."""
    a, b, c, _ = legs
    return PARALLEL if spins[a] == spins[b] else STAY if spins[a] == spins[c] else SWAP


def sample_loops(
    spins, legs, gate_class, thresholds, derivatives, negative, bias, improved, times, phases, pairs, pair_weights,
    sweeps_per_sample, parents, decisions, sums, partners, streams, values,
):
    """Update loops of exchange gates, *in place*; write the columns of every sample and chain to `values`."""
    straight, horizontal, crossed = ((0, 2), (1, 3)), ((0, 1), (2, 3)), ((0, 3), (1, 2))
    options = {PARALLEL: (straight, crossed), STAY: (straight, horizontal), SWAP: (horizontal, crossed)}
    shared = {frozenset((PARALLEL, STAY)): straight, frozenset((STAY, SWAP)): horizontal}
    shared[frozenset((PARALLEL, SWAP))] = crossed
    for chain, stream in zip(spins, streams, strict=True):
        for sample in range(values.shape[1]):
            for _ in range(sweeps_per_sample):
                states = [gate_state(chain, legs[g]) for g in range(len(legs))]
                broken, joined = [], []
                for g, state in enumerate(states):
                    first, second = thresholds[gate_class[g], state]
                    drawn = uint32(stream) if first < 2**32 else 0
                    choice = options[state][0] if drawn < first else options[state][1] if drawn < second else None
                    broken.append(choice)
                    joins = choice if choice else ((0, 1), (2, 3), (0, 2))
                    joined += [(legs[g][i], legs[g][j]) for i, j in joins]
                labels = clusters(len(chain), joined)
                before = chain.copy()
                flip(chain, labels, bias, stream)
            first, second, estimate, sign = 0.0, 0.0, 0.0, 1.0
            for g, state in enumerate(states):
                table = derivatives[:, gate_class[g], :]
                first, second = first + table[0, state], second + table[1, state]
                if state == SWAP and negative[gate_class[g]]:
                    sign = -sign
                others = (q for q in range(3) if shared.get(frozenset((state, q))) == broken[g] and broken[g])
                partner = next(others, state)
                apart = broken[g] and labels[legs[g][broken[g][0][0]]] != labels[legs[g][broken[g][1][0]]]
                estimate += 0.5 * (table[0, state] + table[0, partner]) if apart else table[0, state]
            together = labels if improved else np.zeros_like(labels)
            fixed = [sign, first, second, estimate if improved else first]
            diagonal = measured(before, together, times, phases, pairs, pair_weights)
            values[spins_row(spins, chain), sample] = [*fixed, *diagonal]


def spins_row(spins, chain):
    """Return the row of `spins` that `chain` is a view of."""
    return next(row for row in range(len(spins)) if spins[row].ctypes.data == chain.ctypes.data)


def ising_columns(chain, bonds, bond_class, derivatives, bias_slope, rings):
    """Return sign, first and second derivative, and the first averaged over one world line at a time."""
    unequal = (chain[bonds[:, 0]] != chain[bonds[:, 1]]).astype(int)
    first, second = derivatives[0, bond_class, unequal], derivatives[1, bond_class, unequal]
    slope = bias_slope @ chain if len(bias_slope) else 0.0
    return [1.0, first.sum() + slope, second.sum(), conditional_derivative(chain, derivatives, bias_slope, *rings)]


def conditional_derivative(
    chain, derivatives, bias_slope, ring_start, ring_nodes, ring_class, partner_start, partners, partner_class, boosts,
    bias_boosts, work,
):
    """Return the derivative, the part of each site averaged over the spins of its world line given the others."""
    exponents, total = 0.5 * np.log(boosts), 0.0
    for first, stop in itertools.pairwise(ring_start):
        nodes, kinds = ring_nodes[first:stop], ring_class[first:stop]
        linked = kinds >= 0
        lines = np.array(list(itertools.product((1.0, -1.0), repeat=len(nodes))))
        next_lines = np.roll(lines, -1, axis=1)
        exponent = (lines * next_lines)[:, linked] @ exponents[kinds[linked]]
        equal, unequal = derivatives[0, kinds[linked]].T
        slopes = np.where((lines == next_lines)[:, linked], equal, unequal).sum(axis=1)
        for node, spins in zip(nodes, lines.T, strict=True):
            here = slice(partner_start[node], partner_start[node + 1])
            exponent += spins * (exponents[partner_class[here]] @ chain[partners[here]])
            slopes += 0.5 * spins * (derivatives[0, partner_class[here], 0] @ chain[partners[here]])
            if len(bias_slope):
                exponent += spins * 0.5 * np.log(bias_boosts[node])
                slopes += spins * bias_slope[node]
        weights = np.exp(exponent - exponent.max())
        total += weights @ slopes / weights.sum()
    return total


def sample_clusters(
    spins, bonds, bond_class, thresholds, derivatives, bias, bias_slope, ring_start, ring_nodes, ring_class,
    partner_start, partners, partner_class, boosts, bias_boosts, work, improved, times,
    phases, pairs, pair_weights,
    sweeps_per_sample, parents, decisions, sums, streams, values,
):
    """Update clusters of Ising bonds, *in place*; write the columns of every sample and chain to `values`."""
    for chain, stream in zip(spins, streams, strict=True):
        for sample in range(values.shape[1]):
            for _ in range(sweeps_per_sample):
                joined = []
                for b, (i, j) in enumerate(bonds):
                    threshold = thresholds[bond_class[b], int(chain[i] != chain[j])]
                    if threshold and uint32(stream) < threshold:
                        joined.append((i, j))
                labels = clusters(len(chain), joined)
                before = chain.copy()
                flip(chain, labels, bias, stream)
            together = labels if improved else np.zeros_like(labels)
            partner = partner_start, partners, partner_class
            rings = ring_start, ring_nodes, ring_class, *partner, boosts, bias_boosts, work
            columns = ising_columns(before, bonds, bond_class, derivatives, bias_slope, rings)
            diagonal = measured(before, together, times, phases, pairs, pair_weights)
            values[spins_row(spins, chain), sample] = [*columns, *diagonal]


def sample_units(
    spins, bonds, bond_class, weights, derivatives, bias, bias_slope, ring_start, ring_nodes, ring_class, partner_start,
    partners, partner_class, boosts, bias_boosts, work, times,
    phases, pairs, pair_weights,
    sweeps_per_sample, fields, sums, streams, values,
):
    """Draw hidden units and spins in turn, *in place*; write the columns of every sample and chain to `values`."""
    for chain, stream in zip(spins, streams, strict=True):
        for sample in range(values.shape[1]):
            for _ in range(sweeps_per_sample):
                angles = np.sum(weights[bond_class] * chain[bonds], axis=1)
                hidden = np.array([1.0 if uniform(stream) < 1.0 / (1.0 + np.exp(-2.0 * x)) else -1.0 for x in angles])
                field = bias.copy() if len(bias) else np.zeros(len(chain))
                np.add.at(field, bonds, hidden[:, None] * weights[bond_class])
                for node in range(len(chain)):
                    chain[node] = 1 if uniform(stream) < 1.0 / (1.0 + np.exp(-2.0 * field[node])) else -1
            together = np.zeros(len(chain), dtype=int)
            partner = partner_start, partners, partner_class
            rings = ring_start, ring_nodes, ring_class, *partner, boosts, bias_boosts, work
            columns = ising_columns(chain, bonds, bond_class, derivatives, bias_slope, rings)
            diagonal = measured(chain, together, times, phases, pairs, pair_weights)
            values[spins_row(spins, chain), sample] = [*columns, *diagonal]
