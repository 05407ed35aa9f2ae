"""The results of a run as labelled arrays in its HDF5 file, for programs that know HDF5 but not this one.

`/results` holds one dataset per quantity over the dimension scale `temperature` (`row` where results have none), and
`/history` gets its dimension scale `step`. Units stand in the attribute `units`, as in netCDF, so that xarray opens
both groups. A quantity that a row does not have is not a number.
"""

import numpy as np

from hpc_nqs.hamiltonians.spin_model import SZ_WORDS

ORDERS = ("order_parameter_squared", "order_parameter_fourth", "binder_ratio")
# J stands for the unit of the couplings; k_B = 1.
UNITS = {
    **dict.fromkeys(("temperature", "energy", "bond_energy", "free_energy", "layer_energy_difference"), "J"),
    **dict.fromkeys(("beta", "dtau", "susceptibility", "static_susceptibility", "tau", "compressibility"), "1/J"),
    **dict.fromkeys(("grand_potential", "energy_terms", "gap", "energy_lanczos", "energy_extrapolated"), "J"),
    **dict.fromkeys(("specific_heat", "specific_heat_slope", "entropy", "ln_z"), "k_B"),
    **dict.fromkeys(("variance", "energy_variance", "variance_lanczos"), "J^2"),
    **{"seconds": "s", "autocorrelation": "samples"},
    "relaxation_proxy": "1/J^2",
    **{f"{local}spectral_proxy_{spin}": "1/J" for local in ("", "local_") for spin in ("up", "down")},
}
# Coordinates of quantities that are dicts: dimension, names of the numbers in a key, their units.
KEYS = {
    "structure_factor": ("q", ("qx", "qy"), "pi"),
    "static_susceptibility": ("q", ("qx", "qy"), "pi"),
    "correlation_ratio": ("q", ("qx", "qy"), "pi"),
    **dict.fromkeys(("charge_structure_factor", "n_k_up", "n_k_down"), ("q", ("qx", "qy"), "pi")),
    **dict.fromkeys(("spectral_proxy_up", "spectral_proxy_down"), ("q", ("qx", "qy"), "pi")),
    "dimer_structure_factor": ("dimer_q", ("dimer_qx", "dimer_qy"), "pi"),
    "bond_energy": ("shell", ("shell",), "1"),
    "neighbour_correlation": ("shell", ("shell",), "1"),
    "correlation": ("distance", ("distance",), "nearest-neighbour distances"),
    "charge_correlation": ("distance", ("distance",), "nearest-neighbour distances"),
    "correlation_vector": ("displacement", ("dx", "dy"), "nearest-neighbour distances"),
    **dict.fromkeys(ORDERS, ("order_q", ("order_qx", "order_qy"), "pi")),  # q = 0 beside those of S(q)
    "chirality_structure_factor": ("chirality_q", ("chirality_qx", "chirality_qy"), "pi"),
    "dimer_correlation": ("dimers", ("dimer_a", "dimer_b", "dimer_dx", "dimer_dy"), "1"),
    "chirality_correlation": ("triangles", ("triangle_a", "triangle_b", "triangle_dx", "triangle_dy"), "1"),
}
WORDS = {"energy_terms": "energy_term", "operators": "operator"}  # dimensions whose coordinate is a word
OF_SPINS = ("magnetization", "susceptibility", "structure_factor", "dimer_structure_factor", "correlation")
OF_SPINS += ("neighbour_correlation", "static_susceptibility", "time_correlation", "local_time_correlation")
OF_SPINS += ("magnetization_x", "correlation_vector", "dimer_correlation", "chirality_correlation", "operators")
OF_SPINS += ("chirality_structure_factor", *ORDERS)
IN_TIME = ("time_correlation", "local_time_correlation")  # the last number of a key is k, tau = k beta / links
SUFFIXES = ("_error", "_systematic", "_z")  # _z: from Sz alone, where components are averaged


def unit_of(name):
    """Return the unit of a column, "1" for pure numbers; errors have the unit of their quantity."""
    return UNITS.get(quantity_of(name), "1")


def quantity_of(name):
    """Return the quantity that a column belongs to, its error or its systematic error."""
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def columns(rows):
    """Return the results as {name: (dimensions, float64 array, unit)}; coordinates first.

    Parameters
    ----------
    rows : list of dict
        Of a table.

    Returns
    -------
    dict
        One-dimensional arrays over `temperature` (or `row`); S(q) and correlations are two-dimensional, with the
        coordinates `qx` and `qy` (and `qz` in three dimensions) over `q`, `shell` or `distance`.  Correlations in
        imaginary time have the last dimension `k`; `tau` is the time over `temperature` and `k`.
    """
    along = "temperature" if rows and all(_number(row.get("temperature")) for row in rows) else "row"
    found = {along: ((along,), np.arange(len(rows), dtype=np.float64), "1")}
    names = dict.fromkeys(name for row in rows for name, value in row.items() if _number(value))
    for name in names:
        values = [row[name] if _number(row.get(name)) else np.nan for row in rows]
        found[name] = ((along,), np.array(values, np.float64), unit_of(name))
    for name in dict.fromkeys(name for row in rows for name, value in row.items() if isinstance(value, dict)):
        if quantity_of(name) in IN_TIME:
            found |= _in_time(rows, name, along)
            continue
        keys = list(dict.fromkeys(key for row in rows for key in row.get(name) or {}))
        dimension, coordinates = _coordinates(quantity_of(name), keys)
        found |= coordinates
        pairs = np.array([[_pair((row.get(name) or {}).get(key)) for key in keys] for row in rows], np.float64)
        pairs = pairs.reshape(len(rows), len(keys), 2)
        found[name] = ((along, dimension), pairs[:, :, 0].copy(), unit_of(name))
        if not name.endswith("_systematic"):
            found[f"{name}_error"] = ((along, dimension), pairs[:, :, 1].copy(), unit_of(name))
    return found


def _coordinates(quantity, keys):
    """Return the dimension of a quantity that is a dict, and the arrays that its keys are, as `columns`."""
    if quantity in WORDS:
        dimension = WORDS[quantity]
        return dimension, {dimension: ((dimension,), np.array(keys, dtype=np.bytes_), "1")}
    dimension, parts, unit = KEYS.get(quantity, (quantity + "_key", (quantity + "_key",), "1"))
    if len(parts) > 1 and any(key.count(",") == len(parts) for key in keys):
        parts = (*parts, parts[-1].removesuffix("y") + "z")
    found = {} if dimension in parts else {dimension: ((dimension,), np.arange(len(keys), dtype=np.float64), "1")}
    for part, coordinate in zip(parts, _key_numbers(keys, parts).T, strict=True):
        found[part] = ((dimension,), coordinate, unit)
    return dimension, found


def _in_time(rows, name, along):
    """Return the arrays of one correlation in imaginary time with its coordinates and the times, as `columns`."""
    split = [key.rpartition(",") for row in rows for key in row.get(name) or {}]
    vectors = list(dict.fromkeys(vector for vector, _, _ in split))
    n_times = 1 + max(int(k) for _, _, k in split)
    keys = [[f"{vector},{k}" if vector else str(k) for k in range(n_times)] for vector in vectors]
    pairs = np.array(
        [[[_pair((row.get(name) or {}).get(key)) for key in of_vector] for of_vector in keys] for row in rows]
    )
    steps = np.array([row["beta"] / row["links"] if row.get("links") else np.nan for row in rows])
    taus = np.outer(steps, np.arange(n_times))
    taus[np.array([[k > (row.get("links") or 0) // 2 for k in range(n_times)] for row in rows])] = np.nan
    found = {"k": (("k",), np.arange(n_times, dtype=np.float64), "1"), "tau": ((along, "k"), taus, unit_of("tau"))}
    dimensions = (along, "k")
    if vectors != [""]:
        parts = ("qx", "qy", "qz") if any(vector.count(",") == 2 for vector in vectors) else ("qx", "qy")
        numbers = _key_numbers(vectors, parts)
        found |= {"q": (("q",), np.arange(len(vectors), dtype=np.float64), "1")}
        found |= {part: (("q",), values, "pi") for part, values in zip(parts, numbers.T, strict=True)}
        dimensions = (along, "q", "k")
    else:
        pairs = pairs[:, 0]
    found[name] = (dimensions, pairs[..., 0].copy(), unit_of(name))
    if not name.endswith("_systematic"):
        found[f"{name}_error"] = (dimensions, pairs[..., 1].copy(), unit_of(name))
    return found


def attach(file, rows):
    """Write the group /results into an open h5py file and give /history its scale and units, *in place*."""
    results = file.create_group("results")
    stored = columns(rows)
    for name, (_, values, unit) in stored.items():
        attributes = results.create_dataset(name, data=values).attrs
        attributes["units"] = np.bytes_(unit)
        if quantity_of(name) in OF_SPINS:
            attributes["spin_convention"] = np.bytes_(SZ_WORDS)
    _scale(results, {name: dimensions for name, (dimensions, _, _) in stored.items()})
    history = file["history"]
    for name in history:
        history[name].attrs["units"] = np.bytes_(unit_of(name))
    if "step" in history:
        _scale(history, dict.fromkeys(history, ("step",)))


def _scale(group, dimensions):
    """Make the coordinates of a group dimension scales and attach them, *in place*."""
    for name in {name for names in dimensions.values() for name in names}:
        group[name].make_scale(name)
    for name, along in dimensions.items():
        if name in along:
            continue
        for axis, dimension in enumerate(along):
            group[name].dims[axis].attach_scale(group[dimension])


def _number(value):
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def _pair(value):
    if value is None:
        return (np.nan, np.nan)
    return tuple(value) if isinstance(value, (list, tuple)) else (value, np.nan)


def _key_numbers(keys, parts):
    """Return the numbers in keys such as "1,0.5", (n_keys, n_parts); not a number where a key has none.

    A third component that "1,0.5" leaves out is 0.
    """
    numbers = np.full((len(keys), len(parts)), np.nan)
    for number, key in enumerate(keys):
        found = key.split(",")
        found += ["0"] * (parts[-1].endswith("z") and len(found) == len(parts) - 1)
        if len(found) == len(parts):
            for place, part in enumerate(found):
                try:
                    numbers[number, place] = float(part)
                except ValueError:
                    break
    return numbers
