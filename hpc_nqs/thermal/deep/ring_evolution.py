"""Stochastic reconfiguration of deep purified states, sampled as rings of layers (docs/theory/deep_states.md).

Cut r of a ring of 2M links calls L_r the physical and L_{r+M} the ancilla layer; links r .. r+M-1 are the ket, the
others the bra.  Averages over rings with the weight of cut r,

    W_r = prod_ket phi  prod_bra phi*,

are <Psi| . |Psi>: of products of one quantity of the bra and one of the ket,

    S_kl = <O_k(bra)* O_l(ket)> - <O_k>* <O_l>,  F_k = <O_k(bra)* E(ket)> - <O_k>* <E>,
    <H^2> = <E(bra, L_r)* E(ket, L_r)>,  O_k = sum of d ln phi / d params_k over the links of a side.

All 2M cuts of a ring are equivalent, because phi is symmetric under exchange of its layers; sums run over all of them.
Sample by sample S is not positive: its noise is that of the deep layers, which its own diagonal does not know.  The
spread of O within one side does: V = <O(ket)^H O(ket)> with the absolute weights, S <= V for positive weights.
"""


import numpy as np
import scipy.linalg

from hpc_nqs.reconfiguration import dense
from hpc_nqs.reconfiguration.velocity import Velocity
from hpc_nqs.thermal.deep.ring_evaluation import evaluate_rings
from hpc_nqs.thermal.deep.ring_moments import assemble
from hpc_nqs.thermal.evolution import AdaptiveEvolution

EXACT_CUT = 1e-7  # the same for exact sums
NOISE_CUT = 2.0  # smallest S / V that is trusted, in units of 1 / sqrt(effective samples)


def solve_spread_cut(s_matrix, spread, force, rtol, noise):
    """Solve S x = -F in the directions in which O varies and S stands out of its noise.

    With V = U D U^H and the filter g of `dense.soft_cut` on D, S is taken in the basis U sqrt(g / D), where its
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
    dense.Solution
    """
    values, vectors = scipy.linalg.eigh(spread, driver="evd", check_finite=False)
    _, inverse = dense.soft_cut(values, rtol)
    basis = vectors * np.sqrt(inverse)
    mu, rotation = scipy.linalg.eigh(basis.conj().T @ s_matrix @ basis, driver="evd", check_finite=False)
    kept = 1 / (1 + (noise / np.maximum(mu, 1e-9 * noise)) ** 6)
    basis = basis @ rotation
    x = -basis @ (kept / np.maximum(mu, 1e-9 * noise) * (basis.conj().T @ force))
    residual = dense.relative_residual(s_matrix @ x, force)
    return dense.Solution(x, "spread_cut", residual=residual, n_kept=float(kept.sum()))


class RingEvolution(AdaptiveEvolution):
    """The `Evolution` of a deep state: the same steps, from rings instead of pairs of layers."""

    def evaluate(self, samples, amplitude=None, controls=None, derives=False):
        """Return the `RingEvaluation` of the present parameters; there are no controls.  *Collective*."""
        return evaluate_rings(samples, self.wavefunction, self.system, self.team, amplitude)

    def velocity(self, samples, evaluation):
        """Return the `Velocity` at the present parameters.  *Collective*.

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
        first, residual = solutions[0], dense.relative_residual(s_matrix @ x, force)
        solution = dense.Solution(x, first.solver, 0, residual, first.n_kept, first.note)
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
            return dense.Solution(np.full_like(force, np.nan), "none", note="S or F is not finite")
        noise = EXACT_CUT
        if samples.exponent:
            noise = NOISE_CUT / (evaluation.average_sign * np.sqrt(0.5 * evaluation.n_effective))
        return solve_spread_cut(s_matrix, spread, force, self.regularization.soft_cut, noise)
