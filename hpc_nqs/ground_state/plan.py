"""What a ground-state run will take, and the choices of its steps that "auto" leaves to the system."""

from hpc_nqs.ground_state.forecast import LevelForecast
from hpc_nqs.ground_state.lanczos_step import n_terms_of
from hpc_nqs.ground_state.schedule import EXACT_SCALE, default_step, fraction_of_step
from hpc_nqs.ground_state.sectors import words
from hpc_nqs.ground_state.systems import build_ansatz, search_of
from hpc_nqs.reconfiguration.cost_model import StepSizes, cheapest_solver, plan_of_costs, solver_cost
from hpc_nqs.reconfiguration.equations import is_factored
from hpc_nqs.reconfiguration.solvers import Regularization, resolved_solver
from hpc_nqs.reconfiguration.velocity import DIAG_SCALE
from hpc_nqs.runs.computation import MAX_SWEEPS
from hpc_nqs.sampling.enumeration import n_configurations, sums_exactly
from hpc_nqs.settings.parsing import refusing
from hpc_nqs.settings.system import build

N_SAMPLES, N_CHAINS = 4096, 64
FINAL_FACTOR = 32  # samples of the final measurement, in units of n_samples
LEAST_LANCZOS = 1024  # samples of the Lanczos step at least
MAX_ROWS = 4096  # of a matrix that is factorized
FEW_SAMPLES, NOISY_SCALE = 4, 3e-3  # samples per parameter below which the last shift is larger, and that shift


def samples_per_step(settings):
    """Return the number of samples of the last steps, over all ranks."""
    return N_SAMPLES if settings.sampling.n_samples == "auto" else settings.sampling.n_samples


def samples_of_step(settings, is_exact, n_chains, number):
    """Return the number of samples of the step of a number (from 0); of exact sums the configurations, `n_chains`."""
    fraction = fraction_of_step(number, settings.ground_state.n_steps)
    return max(n_chains, 1 if is_exact else round(samples_per_step(settings) * fraction))


def samples_per_measurement(settings):
    """Return the number of samples of the final measurement, over all ranks."""
    wanted = settings.ground_state.n_samples_final
    return FINAL_FACTOR * samples_per_step(settings) if wanted == "auto" else wanted


def samples_of_lanczos(settings, system):
    """Return the number of samples of the Lanczos step, over all ranks; 0 for a state kept orthogonal to others.

    "auto": about one connected configuration for each sample of the measurement, exchanges being allowed on half of
    their bonds, but at least LEAST_LANCZOS samples.  Exact sums use all configurations.
    """
    part, n_final = settings.ground_state, samples_per_measurement(settings)
    if part.orthogonal_to:
        return 0
    if part.n_samples_lanczos == "auto":
        return min(n_final, max(LEAST_LANCZOS, 2 * n_final // max(1, n_terms_of(system))))
    return min(n_final, part.n_samples_lanczos)


def forecast_of(settings, search, is_exact, n_chains):
    """Return the `LevelForecast` of the steps of a run; `n_chains` of exact sums are the configurations."""
    return LevelForecast(
        settings.ground_state,
        is_exact,
        len(search.sectors),
        search.finds_lowest,
        lambda number: samples_of_step(settings, is_exact, n_chains, number),
        n_chains if is_exact else samples_per_measurement(settings),
    )


def steps_are_exact(settings, ansatz):
    """Return whether the steps of a state are made with sums over all configurations."""
    system = ansatz.system
    return sums_exactly(settings.sampling, system.n_visible, system.n_up, len(ansatz.invariance()))


def last_scale(settings, is_exact, n_params, of_electrons=False):
    """Return the relative shift of S at the end of a run; larger where few samples per parameter leave S noisy.

    6x6, J2/J1 = 0.5, 3222 parameters, 2300 to 3000 samples: from a shift of 5e-4 on the energy rises, by 1e-3 at 3e-4.
    So it does for electrons, whose samples near nodes have heavy tails: Hubbard, 4x4, half filled, U = 4, 745
    parameters, by 0.04 at shifts of 1e-3 to 2e-4.
    """
    chosen, n_samples = settings.reconfiguration.diag_scale, settings.sampling.n_samples
    if chosen != "auto":
        return chosen
    if is_exact:
        return EXACT_SCALE
    n_samples = N_SAMPLES if n_samples == "auto" else n_samples
    few = of_electrons or n_samples < FEW_SAMPLES * n_params
    return NOISY_SCALE if few else DIAG_SCALE


def last_scale_of(settings, is_exact, ansatz):
    """Return `last_scale` of a state."""
    return last_scale(settings, is_exact, ansatz.wavefunction.n_params, ansatz.model.of_electrons)


def regularization_of(settings, ansatz, diag_scale, n_samples):
    """Return the `Regularization` of one step.

    "auto" is a diagonal shift; the cheaper one of dense and sample space where the matrix has at most MAX_ROWS rows
    (many iterations of conjugate gradients cost more than one factorization), else what costs least.
    """
    choice, n_params = settings.reconfiguration, ansatz.wavefunction.n_params
    solver = choice.solver
    if solver == "auto":
        sizes = step_sizes(settings, ansatz, n_samples)
        rows = {"dense": n_params, "sample_space": n_samples}
        small = [name for name, n_rows in rows.items() if n_rows <= min(MAX_ROWS, n_params)]
        solver = min(small, key=lambda name: solver_cost(sizes, name)[0]) if small else cheapest_solver(sizes)
    soft_cut = None
    if solver == "dense" and choice.regularization == "soft_cut":
        soft_cut = 1e-6 if choice.soft_cut == "auto" else choice.soft_cut
    return Regularization(solver, soft_cut, diag_scale, choice.tolerance, choice.diag_shift)


def step_sizes(settings, ansatz, n_samples):
    """Return the `StepSizes` of a step with so many samples, of chains."""
    sampling, choice = settings.sampling, settings.reconfiguration
    system, wavefunction = ansatz.system, ansatz.wavefunction
    return StepSizes(
        n_samples=n_samples,
        n_chains=N_CHAINS if sampling.n_chains == "auto" else sampling.n_chains,
        n_proposals=system.n_visible * (1 if sampling.sweeps_per_sample == "auto" else sampling.sweeps_per_sample),
        n_terms=len(system.moves),
        n_entries=len(system.moves.input_changes()[0]),
        n_hidden=wavefunction.n_units,
        n_inputs=system.n_visible,
        n_params=wavefunction.n_params,
        width=wavefunction.width,
        is_factored=is_factored(wavefunction),
        same_shift=choice.diag_scale == 0 and settings.ground_state.start_scale == 0,
        n_images=ansatz.order,
    )


def resolved(settings, search, ansatz):
    """Return what "auto" became, {section: {key: value}} in the words of the input, with the sizes of the state.

    Parameters
    ----------
    settings : Settings
    search : Search
    ansatz : SpinAnsatz
        Of the first sector, projected.
    """
    chosen, part, wavefunction = settings.sampling, settings.ground_state, ansatz.wavefunction
    exact = steps_are_exact(settings, ansatz)
    if exact:
        n_samples = n_configurations(ansatz.system.n_visible, ansatz.system.n_up)
        sampling = {"method": "exact_sum", "n_configurations": n_samples, "n_orbits_least": _n_orbits(ansatz)}
        n_samples = _n_orbits(ansatz)
    else:
        n_samples = samples_per_step(settings)
        sampling = {
            "method": "metropolis",
            "n_samples": n_samples,
            "n_chains": N_CHAINS if chosen.n_chains == "auto" else chosen.n_chains,
            "exponent": 1.0 if chosen.exponent == "auto" else chosen.exponent,
            "sweeps_per_sample": [1, MAX_SWEEPS] if chosen.sweeps_per_sample == "auto" else chosen.sweeps_per_sample,
        }
    regularization = regularization_of(settings, ansatz, last_scale_of(settings, exact, ansatz), n_samples)
    step = default_step(ansatz.model) if part.step_size == "auto" else part.step_size
    return {
        "wavefunction": {
            "kind": ansatz.word,
            "parameters": "complex" if wavefunction.is_complex else "real",
            "symmetries": list(ansatz.symmetries),
            "marshall": bool(ansatz.model.sublattice is not None and (ansatz.model.sublattice < 0).any()),
            "n_units": int(wavefunction.n_units),
            "n_params": int(wavefunction.n_params),
            "projection_images": int(ansatz.order),
        },
        "sampling": sampling,
        "reconfiguration": resolved_solver(regularization),
        "ground_state": {
            "sectors": len(search.sectors),
            "projection": words(search.sectors[0]),
            **_quantum_numbers(search, ansatz),
            "searches": bool(search.finds_lowest),
            "step_size": float(step),
            **({} if exact else _final_samples(settings, ansatz.system)),
        },
    }


def _final_samples(settings, system):
    return {
        "n_samples_final": samples_per_measurement(settings),
        "n_samples_lanczos": samples_of_lanczos(settings, system),
    }


def _quantum_numbers(search, ansatz):
    """Return the quantum numbers of a run of one sector in the words of the input, "none" where nothing is imposed."""
    if len(search.sectors) > 1:
        return {}
    sector, system = search.sectors[0], ansatz.system
    found = {name: getattr(sector, name) for name in ("momentum", "point_group", "spin_parity")}
    found = {name: "none" if value is None else value for name, value in found.items()}
    if sector.momentum is not None:
        found["momentum"] = [int(k) for k in sector.momentum]
    if system.n_up is None or ansatz.model.of_electrons:
        return found
    return found | {"sz": system.n_up - system.n_sites / 2}


def _n_orbits(ansatz):
    """Return the least number of orbits of the configurations under what leaves abs(Psi)^2 unchanged."""
    system = ansatz.system
    return n_configurations(system.n_visible, system.n_up) // len(ansatz.invariance())


def resolution(settings):
    """Return `resolved` of an input."""
    lattice, model = build(settings)
    search = refusing(search_of, settings, lattice, model)
    ansatz = refusing(build_ansatz, settings, lattice, model, settings.run.seed or 0, search.sectors[0])
    return resolved(settings, search, ansatz)


def plan(settings):
    """Return what a run of `settings` will take, as {what: number or text}."""
    lattice, model = build(settings)
    search = refusing(search_of, settings, lattice, model)
    sectors = search.sectors
    ansatz = refusing(build_ansatz, settings, lattice, model, settings.run.seed or 0, sectors[0])
    system, wavefunction = ansatz.system, ansatz.wavefunction
    sampling = settings.sampling
    n_samples = N_SAMPLES if sampling.n_samples == "auto" else sampling.n_samples
    exact = steps_are_exact(settings, ansatz)
    if exact:
        n_samples = _n_orbits(ansatz)
    solver = regularization_of(settings, ansatz, last_scale_of(settings, exact, ansatz), n_samples).solver
    sizes = step_sizes(settings, ansatz, n_samples)
    tables = 3 * sizes.n_entries * sizes.n_hidden * 8 * sizes.width
    samples = {"chains": sizes.n_chains, "samples of the last steps": n_samples}
    samples |= {"samples of the measurement": samples_per_measurement(settings)}
    samples |= {"samples of the Lanczos step": samples_of_lanczos(settings, system)}
    if exact:
        total = n_configurations(system.n_visible, system.n_up)
        samples = {"configurations summed per step": f"at least {n_samples:,}, one of every orbit of {total:,}"}
    return {
        "wave function": f"{ansatz.word}, {'complex' if wavefunction.is_complex else 'real'} parameters",
        "symmetries": ", ".join(ansatz.symmetries) or "none",
        "projection": words(sectors[0]) + (f" ({ansatz.order} images)" if ansatz.order > 1 else ""),
        "sectors": len(sectors),
        "lowest of": search.lowest_of + (f". {search.remark}" if search.remark else ""),
        "sites": system.n_sites,
        "hidden units": sizes.n_hidden,
        "parameters": sizes.n_params,
        **samples,
        "imaginary time per step": default_step(ansatz.model)
        if settings.ground_state.step_size == "auto"
        else settings.ground_state.step_size,
        **plan_of_costs(sizes, solver, tables),
    }
