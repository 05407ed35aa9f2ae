"""NumPy twin of `continuous_worldlines`: same name and arguments, the same random numbers in the same order.

For tests only.  Clusters are sets of nodes, energies are summed anew between kinks, and matrices are exponentials of
SciPy with their Frechet derivatives.
"""

import itertools
import math

import numpy as np
from scipy.linalg import expm_frechet

from hpc_nqs.kernels.reference.world_lines import clusters, measured, uint32, uniform

CUT, HORIZONTAL, CROSSED, FROZEN_UNEQUAL, FROZEN_EQUAL = range(5)


class Circle:
    """One decomposition of the path of a chain into clusters.

    Attributes
    ----------
    events : list of (time, place, whether a kink, node, node)
        Those that are or may become kinks; a flip of one of the two nodes' clusters makes or removes the kink.
    n_break_ups : int
    labels : (n_nodes,)
        Smallest node of every node's cluster.
    exponents : (n_nodes,)
        Of the field, sums over clusters on their smallest nodes.
    slices : list of (spins, nodes)
    """

    def __init__(self, spins, kinks, n_times, model, stream):
        self.model, n_sites = model, len(spins)
        self.spins, self.nodes, self.since = spins.copy(), list(range(n_sites)), [0.0] * n_sites
        self.n_nodes, self.n_break_ups, self.joined, self.events, self.slices = n_sites, 0, [], [], []
        self.pieces = []  # (node, exponent of the field)
        drawn = self.waiting(stream) if model["rate"] > 0.0 else 2.0
        kinks, borders = [*kinks, (2.0, -1)], [k / n_times for k in range(n_times)] + [2.0]
        while borders[0] < 1.0 or drawn < 1.0 or kinks[0][0] < 1.0:
            if borders[0] < 1.0 and borders[0] <= min(drawn, kinks[0][0]):
                self.slices.append((self.spins.copy(), list(self.nodes)))
                borders.pop(0)
            elif kinks[0][0] <= drawn:
                self.put(self.break_up_of_kink(kinks[0][1], stream), kinks[0][1], True, kinks[0][0])
                kinks.pop(0)
            else:
                self.try_channel(drawn, stream)
                drawn += self.waiting(stream)
        for site in range(n_sites):
            self.leave(site, 1.0)
            self.joined.append((self.nodes[site], site))
        self.labels = clusters(self.n_nodes, self.joined)
        self.exponents = np.zeros(self.n_nodes)
        for node, exponent in self.pieces:
            self.exponents[self.labels[node]] += exponent

    def waiting(self, stream):
        """Return the time to the next tried break-up."""
        return -math.log(1.0 - uniform(stream)) / self.model["rate"]

    def leave(self, site, time):
        """Note the exponent of the field on a site since its last change."""
        if len(self.model["field"]):
            length = self.model["beta"] * (time - self.since[site])
            self.pieces.append((self.nodes[site], -length * self.model["field"][site] * self.spins[site]))
            self.since[site] = time

    def break_up_of_kink(self, place, stream):
        """Return the kind that is drawn for a kink."""
        if self.model["place_sites"][place, 1] < 0:
            return CUT
        first, second = self.model["kink_break_ups"][place]
        drawn = uniform(stream) if first < 1.0 else 0.0
        return HORIZONTAL if drawn < first else CROSSED if drawn < second else FROZEN_UNEQUAL

    def try_channel(self, time, stream):
        """Draw a channel, and make its break-up if the spins allow it."""
        x = uniform(stream) * len(self.model["channel_kind"])
        channel = int(x)
        if x - channel >= self.model["keep"][channel]:
            channel = self.model["alias"][channel]
        kind, place = self.model["channel_kind"][channel], self.model["channel_place"][channel]
        i, j = self.model["place_sites"][place]
        wants_equal = kind in (CROSSED, FROZEN_EQUAL)
        if kind == CUT or (self.spins[i] == self.spins[j]) == wants_equal:
            self.put(kind, place, False, time)

    def put(self, kind, place, is_kink, time):
        """Make one break-up."""
        sites = [site for site in self.model["place_sites"][place] if site >= 0]
        for site in sites:
            self.leave(site, time)
        below = [self.nodes[site] for site in sites]
        if kind == CROSSED:
            above = below[::-1]
        elif kind in (CUT, HORIZONTAL):
            above = [self.n_nodes] * len(sites)
            self.n_nodes += 1
        else:
            above = below
        if kind not in (CUT, CROSSED):
            self.joined.append(tuple(below))
        for site, node in zip(sites, above, strict=True):
            self.nodes[site] = node
            self.spins[site] *= -1 if is_kink else 1
        self.n_break_ups += 1
        if is_kink or above != below:
            self.events.append((time, place, is_kink, below[0], above[0]))

    def averaged_kinks(self):
        """Return the number of kinks, averaged over all flips of clusters."""
        return sum(float(k) if self.labels[a] == self.labels[b] else 0.5 for _, _, k, a, b in self.events)

    def flipped(self, spins, stream):
        """Flip clusters; return (spins at time 0, kinks)."""
        decisions, bits, left = {}, 0, 0
        for root in np.unique(self.labels):
            if len(self.model["field"]):
                decisions[root] = uniform(stream) * (1.0 + math.exp(2.0 * self.exponents[root])) < 1.0
            else:
                if left == 0:
                    bits, left = uint32(stream), 32
                decisions[root], bits, left = bool(bits & 1), bits >> 1, left - 1
        flips = [decisions[label] for label in self.labels]
        kinks = [(time, place) for time, place, kink, a, b in self.events if kink ^ flips[a] ^ flips[b]]
        return np.where(flips[: len(spins)], -spins, spins), kinks


def stretches(spins, kinks, place_sites):
    """Yield (spins, start, stop) of the pieces of time between kinks."""
    spins, times = spins.astype(np.float64), [0.0, *(time for time, _ in kinks), 1.0]
    for k, (start, stop) in enumerate(itertools.pairwise(times)):
        yield spins.copy(), start, stop
        if k < len(kinks):
            spins[[site for site in place_sites[kinks[k][1]] if site >= 0]] *= -1


def fields_of(spins, model):
    """Return sum_j c_ij s_j of every site."""
    start = model["neighbour_start"]
    pieces = [slice(first, stop) for first, stop in itertools.pairwise(start)]
    return np.array([model["couplings"][p] @ spins[model["neighbours"][p]] for p in pieces])


def derivatives(spins, kinks, model):
    """Return sign, first and second derivative of ln(weight) by beta, and the first averaged over single lines."""
    beta, field = model["beta"], model["field"] if len(model["field"]) else np.zeros(len(spins))
    pieces = list(stretches(spins, kinks, model["place_sites"]))
    mean = sum((stop - start) * (s @ (0.5 * fields_of(s, model) + field)) for s, start, stop in pieces)
    first = len(kinks) / beta - mean
    sign = (-1.0) ** sum(int(model["negative"][place]) for _, place in kinks)
    averaged, flips = first, model["flips"]
    if len(flips):
        averaged = 0.0
        for i in range(len(spins)):
            whole = [np.eye(2), np.zeros((2, 2))]
            for s, start, stop in pieces:
                length, local = beta * (stop - start), fields_of(s, model)[i]
                along, flip = np.diag([-length, length]), np.array([[0.0, length], [length, 0.0]])
                generator = (local + field[i]) * along + flips[i] * flip
                step, slope = expm_frechet(generator, (0.5 * local + field[i]) * along + flips[i] * flip)
                whole = [step @ whole[0], step @ whole[1] + slope @ whole[0]]
            averaged += np.trace(whole[1]) / np.trace(whole[0]) / beta
    return sign, first, -len(kinks) / beta**2, averaged


def sample_paths(
    spins, n_kinks, kink_times, kink_places, beta, rate, place_sites, kink_break_ups, negative, channel_place,
    channel_kind, keep, alias, field, flips, neighbour_start, neighbours, couplings, improved, times, phases, pairs,
    pair_weights, sweeps_per_sample, site_work, node_work, byte_work, time_work, sums, streams, values, first_sweep,
):
    """Update clusters of break-ups, *in place*; write the columns of every sample and chain to `values`."""
    model = dict(beta=beta, rate=rate, place_sites=place_sites, kink_break_ups=kink_break_ups, negative=negative)
    model |= dict(channel_place=channel_place, channel_kind=channel_kind, keep=keep, alias=alias, field=field)
    model |= dict(flips=flips, neighbour_start=neighbour_start, neighbours=neighbours, couplings=couplings)
    for c, stream in enumerate(streams):
        kinks = list(zip(kink_times[c, : n_kinks[c]].tolist(), kink_places[c, : n_kinks[c]].tolist(), strict=True))
        for sample in range(values.shape[1]):
            for sweep in range(sweeps_per_sample):
                before, old = spins[c].copy(), kinks
                n_times = len(times) if sweep == sweeps_per_sample - 1 else 0
                circle = Circle(before, old, n_times, model, stream)
                spins[c], kinks = circle.flipped(before, stream)
            sign, first, second, averaged = derivatives(before, old, model)
            columns = []
            for there, nodes in circle.slices:
                labels = circle.labels[nodes] if improved else np.zeros(len(there), dtype=int)
                columns.append(measured(there, labels, [range(len(there))], phases, pairs, pair_weights))
            extra = [circle.n_break_ups / beta, first + (circle.averaged_kinks() - len(old)) / beta]
            values[c, sample] = [sign, first, second, averaged, *np.mean(columns, axis=0), *extra]
        n_kinks[c] = len(kinks)
        kink_times[c, : len(kinks)], kink_places[c, : len(kinks)] = zip(*kinks, strict=True) if kinks else ((), ())
    return len(streams) * values.shape[1] * sweeps_per_sample
