"""Hamiltonians of electrons of other programs: the terms that were read, and the input that means the same.

H = -sum_ij,s t_ij c+_is c_js + sum_i (e_i n_i - h_i Sz_i) + sum_i U_i n_iu n_id + sum_i<j [ V_ij n_i n_j
    - J^H_ij (n_iu n_ju + n_id n_jd) + J^E_ij (c+_iu c_ju c+_jd c_id + h.c.) + J^P_ij (c+_iu c_ju c+_id c_jd + h.c.) ],

i and j orbitals, which those programs call sites.
"""

from hpc_nqs.hamiltonians import Hubbard, Kanamori
from hpc_nqs.hamiltonians.parameter import MAX_SHELLS
from hpc_nqs.importers.spin_terms import TOLERANCE, as_regular, written
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.settings.parsing import SettingsError

PAIR_TERMS = ("repulsion", "hund", "exchange", "pair_hopping")


class ElectronTerms:
    """The terms of one Hamiltonian, as they were read.

    Attributes
    ----------
    n_sites : int
        Orbitals.
    hopping : dict of (int, int): float
        t of the pairs i < j, summed over everything that names the pair.
    repulsion, hund, exchange, pair_hopping : dict of (int, int): float
        V, J^H, J^E and J^P of the pairs i < j, summed alike.
    energies, fields, on_site : list of float
        e_i, h_i and U_i.
    filling : dict
        {"n_up": int, "n_down": int}; empty for the grand canonical ensemble, whose chemical potential is in `energies`.
    regular : (str, tuple of int) or None
        Kind and lengths of the lattice of this program that has the same sites in the same order.
    """

    def __init__(self, n_sites, regular=None):
        self.n_sites, self.regular = n_sites, regular
        self.hopping = {}
        self.repulsion, self.hund, self.exchange, self.pair_hopping = {}, {}, {}, {}
        self.energies, self.fields, self.on_site = [0.0] * n_sites, [0.0] * n_sites, [0.0] * n_sites
        self.filling = {}

    def add(self, name, i, j, value):
        """Add a value to one of the terms of pairs of two different orbitals."""
        pairs = getattr(self, name)
        pair = min(i, j), max(i, j)
        pairs[pair] = pairs.get(pair, 0.0) + value

    @property
    def scale(self):
        """The largest energy that is no energy of an orbital."""
        pairs = (self.hopping, *(getattr(self, name) for name in PAIR_TERMS))
        values = [value for part in pairs for value in part.values()] + self.on_site
        return max(map(abs, values), default=0.0)


def filling_of(n_electrons, twice_sz, n_levels, name, name_sz, problems):
    """Return {"n_up", "n_down"} of a number of electrons and 2 Sz; empty with a problem where there is no such state.

    Parameters
    ----------
    n_electrons, twice_sz : int or None
    n_levels : int
        Orbitals.
    name, name_sz : str
        What the numbers are called.
    problems : list of str
        Added to *in place*.
    """
    for key, value in ((name, n_electrons), (name_sz, twice_sz)):
        if value is None:
            problems.append(f"{key} is missing: the canonical ensemble needs {name} and {name_sz}")
    if n_electrons is None or twice_sz is None:
        return {}
    n_up, odd = divmod(n_electrons + twice_sz, 2)
    n_down = n_electrons - n_up
    if odd or not 0 <= n_up <= n_levels or not 0 <= n_down <= n_levels:
        problems.append(f"{name} = {n_electrons}, {name_sz} = {twice_sz}: no such state on {n_levels} sites")
    return {"n_up": n_up, "n_down": n_down}


def input_text(terms, remarks, temperatures=()):
    """Return the TOML input of `ElectronTerms`; parameters and errors as `spin_terms.input_text`."""
    tables, own_remarks = tables_of(terms)
    return written(tables, remarks + own_remarks, temperatures, max(map(abs, terms.hopping.values())))


def tables_of(terms):
    """Return (the sections lattice and model of the terms, remarks for the reader)."""
    negligible = TOLERANCE * terms.scale
    for name in ("hopping", *PAIR_TERMS):
        setattr(terms, name, {pair: x for pair, x in sorted(getattr(terms, name).items()) if abs(x) > negligible})
    if not terms.hopping:
        raise SettingsError(["no hopping between different sites was found"])
    problems = []
    if terms.hund or terms.exchange or terms.pair_hopping:
        tables, remarks = _kanamori(terms, negligible, problems)
    else:
        tables, remarks = _hubbard(terms, negligible, problems)
    if problems:
        raise SettingsError(list(dict.fromkeys(problems)))
    return tables, remarks


def _uniform(values, negligible, what, problems):
    """Return the value that all have; a problem where they differ."""
    values = list(values)
    if not values:
        return 0.0
    if max(values) - min(values) > max(negligible, TOLERANCE * max(map(abs, values))):
        problems.append(f"{what} differs between sites ({min(values):g} to {max(values):g}): it must be uniform")
    return values[0]


def _hubbard(terms, negligible, problems):
    """Return the sections of one orbital per site."""
    values = {"U": _uniform(terms.on_site, negligible, "the repulsion U", problems)}
    values["V"] = _uniform(terms.repulsion.values(), negligible, "the repulsion V", problems)
    energy = _uniform(terms.energies, negligible, "the energy of a site, or mu,", problems)
    if problems:
        return {}, []
    lattice, hopping, remarks = _lattice(terms, set(terms.repulsion), terms.hopping, terms.n_sites, problems)
    values |= _common(terms, negligible, energy, remarks, problems)
    model = {"kind": Hubbard.word} | ({"hopping": hopping} if hopping else {}) | values
    return {"lattice": lattice, "model": model}, remarks


def _common(terms, negligible, energy, remarks, problems):
    """Return the field and the filling as keys of [model]; `energy` is that of an orbital."""
    field = _uniform(terms.fields, negligible, "the field h", problems)
    if not terms.filling:
        return {"field_z": field, "mu": 0.0 - energy}
    if abs(energy) > negligible:
        total = energy * sum(terms.filling.values())
        remarks.append(f"The energy {energy:g} of every site is left out: add {total:.10g} to totals to compare.")
    return {"field_z": field} | terms.filling


def _lattice(terms, neighbours, hopping, n_sites, problems):
    """Return ([lattice] table, hopping of the shells or [] where bonds have their own, remarks).

    Parameters
    ----------
    neighbours : set of (int, int)
        Pairs with a repulsion, which have to be the nearest neighbours.
    hopping : dict of (int, int): float
    """
    lattice, shells = as_regular(terms.regular, hopping, MAX_SHELLS)
    if lattice is not None and (not neighbours or neighbours == _nearest(lattice)):
        return lattice, shells, []
    remark = "The bonds are listed one by one: they are not shells of neighbours of a lattice of this program."
    if not neighbours:
        lattice = {"kind": "custom", "bonds": [[i, j, float(t)] for (i, j), t in hopping.items()]}
        shells = []
    else:
        values = [{hopping.get(pair, 0.0) for pair in neighbours}]
        values += [{t} for t in sorted({t for pair, t in hopping.items() if pair not in neighbours})]
        if len(values[0]) > 1 or len(values) > MAX_SHELLS:
            problems.append(
                "V between sites: available are one V for bonds of one hopping, and two other values of the hopping"
            )
            return {}, [], []
        shells = [next(iter(found)) for found in values]
        pairs = {pair: 1 for pair in neighbours}
        pairs |= {pair: 1 + shells.index(t, 1) for pair, t in hopping.items() if pair not in neighbours}
        lattice = {"kind": "custom", "bonds": [[i, j, shell] for (i, j), shell in sorted(pairs.items())]}
    bonded = {site for i, j, _ in lattice["bonds"] for site in (i, j)}
    if len(bonded) < n_sites:
        lattice["n_sites"] = n_sites
    return lattice, shells, [remark]


def _nearest(table):
    """Return the nearest neighbours of the lattice of a [lattice] table, a set of (i, j)."""
    return {tuple(bond) for bond in lattices.build(table["kind"], table["lengths"]).bonds(1).tolist()}


def _kanamori(terms, negligible, problems):
    """Return the sections of sites of several orbitals: groups that exchange connects."""
    groups = _groups(terms)
    n = len(groups[0])
    if any(group != list(range(group[0], group[0] + n)) for group in groups):
        problems.append(
            "Hund, Exchange and PairHop have to connect orbitals of sites: the same number of consecutive numbers each"
        )
        return {}, []
    place = {orbital: (site, a) for site, group in enumerate(groups) for a, orbital in enumerate(group)}
    inside = [(group[a], group[b]) for group in groups for a in range(n) for b in range(a + 1, n)]
    of_pair = {}
    for name in PAIR_TERMS:
        found = [getattr(terms, name).get(pair, 0.0) for pair in inside]
        of_pair[name] = _uniform(found, negligible, f"{name} of two orbitals", problems)
    if set(terms.repulsion) - set(inside):
        problems.append("CoulombInter between sites: not available with several orbitals on a site")
    hund = of_pair["hund"]
    exchanges = abs(of_pair["exchange"] - hund) <= negligible and abs(of_pair["pair_hopping"] - hund) <= negligible
    if not exchanges and (of_pair["exchange"] or of_pair["pair_hopping"]):
        problems.append(
            f"Hund = {hund:g}, Exchange = {of_pair['exchange']:g}, PairHop = {of_pair['pair_hopping']:g}: available "
            "are three equal ones, or Hund alone"
        )
    values = {
        "n_orbitals": n,
        "U": _uniform(terms.on_site, negligible, "the repulsion U", problems),
        "U_prime": of_pair["repulsion"],
        "J_hund": hund,
        "spin_flip": exchanges,
        "pair_hopping": exchanges,
    }
    what = "the energy of an orbital, or mu,"
    levels = [_uniform(terms.energies[a::n], negligible, what, problems) for a in range(n)]
    hopping = _site_hopping(terms, place, n, negligible, problems)
    if problems:
        return {}, []
    terms.regular = None  # it numbers orbitals
    lattice, shells, remarks = _lattice(terms, set(), hopping, len(groups), problems)
    mean = 0.0 if terms.filling else sum(levels) / n
    if max(abs(level - mean) for level in levels) > negligible:
        values["crystal_field"] = [level - mean for level in levels]
    values |= _common(terms, negligible, mean, remarks, problems)
    model = {"kind": Kanamori.word} | ({"hopping": shells} if shells else {}) | values
    return {"lattice": lattice, "model": model}, remarks


def _groups(terms):
    """Return the sorted lists of orbitals that Hund, Exchange and PairHop connect, in order of their first ones."""
    label = list(range(terms.n_sites))
    for i, j in sorted({**terms.hund, **terms.exchange, **terms.pair_hopping}):
        low, high = sorted((label[i], label[j]))
        label = [low if each == high else each for each in label]
    return [[i for i in range(terms.n_sites) if label[i] == first] for first in sorted(set(label))]


def _site_hopping(terms, place, n_orbitals, negligible, problems):
    """Return t of the pairs of sites, the same for every orbital; problems for hopping between different orbitals."""
    found = {}
    for (i, j), t in terms.hopping.items():
        (first, a), (second, b) = place[i], place[j]
        if a != b or first == second:
            problems.append("hopping between different orbitals is not available")
            return {}
        found.setdefault((first, second), []).append(t)
    if any(len(values) != n_orbitals or max(values) - min(values) > negligible for values in found.values()):
        problems.append("hopping that differs between orbitals is not available")
    return {pair: values[0] for pair, values in found.items()}
