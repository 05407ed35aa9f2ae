"""Derivatives by beta of the logarithm of the weight of world lines in continuous time, and averages of them.

Times are those of `continuous_worldlines`, from 0 to 1; couplings and fields are energies.
"""

from libc.math cimport exp, sqrt
from libc.stdint cimport int32_t

from hpc_nqs.kernels.worldlines cimport FIRST, SECOND, SIGN


cdef inline double along_z(const Paths *w, Py_ssize_t site) noexcept nogil:
    """Field on a site, in units of energy."""
    return w.field[site] if w.field != NULL else 0.0


cdef void add_derivatives(const Paths *w, double *out) noexcept nogil:
    """Add sign and derivatives of ln(weight) by beta: n_kinks / beta - mean diagonal energy, -n_kinks / beta^2."""
    cdef Py_ssize_t i, k, p, side
    cdef int32_t site
    cdef int parity = 0
    cdef double energy = 0.0, mean = 0.0, local, last = 0.0
    for i in range(w.n_sites):
        w.now[i] = w.spins[i]
        local = 0.0
        for p in range(w.neighbour_start[i], w.neighbour_start[i + 1]):
            local += w.couplings[p] * w.spins[w.neighbours[p]]
        energy += (0.5 * local + along_z(w, i)) * w.spins[i]
    for k in range(w.n_kinks[0]):
        mean += energy * (w.kink_times[k] - last)
        last = w.kink_times[k]
        parity ^= w.negative[w.kink_places[k]]
        for side in range(2):
            site = w.place_sites[2 * w.kink_places[k] + side]
            if site < 0:
                continue
            local = along_z(w, site)
            for p in range(w.neighbour_start[site], w.neighbour_start[site + 1]):
                local += w.couplings[p] * w.now[w.neighbours[p]]
            energy -= 2.0 * local * w.now[site]
            w.now[site] = -w.now[site]
    mean += energy * (1.0 - last)
    out[SIGN] = -1.0 if parity else 1.0
    out[FIRST] = w.n_kinks[0] / w.beta - mean
    out[SECOND] = -w.n_kinks[0] / (w.beta * w.beta)


cdef inline void propagate(double *line, double field, double flip, double beta, double time) noexcept nogil:
    """Multiply the 2x2 matrix of a site and its derivative by those of the time since the last change around it.

    `line`: time of that change, sum of couplings times neighbours, matrix and derivative, as ++, +-, -+, -- each.
    """
    cdef double step = beta * (time - line[0])
    cdef double a = -step * (line[1] + field), b = step * flip
    cdef double slope_a = -step * (0.5 * line[1] + field)  # the energy of a bond is shared by its sites
    cdef double size = sqrt(a * a + b * b), decay = exp(-size), even, odd, curved, change
    even = 0.5 * (1.0 + decay * decay)
    if size > 1e-3:
        odd = 0.5 * (1.0 - decay * decay) / size
        curved = (even - odd) / (size * size)
    else:
        odd = (1.0 + size * size / 6.0) * decay
        curved = (1.0 / 3.0 + size * size / 30.0) * decay
    change = a * slope_a + b * b
    cdef double up = even + odd * a, down = even - odd * a, flipped = odd * b
    cdef double slope = odd * slope_a + curved * change * a
    cdef double d_up = odd * change + slope, d_down = odd * change - slope
    cdef double d_flipped = odd * b + curved * change * b
    cdef int column
    cdef double above, below, scale = 1.0
    for column in range(2):
        above, below = line[2 + column], line[4 + column]
        line[2 + column] = up * above + flipped * below
        line[4 + column] = flipped * above + down * below
        line[6 + column], line[8 + column] = (
            up * line[6 + column] + flipped * line[8 + column] + d_up * above + d_flipped * below,
            flipped * line[6 + column] + down * line[8 + column] + d_flipped * above + d_down * below,
        )
    if line[2] + line[5] < 1e-100:
        for column in range(2, 10):
            line[column] *= 1e100
    line[0] = time


cdef double conditional_derivative(const Paths *w) noexcept nogil:
    """Derivative by beta, the part of each site averaged over its world line given the others; places are sites."""
    cdef Py_ssize_t i, k, p
    cdef int32_t site
    cdef double total = 0.0
    cdef double *line
    for i in range(w.n_sites):
        line = w.lines + 10 * i
        line[0], line[1] = 0.0, 0.0
        line[2], line[3], line[4], line[5] = 1.0, 0.0, 0.0, 1.0
        line[6], line[7], line[8], line[9] = 0.0, 0.0, 0.0, 0.0
        for p in range(w.neighbour_start[i], w.neighbour_start[i + 1]):
            line[1] += w.couplings[p] * w.spins[w.neighbours[p]]
        w.now[i] = w.spins[i]
    for k in range(w.n_kinks[0]):
        site = w.place_sites[2 * w.kink_places[k]]
        for p in range(w.neighbour_start[site], w.neighbour_start[site + 1]):
            i = w.neighbours[p]
            propagate(w.lines + 10 * i, along_z(w, i), w.flips[i], w.beta, w.kink_times[k])
            w.lines[10 * i + 1] -= 2.0 * w.couplings[p] * w.now[site]
        w.now[site] = -w.now[site]
    for i in range(w.n_sites):
        line = w.lines + 10 * i
        propagate(line, along_z(w, i), w.flips[i], w.beta, 1.0)
        total += (line[6] + line[9]) / (line[2] + line[5])
    return total / w.beta


cdef double averaged_kinks(const Paths *w) noexcept nogil:
    """Number of kinks, averaged over all flips of clusters."""
    cdef Py_ssize_t k
    cdef double total = 0.0
    for k in range(w.n_events):
        if w.parents[w.event_nodes[2 * k]] == w.parents[w.event_nodes[2 * k + 1]]:
            total += w.event_kink[k]
        else:
            total += 0.5
    return total
