"""Hopping between Wannier functions, `seedname_hr.dat` of Wannier90, on a lattice of cells in two dimensions.

The file holds a comment, the numbers of functions and of cells R, the weights of the cells (15 in a line), then lines
R1 R2 R3 m n Re Im of <0m|H|Rn>, which count divided by the weight of their R:

    H = sum_{r R m n} <0m|H|Rn> / w_R  c+_{r m} c_{r+R n}.

With `seedname_wsvec.dat` (use_ws_distance; Pizzi et al., J. Phys.: Condens. Matter 32, 165902 (2020)) elements are
shared out to the images of R that are nearest to each pair of functions.
"""

import re

from hpc_nqs.hamiltonians import Hubbard, Kanamori
from hpc_nqs.importers.expert_files import real_of
from hpc_nqs.importers.spin_terms import written
from hpc_nqs.settings.parsing import SettingsError

ROUNDED = 2.1e-6  # of elements, which have six digits after the point
MAX_ORBITALS = 5
KINDS = ("hr", "wsvec", "ur", "jr", "dr", "geom")  # the last four are of RESPACK


def is_hr_file(text):
    """Return whether a text is such a file: a line with one positive integer, another one, then integers alone."""
    lines = [line.split() for line in text.splitlines()[1:4]]
    if len(lines) < 3 or len(lines[0]) != 1 or len(lines[1]) != 1:
        return False
    return all(word.isdecimal() for words in lines for word in words)


def kind_of(name):
    """Return "hr", "wsvec" or one of the kinds of RESPACK, by the end of a file name; None of others."""
    return next((kind for kind in KINDS if name.endswith(f"_{kind}.dat")), None)


def by_kind(texts):
    """Return {kind: (name, text)} of files [(name, text)]; a file of another name is one of hopping.

    Raises
    ------
    SettingsError
        For two files of one kind, or none of hopping.
    """
    files = {}
    for name, text in texts:
        kind = kind_of(name) or "hr"
        if kind in files:
            raise SettingsError([f"{files[kind][0]}, {name}: two files NAME_{kind}.dat; give one of them"])
        files[kind] = name, text
    if "hr" not in files:
        names = ", ".join(name for name, _ in files.values())
        raise SettingsError([f"{names}: the file of the hopping, NAME_hr.dat, is missing"])
    return files


def input_text(text, name, lengths, cut=0.0, temperatures=(), filling=(), images=None):
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
    filling : sequence of int
        Electrons with spin up and down; none for the grand canonical ensemble, with mu in the middle of the levels.
    images : (text, name), optional
        Of the file `seedname_wsvec.dat`.

    Raises
    ------
    SettingsError
        When the file is not such a file, its elements are complex or not Hermitian, lead out of the plane, or there are
        too many functions.
    """
    n_orbitals, elements, _ = read_elements(text, name)
    if images:
        elements = moved_to_images(elements, *images)
    problems = []
    hops, left_out = pairs_of(elements, name, len(lengths), cut, problems)
    check_hops(n_orbitals, hops, name, cut, problems)
    levels = [elements.get((0, 0, 0, a, a), 0j).real for a in range(n_orbitals)]
    tables = {"lattice": lattice_table(lengths), "model": model_table(n_orbitals, levels, hops, filling)}
    names = f"{name} and {images[1]}" if images else name
    missing = ["U and J_hund" if n_orbitals > 1 else "U"]
    remarks = [f"Imported from {names}, hopping of Wannier90."]
    remarks += remarks_on_cells(n_orbitals, levels, filling, missing) + [left_out_remark("elements", left_out, cut)]
    return written(tables, [each for each in remarks if each], temperatures, max(abs(hop[-1]) for hop in hops))


def pairs_of(elements, name, n_dimensions, cut, problems):
    """Return (entries [R1, R2, m, n, x] of one of R and -R, sizes of the elements that are left out).

    Elements of one function with itself, R = 0 and m = n, are no pairs.

    Parameters
    ----------
    elements : dict of (R1, R2, R3, m, n): complex
    name : str
        Of the file.
    n_dimensions : int
        Of the lattice.
    cut : float
        Elements up to this size are left out.
    problems : list of str
        Added to *in place*: complex elements, conjugates that differ, elements that lead out of the lattice.
    """
    pairs, left_out = [], []
    for (r1, r2, r3, m, n), value in elements.items():
        conjugate = elements.get((-r1, -r2, -r3, n, m))
        place = f"{name}: R = {r1} {r2} {r3}, functions {m + 1} {n + 1}"
        if (r1, r2, r3, m) == (0, 0, 0, n):
            if abs(value.imag) > ROUNDED:
                problems.append(f"{place}: {value:g}: it has to be real")
            continue
        if abs(value) <= max(cut, ROUNDED / 2):
            left_out += [abs(value)] * (abs(value) > ROUNDED / 2)
            continue
        if conjugate is None or abs(value - conjugate.conjugate()) > 2 * ROUNDED + 1e-9 * abs(value):
            problems.append(f"{place}: the element and that of -R are not conjugates of each other")
        elif abs(value.imag) > ROUNDED:
            problems.append(f"{place}: {value:g}: complex elements are not available")
        elif r3 or (r2 and n_dimensions == 1):
            problems.append(f"{place}: {value.real:g} leads out of the lattice; leave it out with --cut")
        elif (r1, r2, m, n) > (-r1, -r2, n, m):
            pairs.append([r1, r2, m, n, (value + conjugate.conjugate()).real / 2])
    return pairs, left_out


def check_hops(n_orbitals, hops, name, cut, problems):
    """Raise SettingsError with the first problems, or when there are too many functions or no hops."""
    if not 1 <= n_orbitals <= MAX_ORBITALS:
        problems.append(f"{name}: {n_orbitals} Wannier functions: up to {MAX_ORBITALS} in a cell are available")
    if not hops and not problems:
        problems.append(f"{name}: no hopping above {cut:g} was found")
    if problems:
        raise SettingsError(problems[:5] + [f"and {len(problems) - 5} more of these"] * (len(problems) > 5))


def read_elements(text, name):
    """Return (number of functions, {(R1, R2, R3, m, n): element divided by its weight}, weights), m and n from 0.

    Raises
    ------
    SettingsError
        When a line cannot be read, lines are missing or one is there twice.
    """
    lines = text.splitlines()
    if not is_hr_file(text):
        raise SettingsError([f"{name}: not a file of elements in the form of seedname_hr.dat of Wannier90"])
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
    return n_orbitals, elements, weights


def moved_to_images(elements, text, name):
    """Return the elements on the images of their cells: H_mn(R) is shared out equally to all R + T.

    `seedname_wsvec.dat` holds a comment, then for every R, m and n of the elements the line R1 R2 R3 m n, the number
    of T, and a line for each T: the translations of the supercell that bring function n of R into the Wigner-Seitz cell
    about function m.

    Raises
    ------
    SettingsError
        When a line cannot be read, or the file does not belong to the elements.
    """
    lines = [(number, line.split()) for number, line in enumerate(text.splitlines(), start=1)][1:]
    lines, moved, seen = [each for each in lines if each[1]], {}, set()
    place = 0

    def integers(count, what):
        number, words = lines[place] if place < len(lines) else (len(text.splitlines()), [])
        if len(words) != count or not all(re.fullmatch(r"[+-]?\d+", word) for word in words):
            raise SettingsError([f"{name}, line {number}: needed is {what}"])
        return list(map(int, words))

    while place < len(lines):
        number = lines[place][0]
        *cell, m, n = integers(5, "R1 R2 R3 m n")
        key, place = (*cell, m - 1, n - 1), place + 1
        (count,), place = integers(1, "the number of translations"), place + 1
        if key not in elements or key in seen or count < 1:
            why = "an element that is not in the other file, one for the second time, or no translation"
            raise SettingsError([f"{name}, line {number}: {why}"])
        seen.add(key)
        for _ in range(count):
            shift, place = integers(3, "T1 T2 T3"), place + 1
            image = (*(r + t for r, t in zip(cell, shift, strict=True)), *key[3:])
            moved[image] = moved.get(image, 0.0) + elements[key] / count
    if len(seen) != len(elements):
        raise SettingsError([f"{name}: {len(elements)} elements are in the other file, {len(seen)} here"])
    return moved


def lattice_table(lengths):
    """Return the section [lattice]: a chain or a square lattice of cells, whatever their shape."""
    return {"kind": "chain" if len(lengths) == 1 else "square", "lengths": list(lengths)}


def model_table(n_orbitals, levels, hops, filling, interactions=None):
    """Return the section [model].

    Parameters
    ----------
    n_orbitals : int
    levels : list of float
        Energies of the functions of a cell.
    hops : list
        See `pairs_of`.
    filling : sequence of int
        Electrons with spin up and down; none for the grand canonical ensemble.
    interactions : dict, optional
        Keys of the interactions; by default there are none.
    """
    mean = sum(levels) / n_orbitals
    ensemble = dict(zip(("n_up", "n_down"), filling, strict=True)) if filling else {"mu": mean * (n_orbitals > 1)}
    interactions = {"U": 0.0} | ({"J_hund": 0.0} if n_orbitals > 1 else {}) if interactions is None else interactions
    if n_orbitals == 1:
        return {"kind": Hubbard.word, "hopping": [0.0]} | interactions | {"hops": hops} | ensemble
    model = {"kind": Kanamori.word, "hopping": [0.0], "n_orbitals": n_orbitals} | interactions
    return model | {"crystal_field": levels, "hops": hops} | ensemble


def remarks_on_cells(n_orbitals, levels, filling, missing=()):
    """Return what the reader of the input should know about cells, energies and the ensemble.

    Parameters
    ----------
    missing : sequence of str
        What is for the reader to set.
    """
    remarks = [f"{' and '.join(missing)}: for you to set."] * bool(missing)
    if not filling:
        remarks.append(
            "The ensemble is grand canonical with mu in the middle of the on-site energies, for lack of a better one: "
            "`import --filling N_UP,N_DOWN` fixes the numbers of electrons instead."
        )
    remarks.append(
        "Cells stand on a square lattice: wave vectors are in units of pi along its reciprocal vectors, whatever the "
        "shape of the cell."
    )
    if n_orbitals == 1:
        remarks.append(f"Energies are from the on-site element {levels[0]:g}, which is left out.")
    else:
        remarks.append("All functions of a cell are orbitals of one site.")
    return remarks


def left_out_remark(what, sizes, cut):
    """Return a sentence about elements that were left out; empty where there are none."""
    return f"Left out: {len(sizes)} {what} up to {cut:g}, the largest {max(sizes):g}." if sizes else ""
