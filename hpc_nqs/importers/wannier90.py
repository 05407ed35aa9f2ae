"""Hopping between Wannier functions, `seedname_hr.dat` of Wannier90, on a lattice of cells in two dimensions.

The file holds a comment, the numbers of functions and of cells R, the weights of the cells (15 in a line), then lines
R1 R2 R3 m n Re Im of <0m|H|Rn>, which count divided by the weight of their R:

    H = sum_{r R m n} <0m|H|Rn> / w_R  c+_{r m} c_{r+R n}.
"""

from hpc_nqs.hamiltonians import Hubbard, Kanamori
from hpc_nqs.importers.expert_files import real_of
from hpc_nqs.importers.spin_terms import written
from hpc_nqs.settings.parsing import SettingsError

ROUNDED = 2.1e-6  # of elements, which have six digits after the point
MAX_ORBITALS = 5


def is_hr_file(text):
    """Return whether a text is such a file: a line with one positive integer, another one, then integers alone."""
    lines = [line.split() for line in text.splitlines()[1:4]]
    if len(lines) < 3 or len(lines[0]) != 1 or len(lines[1]) != 1:
        return False
    return all(word.isdecimal() for words in lines for word in words)


def input_text(text, name, lengths, cut=0.0, temperatures=()):
    """Return the TOML input of the elements of one file.

    Parameters
    ----------
    text, name : str
        Of the file.
    lengths : sequence of int
        Cells of the periodic lattice, one or two numbers.
    cut : float
        Elements up to this size are left out.
    temperatures : sequence of float
        Of the results; by default a list scaled with the largest hopping.

    Raises
    ------
    SettingsError
        When the file is not such a file, its elements are complex or not Hermitian, lead out of the plane, or there are
        too many functions.
    """
    n_orbitals, elements = read_elements(text, name)
    problems, hops, left_out = [], [], []
    for (r1, r2, r3, m, n), value in elements.items():
        conjugate = elements.get((-r1, -r2, -r3, n, m))
        place = f"{name}: R = {r1} {r2} {r3}, functions {m + 1} {n + 1}"
        if (r1, r2, r3, m) == (0, 0, 0, n):
            continue
        if abs(value) <= max(cut, ROUNDED / 2):
            left_out += [abs(value)] * (abs(value) > ROUNDED / 2)
            continue
        if conjugate is None or abs(value - conjugate.conjugate()) > 2 * ROUNDED + 1e-9 * abs(value):
            problems.append(f"{place}: the element and that of -R are not conjugates of each other")
        elif abs(value.imag) > ROUNDED:
            problems.append(f"{place}: {value:g}: complex elements are not available")
        elif r3 or (r2 and len(lengths) == 1):
            problems.append(f"{place}: {value.real:g} leads out of the lattice; leave it out with --cut")
        elif (r1, r2, m, n) > (-r1, -r2, n, m):
            hops.append([r1, r2, m, n, (value + conjugate.conjugate()).real / 2])
    if not 1 <= n_orbitals <= MAX_ORBITALS:
        problems.append(f"{name}: {n_orbitals} Wannier functions: up to {MAX_ORBITALS} in a cell are available")
    if not hops and not problems:
        problems.append(f"{name}: no hopping above {cut:g} was found")
    if problems:
        raise SettingsError(problems[:5] + [f"and {len(problems) - 5} more of these"] * (len(problems) > 5))
    levels = [elements.get((0, 0, 0, a, a), 0j).real for a in range(n_orbitals)]
    tables = {"lattice": _lattice(lengths), "model": _model(n_orbitals, levels, hops)}
    largest = max(abs(hop[-1]) for hop in hops)
    return written(tables, _remarks(name, n_orbitals, left_out, cut), temperatures, largest)


def read_elements(text, name):
    """Return (number of functions, {(R1, R2, R3, m, n): element divided by its weight}), m and n from 0.

    Raises
    ------
    SettingsError
        When a line cannot be read, lines are missing or one is there twice.
    """
    lines = text.splitlines()
    if not is_hr_file(text):
        raise SettingsError([f"{name}: not a file of hopping elements of Wannier90 (seedname_hr.dat)"])
    n_orbitals, n_cells = int(lines[1]), int(lines[2])
    weights, start = [], 3
    while len(weights) < n_cells and start < len(lines):
        weights += [int(word) if word.isdecimal() else 0 for word in lines[start].split()]
        start += 1
    if len(weights) != n_cells or min(weights, default=0) < 1:
        raise SettingsError([f"{name}: {n_cells} weights, integers from 1, are needed after line 3"])
    elements, cells = {}, {}
    for number, line in enumerate(lines[start:], start=start + 1):
        words = line.split()
        if not words:
            continue
        values = [real_of(word) for word in words]
        if len(values) != 7 or None in values or any(not value.is_integer() for value in values[:5]):
            raise SettingsError([f"{name}, line {number}: a line is R1 R2 R3 m n Re Im"])
        r1, r2, r3, m, n = map(int, values[:5])
        weight = weights[cells.setdefault((r1, r2, r3), len(cells))] if len(cells) < n_cells else None
        if weight is None and (r1, r2, r3) in cells:
            weight = weights[cells[r1, r2, r3]]
        key = r1, r2, r3, m - 1, n - 1
        if weight is None or not 1 <= min(m, n) <= max(m, n) <= n_orbitals or key in elements:
            why = "one cell too many, a function that there is not, or an element for the second time"
            raise SettingsError([f"{name}, line {number}: {why}"])
        elements[key] = complex(*values[5:]) / weight
    if len(elements) != n_cells * n_orbitals**2:
        raise SettingsError([f"{name}: {n_cells * n_orbitals**2} elements are told, {len(elements)} are there"])
    return n_orbitals, elements


def _lattice(lengths):
    """Return the section [lattice]: a chain or a square lattice of cells, whatever their shape."""
    return {"kind": "chain" if len(lengths) == 1 else "square", "lengths": list(lengths)}


def _model(n_orbitals, levels, hops):
    """Return the section [model], without interactions."""
    mean = sum(levels) / n_orbitals
    if n_orbitals == 1:
        return {"kind": Hubbard.word, "hopping": [0.0], "U": 0.0, "hops": hops, "mu": 0.0}
    model = {"kind": Kanamori.word, "hopping": [0.0], "n_orbitals": n_orbitals, "U": 0.0, "J_hund": 0.0}
    return model | {"crystal_field": levels, "hops": hops, "mu": mean}


def _remarks(name, n_orbitals, left_out, cut):
    """Return what the reader of the input should know."""
    missing = "U, J_hund and the filling" if n_orbitals > 1 else "U and the filling"
    remarks = [
        f"Imported from {name}, hopping of Wannier90: {missing} are for you to set.",
        "Cells stand on a square lattice: wave vectors are in units of pi along its reciprocal vectors, whatever the "
        "shape of the cell.",
    ]
    if n_orbitals == 1:
        remarks.append("Energies are from the on-site element, which is left out.")
    else:
        remarks.append("All functions of a cell are orbitals of one site, with one U, U' and J.")
    if left_out:
        remarks.append(f"Left out: {len(left_out)} elements up to {cut:g}, the largest {max(left_out):g}.")
    return remarks
