"""Options that are right one by one and wrong together, and options that a task cannot do without."""

import math
from functools import partial

import numpy as np

from hpc_nqs.hamiltonians import MODELS
from hpc_nqs.lattices.geometry import GEOMETRIES
from hpc_nqs.settings.lattice_section import MAX_CELLS, REGULAR_KINDS
from hpc_nqs.settings.rules import sector_parts
from hpc_nqs.settings.toml_text import shown

# Observables of magnets alone; those that analytic runs do not measure; those that need ratios of amplitudes.
OF_RATIOS = ("energy_terms", "dimers", "chirality", "operators")
NUMERICAL = ("moments", *OF_RATIOS)
OF_SPINS = ("correlation_vectors", *NUMERICAL)
_ENSEMBLES = {model.ensembles for model in MODELS.values() if model.ensembles}
# Section, then groups of keys: keys of one group alone are given.
EXCLUSIVE = (
    ("thermal", ("temperatures",), ("betas",)),
    ("lattice", ("bonds_file",), ("bonds",)),
    ("lattice", ("lengths",), ("box",)),
    *(("model", *groups) for groups in sorted(_ENSEMBLES)),
)


def contradictions(sections):
    """Return the problems between options that are right one by one; `sections` holds the given values only."""
    lattice, model, sampling, thermal = (sections[name] for name in ("lattice", "model", "sampling", "thermal"))
    problems = []
    report = partial(_report, problems, sections)
    if lattice.get("kind") in REGULAR_KINDS:
        for key, n_cells in (("lengths", math.prod(lattice.get("lengths", ()))), ("box", _cells(lattice.get("box")))):
            if n_cells > MAX_CELLS:
                report("lattice", key, f"{n_cells} unit cells; allowed are up to {MAX_CELLS}")
    for section, *alternatives in EXCLUSIVE:
        given = [[f"{section}.{key}" for key in group if key in sections[section]] for group in alternatives]
        if all(given):
            problems.append(f"{' and '.join(map(', '.join, given))} are both given: give one of them")
    problems += _vanishing_models(sections) + _contradictions_of_electrons(sections)
    n_samples, n_chains = sampling.get("n_samples", "auto"), sampling.get("n_chains", "auto")
    if "auto" not in (n_samples, n_chains) and n_chains > n_samples:
        report("sampling", "n_chains", f"more chains than sampling.n_samples; allowed is 1 to {n_samples}")
    betas = [1.0 / temperature for temperature in thermal.get("temperatures", ())] + list(thermal.get("betas", ()))
    if betas and thermal.get("beta_0", "auto") != "auto" and thermal["beta_0"] > min(betas):
        highest = f"1/T of the highest temperature, {shown(min(betas))}"
        report("thermal", "beta_0", f"the run starts from here; allowed is at most {highest}")
    elif betas and {"beta_0", "rings"} <= thermal.keys() and "auto" not in (thermal["beta_0"], thermal["rings"]):
        links, highest = thermal["rings"][0], min(betas) / thermal["rings"][0]
        if links > 2 and thermal["beta_0"] > highest * (1 + 1e-9):
            why = f"rings of {links} links at the highest temperature need hotter states"
            report("thermal", "beta_0", f"{why}; allowed is at most {shown(highest)}, or 2 in thermal.rings")
    if "spin_flip" in sections["wavefunction"].get("symmetries", ()):
        breaking = (part.name for kind in MODELS.values() for part in kind.parameters if part.breaks_spin_flip)
        for key in filter(model.get, dict.fromkeys(breaking)):
            report("wavefunction", "symmetries", f'"spin_flip" is broken by model.{key} = {shown(model[key])}')
    return problems + _contradictions_of_deep_states(sections) + _contradictions_of_task(sections)


def _vanishing_models(sections):
    """Return the problems of Hamiltonians without terms; of models that share keys, the named one's rule counts."""
    given, problems = sections["model"], []
    chosen = MODELS.get(given.get("kind"))
    own = {parameter.name for parameter in chosen.parameters} if chosen else set()
    models = [each for each in MODELS.values() if each is chosen or each.not_all_zero[0] not in own]
    rules = {each.not_all_zero: {part.name: part.default for part in each.parameters} for each in reversed(models)}
    for names, defaults in reversed(rules.items()):
        if names[0] not in given or any(_differs_from_zero(given.get(name, defaults[name])) for name in names):
            continue
        what = " or ".join(names) if len(names) > 1 else "at least one coupling"
        _report(problems, sections, "model", names[0], f"{what} must differ from zero")
    return problems


def _differs_from_zero(value):
    """Return whether a number, or a number of a list, is not zero."""
    return any(value) if isinstance(value, tuple) else value != 0


def _contradictions_of_electrons(sections):
    """Return the problems of options that are for spins only."""
    model = MODELS.get(sections["model"].get("kind"))
    if model is None or not model.of_electrons:
        return []
    problems, here = [], f"with model.kind = {shown(model.word)} allowed is"
    report = partial(_report, problems, sections)
    if sections["thermal"].get("method") == "analytic":
        report("thermal", "method", f'world lines are those of spins; {here} "numerical"')
    if sections["wavefunction"].get("marshall") is True:
        report("wavefunction", "marshall", f'a rule for spins; {here} "auto" or false')
    for key in OF_SPINS:
        if sections["observables"].get(key):
            nothing = shown(type(sections["observables"][key])())
            report("observables", key, f"an observable of magnets; {here} {nothing}")
    if sections["observables"].get("imaginary_time") and sections["model"].get("mu") is None:
        why = "Green functions add an electron; allowed with n_up and n_down is false, true needs model.mu"
        report("observables", "imaginary_time", why)
    return problems + _contradictions_of_electrons_at_zero(sections, here)


def _contradictions_of_electrons_at_zero(sections, here):
    """Return the problems of options that ground states of electrons do not have; `here` begins what is allowed."""
    problems, network = [], sections["wavefunction"]
    report = partial(_report, problems, sections)
    if sections["run"].get("task") != "ground_state":
        return problems
    if network.get("kind") == "rbm":
        report("wavefunction", "kind", f'a network has no signs of electrons; {here} "auto" or "pair_rbm"')
    if network.get("parameters") == "complex":
        report("wavefunction", "parameters", f'determinants are real; {here} "auto" or "real"')
    if network.get("sublattice", "auto") != "auto":
        report("wavefunction", "sublattice", f'determinants of electrons are projected as a whole; {here} "auto"')
    if network.get("cluster_size", "auto") != "auto":
        report("wavefunction", "cluster_size", f'tables are those of pairs of orbitals; {here} "auto"')
    if sections["ground_state"].get("sz", "auto") != "auto":
        report("ground_state", "sz", f'Sz is that of n_up and n_down; {here} "auto"')
    return problems


def _contradictions_of_deep_states(sections):
    """Return the problems of options that states with deep units cannot follow."""
    network, solving, thermal = sections["wavefunction"], sections["reconfiguration"], sections["thermal"]
    slices, start = network.get("slices", 1), thermal.get("start")
    deep = network.get("kind") == "dbm" or start
    problems = []
    report = partial(_report, problems, sections)
    if sections["run"].get("task") == "ground_state":
        if slices not in ("auto", 1):
            report("wavefunction", "slices", "a ground state has no ancilla spins; allowed is \"auto\" or 1")
        if network.get("kind") == "dbm":
            report("wavefunction", "kind", 'deep units are for thermal states; allowed is "auto", "rbm" or "pair_rbm"')
        return problems
    if start and network.get("kind", "auto") not in ("auto", "dbm"):
        report("wavefunction", "kind", 'thermal.start is a deep Boltzmann machine; allowed is "auto" or "dbm"')
    if start and thermal.get("beta_0", "auto") != "auto":
        report("thermal", "beta_0", 'thermal.start brings its own temperature; allowed is "auto"')
    several, analytic = deep or slices not in ("auto", 1), thermal.get("method") == "analytic"
    if several and sections["observables"].get("imaginary_time") and not analytic:
        why = "not measured in states with deep layers (kind dbm, slices, thermal.start); allowed is false"
        report("observables", "imaginary_time", why)
    for key in filter(sections["observables"].get, OF_RATIOS if several and not analytic else ()):
        nothing = shown(type(sections["observables"][key])())
        why = f"not measured in states with deep layers (kind dbm, slices, thermal.start); allowed is {nothing}"
        report("observables", key, why)
    if deep:
        if network.get("alpha", "auto") != "auto":
            report("wavefunction", "alpha", 'the hidden units are those of the Trotter network; allowed is "auto"')
        if network.get("bond_features") is True:
            report("wavefunction", "bond_features", 'deep Boltzmann machines have none; allowed is "auto" or false')
    elif slices in ("auto", 1):
        return problems
    elif network.get("symmetries", "auto") != "auto" and "layer_exchange" not in network["symmetries"]:
        report("wavefunction", "symmetries", f'with slices = {slices} they have to hold "layer_exchange"')
    if not (deep and sections["sampling"].get("method") == "exact_sum"):
        state = 'sampled deep units' if deep else f"wavefunction.slices = {slices}"
        for key, allowed in (("solver", "dense"), ("regularization", "soft_cut")):
            if solving.get(key, "auto") not in ("auto", allowed):
                report("reconfiguration", key, f'with {state} only "auto" or "{allowed}" is allowed')
    return problems


def _contradictions_of_task(sections):
    """Return the problems of options that do not belong to the task or its method."""
    model, sampling, thermal = (sections[name] for name in ("model", "sampling", "thermal"))
    problems = []
    report = partial(_report, problems, sections)
    ground_state, network = sections["ground_state"], sections["wavefunction"]
    is_ground_state = sections["run"].get("task") == "ground_state"
    sampler = sampling.get("method", "auto")
    analytic = not is_ground_state and thermal.get("method", "numerical") == "analytic"
    gibbs = ("gibbs",) if model.get("kind") in MODELS and not MODELS[model["kind"]].has_exchange else ()
    samplers = ("auto", "cluster", *gibbs) if analytic else ("auto", "metropolis", "exact_sum")
    if sampler not in samplers:
        named = "run.task" if is_ground_state else "thermal.method"
        chosen = "ground_state" if is_ground_state else "analytic" if analytic else "numerical"
        report("sampling", "method", f'with {named} = "{chosen}" allowed is {", ".join(map(shown, samplers))}')
    if analytic and sections["observables"].get("imaginary_time"):
        why = 'the layers of a purified state are measured, with thermal.method = "analytic" allowed is false'
        report("observables", "imaginary_time", why)
    for key in filter(sections["observables"].get, NUMERICAL if analytic else ()):
        nothing = shown(type(sections["observables"][key])())
        report("observables", key, f'with thermal.method = "analytic" allowed is {nothing}')
    if analytic and sections["run"].get("threads", 1) != 1:
        why = 'world lines are sampled by one thread per rank; with thermal.method = "analytic" allowed is 1'
        report("run", "threads", why)
    tables = network.get("kind", "auto") in ("clusters", "permanent", "hafnian", "determinant")
    automatic = network.get("kind", "auto") == "auto" and model.get("kind") in MODELS
    of_tables = tables or (automatic and MODELS[model["kind"]].of_tables)
    if network.get("cluster_size", "auto") != "auto" and not of_tables:
        why = 'only with wavefunction.kind = "clusters", "permanent", "hafnian" or "determinant"; allowed is "auto"'
        report("wavefunction", "cluster_size", why)
    has_pairs = is_ground_state and network.get("kind", "auto") in ("auto", "pair_rbm")
    if network.get("sublattice", "auto") != "auto" and not has_pairs:
        why = 'only with wavefunction.kind = "pair_rbm" of a ground state; allowed is "auto"'
        report("wavefunction", "sublattice", why)
    if network.get("exchange_radius", "auto") != "auto" and network.get("kind", "auto") not in ("auto", "permanent"):
        report("wavefunction", "exchange_radius", 'only with wavefunction.kind = "permanent"; allowed is "auto"')
    if tables:
        for key, allowed in (("alpha", "auto"), ("bond_features", "auto"), ("slices", "auto")):
            if network.get(key, allowed) != allowed:
                report("wavefunction", key, f'tables over clusters have none; allowed is "{allowed}"')
    if is_ground_state:
        if network.get("kind") in ("clusters", "permanent", "hafnian", "determinant"):
            report("wavefunction", "kind", 'for thermal states only; allowed are "auto", "rbm" and "pair_rbm"')
        if network.get("bond_features") is True:
            report("wavefunction", "bond_features", "a ground state has no ancilla spins; allowed is \"auto\" or false")
        if "layer_exchange" in network.get("symmetries", ()):
            report("wavefunction", "symmetries", '"layer_exchange": a ground state has one layer')
        if sections["observables"].get("imaginary_time"):
            report("observables", "imaginary_time", "only measured in thermal runs; allowed is false")
        for key in filter(sections["observables"].get, ("correlations", "correlation_vectors")):
            nothing = shown(type(sections["observables"][key])())
            report("observables", key, f"only measured in thermal runs; allowed is {nothing}")
    _contradictions_of_sectors(ground_state, report)
    _contradictions_of_lanczos_steps(ground_state, report)
    return problems


def _contradictions_of_sectors(ground_state, report):
    """Report options that do not go together with several sectors, or only with them."""
    if ground_state.get("sectors", "auto") != "auto":
        for key in ("momentum", "spin_parity", "orthogonal_to"):
            if ground_state.get(key, "auto") not in ("auto", ()):
                report("ground_state", key, "ground_state.sectors is given too; give one of them")
        listed = () if ground_state["sectors"] == "all" else map(sector_parts, ground_state["sectors"])
        if any(abs(parity) != 1 for _, parity, _ in listed):
            report("ground_state", "sectors", "the last number of a sector is its spin parity, 1 or -1")
    elif ground_state.get("groups", "auto") not in ("auto", 1):
        report("ground_state", "groups", 'groups share several sectors; give ground_state.sectors, or "auto"')


def _contradictions_of_lanczos_steps(ground_state, report):
    """Report numbers of samples that a Lanczos step cannot have."""
    n_lanczos, n_final = (ground_state.get(f"n_samples_{key}", "auto") for key in ("lanczos", "final"))
    if ground_state.get("orthogonal_to") and n_lanczos not in ("auto", 0):
        why = "a Lanczos step falls towards the states of ground_state.orthogonal_to"
        report("ground_state", "n_samples_lanczos", f"{why}; allowed is 0")
    elif "auto" not in (n_lanczos, n_final) and n_lanczos > n_final:
        why = "more than ground_state.n_samples_final"
        report("ground_state", "n_samples_lanczos", f"{why}; allowed is 0 to {n_final}")


def _cells(box):
    """Return the cells of a box, the absolute value of its determinant; 0 where it is not square."""
    if not box or any(len(row) != len(box) for row in box):
        return 0
    return round(abs(np.linalg.det(np.array(box, dtype=np.float64))))


def missing(sections, tables):
    """Return the problems of keys that a kind of lattice or a task cannot do without."""
    lattice, thermal = tables["lattice"], tables["thermal"]
    problems = []
    kind = sections["lattice"].get("kind")
    if kind in REGULAR_KINDS and not {"lengths", "box"} & set(lattice):
        directions = GEOMETRIES[kind].n_lengths
        example = {"chain": [16], "ladder": [8, 2]}.get(kind, [4, 4] if directions == 2 else [2, 2, 4])
        problems.append(f'lattice.lengths is missing: needed for kind = "{kind}", for example lengths = {example}')
    if kind == "custom" and not lattice.get("bonds_file") and "bonds" not in lattice:
        problems.append(
            'lattice.bonds is missing: needed for kind = "custom", for example bonds = [[0, 1, 1], [1, 2, 1]], '
            "or bonds_file"
        )
    problems += _missing_filling(sections["model"].get("kind"), tables["model"])
    model = MODELS.get(sections["model"].get("kind"))
    shells = model.bond_parameter() if model and model.cell_key else None
    if shells and any(shells.default) and tables["model"].get(model.cell_key) and shells.name not in tables["model"]:
        problems.append(
            f"model.{shells.name} is missing: with {model.cell_key} give it, too, [0.0] where those are all the bonds"
        )
    if sections["run"].get("task", "thermal") == "thermal" and not {"temperatures", "betas"} & set(thermal):
        problems.append("thermal.temperatures is missing: give temperatures = [...] or betas = [...]")
    return problems


def _missing_filling(word, given):
    """Return the problem of a model of electrons whose ensemble is not given, or not all of it; `given` holds keys."""
    model = MODELS.get(word)
    chosen = [group for group in model.ensembles if set(group) & set(given)] if model else []
    if not model or not model.ensembles or len(chosen) > 1:
        return []
    ways = " or ".join(" and ".join(group) for group in model.ensembles)
    if not chosen:
        return [f"model.{model.ensembles[0][0]} is missing: give {ways}"]
    return [f"model.{key} is missing: give {ways}" for key in chosen[0] if key not in given]


def _report(problems, sections, section, key, why):
    """Add one problem of a given option to `problems`, *in place*."""
    problems.append(f"{section}.{key} = {shown(sections[section][key])}: {why}")
