"""The first steps of electrons: determinants alone, before tables and network move along.

The signs of a state are those of its determinants.  Where they are wrong, tables and network lower the energy at once
by making the amplitudes there small, and nothing that is measured with |Psi|^2 tells afterwards that they should change
their signs.  4-site ring, all parameters from the first step on and determinants alone for 40 steps, runs that come to
the lowest level of a sector out of ten: 4 and 10.
"""

import dataclasses

import numpy as np

from hpc_nqs.reconfiguration.velocity import velocity

FIRST_STEPS, FRACTION = 40, 0.2  # of the determinants alone: so many, but at most this part of all steps


def first_steps(n_steps):
    """Return the number of steps of the determinants alone."""
    return min(FIRST_STEPS, int(FRACTION * n_steps))


def velocity_of_step(number, n_steps, ansatz, evaluation, samples, regularization, team, previous):
    """Return the `Velocity` of all parameters in the step of a number (from 0).  *Collective*.

    Parameters
    ----------
    number, n_steps : int
    ansatz : SpinAnsatz or ElectronAnsatz
    evaluation, samples, regularization, team, previous
        As for `reconfiguration.velocity.velocity`.
    """
    wavefunction = ansatz.wavefunction
    if not ansatz.model.of_electrons or number >= first_steps(n_steps):
        return velocity(evaluation, samples, wavefunction, regularization, team, previous)
    pairs, n_others = wavefunction.first, wavefunction.second.n_params
    alone = dataclasses.replace(evaluation, amplitude=pairs.amplitude(ansatz.system.moves), derivs=None)
    found = velocity(alone, samples, pairs, regularization, team, None)

    def apply(vector):
        own = np.ascontiguousarray(vector[: pairs.n_params])
        return np.concatenate([found.apply(own), np.zeros(n_others)])

    return dataclasses.replace(found, x=np.concatenate([found.x, np.zeros(n_others)]), apply=apply)
