"""What "auto" became stands in the run file, in `show` and in the report, and survives a stop; progress is honest."""

import json
import signal

import h5py
import pytest

from hpc_nqs import tasks
from hpc_nqs.cli import parser as cli
from hpc_nqs.parallel.team import Team
from hpc_nqs.reports.methods import paragraph
from hpc_nqs.runs import run_file
from hpc_nqs.runs.progress import Progress
from hpc_nqs.runs.stopping import StopRequest
from hpc_nqs.settings.parsing import parse_settings

CHAIN = {"lattice": {"kind": "chain", "lengths": [4]}}
HEISENBERG = {"model": {"kind": "heisenberg", "couplings": [1.0]}}
THERMAL = {"thermal": {"temperatures": [4.0, 2.0]}}
FEW = {"sampling": {"method": "metropolis", "n_samples": 256}}
ANALYTIC = {"thermal": {"temperatures": [4.0], "method": "analytic"}, "sampling": {"n_samples": 512}}
INPUTS = {
    "sums": CHAIN | HEISENBERG | THERMAL,
    "chains": CHAIN | HEISENBERG | THERMAL | FEW,
    "transverse field": CHAIN | {"model": {"kind": "tfim"}} | THERMAL | FEW,
    "analytic": CHAIN | HEISENBERG | ANALYTIC,
    "ground state": CHAIN | HEISENBERG | {"ground_state": {"n_steps": 5}} | FEW,
    "ground state, sums": CHAIN | HEISENBERG | {"ground_state": {"n_steps": 5}},
}
INPUTS = {name: parts | {"run": {"seed": 2, "task": "ground_state" if "ground" in name else "thermal"}}
          for name, parts in INPUTS.items()}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return {name: (settings, run file)} of all inputs."""
    folder, found = tmp_path_factory.mktemp("resolved"), {}
    for name, sections in INPUTS.items():
        settings, path = parse_settings(sections), str(folder / f"{name}.h5")
        assert tasks.run(settings, Team.serial(), path) == 0
        found[name] = settings, path
    return found


@pytest.mark.parametrize("name", INPUTS)
def test_check_and_run_say_the_same(name, files):
    settings, path = files[name]
    table = run_file.read_table(path)
    assert table["resolved"] == json.loads(json.dumps(tasks.resolved(settings)))
    assert table["settings"] == settings.to_dict()  # "auto" stays "auto" in the input of the run
    assert json.dumps(table["resolved"]).count('"auto"') == 0


def test_the_numbers_are_those_that_were_used(files):
    table = run_file.read_table(files["chains"][1])
    resolved, history = table["resolved"], run_file.read_history(files["chains"][1])
    assert resolved["thermal"]["beta_0"] == history["beta"][0]
    assert history["dtau"].max() <= resolved["thermal"]["max_dtau"]
    assert history["step_error"].max() <= 2 * resolved["thermal"]["step_tolerance"]
    assert resolved["sampling"]["n_samples"] == 256 and resolved["thermal"]["n_samples_report"] == [16 * 256, 24 * 256]
    assert resolved["sampling"]["n_chains"] == run_file.read_about(files["chains"][1])["n_chains"]
    network = run_file.read_network(files["chains"][1])
    assert resolved["wavefunction"]["kind"] == "permanent" and "exchange" in network
    sums = run_file.read_table(files["sums"][1])["resolved"]
    assert sums["sampling"] == {"method": "exact_sum", "n_configurations": 70, "n_orbits": 10}
    assert sums["wavefunction"]["kind"] == "permanent"


@pytest.mark.parametrize("name", INPUTS)
def test_the_paragraph_has_the_numbers(name, files):
    table, about = run_file.read_table(files[name][1]), run_file.read_about(files[name][1])
    words, resolved = paragraph(table, about), table["resolved"]
    sampling = resolved["sampling"]
    assert "4 sites" in words and "seed 2" in words and f"hpc_nqs {about['version']}" in words
    assert "auto" not in words and "None" not in words and "  " not in words
    if "wavefunction" in resolved:
        assert f"{resolved['wavefunction']['n_params']} {resolved['wavefunction']['parameters']} parameters" in words
    if sampling["method"] == "exact_sum":
        assert f"sums over {sampling['n_configurations']} configurations" in words and "chains" not in words
    else:
        assert f"{sampling['n_samples']:,} samples" in words and f"{sampling['n_chains']} M" in words


def test_a_stop_and_older_files(files, tmp_path, capsys):
    """A stopped run goes on with the same; a file without it is shown without a paragraph."""
    settings, path = files["chains"]
    stop = StopRequest()
    stop.received = signal.SIGTERM
    own = str(tmp_path / "run.h5")
    assert tasks.run(settings, Team.serial(), own, stop=stop) == 75
    before = run_file.read_table(own)["resolved"]
    assert tasks.run(settings, Team.serial(), own, resume_from=own) == 0
    assert run_file.read_table(own)["resolved"] == before == run_file.read_table(path)["resolved"]
    assert cli.main(["show", own]) == 0
    assert "were computed by numerical purification" in " ".join(capsys.readouterr().out.split())
    assert cli.main(["report", own, "-o", str(tmp_path / "run.html")]) == 0
    page = (tmp_path / "run.html").read_text()
    assert "<h2>Methods</h2>" in page and "# [4096, 6144]" in page
    capsys.readouterr()
    parts = run_file.read_state(own), run_file.read_history(own), run_file.read_table(own), run_file.read_network(own)
    state, history, table, network = parts
    del table["resolved"]
    run_file.write_run(own, settings.to_toml(), state, history, table, network)
    with h5py.File(own, "r+") as file:  # a file of before has no such dataset
        del file["settings/resolved"]
        file["settings"].attrs["order"] = json.dumps(["toml"])
        file.attrs["checksum"] = run_file._checksum(file)
    assert "resolved" not in run_file.read_table(own)
    assert cli.main(["show", own]) == 0
    assert "were computed" not in capsys.readouterr().out
    assert tasks.run(settings, Team.serial(), own, resume_from=own) == 0


def test_a_line_shows_what_was_measured_at_its_temperature(monkeypatch, tmp_path):
    shown, update = [], Progress.update

    def listen(self, **values):
        shown.append(values | {"seconds_left": values["seconds_left"]()})
        update(self, **values)

    monkeypatch.setattr(Progress, "update", listen)
    path = str(tmp_path / "run.h5")
    assert tasks.run(parse_settings(INPUTS["sums"]), Team.serial(), path) == 0
    history, rows = run_file.read_history(path), run_file.read_table(path)["rows"]
    known = dict(zip(history["beta"], history["energy"], strict=True)) | {row["beta"]: row["energy"] for row in rows}
    assert len(shown) == len(history["beta"]) + len(rows)
    assert [each["energy"] for each in shown] == [known[each["beta"]] for each in shown]
    assert shown[-1]["seconds_left"] == 0.0 and all(each["seconds_left"] > 0 for each in shown[:-1])
