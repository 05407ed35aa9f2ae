"""Projection onto a quantum number: Psi_K(s) = sum_g c_g Psi(g s), c_g = chi_K(g)^*.

[SYM] Y. Nomura, JPCM 33, 174003 (2021), eq. (8); docs/theory/ground_states.md, "Quantum numbers".  Every image g s
has a state of its own, so that a move costs one ratio of the inner wave function per image.  The sum is taken
relative to its largest term.
"""

from libc.math cimport INFINITY, isfinite
from libc.stdint cimport int8_t, uintptr_t

import numpy as np

from hpc_nqs.kernels.amplitude cimport BLOCK, Amplitude
from hpc_nqs.kernels.moves cimport Proposal

cdef extern from "complex.h" nogil:
    double complex cexp(double complex)
    double complex clog(double complex)
    double cabs(double complex)

cdef double CANCELLED = 1e-11  # of the sum of the moduli: the sum is a zero of Psi_K and the rest is rounding
cdef double LOST = 1e-8        # an image whose amplitude falls by more is evaluated from scratch
cdef double SAFE_RATIO = 3e-2  # a smaller or larger one is not accurate enough to be multiplied up over many moves
cdef double HUGE = 1e150       # ratio of a non-zero amplitude to a zero: leave at once


cdef class ProjectedAmplitude(Amplitude):
    """Psi_K at fixed parameters; `wavefunctions.projection.ProjectedState.amplitude` makes it.

    Parameters
    ----------
    inner : Amplitude
        Psi; complex unless all coefficients are real.
    images : (n_images, n_visible) intp
        (g s)_i = (s, -s)[images[g, i]].
    coefficients : (n_images,) complex128
        c_g.
    image_entry : (n_images, n_entries) intp
        Table entry of a move of s, seen by g s; every move has one entry.
    entry_unit : (n_entries,) intp
        First unit that a move flips.

    Notes
    -----
    At a zero of Psi_K the logarithm is -infinity, and every move has a huge ratio or, to another zero, the ratio 1:
    chains that start there leave.
    """

    cdef Amplitude inner
    cdef list holders                            # keeps the amplitudes behind `states` alive
    cdef const Py_ssize_t[:, ::1] images
    cdef const double complex[::1] coefficients
    cdef const Py_ssize_t[:, ::1] image_entry
    cdef const Py_ssize_t[::1] entry_unit
    cdef Py_ssize_t[:, ::1] place                # (n_images, n_visible): where g s holds a unit of s
    cdef Py_ssize_t n_images, n_blocks
    cdef const uintptr_t[:, ::1] states          # (BLOCK, n_blocks): amplitudes with the states of BLOCK images each
    cdef int8_t[:, :, ::1] spins                 # (BLOCK, n_images, n_visible): g s
    cdef double complex[:, ::1] logarithms       # (BLOCK, n_images): ln Psi(g s)
    cdef double complex[:, ::1] terms            # (BLOCK, n_images): c_g Psi(g s) / e^largest
    cdef double[::1] largest                     # (BLOCK,): largest Re ln Psi(g s)
    cdef double complex[::1] total               # (BLOCK,): sum of the terms, exactly 0 where they cancel
    cdef double[:, ::1] derivs                   # (BLOCK, n_params * width)
    cdef int8_t[:, ::1] trial                    # (1, n_visible)

    def __init__(self, inner, images, coefficients, image_entry, entry_unit):
        self.inner = inner
        self.n_visible, self.n_params, self.width = inner.n_visible, inner.n_params, inner.width
        self.images, self.coefficients = images, coefficients
        self.image_entry, self.entry_unit = image_entry, entry_unit
        self.n_images = n = len(images)
        self.place = np.argsort(np.asarray(images) % self.n_visible, axis=1)
        self.n_blocks = (n + BLOCK - 1) // BLOCK
        self.holders = [[inner.sibling() for _ in range(self.n_blocks)] for _ in range(BLOCK)]
        self.states = np.array([[id(one) for one in row] for row in self.holders], dtype=np.uintp)
        self.spins = np.empty((BLOCK, n, self.n_visible), dtype=np.int8)
        self.logarithms = np.empty((BLOCK, n), dtype=np.complex128)
        self.terms = np.empty((BLOCK, n), dtype=np.complex128)
        self.largest = np.empty(BLOCK)
        self.total = np.empty(BLOCK, dtype=np.complex128)
        self.derivs = np.empty((BLOCK, self.n_params * self.width))
        self.trial = np.empty((1, self.n_visible), dtype=np.int8)

    def sibling(self):
        return ProjectedAmplitude(self.inner.sibling(), np.asarray(self.images), np.asarray(self.coefficients),
                                  np.asarray(self.image_entry), np.asarray(self.entry_unit))

    cdef void refresh(self, const int8_t *visible, Py_ssize_t n) noexcept nogil:
        cdef Py_ssize_t row, g, i, unit, block
        for row in range(n):
            for g in range(self.n_images):
                for i in range(self.n_visible):
                    unit = self.images[g, i]
                    self.spins[row, g, i] = (visible[row * self.n_visible + unit] if unit < self.n_visible
                                             else -visible[row * self.n_visible + unit - self.n_visible])
            for block in range(self.n_blocks):
                self.refresh_block(row, block)
            self.sum_terms(row)

    cdef void refresh_block(self, Py_ssize_t row, Py_ssize_t block) noexcept nogil:
        """Rebuild the states of up to BLOCK images."""
        cdef Py_ssize_t g, first = block * BLOCK, n = min(BLOCK, self.n_images - first)
        (<Amplitude><void *>self.states[row, block]).refresh(&self.spins[row, first, 0], n)
        for g in range(n):
            self.logarithms[row, first + g] = (<Amplitude><void *>self.states[row, block]).log_psi(
                g, &self.spins[row, first + g, 0])

    cdef void sum_terms(self, Py_ssize_t row) noexcept nogil:
        cdef Py_ssize_t g
        cdef double largest = -INFINITY, moduli = 0
        cdef double complex total = 0
        for g in range(self.n_images):
            if self.logarithms[row, g].real > largest:
                largest = self.logarithms[row, g].real
        self.largest[row] = largest
        for g in range(self.n_images):
            self.terms[row, g] = 0
            if isfinite(self.logarithms[row, g].real):
                self.terms[row, g] = self.coefficients[g] * cexp(self.logarithms[row, g] - largest)
                moduli += cabs(self.terms[row, g])
                total = total + self.terms[row, g]
        self.total[row] = total if cabs(total) > CANCELLED * moduli else 0

    cdef void image_of(self, Py_ssize_t row, Py_ssize_t g, const Proposal *proposal, Proposal *image) noexcept nogil:
        """Write the move of g s that corresponds to a move of s."""
        cdef int i
        image.n_flips = proposal.n_flips
        for i in range(proposal.n_flips):
            image.flips[i] = self.place[g, proposal.flips[i]]
        image.entry = self.image_entry[g, proposal.entry]
        image.sign = self.spins[row, g, self.entry_unit[image.entry]]

    cdef double complex from_scratch(self, Py_ssize_t row, Py_ssize_t g, const Proposal *image) noexcept nogil:
        """ln Psi of image g after a move."""
        cdef Py_ssize_t v
        cdef int i
        for v in range(self.n_visible):
            self.trial[0, v] = self.spins[row, g, v]
        for i in range(image.n_flips):
            self.trial[0, image.flips[i]] = -self.trial[0, image.flips[i]]
        self.inner.refresh(&self.trial[0, 0], 1)
        return self.inner.log_psi(0, &self.trial[0, 0])

    cdef double complex ratio(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef Py_ssize_t g
        cdef Proposal image
        cdef double complex total = 0, term, logarithm
        cdef double moduli = 0
        for g in range(self.n_images):
            self.image_of(row, g, proposal, &image)
            if isfinite(self.logarithms[row, g].real):
                term = self.terms[row, g] * (<Amplitude><void *>self.states[row, g // BLOCK]).ratio(
                    g % BLOCK, &self.spins[row, g, 0], &image)
            else:
                logarithm = self.from_scratch(row, g, &image)
                term = 0
                if isfinite(logarithm.real):
                    term = self.coefficients[g] * cexp(
                        logarithm - (self.largest[row] if isfinite(self.largest[row]) else 0))
            moduli += cabs(term)
            total = total + term
        if cabs(total) <= CANCELLED * moduli:
            return 0 if self.total[row] != 0 else 1
        return total / self.total[row] if self.total[row] != 0 else HUGE

    cdef void accept(self, Py_ssize_t row, const int8_t *visible, const Proposal *proposal) noexcept nogil:
        cdef Py_ssize_t g, block
        cdef int i
        cdef Proposal image
        cdef double complex ratio
        cdef bint lost
        for block in range(self.n_blocks):
            lost = False
            for g in range(block * BLOCK, min((block + 1) * BLOCK, self.n_images)):
                self.image_of(row, g, proposal, &image)
                ratio = 0
                if not lost and isfinite(self.logarithms[row, g].real):
                    ratio = (<Amplitude><void *>self.states[row, block]).ratio(
                        g % BLOCK, &self.spins[row, g, 0], &image)
                if not lost and cabs(ratio) > LOST:
                    (<Amplitude><void *>self.states[row, block]).accept(g % BLOCK, &self.spins[row, g, 0], &image)
                else:
                    lost = True
                for i in range(image.n_flips):
                    self.spins[row, g, image.flips[i]] = -self.spins[row, g, image.flips[i]]
                if SAFE_RATIO < cabs(ratio) < 1 / SAFE_RATIO:
                    self.logarithms[row, g] = self.logarithms[row, g] + clog(ratio)
                elif not lost:
                    self.logarithms[row, g] = (<Amplitude><void *>self.states[row, block]).log_psi(
                        g % BLOCK, &self.spins[row, g, 0])
            if lost:
                self.refresh_block(row, block)
        self.sum_terms(row)

    cdef double complex log_psi(self, Py_ssize_t row, const int8_t *visible) noexcept nogil:
        if self.total[row] == 0:
            return -INFINITY
        return self.largest[row] + clog(self.total[row])

    cdef void log_derivs(self, const int8_t *visible, Py_ssize_t n, double *out, Py_ssize_t stride) noexcept nogil:
        """O_k = sum_g c_g Psi(g s) O_k(g s) / Psi_K(s); 0 at a zero of Psi_K."""
        cdef Py_ssize_t row, g, k, block, first, m = self.n_params * self.width
        cdef double complex weight
        for row in range(n):
            for k in range(m):
                out[row * stride + k] = 0
            if self.total[row] == 0:
                continue
            for block in range(self.n_blocks):
                first = block * BLOCK
                (<Amplitude><void *>self.states[row, block]).log_derivs(
                    &self.spins[row, first, 0], min(BLOCK, self.n_images - first), &self.derivs[0, 0], m)
                for g in range(first, min(first + BLOCK, self.n_images)):
                    if self.terms[row, g] == 0:
                        continue
                    weight = self.terms[row, g] / self.total[row]
                    add_scaled(&self.derivs[g - first, 0], weight, m, self.width, out + row * stride)


cdef void add_scaled(const double *derivs, double complex weight, Py_ssize_t m, int width, double *out) noexcept nogil:
    """out += weight * derivs, complex numbers interleaved where width is 2."""
    cdef Py_ssize_t k
    if width == 1:
        for k in range(m):
            out[k] += weight.real * derivs[k]
    else:
        for k in range(0, m, 2):
            out[k] += weight.real * derivs[k] - weight.imag * derivs[k + 1]
            out[k + 1] += weight.real * derivs[k + 1] + weight.imag * derivs[k]
