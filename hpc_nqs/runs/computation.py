"""What all computations share: the drawn seed, the clock, the sweeps between samples, and their part of a run file."""

import json
import secrets
import time
from typing import Protocol

import numpy as np

from hpc_nqs.settings.parsing import SettingsError
from hpc_nqs.settings.system import build

DONE, STOPPED, FAILED = 0, 75, 1  # how a computation ends: at its end, at a checkpoint before it, or in an error
MAX_SWEEPS = 16
TARGET_TAU = 2.0  # autocorrelation time of the local energy, in samples


class Driver(Protocol):
    """One run, as `tasks` starts it and a `runs.recorder.Recorder` writes it.

    Attributes
    ----------
    settings : Settings
    n_chains : int
        Over all ranks.
    """

    settings: object
    n_chains: int

    def run(self, resumed=False):
        """Compute to the end; return the exit code DONE, STOPPED or FAILED.  *Collective*."""

    def state(self):
        """Return what continues the run, a nested dict on rank 0, None elsewhere.  *Collective*."""

    def restore(self, state, history):
        """Take over the state and history of a run file.  *Collective*."""

    def history_columns(self):
        """Return {name: (n_steps,) float64}; on rank 0 alone, as the three below."""

    def last_step(self):
        """Return the numbers of the last step, a dict of the columns of the history; empty before the first."""

    def table(self):
        """Return the results so far, as `run_file.run_image` takes them."""

    def arrays(self):
        """Return a nested dict of the arrays of the wave function."""


class Computation(Driver):
    """One run from its settings to its table.

    A subclass adds what is missing of a `Driver`.

    Parameters
    ----------
    settings : Settings
    team : Team
    recorder : Recorder
    progress : Progress

    Attributes
    ----------
    settings : Settings
        With a seed, drawn where the input has none.
    lattice : Lattice
    model : SpinModel
        Unrotated.
    history : list of dict
        The numbers of every step.
    rows : list of dict
        The results so far.
    seconds : float
        Wall time of all starts of the program, up to the last look at the clock.
    """

    def __init__(self, settings, team, recorder, progress):
        if settings.run.seed is None:
            seed = team.broadcast_object(secrets.randbelow(2**63))
            settings = settings.with_seed(seed)
            progress.message(f"seed = {seed}")
        self.settings, self.team, self.recorder, self.progress = settings, team, recorder, progress
        self.lattice, self.model = build(settings)
        self.sweeps = 1 if settings.sampling.sweeps_per_sample == "auto" else settings.sampling.sweeps_per_sample
        self.history, self.rows, self.seconds = [], [], 0.0
        self._clock = time.monotonic()

    def elapsed(self):
        """Return the seconds that the run has taken."""
        now = time.monotonic()
        self.seconds += now - self._clock
        self._clock = now
        return self.seconds

    def adapt_sweeps(self, autocorrelation):
        """Move the sweeps per sample so that the autocorrelation time (in samples) comes near TARGET_TAU.

        The time is a sum over all ranks, so that every rank takes the same decision.
        """
        if self.settings.sampling.sweeps_per_sample != "auto":
            return
        if autocorrelation > 1.5 * TARGET_TAU:
            self.sweeps = min(MAX_SWEEPS, self.sweeps + 1)
        elif autocorrelation < 0.5 * TARGET_TAU:
            self.sweeps = max(1, self.sweeps - 1)

    def restore_progress(self, state, history, sampler):
        """Take over rows, times, sweeps, chains and history of a run file.  *Collective*.

        Raises
        ------
        SettingsError
            The file holds another number of chains than the settings ask for.
        """
        if state["n_chains"] != sampler.n_chains:
            raise SettingsError(
                [f"sampling.n_chains = {sampler.n_chains}: the run has {state['n_chains']} chains; "
                 "allowed is the same number"]
            )
        sampler.restore(self.team, state["chains"])
        self.rows, self.seconds, self.sweeps = json.loads(state["rows"]), state["seconds"], state["sweeps_per_sample"]
        columns = list(history)
        self.history = [dict(zip(columns, values, strict=True)) for values in zip(*history.values(), strict=True)]

    def progress_state(self, chains, sampler):
        """Return what `restore_progress` takes over but the history, on rank 0."""
        return {
            "chains": chains,
            "n_chains": sampler.n_chains,
            "sweeps_per_sample": self.sweeps,
            "rows": json.dumps(self.rows),
            "seconds": self.elapsed(),
        }

    def last_step(self):
        """Return the last entry of the history."""
        return self.history[-1] if self.history else {}

    def history_columns(self):
        """Return the history as {column: (n_steps,) float64}."""
        columns = self.history[0] if self.history else ()
        return {name: np.array([step[name] for step in self.history], dtype=np.float64) for name in columns}
