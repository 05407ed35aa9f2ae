"""Ground and excited states: stochastic reconfiguration of one state to convergence, then a long measurement.

[SR] S. Sorella, PRB 64, 024512 (2001).  A state of given quantum numbers is the lowest of its sector; see
`quantum_numbers` for how they are imposed.
"""

import numpy as np

from hpc_nqs.ground_state.ansatz import build_spin_ansatz, sectors_of
from hpc_nqs.ground_state.lower_states import STRENGTH, LowerStates, check_same_sector, load_lower_state
from hpc_nqs.ground_state.meter import LevelMeter
from hpc_nqs.ground_state.plan import (
    N_CHAINS,
    N_SAMPLES,
    last_scale,
    refusing,
    regularization_of,
    steps_are_exact,
    words,
)
from hpc_nqs.ground_state.schedule import Descent, default_step, width_bound
from hpc_nqs.hilbert.spins import random_spins
from hpc_nqs.kernels.amplitude import log_psi
from hpc_nqs.observables.structure_factors import build_correlations
from hpc_nqs.reconfiguration.velocity import velocity
from hpc_nqs.runs.computation import DONE, FAILED, STOPPED, Computation
from hpc_nqs.runs.threads import use_threads
from hpc_nqs.sampling.chains import Chains
from hpc_nqs.sampling.enumeration import Enumeration
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.settings.parsing import SettingsError

FINAL_FACTOR = 32  # samples of the final measurement, in units of n_samples
WINDOW = 10  # steps over which the V-score has to stay below its target
N_LOOKS = 256  # random configurations on which a sector shows whether it has states
CAUGHT = 0.5  # overlap with the states below at the end of which the run says so
MAX_FAILED = 5  # steps in a row without a finite update


class Optimization(Computation):
    """One ground-state run: its wave function, its chains, its history and its result.

    What a checkpoint needs is given to the `Recorder` by `state()`, `history_columns()`, `table()` and `arrays()`.
    """

    def __init__(self, settings, team, recorder, progress, resumed=False):
        super().__init__(settings, team, recorder, progress)
        settings = self.settings
        use_threads(settings, team)
        self.sectors = refusing(sectors_of, settings, self.lattice, self.model)
        sampling = settings.sampling
        self.n_samples = N_SAMPLES if sampling.n_samples == "auto" else sampling.n_samples
        self.exponent = 1.0 if sampling.exponent == "auto" else sampling.exponent
        for sector in range(len(self.sectors) - 1, -1, -1):  # a wrong one is refused now, not hours later
            self._begin(sector)

    def _begin(self, sector, projects=None):
        """Make a fresh wave function, projected or not yet, and fresh chains for the sector of this number."""
        settings = self.settings
        self.sector = sector
        self.ansatz = refusing(
            build_spin_ansatz, settings, self.lattice, self.model, settings.run.seed, self.sectors[sector]
        )
        self._check_sector()
        at_once = settings.ground_state.project_after == 0 or self.ansatz.order == 1
        self.projects = at_once if projects is None else projects
        if not self.projects:
            self.ansatz = self.ansatz.unprojected()
        self.system, self.wavefunction = self.ansatz.system, self.ansatz.wavefunction
        self.is_exact = steps_are_exact(settings, self.ansatz)
        self.sampler = self._make_sampler()
        correlations = build_correlations(settings, self.lattice, self.ansatz.model)
        self.meter = LevelMeter(self.ansatz, correlations, self.sampler, self.team)
        sampling, part = settings.sampling, settings.ground_state
        self.sweeps = 1 if sampling.sweeps_per_sample == "auto" else sampling.sweeps_per_sample
        step_size = default_step(self.ansatz.model) if part.step_size == "auto" else part.step_size
        scale = last_scale(settings, self.is_exact, self.wavefunction.n_params)
        self.descent = Descent(part, step_size, scale, self.is_exact)
        self.warm = False
        self.lower = refusing(self._lower_states) if part.orthogonal_to else None

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
        return bool(self.projects and len(last) == WINDOW and max(last) < self.settings.ground_state.v_score)

    def _make_sampler(self):
        if self.is_exact:
            return Enumeration(self.team, self.system, self.ansatz.invariance())
        n_chains = self.settings.sampling.n_chains
        return Chains(
            self.team,
            N_CHAINS if n_chains == "auto" else n_chains,
            self.settings.run.seed,
            lambda stream: random_spins(self.system, stream),
        )

    def _lower_states(self):
        """Return the `LowerStates` that the state is kept orthogonal to, with samples.  *Collective*."""
        part, sampling = self.settings.ground_state, self.settings.sampling
        states = [load_lower_state(path, self.team) for path in part.orthogonal_to]
        for number, state in enumerate(states, 1):
            check_same_sector(state, self.ansatz)
            state.draw(self.sampler, self.n_samples, self.team, self.settings.run.seed, number, sampling.n_warm_up)
        strength = STRENGTH * width_bound(self.ansatz.model) if part.penalty == "auto" else part.penalty
        return LowerStates(states, strength, self.team)

    # ---- the run ---------------------------------------------------------------------------------------------------

    def run(self, resumed=False):
        """Optimize and measure the state of every sector; return the exit code.  *Collective*."""
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
        """Bring the state of the present sector to convergence and measure it; return an exit code to stop, or None."""
        if len(self.sectors) > 1:
            self.progress.message(f"sector {self.sector + 1} of {len(self.sectors)}: {words(self.ansatz.sector)}")
        part = self.settings.ground_state
        while self.n_steps < part.n_steps and not self.converged:
            del self.rows[self.sector :]  # of a finished run that is extended
            if not self.projects and self.n_steps >= part.project_after:
                self._project()
            code = self._step()
            if code is not None:
                return code
        if not self.projects:
            self._project()
        if len(self.rows) == self.sector:
            row = self._measure()
            if row is None:
                return STOPPED
            self.rows.append(row)
            self.recorder.save(self)
        return None

    def _step(self):
        """Make one step; return an exit code to stop with, or None."""
        number, descent, last = self.n_steps, self.descent, self.history[-1] if self.n_steps else None
        n_samples = 1 if self.is_exact else round(self.n_samples * descent.fraction(number))
        n_samples = max(self.sampler.n_chains, n_samples)
        samples, evaluation = self._sample(n_samples)
        summary = self.meter.summarize(samples, evaluation)
        if self.lower:
            summary["overlap"] = self.lower.overlap
        collapsed = descent.watch(*self._watched(summary), *self._watched(last or summary))
        diag_scale = descent.diag_scale(number)
        regularization = regularization_of(self.settings, self.ansatz, diag_scale, n_samples)
        change = velocity(evaluation, samples, self.wavefunction, regularization, self.team, descent.velocity)
        acceptance = self.sampler.acceptance(self.team)
        dtau = 0.0 if collapsed else descent.dtau(number)
        params = descent.back() if collapsed else descent.advance(self.wavefunction.params, change, dtau, self.team)
        if params is not None:
            self.wavefunction.params = params
        self.history.append(
            {"step": number + 1, "sector": self.sector, **summary, "acceptance": acceptance}
            | {"dtau": 0.0 if params is None else dtau, "diag_scale": diag_scale, "n_samples": n_samples}
            | {"residual": change.residual, "solver_iterations": change.solution.iterations}
            | {"sweeps_per_sample": self.sweeps, "seconds": self.elapsed()}
        )
        if change.solution.note:
            self.progress.message(f"step {self.n_steps}: {change.solution.note}")
        self.progress.update(
            step=self.n_steps, n_steps=self.settings.ground_state.n_steps, energy=summary["energy"],
            energy_error=summary["energy_error"], acceptance=acceptance, v_score=summary["v_score"],
        )
        self.adapt_sweeps(summary["autocorrelation"])
        if descent.n_failed >= MAX_FAILED:
            self.recorder.save(self)
            self.recorder.finish()
            self.progress.message(f"stopped: no finite update in {MAX_FAILED} steps; lower ground_state.step_size")
            return FAILED
        return STOPPED if self.recorder.after_step(self) else None

    def _watched(self, step):
        """Return the energy per site that the steps lower, with its error."""
        penalty = self.lower.strength * step["overlap"] / self.system.n_sites if self.lower else 0.0
        return step["energy"] + penalty, step["energy_error"]

    def _sample(self, n_samples):
        """Return fresh samples of all chains and their evaluation."""
        amplitude = self.wavefunction.amplitude(self.system.moves)
        if not self.warm:
            self.sampler.warm_up(amplitude, self.system, self.settings.sampling.n_warm_up, self.exponent)
            self.warm = True
        n_per_chain = max(1, -(-n_samples // self.sampler.n_chains))
        samples = self.sampler.sample(amplitude, self.system, n_per_chain, self.sweeps, self.exponent)
        evaluation = evaluate(samples, self.wavefunction, self.system, self.team, amplitude)
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

    def _check_sector(self):
        """Refuse a sector without states: its projected wave function is zero wherever one looks."""
        stream = np.random.Generator(np.random.Philox(key=0))
        system = self.ansatz.system
        spins = np.array([random_spins(system, stream) for _ in range(N_LOOKS)])
        logarithms = np.empty(N_LOOKS, dtype=np.complex128)
        log_psi(self.ansatz.wavefunction.amplitude(system.moves), spins, logarithms)
        if not np.isfinite(logarithms).any():
            sector = words(self.ansatz.sector)
            raise SettingsError([f"ground_state: there is no state with {sector} on {system.n_sites} sites"])

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
        if self.lower:
            row["overlap"] = self.lower.overlap
            if self.lower.overlap > CAUGHT:
                self.progress.message(
                    "the run has found a state below again; raise ground_state.penalty, or change the seed"
                )
        if self.system.n_up is not None:
            numbers["sz"] = self.system.n_up - self.system.n_sites / 2
        if self.ansatz.sector.point_group is not None:
            numbers["point_group"] = self.ansatz.sector.point_group
        return numbers | row | {"n_steps": self.n_steps, "converged": self.converged}

    # ---- state and files -------------------------------------------------------------------------------------------

    def state(self):
        """Return all that continues the run, on rank 0 (None elsewhere).  *Collective*."""
        chains = self.sampler.state(self.team)
        if not self.team.is_root:
            return None
        return self.progress_state(chains, self.sampler) | {
            "sector": self.sector,
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
            The file holds another number of chains than the settings ask for.
        """
        self._begin(state["sector"], state["projects"])
        self.restore_progress(state, history, self.sampler)
        self.wavefunction.params = state["params"]
        self.warm = state["warm"]
        self.descent.restore(state["descent"])

    def table(self):
        """Return the results so far, as `run_file.run_image` takes them."""
        return {
            "task": "ground_state",
            "n_sites": self.system.n_sites,
            "finished": len(self.rows) == len(self.sectors),
            "seconds": self.seconds,
            "n_ranks": self.team.size,
            "rows": self.rows,
        }

    def arrays(self):
        """Return the arrays of the wave function."""
        return self.wavefunction.arrays()
