"""What the meters of a run say about its results, in words."""

import math
from dataclasses import dataclass

import numpy as np

from hpc_nqs.reports.lost import is_lost
from hpc_nqs.reports.numbers import value_text
from hpc_nqs.reports.panels import possible_range
from hpc_nqs.reports.sample_size import LEAST, POOR, too_few
from hpc_nqs.reports.series import finite
from hpc_nqs.reports.text import R_HAT_LIMIT, RESIDUAL_LIMIT

GOOD, LOOK, BAD = "good", "look", "bad"
OPEN = "open"  # of a meter that cannot fail in this run: no tick
_ORDER = (OPEN, GOOD, LOOK, BAD)
_GOOD_RESIDUAL = 0.02
_GOOD_V_SCORE, _POOR_V_SCORE = 1e-3, 1e-2  # N Var(H) / E^2 of ground states
_FEW_LANCZOS = 10  # effective samples behind the variance of a Lanczos step
_HEAT_SIGMAS, _HEAT_RELATIVE = 4.0, 0.1
_AGREE, _HEAT_CLOSE = 4.0, 0.02  # standard errors, and relative, within which the specific heats agree or are close
_ROUNDING = 1e-9  # of an entropy, and relative of an energy
_EFFECTIVE = 0.05  # fraction of effective samples below which averages hang on few of them


@dataclass(frozen=True)
class Verdict:
    """One meter.

    Attributes
    ----------
    meter : str
    value : str
        The number that decides, with where it was found.
    grade : str
        "good", "look" (compare with a second run), "bad", or "open" (the meter cannot fail in this run).
    words : str
        What it means and what to do.
    """

    meter: str
    value: str
    grade: str
    words: str


def judge(table, history=None):
    """Return the list of `Verdict` of a run.

    Parameters
    ----------
    table : dict
        As `run_file.read_table` returns it.
    history : dict of str: (n_steps,) float64, optional
    """
    rows = table["rows"]
    if not rows:
        what = "sector" if table.get("task") == "ground_state" else "temperature"
        return [Verdict("results", "none", BAD, f"No {what} has been reached yet.")]
    if table.get("task") == "ground_state":
        found = [_completeness(table), _v_score(rows), _sector(table), _acceptance(rows), _r_hat(rows)]
        found.append(_lanczos(rows))
        found.append(_effective(rows, history or {}))
        return [verdict for verdict in found if verdict is not None]
    clock = table.get("settings", {}).get("thermal", {}).get("clock", "energy")
    found = [
        _completeness(table),
        _samples(table.get("resolved", {})),
        _residual(rows, too_few(table.get("resolved", {}))),
        _specific_heats(rows, clock),
        _systematic(rows),
        _lost(rows),
        _layers(rows, table.get("settings", {})),
        _entropy(rows, possible_range("entropy", table)[1]),
        _r_hat(rows),
        _effective(rows, history or {}),
    ]
    return [verdict for verdict in found if verdict is not None]


def overall(verdicts):
    """Return (grade, sentence) of a run from its verdicts: the worst one counts."""
    if not verdicts:
        return LOOK, "There are no meters to judge this run by."
    worst = max((verdict.grade for verdict in verdicts), key=_ORDER.index)
    if worst == OPEN:
        return LOOK, "No meter of this run could fail."
    guilty = ", ".join(verdict.meter for verdict in verdicts if verdict.grade == worst)
    return worst, {
        GOOD: "All meters are good. They do not prove the result: a second run with other settings does.",
        LOOK: f"Usable with care; look at: {guilty}.",
        BAD: f"Do not quote these numbers without a check; bad: {guilty}.",
    }[worst]


def _worst_row(rows, quantity):
    """Return (value, temperature) of the row where a quantity is largest, None when no row has it."""
    values = [(row[quantity], row.get("temperature")) for row in rows if finite(row.get(quantity))]
    return max(values, key=lambda pair: pair[0]) if values else None


def _at(temperature):
    return f" at T = {temperature:.4g}" if temperature else ""


def _completeness(table):
    if table.get("finished", True):
        return None
    missing = "Sectors" if table.get("task") == "ground_state" else "Temperatures"
    return Verdict("run", "not finished", LOOK, f"{missing} are missing; continue with `hpc-nqs resume`.")


def _v_score(rows):
    worst = _worst_row(rows, "v_score")
    if worst is None:
        return None
    shown = f"{worst[0]:.2g}"
    if worst[0] <= _GOOD_V_SCORE:
        words = "The state is close to an eigenstate; compare seeds, it may not be the lowest."
        return Verdict("V-score", shown, GOOD, words)
    if worst[0] <= _POOR_V_SCORE:
        words = "The energy is an upper bound with an error; extrapolate against the variance."
        return Verdict("V-score", shown, LOOK, words)
    words = "Far from an eigenstate; project onto a sector, raise wavefunction.alpha or n_steps."
    return Verdict("V-score", shown, BAD, words)


def _lanczos(rows):
    """Return the verdict on Lanczos steps whose variance a few samples decide; None where there are none."""
    fewest = min((row["lanczos_samples"] for row in rows if finite(row.get("lanczos_samples"))), default=math.inf)
    if fewest >= _FEW_LANCZOS:
        return None
    words = (
        "Few samples near nodes decide the variance of the Lanczos step and the limit, whose errors may be too small; "
        "raise ground_state.n_samples_lanczos, or lower sampling.exponent to 0.5."
    )
    return Verdict("Lanczos step", f"{fewest:.2g} samples", LOOK, words)


def _sector(table):
    """Return the verdict on what a row is the lowest of; None where certain sectors were asked for."""
    if table.get("remark"):
        return Verdict("sector", "a guess", LOOK, table["remark"])
    if all(row.get("n_sectors", 1) > 1 and row.get("lowest_of") == "all sectors searched" for row in table["rows"]):
        n_sectors = table["rows"][0]["n_sectors"]
        return Verdict("sector", f"lowest of {n_sectors}", GOOD, "All sectors were searched.")
    return None


def _acceptance(rows):
    """Return the verdict on chains that stand still; None where they move."""
    if all(row.get("acceptance") != 0.0 for row in rows):
        return None
    words = "The chains stand on single configurations, nothing here is a mean; lower step_size or change the seed."
    return Verdict("acceptance", "0", BAD, words)


def _samples(resolved):
    """Return the verdict on too few samples of a step for the parameters; None where there are enough."""
    found = too_few(resolved)
    if found is None:
        return None
    n_samples, n_params = found
    words = (
        "Steps follow the noise of so few samples, and no error in the table knows it; raise sampling.n_samples to "
        f"{LEAST * n_params}."
    )
    grade = BAD if n_samples < POOR * n_params else LOOK
    return Verdict("samples of a step", f"{n_samples} for {n_params} parameters", grade, words)


def _residual(rows, few):
    worst = _worst_row(rows, "tdvp_residual")
    if worst is None:
        return None
    value, temperature = worst
    shown = f"{value:.2g}{_at(temperature)}"
    reached = [row["temperature"] for row in rows if row.get("tdvp_residual", 0.0) <= RESIDUAL_LIMIT]
    if few is not None and value <= RESIDUAL_LIMIT:
        return Verdict("residual", shown, LOOK, "It is measured on the few samples that were fitted, and too small.")
    if value <= _GOOD_RESIDUAL:
        return Verdict("residual", shown, GOOD, "The network can follow the evolution.")
    if value <= RESIDUAL_LIMIT:
        return Verdict("residual", shown, LOOK, "A small part of the evolution is outside the network.")
    down_to = f" It is below {RESIDUAL_LIMIT:g} down to T = {min(reached):g}." if reached else ""
    words = (
        "Much of the evolution is outside the network, and errors add up below; "
        "compare with other settings of [wavefunction]."
    )
    return Verdict("residual", shown, BAD, words + down_to)


def _specific_heats(rows, clock):
    found = [(_gap(row), row) for row in rows if _compares_heats(row)]
    if not found:
        return None
    (apart, errors, relative), row = max(found, key=lambda pair: pair[0][0])
    if apart <= 1.0:  # whether they agree is decided where the errors say least
        (apart, errors, relative), row = max(found, key=lambda pair: pair[0][1])
    shown = " and ".join(_heat(row, name) for name in ("specific_heat", "specific_heat_slope"))
    shown += _at(row.get("temperature"))
    if apart > 1.0:
        words = "Fluctuations and slope of e disagree: the state has left the thermal path there and below."
        return Verdict("specific heat two ways", shown, BAD if apart > 2.0 else LOOK, words)
    if errors <= _AGREE:
        words, grade = "Fluctuations and slope of e agree within their errors.", GOOD
    else:
        far = f", {errors:.2g} standard errors," if math.isfinite(errors) else ""
        words = f"Fluctuations and slope of e differ by {100 * relative:.2g} %{far} there."
        grade = GOOD if relative <= _HEAT_CLOSE else LOOK
    if clock == "energy":
        return Verdict("specific heat two ways", shown, OPEN, words + " The clock `energy` imposes that.")
    return Verdict("specific heat two ways", shown, grade, words)


def _compares_heats(row):
    """Return whether a row has both specific heats, and a slope that its error leaves something of."""
    c, slope = row.get("specific_heat"), row.get("specific_heat_slope")
    return finite(c) and finite(slope) and (row.get("specific_heat_slope_error") or 0.0) <= abs(slope)


def _gap(row):
    """Return how far apart the specific heats are: in units of what is too far, in standard errors, and relative."""
    c, slope = row["specific_heat"], row["specific_heat_slope"]
    gap = abs(c - slope)
    error = math.hypot(row.get("specific_heat_error") or 0.0, row.get("specific_heat_slope_error") or 0.0)
    allowed = _HEAT_SIGMAS * error + _HEAT_RELATIVE * abs(slope) + 1e-3
    return gap / allowed, gap / error if error else math.inf, gap / abs(slope) if slope else 0.0


def _heat(row, name):
    return value_text(row[name], row.get(f"{name}_error"), 3)


def _systematic(rows):
    worst = _worst_row(rows, "energy_systematic")
    if worst is None:
        return None
    value, temperature = worst
    row = next(row for row in rows if row.get("energy_systematic") == value)
    relative = value / abs(row["energy"]) if row.get("energy") else math.inf
    grade = GOOD if relative < 0.01 else LOOK if relative < 0.05 else BAD
    words = f"Estimated systematic error of e, {100 * relative:.2g} % of it where it is largest."
    return Verdict("systematic error", f"{value:.2g}{_at(temperature)}", grade, words)


def _lost(rows):
    """Return the verdict on rows whose energy is lost; None where there are none."""
    gone = [row["temperature"] for row in rows if row.get("temperature") and is_lost(row, "energy")]
    if not gone:
        return None
    return Verdict("lost", f"{len(gone)} of {len(rows)} rows", BAD, "Half of e or more is error there.")


def _layers(rows, settings):
    values = [(abs(row["layer_energy_difference"]), row) for row in rows if finite(row.get("layer_energy_difference"))]
    if not values:
        return None
    value, row = max(values, key=lambda pair: pair[0])
    shared = settings.get("wavefunction", {}).get("symmetries", "auto")
    shown = f"{value:.2g}{_at(row.get('temperature'))}"
    if shared == "auto" or "layer_exchange" in shared:
        return Verdict("energy on the two layers", shown, OPEN, "Equal by symmetry; what is left is noise.")
    error = row.get("energy_error") or 0.0
    if value <= 5 * error + _ROUNDING * abs(row.get("energy") or 0.0):
        return Verdict("energy on the two layers", shown, GOOD, "The layers agree within the noise.")
    return Verdict("energy on the two layers", shown, LOOK, "Psi is not quite a function of H.")


def _entropy(rows, largest):
    values = [
        (row["temperature"], row["entropy"], math.hypot(row.get("entropy_error") or 0.0, _systematic_of(row)))
        for row in rows
        if finite(row.get("entropy")) and row.get("temperature")
    ]
    if not values:
        return None
    values.sort()
    temperature, lowest, _ = values[0]
    shown = f"s = {value_text(lowest, _entropy_error(rows, temperature))}{_at(temperature)}"
    words = "ln 2" if largest == math.log(2) else f"{largest:.4g}"
    outside = [(max(-s, s - largest), error) for _, s, error in values]
    if any(beyond > 2 * error + _ROUNDING for beyond, error in outside):
        return Verdict("entropy", shown, BAD, f"Outside 0 to {words}: energies on the way here are wrong.")
    pairs = list(zip(values, values[1:], strict=False))
    if any(a[1] > b[1] + 4 * (a[2] + b[2]) + 1e-3 for a, b in pairs):
        return Verdict("entropy", shown, BAD, "It does not fall with T, as it must.")
    if any(beyond > _ROUNDING for beyond, _ in outside):
        return Verdict("entropy", shown, LOOK, f"Outside 0 to {words}, by less than twice its total error.")
    falls = "falling with T" if all(a[1] <= b[1] for a, b in pairs) else "within its errors falling with T"
    return Verdict("entropy", shown, GOOD, f"Between 0 and {words} and {falls}.")


def _systematic_of(row):
    value = row.get("entropy_systematic")
    return value if finite(value) else 0.0


def _entropy_error(rows, temperature):
    """Return the statistical error of s at a temperature."""
    return next(row.get("entropy_error") or 0.0 for row in rows if row.get("temperature") == temperature)


def _r_hat(rows):
    worst = _worst_row(rows, "r_hat")
    if worst is None or _sums_exactly(rows):
        return None
    shown = f"{worst[0]:.3f}{_at(worst[1])}"
    if worst[0] <= R_HAT_LIMIT:
        return Verdict("split R-hat", shown, GOOD, "The chains agree.")
    return Verdict("split R-hat", shown, BAD, "The chains disagree, errors are too small; raise sweeps_per_sample.")


def _sums_exactly(rows):
    """Return whether the rows are exact sums, which have no chains and no statistical error."""
    return all(row.get("energy_error") == 0.0 for row in rows)


def _effective(rows, history):
    fractions = history.get("effective_fraction", np.zeros(0))
    if not len(fractions) or _sums_exactly(rows):
        return None
    lowest = int(np.argmin(fractions))
    beta = history["beta"][lowest] if "beta" in history else 0.0
    shown = f"{100 * fractions[lowest]:.2g} %{_at(1 / beta if beta else None)}"
    if fractions[lowest] >= _EFFECTIVE:
        return Verdict("effective samples", shown, GOOD, "No few samples carry the averages.")
    return Verdict("effective samples", shown, LOOK, "Averages hang on few samples; raise sampling.exponent.")
