"""Exact results in the form of the tables of runs, for inputs and beside the rows of runs."""

import dataclasses
import time

from hpc_nqs.hamiltonians import MODELS
from hpc_nqs.settings.parsing import SettingsError, parse_settings
from hpc_nqs.settings.system import build

QUANTUM_NUMBERS = ("momentum", "sz", "spin_parity")
OF_ELECTRONS = ("n_up", "n_down", "momentum", "spin_parity")
ALL_SECTORS = "all sectors searched"  # `lowest_of` of a row that is the ground state, see ground_state/sectors.py


def exact_table(settings):
    """Return the table of exact results of an input: rows per temperature, or the lowest level of every sector.

    Raises
    ------
    SettingsError
        When the lattice is too large or cannot be built.
    """
    start = time.perf_counter()
    task = settings.run.task
    if task == "ground_state":
        n_sites, rows = sector_rows(settings)
    else:
        n_sites, rows = thermal_rows(settings, settings.thermal.report_betas)
    table = {"format": 1, "task": task, "method": "exact", "n_sites": n_sites, "finished": True, "n_ranks": 1}
    return table | {"seconds": time.perf_counter() - start, "settings": settings.to_dict(), "rows": rows}


def thermal_rows(settings, betas):
    """Return (n_sites, exact rows at the inverse temperatures `betas`); errors as `exact_table`."""
    wanted = settings.observables
    lattice, levels = _levels(settings, wanted.structure_factor, wanted.correlations, **_more(settings))
    rows = _of_model(settings).thermal_rows(levels, betas)
    if wanted.imaginary_time:
        of_electrons = _is_of_electrons(settings)
        later = _green_rows(settings, levels, betas) if of_electrons else imaginary_time_rows(settings, betas)
        rows = [row | other for row, other in zip(rows, later, strict=True)]
    return lattice.n_sites, rows


def imaginary_time_rows(settings, betas, n_links=8):
    """Return the entries of rows that belong to imaginary time, at tau = k beta / n_links; errors as `exact_table`."""
    from hpc_nqs.exact.imaginary_time import TimeCorrelations

    lattice, model = build(settings)
    try:
        correlations = TimeCorrelations(model, lattice, settings.observables.structure_factor)
    except ValueError as error:
        raise SettingsError([_without_times(error)]) from error
    return correlations.rows(betas, n_links)


def _green_rows(settings, levels, betas):
    """Return the entries of rows that Green functions of electrons give; errors as `exact_table`."""
    from hpc_nqs.exact.green_functions import spectral_proxies

    lattice, model = build(settings)
    try:
        return spectral_proxies(model, lattice, levels, betas, settings.observables.structure_factor)
    except ValueError as error:
        raise SettingsError([_without_times(error)]) from error


def _without_times(error):
    return f"observables.imaginary_time = true: {error}; false gives all other exact results"


def sector_rows(settings):
    """Return (n_sites, one row per sector with its lowest energy per site, in ascending order).

    A given `ground_state.sz` leaves the sectors with this Sz. Errors as `exact_table`.
    """
    if _is_of_electrons(settings):
        return _electron_sector_rows(settings)
    lattice, levels = _levels(settings)
    wanted = settings.ground_state.sz
    rows = []
    for sector in levels.sectors:
        if wanted != "auto" and sector["sz"] is not None and sector["sz"] != wanted:
            continue
        numbers = {name: sector[name] for name in QUANTUM_NUMBERS if sector[name] is not None}
        rows.append(numbers | {"energy": sector["energy"] / lattice.n_sites, "dimension": sector["dimension"]})
    return lattice.n_sites, rows


def _electron_sector_rows(settings):
    """Return (n_sites, one row per sector), in ascending order of the lowest level of H - mu N."""
    lattice, levels = _levels(settings, observables=False)
    rows = []
    for sector in levels.sectors:
        numbers = {name: sector[name] for name in OF_ELECTRONS if sector[name] is not None}
        potential = sector["energy"] / lattice.n_sites
        filling = (sector["n_up"] + sector["n_down"]) / lattice.n_sites
        energies = {"energy": potential + (levels.mu or 0.0) * filling}
        if levels.mu is not None:
            energies["grand_potential"] = potential
        rows.append(numbers | energies | {"dimension": sector["dimension"]})
    return lattice.n_sites, rows


def rows_beside(table):
    """Return the exact row for every row of the table of a run; errors as `exact_table`."""
    settings = parse_settings(table["settings"])
    if not table["rows"]:
        return []
    if table["task"] == "ground_state":
        sectors, places = sector_rows(settings)[1], build(settings)
        asked, of_electrons = settings.ground_state, _is_of_electrons(settings)
        found = [_level_beside(row, sectors, asked) for row in table["rows"]]
        for number, row in enumerate(table["rows"]):
            if row.get("point_group") and row.get("lowest_of") != ALL_SECTORS:
                found[number] = {} if of_electrons else _projected_beside(row, *places)
        return found
    betas = [row["beta"] for row in table["rows"]]
    if _is_of_electrons(settings):
        try:
            return thermal_rows(settings, betas)[1]
        except SettingsError:  # Green functions have a smaller limit
            pass
    return thermal_rows(equal_times(settings), betas)[1]


def equal_times(settings):
    """Return the settings without imaginary time, which takes longer and has a smaller limit."""
    return dataclasses.replace(settings, observables=dataclasses.replace(settings.observables, imaginary_time=False))


def _level_beside(row, sectors, asked):
    """Return the lowest exact level with the quantum numbers of a row, or of all where it claims to be that.

    Rows of files from before `lowest_of` claim it where the settings `asked` for no sector.
    """
    sector_asked = any(getattr(asked, name) != "auto" for name in (*QUANTUM_NUMBERS, "point_group", "sectors"))
    claims = row.get("lowest_of", None if sector_asked or asked.orthogonal_to else ALL_SECTORS) == ALL_SECTORS
    for sector in sectors:
        same = (row.get(name, sector[name]) == sector[name] for name in QUANTUM_NUMBERS if name in sector)
        if claims or all(same):
            return {"energy": sector["energy"]}
    return {}


def _projected_beside(row, lattice, model):
    """Return the lowest exact level of spins with the quantum numbers of a row, that of the point group among them."""
    from hpc_nqs.exact.projected_levels import lowest_level
    from hpc_nqs.symmetry.quantum_numbers import Sector

    momentum = row.get("momentum")
    sector = Sector(None if momentum is None else tuple(momentum), row["point_group"], row.get("spin_parity"))
    n_up = round(row["sz"] + model.n_sites / 2) if "sz" in row else None
    try:
        level = lowest_level(model, lattice, sector, n_up)
    except ValueError as error:  # too many orbits
        raise SettingsError([f"no exact results: {error}"]) from error
    return {} if level is None else {"energy": level / model.n_sites}


def curves(tables, names, with_observables=True):
    """Return the pairs (name, exact rows dense in T) of the different systems, and why others have none.

    The temperatures of all rows are among them; of a single one the curve goes from half to twice of it.  Correlations
    need eigenvectors, which take longer than the levels alone.
    """
    found, skipped, seen = [], [], []
    for table, name in zip(tables, names, strict=True):
        system = {part: table["settings"].get(part) for part in ("lattice", "model")}
        if system in seen or not table["rows"]:
            continue
        seen.append(system)
        betas = {row["beta"] for other in tables for row in other["rows"]}
        low, high = (min(betas), max(betas)) if len(betas) > 1 else (0.5 * min(betas), 2.0 * min(betas))
        dense = sorted({*betas, *(low * (high / low) ** (k / 200) for k in range(201))})
        try:
            asked = table["settings"].get("observables", {})
            own = {"energy_terms": asked.get("energy_terms", False)}  # and <Sx>
            without = {} if with_observables else {"observables": own}
            found.append((name, thermal_rows(equal_times(parse_settings(table["settings"] | without)), dense)[1]))
        except SettingsError as error:
            skipped.append(f"{name}: {error}")
    return found, skipped


def _more(settings):
    """Return {"more": Observables} of spins where an input asks for what they hold beside S(q) and distances."""
    asked = settings.observables
    names = ("correlation_vectors", "moments", "energy_terms", "dimers", "chirality", "operators")
    if _is_of_electrons(settings) or not any(getattr(asked, name) for name in names):
        return {}
    from hpc_nqs.observables.diagonal import build_observables  # NumPy and SciPy, when they are needed

    return {"more": build_observables(settings, *build(settings))}


def _is_of_electrons(settings):
    return MODELS[settings.model.kind].of_electrons


def _of_model(settings):
    """Return the module that diagonalizes the model of an input."""
    from hpc_nqs.exact import diagonalization, electrons

    return electrons if _is_of_electrons(settings) else diagonalization


def _levels(settings, *observables, **options):
    """Return the lattice and all levels of its model; the rest goes to `diagonalize` of its module."""
    lattice, model = build(settings)
    try:
        return lattice, _of_model(settings).diagonalize(model, lattice, *observables, **options)
    except ValueError as error:  # too many sites, or too large a block without symmetries
        raise SettingsError([f"no exact results: {error}"]) from error
