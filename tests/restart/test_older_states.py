"""Files of version 0.1: what "auto" meant there goes on, and a state that is gone is cooled again."""

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.parallel.team import Team
from hpc_nqs.runs import run_file
from hpc_nqs.runs.recorder import Recorder
from hpc_nqs.settings.continuing import continued
from hpc_nqs.settings.parsing import parse_settings, read_tables

TABLES = ["cluster_units", "cluster_table"]
TEXT = """
[run]
seed = 1
[lattice]
kind = "chain"
lengths = [6]
[model]
kind = "heisenberg"
couplings = [1.0, 0.5]
[thermal]
temperatures = [4.0]
"""


@pytest.mark.parametrize(
    ("arrays", "kind"),
    [
        (["weights", "hidden_bias"], "rbm"),
        (["weights", "pairing"], "pair_rbm"),
        (["mismatch_amplitudes", *TABLES], "clusters"),
        (["pairing", *TABLES], "permanent"),
        (["exchange", *TABLES], "auto"),
        (TABLES, "auto"),
        ([], "auto"),
    ],
)
def test_auto_is_what_the_arrays_are(arrays, kind):
    settings, remarks = continued(TEXT, [], arrays)
    assert settings.wavefunction.kind == kind
    assert bool(remarks) == (kind == "permanent")


def test_a_kind_that_was_asked_for_stays():
    text = TEXT + '[wavefunction]\nkind = "rbm"\n'
    assert continued(text, [], ["weights", "pairing"])[0].wavefunction.kind == "rbm"


def test_tables_with_flux_are_cooled_again(tmp_path, monkeypatch):
    """The rows stay, the new ones are those of a run from the start."""
    path, whole = str(tmp_path / "run.h5"), str(tmp_path / "whole.h5")
    assert tasks.run(parse_settings(read_tables(TEXT)), Team.serial(), path) == 0
    before = run_file.read_table(path)["rows"]
    assert tasks.run(parse_settings(read_tables(TEXT), ["thermal.temperatures=[4.0, 2.0]"]), Team.serial(), whole) == 0
    settings, remarks = continued(TEXT, before, ["pairing", *TABLES], ["thermal.temperatures=[4.0, 2.0]"])
    assert "cooled from the start" in remarks[0]
    monkeypatch.setattr(Recorder, "load_network", lambda self: {"pairing": 0, "cluster_table": 0})
    assert tasks.run(settings, Team.serial(), path, resume_from=path) == 0
    rows, expected = (run_file.read_table(place)["rows"] for place in (path, whole))
    assert sorted(row["temperature"] for row in rows) == [2.0, 4.0]
    for row, wanted in zip(rows, expected, strict=True):
        assert row["energy"] == pytest.approx(wanted["energy"], abs=1e-5)
    betas = run_file.read_history(path)["beta"]
    assert betas[0] == pytest.approx(0.1) and np.all(np.diff(betas) > 0)
