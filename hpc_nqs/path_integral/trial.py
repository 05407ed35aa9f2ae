"""What an analytic run costs on this machine, and where the signs of its weights cancel: short trials of ensembles."""

from dataclasses import dataclass

from hpc_nqs.hamiltonians.marshall import marshall
from hpc_nqs.observables.diagonal import build_observables
from hpc_nqs.parallel.team import Team
from hpc_nqs.path_integral.continuous import ContinuousWorldLines
from hpc_nqs.path_integral.driver import measurement_of
from hpc_nqs.path_integral.ensemble import AVERAGE_SIGN, Ensemble
from hpc_nqs.path_integral.ladder import ladder, reduced_beta
from hpc_nqs.path_integral.plan import Workload, n_chains_of, sampler_of
from hpc_nqs.path_integral.trotter import trotter_product
from hpc_nqs.path_integral.world_lines import world_lines
from hpc_nqs.runs.pace import SECONDS, timed
from hpc_nqs.settings.system import build

N_CHAINS = 4
MOST_NODES = 10**5  # of world lines that are made for a trial
SAMPLES, WARM_UP = 2**14, 50  # of a trial of the sign, and sweeps: an error of about 0.01


def _ensemble(settings, lattice, model, beta, n_slices, n_wanted):
    """Return an `Ensemble` of few chains and few samples."""
    observables = build_observables(settings, lattice, model)
    if n_slices:
        lines = world_lines(trotter_product(model, beta / (2 * n_slices), n_slices, settings.thermal.trotter_order))
    else:
        lines = ContinuousWorldLines(model, beta)
    method = sampler_of(settings) if settings.thermal.method == "analytic" else "cluster"
    place = beta, reduced_beta(beta, model.largest_coupling), n_slices, N_CHAINS, settings.run.seed or 0
    return Ensemble(Team.serial(), lines, measurement_of(observables, model), *place, method, 1, n_wanted)


def run_seconds(settings, lattice, model):
    """Return the seconds that all ensembles of a run take, and the `Workload`.

    Parameters
    ----------
    settings : Settings
    lattice : Lattice
    model : SpinModel
        Unrotated.
    """
    model = marshall(model, lattice)
    workload = Workload(settings, model)
    few = [each for each in workload.ensembles if workload.nodes(*each) <= MOST_NODES]
    tried = [few[0], few[-1]] if few else [workload.ensembles[0]] * 2
    counts, times = [workload.nodes(*each) for each in tried], []
    for beta, n_slices in tried:
        ensemble = _ensemble(settings, lattice, model, beta, n_slices, SAMPLES * N_CHAINS)
        ensemble.warm_up(min(WARM_UP, settings.sampling.n_warm_up))  # the first paths have no kinks
        seconds = min(timed(ensemble.advance)[1] for _ in range(3))  # of some milliseconds
        times.append(seconds / (ensemble.batch_size * N_CHAINS))
    # a sample has a fixed cost, too: what a node of it costs falls with their number
    slope = (times[1] - times[0]) / (counts[1] - counts[0]) if counts[1] > counts[0] else times[1] / counts[1]
    slope = max(slope, 0.0)
    total = 0.0
    for point in workload.ensembles:
        n = workload.nodes(*point)
        total += workload.work(*point) / n * max(times[1] - slope * (counts[1] - n), slope * n)
    return total, workload


@dataclass(frozen=True)
class SignTrial:
    """Average sign of the weights on short chains.

    Attributes
    ----------
    kept : float
        Lowest temperature at which the sign was above the floor; infinite where at none.
    lost : float or None
        Temperature at which it was below it; None where it was not found below.
    sign : float
        At the last temperature looked at.
    """

    kept: float
    lost: float | None
    sign: float


def sign_trial(settings, lattice, model):
    """Return the `SignTrial` of a frustrated magnet from high temperature down to the lowest reported one.

    In continuous time: the sign of Trotter steps is about the same.
    """
    model = marshall(model, lattice)
    lowest = settings.thermal.report_betas[-1]
    betas = [*ladder(model.has_exchange, model.largest_coupling, [lowest]), lowest]
    kept, sign, spent = float("inf"), 1.0, 0.0
    for beta in betas:
        sign, seconds = timed(lambda b=beta: _average_sign(settings, lattice, model, b))
        spent += seconds
        if sign < settings.thermal.sign_floor:
            return SignTrial(kept, 1 / beta, sign)
        kept = 1 / beta
        if spent > SECONDS or ContinuousWorldLines(model, beta).n_nodes > MOST_NODES:
            break
    return SignTrial(kept, None, sign)


def _average_sign(settings, lattice, model, beta):
    """Return the average sign."""
    ensemble = _ensemble(settings, lattice, model, beta, 0, SAMPLES)
    ensemble.warm_up(WARM_UP)
    while ensemble.n_samples * N_CHAINS < SAMPLES:
        ensemble.advance()
    return float(ensemble.batches[:, :, AVERAGE_SIGN].mean())


def forecast(settings, n_ranks=1):
    """Return what a run will take, measured and extrapolated, as a dict: keys as `thermal.trial.forecast`."""
    lattice, model = build(settings)
    seconds, workload = run_seconds(settings, lattice, model)
    n_chains = n_chains_of(settings)
    share = -(-n_chains // n_ranks) / n_chains
    return {
        "names": ("ensembles", "reported temperatures"),
        "steps": len(workload.ensembles),
        "reports": len(workload.betas),
        "seconds_per_step": seconds * share / len(workload.ensembles),
        "seconds": seconds * share,
        "efficiency": 1 / share / n_ranks,
    }
