"""Sums over the pairs of sites of every class: what correlations and control variates are made of."""

cdef enum:
    LANES = 8  # configurations side by side
N_LANES = LANES  # for Python


def class_sums(const double[:, ::1] first, const double[:, ::1] second, const Py_ssize_t[:, ::1] pairs,
               const Py_ssize_t[::1] starts, double[:, ::1] first_room, double[:, ::1] second_room,
               double[:, ::1] out):
    """Add sum over the pairs (i, j) of every class of first_i second_j + first_j second_i to `out`, *in place*.

    Parameters
    ----------
    first, second : (n, n_sites) float64
    pairs : (n_pairs, 2) intp
        Those of the first class, of the second, ...
    starts : (n_classes + 1,) intp
        Where the pairs of every class begin, and the number of all.
    first_room, second_room : (n_sites, N_LANES) float64
        Room for configurations side by side.
    out : (n, n_classes) float64, in place
    """
    cdef Py_ssize_t n = first.shape[0], n_sites = first.shape[1], n_classes = starts.shape[0] - 1
    cdef Py_ssize_t block, begin, row, width, site, each, p
    cdef double *x = &first_room[0, 0]
    cdef double *y = &second_room[0, 0]
    cdef double *x_i
    cdef double *x_j
    cdef double *y_i
    cdef double *y_j
    cdef double[LANES] total
    cdef int lane
    with nogil:
        for block in range((n + LANES - 1) // LANES):
            begin = block * LANES
            width = min(LANES, n - begin)
            for site in range(n_sites):
                for lane in range(LANES):
                    row = begin + lane if lane < width else begin
                    x[site * LANES + lane] = first[row, site]
                    y[site * LANES + lane] = second[row, site]
            for each in range(n_classes):
                for lane in range(LANES):
                    total[lane] = 0
                for p in range(starts[each], starts[each + 1]):
                    x_i, x_j = x + pairs[p, 0] * LANES, x + pairs[p, 1] * LANES
                    y_i, y_j = y + pairs[p, 0] * LANES, y + pairs[p, 1] * LANES
                    for lane in range(LANES):
                        total[lane] += x_i[lane] * y_j[lane] + x_j[lane] * y_i[lane]
                for lane in range(<int>width):
                    out[begin + lane, each] += total[lane]
