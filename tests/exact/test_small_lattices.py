"""What `check` calls valid runs, on every lattice of up to six sites: no traceback, and energies of eigenstates."""

import numpy as np
import pytest

from hpc_nqs.cli import parser as cli
from hpc_nqs.hamiltonians.matrices import to_sparse
from hpc_nqs.parallel import team as parallel
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.settings.parsing import parse_settings
from hpc_nqs.settings.system import build

LATTICES = [
    *(("chain", [n]) for n in (2, 3, 4, 5)),
    *(("square", lengths) for lengths in ([2, 2], [2, 3], [3, 2])),
    *(("triangular", lengths) for lengths in ([2, 2], [3, 2], [2, 3])),
    *(("honeycomb", lengths) for lengths in ([1, 1], [1, 2], [3, 1])),
    *(("kagome", lengths) for lengths in ([1, 1], [2, 1])),
    *(("ladder", lengths) for lengths in ([2, 2], [3, 2])),
]
INPUT = """
[run]
task = "{task}"
seed = 1
[lattice]
kind = "{kind}"
lengths = {lengths}
[model]
kind = "heisenberg"
[sampling]
method = "{method}"
[ground_state]
n_steps = 60
n_samples_final = 4096
[thermal]
temperatures = [20.0]
"""


@pytest.fixture
def main(tmp_path, monkeypatch):
    """Return a function that checks and runs an input and returns (levels, row), None where `check` refuses."""
    monkeypatch.setattr(parallel, "start", parallel.Team.serial)
    monkeypatch.chdir(tmp_path)

    def main(task, kind, lengths, method):
        (tmp_path / "input.toml").write_text(INPUT.format(task=task, kind=kind, lengths=lengths, method=method))
        if cli.main(["check", "input.toml"]) == 2:
            return None
        assert cli.main(["run", "input.toml"]) == 0
        table = checkpoint.read_table("input.h5")
        return np.linalg.eigvalsh(to_sparse(build(parse_settings(table["settings"]))[1]).toarray()), table["rows"][0]

    return main


@pytest.mark.parametrize("method", ["auto", "metropolis"])
@pytest.mark.parametrize(("kind", "lengths"), LATTICES)
def test_ground_states(main, kind, lengths, method):
    found = main("ground_state", kind, lengths, method)
    if found:
        levels, row = found
        distance = np.abs(levels / (levels.size.bit_length() - 1) - row["energy"]).min()
        if row["converged"] or "n_sectors" not in row:
            assert distance < 1e-3
        else:  # a search that ends too early does not claim the ground state
            assert row["lowest_of"] == "sector"


@pytest.mark.parametrize(("kind", "lengths"), LATTICES)
def test_thermal_states(main, kind, lengths):
    found = main("thermal", kind, lengths, "auto")
    if found:
        levels, row = found
        weights = np.exp(-levels / 20.0)
        n_sites = levels.size.bit_length() - 1
        assert row["energy"] == pytest.approx(weights @ levels / weights.sum() / n_sites, rel=1e-2)


@pytest.mark.parametrize(("kind", "lengths"), [("chain", [2]), ("honeycomb", [1, 1])])
def test_the_ground_state_of_two_spins_is_the_singlet(main, kind, lengths):
    levels, row = main("ground_state", kind, lengths, "auto")
    assert levels[0] == pytest.approx(-0.75) and row["energy"] == pytest.approx(-0.375, abs=1e-12)
    assert row["energy_error"] == 0.0
