"""One paragraph for the Methods section of a paper: what a run did, in plain sentences with its numbers."""

from hpc_nqs.hamiltonians import MODELS
from hpc_nqs.reports.numbers import duration
from hpc_nqs.reports.text import describe

_STATES = {
    "rbm": "a restricted Boltzmann machine",
    "pair_rbm": "a pair product times a restricted Boltzmann machine",
    "electron_pairs": "pair determinants of electrons times tables over pairs of orbitals and a restricted Boltzmann "
    "machine",
    "clusters": "tables over pairs and connected clusters of up to {cluster_size} sites",
    "permanent": "an exchange permanent times tables over pairs and connected clusters of up to {cluster_size} sites",
    "hafnian": "an exchange hafnian times tables over pairs and connected clusters of up to {cluster_size} sites",
    "determinant": "two determinants with backflow times tables over up to {cluster_size} orbitals",
    "dbm": "a deep Boltzmann machine with {n_deep} deep units",
}
_SYMMETRIES = {
    "translation": "translations",
    "point_group": "the point group",
    "layer_exchange": "the exchange of layers",
    "spin_flip": "the flip of all spins",
}
_SOLVERS = {
    "dense": "directly",
    "cg": "by conjugate gradients",
    "sample_space": "in the space of samples",
}


def paragraph(table, about=None):
    """Return the paragraph; empty for a run whose file does not hold what "auto" became.

    Parameters
    ----------
    table : dict
        As `run_file.read_table` returns it.
    about : dict, optional
        As `run_file.read_about` returns it, for the version.
    """
    resolved = table.get("resolved")
    if not resolved:
        return ""
    settings = table.get("settings", {})
    if table.get("task") == "ground_state":
        sentences = _ground_state(settings, resolved, table)
    elif settings.get("thermal", {}).get("method") == "analytic":
        sentences = _analytic(settings, resolved, table)
    else:
        sentences = _numerical(settings, resolved, table)
    return " ".join([*sentences, _made_with(table, about or {})])


def _magnet(settings, table):
    return describe(settings, table.get("n_sites"))


def _numerical(settings, resolved, table):
    state, sampling, thermal = resolved["wavefunction"], resolved["sampling"], resolved["thermal"]
    order = {2: "second-order (Heun)", 3: "third-order (Kutta)"}[thermal["order"]]
    clock = settings["thermal"].get("clock", "energy")
    followed = {
        "energy": "the inverse temperature beta follows dE/dbeta = -Var(H)",
        "time": "the inverse temperature beta is twice the imaginary time",
    }
    until = thermal.get("expansion_beta")
    expansion = f", follows a cluster expansion up to beta = {until:.4g}" if until else ""
    temperatures = settings["thermal"].get("temperatures") or [1 / beta for beta in settings["thermal"]["betas"]]
    coldest, rings = _rings(table["rows"])
    return [
        f"Thermal states of the model {_magnet(settings, table)}, were computed by numerical purification "
        "(PRL 127, 060601 (2021), method II).",
        f"The purified state of {_units(settings, table)} is {_state(state)}.",
        f"It starts at beta_0 = {thermal['beta_0']:.4g} from its high-temperature form{expansion} and is cooled to "
        f"T = {max(min(temperatures), coldest):.4g} by imaginary-time evolution (stochastic reconfiguration) in "
        f"{order} steps, whose size keeps their error below {2 * thermal['step_tolerance']:.2g} in the norm of the "
        f"state, at most {thermal['max_dtau']:.3g} in inverse energies and 20 % of beta; {followed[clock]}.",
        *_sampled(sampling, thermal.get("n_samples_report"), "each reported temperature"),
        *rings,
        *_measured_again(table),
        _equations(resolved["reconfiguration"]),
    ]


def _measured_again(table):
    """Return the sentence about rows that were not measured on the way."""
    if not table.get("measured_from"):
        return []
    return [
        "These results were measured afterwards on the states that the cooling has passed, in Markov chains of their "
        "own; between two steps parameters are cubic in beta."
    ]


def _units(settings, table):
    """Return what the layers of a purified state hold, in words."""
    model = settings.get("model", {})
    if MODELS[model["kind"]].of_electrons:
        if model.get("mu") is not None:
            return f"electrons in any number, as many on either layer, at the chemical potential {model['mu']:g}"
        return f"{model['n_up']} electrons with spin up and {model['n_down']} with spin down on either layer"
    return f"{2 * table['n_sites']} spins"


def _rings(rows):
    """Return the temperature of the coldest kernel, 0 where none is measured on rings, and the sentence about them."""
    of_rings = [row for row in rows if row.get("links", 2) > 2]
    if not of_rings:
        return 0.0, []
    coldest = 1 / max(row["kernel_beta"] for row in rows if "kernel_beta" in row)
    fewest, most = (choose(row["links"] for row in of_rings) for choose in (min, max))
    links = f"{fewest} links" if fewest == most else f"{fewest} to {most} links"
    signs = [row["average_sign"] for row in of_rings]
    return coldest, [
        f"From T = {max(row['temperature'] for row in of_rings):.4g} down averages are ratios of traces over rings of "
        f"{links} of the state at T = {coldest:.4g} or above, sampled with their sign where they are not summed "
        f"(average sign at least {min(signs):.2g})."
    ]


def _ground_state(settings, resolved, table):
    state, sampling, part = resolved["wavefunction"], resolved["sampling"], resolved["ground_state"]
    if MODELS[settings["model"]["kind"]].of_electrons:
        state = state | {"kind": "electron_pairs"}
    projected = part["projection"]
    sectors = part["sectors"]
    groups = part.get("groups", 1)
    how = "one after the other" if groups == 1 else f"by {groups} groups of ranks"
    many = f" {sectors} sectors of quantum numbers were optimized {how}" if sectors > 1 else ""
    found = [
        f"The lowest states of the model {_magnet(settings, table)}, were computed by variational Monte Carlo with "
        f"{_state(state)}.",
    ]
    if projected != "none":
        images = f" ({state['projection_images']} images)" if state["projection_images"] > 1 else ""
        first = "first sector" if sectors > 1 else "state"
        found.append(f"The {first} is projected onto {projected}{images}.")
    if many:
        found.append(many.strip() + (", and the lowest is reported." if part["searches"] else "."))
    found.append(
        f"It is optimized by stochastic reconfiguration with momentum in at most {settings['ground_state']['n_steps']} "
        f"steps of imaginary time {part['step_size']:.3g}, until the V-score N Var(H) / E^2 is below "
        f"{settings['ground_state']['v_score']:.2g}."
    )
    found += _sampled(sampling, part.get("n_samples_final"), "the final measurement")
    if any("energy_lanczos" in row for row in table["rows"]):
        n_samples = part.get("n_samples_lanczos")
        of = f" from {n_samples:,} of these samples" if n_samples else ""
        found.append(f"One Lanczos step{of} gives a second energy and variance, and a line the limit of zero variance.")
    return [*found, _equations(resolved["reconfiguration"])]


def _analytic(settings, resolved, table):
    sampling, thermal = resolved["sampling"], resolved["thermal"]
    method = {"cluster": "loop and cluster updates", "gibbs": "block Gibbs sampling"}[sampling["method"]]
    signs = "All weights are positive." if thermal["positive"] else "Averages are reweighted by the signs of weights."
    between = (
        f" Entropy and free energy are integrals of the energy, for which {thermal['between']} more temperatures were "
        "sampled."
        if thermal["between"]
        else ""
    )
    if thermal["dtau"]:
        dtaus = ", ".join(f"{dtau:.3g}" for dtau in thermal["dtau"])
        network = (
            f"The thermal state is a deep Boltzmann machine written down gate by gate as a Trotter product of order "
            f"{settings['thermal'].get('trotter_order', 2)} with steps of at most {dtaus} in inverse energies "
            f"({', '.join(map(str, thermal['slices_lowest']))} slices at the lowest temperature), without "
            "optimization; results are extrapolated to dtau = 0 in dtau^2."
        )
        lines, each = f"world lines of {thermal['nodes']} sites in space and time", " for each step"
    else:
        network = (
            "The thermal state is a deep Boltzmann machine written down gate by gate in the limit of infinitely short "
            "gates, without optimization."
        )
        lines, each = "world lines in continuous imaginary time", ""
    return [
        f"Thermal states of the model {_magnet(settings, table)}, were computed by analytic purification "
        "(PRL 127, 060601 (2021), method I).",
        network,
        f"Its units were sampled as {lines} by {method} in {sampling['n_chains']} Markov chains, "
        f"{sampling['n_samples']:,} samples{each} at the lowest temperature. {signs}{between}",
    ]


def _state(state):
    """Return the wave function in words."""
    words = _STATES[state["kind"]].format(**{"cluster_size": "", "n_deep": 0} | state)
    if state.get("slices", 1) > 1 and state["kind"] != "dbm":
        words = f"a product of {state['slices']} copies of {words}"
    words += f", with {state['n_params']} {state['parameters']} parameters"
    shared = [_SYMMETRIES.get(name, name) for name in state["symmetries"]]
    if shared:
        listed = ", ".join(shared[:-1]) + (" and " if len(shared) > 1 else "") + shared[-1]
        order = f" (a group of {state['group_order']} elements)" if "group_order" in state else ""
        words += f" that are shared under {listed}{order}"
    return words + (", in the basis rotated by Marshall's rule" if state.get("marshall") else "")


def _sampled(sampling, n_report, where):
    """Return the sentences about averages."""
    if sampling["method"] == "exact_sum":
        n = sampling["n_configurations"]
        orbits = sampling.get("n_orbits", n)
        ways = "" if orbits == n else f", by one of each of {orbits:,} orbits of the symmetries"
        return [f"All averages are sums over {n:,} configurations{ways}, without statistical error."]
    hot = f" ({sampling['n_samples_hot']:,} at high temperature)" if "n_samples_hot" in sampling else ""
    exponent, sweeps = sampling["exponent"], sampling["sweeps_per_sample"]
    power = f"q between {exponent[0]:g} and {exponent[1]:g}" if isinstance(exponent, list) else f"q = {exponent:g}"
    apart = f"{sweeps[0]} to {sweeps[1]} sweeps" if isinstance(sweeps, list) else f"{sweeps} sweeps"
    at_most = f"{n_report[0]:,} to {n_report[1]:,}" if isinstance(n_report, list) else f"{n_report:,}"
    return [
        f"Averages are taken over {sampling['n_samples']:,} samples per step{hot} and {at_most} at {where}, from "
        f"{sampling['n_chains']} Metropolis chains of |Psi|^(2q), {power}, {apart} apart; errors are jackknife "
        "estimates."
    ]


def _equations(solver):
    """Return the sentence about S x = -F."""
    if solver["regularization"] == "soft_cut":
        tamed = f"eigenvalues of S below {solver['soft_cut']:.0e} of the largest one are cut softly"
    else:
        tamed = f"with a diagonal shift of S of {solver['diag_scale']:.0e} of its diagonal"
    return f"The linear equations are solved {_SOLVERS[solver['solver']]}, {tamed}."


def _made_with(table, about):
    version = f" {about['version']}" if about.get("version") else ""
    seed = table.get("settings", {}).get("run", {}).get("seed")
    ranks = table.get("n_ranks", 1)
    words = f"The run with hpc_nqs{version} took {duration(table.get('seconds', 0.0))} on {ranks} "
    return words + ("process" if ranks == 1 else "processes") + (f" (seed {seed})." if seed is not None else ".")
