"""Umbrella samples: configurations with more mismatched sites than the state has now, to hold it to its law there.

Tables are fitted where |Psi|^2 has its weight.  Elsewhere ln Psi is a sum over hundreds of clusters of what they
learned from few mismatched sites at a time, and it may go wrong by more than the weight that is missing there: on 6x6
sites the configurations with Neel order the other way on the two layers (all sites mismatched, a weight of about e^-70
at beta J = 0.5) had all of the weight from beta J = 0.53 on; no chain finds them until one does, and then the state is
lost.

Umbrella samples (G. M. Torrie, J. P. Valleau, J. Comput. Phys. 23, 187 (1977)) are distributed as |Psi|^2 s^n, n the
number of mismatched sites.  For a pair of them Psi goes as beta: s = beta' / beta has as many as the state at beta'.
"""

import numpy as np
from numpy.random import Philox

from hpc_nqs.hilbert.moves import KIND_NAMES
from hpc_nqs.kernels.metropolis import sample_chains
from hpc_nqs.sampling.chains import Samples
from hpc_nqs.wavefunctions.correlator_product import CorrelatorProduct, Correlators
from hpc_nqs.wavefunctions.product import Product

LEVELS = (2.0, 4.0, 8.0)  # beta', in units of the inverse of the largest coupling
N_WARM_UP, N_CARRIED = 16, 4  # sweeps before the first sample, of chains of the run and of those of the step before
N_SWEEPS, N_PER_CHAIN = 2, 8  # sweeps between samples; samples
WEIGHT = 1e-4  # of their errors in the fit, all of them together, in units of the TDVP residual
STREAM = 2**63  # of the Philox key; chain c draws from (seed, STREAM + c) at the step of the run


class Umbrella:
    """Chains that start from those of the run and carry on from step to step.

    Parameters
    ----------
    system : Purification
    seed : int
    strongest : float
        The largest coupling.

    Attributes
    ----------
    visible : (n_local_chains, n_visible) int8 or None
        Where the chains of this rank stand; None before the first step.
    """

    def __init__(self, system, seed, strongest):
        self.system, self.seed = system, seed
        self.betas = [beta / strongest for beta in LEVELS]
        sites = np.arange(system.n_sites)
        equal_or_not = np.array([0, 1, 1, 0])  # classes of (sigma, ancilla) of one site
        layers = np.stack([sites, sites + len(sites)], axis=1)
        self.visible = None
        self.mismatched = 0 if system.opposite_pairs else 1
        self.factor = CorrelatorProduct([Correlators(layers, equal_or_not)], 2 * len(sites))

    def sample(self, wavefunction, beta, samples, step, threads):
        """Return `Samples` of all levels, N_PER_CHAIN from every chain of this rank.

        Parameters
        ----------
        wavefunction : with real parameters
        beta : float
        samples : Samples
            Of the run; at the first step every chain begins at the last one of its own.
        step : int
            Each has random numbers of its own.
        threads : Threads
        """
        begins = self.visible is None
        visible = np.ascontiguousarray(samples.configurations[:, -1]) if begins else self.visible
        n_sweeps = N_WARM_UP if begins else N_CARRIED
        numbers = np.arange(samples.first_chain, samples.first_chain + len(visible))
        configurations = np.empty((len(visible), N_PER_CHAIN, visible.shape[1]), dtype=np.int8)
        for level, higher in enumerate(self.betas):
            own = np.flatnonzero(numbers % len(self.betas) == level)
            if len(own):
                scaled = self.scaled(wavefunction, max(1.0, higher / beta))
                configurations[own] = self._chains(scaled, visible[own], numbers[own], step, n_sweeps, threads)
        self.visible = configurations[:, -1].copy()
        return Samples(configurations, samples.first_chain, 1.0)

    def scaled(self, wavefunction, factor):
        """Return the state with an amplitude sqrt(factor) more for every mismatched site."""
        params = np.zeros(2)
        params[self.mismatched] = 0.5 * np.log(factor)
        self.factor.params = params
        return Product(wavefunction, self.factor)

    def stored(self, team, n_chains):
        """Return what `restore` takes over, all chains in global order, on rank 0; None elsewhere.  *Collective*."""
        return None if self.visible is None else team.gather_rows(self.visible, n_chains)

    def restore(self, team, stored):
        """Take over what `stored` returned, the same on all ranks.  *Collective*."""
        self.visible = None if stored is None else team.scatter_rows(stored if team.rank == 0 else None)

    def _chains(self, wavefunction, visible, numbers, step, n_sweeps, threads):
        """Return N_PER_CHAIN samples of chains `numbers` that begin at `visible`, `n_sweeps` before the first."""
        keys = [np.array([self.seed, STREAM + c], dtype=np.uint64) for c in numbers.tolist()]
        streams = [Philox(key=key, counter=[0, 0, 0, step]) for key in keys]
        out = np.empty((len(visible), N_PER_CHAIN, visible.shape[1]), dtype=np.int8)
        moves, proposals = self.system.moves.kernel(), self.system.proposals

        def advance(own, part):
            rows, counts = visible[part], np.zeros((len(KIND_NAMES), 2), dtype=np.int64)
            warm = np.empty((len(rows), 1, rows.shape[1]), dtype=np.int8)
            sample_chains(rows, own, moves, proposals, n_sweeps, 1.0, streams[part], warm, counts)
            sample_chains(rows, own, moves, proposals, N_SWEEPS, 1.0, streams[part], out[part], counts)

        threads.run(wavefunction.amplitude(self.system.moves), len(visible), advance)
        return out


def fitted_rows(umbrella_samples, means, energy, variance, wavefunction, team):
    """Return (O, deviations, weights) of umbrella samples: rows that join in the fit of the velocity.  *Collective*.

    O and the local energies are taken from the means of the run.  A sample whose local energy is D away has the weight
    WEIGHT Var(E_loc) / (n (D^2 + Var(E_loc))): the rate of change of ln Psi is fitted to the same relative error
    everywhere, and all of them together count for no more than a TDVP residual of WEIGHT.

    Parameters
    ----------
    umbrella_samples : (Samples, Evaluation)
    means : (n_params,) float64
        Of O over the run.
    energy, variance : float
        Mean and variance of E_loc over the run.
    wavefunction : with real parameters
    """
    rows = umbrella_samples[0].flat
    n_rows = np.array([float(len(rows))])
    team.sum_in_place(n_rows)
    log_derivs = np.empty((len(rows), wavefunction.n_params))
    umbrella_samples[1].log_derivs(rows, slice(None), log_derivs, team.threads)
    deviations = umbrella_samples[1].force_energies.real - energy
    weights = WEIGHT * variance / (n_rows[0] * (deviations**2 + variance))
    unusable = umbrella_samples[1].weights == 0
    log_derivs[unusable], weights[unusable] = 0, 0
    return log_derivs - means, deviations, weights


class LimitedUmbrella(Umbrella):
    """Umbrella samples of a product whose first factor has no more than some mismatched sites.

    Parameters
    ----------
    limit : int
        What the first factor is `limited` to.
    """

    def __init__(self, system, seed, strongest, limit):
        super().__init__(system, seed, strongest)
        self.limit = limit

    def scaled(self, wavefunction, factor):
        """Return the state with fewer mismatched sites and an amplitude sqrt(factor) more for every one."""
        return super().scaled(Product(wavefunction.first.limited(self.limit), wavefunction.second), factor)
