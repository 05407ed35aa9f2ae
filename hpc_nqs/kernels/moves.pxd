from libc.stdint cimport int8_t

cdef enum MoveKind:
    EXCHANGE = 0        # two antiparallel spins trade places
    JOINT_EXCHANGE = 1  # (sigma, ancilla) of two sites trade places
    FLIP = 2            # one spin
    JOINT_FLIP = 3      # sigma and ancilla of one site
    TWO_EXCHANGES = 4   # two exchanges on one layer
    JOINT_TWO_EXCHANGES = 5  # the same on both layers
    OPPOSITE_EXCHANGES = 6   # two exchanges in opposite directions
    PAIR_FLIP = 7            # two parallel spins
    JOINT_PAIR_FLIP = 8      # sigma and ancilla of two sites, parallel on either layer

cdef struct Proposal:
    int n_flips
    Py_ssize_t flips[8]  # an exchange lists its antiparallel pairs (0, 1), (2, 3), ...
    Py_ssize_t entry     # row of the amplitude's tables
    double sign          # the tables hold the change for sign = +1

cdef class MoveSet:
    cdef const int8_t[::1] kind
    cdef const int8_t[::1] n_variants
    cdef const Py_ssize_t[:, ::1] sites, second
    cdef const Py_ssize_t[::1] entry
    cdef Py_ssize_t n_sites
    cdef bint propose(self, Py_ssize_t move, const int8_t *visible, Proposal *proposal) noexcept nogil

cdef inline int changed_sites(const int8_t *visible, const Proposal *proposal, Py_ssize_t n_sites, Py_ssize_t *sites,
                              int8_t *sigma, int8_t *ancilla) noexcept nogil:
    # fill the sites of a doubled system that a move touches, up to 4, and their spins after it; return their number
    cdef int p, q, n = 0
    cdef Py_ssize_t unit, site
    for p in range(proposal.n_flips):
        unit = proposal.flips[p]
        site = unit if unit < n_sites else unit - n_sites
        q = 0
        while q < n and sites[q] != site:
            q += 1
        if q == n:
            sites[n], sigma[n], ancilla[n] = site, visible[site], visible[site + n_sites]
            n += 1
        if unit == site:
            sigma[q] = -sigma[q]
        else:
            ancilla[q] = -ancilla[q]
    return n
