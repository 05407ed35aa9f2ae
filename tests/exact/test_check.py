"""`hpc-nqs check`: which method suits a magnet, exact sums described as sums, and times that are near the real ones."""

import json
import re
import time

import pytest

from hpc_nqs import tasks
from hpc_nqs.cli import parser as cli
from hpc_nqs.path_integral.trial import sign_trial
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build

INPUT = """
[run]
seed = 1
task = "{task}"
[lattice]
kind = "{lattice}"
lengths = {lengths}
[model]
kind = "heisenberg"
couplings = {couplings}
"""
THERMAL = '[thermal]\nmethod = "{method}"\ntemperatures = [{temperatures}]\n'


def write(folder, lengths, couplings, task="thermal", method="numerical", temperatures="4.0, 1.0", lattice="chain"):
    text = INPUT.format(task=task, lattice=lattice, lengths=lengths, couplings=couplings)
    text += THERMAL.format(method=method, temperatures=temperatures) if task == "thermal" else ""
    path = folder / "input.toml"
    path.write_text(text)
    return str(path)


def checked(path, capsys, *options):
    assert cli.main(["check", path, *options]) == 0
    return capsys.readouterr().out


def test_a_magnet_without_a_sign_problem(tmp_path, capsys):
    out = " ".join(checked(write(tmp_path, [8], [1.0]), capsys).split())
    assert 'No sign problem: thermal.method = "analytic" has no variational error here.' in out
    assert "hpc-nqs exact" in out
    out = " ".join(checked(write(tmp_path, [8], [1.0], method="analytic"), capsys).split())
    assert "No sign problem: the errors are statistical" in out
    for word in ("gates (network in the file)", "sweeps of the run", "break-ups tried per sweep, and sites"):
        assert word in out
    assert "dtau at the lowest" not in out and "extrapolated" not in out


def test_where_the_analytic_sign_is_lost(tmp_path, capsys):
    """The trial agrees with runs: on the 4x3 lattice, J2 = 0.5, an analytic run stops between T = 1 and T = 0.5."""
    path = write(tmp_path, [4, 3], [1.0, 0.5], temperatures="2.0, 0.5", lattice="square")
    out = " ".join(checked(path, capsys).split())
    kept, lost = map(float, re.search(r"between T = ([\d.]+) and ([\d.]+)\.", out).groups())
    assert 2 > kept > lost > 0.5
    sections = {"lattice": {"kind": "chain", "lengths": [4]}, "thermal": {"temperatures": [2.0]}}
    settings = parse_settings(sections | {"model": {"kind": "heisenberg", "couplings": [1.0, 0.5]}})
    trial = sign_trial(settings, *build(settings))
    assert trial.lost is None and trial.kept == 2.0 and 0.9 < trial.sign < 1.0


def test_exact_sums_are_sums(tmp_path, capsys):
    out = checked(write(tmp_path, [6], [1.0]), capsys)
    assert re.search(r"configurations summed per step +44\n", out)
    assert "chains" not in out.replace("per chain", "") and "samples" not in out
    found = json.loads(checked(write(tmp_path, [6], [1.0]), capsys, "--json"))
    assert found["resolved"]["sampling"] == {"method": "exact_sum", "n_configurations": 924, "n_orbits": 44}
    assert found["forecast"]["reports"] == 2 and found["forecast"]["seconds"] > 0


@pytest.mark.parametrize("temperatures", ["1e-9", "1.0, 1e-9"])
@pytest.mark.parametrize("method", ["numerical", "analytic"])
def test_hopeless_inputs_are_checked_in_seconds(method, temperatures, tmp_path, capsys):
    path = write(tmp_path, [6], [1.0], method=method, temperatures=temperatures)
    begin = time.monotonic()
    found = json.loads(checked(path, capsys, "--json"))["forecast"]
    assert found["seconds"] > 1e2 and time.monotonic() - begin < 30


def test_learned_slices_are_not_the_best():
    """Said of learned slices of exchange magnets: those of a `dbm` are of its start, an analytic run has none."""

    def is_said(slices, kind="auto", method="numerical", model="heisenberg"):
        sections = {"lattice": {"kind": "chain", "lengths": [4]}, "model": {"kind": model}}
        sections |= {"wavefunction": {"slices": slices, "kind": kind}}
        sections |= {"thermal": {"temperatures": [4.0], "method": method}}
        said = f"wavefunction.slices = {slices}: the default state and rings of it are more accurate in the same time"
        return any(sentence.startswith(said) for sentence in tasks.advice(parse_settings(sections)))

    assert is_said(2) and is_said(3)
    assert not is_said(1) and not is_said("auto")
    assert not is_said(2, kind="dbm") and not is_said(2, method="analytic") and not is_said(2, model="tfim")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lengths", "couplings", "task", "method"),
    [
        ([6], [1.0], "thermal", "numerical"),
        ([10], [1.0], "thermal", "numerical"),
        ([8], [1.0], "thermal", "analytic"),
        ([18], [1.0], "ground_state", ""),
    ],
)
def test_runs_take_about_as_long_as_predicted(lengths, couplings, task, method, tmp_path):
    """Processor time, which other programs do not lengthen; exact sums vary by their number of steps."""
    from hpc_nqs.parallel.team import Team
    from hpc_nqs.settings.parsing import read_settings

    settings = read_settings(write(tmp_path, lengths, couplings, task, method), [])
    predicted = tasks.forecast(settings)["seconds"]
    begin = time.process_time()
    assert tasks.run(settings, Team.serial(), str(tmp_path / "run.h5")) == 0
    assert 1 / 3 < predicted / (time.process_time() - begin) < 3


@pytest.mark.parametrize(
    ("model", "kind", "options"),
    [
        ("tfim", "rbm", ["wavefunction.slices=2"]),
        ("tfim", "dbm", ["wavefunction.kind=dbm"]),
        ("heisenberg", "permanent", ["wavefunction.kind=permanent", "sampling.method=metropolis"]),
        ("heisenberg", "pair_rbm", ["wavefunction.kind=pair_rbm", "sampling.method=metropolis"]),
    ],
)
def test_every_kind_of_state_is_tried(model, kind, options, tmp_path, capsys):
    path = tmp_path / "input.toml"
    lattice = '[lattice]\nkind = "chain"\nlengths = [4]\n'
    path.write_text(f'{lattice}[model]\nkind = "{model}"\n[thermal]\ntemperatures = [4.0, 1.0]\n')
    words = [word for each in options for word in ("--set", each)]
    found = json.loads(checked(str(path), capsys, "--json", *words))
    assert found["resolved"]["wavefunction"]["kind"] == kind
    assert found["forecast"]["steps"] > 2 and 0 < found["forecast"]["seconds"] < 600
