"""Stochastic reconfiguration of deep purified states, sampled as rings of layers (theory 4.9).

Cut r of a ring of 2M links calls L_r the physical and L_{r+M} the ancilla layer; links r .. r+M-1 are the ket, the others
the bra.  Averages over rings with the weight of cut r,

    W_r = prod_ket phi  prod_bra phi*,

are <Psi| . |Psi>: of products of one quantity of the bra and one of the ket,

    S_kl = <O_k(bra)* O_l(ket)> - <O_k>* <O_l>,  F_k = <O_k(bra)* E(ket)> - <O_k>* <E>,
    <H^2> = <E(bra, L_r)* E(ket, L_r)>,  O_k = sum of d ln phi / d params_k over the links of a side.

All 2M cuts of a ring are equivalent, because phi is symmetric under exchange of its layers; sums run over all of them.
Sample by sample S is not positive: its noise is that of the deep layers, which its own diagonal does not know.  The
spread of O within one side does: V = <O(ket)^H O(ket)> with the absolute weights, S <= V for positive weights.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from hpc_nqs import linear
from hpc_nqs.evolution import Evolution
from hpc_nqs.kernels import amplitude as amplitude_kernel
from hpc_nqs.kernels.local_energy import local_energies
from hpc_nqs.reconfiguration import Velocity

BLOCK = 512  # rings whose log-derivatives are held at a time
EXACT_CUT = 1e-7  # the same for exact sums
NOISE_CUT = 2.0  # smallest S / V that is trusted, in units of 1 / sqrt(effective samples)


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


def evaluate_rings(samples, wavefunction, purification, team, amplitude=None):
    """Return the `RingEvaluation` of `wavefunction` on `samples`.  *Collective.*

    Fresh samples (log_density None) are taken to be distributed as abs(product of phi)^exponent of this wave function;
    others are reweighted.
    """
    moves = purification.moves
    amplitude = amplitude or wavefunction.amplitude(moves)
    n, n_links = samples.rings.shape[:2]
    energies = np.empty((n * n_links, 2), dtype=np.complex128)
    log_phi = np.empty(n * n_links, dtype=np.complex128)
    local_energies(samples.flat, amplitude, moves.kernel(), list(purification.hamiltonians), energies, log_phi)
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


class RingSums:
    """Sums over rings behind S, F and their like; those of two sets of rings add up.

    Attributes
    ----------
    totals : (4,) float64
        Sums of absolute weights, of signed weights, of signed weights times E(ket), and of the terms of Var(E_loc).
    vectors : (3, n_params)
        Sums of absolute weights times O(ket), of signed weights times O(ket), and of O(bra)* E(ket).
    matrices : (2, n_params, n_params)
        Sums of O(ket)^H O(ket) with absolute weights and of O(bra)^H O(ket) with signed ones.
    """

    def __init__(self, n_params, numbers):
        self.totals = np.zeros(4)
        self.vectors = np.zeros((3, n_params), numbers)
        self.matrices = np.zeros((2, n_params, n_params), numbers)

    def __add__(self, other):
        result = RingSums(self.vectors.shape[1], self.vectors.dtype)
        for name, array in vars(result).items():
            array += getattr(self, name) + getattr(other, name)
        return result

    def add(self, o, weights, phases, kets, bras):
        """Add rings: O(ket) (n, n_links, n_params) and energies of every cut about fixed centres, (n, n_links)."""
        n_links = phases.shape[1]
        n_slices, real = n_links // 2, self.vectors.dtype == np.float64
        absolute = weights / n_links
        for r in range(n_links):
            ket, bra, signed = o[:, r], o[:, (r + n_slices) % n_links].conj(), absolute * phases[:, r]
            force, mean = bra.T @ (signed * kets[:, r]), signed @ ket
            energies = np.stack([np.ones(len(o)), kets[:, r], bras[:, r].conj() * kets[:, r]], axis=1)
            self.totals += absolute.sum(), *(signed @ energies).real
            self.vectors += absolute @ ket, mean.real if real else mean, force.real if real else force
            self.matrices[0] += ket.conj().T @ (absolute[:, None] * ket)
            if r < n_slices:  # the other half of the cuts are the adjoints of these
                product = bra.T @ (signed[:, None] * ket)
                self.matrices[1] += product + product.conj().T

    def moments(self):
        """Return S, V (n_params, n_params), F (n_params,) and Var(E_loc)."""
        weight, sign, energy, square = self.totals
        plain, mean = self.vectors[0] / weight, self.vectors[1] / sign
        s_matrix = self.matrices[1] / sign - np.outer(mean.conj(), mean)
        spread = self.matrices[0] / weight - np.outer(plain.conj(), plain)
        force = self.vectors[2] / sign - mean.conj() * energy / sign
        return s_matrix, spread, force, square / sign - (energy / sign) ** 2


def assemble(evaluation, samples, wavefunction, team):
    """Return the `RingSums` of two independent halves of the rings of all ranks.  *Collective.*

    The halves are chains, or stretches of them, by global index.  Exact sums are not halved: both are the same.  Sums are
    taken about the mean of the first blocks of all ranks.
    """
    numbers = np.complex128 if wavefunction.is_complex else np.float64
    rings = samples.rings
    kets, bras = (energies - evaluation.energy for energies in (evaluation.ket_energies(), evaluation.bra_energies()))
    centre = _first_mean(evaluation, rings, wavefunction, team)
    halves = [RingSums(wavefunction.n_params, numbers) for _ in range(2)]
    half = _halves(samples)
    for start in range(0, len(rings), BLOCK):
        part = slice(start, start + BLOCK)
        o = _side_derivs(evaluation, rings[part], part, wavefunction) - centre
        for h in (0, 1):
            rows = half[part] == h
            halves[h].add(o[rows], *(array[part][rows] for array in (evaluation.weights, evaluation.phases, kets, bras)))
    for sums in halves:
        team.sum_in_place(sums.totals, sums.vectors, sums.matrices)
    return halves if samples.exponent else [halves[0], halves[0]]


def _halves(samples):
    """Return 0 or 1 for every ring, (n,): chains alternate, and so do the two halves of a chain; exact sums are all 0."""
    n_chains, n_per_chain = samples.configurations.shape[:2]
    if not samples.exponent:
        return np.zeros(n_chains * n_per_chain, dtype=int)
    chains = samples.first_chain + np.arange(n_chains)[:, None]
    return ((chains + 2 * np.arange(n_per_chain) // n_per_chain) % 2).ravel()


def _side_derivs(evaluation, rings, part, wavefunction):
    """Return O of the ket of every cut, (n, n_links, n_params)."""
    n, n_links, n_visible = rings.shape
    numbers = np.complex128 if wavefunction.is_complex else np.float64
    derivs = np.empty((n * n_links, wavefunction.n_params), dtype=numbers)
    amplitude_kernel.log_derivs(evaluation.amplitude, rings.reshape(-1, n_visible), derivs.view(np.float64))
    derivs = derivs.reshape(n, n_links, -1)
    derivs[evaluation.weights[part] == 0] = 0
    return sum(np.roll(derivs, -l, axis=1) for l in range(n_links // 2))


def _first_mean(evaluation, rings, wavefunction, team):
    """Return the mean of O (n_params,) over the first blocks of all ranks, the same numbers on all ranks."""
    part = slice(0, BLOCK)
    derivs = _side_derivs(evaluation, rings[part], part, wavefunction).mean(axis=1)
    sums = np.concatenate([evaluation.weights[part] @ derivs, [evaluation.weights[part].sum()]])
    team.sum_in_place(sums)
    return sums[:-1] / sums[-1].real


def solve_spread_cut(s_matrix, spread, force, rtol, noise):
    """Solve S x = -F in the directions in which O varies and S stands out of its noise.

    With V = U D U^H and the filter g of `linear.soft_cut` on D, S is taken in the basis U sqrt(g / D), where its
    eigenvalues mu are at most 1 and its noise is about 1 / sqrt(samples) in all directions; these are cut softly
    at mu = `noise`, negative ones entirely.  M = 1 has S = V and mu = 1: the plain soft cut.

    Parameters
    ----------
    s_matrix, spread : (P, P), Hermitian
    force : (P,)
    rtol : float
        Cut of V relative to its largest eigenvalue.
    noise : float, > 0

    Returns
    -------
    linear.Solution
    """
    values, vectors = scipy.linalg.eigh(spread, driver="evd", check_finite=False)
    _, inverse = linear.soft_cut(values, rtol)
    basis = vectors * np.sqrt(inverse)
    mu, rotation = scipy.linalg.eigh(basis.conj().T @ s_matrix @ basis, driver="evd", check_finite=False)
    kept = 1 / (1 + (noise / np.maximum(mu, 1e-9 * noise)) ** 6)
    basis = basis @ rotation
    x = -basis @ (kept / np.maximum(mu, 1e-9 * noise) * (basis.conj().T @ force))
    residual = linear.relative_residual(s_matrix @ x, force)
    return linear.Solution(x, "spread_cut", residual=residual, n_kept=float(kept.sum()))


class DeepEvolution(Evolution):
    """The `Evolution` of a deep state: the same steps, from rings instead of pairs of layers."""

    def evaluate(self, samples, amplitude=None):
        """Return the `RingEvaluation` of the present parameters.  *Collective.*"""
        return evaluate_rings(samples, self.wavefunction, self.purification, self.team, amplitude)

    def velocity(self, samples, evaluation):
        """Return the `Velocity` at the present parameters.  *Collective.*

        x is the mean of the solutions of two halves of the samples.  What each would do is measured on the other
        half: an overfitted x looks perfect on its own samples, which would falsify residual and clock.
        """
        halves = assemble(evaluation, samples, self.wavefunction, self.team)
        moments = [sums.moments() for sums in halves]
        s_matrix, _, force, variance = (halves[0] + halves[1]).moments() if samples.exponent else moments[0]
        solutions = None
        if self.team.is_root:
            solutions = [self._solve(*parts[:3], samples, evaluation) for parts in moments]
        solutions = self.team.broadcast_object(solutions)
        x = 0.5 * (solutions[0].x + solutions[1].x)
        others = [(solutions[h].x, moments[1 - h]) for h in (0, 1)]
        power = np.mean([-np.vdot(other[2], half).real for half, other in others])
        square = np.mean([np.vdot(half, other[0] @ half).real for half, other in others])
        _, squares = evaluation.layer_energies()
        thermal = np.array([evaluation.weights @ evaluation.per_ring(squares)])
        self.team.sum_in_place(thermal)
        solution = linear.Solution(
            x, solutions[0].solver, 0, linear.relative_residual(s_matrix @ x, force), solutions[0].n_kept, solutions[0].note
        )
        return Velocity(
            x=x,
            solution=solution,
            variance=variance,
            thermal_variance=float(thermal[0] / evaluation.average_sign - evaluation.energy**2),
            power=float(power),
            residual=float(1 - (2 * power - square) / variance) if variance > 0 else 0.0,
            speed=np.sqrt(max(0.0, np.vdot(x, s_matrix @ x).real)),
            force=force,
            apply=s_matrix.__matmul__,
        )

    def _solve(self, s_matrix, spread, force, samples, evaluation):
        if not (np.isfinite(s_matrix).all() and np.isfinite(spread).all() and np.isfinite(force).all()):
            return linear.Solution(np.full_like(force, np.nan), "none", note="S or F is not finite")
        noise = EXACT_CUT
        if samples.exponent:
            noise = NOISE_CUT / (evaluation.average_sign * np.sqrt(0.5 * evaluation.n_effective))
        return solve_spread_cut(s_matrix, spread, force, self.regularization.soft_cut, noise)
