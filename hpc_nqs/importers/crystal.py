"""Magnetic sites of a crystal, from a CIF file or from a list of sites.

A list of sites holds `cell a b c alpha beta gamma` (angstrom and degrees), then one `LABEL x y z` for every site of the
cell, in fractions of a, b and c; `#` starts a comment.  CIF files are read with gemmi, which applies the symmetry
operations of the space group.
"""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

from hpc_nqs.importers.expert_files import real_of
from hpc_nqs.settings.parsing import SettingsError

CLOSEST = 0.5  # angstrom between two sites; less are images of one site that its rounded coordinates keep apart
_FULL = 0.999  # occupancy


@dataclass(frozen=True, eq=False)
class Crystal:
    """The sites of one element, or of some labels, in the cell of a crystal.

    Attributes
    ----------
    name : str
        Of the file.
    vectors : (3, 3) float64
        Of the cell in angstrom, as rows: a along x, b in the plane of x and y.
    labels : tuple of str
        Of the sites.
    fractions : (n, 3) float64
        Places of the sites in the cell, from 0 to below 1.
    """

    name: str
    vectors: np.ndarray
    labels: tuple
    fractions: np.ndarray


def is_structure(name, text):
    """Return whether a file is a CIF file or a list of sites, by its name or by its first word."""
    words = next((line.split() for line in text.splitlines() if line.partition("#")[0].strip()), [""])
    return name.lower().endswith(".cif") or words[0].lower() == "cell" or words[0].lower().startswith("data_")


def read_crystal(text, name, atoms=()):
    """Return the `Crystal` of a file.

    Parameters
    ----------
    text, name : str
        Of a CIF file or a list of sites.
    atoms : sequence of str
        Elements or labels of the magnetic sites; may be left out where the file has one element.

    Raises
    ------
    SettingsError
        When the file cannot be read, gemmi is missing, the atoms are not there or partly occupied, or two sites are
        closer than `CLOSEST`.
    """
    words = next((line.split() for line in text.splitlines() if line.partition("#")[0].strip()), [""])
    parameters, sites = (_listed if words[0].lower() == "cell" else _of_cif)(text, name)
    chosen = _chosen(sites, name, atoms)
    vectors = _cell_vectors(parameters, name)
    fractions = np.array([place for _, _, place, _ in chosen], dtype=np.float64)
    fractions = np.round(fractions - np.floor(fractions + 1e-4), 10)  # 0.99999 is 0 of the next cell
    crystal = Crystal(name, vectors, tuple(label for label, *_ in chosen), fractions)
    _check_distances(crystal)
    return crystal


def _of_cif(text, name):
    """Return (a, b, c, alpha, beta, gamma) and the sites [(label, element, fractions, occupancy)] of a CIF file."""
    try:
        import gemmi
    except ImportError:
        sentence = 'CIF files are read with gemmi: pip install gemmi, or pip install ".[cif]"; '
        raise SettingsError([f"{name}: {sentence}a list of sites needs no other package"]) from None
    try:
        structure = gemmi.make_small_structure_from_block(_block_with_sites(gemmi.cif.read_string(text)))
    except (ValueError, RuntimeError) as error:
        raise SettingsError([f"{name}: no CIF file with one structure: {' '.join(str(error).split())}"]) from None
    if not structure.sites:
        raise SettingsError([f"{name}: the file has no sites (_atom_site_fract_x, _y, _z)"])
    _check_space_group(structure, name)
    cell = structure.cell
    sites = [(s.label, s.element.name, s.fract.tolist(), s.occ) for s in structure.get_all_unit_cell_sites()]
    return (cell.a, cell.b, cell.c, cell.alpha, cell.beta, cell.gamma), sites


def _check_space_group(structure, name):
    """Raise SettingsError where the symmetry operations are not known or not the only ones that the file may mean."""
    group, hm = structure.spacegroup, structure.spacegroup_hm
    if group is None:
        raise SettingsError(
            [f"{name}: no known space group: _space_group_name_H-M_alt or a list of operations is needed"]
        )
    if group.ext in ("1", "2") and not structure.symops and ":" not in hm:
        raise SettingsError(
            [f"{name}: space group {hm} has two choices of the origin: write '{group.hm} :1' or '{group.hm} :2'"]
        )
    contradiction = structure.check_spacegroup().split("\n")[0]
    if contradiction:
        raise SettingsError([f"{name}: space group {group.xhm()}: {contradiction}"])


def _block_with_sites(document):
    """Return the only block with a list of sites; ValueError where there are none or several."""
    blocks = [block for block in document if block.find_loop("_atom_site_fract_x")]
    if len(blocks) != 1:
        raise ValueError(f"{len(blocks)} of its {len(document)} blocks have _atom_site_fract_x")
    return blocks[0]


def _listed(text, name):
    """Return what `_of_cif` does of a list of sites."""
    parameters, sites, problems = None, [], []
    for number, line in enumerate(text.splitlines(), start=1):
        label, *words = line.partition("#")[0].split() or [""]
        numbers = [real_of(word) for word in words]
        if not label:
            continue
        if label.lower() == "cell" and parameters is None and len(numbers) == 6 and None not in numbers:
            parameters = numbers
        elif label.lower() != "cell" and len(numbers) == 3 and None not in numbers:
            sites.append((label, re.match("[A-Za-z]*", label)[0], numbers, 1.0))
        else:
            expected = "`cell a b c alpha beta gamma` once, then `LABEL x y z` for every site of the cell"
            problems.append(f"{name}, line {number}: {line.strip()!r}: allowed is {expected}")
    if not sites and not problems:
        problems.append(f"{name}: the file has no sites, lines LABEL x y z")
    if problems:
        raise SettingsError(problems)
    return parameters, sites


def _chosen(sites, name, atoms):
    """Return the sites of the atoms."""
    elements, labels = Counter(site[1] for site in sites), Counter(site[0] for site in sites)
    known = ", ".join(f"{label} ({count})" for label, count in labels.items())
    if not atoms and len(elements) > 1:
        raise SettingsError([f"--atom is needed, the magnetic sites: {name} has {known} in its cell"])
    atoms = atoms or tuple(elements)
    problems = [f"--atom {atom}: {name} has {known}" for atom in atoms if atom not in elements and atom not in labels]
    chosen = [site for site in sites if site[0] in atoms or site[1] in atoms]
    for label, occupancy in {site[0]: site[3] for site in chosen if site[3] < _FULL}.items():
        full = ",".join(dict.fromkeys(site[0] for site in chosen if site[3] >= _FULL))
        instead = f", for example --atom {full}" if full else " in the file"
        problems.append(
            f"{name}: {label} has the occupancy {occupancy:g}: a cluster has whole spins; choose the labels of full "
            f"sites{instead}"
        )
    if problems:
        raise SettingsError(problems)
    return chosen


def _cell_vectors(parameters, name):
    """Return the vectors of a cell, (3, 3) float64, from lengths in angstrom and angles in degrees."""
    lengths, angles = np.array(parameters[:3]), np.radians(parameters[3:])
    cos_alpha, cos_beta, cos_gamma = np.round(np.cos(angles), 15)
    volume = 1 - cos_alpha**2 - cos_beta**2 - cos_gamma**2 + 2 * cos_alpha * cos_beta * cos_gamma
    if not (np.all(lengths > 0) and np.all((angles > 0) & (angles < np.pi)) and volume > 1e-6):
        shown = " ".join(f"{number:g}" for number in parameters)
        raise SettingsError([f"{name}: cell {shown}: allowed are a, b, c above 0 and angles that close a cell"])
    sin_gamma = np.sqrt(1 - cos_gamma**2)
    rows = [
        (1.0, 0.0, 0.0),
        (cos_gamma, sin_gamma, 0.0),
        (cos_beta, (cos_alpha - cos_beta * cos_gamma) / sin_gamma, np.sqrt(volume) / sin_gamma),
    ]
    return lengths[:, None] * np.array(rows)


def _check_distances(crystal):
    """Raise SettingsError where two sites are so close that they are one."""
    i, j = np.triu_indices(len(crystal.labels), k=1)
    apart = crystal.fractions[j] - crystal.fractions[i]
    distances = np.linalg.norm((apart - np.round(apart)) @ crystal.vectors, axis=1)
    if len(distances) and distances.min() < CLOSEST:
        worst = int(np.argmin(distances))
        first, second = (f"{crystal.labels[site]} {crystal.fractions[site].tolist()}" for site in (i[worst], j[worst]))
        raise SettingsError(
            [
                f"{crystal.name}: {first} and {second} are {distances[worst]:.2g} angstrom apart: one site twice; "
                "write its coordinates with more digits, or take one of them out"
            ]
        )
