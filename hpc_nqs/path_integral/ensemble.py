"""Chains of world lines at one temperature, in continuous time or at one dtau, and what their samples say.

The chains of all ranks together are one ensemble.  A chain draws from Philox with key (seed, chain) and a counter that
starts at (0, 0, n_slices, bits of beta in units of the inverse largest coupling; no slices in continuous time), so that
every ensemble has streams of its own which do not depend on the other temperatures of the run, on the unit of energy or
on the number of ranks.
"""

import numpy as np
from numpy.random import Philox

from hpc_nqs.path_integral.world_lines import FIRST, MAGNETIZATION, N_FIXED, SECOND, SIGN
from hpc_nqs.sampling.streams import restore_stream, stream_words
from hpc_nqs.statistics.control_variates import least_variance
from hpc_nqs.statistics.jackknife import Jackknife
from hpc_nqs.statistics.markov_chains import split_r_hat

N_BINS = 128  # of the error bars, at least
NODES_PER_BATCH = 300_000  # of one chain: about 10 ms
MIN_BATCHES = 8
# Quantities averaged over a batch, with D the derivative of ln(weight) by beta.  Multiplied by the sign: 1, the
# estimate of D, D, D^2 + D', M; as they are: the estimate of D and its square; then, signed, wave vectors and pairs,
# and where all weights are positive further estimates of D and of its squares (`ContinuousWorldLines`).
# E = -<D>, Var(H) = <D^2 + D'> - <D>^2.  Rotations in spin space give a second estimate of an isotropic model's energy,
# three times its diagonal part, averaged over the flips of loops: the better one at high temperature.
AVERAGE_SIGN, ESTIMATED, DERIVATIVE, DERIVATIVE_SQUARED, MAGNET, PLAIN, PLAIN_SQUARED, N_LEADING = range(8)


class Ensemble:
    """Samples of |Psi|^2 of one network, summed over all units.

    Parameters
    ----------
    team : Team
    world_lines : WorldLines or ContinuousWorldLines
    measurement : Measurement
    beta, reduced : float
        Inverse temperature, and the same as `ladder.reduced_beta`.
    n_slices : int
        0 in continuous time.
    n_chains : int
        Over all ranks.
    seed : int
    method : str
        "cluster" or "gibbs".
    sweeps_per_sample : int
    n_wanted : int
        Samples of all chains that are planned; they come in MIN_BATCHES batches at least.
    rotation : float
        Weight of three times the last list of pairs, which then is the diagonal energy, in the estimate of E; 0 in
        continuous time, where the weights of all estimates follow from the samples.
    """

    def __init__(
        self, team, world_lines, measurement, beta, reduced, n_slices, n_chains, seed, method, sweeps_per_sample,
        n_wanted, rotation=0.0,
    ):  # fmt: skip
        self.n_wanted = n_wanted
        self.world_lines, self.measurement, self.rotation = world_lines, measurement, rotation
        self.beta, self.n_slices, self.n_chains = beta, n_slices, n_chains
        self.sweeps_per_sample = sweeps_per_sample
        first, stop = team.share(n_chains)
        place = [0, 0, n_slices, int(np.float64(reduced).view(np.uint64))]
        self.streams = [
            Philox(key=np.array([seed, c], dtype=np.uint64), counter=np.array(place, dtype=np.uint64))
            for c in range(first, stop)
        ]
        self.paths = world_lines.paths(measurement, self.streams, method)
        n_columns = N_LEADING + measurement.n_columns - N_FIXED
        self.estimates, self.squares = _columns_of(world_lines, n_columns)
        self.n_columns = n_columns + len(self.estimates) - 1 + len(self.squares)
        self.batches = np.zeros((len(self.streams), 0, self.n_columns))

    @property
    def batch_size(self):
        """Samples of one chain in one batch."""
        longest = NODES_PER_BATCH // (self.world_lines.n_nodes * self.sweeps_per_sample)
        return max(1, min(longest, int(self.n_wanted) // (self.n_chains * MIN_BATCHES)))

    @property
    def n_samples(self):
        """Samples of every chain so far."""
        return self.batches.shape[1] * self.batch_size

    def warm_up(self, n_sweeps):
        """Advance all chains by `n_sweeps` sweeps."""
        if n_sweeps:
            self.paths.sample(n_sweeps, self._values(1))

    def advance(self):
        """Add one batch to every chain."""
        values = self._values(self.batch_size)
        self.paths.sample(self.sweeps_per_sample, values)
        lines, stop = self.world_lines, self.measurement.n_columns
        signs, magnet = values[:, :, SIGN], values[:, :, MAGNETIZATION]
        derivative = values[:, :, FIRST] / lines.n_factors - lines.energy_offset[0] * magnet
        estimate, *further = lines.estimates(values)
        if self.rotation:
            estimate = (1.0 - self.rotation) * estimate - self.rotation * 3.0 * values[:, :, stop - 1]
        squared = derivative**2 + values[:, :, SECOND] / lines.n_factors**2
        leading = [signs * column for column in (np.ones_like(signs), estimate, derivative, squared, magnet)]
        leading = [*leading, estimate, estimate**2]
        further = [column[:, :, None] for column in (*further, *lines.squares(values, [estimate, *further]))]
        diagonal = signs[:, :, None] * values[:, :, N_FIXED:stop]
        columns = np.concatenate([np.stack(leading, axis=2), diagonal, *further], axis=2)
        self.batches = np.concatenate([self.batches, columns.mean(axis=1, keepdims=True)], axis=1)

    def _values(self, n_samples):
        n_columns = self.measurement.n_columns + self.world_lines.n_extra_columns
        return np.zeros((len(self.streams), n_samples, n_columns))

    def results(self, team, spin, phases, lists):
        """Return the results of all samples so far, the same on every rank.  *Collective*.

        Parameters
        ----------
        spin : float
            Sz = spin * sigma.
        phases : sequence of str
            Keys of the wave vectors after q = 0.
        lists : sequence of (str, str)
            Names and keys of the lists of pairs.

        Returns
        -------
        dict
            Names as in the table, values (value, error), per site; autocorrelation (in sweeps) and r_hat as numbers.
        """
        batches = team.gather_rows(self.batches, self.n_chains)
        found = self._evaluate(batches, spin, phases, lists) if team.is_root else None
        return team.broadcast_object(found)

    def _evaluate(self, batches, spin, phases, lists):
        n, beta = self.world_lines.n_sites, self.beta
        bins = _binned(batches)
        statistics = Jackknife(np.ones(len(bins)), bins)
        found = {}

        def put(name, function):
            found[name] = [float(part) for part in statistics.estimate(function)]

        def mean(means, column):
            return means[:, column] / means[:, AVERAGE_SIGN]

        samples = batches.reshape(-1, batches.shape[2])
        weights, inflation = least_variance(samples[:, self.estimates])
        put("energy", lambda means: -(means[:, self.estimates] @ weights) / means[:, AVERAGE_SIGN] / n)
        found["energy"][1] *= inflation
        found["specific_heat"] = self._specific_heat(samples, statistics)
        put("magnetization", lambda means: spin * mean(means, MAGNET) / n)
        put(
            "susceptibility",
            lambda means: beta * spin**2 * (mean(means, N_LEADING) - mean(means, MAGNET) ** 2) / n,
        )
        for column, key in enumerate(phases, N_LEADING + 1):
            put(f"structure_factor {key}", lambda means, column=column: spin**2 * mean(means, column) / n)
        for column, (name, key) in enumerate(lists, N_LEADING + 1 + len(phases)):
            put(f"{name} {key}", lambda means, column=column: spin**2 * mean(means, column))
        if self.world_lines.has_sign:
            put("average_sign", lambda means: means[:, AVERAGE_SIGN])
        return found | self._quality(batches, bins)

    def _specific_heat(self, samples, statistics):
        """Return value and error of c, from all estimates of Var(H) where there are several."""
        factor = self.beta**2 / self.world_lines.n_sites
        if not self.squares:
            columns = [DERIVATIVE, DERIVATIVE_SQUARED]

            def variance(means):
                first, second = (means[:, columns] / means[:, [AVERAGE_SIGN]]).T
                return factor * (second - first**2)

            return [float(part) for part in statistics.estimate(variance)]
        squares, first, second = np.array(self.squares).T

        def variances(means, about=None):
            """Return all estimates, of means; of batches to first order around the means of all."""
            x, y = means[:, first], means[:, second]
            if about is None:
                return means[:, squares] - x * y
            return means[:, squares] - about[first] * y - about[second] * x + about[first] * about[second]

        weights, inflation = least_variance(variances(samples, samples.mean(axis=0)))
        value, error = statistics.estimate(lambda means: factor * (variances(means) @ weights))
        return [float(value), float(error * inflation)]

    def _quality(self, batches, bins):
        """Return the autocorrelation time of the energy, from the spreads of bins and of samples, and split-R-hat."""
        plain = batches[:, :, PLAIN]
        variance = batches[:, :, PLAIN_SQUARED].mean() - plain.mean() ** 2
        per_bin = plain.size * self.batch_size / len(bins)
        tau = 1.0
        if variance > 0.0:
            tau = float(per_bin * bins[:, PLAIN].var(ddof=1) / variance * self.sweeps_per_sample)
        quality = {"autocorrelation": tau}
        if plain.shape[1] >= 4:
            quality["r_hat"] = float(split_r_hat(plain))
        return quality

    def state(self, team):
        """Return what continues the ensemble, arrays in global chain order (rank 0; None elsewhere).  *Collective*."""
        words = np.array([stream_words(stream) for stream in self.streams], dtype=np.uint64).reshape(-1, 13)
        parts = {**self.paths.arrays(team), "streams": words, "batches": self.batches}
        gathered = {name: team.gather_rows(part, self.n_chains) for name, part in parts.items()}
        if not team.is_root:
            return None
        return gathered

    def restore(self, team, state):
        """Take over what `state` returned, given on rank 0.  *Collective*."""
        names = (*self.paths.names, "streams", "batches")
        found = {name: team.scatter_rows(state[name] if team.is_root else None) for name in names}
        self.paths.restore({name: found[name] for name in self.paths.names})
        self.batches = found["batches"]
        for stream, words in zip(self.streams, found["streams"], strict=True):
            restore_stream(stream, words)


def _columns_of(lines, n_columns):
    """Return the columns of the estimates of D, and (column, factor, factor) of its squares, behind `n_columns`."""
    n_estimates = lines.n_estimates
    estimates = [ESTIMATED, *range(n_columns, n_columns + n_estimates - 1)]
    start = n_columns + n_estimates - 1
    squares = [(start + k, estimates[a], estimates[b]) for k, (a, b) in enumerate(lines.square_factors)]
    return estimates, squares


def _binned(batches):
    """Return means over bins (n_bins, n_columns): stretches of whole batches of one chain, about N_BINS in all."""
    n_chains, n_batches, n_columns = batches.shape
    n_parts = min(n_batches, max(1, -(-N_BINS // n_chains)))
    length = n_batches // n_parts
    cut = batches[:, n_batches - n_parts * length :]
    return cut.reshape(n_chains, n_parts, length, n_columns).mean(axis=2).reshape(-1, n_columns)
