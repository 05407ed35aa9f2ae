"""What the tests of stopped, killed and damaged runs share: small inputs, short runs, comparison of run files."""

import types

import numpy as np
import pytest

from hpc_nqs import tasks
from hpc_nqs.parallel.team import Team
from hpc_nqs.runs import run_file as checkpoint
from hpc_nqs.runs.stopping import NEVER, StopRequest
from hpc_nqs.settings.parsing import parse_settings

SAMPLING = {"method": "metropolis", "n_samples": 64, "n_chains": 5, "n_warm_up": 10}


class StopAfter(StopRequest):
    """A stop request that comes when the driver looks for the `n_looks`-th time: after a step or batch."""

    def __init__(self, n_looks):
        super().__init__()
        self.left = n_looks

    def due(self, margin):
        self.left -= 1
        return self.left <= 0


def settings_of(betas=(0.2, 0.35), overrides=(), **sections):
    """Return the settings of a Heisenberg ring of four sites, some sections replaced."""
    tables = {"run": {"seed": 7}, "lattice": {"kind": "chain", "lengths": [4]}, "model": {"kind": "heisenberg"}}
    tables |= {"wavefunction": {"alpha": 2}, "sampling": SAMPLING, "observables": {"structure_factor": [[1, 0]]}}
    return parse_settings(tables | {"thermal": {"betas": list(betas), "beta_0": 0.1}} | sections, overrides)


def cool(settings, path, stop=NEVER, resume=False):
    """Run or resume in this process."""
    return tasks.run(settings, Team.serial(), str(path), resume_from=str(path) if resume else None, stop=stop)


def contents(path):
    """Return everything in a run file that does not tell the time."""
    state, table = checkpoint.read_state(path), checkpoint.read_table(path)
    history, network = checkpoint.read_history(path), checkpoint.read_network(path)
    for part in (state, table, history):
        del part["seconds"]
    return {"state": state, "table": table, "history": history, "network": network}


def assert_bitwise(found, expected, where=""):
    """Compare nested dicts and arrays to the last bit."""
    assert type(found) is type(expected), where
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for name, value in expected.items():
            assert_bitwise(found[name], value, f"{where}/{name}")
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype, where
        assert found.tobytes() == expected.tobytes(), where
    else:
        assert found == expected, where


@pytest.fixture(scope="session")
def runs():
    """What stands above, for the tests of this folder."""
    return types.SimpleNamespace(
        StopAfter=StopAfter, settings_of=settings_of, cool=cool, contents=contents, assert_bitwise=assert_bitwise
    )
