"""Fits of computed curves to measured ones: data made from all levels with noise, and files that are none."""

import json

import numpy as np
import pytest

from hpc_nqs.cli.parser import main
from hpc_nqs.exact.table import thermal_rows
from hpc_nqs.experiments.fit import Problem
from hpc_nqs.experiments.measured_curve import MeasuredCurve, MeasuredCurveError, read_curve
from hpc_nqs.experiments.sources import exact_family
from hpc_nqs.experiments.theory_curve import TheoryCurve, TheoryFamily
from hpc_nqs.observables.molar_units import CURIE, GAS_CONSTANT, kelvin_of
from hpc_nqs.settings.parsing import parse_settings

J, G, TEMPERATURES = 98.2, 2.1, np.linspace(15.0, 300.0, 30)


def magnet(*couplings, lengths=(4, 2), **model):
    return parse_settings(
        {
            "lattice": {"kind": "square", "lengths": list(lengths)},
            "model": {"kind": "heisenberg", "couplings": list(couplings)} | model,
            "thermal": {"temperatures": [1.0]},
        }
    )


def curve_of(settings, key, energy=J):
    return np.array([row[key] for row in thermal_rows(settings, (energy / TEMPERATURES).tolist())[1]])


def test_units():
    """A free spin 1/2 with g = 2 has the Curie constant 0.3751 emu K/mol; energies by their textbook factors."""
    assert CURIE * 2.0**2 / 4 == pytest.approx(0.37514, rel=1e-4)
    assert kelvin_of("98.2 K") == 98.2
    assert kelvin_of("1 meV") == pytest.approx(11.6045, rel=1e-5)
    assert kelvin_of("1cm^-1") == pytest.approx(1.43878, rel=1e-5)
    assert kelvin_of("1 THz") == pytest.approx(47.9924, rel=1e-5)
    for wrong in ("98.2", "K", "-3 K", "1 J", "1.2.3 K", "1e999 K"):
        with pytest.raises(ValueError, match="positive number with a unit"):
            kelvin_of(wrong)


def test_curves_between_their_points():
    """A cubic in ln T through exact points is right to 1e-6; one in J2 through four models as its errors say."""
    family = exact_family([magnet(1.0, x) for x in (0.0, 0.2, 0.4, 0.6)], "chi")
    assert family.name == "J2" and family.values.tolist() == [0.0, 0.2, 0.4, 0.6]
    reduced = TEMPERATURES / J
    at_model = curve_of(magnet(1.0, 0.2), "susceptibility")
    np.testing.assert_allclose(family.value(reduced, 0.2), at_model, rtol=1e-6)
    assert np.abs(family.error(reduced, 0.2) / at_model).max() < 1e-9
    between = curve_of(magnet(1.0, 0.35), "susceptibility")
    deviation, error = np.abs(family.value(reduced, 0.35) - between), family.error(reduced, 0.35)
    assert np.mean(deviation < 2 * error + 1e-6 * between) >= 0.9
    assert error[-1] < 1e-4 * between[-1] and error[0] < 0.05 * between[0]


@pytest.mark.parametrize("n_parameters", [2, 3])
def test_parameters_lie_within_their_errors(n_parameters):
    """100 data sets with noise: within two standard errors 95.4 % of J, g and J2; fewer than 88 has p < 2e-3."""
    stream = np.random.default_rng(20)
    if n_parameters == 2:
        truth, family = {"J": J, "g": G}, exact_family([magnet(1.0, 0.4)], "chi")
    else:
        truth = {"J": J, "J2": 0.4, "g": G}
        family = exact_family([magnet(1.0, x) for x in (0.2, 0.3, 0.4, 0.5)], "chi")
    values = CURIE * G**2 / J * curve_of(magnet(1.0, 0.4), "susceptibility")
    errors = 0.01 * values
    deviations = []
    for _ in range(100):
        data = MeasuredCurve(TEMPERATURES, values + errors * stream.standard_normal(len(values)), errors)
        fit = Problem(data, family, "chi").solve()
        deviations.append([(fit.values[name] - exact) / fit.errors[name] for name, exact in truth.items()])
    deviations = np.array(deviations)
    inside = np.sum(np.abs(deviations) < 2, axis=0)
    assert np.all(inside >= 88), inside
    assert np.all(np.abs(deviations.mean(axis=0)) < 0.4), deviations.mean(axis=0)  # 4 standard errors
    assert np.all(np.abs(deviations.std(axis=0) - 1) < 0.28), deviations.std(axis=0)  # 4 standard errors


def test_specific_heats_and_backgrounds():
    """c with a T^3, and chi with chi_0 and C/T and two spins in a formula unit, without noise."""
    heat = GAS_CONSTANT * curve_of(magnet(1.0), "specific_heat") + 3e-7 * TEMPERATURES**3
    data = MeasuredCurve(TEMPERATURES, heat, None)
    found = Problem(data, exact_family([magnet(1.0)], "c"), "c", backgrounds=["phonons"]).solve()
    assert found.values == pytest.approx({"J": J, "phonons": 3e-7}, rel=1e-5)
    assert not found.has_errors and found.outside == 0
    chi = 2 * CURIE * G**2 / J * curve_of(magnet(1.0), "susceptibility") + 2e-4 + 0.003 / TEMPERATURES
    data = MeasuredCurve(TEMPERATURES, chi, 0.01 * chi)
    found = Problem(data, exact_family([magnet(1.0)], "chi"), "chi", 2.0, G, ["curie", "chi_0"]).solve()
    assert found.values == pytest.approx({"J": J, "chi_0": 2e-4, "curie": 0.003, "g": G}, rel=1e-4)
    assert found.free == ("J", "chi_0", "curie") and found.errors["g"] == 0.0


def test_errors_of_computed_curves_shift_all_points():
    """A computed chi with an error of 2 % everywhere leaves g uncertain by 1 %, however good the data are."""
    points = np.geomspace(0.05, 10, 60)
    values = np.array([row["susceptibility"] for row in thermal_rows(magnet(1.0), (1 / points).tolist())[1]])
    family = TheoryFamily("", [0.0], [TheoryCurve(points, values, 0.02 * values, 1)])
    exact = CURIE * G**2 / J * curve_of(magnet(1.0), "susceptibility")
    fit = Problem(MeasuredCurve(TEMPERATURES, exact, 1e-6 * exact), family, "chi").solve()
    assert fit.errors["g"] == pytest.approx(0.01 * G, rel=1e-2)
    assert fit.errors["J"] < 1e-3 * J


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("T,chi\n10,0.1\n20,0.2,0.1\n30,0.1\n", "line 3: '20,0.2,0.1': 3 columns; allowed are 2"),
        ("10 0.1\n20 nan\n30 0.1\n", "line 2: '20 nan': allowed are finite numbers"),
        ("10 0.1\n-20 0.2\n30 0.1\n", "line 2: .* temperatures and errors are positive"),
        ("10 0.1 0.0\n", "line 1: .* temperatures and errors are positive"),
        ("T chi\n# nothing\n10 0.1\n20 0.1\n", "2 rows of numbers; needed are at least 3"),
        ("1 2 3 4\n", "line 1: '1 2 3 4': 4 columns; allowed are 2 or 3"),
    ],
)
def test_files_that_are_no_curves(text, message, tmp_path):
    path = tmp_path / "chi.csv"
    path.write_text(text)
    with pytest.raises(MeasuredCurveError, match=message):
        read_curve(path)
    with pytest.raises(MeasuredCurveError, match="No such file"):
        read_curve(tmp_path / "none.csv")


INPUT = '[lattice]\nkind = "chain"\nlengths = [6]\n[model]\nkind = "heisenberg"\n[thermal]\ntemperatures = [1.0]\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a measured curve of a ring of six spins and inputs."""
    monkeypatch.chdir(tmp_path)
    values = CURIE * G**2 / J * curve_of(parse_settings_of(INPUT), "susceptibility")
    rows = [f"{t}; {v}; {0.01 * v}\n" for t, v in zip(TEMPERATURES, values, strict=True)]
    (tmp_path / "chi.csv").write_text("T; chi; error\n" + "".join(rows))
    (tmp_path / "hot.csv").write_text("".join(rows[4:-1]))
    (tmp_path / "ring.toml").write_text(INPUT)
    (tmp_path / "sweep.toml").write_text(INPUT + '[sweep]\n"model.anisotropy" = [0.5, 0.9, 1.1, 1.5]\n')
    two = '[sweep]\n"model.anisotropy" = [0.5, 1.0]\n"lattice.lengths" = [[4], [6]]\n'
    (tmp_path / "two.toml").write_text(INPUT + two)
    bonds = ", ".join(f"[[2, 0, 0, 0, {x}]]" for x in (-0.2, -0.1, 0.1, 0.2))
    given = INPUT.replace("[model]", "[model]\ncouplings = [1.0]")
    (tmp_path / "bonds.toml").write_text(given + f'[sweep]\n"model.cell_bonds" = [{bonds}]\n')
    (tmp_path / "few.toml").write_text(INPUT + '[sweep]\n"model.anisotropy" = [0.5, 1.0]\n')
    return tmp_path


def parse_settings_of(text):
    import tomllib

    return parse_settings(tomllib.loads(text))


def test_the_command_prints_what_was_put_in(folder, capsys):
    assert main(["fit", "chi.csv", "ring.toml", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert table["parameters"]["J"]["value"] == pytest.approx(J, rel=1e-5)
    assert table["parameters"]["g"]["value"] == pytest.approx(G, rel=1e-5)
    assert table["chi_squared"] < 1e-3 and table["degrees_of_freedom"] == 28 and not table["remarks"]
    assert main(["fit", "chi.csv", "sweep.toml", "--g", "2.1", "-o", "fit.png"]) == 0
    assert (folder / "fit.png").stat().st_size > 10_000
    assert main(["fit", "chi.csv", "ring.toml", "-o", "ring.toml"]) == 1
    assert (folder / "ring.toml").read_text() == INPUT
    text = capsys.readouterr().out
    assert "Delta = 0.99" in text or "Delta = 1.00" in text
    assert "g = 2.1 (held)" in text and "chi^2 = " in text
    assert main(["fit", "chi.csv", "bonds.toml", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["parameters"]
    assert found["J(2,0)"]["unit"] == "J" and abs(found["J(2,0)"]["value"]) < 3 * found["J(2,0)"]["error"]


def test_runs_are_sources_and_know_where_they_end(folder, capsys):
    import hpc_nqs

    settings = hpc_nqs.make_input(
        lattice={"kind": "chain", "lengths": [6]}, model={"kind": "heisenberg"},
        thermal={"temperatures": [3.0, 2.0, 1.5, 1.0, 0.7, 0.5]},
    )
    hpc_nqs.run(settings, "ring.h5")
    capsys.readouterr()
    assert main(["fit", "hot.csv", "ring.h5", "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert table["parameters"]["J"]["value"] == pytest.approx(J, abs=3 * table["parameters"]["J"]["error"])
    assert table["parameters"]["J"]["value"] == pytest.approx(J, rel=0.02)
    assert main(["fit", "chi.csv", "ring.h5"]) == 0
    assert "temperatures lie outside of " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["chi.csv", "ring.toml", "--free", "phonons"], 1, "phonons: of chi allowed are chi_0, curie"),
        (["none.csv", "ring.toml"], 2, "none.csv: No such file"),
        (["chi.csv", "none.toml"], 2, "none.toml: No such file"),
        (["chi.csv", "ring.toml", "ring.h5"], 2, "allowed are run files .*or one input"),
        (["chi.csv", "two.toml"], 2, r"the models differ in lattice.lengths\[0\], model.anisotropy"),
        (["chi.csv", "few.toml"], 2, "curves for two values of Delta only; needed are at least 3"),
        (["chi.csv", "sweep.toml", "--set", "model.anisotropy=1"], 2, "change the input"),
        (["chi.csv", "ring.toml", "--set", "lattice.lengths=[20]"], 2, "20 sites: all levels are found for up to 16"),
    ],
)
def test_wrong_uses_are_one_sentence(folder, capsys, arguments, code, message):
    import re

    assert main(["fit", *arguments]) == code
    assert re.search(message, capsys.readouterr().err)
