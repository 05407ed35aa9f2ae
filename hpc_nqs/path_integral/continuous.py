"""The norm <Psi|Psi> in the limit dtau = 0 as a sum over world lines on a circle of continuous imaginary time.

Z = Tr e^{-beta H}: the number of gates grows as 1/dtau, but those that do something stay finite in number, kinks where
spins are exchanged or flipped and break-ups that join or cut lines.  What was a probability per gate in `world_lines`
is a rate per unit of imaginary time here, `break_up_rates`; kernels draw the break-ups of a sweep as a Poisson process
(B. B. Beard and U.-J. Wiese, PRL 77, 5130 (1996); H. Rieger and N. Kawashima, Eur. Phys. J. B 9, 233 (1999)).

The weight of a path is prod_kinks abs(e) dtau * exp(-int of the diagonal energy), so with n kinks
d ln(weight) / d beta = D = n / beta - mean diagonal energy, and D' = -n / beta^2.  E = -<D> and Var(H) = <D^2 + D'> -
<D>^2 have other estimates with the same mean, `ContinuousWorldLines.estimates` and `squares`; the ensemble takes their
combinations of least variance.
"""

import numpy as np

from hpc_nqs.path_integral.paths import ContinuousPaths
from hpc_nqs.path_integral.trotter import is_isotropic, merged_bonds
from hpc_nqs.path_integral.world_lines import ESTIMATE, FIRST, MIXING, ROUNDING, SECOND

CUT, HORIZONTAL, CROSSED, FROZEN_UNEQUAL, FROZEN_EQUAL = range(5)  # as the kernel numbers break-ups
BREAK_UPS, AVERAGED = -2, -1  # columns of measured values, see `continuous_worldlines`
DIAGONAL = -3  # the last list of pairs


class ContinuousWorldLines:
    """World lines of one model at one temperature, as flat arrays.

    Parameters
    ----------
    model : SpinModel
        Marshall-rotated where possible.
    beta : float

    Attributes
    ----------
    has_sign : bool
        Whether weights can be negative.
    averages_flips : bool
        Whether all flips of clusters are equally probable and weights positive: averages over them replace values.
    rate : float
        Mean number of tried break-ups of a sweep.
    n_nodes : int
        Sites and mean number of tried break-ups: what the time of a sweep is proportional to.
    constant : float
        <break-ups> / beta - constant = -E without a field.
    arrays : tuple
        Arguments of `sample_paths` from place_sites to couplings.
    """

    n_factors = 1  # derivatives are those by beta
    n_extra_columns = 2

    def __init__(self, model, beta):
        self.n_sites, self.beta = model.n_sites, beta
        self.has_sign = bool((model.exchange_element > 0.0).any())
        self.averages_flips = not (self.has_sign or model.site_field.any())
        self.is_isotropic = self.averages_flips and not len(model.flip_sites) and is_isotropic(model)
        self.energy_offset = np.zeros(self.n_sites)
        bonds, places, channels = _bonds(model), [], []
        mixing = MIXING if self.has_sign else 0.0
        for (i, j), (coupling, element) in bonds.items():
            rates = break_up_rates(coupling, element, mixing)
            channels += [(len(places), kind, rate) for kind, rate in enumerate(rates, HORIZONTAL) if rate > 0.0]
            first, second = np.cumsum(rates[:2]) / (abs(element) or 1.0)
            places.append((i, j, first if rates[1] > 0.0 else 1.0, second, element > 0.0))
        flips = np.zeros(self.n_sites)
        np.add.at(flips, model.flip_sites, np.abs(model.flip_element))
        self.flips_spins = bool(flips.any())
        for i in np.flatnonzero(flips).tolist():
            channels.append((len(places), CUT, flips[i]))
            places.append((i, -1, 1.0, 1.0, False))
        places, channels = (np.array(rows) for rows in (places or [(0, -1, 1.0, 1.0, 0)], channels or [(0, CUT, 0.0)]))
        rates = channels[:, 2]
        self.rate = float(beta * rates.sum())
        self.n_nodes = self.n_sites + round(self.rate)
        self.constant = float(rates.sum() - 0.5 * rates[channels[:, 1] != CUT].sum())
        keep, alias = alias_table(rates)
        field = model.site_field.copy() if model.site_field.any() else np.zeros(0)
        self.arrays = (
            np.ascontiguousarray(places[:, :2], dtype=np.int32), np.ascontiguousarray(places[:, 2:4]),
            places[:, 4].astype(np.int8), channels[:, 0].astype(np.int32), channels[:, 1].astype(np.int8), keep, alias,
            field, flips if self.flips_spins else np.zeros(0), *_neighbours(bonds, self.n_sites),
        )  # fmt: skip

    def paths(self, measurement, streams, method):
        """Return the `ContinuousPaths` of chains with these streams; the method is "cluster"."""
        n_times = 2 * max(1, round(0.5 * self.rate / self.n_sites))
        return ContinuousPaths(self, measurement, streams, n_times)

    def estimates(self, values):
        """Return estimates of d ln(weight) / d beta with the same mean, a list of arrays.

        The derivative itself, in a transverse field averaged over the world line of each site given the others; where
        flips of clusters may be averaged over, also: that without the average; the number of break-ups without a
        constant, as in a high-temperature series; the derivative with averaged kinks, its diagonal part as the mean
        over time, or over flips at the times of measurement; and of an isotropic model three times the latter.

        Parameters
        ----------
        values : (n_chains, n_samples, n_columns)
            Of `sample_paths`; the last list of pairs is the diagonal energy.
        """
        found = [values[:, :, ESTIMATE]]
        if not self.averages_flips:
            return found
        if self.flips_spins:
            found.append(values[:, :, FIRST])
        averaged, diagonal = values[:, :, AVERAGED], values[:, :, DIAGONAL]
        mean_diagonal = -self.beta * values[:, :, SECOND] - values[:, :, FIRST]
        found += [values[:, :, BREAK_UPS] - self.constant, averaged, averaged + mean_diagonal - diagonal]
        if self.is_isotropic:
            found.append(-3.0 * diagonal)
        return found

    @property
    def n_estimates(self):
        """Length of the list of `estimates`."""
        return 4 + self.flips_spins + self.is_isotropic if self.averages_flips else 1

    @property
    def square_factors(self):
        """Numbers (k, l) of the two factors of each of `squares` in the list of estimates."""
        if not self.averages_flips:
            return []
        plain = 1 if self.flips_spins else 0
        series, averaged = plain + 1, plain + 3
        isotropic = [(averaged + 1, series)] if self.is_isotropic else []
        return [(plain, plain), (plain, series), (series, series), (averaged, series), *isotropic]

    def squares(self, values, estimates):
        """Return estimates of <X_k X_l> whose connected part is Var(H), (k, l) of `square_factors`, a list of arrays.

        Means over paths X of functions of spins, or of break-ups with all flips averaged, obey d<X> / d beta =
        <dX / d beta> + <X Y> - <X><Y>, with Y the derivative D of the weight of paths or that of break-ups, their
        number per beta; D is the mean of Y over all break-ups that fit a path.
        """
        if not self.averages_flips:
            return []
        kinks, averaged = -self.beta * values[:, :, SECOND], values[:, :, AVERAGED] - values[:, :, FIRST]
        plain, zero = kinks / self.beta, 0.0
        series, averaged = values[:, :, BREAK_UPS] / self.beta, (kinks + averaged) / self.beta
        explicit = [plain, plain, series, averaged, zero]
        factors = self.square_factors
        return [estimates[k] * estimates[m] - e for (k, m), e in zip(factors, explicit[: len(factors)], strict=True)]


def break_up_rates(coupling, element, mixing=0.0):
    """Return the rates of break-ups of a bond c s_i s_j + e (|+-><-+| + h.c.), as `world_lines.break_ups` of gates.

    To first order in tau the elements are 1 - c tau (parallel), 1 + c tau (stay) and |e| tau (swap).  Straight is
    1 - y tau; parallel = straight + crossed + frozen, stay = straight + horizontal + frozen, swap = horizontal +
    crossed + frozen.

    Returns
    -------
    horizontal, crossed, frozen_unequal, frozen_equal : float
        In units of energy.  A kink breaks up with horizontal / |e| and crossed / |e|, and freezes otherwise.
    """
    c, e = float(coupling), abs(float(element))
    scale = ROUNDING * (abs(c) + e)
    if 0.5 * e - c < scale:
        crossed = mixing * e
        frozen = 2.0 * (c + crossed) - e
        return e - crossed, crossed, frozen if frozen > scale else 0.0, 0.0
    if c + 0.5 * e < scale:
        frozen = -2.0 * c - e
        return 0.0, e, 0.0, frozen if frozen > scale else 0.0
    return c + 0.5 * e, 0.5 * e - c, 0.0, 0.0


def alias_table(rates):
    """Return Walker's table of a distribution: entry k, equally probable, is k with keep[k], alias[k] otherwise.

    A. J. Walker, ACM Trans. Math. Softw. 3, 253 (1977).

    Returns
    -------
    keep : (n,) float64
    alias : (n,) int32
    """
    # rounded, so that the table is the same in all units of energy; 1e-12 is far below what can be measured
    scaled = np.round(rates * (len(rates) / (rates.sum() or 1.0)), 12)
    keep, alias = np.ones(len(rates)), np.arange(len(rates), dtype=np.int32)
    small, large = np.flatnonzero(scaled < 1.0).tolist(), np.flatnonzero(scaled >= 1.0).tolist()
    while small and large:
        k, other = small.pop(), large[-1]
        keep[k], alias[k] = scaled[k], other
        scaled[other] -= 1.0 - scaled[k]
        if scaled[other] < 1.0:
            small.append(large.pop())
    return keep, alias


def _bonds(model):
    """Return {(i, j): [coupling, element]} of all bonds."""
    bonds = {}
    terms = (model.pair_sites, model.pair_coupling), (model.exchange_sites, model.exchange_element)
    for column, (sites, values) in enumerate(terms):
        for pair, value in zip(*(part.tolist() for part in merged_bonds(sites, values)), strict=True):
            bonds.setdefault(tuple(pair), [0.0, 0.0])[column] = value
    return bonds


def _neighbours(bonds, n_sites):
    """Return neighbour_start, neighbours, couplings of `sample_paths`."""
    ends = [(i, j, c) for (i, j), (c, _) in bonds.items() if c] + [(j, i, c) for (i, j), (c, _) in bonds.items() if c]
    ends = sorted(ends) or [(0, 0, 0.0)]
    sites, neighbours, couplings = zip(*ends, strict=True)
    start = np.searchsorted(sites, np.arange(n_sites + 1)).astype(np.int32)
    return start, np.array(neighbours, dtype=np.int32), np.array(couplings)
