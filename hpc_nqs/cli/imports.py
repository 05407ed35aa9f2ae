"""The command `import`: files of other programs become an input."""

from pathlib import Path

from hpc_nqs.cli.errors import DONE, UnusableFile
from hpc_nqs.settings.parsing import SettingsError

MAX_CUTOFF = 100.0  # angstrom, of bonds of a crystal
OF_STRUCTURES = ("atom", "cutoff", "couplings")
OF_RESPACK = ("cut_lengths", "double_counting", "range")


def import_input(options):
    """Print the input of files of HPhi, mVMC, Wannier90 or RESPACK, or of the bonds of a crystal."""
    from hpc_nqs.importers import crystal, electron_terms, spin_terms, wannier90
    from hpc_nqs.importers import hphi_expert as expert_mode
    from hpc_nqs.importers import hphi_standard as standard_mode

    try:
        texts = [(path.name, path.read_text(encoding="utf-8", errors="replace")) for path in map(Path, options.files)]
        name, text = texts[0]
        if name.endswith(".toml"):
            raise SettingsError([f"{name}: an input already (TOML); import takes files of other programs"])
        if crystal.is_structure(name, text):
            print(_structure_input(texts, options), end="")
            return DONE
        _refuse(options, OF_STRUCTURES, "only for CIF files and lists of sites")
        if wannier90.is_hr_file(text) or any(wannier90.kind_of(each) for each, _ in texts):
            print(_wannier_input(texts, options), end="")
            return DONE
        _refuse(options, ("filling", *OF_RESPACK), "only for files of Wannier90 and RESPACK")
        if len(options.files) > 1 or expert_mode.is_pair_file(text) or expert_mode.is_namelist(text):
            terms, remarks = expert_mode.read_expert(options.files, options.program)
        else:
            terms, remarks = standard_mode.read_standard(text, name)
    except OSError as error:
        raise UnusableFile(f"{error.filename}: {error.strerror}") from error
    carry_over = electron_terms if isinstance(terms, electron_terms.ElectronTerms) else spin_terms
    print(carry_over.input_text(terms, remarks, _numbers_of("temperatures", options.temperatures or "")), end="")
    return DONE


def _refuse(options, names, why):
    """Raise SettingsError for the first of some options that is given."""
    for name in names:
        if getattr(options, name):
            raise SettingsError([f"--{name.replace('_', '-')}: {why}"])


def _numbers_of(option, words):
    """Return the numbers of an option that are separated by commas."""
    from hpc_nqs.importers.expert_files import real_of

    found = [real_of(word.strip()) for word in words.split(",") if word.strip()]
    if None in found:
        raise SettingsError([f"--{option} {words}: allowed are numbers with commas"])
    return found


def _structure_input(texts, options):
    """Return the input of a cluster of a crystal; `texts` are [(name, text)] of one file."""
    from hpc_nqs.importers import structures

    _refuse(options, ("filling", *OF_RESPACK, "program"), "not for CIF files and lists of sites")
    if len(texts) > 1:
        raise SettingsError([f"{', '.join(name for name, _ in texts)}: one CIF file or list of sites at a time"])
    numbers = {
        key: _numbers_of(key, getattr(options, key) or "") for key in ("temperatures", "lengths", "cutoff", "couplings")
    }
    if len(numbers["cutoff"]) > 1 or any(not 0 < cutoff <= MAX_CUTOFF for cutoff in numbers["cutoff"]):
        raise SettingsError([f"--cutoff {options.cutoff}: allowed is a distance in angstrom up to {MAX_CUTOFF:g}"])
    if any(length < 1 or not length.is_integer() for length in numbers["lengths"]):
        raise SettingsError([f"--lengths {options.lengths}: allowed are integers from 1, the cells along a, b and c"])
    name, text = texts[0]
    return structures.input_text(
        text,
        name,
        options.atom or (),
        (numbers["cutoff"] or [None])[0],
        tuple(map(int, numbers["lengths"])),
        numbers["couplings"],
        numbers["temperatures"],
    )


def _wannier_input(texts, options):
    """Return the input of files [(name, text)] of Wannier90 or RESPACK."""
    from hpc_nqs.importers import downfolded, wannier90

    numbers = {
        key: _numbers_of(key.replace("_", "-"), getattr(options, key) or "")
        for key in ("temperatures", "lengths", "cut", "filling", "cut_lengths", "alpha")
    }
    names, lengths, cut = ", ".join(name for name, _ in texts), numbers["lengths"], numbers["cut"]
    if len(lengths) not in (1, 2) or any(length < 1 or not length.is_integer() for length in lengths):
        raise SettingsError([f"{names}: --lengths L or --lengths L,L is needed, the cells of the lattice"])
    if len(cut) != 1 or cut[0] < 0:
        raise SettingsError(["--cut: allowed is a number from 0"])
    if len(numbers["filling"]) not in (0, 2) or any(n < 0 or not n.is_integer() for n in numbers["filling"]):
        raise SettingsError(["--filling: allowed are the numbers of electrons with spin up and down, N_UP,N_DOWN"])
    if len(numbers["cut_lengths"]) not in (0, 3):
        raise SettingsError(["--cut-lengths: allowed are three distances, of hopping, repulsion and exchange"])
    if len(numbers["alpha"]) != 1:
        raise SettingsError(["--alpha: allowed is a number from 0 to 1"])
    lengths, filling = tuple(map(int, lengths)), tuple(map(int, numbers["filling"]))
    files = wannier90.by_kind(texts)
    if set(files) <= {"hr", "wsvec"}:
        _refuse(options, OF_RESPACK, "only for NAME_ur.dat and others of RESPACK")
        name, text = files["hr"]
        return wannier90.input_text(
            text, name, lengths, cut[0], numbers["temperatures"], filling, files.get("wsvec")
        )
    terms = downfolded.Range(lengths, cut[0], options.range == "hphi", tuple(numbers["cut_lengths"]))
    counting = options.double_counting or "none"
    return downfolded.input_text(files, terms, counting, numbers["alpha"][0], numbers["temperatures"], filling)
