"""One chain of world lines in continuous time: what sweeps change, and what estimates read."""

from libc.stdint cimport int8_t, int32_t, int64_t
from numpy.random.bit_generator cimport bitgen_t

# One chain, what drives it, and the work space of a sweep.
cdef struct Paths:
    Py_ssize_t n_sites, n_channels, n_times, capacity
    double beta, rate
    const int32_t *place_sites
    const double *kink_break_ups
    const int8_t *negative
    const int32_t *channel_place
    const int8_t *channel_kind
    const double *keep
    const int32_t *alias
    const double *field
    const double *flips
    const int32_t *neighbour_start
    const int32_t *neighbours
    const double *couplings
    bitgen_t *stream
    int8_t *spins
    int64_t *n_kinks
    double *kink_times
    int32_t *kink_places
    # of a sweep: nodes are pieces of world lines between break-ups
    Py_ssize_t n_nodes, n_events, n_break_ups
    double *since
    double *lines
    int32_t *current
    int32_t *parents
    int32_t *event_place
    int32_t *event_nodes
    int32_t *slice_nodes
    int8_t *now
    int8_t *slice_spins
    int8_t *event_kink
    int8_t *decisions
    double *exponents
    double *event_time
