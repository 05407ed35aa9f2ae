"""The table of a thermal run: entropy, free energy and slopes from its history.

See docs/theory/conventions.md, "Entropy and free energy", and docs/theory/clock_and_errors.md, "Systematic errors".
"""

import numpy as np

from hpc_nqs.observables import thermodynamics
from hpc_nqs.thermal import systematic_error
from hpc_nqs.thermal.observable_error import at_infinite_temperature, observable_errors, uniform_field
from hpc_nqs.thermal.rings.table import ring_rows

NARROW = 0.125  # window of a second fit of the slope at the end of a path
CLOSE = 1e-9  # relative, of two inverse temperatures
CERTAIN = 2.0  # total errors by which s may lie outside 0 to s(0) and is taken to be at the end


def finished_rows(rows, history, model, start=None, exact_until=0.0, noisy=False, nodes=(), crossing=None, others=()):
    """Complete the measured rows by what needs the whole path from infinite temperature.

    Parameters
    ----------
    rows : list of dict
        Measured at the reported temperatures, in the order of growing beta.
    history : dict of str: (n_steps,) float64
        beta, energy, energy_error, specific_heat, specific_heat_error of every step, per site, and tdvp_residual;
        layer_energy_difference where it is measured.
    model : SpinModel
    start : dict or None
        What another run knows of the first point, of a run that starts from a Trotter network: "integral" (of the
        energy per site over beta) and "energy", each (value, error), or neither.  None: the run starts from an
        analytic seed.
    exact_until : float
        Inverse temperature up to which a cluster expansion gives the states.
    noisy : bool
        See `systematic_error.estimate`.
    nodes : sequence of dict
        Rows of rings between the reported temperatures.
    crossing : float or None
        Inverse temperature from which on rings know the energy better than the path does.
    others : sequence of dict
        Measured rows of cooled states that are points of the path and not in the table.

    Returns
    -------
    list of dict
        With entropy, free_energy and their errors, specific_heat_slope, and the estimated systematic error
        NAME_systematic of every quantity that has a statistical one: a number, or a dict {key: number}.  The energy of
        electrons at fixed mu, along the path that of H - mu N, has become that of H.
    """
    completed = _completed_rows(rows, history, model, start, exact_until, noisy, nodes, crossing, others)
    return completed if model.mu is None else [_without_mu(row) for row in completed]


def _without_mu(row):
    """Return a row with the energy of H in place of that of H - mu N, and the larger systematic error of both."""
    of_path = row.get("energy_systematic", 0.0)
    row = dict(row)
    for ending in ("", "_error", "_systematic"):
        if f"hamiltonian_energy{ending}" in row:
            row[f"energy{ending}"] = row.pop(f"hamiltonian_energy{ending}")
    return row | {"energy_systematic": max(of_path, row.get("energy_systematic", 0.0))}


def _completed_rows(rows, history, model, start, exact_until, noisy, nodes, crossing, others):
    """Return `finished_rows` with the energy of the path."""
    of_rings = [row for row in rows if "kernel_beta" in row]
    if of_rings:
        return _with_rings(rows, of_rings, history, model, (start, exact_until, noisy), nodes, crossing, others)
    if not rows:
        return []
    path = _path(rows, history, others)
    betas = path.betas
    integrals, integral_errors = _integrals(path, model, start)
    off = systematic_error.estimate(path, model, start, exact_until, noisy)
    integral = integrals, integral_errors
    hottest = thermodynamics.infinite_temperature_entropy(model)
    finished = [
        _completed(row, int(np.searchsorted(betas, row["beta"])), path, off, integral, hottest) for row in rows
    ]
    places = np.searchsorted(betas, [row["beta"] for row in finished])
    known = sum(row["beta"] <= exact_until for row in finished)
    start_energy = thermodynamics.infinite_temperature_cumulants(model)[0] / model.n_lattice_sites
    others = observable_errors(
        finished, off, places, start_energy, known, at_infinite_temperature(model), uniform_field(model),
        keeps_pace=model.conserves_sz and not noisy,
    )
    return [row | other for row, other in zip(finished, others, strict=True)]


def _completed(row, k, path, off, integral, start):
    """Return a row with entropy, free energy, slope and the systematic errors of e, s and f.

    Parameters
    ----------
    row : dict
    k : int
        Its point of the path.
    path : systematic_error.Path
    off : systematic_error.SystematicErrors
    integral : (values, errors), each (n,)
        Of e over beta.
    start : float
        Entropy at infinite temperature.
    """
    betas, energies, errors = path.betas, path.energies, path.energy_errors
    row = row | thermodynamics.entropy_and_free_energy(row, integral[0][k], integral[1][k], start)
    for name in ("energy", "entropy", "free_energy"):
        row[f"{name}_systematic"] = float(getattr(off, name)[k])
    row["entropy"] = _possible_entropy(row, start)
    # rows are far more certain than the steps between them, but the fit is not: its curve bends less than e(beta)
    even = np.maximum(errors, np.median(errors))
    return row | (_slope(betas, energies, even, row["beta"]) if len(betas) >= 3 else {})


def _possible_entropy(row, largest):
    """Return the entropy of a row, 0 or that at infinite temperature where it lies beyond within its errors."""
    total = CERTAIN * np.hypot(row["entropy_error"], row["entropy_systematic"])
    return thermodynamics.possible_entropy(row["entropy"], total, largest)


def _with_rings(rows, of_rings, history, model, how, nodes, crossing, others):
    """Return `_completed_rows` of a run with rows of rings; `how`: start, exact_until and noisy."""
    cooled = [row for row in rows if "kernel_beta" not in row]
    of_rings = sorted(of_rings, key=lambda row: row["beta"])
    path = _path(cooled, history, others)
    off = systematic_error.estimate(path, model, *how)
    finished = [
        row | {"links": 2, "kernel_beta": row["beta"], "average_sign": 1.0}
        for row in _completed_rows(cooled, history, model, *how, (), None, others)
    ]
    of_rings = ring_rows(of_rings, nodes, path, off, model, crossing, finished)
    hottest = thermodynamics.infinite_temperature_entropy(model)
    finished += [row | {"entropy": _possible_entropy(row, hottest)} for row in of_rings]
    return sorted(finished, key=lambda row: row["beta"])  # a cooled state may be colder than a ring


def _integrals(path, model, start):
    """Return int_0^beta e dbeta' at every point of a path, and its standard error, each (n,)."""
    mean, variance, _ = thermodynamics.infinite_temperature_cumulants(model)
    integrals, integral_errors = thermodynamics.integrate_energy(
        path.betas, path.energies, slopes=-path.variances, errors=path.energy_errors, slope_errors=path.variance_errors,
        start_energy=mean / model.n_lattice_sites, start_slope=-variance / model.n_lattice_sites,
    )
    integral_errors = systematic_error.SHARED * integral_errors
    if start is not None:
        first, first_error = start.get("integral") or _first_integral(path, model)
        integrals, integral_errors = integrals + first - integrals[0], np.hypot(integral_errors, first_error)
    return integrals, integral_errors


def _slope(betas, energies, errors, beta):
    """Return specific_heat_slope and its error, nothing where the error exceeds it.

    At the end of a path the fit sees one side alone: what half the window changes counts as an error there.
    """
    slope, error = thermodynamics.specific_heat_from_slope(betas, energies, errors, beta)
    if beta >= betas[-1]:
        narrow, _ = thermodynamics.specific_heat_from_slope(betas, energies, errors, beta, window=NARROW)
        error = float(np.hypot(error, narrow - slope))
    if not np.isfinite(error):
        return {"specific_heat_slope": slope}
    return {"specific_heat_slope": slope, "specific_heat_slope_error": error} if error <= abs(slope) else {}


def _first_integral(path, model):
    """Return int_0^beta_0 e dbeta, beta_0 of the first point, by a polynomial of fourth order, and its error.

    The cubic through energies and slopes of both ends gets c x^2 (beta_0 - x)^2 added, so that its second derivative at
    infinite temperature is the third cumulant; what that changes is taken to be the error.
    """
    mean, variance, third = np.array(thermodynamics.infinite_temperature_cumulants(model)) / model.n_lattice_sites
    beta, energy, slope = path.betas[0], path.energies[0], -path.variances[0]
    cubic = 0.5 * beta * (mean + energy) - beta**2 / 12 * (variance + slope)
    curvature = 6 * (energy - mean) / beta**2 + (4 * variance - 2 * slope) / beta
    change = (third - curvature) * beta**3 / 60
    return cubic + change, abs(change)


def _path(rows, history, others=()):
    """Return the `systematic_error.Path` of a run; reported temperatures replace steps at the same beta.

    Deep states have no layer difference: it counts as zero.  Where there are `others`, rows that are not reported but
    known, points next to a reported temperature make way: there a slope between two points would be noise.
    """
    names = ("beta", "energy", "energy_error", "specific_heat", "specific_heat_error", "tdvp_residual")
    differences = history.get("layer_energy_difference", np.zeros(len(history.get("beta", []))))
    columns = [history.get(name, []) for name in names]
    points = {float(point[0]): point for point in zip(*columns, differences, strict=True)}
    for row in [*others, *rows]:
        beta = row["beta"]
        if "energy_variance" in row:  # of tables c is not beta^2 Var(H)
            heat = {"specific_heat": "energy_variance", "specific_heat_error": "energy_variance_error"}
            row = row | {name: beta**2 * row[variance] for name, variance in heat.items()}
        points[beta] = (*(row[name] for name in names), row.get("layer_energy_difference", 0.0))
    if others:
        reported = np.array([row["beta"] for row in rows])
        points = {beta: point for beta, point in points.items() if beta in reported or not
                  np.any(np.abs(beta - reported) < CLOSE * beta)}
    columns = np.array([points[beta] for beta in sorted(points)]).T
    betas, energies, errors, heats, heat_errors, residuals, differences = columns
    variances, variance_errors = heats / betas**2, heat_errors / betas**2
    return systematic_error.Path(betas, energies, errors, variances, variance_errors, residuals, differences)
