"""What the steps of a thermal run cost on this machine: its own state and samplers, timed for a second or two."""

import numpy as np

from hpc_nqs.parallel.team import Team
from hpc_nqs.reconfiguration.cost_model import step_seconds
from hpc_nqs.runs.pace import Cost, costs_of_parts, timed
from hpc_nqs.sampling.chains import Samples
from hpc_nqs.sampling.sampler import part_of
from hpc_nqs.thermal.driver import START_EXPONENT
from hpc_nqs.thermal.forecast import MAX_STEPS, Pace
from hpc_nqs.thermal.plan import (
    N_CHAINS,
    control_of,
    forecast_of,
    planned_sizes,
    regularization_of,
    samples_per_step,
    state_of,
)

TRIES = 1.1  # trial steps per step
SLOWER = 1.3  # evaluations of cold samples that take so much longer than hot ones count


class Trial:
    """Timed parts of a step of one state.

    Parameters
    ----------
    settings : Settings
    state : ThermalState
    control : StepControl
    observables : Observables
    """

    def __init__(self, settings, state, control, observables):
        self.state, self.team = state, Team.serial()
        self.evolution = state.evolution(regularization_of(settings, state), control, self.team)
        chosen = settings.sampling
        n_chains, self.seed = N_CHAINS if chosen.n_chains == "auto" else chosen.n_chains, settings.run.seed or 0
        self.sampler = state.sampler(self.team, n_chains, self.seed)
        self.meter = state.meter(observables, self.sampler, self.team)
        self.umbrella = state.umbrella(self.seed)
        self.exponent = START_EXPONENT if chosen.exponent == "auto" else chosen.exponent
        self.sweeps = 1 if chosen.sweeps_per_sample == "auto" else chosen.sweeps_per_sample
        self.most = self.sampler.n_chains if state.is_exact else samples_per_step(settings, state)

    def pace(self):
        """Return the `Pace` of the run and how often cold samples take longer than hot ones."""
        costs = costs_of_parts(self._parts, self.most)
        stages = TRIES * (len(self.state.scheme[1]) - 1)
        once = costs["sample"] + costs["summary"] + costs["umbrella"]
        step = once + costs["velocity"] + (costs["evaluate"] + costs["velocity"]).times(stages)
        if self.state.is_exact:  # the energy after the step is compared with the one that it promises
            step = step + costs["evaluate"].times(TRIES)
        return Pace(step, self._followed(costs) if self.evolution.follows_expansion else step, costs["report"])

    def _followed(self, costs):
        """Return the `Cost` of a step that a cluster expansion gives, for the samples of one that it does not."""
        cost = costs["followed"] + costs["summary"] + costs["first"]
        share = self.evolution.wanted(self.most, self.meter.controls)[0] / self.most
        return Cost(cost.fixed, share * cost.per_unit)

    def _parts(self, n_samples):
        """Return the seconds of the parts of a step with so many samples, and their number as "samples"."""
        state, seconds = self.state, {}

        def put(name, work):
            found, seconds[name] = timed(work)
            return found

        samples, evaluation = put("sample", lambda: self._sample(n_samples))
        put("summary", lambda: self.meter.summarize(samples, evaluation, state.beta_0))
        seconds["umbrella"] = 1e-9
        if self.umbrella is not None:
            draw = state.wavefunction, state.beta_0, samples, 0, self.team.threads
            samples.umbrella_samples = put("umbrella", lambda: self.umbrella.sample(*draw))
        put("velocity", lambda: self.evolution.velocity(samples, evaluation))
        if self.evolution.follows_expansion:
            samples.umbrella_samples = None
            put("first", lambda: self.evolution.velocity_of_step(samples, evaluation))
            put("followed", lambda: self._sample(n_samples, self.meter.controls))
        put("evaluate", lambda: self.evolution.evaluate(samples, derives=True))
        put("report", lambda: self.meter.report([self._sample(n_samples, self.meter.controls)], state.beta_0))
        return seconds | {"samples": len(samples.flat)}

    def _sample(self, n_samples, controls=None):
        state = self.state
        amplitude = state.wavefunction.amplitude(state.system.moves)
        per_chain = max(1, -(-n_samples // self.sampler.n_chains))
        samples = self.sampler.sample(amplitude, state.system, per_chain, self.sweeps, self.exponent)
        if state.is_exact:
            samples = part_of(samples, n_samples)
        return samples, self.evolution.evaluate(samples, amplitude, controls)

    def cold_factor(self):
        """Return how much longer the energies of samples with layers that know nothing of each other take.

        Permanents of many mismatched sites cost more than those of few. 1 where it makes no difference.
        """
        state = self.state
        if state.is_exact or state.has_bra_and_ket:
            return 1.0
        amplitude, stream = state.wavefunction.amplitude(state.system.moves), np.random.Generator(np.random.Philox(0))
        hot = self.sampler.sample(amplitude, state.system, 1, self.sweeps, self.exponent)
        n = state.model.n_sites
        first, second = hot.configurations[..., :n], hot.configurations[..., n : 2 * n]
        n_parts = 2 if state.model.of_electrons else 1  # with as many on both layers
        mixed = stream.permuted(second.reshape(*second.shape[:2], n_parts, -1), axis=3).reshape(second.shape)
        cold = Samples(np.ascontiguousarray(np.concatenate([first, mixed], axis=2)), 0, self.exponent)
        times = [timed(lambda s=s: self.evolution.evaluate(s, amplitude))[1] for s in (hot, cold, hot, cold)]
        factor = min(times[1::2]) / min(times[::2])
        return factor if factor > SLOWER else 1.0


def cost_of_cold(factor, beta, scale):
    """Return by what factor samples at beta cost more than at the start; their mismatched sites go as beta^2."""
    reduced = (beta * scale) ** 2
    return 1 + (factor - 1) * reduced / (1 + reduced)


def forecast(settings, n_ranks=1):
    """Return what a run will take, measured and extrapolated, as a dict.

    Returns
    -------
    dict
        "capped": there are more steps than are counted; "names": of steps and of reports; "steps", "reports": numbers;
        "seconds_per_step" (at the lowest temperature), "seconds_per_report", "seconds" of the whole run on `n_ranks`
        ranks; "efficiency" of so many.
    """
    state = state_of(settings)
    control = control_of(settings, state)
    trial = Trial(settings, state, control, state.observables(settings))
    pace, cold = trial.pace(), trial.cold_factor()
    path = forecast_of(settings, state, control)
    evolution, targets = trial.evolution, path.targets
    seconds = path.seconds(pace, evolution.beta, evolution.dtau, len(targets))
    last = cost_of_cold(cold, targets[-1], state.model.energy_scale)
    sizes = planned_sizes(settings, state)
    solver = regularization_of(settings, state).solver
    alone, shared = (sum(step_seconds(sizes, solver, n).values()) for n in (1, n_ranks))
    n_steps = len(path.steps(evolution.beta, evolution.dtau))
    return {
        "capped": n_steps >= MAX_STEPS,
        "names": ("steps", "reported temperatures"),
        "steps": n_steps,
        "reports": len(targets),
        "seconds_per_step": pace.step.of(path.n_samples(targets[-1])) * last * shared / alone,
        "seconds_per_report": path.report_seconds(pace) * last * shared / alone,
        "seconds": seconds * (1 + last) / 2 * shared / alone,
        "efficiency": alone / shared / n_ranks,
    }
