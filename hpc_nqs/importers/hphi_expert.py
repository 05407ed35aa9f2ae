"""Expert-mode files of HPhi and mVMC: lists of pairs, fields and general two-body terms of spin-1/2 systems.

Every term becomes a 4 x 4 matrix on its two spins, in the order up-up, up-down, down-up, down-down. The sum of a pair
is then split into constant, fields, SzSz and exchange; what is left over is a term that this program does not have.
"""

from pathlib import Path

import numpy as np

from hpc_nqs.importers.spin_terms import SpinTerms
from hpc_nqs.settings.parsing import SettingsError

PROGRAMS = ("hphi", "mvmc")
_N_HEADER = 5  # lines
_LEFT_OVER = 1e-9  # of what makes a pair, relative to its largest element

_UP, _DOWN = np.diag([1.0, 0.0]), np.diag([0.0, 1.0])
_SZ, _SX, _ONE = (_UP - _DOWN) / 2, np.array([[0.0, 0.5], [0.5, 0.0]]), np.eye(2)
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
# Files that a namelist may name besides; they say how to compute, not what.
_IGNORED = (
    *("calcmod", "modpara", "locspin", "onebodyg", "twobodyg", "threebodyg", "fourbodyg", "sixbodyg", "nbodyg"),
    *("singleexcitation", "pairexcitation", "spectrumvec", "gutzwiller", "jastrow", "doublonholon2sitevar"),
    *("doublonholon4siteval", "doublonholon2siteval", "doublonholon4sitevar", "orbital", "orbitalantiparallel"),
    *("orbitalparallel", "orbitalgeneral", "transsym", "ingutzwiller", "injastrow", "inorbital", "inorbitalgeneral"),
    *("inorbitalantiparallel", "inorbitalparallel", "indh2", "indh4", "twobodygex", "dh2", "dh4"),
)
_OF_MVMC = ("gutzwiller", "jastrow", "orbital", "orbitalantiparallel", "orbitalparallel", "orbitalgeneral")


def read_expert(paths, program=None):
    """Return (`SpinTerms`, remarks) of a namelist file, or of the pair files themselves.

    Parameters
    ----------
    paths : list of path-like
        One namelist, which names the other files, or files of Exchange, Ising, Hund, CoulombInter, PairLift, Trans and
        InterAll terms.
    program : str, optional
        "hphi" or "mvmc", which differ in the sign of Exchange; by default what the namelist looks like, else "hphi".

    Raises
    ------
    SettingsError
        With everything that is unsupported, inconsistent or not readable as such a file.
    OSError
        When a file cannot be read.
    """
    problems, files = [], {}
    for path in map(Path, paths):
        text = path.read_text(encoding="utf-8", errors="replace")
        if is_pair_file(text):
            kind = _kind_of(text, path)
            if kind is None:
                names = ", ".join([*_PAIR_MATRICES, "trans", "interall"])
                problems.append(f"{path.name}: its second line names none of the known lists: {names}")
            else:
                files[kind] = (path.name, text)
        else:
            program = _read_namelist(path, text, files, program, problems)
    matrices, fields = {}, {}
    n_sites = _n_sites(files, problems)
    for kind, (name, text) in files.items():
        if kind in ("modpara", "locspin"):
            continue
        for place, numbers in _entries(name, text, problems):
            try:
                _add(kind, numbers, program or "hphi", matrices, fields)
            except (ValueError, IndexError):
                problems.append(f"{place}: not a term of {kind} for spins 1/2")
    n_found = 1 + max([site for pair in matrices for site in pair] + list(fields), default=-1)
    terms = SpinTerms(max(n_sites, n_found))
    problems += _collect(terms, matrices, fields)
    if problems:
        raise SettingsError(dict.fromkeys(problems))
    source = "mVMC" if program == "mvmc" else "HPhi"
    names = ", ".join(name for kind, (name, _) in files.items() if kind not in ("modpara", "locspin"))
    return terms, [
        f"Imported from {names}, expert mode of {source}.",
        'Averages here are over all values of Sz, as with model = "SpinGC".',
    ]


def is_pair_file(text):
    """Return whether the text starts like a list of terms: a line of `=`, then a name and a count."""
    lines = text.splitlines()
    words = lines[1].split() if len(lines) > 1 else []
    return bool(lines) and lines[0].strip("= \t") == "" and "=" in lines[0] and len(words) == 2 and words[1].isdigit()


def is_namelist(text):
    """Return whether the text is a list of keywords and file names."""
    words = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    known = {*_PAIR_MATRICES, "trans", "interall", *_IGNORED}
    return bool(words) and all(len(pair) == 2 for pair in words) and any(pair[0].lower() in known for pair in words)


def _kind_of(text, path):
    """Return which list a file is, from the name in its second line, else from the name of the file."""
    for name in (text.splitlines()[1].split()[0], path.stem):
        name = name.lower()
        for kind in (*_PAIR_MATRICES, "interall", "trans"):
            if kind in name:
                return kind
    return None


def _read_namelist(path, text, files, program, problems):
    """Read the files that a namelist names into `files` *in place*; return the program that it is written for."""
    keywords = []
    for line in text.splitlines():
        words = line.split()
        if not words or line.startswith("#"):
            continue
        keyword = words[0].lower()
        keywords.append(keyword)
        if keyword not in (*_PAIR_MATRICES, "trans", "interall", *_IGNORED) or len(words) != 2:
            problems.append(f"{path.name}: {line.strip()}: unsupported file of terms")
        elif keyword in (*_PAIR_MATRICES, "trans", "interall", "modpara", "locspin"):
            files[keyword] = (words[1], (path.parent / words[1]).read_text(encoding="utf-8", errors="replace"))
    return program or ("mvmc" if set(_OF_MVMC) & set(keywords) else "hphi")


def _n_sites(files, problems):
    """Return the number of sites that modpara and locspin tell, 0 when they do not; check what they ask for."""
    n_sites = 0
    if "locspin" in files:
        spins = [numbers for _, numbers in _entries(*files["locspin"], problems)]
        n_sites = len(spins)
        if any(numbers[1] != 1 for numbers in spins):
            problems.append(f"{files['locspin'][0]}: only localized spins 1/2 (1) are available")
    for line in files.get("modpara", ("", ""))[1].splitlines():
        keyword, *values = line.split() or [""]
        if keyword.lower() == "nsite" and values:
            n_sites = max(n_sites, int(values[0]))
        if keyword.lower() == "2sz" and values and values[0] != "0":
            place = f"{files['modpara'][0]}: 2Sz = {values[0]}"
            problems.append(f"{place}: sectors of fixed magnetization are not available")
    return n_sites


def _entries(name, text, problems):
    """Yield (place, numbers) of the lines after the header."""
    lines = text.splitlines()
    count = int(lines[1].split()[1]) if is_pair_file(text) else None
    numbered = enumerate(lines[_N_HEADER:], start=_N_HEADER + 1)
    found = [(number, line.split()) for number, line in numbered if line.strip()]
    if count != len(found):
        problems.append(f"{name}: its second line tells {count} terms, there are {len(found)}")
    for number, words in found:
        try:
            yield f"{name}, line {number}", [float(word) for word in words]
        except ValueError:
            problems.append(f"{name}, line {number}: {' '.join(words)!r}: these are not numbers")


def _add(kind, numbers, program, matrices, fields):
    """Add one term to the matrices of its pair or site *in place*; ValueError when it is none."""
    if kind == "trans":
        i, s, j, t, real, imaginary = numbers
        if i != j:
            raise ValueError
        fields.setdefault(int(i), np.zeros((2, 2), complex))[int(s), int(t)] -= real + 1j * imaginary
        return
    if kind == "interall":
        i, s1, i2, s2, j, s3, j2, s4, real, imaginary = numbers
        if i != i2 or j != j2 or i == j:
            raise ValueError
        matrix = np.zeros((2, 2, 2, 2), complex)
        matrix[int(s1), int(s3), int(s2), int(s4)] = real + 1j * imaginary
        matrix = matrix.reshape(4, 4)
    else:
        i, j, value = numbers
        sign = -1.0 if kind == "exchange" and program == "mvmc" else 1.0
        matrix = sign * value * _PAIR_MATRICES[kind]
    i, j = int(i), int(j)
    if i == j or min(i, j) < 0:
        raise ValueError
    if i > j:
        i, j, matrix = j, i, matrix.reshape(2, 2, 2, 2).transpose(1, 0, 3, 2).reshape(4, 4)
    matrices[i, j] = matrices.get((i, j), 0) + matrix


def _collect(terms, matrices, fields):
    """Move the matrices into the terms *in place*; return the problems of what has no place there."""
    problems = []
    fields = dict(fields)
    for (i, j), matrix in matrices.items():
        if not np.any(matrix):
            continue
        jz, jxy = _component(matrix, np.kron(_SZ, _SZ)), 2 * _component(matrix, _EXCHANGE)
        rest = matrix - jz * np.kron(_SZ, _SZ) - jxy / 2 * _EXCHANGE
        shift = np.trace(matrix).real / 4
        local = [np.einsum(traced, rest.reshape(2, 2, 2, 2)) / 2 for traced in ("ikjk->ij", "kikj->ij")]
        local = [part - shift * _ONE for part in local]
        left = rest - shift * np.eye(4) - np.kron(local[0], _ONE) - np.kron(_ONE, local[1])
        if np.abs(left).max() > _LEFT_OVER * np.abs(matrix).max():
            missing = "terms such as PairLift, Jx different from Jy or off-diagonal Jab"
            problems.append(f"pair {i} {j}: {missing} are not available")
        terms.constant += shift
        for site, part in ((i, local[0]), (j, local[1])):
            fields[site] = fields.get(site, 0) + part
        if jz or jxy:
            terms.add_pair(i, j, jxy, jz)
    for site, matrix in fields.items():
        shift = np.trace(matrix).real / 2
        h, gamma = -_component(matrix, _SZ), -_component(matrix, _SX)
        left = matrix - shift * _ONE + h * _SZ + gamma * _SX
        if np.abs(left).max() > _LEFT_OVER * max(np.abs(matrix).max(), 1.0):
            problems.append(f"site {site}: a field along y, or terms that are not Hermitian, are not available")
        terms.constant += shift
        terms.field_z[site], terms.field_x[site] = h, gamma
    return problems


def _component(matrix, operator):
    """Return the coefficient of an operator in a matrix, both as vectors; real."""
    return float(np.vdot(operator, matrix).real / np.vdot(operator, operator))
