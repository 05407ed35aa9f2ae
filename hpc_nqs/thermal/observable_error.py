"""The estimated systematic errors of everything that is measured at the reported temperatures, from those of e.

Every mean O of a thermal state changes with temperature at the rate -Cov(O, H), as e does at -Var(H).  Three parts
count, in quadrature:

1. the unexplained part of every change, B sum |O_k - O_(k-1)| r^2, from infinite temperature on, r^2 in an interval
   weighted by the heat that leaves in it, B = 2, or 1 of M and M^2 where they keep their pace;
2. the error of the label beta, |dO/de| times that of `systematic_error`;
3. for isotropic magnets on tables, the difference between <Sz Sz> and <S.S> / 3, zero where the state keeps the
   symmetry between the components; of chi(q) the error of the integral over imaginary time.

Of m in a field h that is not enough.  It changes by h Var(M) - Cov(M, H_0) with H = H_0 - h M, two parts of opposite
signs whose errors are not small where their sum is: m is the integral of chi over the field, and |h| times the error of
chi counts, too.  Networks have no directions of M of their own, and what their seed and its cut of S miss of m is as
large in any field, OF_NETWORKS.

The specific heat is a slope and not an integral: its first part is r^2 c, and beta times the error of e, which grows
over about beta.  A fit to the slope of e is off by its distance from c, too, beyond the noise.  What seed and steps may
miss of a value, or of a change, is a floor under all.
"""

import numpy as np

from hpc_nqs.hamiltonians.spin_model import SZ
from hpc_nqs.observables import electron_moments

MISSED = 1e-3  # relative: what seed and steps may miss of a mean
SHARE = 2.0  # B of means that the evolution changes directly, calibrated
CONSERVED = ("susceptibility", "magnetization")  # B = 1 where M and M^2 keep their pace, see `conserved`
OF_NETWORKS = 1e-3  # of m, calibrated: 6 sites, fields of 0.1 to 3 J, errors of 1e-4 to 1e-3
IN_TIME = ("time_correlation", "static_susceptibility", "local_time_correlation")
ORDERS = ("order_parameter_squared", "order_parameter_fourth", "binder_ratio")
OPERATORS = ("energy_terms", "dimer_correlation", "chirality_correlation", "chirality_structure_factor", "operators")
KEYED = ("structure_factor", "correlation", "correlation_vector", "neighbour_correlation", *IN_TIME)
KEYED += (*ORDERS, *OPERATORS)
OVER_PAIRS = ("correlation", "correlation_vector", "neighbour_correlation")  # errors are as large at all distances
OVER_PAIRS += ("dimer_correlation", "chirality_correlation")
GREEN = ("spectral_proxy_up", "spectral_proxy_down")
LOCAL_GREEN = tuple(f"local_{name}" for name in GREEN)
OF_ELECTRONS = ("double_occupancy", "local_moment", "filling", "compressibility", "hamiltonian_energy", *LOCAL_GREEN)
KEYED_OF_ELECTRONS = ("charge_structure_factor", "charge_correlation", "n_k_up", "n_k_down", *GREEN)
SUSCEPTIBILITIES = ("susceptibility", "static_susceptibility", "compressibility", *GREEN, *LOCAL_GREEN)  # beta O
AT_INFINITE_TEMPERATURE = dict.fromkeys((*SUSCEPTIBILITIES[:2], *IN_TIME, "structure_factor"), SZ**2)  # of chi: T chi
HEATS = ("specific_heat", "specific_heat_slope")
ALONE = "_z"  # ending of what was measured from Sz alone
CERTAIN = 2.0  # standard errors beyond which a difference is none of the noise
TINY = 1e-300


def at_infinite_temperature(model):
    """Return the means of what is measured at infinite temperature, {name: number}; 0 where there is none."""
    if model.of_electrons:
        return electron_moments.means(model)
    return AT_INFINITE_TEMPERATURE | free_moments(model.n_sites)


def free_moments(n_sites):
    """Return the moments of m_q of spins that know nothing of each other, e^{iqr} real, {name: number}."""
    second, fourth = SZ**2 / n_sites, SZ**4 * (3 * n_sites - 2) / n_sites**3
    return dict(zip(ORDERS, (second, fourth, 1 - fourth / (3 * second**2)), strict=True))


def observable_errors(
    rows, errors, places, start_energy, known=0, starts=AT_INFINITE_TEMPERATURE, field=0.0, keeps_pace=True
):
    """Return for every row {name_systematic: number or {key: number}} of what it has.

    Parameters
    ----------
    rows : list of dict
        At growing inverse temperatures.
    errors : SystematicErrors
    places : (n_rows,) intp
        Of the rows in the path.
    start_energy : float
        e at infinite temperature.
    known : int
        Number of first rows whose states a cluster expansion gives: they have no systematic errors.
    starts : dict
        See `at_infinite_temperature`.
    field : float
        h of `uniform_field`.
    keeps_pace : bool
        M and M^2 follow exact evolution, see `conserved`.
    """
    found, share_of = [{} for _ in rows], dict.fromkeys(CONSERVED, 1.0) if keeps_pace else {}
    for name in ("susceptibility", "magnetization", "magnetization_x", *HEATS, *OF_ELECTRONS):
        chosen = [k for k, row in enumerate(rows) if name in row]
        values = np.array([rows[k][name] for k in chosen])
        made = _of_one(name, values, rows, chosen, errors, places, start_energy, starts, share_of.get(name, SHARE))
        for k, error in zip(chosen, made, strict=True):
            found[k][f"{name}_systematic"] = float(error) if k >= known else 0.0
    for k, (row, errors_of) in enumerate(zip(rows, found, strict=True)):
        if field and "magnetization" in row and k >= known:
            floor = 0.0 if keeps_pace else OF_NETWORKS
            errors_of["magnetization_systematic"] = error_in_field(errors_of, field, floor)
        if HEATS[1] in row and HEATS[0] in row:
            errors_of[f"{HEATS[1]}_systematic"] = _of_slope(row, errors_of[f"{HEATS[1]}_systematic"])
    for name in (*KEYED, *KEYED_OF_ELECTRONS):
        for key in dict.fromkeys(key for row in rows for key in row.get(name, {})):
            chosen = [k for k, row in enumerate(rows) if key in row.get(name, {})]
            values = np.array([rows[k][name][key][0] for k in chosen])
            if name == "local_time_correlation" and key == "0":
                values = np.full(len(chosen), SZ**2)  # but for rounding
            made = _of_one(name, values, rows, chosen, errors, places, start_energy, starts)
            made = np.hypot(made, [asymmetry(rows[k], name, key) for k in chosen])
            made = np.where(np.array(chosen) >= known, made, 0.0)
            made = np.hypot(made, [rows[k].get(f"{name}_systematic", {}).get(key, 0.0) for k in chosen])  # quadrature
            for k, error in zip(chosen, made.tolist(), strict=True):
                found[k].setdefault(f"{name}_systematic", {})[key] = error
    for row, errors_of in zip(rows, found, strict=True):
        if "relaxation_proxy" in row:
            of_time = errors_of["local_time_correlation_systematic"]
            errors_of["relaxation_proxy_systematic"] = row["beta"] ** 2 * of_time[str(row["links"] // 2)]
    return found


def uniform_field(model):
    """Return the mean of |h| of -sum_i h_i Sz_i, whose M has a mean: 0 of electrons."""
    return 0.0 if model.of_electrons else abs(float(np.mean(model.site_field))) / SZ


def error_in_field(errors_of, field, floor=0.0):
    """Return the systematic error of m with what that of chi does to it.

    Parameters
    ----------
    errors_of : dict
        NAME_systematic of a row.
    field : float
        See `uniform_field`.
    floor : float
        What may be missing at least.
    """
    of_response = field * errors_of.get("susceptibility_systematic", 0.0)
    return float(np.linalg.norm([errors_of["magnetization_systematic"], of_response, floor]))


def _of_one(name, values, rows, chosen, errors, places, start_energy, starts, share=SHARE):
    """Return the errors of one quantity, (n,), without the third part of the module."""
    if not chosen:
        return values
    betas, places = np.array([rows[k]["beta"] for k in chosen]), places[chosen]
    scale = betas if name in SUSCEPTIBILITIES else 1.0  # chi T is the mean that follows the evolution
    start = starts.get(name, 0.0)
    means = np.append(start, values / scale)
    energies = np.append(start_energy, [rows[k]["energy"] for k in chosen])
    changes, label = np.abs(np.diff(means)), errors.label[places]
    if name in HEATS:
        residuals = np.clip([rows[k]["tdvp_residual"] for k in chosen], 0.0, 1.0)
        unexplained = np.hypot(residuals * np.abs(values), betas * errors.energy[places])
    else:
        heat, lost = (np.diff(part[places], prepend=0.0) for part in (errors.heat, errors.unexplained))
        shares = np.clip(np.divide(lost, heat, out=np.zeros(len(heat)), where=heat > 0), 0.0, 1.0)  # of noisy heat, too
        unexplained = share * np.cumsum(changes * shares)
    # |dO/de| of the steeper neighbour times the error of e, not more than that neighbour is away
    moved = changes * np.minimum(1.0, label / np.maximum(np.abs(np.diff(energies)), TINY))
    later = np.append(changes[1:] * np.minimum(1.0, label[:-1] / np.maximum(np.abs(np.diff(energies))[1:], TINY)), 0.0)
    missed = MISSED * np.maximum(np.abs(means[1:]), np.abs(means[1:] - start))
    if name in OVER_PAIRS:
        largest = [max(abs(pair[0]) for pair in rows[k][name].values()) for k in chosen]
        missed = MISSED * np.array(largest)
    if name == "local_time_correlation":  # 1/4 at tau = 0 always
        missed = MISSED * np.abs(means[1:] - start)
    return scale * np.sqrt(np.sum(np.square((unexplained, np.maximum(moved, later), missed)), axis=0))


def _of_slope(row, error):
    """Return the error of the slope of e: that of c, and what the fit bends less than e(beta) between few points."""
    noise = np.hypot(row.get(f"{HEATS[0]}_error", 0.0), row.get(f"{HEATS[1]}_error", 0.0))
    apart = max(0.0, (row[HEATS[1]] - row[HEATS[0]]) ** 2 - (CERTAIN * noise) ** 2)
    return float(np.sqrt(error**2 + apart))


def asymmetry(row, name, key):
    """Return |<S.S> / 3 - <Sz Sz>| of one column beyond its noise, 0 where the first is not measured."""
    alone = row.get(name + ALONE, {}).get(key)
    if alone is None:
        return 0.0
    (value, _), (other, error) = row[name][key], alone
    return float(np.sqrt(max(0.0, (value - other) ** 2 - (CERTAIN * error) ** 2)))
