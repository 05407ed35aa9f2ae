"""The interface through which chains and local energies see a wave function."""

from libc.stdint cimport int8_t


cdef class Amplitude:
    """A wave function prepared for one set of parameters, with the states of up to BLOCK configurations.

    Attributes
    ----------
    n_visible, n_params : int
    width : int
        Doubles per number: 1 for a real wave function, 2 for a complex one.

    Notes
    -----
    Compiled code calls, for configurations `visible` (int8, +1/-1; n rows of n_visible, or the one of a `row`):

    refresh(visible, n)
        Rebuild the states of rows 0..n-1 from scratch, n <= BLOCK.
    anticipate(n)
        Many ratios of the states of rows 0..n-1 will be asked for before they change: sum what these share.
    ratio(row, visible, proposal)
        Psi(new) / Psi(visible); the state of `row` must belong to `visible`.
    accept(row, visible, proposal)
        Move the state of `row` along; `visible` is still the old configuration.
    log_psi(row, visible)
        ln Psi of the state of `row`.
    log_derivs(visible, n, out, stride)
        O_k = d ln Psi / d params_k of the states of rows 0..n-1; n_params numbers of `width` doubles each,
        rows of `out` are `stride` doubles apart.
    """

    def sibling(self):
        """Return the same wave function with states of its own; tables are shared."""
        raise NotImplementedError

    cdef void refresh(self, const int8_t *visible, Py_ssize_t n) noexcept nogil:
        pass

    cdef void anticipate(self, Py_ssize_t n) noexcept nogil:
        pass

    cdef double complex ratio(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        return 0

    cdef void accept(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        pass

    cdef double complex log_psi(self, Py_ssize_t row, const int8_t *visible) noexcept nogil:
        return 0

    cdef void log_derivs(self, const int8_t *visible, Py_ssize_t n, double *out, Py_ssize_t stride) noexcept nogil:
        pass


def log_psi(Amplitude amplitude, const int8_t[:, ::1] configurations, double complex[::1] out):
    """Write ln Psi of every configuration (n, n_visible) to `out` (n,)."""
    cdef Py_ssize_t first = 0, row, n
    with nogil:
        while first < configurations.shape[0]:
            n = min(configurations.shape[0] - first, BLOCK)
            amplitude.refresh(&configurations[first, 0], n)
            for row in range(n):
                out[first + row] = amplitude.log_psi(row, &configurations[first + row, 0])
            first += n


def log_derivs(Amplitude amplitude, const int8_t[:, ::1] configurations, double[:, ::1] out):
    """Write O_k of every configuration to `out` (n, n_params * width)."""
    cdef Py_ssize_t first = 0, n
    with nogil:
        while first < configurations.shape[0]:
            n = min(configurations.shape[0] - first, BLOCK)
            amplitude.refresh(&configurations[first, 0], n)
            if out.shape[1] > 0:  # a density has no parameters
                amplitude.log_derivs(&configurations[first, 0], n, &out[first, 0], out.shape[1])
            first += n
