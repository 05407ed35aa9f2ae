"""Exact results of magnets against a uniform field along z: where Sz is conserved, from the levels of one field."""

import dataclasses

import numpy as np

from hpc_nqs.exact import diagonalization
from hpc_nqs.hamiltonians import MODELS
from hpc_nqs.settings.parsing import SettingsError, parse_settings
from hpc_nqs.settings.system import build

FIELD = "model.field_z"
N_FIELDS = 121  # of a dense curve


def rows_over_field(settings, fields, betas):
    """Return [(field, exact rows at the inverse temperatures)], dense between the smallest and the largest field.

    E(h') = E(h) - (h' - h) M in units where H holds -h M: the eigenstates are those of any field.

    Parameters
    ----------
    settings : Settings
        Of one of the runs.
    fields : sequence of float
        Those of the runs.
    betas : sequence of float

    Returns
    -------
    list
        Empty for models that do not conserve Sz, of electrons, and for another spin convention of the field.

    Raises
    ------
    SettingsError
        The system is too large.
    """
    model_class = MODELS[settings.model.kind]
    lattice, model = build(settings)
    if model_class.of_electrons or not model.conserves_sz or model_class.spin != 0.5:
        return []
    own = settings.model.field_z
    try:
        levels = diagonalization.diagonalize(model, lattice)
    except ValueError as error:
        raise SettingsError([f"no exact results: {error}"]) from error
    dense, found = np.union1d(np.linspace(min(fields), max(fields), N_FIELDS), fields), []
    for field in dense:
        energies = levels.energies - (field - own) * levels.sz
        order = np.argsort(energies, kind="stable")
        moved = dataclasses.replace(levels, energies=energies[order], sz=levels.sz[order], in_field=True)
        found.append((float(field), diagonalization.thermal_rows(moved, betas)))
    return found


def curves_over(runs, temperatures_of_table, parameter):
    """Return [(place, exact rows)] of runs that differ in one parameter, those of a field dense.

    Parameters
    ----------
    runs : list of (place, settings as nested dicts)
    temperatures_of_table : sequence of float
        Of the rows, in units of the couplings.
    parameter : str
        "section.key".
    """
    from hpc_nqs.exact.table import equal_times, thermal_rows

    betas = [1.0 / temperature for temperature in temperatures_of_table]
    parsed = [(place, parse_settings(settings | {"observables": {}})) for place, settings in runs]
    if parameter == FIELD and len(parsed) > 1:
        dense = rows_over_field(parsed[0][1], [place for place, _ in parsed], betas)
        if dense:
            return dense
    return [(place, thermal_rows(equal_times(settings), betas)[1]) for place, settings in parsed]
