"""Ground-state runs from the command line: one table on any number of ranks, and what the other commands make of it."""

import json
import sys

import numpy as np
import pytest

from hpc_nqs.cli import parser as cli
from hpc_nqs.runs import run_file as checkpoint

INPUT = """
[run]
task = "ground_state"
seed = 5
[lattice]
kind = "chain"
lengths = [6]
[model]
kind = "heisenberg"
[sampling]
method = "metropolis"
n_samples = 256
n_chains = 7
n_warm_up = 20
[ground_state]
n_steps = 12
n_samples_final = 2048
sectors = [[3, -1], [1, -1]]
[observables]
structure_factor = [[1]]
"""


@pytest.fixture
def finished(mpiexec, tmp_path, monkeypatch):
    """Runs on 1 and 2 ranks, one.h5 and two.h5 in the current folder, and their input."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input.toml").write_text(INPUT)
    for n_ranks, name in ((1, "one.h5"), (2, "two.h5")):
        done = mpiexec(n_ranks, sys.executable, "-m", "hpc_nqs", "run", "input.toml", "-o", name)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("results are in") == 1
        assert done.stderr.count("sector 1 of 2") == 1
    return tmp_path


def test_one_table_for_any_number_of_ranks_and_every_command(finished, capsys):
    one, two = (checkpoint.read_table(name)["rows"] for name in ("one.h5", "two.h5"))
    assert [row["momentum"] for row in one] == [[3], [1]]
    for row, other in zip(one, two, strict=True):
        assert row.keys() == other.keys()
        of_step = ("energy_lanczos", "energy_lanczos_error", "variance_lanczos", "lanczos_samples")
        for name in ("energy", "energy_error", "variance", "v_score", "acceptance", *of_step):
            assert other[name] == pytest.approx(row[name], rel=1e-7, abs=1e-9)
        np.testing.assert_allclose(other["structure_factor"]["1,0"], row["structure_factor"]["1,0"], rtol=1e-7)

    assert cli.main(["exact", "input.toml", "--json"]) == 0
    sectors = json.loads(capsys.readouterr().out)["rows"]
    energies = {
        (row["momentum"][0], row["sz"], row["spin_parity"]): row["energy"] for row in sectors if "spin_parity" in row
    }
    assert energies[3, 0, -1] == pytest.approx(-0.467129, abs=1e-6)
    for row in one:  # 12 steps bring a ring of six sites near the level; never below it by more than 5 errors
        above = row["energy"] - energies[row["momentum"][0], 0, row["spin_parity"]]
        assert -5 * row["energy_error"] - 1e-9 < above < 0.05

    assert cli.main(["show", "one.h5", "--exact"]) == 0
    text = capsys.readouterr().out
    assert "momentum" in text and "e - exact" in text and "V-score" in text
    assert cli.main(["check", "input.toml"]) == 0
    assert "momentum = [3], spin_parity = -1 (6 images)" in capsys.readouterr().out

    pytest.importorskip("matplotlib")
    assert cli.main(["plot", "one.h5", "two.h5", "--exact", "-o", "figure.png"]) == 0
    assert (finished / "figure.png").stat().st_size > 10_000


def test_orthogonal_states_on_any_number_of_ranks(finished, mpiexec):
    """A few steps away from the saved state, with sums over orbits and with chains, each the same on two ranks."""
    text = INPUT.replace("sectors = [[3, -1], [1, -1]]", "").replace("n_steps = 12", "n_steps = 15\npenalty = 4.0")
    for method in ("exact_sum", "metropolis"):
        (finished / "ground.toml").write_text(text.replace("metropolis", method))
        for arguments in (
            ("ground.toml", "-o", f"{method}.h5"),
            ("ground.toml", "-o", f"{method}_1.h5", "--set", f'ground_state.orthogonal_to=["{method}.h5"]'),
            ("ground.toml", "-o", f"{method}_2.h5", "--set", f'ground_state.orthogonal_to=["{method}.h5"]'),
        ):
            n_ranks = 2 if arguments[2].endswith("_2.h5") else 1
            done = mpiexec(n_ranks, sys.executable, "-m", "hpc_nqs", "run", *arguments)
            assert done.returncode == 0, done.stderr
        first, second, other = (checkpoint.read_table(f"{method}{end}.h5")["rows"][0] for end in ("", "_1", "_2"))
        assert second["energy"] > first["energy"] + 0.05 and 0 <= second["overlap"] < 0.95
        for name in ("energy", "overlap"):
            assert other[name] == pytest.approx(second[name], rel=1e-6, abs=1e-8)


def test_electrons_on_any_number_of_ranks(mpiexec, tmp_path, monkeypatch):
    """Seven chains on 1, 2 and 3 ranks, then what the other commands make of the run."""
    monkeypatch.chdir(tmp_path)
    model = 'kind = "hubbard"\nU = 4.0\nn_up = 3\nn_down = 2'
    text = INPUT.replace('kind = "heisenberg"', model).replace("sectors = [[3, -1], [1, -1]]", "momentum = [1]")
    (tmp_path / "electrons.toml").write_text(text)
    rows = []
    for n_ranks in (1, 2, 3):
        done = mpiexec(n_ranks, sys.executable, "-m", "hpc_nqs", "run", "electrons.toml", "-o", f"{n_ranks}.h5")
        assert done.returncode == 0, done.stderr
        rows += checkpoint.read_table(f"{n_ranks}.h5")["rows"]
    for row in rows[1:]:
        assert row.keys() == rows[0].keys()
        for name in ("energy", "energy_error", "variance", "double_occupancy", "local_moment", "acceptance"):
            assert row[name] == pytest.approx(rows[0][name], rel=1e-7, abs=1e-9)
        for name in ("structure_factor", "charge_structure_factor", "n_k_up", "n_k_down"):
            np.testing.assert_allclose(row[name]["1,0"], rows[0][name]["1,0"], rtol=1e-7, atol=1e-9)
    assert (rows[0]["n_up"], rows[0]["n_down"], rows[0]["momentum"]) == (3, 2, [1])
