"""Diagonal observables of spin configurations: magnetization, structure factor, correlations."""

import dataclasses
import functools
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from hpc_nqs.hamiltonians import MODELS
from hpc_nqs.hamiltonians.spin_model import SZ
from hpc_nqs.lattices.lattice import wave_vector_key
from hpc_nqs.observables.layer_correlations import LayerCorrelations
from hpc_nqs.observables.order_parameters import OrderParameters
from hpc_nqs.observables.pair_classes import PairClasses, correlation, pairs_by_distance, pairs_by_vector
from hpc_nqs.observables.site_operators import SiteOperators
from hpc_nqs.observables.spin_operators import build_operators

N_MAGNETIZATIONS = 2  # columns of M and M^2 before all other observables


@dataclass(frozen=True)
class Observables:
    """Diagonal operators of the physical layer, Sz = sigma/2.

    Attributes
    ----------
    n_sites : int
    phases : dict of str: (n_sites,) complex128
        e^{iqr} of every structure factor, by its key "qx,qy".
    shells : dict of int: (n_bonds, 2) intp
        Bonds whose Sz Sz correlation is averaged.
    distances, vectors : dict of str: scipy.sparse array (n_sites, n_sites)
        Weights of all pairs at each distance, or displacement, each pair once; they sum to 1. See `pair_classes`.
    orders : OrderParameters or None
        Moments of m_q, where they are wanted: the last columns of `measure`.
    layers : LayerCorrelations or None
        Correlations in imaginary time, where they are wanted; not among the columns of `measure`.
    operators : SiteOperators or None
        What has no values on configurations alone; not among the columns of `measure`.
    """

    n_sites: int
    phases: dict
    shells: dict
    distances: dict = field(default_factory=dict)
    vectors: dict = field(default_factory=dict)
    orders: OrderParameters | None = None
    layers: LayerCorrelations | None = None
    operators: SiteOperators | None = None
    layer_sums: ClassVar[tuple] = ()  # of electrons
    green: ClassVar[None] = None

    @property
    def has_components(self):
        """Whether there is anything that can be averaged over the spin components."""
        return self.n_pair_columns > 0 or self.layers is not None

    @property
    def n_pair_columns(self):
        """Columns of `measure` behind M and M^2 that are sums over pairs of Sz Sz."""
        return len(self.phases) + len(self.shells) + len(self.distances) + len(self.vectors)

    def bare(self):
        """Return the same with M and M^2 alone."""
        return Observables(self.n_sites, {}, {})

    def at_equal_times(self):
        """Return the same without correlations in imaginary time."""
        return dataclasses.replace(self, layers=None)

    @property
    def names(self):
        """Names of the columns of `measure`."""
        factors = [("structure_factor", key) for key in self.phases]
        bonds = [("neighbour_correlation", str(shell)) for shell in self.shells]
        pairs = [("correlation", key) for key in self.distances]
        pairs += [("correlation_vector", key) for key in self.vectors]
        of_orders = [] if self.orders is None else self.orders.names
        return [("magnetization", ""), ("magnetization_squared", ""), *factors, *bonds, *pairs, *of_orders]

    def measure(self, spins):
        """Return M, M^2 (totals), S(q), mean Sz Sz per shell, distance and displacement, and moments of m_q.

        Parameters
        ----------
        spins : (n, n_sites) int8

        Returns
        -------
        (n, n_columns) float64
            In the order of `names`.
        """
        sz = SZ * spins.astype(np.float64)
        total = sz.sum(axis=1)
        columns = [total, total**2]
        columns += [np.abs(sz @ phases) ** 2 / sz.shape[1] for phases in self.phases.values()]
        columns += [np.mean(sz[:, bonds[:, 0]] * sz[:, bonds[:, 1]], axis=1) for bonds in self.shells.values()]
        if self.distances or self.vectors:
            columns += list((self.classes.sums((sz, sz)) / (2 * self.classes.sizes)).T)
        if self.orders is not None:
            columns += self.orders.columns(sz)
        return np.stack(columns, axis=1)

    @functools.cached_property
    def classes(self):
        """Pairs at each distance and displacement, as `PairClasses`."""
        return PairClasses.of([*self.distances.values(), *self.vectors.values()], self.n_sites)

    def pair_weights(self):
        """Return the weights w_ij of Sz_i Sz_j in columns of `measure` beyond M, M^2: (n_columns, n_sites, n_sites)."""
        weights = [np.real(np.outer(phases.conj(), phases)) / len(phases) for phases in self.phases.values()]
        weights += [_mean_over(bonds, self.n_sites) for bonds in self.shells.values()]
        weights += [pairs.toarray() for pairs in (*self.distances.values(), *self.vectors.values())]
        return np.reshape(weights, (-1, self.n_sites, self.n_sites))


class OrbitAverages:
    """What `Observables` measure, averaged over a group: for sums of one configuration of every orbit.

    Parameters
    ----------
    observables : Observables
    images : SignedPermutations
        The group acting on the spins, flips of all of them included.
    """

    layer_sums = ()

    def __init__(self, observables, images):
        weights = observables.pair_weights()
        self.names, self.has_components = observables.names, observables.has_components
        self.n_pair_columns = observables.n_pair_columns
        self.layers, self.orders, self.operators = (
            None if part is None else part.averaged(images)
            for part in (observables.layers, observables.orders, observables.operators)
        )
        self.magnetization = images.signs.mean()  # 0 where there are flips: they take M to -M
        # the mean over g of sum_ij w_ij s_g(i) s_g(j)
        places = np.argsort(images.sources, axis=1)
        self.weights = np.mean([weights[:, row[:, None], row[None, :]] for row in places], axis=0)

    def measure(self, spins):
        """Return the columns (n, n_columns) float64 of configurations (n, n_sites), in the order of `names`."""
        sz = SZ * spins.astype(np.float64)
        total = sz.sum(axis=1)
        columns = [self.magnetization * total, total**2, *(correlation(sz, weights) for weights in self.weights)]
        if self.orders is not None:
            columns += self.orders.columns(sz)
        return np.stack(columns, axis=1)

    def pair_weights(self):
        """Return the weights w_ij of Sz_i Sz_j in columns of `measure` beyond M, M^2: (n_columns, n_sites, n_sites)."""
        return self.weights


def _mean_over(bonds, n_sites):
    """Return the weights (n_sites, n_sites) of the mean over bonds."""
    weights = np.zeros((n_sites, n_sites))
    np.add.at(weights, (bonds[:, 0], bonds[:, 1]), 1 / len(bonds))
    return weights


def build_observables(settings, lattice, model):
    """Return the `Observables` of the settings; neighbour shells are those the model couples."""
    phases = {wave_vector_key(q): lattice.wave_vector(q) for q in settings.observables.structure_factor}
    n_shells = len(MODELS[settings.model.kind].shell_couplings(settings.model.keywords()))
    shells = {}
    if lattice.kind != "custom":
        shells = {shell: lattice.bonds(shell) for shell in range(1, n_shells + 1)}
    asked, layers = settings.observables, None
    pairs = pairs_by_distance(lattice) if asked.correlations else {}
    vectors = pairs_by_vector(lattice) if asked.correlation_vectors else {}
    orders = OrderParameters.of_waves(phases, model.n_sites) if asked.moments else None
    if asked.imaginary_time:
        layers = LayerCorrelations(phases, model.n_sites, subtracts_means=not model.spin_flip_symmetric)
    operators = build_operators(settings, lattice)
    return Observables(model.n_sites, phases, shells, pairs, vectors, orders, layers, operators)
