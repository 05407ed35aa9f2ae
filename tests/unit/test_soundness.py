"""Seeds outside their range and frozen chains are errors in words, not numbers without error."""

import numpy as np
import pytest

from hpc_nqs.cli import parser as cli
from hpc_nqs.hamiltonians import build_model
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.lattices import lattice as lattices
from hpc_nqs.parallel import team as parallel
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.sampling.chains import Chains
from hpc_nqs.thermal.soundness import frozen_problem, seed_problem

INPUT = """
[run]
seed = {seed}
[lattice]
kind = "square"
lengths = [4, 4]
[model]
kind = "heisenberg"
couplings = [1.0, 0.5]
[sampling]
n_samples = 1024
[thermal]
temperatures = [{temperature}]
"""


PAIRED = 'wavefunction.kind="pair_rbm"'


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Return a function that runs INPUT and returns (exit code, output, rows)."""
    monkeypatch.setattr(parallel, "start", parallel.Team.serial)
    monkeypatch.chdir(tmp_path)

    def run(seed=1, temperature=2.0, *overrides):
        (tmp_path / "input.toml").write_text(INPUT.format(seed=seed, temperature=temperature))
        options = [word for override in overrides for word in ("--set", override)]
        code = cli.main(["run", "input.toml", "--overwrite", *options])
        captured = capsys.readouterr()
        return code, captured.out + captured.err, checkpoint.read_table("input.h5")

    return run


@pytest.mark.parametrize("beta_0", [0.5])
def test_a_seed_outside_its_range_is_an_error(run, beta_0):
    """It is the reported temperature itself: no step is made before the report."""
    code, output, table = run(1, 2.0, f"thermal.beta_0={beta_0}", PAIRED)
    assert code == 1
    assert table["rows"] == [] and not table["finished"]
    assert "does not reach so far" in output or "no chain has accepted" in output
    assert "-0.249998" not in output and "Traceback" not in output


def test_a_seed_in_its_range_is_none(run):
    code, output, table = run(1, 20.0, "thermal.beta_0=0.02")
    assert code == 0 and table["finished"]
    assert table["rows"][0]["energy"] == pytest.approx(-0.0234, abs=5e-3)  # -Var / T, Var = 15/32 per site


def test_chains_that_freeze_on_the_way_end_the_run(run, monkeypatch):
    calls = []
    monkeypatch.setattr(Chains, "acceptance", lambda self, team: calls.append(1) or (0.3 if len(calls) < 4 else 0.0))
    code, output, table = run(1, 20.0, PAIRED)
    assert code == 1 and table["rows"] == []
    assert "no chain has accepted a proposal" in output
    assert len(checkpoint.read_history("input.h5")["beta"]) == 3


SYSTEMS = [
    ("chain", (6,), {"kind": "heisenberg", "couplings": [1.0, 0.4]}),
    ("chain", (5,), {"kind": "heisenberg", "field_z": 0.7}),
    ("chain", (4,), {"kind": "tfim", "coupling": 1.0, "field": 0.7}),
    ("chain", (3,), {"kind": "heisenberg", "couplings": [-1.0]}),
]


@pytest.mark.parametrize(("kind", "lengths", "model"), SYSTEMS)
@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_exact_states_pass_and_displaced_ones_do_not(kind, lengths, model, unit):
    """Energies and variances by diagonalization, at every beta from tiny to huge and in every unit of energy."""
    scaled = {key: (np.multiply(value, unit).tolist() if key != "kind" else value) for key, value in model.items()}
    terms = build_model(lattices.build(kind, lengths), **scaled)
    levels = np.linalg.eigvalsh(to_sparse(terms).toarray())
    for beta in np.geomspace(1e-3, 30.0, 25) / unit:
        weights = np.exp(-beta * (levels - levels.min()))
        weights /= weights.sum()
        energy = weights @ levels
        exact = {
            "energy": energy / terms.n_sites,
            "energy_error": 0.0,
            "variance": weights @ (levels - energy) ** 2 / terms.n_sites,
        }
        assert seed_problem(exact, beta, terms) is None
    beta = 0.1 / np.sqrt(levels.var())
    assert seed_problem(exact, beta, terms)  # the ground state is no seed


def test_exact_sums_have_no_chains():
    assert frozen_problem(0.0, is_exact=True) is None
    assert frozen_problem(1e-9, is_exact=False) is None
    assert "accepted" in frozen_problem(0.0, is_exact=False)
