"""Sampling of traced-out Trotter networks: loops of exchange world lines. Those of Ising models: `ising_worldlines`.

A configuration is one spin per node; nodes are pieces of the sites' world lines on the circle of imaginary time. After
a decomposition into clusters every cluster is flipped with the probability that detailed balance gives.
Columns of the results: SIGN, first and second derivative of ln(weight) by dtau, an estimate of the first with the same
mean, magnetization, then per wave vector abs(sum s e^{iqr})^2 and per list of pairs sum w s_i s_j; the last three are
means over the times `times`. With `improved` the squares and the pair products are replaced by their averages over all
flips of clusters, and so is the estimate of loops; that of Ising world lines is an average over one world line at a
time.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.math cimport exp
from libc.stdint cimport int8_t, int32_t, uint32_t, uint64_t
from numpy.random.bit_generator cimport bitgen_t


cdef void flatten(int32_t *parents, Py_ssize_t n_nodes) noexcept nogil:
    """Make every node point at its root."""
    cdef Py_ssize_t node
    for node in range(n_nodes):
        parents[node] = parents[parents[node]]


cdef void measure(const int8_t *spins, const int32_t *parents, bint improved, const int32_t[:, ::1] times,
                  const double[:, :, ::1] phases, const int32_t[:, ::1] pairs, const double[:, ::1] pair_weights,
                  double *sums, double *out) noexcept nogil:
    """Add magnetization, squares and pair products to `out`; `sums` (n_nodes, n_vectors, 2), zero before and after."""
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
                decisions[node] = (
                    1 if stream.next_double(stream.state) * (1.0 + exp(2.0 * sums[node * stride])) < 1.0 else 0)
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

    `partners` (n_gates,) receives the state of every gate after a flip of one of its two clusters (its own where
    frozen).
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
