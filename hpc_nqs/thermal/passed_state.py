"""A state that a cooling has passed, rebuilt from its path and measured with chains of its own.

What the cooling knows from its solution of S x = -F is not measured again: how much of Var(H) its clock takes for
-dE/dbeta, and the TDVP residual.  Chains start at infinite temperature and warm up on a ladder of hotter states of the
path.

Numbers are the same to the last bit on any number of ranks: chains are looked at one by one (`chainwise_meter`), and
sums over all configurations are made on every rank alike.
"""

import copy
import dataclasses

import numpy as np
from numpy.random import Philox

from hpc_nqs.parallel.team import Team
from hpc_nqs.sampling.evaluation import chainwise
from hpc_nqs.thermal.chainwise_meter import ChainwiseMeter

STREAM = 2**63 + 2**62  # of the Philox key; apart from those of chains, rings, umbrella samples and features
LADDER = 1.5  # between neighbouring inverse temperatures on which chains warm up


class PassedState:
    """The state at one inverse temperature of a path.

    Parameters
    ----------
    state : ThermalState
        Of the run, whose parameters stay as they are.
    path : KernelPath
    beta : float
        On the path.
    observables : Observables
    team : Team
    evolution : Evolution
        Of the run: its regularization and control.
    n_chains, seed : int
    exponent : float
    sweeps : int
        Between samples.
    """

    def __init__(self, state, path, beta, observables, team, evolution, n_chains, seed, exponent, sweeps):
        self.path, self.beta, self.exponent, self.sweeps = path, beta, exponent, sweeps
        self.team = alone(team) if state.is_exact else team
        self.state = dataclasses.replace(state, wavefunction=copy.deepcopy(state.wavefunction))
        self.evolution = self.state.evolution(evolution.own_regularization, evolution.control, self.team)
        self.sampler = self.state.sampler(self.team, n_chains, seed)
        if state.is_exact:
            self.meter = self.state.meter(observables, self.sampler, self.team)
        else:
            self.meter = ChainwiseMeter(self.state, observables, self.sampler, self.team)

    def report(self, batches, n_samples, n_warm_up, heat, stops):
        """Return the raw row, or None if the run has to stop.  *Collective*.

        Parameters
        ----------
        batches : Batches
        n_samples : int
            Of each batch, over all ranks.
        n_warm_up : int
            Sweeps on every state of the ladder.
        heat : float
            -dE/dbeta along the path in units of Var(H), see `Evolution.heat`.
        stops : callable
            Returns whether the run has to stop.
        """
        self._warm_up(n_warm_up)
        n_per_chain, made = max(1, -(-n_samples // self.sampler.n_chains)), []
        parts = batches.measured(lambda: self._batch(n_per_chain), stops, made)
        row = self.meter.report(parts, self.beta, batches.are_enough)
        if not made:
            return None
        return self.state.reported(row, heat) | {"acceptance": self.sampler.acceptance(self.team)}

    def _warm_up(self, n_sweeps):
        """Bring the chains from infinite temperature to that of the state, whose parameters are set."""
        hottest = self.path.betas[0]
        n_rungs = 1 if self.state.is_exact else 1 + max(0, round(np.log(self.beta / hottest) / np.log(LADDER)))
        for beta in np.geomspace(self.beta, hottest, n_rungs)[::-1]:
            self.state.wavefunction.params = self.path.at(beta)
            self.sampler.warm_up(self._amplitude(), self.state.system, n_sweeps, self.exponent)

    def _amplitude(self):
        return self.state.wavefunction.amplitude(self.state.system.moves)

    def _batch(self, n_per_chain):
        """Return fresh samples of all chains and their evaluation."""
        amplitude = self._amplitude()
        samples = self.sampler.sample(amplitude, self.state.system, n_per_chain, self.sweeps, self.exponent)
        evaluation = self.evolution.evaluate(samples, amplitude)
        if not self.state.is_exact:
            evaluation = chainwise(evaluation, samples, self.sampler.n_chains, self.team)
        return samples, evaluation


def alone(team):
    """Return a team of this rank alone, with its threads."""
    single = Team.serial()
    single.threads = team.threads
    return single


def seed_of(seed, number, beta=0.0):
    """Return the seed of chains that measure again, 0 to 2^63 - 1, of which each temperature has one of its own.

    Parameters
    ----------
    seed : int
        Of the run.
    number : int
        Of the measurement, from 1 on.
    beta : float
        0 for rings, which have numbers of their own.
    """
    counter = [int(np.float64(beta).view(np.uint64)), number, 0, 0]
    return int(Philox(key=np.array([seed, STREAM], dtype=np.uint64), counter=counter).random_raw()) >> 1
