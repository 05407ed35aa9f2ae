"""Numerical purification: cool a wave function from its seed through all requested temperatures.

[PDBM] Y. Nomura, N. Yoshioka, F. Nori, PRL 127, 060601 (2021), method II.
"""

import json
import secrets
import time

import numpy as np

from hpc_nqs.ansatz import build_ansatz, largest_coupling
from hpc_nqs.chains import Chains
from hpc_nqs.enumeration import Enumeration, sums_exactly
from hpc_nqs.evolution import Evolution, EvolutionError, StepControl
from hpc_nqs.measurement import Meter
from hpc_nqs.observables import build_observables
from hpc_nqs.progress import Progress
from hpc_nqs.purification import random_pairs
from hpc_nqs.reconfiguration import MAX_DENSE, Regularization
from hpc_nqs.recorder import Recorder
from hpc_nqs.settings import SettingsError, build
from hpc_nqs.stopping import NEVER
from hpc_nqs.thermal_table import finished_rows

DONE, STOPPED, FAILED = 0, 75, 1
N_SAMPLES, N_CHAINS = 8192, 64
HOT_BETA, HOT_FACTOR = 0.5, 4  # above T = J / HOT_BETA rare configurations carry the force: more samples
REPORT_FACTOR = 24  # samples at a reported temperature, in units of n_samples
START_EXPONENT, EXPONENT_STEP = 0.6, 0.05
EFFECTIVE_FRACTION = (0.1, 0.8)  # of effective samples; outside, the sampling exponent moves
MAX_SWEEPS = 16
SOFT_CUT = {"tfim": 1e-8, "rbm": 1e-5, "clusters": 1e-7, "pair_rbm": 1e-5}  # of chains, by state; nodes of Psi make S noisy
EXACT_SOFT_CUT = {True: 1e-8, False: 1e-6}  # of exact sums; True: complex parameters or tables, no nodes in the way
MAX_GROWTH = 0.2  # of beta per step, relative
TARGET_TAU = 2.0  # autocorrelation time of the local energy, in samples


def run_thermal(settings, team, output_path, resume_from=None, stop=NEVER):
    """Run a thermal calculation and write its run file.  *Collective.*

    Parameters
    ----------
    settings : Settings
    team : Team
    output_path : str
    resume_from : str or None
        Run file to continue, the same as `output_path`.
    stop : StopRequest
        Ends the run at a checkpoint.

    Returns
    -------
    int
        0 done, 75 stopped at a checkpoint, 1 the evolution failed (a checkpoint is written).
    """
    with Progress(team.rank) as progress:
        recorder = Recorder(output_path, team, stop, settings.run.checkpoint_minutes, progress.message)
        cooling = Cooling(settings, team, recorder, progress)
        if resume_from is not None:
            cooling.restore(*recorder.load())
        return cooling.run(resumed=resume_from is not None)


class Cooling:
    """One thermal run: the state of its evolution, its chains, its history and its results.

    What a checkpoint needs is given to the `Recorder` by `state()`, `history_columns()`, `table()` and `network()`.
    """

    def __init__(self, settings, team, recorder, progress):
        if settings.run.seed is None:
            seed = team.broadcast_object(secrets.randbelow(2**63))
            settings = settings.with_seed(seed)
            progress.message(f"seed = {seed}")
        self.settings, self.team, self.recorder, self.progress = settings, team, recorder, progress
        self.lattice, model = build(settings)
        self.ansatz = build_ansatz(settings, self.lattice, model, settings.run.seed)
        self.model = model
        purification = self.ansatz.purification
        self.is_exact = sums_exactly(settings.sampling, purification.n_visible, purification.n_up)
        self.observables = build_observables(settings, self.lattice, self.ansatz.model)
        self.evolution = Evolution(self.ansatz, _regularization(settings, self.ansatz), _control(settings), team)
        self.sampler = self._make_sampler()
        self.meter = Meter(self.ansatz, self.observables, self.sampler, team)
        sampling = settings.sampling
        self.hot_beta = HOT_BETA / largest_coupling(model)
        self.exponent = START_EXPONENT if sampling.exponent == "auto" else sampling.exponent
        self.sweeps = 1 if sampling.sweeps_per_sample == "auto" else sampling.sweeps_per_sample
        self.warm = False
        self.history, self.rows, self.n_steps, self.seconds = [], [], 0, 0.0
        self.clock = time.monotonic()

    @property
    def n_chains(self):
        """Chains over all ranks."""
        return self.sampler.n_chains

    def _make_sampler(self):
        if self.is_exact:
            return Enumeration(self.team, self.ansatz.purification)
        n_chains = self.settings.sampling.n_chains
        return Chains(
            self.team,
            N_CHAINS if n_chains == "auto" else n_chains,
            self.settings.run.seed,
            lambda stream: random_pairs(self.ansatz.purification, stream),
        )

    # ---- the run ---------------------------------------------------------------------------------------------------

    def run(self, resumed=False):
        """Cool down to the lowest temperature; return the exit code.  *Collective.*"""
        targets = self.settings.thermal.report_betas
        self.recorder.start(self, resumed)
        for target, temperature in zip(targets, self.settings.thermal.report_temperatures, strict=True):
            if any(row["beta"] == target for row in self.rows):
                continue
            while self.evolution.beta < target:
                code = self._step(target, targets[-1])
                if code is not None:
                    return code
            row = self._report(target)
            if row is None:
                return STOPPED
            self.rows.append(row | {"temperature": temperature})
            self.recorder.save(self)
        self.recorder.finish()
        return DONE

    def _step(self, target, beta_end):
        """Make one step; return an exit code to stop with, or None."""
        samples, evaluation = self._sample(self._n_samples())
        summary = self.meter.summarize(samples, evaluation, self.evolution.beta)
        first = self.evolution.velocity(samples, evaluation)
        acceptance = self.sampler.acceptance(self.team)
        beta = self.evolution.beta
        try:
            step = self.evolution.advance(samples, evaluation, first, target)
        except EvolutionError as error:
            self.recorder.save(self)
            self.recorder.finish()
            self.progress.message(f"stopped: {error}; the last good state is in {self.recorder.path}")
            return FAILED
        self.n_steps += 1
        self.history.append(
            {"step": self.n_steps, "beta": beta, "dtau": step.dtau, "step_error": step.error}
            | {"n_rejected": step.n_rejected, "tdvp_residual": first.residual, "n_kept": first.solution.n_kept}
            | {"solver_iterations": first.solution.iterations, "acceptance": acceptance, **summary}
            | {"exponent": self.exponent, "sweeps_per_sample": self.sweeps, "seconds": self._elapsed()}
        )
        for note in step.notes:
            self.progress.message(f"step {self.n_steps}: {note}")
        self.progress.update(
            step=self.n_steps, beta=self.evolution.beta, beta_end=beta_end, energy=summary["energy"],
            energy_error=summary["energy_error"], acceptance=acceptance, residual=first.residual,
        )
        self._adapt(summary)
        return STOPPED if self.recorder.after_step(self) else None

    def _n_samples(self):
        """Return the number of samples per step at the present temperature."""
        wanted = self.settings.sampling.n_samples
        if wanted != "auto":
            return wanted
        return N_SAMPLES * (HOT_FACTOR if self.evolution.beta <= self.hot_beta else 1)

    def _sample(self, n_samples):
        """Return fresh samples of all chains and their evaluation."""
        purification = self.ansatz.purification
        amplitude = self.ansatz.wavefunction.amplitude(purification.moves)
        if not self.warm:
            self.sampler.warm_up(amplitude, purification, self.settings.sampling.n_warm_up, self.exponent)
            self.warm = True
        n_per_chain = max(1, -(-n_samples // self.sampler.n_chains))
        samples = self.sampler.sample(amplitude, purification, n_per_chain, self.sweeps, self.exponent)
        return samples, self.evolution.evaluate(samples, amplitude)

    def _adapt(self, summary):
        """Move the sampling exponent and the sweeps per sample towards their targets, from reduced numbers only."""
        sampling = self.settings.sampling
        if sampling.exponent == "auto" and not self.is_exact:
            low, high = EFFECTIVE_FRACTION
            if summary["effective_fraction"] < low:
                self.exponent = min(1.0, self.exponent + EXPONENT_STEP)
            elif summary["effective_fraction"] > high:
                self.exponent = max(0.5, self.exponent - EXPONENT_STEP)
        if sampling.sweeps_per_sample == "auto":
            tau = summary["autocorrelation"]
            if tau > 1.5 * TARGET_TAU:
                self.sweeps = min(MAX_SWEEPS, self.sweeps + 1)
            elif tau < 0.5 * TARGET_TAU:
                self.sweeps = max(1, self.sweeps - 1)

    def _report(self, beta):
        """Return the raw results at a requested temperature, from extra samples; None if the run has to stop."""
        wanted = self.settings.thermal.n_samples_report
        n_samples = self._n_samples()
        n_report = REPORT_FACTOR * n_samples if wanted == "auto" else wanted
        n_batches = 1 if self.is_exact else max(1, -(-n_report // n_samples))
        self.recorder.hold(self)  # a report cut short is made again, from the chains as they were
        made = []
        row = self.meter.report(self._batches(n_batches, n_samples, made), beta)
        if len(made) < n_batches:
            return None
        residual = self.evolution.velocity(*made[-1]).residual
        return row | {"tdvp_residual": residual, "acceptance": self.sampler.acceptance(self.team)}

    def _batches(self, n_batches, n_samples, made):
        """Yield batches of (samples, evaluation), fewer if the run has to stop; `made` holds the last one alone."""
        for batch in range(n_batches):
            if batch and self.recorder.stop_held():
                return
            made[:] = [None] * batch + [self._sample(n_samples)]
            yield made[-1]

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
        evolution = self.evolution
        return {
            "params": self.ansatz.wavefunction.params,
            "beta": evolution.beta,
            "dtau": evolution.dtau,
            "previous": evolution.previous,
            "checks_energy": evolution.checks_energy,
            "chains": chains,
            "n_chains": self.sampler.n_chains,
            "warm": self.warm,
            "exponent": self.exponent,
            "sweeps_per_sample": self.sweeps,
            "rows": json.dumps(self.rows),
            "seconds": self._elapsed(),
        }

    def restore(self, state, history):
        """Take over the state and history of a run file.  *Collective.*

        Raises
        ------
        SettingsError
            The file holds another number of chains than the settings ask for, or a new temperature lies above the
            one that the run has reached.
        """
        if state["n_chains"] != self.sampler.n_chains:
            raise SettingsError(
                [f"sampling.n_chains = {self.sampler.n_chains}: the run has {state['n_chains']} chains; allowed is the same number"]
            )
        reported = {row["beta"] for row in json.loads(state["rows"])}
        passed = [beta for beta in self.settings.thermal.report_betas if beta < state["beta"] and beta not in reported]
        if passed:
            raise SettingsError(
                [f"thermal: T = {1 / passed[0]:.6g} is asked for, but the run is already at T = {1 / state['beta']:.6g}; "
                 "a run continues to lower temperatures only"]
            )
        self.sampler.restore(self.team, state["chains"])
        self.ansatz.wavefunction.params = state["params"]
        self.evolution.beta, self.evolution.dtau = state["beta"], state["dtau"]
        self.evolution.previous, self.evolution.checks_energy = state["previous"], state["checks_energy"]
        self.warm, self.exponent, self.sweeps = state["warm"], state["exponent"], state["sweeps_per_sample"]
        self.rows, self.seconds = json.loads(state["rows"]), state["seconds"]
        columns = list(history)
        self.history = [dict(zip(columns, values, strict=True)) for values in zip(*history.values(), strict=True)]
        self.n_steps = len(self.history)

    def history_columns(self):
        """Return the history as {column: (n_steps,) float64}."""
        columns = self.history[0] if self.history else ()
        return {name: np.array([step[name] for step in self.history], dtype=np.float64) for name in columns}

    def table(self):
        """Return the results so far, as `checkpoint.run_image` takes them."""
        targets = self.settings.thermal.report_betas
        return {
            "task": "thermal",
            "n_sites": self.model.n_sites,
            "finished": all(any(row["beta"] == beta for row in self.rows) for beta in targets),
            "seconds": self.seconds,
            "n_ranks": self.team.size,
            "rows": finished_rows(self.rows, self.history_columns(), self.model),
        }

    def network(self):
        """Return the arrays of the wave function."""
        return self.ansatz.wavefunction.network()


def _regularization(settings, ansatz):
    """Return the `Regularization`; "auto" is dense with a soft cut up to MAX_DENSE parameters, else CG."""
    choice = settings.reconfiguration
    solver = choice.solver
    if solver == "auto":
        solver = "dense" if ansatz.wavefunction.n_params <= MAX_DENSE else "cg"
    soft_cut = choice.soft_cut
    if soft_cut == "auto":
        kind = "tfim" if settings.model.kind == "tfim" and ansatz.kind == "rbm" else ansatz.kind
        exact_cut = EXACT_SOFT_CUT[ansatz.wavefunction.is_complex or kind == "clusters"]
        is_exact = sums_exactly(settings.sampling, ansatz.purification.n_visible, ansatz.purification.n_up)
        soft_cut = exact_cut if is_exact else SOFT_CUT[kind]
    if solver != "dense" or choice.regularization == "diag_shift":
        soft_cut = None
    return Regularization(solver, soft_cut, choice.diag_scale, choice.tolerance)


def _control(settings):
    thermal = settings.thermal
    return StepControl(tolerance=thermal.step_tolerance, max_dtau=thermal.max_dtau, max_growth=MAX_GROWTH, clock=thermal.clock)


def plan(settings):
    """Return what a run of `settings` will take, as {what: number or text}."""
    lattice, model = build(settings)
    ansatz = build_ansatz(settings, lattice, model, settings.run.seed or 0)
    purification, wavefunction = ansatz.purification, ansatz.wavefunction
    regularization = _regularization(settings, ansatz)
    sampling = settings.sampling
    n_samples = N_SAMPLES if sampling.n_samples == "auto" else sampling.n_samples
    n_params, n_entries = wavefunction.n_params, len(purification.moves.input_changes()[0])
    item = 8 * wavefunction.width
    stored = n_samples * purification.n_visible + 64 * n_samples
    stored += n_params**2 * 3 * item if regularization.solver == "dense" else n_samples * n_params * item
    tables = 3 * n_entries * wavefunction.n_units * item + purification.n_inputs * ansatz.order * 8
    n_ratios = len(model.exchange_sites) + 2 * len(model.flip_sites)
    return {
        "wave function": ansatz.kind,
        "symmetries": f"{', '.join(ansatz.symmetries) or 'none'} (group of order {ansatz.order})",
        "sites": model.n_sites,
        "visible units": purification.n_visible,
        "hidden units": wavefunction.n_units,
        "parameters": n_params,
        "seed at beta_0": ansatz.beta_0,
        "chains": N_CHAINS if sampling.n_chains == "auto" else sampling.n_chains,
        "samples per step": n_samples,
        "solver": regularization.solver,
        "memory per rank (MB, one rank)": round(80 + (stored + tables) / 1e6),
        "factors per step (1e9)": round(2 * n_samples * (n_ratios + 2 * purification.n_visible) * wavefunction.n_units / 1e9, 2),
    }
