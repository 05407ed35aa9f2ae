"""Sampling of traced-out Trotter networks: loops of exchange world lines, clusters and block Gibbs of Ising ones.

A configuration is one spin per node; nodes are pieces of the sites' world lines on the circle of imaginary time. After
a decomposition into clusters every cluster is flipped with the probability that detailed balance gives.
Columns of the results: SIGN, first and second derivative of ln(weight) by dtau, an estimate of the first with the same mean,
magnetization, then per wave vector abs(sum s e^{iqr})^2 and per list of pairs sum w s_i s_j; the last three are means over
the times `times`. With `improved` the squares and the pair products are replaced by their averages over all flips of
clusters, and so is the estimate of loops; that of Ising world lines is an average over one world line at a time.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.math cimport exp
from libc.stdint cimport int8_t, int32_t, uint32_t, uint64_t
from numpy.random.bit_generator cimport bitgen_t

cdef enum:
    SIGN = 0
    FIRST = 1
    SECOND = 2
    ESTIMATE = 3
    MAGNETIZATION = 4
    N_FIXED = 5
    PARALLEL = 0
    STAY = 1
    SWAP = 2

cdef double TINY = 1e-150


cdef inline int32_t root_of(int32_t *parents, int32_t node) noexcept nogil:
    """Root of a node; halves the path on the way."""
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node


cdef inline void join(int32_t *parents, int32_t first, int32_t second) noexcept nogil:
    """Put two nodes into one cluster; the root of a cluster is its smallest node."""
    first = root_of(parents, first)
    second = root_of(parents, second)
    if first < second:
        parents[second] = first
    elif second < first:
        parents[first] = second


cdef inline void flatten(int32_t *parents, Py_ssize_t n_nodes) noexcept nogil:
    """Make every node point at its root."""
    cdef Py_ssize_t node
    for node in range(n_nodes):
        parents[node] = parents[parents[node]]


cdef void measure(const int8_t *spins, const int32_t *parents, bint improved, const int32_t[:, ::1] times,
                  const double[:, :, ::1] phases, const int32_t[:, ::1] pairs, const double[:, ::1] pair_weights,
                  double *sums, double *out) noexcept nogil:
    """Add magnetization, squares and pair products to `out`; `sums` (n_nodes, n_vectors, 2) is zero before and after."""
    cdef Py_ssize_t n_sites = times.shape[1], n_vectors = phases.shape[0], n_pairs = pairs.shape[0]
    cdef Py_ssize_t t, i, q, b, k, cluster
    cdef double product, magnetization, share = 1.0 / times.shape[0]
    cdef int32_t first, second
    for t in range(times.shape[0]):
        magnetization = 0
        for i in range(n_sites):
            first = times[t, i]
            magnetization += spins[first]
            cluster = (parents[first] if improved else 0) * n_vectors * 2
            for q in range(n_vectors):
                sums[cluster + 2 * q] += spins[first] * phases[q, i, 0]
                sums[cluster + 2 * q + 1] += spins[first] * phases[q, i, 1]
        out[MAGNETIZATION] += share * magnetization
        for i in range(n_sites):
            cluster = (parents[times[t, i]] if improved else 0) * n_vectors * 2
            for q in range(n_vectors):
                product = sums[cluster + 2 * q] * sums[cluster + 2 * q] \
                    + sums[cluster + 2 * q + 1] * sums[cluster + 2 * q + 1]
                out[N_FIXED + q] += share * product
                sums[cluster + 2 * q] = 0
                sums[cluster + 2 * q + 1] = 0
        for b in range(n_pairs):
            first = times[t, pairs[b, 0]]
            second = times[t, pairs[b, 1]]
            if improved and parents[first] != parents[second]:
                continue
            product = share * spins[first] * spins[second]
            for k in range(pair_weights.shape[0]):
                out[N_FIXED + n_vectors + k] += product * pair_weights[k, b]


cdef void flip(int8_t *spins, const int32_t *parents, const double *bias, int8_t *decisions, double *sums,
               Py_ssize_t stride, Py_ssize_t n_nodes, bitgen_t *stream) noexcept nogil:
    """Flip every cluster with probability 1/2, or 1/(1 + e^{2x}) where bias gives it the exponent x = sum bias s."""
    cdef Py_ssize_t node, root
    cdef uint32_t bits = 0
    cdef int left = 0
    if bias != NULL:
        for node in range(n_nodes):
            sums[parents[node] * stride] += bias[node] * spins[node]
    for node in range(n_nodes):
        root = parents[node]
        if root == node:
            if bias != NULL:
                decisions[node] = 1 if stream.next_double(stream.state) * (1.0 + exp(2.0 * sums[node * stride])) < 1.0 else 0
                sums[node * stride] = 0
            else:
                if left == 0:
                    bits = stream.next_uint32(stream.state)
                    left = 32
                decisions[node] = bits & 1
                bits >>= 1
                left -= 1
        if decisions[root]:
            spins[node] = -spins[node]


cdef void decompose_gates(const int8_t *spins, const int32_t[:, ::1] legs, const int32_t[::1] gate_class,
                          const uint64_t[:, :, ::1] thresholds, const double[:, :, ::1] derivatives,
                          const int8_t[::1] negative, bint improved, int32_t *parents, Py_ssize_t n_nodes,
                          int8_t *partners, bitgen_t *stream, double *out) noexcept nogil:
    """Join nodes by break-ups of all exchange gates; add sign and derivatives to `out`.

    `partners` (n_gates,) receives the state of every gate after a flip of one of its two clusters (its own where frozen).
    """
    cdef Py_ssize_t g
    cdef int32_t a, b, c, d, kind, second
    cdef int state, partner, parity = 0
    cdef uint64_t drawn
    for g in range(n_nodes):
        parents[g] = <int32_t>g
    for g in range(legs.shape[0]):
        a, b, c, d = legs[g, 0], legs[g, 1], legs[g, 2], legs[g, 3]
        kind = gate_class[g]
        state = PARALLEL if spins[a] == spins[b] else STAY if spins[a] == spins[c] else SWAP
        out[FIRST] += derivatives[0, kind, state]
        out[SECOND] += derivatives[1, kind, state]
        if state == SWAP:
            parity ^= negative[kind]
        # a break-up that is certain needs no random number
        drawn = 0
        if thresholds[kind, state, 0] < 4294967296ULL:
            drawn = stream.next_uint32(stream.state)
        if drawn < thresholds[kind, state, 0]:
            if state == SWAP:
                join(parents, a, b)
                join(parents, c, d)
                partners[g] = STAY
            else:
                join(parents, a, c)
                join(parents, b, d)
                partners[g] = STAY if state == PARALLEL else PARALLEL
        elif drawn < thresholds[kind, state, 1]:
            if state == STAY:
                join(parents, a, b)
                join(parents, c, d)
                partners[g] = SWAP
            else:
                join(parents, a, d)
                join(parents, b, c)
                partners[g] = SWAP if state == PARALLEL else PARALLEL
        else:
            join(parents, a, b)
            join(parents, c, d)
            join(parents, a, c)
            partners[g] = <int8_t>state
    flatten(parents, n_nodes)
    if not improved:
        out[ESTIMATE] = out[FIRST]
        out[SIGN] = -1.0 if parity else 1.0
        return
    for g in range(legs.shape[0]):
        a, b, c, kind = legs[g, 0], legs[g, 1], legs[g, 2], gate_class[g]
        state = PARALLEL if spins[a] == spins[b] else STAY if spins[a] == spins[c] else SWAP
        partner = partners[g]
        # a horizontal break-up joins a with b, the others do not
        second = b if state == PARALLEL or partner == PARALLEL else c
        if parents[a] != parents[second]:
            out[ESTIMATE] += 0.5 * (derivatives[0, kind, state] + derivatives[0, kind, partner])
        else:
            out[ESTIMATE] += derivatives[0, kind, state]
    out[SIGN] = -1.0 if parity else 1.0


def sample_loops(int8_t[:, ::1] spins, const int32_t[:, ::1] legs, const int32_t[::1] gate_class,
                 const uint64_t[:, :, ::1] thresholds, const double[:, :, ::1] derivatives, const int8_t[::1] negative,
                 const double[::1] bias, bint improved, const int32_t[:, ::1] times, const double[:, :, ::1] phases,
                 const int32_t[:, ::1] pairs, const double[:, ::1] pair_weights, Py_ssize_t sweeps_per_sample,
                 int32_t[::1] parents, int8_t[::1] decisions, double[:, ::1] sums, int8_t[::1] partners, list streams,
                 double[:, :, ::1] values):
    """Loop updates of exchange world lines; every sweep breaks up all gates and flips all loops.

    Parameters
    ----------
    spins : (n_chains, n_nodes) int8
        Configurations of non-zero weight; *in place*.
    legs : (n_gates, 4) int32
        Nodes of every gate: sites i and j before it, i and j after it.
    gate_class : (n_gates,) int32
    thresholds : (n_classes, 3, 2) uint64
        Cumulative probabilities of two break-ups, in units of 2^-32, by state (parallel, stay, swap); what is left
        freezes the gate. Parallel: straight, crossed. Stay: straight, horizontal. Swap: horizontal, crossed.
    derivatives : (2, n_classes, 3)
        First and second derivative of the logarithm of the element by dtau.
    negative : (n_classes,) int8
        1 where the swap has a negative element.
    bias : (n_nodes,) or (0,)
        Exponents of a field: the weight has a factor e^{sum bias s}.
    improved : bint
    times : (n_times, n_sites) int32
        Nodes of the sites at the times of measurement.
    phases : (n_vectors, n_sites, 2)
        Real and imaginary part of e^{iqr}.
    pairs : (n_pairs, 2) int32
        Pairs of sites.
    pair_weights : (n_lists, n_pairs)
    sweeps_per_sample : int
    parents, decisions, sums : (n_nodes,) int32, (n_nodes,) int8, (n_nodes, 2 n_vectors), at least 2 columns
        Work space; `sums` is zero before and after.
    partners : (n_gates,) int8
        Work space.
    streams : list of numpy BitGenerator, one per chain
    values : (n_chains, n_samples, 5 + n_vectors + n_lists), output
    """
    cdef Py_ssize_t c, s, k, n_nodes = spins.shape[1]
    cdef bitgen_t *stream
    cdef const double *field = &bias[0] if bias.shape[0] else NULL
    for c in range(spins.shape[0]):
        stream = <bitgen_t *>PyCapsule_GetPointer(streams[c].capsule, "BitGenerator")
        with nogil:
            for s in range(values.shape[1]):
                for k in range(sweeps_per_sample):
                    values[c, s, :] = 0
                    decompose_gates(&spins[c, 0], legs, gate_class, thresholds, derivatives, negative,
                                    improved and k == sweeps_per_sample - 1, &parents[0], n_nodes, &partners[0], stream,
                                    &values[c, s, 0])
                    if k == sweeps_per_sample - 1:
                        measure(&spins[c, 0], &parents[0], improved, times, phases, pairs, pair_weights, &sums[0, 0],
                                &values[c, s, 0])
                    flip(&spins[c, 0], &parents[0], field, &decisions[0], &sums[0, 0], sums.shape[1], n_nodes, stream)


cdef void add_derivatives(const int8_t *spins, const int32_t[:, ::1] bonds, const int32_t[::1] bond_class,
                          const double[:, :, ::1] derivatives, const double[::1] bias_slope, double *out) noexcept nogil:
    """Add sign and derivatives of ln(weight) of Ising world lines by dtau to `out`."""
    cdef Py_ssize_t b
    cdef int unequal
    for b in range(bonds.shape[0]):
        unequal = spins[bonds[b, 0]] != spins[bonds[b, 1]]
        out[FIRST] += derivatives[0, bond_class[b], unequal]
        out[SECOND] += derivatives[1, bond_class[b], unequal]
    for b in range(bias_slope.shape[0]):
        out[FIRST] += bias_slope[b] * spins[b]
    out[SIGN] = 1.0


cdef void weigh_ring(const int8_t *spins, Py_ssize_t first, Py_ssize_t stop, const int32_t[::1] ring_nodes,
                     const int32_t[::1] ring_class, const int32_t[::1] partner_start, const int32_t[::1] partners,
                     const int32_t[::1] partner_class, const double[::1] boosts, const double[::1] bias_boosts,
                     const double[:, :, ::1] derivatives, double[:, ::1] work) noexcept nogil:
    """Fill rows of `work`: weights of a node up and down given the other sites, its slope, the product after it.

    The product of (weights of a node) x (link to the next) over all later nodes is ++, +-, -+, --, times any number.
    """
    cdef Py_ssize_t n = stop - first, k, p
    cdef int32_t node
    cdef double boost, slope, up, down, link, a, b, c, d
    for k in range(n):
        node = ring_nodes[first + k]
        boost = bias_boosts[node] if bias_boosts.shape[0] else 1.0
        slope = 0.0
        for p in range(partner_start[node], partner_start[node + 1]):
            if spins[partners[p]] > 0:
                boost *= boosts[partner_class[p]]
                slope += derivatives[0, partner_class[p], 0]
            else:
                boost /= boosts[partner_class[p]]
                slope -= derivatives[0, partner_class[p], 0]
        work[k, 0] = 1.0 if boost > 1.0 else boost
        work[k, 1] = 1.0 / boost if boost > 1.0 else 1.0
        work[k, 2] = slope
    a, b, c, d = 1.0, 0.0, 0.0, 1.0
    for k in range(n - 1, -1, -1):
        work[k, 3], work[k, 4], work[k, 5], work[k, 6] = a, b, c, d
        link = 1.0 / boosts[ring_class[first + k]] if ring_class[first + k] >= 0 else 0.0
        up, down = work[k, 0], work[k, 1]
        a, c = up * (a + link * c), down * (link * a + c)
        b, d = up * (b + link * d), down * (link * b + d)
        if a + b + c + d < TINY:
            a, b, c, d = a / TINY, b / TINY, c / TINY, d / TINY


cdef double conditional_derivative(
    const int8_t *spins, const int32_t[::1] ring_start, const int32_t[::1] ring_nodes, const int32_t[::1] ring_class,
    const int32_t[::1] partner_start, const int32_t[::1] partners, const int32_t[::1] partner_class,
    const double[::1] boosts, const double[::1] bias_boosts, const double[:, :, ::1] derivatives,
    const double[::1] bias_slope, double[:, ::1] work,
) noexcept nogil:
    """Derivative of ln(weight) by dtau, every site's part averaged over its world line given those of the others.

    A world line is an Ising ring in the fields of its neighbours, solved by 2x2 transfer matrices. A bond between two
    sites counts half at each.
    """
    cdef Py_ssize_t r, k, n
    cdef int32_t node, kind
    cdef double link, up, down, a, b, c, d, pp, pm, mp, mm, norm, spin, total = 0.0
    for r in range(ring_start.shape[0] - 1):
        n = ring_start[r + 1] - ring_start[r]
        weigh_ring(spins, ring_start[r], ring_start[r + 1], ring_nodes, ring_class, partner_start, partners, partner_class,
                   boosts, bias_boosts, derivatives, work)
        a, b, c, d = 1.0, 0.0, 0.0, 1.0  # the product before the node
        for k in range(n):
            node, kind = ring_nodes[ring_start[r] + k], ring_class[ring_start[r] + k]
            link = 1.0 / boosts[kind] if kind >= 0 else 0.0
            up, down = work[k, 0], work[k, 1]
            # weights of this node and the next one: the link, what comes after, what came before
            pp = up * (work[k, 3] * a + work[k, 4] * c)
            pm = up * link * (work[k, 5] * a + work[k, 6] * c)
            mp = down * link * (work[k, 3] * b + work[k, 4] * d)
            mm = down * (work[k, 5] * b + work[k, 6] * d)
            norm = 1.0 / (pp + pm + mp + mm)
            spin = (pp + pm - mp - mm) * norm
            total += 0.5 * spin * work[k, 2]
            if bias_slope.shape[0]:
                total += spin * bias_slope[node]
            if kind >= 0:
                total += derivatives[0, kind, 0] + (derivatives[0, kind, 1] - derivatives[0, kind, 0]) * (pm + mp) * norm
            a, b = a * up + b * down * link, a * up * link + b * down
            c, d = c * up + d * down * link, c * up * link + d * down
            if a + b + c + d < TINY:
                a, b, c, d = a / TINY, b / TINY, c / TINY, d / TINY
    return total


def sample_clusters(int8_t[:, ::1] spins, const int32_t[:, ::1] bonds, const int32_t[::1] bond_class,
                    const uint64_t[:, ::1] thresholds, const double[:, :, ::1] derivatives, const double[::1] bias,
                    const double[::1] bias_slope, const int32_t[::1] ring_start, const int32_t[::1] ring_nodes,
                    const int32_t[::1] ring_class, const int32_t[::1] partner_start, const int32_t[::1] partners,
                    const int32_t[::1] partner_class, const double[::1] boosts, const double[::1] bias_boosts,
                    double[:, ::1] work, bint improved, const int32_t[:, ::1] times,
                    const double[:, :, ::1] phases, const int32_t[:, ::1] pairs, const double[:, ::1] pair_weights,
                    Py_ssize_t sweeps_per_sample, int32_t[::1] parents, int8_t[::1] decisions, double[:, ::1] sums,
                    list streams, double[:, :, ::1] values):
    """Space-time cluster updates of Ising world lines (Swendsen, Wang, PRL 58, 86 (1987), with two couplings).

    Parameters
    ----------
    spins : (n_chains, n_nodes) int8
        *In place*.
    bonds : (n_bonds, 2) int32
        Nodes of every two-body factor.
    bond_class : (n_bonds,) int32
    thresholds : (n_classes, 2) uint64
        Probability, in units of 2^-32, that the bond joins its nodes when they are equal, unequal.
    derivatives : (2, n_classes, 2)
        First and second derivative of the logarithm of the factor by dtau, for equal and unequal nodes.
    bias, bias_slope : (n_nodes,) or (0,)
        Exponents of a field along z and their derivatives by dtau.
    ring_start : (n_rings + 1,) int32
        Where the world line of a site starts in `ring_nodes` and `ring_class`.
    ring_nodes, ring_class : (n_nodes,) int32
        Nodes of every world line in the order of time, and the class of the bond to the next one; -1: no bond.
    partner_start : (n_nodes + 1,), partners, partner_class : (2 n_bonds_in_space,) int32
        Nodes of other sites that every node has bonds with, and the classes of these bonds.
    boosts : (n_classes,)
        e^{2 K} of the factor e^{K s s'}.
    bias_boosts : (n_nodes,) or (0,)
        e^{2 bias}.
    work : (longest ring, 7)
        Work space.
    improved, times, phases, pairs, pair_weights, sweeps_per_sample, parents, decisions, sums, streams, values
        As for `sample_loops`.
    """
    cdef Py_ssize_t c, s, k, b, n_nodes = spins.shape[1]
    cdef int unequal
    cdef uint64_t threshold
    cdef bitgen_t *stream
    cdef const double *field = &bias[0] if bias.shape[0] else NULL
    for c in range(spins.shape[0]):
        stream = <bitgen_t *>PyCapsule_GetPointer(streams[c].capsule, "BitGenerator")
        with nogil:
            for s in range(values.shape[1]):
                for k in range(sweeps_per_sample):
                    for b in range(n_nodes):
                        parents[b] = <int32_t>b
                    for b in range(bonds.shape[0]):
                        unequal = spins[c, bonds[b, 0]] != spins[c, bonds[b, 1]]
                        threshold = thresholds[bond_class[b], unequal]
                        if threshold and stream.next_uint32(stream.state) < threshold:
                            join(&parents[0], bonds[b, 0], bonds[b, 1])
                    flatten(&parents[0], n_nodes)
                    if k == sweeps_per_sample - 1:
                        values[c, s, :] = 0
                        add_derivatives(&spins[c, 0], bonds, bond_class, derivatives, bias_slope, &values[c, s, 0])
                        values[c, s, ESTIMATE] = conditional_derivative(
                            &spins[c, 0], ring_start, ring_nodes, ring_class, partner_start, partners, partner_class, boosts,
                            bias_boosts, derivatives, bias_slope, work)
                        measure(&spins[c, 0], &parents[0], improved, times, phases, pairs, pair_weights, &sums[0, 0],
                                &values[c, s, 0])
                    flip(&spins[c, 0], &parents[0], field, &decisions[0], &sums[0, 0], sums.shape[1], n_nodes, stream)


def sample_units(int8_t[:, ::1] spins, const int32_t[:, ::1] bonds, const int32_t[::1] bond_class,
                 const double[:, ::1] weights, const double[:, :, ::1] derivatives, const double[::1] bias,
                 const double[::1] bias_slope, const int32_t[::1] ring_start, const int32_t[::1] ring_nodes,
                 const int32_t[::1] ring_class, const int32_t[::1] partner_start, const int32_t[::1] partners,
                 const int32_t[::1] partner_class, const double[::1] boosts, const double[::1] bias_boosts,
                 double[:, ::1] work, const int32_t[:, ::1] times, const double[:, :, ::1] phases,
                 const int32_t[:, ::1] pairs, const double[:, ::1] pair_weights, Py_ssize_t sweeps_per_sample,
                 double[::1] fields, double[:, ::1] sums, list streams, double[:, :, ::1] values):
    """Block Gibbs updates of the units of a TFIM network: all hidden units given the others, then the reverse.

    Parameters
    ----------
    spins : (n_chains, n_nodes) int8
        Visible and deep units; *in place*.
    bonds : (n_bonds, 2) int32
        The two units that every hidden unit couples to.
    bond_class : (n_bonds,) int32
    weights : (n_classes, 2)
        Couplings of the hidden unit to the first and second of them.
    derivatives : (2, n_classes, 2)
    bias, bias_slope : (n_nodes,) or (0,)
    ring_start, ring_nodes, ring_class, partner_start, partners, partner_class, boosts, bias_boosts, work
        As for `sample_clusters`.
    times, phases, pairs, pair_weights, sweeps_per_sample, sums, streams, values
        As for `sample_loops`; squares and pair products are those of the configuration.
    fields : (n_nodes,)
        Work space.
    """
    cdef Py_ssize_t c, s, k, b, kind, n_nodes = spins.shape[1]
    cdef int32_t first, second
    cdef double hidden, angle
    cdef bitgen_t *stream
    for c in range(spins.shape[0]):
        stream = <bitgen_t *>PyCapsule_GetPointer(streams[c].capsule, "BitGenerator")
        with nogil:
            for s in range(values.shape[1]):
                for k in range(sweeps_per_sample):
                    for b in range(n_nodes):
                        fields[b] = bias[b] if bias.shape[0] else 0.0
                    for b in range(bonds.shape[0]):
                        kind, first, second = bond_class[b], bonds[b, 0], bonds[b, 1]
                        angle = weights[kind, 0] * spins[c, first] + weights[kind, 1] * spins[c, second]
                        hidden = 1.0 if stream.next_double(stream.state) * (1.0 + exp(-2.0 * angle)) < 1.0 else -1.0
                        fields[first] += hidden * weights[kind, 0]
                        fields[second] += hidden * weights[kind, 1]
                    for b in range(n_nodes):
                        spins[c, b] = 1 if stream.next_double(stream.state) * (1.0 + exp(-2.0 * fields[b])) < 1.0 else -1
                values[c, s, :] = 0
                add_derivatives(&spins[c, 0], bonds, bond_class, derivatives, bias_slope, &values[c, s, 0])
                values[c, s, ESTIMATE] = conditional_derivative(
                    &spins[c, 0], ring_start, ring_nodes, ring_class, partner_start, partners, partner_class, boosts,
                    bias_boosts, derivatives, bias_slope, work)
                measure(&spins[c, 0], NULL, False, times, phases, pairs, pair_weights, &sums[0, 0], &values[c, s, 0])
