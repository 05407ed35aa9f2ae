"""Ground and excited states: stochastic reconfiguration of one state to convergence, then a long measurement.

[SR] S. Sorella, PRB 64, 024512 (2001).  A state of given quantum numbers is the lowest of its sector; see
`quantum_numbers` for how they are imposed.
"""

from hpc_nqs.ground_state.first_steps import velocity_of_step
from hpc_nqs.ground_state.forecast import WINDOW
from hpc_nqs.ground_state.lanczos_step import LanczosStep
from hpc_nqs.ground_state.lower_states import lower_states_of
from hpc_nqs.ground_state.plan import (
    N_CHAINS,
    forecast_of,
    last_scale_of,
    regularization_of,
    resolved,
    samples_of_lanczos,
    samples_of_step,
    samples_per_measurement,
    samples_per_step,
    steps_are_exact,
)
from hpc_nqs.ground_state.schedule import Descent, default_step
from hpc_nqs.ground_state.sectors import (
    ALL_SECTORS,
    ONE_SECTOR,
    lies_above,
    polarized_row,
    unsettled,
    unsettled_remark,
    words,
)
from hpc_nqs.ground_state.systems import build_ansatz, build_meter, search_of, take_params
from hpc_nqs.runs.computation import DONE, FAILED, STOPPED, Computation
from hpc_nqs.runs.threads import use_threads
from hpc_nqs.sampling.chains import Chains
from hpc_nqs.sampling.enumeration import Enumeration
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.parsing import refusing

CAUGHT = 0.5  # overlap with the states below at the end of which the run says so
MAX_FAILED = 5  # steps in a row without a finite update


class Optimization(Computation):
    """One ground-state run: its wave function, its chains, its history and its result.

    What a checkpoint needs is given to the `Recorder` by `state()`, `history_columns()`, `table()` and `arrays()`.
    `search` holds the sectors to go through, by default those of the settings.
    """

    def __init__(self, settings, team, recorder, progress, resumed=False, search=None):
        super().__init__(settings, team, recorder, progress)
        settings = self.settings
        use_threads(settings, team)
        self.search = search or refusing(search_of, settings, self.lattice, self.model)
        self.sectors = self.search.sectors
        self.best = None  # of a search: the number of the lowest sector so far and its parameters
        sampling = settings.sampling
        self.n_samples = samples_per_step(settings)
        self.exponent = 1.0 if sampling.exponent == "auto" else sampling.exponent
        self._begin(0)
        self.forecast = forecast_of(settings, self.search, self.is_exact, self.sampler.n_chains)
        self.resolved = resolved(settings, self.search, self.ansatz)

    def _begin(self, sector, projects=None):
        """Make a fresh wave function, projected or not yet, and fresh chains for the sector of this number."""
        settings = self.settings
        self.sector = sector
        self.ansatz = refusing(
            build_ansatz, settings, self.lattice, self.model, settings.run.seed, self.sectors[sector]
        )
        at_once = settings.ground_state.project_after == 0 or self.ansatz.order == 1
        self.projects = at_once if projects is None else projects
        if not self.projects:
            self.ansatz = self.ansatz.unprojected()
        self.system, self.wavefunction = self.ansatz.system, self.ansatz.wavefunction
        self.is_exact = steps_are_exact(settings, self.ansatz)
        self.sampler = self._make_sampler()
        self.meter = build_meter(settings, self.ansatz, self.sampler, self.team)
        sampling, part = settings.sampling, settings.ground_state
        self.sweeps = 1 if sampling.sweeps_per_sample == "auto" else sampling.sweeps_per_sample
        step_size = default_step(self.ansatz.model) if part.step_size == "auto" else part.step_size
        scale = last_scale_of(settings, self.is_exact, self.ansatz)
        self.descent = Descent(part, step_size, scale, self.is_exact)
        self.warm = False
        about = settings, self.ansatz, self.sampler, self.n_samples, self.team
        self.lower = refusing(lower_states_of, *about) if part.orthogonal_to else None

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
        """Whether the V-score of the last steps is below its target, of chains that move."""
        last = [step for step in self.history[-WINDOW:] if step["sector"] == self.sector]
        if not self.projects or len(last) < WINDOW or any(step["acceptance"] == 0 for step in last):
            return False
        return bool(max(step["v_score"] for step in last) < self.settings.ground_state.v_score)

    def _make_sampler(self):
        if self.is_exact:
            return Enumeration(self.team, self.system, self.ansatz.invariance())
        n_chains = self.settings.sampling.n_chains
        return Chains(
            self.team,
            N_CHAINS if n_chains == "auto" else n_chains,
            self.settings.run.seed,
            self.system.random_configuration,
        )

    # ---- the run ---------------------------------------------------------------------------------------------------

    def run(self, resumed=False):
        """Optimize and measure the state of every sector; return the exit code.  *Collective*."""
        self.recorder.start(self, resumed)
        if not resumed:
            self._announce()
        code = self._find_lowest() if self.search.finds_lowest else self._go_through()
        if code is None:
            self.recorder.finish()
        return DONE if code is None else code

    def _announce(self):
        """Say which sectors are left out, and what the result will be the lowest of."""
        for sector in self.search.empty:
            self.progress.message(f"no states with {words(sector)}: skipped")
        if self.search.finds_lowest and len(self.sectors) > 1:
            self.progress.message(f"the quantum numbers are not known: {len(self.sectors)} sectors are searched")
        if self.search.remark:
            self.progress.message(self.search.remark)

    def _go_through(self):
        """Make a row for every sector; return an exit code to stop, or None."""
        while True:
            if len(self.sectors) == 1 or len(self.rows) <= self.sector:
                code = self._optimize()
                if code is not None:
                    return code
            if self.sector + 1 == len(self.sectors):
                return None
            self._begin(self.sector + 1)
            self.recorder.save(self)

    def _find_lowest(self):
        """Make a row for every sector and go back to the lowest one; return an exit code to stop, or None."""
        while len(self.rows) < len(self.sectors):
            if self.sector != len(self.rows):
                self._begin(len(self.rows))
                self.recorder.save(self)
            code = self._optimize()
            if code is not None:
                return code
        sector, params = self.best
        if self.sector != sector:
            self._begin(sector, projects=True)
            self.wavefunction.params = params
        part, row = self.settings.ground_state, self.rows[sector]
        while self.n_steps < part.n_steps and not row["converged"] and not self.converged:  # a run that is extended
            code = self._step()
            if code is not None:
                return code
        if row["n_steps"] != self.n_steps:
            row = self._measure()
            if row is None:
                return STOPPED
            self.rows[sector], self.best = row, (sector, self.wavefunction.params)
        if len(self.sectors) > 1:
            self.progress.message(f"lowest of {len(self.sectors)} sectors: {words(self.sectors[sector])}")
        self.recorder.save(self)
        return None

    def _optimize(self):
        """Bring the state of the present sector to convergence and measure it; return an exit code to stop, or None."""
        if len(self.sectors) > 1:
            self.progress.message(f"sector {self.sector + 1} of {len(self.sectors)}: {words(self.ansatz.sector)}")
        part = self.settings.ground_state
        while self.n_steps < part.n_steps and not self.converged and not self._lies_above():
            del self.rows[self.sector :]  # of a finished run that is extended
            if not self.projects and self.n_steps >= part.project_after:
                self._project()
            code = self._step()
            if code is not None:
                return code
        if not self.projects:
            self._project()
        if len(self.rows) == self.sector:
            self.wavefunction.params = self.descent.final(self.wavefunction.params)
            row = self._measure()
            if row is None:
                return STOPPED
            self._add(row)
            self.recorder.save(self)
        return None

    def _lies_above(self):
        """Return whether the last steps of a sector that is searched lie far above the lowest one so far."""
        if not self.search.finds_lowest or self.best is None:
            return False
        n, lowest = self.system.n_sites, self.rows[self.best[0]]["energy"]
        last = [step for step in self.history[-WINDOW:] if step["sector"] == self.sector]
        return len(last) == WINDOW and all(lies_above(step, lowest, n) for step in last)

    def _add(self, row):
        """Add the row of the present sector and note whether it is the lowest so far."""
        self.rows.append(row)
        if self.best is None or row["energy"] < self.rows[self.best[0]]["energy"]:
            self.best = self.sector, self.wavefunction.params

    def _step(self):
        """Make one step; return an exit code to stop with, or None."""
        number, descent, last = self.n_steps, self.descent, self.history[-1] if self.n_steps else None
        begin, n_samples = self.elapsed(), samples_of_step(self.settings, self.is_exact, self.sampler.n_chains, number)
        samples, evaluation = self._sample(n_samples, derives=not self.lower)
        summary = self.meter.summarize(samples, evaluation)
        if self.lower:
            summary["overlap"] = self.lower.overlap
        collapsed = descent.watch(*self._watched(summary), *self._watched(last or summary))
        diag_scale = descent.diag_scale(number)
        regularization = regularization_of(self.settings, self.ansatz, diag_scale, n_samples)
        change = velocity_of_step(
            number, self.settings.ground_state.n_steps, self.ansatz, evaluation, samples, regularization, self.team,
            descent.velocity,
        )  # fmt: skip
        acceptance = self.sampler.acceptance(self.team)
        dtau = 0.0 if collapsed else descent.dtau(number)
        params = descent.back() if collapsed else descent.advance(self.wavefunction.params, change, dtau, self.team)
        if params is not None:
            self.wavefunction.params = params
            descent.average(number, params)
        self.history.append(
            {"step": number + 1, "sector": self.sector, **summary, "acceptance": acceptance}
            | {"dtau": 0.0 if params is None else dtau, "diag_scale": diag_scale, "n_samples": n_samples}
            | {"residual": change.residual, "solver_iterations": change.solution.iterations}
            | {"sweeps_per_sample": self.sweeps, "seconds": self.elapsed()}
        )
        if change.solution.note:
            self.progress.message(f"step {self.n_steps}: {change.solution.note}")
        self.forecast.note_step(n_samples, self.history[-1]["seconds"] - begin)
        self.progress.update(
            step=self.n_steps,
            n_steps=self.settings.ground_state.n_steps,
            sectors=(self.sector, len(self.sectors)) if len(self.sectors) > 1 else None,
            energy=summary["energy"],
            energy_error=summary["energy_error"],
            acceptance=acceptance,
            v_score=summary["v_score"],
            seconds_left=self._seconds_left,
        )
        self.adapt_sweeps(summary["autocorrelation"])
        if descent.n_failed >= MAX_FAILED:
            self.recorder.save(self)
            self.recorder.finish()
            self.progress.message(f"stopped: no finite update in {MAX_FAILED} steps; lower ground_state.step_size")
            return FAILED
        return STOPPED if self.recorder.after_step(self) else None

    def _seconds_left(self):
        """Return what the run still takes, in seconds."""
        v_scores = [step["v_score"] for step in self.history if step["sector"] == self.sector]
        return self.forecast.left(v_scores, [row["n_steps"] for row in self.rows[: self.sector]])

    def _watched(self, step):
        """Return the energy per site that the steps lower, with its error."""
        penalty = self.lower.strength * step["overlap"] / self.system.n_sites if self.lower else 0.0
        return step["energy"] + penalty, step["energy_error"]

    def _sample(self, n_samples, derives=False):
        """Return fresh samples of all chains and their evaluation, with O_k or without."""
        amplitude = self.wavefunction.amplitude(self.system.moves)
        if not self.warm:
            self.sampler.warm_up(amplitude, self.system, self.settings.sampling.n_warm_up, self.exponent)
            self.warm = True
        n_per_chain = max(1, -(-n_samples // self.sampler.n_chains))
        samples = self.sampler.sample(amplitude, self.system, n_per_chain, self.sweeps, self.exponent)
        evaluation = evaluate(samples, self.wavefunction, self.system, self.team, amplitude, derives=derives)
        if self.lower:
            states = samples.flat, evaluation.log_psi, evaluation.weights
            evaluation.penalty = self.lower.penalty(self.wavefunction, self.system.moves, *states)
        return samples, evaluation

    def _project(self):
        """Go on with the projected state of the present parameters and with fresh chains.  *Collective*."""
        params = self.wavefunction.params
        self._begin(self.sector, projects=True)
        self.wavefunction.params = params
        self.progress.message(f"step {self.n_steps}: projected onto {words(self.ansatz.sector)}")

    def _measure(self):
        """Return the results of the final state from many samples; None if the run has to stop."""
        begin, n_final = self.elapsed(), samples_per_measurement(self.settings)
        n_batches = 1 if self.is_exact else max(1, -(-n_final // self.n_samples))
        self.recorder.hold(self)  # a measurement cut short is made again, from the chains as they were
        batches = [self._sample(self.n_samples)]
        while len(batches) < n_batches:
            if self.recorder.stop_held():
                return None
            batches.append(self._sample(self.n_samples))
        numbers = self.meter.quantum_numbers(batches[-1][0])
        row = self.meter.report(batches) | {"acceptance": self.sampler.acceptance(self.team)}
        n_lanczos = samples_of_lanczos(self.settings, self.system)
        if n_lanczos:
            of_step = LanczosStep(self.meter).row(batches, n_lanczos, self.recorder.stop_held)
            if of_step is None:
                return None
            row |= of_step
        self.forecast.note_final(n_batches * self.n_samples, self.elapsed() - begin)
        if self.lower:
            row["overlap"] = self.lower.overlap
            if self.lower.overlap > CAUGHT:
                self.progress.message(
                    "the run has found a state below again; raise ground_state.penalty, or change the seed"
                )
        if self.ansatz.sector.point_group is not None:
            numbers["point_group"] = self.ansatz.sector.point_group
        lowest_of = ONE_SECTOR if self.search.finds_lowest else self.search.lowest_of
        return numbers | row | {"n_steps": self.n_steps, "converged": self.converged, "lowest_of": lowest_of}

    # ---- state and files -------------------------------------------------------------------------------------------

    def state(self):
        """Return all that continues the run, on rank 0 (None elsewhere).  *Collective*."""
        chains = self.sampler.state(self.team)
        if not self.team.is_root:
            return None
        return self.progress_state(chains, self.sampler) | {
            "sector": self.sector,
            "best": None if self.best is None else {"sector": self.best[0], "params": self.best[1]},
            "projects": self.projects,
            "params": self.wavefunction.params,
            "descent": self.descent.state(),
            "warm": self.warm,
        }

    def restore(self, state, history):
        """Take over the state and history of a run file.  *Collective*.

        Raises
        ------
        SettingsError
            The file holds another number of chains than the settings ask for, or the state of an older version.
        """
        self._begin(state["sector"], state["projects"])
        best = state.get("best")  # not in files of version 0.1 before searches
        self.best = (best["sector"], best["params"]) if best else None
        self.restore_progress(state, history, self.sampler)
        refusing(take_params, self.wavefunction, state["params"])
        self.warm = state["warm"]
        self.descent.restore(state["descent"])
        if self.search.finds_lowest and self.best is None and self.rows:  # of a file from before searches
            self.best = 0, self.wavefunction.params

    def table(self):
        """Return the results so far, as `run_file.run_image` takes them; of a search the lowest row alone."""
        finished, rows, remark = len(self.rows) == len(self.sectors), self.rows, self.search.remark
        if self.search.finds_lowest and rows:
            open_sectors = unsettled(rows, rows[self.best[0]]["energy"], self.system.n_sites)
            if finished and open_sectors:
                remark = unsettled_remark(len(open_sectors), len(rows))
            lowest = rows[self.best[0]] | {"n_sectors": len(rows)}
            claims = finished and not open_sectors
            rows = [self._with_polarized(lowest | {"lowest_of": ALL_SECTORS}) if claims else lowest]
        table = {
            "task": "ground_state",
            "n_sites": self.system.n_sites,
            "finished": finished,
            "seconds": self.seconds,
            "n_ranks": self.team.size,
            "resolved": self.resolved,
            "rows": rows,
        }
        return table | ({"remark": remark} if remark else {})

    def _with_polarized(self, row):
        """Return the row, or that of parallel spins where values of Sz are searched and these lie lower."""
        if self.sectors[0].sz is None:
            return row
        parallel = polarized_row(self.model, self.lattice)
        return row if row["energy"] <= parallel["energy"] else parallel | {"n_sectors": row["n_sectors"]}

    def arrays(self):
        """Return the arrays of the wave function."""
        return self.wavefunction.arrays()
