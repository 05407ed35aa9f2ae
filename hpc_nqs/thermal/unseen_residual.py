"""What H makes of a state where the state itself vanishes: a part of the TDVP residual that no sample of it sees.

Var(E_loc) over |Psi|^2 counts (H - E) Psi on configurations with Psi != 0 alone.  An exchange hafnian has exact zeros
where H has no path of second order between the sites of a pair, as on the bonds of a Kitaev magnet: S^x_i S^x_k and
S^y_k S^y_j anticommute, so that a pair i, j appears at third order in beta, with the sign of two matched spins nearby,
which neither r nor q can have.  Then

    U = sum over x' with Psi(x') = 0 of |(H Psi)(x')|^2 / <Psi|Psi>

is missed by the evolution.  It is the mean over |Psi(x)|^2 of

    sum over terms t of H with Psi(x') = 0, x' = t(x), of  H_xx' (H Psi)(x') / Psi(x),

(H Psi)(x') / Psi(x) a sum over the terms that lead from x' to where Psi does not vanish.
"""

import numpy as np

from hpc_nqs.hilbert.moves import EXCHANGE
from hpc_nqs.kernels.amplitude import log_psi
from hpc_nqs.kernels.local_energy import move_ratios

PART = 512  # configurations at once
STRIDE = 4  # of every chain one sample of so many


def unseen_variance(samples, evaluation, system, team):
    """Return U of the mean of H x 1 and 1 x H~, total, in units of energy squared.  *Collective*.

    Parameters
    ----------
    samples : Samples
    evaluation : Evaluation
        Of the samples.
    system : Purification
        Of a model whose off-diagonal terms are exchanges and flips of parallel pairs or of single spins.
    team : Team
    """
    stride = 1 if samples.exponent == 0 else STRIDE
    kept = np.ascontiguousarray(samples.configurations[:, ::stride])
    weights = evaluation.weights.reshape(samples.configurations.shape[:2])[:, ::stride].ravel()
    chosen = np.flatnonzero(weights)
    rows, weights = kept.reshape(-1, kept.shape[2])[chosen], weights[chosen]
    found = np.zeros(len(rows))

    def fill(own, part):
        for start in range(part.start, part.stop, PART):
            block = slice(start, min(start + PART, part.stop))
            found[block] = _missed(rows[block], own, system)

    team.threads.run(evaluation.amplitude, len(rows), fill)
    sums = np.array([weights @ found, weights.sum()])
    team.sum_in_place(sums)
    return max(0.0, float(sums[0] / sums[1]))


def _missed(rows, amplitude, system):
    """Return the sum over terms that lead to zeros of Psi, (n,), of configurations (n, n_visible) with Psi != 0."""
    terms = np.ascontiguousarray(system.terms.ravel())
    elements = 0.5 * np.tile(system.model.off_diagonal_elements, 2)  # of the mean over the layers
    ratios, logs = np.empty((len(rows), len(terms)), dtype=complex), np.empty(len(rows), dtype=complex)
    move_ratios(rows, amplitude, system.moves.kernel(), terms, ratios, logs)
    place, term = np.nonzero(_allowed(rows, system, terms) & (ratios == 0))
    if not len(place):
        return np.zeros(len(rows))
    zeros = _moved(rows[place], system, terms[term])
    first, second = np.nonzero(_allowed(zeros, system, terms))
    ends = np.empty(len(first), dtype=complex)
    log_psi(amplitude, _moved(zeros[first], system, terms[second]), ends)
    amplitudes = np.exp(ends - logs[place[first]]).real
    acted = np.bincount(first, weights=elements[second] * amplitudes, minlength=len(zeros))
    return np.bincount(place, weights=elements[term] * acted, minlength=len(rows))


def _allowed(rows, system, terms):
    """Return which of the terms act on configurations, (n, n_terms) bool."""
    first, second = system.moves.sites[terms].T
    exchanges = system.moves.kinds[terms] == EXCHANGE
    return (rows[:, first] != rows[:, second]) == exchanges


def _moved(rows, system, terms):
    """Return configurations (n, n_visible) after one term each, (n,)."""
    moved, each = rows.copy(), np.arange(len(rows))
    first, second = system.moves.sites[terms].T
    moved[each, first] *= -1
    several = second != first  # a flip names its unit twice
    moved[each[several], second[several]] *= -1
    return moved
