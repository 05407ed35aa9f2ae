"""A deep state on rings of layers: local energies, weights and phases of every cut."""

from dataclasses import dataclass

import numpy as np

from hpc_nqs.kernels.local_energy import local_energies


@dataclass
class RingEvaluation:
    """phi on the rings of this rank.

    Attributes
    ----------
    amplitude : Amplitude
    first, second : (n, n_links) complex128
        Local energies of H on the first and of H~ on the second layer of every link, totals.
    weights : (n,) float64
        abs(product of phi) over the density that was sampled, normalised to sum 1 over all ranks.
    phases : (n, n_links) float64 or complex128
        W_r / abs(W_r) of every cut; real for real phi, and then the same for all cuts.
    average_sign : float
        Mean phase over all ranks.
    energy : float
        Mean over all ranks, total.
    n_effective : float
        Kish's effective number of samples over all ranks, 1 / sum of squared weights.
    """

    amplitude: object
    first: np.ndarray
    second: np.ndarray
    weights: np.ndarray
    phases: np.ndarray
    average_sign: float
    energy: float
    n_effective: float

    def ket_energies(self):
        """Return E(ket) of every cut, the mean over its two outer layers, (n, n_links)."""
        n_slices = self.first.shape[1] // 2
        return 0.5 * (self.first + np.roll(self.second, 1 - n_slices, axis=1))

    def bra_energies(self):
        """Return E(bra) of every cut, the mean over its two outer layers, (n, n_links)."""
        n_slices = self.first.shape[1] // 2
        return 0.5 * (np.roll(self.second, 1, axis=1) + np.roll(self.first, -n_slices, axis=1))

    def layer_energies(self):
        """Return (E, E^2) of the layer L_r of every cut, each (n, n_links): from bra and ket, and their product."""
        bra = np.roll(self.second, 1, axis=1).conj()
        return 0.5 * (bra + self.first), bra * self.first

    def per_ring(self, values):
        """Return Re of the mean over cuts of phase times values, (n,)."""
        return np.mean(self.phases * values, axis=1).real


def evaluate_rings(samples, wavefunction, system, team, amplitude=None):
    """Return the `RingEvaluation` of `wavefunction` on `samples`.  *Collective*.

    Fresh samples (log_density None) are taken to be distributed as abs(product of phi)^exponent of this wave function;
    others are reweighted.
    """
    moves = system.moves
    amplitude = amplitude or wavefunction.amplitude(moves)
    n, n_links = samples.rings.shape[:2]
    energies = np.empty((n * n_links, 2), dtype=np.complex128)
    log_phi = np.empty(n * n_links, dtype=np.complex128)
    local_energies(samples.flat, amplitude, moves.kernel(), list(system.hamiltonians), energies, log_phi)
    energies, log_phi = energies.reshape(n, n_links, 2), log_phi.reshape(n, n_links)
    energies[:, samples.straight] = energies[:, samples.straight, ::-1].copy()
    log_weights = log_phi.real.sum(axis=1)
    if samples.log_density is None:
        samples.log_density = samples.exponent * log_weights if samples.exponent else np.zeros(n)
    # a link that vanishes, by exact summation or by rounding, has no local energy and its ring no weight
    usable = np.isfinite(energies).all(axis=(1, 2)) & np.isfinite(log_weights) & np.isfinite(samples.log_density)
    log_weights = np.where(usable, np.where(usable, log_weights, 0) - np.where(usable, samples.log_density, 0), -np.inf)
    weights = np.exp(log_weights - team.max(log_weights.max(initial=-np.inf)))
    energies[weights == 0] = 0
    evaluation = RingEvaluation(
        amplitude=amplitude,
        first=energies[:, :, 0],
        second=energies[:, :, 1],
        weights=weights,
        phases=_cut_phases(np.where(usable[:, None], log_phi.imag, 0.0), wavefunction.is_complex),
        average_sign=1.0,
        energy=0.0,
        n_effective=0.0,
    )
    energy = evaluation.per_ring(evaluation.layer_energies()[0])
    sums = np.array([weights.sum(), weights @ weights, weights @ evaluation.per_ring(1.0), weights @ energy])
    team.sum_in_place(sums)
    evaluation.weights = weights / sums[0]
    evaluation.average_sign = float(sums[2] / sums[0])
    evaluation.energy = float(sums[3] / sums[2])
    evaluation.n_effective = float(sums[0] ** 2 / sums[1])
    return evaluation


def _cut_phases(angles, is_complex):
    """Return prod_ket u prod_bra u* of every cut, u = e^{i angle} of the links, (n, n_links)."""
    if not is_complex:
        return np.repeat(np.cos(angles.sum(axis=1, keepdims=True)).round(), angles.shape[1], axis=1)
    n_slices = angles.shape[1] // 2
    ket = sum(np.roll(angles, -l, axis=1) for l in range(n_slices))
    return np.exp(1j * (ket - np.roll(ket, -n_slices, axis=1)))
