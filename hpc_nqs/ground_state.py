"""Ground and excited states: stochastic reconfiguration of one state to convergence, then a long measurement.

[SR] S. Sorella, PRB 64, 024512 (2001).  A state of given quantum numbers is the lowest of its sector; see
`quantum_numbers` for how they are imposed.
"""

import json
import secrets
import time

import numpy as np

from hpc_nqs.chains import Chains
from hpc_nqs.correlations import build_correlations
from hpc_nqs.cost_model import StepSizes, cheapest_solver, plan_of_costs
from hpc_nqs.enumeration import Enumeration, n_configurations, sums_exactly
from hpc_nqs.kernels.amplitude import log_psi
from hpc_nqs.level_meter import LevelMeter
from hpc_nqs.progress import Progress
from hpc_nqs.reconfiguration import MAX_DENSE, Regularization, evaluate, is_factored, velocity
from hpc_nqs.recorder import Recorder
from hpc_nqs.settings import SettingsError, build
from hpc_nqs.spin_ansatz import build_spin_ansatz, sectors_of
from hpc_nqs.spin_system import random_spins
from hpc_nqs.stopping import NEVER
from hpc_nqs.threads import use_threads

DONE, STOPPED, FAILED = 0, 75, 1
N_SAMPLES, N_CHAINS = 4096, 64
FINAL_FACTOR = 32  # samples of the final measurement, in units of n_samples
FIRST_FRACTION = 0.25  # of the samples in the first step
GROWTH_END = 0.7  # part of the run after which samples and shift have reached their last values
DECAY_START, LAST_STEP = 0.7, 0.2  # part of the run after which the step size falls, to this fraction
STEP_SIZE = 3.0  # of "auto", in units of the inverse of the sum of the moduli of all terms
RISE, RECOVERY, LEAST_CAUTION = 4.0, 1.1, 0.02  # errors by which the energy may rise; growth and floor of the step
MAX_MOVE = 0.3  # of any parameter in one step
WINDOW = 10  # steps over which the V-score has to stay below its target
MAX_SWEEPS = 16
TARGET_TAU = 2.0  # autocorrelation time of the local energy, in samples
N_LOOKS = 256  # random configurations on which a sector shows whether it has states
MAX_FAILED = 5  # steps in a row without a finite update


def run_ground_state(settings, team, output_path, resume_from=None, stop=NEVER):
    """Run a ground-state calculation and write its run file.  *Collective.*

    Parameters and exit codes as `thermal.run_thermal`.
    """
    with Progress(team.rank) as progress:
        recorder = Recorder(output_path, team, stop, settings.run.checkpoint_minutes, progress.message)
        run = Optimization(settings, team, recorder, progress)
        if resume_from is not None:
            run.restore(*recorder.load())
        return run.run(resumed=resume_from is not None)


class Optimization:
    """One ground-state run: its wave function, its chains, its history and its result.

    What a checkpoint needs is given to the `Recorder` by `state()`, `history_columns()`, `table()` and `network()`.
    """

    def __init__(self, settings, team, recorder, progress):
        if settings.run.seed is None:
            seed = team.broadcast_object(secrets.randbelow(2**63))
            settings = settings.with_seed(seed)
            progress.message(f"seed = {seed}")
        self.settings, self.team, self.recorder, self.progress = settings, team, recorder, progress
        use_threads(settings, team)
        self.lattice, self.model = build(settings)
        self.sectors = _refusing(sectors_of, settings, self.lattice)
        sampling = settings.sampling
        self.n_samples = N_SAMPLES if sampling.n_samples == "auto" else sampling.n_samples
        self.exponent = 1.0 if sampling.exponent == "auto" else sampling.exponent
        self.history, self.rows, self.seconds = [], [], 0.0
        self.clock = time.monotonic()
        for sector in range(len(self.sectors) - 1, -1, -1):  # a wrong one is refused now, not hours later
            self._begin(sector)

    def _begin(self, sector):
        """Make a fresh wave function and fresh chains for the sector of this number."""
        settings = self.settings
        self.sector = sector
        self.ansatz = _refusing(
            build_spin_ansatz, settings, self.lattice, self.model, settings.run.seed, self.sectors[sector]
        )
        self.system, self.wavefunction = self.ansatz.system, self.ansatz.wavefunction
        self._check_sector()
        self.is_exact = sums_exactly(settings.sampling, self.system.n_visible, self.system.n_up)
        self.sampler = self._make_sampler()
        correlations = build_correlations(settings, self.lattice, self.ansatz.model)
        self.meter = LevelMeter(self.ansatz, correlations, self.sampler, self.team)
        sampling, part = settings.sampling, settings.ground_state
        self.sweeps = 1 if sampling.sweeps_per_sample == "auto" else sampling.sweeps_per_sample
        self.step_size = default_step(self.ansatz.model) if part.step_size == "auto" else part.step_size
        self.warm, self.previous, self.n_failed, self.caution = False, None, 0, 1.0

    @property
    def n_chains(self):
        """Chains over all ranks."""
        return self.sampler.n_chains

    @property
    def n_steps(self):
        """Steps made so far in the present sector."""
        return sum(int(step["sector"]) == self.sector for step in self.history)

    @property
    def converged(self):
        """Whether the V-score of the last steps is below its target."""
        last = [step["v_score"] for step in self.history[-WINDOW:] if step["sector"] == self.sector]
        return bool(len(last) == WINDOW and max(last) < self.settings.ground_state.v_score)

    def _make_sampler(self):
        if self.is_exact:
            return Enumeration(self.team, self.system)
        n_chains = self.settings.sampling.n_chains
        return Chains(
            self.team,
            N_CHAINS if n_chains == "auto" else n_chains,
            self.settings.run.seed,
            lambda stream: random_spins(self.system, stream),
        )

    # ---- the run ---------------------------------------------------------------------------------------------------

    def run(self, resumed=False):
        """Optimize and measure the state of every sector; return the exit code.  *Collective.*"""
        self.recorder.start(self, resumed)
        while self.sector < len(self.sectors):
            if len(self.sectors) == 1 or len(self.rows) <= self.sector:
                code = self._optimize()
                if code is not None:
                    return code
            if self.sector + 1 == len(self.sectors):
                break
            self._begin(self.sector + 1)
            self.recorder.save(self)
        self.recorder.finish()
        return DONE

    def _optimize(self):
        """Bring the state of the present sector to convergence and measure it; return an exit code to stop with, or None."""
        if len(self.sectors) > 1:
            self.progress.message(f"sector {self.sector + 1} of {len(self.sectors)}: {_words(self.ansatz.sector)}")
        while self.n_steps < self.settings.ground_state.n_steps and not self.converged:
            del self.rows[self.sector :]  # of a finished run that is extended
            code = self._step()
            if code is not None:
                return code
        if len(self.rows) == self.sector:
            row = self._measure()
            if row is None:
                return STOPPED
            self.rows.append(row)
            self.recorder.save(self)
        return None

    def _step(self):
        """Make one step; return an exit code to stop with, or None."""
        schedule = self.schedule(self.n_steps)
        samples, evaluation = self._sample(schedule["n_samples"])
        summary = self.meter.summarize(samples, evaluation)
        regularization = _regularization(self.settings, self.ansatz, schedule["diag_scale"])
        change = velocity(evaluation, samples, self.wavefunction, regularization, self.team, self.previous)
        acceptance = self.sampler.acceptance(self.team)
        limits = self.settings.ground_state.max_change / max(change.speed, 1e-300), MAX_MOVE / max(np.abs(change.x).max(), 1e-300)
        self._watch(summary)
        dtau = min(self.caution * schedule["dtau"], *limits)
        usable = bool(np.isfinite(change.x).all() and np.isfinite(dtau))
        self.n_failed = 0 if usable else self.n_failed + 1
        if usable:
            params = self.wavefunction.params + dtau * change.x
            self.team.broadcast(params)
            self.wavefunction.params, self.previous = params, change.x
        self.history.append(
            {"step": self.n_steps + 1, "sector": self.sector, **summary, "acceptance": acceptance, "dtau": dtau if usable else 0.0}
            | {"diag_scale": schedule["diag_scale"], "n_samples": schedule["n_samples"], "residual": change.residual}
            | {"solver_iterations": change.solution.iterations, "sweeps_per_sample": self.sweeps, "seconds": self._elapsed()}
        )
        if change.solution.note:
            self.progress.message(f"step {self.n_steps}: {change.solution.note}")
        self.progress.update(
            step=self.n_steps, n_steps=self.settings.ground_state.n_steps, energy=summary["energy"],
            energy_error=summary["energy_error"], acceptance=acceptance, v_score=summary["v_score"],
        )
        self._adapt(summary)
        if self.n_failed >= MAX_FAILED:
            self.recorder.save(self)
            self.recorder.finish()
            self.progress.message(f"stopped: no finite update in {MAX_FAILED} steps; lower ground_state.step_size")
            return FAILED
        return STOPPED if self.recorder.after_step(self) else None

    def _watch(self, summary):
        """Halve the step where the energy has risen beyond its error, let it recover slowly."""
        if self.n_steps:
            last = self.history[-1]
            noise = RISE * np.hypot(summary["energy_error"], last["energy_error"]) + 1e-12 * abs(last["energy"])
            risen = summary["energy"] > last["energy"] + noise
            self.caution = max(LEAST_CAUTION, 0.5 * self.caution) if risen else min(1.0, RECOVERY * self.caution)

    def schedule(self, step):
        """Return what a step of this number (from 0) is made with: n_samples, diag_scale, dtau."""
        part = step / max(1, self.settings.ground_state.n_steps)
        grown = min(1.0, part / GROWTH_END)
        last = self.settings.reconfiguration.diag_scale
        first = max(last, self.settings.ground_state.start_scale)
        falling = max(0.0, (part - DECAY_START) / (1 - DECAY_START))
        return {
            "n_samples": max(self.sampler.n_chains, round(self.n_samples * FIRST_FRACTION ** (1 - grown))),
            "diag_scale": first * (last / first) ** grown if first else 0.0,
            "dtau": self.step_size * LAST_STEP**falling,
        }

    def _sample(self, n_samples):
        """Return fresh samples of all chains and their evaluation."""
        amplitude = self.wavefunction.amplitude(self.system.moves)
        if not self.warm:
            self.sampler.warm_up(amplitude, self.system, self.settings.sampling.n_warm_up, self.exponent)
            self.warm = True
        n_per_chain = max(1, -(-n_samples // self.sampler.n_chains))
        samples = self.sampler.sample(amplitude, self.system, n_per_chain, self.sweeps, self.exponent)
        return samples, evaluate(samples, self.wavefunction, self.system, self.team, amplitude)

    def _check_sector(self):
        """Refuse a sector without states: its projected wave function is zero wherever one looks."""
        stream = np.random.Generator(np.random.Philox(key=0))
        spins = np.array([random_spins(self.system, stream) for _ in range(N_LOOKS)])
        logarithms = np.empty(N_LOOKS, dtype=np.complex128)
        log_psi(self.wavefunction.amplitude(self.system.moves), spins, logarithms)
        if not np.isfinite(logarithms).any():
            raise SettingsError([f"ground_state: there is no state with {_words(self.ansatz.sector)} on {self.system.n_sites} sites"])

    def _adapt(self, summary):
        """Move the sweeps per sample towards their target, from reduced numbers only."""
        if self.settings.sampling.sweeps_per_sample == "auto":
            tau = summary["autocorrelation"]
            if tau > 1.5 * TARGET_TAU:
                self.sweeps = min(MAX_SWEEPS, self.sweeps + 1)
            elif tau < 0.5 * TARGET_TAU:
                self.sweeps = max(1, self.sweeps - 1)

    def _measure(self):
        """Return the results of the final state from many samples; None if the run has to stop."""
        wanted = self.settings.ground_state.n_samples_final
        n_final = FINAL_FACTOR * self.n_samples if wanted == "auto" else wanted
        n_batches = 1 if self.is_exact else max(1, -(-n_final // self.n_samples))
        self.recorder.hold(self)  # a measurement cut short is made again, from the chains as they were
        batches = [self._sample(self.n_samples)]
        while len(batches) < n_batches:
            if self.recorder.stop_held():
                return None
            batches.append(self._sample(self.n_samples))
        numbers = self.meter.quantum_numbers(batches[-1][0])
        row = self.meter.report(batches) | {"acceptance": self.sampler.acceptance(self.team)}
        if self.system.n_up is not None:
            numbers["sz"] = self.system.n_up - self.system.n_sites / 2
        if self.ansatz.sector.point_group is not None:
            numbers["point_group"] = self.ansatz.sector.point_group
        return numbers | row | {"n_steps": self.n_steps, "converged": self.converged}

    # ---- state and files -------------------------------------------------------------------------------------------

    def _elapsed(self):
        now = time.monotonic()
        self.seconds += now - self.clock
        self.clock = now
        return self.seconds

    def state(self):
        """Return all that continues the run, on rank 0 (None elsewhere).  *Collective.*"""
        chains = self.sampler.state(self.team)
        if not self.team.is_root:
            return None
        return {
            "sector": self.sector,
            "params": self.wavefunction.params,
            "previous": self.previous,
            "n_failed": self.n_failed,
            "caution": self.caution,
            "chains": chains,
            "n_chains": self.sampler.n_chains,
            "warm": self.warm,
            "sweeps_per_sample": self.sweeps,
            "rows": json.dumps(self.rows),
            "seconds": self._elapsed(),
        }

    def restore(self, state, history):
        """Take over the state and history of a run file.  *Collective.*

        Raises
        ------
        SettingsError
            The file holds another number of chains than the settings ask for.
        """
        if state["n_chains"] != self.sampler.n_chains:
            raise SettingsError(
                [f"sampling.n_chains = {self.sampler.n_chains}: the run has {state['n_chains']} chains; allowed is the same number"]
            )
        self._begin(state["sector"])
        self.sampler.restore(self.team, state["chains"])
        self.wavefunction.params, self.previous = state["params"], state["previous"]
        self.warm, self.sweeps = state["warm"], state["sweeps_per_sample"]
        self.n_failed, self.caution = state["n_failed"], state["caution"]
        self.rows, self.seconds = json.loads(state["rows"]), state["seconds"]
        columns = list(history)
        self.history = [dict(zip(columns, values, strict=True)) for values in zip(*history.values(), strict=True)]

    def history_columns(self):
        """Return the history as {column: (n_steps,) float64}."""
        columns = self.history[0] if self.history else ()
        return {name: np.array([step[name] for step in self.history], dtype=np.float64) for name in columns}

    def table(self):
        """Return the results so far, as `checkpoint.run_image` takes them."""
        return {
            "task": "ground_state",
            "n_sites": self.system.n_sites,
            "finished": len(self.rows) == len(self.sectors),
            "seconds": self.seconds,
            "n_ranks": self.team.size,
            "rows": self.rows,
        }

    def network(self):
        """Return the arrays of the wave function."""
        return self.wavefunction.network()


def default_step(model):
    """Return the imaginary time of one step: an inverse energy that grows with the system.

    An explicit step is stable up to 2 / (width of the spectrum), about 2 / (sum of the moduli of all terms); the shift of
    S allows a little more.
    """
    energy = np.abs(model.pair_coupling).sum() + np.abs(model.exchange_element).sum() + np.abs(model.flip_element).sum()
    return STEP_SIZE / max(energy, 1e-300)


def _regularization(settings, ansatz, diag_scale):
    """Return the `Regularization` of one step; "auto" is a diagonal shift and the solver that costs least."""
    choice = settings.reconfiguration
    solver = choice.solver
    if solver == "auto":
        small = ansatz.wavefunction.n_params <= MAX_DENSE
        solver = "dense" if small else cheapest_solver(step_sizes(settings, ansatz))
    soft_cut = None
    if solver == "dense" and choice.regularization == "soft_cut":
        soft_cut = 1e-6 if choice.soft_cut == "auto" else choice.soft_cut
    return Regularization(solver, soft_cut, diag_scale, choice.tolerance, choice.diag_shift)


def step_sizes(settings, ansatz):
    """Return the `StepSizes` of the last steps, of chains."""
    sampling, choice = settings.sampling, settings.reconfiguration
    system, wavefunction = ansatz.system, ansatz.wavefunction
    return StepSizes(
        n_samples=N_SAMPLES if sampling.n_samples == "auto" else sampling.n_samples,
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


def _refusing(function, *arguments):
    """Return function(*arguments), with what it refuses as a problem of the settings."""
    try:
        return function(*arguments)
    except SettingsError:
        raise
    except ValueError as error:
        raise SettingsError([str(error)]) from error


def _words(sector):
    """Return the quantum numbers that are projected onto as text."""
    given = {name: value for name, value in vars(sector).items() if value is not None}
    shown = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    return ", ".join(f"{name} = {value}" for name, value in shown.items()) or "none"


def plan(settings):
    """Return what a run of `settings` will take, as {what: number or text}."""
    lattice, model = build(settings)
    sectors = _refusing(sectors_of, settings, lattice)
    ansatz = _refusing(build_spin_ansatz, settings, lattice, model, settings.run.seed or 0, sectors[0])
    system, wavefunction = ansatz.system, ansatz.wavefunction
    regularization = _regularization(settings, ansatz, settings.reconfiguration.diag_scale)
    sizes = step_sizes(settings, ansatz)
    tables = 3 * sizes.n_entries * sizes.n_hidden * 8 * sizes.width
    exact = sums_exactly(settings.sampling, system.n_visible, system.n_up)
    return {
        "wave function": f"{ansatz.kind}, {'complex' if wavefunction.is_complex else 'real'} parameters",
        "symmetries": ", ".join(ansatz.symmetries) or "none",
        "projection": _words(sectors[0]) + (f" ({ansatz.order} images)" if ansatz.order > 1 else ""),
        "sectors": len(sectors),
        "sites": system.n_sites,
        "hidden units": wavefunction.n_units,
        "parameters": sizes.n_params,
        "chains": "none, exact sums" if exact else sizes.n_chains,
        "samples per step": n_configurations(system.n_visible, system.n_up) if exact else sizes.n_samples,
        "imaginary time per step": default_step(ansatz.model)
        if settings.ground_state.step_size == "auto"
        else settings.ground_state.step_size,
        **plan_of_costs(sizes, regularization.solver, tables),
    }
