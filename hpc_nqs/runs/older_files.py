"""What run files of before hold in another convention, converted when they are read.

Files without the attribute `spin_convention` hold the observables of models in Pauli matrices in units of sigma, not
S = sigma/2.
"""

import json

from hpc_nqs.hamiltonians import MODELS
from hpc_nqs.hamiltonians.spin_model import SZ, SZ_WORDS

POWERS = {  # of Sz in every quantity
    "magnetization": 1,
    "susceptibility": 2,
    "structure_factor": 2,
    "correlation": 2,
    "neighbour_correlation": 2,
    "dimer_structure_factor": 4,
}


def is_older(attributes, settings):
    """Return whether a file has other observables than this version.

    Parameters
    ----------
    attributes : dict
        Of the file.
    settings : dict
        Its settings as nested dicts.
    """
    model = MODELS.get(settings.get("model", {}).get("kind"))
    return attributes.get("spin_convention") != SZ_WORDS and model is not None and model.spin != SZ


def converted_rows(rows, settings):
    """Return the rows of an older file in this convention."""
    scale = SZ / MODELS[settings["model"]["kind"]].spin
    return [{name: _scaled(name, value, scale) for name, value in row.items()} for row in rows]


def converted_state(state, settings):
    """Return the state of an older file, the rows or the results of its ensembles in this convention."""
    state = dict(state)
    if isinstance(state.get("rows"), str):
        state["rows"] = json.dumps(converted_rows(json.loads(state["rows"]), settings))
    if isinstance(state.get("results"), str):
        results = json.loads(state["results"])
        found = converted_rows([result["found"] for result in results], settings)
        state["results"] = json.dumps([result | {"found": new} for result, new in zip(results, found, strict=True)])
    return state


def _scaled(name, value, scale):
    """Return a value of a column, number, [value, error] or dict of these, in the new units."""
    quantity = name.partition(" ")[0]
    for suffix in ("_error", "_systematic", "_raw"):
        quantity = quantity.removesuffix(suffix)
    power = POWERS.get(quantity)
    return value if power is None else _times(value, scale**power)


def _times(value, factor):
    if isinstance(value, dict):
        return {key: _times(entry, factor) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_times(entry, factor) for entry in value]
    return value * factor if isinstance(value, (int, float)) else value
