"""Local energies E_loc(s) = sum_s1 H_{s s1} Psi(s1) / Psi(s) of any model with any amplitude, and their terms."""

from libc.stdint cimport int8_t
from libc.string cimport memcpy

import numpy as np

from hpc_nqs.kernels.amplitude cimport BLOCK, Amplitude
from hpc_nqs.kernels.moves cimport MoveSet, Proposal

ctypedef fused number:
    double
    double complex


cdef class Hamiltonian:
    """Terms of H acting on one layer, as flat arrays.

    H = constant + sum_p pair_coupling_p s_a s_b + sum_v field_v s_v + sum_t elements_t (move t),
    where an exchange acts on antiparallel spins only.

    Parameters
    ----------
    pair_sites : (n_pairs, 2) intp
        Visible units of the diagonal pair terms.
    pair_coupling : (n_pairs,) float64
    field : (n_visible,) float64
    moves : (n_terms,) intp
        Off-diagonal terms as indices into the `MoveSet`.
    elements : (n_terms,) float64
        Their matrix elements, in units of energy.
    constant : float
    """

    def __init__(self, pair_sites, pair_coupling, field, moves, elements, constant=0.0):
        self.pair_sites = pair_sites
        self.pair_coupling = pair_coupling
        self.field = field
        self.moves = moves
        self.elements = elements
        self.constant = constant

    cdef double diagonal(self, const int8_t *visible) noexcept nogil:
        cdef double energy = self.constant
        cdef Py_ssize_t p
        for p in range(self.pair_coupling.shape[0]):
            energy += self.pair_coupling[p] * visible[self.pair_sites[p, 0]] * visible[self.pair_sites[p, 1]]
        for p in range(self.field.shape[0]):
            energy += self.field[p] * visible[p]
        return energy

    cdef void local_energies(self, Amplitude amplitude, MoveSet moves, const int8_t *visible, Py_ssize_t n,
                             double complex *energies, Py_ssize_t stride, double *ratios,
                             Py_ssize_t ratio_stride) noexcept nogil:
        """Write E_loc of the states of rows 0..n-1; terms outside, so that tables are read once per block.

        The real parts of the ratios of allowed moves go to `ratios` unless it is NULL.
        """
        cdef Proposal proposals[BLOCK]
        cdef Py_ssize_t rows[BLOCK]
        cdef Py_ssize_t t, row, k, n_allowed
        cdef double complex ratio
        cdef double *energy
        for row in range(n):
            energies[row * stride] = self.diagonal(visible + row * amplitude.n_visible)
        for t in range(self.moves.shape[0]):
            n_allowed = 0
            for row in range(n):
                rows[n_allowed] = row
                n_allowed += moves.propose(self.moves[t], visible + row * amplitude.n_visible, &proposals[n_allowed])
            for k in range(n_allowed):
                ratio = amplitude.ratio(rows[k], visible + rows[k] * amplitude.n_visible, &proposals[k])
                energy = <double *>&energies[rows[k] * stride]
                energy[0] += self.elements[t] * ratio.real
                energy[1] += self.elements[t] * ratio.imag
                if ratios != NULL:
                    ratios[rows[k] * ratio_stride + t] = ratio.real


cdef void prepare(Amplitude amplitude, const int8_t *visible, Py_ssize_t n, double complex *log_psi) noexcept nogil:
    """Rebuild the states of n rows for many ratios, and write their ln Psi."""
    cdef Py_ssize_t row
    amplitude.refresh(visible, n)
    amplitude.anticipate(n)
    for row in range(n):
        log_psi[row] = amplitude.log_psi(row, visible + row * amplitude.n_visible)


def local_energies(const int8_t[:, ::1] configurations, Amplitude amplitude, MoveSet moves, list hamiltonians,
                   double complex[:, ::1] energies, double complex[::1] log_psi, double[:, ::1] ratios=None,
                   const Py_ssize_t[::1] further=None, double[:, ::1] derivs=None):
    """Write the local energies of every configuration under every Hamiltonian, ln Psi, and O_k if asked for.

    Parameters
    ----------
    configurations : (n, n_visible) int8
    amplitude, moves
        The wave function and the moves that `hamiltonians` refer to.
    hamiltonians : list of Hamiltonian
    energies : (n, len(hamiltonians)) complex128, output
    log_psi : (n,) complex128, output
    ratios : (n, n_terms + n_further) float64, output, optional
        Real parts of Psi(moved) / Psi of the terms of one Hamiltonian after the other, then of further moves; 0 where
        a move is not allowed.
    further : (n_further,) intp
        Indices into `moves`; with `ratios`.
    derivs : (n, n_params * width) float64, output, optional
        d ln Psi / d params_k: cheaper than later, since the states are there.
    """
    cdef Py_ssize_t first = 0, h, n, n_hamiltonians = energies.shape[1], n_ratios = 0, at
    cdef Hamiltonian hamiltonian
    cdef bint keeps = ratios is not None and ratios.shape[1] > 0, derives = derivs is not None and derivs.shape[1] > 0
    cdef double *kept_ratios = NULL
    cdef Py_ssize_t[::1] kept = np.empty(n_hamiltonians, dtype=np.intp)
    for h in range(n_hamiltonians):
        hamiltonian = hamiltonians[h]
        kept[h] = <Py_ssize_t><void *>hamiltonian
    if keeps:
        n_ratios = ratios.shape[1]
        ratios[:, :] = 0
    # in one piece: threads that come back for the lock of the interpreter after every block wait for each other
    with nogil:
        while first < configurations.shape[0]:
            n = min(configurations.shape[0] - first, BLOCK)
            prepare(amplitude, &configurations[first, 0], n, &log_psi[first])
            at = 0
            for h in range(n_hamiltonians):
                if keeps:
                    kept_ratios = &ratios[first, 0] + at
                (<Hamiltonian><void *>kept[h]).local_energies(amplitude, moves, &configurations[first, 0], n,
                                                      &energies[first, h], n_hamiltonians, kept_ratios, n_ratios)
                at += (<Hamiltonian><void *>kept[h]).moves.shape[0]
            if keeps and at < n_ratios:
                write_ratios(amplitude, moves, &configurations[first, 0], n, &further[0], n_ratios - at,
                             &ratios[first, at], n_ratios)
            if derives:
                amplitude.log_derivs(&configurations[first, 0], n, &derivs[first, 0], derivs.shape[1])
            first += n


cdef void write_ratios(Amplitude amplitude, MoveSet moves, const int8_t *visible, Py_ssize_t n,
                       const Py_ssize_t *chosen, Py_ssize_t n_chosen, number *ratios,
                       Py_ssize_t stride) noexcept nogil:
    """Write the ratios of the states of rows 0..n-1 for some moves, 0 where a move is not allowed."""
    cdef Py_ssize_t t, row
    cdef Proposal proposal
    cdef double complex ratio
    for t in range(n_chosen):
        for row in range(n):
            ratio = 0
            if moves.propose(chosen[t], visible + row * amplitude.n_visible, &proposal):
                ratio = amplitude.ratio(row, visible + row * amplitude.n_visible, &proposal)
            if number is double:
                ratios[row * stride + t] = ratio.real
            else:
                ratios[row * stride + t] = ratio


def move_ratios(const int8_t[:, ::1] configurations, Amplitude amplitude, MoveSet moves, const Py_ssize_t[::1] chosen,
                number[:, ::1] ratios, double complex[::1] log_psi):
    """Write Psi(moved) / Psi of every configuration and some moves, 0 where a move is not allowed, and ln Psi.

    Parameters
    ----------
    configurations : (n, n_visible) int8
    amplitude, moves
        The wave function and all moves.
    chosen : (n_chosen,) intp
        Indices into `moves`.
    ratios : (n, n_chosen) complex128 or float64, output
        Of float64 their real parts.
    log_psi : (n,) complex128, output
    """
    cdef Py_ssize_t first = 0, n
    with nogil:
        while first < configurations.shape[0]:
            n = min(configurations.shape[0] - first, BLOCK)
            prepare(amplitude, &configurations[first, 0], n, &log_psi[first])
            if chosen.shape[0] > 0:
                write_ratios(amplitude, moves, &configurations[first, 0], n, &chosen[0], chosen.shape[0],
                             &ratios[first, 0], ratios.shape[1])
            first += n


cdef double order_sign(const int8_t *visible, const Proposal *proposal) noexcept nogil:
    """Return the sign of the electrons that one hop, or one of either spin, passes in the order of the orbitals."""
    cdef double sign = 1
    cdef Py_ssize_t unit, p, q
    cdef int flip
    for flip in range(0, proposal.n_flips, 2):
        p, q = proposal.flips[flip], proposal.flips[flip + 1]
        for unit in range(min(p, q) + 1, max(p, q)):
            if visible[unit] > 0:
                sign = -sign
    return sign


cdef Py_ssize_t connect(MoveSet moves, Hamiltonian hamiltonian, const int8_t *visible, Py_ssize_t n_visible,
                        bint of_electrons, int8_t *connected, double *elements) noexcept nogil:
    """Write the configurations connected with one, and the elements of H; return their number."""
    cdef Py_ssize_t t, found = 0
    cdef int flip
    cdef Proposal proposal
    for t in range(hamiltonian.moves.shape[0]):
        if moves.propose(hamiltonian.moves[t], visible, &proposal):
            elements[found] = hamiltonian.elements[t]
            if of_electrons:
                elements[found] *= order_sign(visible, &proposal)
            memcpy(connected, visible, n_visible)
            for flip in range(proposal.n_flips):
                connected[proposal.flips[flip]] = -visible[proposal.flips[flip]]
            connected += n_visible
            found += 1
    return found


def connected_configurations(const int8_t[:, ::1] configurations, MoveSet moves, Hamiltonian hamiltonian,
                             bint of_electrons, int8_t[:, ::1] connected, double[::1] elements,
                             Py_ssize_t[::1] counts, double[::1] diagonal):
    """Write the configurations s1 that H connects with every s, and the elements of H; return the number of s1.

    Parameters
    ----------
    configurations : (n, n_visible) int8
    moves : MoveSet
        Those that `hamiltonian` refers to.
    hamiltonian : Hamiltonian
    of_electrons : bool
        Elements are to have the signs of the order of electrons, which ln Psi has and ratios of moves do not have.
    connected : (n * n_terms, n_visible) int8, output
        Those of the first configuration, of the second, ...; one of every allowed term.
    elements : (n * n_terms,) float64, output
        H_{s s1} of them.
    counts : (n,) intp, output
        Their numbers.
    diagonal : (n,) float64, output
        H_{s s}.
    """
    cdef Py_ssize_t row, found = 0, n_visible = configurations.shape[1]
    with nogil:
        for row in range(configurations.shape[0]):
            counts[row] = 0
            diagonal[row] = hamiltonian.diagonal(&configurations[row, 0])
            if hamiltonian.moves.shape[0] > 0:
                counts[row] = connect(moves, hamiltonian, &configurations[row, 0], n_visible, of_electrons,
                                      &connected[found, 0], &elements[found])
                found += counts[row]
    return found
