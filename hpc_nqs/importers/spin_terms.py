"""Spin Hamiltonians of other programs: the terms that were read, and the input of this program that means the same.

H = sum_pairs sum_ab J^ab S^a_i S^b_j - sum_i sum_a h^a_i S^a_i + constant,   S = sigma/2.
"""

import math

import numpy as np

from hpc_nqs.hamiltonians import MODELS
from hpc_nqs.hamiltonians.cell_bonds import entry_pairs
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
    pairs : dict of (int, int): (3, 3) float64
        J^ab of the pairs i < j, summed over everything that names the pair.
    fields : dict of str: list of float
        "x", "y", "z" to the h^a_i of all sites.
    constant : float
        Energy that multiplies the identity.
    regular : (str, tuple of int) or None
        Kind and lengths of the lattice of this program that has the same sites in the same order.
    cell_bonds : list of (int, int, int, int, (3, 3) float64)
        R1, R2, a, b, J of what couples spin a of every cell of this lattice to spin b of the cell R away; none where
        only the pairs are known.
    """

    def __init__(self, n_sites, regular=None):
        self.n_sites, self.regular = n_sites, regular
        self.pairs, self.cell_bonds = {}, []
        self.fields = {axis: [0.0] * n_sites for axis in ("x", "y", "z")}
        self.constant = 0.0

    def add_pair(self, i, j, matrix):
        """Add the coupling J^ab S^a_i S^b_j of two different sites, (3, 3)."""
        matrix = np.asarray(matrix, dtype=np.float64)
        i, j, matrix = (i, j, matrix) if i < j else (j, i, matrix.T)
        self.pairs[i, j] = self.pairs.get((i, j), 0.0) + matrix


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
    largest = float(max(np.abs(matrix).max() for matrix in terms.pairs.values()))
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
    scale = max((float(np.abs(matrix).max()) for matrix in terms.pairs.values()), default=0.0)
    if not scale:
        raise SettingsError(["no couplings between spins were found"])
    pairs = {sites: _clean(matrix, scale) for sites, matrix in sorted(terms.pairs.items())}
    pairs = {sites: matrix for sites, matrix in pairs.items() if np.any(matrix)}
    rows = {sites: tuple(map(tuple, matrix.tolist())) for sites, matrix in pairs.items()}
    largest_field = max(map(abs, sum(terms.fields.values(), [])), default=0.0)
    fields = {axis: tuple(_clean(values, largest_field).tolist()) for axis, values in terms.fields.items()}
    model, match = _matching_model(BondTerms(rows, fields, TOLERANCE * scale))
    if match.problems:
        raise SettingsError(match.problems)
    remarks = []
    if abs(terms.constant) > TOLERANCE * max(scale, 1.0) * terms.n_sites:
        remarks.append(
            f"The constant {terms.constant / terms.n_sites:.10g} per site is left out: add it to energies to compare."
        )
    remarks += match.remarks
    tables = _of_shells(terms.regular, pairs, model) or _of_cells(terms, pairs, model, scale)
    lattice, couplings, own_remarks = tables or _of_pairs(terms.n_sites, pairs, model)
    remarks += own_remarks
    values = match.values | couplings
    named = {parameter.name: values[parameter.name] for parameter in model.parameters if parameter.name in values}
    return {"lattice": lattice, "model": {"kind": model.word} | named}, remarks


def _clean(numbers, scale):
    """Return numbers as float64 with 0 in place of what is nothing but rounding beside `scale`."""
    numbers = np.asarray(numbers, dtype=np.float64)
    return np.where(np.abs(numbers) <= TOLERANCE * scale, 0.0, numbers)


def _matching_model(terms):
    """Return (model, its `Match`) of `BondTerms`: the first that says the same, else the first with its problems.

    Models of general couplings, which list single bonds themselves, come last.
    """
    ordered = sorted(MODELS.values(), key=lambda model: bool(model.site_key))
    matches = [(model, model.match(terms)) for model in ordered]
    matches = [(model, match) for model, match in matches if match is not None]
    if not matches:
        raise SettingsError([f"the couplings are those of no model here; there are {', '.join(MODELS)}"])
    return next((found for found in matches if not found[1].problems), matches[0])


def _shell_keys(model):
    return model.shell_keys or (model.bond_parameter().name,)


def _of_shells(regular, pairs, model):
    """Return what `_of_pairs` does with couplings of shells of a regular lattice; None where they are no such."""
    keys, values, lattice = _shell_keys(model), {}, None
    numbers = {sites: model.bond_numbers(matrix.tolist()) for sites, matrix in pairs.items()}
    if any(len(each) != len(keys) for each in numbers.values()):
        return None
    is_list = model.bond_parameter().is_list
    for place, key in enumerate(keys):
        strengths = {sites: each[place] for sites, each in numbers.items() if each[place]}
        found, couplings = as_regular(regular, strengths, MAX_SHELLS if is_list else 1) if strengths else ({}, [0.0])
        if found is None:
            return None
        lattice, values[key] = found or lattice, couplings if is_list else couplings[0]
    return lattice, values, []


def _of_cells(terms, pairs, model, scale):
    """Return what `_of_pairs` does with bonds that repeat in every cell of a regular lattice; None for others."""
    if not (terms.regular and terms.cell_bonds and model.cell_key):
        return None
    kind, lengths = terms.regular
    of_entries = next(each.kind for each in model.parameters if each.name == model.cell_key)
    entries = {}
    for *places, matrix in terms.cell_bonds:
        entries[*places, *model.bond_numbers(_clean(matrix, scale).tolist())] = matrix
    try:
        reached = entry_pairs(lattices.build(kind, lengths), list(entries), model.cell_key, of_entries)
    except ValueError:  # no such lattice here, or an entry given twice
        return None
    rebuilt = SpinTerms(terms.n_sites)
    for bonds, matrix in zip(reached, entries.values(), strict=True):
        for i, j in bonds.tolist():
            rebuilt.add_pair(i, j, matrix)
    for sites in rebuilt.pairs.keys() | pairs.keys():
        if np.abs(rebuilt.pairs.get(sites, 0.0) - pairs.get(sites, np.zeros((3, 3)))).max() > TOLERANCE * scale:
            return None
    values = {key: [0.0] for key in _shell_keys(model)} | {model.cell_key: [list(entry) for entry in entries]}
    return {"kind": kind, "lengths": list(lengths)}, values, []


def _of_pairs(n_sites, pairs, model):
    """Return ([lattice] table, {key of the model: its couplings}, remarks), here of bonds listed one by one."""
    numbers = {sites: model.bond_numbers(matrix.tolist()) for sites, matrix in pairs.items()}
    values = {}
    if model.site_key:
        bonds = [[i, j, 0.0] for i, j in numbers]
        values[model.site_key] = [[i, j, *each] for (i, j), each in numbers.items()]
    else:
        bonds = [[i, j, *each] for (i, j), each in numbers.items()]
    lattice, remarks = {"kind": "custom", "bonds": bonds}, []
    free = sorted(set(range(n_sites)) - {site for sites in numbers for site in sites})
    if free:
        lattice["n_sites"] = n_sites
        remarks.append(f"Sites without bonds, which count in averages per site: {', '.join(map(str, free))}.")
    remarks.append("The bonds are listed one by one: they are not shells of neighbours with one coupling each.")
    return lattice, values, remarks


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
