cdef int pair_components(const int[:, ::1] pair_param, const Py_ssize_t *down, const Py_ssize_t *up, Py_ssize_t size,
                         Py_ssize_t max_pairs, int *of_down, int *of_up, int *n_pairs) noexcept nogil
