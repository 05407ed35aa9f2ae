"""The network that a run starts from, read from the file of another run."""

import math

from hpc_nqs.runs import run_file
from hpc_nqs.settings.parsing import SettingsError, parse_settings, read_tables
from hpc_nqs.wavefunctions.dbm import DBM


def load_start(settings, team):
    """Return the arrays of the network in the file `thermal.start`, read by rank 0.  *Collective*.

    What the file knows at that temperature stands in "known": "integral", (value, error) of int_0^beta e dbeta' per
    site, and "energy", (value, error) of continuous time or extrapolated from several dtau.

    Raises
    ------
    SettingsError
        On every rank: no file, no deep Boltzmann machine in it, another system, or a temperature below the reported
        ones.
    """
    network, problems = None, []
    if team.is_root:
        network, problems = _read(settings)
    network, problems = team.broadcast_object((network, problems))
    if problems:
        raise SettingsError([f'thermal.start = "{settings.thermal.start}": {problem}' for problem in problems])
    return network


def _read(settings):
    """Return (network, problems)."""
    path = settings.thermal.start
    try:
        network = run_file.read_network(path)
        stored = parse_settings(read_tables(run_file.read_settings_text(path)))
        DBM.from_arrays(network)
        rows = run_file.read_table(path)["rows"]
    except run_file.RunFileError as error:
        return None, [str(error)]
    except SettingsError as error:
        return None, [f"its settings cannot be read: {problem}" for problem in error.problems]
    except ValueError as error:
        return None, [f'{error}; allowed are runs with thermal.method = "analytic" or wavefunction.kind = "dbm"']
    rows = [row for row in rows if row["beta"] == network["beta"]]
    is_continuous = stored.thermal.method == "analytic" and not any("energy_raw" in row for row in rows)
    network["known"] = _known(rows, is_continuous)
    problems = []
    for section in ("lattice", "model"):
        ours, theirs = getattr(settings, section), getattr(stored, section)
        if ours != theirs:
            names = [name for name in vars(ours) if getattr(ours, name) != getattr(theirs, name)]
            problems += [
                f"its {section}.{name} is {getattr(theirs, name)}, not {getattr(ours, name)}" for name in names
            ]
    if network["beta"] > min(settings.thermal.report_betas):
        problems.append(
            f"the network is that of T = {1 / network['beta']:.6g}, below the reported T = "
            f"{1 / min(settings.thermal.report_betas):.6g}; a run continues to lower temperatures only"
        )
    if settings.wavefunction.slices not in ("auto", network["n_slices"]):
        n_slices = network["n_slices"]
        problems.append(f'it has {n_slices} slices; allowed is wavefunction.slices = {n_slices} or "auto"')
    return network, problems


def _known(rows, is_continuous):
    """Return what the table of the start says at its temperature; `rows` holds one row or none.

    The energy is known without the error of dtau where time is continuous, or several dtau were extrapolated.
    """
    known = {}
    for row in rows:
        if "free_energy" in row:  # ln Z / N = ln 2 - int e dbeta' = -beta f
            integral = math.log(2.0) + row["beta"] * row["free_energy"]
            known["integral"] = [integral, row["beta"] * row["free_energy_error"]]
        if is_continuous or len(row.get("energy_raw", ())) > 1:
            known["energy"] = [row["energy"], row["energy_error"]]
    return known
