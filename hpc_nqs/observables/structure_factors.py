"""Diagonal correlations of one state: structure factors near and at given wave vectors, and dimers."""

from dataclasses import dataclass

import numpy as np

from hpc_nqs.hamiltonians.spin_model import SZ
from hpc_nqs.lattices.lattice import wave_vector_key
from hpc_nqs.observables.order_parameters import OrderParameters
from hpc_nqs.observables.site_operators import SiteOperators
from hpc_nqs.observables.spin_operators import build_operators


@dataclass(frozen=True)
class Correlations:
    """Diagonal operators of a configuration of spins, Sz = sigma/2.

    Attributes
    ----------
    phases : dict of str: (n_sites,) complex128
        e^{iqr} of every structure factor, by its key "qx,qy".
    near : dict of str: (n_near, n_sites) complex128
        e^{i(q + dq)r} of the wave vectors next to q on the finite lattice.
    dimers : dict of str: ((n_bonds, 2) intp, (n_bonds,) float64)
        Bonds along one direction of the lattice and the signs e^{iQr} of the columns of dimers, by the key of Q.
    orders : OrderParameters or None
        Moments of m_q, where they are wanted: the last columns of `measure`.
    operators : SiteOperators or None
        What has no values on configurations alone; not among the columns of `measure`.
    """

    phases: dict
    near: dict
    dimers: dict
    orders: OrderParameters | None = None
    operators: SiteOperators | None = None

    @property
    def names(self):
        """Names and keys of the columns of `measure`, moments left out."""
        return (
            [("structure_factor", key) for key in self.phases]
            + [("near", key) for key in self.near]
            + [("dimer_structure_factor", key) for key in self.dimers]
        )

    @property
    def n_columns(self):
        """Number of columns of `measure`."""
        return len(self.names) + (0 if self.orders is None else len(self.orders.names))

    def measure(self, spins):
        """Return the columns (n, n_columns) of configurations (n, n_sites).

        S(q) = |sum_r e^{iqr} Sz_r|^2 / N, its mean over the wave vectors next to q, and
        D(Q) = |sum_r e^{iQr} Sz_r Sz_{r+a}|^2 / N.
        """
        sz = SZ * spins.astype(np.float64)
        n = sz.shape[1]
        columns = [np.abs(sz @ phases) ** 2 / n for phases in self.phases.values()]
        columns += [np.mean(np.abs(sz @ phases.T) ** 2, axis=1) / n for phases in self.near.values()]
        for bonds, signs in self.dimers.values():
            columns.append(((sz[:, bonds[:, 0]] * sz[:, bonds[:, 1]]) @ signs) ** 2 / n)
        if self.orders is not None:
            columns += self.orders.columns(sz)
        return np.stack(columns, axis=1) if columns else np.zeros((len(sz), 0))


def build_correlations(settings, lattice, model):
    """Return the `Correlations` of the settings; dimers on lattices with one site per cell."""
    phases = {wave_vector_key(q): lattice.wave_vector(q) for q in settings.observables.structure_factor}
    near, dimers = {}, {}
    if len(lattice.periods):
        steps = 2 * np.pi * np.linalg.pinv(lattice.periods).T
        turns = np.exp(1j * lattice.positions @ np.concatenate([steps, -steps]).T).T
        near = {key: turns * at for key, at in phases.items()}
        if lattice.basis is not None and len(lattice.basis) == 1 and not lattice.box:
            dimers = dict(filter(None, (_dimers(lattice, direction) for direction in range(len(lattice.grid)))))
    orders = OrderParameters.of_waves(phases, model.n_sites) if settings.observables.moments else None
    return Correlations(phases, near, dimers, orders, build_operators(settings, lattice, of_thermal_states=False))


def _dimers(lattice, direction):
    """Return the key of Q and (bonds, signs) of dimers along one periodic direction of even length, or None."""
    length = lattice.grid[direction]
    if not lattice.wraps[direction] or length % 2:
        return None
    sites = np.arange(lattice.n_sites)
    step = np.eye(len(lattice.grid))[direction]
    wave_vector = np.linalg.solve(lattice.vectors, step)
    bonds = np.stack([sites, lattice.translated(step)], axis=1)
    return wave_vector_key(np.round(wave_vector, 6)), (bonds, (-1.0) ** lattice.cells()[:, direction])
