"""Tables and figures in kelvin, J/mol, J/(mol K) and emu/mol, by the section [units]."""

import math

import pytest

import hpc_nqs
from hpc_nqs.cli.parser import main
from hpc_nqs.exact.table import exact_table
from hpc_nqs.observables.molar_units import CURIE, GAS_CONSTANT, MolarUnits
from hpc_nqs.reports.lost import is_lost
from hpc_nqs.reports.pages import Drawing, PageError, checked
from hpc_nqs.reports.text import csv_text, json_text, table_text
from hpc_nqs.reports.units import MOLAR, in_its_units
from hpc_nqs.settings.parsing import SettingsError, parse_settings

INPUT = {
    "lattice": {"kind": "chain", "lengths": [6]},
    "model": {"kind": "heisenberg"},
    "thermal": {"temperatures": [2.0, 1.0, 0.5]},
    "units": {"J": "98.2 K", "g": 2.1},
}


@pytest.fixture(scope="module")
def table():
    return exact_table(parse_settings(INPUT))


def test_numbers_are_converted_and_everything_else_is_left(table):
    row, molar = table["rows"][1], in_its_units(table)["rows"][1]
    assert molar["temperature"] == 98.2 and molar["beta"] == row["beta"]
    assert molar["energy"] == pytest.approx(8.314462618 * 98.2 * row["energy"])
    assert molar["specific_heat"] == pytest.approx(8.314462618 * row["specific_heat"])
    assert molar["susceptibility"] == pytest.approx(0.3751 * 2.1**2 / 98.2 * row["susceptibility"], rel=1e-3)
    with_errors = MolarUnits(10.0, 2.0).converted(
        {"energy": 1.0, "energy_error": 0.1, "energy_systematic": 0.2, "static_susceptibility": {"1": [2.0, 0.5]}}
    )
    assert with_errors["energy_error"] == pytest.approx(GAS_CONSTANT) == with_errors["energy_systematic"] / 2
    assert with_errors["static_susceptibility"]["1"] == pytest.approx([0.8 * CURIE, 0.2 * CURIE])
    assert in_its_units(in_its_units(table)) == in_its_units(table)
    assert MOLAR not in in_its_units({"settings": {}, "rows": []})


def test_the_curie_law_of_the_table_is_that_of_free_spins():
    """At T = 1000 J chi T is 0.0938 g^2 emu K/mol, within J / (4 T)."""
    hot = exact_table(parse_settings(INPUT | {"thermal": {"temperatures": [1000.0]}}))
    row = in_its_units(hot)["rows"][0]
    assert row["susceptibility"] * row["temperature"] == pytest.approx(0.09378 * 2.1**2, rel=1e-3)


def test_text_has_the_units_and_data_for_programs_do_not(table):
    text = table_text(table, table["rows"])
    assert "98.2" in text and "Per mole of sites, with J = 98.2 K and g = 2.1" in text and "emu/mol" in text
    assert "e - exact" in text and text.count("0.0000") >= 3  # exact rows are converted, too
    assert csv_text(table).splitlines()[2].startswith("1.0,")


def test_what_is_lost_does_not_depend_on_units():
    row = {"energy": -1.0, "temperature": 1.0, "entropy": 0.01, "entropy_error": 0.2}
    assert not is_lost(row, "entropy") and not is_lost(MolarUnits(98.2, 2.0).converted(row), "entropy")
    row["entropy_error"] = 0.6 * math.log(2.0)
    assert is_lost(row, "entropy") and is_lost(MolarUnits(98.2, 2.0).converted(row), "entropy")


def test_figures_have_the_units_of_their_tables(table):
    drawing = Drawing([table], ["a"], [{}])
    drawing.compare("thermodynamics", True)
    figure = drawing.figure("thermodynamics")
    assert [axis.get_ylabel() for axis in figure.axes][1] == "specific heat  $c$  [J/(mol K)]"
    assert figure.axes[-1].get_xlabel() == "temperature  $T$  [K]"
    line = next(line for line in figure.axes[0].get_lines() if line.get_label() == "exact")
    assert line.get_xdata()[0] == pytest.approx(196.4)
    assert line.get_ydata()[0] == pytest.approx(in_its_units(table)["rows"][0]["energy"])
    other = exact_table(parse_settings(INPUT | {"units": {}}))
    both = Drawing([table, other], ["a", "b"], [{}, {}]).figure("thermodynamics")
    assert both.axes[-1].get_xlabel() == "temperature  $T$  [J]"


def test_references_of_the_program_are_converted_and_others_are_not(table, tmp_path):
    (tmp_path / "own.json").write_text(json_text(table))
    (tmp_path / "measured.csv").write_text("temperature,specific_heat\n98.2,2.0\n")
    drawing = Drawing([table], ["a"], [{}])
    drawing.compare("thermodynamics", False, [tmp_path / "own.json", tmp_path / "measured.csv"])
    (_, own), (_, measured) = drawing.references
    assert own[-1]["temperature"] == 196.4
    assert own[-1]["energy"] == pytest.approx(in_its_units(table)["rows"][0]["energy"])
    assert measured == [{"temperature": 98.2, "specific_heat": 2.0}]
    plain = Drawing([table | {"settings": table["settings"] | {"units": {}}}], ["a"], [{}])
    plain.compare("thermodynamics", False, [tmp_path / "own.json"])
    assert plain.references[0][1][-1]["energy"] == table["rows"][0]["energy"]


def test_the_page_of_momenta_is_of_electrons(table):
    with pytest.raises(PageError, match="page momentum: it is of electrons; allowed are thermodynamics"):
        checked("momentum", [table])


@pytest.mark.parametrize("wrong", ["98.2", "98.2 J", "-1 K", "K 98.2", 98.2, True])
def test_wrong_units_are_refused(wrong):
    shown = f'"{wrong}"' if isinstance(wrong, str) else str(wrong).lower()
    with pytest.raises(SettingsError, match=rf"units.J = {shown}.*: allowed is a positive number with one of the"):
        parse_settings(INPUT | {"units": {"J": wrong}})


def test_a_run_keeps_them_and_can_change_them(tmp_path, capsys):
    path = tmp_path / "run.h5"
    hpc_nqs.run(hpc_nqs.make_input(**INPUT), path)
    assert hpc_nqs.load(path)["temperature"].tolist() == [2.0, 1.0, 0.5]
    hpc_nqs.resume(path, ["units.J=8.5 meV"])
    capsys.readouterr()
    assert main(["show", str(path), "--exact"]) == 0
    assert "with J = 8.5 meV" in capsys.readouterr().out
