"""What a thermal run starts from and will take, and the choices of its steps that "auto" leaves to the system."""

import dataclasses
import math

from hpc_nqs.parallel.team import Team
from hpc_nqs.reconfiguration.cost_model import StepSizes, cheapest_solver, plan_of_costs
from hpc_nqs.reconfiguration.equations import is_factored
from hpc_nqs.reconfiguration.solvers import Regularization, resolved_solver
from hpc_nqs.reconfiguration.velocity import DIAG_SCALE, MAX_DENSE
from hpc_nqs.reports.sample_size import LEAST
from hpc_nqs.runs.computation import MAX_SWEEPS
from hpc_nqs.sampling.enumeration import n_configurations
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.thermal.deep.start import load_start
from hpc_nqs.thermal.evolution import FOLLOWING_SHARE, StepControl
from hpc_nqs.thermal.forecast import Forecast
from hpc_nqs.thermal.state import HOT_BETA

N_SAMPLES, MOST_SAMPLES, N_CHAINS = 8192, 32768, 64
TYPICAL_ERROR = 0.005  # of c, chi and S(q) with all samples of a report, relative
MAX_GROWTH = 0.2  # of beta per step, relative
MAX_DTAU = 0.05  # in units of the inverse of `ThermalState.step_scale`


def regularization_of(settings, ansatz):
    """Return the `Regularization`.

    "auto" is dense with a soft cut up to MAX_DENSE parameters, else the solver with a shift that costs least.
    """
    choice = settings.reconfiguration
    solver = choice.solver
    if solver == "auto":
        small = ansatz.has_bra_and_ket or ansatz.wavefunction.n_params <= MAX_DENSE
        solver = "dense" if small else cheapest_solver(step_sizes(settings, ansatz))
    soft_cut = ansatz.soft_cut if choice.soft_cut == "auto" else choice.soft_cut
    if solver != "dense" or choice.regularization == "diag_shift":
        soft_cut = None
    diag_scale = DIAG_SCALE if choice.diag_scale == "auto" else choice.diag_scale
    return Regularization(solver, soft_cut, diag_scale, choice.tolerance, choice.diag_shift)


def samples_per_step(settings, ansatz, beta=math.inf):
    """Return the number of samples per step at an inverse temperature, over all ranks.

    "auto" is N_SAMPLES, more at high temperature and where there are many parameters: as many as `sample_size` asks
    for, rounded up to whole sweeps of the chains, up to MOST_SAMPLES.
    """
    wanted = settings.sampling.n_samples
    if wanted != "auto":
        return wanted
    enough = -(-LEAST * ansatz.wavefunction.n_params // N_CHAINS) * N_CHAINS
    return max(N_SAMPLES * ansatz.sample_factor(beta), min(enough, MOST_SAMPLES))


def samples_per_report(settings, ansatz):
    """Return the largest number of samples at a reported temperature, over all ranks."""
    wanted = settings.thermal.n_samples_report
    if wanted != "auto":
        return wanted
    per_step = settings.sampling.n_samples
    return ansatz.report_factor * (N_SAMPLES if per_step == "auto" else per_step)


def batches_per_report(settings, ansatz, n_samples):
    """Return the least and the largest number of batches of `n_samples` samples at a reported temperature.

    In between a report ends where it is accurate enough, `thermal.accuracy`; a number in the input is taken as it is.
    """
    if ansatz.is_exact:
        return 1, 1
    largest = max(1, -(-samples_per_report(settings, ansatz) // n_samples))
    is_free = settings.thermal.n_samples_report == "auto" and settings.thermal.accuracy > 0
    return max(1, round(ansatz.least_share * largest)) if is_free else largest, largest


def report_range(settings, ansatz):
    """Return the least and the largest number of samples at a reported temperature, over all ranks."""
    n_samples = samples_per_step(settings, ansatz)
    least, largest = batches_per_report(settings, ansatz, n_samples)
    total = samples_per_report(settings, ansatz)
    return total if least == largest else least * n_samples, total


def step_sizes(settings, ansatz):
    """Return the `StepSizes` of one step, of chains."""
    sampling, choice = settings.sampling, settings.reconfiguration
    system, model, wavefunction = ansatz.system, ansatz.model, ansatz.wavefunction
    return StepSizes(
        n_samples=samples_per_step(settings, ansatz),
        n_chains=N_CHAINS if sampling.n_chains == "auto" else sampling.n_chains,
        n_proposals=system.n_visible * (1 if sampling.sweeps_per_sample == "auto" else sampling.sweeps_per_sample),
        n_terms=2 * (len(model.exchange_sites) + 2 * len(model.flip_sites)),
        n_entries=len(system.moves.input_changes()[0]),
        n_hidden=wavefunction.n_units,
        n_inputs=system.n_inputs,
        n_params=wavefunction.n_params,
        width=wavefunction.width,
        is_factored=is_factored(wavefunction),
        same_shift=choice.diag_scale == 0,
        n_stages=len(ansatz.scheme[1]),
    )


def control_of(settings, ansatz):
    """Return the `StepControl`."""
    thermal = settings.thermal
    tolerance = ansatz.step_tolerance if thermal.step_tolerance == "auto" else thermal.step_tolerance
    max_dtau = MAX_DTAU / ansatz.step_scale if thermal.max_dtau == "auto" else thermal.max_dtau
    return StepControl(tolerance=tolerance, max_dtau=max_dtau, max_growth=MAX_GROWTH, clock=thermal.clock)


def forecast_of(settings, ansatz, control):
    """Return the `Forecast` of the steps of a run."""
    def n_samples(beta):
        return ansatz.n_configurations if ansatz.is_exact else samples_per_step(settings, ansatz, beta)

    n_batch = n_samples(settings.thermal.report_betas[-1])
    least, largest = batches_per_report(settings, ansatz, n_batch)
    accuracy = settings.thermal.accuracy
    expected = min(largest, max(least, largest * (TYPICAL_ERROR / accuracy) ** 2)) if accuracy else largest
    on_rings = ansatz.ring_links(settings.thermal.rings) != (2,)
    return Forecast(ansatz, control, n_samples, expected, settings.thermal.report_betas, on_rings)


def resolved(settings, ansatz, regularization, control):
    """Return what "auto" became, {section: {key: value}} in the words of the input, with the sizes of the state.

    Parameters
    ----------
    settings : Settings
    ansatz : ThermalState
    regularization : Regularization
    control : StepControl
    """
    chosen = settings.sampling
    if ansatz.is_exact:
        sampling = {"method": "exact_sum", "n_configurations": int(ansatz.n_configurations)}
        if ansatz.invariance is not None:
            total = n_configurations(ansatz.system.n_visible, ansatz.system.n_up)
            sampling |= {"n_configurations": total, "n_orbits": int(ansatz.n_configurations)}
        reported = {}
    else:
        low, high = ansatz.effective_range
        first = samples_per_step(settings, ansatz, ansatz.beta_0)
        if ansatz.beta_0 < ansatz.expansion_beta:
            first = -(-first // FOLLOWING_SHARE)
        sampling = {
            "method": "metropolis",
            "n_samples": samples_per_step(settings, ansatz),
            "n_chains": N_CHAINS if chosen.n_chains == "auto" else chosen.n_chains,
            "exponent": [0.5, 1.0] if chosen.exponent == "auto" else chosen.exponent,
            "sweeps_per_sample": [1, MAX_SWEEPS] if chosen.sweeps_per_sample == "auto" else chosen.sweeps_per_sample,
            "effective_fraction": [low, high],
        }
        sampling |= {"n_samples_hot": first} if first != sampling["n_samples"] else {}
        least, largest = report_range(settings, ansatz)
        reported = {"n_samples_report": largest if least == largest else [least, largest]}
    return {
        "wavefunction": ansatz.resolved(),
        "sampling": sampling,
        "reconfiguration": resolved_solver(regularization),
        "thermal": {
            "beta_0": float(ansatz.beta_0),
            "step_tolerance": float(control.tolerance),
            "max_dtau": float(control.max_dtau),
            "order": len(ansatz.scheme[1]),
            **({"expansion_beta": float(ansatz.expansion_beta)} if ansatz.expansion else {}),
            **reported,
        },
    }


def state_of(settings):
    """Return the `ThermalState` that a run of an input starts from."""
    lattice, model = build(settings)
    start = load_start(settings, Team.serial()) if settings.thermal.start else None
    return build_state(settings, lattice, model, settings.run.seed or 0, start)


def resolution(settings):
    """Return `resolved` of an input."""
    ansatz = state_of(settings)
    return resolved(settings, ansatz, regularization_of(settings, ansatz), control_of(settings, ansatz))


def plan(settings):
    """Return what a run of `settings` will take, as {what: number or text}."""
    ansatz = state_of(settings)
    system, wavefunction = ansatz.system, ansatz.wavefunction
    regularization = regularization_of(settings, ansatz)
    sizes = planned_sizes(settings, ansatz)
    if ansatz.is_exact:
        samples = {"configurations summed per step": sizes.n_samples}
    else:
        hot, cold = samples_per_step(settings, ansatz, ansatz.beta_0), sizes.n_samples
        samples = {"chains": sizes.n_chains, "samples per step": cold}
        samples |= {f"samples per step above T = {ansatz.model.energy_scale / HOT_BETA:.4g}": hot} if hot > cold else {}
        least, largest = report_range(settings, ansatz)
        some = f"{least} to " if least < largest else ""
        samples |= {"samples per reported temperature": f"{some}{largest}" if some else largest}
    item = 8 * wavefunction.width
    tables = 3 * sizes.n_entries * wavefunction.n_units * item + system.n_inputs * ansatz.order * 8
    return {
        **ansatz.planned(),
        **samples,
        **plan_of_costs(sizes, regularization.solver, tables + report_memory(settings, ansatz)),
    }


def planned_sizes(settings, ansatz):
    """Return the `StepSizes` of a step, of exact sums those of all configurations."""
    sizes = step_sizes(settings, ansatz)
    if not ansatz.is_exact:
        return sizes
    n = ansatz.n_configurations
    return dataclasses.replace(sizes, n_samples=n, n_chains=n, n_proposals=0)


def report_memory(settings, ansatz):
    """Return the bytes of the columns that a report keeps of all its samples, twice: they are joined at the end."""
    n_samples = ansatz.n_configurations if ansatz.is_exact else samples_per_report(settings, ansatz)
    observables = ansatz.observables(settings)
    n_columns = 10 + len(observables.names) + len(observables.operators or ())
    return 16 * n_samples * n_columns
