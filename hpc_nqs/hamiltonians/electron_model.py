"""Electron models as flat arrays of terms: spin-orbitals are units s = +1 (occupied) or -1 (empty), as spins are.

H - mu N = constant + sum_pairs c s_p s_q + sum_p h_p s_p + sum_hops e (c+_p c_q + c+_q c_p)
         + sum_hop2 J (c+_a c_b + c+_b c_a) (c+_c c_d + c+_d c_c),   n_p = (1 + s_p)/2,

p and q of one spin, a and b spin up, c and d spin down; mu is there in the grand canonical ensemble only.

Orbital m = site * n_orbitals + number of the orbital on its site, m = 0..M-1.  Unit m is this orbital for spin up,
unit M + m for spin down.  A basis state is |x> = (all c+_up in the order of the orbitals) (all c+_down) |0>, so that
<x'|c+_p c_q|x> is (-1)^(occupied units strictly between p and q).  Amplitudes that keep every particle in its own row
of a determinant hold this sign themselves: to them the elements e and J are constants.
"""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hpc_nqs.hamiltonians.filling import checked_filling
from hpc_nqs.hamiltonians.spin_model import SpinModel, freeze_arrays


@dataclass(frozen=True, eq=False)
class ElectronModel:
    """The terms of one Hamiltonian of electrons; what kernels and drivers read has the names of `SpinModel`.

    Attributes
    ----------
    kind : str
        The word of the model that the terms were made from, see `hamiltonians.MODELS`.
    n_lattice_sites : int
        Sites of the lattice; results are per site of the lattice.
    n_orbitals : int
        Orbitals of a site.
    n_up, n_down : int or None
        Electrons of either spin in the canonical ensemble, else None.
    mu : float or None
        The chemical potential of the grand canonical ensemble, else None; -mu N is part of the terms.
    constant : float
        What the diagonal terms in s leave over, in energy units like all below; counts as energy.
    pair_sites : (n_pairs, 2) intp
        Units p < q; each pair once.
    pair_coupling : (n_pairs,) float64
        Coefficients c of s_p s_q: V/4 of V n_p n_q.
    site_field : (2 M,) float64
        Coefficients h of s_p.
    exchange_sites : (n_hops, 2) intp
        Units p and q of one spin: first all hops of spin up, then the same ones of spin down.
    exchange_element : (n_hops,) float64
        Elements e of c+_p c_q + h.c.: -t of the hopping t.
    exchange_shell : (n_hops,) int8
        Shell of neighbours of each hop; 0 on a site, and for a custom bond with its own hopping.
    hop2_sites : (n_hop2, 4) intp
        Units (a, b, c, d): a and b of spin up, c and d of spin down.
    hop2_element : (n_hop2,) float64
        J of (c+_a c_b + h.c.) (c+_c c_d + h.c.).
    """

    kind: str
    n_lattice_sites: int
    n_orbitals: int
    n_up: int | None
    n_down: int | None
    mu: float | None
    constant: float
    pair_sites: np.ndarray
    pair_coupling: np.ndarray
    site_field: np.ndarray
    exchange_sites: np.ndarray
    exchange_element: np.ndarray
    exchange_shell: np.ndarray
    hop2_sites: np.ndarray
    hop2_element: np.ndarray

    def __post_init__(self):
        freeze_arrays(self)

    @classmethod
    def of_terms(cls, kind, n_lattice_sites, n_orbitals, filling, energies, repulsions, hops, hop2=None, field_z=0.0):
        """Return the model of terms in occupations; terms without strength are left out.

        Parameters
        ----------
        kind, n_lattice_sites, n_orbitals
            As the attributes.
        filling : dict
            {"n_up": int, "n_down": int} or {"mu": float}.
        energies : (M,) array
            eps_m of eps_m (n_m,up + n_m,down).
        repulsions : (units (n, 2), strengths (n,))
            V of V n_p n_q, p != q; strengths of the same pair add up.
        hops : (orbitals (n, 2), elements (n,), shells (n,))
            e of e (c+_m c_m' + h.c.) of either spin.
        hop2 : (orbitals (n, 4), strengths (n,)), optional
            J of J (c+_a c_b + h.c.)_up (c+_c c_d + h.c.)_down.
        field_z : float
            h of -h sum_m (n_m,up - n_m,down)/2.

        Raises
        ------
        ValueError
            When the filling is neither of the two, or there are fewer orbitals than electrons of one spin.
        """
        m = n_lattice_sites * n_orbitals
        n_up, n_down, mu = checked_filling(filling, m)
        up_minus_down = np.repeat([1.0, -1.0], m)
        of_units = np.tile(np.asarray(energies, dtype=np.float64), 2) - (mu or 0.0) - field_z / 2 * up_minus_down
        sites, strengths = _merged(*repulsions)
        # V n_p n_q = V/4 (1 + s_p + s_q + s_p s_q), eps n_p = eps/2 (1 + s_p)
        site_field = of_units / 2
        np.add.at(site_field, sites.ravel(), np.repeat(strengths / 4, 2))
        kept = [part[hops[1] != 0] for part in hops]
        hop2_sites, hop2_element = hop2 or (np.zeros((0, 4), dtype=np.intp), np.zeros(0))
        hop2_sites, hop2_element = hop2_sites[hop2_element != 0], hop2_element[hop2_element != 0]
        return cls(
            kind=kind,
            n_lattice_sites=n_lattice_sites,
            n_orbitals=n_orbitals,
            n_up=n_up,
            n_down=n_down,
            mu=mu,
            constant=float(of_units.sum() / 2 + strengths.sum() / 4),
            pair_sites=sites,
            pair_coupling=strengths / 4,
            site_field=site_field + 0.0,  # no negative zeros
            exchange_sites=np.concatenate([kept[0], kept[0] + m]).astype(np.intp),
            exchange_element=np.tile(kept[1], 2).astype(np.float64),
            exchange_shell=np.tile(kept[2], 2).astype(np.int8),
            hop2_sites=(hop2_sites + [0, 0, m, m]).astype(np.intp),
            hop2_element=hop2_element.astype(np.float64),
        )

    # ---- sizes and ensemble ----------------------------------------------------------------------------------------

    @property
    def n_levels(self):
        """Orbitals of all sites together, M."""
        return self.n_lattice_sites * self.n_orbitals

    @property
    def n_sites(self):
        """Units of one layer, 2 M: what kernels and chains call sites."""
        return 2 * self.n_levels

    @property
    def of_electrons(self):
        """Whether units are spin-orbitals: they are."""
        return True

    @property
    def is_canonical(self):
        """Whether the numbers of electrons of either spin are fixed."""
        return self.mu is None

    @property
    def filling(self):
        """Fixed numbers of electrons of spin up and down, None in the grand canonical ensemble."""
        return (self.n_up, self.n_down) if self.is_canonical else None

    @property
    def fillings(self):
        """All numbers of electrons of spin up and down that the ensemble holds, a tuple of pairs."""
        numbers = range(self.n_levels + 1)
        return (self.filling,) if self.is_canonical else tuple(itertools.product(numbers, numbers))

    def site_of(self, units):
        """Return the lattice sites of units."""
        return np.asarray(units) % self.n_levels // self.n_orbitals

    def on_units(self, site_permutations):
        """Return permutations (order, n_lattice_sites) of the lattice sites as those of units, (order, n_sites) intp.

        Both spins and all orbitals of a site move with it.
        """
        images = np.atleast_2d(site_permutations)[:, :, None] * self.n_orbitals + np.arange(self.n_orbitals)
        images = images.reshape(len(images), self.n_levels)
        return np.concatenate([images, images + self.n_levels], axis=1).astype(np.intp)

    def connected_orbitals(self):
        """Return which orbitals hops and pairs of hops connect, directly or over others, (n_levels, n_levels) bool."""
        m = self.n_levels
        links = np.concatenate([self.exchange_sites, self.hop2_sites.reshape(-1, 2)]).T % m
        labels = _components(links, m)
        return labels[:, None] == labels

    def orbital_groups(self):
        """Return the group of every orbital, (n_levels,) intp: single hops stay inside, pairs of hops go between two.

        One group without pairs of hops.
        """
        m = self.n_levels
        if not len(self.hop2_sites):
            return np.zeros(m, dtype=np.intp)
        a, b, c, d = self.hop2_sites.T % m
        crossed = np.sort([a, b], axis=0) != np.sort([c, d], axis=0)  # then all four are one group
        links = [self.exchange_sites.T % m, *(np.stack([a, other])[:, crossed.any(axis=0)] for other in (b, c, d))]
        return _components(np.concatenate(links, axis=1), m)

    def orbital_colours(self):
        """Return a colour, 0 or 1, of every orbital that hops keep and pairs of hops change for both electrons.

        None where there is no such colour: three orbitals that exchange with each other have none.
        """
        m = self.n_levels
        hops, pairs = self.exchange_sites.T % m, self.hop2_sites.reshape(-1, 2).T % m
        # orbital p of colour k is number p + k m
        links = [hops, hops + m, pairs + [[0], [m]], pairs + [[m], [0]]]
        labels = _components(np.concatenate(links, axis=1), 2 * m).reshape(2, m)
        if np.any(labels[0] == labels[1]):
            return None
        return (labels[0] > labels[1]).astype(np.intp)

    @property
    def shares_determinants(self):
        """Whether both spins may share the parameters of their determinants, see `BackflowDeterminant`."""
        has_colours = bool((self.hop2_element >= 0).all()) and self.orbital_colours() is not None
        return self.spin_exchange_symmetric and (has_colours or bool((self.hop2_element <= 0).all()))

    def keeps_pairs_of_hops(self, permutation):
        """Return whether a permutation of the units (n_sites,) maps the terms `hop2_sites` onto themselves."""

        def terms(sites):
            hops = np.sort(sites.reshape(-1, 2, 2), axis=2)  # c+_a c_b + h.c. has no direction
            first = hops[:, :, 0].argmin(axis=1)  # nor do the two hops have an order
            hops = np.where(first[:, None, None] == 0, hops, hops[:, ::-1])
            rows = zip(hops.reshape(-1, 4).tolist(), np.round(self.hop2_element, 12).tolist(), strict=True)
            return sorted((*row, element) for row, element in rows)

        return terms(np.asarray(permutation)[self.hop2_sites]) == terms(self.hop2_sites)

    def site_graph(self):
        """Return a `SpinModel` on the lattice sites with the terms of all units: it has every symmetry of the lattice.

        It does not tell orbitals and spins apart, so that it may have more; its spectrum means nothing.
        """
        diagonal = self.site_of(self.pair_sites), self.pair_coupling
        hops = self.site_of(self.exchange_sites), self.exchange_element, self.exchange_shell
        graph = SpinModel.of_terms(self.kind, self.n_lattice_sites, 0.5, pairs=diagonal, exchange=hops)
        energies = np.bincount(self.site_of(np.arange(self.n_sites)), weights=self.site_field)
        return replace(graph, site_field=energies)

    # ---- what the machinery of spins asks --------------------------------------------------------------------------

    @property
    def flip_sites(self):
        """Return (0,) intp: no term changes one unit alone."""
        return np.zeros(0, dtype=np.intp)

    @property
    def parallel_sites(self):
        """Return (0, 2) intp: numbers of electrons of either spin are conserved."""
        return np.zeros((0, 2), dtype=np.intp)

    @property
    def conditional_sites(self):
        """Return (0, 2) intp: no site is flipped alone."""
        return np.zeros((0, 2), dtype=np.intp)

    @property
    def conditional_element(self):
        """Return (0,) float64, see `conditional_sites`."""
        return np.zeros(0)

    @property
    def parallel_element(self):
        """Return (0,) float64, see `parallel_sites`."""
        return np.zeros(0)

    @property
    def flip_element(self):
        """Return (0,) float64, see `flip_sites`."""
        return np.zeros(0)

    @property
    def off_diagonal_elements(self):
        """Elements of the off-diagonal terms, (n_terms,): hops, then pairs of hops."""
        return np.concatenate([self.exchange_element, self.hop2_element])

    @property
    def sublattice(self):
        """None: no rule of signs in this basis, see docs/theory/electrons.md."""
        return None

    @property
    def conserves_sz(self):
        """Whether H conserves the number of occupied units: always."""
        return True

    @property
    def has_exchange(self):
        """Whether electrons hop."""
        return len(self.exchange_sites) > 0

    @property
    def spin_flip_symmetric(self):
        """Whether H commutes with the change of sign of all units, which would make particles holes: not used."""
        return False

    @property
    def spin_exchange_symmetric(self):
        """Whether the ensemble stays the same when spin up and spin down are exchanged."""
        m = self.n_levels
        return self.n_up == self.n_down and bool(np.array_equal(self.site_field[:m], self.site_field[m:]))

    @property
    def largest_coupling(self):
        """The largest hopping, repulsion or exchange as the input states them: the unit of beta."""
        parts = 4 * np.abs(self.pair_coupling), np.abs(self.exchange_element), np.abs(self.hop2_element)
        return float(np.concatenate(parts).max(initial=0.0))

    @property
    def energy_scale(self):
        """The largest coupling, or orbital energy that counts: how fast the thermal state changes with beta.

        In a canonical ensemble an energy that is the same for all orbitals of one spin changes nothing.
        """
        energies = 2 * self.site_field.reshape(2, -1)
        if self.is_canonical:
            energies = energies - energies.mean(axis=1, keepdims=True)
        return max(self.largest_coupling, float(np.abs(energies).max()))


def _components(links, n):
    """Return the connected component of every one of n nodes under links (2, n_links), (n,) intp."""
    return connected_components(coo_array((np.ones(links.shape[1]), tuple(links)), shape=(n, n)), directed=False)[
        1
    ].astype(np.intp)


def _merged(sites, strengths):
    """Return pairs of units p < q, each once and in order, with the sums of their strengths; zeros left out."""
    pairs, place = np.unique(np.sort(sites.reshape(-1, 2), axis=1), axis=0, return_inverse=True)
    sums = np.bincount(place.ravel(), weights=strengths, minlength=len(pairs))
    return pairs[sums != 0].astype(np.intp), sums[sums != 0]
