"""The states of a run are measured to the same bits on 1, 2 and 3 ranks: `hpc-nqs measure` from the command line."""

import sys

import pytest

from hpc_nqs.runs import run_file as checkpoint

INPUT = """
[run]
seed = 5
[lattice]
kind = "chain"
lengths = [6]
[model]
{model}
[sampling]
method = "{method}"
n_samples = 140
n_chains = {n_chains}
[thermal]
temperatures = [4.0, 2.0]
n_samples_report = 420
rings = {rings}
"""
TFIM, J1J2 = 'kind = "tfim"', 'kind = "heisenberg"\ncouplings = [1.0, 0.5]'
ASKED = ("observables.correlations=true", "observables.imaginary_time=true", "observables.structure_factor=[[1, 0]]")
ASKED += tuple(f"observables.{key}=true" for key in ("correlation_vectors", "moments", "energy_terms", "dimers"))


@pytest.mark.parametrize(
    ("model", "method", "n_chains", "rings"),
    [
        (J1J2, "metropolis", 7, "[2]"),
        (J1J2, "metropolis", 2, "[2]"),
        (J1J2, "metropolis", 7, "[3, 4]"),
        (J1J2, "exact_sum", 7, "[2]"),
        (J1J2, "exact_sum", 7, "[3, 4]"),
        pytest.param(TFIM, "metropolis", 7, "[2]", marks=pytest.mark.slow),
    ],
    ids=["cooled", "more_ranks_than_chains", "rings", "summed", "traces", "tables"],
)
def test_rows_are_the_same_bits_on_any_number_of_ranks(mpiexec, tmp_path, model, method, n_chains, rings):
    def command(n_ranks, *words):
        done = mpiexec(n_ranks, sys.executable, "-m", "hpc_nqs", *words)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("results are in") == 1

    source, rows = tmp_path / "run.h5", []
    (tmp_path / "run.toml").write_text(INPUT.format(model=model, method=method, n_chains=n_chains, rings=rings))
    command(1, "run", tmp_path / "run.toml")
    overrides = [word for each in ASKED for word in ("--set", each)]
    for n_ranks in (1, 2, 3):
        output = tmp_path / f"{n_ranks}.h5"
        command(n_ranks, "measure", source, "-o", output, "--temperatures", "4.0,2.7,2.0", *overrides)
        table = checkpoint.read_table(output)
        assert table["n_ranks"] == n_ranks and table["finished"]
        rows.append(table["rows"])
    assert len(rows[0]) == 3 and len(rows[0][0]["dimer_correlation"]) == 4
    assert rows[1] == rows[0]
    assert rows[2] == rows[0]
