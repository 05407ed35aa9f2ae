"""Spin Hamiltonians of other programs: the terms that were read, and the input of this program that means the same.

H = sum_pairs [ jxy (SxSx + SySy) + jz SzSz ] - sum_i [ h_i Sz_i + gamma_i Sx_i ] + constant,   S = sigma/2.
"""

import math

from hpc_nqs.hamiltonians import MODELS
from hpc_nqs.hamiltonians.model import BondTerms
from hpc_nqs.hamiltonians.parameter import MAX_SHELLS
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.settings.parsing import SettingsError, parse_settings
from hpc_nqs.settings.system import validate
from hpc_nqs.settings.toml_text import format_tables

TOLERANCE = 1e-12  # of couplings, relative to the largest
TEMPERATURES = (2.0, 1.0, 0.7, 0.5, 0.35, 0.25)  # in units of the largest coupling
LINE_WIDTH = 100


class SpinTerms:
    """The terms of one Hamiltonian, as they were read.

    Attributes
    ----------
    n_sites : int
    pairs : dict of (int, int): [float, float]
        jxy and jz of the pairs i < j, summed over everything that names the pair.
    field_z, field_x : list of float
        h_i and gamma_i.
    constant : float
        Energy that multiplies the identity.
    regular : (str, tuple of int) or None
        Kind and lengths of the lattice of this program that has the same sites in the same order.
    """

    def __init__(self, n_sites, regular=None):
        self.n_sites, self.regular = n_sites, regular
        self.pairs = {}
        self.field_z, self.field_x = [0.0] * n_sites, [0.0] * n_sites
        self.constant = 0.0

    def add_pair(self, i, j, jxy, jz):
        """Add a coupling between two different sites."""
        pair = self.pairs.setdefault((min(i, j), max(i, j)), [0.0, 0.0])
        pair[0] += jxy
        pair[1] += jz


def input_text(terms, remarks, temperatures=()):
    """Return the TOML input of the terms.

    Parameters
    ----------
    terms : SpinTerms
    remarks : list of str
        Sentences for the comment at its head.
    temperatures : sequence of float
        Of the results, in the unit of the couplings; by default a list scaled with the largest coupling.

    Raises
    ------
    SettingsError
        When this program has no such model; names every reason.
    """
    tables, own_remarks = tables_of(terms)
    largest = max(abs(value) for pair in terms.pairs.values() for value in pair)
    return written(tables, remarks + own_remarks, temperatures, largest)


def written(tables, remarks, temperatures, largest):
    """Return the TOML text of the sections lattice and model with temperatures; see `input_text`.

    Parameters
    ----------
    tables : dict
        The two sections.
    remarks, temperatures
        As in `input_text`.
    largest : float
        The unit of the temperatures that are not given.
    """
    chosen = temperatures or [float(f"{value * largest:.6g}") for value in TEMPERATURES]
    tables["thermal"] = {"temperatures": list(chosen)}
    settings = parse_settings(tables)
    problems = validate(settings)
    if problems:
        raise SettingsError(problems)
    lines = [line for remark in remarks for line in _comment(remark)]
    return "\n".join([*lines, "", format_tables(tables)]) if lines else format_tables(tables)


def tables_of(terms):
    """Return (the sections lattice and model of the terms, remarks for the reader); see `input_text`."""
    scale = max((abs(value) for pair in terms.pairs.values() for value in pair), default=0.0)
    pairs = {
        sites: couplings
        for sites, couplings in sorted(terms.pairs.items())
        if max(map(abs, couplings)) > TOLERANCE * scale
    }
    problems = [] if pairs else ["no couplings between spins were found"]
    problems += _uneven("longitudinal", "h", terms.field_z) + _uneven("transverse", "Gamma", terms.field_x)
    h, gamma = (fields[0] if fields else 0.0 for fields in (terms.field_z, terms.field_x))
    if not pairs:
        raise SettingsError(problems)
    model, match = _matching_model(BondTerms(pairs, h, gamma, TOLERANCE * scale))
    if problems + match.problems:
        raise SettingsError(problems + match.problems)
    remarks = []
    if abs(terms.constant) > TOLERANCE * max(scale, 1.0) * terms.n_sites:
        remarks.append(
            f"The constant {terms.constant / terms.n_sites:.10g} per site is left out: add it to energies to compare."
        )
    remarks += match.remarks
    of_bonds, values = model.bond_parameter(), dict(match.values)
    lattice, couplings = as_regular(terms.regular, match.strengths, MAX_SHELLS if of_bonds.is_list else 1)
    if lattice is None:
        lattice = {"kind": "custom", "bonds": [[i, j, float(value)] for (i, j), value in match.strengths.items()]}
        free = sorted(set(range(terms.n_sites)) - {site for sites in match.strengths for site in sites})
        if free:
            lattice["n_sites"] = terms.n_sites
            remarks.append(f"Sites without bonds, which count in averages per site: {', '.join(map(str, free))}.")
        remarks.append("The bonds are listed one by one: they are not shells of neighbours with one coupling each.")
    else:
        values[of_bonds.name] = couplings if of_bonds.is_list else couplings[0]
    named = {parameter.name: values[parameter.name] for parameter in model.parameters if parameter.name in values}
    return {"lattice": lattice, "model": {"kind": model.word} | named}, remarks


def _matching_model(terms):
    """Return (model, its `Match`) of `BondTerms`: the first that says the same, else the first with its problems."""
    matches = [(model, model.match(terms)) for model in MODELS.values()]
    matches = [(model, match) for model, match in matches if match is not None]
    if not matches:
        raise SettingsError([f"the couplings are those of no model here; there are {', '.join(MODELS)}"])
    return next((found for found in matches if not found[1].problems), matches[0])


def _uneven(name, symbol, fields):
    if fields and max(fields) - min(fields) > TOLERANCE * max(map(abs, fields)):
        found = f"{min(fields):g} to {max(fields):g}"
        return [f"the {name} field {symbol} differs between sites ({found}): it must be uniform"]
    return []


def as_regular(regular, strengths, n_shells):
    """Return ([lattice] table, couplings of the shells) when the bonds are those of a regular lattice, else None."""
    if regular is None:
        return None, []
    kind, lengths = regular
    try:
        lattice = lattices.build(kind, lengths)
    except ValueError:
        return None, []
    couplings, rebuilt = [], {}
    for shell in range(1, n_shells + 1):
        try:
            bonds = [tuple(bond) for bond in lattice.bonds(shell).tolist()]
        except ValueError:  # no such shell, or it wraps onto nearer sites
            couplings.append(0.0)
            continue
        couplings.append(strengths.get(bonds[0], 0.0))
        rebuilt |= {bond: couplings[-1] for bond in bonds if couplings[-1]}
    scale = max(map(abs, strengths.values()))
    if set(rebuilt) != set(strengths) or any(
        not math.isclose(rebuilt[bond], strengths[bond], abs_tol=TOLERANCE * scale) for bond in rebuilt
    ):
        return None, []
    while len(couplings) > 1 and not couplings[-1]:
        couplings.pop()
    return {"kind": kind, "lengths": list(lengths)}, couplings


def _comment(sentence):
    lines, line = [], "#"
    for word in sentence.split():
        if len(line) + 1 + len(word) > LINE_WIDTH and line != "#":
            lines.append(line)
            line = "#  "
        line += " " + word
    return [*lines, line]
