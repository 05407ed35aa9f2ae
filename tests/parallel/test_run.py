"""Whole runs from the command line on 1, 2 and 3 ranks give one table."""

import json
import sys

import numpy as np
import pytest

from hpc_nqs.runs import run_file as checkpoint

INPUT = """
[run]
seed = 5
[lattice]
kind = "chain"
lengths = [4]
[model]
{model}
[wavefunction]
{wavefunction}
[sampling]
method = "{method}"
n_samples = 96
n_chains = {n_chains}
n_warm_up = 20
[thermal]
betas = [0.12, 0.2]
beta_0 = 0.1
[observables]
structure_factor = [[1]]
"""
HEISENBERG, TFIM = 'kind = "heisenberg"', 'kind = "tfim"'
J1J2 = HEISENBERG + "\ncouplings = [1.0, 0.5]"
# x and y bonds in turn: a hafnian that loses pairs
COMPASS = 'kind = "xyz"\ncouplings_x = [0.0]\ncouplings_y = [0.0]\ncouplings_z = [0.4]\nbonds_xyz = ['
COMPASS += "[0, 1, 1, 0, 0], [1, 2, 0, 1, 0], [2, 3, 1, 0, 0]]"
ELECTRONS = 'kind = "hubbard"\nU = 4.0\nn_up = 2\nn_down = 1'
ANY_NUMBERS = 'kind = "hubbard"\nU = 4.0\nmu = 1.5'


@pytest.fixture
def run(mpiexec, tmp_path):
    """Return a function that runs an input on a number of ranks and returns (table, state, history)."""

    def start(n_ranks, text):
        source, output = tmp_path / "input.toml", tmp_path / f"run_{n_ranks}.h5"
        source.write_text(text)
        done = mpiexec(n_ranks, sys.executable, "-m", "hpc_nqs", "run", source, "-o", output)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("results are in") == 1
        return checkpoint.read_table(output), checkpoint.read_state(output), checkpoint.read_history(output)

    return start


def assert_same_numbers(found, expected, where=""):
    """Compare nested results: 1e-8 relative leaves room for sums in another order, and for nothing else."""
    assert type(found) is type(expected), where
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key, value in expected.items():
            assert_same_numbers(found[key], value, f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for k, value in enumerate(expected):
            assert_same_numbers(found[k], value, f"{where}[{k}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-8, abs=1e-10, nan_ok=True), where
    else:
        assert found == expected, where


@pytest.mark.parametrize(
    ("model", "method", "n_chains", "wavefunction"),
    [
        (HEISENBERG, "metropolis", 8, "alpha = 2"),
        (J1J2, "metropolis", 7, "alpha = 2"),
        (J1J2, "metropolis", 7, 'kind = "permanent"'),
        (COMPASS, "metropolis", 7, ""),
        (TFIM, "metropolis", 2, "alpha = 2"),
        pytest.param(ELECTRONS, "metropolis", 7, "", marks=pytest.mark.slow),
        (ELECTRONS, "exact_sum", 1, ""),
        (ANY_NUMBERS, "metropolis", 7, ""),
        (HEISENBERG, "exact_sum", 1, "alpha = 2"),
        (TFIM, "metropolis", 5, 'kind = "dbm"'),
        pytest.param(TFIM, "exact_sum", 1, 'kind = "dbm"', marks=pytest.mark.slow),
    ],
    ids=[
        "heisenberg", "j1j2", "permanent", "compass", "more_ranks_than_chains", "electrons", "summed_electrons",
        "electrons_mu", "exact_sum", "deep_units", "summed_deep_units",
    ],
)
def test_the_table_does_not_depend_on_the_number_of_ranks(run, model, method, n_chains, wavefunction):
    text = INPUT.format(model=model, method=method, n_chains=n_chains, wavefunction=wavefunction)
    text += "imaginary_time = true\n" * (model == ANY_NUMBERS)
    table, state, history = run(1, text)
    assert table["finished"]
    assert [row["beta"] for row in table["rows"]] == [0.12, 0.2]
    assert all(("spectral_proxy_up" in row) == (model == ANY_NUMBERS) for row in table["rows"])
    for n_ranks in (2, 3):
        other, other_state, other_history = run(n_ranks, text)
        assert other["n_ranks"] == n_ranks
        assert_same_numbers(other["rows"], table["rows"])
        assert json.loads(json.dumps(other["settings"])) == table["settings"]
        assert other_history.keys() == history.keys()
        # the spectral cut of exact sums, 1e-8, lets rounding errors into the velocity and so into the step error
        rtol = 1e-6 if method == "exact_sum" else 1e-8
        for name in history.keys() - {"seconds"}:
            np.testing.assert_allclose(other_history[name], history[name], rtol=rtol, atol=1e-10, err_msg=name)
        np.testing.assert_allclose(other_state["params"], state["params"], rtol=1e-7, atol=1e-9)
        if method == "metropolis":
            # the same decisions, although the parameters differ by rounding from the first step on
            for name in ("visible", "streams"):
                np.testing.assert_array_equal(other_state["chains"][name], state["chains"][name])


def test_wrong_input_is_reported_once_and_stops_all_ranks(mpiexec, tmp_path):
    source = tmp_path / "input.toml"
    text = INPUT.format(model=HEISENBERG, method="metropolis", n_chains=8, wavefunction="")
    source.write_text(text.replace("betas", "bettas"))
    done = mpiexec(2, sys.executable, "-m", "hpc_nqs", "run", source)
    assert done.returncode == 2
    assert done.stderr.count("bettas") == 1
    assert not (tmp_path / "input.h5").exists()
