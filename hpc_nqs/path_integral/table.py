"""The table of an analytic run: values, extrapolated ones with dtau, entropy and free energy from the integral of e."""

import numpy as np

from hpc_nqs.observables import thermodynamics
from hpc_nqs.statistics.fits import extrapolate

QUANTITIES = ("energy", "specific_heat", "susceptibility", "magnetization", "average_sign")
CERTAIN = 2.0  # errors by which s may lie outside 0 to ln 2 and is taken to be at the end
KEYED = ("structure_factor", "neighbour_correlation", "correlation", "correlation_vector")


def path_rows(results, betas, temperatures, ladder, model):
    """Return one row per reported temperature for which results exist.

    Parameters
    ----------
    results : list of dict
        One per ensemble: beta, dtau, n_slices and "found" of `Ensemble.results`.
    betas, temperatures : sequence of float
        Reported ones, in the same order.
    ladder : sequence of float
        All inverse temperatures that the integral of the energy needs; empty: no entropy and no free energy.
    model : SpinModel

    Returns
    -------
    list of dict
        Values of continuous time; or extrapolated ones, and under NAME_raw {dtau: [value, error]} those at each dtau.
    """
    points = {beta: extrapolated(results, beta, model) for beta in [*betas, *ladder]}
    rows = []
    for beta, temperature in zip(betas, temperatures, strict=True):
        if points[beta] is None:
            continue
        row = {"temperature": temperature, "beta": beta, **points[beta]}
        if ladder:
            row |= _integrals(points, sorted(b for b in points if b <= beta), model)
        rows.append(row)
    return rows


def extrapolated(results, beta, model):
    """Return the part of a row that follows from the ensembles at `beta` alone, None if there are none."""
    chosen = sorted((result for result in results if result["beta"] == beta), key=lambda result: -result["dtau"])
    if not chosen:
        return None
    dtaus = [result["dtau"] for result in chosen]
    row, raw = {}, {}
    for name in chosen[0]["found"]:
        quantity, _, key = name.partition(" ")
        if any(name not in result["found"] for result in chosen):  # of a version that measured less
            continue
        if quantity not in QUANTITIES + KEYED or (quantity == "susceptibility" and not model.conserves_sz):
            continue
        values, errors = np.array([result["found"][name] for result in chosen]).T
        fit = extrapolate(dtaus, values, errors)
        pairs = [[float(value), float(error)] for value, error in zip(values, errors, strict=True)]
        if key:
            row.setdefault(quantity, {})[key] = [fit.value, fit.error]
            labels = [f"{key} dtau={dtau:.6g}" for dtau in dtaus]
        else:
            row[quantity], row[f"{quantity}_error"] = fit.value, fit.error
            labels = [f"dtau={dtau:.6g}" for dtau in dtaus]
        if any(dtaus):
            raw.setdefault(f"{quantity}_raw", {}).update(zip(labels, pairs, strict=True))
        if quantity == "energy" and fit.n_free:
            row["extrapolation_chi2"] = fit.chi_squared / fit.n_free
    row["autocorrelation"] = max(result["found"]["autocorrelation"] for result in chosen)
    hats = [result["found"]["r_hat"] for result in chosen if "r_hat" in result["found"]]
    if hats:
        row["r_hat"] = max(hats)
    return row | raw


def _integrals(points, path, model):
    """Return entropy and free energy at the end of `path`, nothing where a point on the way is missing.

    The error of the interpolation is taken to be the difference from the integral over every second point, divided by
    the 15 of a method of fourth order, and added in quadrature.
    """
    if any(points[beta] is None for beta in path):
        return {}
    beta, end = path[-1], points[path[-1]]
    integral, error = _integral(points, path, model)
    coarse, _ = _integral(points, path[-1::-2][::-1], model)
    error = float(np.hypot(error, (integral - coarse) / 15.0))
    entropy = float(thermodynamics.entropy(beta, end["energy"], integral))
    entropy_error = float(thermodynamics.entropy_error(beta, end["energy_error"], error))
    return {
        "entropy": thermodynamics.possible_entropy(entropy, CERTAIN * entropy_error),
        "entropy_error": entropy_error,
        "free_energy": float(thermodynamics.free_energy(beta, integral)),
        "free_energy_error": error / beta,
    }


def _integral(points, path, model):
    betas = np.array(path)
    columns = ("energy", "energy_error", "specific_heat", "specific_heat_error")
    energies, errors, heats, heat_errors = np.array([[points[b][name] for name in columns] for b in path]).T
    mean, variance, _ = thermodynamics.infinite_temperature_cumulants(model)
    integrals, integral_errors = thermodynamics.integrate_energy(
        betas,
        energies,
        slopes=-heats / betas**2,
        errors=errors,
        slope_errors=heat_errors / betas**2,
        start_energy=mean / model.n_sites,
        start_slope=-variance / model.n_sites,
    )
    return float(integrals[-1]), float(integral_errors[-1])
