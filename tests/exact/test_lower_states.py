"""Excited states of the same sector: orthogonal to saved ones, against diagonalization."""

import numpy as np
import pytest

from hpc_nqs import checkpoint, exact
from hpc_nqs.chains import Chains
from hpc_nqs.enumeration import Enumeration
from hpc_nqs.ground_state import run_ground_state
from hpc_nqs.lower_states import LowerStates, load_lower_state
from hpc_nqs.models import to_sparse
from hpc_nqs.parallel import Team
from hpc_nqs.reconfiguration import evaluate
from hpc_nqs.settings import SettingsError, build, parse_settings
from hpc_nqs.spin_ansatz import build_spin_ansatz
from hpc_nqs.spin_system import random_spins
from hpc_nqs.wavefunctions.rbm import log_psi

SERIAL = Team.serial()
SYSTEMS = {
    "heisenberg": ({"kind": "heisenberg"}, 8, {}),
    "frustrated": ({"kind": "heisenberg", "couplings": [1.0, 0.4]}, 8, {"momentum": [0]}),
    "tfim": ({"kind": "tfim"}, 6, {}),
}


def settings_of(name="heisenberg", overrides=(), sampling=None, **ground_state):
    model, n_sites, sector = SYSTEMS[name]
    sections = {"run": {"task": "ground_state", "seed": 2}, "lattice": {"kind": "chain", "lengths": [n_sites]}}
    sections |= {"model": model, "sampling": sampling or {}}
    return parse_settings(sections | {"ground_state": sector | {"n_steps": 300, "v_score": 1e-9} | ground_state}, overrides)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return a function: name of a system to the path of its converged ground state."""
    folder, made = tmp_path_factory.mktemp("states"), {}

    def path(name):
        if name not in made:
            made[name] = str(folder / f"{name}.h5")
            assert run_ground_state(settings_of(name), SERIAL, made[name]) == 0
        return made[name]

    return path


def second_level(settings, row):
    """Return the second exact energy per site with the quantum numbers of a row, Sz = 0 where it is conserved."""
    lattice, model = build(settings)
    n = lattice.n_sites
    states = np.arange(2**n)
    if model.conserves_sz:
        states = states[np.bitwise_count(states.astype(np.uint32)) == n // 2]
    bits = (states[:, None] >> np.arange(n)) & 1
    place = {state: k for k, state in enumerate(states.tolist())}
    energies, vectors = np.linalg.eigh(to_sparse(model).toarray()[np.ix_(states, states)])
    shifted = np.array([place[int(state)] for state in np.roll(bits, 1, axis=1) @ (1 << np.arange(n))])
    flipped = np.array([place[int(state)] for state in (1 - bits) @ (1 << np.arange(n))])
    phase = np.exp(-2j * np.pi * row["momentum"][0] / n)
    vectors = vectors.astype(complex)
    for image, character, order in ((shifted, phase, n), (flipped, row["spin_parity"], 2)):
        total, moved = np.zeros_like(vectors), vectors
        for power in range(order):
            total += moved / (order * character**power)
            moved = moved[np.argsort(image)]
        vectors = total
    weights = np.sum(np.abs(vectors) ** 2, axis=0)
    levels, previous = [], -np.inf
    for energy in np.unique(np.round(energies, 9)):
        multiplicity = weights[np.abs(energies - energy) < 1e-8].sum()
        levels += [energy] * round(multiplicity)
    del previous
    return levels[1] / n


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_second_level_of_a_sector(name, saved, tmp_path):
    first = checkpoint.read_table(saved(name))["rows"][0]
    settings = settings_of(name, orthogonal_to=[saved(name)], n_steps=500)
    path = str(tmp_path / "second.h5")
    assert run_ground_state(settings, SERIAL, path) == 0
    (row,) = checkpoint.read_table(path)["rows"]
    assert (row["momentum"], row["spin_parity"]) == (first["momentum"], first["spin_parity"])
    assert row["overlap"] < 1e-6
    assert row["energy"] == pytest.approx(second_level(settings, row), rel=2e-4)
    assert row["energy"] > first["energy"] + 1e-3
