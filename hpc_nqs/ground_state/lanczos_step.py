"""One Lanczos step on the final state, and the limit of zero variance, from samples of abs(Psi)^2.

With x = H - centre, L1(s) = (x Psi)(s) / Psi(s) and L2(s) = (x^2 Psi)(s) / Psi(s), samples of abs(Psi)^2 give
<x> = <L1>, <x^2> = <|L1|^2>, <x^3> = Re <L1* L2> and <x^4> = <|L2|^2>.  The state (1 + a x) Psi with the lowest energy
is that of a 2x2 matrix, and <x^4> gives its variance: S. Sorella, PRB 64, 024512 (2001); Y. Nomura and M. Imada,
PRX 11, 031034 (2021).

A zero of Psi has no samples.  What H does there is left out of L2 as it is of L1, so that all moments are those of
P H P with P the projector onto the configurations with Psi != 0: the energy of the step stays an upper bound.
"""

import numpy as np

from hpc_nqs.ground_state.meter import v_score_of
from hpc_nqs.kernels.local_energy import connected_configurations, local_energies
from hpc_nqs.statistics.control_variates import least_variance

CONNECTED = 16384  # configurations whose amplitudes are computed at once
FAR_V_SCORE = 0.1  # from which on a line says little about the limit
ALL_FIRST, ALL_SECOND, CHOSEN, FIRST, SECOND, THIRD, FOURTH, EIGHTH = range(8)


def second_local_energies(configurations, log_psi, energies, amplitude, system, centre, threads):
    """Return L2(s) = sum_s1 x_{s s1} L1(s1) Psi(s1) / Psi(s), x = H - centre.

    Ratios are differences of ln Psi, those of L1(s1): near a node its 1 / Psi(s1) cancels with the same rounding.

    Parameters
    ----------
    configurations : (n, n_visible) int8
    log_psi, energies : (n,) complex128
        ln Psi(s) and L1(s), in units of energy.
    amplitude : Amplitude
    system : System
    centre : float
        Energy, near that of the state.
    threads : Threads

    Returns
    -------
    (n,) complex128
        In units of energy squared.
    """
    moves, (hamiltonian,) = system.moves.kernel(), system.hamiltonians
    result = np.empty(len(configurations), dtype=np.complex128)
    n_terms = max(1, n_terms_of(system))
    n_rows = max(1, CONNECTED // n_terms)

    def fill(own, part):
        for start in range(part.start, part.stop, n_rows):
            rows = slice(start, min(start + n_rows, part.stop))
            n = rows.stop - start
            connected, elements = np.empty((n * n_terms, configurations.shape[1]), np.int8), np.empty(n * n_terms)
            counts, diagonal = np.empty(n, dtype=np.intp), np.empty(n)
            found = connected_configurations(
                configurations[rows], moves, hamiltonian, system.model.of_electrons, connected, elements, counts,
                diagonal,
            )
            beside, first = np.empty(found, dtype=np.complex128), np.empty((found, 1), dtype=np.complex128)
            local_energies(connected[:found], own, moves, [hamiltonian], first, beside)
            owners = np.repeat(np.arange(n), counts)
            with np.errstate(invalid="ignore", over="ignore"):
                terms = elements[:found] * np.exp(beside - log_psi[rows][owners]) * (first[:, 0] - centre)
            terms[~np.isfinite(terms)] = 0
            sums = np.bincount(owners, terms.real, n) + 1j * np.bincount(owners, terms.imag, n)
            result[rows] = (diagonal - centre) * energies[rows] + sums

    threads.run(amplitude, len(configurations), fill)
    return result


def n_terms_of(system):
    """Return the number of off-diagonal terms of H, the most configurations that it connects with one."""
    return len(system.model.off_diagonal_elements)


def step_energies(first, second, third, fourth):
    """Return energy and variance of Psi and of (1 + a x) Psi with the best a, from the moments of x.

    With y = x - <x>, in the basis of Psi and y Psi / b, b^2 = <y^2>: H has the elements 0, b and c = <y^3> / <y^2>;
    the lower level is e = c / 2 - sqrt(c^2 / 4 + b^2) below <x>, and what H takes out of this basis makes its variance
    e^2 / (e^2 + b^2) (<y^4> / b^2 - b^2 - c^2).

    Parameters
    ----------
    first, second, third, fourth : (n,) float64
        Moments of x.

    Returns
    -------
    energy, variance, energy_of_step, variance_of_step : (n,) float64
        Energies as differences from the origin of x.  An eigenstate stays as it is.
    """
    variance = second - first**2
    cube = third - 3 * first * second + 2 * first**3
    quartic = fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4
    is_mixed = variance > 0
    safe = np.where(is_mixed, variance, 1.0)
    skew = cube / safe
    size = np.abs(skew) / 2 + np.hypot(skew / 2, np.sqrt(safe))
    gain = np.where(is_mixed, np.where(skew > 0, -safe / size, -size), 0.0)  # nothing cancels
    outside = quartic / safe - safe - skew**2
    return first, variance, first + gain, np.where(is_mixed, gain**2 / (gain**2 + safe) * outside, 0.0)


def zero_variance(energy, variance, energy_of_step, variance_of_step):
    """Return the energy at zero variance of the line through both states; nan where the step has the larger one."""
    falls = variance > variance_of_step
    fall = np.where(falls, variance - variance_of_step, 1.0)
    limit = energy_of_step + variance_of_step * (energy_of_step - energy) / fall
    return np.where(falls, limit, np.where(variance == 0, energy, np.nan))


class LanczosStep:
    """Results of the step from some of the samples of a measurement.

    Parameters
    ----------
    meter : LevelMeter
        Of the same state.
    """

    def __init__(self, meter):
        self.meter, self.system, self.sampler, self.team = meter, meter.system, meter.sampler, meter.team

    def row(self, batches, n_samples, stops=lambda: False):
        """Return the results from several (samples, evaluation) of the same state; None where `stops()`.  *Collective*.

        Parameters
        ----------
        batches : list of (Samples, Evaluation)
        n_samples : int
            Samples of all ranks whose L2 is computed, evenly spaced along the chains; of exact sums it is always all.
        stops : callable
            Collective; asked as often as a batch of samples could have been drawn instead.

        Returns
        -------
        dict
            energy_lanczos, variance_lanczos per site, v_score_lanczos, energy_extrapolated, with errors, the last one
            with a systematic one, too, and left out where the step has the larger variance; of chains
            lanczos_samples, Kish's effective number of samples behind <x^4>.
        """
        centre, parts = batches[0][1].energy, []
        n_each = batches[0][0].configurations.shape[1]
        n_all = len(batches) * n_each
        n_chosen = min(n_all, max(1, -(-n_samples // self.sampler.n_chains)))
        chosen = np.arange(n_chosen) * n_all // n_chosen
        for number, (samples, evaluation) in enumerate(batches):
            own = chosen[chosen // n_each == number] % n_each
            values = self._columns(samples, evaluation, centre, own, stops)
            if values is None:
                return None
            parts.append((values, evaluation))
        return self._results(self.meter.statistics(parts), centre, len(batches))

    def _columns(self, samples, evaluation, centre, chosen, stops):
        """Return (n_chains, n_samples, 8): powers of L1 of all samples, then those of L1 and L2 of chosen ones."""
        n_chains, n_each = samples.configurations.shape[:2]
        usable = evaluation.weights > 0
        first = np.where(usable, evaluation.energies[:, 0] - centre, 0)
        values = np.zeros((n_chains * n_each, EIGHTH + 1))
        values[:, ALL_FIRST], values[:, ALL_SECOND] = first.real, np.abs(first) ** 2
        rows = (np.arange(n_chains)[:, None] * n_each + chosen).ravel()
        n_pieces = -(-len(chosen) * max(1, n_terms_of(self.system)) // n_each)
        for piece in range(n_pieces):
            if stops():
                return None
            some = rows[len(rows) * piece // n_pieces : len(rows) * (piece + 1) // n_pieces]
            some = some[usable[some]]
            configurations = np.ascontiguousarray(samples.flat[some])
            second = second_local_energies(
                configurations, evaluation.log_psi[some], first[some], evaluation.amplitude, self.system, centre,
                self.team.threads,
            )  # fmt: skip
            values[some, THIRD] = (first[some].conj() * second).real
            values[some, FOURTH] = np.abs(second) ** 2
        values[rows, CHOSEN] = 1
        values[rows, FIRST], values[rows, SECOND] = values[rows, ALL_FIRST], values[rows, ALL_SECOND]
        values[:, EIGHTH] = evaluation.weights * values[:, FOURTH] ** 2
        return values.reshape(n_chains, n_each, values.shape[1])

    def _results(self, statistics, centre, n_batches):
        n, row = self.system.n_sites, {}

        def put(name, function):
            found = _estimate(statistics, function)
            if np.isfinite(found).all():
                row[name], row[f"{name}_error"] = found

        put("energy_lanczos", lambda e, v, e1, v1: (centre + e1) / n)
        put("variance_lanczos", lambda e, v, e1, v1: v1 / n)
        put("v_score_lanczos", lambda e, v, e1, v1: v_score_of(n, v1, centre + e1))
        put("energy_extrapolated", lambda *levels: (centre + zero_variance(*levels)) / n)
        if "energy_extrapolated" in row:
            energy, variance, *_ = _levels(statistics.means[None])
            factor = 1 + float(v_score_of(n, variance, centre + energy)[0]) / FAR_V_SCORE
            row["energy_extrapolated_systematic"] = factor * abs(row["energy_lanczos"] - row["energy_extrapolated"])
        if not statistics.is_exact:  # the weights of every batch add up to 1
            means = statistics.means
            row["lanczos_samples"] = float(n_batches * means[FOURTH] ** 2 / (means[EIGHTH] or 1.0))
        return row


def _levels(means):
    """Return what `step_energies` does from rows of means."""
    return step_energies(*(means[:, column] / means[:, CHOSEN] for column in (FIRST, SECOND, THIRD, FOURTH)))


def _estimate(statistics, function):
    """Return (value, error) of a function of the levels, with <x> and <x^2> of the chosen samples as control variates.

    Their means over all samples are known better; the weights are those of least variance of the blocks.
    """
    inflation = 1.0

    def controlled(means):
        nonlocal inflation
        found = function(*_levels(means))
        if len(found) == 1 or not np.isfinite(found).all():  # of sums there are no blocks
            return found
        chosen = means[:, [FIRST, SECOND]] / means[:, [CHOSEN]]
        controls = means[:, [ALL_FIRST, ALL_SECOND]] - chosen
        widths = controls[1:].std(axis=0)  # that of the function in place of units of energy and of its square
        controls = controls * np.divide(found[1:].std(), widths, out=np.zeros(2), where=widths > 0)
        estimates = np.concatenate([found[:, None], found[:, None] + controls], axis=1)
        weights, inflation = least_variance(estimates[1:] - estimates[0])
        return estimates @ weights

    value, error = statistics.estimate(controlled)
    return value, inflation * error
