"""Configurations of the chains of this rank: world lines between gates, and world lines in continuous time."""

import numpy as np
from numpy.random import Generator

from hpc_nqs.kernels import continuous_worldlines as kernel

ROOM = 512  # events, of a new chain beyond twice their mean number


class GatePaths:
    """Spins of every chain between the gates of a Trotter product.

    Parameters
    ----------
    lines : WorldLines
    streams : list of BitGenerator
        One per chain of this rank.
    sampler : callable
        (spins, sweeps_per_sample, streams, values), which advances the chains.
    """

    names = ("spins",)  # of the arrays that continue the chains

    def __init__(self, lines, streams, sampler):
        self.streams, self.sampler = streams, sampler
        rows = [lines.first_spins(Generator(stream)) for stream in streams]
        self.spins = np.array(rows, dtype=np.int8).reshape(len(rows), lines.n_nodes)

    def sample(self, sweeps_per_sample, values):
        """Advance all chains; fill `values` (n_chains, n_samples, n_columns)."""
        self.sampler(self.spins, sweeps_per_sample, self.streams, values)

    def arrays(self, team):
        """Return the arrays that continue the chains of this rank.  *Collective*."""
        return {"spins": self.spins}

    def restore(self, arrays):
        """Take over what `arrays` gave."""
        self.spins = arrays["spins"]


class ContinuousPaths:
    """Spins at time 0 and kinks of every chain.

    Parameters
    ----------
    lines : ContinuousWorldLines
    measurement : Measurement
    streams : list of BitGenerator
        One per chain of this rank.
    n_times : int
        Times at which diagonal operators are measured, from 0 on, equally spaced.
    """

    names = ("spins", "n_kinks", "kink_times", "kink_places")

    def __init__(self, lines, measurement, streams, n_times):
        self.lines, self.measurement, self.streams = lines, measurement, streams
        n, n_chains = lines.n_sites, len(streams)
        up_or_down = np.array([-1, 1], dtype=np.int8)
        self.spins = np.array([Generator(s).choice(up_or_down, size=n) for s in streams], np.int8).reshape(n_chains, n)
        self.n_kinks = np.zeros(n_chains, dtype=np.int64)
        self.kink_times, self.kink_places = np.zeros((n_chains, 0)), np.zeros((n_chains, 0), dtype=np.int32)
        self.times = np.arange(n_times * n, dtype=np.int32).reshape(n_times, n)
        self._make_room(max(n_times * n, n + int(2.0 * lines.rate) + ROOM))

    def sample(self, sweeps_per_sample, values):
        """Advance all chains; fill `values` (n_chains, n_samples, n_columns)."""
        lines, measured = self.lines, self.measurement
        done, wanted = 0, len(self.spins) * values.shape[1] * sweeps_per_sample
        while done < wanted:
            done = kernel.sample_paths(
                self.spins, self.n_kinks, self.kink_times, self.kink_places, lines.beta, lines.rate, *lines.arrays,
                lines.averages_flips, self.times, measured.phases, measured.pairs, measured.pair_weights,
                sweeps_per_sample, *self.work, self.streams, values, done,
            )  # fmt: skip
            if done < 0:
                raise RuntimeError(f"more than {self.kink_times.shape[1]} events in a sweep of world lines")
            if done < wanted:
                self._make_room(2 * self.kink_times.shape[1])

    def arrays(self, team):
        """Return the arrays that continue the chains of this rank.  *Collective*."""
        width = max(1, int(team.max(int(self.n_kinks.max(initial=0)))))
        kept = np.arange(width) < self.n_kinks[:, None]
        kinks = {"kink_times": self.kink_times, "kink_places": self.kink_places}
        cut = {name: np.where(kept, _widened(rows, width), 0).astype(rows.dtype) for name, rows in kinks.items()}
        return {"spins": self.spins, "n_kinks": self.n_kinks, **cut}

    def restore(self, arrays):
        """Take over what `arrays` gave."""
        capacity = self.kink_times.shape[1]
        self.spins, self.n_kinks = arrays["spins"], arrays["n_kinks"]
        self.kink_times, self.kink_places = arrays["kink_times"], arrays["kink_places"]
        self._make_room(max(capacity, self.kink_times.shape[1]))

    def _make_room(self, capacity):
        """Make arrays for that many kinks, nodes and events."""
        self.kink_times, self.kink_places = (_widened(rows, capacity) for rows in (self.kink_times, self.kink_places))
        self.work = (
            np.zeros((11, self.lines.n_sites)), np.zeros((6, capacity), np.int32), np.zeros((4, capacity), np.int8),
            np.zeros((2, capacity)), np.zeros((capacity, 2 * len(self.measurement.phases))),
        )  # fmt: skip


def _widened(rows, width):
    """Return a copy of rows (n, any) with `width` columns, cut or filled with zeros."""
    new = np.zeros((len(rows), width), rows.dtype)
    n = min(width, rows.shape[1])
    new[:, :n] = rows[:, :n]
    return new
