"""Every input of jobscripts/examples runs: one temperature, or a few steps, with few samples."""

from pathlib import Path

import numpy as np
import pytest

import hpc_nqs
from hpc_nqs.hamiltonians import MODELS
from hpc_nqs.settings.lattice_section import REGULAR_KINDS
from hpc_nqs.settings.parsing import parse_settings, read_settings, read_tables

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "jobscripts" / "examples").glob("*.toml"))
FEW = ["sampling.n_samples=64", "sampling.n_chains=16"]
DEVIATION = 7.0  # standard errors from 16 chains: 5e-6 by Student's distribution, fixed seeds
DIAGONALIZED = 13  # sites at most: within a tenth of a second


def shortened(path):
    """Return the settings of an example for its highest temperature, or few steps, with few samples."""
    settings = read_settings(path, [])
    if settings.run.task == "ground_state":
        return hpc_nqs.read_input(path, [*FEW, "ground_state.n_steps=3"])
    hot = [*FEW, f"thermal.temperatures=[{settings.thermal.temperatures[0]}]"]
    if settings.thermal.method == "numerical":
        hot += ["sampling.method=metropolis", "thermal.n_samples_report=128"]
    return hpc_nqs.read_input(path, hot)


def test_there_is_an_example_of_every_lattice_and_model():
    inputs = [parse_settings(read_tables(path.read_text())) for path in EXAMPLES]
    assert {settings.lattice.kind for settings in inputs} == {*REGULAR_KINDS, "custom"}
    assert {settings.model.kind for settings in inputs} == set(MODELS)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_valid(path):
    assert hpc_nqs.read_input(path).run.seed == 1


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run(path, tmp_path):
    settings = shortened(path)
    run = hpc_nqs.run(settings, tmp_path / "run.h5")
    assert run.finished
    if run.table["n_sites"] > DIAGONALIZED:
        return
    exact = hpc_nqs.diagonalize(settings)
    if settings.run.task == "ground_state":
        assert np.all(run["energy"] > exact["energy"].min() - 1e-9)
    else:
        assert abs(run["energy"] - exact["energy"])[0] < DEVIATION * np.hypot(
            run["energy_error"], run["energy_systematic"] if "energy_systematic" in run.names else 0.0
        )
