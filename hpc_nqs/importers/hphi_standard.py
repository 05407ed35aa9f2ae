"""The standard-mode input of HPhi and mVMC (`stan.in`): its keywords, its lattices, its conventions.

H = -h sum Sz - Gamma sum Sx - Gamma_y sum Sy + D sum Sz^2 + sum_bonds sum_ab J^ab S^a_i S^b_j in spin-1/2 operators
(manual of HPhi, standard mode), i the first site of a bond. Every cell adds its bonds, so a bond that a short period
reaches in two ways is there twice; the couplings are added.
"""

import numpy as np

from hpc_nqs.hamiltonians import Hubbard
from hpc_nqs.importers.electron_terms import ElectronTerms, filling_of
from hpc_nqs.importers.expert_files import real_of
from hpc_nqs.importers.spin_couplings import couplings_of
from hpc_nqs.importers.spin_terms import SpinTerms
from hpc_nqs.settings.parsing import SettingsError

# Bonds of each cell: (name of the coupling, steps along W and L, the two sites inside their cells).
_CHAIN = (("J0", 0, 1, 0, 0), ("J0'", 0, 2, 0, 0), ("J0''", 0, 3, 0, 0))
_SQUARE = (
    *(("J0", 1, 0, 0, 0), ("J1", 0, 1, 0, 0)),
    *(("J0'", 1, 1, 0, 0), ("J1'", 1, -1, 0, 0)),
    *(("J0''", 2, 0, 0, 0), ("J1''", 0, 2, 0, 0)),
)
_TRIANGULAR = (
    *(("J0", 1, 0, 0, 0), ("J1", 0, 1, 0, 0), ("J2", 1, -1, 0, 0)),
    *(("J0'", -1, 2, 0, 0), ("J1'", 2, -1, 0, 0), ("J2'", 1, 1, 0, 0)),
    *(("J0''", 2, 0, 0, 0), ("J1''", 0, 2, 0, 0), ("J2''", 2, -2, 0, 0)),
)
_HONEYCOMB = (
    *(("J0", 0, 0, 0, 1), ("J1", 1, 0, 1, 0), ("J2", 0, 1, 1, 0)),
    *(("J0'", 1, -1, b, b) for b in (0, 1)),
    *(("J1'", 0, 1, b, b) for b in (0, 1)),
    *(("J2'", 1, 0, b, b) for b in (0, 1)),
    *(("J0''", -1, -1, 0, 1), ("J1''", 1, -1, 0, 1), ("J2''", -1, 1, 0, 1)),
)
_KAGOME = (
    *(("J0", 0, 0, 1, 2), ("J0", 1, -1, 1, 2), ("J1", 0, 0, 0, 2), ("J1", 0, 1, 2, 0)),
    *(("J2", 0, 0, 0, 1), ("J2", 1, 0, 1, 0)),
    *(("J0'", 1, 0, 1, 2), ("J0'", 0, 1, 2, 1), ("J1'", 1, 0, 2, 0), ("J1'", 1, -1, 0, 2)),
    *(("J2'", 0, 1, 1, 0), ("J2'", -1, 1, 0, 1)),
)
_BONDS = {
    "chain": _CHAIN,
    "square": _SQUARE,
    "triangular": _TRIANGULAR,
    "honeycomb": _HONEYCOMB,
    "kagome": _KAGOME,
}
_N_BASIS = {"chain": 1, "square": 1, "triangular": 1, "honeycomb": 2, "kagome": 3}
_LATTICES = {name: name for name in (*_BONDS, "ladder")} | {"tetragonal": "square"}

_OF_SPINS = ("spin", "spingc", "spingccma", "spingcboost")
_OF_ELECTRONS = tuple(f"{word}{end}" for word in (Hubbard.word, f"fermion{Hubbard.word}") for end in ("", "gc"))
# What these programs compute with, not what they compute; it has no place in our input.
_NUMERICAL = (
    *("method", "restart", "outputmode", "eigenvecio", "hamio", "calcspec", "spectrumtype", "cdatafilehead"),
    *("lanczos_max", "lanczoseps", "lanczostarget", "lanczos_tol", "initial_iv", "initialvectype", "exct", "nvec"),
    *("numave", "expecinterval", "expandcoef", "largevalue", "ngpu", "scalapack", "outputhamiltonian", "dt", "tinit"),
    *("nomega", "omegamax", "omegamin", "omegaorg", "omegaim", "spectrumqw", "spectrumql", "spectrumqh"),
    *("wsub", "lsub", "hsub", "a0wsub", "a0lsub", "a1wsub", "a1lsub", "cparafilehead", "complextype"),
    *("nvmccalmode", "nlanczosmode", "ndataidxstart", "ndataqtysmp", "nspgaussleg", "nspstot", "nmptrans"),
    *("nsroptitrstep", "nsroptitrsmp", "nvmcwarmup", "nvmcinterval", "nvmcsample", "nexupdatepath", "rndseed"),
    *("nsplitsize", "nstore", "nsrcg", "nsropteigmax", "dsroptredcut", "dsroptstadel", "dsroptstepdt", "dsroptcgtol"),
    *("eps", "epsslater", "iteration_max", "mix"),
)
_DRAWING = ("a", "wlength", "llength", "wx", "wy", "lx", "ly", "phase0", "phase1")  # phases act on hopping only
_BOX = ("a0w", "a0l", "a1w", "a1l")
_ZERO_ONLY = ("k",)


def read_standard(text, name):
    """Return (`SpinTerms` or `ElectronTerms`, remarks) of the text of a standard-mode input.

    Raises
    ------
    SettingsError
        With every keyword that is unknown, unsupported, missing or contradictory.
    """
    problems = []
    given = _keywords(text, problems)
    if given.get("lattice", "").lower() == "wannier90":
        raise SettingsError(
            [
                "lattice = wannier90: import NAME_hr.dat, NAME_ur.dat, NAME_jr.dat and NAME_geom.dat themselves, with "
                "--lengths W,L --range hphi --filling N_UP,N_DOWN"
            ]
        )
    model, lattice = _system(given, problems)
    numbers = _Numbers(given, problems)
    if model in _OF_ELECTRONS:
        return _read_electrons(model, lattice, numbers, name)
    n_basis, cells, neighbour, regular = _cells(lattice, numbers, problems)
    names = dict.fromkeys(name for name, *_ in _bonds_of(lattice, n_basis)) if lattice else ()
    couplings = couplings_of(names, lattice != "ladder", numbers)
    fields = {"x": numbers.real("gamma"), "y": numbers.real("gamma_y"), "z": numbers.real("h")}
    for keyword in _ZERO_ONLY:
        if numbers.real(keyword):
            problems.append(f"{keyword} = {given[keyword]}: not available here")
    if numbers.integer("2s", 1) != 1:
        problems.append(f"2S = {given['2s']}: only spin 1/2 (2S = 1) is available")
    if numbers.integer("2sz", 0) != 0:
        problems.append(f"2Sz = {given['2sz']}: sectors of fixed magnetization are not available, 2Sz = 0 or none")
    if model == "spin":
        problems += _not_conserving(given, fields, couplings)
    constant = numbers.real("d") / 4  # Sz^2
    _check_keywords(lattice, numbers, _DRAWING)
    terms = SpinTerms(n_basis * len(cells), regular)
    terms.fields = {axis: [value] * terms.n_sites for axis, value in fields.items()}
    terms.constant = constant * terms.n_sites
    for coupling, i, j in _pairs(lattice, n_basis, cells, neighbour, couplings):
        terms.add_pair(i, j, couplings[coupling])
    for coupling, (w, l), first, second in _bonds_of(lattice, n_basis):
        if couplings[coupling].any():
            place = {"chain": (l, w, 0, 0), "ladder": (l, second - first, 0, 0)}.get(lattice, (w, l, first, second))
            terms.cell_bonds.append((*place, couplings[coupling]))
    remarks = _remarks(given, name)
    if model == "spin":
        remarks.append('Averages here are over all values of Sz, as with model = "SpinGC", not over 2Sz = 0 alone.')
    return terms, remarks


def _not_conserving(given, fields, couplings):
    """Return the problems of fields and couplings that do not conserve Sz, with a model that fixes it."""
    found = [f"{name} = {given[name.lower()]}" for name, axis in (("Gamma", "x"), ("Gamma_y", "y")) if fields[axis]]
    for name, matrix in couplings.items():
        if matrix[0, 0] != matrix[1, 1] or matrix[0, 1] != -matrix[1, 0] or matrix[2, :2].any() or matrix[:2, 2].any():
            found.append(f"{name} of such components")
    return [f"{each}: breaks the conservation of Sz, which wants model = SpinGC" for each in found]


def _read_electrons(model, lattice, numbers, name):
    """Return (`ElectronTerms`, remarks) of a Hubbard model in standard mode; errors as `read_standard`.

    H = -mu sum n - h sum Sz - sum_bonds,s t (c+_is c_js + h.c.) + U sum_i n_iu n_id + sum_bonds V n_i n_j.
    """
    problems, given = numbers.problems, numbers.given
    n_basis, cells, neighbour, regular = _cells(lattice, numbers, problems)
    hopping, repulsion = (_scalars(letter, lattice, numbers) for letter in "tV")
    mu, h, on_site = numbers.real("mu"), numbers.real("h"), numbers.real("u")
    for keyword in ("gamma", "gamma_y", "phase0", "phase1"):
        if numbers.real(keyword):
            problems.append(f"{keyword} = {given[keyword]}: not available for electrons")
    n_electrons, twice_sz = numbers.integer("nelec"), numbers.integer("2sz")
    filling = {}
    if not model.endswith("gc"):
        filling = filling_of(n_electrons, twice_sz, n_basis * len(cells), "nelec", "2Sz", problems)
    elif n_electrons is not None or twice_sz is not None:
        problems.append("nelec, 2Sz: the grand canonical ensemble has mu instead")
    _check_keywords(lattice, numbers, ("a", "wlength", "llength", "wx", "wy", "lx", "ly"))
    terms = ElectronTerms(n_basis * len(cells), regular)
    terms.energies, terms.fields, terms.on_site = ([x] * terms.n_sites for x in (-mu, h, on_site))
    terms.filling = filling
    for kind, values in (("hopping", hopping), ("repulsion", repulsion)):
        for coupling, i, j in _pairs(lattice, n_basis, cells, neighbour, {key: (x,) for key, x in values.items()}):
            terms.add(kind, i, j, values[coupling])
    return terms, _remarks(given, name)


def _scalars(letter, lattice, numbers):
    """Return {name of a coupling J0, J1', ...: the value of the same bonds with another letter}."""
    if lattice is None:
        return {}
    found = {}
    for coupling in dict.fromkeys(name for name, *_ in _bonds_of(lattice, _N_BASIS.get(lattice, 2))):
        own = letter + coupling[1:]
        common = letter + coupling[1:].lstrip("012") if lattice != "ladder" else None
        value, shared = numbers.real(own.lower(), None), numbers.real(common.lower(), None) if common else None
        if value is not None and shared is not None:
            numbers.problems.append(f"{common} and {own} are both given: give one of them")
        found[coupling] = value if value is not None else shared or 0.0
    return found


def _check_keywords(lattice, numbers, drawing):
    """Refuse keywords that nobody asked for, and whatever was wrong so far."""
    known = {*numbers.asked, *_NUMERICAL, *drawing, "model", "lattice"}
    numbers.problems += [
        f"{keyword} = {value}: unsupported keyword for lattice = {lattice}"
        for keyword, value in numbers.given.items()
        if keyword not in known
    ]
    if numbers.problems:
        raise SettingsError(dict.fromkeys(numbers.problems))


def _pairs(lattice, n_basis, cells, neighbour, couplings):
    """Yield (coupling, site, site) of every bond of every cell whose coupling, an array, does not vanish."""
    for cell in cells:
        for coupling, steps, first, second in _bonds_of(lattice, n_basis):
            i, j = neighbour(cell, (0, 0), first), neighbour(cell, steps, second)
            if not np.any(couplings[coupling]):
                continue
            if i == j:
                raise SettingsError([f"{coupling}: the lattice is so short that a site is its own neighbour"])
            yield coupling, i, j


def _remarks(given, name):
    """Return what the reader of the input should know."""
    remarks = [f"Imported from {name}, standard mode of HPhi and mVMC."]
    unused = [keyword for keyword in given if keyword in _NUMERICAL]
    if unused:
        remarks.append(f"Not carried over, for they concern the numerics of those programs: {', '.join(unused)}.")
    return remarks


def _keywords(text, problems):
    """Return {keyword in lower case: value} of the lines `keyword = value`; `//` starts a comment."""
    given = {}
    for number, line in enumerate(text.splitlines(), start=1):
        squeezed = "".join(line.partition("//")[0].split()).replace('"', "")
        if not squeezed:
            continue
        keyword, _, value = squeezed.partition("=")
        keyword, value = keyword.lower(), value.strip("'")  # primes belong to the names of couplings
        if not keyword or not value:
            problems.append(f"line {number}: {line.strip()!r}: a line is `keyword = value`")
        elif keyword in given:
            problems.append(f"line {number}: {keyword} is given twice")
        else:
            given[keyword] = value
    return given


class _Numbers:
    """The numbers among the keywords; what is asked for is noted, what cannot be read becomes a problem."""

    def __init__(self, given, problems):
        self.given, self.problems, self.asked = given, problems, set()

    def real(self, keyword, default=0.0):
        return self._value(keyword, float, "a number", default)

    def integer(self, keyword, default=None):
        return self._value(keyword, int, "an integer", default)

    def _value(self, keyword, kind, allowed, default):
        self.asked.add(keyword)
        if keyword not in self.given:
            return default
        value = real_of(self.given[keyword])
        if value is None or (kind is int and value != int(value)):
            self.problems.append(f"{keyword} = {self.given[keyword]}: allowed is {allowed}")
            return default
        return kind(value)


def _system(given, problems):
    model = given.get("model", "").lower()
    if model not in (*_OF_SPINS, *_OF_ELECTRONS):
        supported = '"Spin", "SpinGC", "Hubbard" and "HubbardGC"'
        problems.append(f"model = {model or '(missing)'}: supported are {supported}")
    lattice = given.get("lattice", "").lower().removesuffix("lattice")
    if lattice not in _LATTICES:
        problems.append(f"lattice = {lattice or '(missing)'}: supported are {', '.join(_LATTICES)}")
    return model, _LATTICES.get(lattice)


def _cells(lattice, numbers, problems):
    """Return (sites per cell, cells, the function (cell, steps, b) -> site, (kind, lengths) or None)."""
    box = [numbers.integer(keyword) for keyword in _BOX]
    width, length = numbers.integer("w"), numbers.integer("l")
    if lattice is None:
        return 1, [], None, None
    if any(value is not None for value in box) and lattice not in ("chain", "ladder"):
        return _box_cells(lattice, box, width, length, problems)
    if any(value is not None for value in box):
        problems.append(f"{', '.join(_BOX)}: not for lattice = {lattice}")
    if lattice == "chain":
        if width not in (None, 1):
            problems.append(f"W = {width}: not for lattice = chain")
        width = 1
    for keyword, value in (("W", width), ("L", length)):
        if value is None or value < 1:
            problems.append(f"{keyword} {'is missing' if value is None else f'= {value}'}: needed, an integer from 1")
    width, length = max(width or 1, 1), max(length or 1, 1)
    cells = [(w, l) for l in range(length) for w in range(width)]
    if lattice == "ladder":  # W legs: sites of one rung in the cell, numbered along the legs as in this program
        cells = [(0, l) for l in range(length)]

        def site_of_leg(cell, steps, b):
            return (cell[1] + steps[1]) % length + b * length

        return width, cells, site_of_leg, ("ladder", (length, width))
    n_basis = _N_BASIS[lattice]

    def site(cell, steps, b):
        return ((cell[0] + steps[0]) % width + (cell[1] + steps[1]) % length * width) * n_basis + b

    return n_basis, cells, site, (lattice, (length,) if lattice == "chain" else (width, length))


def _box_cells(lattice, box, width, length, problems):
    """Return what `_cells` does for the parallelogram spanned by (a0W, a0L) and (a1W, a1L)."""
    if width is not None or length is not None:
        problems.append("W, L and a0W, a0L, a1W, a1L are both given: give one of them")
    if any(value is None for value in box):
        problems.append("a0W, a0L, a1W, a1L: all four are needed")
        return 1, [], None, None
    (a0w, a0l, a1w, a1l) = box
    area = a0w * a1l - a0l * a1w
    if area == 0:
        problems.append("a0W, a0L, a1W, a1L: the two vectors are parallel")
        return 1, [], None, None
    n_basis = _N_BASIS[lattice]

    def folded(w, l):
        turns_0, turns_1 = (w * a1l - l * a1w) // area, (l * a0w - w * a0l) // area
        return w - turns_0 * a0w - turns_1 * a1w, l - turns_0 * a0l - turns_1 * a1l

    reach = sum(map(abs, box))
    cells = sorted({folded(w, l) for w in range(reach) for l in range(reach)}, key=lambda cell: cell[::-1])
    numbers = {cell: number for number, cell in enumerate(cells)}

    def site(cell, steps, b):
        return numbers[folded(cell[0] + steps[0], cell[1] + steps[1])] * n_basis + b

    regular = (lattice, (a0w, a1l)) if a0l == a1w == 0 and a0w > 0 and a1l > 0 else None
    return n_basis, cells, site, regular


def _bonds_of(lattice, n_basis):
    """Yield (coupling, (steps along W, along L), site in the cell, site in the other cell)."""
    if lattice != "ladder":
        for coupling, w, l, first, second in _BONDS[lattice]:
            yield coupling, (w, l), first, second
        return
    for leg in range(n_basis):
        yield "J1", (0, 1), leg, leg
        yield "J1'", (0, 2), leg, leg
        if leg + 1 < n_basis:
            yield "J0", (0, 0), leg, leg + 1
            yield "J2", (0, 1), leg, leg + 1
            yield "J2'", (0, -1), leg, leg + 1
