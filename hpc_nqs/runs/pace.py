"""What work costs in seconds: a fixed part and one that grows with it, from what has been measured."""

import time
from dataclasses import dataclass

import numpy as np

SECONDS = 1.5  # that a trial takes at most, about
FIRST, FACTOR = 128, 4  # samples of the first trial, and growth to the next one
ALIKE = 0.2  # amounts that spread less than this, relative, say nothing about the fixed part


@dataclass(frozen=True)
class Cost:
    """seconds = fixed + per_unit * amount.

    Attributes
    ----------
    fixed, per_unit : float
    """

    fixed: float = 0.0
    per_unit: float = 0.0

    def of(self, amount):
        """Return the seconds that an amount of work, number or array, takes."""
        return self.fixed + self.per_unit * amount

    def __add__(self, other):
        return Cost(self.fixed + other.fixed, self.per_unit + other.per_unit)

    def times(self, factor):
        """Return the cost of the same work done `factor` times."""
        return Cost(factor * self.fixed, factor * self.per_unit)


def fitted(amounts, seconds):
    """Return the `Cost` that is closest to measured seconds, neither part negative.

    Parameters
    ----------
    amounts, seconds : (n,), n >= 1
        Of pieces of work; amounts are positive.
    """
    amounts, seconds = np.asarray(amounts, dtype=np.float64), np.asarray(seconds, dtype=np.float64)
    proportional = Cost(0.0, float(seconds.sum() / amounts.sum()))
    if len(amounts) < 2 or np.ptp(amounts) < ALIKE * amounts.mean():
        return proportional
    slope, start = np.polyfit(amounts, seconds, 1)
    if slope <= 0.0:
        return Cost(float(seconds.mean()), 0.0)
    return proportional if start < 0.0 else Cost(float(start), float(slope))


def costs_of_parts(parts_of, most):
    """Return the `Cost` of every part of some work, {name: Cost}, from trials that grow for SECONDS.

    Parameters
    ----------
    parts_of : callable
        n -> {name: seconds of a part with about n samples, "samples": their number}
    most : int
        Samples beyond which there is no trial.
    """
    amounts, parts, spent, n_samples = [], [], 0.0, FIRST
    while not amounts or (amounts[-1] < most and spent * (1 + FACTOR) < SECONDS):
        found, seconds = timed(lambda n=n_samples: parts_of(n))
        amounts.append(found.pop("samples"))
        parts.append(found)
        spent += seconds
        n_samples = FACTOR * amounts[-1]
    return {name: fitted(amounts[-2:], [part[name] for part in parts[-2:]]) for name in parts[0]}


def timed(work):
    """Return (work(), seconds that it took).

    Of the time on the clock and that of the processor the smaller one: a busy machine lengthens the first, libraries
    with threads the second.
    """
    wall, busy = time.perf_counter(), time.process_time()
    found = work()
    return found, max(1e-9, min(time.perf_counter() - wall, time.process_time() - busy))
