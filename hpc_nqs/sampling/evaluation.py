"""A wave function on samples: local energies, log Psi and weights."""

from dataclasses import dataclass, replace

import numpy as np

from hpc_nqs.kernels import amplitude as amplitude_kernel
from hpc_nqs.kernels.local_energy import local_energies
from hpc_nqs.parallel.ordered_sums import sum_of_rows

KEPT_ITEMS = 2**22  # O_k of one rank that are kept beside its energies


@dataclass
class Evaluation:
    """A wave function on the samples of this rank.

    Attributes
    ----------
    amplitude : Amplitude
    energies : (n, n_hamiltonians) complex128
        Local energies of H x 1 and 1 x H~, or of H alone, totals.
    log_psi : (n,) complex128
    weights : (n,) float64
        abs(Psi)^2 over the density that was sampled, normalised to sum 1 over all ranks.
    energy : float
        Mean over all ranks, total.
    n_effective : float
        Kish's effective number of samples over all ranks, 1 / sum of squared weights.
    penalty : (n,) complex128 or None
        Local energy of a penalty, in the force alone.
    controls : (n, n_controls) float64 or None
        Control variates of the energy.
    derivs : (n, n_params * width) float64 or None
        O_k where they were computed beside the energies.
    """

    amplitude: object
    energies: np.ndarray
    log_psi: np.ndarray
    weights: np.ndarray
    energy: float
    n_effective: float
    penalty: np.ndarray | None = None
    controls: np.ndarray | None = None
    derivs: np.ndarray | None = None

    @property
    def force_energies(self):
        """Local energy in the force, (n,): the mean over the layers, with the penalty."""
        energies = self.energies.mean(axis=1)
        return energies if self.penalty is None else energies + self.penalty

    def of(self, chosen):
        """Return the same of some samples alone, a slice or indices; weights, sums and means stay those of all."""
        names = "energies", "log_psi", "weights", "penalty", "controls", "derivs"
        values = {name: getattr(self, name) for name in names}
        return replace(self, **{name: each[chosen] for name, each in values.items() if each is not None})

    def log_derivs(self, configurations, part, out, threads):
        """Write O_k of the samples `part` to `out` (n, n_params * width) float64, *in place*, by some `Threads`."""
        if self.derivs is not None:
            out[...] = self.derivs[part]
            return
        rows = configurations[part]
        threads.run(
            self.amplitude, len(rows), lambda own, some: amplitude_kernel.log_derivs(own, rows[some], out[some])
        )


def evaluate(samples, wavefunction, system, team, amplitude=None, controls=None, derives=False):
    """Return the `Evaluation` of `wavefunction` on `samples`.  *Collective*.

    Fresh samples (log_density None) are taken to be distributed as abs(Psi)^(2 exponent) of this wave function;
    others are reweighted.  With `ControlVariates` the ratios behind the energies serve for these too.  With `derives`
    O_k are kept, if they are few numbers, which saves building every state once more.
    """
    moves = system.moves
    amplitude = amplitude or wavefunction.amplitude(moves)
    n = len(samples.flat)
    energies = np.empty((n, len(system.hamiltonians)), dtype=np.complex128)
    log_psi = np.empty(n, dtype=np.complex128)
    kernel, hamiltonians, flat = moves.kernel(), list(system.hamiltonians), samples.flat
    found = None if controls is None else np.empty((n, controls.n_controls))
    n_columns = wavefunction.n_params * wavefunction.width
    derivs = np.empty((n, n_columns)) if derives and controls is None and n * n_columns <= KEPT_ITEMS else None

    def fill(own, part):
        if controls is None:
            own_derivs = None if derivs is None else derivs[part]
            local_energies(
                flat[part], own, kernel, hamiltonians, energies[part], log_psi[part], derivs=own_derivs
            )
        else:
            controls.fill(flat[part], own, energies[part], log_psi[part], found[part])

    team.threads.run(amplitude, n, fill)
    if samples.log_density is None:
        samples.log_density = 2 * samples.exponent * log_psi.real if samples.exponent else np.zeros(n)
    # a numerical zero of Psi, reached by exact summation or by rounding, has no local energy and no weight
    usable = np.isfinite(energies).all(axis=1) & np.isfinite(log_psi) & np.isfinite(samples.log_density)
    weights = _unnormalised(log_psi, samples.log_density, usable, team)
    energies[weights == 0] = 0
    if found is not None:
        found[weights == 0] = 0
    totals = np.array([weights.sum(), np.square(weights).sum(), weights @ energies.real.mean(axis=1)])
    team.sum_in_place(totals)
    return Evaluation(
        amplitude=amplitude,
        energies=energies,
        log_psi=log_psi,
        weights=weights / totals[0],
        energy=totals[2] / totals[0],
        n_effective=totals[0] ** 2 / totals[1],
        controls=found,
        derivs=derivs,
    )


def every(stride, samples, evaluation, team):
    """Return one of `stride` samples of every chain and the evaluation of these.  *Collective*.

    Weights sum to 1 again; the mean energy stays that of all samples.
    """
    n_chains, n_per_chain = samples.configurations.shape[:2]
    chosen = np.arange(n_chains * n_per_chain).reshape(n_chains, n_per_chain)[:, ::stride].ravel()
    weights = evaluation.weights[chosen]
    totals = np.array([weights.sum(), weights @ weights])
    team.sum_in_place(totals)
    fewer = replace(
        samples, configurations=np.ascontiguousarray(samples.configurations[:, ::stride]),
        log_density=samples.log_density[chosen],
    )
    return fewer, replace(
        evaluation.of(chosen), weights=weights / totals[0], n_effective=totals[0] ** 2 / totals[1]
    )


def chainwise(evaluation, samples, n_chains, team):
    """Return an evaluation whose numbers are the same to the last bit on any number of ranks.  *Collective*.

    Sums are made chain by chain, in the order of the chains.

    Parameters
    ----------
    evaluation : Evaluation
        Of the samples.
    samples : Samples
    n_chains : int
        Over all ranks.
    """
    weights = _unnormalised(evaluation.log_psi, samples.log_density, evaluation.weights > 0, team)
    energies = evaluation.energies.real.mean(axis=1)
    n_local, n_per_chain = samples.configurations.shape[:2]
    sums = np.zeros((n_local, 3))
    for c in range(n_local):
        part = slice(c * n_per_chain, (c + 1) * n_per_chain)
        sums[c] = weights[part].sum(), weights[part] @ weights[part], weights[part] @ energies[part]
    total, squares, energy = sum_of_rows(team, sums, samples.first_chain, n_chains)
    return replace(evaluation, weights=weights / total, energy=energy / total, n_effective=total**2 / squares)


def _unnormalised(log_psi, log_density, usable, team):
    """Return abs(Psi)^2 over the density (n,), the largest one of all ranks 1; 0 where not `usable`.  *Collective*."""
    log_weights = 2 * np.where(usable, log_psi.real, 0) - np.where(usable, log_density, 0)
    log_weights = np.where(usable, log_weights, -np.inf)
    return np.exp(log_weights - team.max(log_weights.max(initial=-np.inf)))
