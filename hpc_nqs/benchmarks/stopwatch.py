"""Processor times of short pieces of work: other programs on the machine do not count."""

import statistics
import time

PATIENCE = 0.25  # seconds of repetitions per number
LEAST = 1e-3  # seconds of one timing, of as many calls as that takes


def shortest(function, patience=PATIENCE):
    """Return the least processor seconds of a call, of timings for `patience` seconds and of three at least.

    Other work on the machine, which takes caches and the clock of the core away, only ever makes them longer.
    """
    return min(_timings(function, patience))


def median(function, patience=PATIENCE):
    """Return the median of the processor seconds of a call, as `shortest` takes them."""
    return statistics.median(_timings(function, patience))


def _timings(function, patience):
    function()
    n_calls, found, end = 1, [], time.perf_counter() + patience
    while len(found) < 3 or time.perf_counter() < end:
        start = time.process_time()
        for _ in range(n_calls):
            function()
        seconds = time.process_time() - start
        if seconds < LEAST:
            n_calls *= 2
        else:
            found.append(seconds / n_calls)
    return found
