"""Softened permanent: w = sqrt(perm[r]^2 + share^2 perm[|r|]^2), a density without the nodes of an exchange permanent.

perm[|r|] >= |perm[r]| is how large a permanent can be: near a node of perm[r] w is a share of it, away from nodes
|perm[r]| and at most sqrt(1 + share^2) times as much.  w vanishes only where no matching has an amplitude.

A state holds the states of both permanents, which share the lists of mismatched sites and their components, and w over
the largest entry of r.  Ratios are those of w, never of perm[r]: a move into or out of a zero of perm[r] is like any
other, and cancellation in perm[r] costs no digits of w beyond those of the share.
"""

from libc.math cimport INFINITY, log, sqrt
from libc.stdint cimport int8_t

import numpy as np

from hpc_nqs.kernels.amplitude cimport BLOCK, Amplitude
from hpc_nqs.kernels.moves cimport Proposal
from hpc_nqs.kernels.permanent cimport PermanentAmplitude
from hpc_nqs.kernels.sides cimport UP, read_sides

cdef class SoftenedPermanentAmplitude(Amplitude):
    """w at fixed parameters; `wavefunctions.softened_permanent.SoftenedPermanent.amplitude` makes it.

    Parameters
    ----------
    exchange, pair_param, max_pairs
        As for `PermanentAmplitude`.
    share : float
        Above 0.

    Notes
    -----
    A density to sample from: it has no parameters and no log-derivatives.
    """

    cdef PermanentAmplitude signed, positive
    cdef double share
    cdef double[::1] weight  # w, scaled (BLOCK,)

    def __init__(self, exchange, pair_param, max_pairs, share):
        self.signed = signed = PermanentAmplitude(exchange, pair_param, 0, max_pairs)
        self.positive = positive = PermanentAmplitude(np.abs(exchange), pair_param, 0, max_pairs)
        signed.keeps_minors = positive.keeps_minors = False
        self.width, self.n_visible, self.n_params = 1, signed.n_visible, 0
        self.share = share
        self.weight = np.zeros(BLOCK)
        # one set of lists, which `signed` keeps
        positive.sides, positive.n_side, positive.place = signed.sides, signed.n_side, signed.place
        positive.labels, positive.n_pairs, positive.n_components = signed.labels, signed.n_pairs, signed.n_components

    def sibling(self):
        return SoftenedPermanentAmplitude(np.asarray(self.signed.exchange), np.asarray(self.signed.pair_param),
                                          self.signed.max_pairs, self.share)

    cdef double softened(self, double signed, double positive) noexcept nogil:
        """Return w of both scaled permanents; squares of their quotient do not underflow."""
        cdef double cosine
        if not positive > 0:
            return 0
        cosine = signed / positive
        return positive * sqrt(cosine * cosine + self.share * self.share)

    cdef void refresh(self, const int8_t *visible, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t row
        self.signed.refresh(visible, n)
        for row in range(n):
            self.positive.sum_permanent(row)
            self.weight[row] = self.softened(self.signed.value[row], self.positive.value[row])

    cdef double complex ratio(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef double weight
        if not read_sides(visible, proposal, self.signed.n_sites, &self.signed.change):
            return 1
        if self.weight[row] == 0:
            return 0
        self.positive.change = self.signed.change
        weight = self.softened(self.signed.new_permanent(row), self.positive.new_permanent(row))
        return self.signed.unscaled(weight / self.weight[row])

    cdef void accept(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        if not read_sides(visible, proposal, self.signed.n_sites, &self.signed.change):
            return
        self.signed.make_move(row)
        self.positive.sum_permanent(row)
        self.weight[row] = self.softened(self.signed.value[row], self.positive.value[row])

    cdef double complex log_psi(self, Py_ssize_t row, const int8_t *visible) noexcept nogil:
        if self.weight[row] == 0:
            return -INFINITY
        return log(self.weight[row]) + self.signed.n_side[row, UP] * log(self.signed.scale)
