"""What the steps of a ground-state run cost on this machine: its own state and samplers, timed for a second or two."""

import dataclasses

from hpc_nqs.ground_state.lanczos_step import LanczosStep
from hpc_nqs.ground_state.plan import (
    N_CHAINS,
    forecast_of,
    last_scale_of,
    regularization_of,
    samples_of_lanczos,
    samples_per_measurement,
    samples_per_step,
    step_sizes,
    steps_are_exact,
)
from hpc_nqs.ground_state.sectors import n_groups_of
from hpc_nqs.ground_state.systems import build_ansatz, build_meter, search_of
from hpc_nqs.parallel.team import Team
from hpc_nqs.reconfiguration.cost_model import step_seconds
from hpc_nqs.reconfiguration.velocity import velocity
from hpc_nqs.runs.pace import costs_of_parts, timed
from hpc_nqs.sampling.chains import Chains
from hpc_nqs.sampling.enumeration import Enumeration
from hpc_nqs.sampling.evaluation import evaluate
from hpc_nqs.sampling.sampler import part_of
from hpc_nqs.settings.parsing import refusing
from hpc_nqs.settings.system import build


class Trial:
    """Timed parts of a step of one state.

    Parameters
    ----------
    settings : Settings
    ansatz : SpinAnsatz
    lattice : Lattice
    """

    def __init__(self, settings, ansatz, lattice):
        self.settings, self.ansatz, self.team = settings, ansatz, Team.serial()
        chosen, seed = settings.sampling, settings.run.seed or 0
        self.is_exact = steps_are_exact(settings, ansatz)
        if self.is_exact:
            self.sampler = Enumeration(self.team, ansatz.system, ansatz.invariance())
        else:
            n_chains = N_CHAINS if chosen.n_chains == "auto" else chosen.n_chains
            self.sampler = Chains(self.team, n_chains, seed, ansatz.system.random_configuration)
        self.meter = build_meter(settings, ansatz, self.sampler, self.team)
        self.sweeps = 1 if chosen.sweeps_per_sample == "auto" else chosen.sweeps_per_sample
        self.exponent = 1.0 if chosen.exponent == "auto" else chosen.exponent
        self.scale = last_scale_of(settings, self.is_exact, ansatz)
        self.most = self.sampler.n_chains if self.is_exact else samples_per_step(settings)

    def costs(self):
        """Return the `Cost` of a step and that of a sample of the final measurement."""
        costs = costs_of_parts(self._parts, self.most)
        of_step = costs["sample"] + costs["summary"] + costs["velocity"]
        return of_step, costs["sample"] + costs["report"] + costs["lanczos"]

    def _parts(self, n_samples):
        """Return the seconds of the parts of a step with so many samples, and their number as "samples"."""
        seconds, team, wavefunction = {}, self.team, self.ansatz.wavefunction

        def put(name, work):
            found, seconds[name] = timed(work)
            return found

        samples, evaluation = put("sample", lambda: self._sample(n_samples))
        put("summary", lambda: self.meter.summarize(samples, evaluation))
        regularization = regularization_of(self.settings, self.ansatz, self.scale, len(samples.flat))
        put("velocity", lambda: velocity(evaluation, samples, wavefunction, regularization, team))
        put("report", lambda: self.meter.report([(samples, evaluation)]))
        seconds["lanczos"] = self._lanczos(samples, evaluation)
        return seconds | {"samples": len(samples.flat)}

    def _lanczos(self, samples, evaluation):
        """Return the seconds of the Lanczos step for so many samples of a measurement, from a few in proportion."""
        n_lanczos = samples_of_lanczos(self.settings, self.ansatz.system)
        if n_lanczos == 0:
            return 0.0
        share = 1.0 if self.is_exact else n_lanczos / samples_per_measurement(self.settings)
        wanted = share * len(samples.flat)
        timed_ones = self.sampler.n_chains * max(1, round(wanted / self.sampler.n_chains))
        _, seconds = timed(lambda: LanczosStep(self.meter).row([(samples, evaluation)], timed_ones))
        return seconds if self.is_exact else seconds * wanted / timed_ones

    def _sample(self, n_samples):
        system, wavefunction = self.ansatz.system, self.ansatz.wavefunction
        amplitude = wavefunction.amplitude(system.moves)
        per_chain = max(1, -(-n_samples // self.sampler.n_chains))
        samples = self.sampler.sample(amplitude, system, per_chain, self.sweeps, self.exponent)
        if self.is_exact:
            samples = part_of(samples, n_samples)
        return samples, evaluate(samples, wavefunction, system, self.team, amplitude, derives=True)


def forecast(settings, n_ranks=1):
    """Return what a run will take, measured and extrapolated, as a dict: keys as `thermal.trial.forecast`."""
    lattice, model = build(settings)
    search = refusing(search_of, settings, lattice, model)
    ansatz = refusing(build_ansatz, settings, lattice, model, settings.run.seed or 0, search.sectors[0])
    trial = Trial(settings, ansatz, lattice)
    step, final = trial.costs()
    path, n = forecast_of(settings, search, trial.is_exact, trial.sampler.n_chains), len(search.sectors)
    sizes = step_sizes(settings, ansatz, trial.most)
    if trial.is_exact:
        sizes = dataclasses.replace(sizes, n_chains=trial.most, n_proposals=0)
    solver = regularization_of(settings, ansatz, trial.scale, trial.most).solver
    n_groups = n_groups_of(settings, n_ranks, n)
    n_own = n_ranks // n_groups
    alone, shared = (sum(step_seconds(sizes, solver, ranks).values()) for ranks in (1, n_own))
    return {
        "names": ("steps", "sectors"),
        "steps": round(n * path.expected_steps()),
        "reports": n,
        "seconds_per_step": step.of(trial.most) * shared / alone,
        "seconds_per_report": final.of(path.n_final) * shared / alone,
        "seconds": n / n_groups * path.seconds(step, final) * shared / alone,
        "efficiency": alone / shared / n_own,
    }
