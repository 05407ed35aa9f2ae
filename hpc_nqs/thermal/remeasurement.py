"""Measuring again: a run whose rows are taken away and made again from the path of its states.

What the earlier rows know of the energy stays: those of rings are nodes, those of cooled states points of the integral
of e.  Every measurement of a run has a number, and random numbers, of its own.
"""

import json
from dataclasses import dataclass

import numpy as np

from hpc_nqs.settings.parsing import SettingsError
from hpc_nqs.thermal.passed_state import PassedState, seed_of
from hpc_nqs.thermal.plan import samples_per_step

CLOSE = 1e-9  # relative; two inverse temperatures that are the same
REPEATED = "run its input again with the observables; `hpc-nqs show {source} --toml` prints it"


@dataclass
class Remeasurement:
    """What a run that measures again has beside its cooling.

    Attributes
    ----------
    number : int
        Of the measurement, from 1 on.
    source : str
        The run file whose path is measured.
    coldest : float
        Inverse temperature down to which states of the path are measured, and not cooled ones.
    rows : list of dict
        Raw rows of cooled states in that file.
    """

    number: int
    source: str
    coldest: float
    rows: list

    @classmethod
    def of(cls, state, source):
        """Return the measurement of the states in a run file, and the state to begin with.

        Parameters
        ----------
        state : dict
            As `run_file.read_state` returns it.
        source : str
            Of that file.

        Raises
        ------
        SettingsError
            The file has no path.
        """
        rings = state.get("rings") or {}
        betas = rings.get("path", {}).get("betas", ())
        if not len(betas):
            raise SettingsError(
                [f"{source} keeps no states of its cooling: neither learned slices and sampled deep units nor earlier "
                 f"versions do; {REPEATED.format(source=source)}"]
            )
        before, rows = cls.restored(state.get("measured")), json.loads(state["rows"])
        words = json.loads(rings["rows"])
        of_rings = [row for row in rows if "kernel_beta" in row]
        cooled = [row for row in rows if "kernel_beta" not in row]
        nodes = _joined(words["nodes"], of_rings)
        coldest = max([float(betas[-1]), *(row["beta"] for row in of_rings)])
        measurement = cls(
            before.number + 1 if before else 1, source, coldest, _joined(before.rows if before else [], cooled)
        )
        rings = rings | {"rows": json.dumps(words | {"nodes": nodes, "first": []}), "measurement": None}
        return measurement, state | {"rows": "[]", "rings": rings, "measured": measurement.stored()}

    @classmethod
    def restored(cls, stored):
        """Return the measurement that `stored` has written, None for a run that cools."""
        return None if stored is None else cls(**stored | {"rows": json.loads(stored["rows"])})

    def stored(self):
        """Return what `restored` takes over."""
        return vars(self) | {"rows": json.dumps(self.rows)}

    def seed(self, seed, beta=0.0):
        """Return the seed of chains for a state at `beta`, or of all rings, from that of the run."""
        return seed_of(seed, self.number, beta)

    def prepare(self, rings, seed):
        """Give the rings random numbers of their own, and no kernels but those of the path."""
        rings.seed, rings.reach = self.seed(seed), self.coldest

    def holds(self, beta, path):
        """Return whether the state at an inverse temperature is one of the path, and not to be cooled to."""
        return beta <= self.coldest and path.holds(beta)

    def row(self, beta, run):
        """Return the raw row of the state of the path of a `Cooling`, None if it has to stop.  *Collective*.

        Chains are sampled as those of the cooling were at this temperature.
        """
        settings, asked = run.settings, run.settings.sampling
        step = next((step for step in run.history if step["beta"] >= beta), run.history[-1] if run.history else {})
        exponent, sweeps = step.get("exponent", run.exponent), step.get("sweeps_per_sample", run.sweeps)
        state = PassedState(
            run.ansatz, run.rings.path, beta, run.observables, run.team, run.evolution, run.sampler.n_chains,
            self.seed(settings.run.seed, beta),
            exponent if asked.exponent == "auto" else asked.exponent,
            int(sweeps) if asked.sweeps_per_sample == "auto" else asked.sweeps_per_sample,
        )
        n_samples = samples_per_step(settings, run.ansatz, beta)
        heat = self.heat(beta, run.rings.path)
        row = state.report(run.batches(n_samples), n_samples, asked.n_warm_up, heat, run.recorder.stop_held)
        return row and row | {"tdvp_residual": self.residual(beta, run.history)}

    def others(self, rows):
        """Return the earlier rows at other temperatures than those of `rows`."""
        return [row for row in self.rows if not any(_is_close(row["beta"], other["beta"]) for other in rows)]

    def residual(self, beta, history):
        """Return the TDVP residual at an inverse temperature, between those of the steps and the earlier rows."""
        known = {step["beta"]: step["tdvp_residual"] for step in history}
        known |= {row["beta"]: row["tdvp_residual"] for row in self.rows}
        betas = sorted(known)
        return float(np.interp(beta, betas, [known[each] for each in betas]))

    def heat(self, beta, path):
        """Return -dE/dbeta along the path in units of Var(H), from its points and the earlier rows.

        Without either, at infinite temperature, it is 1.
        """
        known = {0.0: 1.0}
        stored = np.isfinite(path.heats)
        known |= dict(zip(path.betas[stored].tolist(), path.heats[stored].tolist(), strict=True))
        for row in self.rows:
            if row.get("energy_variance", 0.0) > 0:  # not in older files
                known[row["beta"]] = row["specific_heat"] / (row["beta"] ** 2 * row["energy_variance"])
        betas = sorted(known)
        return float(np.interp(beta, betas, [known[each] for each in betas]))

    def check(self, betas, rings, begins=False):
        """Refuse inverse temperatures that cannot be measured.

        Parameters
        ----------
        betas : sequence of float
        rings : RingReports
        begins : bool
            Nothing has been measured yet; later on colder temperatures are cooled to.

        Raises
        ------
        SettingsError
            One sentence for each of them.
        """
        path, most, problems = rings.path, max(rings.policy.allowed), []
        for beta in betas:
            asked = f"thermal: T = {1 / beta:.6g} is asked for, but "
            if beta < path.betas[0] * (1 - CLOSE):
                problems.append(f"{asked}the states of {self.source} begin at T = {1 / path.betas[0]:.6g}; allowed are "
                                "lower temperatures")
            elif begins and beta > self.coldest * (1 + CLOSE):
                problems.append(f"{asked}{self.source} has come to T = {1 / self.coldest:.6g}; cool further first: "
                                f"hpc-nqs resume {self.source} --set thermal.temperatures=[{1 / beta:.6g}]")
            elif begins and 2 * beta / most > path.coldest * (1 + CLOSE):
                problems.append(f"{asked}with rings of up to {most} links it needs a state at T = "
                                f"{most / (2 * beta):.6g}, and {self.source} is cooled to T = "
                                f"{1 / path.coldest:.6g}; allowed are more links in thermal.rings")
        if problems:
            raise SettingsError(problems)


def _joined(earlier, later):
    """Return rows in the order of beta; a later one takes the place of an earlier one at the same temperature."""
    kept = [row for row in earlier if not any(_is_close(row["beta"], other["beta"]) for other in later)]
    return sorted([*kept, *later], key=lambda row: row["beta"])


def _is_close(beta, other):
    return abs(beta - other) <= CLOSE * beta
