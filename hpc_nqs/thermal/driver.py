"""Numerical purification: cool a wave function from its seed through all requested temperatures.

[PDBM] Y. Nomura, N. Yoshioka, F. Nori, PRL 127, 060601 (2021), method II.
"""

import json

import numpy as np

from hpc_nqs.runs.computation import DONE, FAILED, STOPPED, Computation
from hpc_nqs.runs.threads import use_threads
from hpc_nqs.settings.parsing import SettingsError
from hpc_nqs.thermal.ansatz import build_state
from hpc_nqs.thermal.batches import Batches
from hpc_nqs.thermal.deep.start import load_start
from hpc_nqs.thermal.evolution import EvolutionError, PathEnds
from hpc_nqs.thermal.passed_state import alone
from hpc_nqs.thermal.path import KEPT, Retreat, left_path
from hpc_nqs.thermal.plan import (
    N_CHAINS,
    batches_per_report,
    control_of,
    forecast_of,
    regularization_of,
    resolved,
    samples_per_step,
)
from hpc_nqs.thermal.remeasurement import Remeasurement
from hpc_nqs.thermal.rings.reports import BESIDE, COOLED, PILOT, RingReports
from hpc_nqs.thermal.soundness import frozen_problem, seed_problem
from hpc_nqs.thermal.table import finished_rows

START_EXPONENT, EXPONENT_STEP = 0.6, 0.05
EVOLVING = (*KEPT, "dtau")  # of an evolution, in the run file


class Cooling(Computation):
    """One thermal run: the state of its evolution, its chains, its history and its results.

    What a checkpoint needs is given to the `Recorder` by `state()`, `history_columns()`, `table()` and `arrays()`.
    """

    def __init__(self, settings, team, recorder, progress, resumed=False):
        super().__init__(settings, team, recorder, progress)
        settings, model = self.settings, self.model
        start = None
        if settings.thermal.start:  # a run that continues holds the network itself
            start = recorder.load_network() if resumed else load_start(settings, team)
        use_threads(settings, team)
        self.ansatz = build_state(settings, self.lattice, model, settings.run.seed, start)
        self.start_known = (start or {}).get("known", {})
        self.is_exact = self.ansatz.is_exact
        self.observables = self.ansatz.observables(settings)
        regularization, control = regularization_of(settings, self.ansatz), control_of(settings, self.ansatz)
        self.evolution = self.ansatz.evolution(regularization, control, team)
        n_chains = settings.sampling.n_chains
        self.sampler = self.ansatz.sampler(team, N_CHAINS if n_chains == "auto" else n_chains, settings.run.seed)
        self.umbrella = self.ansatz.umbrella(settings.run.seed)
        self.meter = self.ansatz.meter(self.observables, self.sampler, team)
        self.exponent = START_EXPONENT if settings.sampling.exponent == "auto" else settings.sampling.exponent
        self.warm, self.remeasurement = False, None
        self.retreat = Retreat(self.evolution, self.ansatz.wavefunction)
        self.rings = RingReports(
            self.ansatz, self.observables, team, settings.thermal, settings.run.seed,
            N_CHAINS if n_chains == "auto" else n_chains, samples_per_step(settings, self.ansatz),
        )
        self.forecast = forecast_of(settings, self.ansatz, control)
        self.resolved = resolved(settings, self.ansatz, regularization, control)

    @property
    def n_chains(self):
        """Chains over all ranks."""
        return self.sampler.n_chains

    # ---- the run ---------------------------------------------------------------------------------------------------

    def run(self, resumed=False):
        """Cool down to the lowest temperature; return the exit code.  *Collective*."""
        targets = self.settings.thermal.report_betas
        self.recorder.start(self, resumed)
        for target, temperature in zip(targets, self.settings.thermal.report_temperatures, strict=True):
            if any(row["beta"] == target for row in self.rows):
                continue
            row, code = self._reach(target)
            if code is not None:
                return code
            self.rows.append(row | {"temperature": temperature})
            self.rows.sort(key=lambda row: row["beta"])
            self._show(target, row)
            self.recorder.save(self)
        self.recorder.finish()
        return DONE

    def _reach(self, target):
        """Get to the results at a reported temperature, by cooling or on rings of links that are hotter.

        Return (raw results, None), or (None, exit code) to stop with.
        """
        while True:
            task = self.rings.next(target, self.history, self.rows)
            if task is None:
                return self.rings.finish(target), None
            of_state = task.stage in (COOLED, BESIDE)
            if of_state and self._is_passed(target):
                row, code = self._passed(target)
            elif self.evolution.beta < task.kernel_beta:
                row, code = None, self._step(task.kernel_beta)
            else:
                row, code = self._cooled(target) if of_state else self._measure(task)
            if row is not None and task.stage == BESIDE:
                row = self.rings.take(task, row)
            if row is not None or code is not None:
                return row, code

    def _measure(self, task):
        """Measure a ring; return (raw results of a reported temperature or None, exit code to stop with or None)."""
        if not self.rings.path.holds(task.kernel_beta):
            self._look()
        betas, residuals = ([step[name] for step in self.history] for name in ("beta", "tdvp_residual"))
        of_kernel = {"tdvp_residual": float(np.interp(task.kernel_beta, betas, residuals))}
        if self.is_exact:
            team = alone(self.team) if self.remeasurement else self.team
            return self.rings.take(task, self.rings.traced(task, team) | of_kernel), None
        ring = self.rings.begin(task, self.history[-1]["energy"])
        if task.stage == PILOT:
            row = ring.pilot()
            self.progress.message(f"{task.words(self.progress.units)}: average sign {row['average_sign']:.3f}")
            return self.rings.take(task, row), None
        while not ring.is_finished():
            ring.advance()
            if self.recorder.after_step(self):
                return None, STOPPED
        return self.rings.take(task, ring.row() | of_kernel), None

    def _look(self):
        """Add the present state to the path."""
        samples, evaluation = self._sample(self._n_samples())
        self.sampler.acceptance(self.team)  # a run that stops in the midst of the ring does not know these moves
        self._remember(self.evolution.velocity(samples, evaluation))

    def _remember(self, velocity):
        """Keep the present parameters and their slope: a kernel of rings, and what can be measured afterwards."""
        if not self.ansatz.has_bra_and_ket:
            evolution, slope = self.evolution, self.evolution.slope(velocity)
            self.rings.path.add(evolution.beta, self.ansatz.wavefunction.params, slope, evolution.heat(velocity))

    def _is_passed(self, target):
        """Return whether a reported temperature is that of a state on the path that is measured again."""
        return self.remeasurement is not None and self.remeasurement.holds(target, self.rings.path)

    def _passed(self, target):
        """Measure the state of the path at a reported temperature; return as `_reach` does."""
        self.recorder.hold(self)  # a state that is left is measured again
        row = self.remeasurement.row(target, self)
        if row is None:
            return None, STOPPED
        problem = frozen_problem(row["acceptance"], self.is_exact)
        return (None, self._fail(problem)) if problem else (row, None)

    def _cooled(self, target):
        """Measure the state at a reported temperature; return as `_reach` does, (None, None) after a step back."""
        row = self._report(target)
        if row is None:
            return None, STOPPED
        measured = row | {"variance": row.get("energy_variance", 0.0)}
        problem = self._problem(measured, row["acceptance"])
        if problem:
            return None, self._fail(problem)
        if self._is_astray(measured):
            return None, None if self._go_back() else FAILED
        return row, None

    def _step(self, target):
        """Make one step; return an exit code to stop with, or None."""
        begin, beta = self.elapsed(), self.evolution.beta
        samples, evaluation = self._sample(*self.evolution.wanted(self._n_samples(), self.meter.controls))
        summary = self.meter.summarize(samples, evaluation, beta)
        if self.umbrella is not None and not self.evolution.follows_expansion:
            samples.umbrella_samples = self.umbrella.sample(
                self.ansatz.wavefunction, beta, samples, len(self.history), self.team.threads
            )
        first = self.evolution.velocity_of_step(samples, evaluation)
        acceptance = self.sampler.acceptance(self.team)
        problem = self._problem(summary, acceptance)
        if problem:
            return self._fail(problem)
        if self._is_astray(summary):
            return None if self._go_back() else FAILED
        self.retreat.remember()
        self._remember(first)
        self.warm = not self.evolution.follows_expansion  # the next state is further away than after a small step
        try:
            step = self.evolution.advance(samples, evaluation, first, target)
        except EvolutionError as error:
            if not (self.history and isinstance(error, PathEnds) and self.rings.end_at(beta)):
                return self._fail(error)
            self.progress.message(f"{error.reason}; colder temperatures come from rings of states until there")
            return None
        number = len(self.history) + 1
        self.history.append(
            {"step": number, "beta": beta, "dtau": step.dtau, "step_error": step.error}
            | {"n_rejected": step.n_rejected, "tdvp_residual": first.residual, "n_kept": first.solution.n_kept}
            | {"solver_iterations": first.solution.iterations, "acceptance": acceptance, **summary}
            | {"exponent": self.exponent, "sweeps_per_sample": self.sweeps, "seconds": self.elapsed()}
        )
        for note in step.notes:
            self.progress.message(f"step {number}: {note}")
        seconds = self.history[-1]["seconds"] - begin
        self.forecast.note_step(beta, self.evolution.beta, self.forecast.n_samples(beta), seconds)
        self._show(beta, self.history[-1])
        self._adapt(summary)
        return STOPPED if self.recorder.after_step(self) else None

    def _show(self, beta, measured):
        """Show what has been measured at an inverse temperature, and the time that is left."""
        self.progress.update(
            step=len(self.history), beta=beta, beta_end=self.settings.thermal.report_betas[-1],
            seconds_left=self._seconds_left,
            energy=measured["energy"], energy_error=measured["energy_error"], acceptance=measured["acceptance"],
            residual=measured["tdvp_residual"], with_mu=self.model.mu is not None,
        )

    def _seconds_left(self):
        """Return what the run still takes, in seconds; None before the first step."""
        reports_left = len(self.settings.thermal.report_betas) - len(self.rows)
        return self.forecast.left(self.evolution.beta, self.evolution.dtau, reports_left)

    def _is_astray(self, measured):
        """Return whether the present state is not where the last step led."""
        return bool(self.history) and left_path(self.history[-1], measured, self.evolution.beta)

    def _go_back(self):
        """Take the last step back and return True; end the run and return False where that does not help."""
        last = self.history[-1]
        where = f"step {last['step']:.0f} at beta = {last['beta']:.6g} leads to another energy than its samples promise"
        goes_on = self.retreat.go_back(last["dtau"])
        self.history.pop()
        self.warm = False
        if goes_on:
            self.progress.message(f"{where}; it is taken back")
        else:
            self._fail(
                f"{where}; raise sampling.n_samples, end at a higher temperature, or take another wavefunction.kind"
            )
        return goes_on

    def _problem(self, measured, acceptance):
        """Return what makes samples of the present state worthless, as a sentence, or None."""
        thermal, problem = self.settings.thermal, frozen_problem(acceptance, self.is_exact)
        if not self.history and thermal.beta_0 != "auto" and not thermal.start:
            problem = seed_problem(measured, self.evolution.beta, self.model) or problem
        return problem

    def _fail(self, reason):
        """Write the last good state and say why the run ends; return the exit code.  *Collective*."""
        self.recorder.save(self)
        self.recorder.finish()
        self.progress.message(f"stopped: {reason}; the last good state is in {self.recorder.path}")
        return FAILED

    def _n_samples(self):
        """Return the number of samples per step at the present temperature."""
        return samples_per_step(self.settings, self.ansatz, self.evolution.beta)

    def _sample(self, n_samples, controls=None, derives=False):
        """Return fresh samples of all chains and their evaluation, as `Evolution.evaluate`."""
        system = self.ansatz.system
        amplitude = self.ansatz.wavefunction.amplitude(system.moves)
        if not self.warm:
            self.sampler.warm_up(amplitude, system, self.settings.sampling.n_warm_up, self.exponent)
            self.warm = True
        n_per_chain = max(1, -(-n_samples // self.sampler.n_chains))
        samples = self.sampler.sample(amplitude, system, n_per_chain, self.sweeps, self.exponent)
        return samples, self.evolution.evaluate(samples, amplitude, controls, derives)

    def _adapt(self, summary):
        """Move the sampling exponent and the sweeps per sample towards their targets, from reduced numbers only."""
        sampling = self.settings.sampling
        if sampling.exponent == "auto" and not self.is_exact:
            low, high = self.ansatz.effective_range
            if summary["effective_fraction"] < low:
                self.exponent = min(1.0, self.exponent + EXPONENT_STEP)
            elif summary["effective_fraction"] > high:
                self.exponent = max(0.5, self.exponent - EXPONENT_STEP)
        self.adapt_sweeps(summary["autocorrelation"])

    def _report(self, beta):
        """Return the raw results at a requested temperature, from extra samples; None if the run has to stop."""
        n_samples = self._n_samples()
        batches = self.batches(n_samples)
        self.recorder.hold(self)  # a report cut short is made again, from the chains as they were
        begin, made = self.elapsed(), []
        parts = batches.measured(lambda: self._sample(n_samples, self.meter.controls), self.recorder.stop_held, made)
        row = self.meter.report(parts, beta, batches.are_enough)
        if not made:
            return None
        velocity = self.evolution.velocity(*made[-1])
        self._remember(velocity)
        self.forecast.note_report(len(made) * n_samples, self.elapsed() - begin)
        row = self.ansatz.reported(row, self.evolution.heat(velocity))
        return row | {"tdvp_residual": velocity.residual, "acceptance": self.sampler.acceptance(self.team)}

    def batches(self, n_samples):
        """Return the `Batches` of `n_samples` samples at a reported temperature."""
        least, most = batches_per_report(self.settings, self.ansatz, n_samples)
        return Batches(least, most, self.settings.thermal.accuracy)

    # ---- state and files -------------------------------------------------------------------------------------------

    def state(self):
        """Return all that continues the run, on rank 0 (None elsewhere).  *Collective*."""
        chains, rings = self.sampler.state(self.team), self.rings.stored()
        umbrella = self.umbrella and self.umbrella.stored(self.team, self.n_chains)
        if not self.team.is_root:
            return None
        evolution = self.evolution
        return self.progress_state(chains, self.sampler) | {
            "params": self.ansatz.wavefunction.params,
            **{name: getattr(evolution, name) for name in EVOLVING},
            "umbrella": umbrella,
            "start_known": json.dumps(self.start_known),
            "warm": self.warm, "exponent": self.exponent,
            "rings": rings, "retreat": self.retreat.stored(),
            **({"measured": self.remeasurement.stored()} if self.remeasurement else {}),
        }

    def measure_again(self, state, history, source):
        """Take over what stands in the run file `source`, to measure its states again.  *Collective*.

        Raises
        ------
        SettingsError
            As `restore`; the file keeps no states, or none for a temperature.
        """
        measurement, begun = Remeasurement.of(state, source)
        self.restore(begun, history)
        measurement.check(self.settings.thermal.report_betas, self.rings, begins=True)

    def restore(self, state, history):
        """Take over the state and history of a run file.  *Collective*.

        Raises
        ------
        SettingsError
            The file holds another number of chains than the settings ask for, or a new temperature lies above the
            one that the run has reached.
        """
        self.restore_progress(state, history, self.sampler)
        reported = {row["beta"] for row in self.rows}
        passed = [beta for beta in self.settings.thermal.report_betas if beta < state["beta"] and beta not in reported]
        self.remeasurement = Remeasurement.restored(state.get("measured"))
        if passed and not self.remeasurement:
            raise SettingsError(
                [f"thermal: T = {1 / passed[0]:.6g} is asked for, but the run is at T = {1 / state['beta']:.6g}; "
                 "a run continues to lower temperatures only; `hpc-nqs measure` has those that it has passed"]
            )
        if "exchange" in self.arrays() and "exchange" not in self.recorder.load_network():
            self.history = []  # a state of version 0.1 that is cooled again, see `settings.continuing`
            return
        self.ansatz.wavefunction.params = state["params"]
        for name in EVOLVING:
            setattr(self.evolution, name, state[name])
        if self.umbrella is not None:
            self.umbrella.restore(self.team, state.get("umbrella"))
        self.start_known = json.loads(state["start_known"])
        self.warm, self.exponent = state["warm"], state["exponent"]
        if "rings" in state:  # not in older files
            self.rings.restore(state["rings"])
            self.retreat.restore(state["retreat"])
        if self.remeasurement:
            self.remeasurement.check(passed, self.rings)
            self.remeasurement.prepare(self.rings, self.settings.run.seed)

    def table(self):
        """Return the results so far, as `run_file.run_image` takes them."""
        targets = self.settings.thermal.report_betas
        return {
            "task": "thermal",
            "n_sites": self.model.n_lattice_sites,
            "finished": all(any(row["beta"] == beta for row in self.rows) for beta in targets),
            "seconds": self.seconds,
            "n_ranks": self.team.size,
            "resolved": self.resolved,
            "rows": finished_rows(
                self.rows,
                self.history_columns(),
                self.model,
                self.ansatz.known_start(self.start_known),
                self.ansatz.expansion_beta,
                noisy=self.ansatz.has_noisy_path,
                nodes=self.rings.nodes,
                crossing=self.rings.crossing(self.history) if self.rings.is_on else None,
                others=self.remeasurement.others(self.rows) if self.remeasurement else (),
            ),
            **({"measured_from": self.remeasurement.source} if self.remeasurement else {}),
        }

    def arrays(self):
        """Return the arrays of the wave function; of deep ones also where they stand, to start other runs from."""
        return self.ansatz.arrays(self.evolution.beta)
