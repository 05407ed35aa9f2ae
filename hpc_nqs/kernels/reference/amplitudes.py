"""NumPy twins of the compiled kernels: same names, same arguments, written as the equations read.

For tests only.  A twin amplitude keeps no state: every ratio is exp(ln Psi(new) - ln Psi(old)) of two evaluations from
scratch, so that it checks the tables and the incremental updates of the compiled one.  Configurations must not be
zeros of Psi.
"""

import itertools
from dataclasses import dataclass

import numpy as np

EXCHANGE, JOINT_EXCHANGE, FLIP, JOINT_FLIP, TWO_EXCHANGES, JOINT_TWO_EXCHANGES, OPPOSITE_EXCHANGES = range(7)
PAIR_FLIP, JOINT_PAIR_FLIP = 7, 8
CANCELLED, HUGE = 1e-11, 1e150  # what counts as a zero of a projection, and the ratio of leaving one


# ---- moves ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Proposal:
    """The visible units that a move flips, the row of its tables and the sign it takes them with."""

    flips: tuple
    entry: int
    sign: int


class MoveSet:
    """The moves that proposals and the Hamiltonian's terms refer to by index."""

    def __init__(self, kind, n_variants, sites, second, entry, n_sites):
        self.kind, self.n_variants, self.sites, self.second = kind, n_variants, sites, second
        self.entry, self.n_sites = entry, n_sites

    def __len__(self):
        return len(self.kind)

    def propose(self, move, visible):
        """Return the `Proposal` of a move, or None where the configuration does not allow it."""
        kind, n = self.kind[move], self.n_sites
        a, b = map(int, self.sites[move])
        c, d = map(int, self.second[move])
        exchanged = {
            EXCHANGE: [(a, b)], JOINT_EXCHANGE: [(a, b), (a + n, b + n)], TWO_EXCHANGES: [(a, b), (c, d)],
            OPPOSITE_EXCHANGES: [(a, b), (c, d)],
            JOINT_TWO_EXCHANGES: [(a, b), (c, d), (a + n, b + n), (c + n, d + n)],
        }.get(kind, [])
        parallel = {PAIR_FLIP: [(a, b)], JOINT_PAIR_FLIP: [(a, b), (a + n, b + n)]}.get(kind, [])
        flipped_pairs = itertools.chain.from_iterable(exchanged + parallel)
        flips = {FLIP: (a,), JOINT_FLIP: (a, a + n)}.get(kind) or tuple(flipped_pairs)
        if any(visible[v] == visible[w] for v, w in exchanged) or any(visible[v] != visible[w] for v, w in parallel):
            return None
        if kind == OPPOSITE_EXCHANGES:
            return Proposal(flips, int(self.entry[move]), int(visible[a])) if visible[a] != visible[c] else None
        if kind in (TWO_EXCHANGES, JOINT_TWO_EXCHANGES):  # one digit per further exchange
            differ = [int(visible[a] != visible[v]) for v, _ in exchanged[1:]]
            variant = sum(digit << place for place, digit in enumerate(reversed(differ)))
        elif kind in (JOINT_EXCHANGE, JOINT_FLIP, JOINT_PAIR_FLIP):
            variant = int(visible[a] != visible[a + n])
        else:  # one digit per flipped unit: whether its partner in the other layer is down
            partners = [visible[(v + n) % (2 * n)] < 0 for v in flips] if self.n_variants[move] > 1 else []
            variant = sum(int(down) << place for place, down in enumerate(reversed(partners)))
        return Proposal(flips, int(self.entry[move]) + variant, int(visible[a]))


def flipped(visible, flips):
    """Return the configuration with some units flipped."""
    new = visible.copy()
    new[list(flips)] *= -1
    return new


# ---- wave functions ------------------------------------------------------------------------------------------------


class Amplitude:
    """A wave function at fixed parameters."""

    def log_psi(self, visible):
        """Return ln Psi of one configuration, complex."""
        raise NotImplementedError

    def log_derivs(self, visible):
        """Return O_k = d ln Psi / d params_k of one configuration."""
        raise NotImplementedError

    def ratio(self, visible, proposal):
        """Return Psi(new) / Psi(visible); from a zero HUGE, or 1 to another zero."""
        new, old = self.log_psi(flipped(visible, proposal.flips)), self.log_psi(visible)
        if np.isinf(new):
            return 0 if np.isfinite(old) else 1
        return np.exp(new - old) if np.isfinite(old) else HUGE


class RBMAmplitude(Amplitude):
    """ln Psi = sum_u a_u x_u + sum_f sum_g ln 2cosh(angle_fg), angle_fg = phase_f (b_f + sum_u w_fu (g x)_u)."""

    def __init__(
        self,
        n_visible,
        n_params,
        weights,
        bias,
        eta,
        input_bias,
        entry_inputs,
        entry_changes,
        first_unit,
        image_index,
        weight_param,
        bias_param,
        input_bias_param,
    ):
        self.n_visible, self.n_params = n_visible, n_params
        self.width = 2 if np.iscomplexobj(weights) else 1
        self.n_inputs = weights.shape[1]
        self.input_bias, self.image_index = input_bias, image_index
        self.weight_param, self.bias_param, self.input_bias_param = weight_param, bias_param, input_bias_param
        self.feature = np.repeat(np.arange(len(weights)), np.diff(first_unit))  # of every unit
        phase = np.where(eta > 0, 1, 1j)
        self.phase = phase[self.feature]
        self.weights = (phase[:, None] * weights)[self.feature]
        self.bias = (phase * bias)[self.feature]

    def inputs(self, visible):
        """Return x (n_inputs,): the spins, and sigma_i ancilla_i with bond features."""
        if self.n_inputs == self.n_visible:
            return visible.astype(float)
        sigma, ancilla = np.split(visible, 2)
        return np.concatenate([visible, sigma * ancilla]).astype(float)

    def images(self, visible):
        """Return g x of every hidden unit, (n_units, n_inputs)."""
        x = self.inputs(visible)
        return np.concatenate([x, -x])[self.image_index]

    def angles(self, visible):
        """Return the angles (n_units,), complex."""
        return self.bias + np.sum(self.weights * self.images(visible), axis=1)

    def log_psi(self, visible):
        """Return ln Psi of one configuration."""
        return self.input_bias @ self.inputs(visible) + np.sum(log_2cosh(self.angles(visible)))

    def log_derivs(self, visible):
        """Return d ln 2cosh(angle) / d w = phase tanh(angle) (g x)_u, summed over everything a parameter stands for."""
        slopes = self.phase * np.tanh(self.angles(visible))
        terms = [
            (self.weight_param[self.feature], slopes[:, None] * self.images(visible)),
            (self.bias_param[self.feature], slopes),
            (self.input_bias_param, self.inputs(visible)),
        ]
        out = np.zeros(self.n_params, dtype=complex)
        for param, term in terms:
            np.add.at(out, np.abs(param[param != 0]) - 1, np.sign(param[param != 0]) * term[param != 0])
        return out if self.width == 2 else out.real


def log_2cosh(z):
    """Return ln(2 cosh z) of complex numbers without overflow."""
    z = np.where(z.real < 0, -z, z)
    return z + np.log1p(np.exp(-2 * z))


class PairAmplitude(Amplitude):
    """Psi = (-1)^inv det F, F_ab = f(u_a, d_b); inv counts the pairs with a down spin before an up spin."""

    width = 1

    def __init__(self, pairing, pair_param, n_params):
        self.n_visible, self.n_params = len(pairing), n_params
        self.pairing, self.pair_param = pairing, pair_param

    def log_psi(self, visible):
        """Return ln Psi of one configuration, real part -inf where the determinant vanishes."""
        up, down = np.flatnonzero(visible > 0), np.flatnonzero(visible < 0)
        inversions = np.sum(down[None, :] < up[:, None])
        sign, log_magnitude = np.linalg.slogdet(self.pairing[np.ix_(up, down)])
        return complex(log_magnitude, np.pi * ((sign < 0) ^ (inversions % 2)))

    def log_derivs(self, visible):
        """Return d ln det F / d f_k = sum over the pairs of f_k of (F^{-1})_ba."""
        pairs = np.ix_(np.flatnonzero(visible > 0), np.flatnonzero(visible < 0))
        inverse, param = np.linalg.inv(self.pairing[pairs]), self.pair_param[pairs]
        out = np.zeros(self.n_params)
        np.add.at(out, np.abs(param[param != 0]) - 1, np.sign(param[param != 0]) * inverse.T[param != 0])
        return out


class CorrelatorAmplitude(Amplitude):
    """ln Psi = sum_c cover_table[code of the spins on cluster c] + sum_ij T_ij[spins of site i, spins of site j].

    Bit b of a code is set where unit b of c is up.  Parameters belong to clusters of their own, see the kernel.
    """

    width = 1

    def __init__(
        self, n_visible, n_params, first_unit, units, first_code, code_param, cover_first_unit, cover_units,
        cover_first_code, cover_table, pair_table, entry_change, change_units, first_flip, first_single, flip_cluster,
        flip_mask, first_site, site, site_mask,
    ):
        self.n_visible, self.n_params = n_visible, n_params
        self.clusters, self.cover = np.split(units, first_unit[1:-1]), np.split(cover_units, cover_first_unit[1:-1])
        self.first_code, self.code_param = first_code, code_param
        self.cover_first_code, self.cover_table, self.pair_table = cover_first_code, cover_table, pair_table

    def codes(self, visible, clusters, first_code):
        """Return the place in the tables of every cluster."""
        if not len(first_code):
            return first_code
        return first_code + np.array([(visible[units] > 0) @ (1 << np.arange(len(units))) for units in clusters])

    def log_psi(self, visible):
        """Return ln Psi of one configuration."""
        total = self.cover_table[self.codes(visible, self.cover, self.cover_first_code)].sum()
        if len(self.pair_table):
            sigma, ancilla = np.split(visible > 0, 2)
            states = 4 * np.arange(len(sigma)) + sigma + 2 * ancilla
            total += 0.5 * self.pair_table[np.ix_(states, states)].sum()
        return complex(total)

    def log_derivs(self, visible):
        """Return how often every class occurs."""
        codes = self.codes(visible, self.clusters, self.first_code)
        return 1.0 * np.bincount(self.code_param[codes] - 1, minlength=self.n_params)


class MismatchAmplitude(Amplitude):
    """Psi = prod_i (sum_k a_ik)^(1/2), i over sites with mu_i = sigma_i = ancilla_i, k over those with mu_k = -mu_i."""

    width, n_params = 1, 0

    def __init__(self, amplitudes):
        self.amplitudes, self.n_visible = amplitudes, 2 * len(amplitudes)

    def log_psi(self, visible):
        """Return ln Psi of one configuration."""
        sigma, ancilla = np.split(visible, 2)
        up, down = np.flatnonzero(sigma + ancilla > 0), np.flatnonzero(sigma + ancilla < 0)
        between = self.amplitudes[np.ix_(up, down)]
        return complex(0.5 * np.log(between.sum(axis=0)).sum() + 0.5 * np.log(between.sum(axis=1)).sum())

    def log_derivs(self, visible):
        """Return nothing: there are no parameters."""
        return np.zeros(0)


class PermanentAmplitude(Amplitude):
    """Psi = perm[r_ik], i over sites with sigma_i = ancilla_i = 1, k over those with -1.

    0 where a component of the graph of the pairs with a parameter has more than `max_pairs` of either.
    """

    width = 1

    def __init__(self, exchange, pair_param, n_params, max_pairs):
        self.exchange, self.pair_param, self.n_params, self.max_pairs = exchange, pair_param, n_params, max_pairs
        self.n_visible = 2 * len(exchange)

    def sides(self, visible):
        """Return the mismatched sites whose spins are up, and those whose spins are down."""
        sigma, ancilla = np.split(visible, 2)
        return np.flatnonzero(sigma + ancilla > 0), np.flatnonzero(sigma + ancilla < 0)

    def largest_component(self, up, down):
        """Return the largest number of sites of `up` that paths over pairs with a parameter connect."""
        between = self.pair_param[np.ix_(up, down)] != 0
        connected = np.eye(len(up), dtype=bool)
        for _ in up:
            connected = connected | (connected @ between @ between.T)
        return connected.sum(axis=1).max(initial=0)

    def matchings(self, visible):
        """Return (up sites, down sites) of every way to match them, two arrays (n, k)."""
        up, down = self.sides(visible)
        if self.largest_component(up, down) > self.max_pairs:
            return np.zeros((2, 0, len(up)), dtype=np.intp)
        return np.array([(up, order) for order in itertools.permutations(down)], dtype=np.intp).swapaxes(0, 1)

    def log_psi(self, visible):
        """Return ln Psi of one configuration; a negative sign is pi i."""
        ups, downs = self.matchings(visible)
        total = self.exchange[ups, downs].prod(axis=1).sum()
        return np.log(complex(total)) if total != 0 else complex(-np.inf)

    def log_derivs(self, visible):
        """Return sum over matchings of (occurrences of r_k) / r_k x product of r, over Psi."""
        ups, downs = self.matchings(visible)
        factors, params = self.exchange[ups, downs], self.pair_param[ups, downs]
        slopes = np.zeros(self.n_params)
        for place in range(ups.shape[1]):
            others = np.delete(factors, place, axis=1).prod(axis=1)
            slopes += np.bincount(params[:, place], weights=others, minlength=self.n_params + 1)[1:]
        return slopes / factors.prod(axis=1).sum()


class SoftenedPermanentAmplitude(Amplitude):
    """w = sqrt(perm[r]^2 + share^2 perm[|r|]^2), without parameters."""

    width, n_params = 1, 0

    def __init__(self, exchange, pair_param, max_pairs, share):
        self.signed = PermanentAmplitude(exchange, pair_param, 0, max_pairs)
        self.positive = PermanentAmplitude(np.abs(exchange), pair_param, 0, max_pairs)
        self.share, self.n_visible = share, self.signed.n_visible

    def log_psi(self, visible):
        """Return ln w of one configuration."""
        signed, positive = (np.exp(one.log_psi(visible).real) for one in (self.signed, self.positive))
        total = signed**2 + self.share**2 * positive**2
        return complex(0.5 * np.log(total) if total > 0 else -np.inf)

    def log_derivs(self, visible):
        """Return nothing: there are no parameters."""
        return np.zeros(0)


class ProductAmplitude(Amplitude):
    """Psi = first * second; the parameters of `first` come first."""

    def __init__(self, first, second):
        self.first, self.second = first, second
        self.width, self.n_visible, self.n_params = first.width, first.n_visible, first.n_params + second.n_params

    def log_psi(self, visible):
        """Return the sum of the logarithms."""
        return self.first.log_psi(visible) + self.second.log_psi(visible)

    def log_derivs(self, visible):
        """Return both log-derivatives, one after the other."""
        return np.concatenate([self.first.log_derivs(visible), self.second.log_derivs(visible)])


class ProjectedAmplitude(Amplitude):
    """Psi_K(s) = sum_g c_g Psi(g s), (g s)_i = (s, -s)[images[g, i]].

    Where the terms cancel up to rounding Psi_K is 0; from there a ratio is huge, or 1 to another zero.
    """

    def __init__(self, inner, images, coefficients, image_entry, entry_unit):
        self.inner, self.images, self.coefficients = inner, images, coefficients
        self.width, self.n_visible, self.n_params = inner.width, inner.n_visible, inner.n_params

    def image_spins(self, visible):
        """Return g s of every image, (n_images, n_visible) int8."""
        return np.concatenate([visible, -visible])[self.images]

    def terms(self, visible):
        """Return (c_g Psi(g s) / e^largest, largest)."""
        logarithms = np.array([self.inner.log_psi(spins) for spins in self.image_spins(visible)])
        largest = logarithms.real.max()
        return self.coefficients * np.exp(logarithms - largest), largest

    def total(self, visible):
        """Return (sum of the terms, largest)."""
        terms, largest = self.terms(visible)
        total = terms.sum()
        return (total if abs(total) > CANCELLED * np.abs(terms).sum() else 0), largest

    def log_psi(self, visible):
        """Return the logarithm of the sum, -inf at a zero."""
        total, largest = self.total(visible)
        return largest + np.log(total) if total != 0 else complex(-np.inf)

    def log_derivs(self, visible):
        """Return sum_g c_g Psi(g s) O_k(g s) / Psi_K(s), 0 at a zero."""
        if self.total(visible)[0] == 0:
            return np.zeros(self.n_params, dtype=np.complex128 if self.width == 2 else np.float64)
        terms, _ = self.terms(visible)
        derivs = np.array([self.inner.log_derivs(spins) for spins in self.image_spins(visible)])
        out = terms @ derivs / terms.sum()
        return out if self.width == 2 else out.real


# ---- local energies ------------------------------------------------------------------------------------------------


# ---- chains --------------------------------------------------------------------------------------------------------


# ---- sums ----------------------------------------------------------------------------------------------------------


# ---- yardsticks ----------------------------------------------------------------------------------------------------


