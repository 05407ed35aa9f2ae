"""Expert-mode files of HPhi and mVMC: lists of pairs, fields and general two-body terms of spin-1/2 systems.

Every term becomes a 4 x 4 matrix on its two spins, in the order up-up, up-down, down-up, down-down. The sum of a pair
is then split into constant, fields and products S^a S^b, of which every Hermitian matrix consists. Two operators of one
spin are one operator.
"""

import numpy as np

from hpc_nqs.importers.electron_files import are_of_electrons, read_electrons
from hpc_nqs.importers.expert_files import (
    TERM_KINDS,
    Problems,
    entries,
    is_namelist,
    is_pair_file,
    parameter,
    read_files,
    told_sites,
)
from hpc_nqs.importers.spin_terms import SpinTerms
from hpc_nqs.settings.parsing import SettingsError

__all__ = ["is_namelist", "is_pair_file", "read_expert"]

_LEFT_OVER = 1e-9  # of what makes a pair, relative to its largest element

_UP, _DOWN = np.diag([1.0, 0.0]), np.diag([0.0, 1.0])
_SPIN = {"x": np.array([[0.0, 0.5], [0.5, 0.0]]), "y": np.array([[0.0, -0.5j], [0.5j, 0.0]]), "z": (_UP - _DOWN) / 2}
_SZ, _ONE = _SPIN["z"], np.eye(2)
_RAISE = np.array([[0.0, 1.0], [0.0, 0.0]])  # from down to up
_EXCHANGE = np.kron(_RAISE, _RAISE.T) + np.kron(_RAISE.T, _RAISE)
# What one unit of each coupling adds to H. Exchange has the other sign in mVMC, which writes it with electrons.
_PAIR_MATRICES = {
    "exchange": _EXCHANGE,
    "ising": np.kron(_SZ, _SZ),
    "hund": -(np.kron(_UP, _UP) + np.kron(_DOWN, _DOWN)),
    "coulombinter": np.eye(4),
    "pairlift": np.kron(_RAISE, _RAISE) + np.kron(_RAISE.T, _RAISE.T),
}


def read_expert(paths, program=None):
    """Return (`SpinTerms` or `ElectronTerms`, remarks) of a namelist file, or of the pair files themselves.

    Parameters
    ----------
    paths : list of path-like
        One namelist, which names the other files, or files of Exchange, Ising, Hund, CoulombInter, PairLift, Trans and
        InterAll terms; of electrons those of `electron_files`.
    program : str, optional
        "hphi" or "mvmc", which differ in the sign of Exchange; by default what the namelist looks like, else "hphi".

    Raises
    ------
    SettingsError
        With everything that is unsupported, inconsistent or not readable as such a file.
    OSError
        When a file cannot be read.
    """
    problems = Problems()
    files, program = read_files(paths, program, problems)
    source = "mVMC" if program == "mvmc" else "HPhi"
    if are_of_electrons(files):
        return read_electrons(files, source, problems)
    n_told = told_sites(files, problems, 1, "only localized spins 1/2 (1) are available")
    _refuse_magnetization(files, problems)
    matrices, fields = {}, {}
    for kind, name, text in files:
        if kind not in TERM_KINDS:
            continue
        for number, numbers in entries(kind, name, text, problems):
            sites = numbers[0:2] if len(numbers) == 3 else numbers[0:-2:2]
            if n_told and max(sites) >= n_told:
                problems.add(f"{name}, @: site {max(sites)}: there are {n_told} sites, from 0", number, "line")
                continue
            try:
                _add(kind, numbers, program, matrices, fields)
            except ValueError:
                problems.add(f"{name}, @: not a term of {kind} for spins 1/2", number, "line")
    n_found = 1 + max([site for pair in matrices for site in pair] + list(fields), default=-1)
    terms = SpinTerms(n_told or n_found)
    _collect(terms, matrices, fields, problems)
    if problems.places:
        raise SettingsError(problems.sentences())
    names = ", ".join(name for kind, name, _ in files if kind in TERM_KINDS)
    return terms, [
        f"Imported from {names}, expert mode of {source}.",
        'Averages here are over all values of Sz, as with model = "SpinGC".',
    ]


def _refuse_magnetization(files, problems):
    """Note sectors of fixed magnetization that modpara asks for."""
    for kind, name, text in files:
        twice_sz = parameter(name, text, "2Sz", problems) if kind == "modpara" else None
        if twice_sz:
            problems.add(f"{name}: 2Sz = {twice_sz}: sectors of fixed magnetization are not available")


def _add(kind, numbers, program, matrices, fields):
    """Add one term to the matrices of its pair or site *in place*; ValueError when it is none."""
    if kind == "trans":
        i, s, j, t, real, imaginary = numbers
        if i != j:
            raise ValueError
        fields.setdefault(i, np.zeros((2, 2), complex))[s, t] -= real + 1j * imaginary
        return
    if kind == "interall":
        i, s1, i2, s2, j, s3, j2, s4, real, imaginary = numbers
        if i != i2 or j != j2:
            raise ValueError
        matrix = np.zeros((2, 2, 2, 2), complex)
        matrix[s1, s3, s2, s4] = real + 1j * imaginary
        matrix = matrix.reshape(4, 4)
    else:
        i, j, value = numbers
        if kind not in _PAIR_MATRICES:
            raise ValueError
        sign = -1.0 if kind == "exchange" and program == "mvmc" else 1.0
        if sign < 0 and i == j and value:  # written with electrons: of one site it is no product of spins
            raise ValueError
        matrix = sign * value * _PAIR_MATRICES[kind]
    if i == j:
        fields[i] = fields.get(i, 0) + np.einsum("akkd->ad", matrix.reshape(2, 2, 2, 2))
        return
    if i > j:
        i, j, matrix = j, i, matrix.reshape(2, 2, 2, 2).transpose(1, 0, 3, 2).reshape(4, 4)
    matrices[i, j] = matrices.get((i, j), 0) + matrix


def _collect(terms, matrices, fields, problems):
    """Move the matrices into the terms *in place*; what has no place there goes to the problems."""
    fields = dict(fields)
    for (i, j), matrix in matrices.items():
        if not np.any(matrix):
            continue
        if np.abs(matrix - matrix.conj().T).max() > _LEFT_OVER * np.abs(matrix).max():
            problems.add("@: the sum of the terms is not Hermitian", f"{i} {j}", "pair")
        couplings = [[4 * _component(matrix, np.kron(first, second)) for second in _SPIN.values()]
                     for first in _SPIN.values()]  # fmt: skip
        couplings = np.where(np.abs(couplings) > _LEFT_OVER * np.abs(matrix).max(), couplings, 0.0)
        terms.constant += _component(matrix, np.eye(4)) / 4
        for site, own in ((i, lambda spin: np.kron(spin, _ONE)), (j, lambda spin: np.kron(_ONE, spin))):
            fields[site] = fields.get(site, 0) + sum(_component(matrix, own(spin)) * spin for spin in _SPIN.values())
        if np.any(couplings):
            terms.add_pair(i, j, couplings)
    for site, matrix in fields.items():
        if np.abs(matrix - matrix.conj().T).max() > _LEFT_OVER * max(np.abs(matrix).max(), 1.0):
            problems.add("@: the sum of the terms is not Hermitian", site, "site")
        terms.constant += _component(matrix, _ONE) / 2
        for axis, spin in _SPIN.items():
            terms.fields[axis][site] = -2 * _component(matrix, spin)


def _component(matrix, operator):
    """Return the real part of tr(operator^+ matrix)."""
    return float(np.vdot(operator, matrix).real)
