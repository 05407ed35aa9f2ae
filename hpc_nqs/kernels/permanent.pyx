"""Exchange permanent: Psi = perm[r_ik], i over the mismatched sites of A and k over those of B.

Site i is mismatched where sigma_i = ancilla_i: A has both up, B both down, and Sz conservation gives as many sites k of
either.  Exchanges take the up-spins from B to A; they are bosons, so the amplitudes of all ways to undo the mismatches
add.  The permanent of no sites is 1.

An exchange on one layer replaces a row or a column, adds one of both, or takes one of both away.  The first minors m_ik
of a configuration give its permanent in all cases, with a' and b' the new sites of A and B:

    sum_k r_a'k m_ak,   sum_i r_ib' m_ib,   r_a'b' perm + sum_ik r_a'k r_ib' m_ik,   m_ab.

They are summed once for a configuration, at the first ratio, and serve local energies and log-derivatives.  Where many
ratios are to come, the first two sums are those of all sites at once, and the third has a single sum over the first.

Pairs of sites without a parameter have r = 0.  Where there are such, permanents are products over the components of
the graph of all other pairs between A and B, each with as many sites of A and of B.  Psi = 0 where one of them has
more than `max_pairs` of either.

A state holds the lists of A and B, their components, and the permanent and minors of r over its largest entry, which
keeps them from underflow.
"""

from libc.math cimport INFINITY, fabs, isfinite, log, pi
from libc.stdint cimport int8_t

import numpy as np

from hpc_nqs.kernels.amplitude cimport BLOCK
from hpc_nqs.kernels.components cimport pair_components
from hpc_nqs.kernels.moves cimport Proposal
from hpc_nqs.kernels.sides cimport DOWN, UP, read_sides

cdef extern from "nqs_permanent.h" nogil:
    double nqs_permanent(const double *, int, double *)
    void nqs_permanent_minors(const double *, int, const double *, double *, double *)
    void nqs_permanent_moves(const double *, Py_ssize_t, const Py_ssize_t *, const Py_ssize_t *, Py_ssize_t,
                             const double *, double *, double *)


cdef class PermanentAmplitude(Amplitude):
    """One permanent at fixed parameters; `wavefunctions.exchange_permanent.ExchangePermanent.amplitude` makes it.

    Parameters
    ----------
    exchange : (n_sites, n_sites) float64
        r, symmetric; 0 where there is no parameter.
    pair_param : (n_sites, n_sites) int32
        1 + k of the parameter behind each entry; 0: none.
    n_params : int
    max_pairs : int
        Largest k of a component, 24 at most; memory and time grow as 2^k.

    Notes
    -----
    A and B must have as many sites: proposals must conserve Sz of both layers together.
    """

    def __init__(self, exchange, pair_param, n_params, max_pairs):
        self.width = 1
        self.n_sites = len(exchange)
        self.n_visible = 2 * self.n_sites
        self.n_params = n_params
        half = self.n_sites // 2
        self.max_pairs = size = min(max_pairs, half)
        self.exchange, self.pair_param = exchange, pair_param
        self.factorizes = bool((np.asarray(pair_param) == 0).sum() > self.n_sites)
        self.room = room = half + 1
        self.scale = np.abs(exchange).max() or 1.0
        self.scaled = np.asarray(exchange) / self.scale
        self.sides = np.zeros((BLOCK, 2, self.n_sites), dtype=np.intp)
        self.n_side = np.zeros((BLOCK, 2), dtype=np.intp)
        self.place = np.zeros((BLOCK, self.n_sites), dtype=np.intp)
        self.value = np.ones(BLOCK)
        self.minors = np.zeros((BLOCK, room * room))
        self.has_minors, self.n_components = np.zeros(BLOCK, dtype=np.intc), np.zeros(BLOCK, dtype=np.intc)
        self.moved_up, self.moved_down = (np.zeros((BLOCK, room * self.n_sites)) for _ in range(2))
        self.has_moves, self.keeps_minors = np.zeros(BLOCK, dtype=np.intc), True
        self.labels, self.n_pairs = np.zeros((BLOCK, 2, room), dtype=np.intc), np.zeros((BLOCK, room), dtype=np.intc)
        self.summed = -1
        self.new_sides = np.zeros((2, self.n_sites), dtype=np.intp)
        self.new_labels, self.members = np.zeros((2, room), dtype=np.intc), np.zeros((2, room), dtype=np.intc)
        self.new_pairs, self.factors = np.zeros(room, dtype=np.intc), np.zeros(room)
        self.matrix, self.block_minors = np.zeros(size * size + 1), np.zeros(size * size + 1)
        # pages that no permanent has come to yet take no memory
        self.heads, self.tails = np.zeros((half // max(size, 1) + 1) << size), np.zeros(1 << size)

    def sibling(self):
        return PermanentAmplitude(np.asarray(self.exchange), np.asarray(self.pair_param), self.n_params, self.max_pairs)

    # ---- sums over matchings ---------------------------------------------------------------------------------------

    cdef int gather(self, const Py_ssize_t *down, const Py_ssize_t *up, Py_ssize_t size, const int *of_down,
                    const int *of_up, int component) noexcept nogil:
        """Fill `matrix` and `members` with one component; return its number of pairs."""
        cdef int n_up = 0, n_down = 0, i, k
        for i in range(<int>size):
            if of_up[i] == component:
                self.members[UP, n_up] = i
                n_up += 1
            if of_down[i] == component:
                self.members[DOWN, n_down] = i
                n_down += 1
        for i in range(n_up):
            for k in range(n_down):
                self.matrix[i * n_up + k] = self.scaled[up[self.members[UP, i]], down[self.members[DOWN, k]]]
        return n_up

    cdef void gather_all(self, const Py_ssize_t *down, const Py_ssize_t *up, Py_ssize_t size) noexcept nogil:
        """Fill `matrix` where there is one component."""
        cdef Py_ssize_t i, k
        cdef const double *row
        for i in range(size):
            row = &self.scaled[up[i], 0]
            for k in range(size):
                self.matrix[i * size + k] = row[down[k]]

    cdef void sum_permanent(self, Py_ssize_t row) noexcept nogil:
        """Find the components of a row and the scaled permanent; `heads` then belongs to it."""
        cdef Py_ssize_t *down = &self.sides[row, DOWN, 0]
        cdef Py_ssize_t *up = &self.sides[row, UP, 0]
        cdef int *of_down = &self.labels[row, DOWN, 0]
        cdef int *of_up = &self.labels[row, UP, 0]
        cdef Py_ssize_t size = self.n_side[row, UP], start = 0
        cdef int n, c, n_pairs
        self.has_minors[row], self.has_moves[row], self.summed = False, False, row
        if not self.factorizes:
            self.n_components[row], self.value[row] = -1, 0
            if size <= self.max_pairs:
                self.gather_all(down, up, size)
                self.value[row] = nqs_permanent(&self.matrix[0], <int>size, &self.heads[0])
                self.n_components[row] = size > 0
            return
        n = pair_components(self.pair_param, down, up, size, self.max_pairs, of_down, of_up, &self.n_pairs[row, 0])
        self.n_components[row], self.value[row] = n, 0 if n < 0 else 1
        for c in range(n):
            n_pairs = self.gather(down, up, size, of_down, of_up, c)
            self.factors[c] = nqs_permanent(&self.matrix[0], n_pairs, &self.heads[start])
            self.value[row] *= self.factors[c]
            start += <Py_ssize_t>1 << n_pairs

    cdef void sum_minors(self, Py_ssize_t row) noexcept nogil:
        """Fill the scaled first minors of a row, unless they are there."""
        cdef Py_ssize_t *down = &self.sides[row, DOWN, 0]
        cdef Py_ssize_t *up = &self.sides[row, UP, 0]
        cdef int *of_down = &self.labels[row, DOWN, 0]
        cdef int *of_up = &self.labels[row, UP, 0]
        cdef Py_ssize_t size = self.n_side[row, UP], start = 0
        cdef int n = self.n_components[row], c, other, i, k, n_pairs
        cdef double others
        if self.has_minors[row]:
            return
        if self.summed != row:
            self.sum_permanent(row)
        self.has_minors[row] = True
        if not self.factorizes:
            if n > 0:
                self.gather_all(down, up, size)
                nqs_permanent_minors(&self.matrix[0], <int>size, &self.heads[0], &self.tails[0], &self.minors[row, 0])
            return
        for i in range(<int>(size * size)):
            self.minors[row, i] = 0
        for c in range(n):
            n_pairs = self.gather(down, up, size, of_down, of_up, c)
            nqs_permanent_minors(&self.matrix[0], n_pairs, &self.heads[start], &self.tails[0], &self.block_minors[0])
            start += <Py_ssize_t>1 << n_pairs
            others = 1
            for other in range(n):
                if other != c:
                    others *= self.factors[other]
            for i in range(n_pairs):
                for k in range(n_pairs):
                    self.minors[row, self.members[UP, i] * size + self.members[DOWN, k]] = (
                        others * self.block_minors[i * n_pairs + k])

    cdef double fresh_permanent(self, Py_ssize_t row) noexcept nogil:
        """Return the scaled permanent after the move of `change`, from its lists."""
        cdef Py_ssize_t *down = &self.new_sides[DOWN, 0]
        cdef Py_ssize_t *up = &self.new_sides[UP, 0]
        cdef int *of_down = &self.new_labels[DOWN, 0]
        cdef int *of_up = &self.new_labels[UP, 0]
        cdef Py_ssize_t size = self.n_side[row, UP] - self.change.n_leaving[UP] + self.change.n_joining[UP]
        cdef int c, n, n_pairs
        cdef double value = 1
        self.fill_lists(row)
        if not self.factorizes:
            if size > self.max_pairs:
                return 0
            self.gather_all(down, up, size)
            return nqs_permanent(&self.matrix[0], <int>size, &self.tails[0])
        n = pair_components(self.pair_param, down, up, size, self.max_pairs, of_down, of_up, &self.new_pairs[0])
        for c in range(n):
            n_pairs = self.gather(down, up, size, of_down, of_up, c)
            value *= nqs_permanent(&self.matrix[0], n_pairs, &self.tails[0])
        return 0 if n < 0 else value

    # ---- moves -----------------------------------------------------------------------------------------------------

    cdef void fill_lists(self, Py_ssize_t row) noexcept nogil:
        """Write the lists after the move to `new_sides`: who leaves makes way for who joins, or for the last one."""
        cdef int side, q
        cdef Py_ssize_t n, i, hole
        for side in range(2):
            n = self.n_side[row, side]
            for i in range(n):
                self.new_sides[side, i] = self.sides[row, side, i]
            for q in range(self.change.n_joining[side]):
                if q < self.change.n_leaving[side]:
                    self.new_sides[side, self.place[row, self.change.leaving[side][q]]] = self.change.joining[side][q]
                else:
                    self.new_sides[side, n] = self.change.joining[side][q]
                    n += 1
            for q in range(self.change.n_joining[side], self.change.n_leaving[side]):
                hole = 0
                while self.new_sides[side, hole] != self.change.leaving[side][q]:
                    hole += 1
                n -= 1
                self.new_sides[side, hole] = self.new_sides[side, n]

    cdef bint may_be_too_large(self, Py_ssize_t row) noexcept nogil:
        """Whether a component that the move touches might have more than `max_pairs` pairs afterwards."""
        cdef Py_ssize_t size = self.n_side[row, UP], k, total = self.change.n_joining[UP]
        cdef int side, q, c
        cdef Py_ssize_t site
        cdef bint touched
        if size + self.change.n_joining[UP] - self.change.n_leaving[UP] <= self.max_pairs:
            return False
        if not self.factorizes:
            return True
        for c in range(self.n_components[row]):
            touched = False
            for side in range(2):
                for k in range(size):
                    if self.labels[row, side, k] != c:
                        continue
                    site = self.sides[row, side, k]
                    for q in range(self.change.n_leaving[side]):
                        touched |= self.change.leaving[side][q] == site
                    for q in range(self.change.n_joining[1 - side]):
                        touched |= self.pair_param[self.change.joining[1 - side][q], site] != 0
            if touched:
                total += self.n_pairs[row, c]
        return total > self.max_pairs

    cdef double new_permanent(self, Py_ssize_t row) noexcept nogil:
        """Return the scaled permanent after the move of `change`."""
        cdef Py_ssize_t *up = &self.sides[row, UP, 0]
        cdef Py_ssize_t *down = &self.sides[row, DOWN, 0]
        cdef Py_ssize_t size = self.n_side[row, UP], i, k, new_up, new_down, old_up = 0, old_down = 0
        cdef bint up_leaves = self.change.n_leaving[UP] > 0, down_leaves = self.change.n_leaving[DOWN] > 0
        cdef bint up_joins = self.change.n_joining[UP] > 0, down_joins = self.change.n_joining[DOWN] > 0
        cdef double total = 0, sum
        cdef const double *minors = &self.minors[row, 0]
        cdef bint known = self.has_moves[row]
        cdef int side
        for side in range(2):
            if self.change.n_leaving[side] > 1 or self.change.n_joining[side] > 1:
                return self.fresh_permanent(row)
        if (up_leaves and up_joins and down_leaves) or self.may_be_too_large(row):
            return self.fresh_permanent(row)
        self.sum_minors(row)
        new_up, new_down = self.change.joining[UP][0], self.change.joining[DOWN][0]
        if up_leaves:
            old_up = self.place[row, self.change.leaving[UP][0]]
        if down_leaves:
            old_down = self.place[row, self.change.leaving[DOWN][0]]
        if up_leaves and down_leaves:
            return minors[old_up * size + old_down]
        if up_leaves:
            if known:
                return self.moved_up[row, old_up * self.n_sites + new_up]
            for k in range(size):
                total += self.scaled[new_up, down[k]] * minors[old_up * size + k]
            return total
        if down_leaves:
            if known:
                return self.moved_down[row, old_down * self.n_sites + new_down]
            for i in range(size):
                total += self.scaled[new_down, up[i]] * minors[i * size + old_down]
            return total
        if known:
            for i in range(size):
                total += self.scaled[new_down, up[i]] * self.moved_up[row, i * self.n_sites + new_up]
            return total + self.scaled[new_up, new_down] * self.value[row]
        for i in range(size):
            sum = 0
            for k in range(size):
                sum += self.scaled[new_up, down[k]] * minors[i * size + k]
            total += self.scaled[new_down, up[i]] * sum
        return total + self.scaled[new_up, new_down] * self.value[row]

    cdef double unscaled(self, double ratio) noexcept nogil:
        """Return the ratio of permanents of a ratio of scaled ones, of the move of `change`; 0: no number."""
        if self.change.n_joining[UP] > self.change.n_leaving[UP]:
            ratio *= self.scale
        elif self.change.n_joining[UP] < self.change.n_leaving[UP]:
            ratio /= self.scale
        return ratio if isfinite(ratio) else 0

    cdef void make_move(self, Py_ssize_t row) noexcept nogil:
        """Move the state of a row along with the move of `change`."""
        cdef Py_ssize_t side, i
        self.fill_lists(row)
        for side in range(2):
            self.n_side[row, side] += self.change.n_joining[side] - self.change.n_leaving[side]
            for i in range(self.n_side[row, side]):
                self.sides[row, side, i] = self.new_sides[side, i]
                self.place[row, self.new_sides[side, i]] = i
        self.sum_permanent(row)

    # ---- what an amplitude does ------------------------------------------------------------------------------------

    cdef void refresh(self, const int8_t *visible, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t row, i, side
        cdef const int8_t *spins
        for row in range(n):
            spins = visible + row * self.n_visible
            self.n_side[row, 0] = self.n_side[row, 1] = 0
            for i in range(self.n_sites):
                if spins[i] == spins[i + self.n_sites]:
                    side = spins[i] > 0
                    self.place[row, i] = self.n_side[row, side]
                    self.sides[row, side, self.n_side[row, side]] = i
                    self.n_side[row, side] += 1
            self.sum_permanent(row)
            if n > 1 and self.keeps_minors:  # for local energies or log-derivatives, while `heads` belongs to this row
                self.sum_minors(row)

    cdef void anticipate(self, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t row
        for row in range(n):
            if self.value[row] == 0:
                continue
            self.sum_minors(row)
            nqs_permanent_moves(&self.scaled[0, 0], self.n_sites, &self.sides[row, UP, 0], &self.sides[row, DOWN, 0],
                                self.n_side[row, UP], &self.minors[row, 0], &self.moved_up[row, 0],
                                &self.moved_down[row, 0])
            self.has_moves[row] = True

    cdef double complex ratio(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        if not read_sides(visible, proposal, self.n_sites, &self.change):
            return 1
        if self.value[row] == 0:
            return 0
        return self.unscaled(self.new_permanent(row) / self.value[row])

    cdef void accept(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        if read_sides(visible, proposal, self.n_sites, &self.change):
            self.make_move(row)

    cdef double complex log_psi(self, Py_ssize_t row, const int8_t *visible) noexcept nogil:
        cdef double value = self.value[row]
        if value == 0:
            return -INFINITY
        return log(fabs(value)) + self.n_side[row, UP] * log(self.scale) + (1j * pi if value < 0 else 0)

    cdef void log_derivs(self, const int8_t *visible, Py_ssize_t n, double *out, Py_ssize_t stride) noexcept nogil:
        cdef Py_ssize_t row, i, k, p, size
        cdef int param
        for row in range(n):
            for p in range(self.n_params):
                out[row * stride + p] = 0
            if self.value[row] == 0:
                continue
            self.sum_minors(row)
            size = self.n_side[row, UP]
            for i in range(size):
                for k in range(size):
                    param = self.pair_param[self.sides[row, UP, i], self.sides[row, DOWN, k]]
                    if param > 0:
                        out[row * stride + param - 1] += self.minors[row, i * size + k] / (self.value[row] * self.scale)
