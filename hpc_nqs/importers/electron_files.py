"""Expert-mode files of HPhi and mVMC for electrons: Trans, CoulombIntra, CoulombInter, Hund, Exchange, PairHop.

H = -sum Trans c+_is c_js + sum CoulombIntra n_iu n_id + sum CoulombInter n_i n_j - sum Hund (n_iu n_ju + n_id n_jd)
  + sum Exchange (c+_iu c_ju c+_jd c_id + h.c.) + sum PairHop (c+_iu c_ju c+_id c_jd + h.c.)

A line of Exchange or PairHop stands for its conjugate, too; Trans lists both directions.  Spin 0 is up.
"""

from hpc_nqs.importers.electron_terms import ElectronTerms, filling_of
from hpc_nqs.importers.expert_files import TERM_KINDS, Problems, entries, parameter, told_sites
from hpc_nqs.settings.parsing import SettingsError

HERMITIAN = 1e-12  # relative to the largest element of Trans
PAIRS = {"coulombinter": "repulsion", "hund": "hund", "exchange": "exchange", "pairhop": "pair_hopping"}
CANONICAL, GRAND_CANONICAL = 0, 3  # CalcModel of calcmod.def: Hubbard and HubbardGC


def are_of_electrons(files):
    """Return whether files, [(kind, name, text)], are those of itinerant electrons: by locspn, else by their terms."""
    def lines(wanted):
        of_kind = [file for file in files if file[0] == wanted]
        return [numbers for file in of_kind for _, numbers in entries(*file, Problems())]

    spins = lines("locspin")
    if spins:
        return any(spin == 0 for _, spin in spins)
    return bool(lines("coulombintra") or lines("pairhop")) or any(line[0] != line[2] for line in lines("trans"))


def read_electrons(files, source, problems):
    """Return (`ElectronTerms`, remarks) of files, [(kind, name, text)]; what is wrong goes to `problems`.

    Raises
    ------
    SettingsError
        With everything that is unsupported or inconsistent.
    """
    n_sites = told_sites(files, problems, 0, "localized spins beside electrons are not available")
    listed, n_found = [], 0
    for kind, name, text in files:
        if kind not in TERM_KINDS:
            continue
        for number, numbers in entries(kind, name, text, problems):
            sites = {"trans": numbers[0:3:2], "coulombintra": numbers[:1]}.get(kind, numbers[:2])
            if n_sites and max(sites) >= n_sites:
                problems.add(f"{name}, @: site {max(sites)}: there are {n_sites} sites, from 0", number, "line")
            elif kind not in ("trans", "coulombintra", *PAIRS):
                problems.add(f"{name}: terms of {kind} are not available for electrons")
            elif kind in PAIRS and sites[0] == sites[1]:
                problems.add(f"{name}, @: {kind} of a site with itself", number, "line")
            else:
                listed.append((kind, numbers))
                n_found = max(n_found, 1 + max(sites))
    terms = ElectronTerms(n_sites or n_found)
    hops = {}
    for kind, numbers in listed:
        if kind == "trans":
            i, s, j, t, real, imaginary = numbers
            hops[i, s, j, t] = hops.get((i, s, j, t), 0.0) - real - 1j * imaginary
        elif kind == "coulombintra":
            terms.on_site[numbers[0]] += numbers[1]
        else:
            terms.add(PAIRS[kind], *numbers)
    _add_hops(terms, hops, problems)
    remarks = _add_filling(terms, files, problems)
    if problems.places:
        raise SettingsError(problems.sentences())
    names = ", ".join(name for kind, name, _ in files if kind in TERM_KINDS)
    return terms, [f"Imported from {names}, expert mode of {source}.", *remarks]


def _add_hops(terms, hops, problems):
    """Add the sum of all lines of Trans, {(i, s, j, t): element of c+_is c_jt}, to the terms *in place*."""
    negligible = HERMITIAN * max(map(abs, hops.values()), default=0.0)
    levels = [[0.0, 0.0] for _ in range(terms.n_sites)]
    for (i, s, j, t), value in hops.items():
        if abs(value) <= negligible:
            continue
        if abs(value - complex(hops.get((j, t, i, s), 0.0)).conjugate()) > negligible:
            problems.add("Trans is not Hermitian at @", f"{i} {j}", "pair")
        elif s != t:
            problems.add("Trans: terms that flip spins, at @, are not available", f"{i} {j}", "pair")
        elif abs(value.imag) > negligible:
            problems.add("Trans: complex hopping, at @, is not available", f"{i} {j}", "pair")
        elif abs(value - hops.get((i, 1 - s, j, 1 - s), 0.0)) > negligible and i != j:
            problems.add("Trans: hopping that differs between the spins, at @, is not available", f"{i} {j}", "pair")
        elif i == j:
            levels[i][s] = value.real
        elif i < j and s == 0:
            terms.add("hopping", i, j, -value.real)
    terms.energies = [(up + down) / 2 for up, down in levels]
    terms.fields = [down - up for up, down in levels]  # e - h/2 of spin up, e + h/2 of spin down


def _add_filling(terms, files, problems):
    """Set the ensemble that calcmod and modpara ask for *in place*; return remarks."""
    models = [parameter(name, text, "CalcModel", problems) for kind, name, text in files if kind == "calcmod"]
    model = next((value for value in models if value is not None), None)
    if model not in (None, CANONICAL, GRAND_CANONICAL):
        problems.add(f"CalcModel = {model}: for electrons 0 (Hubbard) and 3 (HubbardGC) are available")
    counts = {"Ncond": None, "2Sz": None}
    for _, name, text in (file for file in files if file[0] == "modpara"):
        counts = {key: parameter(name, text, key, problems) for key in counts}
    given = [value is not None for value in counts.values()]
    if model == CANONICAL or (model is None and any(given)):
        found = []
        terms.filling = filling_of(*counts.values(), terms.n_sites, *counts, found)
        for sentence in found:
            problems.add(sentence)
        return []
    if model is None:
        return ["The ensemble is grand canonical: no file tells numbers of electrons (Ncond and 2Sz of modpara)."]
    return []
