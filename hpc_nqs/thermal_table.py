"""The table of a thermal run: entropy, free energy and slopes from its history (theory section 6)."""

import numpy as np

from hpc_nqs import thermodynamics


def finished_rows(rows, history, model):
    """Complete the measured rows by what needs the whole path from infinite temperature.

    Parameters
    ----------
    rows : list of dict
        Measured at the reported temperatures, in the order of growing beta.
    history : dict of str: (n_steps,) float64
        beta, energy, energy_error, variance of every step, per site.
    model : SpinModel

    Returns
    -------
    list of dict
        With entropy, free_energy and their errors, and specific_heat_slope.
    """
    if not rows:
        return []
    betas, energies, errors, slopes = _curve(rows, history)
    mean, variance, _ = thermodynamics.infinite_temperature_cumulants(model)
    integrals, integral_errors = thermodynamics.integrate_energy(
        betas, energies, slopes=slopes, errors=errors, start_energy=mean / model.n_sites, start_slope=-variance / model.n_sites
    )
    finished = []
    for row in rows:
        beta, k = row["beta"], int(np.searchsorted(betas, row["beta"]))
        integral, integral_error = float(integrals[k]), float(integral_errors[k])
        row = dict(row)
        row["entropy"] = float(thermodynamics.entropy(beta, row["energy"], integral))
        row["entropy_error"] = float(thermodynamics.entropy_error(beta, row["energy_error"], integral_error))
        row["free_energy"] = float(thermodynamics.free_energy(beta, integral))
        row["free_energy_error"] = integral_error / beta
        if len(betas) >= 3:
            slope, slope_error = thermodynamics.specific_heat_from_slope(betas, energies, errors, beta)
            row["specific_heat_slope"] = slope
            if np.isfinite(slope_error):
                row["specific_heat_slope_error"] = slope_error
        finished.append(row)
    return finished


def _curve(rows, history):
    """Return (betas, energies, errors, dE/dbeta) per site; reported temperatures replace steps at the same beta."""
    points = {
        float(beta): (float(energy), float(error), -float(variance))
        for beta, energy, error, variance in zip(
            *(history.get(name, []) for name in ("beta", "energy", "energy_error", "variance")), strict=True
        )
    }
    for row in rows:
        points[row["beta"]] = (row["energy"], row["energy_error"], -row["specific_heat"] / row["beta"] ** 2)
    betas = np.array(sorted(points))
    energies, errors, slopes = np.array([points[beta] for beta in betas.tolist()]).T
    return betas, energies, errors, slopes
