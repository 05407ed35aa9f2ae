"""Numerical purification: cool a wave function from its seed through all requested temperatures.

[PDBM] Y. Nomura, N. Yoshioka, F. Nori, PRL 127, 060601 (2021), method II.
"""

import json
import secrets
import time

import numpy as np

from hpc_nqs.ansatz import build_ansatz, largest_coupling
from hpc_nqs.chains import Chains
from hpc_nqs.cost_model import StepSizes, cheapest_solver, plan_of_costs
from hpc_nqs.deep import DeepEvolution
from hpc_nqs.deep_ansatz import build_deep_ansatz, is_deep_network
from hpc_nqs.deep_pairs import DeepPairs
from hpc_nqs.deep_units import sliced_network
from hpc_nqs.enumeration import Enumeration
from hpc_nqs.evolution import Evolution, EvolutionError, StepControl
from hpc_nqs.measurement import Meter
from hpc_nqs.observables import build_observables
from hpc_nqs.parallel import Team
from hpc_nqs.progress import Progress
from hpc_nqs.purification import random_pairs
from hpc_nqs.reconfiguration import DIAG_SCALE, MAX_DENSE, Regularization, is_factored
from hpc_nqs.recorder import Recorder
from hpc_nqs.ring_meter import RingMeter
from hpc_nqs.rings import RingEnumeration, Rings
from hpc_nqs.settings import SettingsError, build
from hpc_nqs.start import load_start
from hpc_nqs.stopping import NEVER
from hpc_nqs.summed_evolution import SummedEvolution
from hpc_nqs.thermal_table import finished_rows
from hpc_nqs.threads import use_threads

DONE, STOPPED, FAILED = 0, 75, 1
N_SAMPLES, N_CHAINS = 8192, 64
HOT_BETA, HOT_FACTOR = 0.5, 4  # above T = J / HOT_BETA rare configurations carry the force: more samples
REPORT_FACTOR = 24  # samples at a reported temperature, in units of n_samples
START_EXPONENT, EXPONENT_STEP = 0.6, 0.05
EFFECTIVE_FRACTION = (0.1, 0.8)  # of effective samples; outside, the sampling exponent moves
RING_EFFECTIVE_FRACTION = (0.3, 0.9)  # the same for deep states, whose S is noisier
MAX_SWEEPS = 16
SOFT_CUT = {"tfim": 1e-8, "rbm": 1e-5, "clusters": 1e-7, "pair_rbm": 1e-5, "dbm": 1e-6}  # of chains, by state
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
        start = None
        if settings.thermal.start:  # a run that continues holds the network itself
            start = load_start(settings, team) if resume_from is None else recorder.load_network()
        cooling = Cooling(settings, team, recorder, progress, start)
        if resume_from is not None:
            cooling.restore(*recorder.load())
        return cooling.run(resumed=resume_from is not None)


class Cooling:
    """One thermal run: the state of its evolution, its chains, its history and its results.

    What a checkpoint needs is given to the `Recorder` by `state()`, `history_columns()`, `table()` and `network()`.
    """

    def __init__(self, settings, team, recorder, progress, start=None):
        if settings.run.seed is None:
            seed = team.broadcast_object(secrets.randbelow(2**63))
            settings = settings.with_seed(seed)
            progress.message(f"seed = {seed}")
        self.settings, self.team, self.recorder, self.progress = settings, team, recorder, progress
        use_threads(settings, team)
        self.lattice, model = build(settings)
        self.ansatz = _ansatz(settings, self.lattice, model, settings.run.seed, start)
        self.model = model
        self.start_known = (start or {}).get("known", {})
        self.is_exact = self.ansatz.is_exact
        self.observables = build_observables(settings, self.lattice, self.ansatz.model)
        evolution, meter = (DeepEvolution, RingMeter) if self.ansatz.has_bra_and_ket else (Evolution, Meter)
        if self.ansatz.kind == "dbm" and self.is_exact:
            evolution = SummedEvolution
        self.evolution = evolution(self.ansatz, _regularization(settings, self.ansatz), _control(settings), team)
        self.sampler = self._make_sampler()
        self.meter = meter(self.ansatz, self.observables, self.sampler, team)
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
        ansatz, team = self.ansatz, self.team
        is_ring = ansatz.has_bra_and_ket and ansatz.kind != "dbm"
        if self.is_exact:
            if is_ring:
                return RingEnumeration(team, ansatz.purification, ansatz.n_slices)
            return Enumeration(team, ansatz.purification)
        seed, n_chains = self.settings.run.seed, self.settings.sampling.n_chains
        n_chains = N_CHAINS if n_chains == "auto" else n_chains
        if is_ring:
            return Rings(team, n_chains, seed, ansatz.purification, ansatz.n_slices)
        if ansatz.kind == "dbm":
            return DeepPairs(team, n_chains, seed, ansatz.wavefunction)
        return Chains(team, n_chains, seed, lambda stream: random_pairs(ansatz.purification, stream))

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
            low, high = RING_EFFECTIVE_FRACTION if self.ansatz.has_bra_and_ket else EFFECTIVE_FRACTION
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
            "start_known": json.dumps(self.start_known),
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
        self.start_known = json.loads(state.get("start_known", "{}"))
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
            "rows": finished_rows(
                self.rows, self.history_columns(), self.model, self.start_known if self.ansatz.kind == "dbm" else None
            ),
        }

    def network(self):
        """Return the arrays of the wave function; of deep ones also where they stand, to start other runs from."""
        ansatz = self.ansatz
        arrays, n_slices = ansatz.wavefunction.network(), ansatz.n_slices
        if ansatz.kind == "dbm":
            return arrays | {"beta": self.evolution.beta, "n_slices": n_slices}
        if ansatz.kind == "rbm" and n_slices > 1 and not ansatz.purification.bond_features:
            deep = sliced_network(arrays, n_slices, ansatz.purification.opposite_pairs).network()
            return arrays | {"dbm": deep | {"beta": self.evolution.beta, "n_slices": n_slices}}
        return arrays


def _ansatz(settings, lattice, model, seed, start):
    """Return the `Ansatz`; `start` holds the arrays of the network that `thermal.start` names."""
    if is_deep_network(settings):
        return build_deep_ansatz(settings, lattice, model, start)
    return build_ansatz(settings, lattice, model, seed)


def _regularization(settings, ansatz):
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
        soft_cut = exact_cut if ansatz.is_exact else SOFT_CUT[kind]
    if solver != "dense" or choice.regularization == "diag_shift":
        soft_cut = None
    diag_scale = DIAG_SCALE if choice.diag_scale == "auto" else choice.diag_scale
    return Regularization(solver, soft_cut, diag_scale, choice.tolerance, choice.diag_shift)


def step_sizes(settings, ansatz):
    """Return the `StepSizes` of one step, of chains."""
    sampling, choice = settings.sampling, settings.reconfiguration
    purification, model, wavefunction = ansatz.purification, ansatz.model, ansatz.wavefunction
    return StepSizes(
        n_samples=N_SAMPLES if sampling.n_samples == "auto" else sampling.n_samples,
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
        n_stages=2,
    )


def _control(settings):
    thermal = settings.thermal
    return StepControl(tolerance=thermal.step_tolerance, max_dtau=thermal.max_dtau, max_growth=MAX_GROWTH, clock=thermal.clock)


def plan(settings):
    """Return what a run of `settings` will take, as {what: number or text}."""
    lattice, model = build(settings)
    start = load_start(settings, Team.serial()) if settings.thermal.start else None
    ansatz = _ansatz(settings, lattice, model, settings.run.seed or 0, start)
    purification, wavefunction = ansatz.purification, ansatz.wavefunction
    regularization = _regularization(settings, ansatz)
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
