"""From settings to the thermal state at the start of the cooling."""

from hpc_nqs.settings.parsing import SettingsError, refusing
from hpc_nqs.thermal.choices import (
    DEEP,
    DETERMINANT,
    HAFNIAN,
    MIXED_FLIPS,
    NETWORK,
    PAIRED,
    PERMANENT,
    TABLES,
    plan_state,
    refuse_for_electrons,
    refuse_for_pairs,
)
from hpc_nqs.thermal.deep.ansatz import build_deep_state
from hpc_nqs.thermal.determinant_state import build_determinant_state
from hpc_nqs.thermal.hafnian_state import build_hafnian_state
from hpc_nqs.thermal.network_state import build_network_state
from hpc_nqs.thermal.permanent_state import build_permanent_state
from hpc_nqs.thermal.table_state import build_table_state

BUILDERS = {
    NETWORK: build_network_state,
    PAIRED: build_network_state,
    TABLES: build_table_state,
    PERMANENT: build_permanent_state,
    HAFNIAN: build_hafnian_state,
    DETERMINANT: build_determinant_state,
}


def build_state(settings, lattice, model, seed, start=None):
    """Return the `ThermalState` that `settings` ask for.

    Parameters
    ----------
    settings : Settings
    lattice : Lattice
    model : SpinModel
        Unrotated.
    seed : int
        Of the random features.
    start : dict, optional
        Arrays of the network that `thermal.start` names.

    Raises
    ------
    SettingsError
        A wave function that cannot represent the model; deep units that can neither be summed nor sampled, or not in
        the way that is asked for; rings of a state that makes none.
    """
    if model.of_electrons:
        refusing(refuse_for_electrons, settings.wavefunction, model)
        if settings.thermal.start:
            raise SettingsError([f'thermal.start = "{settings.thermal.start}": of electrons allowed is ""'])
    if not model.of_electrons and model.mixes_flips:
        refusing(refuse_for_pairs, settings.wavefunction)
        if settings.thermal.start:
            raise SettingsError(
                [f'thermal.start = "{settings.thermal.start}": allowed is "" for {MIXED_FLIPS}']
            )
    if settings.wavefunction.kind == DEEP or settings.thermal.start:
        state = refusing(build_deep_state, settings, lattice, model, start)
    else:
        plan = refusing(plan_state, settings, lattice, model, seed)
        state = refusing(BUILDERS[plan.word], plan)
    rings = settings.thermal.rings
    if rings != "auto" and rings != state.ring_links(rings):
        raise SettingsError(
            [f"thermal.rings = {list(rings)}: rings of more than two links need a real state that is symmetric under "
             "exchange of the layers, without deep layers, pair_rbm or exchange_radius; allowed is \"auto\" or [2]"]
        )
    return state
