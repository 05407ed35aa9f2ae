"""Components of the graph of pairs between two sets of as many sites."""


cdef int pair_components(const int[:, ::1] pair_param, const Py_ssize_t *down, const Py_ssize_t *up, Py_ssize_t size,
                         Py_ssize_t max_pairs, int *of_down, int *of_up, int *n_pairs) noexcept nogil:
    """Label the sites of two sets by component.

    Parameters
    ----------
    pair_param : (n_sites, n_sites) int32
        Not 0 where two sites are joined.
    down, up : (size,) intp
    max_pairs : int
        The most that a component may have of either set.
    of_down, of_up : (size,) int32, output
        Components, numbered in the order of their first site of `down`.
    n_pairs : (size,) int32, output
        Sites of either set in a component.

    Returns
    -------
    int
        Number of components, -1 where one has more of one set than of the other or more than `max_pairs`; the output
        is then worthless.
    """
    cdef Py_ssize_t i, k, other
    cdef int n = 0, c, kept, merged, n_up
    for k in range(size):
        of_down[k] = <int>k
    for i in range(size):
        kept = -1
        for k in range(size):
            if pair_param[up[i], down[k]] == 0 or of_down[k] == kept:
                continue
            if kept < 0:
                kept = of_down[k]
                continue
            merged = of_down[k]
            for other in range(size):
                if of_down[other] == merged:
                    of_down[other] = kept
            for other in range(i):
                if of_up[other] == merged:
                    of_up[other] = kept
        if kept < 0:
            return -1
        of_up[i] = kept
    for k in range(size):
        c = of_down[k]
        if c < 0:  # numbered already, as -1 - n
            continue
        n_pairs[n] = n_up = 0
        for i in range(size):
            if of_down[i] == c:
                of_down[i] = -1 - n
                n_pairs[n] += 1
            if of_up[i] == c:
                of_up[i] = -1 - n
                n_up += 1
        if n_up != n_pairs[n] or n_up > max_pairs:
            return -1
        n += 1
    for k in range(size):
        of_down[k] = -1 - of_down[k]
        of_up[k] = -1 - of_up[k]
    return n
