"""The spin changes that proposals and Hamiltonian terms share, and what they do to a network's inputs."""

import itertools
from dataclasses import dataclass, field

import numpy as np

from hpc_nqs.kernels.moves import MoveSet

EXCHANGE, JOINT_EXCHANGE, FLIP, JOINT_FLIP, TWO_EXCHANGES, JOINT_TWO_EXCHANGES, OPPOSITE_EXCHANGES = range(7)
PAIR_FLIP, JOINT_PAIR_FLIP = 7, 8
KIND_NAMES = (
    "exchange", "joint_exchange", "flip", "joint_flip", "two_exchanges", "joint_two_exchanges", "opposite_exchanges",
    "pair_flip", "joint_pair_flip",
)
WIDTH = 4  # of the tables of input changes at least


@dataclass
class Moves:
    """A growing list of moves; `kernel()` freezes it.

    Parameters
    ----------
    n_visible : int
    n_sites : int
        Distance from sigma_i to its ancilla spin; 0 without ancilla spins.
    bond_features : bool
        Whether the inputs hold m_i = sigma_i ancilla_i after the visible units.

    Notes
    -----
    The change of the inputs depends on the signs of a few spins besides the overall sign of the first flipped
    one; each pattern is a table entry of its own (docs/theory/reconfiguration.md, "Ratios without transcendental
    functions").
    """

    n_visible: int
    n_sites: int
    bond_features: bool
    _kinds: list = field(default_factory=list)
    _sites: list = field(default_factory=list)
    _second: list = field(default_factory=list)
    _n_variants: list = field(default_factory=list)
    _changes: list = field(default_factory=list)
    _input_changes: tuple | None = field(default=None, compare=False)  # of `input_changes`, until a move is added

    def _add(self, kind, a, b, changes, second=(0, 0)):
        self._kinds.append(kind)
        self._sites.append((a, b))
        self._second.append(second)
        self._n_variants.append(len(changes))
        self._changes.extend(changes)
        self._input_changes = None
        return len(self._kinds) - 1

    def _bond_input(self, unit):
        return self.n_visible + unit % self.n_sites

    def add_exchange(self, a, b):
        """Add the exchange of antiparallel visible units a and b; return the index of the move."""
        change = {a: -2.0, b: +2.0}
        one_site = self.n_sites and a % self.n_sites == b % self.n_sites
        if not self.bond_features or one_site:
            return self._add(EXCHANGE, a, b, [change])
        changes = [
            {**change, self._bond_input(a): -2.0 * partner_a, self._bond_input(b): +2.0 * partner_b}
            for partner_a in (1, -1)
            for partner_b in (1, -1)
        ]
        return self._add(EXCHANGE, a, b, changes)

    def add_joint_exchange(self, i, j):
        """Add the exchange of (sigma, ancilla) between sites i and j; return the index of the move."""
        n = self.n_sites
        changes = [{i: -2.0, j: +2.0, i + n: -2.0 * same, j + n: +2.0 * same} for same in (1, -1)]
        return self._add(JOINT_EXCHANGE, i, j, changes)

    def add_flip(self, a):
        """Add the flip of visible unit a; return the index of the move."""
        if not self.bond_features:
            return self._add(FLIP, a, a, [{a: -2.0}])
        return self._add(FLIP, a, a, [{a: -2.0, self._bond_input(a): -2.0 * partner} for partner in (1, -1)])

    def add_joint_flip(self, i):
        """Add the flip of sigma_i and its ancilla spin; return the index of the move."""
        changes = [{i: -2.0, i + self.n_sites: -2.0 * same} for same in (1, -1)]
        return self._add(JOINT_FLIP, i, i, changes)

    def add_two_exchanges(self, a, b, c, d, opposite=False):
        """Add the exchanges of a and b and of c and d, all antiparallel and on one layer; return the index of the move.

        With `opposite` only where a and c are antiparallel, too.
        """
        self._refuse_bond_features("two exchanges")
        kind = OPPOSITE_EXCHANGES if opposite else TWO_EXCHANGES
        changes = [{a: -2.0, b: +2.0, c: -2.0 * same, d: +2.0 * same} for same in (1, -1)]
        return self._add(kind, a, b, changes[1:] if opposite else changes, second=(c, d))

    def add_joint_two_exchanges(self, a, b, c, d):
        """Add the same two exchanges on both layers; return the index of the move."""
        self._refuse_bond_features("two exchanges")
        n = self.n_sites
        changes = [
            {a: -2.0, b: +2.0, c: -2.0 * one, d: +2.0 * one, a + n: -2.0 * two, b + n: +2.0 * two,
             c + n: -2.0 * three, d + n: +2.0 * three}
            for one, two, three in itertools.product((1, -1), repeat=3)
        ]
        return self._add(JOINT_TWO_EXCHANGES, a, b, changes, second=(c, d))

    def add_pair_flip(self, a, b):
        """Add the flip of parallel units a and b, on one layer; return the index of the move."""
        self._refuse_bond_features("pair flips")
        return self._add(PAIR_FLIP, a, b, [{a: -2.0, b: -2.0}])

    def add_joint_pair_flip(self, i, j):
        """Add the flip of sites i and j on both layers, parallel on either; return the index of the move."""
        self._refuse_bond_features("pair flips")
        n = self.n_sites
        changes = [{i: -2.0, j: -2.0, i + n: -2.0 * same, j + n: -2.0 * same} for same in (1, -1)]
        return self._add(JOINT_PAIR_FLIP, i, j, changes)

    def _refuse_bond_features(self, what):
        if self.bond_features:
            raise ValueError(f"{what} with bond features; allowed are networks without")

    def __len__(self):
        return len(self._kinds)

    @property
    def kinds(self):
        """What every move does, (n_moves,) int8, see `KIND_NAMES`."""
        return np.array(self._kinds, dtype=np.int8)

    @property
    def sites(self):
        """The two units of every move, (n_moves, 2) intp; a flip names its unit twice."""
        return np.array(self._sites, dtype=np.intp).reshape(-1, 2)

    @property
    def second(self):
        """The units of the second one of two exchanges, (n_moves, 2) intp; 0 of other moves."""
        return np.array(self._second, dtype=np.intp).reshape(-1, 2)

    def kernel(self):
        """Return the compiled `MoveSet`."""
        n_variants = np.array(self._n_variants, dtype=np.int8)
        entry = np.concatenate([[0], np.cumsum(n_variants, dtype=np.intp)[:-1]]).astype(np.intp)
        return MoveSet(self.kinds, n_variants, self.sites, self.second, entry, self.n_sites)

    def input_changes(self):
        """Return (inputs, changes), both (n_entries, WIDTH), read-only: x[inputs] += sign * changes, padded with zeros.

        They are wider where moves change more inputs.
        """
        if self._input_changes is None:
            shape = len(self._changes), max([WIDTH, *map(len, self._changes)])
            inputs, changes = np.zeros(shape, dtype=np.intp), np.zeros(shape)
            for row, change in enumerate(self._changes):
                inputs[row, : len(change)] = list(change.keys())
                changes[row, : len(change)] = list(change.values())
            inputs.flags.writeable = changes.flags.writeable = False
            self._input_changes = inputs, changes
        return self._input_changes
