"""What a move changes in the sides of an exchange permanent: A, sites with both spins up, and B, both down."""

from libc.stdint cimport int8_t

from hpc_nqs.kernels.moves cimport Proposal, changed_sites


cdef inline void flip(const int8_t *visible, Py_ssize_t unit, Py_ssize_t n_sites, SideChange *change) noexcept nogil:
    """Note that a site with one flip leaves a side, or joins that of the spin that stays."""
    cdef Py_ssize_t site = unit if unit < n_sites else unit - n_sites
    cdef int side = visible[site if unit >= n_sites else unit + n_sites] > 0
    if visible[site] == visible[site + n_sites]:
        change.leaving[side][change.n_leaving[side]] = site
        change.n_leaving[side] += 1
    else:
        change.joining[side][change.n_joining[side]] = site
        change.n_joining[side] += 1


cdef bint read_sides(const int8_t *visible, const Proposal *proposal, Py_ssize_t n_sites,
                     SideChange *change) noexcept nogil:
    """Find the sites that leave and join A and B in a move; return whether there are any."""
    cdef Py_ssize_t first = proposal.flips[0], second = proposal.flips[1]
    cdef int q, before, after
    cdef Py_ssize_t[4] sites
    cdef int8_t[4] sigma
    cdef int8_t[4] ancilla
    cdef bint changes = False
    for q in range(2):
        change.n_leaving[q] = change.n_joining[q] = 0
    if proposal.n_flips == 2 and first - second != n_sites and second - first != n_sites:
        flip(visible, first, n_sites, change)
        flip(visible, second, n_sites, change)
        return True
    for q in range(changed_sites(visible, proposal, n_sites, &sites[0], &sigma[0], &ancilla[0])):
        before, after = visible[sites[q]] + visible[sites[q] + n_sites], sigma[q] + ancilla[q]
        if before == after:
            continue
        changes = True
        if before != 0:
            change.leaving[before > 0][change.n_leaving[before > 0]] = sites[q]
            change.n_leaving[before > 0] += 1
        if after != 0:
            change.joining[after > 0][change.n_joining[after > 0]] = sites[q]
            change.n_joining[after > 0] += 1
    return changes
