"""Twins of the exchange hafnian and softened ones: sums over all ways to match the mismatched sites, written out."""

import numpy as np

from hpc_nqs.kernels.reference.amplitudes import Amplitude


class HafnianAmplitude(Amplitude):
    """Psi = haf[w_ik] over sites with sigma_i = -ancilla_i; w = factors[0] where sigma_i = -sigma_k, else factors[1].

    A site may be matched with none, with the factor singles[i].  0 where there are more than `max_sites`.
    """

    width = 1

    def __init__(self, factors, factor_param, singles, single_param, n_params, max_sites):
        self.factors, self.factor_param, self.n_params, self.max_sites = factors, factor_param, n_params, max_sites
        self.singles, self.single_param, self.n_visible = singles, single_param, 2 * factors.shape[1]

    def mismatched(self, visible):
        """Return the mismatched sites."""
        sigma, ancilla = np.split(visible, 2)
        return np.flatnonzero(sigma != ancilla)

    def matchings(self, visible):
        """Return all ways to match the mismatched sites, each (factors, 1 + k of their parameters, 0: none)."""
        sites = self.mismatched(visible)
        if len(sites) > self.max_sites:
            return []
        found = []
        for matching in _matchings(sites.tolist()):
            pairs = [(int(visible[i] == visible[k]), i, k) for i, k in (part for part in matching if len(part) == 2)]
            alone = [part[0] for part in matching if len(part) == 1]
            factors = [self.factors[pair] for pair in pairs] + [self.singles[i] for i in alone]
            params = [self.factor_param[pair] for pair in pairs] + [self.single_param[i] for i in alone]
            found.append((np.array(factors), params))
        return found

    def log_psi(self, visible):
        """Return ln Psi of one configuration; a negative sign is pi i."""
        total = sum(factors.prod() for factors, _ in self.matchings(visible))
        return np.log(complex(total)) if total != 0 else complex(-np.inf)

    def log_derivs(self, visible):
        """Return sum over matchings and their parts of the product of the other parts' factors, over Psi."""
        slopes, total = np.zeros(self.n_params + 1), 0.0
        for factors, params in self.matchings(visible):
            total += factors.prod()
            for place, param in enumerate(params):
                slopes[param] += np.delete(factors, place).prod()
        return slopes[1:] / total


class SoftenedHafnianAmplitude(Amplitude):
    """sqrt(haf[w]^2 + share^2 haf[b]^2) as a density, else haf[w], and share haf[b] where that is 0; no parameters."""

    width, n_params = 1, 0

    def __init__(self, factors, bounds, singles, max_sites, share, is_density):
        both = (factors, singles), (bounds, np.abs(singles))
        self.signed, self.positive = (HafnianAmplitude(w, 0 * w, l, 0 * l, 0, max_sites) for w, l in both)
        self.share, self.is_density, self.n_visible = share, is_density, self.signed.n_visible

    def log_psi(self, visible):
        """Return ln of one value; a negative sign is pi i."""
        signed, bound = (np.exp(one.log_psi(visible)).real for one in (self.signed, self.positive))
        if self.is_density:
            value = np.hypot(signed, self.share * bound)
        else:
            value = signed if signed != 0 else self.share * bound
        return np.log(complex(value)) if value != 0 else complex(-np.inf)

    def log_derivs(self, visible):
        """Return nothing: there are no parameters."""
        return np.zeros(0)


def _matchings(sites):
    """Yield all ways to match sites in pairs or with none, each a list of tuples of two sites or one."""
    if not sites:
        yield []
        return
    first, *others = sites
    for rest in _matchings(others):
        yield [(first,), *rest]
    for k, other in enumerate(others):
        for rest in _matchings(others[:k] + others[k + 1 :]):
            yield [(first, other), *rest]
