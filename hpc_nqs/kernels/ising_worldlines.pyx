"""Sampling of the traced-out Trotter networks of Ising models: clusters in space and time, block Gibbs.

Configurations and columns of the results as in `worldlines`.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.math cimport exp
from libc.stdint cimport int8_t, int32_t, uint64_t
from numpy.random.bit_generator cimport bitgen_t

from hpc_nqs.kernels.worldlines cimport ESTIMATE, FIRST, SECOND, SIGN, flatten, flip, join, measure

cdef double TINY = 1e-150


cdef void add_derivatives(const int8_t *spins, const int32_t[:, ::1] bonds, const int32_t[::1] bond_class,
                          const double[:, :, ::1] derivatives, const double[::1] bias_slope,
                          double *out) noexcept nogil:
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
        weigh_ring(spins, ring_start[r], ring_start[r + 1], ring_nodes, ring_class, partner_start, partners,
                   partner_class, boosts, bias_boosts, derivatives, work)
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
                total += (derivatives[0, kind, 0]
                          + (derivatives[0, kind, 1] - derivatives[0, kind, 0]) * (pm + mp) * norm)
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
                            &spins[c, 0], ring_start, ring_nodes, ring_class, partner_start, partners, partner_class,
                            boosts, bias_boosts, derivatives, bias_slope, work)
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
                        spins[c, b] = (
                            1 if stream.next_double(stream.state) * (1.0 + exp(-2.0 * fields[b])) < 1.0 else -1)
                values[c, s, :] = 0
                add_derivatives(&spins[c, 0], bonds, bond_class, derivatives, bias_slope, &values[c, s, 0])
                values[c, s, ESTIMATE] = conditional_derivative(
                    &spins[c, 0], ring_start, ring_nodes, ring_class, partner_start, partners, partner_class, boosts,
                    bias_boosts, derivatives, bias_slope, work)
                measure(&spins[c, 0], NULL, False, times, phases, pairs, pair_weights, &sums[0, 0], &values[c, s, 0])
