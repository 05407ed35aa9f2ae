"""Nothing depends on the unit of energy: couplings and temperatures times a factor give the same run, rescaled."""

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.parallel.team import Team
from hpc_nqs.reports.charts import charts
from hpc_nqs.reports.text import table_text
from hpc_nqs.runs import run_file
from hpc_nqs.settings.parsing import parse_settings

COUPLINGS = ("couplings", "field_z", "coupling", "field")
# powers of the unit of energy in the columns of table and history
POWERS = {"temperature": 1, "energy": 1, "free_energy": 1, "layer_energy_difference": 1, "energy_raw": 1}
POWERS |= {"bond_energy": 1, "variance": 2, "energy_variance": 2, "beta": -1, "dtau": -1}
POWERS |= {"gap": 1, "energy_lanczos": 1, "energy_extrapolated": 1, "variance_lanczos": 2}
POWERS |= {"susceptibility": -1, "susceptibility_raw": -1}
HEISENBERG = {"kind": "heisenberg", "couplings": [1.0]}
FRUSTRATED = {"kind": "heisenberg", "couplings": [1.0, 0.5], "field_z": 0.25}
ISING = {"kind": "tfim", "coupling": 1.0, "field": 0.75}
SUMS, FEW = {"method": "exact_sum"}, {"method": "metropolis", "n_samples": 512, "n_chains": 16}
NETWORK = {"alpha": 2.0}


def chain(n_sites, model, thermal, sampling, **sections):
    lattice = {"kind": "chain", "lengths": [n_sites]}
    task = {"run": {"seed": 3, "task": "thermal"}} | ({"thermal": thermal} if thermal else {})
    return {"lattice": lattice, "model": model, "sampling": sampling} | task | sections


NUMERICAL, ANALYTIC = {"temperatures": [2.0, 0.5]}, {"temperatures": [2.0, 0.75], "method": "analytic"}
GROUND = {"run": {"seed": 3, "task": "ground_state"}, "ground_state": {"n_steps": 12}}
CASES = {
    "sums, network": chain(4, HEISENBERG, NUMERICAL, SUMS, wavefunction=NETWORK),
    "sums, tables in a field": chain(4, FRUSTRATED, NUMERICAL, SUMS, wavefunction={"parameters": "real"}),
    "sums, permanent": chain(4, FRUSTRATED, NUMERICAL, SUMS, wavefunction={"kind": "permanent"}),
    "sampled, tables": chain(6, HEISENBERG, NUMERICAL, FEW),
    "sampled, pair product": chain(6, FRUSTRATED, {"temperatures": [2.0]}, FEW, wavefunction={"kind": "pair_rbm"}),
    "sampled, transverse field": chain(6, ISING, NUMERICAL, FEW),
    "analytic, exchange": chain(4, HEISENBERG, ANALYTIC, {"n_samples": 2048}),
    "analytic, transverse field": chain(4, ISING, ANALYTIC, {"n_samples": 2048}),
    "ground state, sums": chain(6, FRUSTRATED, None, SUMS, **GROUND),
    "ground state, sampled": chain(8, ISING, None, FEW, **GROUND),
}
COMPARED = {"temperature", "energy", "specific_heat", "entropy", "free_energy", "susceptibility", "energy_raw"}
WITH_SUMS = [name for name in CASES if "sums" in name or "analytic" in name]


def run(case, unit, folder):
    """Return the table and the history of a case in a unit of energy."""
    sections = {name: dict(section) for name, section in CASES[case].items()}
    for key in COUPLINGS:
        value = sections["model"].get(key)
        if value is not None:
            sections["model"][key] = [x * unit for x in value] if isinstance(value, list) else value * unit
    if "thermal" in sections:
        sections["thermal"]["temperatures"] = [t * unit for t in sections["thermal"]["temperatures"]]
    path = str(folder / f"{unit!r}.h5")
    assert tasks.run(parse_settings(sections), Team.serial(), path) == 0
    return run_file.read_table(path), run_file.read_history(path)


def scaled(name, value, unit):
    """Return a value of a table in units in which the couplings are near one; keys of dicts, such as dtau, go."""
    if isinstance(value, dict):
        return [scaled(name, part, unit) for part in value.values()]
    if isinstance(value, (list, tuple)):
        return [scaled(name, part, unit) for part in value]
    if not isinstance(value, (int, float)):
        return value
    return value / unit ** POWERS.get(name.removesuffix("_error").removesuffix("_systematic"), 0)


def numbers(table, history, unit):
    """Return all numbers of a run but its times, rescaled, as one dict."""
    found = {f"{k} {name}": scaled(name, x, unit) for k, row in enumerate(table["rows"]) for name, x in row.items()}
    return found | {
        name: scaled(name, column.tolist(), unit) for name, column in history.items() if name != "seconds"
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return the function (case, unit) -> (table, history), every run made once."""
    made = {}

    def get(case, unit):
        if (case, unit) not in made:
            made[case, unit] = run(case, unit, tmp_path_factory.mktemp("unit"))
        return made[case, unit]

    return get


@pytest.mark.parametrize("unit", [2.0**-10, 2.0**10])
@pytest.mark.parametrize("case", CASES)
def test_powers_of_two_change_no_bit(case, unit, finished):
    assert numbers(*finished(case, unit), unit) == numbers(*finished(case, 1.0), 1.0)


@pytest.mark.parametrize("unit", [1e-3, 1e3])
@pytest.mark.parametrize("case", WITH_SUMS)
def test_other_units_change_rounding_alone(case, unit, finished):
    """World lines are the same ones; S, cut at 1e-8 of its largest eigenvalue, enlarges rounding.

    With a pair product that even moves the steps: 56 and 57 of them in place of 58.
    """
    (table, history), (plain, plain_history) = finished(case, unit), finished(case, 1.0)
    n_steps, stiff = len(plain_history["energy"]), "tables" in case
    assert abs(len(history["energy"]) - n_steps) <= (0.1 * n_steps if stiff else 0)
    tolerance = 1e-9 if "analytic" in case else 2e-3 if stiff else 1e-4
    for row, expected in zip(table["rows"], plain["rows"], strict=True):
        for name in expected.keys() & COMPARED:
            found, wanted = (np.ravel(scaled(name, x[name], u)) for x, u in ((row, unit), (expected, 1.0)))
            np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize(
    ("unit", "energy", "chi", "lowest"),
    [
        (1e-3, " -0.000104000", " 250.00", "-3.9e-4 |"),
        (1.0, " -0.104000", " 0.25000", "-0.3867 |"),
        (1e3, " -104.000", " 0.00025000", " -386.7 |"),
    ],
)
def test_tables_and_charts_show_as_many_digits(unit, energy, chi, lowest):
    rows = [
        {"temperature": t * unit, "energy": e * unit, "specific_heat": 0.3, "susceptibility": 0.25 / unit}
        for t, e in ((2.0, -0.104), (1.0, -0.2041), (0.5, -0.3867))
    ]
    text = table_text({"rows": rows, "settings": {"model": {"kind": "heisenberg", "couplings": [unit]}}})
    assert energy in text and chi in text
    assert lowest in charts(rows)
