"""Models that RESPACK downfolds for HPhi and mVMC: `zvo_hr.dat`, `_ur.dat`, `_jr.dat`, `_dr.dat` and `_geom.dat`.

    H = sum t_Rab c+_ra c_(r+R)b + sum U_0aa n_u n_d + sum' U_Rab n_ra n_(r+R)b
        + sum' J_Rab [ -n_u n_u - n_d n_d + spin flip + pair hopping ]_(ra, (r+R)b),

sum' over pairs of different orbitals, each once (manual of HPhi, "wannier"; Nakamura et al., Comput. Phys. Commun.
261, 107781 (2021)).  The files have the form of `seedname_hr.dat`, with weights 1; t has the sign that it has in H.
The geometry holds the three lattice vectors, the number of orbitals, which may leave out the last functions, and their
centres in units of the vectors.  J of an orbital with itself means nothing and is left out.

What stands in the mean field of the bands already is taken off with the densities D of `_dr.dat` (double counting):

    hartree    e_a -= alpha U_0aa D_0aa + sum'_Rb (U_Rab - (1 - alpha) J_Rab) D_0bb
    hartree_u  the same without J
    full       hartree, and t_Rab += U_Rab D_Rab / 2 - J_Rab (D_Rab + 2 Re D_Rab) / 2.
"""

import math
from dataclasses import dataclass

from hpc_nqs.importers.expert_files import real_of
from hpc_nqs.importers.spin_terms import written
from hpc_nqs.importers.wannier90 import (
    check_hops,
    lattice_table,
    left_out_remark,
    model_table,
    pairs_of,
    read_elements,
    remarks_on_cells,
)
from hpc_nqs.settings.parsing import SettingsError

NAMES = {"hr": "hops", "ur": "repulsions", "jr": "exchanges"}
CUT_TERMS = ("hr", "ur", "jr")
DOUBLE_COUNTING = ("none", "hartree", "hartree_u", "full")
HPHI_LENGTHS = (-1.0, 0.3, 0.3)  # cutoff_length_t, _U and _J of HPhi in units of the geometry; below 0: none
SAME = 1e-9  # of interactions, relative


@dataclass(frozen=True)
class Range:
    """Which terms of the files count.

    Attributes
    ----------
    lengths : tuple of int
        Cells of the periodic lattice, one or two numbers.
    cut : float
        Elements up to this size do not.
    of_hphi : bool
        Those with R in the box of half the lattice, elements on its edges by half where the file reaches further, and
        `HPHI_LENGTHS` by default, as standard mode of HPhi and mVMC has it; else all of them.
    cut_lengths : tuple of float, optional
        Largest distances of hopping, repulsion and exchange in units of the geometry; below 0: none.
    """

    lengths: tuple
    cut: float = 0.0
    of_hphi: bool = False
    cut_lengths: tuple = ()

    def limit(self, kind):
        """Return the largest distance of one kind of terms; below 0: none."""
        default = HPHI_LENGTHS if self.of_hphi else (-1.0,) * len(CUT_TERMS)
        return (self.cut_lengths or default)[CUT_TERMS.index(kind)]

    def share(self, cell, reach):
        """Return how much of an element counts; `reach` is the largest |R| of the file in each direction."""
        share = 1.0
        for r, n, far in zip(map(abs, cell), (*self.lengths, 1, 1), reach, strict=False):
            if self.of_hphi and 2 * r > n:
                return 0.0
            share *= 0.5 if self.of_hphi and 2 * r == n < 2 * far else 1.0
        return share


def input_text(files, terms, double_counting="none", alpha=0.5, temperatures=(), filling=()):
    """Return the TOML input of the files of one model.

    Parameters
    ----------
    files : dict of str: (name, text)
        By `wannier90.by_kind`: "hr", and those of the others that are there.
    terms : Range
    double_counting : str
        One of `DOUBLE_COUNTING`.
    alpha : float
        Of the double counting, 0 to 1.
    temperatures, filling
        See `wannier90.input_text`.

    Raises
    ------
    SettingsError
        When a file is missing or damaged, files do not belong together, elements are complex or not Hermitian, lead out
        of the lattice, or around it to the same orbital.
    """
    _check_files(files, terms, double_counting, alpha)
    vectors, centres = read_geometry(files["geom"][1], files["geom"][0]) if "geom" in files else (None, None)
    n_orbitals, found = _read_all(files, centres)
    left_out, problems = {}, []
    for kind in CUT_TERMS:
        found[kind], left_out[kind] = _counting(found.get(kind, {}), terms, kind, vectors, centres)
    if double_counting != "none":
        take_off(found, n_orbitals, double_counting, alpha)
    pairs = {}
    for kind in CUT_TERMS:
        name = files.get(kind, ("", ""))[0]
        pairs[kind], small = pairs_of(found[kind], name, len(terms.lengths), terms.cut, problems)
        left_out[kind] += small
    check_hops(n_orbitals, pairs["hr"], files["hr"][0], terms.cut, problems)
    levels = [found["hr"].get((0, 0, 0, a, a), 0j).real for a in range(n_orbitals)]
    on_site = [found["ur"].get((0, 0, 0, a, a), 0j).real for a in range(n_orbitals)]
    interactions = _interactions(n_orbitals, on_site, pairs)
    tables = {
        "lattice": lattice_table(terms.lengths),
        "model": model_table(n_orbitals, levels, pairs["hr"], filling, interactions),
    }
    remarks = [f"Imported from {', '.join(name for name, _ in files.values())} of RESPACK."]
    remarks += [f"Double counting: {double_counting}, alpha = {alpha:g}."] * (double_counting != "none")
    missing = [NAMES[kind] for kind in ("ur", "jr") if kind not in files]
    remarks += remarks_on_cells(n_orbitals, levels, filling, missing)
    remarks += [left_out_remark(NAMES[kind], left_out[kind], max(left_out[kind], default=0.0)) for kind in CUT_TERMS]
    return written(tables, [each for each in remarks if each], temperatures, max(abs(hop[-1]) for hop in pairs["hr"]))


def read_geometry(text, name):
    """Return (three lattice vectors, centres of the orbitals in units of the vectors), lists of three numbers.

    Raises
    ------
    SettingsError
        When a line cannot be read, or there are fewer or more than there are orbitals.
    """
    lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), start=1) if line.split()]
    if len(lines) < 5 or len(lines[3][1]) != 1 or not lines[3][1][0].isdecimal() or int(lines[3][1][0]) < 1:
        raise SettingsError([f"{name}: needed are three lattice vectors, how many orbitals, and their centres"])
    n_orbitals, rows = int(lines[3][1][0]), []
    for number, words in lines[:3] + lines[4:]:
        values = [real_of(word) for word in words]
        if len(values) != 3 or None in values:
            raise SettingsError([f"{name}, line {number}: needed are three numbers"])
        rows.append(values)
    if len(rows) != 3 + n_orbitals:
        raise SettingsError([f"{name}: {n_orbitals} orbitals are told, the centres of {len(rows) - 3} are there"])
    return rows[:3], rows[3:]


def take_off(found, n_orbitals, mode, alpha):
    """Take what the mean field of the bands holds already off energies and hopping in `found["hr"]` *in place*.

    Parameters
    ----------
    found : dict of str: dict of (R1, R2, R3, a, b): complex
        "hr", "ur", "jr" and "dr".
    n_orbitals : int
    mode, alpha
        See the head of this module.
    """
    repulsion, density = found["ur"], found["dr"]
    exchange = {} if mode == "hartree_u" else found["jr"]
    hopping = found["hr"]
    for a in range(n_orbitals):
        own = (0, 0, 0, a, a)
        shift = alpha * repulsion.get(own, 0.0) * density.get(own, 0.0)
        for part, weight in ((repulsion, 1.0), (exchange, alpha - 1.0)):
            for (*cell, first, b), value in part.items():
                if first == a and (*cell, first, b) != own:
                    shift += weight * value.real * density.get((0, 0, 0, b, b), 0.0)
        hopping[own] = hopping.get(own, 0.0) - shift
    if mode != "full":
        return
    for key in {**repulsion, **exchange}:
        (*cell, a, b), d = key, density.get(key, 0.0)
        if (*cell, a) != (0, 0, 0, b):
            change = repulsion.get(key, 0j).real * d - exchange.get(key, 0j).real * (d + 2 * d.real)
            hopping[key] = hopping.get(key, 0.0) + change / 2


def _check_files(files, terms, double_counting, alpha):
    """Raise SettingsError for files that are missing and options that do not go together."""
    problems = []
    if "wsvec" in files:
        problems.append(f"{files['wsvec'][0]}: belongs to Wannier90, not to files of RESPACK")
    if "geom" not in files and any(terms.limit(kind) >= 0 for kind in CUT_TERMS if kind in files):
        problems.append("distances need the positions of the orbitals: NAME_geom.dat is missing")
    if double_counting != "none" and not {"ur", "dr"} <= set(files):
        problems.append(f"--double-counting {double_counting}: needed are NAME_ur.dat and NAME_dr.dat")
    if double_counting == "none" and "dr" in files:
        problems.append(f"{files['dr'][0]}: only for --double-counting; leave it out")
    if not 0 <= alpha <= 1:
        problems.append(f"--alpha {alpha:g}: allowed is a number from 0 to 1")
    if problems:
        raise SettingsError(problems)


def _read_all(files, centres):
    """Return (number of orbitals, {kind: elements between them})."""
    read, counts = {}, {}
    for kind, (name, text) in files.items():
        if kind == "geom":
            continue
        counts[name], read[kind], weights = read_elements(text, name)
        if set(weights) != {1}:
            raise SettingsError(
                [
                    f"{name}: weights of cells that are not 1: HPhi and mVMC do not divide by them, Wannier90 does; "
                    "allowed are elements that are divided, with weights 1"
                ]
            )
    n_functions = min(counts.values())
    if len(set(counts.values())) > 1:
        raise SettingsError([", ".join(f"{name}: {n} functions" for name, n in counts.items()) + ": these differ"])
    n_orbitals = len(centres) if centres else n_functions
    if n_orbitals > n_functions:
        raise SettingsError([f"{files['geom'][0]}: {n_orbitals} orbitals, there are {n_functions} functions"])
    return n_orbitals, {
        kind: {key: value for key, value in part.items() if max(key[3:]) < n_orbitals} for kind, part in read.items()
    }


def _counting(elements, terms, kind, vectors, centres):
    """Return (the elements that count, sizes of those that are left out)."""
    reach = [max((abs(key[d]) for key in elements), default=0) for d in range(3)]
    kept, left_out, limit = {}, [], terms.limit(kind)
    for (*cell, a, b), value in elements.items():
        share = terms.share(cell, reach)
        if limit >= 0 and _distance(vectors, centres[a], centres[b], cell) > limit:
            share = 0.0
        if share:
            kept[*cell, a, b] = share * value
        elif abs(value) > 0:
            left_out.append(abs(value))
    return kept, left_out


def _distance(vectors, first, second, cell):
    """Return |r + R + tau_b - tau_a| in units of the geometry."""
    steps = [y - x + r for x, y, r in zip(first, second, cell, strict=True)]
    return math.hypot(*(sum(step * vector[d] for step, vector in zip(steps, vectors, strict=True)) for d in range(3)))


def _interactions(n_orbitals, on_site, pairs):
    """Return the keys of the interactions in [model]: U, U' and J of a site where all orbitals have the same."""
    if n_orbitals == 1:
        return {"U": on_site[0], "repulsions": pairs["ur"], "exchanges": pairs["jr"]}
    parts, inside = {"U": on_site}, n_orbitals * (n_orbitals - 1) // 2
    for key, kind in (("U_prime", "ur"), ("J_hund", "jr")):
        values = [entry[-1] for entry in pairs[kind] if entry[:2] == [0, 0]]
        parts[key] = values + [0.0] * (inside - len(values))
    if any(max(values) - min(values) > SAME * max(map(abs, values)) for values in parts.values()):
        own = [[0, 0, a, a, u] for a, u in enumerate(on_site) if u]
        return dict.fromkeys(parts, 0.0) | {"repulsions": own + pairs["ur"], "exchanges": pairs["jr"]}
    beyond = {kind: [entry for entry in pairs[kind] if entry[:2] != [0, 0]] for kind in ("ur", "jr")}
    return {key: values[0] for key, values in parts.items()} | {"repulsions": beyond["ur"], "exchanges": beyond["jr"]}
