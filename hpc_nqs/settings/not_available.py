"""Words that people look for and that this program does not have: one sentence each, with what there is."""

import math

import numpy as np

from hpc_nqs.hamiltonians import MODELS, XYZ, Hubbard
from hpc_nqs.lattices.geometry import GEOMETRIES

_MODELS = "; ".join(f"{model.word} ({model.summary})" for model in MODELS.values())
_MEASURED = (
    "observables.structure_factor (equal times), observables.imaginary_time, observables.correlations and the "
    "thermodynamics"
)
_INSTEAD = "; `hpc-nqs exact` gives the exact results of small systems"
_BY_COMPONENT = f'nine J^ab in entries of model.{XYZ.cell_key} or {XYZ.site_key} of "{XYZ.word}"; {_MODELS}'
# What the words have in common, the words, and what there is instead.
_WORDS = (
    ("spins other than 1/2", "spin s two_s 2s spin_length", "all spins are 1/2"),
    (
        "Dzyaloshinskii-Moriya couplings by name",
        "dm dmi dm_vector d_vector dzyaloshinskii dzyaloshinskii_moriya",
        _BY_COMPONENT,
    ),
    (
        "keys for couplings of single components",
        "jx jy jz j_x j_y j_z jxy jyz jxz",
        f'model.kind = "{XYZ.word}" with {", ".join(XYZ.shell_keys)}, and model.{XYZ.cell_key} for directions',
    ),
    ("Kitaev couplings by name", "kitaev k compass", f'model.kind = "{XYZ.word}", with an entry for each kind of bond'),
    ("off-diagonal couplings by name", "gamma_prime off_diagonal", _BY_COMPONENT),
    ("single-ion and biquadratic terms", "single_ion single_ion_anisotropy d biquadratic", _MODELS),
    ("couplings of more than two spins", "ring ring_exchange four_spin three_spin chirality", _MODELS),
    (
        "bosons, phonons and other models of electrons",
        f"t_j tj fermions bosons bose_{Hubbard.word} kondo holstein",
        _MODELS,
    ),
    (
        "fields along x and y of this model",
        "field_x field_y hx hy h_x h_y",
        f'model.kind = "{XYZ.word}" with field_x, field_y; {_MODELS}',
    ),
    (
        "random couplings and fields",
        "disorder random",
        'lattice.kind = "custom", a list of bonds with couplings; model.site_fields',
    ),
    (
        "keys for couplings of legs, rungs and other directions",
        "j_leg j_rung jleg jrung j_parallel j_perp",
        "model.cell_bonds, [R1, R2, a, b, J] for every direction, with couplings = [0.0]: [[1, 0, 0, 0, J_leg], "
        "[0, 1, 0, 0, J_rung]] of a ladder",
    ),
    ("relaxation rates of nuclei", "nmr t1 t_1 knight_shift relaxation", _MEASURED),
    (
        "spectra and real times",
        "dynamics dynamic dynamical dynamical_structure_factor spectrum spectral spectral_function time_evolution",
        _MEASURED,
    ),
    ("entanglement", "entanglement entanglement_entropy renyi negativity", _MEASURED),
)
_SENTENCES = {word: (what, instead) for what, words, instead in _WORDS for word in words.split()}


MAX_SITES_OF_STATES = 1024  # their groups of symmetries are permutations of all sites, one for every site and more


def refuse_runs(settings):
    """Refuse runs of models, or of terms of them, that have exact results only, and of lattices too large for states.

    Raises
    ------
    ValueError
        For magnets whose couplings differ by component: other tasks than cooling, fields along y and products of
        different components; for electrons in ground states with a chemical potential; for more than
        `MAX_SITES_OF_STATES` sites, but not by the analytic method.
    """
    model = MODELS[settings.model.kind]
    by_world_lines = settings.run.task == "thermal" and settings.thermal.method == "analytic"
    n_sites = _n_sites(settings.lattice)
    if n_sites > MAX_SITES_OF_STATES and not by_world_lines:
        instead = '; thermal.method = "analytic" takes more' if settings.run.task == "thermal" else ""
        raise ValueError(f"lattice: {n_sites} sites; allowed are up to {MAX_SITES_OF_STATES}{instead}")
    if model.of_electrons and settings.run.task == "ground_state" and settings.model.mu is not None:
        raise ValueError(
            f"model.mu = {settings.model.mu:g}: runs of ground states have fixed numbers of electrons; give n_up "
            f"and n_down{_INSTEAD}"
        )
    if model is XYZ:
        _refuse_components(settings, model)


def _refuse_components(settings, model):
    """Refuse what runs of magnets whose couplings differ by component do not do."""
    word = f'with model.kind = "{model.word}" allowed is'
    if settings.run.task == "ground_state":
        raise ValueError(f'run.task = "ground_state": {word} "thermal"{_INSTEAD}')
    if settings.thermal.method == "analytic":
        raise ValueError(f'thermal.method = "analytic": {word} "numerical"{_INSTEAD}')
    values = {name: value for name, value in settings.model.keywords().items() if name != "kind"}
    for sentence in model.terms_without_runs(model.completed(values)):
        raise ValueError(f"{sentence}{_INSTEAD}")


def _n_sites(lattice):
    """Return the number of sites of the section [lattice]."""
    if lattice.kind == "custom":
        return lattice.n_sites if lattice.n_sites != "auto" else 1 + max(max(i, j) for i, j, _ in lattice.bonds)
    cells = round(abs(np.linalg.det(np.array(lattice.box, dtype=np.float64)))) if lattice.box else 1
    return cells * math.prod(lattice.lengths) * len(GEOMETRIES[lattice.kind].basis)


def not_available(word):
    """Return the sentence for a key, section or word of an input that stands for what there is not; "" for others."""
    plain = str(word).strip().lower().replace("-", "_").replace(" ", "_")
    if plain not in _SENTENCES:
        return ""
    what, instead = _SENTENCES[plain]
    return f"{what} are not available; there is: {instead}".replace("entanglement are", "entanglement is")
