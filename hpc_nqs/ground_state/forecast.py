"""How many steps a ground-state run makes, and how long it takes: before it starts, and while it goes on."""

from dataclasses import dataclass, field

import numpy as np

from hpc_nqs.runs.pace import fitted

# Steps until the V-score has been below 1e-6 with exact sums, and of one sector of a search, most of which end because
# they lie above another one: medians of magnets of 8 to 16 sites.
SUMMED_STEPS, SEARCHED_STEPS = 60, 30
WINDOW = 10  # steps over which the V-score has to stay below its target
TREND = 20  # steps that tell how fast it falls
RECENT = 30  # steps that tell what a step costs
ORDINARY_V_SCORE = 1e-6


@dataclass
class LevelForecast:
    """The steps of the sectors of one run.

    Parameters
    ----------
    part : GroundStateSettings
    is_exact : bool
        Sums over all configurations.
    n_sectors : int
    searches : bool
        The lowest of all sectors is looked for: those above another one end early.
    n_samples : callable
        Samples of the step of a number (from 0).
    n_final : int
        Samples of the final measurement of a sector, 0 for exact sums.
    """

    part: object
    is_exact: bool
    n_sectors: int
    searches: bool
    n_samples: object
    n_final: int
    made: list = field(default_factory=list)  # (samples, seconds) of steps
    measured: list = field(default_factory=list)  # (samples, seconds) of final measurements

    def expected_steps(self, finished=()):
        """Return the steps of one sector; `finished` are those that sectors took."""
        if len(finished):
            return float(np.mean(finished))
        usual = self.part.n_steps
        if self.is_exact and self.part.v_score >= ORDINARY_V_SCORE:
            usual = SEARCHED_STEPS if self.searches and self.n_sectors > 1 else SUMMED_STEPS
        return min(self.part.n_steps, usual)

    def seconds(self, step, final, first=0, n_steps=None):
        """Return the seconds of the steps of one sector from number `first` on, and of its final measurement.

        Parameters
        ----------
        step, final : Cost
            Of a step and of a measurement, by their samples.
        """
        last = self.expected_steps() if n_steps is None else n_steps
        amounts = np.array([self.n_samples(number) for number in range(int(first), int(round(last)))])
        return float(step.of(amounts).sum()) + (final.of(self.n_final) if self.n_final else 0.0)

    # ---- of a run that goes on -----------------------------------------------------------------------------------

    def note_step(self, n_samples, seconds):
        """Take note of a step of the run."""
        self.made.append((n_samples, seconds))

    def note_final(self, n_samples, seconds):
        """Take note of a final measurement."""
        self.measured.append((n_samples, seconds))

    def left(self, v_scores, finished):
        """Return the seconds that are left of the run; None before its first step.

        Parameters
        ----------
        v_scores : list of float
            Of the steps of the present sector.
        finished : list of int
            Steps that earlier sectors took.
        """
        if not self.made:
            return None
        step = fitted(*zip(*self.made[-RECENT:], strict=True))
        final = fitted(*zip(*self.measured, strict=True)) if self.measured else step.times(0.5)
        number = len(v_scores)
        here = self.seconds(step, final, number, number + self._steps_left(v_scores, finished))
        sectors_left = self.n_sectors - 1 - len(finished)
        return here + sectors_left * self.seconds(step, final, 0, self.expected_steps(finished))

    def _steps_left(self, v_scores, finished):
        """Return the steps until the V-score has converged or the run gives up."""
        number = len(v_scores)
        most = max(0, self.part.n_steps - number)
        expected = self.expected_steps(finished) - number
        last = np.array(v_scores[-TREND:])
        if len(last) < TREND or not (last > 0).all():
            return min(most, max(expected, 1))
        slope, here = np.polyfit(np.arange(1 - len(last), 1), np.log(last), 1)
        if self.part.v_score <= 0 or slope >= 0:
            return most
        wanted = max(0.0, (np.log(self.part.v_score) - here) / slope) + WINDOW
        if self.searches and expected > 0:  # most sectors end because they lie above another one
            wanted = min(wanted, expected)
        return min(most, wanted)
