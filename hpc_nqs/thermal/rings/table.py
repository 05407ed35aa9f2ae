"""The rows of rings completed: entropy, free energy, specific heat, and the systematic errors of every quantity.

The energy is known along the path of the cooling down to b*, and from there on at the rings and at the nodes between
them.  Its integral gives the entropy, its slope a second specific heat.

Systematic errors have two parts, in quadrature: what the kernel's meters say, carried over to beta = R b / 2 (an error
of the label b is one of beta by the same fraction; the part of its evolution that was not explained is missing of every
change from infinite temperature on), and what two rings of the same temperature with other links differ by, beyond
their noise.  Errors of kernels grow as b^POWER: the smaller one of two is a known fraction of the difference.

Without frustration, where the sign of a sampled ring is 1, two rings agree with each other better than with Monte
Carlo: what a kernel lacks is the order of the magnet at low temperature, and rings of hotter kernels lack no less.
There what the kernel's meters say of e counts (R / 2)^UNSEEN times, and beta times as much twice in c, which holds for
4x4, 6x6 and 8x8 sites at T = 0.7 and 0.5.
"""

import numpy as np

from hpc_nqs.hamiltonians.spin_model import SZ
from hpc_nqs.observables import electron_moments, thermodynamics
from hpc_nqs.thermal.observable_error import (
    ALONE,
    GREEN,
    LOCAL_GREEN,
    MISSED,
    SHARE,
    SUSCEPTIBILITIES,
    asymmetry,
    error_in_field,
    free_moments,
    uniform_field,
)
from hpc_nqs.thermal.systematic_error import SHARED

POWER = 2.0
UNSEEN, SIGN_FREE = 3, 0.9  # the sign of a ring from which on a magnet counts as one without frustration
IN_TIME = ("time_correlation", "local_time_correlation")  # other times with other links
AT_INFINITE_TEMPERATURE = {"susceptibility": SZ**2, "structure_factor": SZ**2}


def ring_rows(rows, nodes, path, off, model, crossing, cooled):
    """Return the rows of rings with all that the table shows of them.

    Parameters
    ----------
    rows, nodes : lists of dict
        Raw rows of rings, reported and between; the former in the order of growing beta.
    path : systematic_error.Path
        Of the cooling.
    off : systematic_error.SystematicErrors
        Along the path.
    model : SpinModel
    crossing : float or None
        b*; None: the path is good to its end.
    cooled : list of dict
        Finished rows of the cooled states.
    """
    measured = {row["beta"] for row in rows}  # a node may have been asked for later
    points = sorted([*(node for node in nodes if node["beta"] not in measured), *rows], key=lambda row: row["beta"])
    hottest = points[0]["beta"] * (1 - 1e-9)
    kept = path.betas <= (hottest if crossing is None else min(crossing, hottest))
    columns = [(path.betas, "beta"), (path.energies, "energy"), (path.energy_errors, "energy_error")]
    columns += [(path.variances, "energy_variance"), (path.variance_errors, "energy_variance_error")]
    betas, energies, errors, variances, variance_errors = (
        np.append(values[kept], [row[name] for row in points]) for values, name in columns
    )
    mean, variance, _ = (part / model.n_lattice_sites for part in thermodynamics.infinite_temperature_cumulants(model))
    shared = np.where(np.arange(len(betas)) < kept.sum(), SHARED, 1.0)  # rings have chains of their own
    integrals, integral_errors = thermodynamics.integrate_energy(
        betas, energies, slopes=-variances, errors=shared * errors, slope_errors=shared * variance_errors,
        start_energy=mean, start_slope=-variance,
    )
    of_spins = {} if model.of_electrons else AT_INFINITE_TEMPERATURE | free_moments(model.n_sites)
    starts = electron_moments.means(model) if model.of_electrons else of_spins
    start, finished = thermodynamics.infinite_temperature_entropy(model), []
    for row in map(dict, rows):
        beta, k = row["beta"], int(np.searchsorted(betas, row["beta"]))
        before = sorted((each for each in cooled + finished if each["beta"] < beta), key=lambda each: each["beta"])
        row |= thermodynamics.entropy_and_free_energy(row, integrals[k], integral_errors[k], start)
        slope, error = thermodynamics.specific_heat_from_slope(betas, energies, errors, beta, n_least=4)
        row |= {"specific_heat_slope": slope, "specific_heat_slope_error": error}
        kernel, own = (_kernel_meters(path, off, each) for each in (row["kernel_beta"], beta))
        is_sampled = row.get("energy_error", 0.0) > 0
        lacks_order = is_sampled and not model.of_electrons and row.get("average_sign", 0.0) > SIGN_FREE
        power = UNSEEN if lacks_order else 0
        off_of = _systematic_errors(row, row.pop("other", None), before[-1:], kernel, starts, own, power)
        if uniform_field(model) and "magnetization" in row:
            off_of["magnetization_systematic"] = error_in_field(off_of, uniform_field(model))
        finished.append(row | off_of)
    return finished


def _kernel_meters(path, off, beta):
    """Return what the meters say of the kernel at `beta`: relative error of its label, and what it does not explain.

    Returns
    -------
    label : float
        Error of b relative to b.
    energy : float
        Error of e that is none of the label.
    fraction : float
        Of the change of every mean.
    entropy : float
        Error of the entropy there.
    """
    variance, energy, label, heat, unexplained, entropy = (
        float(np.interp(beta, path.betas, part))
        for part in (path.variances, off.energy, off.label, off.heat, off.unexplained, off.entropy)
    )
    of_state = np.sqrt(max(0.0, energy**2 - label**2))
    relative = label / (beta * variance) if variance > 0 else 0.0
    return relative, of_state, unexplained / heat if heat > 0 else 0.0, entropy


def _systematic_errors(row, other, before, kernel, starts, own, power):
    """Return the systematic errors of a row of a ring, NAME_systematic: a number, or a dict {key: number}.

    Parameters
    ----------
    row : dict
    other : dict or None
        Of the second ring: its links, kernel_beta, and [value, error] of every quantity or {key: [value, error]}.
    before : list of dict
        The row of the next higher temperature, if there is one.
    kernel : (float, float, float, float)
        `_kernel_meters`.
    starts : dict
        Means at infinite temperature, 0 where there is none.
    own : (float, float, float, float)
        `_kernel_meters` at the temperature of the row, from whose state Green functions come.
    power : int
        Of half the number of links, in what the kernel's meters say of e.
    """
    label, of_state, _, entropy = kernel
    beta, found = row["beta"], {}
    of_label = label * row["specific_heat"] / beta  # beta Var(H) label
    of_state *= (row["links"] / 2) ** power
    energy = float(np.hypot(of_label, of_state))
    for name, value in row.items():
        start = starts.get(name, 0.0) * (beta if name in SUSCEPTIBILITIES else 1.0)
        meters = own if name in (*GREEN, *LOCAL_GREEN) else kernel
        if isinstance(value, dict) and not name.endswith(("_systematic", ALONE)):
            others = (other or {}).get(name, {})
            earlier = before[0].get(name, {}) if before and name not in IN_TIME else {}
            of_rule = row.get(f"{name}_systematic", {})  # of an integral over imaginary time
            found[f"{name}_systematic"] = {
                key: float(np.linalg.norm([
                    _of_mean(start, pair, others.get(key), earlier.get(key), row, other, before, meters),
                    of_rule.get(key, 0.0), asymmetry(row, name, key),
                ]))
                for key, pair in value.items()
            }
            if name == "local_time_correlation":
                found[f"{name}_systematic"]["0"] = 0.0  # 1/4 always
        elif f"{name}_error" in row and name not in ("energy", "average_sign", "entropy", "free_energy"):
            earlier = (before[0][name], 0.0) if before and name in before[0] else None
            pair, second = (value, row[f"{name}_error"]), (other or {}).get(name)
            found[f"{name}_systematic"] = _of_mean(start, pair, second, earlier, row, other, before, meters)
    if power:  # c is the slope of an e whose error goes as beta^power, about
        of_slope = (power - 1) * beta * of_state
        found["specific_heat_systematic"] = float(np.hypot(found["specific_heat_systematic"], of_slope))
    if "relaxation_proxy" in row:
        of_time = found["local_time_correlation_systematic"]
        found["relaxation_proxy_systematic"] = beta**2 * of_time[str(row["links"] // 2)]
    difference = _difference((row["energy"], row["energy_error"]), (other or {}).get("energy"), row, other)
    found["energy_systematic"] = float(np.hypot(energy, difference))
    # from the kernel on the error of e grows along the path: half of beta e and half of the integral of it
    found["entropy_systematic"] = float(np.hypot(entropy, 0.5 * beta * found["energy_systematic"]))
    found["free_energy_systematic"] = float(np.hypot(entropy / beta, 0.5 * found["energy_systematic"]))
    return found


def _of_mean(start, pair, second, earlier, row, other, before, kernel):
    """Return the systematic error of one mean (value, error), in the three parts of the module.

    `start` is what it would be had it not changed since infinite temperature.
    """
    label, _, fraction, _ = kernel
    value, beta = pair[0], row["beta"]
    slope = 0.0
    if earlier is not None:
        slope = abs(value - earlier[0]) / np.log(beta / before[0]["beta"])
    parts = label * slope, SHARE * fraction * abs(value - start), MISSED * abs(value)
    return float(np.sqrt(np.sum(np.square([*parts, _difference(pair, second, row, other)]))))


def _difference(pair, second, row, other):
    """Return the error of a mean that its difference from the second ring speaks of, beyond the noise of both."""
    if second is None:
        return 0.0
    squared = (pair[0] - second[0]) ** 2 - pair[1] ** 2 - second[1] ** 2
    ratio = (other["kernel_beta"] / row["kernel_beta"]) ** POWER
    return float(np.sqrt(max(0.0, squared)) / abs(ratio - 1))
