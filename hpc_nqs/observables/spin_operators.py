"""The operators of the section [observables] beyond Sz Sz: energies of terms, dimers, chiralities, one's own."""

from functools import partial

import numpy as np

from hpc_nqs.hamiltonians import MODELS, build_model
from hpc_nqs.hamiltonians.parameter import CELL_BONDS, PLACES
from hpc_nqs.lattices.lattice import wave_vector_key
from hpc_nqs.observables import pauli_sums
from hpc_nqs.observables.pauli_sums import PauliSum
from hpc_nqs.observables.plaquettes import bonds_by_kind, pairs_of, triangles_by_kind
from hpc_nqs.observables.site_operators import Entry, SiteOperators

BONDS = "bonds"  # key of the bonds of a custom lattice with couplings of their own


class _List:
    """Operators and entries that grow together."""

    def __init__(self):
        self.sums, self.entries = [], []

    def add(self, operator):
        """Add an operator; return its number."""
        self.sums.append(operator.hermitian())
        return len(self.sums) - 1

    def add_mean(self, name, key, operator):
        """Add an operator whose mean is an entry."""
        self.entries.append(Entry(name, key, (self.add(operator),)))


def build_operators(settings, lattice, of_thermal_states=True):
    """Return the `SiteOperators` that an input of spins asks for, None where it asks for none.

    In the basis of the input; `SiteOperators.arrays` rotates them.

    Parameters
    ----------
    settings : Settings
    lattice : Lattice
    of_thermal_states : bool
        What vanishes in thermal states by symmetry is left out; ground states of a sector may have less symmetry.
    """
    asked, found = settings.observables, _List()
    keywords = settings.model.keywords()
    model = build_model(lattice, **keywords)
    if asked.energy_terms:
        for key, operator in energy_terms(lattice, settings.model.kind, keywords).items():
            found.add_mean("energy_terms", key, (1 / model.n_sites) * operator)
        if not model.conserves_sz:
            of_x = PauliSum.total(PauliSum.product((i,), "x") for i in range(model.n_sites))
            found.add_mean("magnetization_x", "", (1 / model.n_sites) * of_x)
    if asked.dimers:
        _add_dimers(found, lattice, model)
    if asked.chirality:
        _add_chiralities(found, lattice, model, asked.structure_factor)
    for each in asked.operators:
        terms = (PauliSum.product(term.sites, term.ops, term.coefficient) for term in each.terms)
        found.add_mean("operators", each.name, PauliSum.total(terms))
    if not found.sums:
        return None
    operators = SiteOperators(tuple(found.sums), tuple(found.entries), model.n_sites)
    return operators.symmetrized(model) if of_thermal_states else operators


# ---- terms of H ----------------------------------------------------------------------------------------------------


def energy_terms(lattice, word, keywords):
    """Return {key: PauliSum}, totals, of every coupling and field of an input: their sum is H.

    Parameters
    ----------
    lattice : Lattice
    word : str
        Of the model.
    keywords : dict
        As `ModelSettings.keywords` returns it.

    Returns
    -------
    dict
        Keys are the letters of the parameters: J1 and J2 of shells, J(1,0) of an entry of `cell_bonds`, h, Gamma.
    """
    of_energy = [each for each in MODELS[word].parameters if each.unit == "energy"]
    nothing = keywords | {each.name: _nothing(each, keywords[each.name]) for each in of_energy}
    base = pauli_sums.of_model(build_model(lattice, **nothing))
    found = {BONDS: base} if base.terms else {}
    for parameter in of_energy:
        for key, value in _parts(parameter, keywords[parameter.name]):
            alone = build_model(lattice, **nothing | {parameter.name: value})
            operator = pauli_sums.of_model(alone) - base
            if operator.terms:
                found[key] = found[key] + operator if key in found else operator
    return found


def _nothing(parameter, value):
    """Return the value of a parameter without any strength."""
    if not parameter.is_list:
        return 0.0
    return () if parameter.kind in PLACES else tuple(0.0 for _ in value)


def _parts(parameter, value):
    """Yield (key, value) of a parameter with one of its numbers or entries alone."""
    if not parameter.is_list or parameter.name.startswith("site_fields"):
        yield parameter.name if parameter.is_list else parameter.symbol, value
    elif parameter.kind in PLACES:
        named = parameter.marks(value) if parameter.kind == CELL_BONDS else None
        for number, entry in enumerate(value):
            yield named[number] if named else f"{parameter.name} {number + 1}", (entry,)
    else:
        for number, (mark, number_of) in enumerate(zip(parameter.marks(value), value, strict=True)):
            yield mark, tuple(number_of if k == number else 0.0 for k in range(len(value)))


# ---- correlations of bonds and triangles ---------------------------------------------------------------------------


def _add_dimers(found, lattice, model):
    """Add <(S_i.S_j)(S_k.S_l)> - <S_i.S_j><S_k.S_l> by kinds and displacement of the bonds."""
    kinds = bonds_by_kind(lattice, model)
    singles = [found.add(_mean([pauli_sums.dot(*bond) for bond in bonds])) for bonds in kinds]
    for pair in pairs_of(lattice, kinds):
        both = pauli_sums.dot(*pair.first) @ pauli_sums.dot(*pair.second)
        columns = found.add(both), *(singles[kind] for kind in pair.kinds)
        found.entries.append(Entry("dimer_correlation", pair.key, columns, _connected))


def _connected(means):
    return means[:, 0] - means[:, 1] * means[:, 2]


def _add_chiralities(found, lattice, model, wave_vectors):
    """Add <chi_a chi_b> by kinds and displacement of triangles, and (1/N_t) sum_ab e^{iq(R_a - R_b)} <chi_a chi_b>."""
    kinds = triangles_by_kind(lattice, model)
    pairs, n_triangles = pairs_of(lattice, kinds), sum(map(len, kinds))
    columns = [found.add(pauli_sums.triple(*pair.first) @ pauli_sums.triple(*pair.second)) for pair in pairs]
    found.entries += [
        Entry("chirality_correlation", pair.key, (column,)) for pair, column in zip(pairs, columns, strict=True)
    ]
    shares = np.array([pair.weight for pair in pairs]) / n_triangles
    apart = np.array([pair.displacement for pair in pairs])
    for q in dict.fromkeys([(0.0, 0.0), *(tuple(q) for q in wave_vectors)]):
        weights = shares * np.cos(np.pi * (apart @ np.asarray(q)[: apart.shape[1]]))
        factor = partial(_combined, weights=weights)
        found.entries.append(Entry("chirality_structure_factor", wave_vector_key(q), tuple(columns), factor))


def _combined(means, weights):
    return means @ weights


def _mean(operators):
    """Return the mean of operators."""
    return PauliSum.total((1 / len(operators)) * operator for operator in operators)
