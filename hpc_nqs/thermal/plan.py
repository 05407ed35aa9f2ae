"""What a thermal run starts from and will take, and the choices of its steps that "auto" leaves to the system."""

import math

from hpc_nqs.parallel.team import Team
from hpc_nqs.reconfiguration.cost_model import StepSizes, cheapest_solver, plan_of_costs
from hpc_nqs.reconfiguration.velocity import DIAG_SCALE, MAX_DENSE, Regularization, is_factored
from hpc_nqs.settings.system import build
from hpc_nqs.thermal.ansatz import build_ansatz
from hpc_nqs.thermal.deep.ansatz import build_deep_ansatz, is_deep_network
from hpc_nqs.thermal.deep.start import load_start
from hpc_nqs.thermal.evolution import StepControl

N_SAMPLES, N_CHAINS = 8192, 64
# above T = J / HOT_BETA rare configurations carry the force: more samples, unless an expansion gives the state
HOT_BETA, HOT_FACTOR = 0.5, 4
# samples at a reported temperature in N_SAMPLES: of tables in a transverse field, where an expansion gives cheap energies
REPORT_FACTOR = {True: 48, False: 24}
STEP_TOLERANCE = 3e-3  # of networks and in a transverse field
TABLE_TOLERANCE = {False: 1.25e-3, True: 2.5e-3}  # of tables with exchange, times sqrt(N); True: beside a pair product
SOFT_CUT = {"tfim": 1e-8, "rbm": 1e-5, "clusters": 1e-7, "pair_rbm": 1e-5, "dbm": 1e-6}  # of chains, by state
EXACT_SOFT_CUT = {True: 1e-8, False: 1e-6}  # of exact sums; True: complex parameters or tables, no nodes in the way
SLICED_SOFT_CUT = 1e-6  # of exact sums over rings: at 1e-8 rounding moves two slices on a 4-site ring by 0.02 in e
MAX_GROWTH = 0.2  # of beta per step, relative


def build_state(settings, lattice, model, seed, start):
    """Return the `Ansatz`; `start` holds the arrays of the network that `thermal.start` names."""
    if is_deep_network(settings):
        return build_deep_ansatz(settings, lattice, model, start)
    return build_ansatz(settings, lattice, model, seed)


def regularization_of(settings, ansatz):
    """Return the `Regularization`.

    "auto" is dense with a soft cut up to MAX_DENSE parameters, else the solver with a shift that costs least.
    """
    choice = settings.reconfiguration
    solver = choice.solver
    if solver == "auto":
        small = ansatz.has_bra_and_ket or ansatz.wavefunction.n_params <= MAX_DENSE
        solver = "dense" if small else cheapest_solver(step_sizes(settings, ansatz))
    soft_cut = choice.soft_cut
    if soft_cut == "auto":
        of_ising = settings.model.kind == "tfim" and ansatz.kind == "rbm" and not ansatz.has_bra_and_ket
        kind = "tfim" if of_ising else ansatz.kind
        exact_cut = EXACT_SOFT_CUT[ansatz.wavefunction.is_complex or kind == "clusters"]
        exact_cut = SLICED_SOFT_CUT if ansatz.has_bra_and_ket else exact_cut
        soft_cut = exact_cut if ansatz.is_exact else SOFT_CUT[kind]
    if solver != "dense" or choice.regularization == "diag_shift":
        soft_cut = None
    diag_scale = DIAG_SCALE if choice.diag_scale == "auto" else choice.diag_scale
    return Regularization(solver, soft_cut, diag_scale, choice.tolerance, choice.diag_shift)


def samples_per_step(settings, ansatz, beta=math.inf):
    """Return the number of samples per step at an inverse temperature, over all ranks."""
    wanted = settings.sampling.n_samples
    if wanted != "auto":
        return wanted
    hot = ansatz.expansion is None and beta <= HOT_BETA / ansatz.model.largest_coupling
    return N_SAMPLES * (HOT_FACTOR if hot else 1)


def samples_per_report(settings, ansatz):
    """Return the number of samples at a reported temperature, over all ranks."""
    wanted = settings.thermal.n_samples_report
    if wanted != "auto":
        return wanted
    per_step = settings.sampling.n_samples
    return REPORT_FACTOR[ansatz.has_ising_tables] * (N_SAMPLES if per_step == "auto" else per_step)


def step_sizes(settings, ansatz):
    """Return the `StepSizes` of one step, of chains."""
    sampling, choice = settings.sampling, settings.reconfiguration
    purification, model, wavefunction = ansatz.purification, ansatz.model, ansatz.wavefunction
    return StepSizes(
        n_samples=samples_per_step(settings, ansatz),
        n_chains=N_CHAINS if sampling.n_chains == "auto" else sampling.n_chains,
        n_proposals=purification.n_visible * (1 if sampling.sweeps_per_sample == "auto" else sampling.sweeps_per_sample),
        n_terms=2 * (len(model.exchange_sites) + 2 * len(model.flip_sites)),
        n_entries=len(purification.moves.input_changes()[0]),
        n_hidden=wavefunction.n_units,
        n_inputs=purification.n_inputs,
        n_params=wavefunction.n_params,
        width=wavefunction.width,
        is_factored=is_factored(wavefunction),
        same_shift=choice.diag_scale == 0,
        n_stages=3 if ansatz.kind == "clusters" else 2,
    )


def control_of(settings, ansatz):
    """Return the `StepControl`; errors per step of tables with exchange may grow with the norm of a change, as sqrt(N)."""
    thermal, tolerance = settings.thermal, settings.thermal.step_tolerance
    if tolerance == "auto":
        model, tolerance = ansatz.model, STEP_TOLERANCE
        if ansatz.has_exchange_tables:
            tolerance = TABLE_TOLERANCE[model.has_positive_exchange] * math.sqrt(model.n_sites)
    return StepControl(tolerance=tolerance, max_dtau=thermal.max_dtau, max_growth=MAX_GROWTH, clock=thermal.clock)


def plan(settings):
    """Return what a run of `settings` will take, as {what: number or text}."""
    lattice, model = build(settings)
    start = load_start(settings, Team.serial()) if settings.thermal.start else None
    ansatz = build_state(settings, lattice, model, settings.run.seed or 0, start)
    purification, wavefunction = ansatz.purification, ansatz.wavefunction
    regularization = regularization_of(settings, ansatz)
    sizes = step_sizes(settings, ansatz)
    n_params, item = wavefunction.n_params, 8 * wavefunction.width
    tables = 3 * sizes.n_entries * wavefunction.n_units * item + purification.n_inputs * ansatz.order * 8
    return {
        "wave function": ansatz.kind,
        "slices": ansatz.n_slices,
        "symmetries": f"{', '.join(ansatz.symmetries) or 'none'} (group of order {ansatz.order})",
        "sites": model.n_sites,
        "visible units": purification.n_visible,
        **({"deep units": wavefunction.n_deep} if ansatz.kind == "dbm" else {}),
        "clusters" if ansatz.kind == "clusters" else "hidden units": wavefunction.n_units,
        "parameters": n_params,
        "seed at beta_0": ansatz.beta_0,
        "chains": sizes.n_chains,
        "samples per step": sizes.n_samples,
        **plan_of_costs(sizes, regularization.solver, tables),
    }
