"""Sums of products of occupations, of hops and of pairs of hops on one layer: as local estimators and as matrices."""

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from hpc_nqs.hamiltonians.electron_matrices import to_sparse
from hpc_nqs.hilbert.moves import Moves
from hpc_nqs.kernels.local_energy import Hamiltonian
from hpc_nqs.observables.local_sums import SingleLinks, layer_means


def _none(n):
    return field(default_factory=lambda: np.zeros((0, n), dtype=np.intp))


@dataclass(frozen=True)
class LayerSum:
    """An operator on the electrons of a layer.

    constant + sum_pq c s_p s_q + sum_p h s_p + weight sum_pq (c+_p c_q + h.c.)
             + opposite_weight sum_abcd (c+_a c_b c+_d c_c + h.c.),  a and b of spin up, c and d of spin down.

    Attributes
    ----------
    constant : float
    pairs : (n_pairs, 2) intp
        Units p, q of c s_p s_q.
    couplings : (n_pairs,) float64
    units : (n_units,) intp
        Units of h s_p, each once.
    field : float
    hops : (n_hops, 2) intp
    weight : float
    opposite : (n_opposite, 4) intp
        Units a, b, c, d; c and d are the orbitals of a and b.
    opposite_weight : float
    """

    constant: float = 0.0
    pairs: np.ndarray = _none(2)
    couplings: np.ndarray = field(default_factory=lambda: np.zeros(0))
    units: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    field: float = 0.0
    hops: np.ndarray = _none(2)
    weight: float = 0.0
    opposite: np.ndarray = _none(4)
    opposite_weight: float = 0.0

    @property
    def n_moves(self):
        """Number of ratios that the local estimator takes."""
        return len(self.hops) + len(self.opposite)

    def on_layer(self, moves, layer):
        """Return the sum on one layer of a doubled system, a `Hamiltonian`; its moves are added to `moves`.

        On the ancilla layer +1 is an empty orbital.
        """
        first, fields = layer * moves.n_sites, np.zeros(moves.n_visible)
        fields[self.units + first] = (1 - 2 * layer) * self.field
        terms = [moves.add_exchange(*pair) for pair in (self.hops + first).tolist()]
        terms += [moves.add_two_exchanges(*four, opposite=True) for four in (self.opposite + first).tolist()]
        elements = np.repeat([self.weight, self.opposite_weight], [len(self.hops), len(self.opposite)])
        return Hamiltonian(
            np.ascontiguousarray(self.pairs + first), self.couplings, fields, np.array(terms, dtype=np.intp), elements,
            self.constant,
        )

    def matrix(self, model, states):
        """Return the sum between states of a layer of an `ElectronModel`, sorted and closed under it, sparse."""
        fields = np.zeros(model.n_sites)
        fields[self.units] = self.field
        none, no_numbers = np.zeros((0, 4), dtype=np.intp), np.zeros(0)
        plain = dataclasses.replace(
            model, constant=self.constant, pair_sites=self.pairs, pair_coupling=self.couplings, site_field=fields,
            exchange_sites=self.hops, exchange_element=np.full(len(self.hops), self.weight),
            exchange_shell=np.zeros(len(self.hops), dtype=np.int8), hop2_sites=none, hop2_element=no_numbers,
        )
        total = to_sparse(plain, states)
        empty = dataclasses.replace(
            plain, constant=0.0, pair_sites=none[:, :2], pair_coupling=no_numbers, site_field=0 * fields,
            exchange_sites=none[:, :2], exchange_element=no_numbers, exchange_shell=np.zeros(0, dtype=np.int8),
        )
        for four in self.opposite:
            both = dataclasses.replace(empty, hop2_sites=four[None], hop2_element=np.array([self.opposite_weight]))
            a, _, c, _ = four.tolist()
            apart = ((states >> a) ^ (states >> c)) & 1  # else both electrons hop from the same orbital
            total = total + to_sparse(both, states) * apart[:, None]
        return total.tocsr()


class OperatorAverages(SingleLinks):
    """Local estimators of layer sums, means over the layers that are asked for.

    Parameters
    ----------
    wavefunction : Wavefunction
        Its parameters at the time of `measure` count.
    model : ElectronModel
    sums : list of LayerSum
    layers : tuple of int
        0: the physical layer, 1: the ancilla layer.
    """

    def __init__(self, wavefunction, model, sums, layers):
        n = model.n_sites
        self.wavefunction, self.n_layers, self.n_columns = wavefunction, len(layers), len(sums)
        self.moves = Moves(n_visible=2 * n, n_sites=n, bond_features=False)
        self.sums = [each.on_layer(self.moves, layer) for layer in layers for each in sums]
        # on average over the samples as many ratios as H has
        n_moves = sum(each.n_moves for each in sums)
        self.stride = max(1, -(-n_moves // max(1, len(model.exchange_sites))))

    def measure(self, configurations, threads):
        """Return the sums (n, n_columns) float64 of configurations (n, n_visible) int8, 0 where Psi vanishes."""
        return layer_means(self.wavefunction, self.moves, self.sums, self.n_layers, configurations, threads)
