"""Control variates of the energy in a transverse field: sums over samples whose mean is known to be zero.

With all other spins fixed, (sigma_i, ancilla_i) have four states, and three ratios of amplitudes give their
probabilities.  For x_i that depends on the spins of site i, and y_k on those of another site, the mean of
(x_i - E[x_i | all spins but those of site i]) y_k over |Psi|^2 vanishes, whatever Psi is.  The energy minus a fitted
combination of such sums has the same mean as the energy and fluctuates far less: at high temperature by factors of
hundreds, since there the energy is a sum over single sites and pairs.
"""

import numpy as np

from hpc_nqs.kernels.local_energy import Hamiltonian, local_energies
from hpc_nqs.observables import pairs_by_distance

BLOCK = 2048  # samples whose ratios are held at a time
MAX_DISTANCES = 12  # of pairs of sites, nearest first
RTOL = 1e-10  # of the fit


class ControlVariates:
    """The sums over sites and over pairs at each distance.

    Parameters
    ----------
    purification : Purification
        With `site_flips`.
    lattice : Lattice

    Attributes
    ----------
    n_controls : int
        Per configuration: local energies of the field, mismatches, and three for each distance.
    """

    def __init__(self, purification, lattice):
        self.purification = purification
        n = purification.n_sites
        none, field = np.zeros((0, 2), dtype=np.intp), np.zeros(2 * n)
        moves = purification.site_flips.ravel()
        self.ratios = [Hamiltonian(none, np.zeros(0), field, moves[k : k + 1], np.ones(1)) for k in range(3 * n)]
        pairs = list(pairs_by_distance(lattice).values())[:MAX_DISTANCES]
        self.pairs = [half + half.T for half in pairs]
        self.n_controls = 2 + 3 * len(pairs)

    def values(self, configurations, amplitude, threads):
        """Return the sums, (n, n_controls) float64.

        Parameters
        ----------
        configurations : (n, n_visible) int8
        amplitude : Amplitude
        threads : Threads
        """
        kernel, out = self.purification.moves.kernel(), np.empty((len(configurations), self.n_controls))

        def fill(own, part):
            for start in range(part.start, part.stop, BLOCK):
                block = slice(start, min(start + BLOCK, part.stop))
                spins = configurations[block]
                ratios = np.empty((len(spins), len(self.ratios)), dtype=np.complex128)
                local_energies(spins, own, kernel, self.ratios, ratios, np.empty(len(spins), dtype=np.complex128))
                out[block] = self._values(spins, ratios.reshape(len(spins), 3, -1))

        threads.run(amplitude, len(configurations), fill)
        return out

    def _values(self, spins, ratios):
        """Return the sums from Psi(flipped) / Psi, (n, 3, n_sites): sigma, ancilla and both flipped."""
        n = self.purification.n_sites
        sigma, ancilla = spins[:, :n].astype(np.float64), spins[:, n:].astype(np.float64)
        of_sigma, of_ancilla, of_both = ratios.transpose(1, 0, 2)
        squares = np.square(np.abs(ratios)).transpose(1, 0, 2)
        total = 1 + squares.sum(axis=0)
        # x_i - E[x_i | rest]: x changes sign with the flips of weight `odd`
        deviation = [2 * x * (squares[odd].sum(axis=0) / total) for x, odd in (
            (sigma, [0, 2]), (ancilla, [1, 2]), (sigma * ancilla, [0, 1])
        )]
        # local energies of sx on either layer, and sum of Psi* Psi(flipped) over the four states
        local = (of_sigma + of_ancilla).real
        local -= 2 * (of_sigma + of_ancilla.conj() * of_both + of_ancilla + of_sigma.conj() * of_both).real / total
        columns = [local.sum(axis=1), deviation[2].sum(axis=1)]
        for pairs in self.pairs:
            others = [(pairs @ x.T).T for x in (sigma, ancilla, sigma * ancilla)]
            for terms in (((0, 0), (1, 1)), ((0, 1), (1, 0)), ((2, 2),)):
                columns.append(sum(np.einsum("ni,ni->n", deviation[x], others[y]) for x, y in terms))
        return np.stack(columns, axis=1)


def fitted_coefficients(values, controls, weights, team):
    """Return the coefficients c that make sum w (value - c . controls) fluctuate least, (n_controls,).  *Collective.*

    Parameters
    ----------
    values : (n,) float64
    controls : (n, n_controls) float64
    weights : (n,) float64
        They sum to 1 over all ranks.
    """
    columns = np.concatenate([controls, values[:, None]], axis=1)
    means = weights @ columns
    team.sum_in_place(means)
    deviations = weights[:, None] * (columns - means)
    products = deviations.T @ deviations
    team.sum_in_place(products)
    scale = np.sqrt(np.diag(products))
    scale[scale == 0] = 1.0
    products = team.broadcast_object(products / np.outer(scale, scale))
    solution = np.linalg.lstsq(products[:-1, :-1], products[:-1, -1], rcond=RTOL)[0]
    return solution * scale[-1] / scale[:-1]
