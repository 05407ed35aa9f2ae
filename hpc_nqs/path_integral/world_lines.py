"""The norm <Psi|Psi> of a Trotter network as a sum over world lines on a circle of imaginary time of length beta.

Hidden units traced, the deep units of ket and bra, the physical spins between them and the ancillas at the other end
are the spins of a path: <Psi|Psi> = Tr (T^M)^T T^M = sum over paths of a product of gate elements.  `WorldLines` holds
such a path sum as flat arrays that kernels walk: nodes (spins between two gates of a site), and gates or bonds on them.

The estimator of E is -d ln<Psi|Psi> / d beta at fixed M, and that of Var(H) is d^2 ln<Psi|Psi> / d beta^2; both tend to
those of the thermal state as dtau^2.  The energy of the TFIM is averaged over the world line of each site given the
others (Rao-Blackwell): kinks are rare and noisy.  For isotropic models <Psi|H|Psi>/<Psi|Psi> itself is three times its
diagonal part.  Diagonal operators are measured on the physical spins between ket and bra, that is
<Psi|O|Psi>/<Psi|Psi>; T of second order is symmetric, which makes every border between two T equivalent to that place.
"""

from dataclasses import dataclass

import numpy as np

from hpc_nqs.kernels import ising_worldlines as ising_kernel
from hpc_nqs.kernels import worldlines as kernel
from hpc_nqs.path_integral.gates import exchange_weights, two_body
from hpc_nqs.path_integral.paths import GatePaths
from hpc_nqs.path_integral.trotter import EXCHANGE, FIELD

# Columns of measured values; wave vectors and pairs follow.
SIGN, FIRST, SECOND, ESTIMATE, MAGNETIZATION, N_FIXED = range(6)
ROUNDING = 1e-13  # of break-up weights that vanish by symmetry
MIXING = 0.1  # crossed break-ups of models with negative weights, as a fraction of the swap element


@dataclass(frozen=True, eq=False)
class Measurement:
    """What is measured besides the derivatives of the weight.

    Attributes
    ----------
    phases : (n_vectors, n_sites, 2) float64
        e^{iqr}; the first has q = 0.
    pairs : (n_pairs, 2) int32
    pair_weights : (n_lists, n_pairs) float64
    """

    phases: np.ndarray
    pairs: np.ndarray
    pair_weights: np.ndarray

    @property
    def n_columns(self):
        """Number of columns of measured values: the fixed ones, wave vectors, lists of pairs."""
        return N_FIXED + len(self.phases) + len(self.pair_weights)


class WorldLines:
    """Common part of both representations.

    Attributes
    ----------
    n_nodes : int
    start : (n_sites,) int32
        Nodes of the sites at the ancillas' end.
    times : (n_times, n_sites) int32
        Nodes of the sites where diagonal operators are measured.
    n_factors : int
        Steps T on the circle, 2 M: derivatives by beta are those by dtau divided by it.
    has_sign : bool
        Whether weights can be negative.
    """

    has_sign = False
    n_extra_columns = 0  # of measured values, behind those of a `Measurement`
    n_estimates = 1
    square_factors = ()

    def __init__(self, product):
        self.n_factors = 2 * product.n_slices
        self.n_sites = product.n_sites
        ket = product.step * product.n_slices
        self._trace(product, ket + ket[::-1], len(product.step))

    @property
    def averages_flips(self):
        """Whether averages over flips of clusters replace values: positive weights, no field."""
        return not (self.has_sign or len(self.bias))

    def paths(self, measurement, streams, method):
        """Return the `GatePaths` of chains with these streams; the method is "cluster" or "gibbs"."""
        improved = self.averages_flips
        gibbs = method == "gibbs"
        sampler = self.unit_sampler(measurement) if gibbs else self.sampler(measurement, improved)
        return GatePaths(self, streams, sampler)

    def estimates(self, values):
        """Return the estimate of d ln(weight) / d beta with the least variance, in a list as in continuous time."""
        return [values[:, :, ESTIMATE] / self.n_factors - self.energy_offset[0] * values[:, :, MAGNETIZATION]]

    def squares(self, values, estimates):
        """Return no further estimates of squares, a list as in continuous time."""
        return []

    def _borders(self, layer, n_step, product):
        """Return whether diagonal operators are measured before this layer of the circle: between ket and bra."""
        if product.order == 2:
            return layer % n_step == 0
        return layer == n_step * product.n_slices


class ExchangeWorldLines(WorldLines):
    """World lines of conserved spins: gates of four legs.

    Attributes
    ----------
    legs : (n_gates, 4) int32
    gate_class : (n_gates,) int32
    classes : list of (coupling, element, fraction)
    """

    def __init__(self, product):
        super().__init__(product)
        kinds = np.array(self.classes).reshape(-1, 3)
        weights = [exchange_weights(c, e, fraction * product.dtau) for c, e, fraction in kinds]
        self.negative = (kinds[:, 1] > 0.0).astype(np.int8)
        self.has_sign = bool(self.negative.any())
        mixing = MIXING if self.has_sign else 0.0
        self.thresholds = np.array([_thresholds(*w, mixing) for w in weights], dtype=np.uint64).reshape(-1, 3, 2)
        self.derivatives = _exchange_derivatives(kinds, product.dtau)
        self.bias = np.zeros(0)
        field = -product.beta * product.model.site_field
        if field.any():  # Sz is conserved: a field acts on the magnetization at one time
            self.bias = np.zeros(self.n_nodes)
            self.bias[self.times[0]] = field
        self.energy_offset = product.model.site_field

    def _trace(self, product, circle, n_step):
        current = np.arange(self.n_sites)
        n_made, legs, places, times, classes = self.n_sites, [], [], [], {}
        for layer, (k, fraction) in enumerate(circle):
            if self._borders(layer, n_step, product):
                times.append(current.copy())
            term = product.terms[k]
            i, j = term.sites.T
            below = current[term.sites]
            above = n_made + np.arange(2 * len(i)).reshape(-1, 2)
            n_made += 2 * len(i)
            current[term.sites] = above
            legs.append(np.concatenate([below, above], axis=1))
            keys = zip(term.coupling.tolist(), term.element.tolist(), strict=True)
            places += [classes.setdefault((c, e, fraction), len(classes)) for c, e in keys]
        legs, times = np.concatenate(legs), np.array(times)
        closed = np.arange(n_made)
        closed[current] = np.arange(self.n_sites)  # the circle closes
        used, legs = np.unique(closed[legs], return_inverse=True)
        isolated = np.setdiff1d(np.arange(self.n_sites), used)  # sites without a gate
        number = np.zeros(n_made, dtype=np.intp)
        number[used] = np.arange(len(used))
        number[isolated] = len(used) + np.arange(len(isolated))
        self.n_nodes = len(used) + len(isolated)
        self.legs = np.ascontiguousarray(legs.reshape(-1, 4), dtype=np.int32)
        self.gate_class = np.array(places, dtype=np.int32)
        self.start = number[closed[: self.n_sites]].astype(np.int32)
        self.times = np.ascontiguousarray(number[closed[times]], dtype=np.int32)
        self.classes = list(classes)

    def first_spins(self, stream):
        """Return a configuration of non-zero weight: spins that do not change in time, drawn from a Generator."""
        spins = np.zeros(self.n_nodes, dtype=np.int8)
        spins[self.start] = stream.choice(np.array([-1, 1], dtype=np.int8), size=self.n_sites)
        for below_i, below_j, above_i, above_j in self.legs.tolist():
            for below, above in ((below_i, above_i), (below_j, above_j)):
                if spins[above] == 0:
                    spins[above] = spins[below]
        return spins

    def sampler(self, measurement, improved):
        """Return a function (spins, sweeps_per_sample, streams, values) that advances chains (`sample_loops`)."""
        work = *_work(self.n_nodes, measurement), np.zeros(len(self.legs), np.int8)
        fixed = self.legs, self.gate_class, self.thresholds, self.derivatives, self.negative, self.bias
        measured = self.times, measurement.phases, measurement.pairs, measurement.pair_weights

        def sample(spins, sweeps_per_sample, streams, values):
            kernel.sample_loops(spins, *fixed, improved, *measured, sweeps_per_sample, *work, streams, values)

        return sample


class IsingWorldLines(WorldLines):
    """World lines of the TFIM: an Ising model with bonds in space and time.

    Attributes
    ----------
    bonds : (n_bonds, 2) int32
        Those in space, then those in time.
    bond_class : (n_bonds,) int32
    classes : (n_classes, 3)
        Whether in time, coupling or field, fraction of dtau.
    exponents : (n_classes,)
        K of the factor e^{K s s'}.
    bias, bias_slope : (n_nodes,) or (0,)
        Exponents of a field along z, and their derivatives by dtau.
    ring_start, ring_nodes, ring_class, partner_start, partners, partner_class : int32
        The world line of every site and its neighbours, as `sample_clusters` takes them.
    """

    def __init__(self, product):
        super().__init__(product)
        kinds = self.classes
        tau = kinds[:, 2] * product.dtau
        is_time, strength = kinds[:, 0] > 0.0, kinds[:, 1]
        flips = np.where(is_time, np.abs(strength) * tau, 1.0)
        self.exponents = np.where(is_time, -0.5 * np.log(np.tanh(flips)), -tau * strength)
        joins = -np.expm1(-2.0 * np.abs(self.exponents))
        equal = self.exponents > 0.0
        self.thresholds = _in_units_of_2_32(
            np.stack([np.where(equal, joins, 0.0), np.where(equal, 0.0, joins)], axis=1)
        )
        self.derivatives = _ising_derivatives(kinds, is_time, flips)
        weights = [two_body(exponent, (0, 1))[0][1] for exponent in self.exponents]
        self.weights = np.array(weights).reshape(-1, 2)
        order = self.ring_start, self.ring_nodes, self.ring_class, self.partner_start, self.partners, self.partner_class
        work = np.zeros((int(np.diff(self.ring_start).max()), 7))
        self.rings = *order, np.exp(2.0 * self.exponents), np.exp(2.0 * self.bias), work

    def _trace(self, product, circle, n_step):
        n = self.n_sites
        current, n_made = np.arange(n), n
        in_time, in_space, times = [], [], []  # bonds: two nodes; class: is_time, strength, fraction
        slopes = np.zeros((1 + sum(product.terms[k].kind == FIELD for k, _ in circle)) * n)
        for layer, (k, fraction) in enumerate(circle):
            if self._borders(layer, n_step, product):
                times.append(current.copy())
            term = product.terms[k]
            is_time, bonds = term.kind == FIELD, in_space
            if is_time:
                bonds, below = in_time, current[term.sites]
                current[term.sites] = n_made + np.arange(len(term.sites))
                n_made += len(term.sites)
                ends = below, current[term.sites]
            else:
                ends = current[term.sites].T
                slopes[current] -= fraction * term.site_field
            n_bonds = len(ends[0])
            bonds.append(
                np.stack([*ends, np.full(n_bonds, is_time), term.coupling, np.full(n_bonds, fraction)], axis=1)
            )
        closed = np.arange(n_made)
        closed[current] = np.arange(n)
        used, number = np.unique(closed, return_inverse=True)
        self.n_nodes = len(used)
        rows = [
            _merged(np.concatenate([np.zeros((0, 5)), *in_space]), number),
            np.concatenate([np.zeros((0, 5)), *in_time]),
        ]
        rows[1][:, :2] = number[rows[1][:, :2].astype(np.intp)]
        rows = np.concatenate(rows)
        self.bonds = np.ascontiguousarray(rows[:, :2], dtype=np.int32)
        self.classes, places = np.unique(rows[:, 2:], axis=0, return_inverse=True)
        self.bond_class = places.reshape(-1).astype(np.int32)
        self.start = number[:n].astype(np.int32)
        self.times = np.ascontiguousarray(number[np.array(times)], dtype=np.int32)
        self.bias_slope = (
            np.bincount(number, weights=slopes[:n_made], minlength=self.n_nodes) if slopes.any() else np.zeros(0)
        )
        self.bias = product.dtau * self.bias_slope
        self.energy_offset = np.zeros(n)
        self._order(len(in_time))

    def _order(self, n_layers):
        """Order the nodes of every site in time, and list the partners of every node in space."""
        is_time = self.classes[self.bond_class, 0] == 1.0
        bonds, kinds = self.bonds[is_time], self.bond_class[is_time]
        if n_layers:  # every layer has one bond per site, in the same order of sites
            self.ring_nodes = np.ascontiguousarray(bonds[:, 0].reshape(n_layers, -1).T).reshape(-1)
            self.ring_class = np.ascontiguousarray(kinds.reshape(n_layers, -1).T).reshape(-1)
        else:
            self.ring_nodes, self.ring_class = self.start, np.full(self.n_sites, -1, dtype=np.int32)
        self.ring_start = np.arange(0, len(self.ring_nodes) + 1, max(1, n_layers), dtype=np.int32)
        bonds, kinds = self.bonds[~is_time], self.bond_class[~is_time]
        nodes, partners = np.concatenate([bonds, bonds[:, ::-1]]).T
        order = np.argsort(nodes, kind="stable")
        self.partner_start = np.searchsorted(nodes[order], np.arange(self.n_nodes + 1)).astype(np.int32)
        self.partners = np.ascontiguousarray(partners[order])
        self.partner_class = np.concatenate([kinds, kinds])[order]

    def first_spins(self, stream):
        """Return spins that do not change in time, drawn from a Generator."""
        spins = np.empty(self.n_nodes, dtype=np.int8)
        sites = stream.choice(np.array([-1, 1], dtype=np.int8), size=self.n_sites)
        spins[self.ring_nodes] = np.repeat(sites, np.diff(self.ring_start))
        return spins

    def sampler(self, measurement, improved):
        """Return a function (spins, sweeps_per_sample, streams, values) that advances chains (`sample_clusters`)."""
        work = _work(self.n_nodes, measurement)
        fixed = self.bonds, self.bond_class, self.thresholds, self.derivatives, self.bias, self.bias_slope, *self.rings
        measured = self.times, measurement.phases, measurement.pairs, measurement.pair_weights

        def sample(spins, sweeps_per_sample, streams, values):
            ising_kernel.sample_clusters(spins, *fixed, improved, *measured, sweeps_per_sample, *work, streams, values)

        return sample

    def unit_sampler(self, measurement):
        """Return the function of `sampler` with block Gibbs updates of units instead (`sample_units`)."""
        fields, (_, _, sums) = np.zeros(self.n_nodes), _work(self.n_nodes, measurement)
        fixed = self.bonds, self.bond_class, self.weights, self.derivatives, self.bias, self.bias_slope, *self.rings
        measured = self.times, measurement.phases, measurement.pairs, measurement.pair_weights

        def sample(spins, sweeps_per_sample, streams, values):
            ising_kernel.sample_units(spins, *fixed, *measured, sweeps_per_sample, fields, sums, streams, values)

        return sample


def world_lines(product):
    """Return the `WorldLines` of a Trotter product."""
    return ExchangeWorldLines(product) if product.terms[0].kind == EXCHANGE else IsingWorldLines(product)


def break_ups(parallel, stay, swap, mixing=0.0):
    """Split the elements of an exchange gate into break-ups of its four legs.

    parallel = straight + crossed + frozen_0, stay = straight + horizontal + frozen_1, swap = horizontal + crossed +
    frozen_2 with as little frozen as possible (H. G. Evertz, Adv. Phys. 52, 1 (2003)).  Heisenberg: nothing frozen, and
    nothing crossed (antiferromagnet) or nothing horizontal (ferromagnet).

    A loop without crossed break-ups turns around an even number of times, and its flip changes an even number of swaps:
    the sign of a frustrated configuration would never change.  `mixing` puts in a crossed part, that fraction of
    the smaller of swap and parallel, at the price of frozen gates.

    Returns
    -------
    straight, horizontal, crossed : float
    frozen : (3,)
    """
    straight = (parallel + stay - swap) / 2
    horizontal = (stay + swap - parallel) / 2
    crossed = (parallel + swap - stay) / 2
    scale = ROUNDING * (parallel + stay + swap)
    if crossed < scale:
        crossed = mixing * min(parallel, swap)
        straight, horizontal = parallel - crossed, swap - crossed
    elif horizontal < scale:
        straight, horizontal, crossed = stay, 0.0, swap
    elif straight < scale:
        straight, horizontal, crossed = 0.0, stay, parallel
    frozen = np.array([parallel - straight - crossed, stay - straight - horizontal, swap - horizontal - crossed])
    return straight, horizontal, crossed, np.where(frozen < scale, 0.0, frozen)


def _thresholds(parallel, stay, swap, mixing):
    """Return cumulative break-up probabilities (3, 2) in units of 2^-32, as `sample_loops` takes them."""
    straight, horizontal, crossed, frozen = break_ups(parallel, stay, swap, mixing)
    options = np.array([[straight, crossed], [straight, horizontal], [horizontal, crossed]])
    total = options.sum(axis=1) + frozen
    return _in_units_of_2_32(np.cumsum(options, axis=1) / total[:, None])


def _merged(rows, number):
    """Return bonds in space (n, 5), each once: the last layer of one T and the first of the next share their nodes."""
    nodes = np.sort(number[rows[:, :2].astype(np.intp)], axis=1)
    distinct, place = np.unique(np.column_stack([nodes, rows[:, 2:4]]), axis=0, return_inverse=True)
    fractions = np.bincount(place.reshape(-1), weights=rows[:, 4], minlength=len(distinct))
    return np.column_stack([distinct, fractions])


def _in_units_of_2_32(probabilities):
    return np.minimum(np.round(probabilities * 2.0**32), 2.0**32).astype(np.uint64)


def _exchange_derivatives(kinds, dtau):
    """Return first and second derivatives (2, n_classes, 3) of the logarithms of `exchange_weights` by dtau."""
    c, e, fraction = kinds.T
    x = fraction * dtau * e
    first = np.stack([-c, c + e * np.tanh(x), c + e / np.tanh(x)], axis=1)
    second = np.stack([0.0 * c, (e / np.cosh(x)) ** 2, -((e / np.sinh(x)) ** 2)], axis=1)
    return np.ascontiguousarray([first * fraction[:, None], second * fraction[:, None] ** 2])


def _ising_derivatives(kinds, is_time, flips):
    """Return first and second derivatives (2, n_classes, 2) of the logarithms of the factors by dtau.

    In time e^{tau f sigma^x} has elements cosh and sinh of tau f; in space the factor is e^{-tau c s s'}.
    """
    _, strength, fraction = kinds.T
    size = np.abs(strength)
    rates = np.stack([size * np.tanh(flips), size / np.tanh(flips)], axis=1)
    curvatures = np.stack([(size / np.cosh(flips)) ** 2, -((size / np.sinh(flips)) ** 2)], axis=1)
    first = np.where(is_time[:, None], rates, np.stack([-strength, strength], axis=1))
    second = np.where(is_time[:, None], curvatures, 0.0)
    return np.ascontiguousarray([first * fraction[:, None], second * fraction[:, None] ** 2])


def _work(n_nodes, measurement):
    n_columns = max(2, 2 * len(measurement.phases))
    return np.zeros(n_nodes, np.int32), np.zeros(n_nodes, np.int8), np.zeros((n_nodes, n_columns))
