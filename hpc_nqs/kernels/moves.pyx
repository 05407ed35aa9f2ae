"""Changes of a few spins: which of them a configuration allows, and where their tables stand."""

from libc.stdint cimport int8_t


cdef class MoveSet:
    """The moves that Metropolis proposals and the Hamiltonian's terms refer to by index.

    Parameters
    ----------
    kind : (n_moves,) int8
        `MoveKind` of each move.
    n_variants : (n_moves,) int8
        Table entries per move: one per sign pattern of the spins that decide the change.
    sites : (n_moves, 2) intp
        Visible units; a flip uses the first only.
    second : (n_moves, 2) intp
        The units of the second one of two exchanges.
    entry : (n_moves,) intp
        First table entry of each move.
    n_sites : int
        Distance from a spin to its partner in the other layer; 0 without ancilla spins.
    """

    def __init__(self, kind, n_variants, sites, second, entry, n_sites):
        self.kind = kind
        self.n_variants = n_variants
        self.sites = sites
        self.second = second
        self.entry = entry
        self.n_sites = n_sites

    def __len__(self):
        return self.kind.shape[0]

    cdef bint propose(self, Py_ssize_t move, const int8_t *visible, Proposal *proposal) noexcept nogil:
        """Fill `proposal`; return 0 where the configuration does not allow the move."""
        cdef Py_ssize_t a = self.sites[move, 0], b = self.sites[move, 1]
        cdef Py_ssize_t c, d, n = self.n_sites
        cdef int kind = self.kind[move], variant = 0
        proposal.flips[0] = a
        proposal.flips[1] = b
        proposal.n_flips = 2
        proposal.sign = visible[a]
        if kind == EXCHANGE:
            if visible[a] == visible[b]:
                return False
            if self.n_variants[move] == 4:
                variant = 2 * (visible[partner(a, n)] < 0) + (visible[partner(b, n)] < 0)
        elif kind == JOINT_EXCHANGE:
            if visible[a] == visible[b] or visible[a + n] == visible[b + n]:
                return False
            proposal.n_flips = 4
            variant = visible[a] != visible[a + n]
            # pair the flips so that the state between the two exchanges has a large amplitude
            proposal.flips[1] = a + n if variant else b
            proposal.flips[2] = b if variant else a + n
            proposal.flips[3] = b + n
        elif kind == FLIP:
            proposal.n_flips = 1
            if self.n_variants[move] == 2:
                variant = visible[partner(a, n)] < 0
        elif kind == PAIR_FLIP:
            if visible[a] != visible[b]:
                return False
        elif kind == JOINT_PAIR_FLIP:
            if visible[a] != visible[b] or visible[a + n] != visible[b + n]:
                return False
            proposal.n_flips = 4
            proposal.flips[2] = a + n
            proposal.flips[3] = b + n
            variant = visible[a] != visible[a + n]
        elif kind >= TWO_EXCHANGES:
            c, d = self.second[move, 0], self.second[move, 1]
            if visible[a] == visible[b] or visible[c] == visible[d]:
                return False
            proposal.n_flips = 4
            proposal.flips[2] = c
            proposal.flips[3] = d
            variant = visible[a] != visible[c]
            if kind == OPPOSITE_EXCHANGES:
                if not variant:
                    return False
                variant = 0  # there is no other
            elif kind == JOINT_TWO_EXCHANGES:
                if visible[a + n] == visible[b + n] or visible[c + n] == visible[d + n]:
                    return False
                proposal.n_flips = 8
                proposal.flips[4] = a + n
                proposal.flips[5] = b + n
                proposal.flips[6] = c + n
                proposal.flips[7] = d + n
                variant = 4 * variant + 2 * (visible[a] != visible[a + n]) + (visible[a] != visible[c + n])
        else:
            proposal.flips[1] = a + n
            variant = visible[a] != visible[a + n]
        proposal.entry = self.entry[move] + variant
        return True


cdef inline Py_ssize_t partner(Py_ssize_t unit, Py_ssize_t n_sites) noexcept nogil:
    return unit + n_sites if unit < n_sites else unit - n_sites
