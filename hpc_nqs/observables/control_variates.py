"""Control variates of the energy: sums over samples whose mean is known to be zero.

With all other spins fixed, the spins that a move acts on have two states, or four where a site has a move for each of
its spins, and ratios of amplitudes give their probabilities.  For any x the mean of x - E[x | the other spins] over
|Psi|^2 vanishes, whatever Psi is, also times a factor that depends on the other spins alone.  The energy minus a
fitted combination of such sums has the same mean as the energy and fluctuates far less: at high temperature by factors
of hundreds, since there the energy is a sum over single sites and pairs.

Where spins are flipped in pairs: x are the local energy of a term, by the move of that term, and sigma_i or ancilla_i
times the other spins of the layer, by the move that flips both.  In a transverse field the four states of every site
serve for the local energies of its flips, for sigma_i, ancilla_i and sigma_i ancilla_i, the last three times their like
elsewhere, the first two times the field that the diagonal part of H makes of their layer.
"""

import numpy as np

from hpc_nqs.hamiltonians.matrices import pair_matrix
from hpc_nqs.kernels.local_energy import local_energies
from hpc_nqs.observables.pair_classes import PairClasses, pairs_by_distance

BLOCK = 256  # samples whose ratios are held at a time, within the caches
MAX_DISTANCES = 12  # of pairs of sites, nearest first
RTOL = 1e-10  # of the fit


class ControlVariates:
    """The sums over terms of H, over sites, and over pairs of sites at each distance.

    Parameters
    ----------
    purification : Purification
        Of a model with off-diagonal terms.
    lattice : Lattice

    Attributes
    ----------
    n_controls : int
        Per configuration.
    """

    def __init__(self, purification, lattice):
        self.purification = purification
        self.n_moves = purification.terms.size + len(purification.site_moves)
        pairs = list(pairs_by_distance(lattice).values())[:MAX_DISTANCES]
        self.classes = PairClasses.of(pairs, purification.n_sites)
        model = purification.model
        self.flips_singly = len(model.flip_sites) > 0 and not model.mixes_flips
        has_fields = not model.of_electrons and (model.mixes_flips or self.flips_singly)
        self.fields = local_fields(model) if has_fields else []
        n_pairs = 1 + len(pairs) + len(self.fields)
        self.n_controls = 2 + 3 * len(pairs) + len(self.fields) if self.flips_singly else n_pairs

    def values(self, configurations, amplitude, threads):
        """Return the sums, (n, n_controls) float64.

        Parameters
        ----------
        configurations : (n, n_visible) int8
        amplitude : Amplitude
            Real.
        threads : Threads
        """
        n, n_layers = len(configurations), len(self.purification.hamiltonians)
        out, log_psi = np.empty((n, self.n_controls)), np.empty(n, dtype=complex)
        energies = np.empty((n, n_layers), dtype=complex)

        def fill(own, part):
            self.fill(configurations[part], own, energies[part], log_psi[part], out[part])

        threads.run(amplitude, n, fill)
        return out

    def fill(self, configurations, amplitude, energies, log_psi, out):
        """Write the sums to `out` (n, n_controls), local energies and ln Psi as `local_energies` does.

        They come from one set of ratios.
        """
        system = self.purification
        kernel, hamiltonians = system.moves.kernel(), list(system.hamiltonians)
        sums = self._flip_sums if self.flips_singly else self._pair_sums
        ratios = np.empty((min(BLOCK, len(configurations)), self.n_moves))
        for start in range(0, len(configurations), BLOCK):
            block = slice(start, start + BLOCK)
            spins = configurations[block]
            local_energies(
                spins, amplitude, kernel, hamiltonians, energies[block], log_psi[block], ratios[: len(spins)],
                system.site_moves,
            )
            with np.errstate(all="ignore"):  # configurations without weight
                out[block] = sums(spins.astype(np.float64), ratios[: len(spins)])

    def _pair_sums(self, spins, ratios):
        """Return the sums from Psi(moved) / Psi, (n, 2 n_bonds + n_sites), zero where the configuration has no move."""
        n = self.purification.n_sites
        elements = np.tile(self.purification.model.off_diagonal_elements, 2)
        squares = np.square(ratios)
        moved = squares / (1 + squares)  # the probability of the other state
        local = ratios * (2 * moved - 1)
        parts = [(x * moved[:, -n:], x) for x in (spins[:, :n], spins[:, n:])]
        return np.column_stack([local[:, :-n] @ elements, self.classes.sums(*parts), *self._in_fields(parts)])

    def _in_fields(self, parts):
        """Return the sums of what the diagonal part of H makes of deviations, of parts (deviations, spins)."""
        return [
            sum(np.einsum("ni,ni->n", deviations, x @ couplings + field) for deviations, x in parts)
            for couplings, field in self.fields
        ]

    def _flip_sums(self, spins, ratios):
        """Return the sums from Psi(flipped) / Psi, (n, 3 n_sites): sigma, ancilla and both flipped."""
        n = self.purification.n_sites
        sigma, ancilla = spins[:, :n], spins[:, n:]
        of_sigma, of_ancilla, of_both = np.split(ratios, 3, axis=1)
        squares = np.square([of_sigma, of_ancilla, of_both])
        total = 1 + squares.sum(axis=0)
        values = sigma, ancilla, sigma * ancilla
        # x - E[x | others]: x changes sign with the flips `odd`
        deviations = [
            2 * x * squares[odd].sum(axis=0) / total for x, odd in zip(values, ([0, 2], [1, 2], [0, 1]), strict=True)
        ]
        # local energies of sx on either layer; their means are sums of Psi Psi(flipped) over the four states
        local = of_sigma + of_ancilla
        local = local - 2 * local * (1 + of_both) / total
        of_pairs = [
            self.classes.sums(*((deviations[x], values[y]) for x, y in terms))
            for terms in (((0, 0), (1, 1)), ((0, 1), (1, 0)), ((2, 2),))
        ]
        in_fields = self._in_fields(list(zip(deviations[:2], values[:2], strict=True)))
        return np.column_stack([local.sum(axis=1), deviations[2].sum(axis=1), *of_pairs, *in_fields])


def local_fields(model):
    """Return what the diagonal part of H makes of a spin, [(couplings (n_sites, n_sites), field (n_sites,))].

    The Ising couplings, and a field along z where there is one: pairs of a distance may have different ones, such as
    the bonds of a Kitaev magnet.
    """
    couplings = pair_matrix(model.n_sites, model.pair_sites, model.pair_coupling)
    found = [(couplings, np.zeros(model.n_sites))] if len(model.pair_sites) else []
    return found + ([(np.zeros_like(couplings), model.site_field)] if model.site_field.any() else [])


def fitted_coefficients(values, controls, weights, team):
    """Return the coefficients c that make sum w (value - c . controls) fluctuate least, (n_controls,).  *Collective*.

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
    return solved_coefficients(products, team)


def solved_coefficients(products, team):
    """Return the coefficients (n_controls,) from sums over samples.  *Collective*.

    Parameters
    ----------
    products : (n_controls + 1, n_controls + 1) float64
        Of the weighted deviations of the controls and of the value, the last one.
    """
    scale = np.sqrt(np.diag(products))
    scale[scale == 0] = 1.0
    products = team.broadcast_object(products / np.outer(scale, scale))
    solution = np.linalg.lstsq(products[:-1, :-1], products[:-1, -1], rcond=RTOL)[0]
    return solution * scale[-1] / scale[:-1]
