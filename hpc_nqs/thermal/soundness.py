"""What a thermal run must not go on with: a seed outside its range, and chains that do not move."""

import numpy as np

from hpc_nqs.observables.thermodynamics import infinite_temperature_cumulants

EXPANDABLE = 0.25  # beta^2 Var(H) / N up to which three orders in beta are close enough to e
ENERGY_OFF, VARIANCE_OFF = 0.25, 10.0  # relative error of e - e(infinite T); factor of Var(H)
NOISE = 10.0  # standard errors


def seed_problem(measured, beta, model):
    """Return why a seed is not the thermal state at `beta`, as a sentence, or None.

    e = mean - Var beta + kappa_3 beta^2 / 2 and Var(H) / N = Var - kappa_3 beta, of the moments at infinite T.

    Parameters
    ----------
    measured : dict
        "energy", "energy_error" and "variance", per site, of the seed.
    beta : float
    model : SpinModel
    """
    mean, variance, third = np.array(infinite_temperature_cumulants(model)) / model.n_lattice_sites
    if beta**2 * variance > EXPANDABLE:
        return None
    fall = variance * beta - third * beta**2 / 2
    expected, expected_variance = mean - fall, variance - third * beta
    off = abs(measured["energy"] - expected) > NOISE * measured["energy_error"] + ENERGY_OFF * abs(fall)
    if not off and abs(measured["variance"]) <= VARIANCE_OFF * variance:
        return None
    return (
        f"thermal.beta_0 = {beta:g}: the seed does not reach so far from infinite temperature: it has e = "
        f"{measured['energy']:.4g} and Var(H)/N = {measured['variance']:.4g}, where the expansion in 1/T has "
        f'{expected:.4g} and {expected_variance:.4g}; allowed is "auto", or a smaller number'
    )


def frozen_problem(acceptance, is_exact):
    """Return why the samples of chains that accept nothing say nothing, as a sentence, or None."""
    if is_exact or acceptance > 0:
        return None
    return (
        "no chain has accepted a proposal: all samples are copies of a few configurations, averages and errors "
        "mean nothing; start from a smaller thermal.beta_0 or with another wavefunction.kind, or end at a higher T"
    )
