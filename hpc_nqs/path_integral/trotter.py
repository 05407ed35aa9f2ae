"""Trotter products of short-time gates, and the deep Boltzmann machine that represents their action on Bell pairs.

|Psi(beta)> = T^M |Psi(0)>, beta = 2 M dtau, T a first- or second-order product for e^{-dtau H}.  No optimization: one
gate after the other turns physical spins into deep units and adds hidden ones (docs/theory/gates.md; method I of
Y. Nomura, N. Yoshioka, F. Nori, PRL 127, 060601 (2021)).
"""

from dataclasses import dataclass

import numpy as np

from hpc_nqs.path_integral import gates
from hpc_nqs.wavefunctions.dbm import DBM

ISING, FIELD, EXCHANGE = "ising", "field", "exchange"


@dataclass(frozen=True, eq=False)
class Term:
    """Parts of H that commute with each other and are exponentiated together.

    Attributes
    ----------
    kind : str
        ISING: sum c s_i s_j + sum h_i s_i.  FIELD: sum f sigma^x_i.  EXCHANGE: bonds without a common site, each
        c s_i s_j + e (|+-><-+| + h.c.).
    sites : (n, 2) intp, or (n,) intp for FIELD
    coupling : (n,) float64
        c (ISING, EXCHANGE) or f (FIELD).
    element : (n,) float64
        e; empty unless EXCHANGE.
    site_field : (n_sites,) float64
        h_i; zero unless ISING, or the first EXCHANGE term of a model with a field along z.
    """

    kind: str
    sites: np.ndarray
    coupling: np.ndarray
    element: np.ndarray
    site_field: np.ndarray


@dataclass(frozen=True, eq=False)
class TrotterProduct:
    """T^M for one model.

    Attributes
    ----------
    model : SpinModel
        Marshall-rotated where possible: unrotated antiferromagnetic exchange has negative weights.
    dtau : float
    n_slices : int
        M.
    order : int
        1: T = e^{-dtau h_k} ... e^{-dtau h_1}.  2: T = e^{-dtau h_1/2} ... e^{-dtau h_k} ... e^{-dtau h_1/2}.
    terms : tuple of Term
    """

    model: object
    dtau: float
    n_slices: int
    order: int
    terms: tuple

    @property
    def beta(self):
        """Inverse temperature 2 M dtau of the purified state."""
        return 2.0 * self.n_slices * self.dtau

    @property
    def n_sites(self):
        """Number N of physical spins."""
        return self.model.n_sites

    @property
    def opposite_pairs(self):
        """Whether the Bell pairs at infinite temperature hold opposite spins."""
        return self.model.conserves_sz

    @property
    def step(self):
        """One T as (index of the term, fraction of dtau), the first to act first."""
        indices = list(range(len(self.terms)))
        if self.order == 1 or len(indices) == 1:
            return [(k, 1.0) for k in indices]
        outer = [(k, 0.5) for k in indices[:-1]]
        return [*outer, (indices[-1], 1.0), *outer[::-1]]


def trotter_product(model, dtau, n_slices, order=2):
    """Return the `TrotterProduct` of a model.

    Raises
    ------
    ValueError
        dtau not positive, n_slices below 1, or an order that is neither 1 nor 2.
    """
    if not dtau > 0.0 or n_slices < 1 or order not in (1, 2):
        raise ValueError(f"dtau = {dtau}, n_slices = {n_slices}, order = {order}: allowed are > 0, >= 1, and 1 or 2")
    return TrotterProduct(model, float(dtau), int(n_slices), order, tuple(split(model)))


def split(model):
    """Return the commuting `Term` list of a model: Ising and field part, or a colouring of the exchange bonds."""
    no_field = np.zeros(model.n_sites)
    if not model.conserves_sz or not len(model.exchange_sites):
        sites, coupling = merged_bonds(model.pair_sites, model.pair_coupling)
        terms = [Term(ISING, sites, coupling, np.zeros(0), model.site_field)]
        if len(model.flip_sites):
            terms.append(Term(FIELD, model.flip_sites, model.flip_element, np.zeros(0), no_field))
        return terms
    sites, element = merged_bonds(model.exchange_sites, model.exchange_element)
    pairs = dict(zip(map(tuple, sites.tolist()), range(len(sites)), strict=True))
    coupling = np.zeros(len(sites))
    for (i, j), value in zip(model.pair_sites.tolist(), model.pair_coupling.tolist(), strict=True):
        coupling[pairs[min(i, j), max(i, j)]] += value
    colours = edge_colouring(sites, model.n_sites)
    terms = []
    for colour in range(colours.max() + 1):
        chosen = colours == colour
        terms.append(Term(EXCHANGE, sites[chosen], coupling[chosen], element[chosen], no_field))
    first = terms[0]
    return [Term(EXCHANGE, first.sites, first.coupling, first.element, model.site_field), *terms[1:]]


def is_isotropic(model):
    """Return whether H is a sum of J_b S_i.S_j (before the Marshall rotation), without a field."""
    terms = split(model)
    if model.site_field.any() or any(term.kind != EXCHANGE for term in terms):
        return False
    sign = np.ones(model.n_sites) if model.sublattice is None else model.sublattice
    elements = (term.element * sign[term.sites].prod(axis=1) for term in terms)
    return all(np.allclose(e, 2.0 * term.coupling, atol=0.0) for e, term in zip(elements, terms, strict=True))


def merged_bonds(sites, values):
    """Return the distinct bonds (n, 2), i < j, and the sum of the values (n,) of each, without bonds of value 0."""
    ordered = np.sort(np.asarray(sites, dtype=np.intp).reshape(-1, 2), axis=1)
    distinct, place = np.unique(ordered, axis=0, return_inverse=True)
    total = np.bincount(place.reshape(-1), weights=values, minlength=len(distinct)).astype(np.float64)
    return distinct[total != 0.0], total[total != 0.0]


def edge_colouring(bonds, n_sites):
    """Colour bonds so that those at one site differ; few colours, the largest number of neighbours if bipartite.

    Each new bond (i, j) takes a colour free at both ends; if there is none, the path from j of colours a (free at i)
    and b (free at j) is swapped, which frees a at j unless the path ends at i, and then a new colour is used (Konig).

    Returns
    -------
    (n_bonds,) intp
    """
    used = [dict() for _ in range(n_sites)]  # colour -> bond, of every site
    colours = np.full(len(bonds), -1, dtype=np.intp)
    n_colours = 0

    def free(site):
        return next(c for c in range(n_colours + 1) if c not in used[site])

    for bond, (i, j) in enumerate(bonds.tolist()):
        shared = next(c for c in range(n_colours + 1) if c not in used[i] and c not in used[j])
        a, b = free(i), free(j)
        if shared == n_colours and a < n_colours and b < n_colours:
            path = _alternating_path(j, a, b, bonds, used)
            if not path or i not in bonds[path[-1]]:
                _swap(path, a, b, bonds, colours, used)
                shared = a
        n_colours = max(n_colours, shared + 1)
        colours[bond] = shared
        used[i][shared] = used[j][shared] = bond
    return colours


def _alternating_path(site, a, b, bonds, used):
    path, colour = [], a
    while colour in used[site]:
        bond = used[site][colour]
        path.append(bond)
        site = int(bonds[bond].sum()) - site
        colour = b if colour == a else a
    return path


def _swap(path, a, b, bonds, colours, used):
    for bond in path:
        for site in bonds[bond].tolist():
            del used[site][colours[bond]]
    for bond in path:
        colours[bond] = b if colours[bond] == a else a
        for site in bonds[bond].tolist():
            used[site][colours[bond]] = bond


# ---- the network ---------------------------------------------------------------------------------------------------


def unit_counts(product, n_hidden_per_exchange=4):
    """Return {"deep", "hidden"}: units of `network_of`, without building it.

    TFIM: N deep and N hidden (field) per slice, and one hidden unit per Ising bond and layer.  Exchange: 2 deep and
    4 (or 6) hidden units per gate.  N more hidden units make the Bell pairs.
    """
    deep, hidden = 0, product.n_sites
    for k, _ in product.step:
        term = product.terms[k]
        n_deep, n_hidden = {ISING: (0, 1), FIELD: (1, 1), EXCHANGE: (2, n_hidden_per_exchange)}[term.kind]
        deep += product.n_slices * n_deep * len(term.sites)
        hidden += product.n_slices * n_hidden * len(term.sites)
    return {"deep": deep, "hidden": hidden}


def network_of(product, n_hidden_per_exchange=4):
    """Return the `DBM` of T^M |Psi(0)>: visible units are sigma_0..sigma_{N-1}, ancilla_0..ancilla_{N-1}.

    Its amplitudes are those of the Trotter product times |Psi(0)> with elements 1, to rounding.
    """
    n = product.n_sites
    builder = _Builder(n)
    couplings, log_prefactor = gates.bell_pair(product.opposite_pairs)
    for i in range(n):
        builder.add_hidden((builder.physical[i], builder.ancilla[i]), couplings, -1)
    builder.log_prefactor += n * log_prefactor
    cached = {}
    for layer in range(product.n_slices * len(product.step)):
        k, fraction = product.step[layer % len(product.step)]
        if (k, fraction) not in cached:
            tau = fraction * product.dtau
            cached[k, fraction] = list(_gates_of(product.terms[k], tau, n_hidden_per_exchange))
        for gate, sites in cached[k, fraction]:
            builder.apply(gate, sites, layer)
    return builder.finish()


def _gates_of(term, tau, n_hidden_per_exchange):
    """Yield (Gate, sites) of one term for the time tau."""
    for i in np.flatnonzero(term.site_field).tolist():
        yield gates.bias_gate(term.site_field[i], tau), (i,)
    for b, sites in enumerate(term.sites.tolist()):
        if term.kind == ISING:
            yield gates.ising_gate(term.coupling[b], tau), tuple(sites)
        elif term.kind == FIELD:
            yield gates.flip_gate(term.coupling[b], tau), (sites,)
        else:
            yield gates.exchange_gate(term.coupling[b], term.element[b], tau, n_hidden_per_exchange), tuple(sites)


class _Builder:
    """Collects units and couplings while gates relabel physical spins."""

    def __init__(self, n_sites):
        self.n_sites = n_sites
        self.n_made = 2 * n_sites
        self.physical = list(range(n_sites))  # unit that is the physical spin of each site now
        self.ancilla = list(range(n_sites, 2 * n_sites))
        self.born = [0] * n_sites + [-1] * n_sites  # layer of every unit
        self.site = 2 * list(range(n_sites))  # of every unit
        self.biases = [0.0] * (2 * n_sites)
        self.edge_hidden, self.edge_unit, self.couplings, self.hidden_layer = [], [], [], []
        self.log_prefactor = 0.0

    def add_hidden(self, units, couplings, layer):
        self.edge_hidden += [len(self.hidden_layer)] * len(units)
        self.edge_unit += units
        self.couplings += couplings
        self.hidden_layer.append(layer)

    def apply(self, gate, sites, layer):
        units = {}
        for slot, i in enumerate(sites):
            if gate.n_deep:
                units[slot + 2] = self.physical[i]
                self.physical[i] = self.n_made
                self.n_made += 1
                self.born.append(layer + 1)
                self.site.append(i)
                self.biases.append(0.0)
            units[slot] = self.physical[i]
        for slots, couplings in gate.hidden:
            self.add_hidden(tuple(units[slot] for slot in slots), couplings, layer)
        for slot, bias in gate.biases:
            self.biases[units[slot]] += bias
        self.log_prefactor += gate.log_prefactor

    def finish(self):
        """Return the DBM; units that are no longer physical are deep, numbered in the order they were made."""
        visible = self.physical + self.ancilla
        deep = sorted(set(range(self.n_made)) - set(visible))
        number = np.empty(self.n_made, dtype=np.intp)
        number[visible + deep] = np.arange(self.n_made)
        layers = np.array(self.born, dtype=np.intp)[visible + deep]
        layers[: 2 * self.n_sites] = -1
        return DBM(
            n_visible=2 * self.n_sites,
            n_deep=len(deep),
            edge_hidden=np.array(self.edge_hidden, dtype=np.intp),
            edge_unit=number[np.array(self.edge_unit, dtype=np.intp)],
            couplings=_real_if_real(self.couplings),
            hidden_bias=np.zeros(len(self.hidden_layer)),
            biases=_real_if_real(np.array(self.biases)[visible + deep]),
            log_prefactor=complex(self.log_prefactor),
            unit_layer=layers,
            unit_site=np.array(self.site, dtype=np.intp)[visible + deep],
            hidden_layer=np.array(self.hidden_layer, dtype=np.intp),
        )


def _real_if_real(values):
    values = np.array(values)
    return values.real.copy() if np.iscomplexobj(values) and not values.imag.any() else values
