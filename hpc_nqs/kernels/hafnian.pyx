"""Exchange hafnian: Psi = haf[w_ik] over the mismatched sites, those with sigma_i = -ancilla_i.

H flips two spins at a time, antiparallel ones by exchange and parallel ones by terms that create pairs.  All ways to
match the mismatched sites in pairs add, each with the product of its factors

    w_ik = r_ik where sigma_i = -sigma_k,   q_ik where sigma_i = sigma_k.

The hafnian of no sites is 1, that of an odd number 0.  With q = 0 it is the permanent of r.  A field along x flips
single spins, too: a site may then be matched with none, with a factor l_i of its own (loop hafnian).

A term of H on one layer flips one site or two: they join the mismatched ones, take the place of others, or leave.  The
hafnians m_i and m_ik without one site and two give the new one in all cases, with a and b the sites that join:

    l_a haf + sum_k w_ak m_k,   m_i,   l_a m_i + sum_k w_ak m_ik,   m_ik,
    (w_ab + l_a l_b) haf + sum_k (l_a w_bk + l_b w_ak) m_k + sum_(i != k) w_ai w_bk m_ik.

They come with the hafnian, which is a sum over subsets of the sites.  Psi = 0 where there are more mismatched sites
than `max_sites`.

A state holds the list of mismatched sites with their sigma, and the hafnians of w over its largest entry, which keeps
them from underflow.
"""

from libc.math cimport INFINITY, fabs, isfinite, log, pi, pow, sqrt
from libc.stdint cimport int8_t

import numpy as np

from hpc_nqs.kernels.amplitude cimport BLOCK
from hpc_nqs.kernels.moves cimport Proposal, changed_sites

cdef extern from *:
    int __builtin_ctzl(unsigned long) nogil


cdef double sum_subsets(const double *matrix, Py_ssize_t size, double *subsets) noexcept nogil:
    """Return the hafnian of a symmetric matrix, and write those of its subsets: bit k of a number is site k.

    The last site of a subset is matched with every other one.  What is left out is in no subset that the whole, or the
    whole without any two sites, comes to: those whose last site is t have at least 2 t - size sites.
    """
    cdef Py_ssize_t last, n_others, least
    cdef unsigned long others, left, rest, bit, lowest, grown
    cdef const double *row
    cdef double even, odd
    subsets[0] = 1
    for last in range(size):
        row = matrix + last * size
        bit = <unsigned long>1 << last
        least = max(1, (2 * last - size - 1) | 1)
        for n_others in range(least, last + 1, 2):
            others = (<unsigned long>1 << n_others) - 1
            while others < bit:
                even = row[__builtin_ctzl(others)] * subsets[others & (others - 1)]
                odd, left = 0, others & (others - 1)
                while left:  # two at a time: sums do not wait for each other
                    rest = left & (left - 1)
                    even += row[__builtin_ctzl(left)] * subsets[others ^ (left & -left)]
                    odd += row[__builtin_ctzl(rest)] * subsets[others ^ (rest & -rest)]
                    left = rest & (rest - 1)
                subsets[others | bit] = even + odd
                # the next number with as many bits
                lowest = others & -others
                grown = others + lowest
                others = grown | (((others ^ grown) >> 2) >> __builtin_ctzl(lowest))
    return subsets[(<unsigned long>1 << size) - 1]


cdef double sum_all_subsets(const double *matrix, const double *alone, Py_ssize_t size,
                            double *subsets) noexcept nogil:
    """Return the hafnian with factors `alone` of sites that are matched with none, as `sum_subsets`: of all sizes."""
    cdef Py_ssize_t last, n_others
    cdef unsigned long others, left, bit, lowest, grown
    cdef const double *row
    cdef double sum
    subsets[0] = 1
    for last in range(size):
        row = matrix + last * size
        bit = <unsigned long>1 << last
        if 2 * last - size - 1 <= 0:
            subsets[bit] = alone[last]
        for n_others in range(max(1, 2 * last - size - 1), last + 1):
            others = (<unsigned long>1 << n_others) - 1
            while others < bit:
                sum, left = alone[last] * subsets[others], others
                while left:
                    sum += row[__builtin_ctzl(left)] * subsets[others ^ (left & -left)]
                    left &= left - 1
                subsets[others | bit] = sum
                lowest = others & -others
                grown = others + lowest
                others = grown | (((others ^ grown) >> 2) >> __builtin_ctzl(lowest))
    return subsets[(<unsigned long>1 << size) - 1]


cdef class HafnianAmplitude(Amplitude):
    """One hafnian at fixed parameters; `wavefunctions.exchange_hafnian.ExchangeHafnian.amplitude` makes it.

    Parameters
    ----------
    factors : (2, n_sites, n_sites) float64
        r of antiparallel and q of parallel sites, symmetric; 0 where there is no parameter.
    factor_param : (2, n_sites, n_sites) int32
        1 + k of the parameter behind each entry; 0: none.
    singles : (n_sites,) float64
        l; 0 where there is no parameter.
    single_param : (n_sites,) int32
    n_params : int
    max_sites : int
        Largest number of mismatched sites, 24 at most; memory and time grow as 2^max_sites.
    """

    def __init__(self, factors, factor_param, singles, single_param, n_params, max_sites):
        self.width = 1
        self.n_sites = factors.shape[1]
        self.n_visible = 2 * self.n_sites
        self.n_params = n_params
        self.max_sites = size = min(max_sites, self.n_sites)
        self.factors, self.factor_param = factors, factor_param
        self.scale = np.abs(factors).max() or 1.0
        self.scaled = np.asarray(factors) / self.scale
        self.singles, self.single_param = singles, single_param
        self.has_singles = bool(np.any(singles))
        self.scaled_singles = np.asarray(singles) / np.sqrt(self.scale)
        self.sites = np.zeros((BLOCK, self.n_sites), dtype=np.intp)
        self.spins = np.zeros((BLOCK, self.n_sites), dtype=np.int8)
        self.n_listed = np.zeros(BLOCK, dtype=np.intp)
        self.place = np.zeros((BLOCK, self.n_sites), dtype=np.intp)
        self.value = np.ones(BLOCK)
        self.minors, self.single_minors = np.zeros((BLOCK, size * size)), np.zeros((BLOCK, size + 1))
        self.has_minors = np.zeros(BLOCK, dtype=np.intc)
        self.summed = -1
        self.new_sites = np.zeros(self.n_sites, dtype=np.intp)
        self.new_spins = np.zeros(self.n_sites, dtype=np.int8)
        self.matrix, self.alone = np.zeros(size * size + 1), np.zeros(size + 1)
        # pages that no hafnian has come to yet take no memory
        self.subsets, self.new_subsets = np.zeros(1 << size), np.zeros(1 << size)

    def sibling(self):
        return HafnianAmplitude(
            np.asarray(self.factors), np.asarray(self.factor_param), np.asarray(self.singles),
            np.asarray(self.single_param), self.n_params, self.max_sites
        )

    # ---- sums over matchings ---------------------------------------------------------------------------------------

    cdef double factor(self, Py_ssize_t i, int8_t spin_i, Py_ssize_t k, int8_t spin_k) noexcept nogil:
        return self.scaled[spin_i == spin_k, i, k]

    cdef double hafnian(self, const Py_ssize_t *sites, const int8_t *spins, Py_ssize_t size,
                        double *subsets) noexcept nogil:
        """Return the scaled hafnian of some sites and fill `subsets`; 0 beyond the limit or for an odd number alone."""
        cdef Py_ssize_t i, k
        if size > self.max_sites or (size & 1 and not self.has_singles):
            return 0
        for i in range(size):
            for k in range(i):
                self.matrix[i * size + k] = self.factor(sites[i], spins[i], sites[k], spins[k])
        if not self.has_singles:
            return sum_subsets(&self.matrix[0], size, subsets)
        for i in range(size):
            self.alone[i] = self.scaled_singles[sites[i]]
        return sum_all_subsets(&self.matrix[0], &self.alone[0], size, subsets)

    cdef void sum_hafnian(self, Py_ssize_t row) noexcept nogil:
        """Find the scaled hafnian of a row; `subsets` then belongs to it."""
        self.has_minors[row], self.summed = False, row
        self.value[row] = self.hafnian(&self.sites[row, 0], &self.spins[row, 0], self.n_listed[row], &self.subsets[0])

    cdef void sum_minors(self, Py_ssize_t row) noexcept nogil:
        """Fill the scaled hafnians without one site and two of a row, unless they are there."""
        cdef Py_ssize_t size = self.n_listed[row], i, k
        cdef unsigned long all = (<unsigned long>1 << size) - 1, bits
        if self.has_minors[row]:
            return
        if self.summed != row:
            self.sum_hafnian(row)
        self.has_minors[row] = True
        for i in range(size):
            if self.has_singles:
                self.single_minors[row, i] = self.subsets[all ^ <unsigned long>1 << i]
            self.minors[row, i * size + i] = 0
            for k in range(i):
                bits = <unsigned long>1 << i | <unsigned long>1 << k
                self.minors[row, i * size + k] = self.minors[row, k * size + i] = self.subsets[all ^ bits]

    # ---- moves -----------------------------------------------------------------------------------------------------

    cdef bint prepare(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        """Find who leaves and joins the list in a move; return whether it changes.

        A mismatched site whose spins are both flipped leaves and joins.
        """
        cdef Py_ssize_t[4] sites
        cdef int8_t[4] sigma
        cdef int8_t[4] ancilla
        cdef Py_ssize_t site
        cdef int q
        self.n_leaving = self.n_joining = 0
        for q in range(changed_sites(visible, proposal, self.n_sites, &sites[0], &sigma[0], &ancilla[0])):
            site = sites[q]
            if sigma[q] == visible[site] and ancilla[q] == visible[site + self.n_sites]:
                continue
            if visible[site] != visible[site + self.n_sites]:
                self.leaving[self.n_leaving] = self.place[row, site]
                self.n_leaving += 1
            if sigma[q] != ancilla[q]:
                self.joining[self.n_joining] = site
                self.joining_spin[self.n_joining] = sigma[q]
                self.n_joining += 1
        return self.n_leaving > 0 or self.n_joining > 0

    cdef Py_ssize_t fill_list(self, Py_ssize_t row) noexcept nogil:
        """Write the list after the move to `new_sites` and `new_spins`; return its length."""
        cdef Py_ssize_t i, n = 0
        cdef int q
        cdef bint stays
        for i in range(self.n_listed[row]):
            stays = True
            for q in range(self.n_leaving):
                stays &= self.leaving[q] != i
            if stays:
                self.new_sites[n], self.new_spins[n] = self.sites[row, i], self.spins[row, i]
                n += 1
        for q in range(self.n_joining):
            self.new_sites[n], self.new_spins[n] = self.joining[q], self.joining_spin[q]
            n += 1
        return n

    cdef double new_hafnian(self, Py_ssize_t row) noexcept nogil:
        """Return the scaled hafnian after the move that `prepare` has read; the row must be within the limit."""
        cdef Py_ssize_t size = self.n_listed[row], n, i, k, a = self.joining[0], b = self.joining[1]
        cdef int8_t spin_a = self.joining_spin[0], spin_b = self.joining_spin[1]
        cdef const Py_ssize_t *sites = &self.sites[row, 0]
        cdef const int8_t *spins = &self.spins[row, 0]
        cdef const double *minors = &self.minors[row, 0]
        cdef const double *without = &self.single_minors[row, 0]
        cdef double total = 0, sum, of_a, of_b
        n = size + self.n_joining - self.n_leaving
        if n > self.max_sites or (n & 1 and not self.has_singles):
            return 0
        if self.n_leaving + self.n_joining > 2:
            self.fill_list(row)
            return self.hafnian(&self.new_sites[0], &self.new_spins[0], n, &self.new_subsets[0])
        self.sum_minors(row)
        if self.n_joining == 0:
            i = self.leaving[0]
            return minors[i * size + self.leaving[1]] if self.n_leaving == 2 else without[i]
        of_a = self.scaled_singles[a]
        if self.n_leaving == 1:
            minors += self.leaving[0] * size
            for k in range(size):
                total += self.factor(a, spin_a, sites[k], spins[k]) * minors[k]
            return total + of_a * without[self.leaving[0]] if self.has_singles else total
        if self.n_joining == 1:
            for k in range(size):
                total += self.factor(a, spin_a, sites[k], spins[k]) * without[k]
            return total + of_a * self.value[row]
        if self.has_singles:
            of_b = self.scaled_singles[b]
            total = of_a * of_b * self.value[row]
            for k in range(size):
                total += without[k] * (of_a * self.factor(b, spin_b, sites[k], spins[k])
                                       + of_b * self.factor(a, spin_a, sites[k], spins[k]))
        for i in range(size):
            sum = 0
            for k in range(size):
                sum += self.factor(b, spin_b, sites[k], spins[k]) * minors[i * size + k]
            total += self.factor(a, spin_a, sites[i], spins[i]) * sum
        return total + self.factor(a, spin_a, b, spin_b) * self.value[row]

    # ---- what an amplitude does ------------------------------------------------------------------------------------

    cdef void refresh(self, const int8_t *visible, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t row, i, size
        cdef const int8_t *spins
        for row in range(n):
            spins, size = visible + row * self.n_visible, 0
            for i in range(self.n_sites):
                if spins[i] != spins[i + self.n_sites]:
                    self.sites[row, size], self.spins[row, size], self.place[row, i] = i, spins[i], size
                    size += 1
            self.n_listed[row] = size
            self.sum_hafnian(row)
            if n > 1 and self.value[row] != 0:  # for local energies or log-derivatives, while `subsets` is this row's
                self.sum_minors(row)

    cdef double complex ratio(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef double ratio
        if not self.prepare(row, visible, proposal):
            return 1
        if self.value[row] == 0:
            return 0
        ratio = self.new_hafnian(row) / self.value[row] * pow(self.scale, 0.5 * (self.n_joining - self.n_leaving))
        return ratio if isfinite(ratio) else 0

    cdef void accept(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef Py_ssize_t i, n
        if not self.prepare(row, visible, proposal):
            return
        n = self.n_listed[row] = self.fill_list(row)
        for i in range(n):
            self.sites[row, i], self.spins[row, i] = self.new_sites[i], self.new_spins[i]
            self.place[row, self.new_sites[i]] = i
        self.sum_hafnian(row)

    cdef double complex log_psi(self, Py_ssize_t row, const int8_t *visible) noexcept nogil:
        cdef double value = self.value[row]
        if value == 0:
            return -INFINITY
        return log(fabs(value)) + 0.5 * self.n_listed[row] * log(self.scale) + (1j * pi if value < 0 else 0)

    cdef void log_derivs(self, const int8_t *visible, Py_ssize_t n, double *out, Py_ssize_t stride) noexcept nogil:
        cdef Py_ssize_t row, i, k, p, size
        cdef int param
        for row in range(n):
            for p in range(self.n_params):
                out[row * stride + p] = 0
            if self.value[row] == 0:
                continue
            self.sum_minors(row)
            size = self.n_listed[row]
            for i in range(size):
                param = self.single_param[self.sites[row, i]]
                if param > 0 and self.has_singles:
                    out[row * stride + param - 1] += self.single_minors[row, i] / (self.value[row] * sqrt(self.scale))
                for k in range(i):
                    param = self.factor_param[self.spins[row, i] == self.spins[row, k], self.sites[row, i],
                                              self.sites[row, k]]
                    if param > 0:
                        out[row * stride + param - 1] += self.minors[row, i * size + k] / (self.value[row] * self.scale)
