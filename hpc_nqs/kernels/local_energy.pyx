"""Local energies E_loc(s) = sum_s1 H_{s s1} Psi(s1) / Psi(s) of any model with any amplitude."""

from libc.stdint cimport int8_t

from hpc_nqs.kernels.amplitude cimport Amplitude
from hpc_nqs.kernels.moves cimport MoveSet, Proposal


cdef class Hamiltonian:
    """Terms of H acting on one layer, as flat arrays.

    H = sum_p pair_coupling_p s_a s_b + sum_v field_v s_v + sum_t elements_t (move t),
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
    """

    def __init__(self, pair_sites, pair_coupling, field, moves, elements):
        self.pair_sites = pair_sites
        self.pair_coupling = pair_coupling
        self.field = field
        self.moves = moves
        self.elements = elements

    cdef double diagonal(self, const int8_t *visible) noexcept nogil:
        cdef double energy = 0
        cdef Py_ssize_t p
        for p in range(self.pair_coupling.shape[0]):
            energy += self.pair_coupling[p] * visible[self.pair_sites[p, 0]] * visible[self.pair_sites[p, 1]]
        for p in range(self.field.shape[0]):
            energy += self.field[p] * visible[p]
        return energy

    cdef double complex local_energy(self, Amplitude amplitude, MoveSet moves,
                                     const int8_t *visible) noexcept nogil:
        cdef double complex energy = self.diagonal(visible)
        cdef Proposal proposal
        cdef Py_ssize_t t
        for t in range(self.moves.shape[0]):
            if moves.propose(self.moves[t], visible, &proposal):
                energy = energy + self.elements[t] * amplitude.ratio(visible, &proposal)
        return energy


def local_energies(const int8_t[:, ::1] configurations, Amplitude amplitude, MoveSet moves, list hamiltonians,
                   double complex[:, ::1] energies, double complex[::1] log_psi):
    """Write the local energies of every configuration under every Hamiltonian, and ln Psi.

    Parameters
    ----------
    configurations : (n, n_visible) int8
    amplitude, moves
        The wave function and the moves that `hamiltonians` refer to.
    hamiltonians : list of Hamiltonian
    energies : (n, len(hamiltonians)) complex128, output
    log_psi : (n,) complex128, output
    """
    cdef Py_ssize_t i, h
    cdef const int8_t *visible
    cdef Hamiltonian hamiltonian
    for i in range(configurations.shape[0]):
        visible = &configurations[i, 0]
        amplitude.refresh(visible)
        log_psi[i] = amplitude.log_psi(visible)
        for h in range(energies.shape[1]):
            hamiltonian = hamiltonians[h]
            energies[i, h] = hamiltonian.local_energy(amplitude, moves, visible)
