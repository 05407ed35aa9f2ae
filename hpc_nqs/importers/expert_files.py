"""Files of the expert mode of HPhi and mVMC: namelists, lists of terms with five lines before them, numbers in columns.

What those programs read is read: any text in the other lines of the header, anything behind `//` or `#`, words behind
the second of a namelist, `Nsite 6.0`. What they misread without a word is refused.
"""

import re
from pathlib import Path

N_HEADER = 5  # lines
PAIR_KINDS = ("exchange", "ising", "hund", "coulombinter", "pairlift")
ELECTRON_KINDS = ("coulombintra", "pairhop")  # besides; spins have none
TERM_KINDS = (*PAIR_KINDS, *ELECTRON_KINDS, "trans", "interall")
# Columns of every kind of line: i a site, s a spin (0 or 1), x a number.
COLUMNS = {
    **dict.fromkeys((*PAIR_KINDS, "pairhop"), "iix"),
    "coulombintra": "ix",
    "trans": "isisxx",
    "interall": "isisisisxx",
    "locspin": "in",
}
# What the second line of a file, or its name, holds of each kind.
NAMES = {kind: kind for kind in (*PAIR_KINDS, *ELECTRON_KINDS, "interall", "trans")}
NAMES |= {"locspn": "locspin", "localspin": "locspin", "modpara": "modpara", "model_parameters": "modpara"}
# Files that a namelist may name besides; they say how to compute, not what.
IGNORED = (
    *("calcmod", "modpara", "locspin", "onebodyg", "twobodyg", "threebodyg", "fourbodyg", "sixbodyg", "nbodyg"),
    *("singleexcitation", "pairexcitation", "spectrumvec", "gutzwiller", "jastrow", "doublonholon2sitevar"),
    *("doublonholon4siteval", "doublonholon2siteval", "doublonholon4sitevar", "orbital", "orbitalantiparallel"),
    *("orbitalparallel", "orbitalgeneral", "transsym", "ingutzwiller", "injastrow", "inorbital", "inorbitalgeneral"),
    *("inorbitalantiparallel", "inorbitalparallel", "indh2", "indh4", "twobodygex", "dh2", "dh4"),
)
_OF_MVMC = ("gutzwiller", "jastrow", "orbital", "orbitalantiparallel", "orbitalparallel", "orbitalgeneral")
_REAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_WHOLE = re.compile(r"[+-]?\d+")
SHOWN = 3  # places of one problem that are named


class Problems:
    """Problems by sentence, so that what is wrong in many lines is said once."""

    def __init__(self):
        self.places = {}

    def add(self, sentence, place="", what=""):
        """Note a problem; `what` is the noun of places that are listed, such as "line"."""
        self.places.setdefault((sentence, what), {})[str(place)] = None

    def sentences(self):
        """Return one sentence per problem, with its first places and the number of the others."""
        return [self._sentence(*key, places) for key, places in self.places.items()]

    @staticmethod
    def _sentence(sentence, what, places):
        places = list(places)
        named = ", ".join(places[:SHOWN])
        if not named:
            return sentence
        more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
        noun = f"{what}{'s' if len(places) > 1 else ''} " if what else ""
        return sentence.replace("@", f"{noun}{named}{more}")


def is_pair_file(text):
    """Return whether the text starts like a list of terms: one line, then a name and a count."""
    lines = text.splitlines()
    words = _without_comment(lines[1]).split() if len(lines) > 1 else []
    if len(words) < 2 or not _WHOLE.fullmatch(words[1]) or "=" in words[0] or _REAL.fullmatch(words[0]):
        return False
    return not re.match(r"\s*[\w']+\s*=\s*\S", lines[0])  # the first line of a standard-mode input


def is_namelist(text):
    """Return whether the text is a list of keywords and file names."""
    lines = _name_lines(text)
    known = {*TERM_KINDS, *IGNORED}
    return bool(lines) and all(len(words) >= 2 for words in lines) and any(words[0].lower() in known for words in lines)


def read_files(paths, program, problems):
    """Return ([(kind, name, text)] of the files and of those that a namelist names, the program they are written for).

    Several files of one kind of terms are several lists of terms.

    Raises
    ------
    OSError
        When a file cannot be read.
    """
    files, seen, namelists = [], {}, []
    for path in map(Path, paths):
        text = _read(path)
        if path.resolve() in seen:
            problems.add(f"{path.name}: the same file is given twice")
        elif is_pair_file(text):
            kind = _kind_of(text, path)
            if kind is None:
                problems.add(f"{path.name}: its second line names none of the known lists: {', '.join(TERM_KINDS)}")
            else:
                files.append((kind, path.name, text))
        else:
            namelists.append(path.name)
            named, of_program = _read_namelist(path, text, problems)
            program = program or of_program
            for kind, (name, where) in named.items():
                if where.resolve() in seen:
                    problems.add(f"{path.name}: {name} is given twice")
                seen[where.resolve()] = name
                files.append((kind, name, _read(where)))
        seen[path.resolve()] = path.name
    if len(namelists) > 1:
        problems.add(f"{' and '.join(namelists)}: give one namelist")
    for kind in ("locspin", "modpara"):
        names = [name for of_kind, name, _ in files if of_kind == kind]
        if len(names) > 1:
            problems.add(f"{' and '.join(names)}: two files of one kind; give one of them")
    return files, program or "hphi"


def entries(kind, name, text, problems):
    """Yield (line number, numbers) of the lines after the header; what cannot be read becomes a problem."""
    lines = text.splitlines()
    count = int(_without_comment(lines[1]).split()[1]) if is_pair_file(text) else None
    found = [(number, _without_comment(line).split()) for number, line in enumerate(lines, start=1)][N_HEADER:]
    found = [(number, words) for number, words in found if words]
    if count != len(found):
        problems.add(f"{name}: its second line tells {count} terms, there are {len(found)}")
    columns = COLUMNS[kind]
    for number, words in found:
        if len(words) != len(columns):
            problems.add(f"{name}, @: {len(words)} columns; a line of {kind} has {len(columns)}", number, "line")
            continue
        values = [_value(*each, f"{name}, @", number, problems) for each in zip(columns, words, strict=True)]
        if None not in values:
            yield number, values


def parameter(name, text, keyword, problems):
    """Return the integer behind a keyword of modpara, which may be written 6.0; None where there is none."""
    value = None
    for number, line in enumerate(text.splitlines(), start=1):
        words = _without_comment(line).split()
        if len(words) >= 2 and words[0].lower() == keyword.lower():
            value = real_of(words[1])
            if value is None or value != int(value):
                problems.add(f"{name}, line {number}: {words[0]} = {words[1]}: allowed is an integer")
                return None
    return value if value is None else int(value)


def told_sites(files, problems, spin, otherwise):
    """Return the number of sites that modpara and locspn tell, 0 when they do not.

    Parameters
    ----------
    files : list of (kind, name, text)
    problems : Problems
    spin : int
        Twice the localized spin that every site must have.
    otherwise : str
        What to say of others.
    """
    told = {}
    for kind, name, text in files:
        if kind == "locspin":
            spins = [numbers for _, numbers in entries(kind, name, text, problems)]
            if any(found != spin for _, found in spins):
                problems.add(f"{name}: {otherwise}")
            if sorted(site for site, _ in spins) != list(range(len(spins))):
                problems.add(f"{name}: every site from 0 to {len(spins) - 1} stands there once")
            told[name] = len(spins)
        elif kind == "modpara":
            n_sites = parameter(name, text, "Nsite", problems)
            if n_sites is not None:
                told[name] = n_sites
    if len(set(told.values())) > 1:
        problems.add(", ".join(f"{name}: {count} sites" for name, count in told.items()) + ": these differ")
    return max(told.values(), default=0)


def _value(column, word, place, number, problems):
    """Return the number of one column, None with a problem where it is none."""
    if column == "x":
        value, allowed = real_of(word), "a finite number"
    else:
        value = int(word) if _WHOLE.fullmatch(word) and len(word) < 19 else None
        allowed = {"i": "a site, an integer from 0", "s": "a spin, 0 or 1", "n": "an integer"}[column]
        wrong = value is not None and ((column == "i" and value < 0) or (column == "s" and value not in (0, 1)))
        value = None if wrong else value
    if value is None:
        problems.add(f"{place}: {word}: allowed here is {allowed}", number, "line")
    return value


def real_of(word):
    """Return a finite number as C reads it whole, else None; Python's own 1_0, nan and inf are none."""
    value = float(word) if _REAL.fullmatch(word) else None
    return value if value is not None and abs(value) < float("inf") else None


def _without_comment(line):
    return re.split(r"//|#", line, maxsplit=1)[0]


def _read(path):
    return path.read_text(encoding="utf-8", errors="replace")


def _kind_of(text, path):
    """Return which list a file is, from the name in its second line, else from the name of the file."""
    for name in (text.splitlines()[1].split()[0].lower(), path.stem.lower()):
        for part, kind in NAMES.items():
            if part in name:
                return kind
    return None


def _name_lines(text):
    lines = [line.split() for line in text.splitlines()]
    return [words for words in lines if words and not words[0].startswith(("#", "//"))]


def _read_namelist(path, text, problems):
    """Return ({kind: (name, path)} of the files that a namelist names, the program that it is written for)."""
    named, keywords = {}, []
    for words in _name_lines(text):
        keyword = words[0].lower()
        if keyword not in (*TERM_KINDS, *IGNORED) or len(words) < 2:
            problems.add(f"{path.name}: {' '.join(words)}: unsupported file of terms")
            continue
        if keyword in keywords:
            problems.add(
                f"{path.name}: {words[0]} is named twice, which HPhi and mVMC refuse, too; put the terms into one file"
            )
        keywords.append(keyword)
        if keyword in (*TERM_KINDS, "modpara", "locspin"):
            named[keyword] = (words[1], path.parent / words[1])
        if keyword == "calcmod" and (path.parent / words[1]).is_file():  # spins do without
            named[keyword] = (words[1], path.parent / words[1])
    return named, "mvmc" if set(_OF_MVMC) & set(keywords) else None
