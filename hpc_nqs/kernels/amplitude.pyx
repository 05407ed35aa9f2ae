"""The interface through which chains and local energies see a wave function."""

from libc.stdint cimport int8_t

import numpy as np


cdef class Amplitude:
    """A wave function prepared for one set of parameters, with the state of one configuration.

    Attributes
    ----------
    n_visible, n_params : int
    width : int
        Doubles per number: 1 for a real wave function, 2 for a complex one.

    Notes
    -----
    Compiled code calls, for one configuration `visible` (n_visible int8, +1/-1):

    refresh(visible)
        Rebuild the state from scratch.
    ratio(visible, proposal)
        Psi(new) / Psi(visible); the state must belong to `visible`.
    accept(visible, proposal)
        Move the state along; `visible` is still the old configuration.
    log_psi(visible)
        ln Psi of the state.
    log_derivs(visible, out)
        O_k = d ln Psi / d params_k; n_params numbers of `width` doubles.
    """

    cdef void refresh(self, const int8_t *visible) noexcept nogil:
        pass

    cdef double complex ratio(self, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        return 0

    cdef void accept(self, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        pass

    cdef double complex log_psi(self, const int8_t *visible) noexcept nogil:
        return 0

    cdef void log_derivs(self, const int8_t *visible, double *out) noexcept nogil:
        pass


def log_psi(Amplitude amplitude, const int8_t[:, ::1] configurations, double complex[::1] out):
    """Write ln Psi of every configuration (n, n_visible) to `out` (n,)."""
    cdef Py_ssize_t i
    with nogil:
        for i in range(configurations.shape[0]):
            amplitude.refresh(&configurations[i, 0])
            out[i] = amplitude.log_psi(&configurations[i, 0])


def log_derivs(Amplitude amplitude, const int8_t[:, ::1] configurations, double[:, ::1] out):
    """Write O_k of every configuration to `out` (n, n_params * width)."""
    cdef Py_ssize_t i
    with nogil:
        for i in range(configurations.shape[0]):
            amplitude.refresh(&configurations[i, 0])
            amplitude.log_derivs(&configurations[i, 0], &out[i, 0])
