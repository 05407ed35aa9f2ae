"""The lattice and the model that settings describe: the only module that knows both TOML and physics."""

from hpc_nqs.hamiltonians import MODELS, build_model
from hpc_nqs.settings.errors import SettingsError
from hpc_nqs.settings.toml_text import shown


def validate(settings):
    """Return the problems that only the lattice and the model can see, as a list of sentences."""
    try:
        lattice, model = build(settings)
    except SettingsError as error:
        return error.problems
    from hpc_nqs.hamiltonians.marshall import marshall
    from hpc_nqs.symmetry.site_permutations import site_symmetries

    problems = []
    for q in settings.observables.structure_factor:
        try:
            lattice.wave_vector(q)
            nearest = lattice.nearest_wave_vector(q)
        except ValueError as error:
            problems.append(f"observables.structure_factor = {shown(q)}: {error}")
            continue
        if nearest is not None:
            n_components = len(nearest) if lattice.kind != "chain" or nearest[1] else 1
            near = [float(f"{component:.6g}") for component in nearest[:n_components]]
            asked = list(q[:n_components]) if not any(q[n_components:]) else list(q)
            problems.append(
                f"observables.structure_factor = {shown(asked)}: not a wave vector of this periodic lattice, "
                f"where S(q) would depend on where its edges are; in units of pi the nearest is {shown(near)}"
            )
    problems += _wrong_observables(settings, lattice, model)
    network = settings.wavefunction
    if network.marshall is True and marshall(model, lattice).sublattice is None:
        problems.append('wavefunction.marshall = true: the model has nothing to rotate; allowed is "auto" or false')
    for name in ("translation", "point_group"):
        wanted = network.symmetries != "auto" and name in network.symmetries
        if wanted and len(site_symmetries(lattice, model, (name,))) == 1:
            problems.append(f"wavefunction.symmetries = {shown(network.symmetries)}: the system has no {name}")
    if settings.sampling.method == "exact_sum":
        from hpc_nqs.sampling.enumeration import MAX_VISIBLE

        n_layers = 2 if settings.run.task == "thermal" else 1
        if n_layers * model.n_sites > MAX_VISIBLE:
            units = "sites" if model.n_sites == lattice.n_sites else "spin-orbitals"
            largest = f"allowed up to {MAX_VISIBLE // n_layers} {units}, here are {model.n_sites}"
            problems.append(f'sampling.method = "exact_sum": {largest}')
    analytic = settings.run.task == "thermal" and settings.thermal.method == "analytic"
    of_gates = analytic and (settings.thermal.dtau != "auto" or settings.sampling.method == "gibbs")
    if of_gates and not MODELS[settings.model.kind].of_electrons and not model.has_uniform_field:
        problems.append(
            "world lines between Trotter gates have one field along z for all sites; fields that differ, "
            'model.field_staggered and model.site_fields, need thermal.dtau = "auto", continuous time'
        )
    return problems


def _wrong_observables(settings, lattice, model):
    """Return the problems of operators and correlations that this lattice does not have."""
    asked, problems = settings.observables, []
    for operator in asked.operators:
        largest = max(max(term.sites) for term in operator.terms)
        if largest >= model.n_sites:
            allowed = f"allowed are 0 to {model.n_sites - 1}"
            problems.append(f"observables.operators, {operator.name}: it names site {largest}; {allowed}")
    if asked.correlation_vectors and lattice.positions is None:
        why = "displacements need lattice.positions; allowed is false"
        problems.append(f"observables.correlation_vectors = true: {why}")
    from hpc_nqs.observables.plaquettes import bonds_by_kind, triangles_by_kind

    for key, figures in (("dimers", bonds_by_kind), ("chirality", triangles_by_kind)):
        if getattr(asked, key) and not MODELS[settings.model.kind].of_electrons:
            try:
                figures(lattice, model)
            except ValueError as error:
                problems.append(f"observables.{key} = true: {error}; allowed is false")
    return problems


def build(settings):
    """Return the (Lattice, SpinModel) of the settings.

    Raises
    ------
    SettingsError
        When the lattice or the model cannot be built.
    """
    lattice, keywords = build_lattice(settings), settings.model.keywords()
    try:
        return lattice, build_model(lattice, **keywords)
    except ValueError as error:
        key = MODELS[settings.model.kind].bond_parameter().name
        raise SettingsError([_in_section("model", f"model.{key} = {shown(keywords[key])}", error)]) from error


def build_lattice(settings):
    """Return the Lattice of the settings; SettingsError when it cannot be built."""
    from hpc_nqs.lattices import lattice as lattices

    part = settings.lattice
    try:
        n_sites = None if part.n_sites == "auto" else part.n_sites
        return lattices.build(
            part.kind,
            part.lengths,
            part.boundary,
            bonds=part.bonds or None,
            n_sites=n_sites,
            box=part.box,
            positions=part.positions,
            periods=part.periods,
        )
    except ValueError as error:
        raise SettingsError([_in_section("lattice", "lattice", error)]) from error


def _in_section(section, place, error):
    """Return the message of an error with its place, unless it names a place in the section itself."""
    return str(error) if str(error).startswith((f"{section}.", f"{section}:")) else f"{place}: {error}"
