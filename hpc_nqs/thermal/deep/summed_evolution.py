"""Stochastic reconfiguration of deep networks whose deep units are summed exactly.

E_loc(v) = (H Psi)(v) / Psi(v): summed, a deep network is a wave function of the visible units like any other.
"""

from dataclasses import dataclass

import numpy as np

from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.sampling.evaluation import Evaluation
from hpc_nqs.thermal.deep.unit_sum import DeepSum, bits_of
from hpc_nqs.thermal.evolution import AdaptiveEvolution


@dataclass(kw_only=True)
class SummedEvaluation(Evaluation):
    """A deep network on visible configurations, its deep units summed.

    Attributes
    ----------
    derivs : (n, n_params) float64 or complex128
    """

    derivs: np.ndarray

    def log_derivs(self, configurations, part, out, threads):
        """Write O_k of the samples `part` to `out` (n, n_params * width) float64, *in place*."""
        out[:] = self.derivs[part].view(np.float64)


class SummedEvolution(AdaptiveEvolution):
    """The `Evolution` of a deep network whose deep units are summed."""

    def __init__(self, state, regularization, control, team):
        super().__init__(state, regularization, control, team)
        self.deep_sum = DeepSum(state.wavefunction)
        self.hamiltonian = to_sparse(self.system.model)

    def evaluate(self, samples, amplitude=None, controls=None, derives=False):
        """Return the `SummedEvaluation` at the present parameters, of samples that hold every configuration once.

        *Collective*.  There are no controls.
        """
        numbers = bits_of(samples.flat)
        psi, derivs = self.deep_sum.amplitudes(numbers)
        energies, own = self.local_energies(psi)[numbers], psi[numbers]
        if samples.log_density is None:
            samples.log_density = np.zeros(len(numbers))
        # psi is complete on every rank: so is its norm
        weights = np.abs(own) ** 2 / np.sum(np.abs(psi) ** 2)
        energies[weights == 0] = 0
        totals = np.array([np.square(weights).sum(), weights @ energies.real.mean(axis=1)])
        self.team.sum_in_place(totals)
        with np.errstate(divide="ignore"):
            log_psi = np.log(own)
        return SummedEvaluation(
            amplitude=amplitude,
            energies=energies,
            log_psi=log_psi,
            weights=weights,
            energy=totals[1],
            n_effective=1.0 / totals[0],
            derivs=np.ascontiguousarray(derivs),
        )

    def local_energies(self, psi):
        """Return (H x 1 Psi) / Psi and (1 x H~ Psi) / Psi of all visible configurations, (2^n_visible, 2)."""
        size = self.hamiltonian.shape[0]
        state = psi.reshape(size, size)  # ancilla spins, physical spins
        # opposite Bell pairs: H~ acts on the flipped ancilla spins
        turned = state[::-1] if self.system.opposite_pairs else state
        ancilla = self.hamiltonian @ turned
        both = (self.hamiltonian @ state.T).T, ancilla[::-1] if self.system.opposite_pairs else ancilla
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.stack([np.where(state != 0, part / state, 0.0).reshape(-1) for part in both], axis=1)
