"""Which state, search and meter a ground-state run has: those of spins or those of electrons."""

import numpy as np

from hpc_nqs.ground_state.ansatz import build_spin_ansatz
from hpc_nqs.ground_state.electron_ansatz import build_electron_ansatz
from hpc_nqs.ground_state.electron_meter import ElectronMeter
from hpc_nqs.ground_state.electron_sectors import electron_search
from hpc_nqs.ground_state.meter import LevelMeter
from hpc_nqs.ground_state.sectors import search_of as spin_search
from hpc_nqs.observables.electrons import build_electron_observables
from hpc_nqs.observables.structure_factors import build_correlations
from hpc_nqs.symmetry.site_permutations import site_symmetries


def build_ansatz(settings, lattice, model, seed, sector=None):
    """Return the `SpinAnsatz` or `ElectronAnsatz` that `settings` ask for; parameters as `build_spin_ansatz`."""
    build = build_electron_ansatz if model.of_electrons else build_spin_ansatz
    return build(settings, lattice, model, seed, sector)


def take_params(wavefunction, params):
    """Give a wave function the parameters of a run file.

    Raises
    ------
    ValueError
        These are another number: "auto" was another wave function when the file was written.
    """
    if len(params) != wavefunction.n_params:
        raise ValueError(
            f"the run file holds a state of {len(params)} parameters, where this version has {wavefunction.n_params} "
            '(wavefunction.kind = "auto"): its results stay readable, start the input anew or go on with the version '
            "that wrote it"
        )
    wavefunction.params = params


def search_of(settings, lattice, model):
    """Return the `Search` of a run; `model` is unrotated.  Raises as that of spins or of electrons."""
    return (electron_search if model.of_electrons else spin_search)(settings, lattice, model)


def build_meter(settings, ansatz, sampler, team):
    """Return the `LevelMeter` or `ElectronMeter` of a state."""
    lattice, model = ansatz.lattice, ansatz.model
    if not model.of_electrons:
        return LevelMeter(ansatz, build_correlations(settings, lattice, model), sampler, team)
    images = site_symmetries(lattice, model)
    if model.n_up == model.n_down and model.spin_exchange_symmetric:
        images = np.concatenate([images, (images + model.n_levels) % model.n_sites])
    return ElectronMeter(ansatz, build_electron_observables(settings, lattice, model, images), sampler, team)
