"""Diagonal observables of spin configurations: magnetization, structure factor, neighbour correlations."""

from dataclasses import dataclass

import numpy as np

from hpc_nqs.lattice import wave_vector_key


@dataclass(frozen=True)
class Observables:
    """Diagonal operators of the physical layer.

    Attributes
    ----------
    spin : float
        Sz = spin * sigma.
    phases : dict of str: (n_sites,) complex128
        e^{iqr} of every structure factor, by its key "qx,qy".
    shells : dict of int: (n_bonds, 2) intp
        Bonds whose Sz Sz correlation is averaged.
    """

    spin: float
    phases: dict
    shells: dict

    @property
    def names(self):
        """Names of the columns of `measure`."""
        factors = [("structure_factor", key) for key in self.phases]
        bonds = [("neighbour_correlation", str(shell)) for shell in self.shells]
        return [("magnetization", ""), ("magnetization_squared", ""), *factors, *bonds]

    def measure(self, spins):
        """Return M, M^2 (totals), S(q) and mean Sz Sz per shell of configurations (n, n_sites), as (n, n_columns)."""
        sz = self.spin * spins.astype(np.float64)
        total = sz.sum(axis=1)
        columns = [total, total**2]
        columns += [np.abs(sz @ phases) ** 2 / sz.shape[1] for phases in self.phases.values()]
        columns += [np.mean(sz[:, bonds[:, 0]] * sz[:, bonds[:, 1]], axis=1) for bonds in self.shells.values()]
        return np.stack(columns, axis=1)


def build_observables(settings, lattice, model):
    """Return the `Observables` of the settings; neighbour shells are those the model couples."""
    phases = {wave_vector_key(q): lattice.wave_vector(q) for q in settings.observables.structure_factor}
    n_shells = len(settings.model.couplings) if settings.model.kind == "heisenberg" else 1
    shells = {}
    if lattice.kind != "custom":
        shells = {shell: lattice.bonds(shell) for shell in range(1, n_shells + 1)}
    return Observables(model.spin, phases, shells)
