"""Sampling of world lines in continuous imaginary time: the path sums of `worldlines` at dtau = 0.

A configuration of a chain is one spin per site at time 0 and the kinks on the circle of time [0, 1), in units of beta,
in order. Places are what a kink can stand on: bonds, whose two spins are exchanged, and single sites, whose spin is
flipped. Every sweep throws break-ups on the circle as a Poisson process and breaks up the kinks, joins what hangs
together into clusters, flips these, and forgets the break-ups that have not become kinks (B. B. Beard and U.-J. Wiese,
PRL 77, 5130 (1996); H. Rieger and N. Kawashima, Eur. Phys. J. B 9, 233 (1999)). It costs as much as it has events.

Columns of the results as in `worldlines`, with derivatives by beta; ESTIMATE is FIRST, or where spins flip its average
over the world line of each site given the others. Two more columns at the end have the mean of FIRST without a field:
the number of break-ups per beta up to a constant, and FIRST with the kinks averaged over all flips of clusters.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.math cimport exp, log, sqrt
from libc.stdint cimport int8_t, int32_t, int64_t, uint32_t
from numpy.random.bit_generator cimport bitgen_t

from hpc_nqs.kernels.continuous_estimates cimport add_derivatives, averaged_kinks, conditional_derivative
from hpc_nqs.kernels.continuous_worldlines cimport Paths
from hpc_nqs.kernels.worldlines cimport ESTIMATE, FIRST, join, measure

cdef enum:
    CUT = 0
    HORIZONTAL = 1
    CROSSED = 2
    FROZEN_UNEQUAL = 3
    FROZEN_EQUAL = 4


cdef inline void leave(Paths *w, int32_t site, double time) noexcept nogil:
    """Add the exponent of the field on a site up to now to its node."""
    w.exponents[w.current[site]] -= w.beta * w.field[site] * w.now[site] * (time - w.since[site])
    w.since[site] = time


cdef inline void put(Paths *w, int kind, int32_t place, bint is_kink, double time) noexcept nogil:
    """Make one event: change nodes and spins, and note it where it is or may become a kink."""
    cdef int32_t i = w.place_sites[2 * place], j = w.place_sites[2 * place + 1]
    cdef int32_t first = w.current[i], second
    w.n_break_ups += 1
    if w.field != NULL:
        leave(w, i, time)
        if j >= 0:
            leave(w, j, time)
    if kind == CUT:
        second = <int32_t>w.n_nodes
        w.n_nodes += 1
        w.parents[second] = second
        w.current[i] = second
    elif kind == HORIZONTAL:
        second = <int32_t>w.n_nodes
        w.n_nodes += 1
        join(w.parents, first, w.current[j])
        w.parents[second] = second
        w.current[i] = second
        w.current[j] = second
    elif kind == CROSSED:
        second = w.current[j]
        w.current[i] = second
        w.current[j] = first
    else:
        second = first
        join(w.parents, first, w.current[j])
    if is_kink:
        w.now[i] = -w.now[i]
        if j >= 0:
            w.now[j] = -w.now[j]
    if is_kink or first != second:
        w.event_place[w.n_events] = place
        w.event_nodes[2 * w.n_events] = first
        w.event_nodes[2 * w.n_events + 1] = second
        w.event_kink[w.n_events] = is_kink
        w.event_time[w.n_events] = time
        w.n_events += 1


cdef inline void try_channel(Paths *w, double time) noexcept nogil:
    """Draw a channel, and make its event where the spins allow it."""
    cdef double x = w.stream.next_double(w.stream.state) * w.n_channels
    cdef Py_ssize_t channel = <Py_ssize_t>x
    if x - channel >= w.keep[channel]:
        channel = w.alias[channel]
    cdef int kind = w.channel_kind[channel]
    cdef int32_t place = w.channel_place[channel]
    cdef bint equal
    if kind != CUT:
        equal = w.now[w.place_sites[2 * place]] == w.now[w.place_sites[2 * place + 1]]
        if equal != (kind == CROSSED or kind == FROZEN_EQUAL):
            return
    put(w, kind, place, False, time)


cdef inline void break_kink(Paths *w, int32_t place, double time) noexcept nogil:
    """Choose the break-up of a kink and make its event."""
    cdef int kind = CUT
    cdef double drawn
    if w.place_sites[2 * place + 1] >= 0:
        kind = HORIZONTAL
        if w.kink_break_ups[2 * place] < 1.0:
            drawn = w.stream.next_double(w.stream.state)
            if drawn >= w.kink_break_ups[2 * place]:
                kind = CROSSED if drawn < w.kink_break_ups[2 * place + 1] else FROZEN_UNEQUAL
    put(w, kind, place, True, time)


cdef inline double waiting(const Paths *w) noexcept nogil:
    """Time to the next event of a Poisson process."""
    return -log(1.0 - w.stream.next_double(w.stream.state)) / w.rate


cdef int decompose(Paths *w, Py_ssize_t n_times) noexcept nogil:
    """Go once around the circle; join nodes to clusters, and copy spins and nodes at `n_times` times.

    Returns 0, or -1 where there are more events than room.
    """
    cdef Py_ssize_t i, k = 0, t = 0, n_kinks = w.n_kinks[0]
    cdef double kink = w.kink_times[0] if n_kinks else 2.0, drawn = 2.0, border
    w.n_nodes, w.n_events, w.n_break_ups = w.n_sites, 0, 0
    for i in range(w.n_sites):
        w.current[i] = <int32_t>i
        w.parents[i] = <int32_t>i
        w.now[i] = w.spins[i]
        w.since[i] = 0.0
    if w.rate > 0.0:
        drawn = waiting(w)
    while True:
        border = (<double>t) / n_times if t < n_times else 2.0
        if border < 1.0 and border <= kink and border <= drawn:
            for i in range(w.n_sites):
                w.slice_spins[t * w.n_sites + i] = w.now[i]
                w.slice_nodes[t * w.n_sites + i] = w.current[i]
            t += 1
            continue
        if drawn >= 1.0 and k == n_kinks:
            break
        if w.n_events + w.n_sites >= w.capacity:
            return -1
        if kink <= drawn:
            break_kink(w, w.kink_places[k], kink)
            k += 1
            kink = w.kink_times[k] if k < n_kinks else 2.0
        else:
            try_channel(w, drawn)
            drawn += waiting(w)
    for i in range(w.n_sites):
        if w.field != NULL:
            leave(w, <int32_t>i, 1.0)
        join(w.parents, w.current[i], <int32_t>i)
    for i in range(w.n_nodes):
        w.parents[i] = w.parents[w.parents[i]]
    return 0


cdef void decide(Paths *w) noexcept nogil:
    """Decide which clusters flip: with probability 1/2, in a field with 1 / (1 + e^{2x}), x = sum of exponents."""
    cdef Py_ssize_t node, root
    cdef uint32_t bits = 0
    cdef int left = 0
    if w.field != NULL:
        for node in range(w.n_nodes - 1, -1, -1):
            root = w.parents[node]
            if root != node:
                w.exponents[root] += w.exponents[node]
                w.exponents[node] = 0
    for node in range(w.n_nodes):
        root = w.parents[node]
        if root != node:
            w.decisions[node] = w.decisions[root]
        elif w.field != NULL:
            w.decisions[node] = (
                1 if w.stream.next_double(w.stream.state) * (1.0 + exp(2.0 * w.exponents[node])) < 1.0 else 0)
            w.exponents[node] = 0
        else:
            if left == 0:
                bits = w.stream.next_uint32(w.stream.state)
                left = 32
            w.decisions[node] = bits & 1
            bits >>= 1
            left -= 1


cdef void flip(const Paths *w) noexcept nogil:
    """Flip spins at time 0, and write the kinks that there are now."""
    cdef Py_ssize_t i, k, n_kinks = 0
    for i in range(w.n_sites):
        if w.decisions[i]:
            w.spins[i] = -w.spins[i]
    for k in range(w.n_events):
        w.kink_times[n_kinks] = w.event_time[k]
        w.kink_places[n_kinks] = w.event_place[k]
        n_kinks += w.event_kink[k] ^ w.decisions[w.event_nodes[2 * k]] ^ w.decisions[w.event_nodes[2 * k + 1]]
    w.n_kinks[0] = n_kinks


cdef int sweep_measured(Paths *w, bint improved, const int32_t[:, ::1] times, const double[:, :, ::1] phases,
                        const int32_t[:, ::1] pairs, const double[:, ::1] pair_weights, double *sums,
                        double *out, Py_ssize_t n_columns) noexcept nogil:
    """Decompose into clusters, and fill the columns of a sample; as `decompose`."""
    cdef Py_ssize_t i
    for i in range(n_columns):
        out[i] = 0.0
    add_derivatives(w, out)
    out[ESTIMATE] = conditional_derivative(w) if w.flips != NULL else out[FIRST]
    if decompose(w, times.shape[0]):
        return -1
    out[n_columns - 2] = w.n_break_ups / w.beta
    out[n_columns - 1] = out[FIRST] + (averaged_kinks(w) - w.n_kinks[0]) / w.beta
    for i in range(times.shape[0] * w.n_sites):
        w.slice_nodes[i] = w.parents[w.slice_nodes[i]]
    measure(w.slice_spins, w.slice_nodes, improved, times, phases, pairs, pair_weights, sums, out)
    return 0


def sample_paths(int8_t[:, ::1] spins, int64_t[::1] n_kinks, double[:, ::1] kink_times, int32_t[:, ::1] kink_places,
                 double beta, double rate, const int32_t[:, ::1] place_sites, const double[:, ::1] kink_break_ups,
                 const int8_t[::1] negative, const int32_t[::1] channel_place, const int8_t[::1] channel_kind,
                 const double[::1] keep, const int32_t[::1] alias, const double[::1] field, const double[::1] flips,
                 const int32_t[::1] neighbour_start, const int32_t[::1] neighbours, const double[::1] couplings,
                 bint improved, const int32_t[:, ::1] times, const double[:, :, ::1] phases,
                 const int32_t[:, ::1] pairs, const double[:, ::1] pair_weights, Py_ssize_t sweeps_per_sample,
                 double[:, ::1] site_work, int32_t[:, ::1] node_work, int8_t[:, ::1] byte_work,
                 double[:, ::1] time_work, double[:, ::1] sums, list streams, double[:, :, ::1] values,
                 Py_ssize_t first_sweep):
    """Cluster updates of world lines in continuous time; every sweep breaks up all lines and flips all clusters.

    Parameters
    ----------
    spins : (n_chains, n_sites) int8
        At time 0; *in place*, like the kinks.
    n_kinks : (n_chains,) int64
    kink_times : (n_chains, capacity)
        In order, in units of beta.
    kink_places : (n_chains, capacity) int32
    beta : float
    rate : float
        Mean number of tried break-ups of a sweep, beta times the sum of the rates of all channels.
    place_sites : (n_places, 2) int32
        Two sites of a bond; a site and -1.
    kink_break_ups : (n_places, 2)
        Cumulative probabilities that a kink of a bond breaks up horizontally or crossed; it freezes else.
    negative : (n_places,) int8
        1 where a kink has a negative element.
    channel_place : (n_channels,) int32
    channel_kind : (n_channels,) int8
        0: cut of a site. 1, 3: horizontal, frozen, where spins differ. 2, 4: crossed, frozen, where they are equal.
    keep, alias : (n_channels,) float64, int32
        Walker's table of the channels.
    field : (n_sites,) or (0,)
        Coefficients h of s_i.
    flips : (n_sites,) or (0,)
        Coefficients abs(f) of sigma^x_i.
    neighbour_start, neighbours, couplings : (n_sites + 1,) int32, (n_ends,) int32, (n_ends,)
        Partners of every site in terms c s_i s_j, and c.
    improved : bint
        Average squares and pair products over all flips of clusters.
    times : (n_times, n_sites) int32
        0, 1, 2, ...: numbers of the copies that are measured, at times k / n_times.
    phases, pairs, pair_weights, sweeps_per_sample
        As for `worldlines.sample_loops`.
    site_work, node_work, byte_work, time_work, sums
        Work space: (11, n_sites), (6, capacity) int32, (4, capacity) int8, (2, capacity), (capacity, 2 n_vectors); the
        second row of `time_work` and `sums` are zero before and after.
    streams : list of numpy BitGenerator, one per chain
    values : (n_chains, n_samples, 7 + n_vectors + n_lists), output
    first_sweep : int
        Sweeps that earlier calls with the same arguments have made.

    Returns
    -------
    int
        Sweeps that are done, over all chains and samples: fewer than all of them where `capacity` may be too small for
        the next one. -1 where it was too small in spite of that.
    """
    cdef Paths w
    cdef Py_ssize_t c, s, k, n_done = 0, n_columns = values.shape[2]
    cdef double most = rate + 12.0 * sqrt(rate) + 64.0 + spins.shape[1]
    cdef int status
    w.n_sites, w.n_channels, w.capacity = spins.shape[1], channel_place.shape[0], time_work.shape[1]
    w.beta, w.rate = beta, rate
    w.place_sites, w.kink_break_ups, w.negative = &place_sites[0, 0], &kink_break_ups[0, 0], &negative[0]
    w.channel_place, w.channel_kind, w.keep, w.alias = &channel_place[0], &channel_kind[0], &keep[0], &alias[0]
    w.field = &field[0] if field.shape[0] else NULL
    w.flips = &flips[0] if flips.shape[0] else NULL
    w.neighbour_start, w.neighbours, w.couplings = &neighbour_start[0], &neighbours[0], &couplings[0]
    w.since, w.lines = &site_work[0, 0], &site_work[1, 0]
    w.current, w.parents, w.event_place = &node_work[0, 0], &node_work[1, 0], &node_work[2, 0]
    w.event_nodes, w.slice_nodes = &node_work[3, 0], &node_work[5, 0]
    w.now, w.slice_spins, w.event_kink, w.decisions = (
        &byte_work[0, 0], &byte_work[1, 0], &byte_work[2, 0], &byte_work[3, 0])
    w.event_time, w.exponents = &time_work[0, 0], &time_work[1, 0]
    for c in range(spins.shape[0]):
        w.stream = <bitgen_t *>PyCapsule_GetPointer(streams[c].capsule, "BitGenerator")
        w.spins, w.n_kinks = &spins[c, 0], &n_kinks[c]
        w.kink_times, w.kink_places = &kink_times[c, 0], &kink_places[c, 0]
        for s in range(values.shape[1]):
            for k in range(sweeps_per_sample):
                n_done += 1
                if n_done <= first_sweep:
                    continue
                if n_kinks[c] + most > w.capacity:
                    return n_done - 1
                with nogil:
                    if k < sweeps_per_sample - 1:
                        status = decompose(&w, 0)
                    else:
                        status = sweep_measured(&w, improved, times, phases, pairs, pair_weights, &sums[0, 0],
                                                &values[c, s, 0], n_columns)
                    if status == 0:
                        decide(&w)
                        flip(&w)
                if status:
                    return -1
    return n_done
